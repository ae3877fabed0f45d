"""How many components: a dot for each run, the criteria as curves, the bootstrap's ratios, and new points on a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.mixture import mixture_figure
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.figures.worked import with_traces
from emcore.report import number as written
from emcore.selection import CRITERIA, HELD_OUT, Fits

# Colour, symbol and dash of each curve: apart from each other as maxima are, and no component's.
SIGNS: Final = {
    "log_likelihood": (style.OBJECTIVE, "circle", "solid"),
    "aic": (style.MAXIMUM_COLOURS[4], "square", "dash"),
    "bic": (style.MAXIMUM_COLOURS[6], "circle", "solid"),
    "icl": (style.MAXIMUM_COLOURS[7], "diamond", "dashdot"),
    HELD_OUT: (style.MAXIMUM_COLOURS[1], "cross", "dot"),
    "full": (style.MAXIMUM_COLOURS[4], "circle", "solid"),
    "tied": (style.MAXIMUM_COLOURS[6], "square", "dash"),
    "diag": (style.MAXIMUM_COLOURS[7], "diamond", "dashdot"),
    "spherical": (style.MAXIMUM_COLOURS[1], "cross", "dot"),
}
TITLES: Final = {"log_likelihood": "Log-likelihood"} | {name: one.title for name, one in CRITERIA.items()}
DWARFED: Final = 0.3  # of all heights: what is left without the first values, where they would flatten all others
FAR: Final = 3.0  # times the height of the other lines: one that lies higher above them leaves the picture
ROWS: Final = 45  # of dots, over the height of the picture
DOT_STEP: Final = 0.075  # between two dots side by side, in components
WIDEST: Final = 0.36  # of a heap of dots to either side


@dataclass(frozen=True)
class Curve:
    """A criterion by the number of components: the key of its sign, its name, and its values (NaN where undefined)."""

    sign: str
    name: str
    values: Mapping[int, float]


def runs_figure(
    sweep: Mapping[int, Fits],
    criterion: str = "log_likelihood",
    *,
    shown: tuple[int, int] | None = None,
    look: Look = style.DEFAULT_LOOK,
) -> go.Figure:
    """A dot for every run by its number of components; a line through the best ones, another through the first ones.

    Parameters
    ----------
    sweep : mapping of int to Fits
        By number of components.
    criterion : str
        "log_likelihood", "aic", "bic" or "icl": the height of a dot.
    shown : tuple of int, optional
        Number of components and index of the run that is in the player.
    look : Look

    Returns
    -------
    plotly.graph_objects.Figure
        `customdata` of a dot is (number of components, index of the run). Collapsed runs have no height: they lie in
        a lane at the bottom.

    Raises
    ------
    ValueError
        If there is no run.
    """
    places = [(k, i) for k, found in sorted(sweep.items()) for i in range(len(found))]
    if not places:
        raise ValueError("there must be one run or more, got none")
    height = np.array([sweep[k].value(criterion, i) for k, i in places])
    best = {k: found.value(criterion, found.best) for k, found in sorted(sweep.items())}
    first = {k: found.value(criterion, 0) for k, found in sorted(sweep.items()) if len(found)}
    low, high = _range([best, first], upward=criterion == "log_likelihood", also=height)
    x = np.array([k for k, _ in places]) + _spread(places, height, (low, high))
    stopped = np.array([sweep[k].runs.stopped[i] for k, i in places])
    lane = np.isnan(height)
    unit = " nats" if criterion == "log_likelihood" else ""
    title = TITLES[criterion]
    texts = np.array(
        [
            f"K = {k}, run {i + 1}<br>{title} {written(value)}{unit}<br>{_ended(sweep[k], i)}"
            if np.isfinite(value)
            else f"K = {k}, run {i + 1}<br>{_ended(sweep[k], i)}"
            for (k, i), value in zip(places, height.tolist(), strict=True)
        ]
    )
    data = np.array(places)
    colour = SIGNS[criterion][0]
    size = look.point_size(150)
    bottom = low - 0.07 * (high - low)
    kinds = (
        ("Run", ~lane & (stopped != "max_iter"), "circle", height),
        ("Stopped at the limit", ~lane & (stopped == "max_iter"), "circle-open", height),
        ("Collapsed", lane, "x", np.full(len(places), bottom)),
    )
    counts = sorted(best)
    traces: list[dict[str, Any]] = [
        _line("Best run", counts, [best[k] for k in counts], colour, "solid", look),
    ]
    if max(len(found) for found in sweep.values()) > 1:
        traces.append(
            _line("First run alone", counts, [first.get(k, np.nan) for k in counts], style.NEUTRAL, "dot", look)
        )
    for name, here, symbol, y in kinds:
        if here.any():
            traces.append(
                {
                    "type": "scatter",
                    "name": name,
                    "mode": "markers",
                    "x": x[here],
                    "y": y[here],
                    "customdata": data[here].tolist(),  # an array would reach the browser without its rows
                    "text": texts[here],
                    "hovertemplate": "%{text}<extra></extra>",
                    "marker": {
                        "size": size,
                        "symbol": symbol,
                        "color": style.NEUTRAL if symbol == "x" else colour,
                        "opacity": 0.75,
                        "line": {"width": 1.2, "color": colour if symbol == "circle-open" else style.TRANSPARENT},
                    },
                    # a click chooses, and nothing fades
                    "unselected": {"marker": {"opacity": 0.75}},
                }
            )
    if shown in places:
        at = places.index(shown)
        traces.append(
            {
                "type": "scatter",
                "name": "In the player",
                "mode": "markers",
                "x": x[at : at + 1],
                "y": [bottom if lane[at] else height[at]],
                "hoverinfo": "skip",
                "marker": {
                    "size": 2.1 * size,
                    "symbol": "circle-open",
                    "color": style.NEUTRAL,
                    "line": {"width": look.line_width, "color": style.NEUTRAL},
                },
            }
        )
    axis = title + (" (nats), higher is better" if criterion == "log_likelihood" else ", lower is better")
    layout = style.layout(
        look,
        x_title="Number of components K",
        y_title=axis,
        revision=f"{criterion} {counts}",
        annotations=_outside([best], low, high, look),
        xaxis=_counts_axis(counts),
        yaxis={"range": (bottom - 0.05 * (high - low) if lane.any() else low, high)},
        showlegend=True,
    )
    return go.Figure({"data": traces, "layout": layout})


def curves_figure(
    curves: Sequence[Curve],
    *,
    guess: int | None = None,
    truth: int | None = None,
    one_criterion: bool = False,
    look: Look = style.DEFAULT_LOOK,
) -> go.Figure:
    """Criteria by the number of components, lower is better, each with a ring around its lowest value.

    Where the first value or two are much higher than all others, an arrow says that they lie above the picture;
    zooming out shows them.

    Parameters
    ----------
    curves : sequence of Curve
    guess, truth : int, optional
        Numbers of components that are marked by a line.
    one_criterion : bool
        Whether the curves are one criterion of several models: then one far above all others may leave the picture.
    look : Look

    Raises
    ------
    ValueError
        If no curve has a value.
    """
    known = [curve for curve in curves if np.isfinite(list(curve.values.values())).any()]
    if not known:
        raise ValueError("there must be a criterion with a value, got none")
    counts = sorted({k for curve in known for k in curve.values})
    low, high = _range([curve.values for curve in known], far=FAR if one_criterion else np.inf)
    traces: list[dict[str, Any]] = []
    for curve in known:
        colour, symbol, dash = SIGNS[curve.sign]
        values = [curve.values.get(k, np.nan) for k in counts]
        lowest = int(np.nanargmin(values))
        traces.append(
            {
                **_line(curve.name, counts, values, colour, dash, look),
                "mode": "lines+markers",
                "marker": {"size": look.point_size(150), "symbol": symbol, "color": colour},
                "hoverinfo": None,
                "hovertemplate": f"K = %{{x}}<br>{style.plain(curve.name)} %{{y:,.2f}}<extra></extra>",
            }
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "showlegend": False,
                "name": f"Lowest {curve.name}",
                "x": [counts[lowest]],
                "y": [values[lowest]],
                "hoverinfo": "skip",
                "marker": {
                    "size": 1.3 * look.now_size,
                    "symbol": "circle-open",
                    "color": colour,
                    "line": {"width": look.line_width, "color": colour},
                },
            }
        )
    for name, place, dash in (("Your guess", guess, "dash"), ("Truth", truth, "solid")):
        if place is not None:
            traces.append(
                {
                    **_line(f"{name}: {place}", [place, place], [low, high], style.NEUTRAL, dash, look),
                    "opacity": 0.8,
                }
            )
    places = [*counts, *(place for place in (guess, truth) if place is not None)]
    layout = style.layout(
        look,
        x_title="Number of components K",
        y_title="Criterion, lower is better",
        revision=" ".join(curve.name for curve in known),
        annotations=_outside([curve.values for curve in known], low, high, look),
        xaxis=_counts_axis(sorted(set(places))),
        yaxis={"range": (low, high)},
        showlegend=True,
    )
    return go.Figure({"data": traces, "layout": layout})


def ratios_figure(ratio: float, replicates: Sequence[float], *, look: Look = style.DEFAULT_LOOK) -> go.Figure:
    """How large the likelihood ratio is by chance, and that of the data as a line.

    Parameters
    ----------
    ratio : float
        Of the data.
    replicates : sequence of float
        Of data sets drawn from the smaller fit; NaN is left out.
    look : Look

    Raises
    ------
    ValueError
        If there is no ratio of either kind.
    """
    known = np.array([value for value in replicates if np.isfinite(value)])
    if not len(known) or not np.isfinite(ratio):
        raise ValueError(
            f"there must be a ratio of the data and of one replicate or more, got {ratio} and {len(known)}"
        )
    top = 1.05 * max(float(known.max()), ratio, 1.0)
    edges = np.linspace(0, top, 31)
    heights = np.histogram(known, edges)[0]
    colour = SIGNS["bic"][0]
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": "By chance",
            "x": (edges[:-1] + edges[1:]) / 2,
            "y": heights,
            "width": edges[1] - edges[0],
            "marker": {"color": style.faint(style.NEUTRAL, 0.55), "line": {"width": 0}},
            "hovertemplate": "%{y} data sets<extra></extra>",
        },
        _line(f"On the data: {written(ratio)}", [ratio, ratio], [0, float(heights.max())], colour, "solid", look),
    ]
    layout = style.layout(
        look,
        x_title="Gain of one component more, 2 × difference of log-likelihoods",
        y_title="Data sets",
        revision="ratios",
        xaxis={"range": (0, top)},
        yaxis={"range": (0, 1.1 * float(heights.max())), "tick0": 0, "dtick": -(-int(heights.max()) // 6)},
        showlegend=True,
        bargap=0,
    )
    return go.Figure({"data": traces, "layout": layout})


def data_figure(history: History, *, look: Look = style.DEFAULT_LOOK, axes: tuple[str, ...] = ("x", "y")) -> go.Figure:
    """The data alone, with nothing that a fit says of them."""
    figure = mixture_figure(history, look=look, axes=axes, trails=False, draggable="never").at(0)
    alone = [trace for trace in figure.data if trace.name in ("Histogram", "Points")]
    return go.Figure({"data": alone, "layout": figure.layout}).update_layout(showlegend=False, annotations=[])


def prediction_figure(
    history: History,
    new: ArrayLike,
    *,
    places: NDArray[np.float64] | None = None,
    uncertainty: tuple[NDArray[np.int_], NDArray[np.float64]] | None = None,
    look: Look = style.DEFAULT_LOOK,
    **options: Any,
) -> SteppedFigure:
    """The data and the mixture with new points, numbered; a click anywhere reports its place.

    Parameters
    ----------
    history : History
    new : array-like of shape (n_new, n_features)
        May be empty.
    places : ndarray of shape (n_places, n_features), optional
        Where the uncertainty is sampled; on a line it is drawn along the bottom.
    uncertainty : pair of arrays, optional
        The iterations, and the uncertainty at each place then (`emcore.selection.uncertainty`): marks are as large.
    look : Look
    options
        Further ones of `mixture_figure`.
    """
    stepped = mixture_figure(history, look=look, trails=False, draggable="never", **options)
    below: list[dict[str, Any]] = []
    tracks: list[Track] = []
    if places is not None and uncertainty is not None:
        iterations, doubts = uncertainty
        largest = 8.0 if look.projector else 6.0
        sizes = np.concatenate([np.zeros((1, len(places))), largest * np.sqrt(np.clip(2 * doubts, 0, 1))])
        below.append(
            {
                "type": "scatter",
                "name": "Uncertainty",
                "mode": "markers",
                "legendrank": 2001,
                "showlegend": True,
                "x": places[:, 0],
                "y": _heights(places, stepped, 0.02),
                "hoverinfo": "skip",
                "marker": {
                    "size": sizes[1],
                    "symbol": "square",
                    "color": style.NEUTRAL,
                    "opacity": 0.6,
                    "line": {"width": 0},
                },
            }
        )
        posterior_at = (np.arange(history.n_positions) - 1) // 2  # -1 at the bare start
        tracks.append(Track(0, "marker.size", sizes, np.searchsorted(iterations, posterior_at, side="right")))
    marks = np.asarray(new, dtype=np.float64)
    above = [_marks(marks, stepped, look)] if marks.size else []
    drawn = with_traces(stepped, below, tracks, above)
    drawn.figure.layout.legend.itemsizing = "constant"  # a mark of size 0 has a sign too
    for axis, values in zip((drawn.figure.layout.xaxis, drawn.figure.layout.yaxis), marks.T, strict=False):
        axis.range = _reaching(axis.range, values)
    return replace(
        drawn,
        spots=True,
        description=f"{stepped.description} {len(marks)} new point{'' if len(marks) == 1 else 's'} marked by number. "
        "A click anywhere adds one.",
    )


def _reaching(interval: tuple[float, float], values: NDArray[np.float64]) -> tuple[float, float]:
    """The interval, made longer to reach values outside, but not to those farther away than it is long."""
    low, high = interval
    near = values[(values > low - (high - low)) & (values < high + (high - low))]
    margin = 0.05 * (high - low)
    outside = near[(near < low + margin) | (near > high - margin)]
    return min([low, *(outside - margin).tolist()]), max([high, *(outside + margin).tolist()])


def _heights(points: NDArray[np.float64], stepped: SteppedFigure, part: float) -> NDArray[np.float64]:
    """The second coordinate; on a line this part of the picture's height."""
    if points.shape[1] == 2:
        return np.asarray(points[:, 1])
    low, high = stepped.figure.layout.yaxis.range
    return np.full(len(points), low + part * (high - low))


def _marks(new: NDArray[np.float64], stepped: SteppedFigure, look: Look) -> dict[str, Any]:
    """New points by their numbers; on a line they stand at the bottom of the picture."""
    return {
        "type": "scatter",
        "name": "New points",
        "mode": "markers+text",
        "showlegend": True,
        "legendrank": 2000,
        "x": new[:, 0],
        "y": _heights(new, stepped, 0.06),
        "text": [f"<b>{i + 1}</b>" for i in range(len(new))],
        "textposition": "top center",
        "textfont": {"size": look.font_size + 2},
        "hoverinfo": "skip",
        "cliponaxis": False,
        "marker": {
            "symbol": "star-diamond",
            "size": 1.1 * look.now_size,
            "color": style.MEAN_GROUND,
            "line": {"width": 1.5, "color": "white"},
        },
    }


def _line(name: str, x: Sequence[float], y: Sequence[float], colour: str, dash: str, look: Look) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": style.plain(name),
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "hoverinfo": "skip",
        "line": {"color": colour, "width": 0.8 * look.line_width, "dash": dash},
    }


def _counts_axis(counts: Sequence[int]) -> dict[str, Any]:
    """Whole numbers, each with room for its dots."""
    low, high = min(counts), max(counts)
    return {"range": (low - 0.6, high + 0.6), "tickvals": list(range(low, high + 1)), "showgrid": False}


def _outside(lines: Sequence[Mapping[int, float]], low: float, high: float, look: Look) -> list[dict[str, Any]]:
    """An arrow where a line leaves the picture, with the value there if it is the only line."""
    notes = []
    for k in sorted({k for line in lines for k in line}):
        gone = [line[k] for line in lines if k in line and (line[k] < low or line[k] > high)]  # NaN is neither
        if gone:
            below = gone[0] < low
            value = f"<br>{written(gone[0], 0)}" if len(lines) == 1 else ""
            notes.append(
                {
                    "text": ("↓" if below else "↑") + value,
                    "x": k,
                    "y": low if below else high,
                    "yanchor": "bottom" if below else "top",
                    "showarrow": False,
                    "font": {"size": look.font_size},
                }
            )
    return notes


def _ended(found: Fits, run: int) -> str:
    n = int(found.runs.n_iterations[run])
    after = f"after {n:,} iteration{'' if n == 1 else 's'}"
    return {
        "converged": f"converged {after}",
        "max_iter": f"stopped at the limit {after}",
        "degenerate": f"collapsed {after}",
    }[found.runs.stopped[run]]


def _range(
    lines: Sequence[Mapping[int, float]],
    *,
    upward: bool = False,
    also: NDArray[np.float64] | None = None,
    far: float = np.inf,
) -> tuple[float, float]:
    """What an axis covers, with a margin.

    Not the first one or two numbers of components if these dwarf the rest, nor a line that lies above all lower ones
    by `far` times their height.
    Of further values, `also`, those that do not lie far off on the worse side; `upward` where higher is better.
    """
    known = [{k: value for k, value in line.items() if np.isfinite(value)} for line in lines]
    kept: list[Mapping[int, float]] = []
    low = high = 0.0
    for line in sorted(filter(None, known), key=lambda line: min(line.values())):
        if not kept or far == np.inf or min(line.values()) <= high + far * (high - low):
            kept.append(line)
            low, high = _without_first(kept)
    if also is not None:
        reach = 0.5 * (high - low) or np.inf
        near = also[also >= low - reach if upward else also <= high + reach]  # NaN is neither
        if len(near):
            low, high = min(low, float(near.min())), max(high, float(near.max()))
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def _without_first(lines: Sequence[Mapping[int, float]]) -> tuple[float, float]:
    """The lowest and the highest value, without the first one or two numbers of components if these dwarf the rest."""
    counts = sorted({k for line in lines for k in line})
    whole = [value for line in lines for value in line.values()]
    low, high = min(whole), max(whole)
    for first in counts[:2] if len(counts) > 4 else counts[: max(0, len(counts) - 3)]:
        rest = [value for line in lines for k, value in line.items() if k > first]
        if max(rest) - min(rest) < DWARFED * (max(whole) - min(whole)):
            return min(rest), max(rest)
    return low, high


def _spread(
    places: Sequence[tuple[int, int]], height: NDArray[np.float64], ends: tuple[float, float]
) -> NDArray[np.float64]:
    """How far aside each dot stands, so that runs that ended alike can be told apart and clicked."""
    low, high = ends
    rows = np.where(np.isfinite(height), np.round((height - low) / (high - low) * ROWS), -1e9)
    aside = np.zeros(len(places))
    heaps: dict[tuple[int, float], list[int]] = {}
    for index, (k, _) in enumerate(places):
        heaps.setdefault((k, float(rows[index])), []).append(index)
    for heap in heaps.values():
        step = min(DOT_STEP, 2 * WIDEST / max(len(heap) - 1, 1))
        for turn, index in enumerate(heap):
            aside[index] = step * ((turn + 1) // 2) * (1 if turn % 2 else -1)
    return aside
