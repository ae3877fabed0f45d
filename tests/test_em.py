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
    assert "the same y" in history.reason


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
