"""A mixture of multinomials: documents of several subjects, each with its own habits of words.

Nigam, McCallum, Thrun & Mitchell 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.special import gammaln

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
class MultinomialMixtureParameters:
    """How common each subject is, and how likely each of its words.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        Probability of each subject: positive, sum 1.
    probabilities : ndarray of shape (n_components, n_words)
        Probability that a word of a document of subject k is word j; rows sum to 1.
    """

    weights: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def __post_init__(self) -> None:
        weights = frozen_weights(self.weights)
        probabilities = frozen_array(self.probabilities, "probabilities", (len(weights), "n_words"))
        sums = probabilities.sum(axis=1)
        if (probabilities < 0).any() or (np.abs(sums - 1) > 1e-6).any():
            raise ValueError("probabilities must not be negative, and every row must sum to 1")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "probabilities", probabilities)

    @property
    def n_components(self) -> int:
        """The number of subjects."""
        return len(self.weights)

    @property
    def n_words(self) -> int:
        """The number of different words."""
        return int(self.probabilities.shape[1])

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them: name -> one value a component."""
        words = {f"probability {j + 1}": self.probabilities[:, j] for j in range(self.n_words)}
        return {"weight": self.weights, **words}

    def to_vector(self) -> NDArray[np.float64]:
        """Log-ratios of each subject's words to the last word (infinite where one is impossible), then of weights."""
        with np.errstate(divide="ignore", invalid="ignore"):
            words = np.log(self.probabilities[:, :-1]) - np.log(self.probabilities[:, -1:])
        return np.concatenate([words.ravel(), logit_weights(self.weights)])

    def from_vector(self, vector: NDArray[np.float64]) -> MultinomialMixtureParameters:
        """The parameters of this one's shape at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        words, logits = np.split(vector, [self.n_components * (self.n_words - 1)])
        rows = np.array([weights_at(row) for row in words.reshape(self.n_components, self.n_words - 1)])
        return MultinomialMixtureParameters(weights_at(logits), rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        numbers = range(1, self.n_components + 1)
        words = (f"logit word {k}, {j + 1}" for k in numbers for j in range(self.n_words - 1))
        return (*words, *(f"logit weight {k}" for k in numbers[:-1]))


@dataclass(frozen=True, eq=False)
class WordCounts:
    """Documents as counts of words, validated.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_words)
        How often each word stands in each document.
    sparse : scipy.sparse.csr_array of shape (n_samples, n_words)
        The same without the zeros, most of X: its products are quicker, and need no library's threads.
    log_coefficients : ndarray of shape (n_samples,)
        log of the number of orders that the words of a document can have: the multinomial coefficient.
    """

    X: NDArray[np.float64]
    sparse: Any
    log_coefficients: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.X)


@dataclass(frozen=True)
class MultinomialMixture(FiniteMixture):
    """Documents as bags of words, each of one subject, fitted by maximum likelihood or with a Dirichlet prior.

    X has shape (n_samples, n_words): how often each word stands in each document.

    Parameters
    ----------
    n_components : int
        The number of subjects.
    pseudo_count : float
        What every word of every subject is counted more than it occurs: 0 is maximum likelihood. Above 0 it is a
        Dirichlet prior with concentration 1 + pseudo_count on the words of each subject, and the objective is the
        log-likelihood plus the logarithm of this prior's density.
    """

    n_components: int
    pseudo_count: float = 0.0
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Multinomial mixture",
        observed="how often each word stands in each document",
        hidden="which subject each document has",
        e_step="for each document the probability of each subject (Bayes' rule)",
        m_step="each subject's shares of words, every document weighted by its responsibility",
        source="Nigam, McCallum, Thrun & Mitchell 2000",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")
        if not (np.isfinite(self.pseudo_count) and self.pseudo_count >= 0):
            raise ValueError(f"pseudo_count must be a finite number from 0 up, got {self.pseudo_count!r}")
        object.__setattr__(self, "pseudo_count", float(self.pseudo_count))

    @property
    def objective_name(self) -> str:
        """The axis title of the objective."""
        return "Log-likelihood" if self.pseudo_count == 0 else "Log-likelihood + log prior"

    def prepare(self, X: ArrayLike | WordCounts) -> WordCounts:
        """X of shape (n_samples, n_words), whole numbers from 0 up, every document with a word, validated."""
        if isinstance(X, WordCounts):
            return X
        counts = frozen_array(X, "X", ("n_samples", "n_words"))
        if counts.size == 0:
            raise ValueError(f"X must have at least one document and one word, got shape {counts.shape}")
        if (counts < 0).any() or (counts != np.floor(counts)).any():
            raise ValueError("X must hold counts of words, whole numbers from 0 up")
        if not counts.any(axis=1).all():
            n = int(np.flatnonzero(~counts.any(axis=1))[0])
            raise ValueError(f"every document must have at least one word, document {n + 1} has none; leave it out")
        return WordCounts(counts, csr_array(counts), gammaln(counts.sum(axis=1) + 1) - gammaln(counts + 1).sum(axis=1))

    def initialize(self, X: ArrayLike | WordCounts, rng: np.random.Generator) -> MultinomialMixtureParameters:
        """Equal weights; each subject mixes the words of all documents with those of one drawn at random."""
        counts = self.prepare(X).X
        chosen = counts[rng.choice(len(counts), self.n_components, replace=len(counts) < self.n_components)]
        average = counts.sum(axis=0) + 0.5
        words = 0.7 * average / average.sum() + 0.3 * chosen / chosen.sum(axis=1, keepdims=True)
        return MultinomialMixtureParameters(np.full(self.n_components, 1 / self.n_components), words)

    def log_prior(self, parameters: MultinomialMixtureParameters) -> float:
        """log of the Dirichlet density of every subject's words, in nats; 0 without a pseudo-count."""
        if self.pseudo_count == 0:
            return 0.0
        n_words = parameters.n_words
        normaliser = gammaln(n_words * (1 + self.pseudo_count)) - n_words * gammaln(1 + self.pseudo_count)
        with np.errstate(divide="ignore"):
            logs = np.log(parameters.probabilities)
        return float(self.n_components * normaliser + self.pseudo_count * logs.sum())

    def log_densities(self, X: ArrayLike | WordCounts, parameters: MultinomialMixtureParameters) -> NDArray[np.float64]:
        """log of the multinomial probability of each document for each subject, shape (n_samples, n_components)."""
        documents = self.prepare(X)
        expected = (self.n_components, documents.X.shape[1])
        if parameters.probabilities.shape != expected:
            raise ValueError(
                f"probabilities must have shape (n_components, n_words) = {expected}, "
                f"got {parameters.probabilities.shape}"
            )
        impossible = parameters.probabilities == 0
        logs = np.log(np.where(impossible, 1.0, parameters.probabilities))
        log_densities = documents.sparse @ logs.T + documents.log_coefficients[:, None]
        if impossible.any():
            log_densities[documents.sparse @ impossible.T.astype(float) > 0] = -np.inf
        return np.asarray(log_densities)

    def e_step(self, X: ArrayLike | WordCounts, parameters: MultinomialMixtureParameters) -> MixturePosterior:
        """How likely it is that each document is of each subject (Bayes' rule)."""
        found = super().e_step(X, parameters)
        return MixturePosterior(parameters, found.objective + self.log_prior(parameters), found.responsibilities)

    def m_step(self, X: ArrayLike | WordCounts, posterior: MixturePosterior) -> MultinomialMixtureParameters:
        """Shares of words weighted by the responsibilities, the pseudo-count added to each word.

        Raises
        ------
        DegenerateFit
            A subject took no document.
        """
        documents = self.prepare(X)
        require_members(posterior.counts)
        words = (documents.sparse.T @ posterior.responsibilities).T + self.pseudo_count
        return MultinomialMixtureParameters(posterior.counts / len(documents), words / words.sum(axis=1, keepdims=True))

    def expected_log_joint(
        self, X: ArrayLike | WordCounts, posterior: MixturePosterior, parameters: MultinomialMixtureParameters
    ) -> float:
        """Q(theta, theta_old) plus the log prior, in nats."""
        return super().expected_log_joint(X, posterior, parameters) + self.log_prior(parameters)
