"""The stop rule, the reasons for stopping, and what `run` refuses."""

from __future__ import annotations

import numpy as np
import pytest

from emcore import run
from emcore.models import GaussianMixture, GaussianMixtureParameters


@pytest.fixture
def line():
    rng = np.random.default_rng(4)
    return np.concatenate([rng.normal(0, 1, (60, 1)), rng.normal(4, 1, (40, 1))])


def two(means=(0.0, 3.0), variance=1.0):
    return GaussianMixtureParameters([0.5, 0.5], np.reshape(means, (2, 1)), np.full((2, 1, 1), variance))


def test_the_worked_example_of_three_points():
    """{1, 2, 3}, means (1, 3), variances 1, weights 1/2: a run that many demos get wrong."""
    history = run(GaussianMixture(2), [[1.0], [2.0], [3.0]], two((1, 3)), max_iter=4, tol=0)
    np.testing.assert_allclose(history.objective, [-4.3893, -3.5492, -3.4868, -3.4183, -3.3862], atol=5e-5)


def test_converged_when_the_gain_per_sample_is_below_tol(line):
    history = run(GaussianMixture(2), line, two(), max_iter=1000, tol=1e-5)
    gains = np.diff(history.objective) / len(line)
    assert history.stopped == "converged"
    assert gains[-1] < 1e-5 and (gains[:-1] >= 1e-5).all()
    assert history.last_gain == gains[-1]
    assert "less than the tolerance" in history.reason


@pytest.mark.parametrize("max_iter", [0, 1, 7])
def test_tol_0_takes_exactly_max_iter_steps(line, max_iter):
    history = run(GaussianMixture(2), line, two(), max_iter=max_iter, tol=0)
    assert history.stopped == "max_iter"
    assert history.n_iterations == max_iter
    assert len(history.objective) == len(history.parameters) == max_iter + 1
    assert str(max_iter) in history.reason


def test_collapse_ends_the_history_and_keeps_what_came_before(line):
    X = np.concatenate([line, [[20.0]]])
    start = GaussianMixtureParameters([0.9, 0.1], [[2.0], [20.0]], [[[9.0]], [[16.0]]])
    history = run(GaussianMixture(2), X, start, max_iter=200, tol=0)
    assert history.stopped == "degenerate"
    assert "Component 2 collapsed" in history.reason and "20" in history.reason
    assert history.n_iterations >= 1
    assert (np.diff(history.objective) > 0).all()


def test_an_empty_component_is_named(line):
    history = run(GaussianMixture(2), line, two((2.0, 1e6), 1.0), max_iter=10)
    assert history.stopped == "degenerate"
    assert "Component 2 is empty" in history.reason


def test_a_constant_column_is_named():
    X = np.column_stack([np.arange(10.0), np.full(10, 3.0)])
    model = GaussianMixture(2)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)))
    assert history.stopped == "degenerate" and history.n_iterations == 0
    assert "the same y" in history.reason and "column" in history.advice


def test_points_on_a_line_are_named():
    X = np.column_stack([np.arange(12.0), 2 * np.arange(12.0)])
    model = GaussianMixture(1)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)))
    assert history.stopped == "degenerate"
    assert "line" in history.reason


@pytest.mark.parametrize("max_iter", [-1, 1.5, None])
def test_max_iter_must_be_a_whole_number(line, max_iter):
    with pytest.raises(ValueError, match="max_iter must be a whole number from 0 up"):
        run(GaussianMixture(2), line, two(), max_iter=max_iter)


@pytest.mark.parametrize("tol", [-1e-9, np.nan, np.inf])
def test_tol_must_be_finite_and_not_negative(line, tol):
    with pytest.raises(ValueError, match="tol must be a finite number"):
        run(GaussianMixture(2), line, two(), tol=tol)


def test_no_responsibilities_are_kept(line):
    history = run(GaussianMixture(2), line, two(), max_iter=20, tol=0)
    kept = sum(p.weights.nbytes + p.means.nbytes + p.covariances.nbytes for p in history.parameters)
    assert kept + history.objective.nbytes == 56 * 21
    assert history.X is line


@pytest.mark.parametrize(
    ("X", "said"),
    [
        ([[3.0, 3.0]] * 5, "All points are the same"),
        ([[3.0]] * 5, "All points are the same"),
        ([[1.0, 2.0]], "All points are the same"),
        ([[0.0, 1.0], [1.0, 1.0], [5.0, 1.0], [6.0, 1.0]], "the same y"),
    ],
)
def test_data_that_do_not_vary_are_named_with_advice_that_can_help(X, said):
    model = GaussianMixture(1)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)))
    assert history.stopped == "degenerate" and said in history.reason
    assert "start" not in history.advice and "data" in history.advice


def test_a_component_that_loses_one_axis_collapses_onto_a_line():
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(0, 1, (60, 2)), np.column_stack([rng.normal(8, 1, 40), np.full(40, 3.0)])])
    start = GaussianMixtureParameters([0.5, 0.5], [[0, 0], [8, 3]], [np.eye(2), np.diag([1, 0.1])])
    history = run(GaussianMixture(2), X, start, max_iter=500, tol=0)
    assert history.stopped == "degenerate"
    assert "Component 2 collapsed onto the line y = 3" in history.reason


def test_narrow_groups_far_apart_are_no_collapse():
    rng = np.random.default_rng(2)
    X = np.concatenate([rng.normal(-1e9, 0.1, (50, 1)), rng.normal(1e9, 0.1, (50, 1))])
    start = GaussianMixtureParameters([0.5, 0.5], [[-1e9], [1e9]], [[[1.0]], [[1.0]]])
    history = run(GaussianMixture(2), X, start, max_iter=30)
    assert history.stopped == "converged"
    np.testing.assert_allclose(history.parameters[-1].sds, 0.1, rtol=0.3)


def test_a_fall_is_no_convergence():
    """A start outside the model's family may be fallen from; that does not end the run."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 2)) @ np.array([[1, 0.95], [0, 0.3]]) + 4 * rng.integers(0, 2, (200, 1))
    cov = np.cov(X[:, :].T) / 4 + 0.01 * np.eye(2)
    model = GaussianMixture(2, "spherical")
    full = run(GaussianMixture(2), X, GaussianMixtureParameters([0.5, 0.5], [[0, 0], [4, 4]], [cov] * 2), max_iter=100)
    history = run(model, X, full.parameters[-1], max_iter=100)
    assert history.objective[1] < history.objective[0]
    assert history.n_iterations > 1
    legal = model.constrain(full.parameters[-1])
    assert (np.diff(run(model, X, legal, max_iter=100).objective) > -1e-9).all()


def test_prepared_data_run_too(line):
    model = GaussianMixture(2)
    runs = [run(model, X, two(), max_iter=5, tol=0) for X in (line, model.prepare(line), line.tolist())]
    for other in runs[1:]:
        assert np.array_equal(other.objective, runs[0].objective)
        assert other.n_samples == len(line)


def test_weights_that_are_a_little_off_are_normalised():
    parameters = GaussianMixtureParameters([0.5, 0.5 + 9e-7], [[0.0], [1.0]], [[[1.0]], [[1.0]]])
    assert parameters.weights.sum() == pytest.approx(1, abs=1e-15)
    with pytest.raises(ValueError, match="weights must sum to 1"):
        GaussianMixtureParameters([0.5, 0.51], [[0.0], [1.0]], [[[1.0]], [[1.0]]])


def test_the_start_takes_the_covariance_of_the_data_at_any_scale():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(100, 2)) @ np.array([[1, 0.8], [0, 0.6]])
    for X in (base * [1e5, 0.05], 1e9 + 1e-3 * base, base * 1e-9):
        start = GaussianMixture(2).from_means(X, X[:2])
        exact = (X - X.mean(axis=0)) - (X - X.mean(axis=0)).mean(axis=0)
        np.testing.assert_allclose(start.covariances[0], exact.T @ exact / len(X), rtol=1e-9)
