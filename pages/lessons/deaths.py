"""Slow convergence: two Poisson distributions that EM takes a thousand iterations to tell apart."""

import streamlit as st

from emcore.creep import COUNT_WORDS
from emcore.models import PoissonMixture
from pages.parts import controls, deaths, run, story
from pages.parts.text import plain

visit = controls.begin("deaths", deaths.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    controls.example("deaths", deaths.TITLES, "Choosing one also sets the model, the start and the run up for it.")
    st.subheader("Model")
    controls.widget("poissons", st.number_input, "Poisson distributions K", 1, deaths.MOST, step=1)
    controls.widget(
        "begin",
        st.selectbox,
        "EM begins at",
        list(deaths.BEGINNINGS),
        format_func=deaths.BEGINNINGS.__getitem__,
        disabled=values["poissons"] != 2,
        help="Random: equal weights, rates between half and twice the average count. Only two distributions can begin "
        "at the classic place.",
    )
    controls.model_run(random=not deaths.is_classic(values))

story.opening(
    visit,
    "Slow convergence",
    "Two kinds of days differ little, so nearly everything about them is hidden and EM creeps. The gains become tiny "
    "long before the maximum: a small gain does not say that the run has arrived.",
)
story.told(deaths.PICTURE, PoissonMixture.skeleton)
if values["deaths"] == "own":
    deaths.editor(visit)
controls.end(visit)


# ---- The run ----------------------------------------------------------------------------------------------

experiment = deaths.experiment_of(values)
st.markdown(plain(experiment.dataset().caption))
deaths.question(experiment)
history, captions = run.history_of(experiment, COUNT_WORDS)
run.play_model(
    visit,
    experiment,
    history,
    captions,
    deaths.pictures(experiment, history),
    lambda shown: deaths.below(experiment, history, shown.position),
    widths=(3, 3, 2),
)
deaths.formulas()
story.references(
    "V. Hasselblad (1969), *Estimation of finite mixtures of distributions from the exponential family*, Journal of "
    "the American Statistical Association 64, 1459-1471: the counts.",
    "R. Varadhan and C. Roland (2008), *Simple and globally convergent methods for accelerating the convergence of any "
    "EM algorithm*, Scandinavian Journal of Statistics 35, 335-353: SQUAREM, tried on these counts.",
    "D. Böhning, E. Dietz, R. Schaub, P. Schlattmann and B. G. Lindsay (1994), *The distribution of the likelihood "
    "ratio for mixtures of densities from the one-parameter exponential family*, Annals of the Institute of "
    "Statistical Mathematics 46, 373-388: Aitken's forecast as a rule to stop.",
)
