"""Factor analysis: one hidden number behind several measurements, derived with the numbers of the run."""

import streamlit as st

from emcore import factors
from emcore.em import DegenerateFit
from emcore.experiment import Experiment
from emcore.figures.factor_analysis import hidden_figure, loadings_figure, scores_figure
from emcore.figures.style import Look
from emcore.models import FactorAnalysis
from emcore.sources.factors import EXAMPLES, FactorSource
from emcore.starts import OWN
from pages.parts import controls, run, story
from pages.parts import factors as parts
from pages.parts.text import plain

visit = controls.begin("factor-analysis", parts.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    name = controls.example("variables", parts.TITLES, "Choosing one also sets the model up for it.")
    if name == "own":
        source = parts.upload(visit)
    else:
        controls.data_seed(EXAMPLES[name].random)
        source = FactorSource(name, values["data-seed"] if EXAMPLES[name].random else 0)
    dataset = Experiment(source, FactorAnalysis(1), OWN).dataset()
    st.subheader("Model")
    parts.model_choices(len(dataset.axes))
    controls.model_run(random=values["begin"] == "random")
    parts.view_choices(dataset)

st.html(parts.CSS)
story.opening(
    visit,
    "Factor analysis",
    "Several measurements go up and down together because one thing that nobody measured stands behind them. Each is "
    "that thing, times a loading, plus noise of its own: $x = Wz + \\mu + \\varepsilon$.",
    plain(dataset.caption),
)
section = controls.widget(
    "section",
    st.segmented_control,
    "Section of the lesson",
    list(parts.SECTIONS),
    format_func=parts.SECTIONS.__getitem__,
    required=True,
    label_visibility="collapsed",
    width="stretch",
)
if section == "fit":
    story.told(parts.PICTURE, FactorAnalysis.skeleton)
row = parts.choose_point(len(dataset.X), section == "derivation")
if section == "rotation":
    one = values["factors"] == 1
    label = "Turn the factor (degrees): beyond 90 its sign changes" if one else "Turn the factors (degrees)"
    controls.widget("rotation", st.slider, label, 0, 180, step=5)
controls.end(visit)


# ---- The run ----------------------------------------------------------------------------------------------

model = FactorAnalysis(values["factors"], values["noise"] == "equal")
try:
    begin = factors.beginning(values["begin"], model, dataset.X)
except DegenerateFit as collapse:
    begin = None
    st.info(f"{collapse} So these loadings cannot be begun with: random ones stand in.")
experiment = run.experiment_of(visit, source, model, begin)
if section == "fit":
    parts.question(experiment, name)
history, captions = run.history_of(experiment, factors.factor_words(dataset.axes))
truth = None
if values["truth"] and dataset.truth is not None and dataset.truth.n_factors == model.n_factors:
    truth = factors.aligned(dataset.truth, history.parameters[-1])
rows = factors.shown(history)


def pictures(look: Look):
    """The points in two or three variables, else what is known of the factors; in every case with the chosen point."""
    if len(dataset.axes) > 3:
        return (
            loadings_figure(history, dataset.axes, truth=truth, look=look),
            scores_figure(history, *factors.score_places(history, row), row, look=look),
        )
    view = factors.view_of(dataset.X, values["turn"])
    drawn = factors.factor_scene(history, view, truth)
    chosen = factors.chosen_point(history, row, view)
    return (
        hidden_figure(
            history,
            drawn,
            view,
            dataset.axes,
            row=row,
            chosen=chosen,
            springs=values["springs"],
            pca=section == "pca",
            look=look,
        ),
    )


def below(shown) -> None:
    """What follows the position, by section."""
    parts.follow_click(visit, shown, rows)
    if section == "fit":
        parts.fit_tables(history, shown.position, dataset, truth)
        parts.covariances(history, shown.position, dataset.axes)
    elif section == "derivation":
        parts.derivation(history, shown.position, row, dataset.axes)
    elif section == "rotation":
        parts.rotation(history, shown.position, values["rotation"], dataset.axes, Look(projector=values["projector"]))
    else:
        parts.pca(history, shown.position)


run.play_model(
    visit,
    experiment,
    history,
    captions,
    pictures,
    below,
    look=(row, values["turn"], values["springs"], values["truth"], section == "pca"),
    widths=(3, 2) if len(dataset.axes) <= 3 else (3, 3, 3),
)
story.references(
    "D. B. Rubin and D. T. Thayer (1982), *EM algorithms for ML factor analysis*, Psychometrika 47, 69-76.",
    "M. E. Tipping and C. M. Bishop (1999), *Probabilistic principal component analysis*, Journal of the Royal "
    "Statistical Society B 61, 611-622.",
    "Z. Ghahramani and G. E. Hinton (1996), *The EM algorithm for mixtures of factor analyzers*, University of Toronto "
    "CRG-TR-96-1.",
    "C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, sections 12.2.1 to 12.2.4.",
    "H. B. Heywood (1931), *On finite sequences of real numbers*, Proceedings of the Royal Society A 134, 486-501.",
    "R. A. Fisher (1936), *The use of multiple measurements in taxonomic problems*, Annals of Eugenics 7, 179-188: the "
    "irises.",
)
