"""What shape: full, tied, diagonal and spherical covariances side by side, what each costs and what it gains."""

import streamlit as st

from emcore import clusters, report, shapes
from emcore.em import History
from emcore.figures.shapes import objectives_figure, small_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.starts import STARTS
from pages.parts import compared, controls, outcome
from pages.parts import settings as choices
from pages.parts.text import plain

N_STARTS = 20  # of each shape, for the best of several starts

visit = controls.begin(
    "what-shape",
    choices.Offer(
        preset="slanted-bands",
        own={"several": choices.flag()},
        usual={"several": False},
    ),
)
experiment = compared.shortened(controls.sidebar(visit))
values, dataset = visit.values, experiment.dataset()
look = Look(projector=values["projector"])
TITLES = choices.SHAPES
n_components, n_features = experiment.model.n_components, len(dataset.axes)

st.html(outcome.CSS + compared.CSS + (outcome.PROJECTOR if values["projector"] else ""))
st.title("What shape")
with st.container(key="intro"):
    st.markdown(
        "The same points, the same start, four shapes of covariance. The freer the shape, the more parameters it has, "
        f"and the higher it can climb: is the climb worth them? {plain(dataset.caption)}"
    )
    st.caption("All four are on show: the covariance chosen at the left changes nothing here.")
compared.examples(visit, ("slanted-bands", "along-the-axes", "mouse", "crossing-ellipses"))
controls.group_editor(visit)
controls.end(visit)


# ---- The question, before any number tells ------------------------------------------------------------------


def answer(guess, scores) -> None:
    """Which one it is, and what was predicted."""
    best = shapes.best(scores)
    if not best:
        st.warning("Every run collapsed: there is no fit to judge. Take another start, or fewer components.")
        return
    names = " and ".join(TITLES[shape].lower() for shape in best)
    right = guess in [TITLES[shape] for shape in best]
    beside = "" if not guess else ", as you predicted" if right else f"; you predicted {guess.lower()}"
    st.markdown(f"**The lowest BIC: {names}**{beside}. {shapes.margin(scores, TITLES)}")
    if n_features == 1:
        st.caption("On one axis an ellipse is an sd: full, diagonal and spherical are the same model there.")


# ---- Four runs under one slider ------------------------------------------------------------------------------


@st.fragment
def side_by_side(histories: dict[str, History]) -> None:
    """The four pictures, and their log-likelihoods on one axis."""
    longest = shapes.longest(histories)
    n_positions = longest.n_positions
    said = shapes.captions(histories, TITLES)
    names = [TITLES[shape] for shape in histories]
    truth = dataset.truth if values["truth"] else None
    drawn = {"look": look, "axes": dataset.axes, "truth": truth, "contours": values["contours"]}
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing the four runs", show_time=True):
            pictures = (
                small_figure(history, name, n_positions, **drawn)
                for history, name in zip(histories.values(), names, strict=True)
            )
            return (*pictures, objectives_figure(list(histories.values()), names, n_positions, look=look))

    compared.follow(
        visit,
        experiment,
        longest,
        figures,
        said,
        key="shapes",
        look=(look, values["truth"], values["contours"]),
    )


histories = {}
with st.spinner("Running EM", show_time=True):
    for shape, each in shapes.experiments(experiment).items():
        histories[shape] = each.history()
side_by_side(histories)
for shape, history in histories.items():
    if history.stopped == "degenerate":
        st.warning(f"{TITLES[shape]}: {plain(history.reason)} {plain(history.advice)}")

guess = compared.ask(
    "shapes",
    experiment,
    "Which shape will have the lowest BIC on these points? Step first, if you like.",
    list(TITLES.values()),
)
if guess is not None:
    scores = {shape: shapes.score(history) for shape, history in histories.items()}
    several = controls.widget(
        "several",
        st.toggle,
        f"Best of {N_STARTS} starts for each shape",
        disabled=not STARTS[experiment.start].random,
        help="A poor local maximum makes a shape look worse than it is. This judges each by the best of its runs, "
        "whose start seeds count up from 0."
        if STARTS[experiment.start].random
        else "Nothing in this start is random: every run would be the same one.",
    )
    if several and STARTS[experiment.start].random:
        with st.spinner(f"Running {len(TITLES) * N_STARTS} starts", show_time=True):
            scores = shapes.best_of_starts(experiment, N_STARTS)
    answer(guess, scores)
    st.html(compared.score_table(scores, histories, TITLES))
    st.caption(
        f"With {len(dataset.X):,} points BIC charges {report.number(shapes.price(len(dataset.X)))} for each parameter, "
        "AIC 2. Lower is better, as in scikit-learn; mclust reports BIC with the opposite sign."
    )

    st.markdown(shapes.in_their_groups(histories, clusters.k_means_run(experiment), dataset.labels, TITLES))

with st.expander("How the parameters are counted", expanded=True):
    st.markdown(
        f"Here are K = {n_components} components on d = {n_features} ax{'is' if n_features == 1 else 'es'}. First the "
        "weights, one less because their sum is 1; then the means; then the covariances."
    )
    for shape in shapes.SHAPES:
        st.latex(rf"\text{{{TITLES[shape]}: }}\; {shapes.formula(shape, n_components, n_features)}")
    st.latex(r"\mathrm{BIC} = -2 \ln p(X \mid \hat\theta) + \nu \ln N")
    st.latex(r"\mathrm{AIC} = -2 \ln p(X \mid \hat\theta) + 2 \nu")
    st.markdown(
        "$\\nu$ is the number of parameters, $\\hat\\theta$ the parameters at the end of the run. A parameter is worth "
        "its place in BIC if it raises the log-likelihood by more than half of $\\ln N$ (Schwarz 1978)."
    )
with st.expander("What each shape can and cannot do"):
    st.markdown(
        r"""
- **Full**: any ellipse for each component, $\Sigma_k$. It finds groups that differ in direction alone, as crossing
  ellipses do. It needs the most points, and it is the first to collapse onto few of them.
- **Tied**: one ellipse for all, $\Sigma_k = \Sigma$. Then all borders between components are straight lines, and no
  component can collapse alone.
- **Diagonal**: ellipses along the axes, $\Sigma_k = \mathrm{diag}(\sigma_{k1}^2, \ldots, \sigma_{kd}^2)$: within a
  component the axes are independent. Turning the data changes the fit.
- **Spherical**: circles, $\Sigma_k = \sigma_k^2 I$. One number for each component, in a space whose axes must share a
  unit. With one circle size for all and hard assignment it would be k-means.
"""
    )
controls.start_editor(visit)
