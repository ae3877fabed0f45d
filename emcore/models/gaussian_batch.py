"""Many Gaussian mixtures on the same points at once: for restarts, grids and basin maps.

The arithmetic is that of `gaussian_kernel`: log-densities are linear in the monomials of the centred points. Here the
coefficients of all components of all mixtures are the rows of one matrix, so that an E-step of a block of mixtures is
one matrix product with the monomials, exp, normalise, and one more product for the sufficient statistics. Mixtures
and points pass in blocks that stay in the processor's cache, and a run that has ended leaves the batch.

What monomials would lose digits of (`gaussian_kernel` says when) is not computed here: such a run is given back as
UNSAFE, and the caller runs it alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.models.gaussian_kernel import (
    GaussianData,
    _monomials,
    _n_monomials,
    _pair_positions,
    expectation,
    prepare,
)
from emcore.models.gaussian_mixture import CovarianceType, _constrained

Array = NDArray[np.float64]

# How a run left the batch.
CONVERGED, MAX_ITER, UNSAFE, UNDECIDED = range(4)
_GOING = -1

# (components) x (mixtures) x (points) of one block: what is read and written again stays in the L2 cache.
_BLOCK = 65_536
# A block has no more points than this: many mixtures share the monomials of a block of points.
_LONGEST_BLOCK = 1024

# The monomial form may magnify rounding by this much: 11 to 12 digits are left.
LARGEST_AMPLIFICATION = 1e4
# Narrower than this part of the data's sd, or with fewer points: on the way to a collapse.
_NARROW = 1e-5
_FEW_POINTS = 1e-100

# exp and its reciprocal are normal doubles between these.
_LARGEST_EXPONENT = 700.0
_LOWEST_EXPONENT = -700.0


class Mixtures(NamedTuple):
    """Gaussian mixtures as arrays, the first axis counts the mixtures.

    Attributes
    ----------
    weights : ndarray of shape (n_mixtures, n_components)
    means : ndarray of shape (n_mixtures, n_components, n_features)
    covariances : ndarray of shape (n_mixtures, n_components, n_features, n_features)
        In the data's units, as in `GaussianMixtureParameters`.
    """

    weights: Array
    means: Array
    covariances: Array

    def take(self, rows: Any) -> Mixtures:
        """The mixtures that an index array or a mask chooses, copied."""
        return Mixtures(self.weights[rows], self.means[rows], self.covariances[rows])


@dataclass(frozen=True, eq=False)
class Held:
    """What the M-step must leave as it is, for a profile.

    Attributes
    ----------
    means : ndarray of bool, shape (n_components,)
        Components whose mean is held; their covariance is then the scatter about it.
    sds : ndarray of bool, shape (n_components,)
        Components whose covariance is held; of the tied type hold all or none.
    """

    means: NDArray[np.bool_]
    sds: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ends:
    """Where each of many runs ended.

    Attributes
    ----------
    mixtures : Mixtures
        The final parameters: those that `objective` belongs to.
    objective : ndarray of shape (n_runs,)
        Their log-likelihood in nats; NaN if a run was UNSAFE or UNDECIDED before its first E-step.
    n_iterations : ndarray of int, shape (n_runs,)
        The M-steps that made them.
    outcome : ndarray of int, shape (n_runs,)
        CONVERGED; MAX_ITER; UNSAFE: a component is empty, shrinks towards a point or a line, or is too narrow for
        monomials, and the run was left there; UNDECIDED: rounding decides how it goes on, and only the single run
        itself can say (only where `careful`).
    """

    mixtures: Mixtures
    objective: Array
    n_iterations: NDArray[np.int64]
    outcome: NDArray[np.int64]


class Moments(NamedTuple):
    """What the E-step of each mixture says: its log-likelihood, and what each component takes of the data.

    Attributes
    ----------
    log_likelihood : ndarray of shape (n_mixtures,)
    counts : ndarray of shape (n_mixtures, n_components)
    means : ndarray of shape (n_mixtures, n_components, n_features)
    covariances : ndarray of shape (n_mixtures, n_components, n_features, n_features)
        As in `gaussian_kernel.Expectation`, before the covariance type is imposed.
    safe : ndarray of bool, shape (n_mixtures,)
        False where monomials would lose too many digits or a component has next to no points; what stands in the
        other fields is then not to be used.
    """

    log_likelihood: Array
    counts: Array
    means: Array
    covariances: Array
    safe: NDArray[np.bool_]

    def take(self, rows: Any) -> Moments:
        """Those of the mixtures that an index array or a mask chooses, copied."""
        return Moments(
            self.log_likelihood[rows], self.counts[rows], self.means[rows], self.covariances[rows], self.safe[rows]
        )


def expectations(
    X: ArrayLike | GaussianData,
    mixtures: Mixtures,
    point_weights: Array | None = None,
    *,
    largest_amplification: float = LARGEST_AMPLIFICATION,
) -> Moments:
    """The E-step of every mixture, and what the M-step needs of it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), or GaussianData
        The points.
    mixtures : Mixtures
        Trusted: nothing is checked but what `safe` says.
    point_weights : ndarray of shape (n_samples,), optional
        How often each point counts, positive; once if not given.
    largest_amplification : float
        By how much the monomial form may magnify rounding: beyond, a mixture is not safe.
    """
    points = _Points.of(prepare(X), point_weights)
    form = _coefficients(points, mixtures, largest_amplification)
    rows = form.rows.copy()
    rows[:, ~form.safe] = 0.0
    found = _moments(points, rows)
    return found._replace(log_likelihood=np.where(form.safe, found.log_likelihood, np.nan), safe=form.safe & found.safe)


def log_likelihoods(
    X: ArrayLike | GaussianData,
    weights: Array,
    means: Array,
    covariances: Array,
    point_weights: Array | None = None,
) -> Array:
    """The log-likelihood of each of many mixtures, in nats, shape (n_mixtures,).

    Every one is exact to about 12 digits, also where densities underflow: what is not safe in a batch is computed
    alone. NaN where a covariance is not positive definite.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), or GaussianData
        The points.
    weights, means, covariances : ndarray
        As in `Mixtures`.
    point_weights : ndarray of shape (n_samples,), optional
        How often each point counts; once if not given.
    """
    data = prepare(X)
    mixtures = Mixtures(weights, means, covariances)
    points = _Points.of(data, point_weights)
    form = _coefficients(points, mixtures)
    found = np.full(len(weights), np.nan)
    found[form.safe] = _sums(points, form.rows[:, form.safe], moments=False)[0]
    for r in np.flatnonzero(~form.safe):
        try:
            if point_weights is None:
                found[r] = expectation(data, weights[r], means[r], covariances[r]).log_likelihood
            else:
                found[r] = log_densities(data.X, mixtures.take([r]))[0] @ point_weights
        except (ValueError, np.linalg.LinAlgError):
            continue
    return found


def log_densities(X: Array, mixtures: Mixtures) -> Array:
    """log p(x) of every point under every mixture, shape (n_mixtures, n_samples), by way of x - mean: for few points.

    LinAlgError if a covariance is not positive definite.
    """
    n_features = X.shape[1]
    factors = np.linalg.cholesky(mixtures.covariances)
    differences = X.T - mixtures.means[..., None]  # (n_mixtures, n_components, n_features, n_samples)
    whitened = np.linalg.solve(factors, differences)
    log_determinants = 2 * np.log(np.diagonal(factors, axis1=2, axis2=3)).sum(axis=2)
    constants = np.log(mixtures.weights) - 0.5 * (n_features * math.log(2 * math.pi) + log_determinants)
    joint = constants[..., None] - 0.5 * (whitened * whitened).sum(axis=2)
    peaks = joint.max(axis=1)
    return np.asarray(peaks + np.log(np.exp(joint - peaks[:, None]).sum(axis=1)))


def maximise(moments: Moments, before: Mixtures, covariance_type: CovarianceType, held: Held | None = None) -> Mixtures:
    """The M-step of every mixture: those that best fit the moments of an E-step at `before`.

    Parameters
    ----------
    moments : Moments
        All of them safe.
    before : Mixtures
        What the moments were computed from: what is held is taken from there.
    covariance_type : "full", "tied", "diag" or "spherical"
        What the covariances may be.
    held : Held, optional
        Means and sds that stay as they are.
    """
    counts, means, covariances = moments.counts, moments.means, moments.covariances
    weights = counts / counts.sum(axis=1, keepdims=True)
    if held is not None:
        means = np.where(held.means[:, None], before.means, means)
        offsets = moments.means - means
        covariances = covariances + offsets[..., :, None] * offsets[..., None, :]
    covariances = _constrained(covariances, counts, covariance_type)
    if held is not None:
        covariances = np.where(held.sds[:, None, None], before.covariances, covariances)
    return Mixtures(weights, means, covariances)


def run(
    X: ArrayLike | GaussianData,
    starts: Mixtures,
    covariance_type: CovarianceType,
    *,
    max_iter: int,
    tol: float,
    point_weights: Array | None = None,
    held: Held | None = None,
    careful: bool = False,
) -> Ends:
    """Iterate EM from every start until it gains too little, as `em.run` does with one.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), or GaussianData
        The points.
    starts : Mixtures
        The first parameters of each run. Trusted.
    covariance_type : "full", "tied", "diag" or "spherical"
        What the M-step may choose.
    max_iter, tol
        As in `em.run`: the gain is per sample (per unit of weight, if points have weights).
    point_weights : ndarray of shape (n_samples,), optional
        How often each point counts, positive (data in bins); once if not given.
    held : Held, optional
        Means and sds that stay as they are in the start: what EM climbs then is the profile.
    careful : bool
        Give a run back as UNDECIDED where another order of summation might stop it at another iteration or send it
        to another side of a saddle.
    """
    points = _Points.of(prepare(X), point_weights)
    n_runs = len(starts.weights)
    ends = Ends(
        Mixtures(*(array.copy() for array in starts)),
        np.full(n_runs, np.nan),
        np.zeros(n_runs, dtype=np.int64),
        np.full(n_runs, MAX_ITER, dtype=np.int64),
    )
    form = _coefficients(points, starts)
    following = starts
    ends.outcome[~form.safe] = UNSAFE
    if careful:
        ends.outcome[_has_equal_components(starts)] = UNDECIDED
    active = np.flatnonzero(ends.outcome == MAX_ITER)
    mixtures, rows = starts.take(active), form.rows[:, active]
    before = np.full(len(active), -np.inf)
    least_gain = np.full(len(active), np.inf)
    amplification = form.amplification[active]  # the largest so far
    for iteration in range(max_iter + 1):
        if not len(active):
            break
        moments = _moments(points, rows)
        objective = moments.log_likelihood
        gain = np.abs(objective - before) / points.total
        outcome = np.where(gain < tol, CONVERGED, _GOING)
        if careful and iteration:
            least_gain = np.minimum(least_gain, gain)
            rounding = _ROUNDING * (100 + amplification) * (1 + np.abs(objective) / points.total)
            near = (np.abs(gain - tol) < rounding + _RELATIVE_MARGIN * tol) & (tol > 0)
            escaped = (least_gain < _STANDSTILL) & (gain > _ESCAPE * least_gain) & (gain > _STANDSTILL)
            outcome[near | escaped] = UNDECIDED
        if iteration == max_iter:
            outcome[outcome == _GOING] = MAX_ITER
        else:
            outcome[(outcome == _GOING) & ~moments.safe] = UNSAFE
            following = maximise(moments, mixtures, covariance_type, held)
            form = _coefficients(points, following)
            rows, amplification = form.rows, np.maximum(amplification, form.amplification)
            # Already its last step would have needed the digits that monomials lose.
            outcome[(outcome == _GOING) & ~form.safe] = UNSAFE
        done = outcome != _GOING
        if done.any():
            ended = active[done]
            for array, last in zip(ends.mixtures, mixtures, strict=True):
                array[ended] = last[done]
            ends.objective[ended] = objective[done]
            ends.n_iterations[ended] = iteration
            ends.outcome[ended] = outcome[done]
            going = np.flatnonzero(~done)
            active, objective, least_gain = active[going], objective[going], least_gain[going]
            following, rows, amplification = following.take(going), rows[:, going], amplification[going]
        mixtures, before = following, objective
    return ends


# Where a run is too close to call. The gain per sample of a batch and that of a single run differ by rounding, as a
# part of the terms that cancel (measured: up to a third of this), ...
_ROUNDING = 2e-16
# ... and, after many iterations, by this part of itself (measured: up to a hundredth of this).
_RELATIVE_MARGIN = 1e-7
# A run that hardly moved (gain per sample) and then moved away again: where to, its rounding errors decided.
_STANDSTILL = 1e-11
_ESCAPE = 100.0


def _has_equal_components(mixtures: Mixtures) -> NDArray[np.bool_]:
    """Whether two components of a mixture are the same but for their weight: only rounding can part them."""
    n_mixtures, n_components = mixtures.weights.shape
    scale = np.sqrt(np.diagonal(mixtures.covariances, axis1=2, axis2=3))
    equal = np.zeros(n_mixtures, dtype=bool)
    for j in range(n_components):
        for k in range(j):
            apart = np.abs(mixtures.means[:, j] - mixtures.means[:, k]) / scale[:, j]
            wider = np.abs(mixtures.covariances[:, j] - mixtures.covariances[:, k]) / (
                scale[:, j, :, None] * scale[:, j, None, :]
            )
            equal |= (apart.max(axis=1) < 1e-7) & (wider.reshape(n_mixtures, -1).max(axis=1) < 1e-7)
    return equal


# ---- The points ------------------------------------------------------------------------------------------


class _Points(NamedTuple):
    """The points, with weights if they have any."""

    data: GaussianData
    point_weights: Array | None
    total: float  # the sum of the weights

    @classmethod
    def of(cls, data: GaussianData, point_weights: Array | None) -> _Points:
        if point_weights is None:
            return cls(data, None, float(data.n_samples))
        if point_weights.shape != (data.n_samples,):
            raise ValueError(
                f"point_weights must have shape (n_samples,) = ({data.n_samples},), got {point_weights.shape}"
            )
        return cls(data, point_weights, float(point_weights.sum()))


# ---- The mixtures as coefficients of monomials ------------------------------------------------------------


class _Form(NamedTuple):
    rows: Array  # (n_components, n_mixtures, n_monomials): log(weight N(x)) = rows . phi(x - centre)
    amplification: Array  # (n_mixtures,): by how much they magnify rounding
    safe: NDArray[np.bool_]  # (n_mixtures,): and that this is little enough


def _coefficients(points: _Points, mixtures: Mixtures, largest_amplification: float = LARGEST_AMPLIFICATION) -> _Form:
    """log(weight N(x)) of all components as coefficients of monomials, as `gaussian_kernel` writes it."""
    data = points.data
    weights, means, covariances = mixtures
    n_mixtures, n_components, n_features = means.shape
    rows = np.empty((n_components, n_mixtures, _n_monomials(n_features)))
    form = rows.transpose(1, 0, 2)  # to be filled mixture by mixture
    from_centre = means - data._centre
    with np.errstate(all="ignore"):
        precisions, log_determinants = _inverses(covariances)
        variances = np.diagonal(covariances, axis1=2, axis2=3)
        reach = np.abs(from_centre) + 3 * np.sqrt(np.abs(variances))
        amplification = _amplification(precisions, reach)
        pulls = (precisions @ from_centre[..., None])[..., 0]
        constants = -0.5 * (n_features * math.log(2 * math.pi) + log_determinants + (pulls * from_centre).sum(axis=2))
        form[..., 0] = np.log(weights) + constants
        accurate = (amplification < largest_amplification) & (variances > (_NARROW * data.sds) ** 2).all(axis=2)
    form[..., 1 : 1 + n_features] = pulls
    for (i, j), position in zip(_pairs(n_features), range(1 + n_features, rows.shape[2]), strict=True):
        form[..., position] = (-0.5 if i == j else -1.0) * precisions[..., i, j]
    return _Form(rows, amplification.max(axis=1), np.all(accurate & np.isfinite(form[..., 0]), axis=1))


def _pairs(n_features: int) -> list[tuple[int, int]]:
    """(i, j) of u_i u_j, in the order of the monomials."""
    return [(i, j) for i in range(n_features) for j in range(i, n_features)]


def _inverses(covariances: Array) -> tuple[Array, Array]:
    """The inverse of every covariance and its log-determinant; NaN or infinity where it is not positive definite."""
    n_features = covariances.shape[-1]
    if n_features == 1:
        return 1 / covariances, np.log(covariances[..., 0, 0])
    if n_features == 2:
        a, b, c = covariances[..., 0, 0], covariances[..., 0, 1], covariances[..., 1, 1]
        determinants = np.where(a > 0, a * c - b * b, np.nan)
        precisions = np.empty_like(covariances)
        precisions[..., 0, 0] = c / determinants
        precisions[..., 0, 1] = precisions[..., 1, 0] = -b / determinants
        precisions[..., 1, 1] = a / determinants
        return precisions, np.log(determinants)
    sds = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    correlations = covariances / (sds[..., :, None] * sds[..., None, :])
    legal = np.isfinite(correlations).all(axis=(-2, -1))
    legal[legal] = np.linalg.eigvalsh(correlations[legal])[:, 0] > 1e-12
    correlations[~legal] = np.eye(n_features)
    precisions = np.linalg.inv(correlations) / (sds[..., :, None] * sds[..., None, :])
    log_determinants = np.linalg.slogdet(correlations)[1] + 2 * np.log(sds).sum(axis=-1)
    return precisions, np.where(legal, log_determinants, np.nan)


def _amplification(precisions: Array, reach: Array) -> Array:
    """By how much monomials magnify rounding for points as far as `reach` from the centre: |u|' |P| |u|."""
    return np.asarray((reach * (np.abs(precisions) @ reach[..., None])[..., 0]).sum(axis=-1))


# ---- The E-step, block by block --------------------------------------------------------------------------


def _moments(points: _Points, rows: Array) -> Moments:
    """What the mixtures with these coefficients take of the data."""
    centre = points.data._centre
    n_features = len(centre)
    log_likelihood, sums = _sums(points, rows)
    counts = np.ascontiguousarray(sums[..., 0].T)
    taken = counts > _FEW_POINTS
    averages = sums.transpose(1, 0, 2) / np.where(taken, counts, np.inf)[..., None]
    from_centre = averages[..., 1 : 1 + n_features]
    second = averages[..., _pair_positions(n_features)]
    covariances = second - from_centre[..., :, None] * from_centre[..., None, :]
    return Moments(log_likelihood, counts, from_centre + centre, covariances, np.asarray(taken.all(axis=1)))


def _sums(points: _Points, rows: Array, moments: bool = True) -> tuple[Array, Array]:
    """Log-likelihoods (n_mixtures,), and the sums of responsibilities x monomials, shaped like `rows`.

    Parameters
    ----------
    rows : ndarray of shape (n_components, n_mixtures, n_monomials)
        Coefficients of log(weight N(x)).
    moments : bool
        Whether the sums are wanted; else they are zeros.
    """
    data = points.data
    n_components, n_mixtures, n_monomials = rows.shape
    n_points = min(data.n_samples, _LONGEST_BLOCK)
    n_rows = max(_BLOCK // (n_components * n_points), 1)
    ratios = rows[1:] - rows[0]
    log_likelihood = np.zeros(n_mixtures)
    sums = np.zeros(rows.shape)
    table = np.empty(n_components * min(n_rows, n_mixtures) * n_points)
    for start in range(0, data.n_samples, n_points):
        columns = slice(start, start + n_points)
        monomials = _monomials(data._centred[:, columns])
        point_weights = None if points.point_weights is None else points.point_weights[columns]
        weighted = monomials if point_weights is None else monomials * point_weights
        baseline = weighted.sum(axis=1)
        for first in range(0, n_mixtures, n_rows):
            block = slice(first, min(first + n_rows, n_mixtures))
            shape = (n_components, block.stop - first, monomials.shape[1])
            joint = table[: math.prod(shape)].reshape(shape)
            np.matmul(ratios[:, block].reshape(-1, n_monomials), monomials, out=joint[1:].reshape(-1, shape[2]))
            found = _normalise_by_first(joint, point_weights)
            if found is None:
                np.matmul(rows[:, block].reshape(-1, n_monomials), monomials, out=joint.reshape(-1, shape[2]))
                found = _normalise_by_largest(joint, point_weights)
            else:
                found = found + rows[0, block] @ baseline
            log_likelihood[block] += found
            if moments:
                products = joint.reshape(-1, shape[2]) @ weighted.T
                sums[:, block] += products.reshape(n_components, -1, n_monomials)
    return log_likelihood, sums


def _normalise_by_first(joint: Array, point_weights: Array | None) -> Array | None:
    """Responsibilities in place, from log-densities less those of the first component; None if out of range.

    `joint` has shape (n_components, n_mixtures, n_points). Returns the log of the totals of the ratios, summed over
    the points: the log-likelihood less that of the first component alone.
    """
    first, others = joint[0], joint[1:]
    highest = float(others.max(initial=0.0))
    if highest > _LARGEST_EXPONENT:
        return None
    if others.min(initial=0.0) < _LOWEST_EXPONENT:
        np.maximum(others, _LOWEST_EXPONENT, out=others)
    np.exp(others, out=others)
    totals = np.add.reduce(others, axis=0, initial=1.0)
    np.divide(1.0, totals, out=first)
    others *= first
    return _sum_of_logs(totals, highest + math.log(len(joint)), point_weights)


def _normalise_by_largest(joint: Array, point_weights: Array | None) -> Array:
    """Responsibilities in place, from log-densities of any size; returns the sum of log p(x) over the points."""
    peaks = joint.max(axis=0)
    joint -= peaks
    np.maximum(joint, _LOWEST_EXPONENT, out=joint)
    np.exp(joint, out=joint)
    totals = joint.sum(axis=0)
    joint /= totals
    peak = peaks.sum(axis=1) if point_weights is None else peaks @ point_weights
    return np.asarray(_sum_of_logs(totals, math.log(len(joint)), point_weights) + peak)


def _sum_of_logs(totals: Array, highest: float, point_weights: Array | None) -> Array:
    """The sum of log(totals) over the points, with 0 <= log(totals) <= highest; totals are (n_mixtures, n_points).

    As the logarithms of products of as many as cannot overflow, up to 16: most logarithms are saved.
    """
    if point_weights is not None:
        return np.asarray(np.log(totals) @ point_weights)
    n_mixtures, n_points = totals.shape
    n_factors = min(int(_LARGEST_EXPONENT / max(highest, 1.0)) - 1, 16, math.isqrt(n_points))
    if n_factors < 2:
        return np.asarray(np.log(totals).sum(axis=1))
    whole = n_points // n_factors * n_factors
    products = np.multiply.reduce(totals[:, :whole].reshape(n_mixtures, n_factors, -1), axis=1)
    if whole < n_points:
        products[:, : n_points - whole] *= totals[:, whole:]
    return np.asarray(np.log(products).sum(axis=1))
