"""How far a slow run is from its maximum: the race with SQUAREM to the same gaps, and fits of counts of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from emcore import em
from emcore.acceleration import Accelerated, squarem
from emcore.em import History
from emcore.models import PoissonMixtureParameters
from emcore.report import Words, listed, number, signed

MOST_STEPS: Final = 2_000  # EM steps of either runner in a race
GAPS: Final = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)  # in the objective's unit


def accelerated(history: History) -> Accelerated:
    """SQUAREM from the start of a run, until its plain steps gain next to nothing."""
    return squarem(history.model, history.prepared, history.parameters[0], max_iter=MOST_STEPS, tol=1e-14)


@dataclass(frozen=True, eq=False)
class Race:
    """EM and SQUAREM from the same start, both without a tolerance that matters.

    Attributes
    ----------
    maximum : float
        The highest objective that either reached, polished by more steps of SQUAREM.
    parameters
        Those there.
    em_steps, squarem_steps : tuple of int or None
        For each of GAPS, after how many EM steps a runner was first as near to the maximum; None if it was not within
        MOST_STEPS, or went to a lower maximum.
    """

    maximum: float
    parameters: Any
    em_steps: tuple[int | None, ...]
    squarem_steps: tuple[int | None, ...]


def race(history: History, leaps: Accelerated) -> Race:
    """Both runners to each of GAPS below the maximum; `leaps` are those of `accelerated`."""
    model, X = history.model, history.prepared
    plain = em.run(model, X, history.parameters[0], max_iter=MOST_STEPS, tol=1e-14)
    best = max(plain, leaps.history, key=lambda run: float(run.objective[-1]))
    polished = squarem(model, X, best.parameters[-1], max_iter=200, tol=0.0).history
    top = polished if polished.objective[-1] > best.objective[-1] else best
    maximum = float(top.objective[-1])
    return Race(
        maximum,
        top.parameters[-1],
        _arrivals(plain.objective, np.arange(len(plain.objective)), maximum),
        _arrivals(leaps.history.objective, leaps.em_steps, maximum),
    )


def _arrivals(objective: NDArray[np.float64], steps: NDArray[Any], maximum: float) -> tuple[int | None, ...]:
    arrived = [np.flatnonzero(objective >= maximum - gap) for gap in GAPS]
    return tuple(int(steps[places[0]]) if len(places) else None for places in arrived)


@dataclass(frozen=True, eq=False)
class CountFit:
    """Counts of events, observed and expected.

    Attributes
    ----------
    counts : ndarray of shape (n_counts,)
        0, 1, ... up to the largest that was observed, and one more.
    observed : ndarray of shape (n_counts,)
        Days with each count.
    components : ndarray of shape (n_iterations + 1, n_components, n_counts)
        Days that each component expects, its weight included, at each iteration.
    single : ndarray of shape (n_counts,)
        Days that one Poisson distribution expects; its best rate is the average count.
    single_rate, single_log_likelihood : float
    """

    counts: NDArray[np.float64]
    observed: NDArray[np.float64]
    components: NDArray[np.float64]
    single: NDArray[np.float64]
    single_rate: float
    single_log_likelihood: float


def count_fit(history: History) -> CountFit:
    """Observed and expected days of a run of a PoissonMixture."""
    X = np.asarray(history.X, dtype=np.float64)
    counts = np.arange(X.max() + 2)
    weights = np.array([theta.weights for theta in history.parameters])
    rates = np.array([theta.rates for theta in history.parameters])
    components = len(X) * weights[..., None] * _poisson(counts, rates[..., None])
    rate = float(X.mean())
    return CountFit(
        counts,
        np.bincount(X.astype(np.int_), minlength=len(counts)).astype(np.float64),
        components,
        len(X) * _poisson(counts, np.array(rate)),
        rate,
        float(np.log(_poisson(X, np.array(rate))).sum()),
    )


def bic(log_likelihood: float, n_components: int, n_samples: int) -> float:
    """-2 log-likelihood + (2 K - 1) log n of K Poisson distributions (Schwarz 1978): smaller is better."""
    return -2 * log_likelihood + (2 * n_components - 1) * float(np.log(n_samples))


def by_rate(parameters: PoissonMixtureParameters) -> NDArray[np.intp]:
    """The components, the lowest rate first: their numbers mean nothing, so two fits are compared in this order."""
    return np.argsort(parameters.rates, kind="stable")


def _poisson(counts: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(xlogy(counts, rates) - rates - gammaln(counts + 1)))


def _takes(history: History, iteration: int) -> str:
    taken = history.posterior(iteration).counts.tolist()
    who = (
        "component 1 takes" if len(taken) == 1 else f"components {listed([str(k + 1) for k in range(len(taken))])} take"
    )
    return f"{who} {listed([number(count, 1) for count in taken])} of {history.n_samples:,} days"


def _moved(history: History, iteration: int) -> str:
    before, after = (history.parameters[t].rates for t in (iteration - 1, iteration))
    k = int(np.abs(after - before).argmax())
    if before[k] == after[k]:
        return "no rate moved"
    weight = float(history.parameters[iteration].weights[k])
    return (
        f"rate {k + 1} moved {signed(float(after[k] - before[k]), 5)} to {number(float(after[k]), 4)}, its weight is "
        f"{number(weight, 4)}"
    )


COUNT_WORDS = Words(_takes, _moved)
