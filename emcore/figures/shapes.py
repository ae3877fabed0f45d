"""Several runs at once: small pictures under one slider, and their objectives on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from emcore.em import History
from emcore.figures import style
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import Stroke, curve, curve_layout, few
from emcore.figures.race import overlaid
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.report import number as written
from emcore.scene import climb, covering

# Colour, dash and marker all tell the runs apart; the colours are those of maxima, no component's.
STROKES: Final = tuple(
    Stroke(colour=style.MAXIMUM_COLOURS[index], dash=dash, symbol=symbol)
    for index, dash, symbol in (
        (1, "solid", "circle"),
        (0, "dash", "diamond"),
        (4, "dot", "square"),
        (6, "dashdot", "triangle-up"),
    )
)
SMALLER: Final = 0.55  # the markers of a small picture, beside those of a large one


def small_figure(
    history: History,
    title: str,
    n_positions: int,
    *,
    look: Look = style.DEFAULT_LOOK,
    **drawn: Any,
) -> SteppedFigure:
    """A run's picture for a row of several: its title inside, no legend, few ticks, on a slider of n_positions.

    `drawn` are options of `mixture_figure`: truth, contours, axes.
    """
    stepped = mixture_figure(history, look=look, draggable="never", trails=False, **drawn)
    figure = go.Figure(stepped.figure)
    for trace in figure.data:
        if trace.type == "scatter" and "markers" in (trace.mode or ""):
            trace.marker.size *= SMALLER
            trace.marker.line.width = SMALLER * (trace.marker.line.width or 0)
    size = look.font_size
    figure.update_layout(
        showlegend=False,
        height=round(0.66 * look.height),
        margin={"l": 34, "r": 4, "t": round(2.1 * size), "b": 28},
        title={
            "text": f"<b>{style.plain(title)}</b>",
            "x": 0.02,
            "y": 0.99,
            "yanchor": "top",
            "font": {"size": size + 1},
        },
        annotations=[],
    )
    figure.update_xaxes(nticks=5, title=None)
    figure.update_yaxes(nticks=5, title=None)
    described = replace(stepped, figure=figure, clicks=(), description=f"{style.short(title)}. {stepped.description}")
    return described.extended(n_positions)


def objectives_figure(
    histories: Sequence[History], names: Sequence[str], n_positions: int, *, look: Look = style.DEFAULT_LOOK
) -> SteppedFigure:
    """The objectives of up to four runs on the same points on one axis; a run that has ended rests.

    Parameters
    ----------
    histories : sequence of History
        Of models whose objectives can be compared.
    names : sequence of str
        What the runs are called.
    n_positions : int
        How many positions the slider has.
    look : Look
    """
    last = max(history.n_iterations for history in histories)
    # without the first two iterations, whose gains would flatten all others
    heights = [np.asarray(history.objective)[min(2, history.n_iterations) :] for history in histories]
    low, high = covering(np.concatenate(heights))
    parts = []
    for history, name, stroke in zip(histories, names, STROKES, strict=False):
        place = climb(history)
        objective = np.asarray(history.objective)[np.arange(history.n_positions) // 2]
        below = objective < low
        place = replace(
            place, heights=np.where(below, low + 0.04 * (high - low), objective), below=below, y_range=(low, high)
        )
        part = curve(history, place, look=look, stroke=replace(stroke, name=style.plain(name)), markers=few(last))
        parts.append(part.extended(n_positions))
    layout = curve_layout(look, title=style.objective_title(histories[0]), x_range=(0, last), y_range=(low, high))
    layout["height"] = round(0.62 * look.height)
    starts = "; ".join(
        f"{style.short(name)}, {history.n_iterations} iteration{'' if history.n_iterations == 1 else 's'} "
        f"from {written(float(history.objective[0]))}"
        for history, name in zip(histories, names, strict=True)
    )
    return overlaid(
        parts,
        layout,
        f"{histories[0].model.objective_name} by iteration of {len(histories)} runs: {starts}. "
        "The sentence and the tables below follow the slider.",
    )
