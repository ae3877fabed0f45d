"""What is said of tables with holes: how values are lost, the forgetful fault, other methods, one hole's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from emcore import DegenerateFit, lower_bound, run
from emcore.figures.missing import correlation_figure, holes_figure
from emcore.missing import (
    ForgetfulNormal,
    beginning,
    beside,
    finished,
    first_fall,
    forgetful_limit,
    hole,
    hole_scene,
    rows_with_a_hole,
    summing,
    twelve_profile,
)
from emcore.models import MissingNormal, MissingNormalParameters
from emcore.sources.missing import LOSSES, MECHANISMS, LongEruptions, OwnTable, Twelve, TwoTests


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_as_many_are_lost_as_asked_and_from_the_right_people(loss, mechanism):
    source = TwoTests(2000, 0.5, 0.3, loss, mechanism, seed=3)
    data = source.make()
    missing = np.isnan(data.X)
    assert missing.any(axis=1).sum() == missing.sum() == 600
    assert missing[:, 0].any() == (loss == "either")
    np.testing.assert_array_equal(data.X[~missing], data.whole[~missing])
    np.testing.assert_array_equal(data.whole, TwoTests(2000, 0.5, 0.7, seed=3).make().whole)
    lost = missing[:, 1]
    seen_p, lost_p = (ttest_ind(data.whole[lost, j], data.whole[~missing.any(axis=1), j]).pvalue for j in (0, 1))
    # correlated, so both differ, but the one that decides differs more
    if mechanism == "completely":
        assert min(seen_p, lost_p) > 0.01
    else:
        assert min(seen_p, lost_p) == (seen_p if mechanism == "observed" else lost_p) < 1e-20
    assert data.X.flags.writeable is False and data.truth.correlations[0, 1] == pytest.approx(0.5)


def test_eruptions_are_those_of_the_geyser():
    data = LongEruptions(0.4, "either", "observed", 2).make()
    missing = np.isnan(data.X)
    assert data.whole.shape == (175, 2) and data.whole[:, 0].min() > 3 and data.truth is None
    assert missing.sum() == missing.any(axis=1).sum() == 70 and missing.any(axis=0).all()
    np.testing.assert_array_equal(data.X[~missing], data.whole[~missing])
    with pytest.raises(ValueError, match="share must be from 0"):
        LongEruptions(share=1.0)
    with pytest.raises(ValueError, match="mechanism one of"):
        TwoTests(mechanism="never")


def test_dropping_rows_is_biased_where_em_is_not():
    """With a loss that depends on the value seen; where it depends on the lost value, EM is biased too."""
    errors = {}
    for mechanism in MECHANISMS:
        data = TwoTests(20_000, 0.58, 0.4, "y", mechanism, 1).make()
        model = MissingNormal()
        fit = finished(model, data.X).parameters[-1]
        found = {estimate.name: estimate for estimate in beside(data, fit, None, model)}
        errors[mechanism] = (
            found["Drop every row with a hole"].mean[1],
            found["EM: fill in and keep the variance"].mean[1],
        )
    assert abs(errors["completely"][0]) < 0.03 > abs(errors["completely"][1])
    assert errors["observed"][0] > 0.25 and abs(errors["observed"][1]) < 0.03
    assert min(errors["itself"]) > 0.25


@pytest.mark.parametrize(("correlation", "share"), [(0.58, 0.3), (0.0, 0.3), (-0.8, 0.5)])
def test_forgetting_loses_the_variance_that_the_holes_have(correlation, share):
    """With endless data 1 - share (1 - correlation^2): 0.80 at 30 % and 0.58."""
    source = TwoTests(correlation=correlation, share=share)
    limit = forgetful_limit(source)
    assert limit.covariance[1, 1] == pytest.approx(1 - share * (1 - correlation**2), rel=1e-9)
    assert limit.covariance[0] == pytest.approx([1, correlation], abs=1e-9)
    if (correlation, share) == (0.58, 0.3):
        assert f"{limit.covariance[1, 1]:.2f}" == "0.80"
        much = TwoTests(40_000, correlation, share, seed=2).make()
        model = ForgetfulNormal()
        assert finished(model, much.X).parameters[-1].covariance[1, 1] == pytest.approx(0.80, abs=0.02)


def test_forgetting_with_holes_in_both_columns():
    """A fixed point of the moments: v = 1 - s + s r^2, c = (1 - 2 s) rho + 2 s r, r = c/v, with a share s in each."""
    limit = forgetful_limit(TwoTests(correlation=0.6, share=0.4, loss="either", mechanism="completely"))
    v, c, r = limit.covariance[0, 0], limit.covariance[0, 1], limit.correlations[0, 1]
    assert v == pytest.approx(0.8 + 0.2 * r**2, rel=1e-6) and v < 1
    assert c == pytest.approx(0.6 * 0.6 + 0.4 * r, rel=1e-6) and r > 0.6
    assert forgetful_limit(TwoTests(mechanism="itself")) is None
    assert forgetful_limit(TwoTests(mechanism="observed", loss="either")) is None


def test_the_promise_that_forgetting_breaks():
    """From EM's answer the log-likelihood falls, while Q with the true M-step would not; EM stays where it is."""
    data = TwoTests(seed=114).make()
    model, forgetful = MissingNormal(), ForgetfulNormal()
    best = finished(model, data.X)
    fallen = run(forgetful, data.X, best.parameters[-1], max_iter=20, tol=0)
    assert first_fall(fallen) == 1 and first_fall(best) is None
    assert best.objective[-1] - finished(forgetful, data.X).objective[-1] > 5
    posterior = model.e_step(data.X, best.parameters[-1])
    right, wrong = (
        lower_bound(model, data.X, posterior, each.m_step(data.X, posterior)) for each in (model, forgetful)
    )
    assert wrong < posterior.objective <= right + 1e-9
    np.testing.assert_allclose(finished(forgetful, data.X).parameters[-1].covariance[1, 1], 0.80, atol=0.005)
    np.testing.assert_allclose(best.parameters[-1].covariance[1, 1], 1.00, atol=0.005)


def test_one_hole_in_numbers():
    data = TwoTests(30, seed=4, loss="either").make()
    model = MissingNormal()
    history = run(model, data.X, model.independent(data.X), max_iter=10, tol=0)
    for row in rows_with_a_hole(data.X).tolist():
        one = hole(history, 9, row, data.whole)
        assert one.iteration == 4 and np.isnan(data.X[row, one.missing]) and one.value == data.X[row, one.seen]
        assert one.slope == pytest.approx(one.covariance / one.variance_seen, rel=1e-12)
        assert one.expected == pytest.approx(one.mean_missing + one.slope * (one.value - one.mean_seen), rel=1e-12)
        assert one.variance == pytest.approx(one.variance_missing - one.slope * one.covariance, rel=1e-12)
        assert one.lost == data.whole[row, one.missing]
    sums = summing(history, 9)
    np.testing.assert_allclose(sums.filled + sums.kept, sums.after.covariance, rtol=1e-12)
    assert sums.after is history.parameters[5] and summing(history, 21).after is not None


def test_other_methods_on_twelve_points():
    data, model = Twelve().make(), MissingNormal((0.0, 0.0))
    fit = run(model, data.X, model.initialize(data.X, np.random.default_rng(0)), max_iter=500, tol=0).parameters[-1]
    found = {estimate.name: estimate for estimate in beside(data, fit, None, model)}
    assert found["Drop every row with a hole"].sds == pytest.approx([1, 1]) and data.truth is None
    filled = found["Fill in the mean of the column"]
    assert filled.n_rows == 12 and filled.sds**2 == pytest.approx([20 / 12] * 2) and filled.correlation == 0
    assert found["EM: fill in and keep the variance"].sds ** 2 == pytest.approx([8 / 3] * 2)


def test_the_peaks_of_the_twelve_points():
    """Nothing lies above the curve, and variances 8/3 and 5/2 lie on it."""
    correlations, heights = twelve_profile()
    model, X = MissingNormal((0.0, 0.0)), Twelve().make().X

    def objective(variance, correlation):
        covariance = variance * np.array([[1, correlation], [correlation, 1]])
        return model.e_step(X, MissingNormalParameters([0, 0], covariance, True)).objective

    for k in range(0, len(correlations), 10):
        tried = [objective(variance, correlations[k]) for variance in np.geomspace(1.5, 8, 400)]
        assert heights[k] == pytest.approx(max(tried), abs=2e-3) and heights[k] >= max(tried) - 1e-12
    at = {round(float(correlation), 6): height for correlation, height in zip(correlations, heights, strict=True)}
    assert at[0.5] == pytest.approx(heights.max(), rel=1e-14) == pytest.approx(objective(8 / 3, 0.5), rel=1e-13)
    assert at[0.0] == pytest.approx(objective(5 / 2, 0), rel=1e-13)


def test_beginnings():
    data = TwoTests(seed=1).make()
    model = MissingNormal()
    complete = data.X[~np.isnan(data.X).any(axis=1)]
    np.testing.assert_allclose(beginning("complete", model, data.X).covariance, np.cov(complete.T, bias=True))
    assert beginning("independent", model, data.X).correlations[0, 1] == 0
    assert beginning("random", model, data.X) is None
    with pytest.raises(DegenerateFit, match="Rows without holes: 2"):
        beginning("complete", model, np.array([[1, 2], [2, 4], [np.nan, 3]]))


def test_the_picture_holds_the_run():
    data = TwoTests(2000, share=0.5, loss="either").make()
    model = MissingNormal()
    history = run(model, data.X, model.independent(data.X), max_iter=30, tol=0)
    drawn = hole_scene(history, data)
    assert drawn.filled.shape == (31, len(drawn.holes), 2) and len(drawn.holes) <= 400
    posterior = history.posterior(7)
    np.testing.assert_array_equal(drawn.filled[7], posterior.filled[drawn.holes])
    assert np.isnan(data.X[drawn.holes, drawn.missing]).all()
    np.testing.assert_array_equal(drawn.sds[7], posterior.sds[drawn.holes, drawn.missing])
    assert not np.isnan(data.X[drawn.complete]).any()


def trace(figure, name):
    return next(one for one in figure.data if one.name == name)


def test_the_figure_shows_the_run_s_own_numbers():
    data = TwoTests(60, loss="either", seed=5).make()
    model = MissingNormal()
    history = run(model, data.X, model.independent(data.X), max_iter=6, tol=0)
    drawn = hole_scene(history, data)
    row = int(drawn.holes[3])
    stepped = holes_figure(history, drawn, ("a <b>", "b"), row=row, whole=data.whole, truth=True)
    bare = stepped.at(0)
    assert (
        np.isnan(trace(bare, "Filled in, ± 1 sd").x).all() and np.isnan(trace(bare, f"Density, row {row + 1}").y).all()
    )
    np.testing.assert_array_equal(trace(bare, "Both seen").x, data.X[drawn.complete, 0])
    for position, t, q in ((5, 2, 2), (6, 3, 2)):  # after an M-step the holes are still those of the last E-step
        figure, posterior = stepped.at(position), history.posterior(q)
        filled, bars = trace(figure, "Filled in, ± 1 sd"), trace(figure, "What is left open, 1 sd")
        np.testing.assert_allclose(np.column_stack([filled.x, filled.y]), posterior.filled[drawn.holes])
        ends = np.column_stack([bars.x, bars.y]).reshape(-1, 3, 2)
        assert np.isnan(ends[:, 2]).all()
        half = np.abs(ends[:, 1] - ends[:, 0]) / 2
        np.testing.assert_allclose(half, posterior.sds[drawn.holes], rtol=1e-9)
        assert (trace(figure, "Mean").x[0], trace(figure, "Mean").y[0]) == tuple(history.parameters[t].mean)
        bell = trace(figure, f"Density, row {row + 1}")
        along, across = (bell.x, bell.y) if drawn.missing[3] == 0 else (bell.y, bell.x)
        top = np.argmax(across)
        assert along[top] == pytest.approx(posterior.filled[row, drawn.missing[3]])
        half_way = along[np.abs(across - (across[top] - across[0]) * np.exp(-0.5) - across[0]).argsort()[:2]]
        np.testing.assert_allclose(np.sort(half_way - along[top]) / posterior.sds[row].max(), [-1, 1], atol=0.1)
    names = {one.name for one in holes_figure(history, drawn, ("a", "b"), bars=False).figure.data}
    assert not names & {"What is left open, 1 sd", "Drawn from", "Lost"}
    assert {stepped.figure.data[trace].name for trace in stepped.clicks} == {"Filled in, ± 1 sd", "One seen"}
    assert "&lt;b&gt;" in stepped.figure.layout.xaxis.title.text


def test_the_way_below_the_two_peaks():
    data, model = Twelve().make(), MissingNormal((0.0, 0.0))
    history = run(model, data.X, model.initialize(data.X, np.random.default_rng(4)), max_iter=12, tol=0)
    figure = correlation_figure(history, *twelve_profile()).at(9)
    now, way = trace(figure, "Now"), trace(figure, "Way")
    assert now.x[0] == history.parameters[4].correlations[0, 1] and now.y[0] == history.objective[4]
    assert len(way.x) == 5


def test_own_tables():
    own = OwnTable.of("mine.csv", ("a", "b"), [[1, np.nan], [2, 3]])
    assert own == OwnTable.of("mine.csv", ("a", "b"), [[1, np.nan], [2, 3]]) and hash(own)
    np.testing.assert_array_equal(own.make().X, [[1, np.nan], [2, 3]])
    with pytest.raises(ValueError, match="got none in column 2"):
        OwnTable.of("mine.csv", ("a", "b"), [[1, np.nan], [2, np.nan]])
