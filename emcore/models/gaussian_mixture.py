"""The Gaussian mixture: every point was drawn from one of n_components Gaussians, and which one is hidden.

p(x) = sum_k weights[k] N(x | means[k], covariances[k])                            (Bishop 2006, equation 9.7)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.em import DegenerateFit
from emcore.models import gaussian_kernel as kernel
from emcore.models.gaussian_kernel import CovarianceType as CovarianceType
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_prior import GaussianPrior
from emcore.models.mixture import (
    entropy_of,
    frozen_array,
    frozen_responsibilities,
    frozen_weights,
    whole_number,
)
from emcore.models.skeleton import Skeleton

# Below these a covariance is a collapse and not an estimate: doubles no longer carry enough of its digits.
SMALLEST_SD = 1e-12  # as a part of the data's sd along the same axis
SMALLEST_CORRELATION_EIGENVALUE = 1e-13


@dataclass(frozen=True, eq=False)
class GaussianMixtureParameters:
    """The weights, means and covariances of a Gaussian mixture.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        Probability of each component: positive, sum 1.
    means : ndarray of shape (n_components, n_features)
        In the data's units.
    covariances : ndarray of shape (n_components, n_features, n_features)
        Full matrices whatever the covariance type, symmetric positive definite, in the data's units squared.
    covariance_type : "full", "tied", "diag" or "spherical"
        Which coordinates `to_vector` uses; it does not change the shape of `covariances`.
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    covariance_type: CovarianceType = "full"

    def __post_init__(self) -> None:
        weights = frozen_weights(self.weights)
        n_components = len(weights)
        means = frozen_array(self.means, "means", (n_components, "n_features"))
        n_features = means.shape[1]
        covariances = frozen_array(self.covariances, "covariances", (n_components, n_features, n_features))
        _check_covariance_type(self.covariance_type)
        for k, covariance in enumerate(covariances):
            scale = np.sqrt(np.abs(np.diag(covariance)))
            if (np.abs(covariance - covariance.T) > 1e-9 * np.outer(scale, scale)).any():
                raise ValueError(f"covariances must be symmetric, covariance {k + 1} is {covariance.tolist()}")
            try:
                np.linalg.cholesky(covariance)
            except np.linalg.LinAlgError:
                raise ValueError(
                    f"covariances must be positive definite, covariance {k + 1} is {covariance.tolist()}; "
                    "try larger variances or a weaker correlation"
                ) from None
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "covariances", covariances)

    @classmethod
    def _trusted(
        cls,
        weights: NDArray[np.float64],
        means: NDArray[np.float64],
        covariances: NDArray[np.float64],
        covariance_type: CovarianceType,
    ) -> GaussianMixtureParameters:
        """What an M-step made: legal by construction, so the loop does not pay for the checks."""
        self = object.__new__(cls)
        values: dict[str, Any] = self.__dict__
        for name, array in (("weights", weights), ("means", means), ("covariances", covariances)):
            array.flags.writeable = False
            values[name] = array
        values["covariance_type"] = covariance_type
        return self

    @property
    def n_components(self) -> int:
        """The number of components."""
        return len(self.weights)

    @property
    def n_features(self) -> int:
        """The number of axes of the data."""
        return int(self.means.shape[1])

    @property
    def sds(self) -> NDArray[np.float64]:
        """Standard deviation of each component along each axis, shape (n_components, n_features), the data's units."""
        return np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2))

    @property
    def correlations(self) -> NDArray[np.float64]:
        """Correlation matrix of each component, shape (n_components, n_features, n_features)."""
        sds = self.sds
        return self.covariances / (sds[:, :, None] * sds[:, None, :])

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them: name -> one value a component ("weight", "mean x", "sd x", ...)."""
        axes = [f" {axis}" for axis in axis_names(self.n_features)] if self.n_features > 1 else [""]
        columns = {"weight": self.weights}
        columns |= {f"mean{axis}": self.means[:, j] for j, axis in enumerate(axes)}
        columns |= {f"sd{axis}": self.sds[:, j] for j, axis in enumerate(axes)}
        correlations = self.correlations
        columns |= {
            "correlation" + (f"{axes[i]}{axes[j]}" if self.n_features > 2 else ""): correlations[:, i, j]
            for i in range(self.n_features)
            for j in range(i + 1, self.n_features)
        }
        return columns

    # Coordinates. Each block of parameters is mapped to R^p without bounds: means as they are; sds by their logarithm;
    # correlations by atanh of the canonical partial correlations (Lewandowski, Kurowicka & Joe 2009), which are free
    # in (-1, 1); weights by their log-ratio to the last one.

    def to_vector(self) -> NDArray[np.float64]:
        """Means, log sds, atanh of partial correlations, logit weights, as one vector (see `names`)."""
        n_distinct = 1 if self.covariance_type == "tied" else self.n_components
        log_sds = np.log(self.sds[:n_distinct])
        parts = [self.means.ravel()]
        if self.covariance_type == "spherical":
            parts.append(log_sds.mean(axis=1))
        else:
            parts.append(log_sds.ravel())
        if self.covariance_type in ("full", "tied"):
            parts += [_partial_correlations(matrix) for matrix in self.correlations[:n_distinct]]
        parts.append(np.log(self.weights[:-1] / self.weights[-1]))
        return np.concatenate(parts)

    def from_vector(self, vector: NDArray[np.float64]) -> GaussianMixtureParameters:
        """The mixture of this one's shape and covariance type at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        k, d, kind = self.n_components, self.n_features, self.covariance_type
        n_distinct = 1 if kind == "tied" else k
        n_sds = 1 if kind == "spherical" else d
        n_correlations = d * (d - 1) // 2 if kind in ("full", "tied") else 0
        sizes = [k * d, n_distinct * n_sds, n_distinct * n_correlations]
        means, log_sds, partials, logits = np.split(vector, np.cumsum(sizes))
        sds = np.broadcast_to(np.exp(log_sds).reshape(n_distinct, n_sds), (n_distinct, d))
        correlations = np.broadcast_to(np.eye(d), (n_distinct, d, d))
        if n_correlations:
            rows = partials.reshape(n_distinct, n_correlations)
            correlations = np.array([_correlation_matrix(row, d) for row in rows])
        covariances = correlations * sds[:, :, None] * sds[:, None, :]
        logits = np.append(logits, 0.0)
        weights = np.exp(logits - logits.max())
        return GaussianMixtureParameters(
            weights / weights.sum(), means.reshape(k, d), np.broadcast_to(covariances, (k, d, d)), kind
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        k, d, kind = self.n_components, self.n_features, self.covariance_type
        axes = axis_names(d)
        # "log sd 2, x"; one number for all components has no component, one for all axes no axis
        components = [""] if kind == "tied" else [f" {j + 1}" for j in range(k)]
        suffixes = [""] if d == 1 or kind == "spherical" else [f", {axis}" for axis in axes]
        names = [f"mean {j + 1}" + (f", {axis}" if d > 1 else "") for j in range(k) for axis in axes]
        names += [f"log sd{component}{suffix}" for component in components for suffix in suffixes]
        if kind in ("full", "tied"):
            names += [
                f"atanh correlation{component}" + (f", {axes[i]} {axes[j]}" if d > 2 else "")
                for component in components
                for i in range(1, d)
                for j in range(i)
            ]
        names += [f"logit weight {j + 1}" for j in range(k - 1)]
        return tuple(names)


def axis_names(n_features: int) -> list[str]:
    """What people call the axes: x, y, z, or numbers beyond three."""
    return ["x", "y", "z"][:n_features] if n_features <= 3 else [str(j + 1) for j in range(n_features)]


def _partial_correlations(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """atanh of the canonical partial correlations, row by row below the diagonal; for two axes atanh(correlation)."""
    factor = np.linalg.cholesky(correlation)
    partials = []
    for i in range(1, len(factor)):
        remaining = 1.0
        for j in range(i):
            partials.append(factor[i, j] / np.sqrt(remaining))
            remaining -= factor[i, j] ** 2
    return np.arctanh(partials)


def _correlation_matrix(partials: NDArray[np.float64], n_features: int) -> NDArray[np.float64]:
    """The inverse of `_partial_correlations`."""
    factor = np.eye(n_features)
    values = iter(np.tanh(partials))
    for i in range(1, n_features):
        remaining = 1.0
        for j in range(i):
            factor[i, j] = next(values) * np.sqrt(remaining)
            remaining -= factor[i, j] ** 2
        factor[i, i] = np.sqrt(remaining)
    correlation = factor @ factor.T
    np.fill_diagonal(correlation, 1.0)
    return correlation


@dataclass(frozen=True, eq=False)
class GaussianMixturePosterior:
    """What the E-step says: how much of every point each component takes, summed up for the M-step.

    Attributes
    ----------
    parameters : GaussianMixtureParameters or None
        What it was computed from; None if it was made from given responsibilities.
    objective : float
        The log-likelihood of `parameters`, in nats, summed over the points, plus the log prior if the model has one;
        NaN if there are none.
    counts : ndarray of shape (n_components,)
        N_k, the sum of the responsibilities of component k: the points that it takes (Bishop 2006, equation 9.18).
    means, covariances : ndarray of shape (n_components, n_features[, n_features])
        Mean and covariance of the points, weighted by the responsibilities of component k (equations 9.17 and 9.19).
    """

    parameters: GaussianMixtureParameters | None
    objective: float
    counts: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    _X: GaussianData = field(repr=False)
    _given: NDArray[np.float64] | None = field(default=None, repr=False)

    @cached_property
    def responsibilities(self) -> NDArray[np.float64]:
        """responsibilities[n, k] = p(z_n = k | x_n, theta), shape (n_samples, n_components); rows sum to 1."""
        if self._given is not None:
            return self._given
        assert self.parameters is not None
        theta = self.parameters
        r = kernel.responsibilities(self._X, theta.weights, theta.means, theta.covariances)
        r.flags.writeable = False
        return r

    @cached_property
    def entropy(self) -> float:
        """H(q) in nats: 0 where every point is certain of its component."""
        return entropy_of(self.responsibilities)


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of Gaussians, fitted by maximum likelihood, or to the mode of the posterior if it has a prior.

    Parameters
    ----------
    n_components : int
        The number of Gaussians.
    covariance_type : "full", "tied", "diag" or "spherical"
        What the M-step may choose: any covariance for each component, one for all, none between axes, or the same sd
        along every axis.
    prior : GaussianPrior, optional
        What is believed of the parameters beforehand. The objective is then the log-likelihood plus its log density,
        and EM climbs to a mode of the posterior (MAP; Dempster, Laird & Rubin 1977, section 1).
    sd_floor : float
        The smallest sd that a component may have in any direction, in the data's units: no eigenvalue of a covariance
        may lie below its square. The M-step is the exact maximum among these covariances, so EM climbs, from a start
        that is one of them (`constrain`). 0, the default, allows all.
    """

    n_components: int
    covariance_type: CovarianceType = "full"
    prior: GaussianPrior | None = None
    sd_floor: float = 0.0
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Gaussian mixture",
        observed="points",
        hidden="which component each point came from",
        e_step="for each point the probability of each component (Bayes' rule)",
        m_step="weight, mean and covariance of each component, every point weighted by its responsibility",
        source="Dempster, Laird & Rubin 1977, section 4.3",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")
        _check_covariance_type(self.covariance_type)
        if not (self.prior is None or isinstance(self.prior, GaussianPrior)):
            raise ValueError(f"prior must be a GaussianPrior or None, got {self.prior!r}")
        if isinstance(self.sd_floor, bool) or not isinstance(self.sd_floor, int | float | np.number):
            raise ValueError(f"sd_floor must be a finite number from 0 up, got {self.sd_floor!r}")
        if not 0 <= self.sd_floor < np.inf:
            raise ValueError(f"sd_floor must be a finite number from 0 up, got {self.sd_floor!r}")

    @property
    def is_maximum_likelihood(self) -> bool:
        """Whether nothing but the data decides: no prior and no floor."""
        return self.prior is None and not self.sd_floor

    @property
    def objective_name(self) -> str:
        """The axis title of the objective: it says what is added, and what is forbidden."""
        name = "Log-likelihood" if self.prior is None else "Log-likelihood + log prior"
        return f"{name} (every sd at least {self.sd_floor:.3g})" if self.sd_floor else name

    @property
    def objective_unit(self) -> str:
        """Its unit."""
        return "nats"

    def prepare(self, X: ArrayLike | GaussianData) -> GaussianData:
        """X of shape (n_samples, n_features), finite, validated and laid out for the kernel."""
        return kernel.prepare(X)

    def initialize(self, X: ArrayLike | GaussianData, rng: np.random.Generator) -> GaussianMixtureParameters:
        """Means at randomly chosen points, equal weights, every covariance that of the whole data."""
        points = self.prepare(X).X
        chosen = rng.choice(len(points), self.n_components, replace=len(points) < self.n_components)
        return self.from_means(points, points[chosen])

    def from_means(self, X: ArrayLike | GaussianData, means: ArrayLike) -> GaussianMixtureParameters:
        """A start with these means: equal weights, and for every component the covariance of the whole data.

        An axis along which the data do not vary gets variance 1, and points on one line no correlation, so that the
        start is legal; the first M-step will say what is wrong.
        """
        X = self.prepare(X)
        covariance = kernel.weighted_moments(X, np.ones((X.n_samples, 1))).covariances[0].copy()
        flat = X.sds == 0
        covariance[flat] = covariance[:, flat] = 0.0
        covariance[flat, flat] = 1.0
        sds = np.sqrt(np.diag(covariance))
        if np.linalg.eigvalsh(covariance / np.outer(sds, sds))[0] <= SMALLEST_CORRELATION_EIGENVALUE:
            covariance = np.diag(np.diag(covariance))  # all points on one line
        covariances = _constrained(
            np.broadcast_to(covariance, (self.n_components, *covariance.shape)),
            np.ones(self.n_components),
            self.covariance_type,
        )
        covariances = _floored(covariances, self.sd_floor)
        weights = np.full(self.n_components, 1 / self.n_components)
        return GaussianMixtureParameters(weights, np.asarray(means), covariances, self.covariance_type)

    def constrain(self, parameters: GaussianMixtureParameters) -> GaussianMixtureParameters:
        """The parameters with covariances of the model's type: pooled by weight, or stripped to their diagonal.

        And widened to `sd_floor` where they are narrower. A start outside the family that the M-step chooses from may
        lie above all of it, and the first M-step fall.
        """
        covariances = _constrained(parameters.covariances, parameters.weights, self.covariance_type)
        covariances = _floored(covariances, self.sd_floor)
        return GaussianMixtureParameters(parameters.weights, parameters.means, covariances, self.covariance_type)

    def from_responsibilities(
        self, X: ArrayLike | GaussianData, responsibilities: ArrayLike
    ) -> GaussianMixturePosterior:
        """The posterior that consists of these responsibilities: for a random start, an edited table, a hard E-step."""
        X = self.prepare(X)
        r = frozen_responsibilities(responsibilities, X.n_samples, self.n_components)
        counts, means, covariances = kernel.weighted_moments(X, r)
        return GaussianMixturePosterior(None, float("nan"), counts, means, covariances, X, r)

    def e_step(self, X: ArrayLike | GaussianData, parameters: GaussianMixtureParameters) -> GaussianMixturePosterior:
        """How likely it is that each component made each point (Bayes' rule; Bishop 2006, equation 9.23)."""
        X = self.prepare(X)
        expected = (self.n_components, X.n_features)
        if parameters.means.shape != expected:
            raise ValueError(
                f"means must have shape (n_components, n_features) = {expected}, got {parameters.means.shape}"
            )
        found = kernel.expectation(X, parameters.weights, parameters.means, parameters.covariances)
        objective = found.log_likelihood
        if self.prior is not None:
            objective += self.log_prior(parameters)
        return GaussianMixturePosterior(parameters, objective, found.counts, found.means, found.covariances, X)

    def log_prior(self, parameters: GaussianMixtureParameters) -> float:
        """The log density of the prior, in nats: what the objective holds beside the log-likelihood; 0 without one."""
        if self.prior is None:
            return 0.0
        return self.prior.log_density(
            parameters.weights, parameters.means, parameters.covariances, self.covariance_type
        )

    def m_step(self, X: ArrayLike | GaussianData, posterior: GaussianMixturePosterior) -> GaussianMixtureParameters:
        """The mixture that best fits these responsibilities (Bishop 2006, equations 9.24 to 9.26).

        With a prior the best of Q + log prior: the same with ghost points (`GaussianPrior.ghost_points`). With a floor
        the best of the covariances above it: -n/2 (log |S| + trace(S^-1 A)) is greatest, where S has the eigenvectors
        of A and its eigenvalues, raised to the floor; for "diag" and "spherical" the variances, raised to it.

        Raises
        ------
        DegenerateFit
            A component took no points, or shrank to a point or a line.
        """
        X = self.prepare(X)
        if not self.is_maximum_likelihood:
            return self._regularised_m_step(X, posterior)
        counts = posterior.counts
        if not counts.all():
            k = int(np.flatnonzero(counts == 0)[0])
            raise DegenerateFit(
                f"Component {k + 1} is empty: no point gives it any responsibility.",
                "Try another start, nearer to the points, or fewer components.",
            )
        covariances = _constrained(posterior.covariances, counts, self.covariance_type)
        _check_collapse(covariances, posterior.means, X)
        return GaussianMixtureParameters._trusted(
            counts / X.n_samples, posterior.means, covariances, self.covariance_type
        )

    def _regularised_m_step(self, X: GaussianData, posterior: GaussianMixturePosterior) -> GaussianMixtureParameters:
        """The M-step with a prior or a floor."""
        counts, means, covariances = posterior.counts, posterior.means, posterior.covariances
        weights = counts / X.n_samples
        if self.prior is not None:
            weights, means, covariances, counts = self.prior.with_ghosts(
                counts, means, covariances, self.covariance_type
            )
        if not weights.all():
            k = int(np.flatnonzero(weights == 0)[0])
            raise DegenerateFit(
                f"Component {k + 1} is empty: no point gives it any responsibility, and its weight falls to 0.",
                "Try another start, nearer to the points, fewer components, or ghost points for the weights.",
            )
        covariances = _floored(_constrained(covariances, counts, self.covariance_type), self.sd_floor)
        _check_collapse(covariances, means, X, limited=True)
        return GaussianMixtureParameters._trusted(weights, means, covariances, self.covariance_type)

    def expected_log_joint(
        self,
        X: ArrayLike | GaussianData,
        posterior: GaussianMixturePosterior,
        parameters: GaussianMixtureParameters,
    ) -> float:
        """Q(theta, theta_old): the mean of log p(X, Z | theta) under the posterior, in nats (Bishop, equation 9.40).

        With a prior the mean of log p(X, Z, theta), which is Q + log prior (Bishop 2006, section 9.3, exercise 9.4).
        """
        taken = posterior.counts > 0
        log_density = mean_log_densities(
            posterior.means[taken],
            posterior.covariances[taken],
            parameters.means[taken],
            parameters.covariances[taken],
        )
        expected = posterior.counts[taken] @ (np.log(parameters.weights[taken]) + log_density)
        return float(expected) + self.log_prior(parameters)


def mean_log_densities(
    of_means: NDArray[np.float64],
    of_covariances: NDArray[np.float64],
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The mean of log N(x | means[k], covariances[k]) over points with these moments, shape (n_components,)."""
    offset = of_means - means
    scatter = of_covariances + offset[:, :, None] * offset[:, None, :]
    log_determinant = 2 * np.log(np.diagonal(np.linalg.cholesky(covariances), axis1=1, axis2=2)).sum(axis=1)
    squared_distance = np.trace(np.linalg.solve(covariances, scatter), axis1=1, axis2=2)
    return np.asarray(-0.5 * (means.shape[1] * np.log(2 * np.pi) + log_determinant + squared_distance))


def _check_covariance_type(covariance_type: str) -> None:
    if covariance_type not in get_args(CovarianceType):
        raise ValueError(
            f"covariance_type must be one of {', '.join(get_args(CovarianceType))}, got {covariance_type!r}"
        )


def _constrained(
    covariances: NDArray[np.float64], counts: NDArray[np.float64], covariance_type: CovarianceType
) -> NDArray[np.float64]:
    """The covariances of the given type that fit best: the weighted ones, pooled, or stripped to their diagonal.

    The last axes are (n_components, n_features, n_features), and (n_components,) of the counts; any may precede them.
    """
    n_features = covariances.shape[-1]
    if covariance_type == "full" or (n_features == 1 and covariance_type != "tied"):
        return covariances
    if covariance_type == "tied":
        shares = counts / counts.sum(axis=-1, keepdims=True)
        pooled = (shares[..., None, None] * covariances).sum(axis=-3, keepdims=True)
        return np.repeat(pooled, covariances.shape[-3], axis=-3)
    variances = np.diagonal(covariances, axis1=-2, axis2=-1)
    if covariance_type == "spherical":
        variances = np.broadcast_to(variances.mean(axis=-1, keepdims=True), variances.shape)
    constrained = np.zeros_like(covariances)
    constrained[..., range(n_features), range(n_features)] = variances
    return constrained


def _floored(covariances: NDArray[np.float64], sd_floor: float) -> NDArray[np.float64]:
    """The covariances of shape (n_components, n_features, n_features), with eigenvalues raised to sd_floor squared."""
    if not sd_floor:
        return covariances
    values, vectors = np.linalg.eigh(covariances)
    low = values[:, 0] < sd_floor**2
    if not low.any():
        return covariances
    raised = np.maximum(values[low], sd_floor**2)
    floored = covariances.copy()
    floored[low] = (vectors[low] * raised[:, None, :]) @ vectors[low].swapaxes(1, 2)
    return 0.5 * (floored + floored.swapaxes(1, 2))


def require_maximum_likelihood(model: GaussianMixture, what: str) -> None:
    """ValueError if the model has a prior or a floor, which `what` ("profiles") does not know."""
    if not model.is_maximum_likelihood:
        raise ValueError(
            f"{what} must be those of maximum likelihood: prior must be None and sd_floor 0, got {model!r}; "
            "leave them out, or step through single runs"
        )


def _check_collapse(
    covariances: NDArray[np.float64],
    means: NDArray[np.float64],
    X: GaussianData,
    *,
    called: str = "component",
    limited: bool = False,
) -> None:
    """DegenerateFit if a covariance is too narrow, or too flat, to be told from singular in double precision.

    `called` is what people call one of them. `limited`: a prior or a floor keeps the objective finite, but too low for
    doubles.
    """
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    narrow = ~(variances > (SMALLEST_SD * X.sds) ** 2)
    if limited and narrow.any():
        raise _too_weak(int(np.flatnonzero(narrow.any(axis=1))[0]))
    if narrow.any():
        raise _collapse(narrow, means, X, called)
    if X.n_features == 1:
        return
    if X.n_features == 2:  # the eigenvalues are 1 - |rho| and 1 + |rho|, and their product 1 - rho^2
        shared = covariances[:, 0, 1]
        flat = (shared / variances[:, 0]) * (shared / variances[:, 1]) >= 1 - 2 * SMALLEST_CORRELATION_EIGENVALUE
    else:
        sds = np.sqrt(variances)
        correlations = covariances / (sds[:, :, None] * sds[:, None, :])
        flat = ~(np.linalg.eigvalsh(correlations)[:, 0] > SMALLEST_CORRELATION_EIGENVALUE)
    if flat.any():
        k = int(np.flatnonzero(flat)[0])
        if limited:
            raise _too_weak(k)
        raise DegenerateFit(
            f"{called.capitalize()} {k + 1} collapsed onto a line: its width across the line falls to 0, {_NO_LIMIT}",
            f"Try another start, fewer {called}s, a diagonal or spherical covariance, or more points.",
        )


def _too_weak(k: int) -> DegenerateFit:
    return DegenerateFit(
        f"Component {k + 1} became so narrow that double precision cannot tell it from a point or a line.",
        "Try a larger floor, or a prior with a larger scale.",
    )


_NO_LIMIT = "and the log-likelihood grows without limit."


def _collapse(narrow: NDArray[np.bool_], means: NDArray[np.float64], X: GaussianData, called: str) -> DegenerateFit:
    """What to say of components that lost their width along the axes in `narrow` (n_components, n_features)."""
    axes = axis_names(X.n_features) if X.n_features > 1 else ["value"]
    flat = [axis for axis, sd in zip(axes, X.sds, strict=True) if sd == 0]
    if len(flat) == len(axes):
        return DegenerateFit(
            f"All points are the same: every sd falls to 0, {_NO_LIMIT}", "Choose other data, or another column."
        )
    if flat:
        same = " and ".join(flat)
        return DegenerateFit(
            f"All points have the same {same}: the sd along {same} falls to 0, {_NO_LIMIT}",
            "Leave this column out, or choose other data.",
        )
    k = int(np.flatnonzero(narrow.any(axis=1))[0])
    if narrow[k].all():
        place = ", ".join(f"{coordinate:.4g}" for coordinate in means[k])
        where = f"the point ({place})" if X.n_features > 1 else f"the value {place}"
    else:
        where = "the line " + ", ".join(
            f"{axis} = {coordinate:.4g}"
            for axis, coordinate, gone in zip(axes, means[k], narrow[k], strict=True)
            if gone
        )
    return DegenerateFit(
        f"{called.capitalize()} {k + 1} collapsed onto {where}: its sd falls to 0 there, {_NO_LIMIT}",
        f"Try another start, fewer {called}s, "
        + ("a tied or spherical covariance, " if X.n_features > 1 else "one sd for all (tied), ")
        + "or other data.",
    )
