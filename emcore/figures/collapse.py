"""A component that shrinks: its sd on a log axis, the likelihood that has no maximum, ghost points, small panels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.collapse import MOST_GHOSTS, Slice
from emcore.em import History
from emcore.figures import style
from emcore.figures.objective import curve_layout, few
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.models import GhostPoints
from emcore.report import significant

PRIOR: Final = style.SECOND_OBJECTIVE
FLOOR: Final = style.SECOND_BOUND
WIDE: Final = 0.05  # sds, as a part of the data's, of which a slice that falls to the left shows all
LONG_TITLE: Final = 30  # characters of a panel's title on one line
NARROWEST: Final = 1e-300  # a log axis has no 0


def sd_figure(
    history: History, sds: NDArray[np.float64], component: int, *, look: Look = style.DEFAULT_LOOK
) -> SteppedFigure:
    """The sd of one component by iteration, on a log axis: faint, and bold up to the present place.

    Parameters
    ----------
    history : History
    sds : ndarray of shape (n_iterations + 1,)
        Its sd at each iteration, positive.
    component : int
        Which, from 0.
    look : Look

    Returns
    -------
    SteppedFigure
        A click on iteration t jumps to its E-step, position 2t + 1.
    """
    iterations = np.arange(history.n_iterations + 1)
    positions = np.arange(history.n_positions)
    heights = np.maximum(sds, NARROWEST)
    colour = style.COMPONENT_COLOURS[component]
    hover = "Iteration %{x}<br>sd %{y:.3g}<extra></extra>"
    line = {"color": colour, "width": look.line_width}
    traces: list[dict[str, Any]] = [
        {
            "name": "Whole run",
            "x": iterations,
            "y": heights,
            "mode": "lines+markers" if few(history.n_iterations) else "lines",
            "line": line,
            "marker": {"size": 2.4 * look.line_width, "color": colour},
            "opacity": 0.4,
            "hovertemplate": hover,
        },
        {"name": "sd", "x": iterations, "y": heights, "mode": "lines", "line": line, "hovertemplate": hover},
        {
            "name": "Now",
            "x": [0],
            "y": heights[:1],
            "mode": "markers",
            "marker": {"size": look.now_size, "color": colour, "line": {"color": "white", "width": 2}},
            "hoverinfo": "skip",
        },
    ]
    tracks = (
        Track(1, "shown", iterations + 1, positions // 2),
        Track(2, "x", iterations[:, None].astype(float), positions // 2),
        Track(2, "y", heights[:, None], positions // 2),
    )
    logs = np.log10(heights)
    low, high = float(logs.min()), float(logs.max())
    margin = max(0.06 * (high - low), 0.1)
    layout = curve_layout(
        look,
        title=f"sd of component {component + 1}, narrowest direction",
        x_range=(0, history.n_iterations),
        y_range=(low - margin, high + margin),
        showlegend=False,
    )
    # few decades have few powers of ten: then 2 and 5 are named as well, and within one whatever fits
    ticks: dict[str, Any] = {"dtick": max(1, round((high - low) / 6))} if high - low > 2 else {"dtick": "D2"}
    if high - low < 1:
        ticks = {}
    layout["yaxis"] |= {"type": "log", "exponentformat": "power", "separatethousands": False, **ticks}
    return SteppedFigure(
        go.Figure([{"type": "scatter", **trace} for trace in traces], layout),
        tracks,
        jumps={0: 2 * iterations + 1},
        description=f"The sd of component {component + 1} by iteration, on a log axis, from {significant(sds[0])}.",
    )


def slice_figure(drawn: Slice, *, remedies: bool, look: Look = style.DEFAULT_LOOK) -> go.Figure:
    """The objective against the sd of one component, all else held: without limit to the left.

    Parameters
    ----------
    drawn : Slice
    remedies : bool
        Also the log posterior, with its top, and the floor.
    look : Look
    """
    hover = "sd %{x:.3g}<br>%{y:.2f} nats<extra>%{fullData.name}</extra>"
    curves = [("Log-likelihood", drawn.log_likelihood, style.OBJECTIVE, "solid")]
    if remedies:
        curves.append(("Log-likelihood + log prior", drawn.log_posterior, PRIOR, "dash"))
    traces: list[dict[str, Any]] = [
        {
            "name": name,
            "x": drawn.sds,
            "y": values,
            "mode": "lines",
            "line": {"color": colour, "width": look.line_width, "dash": dash},
            "hovertemplate": hover,
        }
        for name, values, colour, dash in curves
    ]
    seen = [drawn.log_likelihood]
    top = float(drawn.log_posterior.max())
    if remedies:
        traces.append(
            {
                "name": "Its maximum",
                "x": [drawn.peak],
                "y": [top],
                "mode": "markers",
                "marker": {"size": look.now_size, "color": PRIOR, "symbol": "diamond", "line": {"color": "white"}},
                "hovertemplate": hover,
            }
        )
        seen.append(np.array([top]))
    shown = np.concatenate(seen)
    shown = shown[np.isfinite(shown)]
    low, high = float(shown.min()), float(shown.max())
    wide = drawn.log_likelihood[drawn.sds >= WIDE]
    if drawn.log_likelihood[0] < wide.min():  # it falls to the left, and far: the picture keeps to what can be seen
        low = float(wide.min())
    if remedies:  # so much of the log posterior that its top is seen to be one; it falls without limit
        low = min(low, top - 0.25 * (high - low))
    margin = 0.06 * (high - low) or 1.0
    if remedies:
        traces.append(
            {
                "name": "Floor: nothing to the left of it is allowed",
                "x": [drawn.floor, drawn.floor],
                "y": [low - margin, high + margin],
                "mode": "lines",
                "line": {"color": FLOOR, "width": look.line_width, "dash": "dot"},
                "hoverinfo": "skip",
            }
        )
    layout = style.layout(
        look,
        x_title="sd of the component / sd of the data",
        y_title="nats" if remedies else "Log-likelihood (nats)",
        revision=f"{low} {high}",
        xaxis={
            "type": "log",
            "range": (float(np.log10(drawn.sds[0])), float(np.log10(drawn.sds[-1]))),
            "exponentformat": "power",
            "dtick": 1,
        },
        yaxis={"range": (low - margin, high + margin), "exponentformat": "none", "separatethousands": True},
        showlegend=remedies,
    )
    return go.Figure([{"type": "scatter", **trace} for trace in traces], layout)


def with_ghosts(
    drawn: SteppedFigure, history: History, ghosts: GhostPoints, *, look: Look = style.DEFAULT_LOOK
) -> SteppedFigure:
    """A picture of a run with the ghost points of its prior, below the means: hollow circles, and a diamond.

    The circles of a component surround its own mean, wherever that is, as many as there are (at most MOST_GHOSTS), and
    so that their covariance is that of the ghosts. A diamond stands where the other ghosts pull all means to.

    Parameters
    ----------
    drawn : SteppedFigure
        From `mixture_figure`.
    history : History
        The run in it, on one or two features.
    ghosts : GhostPoints
    look : Look
    """
    theta_at = np.arange(history.n_positions) // 2
    means = np.array([theta.means for theta in history.parameters])
    n_features = means.shape[2]
    offsets = _circle(ghosts)
    level = drawn.figure.layout.yaxis.range[1] if n_features == 1 else 0.0
    under = next(i for i, trace in enumerate(drawn.figure.data) if trace.name == "Means ground")
    traces: list[go.Scatter] = []
    tracks: list[Track] = []
    for k in range(means.shape[1]):
        places = means[:, k, None, :] + offsets
        heights = places[..., 1] if n_features == 2 else np.full(places.shape[:2], -0.12 * level)
        number = under + len(traces)
        traces.append(
            go.Scatter(
                x=places[0, :, 0],
                y=heights[0],
                mode="markers",
                name=f"Ghost points of component {k + 1}",
                showlegend=False,
                marker={
                    "size": 1.2 * look.point_size(100),
                    "color": "white",
                    "line": {"width": 0.8 * look.line_width, "color": style.COMPONENT_COLOURS[k]},
                },
                hovertemplate=f"{_written(ghosts.spread_count)} ghost points of component {k + 1}, "
                "around its own mean<extra></extra>",
            )
        )
        tracks.append(Track(number, "x", places[..., 0], theta_at))
        if n_features == 2:
            tracks.append(Track(number, "y", heights, theta_at))
    traces.append(
        go.Scatter(
            x=ghosts.mean[:1],
            y=ghosts.mean[1:] if n_features == 2 else [0.0],
            mode="markers",
            name="Ghosts that pull the means",
            showlegend=False,
            marker={
                "size": look.now_size,
                "symbol": "diamond",
                "color": "white",
                "line": {"width": look.line_width, "color": style.NEUTRAL},
            },
            hovertemplate=f"{_written(ghosts.mean_count)} ghost points for each component, here<extra></extra>",
        )
    )
    data = drawn.figure.data
    figure = go.Figure([*data[:under], *traces, *data[under:]], drawn.figure.layout)

    def moved(trace: int) -> int:
        return trace + len(traces) if trace >= under else trace

    said = (
        f"{drawn.description} Hollow circles around each mean stand for {_written(ghosts.spread_count)} ghost points "
        "of each component; a diamond for those that pull the means."
    )
    return replace(
        drawn,
        figure=figure,
        tracks=(*(replace(track, trace=moved(track.trace)) for track in drawn.tracks), *tracks),
        jumps={moved(trace): positions for trace, positions in drawn.jumps.items()},
        drags={moved(trace): allowed for trace, allowed in drawn.drags.items()},
        clicks=tuple(map(moved, drawn.clicks)),
        description=said,
    )


def panel(drawn: SteppedFigure, title: str, *, height: int, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The same figure small: a title above, no legend, and no title of the y axis, which the title names.

    A long title with something in brackets has that on a line of its own.
    """
    if len(title) > LONG_TITLE:
        title = title.replace(" (", "<br>(")
    figure = go.Figure(drawn.figure)
    notes = [note.to_plotly_json() for note in figure.layout.annotations]
    size = look.font_size
    heading = {
        "text": title,
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "align": "left",
        "xshift": -36,
        "y": 1,
        "yshift": 4,
        "xanchor": "left",
        "yanchor": "bottom",
        "font": {"size": size},
    }
    below = [note for note in notes if not (note.get("yref") == "paper" and note.get("y") == 1)]
    figure.update_layout(
        height=height,
        showlegend=False,
        annotations=[*below, heading],
        margin={"l": 40, "r": 8, "t": int((1.9 + 1.3 * title.count("<br>")) * size) + 4, "b": 36},
        yaxis_title_text="",
        xaxis_title_standoff=2,
    )
    return replace(drawn, figure=figure)


def at_iteration(drawn: SteppedFigure, iteration: int, text: str, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The same curve with a vertical line at an iteration, and beside it what happened there."""
    figure = go.Figure(drawn.figure)
    figure.add_vline(
        x=iteration - 0.5,
        line={"color": style.NEUTRAL, "width": 0.6 * look.line_width, "dash": "dot"},
        annotation={"text": text, "font": {"size": look.font_size - 1}, "showarrow": False, "textangle": -90},
        annotation_position="bottom right",
    )
    return replace(drawn, figure=figure)


def _circle(ghosts: GhostPoints) -> NDArray[np.float64]:
    """Points around 0, shape (n_points, n_features), whose covariance is that of the ghost points of spread."""
    n_features = len(ghosts.mean)
    count = int(np.clip(np.ceil(ghosts.spread_count), 3, MOST_GHOSTS))
    factor = np.linalg.cholesky(ghosts.spread)
    if n_features == 1:
        signs = np.where(np.arange(count + count % 2) % 2, 1.0, -1.0)
        return np.asarray(signs[:, None] * factor[0, 0])
    angles = 2 * np.pi * np.arange(count) / count
    around = np.sqrt(2) * np.column_stack([np.cos(angles), np.sin(angles)])
    return np.asarray(around @ factor.T)


def _written(count: float) -> str:
    return f"{count:.4g}"
