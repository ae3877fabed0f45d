"""Criteria, held-out points and the bootstrap test: against stored references, first principles and known truths."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from emcore import selection
from emcore.datasets import DATASETS, Group
from emcore.experiment import Experiment, OwnData, PresetData, SyntheticData
from emcore.figures.selection import (
    Curve,
    curves_figure,
    data_figure,
    prediction_figure,
    ratios_figure,
    runs_figure,
)
from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.restarts import run_many
from emcore.selection import CRITERIA, HeldOut
from tests.reference import load

REFERENCE = load("faithful_aic_bic")
FAITHFUL = Experiment(PresetData("old-faithful"), GaussianMixture(2), max_iter=1000, tol=1e-6)


def own(X, n_components=2, covariance_type="full", **options) -> Experiment:
    X = np.asarray(X, dtype=float)
    columns = ("x", "y")[: X.shape[1]]
    model = GaussianMixture(n_components, covariance_type)
    return Experiment(OwnData.of("test", columns, X), model, **options)


@pytest.mark.parametrize("name", sorted(REFERENCE["results"]))
def test_criteria_are_those_of_the_references(name):
    """From the stored starts; the stored log-likelihoods were run until they stood still."""
    case = REFERENCE["results"][name]
    columns, covariance_type, _ = name.split("/")
    start = GaussianMixtureParameters(**case["init"])
    model = GaussianMixture(start.n_components, covariance_type)
    X = REFERENCE["data"][columns]
    runs = run_many(model, X, [start], max_iter=min(case["iterations"], 4000), tol=0)
    found = selection.fits_of(X, runs)
    assert found.n_parameters == case["n_params"]
    assert found.aic[0] == pytest.approx(case["aic"], rel=1e-8)
    assert found.bic[0] == pytest.approx(case["bic"], rel=1e-8)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_the_number_of_parameters_is_that_of_the_coordinates(covariance_type, n_features):
    rng = np.random.default_rng(1)
    for k in (1, 2, 5):
        theta = GaussianMixture(k, covariance_type).initialize(rng.normal(size=(20, n_features)), rng)
        assert selection.n_parameters(k, n_features, covariance_type) == len(theta.to_vector())


def test_icl_is_bic_of_the_most_likely_labels():
    """-2 ln p(X, Z) at the most likely Z, plus the same charge: Biernacki, Celeux & Govaert (2000), by scipy."""
    X = FAITHFUL.dataset().X
    found = selection.fits(selection.candidate(FAITHFUL, 3, "full"), 0, 4)
    for run, theta in enumerate(found.runs.parameters):
        joint = np.array(
            [
                np.log(weight) + multivariate_normal(mean, covariance).logpdf(X)
                for weight, mean, covariance in zip(theta.weights, theta.means, theta.covariances, strict=True)
            ]
        )
        expected = -2 * joint.max(axis=0).sum() + found.n_parameters * math.log(len(X))
        assert found.icl[run] == pytest.approx(expected, rel=1e-10)
    one = selection.fits(selection.candidate(FAITHFUL, 1, "full"), 0, 1)
    assert one.icl[0] == one.bic[0]  # nothing to doubt


def test_a_collapse_has_no_criterion_and_no_part_in_the_choice():
    experiment = Experiment(PresetData("duplicates"), GaussianMixture(3), max_iter=500)
    found = selection.fits(selection.candidate(experiment, 3, "full"), 0, 12)
    gone = np.array([stopped == "degenerate" for stopped in found.runs.stopped])
    assert 0 < gone.sum() == found.n_collapsed < 12
    for name in ("log_likelihood", *CRITERIA):
        assert np.array_equal(np.isnan(getattr(found, name)), gone)
    assert not gone[found.best] and found.log_likelihood[found.best] == found.runs.objective[~gone].max()
    assert any("collapsed" in sentence for sentence in selection.cautions({3: found}))


def test_where_every_run_collapses_nothing_is_chosen():
    experiment = own([[1.0], [1.0], [1.0], [5.0], [5.0], [5.0]], start="k-means", max_iter=200)
    sweep = {k: selection.fits(selection.candidate(experiment, k, "full"), 0, 3) for k in (1, 2)}
    assert sweep[1].best == 0 and sweep[2].best is None
    assert math.isnan(selection.by_components(sweep, "bic")[2])
    assert selection.lowest(selection.by_components(sweep, "bic")).n_components == 1
    assert selection.lowest({2: math.nan}) is None
    assert "For K = 2 every run collapsed" in selection.cautions(sweep)[0]
    assert math.isnan(selection.likelihood_ratio(selection.candidate(experiment, 1, "full"), 3))


def test_runs_are_the_runs_of_their_seeds_in_any_blocks():
    experiment = selection.candidate(FAITHFUL, 4, "diag")
    whole = selection.fits(experiment, 0, 6)
    parts = selection.joined_fits([selection.fits(experiment, 0, 2), selection.fits(experiment, 2, 4)])
    for name in ("log_likelihood", *CRITERIA):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)
    best = whole.best
    alone = replace(experiment, start_seed=best).history()
    assert alone.objective[-1] == pytest.approx(whole.log_likelihood[best], rel=1e-12)


def test_old_faithful_as_the_field_knows_it():
    """Full covariances: BIC chooses two groups, and the likelihood rises with every component."""
    sweep = {k: selection.fits(selection.candidate(FAITHFUL, k, "full"), 0, 20) for k in range(1, 6)}
    assert selection.lowest(selection.by_components(sweep, "bic")).n_components == 2
    assert selection.lowest(selection.by_components(sweep, "icl")).n_components == 2
    heights = list(selection.by_components(sweep, "log_likelihood").values())
    assert heights == sorted(heights)
    assert "rises with every component" in selection.about_likelihood(sweep)
    for k, found in sweep.items():  # as good as ten starts of scikit-learn, whose ridge moves it by less than this
        assert found.value("log_likelihood", found.best) > REFERENCE["sklearn_n_init10_reg1e-6_tol1e-8"][
            f"faithful_2d/full/K={k}"
        ]["ll"] - (0.01 if k < 5 else 2)


def test_the_lesson_s_example_divides_the_criteria():
    """AIC takes too many, BIC the groups that made the points, ICL the clusters; one run for each K misleads BIC."""
    preset = DATASETS["how-many"]
    experiment = Experiment(PresetData("how-many"), GaussianMixture(1), max_iter=preset.max_iter)
    sweep = {k: selection.fits(selection.candidate(experiment, k, "full"), 0, 20) for k in range(1, 9)}
    chosen = {name: selection.lowest(selection.by_components(sweep, name)).n_components for name in CRITERIA}
    assert preset.n_components == experiment.dataset().truth.n_components == chosen["bic"] == 4
    assert chosen["aic"] > 4 > chosen["icl"]
    assert selection.lowest(selection.by_components(sweep, "bic", first_run=True)).n_components != 4
    assert not any(found.n_unfinished or found.best is None for found in sweep.values())


def test_a_fall_of_the_best_likelihood_is_named_as_too_few_runs():
    sweep = {k: selection.fits(selection.candidate(FAITHFUL, k, "full"), 0, 20) for k in (2, 3, 4)}
    poor = replace(sweep[4], log_likelihood=sweep[4].log_likelihood - 100.0)
    said = selection.about_likelihood(sweep | {4: poor})
    assert "falls from K = 3 to 4" in said and "more restarts" in said


def test_one_run_for_each_k_can_choose_another_k():
    sweep = {k: selection.fits(selection.candidate(FAITHFUL, k, "tied"), 0, 20) for k in (2, 3)}
    first, best = (selection.by_components(sweep, "bic", first_run=alone) for alone in (True, False))
    assert selection.lowest(best).n_components == 3 and selection.lowest(first).n_components == 2
    said = selection.about_restarts(sweep)
    assert "BIC would choose K = 2 instead" in said and "At K = 3" in said


def test_shape_and_number_are_chosen_together():
    """As mclust chooses on Old Faithful: one ellipse for all, three components."""
    shapes = ("full", "tied", "diag", "spherical")
    sweeps = {
        shape: {k: selection.fits(selection.candidate(FAITHFUL, k, shape), 0, 10) for k in (1, 2, 3, 4)}
        for shape in shapes
    }
    said = selection.about_shapes(sweeps, "bic")
    assert "**tied, K = 3**: 2,314.3" in said and "Next is tied, K = 4" in said
    assert selection.about_shapes({"full": {}}, "bic") == ""


def test_too_many_components_for_the_points_are_refused_in_a_sentence():
    experiment = own([[1.0], [2.0], [2.0], [3.0]])
    assert selection.why_not(selection.candidate(experiment, 3, "full")) == ""
    said = selection.why_not(selection.candidate(experiment, 4, "full"))
    assert "K = 4" in said and "only 3 distinct points" in said


def test_folds_cover_every_point_once_and_follow_their_seed():
    fold_of = selection.folds(23, 5, seed=3)
    assert sorted(np.bincount(fold_of)) == [4, 4, 5, 5, 5]
    assert np.array_equal(fold_of, selection.folds(23, 5, seed=3))
    assert not np.array_equal(fold_of, selection.folds(23, 5, seed=4))
    for n_folds in (1, 24, 2.5):
        with pytest.raises(ValueError, match="n_folds"):
            selection.folds(23, n_folds)


def test_folds_that_leave_too_few_points_are_refused_in_a_sentence():
    experiment = own(np.random.default_rng(0).normal(size=(12, 2)))
    assert selection.why_no_folds(selection.candidate(experiment, 2, "full"), 2) == ""
    said = selection.why_no_folds(selection.candidate(experiment, 3, "full"), 2)
    assert "there are 6 to fit, and 3 components need 9" in said
    assert selection.why_no_folds(selection.candidate(experiment, 3, "full"), 6) == ""
    assert "13 folds need 13 points" in selection.why_no_folds(experiment, 13)


def test_held_out_points_are_seen_by_no_fit_and_judged_by_scipy():
    experiment = selection.candidate(FAITHFUL, 2, "full")
    X, fold_of = experiment.dataset().X, selection.folds(272, 4, seed=1)
    parts = [selection.held_out(experiment, 4, fold, 3, seed=1) for fold in range(4)]
    whole = selection.together(parts)
    assert np.array_equal(whole.rows, np.arange(272))
    for fold, part in enumerate(parts):
        assert np.array_equal(part.rows, np.flatnonzero(fold_of == fold))
        rest = own(X[fold_of != fold], max_iter=1000)
        best = max((replace(rest, start_seed=seed).history() for seed in range(3)), key=lambda h: h.objective[-1])
        theta = best.parameters[-1]
        densities = [
            weight * multivariate_normal(mean, covariance).pdf(X[part.rows])
            for weight, mean, covariance in zip(theta.weights, theta.means, theta.covariances, strict=True)
        ]
        np.testing.assert_allclose(part.log_densities, np.log(np.sum(densities, axis=0)), rtol=1e-6)
    assert whole.log_likelihood == pytest.approx(sum(part.log_likelihood for part in parts), rel=1e-12)


def test_held_out_likelihood_turns_down_where_the_own_one_rises():
    groups = (Group(60, (0.0, 0.0), ((1, 0), (0, 1))), Group(60, (6.0, 0.0), ((1, 0), (0, 1))))
    experiment = Experiment(SyntheticData(groups, 1), GaussianMixture(1), max_iter=500)
    sums = {
        k: selection.together(
            [selection.held_out(selection.candidate(experiment, k, "full"), 5, f, 5) for f in range(5)]
        )
        for k in (1, 2, 5)
    }
    heights = {k: found.log_likelihood for k, found in sums.items()}
    assert heights[2] > heights[1] + 50 and heights[2] > heights[5] + 10
    assert "**K = 2**" in selection.about_held_out(sums)


def test_a_difference_of_held_out_sums_has_the_error_of_its_points():
    rng = np.random.default_rng(0)
    rows, shared = np.arange(50), rng.normal(scale=100, size=50)
    noise = rng.normal(size=50)
    one, other = HeldOut(rows, shared + noise), HeldOut(rows, shared)
    lost, error = selection.difference(one, other)
    assert lost == pytest.approx(noise.sum())
    assert error == pytest.approx(noise.std(ddof=1) * math.sqrt(50))


def test_a_fold_without_a_fit_makes_the_sum_undefined_and_says_why():
    experiment = own([[0.0]] * 10 + [[1.0]] * 10, start="k-means", max_iter=300)
    experiment = selection.candidate(experiment, 2, "full")
    whole = selection.together([selection.held_out(experiment, 2, fold, 2) for fold in range(2)])
    assert math.isnan(whole.log_likelihood) and "every run collapsed when fold 1 of 2" in whole.reason
    assert selection.about_held_out({2: whole}) == ""


def test_the_bootstrap_knows_one_group_from_two():
    def test_of(*means: float) -> tuple[float, list[float]]:
        groups = tuple(Group(60, (mean,), ((1.0,),)) for mean in means)
        one = Experiment(SyntheticData(groups, 2), GaussianMixture(1), start="k-means", max_iter=300)
        return selection.likelihood_ratio(one, 3), [selection.replicate(one, 3, index) for index in range(19)]

    ratio, replicates = test_of(0.0)
    assert selection.p_value(ratio, replicates) > 0.05 and min(replicates) >= 0
    ratio, replicates = test_of(0.0, 4.0)
    assert selection.p_value(ratio, replicates) == 1 / 20
    assert "the data ask for one component more" in selection.about_test(1, ratio, replicates)


def test_a_few_data_sets_decide_nothing():
    said = {n: selection.about_test(2, 50.0, [1.0] * n) for n in (4, 19)}
    assert "too few" in said[4] and "the data ask for one component more" in said[19]
    assert "little speaks" in selection.about_test(2, 0.5, [1.0] * 4)


def test_p_values_count_the_data_themselves():
    assert selection.p_value(3.0, [1.0, 3.0, 5.0, math.nan]) == pytest.approx(3 / 4)
    assert math.isnan(selection.p_value(math.nan, [1.0]))


def test_drawn_points_come_from_the_mixture():
    theta = GaussianMixtureParameters([0.2, 0.8], [[0, 0], [9, 3]], [[[1, 0.8], [0.8, 1]], [[4, -1], [-1, 2]]])
    X = selection.draw(theta, 40_000, np.random.default_rng(0))
    left = X[:, 0] + X[:, 1] < 5
    assert left.mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_allclose(np.cov(X[left].T), theta.covariances[0], atol=0.15)
    np.testing.assert_allclose(X[~left].mean(axis=0), theta.means[1], atol=0.15)


def test_a_prediction_is_bayes_rule_also_far_from_all_points():
    found = selection.fits(selection.candidate(FAITHFUL, 2, "full"), 0, 5)
    theta = found.runs.parameters[found.best]
    X, places = FAITHFUL.dataset().X, [(3.0, 70.0), (1e5, -1e5)]
    near, far = selection.predict(X, theta, places)
    joint = [
        weight * multivariate_normal(mean, covariance).pdf(places[0])
        for weight, mean, covariance in zip(theta.weights, theta.means, theta.covariances, strict=True)
    ]
    np.testing.assert_allclose(near.responsibilities, np.array(joint) / sum(joint), rtol=1e-10)
    assert near.log_density == pytest.approx(math.log(sum(joint)), rel=1e-10)
    assert 0 < near.rarer < 0.2
    assert far.rarer == 0 and far.responsibilities.sum() == pytest.approx(1)
    assert selection.predict(X, theta, []) == []


def test_uncertainty_is_what_the_most_likely_component_leaves():
    history = replace(FAITHFUL, model=GaussianMixture(3), max_iter=300).history()
    places = [(2.0, 55.0), (3.2, 68.0), (4.5, 80.0)]
    iterations, doubts = selection.uncertainty(history, places, most=10)
    assert iterations[0] == 0 and iterations[-1] == history.n_iterations and 5 <= len(iterations) <= 10
    for t, row in zip(iterations.tolist(), doubts, strict=True):
        shares = [said.responsibilities for said in selection.predict(history.X, history.parameters[t], places)]
        np.testing.assert_allclose(row, 1 - np.max(shares, axis=1), atol=1e-12)
    covered = selection.map_places(history)
    assert (covered.min(axis=0) < history.X.min(axis=0)).all() and (covered.max(axis=0) > history.X.max(axis=0)).all()
    short = replace(FAITHFUL, max_iter=1).history()
    assert selection.uncertainty(short, places)[0].tolist() == [0, 1]


# ---- The pictures, as data --------------------------------------------------------------------------------


def named(figure):
    return {trace.name: trace for trace in figure.data}


def test_every_run_is_a_dot_at_its_own_height_that_says_which_it_is():
    sweep = {k: selection.fits(selection.candidate(FAITHFUL, k, "full"), 0, 6) for k in (1, 2, 3, 4)}
    for criterion in ("log_likelihood", *CRITERIA):
        traces = named(runs_figure(sweep, criterion, shown=(3, 2)))
        dots = traces["Run"]
        assert sorted(map(tuple, dots.customdata)) == [(k, i) for k in sweep for i in range(6)]
        for x, y, (k, i) in zip(dots.x, dots.y, dots.customdata, strict=True):
            assert y == sweep[k].value(criterion, i) and abs(x - k) < 0.5
        assert len(set(zip(dots.x, dots.y, strict=True))) == 24  # none hides another
        expected = [sweep[k].value(criterion, sweep[k].best) for k in sweep]
        assert list(traces["Best run"].y) == expected
        assert list(traces["First run alone"].y) == [sweep[k].value(criterion, 0) for k in sweep]
        at = [tuple(row) for row in dots.customdata].index((3, 2))
        assert (traces["In the player"].x[0], traces["In the player"].y[0]) == (dots.x[at], dots.y[at])


def test_collapsed_and_unfinished_runs_are_told_apart():
    experiment = Experiment(PresetData("duplicates"), GaussianMixture(3), max_iter=30)
    found = selection.fits(selection.candidate(experiment, 3, "full"), 0, 12)
    traces = named(runs_figure({3: found}))
    for name, stopped in (("Run", "converged"), ("Stopped at the limit", "max_iter"), ("Collapsed", "degenerate")):
        expected = [[3, i] for i, why in enumerate(found.runs.stopped) if why == stopped]
        assert [list(row) for row in (traces[name].customdata if name in traces else [])] == expected
    low, _ = runs_figure({3: found}).layout.yaxis.range
    assert all(low < y < np.nanmin(found.log_likelihood) for y in traces["Collapsed"].y)
    with pytest.raises(ValueError, match="one run or more"):
        runs_figure({})


def test_curves_have_a_ring_at_their_lowest_and_lines_at_guess_and_truth():
    values = {1: 30.0, 2: 10.0, 3: math.nan, 4: 12.0}
    figure = curves_figure([Curve("bic", "BIC", values)], guess=1, truth=6)
    traces = named(figure)
    assert list(traces["Lowest BIC"].x) == [2] and list(traces["Lowest BIC"].y) == [10.0]
    np.testing.assert_array_equal(traces["BIC"].y, list(values.values()))
    assert list(traces["Your guess: 1"].x) == [1, 1]
    assert figure.layout.xaxis.range[1] > max(traces["Truth: 6"].x)
    with pytest.raises(ValueError, match="got none"):
        curves_figure([Curve("bic", "BIC", {1: math.nan})])


def test_what_dwarfs_all_others_leaves_the_picture_and_an_arrow_says_so():
    low = {k: 100.0 + abs(k - 3) for k in range(1, 8)} | {1: 900.0}
    far = {k: 5000.0 - k for k in range(1, 8)}
    lines = [Curve("full", "Full", low), Curve("spherical", "Spherical", far)]
    figure = curves_figure(lines, one_criterion=True)
    assert figure.layout.yaxis.range[1] < 900
    assert {note.x for note in figure.layout.annotations} == set(range(1, 8))
    bottom, top = curves_figure(lines).layout.yaxis.range  # another criterion always stays
    assert bottom < 100 and top > 5000
    plain = curves_figure([Curve("bic", "BIC", {1: 120.0, 2: 100.0, 3: 104.0, 4: 110.0})])
    assert plain.layout.yaxis.range[1] > 120 and not plain.layout.annotations


def test_ratios_are_counted_and_the_data_marked():
    ratios = [1.0, 2.0, 2.1, math.nan, 7.0]
    figure = ratios_figure(5.0, ratios)
    bars, line = figure.data
    assert sum(bars.y) == 4 and list(line.x) == [5.0, 5.0]
    for x, count in zip(bars.x, bars.y, strict=True):
        assert count == sum(abs(value - x) <= bars.width / 2 for value in ratios)
    with pytest.raises(ValueError, match="ratio"):
        ratios_figure(5.0, [math.nan])


@pytest.mark.parametrize("preset", ["old-faithful", "waiting-times"])
def test_new_points_are_marked_and_the_map_follows_the_run(preset):
    history = Experiment(PresetData(preset), GaussianMixture(2), max_iter=40).history()
    d = history.X.shape[1]
    new = np.array([[3.0, 70.0], [7.0, 150.0]])[:, -d:]
    places = selection.map_places(history)
    assert places.shape[1] == d
    iterations, doubts = selection.uncertainty(history, places)
    figure = prediction_figure(history, new, places=places, uncertainty=(iterations, doubts))
    assert figure.spots and not figure.drags
    for position in (0, 1, 2, 3, history.n_positions - 1):
        traces = named(figure.at(position))
        sizes = np.asarray(traces["Uncertainty"].marker.size)
        if position == 0:
            assert not sizes.any()
        else:
            ranks = doubts[np.searchsorted(iterations, (position - 1) // 2)]
            assert np.array_equal(np.argsort(sizes), np.argsort(np.sqrt(np.clip(2 * ranks, 0, 1))))
        assert list(traces["New points"].x) == new[:, 0].tolist()
        assert list(traces["New points"].text) == ["<b>1</b>", "<b>2</b>"]
    low, high = figure.figure.layout.xaxis.range
    assert all(low < x < high for x in new[:, 0])  # the picture reaches out for them
    far = prediction_figure(history, 1e6 * new)
    assert far.figure.layout.xaxis.range == prediction_figure(history, []).figure.layout.xaxis.range


def test_the_picture_before_the_guess_holds_the_data_alone():
    for preset in ("old-faithful", "waiting-times"):
        history = Experiment(PresetData(preset), GaussianMixture(1)).history()
        assert {trace.name for trace in data_figure(history).data} <= {"Points", "Histogram"}


def test_with_one_component_every_run_is_the_best():
    one = selection.fits(
        selection.candidate(Experiment(PresetData("waiting-times"), GaussianMixture(2)), 1, "full"), 0, 5
    )
    assert all(one.is_best(run) for run in range(5))
    poor = Experiment(PresetData("three-groups"), GaussianMixture(3), max_iter=300)
    three = selection.fits(selection.candidate(poor, 3, "full"), 0, 10)
    assert three.is_best(three.best) and not all(three.is_best(run) for run in range(10))
