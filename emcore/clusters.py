"""k-means and the mixture on the same points, from the same means: runs, and the numbers that tell them apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emcore.em import History, run
from emcore.experiment import Experiment, kept
from emcore.models import EqualSpheres, GaussianMixture, KMeans, TemperedMixture
from emcore.report import number, objective_text, significant

Array = NDArray[np.float64]
SHARES: Final = ("None", "Fewer than 5 %", "5 to 15 %", "More than 15 %")  # of the points


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


def final_disagreement(first: History, second: History) -> tuple[int, str]:
    """Which of SHARES the disagreement at the end of two runs is, and the numbers in a sentence."""
    n = max(first.n_iterations, second.n_iterations)
    count = disagreement(first, second, n)
    share = count / first.n_samples
    return (0 if not count else 1 if share < 0.05 else 2 if share <= 0.15 else 3), (
        f"They differ on {count:,} of {first.n_samples:,} points, {share_text(share)}."
    )


# ---- In words ------------------------------------------------------------------------------------------------


def name_of(temperature: float, means_alone: bool) -> str:
    """What a mixture at this temperature is called, in a few words."""
    if temperature == 1:
        return "Soft k-means" if means_alone else "EM"
    return f"{'Means' if means_alone else 'Mixture'}, T = {temperature:g}"


def what_it_is(temperature: float, means_alone: bool) -> str:
    """What this setting of the two dials does, in a sentence or two."""
    if means_alone:
        if temperature == 0:
            return "T = 0, equal weights, one round covariance that is held: this is k-means."
        soft = "Only the means learn; every component has the same weight and the same circle."
        return f"{soft} Turn T down to 0 and it becomes k-means."
    if temperature == 0:
        return (
            "T = 0: every point goes whole to its likeliest component (classification EM). Weights and shapes still "
            "count, so the borders are curves, and it is not k-means yet."
        )
    if temperature == 1:
        return "T = 1: this is EM."
    if temperature > 1:
        return "T above 1: the E-step is softer than Bayes' rule; every component takes part of every point."
    return "T below 1: the E-step is harder than Bayes' rule; the strip of doubt between the components narrows."


def merged(mixture: History) -> str:
    """That all components ended in one place, in a sentence; "" where they did not."""
    theta = mixture.parameters[-1]
    spread = float(np.ptp(theta.means, axis=0).max())
    if theta.n_components == 1 or spread > 1e-3 * float(np.asarray(mixture.X).std()):
        return ""
    return (
        "At this temperature nothing holds the components apart: they end on top of each other, at the mean of all "
        "points."
    )


def proof(k_means: History, mixture: History) -> tuple[bool, str]:
    """Whether two runs from the same means are the same at every iteration, and how far they ever differ in words."""
    difference = largest_difference(k_means, mixture)
    n = max(k_means.n_iterations, mixture.n_iterations)
    apart = max(disagreement(k_means, mixture, t) for t in range(n + 1))
    over = f"Over {n + 1:,} iteration{'' if n == 0 else 's'}, the start included: the largest difference of any mean is"
    X = np.asarray(k_means.X)
    if difference <= 1e-9 * float(X.std()) + 8 * np.finfo(np.float64).eps * float(np.abs(X).max()):
        size = "0" if difference == 0 else f"{significant(difference)}, which is rounding"
        alike = "and every point is assigned alike"
        if apart:  # with equal means only what is equally near to two of them can go either way
            alike = f"and points are assigned alike, but for up to {apart:,} that lie equally near to two means"
        return True, f"{over} {size}, {alike}."
    text = f"{over} {significant(difference)}, and up to {apart:,} of {len(X):,} points are assigned differently."
    if any(_coincide(theta.means, float(X.std())) for theta in k_means.parameters):
        text += (
            " Two means coincide in it: which of them takes a point is decided by rounding, and there the runs part."
        )
    return False, text


def _coincide(means: Array, scale: float) -> bool:
    """Whether two of these means lie in one place, up to rounding."""
    distances = np.linalg.norm(means[:, None] - means, axis=-1)
    return bool((distances[np.triu_indices(len(means), 1)] <= 1e-9 * scale).any())


def captions(k_means: History, mixture: History, name: str) -> tuple[str, ...]:
    """A sentence for each position of the longer of the two runs: where each of them stands."""

    def stands(who: str, history: History, position: int) -> str:
        iteration = min(position // 2, history.n_iterations)
        ended = " (ended)" if position >= history.n_positions - 1 else ""
        return f"{who}, {history.model.objective_name.lower()} {objective_text(history, iteration)}{ended}"

    return tuple(
        f"Iteration {position // 2}: {stands('k-means', k_means, position)}; {stands(name, mixture, position)}."
        for position in range(max(k_means.n_positions, mixture.n_positions))
    )


def share_text(share: float | None) -> str:
    """A share as a percentage; a dash where nobody knows."""
    return "\N{EN DASH}" if share is None else f"{number(100 * share, 1)} %"
