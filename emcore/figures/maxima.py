"""Where many runs end: a dot for each, a small picture of each maximum, and how far restarts help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from emcore.figures import style
from emcore.figures.style import Look
from emcore.matching import match
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.report import number as written
from emcore.report import significant
from emcore.restarts import COLLAPSED, Maxima, Maximum, Runs, chance_of_best
from emcore.scene import STANDARD_DENSITY, STANDARD_GRID, ellipses, histogram, shown_rows
from emcore.verdict import WayToStart, maximum_name, outcome_name

MAX_PORTRAITS: Final = 6
PORTRAIT_POINTS: Final = 500
CLOSEST: Final = 0.14  # of the axis: what two maxima must lie apart to be told apart
NEAR: Final = 0.01  # of all heights: a run this little below its maximum stands at it
EQUAL: Final = 1e-9  # of the size of heights: what differs less has one place
TICK_ROOM: Final = 0.27  # of the picture: what the number below a tick takes on a phone
UPRIGHT_ROOM: Final = 0.055  # the same of a number that is turned upright
LANE_AT: Final = -0.1  # of the axis: where the lane of runs without a comparable height begins
LANE_WIDTHS: Final = (0.2, 0.4)  # of the axis, for few and for many
PILE_ROWS: Final = (8.0, 50.0)  # of dots above each other, for few and for many
SQUARE: Final = 1.2  # columns of dots to a row, on the whole axis: then dots are as far apart across as up
LETTER_ROOM: Final = 0.1  # of the picture's height, between two piles that stand above each other
MAX_RESTARTS: Final = 1000
ENOUGH: Final = 0.99  # where the curve of chances may end


def strip_figure(runs: Runs, maxima: Maxima, *, look: Look = style.DEFAULT_LOOK) -> go.Figure:
    """A dot for each run at its final log-likelihood, piled up where many end alike.

    The axis is to scale as long as all maxima can be told apart on it. Else it is stretched between those that lie
    closest, and says so. Runs that end at one height but not alike are piled above each other with a gap, so that each
    letter stands on the runs of its own maximum. Collapsed runs have no comparable height and stand in a lane at the
    left.

    Parameters
    ----------
    runs : Runs
        One run or more.
    maxima : Maxima
        Where each of them led.
    look : Look
        How large things are drawn.

    Returns
    -------
    plotly.graph_objects.Figure
        A trace for each outcome; `customdata` of a dot is the index of its run.

    Raises
    ------
    ValueError
        If there are no runs, or not as many as outcomes.
    """
    n_runs = len(runs)
    outcome = np.asarray(maxima.outcome)
    if not n_runs or outcome.shape != (n_runs,):
        raise ValueError(f"there must be one run or more and an outcome for each, got {n_runs} and {outcome.shape}")
    objective = np.asarray(runs.objective, dtype=np.float64)
    level = outcome != COLLAPSED
    anchors = _anchors(objective[level], outcome[level], maxima)
    scale = _Scale.of(anchors)
    piles = _Piles.of(_heights_shown(objective, outcome, maxima, scale), outcome, objective, scale)
    margin = 0.6 * scale.pile_width + 0.04
    low, high = (piles.lane[0] - 0.03 if piles.lane else -margin), 1 + margin
    digits = _digits(np.array([maximum.objective for maximum in maxima.maxima]))
    size = float(np.clip(min((look.height - 140) / (1.2 * piles.rows + 1), 560 * piles.step / (high - low)), 2.5, 11.0))
    traces = []
    for code in style.groups(outcome):
        here = style.grouped(outcome) == code
        colour, symbol = style.outcome_sign(code)
        name = style.group_name(code)
        heights = [_height(value, digits) for value in objective[here]]
        steps = [f"{n} iteration{'' if n == 1 else 's'}" for n in np.asarray(runs.n_iterations)[here].tolist()]
        traces.append(
            {
                "type": "scatter",
                "name": f"{name} ({int(here.sum()):,})",
                "x": piles.x[here],
                "y": piles.y[here],
                "mode": "markers",
                "marker": {
                    "size": size * (0.85 if symbol.endswith("open") else 1.0),  # an edge makes it larger
                    "color": colour,
                    "symbol": symbol,
                    "line": {"width": 1.2 if symbol.endswith("open") else 0, "color": colour},
                },
                "customdata": np.flatnonzero(here),
                "text": [
                    f"Run {i + 1}: {end}<br>{height}<br>{step}"
                    for i, end, height, step in zip(
                        np.flatnonzero(here).tolist(), _ends(outcome[here]), heights, steps, strict=True
                    )
                ],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    ticks = scale.ticks(digits, high - low)
    layout = style.layout(
        look,
        x_title="Final log-likelihood (nats)",
        y_title="",
        revision=f"{n_runs} {anchors}",
        xaxis={
            "range": (low, high),
            "tickvals": [place for place, _ in ticks.labels],
            "ticktext": [text for _, text in ticks.labels],
            "tickangle": -90 if ticks.upright else 0,
            "showgrid": False,
        },
        yaxis={
            "range": (-0.8, max(piles.rows, 8.0) * 1.18),
            "visible": False,
            "fixedrange": True,
        },
        margin={"l": 12, "r": 12, "t": 12, "b": 48},
        showlegend=True,
        annotations=_letters(piles, look),
    )
    if piles.lane:
        layout["shapes"] = [_lane(LANE_AT, look)]
        layout["annotations"].append(_lane_title(piles.lane[0], look))
    if not scale.to_scale:
        layout["xaxis"]["title"]["text"] += "<br>in their order, not to scale"
    return go.Figure({"data": traces, "layout": layout})


def portraits_figure(
    X: ArrayLike, maxima: Sequence[Maximum], *, axes: tuple[str, ...] = ("x", "y"), look: Look = style.DEFAULT_LOOK
) -> go.Figure:
    """A small picture of each maximum: the points, and what the mixture makes of them there.

    Components have the colour of the one that they stand for in the first picture, whatever their own order. Where
    there are more maxima than pictures, the figure says so.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        One feature or two.
    maxima : sequence of Maximum
        The highest first; the first `MAX_PORTRAITS` are drawn. Their letters are those of their place.
    axes : tuple of str
        What the features are called.
    look : Look
        How large things are drawn.

    Raises
    ------
    ValueError
        If there are no maxima, or there are more than two features.
    """
    points = np.asarray(X, dtype=np.float64)
    if not len(maxima):
        raise ValueError("there must be one maximum or more, got none")
    if points.ndim != 2 or points.shape[1] not in (1, 2):
        raise ValueError(f"X must have 1 or 2 columns for a picture, got shape {points.shape}")
    shown = list(maxima[:MAX_PORTRAITS])
    n_columns = min(3, len(shown)) if len(shown) != 4 else 2
    n_rows = -(-len(shown) // n_columns)
    digits = _digits(np.array([maximum.objective for maximum in shown]))
    ranges = _portrait_ranges(points, [maximum.parameters for maximum in shown])
    layout = style.layout(look, x_title="", y_title="", revision="portraits", showlegend=False)
    shared = {"x": layout.pop("xaxis"), "y": layout.pop("yaxis")}
    title_room = 2.6 * look.font_size
    note_room = 1.8 * look.font_size if len(shown) < len(maxima) else 0.0
    height = 40 + note_room + n_rows * (1.5 * title_room + (260 if look.projector else 190))
    margin = {"l": 8, "r": 8, "t": 4 + note_room, "b": 40, "pad": 0}
    layout |= {"height": height, "margin": margin, "annotations": [], "bargap": 0}
    traces: list[dict[str, Any]] = []
    sheet = height - 44.0 - note_room
    for index, maximum in enumerate(shown):
        row, column = divmod(index, n_columns)
        left, right = column / n_columns, (column + 1) / n_columns
        top = 1 - row / n_rows - title_room / sheet
        bottom = 1 - (row + 1) / n_rows + (14 / sheet if row + 1 < n_rows else 0.0)
        suffix = "" if index == 0 else str(index + 1)
        gap = 0.012
        common = {
            "ticks": "",
            "showticklabels": False,
            "automargin": False,
            "fixedrange": True,
            "mirror": True,
            "showgrid": False,
        }
        layout[f"xaxis{suffix}"] = {
            **shared["x"],
            **common,
            "domain": (left + gap, right - gap),
            "anchor": f"y{suffix}",
            "range": ranges[0],
            "title": {
                "text": style.plain(axes[0]) if index + n_columns >= len(shown) else "",
                "font": {"size": look.font_size},
                "standoff": 4,
            },
        }
        layout[f"yaxis{suffix}"] = {
            **shared["y"],
            **common,
            "domain": (bottom, top),
            "anchor": f"x{suffix}",
            "range": ranges[1],
            "title": {
                "text": style.plain(axes[1]) if column == 0 and points.shape[1] == 2 else "",
                "font": {"size": look.font_size},
                "standoff": 4,
            },
        }
        if column == 0 and points.shape[1] == 2:
            layout[f"yaxis{suffix}"]["automargin"] = True
        layout["annotations"].append(_portrait_title(index, maximum, digits, (left + right) / 2, top, look))
        stands_for = match(maximum.parameters, shown[0].parameters)
        for trace in _portrait(points, maximum.parameters, stands_for, look):
            traces.append({**trace, "xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "showlegend": False})
    if note_room:
        layout["annotations"].append(_note_of_more(len(maxima), look))
    return go.Figure({"data": traces, "layout": layout})


def comparison_figure(rows: Sequence[WayToStart], *, look: Look = style.DEFAULT_LOOK) -> go.Figure:
    """The share of runs that reach the best maximum, for each way to start, with its interval.

    A single run has none: where nothing is random all runs are the same one.

    Parameters
    ----------
    rows : sequence of WayToStart
        From top to bottom, one or more, each with one run or more.
    look : Look
        How large things are drawn.

    Raises
    ------
    ValueError
        If there is nothing to compare.
    """
    if not rows or min(row.n_runs for row in rows) < 1:
        raise ValueError(f"there must be one row or more with one run or more each, got {list(rows)}")
    share = np.array([100 * row.best_count / row.n_runs for row in rows])
    low, high = (100 * np.array([row.interval if row.n_runs > 1 else (np.nan, np.nan) for row in rows])).T
    level = -np.arange(len(rows), dtype=float)
    colour, symbol = style.outcome_sign(0)
    size = look.font_size
    figure = go.Figure(
        go.Scatter(
            x=share,
            y=level,
            mode="markers",
            marker={"size": 0.9 * look.now_size, "color": colour, "symbol": symbol},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": np.nan_to_num(np.clip(high - share, 0, None)),
                "arrayminus": np.nan_to_num(np.clip(share - low, 0, None)),
                "color": style.NEUTRAL,
                "thickness": 0.7 * look.line_width,
                "width": 5,
            },
            text=[
                f"{style.plain(row.title)}<br>"
                + (f"{at:.1f} %, between {a:.1f} and {b:.1f} %" if row.n_runs > 1 else _single(row))
                for row, at, a, b in zip(rows, share, low, high, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        ),
        style.layout(
            look,
            x_title=f"Runs that reach {maximum_name(0)}, the best maximum (%)",
            y_title="",
            revision="comparison",
            height=60 + int(3.6 * size * len(rows)),
            margin={"l": 12, "r": 12, "t": 4, "b": 48},
            xaxis={"range": (-4, 104), "tickvals": [0, 25, 50, 75, 100]},
            yaxis={"range": (-len(rows) + 0.55, 0.8), "visible": False, "fixedrange": True},
            annotations=[
                {
                    "text": f"<b>{style.plain(row.title)}</b>  {_count(row)}{_median(row)}",
                    "x": 0,
                    "xref": "paper",
                    "xanchor": "left",
                    "y": float(y) + 0.2,
                    "yanchor": "bottom",
                    "showarrow": False,
                    "borderpad": 0,
                    "font": {"size": size},
                }
                for row, y in zip(rows, level, strict=True)
            ],
        ),
    )
    return figure


def chance_figure(
    share: float, interval: tuple[float, float], n_restarts: int, *, look: Look = style.DEFAULT_LOOK
) -> go.Figure:
    """The chance that one of R restarts or more reaches the best maximum, 1 - (1 - p)^R, against R.

    Parameters
    ----------
    share : float
        p, the share of runs that reach it.
    interval : tuple of float
        Where the true share lies: the band.
    n_restarts : int
        The R that is marked, 1 or more.
    look : Look
        How large things are drawn.

    Raises
    ------
    ValueError
        If n_restarts is below 1 or the shares are no shares within the interval.
    """
    low, high = interval
    if not 0 <= low <= share <= high <= 1:
        raise ValueError(f"low, share and high must ascend from 0 to 1, got {low}, {share} and {high}")
    if n_restarts < 1:
        raise ValueError(f"n_restarts must be 1 or more, got {n_restarts}")
    enough = np.log(1 - ENOUGH) / np.log1p(-share) if 0 < share < 1 else 1.0
    last = int(max(min(np.ceil(1.2 * enough), MAX_RESTARTS), n_restarts, 10))
    counts = np.unique(np.rint(np.linspace(1, last, 200)).astype(int))
    middle, bottom, top = (_chance(p, counts) for p in (share, low, high))
    here = _chance(share, np.array([n_restarts]))
    around = [float(_chance(p, np.array([n_restarts]))[0]) for p in (low, high)]
    colour, symbol = style.outcome_sign(0)
    traces: list[dict[str, Any]] = [
        {
            "name": "Interval",
            "x": np.concatenate([counts, counts[::-1]]),
            "y": np.concatenate([top, bottom[::-1]]),
            "mode": "lines",
            "fill": "toself",
            "fillcolor": style.faint(style.NEUTRAL, 0.3),
            "line": {"width": 0},
            "hoverinfo": "skip",
        },
        {
            "name": f"p = {100 * share:.3g} %",
            "x": counts,
            "y": middle,
            "mode": "lines",
            "line": {"color": colour, "width": look.line_width},
            "hovertemplate": "%{x:,} restarts: %{y:.1f} %<extra></extra>",
        },
        {
            "name": f"R = {n_restarts:,}: {here[0]:.1f} %",
            "x": [n_restarts],
            "y": here,
            "mode": "markers",
            "marker": {
                "size": look.now_size,
                "color": colour,
                "symbol": symbol,
                "line": {"color": "white", "width": 2},
            },
            "hovertemplate": f"%{{x:,}} restarts: %{{y:.1f}} %, between {around[0]:.1f} and {around[1]:.1f} %"
            "<extra></extra>",
        },
    ]
    margin = look.now_size / 500 * last
    layout = style.layout(
        look,
        x_title="Restarts R",
        y_title="Chance of the best (%)",
        revision=f"{share} {last}",
        xaxis={"range": (1 - margin, last + margin), "tickformat": ",d"},
        yaxis={"range": (-4, 104), "tickvals": [0, 25, 50, 75, 100]},
        showlegend=True,
    )
    return go.Figure({"data": [{"type": "scatter", **trace} for trace in traces], "layout": layout})


def _chance(share: float, n_restarts: NDArray[np.int_]) -> NDArray[np.float64]:
    """In percent, for each number of restarts."""
    return np.array([100 * chance_of_best(share, count) for count in n_restarts.tolist()])


def _count(row: WayToStart) -> str:
    return _single(row) if row.n_runs == 1 else f"{row.best_count:,} of {row.n_runs:,}"


def _single(row: WayToStart) -> str:
    """Whether the only run reached the best."""
    return f"one run, {'reaches it' if row.best_count else 'does not reach it'}"


def _median(row: WayToStart) -> str:
    if not np.isfinite(row.median_iterations):
        return ""
    number = f"{row.median_iterations:,.0f}"
    return f", {'' if row.n_runs == 1 else 'median '}{number} iteration{'' if number == '1' else 's'}"


@dataclass(frozen=True, eq=False)
class _Scale:
    """An axis from 0 to 1 for heights, monotone and piecewise linear between anchors.

    anchors : ascending heights; places : where they lie; to_scale : whether distances are true.
    """

    anchors: NDArray[np.float64]
    places: NDArray[np.float64]
    to_scale: bool

    @classmethod
    def of(cls, anchors: NDArray[np.float64]) -> _Scale:
        """To scale if the anchors then lie far enough apart; else stretched where they do not."""
        if len(anchors) == 1:
            return cls(anchors, np.array([0.5]), True)
        gaps = np.diff(anchors)
        true = gaps / gaps.sum()
        closest = min(CLOSEST, 0.9 / len(gaps))
        if true.min() >= closest:
            return cls(anchors, np.concatenate([[0.0], np.cumsum(true)]), True)
        # what is left after the least gap of each is shared out by true distance, of which only the order is certain
        stretched = closest + (1 - closest * len(gaps)) * true
        return cls(anchors, np.concatenate([[0.0], np.cumsum(stretched)]), False)

    @property
    def pile_width(self) -> float:
        """How wide a pile of dots may be, so that neighbours do not touch."""
        return float(min(0.3, 0.8 * np.diff(self.places).min())) if len(self.places) > 1 else 0.5

    def slots(self) -> NDArray[np.float64]:
        """The middles of all piles: the anchors, and between them as many as there is room for."""
        slots = [self.places[:1]]
        for left, right in zip(self.places[:-1], self.places[1:], strict=True):
            n = max(int((right - left) / (1.15 * self.pile_width)), 1)
            slots.append(left + (right - left) * np.arange(1, n + 1) / n)
        return np.concatenate(slots)

    def ticks(self, digits: int, span: float) -> _Ticks:
        """A number for every anchor: side by side if there is room, else in two rows, else upright."""
        texts = [_height(height, digits) for height in self.anchors.tolist()]
        places = self.places.tolist()
        for n_rows in (1, 2):
            apart = [right - left for left, right in zip(places, places[n_rows:], strict=False)]
            if min(apart, default=span) >= TICK_ROOM * span:
                # the highest is in the first row, beside the axis
                lower = [(len(places) - 1 - i) % n_rows for i in range(len(places))]
                labels = [(place, "<br>" * row + text) for place, text, row in zip(places, texts, lower, strict=True)]
                return _Ticks(labels[::-1], upright=False)
        labels = []
        for place, text in zip(places[::-1], texts[::-1], strict=True):
            if not labels or labels[-1][0] - place >= UPRIGHT_ROOM * span:
                labels.append((place, text))
        return _Ticks(labels, upright=True)


@dataclass(frozen=True)
class _Ticks:
    """Places and their numbers, the highest first."""

    labels: list[tuple[float, str]]
    upright: bool


def _anchors(objective: NDArray[np.float64], outcome: NDArray[np.int_], maxima: Maxima) -> NDArray[np.float64]:
    """The heights that the axis must tell apart: the maxima that runs reached, and the lowest run."""
    reached = [maxima.maxima[i].objective for i in range(min(len(maxima.maxima), style.MAX_MAXIMA)) if i in outcome]
    if not len(objective):
        return np.zeros(1)
    lowest = float(objective.min())
    rounding = EQUAL * max(float(np.abs(objective).max()), 1.0)
    anchors: list[float] = []
    for height in sorted(reached) or [float(objective.max())]:
        if not anchors or height - anchors[-1] > rounding:
            anchors.append(height)
    # A run that ends within its tolerance of a maximum is no place of its own.
    span = anchors[-1] - min(lowest, anchors[0])
    if lowest < anchors[0] - max(1e-3 * span, rounding):
        others = outcome[objective < anchors[0] - rounding]
        far = len(anchors) > 1 and lowest < anchors[0] - NEAR * span
        if far or (others < 0).any() or (others >= style.MAX_MAXIMA).any() or not reached:
            anchors.insert(0, lowest)
    return np.array(anchors)


def _heights_shown(
    objective: NDArray[np.float64], outcome: NDArray[np.int_], maxima: Maxima, scale: _Scale
) -> NDArray[np.float64]:
    """Where on the axis each run stands; one that its tolerance stopped just below its maximum stands at it."""
    heights = np.array([maximum.objective for maximum in maxima.maxima])
    shown = np.where(outcome == COLLAPSED, scale.anchors[0], objective)
    led = np.flatnonzero(outcome >= 0)
    own = heights[outcome[led]] if len(led) else np.zeros(0)
    just_below = own - objective[led] <= NEAR * (scale.anchors[-1] - scale.anchors[0])
    shown[led[just_below]] = own[just_below]
    return np.asarray(np.interp(shown, scale.anchors, scale.places))


@dataclass(frozen=True, eq=False)
class _Piles:
    """Where the dot of each run lies.

    rows : how high the highest pile is; step : the least distance of two dots side by side; tops : the middle and the
    top of the largest pile of each maximum that has a letter; lane : from where to where collapsed runs stand.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    rows: float
    step: float
    tops: dict[int, tuple[float, float]]
    lane: tuple[float, float] | None

    @classmethod
    def of(
        cls, place: NDArray[np.float64], outcome: NDArray[np.int_], objective: NDArray[np.float64], scale: _Scale
    ) -> _Piles:
        """Equal outcomes lie together, with a gap to others in the same place."""
        slots, width = scale.slots(), scale.pile_width
        shown = style.grouped(outcome)
        level = outcome != COLLAPSED
        nearest = np.abs(place[:, None] - slots).argmin(axis=1)
        counts = np.bincount(nearest[level], minlength=len(slots))
        n_collapsed = int((~level).sum())
        most = max(counts.max() / width, n_collapsed / LANE_WIDTHS[1])
        rows = float(np.clip(np.sqrt(most / SQUARE), *PILE_ROWS))
        blocks = []
        for slot in np.flatnonzero(counts).tolist():
            here = level & (nearest == slot)
            for below, group in enumerate(style.groups(outcome[here])):
                members = np.flatnonzero(here & (shown == group))
                blocks.append((slot, below, group, members[np.argsort(-objective[members], kind="stable")]))
        tallest = max((min(rows, counts[slot]) + below for slot, below, *_ in blocks), default=rows)
        n_above = max((below for _, below, *_ in blocks), default=0)
        gap = max(LETTER_ROOM * tallest / (1 - LETTER_ROOM * min(n_above, 6)), 1.0)
        x, y = np.empty(len(place)), np.empty(len(place))
        step, top = width, 0.0
        largest: dict[int, tuple[int, float, float]] = {}  # runs, middle, top
        for slot, below, group, members in blocks:
            base = top + gap if below else 0.0
            x[members], rows_up, apart = _pile(
                float(slots[slot]), width, len(members), rows, _n_columns(counts[slot], rows)
            )
            y[members] = base + rows_up
            top = base + float(rows_up[-1]) + 1
            step = min(step, apart)
            if 0 <= group < style.MAX_MAXIMA and len(members) >= largest.get(group, (0, 0.0, 0.0))[0]:
                largest[group] = len(members), float(slots[slot]), top
        lane = None
        if n_collapsed:
            wide = float(np.clip(n_collapsed / (SQUARE * rows**2), *LANE_WIDTHS))
            lane = LANE_AT - 0.03 - wide, LANE_AT - 0.03
            x[~level], y[~level], apart = _pile(sum(lane) / 2, wide, n_collapsed, rows, _n_columns(n_collapsed, rows))
            step = min(step, apart)
        tops = {group: (middle, top) for group, (_, middle, top) in largest.items()}
        return cls(x, y, float(y.max()) + 1, step, tops, lane)


def _n_columns(count: int, rows: float) -> int:
    return max(int(np.ceil(count / rows)), 1)


def _pile(
    middle: float, width: float, count: int, rows: float, n_columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """A block of dots, filled row by row from below, no wider than `width`; and the distance of its columns."""
    step = width / max(n_columns, SQUARE * width * rows)  # dots of a small pile stand as close as those of a large one
    row, column = np.divmod(np.arange(count), n_columns)
    in_row = np.minimum(n_columns, count - row * n_columns)
    return middle + (column - (in_row - 1) / 2) * step, row.astype(np.float64), step


def _ends(outcome: NDArray[np.int_]) -> list[str]:
    return [outcome_name(code) for code in outcome.tolist()]


def _digits(heights: NDArray[np.float64]) -> int:
    """How many decimals tell these heights apart, as far as they differ by more than rounding."""
    gaps = np.diff(np.sort(heights))
    gaps = gaps[gaps > EQUAL * max(float(np.abs(heights).max(initial=0.0)), 1.0)]
    return int(np.clip(np.ceil(-np.log10(gaps.min()) - 1e-6), 2, 6)) if len(gaps) else 2


def _height(value: float, digits: int) -> str:
    return written(float(value), digits)


def _letters(piles: _Piles, look: Look) -> list[dict[str, Any]]:
    """The name of each maximum above the pile of its own runs."""
    return [
        {
            "text": f"<b>{maximum_name(index)}</b>",
            "x": middle,
            "y": top - 0.5 + 0.012 * piles.rows,
            "yanchor": "bottom",
            "borderpad": 0,
            "showarrow": False,
            "font": {"size": look.font_size + 3},
        }
        for index, (middle, top) in sorted(piles.tops.items())
    ]


def _lane(x: float, look: Look) -> dict[str, Any]:
    """The line between what has a height and what has none."""
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": style.NEUTRAL, "width": 0.5 * look.line_width, "dash": "dot"},
    }


def _lane_title(x: float, look: Look) -> dict[str, Any]:
    """Why the runs in the lane stand apart, below it."""
    return {
        "text": "collapsed:<br>no height",
        "align": "left",
        "x": x,
        "xanchor": "left",
        "yref": "paper",
        "y": 0,
        "yanchor": "top",
        "yshift": -4,
        "showarrow": False,
        "font": {"size": look.font_size - 1},
    }


def _portrait_ranges(
    points: NDArray[np.float64], found: Sequence[GaussianMixtureParameters]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """What all the small pictures cover: the points, with a margin, and the density's height in one dimension."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, 0.12 * (high - low), 1.0)
    across = (float(low[0] - margin[0]), float(high[0] + margin[0]))
    if points.shape[1] == 2:
        return across, (float(low[1] - margin[1]), float(high[1] + margin[1]))
    _, heights = histogram(points[:, 0])
    # a narrow component may rise far above the bars; so far that they vanish it is cut off
    peak = max(float((each.weights / each.sds[:, 0]).max()) for each in found) / np.sqrt(2 * np.pi)
    top = float(heights.max())
    return across, (0.0, 1.1 * max(top, min(peak, 2 * top)))


def _portrait_title(index: int, maximum: Maximum, digits: int, x: float, y: float, look: Look) -> dict[str, Any]:
    share = f"{significant(100 * maximum.share)} %" if 0 < maximum.share < 0.095 else f"{100 * maximum.share:.0f} %"
    return {
        "text": f"<b>{maximum_name(index)}</b>  {share}<br>{_height(maximum.objective, digits)}",
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
        "borderpad": 0,
        "font": {"size": look.font_size},
    }


def _note_of_more(n_maxima: int, look: Look) -> dict[str, Any]:
    """That not all maxima have a picture, above the pictures."""
    return {
        "text": f"The {MAX_PORTRAITS} highest of {n_maxima:,} maxima",
        "x": 0,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "borderpad": 0,
        "font": {"size": look.font_size},
    }


def _portrait(
    points: NDArray[np.float64], parameters: GaussianMixtureParameters, stands_for: NDArray[np.intp], look: Look
) -> list[dict[str, Any]]:
    """The traces of one small picture."""
    colours = [style.COMPONENT_COLOURS[k % style.MAX_COMPONENTS] for k in stands_for.tolist()]
    if points.shape[1] == 1:
        edges, heights = histogram(points[:, 0])
        traces: list[dict[str, Any]] = [
            {
                "type": "bar",
                "x": (edges[:-1] + edges[1:]) / 2,
                "y": heights,
                "width": np.diff(edges),
                "marker": {"color": style.faint(style.NEUTRAL, 0.3), "line": {"width": 0}},
                "hoverinfo": "skip",
            }
        ]
        for k, colour in enumerate(colours):
            sd = float(parameters.sds[k, 0])
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": parameters.means[k, 0] + sd * STANDARD_GRID,
                    "y": parameters.weights[k] / sd * STANDARD_DENSITY,
                    "line": {"color": colour, "width": look.line_width},
                    "hoverinfo": "skip",
                }
            )
        return traces
    shown = points[shown_rows(len(points), PORTRAIT_POINTS)]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": shown[:, 0],
            "y": shown[:, 1],
            "marker": {"size": 3.5 if len(shown) > 150 else 5, "color": style.NEUTRAL, "opacity": 0.4},
            "hoverinfo": "skip",
        }
    ]
    rings = ellipses(parameters.means, parameters.covariances)
    for k, colour in enumerate(colours):
        for ring, (width, opacity) in zip(rings[k], [(0.9, 1.0), (0.55, 0.75)], strict=True):
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": ring[:, 0],
                    "y": ring[:, 1],
                    "line": {"color": colour, "width": width * look.line_width},
                    "opacity": opacity,
                    "hoverinfo": "skip",
                }
            )
    return traces
