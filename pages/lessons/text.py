"""Text: documents of several subjects that nobody labelled, sorted by their words alone."""

import streamlit as st

from emcore import subjects
from emcore.experiment import Experiment, dataset, kept
from emcore.figures.text import documents_figure, words_figure
from emcore.models import MultinomialMixture
from emcore.starts import OWN
from pages.parts import controls, run, story
from pages.parts import text_lesson as parts

visit = controls.begin("text", parts.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    controls.example("text", parts.TITLES, "Choosing one also sets the model, the start and a sentence up for it.")
    st.subheader("Model")
    parts.model_choices()
    controls.model_run()

story.opening(
    visit,
    "Text",
    "Here are documents of several subjects, and nobody wrote down which has which. If that were known, each subject's "
    "habits of words would be shares of counts. EM goes on without knowing it, and sorts the documents.",
)
source = parts.source_of(visit)
documents = dataset(source)
row = parts.row_of(visit, documents)
controls.end(visit)
story.told(parts.PICTURE, MultinomialMixture.skeleton)
parts.about(documents)


# ---- The run ----------------------------------------------------------------------------------------------

experiment = Experiment(
    source=source,
    model=MultinomialMixture(values["subjects"], values["pseudo-count"]),
    start=OWN,
    start_seed=values["start-seed"],
    max_iter=values["max-iter"],
    tol=values["tol"],
)
parts.question(experiment, documents)
history, captions = run.history_of(experiment, subjects.words_of(documents))
scene = kept(("text scene", experiment), lambda: subjects.text_scene(history, documents))


def pictures(look):
    """Every document shared out, and the most telling words."""
    return documents_figure(scene, documents, row=row, look=look), words_figure(scene, look=look)


def below(shown):
    """What follows the position."""
    parts.choose(visit, documents, shown, scene, row)
    parts.below(visit, history, documents, scene, shown.position, row)


st.html(parts.CSS)
with st.container(key="documents"):
    run.play_model(visit, experiment, history, captions, pictures, below, look=row, widths=(1, 1, 1))
parts.limits()
parts.formulas()
story.references(
    "K. Nigam, A. K. McCallum, S. Thrun and T. Mitchell (2000), *Text classification from labeled and unlabeled "
    "documents using EM*, Machine Learning 39, 103-134.",
    "C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, sections 2.2 (multinomial and Dirichlet) "
    "and 9.3.",
    "The sixty paragraphs were written for this lesson.",
)
