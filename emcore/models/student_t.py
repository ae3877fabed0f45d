"""Student's t distribution as a normal whose precision is hidden: outliers get little weight (Liu & Rubin 1995).

Each point has a weight of its own, x_n | u_n ~ N(mean, scale / u_n), and u_n ~ Gamma(nu / 2, nu / 2) was not observed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammaln

from emcore.em import DegenerateFit
from emcore.models.gaussian_kernel import GaussianData, prepare
from emcore.models.gaussian_mixture import SMALLEST_SD, GaussianMixtureParameters
from emcore.models.mixture import LogLikelihood, frozen_array
from emcore.models.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class StudentTParameters:
    """Where the points lie and how far they spread.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        The centre, in the data's units.
    scale : ndarray of shape (n_features, n_features)
        The scale matrix, symmetric positive definite, in the data's units squared. The covariance is
        scale x nu / (nu - 2) for nu > 2, and there is none otherwise.
    precision_scale : float
        What the hidden weights are multiplied by, 1 but for the expanded model. Only scale / precision_scale matters
        to the likelihood.
    expanded : bool
        Whether `to_vector` has the precision scale.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    precision_scale: float = 1.0
    expanded: bool = False

    def __post_init__(self) -> None:
        mean = frozen_array(self.mean, "mean", ("n_features",))
        scale = frozen_array(self.scale, "scale", (len(mean), len(mean)))
        GaussianMixtureParameters(np.ones(1), mean[None], scale[None])  # its rules: symmetric, positive definite
        if not (np.isfinite(self.precision_scale) and self.precision_scale > 0):
            raise ValueError(f"precision_scale must be a finite number greater than 0, got {self.precision_scale}")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "precision_scale", float(self.precision_scale))

    @cached_property
    def reduced_scale(self) -> NDArray[np.float64]:
        """scale / precision_scale, which decides the likelihood: shape (n_features, n_features)."""
        return self.scale / self.precision_scale

    @cached_property
    def _normal(self) -> GaussianMixtureParameters:
        """The same numbers as one Gaussian, for their coordinates and names."""
        return GaussianMixtureParameters(np.ones(1), self.mean[None], self.scale[None])

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean as one row, shape (1, n_features)."""
        return self.mean[None]

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them; "scale" is the square root of the reduced scale matrix's diagonal."""
        reduced = GaussianMixtureParameters(np.ones(1), self.mean[None], self.reduced_scale[None])
        return {
            ("scale" + name[2:] if name.startswith("sd") else name): values
            for name, values in reduced.columns().items()
            if name != "weight"
        }

    def to_vector(self) -> NDArray[np.float64]:
        """Mean, log scales, atanh of partial correlations, and for the expanded model the log precision scale."""
        more = [np.log(self.precision_scale)] if self.expanded else []
        return np.concatenate([self._normal.to_vector(), more])

    def from_vector(self, vector: NDArray[np.float64]) -> StudentTParameters:
        """The parameters of this one's shape at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        n = len(self._normal.names)
        moved = self._normal.from_vector(vector[:n])
        factor = float(np.exp(vector[n])) if self.expanded else self.precision_scale
        return StudentTParameters(moved.means[0], moved.covariances[0], factor, self.expanded)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        names = (name.replace(" 1", "").replace("sd", "scale") for name in self._normal.names)
        return (*names, *(["log precision scale"] if self.expanded else []))


@dataclass(frozen=True, eq=False)
class StudentTPosterior:
    """What the E-step says of the hidden weights: each is Gamma(shape, rates[n]), given its point.

    Attributes
    ----------
    parameters : StudentTParameters or None
        What it was computed from; None if it was made from given weights.
    objective : float
        The log-likelihood of `parameters` in nats, summed over the points; NaN if there are none.
    shape : float
        Of every Gamma distribution: (nu + n_features) / 2.
    rates : ndarray of shape (n_samples,)
        Of each: (nu + squared Mahalanobis distance) / 2, over the precision scale.
    """

    parameters: StudentTParameters | None
    objective: float
    shape: float
    rates: NDArray[np.float64]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """E[u_n]: how much each point counts, shape (n_samples,). 1 for a point that is as far away as usual."""
        return self.shape / self.rates

    @cached_property
    def log_weights(self) -> NDArray[np.float64]:
        """E[log u_n], shape (n_samples,)."""
        return np.asarray(digamma(self.shape) - np.log(self.rates))

    @cached_property
    def entropy(self) -> float:
        """H(q) in nats: the differential entropies of the Gamma distributions, summed. It may be negative."""
        a = self.shape
        return float((a - np.log(self.rates) + gammaln(a) + (1 - a) * digamma(a)).sum())


@dataclass(frozen=True)
class StudentT(LogLikelihood):
    """Location and scale of Student's t with known degrees of freedom, fitted by maximum likelihood.

    X has shape (n_samples, n_features).

    Parameters
    ----------
    degrees_of_freedom : float
        nu, greater than 0: 1 is Cauchy's distribution, and from about 30 on it is nearly normal.
    expanded : bool
        PX-EM (Liu, Rubin & Wu 1998): the hidden weights may also be rescaled as a whole. The likelihood does not see
        it, each step goes farther, and all laws of EM hold, because it is EM of the larger model.
    """

    degrees_of_freedom: float
    expanded: bool = False
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Student's t",
        observed="points, some of them far away",
        hidden="how much each point counts: its precision",
        e_step="for each point its expected weight, smaller the farther away it is",
        m_step="mean and scale of the points, each with its weight",
        source="Liu & Rubin 1995",
    )

    def __post_init__(self) -> None:
        nu = self.degrees_of_freedom
        if isinstance(nu, bool) or not isinstance(nu, int | float | np.number) or not (np.isfinite(nu) and nu > 0):
            raise ValueError(f"degrees_of_freedom must be a finite number greater than 0, got {nu!r}")
        object.__setattr__(self, "degrees_of_freedom", float(nu))

    @property
    def n_components(self) -> int:
        """One location."""
        return 1

    def prepare(self, X: ArrayLike | GaussianData) -> GaussianData:
        """X of shape (n_samples, n_features), finite, validated."""
        return prepare(X)

    def initialize(self, X: ArrayLike | GaussianData, rng: np.random.Generator) -> StudentTParameters:
        """The mean at a point drawn at random, the scale that of the whole data.

        A column that does not vary gets scale 1, so that the start is legal; the first M-step will say what is wrong.
        """
        points = self.prepare(X).X
        sds = points.std(axis=0)
        return self._at(points[rng.integers(len(points))], np.diag(np.where(sds > 0, sds, 1.0) ** 2))

    def normal_start(self, X: ArrayLike | GaussianData) -> StudentTParameters:
        """Mean and covariance of the points, where a normal distribution would be: the start that shows most."""
        points = self.prepare(X)
        centred = points.X - points.X.mean(axis=0)
        return self._checked(points, points.X.mean(axis=0), centred.T @ centred / len(centred), 1.0)

    def _at(self, mean: NDArray[np.float64], scale: NDArray[np.float64], factor: float = 1.0) -> StudentTParameters:
        return StudentTParameters(mean, scale, factor, self.expanded)

    def from_weights(self, X: ArrayLike | GaussianData, weights: ArrayLike) -> StudentTPosterior:
        """The posterior with these expected weights, greater than 0, shape (n_samples,)."""
        data = self.prepare(X)
        given = frozen_array(weights, "weights", (data.n_samples,))
        if not (given > 0).all():
            raise ValueError("weights must be greater than 0")
        shape = (self.degrees_of_freedom + data.n_features) / 2
        return StudentTPosterior(None, float("nan"), shape, shape / given)

    def e_step(self, X: ArrayLike | GaussianData, parameters: StudentTParameters) -> StudentTPosterior:
        """How much each point counts (Liu & Rubin 1995; Bishop 2006, section 2.3.7)."""
        data, nu = self.prepare(X), self.degrees_of_freedom
        if len(parameters.mean) != data.n_features:
            raise ValueError(f"mean must have shape ({data.n_features},), got {parameters.mean.shape}")
        factor = np.linalg.cholesky(parameters.reduced_scale)
        whitened = np.linalg.solve(factor, (data.X - parameters.mean).T)
        squared_distances = (whitened**2).sum(axis=0)
        shape = (nu + data.n_features) / 2
        normaliser = (
            gammaln(shape)
            - gammaln(nu / 2)
            - 0.5 * data.n_features * np.log(nu * np.pi)
            - np.log(np.diag(factor)).sum()
        )
        objective = float((normaliser - shape * np.log1p(squared_distances / nu)).sum())
        rates = (nu + squared_distances) / (2 * parameters.precision_scale)
        return StudentTPosterior(parameters, objective, shape, rates)

    def m_step(self, X: ArrayLike | GaussianData, posterior: StudentTPosterior) -> StudentTParameters:
        """Mean and scale of the weighted points; in the expanded model also their average weight.

        Raises
        ------
        DegenerateFit
            The points lie in one place or on one line.
        """
        data, weights = self.prepare(X), posterior.weights
        mean = weights @ data.X / weights.sum()
        centred = data.X - mean
        scale = (weights[:, None] * centred).T @ centred / data.n_samples
        return self._checked(data, mean, scale, float(weights.mean()) if self.expanded else 1.0)

    def _checked(
        self, data: GaussianData, mean: NDArray[np.float64], scale: NDArray[np.float64], factor: float
    ) -> StudentTParameters:
        sds = np.sqrt(np.diag(scale) / factor)
        flat = not (sds > SMALLEST_SD * data.sds).all()
        if not flat:
            root = np.sqrt(np.diag(scale))
            flat = bool(np.linalg.eigvalsh(scale / np.outer(root, root))[0] <= 1e-13)
        if flat:
            raise DegenerateFit(
                "The scale falls to 0: too many points lie in one place or on one line, and the log-likelihood grows "
                "without limit.",
                "Try more degrees of freedom, or points that vary along every axis.",
            )
        return self._at(mean, scale, factor)

    def expected_log_joint(
        self, X: ArrayLike | GaussianData, posterior: StudentTPosterior, parameters: StudentTParameters
    ) -> float:
        """Q: the mean of log p(X, U | theta) under the posterior, in nats."""
        data, nu, alpha = self.prepare(X), self.degrees_of_freedom, parameters.precision_scale
        factor = np.linalg.cholesky(parameters.scale)
        squared_distances = (np.linalg.solve(factor, (data.X - parameters.mean).T) ** 2).sum(axis=0)
        u, log_u, d = posterior.weights, posterior.log_weights, data.n_features
        points = 0.5 * d * (log_u - np.log(2 * np.pi)) - np.log(np.diag(factor)).sum() - 0.5 * u * squared_distances
        # u / alpha ~ Gamma(nu / 2, nu / 2)
        half = nu / 2
        hidden = half * np.log(half / alpha) - gammaln(half) + (half - 1) * log_u - half * u / alpha
        return float((points + hidden).sum())
