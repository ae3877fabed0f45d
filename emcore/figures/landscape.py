"""The log-likelihood as a landscape: its surface, EM's path on it, and which start leads where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.landscape import Basins, Surface, path
from emcore.report import MINUS, listed
from emcore.report import number as written
from emcore.restarts import Maximum
from emcore.scene import EQUAL_SCALE_RATIO
from emcore.verdict import maximum_name, outcome_name, percent

LIGHT: Final = "#ffffff"  # lines on a coloured ground, cased in ...
DARK: Final = style.MEAN_GROUND
MAX_MARKS: Final = 40  # of letters on one picture
MARK_ROOM: Final = 0.06  # of the picture: letters that come nearer than this share one mark
MAX_LETTERS: Final = 3  # in one mark
SMALLEST: Final = (300.0, 400.0)  # height and width of a picture, in pixels, for which names of regions must fit
HOVER: Final = {"bgcolor": DARK, "bordercolor": LIGHT, "font": {"color": LIGHT}}  # legible on every colour and page
MAX_STEPS: Final = 150  # a longer path is drawn without a dot for each iteration
LEVELS: Final = 14
MEANS_IN_1D: Final = re.compile(r"mean \d+")
COMPONENT_NAME: Final = re.compile(r"(mean|log sd|atanh correlation) (\d+)(.*)")


def surface_figure(
    surface: Surface,
    history: History,
    *,
    paths: Sequence[NDArray[np.float64]] = (),
    basins: Basins | None = None,
    maxima: Sequence[Maximum] = (),
    axes: tuple[str, ...] = ("x", "y"),
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """The log-likelihood over two parameters, and on it the path of a run up to its present place.

    Colours and contour lines are closest near the top, where the maxima and the paths between them are; far below they
    stand for ever larger steps, as the colour bar says.

    Parameters
    ----------
    surface : Surface
        What is drawn.
    history : History
        The run whose path grows with the position.
    paths : sequence of ndarray, shape (n_iterations + 1, 2)
        Whole paths of other runs, faint (`emcore.landscape.path`).
    basins : Basins, optional
        On the same axes: the borders between starts that lead to different ends, as dotted lines.
    maxima : sequence of Maximum
        Marked by their letters, under every order of their components.
    axes : tuple of str
        What the features are called.
    look : Look
        How large things are drawn.

    Returns
    -------
    SteppedFigure
        A click anywhere reports its place.

    Raises
    ------
    ValueError
        If the log-likelihood is known nowhere on the grid, or `basins` has other axes.
    """
    if basins is not None and tuple(basins.names) != tuple(surface.names):
        raise ValueError(f"basins must be over {surface.names} as the surface is, got {basins.names}")
    heights = np.asarray(surface.log_likelihood, dtype=np.float64)
    if not np.isfinite(heights).any():
        raise ValueError(f"the surface must be known somewhere, got none of {heights.size} values. {surface.masked}")
    x, y = np.asarray(surface.x, dtype=np.float64), np.asarray(surface.y, dtype=np.float64)
    titles = _titles(surface.names, axes)
    plane = _Plane(surface.names, (float(x[0]), float(x[-1])), (float(y[0]), float(y[-1])), titles, look)
    relief, ticks = _relief(heights)
    deepest = float(np.nanmax(relief))
    below_0 = bool(np.nanmax(heights) < 0)  # Plotly writes a hyphen for the sign, so it is written here
    plane.add(
        "Log-likelihood",
        type="contour",
        x=x,
        y=y,
        z=(deepest - relief).astype(np.float32),
        customdata=(-heights if below_0 else heights).astype(np.float32),
        # Where there are no gaps, Plotly then makes no clip for them; pictures on one page would share its name.
        connectgaps=bool(np.isfinite(heights).all()),
        colorscale="Viridis",
        contours={"coloring": "heatmap", "start": 0, "end": deepest, "size": deepest / LEVELS or 1.0},
        zmin=0,
        zmax=deepest or 1.0,
        line={"width": 0.7, "color": "rgba(255,255,255,0.45)"},
        colorbar=_colour_bar([deepest - depth for depth, _ in ticks], [text for _, text in ticks], look),
        hovertemplate=f"{titles[0]} %{{x}}<br>{titles[1]} %{{y}}<br>log-likelihood "
        f"{MINUS if below_0 else ''}%{{customdata:,.2f}}<extra></extra>",
        hoverlabel=HOVER,
    )
    if basins is not None:
        borders = _borders(basins)
        for colour, wide in ((DARK, 1.0), (LIGHT, 0.5)):
            plane.add(
                "Borders",
                x=borders[:, 0],
                y=borders[:, 1],
                mode="lines",
                line={"color": colour, "width": wide * look.line_width, "dash": "dot"},
                hoverinfo="skip",
            )
        plane.add(  # the legend stands on the page's own ground
            "Borders between starts that end differently",
            x=[None],
            y=[None],
            mode="lines",
            showlegend=True,
            line={"color": style.NEUTRAL, "width": look.line_width, "dash": "dot"},
        )
    plane.mirror_line()
    plane.others(paths)
    plane.walk(history)
    plane.maxima(maxima)
    what = "with the other parameters at their best" if surface.profiled else "with the other parameters held"
    layout = plane.layout(room=5.6 * look.font_size)
    return plane.figure(layout, f"Log-likelihood over {_both(titles)}, {what}, as a coloured map")


def basin_figure(
    basins: Basins,
    history: History,
    *,
    paths: Sequence[NDArray[np.float64]] = (),
    maxima: Sequence[Maximum] | None = None,
    shade: bool = False,
    axes: tuple[str, ...] = ("x", "y"),
    points: ArrayLike | None = None,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """Which maximum a start leads to, over two parameters of the start.

    Parameters
    ----------
    basins : Basins
        What is drawn.
    history : History
        The run whose path grows with the position.
    paths : sequence of ndarray, shape (n_iterations + 1, 2)
        Whole paths of other runs, faint.
    maxima : sequence of Maximum, optional
        Marked by their letters; those of the basins if not given.
    shade : bool
        Darker where a start takes more iterations.
    axes : tuple of str
        What the features are called.
    points : array-like of shape (n_samples, 2), optional
        The points, faint, where the map is over the two coordinates of a mean.
    look : Look
        How large things are drawn.

    Returns
    -------
    SteppedFigure
        A click anywhere reports its place.
    """
    x, y = np.asarray(basins.x, dtype=np.float64), np.asarray(basins.y, dtype=np.float64)
    outcome = np.asarray(basins.outcome)
    codes = style.groups(outcome)
    titles = _titles(basins.names, axes)
    plane = _Plane(basins.names, _edges(x), _edges(y), titles, look)
    cells = np.searchsorted(np.sort(codes), style.grouped(outcome))
    colours = [style.outcome_sign(code)[0] for code in sorted(codes)]
    steps = np.asarray(basins.n_iterations)
    names = {code: outcome_name(code) for code in np.unique(outcome).tolist()}
    texts = [
        [f"{names[code]}, {n} iteration{'' if n == 1 else 's'}" for code, n in zip(row, counts, strict=True)]
        for row, counts in zip(outcome.tolist(), steps.tolist(), strict=True)
    ]
    plane.add(
        "Basins",
        type="heatmap",
        x=x,
        y=y,
        z=cells.astype(np.uint8),
        zmin=-0.5,
        zmax=len(colours) - 0.5,
        colorscale=[
            (place, colour) for i, colour in enumerate(colours) for place in (i / len(colours), (i + 1) / len(colours))
        ],
        showscale=False,
        opacity=0.85,
        text=texts,
        hovertemplate=f"{titles[0]} %{{x}}<br>{titles[1]} %{{y}}<br>%{{text}}<extra></extra>",
        hoverlabel=HOVER,
    )
    if shade:
        depth = np.log1p(steps) - np.log1p(steps.min())
        plane.add(
            "Iterations",
            type="heatmap",
            x=x,
            y=y,
            z=depth.astype(np.float32),
            zmin=0,
            zmax=float(depth.max()) or 1.0,
            colorscale=[(0, "rgba(0,0,0,0)"), (1, "rgba(0,0,0,0.6)")],
            showscale=False,
            hoverinfo="skip",
        )
    for code in codes:
        colour, _ = style.outcome_sign(code)
        share = float((style.grouped(outcome) == code).mean())
        plane.add(
            f"{style.group_name(code)} ({percent(share)})",
            x=[None],
            y=[None],
            mode="markers",
            showlegend=True,
            marker={"symbol": "square", "size": 12, "color": colour, "opacity": 0.85},
        )
    if points is not None:
        cloud = np.asarray(points, dtype=np.float64)
        plane.add(
            "Points",
            x=cloud[:, 0],
            y=cloud[:, 1],
            mode="markers",
            hoverinfo="skip",
            marker={
                "size": 0.7 * look.point_size(len(cloud)),
                "color": LIGHT,
                "opacity": 0.55,
                "line": {"color": DARK, "width": 0.5},
            },
        )
    plane.mirror_line()
    plane.others(paths)
    plane.walk(history)
    marked = plane.maxima(basins.maxima if maxima is None else maxima)
    plane.regions(outcome, x, y, marked)
    layout = plane.layout()
    ends = listed([style.group_name(code) for code in codes])
    return plane.figure(layout, f"Map of starts over {_both(titles)}: where each of them leads, to {ends}")


def starts_figure(
    points: ArrayLike,
    outcome: ArrayLike,
    history: History | None = None,
    *,
    paths: Sequence[NDArray[np.float64]] = (),
    maxima: Sequence[Maximum] = (),
    names: tuple[str, str] = ("mean 1, x", "mean 1, y"),
    axes: tuple[str, ...] = ("x", "y"),
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """Points of two-dimensional data, each with the sign of the maximum that a start with a mean there reaches.

    Parameters
    ----------
    points : array-like of shape (n_points, 2)
        Where the mean began.
    outcome : array-like of int, shape (n_points,)
        Where that led, as in `Maxima.outcome`.
    history : History, optional
        A run whose mean's path is drawn.
    paths : sequence of ndarray, shape (n_iterations + 1, 2)
        Whole paths of the same mean in other runs, faint.
    maxima : sequence of Maximum
        Their heights are told when a point is pointed at.
    names : tuple of str
        The two coordinates of the mean, as in `parameters.names`.
    axes : tuple of str
        What the features are called.
    look : Look
        How large things are drawn.

    Returns
    -------
    SteppedFigure
        A click anywhere reports its place.

    Raises
    ------
    ValueError
        If there is not an outcome for each point.
    """
    places, ends = np.asarray(points, dtype=np.float64), np.asarray(outcome)
    if places.ndim != 2 or places.shape[1] != 2 or ends.shape != (len(places),) or not len(places):
        raise ValueError(
            f"points must have shape (n_points, 2) and outcome (n_points,), got {places.shape} and {ends.shape}"
        )
    titles = _titles(names, axes)
    low, high = places.min(axis=0), places.max(axis=0)
    margin = np.where(high > low, 0.09 * (high - low), 1.0)
    ranges = [(float(a - m), float(b + m)) for a, b, m in zip(low, high, margin, strict=True)]
    plane = _Plane(names, ranges[0], ranges[1], titles, look)
    codes = style.groups(ends)
    for code in codes:
        here = style.grouped(ends) == code
        colour, symbol = style.outcome_sign(code)
        height = f", {written(maxima[code].objective)}" if 0 <= code < len(maxima) else ""
        plane.add(
            f"{style.group_name(code)} ({percent(float(here.mean()))})",
            x=places[here, 0],
            y=places[here, 1],
            mode="markers",
            showlegend=True,
            marker={
                "size": 1.3 * look.point_size(len(places)),
                "color": colour,
                "symbol": symbol,
                "line": {"width": 1.2 if symbol.endswith("open") else 0, "color": colour},
            },
            hovertemplate=f"{titles[0]} %{{x}}<br>{titles[1]} %{{y}}<br>{style.group_name(code)}{height}"
            "<extra></extra>",
        )
    plane.others(paths)
    if history is not None:
        plane.walk(history)
    return plane.figure(
        plane.layout(),
        f"{len(places):,} starts over {_both(titles)}: where each of them leads, to "
        f"{listed([style.group_name(code) for code in codes])}",
    )


class _Plane:
    """Collects the traces of one picture over two parameters, and the tracks of its run, in drawing order."""

    def __init__(
        self,
        names: tuple[str, str],
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        titles: tuple[str, str],
        look: Look,
    ) -> None:
        self.names = names
        self.ranges = (x_range, y_range)
        self.titles = titles
        self.look = look
        self.traces: list[dict[str, Any]] = []
        self.tracks: list[Track] = []
        self.annotations: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def add(self, name: str, **trace: Any) -> int:
        """Append a trace and say its number."""
        self.traces.append({"type": "scatter", "name": name, "showlegend": False, **trace})
        return len(self.traces) - 1

    def inside(self, places: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of these places, shape (n, 2), the picture covers."""
        low, high = np.array(self.ranges).T
        return np.asarray(((places >= low) & (places <= high)).all(axis=1))

    def mirror_line(self) -> None:
        """Where two means of one-dimensional data are equal: what lies on its two sides are the same mixtures."""
        if not all(MEANS_IN_1D.fullmatch(name) for name in self.names):
            return
        ends = [max(low for low, _ in self.ranges), min(high for _, high in self.ranges)]
        if ends[0] >= ends[1]:
            return
        for name, colour, width in (("Mirror line ground", DARK, 2.2), ("Mirror line", LIGHT, 1.2)):
            self.add(
                name,
                x=ends,
                y=ends,
                mode="lines",
                hoverinfo="skip",
                opacity=0.8,
                line={"color": colour, "width": width, "dash": "longdashdot"},
            )
        self.add(  # the legend stands on the page's own ground
            " = ".join(self.names),
            x=[None],
            y=[None],
            mode="lines",
            showlegend=True,
            line={"color": style.NEUTRAL, "width": 1.5, "dash": "longdashdot"},
        )

    def others(self, paths: Sequence[NDArray[np.float64]]) -> None:
        """Whole paths of other runs, as one line with gaps."""
        if not len(paths):
            return
        gap = np.full((1, 2), np.nan)
        line = np.concatenate([part for each in paths for part in (np.asarray(each, dtype=np.float64), gap)])
        for name, colour, width in (("Other runs ground", DARK, 1.2), ("Other runs", LIGHT, 0.6)):
            self.add(
                name,
                x=line[:, 0],
                y=line[:, 1],
                mode="lines",
                hoverinfo="skip",
                opacity=0.6,
                line={"color": colour, "width": width * self.look.line_width},
            )
        ends = np.array([np.asarray(each)[-1] for each in paths], dtype=np.float64)
        self.add(
            "Ends of other runs",
            x=ends[:, 0],
            y=ends[:, 1],
            mode="markers",
            hoverinfo="skip",
            opacity=0.8,
            marker={"size": 0.45 * self.look.now_size, "color": LIGHT, "line": {"color": DARK, "width": 1}},
        )

    def walk(self, history: History) -> None:
        """The path of the run, which grows, and the marker of its present place."""
        steps = path(history, self.names)
        theta_at = np.arange(history.n_positions) // 2
        dotted = len(steps) <= MAX_STEPS
        width = self.look.line_width
        for name, colour, wide in (("Path ground", DARK, 2.0), ("Path of EM", LIGHT, 1.0)):
            number = self.add(
                name,
                x=steps[:, 0],
                y=steps[:, 1],
                mode="lines+markers" if dotted else "lines",
                line={"color": colour, "width": wide * width, "simplify": False},
                marker={"size": width + wide * 2.2, "color": colour},
                hoverinfo="skip",
            )
            self.tracks.append(Track(number, "shown", np.arange(1, len(steps) + 1), theta_at))
        number = self.add(
            "Now",
            x=steps[:1, 0],
            y=steps[:1, 1],
            mode="markers",
            marker={"size": self.look.now_size, "color": style.OBJECTIVE, "line": {"color": LIGHT, "width": 2.5}},
            hovertemplate=f"Now<br>{self.titles[0]} %{{x}}<br>{self.titles[1]} %{{y}}<extra></extra>",
        )
        self.tracks.append(Track(number, "x", steps[:, :1], theta_at))
        self.tracks.append(Track(number, "y", steps[:, 1:], theta_at))
        if not self.inside(steps).all():
            self.notes.append("A part of the path lies outside the picture.")

    def maxima(self, maxima: Sequence[Maximum]) -> list[tuple[int, float, float]]:
        """The letters of the maxima, under every order of their components; says index and place of each.

        Letters that would lie on each other share one mark.
        """
        found: list[tuple[int, float, float]] = []
        for index, maximum in enumerate(maxima[: style.MAX_MAXIMA]):
            places = mirror_images(maximum.parameters, self.names)
            found += [(index, *place) for place in places[self.inside(places)].tolist()]
        marks = self.merged(found)[:MAX_MARKS]
        if marks:
            texts = [_letters(indices) for indices, *_ in marks]
            size = self.look.font_size
            self.add(
                "Maxima",
                x=[x for _, x, _ in marks],
                y=[y for *_, y in marks],
                mode="markers+text",
                text=[f"<b>{text}</b>" for text in texts],
                customdata=[
                    "<br>".join(f"Maximum {maximum_name(i)}: {written(maxima[i].objective)}" for i in indices)
                    for indices, *_ in marks
                ],
                textposition="middle center",
                textfont={"size": size, "color": DARK},
                marker={
                    "size": [(0.85 + 0.7 * len(text)) * size for text in texts],
                    "color": LIGHT,
                    "line": {"color": [style.outcome_sign(indices[0])[0] for indices, *_ in marks], "width": 2.5},
                },
                hovertemplate="%{customdata}<extra></extra>",
                hoverlabel=HOVER,
            )
        return found

    def merged(self, marks: Sequence[tuple[int, float, float]]) -> list[tuple[list[int], float, float]]:
        """Marks that come too near to each other as one, at the place of the highest."""
        (left, right), (bottom, top) = self.ranges
        groups: list[tuple[list[int], float, float]] = []
        for index, x, y in marks:
            for indices, other_x, other_y in groups:
                if np.hypot((x - other_x) / (right - left), (y - other_y) / (top - bottom)) < MARK_ROOM:
                    if index not in indices:
                        indices.append(index)
                    break
            else:
                groups.append(([index], x, y))
        return groups

    def regions(
        self,
        outcome: NDArray[np.int_],
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        marked: list[tuple[int, float, float]],
    ) -> None:
        """The name of every region that holds no mark of its own maximum, where there is room for it inside."""
        shown = style.grouped(outcome)
        named = {
            index
            for index, left, up in marked
            if shown[np.abs(y - up).argmin(), np.abs(x - left).argmin()] == min(index, style.MAX_MAXIMA)
        }
        size = self.look.font_size
        for code in style.groups(outcome):
            text = style.group_name(code)
            box = np.array([1.4 * size + 4, 0.6 * size * len(text) + 6]) / SMALLEST * shown.shape  # in cells
            room = _room(shown == code, *np.ceil(box).astype(int).tolist())
            if code in named or not room.any():
                continue
            row, column = _middle(room)
            self.annotations.append(
                {
                    "text": f"<b>{text}</b>",
                    "x": float(x[column]),
                    "y": float(y[row]),
                    "showarrow": False,
                    "bgcolor": "rgba(255,255,255,0.8)",
                    "borderpad": 2,
                    "font": {"size": size, "color": DARK},
                }
            )

    def layout(self, room: float = 0.0) -> dict[str, Any]:
        """Axes and notes; `room` is what stands above the plotting area besides the legend, in pixels."""
        (left, right), (bottom, top) = self.ranges
        ratio = (right - left) / (top - bottom)
        coordinates = [COMPONENT_NAME.fullmatch(name) for name in self.names]
        one_mean = all(name and name[1] == "mean" and name[3] for name in coordinates)
        x_axis: dict[str, Any] = {"range": (left, right), "showgrid": False, "hoverformat": ".4~g"}
        y_axis: dict[str, Any] = {"range": (bottom, top), "showgrid": False, "hoverformat": ".4~g"}
        if one_mean and 1 / EQUAL_SCALE_RATIO <= ratio <= EQUAL_SCALE_RATIO:
            x_axis |= {"constrain": "domain", "constraintoward": "left"}
            y_axis |= {"scaleanchor": "x", "constrain": "domain", "constraintoward": "top"}
        layout = style.layout(
            self.look,
            x_title=self.titles[0],
            y_title=self.titles[1],
            revision=f"{self.names} {self.ranges}",
            xaxis=x_axis,
            yaxis=y_axis,
            showlegend=any(trace["showlegend"] for trace in self.traces),
            annotations=self.annotations,
        )
        size = self.look.font_size - 1
        if self.notes:
            lines = [line for note in self.notes for line in _wrapped(note)]
            layout["annotations"] = [
                *self.annotations,
                {
                    "text": "<br>".join(lines),
                    "align": "left",
                    "showarrow": False,
                    "xref": "paper",
                    "yref": "paper",
                    "x": 0,
                    "y": 1 + room / (self.look.height - 100),
                    "xanchor": "left",
                    "yanchor": "bottom",
                    "font": {"size": size},
                },
            ]
            room += 1.35 * size * len(lines) + 4
        layout["legend"]["y"] += room / (self.look.height - 100)
        layout["margin"]["t"] += room
        return layout

    def figure(self, layout: dict[str, Any], description: str) -> SteppedFigure:
        """All of it."""
        path_said = ". The path of the run grows with the slider" if self.tracks else ""
        return SteppedFigure(
            go.Figure({"data": self.traces, "layout": layout}),
            tuple(self.tracks),
            spots=True,
            description=f"{description}{path_said}. A click begins a run at that place.",
        )


def mirror_images(parameters: Any, names: tuple[str, str]) -> NDArray[np.float64]:
    """Where a mixture lies on the plane of these two coordinates, under every order of its components.

    Parameters
    ----------
    parameters : GaussianMixtureParameters
    names : tuple of str
        Two of `parameters.names`.

    Returns
    -------
    ndarray of shape (n_places, 2)
        The place under its own order comes first; no place comes twice.
    """
    vector = parameters.to_vector()
    value = dict(zip(parameters.names, vector.tolist(), strict=True))
    first, second = (COMPONENT_NAME.fullmatch(name) for name in names)
    own = (value[names[0]], value[names[1]])
    if any(name.startswith("logit weight") for name in names):
        return np.array([own])  # these are told against the last component: another order changes their meaning
    every = range(1, parameters.n_components + 1)
    places = [own]
    for k in every if first else [0]:
        for other in every if second else [0]:
            if first and second and (k == other) != (first[2] == second[2]):
                continue
            x = value[f"{first[1]} {k}{first[3]}"] if first else own[0]
            y = value[f"{second[1]} {other}{second[3]}"] if second else own[1]
            places.append((x, y))
    return np.array(list(dict.fromkeys(places)))


def _titles(names: tuple[str, str], axes: tuple[str, ...]) -> tuple[str, str]:
    """Axis titles: "Mean 1", and with the features' own names "Mean 1, width"."""

    def title(name: str) -> str:
        found = COMPONENT_NAME.fullmatch(name)
        axis = found[3].removeprefix(", ") if found else ""
        if found and axis in ("x", "y") and len(axes) == 2:
            return style.plain(f"{found[1].capitalize()} {found[2]}, {axes['xy'.index(axis)]}")
        return style.plain(name[:1].upper() + name[1:])

    return title(names[0]), title(names[1])


def _both(titles: tuple[str, str]) -> str:
    return listed([title[:1].lower() + title[1:] for title in titles])


def _relief(heights: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[tuple[float, str]]]:
    """How deep each height is drawn below the top, and ticks (depth drawn, true height in words).

    log(1 + d / d0): to scale near the top, powers of ten far below. d0 follows from the upper tenth of the map.
    """
    depth = float(np.nanmax(heights)) - heights
    deepest = float(np.nanmax(depth))
    near = max(float(np.nanquantile(depth, 0.1)) / 3, 1e-6 * deepest) or 1.0
    relief = np.log1p(depth / near)
    size = float(np.nanmax(relief)) or 1.0
    powers = 10.0 ** np.arange(np.floor(np.log10(near)) - 1, np.ceil(np.log10(max(deepest, near))) + 1)
    ticks = [(0.0, written(float(np.nanmax(heights)), 0 if deepest > 20 else 2))]
    chosen: list[tuple[float, float]] = []
    for below in sorted(float(factor * power) for power in powers for factor in (1, 2, 5)):
        drawn = float(np.log1p(below / near))
        if drawn - (chosen[-1][0] if chosen else 0.0) >= 0.25 * size and drawn <= size:
            chosen.append((drawn, below))
    digits = max((int(np.ceil(-np.log10(below) - 1e-9)) for _, below in chosen), default=0)
    ticks += [(drawn, f"{written(below, max(digits, 0))} below") for drawn, below in chosen]
    return relief, ticks


def _colour_bar(places: list[float], texts: list[str], look: Look) -> dict[str, Any]:
    """Above the plotting area: beside it, it would take a phone's width."""
    return {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "len": 0.94,  # half of the number at its end stands beyond it
        "ticklabeloverflow": "allow",
        "thickness": 0.7 * look.font_size,
        "outlinewidth": 0,
        "tickvals": places,
        "ticktext": texts,
        "tickfont": {"size": look.font_size - 1},
        "title": {
            "text": "Log-likelihood (nats), finer near the top",
            "font": {"size": look.font_size - 1},
            "side": "top",
        },
        "ypad": 2,
        "xpad": 0,
    }


def _borders(basins: Basins) -> NDArray[np.float64]:
    """The sides of cells between unlike outcomes, as pieces of line with gaps, shape (3 * n_sides, 2)."""
    outcome = np.asarray(basins.outcome)
    across, up = (_cell_edges(np.asarray(grid, dtype=np.float64)) for grid in (basins.x, basins.y))
    row, column = np.nonzero(outcome[:, 1:] != outcome[:, :-1])
    upright = [(across[column + 1], up[row]), (across[column + 1], up[row + 1])]
    row, column = np.nonzero(outcome[1:] != outcome[:-1])
    level = [(across[column], up[row + 1]), (across[column + 1], up[row + 1])]
    pieces = []
    for sides in (upright, level):
        ends = np.array(sides).transpose(2, 0, 1)
        pieces.append(np.concatenate([ends, np.full((len(ends), 1, 2), np.nan)], axis=1).reshape(-1, 2))
    return np.concatenate(pieces)


def _cell_edges(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """The borders of the cells around an even grid's points."""
    if len(grid) == 1:
        return np.array([grid[0] - 0.5, grid[0] + 0.5])
    middles = (grid[1:] + grid[:-1]) / 2
    return np.concatenate([[2 * grid[0] - middles[0]], middles, [2 * grid[-1] - middles[-1]]])


def _edges(grid: NDArray[np.float64]) -> tuple[float, float]:
    edges = _cell_edges(grid)
    return float(edges[0]), float(edges[-1])


def _letters(indices: Sequence[int]) -> str:
    """The names of the maxima of one mark: "A", "AB", "AB+" for more than three."""
    names = [maximum_name(index) for index in indices]
    return "".join(names) if len(names) <= MAX_LETTERS else "".join(names[: MAX_LETTERS - 1]) + "+"


def _room(region: NDArray[np.bool_], n_rows: int, n_columns: int) -> NDArray[np.bool_]:
    """Which cells a box of so many rows and columns around them leaves within the region."""
    up, across = n_rows // 2, n_columns // 2
    padded = np.pad(region, ((up, up), (across, across)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * up + 1, 2 * across + 1))
    return np.asarray(windows.all(axis=(2, 3)))


def _middle(region: NDArray[np.bool_]) -> tuple[int, int]:
    """A cell of the region (row, column) that lies as far inside it as any."""
    inner = region
    while inner.any():
        last = inner
        ring = np.pad(inner, 1)
        inner = inner & ring[2:, 1:-1] & ring[:-2, 1:-1] & ring[1:-1, 2:] & ring[1:-1, :-2]
    rows, columns = np.nonzero(last)
    middle = len(rows) // 2
    return int(rows[middle]), int(columns[middle])


def _wrapped(text: str, longest: int = 40) -> list[str]:
    """In lines that a phone has room for."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= longest:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return [style.plain(line) for line in lines]
