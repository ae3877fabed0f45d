"""One half-step of a Gaussian mixture with every number that it passes through: what one would write on paper.

The numbers are those of the model's own E-step and M-step, taken apart: the density of one component is the E-step of
a mixture of that component alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.em import DegenerateFit, History
from emcore.experiment import Experiment, OwnData
from emcore.matching import match
from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.models.gaussian_mixture import require_maximum_likelihood
from emcore.report import listed, number, significant
from emcore.scene import axis_range, log_density, scene
from emcore.starts import ByHand

Array = NDArray[np.float64]

MOST_POINTS: Final = 500  # that a page on single numbers works with
SHEET_ROWS: Final = 12
CURVE_POINTS: Final = 241
GRID_POINTS: Final = 61  # along each axis of the plane, for the outlines of regions
COARSE_GRID: Final = 25  # the same for so many outlines that they would weigh too much
MANY_OUTLINES: Final = 600


# ---- The E-step at one place -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Bayes:
    """Bayes' rule at one place, number by number (Bishop 2006, equation 9.13).

    Attributes
    ----------
    x : ndarray of shape (n_features,)
        The place.
    weights : ndarray of shape (n_components,)
        p(z = k), the probability of each component before x is seen.
    means : ndarray of shape (n_components, n_features)
    covariances : ndarray of shape (n_components, n_features, n_features)
    spreads : ndarray of shape (n_components,)
        The square root of the determinant of each covariance: in one dimension the standard deviation.
    squared_distances : ndarray of shape (n_components,)
        (x - mean)' covariance^-1 (x - mean), the squared Mahalanobis distance of x from each mean: in one dimension
        the square of the distance in standard deviations.
    densities : ndarray of shape (n_components,)
        p(x | z = k) = exp(-squared distance / 2) / ((2 pi)^(n_features / 2) spread) (Bishop 2006, equation 2.43), in
        1 / (the unit of x), in two dimensions 1 / (the product of both units).
    log_densities : ndarray of shape (n_components,)
        Their logarithms, in nats.
    products : ndarray of shape (n_components,)
        Weight x density, p(x, z = k).
    density : float
        Their sum, p(x).
    responsibilities : ndarray of shape (n_components,)
        Product / sum, p(z = k | x).
    log_products : ndarray of shape (n_components,)
        Logarithms of the products, in nats: finite also where the products are too small for a double.
    largest : float
        The largest of them.
    scaled : ndarray of shape (n_components,)
        exp(log product - largest): at most 1, and one of them is 1.
    log_density : float
        log p(x) = largest + log(sum of scaled), in nats.
    """

    x: Array
    weights: Array
    means: Array
    covariances: Array
    spreads: Array
    squared_distances: Array
    densities: Array
    log_densities: Array
    products: Array
    density: float
    responsibilities: Array
    log_products: Array
    largest: float
    scaled: Array
    log_density: float

    @property
    def log_weights(self) -> Array:
        """Logarithms of the weights."""
        return np.log(self.weights)

    @property
    def log_spreads(self) -> Array:
        """Logarithms of the spreads."""
        return np.log(self.spreads)

    @property
    def underflows(self) -> bool:
        """Whether every product is 0 in double precision, so that only the logarithms tell them apart."""
        return self.density == 0


def bayes(parameters: GaussianMixtureParameters, x: ArrayLike) -> Bayes:
    """Bayes' rule at the place `x`, of shape (n_features,), under these parameters.

    ValueError if `x` does not fit them.
    """
    place = np.array(x, dtype=np.float64)
    if place.shape != (parameters.n_features,) or not np.isfinite(place).all():
        raise ValueError(f"x must be {parameters.n_features} finite numbers, got {np.asarray(x).tolist()}")
    logs = log_products(parameters, place[None])[0]
    largest = float(logs.max())
    posterior = GaussianMixture(parameters.n_components).e_step(place[None], parameters)
    log_densities = logs - np.log(parameters.weights)
    spreads = _spreads(parameters.covariances)
    # from the density, not from an inverse of the covariance, so that the one always follows from the other
    squared = -2 * (log_densities + np.log(spreads) + log_constant(parameters.n_features))
    return Bayes(
        x=place,
        weights=parameters.weights,
        means=parameters.means,
        covariances=parameters.covariances,
        spreads=spreads,
        squared_distances=np.where(squared < 1e-10, 0.0, squared),
        densities=np.exp(log_densities),
        log_densities=log_densities,
        products=np.exp(logs),
        density=float(np.exp(posterior.objective)),
        responsibilities=posterior.responsibilities[0],
        log_products=logs,
        largest=largest,
        scaled=np.exp(logs - largest),
        log_density=posterior.objective,
    )


def log_constant(n_features: int) -> float:
    """ln((2 pi)^(n_features / 2)): what every Gaussian density of so many features is divided by, as a logarithm."""
    return 0.5 * n_features * float(np.log(2 * np.pi))


def _spreads(covariances: Array) -> Array:
    """Square roots of the determinants of covariances of one or two features, without losing flat ones to rounding."""
    first = covariances[:, 0, 0]
    if covariances.shape[1] == 1:
        return np.sqrt(first)
    rest = covariances[:, 1, 1] - covariances[:, 0, 1] ** 2 / first
    return np.sqrt(first * np.maximum(rest, np.finfo(float).tiny))


def log_products(parameters: GaussianMixtureParameters, X: Array) -> Array:
    """log(weights[k] N(x_n | means[k], covariances[k])) in nats, shape (n_samples, n_components).

    One E-step a point and component: for few points.
    """
    alone = GaussianMixture(1)
    kinds = [
        GaussianMixtureParameters(np.ones(1), parameters.means[k : k + 1], parameters.covariances[k : k + 1])
        for k in range(parameters.n_components)
    ]
    logs = np.array([[alone.e_step(x[None], kind).objective for kind in kinds] for x in X])
    return logs + np.log(parameters.weights)


def units(axes: tuple[str, ...]) -> str:
    """The unit of a density over these axes: "1/min" for "Waiting time (min)"; without a unit, that of the axis."""
    found = [axis[axis.rfind("(") + 1 : -1] if axis.endswith(")") and "(" in axis else axis for axis in axes]
    return f"1/{found[0]}" if len(found) == 1 else f"1/({' × '.join(found)})"


def about_densities(largest: float, whose: str, axes: tuple[str, ...]) -> str:
    """Why a density of more than 1 is none too large; "" where the largest on show is not above 1.

    `whose` says which density it is: "The density of component 1".
    """
    if largest <= 1:
        return ""
    return (
        f"{whose} is {number(largest, 3)} here, more than 1. It is no probability: its unit is {units(axes)}, and a "
        f"probability is a density times a width{'' if len(axes) == 1 else ' times a height'}. Narrow components have "
        "high densities; measured in smaller units the same density is a smaller number. Responsibilities are ratios, "
        "which the unit does not change."
    )


def about_log_likelihood(objective: float, axes: tuple[str, ...], name: str = "log-likelihood") -> str:
    """Why a log-likelihood above 0 is no mistake; "" where it is not above 0."""
    if objective <= 0:
        return ""
    return (
        f"The {name} is {number(objective)}, above 0. It is a sum of logarithms of densities, in "
        f"{units(axes)}, not of probabilities: where densities are above 1 their logarithms are positive. In "
        "other units it would be shifted by the same amount for every fit, so its gains stay what they are."
    )


# ---- Responsibilities along an axis, and over the plane --------------------------------------------------


@dataclass(frozen=True)
class Crossing:
    """A place on the axis where two components have equal responsibilities, because their products are equal there.

    Attributes
    ----------
    x : float
        The place.
    components : tuple of two int
        From 0.
    product : float
        The weight x density of both.
    share : float
        The responsibility of each there.
    """

    x: float
    components: tuple[int, int]
    product: float
    share: float


def crossings(parameters: GaussianMixtureParameters) -> tuple[Crossing, ...]:
    """Where the most likely component changes along the axis, from left to right; ValueError in more dimensions.

    log(weight x density) is a parabola for each component, so two of them meet at the roots of a quadratic: twice,
    once (equal variances) or nowhere. Meetings below a third component change nothing and are left out.
    """
    if parameters.n_features != 1:
        raise ValueError(f"crossings need 1 feature, got {parameters.n_features}")
    sds, means = parameters.sds[:, 0], parameters.means[:, 0]
    constants = np.log(parameters.weights / sds) - log_constant(1)
    found = []
    for j in range(parameters.n_components):
        for k in range(j + 1, parameters.n_components):
            for x in _equal_products(parameters, j, k):
                logs = constants - 0.5 * ((x - means) / sds) ** 2
                if logs.max() <= max(logs[j], logs[k]):
                    share = 1 / np.exp(logs - logs[j]).sum()
                    found.append(Crossing(x, (j, k), float(np.exp(logs[j])), float(share)))
    return tuple(sorted(found, key=lambda crossing: crossing.x))


def _equal_products(parameters: GaussianMixtureParameters, j: int, k: int) -> list[float]:
    """The roots of log(w_j N_j) = log(w_k N_k), measured from the mean of the first in its sds for accuracy."""
    sds, means, weights = parameters.sds[:, 0], parameters.means[:, 0], parameters.weights
    shift, ratio = (means[k] - means[j]) / sds[j], sds[k] / sds[j]
    # -u^2/2 + log(w_j) = -(u - shift)^2 / (2 ratio^2) + log(w_k / ratio), times -2 ratio^2
    a = ratio**2 - 1
    b = 2 * shift
    c = -(shift**2) - 2 * ratio**2 * np.log(weights[j] * ratio / weights[k])
    if abs(a) < 1e-12:
        return [float(means[j] - sds[j] * c / b)] if abs(b) > 1e-12 else []
    inside = b * b - 4 * a * c
    if inside < 0:
        return []
    if inside == 0:
        return [float(means[j] - sds[j] * b / (2 * a))]
    q = -0.5 * (b + np.copysign(np.sqrt(inside), b))  # no cancellation
    return sorted(float(means[j] + sds[j] * u) for u in (q / a, c / q))


def about_crossings(parameters: GaussianMixtureParameters, axes: tuple[str, ...], digits: int) -> str:
    """Where the curves of the responsibilities cross, and why there, in words."""
    found = crossings(parameters)
    if not found:
        if parameters.n_components == 1:
            return "With one component there is nothing to share: its responsibility is 1 everywhere."
        return "The largest responsibility belongs to the same component everywhere: no two curves cross at the top."
    places = [
        f"at {axes[0]} = {number(one.x, digits)} (components {one.components[0] + 1} and {one.components[1] + 1}: "
        f"weight × density is {significant(one.product)} for both, the responsibility {number(one.share, 3)})"
        for one in found
    ]
    why = (
        "A responsibility is weight × density over a sum that all share, so where two products are equal, the "
        "responsibilities are too. With equal weights and sds that is half-way between the means; more weight moves "
        "it towards the other mean, and with unequal sds there can be two such places."
    )
    return f"The curves cross {listed(places)}. {why}"


def crossing_places(history: History) -> Array:
    """The crossings at every iteration of a one-dimensional run: place, weight x density and responsibility.

    Returns
    -------
    ndarray of shape (n_iterations + 1, most crossings, 3)
        NaN where there are fewer.
    """
    found = [[(one.x, one.product, one.share) for one in crossings(theta)] for theta in history.parameters]
    places = np.full((len(found), max(1, *map(len, found)), 3), np.nan)
    for t, rows in enumerate(found):
        if rows:
            places[t, : len(rows)] = rows
    return places


def responsibility_curves(history: History, x: ArrayLike) -> Array:
    """Responsibilities along the axis at every iteration, shape (n_iterations + 1, n_components, len(x))."""
    grid = history.model.prepare(np.asarray(x, dtype=np.float64)[:, None])
    return np.array([history.model.e_step(grid, theta).responsibilities.T for theta in history.parameters])


def slider_range(history: History) -> tuple[float, float, float]:
    """Lowest and highest place along the axis of a one-dimensional run, and a round step between two places."""
    low, high = axis_range(history.prepared.X[:, 0])
    step = float(10.0 ** np.floor(np.log10((high - low) / 100)))
    return float(np.ceil(low / step) * step), float(np.floor(high / step) * step), step


def nearest_step(history: History, x: float) -> float:
    """The place of `slider_range` that is nearest to x."""
    low, high, step = slider_range(history)
    return min(max(round(x / step) * step, low), high)


def axis_grid(history: History) -> Array:
    """Places along the axis of a one-dimensional run, over all that its picture shows, shape (CURVE_POINTS,)."""
    return np.linspace(*axis_range(history.prepared.X[:, 0]), CURVE_POINTS)


@dataclass(frozen=True, eq=False)
class Regions:
    """Where each component of a two-dimensional run is the most likely one, at every iteration.

    Attributes
    ----------
    outlines : tuple of ndarray of shape (n_iterations + 1, n_points, 2)
        For each component closed lines around its region, each followed by a gap (NaN), with the region on their left;
        padded with NaN to one length.
    borders : ndarray of shape (n_iterations + 1, n_points, 2)
        The lines on which two regions meet, in the same manner.
    """

    outlines: tuple[Array, ...]
    borders: Array


def regions(history: History) -> Regions:
    """The decision regions over all that the picture of a two-dimensional run shows.

    The most likely component is that of the largest weight x density; its margin over the next, in logarithms, is
    smooth, so that the lines between places of a grid are found by linear interpolation.
    """
    n_components = history.model.n_components
    start = replace(history, parameters=history.parameters[:1], objective=history.objective[:1])
    drawn = scene(start, np.zeros((n_components, 3), dtype=np.uint8))
    n = GRID_POINTS if len(history.parameters) * n_components <= MANY_OUTLINES else COARSE_GRID
    xs, ys = (np.linspace(*reach, n) for reach in (drawn.x_range, drawn.y_range))
    places = np.stack(np.meshgrid(xs, ys), axis=-1)
    found: list[list[Array]] = [[] for _ in range(n_components)]
    borders = []
    for theta in history.parameters:
        heights = _log_products_over(places, theta)
        lines = []
        for k in range(n_components):
            others = np.delete(heights, k, axis=0).max(axis=0, initial=-np.inf)
            outline, framed = _outlines(heights[k] - others, xs, ys)
            found[k].append(outline)
            lines.append(np.where(framed[:, None], np.nan, outline))
        borders.append(np.concatenate(lines))
    return Regions(tuple(map(_padded, found)), _padded(borders))


def _log_products_over(places: Array, parameters: GaussianMixtureParameters) -> Array:
    """log(weight x density) of each component at places of the plane, (..., 2); shape (n_components, ...)."""
    kinds = (
        GaussianMixtureParameters(np.ones(1), parameters.means[k : k + 1], parameters.covariances[k : k + 1])
        for k in range(parameters.n_components)
    )
    return np.array([log_density(places, kind) for kind in kinds]) + np.log(parameters.weights)[:, None, None]


# Marching squares: which corners of a cell lie inside (bits: lower left, lower right, upper right, upper left) says
# from which of its sides (0 lower, 1 right, 2 upper, 3 left) to which a line goes that has the inside on its left.
_FROM: Final = np.array([-1, 0, 1, 1, 2, 0, 2, 2, 3, 0, 1, 1, 3, 0, 3, -1])
_TO: Final = np.array([-1, 3, 0, 3, 1, 3, 0, 3, 2, 2, 0, 2, 1, 1, 0, -1])
_SADDLES: Final = {5: (2, 1), 10: (3, 2)}  # they have a second line


def _outlines(margin: Array, xs: Array, ys: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Closed lines around the places where a margin on a grid is above 0, and which of their points lie on the frame.

    Shapes (n_points, 2) and (n_points,); a gap (NaN) follows each line.
    """
    heights = np.pad(np.clip(margin, -1e12, 1e12), 1, constant_values=-1.0)  # outside the frame is outside the region
    x, y = np.pad(xs, 1, mode="edge"), np.pad(ys, 1, mode="edge")
    inside = heights > 0
    cases = inside[:-1, :-1] + 2 * inside[:-1, 1:] + 4 * inside[1:, 1:] + 8 * inside[1:, :-1]
    n_rows, n_columns = heights.shape
    size = n_rows * n_columns
    side = np.array([0, size + 1, n_columns, size])  # lower and upper sides first, then left and right ones
    row, column = np.nonzero((cases > 0) & (cases < 15))
    at = row * n_columns + column
    kind = cases[row, column]
    starts, ends = [at + side[_FROM[kind]]], [at + side[_TO[kind]]]
    for saddle, (begin, finish) in _SADDLES.items():
        starts.append(at[kind == saddle] + side[begin])
        ends.append(at[kind == saddle] + side[finish])
    start, end = np.concatenate(starts), np.concatenate(ends)
    order = np.argsort(start)
    start, end = start[order], end[order]
    following = np.searchsorted(start, end).tolist()  # every side that a line reaches is one from which it goes on
    upright = start >= size
    row, column = np.divmod(start % size, n_columns)
    next_row, next_column = row + upright, column + ~upright
    low, high = heights[row, column], heights[next_row, next_column]
    part = low / (low - high)
    points = np.stack([x[column] + part * (x[next_column] - x[column]), y[row] + part * (y[next_row] - y[row])], axis=1)
    framed = np.where(upright, (row == 0) | (row == n_rows - 2), (column == 0) | (column == n_columns - 2))
    walk: list[int] = []
    seen = np.zeros(len(start), dtype=bool)
    for first in range(len(start)):
        if not seen[first]:
            here = first
            while not seen[here]:
                seen[here] = True
                walk.append(here)
                here = following[here]
            walk += [first, -1]
    places = np.concatenate([points, np.full((1, 2), np.nan)])[walk]
    return places, np.append(framed, True)[walk]


def _padded(lines: list[Array]) -> Array:
    """Lines of several lengths as one array, filled up with NaN."""
    made = np.full((len(lines), max(1, *map(len, lines)), 2), np.nan)
    for t, line in enumerate(lines):
        made[t, : len(line)] = line
    return made


# ---- The M-step for one component ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Average:
    """What the M-step makes of one component: a weighted count and two weighted averages (Bishop 2006, 9.24 to 9.26).

    Attributes
    ----------
    component : int
        From 0.
    X : ndarray of shape (n_samples, n_features)
    responsibilities : ndarray of shape (n_samples,)
        What it takes of each point.
    count : float
        N_k, their sum.
    weight : float
        N_k / n_samples.
    mean : ndarray of shape (n_features,)
    mean_sums : ndarray of shape (n_features,)
        The sum of responsibility x point: `mean` before it is divided by N_k.
    covariance : ndarray of shape (n_features, n_features)
        As the covariance type allows.
    own_covariance : ndarray of shape (n_features, n_features)
        The weighted average itself.
    scatter : ndarray of shape (n_features, n_features)
        The sum of responsibility x (point - mean)(point - mean)': `own_covariance` before it is divided by N_k.
    """

    component: int
    X: Array
    responsibilities: Array
    count: float
    weight: float
    mean: Array
    mean_sums: Array
    covariance: Array
    own_covariance: Array
    scatter: Array

    @property
    def own_sds(self) -> Array:
        """Standard deviations along the axes by the weighted average itself, shape (n_features,)."""
        return np.sqrt(np.diag(self.own_covariance))

    def rows(self, most: int = 5) -> list[tuple[str, Array, float, Array, Array]]:
        """The points that count most; then the others, and the sum.

        Of each: name, point, responsibility, responsibility x point, and responsibility x (point - mean)(point -
        mean)', of which the upper triangle: shape (1,) or (3,).
        """
        short = shortened(self.responsibilities, most)
        offsets = self.X - self.mean
        upper = np.triu_indices(self.X.shape[1])
        weights = self.responsibilities[:, None]
        terms, squares = weights * self.X, weights * offsets[:, upper[0]] * offsets[:, upper[1]]
        listed_rows = [
            (f"{n + 1}", self.X[n], float(self.responsibilities[n]), terms[n], squares[n]) for n in short.rows
        ]
        nowhere = np.full(self.X.shape[1], np.nan)
        if short.n_others:
            rest = np.delete(np.arange(len(self.X)), short.rows)
            name = f"{short.n_others:,} others"
            listed_rows.append((name, nowhere, short.others, terms[rest].sum(axis=0), squares[rest].sum(axis=0)))
        return [*listed_rows, ("Sum", nowhere, short.total, terms.sum(axis=0), squares.sum(axis=0))]


def average(model: GaussianMixture, X: Any, posterior: Any, component: int) -> Average:
    """The M-step with this posterior, taken apart for one component; DegenerateFit where it has no result."""
    require_maximum_likelihood(model, "the averages of an M-step")
    fitted = model.m_step(X, posterior)
    count = float(posterior.counts[component])
    own = posterior.covariances[component]
    return Average(
        component=component,
        X=model.prepare(X).X,
        responsibilities=posterior.responsibilities[:, component],
        count=count,
        weight=float(fitted.weights[component]),
        mean=fitted.means[component],
        mean_sums=posterior.means[component] * count,
        covariance=fitted.covariances[component],
        own_covariance=own,
        scatter=own * count,
    )


@dataclass(frozen=True)
class Sum:
    """A long sum in short: its largest terms, and the rest of them together.

    Attributes
    ----------
    rows : tuple of int
        The points of the largest terms, the largest first.
    terms : tuple of float
    n_others : int
        How many more terms there are.
    others : float
        What they add up to.
    total : float
    """

    rows: tuple[int, ...]
    terms: tuple[float, ...]
    n_others: int
    others: float
    total: float


def shortened(terms: ArrayLike, most: int = 4) -> Sum:
    """The sum of `terms`, its `most` largest shown one by one; all of them if there is only one more."""
    values = np.asarray(terms, dtype=np.float64)
    order = np.argsort(-np.abs(values), kind="stable")
    n_shown = len(values) if len(values) <= most + 1 else most
    first, others = order[:n_shown], order[n_shown:]
    if n_shown == len(values):
        first = np.sort(first)
    return Sum(
        tuple(first.tolist()),
        tuple(values[first].tolist()),
        len(others),
        float(values[others].sum()),
        float(values.sum()),
    )


def taken(history: History, component: int) -> Array:
    """The responsibilities of one component at every iteration, shape (n_iterations + 1, n_samples)."""
    return np.array([history.posterior(t).responsibilities[:, component] for t in range(history.n_iterations + 1)])


def with_next(history: History) -> History:
    """The run with one M-step more, for what the last E-step leads to; the same run where that has no result."""
    try:
        following = history.model.m_step(history.prepared, history.posterior(history.n_iterations))
        objective = history.model.e_step(history.prepared, following).objective
    except DegenerateFit:
        return history
    return replace(
        history,
        parameters=(*history.parameters, following),
        objective=np.append(history.objective, objective),
    )


# ---- Known labels ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Labelled:
    """The fit to points whose components are known: counts and plain averages.

    Attributes
    ----------
    labels : ndarray of int, shape (n_samples,)
        The component of each point, from 0.
    counts : ndarray of int, shape (n_components,)
    parameters : GaussianMixtureParameters
        The complete-data maximum likelihood (Bishop 2006, section 9.3).
    log_likelihood : float
        The complete-data log-likelihood log p(X, Z | parameters), in nats.
    known : bool
        Whether the data came with the labels; else they stand in for labels that nobody knows.
    """

    labels: NDArray[np.int_]
    counts: NDArray[np.int_]
    parameters: GaussianMixtureParameters
    log_likelihood: float
    known: bool


def from_labels(model: GaussianMixture, X: ArrayLike, labels: ArrayLike, *, known: bool = True) -> Labelled:
    """Counts and averages of labelled points: the M-step with responsibilities of 0 and 1.

    `labels` has shape (n_samples,), whole numbers from 0 to n_components - 1. DegenerateFit if a component has too few
    points for its covariance.
    """
    given = np.asarray(labels)
    if given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= model.n_components:
        raise ValueError(f"labels must be whole numbers from 0 to {model.n_components - 1}, got {given.tolist()}")
    posterior = model.from_responsibilities(X, np.eye(model.n_components)[given])
    parameters = model.m_step(X, posterior)
    return Labelled(
        given,
        np.bincount(given, minlength=model.n_components),
        parameters,
        model.expected_log_joint(X, posterior, parameters),
        known,
    )


def labelled(history: History, labels: NDArray[np.int_] | None) -> Labelled:
    """The labels that a lesson on this run begins with.

    These are the data's own where there are as many groups as components, numbered as the run's components end up
    standing for them; points of no group count for the nearest by the labelled fit. Otherwise the component that is
    most likely for each point at the end of the run stands in. DegenerateFit as in `from_labels`.
    """
    model, X = history.model, history.X
    end = history.parameters[-1]
    if labels is None or labels.max() + 1 != model.n_components:
        taken = history.posterior(history.n_iterations).responsibilities.argmax(axis=1)
        return from_labels(model, X, taken, known=False)
    inside = labels >= 0
    own = from_labels(model, X[inside], labels[inside])
    filled = labels.copy()
    if not inside.all():
        filled[~inside] = model.e_step(X[~inside], own.parameters).responsibilities.argmax(axis=1)
    partner = match(end, own.parameters)  # the group that each component stands for
    return from_labels(model, X, np.argsort(partner)[filled])


@dataclass(frozen=True, eq=False)
class Handover:
    """From known labels to responsibilities: five pictures on the same points.

    Attributes
    ----------
    captions : tuple of five str
        A sentence for each.
    labels : tuple of five str
        Each in a few words.
    parameters : tuple of GaussianMixtureParameters or None
        What is drawn in each: the labelled fit, nothing, the start, what its E-step leads to, the end of the run.
    responsibilities : tuple of ndarray of shape (n_samples, n_components) or None
        How the points are shared out in each.
    counts : tuple of ndarray of shape (n_components,) or None
        How many points each component has or takes.
    """

    captions: tuple[str, ...]
    labels: tuple[str, ...]
    parameters: tuple[GaussianMixtureParameters | None, ...]
    responsibilities: tuple[Array | None, ...]
    counts: tuple[Array | None, ...]


def handover(history: History, given: Labelled) -> Handover:
    """Labels known, labels taken away, responsibilities in their place, the M-step with them, the end of the run."""
    model = history.model
    first, last = history.posterior(0), history.posterior(history.n_iterations)
    following = model.m_step(history.prepared, first)
    title = "Labels known" if given.known else "Labels supposed"
    counts = listed([f"{count:,}" for count in given.counts.tolist()])
    taken = listed([number(float(count), 1) for count in first.counts])
    ends = listed([number(float(count), 1) for count in last.counts])
    captions = (
        f"{title}: the components have {counts} points. Weights, means and covariances are counts and averages; "
        f"the complete-data log-likelihood is {number(given.log_likelihood)}.",
        "Labels taken away: the same points, and nothing says which component made them.",
        f"Responsibilities stand in: a guess of the parameters shares each point out, and the components take {taken} "
        "points.",
        "Counts and averages as before, but weighted: each point counts in each component by its responsibility.",
        f"The same two steps, {history.n_iterations:,} time{'' if history.n_iterations == 1 else 's'} over: the "
        f"components take {ends} points.",
    )
    return Handover(
        captions,
        (title, "Labels taken away", "Responsibilities stand in", "Weighted averages", "At the end of EM"),
        (given.parameters, None, history.parameters[0], following, history.parameters[-1]),
        (
            np.eye(model.n_components)[given.labels],
            None,
            first.responsibilities,
            first.responsibilities,
            last.responsibilities,
        ),
        (given.counts.astype(np.float64), None, first.counts, first.counts, last.counts),
    )


# ---- Few enough points -----------------------------------------------------------------------------------


def chosen_rows(n_samples: int, most: int) -> NDArray[np.intp]:
    """At most this many of the rows of X, ascending: all, or a choice that is the same every time."""
    if n_samples <= most:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(0).choice(n_samples, most, replace=False))


def few(experiment: Experiment, most: int = MOST_POINTS) -> tuple[Experiment, NDArray[np.intp]]:
    """The experiment on at most so many of its points, and which rows these are."""
    dataset = experiment.dataset()
    rows = chosen_rows(len(dataset.X), most)
    if len(rows) == len(dataset.X):
        return experiment, rows
    return replace(experiment, source=OwnData.of("a part of the points", dataset.axes, dataset.X[rows])), rows


def on_points(experiment: Experiment, X: ArrayLike) -> Experiment:
    """The experiment on other points, begun with the parameters that it begins with on its own."""
    begun = experiment.history().parameters[0]
    start = ByHand(
        tuple(begun.weights.tolist()),
        tuple(map(tuple, begun.means.tolist())),
        tuple(tuple(map(tuple, covariance)) for covariance in begun.covariances.tolist()),
    )
    source = OwnData.of("a sheet", experiment.dataset().axes, X)
    return replace(experiment, source=source, start="by-hand", start_seed=0, by_hand=start)


# ---- The sheet -------------------------------------------------------------------------------------------


def iteration_of(position: int) -> int:
    """The iteration whose E-step is on show at a position: after an M-step still that of the parameters before it."""
    return max(position - 1, 0) // 2


@dataclass(frozen=True, eq=False)
class Sheet:
    """One E-step and the M-step after it for a few points, cell by cell.

    Cells have names: "x 0" is the point of row 0, "p 0 1" its weight x density under component 1, "s 0" their sum,
    "r 0 1" its responsibility; of component 1 "t 1" are the parameters, "N 1" is the sum of its responsibilities,
    "w 1", "m 1" and "v 1" are its new weight, mean and covariance; "l 0" is the logarithm of the sum of row 0, "L" the
    log-likelihood of the parameters and "L+" that of the new ones.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
    parameters : GaussianMixtureParameters
        Before the step.
    covariance_type : str
        What the M-step may make of the covariances.
    products : ndarray of shape (n_samples, n_components)
    log_densities : ndarray of shape (n_samples,)
        log of the sum of each row, in nats.
    responsibilities : ndarray of shape (n_samples, n_components)
        With the edits.
    edited : ndarray of bool, shape (n_samples,)
        The rows whose responsibilities were given.
    counts : ndarray of shape (n_components,)
    log_likelihood : float
        Of `parameters`, in nats.
    fitted : GaussianMixtureParameters or None
        What the M-step makes; None where it has no result.
    log_likelihood_after : float or None
        Of `fitted`.
    trouble : str
        Why there is no result, or "".
    inputs : mapping of str to tuple of str
        The cells that each cell is computed from.
    """

    X: Array
    parameters: GaussianMixtureParameters
    covariance_type: str
    products: Array
    log_densities: Array
    responsibilities: Array
    edited: NDArray[np.bool_]
    counts: Array
    log_likelihood: float
    fitted: GaussianMixtureParameters | None
    log_likelihood_after: float | None
    trouble: str
    inputs: Mapping[str, tuple[str, ...]]

    @property
    def densities(self) -> Array:
        """p(x) of each row: the sum of its products, shape (n_samples,)."""
        return np.exp(self.log_densities)

    @property
    def component_densities(self) -> Array:
        """p(x | z = k) of each row: its product without the weight, shape (n_samples, n_components)."""
        return self.products / self.parameters.weights

    @property
    def places(self) -> Array:
        """Where the points lie in a small picture, from 0 to 1 along each axis, shape (n_samples, n_features)."""
        return self._within(self.X)

    @property
    def mean_places(self) -> Array:
        """The same for the means before the step, shape (n_components, n_features)."""
        return self._within(self.parameters.means)

    def _within(self, points: Array) -> Array:
        both = np.concatenate([self.X, self.parameters.means])
        low, high = np.array([axis_range(column) for column in both.T]).T
        inside: Array = (points - low) / (high - low)
        return inside

    def points_of(self, cell: str) -> tuple[int, ...]:
        """The rows whose points a cell depends on without a detour over the parameters before the step."""
        found: set[int] = set()
        ahead = [cell]
        while ahead:
            name = ahead.pop()
            kind, *rest = name.split()
            if kind in ("x", "p", "s", "r", "l"):
                found.add(int(rest[0]))
            else:
                ahead += self.inputs.get(name, ())
        return tuple(sorted(found))


def sheet(
    model: GaussianMixture,
    X: ArrayLike,
    parameters: GaussianMixtureParameters,
    edits: Mapping[tuple[int, int], float] | None = None,
) -> Sheet:
    """One E-step at `parameters` and the M-step after it, for at most SHEET_ROWS points.

    Parameters
    ----------
    model : GaussianMixture
    X : array of shape (n_samples, n_features)
    parameters : GaussianMixtureParameters
    edits : mapping of (row, component) to float, optional
        Responsibilities that somebody set, one after the other: as in `with_responsibility`.

    Raises
    ------
    ValueError
        If there are too many points, or an edit does not fit.
    """
    require_maximum_likelihood(model, "the steps of a sheet")
    points = np.array(X, dtype=np.float64)
    if not 1 <= len(points) <= SHEET_ROWS:
        raise ValueError(f"X must have 1 to {SHEET_ROWS} rows, got {len(points)}; take fewer points")
    posterior = model.e_step(points, parameters)
    logs = log_products(parameters, points)
    responsibilities = posterior.responsibilities
    edited = np.zeros(len(points), dtype=bool)
    for (row, component), value in (edits or {}).items():
        responsibilities = with_responsibility(responsibilities, row, component, value)
        edited[row] = True
    given = model.from_responsibilities(points, responsibilities) if edited.any() else posterior
    fitted, after, trouble = None, None, ""
    try:
        fitted = model.m_step(points, given)
        after = model.e_step(points, fitted).objective
    except DegenerateFit as collapse:
        trouble = str(collapse)
    return Sheet(
        X=points,
        parameters=parameters,
        covariance_type=model.covariance_type,
        products=np.exp(logs),
        log_densities=np.array([model.e_step(x[None], parameters).objective for x in points]),
        responsibilities=responsibilities,
        edited=edited,
        counts=given.counts,
        log_likelihood=posterior.objective,
        fitted=fitted,
        log_likelihood_after=after,
        trouble=trouble,
        inputs=_inputs(len(points), model, edited),
    )


def with_responsibility(responsibilities: Array, row: int, component: int, value: float) -> Array:
    """The table with one responsibility set, and the others of its row scaled so that the row still sums to 1.

    Where the others were all 0 they get equal parts. ValueError if there is no such cell or `value` is not from 0
    to 1, or if there is one component only.
    """
    n_samples, n_components = responsibilities.shape
    if not (0 <= row < n_samples and 0 <= component < n_components):
        raise ValueError(f"row and component must lie in a table of {responsibilities.shape}, got {(row, component)}")
    if not 0 <= value <= 1:
        raise ValueError(f"a responsibility must be from 0 to 1, got {value:g}")
    if n_components == 1:
        if value != 1:
            raise ValueError(f"with one component its responsibility is 1, got {value:g}")
        return responsibilities
    changed = responsibilities.copy()
    others = np.delete(np.arange(n_components), component)
    rest = changed[row, others].sum()
    shares = changed[row, others] / rest if rest > 0 else np.full(len(others), 1 / len(others))
    changed[row, others] = (1 - value) * shares
    changed[row, component] = value
    return changed


def _inputs(n_samples: int, model: GaussianMixture, edited: NDArray[np.bool_]) -> dict[str, tuple[str, ...]]:
    rows, components = range(n_samples), range(model.n_components)
    inputs: dict[str, tuple[str, ...]] = {}
    for n in rows:
        inputs[f"s {n}"] = tuple(f"p {n} {k}" for k in components)
        inputs[f"l {n}"] = (f"s {n}",)
        for k in components:
            inputs[f"p {n} {k}"] = (f"x {n}", f"t {k}")
            inputs[f"r {n} {k}"] = () if edited[n] else (f"p {n} {k}", f"s {n}")
    for k in components:
        taken = tuple(f"r {n} {k}" for n in rows)
        points = tuple(f"x {n}" for n in rows)
        inputs[f"N {k}"] = taken
        inputs[f"w {k}"] = (f"N {k}",)
        inputs[f"m {k}"] = (*taken, *points, f"N {k}")
        own = (*taken, *points, f"m {k}", f"N {k}")
        inputs[f"v {k}"] = own
    if model.covariance_type == "tied":  # one for all: everything goes into it
        everything = tuple(dict.fromkeys(name for k in components for name in inputs[f"v {k}"]))
        inputs |= {f"v {k}": everything for k in components}
    inputs["L"] = tuple(f"l {n}" for n in rows)
    inputs["L+"] = tuple(f"{kind} {k}" for k in components for kind in "wmv") + tuple(f"x {n}" for n in rows)
    return inputs


def about_sheet(made: Sheet) -> str:
    """What the sheet's two steps did to the log-likelihood, in a sentence."""
    before = number(made.log_likelihood, 4)
    if made.log_likelihood_after is None:
        return f"Log-likelihood {before}. The M-step has no result: {made.trouble}"
    after = number(made.log_likelihood_after, 4)
    change = made.log_likelihood_after - made.log_likelihood
    said = f"Log-likelihood {before}; after the M-step it is {after}."
    if not made.edited.any():
        return said
    rows = listed([str(row + 1) for row in np.flatnonzero(made.edited).tolist()])
    told = "rose" if change >= 0 else "fell"
    return (
        f"{said} Row{'s' if made.edited.sum() > 1 else ''} {rows} edited: with responsibilities that no E-step gave, "
        f"nothing is promised. Here it {told} by {significant(abs(change))}."
    )
