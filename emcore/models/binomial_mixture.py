"""A mixture of binomials: several coins, and nobody wrote down which one was tossed (Do & Batzoglou 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln, logit, xlog1py, xlogy

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

MixtureWeights = Literal["free", "equal"]


@dataclass(frozen=True, eq=False)
class BinomialMixtureParameters:
    """How often each coin is chosen, and how often it shows heads.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        Probability that a set of tosses is made with this coin: positive, sum 1.
    success_probabilities : ndarray of shape (n_components,)
        Probability that a toss of this coin is a success (heads), from 0 to 1.
    equal_weights : bool
        Whether the weights are fixed: `to_vector` then leaves them out.
    """

    weights: NDArray[np.float64]
    success_probabilities: NDArray[np.float64]
    equal_weights: bool = False

    def __post_init__(self) -> None:
        weights = frozen_weights(self.weights)
        chances = frozen_array(self.success_probabilities, "success_probabilities", (len(weights),))
        if not ((chances >= 0) & (chances <= 1)).all():
            raise ValueError(f"success_probabilities must be from 0 to 1, got {chances.tolist()}")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "success_probabilities", chances)

    @property
    def n_components(self) -> int:
        """The number of coins."""
        return len(self.weights)

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them: name -> one value a component."""
        return {"weight": self.weights, "success probability": self.success_probabilities}

    def to_vector(self) -> NDArray[np.float64]:
        """Logits of the success probabilities (infinite at 0 and 1), then of the weights unless they are fixed."""
        free = [] if self.equal_weights else [logit_weights(self.weights)]
        return np.concatenate([logit(self.success_probabilities), *free])

    def from_vector(self, vector: NDArray[np.float64]) -> BinomialMixtureParameters:
        """The parameters of this one's shape at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        chances, logits = np.split(vector, [self.n_components])
        weights = self.weights if self.equal_weights else weights_at(logits)
        return BinomialMixtureParameters(weights, expit(chances), self.equal_weights)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        numbers = range(1, self.n_components + 1)
        free = () if self.equal_weights else tuple(f"logit weight {k}" for k in numbers[:-1])
        return (*(f"logit success probability {k}" for k in numbers), *free)


@dataclass(frozen=True, eq=False)
class Tosses:
    """Sets of tosses, validated.

    Attributes
    ----------
    successes, trials : ndarray of shape (n_samples,)
        Heads and tosses of each set.
    log_coefficients : ndarray of shape (n_samples,)
        log of the number of orders in which the heads can have come, the binomial coefficient.
    """

    successes: NDArray[np.float64]
    trials: NDArray[np.float64]
    log_coefficients: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.trials)


@dataclass(frozen=True)
class BinomialMixture(FiniteMixture):
    """Sets of tosses of several coins, fitted by maximum likelihood.

    X has shape (n_samples, 2): successes and trials of each set, whole numbers.

    Parameters
    ----------
    n_components : int
        The number of coins.
    weights : "free" or "equal"
        Whether it is also learnt how often each coin was chosen; in Do & Batzoglou (2008) it is not.
    """

    n_components: int
    weights: MixtureWeights = "free"
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Coins (binomial mixture)",
        observed="the heads and tosses of each set",
        hidden="which coin each set was tossed with",
        e_step="for each set the probability of each coin (Bayes' rule)",
        m_step="each coin's share of heads, every set weighted by its responsibility",
        source="Do & Batzoglou 2008",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")
        if self.weights not in get_args(MixtureWeights):
            raise ValueError(f'weights must be "free" or "equal", got {self.weights!r}')

    def prepare(self, X: ArrayLike | Tosses) -> Tosses:
        """X of shape (n_samples, 2), validated: 0 <= successes <= trials, at least one trial a row."""
        if isinstance(X, Tosses):
            return X
        rows = frozen_array(X, "X", ("n_samples", 2))
        if len(rows) == 0:
            raise ValueError("X must have at least one row of successes and trials, got none")
        successes, trials = rows.T
        legal = (rows == np.floor(rows)).all(axis=1) & (successes >= 0) & (trials >= 1) & (successes <= trials)
        if not legal.all():
            n = int(np.flatnonzero(~legal)[0])
            raise ValueError(
                f"row {n + 1} of X must be successes and trials, whole numbers with 0 <= successes <= trials and at "
                f"least one trial, got {rows[n].tolist()}"
            )
        coefficients = gammaln(trials + 1) - gammaln(successes + 1) - gammaln(trials - successes + 1)
        return Tosses(successes, trials, coefficients)

    def initialize(self, X: ArrayLike | Tosses, rng: np.random.Generator) -> BinomialMixtureParameters:
        """Equal weights, and success probabilities at random from the middle of what the coins could be."""
        self.prepare(X)
        weights = np.full(self.n_components, 1 / self.n_components)
        return BinomialMixtureParameters(weights, rng.uniform(0.2, 0.8, self.n_components), self.weights == "equal")

    def log_densities(self, X: ArrayLike | Tosses, parameters: BinomialMixtureParameters) -> NDArray[np.float64]:
        """log of the binomial probability of each set for each coin, shape (n_samples, n_components)."""
        tosses = self.prepare(X)
        if parameters.n_components != self.n_components:
            raise ValueError(
                f"success_probabilities must have shape (n_components,) = ({self.n_components},), "
                f"got {parameters.success_probabilities.shape}"
            )
        chances = parameters.success_probabilities
        heads, tails = tosses.successes[:, None], (tosses.trials - tosses.successes)[:, None]
        return np.asarray(tosses.log_coefficients[:, None] + xlogy(heads, chances) + xlog1py(tails, -chances))

    def m_step(self, X: ArrayLike | Tosses, posterior: MixturePosterior) -> BinomialMixtureParameters:
        """Expected heads of each coin over its expected tosses (Do & Batzoglou 2008, figure 1b).

        Raises
        ------
        DegenerateFit
            A coin was used in no set.
        """
        tosses = self.prepare(X)
        require_members(posterior.counts)
        heads, tossed = (posterior.responsibilities.T @ counts for counts in (tosses.successes, tosses.trials))
        chances = np.clip(heads / tossed, 0.0, 1.0)  # rounding must not carry a sure coin beyond 1
        equal = self.weights == "equal"
        weights = np.full(self.n_components, 1 / self.n_components) if equal else posterior.counts / len(tosses)
        return BinomialMixtureParameters(weights, chances, equal)
