"""The curve panel: the objective of every iteration, and how the half-steps climb it."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.report import number as written
from emcore.scene import climb

NOW_SYMBOLS = ("circle", "triangle-down")  # the second one where the place lies below the picture


def objective_figure(
    history: History, *, look: Look = style.DEFAULT_LOOK, half_steps: bool = False, since: int = 0
) -> SteppedFigure:
    """The objective against the iteration: all of it faint, bold up to the present position.

    Parameters
    ----------
    history : History
        A run of any model.
    look : Look
        How large things are drawn.
    half_steps : bool
        Also draw the lower bound (Bishop 2006, section 9.4) as a staircase: an E-step lifts it to the
        objective, an M-step raises it to a place below the next objective.
    since : int
        The axes cover the iterations from this one on: the first gains often dwarf all others.

    Returns
    -------
    SteppedFigure
        A click on iteration t of the curve jumps to its E-step, position 2t + 1; one on a bend of the
        staircase to the half-step that made it.

    Raises
    ------
    ValueError
        If there is no iteration `since`.
    """
    if not 0 <= since <= history.n_iterations:
        raise ValueError(f"since must be from 0 to {history.n_iterations}, got {since}")
    iterations = np.arange(history.n_iterations + 1)
    positions = np.arange(history.n_positions)
    iteration_at = positions // 2
    objective = np.asarray(history.objective)
    place = climb(history, half_steps=half_steps, since=since)
    markers = len(iterations) - since <= 60  # more would run into each other
    hover = "Iteration %{x}<br>%{y:.3f}"
    traces: list[dict[str, Any]] = [
        {
            "name": "Whole run",
            "x": iterations,
            "y": objective,
            "mode": "lines+markers" if markers else "lines",
            "line": {"color": style.OBJECTIVE, "width": look.line_width},
            "marker": {"size": 2.4 * look.line_width, "color": style.OBJECTIVE},
            "opacity": 0.4,
            "hovertemplate": f"{hover}<extra>Whole run</extra>",
        },
        {
            "name": history.model.objective_name,
            "x": iterations,
            "y": objective,
            "mode": "lines",
            "line": {"color": style.OBJECTIVE, "width": 1.2 * look.line_width},
            "hovertemplate": f"{hover}<extra>{history.model.objective_name}</extra>",
        },
    ]
    tracks = [Track(1, "shown", iterations + 1, iteration_at)]
    jumps = {0: 2 * iterations + 1}
    if half_steps:
        bound = history.lower_bounds
        number = len(traces)
        traces.append(
            {
                "name": "Lower bound",
                "x": iteration_at,  # the bare start has no bound: a gap
                "y": bound,
                "mode": "lines",
                "line": {"color": style.BOUND, "width": look.line_width},
                "hovertemplate": f"{hover}<extra>Lower bound</extra>",
            }
        )
        tracks.append(Track(number, "shown", positions + 1, positions))
        jumps[number] = positions
    number = len(traces)
    traces.append(
        {
            "name": "Now",
            "x": [0],
            "y": [place.heights[0]],
            "mode": "markers",
            "showlegend": False,
            "marker": {
                "size": look.now_size,
                "color": style.OBJECTIVE,
                "symbol": NOW_SYMBOLS[int(place.below[0])],
                "line": {"color": "white", "width": 2},
            },
            "hoverinfo": "skip",
        }
    )
    tracks.append(Track(number, "x", iteration_at[:, None], positions))
    tracks.append(Track(number, "y", place.heights[:, None], positions))
    if place.below.any():
        frames = np.array([[0], [1]], dtype=np.uint8)
        tracks.append(Track(number, "marker.symbol", frames, place.below.astype(int), NOW_SYMBOLS))
    margin = look.now_size / 300 * max(history.n_iterations - since, 1)  # the marker fits on a phone, too
    layout = style.layout(
        look,
        x_title="Iteration",
        y_title=style.objective_title(history),
        revision=f"{history.n_iterations} {place.y_range} {since}",
        xaxis={
            "range": (since - margin, history.n_iterations + margin),
            **({"dtick": 1} if history.n_iterations - since <= 7 else {}),
            "tickformat": "d",
        },
        yaxis={"range": place.y_range, "exponentformat": "none", "separatethousands": True},
        showlegend=half_steps,
        annotations=[_note(place.note, look)] if place.note else [],
    )
    figure = go.Figure({"data": [{"type": "scatter", **trace} for trace in traces], "layout": layout})
    return SteppedFigure(figure, tuple(tracks), jumps=jumps, description=_description(history))


def _note(text: str, look: Look) -> dict[str, Any]:
    """In the lower right corner, where no curve that climbs goes."""
    return {
        "text": text,
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 1,
        "y": 0,
        "xanchor": "right",
        "yanchor": "bottom",
        "font": {"size": look.font_size - 1},
    }


def _description(history: History) -> str:
    """What is to be seen, and nothing of how it ends: whoever listens steps there as well."""
    name = history.model.objective_name
    first = written(float(history.objective[0]))
    if history.n_iterations == 0:
        return f"{name} of the start: {first}. {history.reason}"
    iterations = f"{history.n_iterations} iteration{'' if history.n_iterations == 1 else 's'}"
    return (
        f"{name} by iteration: a curve over {iterations}, from {first} at the start. "
        "The sentence and the tables below follow the slider."
    )
