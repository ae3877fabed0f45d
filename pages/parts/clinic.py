"""What "Why it climbs" shows beside its pictures: numbers, the monitor, the bug clinic, and guesses that are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from emcore import landscape, report, variants
from emcore.em import DegenerateFit, History, run
from emcore.experiment import Experiment, SyntheticData, kept
from emcore.figures.bound import losses_figure, shares_figure, way_figure, with_marks, with_questions
from emcore.figures.mixture import mixture_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.landscape import BoundSlices
from emcore.models import GaussianMixture
from emcore.variants import FAULTS, PROMISES, VARIANTS, Check, Variant
from pages.parts import controls, outcome
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.player import player

MOST_ITERATIONS = 40  # that this lesson shows: there the climb can be seen
CASE_ITERATIONS = 25
DIGITS = 4  # decimals of what adds up
KEPT = 100  # guesses that a visit remembers
CASE_ROWS = ((150.0, 0.0, 3.0), (60.0, 9.0, 2.0))  # the clinic's patients: points, mean, sd
PLOTLY = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "toImage"]}
CSS = """
<style>
.em-cards { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; }
.em-cards > * { flex: 1 1 18rem; min-width: 0; max-width: 100%; }
.em-cards th[scope="row"], .em-cards td:last-child, .em-cards th:last-child { white-space: normal; }
.em-wrapped th, .em-wrapped td { white-space: normal !important; }
.em-wrapped td, .em-wrapped th:last-child { text-align: start !important; }
.st-key-placing-bare .player-bar { display: none; }
.em-broken { color: #d55e00; font-weight: 600; }
@media (max-width: 480px) { .st-key-section button { padding-inline: 0.3rem; } }
</style>
"""
SYMBOLS = r"""
- $\theta$: all parameters together, the weights $\pi_k$, means $\mu_k$ and covariances $\Sigma_k$; $\theta_t$ after
  $t$ iterations.
- $X$: the points, one of them $x_n$. $Z$: which component made each of them, which is hidden.
- $\gamma_{nk}$: the responsibility of component $k$ for point $n$; $N_k$ is its sum over the points.
- $\mathcal{N}(x \mid \mu, \Sigma)$: the density of a Gaussian. In one dimension $\Sigma$ is the variance
  $\sigma^2$, and $\sigma$ the sd.
- $q(Z)$: the responsibilities, what the latest E-step says about $Z$; $q_t$ is that of $\theta_t$.
- $\ln p(X \mid \theta)$: the log-likelihood.
- $Q(\theta)$: the mean of $\ln p(X, Z \mid \theta)$ when $Z$ is drawn from $q$: what the log-likelihood would be if the
  hidden part were like $q$.
- $H(q)$: the entropy of $q$, how much the responsibilities leave open. It does not depend on $\theta$.
- $\mathcal{L}(q, \theta) = Q(\theta) + H(q)$: the bound.
- $\mathrm{KL}(q \,\|\, p)$: how far $q$ is from $p(Z \mid X, \theta)$, what the present parameters say about $Z$;
  $p_{t+1}$ is that of $\theta_{t+1}$. Never negative, and 0 only if they are equal.
"""


@dataclass(frozen=True)
class Guess:
    """One guess of the student as the algorithm."""

    what: str
    guessed: str
    answer: str
    loss: float


@dataclass
class Clinic:
    """What a visit remembers of its cases and guesses."""

    named: dict[int, list[str]] = field(default_factory=dict)  # case -> the faults that were named, in order
    told: set[int] = field(default_factory=set)  # cases whose fault was shown
    guesses: list[Guess] = field(default_factory=list)
    checked: dict[Any, Any] = field(default_factory=dict)  # what was asked -> what was guessed last
    placed: dict[Any, tuple[float, ...]] = field(default_factory=dict)  # where a mean was placed, not yet checked
    clicked: bool = False  # whether it was placed by a click just now


def clinic() -> Clinic:
    """This visit's clinic."""
    found: Clinic = st.session_state.setdefault("clinic", Clinic())
    return found


def shortened(experiment: Experiment) -> Experiment:
    """The run as this lesson shows it, with its first iterations alone."""
    return replace(experiment, max_iter=min(experiment.max_iter, MOST_ITERATIONS))


def keep_in_range(visit: Session, history: History) -> None:
    """Choices that the run on show does not have go back to ones that it has."""
    values, n = visit.values, history.n_iterations
    if values["along"] not in choices.cuts(history.parameters[0].names):
        controls.put(along=choices.LINE)
    if values["since"] > n:
        controls.put(since=0)
    if values["turn"] > n:
        controls.put(turn=0)
    if values["of"] > history.model.n_components:
        controls.put(of=1)


def fit_to_now(visit: Session, experiment: Experiment) -> None:
    """The picture of the bound fits the iteration on show, an M-step together with the E-step before it."""
    if visit.rested is not None and visit.rested[0] == experiment:
        controls.put(since=max(visit.rested[1] - 1, 0) // 2)


def slices_of(experiment: Experiment, history: History, along: str, since: int) -> BoundSlices:
    """The cuts of the run along one of `settings.cuts` (kept for all visitors)."""
    name = choices.cuts(history.parameters[0].names)[along]
    slices: BoundSlices = kept(
        ("bound slices", experiment, name, since), lambda: landscape.bound_slices(history, name, since=since)
    )
    return slices


# ---- Numbers -----------------------------------------------------------------------------------------------


def ledger_table(history: History, position: int) -> str:
    """The identity behind the climb at one position: objective = Q + H + KL, and the last gain = Q gained + KL."""
    entry = landscape.ledger(history, position)
    if entry is None:
        return "<p>There is no bound yet: the first E-step makes one. Press Next.</p>"
    digits = DIGITS
    probabilities = history.model.objective_unit == "nats"
    gap = "KL(q || p)" if probabilities else "Gap"
    name = history.model.objective_name

    def row(*cells: Any) -> list[str]:
        return [escape(cells[0]), *(report.number(value, digits) for value in cells[1:])]

    now = outcome.table(
        f"{name}: where it comes from now",
        ["Part", "Value"],
        [
            row("Q(θ)", entry.expected_log_joint),
            row("+ H(q)", entry.entropy),
            row("= bound L(q, θ)", entry.bound),
            row(f"+ {gap}", entry.gap),
            row(f"= {name.lower()}", entry.objective),
        ],
    )
    if not position // 2:
        return f'<div class="em-cards"><div>{now}</div></div>'
    gained = outcome.table(
        f"What iteration {position // 2} gained",
        ["Part", "Value"],
        [
            row("M-step: Q gained", entry.q_gained),
            row(f"+ E-step: {gap} closed" + ("" if position % 2 else ", still to come"), entry.closed),
            row(f"= gain of the {name.lower()}", entry.gain),
        ],
    )
    return f'<div class="em-cards"><div>{now}</div><div>{gained}</div></div>'


def slopes_text(history: History, position: int, name: str) -> str:
    """The slopes of both curves where they touch, in a sentence; "" where they do not."""
    if position % 2 == 0:
        return ""
    at_objective, at_bound = landscape.slopes_at(history, position // 2, name)
    per = f"per unit of {name}" if name else "per whole M-step"
    return (
        f"Where they touch, both rise alike: by {report.number(at_objective, 3)} (log-likelihood) and "
        f"{report.number(at_bound, 3)} (bound) nats {per}."
    )


def parts_table(history: History) -> str:
    """Each iteration's gain and its two parts."""
    q_gained, closed, gain = landscape.parts_of_gains(history)
    digits = DIGITS
    rows = [
        [str(t), *(report.signed(float(part[t]), digits) for part in (q_gained, closed, gain))]
        for t in range(1, history.n_iterations + 1)
    ]
    return outcome.table("The parts of each gain", ["Iteration", "Q gained", "KL closed", "Gain"], rows)


# ---- Variants and the monitor ------------------------------------------------------------------------------


def open_rows(history: History) -> tuple[int, ...]:
    """The rows whose responsibilities stand beside a run: points that its start leaves open."""
    return landscape.asked_points(history, 0, 0, 0)


def variant_run(experiment: Experiment, name: str, *, percent: int = 50, seed: int = 0) -> History:
    """The run of a variant from the same start, as many iterations as it takes (kept for all visitors)."""
    history = experiment.history()
    assert isinstance(experiment.model, GaussianMixture)
    variant = Variant(experiment.model, name, percent / 100 if name == "part" else 1.0, seed if name == "drawn" else 0)

    def make() -> History:
        return run(variant, history.X, history.parameters[0], max_iter=experiment.max_iter, tol=0)

    made: History = kept(("variant", experiment, variant), make)
    return made


def named(said: Sequence[str], title: str) -> list[str]:
    """The sentences about two runs with the names that they have here."""
    return [text.replace("Run 1", title).replace("Run 2", "EM") for text in said]


def checks_of(history: History) -> tuple[Check, ...]:
    """What the monitor says of a run (kept while it is on show)."""
    shown = st.session_state.get("monitored")
    if shown is None or shown[0] is not history:
        shown = st.session_state["monitored"] = (history, variants.monitor(history))
    found: tuple[Check, ...] = shown[1]
    return found


def broken(check: Check) -> str:
    """What broke first, in a sentence without its end."""
    by = _amount(check.by) + ("" if check.promise == "rows" else " nats")
    return variants.BROKEN[check.promise].format(t=check.broken[0], by=by)


def monitor_table(checks: Sequence[Check]) -> str:
    """The promises, and whether the run kept each."""
    rows = []
    for check in checks:
        if not check.n_checked:
            said = "could not be tried"
        elif not check.broken:
            said = f"kept, {check.n_checked} of {check.n_checked} times"
        else:
            said = (
                f'<span class="em-broken">broken</span>, {len(check.broken)} of {check.n_checked} times; '
                f"first: {broken(check)}"
            )
        rows.append([escape(PROMISES[check.promise]), said])
    return f'<div class="em-wrapped">{outcome.table("The monitor", ["Promise", "This run"], rows)}</div>'


def verdict(history: History, checks: Sequence[Check]) -> str:
    """Which promises held and which broke, in words and numbers."""
    climbs = next(check for check in checks if check.promise == "climbs")
    others = "; ".join(broken(check) for check in checks if check.broken and check is not climbs)
    if not history.n_iterations:
        return f"**No iteration was made.** {history.reason}"
    name = history.model.objective_name
    way = f"from {_two(history.objective[0])} to {_two(history.objective[-1])} in {history.n_iterations} iterations"
    if climbs.broken:
        n_falls = f"{len(climbs.broken)} of {climbs.n_checked} iterations"
        said = f"**{name} falls** at {n_falls}, first: {broken(climbs)}. It went {way}."
    else:
        said = f"**{name} never falls**: it went {way}."
    said += f" Broken: {others}." if others else " Every other promise holds."
    if isinstance(history.model, Variant) and history.model.name == "hard":
        own = variants.with_best_labels(history)
        least = _amount(max(float(np.diff(own).min()), 0.0))
        said += (
            " What hard labels do not let fall is the log-likelihood together with the labels: it went from "
            f"{_two(own[0])} to {_two(own[-1])}, and its smallest gain is {least} nats."
        )
    return said


def _amount(value: float) -> str:
    return report.number(value, 2) if value >= 0.1 else report.significant(value)


def _two(value: float) -> str:
    return report.number(float(value), 2)


def show_way(history: History, position: int, look: Look) -> None:
    """Where the latest partial M-step, or the first one, stopped on its way to the top of the bound."""
    t = min(max(position // 2 - 1, 0), history.n_iterations - 1)
    if t < 0:
        return
    try:
        way = landscape.way_to_the_top(history, t, history.model.model)
    except DegenerateFit:
        return
    st.markdown(
        f"M-step {t + 1} went {report.number(100 * way.stop, 0)} % of the way to the top of the bound. "
        "Wherever the bound is higher than at the start, the log-likelihood, which lies above it, is higher too: a "
        "step need not reach the top."
    )
    st.plotly_chart(
        way_figure(history, way, look=look),
        key="way",
        config=PLOTLY,
        alt=f"Log-likelihood and bound along the way of M-step {t + 1}; it stopped at part "
        f"{report.number(way.stop, 2)} of the way.",
    )


def shares_table(history: History, position: int, rows: Sequence[int]) -> str:
    """The responsibilities of a few points, rows of X, and their sums."""
    if position == 0:
        return "<p>Before the first E-step there are no responsibilities.</p>"
    posterior = history.snapshot(position).posterior
    digits = report.decimals(history.parameters[0])
    cells = [
        [
            f"Point {row + 1} at {report.place(history.X[row], digits)}",
            *(report.number(float(share), 4) for share in posterior.responsibilities[row]),
            report.number(float(posterior.responsibilities[row].sum()), 4),
        ]
        for row in rows
    ]
    names = [f"Component {k + 1}" for k in range(history.model.n_components)]
    return outcome.table("Responsibilities of some points", ["", *names, "Sum"], cells)


# ---- The clinic --------------------------------------------------------------------------------------------


def case_of(number: int) -> Experiment:
    """The data, the model and the start of a case."""
    source = SyntheticData(choices.groups(CASE_ROWS), 0)
    begun = variants.start_of(number)
    return Experiment(source, GaussianMixture(2), "by-hand", max_iter=CASE_ITERATIONS, tol=0, by_hand=begun)


def faulty_run(number: int) -> History:
    """The run of a case, with its mistake."""
    return variant_run(case_of(number), variants.secret(number))


def diagnose(number: int, experiment: Experiment, faulty: History) -> None:
    """Name the fault of a case; what is wrong with a wrong name, and the reason of the right one."""
    bench, secret = clinic(), variants.secret(number)
    named = bench.named.setdefault(number, [])
    solved = secret in named or number in bench.told
    chosen = st.selectbox(
        "What is wrong with this EM?",
        FAULTS,
        index=None,
        format_func=lambda name: VARIANTS[name].title,
        placeholder="Choose the mistake",
        key=f"diagnosis {number}",
        disabled=solved,
    )
    with st.container(horizontal=True):
        st.button(
            "Check",
            type="primary",
            disabled=solved or chosen is None or chosen in named,
            on_click=lambda: named.append(chosen),
        )
        st.button("Show the mistake", disabled=solved, on_click=bench.told.add, args=(number,))
        st.button("Next case", on_click=_next_case)
    for name in named:
        if name != secret:
            st.error(f"Not this one: {VARIANTS[name].title.lower()}. {_why_not(experiment, faulty, name)}")
    if solved:
        text = f"**{VARIANTS[secret].title}.** {VARIANTS[secret].reason}"
        tries = len(named)
        right = f"Right, at try {tries}. " if secret in named else ""
        (st.success if right else st.info)(right + text)
        st.html(monitor_table(checks_of(faulty)))
    st.caption(_score(bench))


def _why_not(experiment: Experiment, faulty: History, name: str) -> str:
    """How the run would have looked with that mistake."""
    other = variant_run(experiment, name)
    t = variants.farthest_apart(faulty, other)
    would, does = (report.number(float(history.objective[t]), 2) for history in (other, faulty))
    return f"With it, the number at iteration {t} would be {would}; here it is {does}."


def _score(bench: Clinic) -> str:
    cases = {number: named for number, named in bench.named.items() if named}
    first = sum(named[0] == variants.secret(number) for number, named in cases.items())
    right = sum(variants.secret(number) in named for number, named in cases.items())
    n = len(cases)
    return f"Cases so far: {n}. Named: {right}, of these at the first try: {first}." if n else ""


def _next_case() -> None:
    number = controls.session().values["case"]
    controls.put(case=(number + 1) % (choices.MAX_SEED + 1))


# ---- You are the algorithm ---------------------------------------------------------------------------------


def _still(history: History, position: int, look: Look, axes: Sequence[str]) -> SteppedFigure:
    """The picture of one position, and nothing of what follows."""
    t = max(position - 1, 0) // 2 if position % 2 else position // 2
    alone = History(
        history.model, history.X, history.parameters[t : t + 1], history.objective[t : t + 1], "max_iter", ""
    )
    drawn = mixture_figure(alone, look=look, axes=tuple(axes), draggable="never", trails=False)
    return SteppedFigure(drawn.at(position % 2), (), description=drawn.description)


@st.fragment
def place_a_mean(
    experiment: Experiment, history: History, iteration: int, component: int, look: Look, axes: Sequence[str]
) -> None:
    """Where will the M-step put the mean? Placed by a click or by numbers, scored by the loss in Q."""
    bench = clinic()
    asked = ("mean", experiment.digest, iteration, component)
    theta = history.parameters[iteration]
    now = tuple(float(value) for value in theta.means[component])
    digits = report.decimals(theta)
    try:
        landscape.loss_of_mean(history, iteration, component, now)
    except DegenerateFit as collapse:
        st.warning(f"This M-step has no result. {collapse}")
        return
    slot = st.empty()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keys = [f"placed {asked} {j}" for j in range(len(now))]
        values = []
        for j, (key, value) in enumerate(zip(keys, bench.placed.get(asked, now), strict=True)):
            if bench.clicked or key not in st.session_state:
                st.session_state[key] = value
            values.append(st.number_input(f"New mean {component + 1}, {axes[j]}", key=key, format=f"%.{digits}f"))
        bench.clicked = False
        placed = bench.placed[asked] = tuple(values)
        st.button(
            "Check",
            type="primary",
            key="check mean",
            on_click=_score_mean,
            args=(history, asked, iteration, component, keys),
        )
    checked = bench.checked.get(asked)
    answer: Any = None
    if checked is not None:
        answer, loss = landscape.loss_of_mean(history, iteration, component, checked)
    with slot.container(key="placing-bare"):
        label = f"Mean {component + 1} at {report.place(theta.means[component], digits)} before the M-step"
        shown = player(
            lambda: [
                with_marks(
                    _still(history, 2 * iteration + 1, look, axes),
                    placed if placed != now else None,
                    answer,
                    look=look,
                )
            ],
            key="placing",
            run_id=f"{asked} {placed} {checked}",
            look=look,
            captions=[f"Click where the M-step will put mean {component + 1}. {label}."],
            labels=[label],
        )
    if shown.spot:
        bench.placed[asked] = tuple(round(value, digits) for value in (shown.spot.x, shown.spot.y)[: len(now)])
        bench.clicked = True
        _again()
    if checked is not None:
        st.markdown(
            f"The M-step puts mean {component + 1} at **{report.place(answer, digits)}**, "
            f"the mean of all points weighted by their responsibilities; you put it at "
            f"{report.place(np.array(checked), digits)}. "
            f"That costs **{_lost(loss)} {history.model.objective_unit}** of Q, all else being right."
        )
    series(look)


def _again() -> None:
    """Run the fragment once more; the whole script if it was the script that ran."""
    try:
        st.rerun(scope="fragment")
    except st.errors.StreamlitAPIException:
        st.rerun()


def _score_mean(history: History, asked: Any, iteration: int, component: int, keys: Sequence[str]) -> None:
    """Keep the guess in the number inputs, and what it loses."""
    bench = clinic()
    guess = tuple(float(st.session_state[key]) for key in keys)
    answer, loss = landscape.loss_of_mean(history, iteration, component, guess)
    digits = report.decimals(history.parameters[iteration])
    bench.checked[asked] = guess
    said = (report.place(np.array(place), digits) for place in (guess, answer))
    _remember(Guess(f"Mean {component + 1}, M-step {iteration + 1}", *said, loss))


@st.fragment
def guess_shares(
    experiment: Experiment, history: History, iteration: int, component: int, look: Look, axes: Sequence[str]
) -> None:
    """What share of three points does the component take? Scored by KL."""
    bench = clinic()
    rows = landscape.asked_points(history, iteration, component, 0)
    asked = ("shares", experiment.digest, iteration, component)
    theta = history.parameters[iteration]
    digits = report.decimals(theta)
    names = [f"Point {row + 1} at {report.place(history.X[row], digits)}" for row in rows]
    marks = _still(history, 2 * iteration, look, axes)
    figure = with_questions(marks, history.X[list(rows)], [str(row + 1) for row in rows], look=look)
    st.plotly_chart(figure, key="asked points", config=PLOTLY, alt=marks.description)
    st.markdown(f"What part of each point does component {component + 1} take, from 0 to 1?")
    values = []
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name, row in zip(names, rows, strict=True):
            values.append(st.number_input(name, 0.0, 1.0, 0.5, step=0.05, key=f"share {asked} {row}"))
        if st.button("Check", type="primary", key="check shares"):
            answers, loss = landscape.loss_of_shares(history, iteration, component, rows, values)
            bench.checked[asked] = tuple(values)
            said = (", ".join(report.number(float(share), 2) for share in shares) for shares in (values, answers))
            _remember(Guess(f"Responsibilities of component {component + 1}, E-step {iteration}", *said, loss))
    checked = bench.checked.get(asked)
    if checked is not None:
        answers, loss = landscape.loss_of_shares(history, iteration, component, rows, checked)
        st.plotly_chart(
            shares_figure(names, checked, answers.tolist(), look=look),
            key="shares",
            config=PLOTLY,
            alt="Your guess and the E-step's responsibility for each point",
        )
        st.markdown(
            f"With your responsibilities the bound would lie **{_lost(loss)} nats** (KL) below the log-likelihood; "
            "with the E-step's it touches."
            + ("" if np.isfinite(loss) else " You gave a point to a component that cannot have made it.")
        )
    series(look)


def _lost(loss: float) -> str:
    return report.number(loss, 3) if np.isfinite(loss) else "infinitely many"


def _remember(guess: Guess) -> None:
    bench = clinic()
    bench.guesses.append(guess)
    del bench.guesses[:-KEPT]


def series(look: Look) -> None:
    """The guesses so far and what each lost."""
    guesses = clinic().guesses
    if not guesses:
        st.caption("Your guesses will be kept here, with what each of them lost.")
        return
    st.plotly_chart(
        losses_figure([guess.loss for guess in guesses], "nats", look=look),
        key="losses",
        config=PLOTLY,
        alt=f"What each of {len(guesses)} guesses lost",
    )
    rows = [
        [str(n), escape(guess.what), guess.guessed, guess.answer, _lost(guess.loss)]
        for n, guess in enumerate(guesses, 1)
    ]
    table = outcome.table("Your guesses", ["", "Asked", "Guess", "Answer", "Loss (nats)"], rows[::-1])
    st.html(f'<div class="em-wrapped">{table}</div>')
