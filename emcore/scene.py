"""What a picture of a Gaussian-mixture run draws, as plain arrays, for Plotly and for matplotlib alike.

Everything is indexed by iteration t: colours are those of the E-step at theta_t, shapes those of theta_t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from emcore.em import History
from emcore.matching import match
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.report import number

MAX_POINTS: Final = 2000
RING_POINTS: Final = 49  # at 200 px of radius, chords leave the circle by less than half a pixel
CONTOUR_GRID: Final = 60
EQUAL_SCALE_RATIO: Final = 3.0  # units whose spans differ by more are not alike
ASPECTS: Final = (1.3, 1.6)  # width by height of what one scale shows: wide screens and phones both have room for it
HEADROOM: Final = 1.25  # how far above the histogram a density may rise before it is cut off
FEW_POINTS: Final = 10  # fewer are shown one by one: their bars would say more about the bins than about them
LONE_REACH: Final = 3.5  # on both sides of data without any spread, whose components start with sd 1
# A component's curve in its own sds, dense where it bends: drawn as well when narrow as when wide.
# It begins and ends on the axis: the peak of a component that is cut off far below its 5 sds is seen all the same.
STANDARD_GRID: Final = np.concatenate(
    [[-5.0, -5.0, -4.4, -3.9, -3.5], np.linspace(-3.2, 3.2, 65), [3.5, 3.9, 4.4, 5.0, 5.0]]
)
STANDARD_DENSITY: Final = np.exp(-0.5 * STANDARD_GRID**2) / np.sqrt(2 * np.pi)
STANDARD_DENSITY[[0, -1]] = 0.0


@dataclass(frozen=True, eq=False)
class Curves:
    """The densities of a one-dimensional run. All of them are in 1 / (the data's unit).

    Attributes
    ----------
    bin_edges, bin_heights : ndarray of shape (n_bins + 1,), (n_bins,)
        Histogram of all points as a density: its area is 1. No bins for fewer than FEW_POINTS points, or equal ones.
    component_x, component_y : ndarray of shape (n_iterations + 1, n_components, n_grid)
        weights[k] N(x | means[k], sd[k]^2), each on its own grid, from 5 sds below to 5 sds above its mean; there the
        line ends with a drop to 0.
    sum_x, sum_y : ndarray of shape (n_iterations + 1, n_sum_grid)
        Their sum, the density of the mixture, on a grid over the picture that is finer near the means.
    truth_x, truth_y : ndarray of shape (n_true_components, n_grid), or None
        The weighted components that made the data.
    ceiling : float
        The top of the picture. It follows from the data (and the truth), so that another start does not move it. Values
        are kept below 1,000 times as much, so that any screen can draw them.
    strip : ndarray of shape (n_shown,)
        A fixed height in [0, 1] for each point shown, so that points of like values can be told apart.
    """

    bin_edges: NDArray[np.float64]
    bin_heights: NDArray[np.float64]
    component_x: NDArray[np.float64]
    component_y: NDArray[np.float64]
    sum_x: NDArray[np.float64]
    sum_y: NDArray[np.float64]
    truth_x: NDArray[np.float64] | None
    truth_y: NDArray[np.float64] | None
    ceiling: float
    strip: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rings:
    """The ellipses of a two-dimensional run.

    Attributes
    ----------
    rings : ndarray of shape (n_iterations + 1, n_components, 2, RING_POINTS, 2)
        Closed lines (x, y) at Mahalanobis distance 1 (first) and 2 from the mean. In two dimensions they hold
        39% and 86% of their component.
    truth : ndarray of shape (n_true_components, 2, RING_POINTS, 2), or None
        The same for the components that made the data.
    """

    rings: NDArray[np.float64]
    truth: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Scene:
    """A run, ready to be drawn.

    Attributes
    ----------
    rows : ndarray of int, shape (n_shown,)
        The rows of X that are shown; every row is fitted.
    points : ndarray of shape (n_shown, n_features)
        These rows.
    colours : ndarray of uint8, shape (n_iterations + 1, n_shown, 3)
        Colour of each point after E-step t: the components' colours mixed as light in the ratio of its
        responsibilities.
    most_likely : ndarray of uint8, shape (n_iterations + 1, n_shown)
        The component with the largest responsibility.
    means : ndarray of shape (n_iterations + 1, n_components, n_features)
    x_range, y_range : tuple of float
        What the axes cover during the whole run: the data and the true means, whatever the run does, so that all runs
        on the same data can be compared. In one dimension y is the density.
    equal_scale : bool
        Whether the two axes' units are alike enough for one scale.
    curves : Curves or None
        In one dimension.
    rings : Rings or None
        In two dimensions.
    stands_for : tuple of int
        The component that ends up standing for each true one (`matching.match`), -1 for none; empty without a truth.
    notes : tuple of str
        What the picture leaves out, in words.
    """

    rows: NDArray[np.intp]
    points: NDArray[np.float64]
    colours: NDArray[np.uint8]
    most_likely: NDArray[np.uint8]
    means: NDArray[np.float64]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    equal_scale: bool
    curves: Curves | None
    rings: Rings | None
    stands_for: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def n_components(self) -> int:
        """The number of components."""
        return int(self.means.shape[1])

    @property
    def n_features(self) -> int:
        """1 or 2."""
        return int(self.means.shape[2])

    @property
    def n_iterations(self) -> int:
        """The number of M-steps."""
        return len(self.means) - 1


def scene(
    history: History,
    palette: NDArray[np.uint8],
    *,
    max_points: int = MAX_POINTS,
    truth: GaussianMixtureParameters | None = None,
) -> Scene:
    """What pictures of this run draw.

    Parameters
    ----------
    history : History
        A run of a mixture whose parameters have weights, means and covariances, on one or two features.
    palette : ndarray of uint8, shape (at least n_components, 3)
        sRGB colours of the components.
    max_points : int
        Draw no more points than these, a fixed random choice.
    truth : GaussianMixtureParameters, optional
        What made the data.

    Raises
    ------
    ValueError
        If there are more than two features, or fewer colours than components.
    """
    X: NDArray[np.float64] = history.prepared.X
    n_samples, n_features = X.shape
    if n_features > 2:
        raise ValueError(f"a picture shows 1 or 2 features, got {n_features}; try two columns")
    n_components = len(history.parameters[0].weights)
    if len(palette) < n_components:
        raise ValueError(f"palette must have a colour for each of {n_components} components, got {len(palette)}")
    rows = shown_rows(n_samples, max_points)
    points = X[rows]
    colours, most_likely = _colours(history, points, palette[:n_components])
    weights = np.array([theta.weights for theta in history.parameters])
    means = np.array([theta.means for theta in history.parameters])
    covariances = np.array([theta.covariances for theta in history.parameters])
    ranges = [axis_range(X[:, j], None if truth is None else truth.means[:, j]) for j in range(n_features)]
    notes = []
    if len(rows) < n_samples:
        notes.append(f"{len(rows):,} of {n_samples:,} points are drawn; all are used.")
    curves = rings = None
    if n_features == 1:
        x_range = ranges[0]
        curves, cut = _curves(X[:, 0], rows, weights, means[..., 0], covariances[..., 0, 0], x_range, truth)
        y_range = (-0.14 * curves.ceiling, curves.ceiling)
        if cut:
            notes.append(f"Densities above {curves.ceiling:.3g} are cut off.")
        equal_scale = False
    else:
        true_rings = None if truth is None else ellipses(truth.means, truth.covariances)
        rings = Rings(ellipses(means, covariances), true_rings)
        x_range, y_range = ranges
        ratio = (x_range[1] - x_range[0]) / (y_range[1] - y_range[0])
        equal_scale = 1 / EQUAL_SCALE_RATIO <= ratio <= EQUAL_SCALE_RATIO
        if equal_scale:
            x_range = widened(x_range, max(1.0, ASPECTS[0] / ratio))
            y_range = widened(y_range, max(1.0, ratio / ASPECTS[1]))
    notes += _starts_outside(means[0], [x_range, y_range][:n_features])
    return Scene(
        rows,
        points,
        colours,
        most_likely,
        means,
        x_range,
        y_range,
        equal_scale,
        curves,
        rings,
        () if truth is None else _stand_ins(history, truth),
        tuple(notes),
    )


def _starts_outside(means: NDArray[np.float64], ranges: list[tuple[float, float]]) -> list[str]:
    """A sentence on the components that start where the picture does not reach: only a start by hand can."""
    low, high = np.array(ranges).T
    outside = [str(k + 1) for k in np.flatnonzero(((means < low) | (means > high)).any(axis=1))]
    if not outside:
        return []
    if len(outside) == 1:
        return [f"Component {outside[0]} starts outside the picture."]
    return [f"Components {', '.join(outside[:-1])} and {outside[-1]} start outside the picture."]


def _stand_ins(history: History, truth: GaussianMixtureParameters) -> tuple[int, ...]:
    partners = match(history.parameters[-1], truth).tolist()
    return tuple(partners.index(true) if true in partners else -1 for true in range(truth.n_components))


def shown_rows(n_samples: int, max_points: int = MAX_POINTS) -> NDArray[np.intp]:
    """The rows of X that a picture shows: all, or a random choice that is the same every time, ascending."""
    if n_samples <= max_points:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(0).choice(n_samples, max_points, replace=False))


def every_share(history: History) -> NDArray[np.float64]:
    """The responsibilities after each E-step of a small run, shape (n_iterations + 1, n_samples, n_components)."""
    return np.array([history.posterior(t).responsibilities for t in range(history.n_iterations + 1)])


def mix(responsibilities: ArrayLike, palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The components' colours mixed as light, in the ratio of the responsibilities.

    Light adds up in linear units, not in sRGB's: half and half is as bright as the mean of the two.

    Parameters
    ----------
    responsibilities : array of shape (..., n_components)
    palette : ndarray of uint8, shape (n_components, 3)
        sRGB.

    Returns
    -------
    ndarray of uint8, shape (..., 3)
        sRGB.
    """
    light = np.asarray(responsibilities, dtype=np.float64) @ _SRGB_TO_LINEAR[palette]
    steps = np.rint(light * (len(_LINEAR_TO_SRGB) - 1)).astype(np.intp)
    return _LINEAR_TO_SRGB[np.clip(steps, 0, len(_LINEAR_TO_SRGB) - 1)]


def ellipses(means: NDArray[np.float64], covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points at Mahalanobis distance 1 and 2 from each mean, shape (..., 2, RING_POINTS, 2).

    Parameters
    ----------
    means : ndarray of shape (..., 2)
    covariances : ndarray of shape (..., 2, 2)
    """
    # Cholesky by hand: an almost singular covariance gives a flat ellipse here and an error in LAPACK.
    sd_x = np.sqrt(covariances[..., 0, 0])
    slope = covariances[..., 0, 1] / sd_x
    rest = np.sqrt(np.maximum(covariances[..., 1, 1] - slope**2, 0.0))
    angle = np.linspace(0, 2 * np.pi, RING_POINTS)
    cos, sin = np.cos(angle), np.sin(angle)
    cos[-1], sin[-1] = cos[0], sin[0]  # closed exactly
    x = sd_x[..., None] * cos
    y = slope[..., None] * cos + rest[..., None] * sin
    unit = np.stack([x, y], axis=-1)[..., None, :, :]
    rings: NDArray[np.float64] = means[..., None, None, :] + unit * np.array([1.0, 2.0])[:, None, None]
    return rings


def contour_lines(
    drawn: Scene,
    history: History,
    *,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Lines of equal density of the whole mixture, for every iteration of a two-dimensional run.

    The same six densities during the whole run, log-spaced over what the points meet at its end.

    Parameters
    ----------
    drawn : Scene
        Of this run.
    history : History
    x_range, y_range : tuple of float, optional
        Where the picture shows something else than the scene's ranges.

    Returns
    -------
    ndarray of shape (n_iterations + 1, n_line_points, 2)
        Pieces of line (x, y), each followed by a gap (NaN); padded with NaN to one length.
    """
    xs = np.linspace(*(x_range or drawn.x_range), CONTOUR_GRID)
    ys = np.linspace(*(y_range or drawn.y_range), CONTOUR_GRID)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    low, high = np.quantile(log_density(drawn.points, history.parameters[-1]), [0.05, 0.95]).tolist()
    levels = np.linspace(low, high, 6)
    lines = []
    for theta in history.parameters:
        heights = log_density(grid, theta)
        lines.append(np.concatenate([level_line(heights, level, xs, ys) for level in levels]))
    drawn_lines = np.full((len(lines), max(1, *map(len, lines)), 2), np.nan)
    for t, line in enumerate(lines):
        drawn_lines[t, : len(line)] = line
    return drawn_lines


def log_density(points: NDArray[np.float64], parameters: Any) -> NDArray[np.float64]:
    """log p(x) of a mixture at two-dimensional points, shape (..., 2), in nats."""
    terms = []
    for weight, mean, covariance in zip(parameters.weights, parameters.means, parameters.covariances, strict=True):
        sd_x = np.sqrt(covariance[0, 0])
        slope = covariance[0, 1] / sd_x
        rest = np.sqrt(max(covariance[1, 1] - slope**2, np.finfo(float).tiny))
        offset = points - mean
        u = offset[..., 0] / sd_x
        v = (offset[..., 1] - slope * u) / rest
        terms.append(np.log(weight / (2 * np.pi * sd_x * rest)) - 0.5 * (u**2 + v**2))
    density: NDArray[np.float64] = logsumexp(terms, axis=0)
    return density


# Marching squares: which corners of a cell lie above the level (bits: lower left, lower right, upper right,
# upper left) says which of its sides (0 lower, 1 right, 2 upper, 3 left) the line joins. The two saddles
# (5 and 10) each take one of two ways.
_CELL_LINES: Final = (
    (1, 3, 0), (2, 0, 1), (3, 3, 1), (4, 1, 2), (5, 3, 2), (5, 0, 1), (6, 0, 2), (7, 3, 2),
    (8, 2, 3), (9, 0, 2), (10, 3, 0), (10, 1, 2), (11, 1, 2), (12, 1, 3), (13, 0, 1), (14, 0, 3),
)  # fmt: skip


def level_line(
    heights: NDArray[np.float64], level: float, xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where the grid crosses the level: pieces of two points and a gap, shape (3 * n_pieces, 2)."""
    above = heights > level
    cases = above[:-1, :-1] + 2 * above[:-1, 1:] + 4 * above[1:, 1:] + 8 * above[1:, :-1]
    rows, columns = np.nonzero((cases > 0) & (cases < 15))  # the few cells that the line passes through
    found = cases[rows, columns]
    pieces = []
    for case, *sides in _CELL_LINES:
        row, column = rows[found == case], columns[found == case]
        if len(row):
            ends = [_crossing(heights, level, xs, ys, row, column, side) for side in sides]
            pieces.append(np.stack([*ends, np.full((len(row), 2), np.nan)], axis=1).reshape(-1, 2))
    return np.concatenate(pieces) if pieces else np.empty((0, 2))


def _crossing(
    heights: NDArray[np.float64],
    level: float,
    xs: NDArray[np.float64],
    ys: NDArray[np.float64],
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    side: int,
) -> NDArray[np.float64]:
    """Where the level lies between the two corners of one side of each cell, shape (n_cells, 2)."""
    (r0, c0), (r1, c1) = (((0, 0), (0, 1)), ((0, 1), (1, 1)), ((1, 0), (1, 1)), ((0, 0), (1, 0)))[side]
    low, high = heights[row + r0, column + c0], heights[row + r1, column + c1]
    part = (level - low) / (high - low)
    x = xs[column + c0] + part * (xs[column + c1] - xs[column + c0])
    y = ys[row + r0] + part * (ys[row + r1] - ys[row + r0])
    return np.stack([x, y], axis=1)


def _colours(
    history: History, points: NDArray[np.float64], palette: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    prepared = history.model.prepare(points)  # a point's responsibilities depend on no other point
    colours = np.empty((len(history.parameters), len(points), 3), dtype=np.uint8)
    most_likely = np.empty((len(history.parameters), len(points)), dtype=np.uint8)
    for t, theta in enumerate(history.parameters):
        responsibilities = history.model.e_step(prepared, theta).responsibilities
        colours[t] = mix(responsibilities, palette)
        most_likely[t] = responsibilities.argmax(axis=1)
    return colours, most_likely


def _curves(
    x: NDArray[np.float64],
    rows: NDArray[np.intp],
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    variances: NDArray[np.float64],
    x_range: tuple[float, float],
    truth: GaussianMixtureParameters | None,
) -> tuple[Curves, bool]:
    """The curves, and whether they are cut off. `weights`, `means`, `variances` have shape (T + 1, K)."""
    sd = float(x.std()) if np.ptp(x) > 0 else 1.0
    if len(x) < FEW_POINTS or np.ptp(x) == 0:
        edges, heights = np.array([x[0]]), np.empty(0)
        usual = 1.25 / (np.sqrt(2 * np.pi) * sd)  # one Gaussian with the data's spread, and some more
    else:
        edges, heights = histogram(x)
        usual = float(heights.max())
    sds = np.sqrt(variances)
    component_x = means[..., None] + sds[..., None] * STANDARD_GRID
    component_y = (weights / sds)[..., None] * STANDARD_DENSITY
    sum_x = _sum_grid(means, sds, x_range)
    sum_y = np.zeros_like(sum_x)
    for k in range(means.shape[1]):
        z = (sum_x - means[:, k, None]) / sds[:, k, None]
        sum_y += _weighted_density(weights[:, k, None], sds[:, k, None], z)
    truth_x = truth_y = None
    if truth is not None:
        true_sds = np.sqrt(np.asarray(truth.covariances)[:, 0, 0])[:, None]
        truth_x = np.asarray(truth.means) + true_sds * STANDARD_GRID
        truth_y = np.asarray(truth.weights)[:, None] / true_sds * STANDARD_DENSITY
        usual = max(usual, min(float(truth_y.max()), 3 * usual))  # not so narrow a one that it hides the data
    ceiling = float(HEADROOM * usual)
    cut = max(float(sum_y.max()), 0.0 if truth_y is None else float(truth_y.max())) > ceiling
    limit = 1000 * ceiling
    curves = Curves(
        edges,
        heights,
        component_x,
        np.minimum(component_y, limit),
        sum_x,
        np.minimum(sum_y, limit),
        truth_x,
        None if truth_y is None else np.minimum(truth_y, limit),
        ceiling,
        np.random.default_rng(0).uniform(size=len(rows)),
    )
    return curves, cut


def histogram(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bin edges and densities (area 1) of one feature.

    Freedman & Diaconis' (1981) width, but no fewer bins than show more than one hump, and no more than 60.
    """
    low, high = float(x.min()), float(x.max())
    if not high > low:
        low, high = axis_range(x)
    quarter, three_quarters = np.quantile(x, [0.25, 0.75])
    width = 2 * float(three_quarters - quarter) / len(x) ** (1 / 3)
    fewest = int(np.clip(1.5 * np.sqrt(len(x)), 5, 24))
    n_bins = 60 if width <= 0 else int(np.clip(np.ceil((high - low) / width), fewest, 60))
    edges = np.linspace(low, high, n_bins + 1)
    counts, _ = np.histogram(x, edges)
    return edges, counts / (counts.sum() * np.diff(edges))


def _weighted_density(weight: Any, sd: Any, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """weight N(x | mean, sd^2) where z = (x - mean) / sd."""
    density: NDArray[np.float64] = weight * np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * sd)
    return density


def _sum_grid(
    means: NDArray[np.float64], sds: NDArray[np.float64], x_range: tuple[float, float]
) -> NDArray[np.float64]:
    """A grid over the picture for every iteration, finer around each mean: no component slips through it."""
    n_near = max(21, min(61, 120 // means.shape[1] | 1))  # odd: the mean itself is on the grid
    near = (means[..., None] + sds[..., None] * np.linspace(-4, 4, n_near)).reshape(len(means), -1)
    far = np.broadcast_to(np.linspace(*x_range, 97), (len(means), 97))
    return np.sort(np.concatenate([near, far], axis=1), axis=1)


def axis_range(values: NDArray[np.float64], also: NDArray[np.float64] | None = None) -> tuple[float, float]:
    """A range that covers one feature of the data, and `also`, with room for what spreads beyond it.

    Few points lie less far out than their Gaussian reaches, so they get more room.
    """
    covered = values if also is None else np.concatenate([values, also])
    low, high = float(covered.min()), float(covered.max())
    if not high > low:
        margin = max(LONE_REACH, 1e-9 * abs(high))
    else:
        margin = max(0.09 * (high - low), (0.7 if len(values) >= FEW_POINTS else 1.5) * float(values.std()))
    return low - margin, high + margin


def widened(interval: tuple[float, float], factor: float) -> tuple[float, float]:
    """The same middle, `factor` times the width."""
    more = 0.5 * (factor - 1) * (interval[1] - interval[0])
    return interval[0] - more, interval[1] + more


@dataclass(frozen=True, eq=False)
class Climb:
    """Where a picture of the objective's curve puts the place in the run.

    Attributes
    ----------
    heights : ndarray of shape (n_positions,)
        The objective, or with half-steps the lower bound; what lies below the picture stands at its lower edge.
    below : ndarray of bool, shape (n_positions,)
        Whether the true height lies below the picture.
    y_range : tuple of float
    note : str
        What the picture leaves out, in words.
    """

    heights: NDArray[np.float64]
    below: NDArray[np.bool_]
    y_range: tuple[float, float]
    note: str


def climb(history: History, *, half_steps: bool = False, since: int = 0) -> Climb:
    """The heights of every position, and a range that shows them from iteration `since` on.

    With half-steps, bound and objective must be seen apart. Where the first gain is more than half of all, that takes
    a picture that begins with the first M-step; the start lies below it.
    """
    positions = np.arange(history.n_positions)
    objective = np.asarray(history.objective)
    heights = objective[positions // 2]
    if half_steps:
        heights = np.where(positions == 0, objective[0], history.lower_bounds)
    first = 2 * since + 1 if since else 0
    dwarfed = history.n_iterations >= 5 and objective[1] - objective[0] > 0.5 * float(np.ptp(objective))
    if half_steps and not since and dwarfed:
        first = 2
    low, high = covering(np.concatenate([objective[(first + 1) // 2 :], heights[first:]]))
    below = heights < low
    note = ""
    if first == 2 and below[0]:
        note = f"Iteration 0 is below: {number(float(objective[0]))}"
    return Climb(np.where(below, low + 0.04 * (high - low), heights), below, (low, high), note)


def covering(values: NDArray[np.float64]) -> tuple[float, float]:
    """A range that covers the values with a margin. A span that rounding could make counts as none."""
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    size = max(abs(high), 1.0)
    margin = 0.06 * (high - low) if high - low > 1e-9 * size else 1e-3 * size
    return low - margin, high + margin


def _srgb_to_linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """IEC 61966-2-1, values from 0 to 1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _linear_to_srgb(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


_SRGB_TO_LINEAR: Final = _srgb_to_linear(np.arange(256) / 255)
# Powers are slow and there are millions of colours: 16,384 steps are within one of the 256 levels of sRGB.
_LINEAR_TO_SRGB: Final = np.rint(255 * _linear_to_srgb(np.linspace(0, 1, 16384))).astype(np.uint8)
