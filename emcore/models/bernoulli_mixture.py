"""A mixture of independent yes-or-no variables: black and white pictures, each component a picture of its own.

Bishop 2006, section 9.3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

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
class BernoulliMixtureParameters:
    """How common each component is, and how likely each of its variables is a yes.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        Probability of each component: positive, sum 1.
    success_probabilities : ndarray of shape (n_components, n_features)
        Probability that variable j of a row of component k is 1, from 0 to 1.
    """

    weights: NDArray[np.float64]
    success_probabilities: NDArray[np.float64]

    def __post_init__(self) -> None:
        weights = frozen_weights(self.weights)
        chances = frozen_array(self.success_probabilities, "success_probabilities", (len(weights), "n_features"))
        if not ((chances >= 0) & (chances <= 1)).all():
            raise ValueError("success_probabilities must be from 0 to 1")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "success_probabilities", chances)

    @property
    def n_components(self) -> int:
        """The number of components."""
        return len(self.weights)

    @property
    def n_features(self) -> int:
        """The number of yes-or-no variables."""
        return int(self.success_probabilities.shape[1])

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them: name -> one value a component."""
        chances = {f"probability {j + 1}": self.success_probabilities[:, j] for j in range(self.n_features)}
        return {"weight": self.weights, **chances}

    def to_vector(self) -> NDArray[np.float64]:
        """Logits of the success probabilities (infinite at 0 and 1), then of the weights."""
        return np.concatenate([logit(self.success_probabilities).ravel(), logit_weights(self.weights)])

    def from_vector(self, vector: NDArray[np.float64]) -> BernoulliMixtureParameters:
        """The parameters of this one's shape at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        chances, logits = np.split(vector, [self.success_probabilities.size])
        shape = self.success_probabilities.shape
        return BernoulliMixtureParameters(weights_at(logits), expit(chances).reshape(shape))

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        numbers = range(1, self.n_components + 1)
        chances = (f"logit probability {k}, {j + 1}" for k in numbers for j in range(self.n_features))
        return (*chances, *(f"logit weight {k}" for k in numbers[:-1]))


@dataclass(frozen=True, eq=False)
class YesOrNo:
    """Rows of zeros and ones, validated, as floats: shape (n_samples, n_features)."""

    X: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.X)


@dataclass(frozen=True)
class BernoulliMixture(FiniteMixture):
    """A mixture of rows of independent yes-or-no variables, fitted by maximum likelihood.

    X has shape (n_samples, n_features): zeros and ones.

    Parameters
    ----------
    n_components : int
        The number of components.
    """

    n_components: int
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Bernoulli mixture",
        observed="black and white pixels of each picture",
        hidden="which component each picture belongs to",
        e_step="for each picture the probability of each component (Bayes' rule)",
        m_step="each pixel's share of black, every picture weighted by its responsibility",
        source="Bishop 2006, section 9.3.3",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")

    def prepare(self, X: ArrayLike | YesOrNo) -> YesOrNo:
        """X of shape (n_samples, n_features), zeros and ones, validated."""
        if isinstance(X, YesOrNo):
            return X
        rows = frozen_array(X, "X", ("n_samples", "n_features"))
        if rows.size == 0:
            raise ValueError(f"X must have at least one row and one column, got shape {rows.shape}")
        if not ((rows == 0) | (rows == 1)).all():
            raise ValueError("X must hold zeros and ones only; choose a threshold first")
        return YesOrNo(rows)

    def initialize(self, X: ArrayLike | YesOrNo, rng: np.random.Generator) -> BernoulliMixtureParameters:
        """Equal weights; each component halfway between the average row and a row drawn at random."""
        rows = self.prepare(X).X
        chosen = rows[rng.choice(len(rows), self.n_components, replace=len(rows) < self.n_components)]
        chances = np.clip(0.5 * rows.mean(axis=0) + 0.5 * chosen, 0.02, 0.98)
        return BernoulliMixtureParameters(np.full(self.n_components, 1 / self.n_components), chances)

    def log_densities(self, X: ArrayLike | YesOrNo, parameters: BernoulliMixtureParameters) -> NDArray[np.float64]:
        """log of the probability of each row under each component, shape (n_samples, n_components)."""
        rows, chances = self.prepare(X).X, parameters.success_probabilities
        expected = (self.n_components, rows.shape[1])
        if chances.shape != expected:
            raise ValueError(
                f"success_probabilities must have shape (n_components, n_features) = {expected}, got {chances.shape}"
            )
        # x log p + (1 - x) log(1 - p) as a product of matrices; a sure pixel that is wrong makes the row impossible.
        # einsum, because for so few columns the threads of `@` cost more than they save where others compute, too
        sure_yes, sure_no = chances == 1, chances == 0
        with np.errstate(divide="ignore"):
            log_yes = np.where(sure_no, 0.0, np.log(chances))
            log_no = np.where(sure_yes, 0.0, np.log1p(-chances))
        log_densities = np.einsum("nd,kd->nk", rows, log_yes - log_no) + log_no.sum(axis=1)
        if sure_yes.any() or sure_no.any():
            # how many pixels are wrong: small whole numbers, exact as floats
            signs = sure_no.astype(np.float64) - sure_yes
            wrong = np.einsum("nd,kd->nk", rows, signs) + sure_yes.sum(axis=1)
            log_densities[wrong > 0] = -np.inf
        return np.asarray(log_densities)

    def m_step(self, X: ArrayLike | YesOrNo, posterior: MixturePosterior) -> BernoulliMixtureParameters:
        """Averages weighted by the responsibilities (Bishop 2006, equations 9.59 and 9.60).

        Raises
        ------
        DegenerateFit
            A component took no rows.
        """
        rows = self.prepare(X).X
        require_members(posterior.counts)
        chances = np.einsum("nk,nd->kd", posterior.responsibilities, rows) / posterior.counts[:, None]
        return BernoulliMixtureParameters(posterior.counts / len(rows), np.clip(chances, 0.0, 1.0))
