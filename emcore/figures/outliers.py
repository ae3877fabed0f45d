"""Points that fade as they count for less, Student's t that lets go of them, and the Gaussian that cannot."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.scene import axis_range, ellipses, mix
from emcore.tails import Curves, Gaussian

SMALLEST: Final = 0.25  # of a full point's size: what counts for nothing can still be seen
STEP: Final = 0.25  # px, so that there are few sizes
STUDENT, NORMAL = style.COMPONENT_COLOURS[0], style.COMPONENT_COLOURS[1]


def outliers_figure(
    history: History,
    weights: NDArray[np.float64],
    axes: tuple[str, ...],
    *,
    gaussian: Gaussian | None,
    curves: Curves | None = None,
    movable: bool = False,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """The points, as large and as blue as they count, with Student's t over them and the Gaussian beside it.

    Parameters
    ----------
    history : History
        Of a StudentT on one or two features.
    weights : ndarray of shape (n_iterations + 1, n_samples)
        After each E-step, from 0 to 1. The bare start shows all points alike.
    axes : tuple of str
        What the features are called.
    gaussian : Gaussian or None
        The closed-form fit, which does not move.
    curves : Curves, optional
        The densities, for one feature.
    movable : bool
        Whether the last point can be dragged, at every position.
    look : Look

    Returns
    -------
    SteppedFigure
        Traces "Points" and "Far point" report clicks; together they are the rows of X in order.
    """
    X = history.prepared.X
    n_samples, n_features = X.shape
    after_e_step = (np.arange(history.n_positions) + 1) // 2
    theta_at = np.arange(history.n_positions) // 2
    full = 1.6 * look.point_size(n_samples)
    shown = np.concatenate([np.ones((1, n_samples)), weights])
    sizes = STEP * np.rint(full * np.clip(np.sqrt(shown), SMALLEST, 1) / STEP)
    colours = mix(np.stack([shown, 1 - shown], axis=-1), np.array([style.rgb(STUDENT), style.rgb(style.NEUTRAL)]))
    names = np.array([f"Point {n + 1}" for n in range(n_samples)])
    heights = _strip(n_samples) * (0.0 if curves is None else _top(curves)) if n_features == 1 else X[:, 1]
    where = "%{x:.4g}" if n_features == 1 else "(%{x:.4g}, %{y:.4g})"
    traces: list[dict[str, Any]] = []
    tracks: list[Track] = []

    def points(name: str, rows: slice, **marker: Any) -> int:
        number = len(traces)
        traces.append(
            {
                "name": name,
                "x": X[rows, 0],
                "y": heights[rows],
                "mode": "markers",
                "marker": {
                    "size": sizes[0, rows],
                    "color": _css(colours[0, rows]),
                    "opacity": 0.9,
                    "line": {"width": 0},
                    **marker,
                },
                "text": names[rows],
                "hovertemplate": f"%{{text}} at {where}<extra></extra>",
                "showlegend": False,
            }
        )
        tracks.append(Track(number, "marker.size", sizes[:, rows], after_e_step))
        tracks.append(Track(number, "marker.color", colours[:, rows], after_e_step))
        return number

    clicks = [points("Points", slice(0, n_samples - movable))]
    means = np.array([theta.mean for theta in history.parameters])
    if n_features == 1:
        assert curves is not None
        _densities(curves, look, theta_at, traces, tracks)
    else:
        _ellipses(history, means, gaussian, look, theta_at, traces, tracks)
    _means(means, gaussian, look, theta_at, traces, tracks)
    drags = {}
    if movable:
        sizes = sizes + 6.0  # easy to take hold of
        far = points(
            "Far point", slice(n_samples - 1, n_samples), symbol="diamond", line={"width": 1.5, "color": NORMAL}
        )
        clicks.append(far)
        drags = {far: np.ones(history.n_positions, dtype=np.bool_)}
    ranges = [axis_range(X[:, j], None) for j in range(n_features)]
    layout = style.layout(
        look,
        x_title=style.plain(axes[0]),
        y_title="Density" if curves is not None else style.plain(axes[1]),
        revision=f"{ranges}",
        xaxis={"range": ranges[0]},
        yaxis={"range": (-0.22 * _top(curves), 1.05 * _top(curves)), "fixedrange": True}
        if curves is not None
        else {"range": ranges[1]},
    )
    return SteppedFigure(
        go.Figure([{"type": "scatter", **trace} for trace in traces], layout),
        tuple(tracks),
        clicks=tuple(clicks),
        drags=drags,
        description=f"{n_samples} points with Student's t and a Gaussian fitted to them. A point is the smaller and "
        "the greyer, the less it counts. The sentence and the tables below follow the slider.",
    )


def _top(curves: Curves | None) -> float:
    """How high the densities are at the end of the run, and a bit more."""
    if curves is None:
        return 1.0
    beside = 0.0 if curves.gaussian is None else float(curves.gaussian.max())
    return 1.1 * max(float(curves.student[-1].max()), float(curves.student[0].max()), beside)


def _strip(n_samples: int) -> NDArray[np.float64]:
    """A fixed height below 0 for each point, so that equal ones can be told apart."""
    golden = 0.6180339887 * np.arange(n_samples, dtype=np.float64)
    heights: NDArray[np.float64] = -(0.06 + 0.12 * (golden % 1))
    return heights


def _densities(
    curves: Curves, look: Look, theta_at: NDArray[np.int_], traces: list[dict[str, Any]], tracks: list[Track]
) -> None:
    if curves.gaussian is not None:
        line = {"color": NORMAL, "width": look.line_width, "dash": "dash", "simplify": False}
        traces.append({"name": "Gaussian", "x": curves.x, "y": curves.gaussian, "mode": "lines", "line": line})
    tracks.append(Track(len(traces), "y", curves.student, theta_at))
    line = {"color": STUDENT, "width": look.line_width, "simplify": False}
    traces.append({"name": "Student's t", "x": curves.x, "y": curves.student[0], "mode": "lines", "line": line})


def _ellipses(
    history: History,
    means: NDArray[np.float64],
    gaussian: Gaussian | None,
    look: Look,
    theta_at: NDArray[np.int_],
    traces: list[dict[str, Any]],
    tracks: list[Track],
) -> None:
    kinds = []
    if gaussian is not None:
        rings = ellipses(gaussian.mean, gaussian.covariance)[None]
        kinds.append(("Gaussian", rings, {"color": NORMAL, "dash": "dash"}))
    scales = np.array([theta.reduced_scale for theta in history.parameters])
    kinds.append(("Student's t", ellipses(means, scales), {"color": STUDENT}))
    for name, rings, line in kinds:
        for outer, width in enumerate((1.0, 0.6)):
            if len(rings) == len(theta_at) // 2:
                tracks += [Track(len(traces), axis, rings[:, outer, :, i], theta_at) for i, axis in enumerate("xy")]
            traces.append(
                {
                    "name": name,
                    "x": rings[0, outer, :, 0],
                    "y": rings[0, outer, :, 1],
                    "mode": "lines",
                    "line": {**line, "width": width * look.line_width},
                    "legendgroup": name,
                    "showlegend": not outer,
                    "hoverinfo": "skip",
                }
            )


def _means(
    means: NDArray[np.float64],
    gaussian: Gaussian | None,
    look: Look,
    theta_at: NDArray[np.int_],
    traces: list[dict[str, Any]],
    tracks: list[Track],
) -> None:
    flat = means.shape[1] == 1
    kinds = [] if gaussian is None else [("Gaussian", NORMAL, gaussian.mean[None])]
    for name, colour, places in [*kinds, ("Student's t", STUDENT, means)]:
        number = len(traces)
        if name == "Student's t":
            tracks.append(Track(number, "x", places[:, :1], theta_at))
            if not flat:
                tracks.append(Track(number, "y", places[:, 1:], theta_at))
        traces.append(
            {
                "name": f"Mean of {name}",
                "x": places[0, :1],
                "y": [0] if flat else places[0, 1:],
                "mode": "markers",
                "marker": {
                    "symbol": "x",
                    "size": look.mean_size,
                    "color": colour,
                    "line": {"color": "white", "width": look.mean_edge},
                },
                "hovertemplate": f"{name}: mean "
                + ("%{x:.5g}" if flat else "(%{x:.4g}, %{y:.4g})")
                + "<extra></extra>",
                "showlegend": False,
            }
        )


def _css(colours: NDArray[np.uint8]) -> list[str]:
    return [f"rgb({red},{green},{blue})" for red, green, blue in colours.tolist()]
