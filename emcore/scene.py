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

MAX_POINTS: Final = 2000
RING_POINTS: Final = 49  # at 200 px of radius, chords leave the circle by less than half a pixel
CONTOUR_GRID: Final = 48
EQUAL_SCALE_RATIO: Final = 3.0  # units whose spans differ by more are not alike
CEILING: Final = 3.0  # how far above the histogram a density may rise before it is cut off
# A component's curve in its own sds, dense where it bends: drawn as well when narrow as when wide.
STANDARD_GRID: Final = np.concatenate([[-5.0, -4.4, -3.9, -3.5], np.linspace(-3.2, 3.2, 65), [3.5, 3.9, 4.4, 5.0]])


@dataclass(frozen=True, eq=False)
class Curves:
    """The densities of a one-dimensional run. All of them are in 1 / (the data's unit).

    Attributes
    ----------
    bin_edges, bin_heights : ndarray of shape (n_bins + 1,), (n_bins,)
        Histogram of all points as a density: its area is 1.
    component_x, component_y : ndarray of shape (n_iterations + 1, n_components, n_grid)
        weights[k] N(x | means[k], sd[k]^2), each on its own grid, from 5 sds below to 5 sds above its mean.
    sum_x, sum_y : ndarray of shape (n_iterations + 1, n_sum_grid)
        Their sum, the density of the mixture, on a grid over the picture that is finer near the means.
    truth_x, truth_y : ndarray of shape (n_true_components, n_grid), or None
        The weighted components that made the data.
    ceiling : float
        The top of the picture. Values are kept below 1,000 times as much, so that any screen can draw them.
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
        What the axes cover during the whole run: the data and all means. In one dimension y is the density.
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
    covered = [X.min(axis=0), X.max(axis=0), means.min(axis=(0, 1)), means.max(axis=(0, 1))]
    if truth is not None:
        covered += list(truth.means)
    notes = []
    if len(rows) < n_samples:
        notes.append(f"{len(rows):,} of {n_samples:,} points drawn, all fitted.")
    curves = rings = None
    if n_features == 1:
        x_range = _padded(np.array(covered)[:, 0])
        curves, cut = _curves(X[:, 0], rows, weights, means[..., 0], covariances[..., 0, 0], x_range, truth)
        y_range = (-0.14 * curves.ceiling, curves.ceiling)
        if cut:
            notes.append(f"Densities above {curves.ceiling:.3g} are cut off.")
        equal_scale = False
    else:
        true_rings = None if truth is None else ellipses(truth.means, truth.covariances)
        rings = Rings(ellipses(means, covariances), true_rings)
        covered += [rings.rings[-1].min(axis=(0, 1, 2)), rings.rings[-1].max(axis=(0, 1, 2))]
        x_range, y_range = _padded(np.array(covered)[:, 0]), _padded(np.array(covered)[:, 1])
        ratio = (x_range[1] - x_range[0]) / (y_range[1] - y_range[0])
        equal_scale = 1 / EQUAL_SCALE_RATIO <= ratio <= EQUAL_SCALE_RATIO
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


def _stand_ins(history: History, truth: GaussianMixtureParameters) -> tuple[int, ...]:
    partners = match(history.parameters[-1], truth).tolist()
    return tuple(partners.index(true) if true in partners else -1 for true in range(truth.n_components))


def shown_rows(n_samples: int, max_points: int = MAX_POINTS) -> NDArray[np.intp]:
    """The rows of X that a picture shows: all, or a random choice that is the same every time, ascending."""
    if n_samples <= max_points:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(0).choice(n_samples, max_points, replace=False))


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


def contour_lines(drawn: Scene, history: History) -> NDArray[np.float64]:
    """Lines of equal density of the whole mixture, for every iteration of a two-dimensional run.

    The same six densities during the whole run, log-spaced over what the points meet at its end.

    Returns
    -------
    ndarray of shape (n_iterations + 1, n_line_points, 2)
        Pieces of line (x, y), each followed by a gap (NaN); padded with NaN to one length.
    """
    xs = np.linspace(*drawn.x_range, CONTOUR_GRID)
    ys = np.linspace(*drawn.y_range, CONTOUR_GRID)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    low, high = np.quantile(log_density(drawn.points, history.parameters[-1]), [0.05, 0.95]).tolist()
    levels = np.linspace(low, high, 6)
    lines = []
    for theta in history.parameters:
        heights = log_density(grid, theta)
        lines.append(np.concatenate([_level_line(heights, level, xs, ys) for level in levels]))
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


def _level_line(
    heights: NDArray[np.float64], level: float, xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where the grid crosses the level: pieces of two points and a gap, shape (3 * n_pieces, 2)."""
    above = heights > level
    cases = above[:-1, :-1] + 2 * above[:-1, 1:] + 4 * above[1:, 1:] + 8 * above[1:, :-1]
    pieces = []
    for case, *sides in _CELL_LINES:
        row, column = np.nonzero(cases == case)
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
    edges, heights = histogram(x)
    sds = np.sqrt(variances)
    component_x = means[..., None] + sds[..., None] * STANDARD_GRID
    component_y = _weighted_density(weights[..., None], 1.0, STANDARD_GRID) / sds[..., None]
    sum_x = _sum_grid(means, sds, x_range)
    sum_y = np.zeros_like(sum_x)
    for k in range(means.shape[1]):
        z = (sum_x - means[:, k, None]) / sds[:, k, None]
        sum_y += _weighted_density(weights[:, k, None], sds[:, k, None], z)
    truth_x = truth_y = None
    usual = float(heights.max())
    if truth is not None:
        true_sds = np.sqrt(np.asarray(truth.covariances)[:, 0, 0])[:, None]
        truth_x = np.asarray(truth.means) + true_sds * STANDARD_GRID
        truth_y = _weighted_density(np.asarray(truth.weights)[:, None], true_sds, STANDARD_GRID)
        usual = max(usual, float(truth_y.max()))
    top = float(sum_y.max())
    cut = top > CEILING * usual
    ceiling = 1.06 * min(max(top, usual), CEILING * usual)
    limit = 1000 * ceiling
    curves = Curves(
        edges,
        heights,
        component_x,
        np.minimum(component_y, limit),
        sum_x,
        np.minimum(sum_y, limit),
        truth_x,
        truth_y,
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
        low, high = _padded(np.array([low, high]))
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


def _padded(values: NDArray[np.float64]) -> tuple[float, float]:
    """A range that covers the values with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _srgb_to_linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """IEC 61966-2-1, values from 0 to 1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _linear_to_srgb(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


_SRGB_TO_LINEAR: Final = _srgb_to_linear(np.arange(256) / 255)
# Powers are slow and there are millions of colours: 16,384 steps are within one of the 256 levels of sRGB.
_LINEAR_TO_SRGB: Final = np.rint(255 * _linear_to_srgb(np.linspace(0, 1, 16384))).astype(np.uint8)
