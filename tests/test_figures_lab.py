"""The lab's figures as data: what they hold are the runs' own numbers."""

import numpy as np
import pytest

from emcore.em import run
from emcore.figures import style
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.race import race_objective_figure, race_positions
from emcore.models import GaussianMixture
from emcore.report import number
from tests.test_figures import DARK, DEUTERANOPIA, LIGHT, contrast, linear, number_of, oklab, trace
from tests.test_scene import two_dimensional

EVERY_SIGN = [*range(style.MAX_MAXIMA + 1), *style.NO_MAXIMUM]


# The palette of maxima


def test_maxima_are_letters_by_height():
    assert [style.maximum_name(index) for index in (0, 1, 25, 26, 53)] == ["A", "B", "Z", "A1", "B2"]
    assert [style.outcome_name(code) for code in (0, -1, -2, -3)] == ["A", "Saddle", "Not finished", "Collapsed"]


def test_every_outcome_has_its_own_colour_and_symbol():
    colours, symbols = zip(*map(style.outcome_sign, EVERY_SIGN), strict=True)
    assert len(set(colours)) == len(set(symbols)) == len(EVERY_SIGN) == 14
    assert style.outcome_sign(99) == style.outcome_sign(style.MAX_MAXIMA)


@pytest.mark.parametrize("outcome", EVERY_SIGN)
def test_outcomes_show_on_both_grounds(outcome):
    colour, _ = style.outcome_sign(outcome)
    assert contrast(colour, LIGHT) > 2.2
    assert contrast(colour, DARK) > 2.6


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
    for position in range(race.n_positions):
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
                bounds = trace(figure, f"{name}, lower bound").y
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
    assert race.jumps[number_of(race, "Run 2, lower bound")].tolist() == list(range(4, race.n_positions))


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
