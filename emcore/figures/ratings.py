"""A table of ratings that fills as EM runs, and the error of the ratings that the fit did not see."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.objective import curve_layout
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.ratings import MEANS, Errors, TableScene

Array = NDArray[np.float64]

# From 1 to 5: blue by way of grey to vermilion, which all eyes tell apart.
SCALE: Final = ("#0072b2", "#6aa3c4", "#b4b4b4", "#de9257", "#d55e00")
ON_SCALE: Final = ("#ffffff", "#111111", "#111111", "#111111", "#ffffff")  # text on it
OPEN: Final = 1.6  # stars: a filled cell with this sd or a greater one is as small as one gets
SMALLEST: Final = 0.25  # of the size of a rating
HIDDEN: Final = style.COMPONENT_COLOURS[0]
NEVER: Final = style.COMPONENT_COLOURS[1]
DASHES: Final = ("dash", "dot", "dashdot")


def table_figure(history: History, drawn: TableScene, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """People by dishes: ratings as squares, what is filled in as circles, the larger the surer.

    Parameters
    ----------
    history : History
    drawn : TableScene
        `emcore.ratings.table_scene` of it.
    look : Look

    Returns
    -------
    SteppedFigure
        Every trace reports clicks; `cells` says whose.
    """
    n_people, n_dishes = len(drawn.rows), len(drawn.dishes)
    height = look.height if n_people <= 12 else 730 if look.projector else 540
    size = min(26.0, 0.92 * (0.75 * height - 125) / n_people)  # of a row where a phone makes the picture lower
    text = min(look.font_size, 0.72 * size)
    traces: list[dict[str, Any]] = []
    for star in range(1, 6):
        points = drawn.seen[drawn.ratings == star]
        traces.append(
            {
                **_places(drawn, points),
                "name": "Rated" if star == 3 else f"Rated {star}",
                "showlegend": star == 3,
                "mode": "markers+text",
                "marker": {"symbol": "square", "size": size, "color": SCALE[star - 1]},
                "text": [str(star)] * len(points),
                "textfont": {"size": text, "color": ON_SCALE[star - 1]},
                "textposition": "middle center",
                "hovertemplate": f"%{{customdata[0]}}: %{{customdata[1]}}, rated {star}<extra></extra>",
            }
        )
    filled = len(traces)
    colours, sizes = _colours(drawn.filled), size * _certainty(drawn.sds)
    traces.append(
        {
            **_places(drawn, drawn.empty),
            "name": "Filled in",
            "mode": "markers",
            "marker": {"size": sizes[0], "color": style.NEUTRAL, "opacity": 1, "line": {"width": 0}},
            "hovertemplate": "%{customdata[0]}: %{customdata[1]}, filled in<extra></extra>",
        }
    )
    traces.append(
        {
            **_places(drawn, drawn.hidden),
            "name": "Hidden",
            "mode": "markers",
            "marker": {"symbol": "circle-open", "size": size, "color": style.NEUTRAL, "line": {"width": 1.5}},
            "hovertemplate": "%{customdata[0]}: %{customdata[1]}, hidden on purpose<extra></extra>",
        }
    )
    positions = np.arange(history.n_positions)
    after = np.maximum(positions - 1, 0) // 2  # the E-step that filled what a position shows
    tracks = []
    if len(drawn.empty):
        tracks = [
            Track(filled, "marker.color", colours, after),
            Track(filled, "marker.size", sizes, after),
            Track(filled, "shown", np.array([0, len(drawn.empty)]), np.minimum(positions, 1)),
        ]
    names = [f"<b>{name}</b>" if n == drawn.place else name for n, name in enumerate(drawn.people)]
    plain = {"showgrid": False, "ticks": "", "showline": False, "nticks": None, "fixedrange": True}
    layout = style.layout(
        look,
        x_title="",
        y_title="",
        revision=f"ratings {n_people}",
        height=height,
        xaxis={
            **plain,
            "range": [-0.5, n_dishes - 0.5],
            "tickvals": list(range(n_dishes)),
            "ticktext": [dish.replace(" ", "<br>") for dish in drawn.dishes],
            "tickfont": {"size": look.font_size - 2},
            "tickangle": 0,
        },
        yaxis={
            **plain,
            "range": [n_people - 0.5, -0.5],
            "tickvals": list(range(n_people)),
            "ticktext": names,
            "tickfont": {"size": max(text, 9)},
        },
        shapes=[
            {
                "type": "rect",
                "x0": -0.5,
                "x1": n_dishes - 0.5,
                "y0": drawn.place - 0.5,
                "y1": drawn.place + 0.5,
                "line": {"width": 1.5, "color": style.NEUTRAL},
            }
        ],
    )
    return SteppedFigure(
        go.Figure({"data": [{"type": "scatter", **trace} for trace in traces], "layout": layout}),
        tuple(tracks),
        clicks=tuple(range(len(traces))),
        description=f"Table of {n_people} people and {n_dishes} dishes: {len(drawn.seen)} ratings from 1 to 5, and "
        f"{len(drawn.empty)} empty cells that EM fills in, {len(drawn.hidden)} of them ratings hidden on purpose. "
        "The sentence and the tables below follow the slider.",
    )


def cells(drawn: TableScene, trace: int) -> NDArray[np.intp]:
    """The cells that the points of a trace of `table_figure` stand for, as in TableScene."""
    if trace >= 5:
        return drawn.empty if trace == 5 else drawn.hidden
    rated: NDArray[np.intp] = drawn.seen[drawn.ratings == trace + 1]
    return rated


def errors_figure(history: History, found: Errors, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The error of hidden ratings, and of those never given, as it grows with the run; averages as level lines.

    Parameters
    ----------
    history : History
    found : Errors
        `emcore.ratings.errors` of it: one kind of rating or both must be there.
    look : Look
    """
    positions = np.arange(history.n_positions)
    iterations = np.arange(history.n_iterations + 1)
    known = np.maximum(positions - 1, 0) // 2
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    for name, dash, miss in zip(MEANS, DASHES, found.means_hidden.tolist(), strict=True):
        traces.append(
            {
                "name": f"{name}, hidden",
                "x": [0, max(history.n_iterations, 1)],
                "y": [miss, miss],
                "mode": "lines",
                "line": {"color": style.NEUTRAL, "width": 0.7 * look.line_width, "dash": dash},
                "hovertemplate": f"{name}, hidden ratings: %{{y:.3f}}<extra></extra>",
            }
        )
    for name, values, colour, dash in (
        ("EM, hidden", found.hidden, HIDDEN, "solid"),
        ("EM, never given", found.never, NEVER, "9px,3px"),
    ):
        if not np.isfinite(values).all():
            continue
        tracks.append(
            Track(len(traces), "shown", np.concatenate([[0], iterations + 1]), np.where(positions, known + 1, 0))
        )
        traces.append(
            {
                "name": name,
                "x": iterations,
                "y": values,
                "mode": "lines",
                "line": {"color": colour, "width": look.line_width, "dash": dash},
                "hovertemplate": f"Iteration %{{x}}<br>{name}: %{{y:.3f}}<extra></extra>",
            }
        )
        ends = np.concatenate([[[np.nan]], values[:, None]])
        tracks.append(Track(len(traces), "x", known[:, None].astype(np.float64), positions))
        tracks.append(Track(len(traces), "y", ends, np.where(positions, known + 1, 0)))
        traces.append(
            {
                "name": f"{name}, now",
                "x": [0],
                "y": values[:1],
                "mode": "markers",
                "showlegend": False,
                "marker": {
                    "size": 0.8 * look.now_size,
                    "color": colour,
                    "symbol": "circle" if colour == HIDDEN else "square",
                    "line": {"color": "white", "width": 2},
                },
                "hoverinfo": "skip",
            }
        )
    heights = np.concatenate([found.means_hidden, found.hidden, found.never])
    heights = heights[np.isfinite(heights)]
    low, high = (float(heights.min()), float(heights.max())) if len(heights) else (0.0, 1.0)
    room = 0.08 * (high - low) + 0.02
    layout = curve_layout(
        look,
        title="Error (RMSE, stars)",
        x_range=(0, history.n_iterations),
        y_range=(low - room, high + room),
    )
    return SteppedFigure(
        go.Figure({"data": [{"type": "scatter", **trace} for trace in traces], "layout": layout}),
        tuple(tracks),
        description="The error of hidden ratings by iteration, beside that of filling in averages. The sentence and "
        "the tables below follow the slider.",
    )


def _places(drawn: TableScene, points: NDArray[np.intp]) -> dict[str, Any]:
    """Where cells stand, and whose they are."""
    named = [[drawn.people[row], drawn.dishes[dish]] for row, dish in points.tolist()]
    return {"x": points[:, 1], "y": points[:, 0], "customdata": named}


def _colours(ratings: Array) -> NDArray[np.uint8]:
    """The colours of ratings, whole or not; beyond 1 and 5 those of 1 and 5."""
    stops = np.array([style.rgb(colour) for colour in SCALE], dtype=np.float64)
    stars = np.arange(1, 6)
    mixed = np.stack([np.interp(ratings, stars, stops[:, channel]) for channel in range(3)], axis=-1)
    return np.round(mixed).astype(np.uint8)


def _certainty(sds: Array) -> Array:
    """The diameter of a filled cell as a part of a rating's: 1 if nothing is left open."""
    return np.clip(1 - sds / OPEN, SMALLEST, 1.0)
