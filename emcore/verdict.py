"""What several runs say together, in words: which maximum, how often, and how many starts are enough.

`outcome` numbers are those of `restarts.Maxima`; maxima are called A, B, C ... by height.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emcore.acceleration import Accelerated, Forecast
from emcore.em import History
from emcore.landscape import Basins, Surface
from emcore.matching import match
from emcore.models import GaussianMixture
from emcore.report import MINUS, listed, number, objective_text, significant
from emcore.restarts import COLLAPSED, SADDLE, UNFINISHED, Maxima, Maximum, Runs, chance_of_best, interval
from emcore.starts import STARTS

OTHERS = {
    SADDLE: "stalled where the log-likelihood still curves upwards (a saddle or a plateau)",
    UNFINISHED: "hit the limit of iterations",
    COLLAPSED: "collapsed",
}


NO_MAXIMUM = {SADDLE: "saddle", UNFINISHED: "not finished", COLLAPSED: "collapsed"}


def maximum_name(index: int) -> str:
    """What a maximum is called on every screen: "A" is the highest; "A1", "B1" ... follow on "Z"."""
    round_, letter = divmod(index, 26)
    return chr(ord("A") + letter) + (str(round_) if round_ else "")


def outcome_name(outcome: int) -> str:
    """Where a run ended, in two words: "maximum A", "saddle"."""
    return NO_MAXIMUM[outcome] if outcome < 0 else f"maximum {maximum_name(outcome)}"


def outcome_label(outcome: int) -> str:
    """The same for a legend or a table: "A", "Saddle"."""
    return NO_MAXIMUM[outcome].capitalize() if outcome < 0 else maximum_name(outcome)


def percent(share: float) -> str:
    """A share for a sentence: "62 %", "0.4 %", "above 99.9 %"."""
    if share > 0.999 and share < 1:
        return "above 99.9 %"
    return f"{100 * share:.0f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.1f} %"


def count_of_maxima(found: Maxima) -> str:
    """How many maxima these runs reached and how often, and what became of the others."""
    n_runs = len(found.outcome)
    reached = [(index, maximum) for index, maximum in enumerate(found.maxima) if maximum.count]
    if n_runs == 1:
        return _one_run(found)
    starts = f"{n_runs:,} starts"
    if not reached:
        text = f"None of {starts} reached a maximum."
    elif len(reached) == 1:
        index, maximum = reached[0]
        name, height = maximum_name(index), _height(maximum)
        text = f"{maximum.count:,} of {starts} reached one and the same maximum, {name}, at {height}."
    else:
        shown = [f"{maximum_name(i)} at {_height(maximum)} by {percent(maximum.share)}" for i, maximum in reached[:4]]
        lower = len(reached) - 4
        more = [f"{lower} lower one{'' if lower == 1 else 's'} by the others"] if lower > 0 else []
        text = f"{starts} reached {len(reached)} maxima: {listed(shown + more)}."
    others = [
        f"{count:,} {words}"
        for kind, words in OTHERS.items()
        if (count := int(np.count_nonzero(found.outcome == kind)))
    ]
    return text + (f" {listed(others)}." if others else "")


def _one_run(found: Maxima) -> str:
    outcome = int(found.outcome[0])
    if outcome >= 0:
        return f"One start reached maximum {maximum_name(outcome)}, at {_height(found.maxima[outcome])}."
    return f"One start {OTHERS[outcome]}."


def best_of(found: Maxima) -> Maximum | None:
    """The highest maximum that one of these runs reached."""
    return next((maximum for maximum in found.maxima if maximum.count), None)


def restarts_needed(share: float, chance: float = 0.95) -> int | None:
    """The fewest restarts that meet the best with this chance, 1 - (1 - p)^R >= chance; None where p is 0."""
    if share <= 0:
        return None
    if share >= 1:
        return 1
    return math.ceil(math.log1p(-chance) / math.log1p(-share) - 1e-12)


def chance_of_the_best(found: Maxima, n_restarts: int) -> str:
    """With what chance R restarts meet the best that these runs know, and how sure that is."""
    best, n_runs = best_of(found), len(found.outcome)
    if best is None:
        return "No run reached a maximum, so nothing can be said of the chance to reach the best."
    low, high = interval(best.count, n_runs)
    chance, worst, most = (chance_of_best(p, n_restarts) for p in (best.share, low, high))
    enough, safely = restarts_needed(best.share), restarts_needed(low)
    name = maximum_name(found.maxima.index(best))
    restarts = f"{n_restarts} restart{'' if n_restarts == 1 else 's'}"
    sure = (
        f"{safely:,} if p is as small as its interval allows" if safely else "more than can be said from so few starts"
    )
    return (
        f"{best.count:,} of {n_runs:,} starts reached {name}, the best that is known: p = {best.share:.3g} "
        f"(95 % interval {low:.3g} to {high:.3g}). With {restarts} the chance to meet it at least once is "
        f"1 {MINUS} (1 {MINUS} p)^{n_restarts} = {percent(chance)} ({percent(worst)} to {percent(most)}). "
        f"For a chance of 95 % take {enough:,}; {sure}."
    )


def race(
    first: History, second: History, outcomes: tuple[int, int], maxima: Sequence[Maximum], *, begins: int = 0
) -> str:
    """Who of two runs on the same data got where: the same maximum up to labels, another one, or not finished.

    `begins` is the iteration of the first run at which the second one branched off, 0 for a start of its own.
    """
    lengths = f"Run 1 took {_iterations(first)}, run 2 {_iterations(second)}"
    if begins:
        lengths += f" from where it branched off at iteration {begins:,}"
    lengths += "."
    troubles = [
        _trouble(f"Run {number_of_run}", history, outcome)
        for number_of_run, history, outcome in zip((1, 2), (first, second), outcomes, strict=True)
        if outcome < 0
    ]
    if troubles:
        return f"Not decided. {' '.join(troubles)} {lengths}"
    ends = [float(history.objective[-1]) for history in (first, second)]
    names = [maximum_name(outcome) for outcome in outcomes]
    if outcomes[0] == outcomes[1]:
        partner = match(second.parameters[-1], first.parameters[-1])
        swapped = [f"{k + 1} is run 1's {int(p) + 1}" for k, p in enumerate(partner) if p != k]
        labels = (
            f"Only the labels differ: run 2's component {listed(swapped)}." if swapped else "Even the labels agree."
        )
        return (
            f"The same maximum, {names[0]}, up to labels: log-likelihood {objective_text(first, first.n_iterations)} "
            f"and {objective_text(second, second.n_iterations)}. {labels} {lengths}"
        )
    better = 1 if ends[0] > ends[1] else 2
    difference = abs(maxima[outcomes[0]].objective - maxima[outcomes[1]].objective)
    return (
        f"Different maxima: run 1 reached {names[0]} at {objective_text(first, first.n_iterations)}, run 2 {names[1]} "
        f"at {objective_text(second, second.n_iterations)}. Run {better}'s is higher, by {number(difference)} nats. "
        f"{lengths}"
    )


def _trouble(who: str, history: History, outcome: int) -> str:
    if outcome == COLLAPSED:
        return f"{who} collapsed: {history.reason}"
    if outcome == UNFINISHED:
        return f"{who} was not finished after {_iterations(history)}: raise the limit."
    return (
        f"{who} stalled at {objective_text(history, history.n_iterations)}, where the log-likelihood still curves "
        "upwards: a saddle or a plateau, no maximum."
    )


def _iterations(history: History) -> str:
    n = history.n_iterations
    return f"{n:,} iteration{'' if n == 1 else 's'}"


def _height(maximum: Maximum) -> str:
    return number(maximum.objective)


def speed(history: History, forecast: Forecast, rate: float | None) -> str:
    """How fast the run converges at its end, and how far Aitken's forecast puts the limit above it.

    `rate` is the largest eigenvalue of one EM step's Jacobian at the end (`acceleration.rate`); None after a collapse.
    """
    end = f"After {_iterations(history)} the run stands at {objective_text(history, history.n_iterations)}"
    if history.n_iterations:
        end += f"; its last gain was {significant(history.last_gain)} nats per point"
    parts = [end + "."]
    if not forecast.trusted[-1]:
        parts.append(
            "Aitken's forecast of the limit cannot be trusted here: too few gains in a row shrank by a steady factor."
        )
    else:
        gap = float(forecast.gaps[-1])
        parts.append(
            f"Aitken's forecast puts the limit at {number(float(forecast.limits[-1]), 4)}, {significant(gap)} nats "
            f"higher ({significant(gap / history.n_samples)} per point)."
        )
    if rate is not None and rate > 1 + 1e-5:
        parts.append(
            f"One EM step stretches some direction here by {rate:.4g}, more than 1: a saddle or a plateau, no maximum."
        )
    elif rate is not None and 0 < rate < 1:
        halving = max(1, math.ceil(math.log(0.5) / math.log(rate)))
        parts.append(
            f"Near this end one EM step leaves {rate:.4g} of the slowest error: "
            f"about {halving:,} iteration{'' if halving == 1 else 's'} to halve it."
        )
    return " ".join(parts)


def squarem(history: History, accelerated: Accelerated) -> str:
    """What SQUAREM needed from the same start, beside EM."""
    fast, steps = accelerated.history, int(accelerated.em_steps[-1])
    how = {
        "converged": "stopped by the same rule",
        "max_iter": "stopped at the limit",
        "degenerate": "collapsed",
    }[fast.stopped]
    return (
        f"SQUAREM from the same start took {steps:,} EM steps in {fast.n_iterations:,} leaps and {how} at "
        f"{objective_text(fast, fast.n_iterations)}; EM took {history.n_iterations:,} and ended at "
        f"{objective_text(history, history.n_iterations)}. It leaps, so it may reach another maximum than EM does."
    )


def race_captions(first: History, second: History, offset: int, n_positions: int) -> tuple[str, ...]:
    """A sentence for each position of a race: where both runs stand. `offset` is where the second one begins."""
    return tuple(
        f"{_stands('Run 1', first, position)} {_stands('Run 2', second, position - offset)}"
        for position in range(n_positions)
    )


def _stands(who: str, history: History, position: int) -> str:
    if position < 0:
        return f"{who} has not branched off yet."
    iteration = min(position // 2, history.n_iterations)
    ended = ", where it ended" if position >= history.n_positions - 1 else ""
    name = history.model.objective_name.lower()
    return f"{who}: iteration {iteration}, {name} {objective_text(history, iteration)}{ended}."


def counted(maxima: Sequence[Maximum], outcome: NDArray[np.int_]) -> Maxima:
    """The same maxima with the counts and shares of some of the runs, whose outcomes these are."""
    n_runs = len(outcome)

    def of_these(index: int, maximum: Maximum) -> Maximum:
        runs = np.flatnonzero(outcome == index)
        first = int(runs[0]) if len(runs) else -1
        return replace(maximum, count=len(runs), share=len(runs) / max(n_runs, 1), representative=first)

    return Maxima(tuple(of_these(index, maximum) for index, maximum in enumerate(maxima)), outcome)


@dataclass(frozen=True)
class WayToStart:
    """How one way to start fared: how many of its runs reached the best that is known, and how long they took."""

    title: str
    n_runs: int
    best_count: int
    interval: tuple[float, float]
    median_iterations: float


def ways_to_start(found: Mapping[str, Maxima], runs: Mapping[str, Runs]) -> tuple[WayToStart, ...]:
    """Each way to start, by its name in STARTS; the best is the highest maximum that any of them reached."""
    best = min((int(s.outcome[s.outcome >= 0].min()) for s in found.values() if (s.outcome >= 0).any()), default=None)
    rows = []
    for name, sorted_out in found.items():
        n_runs = len(sorted_out.outcome)
        count = 0 if best is None else int(np.count_nonzero(sorted_out.outcome == best))
        median = float(np.median(runs[name].n_iterations))
        rows.append(WayToStart(STARTS[name].title, n_runs, count, interval(count, n_runs), median))
    return tuple(rows)


def at_maxima(model: GaussianMixture, maxima: Sequence[Maximum]) -> Runs:
    """A run that ended at each of these maxima: so that `distinct` can say which known one each is."""
    n_runs = len(maxima)
    return Runs(
        model,
        tuple(maximum.parameters for maximum in maxima),
        np.array([maximum.objective for maximum in maxima]),
        np.zeros(n_runs, dtype=np.int64),
        tuple("converged" for _ in maxima),
        tuple("" for _ in maxima),
    )


def landscape(surface: Surface, outcome: NDArray[np.int_], maxima: Sequence[Maximum], basins: Basins | None) -> str:
    """What a map shows, in words: where starts lead, the ridge of symmetry, what is left blank, how it was computed."""
    parts = []
    if surface.profiled:
        parts.append("Surface: at each place all other parameters are the best that EM finds for them.")
    else:
        parts.append(
            "Surface: all other parameters are held as at the end of the run, so that a path, which moves them too, "
            "fits it only there."
        )
    shares = [(maximum_name(i), float(np.mean(outcome == i))) for i in range(len(maxima)) if (outcome == i).any()]
    led = [f"{percent(share)} to {name}" for name, share in shares[:4]]
    lost = [
        f"{percent(float(np.mean(outcome == kind)))} to {words}"
        for kind, words in ((SADDLE, "a saddle or a plateau"), (COLLAPSED, "a collapse"))
        if (outcome == kind).any()
    ]
    lost += [f"{percent(float(np.mean(outcome == UNFINISHED)))} nowhere before the limit"] * bool(
        (outcome == UNFINISHED).any()
    )
    parts.append(f"Starts on the map lead {listed(led + lost)}.")
    if all(re.fullmatch(r"mean \d+", name) for name in surface.names):
        j, k = (name.removeprefix("mean ") for name in surface.names)
        parts.append(
            f"The dashed diagonal is where mean {j} equals mean {k}. Swapping the two components mirrors the map in it "
            "and changes nothing. A start on it has equal components; EM cannot tell them apart, stays on this ridge "
            "of symmetry, and stalls on a saddle."
        )
    if surface.masked:
        parts.append(surface.masked)
    if basins is not None and basins.n_bins:
        parts.append(
            f"The map of starts was computed on {basins.n_bins} weighted bins of the data, after {basins.n_checked:,} "
            "of its starts had ended alike with and without bins. The run of a click is computed on all points."
        )
    elif basins is not None:
        parts.append("The map of starts was computed on all points.")
    return " ".join(parts)
