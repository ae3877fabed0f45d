"""Ratings: a table of people and dishes, filled by EM for missing data, and how far that can be trusted."""

import streamlit as st

from emcore import ratings
from emcore.experiment import Experiment
from emcore.figures.ratings import errors_figure, table_figure
from emcore.models import MissingNormal
from emcore.starts import OWN, At
from pages.parts import controls, run, story
from pages.parts import ratings as parts
from pages.parts.text import plain

visit = controls.begin("ratings", parts.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    source = parts.data_choices()
    parts.begin_choice()
    controls.model_run(random=values["begin"] == "random")

story.opening(
    visit,
    "Ratings",
    "Nobody has tasted everything, so most people's tables have empty cells. Who likes chili often likes curry: EM "
    "learns such things from the cells that are there, and fills in the others with a mean and an sd.",
)
controls.end(visit)
story.told(parts.PICTURE, MissingNormal.skeleton)


# ---- The run ----------------------------------------------------------------------------------------------

model = MissingNormal()
data = Experiment(source, model, OWN).dataset()
st.markdown(plain(data.caption))
independent = values["begin"] == "independent"
experiment = Experiment(
    source=source,
    model=model,
    start="by-hand" if independent else OWN,
    start_seed=0 if independent else values["start-seed"],
    by_hand=At.of(model.independent(data.X)) if independent else None,
    max_iter=values["max-iter"],
    tol=values["tol"],
)
with st.spinner("Running EM", show_time=True):
    history = experiment.history()
    table = ratings.filling(experiment)
errors = ratings.errors(table, data)
parts.question(experiment, data, table, errors, values["table"])
history, captions = run.history_of(experiment, ratings.rating_words(data, table, errors))
person = parts.chosen_person(len(data.people))
drawn = ratings.table_scene(table, data, person)


def below(shown) -> None:
    """What follows the position: one person's cells, the errors, and somebody new."""
    parts.follow_click(visit, shown, drawn)
    parts.below(visit, shown.position, data, table, errors, person)
    parts.newcomer(visit, history, shown.position, data)


run.play_model(
    visit,
    experiment,
    history,
    captions,
    lambda look: (table_figure(history, drawn, look=look), errors_figure(history, errors, look=look)),
    below,
    look=person,
    widths=(4, 3, 3),
)
parts.limits(data)
parts.formulas()
story.references(
    "R. J. A. Little and D. B. Rubin (2002), *Statistical Analysis with Missing Data*, 2nd edition, chapter 11: EM for "
    "the normal distribution with missing values; chapter 15: values that are not missing at random.",
    "S. T. Roweis (1998), *EM algorithms for PCA and SPCA*, Advances in Neural Information Processing Systems 10, "
    "626-632; M. E. Tipping and C. M. Bishop (1999), *Probabilistic principal component analysis*, Journal of the "
    "Royal Statistical Society B 61, 611-622: a few factors instead of a whole covariance, also with values missing.",
    "B. M. Marlin and R. S. Zemel (2009), *Collaborative prediction and ranking with non-random missing data*, ACM "
    "Conference on Recommender Systems, 5-12: people rate what they like.",
    "C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, section 2.3.1: the conditional normal "
    "distribution.",
)
