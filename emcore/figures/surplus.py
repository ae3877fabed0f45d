"""Components that die: their weights over the run, and pictures in which the dead are faint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.objective import curve_layout
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look

DEAD_OPACITY: Final = 0.3


def weights_figure(history: History, other: History | None = None, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The weight of every component against the iteration: all of it faint, bold up to the present position.

    Parameters
    ----------
    history : History
        A run of a mixture.
    other : History, optional
        Another run with as many components, from the same start and no longer: its lines are dashed, and grow as well.
    look : Look
        How large things are drawn.

    Returns
    -------
    SteppedFigure
        Covers the positions of `history`; the other run rests where it has ended. A click on a solid line jumps to that
        iteration's E-step.
    """
    runs = [history] if other is None else [history, other]
    weights = [np.array([theta.weights for theta in run.parameters]) for run in runs]
    top = max(float(each.max()) for each in weights)
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    jumps: dict[int, NDArray[np.int_]] = {}

    def add(trace: dict[str, Any]) -> int:
        traces.append({"type": "scatter", "mode": "lines", "showlegend": False, **trace})
        return len(traces) - 1

    for run, values, dash in zip(runs, weights, ("solid", "dash"), strict=False):
        iterations = np.arange(run.n_iterations + 1)
        iteration_at = np.minimum(np.arange(history.n_positions) // 2, run.n_iterations)
        who = "" if other is None else (", with the prior" if dash == "solid" else ", maximum likelihood")
        colours = list(style.COMPONENT_COLOURS[: values.shape[1]])
        for k, colour in enumerate(colours):
            line = {
                "x": iterations,
                "y": values[:, k],
                "line": {"color": colour, "dash": dash, "width": look.line_width * (1 if dash == "solid" else 0.8)},
                "hovertemplate": f"Iteration %{{x}}<br>weight %{{y:.4f}}<extra>Component {k + 1}{who}</extra>",
            }
            if dash == "solid":
                jumps[add({"name": f"Whole run {k + 1}", "opacity": DEAD_OPACITY, **line})] = 2 * iterations + 1
            number = add({"name": f"Weight {k + 1}{who}", **line})
            tracks.append(Track(number, "shown", iterations + 1, iteration_at))
        number = add(
            {
                "name": f"Now{who}",
                "mode": "markers",
                "x": np.zeros(len(colours)),
                "y": values[0],
                "marker": {
                    "size": 0.7 * look.now_size,
                    "color": colours,
                    "symbol": [name for name, _ in style.COMPONENT_SYMBOLS[: len(colours)]],
                    "line": {"color": "white", "width": 1.5},
                    "opacity": 1 if dash == "solid" else 0.6,
                },
                "hoverinfo": "skip",
            }
        )
        tracks.append(Track(number, "x", np.tile(iterations[:, None].astype(float), len(colours)), iteration_at))
        tracks.append(Track(number, "y", values, iteration_at))
        if other is not None:
            width = {"color": style.NEUTRAL, "width": look.line_width, "dash": dash}
            name = "With the prior" if dash == "solid" else "Maximum likelihood"
            add({"name": name, "x": [None], "y": [None], "line": width, "showlegend": True})
    layout = curve_layout(
        look,
        title="Weight of each component",
        x_range=(0, history.n_iterations),
        y_range=(-0.04 * top, 1.08 * top),
        note="",
        showlegend=other is not None,
    )
    figure = go.Figure(traces, layout)
    return SteppedFigure(figure, tuple(tracks), jumps=jumps, description=_description(history, other))


def _description(history: History, other: History | None) -> str:
    """What is to be seen, and nothing of how it ends."""
    n = history.model.n_components
    lines = "one line" if n == 1 else f"{n} lines"
    beside = "" if other is None else ", solid, and those of maximum likelihood from the same start, dashed"
    iterations = f"{history.n_iterations} iteration{'' if history.n_iterations == 1 else 's'}"
    return (
        f"The weights of the components by iteration: {lines} over {iterations}{beside}. "
        "The sentence and the tables below follow the slider."
    )


def faded(drawn: SteppedFigure, living: NDArray[np.bool_]) -> SteppedFigure:
    """The picture of a mixture (`mixture_figure`) with dead components faint and dotted, and their means small.

    Parameters
    ----------
    drawn : SteppedFigure
    living : ndarray of bool, shape (n_iterations + 1, n_components)
        Who is alive after each M-step.
    """
    traces = list(drawn.figure.data)
    tracks = list(drawn.tracks)
    for number in range(len(traces)):
        trace, name = traces[number], str(traces[number].name)
        if name in ("Means", "Means ground"):
            here = living
        elif name.startswith("Component ") and trace.mode == "lines" and any(t.trace == number for t in tracks):
            here = living[:, [int(name.split()[1].rstrip(",")) - 1]]
        else:
            continue
        if here.all():
            continue
        twin = len(traces)
        ghost = go.Scatter(trace)
        ghost.update(name=f"{name}, dead", showlegend=False, opacity=DEAD_OPACITY)
        if name.startswith("Means"):
            ghost.update(marker={"opacity": DEAD_OPACITY, "size": 0.6 * trace.marker.size})
        else:
            ghost.update(line={"dash": "dot"})
        traces.append(ghost)
        for index, track in enumerate(tracks[: len(drawn.tracks)]):
            if track.trace == number:
                tracks[index] = _where(track, here)
                tracks.append(replace(_where(track, ~here), trace=twin))
        for index, shown in ((number, here), (twin, ~here)):
            for axis in ("x", "y"):
                if any(t.trace == index and t.attribute == axis for t in tracks):
                    values = np.asarray(trace[axis], dtype=float)
                    traces[index] = go.Scatter(traces[index]).update({axis: np.where(shown[0], values, np.nan)})
    return replace(drawn, figure=go.Figure(traces, drawn.figure.layout), tracks=tuple(tracks))


def _where(track: Track, shown: NDArray[np.bool_]) -> Track:
    """The track with gaps where it is not `shown`, shape (n_frames, n_points or 1)."""
    return replace(track, frames=np.where(shown, track.frames, np.nan))
