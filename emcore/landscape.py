"""The log-likelihood as a landscape: over two parameters, along one, under a path, and which start leads where.

A surface is a cut through a space of many dimensions: two coordinates move, all others stay as they are, or are made
the best they can be at each place (a profile). EM moves in all of them at once, so its path may cross the contours of
a cut downwards; it never falls on the landscape itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from emcore.em import DegenerateFit, History, LatentVariableModel, Stopped
from emcore.models import gaussian_batch as batch
from emcore.models.gaussian_batch import Held, Mixtures
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_mixture import (
    SMALLEST_SD,
    GaussianMixture,
    GaussianMixtureParameters,
    require_maximum_likelihood,
)
from emcore.models.mixture import frozen_array
from emcore.restarts import Maxima, Maximum, Runs, distinct, run_many

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Surface:
    """The log-likelihood over two parameters.

    Attributes
    ----------
    names : tuple of two str
        The coordinates, as in `parameters.names`: the first runs along x, the second along y.
    x, y : ndarray of shape (n_x,) and (n_y,)
        Their values.
    log_likelihood : ndarray of shape (n_y, n_x)
        In nats, [j, i] at (x[i], y[j]); NaN where there is none. Of another model than a mixture: its objective.
    profiled : bool
        Whether all other parameters are re-maximised at each place, or stay as they are.
    masked : str
        A sentence that says where and why there is none, or "".
    """

    names: tuple[str, str]
    x: Array
    y: Array
    log_likelihood: Array
    profiled: bool
    masked: str


def surface(
    model: LatentVariableModel,
    X: Any,
    parameters: Any,
    names: tuple[str, str],
    x: ArrayLike,
    y: ArrayLike,
    *,
    profiled: bool = False,
) -> Surface:
    """The log-likelihood on a grid over two parameters.

    Exact, also where densities underflow: nothing is binned or interpolated.

    Parameters
    ----------
    model, X
        As for `emcore.run`.
    parameters
        What all other parameters are; for a profile where their climb begins.
    names : tuple of two str
        Two different names of `parameters.names`.
    x, y : array-like of shape (n_x,) and (n_y,)
        The values of the first and of the second, finite.
    profiled : bool
        Re-maximise all other parameters by EM at each place, with these two held. The climb begins at `parameters`
        and at wide components of equal weight, and the higher end counts: it is a maximum of the others, and may not
        be the highest. Only for Gaussian mixtures, and where the M-step can hold the two: means and log sds on one
        axis, or both coordinates of one mean on two.

    Raises
    ------
    ValueError
        A name is unknown, a value is not finite, or EM cannot hold these coordinates.
    """
    x, y = frozen_array(x, "x", ("n_x",)), frozen_array(y, "y", ("n_y",))
    first, second = _positions(parameters, names)
    X = model.prepare(X)
    if profiled:
        if not isinstance(model, GaussianMixture):
            raise ValueError(
                f"profiled must be False for {type(model).__name__}: only a GaussianMixture is re-maximised"
            )
        require_maximum_likelihood(model, "profiles")
        held = _held(model, parameters, names)
        return _profile(model, X, parameters, names, x, y, held)
    columns = (np.tile(x, len(y)), np.repeat(y, len(x)))
    if not _is_likelihood(model):
        values = _one_by_one(model, X, parameters, (first, second), columns).reshape(len(y), len(x))
    elif not _touched(parameters, first) & _touched(parameters, second):
        values = _separable(X, parameters, (first, second), x, y)
    else:
        placed, legal = _placed(X, parameters, (first, second), columns)
        values = _log_likelihoods(X, placed, legal).reshape(len(y), len(x))
    values.flags.writeable = False
    reason = f"{names[0]} or {names[1]} is beyond what numbers can hold there, or an sd is almost 0"
    return Surface((names[0], names[1]), x, y, values, False, _masked(values, reason))


def along(model: LatentVariableModel, X: Any, parameters: Any, name: str, values: ArrayLike) -> Array:
    """A slice: the log-likelihood (the objective) as one parameter moves and all others stay.

    Parameters
    ----------
    model, X, parameters
        As for `surface`.
    name : str
        One of `parameters.names`.
    values : array-like of shape (n_values,)
        Its values, finite.

    Returns
    -------
    ndarray of shape (n_values,)
        NaN where the parameters are not legal.
    """
    column = frozen_array(values, "values", ("n_values",))
    (position,) = _positions(parameters, (name,))
    X = model.prepare(X)
    if not _is_likelihood(model):
        return _one_by_one(model, X, parameters, (position,), (column,))
    return _log_likelihoods(X, *_placed(X, parameters, (position,), (column,)))


def path(history: History, names: tuple[str, str]) -> Array:
    """Where a run went: two coordinates of its parameters at each iteration, shape (n_iterations + 1, 2)."""
    return np.array([theta.to_vector()[list(_positions(theta, names))] for theta in history.parameters])


def _positions(parameters: Any, names: Sequence[str]) -> tuple[int, ...]:
    """Where in `to_vector` the named coordinates stand."""
    unknown = [name for name in names if name not in parameters.names]
    if unknown or len(set(names)) < len(names):
        problem = f"no {unknown[0]!r}" if unknown else f"{names[0]!r} twice"
        raise ValueError(f"names must be different ones of {', '.join(parameters.names)}; got {problem}")
    return tuple(parameters.names.index(name) for name in names)


def _masked(values: Array, reason: str) -> str:
    n_masked = int(np.isnan(values).sum())
    if not n_masked:
        return ""
    verb = "is" if n_masked == 1 else "are"
    return f"{n_masked:,} of {values.size:,} places {verb} left blank: {reason}."


def _is_likelihood(model: LatentVariableModel) -> bool:
    """Whether the objective is the log-likelihood of a Gaussian mixture and nothing besides."""
    return isinstance(model, GaussianMixture) and model.prior is None


# ---- Any model, one place after the other ------------------------------------------------------------------


def _one_by_one(
    model: LatentVariableModel, X: Any, parameters: Any, positions: Sequence[int], columns: Sequence[Array]
) -> Array:
    """The objective with the coordinates at `positions` replaced by each row of `columns`; NaN where illegal."""
    vector = parameters.to_vector()
    values = np.full(len(columns[0]), np.nan)
    for i, place in enumerate(zip(*columns, strict=True)):
        vector[list(positions)] = place
        try:
            with np.errstate(all="ignore"):
                values[i] = model.e_step(X, parameters.from_vector(vector)).objective
        except (ValueError, ArithmeticError):
            continue
    return values


# ---- Gaussian mixtures, all places at once -----------------------------------------------------------------

_FARTHEST = 1e100  # beyond, squares overflow


def _placed(
    X: GaussianData, parameters: GaussianMixtureParameters, positions: Sequence[int], columns: Sequence[Array]
) -> tuple[Mixtures, NDArray[np.bool_]]:
    """`parameters` with the coordinates at `positions` replaced by each row of `columns`, and which are legal.

    What no replaced coordinate belongs to stays as it is, to the last digit. An illegal one stands as `parameters`.
    """
    n_places, n_means = len(columns[0]), parameters.means.size
    weights, means, covariances = (
        np.repeat(array[None], n_places, axis=0)
        for array in (parameters.weights, parameters.means, parameters.covariances)
    )
    legal = np.ones(n_places, dtype=np.bool_)
    in_weights: list[tuple[int, Array]] = []
    in_covariances: list[tuple[int, Array]] = []
    for position, column in zip(positions, columns, strict=True):
        if position < n_means:
            near = np.abs(column) <= _FARTHEST
            means.reshape(n_places, -1)[near, position] = column[near]
            legal &= near
        elif position >= len(parameters.names) - parameters.n_components + 1:
            in_weights.append((position, column))
        else:
            in_covariances.append((position, column))
    for replaced in filter(None, (in_weights, in_covariances)):
        places, which = np.unique(np.column_stack([column for _, column in replaced]), axis=0, return_inverse=True)
        which = which.reshape(-1)
        moved = [_moved(X, parameters, [position for position, _ in replaced], place) for place in places]
        legal &= np.array([there is not None for there in moved])[which]
        if replaced is in_weights:
            weights = np.array([(there or parameters).weights for there in moved])[which]
        else:
            covariances = np.array([(there or parameters).covariances for there in moved])[which]
    return Mixtures(weights, means, covariances), legal


def _moved(
    X: GaussianData, parameters: GaussianMixtureParameters, positions: list[int], place: Array
) -> GaussianMixtureParameters | None:
    """The parameters with these coordinates replaced; None if that is illegal, or narrower than EM can follow."""
    vector = parameters.to_vector()
    vector[positions] = place
    try:
        with np.errstate(all="ignore"):
            moved = parameters.from_vector(vector)
    except (ValueError, ArithmeticError):
        return None
    return None if (moved.sds <= SMALLEST_SD * X.sds).any() else moved


def _log_likelihoods(X: GaussianData, placed: Mixtures, legal: NDArray[np.bool_]) -> Array:
    values = np.full(len(legal), np.nan)
    values[legal] = batch.log_likelihoods(X, *placed.take(legal))
    return values


# ---- Two coordinates of different components: the tables separate ------------------------------------------

# Points whose log-density varies more over the grid than this go alone; and what is kept of a summand.
_WIDEST, _LEAST = 560.0, -350.0
# The logarithm of a product is taken before it can leave e^+-640.
_FULLEST = 640.0
# Numbers of a table.
_TABLE = 400_000


def _touched(parameters: GaussianMixtureParameters, position: int) -> frozenset[int]:
    """The components whose weighted density changes with a coordinate."""
    own = re.match(r"(?:mean|log sd|atanh correlation) (\d+)", parameters.names[position])
    return frozenset({int(own[1]) - 1} if own else range(parameters.n_components))


def _separable(
    X: GaussianData, parameters: GaussianMixtureParameters, positions: tuple[int, ...], x: Array, y: Array
) -> Array:
    """The log-likelihood on a grid where x moves one component and y another.

    Of the component that x moves there are only n_x densities of each point, and n_y of the other: one exp each. What
    is left for every place of the grid is a product over the points.
    """
    log_likelihood = np.full((len(y), len(x)), np.nan)
    moved, legal, touched = [], [], []
    for position, column in zip(positions, (x, y), strict=True):
        placed, fine = _placed(X, parameters, (position,), (column,))
        (component,) = _touched(parameters, position)
        moved.append(_components(placed.take(fine), [component]))
        legal.append(fine)
        touched.append(component)
    fixed = [k for k in range(parameters.n_components) if k not in touched]
    rest = Mixtures(parameters.weights[None], parameters.means[None], parameters.covariances[None])
    values = np.zeros((int(legal[1].sum()), int(legal[0].sum())))
    if values.size:
        size = max(_TABLE // sum(values.shape), 2)
        for start in range(0, X.n_samples, size):
            points = X.X[start : start + size]
            by_x, by_y = (batch.log_densities(points, mixtures) for mixtures in moved)
            if fixed:
                by_x = np.logaddexp(by_x, batch.log_densities(points, _components(rest, fixed)))
            values += _sum_of_log_sums(by_x, by_y)
        log_likelihood[np.ix_(legal[1], legal[0])] = values
    return log_likelihood


def _components(mixtures: Mixtures, components: list[int]) -> Mixtures:
    """Some components alone, with the weights that they have in the whole."""
    return Mixtures(*(array[:, components] for array in mixtures))


def _sum_of_log_sums(a: Array, b: Array) -> Array:
    """[j, i] is the sum over n of log(exp(a[i, n]) + exp(b[j, n])).

    As logarithms of products over points. Each summand is scaled so that over the grid it lies in the middle of what
    doubles hold; the product of two of them is a matrix product of four numbers with four,

        (a1 + b1) (a2 + b2) = a1a2 . 1 + a1 . b2 + a2 . b1 + 1 . b1b2;

    all are positive, so that no digit cancels.
    """
    highest = np.maximum(a.max(axis=0), b.max(axis=0))
    lowest = np.maximum(a.min(axis=0), b.min(axis=0))
    wide = ~(highest - lowest <= _WIDEST)
    middle = 0.5 * (highest + lowest)
    total = np.full((len(b), len(a)), middle[~wide].sum())
    for n in np.flatnonzero(wide):
        total += np.logaddexp(a[:, n], b[:, n, None])
    if wide.all():
        return total
    reach = 0.5 * (highest - lowest)[~wide] + np.log(2)
    scaled = [np.exp(np.maximum(table[:, ~wide] - middle[~wide], _LEAST)).T for table in (a, b)]
    if len(reach) % 2:  # pairs are wanted: a summand of 1
        scaled = [
            np.vstack([table, np.full(table.shape[1], one)]) for table, one in zip(scaled, (1.0, 0.0), strict=True)
        ]
        reach = np.append(reach, 0.0)
    (a_1, a_2), (b_1, b_2) = ((table[0::2], table[1::2]) for table in scaled)
    left = np.stack([a_1 * a_2, a_1, a_2, np.ones_like(a_1)], axis=1)
    right = np.stack([np.ones_like(b_1), b_2, b_1, b_1 * b_2], axis=1).transpose(0, 2, 1)
    product, factor = np.ones_like(total), np.empty_like(total)
    filled = 0.0
    for one, other, room in zip(left, right, (reach[0::2] + reach[1::2]).tolist(), strict=True):
        if filled + room > _FULLEST:
            total += np.log(product)
            product.fill(1.0)
            filled = 0.0
        np.matmul(other, one, out=factor)
        product *= factor
        filled += room
    return np.asarray(total + np.log(product))


# ---- Profiles ----------------------------------------------------------------------------------------------

# The climb at each place: until an iteration gains so little per sample, but no longer than this.
_PROFILE_TOL = 1e-8
_PROFILE_ITERATIONS = 500
# More points than this on one axis, and the climb goes most of the way on bins.
_PROFILE_POINTS = 500


def _held(model: GaussianMixture, parameters: GaussianMixtureParameters, names: Sequence[str]) -> Held:
    """The two coordinates as what an M-step can hold."""
    held = Held(np.zeros(model.n_components, dtype=np.bool_), np.zeros(model.n_components, dtype=np.bool_))
    n_features = parameters.n_features
    touched = [_touched(parameters, parameters.names.index(name)) for name in names]
    are_means = [name.startswith("mean ") for name in names]
    if n_features == 1 and all(name.startswith(("mean ", "log sd")) for name in names):
        for components, is_mean in zip(touched, are_means, strict=True):
            (held.means if is_mean else held.sds)[list(components)] = True
    elif n_features == 2 and all(are_means) and touched[0] == touched[1]:
        held.means[list(touched[0])] = True
    else:
        able = "two of the means and log sds" if n_features == 1 else "both coordinates of one mean"
        if n_features > 2:
            able = "data with one or two axes"
        raise ValueError(
            f"with profiled=True names must be {able}, which EM can hold while it climbs in all others; "
            f"got {' and '.join(names)}"
        )
    return held


def _profile(
    model: GaussianMixture,
    X: GaussianData,
    parameters: GaussianMixtureParameters,
    names: tuple[str, str],
    x: Array,
    y: Array,
    held: Held,
) -> Surface:
    """The highest log-likelihood that EM reaches in all other parameters at each place."""
    columns = (np.tile(x, len(y)), np.repeat(y, len(x)))
    placed, legal = _placed(X, parameters, _positions(parameters, names), columns)
    narrow = placed.take(legal)
    wide_open = model.from_means(X, parameters.means)
    wide = Mixtures(
        np.broadcast_to(wide_open.weights, narrow.weights.shape),
        narrow.means,
        np.where(held.sds[:, None, None], narrow.covariances, wide_open.covariances),
    )
    best = np.full(int(legal.sum()), np.nan)
    rule: dict[str, Any] = {"max_iter": _PROFILE_ITERATIONS, "tol": _PROFILE_TOL, "held": held}
    for starts in (narrow, wide):
        if X.n_features == 1 and X.n_samples > _PROFILE_POINTS and X.sds[0] > 0:
            places, point_weights = _binned(X.X[:, 0], _BINS[0])
            near = batch.run(places[:, None], starts, model.covariance_type, point_weights=point_weights, **rule)
            safe = near.outcome != batch.UNSAFE
            starts = Mixtures(
                *(
                    np.where(safe.reshape(-1, *[1] * (there.ndim - 1)), there, here)
                    for there, here in zip(near.mixtures, starts, strict=True)
                )
            )
        ends = batch.run(X, starts, model.covariance_type, **rule)
        best = np.fmax(best, np.where(ends.outcome == batch.UNSAFE, np.nan, ends.objective))
    if len(best):
        best = np.maximum(best, batch.log_likelihoods(X, *narrow))
    values = np.full((len(y), len(x)), np.nan)
    values.reshape(-1)[legal] = best
    values.flags.writeable = False
    reason = "with these two held, a component collapses, and the log-likelihood has no maximum in the others"
    return Surface((names[0], names[1]), x, y, values, True, _masked(values, reason))


# ---- Basins ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Basins:
    """Which start leads where, on a grid.

    Attributes
    ----------
    names : tuple of two str
        The coordinates of the start that the grid runs over: the first along x, the second along y.
    x, y : ndarray of shape (n_x,) and (n_y,)
        Their values.
    outcome : ndarray of int, shape (n_y, n_x)
        [j, i] for the start at (x[i], y[j]): an index into `maxima`, or SADDLE, UNFINISHED, COLLAPSED
        (`emcore.restarts`).
    n_iterations : ndarray of int, shape (n_y, n_x)
        The M-steps of each run; of a run on bins its own, which may be a few more or less than on the data.
    maxima : tuple of Maximum
        The highest first. Counts and shares are those of the grid, and a representative is j * n_x + i.
    n_bins : int
        0 if every run is exact. Else the number of weighted points that stood for the data, but at the borders.
    n_checked : int
        The starts at which binned and exact runs were compared, and all led to the same place.
    """

    names: tuple[str, str]
    x: Array
    y: Array
    outcome: NDArray[np.int64]
    n_iterations: NDArray[np.int64]
    maxima: tuple[Maximum, ...]
    n_bins: int
    n_checked: int


@dataclass(frozen=True, eq=False)
class Reached:
    """Which start leads where, for a list of starts.

    Attributes
    ----------
    outcome : ndarray of int, shape (n_starts,)
        An index into `maxima`, or SADDLE, UNFINISHED, COLLAPSED (`emcore.restarts`).
    n_iterations : ndarray of int, shape (n_starts,)
        The M-steps of each run.
    maxima : tuple of Maximum
        The highest first; a representative is the index of a start.
    """

    outcome: NDArray[np.int64]
    n_iterations: NDArray[np.int64]
    maxima: tuple[Maximum, ...]


# Data on one axis with more points than this are binned, into the first of these numbers of bins that passes ...
_FEW_POINTS = 2000
_BINS = (128, 512)
# ... a comparison with the data themselves at so many values of each coordinate.
_CHECKED = 12


def basins(
    model: GaussianMixture,
    X: ArrayLike | GaussianData,
    start: GaussianMixtureParameters,
    names: tuple[str, str],
    x: ArrayLike,
    y: ArrayLike,
    *,
    max_iter: int = 100,
    tol: float = 1e-6,
    known: Sequence[Maximum] = (),
) -> Basins:
    """Where EM leads from each of a grid of starts.

    Every start runs on the data themselves. Only where there are more than 2,000 of them on one axis do 128 (or 512)
    weighted points stand for them, each point shared between its two neighbours in proportion to nearness; only if
    the starts of a coarser grid then all lead to the same places as on the data; and not at the borders of the
    basins, where the starts run on the data again. The maxima are always those of the data.

    Parameters
    ----------
    model, X
        What to fit to what.
    start : GaussianMixtureParameters
        What the starts share: in each, the two named coordinates are replaced.
    names : tuple of two str
        Two different names of `start.names`.
    x, y : array-like of shape (n_x,) and (n_y,)
        The values of the first and of the second, legal for a start.
    max_iter, tol
        As in `emcore.run`.
    known : sequence of Maximum, optional
        Maxima found before on the same points, as for `emcore.restarts.distinct`.
    """
    require_maximum_likelihood(model, "basins")
    x, y = frozen_array(x, "x", ("n_x",)), frozen_array(y, "y", ("n_y",))
    positions = _positions(start, names)
    data = model.prepare(X)
    # swapped components lead to the same place: half of the starts will do
    grid = _Grid.of(len(y), len(x), half=_is_symmetric(start, positions) and np.array_equal(x, y))
    j, i = grid.j, grid.i
    placed, legal = _placed(data, start, positions, (x[i], y[j]))
    if not legal.all():
        first = int(np.flatnonzero(~legal)[0])
        raise ValueError(
            f"x and y must be legal for a start, got {names[0]} = {x[i[first]]:g} and {names[1]} = {y[j[first]]:g}; "
            "leave such values out"
        )
    reached, n_bins, n_checked = None, 0, 0
    if data.n_features == 1 and data.n_samples > _FEW_POINTS and data.sds[0] > 0:
        reached, n_bins, n_checked, known = _led_on_bins(model, data, placed, grid, max_iter, tol, known)
    if reached is None:
        reached = _led(model, data, placed, max_iter, tol, known)
    outcome, n_iterations = grid.filled(reached.outcome), grid.filled(reached.n_iterations)
    flat = j * len(x) + i
    maxima = tuple(
        replace(
            maximum,
            count=int((outcome == rank).sum()),
            share=float((outcome == rank).mean()) if outcome.size else 0.0,
            representative=int(flat[maximum.representative]) if maximum.representative >= 0 else -1,
        )
        for rank, maximum in enumerate(reached.maxima)
    )
    for array in (outcome, n_iterations):
        array.flags.writeable = False
    return Basins((names[0], names[1]), x, y, outcome, n_iterations, maxima, n_bins, n_checked)


def basins_at(
    model: GaussianMixture,
    X: ArrayLike | GaussianData,
    start: GaussianMixtureParameters,
    component: int,
    points: ArrayLike,
    *,
    max_iter: int = 100,
    tol: float = 1e-6,
    known: Sequence[Maximum] = (),
) -> Reached:
    """Where EM leads when the mean of one component begins at each of these points and all else as in `start`.

    Parameters
    ----------
    model, X, start, max_iter, tol, known
        As for `basins`.
    component : int
        Whose mean, from 0.
    points : array-like of shape (n_starts, n_features)
        Where it begins.
    """
    require_maximum_likelihood(model, "basins")
    if not 0 <= component < start.n_components:
        raise ValueError(f"component must be from 0 to {start.n_components - 1}, got {component}")
    points = frozen_array(points, "points", ("n_starts", start.n_features))
    means = np.repeat(start.means[None], len(points), axis=0)
    means[:, component] = points
    weights, covariances = (np.repeat(array[None], len(points), axis=0) for array in (start.weights, start.covariances))
    return _led(model, model.prepare(X), Mixtures(weights, means, covariances), max_iter, tol, known)


def _is_symmetric(start: GaussianMixtureParameters, positions: tuple[int, ...]) -> bool:
    """Whether the two coordinates are the means of components that are alike in all else."""
    if start.n_features > 1 or max(positions) >= start.n_components:
        return False
    first, second = positions
    alike = (start.weights, start.covariances)
    return all(np.array_equal(array[first], array[second]) for array in alike)


class _Grid(NamedTuple):
    """The starts that are run, as places of the grid: all, or those with i <= j, which stand for the others too."""

    shape: tuple[int, int]
    j: NDArray[np.intp]
    i: NDArray[np.intp]
    half: bool

    @classmethod
    def of(cls, n_y: int, n_x: int, half: bool) -> _Grid:
        j, i = (index.reshape(-1) for index in np.indices((n_y, n_x)))
        return cls((n_y, n_x), j[i <= j], i[i <= j], True) if half else cls((n_y, n_x), j, i, False)

    def filled(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """The whole grid, from one value for each start."""
        whole = np.empty(self.shape, dtype=np.int64)
        if self.half:
            whole[self.i, self.j] = values
        whole[self.j, self.i] = values
        return whole

    def coarse(self) -> NDArray[np.intp]:
        """Some of the starts, spread evenly."""
        chosen = [np.unique(np.linspace(0, n - 1, min(n, _CHECKED)).round().astype(int)) for n in self.shape]
        return np.flatnonzero(np.isin(self.j, chosen[0]) & np.isin(self.i, chosen[1]))

    def at_borders(self, outcome: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The starts with a neighbour, also across a corner, that leads elsewhere."""
        padded = np.pad(self.filled(outcome), 1, mode="edge")
        n_y, n_x = self.shape
        around = [padded[b : b + n_y, a : a + n_x] for b in range(3) for a in range(3)]
        unlike = np.any([one != around[4] for one in around], axis=0)
        return np.asarray(unlike[self.j, self.i])


def _parameters(mixtures: Mixtures, model: GaussianMixture) -> list[GaussianMixtureParameters]:
    """The mixtures of a batch one by one; they are legal by construction."""
    return [
        GaussianMixtureParameters._trusted(weights.copy(), means.copy(), covariances.copy(), model.covariance_type)
        for weights, means, covariances in zip(*mixtures, strict=True)
    ]


def _led(
    model: GaussianMixture, data: GaussianData, starts: Mixtures, max_iter: int, tol: float, known: Sequence[Maximum]
) -> Reached:
    """Where the starts lead, on the data themselves."""
    runs = run_many(model, data, _parameters(starts, model), max_iter=max_iter, tol=tol)
    return _reached(runs, distinct(data, runs, known))


def _reached(runs: Runs, found: Maxima) -> Reached:
    return Reached(found.outcome, runs.n_iterations, found.maxima)


def _led_on_bins(
    model: GaussianMixture,
    data: GaussianData,
    starts: Mixtures,
    grid: _Grid,
    max_iter: int,
    tol: float,
    known: Sequence[Maximum],
) -> tuple[Reached | None, int, int, Sequence[Maximum]]:
    """Where the starts lead, on bins; None if that is elsewhere than on the data for one of those compared.

    At the borders of the basins, where bins could tip a start to the other side, the data themselves decide. Also the
    number of bins, that of starts compared, and the maxima that are known by then.
    """
    compared = grid.coarse()
    sample = starts.take(compared)
    runs = _run_together(model, data, 0, sample, max_iter, tol)
    exact = distinct(data, runs, known)
    for n_bins in _BINS:
        runs = _run_together(model, data, n_bins, sample, max_iter, tol)
        if not np.array_equal(distinct(data, runs, exact.maxima).outcome, exact.outcome):
            continue
        runs = _run_together(model, data, n_bins, starts, max_iter, tol)
        found = distinct(data, runs, exact.maxima)
        done = np.zeros(len(runs), dtype=np.bool_)
        while (left := np.flatnonzero(grid.at_borders(found.outcome) & ~done)).size:
            runs = _with(runs, left, _run_together(model, data, 0, starts.take(left), max_iter, tol))
            found = distinct(data, runs, exact.maxima)
            done[left] = True
        return _reached(runs, found), n_bins, len(compared), exact.maxima
    return None, 0, 0, exact.maxima


def _with(runs: Runs, rows: NDArray[np.intp], others: Runs) -> Runs:
    """The runs with those at `rows` replaced."""
    columns = []
    for column, replacing in (
        (runs.parameters, others.parameters),
        (runs.objective, others.objective),
        (runs.n_iterations, others.n_iterations),
        (runs.stopped, others.stopped),
        (runs.reasons, others.reasons),
    ):
        changed = list(column)
        for row, value in zip(rows.tolist(), replacing, strict=True):
            changed[row] = value
        columns.append(changed)
    parameters, objective, n_iterations, stopped, reasons = columns
    return Runs(
        runs.model,
        tuple(parameters),
        np.array(objective),
        np.array(n_iterations, dtype=np.int64),
        tuple(stopped),
        tuple(reasons),
    )


def _run_together(
    model: GaussianMixture, data: GaussianData, n_bins: int, starts: Mixtures, max_iter: int, tol: float
) -> Runs:
    """The runs on bins, or (0 bins) on the data; the log-likelihood of their ends is that of the data.

    Unlike `run_many` it does not run those alone that rounding decides: with so many points that takes too long, and
    on a map they are single places on a ridge.
    """
    rule: dict[str, Any] = {"max_iter": max_iter, "tol": tol}
    if n_bins:
        places, point_weights = _binned(data.X[:, 0], n_bins)
        ends = batch.run(places[:, None], starts, model.covariance_type, point_weights=point_weights, **rule)
        objective = batch.log_likelihoods(data, *ends.mixtures)
    else:
        ends = batch.run(data, starts, model.covariance_type, **rule)
        objective = ends.objective
    stopped: list[Stopped] = ["converged" if outcome == batch.CONVERGED else "max_iter" for outcome in ends.outcome]
    parameters = tuple(_parameters(ends.mixtures, model))
    runs = Runs(model, parameters, objective, ends.n_iterations, tuple(stopped), ("",) * len(stopped))
    unsafe = np.flatnonzero(ends.outcome == batch.UNSAFE)
    if not len(unsafe):
        return runs
    # on the way to a collapse: what becomes of these only the data can say
    alone = run_many(model, data, _parameters(starts.take(unsafe), model), max_iter=max_iter, tol=tol)
    return _with(runs, unsafe, alone)


def _binned(values: Array, n_bins: int) -> tuple[Array, Array]:
    """Evenly spaced places and how many points each stands for: a point counts for both its neighbours, by nearness.

    So the mean of all points stays what it is (Wand 1994, linear binning). Places without points are left out.
    """
    low, high = float(values.min()), float(values.max())
    where = (values - low) / (high - low) * (n_bins - 1)
    left = np.minimum(where.astype(np.int64), n_bins - 2)
    right_part = where - left
    counts = np.bincount(left, 1 - right_part, n_bins) + np.bincount(left + 1, right_part, n_bins)
    taken = counts > 0
    return np.linspace(low, high, n_bins)[taken], np.asarray(counts[taken], dtype=np.float64)


# ---- The bound under a slice -------------------------------------------------------------------------------

# How far a slice reaches beyond what the run visits, at least: in sds of the data for a mean, else as it stands.
_BEYOND = {"mean": 0.35, "log sd": 0.35, "atanh correlation": 0.35, "logit weight": 0.7}
# A line is drawn from before theta_t, at 0, to beyond theta_t+1, at 1.
_LINE = (-0.6, 1.9)


@dataclass(frozen=True, eq=False)
class BoundSlices:
    """The objective and the bound under it along one parameter, or along the way of the M-step, at every position.

    At position 2t+1 (E-step) and along a parameter, all other parameters are those of theta_t; at 2t+2 (M-step) those
    of theta_t+1, because an M-step moves them all. Along the line both are the same cut, from theta_t to theta_t+1.

    Attributes
    ----------
    name : str
        The parameter, as in `parameters.names`; "" along the line.
    x : ndarray of shape (n_values,)
        Its values; along the line the part of the way, 0 at theta_t and 1 at theta_t+1.
    objective : ndarray of shape (n_positions, n_values)
        NaN where the parameters are not legal.
    bound : ndarray of shape (n_positions, n_values)
        L(q, theta) for the latest posterior; NaN at the bare start, where there is none.
    earlier : ndarray of shape (n_positions, n_values)
        At an E-step the bound that was in force before it; NaN elsewhere.
    place : ndarray of shape (n_positions,)
        Where the parameters in force lie.
    reached, touched : ndarray of shape (n_positions,)
        The objective and the bound there.
    came_from : ndarray of shape (n_positions,)
        At an M-step, where the parameters lay before it; elsewhere as `place`.
    gap : ndarray of shape (n_positions,)
        objective - bound at `place`: KL(q || p(Z | X, theta)) for a model of probabilities. 0 after an E-step.
    closed : ndarray of shape (n_positions,)
        What an E-step closed: the gap just before it; NaN elsewhere and where there was no bound yet.
    """

    name: str
    x: Array
    objective: Array
    bound: Array
    earlier: Array
    place: Array
    reached: Array
    touched: Array
    came_from: Array
    gap: Array
    closed: Array


def bound_at(
    model: LatentVariableModel, X: Any, posterior: Any, parameters: Any, vectors: ArrayLike
) -> tuple[Array, Array]:
    """The objective and the lower bound L(q, theta) = Q(theta) + H(q) at several points of parameter space.

    Works for every model. The bound touches the objective, with the same slope, where the posterior is that of the
    parameters, and lies nowhere above it (Neal & Hinton 1998; Bishop 2006, section 9.4).

    Parameters
    ----------
    model, X
        As for `surface`.
    posterior
        q, as an E-step gave it.
    parameters
        Whose `from_vector` reads the points.
    vectors : array-like of shape (n_places, p)
        As from `parameters.to_vector`, finite.

    Returns
    -------
    objective, bound : ndarray of shape (n_places,)
        NaN where the parameters are not legal.
    """
    places = frozen_array(vectors, "vectors", ("n_places", len(parameters.names)))
    X = model.prepare(X)
    thetas = _read(parameters, places)
    return _objectives(model, X, thetas), _bounds(model, X, posterior, thetas)


def _read(parameters: Any, vectors: Array) -> list[Any]:
    """The parameters at each vector; None where they are not legal."""
    thetas: list[Any] = []
    for vector in vectors:
        try:
            with np.errstate(all="ignore"):
                thetas.append(parameters.from_vector(vector))
        except (ValueError, ArithmeticError):
            thetas.append(None)
    return thetas


def _objectives(model: LatentVariableModel, X: Any, thetas: Sequence[Any]) -> Array:
    """The objective at each; NaN where there is none."""
    values = np.full(len(thetas), np.nan)
    legal = np.array([theta is not None for theta in thetas])
    if _is_likelihood(model):
        legal[legal] &= [bool((theta.sds > SMALLEST_SD * X.sds).all()) for theta in thetas if theta is not None]
        kept = [theta for theta, fine in zip(thetas, legal, strict=True) if fine]
        if kept:
            weights, means = (np.array([getattr(theta, name) for theta in kept]) for name in ("weights", "means"))
            values[legal] = batch.log_likelihoods(X, weights, means, np.array([theta.covariances for theta in kept]))
        return values
    for i in np.flatnonzero(legal).tolist():
        with np.errstate(all="ignore"), suppress(ValueError, ArithmeticError):
            values[i] = model.e_step(X, thetas[i]).objective
    return values


def _bounds(model: LatentVariableModel, X: Any, posterior: Any, thetas: Sequence[Any]) -> Array:
    """The lower bound of one posterior at each; NaN where there is none."""
    values = np.full(len(thetas), np.nan)
    entropy = float(posterior.entropy)
    for i, theta in enumerate(thetas):
        if theta is not None:
            with np.errstate(all="ignore"), suppress(ValueError, ArithmeticError):
                values[i] = model.expected_log_joint(X, posterior, theta) + entropy
    return values


def slopes(
    model: LatentVariableModel, X: Any, posterior: Any, parameters: Any, direction: ArrayLike
) -> tuple[float, float]:
    """The slopes of objective and bound at `parameters`, along `direction` in the coordinates of `to_vector`.

    By central differences. They are equal where the posterior is that of the parameters: the gap, which is nowhere
    negative, is 0 there, and so is its slope (Fisher's identity).
    """
    vector = parameters.to_vector()
    along_it = frozen_array(direction, "direction", vector.shape)
    step = 1e-5 / max(float(np.abs(along_it).max()), 1e-300)
    objective, bound = bound_at(model, X, posterior, parameters, [vector - step * along_it, vector + step * along_it])
    return tuple(float(ends[1] - ends[0]) / (2 * step) for ends in (objective, bound))  # type: ignore[return-value]


def slopes_at(history: History, iteration: int, name: str = "") -> tuple[float, float]:
    """`slopes` after the E-step at theta_iteration, along a parameter or (name "") along the way of the M-step."""
    theta, posterior = history.parameters[iteration], history.posterior(iteration)
    if name:
        direction = np.zeros(len(theta.names))
        direction[_positions(theta, (name,))[0]] = 1.0
    else:
        vectors = np.array([theta.to_vector() for theta in history.parameters[: iteration + 2]])
        direction = _steps(history, vectors, posterior)[iteration]
    return slopes(history.model, history.prepared, posterior, theta, direction)


def bound_slices(history: History, name: str = "", *, since: int = 0, n_values: int = 61) -> BoundSlices:
    """The objective and the bound at every position of a run, along one parameter or along the way of the M-step.

    Parameters
    ----------
    history : History
        A run of any model.
    name : str
        One of `parameters.names`; "" for the straight line from theta_t to theta_t+1 in the coordinates of
        `to_vector`.
    since : int
        The values cover what the run visits from this iteration on.
    n_values : int
        How many values along the slice, evenly spaced, at least 2.

    Raises
    ------
    ValueError
        If there is no such parameter or iteration.
    """
    if not 0 <= since <= history.n_iterations:
        raise ValueError(f"since must be from 0 to {history.n_iterations}, got {since}")
    if name:
        _positions(history.parameters[0], (name,))
    model, X = history.model, history.prepared
    vectors = np.array([theta.to_vector() for theta in history.parameters])
    x = np.linspace(*(_visited(history, name, vectors[since:]) if name else _LINE), n_values)
    n_positions = history.n_positions
    objective, bound, earlier = (np.full((n_positions, n_values), np.nan) for _ in range(3))
    posteriors = [history.posterior(t) for t in range(history.n_iterations + 1)]
    steps = _steps(history, vectors, posteriors[-1])
    for t, theta in enumerate(history.parameters):  # one cut an iteration serves three half-steps
        if name:
            cut = np.repeat(vectors[t][None], n_values, axis=0)
            cut[:, theta.names.index(name)] = x
        else:
            cut = vectors[t] + x[:, None] * steps[t]
        thetas = _read(theta, cut)
        at_e_step = 2 * t + 1
        objective[at_e_step - 1 : at_e_step + 1] = _objectives(model, X, thetas)
        bound[at_e_step] = _bounds(model, X, posteriors[t], thetas)
        if t:
            earlier[at_e_step] = _bounds(model, X, posteriors[t - 1], thetas)
            bound[at_e_step - 1] = earlier[at_e_step]
    if not name:  # an M-step goes along the cut of the E-step before it
        objective[2::2], bound[2::2] = objective[1:-1:2], bound[1:-1:2]
    return _at_every_position(history, name, x, vectors, objective, bound, earlier)


def _at_every_position(
    history: History, name: str, x: Array, vectors: Array, objective: Array, bound: Array, earlier: Array
) -> BoundSlices:
    """The slices with what stands at the parameters in force."""
    positions = np.arange(history.n_positions)
    is_m_step = (positions % 2 == 0) & (positions > 0)
    if name:
        coordinate = vectors[:, history.parameters[0].names.index(name)]
        place = coordinate[positions // 2]
        came_from = np.where(is_m_step, coordinate[np.maximum(positions // 2 - 1, 0)], place)
    else:
        place = is_m_step.astype(np.float64)
        came_from = np.zeros(len(positions))
    reached = np.asarray(history.objective)[positions // 2]
    touched = np.array(history.lower_bounds)
    gap = reached - touched
    closed = np.full(len(positions), np.nan)
    closed[3::2] = gap[2:-1:2]
    columns = (objective, bound, earlier, place, reached, touched, came_from, gap, closed)
    for column in (x, *columns):
        column.flags.writeable = False
    return BoundSlices(name, x, *columns)


def _visited(history: History, name: str, vectors: Array) -> tuple[float, float]:
    """The values of a parameter that a slice shows: those of the run, and some on both sides."""
    position = history.parameters[0].names.index(name)
    values = vectors[:, position]
    kind = next((kind for kind in _BEYOND if name.startswith(kind)), "")
    beyond = _BEYOND.get(kind, 1.0)
    if kind == "mean":
        X = np.asarray(history.X)
        beyond *= float(np.nanstd(X[:, position % X.shape[1]])) or 1.0  # NaN is a missing value
    room = max(beyond, 0.4 * float(np.ptp(values)))
    return float(values.min()) - room, float(values.max()) + room


def _steps(history: History, vectors: Array, last: Any) -> list[Array]:
    """The way of the M-step from each theta_t; where none leads on, that of the one before."""
    steps = list(np.diff(vectors, axis=0))
    try:
        step = history.model.m_step(history.prepared, last).to_vector() - vectors[-1]
    except DegenerateFit:
        step = steps[-1] if steps else np.zeros_like(vectors[-1])
    return [*steps, step]


@dataclass(frozen=True, eq=False)
class Way:
    """Objective and bound along the way from theta_t to the top of the bound, and how far a step went on it.

    Attributes
    ----------
    x : ndarray of shape (n_values,)
        Parts of the way: 0 at theta_t, 1 where the M-step of EM ends.
    objective, bound : ndarray of shape (n_values,)
        As in `BoundSlices`.
    stop : float
        The part of the way to theta_t+1, from the foot of the perpendicular if that lies beside the line.
    """

    x: Array
    objective: Array
    bound: Array
    stop: float


def way_to_the_top(history: History, iteration: int, model: LatentVariableModel, n_values: int = 61) -> Way:
    """How far a run's M-step after theta_iteration went on the way that the M-step of `model` goes.

    Raises
    ------
    ValueError
        The run makes no such M-step.
    DegenerateFit
        The M-step of `model` has no result.
    """
    if not 0 <= iteration < history.n_iterations:
        raise ValueError(f"iteration must be from 0 to {history.n_iterations - 1}, got {iteration}")
    X, posterior = history.prepared, history.posterior(iteration)
    here, after = (theta.to_vector() for theta in history.parameters[iteration : iteration + 2])
    line = model.m_step(X, posterior).to_vector() - here
    squared = float(line @ line)
    stop = float((after - here) @ line) / squared if squared else 0.0
    x = np.linspace(*_LINE, n_values)
    objective, bound = bound_at(model, X, posterior, history.parameters[iteration], here + x[:, None] * line)
    return Way(x, objective, bound, stop)


@dataclass(frozen=True)
class Ledger:
    """What stands behind the objective at one position: objective = Q + H(q) + gap.

    Attributes
    ----------
    objective : float
        At the parameters in force.
    expected_log_joint, entropy : float
        Q and H(q) of the latest posterior.
    bound : float
        Their sum.
    gap : float
        objective - bound, which is KL(q || p(Z | X, theta)) for a model of probabilities; 0 after an E-step.
    q_gained : float
        What the latest M-step added to Q, and so to the bound; 0 before the first one.
    closed : float
        The gap that this M-step opened. An E-step closes it by lifting the bound.
    gain : float
        What the latest M-step added to the objective: q_gained + closed.
    """

    objective: float
    expected_log_joint: float
    entropy: float
    bound: float
    gap: float
    q_gained: float
    closed: float
    gain: float


def ledger(history: History, position: int) -> Ledger | None:
    """The identity behind the climb, in numbers, at one position; None at the bare start, where there is no bound."""
    here = history.snapshot(position)
    if here.posterior is None:
        return None
    entropy = float(here.posterior.entropy)
    q = float(history.model.expected_log_joint(history.prepared, here.posterior, here.parameters))
    gap = 0.0 if here.phase == "E" else max(here.objective - (q + entropy), 0.0)
    t = here.iteration
    q_gained, closed, gain = (float(part[t]) for part in parts_of_gains(history)) if t else (0.0, 0.0, 0.0)
    return Ledger(here.objective, q, entropy, q + entropy, gap, q_gained, closed, gain)


def parts_of_gains(history: History) -> tuple[Array, Array, Array]:
    """What each iteration gained in Q, what its E-step closed, and the sum: shape (n_iterations + 1,), 0 at the start.

    The M-step that made theta_t raises Q by the first. The objective rises by more: the second is the gap that then
    lies between bound and objective, which the next E-step closes. Rounding may make it slightly negative near the end.
    """
    bounds, objective = history.lower_bounds, np.asarray(history.objective)
    q_gained, gain = (np.zeros(history.n_iterations + 1) for _ in range(2))
    q_gained[1:] = bounds[2::2] - objective[:-1]
    gain[1:] = np.diff(objective)
    return q_gained, gain - q_gained, gain


# ---- You are the algorithm ---------------------------------------------------------------------------------


def loss_of_mean(history: History, iteration: int, component: int, mean: ArrayLike) -> tuple[Array, float]:
    """Where the M-step after theta_iteration puts a mean, and what Q loses if it stands elsewhere.

    All else is as the M-step sets it, so that the loss is that of the mean alone.

    Parameters
    ----------
    history : History
        A run of a model whose parameters have `means`.
    iteration, component : int
        Both from 0.
    mean : array-like of shape (n_features,)
        The guess.

    Returns
    -------
    answer : ndarray of shape (n_features,)
    loss : float
        In the objective's unit, at least 0.

    Raises
    ------
    ValueError
        The iteration, the component or the guess is not one.
    DegenerateFit
        The M-step has no result.
    """
    model, X = history.model, history.prepared
    posterior = _posterior_at(history, iteration, component)
    best = model.m_step(X, posterior)
    means = np.array(best.means)
    means[component] = frozen_array(mean, "mean", means[component].shape)
    reached, guessed = (model.expected_log_joint(X, posterior, theta) for theta in (best, replace(best, means=means)))
    return np.array(best.means[component]), max(reached - guessed, 0.0)


def loss_of_shares(
    history: History, iteration: int, component: int, rows: Sequence[int], shares: ArrayLike
) -> tuple[Array, float]:
    """The responsibilities of a component for some points, and how far other ones would hold the bound below.

    The loss is KL(q || p) in nats: the guess for the component, and the rest shared out among the others as it is.

    Parameters
    ----------
    history : History
        A run of a model with responsibilities.
    iteration, component : int
        Both from 0.
    rows : sequence of int
        Rows of X.
    shares : array-like of shape (len(rows),)
        The guesses, from 0 to 1.

    Returns
    -------
    answers : ndarray of shape (len(rows),)
    loss : float
        Infinite where something is guessed to be possible that is not.
    """
    guesses = frozen_array(shares, "shares", (len(rows),))
    if (guesses < 0).any() or (guesses > 1).any():
        raise ValueError(f"shares must be from 0 to 1, got {guesses.tolist()}")
    answers = np.array(_posterior_at(history, iteration, component).responsibilities[list(rows), component])
    divergence = rel_entr(guesses, answers) + rel_entr(1 - guesses, 1 - answers)
    return answers, float(divergence.sum())


def asked_points(history: History, iteration: int, component: int, seed: int, n_points: int = 3) -> tuple[int, ...]:
    """Rows of X that are worth a question: drawn from those of which the component takes neither all nor nothing."""
    shares = _posterior_at(history, iteration, component).responsibilities[:, component]
    order = np.argsort(np.abs(shares - 0.5), kind="stable")
    open_ones = order[: max(n_points, int(((shares > 0.02) & (shares < 0.98)).sum()))]
    rng = np.random.default_rng([seed, iteration, component])
    chosen = rng.choice(open_ones, min(n_points, len(open_ones)), replace=False)
    return tuple(sorted(chosen.tolist(), key=lambda row: tuple(np.asarray(history.X)[row])))


def _posterior_at(history: History, iteration: int, component: int) -> Any:
    """q of an iteration, if there are this one and the component."""
    if not 0 <= iteration <= history.n_iterations:
        raise ValueError(f"iteration must be from 0 to {history.n_iterations}, got {iteration}")
    if not 0 <= component < history.model.n_components:
        raise ValueError(f"component must be from 0 to {history.model.n_components - 1}, got {component}")
    return history.posterior(iteration)
