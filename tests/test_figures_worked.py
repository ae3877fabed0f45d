"""The pictures of one half-step as data: what they hold are the run's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

from emcore import worked
from emcore.figures import style
from emcore.figures.mixture import mixture_figure
from emcore.figures.worked import component_figure, handover_figure, place_figure, responsibilities_figure
from emcore.scene import mix
from tests.test_worked import BLOBS, LINE, experiment


def numbered(stepped, name: str) -> list[int]:
    return [i for i, trace in enumerate(stepped.figure.data) if trace.name == name]


def the(figure, name: str):
    (found,) = [trace for trace in figure.data if trace.name == name]
    return found


@pytest.mark.parametrize("history", [BLOBS, LINE], ids=["2D", "1D"])
def test_the_chosen_place_is_marked_and_the_rest_is_the_mixture_s(history):
    x = history.X[17]
    made = place_figure(history, x)
    plain = mixture_figure(history, trails=False)
    mark = the(made.figure, "Chosen place")
    assert mark.x[0] == x[0]
    if len(x) == 2:
        assert mark.y[0] == x[1]
    assert made.n_positions == history.n_positions and made.clicks == plain.clicks
    assert made.drags.keys() == plain.drags.keys()
    for position in (0, 1, 4):
        own = zip(made.at(position).data, plain.at(position).data, strict=False)
        assert all(ours.to_json() == theirs.to_json() for ours, theirs in own)


def test_regions_lie_below_and_follow_the_e_step():
    regions = worked.regions(BLOBS)
    made = place_figure(BLOBS, BLOBS.X[0], regions=regions)
    names = [trace.name for trace in made.figure.data]
    assert names[:4] == ["Region 1", "Region 2", "Region 3", "Borders"]
    assert made.figure.data[made.clicks[0]].name == "Points"
    for position, t in ((1, 0), (2, 0), (7, 3)):
        figure = made.at(position)
        for k in range(3):
            np.testing.assert_array_equal(figure.data[k].x, regions.outlines[k][t, :, 0])
            assert figure.data[k].fill == "toself"
        np.testing.assert_array_equal(figure.data[3].y, regions.borders[t, :, 1])
    assert np.isnan(made.at(0).data[0].x).all()


def test_curves_of_responsibilities_are_the_run_s():
    grid = worked.axis_grid(LINE)
    curves, here = worked.responsibility_curves(LINE, grid), worked.responsibility_curves(LINE, [1.5])[:, :, 0]
    meet = worked.crossing_places(LINE)
    made = responsibilities_figure(LINE, grid, curves, meet, 1.5, here)
    weighted = place_figure(LINE, LINE.X[0], crossings=meet)
    assert made.spots and made.n_positions == LINE.n_positions
    assert tuple(made.figure.layout.xaxis.range) == tuple(mixture_figure(LINE).figure.layout.xaxis.range)
    for position, t in ((1, 0), (2, 0), (3, 1), (6, 2)):
        figure = made.at(position)
        for k in range(2):
            np.testing.assert_array_equal(the(figure, f"Component {k + 1}").y, curves[t, k])
        np.testing.assert_array_equal(the(figure, "Responsibilities here").y, here[t])
        crossing = the(figure, "Crossing")
        assert crossing.x[0] == worked.crossings(LINE.parameters[t])[0].x and crossing.y[1] == 0
        assert crossing.y[0] == pytest.approx(0.5)
        density = the(weighted.at(2 * t), "Crossing")
        assert density.y[0] == worked.crossings(LINE.parameters[t])[0].product
    assert np.isnan(the(made.at(0), "Crossing").x).all()
    assert np.isnan(the(made.at(0), "Component 1").y).all()


@pytest.mark.parametrize("history", [BLOBS, LINE], ids=["2D", "1D"])
def test_a_component_s_shape_before_and_after_its_m_step(history):
    longer, taken = worked.with_next(history), worked.taken(history, 1)
    made = component_figure(history, longer, 1, taken)
    plain = mixture_figure(longer, trails=False)
    assert made.n_positions == history.n_positions
    ((means, allowed),) = made.drags.items()
    assert made.figure.data[means].name == "Means" and np.flatnonzero(allowed).tolist() == [0, 1]
    name = "Component 2, 1 sd" if history is BLOBS else "Component 2"
    first = numbered(plain, name)[0]
    last = 2 * history.n_iterations + 1
    for position, t in ((1, 0), (2, 0), (3, 1), (4, 1), (last, history.n_iterations)):
        figure = made.at(position)
        before, after = (plain.at(2 * s).data[first] for s in (t, t + 1))
        np.testing.assert_array_equal(the(figure, f"Before, {name}").x, before.x)
        np.testing.assert_array_equal(figure.data[first].x, after.x)
        np.testing.assert_array_equal(figure.data[first].y, after.y)
        sizes = figure.data[numbered(made, "Points")[0]].marker.size
        large = taken[t] > 0.1
        np.testing.assert_allclose(
            np.square(sizes[large]) / taken[t][large], np.square(sizes[large][0]) / taken[t][large][0]
        )
    assert len(set(made.at(0).data[numbered(made, "Points")[0]].marker.size)) == 1
    assert the(made.figure, f"Before, {name}").line.dash == "dot"


def test_a_run_that_collapses_has_no_shape_after_its_last_e_step():
    history = experiment("duplicates").history()
    longer = worked.with_next(history)
    made = component_figure(history, longer, 0, worked.taken(history, 0))
    assert made.n_positions == history.n_positions
    made.at(history.n_positions - 1)


def test_the_handover_in_five_pictures():
    labels = experiment().dataset().labels
    steps = worked.handover(BLOBS, worked.labelled(BLOBS, labels))
    made = handover_figure(BLOBS, steps)
    assert made.n_positions == 5 and not made.clicks and not made.drags
    points = numbered(made, "Points")[0]
    palette = style.palette(3)
    for position, shares in enumerate(steps.responsibilities):
        colours = made.at(position).data[points].marker.color
        if shares is None:
            assert len(set(colours)) == 1
            continue
        expected = mix(shares, palette)
        assert colours == tuple(f"rgb({r},{g},{b})" for r, g, b in expected.tolist())
    for position, theta in enumerate(steps.parameters):
        means = the(made.at(position), "Means")
        if theta is None:
            assert np.isnan(np.asarray(means.x)).all()
        else:
            np.testing.assert_array_equal(means.x, theta.means[:, 0])
