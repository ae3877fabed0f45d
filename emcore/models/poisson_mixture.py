"""A mixture of Poisson distributions: counts of events of several kinds of days (Hasselblad 1969)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

from emcore.em import DegenerateFit
from emcore.models.mixture import (
    FiniteMixture,
    MixturePosterior,
    frozen_array,
    frozen_weights,
    logit_weights,
    require_members,
    weights_at,
    whole_number,
)
from emcore.models.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class PoissonMixtureParameters:
    """How common each component is, and how many events it expects.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        Probability of each component: positive, sum 1.
    rates : ndarray of shape (n_components,)
        Expected number of events, greater than 0.
    """

    weights: NDArray[np.float64]
    rates: NDArray[np.float64]

    def __post_init__(self) -> None:
        weights = frozen_weights(self.weights)
        rates = frozen_array(self.rates, "rates", (len(weights),))
        if not (rates > 0).all():
            raise ValueError(f"rates must be greater than 0, got {rates.tolist()}")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "rates", rates)

    @property
    def n_components(self) -> int:
        """The number of components."""
        return len(self.weights)

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them: name -> one value a component."""
        return {"weight": self.weights, "rate": self.rates}

    def to_vector(self) -> NDArray[np.float64]:
        """Logarithms of the rates, then logits of the weights."""
        return np.concatenate([np.log(self.rates), logit_weights(self.weights)])

    def from_vector(self, vector: NDArray[np.float64]) -> PoissonMixtureParameters:
        """The parameters of this one's shape at `vector`."""
        rates, logits = np.split(frozen_array(vector, "vector", (len(self.names),)), [self.n_components])
        return PoissonMixtureParameters(weights_at(logits), np.exp(rates))

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        numbers = range(1, self.n_components + 1)
        return (*(f"log rate {k}" for k in numbers), *(f"logit weight {k}" for k in numbers[:-1]))


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of events, validated: shape (n_samples,), and the logarithms of their factorials."""

    X: NDArray[np.float64]
    log_factorials: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.X)


@dataclass(frozen=True)
class PoissonMixture(FiniteMixture):
    """Counts from several Poisson distributions, fitted by maximum likelihood.

    X has shape (n_samples,): whole numbers from 0 up.

    Parameters
    ----------
    n_components : int
        The number of Poisson distributions.
    """

    n_components: int
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Poisson mixture",
        observed="a count for each day",
        hidden="which kind of day it was",
        e_step="for each count the probability of each kind of day (Bayes' rule)",
        m_step="each kind's average count, every day weighted by its responsibility",
        source="Hasselblad 1969",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")

    def prepare(self, X: ArrayLike | Counts) -> Counts:
        """X of shape (n_samples,), whole numbers from 0 up, validated."""
        if isinstance(X, Counts):
            return X
        counts = frozen_array(X, "X", ("n_samples",))
        if len(counts) == 0:
            raise ValueError("X must have at least one count, got none")
        if (counts < 0).any() or (counts != np.floor(counts)).any():
            raise ValueError("X must hold counts, whole numbers from 0 up")
        return Counts(counts, gammaln(counts + 1))

    def initialize(self, X: ArrayLike | Counts, rng: np.random.Generator) -> PoissonMixtureParameters:
        """Equal weights; rates at random between half and twice the average count."""
        mean = max(float(self.prepare(X).X.mean()), 0.1)
        rates = mean * np.exp(rng.uniform(-np.log(2), np.log(2), self.n_components))
        return PoissonMixtureParameters(np.full(self.n_components, 1 / self.n_components), rates)

    def log_densities(self, X: ArrayLike | Counts, parameters: PoissonMixtureParameters) -> NDArray[np.float64]:
        """log of the Poisson probability of each count under each component, shape (n_samples, n_components)."""
        counts = self.prepare(X)
        if parameters.n_components != self.n_components:
            raise ValueError(
                f"rates must have shape (n_components,) = ({self.n_components},), got {parameters.rates.shape}"
            )
        x = counts.X[:, None]
        return np.asarray(xlogy(x, parameters.rates) - parameters.rates - counts.log_factorials[:, None])

    def m_step(self, X: ArrayLike | Counts, posterior: MixturePosterior) -> PoissonMixtureParameters:
        """Average counts weighted by the responsibilities.

        Raises
        ------
        DegenerateFit
            A component took no counts, or only zeros: its best rate would be 0.
        """
        counts = self.prepare(X).X
        require_members(posterior.counts)
        rates = posterior.responsibilities.T @ counts / posterior.counts
        if not (rates > 0).all():
            k = int(np.flatnonzero(rates <= 0)[0])
            raise DegenerateFit(
                f"Component {k + 1} takes zeros only: its rate falls to 0.",
                "Try another start, fewer components, or other counts.",
            )
        return PoissonMixtureParameters(posterior.counts / len(counts), rates)
