"""Stepped figures and the player's Python side: checks, pictures, what travels, and what is believed."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from emcore.figures.stepped import SteppedFigure, Track
from pages.parts.player import (
    Click,
    Drag,
    Encoded,
    PlayerReport,
    Spot,
    encode,
    player,
    plotly_chunk,
    read_report,
)
from tests.browser import player_app

LOOKUP = np.array([0, 1, 1, 2])
SYMBOLS = ("circle", "square")
OPENING = {"opening": 4, "position": 3, "half": False}
PLACE = {"run": "a", "opening": 4, "position": 1, "half": False}
HERE = {**PLACE, "figure": 0, "trace": 0, "point": 2}


def base() -> go.Figure:
    return go.Figure([go.Scatter(x=[1, 2, 3], y=[4, 5, 6]), go.Scatter(x=[0, 1], y=[0, 1])])


def tracks() -> tuple[Track, ...]:
    rng = np.random.default_rng(1)
    gap = rng.normal(size=(3, 3))
    gap[1, 1] = np.nan
    return (
        Track(0, "x", gap, LOOKUP),
        Track(0, "marker.color", rng.integers(0, 256, (3, 3, 3), dtype=np.uint8), LOOKUP),
        Track(0, "marker.symbol", np.array([[0, 0, 1], [1, 1, 0], [0, 1, 0]], np.uint8), LOOKUP, SYMBOLS),
        Track(0, "marker.size", np.array([[4, 5, 6], [7, 8, 9], [1, 2, 3]]), LOOKUP),
        Track(0, "text", np.array([["a", "b", "c"]] * 3, dtype=object), LOOKUP),
        Track(1, "shown", np.array([0, 1, 2]), LOOKUP),
    )


def stepped(**changes: Any) -> SteppedFigure:
    given = {
        "figure": base(),
        "tracks": tracks(),
        "jumps": {1: np.array([1, 3])},
        "drags": {0: np.array([False, True, True, False])},
        "clicks": (0,),
    }
    return SteppedFigure(**{**given, **changes})


def encoded(**changes: Any) -> Encoded:
    texts = {"captions": list("wxyz"), "labels": list("wxyz"), "stops": (1, 3)}
    return encode(**{"figures": [stepped()], **texts, **changes})


def test_at_applies_every_track():
    figure = stepped().at(2)
    trace = figure.data[0]
    np.testing.assert_array_equal(trace.x, tracks()[0].frames[1])
    assert list(trace.y) == [4, 5, 6]
    red, green, blue = tracks()[1].frames[1, 2]
    assert trace.marker.color[2] == f"rgb({red},{green},{blue})"
    assert list(trace.marker.symbol) == ["square", "square", "circle"]
    assert list(trace.marker.size) == [7, 8, 9]
    assert list(trace.text) == ["a", "b", "c"]
    assert list(figure.data[1].x) == [0]
    assert len(stepped().at(0).data[1].x) == 0


def test_at_changes_nothing():
    one = stepped()
    before = one.figure.to_json()
    figure = one.at(1)
    figure.data[0].marker.color = "red"
    assert one.figure.to_json() == before
    with pytest.raises(ValueError, match="read-only"):
        one.tracks[0].frames[0, 0] = 1


def test_a_still_figure_looks_the_same_everywhere():
    still = SteppedFigure(base(), ())
    assert still.n_positions == 1
    assert still.at(17).to_json() == base().to_json()


@pytest.mark.parametrize("position", [-1, 4])
def test_there_are_no_other_positions(position):
    with pytest.raises(ValueError, match=r"position must lie in 0\.\.3"):
        stepped().at(position)


def test_an_extended_figure_waits_before_its_run_and_rests_after_it():
    longer = stepped().extended(9, offset=3)
    assert longer.n_positions == 9
    for position, own in enumerate([0, 0, 0, 0, 1, 2, 3, 3, 3]):
        assert longer.at(position).to_json() == stepped().at(own).to_json()
    assert longer.jumps[1].tolist() == [4, 6]
    assert np.flatnonzero(longer.drags[0]).tolist() == [4, 5]
    assert (longer.clicks, longer.description) == (stepped().clicks, stepped().description)


def test_a_point_that_can_be_dragged_at_the_first_and_last_position_rests_outside_them():
    everywhere = stepped(drags={0: np.ones(4, dtype=bool)})
    assert everywhere.extended(7, offset=2).drags[0].tolist() == [False, False, True, True, True, True, False]


def test_an_extended_figure_of_no_greater_length_is_the_same():
    same = stepped().extended(4)
    assert [same.at(position).to_json() for position in range(4)] == [stepped().at(p).to_json() for p in range(4)]
    still = SteppedFigure(base(), (), spots=True).extended(9, offset=2)
    assert still.n_positions == 1 and still.spots


@pytest.mark.parametrize(("n_positions", "offset"), [(3, 0), (5, 2), (9, -1)])
def test_a_figure_is_not_made_shorter(n_positions, offset):
    with pytest.raises(ValueError, match="at least offset \\+ 4, the figure's own positions, got offset"):
        stepped().extended(n_positions, offset)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"attribute": "colour"}, "attribute must be one of x, y, marker.size"),
        ({"trace": -1}, "trace must be an index"),
        ({"frames": np.zeros(3)}, r"shape \(n_frames, n_points\) and one frame or more, got \(3,\)"),
        ({"frames": np.zeros((0, 3))}, "one frame or more"),
        ({"frames": np.array([["a"]])}, "must be numbers"),
        (
            {"attribute": "marker.color", "frames": np.zeros((3, 2, 4), np.uint8)},
            r"\(n_frames, n_points, 3\)",
        ),
        ({"attribute": "marker.color", "frames": np.zeros((3, 2, 3))}, "uint8, got float64"),
        ({"attribute": "z", "frames": np.zeros((3, 2, 3), np.uint8)}, r"\(n_frames, n_rows, n_columns, 3\)"),
        ({"attribute": "z", "frames": np.zeros((3, 2, 2, 4), np.uint8)}, r"\(n_frames, n_rows, n_columns, 3\)"),
        ({"attribute": "z", "frames": np.zeros((3, 2, 2, 3))}, "uint8, got float64"),
        ({"attribute": "marker.symbol", "frames": np.zeros((3, 2), np.uint8)}, "symbols must name"),
        (
            {"attribute": "marker.symbol", "frames": np.full((3, 2), 2, np.uint8), "symbols": SYMBOLS},
            "index the 2 symbols, got 2",
        ),
        ({"attribute": "shown", "frames": np.zeros(3)}, "must be integers"),
        ({"attribute": "text", "frames": np.array([[1, 2]] * 3, dtype=object)}, "str only"),
        ({"frame_of_position": np.array([0, 3])}, r"must lie in 0\.\.2"),
        ({"frame_of_position": np.array([0.0])}, "must be integers"),
        ({"frame_of_position": np.array([], dtype=int)}, r"shape \(n_positions,\)"),
    ],
)
def test_a_track_says_what_is_wrong(given, words):
    right = {"trace": 0, "attribute": "x", "frames": np.zeros((3, 2)), "frame_of_position": LOOKUP}
    Track(**right)
    with pytest.raises(ValueError, match=words):
        Track(**{**right, **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tracks": (Track(2, "x", np.zeros((1, 3)), LOOKUP * 0),)}, r"traces 0\.\.1 of the figure, got 2"),
        ({"tracks": (*tracks(), tracks()[0])}, "two tracks of 'x'"),
        (
            {"tracks": (*tracks()[:2], Track(1, "x", np.zeros((1, 2)), np.array([0])))},
            "same positions, got 4 and 1",
        ),
        ({"tracks": (Track(0, "x", np.zeros((1, 4)), LOOKUP * 0),)}, "as many points in every attribute"),
        ({"tracks": (Track(1, "shown", np.array([3]), LOOKUP * 0),)}, r"0\.\.2, its number of points"),
        ({"tracks": (Track(0, "z", np.zeros((1, 1, 1, 3), np.uint8), LOOKUP * 0),)}, "an image belong together"),
        ({"jumps": {5: np.array([1])}}, r"jumps must name traces 0\.\.1, got 5"),
        ({"jumps": {1: np.array([1])}}, r"shape \(2,\)"),
        ({"jumps": {1: np.array([1, 4])}}, r"must lie in 0\.\.3, got 1\.\.4"),
        ({"drags": {0: np.array([True])}}, r"\(n_positions,\) = \(4,\)"),
        ({"drag_axes": "z"}, "'xy' or 'x'"),
        ({"clicks": (9,)}, "clicks must name traces"),
    ],
)
def test_a_stepped_figure_says_what_is_wrong(given, words):
    with pytest.raises(ValueError, match=words):
        stepped(**given)


def unpack(content: bytes) -> tuple[dict[str, Any], list[list[np.ndarray]]]:
    """What the browser makes of the content: its texts, and the frames of every track of every figure."""
    raw = zlib.decompress(content)
    size = int.from_bytes(raw[:4], "little")
    head, blob = json.loads(raw[4 : 4 + size]), np.frombuffer(raw[4 + size :], np.uint8)
    figures = []
    for figure in head["figures"]:
        frames = []
        for track in figure["tracks"]:
            if "texts" in track:
                frames.append(np.array(track["texts"], dtype=object))
                continue
            shape = (track["item_size"], track["n_frames"], track["n_items"])
            planes = blob[track["start"] :][: np.prod(shape)].reshape(shape)
            items = np.cumsum(planes, axis=1, dtype=np.uint8).transpose(1, 2, 0)
            frames.append(np.ascontiguousarray(items).reshape(len(items), -1).view(track["type"]))
        figures.append(frames)
    return head, figures


def test_what_travels_is_what_was_meant():
    head, (frames,) = unpack(encoded().content)
    for track, got in zip(tracks(), frames, strict=True):
        np.testing.assert_array_equal(got.reshape(track.frames.shape), track.frames)  # small ones exactly
    assert head["captions"] == ["w", "x", "y", "z"]
    assert head["figures"][0]["jumps"] == {"1": [1, 3]}


def test_images_travel_row_by_row():
    frames = np.random.default_rng(2).integers(0, 256, (3, 2, 5, 3), dtype=np.uint8)
    figure = SteppedFigure(go.Figure([{"type": "image", "z": [[[0, 0, 0]]]}]), (Track(0, "z", frames, LOOKUP),))
    head, ((got,),) = unpack(encode([figure], list("wxyz"), list("abcd")).content)
    np.testing.assert_array_equal(got.reshape(frames.shape), frames)
    assert head["figures"][0]["tracks"][0]["n_columns"] == 5
    np.testing.assert_array_equal(figure.at(2).data[0].z, frames[1])


def test_large_tracks_travel_compactly():
    """2,000 coloured points over 200 iterations that settle down, as those of EM do."""
    first, _ = player_app.figures(3, 2000, 200)
    colours = np.asarray(first.tracks[0].frames).copy()
    colours[60:] = colours[60]
    lookup = first.tracks[0].frame_of_position
    figure = SteppedFigure(first.figure, (Track(0, "marker.color", colours, lookup), first.tracks[3], first.tracks[4]))
    texts = [""] * len(lookup)
    sent = encode([figure], texts, texts)
    assert len(sent.content) < 600_000
    _, ((got, x, _),) = unpack(sent.content)
    np.testing.assert_array_equal(got.reshape(colours.shape), colours)
    np.testing.assert_allclose(x, first.tracks[3].frames, rtol=1e-6)
    assert x.dtype == np.float32


def test_equal_contents_have_equal_digests():
    assert encoded().digest == encoded().digest
    assert encoded().digest != encoded(captions=list("wxy!")).digest


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"figures": []}, "needs a figure"),
        ({"captions": list("abc")}, "cover the 3 positions that captions has, got 4 in figure 0"),
        ({"labels": ["a"]}, "labels must have one text for each of 4 positions, got 1"),
        ({"step_names": ["E-step"]}, "one name for each of 4 positions"),
        ({"stop_captions": ["a"]}, "one text for each of 2 stops, got 1"),
        ({"widths": (1, 2)}, "1 positive numbers"),
        ({"figures": [stepped()] * 4, "widths": (1, 2, 3)}, "4 positive numbers, one for each figure, or half as many"),
        ({"widths": (0,)}, "positive numbers"),
        ({"stops": (1, 2)}, "end with the last position"),
        ({"stops": (3, 1, 3)}, "must ascend"),
    ],
)
def test_encode_says_what_is_wrong(given, words):
    with pytest.raises(ValueError, match=words):
        encoded(**given)


def test_true_reports_are_believed():
    assert read_report(encoded(), OPENING, "a", {"place": PLACE}) == PlayerReport(1, False)
    half = {**PLACE, "position": 2, "half": True}
    assert read_report(encoded(), OPENING, "a", {"place": half}) == PlayerReport(2, True)
    result = {"place": PLACE, "click": HERE, "drag": {**HERE, "x": 1, "y": -2.5}}
    report = read_report(encoded(), OPENING, "a", result)
    assert report == PlayerReport(1, False, Click(0, 0, 2), Drag(0, 0, 2, 1.0, -2.5))


@pytest.mark.parametrize(
    ("change", "spot"),
    [
        ({}, Spot(0, 1.0, -2.5)),
        ({"x": 3, "y": -4}, Spot(0, 3.0, -4.0)),
        ({"figure": 1}, None),  # asks for no spots
        ({"figure": 2}, None),
        ({"figure": True}, None),
        ({"x": None}, None),
        ({"x": True}, None),
        ({"x": "1"}, None),
        ({"x": [1]}, None),
        ({"y": float("nan")}, None),
        ({"y": float("-inf")}, None),
        ({"y": 10**400}, None),
        ({"run": "b"}, None),
        ({"position": 99}, None),
    ],
)
def test_a_spot_is_believed_where_one_can_be(change, spot):
    two = encoded(figures=[stepped(spots=True), stepped()])
    told = {**PLACE, "figure": 0, "x": 1.0, "y": -2.5, **change}
    assert read_report(two, OPENING, "a", {"place": PLACE, "spot": told}) == PlayerReport(1, False, spot=spot)


@pytest.mark.parametrize("spot", [None, 7, "x", [], {}, {"figure": 0, "x": 1.0, "y": 2.0}])
def test_what_is_no_spot_is_ignored(spot):
    one = encoded(figures=[stepped(spots=True)])
    assert read_report(one, OPENING, "a", {"place": PLACE, "spot": spot}) == PlayerReport(1, False)


@pytest.mark.parametrize(
    "place",
    [
        None,
        7,
        "1",
        [1],
        {},
        {**PLACE, "run": "b"},
        {**PLACE, "opening": 3},
        {**PLACE, "position": 4},
        {**PLACE, "position": -1},
        {**PLACE, "position": 1.0},
        {**PLACE, "position": True},
        {**PLACE, "position": "1"},
        {**PLACE, "position": None},
        {**PLACE, "position": 2},  # between the stops, but not in half-steps
        {**PLACE, "half": 1},
        {**PLACE, "half": None},
    ],
)
def test_false_places_are_ignored(place):
    assert read_report(encoded(), OPENING, "a", {"place": place}) == PlayerReport(3, False)


def test_half_steps_need_stops():
    result = {"place": {**PLACE, "half": True}}
    assert read_report(encoded(stops=()), OPENING, "a", result) == PlayerReport(3, False)


@pytest.mark.parametrize(
    "change",
    [
        {"figure": 1},
        {"figure": -1},
        {"figure": None},
        {"trace": 1},
        {"trace": 10**9},
        {"trace": "0"},
        {"trace": []},
        {"point": 3},
        {"point": -1},
        {"point": 0.5},
        {"point": {}},
        {"run": "b"},
        {"position": 99},
    ],
)
def test_false_clicks_and_drags_are_ignored(change):
    false = {**HERE, "x": 1.0, "y": 2.0, **change}
    report = read_report(encoded(), OPENING, "a", {"place": PLACE, "click": false, "drag": false})
    assert report == PlayerReport(1, False)


@pytest.mark.parametrize(
    "change",
    [
        {"x": None},
        {"x": "1"},
        {"x": True},
        {"y": float("nan")},
        {"y": float("inf")},
        {"y": []},
        {"x": 10**400},
        {"position": 3},  # its points may not be dragged there
    ],
)
def test_false_ends_of_drags_are_ignored(change):
    result = {"drag": {**HERE, "x": 1.0, "y": 2.0, **change}}
    assert read_report(encoded(), OPENING, "a", result).drag is None


def test_streamlit_still_brings_plotly():
    """The player takes plotly.js from Streamlit: a release that moves it is noticed here."""
    assert plotly_chunk() is not None


def test_the_player_runs_in_a_script():
    """A rerun finds the reported place, a new run opens anew, and what is sent stays the same meanwhile."""
    app = AppTest.from_file(str(Path(player_app.__file__))).run()
    assert not app.exception
    assert '"position": 9, "half_steps": false' in app.text[0].value
    place = {
        "run": "run 1",
        "opening": app.session_state["player opening"]["opening"],
        "position": 20,
        "half": True,
    }
    app.session_state["player"] = {"place": place}
    app.run()
    assert '"position": 20, "half_steps": true' in app.text[0].value
    app.button[1].click().run()
    assert '"position": 20' in app.text[0].value
    app.button[0].click().run()
    assert '"position": 13, "half_steps": false' in app.text[0].value
    assert not app.exception


@pytest.mark.parametrize("position", [-1, 4, 1.0, None, True])
def test_it_opens_at_a_position_that_there_is(position):
    texts = list("wxyz")
    with pytest.raises(ValueError, match=r"position must be an integer in 0\.\.3"):
        player([stepped()], key="k", run_id="a", captions=texts, labels=texts, position=position)
