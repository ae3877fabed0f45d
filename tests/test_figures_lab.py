"""The lab's figures as data: what they hold are the runs' own numbers."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from emcore import landscape, verdict
from emcore.acceleration import aitken, squarem
from emcore.em import run
from emcore.figures import style
from emcore.figures.landscape import basin_figure, mirror_images, starts_figure, surface_figure
from emcore.figures.maxima import chance_figure, comparison_figure, portraits_figure, strip_figure
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.race import race_objective_figure, race_positions
from emcore.figures.speed import gain_figure, rate_figure
from emcore.models import GaussianMixture
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.report import number
from emcore.restarts import COLLAPSED, SADDLE, UNFINISHED, Maxima, Maximum, Runs, distinct, interval, run_many
from emcore.verdict import WayToStart
from tests.test_figures import DARK, DEUTERANOPIA, LIGHT, contrast, linear, number_of, oklab, trace, traces
from tests.test_scene import two_dimensional

EVERY_SIGN = [*range(style.MAX_MAXIMA + 1), *style.NO_MAXIMUM]


# The palette of maxima


def test_maxima_are_letters_by_height():
    assert [verdict.maximum_name(index) for index in (0, 1, 25, 26, 53)] == ["A", "B", "Z", "A1", "B2"]
    assert [verdict.outcome_label(code) for code in (0, -1, -2, -3)] == ["A", "Saddle", "Not finished", "Collapsed"]


def test_every_outcome_has_its_own_colour_and_symbol():
    colours, symbols = zip(*map(style.outcome_sign, EVERY_SIGN), strict=True)
    assert len(set(colours)) == len(set(symbols)) == len(EVERY_SIGN) == 14
    assert style.outcome_sign(99) == style.outcome_sign(style.MAX_MAXIMA)


@pytest.mark.parametrize("outcome", EVERY_SIGN)
def test_outcomes_show_on_both_grounds(outcome):
    colour, _ = style.outcome_sign(outcome)
    assert contrast(colour, LIGHT) > (2.6 if 0 <= outcome < style.MAX_MAXIMA else 2.2)
    assert contrast(colour, DARK) > 3


def test_the_second_of_two_runs_shows_on_both_grounds_and_apart_from_the_first():
    for colour in (style.SECOND_OBJECTIVE, style.SECOND_BOUND):
        assert min(contrast(colour, LIGHT), contrast(colour, DARK)) > 3.7
    colours = [linear(c) for c in (style.OBJECTIVE, style.BOUND, style.SECOND_OBJECTIVE, style.SECOND_BOUND)]
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(oklab(one) - oklab(other)) > 0.14
        assert np.linalg.norm(oklab(DEUTERANOPIA @ one) - oklab(DEUTERANOPIA @ other)) > 0.1


@pytest.mark.parametrize("outcome", range(style.MAX_MAXIMA))
def test_maxima_can_be_told_apart_also_under_deuteranopia(outcome):
    """From each other, and from the first components, beside which they stand."""
    mine = linear(style.outcome_sign(outcome)[0])
    for other in EVERY_SIGN:
        if other != outcome:
            theirs = linear(style.outcome_sign(other)[0])
            assert np.linalg.norm(oklab(mine) - oklab(theirs)) > (0.14 if 0 <= other < style.MAX_MAXIMA else 0.07)
            if 0 <= other < style.MAX_MAXIMA:
                assert np.linalg.norm(oklab(DEUTERANOPIA @ mine) - oklab(DEUTERANOPIA @ theirs)) > 0.1
    for k, component in enumerate(style.COMPONENT_COLOURS):
        assert np.linalg.norm(oklab(mine) - oklab(linear(component))) > (0.12 if k < 3 else 0.07)


# Two runs


def rivals(iterations=(3, 8)):
    """Two runs of unlike length on the same points."""
    X = two_dimensional().X
    model = GaussianMixture(2)
    starts = [model.initialize(X, np.random.default_rng(seed)) for seed in (1, 5)]
    return [run(model, X, start, max_iter=n, tol=0) for start, n in zip(starts, iterations, strict=True)]


@pytest.mark.parametrize("offset", [0, 4])
@pytest.mark.parametrize("half_steps", [False, True])
def test_each_run_of_a_race_is_its_own_objective_figure(half_steps, offset):
    runs = rivals()
    race = race_objective_figure(*runs, half_steps=half_steps, offset=offset)
    assert race.n_positions == race_positions(*runs, offset) == offset + runs[1].n_positions
    for position in (0, 1, 2, 4, 5, 6, 7, 12, race.n_positions - 1):
        figure = race.at(position)
        for history, name, begin in zip(runs, ("Run 1", "Run 2"), (0, offset), strict=True):
            own = min(max(position - begin, 0), history.n_positions - 1)
            alone = objective_figure(history, half_steps=half_steps).at(own)
            bold, now = trace(figure, name), trace(figure, f"{name}, now")
            assert list(bold.y) == list(trace(alone, "Log-likelihood").y)
            assert list(bold.x) == [begin // 2 + t for t in range(own // 2 + 1)]
            assert now.x[0] == begin // 2 + own // 2
            low, high = figure.layout.yaxis.range
            height = history.objective[own // 2]
            if half_steps:
                height = history.lower_bounds[own] if own else history.objective[0]
                bounds = trace(figure, f"{name}: bound").y
                np.testing.assert_array_equal(bounds, history.lower_bounds[: own + 1])
            assert now.y[0] == height or (height < low < now.y[0] and now.marker.symbol[0] == "triangle-down")
            assert now.y[0] < high


def test_runs_of_a_race_differ_in_more_than_colour():
    figure = race_objective_figure(*rivals()).figure
    one, other = trace(figure, "Run 1"), trace(figure, "Run 2")
    assert one.line.dash != other.line.dash and one.line.color != other.line.color
    assert trace(figure, "Run 1, now").marker.symbol != trace(figure, "Run 2, now").marker.symbol
    assert [curve.name for curve in figure.data if curve.showlegend is not False] == ["Run 1", "Run 2"]


def test_a_click_on_a_curve_of_a_race_jumps_to_its_iteration():
    runs = rivals()
    race = race_objective_figure(*runs, offset=4, half_steps=True)
    assert race.jumps[number_of(race, "Run 1, whole")].tolist() == [1, 3, 5, 7]
    assert race.jumps[number_of(race, "Run 2, whole")].tolist() == list(range(5, race.n_positions, 2))
    assert race.jumps[number_of(race, "Run 2: bound")].tolist() == list(range(4, race.n_positions))


def test_data_panels_step_with_the_race():
    runs = rivals()
    n_positions = race_positions(*runs, 2)
    panels = [mixture_figure(runs[0]).extended(n_positions), mixture_figure(runs[1]).extended(n_positions, 2)]
    assert {panel.n_positions for panel in panels} == {race_objective_figure(*runs, offset=2).n_positions}


def test_a_race_has_one_range_for_both():
    runs = rivals()
    layout = race_objective_figure(*runs).figure.layout
    heights = np.concatenate([history.objective for history in runs])
    assert layout.yaxis.range[0] < heights.min() < heights.max() < layout.yaxis.range[1]
    assert layout.xaxis.range[0] < 0 and layout.xaxis.range[1] > 8
    close = race_objective_figure(*runs, since=6).figure.layout  # only the second run gets as far
    assert 5 < close.xaxis.range[0] < 6
    assert np.ptp(close.yaxis.range) < 1.2 * np.ptp(runs[1].objective[6:])


@pytest.mark.parametrize("half_steps", [False, True])
def test_a_branch_far_off_does_not_flatten_the_race(half_steps):
    runs = rivals((8, 8))
    far = replace(runs[1], objective=np.concatenate([[-1e6], runs[1].objective[1:]]))
    figure = race_objective_figure(runs[0], far, half_steps=half_steps, offset=4).figure
    low, high = figure.layout.yaxis.range
    after = np.concatenate([runs[0].objective[1:], far.objective[1:]])
    assert low < after.min() < after.max() < high and high - low < 2 * np.ptp(after)
    assert f"Run 2 starts below: {number(-1e6)}" in figure.layout.annotations[0].text
    now = trace(figure, "Run 2, now")
    assert low < now.y[0] < high and now.marker.symbol == "triangle-down"


def test_a_race_says_which_run_starts_below_the_picture():
    runs = [two_dimensional(max_iter=30), two_dimensional(max_iter=20)]
    (note,) = race_objective_figure(*runs, half_steps=True, names=("one", "<b>")).figure.layout.annotations
    below = number(runs[0].objective[0])
    assert note.text == f"one starts below: {below}<br>&lt;b&gt; starts below: {below}"


def test_a_race_is_described_without_its_end():
    runs = rivals()
    said = race_objective_figure(*runs, offset=2).description
    assert f"Run 2, 8 iterations from {number(runs[1].objective[0])} at iteration 1." in said
    assert all(number(history.objective[-1]) not in said for history in runs)


@pytest.mark.parametrize(("options", "words"), [
    ({"offset": 3}, "even position of the first run, from 0 to 6, got 3"),
    ({"offset": 8}, "from 0 to 6, got 8"),
    ({"since": 9}, "since must be from 0 to 8, got 9"),
])  # fmt: skip
def test_a_race_says_what_is_wrong(options, words):
    with pytest.raises(ValueError, match=words):
        race_objective_figure(*rivals(), **options)


# Many runs


def mixture(objective, *means):
    """A one-dimensional maximum at this height; its parameters do not belong to any data."""
    n = len(means)
    parameters = GaussianMixtureParameters(np.full(n, 1 / n), np.reshape(means, (n, 1)), np.full((n, 1, 1), 0.25))
    return Maximum(parameters, objective, 0, 0.0, -1)


def ends(*groups):
    """Runs and maxima from rows (outcome, height, count)."""
    outcome = np.repeat([code for code, _, _ in groups], [count for *_, count in groups])
    objective = np.repeat([float(height) for _, height, _ in groups], [count for *_, count in groups])
    heights = {code: float(height) for code, height, _ in groups if code >= 0}
    maxima = tuple(mixture(heights[code], -1.0, code + 1.0) for code in sorted(heights))
    n = len(outcome)
    runs = Runs(
        GaussianMixture(2),
        tuple(maxima[0].parameters for _ in range(n)) if maxima else (None,) * n,
        objective,
        np.arange(n) + 1,
        ("converged",) * n,
        ("",) * n,
    )
    return runs, Maxima(maxima, outcome)


TO_SCALE = ((0, -800, 6), (1, -850, 3), (-1, -900, 1))
CLOSE = ((0, -800.0, 500), (1, -800.001, 300), (2, -1900, 150), (-2, -1000, 40), (-3, 5000.0, 10))


@pytest.mark.parametrize("groups", [TO_SCALE, CLOSE])
def test_every_run_has_one_dot_of_its_outcome(groups):
    runs, maxima = ends(*groups)
    figure = strip_figure(runs, maxima)
    drawn = np.concatenate([dots.customdata for dots in figure.data])
    assert sorted(drawn.tolist()) == list(range(len(runs)))
    for dots, (code, height, count) in zip(figure.data, groups, strict=True):
        assert dots.name == f"{verdict.outcome_label(code)} ({count:,})"
        assert (dots.marker.color, dots.marker.symbol) == style.outcome_sign(code)
        assert (maxima.outcome[dots.customdata] == code).all()
        assert all(number(height, 2)[:4] in text for text in dots.text)
        assert f"Run {dots.customdata[0] + 1}:" in dots.text[0]


@pytest.mark.parametrize("groups", [TO_SCALE, CLOSE, ((0, -5.0, 1),), ((-2, -5.0, 3), (-2, -7.0, 1))])
def test_no_two_dots_lie_on_each_other(groups):
    figure = strip_figure(*ends(*groups))
    places = [place for dots in figure.data for place in zip(dots.x, dots.y, strict=True)]
    assert len(set(places)) == len(places)
    low, high = figure.layout.xaxis.range
    assert low < min(x for x, _ in places) <= max(x for x, _ in places) < high
    assert max(y for _, y in places) < figure.layout.yaxis.range[1]


def test_heights_are_to_scale_where_maxima_can_be_told_apart_so():
    figure = strip_figure(*ends(*TO_SCALE))
    a, b, saddle = (np.mean(dots.x) for dots in figure.data)
    assert a - b == pytest.approx(b - saddle, rel=1e-9)
    assert figure.layout.xaxis.title.text == "Final log-likelihood (nats)"
    assert list(figure.layout.xaxis.ticktext) == [number(-800), number(-850), number(-900)]


def test_maxima_that_lie_close_are_told_apart_and_the_axis_says_that_it_is_stretched():
    figure = strip_figure(*ends(*CLOSE))
    a, b, c, unfinished, collapsed = (np.array(dots.x) for dots in figure.data)
    assert a.min() > b.max() > b.min() > unfinished.mean() > c.max() > c.min() > collapsed.max()
    assert "not to scale" in figure.layout.xaxis.title.text
    assert figure.layout.xaxis.ticktext[0] == number(-800, 3)
    texts = [note.text for note in figure.layout.annotations]
    assert texts == ["<b>A</b>", "<b>B</b>", "<b>C</b>", "collapsed:<br>no height"]
    assert figure.layout.shapes[0].x0 < c.min()


@pytest.mark.parametrize("n_runs", [10, 100, 1000])
def test_piles_stay_below_the_top_and_dots_get_smaller(n_runs):
    figure = strip_figure(*ends((0, -800, n_runs)))
    (dots,) = figure.data
    assert len(set(dots.y)) <= 51
    assert 3 < dots.marker.size <= 11
    assert np.ptp(dots.x) <= 0.5


def test_equal_ends_lie_together_in_a_pile():
    runs, maxima = ends((0, -800, 50), (-2, -800, 30))
    mixed = np.random.default_rng(1).permutation(80)
    a, unfinished = strip_figure(runs, Maxima(maxima.maxima, maxima.outcome[mixed])).data
    assert max(a.y) <= min(unfinished.y)


def letters(figure):
    """Where each letter stands: name -> (x, y)."""
    return {note.text[3:-4]: (note.x, note.y) for note in figure.layout.annotations if note.text.startswith("<b>")}


EQUAL_HEIGHTS = ((0, -800.0, 40), (1, -800.0 - 1e-11, 30), (-2, -800.0, 20))


@pytest.mark.parametrize("groups", [TO_SCALE, CLOSE, EQUAL_HEIGHTS])
def test_each_letter_stands_on_the_pile_of_its_own_runs_and_under_no_others(groups):
    figure = strip_figure(*ends(*groups))
    at = letters(figure)
    assert set(at) == {verdict.maximum_name(code) for code, *_ in groups if code >= 0}
    assert len(figure.layout.xaxis.ticktext[0]) <= len("−800.000"), "no digits for what is rounding"
    room = 0.06 * figure.layout.yaxis.range[1]  # what the letter takes
    for dots, (code, *_) in zip(figure.data, groups, strict=True):
        for name, (x, y) in at.items():
            here = np.array(dots.y)[np.abs(np.array(dots.x) - x) < 0.07]
            if name == verdict.outcome_label(code):
                assert here.max() < y < here.max() + 2
                assert np.mean(dots.x) == pytest.approx(x, abs=0.02)
            else:
                assert all(here > y + room) or all(here < y - room)


def test_runs_that_stop_well_below_their_maximum_keep_their_height_and_their_letter():
    runs, maxima = ends((0, -500, 5), (1, -510, 3), (2, -520, 2))
    runs = replace(runs, objective=runs.objective - np.repeat([0.0, 7.0, 6.0], [5, 3, 2]))
    figure = strip_figure(runs, maxima)
    a, b, c = figure.data
    at = letters(figure)
    for name, dots in zip("ABC", (a, b, c), strict=True):
        assert at[name][0] == pytest.approx(np.mean(dots.x)) and at[name][1] > max(dots.y)
    assert np.mean(a.x) == 1 and np.mean(c.x) == 0
    assert np.mean(b.x) < 1 - 10 / 26  # a run to B, but not at B's height


def test_runs_that_are_not_finished_at_the_height_of_a_maximum_stand_apart_from_its_runs():
    figure = strip_figure(*ends((0, -800, 20), (1, -850, 20), (-2, -850.01, 10), (-1, -850, 5)))
    _, b, saddles, unfinished = figure.data
    x, y = letters(figure)["B"]
    assert x == pytest.approx(np.mean(b.x)) and max(b.y) < y < min(saddles.y) - 1
    assert max(saddles.y) < min(unfinished.y) - 1


@pytest.mark.parametrize("heights", [(-800, -830, -870), (-800, -810, -870), tuple(-800 - 3.0**k for k in range(8))])
def test_every_maximum_has_a_tick_with_its_height(heights):
    figure = strip_figure(*ends(*((code, height, 4) for code, height in enumerate(heights))))
    at = letters(figure)
    ticks = dict(zip(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext, strict=True))
    assert len(ticks) == len(heights)
    for code, height in enumerate(heights):
        place = min(ticks, key=lambda tick: abs(tick - at[verdict.maximum_name(code)][0]))
        assert ticks[place].removeprefix("<br>") == number(height, 2)
    places = np.sort(list(ticks)) / np.ptp(figure.layout.xaxis.range)
    upright = figure.layout.xaxis.tickangle == -90
    in_rows = len({text.startswith("<br>") for text in ticks.values()})
    assert np.min(places[in_rows:] - places[:-in_rows]) > (0.05 if upright else 0.26)


@pytest.mark.parametrize("groups", [((0, -800, 5), (-3, 0, 995)), ((0, -800, 500), (1, -801, 400), (-3, 0, 100))])
def test_dots_do_not_overlap_on_a_tablet(groups):
    figure = strip_figure(*ends(*groups))
    size = np.array([560 / np.ptp(figure.layout.xaxis.range), 300 / np.ptp(figure.layout.yaxis.range)])
    for dots in figure.data:
        places = np.column_stack([dots.x, dots.y]) * size  # in pixels
        nearest = np.sort(np.hypot(*(places[:, None] - places).transpose(2, 0, 1)))[:, 1]
        assert 2.5 < dots.marker.size <= nearest.min() + 1e-9


def test_nothing_but_collapses_and_more_maxima_than_signs():
    lost = strip_figure(*ends((-3, 0.0, 4)))
    assert [dots.name for dots in lost.data] == ["Collapsed (4)"]
    many = strip_figure(*ends(*((code, -800 - code, 2) for code in range(14))))
    assert many.data[-1].name == "Other (8)" and len(many.data) == 11
    assert "maximum N" in many.data[-1].text[-1]


def test_runs_and_outcomes_must_fit():
    runs, maxima = ends(*TO_SCALE)
    with pytest.raises(ValueError, match=r"an outcome for each, got 10 and \(9,\)"):
        strip_figure(runs, Maxima(maxima.maxima, maxima.outcome[1:]))


def test_codes_of_what_is_no_maximum_are_those_of_the_runs():
    names = {SADDLE: "Saddle", UNFINISHED: "Not finished", COLLAPSED: "Collapsed"}
    assert {code: verdict.outcome_label(code) for code in style.NO_MAXIMUM} == names


def three_groups(n_starts=12):
    X = two_dimensional().X
    model = GaussianMixture(2)
    starts = [model.initialize(X, np.random.default_rng(seed)) for seed in range(n_starts)]
    runs = run_many(model, X, starts, max_iter=500)
    return X, runs, distinct(X, runs)


def test_real_runs_can_be_drawn():
    X, runs, maxima = three_groups()
    assert sum(len(dots.x) for dots in strip_figure(runs, maxima).data) == 12
    titles = [note.text for note in portraits_figure(X, maxima.maxima[:6]).layout.annotations]
    assert len(titles) == min(len(maxima.maxima), 6)
    assert titles[0].startswith(f"<b>A</b>  {100 * maxima.maxima[0].share:.0f} %<br>")


def test_portraits_name_share_and_height_and_keep_the_colours_of_the_first():
    first, second = mixture(-10.0, -2.0, 3.0), mixture(-12.5, 3.1, -1.0)  # the same order on the axis, not of labels
    X = np.linspace(-4, 5, 60)[:, None]
    figure = portraits_figure(X, [replace(first, share=0.62), replace(second, share=0.004)], axes=("<b>",))
    assert [note.text for note in figure.layout.annotations] == [
        f"<b>A</b>  62 %<br>{number(-10)}",
        f"<b>B</b>  0.4 %<br>{number(-12.5)}",
    ]
    lines = [(line.xaxis, line.line.color, float(np.mean(line.x))) for line in figure.data if line.type == "scatter"]
    blue, vermilion = style.COMPONENT_COLOURS[:2]
    expected = [("x", blue, -2), ("x", vermilion, 3), ("x2", vermilion, 3.1), ("x2", blue, -1)]
    for got, want in zip(lines, expected, strict=True):
        assert got == (want[0], want[1], pytest.approx(want[2]))
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
    assert figure.layout.xaxis.title.text == "&lt;b&gt;"
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]


def test_portraits_are_six_at_most_with_500_points_each():
    X = np.random.default_rng(0).normal(size=(3000, 2))
    theta = GaussianMixtureParameters([1.0], [[0.0, 0.0]], [np.eye(2)])
    figure = portraits_figure(X, [Maximum(theta, -float(i), 1, 0.1, i) for i in range(9)])
    points = [dots for dots in figure.data if dots.mode == "markers"]
    assert [len(dots.x) for dots in points] == [500] * 6
    assert len({dots.xaxis for dots in points}) == 6
    assert figure.layout.annotations[-1].text == "The 6 highest of 9 maxima"
    all_shown = portraits_figure(X, [Maximum(theta, -float(i), 1, 0.1, i) for i in range(6)])
    assert len(all_shown.layout.annotations) == 6 and all_shown.layout.height < figure.layout.height
    rings = [ring for ring in figure.data if ring.mode == "lines"]
    np.testing.assert_allclose(np.hypot(rings[1].x, rings[1].y), 2)


@pytest.mark.parametrize(("X", "maxima", "words"), [
    (np.zeros((5, 1)), [], "one maximum or more"),
    (np.zeros((5, 3)), [mixture(-1.0, 0.0)], r"1 or 2 columns for a picture, got shape \(5, 3\)"),
])  # fmt: skip
def test_portraits_say_what_is_wrong(X, maxima, words):
    with pytest.raises(ValueError, match=words):
        portraits_figure(X, maxima)


def test_methods_are_compared_by_share_and_interval():
    rows = [
        WayToStart("Random <points>", 200, 50, interval(50, 200), 14.0),
        WayToStart("Grand mean", 10, 0, interval(0, 10), float("nan")),
    ]
    figure = comparison_figure(rows)
    (dots,) = figure.data
    assert list(dots.x) == [25, 0]
    low, high = np.array([row.interval for row in rows]).T * 100
    np.testing.assert_allclose(dots.x + dots.error_x.array, high)
    np.testing.assert_allclose(dots.x - dots.error_x.arrayminus, low, atol=1e-12)
    assert dots.y[0] > dots.y[1]
    assert [note.text for note in figure.layout.annotations] == [
        "<b>Random &lt;points&gt;</b>  50 of 200, median 14 iterations",
        "<b>Grand mean</b>  0 of 10",
    ]
    with pytest.raises(ValueError, match="one row or more"):
        comparison_figure([])


@pytest.mark.parametrize(("reached", "words"), [(1, "one run, reaches it"), (0, "one run, does not reach it")])
def test_a_way_to_start_with_one_run_has_no_interval(reached, words):
    rows = [WayToStart("Random points", 10, 5, interval(5, 10), 14.0)]
    rows += [WayToStart("Grand mean", 1, reached, interval(reached, 1), 1.0)]
    figure = comparison_figure(rows)
    (dots,) = figure.data
    assert dots.x[1] == 100 * reached
    assert dots.error_x.array[1] == dots.error_x.arrayminus[1] == 0 < dots.error_x.array[0]
    assert "between" in dots.text[0] and "between" not in dots.text[1]
    assert figure.layout.annotations[1].text == f"<b>Grand mean</b>  {words}, 1 iteration"


@pytest.mark.parametrize("share", [0.0, 0.003, 0.62, 1.0])
@pytest.mark.parametrize("n_restarts", [1, 20, 3000])
def test_the_chance_of_the_best_is_the_curve(share, n_restarts):
    figure = chance_figure(share, (share / 2, (1 + share) / 2), n_restarts)
    band, curve, mark = figure.data
    for counts, percent in ((curve.x, curve.y), (mark.x, mark.y)):
        for count, chance in zip(counts, percent, strict=True):
            assert chance == pytest.approx(100 * (1 - (1 - share) ** int(count)), abs=1e-9)
    assert mark.x[0] == n_restarts
    assert curve.x[0] == 1 and curve.x[-1] >= n_restarts
    assert figure.layout.xaxis.range[1] > n_restarts
    n = len(curve.x)
    np.testing.assert_allclose(band.y[:n], 100 * (1 - (1 - (1 + share) / 2) ** np.array(curve.x, dtype=float)))
    assert (np.array(band.y[:n]) >= curve.y).all() and (band.y[n:][::-1] <= np.array(curve.y)).all()


@pytest.mark.parametrize(("share", "interval", "n", "words"), [
    (0.5, (0.6, 0.7), 3, "must ascend from 0 to 1"),
    (0.5, (0.4, 1.2), 3, "must ascend from 0 to 1"),
    (0.5, (0.4, 0.6), 0, "n_restarts must be 1 or more"),
])  # fmt: skip
def test_chances_say_what_is_wrong(share, interval, n, words):
    with pytest.raises(ValueError, match=words):
        chance_figure(share, interval, n)


# Speed


def slow(max_iter=40, gap=1.5):
    """A run that creeps: two components that overlap; the less, the wider the gap between them."""
    X = np.random.default_rng(3).normal(size=(150, 1)) + np.repeat([0.0, gap], 75)[:, None]
    model = GaussianMixture(2)
    return run(model, X, model.from_means(X, [[-1.0], [2.0]]), max_iter=max_iter, tol=0)


def ended():
    """A run that goes on after its gains have sunk into rounding."""
    X = np.concatenate([np.linspace(-1, 1, 30), np.linspace(99, 101, 30)])[:, None]
    model = GaussianMixture(2)
    return run(model, X, model.from_means(X, [[10.0], [80.0]]), max_iter=12, tol=0)


def known(trace):
    """The points of a line that are not gaps, as iteration -> height."""
    return {int(x): float(y) for x, y in zip(trace.x, trace.y, strict=True) if np.isfinite(y)}


def test_gains_are_those_of_the_run_per_point_and_grow_with_it():
    history = slow()
    stepped = gain_figure(history, aitken(history))
    assert stepped.n_positions == history.n_positions
    expected = {t: history.objective[t] - history.objective[t - 1] for t in range(1, 41)}
    for position in (0, 1, 2, 17, 40, history.n_positions - 1):
        t = position // 2
        gain = known(trace(stepped.at(position), "Gain"))
        assert gain == pytest.approx({s: g / 150 for s, g in expected.items() if s <= t})
        now = trace(stepped.at(position), "Now")
        assert now.x[0] == t
        assert now.y[0] == (pytest.approx(expected[t] / 150) if t else now.y[0])
        assert list(now.marker.symbol) == ["circle" if t else "triangle-down"]
    layout = stepped.figure.layout
    assert layout.yaxis.type == "log" and layout.yaxis.title.text == "Gain per point (nats)"
    low, high = 10.0 ** np.array(layout.yaxis.range)
    assert low < min(expected.values()) / 150 < max(expected.values()) / 150 < high
    assert low < trace(stepped.at(0), "Now").y[0] < high
    assert not layout.annotations


def test_what_is_missing_is_solid_where_the_forecast_is_trusted():
    history = slow(60, gap=3.0)
    forecast = aitken(history)
    assert forecast.trusted.any() and not forecast.trusted.all()
    figure = gain_figure(history, forecast).at(history.n_positions - 1)
    trusted, other = trace(figure, "Still missing"), trace(figure, "Not trusted")
    assert other.line.dash == "dot" and trusted.line.dash == "solid"
    assert set(known(trusted)) <= set(np.flatnonzero(forecast.trusted).tolist())
    assert not set(known(other)) & set(np.flatnonzero(forecast.trusted).tolist())
    for t, missing in {**known(trusted), **known(other)}.items():
        assert missing == pytest.approx(forecast.gaps[t] / history.n_samples)


def test_gains_of_rounding_size_are_left_out_and_counted():
    history = ended()
    stepped = gain_figure(history, aitken(history))
    gain = known(trace(stepped.at(history.n_positions - 1), "Gain"))
    (note,) = stepped.figure.layout.annotations
    assert len(gain) < 12
    assert note.text == f"{12 - len(gain)} gains of rounding size or below left out"
    assert min(gain.values()) > 1e-13


def test_the_tolerance_is_a_line_with_its_number():
    history = slow()
    figure = gain_figure(history, aitken(history), tol=1e-6).figure
    assert set(trace(figure, "Tolerance").y) == {1e-6}
    (note,) = figure.layout.annotations
    assert note.text == "tolerance 1e−6" and note.y == pytest.approx(-6)
    assert note.xanchor == "left", "the curve ends at the right, near the tolerance"
    rising = replace(history, objective=history.objective[-1] - history.objective[::-1] + history.objective[0])
    (note,) = gain_figure(rising, aitken(history), tol=1e-6).figure.layout.annotations
    assert note.xanchor == "right", "this one begins near it"
    assert figure.layout.yaxis.range[0] < -6


def test_squarem_is_counted_in_em_steps():
    history = slow()
    fast = squarem(history.model, history.X, history.parameters[0], max_iter=40, tol=1e-9)
    figure = gain_figure(history, aitken(history), accelerated=fast).figure
    drawn = trace(figure, "SQUAREM")
    assert list(drawn.x) == fast.em_steps[1:].tolist()
    total = np.nansum(np.array(drawn.y) * np.diff(fast.em_steps)) * 150
    assert total == pytest.approx(fast.history.objective[-1] - fast.history.objective[0])
    assert figure.layout.xaxis.title.text == "EM steps"
    assert drawn.line.dash != trace(figure, "Gain").line.dash


def test_rates_are_the_forecasts_and_solid_where_trusted():
    history = slow(60, gap=3.0)
    forecast = aitken(history)
    stepped = rate_figure(history, forecast)
    for position in (1, 40, history.n_positions - 1):
        figure = stepped.at(position)
        drawn = {name: known(trace(figure, name)) for name in ("Rate", "Not trusted")}
        for name, rates in drawn.items():
            for t, rate in rates.items():
                assert t <= position // 2
                assert rate == pytest.approx(np.clip(forecast.rates[t], 0, 1.5))
                assert forecast.trusted[t] == (name == "Rate")
    assert len(drawn["Rate"]) + len(drawn["Not trusted"]) == np.isfinite(forecast.rates).sum()
    assert stepped.jumps[0].tolist() == list(range(1, history.n_positions, 2))


def test_the_legends_of_both_plots_have_one_order():
    history = slow(60, gap=3.0)
    forecast = aitken(history)
    for make, names in (
        (gain_figure, ["Gain", "Still missing", "Not trusted"]),
        (rate_figure, ["Rate", "Not trusted"]),
    ):
        assert [drawn.name for drawn in make(history, forecast).figure.data if drawn.showlegend is not False] == names


def test_rates_far_above_1_are_drawn_at_the_top_and_counted():
    history = slow(20)
    forecast = aitken(history)
    rates = np.where(np.arange(21) == 5, 7.0, forecast.rates)
    figure = rate_figure(history, replace(forecast, rates=rates)).figure
    assert known(trace(figure, "Rate, whole run"))[5] == 1.5 < figure.layout.yaxis.range[1]
    assert [note.text for note in figure.layout.annotations] == ["1 above 1.5 drawn at the top"]


@pytest.mark.parametrize("make", [gain_figure, rate_figure])
def test_a_run_that_stands_still_has_a_picture(make):
    X = two_dimensional().X
    model = GaussianMixture(2)
    history = run(model, X, model.from_means(X, np.repeat(X.mean(axis=0)[None], 2, axis=0)), max_iter=1, tol=0)
    stepped = make(history, aitken(history))
    for position in range(history.n_positions):
        now = trace(stepped.at(position), "Now")
        assert list(now.marker.symbol) == ["triangle-down"]
    assert np.isfinite(stepped.figure.layout.yaxis.range).all()


@pytest.mark.parametrize("make", [gain_figure, rate_figure])
def test_a_forecast_belongs_to_its_run(make):
    with pytest.raises(ValueError, match="forecast must be of this run: 6 iterations with the start, got 9"):
        make(slow(5), aitken(slow(8)))


# The landscape

MEANS = ("mean 1", "mean 2")
PLACE = ("mean 1, x", "mean 1, y")
GRID = np.linspace(-5.0, 6.0, 23)
# what a distinct number of cells reaches: A twice as often as B, and a band of saddles
OUTCOME = np.select([np.abs(GRID[:, None] - GRID) < 1, GRID[:, None] + GRID < 3], [SADDLE, 0], 1)


def peaks(max_iter=12):
    X = np.concatenate([np.linspace(-4, -2, 30), np.linspace(0, 1, 30), np.linspace(4, 5, 30)])[:, None]
    model = GaussianMixture(2)
    return run(model, X, model.from_means(X, [[-1.0], [2.0]]), max_iter=max_iter, tol=0)


def surface_of(history, names=MEANS, x=GRID, y=GRID[::2]):
    return landscape.surface(history.model, history.X, history.parameters[-1], names, x, y)


def made_basins(outcome=OUTCOME, names=MEANS):
    maxima = (mixture(-500.0, -3.0, 2.0), mixture(-510.0, 0.0, 4.0))
    if names == PLACE:
        theta = GaussianMixtureParameters([0.5, 0.5], [[-3.0, 1.0], [2.0, 2.0]], [np.eye(2)] * 2)
        maxima = (replace(maxima[0], parameters=theta),)
    steps = np.arange(outcome.size).reshape(outcome.shape)
    return landscape.Basins(names, GRID[: outcome.shape[1]], GRID[: outcome.shape[0]], outcome, steps, maxima, 0, 0)


def drawings(history):
    """Each kind of picture with the path of this run."""
    if history.X.shape[1] == 1:
        return [surface_figure(surface_of(history), history), basin_figure(made_basins(), history)]
    surface = surface_of(history, PLACE)
    basins = made_basins(names=PLACE)
    starts = starts_figure(history.X, np.zeros(len(history.X), dtype=int), history)
    return [surface_figure(surface, history), basin_figure(basins, history), starts]


@pytest.mark.parametrize(("make", "names"), [(peaks, MEANS), (two_dimensional, PLACE)])
def test_the_path_grows_with_the_position_and_clicks_anywhere_are_reported(make, names):
    history = make()
    steps = landscape.path(history, names)
    for stepped in drawings(history):
        assert stepped.n_positions == history.n_positions
        assert stepped.spots
        for position in (0, 1, 2, 7, history.n_positions - 1):
            figure, t = stepped.at(position), position // 2
            for name in ("Path ground", "Path of EM"):
                grown = trace(figure, name)
                np.testing.assert_array_equal(np.column_stack([grown.x, grown.y]), steps[: t + 1])
            now = trace(figure, "Now")
            assert (now.x[0], now.y[0]) == tuple(steps[t])


def test_the_surface_is_true_under_the_pointer_and_its_colours_keep_the_order():
    history = peaks()
    surface = surface_of(history)
    ground = surface_figure(surface, history).figure.data[0]
    # Plotly would write a hyphen: the sign stands in the template
    assert "log-likelihood −%{customdata" in ground.hovertemplate
    np.testing.assert_allclose(-ground.customdata, surface.log_likelihood, rtol=1e-6)
    raised = surface_figure(replace(surface, log_likelihood=surface.log_likelihood + 400), history).figure.data[0]
    assert "log-likelihood %{customdata" in raised.hovertemplate
    np.testing.assert_allclose(raised.customdata, surface.log_likelihood + 400, rtol=1e-5)
    heights, shades = surface.log_likelihood.ravel(), np.asarray(ground.z).ravel()
    assert (np.diff(shades[np.argsort(heights)]) >= 0).all()
    assert ground.z.shape == (12, 23) and ground.z.dtype == np.float32
    assert shades.min() == pytest.approx(ground.zmin, abs=1e-5) and shades.max() == pytest.approx(ground.zmax)
    # half of the colours are for what lies within a small part of the whole height
    within = heights[shades > 0.5 * ground.zmax]
    assert heights.max() - within.min() < 0.25 * np.ptp(heights)


def test_the_colour_bar_says_true_depths():
    history = peaks()
    surface = surface_of(history)
    ground = surface_figure(surface, history).figure.data[0]
    top, *others = zip(ground.colorbar.tickvals, ground.colorbar.ticktext, strict=True)
    assert top == (pytest.approx(ground.zmax), number(surface.log_likelihood.max(), 0))
    assert ground.colorbar.ticklabeloverflow == "allow" and ground.colorbar.len < 0.95, "else its number is left out"
    assert others
    heights, shades = surface.log_likelihood.ravel(), np.asarray(ground.z, dtype=float).ravel()
    order = np.argsort(shades)
    for place, text in others:
        depth = float(text.removesuffix(" below").replace(",", ""))
        between = np.interp(place, shades[order], heights[order])
        nearest = np.abs(heights - between).min()
        assert heights.max() - depth == pytest.approx(between, abs=max(2 * nearest, 0.06 * depth))
    assert ground.colorbar.orientation == "h"


def test_what_is_masked_is_a_hole():
    history = peaks()
    surface = surface_of(history)
    holed = np.where(surface.x < -4, np.nan, surface.log_likelihood)
    reason = "No log-likelihood where the sd of component 1 is below what doubles can carry, and that is that."
    figure = surface_figure(replace(surface, log_likelihood=holed, masked=reason), history).figure
    np.testing.assert_array_equal(np.isnan(figure.data[0].z), np.isnan(holed))
    assert not figure.data[0].connectgaps
    assert surface_figure(surface, history).figure.data[0].connectgaps, "no gaps: no clip for them"
    with pytest.raises(ValueError, match=r"must be known somewhere, got none of 276 values\. No log"):
        surface_figure(replace(surface, log_likelihood=np.full_like(holed, np.nan), masked=reason), history)


def test_maxima_stand_at_all_orders_of_their_components_inside_the_picture():
    history = peaks()
    maxima = made_basins().maxima
    for stepped in (surface_figure(surface_of(history), history, maxima=maxima), basin_figure(made_basins(), history)):
        marks = trace(stepped.figure, "Maxima")
        found = {(text, x, y) for text, x, y in zip(marks.text, marks.x, marks.y, strict=True)}
        assert found == {("<b>A</b>", -3, 2), ("<b>A</b>", 2, -3), ("<b>B</b>", 0, 4), ("<b>B</b>", 4, 0)}
        assert list(marks.marker.line.color) == [style.MAXIMUM_COLOURS[0]] * 2 + [style.MAXIMUM_COLOURS[1]] * 2
    far = surface_figure(surface_of(history), history, maxima=[mixture(-500.0, -3.0, 9.0)]).figure
    assert "Maxima" not in [drawn.name for drawn in far.data]


def test_mirror_images():
    theta = GaussianMixtureParameters(
        [0.2, 0.3, 0.5], [[1, 10], [2, 20], [3, 30]], np.array([1.0, 4.0, 9.0])[:, None, None] * np.eye(2)
    )
    assert mirror_images(theta, PLACE).tolist() == [[1, 10], [2, 20], [3, 30]]
    assert mirror_images(theta, ("mean 2, x", "mean 2, y")).tolist() == [[2, 20], [1, 10], [3, 30]]
    pairs = mirror_images(theta, ("mean 1, x", "mean 3, x")).tolist()
    assert pairs[0] == [1, 3] and sorted(pairs) == [[1, 2], [1, 3], [2, 1], [2, 3], [3, 1], [3, 2]]
    both = mirror_images(theta, ("mean 1, x", "log sd 1, y"))
    np.testing.assert_allclose(both, [[1, 0], [2, np.log(2)], [3, np.log(3)]], atol=1e-12)
    assert len(mirror_images(theta, ("mean 1, x", "logit weight 1"))) == 1
    tied = replace(theta, covariances=np.tile(np.eye(2), (3, 1, 1)), covariance_type="tied")
    assert mirror_images(tied, ("log sd, x", "mean 1, y")).tolist() == [[0, 10], [0, 20], [0, 30]]


def test_the_mirror_line_is_there_for_two_means_in_1d_only():
    line = trace(basin_figure(made_basins(), peaks()).figure, "Mirror line")
    assert list(line.x) == list(line.y) and line.line.dash == "longdashdot"
    history = peaks()
    figure = surface_figure(surface_of(history), history, basins=made_basins()).figure
    named = trace(figure, "mean 1 = mean 2")
    assert named.showlegend and named.line.dash == trace(figure, "Mirror line").line.dash
    assert named.line.dash != traces(figure, "Borders")[0].line.dash
    for stepped in drawings(two_dimensional()):
        assert "Mirror line" not in [drawn.name for drawn in stepped.figure.data]


def test_basins_have_the_colour_of_their_outcome_and_its_name_in_the_legend():
    basins = made_basins()
    figure = basin_figure(basins, peaks()).figure
    ground = trace(figure, "Basins")
    steps = len(ground.colorscale) // 2
    for (row, column), code in np.ndenumerate(basins.outcome):
        place = (ground.z[row, column] - ground.zmin) / (ground.zmax - ground.zmin)
        assert ground.colorscale[2 * int(place * steps)][1] == style.outcome_sign(code)[0]
        name = "saddle" if code == SADDLE else f"maximum {'AB'[code]}"
        count = basins.n_iterations[row, column]
        assert ground.text[row][column] == f"{name}, {count} iteration{'' if count == 1 else 's'}"
    legend = [drawn for drawn in figure.data if drawn.showlegend and drawn.mode == "markers"]
    shares = {code: 100 * (basins.outcome == code).mean() for code in (0, 1, SADDLE)}
    assert [drawn.name for drawn in legend] == [
        f"{verdict.outcome_label(code)} ({share:.0f} %)" for code, share in shares.items()
    ]
    assert [drawn.marker.color for drawn in legend] == [style.outcome_sign(code)[0] for code in shares]


def test_a_region_without_its_letter_gets_it_in_its_middle():
    basins = made_basins()
    assert not basin_figure(basins, peaks()).figure.layout.annotations, "the band of saddles is too narrow for a name"
    outcome = np.where(np.abs(GRID[:, None] - GRID) < 4, SADDLE, basins.outcome)
    basins = replace(basins, outcome=outcome)
    notes = basin_figure(basins, peaks()).figure.layout.annotations
    assert [note.text for note in notes] == ["<b>Saddle</b>"]
    moved = [mixture(-500.0, 3.0, 3.5), mixture(-510.0, 5.5, 0.5)]  # A's letter stands on the saddle
    notes = basin_figure(basins, peaks(), maxima=moved).figure.layout.annotations
    assert [note.text for note in notes] == ["<b>A</b>", "<b>Saddle</b>"]
    for note, code in zip(notes, (0, SADDLE), strict=True):
        row, column = np.flatnonzero(note.y == GRID)[0], np.flatnonzero(note.x == GRID)[0]
        assert (basins.outcome[row, column] == code) and 0 < row < 22 and 0 < column < 22


def test_a_name_covers_no_other_region():
    """As drawn on a narrow picture, 400 by 300 pixels."""
    for half in np.arange(0.5, 6, 0.5):
        outcome = np.where(np.abs(GRID[:, None] - 1) < half, UNFINISHED, 0) * np.ones((23, 23), dtype=int)
        for basins in (made_basins(outcome), made_basins(outcome.T)):
            notes = [note for note in basin_figure(basins, peaks()).figure.layout.annotations if "Not" in note.text]
            assert len(notes) <= 1
            for note in notes:
                across, up = 0.5 * 0.5 * 13 * 12 / 400 * 23, 0.5 * 1.4 * 13 / 300 * 23  # in cells, half of the box
                row, column = np.flatnonzero(note.y == GRID)[0], np.flatnonzero(note.x == GRID)[0]
                box = np.ix_(
                    range(int(np.ceil(row - up)), int(row + up) + 1),
                    range(int(np.ceil(column - across)), int(column + across) + 1),
                )
                assert (basins.outcome[box] == UNFINISHED).all()
            if half > 4:
                assert notes


def test_letters_in_one_place_share_a_mark():
    history = peaks()
    spots = [(-3.0, 2.0), (-3.1, 2.2), (3.0, -4.9), (-3.0, 2.1), (-2.9, 1.9)]
    maxima = [mixture(-500.0 - i, *means) for i, means in enumerate(spots)]
    marks = trace(surface_figure(surface_of(history), history, maxima=maxima).figure, "Maxima")
    assert sorted(marks.text) == ["<b>AB+</b>"] * 2 + ["<b>C</b>"] * 2
    together = marks.text.index("<b>AB+</b>")
    assert (
        marks.customdata[together].count("Maximum") == 4 and f"Maximum E: {number(-504)}" in marks.customdata[together]
    )
    assert marks.marker.size[together] > marks.marker.size[marks.text.index("<b>C</b>")]
    apart = np.array([(x / 11, y / 11) for x, y in zip(marks.x, marks.y, strict=True)])
    assert min(np.hypot(*(one - other)) for one, other in combinations(apart, 2)) > 0.06


def test_hover_boxes_are_legible_and_their_numbers_have_a_minus():
    history = peaks()
    for stepped, name in ((surface_figure(surface_of(history), history), "Log-likelihood"),
                          (basin_figure(made_basins(), history), "Basins")):  # fmt: skip
        ground, layout = trace(stepped.figure, name), stepped.figure.layout
        assert contrast(ground.hoverlabel.bgcolor, ground.hoverlabel.font.color) > 10
        # a number that the axis writes has a minus; one with a format of its own has a hyphen
        assert "%{x}" in ground.hovertemplate and "%{y}" in ground.hovertemplate
        assert layout.xaxis.hoverformat == layout.yaxis.hoverformat == ".4~g"


def test_the_colour_bar_has_one_number_of_decimals():
    history = peaks()
    surface = surface_of(history)
    for scale in (1e-3, 0.03, 1.0, 50.0):
        ground = surface_figure(replace(surface, log_likelihood=surface.log_likelihood * scale), history).figure.data[0]
        texts = [text.removesuffix(" below") for text in ground.colorbar.ticktext[1:]]
        assert len(texts) >= 2 and len({len(text.partition(".")[2]) for text in texts}) == 1
        assert all(float(text.replace(",", "")) > 0 for text in texts)


def test_iterations_are_shaded_on_request():
    names = [drawn.name for drawn in basin_figure(made_basins(), peaks()).figure.data]
    assert "Iterations" not in names
    shades = trace(basin_figure(made_basins(), peaks(), shade=True).figure, "Iterations")
    assert (np.diff(np.asarray(shades.z).ravel()) > 0).all() and shades.zmin == 0


def test_borders_lie_between_unlike_cells():
    outcome = np.zeros((23, 23), dtype=int)
    outcome[:, 11:] = 1
    history = peaks()
    figure = surface_figure(surface_of(history), history, basins=made_basins(outcome)).figure
    line = traces(figure, "Borders")[0]
    x, y = np.array(line.x, dtype=float), np.array(line.y, dtype=float)
    assert x[np.isfinite(x)] == pytest.approx((GRID[10] + GRID[11]) / 2)
    half = (GRID[1] - GRID[0]) / 2
    assert (np.nanmin(y), np.nanmax(y)) == (pytest.approx(-5 - half), pytest.approx(6 + half))
    with pytest.raises(ValueError, match="basins must be over"):
        surface_figure(surface_of(history), history, basins=made_basins(names=PLACE))


def test_other_runs_are_whole_and_apart():
    paths = [np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[4.0, 5.0]])]
    for make in (surface_figure, basin_figure):
        history = peaks()
        ground = surface_of(history) if make is surface_figure else made_basins()
        others = trace(make(ground, history, paths=paths).figure, "Other runs")
        np.testing.assert_array_equal(np.array(others.x, dtype=float), [0, 2, np.nan, 4, np.nan])
        np.testing.assert_array_equal(np.array(others.y, dtype=float), [1, 3, np.nan, 5, np.nan])


def test_starts_have_the_sign_of_what_they_reach():
    X = two_dimensional().X
    outcome = np.arange(len(X)) % 3 - 1
    figure = starts_figure(X, outcome, maxima=made_basins().maxima, axes=("<b>", "length")).figure
    for dots, code in zip(figure.data, (0, 1, SADDLE), strict=True):
        assert dots.name == f"{verdict.outcome_label(code)} ({100 * (outcome == code).mean():.0f} %)"
        assert (dots.marker.color, dots.marker.symbol) == style.outcome_sign(code)
        np.testing.assert_array_equal(np.column_stack([dots.x, dots.y]), X[outcome == code])
    assert number(-510) in figure.data[1].hovertemplate
    assert figure.layout.xaxis.title.text == "Mean 1, &lt;b&gt;" and figure.layout.yaxis.title.text == "Mean 1, length"
    with pytest.raises(ValueError, match=r"outcome \(n_points,\), got \(200, 2\) and \(199,\)"):
        starts_figure(X, outcome[1:])


def test_a_path_that_leaves_the_picture_is_said():
    history = peaks()
    near = surface_of(history, x=np.linspace(3, 6, 9), y=np.linspace(3, 6, 9))
    assert "path lies outside" in surface_figure(near, history).figure.layout.annotations[-1].text
    assert not surface_figure(surface_of(history), history).figure.layout.annotations


def test_maps_weigh_little():
    from pages.parts.player import encode

    history = peaks()
    grid = np.linspace(-6, 6, 200)
    texts = [""] * history.n_positions
    stepped = surface_figure(surface_of(history, x=grid, y=grid), history)
    assert len(encode([stepped], texts, texts).content) < 400_000
    outcome = np.kron(np.array([[0, 1], [1, SADDLE]]), np.ones((100, 100), dtype=int))
    basins = landscape.Basins(MEANS, grid, grid, outcome, outcome + 40, made_basins().maxima, 0, 0)
    assert len(encode([basin_figure(basins, history)], texts, texts).content) < 100_000
