"""The curve panel: the objective of every iteration, and how the half-steps climb it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.report import number as written
from emcore.scene import Climb, climb

BELOW_SYMBOL = "triangle-down"  # marks the place where it lies below the picture


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
    place = climb(history, half_steps=half_steps, since=since)
    layout = curve_layout(
        look,
        title=style.objective_title(history),
        x_range=(since, history.n_iterations),
        y_range=place.y_range,
        note=place.note,
        showlegend=half_steps,
    )
    drawn = curve(history, place, look=look, half_steps=half_steps, markers=few(history.n_iterations - since))
    return replace(drawn, figure=go.Figure(drawn.figure.data, layout), description=_description(history))


@dataclass(frozen=True)
class Stroke:
    """How one run's curve is told from another's.

    Parameters
    ----------
    name : str
        What the legend calls the run; empty: it has the name of its objective.
    colour, bound_colour : str
        Of the objective and of the lower bound.
    dash : str
        Plotly's name of the lines' dash.
    symbol : str
        Plotly's name of the marker of the present place; below the picture it is a triangle.
    """

    name: str = ""
    colour: str = style.OBJECTIVE
    bound_colour: str = style.BOUND
    dash: str = "solid"
    symbol: str = "circle"


ONE_RUN: Final = Stroke()


def curve(
    history: History,
    place: Climb,
    *,
    look: Look,
    stroke: Stroke = ONE_RUN,
    half_steps: bool = False,
    markers: bool = True,
    shift: int = 0,
) -> SteppedFigure:
    """One run's objective as a curve that grows, without axes: a part of a figure.

    Parameters
    ----------
    history : History
    place : Climb
        Where the marker of the present place stands.
    look : Look
    stroke : Stroke
    half_steps : bool
        Also the lower bound.
    markers : bool
        Whether iterations are marked on the curve.
    shift : int
        The iteration on the axis at which the run begins.
    """
    iterations = np.arange(history.n_iterations + 1)
    positions = np.arange(history.n_positions)
    iteration_at = positions // 2
    objective = np.asarray(history.objective)
    title = stroke.name or history.model.objective_name
    whole = f"{stroke.name}, whole" if stroke.name else "Whole run"
    bound_name = f"{stroke.name}: bound" if stroke.name else "Lower bound"
    if title.endswith("lower bound"):  # the objective is one itself, with the best responsibilities
        bound_name = "Its half-steps"
    hover = "Iteration %{x}<br>%{y:.3f}"
    traces: list[dict[str, Any]] = [
        {
            "name": whole,
            "x": iterations + shift,
            "y": objective,
            "mode": "lines+markers" if markers else "lines",
            "line": {"color": stroke.colour, "width": look.line_width, "dash": stroke.dash},
            "marker": {"size": 2.4 * look.line_width, "color": stroke.colour, "symbol": stroke.symbol},
            "opacity": 0.4,
            "showlegend": not stroke.name,
            "hovertemplate": f"{hover}<extra>{whole}</extra>",
        },
        {
            "name": title,
            "x": iterations + shift,
            "y": objective,
            "mode": "lines",
            "line": {"color": stroke.colour, "width": 1.2 * look.line_width, "dash": stroke.dash},
            "hovertemplate": f"{hover}<extra>{title}</extra>",
        },
    ]
    tracks = [Track(1, "shown", iterations + 1, iteration_at)]
    jumps = {0: 2 * iterations + 1}
    if half_steps:
        number = len(traces)
        traces.append(
            {
                "name": bound_name,
                "x": iteration_at + shift,  # the bare start has no bound: a gap
                "y": history.lower_bounds,
                "mode": "lines",
                "line": {"color": stroke.bound_colour, "width": look.line_width, "dash": stroke.dash},
                "hovertemplate": f"{hover}<extra>{bound_name}</extra>",
            }
        )
        tracks.append(Track(number, "shown", positions + 1, positions))
        jumps[number] = positions
    number = len(traces)
    symbols = (stroke.symbol, BELOW_SYMBOL)
    traces.append(
        {
            "name": f"{stroke.name}, now" if stroke.name else "Now",
            "x": [shift],
            "y": [place.heights[0]],
            "mode": "markers",
            "showlegend": False,
            "marker": {
                "size": look.now_size,
                "color": stroke.colour,
                "symbol": symbols[int(place.below[0])],
                "line": {"color": "white", "width": 2},
            },
            "hoverinfo": "skip",
        }
    )
    tracks.append(Track(number, "x", iteration_at[:, None] + shift, positions))
    tracks.append(Track(number, "y", place.heights[:, None], positions))
    if place.below.any():
        frames = np.array([[0], [1]], dtype=np.uint8)
        tracks.append(Track(number, "marker.symbol", frames, place.below.astype(int), symbols))
    return SteppedFigure(go.Figure([{"type": "scatter", **trace} for trace in traces]), tuple(tracks), jumps=jumps)


def curve_layout(
    look: Look,
    *,
    title: str,
    x_range: tuple[int, int],
    y_range: tuple[float, float],
    note: str = "",
    showlegend: bool = True,
) -> dict[str, Any]:
    """The axes of curves against the iteration: from the first iteration to the last, with room for the marker."""
    first, last = x_range
    margin = look.now_size / 300 * max(last - first, 1)  # the marker fits on a phone, too
    return style.layout(
        look,
        x_title="Iteration",
        y_title=title,
        revision=f"{last} {y_range} {first}",
        xaxis={
            "range": (first - margin, last + margin),
            **({"dtick": 1} if last - first <= 7 else {}),
            "tickformat": "d",
        },
        yaxis={"range": y_range, "exponentformat": "none", "separatethousands": True},
        showlegend=showlegend,
        annotations=[_note(note, look)] if note else [],
    )


def few(n_iterations: int) -> bool:
    """Whether so few iterations are in the picture that their markers do not run into each other."""
    return n_iterations < 60


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
