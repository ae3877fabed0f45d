"""SQUAREM climbs, and says how much it worked; Aitken's forecast is not fooled; the rate is that of the run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from emcore import run
from emcore.acceleration import aitken, rate, rate_matrix, squarem
from emcore.datasets import DATASETS
from emcore.em import History
from emcore.models import GaussianMixture, GaussianMixtureParameters, KMeans
from tests.cases import CASES


@cache
def problem(name: str, seed: int = 0):
    """The preset's model, its data and a random start."""
    preset = DATASETS[name]
    X = preset(seed).X
    model = GaussianMixture(preset.n_components, preset.covariance_type)
    return model, X, model.initialize(X, np.random.default_rng([seed, 1]))


@cache
def long_run(name: str, seed: int = 0) -> History:
    """EM until its gains are rounding."""
    return run(*problem(name, seed), max_iter=3000, tol=1e-13)


class Counting:
    """A model that counts its E-steps."""

    def __init__(self, model):
        self.model, self.n_e_steps = model, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def e_step(self, X, parameters):
        self.n_e_steps += 1
        return self.model.e_step(X, parameters)


# ---- SQUAREM ----


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_objective_never_falls_and_is_that_of_the_parameters(case):
    start = case.model.constrain(case.start) if hasattr(case.model, "constrain") else case.start
    history = squarem(case.model, case.X, start, max_iter=60, tol=0).history
    assert (np.diff(history.objective) >= -1e-12 * np.abs(history.objective[1:])).all()
    for parameters, objective in zip(history.parameters, history.objective, strict=True):
        assert objective == pytest.approx(case.first_principles(case.X, parameters), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["three-peaks", "ring", "one-takes-all", "duplicates", "heavy-overlap"])
def test_it_climbs_where_leaps_are_dangerous(name, seed):
    history = squarem(*problem(name, seed), max_iter=500, tol=1e-9).history
    assert (np.diff(history.objective) >= -1e-12 * np.abs(history.objective[1:])).all()


def test_the_first_long_leap_is_that_of_the_paper():
    """theta + 2 a r + a^2 v with a = |r| / |v|, then one EM step; the first cycles may be held back."""
    model, X, start = problem("heavy-overlap")
    found = squarem(model, X, start, max_iter=60, tol=0)
    em = lambda theta: model.m_step(X, model.e_step(X, theta))  # noqa: E731
    as_in_the_paper = 0
    for theta, after, steps in zip(
        found.history.parameters, found.history.parameters[1:], np.diff(found.em_steps), strict=False
    ):
        one = em(theta)
        two = em(one)
        r = one.to_vector() - theta.to_vector()
        v = two.to_vector() - one.to_vector() - r
        a = np.linalg.norm(r) / np.linalg.norm(v)
        landed = em(theta.from_vector(theta.to_vector() + 2 * a * r + a**2 * v))
        if np.allclose(landed.to_vector(), after.to_vector(), rtol=0, atol=1e-9):
            assert steps == 3
            as_in_the_paper += a > 2
    assert as_in_the_paper >= 5


@pytest.mark.parametrize("name", ["heavy-overlap", "tolerance-trap", "waiting-times"])
def test_it_reaches_what_em_reaches_with_less_work(name):
    model, X, start = problem(name)
    plain = run(model, X, start, max_iter=3000, tol=1e-10)
    fast = squarem(model, X, start, max_iter=3000, tol=1e-10)
    assert fast.history.stopped == plain.stopped == "converged"
    assert fast.history.objective[-1] == pytest.approx(long_run(name).objective[-1], rel=1e-8)
    assert fast.em_steps[-1] < 0.7 * plain.n_iterations


@pytest.mark.parametrize("max_iter", [0, 1, 2, 3, 4, 5, 6, 7, 20])
@pytest.mark.parametrize("name", ["three-peaks", "ring"])
def test_the_work_is_counted_and_kept_within_the_limit(name, max_iter):
    model, X, start = problem(name, 1)
    counting = Counting(model)
    found = squarem(counting, X, start, max_iter=max_iter, tol=0)
    assert found.em_steps[0] == 0 and (np.diff(found.em_steps) > 0).all()
    assert found.em_steps[-1] == counting.n_e_steps - 1 == max_iter
    assert len(found.em_steps) == len(found.history.objective) == len(found.history.parameters)
    assert found.history.stopped == "max_iter" and str(max_iter) in found.history.reason


def test_it_stops_by_the_gain_of_a_plain_em_step():
    model, X, start = problem("three-peaks")
    history = squarem(model, X, start, max_iter=500, tol=1e-7).history
    assert history.stopped == "converged"
    gains = [np.diff(run(model, X, theta, max_iter=1, tol=0).objective)[0] / len(X) for theta in history.parameters]
    assert gains[-2] < 1e-7 and min(gains[:-2]) >= 1e-7
    assert history.objective[-1] - history.objective[-2] == pytest.approx(gains[-2] * len(X), rel=1e-3)


class Refusing(Counting):
    """A model that knows only what its own M-step made: every leap ends as `refuse` says."""

    def __init__(self, model, start, refuse):
        super().__init__(model)
        self.known, self.refuse, self.n_refused = [start], refuse, 0

    def m_step(self, X, posterior):
        self.known.append(self.model.m_step(X, posterior))
        return self.known[-1]

    def e_step(self, X, parameters):
        posterior = super().e_step(X, parameters)
        if any(parameters is one for one in self.known):
            return posterior
        self.n_refused += 1
        return self.refuse(posterior)


def illegal(posterior):
    raise ValueError("covariances must be positive definite")


def worse(posterior):
    return replace(posterior, objective=posterior.objective - 1e6)


def lost(posterior):
    return replace(posterior, objective=float("nan"))


def endless(posterior):
    return replace(posterior, objective=float("inf"))


@pytest.mark.parametrize("refuse", [illegal, worse, lost, endless])
def test_without_a_leap_it_is_plain_em(refuse):
    model, X, start = problem("heavy-overlap")
    refusing = Refusing(model, start, refuse)
    history = squarem(refusing, X, start, max_iter=60, tol=0).history
    assert refusing.n_refused > 5
    plain = run(model, X, start, max_iter=60, tol=0)
    assert set(history.objective.tolist()) <= set(plain.objective.tolist())
    assert history.n_iterations == 10  # three plain steps and three refusals a cycle


def test_a_collapse_ends_the_run_with_its_reason():
    line = np.random.default_rng(4).normal(0, 1, (60, 1))
    X = np.concatenate([line, [[20.0]]])
    start = GaussianMixtureParameters([0.9, 0.1], [[0.0], [20.0]], [[[9.0]], [[16.0]]])
    found = squarem(GaussianMixture(2), X, start, max_iter=200, tol=0)
    assert found.history.stopped == "degenerate" and "Component 2 collapsed" in found.history.reason
    assert found.history.advice and len(found.em_steps) == len(found.history.objective)


def test_a_start_of_another_type_is_led_in_by_an_em_step():
    _, X, start = problem("heavy-overlap")
    spherical = GaussianMixture(2, "spherical")
    found = squarem(spherical, X, start, max_iter=300, tol=1e-8)
    assert found.history.stopped == "converged" and found.em_steps[1] == 1
    assert found.history.parameters[-1].covariance_type == "spherical"


def test_what_stands_still_at_once_is_done():
    model = KMeans(2)
    X = np.array([[0.0], [1.0], [10.0], [11.0]])
    start = model.initialize(X, np.random.default_rng(0)).from_vector(np.array([0.5, 10.5]))
    found = squarem(model, X, start)
    assert found.history.stopped == "converged" and found.em_steps.tolist() == [0, 1]


@pytest.mark.parametrize("wrong", [{"max_iter": -1}, {"max_iter": 2.5}, {"tol": -1.0}, {"tol": np.nan}])
def test_limits_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        squarem(*problem("waiting-times"), **wrong)


# ---- Aitken's forecast ----


def made(objective) -> History:
    """A history of these objectives and nothing else."""
    return History(None, np.zeros(10), (None,) * len(objective), np.array(objective), "max_iter", "")


def test_gains_that_shrink_by_a_constant_factor_are_forecast_exactly():
    forecast = aitken(made(-5 - 3 * 0.8 ** np.arange(40)))
    assert np.isnan(forecast.rates[:2]).all() and np.isnan(forecast.limits[:2]).all()
    np.testing.assert_allclose(forecast.rates[2:], 0.8, rtol=1e-9)
    np.testing.assert_allclose(forecast.limits[2:], -5, rtol=1e-12)
    np.testing.assert_allclose(forecast.gaps[2:], 3 * 0.8 ** np.arange(2, 40), rtol=1e-8)
    first = int(np.flatnonzero(forecast.trusted)[0])
    assert 6 <= first <= 14 and forecast.trusted[first:].all()  # 0.8 ** 11 < 1 / 10
    gap_per_sample = 3 * 0.8 ** np.arange(40) / 10
    assert (forecast.converged(1e-3) == (forecast.trusted & (gap_per_sample < 1e-3))).all()
    assert not forecast.converged(1e-9).any()


def test_five_hits_are_asked_for_even_of_a_fast_run():
    forecast = aitken(made(-5 - 3 * 0.01 ** np.arange(8)))
    assert not forecast.trusted[:6].any() and forecast.trusted[6]


def test_a_plateau_that_is_left_again_is_not_believed():
    t = np.arange(60)
    forecast = aitken(made(-100 - 10 * 0.7**t + 1e-2 * np.exp(0.15 * t) / (1 + 1e-3 * np.exp(0.15 * t))))
    assert not forecast.converged(1e-3)[:50].any()


def test_a_climb_that_is_slower_than_linear_is_never_believed():
    """Gains like 1 / t^2: each forecast sees half of what is missing."""
    forecast = aitken(made(-5 - 1 / np.arange(1.0, 400.0)))
    assert np.isfinite(forecast.limits[2:]).all() and not forecast.trusted.any()


def test_rounding_at_the_end_gives_no_rates():
    history = run(*problem("waiting-times"), max_iter=300, tol=0)
    forecast = aitken(history)
    rates = forecast.rates[np.isfinite(forecast.rates)]
    assert 20 < len(rates) < 100
    expected = rate(history.model, history.X, history.parameters[-1]) ** 2
    np.testing.assert_allclose(rates[-8:], expected, rtol=0.05)
    assert forecast.trusted[-1] and 0 <= forecast.gaps[-1] < 1e-9 * abs(history.objective[-1])
    assert np.isfinite(forecast.limits[-50:]).all()


def test_a_run_that_never_moved_has_no_forecast():
    preset = DATASETS["saddle"]
    X = preset(0).X
    model = GaussianMixture(2)
    start = model.from_means(X, np.repeat(X.mean(axis=0)[None], 2, axis=0))
    forecast = aitken(run(model, X, start, max_iter=30, tol=0))
    assert not forecast.trusted.any() and not forecast.converged(1.0).any()


@pytest.mark.parametrize("n", [1, 2])
def test_short_runs_have_no_forecast(n):
    forecast = aitken(made([-3.0, -2.0][:n]))
    assert len(forecast.rates) == n and np.isnan(forecast.limits).all() and not forecast.trusted.any()


# The gain falls below 1e-6 per sample long before the end in each of these; "saddle" lingers at one.
@pytest.mark.parametrize(
    ("name", "seed"),
    [("tolerance-trap", 0), ("tolerance-trap", 1), ("heavy-overlap", 0), ("heavy-overlap", 1), ("saddle", 0)],
)
def test_converged_means_near(name, seed):
    history = long_run(name, seed)
    forecast = aitken(history)
    missing = (history.objective[-1] - history.objective) / history.n_samples
    for tol in (1e-5, 1e-6, 1e-7):
        said = forecast.converged(tol)
        assert said.any() and (missing[said] < 1.5 * tol).all()
        naive = int(np.flatnonzero(np.diff(history.objective) / history.n_samples < tol)[0]) + 1
        assert int(np.flatnonzero(said)[0]) >= naive


def test_the_tolerance_trap_stops_where_the_forecast_does_not():
    preset = DATASETS["tolerance-trap"]
    X = preset(0).X
    model = GaussianMixture(2, "tied")
    start = model.initialize(X, np.random.default_rng([preset.start_seed, 1]))
    history = run(model, X, start, max_iter=preset.max_iter, tol=preset.tol)
    assert history.stopped == "converged"
    assert not aitken(history).converged(preset.tol).any()


# ---- The rate ----


@pytest.mark.parametrize("name", ["three-blobs", "waiting-times", "heavy-overlap", "tolerance-trap", "three-peaks"])
def test_the_rate_is_that_of_a_long_run(name):
    history = long_run(name)
    found = rate(history.model, history.X, history.parameters[-1])
    gains = np.diff(history.objective, prepend=-np.inf)
    near = np.flatnonzero(gains > 1e-7)[-5:]  # late, and before rounding tells
    np.testing.assert_allclose(aitken(history).rates[near], found**2, rtol=2e-3)
    steps = np.array([theta.to_vector() for theta in history.parameters[-20:-8]])
    lengths = np.linalg.norm(np.diff(steps, axis=0), axis=1)
    np.testing.assert_allclose(lengths[1:] / lengths[:-1], found, rtol=2e-2)


def test_above_one_at_a_saddle_in_one_direction():
    """Three equal groups on a line and two components that share the middle one: it wants to be with one of them."""
    half = np.linspace(-1, 1, 41)
    X = np.concatenate([half - 6, half, half + 6])[:, None]
    model = GaussianMixture(2)
    history = run(model, X, model.from_means(X, [[-3.0], [3.0]]), max_iter=2000, tol=1e-14)
    assert history.stopped == "converged"
    at = history.parameters[-1]
    values = np.linalg.eigvals(rate_matrix(model, X, at))
    assert np.abs(values.imag).max() < 1e-6
    assert (values.real > 1).sum() == 1
    # a nudge grows by this factor each time
    nudged = at.from_vector(at.to_vector() + 1e-6 * np.array([1.0, 1.0, 0, 0, 0]))
    away = [theta.to_vector() - at.to_vector() for theta in run(model, X, nudged, max_iter=12, tol=0).parameters]
    grown = np.linalg.norm(away[12]) / np.linalg.norm(away[11])
    assert grown == pytest.approx(rate(model, X, at), rel=1e-3)


def test_one_exactly_where_only_higher_orders_part_equal_components():
    X = DATASETS["saddle"](0).X
    one = GaussianMixture(1)
    whole = one.m_step(X, one.e_step(X, one.from_means(X, X[:1])))

    def both(covariance_type):
        twice = [np.repeat(array, 2, axis=0) for array in (whole.means, whole.covariances)]
        return GaussianMixtureParameters([0.5, 0.5], *twice, covariance_type)

    assert rate(GaussianMixture(2, "tied"), X, both("tied")) == pytest.approx(1, abs=1e-6)
    assert rate(GaussianMixture(2), X, both("full")) > 1.05  # one narrower, one wider: two groups have flat tails


def test_the_matrix_passes_small_moves_on():
    model, X, start = problem("three-blobs")
    matrix = rate_matrix(model, X, start)
    assert matrix.shape == (len(start.names),) * 2
    em = lambda vector: model.m_step(X, model.e_step(X, start.from_vector(vector))).to_vector()  # noqa: E731
    move = 1e-5 * np.random.default_rng(2).normal(size=len(matrix))
    at = start.to_vector()
    np.testing.assert_allclose((em(at + move) - em(at - move)) / 2, matrix @ move, rtol=1e-4, atol=1e-11)


def test_the_eigenvalues_do_not_know_units():
    history = long_run("waiting-times")
    expected = np.sort(np.linalg.eigvals(rate_matrix(history.model, history.X, history.parameters[-1])).real)
    for factor, offset in ((1e-7, 0.0), (1e6, 0.0), (1.0, 1e6)):
        X = history.X * factor + offset
        theta = history.parameters[-1]
        moved = GaussianMixtureParameters(theta.weights, theta.means * factor + offset, theta.covariances * factor**2)
        found = np.sort(np.linalg.eigvals(rate_matrix(history.model, X, moved)).real)
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_k_means_jumps_and_is_done():
    model = KMeans(2)
    X = np.array([[0.0], [1.0], [10.0], [11.0]])
    end = run(model, X, model.initialize(X, np.random.default_rng(0)), tol=0, max_iter=5).parameters[-1]
    assert rate(model, X, end) == pytest.approx(0, abs=1e-12)
