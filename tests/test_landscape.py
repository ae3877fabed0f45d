"""Surfaces are exact, profiles are the best that the other parameters can do, basin maps say where each start leads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from emcore import landscape, run
from emcore.datasets import DATASETS
from emcore.landscape import along, basins, basins_at, path, surface
from emcore.models import GaussianMixture, GaussianMixtureParameters, KMeans
from emcore.restarts import COLLAPSED, SADDLE, UNFINISHED, distinct, run_many
from tests.cases import CASES
from tests.reference import load

GAUSSIAN = [case for case in CASES if isinstance(case.model, GaussianMixture)]


def mixture(weights, means, sds) -> GaussianMixtureParameters:
    """A mixture on one axis."""
    return GaussianMixtureParameters(weights, np.reshape(means, (-1, 1)), np.reshape(np.square(sds), (-1, 1, 1)))


def by_scipy(X, theta) -> float:
    """The log-likelihood by log-densities alone: it cannot underflow."""
    parts = [
        np.log(w) + multivariate_normal(m, S).logpdf(X).reshape(-1)
        for w, m, S in zip(theta.weights, theta.means, theta.covariances, strict=True)
    ]
    return float(logsumexp(parts, axis=0).sum())


def values_near(theta, name, n=4):
    """Some values of a coordinate around its own."""
    return theta.to_vector()[theta.names.index(name)] + np.linspace(-1.5, 1.7, n)


def test_the_reference_grid():
    stored = load("landscape")
    X = np.reshape(load("gmm_1d_k2")["X"], (-1, 1))
    theta = mixture([stored["w"], 1 - stored["w"]], [0, 0], stored["sd"])
    found = surface(GaussianMixture(2), X, theta, ("mean 1", "mean 2"), stored["grid"], stored["grid"])
    np.testing.assert_allclose(found.log_likelihood.T, stored["ll"], rtol=1e-14)  # stored as [mean 1, mean 2]
    assert found.masked == "" and not found.profiled


@pytest.mark.parametrize("case", GAUSSIAN, ids=lambda case: case.name)
def test_every_plane_holds_the_log_likelihood_of_its_places(case):
    """All pairs of coordinates, whatever blocks and components they belong to, against scipy's densities."""
    theta = case.model.constrain(case.start)
    names = theta.names
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    rng = np.random.default_rng(1)
    for a, b in [pairs[i] for i in rng.permutation(len(pairs))[:12]]:
        x, y = values_near(theta, a, 3), values_near(theta, b, 2)
        found = surface(case.model, case.X, theta, (a, b), x, y)
        assert found.log_likelihood.shape == (2, 3) and found.names == (a, b)
        vector = theta.to_vector()
        for j in range(2):
            for i in range(3):
                vector[[names.index(a), names.index(b)]] = x[i], y[j]
                there = theta.from_vector(vector)
                expected = by_scipy(case.X, there) + case.model.log_prior(there)
                assert found.log_likelihood[j, i] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_components", [2, 3])
def test_exact_where_densities_underflow(n_components):
    """Narrow components on a wide grid: most densities are far below what doubles hold."""
    rng = np.random.default_rng(3)
    X = rng.uniform(-50, 50, (151, 1))
    theta = mixture(np.full(n_components, 1 / n_components), np.zeros(n_components), [0.5, 2.0, 0.01][:n_components])
    x, y = np.linspace(-60, 60, 23), np.linspace(-55, 1000, 17)
    found = surface(GaussianMixture(n_components), X, theta, ("mean 1", "mean 2"), x, y).log_likelihood
    parts = np.empty((n_components, 17, 23, len(X)))
    parts[0] = norm(x[None, :, None], 0.5).logpdf(X[:, 0])
    parts[1] = norm(y[:, None, None], 2.0).logpdf(X[:, 0])
    if n_components == 3:
        parts[2] = norm(0, 0.01).logpdf(X[:, 0])
    expected = (logsumexp(parts, axis=0) - np.log(n_components)).sum(axis=-1)
    assert expected.min() < -1e6
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0, 8.0, 12.0, 20.0])
def test_exact_on_both_sides_of_every_limit(scale):
    """From points that fill a product slowly to points that are too far apart for one."""
    rng = np.random.default_rng(5)
    X = rng.normal(0, scale, (600, 1))
    theta = mixture([0.3, 0.7], [0, 0], [0.4, 1.0])
    x, y = np.linspace(-2 * scale, 2 * scale, 11), np.linspace(-scale, 3 * scale, 7)
    found = surface(GaussianMixture(2), X, theta, ("mean 1", "mean 2"), x, y).log_likelihood
    one = np.log(0.3) + norm(x[None, :, None], 0.4).logpdf(X[:, 0])
    other = np.log(0.7) + norm(y[:, None, None], 1.0).logpdf(X[:, 0])
    np.testing.assert_allclose(found, np.logaddexp(one, other).sum(axis=-1), rtol=1e-13)


def test_many_points_pass_in_parts():
    rng = np.random.default_rng(6)
    X = rng.normal(0, 3, (20_001, 1))
    theta = mixture([0.4, 0.6], [0, 0], [1, 2])
    found = surface(GaussianMixture(2), X, theta, ("mean 1", "log sd 2"), np.linspace(-3, 3, 30), [0.0, 1.0])
    assert found.log_likelihood[1, 7] == pytest.approx(
        by_scipy(X, mixture([0.4, 0.6], [found.x[7], 0], [1, np.exp(1.0)])), rel=1e-13
    )


def test_far_from_zero_nothing_is_lost():
    rng = np.random.default_rng(7)
    X = rng.normal(0, 1, (100, 1))
    theta = mixture([0.5, 0.5], [0, 0], [1, 1])
    x = np.linspace(-3, 3, 9)
    here = surface(GaussianMixture(2), X, theta, ("mean 1", "mean 2"), x, x)
    there = surface(GaussianMixture(2), X + 2.0**20, theta, ("mean 1", "mean 2"), x + 2.0**20, x + 2.0**20)
    np.testing.assert_allclose(there.log_likelihood, here.log_likelihood, rtol=1e-9)


def test_what_is_illegal_is_blank_and_said():
    X = np.random.default_rng(8).normal(0, 1, (50, 1))
    theta = mixture([0.5, 0.5], [-1, 1], [1, 1])
    found = surface(GaussianMixture(2), X, theta, ("mean 1", "log sd 1"), [-1.0, 1e200], [-800.0, -40.0, 0.0, 800.0])
    assert np.isnan(found.log_likelihood).tolist() == [[True, True], [True, True], [False, True], [True, True]]
    assert "7 of 8 places are left blank" in found.masked and "log sd 1" in found.masked
    found = surface(GaussianMixture(2), X, theta, ("mean 2", "log sd 1"), [-1.0, 0.0, 1e200], [0.0, 1.0, 800.0])
    assert np.isnan(found.log_likelihood).sum() == 5
    np.testing.assert_array_equal(found.log_likelihood[:2, :2] < 0, True)
    values = along(GaussianMixture(2), X, theta, "log sd 2", [-800.0, 0.0, 800.0])
    assert np.isnan(values).tolist() == [True, False, True]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_slice_holds_the_objective_of_its_places(case):
    theta = case.model.constrain(case.start) if hasattr(case.model, "constrain") else case.start
    for name in theta.names[:: max(len(theta.names) // 4, 1)]:
        values = values_near(theta, name)
        vector = theta.to_vector()
        expected = []
        for value in values:
            vector[theta.names.index(name)] = value
            expected.append(case.first_principles(case.X, theta.from_vector(vector)))
        np.testing.assert_allclose(along(case.model, case.X, theta, name, values), expected, rtol=1e-9)


def test_another_model_has_a_surface_too():
    X = np.array([[0.0], [1.0], [10.0], [11.0]])
    theta = KMeans(2).initialize(X, np.random.default_rng(0))
    found = surface(KMeans(2), X, theta, ("mean 1", "mean 2"), [0.5, 1.0], [10.5])
    np.testing.assert_allclose(found.log_likelihood, [[-1.0, -1.5]])


def test_the_path_is_that_of_the_run():
    case = GAUSSIAN[2]
    history = run(case.model, case.X, case.start, max_iter=7, tol=0)
    went = path(history, ("mean 2, y", "log sd 1, x"))
    assert went.shape == (8, 2)
    np.testing.assert_array_equal(went[:, 0], [theta.means[1, 1] for theta in history.parameters])
    np.testing.assert_allclose(went[:, 1], [np.log(theta.sds[0, 0]) for theta in history.parameters])
    heights = [
        surface(case.model, case.X, theta, ("mean 2, y", "log sd 1, x"), [a], [b]).log_likelihood[0, 0]
        for theta, (a, b) in zip(history.parameters, went, strict=True)
    ]
    np.testing.assert_allclose(heights, history.objective, rtol=1e-12)


# ---- Profiles ----


@pytest.fixture(scope="module")
def fitted():
    """Two overlapping groups on a line and their fit."""
    rng = np.random.default_rng(11)
    X = np.concatenate([rng.normal(0, 1, (70, 1)), rng.normal(3.5, 1.3, (50, 1))])
    model = GaussianMixture(2)
    return run(model, X, model.from_means(X, [[0.0], [4.0]]), max_iter=5000, tol=1e-14)


PLANES = [("mean 1", "mean 2"), ("mean 1", "log sd 1"), ("log sd 1", "mean 2"), ("log sd 1", "log sd 2")]


@pytest.mark.parametrize("names", PLANES, ids=" and ".join)
def test_a_profile_is_the_best_the_others_can_do(fitted, names):
    model, X, theta = fitted.model, fitted.X, fitted.parameters[-1]
    at = [theta.names.index(name) for name in names]
    centre = theta.to_vector()[at]
    steps = np.linspace(-0.5, 0.5, 5)
    profile = surface(model, X, theta, names, centre[0] + steps, centre[1] + steps, profiled=True)
    fixed = surface(model, X, theta, names, profile.x, profile.y)
    assert profile.profiled and profile.masked == ""
    assert profile.log_likelihood[2, 2] == pytest.approx(fitted.objective[-1], rel=1e-10)
    assert (profile.log_likelihood >= fixed.log_likelihood - 1e-9).all()
    assert profile.log_likelihood.max() <= fitted.objective[-1] + 1e-7
    free = [i for i in range(5) if i not in at]
    for j, i in ((0, 0), (1, 3), (4, 2)):
        vector = theta.to_vector()
        vector[at] = profile.x[i], profile.y[j]

        def minus(others, vector=vector):
            there = vector.copy()
            there[free] = others
            return -by_scipy(X, theta.from_vector(there))

        wide = model.from_means(X, theta.means).to_vector()
        found = [
            minimize(minus, start[free], method="Nelder-Mead", options={"fatol": 1e-9, "maxiter": 2000})
            for start in (vector, wide)
        ]
        best = -min(end.fun for end in found)
        assert profile.log_likelihood[j, i] == pytest.approx(best, abs=2e-4)


def test_a_profile_of_many_points_is_that_of_the_points(monkeypatch):
    """The climb begins on bins and ends on the data."""
    X, model = peaks(2500), GaussianMixture(2)
    theta = model.from_means(X, [[-5.0], [3.0]])
    x, y = np.linspace(-6, -3, 4), np.linspace(1, 5, 3)
    found = surface(model, X, theta, ("mean 1", "mean 2"), x, y, profiled=True).log_likelihood
    monkeypatch.setattr(landscape, "_PROFILE_POINTS", 10_000)
    alone = surface(model, X, theta, ("mean 1", "mean 2"), x, y, profiled=True).log_likelihood
    np.testing.assert_allclose(found, alone, rtol=0, atol=2e-3)


def test_a_profile_of_one_mean_in_two_axes():
    case = next(case for case in GAUSSIAN if case.name == "gaussian full 2d k=2")
    history = run(case.model, case.X, case.start, max_iter=3000, tol=1e-14)
    theta = history.parameters[-1]
    x, y = (theta.means[1, j] + np.array([-0.4, 0.0, 0.3]) for j in range(2))
    names = ("mean 2, x", "mean 2, y")
    profile = surface(case.model, case.X, theta, names, x, y, profiled=True).log_likelihood
    fixed = surface(case.model, case.X, theta, names, x, y).log_likelihood
    assert profile[1, 1] == pytest.approx(history.objective[-1], rel=1e-10)
    assert (profile >= fixed - 1e-9).all() and profile.max() == profile[1, 1]
    vector = theta.to_vector()
    vector[2:4] = x[0], y[2]
    free = [0, 1, *range(4, len(vector))]

    def minus(others):
        vector[free] = others
        return -by_scipy(case.X, theta.from_vector(vector))

    best = -minimize(minus, vector[free], method="BFGS").fun
    assert profile[2, 0] == pytest.approx(best, abs=1e-3)


def test_a_tied_sd_is_held_for_all(fitted):
    model = GaussianMixture(2, "tied")
    theta = model.constrain(fitted.parameters[0])
    profile = surface(model, fitted.X, theta, ("mean 1", "log sd"), [0.0], [0.1], profiled=True).log_likelihood
    _, other = 0.0, theta.means[1, 0]

    def minus(free):
        share = 1 / (1 + np.exp(-free[1]))
        return -by_scipy(fitted.X, mixture([share, 1 - share], [0.0, free[0]], np.exp([0.1, 0.1])))

    assert profile[0, 0] == pytest.approx(-minimize(minus, [other, 0.0]).fun, abs=1e-5)


def test_a_profile_without_a_maximum_is_blank():
    """Held on a point of its own with nothing near, a component shrinks onto it."""
    X = np.concatenate([np.random.default_rng(1).normal(0, 1, (60, 1)), [[1000.0]]])
    theta = mixture([0.9, 0.1], [0, 1000], [1, 1])
    found = surface(GaussianMixture(2), X, theta, ("mean 2", "mean 1"), [1000.0], [0.0, 0.1], profiled=True)
    assert np.isnan(found.log_likelihood).all() and "collapses" in found.masked


@pytest.mark.parametrize(
    ("names", "profiled", "match"),
    [
        (("mean 1", "mean 9"), False, "no 'mean 9'"),
        (("mean 1", "mean 1"), False, "'mean 1' twice"),
        (("mean 1", "logit weight 1"), True, "two of the means and log sds"),
    ],
)
def test_names_are_checked(fitted, names, profiled, match):
    with pytest.raises(ValueError, match=match):
        surface(fitted.model, fitted.X, fitted.parameters[0], names, [0.0], [0.0], profiled=profiled)


def test_what_em_cannot_hold_is_said():
    case = next(case for case in GAUSSIAN if case.name == "gaussian full 2d k=2")
    with pytest.raises(ValueError, match="both coordinates of one mean"):
        surface(case.model, case.X, case.start, ("mean 1, x", "mean 2, y"), [0.0], [0.0], profiled=True)
    X = np.array([[0.0], [1.0]])
    with pytest.raises(ValueError, match="profiled must be False for KMeans"):
        theta = KMeans(2).initialize(X, np.random.default_rng(0))
        surface(KMeans(2), X, theta, ("mean 1", "mean 2"), [0.0], [0.0], profiled=True)
    with pytest.raises(ValueError, match="x must be finite"):
        surface(case.model, case.X, case.start, ("mean 1, x", "mean 2, y"), [np.nan], [0.0])


# ---- Basins ----


def peaks(n_samples, seed=0):
    """Three peaks on a line: with two components two ways to merge them."""
    rng = np.random.default_rng(seed)
    parts = [(-5, 0.3), (0, 0.4), (4.6, 0.3)]
    return np.concatenate([rng.normal(mean, 1, (round(share * n_samples), 1)) for mean, share in parts])


def one_by_one(model, X, start, names, x, y, **rule):
    """Where each start of the grid leads: by single runs of EM, and by the means that these end with."""
    vector, at = start.to_vector(), [start.names.index(name) for name in names]
    ends = np.empty((len(y), len(x)), dtype=object)
    for j in range(len(y)):
        for i in range(len(x)):
            vector[at] = x[i], y[j]
            ends[j, i] = run(model, X, start.from_vector(vector), **rule)
    return ends


def test_each_start_leads_where_its_own_run_does():
    X, model = peaks(300), GaussianMixture(2)
    start = model.from_means(X, [[0.0], [0.0]])
    x = y = np.linspace(-7, 7, 15)
    rule = {"max_iter": 1000, "tol": 1e-9}
    found = basins(model, X, start, ("mean 1", "mean 2"), x, y, **rule)
    ends = one_by_one(model, X, start, ("mean 1", "mean 2"), x, y, **rule)
    assert found.n_bins == 0 and found.n_checked == 0 and len(found.maxima) == 2
    np.testing.assert_array_equal(found.n_iterations, [[end.n_iterations for end in row] for row in ends])
    objective = np.array([[end.objective[-1] for end in row] for row in ends])
    for rank, maximum in enumerate(found.maxima):
        assert abs(objective[found.outcome == rank] - maximum.objective).max() < 1e-4
        assert maximum.count == (found.outcome == rank).sum() and maximum.share == maximum.count / 225
        assert found.outcome.reshape(-1)[maximum.representative] == rank
    assert (np.diag(found.outcome) == SADDLE).all()
    assert (found.outcome == found.outcome.T).all()
    assert set(np.unique(found.outcome)) == {SADDLE, 0, 1}


def test_a_plane_without_symmetry_is_run_as_a_whole():
    X, model = peaks(200), GaussianMixture(2)
    start = mixture([0.8, 0.2], [0, 0], [1, 2])
    x = y = np.linspace(-6, 6, 7)
    rule = {"max_iter": 300, "tol": 1e-9}
    for names, rows in ((("mean 1", "mean 2"), y), (("mean 2", "log sd 1"), np.linspace(-1, 1, 5))):
        found = basins(model, X, start, names, x, rows, **rule)
        ends = one_by_one(model, X, start, names, x, rows, **rule)
        np.testing.assert_array_equal(found.n_iterations, [[end.n_iterations for end in row] for row in ends])
        for j, i in np.argwhere(found.outcome >= 0):
            assert found.maxima[found.outcome[j, i]].objective == pytest.approx(ends[j, i].objective[-1], abs=1e-4)
    assert not (found.outcome == UNFINISHED).any()


def test_different_grids_are_not_taken_for_symmetric():
    X, model = peaks(200), GaussianMixture(2)
    start = model.from_means(X, [[0.0], [0.0]])
    x, y = np.linspace(-6, 6, 5), np.linspace(-3, 7, 5)
    found = basins(model, X, start, ("mean 1", "mean 2"), x, y, max_iter=300, tol=1e-9)
    ends = one_by_one(model, X, start, ("mean 1", "mean 2"), x, y, max_iter=300, tol=1e-9)
    np.testing.assert_array_equal(found.n_iterations, [[end.n_iterations for end in row] for row in ends])


def test_runs_without_a_maximum_have_classes_of_their_own():
    X = np.concatenate([peaks(100), np.full((12, 1), 30.0)])
    model = GaussianMixture(2)
    start = mixture([0.5, 0.5], [0, 0], [1, 1])
    x = y = np.array([-5.0, 0.0, 30.0])
    found = basins(model, X, start, ("mean 1", "mean 2"), x, y, max_iter=200)
    assert found.outcome[0, 2] == found.outcome[2, 0] == COLLAPSED
    assert (basins(model, X, start, ("mean 1", "mean 2"), x, y, max_iter=1).outcome == UNFINISHED).any()


@pytest.mark.parametrize("n_components", [2, 3])
def test_bins_lead_where_the_data_lead(n_components, monkeypatch):
    X, model = peaks(2500), GaussianMixture(n_components)
    start = model.from_means(X, np.linspace(-5, 5, n_components)[:, None])
    x = y = np.linspace(-8, 8, 31)
    rule = {"max_iter": 200, "tol": 1e-6}
    binned = basins(model, X, start, ("mean 1", "mean 2"), x, y, **rule)
    monkeypatch.setattr(landscape, "_FEW_POINTS", 10_000)
    exact = basins(model, X, start, ("mean 1", "mean 2"), x, y, **rule)
    assert binned.n_bins == 128 and binned.n_checked == 78 and exact.n_bins == 0
    np.testing.assert_array_equal(binned.outcome, exact.outcome)
    assert abs(binned.n_iterations - exact.n_iterations).max() <= 5
    for one, other in zip(binned.maxima, exact.maxima, strict=True):
        assert one.objective == pytest.approx(other.objective, rel=1e-9)  # of the data, not of the bins


@pytest.mark.parametrize(("tried", "used"), [((5, 512), 512), ((5,), 0)])
def test_bins_that_are_too_wide_are_not_used(tried, used, monkeypatch):
    X, model = peaks(2500), GaussianMixture(2)
    start = model.from_means(X, [[0.0], [0.0]])
    x = y = np.linspace(-8, 8, 9)
    monkeypatch.setattr(landscape, "_BINS", tried)
    found = basins(model, X, start, ("mean 1", "mean 2"), x, y, max_iter=200)
    assert found.n_bins == used and found.n_checked == (45 if used else 0)
    monkeypatch.setattr(landscape, "_FEW_POINTS", 10_000)
    exact = basins(model, X, start, ("mean 1", "mean 2"), x, y, max_iter=200)
    np.testing.assert_array_equal(found.outcome, exact.outcome)


def test_at_the_borders_the_data_decide(monkeypatch):
    """Five bins, accepted unseen, lead astray; the starts that run again on the data mend what touches a border."""
    X, model = peaks(2500), GaussianMixture(2)
    start = model.from_means(X, [[0.0], [0.0]])
    x = y = np.linspace(-8, 8, 9)
    found = {}
    for few, at_borders in ((10_000, True), (2000, True), (2000, False)):
        with monkeypatch.context() as patch:
            patch.setattr(landscape, "_FEW_POINTS", few)
            patch.setattr(landscape, "_BINS", (5,))
            patch.setattr(landscape._Grid, "coarse", lambda grid: np.array([0]))
            if not at_borders:
                patch.setattr(landscape._Grid, "at_borders", lambda grid, outcome: np.zeros(len(grid.j), dtype=bool))
            found[few, at_borders] = basins(model, X, start, ("mean 1", "mean 2"), x, y, max_iter=200).outcome
    exact = found[10_000, True]
    assert (found[2000, False] != exact).sum() > 10
    assert (found[2000, True] != exact).sum() < (found[2000, False] != exact).sum() / 2


def test_binning_keeps_the_number_of_points_and_their_mean():
    values = np.random.default_rng(4).exponential(2.0, 5000)
    places, counts = landscape._binned(values, 128)
    assert counts.sum() == pytest.approx(5000) and (counts > 0).all() and len(places) <= 128
    assert counts @ places / 5000 == pytest.approx(values.mean(), rel=1e-12)
    assert places[0] == values.min() and places[-1] == values.max()


def test_known_maxima_stay_what_they_are():
    X, model = peaks(300), GaussianMixture(2)
    start = model.from_means(X, [[0.0], [0.0]])
    first = basins(model, X, start, ("mean 1", "mean 2"), np.linspace(-7, 7, 9), np.linspace(-7, 7, 9))
    x = np.array([-5.0, -4.5])
    again = basins(model, X, start, ("mean 1", "mean 2"), x, x + 9.6, known=first.maxima)
    assert [maximum.parameters for maximum in again.maxima] == [maximum.parameters for maximum in first.maxima]
    assert sum(maximum.count for maximum in again.maxima) == (again.outcome >= 0).sum()
    assert all((maximum.representative == -1) == (maximum.count == 0) for maximum in again.maxima)


def test_in_two_axes_a_mean_begins_at_points_of_the_data():
    X = DATASETS["three-groups"](0).X
    model = GaussianMixture(2)
    start = model.from_means(X, [[0.0, 2.5], [4.8, 0.0]])
    points = X[::15]
    found = basins_at(model, X, start, 0, points, max_iter=300, tol=1e-8)
    assert len(found.maxima) == 2 and set(np.unique(found.outcome)) >= {0, 1}
    starts = [model.from_means(X, [point, [4.8, 0.0]]) for point in points]
    runs = run_many(model, X, starts, max_iter=300, tol=1e-8)
    np.testing.assert_array_equal(found.n_iterations, runs.n_iterations)
    np.testing.assert_array_equal(found.outcome, distinct(X, runs).outcome)
    grid = basins(model, X, start, ("mean 1, x", "mean 1, y"), points[:2, 0], points[:1, 1], max_iter=300, tol=1e-8)
    assert grid.maxima[grid.outcome[0, 0]].objective == pytest.approx(found.maxima[found.outcome[0]].objective)


def test_starts_are_checked():
    X, model = peaks(100), GaussianMixture(2)
    start = model.from_means(X, [[0.0], [0.0]])
    with pytest.raises(ValueError, match="legal for a start, got mean 1 = 0 and log sd 1 = 800"):
        basins(model, X, start, ("mean 1", "log sd 1"), [0.0], [0.0, 800.0])
    with pytest.raises(ValueError, match="component must be from 0 to 1, got 2"):
        basins_at(model, X, start, 2, X[:3])
    with pytest.raises(ValueError, match="points must have shape"):
        basins_at(model, X, start, 1, [[0.0, 1.0]])
