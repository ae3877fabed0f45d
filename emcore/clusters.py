"""k-means and the mixture on the same points, from the same means: runs, and the numbers that tell them apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emcore.em import History, run
from emcore.experiment import Experiment, kept
from emcore.models import EqualSpheres, GaussianMixture, KMeans, TemperedMixture

Array = NDArray[np.float64]


def k_means_run(experiment: Experiment) -> History:
    """k-means from the means at which the experiment's run begins, until no point changes (kept for all visitors)."""

    def make() -> History:
        history = experiment.history()
        clusters = KMeans(experiment.model.n_components)
        first = clusters.from_means(history.X, history.parameters[0].means)
        # The distortion stands exactly still once no point changes its mean: any tolerance above 0 stops there.
        tol = float(np.finfo(np.float64).tiny)
        return run(clusters, history.X, first, max_iter=experiment.max_iter, tol=tol)

    made: History = kept(("k-means beside", experiment), make)
    return made


def tempered_run(experiment: Experiment, temperature: float, *, means_alone: bool = False) -> History:
    """The experiment's mixture at a temperature, from its start (kept for all visitors).

    With `means_alone` all weights are equal and one spherical covariance, `held_variance`, is held; the start then has
    only its means from the experiment.
    """
    mixture = experiment.model
    assert isinstance(mixture, GaussianMixture)
    variance = held_variance(k_means_run(experiment)) if means_alone else None
    shape = "spherical" if means_alone else mixture.covariance_type
    model = TemperedMixture(mixture.n_components, shape, temperature, variance)

    def make() -> History:
        history = experiment.history()
        first = model.constrain(history.parameters[0])
        return run(model, history.X, first, max_iter=experiment.max_iter, tol=experiment.tol)

    made: History = kept(("tempered", experiment, model), make)
    return made


def held_variance(k_means: History) -> float:
    """The variance that fits a k-means run's end best: the mean squared distance to the nearest mean, along one axis.

    In the data's units squared. Where every point is a mean, a millionth of the data's own, which is never 0.
    """
    return float(_variances(k_means)[-1])


def as_mixture(k_means: History) -> History:
    """A run of k-means with what it takes the groups to be: equal weights, and circles of one size.

    The size is the one that would fit best at each iteration. Everything else is k-means: its model, its objective.
    """
    means = [theta.means for theta in k_means.parameters]
    spheres = (EqualSpheres.at(m, v) for m, v in zip(means, _variances(k_means).tolist(), strict=True))
    return replace(k_means, parameters=tuple(spheres))


def _variances(k_means: History) -> Array:
    """Distortion per point and axis at each iteration; never so small that a covariance would be singular."""
    X = np.asarray(k_means.X)
    spread = float(X.var(axis=0).mean())
    least = 1e-6 * (spread if spread > 0 else max(1.0, float((X**2).mean())))
    return np.maximum(-np.asarray(k_means.objective) / X.size, least)


def largest_difference(first: History, second: History) -> float:
    """The largest difference of any coordinate of any mean, at any iteration of two runs; a run that has ended rests.

    In the data's units. The components are those with the same number: the runs begin from the same means.
    """
    n = max(len(first.parameters), len(second.parameters))

    def means(history: History) -> Array:
        made = np.array([theta.means for theta in history.parameters])
        return made[np.minimum(np.arange(n), len(made) - 1)]

    return float(np.abs(means(first) - means(second)).max())


def disagreement(first: History, second: History, iteration: int) -> int:
    """How many points have another likeliest component in the one run than in the other, where both then stand."""
    labels = [_labels(history, iteration) for history in (first, second)]
    return int(np.count_nonzero(labels[0] != labels[1]))


def recovered(history: History, iteration: int, labels: NDArray[np.int_] | None) -> float | None:
    """The share of the points whose likeliest component stands for the group that they were drawn from.

    Components and groups are matched so that the share is as large as it can be. Points of no group (-1) do not count;
    None where nobody knows the groups.
    """
    if labels is None or not (labels >= 0).any():
        return None
    known = labels >= 0
    found, true = _labels(history, iteration)[known], labels[known]
    table = np.zeros((history.model.n_components, int(true.max()) + 1))
    np.add.at(table, (found, true), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / known.sum())


def best_possible(X: Array, truth: Any, labels: NDArray[np.int_] | None) -> float | None:
    """The same share for who knows the mixture that the points were drawn from: nobody can do better on new ones."""
    if truth is None or labels is None or not (labels >= 0).any():
        return None
    posterior = GaussianMixture(truth.n_components).e_step(X, truth)
    known = labels >= 0
    return float((posterior.responsibilities.argmax(axis=1)[known] == labels[known]).mean())


def _labels(history: History, iteration: int) -> NDArray[np.intp]:
    labels: NDArray[np.intp] = history.posterior(min(iteration, history.n_iterations)).responsibilities.argmax(axis=1)
    return labels
