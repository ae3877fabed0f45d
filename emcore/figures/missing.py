"""The holes in a scatter: every missing value as what is expected of it and how uncertain that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.missing import HoleScene

Array = NDArray[np.float64]

HOLE: Final = style.COMPONENT_COLOURS[1]
CHOSEN: Final = style.COMPONENT_COLOURS[0]
LOST: Final = style.COMPONENT_COLOURS[2]
SYMBOLS: Final = (
    ("square-open", "line-ew-open"),
    ("circle-open", "line-ns-open"),
)  # filled in, seen: by missing column
BELL: Final = np.linspace(-3.2, 3.2, 61)  # in sds
BELL_PART: Final = 0.16  # of the axis: the height of the narrowest bell
EDGE: Final = 0.018  # of the axis: how far from its end the margin's marks stand


def holes_figure(
    history: History,
    drawn: HoleScene,
    axes: Sequence[str],
    *,
    row: int | None = None,
    whole: Array | None = None,
    bars: bool = True,
    truth: bool = False,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """Rows with both values as points, rows with one on the margin, and where their holes are filled.

    Parameters
    ----------
    history : History
        Of a MissingNormal on two columns.
    drawn : HoleScene
        `emcore.missing.hole_scene` of it.
    axes : sequence of str
        The names of the columns.
    row : int or None
        The row whose hole shows its whole density.
    whole : ndarray of shape (n_samples, 2) or None
        The table before values were lost: the lost ones are shown.
    bars : bool
        Show the sd of every hole.
    truth : bool
        Show the ellipse of what the data were drawn from, where it is known.
    look : Look

    Returns
    -------
    SteppedFigure
        The rows on the margin and the filled ones report clicks: the points of both are those of `drawn.holes`.
    """
    X = history.prepared.X
    positions = np.arange(history.n_positions)
    now, since = positions // 2, (positions + 1) // 2  # the parameters in force; 0 is the bare start, then q_t
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []

    def still(name: str, points: Array, **trace: Any) -> int:
        options = {"showlegend": False, "hoverinfo": "skip", **trace}
        traces.append({"type": "scatter", "name": name, "x": points[:, 0], "y": points[:, 1], **options})
        return len(traces) - 1

    def moving(name: str, frames: Array, at: NDArray[np.int_], **trace: Any) -> int:
        number = still(name, frames[at[min(1, len(at) - 1)]], **trace)
        for axis, attribute in enumerate(("x", "y")):
            tracks.append(Track(number, attribute, np.ascontiguousarray(frames[..., axis]), at))
        return number

    titles = [style.plain(axis) for axis in axes]
    hover = f"<br>{titles[0]} %{{x:.4g}}<br>{titles[1]} %{{y:.4g}}<extra></extra>"
    size = look.point_size(len(drawn.complete) + len(drawn.holes))
    still(
        "Both seen",
        X[drawn.complete],
        mode="markers",
        customdata=drawn.complete + 1,
        marker={"size": size, "color": style.NEUTRAL, "opacity": 0.75},
        showlegend=len(drawn.complete) > 0,
        hoverinfo="all",
        hovertemplate="Row %{customdata}" + hover,
    )
    if truth and drawn.truth is not None:
        line = {"color": style.NEUTRAL, "width": 0.9 * look.line_width, "dash": "dash"}
        still("Drawn from", drawn.truth[0], mode="lines", line=line, showlegend=True)
    for outer, opacity in enumerate((0.9, 0.5)):
        moving(
            "Normal, 1 and 2 sd" if not outer else "Normal, 2 sd",
            drawn.rings[:, outer],
            now,
            mode="lines",
            line={"color": style.OBJECTIVE, "width": 0.8 * look.line_width, "simplify": False},
            opacity=opacity,
            showlegend=not outer,
        )
    clicks: tuple[int, ...] = ()
    if len(drawn.holes):
        clicks = _holes(history, drawn, whole, bars, size, hover, still, moving, since)
    moving(
        "Mean",
        drawn.means[:, None],
        now,
        mode="markers",
        marker={
            "symbol": "cross",
            "size": look.mean_size,
            "color": style.OBJECTIVE,
            "line": {"width": look.mean_edge, "color": "white"},
        },
    )
    chosen = np.flatnonzero(drawn.holes == row)
    if row is not None and len(chosen):
        _chosen(drawn, int(chosen[0]), row, X, moving, since, look)
    across: dict[str, Any] = {"constrain": "domain", "constraintoward": "left"} if drawn.equal_scale else {}
    one_scale: dict[str, Any] = {}
    if drawn.equal_scale:
        one_scale = {"scaleanchor": "x", "constrain": "domain", "constraintoward": "top"}
    layout = style.layout(
        look,
        x_title=titles[0],
        y_title=titles[1],
        revision=f"{drawn.x_range}{drawn.y_range}",
        xaxis={"range": drawn.x_range, **across},
        yaxis={"range": drawn.y_range, **one_scale},
    )
    n_holes = int(np.isnan(X).any(axis=1).sum())
    return SteppedFigure(
        go.Figure({"data": traces, "layout": layout}),
        tuple(tracks),
        clicks=clicks,
        description=f"Scatter plot of {len(X) - n_holes:,} rows with both {axes[0]} and {axes[1]}, and of {n_holes:,} "
        "with a hole: on the margin at the value seen, and in the plot where the hole is filled, with 1 sd of what is "
        "not known; the ellipse of the normal distribution. The sentence and the tables below follow the slider.",
    )


def correlation_figure(
    history: History, correlations: Array, log_likelihood: Array, *, look: Look = style.DEFAULT_LOOK
) -> SteppedFigure:
    """The highest log-likelihood for every correlation, and the place of the run below it.

    Parameters
    ----------
    history : History
        Of a MissingNormal on two columns.
    correlations, log_likelihood : ndarray of shape (n_values,)
        The curve.
    look : Look

    Returns
    -------
    SteppedFigure
        A click on the way jumps to the E-step of that iteration.
    """
    positions = np.arange(history.n_positions)
    places = np.array([theta.correlations[0, 1] for theta in history.parameters])
    heights = np.asarray(history.objective)
    shown = log_likelihood[np.abs(correlations) <= max(0.7, float(np.abs(places).max()))]
    low, high = min(float(heights.min()), float(shown.min())), float(log_likelihood.max())
    marker = {"size": look.now_size, "color": style.OBJECTIVE, "line": {"width": 1, "color": "white"}}
    hover = "correlation %{x:.4f}<br>%{y:.4f} nats<extra></extra>"
    traces: list[dict[str, Any]] = [
        {
            "name": "Best for each correlation",
            "x": correlations,
            "y": log_likelihood,
            "mode": "lines",
            "line": {"color": style.NEUTRAL, "width": look.line_width},
            "hovertemplate": hover,
            "showlegend": True,
        },
        {
            "name": "Way",
            "x": places,
            "y": heights,
            "mode": "lines+markers",
            "line": {"color": style.OBJECTIVE, "width": 1.5, "dash": "dot"},
            "marker": {"size": 0.4 * look.now_size, "color": style.OBJECTIVE},
            "hovertemplate": hover,
            "showlegend": False,
        },
        {
            "name": "Now",
            "x": places[:1],
            "y": heights[:1],
            "mode": "markers",
            "marker": marker,
            "hovertemplate": hover,
            "showlegend": False,
        },
    ]
    tracks = (
        Track(1, "shown", positions // 2 + 1, positions),
        Track(2, "x", places[:, None], positions // 2),
        Track(2, "y", heights[:, None], positions // 2),
    )
    layout = style.layout(
        look,
        x_title="Correlation",
        y_title=style.objective_title(history),
        revision="correlation",
        xaxis={"range": [-1, 1]},
        yaxis={"range": [low - 0.08 * (high - low), high + 0.12 * (high - low)]},
    )
    return SteppedFigure(
        go.Figure({"data": traces, "layout": layout}),
        tracks,
        jumps={1: 2 * np.arange(len(places)) + 1},
        description="The highest log-likelihood for every correlation has two peaks, at one half and minus one half, "
        "and a saddle between them; the run moves below it.",
    )


def _holes(
    history: History,
    drawn: HoleScene,
    whole: Array | None,
    bars: bool,
    size: float,
    hover: str,
    still: Any,
    moving: Any,
    since: NDArray[np.int_],
) -> tuple[int, ...]:
    """The rows with a hole, on the margin and filled; the traces that report clicks."""
    X, which = history.prepared.X, np.arange(len(drawn.holes))
    margin = X[drawn.holes]
    edges = [low + EDGE * (high - low) for low, high in (drawn.x_range, drawn.y_range)]
    margin = np.where(np.isnan(margin), edges, margin)
    hollow = [SYMBOLS[column][0] for column in drawn.missing.tolist()]
    ticks = [SYMBOLS[column][1] for column in drawn.missing.tolist()]
    if bars:
        ends = np.full((*drawn.filled.shape[:2], 3, 2), np.nan)
        for side, sign in enumerate((-1.0, 1.0)):
            ends[:, :, side] = drawn.filled
            ends[:, which, side, drawn.missing] += sign * drawn.sds
        moving(
            "What is left open, 1 sd",
            _after_nothing(ends.reshape(len(ends), -1, 2)),
            since,
            mode="lines",
            line={"color": style.faint(HOLE, 0.45), "width": 0.2 * size, "simplify": False},
        )
    filled = moving(
        "Filled in, ± 1 sd" if bars else "Filled in",
        _after_nothing(drawn.filled),
        since,
        mode="markers",
        customdata=drawn.holes + 1,
        marker={"symbol": hollow, "size": size, "color": HOLE, "line": {"width": 0.25 * size, "color": HOLE}},
        showlegend=True,
        hoverinfo="all",
        hovertemplate="Row %{customdata}, filled in" + hover,
    )
    seen = still(
        "One seen",
        margin,
        mode="markers",
        customdata=np.column_stack([drawn.holes + 1, X[drawn.holes, 1 - drawn.missing]]),
        marker={"symbol": ticks, "size": 1.6 * size, "color": HOLE, "line": {"width": 0.25 * size, "color": HOLE}},
        showlegend=True,
        hoverinfo="all",
        hovertemplate="Row %{customdata[0]:.0f}: one value, %{customdata[1]:.4g}<extra></extra>",
    )
    if whole is not None:
        still(
            "Lost",
            whole[drawn.holes],
            mode="markers",
            customdata=drawn.holes + 1,
            marker={"symbol": "x-thin-open", "size": 0.9 * size, "color": LOST, "line": {"width": 0.25 * size}},
            showlegend=True,
            hoverinfo="all",
            hovertemplate="Row %{customdata}, as it was" + hover,
        )
    return (filled, seen)


def _chosen(drawn: HoleScene, index: int, row: int, X: Array, moving: Any, since: NDArray[np.int_], look: Look) -> None:
    """The density of one missing value, drawn where it may lie, and the line that it lies on."""
    column = int(drawn.missing[index])
    ranges = (drawn.x_range, drawn.y_range)
    span = ranges[1 - column][1] - ranges[1 - column][0]
    filled, sds = drawn.filled[:, index], drawn.sds[:, index]
    height = np.exp(-0.5 * BELL**2)
    bell = np.repeat(filled[:, None], len(BELL), axis=1)
    bell[:, :, column] += sds[:, None] * BELL
    bell[:, :, 1 - column] += BELL_PART * span * (sds.min() / sds)[:, None] * height
    foot = np.array(X[row])
    foot[column] = ranges[column][0]
    line = np.stack([np.broadcast_to(foot, filled.shape), filled], axis=1)
    moving(
        "Chosen row",
        _after_nothing(line),
        since,
        mode="lines",
        line={"color": CHOSEN, "width": 0.5 * look.line_width, "dash": "dot"},
    )
    moving(
        f"Density, row {row + 1}",
        _after_nothing(bell),
        since,
        mode="lines",
        line={"color": CHOSEN, "width": 0.8 * look.line_width, "simplify": False},
        fill="toself",
        fillcolor=style.faint(CHOSEN, 0.18),
        showlegend=True,
    )
    moving(
        "Its middle",
        _after_nothing(filled[:, None]),
        since,
        mode="markers",
        marker={"size": 0.6 * look.now_size, "color": CHOSEN, "line": {"color": "white", "width": 1.5}},
    )


def _after_nothing(frames: Array) -> Array:
    """The frames after one that shows nothing: the bare start."""
    return np.concatenate([np.full((1, *frames.shape[1:]), np.nan), frames])
