"""A normal distribution with missing values against Amelia, lavaan, Murray's exact maxima, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from emcore import run
from emcore.models import MissingNormal, MissingNormalParameters
from tests.reference import load

REFERENCE = load("missing_data")
MURRAY = REFERENCE["murray1977"]


def table(rows) -> np.ndarray:
    """Rows of a reference, null as NaN."""
    return np.array(rows, dtype=float)


X = table(REFERENCE["X"])
TWELVE = table(MURRAY["X"])


def begun(stored, known: bool = False) -> MissingNormalParameters:
    return MissingNormalParameters(stored["mean"], stored["cov"], known)


def fitted(model: MissingNormal, points, start=None) -> MissingNormalParameters:
    start = start or model.initialize(points, np.random.default_rng(3))
    return run(model, points, start, max_iter=400, tol=0).parameters[-1]


def test_a_hundred_iterations():
    history = run(MissingNormal(), X, begun(REFERENCE["params"]["0"]), max_iter=100, tol=0)
    np.testing.assert_allclose(history.objective, REFERENCE["ll_trace"], rtol=1e-12)
    for t, stored in REFERENCE["params"].items():
        got = history.parameters[int(t)]
        np.testing.assert_allclose(got.mean, stored["mean"], atol=1e-12)
        np.testing.assert_allclose(got.covariance, stored["cov"], atol=1e-12)
    np.testing.assert_allclose(got.covariance, REFERENCE["amelia"]["cov"], atol=1e-10)
    np.testing.assert_allclose(got.mean, REFERENCE["amelia"]["mean"], atol=1e-9)
    assert history.objective[-1] == pytest.approx(REFERENCE["lavaan"]["ll"], abs=1e-9)


@pytest.mark.parametrize("name", sorted(MURRAY["runs"]))
def test_murray_with_known_mean(name):
    """Two maxima with variance 8/3 and correlation +-1/2; without correlation at the start, a saddle."""
    stored = MURRAY["runs"][name]
    start = begun({"mean": [0, 0], "cov": stored["init_cov"]}, True)
    history = run(MissingNormal((0.0, 0.0)), TWELVE, start, max_iter=400, tol=0)
    np.testing.assert_allclose(history.objective[:51], stored["ll_trace_first51"], rtol=1e-12)
    for t, expected in stored["params"].items():
        np.testing.assert_allclose(history.parameters[int(t)].covariance, expected["cov"], atol=1e-11)
    end = history.parameters[-1]
    variance, correlation = (2.5, 0.0) if name == "rho0=0" else (8 / 3, np.sign(stored["final_rho"]) / 2)
    np.testing.assert_allclose(np.diag(end.covariance), variance, rtol=1e-10)
    assert end.correlations[0, 1] == pytest.approx(correlation, abs=1e-10)
    assert history.objective[-1] == pytest.approx(stored["final_ll"], rel=1e-13)


def test_murray_with_unknown_mean():
    stored = REFERENCE["murray1977_unknown_mean"]
    history = run(MissingNormal(), TWELVE, begun(stored["init"]), max_iter=100, tol=0)
    np.testing.assert_allclose(history.objective, stored["ll_trace_first101"], rtol=1e-12)


def test_a_hole_is_filled_as_the_precision_matrix_says():
    """N(mean - P_mm^-1 P_mo (x_o - mean_o), P_mm^-1), with P the inverse covariance (Bishop 2006, 2.73 and 2.75)."""
    model = MissingNormal()
    theta = fitted(model, X)
    posterior = model.e_step(X, theta)
    precision = np.linalg.inv(theta.covariance)
    for row, x in enumerate(X):
        o, m = np.flatnonzero(~np.isnan(x)), np.flatnonzero(np.isnan(x))
        covariance = np.linalg.inv(precision[np.ix_(m, m)])
        mean = theta.mean[m] - covariance @ precision[np.ix_(m, o)] @ (x[o] - theta.mean[o])
        np.testing.assert_allclose(posterior.filled[row, m], mean, rtol=1e-11)
        np.testing.assert_array_equal(posterior.filled[row, o], x[o])
        np.testing.assert_allclose(posterior.covariance_of(row)[np.ix_(m, m)], covariance, rtol=1e-11)
        assert not posterior.covariance_of(row)[o].any()
        np.testing.assert_allclose(posterior.sds[row] ** 2, np.diag(posterior.covariance_of(row)), rtol=1e-12)
        conditional = posterior.conditional(row)
        assert conditional.observed.tolist() == o.tolist() and conditional.missing.tolist() == m.tolist()
    moments = sum(np.outer(x, x) + posterior.covariance_of(row) for row, x in enumerate(posterior.filled))
    np.testing.assert_allclose(posterior.second_moments, moments, rtol=1e-12)


def test_entropy_is_that_of_the_holes():
    model = MissingNormal()
    theta = model.initialize(X, np.random.default_rng(0))
    posterior = model.e_step(X, theta)
    parts = [posterior.covariance_of(row)[np.ix_(np.isnan(x), np.isnan(x))] for row, x in enumerate(X)]
    expected = sum(float(multivariate_normal(cov=part).entropy()) for part in parts if part.size)
    assert posterior.entropy == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("depends", [False, True], ids=["completely at random", "at random"])
def test_one_column_with_holes_has_a_closed_form(depends):
    """The likelihood is that of x times that of y given x, a regression on the complete rows (Anderson 1957)."""
    rng = np.random.default_rng(5)
    x = rng.normal(3, 2, 300)
    points = np.column_stack([x, 1 + 0.7 * x + rng.normal(0, 1.5, 300)])
    points[rng.random(300) < (norm.cdf(x - 3) if depends else 0.4), 1] = np.nan
    full = ~np.isnan(points[:, 1])
    slope, intercept = np.polyfit(x[full], points[full, 1], 1)
    residual = np.mean((points[full, 1] - intercept - slope * x[full]) ** 2)
    theta = fitted(MissingNormal(), points)
    np.testing.assert_allclose(theta.mean, [x.mean(), intercept + slope * x.mean()], rtol=1e-9)
    np.testing.assert_allclose(theta.covariance[0], [x.var(), slope * x.var()], rtol=1e-8)
    assert theta.covariance[1, 1] == pytest.approx(residual + slope**2 * x.var(), rel=1e-8)


def test_without_holes_one_step_is_the_answer():
    points = np.random.default_rng(2).normal(size=(30, 3)) @ [[1, 0, 0], [2, 1, 0], [0, 1, 3]] + 1e6
    model = MissingNormal()
    after = model.m_step(points, model.e_step(points, MissingNormalParameters(np.zeros(3), np.eye(3) * 1e6)))
    np.testing.assert_allclose(after.mean, points.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(after.covariance, np.cov(points.T, bias=True), rtol=1e-9)


def test_a_row_in_which_nothing_was_seen_changes_nothing():
    model = MissingNormal()
    start = begun(REFERENCE["params"]["0"])
    more = np.insert(X, [0, 17, 60], np.nan, axis=0)
    with_them, without = (run(model, points, start, max_iter=20, tol=0) for points in (more, X))
    np.testing.assert_allclose(with_them.objective, without.objective, rtol=1e-14)
    prepared = model.prepare(more)
    assert prepared.empty.tolist() == [0, 18, 62] and prepared.n_used == 60 and len(prepared) == 63
    theta = with_them.parameters[-1]
    posterior = model.e_step(more, theta)
    np.testing.assert_array_equal(posterior.filled[18], theta.mean)
    np.testing.assert_allclose(posterior.sds[18], theta.sds, rtol=1e-15)
    np.testing.assert_array_equal(posterior.covariance_of(18), theta.covariance)


def test_other_units_give_the_same_fit():
    model = MissingNormal()
    scale, shift = np.array([1e6, 1e-7, 3.0]), np.array([1e9, 1.0, -5.0])
    start = begun(REFERENCE["params"]["0"])
    moved = MissingNormalParameters(scale * start.mean + shift, np.outer(scale, scale) * start.covariance)
    end = run(model, X * scale + shift, moved, max_iter=30, tol=0).parameters[-1]
    expected = run(model, X, start, max_iter=30, tol=0).parameters[-1]
    np.testing.assert_allclose((end.mean - shift) / scale, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(end.covariance / np.outer(scale, scale), expected.covariance, rtol=1e-6)


def test_columns_never_seen_together_keep_the_correlation_they_began_with():
    points = table([[1, None], [2.5, None], [4, None], [None, 1], [None, 3], [None, 2]])
    model = MissingNormal()
    assert model.prepare(points).never_together == ((1, 0),)
    assert model.prepare(X).never_together == ()
    start = model.initialize(points, np.random.default_rng(1))
    end = fitted(model, points, start)
    assert start.correlations[0, 1] != 0
    np.testing.assert_allclose(end.correlations, start.correlations, rtol=1e-9)


NAN = float("nan")


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([[1, 2], [3, 2], [NAN, 2], [5, NAN]], "All values seen of column 2 are the same"),
        ([[1, 7], [3, NAN], [2, NAN]], "All values seen of column 2 are the same"),  # a single one
        ([[1, 2], [2, 4], [5, 10], [NAN, 3]], "lie on a line or a plane"),
        ([[4, 5]], "All values seen of columns 1 and 2 are the same"),
    ],
    ids=["constant", "one value", "line", "one row"],
)
def test_what_the_data_cannot_tell_ends_the_run_in_words(points, words):
    model = MissingNormal()
    history = run(model, points, model.initialize(points, np.random.default_rng(0)), max_iter=2000, tol=0)
    assert history.stopped == "degenerate" and words in history.reason and history.advice
    assert np.isfinite(history.objective).all()


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([[1, NAN], [2, NAN]], "got none in column 2"),
        ([[NAN, NAN]], "got none in columns 1 and 2"),
        ([[1, np.inf], [2, 3]], "finite numbers or NaN"),
        ([1, 2, 3], "must have shape"),
        (np.empty((0, 2)), "must have shape"),
        ([["a", 1]], "must consist of numbers"),
        ([[1e101, 1], [2, 3]], "divide it by a constant"),
    ],
    ids=["nothing in a column", "nothing at all", "infinite", "flat", "no rows", "words", "too large"],
)
def test_bad_data_are_refused_in_words(points, words):
    with pytest.raises(ValueError, match=words):
        MissingNormal().prepare(points)


def test_bad_parameters_are_refused_in_words():
    with pytest.raises(ValueError, match="positive definite"):
        MissingNormalParameters([0, 0], [[1, 2], [2, 1]])
    with pytest.raises(ValueError, match="symmetric"):
        MissingNormalParameters([0, 0], [[1, 0.5], [0.1, 1]])
    with pytest.raises(ValueError, match="one entry a column, 3, got 2"):
        MissingNormal((0, 0)).prepare(X)
    with pytest.raises(ValueError, match="mean must be the known one"):
        MissingNormal((0, 0)).e_step(TWELVE, MissingNormalParameters([0, 1], np.eye(2)))
    with pytest.raises(ValueError, match="mean must have shape"):
        MissingNormal().e_step(X, MissingNormalParameters([0, 0], np.eye(2)))
