"""The picture of a run with the lines between its regions: Voronoi cells, or soft borders."""

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
from emcore.regions import SURE, regions


def regions_figure(
    history: History,
    *,
    title: str,
    temperatures: float | Sequence[float] = 1.0,
    look: Look = style.DEFAULT_LOOK,
    outlines: bool = True,
    **drawn: Any,
) -> SteppedFigure:
    """The data and the components at every position, and where one component's region ends.

    Parameters
    ----------
    history : History
        A run of a mixture, or of k-means as `emcore.clusters.as_mixture` shows it.
    title : str
        What the run is, in a word or two.
    temperatures : float or sequence of float
        Of the E-steps, as in `emcore.regions.regions`: at 0 there is no strip of doubt.
    look : Look
    outlines : bool
        Whether the ellipses, or the densities, of the components are drawn.
    drawn
        Options of `mixture_figure`: truth, contours, axes.

    Returns
    -------
    SteppedFigure
        `mixture_figure`'s, in which nothing can be dragged, with more traces at its end: the title in the legend,
        "Border" and "90 % sure".
    """
    base = mixture_figure(history, look=look, draggable="never", **drawn)
    layout = base.figure.layout
    one_axis = history.parameters[0].n_features == 1
    x_range = tuple(layout.xaxis.range)
    y_range = tuple(layout.yaxis.range)
    found = regions(history.parameters, temperatures, x_range, None if one_axis else y_range)
    theta_at = np.arange(history.n_positions) // 2
    # The title is an entry of the legend: what stands beside the entries is cut off where they fill the row.
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "name": f"<b>{style.plain(title)}</b>",
            "mode": "lines",
            "x": [None],
            "y": [None],
            "line": {"color": style.TRANSPARENT},
            "showlegend": True,
            "legendrank": 1,
        }
    ]
    tracks: list[Track] = []
    for name, lines, dash, width in (
        ("Border", found.borders, "solid", 0.7),
        (f"{SURE:.0%} sure".replace("%", " %"), found.sure, "dot", 0.5),
    ):
        if np.isnan(lines).all():
            continue
        x, y = _vertical(lines[..., 0], y_range[1]) if one_axis else (lines[..., 0], lines[..., 1])
        number = len(base.figure.data) + len(traces)
        traces.append(
            {
                "type": "scatter",
                "name": name,
                "mode": "lines",
                "x": x[0],
                "y": y[0],
                "line": {"color": style.NEUTRAL, "width": width * look.line_width, "dash": dash},
                "showlegend": True,
                "hoverinfo": "skip",
            }
        )
        tracks += [Track(number, "x", x, theta_at), Track(number, "y", y, theta_at)]
    figure = go.Figure([*base.figure.data, *traces], layout)
    for trace in figure.select_traces({"type": "scatter"}):
        if trace.mode == "lines+markers" and trace.name.startswith("Component ") and trace.name != "Component 1":
            trace.name = trace.name.removeprefix("Component ")  # of two pictures side by side each has half the room
        elif not outlines and trace.mode == "lines" and trace.name.startswith(("Component", "Sum")):
            trace.update(opacity=0, showlegend=False)
    described = f"{style.short(title)}. {base.description}"
    return replace(base, figure=figure, tracks=(*base.tracks, *tracks), description=described)


def lower(stepped: SteppedFigure, height: int) -> SteppedFigure:
    """A curve as it stands below a picture: low, with the name of its axis above it."""
    figure = go.Figure(stepped.figure)
    layout = figure.layout
    size = layout.font.size
    figure.update_layout(
        height=height * size // style.DEFAULT_LOOK.font_size,
        title={"text": layout.yaxis.title.text, "x": 0.02, "y": 0.99, "yanchor": "top", "font": {"size": size + 1}},
        margin_t=round(2.1 * size),
    )
    figure.update_yaxes(title=None)
    if figure.layout.showlegend is not False and len(figure.data) > 3:
        figure.update_layout(legend={"x": 1, "xanchor": "right"})
    return replace(stepped, figure=figure)


def _vertical(places: NDArray[np.float64], top: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Upright lines at these places of the axis, shape (..., n_places), each followed by a gap."""
    x = np.repeat(places, 3, axis=-1)
    y = np.broadcast_to(np.tile([0.0, top, np.nan], places.shape[-1]), x.shape).copy()
    y[np.isnan(x)] = np.nan
    return x, y
