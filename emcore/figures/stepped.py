"""A Plotly figure together with what changes in it from position to position of a history."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

NUMBERS = ("x", "y", "marker.size")
ATTRIBUTES = (*NUMBERS, "marker.color", "marker.symbol", "shown", "text", "z")


@dataclass(frozen=True, eq=False)
class Track:
    """How one attribute of one trace follows the position.

    Frames are stored once and looked up by position, so that positions that look alike (colours change
    only at E-steps, ellipses only at M-steps) share a frame.

    Parameters
    ----------
    trace : int
        Index into ``figure.data``.
    attribute : str
        One of `ATTRIBUTES`.
    frames : array
        "x", "y", "marker.size": float (n_frames, n_points), NaN is a gap; "marker.color": uint8 RGB
        (n_frames, n_points, 3); "marker.symbol": uint8 (n_frames, n_points), indices into `symbols`;
        "shown": int (n_frames,), how many leading points of the trace are drawn (trails, curves);
        "text": str objects (n_frames, n_points); "z", of an image: uint8 RGB (n_frames, n_rows, n_columns, 3).
    frame_of_position : array of int, shape (n_positions,)
        The frame that each position shows.
    symbols : tuple of str
        Plotly's symbol names, for "marker.symbol".

    Raises
    ------
    ValueError
        If the attribute is unknown or shapes, types or ranges do not fit it.
    """

    trace: int
    attribute: str
    frames: NDArray[Any]
    frame_of_position: NDArray[np.int_]
    symbols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.attribute not in ATTRIBUTES:
            raise ValueError(f"attribute must be one of {', '.join(ATTRIBUTES)}, got {self.attribute!r}")
        where = f"Track(trace={self.trace}, attribute={self.attribute!r})"
        if self.trace < 0:
            raise ValueError(f"{where}: trace must be an index into figure.data, 0 or more")
        frames = _frames(where, self.attribute, self.frames)
        if self.attribute == "marker.symbol":
            if not self.symbols:
                raise ValueError(f"{where}: symbols must name the symbols that frames index, got none")
            if frames.size and frames.max() >= len(self.symbols):
                raise ValueError(f"{where}: frames must index the {len(self.symbols)} symbols, got {frames.max()}")
        lookup = _integers(f"{where}: frame_of_position", self.frame_of_position)
        if lookup.ndim != 1 or not lookup.size:
            raise ValueError(f"{where}: frame_of_position must have shape (n_positions,), got {lookup.shape}")
        if lookup.min() < 0 or lookup.max() >= len(frames):
            raise ValueError(
                f"{where}: frame_of_position must lie in 0..{len(frames) - 1}, the frames that there are, "
                f"got {lookup.min()}..{lookup.max()}"
            )
        object.__setattr__(self, "frames", _read_only(frames))
        object.__setattr__(self, "frame_of_position", _read_only(lookup))

    @property
    def n_positions(self) -> int:
        """How many positions the track covers."""
        return len(self.frame_of_position)

    @property
    def n_points(self) -> int | None:
        """Points in each frame; None for "shown", which only counts them, and for an image, which has none."""
        return None if self.attribute in ("shown", "z") else int(self.frames.shape[1])


@dataclass(frozen=True, eq=False)
class SteppedFigure:
    """A picture of every position of a history: one Plotly figure and how its traces follow the position.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        Complete, as at any one position. Its layout fixes the axis ranges, so that stepping moves the
        contents and never the frame.
    tracks : tuple of Track
        At most one for each attribute of a trace. None at all is a still figure.
    jumps : mapping of int to array of int, shape (n_points,)
        For a trace, the position that a click on each of its points jumps to.
    drags : mapping of int to array of bool, shape (n_positions,)
        For a trace, the positions at which its points may be dragged.
    drag_axes : {"xy", "x"}
        Whether a dragged point moves freely or horizontally only.
    clicks : tuple of int
        Traces whose points report a click.
    spots : bool
        Whether a click anywhere else in the plotting area reports its place.
    description : str
        What the plot shows, for screen readers.

    Raises
    ------
    ValueError
        If the parts do not fit each other.
    """

    figure: go.Figure
    tracks: tuple[Track, ...]
    jumps: Mapping[int, NDArray[np.int_]] = field(default_factory=dict)
    drags: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)
    drag_axes: str = "xy"
    clicks: tuple[int, ...] = ()
    spots: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tracks", tuple(self.tracks))
        object.__setattr__(self, "clicks", tuple(self.clicks))
        self._check_tracks()
        for name, traces in (("jumps", self.jumps), ("drags", self.drags), ("clicks", self.clicks)):
            for trace in traces:
                if not 0 <= trace < len(self.figure.data):
                    raise ValueError(f"{name} must name traces 0..{len(self.figure.data) - 1}, got {trace}")
        if self.drag_axes not in ("xy", "x"):
            raise ValueError(f"drag_axes must be 'xy' or 'x', got {self.drag_axes!r}")
        object.__setattr__(self, "jumps", {trace: self._jump(trace) for trace in self.jumps})
        object.__setattr__(self, "drags", {trace: self._drag(trace) for trace in self.drags})

    @property
    def n_positions(self) -> int:
        """How many positions the figure covers; a still figure has 1."""
        lengths = [track.n_positions for track in self.tracks] + [len(drag) for drag in self.drags.values()]
        return lengths[0] if lengths else 1

    def at(self, position: int) -> go.Figure:
        """The picture at one position: the base figure with every track applied.

        Parameters
        ----------
        position : int
            0..n_positions - 1; a still figure looks the same at every position.

        Returns
        -------
        plotly.graph_objects.Figure
            A copy: exports and tests may change it. A trace with a "shown" track holds its leading points
            only.

        Raises
        ------
        ValueError
            If there is no such position.
        """
        if position < 0 or (self.tracks and position >= self.n_positions):
            raise ValueError(f"position must lie in 0..{self.n_positions - 1}, got {position}")
        figure = go.Figure(self.figure)
        for track in sorted(self.tracks, key=lambda track: track.attribute == "shown"):  # cuts come last
            trace = figure.data[track.trace]
            frame = track.frames[track.frame_of_position[position]]
            if track.attribute == "marker.color":
                trace.marker.color = [f"rgb({red},{green},{blue})" for red, green, blue in frame.tolist()]
            elif track.attribute == "marker.symbol":
                trace.marker.symbol = [track.symbols[index] for index in frame]
            elif track.attribute == "shown":
                trace.update(x=trace.x[: int(frame)], y=trace.y[: int(frame)])
            else:
                trace[track.attribute] = frame
        return figure

    def extended(self, n_positions: int, offset: int = 0) -> Self:
        """The same pictures on a longer slider: position p shows what position p - offset did.

        Before its own first position it shows that one, after its last one the last. So two runs of unlike length can
        be stepped together, and a run that branches off another begins where it does. Outside its own positions
        nothing can be dragged.

        Parameters
        ----------
        n_positions : int
            How many positions the longer slider has, at least offset + self.n_positions.
        offset : int
            Where the first position lies on it. Even where positions are half-steps, or E-steps stand beside M-steps.

        Raises
        ------
        ValueError
            If the figure's own positions do not fit.
        """
        own = self.n_positions
        if offset < 0 or n_positions < offset + own:
            raise ValueError(
                f"offset must be 0 or more and n_positions at least offset + {own}, the figure's own positions, "
                f"got offset {offset} and n_positions {n_positions}"
            )
        place = np.arange(n_positions) - offset
        inside = (place >= 0) & (place < own)
        place = np.clip(place, 0, own - 1)
        return replace(
            self,
            tracks=tuple(replace(track, frame_of_position=track.frame_of_position[place]) for track in self.tracks),
            jumps={trace: positions + offset for trace, positions in self.jumps.items()},
            drags={trace: allowed[place] & inside for trace, allowed in self.drags.items()},
        )

    def n_points(self, trace: int) -> int:
        """How many points a trace has at most, shown or not."""
        for track in self.tracks:
            if track.trace == trace and track.n_points is not None:
                return track.n_points
        values = self.figure.data[trace].x
        return 0 if values is None else len(values)

    def _check_tracks(self) -> None:
        seen: set[tuple[int, str]] = set()
        points: dict[int, dict[str, int]] = {}
        for track in self.tracks:
            if track.trace >= len(self.figure.data):
                raise ValueError(
                    f"tracks must name traces 0..{len(self.figure.data) - 1} of the figure, got {track.trace}"
                )
            if (track.trace, track.attribute) in seen:
                raise ValueError(f"trace {track.trace} has two tracks of {track.attribute!r}: at most one can be drawn")
            seen.add((track.trace, track.attribute))
            if track.n_positions != self.tracks[0].n_positions:
                raise ValueError(
                    "all tracks must cover the same positions, got "
                    f"{self.tracks[0].n_positions} and {track.n_positions}"
                )
            if track.n_points is not None:
                points.setdefault(track.trace, {})[track.attribute] = track.n_points
            if (track.attribute == "z") != (self.figure.data[track.trace].type == "image"):
                raise ValueError(f"a track of 'z' and an image belong together, got one alone at trace {track.trace}")
        for trace, lengths in points.items():
            for axis in ("x", "y"):
                values = self.figure.data[trace][axis]
                if axis not in lengths and values is not None:
                    lengths[axis] = len(values)
            if len(set(lengths.values())) > 1:
                raise ValueError(f"trace {trace} must have as many points in every attribute, got {lengths}")
        for track in self.tracks:
            if track.attribute == "shown":
                _check_shown(track, self.n_points(track.trace))

    def _jump(self, trace: int) -> NDArray[np.int_]:
        positions = _integers(f"jumps[{trace}]", self.jumps[trace])
        if positions.shape != (self.n_points(trace),):
            raise ValueError(
                f"jumps[{trace}] must have a position for each point, shape ({self.n_points(trace)},), "
                f"got {positions.shape}"
            )
        if positions.size and (positions.min() < 0 or positions.max() >= self.n_positions):
            raise ValueError(
                f"jumps[{trace}] must lie in 0..{self.n_positions - 1}, got {positions.min()}..{positions.max()}"
            )
        return _read_only(positions)

    def _drag(self, trace: int) -> NDArray[np.bool_]:
        allowed = np.asarray(self.drags[trace])
        if allowed.dtype != np.bool_ or allowed.shape != (self.n_positions,):
            raise ValueError(
                f"drags[{trace}] must be bool of shape (n_positions,) = ({self.n_positions},), "
                f"got {allowed.dtype} {allowed.shape}"
            )
        return _read_only(allowed)


def _frames(where: str, attribute: str, frames: NDArray[Any]) -> NDArray[Any]:
    frames = np.asarray(frames)
    if attribute in NUMBERS:
        if frames.dtype.kind not in "fiu":
            raise ValueError(f"{where}: frames must be numbers, got {frames.dtype}")
        frames, shape = frames.astype(np.float64, copy=False), "(n_frames, n_points)"
    elif attribute == "shown":
        frames, shape = _integers(f"{where}: frames", frames), "(n_frames,)"
    elif attribute == "text":
        frames, shape = frames.astype(object, copy=False), "(n_frames, n_points)"
        if not all(isinstance(text, str) for text in frames.flat):
            raise ValueError(f"{where}: frames must hold str only")
    else:
        shapes = {"marker.color": "(n_frames, n_points, 3)", "z": "(n_frames, n_rows, n_columns, 3)"}
        shape = shapes.get(attribute, "(n_frames, n_points)")
        if frames.dtype != np.uint8:
            raise ValueError(f"{where}: frames must be uint8, got {frames.dtype}")
    right_rank = frames.ndim == shape.count(",") + (attribute != "shown")
    if not right_rank or not len(frames) or (attribute in ("marker.color", "z") and frames.shape[-1] != 3):
        raise ValueError(f"{where}: frames must have shape {shape} and one frame or more, got {frames.shape}")
    return frames


def _check_shown(track: Track, n_points: int) -> None:
    if track.frames.min() < 0 or track.frames.max() > n_points:
        raise ValueError(
            f"shown of trace {track.trace} must lie in 0..{n_points}, its number of points, "
            f"got {track.frames.min()}..{track.frames.max()}"
        )


def _integers(name: str, values: NDArray[Any]) -> NDArray[np.int_]:
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got {values.dtype}")
    return values.astype(np.int_, copy=False)


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values = values.view()
    values.flags.writeable = False
    return values
