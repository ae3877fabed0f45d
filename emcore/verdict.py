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
    SADDLE: "stalled on a saddle or a plateau",
    UNFINISHED: "stopped before the end",
    COLLAPSED: "collapsed",
}


LOST = {SADDLE: "to a saddle or a plateau", UNFINISHED: "nowhere before they stop", COLLAPSED: "to a collapse"}
NAMED = 5  # maxima that a sentence tells one by one
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
    """A share for a sentence: "62 %", "0.4 %", "99.6 %"; only all is "100 %" and only none "0 %"."""
    if 0 < share < 0.001 or 0.999 < share < 1:
        return "below 0.1 %" if share < 0.5 else "above 99.9 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 or 0.99 < share < 1 else f"{100 * share:.0f} %"


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
        which = "a maximum" if maximum.count == 1 else "one and the same maximum"
        text = f"{maximum.count:,} of {starts} reached {which}, {maximum_name(index)}, at {_height(maximum)}."
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
        height = _height(found.maxima[outcome])
        return f"One start reached a maximum, at {height}: {maximum_name(outcome)} unless a higher one is found."
    return f"One start {OTHERS[outcome]}."


# Heights that differ by less than this part are equal: mirror images, or a maximum found twice.
_EQUAL = 1e-8


@dataclass(frozen=True)
class Best:
    """The highest maximum that some runs reached; several, where they are equally high.

    `known` says whether none higher is known from other runs.
    """

    names: str
    indices: tuple[int, ...]
    count: int
    share: float
    known: bool


def best_of(found: Maxima) -> Best | None:
    """The highest that these runs reached; None if they reached no maximum."""
    reached = [index for index, maximum in enumerate(found.maxima) if maximum.count]
    if not reached:
        return None
    indices = tuple(index for index in reached if equally_high(found.maxima[index], found.maxima[reached[0]]))
    count = sum(found.maxima[index].count for index in indices)
    names = listed([maximum_name(index) for index in indices])
    known = equally_high(found.maxima[0], found.maxima[reached[0]])
    return Best(names, indices, count, count / len(found.outcome), known)


def equally_high(one: Maximum, other: Maximum) -> bool:
    """Whether two maxima have the same height, up to what rounding leaves of it."""
    return abs(one.objective - other.objective) <= _EQUAL * max(abs(one.objective), 1.0)


def restarts_needed(share: float, chance: float = 0.95) -> int | None:
    """The fewest restarts that meet the best with this chance, 1 - (1 - p)^R >= chance; None where p is 0."""
    if share <= 0:
        return None
    if share >= 1:
        return 1
    return math.ceil(math.log1p(-chance) / math.log1p(-share) - 1e-12)


def chance_of_the_best(found: Maxima, n_restarts: int) -> str:
    """With what chance R restarts meet the best that these runs reached, and how sure that is."""
    best, n_runs = best_of(found), len(found.outcome)
    if n_runs == 1:
        return "One run says nothing of chances: take a random start, and more runs."
    if best is None:
        return "No run reached a maximum, so nothing can be said of the chance to reach the best."
    low, high = interval(best.count, n_runs)
    chance, worst, most = (chance_of_best(p, n_restarts) for p in (best.share, low, high))
    enough, safely = restarts_needed(best.share), restarts_needed(low)
    which = "the best that is known" if best.known else "the best of these runs, though a higher one is known"
    if len(best.indices) > 1:
        which += ", equally high"
    restarts = f"{n_restarts} restart{'' if n_restarts == 1 else 's'}"
    sure = f"{safely:,} if p is as small as its interval allows" if safely else "so few starts cannot promise it"
    return (
        f"{best.count:,} of {n_runs:,} starts reached {best.names}, {which}: p = {best.share:.3g} "
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
    heights = f"run 1 reached {names[0]} at {objective_text(first, first.n_iterations)}, run 2 {names[1]} at "
    heights += f"{objective_text(second, second.n_iterations)}"
    if equally_high(maxima[outcomes[0]], maxima[outcomes[1]]):
        return f"Different maxima, equally high: {heights}. Neither is better. {lengths}"
    better = 1 if outcomes[0] < outcomes[1] else 2
    difference = abs(maxima[outcomes[0]].objective - maxima[outcomes[1]].objective)
    return f"Different maxima: {heights}. Run {better}'s maximum is higher, by {number(difference)} nats. {lengths}"


def _trouble(who: str, history: History, outcome: int) -> str:
    if outcome == COLLAPSED:
        return f"{who} collapsed: {history.reason}"
    if outcome == UNFINISHED:
        return (
            f"{who} was stopped before its end, after {_iterations(history)}: raise the limit or lower the tolerance."
        )
    return (
        f"{who} stalled at {objective_text(history, history.n_iterations)}, on a saddle or a plateau and no maximum. "
        "A lower tolerance shows where it leads."
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
    if history.stopped == "degenerate":
        return f"{end}. It goes no further: {history.reason} A run that collapses has no limit to come near to."
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
            f"about {halving:,} iteration{'' if halving == 1 else 's'} to halve it. Gains shrink by its square, "
            f"{rate * rate:.4g}."
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
    everything = np.concatenate([sorted_out.outcome for sorted_out in found.values()])
    best = best_of(counted(next(iter(found.values())).maxima, everything))
    rows = []
    for name, sorted_out in found.items():
        n_runs = len(sorted_out.outcome)
        count = 0 if best is None else int(np.isin(sorted_out.outcome, best.indices).sum())
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
    shares = sorted(
        ((float(np.mean(outcome == i)), i) for i in range(len(maxima)) if (outcome == i).any()), reverse=True
    )
    led = [f"{percent(share)} to {maximum_name(i)}" for share, i in shares[:NAMED]]
    if len(shares) > NAMED:
        rest = len(shares) - NAMED
        led.append(f"{percent(sum(share for share, _ in shares[NAMED:]))} to {rest} other{'' if rest == 1 else 's'}")
    led += [
        f"{percent(float(np.mean(outcome == kind)))} {words}" for kind, words in LOST.items() if (outcome == kind).any()
    ]
    parts.append(f"Starts on the map lead {listed(led)}.")
    k_others = len(maxima[0].parameters.weights) - (1 if basins is None else 2) if maxima else 0
    parts.append(
        "Letters stand where means end, colours where they begin"
        + ("; the means that the map does not show begin as in the run in the player." if k_others else ".")
    )
    if basins is not None and all(re.fullmatch(r"mean \d+", name) for name in surface.names):
        parts.append(_ridge(surface.names, basins))
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


def _ridge(names: tuple[str, str], basins: Basins) -> str:
    """What the diagonal of two means is, and how starts on it and beside it end."""
    j, k = (name.removeprefix("mean ") for name in names)
    text = (
        f"The broken diagonal is where mean {j} equals mean {k}: swapping the two components mirrors the map in it. "
        "A start on it has equal components, which EM cannot tell apart: it stays on this ridge of symmetry."
    )
    if basins.outcome.shape[0] != basins.outcome.shape[1]:
        return text
    on_it = np.diagonal(basins.outcome)
    stalled = on_it == SADDLE
    if stalled.all():
        text += " All starts on it stall on a saddle."
    elif stalled.any():
        text += f" {percent(float(stalled.mean()))} of the starts on it stall on a saddle."
    if (basins.outcome == SADDLE).sum() > 3 * len(on_it):
        text += (
            " Beside it the first gains are already below the tolerance, so that EM stops before it has left: "
            "with a lower tolerance the band is narrower."
        )
    return text
