"""Sets of tosses shared out between coins, and the likelihood of the linkage data."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.report import number
from emcore.scene import mix

STACK = 0.018  # sets whose shares of heads are nearer than this stand on top of each other


def coins_figure(
    history: History, responsibilities: NDArray[np.float64], *, look: Look = style.DEFAULT_LOOK
) -> SteppedFigure:
    """Every set of tosses at its share of heads, coloured by the coin it is given to; the coins move below.

    Parameters
    ----------
    history : History
        Of a BinomialMixture.
    responsibilities : ndarray of shape (n_iterations + 1, n_samples, n_components)
        After each E-step. The bare start shows none.
    look : Look
        How large things are drawn.
    """
    successes, trials = np.asarray(history.X, dtype=np.float64).T
    shares = successes / trials
    heights = _stacked(shares)
    palette = style.palette(history.model.n_components)
    bare = np.full((1, len(shares), 3), style.rgb(style.NEUTRAL), dtype=np.uint8)
    colours = np.concatenate([bare, np.array([mix(each, palette) for each in responsibilities])])
    positions = np.arange(history.n_positions)
    after = np.concatenate([[0], 1 + (positions[1:] - 1) // 2])  # the E-step whose colours a position shows
    chances = np.array([parameters.success_probabilities for parameters in history.parameters])
    top = max(float(heights.max()) + 1, 2.5)
    names = [f"Set {n + 1}" for n in range(len(shares))]
    traces: list[dict[str, Any]] = [
        {
            "name": "Sets",
            "x": shares,
            "y": heights,
            "mode": "markers",
            "marker": {
                "size": 2.4 * look.point_size(300),
                "color": _css(colours[0]),
                "line": {"width": 1, "color": "rgba(128,128,128,0.9)"},
            },
            "text": names,
            "customdata": np.stack([successes, trials], axis=1),
            "hovertemplate": "%{text}: %{customdata[0]} heads in %{customdata[1]} tosses<extra></extra>",
            "showlegend": False,
        }
    ]
    tracks = [Track(0, "marker.color", colours, after)]
    for k in range(history.model.n_components):
        colour, symbol = style.COMPONENT_COLOURS[k], style.COMPONENT_SYMBOLS[k][0]
        line = {"color": colour, "width": look.line_width}
        frames = np.repeat(chances[:, k : k + 1], 2, axis=1)
        tracks.append(Track(len(traces), "x", frames, positions // 2))
        traces.append(
            {
                "name": f"Coin {k + 1}",
                "x": frames[0],
                "y": [-0.6, top],
                "mode": "lines+markers",
                "line": line,
                "marker": {"size": [look.now_size, 0], "symbol": symbol, "color": colour},
                "hovertemplate": f"Coin {k + 1}: heads with probability %{{x:.4f}}<extra></extra>",
            }
        )
    layout = style.layout(
        look,
        x_title="Share of heads",
        y_title="",
        revision="coins",
        xaxis={"range": [-0.03, 1.03]},
        yaxis={
            "range": [-1.1, max(top, 6)],
            "showticklabels": False,
            "ticks": "",
            "showgrid": False,
            "fixedrange": True,
        },
    )
    return SteppedFigure(
        go.Figure(traces, layout),
        tuple(tracks),
        description=f"{len(shares)} sets of tosses by their share of heads, and {len(chances[0])} coins. "
        "The sentence and the table below follow the slider.",
    )


def linkage_figure(
    history: History,
    p: NDArray[np.float64],
    log_likelihood: NDArray[np.float64],
    *,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """The log-likelihood of the linkage data for every p, and the place of the run on it.

    Parameters
    ----------
    history : History
        Of Linkage.
    p, log_likelihood : ndarray of shape (n_values,)
        The curve.
    look : Look
        How large things are drawn.
    """
    positions = np.arange(history.n_positions)
    places = np.array([parameters.probability for parameters in history.parameters])
    heights = np.asarray(history.objective)
    low = float(min(heights.min(), np.quantile(log_likelihood, 0.3)))
    high = float(log_likelihood.max())
    margin = 0.06 * (high - low)
    marker = {"size": look.now_size, "color": style.OBJECTIVE, "symbol": "circle", "line": {"width": 1}}
    traces: list[dict[str, Any]] = [
        {
            "name": "Log-likelihood",
            "x": p,
            "y": log_likelihood,
            "mode": "lines",
            "line": {"color": style.NEUTRAL, "width": look.line_width},
            "hovertemplate": "p = %{x:.3f}<br>%{y:.3f} nats<extra></extra>",
            "showlegend": False,
        },
        {
            "name": "Way",
            "x": places,
            "y": heights,
            "mode": "lines+markers",
            "line": {"color": style.OBJECTIVE, "width": 1.5, "dash": "dot"},
            "marker": {"size": 0.5 * look.now_size, "color": style.OBJECTIVE},
            "hovertemplate": "p = %{x:.6f}<br>%{y:.6f} nats<extra></extra>",
            "showlegend": False,
        },
        {
            "name": "Now",
            "x": places[:1],
            "y": heights[:1],
            "mode": "markers",
            "marker": marker,
            "hovertemplate": "p = %{x:.6f}<br>%{y:.6f} nats<extra></extra>",
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
        x_title="p",
        y_title=style.objective_title(history),
        revision="linkage",
        xaxis={"range": [0, 1]},
        yaxis={"range": [low - margin, high + margin]},
    )
    return SteppedFigure(
        go.Figure(traces, layout),
        tracks,
        jumps={1: 2 * np.arange(len(places)) + 1},
        description=f"Log-likelihood for every p; the run begins at p = {number(float(places[0]), 4)}.",
    )


def _stacked(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """A height for each set so that none hides another: the number of sets before it that stand as far right."""
    columns = np.round(shares / STACK)
    heights = np.empty(len(shares))
    for column in np.unique(columns):
        same = columns == column
        heights[same] = np.arange(same.sum())
    return heights


def _css(colours: NDArray[np.uint8]) -> list[str]:
    return [f"rgb({red},{green},{blue})" for red, green, blue in colours.tolist()]
