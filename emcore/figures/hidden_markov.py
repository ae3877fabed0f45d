"""The pictures of a hidden Markov model: the sequence in time, the graph of its transitions, what each state shows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.chains import ChainScene, chance
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.report import number as written
from emcore.scene import mix
from emcore.sources.sequences import Sequences

Array = NDArray[np.float64]

MAX_STATES: Final = 4  # more and the numbers of the graph lie on each other
SMALL: Final = 0.68  # the height of a picture in the second row, beside that of others

# The graph, in units of the distance of a node from the middle.
NODE: Final = 0.27  # radius
BULGE: Final = 0.13  # of an arrow to the left of the straight way, as a part of its length
LOOP: Final = 0.3  # radius of the arrow from a node to itself
WIDEST: Final = 0.085  # half the width of an arrow of probability 1
HEAD: Final = 0.06  # what half of its head has beyond that
ARROW_POINTS: Final = 16
NO_TEXT: Final = "\N{NO-BREAK SPACE}"  # an empty text has no node in the page, and would have to be drawn anew
BAR_WIDTH: Final = 0.8  # of all states' bars of one symbol together


# ---- The sequence in time ---------------------------------------------------------------------------------


def timeline_figure(
    scene: ChainScene,
    sequences: Sequences,
    *,
    names: tuple[str, ...],
    row: int | None = None,
    truth: bool = False,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """What was observed; below it the states' posterior as bands, and the most probable path.

    Parameters
    ----------
    scene : ChainScene
    sequences : Sequences
    names : tuple of str
        What the legend calls each state.
    row : int, optional
        A row to mark.
    truth : bool
        Also draw where the chain truly was, as far as a found state stands for it.
    look : Look

    Returns
    -------
    SteppedFigure
        Trace "Observations" reports clicks.
    """
    n_samples, k = len(scene.values), scene.n_components
    steps = np.arange(1, n_samples + 1)
    theta_at, posterior_at = _positions(scene)
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    colours = style.COMPONENT_COLOURS
    symbols = tuple(name for name, _ in style.COMPONENT_SYMBOLS[:k])

    # Each state's mean and sd, behind the measurements
    if scene.means is not None and scene.sds is not None:
        ends = np.array([0.5, n_samples + 0.5])
        for j in range(k):
            low, high = scene.means[:, j] - scene.sds[:, j], scene.means[:, j] + scene.sds[:, j]
            box = np.stack([low, low, high, high], axis=1)
            tracks.append(Track(len(traces), "y", box, theta_at))
            traces.append(
                {
                    "name": f"Within 1 sd, {j + 1}",
                    "mode": "none",
                    "x": ends[[0, 1, 1, 0]],
                    "y": box[0],
                    "fill": "toself",
                    "fillcolor": style.faint(colours[j], 0.16),
                }
            )
        for j in range(k):
            line = np.repeat(scene.means[:, j : j + 1], 2, axis=1)
            tracks.append(Track(len(traces), "y", line, theta_at))
            traces.append(
                {
                    "name": f"Mean {j + 1}",
                    "mode": "lines",
                    "x": ends,
                    "y": line[0],
                    "line": {"color": colours[j], "width": 0.7 * look.line_width},
                }
            )
    marks = len(traces)
    shown = np.concatenate([np.full((1, n_samples, 3), style.rgb(style.NEUTRAL)), mix_of(scene)])
    likeliest = scene.responsibilities.argmax(axis=2)
    shapes = np.concatenate([np.zeros((1, n_samples)), likeliest]).astype(np.uint8)
    text = (
        [style.plain(sequences.symbols[int(value)]) for value in scene.values]
        if sequences.symbols
        else [written(float(value), 2) for value in scene.values]
    )
    traces.append(
        {
            "name": "Observations",
            "mode": "markers",
            "x": steps,
            "y": scene.values,
            "text": text,
            "marker": {
                "size": look.point_size(n_samples),
                "color": style.NEUTRAL,
                "symbol": "circle",
                "line": {"width": 0},
                "opacity": 0.9,
            },
            "hoverinfo": None,
            "hovertemplate": f"{sequences.step.capitalize()} %{{x}}<br>{style.plain(sequences.axis)} %{{text}}"
            "<extra></extra>",
        }
    )
    tracks.append(Track(marks, "marker.color", shown.astype(np.uint8), posterior_at))
    tracks.append(Track(marks, "marker.symbol", shapes, posterior_at, symbols))

    # Bands: the highest sum first, each next one covers its lower part
    edges = np.stack([steps - 0.5, steps + 0.5], axis=1).ravel()
    sums = scene.responsibilities.cumsum(axis=2)
    for j in range(k - 1, -1, -1):
        last = j == k - 1
        frames = np.full((1, 2 * n_samples), 1.0) if last else np.repeat(sums[:, :, j], 2, axis=1)
        frames = np.concatenate([np.full((1, 2 * n_samples), np.nan), frames])
        tracks.append(Track(len(traces), "y", frames, np.minimum(posterior_at, 1) if last else posterior_at))
        traces.append(
            {
                "name": f"Posterior {j + 1}",
                "mode": "none",
                "x": edges,
                "y": frames[-1],
                "yaxis": "y2",
                "fill": "tozeroy",
                "fillcolor": colours[j],
            }
        )

    # Paths
    if truth and scene.true_path is not None:
        x, y = _stairs(scene.true_path[None] + 1, scene.borders)
        traces.append(
            {
                "name": "Truth",
                "mode": "lines",
                "x": x,
                "y": y[0],
                "yaxis": "y3",
                "showlegend": True,
                "line": {"color": style.NEUTRAL, "width": 3 * look.line_width, "simplify": False},
                "opacity": 0.45,
            }
        )
    x, y = _stairs(scene.paths.astype(np.float64) + 1, scene.borders)
    frames = np.concatenate([np.full((1, len(x)), np.nan), y])
    tracks.append(Track(len(traces), "y", frames, posterior_at))
    traces.append(
        {
            "name": "Viterbi path",
            "mode": "lines",
            "x": x,
            "y": frames[-1],
            "yaxis": "y3",
            "showlegend": True,
            "line": {"color": style.OBJECTIVE, "width": look.line_width, "simplify": False},
        }
    )
    if k > 1:
        frames = np.where(scene.differs, likeliest + 1.0, np.nan)
        frames = np.concatenate([np.full((1, n_samples), np.nan), frames])
        tracks.append(Track(len(traces), "y", frames, posterior_at))
        traces.append(
            {
                "name": "Likeliest, if another",
                "mode": "markers",
                "x": steps,
                "y": frames[-1],
                "yaxis": "y3",
                "showlegend": True,
                "marker": {
                    "size": 0.9 * look.point_size(n_samples) + 1,
                    "symbol": "diamond",
                    "color": style.SECOND_OBJECTIVE,
                    "line": {"width": 0},
                },
                "hoverinfo": None,
                "hovertemplate": f"{sequences.step.capitalize()} %{{x}}: the likeliest state is %{{y}}<extra></extra>",
            }
        )
    for j in range(k):  # the legend shows a state's line and its marker together
        traces.append(
            {
                "name": names[j],
                "mode": "lines+markers",
                "x": [None],
                "y": [None],
                "showlegend": True,
                "legendrank": 900 + j,
                "line": {"color": colours[j], "width": 2 * look.line_width},
                "marker": {"symbol": symbols[j], "size": 9, "color": colours[j]},
            }
        )
    defaults = {"type": "scatter", "showlegend": False, "hoverinfo": "skip"}
    return SteppedFigure(
        go.Figure([{**defaults, **trace} for trace in traces], _timeline_layout(scene, sequences, look, row)),
        tuple(tracks),
        clicks=(marks,),
        description=_timeline_description(scene, sequences),
    )


def mix_of(scene: ChainScene) -> NDArray[np.uint8]:
    """The colour of each observation: the states' colours in the ratio of its responsibilities."""
    return mix(scene.responsibilities, style.palette(scene.n_components))


def _positions(scene: ChainScene) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Position -> t of the parameters in force; and 1 + t of the latest posterior, 0 if there is none."""
    positions = np.arange(2 * (scene.n_iterations + 1))
    return positions // 2, (positions + 1) // 2


def _stairs(levels: Array, borders: tuple[int, ...]) -> tuple[Array, Array]:
    """Levels (n_frames, n_samples) as lines with a tread for each step; between sequences there is a gap."""
    steps = np.arange(1, levels.shape[1] + 1)
    x = np.stack([steps - 0.5, steps + 0.5], axis=1).ravel()
    at = [2 * border for border in borders]
    y = np.repeat(levels, 2, axis=1)
    return np.insert(x, at, x[at]), np.insert(y, at, np.nan, axis=1)


def _timeline_layout(scene: ChainScene, sequences: Sequences, look: Look, row: int | None) -> dict[str, Any]:
    n_samples, k = len(scene.values), scene.n_components
    ticks: dict[str, Any] = {}
    if sequences.symbols:
        n_symbols = len(sequences.symbols)
        y_range = (-0.6, n_symbols - 0.4)
        ticks = {"tickvals": np.arange(n_symbols), "ticktext": [style.plain(symbol) for symbol in sequences.symbols]}
    else:
        margin = 0.08 * float(np.ptp(scene.values))
        y_range = (float(scene.values.min()) - margin, float(scene.values.max()) + margin)
    several = f" ({len(scene.borders) + 1} sequences)" if scene.borders else ""
    layout = style.layout(
        look,
        x_title=sequences.step.capitalize() + several,
        y_title=style.plain(sequences.axis),
        revision=f"{n_samples} {k} {y_range}",
        xaxis={"range": (0.5, n_samples + 0.5), "anchor": "y3", "nticks": 12, "tickformat": "d", "showgrid": False},
        yaxis={"range": y_range, "domain": [0.5, 1], "fixedrange": True, **ticks},
    )
    own = {**layout["yaxis"], "fixedrange": True, "tickvals": None, "ticktext": None}
    small = {"font": {"size": look.font_size}, "standoff": 8}
    layout["yaxis2"] = {
        **own,
        "range": (0, 1),
        "domain": [0.22, 0.45],
        "tickvals": [0, 0.5, 1],
        "title": {"text": "Posterior", **small},
    }
    layout["yaxis3"] = {
        **own,
        "range": (0.4, k + 0.6),
        "domain": [0, 0.17],
        "tickvals": np.arange(1, k + 1),
        "title": {"text": "State", **small},
    }
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1}
    layout["shapes"] = [
        {**line, "x0": border + 0.5, "x1": border + 0.5, "line": {"color": style.NEUTRAL, "width": 1.5, "dash": "dot"}}
        for border in scene.borders
    ]
    if row is not None:
        chosen = {"color": style.NEUTRAL, "width": 0.8 * look.line_width, "dash": "dash"}
        layout["shapes"].append({**line, "x0": row + 1, "x1": row + 1, "line": chosen})
    return layout


def _timeline_description(scene: ChainScene, sequences: Sequences) -> str:
    n_samples = len(scene.values)
    what = f"{n_samples} {sequences.step}s in {len(scene.borders) + 1} sequences" if scene.borders else ""
    what = what or f"{n_samples} {sequences.step}s in a row"
    return (
        f"{sequences.axis} of {what}, coloured by the posterior of {scene.n_components} states; below, the posterior "
        "as bands that fill the height, and the most probable path as a line of steps. The sentence and the tables "
        "below follow the slider."
    )


# ---- The graph of transitions -----------------------------------------------------------------------------


def graph_figure(scene: ChainScene, *, names: tuple[str, ...], look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The states as discs, and an arrow for each transition, as wide as it is probable, with its number."""
    k = scene.n_components
    theta_at, _ = _positions(scene)
    nodes = _nodes(k)
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    places, labels = [], []
    starts = scene.initial.T.tolist()
    for i in range(k):
        for j in range(k):
            way, place = _way(nodes, i, j)
            outline = _arrows(way, scene.transitions[:, i, j])
            tracks.append(Track(len(traces), "x", outline[..., 0], theta_at))
            tracks.append(Track(len(traces), "y", outline[..., 1], theta_at))
            traces.append(
                {
                    "name": f"{i + 1} to {j + 1}",
                    "mode": "none",
                    "x": outline[0, :, 0],
                    "y": outline[0, :, 1],
                    "fill": "toself",
                    "fillcolor": style.faint(style.COMPONENT_COLOURS[i], 0.65),
                }
            )
            places.append(place)
            labels.append([_label(value) for value in scene.transitions[:, i, j].tolist()])
    turn = np.linspace(0, 2 * np.pi, 41)
    for i, node in enumerate(nodes):
        traces.append(
            {
                "name": f"Node {i + 1}",
                "mode": "none",
                "x": node[0] + NODE * np.cos(turn),
                "y": node[1] + NODE * np.sin(turn),
                "fill": "toself",
                "fillcolor": style.COMPONENT_COLOURS[i],
            }
        )
    traces.append(
        {
            "name": "Numbers of states",
            "mode": "text",
            "x": nodes[:, 0],
            "y": nodes[:, 1],
            "text": [f"<b>{i + 1}</b>" for i in range(k)],
            "textfont": {"size": 1.4 * look.font_size, "color": "white"},
        }
    )
    lowest = min(float(nodes[:, 1].min()) - NODE, float(np.min([place[1] for place in places]))) - 0.32
    for i, across in enumerate(np.linspace(-1, 1, k) if k > 1 else [0.0]):  # in a row below
        places.append(np.array([across * {1: 0, 2: 1.0, 3: 1.4, 4: 1.9}[k], lowest]))
        labels.append([f"start {chance(value)}" if k < 3 else f"{i + 1}: {chance(value)}" for value in starts[i]])
    frames = np.array(labels, dtype=object).T
    tracks.append(Track(len(traces), "text", frames, theta_at))
    traces.append(
        {
            "name": "Probabilities",
            "mode": "text",
            "x": [place[0] for place in places],
            "y": [place[1] for place in places],
            "text": frames[0],
            "textfont": {"size": look.font_size},
        }
    )
    corners = np.concatenate([np.array(places), nodes + NODE, nodes - NODE])
    (left, low), (right, high) = corners.min(axis=0) - 0.3, corners.max(axis=0) + 0.25
    bare = {"visible": False, "fixedrange": True}
    layout = style.layout(
        look,
        x_title="",
        y_title="",
        revision=f"{k}",
        height=SMALL * look.height,
        margin={"l": 4, "r": 4, "t": 34, "b": 4},
        showlegend=False,
        dragmode=False,
        xaxis={**bare, "range": (left, right), "constrain": "domain"},
        yaxis={**bare, "range": (low, high), "scaleanchor": "x", "constrain": "domain"},
        annotations=[_heading("Transitions" if k < 3 else "Transitions; in a row: the start", look)],
    )
    defaults = {"type": "scatter", "hoverinfo": "skip"}
    return SteppedFigure(
        go.Figure([{**defaults, **trace} for trace in traces], layout),
        tuple(tracks),
        description=f"Graph of the transitions between {k} states ({', '.join(names)}): an arrow for each, as wide as "
        "it is probable, with its number. The table below has the same numbers.",
    )


def _heading(text: str, look: Look) -> dict[str, Any]:
    """A title above the plotting area."""
    return {
        "text": text,
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 8,
        "font": {"size": look.font_size + 1},
    }


def _label(probability: float) -> str:
    """The number beside an arrow; a space where there is hardly an arrow."""
    return chance(probability) if probability >= 0.005 else NO_TEXT


def _nodes(k: int) -> Array:
    """The places of the states, shape (k, 2): alone in the middle, side by side, or on a circle from the top left."""
    if k == 1:
        return np.zeros((1, 2))
    angles = {2: np.pi, 3: np.pi / 2, 4: 0.75 * np.pi}[k] - 2 * np.pi * np.arange(k) / k
    return (1.0 if k == 2 else 1.35) * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _outward(nodes: Array, i: int) -> Array:
    """The direction in which a state's arrow to itself leaves it: away from the others, or upwards."""
    if len(nodes) == 1:
        return np.array([0.0, 1.0])
    if len(nodes) == 2:  # not straight away: a graph of two is wide enough
        return np.array([np.cos(1.9), np.sin(1.9)]) * [1 - 2 * i, 1]
    return np.asarray(nodes[i] / np.linalg.norm(nodes[i]))


def _way(nodes: Array, i: int, j: int) -> tuple[Array, Array]:
    """The middle line of the arrow from i to j, shape (ARROW_POINTS, 2), and the place of its number."""
    if i == j:
        out = _outward(nodes, i)
        centre = nodes[i] + (NODE + 0.6 * LOOP) * out
        back = np.arctan2(-out[1], -out[0])
        angles = back - np.linspace(0, 2 * np.pi, 400)
        line = centre + LOOP * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        place = centre + (LOOP + 0.22) * out
    else:
        start, end = nodes[i], nodes[j]
        along = end - start
        left = np.array([-along[1], along[0]])
        bend = (start + end) / 2 + 2 * BULGE * left
        s = np.linspace(0, 1, 400)[:, None]
        line = (1 - s) ** 2 * start + 2 * s * (1 - s) * bend + s**2 * end
        crossed = len(nodes) == 4 and abs(i - j) == 2
        middle = 200 if len(nodes) == 2 else 110 if crossed else 150  # near where it comes from: others may cross it
        place = line[middle] + 0.2 * left / np.linalg.norm(left)
    free = np.linalg.norm(line - nodes[i], axis=1) > NODE + 0.02
    free &= np.linalg.norm(line - nodes[j], axis=1) > NODE + 0.02
    line = line[free]
    return line[np.linspace(0, len(line) - 1, ARROW_POINTS).astype(int)], place


def _arrows(way: Array, probabilities: Array) -> Array:
    """Outlines of an arrow along `way` for each probability, shape (n_probabilities, n_outline, 2)."""
    tangents = np.gradient(way, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    normals = np.stack([-tangents[:, 1], tangents[:, 0]], axis=1)
    seen = np.minimum(probabilities / 0.02, 1.0)
    width = (0.008 * seen + WIDEST * probabilities)[:, None, None]
    head = width + (HEAD * seen)[:, None, None]
    neck = ARROW_POINTS - 5
    left, right = (way[: neck + 1] + side * width * normals[: neck + 1] for side in (1, -1))
    barb_left, barb_right = (way[neck] + side * head * normals[neck] for side in (1, -1))
    tip = np.broadcast_to(way[-1], barb_left.shape)
    return np.concatenate([left, barb_left, tip, barb_right, right[:, ::-1]], axis=1)


# ---- What each state shows --------------------------------------------------------------------------------


def emissions_figure(
    scene: ChainScene,
    sequences: Sequences,
    *,
    truth: bool = False,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """The distribution of the observations in each state: bars over the symbols, or densities over the numbers."""
    theta_at, _ = _positions(scene)
    build = _bars if scene.probabilities is not None else _densities
    traces, tracks, axes = build(scene, sequences, theta_at, truth, look)
    layout = style.layout(
        look,
        revision=f"{axes}",
        height=SMALL * look.height,
        showlegend=False,
        annotations=[_heading("What each state shows", look)],
        **axes,
    )
    layout["margin"] = {**layout["margin"], "t": 34}
    defaults = {"type": "scatter", "showlegend": False, "hoverinfo": "skip"}
    return SteppedFigure(
        go.Figure([{**defaults, **trace} for trace in traces], layout),
        tuple(tracks),
        description=f"{axes['y_title']} of the observations in each of {scene.n_components} states. The table below "
        "has the numbers.",
    )


def _bars(
    scene: ChainScene, sequences: Sequences, theta_at: NDArray[np.int_], truth: bool, look: Look
) -> tuple[list[dict[str, Any]], list[Track], dict[str, Any]]:
    assert scene.probabilities is not None
    n_symbols, k = len(sequences.symbols), scene.n_components
    width = BAR_WIDTH / k
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    zeros = np.zeros_like(scene.probabilities[:, 0])
    gap = np.full_like(zeros, np.nan)
    highest = float(scene.probabilities.max())
    for j in range(k):
        left = np.arange(n_symbols) - BAR_WIDTH / 2 + j * width
        x = np.stack([left, left, left + 0.92 * width, left + 0.92 * width, left], axis=1).ravel()
        heights = scene.probabilities[:, j]
        frames = np.stack([zeros, heights, heights, zeros, gap], axis=2).reshape(len(heights), -1)
        tracks.append(Track(len(traces), "y", frames, theta_at))
        traces.append(
            {
                "name": f"State {j + 1}",
                "mode": "none",
                "x": x,
                "y": frames[0],
                "fill": "toself",
                "fillcolor": style.COMPONENT_COLOURS[j],
            }
        )
        if truth and scene.true_emissions is not None:
            level = scene.true_emissions[j]
            highest = max(highest, float(np.nanmax(np.append(level, 0.0))))
            traces.append(
                {
                    "name": f"Truth of state {j + 1}",
                    "mode": "lines",
                    "x": np.stack([left, left + 0.92 * width, left], axis=1).ravel(),
                    "y": np.stack([level, level, np.full(n_symbols, np.nan)], axis=1).ravel(),
                    "line": {"color": style.NEUTRAL, "width": 1.4 * look.line_width},
                }
            )
    ticks = {"tickvals": np.arange(n_symbols), "ticktext": [style.plain(symbol) for symbol in sequences.symbols]}
    return (
        traces,
        tracks,
        {
            "x_title": style.plain(sequences.axis),
            "y_title": "Probability",
            "xaxis": {"range": (-0.6, n_symbols - 0.4), "fixedrange": True, "showgrid": False, **ticks},
            "yaxis": {"range": (0, 1.06 * highest), "fixedrange": True},
        },
    )


def _densities(
    scene: ChainScene, sequences: Sequences, theta_at: NDArray[np.int_], truth: bool, look: Look
) -> tuple[list[dict[str, Any]], list[Track], dict[str, Any]]:
    assert scene.grid is not None and scene.densities is not None
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    tops = scene.densities.max(axis=2)
    highest = float(min(tops.max(), 3 * np.median(tops)))  # one that is about to collapse leaves room for the others
    for j in range(scene.n_components):
        if truth and scene.true_emissions is not None:
            traces.append(
                {
                    "name": f"Truth of state {j + 1}",
                    "mode": "lines",
                    "x": scene.grid,
                    "y": scene.true_emissions[j],
                    "line": {"color": style.COMPONENT_COLOURS[j], "width": 0.8 * look.line_width, "dash": "dash"},
                }
            )
        tracks.append(Track(len(traces), "y", scene.densities[:, j], theta_at))
        traces.append(
            {
                "name": f"State {j + 1}",
                "mode": "lines",
                "x": scene.grid,
                "y": scene.densities[0, j],
                "line": {"color": style.COMPONENT_COLOURS[j], "width": look.line_width, "simplify": False},
            }
        )
    return (
        traces,
        tracks,
        {
            "x_title": style.plain(sequences.axis),
            "y_title": "Density",
            "xaxis": {"range": (float(scene.grid[0]), float(scene.grid[-1]))},
            "yaxis": {"range": (0, 1.06 * highest), "fixedrange": True},
        },
    )
