"""The mixture at a temperature: EM at 1, hard assignment at 0, and k-means where only the means are free."""

from __future__ import annotations

import numpy as np
import pytest

from emcore import run
from emcore.datasets import DATASETS
from emcore.em import DegenerateFit
from emcore.models import GaussianMixture, KMeans, TemperedMixture

X = DATASETS["three-blobs"](0).X


def begun(model, seed, points=X):
    return model.initialize(points, np.random.default_rng(seed))


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_temperature_1_is_em_to_the_bit(covariance_type):
    plain, tempered = GaussianMixture(3, covariance_type), TemperedMixture(3, covariance_type)
    em, same = (run(model, X, begun(plain, 4), max_iter=40) for model in (plain, tempered))
    assert np.array_equal(em.objective, same.objective)
    for one, other in zip(em.parameters, same.parameters, strict=True):
        assert np.array_equal(one.to_vector(), other.to_vector())
    assert em.posterior(3).entropy == same.posterior(3).entropy


@pytest.mark.parametrize("preset", ["three-blobs", "waiting-times", "crossing-ellipses", "unequal-weights", "tiny"])
@pytest.mark.parametrize("seed", range(3))
def test_temperature_0_with_means_alone_is_k_means(preset, seed):
    points = DATASETS[preset](0).X
    n_components = 2 if preset == "tiny" else 4
    clusters = KMeans(n_components)
    first = begun(clusters, seed, points)
    variance = 0.7 * float(points.var())
    hard = TemperedMixture(n_components, "spherical", 0, variance)
    means, mixture = (
        run(model, points, start, max_iter=30, tol=0)
        for model, start in ((clusters, first), (hard, hard.from_means(points, first.means)))
    )
    for t, (one, other) in enumerate(zip(means.parameters, mixture.parameters, strict=True)):
        np.testing.assert_allclose(other.means, one.means, rtol=1e-12, atol=1e-12 * points.std())
        assert np.array_equal(mixture.posterior(t).responsibilities, means.posterior(t).responsibilities)
    n_samples, n_features = points.shape
    constant = -n_samples * (np.log(n_components) + n_features / 2 * np.log(2 * np.pi * variance))
    np.testing.assert_allclose(mixture.objective, constant + means.objective / (2 * variance), rtol=1e-12)


def test_only_temperature_times_variance_matters_to_the_means():
    runs = []
    for temperature, variance in ((2.0, 0.5), (0.5, 2.0)):
        model = TemperedMixture(3, "spherical", temperature, variance)
        runs.append(run(model, X, begun(model, 1), max_iter=20, tol=0))
    for one, other in zip(*(history.parameters for history in runs), strict=True):
        np.testing.assert_allclose(one.means, other.means, rtol=1e-10)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_cooling_to_0_is_hard_assignment(covariance_type):
    start = begun(GaussianMixture(3, covariance_type), 2)
    hard, nearly = (TemperedMixture(3, covariance_type, temperature).e_step(X, start) for temperature in (0, 1e-5))
    assert set(np.unique(hard.responsibilities)) == {0, 1}
    np.testing.assert_allclose(nearly.responsibilities, hard.responsibilities, atol=1e-3)
    assert nearly.objective == pytest.approx(hard.objective, rel=1e-6)
    assert hard.entropy == 0


def test_the_hotter_the_more_alike_are_the_shares():
    start = begun(GaussianMixture(3), 2)
    spreads = [
        np.ptp(TemperedMixture(3, "full", temperature).e_step(X, start).responsibilities, axis=1).mean()
        for temperature in (0, 0.3, 1, 3, 10, 1e6)
    ]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 1e-5


@pytest.mark.filterwarnings("error")
def test_a_cold_e_step_far_from_all_means_is_finite():
    far = np.array([[1e6, -1e6], [0.0, 0.0]])
    start = begun(GaussianMixture(3), 0)
    for temperature in (0, 1e-3, 0.5):
        posterior = TemperedMixture(3, "full", temperature).e_step(far, start)
        assert np.isfinite(posterior.objective)
        np.testing.assert_allclose(posterior.responsibilities.sum(axis=1), 1)


def test_a_mean_without_points_stays_and_a_free_component_collapses():
    means = np.array([[0.0, 0.0], [1.0, 1.0], [500.0, 500.0]])
    held = TemperedMixture(3, "spherical", 0, 1.0)
    start = held.from_means(X, means)
    after = held.m_step(X, held.e_step(X, start))
    assert np.array_equal(after.means[2], means[2]) and not np.array_equal(after.means[0], means[0])
    free = TemperedMixture(3, "full", 0)
    with pytest.raises(DegenerateFit, match="Component 3 is empty"):
        free.m_step(X, free.e_step(X, free.from_means(X, means)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "n_components"),
        ((2, "round"), "covariance_type must be one of"),
        ((2, "full", -0.1), "temperature must be a finite number from 0 up"),
        ((2, "full", float("nan")), "temperature"),
        ((2, "spherical", 1.0, 0.0), "variance must be a finite number above 0"),
        ((2, "full", 1.0, 2.0), 'needs covariance_type "spherical"'),
    ],
    ids=str,
)
def test_what_is_not_legal_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TemperedMixture(*arguments)


def test_parameters_that_do_not_fit_the_data_are_refused():
    with pytest.raises(ValueError, match=r"means must have shape .* = \(3, 2\)"):
        TemperedMixture(3, "full", 2.0).e_step(X, begun(GaussianMixture(2), 0))


def test_each_objective_has_its_own_name():
    names = [TemperedMixture(2, "full", temperature).objective_name for temperature in (0, 0.5, 1, 2)]
    assert names == ["Classification log-likelihood", "Minus free energy", "Log-likelihood", "Minus free energy"]
