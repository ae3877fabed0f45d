"""The data panel of a Gaussian-mixture run: histogram and densities, or scatter and ellipses."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.report import number as written
from emcore.scene import Scene, contour_lines, scene

LONG_LEGEND = 5  # with more components only the first is named in full: a phone has no room for ten


def mixture_figure(
    history: History,
    *,
    look: Look = style.DEFAULT_LOOK,
    truth: GaussianMixtureParameters | None = None,
    contours: bool = False,
    trails: bool = True,
    axes: tuple[str, ...] = ("x", "y"),
    draggable: Literal["at the start", "always", "never"] = "at the start",
) -> SteppedFigure:
    """The data and the mixture, at every position of the run.

    Points take the mixed colour of their responsibilities, and the marker of their most likely component;
    they are grey at the bare start. Colours change at E-steps, shapes at M-steps.

    Parameters
    ----------
    history : History
        A Gaussian-mixture run on one or two features, with up to ten components.
    look : Look
        How large things are drawn.
    truth : GaussianMixtureParameters, optional
        What made the data, drawn dashed, in the colours of the components that end up standing for it.
    contours : bool
        In two dimensions, also lines of equal density of the whole mixture.
    trails : bool
        Also the way that each mean came.
    axes : tuple of str
        What the features are called.
    draggable : "at the start", "always" or "never"
        When means can be moved; the start is the bare one and the first E-step.

    Returns
    -------
    SteppedFigure
        Trace "Points" reports clicks: point i is row `shown_rows(n_samples)[i]` of X.
        Trace "Means" can be dragged: point k is the mean of component k + 1.

    Raises
    ------
    ValueError
        If there are more than two features or ten components.
    """
    drawn = scene(history, style.palette(len(history.parameters[0].weights)), truth=truth)
    titles = [style.plain(name) for name in axes]
    positions = np.arange(history.n_positions)
    build = _Builder(drawn, look, titles, theta_at=positions // 2, posterior_at=(positions + 1) // 2)
    if drawn.n_features == 1:
        build.histogram()
        build.points()
        build.densities()
        layout = _one_dimensional_layout(drawn, look, titles)
    else:
        build.points()
        if contours:
            build.contours(history)
        build.ellipses()
        layout = _two_dimensional_layout(drawn, look, titles)
    if trails:
        build.trails()
    build.means()
    build.legend()
    style.note_above(layout, drawn.notes, look)
    figure = go.Figure({"data": build.traces, "layout": layout})
    by_name = {trace["name"]: number for number, trace in enumerate(build.traces)}
    return SteppedFigure(
        figure,
        tuple(build.tracks),
        drags={} if draggable == "never" else {by_name["Means"]: (positions < 2) | (draggable == "always")},
        drag_axes="x" if drawn.n_features == 1 else "xy",
        clicks=(by_name["Points"],),
        description=_description(drawn, history, axes),
    )


class _Builder:
    """Collects traces, and the tracks that move them, in drawing order."""

    def __init__(
        self,
        drawn: Scene,
        look: Look,
        titles: list[str],
        *,
        theta_at: NDArray[np.int_],
        posterior_at: NDArray[np.int_],
    ) -> None:
        self.scene = drawn
        self.look = look
        self.titles = titles
        self.theta_at = theta_at  # position -> t of the parameters in force
        self.posterior_at = posterior_at  # position -> 1 + t of the latest posterior, 0 if there is none
        self.symbols = tuple(name for name, _ in style.COMPONENT_SYMBOLS[: drawn.n_components])
        self.traces: list[dict[str, Any]] = []
        self.tracks: list[Track] = []

    def add(self, name: str, **trace: Any) -> int:
        """Append a trace and say its number."""
        self.traces.append({"type": "scatter", "name": name, "showlegend": False, **trace})
        return len(self.traces) - 1

    def follow(self, trace: int, attribute: str, frames: NDArray[Any]) -> None:
        """Let an attribute follow the parameters: `frames` has one entry an iteration."""
        self.tracks.append(Track(trace, attribute, frames, self.theta_at))

    def line(self, name: str, x: NDArray[np.float64], y: NDArray[np.float64], **trace: Any) -> None:
        """A line that follows the parameters; `x` and `y` have shape (n_iterations + 1, n_points)."""
        number = self.add(name, mode="lines", x=x[0], y=y[0], **trace)
        self.follow(number, "x", x)
        self.follow(number, "y", y)

    def histogram(self) -> None:
        """Bars of all points."""
        curves = self.scene.curves
        assert curves is not None
        if not len(curves.bin_heights):
            return
        widths = np.diff(curves.bin_edges)
        self.add(
            "Histogram",
            type="bar",
            x=curves.bin_edges[:-1] + widths / 2,
            y=curves.bin_heights,
            width=widths,
            marker={"color": style.faint(style.NEUTRAL, 0.3), "line": {"width": 0}},
            hovertemplate=f"{self.titles[0]} about %{{x:.3g}}<br>density %{{y:.3g}}<extra>Histogram</extra>",
        )

    def points(self) -> None:
        """The points, coloured by the latest posterior."""
        drawn = self.scene
        if drawn.curves is None:
            x, y = drawn.points.T
            hover = "".join(f"<br>{title} %{{{axis}:.4g}}" for title, axis in zip(self.titles, "xy", strict=False))
        else:
            x = drawn.points[:, 0]
            y = -(0.05 + 0.08 * drawn.curves.strip) * drawn.curves.ceiling
            hover = f"<br>{self.titles[0]} %{{x:.4g}}"
        grey = np.broadcast_to(style.rgb(style.NEUTRAL), (1, len(x), 3))
        number = self.add(
            "Points",
            mode="markers",
            x=x,
            y=y,
            customdata=drawn.rows + 1,
            marker={
                "size": self.look.point_size(len(x)) * (0.8 if drawn.curves else 1.0),
                "color": style.NEUTRAL,
                "opacity": 0.85,
                "line": {"width": 0},
            },
            hovertemplate=f"Point %{{customdata}}{hover}<extra></extra>",
        )
        colours = np.concatenate([grey, drawn.colours])
        symbols = np.concatenate([np.zeros((1, len(x)), dtype=np.uint8), drawn.most_likely])
        self.tracks.append(Track(number, "marker.color", colours, self.posterior_at))
        self.tracks.append(Track(number, "marker.symbol", symbols, self.posterior_at, self.symbols))

    def densities(self) -> None:
        """Weighted densities of the components and their sum."""
        curves = self.scene.curves
        assert curves is not None
        hover = f"{self.titles[0]} %{{x:.4g}}<br>density %{{y:.3g}}"
        # "simplify" would let Plotly drop points, and a steep curve then sinks below 0.
        if curves.truth_x is not None and curves.truth_y is not None:
            for true, (x, y) in enumerate(zip(curves.truth_x, curves.truth_y, strict=True)):
                self._truth(true, x, y)
        self.line(
            "Sum of components",
            curves.sum_x,
            curves.sum_y,
            showlegend=True,
            line={"color": style.NEUTRAL, "width": 1.8 * self.look.line_width, "simplify": False},
            opacity=0.7,
            hovertemplate=hover,
        )
        for k in range(self.scene.n_components):
            self.line(
                f"Component {k + 1}",
                curves.component_x[:, k],
                curves.component_y[:, k],
                legendgroup=f"{k}",
                line={"color": style.COMPONENT_COLOURS[k], "width": self.look.line_width, "simplify": False},
                hovertemplate=hover,
            )

    def ellipses(self) -> None:
        """Each component at 1 sd (bold) and at 2 sd."""
        rings = self.scene.rings
        assert rings is not None
        if rings.truth is not None:
            for true, outlines in enumerate(rings.truth):
                self._truth(true, _with_gaps(outlines[..., 0]), _with_gaps(outlines[..., 1]))
        for k in range(self.scene.n_components):
            for outer, (width, opacity) in enumerate([(1.0, 1.0), (0.6, 0.75)]):
                self.line(
                    f"Component {k + 1}, {outer + 1} sd",
                    rings.rings[:, k, outer, :, 0],
                    rings.rings[:, k, outer, :, 1],
                    legendgroup=f"{k}",
                    line={"color": style.COMPONENT_COLOURS[k], "width": width * self.look.line_width},
                    opacity=opacity,
                    hoverinfo="skip",
                )

    def contours(self, history: History) -> None:
        """Lines of equal density of the mixture."""
        lines = contour_lines(self.scene, history)
        self.line(
            "Density of the mixture",
            lines[..., 0],
            lines[..., 1],
            showlegend=True,
            line={"color": style.NEUTRAL, "width": 0.5 * self.look.line_width},
            opacity=0.7,
            hoverinfo="skip",
        )

    def trails(self) -> None:
        """Where each mean has been."""
        drawn = self.scene
        means = drawn.means
        for k in range(drawn.n_components):
            if drawn.curves is None:
                y = means[:, k, 1]
            else:  # below the axis, each in a lane of its own
                lane = (k + 1) / (drawn.n_components + 1)
                y = np.full(len(means), -0.04 * lane * drawn.curves.ceiling)
            number = self.add(
                f"Trail {k + 1}",
                mode="lines",
                x=means[:, k, 0],
                y=y,
                legendgroup=f"{k}",
                line={"color": style.COMPONENT_COLOURS[k], "width": 0.8 * self.look.line_width},
                hoverinfo="skip",
            )
            self.follow(number, "shown", np.arange(1, len(means) + 1))

    def means(self) -> None:
        """The means, above everything else."""
        drawn = self.scene
        place = "%{x:.4g}" if drawn.n_features == 1 else "(%{x:.4g}, %{y:.4g})"
        colours = list(style.COMPONENT_COLOURS[: drawn.n_components])
        edge = self.look.mean_edge
        self._crosses(
            "Means ground",
            {"color": style.MEAN_GROUND, "line": {"color": style.MEAN_GROUND, "width": 2.2 * edge}},
            hoverinfo="skip",
        )
        self._crosses(
            "Means",
            {"color": colours, "line": {"color": "white", "width": edge}},
            text=[f"Component {k + 1}" for k in range(drawn.n_components)],
            hovertemplate=f"%{{text}}<br>mean {place}<extra></extra>",
        )

    def _crosses(self, name: str, marker: dict[str, Any], **trace: Any) -> None:
        """A cross on each mean."""
        means = self.scene.means
        number = self.add(
            name,
            mode="markers",
            x=means[0, :, 0],
            y=np.zeros(means.shape[1]) if means.shape[2] == 1 else means[0, :, 1],
            marker={"symbol": "x", "size": self.look.mean_size, "opacity": 1, **marker},
            **trace,
        )
        self.follow(number, "x", means[:, :, 0])
        if means.shape[2] == 2:
            self.follow(number, "y", means[:, :, 1])

    def legend(self) -> None:
        """An empty trace for each component: the legend shows its line and its marker together."""
        many = self.scene.n_components > LONG_LEGEND
        for k in range(self.scene.n_components):
            self.add(
                f"{k + 1}" if many and k else f"Component {k + 1}",
                mode="lines+markers",
                x=[None],
                y=[None],
                legendgroup=f"{k}",
                showlegend=True,
                legendrank=900 + k,  # before the sum and the truth
                line={"color": style.COMPONENT_COLOURS[k], "width": self.look.line_width},
                marker={"symbol": self.symbols[k], "size": 9, "color": style.COMPONENT_COLOURS[k]},
            )
        if self.scene.stands_for:
            self.add(
                "Truth (dashed)",
                mode="lines",
                x=[None],
                y=[None],
                legendgroup="truth",
                showlegend=True,
                line={"color": style.NEUTRAL, "width": 0.8 * self.look.line_width, "dash": "dash"},
            )

    def _truth(self, true: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        """A true component, dashed, in the colour of the one that ends up standing for it."""
        stand_in = self.scene.stands_for[true]
        self.add(
            f"True component {true + 1}",
            mode="lines",
            x=x,
            y=y,
            legendgroup="truth",
            line={
                "color": style.COMPONENT_COLOURS[stand_in] if stand_in >= 0 else style.NEUTRAL,
                "width": 0.8 * self.look.line_width,
                "dash": "dash",
            },
            hoverinfo="skip",
        )


def _with_gaps(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Several lines, shape (n_lines, n_points), as one with a gap (NaN) after each."""
    return np.pad(lines, ((0, 0), (0, 1)), constant_values=np.nan).ravel()


def _one_dimensional_layout(drawn: Scene, look: Look, titles: list[str]) -> dict[str, Any]:
    # The band of points below 0 has no density: name the ticks from 0 up. So only x can be zoomed.
    step = _round_step(drawn.y_range[1])
    ticks = np.arange(0, drawn.y_range[1], step)
    return style.layout(
        look,
        x_title=titles[0],
        y_title="Density",
        revision=f"{drawn.x_range}{drawn.y_range}",
        bargap=0,
        xaxis={"range": drawn.x_range},
        yaxis={
            "range": drawn.y_range,
            "fixedrange": True,
            "tickvals": ticks,
            "ticktext": [f"{tick:.6g}" for tick in ticks],
            "zeroline": True,
            "zerolinecolor": "rgba(128,128,128,0.6)",
            "showline": False,
        },
    )


def _two_dimensional_layout(drawn: Scene, look: Look, titles: list[str]) -> dict[str, Any]:
    # One scale takes room from the plotting area and not from the ranges, which would then depend on the screen.
    across: dict[str, Any] = {"constrain": "domain", "constraintoward": "left"} if drawn.equal_scale else {}
    one_scale: dict[str, Any] = {}
    if drawn.equal_scale:
        one_scale = {"scaleanchor": "x", "constrain": "domain", "constraintoward": "top"}
    return style.layout(
        look,
        x_title=titles[0],
        y_title=titles[1],
        revision=f"{drawn.x_range}{drawn.y_range}",
        xaxis={"range": drawn.x_range, **across},
        yaxis={"range": drawn.y_range, **one_scale},
    )


def _round_step(top: float) -> float:
    """1, 2 or 5 times a power of ten: about five steps from 0 to `top`."""
    power = 10.0 ** np.floor(np.log10(top / 5))
    return float(power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - top / 5)))


def _description(drawn: Scene, history: History, axes: tuple[str, ...]) -> str:
    """What is to be seen, and nothing of how it ends: whoever listens steps there as well."""
    points = f"{history.n_samples:,} point{'' if history.n_samples == 1 else 's'}"
    ranges = (drawn.x_range, drawn.y_range)[: drawn.n_features]
    shown = " and ".join(
        f"{name} from {written(low)} to {written(high)}" for name, (low, high) in zip(axes, ranges, strict=False)
    )
    k = drawn.n_components
    components = "one component" if k == 1 else f"each of {k} components"
    iterations = f"{drawn.n_iterations} iteration{'' if drawn.n_iterations == 1 else 's'}"
    if drawn.curves is not None:
        kind = "Histogram" if len(drawn.curves.bin_heights) else "Strip"
        what = f"{kind} of {points}, with the density of {components} and their sum"
    else:
        what = f"Scatter plot of {points}, with two ellipses for {components}"
    return f"{what}, over {iterations}: {shown}. The sentence and the tables below follow the slider."
