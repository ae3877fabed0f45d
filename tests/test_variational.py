"""The variational Gaussian mixture: its hyperparameters against another library's, its bound against the evidence, and
what becomes of components that the data do not need. The laws of EM are in test_laws.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_t

from emcore import DegenerateFit, lower_bound, run
from emcore.models import (
    GaussianMixture,
    GaussianMixtureParameters,
    VariationalGaussianMixture,
    VariationalGaussianMixtureParameters,
)
from emcore.starts import STARTS, ByHand, start
from tests.reference import load


def reference(name: str):
    """X, the model, the responsibilities it began from, and what the other library had after t iterations."""
    stored = load("variational")["runs"][name]
    X = np.array(load(name)["X"])
    k = stored["n_components"]
    model = VariationalGaussianMixture(k, **{key: value for key, value in stored["prior"].items()})
    return X.reshape(len(X), -1), model, 0.6 / k + 0.4 * np.eye(k)[stored["labels"]], stored["after"]


@pytest.mark.parametrize("name", ["gmm_2d_k3", "gmm_1d_k2"])
def test_fifty_iterations_of_another_library(name: str):
    X, model, responsibilities, after = reference(name)
    begun = model.m_step(X, model.from_responsibilities(X, responsibilities))
    history = run(model, X, begun, max_iter=50, tol=0)
    left_out = []
    for t, expected in after.items():
        got = history.parameters[int(t)]
        np.testing.assert_allclose(got.concentrations, expected["weight_concentration"], rtol=1e-10)
        np.testing.assert_allclose(got.mean_precisions, expected["mean_precision"], rtol=1e-10)
        np.testing.assert_allclose(got.degrees_of_freedom, expected["degrees_of_freedom"], rtol=1e-10)
        np.testing.assert_allclose(got.means, expected["means"], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(got.covariances, expected["covariances"], rtol=1e-10, atol=1e-12)
        if t != "0":  # theirs is the bound of the M-step, less a constant
            left_out.append(history.snapshot(2 * int(t)).lower_bound - expected["lower_bound"])
    np.testing.assert_allclose(left_out, left_out[0], rtol=1e-11)


@pytest.mark.parametrize("n_features", [1, 3])
def test_with_one_component_the_bound_is_the_evidence(n_features: int):
    """q is then exact, and log p(X) is a product of Student's densities, each point given those before it."""
    X = np.random.default_rng(1).normal(3, 2, (12, n_features))
    model = VariationalGaussianMixture(1, 0.7, (2.0,) * n_features, 0.4, n_features + 0.5, np.eye(n_features) * 1.7)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=2, tol=0)
    mean, strength, freedom, scatter = np.full(n_features, 2.0), 0.4, n_features + 0.5, np.eye(n_features) * 1.7
    evidence = 0.0
    for point in X:
        shape = scatter * (strength + 1) / (strength * (freedom - n_features + 1))
        evidence += multivariate_t(mean, shape, freedom - n_features + 1).logpdf(point)
        scatter = scatter + np.outer(point - mean, point - mean) * strength / (strength + 1)
        mean = (strength * mean + point) / (strength + 1)
        strength, freedom = strength + 1, freedom + 1
    assert history.objective[1] == pytest.approx(evidence, rel=1e-12)
    assert history.objective[0] < evidence
    assert history.objective[2] == pytest.approx(evidence, rel=1e-12)


def test_a_surplus_component_falls_back_to_the_prior():
    X, model, responsibilities, _ = reference("gmm_2d_k3")
    begun = model.m_step(X, model.from_responsibilities(X, responsibilities))
    last = run(model, X, begun, max_iter=300, tol=0).parameters[-1]
    prior, counts = model.prior(X), last.concentrations - 0.01
    dead = counts < 1e-9
    assert dead.sum() == 3 and (counts[~dead] > 30).all()
    assert counts.sum() == pytest.approx(150)
    for name in ("means", "covariances", "mean_precisions", "degrees_of_freedom"):
        np.testing.assert_allclose(getattr(last, name)[dead], getattr(prior, name)[dead], rtol=1e-9)


def test_a_firm_prior_on_the_weights_keeps_every_component():
    X, _, responsibilities, _ = reference("gmm_2d_k3")
    fewest = []
    for concentration in (1e-3, 1, 100):
        model = VariationalGaussianMixture(6, concentration)
        begun = model.m_step(X, model.from_responsibilities(X, responsibilities))
        last = run(model, X, begun, max_iter=200, tol=1e-9)
        fewest.append(last.posterior(last.n_iterations).counts.min())
    assert fewest[0] < 1e-6 and fewest[-1] > 5
    assert fewest == sorted(fewest)


def test_many_points_make_the_prior_forgotten():
    """q then lies about the maximum of the likelihood, given the responsibilities."""
    X = np.tile(np.array(load("gmm_2d_k3")["X"]), (400, 1))
    X = X + np.random.default_rng(0).normal(0, 1e-3, X.shape)
    r = np.random.default_rng(1).dirichlet(np.ones(3), len(X))
    believed, fitted = (
        model.m_step(X, model.from_responsibilities(X, r))
        for model in (VariationalGaussianMixture(3), GaussianMixture(3))
    )
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(believed, name), getattr(fitted, name), rtol=2e-3, atol=2e-3)


def test_points_count_as_often_as_they_come():
    """The start that believes in equal parts of the points is as firm as an M-step from equal responsibilities."""
    X = np.array(load("gmm_2d_k3")["X"])
    model = VariationalGaussianMixture(3, 0.5)
    begun = model.from_means(X, X[:3])
    equal = model.m_step(X, model.from_responsibilities(X, np.full((150, 3), 1 / 3)))
    for name in ("weights", "concentration", "mean_precisions", "degrees_of_freedom"):
        np.testing.assert_allclose(getattr(begun, name), getattr(equal, name), rtol=1e-12)
    np.testing.assert_array_equal(begun.means, X[:3])


@pytest.mark.parametrize("name", sorted(set(STARTS) - {"by-hand"}))
def test_every_start_begins_a_climb(name: str):
    X = np.array(load("gmm_2d_k3")["X"])
    model = VariationalGaussianMixture(6, 0.01)
    history = run(model, X, start(name, model, X, 3), max_iter=30, tol=0)
    rise = np.diff(history.objective)
    assert history.stopped == "max_iter" and (rise >= -1e-12 * np.abs(history.objective[1:])).all()


def test_a_start_by_hand_keeps_its_numbers():
    X = np.array(load("gmm_2d_k3")["X"])
    mixture = GaussianMixtureParameters([0.5, 0.3, 0.2], X[:3], [np.eye(2), 2 * np.eye(2), [[2, 0.5], [0.5, 1]]])
    begun = start("by-hand", VariationalGaussianMixture(3, 0.01), X, 0, ByHand.of(mixture))
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(begun, name), getattr(mixture, name))
    np.testing.assert_allclose(begun.mean_precisions, [76, 46, 31])


@pytest.mark.parametrize(
    "X",
    [
        np.full((7, 2), 3.5),
        np.column_stack([np.arange(9.0), np.full(9, 2.0)]),
        np.column_stack([np.arange(9.0), 2 * np.arange(9.0)]),
        np.array([[1.0, 2.0]]),
        np.arange(4.0)[:, None] * 1e90,
        1e8 + np.random.default_rng(0).normal(size=(30, 2)),
    ],
    ids=["equal points", "one value of y", "one line", "one point", "huge numbers", "far away"],
)
def test_data_that_collapse_a_mixture_do_not_collapse_this_one(X):
    model = VariationalGaussianMixture(4)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=40, tol=0)
    assert history.stopped == "max_iter"
    assert np.isfinite(history.objective).all() and np.isfinite(history.lower_bounds[1:]).all()
    assert (np.diff(history.objective) >= -1e-9 * np.abs(history.objective[1:])).all()


def test_a_component_without_points_is_the_prior():
    X = np.random.default_rng(0).normal(size=(20, 2))
    model = VariationalGaussianMixture(2, 1e-4)
    given = model.from_responsibilities(X, np.eye(2)[np.zeros(20, dtype=int)])
    parameters, prior = model.m_step(X, given), model.prior(X)
    np.testing.assert_allclose(parameters.means[1], prior.means[1])
    np.testing.assert_allclose(parameters.covariances[1], prior.covariances[1])
    # exp(digamma(1e-4)) is 0 in doubles: the component takes nothing, and no NaN
    posterior = model.e_step(X, parameters)
    assert posterior.counts[1] == 0 and np.isfinite(posterior.objective)
    assert lower_bound(model, X, posterior, parameters) == pytest.approx(posterior.objective, rel=1e-12)


def test_a_prior_too_small_for_doubles_is_a_collapse():
    X = np.arange(7.0)[:, None] * [1, 2]
    model = VariationalGaussianMixture(1, covariance_prior=np.eye(2) * 1e-15)
    with pytest.raises(DegenerateFit, match="covariance_prior is too small"):
        model.m_step(X, model.from_responsibilities(X, np.ones((7, 1))))


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"weight_concentration_prior": 0}, "weight_concentration_prior must be a finite number greater than 0, got 0"),
        ({"weight_concentration_prior": np.inf}, "weight_concentration_prior must be a finite number"),
        ({"mean_precision_prior": None}, "mean_precision_prior must be a finite number"),
        ({"mean_precision_prior": "one"}, "mean_precision_prior must be a finite number"),
        ({"mean_prior": (1.0, np.nan)}, "mean_prior must be finite"),
        ({"mean_prior": 3.0}, r"mean_prior must have shape \(n_features,\)"),
        ({"covariance_prior": ((1.0, 2.0), (2.0, 1.0))}, "covariance_prior must be symmetric and positive definite"),
        ({"covariance_prior": ((1.0, 0.5), (0.4, 1.0))}, "covariance_prior must be symmetric"),
        ({"covariance_prior": ((1.0, 0.5),)}, "covariance_prior must be symmetric"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_is_no_prior_is_refused(prior, message: str):
    with pytest.raises(ValueError, match=message):
        VariationalGaussianMixture(2, **prior)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"mean_prior": (1.0,)}, r"mean_prior must have shape \(2,\)"),
        ({"covariance_prior": ((1.0,),)}, r"covariance_prior must have shape \(2, 2\)"),
        ({"degrees_of_freedom_prior": 1.0}, "degrees_of_freedom_prior must be greater than n_features - 1 = 1, got 1"),
    ],
    ids=["mean", "covariance", "freedom"],
)
def test_a_prior_that_does_not_fit_the_data_is_refused(prior, message: str):
    X = np.random.default_rng(0).normal(size=(20, 2))
    model = VariationalGaussianMixture(2, **prior)
    with pytest.raises(ValueError, match=message):
        model.initialize(X, np.random.default_rng(0))


def test_a_belief_that_is_none_is_refused():
    legal = {"concentration": 3.0, "mean_precisions": [1.0, 2.0], "degrees_of_freedom": [1.5, 9.0]}
    for name, value, message in (
        ("concentration", -1.0, "concentration must be a finite number greater than 0"),
        ("mean_precisions", [1.0, 0.0], "mean_precisions must be greater than 0"),
        ("mean_precisions", [1.0], r"mean_precisions must have shape \(2,\)"),
        ("degrees_of_freedom", [1.5, 1.0], "degrees_of_freedom must be greater than 1"),
    ):
        with pytest.raises(ValueError, match=message):
            VariationalGaussianMixtureParameters(
                [0.5, 0.5], np.zeros((2, 2)), [np.eye(2)] * 2, **(legal | {name: value})
            )


def test_models_with_equal_priors_are_equal():
    arrays = VariationalGaussianMixture(2, 0.5, np.array([1, 2]), 1, 3, np.eye(2))
    plain = VariationalGaussianMixture(2, 0.5, (1.0, 2.0), 1.0, 3.0, ((1.0, 0.0), (0.0, 1.0)))
    assert arrays == plain and hash(arrays) == hash(plain)
