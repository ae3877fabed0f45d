"""k-means as EM: every point belongs to its nearest mean, with certainty.

The limit of a mixture with equal weights and one shrinking spherical covariance (Bishop 2006, section 9.3.2). Its
objective, minus the distortion, climbs for the same reason as a log-likelihood does; it is not a log-likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.models.gaussian_kernel import GaussianData, prepare
from emcore.models.gaussian_mixture import axis_names
from emcore.models.mixture import frozen_array, frozen_responsibilities, whole_number
from emcore.models.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class KMeansParameters:
    """The means, shape (n_components, n_features), in the data's units."""

    means: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "means", frozen_array(self.means, "means", ("n_components", "n_features")))

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them: name -> one value a component ("mean x", ...)."""
        n_features = self.means.shape[1]
        axes = [f" {axis}" for axis in axis_names(n_features)] if n_features > 1 else [""]
        return {f"mean{axis}": self.means[:, j] for j, axis in enumerate(axes)}

    def to_vector(self) -> NDArray[np.float64]:
        """The means as one vector."""
        return self.means.ravel().copy()

    def from_vector(self, vector: NDArray[np.float64]) -> KMeansParameters:
        """The means of this one's shape at `vector`."""
        return KMeansParameters(frozen_array(vector, "vector", (self.means.size,)).reshape(self.means.shape))

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        n_components, n_features = self.means.shape
        axes = axis_names(n_features)
        return tuple(
            f"mean {k + 1}" + (f", {axis}" if n_features > 1 else "") for k in range(n_components) for axis in axes
        )


@dataclass(frozen=True, eq=False)
class KMeansPosterior:
    """Which mean each point belongs to.

    Attributes
    ----------
    parameters : KMeansParameters or None
        The means that were compared; None if the posterior was made from given responsibilities.
    objective : float
        Minus the distortion, the sum of squared distances to `parameters`' nearest means; NaN without parameters.
    labels : ndarray of shape (n_samples,)
        The number of the mean that each point belongs to, from 0.
    """

    parameters: KMeansParameters | None
    objective: float
    labels: NDArray[np.intp]
    n_components: int

    def __post_init__(self) -> None:
        self.labels.flags.writeable = False

    @cached_property
    def responsibilities(self) -> NDArray[np.float64]:
        """1 for the mean that a point belongs to and 0 for the others, shape (n_samples, n_components)."""
        responsibilities = np.asarray(self.labels[:, None] == np.arange(self.n_components), dtype=np.float64)
        responsibilities.flags.writeable = False
        return responsibilities

    @property
    def entropy(self) -> float:
        """H(q) = 0: nothing is left open."""
        return 0.0


@dataclass(frozen=True)
class KMeans:
    """Lloyd's algorithm (1957, published 1982), seen as EM with a hard E-step.

    Parameters
    ----------
    n_components : int
        The number of means.
    """

    n_components: int
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="k-means",
        observed="points",
        hidden="which mean each point belongs to",
        e_step="for each point its nearest mean, with certainty",
        m_step="each mean, the average of the points that belong to it",
        source="Lloyd 1982",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")

    @property
    def objective_name(self) -> str:
        """The axis title of the objective."""
        return "Minus distortion"

    @property
    def objective_unit(self) -> str:
        """Its unit."""
        return "squared distance"

    def prepare(self, X: ArrayLike | GaussianData) -> GaussianData:
        """X of shape (n_samples, n_features), finite, validated."""
        return prepare(X)

    def initialize(self, X: ArrayLike | GaussianData, rng: np.random.Generator) -> KMeansParameters:
        """Means at randomly chosen points."""
        points = self.prepare(X).X
        chosen = rng.choice(len(points), self.n_components, replace=len(points) < self.n_components)
        return self.from_means(points, points[chosen])

    def from_means(self, X: ArrayLike | GaussianData, means: ArrayLike) -> KMeansParameters:
        """A start with these means."""
        return KMeansParameters(np.asarray(means))

    def from_responsibilities(self, X: ArrayLike | GaussianData, responsibilities: ArrayLike) -> KMeansPosterior:
        """The posterior in which each point belongs to the mean with its largest responsibility."""
        X = self.prepare(X)
        given = frozen_responsibilities(responsibilities, X.n_samples, self.n_components)
        return KMeansPosterior(None, float("nan"), given.argmax(axis=1), self.n_components)

    def e_step(self, X: ArrayLike | GaussianData, parameters: KMeansParameters) -> KMeansPosterior:
        """The nearest mean of each point (Bishop 2006, equation 9.2); of two equally near ones, the first."""
        X = self.prepare(X)
        expected = (self.n_components, X.n_features)
        if parameters.means.shape != expected:
            raise ValueError(
                f"means must have shape (n_components, n_features) = {expected}, got {parameters.means.shape}"
            )
        distances = np.stack([((X.X - mean) ** 2).sum(axis=1) for mean in parameters.means])
        objective = -float(distances.min(axis=0).sum())
        return KMeansPosterior(parameters, objective, distances.argmin(axis=0), self.n_components)

    def m_step(self, X: ArrayLike | GaussianData, posterior: KMeansPosterior) -> KMeansParameters:
        """The mean of the points that belong to each (Bishop 2006, equation 9.4).

        A mean without points stays where it was: no other place would be better or worse.
        """
        X = self.prepare(X)
        counts = np.bincount(posterior.labels, minlength=self.n_components)
        sums = posterior.responsibilities.T @ X.X
        if posterior.parameters is not None:
            kept = posterior.parameters.means
        else:
            kept = np.broadcast_to(X.X.mean(axis=0), sums.shape)
        return KMeansParameters(np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], kept))

    def expected_log_joint(
        self, X: ArrayLike | GaussianData, posterior: KMeansPosterior, parameters: KMeansParameters
    ) -> float:
        """Minus the sum of squared distances from each point to its mean (Bishop 2006, equation 9.1)."""
        points = self.prepare(X).X
        return -float(((points - parameters.means[posterior.labels]) ** 2).sum())
