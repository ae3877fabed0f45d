"""One normal distribution, some of whose values were not recorded: what is hidden are the holes in the table.

x_n ~ N(mean, covariance), of which the entries x_o were seen and the entries x_m were not. Given those seen, those
missing are normal again (Bishop 2006, equations 2.81 and 2.82), with o and m the columns seen and missing in a row:

    E[x_m | x_o]   = mean_m + B (x_o - mean_o),   B = C_mo C_oo^-1
    Cov[x_m | x_o] = C_mm - B C_om

The E-step fills each hole with the first and keeps the second; the M-step takes the mean and the covariance of the
filled table, and adds to the covariance what is not known of the holes (Dempster, Laird & Rubin 1977, section 4.1.3;
Little & Rubin 2002, section 11.2). Forgetting to add it makes all variances of holes too small.

This is right where values are missing at random: whether a value is missing may depend on what was seen, but not on
the missing value itself (Rubin 1976). Nothing in the data can tell.

Rows that have the same holes form a pattern and share B and the conditional covariance, so a step costs as much as
there are patterns. A row in which nothing was seen says nothing: it is left out of every sum, and adds 0 to the
log-likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_solve

from emcore.em import DegenerateFit
from emcore.models.gaussian_mixture import (
    SMALLEST_CORRELATION_EIGENVALUE,
    SMALLEST_SD,
    GaussianMixtureParameters,
    axis_names,
)
from emcore.models.mixture import LogLikelihood, frozen_array
from emcore.models.skeleton import Skeleton

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MissingNormalParameters:
    """The mean and the covariance of one normal distribution.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        In the data's units.
    covariance : ndarray of shape (n_features, n_features)
        Symmetric positive definite, in the data's units squared.
    mean_is_known : bool
        Whether the mean is given and not estimated: then `to_vector` has no coordinates for it.
    """

    mean: Array
    covariance: Array
    mean_is_known: bool = False

    def __post_init__(self) -> None:
        mean = frozen_array(self.mean, "mean", ("n_features",))
        if len(mean) == 0:
            raise ValueError("mean must have at least one entry, got none")
        covariance = frozen_array(self.covariance, "covariance", (len(mean), len(mean)))
        scale = np.sqrt(np.abs(np.diag(covariance)))
        if (np.abs(covariance - covariance.T) > 1e-9 * np.outer(scale, scale)).any():
            raise ValueError(f"covariance must be symmetric, got {covariance.tolist()}")
        try:
            np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            raise ValueError(
                f"covariance must be positive definite, got {covariance.tolist()}; "
                "try larger variances or a weaker correlation"
            ) from None
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @property
    def n_features(self) -> int:
        """The number of variables."""
        return len(self.mean)

    @property
    def sds(self) -> Array:
        """Standard deviation of each variable, shape (n_features,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def correlations(self) -> Array:
        """Correlation matrix, shape (n_features, n_features)."""
        return self.covariance / np.outer(self.sds, self.sds)

    def columns(self) -> dict[str, Array]:
        """The parameters as people read them: name -> one value a variable ("mean", "sd", "correlation with x")."""
        columns = {"mean": self.mean, "sd": self.sds}
        axes = axis_names(self.n_features)[:-1]
        return columns | {f"correlation with {axis}": self.correlations[:, j] for j, axis in enumerate(axes)}

    @cached_property
    def _single(self) -> GaussianMixtureParameters:
        """The same as a mixture of one component, which knows the coordinates of a covariance."""
        return GaussianMixtureParameters(np.ones(1), self.mean[None], self.covariance[None])

    def to_vector(self) -> Array:
        """Mean (unless it is known), log sds, atanh of partial correlations, as one vector (see `names`)."""
        return self._single.to_vector()[self._skipped :]

    def from_vector(self, vector: Array) -> MissingNormalParameters:
        """The parameters of this one's shape at `vector`; a known mean stays."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        single = self._single.from_vector(np.concatenate([self.mean[: self._skipped], vector]))
        return MissingNormalParameters(single.means[0], single.covariances[0], self.mean_is_known)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        axes = axis_names(self.n_features)
        pairs = [f"atanh correlation {axes[i]} {axes[j]}" for i in range(1, self.n_features) for j in range(i)]
        names = [*(f"mean {axis}" for axis in axes), *(f"log sd {axis}" for axis in axes), *pairs]
        return tuple(names[self._skipped :])

    @property
    def _skipped(self) -> int:
        return self.n_features if self.mean_is_known else 0


@dataclass(frozen=True, eq=False)
class Pattern:
    """The rows in which the same columns were seen, and what the steps need of them.

    Attributes
    ----------
    rows : ndarray of int
        Their numbers, from 0.
    observed, missing : ndarray of int
        The columns seen, and those missing.
    mean, covariance : ndarray of shape (n_observed,), (n_observed, n_observed)
        Of what was seen in these rows, divisor their number: sufficient, no step looks at the rows again.
    """

    rows: NDArray[np.intp]
    observed: NDArray[np.intp]
    missing: NDArray[np.intp]
    mean: Array
    covariance: Array

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class MissingNormalData:
    """A table with holes, validated once and sorted by its patterns. Made by `MissingNormal.prepare`.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        NaN where a value is missing; read-only.
    patterns : tuple of Pattern
        The rows in which something was seen.
    empty : ndarray of int
        The rows in which nothing was.
    mean, variances : ndarray of shape (n_features,)
        Of what was seen in each column, divisor how many values that are; 0 where all are the same.
    """

    X: Array
    patterns: tuple[Pattern, ...]
    empty: NDArray[np.intp]
    mean: Array
    variances: Array

    def __len__(self) -> int:
        return len(self.X)

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return int(self.X.shape[1])

    @property
    def n_used(self) -> int:
        """The number of rows in which something was seen."""
        return len(self.X) - len(self.empty)

    @cached_property
    def pattern_of(self) -> NDArray[np.intp]:
        """The number of each row's pattern, from 0, shape (n_samples,); -1 for an empty row."""
        which = np.full(len(self.X), -1)
        for number, pattern in enumerate(self.patterns):
            which[pattern.rows] = number
        which.flags.writeable = False
        return which

    @property
    def never_together(self) -> tuple[tuple[int, int], ...]:
        """Pairs of columns that no row has both of: nothing is known of their correlation directly."""
        seen = ~np.isnan(self.X)
        together = seen.T.astype(np.float64) @ seen
        return tuple((i, j) for i in range(self.n_features) for j in range(i) if together[i, j] == 0)


@dataclass(frozen=True, eq=False)
class Conditional:
    """What the values seen in a row say of those missing in it: N(mean, covariance).

    Attributes
    ----------
    observed, missing : ndarray of int
        The columns seen, and those missing.
    regression : ndarray of shape (n_missing, n_observed)
        B = C_mo C_oo^-1: how far the mean of a missing value follows each value seen.
    covariance : ndarray of shape (n_missing, n_missing)
        C_mm - B C_om, the same for all rows with these holes.
    """

    observed: NDArray[np.intp]
    missing: NDArray[np.intp]
    regression: Array
    covariance: Array


@dataclass(frozen=True, eq=False)
class MissingNormalPosterior:
    """What the E-step says of the holes: a normal distribution for those of each row.

    Attributes
    ----------
    parameters : MissingNormalParameters
        What it was computed from.
    objective : float
        The log-likelihood of `parameters` for what was seen, in nats, summed over the rows.
    expected_mean : ndarray of shape (n_features,)
        The average of E[x_n], of the filled rows.
    filled_covariance : ndarray of shape (n_features, n_features)
        The covariance of the filled rows about it, as if what was filled in had been seen.
    kept_covariance : ndarray of shape (n_features, n_features)
        The average of Cov[x_n], 0 for values seen: what the filled rows do not show.
    """

    parameters: MissingNormalParameters
    objective: float
    expected_mean: Array
    filled_covariance: Array
    kept_covariance: Array
    _X: MissingNormalData = field(repr=False)
    _conditionals: tuple[Conditional, ...] = field(repr=False)  # one a pattern

    def __post_init__(self) -> None:
        for array in (self.expected_mean, self.filled_covariance, self.kept_covariance):
            array.flags.writeable = False

    @property
    def expected_covariance(self) -> Array:
        """The average of E[(x_n - expected_mean) (x_n - expected_mean)'], shape (n_features, n_features)."""
        return self.filled_covariance + self.kept_covariance

    @property
    def second_moments(self) -> Array:
        """The sum over the rows of E[x_n x_n'], shape (n_features, n_features)."""
        moments: Array = self._X.n_used * (self.expected_covariance + np.outer(self.expected_mean, self.expected_mean))
        return moments

    def at(self, rows: ArrayLike) -> tuple[Array, Array]:
        """These rows (from 0) filled, and the sd of each of their values, both of shape (n_rows, n_features).

        What is filled in is E[x_n | what was seen]; of an empty row it is the mean. A value that was seen has sd 0.
        """
        rows = np.asarray(rows, dtype=np.intp)
        theta, which = self.parameters, self._X.pattern_of[rows]
        filled = self._X.X[rows]
        sds = np.zeros(filled.shape)
        for number in np.unique(which):
            own = np.flatnonzero(which == number)
            known = self._of_pattern(int(number))
            offsets = filled[np.ix_(own, known.observed)] - theta.mean[known.observed]
            filled[np.ix_(own, known.missing)] = theta.mean[known.missing] + offsets @ known.regression.T
            sds[np.ix_(own, known.missing)] = np.sqrt(np.diag(known.covariance))
        for array in (filled, sds):
            array.flags.writeable = False
        return filled, sds

    @cached_property
    def _every_row(self) -> tuple[Array, Array]:
        return self.at(np.arange(len(self._X)))

    @property
    def filled(self) -> Array:
        """E[x_n], shape of X: what was seen, and the mean of what was not; of an empty row the mean."""
        return self._every_row[0]

    @property
    def sds(self) -> Array:
        """Standard deviation of each value given what was seen in its row, shape of X: 0 for a value seen."""
        return self._every_row[1]

    def conditional(self, row: int) -> Conditional:
        """How the missing values of a row (from 0) depend on those seen in it."""
        return self._of_pattern(int(self._X.pattern_of[row]))

    def _of_pattern(self, number: int) -> Conditional:
        if number >= 0:
            return self._conditionals[number]
        none, every = np.arange(0), np.arange(self._X.n_features)
        return Conditional(none, every, np.zeros((len(every), 0)), self.parameters.covariance)

    def covariance_of(self, row: int) -> Array:
        """Cov[x_n | what was seen of it] of a row (from 0), shape (n_features, n_features): 0 where it was seen."""
        conditional = self.conditional(row)
        covariance = np.zeros((self._X.n_features, self._X.n_features))
        covariance[np.ix_(conditional.missing, conditional.missing)] = conditional.covariance
        return covariance

    @cached_property
    def entropy(self) -> float:
        """H(q) in nats, of the densities of the missing values in rows that show something: it may be negative."""
        total = 0.0
        for pattern, conditional in zip(self._X.patterns, self._conditionals, strict=True):
            n_missing = len(pattern.missing)
            log_determinant = float(np.linalg.slogdet(conditional.covariance)[1])
            total += 0.5 * len(pattern) * (n_missing * float(np.log(2 * np.pi * np.e)) + log_determinant)
        return total


@dataclass(frozen=True)
class MissingNormal(LogLikelihood):
    """A normal distribution, fitted by maximum likelihood to rows with missing values.

    Parameters
    ----------
    known_mean : tuple of float or None
        The mean, if it is known: then the covariance alone is estimated.
    """

    known_mean: tuple[float, ...] | None = None
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Normal distribution with missing values",
        observed="rows of measurements, with holes",
        hidden="the values that are missing",
        e_step="for each hole the mean and the variance that it has, given what was seen in its row",
        m_step="mean and covariance of the filled table, with the variance of the holes added",
        source="Dempster, Laird & Rubin 1977",
    )

    def __post_init__(self) -> None:
        if self.known_mean is not None:
            known = frozen_array(self.known_mean, "known_mean", ("n_features",))
            object.__setattr__(self, "known_mean", tuple(known.tolist()))

    @property
    def n_components(self) -> int:
        """One: there is a single normal distribution."""
        return 1

    def prepare(self, X: ArrayLike | MissingNormalData) -> MissingNormalData:
        """X of shape (n_samples, n_features), NaN where a value is missing, with a value or more in each column.

        Raises
        ------
        ValueError
            X is not such an array.
        """
        if isinstance(X, MissingNormalData):
            return X
        points = _table(X)
        if self.known_mean is not None and len(self.known_mean) != points.shape[1]:
            raise ValueError(f"known_mean must have one entry a column, {points.shape[1]}, got {len(self.known_mean)}")
        seen = ~np.isnan(points)
        columns = [_moments(points[seen[:, j], j, None]) for j in range(points.shape[1])]
        mean, variances = np.array([centre[0] for centre, _ in columns]), np.array([c[0, 0] for _, c in columns])
        variances[np.nanmin(points, axis=0) == np.nanmax(points, axis=0)] = 0.0
        kinds, which = np.unique(seen, axis=0, return_inverse=True)
        which = which.reshape(-1)
        patterns = []
        for number, kind in enumerate(kinds):
            if kind.any():
                rows, observed = np.flatnonzero(which == number), np.flatnonzero(kind)
                patterns.append(
                    Pattern(rows, observed, np.flatnonzero(~kind), *_moments(points[np.ix_(rows, observed)]))
                )
        for array in (points, mean, variances):
            array.flags.writeable = False
        empty = np.flatnonzero(~seen.any(axis=1))
        return MissingNormalData(points, tuple(patterns), empty, mean, variances)

    def initialize(self, X: ArrayLike | MissingNormalData, rng: np.random.Generator) -> MissingNormalParameters:
        """Mean and variance of what was seen in each column, and correlations drawn at random.

        A column without spread gets variance 1, so that the start is legal; the first M-step will say what is wrong.
        """
        start = self.independent(X)
        vector = np.array(start.to_vector())
        first = start.n_features * (1 if start.mean_is_known else 2)
        vector[first:] = rng.normal(0, 0.5, len(vector) - first)
        return start.from_vector(vector)

    def independent(self, X: ArrayLike | MissingNormalData) -> MissingNormalParameters:
        """Mean and variance of what was seen in each column, without correlation."""
        X = self.prepare(X)
        variances = self._spread(X)
        mean = X.mean if self.known_mean is None else np.array(self.known_mean)
        covariance = np.diag(np.where(variances > 0, variances, 1.0))
        return MissingNormalParameters(mean, covariance, self.known_mean is not None)

    def e_step(self, X: ArrayLike | MissingNormalData, parameters: MissingNormalParameters) -> MissingNormalPosterior:
        """What the values seen in each row say of those missing (Bishop 2006, equations 2.81 and 2.82)."""
        X = self.prepare(X)
        self._check(X, parameters)
        n_features = X.n_features
        conditionals, means, filled, kept = (
            [],
            [],
            np.zeros((n_features, n_features)),
            np.zeros((n_features, n_features)),
        )
        objective = 0.0
        for pattern in X.patterns:
            conditional, log_likelihood = _conditional(pattern, parameters)
            conditionals.append(conditional)
            objective += log_likelihood
            share = len(pattern) / X.n_used
            o, m, regression = pattern.observed, pattern.missing, conditional.regression
            mean = np.empty(n_features)
            mean[o] = pattern.mean
            mean[m] = parameters.mean[m] + regression @ (pattern.mean - parameters.mean[o])
            means.append(mean)
            spread = np.eye(n_features)[:, o]
            spread[m] = regression  # takes what was seen to the whole filled row
            filled += share * (spread @ pattern.covariance @ spread.T)
            kept[np.ix_(m, m)] += share * conditional.covariance
        shares = np.array([len(pattern) for pattern in X.patterns]) / X.n_used
        expected_mean: Array = shares @ np.array(means)
        offsets = np.array(means) - expected_mean
        filled += (offsets.T * shares) @ offsets
        return MissingNormalPosterior(
            parameters, objective, expected_mean, _symmetric(filled), _symmetric(kept), X, tuple(conditionals)
        )

    def m_step(self, X: ArrayLike | MissingNormalData, posterior: MissingNormalPosterior) -> MissingNormalParameters:
        """Mean and covariance of the filled rows, with the conditional covariances added (Little & Rubin 2002, 11.2).

        Raises
        ------
        DegenerateFit
            A column does not vary, or the rows seen lie on a line or a plane.
        """
        return self.from_moments(X, posterior.expected_mean, posterior.expected_covariance)

    def from_moments(self, X: ArrayLike | MissingNormalData, mean: Array, covariance: Array) -> MissingNormalParameters:
        """The fit to a full table with this mean and this covariance about it; DegenerateFit as `m_step`."""
        X = self.prepare(X)
        if self.known_mean is not None:
            offset = mean - np.array(self.known_mean)
            mean, covariance = np.array(self.known_mean), covariance + np.outer(offset, offset)
        self._check_collapse(X, covariance)
        return MissingNormalParameters(mean, covariance, self.known_mean is not None)

    def expected_log_joint(
        self,
        X: ArrayLike | MissingNormalData,
        posterior: MissingNormalPosterior,
        parameters: MissingNormalParameters,
    ) -> float:
        """Q(theta, theta_old): the mean of log p(seen, missing | theta) when each hole is drawn from its posterior."""
        X = self.prepare(X)
        offset = posterior.expected_mean - parameters.mean
        factor = np.linalg.cholesky(parameters.covariance)
        moments = posterior.expected_covariance + np.outer(offset, offset)
        distance = float(np.trace(cho_solve((factor, True), moments)))
        log_determinant = 2 * float(np.log(np.diag(factor)).sum())
        return -0.5 * X.n_used * (X.n_features * float(np.log(2 * np.pi)) + log_determinant + distance)

    def _spread(self, X: MissingNormalData) -> Array:
        """The variance of what was seen in each column, about the known mean if there is one."""
        if self.known_mean is None:
            return X.variances
        spread: Array = X.variances + (X.mean - np.array(self.known_mean)) ** 2
        return spread

    def _check(self, X: MissingNormalData, parameters: MissingNormalParameters) -> None:
        if parameters.mean.shape != (X.n_features,):
            raise ValueError(f"mean must have shape (n_features,) = ({X.n_features},), got {parameters.mean.shape}")
        if self.known_mean is not None and tuple(parameters.mean.tolist()) != self.known_mean:
            raise ValueError(f"mean must be the known one, {self.known_mean}, got {parameters.mean.tolist()}")

    def _check_collapse(self, X: MissingNormalData, covariance: Array) -> None:
        """DegenerateFit if the covariance has lost a dimension: the likelihood has no maximum."""
        spread = self._spread(X)
        flat = np.flatnonzero(~(spread > 0))
        if flat.size:
            raise DegenerateFit(
                f"All values seen of {_columns(flat)} are the same: a variance falls to 0, and the log-likelihood "
                "grows without limit.",
                "Leave out what does not vary, or choose other data.",
            )
        variances = np.diag(covariance)
        alive = bool((variances > SMALLEST_SD**2 * spread).all())
        if alive:
            sds = np.sqrt(variances)
            alive = np.linalg.eigvalsh(covariance / np.outer(sds, sds))[0] > SMALLEST_CORRELATION_EIGENVALUE
        if not alive:
            raise DegenerateFit(
                "The filled rows lie on a line or a plane: the covariance has lost a dimension, and the log-likelihood "
                "grows without limit.",
                "Take more complete rows, or fewer columns.",
            )


def _table(X: Any) -> Array:
    """X as doubles that may be NaN, copied."""
    try:
        points = np.array(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X must consist of numbers, and NaN where one is missing: {error}") from error
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(
            f"X must have shape (n_samples, n_features) with at least one row and one column, got {points.shape}"
        )
    if np.isinf(points).any():
        row = int(np.flatnonzero(np.isinf(points).any(axis=1))[0])
        raise ValueError(f"X must be finite numbers or NaN, got {points[row].tolist()} in row {row}")
    nothing = np.flatnonzero(np.isnan(points).all(axis=0))
    if nothing.size:
        raise ValueError(
            f"Every column of X must have at least one value, got none in {_columns(nothing)}: leave it out"
        )
    if np.nanmax(np.abs(points)) > 1e100:
        raise ValueError("X must lie between -1e100 and 1e100 to be squared; divide it by a constant")
    spread = np.nanmax(points, axis=0) - np.nanmin(points, axis=0)
    if ((spread > 0) & (spread < 1e-100)).any():
        raise ValueError("X must vary by at least 1e-100 along an axis, or not at all; multiply it by a constant")
    return points


def _columns(indices: NDArray[np.intp]) -> str:
    """Columns by their numbers from 1, for a sentence: of a file they have names that the model does not know."""
    numbers = " and ".join(str(index + 1) for index in indices.tolist())
    return f"column{'' if len(indices) == 1 else 's'} {numbers}"


def _moments(rows: Array) -> tuple[Array, Array]:
    """Mean and covariance of full rows, divisor their number."""
    mean = rows.mean(axis=0)
    mean = mean + (rows - mean).mean(axis=0)  # a second pass: far from the origin the first one rounds
    centred = rows - mean
    covariance: Array = centred.T @ centred / len(rows)
    for array in (mean, covariance):
        array.flags.writeable = False
    return mean, covariance


def _conditional(pattern: Pattern, parameters: MissingNormalParameters) -> tuple[Conditional, float]:
    """What is said of the holes of a pattern, and the log-likelihood of what was seen in its rows."""
    o, m, n = pattern.observed, pattern.missing, len(pattern)
    covariance = parameters.covariance
    factor = np.linalg.cholesky(covariance[np.ix_(o, o)])
    across = covariance[np.ix_(o, m)]
    regression = np.ascontiguousarray(cho_solve((factor, True), across).T)
    # C_mm - B C_om loses its digits where little is left; in the factor of the whole matrix they are kept
    order = np.concatenate([o, m])
    whole = np.linalg.cholesky(covariance[np.ix_(order, order)])[len(o) :, len(o) :]
    left = whole @ whole.T
    offset = pattern.mean - parameters.mean[o]
    distance = float(np.trace(cho_solve((factor, True), pattern.covariance + np.outer(offset, offset))))
    log_determinant = 2 * float(np.log(np.diag(factor)).sum())
    objective = -0.5 * n * (len(o) * float(np.log(2 * np.pi)) + log_determinant + distance)
    for array in (regression, left):
        array.flags.writeable = False
    return Conditional(o, m, regression, left), objective


def _symmetric(matrix: Array) -> Array:
    symmetric: Array = 0.5 * (matrix + matrix.T)
    return symmetric
