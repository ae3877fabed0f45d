"""What the lab calls a maximum is one, and what it calls a saddle is none: by the log-likelihood of scipy alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emcore import em
from emcore.datasets import DATASETS
from emcore.models import GaussianMixture
from emcore.restarts import SADDLE, distinct, run_many
from emcore.starts import start
from tests import textbook


def around(X, theta):
    """The mean log-likelihood as a function of small moves of logit weights, means and covariances, in sds.

    Moves are those of the full type: symmetric matrices S with covariance L exp(S) L', to the second order.
    """
    factors = np.linalg.cholesky(theta.covariances)
    n_components, n_features = theta.means.shape
    pairs = list(itertools.combinations_with_replacement(range(n_features), 2))
    n_coordinates = n_components - 1 + n_components * (n_features + len(pairs))

    def log_likelihood(move):
        logits, means, entries = np.split(move, [n_components - 1, n_components - 1 + n_components * n_features])
        weights = theta.weights * np.exp(np.append(logits, 0.0))
        means = theta.means + np.einsum("kij,kj->ki", factors, means.reshape(n_components, n_features))
        S = np.zeros((n_components, n_features, n_features))
        for (i, j), column in zip(pairs, entries.reshape(n_components, -1).T, strict=True):
            S[:, i, j] = S[:, j, i] = column
        covariances = factors @ (np.eye(n_features) + S + S @ S / 2) @ factors.transpose(0, 2, 1)
        return textbook.e_step(X, weights / weights.sum(), means, covariances)[0] / len(X)

    return log_likelihood, n_coordinates


def slope_and_curvature(X, theta, width=1e-3):
    """The gradient, and the largest eigenvalue of the Hessian, by central differences."""
    log_likelihood, n = around(X, theta)
    steps = width * np.eye(n)
    here = log_likelihood(np.zeros(n))
    above, below = (np.array([log_likelihood(sign * step) for step in steps]) for sign in (1, -1))
    hessian = np.diag(above + below - 2 * here)
    for i, j in itertools.combinations(range(n), 2):
        both = log_likelihood(steps[i] + steps[j]) + log_likelihood(-steps[i] - steps[j])
        hessian[i, j] = hessian[j, i] = 0.5 * (both + 2 * here - above[i] - below[i] - above[j] - below[j])
    return (above - below) / (2 * width), np.linalg.eigvalsh(hessian / width**2)[-1]


def sorted_out(name, n_components, names, n_starts=40):
    X = DATASETS[name](0).X
    model = GaussianMixture(n_components)
    begun = [start(way, model, X, seed) for way in names for seed in range(n_starts)]
    runs = run_many(model, X, begun, max_iter=2000, tol=1e-6)
    return X, runs, distinct(X, runs)


@pytest.mark.parametrize(
    ("name", "n_components", "n_maxima"),
    [("three-peaks", 2, 2), ("three-groups", 2, 2), ("twenty-forty-three", 3, 2), ("old-faithful", 2, 1)],
)
def test_every_maximum_is_flat_and_curves_downwards_in_all_directions(name, n_components, n_maxima):
    X, _, found = sorted_out(name, n_components, ["random-points"])
    assert len(found.maxima) >= n_maxima
    for maximum in found.maxima:
        slope, curvature = slope_and_curvature(X, maximum.parameters)
        assert np.abs(slope).max() < 1e-5
        assert curvature < -1e-3


@pytest.mark.parametrize(
    ("name", "n_components", "seeds", "tol", "height"),
    [("four-groups", 4, [124], 1e-9, -1321.32881), ("three-blobs", 5, [25, 88, 123], 1e-6, -1083.615)],
)
def test_a_maximum_with_a_narrow_slanted_component_is_one(name, n_components, seeds, tol, height):
    X = DATASETS[name](0).X
    model = GaussianMixture(n_components)
    starts = [start("random-points", model, X, seed) for seed in seeds]
    found = distinct(X, run_many(model, X, starts, max_iter=10_000, tol=tol))
    (maximum,) = [each for each in found.maxima if abs(each.objective - height) < 1e-3]
    assert maximum.count >= 1
    correlations = maximum.parameters.covariances[:, 0, 1] / maximum.parameters.sds.prod(axis=1)
    assert np.abs(correlations).max() > 0.99
    slope, curvature = slope_and_curvature(X, maximum.parameters)
    assert np.abs(slope).max() < 1e-5
    assert curvature < -1e-4


def test_a_run_called_a_saddle_can_go_up_and_leaves_when_it_goes_on():
    X, runs, found = sorted_out("three-peaks", 2, ["random-responsibilities"], 8)
    saddles = np.flatnonzero(found.outcome == SADDLE)
    assert len(saddles) > 4
    for i in saddles[:4]:
        _, curvature = slope_and_curvature(X, runs.parameters[i])
        assert curvature > 1e-4
        on = em.run(runs.model, X, runs.parameters[i], max_iter=5000, tol=1e-12)
        assert on.objective[-1] > runs.objective[i] + 1


def test_a_run_that_is_counted_ends_at_its_maximum_when_it_goes_on():
    X, runs, found = sorted_out("twenty-forty-three", 3, ["random-points"])
    counted = np.flatnonzero(found.outcome >= 0)
    lowest = counted[np.argsort(runs.objective[counted])][:6]
    assert len(lowest) == 6
    for i in lowest:
        on = em.run(runs.model, X, runs.parameters[i], max_iter=20_000, tol=1e-13)
        assert on.objective[-1] == pytest.approx(found.maxima[found.outcome[i]].objective, abs=1e-5)
