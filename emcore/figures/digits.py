"""Components that are pictures of probabilities, and a wall of digits that they share out among themselves."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.report import number
from emcore.scene import mix

GAP: Final = 3  # pixels of a picture between it and the next
ABOVE: Final = 3  # pixels over a component, for its sign and weight


def components_figure(history: History, side: int, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """Each component as a picture: the darker a pixel, the more probable is ink there. Its weight stands above it.

    Parameters
    ----------
    history : History
        Of a BernoulliMixture on pictures.
    side : int
        Pixels of a picture from side to side; there are as many from top to bottom.
    look : Look
        How large things are drawn.
    """
    k = history.model.n_components
    n_columns = k if k <= 3 else 2 if k == 4 else 3 if k <= 6 else 4
    n_rows = -(-k // n_columns)
    theta_at = np.arange(history.n_positions) // 2
    chances = np.array([theta.success_probabilities for theta in history.parameters])
    grey = _ink(chances).reshape(len(chances), k, side, side)
    weights = np.array([theta.weights for theta in history.parameters])
    left = np.arange(k) % n_columns * (side + GAP)
    top = np.arange(k) // n_columns * (side + ABOVE)
    traces: list[dict[str, Any]] = []
    tracks = []
    for j in range(k):
        frames = np.repeat(grey[:, j, :, :, None], 3, axis=-1)
        tracks.append(Track(j, "z", frames, theta_at))
        traces.append(_image(f"Component {j + 1}", int(left[j]), int(top[j])))
    said = np.array(
        [[f"\N{NO-BREAK SPACE}{j}: {100 * float(weight):.1f}%" for j, weight in enumerate(row, 1)] for row in weights],
        dtype=object,
    )
    tracks.append(Track(k, "text", said, theta_at))
    traces.append(
        {
            "type": "scatter",
            "name": "Weights",
            "x": left + 0.4,
            "y": top - 1.6,
            "mode": "markers+text",
            "marker": {
                "size": 1.1 * look.font_size,
                "color": list(style.COMPONENT_COLOURS[:k]),
                "symbol": [symbol for symbol, _ in style.COMPONENT_SYMBOLS[:k]],
            },
            "text": said[0].tolist(),
            "textposition": "middle right",
            "textfont": {"size": look.font_size},
            "hovertemplate": "Component %{text} of the pictures<extra></extra>",
        }
    )
    layout = _sheet(
        look,
        f"digits {k}",
        (-0.8, n_columns * (side + GAP) - GAP - 0.2),
        (n_rows * (side + ABOVE) - ABOVE - 0.2, -ABOVE - 0.2),
    )
    return SteppedFigure(
        go.Figure(traces, layout),
        tuple(tracks),
        description=f"{k} component{'' if k == 1 else 's'}, each a picture of {side} by {side} probabilities of ink, "
        "with their weights. They follow the slider.",
    )


def wall_figure(
    history: History,
    rows: NDArray[np.intp],
    labels: NDArray[np.int_],
    responsibilities: NDArray[np.float64],
    side: int,
    *,
    chosen: int | None = None,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """Pictures of the data, a line for each digit, each with the sign of its most probable component in its corner.

    Parameters
    ----------
    history : History
        Of a BernoulliMixture on pictures.
    rows : ndarray of int, shape (n_lines, n_columns)
        Which rows of the data are drawn.
    labels : ndarray of int, shape (n_samples,)
        The digit of each row.
    responsibilities : ndarray of shape (n_iterations + 1, rows.size, n_components)
        Of these rows after each E-step (`emcore.handwriting.wall_shares`). The bare start shows none.
    side : int
        Pixels of a picture from side to side.
    chosen : int, optional
        A row of the data that is framed, if it is drawn.
    look : Look
        How large things are drawn.

    Returns
    -------
    SteppedFigure
        A click on a picture or its sign reports its place in `rows`, line by line.
    """
    n_lines, n_columns = rows.shape
    step = side + GAP
    sheet = np.ones((n_lines * step, n_columns * step))
    for line, row in enumerate(rows):
        for column, n in enumerate(row.tolist()):
            at = slice(line * step + 1, line * step + 1 + side), slice(column * step + 1, column * step + 1 + side)
            sheet[at] = 1 - np.asarray(history.X)[n].reshape(side, side)
    frames = np.repeat(np.rint(255 * sheet).astype(np.uint8)[None, :, :, None], 3, axis=-1)
    palette, symbols = style.palette(history.model.n_components), [symbol for symbol, _ in style.COMPONENT_SYMBOLS]
    bare = np.full((1, rows.size, 3), style.rgb("#c8c8c8"), dtype=np.uint8)
    colours = np.concatenate([bare, np.array([mix(each, palette) for each in responsibilities])])
    signs = np.concatenate([np.zeros((1, rows.size), dtype=np.uint8), responsibilities.argmax(axis=2).astype(np.uint8)])
    after = (np.arange(history.n_positions) + 1) // 2
    x = np.tile(np.arange(n_columns) * step + side + 0.7, n_lines)
    y = np.repeat(np.arange(n_lines) * step + side + 0.3, n_columns)
    traces = [
        _image("Digits", 0, 0),
        {
            "type": "scatter",
            "name": "Components",
            "x": x,
            "y": y,
            "mode": "markers",
            "marker": {
                "size": 12 if look.projector else 9,
                "color": [f"rgb({red},{green},{blue})" for red, green, blue in colours[0].tolist()],
                "symbol": "circle",
                "line": {"width": 1, "color": "white"},
            },
            "text": [f"Picture {n + 1}, a {labels[n]}" for n in rows.ravel().tolist()],
            "hovertemplate": "%{text}<extra></extra>",
        },
    ]
    # the pictures themselves can be pointed at, too
    traces.append(
        {
            **traces[1],
            "name": "Places",
            "x": x - side / 2,
            "y": y - side / 2,
            "marker": {"size": 24, "symbol": "square", "color": style.TRANSPARENT, "line": {"width": 0}},
        }
    )
    tracks = [
        Track(0, "z", frames, np.zeros(history.n_positions, dtype=np.int_)),
        Track(1, "marker.color", colours, after),
        Track(1, "marker.symbol", signs, after, tuple(symbols)),
    ]
    place = np.argwhere(rows == chosen)
    if len(place):
        line, column = place[0].tolist()
        edges = [column * step - 0.3, (column + 1) * step - 0.7], [line * step - 0.3, (line + 1) * step - 0.7]
        traces.append(
            {
                "type": "scatter",
                "name": "Chosen",
                "x": [edges[0][0], edges[0][1], edges[0][1], edges[0][0], edges[0][0]],
                "y": [edges[1][0], edges[1][0], edges[1][1], edges[1][1], edges[1][0]],
                "mode": "lines",
                "line": {"color": style.OBJECTIVE, "width": look.line_width},
                "hoverinfo": "skip",
            }
        )
    layout = _sheet(look, f"wall {rows.shape}", (-0.5, n_columns * step - 0.5), (n_lines * step - 0.5, -0.5))
    layout["yaxis"] |= {
        "visible": True,
        "showline": False,
        "showgrid": False,
        "ticks": "",
        "tickvals": (np.arange(n_lines) * step + side / 2 + 0.5).tolist(),
        "ticktext": [str(labels[row[0]]) for row in rows],
    }
    layout["margin"] |= {"l": 24}
    drawn = "1 picture of each digit" if n_columns == 1 else f"{n_columns} pictures of each digit"
    return SteppedFigure(
        go.Figure(traces, layout),
        tuple(tracks),
        clicks=(1, 2),
        description=f"{drawn}, {number(rows.size, 0)} in all, each with the sign of the component that most probably "
        "made it. The tables below follow the slider.",
    )


def _ink(chances: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(255 * (1 - chances)), dtype=np.uint8)


def _image(name: str, x: int, y: int) -> dict[str, Any]:
    return {"type": "image", "name": name, "z": [[[255, 255, 255]]], "x0": x, "y0": y, "hoverinfo": "skip"}


def _sheet(look: Look, revision: str, x_range: tuple[float, float], y_range: tuple[float, float]) -> dict[str, Any]:
    return style.layout(
        look,
        x_title="",
        y_title="",
        revision=revision,
        margin={"l": 4, "r": 4, "t": 8, "b": 8},
        showlegend=False,
        xaxis={"range": x_range, "visible": False, "constrain": "domain", "constraintoward": "left"},
        yaxis={
            "range": y_range,
            "visible": False,
            "scaleanchor": "x",
            "constrain": "domain",
            "constraintoward": "top",
            "title": {"text": ""},
        },
    )
