"""Figures as data: what they hold are the history's own numbers, at every position."""

import re
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm

from emcore.em import lower_bound, run
from emcore.figures import style
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.style import Look
from emcore.matching import match
from emcore.models import GaussianMixture, KMeans
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.report import number
from emcore.scene import mix
from tests.test_scene import collapsing, one_dimensional, two_dimensional

LIGHT, DARK = "#ffffff", "#0e1117"  # the grounds of Streamlit's two themes
TRUTH = GaussianMixtureParameters([0.3, 0.7], [[-2.0], [3.0]], [[[0.25]], [[1.0]]])
HISTORIES = [one_dimensional, two_dimensional, collapsing]


def traces(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def trace(figure, name):
    """The first of this name: later ones only make the legend."""
    return traces(figure, name)[0]


def number_of(stepped, name):
    return [trace.name for trace in stepped.figure.data].index(name)


def positions_of(history):
    return sorted({0, 1, 2, 3, history.n_positions - 2, history.n_positions - 1} & set(range(history.n_positions)))


@pytest.mark.parametrize("make", HISTORIES)
def test_means_and_trails_follow_the_parameters(make):
    history = make()
    stepped = mixture_figure(history)
    assert stepped.n_positions == history.n_positions
    for position in positions_of(history):
        figure, t = stepped.at(position), position // 2
        means, ground = trace(figure, "Means"), trace(figure, "Means ground")
        assert (ground.x == means.x).all() and (ground.y == means.y).all()
        assert means.x.tolist() == history.parameters[t].means[:, 0].tolist()
        if means.y.any():
            assert means.y.tolist() == history.parameters[t].means[:, 1].tolist()
        for k in range(history.model.n_components):
            trail = trace(figure, f"Trail {k + 1}")
            assert list(trail.x) == [theta.means[k, 0] for theta in history.parameters[: t + 1]]


@pytest.mark.parametrize("make", [one_dimensional, two_dimensional])
def test_colours_change_at_e_steps_only_and_begin_grey(make):
    history = make()
    stepped = mixture_figure(history)
    palette = style.palette(history.model.n_components)
    for position in positions_of(history):
        points = trace(stepped.at(position), "Points")
        if position == 0:
            assert set(points.marker.color) == {"rgb(128,128,128)"}
            assert set(points.marker.symbol) == {"circle"}
            continue
        responsibilities = history.snapshot(position).posterior.responsibilities
        expected = [f"rgb({r},{g},{b})" for r, g, b in mix(responsibilities, palette).tolist()]
        assert list(points.marker.color) == expected
        symbols = [style.COMPONENT_SYMBOLS[k][0] for k in responsibilities.argmax(axis=1)]
        assert list(points.marker.symbol) == symbols


def test_densities_are_weighted_and_sum_to_1():
    history = one_dimensional()
    stepped = mixture_figure(history)
    for position in positions_of(history):
        figure, theta = stepped.at(position), history.parameters[position // 2]
        sds = np.sqrt(theta.covariances[:, 0, 0])
        for k in range(2):
            curve = trace(figure, f"Component {k + 1}")
            density = theta.weights[k] * norm.pdf(curve.x, theta.means[k, 0], sds[k])
            np.testing.assert_allclose(curve.y[1:-1], density[1:-1], rtol=1e-12)
        total = trace(figure, "Sum of components")
        assert np.trapezoid(total.y, total.x) == pytest.approx(1, abs=2e-3)
    bars = trace(stepped.figure, "Histogram")
    assert (np.array(bars.y) * bars.width).sum() == pytest.approx(1, rel=1e-12)


def test_ellipses_lie_at_1_and_2_sd():
    history = two_dimensional()
    stepped = mixture_figure(history)
    for position in positions_of(history):
        figure, theta = stepped.at(position), history.parameters[position // 2]
        for k in range(3):
            for distance in (1, 2):
                ring = trace(figure, f"Component {k + 1}, {distance} sd")
                offset = np.column_stack([ring.x, ring.y]) - theta.means[k]
                squared = np.einsum("pi,ij,pj->p", offset, np.linalg.inv(theta.covariances[k]), offset)
                np.testing.assert_allclose(squared, distance**2, rtol=1e-9)


@pytest.mark.parametrize(("make", "truth"), [
    (one_dimensional, TRUTH),
    (two_dimensional, GaussianMixtureParameters([1.0], [[0.0, 1.0]], [np.eye(2)])),
])  # fmt: skip
def test_truth_is_dashed_in_the_colour_of_the_component_that_stands_for_it(make, truth):
    assert not traces(mixture_figure(make()).figure, "Truth (dashed)")
    history = make()
    figure = mixture_figure(history, truth=truth).figure
    assert trace(figure, "Truth (dashed)").showlegend
    partners = match(history.parameters[-1], truth)
    for component, true in enumerate(partners.tolist()):
        if true >= 0:
            drawn = trace(figure, f"True component {true + 1}")
            assert drawn.line.dash == "dash"
            assert drawn.line.color == style.COMPONENT_COLOURS[component]


@pytest.mark.parametrize("make", HISTORIES)
def test_means_can_be_dragged_at_the_start_and_points_clicked(make):
    history = make()
    stepped = mixture_figure(history)
    allowed = stepped.drags[number_of(stepped, "Means")]
    assert allowed.tolist() == [position < 2 for position in range(history.n_positions)]
    assert stepped.drag_axes == ("x" if history.X.shape[1] == 1 else "xy")
    assert stepped.clicks == (number_of(stepped, "Points"),)
    assert mixture_figure(history, draggable="never").drags == {}
    assert all(allowed.all() for allowed in mixture_figure(history, draggable="always").drags.values())


@pytest.mark.parametrize("make", HISTORIES)
def test_axes_stay_and_cover_everything(make):
    history = make()
    layout = mixture_figure(history).figure.layout
    assert layout.xaxis.range[0] < history.X[:, 0].min() < history.X[:, 0].max() < layout.xaxis.range[1]
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert layout.height and layout.uirevision
    assert layout.uirevision == mixture_figure(make(), trails=False).figure.layout.uirevision


@pytest.mark.parametrize("make", [one_dimensional, two_dimensional])
def test_another_start_keeps_zoom_and_axes(make):
    X = make().X
    model = GaussianMixture(2)
    layouts = [
        mixture_figure(run(model, X, model.initialize(X, np.random.default_rng(seed)))).figure.layout
        for seed in range(3)
    ]
    assert len({layout.uirevision for layout in layouts}) == 1
    assert len({(layout.xaxis.range, layout.yaxis.range) for layout in layouts}) == 1


def test_one_scale_leaves_the_ranges_alone():
    layout = mixture_figure(two_dimensional()).figure.layout
    assert layout.yaxis.scaleanchor == "x"
    assert layout.xaxis.constrain == layout.yaxis.constrain == "domain"


def test_a_mean_stands_out_from_its_points_on_both_grounds():
    figure = mixture_figure(two_dimensional()).figure
    names = [curve.name for curve in figure.data]
    assert names.index("Means") == names.index("Means ground") + 1
    ground, means = trace(figure, "Means ground").marker, trace(figure, "Means").marker
    assert ground.symbol == means.symbol and ground.line.width > means.line.width
    assert contrast(ground.line.color, LIGHT) > 10 and contrast("#ffffff", DARK) > 10


def test_few_points_have_no_bars():
    X = np.array([[1.0], [2.0], [3.0]])
    model = GaussianMixture(2)
    stepped = mixture_figure(run(model, X, model.from_means(X, [[1.0], [3.0]]), max_iter=2))
    assert not traces(stepped.figure, "Histogram")
    assert stepped.description.startswith("Strip of 3 points")


def test_notes_stand_above_the_plot_and_below_the_legend():
    few, many = (mixture_figure(two_dimensional(n_samples=n, max_iter=1)).figure.layout for n in (100, 2500))
    assert not few.annotations
    (note,) = many.annotations
    assert note.text == "2,000 of 2,500 points are drawn; all are used."
    assert (note.yref, note.y, note.yanchor) == ("paper", 1, "bottom")
    room = (many.legend.y - 1) * 300  # the plotting area is at least as high
    assert many.legend.yanchor == "bottom" and room > 1.2 * note.font.size
    assert many.legend.y > few.legend.y


def test_density_ticks_begin_at_0():
    ticks = mixture_figure(one_dimensional()).figure.layout.yaxis.tickvals
    assert ticks[0] == 0
    assert 3 <= len(ticks) <= 8


def test_a_collapse_is_drawn_and_said():
    history = collapsing()
    figure = mixture_figure(history).at(history.n_positions - 1)
    assert "cut off" in figure.layout.annotations[0].text
    for curve in figure.data:
        if curve.type == "scatter" and curve.mode == "lines":
            assert np.isfinite(np.array(curve.y, dtype=float)).all()


def test_a_run_that_degenerates_at_once_is_drawn():
    X = np.full((12, 2), 3.0)
    model = GaussianMixture(2)
    history = run(model, X, model.from_means(X, [[2.0, 3.0], [4.0, 3.0]]))
    assert history.stopped == "degenerate" and history.n_iterations == 0
    figure = mixture_figure(history).at(1)
    assert trace(figure, "Means").x.tolist() == [2, 4]
    curve = objective_figure(history, half_steps=True)
    assert curve.at(1).layout.yaxis.range[0] < history.objective[0] < curve.at(1).layout.yaxis.range[1]
    assert history.reason in curve.description


@pytest.mark.parametrize("n_components", [1, 10])
@pytest.mark.parametrize("make", [one_dimensional, two_dimensional])
def test_one_component_and_ten(make, n_components):
    history = make(n_components)
    stepped = mixture_figure(history, contours=make is two_dimensional)
    figure = stepped.at(history.n_positions - 1)
    legend = [curve.name for curve in figure.data if curve.showlegend and curve.legendrank]
    assert legend == ["Component 1", *(f"{k + 1}" for k in range(1, n_components))]


def test_more_components_than_colours_are_refused():
    with pytest.raises(ValueError, match="1 to 10"):
        mixture_figure(two_dimensional(11, max_iter=0))


def test_contours_are_there_when_asked_for():
    history = two_dimensional()
    assert not traces(mixture_figure(history).figure, "Density of the mixture")
    stepped = mixture_figure(history, contours=True)
    first, last = (trace(stepped.at(position), "Density of the mixture") for position in (1, history.n_positions - 1))
    assert np.isfinite(np.array(first.x, dtype=float)).sum() > 100
    assert not np.array_equal(first.x, last.x, equal_nan=True)


def test_trails_are_left_out_when_unwanted():
    assert not traces(mixture_figure(two_dimensional(), trails=False).figure, "Trail 1")


def test_names_from_outside_are_text_and_nothing_else():
    history = one_dimensional()
    figure = mixture_figure(history, axes=("<b>%{y}</b> in\n" + "m" * 99,)).figure
    title = figure.layout.xaxis.title.text
    assert "<" not in title and "{" not in title and "\n" not in title and len(title) < 80
    hover = trace(figure, "Points").hovertemplate
    assert re.findall(r"%\{(\w+)", hover) == ["customdata", "x"]


def test_descriptions_say_the_real_numbers():
    history = two_dimensional()
    stepped = mixture_figure(history, axes=("width", "length"))
    low, high = stepped.figure.layout.xaxis.range
    for words in ("200 points", "each of 3 components", "6 iterations", f"width from {number(low)} to {number(high)}"):
        assert words in stepped.description
    said = objective_figure(history).description
    assert f"over 6 iterations, from {number(history.objective[0])} at the start" in said


@pytest.mark.parametrize("make", HISTORIES)
def test_descriptions_do_not_give_away_the_end(make):
    history = make()
    for stepped in (mixture_figure(history), objective_figure(history)):
        assert stepped.description.endswith("The sentence and the tables below follow the slider.")
        assert number(history.objective[-1]) not in stepped.description
        assert history.reason not in stepped.description
        assert "-" not in re.sub("Log-likelihood", "", stepped.description), "minus signs are minus signs"


def test_a_projector_makes_everything_larger():
    history = two_dimensional()
    usual, large = (mixture_figure(history, look=Look(projector)).figure for projector in (False, True))
    assert large.layout.font.size >= 18 and large.layout.xaxis.tickfont.size >= 18
    assert large.layout.legend.font.size >= 18
    for name in ("Points", "Means", "Means ground"):
        assert trace(large, name).marker.size > trace(usual, name).marker.size
    assert trace(large, "Component 1, 1 sd").line.width > trace(usual, "Component 1, 1 sd").line.width


def test_objective_curve_is_the_history_and_bold_so_far():
    history = two_dimensional()
    stepped = objective_figure(history)
    assert stepped.n_positions == history.n_positions
    whole = trace(stepped.figure, "Whole run")
    assert list(whole.y) == history.objective.tolist()
    for position in range(history.n_positions):
        figure, t = stepped.at(position), position // 2
        assert list(trace(figure, "Log-likelihood").y) == history.objective[: t + 1].tolist()
        now = trace(figure, "Now")
        assert (now.x[0], now.y[0]) == (t, history.objective[t])
    low, high = stepped.figure.layout.yaxis.range
    assert low < history.objective.min() and high > history.objective.max()
    assert stepped.figure.layout.yaxis.title.text == "Log-likelihood (nats)"


@pytest.mark.parametrize("projector", [False, True])
@pytest.mark.parametrize("n_iterations", [1, 6, 60])
def test_the_place_is_not_cut_by_the_axes(projector, n_iterations):
    stepped = objective_figure(two_dimensional(max_iter=n_iterations), look=Look(projector))
    low, high = stepped.figure.layout.xaxis.range
    marker = trace(stepped.figure, "Now").marker
    narrowest = 240  # pixels of the plotting area on a phone
    assert -low / (high - low) * narrowest > 0.5 * marker.size
    assert (high - n_iterations) / (high - low) * narrowest > 0.5 * marker.size


def test_a_start_below_the_picture_is_marked_and_said():
    history = two_dimensional(max_iter=30)
    assert history.objective[1] - history.objective[0] > 0.5 * np.ptp(history.objective), "the case in question"
    stepped = objective_figure(history, half_steps=True)
    low, high = stepped.figure.layout.yaxis.range
    for position in range(history.n_positions):
        now = trace(stepped.at(position), "Now")
        assert low < now.y[0] < high
        assert list(now.marker.symbol) == ["triangle-down" if position < 2 else "circle"]
    assert number(history.objective[0]) in stepped.figure.layout.annotations[0].text
    assert not objective_figure(history).figure.layout.annotations


def test_an_objective_that_moves_by_rounding_alone_is_level():
    X = two_dimensional().X
    model = GaussianMixture(3)
    history = run(model, X, model.from_means(X, np.repeat(X.mean(axis=0)[None], 3, axis=0)), max_iter=3, tol=0)
    assert np.ptp(history.objective) < 1e-9
    low, high = objective_figure(history).figure.layout.yaxis.range
    assert high - low > 1e-3 * abs(history.objective[0])


def test_a_click_on_the_curve_jumps_to_the_e_step():
    history = two_dimensional()
    stepped = objective_figure(history, half_steps=True)
    jumps = stepped.jumps[number_of(stepped, "Whole run")]
    assert jumps.tolist() == list(range(1, history.n_positions, 2))
    assert stepped.jumps[number_of(stepped, "Lower bound")].tolist() == list(range(history.n_positions))


def test_lower_bound_is_a_staircase_between_the_iterations():
    history = two_dimensional()
    stepped = objective_figure(history, half_steps=True)
    stairs = trace(stepped.figure, "Lower bound")
    assert list(stairs.x) == [position // 2 for position in range(history.n_positions)]
    assert np.isnan(stairs.y[0]), "the bare start has no bound"
    for position, bound in zip(range(1, history.n_positions), stairs.y[1:], strict=True):
        t = position // 2
        if position % 2:
            assert bound == history.objective[t]
        else:
            q = history.posterior(t - 1)
            assert bound == pytest.approx(lower_bound(history.model, history.X, q, history.parameters[t]), rel=1e-12)
            assert history.objective[t - 1] < bound < history.objective[t]
        figure = stepped.at(position)
        assert len(trace(figure, "Lower bound").x) == position + 1
        if position > 1:
            assert trace(figure, "Now").y[0] == bound


def test_the_last_part_can_be_seen_closely():
    history = two_dimensional(max_iter=20)
    layout = objective_figure(history, since=10).figure.layout
    assert layout.xaxis.range[0] == pytest.approx(10, abs=0.5)
    low, high = layout.yaxis.range
    assert low < history.objective[10] < history.objective[20] < high
    assert high - low < 1.2 * (history.objective[20] - history.objective[10])
    with pytest.raises(ValueError, match="since must be from 0 to 20, got 21"):
        objective_figure(history, since=21)


def test_a_thousand_iterations():
    history = two_dimensional(max_iter=1000)
    assert history.n_iterations == 1000
    stepped = mixture_figure(history)
    assert trace(stepped.at(2001), "Means").x.tolist() == history.parameters[1000].means[:, 0].tolist()
    assert trace(objective_figure(history).figure, "Whole run").mode == "lines", "markers would run together"


def test_the_objective_of_another_model_keeps_its_name():
    X = two_dimensional().X
    model = KMeans(2)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)))
    layout = objective_figure(history).figure.layout
    assert layout.yaxis.title.text == "Minus distortion"


# Colours


def linear(colour):
    srgb = style.rgb(colour) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def oklab(light):
    """Ottosson's (2020) perceptual space: distances in it are about as large as differences look."""
    cones = np.clip(light, 0, 1) @ np.array(
        [[0.4122214708, 0.2119034982, 0.0883024619],
         [0.5363325363, 0.6806995451, 0.2817188376],
         [0.0514459929, 0.1073969566, 0.6299787005]]
    )  # fmt: skip
    return np.cbrt(cones) @ np.array(
        [[0.2104542553, 1.9779984951, 0.0259040371],
         [0.7936177850, -2.4285922050, 0.7827717662],
         [-0.0040720468, 0.4505937099, -0.8086757660]]
    )  # fmt: skip


# Machado, Oliveira & Fernandes (2009), severity 1
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)


def contrast(one, other):
    high, low = sorted((float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [*style.COMPONENT_COLOURS, style.NEUTRAL])
def test_colours_show_on_both_grounds(colour):
    assert contrast(colour, LIGHT) > 2.2
    assert contrast(colour, DARK) > 2.6


@pytest.mark.parametrize("pair", list(combinations(style.COMPONENT_COLOURS, 2)), ids="-".join)
def test_colours_can_be_told_apart_also_under_deuteranopia(pair):
    one, other = (linear(colour) for colour in pair)
    assert np.linalg.norm(oklab(one) - oklab(other)) > 0.14
    assert np.linalg.norm(oklab(DEUTERANOPIA @ one) - oklab(DEUTERANOPIA @ other)) > 0.1


def test_every_component_has_its_own_colour_and_markers():
    for signs in (style.COMPONENT_COLOURS, *zip(*style.COMPONENT_SYMBOLS, strict=True)):
        assert len(set(signs)) == style.MAX_COMPONENTS == 10
