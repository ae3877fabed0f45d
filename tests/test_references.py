"""Whole runs of the models against runs of trusted libraries (tests/reference), through `emcore.run` itself."""

from __future__ import annotations

import numpy as np
import pytest

from emcore import run
from emcore.models import GaussianMixture, GaussianMixtureParameters, KMeans, KMeansParameters
from tests.reference import load

TRACES = [
    ("gmm_1d_k2", "full"),
    ("gmm_1d_k2", "tied"),
    *[(name, kind) for name in ("gmm_2d_k3", "gmm_2d_faithful_k2") for kind in ("full", "diag", "spherical", "tied")],
]
FAITHFUL = sorted(load("faithful_aic_bic")["results"])


def parameters(stored) -> GaussianMixtureParameters:
    return GaussianMixtureParameters(stored["weights"], stored["means"], stored["covariances"])


@pytest.mark.parametrize(("name", "covariance_type"), TRACES)
def test_a_hundred_iterations(name, covariance_type):
    reference = load(name)["models"][covariance_type]
    start = parameters(reference["params"]["0"])
    model = GaussianMixture(len(start.weights), covariance_type)
    history = run(model, load(name)["X"], start, max_iter=100, tol=0)
    np.testing.assert_allclose(history.objective, reference["ll_trace"], rtol=1e-12)
    tolerance = 1e-9 if (name, covariance_type) == ("gmm_2d_faithful_k2", "tied") else 1e-10
    for t, stored in reference["params"].items():
        expected, got = parameters(stored), history.parameters[int(t)]
        np.testing.assert_allclose(got.weights, expected.weights, atol=tolerance)
        np.testing.assert_allclose((got.means - expected.means) / expected.sds, 0, atol=tolerance)
        scale = expected.sds[:, :, None] * expected.sds[:, None, :]
        np.testing.assert_allclose((got.covariances - expected.covariances) / scale, 0, atol=tolerance)


@pytest.mark.parametrize("name", FAITHFUL)
def test_old_faithful_converges_to_the_stored_maximum(name):
    """From the stored starts; `iterations` is how long the reference ran until it stood still."""
    reference = load("faithful_aic_bic")
    case = reference["results"][name]
    columns, covariance_type, _ = name.split("/")
    start = parameters(case["init"])
    model = GaussianMixture(len(start.weights), covariance_type)
    X = reference["data"][columns]
    history = run(model, X, start, max_iter=min(case["iterations"], 4000), tol=0)
    slow = name == "waiting_1d/tied/K=3"  # converges sublinearly: 20,000 iterations in the reference
    assert history.objective[-1] == pytest.approx(case["ll"], rel=1e-8 if slow else 1e-11)


def test_lloyd():
    reference = load("kmeans")
    history = run(KMeans(3), load("gmm_2d_k3")["X"], KMeansParameters(reference["init"]), tol=1e-300)
    n = len(reference["inertia"])
    np.testing.assert_allclose(-history.objective[:n], reference["inertia"], rtol=1e-13)
    for got, expected in zip(history.parameters, reference["centers"], strict=False):
        np.testing.assert_allclose(got.means, expected, rtol=1e-12, atol=1e-14)
    assert np.array_equal(history.posterior(history.n_iterations).labels, reference["labels_final"])
    assert history.objective[-1] == pytest.approx(-reference["sklearn"]["inertia"], rel=1e-12)


def test_forty_restarts_end_where_they_should():
    """The reference adds 1e-6 to each covariance in every M-step, which emcore does not: compared to 1e-4."""
    reference = load("restarts")
    X = np.array(load("gmm_2d_k3")["X"])
    compared = 0
    for stored in reference["runs"]:
        start = GaussianMixtureParameters([1 / 3] * 3, X[stored["init_index"]], [reference["cov"]] * 3)
        history = run(GaussianMixture(3), X, start, max_iter=stored["n_iter"], tol=0)
        assert history.objective[-1] == pytest.approx(stored["ll_final_params"], abs=1e-4 * 150)
        compared += 1
    assert compared == 40


def test_k_means_is_the_limit_of_shrinking_equal_spheres():
    """Bishop 2006, section 9.3.2: equal weights and one fixed spherical covariance that goes to 0."""
    X = np.array(load("gmm_2d_k3")["X"])
    means = np.array(load("kmeans")["init"])
    sphere = 1e-8 * np.eye(2)
    soft = GaussianMixture(3)
    for _ in range(6):
        hard = KMeans(3).m_step(X, KMeans(3).e_step(X, KMeansParameters(means)))
        posterior = soft.e_step(X, GaussianMixtureParameters([1 / 3] * 3, means, [sphere] * 3))
        np.testing.assert_allclose(posterior.means, hard.means, atol=1e-9)
        means = hard.means


def test_one_component_is_the_sample_mean_and_covariance():
    X = np.array(load("gmm_2d_k3")["X"])
    model = GaussianMixture(1)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=1, tol=0)
    np.testing.assert_allclose(history.parameters[1].means[0], X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(history.parameters[1].covariances[0], np.cov(X.T, bias=True), rtol=1e-13)


def test_in_one_dimension_diagonal_and_spherical_are_full():
    X = np.array(load("gmm_1d_k2")["X"])
    start = parameters(load("gmm_1d_k2")["models"]["full"]["params"]["0"])
    runs = [run(GaussianMixture(2, kind), X, start, max_iter=20, tol=0) for kind in ("full", "diag", "spherical")]
    for other in runs[1:]:
        assert np.array_equal(other.objective, runs[0].objective)


def test_tied_is_the_pooled_full_covariance():
    X = np.array(load("gmm_2d_k3")["X"])
    start = parameters(load("gmm_2d_k3")["models"]["full"]["params"]["0"])
    full, tied = (GaussianMixture(3, kind).m_step(X, GaussianMixture(3).e_step(X, start)) for kind in ("full", "tied"))
    pooled = np.einsum("k,kij->ij", full.weights, full.covariances)
    for covariance in tied.covariances:
        np.testing.assert_allclose(covariance, pooled, rtol=1e-13)
