"""The pictures of one half-step: a chosen place, a chosen component, and points that lose their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.mixture import mixture_figure
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.scene import mix
from emcore.worked import Handover, Regions

SMALLEST_POINT = 2.0  # in CSS pixels: a point that a component does not take is still there
REGION_OPACITY = 0.22
OLD, NEW = "dot", "solid"


def place_figure(
    history: History,
    x: NDArray[np.float64],
    *,
    regions: Regions | None = None,
    crossings: NDArray[np.float64] | None = None,
    look: Look = style.DEFAULT_LOOK,
    **options: Any,
) -> SteppedFigure:
    """The data and the mixture, with one place marked, and in two dimensions the decision regions if they are given.

    Parameters
    ----------
    history : History
    x : ndarray of shape (n_features,)
        The place that Bayes' rule is worked for.
    regions : Regions, optional
        In two dimensions, which component is the most likely where.
    crossings : ndarray of shape (n_iterations + 1, n_crossings, 3), optional
        In one dimension, where two weighted densities are equal (`emcore.worked.crossing_places`).
    look : Look
    options
        Further ones of `mixture_figure`.

    Returns
    -------
    SteppedFigure
        Trace "Points" reports clicks and "Means" can be dragged, as in `mixture_figure`.
    """
    stepped = mixture_figure(history, look=look, trails=False, **options)
    below, tracks = _region_traces(regions, history.n_positions, look) if regions is not None else ([], [])
    above, above_tracks = [_mark(stepped, x, look)], list[Track]()
    if crossings is not None:
        number, at = len(stepped.figure.data) + len(above), np.arange(history.n_positions) // 2
        trace, above_tracks = _crossings(crossings[..., 0], crossings[..., 1], at, number, look)
        above.append(trace)
    return with_traces(stepped, below, tracks, above, above_tracks)


def _crossings(
    x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.int_], number: int, look: Look
) -> tuple[dict[str, Any], list[Track]]:
    """Where two curves meet: a ring, and a line from it down to the axis. `x`, `y` of shape (n_frames, n_crossings)."""
    gap = np.full(x.shape, np.nan)
    across, up = (np.stack(parts, axis=-1).reshape(len(x), -1) for parts in ((x, x, gap), (y, np.zeros(y.shape), gap)))
    trace = {
        "type": "scatter",
        "name": "Crossing",
        "mode": "lines+markers",
        "showlegend": True,
        "legendrank": 2001,
        "hoverinfo": "skip",
        "x": across[0],
        "y": up[0],
        "line": {"color": style.NEUTRAL, "width": 0.6 * look.line_width, "dash": "dot"},
        "marker": {
            "symbol": "circle-open",
            "size": [1.6 * look.point_size(150), 0, 0] * x.shape[1],
            "color": style.NEUTRAL,
            "opacity": 1,
            "line": {"width": 0.8 * look.line_width, "color": style.NEUTRAL},
        },
    }
    return trace, [Track(number, "x", across, at), Track(number, "y", up, at)]


def _region_traces(regions: Regions, n_positions: int, look: Look) -> tuple[list[dict[str, Any]], list[Track]]:
    """A filled area for each component, and the lines between them; nothing before the first E-step."""
    at = (np.arange(n_positions) + 1) // 2
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    looks = [
        {"name": f"Region {k + 1}", "fill": "toself", "fillcolor": style.faint(colour, REGION_OPACITY)}
        for k, colour in enumerate(style.COMPONENT_COLOURS[: len(regions.outlines)])
    ]
    looks.append({"name": "Borders"})
    for own, lines in zip(looks, (*regions.outlines, regions.borders), strict=True):
        frames = np.concatenate([np.full((1, *lines.shape[1:]), np.nan), lines])
        tracks += [Track(len(traces), axis, frames[..., i], at) for i, axis in enumerate("xy")]
        width = 0.0 if "fill" in own else 0.6 * look.line_width
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "showlegend": False,
                "hoverinfo": "skip",
                "x": lines[0, :, 0],
                "y": lines[0, :, 1],
                "line": {"width": width, "color": style.NEUTRAL, "simplify": False},
                **own,
            }
        )
    return traces, tracks


def _mark(stepped: SteppedFigure, x: NDArray[np.float64], look: Look) -> dict[str, Any]:
    """A ring around the place in two dimensions, a line through it in one."""
    text = {"type": "scatter", "name": "Chosen place", "showlegend": True, "hoverinfo": "skip", "legendrank": 2000}
    if len(x) == 1:
        return {
            **text,
            "mode": "lines",
            "x": [x[0], x[0]],
            "y": list(stepped.figure.layout.yaxis.range),
            "line": {"color": style.NEUTRAL, "width": 0.8 * look.line_width, "dash": "dash"},
        }
    size = 3.4 * look.point_size(150)  # also around the cross of a mean
    return {
        **text,
        "mode": "markers",
        "x": x[:1],
        "y": x[1:],
        "marker": {
            "symbol": "circle-open",
            "size": size,
            "color": style.NEUTRAL,
            "line": {"width": 1.2 * look.line_width, "color": style.NEUTRAL},
        },
    }


def responsibilities_figure(
    history: History,
    grid: NDArray[np.float64],
    curves: NDArray[np.float64],
    crossings: NDArray[np.float64],
    x: float,
    here: NDArray[np.float64],
    *,
    axes: tuple[str, ...] = ("x",),
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """The responsibility of each component along the axis, as at each position of the run.

    Parameters
    ----------
    history : History
        On one feature.
    grid : ndarray of shape (n_grid,)
    curves : ndarray of shape (n_iterations + 1, n_components, n_grid)
        `emcore.worked.responsibility_curves` over the grid.
    crossings : ndarray of shape (n_iterations + 1, n_crossings, 3)
        Where the two largest are equal (`emcore.worked.crossing_places`).
    x : float
        The chosen place.
    here : ndarray of shape (n_iterations + 1, n_components)
        The responsibilities there.
    axes : tuple of str
    look : Look

    Returns
    -------
    SteppedFigure
        A click anywhere reports its place.
    """
    positions = np.arange(history.n_positions)
    at = (positions + 1) // 2  # 0 is the bare start: no responsibilities yet
    n_components = curves.shape[1]
    title = style.plain(axes[0])
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    symbols = [name for name, _ in style.COMPONENT_SYMBOLS[:n_components]]
    for k in range(n_components):
        frames = np.concatenate([np.full((1, len(grid)), np.nan), curves[:, k]])
        tracks.append(Track(len(traces), "y", frames, at))
        traces.append(
            {
                "type": "scatter",
                "name": f"Component {k + 1}",
                "mode": "lines",
                "x": grid,
                "y": frames[1],
                "line": {"color": style.COMPONENT_COLOURS[k], "width": look.line_width, "simplify": False},
                "hovertemplate": f"{title} %{{x:.4g}}<br>responsibility %{{y:.3f}}",
            }
        )
    traces.append(
        {
            "type": "scatter",
            "name": "Chosen place",
            "mode": "lines",
            "showlegend": False,
            "x": [x, x],
            "y": [0, 1],
            "hoverinfo": "skip",
            "line": {"color": style.NEUTRAL, "width": 0.8 * look.line_width, "dash": "dash"},
        }
    )
    meetings = np.concatenate([np.full((1, *crossings.shape[1:]), np.nan), crossings])
    trace, moving = _crossings(meetings[..., 0], meetings[..., 2], at, len(traces), look)
    traces.append(trace)
    tracks += moving
    frames = np.concatenate([np.full((1, n_components), np.nan), here])
    tracks.append(Track(len(traces), "y", frames, at))
    traces.append(
        {
            "type": "scatter",
            "name": "Responsibilities here",
            "mode": "markers",
            "showlegend": False,
            "x": np.full(n_components, x),
            "y": frames[1],
            "marker": {
                "size": 1.5 * look.point_size(150),
                "symbol": symbols,
                "color": list(style.COMPONENT_COLOURS[:n_components]),
                "line": {"width": 1, "color": "white"},
            },
            "text": [f"Component {k + 1}" for k in range(n_components)],
            "hovertemplate": "%{text}<br>responsibility %{y:.3f}<extra></extra>",
        }
    )
    layout = style.layout(
        look,
        x_title=title,
        y_title="Responsibility",
        revision=f"{grid[0]}{grid[-1]}",
        xaxis={"range": [float(grid[0]), float(grid[-1])]},
        yaxis={"range": [-0.03, 1.03], "fixedrange": True},
    )
    return SteppedFigure(
        go.Figure({"data": traces, "layout": layout}),
        tuple(tracks),
        spots=True,
        description=f"The responsibility of each of {n_components} components against {axes[0]}, from 0 to 1. The card "
        "below has the numbers at the chosen place.",
    )


def component_figure(
    history: History,
    longer: History,
    component: int,
    taken: NDArray[np.float64],
    *,
    look: Look = style.DEFAULT_LOOK,
    **options: Any,
) -> SteppedFigure:
    """The M-step of one component: points as large as it takes them, and its shape before and after.

    At the E-step of iteration t and at the M-step after it the responsibilities are q_t; the dotted shape is that of
    theta_t, the solid one that of theta_{t+1}.

    Parameters
    ----------
    history : History
        The run whose positions the figure has.
    longer : History
        The same with one M-step more, for the last E-step (`emcore.worked.with_next`).
    component : int
        From 0.
    taken : ndarray of shape (n_iterations + 1, n_samples)
        Its responsibilities at every iteration (`emcore.worked.taken`).
    look : Look
    options
        Further ones of `mixture_figure`.
    """
    stepped = mixture_figure(longer, look=look, trails=False, **options)
    positions = np.arange(history.n_positions)
    before = np.maximum(positions - 1, 0) // 2
    after = np.where(positions == 0, 0, np.minimum(before + 1, longer.n_iterations))
    names = [trace.name for trace in stepped.figure.data]
    points = names.index("Points")
    moving = {track.trace for track in stepped.tracks}
    own = {
        i for i, name in enumerate(names) if i in moving and f"{name},".startswith(f"Component {component + 1},")
    }  # "Component 1", and "Component 1, 2 sd"
    figure = go.Figure(stepped.figure)
    above: list[dict[str, Any]] = []
    tracks: list[Track] = []
    extra: list[Track] = []
    for i, name in enumerate(names):
        others = i in moving and i not in own and name.startswith("Component ")
        if others:
            figure.data[i].opacity = 0.35
    for track in stepped.tracks:
        if track.trace in own:
            number = len(names) + sorted(own).index(track.trace)
            extra.append(replace(track, trace=number, frame_of_position=before))
            tracks.append(replace(track, frame_of_position=after))
        else:
            tracks.append(replace(track, frame_of_position=track.frame_of_position[: len(positions)]))
    for i in sorted(own):
        copy = figure.data[i].to_plotly_json()
        copy["name"] = f"Before, {names[i]}"
        copy["line"] = {**copy["line"], "dash": OLD}
        above.append({**copy, "hoverinfo": "skip"})
    for dash, name in ((OLD, "Before the M-step"), (NEW, "After it")):
        above.append(
            {
                "type": "scatter",
                "name": name,
                "mode": "lines",
                "showlegend": True,
                "legendrank": 2000,
                "x": [None],
                "y": [None],
                "line": {"color": style.COMPONENT_COLOURS[component], "width": look.line_width, "dash": dash},
            }
        )
    largest = 2.2 * look.point_size(len(figure.data[points].x))
    shown = np.asarray(figure.data[points].customdata) - 1
    sizes = np.maximum(SMALLEST_POINT, largest * np.sqrt(taken[:, shown]))  # the area is the responsibility
    base = np.full((1, len(shown)), look.point_size(len(shown)))
    extra.append(Track(points, "marker.size", np.concatenate([base, sizes]), (positions + 1) // 2))
    drags = {trace: allowed[: len(positions)] for trace, allowed in stepped.drags.items()}
    return replace(
        with_traces(replace(stepped, figure=figure, tracks=tuple(tracks), drags=drags), [], [], above, extra),
        description=f"{stepped.description} Points are as large as component {component + 1} takes them; its shape "
        "before the M-step is dotted, after it solid.",
    )


def handover_figure(
    history: History, steps: Handover, *, look: Look = style.DEFAULT_LOOK, axes: tuple[str, ...] = ("x", "y")
) -> SteppedFigure:
    """From known labels to responsibilities: the same points, in five positions.

    Parameters
    ----------
    history : History
        The run that the five steps are taken from.
    steps : Handover
    look : Look
    axes : tuple of str
    """
    shown = [theta for theta in steps.parameters if theta is not None]
    brief = replace(history, parameters=tuple(shown), objective=np.zeros(len(shown)))
    stepped = mixture_figure(brief, look=look, axes=axes, trails=False, draggable="never")
    points = [trace.name for trace in stepped.figure.data].index("Points")
    rows = np.asarray(stepped.figure.data[points].customdata) - 1
    filled = np.cumsum([theta is not None for theta in steps.parameters]) - 1
    hidden = np.array([theta is None for theta in steps.parameters])
    tracks = []
    for track in stepped.tracks:
        if track.trace == points:
            continue
        frames = np.concatenate([track.frames, np.full((1, track.frames.shape[1]), np.nan)])
        tracks.append(replace(track, frames=frames, frame_of_position=np.where(hidden, len(shown), filled)))
    n_components = shown[0].n_components
    palette = style.palette(n_components)
    grey = np.broadcast_to(style.rgb(style.NEUTRAL), (len(rows), 3))
    colours = [grey if shares is None else mix(shares[rows], palette) for shares in steps.responsibilities]
    likely = [
        np.zeros(len(rows)) if shares is None else shares[rows].argmax(axis=1) for shares in steps.responsibilities
    ]
    positions = np.arange(len(colours))
    symbols = tuple(name for name, _ in style.COMPONENT_SYMBOLS[:n_components])
    tracks.append(Track(points, "marker.color", np.array(colours, dtype=np.uint8), positions))
    tracks.append(Track(points, "marker.symbol", np.array(likely, dtype=np.uint8), positions, symbols))
    return replace(
        stepped,
        tracks=tuple(tracks),
        drags={},
        clicks=(),
        description=f"{len(rows):,} points in five steps: with known labels, without them, with responsibilities in "
        "their place, after the M-step, and at the end of EM. The sentence and the table follow the slider.",
    )


def with_traces(
    stepped: SteppedFigure,
    below: Sequence[dict[str, Any]],
    below_tracks: Sequence[Track],
    above: Sequence[dict[str, Any]] = (),
    above_tracks: Sequence[Track] = (),
) -> SteppedFigure:
    """The figure with further traces drawn below and above its own.

    `below_tracks` count their traces within `below`; `above_tracks` within the figure's own traces and then `above`.
    """
    shift = len(below)
    moved = [replace(track, trace=track.trace + shift) for track in (*stepped.tracks, *above_tracks)]
    return replace(
        stepped,
        figure=go.Figure({"data": [*below, *stepped.figure.data, *above], "layout": stepped.figure.layout}),
        tracks=(*below_tracks, *moved),
        jumps={trace + shift: positions for trace, positions in stepped.jumps.items()},
        drags={trace + shift: allowed for trace, allowed in stepped.drags.items()},
        clicks=tuple(trace + shift for trace in stepped.clicks),
    )
