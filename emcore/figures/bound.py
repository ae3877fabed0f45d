"""The bound under the objective: along a cut, in parts of each gain, and guesses beside what EM would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.objective import curve_layout, few
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.landscape import BoundSlices, Way, parts_of_gains
from emcore.report import Captions, captions, significant
from emcore.report import number as written

Array = NDArray[np.float64]

GAP: Final = style.COMPONENT_COLOURS[1]
ANSWER: Final = style.COMPONENT_COLOURS[5]
GUESS: Final = style.COMPONENT_COLOURS[7]
_LEAST = 1e-12  # of the objective, or of 1 nat: what is smaller is rounding


def bound_figure(
    history: History, slices: BoundSlices, *, look: Look = style.DEFAULT_LOOK, since: int = 0
) -> SteppedFigure:
    """One cut through the objective, and the bound under it, half-step by half-step.

    After an E-step the new bound touches the objective where the parameters stand; the old one is dotted below, and the
    line between them is the gap that closed. After an M-step the parameters stand at the top of the bound, and the line
    is the gap that opened.

    Parameters
    ----------
    history : History
        The run.
    slices : BoundSlices
        Its cuts, from `landscape.bound_slices`.
    look : Look
        How large things are drawn.
    since : int
        The height of the picture fits the positions of this iteration and later ones.

    Returns
    -------
    SteppedFigure
        Covers the positions of the run.
    """
    low, high = _heights(slices, since)
    floor = low - 2 * (high - low)
    positions = np.arange(len(slices.place))
    name = history.model.objective_name

    def column(values: Array) -> Array:
        return np.where(values < floor, floor, values)

    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []

    def add(trace: dict[str, Any], **frames: NDArray[Any]) -> None:
        first = {attribute: values[0] for attribute, values in frames.items()}
        traces.append({"type": "scatter", **first, **trace})
        tracks.extend(Track(len(traces) - 1, attribute, values, positions) for attribute, values in frames.items())

    def curve(called: str, values: Array, colour: str, part: float, said: str, **line: Any) -> None:
        add(
            {
                "name": called,
                "x": slices.x,
                "mode": "lines",
                "line": {"color": colour, "width": part * look.line_width, "simplify": False, **line},
                "hovertemplate": f"{hover}<extra>{said}</extra>",
            },
            y=column(values),
        )

    def mark(called: str, x: Array, y: Array, said: str, **marker: Any) -> None:
        add(
            {
                "name": called,
                "mode": "markers",
                "showlegend": False,
                "marker": {"size": 0.8 * look.now_size, "line": {"color": "white", "width": 2}, **marker},
                "hovertemplate": f"{hover}<extra>{said}</extra>",
            },
            x=x[:, None],
            y=column(y)[:, None],
        )

    hover = "%{x:.4g}<br>%{y:.4f}"
    hollow = {"color": style.OBJECTIVE, "width": 2}
    curve(name, slices.objective, style.OBJECTIVE, 1.2, name)
    curve("Bound before", slices.earlier, style.BOUND, 0.7, "Bound before this E-step", dash="dot")
    curve("Bound", slices.bound, style.BOUND, 1.2, "Bound")
    add(
        {"name": "Gap", "mode": "lines", "line": {"color": GAP, "width": 1.2 * look.line_width}, "hoverinfo": "skip"},
        x=np.column_stack([slices.place, slices.place]),
        y=np.column_stack([column(_gap_bottom(slices)), slices.reached]),
    )
    came_from = _came_from_height(slices)
    mark(
        "Where it came from",
        slices.came_from,
        came_from,
        "Before this M-step",
        color=style.TRANSPARENT,
        line=hollow,
    )
    mark("Now, on the bound", slices.place, slices.touched, "Bound now", color=style.BOUND, symbol="diamond")
    mark("Now", slices.place, slices.reached, f"{name} now", color=style.OBJECTIVE, size=look.now_size)
    add(
        {
            "name": "Gap, in numbers",
            "mode": "text",
            "showlegend": False,
            "textposition": "top center",
            "textfont": {"size": look.font_size + 1, "color": GAP},
            "hoverinfo": "skip",
            "cliponaxis": True,
        },
        x=slices.place[:, None],
        y=(slices.reached + 0.045 * (high - low))[:, None],
        text=np.array([[text] for text in gap_texts(history, slices)], dtype=object),
    )
    layout = style.layout(
        look,
        x_title=_cut_title(slices),
        y_title=style.objective_title(history),
        revision=f"{slices.name} {low} {high} {slices.x[0]} {slices.x[-1]}",
        xaxis={"range": (float(slices.x[0]), float(slices.x[-1]))},
        yaxis={"range": (low, high), "exponentformat": "none", "separatethousands": True},
    )
    along = f"along {slices.name}" if slices.name else "along the way of the M-step"
    return SteppedFigure(
        go.Figure(traces, layout),
        tuple(tracks),
        description=f"{name} {along}, and the bound under it. The sentence and the numbers below follow the slider.",
    )


def way_figure(history: History, way: Way, *, look: Look = style.DEFAULT_LOOK) -> go.Figure:
    """Where a partial M-step stopped on its way to the top of the bound."""
    name = history.model.objective_name
    layout = style.layout(
        look,
        x_title="Part of the way",
        y_title=style.objective_title(history),
        revision="way",
        yaxis={"exponentformat": "none", "separatethousands": True},
    )
    figure = go.Figure(layout=layout)
    for called, values, colour in ((name, way.objective, style.OBJECTIVE), ("Bound", way.bound, style.BOUND)):
        figure.add_scatter(
            x=way.x,
            y=values,
            name=called,
            mode="lines",
            line={"color": colour, "width": 1.2 * look.line_width},
            hovertemplate="%{x:.2f} of the way<br>%{y:.4f}<extra>" + called + "</extra>",
        )
    for called, x, symbol, colour in (
        ("Before", 0.0, "circle-open", style.OBJECTIVE),
        ("Where it stopped", way.stop, "circle", style.OBJECTIVE),
        ("Top of the bound", 1.0, "diamond", style.BOUND),
    ):
        values = way.bound if symbol == "diamond" else way.objective
        figure.add_scatter(
            x=[x],
            y=[float(np.interp(x, way.x, values))],
            name=called,
            mode="markers",
            marker={"symbol": symbol, "size": look.now_size, "color": colour, "line": {"color": colour, "width": 2}},
            hovertemplate="%{x:.2f} of the way<br>%{y:.4f}<extra>" + called + "</extra>",
        )
    return figure


def gap_texts(history: History, slices: BoundSlices) -> list[str]:
    """What stands at the gap of each position: "KL(q || p) closed: 3.21", "KL(q || p) = 0.52"."""
    name = "KL(q || p)" if history.model.objective_unit == "nats" else "gap"
    found = []
    for position, gap in enumerate(slices.gap.tolist()):
        closed = float(slices.closed[position])
        room = _LEAST * max(abs(float(slices.reached[position])), history.n_samples)
        if position == 0:
            found.append("")
        elif position % 2 == 0:
            found.append(f"{name} = {_small(gap) if gap > room else '0'}")
        else:
            found.append("touches" if not closed > room else f"{name} closed: {_small(closed)}")
    return found


def _small(value: float) -> str:
    return written(value, 3) if value >= 0.01 else significant(value)


def _gap_bottom(slices: BoundSlices) -> Array:
    """Where the line of the gap begins: at the bound, after an E-step at the one before."""
    at_e_step = np.isfinite(slices.closed)
    return np.where(at_e_step, slices.reached - slices.closed, slices.touched)


def _came_from_height(slices: BoundSlices) -> Array:
    """At an M-step the height that the E-step before it reached; nothing elsewhere."""
    heights = np.full(len(slices.place), np.nan)
    heights[2::2] = slices.reached[1:-1:2]
    return heights


def _heights(slices: BoundSlices, since: int) -> tuple[float, float]:
    """A range that shows the climb from iteration `since` on, and below it enough of the bound to see its shape."""
    shown = np.concatenate([slices.reached[2 * since :], _gap_bottom(slices)[max(2 * since, 1) :]])
    shown = shown[np.isfinite(shown)]
    low, high = float(shown.min()), float(shown.max())
    span = high - low if high - low > 1e-9 * max(abs(high), 1.0) else 1e-3 * max(abs(high), 1.0)
    return low - 0.3 * span, high + 0.2 * span


def _cut_title(slices: BoundSlices) -> str:
    if slices.name:
        return style.plain(slices.name[0].upper() + slices.name[1:])
    return "Part of the way of the M-step: 0 before it, 1 after it"


def parts_figure(history: History, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """What each iteration gained, in two parts, on a logarithmic axis: Q (M-step), and the gap closed (E-step).

    A click on a mark jumps to the half-step that earned it.
    """
    iterations = np.arange(1, history.n_iterations + 1)
    q_gained, closed, gain = parts_of_gains(history)
    room = _LEAST * np.maximum(np.abs(np.asarray(history.objective)), history.n_samples)
    n_positions = history.n_positions
    shown = np.arange(n_positions) // 2
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    jumps: dict[int, NDArray[np.int_]] = {}
    for name, values, colour, symbol, dash, late in (
        ("Q gained (M-step)", q_gained, style.BOUND, "diamond", "dash", 0),
        ("Gap closed (E-step)", closed, GAP, "square", "dot", 1),
        ("Both: the gain", gain, style.OBJECTIVE, "circle", "solid", 1),
    ):
        drawn = np.where(values > room, values, np.nan)[1:]
        jumps[len(traces)] = 2 * iterations + late
        tracks.append(
            Track(len(traces), "shown", np.arange(history.n_iterations + 1), _earned(shown, n_positions, late))
        )
        traces.append(
            {
                "type": "scatter",
                "name": name,
                "x": iterations,
                "y": drawn,
                "mode": "lines+markers" if few(history.n_iterations) else "lines",
                "line": {"color": colour, "width": look.line_width, "dash": dash},
                "marker": {"size": 3 * look.line_width, "symbol": symbol},
                "hovertemplate": "Iteration %{x}<br>%{y:.4g}<extra>" + name + "</extra>",
            }
        )
    seen = np.concatenate([np.where(values > room, values, np.nan)[1:] for values in (q_gained, closed, gain)])
    seen = np.log10(seen[np.isfinite(seen)]) if np.isfinite(seen).any() else np.array([-1.0, 0.0])
    margin = 0.1 * float(np.ptp(seen)) + 0.1
    layout = curve_layout(
        look,
        title=f"Gained ({history.model.objective_unit})",
        x_range=(min(1, history.n_iterations), history.n_iterations),
        y_range=(float(seen.min()) - margin, float(seen.max()) + margin),
    )
    layout["yaxis"] |= {"type": "log", "exponentformat": "power", "dtick": 1 if np.ptp(seen) < 7 else 2}
    description = (
        "What each iteration gained, split into what the M-step added to Q and the gap that the E-step closed."
    )
    return SteppedFigure(go.Figure(traces, layout), tuple(tracks), jumps=jumps, description=description)


def _earned(iteration_at: NDArray[np.int_], n_positions: int, late: int) -> NDArray[np.int_]:
    """How many iterations have earned a part by each position: the M-step's at once, the E-step's half a step later."""
    positions = np.arange(n_positions)
    return np.asarray(np.maximum(iteration_at - (late * (positions % 2 == 0)), 0))


def with_marks(
    still: SteppedFigure,
    guesses: ArrayLike | None,
    answer: ArrayLike | None,
    *,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """A still picture of the data in which a place can be clicked, with a guess and the answer marked in it.

    Parameters
    ----------
    still : SteppedFigure
        A picture without tracks, from `SteppedFigure.at`.
    guesses, answer : array-like of shape (n_features,), or None
        Places in the picture; on one axis they stand on the line of the axis.
    """
    figure = go.Figure(still.figure)
    for name, place, colour, symbol, size in (
        ("The M-step", answer, ANSWER, "star-square", 1.4),
        ("Your guess", guesses, GUESS, "star", 1.1),  # on top: a good one lies on the answer
    ):
        if place is not None:
            where = np.atleast_1d(np.asarray(place, dtype=np.float64))
            figure.add_scatter(
                x=[float(where[0])],
                y=[float(where[1]) if len(where) > 1 else 0.0],
                name=name,
                mode="markers",
                marker={
                    "symbol": symbol,
                    "size": size * look.now_size,
                    "color": colour,
                    "line": {"color": "white", "width": 2},
                },
                hovertemplate="%{x:.4g}" + (", %{y:.4g}" if len(where) > 1 else "") + f"<extra>{name}</extra>",
            )
    return replace(still, figure=figure, spots=True)


def with_questions(still: SteppedFigure, places: ArrayLike, texts: Sequence[str], *, look: Look) -> go.Figure:
    """A still picture of the data with some places marked: rings in two dimensions, lines across in one.

    Parameters
    ----------
    still : SteppedFigure
        A picture without tracks, from `SteppedFigure.at`.
    places : array-like of shape (n_places, n_features)
        In the data's units.
    texts : sequence of str
        What stands beside each.
    """
    figure = go.Figure(still.figure)
    where = np.asarray(places, dtype=np.float64)
    line = {"color": "#808080", "width": look.line_width}
    if where.shape[1] == 1:
        for (x,), text in zip(where.tolist(), texts, strict=True):
            figure.add_vline(x, line=line | {"dash": "dot"}, annotation_text=text, annotation_position="top right")
        return figure
    return figure.add_scatter(
        x=where[:, 0],
        y=where[:, 1],
        mode="markers+text",
        name="Asked",
        text=list(texts),
        textposition="top center",
        marker={"size": look.now_size, "symbol": "circle-open", "color": line["color"], "line": {"width": 3}},
    )


def shares_figure(
    rows: Sequence[str], guesses: Sequence[float], answers: Sequence[float], *, look: Look = style.DEFAULT_LOOK
) -> go.Figure:
    """Guessed responsibilities beside the true ones: a pair of bars for each point."""
    figure = go.Figure(layout=style.layout(look, x_title="", y_title="Responsibility", revision="shares"))
    for name, values, colour in (("Your guess", guesses, GUESS), ("The E-step", answers, ANSWER)):
        figure.add_bar(
            x=list(rows), y=list(values), name=name, marker_color=colour, hovertemplate="%{y:.4f}<extra>%{x}</extra>"
        )
    figure.update_layout(barmode="group", height=0.7 * look.height)
    figure.update_yaxes(range=(0, 1.05))
    return figure


def losses_figure(losses: Sequence[float], unit: str, *, look: Look = style.DEFAULT_LOOK) -> go.Figure:
    """The losses of the guesses so far, on a logarithmic axis; 0 stands at its lower edge, infinity at the upper."""
    values = np.asarray(losses, dtype=np.float64)
    positive = values[(values > 0) & np.isfinite(values)]
    low = min(float(positive.min()) if positive.size else 1e-3, 1e-3)
    high = max(float(positive.max()) if positive.size else 1.0, 1.0)
    numbers = np.arange(1, len(values) + 1)
    figure = go.Figure(layout=style.layout(look, x_title="Guess", y_title=f"Loss ({unit})", revision="losses"))
    figure.add_scatter(
        x=numbers,
        y=np.clip(values, low, high),
        mode="lines+markers",
        line={"color": GUESS, "width": look.line_width},
        marker={"size": 0.7 * look.now_size},
        customdata=values,
        hovertemplate="Guess %{x}<br>lost %{customdata:.3g}<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(height=0.6 * look.height)
    figure.update_xaxes(range=(0.5, len(values) + 0.5), dtick=1 if len(values) <= 12 else None)
    figure.update_yaxes(type="log", range=(np.log10(low) - 0.2, np.log10(high) + 0.2), exponentformat="power")
    return figure


def bound_captions(history: History) -> Captions:
    """What the player says of each half-step: what it did, and what it did to the bound."""
    said = captions(history)
    q_gained, closed, _ = parts_of_gains(history)
    room = _LEAST * np.maximum(np.abs(np.asarray(history.objective)), history.n_samples)
    name = "the divergence KL(q || p)" if history.model.objective_unit == "nats" else "the gap"

    def amount(values: Array, t: int) -> str:
        return _small(float(values[t])) if values[t] > room[t] else "0"

    half_steps = list(said.half_steps)
    for t in range(1, history.n_iterations + 1):
        half_steps[2 * t] += f" The bound rose by {amount(q_gained, t)}; {name} is now {amount(closed, t)}."
        half_steps[2 * t + 1] += f" It rose by {amount(closed, t)}, the gap that was there."
    return replace(said, half_steps=tuple(half_steps))
