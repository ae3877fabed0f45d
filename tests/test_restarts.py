"""Many starts at once end like each of them alone, and their distinct maxima are what they are known to be."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from emcore import acceleration, em
from emcore.datasets import DATASETS
from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.restarts import (
    COLLAPSED,
    SADDLE,
    UNFINISHED,
    _leap,
    _rates,
    chance_of_best,
    distinct,
    interval,
    joined,
    run_many,
    stacked,
)
from emcore.starts import start
from tests.reference import load

TYPES = ("full", "tied", "diag", "spherical")


def groups(n_samples, n_features, seed=0):
    """Points in three groups that overlap."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(3, n_features))
    return centres[rng.integers(3, size=n_samples)] + rng.normal(size=(n_samples, n_features))


def starts_of(model, X, n_starts=8, names=("random-points", "random-responsibilities")):
    return [start(name, model, X, seed) for seed in range(n_starts // len(names)) for name in names]


def assert_as_alone(model, X, starts, **stop_rule):
    """Every field of every run is that of `em.run`; returns how the runs stopped."""
    runs = run_many(model, X, starts, **stop_rule)
    assert len(runs) == len(starts) and runs.model == model
    for i, first in enumerate(starts):
        alone = em.run(model, X, first, **stop_rule)
        assert runs.objective[i] == pytest.approx(alone.objective[-1], rel=1e-10)
        assert (runs.n_iterations[i], runs.stopped[i]) == (alone.n_iterations, alone.stopped)
        assert runs.reasons[i] == (alone.reason if alone.stopped == "degenerate" else "")
        ours, theirs = runs.parameters[i], alone.parameters[-1]
        assert ours.covariance_type == model.covariance_type
        if alone.stopped != "degenerate":
            np.testing.assert_allclose(ours.weights, theirs.weights, atol=1e-8)
            np.testing.assert_allclose((ours.means - theirs.means) / theirs.sds, 0, atol=1e-8)
            scale = theirs.sds[:, :, None] * theirs.sds[:, None, :]
            np.testing.assert_allclose((ours.covariances - theirs.covariances) / scale, 0, atol=1e-8)
    return set(runs.stopped)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize(
    ("n_features", "n_components", "tol", "max_iter"),
    [(1, 1, 1e-6, 100), (1, 3, 1e-4, 100), (2, 2, 1e-10, 60), (2, 5, 1e-6, 40), (3, 3, 0.0, 20), (4, 4, 1e-5, 50)],
)
def test_every_run_ends_as_alone(covariance_type, n_features, n_components, tol, max_iter):
    X = groups(150, n_features)
    model = GaussianMixture(n_components, covariance_type)
    assert_as_alone(model, X, starts_of(model, X), max_iter=max_iter, tol=tol)


@pytest.mark.parametrize("name", ["tiny", "duplicates", "outlier", "saddle", "one-takes-all", "tolerance-trap"])
def test_the_hard_presets_end_as_alone(name):
    X = DATASETS[name](0).X
    model = GaussianMixture(DATASETS[name].n_components, DATASETS[name].covariance_type)
    names = ("random-points", "k-means-plus-plus", "poor", "grand-mean")
    assert_as_alone(model, X, starts_of(model, X, 16, names), max_iter=100, tol=1e-6)


def test_collapses_limits_and_convergence_stand_side_by_side():
    X = DATASETS["duplicates"](0).X
    model = GaussianMixture(3)
    starts = starts_of(model, X, 24)
    assert assert_as_alone(model, X, starts, max_iter=40, tol=1e-4) == {"converged", "max_iter", "degenerate"}


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_far_from_the_origin_and_with_a_narrow_group(shift):
    rng = np.random.default_rng(3)
    X = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(5, 1e-3, (60, 2))]) + shift
    model = GaussianMixture(2)
    assert_as_alone(model, X, starts_of(model, X), max_iter=100, tol=1e-6)


def test_more_points_than_a_block_holds_and_densities_that_underflow():
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.normal(m, s, 900) for m, s in ((0, 1), (60, 1), (200, 2))]).reshape(-1, 1)
    model = GaussianMixture(3)
    assert_as_alone(model, X, starts_of(model, X), max_iter=60, tol=1e-6)


def test_equal_components_stay_equal_as_alone():
    """Only rounding could part them, and with it the runs."""
    X = groups(120, 1)
    model = GaussianMixture(3)
    means = np.array([[0.0], [0.0], [2.0]])
    starts = [model.from_means(X, means), model.from_means(X, means[::-1]), model.from_means(X, 0 * means)]
    assert_as_alone(model, X, starts, max_iter=400, tol=0)


def test_forty_restarts_of_the_reference():
    """The reference adds 1e-6 to each covariance in every M-step, and its counts are of that: compared to 1e-4."""
    reference = load("restarts")
    X = np.array(load("gmm_2d_k3")["X"])
    start_at = partial(GaussianMixtureParameters, [1 / 3] * 3, covariances=[reference["cov"]] * 3)
    starts = [start_at(X[run["init_index"]]) for run in reference["runs"]]
    runs = run_many(GaussianMixture(3), X, starts, max_iter=200, tol=1e-6)
    expected = [run["ll_final_params"] for run in reference["runs"]]
    np.testing.assert_allclose(runs.objective, expected, atol=1e-4 * len(X))
    n_iterations = np.array([run["n_iter"] for run in reference["runs"]])
    assert np.median(np.abs(runs.n_iterations - n_iterations)) <= 1


def test_order_and_company_do_not_matter():
    X = groups(150, 2)
    model = GaussianMixture(3)
    starts = starts_of(model, X, 10)
    together = run_many(model, X, starts)
    parts = joined([run_many(model, X, starts[:3]), run_many(model, X, starts[3:])])
    np.testing.assert_allclose(parts.objective, together.objective, rtol=1e-12)
    assert np.array_equal(parts.n_iterations, together.n_iterations)
    assert parts.stopped == together.stopped and len(parts) == 10
    backwards = run_many(model, X, starts[::-1])
    assert np.array_equal(backwards.n_iterations[::-1], together.n_iterations)


def test_results_cannot_be_changed():
    X = groups(60, 1)
    model = GaussianMixture(2)
    runs = run_many(model, X, starts_of(model, X, 2))
    for array in (runs.objective, runs.n_iterations, runs.parameters[0].means, runs.parameters[1].covariances):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_no_start_no_run():
    assert len(run_many(GaussianMixture(2), groups(20, 1), [])) == 0


def test_mistakes_are_named():
    X = groups(60, 2)
    model = GaussianMixture(2)
    legal, other = model.from_means(X, X[:2]), GaussianMixture(3).from_means(X, X[:3])
    with pytest.raises(ValueError, match=r"\(2, 2\), start 2 has \(3, 2\)"):
        run_many(model, X, [legal, other])
    with pytest.raises(ValueError, match="max_iter must be"):
        run_many(model, X, [legal], max_iter=-1)
    with pytest.raises(ValueError, match="tol must be"):
        run_many(model, X, [legal], tol=float("nan"))
    with pytest.raises(ValueError, match="runs of one model"):
        joined([])


# ---- Distinct maxima -------------------------------------------------------------------------------------


def runs_of(name, n_starts=60, max_iter=1000, tol=1e-6, names=("random-points", "random-responsibilities")):
    """Many runs on a preset with its own model."""
    X = DATASETS[name](0).X
    model = GaussianMixture(DATASETS[name].n_components, DATASETS[name].covariance_type)
    return X, run_many(model, X, starts_of(model, X, n_starts, names), max_iter=max_iter, tol=tol)


def assert_books_balance(X, runs, found):
    """What must hold of every answer."""
    assert found.outcome.shape == (len(runs),)
    objectives = [maximum.objective for maximum in found.maxima]
    assert objectives == sorted(objectives, reverse=True)
    for i, maximum in enumerate(found.maxima):
        members = np.flatnonzero(found.outcome == i)
        assert maximum.count == len(members) and maximum.share == pytest.approx(len(members) / len(runs))
        posterior = runs.model.e_step(X, maximum.parameters)
        assert posterior.objective == pytest.approx(maximum.objective, rel=1e-9)
        again = runs.model.m_step(X, posterior)  # it is a fixed point
        np.testing.assert_allclose((again.means - maximum.parameters.means) / maximum.parameters.sds, 0, atol=1e-6)
        if len(members):
            assert runs.objective[members].max() <= maximum.objective + 1e-9 * abs(maximum.objective)
            assert maximum.representative == members[runs.objective[members].argmax()]
    stopped = np.array(runs.stopped)
    assert (found.outcome[stopped == "max_iter"] == UNFINISHED).all()
    assert np.array_equal(found.outcome == COLLAPSED, stopped == "degenerate")


def test_three_groups_and_two_components_have_two_maxima():
    X, runs = runs_of("three-groups")
    found = distinct(X, runs)
    assert_books_balance(X, runs, found)
    assert [maximum.objective for maximum in found.maxima] == pytest.approx([-1218.9639, -1240.3179], abs=1e-3)
    assert sum(maximum.count for maximum in found.maxima) == len(runs)
    for maximum in found.maxima:  # the representative's labels
        end = runs.parameters[maximum.representative]
        np.testing.assert_allclose(maximum.parameters.means, end.means, atol=0.05)


@pytest.mark.parametrize(
    ("name", "n_maxima", "highest"),
    [("old-faithful", 2, -1130.2640), ("three-blobs", 3, -1097.3951), ("heavy-overlap", 1, -958.6048)],
)
def test_known_numbers_of_maxima(name, n_maxima, highest):
    X, runs = runs_of(name, 120)
    found = distinct(X, runs)
    assert_books_balance(X, runs, found)
    assert (len(found.maxima), found.maxima[0].objective) == (n_maxima, pytest.approx(highest, abs=1e-3))


def test_the_ring_has_many_maxima_and_each_is_where_its_representative_goes():
    X, runs = runs_of("ring", 60, max_iter=2000)
    found = distinct(X, runs)
    assert_books_balance(X, runs, found)
    assert len(found.maxima) >= 5
    for maximum in found.maxima:
        on = em.run(runs.model, X, runs.parameters[maximum.representative], max_iter=2000, tol=1e-12)
        assert on.objective[-1] == pytest.approx(maximum.objective, abs=1e-4)


def test_a_loose_tolerance_does_not_make_maxima():
    """The ends lie along a slope, far apart in the log-likelihood; all lead to the same place."""
    X, runs = runs_of("heavy-overlap", 60, tol=1e-5)
    found = distinct(X, runs)
    assert len(found.maxima) == 1
    assert np.ptp(runs.objective[found.outcome == 0]) > 0.01


@pytest.mark.parametrize("covariance_type", TYPES)
def test_relabelled_starts_reach_the_same_maximum(covariance_type):
    X = DATASETS["three-blobs"](0).X
    model = GaussianMixture(3, covariance_type)
    starts = starts_of(model, X, 6, ("random-points",))
    relabelled = [
        GaussianMixtureParameters(s.weights[[2, 0, 1]], s.means[[2, 0, 1]], s.covariances[[2, 0, 1]], covariance_type)
        for s in starts
    ]
    found = distinct(X, run_many(model, X, [*starts, *relabelled], max_iter=1000))
    assert np.array_equal(found.outcome[:6], found.outcome[6:])
    assert (found.outcome >= 0).any()


@pytest.mark.parametrize("name", ["saddle", "twenty-forty", "three-groups"])
def test_from_the_grand_mean_is_a_saddle(name):
    X, runs = runs_of(name, 2, names=("grand-mean", "k-means-plus-plus"))
    found = distinct(X, runs)
    assert found.outcome.tolist() == [SADDLE, 0] and len(found.maxima) == 1


def test_two_equal_components_beside_a_third_are_a_saddle():
    """Of three groups two are found by one component each, and the third component is a copy."""
    X = DATASETS["three-blobs"](0).X
    model = GaussianMixture(3)
    two = em.run(GaussianMixture(2), X, start("k-means", GaussianMixture(2), X, 0), max_iter=5000, tol=1e-13)
    end = two.parameters[-1]
    copied = [0, 1, 1]
    copy = GaussianMixtureParameters(end.weights[copied] * [1, 0.5, 0.5], end.means[copied], end.covariances[copied])
    found = distinct(X, run_many(model, X, [copy]))
    assert found.outcome.tolist() == [SADDLE] and found.maxima == ()


def test_a_run_that_stalls_beside_a_saddle_is_not_counted():
    """Random responsibilities: all means near the grand mean. A loose tolerance stops most runs there, 50 nats low."""
    X, runs = runs_of("saddle", 40, tol=1e-4)
    found = distinct(X, runs)
    assert_books_balance(X, runs, found)
    low = runs.objective < found.maxima[0].objective - 5
    assert low.sum() >= 10 and np.array_equal(found.outcome == SADDLE, low)


def test_a_ridge_of_maxima_is_one_maximum():
    """Tied, and one component too many: how two equal components share their weight makes no difference."""
    X = DATASETS["four-groups"](0).X
    model = GaussianMixture(4, "tied")
    runs = run_many(model, X, starts_of(model, X, 60, ("random-points", "k-means-plus-plus")), max_iter=2000)
    found = distinct(X, runs)
    on_ridge = np.abs(runs.objective + 1396.2466) < 0.03
    assert on_ridge.any()
    assert len(set(found.outcome[on_ridge])) == 1 and found.outcome[on_ridge][0] >= 0


def test_collapsed_and_unfinished_runs_are_classes_of_their_own():
    X, runs = runs_of("duplicates", 40, max_iter=40)
    found = distinct(X, runs)
    assert_books_balance(X, runs, found)
    assert (found.outcome == COLLAPSED).sum() > 5 and (found.outcome == UNFINISHED).sum() > 5
    assert all(runs.reasons[i] for i in np.flatnonzero(found.outcome == COLLAPSED))


@pytest.mark.parametrize(("name", "n_components"), [("duplicates", 3), ("three-blobs", 6)])
def test_runs_that_all_leave_the_batch_on_their_way_on(name, n_components):
    """The one run that converges, by a loose tolerance, is followed to a component too narrow for the batch."""
    X = DATASETS[name](0).X
    model = GaussianMixture(n_components)
    runs = run_many(model, X, [start("random-points", model, X, 0)], tol=0.01)
    assert runs.stopped == ("converged",)
    assert_books_balance(X, runs, distinct(X, runs))


def test_runs_that_all_collapse_have_no_maximum():
    X = DATASETS["tiny"](0).X
    model = GaussianMixture(3)
    runs = run_many(model, X, starts_of(model, X, 10, ("random-points",)), max_iter=200)
    found = distinct(X, runs)
    assert set(found.outcome) == {COLLAPSED} and found.maxima == ()


def test_a_slow_slope_is_followed_to_its_maximum():
    """Rate 0.989, and 1,350 iterations more: no plateau, for gains never grow."""
    X = DATASETS["three-groups"](0).X
    model = GaussianMixture(3)
    found = distinct(X, run_many(model, X, [start("random-points", model, X, 0)], max_iter=1000))
    assert found.outcome.tolist() == [0]
    assert found.maxima[0].objective == pytest.approx(-1235.82754, abs=1e-4)


def test_converged_is_not_finished_where_em_slows_down_all_the_way():
    """What converged by its tolerance alone is UNFINISHED; SADDLE is only what curves upwards or speeds up again."""
    X = DATASETS["three-blobs"](0).X
    model = GaussianMixture(4)
    runs = run_many(model, X, starts_of(model, X, 300, ("random-points",)), max_iter=1000)
    found = distinct(X, runs)
    assert_books_balance(X, runs, found)
    early = np.flatnonzero((found.outcome == UNFINISHED) & (np.array(runs.stopped) == "converged"))
    assert len(early) > 2
    for i in early[:3]:
        assert acceleration.rate(model, X, runs.parameters[i]) < 1
        on = em.run(model, X, runs.parameters[i], max_iter=30, tol=0)
        assert (np.diff(on.objective, 2) < 0).all()


def test_a_saddle_close_to_a_maximum_does_not_swallow_it():
    """They are 4e-5 nats apart: a broad ridge, and from its end EM falls off to a narrow component."""
    X = DATASETS["one-takes-all"](0).X
    model = GaussianMixture(2)
    runs = run_many(model, X, starts_of(model, X, 1000, ("random-points",)), max_iter=1000)
    found = distinct(X, runs)
    assert_books_balance(X, runs, found)
    assert [each.objective for each in found.maxima] == pytest.approx([-422.685546, -423.152243], abs=1e-5)
    assert found.maxima[1].count > 500 and (found.outcome == SADDLE).sum() > 100


def test_a_maximum_too_narrow_for_the_batch_is_judged_alone(monkeypatch):
    X = DATASETS["three-blobs"](0).X
    model = GaussianMixture(5)
    runs = run_many(model, X, starts_of(model, X, 60, ("random-points",)), max_iter=1000)
    found = distinct(X, runs)
    data = model.prepare(X)
    narrow = [m for m in found.maxima if np.isnan(_rates(data, stacked([m.parameters]), model)[0])]
    assert narrow and all(acceleration.rate(model, X, maximum.parameters) < 1 for maximum in narrow)
    monkeypatch.setattr("emcore.restarts._rate_alone", lambda *_: float("nan"))
    unjudged = distinct(X, runs)
    assert len(unjudged.maxima) == len(found.maxima) - len(narrow)


def test_known_maxima_keep_their_place():
    X, runs = runs_of("three-groups", 20)
    first = distinct(X, runs)
    lower = [i for i in range(len(runs)) if first.outcome[i] == 1]
    some = run_many(runs.model, X, [runs.parameters[i] for i in lower])
    found = distinct(X, some, known=first.maxima)
    assert [m.parameters for m in found.maxima] == [m.parameters for m in first.maxima]
    assert [m.count for m in found.maxima] == [0, len(lower)]
    assert found.maxima[0].representative == -1 and set(found.outcome) == {1}
    both = distinct(X, runs, known=first.maxima[1:])
    assert np.array_equal(both.outcome, first.outcome) and len(both.maxima) == 2


def test_maxima_do_not_depend_on_place_and_scale():
    X, runs = runs_of("three-groups", 20)
    found = distinct(X, runs)
    moved = 1e-3 * X + 1e4
    starts = starts_of(runs.model, moved, 20)
    again = distinct(moved, run_many(runs.model, moved, starts, max_iter=1000))
    assert np.array_equal(again.outcome, found.outcome)


def test_one_run_no_run_and_one_component():
    X = groups(50, 2)
    model = GaussianMixture(1)
    found = distinct(X, run_many(model, X, starts_of(model, X, 2)))
    assert found.outcome.tolist() == [0, 0]
    np.testing.assert_allclose(found.maxima[0].parameters.means[0], X.mean(axis=0))
    assert distinct(X, run_many(model, X, [])).maxima == ()


def test_newton_finds_the_top_of_a_flat_maximum():
    """Heavy overlap, rate 0.979: for four digits more EM itself would take 400 iterations."""
    X, runs = runs_of("heavy-overlap", 4, tol=1e-8)
    i = int(runs.objective.argmax())
    top = _leap(runs.model.prepare(X), stacked([runs.parameters[i]]), runs.model)
    moved = runs.model.m_step(X, runs.model.e_step(X, runs.parameters[i]))
    before = np.abs(moved.means - runs.parameters[i].means).max()
    reached = GaussianMixtureParameters(top.weights[0], top.means[0], top.covariances[0])
    after = np.abs(runs.model.m_step(X, runs.model.e_step(X, reached)).means - reached.means).max()
    assert after < 1e-4 * before


# ---- How many restarts are enough ------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "n_restarts"), [(0.3, 5), (1e-12, 1000), (1.0, 3), (0.0, 10), (0.5, 0)])
def test_the_chance_of_the_best(share, n_restarts):
    assert chance_of_best(share, n_restarts) == pytest.approx(binom.sf(0, n_restarts, share), rel=1e-9)


@pytest.mark.parametrize(("count", "n_runs"), [(0, 10), (3, 10), (10, 10), (1, 1000), (500, 1000)])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_of_a_share(count, n_runs, level):
    expected = binomtest(count, n_runs).proportion_ci(level, method="wilson")
    assert interval(count, n_runs, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_chance_has_no_sign():
    assert str(chance_of_best(0.0, 5)) == "0.0" == str(chance_of_best(0.5, 0))


def test_impossible_shares_are_named():
    with pytest.raises(ValueError, match="share must be from 0 to 1"):
        chance_of_best(1.1, 3)
    with pytest.raises(ValueError, match="n_restarts must be"):
        chance_of_best(0.5, -1)
    with pytest.raises(ValueError, match="count must be from 0 to n_runs = 5, got 6"):
        interval(6, 5)
    with pytest.raises(ValueError, match="level must lie between"):
        interval(1, 5, 1.0)
