"""Handwritten digits: a Bernoulli mixture whose components are pictures that sharpen as EM runs."""

import streamlit as st

from emcore.experiment import Experiment
from emcore.figures.digits import components_figure, wall_figure
from emcore.handwriting import DIGIT_WORDS, wall_rows, wall_shares
from emcore.models import BernoulliMixture
from emcore.sources.digits import MOST_EACH, MOST_INK, SIDE
from emcore.starts import OWN
from pages.parts import controls, digits, run, story
from pages.parts import settings as choices
from pages.parts.text import plain

visit = controls.begin("digits", digits.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    controls.example("digits", digits.TITLES, "Choosing some also sets as many components.")
    digits.own_digits(visit)
    controls.widget("each", st.slider, "Pictures of each digit", 10, MOST_EACH)
    controls.widget(
        "threshold",
        st.slider,
        "Ink from",
        1,
        MOST_INK,
        help="Each pixel was scanned with 0 to 16 parts of ink. From here on it counts as black.",
    )
    controls.data_seed(True)
    st.subheader("Model")
    controls.widget("components-k", st.number_input, "Components K", 1, choices.MAX_COMPONENTS, step=1)
    st.subheader("One picture")
    source = digits.source_of(values)
    row = digits.choose_picture(len(source.digits) * source.each)
    controls.model_run()

story.opening(
    visit,
    "Handwritten digits",
    "Each component is a picture itself: for every pixel the probability of ink. EM sorts black and white digits by "
    "their looks alone, and the pictures sharpen while it does.",
)
controls.end(visit)
story.told(digits.PICTURE, BernoulliMixture.skeleton)


# ---- The run ----------------------------------------------------------------------------------------------

experiment = Experiment(
    source=source,
    model=BernoulliMixture(values["components-k"]),
    start=OWN,
    start_seed=values["start-seed"],
    max_iter=values["max-iter"],
    tol=values["tol"],
)
dataset = experiment.dataset()
st.markdown(plain(dataset.caption))
digits.question(experiment)
history, captions = run.history_of(experiment, DIGIT_WORDS)
story.reseed(True)
drawn = wall_rows(dataset.labels)
run.play_model(
    visit,
    experiment,
    history,
    captions,
    lambda look: (
        components_figure(history, SIDE, look=look),
        wall_figure(history, drawn, dataset.labels, wall_shares(history, drawn), SIDE, chosen=row, look=look),
    ),
    lambda shown: digits.below(visit, history, shown, dataset, row, drawn),
    look=row,
    widths=(3, 3, 2),
)
digits.formulas()
story.references(
    "C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, section 9.3.3: mixtures of Bernoulli variables, "
    "with handwritten digits in figure 9.10.",
    "E. Alpaydin and C. Kaynak (1998), *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, "
    "https://doi.org/10.24432/C50P49, licence CC BY 4.0: the pictures, of its test set; here black and white.",
)
