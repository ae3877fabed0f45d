"""Factor analysis against R's factanal, a trace in long double, eigenvectors, and what a rotation must not change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from emcore import DegenerateFit, run
from emcore.models import FactorAnalysis, FactorAnalysisParameters
from emcore.models.factor_analysis import heywood
from emcore.sources.factors import FactorSource
from tests.reference import load

REFERENCE = load("factor_analysis")
X = np.array(REFERENCE["X"])
IRIS = FactorSource("irises").make().X


def begun(points, stored) -> FactorAnalysisParameters:
    """The start of a reference run: the mean is the data's."""
    return FactorAnalysisParameters(points.mean(axis=0), stored["loadings"], stored["psi"])


@pytest.mark.parametrize(
    ("points", "stored", "trace", "parameters"),
    [
        (X, REFERENCE["init"], REFERENCE["em_ll_trace_first101"], REFERENCE["em_params"]),
        (
            IRIS,
            REFERENCE["iris_q1_em100"]["init"],
            REFERENCE["iris_q1_em100"]["ll_trace"],
            REFERENCE["iris_q1_em100"]["params"],
        ),
    ],
    ids=["regular", "heywood"],
)
def test_a_hundred_iterations(points, stored, trace, parameters):
    start = begun(points, stored)
    history = run(FactorAnalysis(start.n_factors), points, start, max_iter=100, tol=0)
    np.testing.assert_allclose(history.objective, trace, rtol=1e-12)
    for t, expected in parameters.items():
        got = history.parameters[int(t)]
        np.testing.assert_allclose(got.covariance, expected["LLT_plus_Psi"], atol=1e-12)
        np.testing.assert_allclose(got.noise_variances, expected["psi"], rtol=1e-10)
        np.testing.assert_allclose(got.mean, points.mean(axis=0), rtol=1e-13)


def test_the_maximum_is_that_of_factanal():
    history = run(FactorAnalysis(2), X, begun(X, REFERENCE["init"]), max_iter=400, tol=0)
    assert history.objective[-1] == pytest.approx(REFERENCE["R_factanal"]["ll"], rel=1e-13)
    np.testing.assert_allclose(history.parameters[-1].covariance, REFERENCE["ml"]["cov"], atol=1e-9)
    psi = np.array(REFERENCE["R_factanal"]["psi"])
    np.testing.assert_allclose(history.parameters[-1].noise_variances, psi, atol=1e-8)


@pytest.mark.parametrize("n_factors", [1, 2, 3])
def test_equal_noise_is_probabilistic_pca(n_factors):
    """Its maximum is known from the eigenvectors (Tipping & Bishop 1999), here through numpy's SVD of the points."""
    model = FactorAnalysis(n_factors, equal_noise=True)
    history = run(model, IRIS, model.initialize(IRIS, np.random.default_rng(1)), max_iter=2000, tol=1e-13)
    centred = IRIS - IRIS.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    values = singular**2 / len(IRIS)
    noise = values[n_factors:].mean()
    expected = (axes[:n_factors].T * (values[:n_factors] - noise)) @ axes[:n_factors] + noise * np.eye(4)
    np.testing.assert_allclose(history.parameters[-1].covariance, expected, atol=2e-5)
    closed = model.principal_axes(IRIS)
    np.testing.assert_allclose(closed.covariance, expected, atol=1e-12)
    best = model.e_step(IRIS, closed).objective
    assert best == pytest.approx(multivariate_normal(IRIS.mean(axis=0), expected).logpdf(IRIS).sum(), rel=1e-12)
    assert history.objective[-1] == pytest.approx(best, rel=1e-8) and history.objective[-1] <= best + 1e-9
    after = model.m_step(IRIS, model.e_step(IRIS, closed))  # the closed form stands still
    np.testing.assert_allclose(after.loadings, closed.loadings, atol=1e-10)


def test_another_eigenvector_is_a_saddle():
    """EM stands still on the second principal axis, and leaves it for the first after a small push."""
    model = FactorAnalysis(1, equal_noise=True)
    second = FactorAnalysis(2, equal_noise=True).principal_axes(IRIS).loadings[:, 1:]
    values = np.linalg.eigvalsh(np.cov(IRIS.T, bias=True))[::-1]
    noise = (values.sum() - values[1]) / 3
    loadings = second / np.linalg.norm(second) * np.sqrt(max(values[1] - noise, 0) or 0.1)
    start = FactorAnalysisParameters(IRIS.mean(axis=0), loadings, np.full(4, noise), True)
    resting = run(model, IRIS, start, max_iter=5, tol=0)
    direction = resting.parameters[-1].loadings / np.linalg.norm(resting.parameters[-1].loadings)
    assert abs(direction.ravel() @ second.ravel()) / np.linalg.norm(second) == pytest.approx(1, abs=1e-9)
    pushed = FactorAnalysisParameters(start.mean, loadings + 1e-3, start.noise_variances, True)
    left = run(model, IRIS, pushed, max_iter=300, tol=0)
    assert left.objective[-1] == pytest.approx(model.e_step(IRIS, model.principal_axes(IRIS)).objective, rel=1e-9)


def test_the_posterior_is_the_joint_normal_conditioned_on_x():
    """z given x from the joint covariance of (z, x), block by block (Bishop 2006, equations 2.81 and 2.82)."""
    theta = begun(X, REFERENCE["init"])
    posterior = FactorAnalysis(2).e_step(X, theta)
    maker = np.vstack([np.eye(2), theta.loadings])  # (z, x) = maker z + (0, noise)
    joint = maker @ maker.T + block_diag(np.zeros((2, 2)), np.diag(theta.noise_variances))
    gain = joint[:2, 2:] @ np.linalg.inv(joint[2:, 2:])
    np.testing.assert_allclose(posterior.means, (X - theta.mean) @ gain.T, atol=1e-12)
    np.testing.assert_allclose(posterior.covariance, joint[:2, :2] - gain @ joint[2:, :2], atol=1e-12)
    np.testing.assert_allclose(posterior.sds**2, np.diag(posterior.covariance))
    second = sum(posterior.covariance + np.outer(mean, mean) for mean in posterior.means)
    np.testing.assert_allclose(posterior.second_moments, second, rtol=1e-11)
    np.testing.assert_allclose(posterior.cross_moments, (X - X.mean(axis=0)).T @ posterior.means, rtol=1e-10)
    entropy = len(X) * multivariate_normal(cov=posterior.covariance).entropy()
    assert posterior.entropy == pytest.approx(entropy, rel=1e-12)


def test_the_m_step_is_a_regression_on_what_is_known_of_z():
    """Bishop 2006, equations 12.69 and 12.70, point by point."""
    model, theta = FactorAnalysis(2), begun(X, REFERENCE["init"])
    posterior = model.e_step(X, theta)
    after = model.m_step(X, posterior)
    centred = X - X.mean(axis=0)
    loadings = centred.T @ posterior.means @ np.linalg.inv(posterior.second_moments)
    np.testing.assert_allclose(after.loadings, loadings, rtol=1e-11)
    left_over = np.cov(X.T, bias=True) - loadings @ posterior.means.T @ centred / len(X)
    np.testing.assert_allclose(after.noise_variances, np.diag(left_over), rtol=1e-11)


def test_the_mean_ends_at_the_average_from_anywhere():
    model = FactorAnalysis(2)
    start = model.initialize(X, np.random.default_rng(0))
    start = FactorAnalysisParameters(start.mean + 3, start.loadings, start.noise_variances)
    history = run(model, X, start, max_iter=600, tol=0)
    np.testing.assert_allclose(history.parameters[-1].mean, X.mean(axis=0), atol=1e-9)
    assert history.objective[-1] == pytest.approx(REFERENCE["ml"]["ll"], rel=1e-10)


def test_a_rotation_is_not_seen():
    model, theta = FactorAnalysis(2), begun(X, REFERENCE["init"])
    cos, sin = np.cos(0.7), np.sin(0.7)
    turned = theta.rotated([[cos, -sin], [sin, cos]])
    assert np.abs(turned.loadings - theta.loadings).max() > 0.1
    np.testing.assert_allclose(turned.covariance, theta.covariance, atol=1e-14)
    runs = [run(model, X, start, max_iter=30, tol=0) for start in (theta, turned)]
    np.testing.assert_allclose(runs[0].objective, runs[1].objective, rtol=1e-13)
    np.testing.assert_allclose(runs[0].parameters[-1].covariance, runs[1].parameters[-1].covariance, atol=1e-12)
    with pytest.raises(ValueError, match="rotation must be orthogonal"):
        theta.rotated([[1, 1], [0, 1]])


@pytest.mark.parametrize(("equal_noise", "invariant"), [(False, True), (True, False)])
def test_other_units_change_nothing_but_with_equal_noise(equal_noise, invariant):
    """Factor analysis does not mind inches and seconds in one table; probabilistic PCA does."""
    scale = np.array([1, 10, 0.1, 1000, 1, 1e-4])
    model, theta = FactorAnalysis(2, equal_noise), begun(X, REFERENCE["init"])
    if equal_noise:
        theta = FactorAnalysisParameters(theta.mean, theta.loadings, theta.noise_variances, True)
    scaled = FactorAnalysisParameters(
        theta.mean * scale, theta.loadings * scale[:, None], theta.noise_variances * scale**2
    )
    if equal_noise:
        scaled = model.from_loadings(X * scale, scaled.loadings)
    one, other = (run(model, *pair, max_iter=50, tol=0).parameters[-1] for pair in ((X, theta), (X * scale, scaled)))
    same = np.allclose(other.covariance / np.outer(scale, scale), one.covariance, rtol=1e-9, atol=1e-9)
    assert same is invariant


def test_far_from_the_origin_the_same_run():
    theta = begun(X, REFERENCE["init"])
    moved = begun(X + 2.0**20, REFERENCE["init"])
    one, other = (
        run(FactorAnalysis(2), points, start, max_iter=50, tol=0)
        for points, start in ((X, theta), (X + 2.0**20, moved))
    )
    np.testing.assert_allclose(other.objective, one.objective, rtol=1e-9)


def test_a_heywood_case_is_reported():
    history = run(FactorAnalysis(1), IRIS, begun(IRIS, REFERENCE["iris_q1_em100"]["init"]), max_iter=1000, tol=0)
    assert history.stopped == "max_iter"  # it creeps on, legal at every step
    (case,) = heywood(history.prepared, history.parameters[-1])
    assert case.variable == 2  # petal length
    assert case.noise_share == pytest.approx(2.7e-4, rel=0.01)
    shares = [theta.noise_shares[2] for theta in history.parameters]
    assert shares[500] / shares[1000] == pytest.approx(2, rel=0.02)  # like 1 / t: never 0
    without = history.parameters[-1].covariance - np.diag([0, 0, history.parameters[-1].noise_variances[2], 0])
    limit = multivariate_normal(IRIS.mean(axis=0), without).logpdf(IRIS).sum()
    assert case.limit == pytest.approx(limit, rel=1e-12)
    assert history.objective[-1] <= case.limit <= REFERENCE["iris_q1_sklearn_tol1e-10"]["ll"] + 1e-3


def test_a_little_noise_that_is_there_is_no_heywood_case():
    rng = np.random.default_rng(0)
    noise = np.array([0.02, 0.5, 0.5, 0.5])
    points = rng.normal(size=(3000, 1)) * np.ones(4) + np.sqrt(noise) * rng.normal(size=(3000, 4))
    model = FactorAnalysis(1)
    history = run(model, points, model.initialize(points, rng), max_iter=3000, tol=1e-13)
    assert history.parameters[-1].noise_shares[0] == pytest.approx(0.02, abs=0.015)
    assert heywood(history.prepared, history.parameters[-1]) == ()


def test_points_without_noise_are_a_collapse():
    rng = np.random.default_rng(0)
    line = np.outer(rng.normal(size=30), [1.0, 2.0, -1.0])
    for equal_noise in (False, True):
        model = FactorAnalysis(1, equal_noise)
        history = run(model, line, model.initialize(line, rng), max_iter=5000, tol=0)
        assert history.stopped == "degenerate" and "lie on a line" in history.reason
        assert np.isfinite(history.objective).all() and (np.diff(history.objective) > 0).all()
        with pytest.raises(DegenerateFit, match="lie on a line"):
            model.principal_axes(line)
    constant = np.column_stack([line, np.full(30, 7.0)])
    history = run(FactorAnalysis(1), constant, FactorAnalysis(1).initialize(constant, rng), tol=0)
    assert history.stopped == "degenerate" and history.n_iterations == 0
    assert "Variable 4 does not vary" in history.reason


@pytest.mark.parametrize(
    ("n_features", "n_factors", "equal_noise", "free"), [(2, 1, False, 4), (2, 1, True, 3), (6, 2, False, 17)]
)
def test_free_numbers(n_features, n_factors, equal_noise, free):
    assert FactorAnalysis(n_factors, equal_noise).n_free(n_features) == free


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: FactorAnalysis(0), "n_factors must be a whole number from 1 up"),
        (lambda: FactorAnalysis(1, "yes"), "equal_noise must be True or False"),
        (lambda: FactorAnalysis(2).prepare(X[:, :2]), "more columns than there are factors, 2, got 2"),
        (lambda: FactorAnalysis(1).prepare(X[:1]), "at least two rows"),
        (lambda: FactorAnalysis(1).prepare([[np.nan, 1, 2], [3, 4, 5]]), "finite"),
        (lambda: FactorAnalysis(1).e_step(X, begun(X, REFERENCE["init"])), "loadings must have shape"),
        (lambda: FactorAnalysisParameters([0, 0], [[1], [1]], [1, 0]), "noise_variances must be greater than 0"),
        (lambda: FactorAnalysisParameters([0, 0], [[1], [1]], [1, 2], True), "must all be equal"),
        (lambda: FactorAnalysisParameters([0, 0], [[1], [1], [1]], [1, 2]), "loadings must have shape"),
    ],
    ids=["factors", "flag", "columns", "rows", "missing", "shape", "noise", "unequal", "lengths"],
)
def test_what_must_hold(act, message):
    with pytest.raises(ValueError, match=message):
        act()
