"""The pictures of a run on documents: each document shared out among the components, and the most telling words."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.scene import mix
from emcore.sources.text import Documents
from emcore.subjects import TextScene

Array = NDArray[np.float64]

STRIP: Final = 0.64  # the height of the documents' picture, beside that of others
MARKS: Final = 1.13  # where the documents' markers lie, above their bars
BAND: Final = (-0.3, -0.1)  # of the true subjects, below the bars
LETTERS: Final = 16  # of a word in the picture
NO_TEXT: Final = "\N{NO-BREAK SPACE}"  # an empty text has no node in the page, and would have to be drawn anew


def documents_figure(
    scene: TextScene, documents: Documents, *, row: int | None = None, look: Look = style.DEFAULT_LOOK
) -> SteppedFigure:
    """A bar of responsibilities for every document; below it the true subjects, in the colours of their components.

    Parameters
    ----------
    scene : TextScene
    documents : Documents
    row : int, optional
        A document to mark.
    look : Look

    Returns
    -------
    SteppedFigure
        Its trace "Documents" reports clicks on scene.rows.
    """
    n_iterations, n_drawn, k = scene.responsibilities.shape
    positions = np.arange(2 * n_iterations)
    posterior_at = (positions + 1) // 2  # 1 + t of the latest E-step, 0 for none
    places = np.arange(1, n_drawn + 1)
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []

    # Bars: the highest sum first, each next one covers its lower part
    edges = np.stack([places - 0.46, places - 0.46, places + 0.46, places + 0.46, places + 0.46], axis=1).ravel()
    sums = scene.responsibilities.cumsum(axis=2)
    nothing = np.full((1, 5 * n_drawn), np.nan)
    for j in range(k - 1, -1, -1):
        heights = sums[:1, :, j] if j == k - 1 else sums[:, :, j]
        frames = np.concatenate([nothing, _boxes(heights)])
        tracks.append(Track(len(traces), "y", frames, np.minimum(posterior_at, 1) if j == k - 1 else posterior_at))
        traces.append(
            {
                "name": f"Responsibility {j + 1}",
                "mode": "none",
                "x": edges,
                "y": frames[-1],
                "fill": "toself",
                "fillcolor": style.COMPONENT_COLOURS[j],
            }
        )
    traces += _subjects(scene, documents, look)

    marks = len(traces)
    bare = np.full((1, n_drawn, 3), style.rgb(style.NEUTRAL))
    colours = np.concatenate([bare, mix(scene.responsibilities, style.palette(k))]).astype(np.uint8)
    shapes = np.concatenate([np.zeros((1, n_drawn)), scene.responsibilities.argmax(axis=2)]).astype(np.uint8)
    symbols = tuple(name for name, _ in style.COMPONENT_SYMBOLS[:k])
    tracks.append(Track(marks, "marker.color", colours, posterior_at))
    tracks.append(Track(marks, "marker.symbol", shapes, posterior_at, symbols))
    traces.append(
        {
            "name": "Documents",
            "mode": "markers",
            "x": places,
            "y": np.full(n_drawn, MARKS),
            "text": [f"Document {n + 1}: {style.plain(documents.texts[n])}" for n in scene.rows.tolist()],
            "marker": {"size": look.point_size(n_drawn), "color": style.NEUTRAL, "line": {"width": 0}},
            "hoverinfo": None,
            "hovertemplate": "%{text}<extra></extra>",
        }
    )
    for j in range(k):
        traces.append(
            {
                "name": f"Component {j + 1}",
                "mode": "markers",
                "x": [None],
                "y": [None],
                "showlegend": True,
                "marker": {"symbol": symbols[j], "size": 9, "color": style.COMPONENT_COLOURS[j]},
            }
        )
    defaults = {"type": "scatter", "showlegend": False, "hoverinfo": "skip"}
    thinned = f", {n_drawn} of {len(documents.texts):,} drawn" if n_drawn < len(documents.texts) else ""
    layout = style.layout(
        look,
        x_title=f"Document{thinned}",
        y_title="Responsibility",
        revision=f"documents {n_drawn}",
        height=STRIP * look.height,
        xaxis={"range": (0.2, n_drawn + 0.8), "showgrid": False, "fixedrange": True, **_numbering(scene)},
        yaxis={
            "range": (BAND[0] - 0.05 if documents.subjects else -0.03, MARKS + 0.15),
            "fixedrange": True,
            "tickvals": [0, 0.5, 1],
            "showgrid": False,
        },
    )
    drawn = np.flatnonzero(scene.rows == row)
    if len(drawn):
        place = int(drawn[0]) + 1
        layout["shapes"] = [
            {
                "type": "rect",
                "x0": place - 0.5,
                "x1": place + 0.5,
                "y0": -0.02,
                "y1": MARKS + 0.12,
                "line": {"color": style.NEUTRAL, "width": 0.7 * look.line_width},
            }
        ]
    return SteppedFigure(
        go.Figure([{**defaults, **trace} for trace in traces], layout),
        tuple(tracks),
        clicks=(marks,),
        description=f"{len(documents.texts):,} documents in a row, each a bar of the responsibilities of {k} components"
        + ("; below it the true subjects." if documents.subjects else ".")
        + " The sentence and the tables below follow the slider.",
    )


def _boxes(heights: Array) -> Array:
    """Heights (n_frames, n_bars) as outlines of bars, with a gap after each, shape (n_frames, 5 n_bars)."""
    zero = np.zeros_like(heights)
    return np.stack([zero, heights, heights, zero, np.full_like(zero, np.nan)], axis=2).reshape(len(heights), -1)


def _numbering(scene: TextScene) -> dict[str, Any]:
    """Ticks at the numbers that the documents have in the text."""
    n_ticks = len(scene.rows) if len(scene.rows) <= 12 else 7
    places = np.linspace(0, len(scene.rows) - 1, n_ticks).round().astype(np.int_)
    return {"tickvals": places + 1, "ticktext": [f"{n + 1:,}" for n in scene.rows[places].tolist()]}


def _subjects(scene: TextScene, documents: Documents, look: Look) -> list[dict[str, Any]]:
    """The true subjects as a band, each in the colour of the component that stands for it in the end."""
    if documents.labels is None:
        return []
    component = {subject: k for k, subject in enumerate(scene.partner) if subject >= 0}
    traces: list[dict[str, Any]] = []
    low, high = BAND
    start = 0
    for subject, run in groupby(documents.labels[scene.rows].tolist()):
        end = start + len(list(run))
        left, right = start + 0.54, end + 0.46
        colour = style.COMPONENT_COLOURS[component[subject]] if subject in component else style.NEUTRAL
        traces.append(
            {
                "name": "True subject",
                "mode": "none",
                "x": [left, left, right, right],
                "y": [low, high, high, low],
                "fill": "toself",
                "fillcolor": style.faint(colour, 0.35),
            }
        )
        traces.append(
            {
                "name": "Name of the subject",
                "mode": "text",
                "x": [(left + right) / 2],
                "y": [(low + high) / 2],
                "text": [style.plain(documents.subjects[subject])],
                "textfont": {"size": look.font_size},
            }
        )
        start = end
    return traces


def words_figure(scene: TextScene, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The most telling words of every component now, as bars as long as each tells."""
    n_iterations, k, n_shown = scene.words.shape
    theta_at = np.arange(2 * n_iterations) // 2
    longest = float(scene.contributions.max()) or 1.0
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []
    centres = []
    for j in range(k):
        rows = j * (n_shown + 0.6) + np.arange(n_shown)
        centres.append(float(rows.mean()))
        outline = np.stack([rows - 0.44, rows - 0.44, rows + 0.44, rows + 0.44, rows + 0.44], axis=1).ravel()
        lengths = scene.contributions[:, j]
        zero = np.zeros_like(lengths)
        frames = np.stack([zero, lengths, lengths, zero, np.full_like(zero, np.nan)], axis=2).reshape(n_iterations, -1)
        tracks.append(Track(len(traces), "x", frames, theta_at))
        traces.append(
            {
                "name": f"How much words tell of component {j + 1}",
                "mode": "none",
                "x": frames[0],
                "y": outline,
                "fill": "toself",
                "fillcolor": style.faint(style.COMPONENT_COLOURS[j], 0.45),
            }
        )
        texts = np.array([[_label(word) for word in line] for line in scene.words[:, j].tolist()], dtype=object)
        tracks.append(Track(len(traces), "text", texts, theta_at))
        traces.append(
            {
                "name": f"Words of component {j + 1}",
                "mode": "text",
                "x": np.zeros(n_shown),
                "y": rows,
                "text": texts[0],
                "textposition": "middle right",
                "textfont": {"size": look.font_size - 1},
            }
        )
    layout = style.layout(
        look,
        x_title="What a word tells of its component (nats)",
        y_title="Component",
        revision=f"words {k}",
        showlegend=False,
        xaxis={"range": (0, 1.03 * longest), "fixedrange": True, "nticks": 5},
        yaxis={
            "range": (k * (n_shown + 0.6) - 0.9, -0.8),
            "fixedrange": True,
            "tickvals": centres,
            "ticktext": [str(j + 1) for j in range(k)],
            "showgrid": False,
            "ticks": "",
        },
    )
    defaults = {"type": "scatter", "showlegend": False, "hoverinfo": "skip"}
    return SteppedFigure(
        go.Figure([{**defaults, **trace} for trace in traces], layout),
        tuple(tracks),
        description=f"The {n_shown} most telling words of each of {k} components, as bars. The table below has them.",
    )


def _label(word: str) -> str:
    short = word if len(word) <= LETTERS else word[: LETTERS - 1] + "…"
    return style.plain(short) if word else NO_TEXT
