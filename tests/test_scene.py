"""What pictures draw, against densities, distances and colours computed otherwise."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from emcore.em import run
from emcore.figures import style
from emcore.models import GaussianMixture
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.scene import (
    MAX_POINTS,
    climb,
    contour_lines,
    covering,
    ellipses,
    histogram,
    log_density,
    mix,
    scene,
    shown_rows,
)
from tests.textbook import log_joint


def one_dimensional(n_components=2, max_iter=6, n_samples=200):
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(-2, 0.5, n_samples // 3), rng.normal(3, 1, n_samples - n_samples // 3)])[:, None]
    model = GaussianMixture(n_components)
    return run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=max_iter, tol=0)


def two_dimensional(n_components=3, max_iter=6, n_samples=200):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n_samples, 2)) @ [[1, 0.4], [0, 0.7]] + rng.choice([-3, 0, 3], size=(n_samples, 1))
    model = GaussianMixture(n_components)
    return run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=max_iter, tol=0)


def collapsing():
    """A component that starts on two equal points, narrow, and shrinks onto them."""
    X = np.concatenate([[5.0, 5.0], np.linspace(-1, 1, 40)])[:, None]
    start = GaussianMixtureParameters([0.05, 0.95], [[5.0], [0.0]], [[[0.5]], [[0.5]]])
    return run(GaussianMixture(2), X, start, max_iter=200, tol=0)


def draw(history, **options):
    return scene(history, style.palette(len(history.parameters[0].weights)), **options)


def test_component_curves_are_weighted_densities():
    history = one_dimensional()
    curves = draw(history).curves
    for t, theta in enumerate(history.parameters):
        for k in range(2):
            sd = np.sqrt(theta.covariances[k, 0, 0])
            density = theta.weights[k] * norm.pdf(curves.component_x[t, k], theta.means[k, 0], sd)
            np.testing.assert_allclose(curves.component_y[t, k, 1:-1], density[1:-1], rtol=1e-12)
    assert (curves.component_y[..., [0, -1]] == 0).all(), "lines begin and end on the axis"


def test_sum_is_the_density_of_the_mixture_and_has_area_1():
    history = one_dimensional(n_components=3)
    curves = draw(history).curves
    for t, theta in enumerate(history.parameters):
        sds = np.sqrt(theta.covariances[:, 0, 0])
        density = (theta.weights * norm.pdf(curves.sum_x[t][:, None], theta.means[:, 0], sds)).sum(axis=1)
        np.testing.assert_allclose(curves.sum_y[t], density, rtol=1e-12, atol=1e-300)
        assert (np.diff(curves.sum_x[t]) >= 0).all()
        assert np.trapezoid(curves.sum_y[t], curves.sum_x[t]) == pytest.approx(1, abs=2e-3)


def test_a_component_narrower_than_any_grid_is_still_seen():
    X = np.concatenate([np.linspace(0, 100, 200), 50 + np.linspace(-1e-3, 1e-3, 50)])[:, None]
    start = GaussianMixtureParameters([0.8, 0.2], [[50.0], [50.0]], [[[900.0]], [[1e-6]]])
    curves = draw(run(GaussianMixture(2), X, start, max_iter=0)).curves
    peak = 0.2 * norm.pdf(0, 0, 1e-3)
    assert curves.ceiling < peak, "it has to be cut off"
    assert curves.sum_y[0].max() > curves.ceiling
    assert curves.component_y[0, 1].max() > curves.ceiling


def test_histogram_is_a_density():
    x = one_dimensional().X[:, 0]
    edges, heights = histogram(x)
    assert (heights * np.diff(edges)).sum() == pytest.approx(1, rel=1e-12)
    counts = [((x >= low) & (x < high)).sum() for low, high in itertools.pairwise(edges)]
    counts[-1] += (x == edges[-1]).sum()
    np.testing.assert_allclose(heights * np.diff(edges) * len(x), counts, atol=1e-9)


@pytest.mark.parametrize("x", [[4.0], [4.0] * 9, [0.0, 0.0], [1e9, 1e9 + 1]])
def test_histogram_of_few_or_equal_values(x):
    edges, heights = histogram(np.array(x))
    assert (np.diff(edges) > 0).all()
    assert (heights * np.diff(edges)).sum() == pytest.approx(1, rel=1e-9)


def test_ellipses_lie_at_distance_1_and_2():
    drawn, history = draw(two_dimensional()), two_dimensional()
    for t, theta in enumerate(history.parameters):
        for k in range(3):
            offset = drawn.rings.rings[t, k] - theta.means[k]
            squared = np.einsum("spi,ij,spj->sp", offset, np.linalg.inv(theta.covariances[k]), offset)
            np.testing.assert_allclose(np.sqrt(squared[0]), 1, rtol=1e-9)
            np.testing.assert_allclose(np.sqrt(squared[1]), 2, rtol=1e-9)
    assert (drawn.rings.rings[..., 0, :] == drawn.rings.rings[..., -1, :]).all(), "closed"


def test_a_flat_covariance_has_a_flat_ellipse():
    rings = ellipses(np.zeros((1, 2)), np.array([[[1.0, 1.0], [1.0, 1.0]]]))
    np.testing.assert_allclose(rings[0, 1].max(axis=0), [2, 2])
    np.testing.assert_allclose(rings[0, :, :, 0], rings[0, :, :, 1], atol=1e-12)


@pytest.mark.parametrize("make", [one_dimensional, two_dimensional])
def test_colours_mix_the_responsibilities_as_light(make):
    history = make()
    drawn = draw(history)
    palette = style.palette(drawn.n_components) / 255
    light = np.where(palette <= 0.04045, palette / 12.92, ((palette + 0.055) / 1.055) ** 2.4)
    for t, theta in enumerate(history.parameters):
        joint = log_joint(history.X, theta.weights, theta.means, theta.covariances)
        responsibilities = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
        mixed = responsibilities @ light
        srgb = np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
        assert np.abs(drawn.colours[t].astype(int) - 255 * srgb).max() < 1.01
        assert (drawn.most_likely[t] == responsibilities.argmax(axis=1)).all()


def test_a_certain_point_has_its_components_own_colour():
    palette = style.palette(10)
    assert (mix(np.eye(10), palette) == palette).all()


def test_half_and_half_is_brighter_than_the_mean_of_srgb_levels():
    mixed = mix([0.5, 0.5], np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8))
    assert mixed.tolist() == [188, 188, 188]


def test_few_points_are_all_shown_and_many_a_fixed_choice():
    assert shown_rows(300).tolist() == list(range(300))
    rows = shown_rows(10_000)
    assert len(rows) == len(set(rows.tolist())) == MAX_POINTS
    assert (np.diff(rows) > 0).all() and rows.max() < 10_000
    assert (rows == shown_rows(10_000)).all()


def test_a_choice_of_points_is_said_and_coloured_as_itself():
    history = two_dimensional(n_samples=500)
    drawn = draw(history, max_points=100)
    assert drawn.notes == ("100 of 500 points are drawn; all are used.",)
    assert (drawn.points == history.X[drawn.rows]).all()
    everything = draw(history)
    assert everything.notes == ()
    assert (drawn.colours == everything.colours[:, drawn.rows]).all()


@pytest.mark.parametrize("make", [one_dimensional, two_dimensional, collapsing])
def test_ranges_cover_the_data_and_all_means_that_start_among_them(make):
    history = make()
    drawn = draw(history)
    ranges = [drawn.x_range, drawn.y_range][: drawn.n_features]
    for axis, (low, high) in enumerate(ranges):
        assert low < min(history.X[:, axis].min(), drawn.means[..., axis].min())
        assert high > max(history.X[:, axis].max(), drawn.means[..., axis].max())


@pytest.mark.parametrize("make", [one_dimensional, two_dimensional])
def test_another_start_or_number_of_components_moves_no_axis(make):
    X = make().X
    axes = set()
    for n_components, seed in itertools.product((1, 4), range(3)):
        model = GaussianMixture(n_components)
        drawn = draw(run(model, X, model.initialize(X, np.random.default_rng(seed)), max_iter=20))
        axes.add((drawn.x_range, drawn.y_range, drawn.equal_scale))
    assert len(axes) == 1


def test_a_start_outside_moves_no_axis_and_is_said():
    X = np.linspace(0, 1, 20)[:, None]
    model = GaussianMixture(3)
    inside, one, two = (
        draw(run(model, X, model.from_means(X, means), max_iter=2))
        for means in ([[0.4], [0.5], [0.6]], [[0.4], [30.0], [0.5]], [[-9.0], [0.5], [30.0]])
    )
    assert inside.x_range == one.x_range == two.x_range
    assert inside.notes == ()
    assert one.notes == ("Component 2 starts outside the picture.",)
    assert two.notes == ("Components 1 and 3 start outside the picture.",)


def test_one_dimensional_axes_leave_room_for_the_tails():
    history = one_dimensional(max_iter=50)
    curves = draw(history).curves
    x_range = draw(history).x_range
    outside = (curves.sum_x[-1] < x_range[0]) | (curves.sum_x[-1] > x_range[1])
    assert curves.sum_y[-1][outside].max(initial=0) < 0.02 * curves.sum_y[-1].max()


def test_few_points_have_no_histogram_and_room_for_their_components():
    X = np.array([[1.0], [2.0], [3.0]])
    start = GaussianMixtureParameters([0.5, 0.5], [[1.0], [3.0]], [[[1.0]], [[1.0]]])
    drawn = draw(run(GaussianMixture(2), X, start, max_iter=4, tol=0))
    assert len(drawn.curves.bin_heights) == 0
    assert drawn.x_range[0] < 0 and drawn.x_range[1] > 4
    assert 0.5 * drawn.curves.ceiling < drawn.curves.sum_y.max() < drawn.curves.ceiling


@pytest.mark.parametrize("X", [[[4.0]], [[4.0]] * 30, [[1e9]] * 3])
def test_data_without_spread_show_their_components_in_full(X):
    X = np.array(X)
    model = GaussianMixture(1)
    drawn = draw(run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=0))
    assert drawn.x_range == (X[0, 0] - 3.5, X[0, 0] + 3.5)
    assert len(drawn.curves.bin_heights) == 0
    assert 0.5 * drawn.curves.ceiling < drawn.curves.sum_y.max() < drawn.curves.ceiling


def test_a_narrow_truth_does_not_hide_the_data():
    truth = GaussianMixtureParameters([1.0], [[0.0]], [[[1e-12]]])
    curves = draw(one_dimensional(), truth=truth).curves
    assert curves.bin_heights.max() > 0.25 * curves.ceiling
    assert curves.truth_y.max() <= 1000 * curves.ceiling


@pytest.mark.parametrize("stretch", [0.4, 1, 2.4])
def test_one_scale_has_a_shape_that_screens_have_room_for(stretch):
    history = two_dimensional()
    X = history.X * [stretch, 1]
    drawn = draw(run(history.model, X, history.model.initialize(X, np.random.default_rng(0)), max_iter=1))
    assert drawn.equal_scale
    aspect = np.ptp(drawn.x_range) / np.ptp(drawn.y_range)
    assert 1.3 * (1 - 1e-9) <= aspect <= 1.6 * (1 + 1e-9)


def test_a_collapse_is_cut_off_at_a_ceiling_that_leaves_the_data_in_view():
    history = collapsing()
    assert history.stopped == "degenerate"
    drawn = draw(history)
    curves = drawn.curves
    assert curves.bin_heights.max() > 0.25 * curves.ceiling
    assert drawn.notes == (f"Densities above {curves.ceiling:.3g} are cut off.",)
    for values in (curves.component_x, curves.component_y, curves.sum_x, curves.sum_y):
        assert np.isfinite(values).all()
    assert curves.sum_y.max() <= 1000 * curves.ceiling


def test_a_usual_run_is_not_cut_off():
    drawn = draw(one_dimensional())
    assert drawn.notes == ()
    assert drawn.curves.sum_y.max() <= drawn.curves.ceiling


@pytest.mark.parametrize(("stretch", "equal"), [(1, True), (2, True), (15, False)])
def test_one_scale_for_units_that_are_alike(stretch, equal):
    history = two_dimensional()
    X = history.X * [1, stretch]
    drawn = draw(run(history.model, X, history.model.initialize(X, np.random.default_rng(0)), max_iter=1))
    assert drawn.equal_scale == equal


def test_truth_has_its_own_shapes():
    history = two_dimensional()
    truth = GaussianMixtureParameters([0.5, 0.5], [[-3.0, 0.0], [20.0, 1.0]], np.array([np.eye(2), np.eye(2)]))
    drawn = draw(history, truth=truth)
    assert drawn.rings.truth.shape == (2, *drawn.rings.rings.shape[2:])
    np.testing.assert_allclose(np.linalg.norm(drawn.rings.truth[1, 1] - [20, 1], axis=1), 2)
    assert drawn.x_range[1] > 20
    truth = GaussianMixtureParameters([0.3, 0.7], [[-2.0], [3.0]], [[[0.25]], [[1.0]]])
    curves = draw(one_dimensional(), truth=truth).curves
    density = 0.3 * norm.pdf(curves.truth_x[0], -2, 0.5)
    np.testing.assert_allclose(curves.truth_y[0, 1:-1], density[1:-1], rtol=1e-12)


def test_contour_lines_lie_where_the_density_is_level():
    history = two_dimensional()
    drawn = draw(history)
    lines = contour_lines(drawn, history)
    assert len(lines) == history.n_iterations + 1
    levels = np.linspace(*np.quantile(log_density(drawn.points, history.parameters[-1]), [0.05, 0.95]), 6)
    for t in (0, history.n_iterations):
        theta = history.parameters[t]
        ends = lines[t][~np.isnan(lines[t][:, 0])]
        joint = log_joint(ends, theta.weights, theta.means, theta.covariances)
        density = np.logaddexp.reduce(joint, axis=1)
        off = np.abs(density[:, None] - levels).min(axis=1)
        assert len(ends) > 50 and off.max() < 0.1 and np.median(off) < 0.01
    pieces = lines[-1].reshape(-1, 3, 2)
    assert np.isnan(pieces[:, 2]).all(), "every piece ends with a gap"


@pytest.mark.parametrize("ranges", [{}, {"x_range": (-2.0, 2.0), "y_range": (-30.0, 1.0)}])
def test_contour_lines_end_at_the_edge_of_the_picture_only(ranges):
    history = two_dimensional()
    drawn = draw(history)
    x_range, y_range = ranges.get("x_range", drawn.x_range), ranges.get("y_range", drawn.y_range)
    for line in contour_lines(drawn, history, **ranges):
        ends = line[~np.isnan(line[:, 0])].round(9)
        places, counts = np.unique(ends, axis=0, return_counts=True)
        loose = places[counts % 2 == 1]
        on_edge = np.isclose(loose[:, :1], x_range).any(axis=1) | np.isclose(loose[:, 1:], y_range).any(axis=1)
        assert on_edge.all()


def test_rounding_does_not_fill_a_picture():
    low, high = covering(np.array([-2133.1, -2133.1 + 9e-13]))
    assert high - low == pytest.approx(2 * 2.1331, rel=1e-3)
    assert covering(np.array([5.0])) == (5 - 0.005, 5 + 0.005)
    assert covering(np.array([1.0, np.nan, 2.0])) == pytest.approx((0.94, 2.06))


def climbing(objective):
    """A stand-in for a history: these objectives, and bounds halfway between them."""
    objective = np.array(objective)
    halfway = (objective[:-1] + objective[1:]) / 2
    bounds = np.concatenate([[np.nan, objective[0]], np.column_stack([halfway, objective[1:]]).ravel()])
    return SimpleNamespace(
        objective=objective, lower_bounds=bounds, n_iterations=len(objective) - 1, n_positions=2 * len(objective)
    )


def test_a_first_gain_that_dwarfs_the_rest_leaves_the_picture_of_half_steps():
    history = climbing([-1300, -1100, -1090, -1080, -1070, -1060])
    shown = climb(history, half_steps=True)
    low, high = shown.y_range
    assert low < -1200 < -1060 < high
    assert low > -1300
    assert shown.below.tolist() == [True, True] + 10 * [False]
    assert (shown.heights[:2] > low).all() and (shown.heights[:2] < -1200).all(), "at the lower edge"
    assert shown.heights[2:].tolist() == history.lower_bounds[2:].tolist()
    assert shown.note == "Iteration 0 is below: −1,300.00"


@pytest.mark.parametrize(("objective", "half_steps"), [
    ([-1300, -1100, -1090, -1080, -1070, -1060], False),
    ([-1300, -1100, -1090, -1080, -1070], True),
    ([-1300, -1250, -1200, -1150, -1100, -1050], True),
    ([-1300], True),
])  # fmt: skip
def test_otherwise_the_whole_climb_is_in_the_picture(objective, half_steps):
    history = climbing(objective)
    shown = climb(history, half_steps=half_steps)
    assert shown.y_range[0] < min(objective) <= max(objective) < shown.y_range[1]
    assert not shown.below.any() and shown.note == ""


def test_what_cannot_be_drawn_is_refused_in_words():
    X = np.random.default_rng(0).normal(size=(50, 3))
    model = GaussianMixture(2)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=1)
    with pytest.raises(ValueError, match="1 or 2 features, got 3"):
        draw(history)
    with pytest.raises(ValueError, match="each of 2 components, got 1"):
        scene(one_dimensional(max_iter=0), style.palette(1))
