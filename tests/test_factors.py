"""What a run of factor analysis shows and says: pictures as data, the derivation's numbers, sentences."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from emcore import factors, report, run
from emcore.em import DegenerateFit, History
from emcore.figures.factor_analysis import hidden_figure, loadings_figure, scores_figure, turned_figure
from emcore.models import FactorAnalysis, FactorAnalysisParameters
from emcore.sources.factors import EXAMPLES, FactorSource


@cache
def history(name: str, max_iter: int = 30) -> History:
    example = EXAMPLES[name]
    model, X = FactorAnalysis(example.n_factors, example.equal_noise), FactorSource(name).make().X
    start = model.initialize(X, np.random.default_rng([example.start_seed, 1]))
    return run(model, X, start, max_iter=max_iter, tol=1e-6)


def trace(figure, name: str) -> int:
    return [trace.name for trace in figure.figure.data].index(name)


def hidden(name: str, row: int = 0, **options):
    one = history(name)
    view = factors.view_of(one.X, 310)
    drawn = factors.factor_scene(one, view, EXAMPLES[name].truth)
    chosen = factors.chosen_point(one, row, view)
    return hidden_figure(one, drawn, view, EXAMPLES[name].axes, row=row, chosen=chosen, **options), drawn


# ---- Data -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_the_same_for_the_same_seed(name):
    example, data = EXAMPLES[name], FactorSource(name, 3).make()
    assert data.X.shape == (example.n_samples or 150, len(example.axes))
    assert not data.X.flags.writeable
    assert np.array_equal(data.X, FactorSource(name, 3).make().X)
    assert np.array_equal(data.X, FactorSource(name, 4).make().X) is not example.random


def test_examples_come_from_their_truth():
    for name, example in EXAMPLES.items():
        if example.truth is not None:
            X = np.concatenate([FactorSource(name, seed).make().X for seed in range(60)])
            scale = np.sqrt(np.outer(*2 * [np.diag(example.truth.covariance)]))
            np.testing.assert_allclose(X.mean(axis=0), example.truth.mean, atol=0.4)
            np.testing.assert_allclose(np.cov(X.T) / scale, example.truth.covariance / scale, atol=0.05)


def test_other_names_and_seeds_are_refused():
    with pytest.raises(ValueError, match="must be one of two-examiners"):
        FactorSource("one-examiner")
    with pytest.raises(ValueError, match="seed must be a whole number"):
        FactorSource("irises", -1)


# ---- The picture ------------------------------------------------------------------------------------------


def test_the_hidden_line_goes_through_the_mean_along_the_loadings():
    one = history("two-examiners")
    figure, drawn = hidden("two-examiners")
    theta = one.parameters[4]
    at = figure.at(8)  # the M-step that made theta_4
    line, marks = (at.data[trace(figure, name)] for name in ("Hidden line", "Marks of z"))
    np.testing.assert_allclose([line.x[0], line.y[0]], theta.mean - 3 * theta.loadings[:, 0], rtol=1e-12)
    np.testing.assert_allclose(np.column_stack([marks.x, marks.y])[3], theta.mean + theta.loadings[:, 0], rtol=1e-12)
    ring = drawn.rings[4, 1] - theta.mean
    distance = np.einsum("ni,ij,nj->n", ring, np.linalg.inv(theta.covariance), ring)
    np.testing.assert_allclose(distance, 4, rtol=1e-9)


def test_factors_change_at_e_steps_and_are_drawn_on_the_line_of_the_m_step():
    one = history("two-examiners")
    figure, _ = hidden("two-examiners", row=7)
    for position, q, now in ((5, 2, 2), (6, 2, 3), (7, 3, 3)):
        score = one.posterior(q).means[7]
        place = one.parameters[now].mean + one.parameters[now].loadings @ score
        at = figure.at(position)
        expected, chosen = (at.data[trace(figure, name)] for name in ("Expected places", "Its expected place"))
        np.testing.assert_allclose([expected.x[7], expected.y[7]], place, rtol=1e-12)
        spring = np.column_stack([at.data[trace(figure, "Springs")][axis] for axis in ("x", "y")])[21:24]
        np.testing.assert_allclose(spring, [one.X[7], place, [np.nan, np.nan]], rtol=1e-12)
        np.testing.assert_allclose([chosen.x[0], chosen.y[0]], place, rtol=1e-12)
        span = at.data[trace(figure, "Point 8: z within 1 sd")]
        half = one.parameters[now].loadings[:, 0] * one.posterior(q).sds[0]
        np.testing.assert_allclose([span.x[1] - span.x[0], span.y[1] - span.y[0]], 2 * half, rtol=1e-9)
    assert np.isnan(figure.at(0).data[trace(figure, "Expected places")].x).all()  # nothing is known before


def test_three_variables_are_seen_from_any_side():
    one = history("three-examiners")
    X = one.X
    upright = factors.view_of(X, 0)
    assert upright.turned
    for turn in (0, 90, 310):
        view = factors.view_of(X, turn)
        along = view.axes * X.std(axis=0)
        np.testing.assert_allclose(along @ along.T, np.eye(2), atol=1e-12)
        drawn = factors.factor_scene(one, view)
        for low, high, values in zip(*zip(drawn.x_range, drawn.y_range, strict=True), drawn.points.T, strict=True):
            assert low < values.min() and values.max() < high  # whatever the turn, all points are inside
    assert factors.factor_scene(one, upright).x_range == drawn.x_range
    with pytest.raises(ValueError, match="2 or 3 variables, got 6"):
        factors.view_of(history("six-tests").X)


def test_a_hidden_plane_is_a_grid_and_leaves_an_ellipse_open():
    X = FactorSource("three-examiners").make().X
    model = FactorAnalysis(2, equal_noise=True)
    plane = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=5, tol=0)
    view = factors.view_of(X)
    drawn, chosen = factors.factor_scene(plane, view), factors.chosen_point(plane, 0, view)
    figure = hidden_figure(plane, drawn, view, ("A", "B", "C"), row=0, chosen=chosen, pca=True)
    names = [trace.name for trace in figure.figure.data]
    assert "Hidden plane" in names and "Principal plane" in names
    assert chosen[1].shape[1] > 40 and np.isnan(drawn.lines).any()
    posterior, theta = plane.posterior(5), plane.parameters[5]
    spread = view.axes @ theta.loadings @ posterior.covariance @ theta.loadings.T @ view.axes.T
    ring = chosen[1][11] - view.flat(theta.mean + theta.loadings @ posterior.means[0])
    np.testing.assert_allclose(np.einsum("ni,ij,nj->n", ring, np.linalg.inv(spread), ring), 1, rtol=1e-9)


def test_springs_of_a_long_run_are_those_of_fewer_points(monkeypatch):
    monkeypatch.setattr(factors, "FRAMES", 620)
    one = history("two-examiners", 30)
    drawn = factors.factor_scene(one, factors.view_of(one.X))
    assert len(drawn.points) == 150
    assert len(drawn.followed) == 620 // one.n_positions
    assert drawn.expected.shape == (one.n_positions, len(drawn.followed), 2)


def test_options_of_the_picture():
    figure, _ = hidden("three-examiners", springs=False, pca=True)
    names = [trace.name for trace in figure.figure.data]
    assert "Springs" not in names and "Principal axis" in names and "Truth" in names
    assert figure.clicks == (names.index("Points"),)
    assert list(figure.figure.data[names.index("Names of the axes")].text) == list(EXAMPLES["three-examiners"].axes)


# ---- Loadings and scores ----------------------------------------------------------------------------------


def test_bars_are_correlations_and_texts_noise():
    one, example = history("six-tests"), EXAMPLES["six-tests"]
    truth = factors.aligned(example.truth, one.parameters[-1])
    figure = loadings_figure(one, example.axes, truth=truth)
    theta = one.parameters[3]
    at = figure.at(7)
    bars = at.data[trace(figure, "Factor 2")]
    sds = np.sqrt(np.diag(theta.covariance))
    np.testing.assert_allclose(bars.x[1::3], theta.loadings[:, 1] / sds, rtol=1e-12)
    assert (bars.x[::3] == 0).all() and np.isnan(bars.x[2::3]).all()
    shown = at.data[trace(figure, "Noise")].text
    assert [float(text.removesuffix(" %")) for text in shown] == pytest.approx(100 * theta.noise_shares, abs=0.51)
    assert (factors.correlations(theta) ** 2).sum(axis=1) + theta.noise_shares == pytest.approx(np.ones(6))
    marks = figure.figure.data[trace(figure, "Truth")]
    np.testing.assert_allclose(np.reshape(marks.x, (6, 2)), factors.correlations(truth), rtol=1e-12)


def test_the_truth_is_turned_towards_the_fit_and_stays_itself():
    one, truth = history("six-tests"), EXAMPLES["six-tests"].truth
    turned = factors.aligned(truth, one.parameters[-1])
    np.testing.assert_allclose(turned.covariance, truth.covariance, atol=1e-10)
    far, near = (np.abs(theta.loadings - one.parameters[-1].loadings).max() for theta in (truth, turned))
    assert near < 1.5 < far


def test_scores_are_the_posterior_means():
    for name in ("six-tests", "irises"):
        one = history(name)
        rows, scores, spans = factors.score_places(one, 5)
        figure = scores_figure(one, rows, scores, spans, 5)
        for position in (5, 6):  # after M-step 3 still q_2
            at = figure.at(position)
            np.testing.assert_allclose(at.data[trace(figure, "Points")].x, one.posterior(2).means[rows, 0], rtol=1e-12)
        sd = one.posterior(2).sds[0]
        span = at.data[trace(figure, "Point 6: z within 1 sd")]
        assert max(span.x) - min(span.x) == pytest.approx(2 * sd, rel=0.01)
        dot = at.data[trace(figure, "Its E[z]")]
        np.testing.assert_allclose(dot.x[0], one.posterior(2).means[5, 0], atol=1e-9)
        assert np.isnan(figure.at(0).data[trace(figure, "Points")].x).all()


@pytest.mark.parametrize(("name", "degrees"), [("six-tests", 30), ("two-examiners", 180)])
def test_a_turn_moves_the_bars_and_not_the_likelihood(name, degrees):
    one = history(name)
    made = factors.turned_at(one, one.n_positions - 1, degrees)
    assert np.abs(made.after.loadings - made.before.loadings).max() > 1
    assert made.turned_objective == pytest.approx(made.objective, rel=1e-13)
    assert made.change < 1e-11
    figure = turned_figure(made.before, made.after, EXAMPLES[name].axes)
    after = next(trace for trace in figure.data if trace.name == "Factor 1, turned")
    np.testing.assert_allclose(after.x[1::3], factors.correlations(made.after)[:, 0], rtol=1e-12)
    assert factors.turned(made.before, 0).loadings == pytest.approx(made.before.loadings)


# ---- One step in numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_derivation_adds_up(name):
    one = history(name)
    for position in (0, 1, 2, 5, one.n_positions - 1):
        made = factors.derivation(one, position, 3)
        assert made.iteration == factors.iteration_of(position)
        np.testing.assert_allclose(made.covariance @ made.precision, np.eye(len(made.score)), atol=1e-9)
        np.testing.assert_allclose(made.covariance @ made.vote_sum, made.score, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(
            made.cross_moments @ np.linalg.inv(made.second_moments), made.after.loadings, rtol=1e-8, atol=1e-8
        )
        left = made.left_over.mean() if one.model.equal_noise else made.left_over
        np.testing.assert_allclose(made.after.noise_variances, np.broadcast_to(left, len(made.centred)), rtol=1e-6)
        q = len(made.score)
        np.testing.assert_allclose(made.joint[q:, q:], made.theta.covariance)
        np.testing.assert_allclose(made.joint[:q, q:], made.theta.loadings.T)


def test_without_the_covariance_the_loadings_are_too_large_and_the_noise_too_small():
    made = factors.derivation(history("two-examiners"), 9, 0)
    assert (made.forgetful > made.after.loadings).all()
    assert made.forgetful_noise.mean() < made.after.noise_variances[0]


def test_after_a_collapse_there_is_no_next_step():
    line = np.outer(np.linspace(-1, 1, 20), [1.0, 2.0, -1.0])
    model = FactorAnalysis(1)
    ended = run(model, line, model.initialize(line, np.random.default_rng(0)), max_iter=5000, tol=0)
    assert ended.stopped == "degenerate"
    made = factors.derivation(ended, ended.n_positions - 1, 0)
    assert made.after is None and np.isnan(made.explained).all()
    assert factors.remarks(ended, ("a", "b", "c")) == ()
    assert np.isnan(factors.beside_pca(ended, 1).closed_noise)
    same, model = np.ones((9, 2)), FactorAnalysis(1)
    nowhere = run(model, same, model.initialize(same, np.random.default_rng(0)))
    assert "Variables 1 and 2 do not vary" in nowhere.reason
    assert np.isnan(factors.beside_pca(nowhere, 1).angle)
    with pytest.raises(DegenerateFit):
        factors.beginning("axes", model, line)


# ---- Beginnings, eigenvectors, words ----------------------------------------------------------------------


def test_beginnings():
    X = FactorSource("two-examiners").make().X
    model = FactorAnalysis(1, equal_noise=True)
    assert factors.beginning("random", model, X) is None
    axes = run(model, X, factors.beginning("axes", model, X), max_iter=3, tol=0)
    assert np.ptp(axes.objective) < 1e-9  # nothing is left to gain
    across = run(model, X, factors.beginning("across", model, X), max_iter=6, tol=0)
    assert factors.beside_pca(across, 13).angle == pytest.approx(90, abs=1e-4)
    assert across.objective[-1] < axes.objective[-1] - 10


def test_equal_noise_arrives_at_the_principal_axis_and_own_noise_need_not():
    one = history("two-examiners", 60)
    last = factors.beside_pca(one, one.n_positions - 1)
    assert last.angle < 0.1
    assert last.noise == pytest.approx(last.closed_noise, rel=1e-3)
    assert last.objective == pytest.approx(last.closed_objective, abs=0.01)
    other = history("three-examiners", 300)
    apart = factors.beside_pca(other, other.n_positions - 1)
    assert apart.angle > 25
    assert apart.objective > apart.closed_objective + 50
    truth = EXAMPLES["three-examiners"].truth.loadings.ravel()
    found = other.parameters[-1].loadings.ravel()
    assert found @ truth / np.linalg.norm(found) / np.linalg.norm(truth) > 0.999


def test_captions_have_the_numbers_of_their_half_step():
    one, axes = history("two-examiners"), EXAMPLES["two-examiners"].axes
    said = report.captions(one, factors.factor_words(axes))
    sd = one.posterior(2).sds[0]
    assert f"E-step 2: the factor of every point is known to within an sd of {sd:.2f}, from 1" in said.half_steps[5]
    change = one.parameters[2].loadings[0, 0] - one.parameters[1].loadings[0, 0]
    assert f"M-step 2: the loading of Examiner A moved most, +{change:.2f} to" in said.half_steps[4]
    six = report.captions(history("six-tests"), factors.factor_words(EXAMPLES["six-tests"].axes))
    assert "the factors of every point are known to within sds of 0." in six.half_steps[3]
    assert "loading " in six.half_steps[4] and " of " in six.half_steps[4]
    still = run(one.model, one.X, one.model.principal_axes(one.X), max_iter=1, tol=0)
    assert "no loading moved" in report.captions(still, factors.factor_words(axes)).half_steps[2]


def test_remarks_say_what_the_data_cannot_decide():
    axes = EXAMPLES["irises"].axes
    remarks = factors.remarks(history("irises", 300), axes)
    assert "A Heywood case" in remarks[0] and "Petal length" in remarks[0]
    assert not any("Heywood" in text for text in factors.remarks(history("irises", 2), axes))
    X = FactorSource("two-examiners").make().X
    free = FactorAnalysis(1)
    two = run(free, X, free.initialize(X, np.random.default_rng(0)), max_iter=5)
    assert "2 variables have 3 numbers in their covariance; this model has 4" in factors.remarks(two, ("a", "b"))[0]
    assert factors.remarks(history("two-examiners"), ("a", "b")) == (
        "The factor's sign is free: all loadings times minus 1 fit equally well.",
    )
    assert "Any rotation" in factors.remarks(history("six-tests"), EXAMPLES["six-tests"].axes)[0]


def test_many_fits_are_equally_good_where_there_are_too_many_numbers():
    X = FactorSource("two-examiners").make().X
    model = FactorAnalysis(1)
    ends = [
        run(model, X, model.initialize(X, np.random.default_rng(seed)), max_iter=3000, tol=1e-13) for seed in (0, 1)
    ]
    assert ends[0].objective[-1] == pytest.approx(ends[1].objective[-1], rel=1e-9)
    shares = [end.parameters[-1].noise_shares for end in ends]
    assert np.abs(shares[0] - shares[1]).max() > 0.02


def test_decimals_follow_each_variable_s_spread():
    sds = np.array([1000.0, 9.0, 0.4, 0.004])
    theta = FactorAnalysisParameters(np.zeros(4), sds[:, None] / 2, 0.75 * sds**2)
    assert factors.decimals(theta) == [0, 2, 3, 5]
    assert factors.decimals(FactorAnalysisParameters([0, 0], [[8], [7]], [16, 90])) == [2, 2]
