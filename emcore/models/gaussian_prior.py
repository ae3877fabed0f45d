"""A prior for a Gaussian mixture, in its conjugate form: what it adds to the M-step is what more points would add.

    weights                ~ Dirichlet(alpha, ..., alpha)
    covariances[k]         ~ inverse Wishart(nu, Lambda)
    means[k] | covariances ~ N(m, covariances[k] / kappa)          (Fraley & Raftery 2007, J. Classification 24)

Where covariances have no correlations the inverse Wishart becomes an inverse gamma for each variance. The mode of the
posterior, given the responsibilities, is the M-step of maximum likelihood with ghost points beside the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, multigammaln

from emcore.models.gaussian_kernel import CovarianceType
from emcore.models.mixture import frozen_array, whole_number

Array = NDArray[np.float64]


class GhostPoints(NamedTuple):
    """The points that a prior adds to the M-step. Each component gets its own, and they belong to it for certain.

    Counts need not be whole. With `n` points of its own, of mean `x` and covariance `S`, a component gets

        weight      (n + weight_count) / (sum over the components of the same)
        mean        (n x + mean_count mean) / (n + mean_count)
        covariance  (n S + B + spread_count spread) / (n + spread_count),

    and B = n mean_count / (n + mean_count) times the outer product of x - mean with itself: the scatter between the two
    kinds of points. Then the covariance type is imposed, as without a prior.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Where the ghost points lie that pull the means.
    mean_count : float
        How many lie there, for each component.
    spread : ndarray of shape (n_features, n_features)
        The covariance of the ghost points that widen or narrow a component. They lie around the component's own mean,
        wherever that is.
    spread_count : float
        How many of these each component has. Of the tied type all components share the sum.
    weight_count : float
        How many count for the weights alone, for each component.
    """

    mean: Array
    mean_count: float
    spread: Array
    spread_count: float
    weight_count: float


@dataclass(frozen=True)
class GaussianPrior:
    """What is believed of a Gaussian mixture before the data are seen. Hashable: numbers in tuples.

    Its density, normalised, is that of weights (all but the last), means, and the distinct entries of each covariance:
    d (d + 1) / 2 for "full", those of the one covariance for "tied", d variances for "diag", one variance for
    "spherical". A mode depends on what is called the parameter: in log sds the same prior has another one.

    Parameters
    ----------
    mean : tuple of n_features floats
        m: where means are expected, in the data's units.
    scatter : tuple of n_features tuples of n_features floats
        Lambda, symmetric positive definite, in the data's units squared. Any array-like is taken and made into tuples.
        "diag" takes its diagonal, "spherical" the mean of its diagonal.
    degrees_of_freedom : float
        nu, greater than n_features - 1: how firmly covariances are expected near `scatter`.
    mean_strength : float
        kappa, greater than 0: the number of points that the belief about means is worth.
    weight_concentration : float
        alpha, at least 1, which prefers no weights to others.

    Raises
    ------
    ValueError
        One of these is not what it must be.
    """

    mean: tuple[float, ...]
    scatter: tuple[tuple[float, ...], ...]
    degrees_of_freedom: float
    mean_strength: float = 0.01
    weight_concentration: float = 1.0

    def __post_init__(self) -> None:
        mean = frozen_array(self.mean, "mean", ("n_features",))
        if len(mean) == 0:
            raise ValueError("mean must have at least one entry, got none")
        scatter = frozen_array(self.scatter, "scatter", (len(mean), len(mean)))
        scale = np.sqrt(np.abs(np.diag(scatter)))
        try:
            if (np.abs(scatter - scatter.T) > 1e-9 * np.outer(scale, scale)).any():
                raise ValueError
            np.linalg.cholesky(scatter)
        except (ValueError, np.linalg.LinAlgError):
            raise ValueError(f"scatter must be symmetric and positive definite, got {scatter.tolist()}") from None
        scatter = 0.5 * (scatter + scatter.T)
        object.__setattr__(self, "mean", tuple(mean.tolist()))
        object.__setattr__(self, "scatter", tuple(tuple(row) for row in scatter.tolist()))
        for name, above, least in (
            ("degrees_of_freedom", len(mean) - 1.0, -math.inf),
            ("mean_strength", 0.0, -math.inf),
            ("weight_concentration", -math.inf, 1.0),
        ):
            object.__setattr__(self, name, _number(getattr(self, name), name, above, least))

    @property
    def n_features(self) -> int:
        """The number of axes that it speaks of."""
        return len(self.mean)

    @classmethod
    def fraley_raftery(cls, X: ArrayLike, n_components: int, covariance_type: CovarianceType) -> GaussianPrior:
        """The weak prior that Fraley & Raftery (2007) read from the data, X of shape (n_samples, n_features).

        m is the mean of the data, kappa = 0.01, nu = n_features + 2, and Lambda the covariance of the data (divided by
        n_samples - 1) over n_components^(2 / n_features), so that the components together fill the data's volume; for
        "diag" and "spherical" the mean variance over the same, along every axis. The weights have a flat prior.

        Raises
        ------
        ValueError
            Fewer than two points, or all of them on one line, have no covariance to read.
        """
        points = frozen_array(X, "X", ("n_samples", "n_features"))
        n_components = whole_number(n_components, "n_components")
        if len(points) < 2:
            raise ValueError(f"X must have at least 2 points for a prior from the data, got {len(points)}")
        n_features = points.shape[1]
        scatter = np.cov(points, rowvar=False).reshape(n_features, n_features)
        if covariance_type in ("diag", "spherical"):
            scatter = np.eye(n_features) * np.trace(scatter) / n_features
        scatter = scatter / n_components ** (2 / n_features)
        return cls(tuple(points.mean(axis=0)), _rows(scatter), n_features + 2.0)

    @classmethod
    def from_ghost_points(
        cls, ghosts: GhostPoints, n_components: int, covariance_type: CovarianceType
    ) -> GaussianPrior:
        """The prior that adds these points to the M-step of a mixture: the inverse of `ghost_points`.

        Raises
        ------
        ValueError
            Too few points of spread for a density that can be normalised: of `least_spread_count` there must be more.
        """
        mean = frozen_array(ghosts.mean, "mean", ("n_features",))
        d = len(mean)
        least = least_spread_count(d, n_components, covariance_type)
        _number(ghosts.spread_count, "spread_count", least)
        per_axis = d if covariance_type == "spherical" else 1
        added = _added(d, n_components, covariance_type)
        all_of_them = ghosts.spread_count * (n_components if covariance_type == "tied" else 1)
        degrees_of_freedom = all_of_them * per_axis - added
        scatter = np.asarray(ghosts.spread, dtype=np.float64) * all_of_them * per_axis
        return cls(
            tuple(mean.tolist()), _rows(scatter), degrees_of_freedom, ghosts.mean_count, 1.0 + ghosts.weight_count
        )

    def ghost_points(self, n_components: int, covariance_type: CovarianceType) -> GhostPoints:
        """The same prior as points beside the data, for mixtures of this size and type."""
        d = self.n_features
        scatter = np.array(self.scatter)
        total = self.degrees_of_freedom + _added(d, n_components, covariance_type)
        if covariance_type == "diag":
            scatter = np.diag(np.diag(scatter))
        elif covariance_type == "spherical":
            scatter = np.eye(d) * np.trace(scatter) / d
        count = total / (d if covariance_type == "spherical" else 1)
        share = count / (n_components if covariance_type == "tied" else 1)
        return GhostPoints(
            np.array(self.mean), self.mean_strength, scatter / total, share, self.weight_concentration - 1.0
        )

    def log_density(self, weights: Array, means: Array, covariances: Array, covariance_type: CovarianceType) -> float:
        """The log of the prior density at parameters of this covariance type, in nats; normalised, see the class."""
        self._check_axes(means)
        k, d = means.shape
        alpha, nu, kappa = self.weight_concentration, self.degrees_of_freedom, self.mean_strength
        log_density = float(gammaln(k * alpha) - k * gammaln(alpha))
        if alpha > 1:
            log_density += (alpha - 1) * float(np.log(weights).sum())
        factors = np.linalg.cholesky(covariances)
        log_determinants = 2 * np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        offsets = means - np.array(self.mean)
        away = (offsets * np.linalg.solve(covariances, offsets[..., None])[..., 0]).sum(axis=1)
        log_density += 0.5 * float((d * math.log(kappa / (2 * math.pi)) - log_determinants - kappa * away).sum())
        distinct = slice(0, 1) if covariance_type == "tied" else slice(None)
        scatter = np.array(self.scatter)
        if covariance_type in ("full", "tied"):
            within = np.trace(np.linalg.solve(covariances[distinct], scatter), axis1=1, axis2=2)
            constant = 0.5 * nu * (np.linalg.slogdet(scatter)[1] - d * math.log(2)) - multigammaln(nu / 2, d)
            log_density += float((constant - 0.5 * ((nu + d + 1) * log_determinants[distinct] + within)).sum())
            return log_density
        variances = np.diagonal(covariances, axis1=1, axis2=2)
        scales = np.diag(scatter)
        if covariance_type == "spherical":
            variances, scales = variances.mean(axis=1, keepdims=True), scales.mean(keepdims=True)
        constants = 0.5 * nu * np.log(scales / 2) - gammaln(nu / 2)
        return log_density + float((constants - (0.5 * nu + 1) * np.log(variances) - 0.5 * scales / variances).sum())

    def with_ghosts(
        self, counts: Array, means: Array, covariances: Array, covariance_type: CovarianceType
    ) -> tuple[Array, Array, Array, Array]:
        """The moments of the points of each component together with its ghost points, see `GhostPoints`.

        Returns
        -------
        weights, means, covariances, counts
            The counts are those of points and ghosts of spread, by which tied covariances are pooled.
        """
        self._check_axes(means)
        ghosts = self.ghost_points(len(counts), covariance_type)
        empty = counts == 0
        if empty.any():  # the mean of no points is no number
            means, covariances = means.copy(), covariances.copy()
            means[empty], covariances[empty] = ghosts.mean, 0.0
        weights = (counts + ghosts.weight_count) / (counts.sum() + len(counts) * ghosts.weight_count)
        offsets = means - ghosts.mean
        pull = ghosts.mean_count / (counts + ghosts.mean_count)
        between = (counts * pull)[:, None, None] * (offsets[:, :, None] * offsets[:, None, :])
        together = counts + ghosts.spread_count
        scatter = counts[:, None, None] * covariances + between + ghosts.spread_count * ghosts.spread
        return weights, means - pull[:, None] * offsets, scatter / together[:, None, None], together

    def _check_axes(self, means: Array) -> None:
        if means.shape[1] != self.n_features:
            raise ValueError(
                f"the prior must speak of n_features = {means.shape[1]} axes, got one of {self.n_features}"
            )


def least_spread_count(n_features: int, n_components: int, covariance_type: CovarianceType) -> float:
    """The ghost points of spread for each component that a prior must exceed: fewer have no density to normalise."""
    total = n_features - 1.0 + _added(n_features, n_components, covariance_type)
    if covariance_type == "spherical":
        return total / n_features
    return total / n_components if covariance_type == "tied" else total


def _added(n_features: int, n_components: int, covariance_type: CovarianceType) -> float:
    """What the divisor of the M-step holds beside the points (times axes) and the degrees of freedom.

    Fraley & Raftery 2007: the exponents of the covariance in the inverse Wishart and in the prior of each mean.
    """
    if covariance_type == "tied":
        return n_features + n_components + 1.0
    return 3.0 if covariance_type == "diag" else n_features + 2.0


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def _number(value: object, name: str, above: float, least: float = -math.inf) -> float:
    """`value` as a finite float in bounds; ValueError otherwise."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > above and number >= least):
        bounds = f"greater than {above:g}" if above > -math.inf else f"at least {least:g}"
        raise ValueError(f"{name} must be a finite number, {bounds}, got {value!r}")
    return number
