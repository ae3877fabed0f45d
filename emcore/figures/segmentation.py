"""A picture and its segments, and the pixels' colours with the components over them."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.mixture import mixture_figure
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.scene import ellipses
from emcore.segments import Segments


def segmented_figure(history: History, drawn: Segments, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The picture, each pixel painted as the latest E-step says; grey at the bare start, when nothing is known."""
    bare = np.broadcast_to(style.rgb(style.NEUTRAL), (1, *drawn.original.shape))
    k = history.model.n_components
    return _picture(
        "Segmented",
        np.concatenate([bare, drawn.painted]),
        _after_e_step(history),
        look,
        f"The picture in the colours of {k} component{'' if k == 1 else 's'}, which follow the slider.",
        coarse=drawn.original.shape[0] * drawn.original.shape[1] < drawn.n_pixels,
    )


def original_figure(history: History, drawn: Segments, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The picture as it is."""
    still = np.zeros(history.n_positions, dtype=np.int_)
    return _picture("Original", drawn.original[None], still, look, "The picture as it is.")


def _after_e_step(history: History) -> NDArray[np.int_]:
    """1 + the E-step whose colours each position shows, 0 for none."""
    return (np.arange(history.n_positions) + 1) // 2


def _picture(
    title: str,
    frames: NDArray[np.uint8],
    frame_of_position: NDArray[np.int_],
    look: Look,
    description: str,
    *,
    coarse: bool = False,
) -> SteppedFigure:
    n_rows, n_columns = frames.shape[1:3]
    note = f" ({n_columns} × {n_rows} of its pixels)" if coarse else ""
    layout = style.layout(
        look,
        x_title="",
        y_title="",
        revision=f"{title} {frames.shape}",
        height=400 if look.projector else 350,
        margin={"l": 0, "r": 0, "t": 2.2 * look.font_size, "b": 0},
        title={
            "text": title + note,
            "font": {"size": look.font_size},
            "x": 0,
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 0.4 * look.font_size},
        },
        showlegend=False,
        xaxis={"range": (-0.5, n_columns - 0.5), "visible": False, "constrain": "domain", "constraintoward": "left"},
        yaxis={
            "range": (n_rows - 0.5, -0.5),
            "visible": False,
            "scaleanchor": "x",
            "constrain": "domain",
            "constraintoward": "top",
        },
    )
    trace = {"type": "image", "name": title, "z": frames[0, :1, :1].tolist(), "hoverinfo": "skip"}
    return SteppedFigure(
        go.Figure([trace], layout), (Track(0, "z", frames, frame_of_position),), description=description
    )


def colours_figure(
    history: History,
    drawn: Segments,
    axes: tuple[str, ...],
    plane: tuple[int, int] = (0, 1),
    *,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """Pixels by two of their channels, painted like the picture, with each component's ellipses; or a histogram.

    Parameters
    ----------
    history : History
        Of a GaussianMixture on one or three channels.
    drawn : Segments
        Of this run.
    axes : tuple of str
        The channels' names.
    plane : tuple of int
        The two channels on the axes, from 0; not used for one channel. The ellipses are those of the components'
        marginal distributions in it, at 1 and 2 sds.
    look : Look
    """
    if len(axes) == 1:
        return mixture_figure(history, look=look, axes=axes, draggable="never")
    x, y = plane
    pair = list(plane)
    means = np.array([theta.means for theta in history.parameters])[..., pair]
    covariances = np.array([theta.covariances for theta in history.parameters])[..., pair, :][..., pair]
    rings = ellipses(means, covariances)
    theta_at = np.arange(history.n_positions) // 2
    bare = np.broadcast_to(style.rgb(style.NEUTRAL), (1, *drawn.point_colours.shape[1:]))
    traces: list[dict[str, Any]] = [
        {
            "name": "Pixels",
            "x": drawn.points[:, x],
            "y": drawn.points[:, y],
            "mode": "markers",
            "marker": {"size": look.point_size(len(drawn.points)), "color": style.NEUTRAL, "line": {"width": 0}},
            "hovertemplate": f"{axes[x]} %{{x:.0f}}<br>{axes[y]} %{{y:.0f}}<extra></extra>",
            "showlegend": False,
        }
    ]
    tracks = [Track(0, "marker.color", np.concatenate([bare, drawn.point_colours]), _after_e_step(history))]
    for k in range(means.shape[1]):
        colour = style.COMPONENT_COLOURS[k]
        for outer, width in enumerate((1.0, 0.6)):
            ring = rings[:, k, outer]
            line = {"color": colour, "width": width * look.line_width}
            tracks += [Track(len(traces), axis, ring[..., i], theta_at) for i, axis in enumerate("xy")]
            traces.append(
                {
                    "name": f"Component {k + 1}" if means.shape[1] <= 5 or not k else f"{k + 1}",
                    "x": ring[0, :, 0],
                    "y": ring[0, :, 1],
                    "mode": "lines",
                    "line": line,
                    "legendgroup": f"{k}",
                    "showlegend": not outer,
                    "hoverinfo": "skip",
                }
            )
    tracks += [Track(len(traces), axis, means[..., i], theta_at) for i, axis in enumerate("xy")]
    traces.append(
        {
            "name": "Means",
            "x": means[0, :, 0],
            "y": means[0, :, 1],
            "mode": "markers",
            "marker": {
                "symbol": "x",
                "size": look.mean_size,
                "color": list(style.COMPONENT_COLOURS[: means.shape[1]]),
                "line": {"color": "white", "width": look.mean_edge},
            },
            "text": [f"Component {k + 1}" for k in range(means.shape[1])],
            "hovertemplate": "%{text}<br>mean (%{x:.1f}, %{y:.1f})<extra></extra>",
            "showlegend": False,
        }
    )
    few = len(drawn.points) < drawn.n_pixels
    note = {
        "text": f"{len(drawn.points):,} of {drawn.n_pixels:,} pixels are drawn; all are used.",
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 1,
        "y": 0,
        "xanchor": "right",
        "yanchor": "bottom",
        "font": {"size": look.font_size - 1},
    }
    layout = style.layout(
        look,
        x_title=axes[x],
        y_title=axes[y],
        revision=f"{axes[x]} {axes[y]}",
        xaxis={"range": (-8, 263)},
        yaxis={"range": (-8, 263)},
        annotations=[note] if few else [],
    )
    return SteppedFigure(
        go.Figure([{"type": "scatter", **trace} for trace in traces], layout),
        tuple(tracks),
        description=f"{len(drawn.points):,} of {drawn.n_pixels:,} pixels by {axes[x].lower()} and {axes[y].lower()}, "
        f"with two ellipses for each of {means.shape[1]} components. They follow the slider.",
    )
