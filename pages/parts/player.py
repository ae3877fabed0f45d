"""The player: Plotly figures that step, scrub and play in the browser and report where they come to rest.

It knows figures, traces and positions, and nothing of what they show. The whole history travels to the
browser once (`encode`); a step there costs the server nothing, and Python hears of a position when it settles.
"""

import json
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import streamlit as st

from emcore.figures.stepped import SteppedFigure, Track

CACHE_BYTES = 64_000_000
EXACT_BYTES = 16_000  # tracks up to this size keep float64; larger ones travel as float32, 7 digits
HEIGHT = 420
FARTHEST = 1e300  # a coordinate beyond this is no number that a plot can show

HTML = """
<div class="player" data-testid="player" role="group" aria-label="Player">
  <div class="player-bar">
    <div class="player-buttons">
      <button type="button" data-part="first" aria-label="First" title="First">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 5h2.5v14H5zM19 5v14L8.5 12z"/></svg></button>
      <button type="button" data-part="previous" aria-label="Previous" title="Previous">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M15.5 5v14L6 12z"/></svg></button>
      <button type="button" data-part="play" aria-label="Play" title="Play">
        <svg class="play" viewBox="0 0 24 24" aria-hidden="true"><path d="M7 4.5v15L19.5 12z"/></svg>
        <svg class="pause" viewBox="0 0 24 24" aria-hidden="true"><path d="M6 5h4v14H6zM14 5h4v14h-4z"/></svg>
      </button>
      <button type="button" data-part="next" aria-label="Next" title="Next">
        <span></span><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M8.5 5v14L18 12z"/></svg></button>
      <button type="button" data-part="last" aria-label="Last" title="Last">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M16.5 5H19v14h-2.5zM5 5v14l10.5-7z"/></svg></button>
    </div>
    <input type="range" data-part="slider" aria-label="Iteration" min="0" max="0" step="1" value="0">
    <div class="player-text"><span data-part="text"></span><span data-part="step"></span></div>
    <div class="player-options">
      <select data-part="speed" aria-label="Speed" title="Speed">
        <option value="0.5">0.5 / s</option>
        <option value="1">1 / s</option>
        <option value="2" selected>2 / s</option>
        <option value="5">5 / s</option>
        <option value="10">10 / s</option>
      </select>
      <label class="player-switch" data-part="switch" hidden>
        <input type="checkbox" role="switch" data-part="half">Half-steps</label>
    </div>
  </div>
  <p class="player-caption"><span data-part="caption" role="status" aria-live="polite"> </span></p>
  <div class="player-message" data-part="message" role="alert"></div>
  <div class="player-figures" data-part="figures"></div>
</div>
"""

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "emlab.player",
    html=HTML,
    css=(_HERE / "player.css").read_text(encoding="utf-8"),
    js=(_HERE / "player.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # inside a shadow root Plotly loses its style sheet
)


@dataclass(frozen=True)
class Click:
    """A click on a point of a trace that reports clicks: indices into figures, traces and points."""

    figure: int
    trace: int
    point: int


@dataclass(frozen=True)
class Drag:
    """A point that was dragged and let go at (x, y), in data units."""

    figure: int
    trace: int
    point: int
    x: float
    y: float


@dataclass(frozen=True)
class Spot:
    """A click on no point, at (x, y) in data units, in a figure that asks for spots."""

    figure: int
    x: float
    y: float


@dataclass(frozen=True)
class PlayerReport:
    """Where the player has come to rest, and what was done in its figures since the last script run.

    `position` counts half-steps where there are any; `half_steps` says whether the player shows them.
    `click`, `drag` and `spot` are set in one script run only: the one that they cause.
    """

    position: int
    half_steps: bool
    click: Click | None = None
    drag: Drag | None = None
    spot: Spot | None = None


@dataclass(frozen=True, eq=False)
class Encoded:
    """A run as it travels to the browser, and what is needed to check what comes back.

    Parameters
    ----------
    content : bytes
        The zlib-compressed figures, tracks and texts.
    digest : str
        Names the content: equal contents have equal digests.
    n_positions : int
    stops : tuple of int
        Positions of the whole iterations; empty where there are no half-steps.
    figures : tuple of SteppedFigure
    """

    content: bytes
    digest: str
    n_positions: int
    stops: tuple[int, ...]
    figures: tuple[SteppedFigure, ...]

    @property
    def n_bytes(self) -> int:
        """Memory that keeping this takes, about."""
        frames = (track.frames.nbytes for figure in self.figures for track in figure.tracks)
        return len(self.content) + sum(frames)


def player(
    figures: Sequence[SteppedFigure] | Callable[[], Sequence[SteppedFigure]],
    *,
    key: str,
    run_id: str,
    captions: Sequence[str],
    labels: Sequence[str],
    position: int = 0,
    whole: bool = True,
    stops: Sequence[int] = (),
    stop_captions: Sequence[str] = (),
    step_names: Sequence[str] = (),
    widths: Sequence[float] = (),
    look: Hashable = (),
    url: tuple[str, str] | tuple[()] = (),
) -> PlayerReport:
    """Show figures that follow one position, with a slider, buttons and keys.

    A rerun of the script with the same `run_id` leaves the player where it is, and redraws only if figures or
    texts have changed. Another `run_id` is another history: it opens at `position`.

    Parameters
    ----------
    figures : sequence of SteppedFigure, or a function that returns one
        Drawn side by side, on narrow screens below each other. Still figures may stand beside stepped ones. What
        was encoded is kept for all visitors: for the same objects or, for a function, for the same `run_id`,
        `look` and texts, which must then say all that it depends on. It is called only when nothing is kept.
    key : str
        The player's name in the session.
    run_id : str
        Names the history that the figures show, for all visitors (``repr(experiment)``).
    captions : sequence of str, length n_positions
        A sentence for each position.
    labels : sequence of str, length n_positions
        Each position in a few words, for screen readers ("Iteration 3, log-likelihood -812.44").
    position : int
        Where the run opens. Later values for the same run change nothing.
    whole : bool
        Whether it opens in whole iterations.
    stops : sequence of int
        The positions that whole iterations show, ascending. Empty: no half-steps and no switch for them.
    stop_captions : sequence of str
        A sentence for each stop, said while whole iterations are shown. Empty: that of its position.
    step_names : sequence of str, length n_positions
        The half-step that leads to each position ("E-step"). Empty: they have no names.
    widths : sequence of float
        Relative widths of the figures; half as many as there are figures: of the columns of two rows. Empty: all the
        same.
    look : hashable
        Whatever else a function `figures` depends on: options of the view.

    Returns
    -------
    PlayerReport
        Values from the browser that are not of the right type and range are ignored.

    Raises
    ------
    ValueError
        If figures, texts, stops and position do not fit each other.
    """
    texts = tuple(map(tuple, (captions, labels, stops, stop_captions, step_names, widths)))
    source: tuple[Hashable, ...] = (run_id, look) if callable(figures) else tuple(figures)
    encoded = _cached((key, source, texts), figures, texts)
    opening = _opening(key, run_id, position, whole, encoded)
    head = {"key": key, "run": run_id, "digest": encoded.digest, "chunk": plotly_chunk(), "url": list(url), **opening}
    result = _component(
        key=key,
        data=_with_head(head, encoded.content),
        on_place_change=_nothing,
        on_stuck_change=_nothing,
        on_click_change=_nothing,
        on_drag_change=_nothing,
        on_spot_change=_nothing,
    )
    if result.get("stuck") or plotly_chunk() is None:
        # A chart of Streamlit's own brings plotly.js to the page when the player could not.
        st.plotly_chart({"data": [{"type": "scatter"}], "layout": {"height": 10}}, key=f"{key} plotly", height=10)
    return read_report(encoded, opening, run_id, result)


def encode(
    figures: Sequence[SteppedFigure],
    captions: Sequence[str],
    labels: Sequence[str],
    stops: Sequence[int] = (),
    stop_captions: Sequence[str] = (),
    step_names: Sequence[str] = (),
    widths: Sequence[float] = (),
) -> Encoded:
    """A run as the browser wants it: figures as Plotly's JSON, tracks as differences of bytes, compressed.

    Frames of a track follow each other closely, so the difference to the frame before is mostly zeros: 2,000
    coloured points over 200 iterations weigh some 100 kB. Parameters are those of `player`.

    Raises
    ------
    ValueError
        If figures, texts, stops and widths do not fit each other.
    """
    n_positions = len(captions)
    _check(figures, n_positions, labels, stops, stop_captions, step_names, widths)
    blob = bytearray()
    stops = tuple(int(stop) for stop in stops)
    content = {
        "figures": [_figure_content(figure, blob) for figure in figures],
        "captions": list(captions),
        "labels": list(labels),
        "stops": stops,
        "stop_captions": list(stop_captions),
        "step_names": list(step_names) or [""] * n_positions,
        "widths": [float(width) for width in widths] or [1.0] * len(figures),
    }
    packed = zlib.compress(_with_head(content, bytes(blob)), 6)
    digest = blake2b(packed, digest_size=16).hexdigest()
    return Encoded(packed, digest, n_positions, stops, tuple(figures))


def read_report(encoded: Encoded, opening: dict[str, Any], run_id: str, result: Any) -> PlayerReport:
    """What the browser says, as far as it can be true; else where the run opened.

    Parameters
    ----------
    encoded : Encoded
        What was sent.
    opening : dict
        "opening" (a number), "position" and "half" with which the run opened.
    run_id : str
    result : mapping
        Untrusted values "place" (a state) and "click", "drag" and "spot" (events).
    """
    whole_run = {"run": run_id, "opening": opening["opening"]}

    def place(value: Any) -> tuple[int, bool] | None:
        if not isinstance(value, dict) or any(value.get(name) != whole_run[name] for name in whole_run):
            return None
        position, half = value.get("position"), value.get("half")
        if not _index(position, encoded.n_positions) or not isinstance(half, bool):
            return None
        stops = encoded.stops
        fits = bool(stops) if half else not stops or position in stops
        return (position, half) if fits else None

    def figure_of(value: Any) -> SteppedFigure | None:
        known = place(value) is not None and _index(value.get("figure"), len(encoded.figures))
        return encoded.figures[value["figure"]] if known else None

    def point(value: Any, traces: Callable[[SteppedFigure, int], Any]) -> tuple[int, int, int] | None:
        figure = figure_of(value)
        if figure is None:
            return None
        trace, index = value.get("trace"), value.get("point")
        if not _index(trace, len(figure.figure.data)) or trace not in traces(figure, value["position"]):
            return None
        return (value["figure"], trace, index) if _index(index, figure.n_points(trace)) else None

    position, half = place(result.get("place")) or (opening["position"], opening["half"])
    clicked, dragged, spotted = result.get("click"), result.get("drag"), result.get("spot")
    click = point(clicked, lambda figure, _: figure.clicks)
    drag, end = point(dragged, _draggable), _end(dragged)
    figure, at = figure_of(spotted), _end(spotted)
    return PlayerReport(
        position,
        half,
        Click(*click) if click else None,
        Drag(*drag, *end) if drag and end else None,
        Spot(spotted["figure"], *at) if figure and figure.spots and at else None,
    )


@cache
def plotly_chunk() -> str | None:
    """The file name of Streamlit's own plotly.js, or None where this version keeps it elsewhere."""
    scripts = Path(st.__file__).parent / "static" / "static" / "js"
    return min((path.name for path in scripts.glob("PlotlyChart.*.js")), default=None)


def _check(
    figures: Sequence[SteppedFigure],
    n_positions: int,
    labels: Sequence[str],
    stops: Sequence[int],
    stop_captions: Sequence[str],
    step_names: Sequence[str],
    widths: Sequence[float],
) -> None:
    if not figures or not n_positions:
        raise ValueError("a player needs a figure and a caption for each position, got none")
    for index, figure in enumerate(figures):
        if figure.tracks and figure.n_positions != n_positions:
            raise ValueError(
                f"every figure must cover the {n_positions} positions that captions has, "
                f"got {figure.n_positions} in figure {index}"
            )
    if len(labels) != n_positions:
        raise ValueError(f"labels must have one text for each of {n_positions} positions, got {len(labels)}")
    if stop_captions and len(stop_captions) != len(stops):
        raise ValueError(f"stop_captions must have one text for each of {len(stops)} stops, got {len(stop_captions)}")
    if step_names and len(step_names) != n_positions:
        raise ValueError(f"step_names must have one name for each of {n_positions} positions, got {len(step_names)}")
    if widths and (len(figures) not in (len(widths), 2 * len(widths)) or min(widths) <= 0):
        raise ValueError(
            f"widths must be {len(figures)} positive numbers, one for each figure, or half as many, got {widths}"
        )
    if stops and (list(stops) != sorted(set(stops)) or stops[0] < 0 or stops[-1] != n_positions - 1):
        raise ValueError(f"stops must ascend within 0..{n_positions - 1} and end with the last position, got {stops}")


def _figure_content(stepped: SteppedFigure, blob: bytearray) -> dict[str, Any]:
    return {
        "figure": json.loads(stepped.figure.to_json()),
        "height": stepped.figure.layout.height or HEIGHT,
        "tracks": [_track_content(track, blob) for track in stepped.tracks],
        "jumps": {trace: positions.tolist() for trace, positions in stepped.jumps.items()},
        "drags": {trace: allowed.astype(int).tolist() for trace, allowed in stepped.drags.items()},
        "drag_axes": stepped.drag_axes,
        "clicks": list(stepped.clicks),
        "spots": stepped.spots,
        "description": stepped.description,
    }


def _track_content(track: Track, blob: bytearray) -> dict[str, Any]:
    content = {
        "trace": track.trace,
        "attribute": track.attribute,
        "lookup": track.frame_of_position.tolist(),
        "symbols": list(track.symbols),
    }
    if track.attribute == "text":
        return {**content, "texts": track.frames.tolist()}
    frames = track.frames
    if frames.dtype.kind == "f":
        frames = frames.astype("<f8" if frames.nbytes <= EXACT_BYTES else "<f4")
    elif frames.dtype.kind == "i":
        frames = frames.astype("<i4")
    # An item is what shares a plane: the bytes of a number, or the channels of a colour.
    item_size = 3 if track.attribute in ("marker.color", "z") else frames.dtype.itemsize
    items = np.ascontiguousarray(frames).view(np.uint8).reshape(len(frames), -1, item_size)
    planes = items.transpose(2, 0, 1)
    planes = np.diff(planes, axis=1, prepend=np.uint8(0))  # wraps around at 256, and so does the browser's sum
    start = len(blob)
    blob += planes.tobytes()
    return {
        **content,
        "type": f"{frames.dtype.kind}{frames.dtype.itemsize}",
        "n_frames": len(frames),
        "n_items": items.shape[1],
        "item_size": item_size,
        "start": start,
        **({"n_columns": frames.shape[2]} if track.attribute == "z" else {}),
    }


def _with_head(head: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    return len(text).to_bytes(4, "little") + text + body


_kept: OrderedDict[Hashable, Encoded] = OrderedDict()  # shared by all visitors: encoded runs never change
_lock = threading.Lock()


def _cached(
    name: Hashable,
    figures: Sequence[SteppedFigure] | Callable[[], Sequence[SteppedFigure]],
    texts: tuple[tuple[Any, ...], ...],
) -> Encoded:
    with _lock:
        if name in _kept:
            _kept.move_to_end(name)
            return _kept[name]
    encoded = encode(figures() if callable(figures) else figures, *texts)
    with _lock:
        _kept[name] = encoded
        while len(_kept) > 1 and sum(one.n_bytes for one in _kept.values()) > CACHE_BYTES:
            _kept.popitem(last=False)
    return encoded


def _opening(key: str, run_id: str, position: int, whole: bool, encoded: Encoded) -> dict[str, Any]:
    """How this run opened in this session: kept, so that what is sent stays the same while it is stepped.

    Each opening has a number: a report belongs to one of them, also when the same run is opened again.
    """
    if not _index(position, encoded.n_positions):
        raise ValueError(f"position must be an integer in 0..{encoded.n_positions - 1}, got {position!r}")
    kept: dict[str, Any] | None = st.session_state.get(f"{key} opening")
    known = kept is not None and kept["run"] == run_id and _index(kept["position"], encoded.n_positions)
    if kept is not None and known and key in st.session_state:
        return {name: kept[name] for name in ("opening", "position", "half")}
    half = bool(encoded.stops) and not whole
    if encoded.stops and not half:
        position = next(stop for stop in encoded.stops if stop >= position)
    opening = {"opening": kept["opening"] + 1 if kept else 0, "position": position, "half": half}
    st.session_state[f"{key} opening"] = {**opening, "run": run_id}
    return opening


def _index(value: Any, length: int) -> TypeGuard[int]:
    """Whether this is an index into something of that length; True and 1.0 are not."""
    return type(value) is int and 0 <= value < length


def _end(value: Any) -> tuple[float, float] | None:
    """Where a drag or a click ended, if these are numbers that a plot can show."""
    ends = [value.get(axis) for axis in ("x", "y")] if isinstance(value, dict) else [None]
    shown = all(type(end) in (int, float) and abs(end) < FARTHEST for end in ends)
    return (float(ends[0]), float(ends[1])) if shown else None


def _draggable(figure: SteppedFigure, position: int) -> list[int]:
    return [trace for trace, allowed in figure.drags.items() if allowed[position]]


def _nothing() -> None:
    """Streamlit wants a callback for each value that a component may send."""
