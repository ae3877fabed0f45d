"""What runs on sets of tosses, and on the linkage data, say in numbers and in clauses."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcore.em import History
from emcore.models import LinkageParameters
from emcore.report import Words, listed, number, signed


@dataclass(frozen=True, eq=False)
class SharedOut:
    """Sets of tosses shared out between coins, as in Do & Batzoglou (2008, figure 1).

    Attributes
    ----------
    expected_heads : ndarray of shape (n_samples, n_components)
        Responsibility times heads.
    heads, tosses : ndarray of shape (n_components,)
        Expected heads and tosses of each coin, summed over the sets.
    chances : ndarray of shape (n_components,)
        Their ratio, which the M-step takes; NaN for a coin without tosses.
    """

    expected_heads: NDArray[np.float64]
    heads: NDArray[np.float64]
    tosses: NDArray[np.float64]
    chances: NDArray[np.float64]


def shared_out(history: History, posterior: Any) -> SharedOut:
    """The sums that the M-step of a BinomialMixture takes its ratios of."""
    X = np.asarray(history.X, dtype=np.float64)
    expected = posterior.responsibilities * X[:, :1]
    heads, tosses = expected.sum(axis=0), posterior.responsibilities.T @ X[:, 1]
    with np.errstate(invalid="ignore"):
        return SharedOut(expected, heads, tosses, heads / tosses)


def distance(history: History, iteration: int) -> float:
    """How far the chances of two coins are apart."""
    first, second = history.parameters[iteration].success_probabilities
    return float(abs(second - first))


def mean_chance(history: History, iteration: int) -> float:
    """The chance that any toss shows heads: the coins' chances, weighted."""
    parameters = history.parameters[iteration]
    return float(parameters.weights @ parameters.success_probabilities)


def clearly_given(history: History, least: float) -> int:
    """How many sets have a coin with a responsibility above `least` at the end of the run."""
    responsibilities = history.posterior(history.n_iterations).responsibilities
    return int((responsibilities.max(axis=1) > least).sum())


def _farthest(history: History, iteration: int) -> str:
    before, after = (history.parameters[t].success_probabilities for t in (iteration - 1, iteration))
    k = int(abs(after - before).argmax())
    if after[k] == before[k]:
        return "no chance of heads moved"
    return f"coin {k + 1}'s chance of heads moved {signed(after[k] - before[k], 4)} to {number(after[k], 4)}"


def _taken(history: History, iteration: int) -> str:
    counts = history.posterior(iteration).counts.tolist()
    who = "coin 1 takes" if len(counts) == 1 else f"coins {listed([str(k + 1) for k in range(len(counts))])} take"
    return f"{who} {listed([number(count, 2) for count in counts])} of {history.n_samples} sets"


COIN_WORDS = Words(_taken, _farthest)


@dataclass(frozen=True, eq=False)
class Divided:
    """The linkage data at one p.

    Attributes
    ----------
    probabilities, expected : ndarray of shape (4,)
        Of each cell, and the animals that it should have.
    next_probability : float or None
        What the M-step makes of the posterior; None at the bare start.
    hidden_count : float or None
        The animals of the first cell that are expected to belong to p/4.
    error : float
        The distance from the exact maximum; NaN where that is an end of the range.
    """

    probabilities: NDArray[np.float64]
    expected: NDArray[np.float64]
    next_probability: float | None
    hidden_count: float | None
    error: float


def divided(history: History, position: int, maximum: LinkageParameters | None) -> Divided:
    """How the cells are divided at a position of a run on the linkage data."""
    snapshot = history.snapshot(position)
    p = snapshot.parameters.probability
    probabilities = np.array([0.5 + p / 4, (1 - p) / 4, (1 - p) / 4, p / 4])
    error = float("nan") if maximum is None else abs(p - maximum.probability)
    expected = probabilities * np.asarray(history.X).sum()
    if snapshot.posterior is None:
        return Divided(probabilities, expected, None, None, error)
    following = history.model.m_step(history.prepared, snapshot.posterior).probability
    return Divided(probabilities, expected, following, snapshot.posterior.hidden_count, error)


def rate(history: History) -> float:
    """The part of the error that an iteration leaves, from the last steps above rounding; NaN for too short a run."""
    steps = np.abs(np.diff([parameters.probability for parameters in history.parameters]))
    rates = [after / before for before, after in pairwise(steps.tolist()) if after > 1e-12]
    return rates[-1] if rates else float("nan")


LINKAGE_WORDS = Words(
    lambda history, t: (
        f"of the {history.X[0]:.0f} animals of the first cell {number(history.posterior(t).hidden_count, 4)} "
        "are expected to belong to its part p/4"
    ),
    lambda history, t: f"p = {number(history.parameters[t].probability, 6)}",
)
