"""The temperature of an annealed run by iteration."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from emcore.annealing import temperatures
from emcore.em import History
from emcore.figures import style
from emcore.figures.objective import curve_layout
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look

SCHEDULE = style.COMPONENT_COLOURS[1]


def temperature_figure(history: History, n_positions: int, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The schedule: faint as a whole, with a marker of the present place; on a slider of n_positions.

    A click on iteration t jumps to its E-step, position 2t + 1.
    """
    degrees = temperatures(history)
    iterations = np.arange(len(degrees))
    last = n_positions // 2 - 1
    at = np.minimum(np.arange(n_positions) // 2, history.n_iterations)
    traces = [
        {
            "type": "scatter",
            "name": "Temperature",
            "x": iterations,
            "y": degrees,
            "mode": "lines",
            "line": {"color": SCHEDULE, "width": look.line_width, "shape": "hv"},
            "hovertemplate": "Iteration %{x}<br>T = %{y:.3g}<extra></extra>",
        },
        {
            "type": "scatter",
            "name": "Now",
            "x": [0],
            "y": degrees[:1],
            "mode": "markers",
            "marker": {
                "size": look.now_size,
                "color": SCHEDULE,
                "line": {"color": "white", "width": 2},
            },
            "hoverinfo": "skip",
        },
    ]
    top = float(degrees.max())
    layout = curve_layout(
        look,
        title="Temperature T",
        x_range=(0, last),
        y_range=(0.0, 1.1 * max(top, 1.2)),
        showlegend=False,
    )
    tracks = (
        Track(1, "x", at[:, None].astype(float), np.arange(n_positions)),
        Track(1, "y", degrees[at][:, None], np.arange(n_positions)),
    )
    return SteppedFigure(
        go.Figure(traces, layout),
        tracks,
        jumps={0: 2 * iterations + 1},
        description=f"The temperature by iteration, from {top:.3g} down to 1. The sentence follows the slider.",
    )
