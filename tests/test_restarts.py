"""Many starts at once end like each of them alone, and their distinct maxima are what they are known to be."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from emcore import em
from emcore.datasets import DATASETS
from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.restarts import joined, run_many
from emcore.starts import start
from tests.reference import load

TYPES = ("full", "tied", "diag", "spherical")


def groups(n_samples, n_features, seed=0):
    """Points in three groups that overlap."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(3, n_features))
    return centres[rng.integers(3, size=n_samples)] + rng.normal(size=(n_samples, n_features))


def starts_of(model, X, n_starts=8, names=("random-points", "random-responsibilities")):
    return [start(name, model, X, seed) for seed in range(n_starts // len(names)) for name in names]


def assert_as_alone(model, X, starts, **stop_rule):
    """Every field of every run is that of `em.run`; returns how the runs stopped."""
    runs = run_many(model, X, starts, **stop_rule)
    assert len(runs) == len(starts) and runs.model == model
    for i, first in enumerate(starts):
        alone = em.run(model, X, first, **stop_rule)
        assert runs.objective[i] == pytest.approx(alone.objective[-1], rel=1e-10)
        assert (runs.n_iterations[i], runs.stopped[i]) == (alone.n_iterations, alone.stopped)
        assert runs.reasons[i] == (alone.reason if alone.stopped == "degenerate" else "")
        ours, theirs = runs.parameters[i], alone.parameters[-1]
        assert ours.covariance_type == model.covariance_type
        if alone.stopped != "degenerate":
            np.testing.assert_allclose(ours.weights, theirs.weights, atol=1e-8)
            np.testing.assert_allclose((ours.means - theirs.means) / theirs.sds, 0, atol=1e-8)
            scale = theirs.sds[:, :, None] * theirs.sds[:, None, :]
            np.testing.assert_allclose((ours.covariances - theirs.covariances) / scale, 0, atol=1e-8)
    return set(runs.stopped)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize(
    ("n_features", "n_components", "tol", "max_iter"),
    [(1, 1, 1e-6, 100), (1, 3, 1e-4, 100), (2, 2, 1e-10, 60), (2, 5, 1e-6, 40), (3, 3, 0.0, 20), (4, 4, 1e-5, 50)],
)
def test_every_run_ends_as_alone(covariance_type, n_features, n_components, tol, max_iter):
    X = groups(150, n_features)
    model = GaussianMixture(n_components, covariance_type)
    assert_as_alone(model, X, starts_of(model, X), max_iter=max_iter, tol=tol)


@pytest.mark.parametrize("name", ["tiny", "duplicates", "outlier", "saddle", "one-takes-all", "tolerance-trap"])
def test_the_hard_presets_end_as_alone(name):
    X = DATASETS[name](0).X
    model = GaussianMixture(DATASETS[name].n_components, DATASETS[name].covariance_type)
    names = ("random-points", "k-means-plus-plus", "poor", "grand-mean")
    assert_as_alone(model, X, starts_of(model, X, 16, names), max_iter=100, tol=1e-6)


def test_collapses_limits_and_convergence_stand_side_by_side():
    X = DATASETS["duplicates"](0).X
    model = GaussianMixture(3)
    starts = starts_of(model, X, 24)
    assert assert_as_alone(model, X, starts, max_iter=40, tol=1e-4) == {"converged", "max_iter", "degenerate"}


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_far_from_the_origin_and_with_a_narrow_group(shift):
    rng = np.random.default_rng(3)
    X = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(5, 1e-3, (60, 2))]) + shift
    model = GaussianMixture(2)
    assert_as_alone(model, X, starts_of(model, X), max_iter=100, tol=1e-6)


def test_more_points_than_a_block_holds_and_densities_that_underflow():
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.normal(m, s, 900) for m, s in ((0, 1), (60, 1), (200, 2))]).reshape(-1, 1)
    model = GaussianMixture(3)
    assert_as_alone(model, X, starts_of(model, X), max_iter=60, tol=1e-6)


def test_equal_components_stay_equal_as_alone():
    """Only rounding could part them, and with it the runs."""
    X = groups(120, 1)
    model = GaussianMixture(3)
    means = np.array([[0.0], [0.0], [2.0]])
    starts = [model.from_means(X, means), model.from_means(X, means[::-1]), model.from_means(X, 0 * means)]
    assert_as_alone(model, X, starts, max_iter=400, tol=0)


def test_forty_restarts_of_the_reference():
    """The reference adds 1e-6 to each covariance in every M-step, and its counts are of that: compared to 1e-4."""
    reference = load("restarts")
    X = np.array(load("gmm_2d_k3")["X"])
    start_at = partial(GaussianMixtureParameters, [1 / 3] * 3, covariances=[reference["cov"]] * 3)
    starts = [start_at(X[run["init_index"]]) for run in reference["runs"]]
    runs = run_many(GaussianMixture(3), X, starts, max_iter=200, tol=1e-6)
    expected = [run["ll_final_params"] for run in reference["runs"]]
    np.testing.assert_allclose(runs.objective, expected, atol=1e-4 * len(X))
    n_iterations = np.array([run["n_iter"] for run in reference["runs"]])
    assert np.median(np.abs(runs.n_iterations - n_iterations)) <= 1


def test_order_and_company_do_not_matter():
    X = groups(150, 2)
    model = GaussianMixture(3)
    starts = starts_of(model, X, 10)
    together = run_many(model, X, starts)
    parts = joined([run_many(model, X, starts[:3]), run_many(model, X, starts[3:])])
    np.testing.assert_allclose(parts.objective, together.objective, rtol=1e-12)
    assert np.array_equal(parts.n_iterations, together.n_iterations)
    assert parts.stopped == together.stopped and len(parts) == 10
    backwards = run_many(model, X, starts[::-1])
    assert np.array_equal(backwards.n_iterations[::-1], together.n_iterations)


def test_results_cannot_be_changed():
    X = groups(60, 1)
    model = GaussianMixture(2)
    runs = run_many(model, X, starts_of(model, X, 2))
    for array in (runs.objective, runs.n_iterations, runs.parameters[0].means, runs.parameters[1].covariances):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_no_start_no_run():
    assert len(run_many(GaussianMixture(2), groups(20, 1), [])) == 0


def test_mistakes_are_named():
    X = groups(60, 2)
    model = GaussianMixture(2)
    legal, other = model.from_means(X, X[:2]), GaussianMixture(3).from_means(X, X[:3])
    with pytest.raises(ValueError, match=r"\(2, 2\), start 2 has \(3, 2\)"):
        run_many(model, X, [legal, other])
    with pytest.raises(ValueError, match="max_iter must be"):
        run_many(model, X, [legal], max_iter=-1)
    with pytest.raises(ValueError, match="tol must be"):
        run_many(model, X, [legal], tol=float("nan"))
    with pytest.raises(ValueError, match="runs of one model"):
        joined([])
