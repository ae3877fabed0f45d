"""The Gaussian mixture at a temperature: between components that share every point and hard assignment.

At temperature T the E-step raises p(x_n, z_n = k) to the power 1/T before it normalises (Ueda & Nakano 1998, Neural
Networks 11, 271-282). T = 1 is EM; a high T gives every component nearly the same share of every point; T = 0, the
limit, gives each point to the likeliest component, which is classification EM (Celeux & Govaert 1992). With equal
weights and one spherical covariance that are held, T = 0 is k-means.

What climbs is minus the free energy, and the bound under it has the entropy T times over:

    F_T(q, theta) = E_q[log p(X, Z | theta)] + T H(q)
    max over q    = T sum_n log sum_k p(x_n, z_n = k | theta)^(1/T);    T = 0: sum_n max_k log p(x_n, z_n = k | theta)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.models import gaussian_kernel as kernel
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_mixture import (
    CovarianceType,
    GaussianMixture,
    GaussianMixtureParameters,
    GaussianMixturePosterior,
    axis_names,
)
from emcore.models.mixture import entropy_of, frozen_array, log_joint
from emcore.models.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class EqualSpheres(GaussianMixtureParameters):
    """A mixture of which only the means are free: equal weights, and one spherical covariance that is held."""

    @classmethod
    def at(cls, means: ArrayLike, variance: float) -> EqualSpheres:
        """The mixture with these means, shape (n_components, n_features), and this variance along every axis."""
        means = frozen_array(means, "means", ("n_components", "n_features"))
        n_components, n_features = means.shape
        covariances = np.broadcast_to(variance * np.eye(n_features), (n_components, n_features, n_features))
        return cls(np.full(n_components, 1 / n_components), means, covariances, "spherical")

    def to_vector(self) -> NDArray[np.float64]:
        """The means as one vector."""
        return self.means.ravel().copy()

    def from_vector(self, vector: NDArray[np.float64]) -> EqualSpheres:
        """The mixture of this one's weights and covariances whose means lie at `vector`."""
        means = frozen_array(vector, "vector", (self.means.size,)).reshape(self.means.shape)
        return replace(self, means=means)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        axes = [f", {axis}" for axis in axis_names(self.n_features)] if self.n_features > 1 else [""]
        return tuple(f"mean {k + 1}{axis}" for k in range(self.n_components) for axis in axes)


@dataclass(frozen=True, eq=False)
class TemperedPosterior(GaussianMixturePosterior):
    """What the tempered E-step says.

    `objective` is minus the free energy of `parameters`; `responsibilities[n, k]` is proportional to
    p(x_n, z_n = k | theta)^(1/T).
    """

    temperature: float = field(default=1.0, kw_only=True)

    @property
    def entropy(self) -> float:
        """T H(q) in nats, and not H(q): with this, expected log joint + entropy is the bound under the objective."""
        return self.temperature * entropy_of(self.responsibilities) if self.temperature else 0.0


@dataclass(frozen=True)
class TemperedMixture:
    """A Gaussian mixture whose E-step is softened or hardened by a temperature.

    Parameters
    ----------
    n_components : int
        The number of Gaussians.
    covariance_type : "full", "tied", "diag" or "spherical"
        As in `GaussianMixture`.
    temperature : float
        From 0 (hard assignment) over 1 (EM) up.
    variance : float or None
        None: weights, means and covariances are estimated. A number above 0: the means alone are; all weights are
        equal, and every covariance is this number times the identity, in the data's units squared. The covariance
        type is then "spherical". Only temperature * variance matters to the responsibilities.

    Raises
    ------
    ValueError
        One of these is not what it must be.
    """

    n_components: int
    covariance_type: CovarianceType = "full"
    temperature: float = 1.0
    variance: float | None = None
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Gaussian mixture at a temperature",
        observed="points",
        hidden="which component each point came from",
        e_step="responsibilities made softer or harder by the temperature",
        m_step="weight, mean and covariance of each component, every point weighted by its responsibility",
        source="Ueda & Nakano 1998",
    )

    def __post_init__(self) -> None:
        _ = self.mixture  # checks the first two
        if not (np.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be a finite number from 0 up, got {self.temperature!r}")
        if self.variance is not None and not (np.isfinite(self.variance) and self.variance > 0):
            raise ValueError(f"variance must be a finite number above 0, or None, got {self.variance!r}")
        if self.variance is not None and self.covariance_type != "spherical":
            raise ValueError(
                f'a variance that is held needs covariance_type "spherical", got {self.covariance_type!r}; '
                "leave the variance out to estimate covariances of this type"
            )

    @property
    def mixture(self) -> GaussianMixture:
        """The same mixture at temperature 1, with nothing held."""
        return GaussianMixture(self.n_components, self.covariance_type)

    @property
    def objective_name(self) -> str:
        """The axis title of the objective."""
        if self.temperature == 1:
            return "Log-likelihood"
        return "Minus free energy" if self.temperature else "Classification log-likelihood"

    @property
    def objective_unit(self) -> str:
        """Its unit."""
        return "nats"

    def prepare(self, X: ArrayLike | GaussianData) -> GaussianData:
        """X of shape (n_samples, n_features), finite, validated and laid out for the kernel."""
        return kernel.prepare(X)

    def initialize(self, X: ArrayLike | GaussianData, rng: np.random.Generator) -> GaussianMixtureParameters:
        """The default start of the mixture; where a variance is held, its means alone."""
        return self.constrain(self.mixture.initialize(X, rng))

    def from_means(self, X: ArrayLike | GaussianData, means: ArrayLike) -> GaussianMixtureParameters:
        """A start with these means."""
        return self.constrain(self.mixture.from_means(X, means))

    def constrain(self, parameters: GaussianMixtureParameters) -> GaussianMixtureParameters:
        """The parameters as this model has them: with covariances of its type; or, where these are held, the means."""
        if self.variance is not None:
            return EqualSpheres.at(parameters.means, self.variance)
        return self.mixture.constrain(parameters)

    def from_responsibilities(self, X: ArrayLike | GaussianData, responsibilities: ArrayLike) -> TemperedPosterior:
        """The posterior that consists of these responsibilities."""
        X = self.prepare(X)
        return self._posterior(X, self.mixture.from_responsibilities(X, responsibilities))

    def e_step(self, X: ArrayLike | GaussianData, parameters: GaussianMixtureParameters) -> TemperedPosterior:
        """Bayes' rule with p(x_n, z_n = k)^(1/T); of two equally likely components T = 0 takes the first."""
        X = self.prepare(X)
        if self.temperature == 1:
            return self._posterior(X, self.mixture.e_step(X, parameters))
        expected = (self.n_components, X.n_features)
        if parameters.means.shape != expected:
            raise ValueError(
                f"means must have shape (n_components, n_features) = {expected}, got {parameters.means.shape}"
            )
        objective, shares = tempered(log_joint(X.X, parameters), self.temperature)
        found = self.mixture.from_responsibilities(X, shares)
        return replace(self._posterior(X, found), parameters=parameters, objective=objective)

    def m_step(self, X: ArrayLike | GaussianData, posterior: GaussianMixturePosterior) -> GaussianMixtureParameters:
        """The parameters that best fit these responsibilities, at whatever temperature they were made.

        Where only the means are free, one without points stays where it was: no other place would be better or worse.

        Raises
        ------
        DegenerateFit
            A component took no points, or shrank to a point or a line; never where covariances are held.
        """
        X = self.prepare(X)
        if self.variance is None:
            return self.mixture.m_step(X, posterior)
        if posterior.parameters is not None:
            kept = posterior.parameters.means
        else:
            kept = np.broadcast_to(X.X.mean(axis=0), posterior.means.shape)
        taken = posterior.counts[:, None] > 0
        return EqualSpheres.at(np.where(taken, posterior.means, kept), self.variance)

    def expected_log_joint(
        self,
        X: ArrayLike | GaussianData,
        posterior: GaussianMixturePosterior,
        parameters: GaussianMixtureParameters,
    ) -> float:
        """Q(theta, theta_old), as in `GaussianMixture`: the temperature enters by the responsibilities alone."""
        return self.mixture.expected_log_joint(X, posterior, parameters)

    def _posterior(self, X: GaussianData, found: GaussianMixturePosterior) -> TemperedPosterior:
        return TemperedPosterior(
            found.parameters,
            found.objective,
            found.counts,
            found.means,
            found.covariances,
            X,
            found._given,
            temperature=self.temperature,
        )


def tempered(logs: NDArray[np.float64], temperature: float) -> tuple[float, NDArray[np.float64]]:
    """Minus the free energy, and the responsibilities, of log p(x_n, z_n = k), shape (n_samples, n_components)."""
    highest = logs.max(axis=1, keepdims=True)
    if temperature == 0:
        shares = np.asarray(logs.argmax(axis=1)[:, None] == np.arange(logs.shape[1]), dtype=np.float64)
        return float(highest.sum()), shares
    with np.errstate(over="ignore", under="ignore"):  # so much less likely that the share is 0
        shares = np.exp((logs - highest) / temperature)
    totals = shares.sum(axis=1, keepdims=True)
    return float((highest + temperature * np.log(totals)).sum()), shares / totals
