"""Two runs on the same data, stepped together: both objectives on one axis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.objective import Stroke, curve, curve_layout, few
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.report import number as written
from emcore.scene import Climb, climb, covering

DWARFED: Final = 0.25  # of all heights: what is left without the first gains, where they would flatten all others

# Colour, dash and marker all tell the two apart.
STROKES: Final = (
    Stroke(),
    Stroke(colour=style.SECOND_OBJECTIVE, bound_colour=style.SECOND_BOUND, dash="dash", symbol="diamond"),
)


def race_objective_figure(
    first: History,
    second: History,
    *,
    look: Look = style.DEFAULT_LOOK,
    half_steps: bool = False,
    since: int = 0,
    offset: int = 0,
    names: tuple[str, str] = ("Run 1", "Run 2"),
) -> SteppedFigure:
    """The objectives of two runs on one axis: each faint, bold up to its present place.

    Where the first iteration or two gain more than three quarters of all there is to climb, as after a mean was moved
    far away, the picture begins after them; the start then lies below it, and a note says how high.

    Parameters
    ----------
    first, second : History
        Runs of one model on the same points: their objectives are compared.
    look : Look
        How large things are drawn.
    half_steps : bool
        Also draw both lower bounds.
    since : int
        The axes cover the iterations from this one on.
    offset : int
        The position of the first run at which the second one begins, an even number: a branch from the parameters of
        iteration t has 2t. Its curve begins above iteration t.
    names : tuple of str
        What the runs are called.

    Returns
    -------
    SteppedFigure
        Covers the positions of both (`race_positions`); a run that has ended rests. A click on a curve jumps as in
        `objective_figure`. The data panels beside it are `mixture_figure(...).extended(race_positions(...), offset)`.

    Raises
    ------
    ValueError
        If offset is odd or not a position of the first run, or no run has an iteration `since`.
    """
    n_positions = race_positions(first, second, offset)
    last = max(first.n_iterations, offset // 2 + second.n_iterations)
    if not 0 <= since <= last:
        raise ValueError(f"since must be from 0 to {last}, got {since}")
    histories, shifts = (first, second), (0, offset // 2)
    ranges = [
        climb(history, half_steps=half_steps, since=max(since - shift, 0)).y_range
        for history, shift in zip(histories, shifts, strict=True)
        if since <= shift + history.n_iterations
    ]
    y_range = (min(low for low, _ in ranges), max(high for _, high in ranges))
    if not since:
        y_range = _without_first_gains(histories, half_steps) or y_range
    places = [_placed(history, y_range, half_steps) for history in histories]
    calls = [style.plain(name) for name in names]
    parts = [
        curve(
            history,
            place,
            look=look,
            stroke=replace(kind, name=call),
            half_steps=half_steps,
            markers=few(last - since),
            shift=shift,
        ).extended(n_positions, 2 * shift)
        for history, place, call, kind, shift in zip(histories, places, calls, STROKES, shifts, strict=True)
    ]
    below = [
        f"{call} starts below: {written(float(history.objective[0]))}"
        for history, place, call, shift in zip(histories, places, calls, shifts, strict=True)
        if place.below[0] and shift >= since
    ]
    layout = curve_layout(
        look,
        title=style.objective_title(first),
        x_range=(since, last),
        y_range=y_range,
        note="<br>".join(below),
    )
    return overlaid(parts, layout, _description(histories, shifts, names))


def race_positions(first: History, second: History, offset: int = 0) -> int:
    """How many positions it takes to step through both runs, the second of which begins at position `offset`.

    Raises
    ------
    ValueError
        If offset is odd or not a position of the first run.
    """
    if offset % 2 or not 0 <= offset < first.n_positions:
        raise ValueError(
            f"offset must be an even position of the first run, from 0 to {first.n_positions - 2}, got {offset}; "
            "a run that branches off after iteration t begins at 2t"
        )
    return max(first.n_positions, offset + second.n_positions)


def _without_first_gains(histories: tuple[History, History], half_steps: bool) -> tuple[float, float] | None:
    """A range for what follows on the first iteration or two, if these gain nearly all; else None."""
    whole = np.concatenate([history.objective for history in histories])
    for first in (1, 2):
        left = [np.asarray(each.objective)[first if each.n_iterations >= 5 else 0 :] for each in histories]
        if np.ptp(np.concatenate(left)) < DWARFED * np.ptp(whole):
            if half_steps:
                left += [
                    np.asarray(each.lower_bounds)[2 * first + 1 if each.n_iterations >= 5 else 1 :]
                    for each in histories
                ]
            return covering(np.concatenate(left))
    return None


def _placed(history: History, y_range: tuple[float, float], half_steps: bool) -> Climb:
    """A run's heights within the range that both runs share."""
    positions = np.arange(history.n_positions)
    heights = np.asarray(history.objective)[positions // 2]
    if half_steps:
        heights = np.where(positions == 0, history.objective[0], history.lower_bounds)
    low, high = y_range
    below = heights < low
    return Climb(np.where(below, low + 0.04 * (high - low), heights), below, y_range, "")


def overlaid(parts: list[SteppedFigure], layout: dict[str, Any], description: str) -> SteppedFigure:
    """Several figures of equal length in one."""
    traces: list[Any] = []
    tracks: list[Track] = []
    jumps: dict[int, NDArray[np.int_]] = {}
    for part in parts:
        before = len(traces)
        traces += part.figure.data
        tracks += [replace(track, trace=track.trace + before) for track in part.tracks]
        jumps |= {trace + before: positions for trace, positions in part.jumps.items()}
    for trace in traces:
        if trace.opacity is not None:
            trace.opacity = style.FAINT
    return SteppedFigure(go.Figure(traces, layout), tuple(tracks), jumps=jumps, description=description)


def _description(histories: tuple[History, History], shifts: tuple[int, int], names: tuple[str, str]) -> str:
    """What is to be seen, and nothing of how it ends."""
    runs = [
        f"{style.short(name)}, {history.n_iterations} iteration{'' if history.n_iterations == 1 else 's'} "
        f"from {written(float(history.objective[0]))}" + (f" at iteration {shift}" if shift else "")
        for history, shift, name in zip(histories, shifts, names, strict=True)
    ]
    return (
        f"{histories[0].model.objective_name} by iteration of two runs: {'; '.join(runs)}. "
        "The sentence and the tables below follow the slider."
    )
