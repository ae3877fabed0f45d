"""Factor analysis in pictures: the hidden line among the points, the loadings, what is known of the factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.factors import MARKS, FactorScene, View, correlations
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.models import FactorAnalysisParameters
from emcore.report import number

Array = NDArray[np.float64]

FACTOR = style.COMPONENT_COLOURS
CHOSEN = style.COMPONENT_COLOURS[1]
PRINCIPAL = style.COMPONENT_COLOURS[4]
LONGEST_NAME = 18  # beside a bar


class _Picture:
    """Collects traces, and the tracks that move them, in drawing order."""

    def __init__(self, history: History, look: Look) -> None:
        self.look = look
        self.positions = np.arange(history.n_positions)
        self.traces: list[dict[str, Any]] = []
        self.tracks: list[Track] = []

    def still(self, name: str, points: Array, **trace: Any) -> int:
        """A trace that stays, through points of shape (n, 2)."""
        shown = {"showlegend": False, "hoverinfo": "skip", **trace}
        self.traces.append({"type": "scatter", "name": name, "x": points[:, 0], "y": points[:, 1], **shown})
        return len(self.traces) - 1

    def moving(self, name: str, frames: Array, **trace: Any) -> int:
        """A trace through points of shape (n_frames, n, 2): a frame for each position; for each parameters; or for the
        bare start and one for each posterior."""
        n_iterations = len(self.positions) // 2 - 1
        at = {n_iterations + 1: self.positions // 2, n_iterations + 2: (self.positions + 1) // 2}.get(
            len(frames), self.positions
        )
        number = self.still(name, frames[at[1]] if len(at) > 1 else frames[0], **trace)
        for axis, attribute in enumerate(("x", "y")):
            self.tracks.append(Track(number, attribute, np.ascontiguousarray(frames[..., axis]), at))
        return number


def hidden_figure(
    history: History,
    drawn: FactorScene,
    view: View,
    axes: Sequence[str],
    *,
    row: int,
    chosen: tuple[Array, Array],
    springs: bool = True,
    pca: bool = False,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """The points, the hidden line (or plane) that they come from, and the model of x as an ellipse.

    Parameters
    ----------
    history : History
    drawn : FactorScene
        `emcore.factors.factor_scene` of it.
    view : View
        The one of `drawn`.
    axes : sequence of str
        The names of the variables.
    row : int
        The chosen point, a row of X.
    chosen : tuple of ndarray
        `emcore.factors.chosen_point` of it.
    springs : bool
        Join every point with the place on the line where it is expected to come from.
    pca : bool
        Draw the principal axes too.
    look : Look

    Returns
    -------
    SteppedFigure
        Trace "Points" reports clicks.
    """
    one = history.model.n_factors == 1
    hidden = "Hidden line" if one else "Hidden plane"
    build = _Picture(history, look)
    width = look.line_width
    if drawn.edges is not None:
        _three_axes(build, drawn.edges, axes)
    if springs:
        build.moving(
            "Springs", _springs(drawn), mode="lines", line={"color": style.faint(style.NEUTRAL, 0.35), "width": 1}
        )
    titles = [style.plain(name) for name in axes]
    points = build.still(
        "Points",
        drawn.points,
        mode="markers",
        customdata=np.column_stack([drawn.rows + 1, history.prepared.X[drawn.rows]]),
        marker={
            "size": look.point_size(len(drawn.rows)),
            "color": style.NEUTRAL,
            "opacity": 0.75,
            "line": {"width": 0},
        },
        hoverinfo="all",
        hovertemplate="Point %{customdata[0]:.0f}"
        + "".join(f"<br>{title} %{{customdata[{j + 1}]:.4g}}" for j, title in enumerate(titles))
        + "<extra></extra>",
    )
    for outer, opacity in enumerate((0.9, 0.5)):
        build.moving(
            f"Model of x, {outer + 1} sd",
            drawn.rings[:, outer],
            mode="lines",
            line={"color": style.OBJECTIVE, "width": 0.7 * width},
            opacity=opacity,
            showlegend=not outer,
            legendgroup="model",
        )
    if drawn.truth is not None:
        line = {"color": style.NEUTRAL, "width": 0.9 * width, "dash": "dash"}
        build.still("Truth", drawn.truth, mode="lines", line=line, showlegend=True)
    if pca:
        line = {"color": PRINCIPAL, "width": 0.9 * width, "dash": "dot"}
        name = "Principal axis" if one else "Principal plane"
        build.still(name, drawn.principal, mode="lines", line=line, showlegend=True)
    line = {"color": FACTOR[0], "width": (1.2 if one else 0.6) * width, "simplify": False}
    build.moving(hidden, drawn.lines, mode="lines", line=line, showlegend=True)
    build.moving(
        "Expected places",
        drawn.expected,
        mode="markers",
        marker={"size": 0.6 * look.point_size(len(drawn.rows)), "color": FACTOR[0], "opacity": 0.6},
    )
    build.moving(
        "Marks of z",
        drawn.marks,
        mode="markers+text" if one else "markers",
        marker={
            "symbol": "diamond",
            "size": 0.6 * look.now_size,
            "color": FACTOR[0],
            "line": {"color": "white", "width": 1},
        },
        **(
            {
                "text": _marks(),
                "textposition": "bottom right",
                "textfont": {"size": look.font_size, "weight": 700},
            }
            if one
            else {}
        ),
    )
    joins, spans = chosen
    build.moving("To its expected place", joins, mode="lines", line={"color": CHOSEN, "width": 0.6 * width})
    build.moving(
        f"Point {row + 1}: z within 1 sd",
        spans,
        mode="lines",
        line={"color": CHOSEN, "width": 2.2 * width},
        showlegend=True,
    )
    build.moving(
        "Its expected place",
        joins[:, 1:],
        mode="markers",
        marker={"size": 0.6 * look.now_size, "color": CHOSEN, "line": {"color": "white", "width": 1.5}},
    )
    build.still(
        "Chosen point",
        joins[-1, :1],
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": 1.1 * look.now_size,
            "color": CHOSEN,
            "line": {"width": look.line_width, "color": CHOSEN},
        },
    )
    figure = go.Figure({"data": build.traces, "layout": _layout(drawn, view, titles, look)})
    n_points = len(history.prepared.X)
    what = "two" if not view.turned else "three"
    return SteppedFigure(
        figure,
        tuple(build.tracks),
        clicks=(points,),
        description=f"Scatter plot of {n_points:,} points in {what} variables, {', '.join(axes)}, with the "
        f"{hidden.lower()} of the factors, what is known of the factor of one point as a piece of it, and the ellipse "
        "of the model. The sentence and the tables below follow the slider.",
    )


def _marks() -> list[str]:
    """At both ends with the factor's name."""
    return [f"z = {z}".replace("-", "\N{MINUS SIGN}") if abs(z) == max(MARKS) else number(z, 0) for z in MARKS]


def _springs(drawn: FactorScene) -> Array:
    """From each point to its expected place, with a gap after each: shape (n_positions, 3 n_followed, 2)."""
    n_positions, n_shown, _ = drawn.expected.shape
    lines = np.full((n_positions, n_shown, 3, 2), np.nan)
    lines[:, :, 0] = drawn.points[drawn.followed]
    lines[:, :, 1] = drawn.expected
    return lines.reshape(n_positions, 3 * n_shown, 2)


def _three_axes(build: _Picture, edges: Array, axes: Sequence[str]) -> None:
    """The directions of three variables, from their averages upwards."""
    nothing = np.full((3, 2), np.nan)
    lines = np.stack([-edges, edges, nothing], axis=1).reshape(-1, 2)
    build.still("Axes", lines, mode="lines", line={"color": style.faint(style.NEUTRAL, 0.6), "width": 1.2})
    build.still(
        "Names of the axes",
        1.1 * edges,
        mode="text",
        text=[style.plain(name) for name in axes],
        textfont={"size": build.look.font_size, "color": style.NEUTRAL},
    )


def _layout(drawn: FactorScene, view: View, titles: Sequence[str], look: Look) -> dict[str, Any]:
    bare: dict[str, Any] = {"visible": False} if view.turned else {}
    across: dict[str, Any] = {"constrain": "domain", "constraintoward": "left"} if drawn.equal_scale else {}
    one_scale: dict[str, Any] = {}
    if drawn.equal_scale:
        one_scale = {"scaleanchor": "x", "constrain": "domain", "constraintoward": "top"}
    return style.layout(
        look,
        x_title="" if view.turned else titles[0],
        y_title="" if view.turned else titles[1],
        revision=f"{drawn.x_range}{drawn.y_range}",
        xaxis={"range": drawn.x_range, **bare, **across},
        yaxis={"range": drawn.y_range, **bare, **one_scale},
    )


# ---- Loadings as bars -------------------------------------------------------------------------------------


def loadings_figure(
    history: History,
    axes: Sequence[str],
    *,
    truth: FactorAnalysisParameters | None = None,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """The correlation of each variable with each factor as bars, and the part of it that is noise as a number.

    `truth`, turned towards the end of the run beforehand, is a mark beside each bar.
    """
    all_correlations = np.array([correlations(theta) for theta in history.parameters])
    shares = np.array([theta.noise_shares for theta in history.parameters])
    build = _Picture(history, look)
    places = _places(*all_correlations.shape[1:])
    for k in range(all_correlations.shape[2]):
        build.moving(
            f"Factor {k + 1}",
            _bars(all_correlations[:, :, k], places[:, k]),
            mode="lines",
            line={"color": FACTOR[k], "width": _thickness(look, *places.shape)},
            showlegend=True,
        )
    if truth is not None:
        known = correlations(truth)
        ends = np.column_stack([known.ravel(), places.ravel()])
        mark = {"symbol": "line-ns-open", "size": 1.3 * _thickness(look, *places.shape), "color": style.NEUTRAL}
        build.still("Truth", ends, mode="markers", marker={**mark, "line": {"width": 2.5}}, showlegend=True)
    number = build.still(
        "Noise",
        np.column_stack([np.full(len(axes), 1.06), places.mean(axis=1)]),
        mode="text",
        text=_percents(shares[0]),
        textposition="middle right",
        textfont={"size": look.font_size},
    )
    texts = np.array([_percents(row) for row in shares], dtype=object)
    build.tracks.append(Track(number, "text", texts, build.positions // 2))
    layout = _bars_layout(axes, places, look)
    return SteppedFigure(
        go.Figure({"data": build.traces, "layout": layout}),
        tuple(build.tracks),
        description=f"The correlation of {len(axes)} variables with the factors, as bars from \N{MINUS SIGN}1 to 1, "
        "and the part of each variable that is noise. The table below has the loadings.",
    )


def turned_figure(
    before: FactorAnalysisParameters,
    after: FactorAnalysisParameters,
    axes: Sequence[str],
    *,
    look: Look = style.DEFAULT_LOOK,
) -> go.Figure:
    """The bars of turned factors; those before the turn as outlines."""
    places = _places(*before.loadings.shape)
    figure = go.Figure(layout=_bars_layout(axes, places, look, noise=False))
    for k in range(places.shape[1]):
        for theta, opacity, name in ((before, 0.3, ""), (after, 1.0, f"Factor {k + 1}, turned")):
            line = _bars(correlations(theta)[None, :, k], places[:, k])[0]
            thickness = _thickness(look, *places.shape)
            figure.add_scatter(
                x=line[:, 0],
                y=line[:, 1],
                name=name or f"Factor {k + 1}, before",
                mode="lines",
                line={"color": FACTOR[k], "width": thickness if not name else 0.55 * thickness},
                opacity=opacity,
                hoverinfo="skip",
                showlegend=bool(name),
            )
    return figure


def _places(n_features: int, n_factors: int) -> Array:
    """The height of each bar, shape (n_features, n_factors): the first variable on top, one unit for each."""
    offsets = (np.arange(n_factors) - (n_factors - 1) / 2) * 0.8 / n_factors
    places: Array = -(np.arange(n_features)[:, None] + offsets)
    return places


def _thickness(look: Look, n_features: int, n_factors: int) -> float:
    """Of a bar, in CSS pixels."""
    return float(np.clip(0.55 * (look.height - 90) * 0.8 / (n_features * n_factors), 3.0, 26.0))


def _bars(values: Array, places: Array) -> Array:
    """Lines from 0 to each value, with gaps: shape (n_frames, 3 n_features, 2)."""
    n_frames, n_features = values.shape
    lines = np.full((n_frames, n_features, 3, 2), np.nan)
    lines[:, :, 0, 0] = 0.0
    lines[:, :, 1, 0] = values
    lines[:, :, :2, 1] = places[:, None]
    return lines.reshape(n_frames, 3 * n_features, 2)


def _percents(shares: Array) -> list[str]:
    return [f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %" for share in shares.tolist()]


def _bars_layout(axes: Sequence[str], places: Array, look: Look, noise: bool = True) -> dict[str, Any]:
    heights = places.mean(axis=1)
    layout = style.layout(
        look,
        x_title="Correlation with the factor",
        y_title="",
        revision=" ".join(axes),
        xaxis={
            "range": (-1.05, 1.45 if noise else 1.05),
            "tickvals": [-1, -0.5, 0, 0.5, 1],
            "ticktext": ["\N{MINUS SIGN}1", "\N{MINUS SIGN}0.5", "0", "0.5", "1"],
            "zeroline": True,
            "zerolinecolor": "rgba(128,128,128,0.6)",
            "fixedrange": True,
        },
        yaxis={
            "range": (float(heights.min()) - 0.6, float(heights.max()) + 0.6),
            "tickvals": heights,
            "ticktext": [style.plain(style.short(name, LONGEST_NAME)) for name in axes],
            "fixedrange": True,
            "showgrid": False,
        },
    )
    if noise:
        layout["annotations"] = [
            {
                "text": "noise",
                "x": 1.06,
                "y": 1,
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": look.font_size},
            }
        ]
    return layout


# ---- What is known of the factors -------------------------------------------------------------------------


def scores_figure(
    history: History,
    rows: NDArray[np.intp],
    scores: Array,
    spans: Array,
    row: int,
    *,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """E[z] of every point as a place, and of one point also what is left open.

    Parameters
    ----------
    history : History
    rows : ndarray of int, shape (n_shown,)
        The rows of X that are shown.
    scores, spans : ndarray of shape (n_iterations + 2, n_shown, 2), (n_iterations + 2, n_span_points, 2)
        From `emcore.factors.score_places`: E[z] of each, and 1 sd around that of the chosen point.
    row : int
        The chosen point, a row of X.
    look : Look

    Returns
    -------
    SteppedFigure
        Trace "Points" reports clicks.
    """
    two = history.model.n_factors > 1
    build = _Picture(history, look)
    if two:
        ring = np.linspace(0, 2 * np.pi, 49)
        for radius in (1, 2):
            circle = radius * np.column_stack([np.cos(ring), np.sin(ring)])
            line = {"color": style.faint(style.NEUTRAL, 0.6), "width": 1.2, "dash": "dot"}
            build.still("Before the data: 1 and 2 sd", circle, mode="lines", line=line, showlegend=radius == 1)
    points = build.moving(
        "Points",
        scores,
        mode="markers",
        customdata=rows + 1,
        marker={"size": look.point_size(len(rows)), "color": FACTOR[0], "opacity": 0.6, "line": {"width": 0}},
        hoverinfo="all",
        hovertemplate="Point %{customdata}<br>E[z] %{x:.3f}" + (", %{y:.3f}" if two else "") + "<extra></extra>",
    )
    build.moving(
        f"Point {row + 1}: z within 1 sd",
        spans,
        mode="lines",
        line={"color": CHOSEN, "width": (1.2 if two else 2.2) * look.line_width},
        showlegend=True,
    )
    build.moving(
        "Its E[z]",
        spans[:, :-1].mean(axis=1, keepdims=True) if two else spans.mean(axis=1, keepdims=True),
        mode="markers",
        marker={"size": 0.7 * look.now_size, "color": CHOSEN, "line": {"color": "white", "width": 1.5}},
    )
    reach = max(3.2, 1.08 * float(np.nanmax(np.abs(scores[..., 0]), initial=0.0)))
    high = max(3.2, 1.08 * float(np.nanmax(np.abs(scores[..., 1]), initial=0.0)))
    layout = style.layout(
        look,
        x_title="Factor 1: E[z]",
        y_title="Factor 2: E[z]" if two else "",
        revision=f"scores {reach} {high}",
        xaxis={"range": (-reach, reach)},
        yaxis={"range": (-high, high)} if two else {"range": (-1.2, 1.2), "visible": False},
    )
    return SteppedFigure(
        go.Figure({"data": build.traces, "layout": layout}),
        tuple(build.tracks),
        clicks=(points,),
        description=f"What the E-step says of the factors of {len(rows):,} points: their means, and for one point the "
        "sd around it.",
    )
