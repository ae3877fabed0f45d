"""The Gaussian mixture with a prior on everything: fitted by variational Bayes, which is EM one storey higher.

The weights have a Dirichlet prior, the mean and the precision of each component a Gaussian-Wishart one. What is
estimated is no longer a number for each parameter but a distribution over all of them, q(theta), of the same family.
With mean field, q(Z) q(theta), coordinate ascent on the evidence lower bound has the two steps of EM:

    E-step   q(Z)      proportional to exp E_q(theta)[log p(X, Z | theta)]
    M-step   q(theta)  proportional to p(theta) exp E_q(Z)[log p(X, Z | theta)]

(Bishop 2006, section 10.2; Attias 1999). So q(theta), as its hyperparameters, stands where other models have
theta; the objective is the bound itself, with q(Z) at its best. A component that no point needs falls back to the
prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammaln, multigammaln

from emcore.em import DegenerateFit
from emcore.models import gaussian_kernel as kernel
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_mixture import (
    SMALLEST_CORRELATION_EIGENVALUE,
    GaussianMixture,
    GaussianMixtureParameters,
)
from emcore.models.mixture import entropy_of, frozen_array, frozen_responsibilities, whole_number
from emcore.models.skeleton import Skeleton

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VariationalGaussianMixtureParameters(GaussianMixtureParameters):
    """What is believed of a Gaussian mixture: its parameters as they are expected, and how firmly.

    q(weights) = Dirichlet(concentrations), and for each component k

        q(mean, precision) = N(mean | means[k], (mean_precisions[k] precision)^-1) Wishart(precision | W_k, nu_k)

    with nu_k = degrees_of_freedom[k] and W_k = (nu_k covariances[k])^-1 (Bishop 2006, equations 10.57 and 10.59).

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        The expected weights, concentrations / concentration.
    means : ndarray of shape (n_components, n_features)
        The expected means, in the data's units.
    covariances : ndarray of shape (n_components, n_features, n_features)
        The inverse of each expected precision, in the data's units squared.
    concentration : float
        The sum of the Dirichlet's parameters: points and pseudo-points that stand behind the weights.
    mean_precisions : ndarray of shape (n_components,)
        beta_k: points and pseudo-points that stand behind each mean. Greater than 0.
    degrees_of_freedom : ndarray of shape (n_components,)
        nu_k: those that stand behind each covariance. Greater than n_features - 1.
    """

    concentration: float = field(kw_only=True)
    mean_precisions: Array = field(kw_only=True)
    degrees_of_freedom: Array = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "concentration", _positive(self.concentration, "concentration"))
        for name, least in (("mean_precisions", 0), ("degrees_of_freedom", self.n_features - 1)):
            values = frozen_array(getattr(self, name), name, (self.n_components,))
            if not (values > least).all():
                raise ValueError(f"{name} must be greater than {least}, got {values.tolist()}")
            object.__setattr__(self, name, values)

    @classmethod
    def _of_legal(
        cls, concentrations: Array, means: Array, covariances: Array, mean_precisions: Array, degrees_of_freedom: Array
    ) -> VariationalGaussianMixtureParameters:
        """What is legal by construction, so the loop does not pay for the checks."""
        self = object.__new__(cls)
        concentration = float(concentrations.sum())
        arrays = {
            "weights": concentrations / concentration,
            "means": means,
            "covariances": covariances,
            "mean_precisions": mean_precisions,
            "degrees_of_freedom": degrees_of_freedom,
        }
        for array in arrays.values():
            array.flags.writeable = False
        self.__dict__.update(arrays, covariance_type="full", concentration=concentration)
        return self

    @property
    def concentrations(self) -> Array:
        """alpha_k, the Dirichlet's parameters, shape (n_components,): points and pseudo-points of each component."""
        return self.weights * self.concentration

    def to_vector(self) -> Array:
        """The expected mixture's coordinates, then the logarithms of what says how firm they are (see `names`)."""
        firmness = np.concatenate([self.mean_precisions, self.degrees_of_freedom - (self.n_features - 1)])
        return np.concatenate([super().to_vector(), np.log([self.concentration]), np.log(firmness)])

    def from_vector(self, vector: Array) -> VariationalGaussianMixtureParameters:
        """The belief of this one's shape at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        expected = GaussianMixtureParameters(self.weights, self.means, self.covariances)
        n_expected = len(expected.names)
        mixture = expected.from_vector(vector[:n_expected])
        concentration, *others = np.exp(vector[n_expected:])
        mean_precisions, freedom = np.reshape(others, (2, self.n_components))
        return VariationalGaussianMixtureParameters(
            mixture.weights,
            mixture.means,
            mixture.covariances,
            concentration=float(concentration),
            mean_precisions=mean_precisions,
            degrees_of_freedom=freedom + (self.n_features - 1),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        each = range(1, self.n_components + 1)
        return (
            *super().names,
            "log concentration",
            *(f"log mean precision {k}" for k in each),
            *(f"log degrees of freedom {k}" for k in each),
        )


@dataclass(frozen=True, eq=False)
class VariationalGaussianMixturePosterior:
    """What the E-step says of the labels: q(Z), summed up for the M-step.

    Attributes
    ----------
    parameters : VariationalGaussianMixtureParameters or None
        The q(theta) that it was computed from; None if it was made from given responsibilities.
    objective : float
        The evidence lower bound of both, in nats; NaN without parameters.
    counts : ndarray of shape (n_components,)
        N_k, the sum of the responsibilities of component k (Bishop 2006, equation 10.51).
    means, covariances : ndarray of shape (n_components, n_features[, n_features])
        Mean and covariance of the points, weighted by them (equations 10.52 and 10.53); NaN where the count is 0.
    """

    parameters: VariationalGaussianMixtureParameters | None
    objective: float
    counts: Array
    means: Array
    covariances: Array
    _X: GaussianData = field(repr=False)
    _given: Array | None = field(default=None, repr=False)

    @cached_property
    def responsibilities(self) -> Array:
        """responsibilities[n, k] = q(z_n = k), shape (n_samples, n_components); rows sum to 1."""
        if self._given is not None:
            return self._given
        assert self.parameters is not None
        theta = self.parameters
        weights = np.exp(_relative(_log_weights(theta))[0])
        r = kernel.responsibilities(self._X, weights, theta.means, theta.covariances)
        r.flags.writeable = False
        return r

    @cached_property
    def entropy(self) -> float:
        """H(q(Z)) in nats: 0 where every point is certain of its component."""
        return entropy_of(self.responsibilities)


@dataclass(frozen=True)
class VariationalGaussianMixture:
    """A mixture of Gaussians with a prior, fitted by variational Bayes. What is None follows from the data.

    The names are scikit-learn's (`BayesianGaussianMixture`, "full", "dirichlet_distribution").

    Parameters
    ----------
    n_components : int
        The number of Gaussians: the most that there can be.
    weight_concentration_prior : float, optional
        alpha_0 of the Dirichlet, the pseudo-points that each component has before any data (Bishop 2006, equation
        10.39). Below 1 it favours weights that are 0. None: 1 / n_components.
    mean_prior : tuple of n_features floats, optional
        m_0, where the means are expected, in the data's units (equation 10.40). None: the mean of the data.
    mean_precision_prior : float
        beta_0, how many pseudo-points stand behind m_0.
    degrees_of_freedom_prior : float, optional
        nu_0 of the Wishart, above n_features - 1: how many pseudo-points stand behind covariance_prior. None:
        n_features.
    covariance_prior : tuple of n_features tuples of n_features floats, optional
        The inverse of W_0, symmetric positive definite: the scatter of these pseudo-points, so that a component without
        points has covariance covariance_prior / degrees_of_freedom_prior. None: the covariance of the data.
    """

    n_components: int
    weight_concentration_prior: float | None = None
    mean_prior: tuple[float, ...] | None = None
    mean_precision_prior: float = 1.0
    degrees_of_freedom_prior: float | None = None
    covariance_prior: tuple[tuple[float, ...], ...] | None = None
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Variational Gaussian mixture",
        observed="points",
        hidden="which component each point came from, and all parameters",
        e_step="for each point the probability of each component, averaged over what is believed of the parameters",
        m_step="the belief in the parameters: the prior's pseudo-points plus points weighted by responsibilities",
        source="Bishop 2006, section 10.2",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")
        for name in ("weight_concentration_prior", "mean_precision_prior", "degrees_of_freedom_prior"):
            value = getattr(self, name)
            if value is not None or name == "mean_precision_prior":
                object.__setattr__(self, name, _positive(value, name))
        for name, shape in (("mean_prior", ("n_features",)), ("covariance_prior", ("n_features", "n_features"))):
            if getattr(self, name) is not None:
                values = frozen_array(getattr(self, name), name, shape).tolist()
                plain = tuple(tuple(row) if isinstance(row, list) else row for row in values)
                object.__setattr__(self, name, plain)  # so that models can be compared and hashed
        if self.covariance_prior is not None:
            _check_positive_definite(np.array(self.covariance_prior))

    @property
    def objective_name(self) -> str:
        """The axis title of the objective."""
        return "Evidence lower bound"

    @property
    def objective_unit(self) -> str:
        """Its unit."""
        return "nats"

    def prepare(self, X: ArrayLike | GaussianData) -> GaussianData:
        """X of shape (n_samples, n_features), finite, validated and laid out for the kernel."""
        return kernel.prepare(X)

    def prior(self, X: ArrayLike | GaussianData) -> VariationalGaussianMixtureParameters:
        """What is believed before X is seen, but for what the data are asked for: p(theta), of the same family as q.

        Raises
        ------
        ValueError
            The prior given does not fit the data, or is none.
        """
        X = self.prepare(X)
        n_features, k = X.n_features, self.n_components
        freedom = float(n_features) if self.degrees_of_freedom_prior is None else self.degrees_of_freedom_prior
        if freedom <= n_features - 1:
            raise ValueError(
                f"degrees_of_freedom_prior must be greater than n_features - 1 = {n_features - 1}, "
                f"got {freedom:g}; try {n_features}"
            )
        mean = X.X.mean(axis=0)
        if self.mean_prior is not None:
            mean = frozen_array(self.mean_prior, "mean_prior", (n_features,))
        if self.covariance_prior is not None:
            scatter = frozen_array(self.covariance_prior, "covariance_prior", (n_features, n_features))
        else:
            scatter = GaussianMixture(1).from_means(X, mean[None]).covariances[0]
        return VariationalGaussianMixtureParameters._of_legal(
            np.full(k, 1 / k if self.weight_concentration_prior is None else self.weight_concentration_prior),
            np.tile(mean, (k, 1)),
            np.tile(scatter / freedom, (k, 1, 1)),
            np.full(k, self.mean_precision_prior),
            np.full(k, freedom),
        )

    def initialize(self, X: ArrayLike | GaussianData, rng: np.random.Generator) -> VariationalGaussianMixtureParameters:
        """Means at randomly chosen points, and as for `from_means`."""
        points = self.prepare(X).X
        chosen = rng.choice(len(points), self.n_components, replace=len(points) < self.n_components)
        return self.from_means(points, points[chosen])

    def from_means(self, X: ArrayLike | GaussianData, means: ArrayLike) -> VariationalGaussianMixtureParameters:
        """A start with these means: as if each component had an equal part of the points, spread like all of them."""
        return self.from_mixture(X, GaussianMixture(self.n_components).from_means(X, means))

    def from_mixture(
        self, X: ArrayLike | GaussianData, mixture: GaussianMixtureParameters
    ) -> VariationalGaussianMixtureParameters:
        """A start that expects this mixture, as firmly as if each component had its part of the points."""
        X = self.prepare(X)
        prior = self.prior(X)
        points = X.n_samples * mixture.weights
        return VariationalGaussianMixtureParameters(
            mixture.weights,
            mixture.means,
            mixture.covariances,
            concentration=prior.concentration + X.n_samples,
            mean_precisions=prior.mean_precisions + points,
            degrees_of_freedom=prior.degrees_of_freedom + points,
        )

    def from_responsibilities(
        self, X: ArrayLike | GaussianData, responsibilities: ArrayLike
    ) -> VariationalGaussianMixturePosterior:
        """The posterior that consists of these responsibilities: for a random start, an edited table, a hard E-step."""
        X = self.prepare(X)
        r = frozen_responsibilities(responsibilities, X.n_samples, self.n_components)
        return VariationalGaussianMixturePosterior(None, math.nan, *kernel.weighted_moments(X, r), X, r)

    def e_step(
        self, X: ArrayLike | GaussianData, parameters: VariationalGaussianMixtureParameters
    ) -> VariationalGaussianMixturePosterior:
        """How much of each point belongs to each component, as far as q(theta) knows (Bishop 2006, equation 10.49)."""
        X = self.prepare(X)
        expected = (self.n_components, X.n_features)
        if parameters.means.shape != expected:
            raise ValueError(
                f"means must have shape (n_components, n_features) = {expected}, got {parameters.means.shape}"
            )
        relative, largest = _relative(_log_weights(parameters))
        found = kernel.expectation(X, np.exp(relative), parameters.means, parameters.covariances)
        objective = found.log_likelihood + X.n_samples * largest - sum(self.price(X, parameters))
        return VariationalGaussianMixturePosterior(
            parameters, objective, found.counts, found.means, found.covariances, X
        )

    def m_step(
        self, X: ArrayLike | GaussianData, posterior: VariationalGaussianMixturePosterior
    ) -> VariationalGaussianMixtureParameters:
        """The prior, updated with what each component takes of the points (Bishop 2006, equations 10.58 to 10.63).

        A component that takes nothing gets the prior back.

        Raises
        ------
        DegenerateFit
            The prior's covariance is so small that doubles cannot tell a component from a line.
        """
        X = self.prepare(X)
        prior = self.prior(X)
        counts = posterior.counts
        some = (counts > 0)[:, None]
        points = np.where(some, posterior.means, prior.means)
        spreads = np.where(some[:, :, None], posterior.covariances, 0.0)
        concentrations = prior.concentrations + counts
        mean_precisions = prior.mean_precisions + counts
        freedom = prior.degrees_of_freedom + counts
        means = (prior.mean_precisions[:, None] * prior.means + counts[:, None] * points) / mean_precisions[:, None]
        offsets = points - prior.means
        pull = prior.mean_precisions * counts / mean_precisions
        scatter = (
            prior.degrees_of_freedom[:, None, None] * prior.covariances
            + counts[:, None, None] * spreads
            + pull[:, None, None] * (offsets[:, :, None] * offsets[:, None, :])
        )
        covariances = scatter / freedom[:, None, None]
        sds = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
        correlations = covariances / (sds[:, :, None] * sds[:, None, :])
        if not (np.linalg.eigvalsh(correlations)[:, 0] > SMALLEST_CORRELATION_EIGENVALUE).all():
            raise DegenerateFit(
                "A component collapsed onto a line: covariance_prior is too small to keep it from that.",
                "Try a larger covariance_prior, or fewer components.",
            )
        return VariationalGaussianMixtureParameters._of_legal(
            concentrations, means, covariances, mean_precisions, freedom
        )

    def expected_log_joint(
        self,
        X: ArrayLike | GaussianData,
        posterior: VariationalGaussianMixturePosterior,
        parameters: VariationalGaussianMixtureParameters,
    ) -> float:
        """E[log p(X, Z | theta)] - KL(q(theta) || p(theta)) in nats: what the M-step raises, the bound without H(q(Z)).

        All terms of the bound (Bishop 2006, equation 10.70) but the entropy of the labels.
        """
        taken = posterior.counts > 0
        counts = posterior.counts[taken]
        covariances = parameters.covariances[taken]
        offset = posterior.means[taken] - parameters.means[taken]
        scatter = posterior.covariances[taken] + offset[:, :, None] * offset[:, None, :]
        squared_distance = np.trace(np.linalg.solve(covariances, scatter), axis1=1, axis2=2)
        log_density = -0.5 * (
            parameters.n_features * np.log(2 * np.pi) + np.linalg.slogdet(covariances)[1] + squared_distance
        )
        expected = float(counts @ (_log_weights(parameters)[taken] + log_density))
        return expected - sum(self.price(X, parameters))

    def price(self, X: ArrayLike | GaussianData, parameters: VariationalGaussianMixtureParameters) -> tuple[float, ...]:
        """KL(q(theta) || p(theta)) in nats, in parts: what the bound pays for leaving the prior. None is negative.

        First for the weights, then for the mean and precision of each component: 0 for one that has the prior's.
        """
        return _divergences(parameters, self.prior(X))


def _positive(value: Any, name: str) -> float:
    """`value` as a float; ValueError unless it is finite and greater than 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0 < number < math.inf:
        raise ValueError(f"{name} must be a finite number greater than 0, got {value!r}")
    return number


def _check_positive_definite(covariance_prior: Array) -> None:
    size, legal = covariance_prior.shape, False
    if size[0] == size[1]:
        scale = np.sqrt(np.abs(np.diag(covariance_prior)))
        if (np.abs(covariance_prior - covariance_prior.T) <= 1e-9 * np.outer(scale, scale)).all():
            try:
                np.linalg.cholesky(covariance_prior)
                legal = True
            except np.linalg.LinAlgError:
                pass
    if not legal:
        raise ValueError(
            f"covariance_prior must be symmetric and positive definite, got {covariance_prior.tolist()}; "
            "try the covariance of the data"
        )


def _log_weights(parameters: VariationalGaussianMixtureParameters) -> Array:
    """What stands in an E-step for the log-weights, when the Gaussians have the expected means and precisions.

    E[log weight] (Bishop 2006, equation 10.66), and what E[log N(x | mean, precision)] lies below the log-density at
    their expected values (from equations 10.64 and 10.65): the less is known of a component, the more.
    """
    n_features, freedom = parameters.n_features, parameters.degrees_of_freedom
    log_weights = digamma(parameters.concentrations) - digamma(parameters.concentration)
    log_precisions = _multidigamma(0.5 * freedom, n_features) + n_features * np.log(2 / freedom)
    unknown: Array = log_weights + 0.5 * (log_precisions - n_features / parameters.mean_precisions)
    return unknown


def _relative(log_weights: Array) -> tuple[Array, float]:
    """The log-weights less the largest, and that: so that one weight at least is no 0 when exp is taken."""
    largest = float(log_weights.max())
    return log_weights - largest, largest


def _divergences(
    q: VariationalGaussianMixtureParameters, prior: VariationalGaussianMixtureParameters
) -> tuple[float, ...]:
    """KL(q || prior) in nats: that of the weights, and of the mean and precision of each component.

    The terms of the bound (Bishop 2006, equation 10.70) that do not hold X or Z, put together.
    """
    alpha, alpha_0 = q.concentrations, prior.concentrations
    of_weights = (
        gammaln(q.concentration)
        - gammaln(prior.concentration)
        - (gammaln(alpha) - gammaln(alpha_0)).sum()
        + (alpha - alpha_0) @ (digamma(alpha) - digamma(q.concentration))
    )
    n_features = q.n_features
    beta, beta_0 = q.mean_precisions, prior.mean_precisions
    nu, nu_0 = q.degrees_of_freedom, prior.degrees_of_freedom
    offsets = q.means - prior.means
    squared_distance = (offsets * np.linalg.solve(q.covariances, offsets[:, :, None])[:, :, 0]).sum(axis=1)
    of_means = 0.5 * (n_features * (beta_0 / beta - 1 - np.log(beta_0 / beta)) + beta_0 * squared_distance)
    # With W = (nu covariance)^-1: log |W_0^-1 W|, and its trace.
    ratios = np.linalg.solve(q.covariances, prior.covariances)
    log_determinants = np.linalg.slogdet(ratios)[1] + n_features * np.log(nu_0 / nu)
    traces = np.trace(ratios, axis1=1, axis2=2) * nu_0 / nu
    of_precisions = 0.5 * (
        nu * (traces - n_features) - nu_0 * log_determinants + (nu - nu_0) * _multidigamma(0.5 * nu, n_features)
    ) - (multigammaln(0.5 * nu, n_features) - multigammaln(0.5 * nu_0, n_features))
    return (float(of_weights), *(of_means + of_precisions).tolist())


def _multidigamma(values: Array, n_features: int) -> Array:
    """The derivative of `multigammaln`: sum over i of digamma(value - i / 2), i from 0 to n_features - 1."""
    terms: Array = digamma(values[:, None] - 0.5 * np.arange(n_features)).sum(axis=1)
    return terms
