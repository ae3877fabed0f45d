"""A prior on the weights: begin with too many components, and watch the surplus die under variational Bayes."""

import streamlit as st

from emcore import surplus
from emcore.figures.mixture import mixture_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.figures.surplus import faded, weights_figure
from emcore.scene import shown_rows
from pages.parts import controls, lab, outcome, run
from pages.parts import settings as choices
from pages.parts import surplus as parts
from pages.parts.player import PlayerReport, player
from pages.parts.text import plain

visit = controls.begin("variational", parts.OFFER)
fitted = controls.sidebar(visit)
values, dataset = visit.values, fitted.dataset()

st.html(outcome.CSS + parts.CSS + (outcome.PROJECTOR if values["projector"] else ""))
st.title("A prior on the weights")
with st.container(key="intro"):
    st.markdown(
        "Begin with more components than the data need, and give every parameter a prior. EM then fits beliefs instead "
        f"of numbers, and components that do not pay for themselves die. {plain(dataset.caption)}"
    )
controls.group_editor(visit)
with st.container(horizontal=True, vertical_alignment="bottom"):
    alpha = controls.widget(
        "alpha",
        st.select_slider,
        "Concentration prior α₀: pseudo-points of each component",
        parts.ALPHAS,
        help="The prior of the weights is Dirichlet(α₀, ..., α₀). Below 1 it prefers weights that are nearly 0.",
    )
    controls.widget(
        "beside",
        st.toggle,
        "Beside it: maximum likelihood",
        help="The same number of components from the same start, without a prior.",
    )
    controls.widget("ask", st.toggle, "Ask me first", help="Predict how many components will be left before you see.")
experiment = surplus.with_prior(fitted, float(alpha))
st.markdown(
    parts.about_alpha(alpha, experiment.model.n_components, len(dataset.axes), len(dataset.X))
    + ("" if values["shape"] == "full" else " Covariances are full on this page, whatever the sidebar says.")
)
waiting = parts.ask(visit, experiment)
controls.end(visit)
history, captions = run.history_of(experiment, surplus.WORDS)
living = surplus.alive(history)
shown = {"axes": dataset.axes, "contours": values["contours"], "truth": dataset.truth if values["truth"] else None}


def picture(look: Look) -> SteppedFigure:
    """The data and the expected mixture; the dead are faint."""
    return faded(mixture_figure(history, look=look, **shown), living)


def moved(report: PlayerReport) -> None:
    """A mean that was dragged begins another run; a point that was clicked is shared out below."""
    if report.drag and report.drag.figure == 0:
        start = history.parameters[0]
        to = (report.drag.x, report.drag.y)[: start.n_features]
        controls.start_by_hand(choices.moved(start, report.drag.point, to))
    if report.click:
        visit.point = experiment.source, int(shown_rows(history.n_samples)[report.click.point])


def numbers(position: int) -> None:
    """The beliefs, the formulas and the bound at a position; how the point that was clicked is shared out."""
    row = visit.point[1] if visit.point and visit.point[0] == experiment.source else None
    with st.container(key="beliefs"):
        left, right = st.columns([1, 1], gap="large")
    with left, st.container(key="belief-tables"):
        parts.tables(history, position)
    with right, st.container(key="belief-formulas"):
        parts.formulas(history, position, alpha)
        st.html(f'<div class="em-below"><div>{outcome.point_card(history, position, row)}</div></div>')


# ---- One run with the prior -------------------------------------------------------------------------------


def alone() -> None:
    """Picture, weights and the bound, stepped together."""

    def below(report: PlayerReport) -> None:
        moved(report)
        st.markdown(parts.standing(history, report.position, experiment))
        numbers(report.position)

    run.play_model(
        visit,
        experiment,
        history,
        captions,
        lambda look: (picture(look), weights_figure(history, look=look)),
        below,
        look=(values["truth"], values["contours"]),
        widths=(3, 2, 2),
    )


# ---- Beside maximum likelihood ----------------------------------------------------------------------------


@st.fragment
def beside() -> None:
    """Two pictures from one start, and the weights of both."""
    without = surplus.without_prior(experiment, history.n_iterations)
    with st.spinner("Running EM", show_time=True):
        other = without.history()
    look = Look(projector=values["projector"])
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing both runs", show_time=True):
            return (
                picture(look),
                mixture_figure(other, look=look, draggable="never", **shown).extended(history.n_positions),
                weights_figure(history, other, look=look),
            )

    said = surplus.beside(history, other)
    report = player(
        figures,
        key="player",
        run_id=f"{experiment.digest} {without.digest} {visit.opened}",
        look=(look, values["truth"], values["contours"]),
        captions=said,
        labels=said,
        stops=range(1, history.n_positions, 2),
        position=controls.place(visit, experiment, history.n_positions),
        whole=not visit.half_steps,
        url=tuple(choices.PLACE),
        widths=(3, 3, 2),
    )
    run.rests(visit, experiment, report)
    moved(report)
    st.markdown(
        f"{parts.standing(history, report.position, experiment)} "
        "Without a prior, in the second picture, every component has a use: a further one never lowers the "
        "likelihood."
    )
    numbers(report.position)


# ---- What it is -------------------------------------------------------------------------------------------


def theory() -> None:
    """The bound, why it climbs, and the steps."""
    st.latex(
        r"\begin{aligned}"
        r"\ln p(X) &= \mathcal{L} + \mathrm{KL}\big(q \,\|\, p(Z, \theta \mid X)\big) \\"
        r"\mathcal{L} &= \mathbb{E}_q[\ln p(X, Z \mid \theta)] + H(q(Z)) \\"
        r"&\quad - \mathrm{KL}\big(q(\theta) \,\|\, p(\theta)\big)"
        r"\end{aligned}"
    )
    st.markdown(
        "$\\ln p(X)$, the evidence, is one fixed number: how well the model with its prior predicted the data. The "
        "divergence beside $\\mathcal{L}$, the evidence lower bound, is never negative, so $\\mathcal{L}$ lies below. "
        "Raising it brings the belief $q = q(Z)\\, q(\\theta)$ nearer to $p(Z, \\theta \\mid X)$, what follows "
        "from data and prior.\n\n"
        "- **E-step**: hold $q(\\theta)$ and choose the $q(Z)$ that makes $\\mathcal{L}$ largest: the "
        "responsibilities.\n"
        "- **M-step**: hold $q(Z)$ and choose the $q(\\theta)$ that makes $\\mathcal{L}$ largest: the prior, updated "
        "with the points that each component takes.\n\n"
        "Neither step can lower $\\mathcal{L}$, so it climbs, as in EM; and as in EM to a local maximum: reseed the "
        "start. The divergence of the belief from the prior is its price. A surplus component pays it and explains "
        "nothing that others would not, so the bound is higher where it has none of the points."
    )
    st.latex(
        r"\begin{aligned}"
        r"q(\pi) &= \mathrm{Dir}(\alpha_1, \dots, \alpha_K) \\"
        r"q(\mu_k, \Lambda_k) &= \mathcal{N}\big(\mu_k \mid m_k, (\beta_k \Lambda_k)^{-1}\big) \\"
        r"&\quad \times \mathcal{W}(\Lambda_k \mid W_k, \nu_k) \\[0.4em]"
        r"\alpha_k &= \alpha_0 + N_k \\"
        r"\beta_k &= \beta_0 + N_k \\"
        r"\nu_k &= \nu_0 + N_k \\"
        r"m_k &= (\beta_0 m_0 + N_k \bar{x}_k) / \beta_k \\"
        r"W_k^{-1} &= W_0^{-1} + N_k S_k \\"
        r"&\quad + (\beta_0 N_k / \beta_k)\, d_k d_k^{\mathsf T} \\"
        r"d_k &= \bar{x}_k - m_0"
        r"\end{aligned}"
    )
    st.caption(
        "The prior here: $m_0$ the mean of the data, $\\beta_0 = 1$ pseudo-point, $\\nu_0$ the number of axes, "
        "$W_0^{-1}$ the covariance of the data. $N_k$, $\\bar{x}_k$ and $S_k$: count, mean and covariance of the "
        "points that component $k$ takes; $\\Lambda_k$ its precision, the inverse of its covariance; $\\psi$ the "
        "digamma function. The pictures show expected weights and means, and the inverse of the expected precision. "
        "Bishop (2006), section 10.2. The threshold for $\\alpha_0$ is $(d + 1) / 2$ with $d$ parameters of a mean and "
        "a covariance: with $n$ points a component in use costs about $\\tfrac{d + 1}{2} \\ln n$, an empty one "
        "$\\alpha_0 \\ln n$ (Watanabe & Watanabe 2006)."
    )


# ---- The page ---------------------------------------------------------------------------------------------

if waiting:
    still = mixture_figure(history, axes=dataset.axes, draggable="never").at(0)
    st.plotly_chart(still, key="still", config=lab.PLOTLY, alt="The data, and the components where the run begins")
else:
    (beside if values["beside"] else alone)()
    with st.expander("Every α₀ from this start", key="trials", on_change="rerun") as opened:
        if opened.open:
            bar = st.progress(0.0, "Running EM for every α₀")
            trials = []
            for number, concentration in enumerate(parts.ALPHAS, 1):
                trials.append(surplus.trial(fitted, float(concentration)))
                bar.progress(number / len(parts.ALPHAS), "Running EM for every α₀")
            bar.empty()
            st.html(parts.trials_table(trials, alpha))
            st.markdown(
                "The bound stands in for the evidence, so it may be compared between priors: the highest says which α₀ "
                "these data speak for, from this start."
            )
with st.expander("What the evidence lower bound is, and why it climbs"), st.container(key="bound-formulas"):
    theory()
controls.start_editor(visit)
