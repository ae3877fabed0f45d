"""What "Collapse and priors" shows beside its pictures: the start, the guess, the ghosts, and what is kept for all."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from emcore import collapse, report
from emcore.collapse import WIDTHS, Collapses, Ghosts, Price, Remedies, Slice
from emcore.em import DegenerateFit, History
from emcore.experiment import Experiment, kept
from emcore.figures.mixture import mixture_figure
from emcore.figures.style import Look
from emcore.models import GaussianPrior
from emcore.scene import shown_rows
from pages.parts import controls, outcome
from pages.parts.controls import Session
from pages.parts.text import plain

PLOTLY = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "toImage"]}
QUICK = 60_000  # numbers in the data x components: beyond, many runs wait until they are asked for
WIDTH = 170  # of a number to type, in CSS pixels: two stand side by side on a phone
PICTURE_HEIGHT, CURVE_HEIGHT = 270, 250
CSS = """
<style>
.em-cards { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; }
.em-cards > * { flex: 1 1 20rem; min-width: 0; max-width: 100%; }
.em-cards td { white-space: normal; }
.em-sum { font-size: 0.85rem; }
@media (max-width: 480px) { .em-cards .em-table :is(td, th) { padding-inline: 0.25rem; font-size: 0.85rem; } }
.st-key-formulas .katex-display { padding-block: 0.4rem; margin-block: 0; }
/* Three remedies: a picture above its curve, side by side; or beside it, below each other; or all below each other. */
@container (min-width: 700px) {
  .st-key-remedies .player .player-figures { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@container (max-width: 699px) {
  .st-key-remedies .player-plot:nth-child(4) { order: 1; }
  .st-key-remedies .player-plot:nth-child(2) { order: 2; }
  .st-key-remedies .player-plot:nth-child(5) { order: 3; }
  .st-key-remedies .player-plot:nth-child(3) { order: 4; }
  .st-key-remedies .player-plot:nth-child(6) { order: 5; }
}
@container (min-width: 521px) and (max-width: 699px) {
  .st-key-remedies .player .player-figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
.st-key-remedies .player-figures .player-plot:nth-child(n) { height: var(--height); }
</style>
"""
SYMBOLS = r"""
- $\sigma_k$: the sd of component $k$; $d$: the number of axes; $x_n$: point $n$.
- $\pi_k, \mu_k, \Sigma_k$: weight, mean and covariance of component $k$; $\theta$ is all of them.
- $N_k = \sum_n \gamma_{nk}$: the points that component $k$ takes; $\bar x_k$ and $S_k$ are their mean and covariance.
- $m, \kappa$: the ghost points that pull the means lie at $m$, and there are $\kappa$ of them for each component.
- $G, c$: the $c$ ghost points of spread lie around the component's own mean, with covariance $G$.
- $B_k$: the scatter between the points of component $k$ and the ghosts that pull its mean.
- $g$: the ghost points that count for the weights alone, for each component.
- The prior: weights are Dirichlet with $\alpha = 1 + g$. Covariances are inverse Wishart with $\Lambda = c\,G$ and
  $\nu = c - d - 2$ degrees of freedom. Means are Gaussian around $m$ with covariance $\Sigma_k / \kappa$.
  For diagonal and spherical covariances the variances are inverse gamma; tied ones share all ghosts of spread. Fraley
  & Raftery (2007), *Journal of Classification* 24, 155-181.
- $\ln p(\theta)$: the logarithm of this density, normalised. EM maximises $\ln p(X \mid \theta) + \ln p(\theta)$, so it
  ends at a mode of the posterior (MAP). Which point is the mode depends on what is called the parameter: here weights,
  means and covariances.
"""


def keep_in_range(visit: Session, experiment: Experiment) -> None:
    """Choices that these data and this model do not have go back to ones that they have."""
    values, X = visit.values, experiment.dataset().X
    least = collapse.fewest(X.shape[1], values["components"], values["shape"])
    put_right: dict[str, Any] = {}
    if values["component"] > values["components"]:
        put_right["component"] = 0
    if values["row"] > len(X):
        put_right["row"] = 0
    if values["ghosts"] < least:
        put_right["ghosts"] = least
    if X.shape[1] == 1 and values["pull-y"] is not None:
        put_right["pull-y"] = None
    if put_right:
        controls.put(**put_right)
        visit.link = replace(visit.link, values=visit.link.values | put_right)  # what else it says was wrong stays said


def choose_start(visit: Session, experiment: Experiment) -> tuple[Experiment, int]:
    """The start of all runs of the page, and the component, from 0, that stands on a point there."""
    values, X = visit.values, experiment.dataset().X
    keep_in_range(visit, experiment)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        controls.widget(
            "row",
            st.number_input,
            f"Point, 1 to {len(X):,}",
            0,
            len(X),
            step=1,
            help="Where the mean stands. 0: the value recorded most often, or the loneliest point. Or click a point.",
        )
        controls.widget(
            "component",
            st.number_input,
            "Component on it",
            0,
            experiment.model.n_components,
            step=1,
            help="0: the one that the sidebar's start puts nearest.",
        )
        width = controls.widget(
            "width",
            st.select_slider,
            "Its sd, of the data's",
            WIDTHS,
            format_func=lambda percent: f"{percent} %",
            help="Along each axis. All else is the start that the sidebar chooses.",
        )
        controls.widget("predict", st.toggle, "Ask me first", help="Each new start asks for your guess before it runs.")
    row = row_of(visit, experiment)
    component = values["component"] - 1 if values["component"] else collapse.nearest(experiment, row)
    widths = collapse.unit(X, values["shape"]) * width / 100
    st.caption(plain(collapse.standpoint(X, row, component, widths)))
    return collapse.planted(experiment, component, row, width / 100), component


def row_of(visit: Session, experiment: Experiment) -> int:
    """The row of X that the mean stands on."""
    row: int = visit.values["row"]
    if row:
        return row - 1
    found: int = kept(("magnet", experiment.source), lambda: collapse.magnet(experiment.dataset().X))
    return found


def take(visit: Session, history: History, shown: Any) -> None:
    """A point was clicked in the player: the mean goes there."""
    if shown.click:
        visit.pending = {"row": int(shown_rows(history.n_samples)[shown.click.point]) + 1}
        st.rerun()


# ---- Predict first -----------------------------------------------------------------------------------------


def guessed(visit: Session, start: Experiment) -> bool:
    """Whether the run may be shown: the guess was made, or nobody asked for one."""
    return not visit.values["predict"] or start.digest in _guesses()


def ask(visit: Session, component: int, start: Experiment, history: History, look: Look) -> None:
    """The start alone, and the question."""
    with st.container(key="guess-card", border=True):
        st.markdown(f"**Will component {component + 1} collapse onto this point? If so, which M-step has no result?**")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            what = st.radio(
                "Your prediction",
                ["It collapses", "It does not"],
                index=None,
                horizontal=True,
                key=f"fate {start.digest}",
            )
            at = None
            if what == "It collapses":
                at = st.number_input("M-step", 1, max(start.max_iter, 1), value=None, step=1, key=f"at {start.digest}")
            st.button(
                "Show the run",
                type="primary",
                disabled=what is None,
                on_click=_guesses().__setitem__,
                args=(start.digest, (what == "It collapses", at)),
            )
    picture = mixture_figure(history, look=look, axes=start.dataset().axes, draggable="never").at(0)
    chosen = st.plotly_chart(
        picture,
        key=f"still {start.digest}",
        config=PLOTLY,
        on_select="rerun",
        selection_mode="points",
        alt="The data, and the components where the run begins",
    )
    for point in chosen["selection"]["points"][:1]:
        row = point.get("customdata")
        row = row[0] if isinstance(row, list) and row else row
        if isinstance(row, int | float) and 1 <= row <= history.n_samples and row != visit.values["row"]:
            visit.pending = {"row": int(row)}
            st.rerun()


def answer(component: int, start: Experiment, history: History) -> str:
    """What became of the guess and of the start, as HTML."""
    guess = _guesses().get(start.digest)
    told = f"<p><strong>{escape(collapse.judged(history, *guess))}</strong></p>" if guess is not None else ""
    said = escape(collapse.foretold(history, component))
    kind = ' class="em-warning"' if history.stopped == "degenerate" else ""
    return f"<div{kind}>{told}<p>{said}</p><p>{escape(history.advice)}</p></div>"


def _guesses() -> dict[str, tuple[bool, int | None]]:
    found: dict[str, tuple[bool, int | None]] = st.session_state.setdefault("fates", {})
    return found


# ---- Floor and ghosts --------------------------------------------------------------------------------------


def floor_of(visit: Session, experiment: Experiment) -> float:
    """The smallest sd allowed, in the data's units: a part of the data's smallest sd."""
    units = collapse.unit(experiment.dataset().X, visit.values["shape"])
    return float(visit.values["floor"] / 100 * units.min())


def ghosts_of(visit: Session, experiment: Experiment) -> Ghosts:
    """The ghosts that the settings say."""
    values, X = visit.values, experiment.dataset().X
    mean = None
    places = [values["pull-x"], values["pull-y"]][: X.shape[1]]
    if any(place is not None for place in places):
        usual = X.mean(axis=0).tolist()
        mean = tuple(own if place is None else place for place, own in zip(places, usual, strict=True))
    return Ghosts(values["pull"], values["ghosts"], values["spread"] / 100, values["weight-ghosts"], mean)


def prior_of(visit: Session, experiment: Experiment) -> GaussianPrior | None:
    """The prior that the ghosts are; None, with a sentence on the page, where these data allow none."""
    try:
        return ghosts_of(visit, experiment).prior(
            experiment.dataset().X, visit.values["components"], visit.values["shape"]
        )
    except ValueError as error:
        st.warning(f"There is no such prior for these data. {plain(str(error))}")
        return None


def choose_floor() -> None:
    """How low the floor lies."""
    controls.widget(
        "floor",
        st.number_input,
        "Floor: smallest sd, % of the data's",
        0.01,
        200.0,
        step=1.0,
        width=260,
        format="%.4g",
        help="Of the data's sd along the axis where it is smallest. No sd of any component in any direction may be "
        "smaller. Each M-step takes the best covariance that the floor allows.",
    )


def choose_ghosts(visit: Session, experiment: Experiment) -> None:
    """How many ghosts there are, and where."""
    X = experiment.dataset().X
    d, k, shape = X.shape[1], visit.values["components"], visit.values["shape"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        controls.widget(
            "ghosts",
            st.number_input,
            "Ghosts of spread, c",
            collapse.fewest(d, k, shape),
            1000.0,
            step=1.0,
            width=WIDTH,
            format="%.4g",
            help="For each component, around its own mean. Fewer would be no prior whose density can be normalised.",
        )
        controls.widget(
            "spread",
            st.number_input,
            "Their sd, % of the data's",
            0.1,
            500.0,
            step=5.0,
            width=WIDTH,
            format="%.4g",
            help="Along each axis.",
        )
        controls.widget(
            "pull",
            st.number_input,
            "Ghosts that pull the means, κ",
            0.0001,
            1000.0,
            step=1.0,
            width=WIDTH,
            format="%.4g",
            help="For each component.",
        )
        names = ["pull-x", "pull-y"][:d]
        for name, axis, middle in zip(names, ["x", "y"] if d == 2 else [""], X.mean(axis=0).tolist(), strict=False):
            controls.widget(
                name,
                st.number_input,
                f"They lie at{f' {axis}' if axis else ''}",
                -1e9,
                1e9,
                step=None,
                width=WIDTH,
                format="%.6g",
                placeholder=f"{middle:.4g}",
                help="Empty: the mean of the data.",
            )
        controls.widget(
            "weight-ghosts",
            st.number_input,
            "Ghosts of weight, g",
            0.0,
            1000.0,
            step=1.0,
            width=WIDTH,
            format="%.4g",
            help="For each component: they count for the weights alone, and pull them together.",
        )
        st.button(
            "As Fraley & Raftery",
            on_click=_as_fraley_raftery,
            args=(experiment,),
            help="The weak prior that they read from the data (2007).",
        )


def _as_fraley_raftery(experiment: Experiment) -> None:
    model: Any = experiment.model
    theirs = Ghosts.fraley_raftery(experiment.dataset().X, model.n_components, model.covariance_type)
    controls.put(
        ghosts=max(
            round(theirs.spread_count, 2),
            collapse.fewest(experiment.dataset().X.shape[1], model.n_components, model.covariance_type),
        ),
        spread=round(100 * theirs.spread, 2),
        pull=theirs.pull,
        pull_x=None,
        pull_y=None,
        weight_ghosts=theirs.weight_count,
    )


# ---- What is computed once ---------------------------------------------------------------------------------


def remedies_of(experiment: Experiment, start: Experiment, floor: float, prior: GaussianPrior) -> Remedies:
    """The three ways on from the start (kept for all visitors)."""
    found: Remedies = kept(
        ("remedies", experiment, start, floor, prior), lambda: collapse.remedies(experiment, start, floor, prior)
    )
    return found


def slice_of(start: Experiment, component: int, floor: float = 0.0, prior: GaussianPrior | None = None) -> Slice:
    """The objective against the sd (kept for all visitors)."""
    found: Slice = kept(
        ("shrink", start, component, floor, prior), lambda: collapse.shrink(start, component, floor, prior)
    )
    return found


def collapses_of(experiment: Experiment, floor: float, prior: GaussianPrior) -> Collapses:
    """How many of the random starts collapse (kept for all visitors)."""
    found: Collapses = kept(
        ("collapses", experiment, floor, prior), lambda: collapse.collapses(experiment, floor, prior)
    )
    return found


def price_of(experiment: Experiment, fitted: Any, prior: GaussianPrior, name: Any) -> Price | str:
    """What the prior moves (kept for all visitors), or a sentence why there is no fit to compare with."""

    def make() -> Price | str:
        try:
            return collapse.price(experiment, fitted, prior)
        except DegenerateFit as reason:
            return str(reason)

    found: Price | str = kept(("price", experiment, name, prior), make)
    return found


def mapped(start: Experiment, prior: GaussianPrior) -> Experiment:
    """The same start, with the prior."""
    model: Any = start.model
    return replace(start, model=replace(model, prior=prior))


def may_count(experiment: Experiment) -> bool:
    """Whether what takes many runs may begin: at once, or for large data when it is asked for."""
    X, model = experiment.dataset().X, experiment.model
    asked: set[str] = st.session_state.setdefault("counted", set())
    if X.size * model.n_components <= QUICK or experiment.digest in asked:
        return True
    return st.button(
        "Work it out",
        on_click=asked.add,
        args=(experiment.digest,),
        help=f"Some 60 runs on {len(X):,} points: this may take a few seconds.",
    )


# ---- Tables ------------------------------------------------------------------------------------------------


def standing_table(found: Remedies, component: int, position: int) -> str:
    """Each remedy at a position: its objective, by name, and the narrowest sd of the planted component."""
    rows = [tuple(map(escape, row)) for row in collapse.standing(found, component, position)]
    header = ["Remedy", "Objective", "Nats", "Narrowest sd", "State"]
    caption = f"At iteration {position // 2}: the objectives, and the sd of component {component + 1}"
    return f'<div class="em-below em-cards"><div>{outcome.table(caption, header, rows)}</div></div>'


def fates_table(experiment: Experiment, component: int, row: int) -> str:
    """What becomes of the same start with other widths."""
    found = kept(("fates", experiment, component, row), lambda: collapse.fates(experiment, component, row))
    rows = [
        (
            f"{fate.percent} %",
            "does not collapse" if fate.collapsed_at is None else f"collapses in M-step {fate.collapsed_at}",
            report.significant(fate.sd),
        )
        for fate in found
    ]
    return outcome.table("The same start with other widths", ["sd, of the data's", "Outcome", "Last sd"], rows)


def arithmetic_table(history: History, component: int, position: int) -> str:
    """The M-step with ghosts, in numbers; of the iteration on show, or of the last one that there is."""
    iteration = min(position // 2, max(history.n_iterations - 1, 0))
    rows = [
        (escape(what), f'<span class="em-sum">{escape(made)}</span>', result)
        for what, made, result in collapse.arithmetic(history, component, iteration)
    ]
    caption = f"M-step {iteration + 1} for component {component + 1}, ghosts included"
    return outcome.table(caption, ["", "Points and ghosts", "Result"], rows)


def price_table(paid: Price) -> str:
    """The fit by maximum likelihood beside the mode."""
    before, after = paid.fitted.columns(), paid.mode.columns()
    digits = report.decimals(paid.fitted)
    rows = []
    for k in range(paid.fitted.n_components):
        cells = [outcome.component_key(k)]
        for name in before:
            places = 3 if name.startswith(("weight", "correlation")) else digits
            cells.append(
                f"{report.number(float(before[name][k]), places)}"
                f'<span class="em-small">prior {report.number(float(after[name][k]), places)}</span>'
            )
        rows.append(cells)
    header = ["", *((name[0].upper() + name[1:]).replace("Sd", "SD") for name in before)]
    return outcome.table("Maximum likelihood, and below it the mode with the prior", header, rows)
