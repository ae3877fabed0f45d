"""Four shapes of covariance on the same points from the same start: what each costs, and what it gains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emcore import clusters
from emcore.em import History
from emcore.experiment import Experiment
from emcore.models import GaussianMixture
from emcore.models.gaussian_mixture import CovarianceType
from emcore.report import listed, number, objective_text
from emcore.selection import fits_of, n_parameters, penalties

SHAPES: Final[tuple[CovarianceType, ...]] = ("full", "tied", "diag", "spherical")
EQUAL = 1e-6  # nats: criteria that differ by less are equal, as those of shapes that are the same on one axis


@dataclass(frozen=True)
class Score:
    """One shape: what it may choose, and what the criteria say.

    Attributes
    ----------
    n_parameters : int
        The free numbers: weights, means and covariances.
    log_likelihood : float
        In nats.
    aic, bic : float
        -2 log-likelihood + 2 n_parameters, and + n_parameters log n_samples: lower is better. NaN after a collapse,
        where there is no fit to judge.
    """

    n_parameters: int
    log_likelihood: float
    aic: float
    bic: float


def experiments(experiment: Experiment) -> dict[CovarianceType, Experiment]:
    """The same data and start with each shape; the start's covariances are brought into it."""
    n_components = experiment.model.n_components
    return {shape: replace(experiment, model=GaussianMixture(n_components, shape)) for shape in SHAPES}


def score(history: History) -> Score:
    """What the criteria say of the end of a run."""
    mixture = history.model
    n = n_parameters(mixture.n_components, history.parameters[-1].n_features, mixture.covariance_type)
    collapsed = history.stopped == "degenerate"
    return _scored(n, float("nan") if collapsed else float(history.objective[-1]), history.n_samples)


def best_of_starts(experiment: Experiment, n_starts: int) -> dict[CovarianceType, Score]:
    """The same for the best of `n_starts` runs of each shape, whose start seeds count up from 0 (kept for all).

    One run where nothing in the start is random; NaN where every run collapsed.
    """
    found: dict[CovarianceType, Score] = {}
    for shape, each in experiments(experiment).items():
        X = each.dataset().X
        fits = fits_of(X, each.restarts(0, n_starts))
        found[shape] = _scored(fits.n_parameters, fits.value("log_likelihood", fits.best), len(X))
    return found


def best(scores: Mapping[CovarianceType, Score]) -> tuple[CovarianceType, ...]:
    """The shape with the lowest BIC; several, where they are equally low; none where all runs collapsed."""
    values = {shape: each.bic for shape, each in scores.items() if np.isfinite(each.bic)}
    lowest = min(values.values(), default=0.0)
    return tuple(shape for shape, value in values.items() if value <= lowest + EQUAL)


def above_lowest(scores: Mapping[CovarianceType, Score]) -> dict[CovarianceType, float]:
    """How far each BIC lies above the lowest; NaN after a collapse."""
    lowest = min((each.bic for each in scores.values() if np.isfinite(each.bic)), default=float("nan"))
    return {shape: each.bic - lowest for shape, each in scores.items()}


def _scored(n: int, log_likelihood: float, n_samples: int) -> Score:
    added = penalties(n, n_samples)
    aic, bic = (-2 * log_likelihood + added[name] for name in ("aic", "bic"))
    return Score(n, log_likelihood, aic, bic)


def formula(shape: CovarianceType, n_components: int, n_features: int) -> str:
    """The number of parameters with the numbers put in, as TeX: weights + means + covariances."""
    k, d = n_components, n_features
    matrix = rf"\tfrac{{{d} \cdot {d + 1}}}{{2}}"
    covariances = {"full": rf"{k} \cdot {matrix}", "tied": matrix, "diag": rf"{k} \cdot {d}", "spherical": f"{k}"}
    return rf"({k} - 1) + {k} \cdot {d} + {covariances[shape]} = {n_parameters(k, d, shape)}"


def margin(scores: Mapping[CovarianceType, Score], titles: Mapping[str, str]) -> str:
    """Why the shape with the lowest BIC beats the next one, in numbers."""
    first = best(scores)
    others = [shape for shape in scores if shape not in first and np.isfinite(scores[shape].bic)]
    if not others:
        return ""
    next_one = min(others, key=lambda shape: scores[shape].bic)
    winner, second = scores[first[0]], scores[next_one]
    more, higher = second.n_parameters - winner.n_parameters, second.log_likelihood - winner.log_likelihood
    climbed = f"{number(abs(higher))} nats {'higher' if higher > 0 else 'lower'}"
    parameters = f"{abs(more)} parameter{'' if abs(more) == 1 else 's'}"
    if more > 0 and higher > 0:
        why = f"with {parameters} more it climbs {climbed}, too little for what BIC charges for them"
    else:
        charged = (
            f"has {parameters} more" if more > 0 else f"saves {parameters}" if more < 0 else "has as many parameters"
        )
        why = f"it {charged} and ends {climbed}"
    return f"Next is {titles[next_one].lower()}, {number(second.bic - winner.bic, 1)} above it: {why}."


def in_their_groups(
    histories: Mapping[CovarianceType, History],
    k_means: History,
    labels: NDArray[np.int_] | None,
    titles: Mapping[str, str],
) -> str:
    """Of how many points each run, and k-means, found the group that they were drawn from; "" where nobody knows it."""
    if clusters.recovered(k_means, 0, labels) is None:
        return ""

    def share(history: History) -> str:
        return clusters.share_text(clusters.recovered(history, history.n_iterations, labels))

    found = [f"{titles[shape].lower()} {share(history)}" for shape, history in histories.items()]
    return (
        f"Points that end in the group that they were drawn from: {listed(found)}; k-means from the same means, which "
        f"takes all groups for circles of one size, {share(k_means)}."
    )


def captions(histories: Mapping[CovarianceType, History], titles: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each position of the longest of these runs: where each of them stands."""

    def stands(shape: CovarianceType, history: History, position: int) -> str:
        iteration = min(position // 2, history.n_iterations)
        ended = " (ended)" if position >= history.n_positions - 1 else ""
        return f"{titles[shape].lower()} {objective_text(history, iteration)}{ended}"

    return tuple(
        f"Iteration {position // 2}, log-likelihood: "
        + ", ".join(stands(shape, history, position) for shape, history in histories.items())
        + "."
        for position in range(longest(histories).n_positions)
    )


def longest(histories: Mapping[CovarianceType, History]) -> History:
    """The run with the most iterations: whoever steps through it steps through all."""
    return max(histories.values(), key=lambda history: history.n_positions)


def price(n_samples: int) -> float:
    """What BIC charges for one parameter: ln n_samples."""
    return penalties(1, n_samples)["bic"]
