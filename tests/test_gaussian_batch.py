"""Many mixtures at once are each of them alone; points may count more than once, and parameters be held."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from emcore import em
from emcore.models import GaussianMixture
from emcore.models import gaussian_batch as batch
from emcore.models.gaussian_batch import Held, Mixtures
from emcore.restarts import stacked
from tests.test_restarts import TYPES, groups, starts_of


def random_mixtures(X, n_components, n_mixtures=6, seed=0):
    model = GaussianMixture(n_components)
    starts = starts_of(model, X, n_mixtures)
    return stacked([em.run(model, X, each, max_iter=3, tol=0).parameters[-1] for each in starts])


def by_scipy(X, weights, means, covariances):
    """The log-density of every point, sharing nothing with the batch."""
    joint = [
        np.log(weight) + multivariate_normal(mean, covariance).logpdf(X).reshape(-1)
        for weight, mean, covariance in zip(weights, means, covariances, strict=True)
    ]
    return logsumexp(joint, axis=0)


@pytest.mark.parametrize(("n_features", "n_components"), [(1, 1), (1, 3), (2, 2), (3, 3), (4, 2)])
@pytest.mark.parametrize("n_samples", [7, 300, 2500])
def test_log_likelihoods_from_first_principles(n_features, n_components, n_samples):
    X = groups(n_samples, n_features)
    mixtures = random_mixtures(groups(200, n_features), n_components)
    densities = np.array([by_scipy(X, *each) for each in zip(*mixtures, strict=True)])
    np.testing.assert_allclose(batch.log_likelihoods(X, *mixtures), densities.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(batch.log_densities(X, mixtures), densities, rtol=1e-10)
    counts = np.arange(n_samples) % 3 + 1.0
    np.testing.assert_allclose(batch.log_likelihoods(X, *mixtures, counts), densities @ counts, rtol=1e-12)


def test_log_likelihoods_where_densities_underflow_and_monomials_fail():
    X = np.concatenate([np.linspace(-1, 1, 40), [1000.0]]).reshape(-1, 1)
    weights = np.full((3, 2), 0.5)
    means = np.array([[[-1.0], [1.0]], [[-1.0], [1000.0]], [[0.0], [0.5]]])
    covariances = np.array([[1.0, 1.0], [1.0, 1e-12], [1e-4, 0.0]]).reshape(3, 2, 1, 1)
    for counts in (None, np.full(len(X), 2.0)):
        found = batch.log_likelihoods(X, weights, means, covariances, counts)
        for i in range(2):
            expected = by_scipy(X, weights[i], means[i], covariances[i]).sum() * (1 if counts is None else 2)
            assert found[i] == pytest.approx(expected, rel=1e-12)
        assert np.isnan(found[2])  # a variance of 0


@pytest.mark.parametrize("covariance_type", TYPES)
def test_a_point_that_counts_twice_is_two_points(covariance_type):
    X = groups(120, 2)
    counts = np.random.default_rng(1).integers(1, 4, len(X)).astype(float)
    repeated = np.repeat(X, counts.astype(int), axis=0)
    starts = random_mixtures(X, 3)
    ends = batch.run(X, starts, covariance_type, max_iter=200, tol=1e-7, point_weights=counts)
    expected = batch.run(repeated, starts, covariance_type, max_iter=200, tol=1e-7)
    np.testing.assert_allclose(ends.objective, expected.objective, rtol=1e-10)
    assert np.array_equal(ends.n_iterations, expected.n_iterations)
    assert np.array_equal(ends.outcome, expected.outcome)


def test_a_start_that_is_not_safe_is_given_back_at_once_and_the_others_run():
    X = groups(100, 1)
    model = GaussianMixture(2)
    fair = stacked(starts_of(model, X, 4))
    narrow = fair.covariances.copy()
    narrow[1, 0] = 1e-14
    ends = batch.run(X, fair._replace(covariances=narrow), "full", max_iter=500, tol=1e-6)
    assert ends.outcome.tolist() == [batch.CONVERGED, batch.UNSAFE, batch.CONVERGED, batch.CONVERGED]
    assert np.isnan(ends.objective[1]) and ends.n_iterations[1] == 0
    assert np.isfinite(ends.objective[[0, 2, 3]]).all()


def test_starts_are_not_changed():
    X = groups(100, 2)
    starts = random_mixtures(X, 2)
    copies = [array.copy() for array in starts]
    batch.run(X, starts, "full", max_iter=5, tol=0)
    for array, copy in zip(starts, copies, strict=True):
        assert np.array_equal(array, copy)


# ---- Profiles --------------------------------------------------------------------------------------------


def held(means=(False, False), sds=(False, False)):
    return Held(np.array(means), np.array(sds))


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n_features", [1, 2])
def test_a_held_mean_stays_and_the_log_likelihood_never_falls(covariance_type, n_features):
    X = groups(150, n_features)
    starts = stacked(starts_of(GaussianMixture(2, covariance_type), X, 4))
    hold = held(means=(True, False))
    climb = []
    for n in range(12):
        ends = batch.run(X, starts, covariance_type, max_iter=n, tol=0, held=hold)
        assert np.array_equal(ends.mixtures.means[:, 0], starts.means[:, 0])
        climb.append(ends.objective)
    assert (np.diff(climb, axis=0) >= -1e-11 * np.abs(climb[-1])).all()
    assert (climb[-1] > climb[1]).all()


@pytest.mark.parametrize(
    ("hold", "free"),
    [
        (held(means=(True, True)), (2, 3, 4)),
        (held(sds=(True, False)), (0, 1, 3, 4)),
        (held(means=(True, False), sds=(False, True)), (1, 2, 4)),
    ],
)
def test_the_profile_is_what_an_optimiser_finds(hold, free):
    """One axis, two components: mean 1, mean 2, log sd 1, log sd 2, logit weight 1."""
    X = groups(120, 1)
    values = np.array([X.min() + 1, X.max() - 1, 0.2, -0.1, 0.0])

    def minus_log_likelihood(some):
        at = values.copy()
        at[list(free)] = some
        weight = 1 / (1 + np.exp(-at[4]))
        densities = weight * norm.pdf(X, at[0], np.exp(at[2])) + (1 - weight) * norm.pdf(X, at[1], np.exp(at[3]))
        return -np.log(densities).sum()

    best = minimize(minus_log_likelihood, values[list(free)], method="BFGS", options={"gtol": 1e-7})
    start = Mixtures(np.full((1, 2), 0.5), values[:2].reshape(1, 2, 1), np.exp(2 * values[2:4]).reshape(1, 2, 1, 1))
    ends = batch.run(X, start, "full", max_iter=20_000, tol=1e-14, held=hold)
    assert ends.objective[0] == pytest.approx(-best.fun, abs=1e-5)


def test_a_tied_sd_can_be_held():
    X = groups(150, 1)
    starts = stacked(starts_of(GaussianMixture(2, "tied"), X, 4))
    ends = batch.run(X, starts, "tied", max_iter=30, tol=1e-8, held=held(sds=(True, True)))
    assert np.array_equal(ends.mixtures.covariances, starts.covariances)
    assert (ends.objective > batch.log_likelihoods(X, *starts)).all()


def test_points_and_their_weights_must_match():
    X = groups(30, 1)
    with pytest.raises(ValueError, match=r"\(n_samples,\) = \(30,\), got \(3,\)"):
        batch.log_likelihoods(X, *random_mixtures(X, 2), np.ones(3))
