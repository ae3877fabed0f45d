"""Missing values: a normal distribution fitted to a table with holes."""

import streamlit as st

from emcore import missing
from emcore.em import DegenerateFit
from emcore.experiment import Experiment
from emcore.figures.missing import correlation_figure, holes_figure
from emcore.models import MissingNormal
from emcore.starts import OWN
from pages.parts import controls, run, story
from pages.parts import missing as parts
from pages.parts.text import plain

visit = controls.begin("missing", parts.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    source = parts.data_choices(visit)
    data = Experiment(source, MissingNormal(), OWN).dataset()
    parts.begin_choice()
    controls.model_run(random=values["begin"] == "random")
    parts.view_choices(data)

story.opening(
    visit,
    "Missing values",
    "Some cells of a table are empty. If they were not, mean and covariance would be plain averages. EM fills each "
    "hole with what the rest of its row makes likely, and keeps in mind how uncertain that is.",
    plain(data.caption),
)
story.told(parts.PICTURE, MissingNormal.skeleton)
rows = missing.rows_with_a_hole(data.X)
row = parts.switches(visit, rows)
controls.end(visit)


# ---- The run ----------------------------------------------------------------------------------------------

model = missing.model_of(parts.KNOWN_MEAN.get(values["holes"]), values["forget"])
try:
    begin = missing.beginning(values["begin"], model, data.X)
except DegenerateFit as collapse:
    begin = model.independent(data.X)
    st.info(f"{plain(str(collapse))} The run begins without correlation instead.")
experiment = run.experiment_of(visit, source, model, begin)
parts.question(experiment, data)
history, captions = run.history_of(experiment, missing.missing_words(data.axes))
drawn = missing.hole_scene(history, data)


def below(shown) -> None:
    """What follows the position."""
    parts.follow_click(visit, shown, rows, drawn.holes)
    parts.below(experiment, history, shown.position, data, row, values["truth"])


def pictures(look):
    """The scatter with its holes; of the twelve points also the two peaks."""
    scatter = holes_figure(
        history,
        drawn,
        data.axes,
        row=row,
        whole=data.whole if values["lost"] else None,
        bars=not values["forget"],
        truth=values["truth"],
        look=look,
    )
    return (scatter, correlation_figure(history, *missing.twelve_profile(), look=look)) if twelve else (scatter,)


twelve = values["holes"] == "twelve-points"
run.play_model(
    visit,
    experiment,
    history,
    captions,
    pictures,
    below,
    look=(row, values["lost"], values["truth"]),
    widths=(3, 2, 2) if twelve else (3, 2),
)
parts.compare(experiment, data)
parts.formulas()
story.references(
    "A. P. Dempster, N. M. Laird and D. B. Rubin (1977), *Maximum likelihood from incomplete data via the EM "
    "algorithm*, Journal of the Royal Statistical Society B 39, 1-38, section 4.1.3; in its discussion G. D. Murray's "
    "twelve points.",
    "R. J. A. Little and D. B. Rubin (2002), *Statistical Analysis with Missing Data*, 2nd edition, chapters 7 and 11.",
    "D. B. Rubin (1976), *Inference and missing data*, Biometrika 63, 581-592: what missing at random means.",
    "C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, section 2.3.1: the conditional normal "
    "distribution.",
)
