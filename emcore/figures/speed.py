"""How fast a run comes near its limit: gains on a log axis, the forecast of what is missing, the rate."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.acceleration import Accelerated, Forecast
from emcore.em import History
from emcore.figures import style
from emcore.figures.objective import curve_layout, few
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.report import gains, significant

GAIN: Final = style.OBJECTIVE
GAP: Final = style.BOUND
ACCELERATED: Final = style.SECOND_OBJECTIVE
FASTEST: Final = 1.5  # observed rates above it are drawn at the top of the picture


def gain_figure(
    history: History,
    forecast: Forecast,
    *,
    accelerated: Accelerated | None = None,
    tol: float | None = None,
    look: Look = style.DEFAULT_LOOK,
) -> SteppedFigure:
    """What each iteration gained per point, and what is still missing by the forecast, on a log axis.

    A straight line is a constant rate. Gains of rounding size, and falls, have no place on a log axis: they are left
    out, and the picture says how many.

    Parameters
    ----------
    history : History
        A run of any model.
    forecast : Forecast
        Of this run (`emcore.acceleration.aitken`): a solid line where it is trusted, dotted where not.
    accelerated : Accelerated, optional
        SQUAREM from the same start: what each of its cycles gained per point and per EM step that it took.
    tol : float, optional
        The tolerance that stops a run, as a line.
    look : Look
        How large things are drawn.

    Returns
    -------
    SteppedFigure
        A click on the gain of iteration t jumps to its E-step, position 2t + 1.

    Raises
    ------
    ValueError
        If the forecast is not of this run.
    """
    _check(history, forecast)
    iterations = np.arange(history.n_iterations + 1)
    gained = _positive(gains(history) / history.n_samples)
    missing = _positive(np.asarray(forecast.gaps, dtype=np.float64) / forecast.n_samples)
    trusted = np.asarray(forecast.trusted)
    drawn = _Panel(history, look)
    drawn.still("Gain, whole run", iterations, gained, GAIN, faint=True, markers=few(history.n_iterations))
    drawn.jumps[0] = 2 * iterations + 1
    drawn.growing("Gain", gained, GAIN)
    drawn.growing("Still missing", np.where(trusted, missing, np.nan), GAP)
    drawn.growing("Not trusted", np.where(trusted, np.nan, missing), GAP, dash="dot")
    values = [gained, missing[trusted]]
    last = history.n_iterations
    curves: list[tuple[NDArray[Any], NDArray[np.float64]]] = [(iterations, gained)]
    if accelerated is not None:
        steps, faster = _per_step(accelerated)
        if np.isfinite(faster).any():
            drawn.still("SQUAREM", steps, faster, ACCELERATED, dash="dash", symbol="diamond", markers=True)
        values.append(faster)
        curves.append((steps, faster))
        last = max(last, int(steps[-1]) if len(steps) else 0)
    if tol:
        drawn.level("Tolerance", tol, (-last, 2 * last + 1))
        values.append(np.array([tol]))
    y_range = _decades(np.concatenate(values))
    drawn.now(gained, float(y_range[0] * (y_range[1] / y_range[0]) ** 0.05))
    left_out = int(np.isnan(gained[1:]).sum())
    notes = [f"{left_out:,} gain{'' if left_out == 1 else 's'} of rounding size or below left out"] if left_out else []
    layout = curve_layout(
        look,
        title=f"Gain per point ({style.plain(history.model.objective_unit)})",
        x_range=(0, last),
        y_range=(float(np.log10(y_range[0])), float(np.log10(y_range[1]))),
        note="",
    )
    layout["yaxis"] |= {"type": "log", "exponentformat": "power", "separatethousands": False, "dtick": _step(y_range)}
    layout["xaxis"]["title"]["text"] = "EM steps" if accelerated is not None else "Iteration"
    style.note_above(layout, notes, look)
    if tol:
        label = _label(f"tolerance {significant(tol)}", float(np.log10(tol)), _clearer_end(curves, tol, last), look)
        layout["annotations"] = [*layout["annotations"], label]
    said = (
        f"Gain per point of each of {history.n_iterations:,} iterations on a log axis, and what is missing by forecast"
    )
    return drawn.figure(layout, f"{said}. The sentence and the tables below follow the slider.")


def rate_figure(history: History, forecast: Forecast, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """The observed linear rate of each iteration: its gain as a part of the gain before.

    Near 1 EM creeps. Above 1 it gathers speed, as it does when it leaves a plateau or a saddle.

    Parameters
    ----------
    history : History
        A run of any model.
    forecast : Forecast
        Of this run: a solid line where it is trusted, dotted where not.
    look : Look
        How large things are drawn.

    Raises
    ------
    ValueError
        If the forecast is not of this run.
    """
    _check(history, forecast)
    iterations = np.arange(history.n_iterations + 1)
    rates = np.asarray(forecast.rates, dtype=np.float64)
    trusted = np.asarray(forecast.trusted)
    known = rates[np.isfinite(rates)]
    top = float(np.clip(known.max(initial=1.0), 1.0, FASTEST))
    low = float(np.clip(known.min(initial=1.0), 0.0, 1.0)) if len(known) else 0.0
    margin = 0.06 * max(top - low, 0.02)
    y_range = (low - margin, top + margin)
    heights = np.where(np.isfinite(rates), np.clip(rates, 0.0, top), np.nan)
    drawn = _Panel(history, look)
    drawn.still("Rate, whole run", iterations, heights, GAIN, faint=True, markers=few(history.n_iterations))
    drawn.traces[0] |= {"customdata": rates, "hovertemplate": "Iteration %{x}<br>rate %{customdata:.5f}<extra></extra>"}
    drawn.jumps[0] = 2 * iterations + 1
    drawn.growing("Rate", np.where(trusted, heights, np.nan), GAIN)
    drawn.growing("Not trusted", np.where(trusted, np.nan, heights), GAIN, dash="dot")
    drawn.level("No slowing down", 1.0, (-history.n_iterations, 2 * history.n_iterations + 1))
    drawn.now(heights, low)
    layout = curve_layout(
        look, title="Gain as a part of the gain before", x_range=(0, history.n_iterations), y_range=y_range
    )
    above, below = int((known > top).sum()), int((known < 0).sum())
    notes = [f"{above:,} above {top:g} drawn at the top"] if above else []
    notes += [f"{below:,} below 0 drawn at 0"] if below else []
    style.note_above(layout, notes, look)
    said = f"Observed linear rate of {history.n_iterations:,} iterations"
    return drawn.figure(layout, f"{said}. The sentence and the tables below follow the slider.")


class _Panel:
    """Collects the traces over the iterations, and the tracks that let them grow."""

    def __init__(self, history: History, look: Look) -> None:
        self.look = look
        self.iterations = np.arange(history.n_iterations + 1)
        self.positions = np.arange(history.n_positions)
        self.traces: list[dict[str, Any]] = []
        self.tracks: list[Track] = []
        self.jumps: dict[int, NDArray[np.int_]] = {}

    def add(self, name: str, x: Any, y: Any, **trace: Any) -> int:
        """Append a trace and say its number."""
        hover = f"Iteration %{{x}}<br>%{{y:.3g}}<extra>{name}</extra>"
        self.traces.append({"type": "scatter", "name": name, "x": x, "y": y, "hovertemplate": hover, **trace})
        return len(self.traces) - 1

    def still(
        self,
        name: str,
        x: NDArray[Any],
        y: NDArray[np.float64],
        colour: str,
        *,
        faint: bool = False,
        markers: bool = False,
        dash: str = "solid",
        symbol: str = "circle",
    ) -> None:
        """A line that is there at every position."""
        self.add(
            name,
            x,
            y,
            mode="lines+markers" if markers else "lines",
            line={"color": colour, "width": self.look.line_width, "dash": dash},
            marker={"size": 2.4 * self.look.line_width, "color": colour, "symbol": symbol},
            opacity=style.FAINT if faint else 1.0,
            showlegend=not faint,
        )

    def growing(self, name: str, y: NDArray[np.float64], colour: str, dash: str = "solid") -> None:
        """A line up to the present iteration; none where nothing of it is known."""
        if not np.isfinite(y).any():
            return
        number = self.add(
            name,
            self.iterations,
            y,
            mode="lines+markers" if few(len(self.iterations)) else "lines",
            line={"color": colour, "width": self.look.line_width, "dash": dash},
            marker={"size": 1.8 * self.look.line_width, "color": colour},
        )
        self.tracks.append(Track(number, "shown", self.iterations + 1, self.positions // 2))

    def level(self, name: str, height: float, x: tuple[int, int]) -> None:
        """A horizontal line across the picture, also where it is dragged to."""
        self.add(
            name, list(x), [height, height], mode="lines", showlegend=False, hoverinfo="skip", hovertemplate=None,
            line={"color": style.NEUTRAL, "width": 0.7 * self.look.line_width, "dash": "dash"},
        )  # fmt: skip

    def now(self, heights: NDArray[np.float64], bottom: float) -> None:
        """The marker of the present iteration; where nothing is known it stands at the lower edge, as a triangle."""
        known = np.isfinite(heights)
        y = np.where(known, heights, bottom)
        symbols = ("circle", "triangle-down")
        number = self.add(
            "Now",
            self.iterations[:1],
            y[:1],
            mode="markers",
            showlegend=False,
            hoverinfo="skip",
            hovertemplate=None,
            marker={
                "size": self.look.now_size,
                "color": GAIN,
                "symbol": symbols[int(not known[0])],
                "line": {"color": "white", "width": 2},
            },
        )
        at = self.positions // 2
        self.tracks.append(Track(number, "x", self.iterations[:, None].astype(np.float64), at))
        self.tracks.append(Track(number, "y", y[:, None], at))
        frames = np.array([[0], [1]], dtype=np.uint8)
        self.tracks.append(Track(number, "marker.symbol", frames, (~known).astype(np.int_)[at], symbols))

    def figure(self, layout: dict[str, Any], description: str) -> SteppedFigure:
        """All of it."""
        figure = go.Figure({"data": self.traces, "layout": layout})
        return SteppedFigure(figure, tuple(self.tracks), jumps=self.jumps, description=description)


def _check(history: History, forecast: Forecast) -> None:
    if len(forecast.gaps) != len(history.parameters):
        raise ValueError(
            f"forecast must be of this run: {len(history.parameters)} iterations with the start, got "
            f"{len(forecast.gaps)}"
        )


def _positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What has a place on a log axis; the rest NaN."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _per_step(accelerated: Accelerated) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """EM steps until the end of each cycle, and what the cycle gained per point and EM step."""
    steps = np.asarray(accelerated.em_steps, dtype=np.float64)
    taken = np.diff(steps)
    gained = gains(accelerated.history)[1:] / accelerated.history.n_samples
    return steps[1:], _positive(np.divide(gained, taken, out=np.full(len(taken), np.nan), where=taken > 0))


def _decades(values: NDArray[np.float64]) -> tuple[float, float]:
    """A range for a log axis that covers the values; 1e-8 to 1 if there are none."""
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):
        return 1e-8, 1.0
    low, high = np.log10(known.min()), np.log10(known.max())
    margin = max(0.06 * (high - low), 0.1)
    return float(10 ** (low - margin)), float(10 ** (high + margin))


def _step(y_range: tuple[float, float]) -> int:
    """Decades from tick to tick: about six ticks."""
    decades = np.log10(y_range[1] / y_range[0])
    return max(int(np.ceil(decades / 6)), 1)


def _clearer_end(curves: list[tuple[NDArray[Any], NDArray[np.float64]]], level: float, last: int) -> str:
    """At which end of a horizontal line curves come less near to it, on a log axis: "left" or "right"."""
    x = np.concatenate([steps for steps, _ in curves])
    heights = np.concatenate([values for _, values in curves])
    distance = np.abs(np.log10(heights / level))
    ends = (x <= last / 3, x >= 2 * last / 3)
    left, right = (distance[end & np.isfinite(distance)].min(initial=np.inf) for end in ends)
    return "left" if left >= right else "right"


def _label(text: str, height: float, end: str, look: Look) -> dict[str, Any]:
    """Above a horizontal line, at one end of it."""
    return {
        "text": text,
        "showarrow": False,
        "xref": "paper",
        "x": 0.01 if end == "left" else 1,
        "y": height,
        "xanchor": end,
        "yanchor": "bottom",
        "borderpad": 0,
        "font": {"size": look.font_size - 1},
    }
