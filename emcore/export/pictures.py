"""Pictures to keep: the panels of a Gaussian-mixture run as PNG, PDF or animated GIF."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from numpy.typing import NDArray
from PIL import Image

from emcore.em import History
from emcore.figures import style
from emcore.figures.style import Look
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.report import number
from emcore.scene import climb, contour_lines, scene

DPI: Final = 100  # of an animation; a PNG has twice as many
POINTS_PER_PIXEL: Final = 72 / DPI
SIZE: Final = (9.6, 4.2)  # inches
LEGEND_COLUMNS: Final = 5
LAST_FRAME_MS: Final = 2500
# Fonts and text layout are shared by all figures of a process and are not made for several threads at once.
_DRAWING: Final = threading.Lock()


def picture(
    history: History,
    position: int,
    *,
    look: Look = style.DEFAULT_LOOK,
    truth: GaussianMixtureParameters | None = None,
    axes: tuple[str, ...] = ("x", "y"),
    contours: bool = False,
    half_steps: bool = False,
    format: Literal["png", "pdf"] = "png",
) -> bytes:
    """The run at one position: data panel, objective curve and a caption, as a file.

    Parameters
    ----------
    history : History
        A Gaussian-mixture run on one or two features, with up to ten components.
    position : int
        In half-steps, from 0 to n_positions - 1.
    look : Look
        How large things are drawn.
    truth : parameters, optional
        What made the data, drawn dashed.
    axes : tuple of str
        What the features are called.
    contours : bool
        In two dimensions, also lines of equal density of the whole mixture.
    half_steps : bool
        Also draw the lower bound.
    format : "png" or "pdf"
        The same run gives the same bytes.

    Raises
    ------
    ValueError
        If there is no such position or format.
    """
    if format not in ("png", "pdf"):
        raise ValueError(f"format must be png or pdf, got {format!r}")
    _check_positions(history, [position])
    with _DRAWING:
        panels = _Panels(history, look=look, truth=truth, axes=axes, contours=contours, half_steps=half_steps)
        panels.show(position)
        file = io.BytesIO()
        metadata = {"CreationDate": None} if format == "pdf" else {"Software": None}
        panels.figure.savefig(file, format=format, dpi=2 * DPI, metadata=metadata)
    return file.getvalue()


def animation(
    history: History,
    *,
    look: Look = style.DEFAULT_LOOK,
    truth: GaussianMixtureParameters | None = None,
    axes: tuple[str, ...] = ("x", "y"),
    contours: bool = False,
    half_steps: bool = False,
    positions: Sequence[int] | None = None,
    max_frames: int = 120,
    frame_ms: int = 250,
    progress: Callable[[float], None] | None = None,
) -> bytes:
    """The run as an animated GIF, in the colours of the app.

    Parameters
    ----------
    history, look, truth, axes, contours, half_steps
        As for `picture`.
    positions : sequence of int, optional
        What to show, in half-steps; by default every iteration, or with `half_steps` every half-step.
    max_frames : int
        A longer run is thinned evenly to this many frames, first and last kept, and its caption says so.
    frame_ms : int
        How long a frame stands, in milliseconds. The last one stands longer.
    progress : callable, optional
        Called after each frame with the part done, up to 1. What it raises ends the work and is passed on.

    Raises
    ------
    ValueError
        If a position does not exist, or there is none, or `max_frames` is below 2.
    """
    if max_frames < 2:
        raise ValueError(f"max_frames must be at least 2, the first and the last, got {max_frames}")
    if positions is None:
        positions = range(history.n_positions) if half_steps else range(1, history.n_positions, 2)
    _check_positions(history, positions)
    frames = _thinned(positions, max_frames)
    remark = ""
    if len(frames) < len(positions):
        remark = f"{len(frames)} of {len(positions):,} steps shown."
    with _DRAWING:
        panels = _Panels(
            history, look=look, truth=truth, axes=axes, contours=contours, half_steps=half_steps, remark=remark
        )
        canvas = _Canvas(panels)
        # One palette for all frames: then a frame stores only what differs from the one before.
        samples = [canvas.draw(frames[i]) for i in sorted({0, len(frames) // 3, len(frames) - 1})]
    colours = _gif_palette(samples, panels.scene.n_components)

    def pages() -> Iterator[Image.Image]:
        for done, position in enumerate(frames, start=1):
            with _DRAWING:
                pixels = canvas.draw(position)
            yield Image.fromarray(pixels).quantize(palette=colours, dither=Image.Dither.NONE)
            if progress is not None:
                progress(done / len(frames))

    file = io.BytesIO()
    page = pages()  # "optimize" stores of each frame only what differs from the one before
    durations = [frame_ms] * (len(frames) - 1) + [LAST_FRAME_MS]
    next(page).save(
        file, "GIF", save_all=True, append_images=page, duration=durations, loop=0, optimize=True, disposal=1
    )
    return file.getvalue()


class _Panels:
    """The two panels as a matplotlib figure whose artists follow the position."""

    def __init__(
        self,
        history: History,
        *,
        look: Look,
        truth: GaussianMixtureParameters | None,
        axes: tuple[str, ...],
        contours: bool = False,
        half_steps: bool,
        remark: str = "",
    ) -> None:
        self.history = history
        self.look = look
        self.half_steps = half_steps
        self.scene = scene(history, style.palette(len(history.parameters[0].weights)), truth=truth)
        remark = "\n".join([*self.scene.notes, remark]).strip()
        self.font = 0.75 * look.font_size
        self.line = look.line_width * POINTS_PER_PIXEL
        self.climb = climb(history, half_steps=half_steps)
        self.figure = Figure(figsize=SIZE, dpi=DPI, layout=ConstrainedLayoutEngine(wspace=0.06))
        data, curve = self.figure.subplots(1, 2, width_ratios=(3, 2))
        self.moving: list[Artist] = []
        self._style(data, axes[0], axes[1] if self.scene.n_features == 2 else "Density")
        self._style(curve, "Iteration", style.objective_title(history))
        # An empty title keeps the place of the caption, which moves with the position, and of the legend.
        contours = contours and self.scene.n_features == 2
        n_entries = self.scene.n_components + (self.scene.n_features == 1) + (truth is not None) + contours
        n_lines = max(-(-n_entries // LEGEND_COLUMNS), 1 + remark.count("\n"))
        self.figure.suptitle("\n" * n_lines + " ", fontsize=1.15 * self.font)
        self.caption = self.figure.text(
            0.012, 0.985, "", fontsize=1.15 * self.font, verticalalignment="top", parse_math=False
        )
        self.moving.append(self.caption)
        small: dict[str, Any] = {"fontsize": 0.85 * self.font, "color": "#666666", "transform": curve.transAxes}
        curve.text(1, 1.02, remark, ha="right", va="bottom", in_layout=False, **small)
        self._points(data)
        if self.scene.curves is not None:
            self._densities(data)
        else:
            self._ellipses(data)
        if contours:
            look_of_contours = {"color": style.NEUTRAL, "linewidth": 0.5 * self.line, "alpha": 0.7, "zorder": 1.5}
            (contour,) = data.plot([], [], label="Density of the mixture", **look_of_contours)
            self.moving.append(contour)
        self._means(data)
        self._legend(data)
        self._objective(curve)
        self._settle(data)
        if contours:  # they cover what is shown, and that is settled only now
            lines = contour_lines(self.scene, history, x_range=data.get_xlim(), y_range=data.get_ylim())
            self.lines.append((contour, lines[..., 0], lines[..., 1]))

    def show(self, position: int) -> None:
        """Put every moving artist where it belongs."""
        history, drawn = self.history, self.scene
        t = position // 2
        self._show_points(position)
        for line, x, y in self.lines:
            line.set_data(x[t], y[t])
        for k, trail in enumerate(self.trails):
            trail.set_data(drawn.means[: t + 1, k, 0], self._trail_y(k, t))
        for k, mean in enumerate(self.mean_markers):
            place = [drawn.means[t, k, 0]], [drawn.means[t, k, 1] if drawn.n_features == 2 else 0.0]
            mean.set_data(*place)
            self.mean_grounds[k].set_data(*place)
        self.climbed.set_data(np.arange(t + 1), history.objective[: t + 1])
        step = "start" if position == 0 else "after the E-step" if position % 2 else "after the M-step"
        caption = f"Iteration {t} of {history.n_iterations}, {step}"
        caption += f"    {history.model.objective_name} {number(float(history.objective[t]), 3)}"
        if self.half_steps:
            bound = history.lower_bounds
            self.stairs.set_data(np.arange(1, position + 1) // 2, bound[1 : position + 1])
            if position:
                caption += f"    Lower bound {number(float(bound[position]), 3)}"
        self.now.set_data([t], [self.climb.heights[position]])
        self.now.set_marker("v" if self.climb.below[position] else "o")
        self.caption.set_text(caption)

    def _style(self, panel: Axes, x_title: str, y_title: str) -> None:
        panel.set_xlabel(style.short(x_title), fontsize=1.05 * self.font, parse_math=False)
        panel.set_ylabel(style.short(y_title), fontsize=1.05 * self.font, parse_math=False)
        panel.tick_params(labelsize=self.font, colors="#444444")
        panel.grid(color="#e4e4e4", linewidth=0.8)
        panel.set_axisbelow(True)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            panel.spines[side].set_color("#999999")

    def _points(self, panel: Axes) -> None:
        """One collection for each marker, since a collection has one marker; the points move between them."""
        drawn = self.scene
        if drawn.curves is None:
            self.places = drawn.points
            size = self.look.point_size(len(drawn.points))
        else:
            y = -(0.05 + 0.08 * drawn.curves.strip) * drawn.curves.ceiling
            self.places = np.column_stack([drawn.points[:, 0], y])
            size = 0.8 * self.look.point_size(len(drawn.points))
        area = (0.9 * size * POINTS_PER_PIXEL) ** 2
        self.markers: list[PathCollection] = [
            panel.scatter([], [], s=area, marker=marker, linewidths=0, alpha=0.85)
            for _, marker in style.COMPONENT_SYMBOLS[: drawn.n_components]
        ]
        self.moving += self.markers

    def _show_points(self, position: int) -> None:
        drawn = self.scene
        if position == 0:
            component = np.zeros(len(self.places), dtype=np.uint8)
            colours = np.broadcast_to(style.rgb(style.NEUTRAL), (len(self.places), 3))
        else:
            component, colours = drawn.most_likely[(position - 1) // 2], drawn.colours[(position - 1) // 2]
        for k, marker in enumerate(self.markers):
            chosen = component == k
            marker.set_offsets(self.places[chosen])
            marker.set_facecolor(colours[chosen] / 255)

    def _line(self, panel: Axes, x: NDArray[np.float64], y: NDArray[np.float64], **look: Any) -> None:
        """A line that follows the parameters; `x` and `y` have shape (n_iterations + 1, n_points)."""
        (line,) = panel.plot([], [], solid_joinstyle="round", **look)
        self.lines.append((line, x, y))
        self.moving.append(line)

    def _densities(self, panel: Axes) -> None:
        drawn, curves = self.scene, self.scene.curves
        assert curves is not None
        if len(curves.bin_heights):
            widths = np.diff(curves.bin_edges)
            panel.bar(curves.bin_edges[:-1] + widths / 2, curves.bin_heights, widths, color=style.NEUTRAL, alpha=0.3)
        panel.axhline(0, color="#999999", linewidth=0.8)
        panel.set(xlim=drawn.x_range, ylim=drawn.y_range)
        panel.set_yticks([tick for tick in panel.get_yticks() if 0 <= tick <= curves.ceiling])
        if curves.truth_x is not None and curves.truth_y is not None:
            self._truth(panel, curves.truth_x, curves.truth_y)
        self.lines: list[tuple[Line2D, NDArray[np.float64], NDArray[np.float64]]] = []
        look: dict[str, Any] = {"color": style.NEUTRAL, "linewidth": 1.8 * self.line, "alpha": 0.7}
        self._line(panel, curves.sum_x, curves.sum_y, label="Sum of components", **look)
        for k in range(drawn.n_components):
            look = {"color": style.COMPONENT_COLOURS[k], "linewidth": self.line}
            self._line(panel, curves.component_x[:, k], curves.component_y[:, k], **look)

    def _ellipses(self, panel: Axes) -> None:
        drawn, rings = self.scene, self.scene.rings
        assert rings is not None
        panel.set(xlim=drawn.x_range, ylim=drawn.y_range)
        if rings.truth is not None:
            gap = np.full((len(rings.truth), 2, 1, 2), np.nan)
            outlines = np.concatenate([rings.truth, gap], axis=2).reshape(len(rings.truth), -1, 2)
            self._truth(panel, outlines[..., 0], outlines[..., 1])
        self.lines = []
        for k in range(drawn.n_components):
            for outer, (width, opacity) in enumerate([(1.0, 1.0), (0.6, 0.75)]):
                x, y = np.moveaxis(rings.rings[:, k, outer], -1, 0)
                look = {"color": style.COMPONENT_COLOURS[k], "linewidth": width * self.line, "alpha": opacity}
                self._line(panel, x, y, **look)

    def _truth(self, panel: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        panel.plot([], [], "--", color=style.NEUTRAL, linewidth=0.8 * self.line, label="Truth (dashed)")
        for stand_in, across, up in zip(self.scene.stands_for, x, y, strict=True):
            colour = style.COMPONENT_COLOURS[stand_in] if stand_in >= 0 else style.NEUTRAL
            self.moving += panel.plot(across, up, "--", zorder=2, color=colour, linewidth=0.8 * self.line)

    def _means(self, panel: Axes) -> None:
        self.trails: list[Line2D] = []
        self.mean_markers: list[Line2D] = []
        self.mean_grounds: list[Line2D] = []
        for k in range(self.scene.n_components):
            colour = style.COMPONENT_COLOURS[k]
            self.trails += panel.plot([], [], color=colour, linewidth=0.8 * self.line)
            size = self.look.mean_size * POINTS_PER_PIXEL
            edge = self.look.mean_edge * POINTS_PER_PIXEL
            ground: dict[str, Any] = {"color": style.MEAN_GROUND, "markeredgewidth": 2.2 * edge}
            self.mean_grounds += panel.plot([], [], "X", markersize=size, zorder=4.9, **ground)
            self.mean_markers += panel.plot(
                [],
                [],
                "X",
                color=colour,
                markersize=size,
                markeredgecolor="white",
                markeredgewidth=edge,
                zorder=5,
            )
        self.moving += self.trails + self.mean_grounds + self.mean_markers

    def _trail_y(self, component: int, t: int) -> NDArray[np.float64]:
        drawn = self.scene
        if drawn.curves is None:
            return drawn.means[: t + 1, component, 1]
        lane = (component + 1) / (drawn.n_components + 1)
        return np.full(t + 1, -0.04 * lane * drawn.curves.ceiling)

    def _legend(self, panel: Axes) -> None:
        entries: list[Any] = [
            Line2D(
                [],
                [],
                color=colour,
                linewidth=self.line,
                marker=marker,
                markersize=5,
                label=f"Component {k + 1}",
            )
            for k, (colour, (_, marker)) in enumerate(
                zip(style.COMPONENT_COLOURS, style.COMPONENT_SYMBOLS, strict=True)
            )
        ][: self.scene.n_components]
        entries += panel.get_legend_handles_labels()[0]
        self._above(panel, entries, columns=LEGEND_COLUMNS)

    def _above(self, panel: Axes, entries: list[Any], columns: int) -> None:
        legend = panel.legend(
            handles=entries,
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=columns,
            frameon=False,
            fontsize=0.85 * self.font,
            handlelength=1.6,
            handletextpad=0.5,
            columnspacing=1.0,
            borderaxespad=0.1,
            labelspacing=0.3,
        )
        legend.set_in_layout(False)  # wider than its panel, it would squeeze it

    def _settle(self, data: Axes) -> None:
        """Fix the places of the panels and, if it is right, give x and y one scale, showing more of one."""
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")
        if self.scene.equal_scale:
            box = data.get_window_extent()
            (left, right), (low, high) = data.get_xlim(), data.get_ylim()
            unit = max((right - left) / box.width, (high - low) / box.height)
            more_x, more_y = unit * box.width - (right - left), unit * box.height - (high - low)
            data.set(xlim=(left - more_x / 2, right + more_x / 2), ylim=(low - more_y / 2, high + more_y / 2))

    def _objective(self, panel: Axes) -> None:
        history = self.history
        colour = style.OBJECTIVE
        iterations = np.arange(history.n_iterations + 1)
        panel.plot(iterations, history.objective, color=colour, linewidth=self.line, alpha=0.35)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.yaxis.set_major_formatter(_Thousands())
        (self.climbed,) = panel.plot([], [], color=colour, linewidth=1.2 * self.line)
        self.moving.append(self.climbed)
        if self.half_steps:
            look: dict[str, Any] = {"color": style.BOUND, "linewidth": 0.8 * self.line}
            (self.stairs,) = panel.plot([], [], "o-", markersize=1.2 * self.line, label="Lower bound", **look)
            self.moving.append(self.stairs)
            # Where no curve goes.
            panel.legend(loc="lower right", bbox_to_anchor=(1, 0.06), frameon=False, fontsize=0.85 * self.font)
            note: dict[str, Any] = {"fontsize": 0.85 * self.font, "ha": "right", "transform": panel.transAxes}
            panel.text(0.98, 0.03, self.climb.note, color="#444444", **note)
        (self.now,) = panel.plot(
            [], [], "o", color=colour, markersize=0.6 * self.look.now_size, markeredgecolor="white"
        )
        self.moving.append(self.now)
        margin = self.look.now_size / 300 * max(history.n_iterations, 1)
        panel.set(xlim=(-margin, history.n_iterations + margin), ylim=self.climb.y_range)


class _Thousands(ScalarFormatter):
    """Numbers in full, with separators as on the screen."""

    def __init__(self) -> None:
        super().__init__(useOffset=False)
        self.set_scientific(False)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return re.sub(r"\d+", lambda whole: f"{int(whole[0]):,}", super().__call__(x, pos), count=1)


class _Canvas:
    """Frames of an animation: what stands still is drawn once, the rest on a copy of it."""

    def __init__(self, panels: _Panels) -> None:
        self.panels = panels
        self.canvas = cast(Any, FigureCanvasAgg(panels.figure))  # it ships without types
        for artist in panels.moving:
            artist.set_animated(True)
        self.canvas.draw()
        self.ground = self.canvas.copy_from_bbox(panels.figure.bbox)
        self.moving = sorted(panels.moving, key=lambda artist: artist.get_zorder())

    def draw(self, position: int) -> NDArray[np.uint8]:
        """The frame at `position`, RGB of shape (height, width, 3)."""
        self.panels.show(position)
        self.canvas.restore_region(self.ground)
        for artist in self.moving:
            self.panels.figure.draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()


def _check_positions(history: History, positions: Sequence[int]) -> None:
    if not len(positions):
        raise ValueError("positions must name at least one position, got none")
    if not 0 <= min(positions) <= max(positions) < history.n_positions:
        raise ValueError(
            f"positions must be from 0 to {history.n_positions - 1}, got {min(positions)} to {max(positions)}"
        )


def _thinned(positions: Sequence[int], most: int) -> list[int]:
    """At most so many of the positions, evenly spread, with the first and the last."""
    if len(positions) <= most:
        return list(positions)
    return [positions[i] for i in np.rint(np.linspace(0, len(positions) - 1, most)).astype(int).tolist()]


def _gif_palette(samples: list[NDArray[np.uint8]], n_components: int) -> Image.Image:
    """An image with the palette for all frames: the components' own colours, and these frames' commonest.

    255 colours at most: the last place stays free for "as in the frame before".
    """
    white = np.full((1, 3), 255, dtype=np.uint8)
    own = np.concatenate([style.palette(n_components), white, style.rgb(style.NEUTRAL)[None]])
    commonest = Image.fromarray(np.concatenate(samples)).quantize(255 - len(own)).getpalette("RGB")
    found = np.array(commonest, dtype=np.uint8).reshape(-1, 3)
    # Pillow looks colours up by their first six bits: one almost like white would stand in for white itself.
    distance = np.abs(found[:, None].astype(int) - own).max(axis=-1).min(axis=1)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([own, found[distance > 12]]).tobytes())
    return palette
