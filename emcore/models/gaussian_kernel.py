"""The arithmetic of Gaussian mixtures, fast and to nearly all digits of a double: the E-step and the weighted moments.

A Gaussian is an exponential family: its log-density is linear in the monomials of the point (Bishop 2006, section
2.4). With u = x - centre,

    phi(u) = (1, u_i, u_i u_j for i <= j)        log(w N(u | m, S)) = coefficients . phi(u),
    coefficients = (log w - log|2 pi S| / 2 - m'Pm / 2,   Pm,   -P_ii / 2 or -P_ij),     P = inverse of S.

So for all components and points together the E-step is one matrix product, coefficients @ phi, then exp and
normalise; and every sufficient statistic of the M-step is one more, responsibilities @ phi'. Points go through in
blocks that stay in the processor's cache, and components are rows, so that every pass runs along the points.

Monomials cost digits where a component is narrow and far from the centre of the data: large numbers cancel. How many
is known beforehand (`_amplification`). Beyond a limit a component is computed the plain way, from x - mean.

Parameters and results are in the units of the data: the centre never leaves this file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Numbers in one block of log-densities, (components) x (points): with the block's monomials it fits the L2 cache.
_BLOCK = 60_000

# Rounding of the monomial form is multiplied by up to this much: 1e3 leaves 12 to 13 digits. Ordinary data: 20 to 300.
_LARGEST_AMPLIFICATION = 1e3

# e^-708 is still a normal double. Below it, exp is many times slower and its results are subnormal or 0.
_LOWEST_LOG = -708.0

# Up to so many (components) x (monomials) single dot products are faster than a matrix product.
_FEW_DOT_PRODUCTS = 24


class Moments(NamedTuple):
    """What each component takes of the data: all that an M-step needs.

    Attributes
    ----------
    counts : ndarray of shape (n_components,)
        N_k, the sum over the points of responsibilities[n, k] (Bishop 2006, equation 9.18).
    means : ndarray of shape (n_components, n_features)
        The mean of the points weighted by the responsibilities, in the data's units (equation 9.17); NaN where the
        count is 0.
    covariances : ndarray of shape (n_components, n_features, n_features)
        Their weighted covariance about that mean, divisor N_k (equation 9.19), exactly symmetric; NaN where the
        count is 0.
    """

    counts: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Expectation:
    """An E-step: the log-likelihood of its parameters, and what each component takes of the data (see `Moments`).

    Attributes
    ----------
    log_likelihood : float
        The sum over the points of log p(x | weights, means, covariances), in nats (Bishop 2006, equation 9.14).
    counts, means, covariances : ndarray
        The moments of the data under the responsibilities.
    """

    log_likelihood: float
    counts: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GaussianData:
    """Points, validated once and laid out for the kernel. Make it with `prepare`.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        The points, in the data's own units; a read-only view.
    sds : ndarray of shape (n_features,)
        Standard deviation of the points along each axis (divisor n_samples); exactly 0 if they are all equal.
    """

    X: NDArray[np.float64]
    sds: NDArray[np.float64]
    _centre: NDArray[np.float64]
    _centred: NDArray[np.float64]  # X - centre, (n_features, n_samples)

    @property
    def n_samples(self) -> int:
        """The number of points."""
        return self.X.shape[0]

    @property
    def n_features(self) -> int:
        """The number of axes."""
        return self.X.shape[1]


def prepare(X: ArrayLike | GaussianData) -> GaussianData:
    """The points, checked and laid out for `expectation`; what this returned passes unchanged.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Finite numbers, at least one row and one column.

    Raises
    ------
    ValueError
        X is not such an array.
    """
    if isinstance(X, GaussianData):
        return X
    try:
        points = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X must consist of numbers: {error}") from error
    if points.ndim != 2:
        hint = "; for one axis use X.reshape(-1, 1)" if points.ndim == 1 else ""
        raise ValueError(f"X must have shape (n_samples, n_features), got {points.shape}{hint}")
    if 0 in points.shape:
        raise ValueError(f"X must have at least one row and one column, got shape {points.shape}")
    lowest, highest = points.min(axis=0), points.max(axis=0)
    if not (np.isfinite(lowest) & np.isfinite(highest)).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"X must be finite numbers, got {points[row].tolist()} in row {row}; drop such rows")
    if max(-lowest.min(), highest.max()) > 1e100:
        raise ValueError("X must lie between -1e100 and 1e100, so that squares are finite; divide it by a constant")

    points = points.view()
    points.flags.writeable = False
    centre = points.mean(axis=0)
    centred = np.subtract(points.T, centre[:, None], order="C")
    sds = np.array([math.sqrt(np.dot(row, row) / len(row) - row.mean() ** 2) for row in centred])
    sds[lowest == highest] = 0.0
    for array in (sds, centre, centred):
        array.flags.writeable = False
    return GaussianData(points, sds, centre, centred)


def expectation(
    data: ArrayLike | GaussianData,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> Expectation:
    """The E-step and what the M-step needs of it, in one pass over the points.

    Parameters
    ----------
    data : GaussianData, or array-like of shape (n_samples, n_features)
        What `prepare` returned; anything else is prepared first.
    weights : ndarray of shape (n_components,)
        Probability of each component, not negative.
    means : ndarray of shape (n_components, n_features)
        In the data's units.
    covariances : ndarray of shape (n_components, n_features, n_features)
        Symmetric positive definite, in the data's units squared.

    Raises
    ------
    ValueError
        A covariance is not positive definite, a weight is negative, or a number is not finite.
    """
    data = prepare(data)
    mixture = _mixture_form(data, weights, means, covariances)
    n_components, n_monomials = mixture.coefficients.shape
    sums = np.zeros((n_components, n_monomials))
    log_likelihoods = []
    for _, monomials, responsibilities, log_likelihood in _e_step(data, mixture):
        sums += _products(responsibilities, monomials)
        log_likelihoods.append(log_likelihood)
    moments, inaccurate = _moments_from_sums(data, sums)
    if len(inaccurate):
        shares = np.empty((len(inaccurate), data.n_samples))
        for columns, _, responsibilities, _ in _e_step(data, mixture):
            shares[:, columns] = responsibilities[inaccurate]
        _replace_by_two_pass(moments, inaccurate, data, shares)
    return Expectation(math.fsum(log_likelihoods), *_read_only(moments))


def responsibilities(
    data: ArrayLike | GaussianData,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The probability that each component made each point (Bishop 2006, equation 9.13).

    Parameters and errors as for `expectation`.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        [n, k] is p(z_n = k | x_n, theta); rows sum to 1. What is less than e^-708 times the largest of its row is 0
        where a point of the same block is as far out.
    """
    data = prepare(data)
    mixture = _mixture_form(data, weights, means, covariances)
    rows = np.empty((len(mixture.coefficients), data.n_samples))
    for columns, _, responsibilities, _ in _e_step(data, mixture):
        rows[:, columns] = responsibilities
    return rows.T


def weighted_moments(data: ArrayLike | GaussianData, responsibilities: NDArray[np.float64]) -> Moments:
    """The moments of the data under given responsibilities: a random start, an edited table, a hard E-step.

    Parameters
    ----------
    data : GaussianData, or array-like of shape (n_samples, n_features)
        What `prepare` returned; anything else is prepared first.
    responsibilities : ndarray of shape (n_samples, n_components)
        Not negative. Rows need not sum to 1.

    Raises
    ------
    ValueError
        The responsibilities have another shape, or are negative or not finite.
    """
    data = prepare(data)
    rows = np.asarray(responsibilities, dtype=np.float64).T
    if rows.ndim != 2 or rows.shape[1] != data.n_samples or len(rows) == 0:
        raise ValueError(
            f"responsibilities must have shape (n_samples, n_components) = ({data.n_samples}, n_components), "
            f"got {rows.T.shape}"
        )
    if not (rows.min() >= 0 and rows.max() < math.inf):
        raise ValueError("responsibilities must be finite numbers and not negative")
    sums = np.zeros((len(rows), _n_monomials(data.n_features)))
    for columns, monomials in _monomial_blocks(data, len(rows)):
        sums += _products(rows[:, columns], monomials)
    moments, inaccurate = _moments_from_sums(data, sums)
    if len(inaccurate):
        _replace_by_two_pass(moments, inaccurate, data, rows[inaccurate])
    return _read_only(moments)


# The mixture as coefficients of monomials.


class _Residual(NamedTuple):
    """A component that is computed from x - mean, because monomials would lose too many digits."""

    component: int
    mean: NDArray[np.float64]
    cholesky: NDArray[np.float64]  # lower triangular factor of the covariance
    log_peak: float  # log(w N(mean | mean, S)) - offset


class _MixtureForm(NamedTuple):
    """log(weight N(x)) - offset of all components, as coefficients of the monomials or as residuals."""

    coefficients: NDArray[np.float64]  # (n_components, n_monomials)
    residuals: list[_Residual]
    offset: float


def _mixture_form(
    data: GaussianData,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> _MixtureForm:
    n_components, n_features = len(weights), data.n_features
    if means.shape != (n_components, n_features) or covariances.shape != (n_components, n_features, n_features):
        raise ValueError(
            "means and covariances must have shape (n_components, n_features[, n_features]) with "
            f"(n_components, n_features) = {(n_components, n_features)}, got {means.shape} and {covariances.shape}"
        )
    cholesky = _cholesky(covariances)
    precisions = np.linalg.inv(covariances)
    means_from_centre = means - data._centre
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    reach = np.abs(means_from_centre) + 3 * np.sqrt(variances)
    inaccurate = np.flatnonzero(~(_amplification(precisions, reach) < _LARGEST_AMPLIFICATION))
    for k in inaccurate:
        _sharpen(cholesky[k], covariances[k])

    log_sds = np.log(np.diagonal(cholesky, axis1=1, axis2=2)).sum(axis=1)
    log_peaks = _log(weights) - log_sds - 0.5 * n_features * math.log(2 * math.pi)
    # No log-density exceeds the highest peak: taken off, all are at most 0 and no exp can overflow.
    offset = float(log_peaks.max())
    if not math.isfinite(offset):
        raise ValueError(f"weights must be finite and one of them greater than 0, got {weights.tolist()}")
    log_peaks -= offset

    pull = (precisions @ means_from_centre[:, :, None])[:, :, 0]
    coefficients = np.empty((n_components, _n_monomials(n_features)))
    coefficients[:, 0] = log_peaks - 0.5 * (pull * means_from_centre).sum(axis=1)
    coefficients[:, 1 : 1 + n_features] = pull
    rows, columns = np.triu_indices(n_features)
    coefficients[:, 1 + n_features :] = precisions[:, rows, columns] * np.where(rows == columns, -0.5, -1.0)
    coefficients[inaccurate] = 0.0
    residuals = [_Residual(int(k), means[k], cholesky[k], float(log_peaks[k])) for k in inaccurate]
    return _MixtureForm(coefficients, residuals, offset)


def _cholesky(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower triangular factors; ValueError that names the component if there is none."""
    try:
        cholesky = np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:
        cholesky = np.full(covariances.shape, np.nan)
    if not np.isfinite(cholesky).all():
        for k, covariance in enumerate(covariances):
            try:
                np.linalg.cholesky(covariance)
                legal = bool(np.isfinite(covariance).all())
            except np.linalg.LinAlgError:
                legal = False
            if not legal:
                raise ValueError(
                    f"covariances must be positive definite, covariance {k + 1} is {covariance.tolist()}; "
                    "try larger variances or a weaker correlation"
                )
    return cholesky


def _sharpen(cholesky: NDArray[np.float64], covariance: NDArray[np.float64]) -> None:
    """Give the last pivot of a 2 x 2 factor all its digits: near correlation 1 nothing remains of a c - b b in doubles."""
    if len(covariance) == 2:
        a, b, c = (Fraction(float(covariance[i, j])) for i, j in ((0, 0), (1, 0), (1, 1)))
        pivot = float((a * c - b * b) / a)
        if pivot > 0:
            cholesky[1, 1] = math.sqrt(pivot)


def _log(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm, -inf for 0."""
    if not (weights >= 0).all():
        raise ValueError(f"weights must not be negative, got {weights.tolist()}")
    with np.errstate(divide="ignore"):
        return np.log(weights)


def _amplification(precisions: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much the monomial form magnifies rounding, for points `reach` from the centre of the data.

    That is |u|'|P||u|, the size of the terms that must cancel to leave a squared distance of order 1.
    """
    return np.asarray(((np.abs(precisions) @ reach[:, :, None])[:, :, 0] * reach).sum(axis=1))


# The E-step, block by block.


def _e_step(
    data: GaussianData, mixture: _MixtureForm
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64], float]]:
    """Per block: its columns, monomials, responsibilities (n_components, n_points) and log-likelihood.

    The arrays are overwritten by the next block.
    """
    coefficients, residuals, offset = mixture
    n_components = len(coefficients)
    joint = np.empty(0)
    for columns, monomials in _monomial_blocks(data, n_components):
        n_points = monomials.shape[1]
        if joint.shape != (n_components, n_points):
            joint = np.empty((n_components, n_points))
            totals = np.empty(n_points)
        np.matmul(coefficients, monomials, out=joint)
        for residual in residuals:
            joint[residual.component] = _log_density(data.X[columns], residual)
        log_likelihood = _exponentiate(joint)
        np.add.reduce(joint, axis=0, out=totals)
        log_likelihood += float(np.log(totals).sum()) + n_points * offset
        np.divide(1.0, totals, out=totals)
        np.multiply(joint, totals, out=joint)
        yield columns, monomials, joint, log_likelihood


def _exponentiate(joint: NDArray[np.float64]) -> float:
    """exp in place, of each point's values less a number of its own; returns the sum of these numbers."""
    lowest = joint.min()
    if lowest > _LOWEST_LOG:  # as everything is at most 0, no exp leaves the range of doubles
        np.exp(joint, out=joint)
        return 0.0
    if math.isnan(lowest):
        raise ValueError("means and covariances must be finite numbers, got NaN or infinity")
    peaks = joint.max(axis=0)
    joint -= peaks
    negligible = joint < _LOWEST_LOG
    np.maximum(joint, _LOWEST_LOG, out=joint)  # exp of what is below would be slow, and is as good as 0
    np.exp(joint, out=joint)
    np.copyto(joint, 0.0, where=negligible)
    return float(peaks.sum())


def _log_density(points: NDArray[np.float64], residual: _Residual) -> NDArray[np.float64]:
    """log(w N(x | mean, S)) - offset from x - mean: forward substitution with the Cholesky factor of S."""
    solved: list[NDArray[np.float64]] = []
    squared_distance = np.zeros(len(points))
    for i, row in enumerate(residual.cholesky):
        remainder = points[:, i] - residual.mean[i]
        for j in range(i):
            remainder -= row[j] * solved[j]
        remainder /= row[i]
        solved.append(remainder)
        squared_distance += remainder * remainder
    return residual.log_peak - 0.5 * squared_distance


# Monomials and their weighted sums.


def _n_monomials(n_features: int) -> int:
    return 1 + n_features + n_features * (n_features + 1) // 2


def _monomial_blocks(data: GaussianData, n_components: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """phi(x - centre) of block after block of points, (n_monomials, n_points); overwritten by the next block.

    To make them anew costs less than to fetch a stored table from memory.
    """
    centred = data._centred
    n_features, n_samples = centred.shape
    n_monomials = _n_monomials(n_features)
    size = min(n_samples, max(_BLOCK // max(n_components, n_monomials), 256))
    table = np.empty((n_monomials, size))
    table[0] = 1.0
    for start in range(0, n_samples, size):
        columns = slice(start, min(start + size, n_samples))
        points = centred[:, columns]
        monomials = table[:, : points.shape[1]]
        monomials[1 : 1 + n_features] = points
        row = 1 + n_features
        for i in range(n_features):
            np.multiply(points[i:], points[i], out=monomials[row : row + n_features - i])
            row += n_features - i
        yield columns, monomials


def _products(rows: NDArray[np.float64], monomials: NDArray[np.float64]) -> NDArray[np.float64]:
    """rows @ monomials', the sum over the points of every row times every monomial."""
    if len(rows) * len(monomials) <= _FEW_DOT_PRODUCTS:
        return np.asarray(np.vecdot(rows[:, None], monomials))
    return np.asarray(rows @ monomials.T)


@lru_cache(maxsize=64)
def _pair_positions(n_features: int) -> NDArray[np.intp]:
    """positions[i, j] is the row of u_i u_j among the monomials."""
    positions = np.empty((n_features, n_features), dtype=np.intp)
    rows, columns = np.triu_indices(n_features)
    positions[rows, columns] = positions[columns, rows] = 1 + n_features + np.arange(len(rows))
    return positions


def _moments_from_sums(data: GaussianData, sums: NDArray[np.float64]) -> tuple[Moments, NDArray[np.intp]]:
    """The moments that follow from the sums of monomials, and the components for which these are too inaccurate."""
    counts = sums[:, 0].copy()
    empty = counts == 0
    divisors = np.where(empty, np.nan, counts)
    from_centre = sums[:, 1 : 1 + data.n_features] / divisors[:, None]
    second = sums[:, _pair_positions(data.n_features)] / divisors[:, None, None]
    covariances = second - from_centre[:, :, None] * from_centre[:, None, :]
    moments = Moments(counts, from_centre + data._centre, covariances)

    reach = np.sqrt(np.diagonal(second, axis1=1, axis2=2))
    try:
        amplification = _amplification(np.linalg.inv(covariances), reach)
    except np.linalg.LinAlgError:  # one of them is exactly singular
        amplification = np.full(len(counts), np.inf)
    return moments, np.flatnonzero(~(amplification < _LARGEST_AMPLIFICATION) & ~empty)


def _replace_by_two_pass(
    moments: Moments, components: NDArray[np.intp], data: GaussianData, shares: NDArray[np.float64]
) -> None:
    """Overwrite the means and covariances of these components: first the mean, then the moments of x - mean."""
    for k, share in zip(components, shares, strict=True):
        share = share / share.sum()
        mean = share @ data.X
        residuals = (data.X - mean).T
        rounding = residuals @ share  # the mean less its own rounding: matters far from the origin
        covariance = (residuals * share) @ residuals.T - np.outer(rounding, rounding)
        moments.means[k] = mean + rounding
        moments.covariances[k] = 0.5 * (covariance + covariance.T)


def _read_only(moments: Moments) -> Moments:
    for array in moments:
        array.flags.writeable = False
    return moments
