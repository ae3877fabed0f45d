"""Coins and linkage: stored runs of other programs, exact answers, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from emcore import DegenerateFit, run
from emcore.models import BinomialMixture, BinomialMixtureParameters, Linkage, LinkageParameters
from tests.reference import load


def test_the_two_coins_of_the_stored_run():
    stored = load("classics")["two_coins_do_batzoglou2008"]
    heads, n = np.array(stored["heads"], dtype=float), stored["tosses"]
    X = np.stack([heads, np.full(5, float(n))], axis=1)
    start = BinomialMixtureParameters(np.full(2, 0.5), np.array(stored["theta0"]), equal_weights=True)
    steps = len(stored["thetaA"]) - 1
    history = run(BinomialMixture(2, "equal"), X, start, max_iter=steps, tol=0)
    chances = np.array([parameters.success_probabilities for parameters in history.parameters])
    np.testing.assert_allclose(chances, np.stack([stored["thetaA"], stored["thetaB"]], axis=1), rtol=1e-12)
    coefficients = (gammaln(n + 1) - gammaln(heads + 1) - gammaln(n - heads + 1)).sum()
    np.testing.assert_allclose(history.objective - coefficients, stored["ll_trace"], rtol=1e-12)
    assert np.round(chances[10], 2).tolist() == [0.8, 0.52]  # as printed in the paper


def test_the_linkage_data_to_their_exact_maximum():
    stored = load("classics")["linkage_dlr1977"]
    start = LinkageParameters(stored["p0"])
    history = run(Linkage(), stored["y"], start, max_iter=len(stored["p_trace"]) - 1, tol=0)
    trace = [parameters.probability for parameters in history.parameters]
    np.testing.assert_allclose(trace, stored["p_trace"], rtol=1e-13)
    y = np.array(stored["y"], dtype=float)
    coefficient = gammaln(y.sum() + 1) - gammaln(y + 1).sum()
    np.testing.assert_allclose(history.objective - coefficient, stored["ll_trace"], rtol=1e-12)
    exact = (15 + np.sqrt(53809)) / 394
    assert trace[-1] == pytest.approx(exact, rel=1e-13) and exact == pytest.approx(stored["exact_mle"], rel=1e-14)
    errors = np.abs(np.array(trace[:8]) - exact)
    assert errors[7] / errors[6] == pytest.approx(stored["rate_of_convergence"], rel=1e-4)


def test_a_coin_that_always_shows_heads():
    X = [[5, 5], [4, 4], [0, 5], [0, 6]]
    start = BinomialMixtureParameters(np.full(2, 0.5), np.array([0.9, 0.1]))
    history = run(BinomialMixture(2), X, start, max_iter=2000, tol=0)
    assert np.isfinite(history.objective).all()
    assert history.objective[-1] == pytest.approx(4 * np.log(0.5), abs=1e-9)


def test_impossible_rows_and_lost_coins_end_in_words():
    sure = BinomialMixtureParameters(np.full(2, 0.5), np.array([1.0, 0.0]))
    with pytest.raises(DegenerateFit, match="Row 1 of the data is impossible"):
        BinomialMixture(2).e_step([[1, 2]], sure)
    lost = BinomialMixture(2).from_responsibilities([[1, 2], [2, 2]], [[1, 0], [1, 0]])
    with pytest.raises(DegenerateFit, match="Component 2 is empty"):
        BinomialMixture(2).m_step([[1, 2], [2, 2]], lost)
    with pytest.raises(DegenerateFit, match="end of the range"):
        Linkage().m_step([0, 0, 0, 5], Linkage().e_step([0, 0, 0, 5], LinkageParameters(0.5)))


@pytest.mark.parametrize(
    "X",
    [[[3, 2]], [[-1, 2]], [[0, 0]], [[0.5, 2]], [[1, 2, 3]], [], [[np.nan, 3]]],
    ids=["more heads than tosses", "negative", "no toss", "half a head", "three numbers", "nothing", "nan"],
)
def test_tosses_that_cannot_be(X):
    with pytest.raises(ValueError, match="must"):
        BinomialMixture(2).prepare(X)


@pytest.mark.parametrize("X", [[1, 2, 3], [1, 2, 3, -4], [5, 0, 0, 0], [1, 2, 3, 0.5]], ids=str)
def test_counts_that_cannot_be(X):
    with pytest.raises(ValueError, match="X must"):
        Linkage().prepare(X)


def test_parameters_that_cannot_be():
    with pytest.raises(ValueError, match="from 0 to 1"):
        BinomialMixtureParameters(np.full(2, 0.5), np.array([0.5, 1.5]))
    with pytest.raises(ValueError, match='"free" or "equal"'):
        BinomialMixture(2, "fixed")
    with pytest.raises(ValueError, match="between 0 and 1"):
        LinkageParameters(1.0)
    with pytest.raises(ValueError, match="n_components"):
        BinomialMixture(3).e_step([[1, 2]], BinomialMixtureParameters(np.full(2, 0.5), np.array([0.5, 0.4])))
