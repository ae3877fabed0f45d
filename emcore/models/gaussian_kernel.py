"""The arithmetic of Gaussian mixtures, fast and to nearly every digit: the E-step and the weighted moments.

A Gaussian is an exponential family: its log-density is linear in the monomials of the point (Bishop 2006,
section 2.4). With u = x - centre,

    phi(u) = (1, u_i, u_i u_j for i <= j)        log(w N(u | m, S)) = coefficients . phi(u),
    coefficients = (log w - log|2 pi S| / 2 - m'Pm / 2,  Pm,  -P_ii / 2 and -P_ij),     P = inverse of S.

So for all components and points at once the E-step is one matrix product, coefficients @ phi, then exp and
normalise; and all sufficient statistics of the M-step are one more, responsibilities @ phi'. Points pass in
blocks that stay in the processor's cache. Components are rows, so that every pass runs along the points.

Monomials cost digits where a component is narrow and far from the centre of the data, or thin and oblique:
large numbers cancel. By how much is known beforehand (`_amplification`); beyond a limit a component is
computed from x - mean instead, which is slower and loses nothing; and where that shows only afterwards, because
a component shrank within the step, its moments are computed again about their own mean.

Parameters and results are in the units of the data: the centre never leaves this file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# What a covariance may be: any for each component, one for all, none between axes, or one sd along every axis.
CovarianceType = Literal["full", "tied", "diag", "spherical"]

# (components or monomials) x (points) of one block: what is read and written again stays in the L2 cache.
_BLOCK = 60_000

# The monomial form may magnify rounding by this much: 12 to 13 digits are left. Ordinary data: 20 to 300.
_LARGEST_AMPLIFICATION = 1e3

# exp and its reciprocal are normal doubles up to here ...
_LARGEST_EXPONENT = 700.0
# ... and here exp itself still is. Below, it is many times slower, and what it returns is subnormal or 0.
_LOWEST_EXPONENT = -708.0

# Up to so many (components) x (monomials) single dot products are faster than a matrix product.
_FEW_DOT_PRODUCTS = 24


class Moments(NamedTuple):
    """What each component takes of the data: all that an M-step needs. Read-only arrays.

    Attributes
    ----------
    counts : ndarray of shape (n_components,)
        N_k, the sum over the points of responsibilities[n, k] (Bishop 2006, equation 9.18).
    means : ndarray of shape (n_components, n_features)
        Mean of the points weighted by the responsibilities, in the data's units (equation 9.17); NaN where
        the count is 0.
    covariances : ndarray of shape (n_components, n_features, n_features)
        Their weighted covariance about that mean, divisor N_k (equation 9.19), exactly symmetric; NaN where
        the count is 0.
    """

    counts: Array
    means: Array
    covariances: Array


@dataclass(frozen=True, eq=False)
class Expectation:
    """An E-step: how likely the data are, and what each component takes of them.

    Attributes
    ----------
    log_likelihood : float
        The sum over the points of log p(x | weights, means, covariances), in nats (Bishop 2006, eq. 9.14).
    counts, means, covariances : ndarray
        The moments of the data under the responsibilities: see `Moments`.
    """

    log_likelihood: float
    counts: Array
    means: Array
    covariances: Array


@dataclass(frozen=True, eq=False)
class GaussianData:
    """Points, validated once and laid out for the kernel. Made by `prepare`.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        The points, in the data's own units; a read-only view.
    sds : ndarray of shape (n_features,)
        Standard deviation of the points along each axis (divisor n_samples); exactly 0 if they are all equal.
    """

    X: Array
    sds: Array
    _centre: Array = field(repr=False)
    _centred: Array = field(repr=False)  # X - centre, (n_features, n_samples)
    _monomials: Array | None = field(repr=False)  # of all points, if they are few

    def __len__(self) -> int:
        return self.n_samples

    @property
    def n_samples(self) -> int:
        """The number of points."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """The number of axes."""
        return int(self.X.shape[1])


def prepare(X: ArrayLike | GaussianData) -> GaussianData:
    """The points, checked and laid out for the kernel; what this returned passes unchanged.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Finite numbers, at least one row and one column. An array of doubles is not copied: do not change it.

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
        raise ValueError(f"X must be finite numbers, got {points[row].tolist()} in row {row}; leave out such rows")
    if max(-lowest.min(), highest.max()) > 1e100:
        raise ValueError("X must lie between -1e100 and 1e100 to be squared; divide it by a constant")
    spread = highest - lowest
    if ((spread > 0) & (spread < 1e-100)).any():
        raise ValueError("X must vary by at least 1e-100 along an axis, or not at all; multiply it by a constant")

    points = points.view()
    centre = points.mean(axis=0)
    centred = np.subtract(points.T, centre[:, None], order="C")
    sds = np.sqrt([max(row @ row / len(row) - row.mean() ** 2, 0.0) for row in centred])
    sds[lowest == highest] = 0.0
    few = _n_monomials(len(centred)) * len(points) <= _BLOCK
    monomials = _monomials(centred) if few else None
    for array in (points, sds, centre, centred):
        array.flags.writeable = False
    return GaussianData(points, sds, centre, centred, monomials)


def expectation(data: ArrayLike | GaussianData, weights: Array, means: Array, covariances: Array) -> Expectation:
    """The E-step, and what the M-step needs of it, in one pass over the points.

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
    sums = np.zeros(mixture.coefficients.shape)
    log_likelihoods = []
    for block in _e_step(data, mixture):
        products = _products(block.responsibilities, block.monomials)
        for residual, differences in zip(mixture.residuals, block.differences, strict=True):
            k = residual.component
            products[k] = _monomials(differences) @ block.responsibilities[k]
        sums += products
        # As the responsibilities of a point sum to 1, the sum over components is that of the monomials alone.
        log_likelihoods.append(block.log_totals + float(block.baseline @ products.sum(axis=0)))
    centres = data._centre
    if mixture.residuals:
        centres = np.repeat(centres[None], len(sums), axis=0)
        for residual in mixture.residuals:
            centres[residual.component] = residual.mean
    moments, inaccurate = _moments_from_sums(sums, centres)
    if inaccurate:
        shares = np.empty((len(inaccurate), data.n_samples))
        for block in _e_step(data, mixture):
            shares[:, block.columns] = block.responsibilities[inaccurate]
        _replace_by_two_pass(moments, inaccurate, data, shares)
    return Expectation(math.fsum(log_likelihoods), *_read_only(moments))


def responsibilities(data: ArrayLike | GaussianData, weights: Array, means: Array, covariances: Array) -> Array:
    """The probability that each component made each point (Bishop 2006, equation 9.13).

    Parameters and errors are those of `expectation`.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        [n, k] is p(z_n = k | x_n, theta); rows sum to 1. What is smaller than 1e-307 may be 0.
    """
    data = prepare(data)
    mixture = _mixture_form(data, weights, means, covariances)
    rows = np.empty((len(mixture.coefficients), data.n_samples))
    for block in _e_step(data, mixture):
        rows[:, block.columns] = block.responsibilities
    return rows.T


def weighted_moments(data: ArrayLike | GaussianData, responsibilities: Array) -> Moments:
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
        The responsibilities have another shape, are negative or not finite.
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
    moments, inaccurate = _moments_from_sums(sums, data._centre)
    if inaccurate:
        _replace_by_two_pass(moments, inaccurate, data, rows[inaccurate])
    return _read_only(moments)


# ---- The mixture as coefficients of monomials ------------------------------------------------------------


class _Residual(NamedTuple):
    """A component that is computed from x - mean, because monomials would lose too many digits."""

    component: int
    mean: Array
    cholesky: Array  # lower triangular factor of the covariance
    log_determinant: float  # of the covariance


class _MixtureForm(NamedTuple):
    """log(weight N(x)) of all components."""

    coefficients: Array  # (n_components, n_monomials); for a residual only its constant
    residuals: list[_Residual]
    has_empty: bool  # a weight is 0, its constant -inf


def _mixture_form(data: GaussianData, weights: Array, means: Array, covariances: Array) -> _MixtureForm:
    n_components, n_features = len(weights), data.n_features
    expected = (n_components, n_features)
    if means.shape != expected or covariances.shape != (*expected, n_features):
        raise ValueError(
            f"means must have shape (n_components, n_features) = {expected} and covariances "
            f"{(*expected, n_features)}, got {means.shape} and {covariances.shape}"
        )
    coefficients, residuals, log_weights = [], [], []
    from_centre = (means - data._centre).tolist()
    log_2_pi = n_features * math.log(2 * math.pi)
    for k, (weight, mean, covariance) in enumerate(
        zip(weights.tolist(), from_centre, covariances.tolist(), strict=True)
    ):
        reach = [abs(m) + 3 * math.sqrt(abs(covariance[i][i])) for i, m in enumerate(mean)]
        if _amplification(covariance, reach) < _LARGEST_AMPLIFICATION:
            row, log_determinant = _coefficients(mean, covariance)
        else:
            residual = _residual(k, means[k], covariances[k])
            residuals.append(residual)
            row, log_determinant = [0.0] * _n_monomials(n_features), residual.log_determinant
        if not weight >= 0:
            raise ValueError(f"weights must be numbers and not negative, got {weights.tolist()}")
        log_weights.append(math.log(weight) if weight else -math.inf)
        row[0] += log_weights[k] - 0.5 * (log_2_pi + log_determinant)
        coefficients.append(row)
    if not math.isfinite(max(log_weights)):
        raise ValueError(f"weights must be finite and at least one greater than 0, got {weights.tolist()}")
    return _MixtureForm(np.array(coefficients), residuals, -math.inf in log_weights)


# One and two axes in closed form and in plain floats: for the few numbers of a mixture faster than arrays.


def _coefficients(mean: list[float], covariance: list[list[float]]) -> tuple[list[float], float]:
    """The coefficients of -(u - mean)' P (u - mean) / 2, and the log-determinant of the covariance."""
    if len(mean) == 1:
        variance = covariance[0][0]
        pull_x = mean[0] / variance
        return [-0.5 * pull_x * mean[0], pull_x, -0.5 / variance], math.log(variance)
    if len(mean) == 2:
        (a, b), (_, c) = covariance
        x, y = mean
        determinant = a * c - b * b
        pull_x, pull_y = (c * x - b * y) / determinant, (a * y - b * x) / determinant
        constant = -0.5 * (pull_x * x + pull_y * y)
        quadratic = [-0.5 * c / determinant, b / determinant, -0.5 * a / determinant]
        return [constant, pull_x, pull_y, *quadratic], math.log(determinant)
    precision = np.linalg.inv(covariance)
    pulls = precision @ mean
    precision[np.diag_indices(len(mean))] *= 0.5
    upper = -precision[np.triu_indices(len(mean))]
    row = [-0.5 * float(pulls @ mean), *pulls.tolist(), *upper.tolist()]
    return row, float(np.linalg.slogdet(covariance)[1])


def _amplification(covariance: list[list[float]], reach: list[float]) -> float:
    """By how much the monomial form magnifies rounding for points as far as `reach` from the centre.

    This is |u|' |P| |u|, the size of the terms that cancel to leave a squared distance of order 1. Infinity
    or NaN if the covariance is not positive definite, or so nearly that rounding decides.
    """
    if len(reach) == 1:
        variance = covariance[0][0]
        return reach[0] * reach[0] / variance if variance > 0 else math.inf
    if len(reach) == 2:
        (a, b), (_, c) = covariance
        x, y = reach
        determinant = a * c - b * b
        if not (a > 0 and determinant > 0):
            return math.inf
        return (c * x * x + 2 * abs(b) * x * y + a * y * y) / determinant
    if not np.isfinite(covariance).all():
        return math.inf
    try:
        np.linalg.cholesky(covariance)
        precision = np.linalg.inv(covariance)
    except np.linalg.LinAlgError:
        return math.inf
    return float(reach @ np.abs(precision) @ reach)


def _residual(component: int, mean: Array, covariance: Array) -> _Residual:
    """The component for the way from x - mean; ValueError if mean or covariance are illegal."""
    if not (np.abs(mean) <= 1e100).all():
        raise ValueError(f"means must lie between -1e100 and 1e100, mean {component + 1} is {mean.tolist()}")
    try:
        cholesky = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        if len(mean) == 2:  # near correlation 1 doubles leave hardly a digit of a c - b b: take it exactly
            a, b, c = (Fraction(float(covariance[i, j])) for i, j in ((0, 0), (1, 0), (1, 1)))
            cholesky[1, 1] = math.sqrt((a * c - b * b) / a)
        log_determinant = 2 * math.fsum(math.log(pivot) for pivot in np.diag(cholesky))
        if not math.isfinite(log_determinant):
            raise ValueError
    except (np.linalg.LinAlgError, ValueError, OverflowError):
        raise ValueError(
            f"covariances must be positive definite, covariance {component + 1} is {covariance.tolist()}; "
            "try larger variances or a weaker correlation"
        ) from None
    return _Residual(component, mean, cholesky, log_determinant)


# ---- The E-step, block by block --------------------------------------------------------------------------


class _Block(NamedTuple):
    """The E-step of some of the points. The next block overwrites the arrays of this one."""

    columns: slice  # which points
    monomials: Array  # (n_monomials, n_points)
    responsibilities: Array  # (n_components, n_points)
    differences: list[Array]  # x - mean of each residual, (n_features, n_points)
    # Its log-likelihood is log_totals + baseline @ (the sum of its monomials over the points).
    log_totals: float
    baseline: Array


def _e_step(data: GaussianData, mixture: _MixtureForm) -> Iterator[_Block]:
    """Bayes' rule for one block of points after another (Bishop 2006, equation 9.13)."""
    coefficients = mixture.coefficients
    n_components, n_monomials = coefficients.shape
    plain = not mixture.residuals and not mixture.has_empty
    ratios = coefficients[1:] - coefficients[0] if plain else None
    joint = np.empty((0, 0))
    for columns, monomials in _monomial_blocks(data, n_components):
        if joint.shape[1] != monomials.shape[1]:
            joint = np.empty((n_components, monomials.shape[1]))
        log_totals = None
        differences = []
        baseline = coefficients[0]
        if ratios is not None:
            np.matmul(ratios, monomials, out=joint[1:])
            log_totals = _normalise_by_first(joint)
        if log_totals is None:
            np.matmul(coefficients, monomials, out=joint)
            for k, mean, cholesky, _ in mixture.residuals:
                differences.append(np.subtract(data.X[columns].T, mean[:, None], order="C"))
                joint[k] = coefficients[k, 0] - 0.5 * _squared_length(differences[-1], cholesky)
            log_totals = _normalise_by_largest(joint)
            baseline = np.zeros(n_monomials)
        yield _Block(columns, monomials, joint, differences, log_totals, baseline)


def _normalise_by_first(joint: Array) -> float | None:
    """Responsibilities in place, from log-densities less that of the first component; None if out of range.

    Only ratios matter, and of the first component to itself the ratio is 1: its row needs no product and no
    exp, which for two components is half the work. Returns the sum over the points of log(sum of the ratios).
    """
    first, others = joint[0], joint[1:]
    lowest, highest = others.min(initial=0.0), others.max(initial=0.0)
    if lowest < -_LARGEST_EXPONENT or highest > _LARGEST_EXPONENT:
        return None
    np.exp(others, out=others)
    totals = np.add.reduce(others, axis=0, initial=1.0)
    np.divide(1.0, totals, out=first)
    others *= first
    return _sum_of_logs(totals, highest)


def _normalise_by_largest(joint: Array) -> float:
    """Responsibilities in place, from log-densities of any size; returns the sum of log p(x)."""
    peaks = joint.max(axis=0)
    joint -= peaks
    if joint.min() > _LOWEST_EXPONENT:
        np.exp(joint, out=joint)
    else:
        negligible = joint < _LOWEST_EXPONENT
        np.maximum(joint, _LOWEST_EXPONENT, out=joint)
        np.exp(joint, out=joint)
        np.copyto(joint, 0.0, where=negligible)
    totals = joint.sum(axis=0)
    joint /= totals
    return _sum_of_logs(totals, 0.0) + float(peaks.sum())


def _sum_of_logs(totals: Array, highest_exponent: float) -> float:
    """The sum of log(totals), with 1 <= totals <= n_components exp(highest_exponent).

    As the logarithms of products of eight or nine, where these cannot overflow: most logarithms are saved.
    """
    whole = len(totals) // 8 * 8
    if whole < 1000 or highest_exponent > 50:
        return float(np.log(totals).sum())
    products = np.multiply.reduce(totals[:whole].reshape(8, -1), axis=0)
    products[: len(totals) - whole] *= totals[whole:]
    return float(np.log(products).sum())


def _squared_length(differences: Array, cholesky: Array) -> Array:
    """d' P d for each column d, by forward substitution with the Cholesky factor of the covariance."""
    solved = np.empty_like(differences)
    with np.errstate(over="ignore"):
        for i, row in enumerate(cholesky):
            np.subtract(differences[i], row[:i] @ solved[:i], out=solved[i])
            solved[i] /= row[i]
        return np.asarray(np.minimum((solved * solved).sum(axis=0), 1e300))


# ---- Monomials, their weighted sums, and moments ---------------------------------------------------------


def _n_monomials(n_features: int) -> int:
    return 1 + n_features + n_features * (n_features + 1) // 2


def _monomials(centred: Array, table: Array | None = None) -> Array:
    """phi of points (n_features, n_points): (n_monomials, n_points), a new array or the start of `table`."""
    n_features, n_points = centred.shape
    if table is None:
        table = np.empty((_n_monomials(n_features), n_points))
    monomials = table[:, :n_points]
    monomials[0] = 1.0
    monomials[1 : 1 + n_features] = centred
    row = 1 + n_features
    for i in range(n_features):
        np.multiply(centred[i:], centred[i], out=monomials[row : row + n_features - i])
        row += n_features - i
    return monomials


def _monomial_blocks(data: GaussianData, n_components: int) -> Iterator[tuple[slice, Array]]:
    """The monomials of block after block of points; the next block overwrites the array of this one.

    A table for all of many points would not be read faster from memory than it is made anew.
    """
    n_samples, n_monomials = data.n_samples, _n_monomials(data.n_features)
    size = min(n_samples, max(_BLOCK // max(n_components, n_monomials), 256))
    table = np.empty((n_monomials, size)) if data._monomials is None else None
    for start in range(0, n_samples, size):
        columns = slice(start, min(start + size, n_samples))
        if data._monomials is None:
            yield columns, _monomials(data._centred[:, columns], table)
        else:
            yield columns, data._monomials[:, columns]


def _products(rows: Array, monomials: Array) -> Array:
    """rows @ monomials': the sum over the points of every row times every monomial."""
    if len(rows) * len(monomials) <= _FEW_DOT_PRODUCTS:
        return np.asarray(np.vecdot(rows[:, None], monomials))
    return np.asarray(rows @ monomials.T)


@lru_cache(maxsize=64)
def _pair_positions(n_features: int) -> NDArray[np.intp]:
    """[i, j] is the row of u_i u_j among the monomials."""
    positions = np.empty((n_features, n_features), dtype=np.intp)
    rows, columns = np.triu_indices(n_features)
    positions[rows, columns] = positions[columns, rows] = 1 + n_features + np.arange(len(rows))
    return positions


def _moments_from_sums(sums: Array, centres: Array) -> tuple[Moments, list[int]]:
    """The moments that follow from the sums of monomials of x - centre, with one centre or one per component.

    Also the components where too many digits cancelled.
    """
    n_features = centres.shape[-1]
    counts = sums[:, 0].copy()
    divisors = np.where(counts == 0, np.nan, counts) if 0 in counts.tolist() else counts
    averages = sums / divisors[:, None]
    from_centre = averages[:, 1 : 1 + n_features]
    second = averages[:, _pair_positions(n_features)]
    covariances = second - from_centre[:, :, None] * from_centre[:, None, :]
    inaccurate = []
    for k, (square, covariance) in enumerate(zip(second.tolist(), covariances.tolist(), strict=True)):
        reach = [math.sqrt(square[i][i]) for i in range(n_features)]
        if not _amplification(covariance, reach) < _LARGEST_AMPLIFICATION and counts[k]:
            inaccurate.append(k)
    return Moments(counts, from_centre + centres, covariances), inaccurate


def _replace_by_two_pass(moments: Moments, components: list[int], data: GaussianData, shares: Array) -> None:
    """Overwrite the means and covariances of `components`: first the mean, then the moments of x - mean."""
    for k, share in zip(components, shares, strict=True):
        share = share / share.sum()
        mean = share @ data.X
        residuals = (data.X - mean).T
        rounding = residuals @ share  # of the mean: it matters far from the origin
        covariance = (residuals * share) @ residuals.T - np.outer(rounding, rounding)
        moments.means[k] = mean + rounding
        moments.covariances[k] = 0.5 * (covariance + covariance.T)


def _read_only(moments: Moments) -> Moments:
    for array in moments:
        array.flags.writeable = False
    return moments
