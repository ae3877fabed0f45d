"""Mixtures of Poissons, Bernoullis and multinomials, and Student's t: stored runs, special cases, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from emcore import DegenerateFit, run
from emcore.models import (
    BernoulliMixture,
    BernoulliMixtureParameters,
    MultinomialMixture,
    MultinomialMixtureParameters,
    PoissonMixture,
    PoissonMixtureParameters,
    StudentT,
)
from tests.reference import load


def hasselblad():
    stored = load("classics")["poisson_mixture_hasselblad1969"]
    X = np.repeat(np.array(stored["deaths"], dtype=float), stored["counts"])
    w1, *rates = (stored["init"][name] for name in ("w1", "lambda1", "lambda2"))
    start = PoissonMixtureParameters(np.array([w1, 1 - w1]), np.array(rates))
    return stored, X, start


def test_the_deaths_of_hasselblad():
    stored, X, start = hasselblad()
    history = run(PoissonMixture(2), X, start, max_iter=500, tol=0)
    for iteration, expected in stored["params"].items():
        if int(iteration) > 500:
            continue
        parameters = history.parameters[int(iteration)]
        got = [parameters.weights[0], *parameters.rates, history.objective[int(iteration)]]
        np.testing.assert_allclose(got, expected, rtol=1e-9)
    np.testing.assert_allclose(history.objective[:201], stored["ll_trace_first201"], rtol=1e-12)


def test_pixels_that_are_always_black_stay_legal():
    X = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 0, 1]], dtype=float)
    start = BernoulliMixtureParameters(np.full(2, 0.5), np.array([[0.9, 0.8, 0.5], [0.9, 0.2, 0.5]]))
    history = run(BernoulliMixture(2), X, start, max_iter=50, tol=0)
    assert np.isfinite(history.objective).all()
    assert (history.parameters[-1].success_probabilities[:, 0] == 1).all()
    with pytest.raises(DegenerateFit, match="Row 1 of the data is impossible"):
        BernoulliMixture(2).e_step(np.array([[0.0, 1, 1]]), history.parameters[-1])


def test_words_that_a_subject_lacks_stay_legal():
    X = np.array([[3, 1, 0], [2, 2, 0], [0, 1, 4], [0, 2, 5]], dtype=float)
    start = MultinomialMixtureParameters(np.full(2, 0.5), np.array([[0.5, 0.5, 0.0], [0.0, 0.3, 0.7]]))
    history = run(MultinomialMixture(2), X, start, max_iter=20, tol=0)
    assert np.isfinite(history.objective).all()
    assert history.parameters[-1].probabilities[0, 2] == 0
    smooth = MultinomialMixture(2, 0.1).m_step(X, MultinomialMixture(2, 0.1).e_step(X, history.parameters[1]))
    assert (smooth.probabilities > 0).all()


def test_many_degrees_of_freedom_are_a_normal():
    X = np.random.default_rng(0).normal(3, 2, (200, 1))
    model = StudentT(1e7)
    end = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=100, tol=1e-12).parameters[-1]
    assert end.mean[0] == pytest.approx(X.mean(), rel=1e-6)
    assert np.sqrt(end.reduced_scale[0, 0]) == pytest.approx(X.std(), rel=1e-6)
    assert model.e_step(X, end).objective == pytest.approx(norm(X.mean(), X.std()).logpdf(X).sum(), rel=1e-6)


def test_the_expanded_model_has_the_same_maximum_and_is_faster():
    rng = np.random.default_rng(1)
    X = np.vstack([rng.normal(0, 1, (60, 2)), rng.normal(0, 15, (8, 2))])
    runs = {}
    for expanded in (False, True):
        model = StudentT(2.0, expanded)
        runs[expanded] = run(model, X, model.normal_start(X), max_iter=500, tol=1e-12)
    np.testing.assert_allclose(runs[True].parameters[-1].mean, runs[False].parameters[-1].mean, atol=1e-5)
    np.testing.assert_allclose(
        runs[True].parameters[-1].reduced_scale, runs[False].parameters[-1].reduced_scale, rtol=1e-4
    )
    assert runs[True].n_iterations < 0.7 * runs[False].n_iterations


def test_outliers_count_little():
    X = np.append(np.linspace(-1, 1, 30), 50.0)[:, None]
    model = StudentT(3.0)
    history = run(model, X, model.normal_start(X), max_iter=200, tol=1e-10)
    weights = history.posterior(history.n_iterations).weights
    assert weights[-1] < 0.01 < 0.5 < weights[:-1].min()


def test_points_in_one_place_end_in_words():
    X = np.array([[1.0], [1.0], [1.0], [1.0], [9.0]])
    model = StudentT(1.0)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=5000, tol=0)
    assert history.stopped == "degenerate" and "scale falls to 0" in history.reason
    zeros = PoissonMixture(2).from_responsibilities([0, 0, 3], [[1, 0], [1, 0], [0, 1]])
    with pytest.raises(DegenerateFit, match="takes zeros only"):
        PoissonMixture(2).m_step([0, 0, 3], zeros)


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (PoissonMixture(2), [1, -1]),
        (PoissonMixture(2), [0.5]),
        (PoissonMixture(2), []),
        (BernoulliMixture(2), [[0, 2]]),
        (BernoulliMixture(2), np.empty((0, 3))),
        (MultinomialMixture(2), [[1, 2], [0, 0]]),
        (MultinomialMixture(2), [[1, -2]]),
        (MultinomialMixture(2), [[1.5, 2]]),
    ],
    ids=["negative", "half", "none", "two", "no rows", "empty document", "negative word", "half a word"],
)
def test_data_that_cannot_be(model, X):
    with pytest.raises(ValueError, match="must"):
        model.prepare(X)


@pytest.mark.parametrize("nu", [0, -1, np.inf, np.nan, "3", True], ids=str)
def test_degrees_of_freedom_that_cannot_be(nu):
    with pytest.raises(ValueError, match="degrees_of_freedom must be"):
        StudentT(nu)
