"""What finite mixtures share: checks of their arrays, Bayes' rule over components, and the entropy of its answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, logsumexp

from emcore.em import DegenerateFit


def frozen_array(values: ArrayLike, name: str, shape: tuple[int | str, ...]) -> NDArray[np.float64]:
    """`values` as a read-only array of floats, checked to be finite and of `shape` (a str stands for any length)."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers, got {values!r}") from error
    fits = array.ndim == len(shape) and all(
        isinstance(wanted, str) or got == wanted for got, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = "(" + ", ".join(str(length) for length in shape) + ("," if len(shape) == 1 else "") + ")"
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers, got NaN or infinity")
    array.flags.writeable = False
    return array


def frozen_weights(values: ArrayLike) -> NDArray[np.float64]:
    """Mixture weights: positive, with sum 1. A sum off by up to 1e-6 is divided out; rounding is left."""
    weights = frozen_array(values, "weights", ("n_components",))
    if len(weights) == 0:
        raise ValueError("weights must have at least one entry, got none")
    if not (weights > 0).all():
        raise ValueError(f"weights must be greater than 0, got {weights.tolist()}")
    total = float(weights.sum())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"weights must sum to 1, got {total:.6g}; divide them by their sum")
    return weights if abs(total - 1) < 1e-14 else frozen_array(weights / total, "weights", weights.shape)


def frozen_responsibilities(values: ArrayLike, n_samples: int, n_components: int) -> NDArray[np.float64]:
    """Given responsibilities: shape (n_samples, n_components), not negative, rows that sum to 1."""
    responsibilities = frozen_array(values, "responsibilities", (n_samples, n_components))
    if (responsibilities < 0).any() or (abs(responsibilities.sum(axis=1) - 1) > 1e-6).any():
        raise ValueError("responsibilities must not be negative, and every row must sum to 1")
    return responsibilities


def whole_number(value: Any, name: str, least: int = 1) -> int:
    """`value` as an int that is at least `least`; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} up, got {value!r}")
    return int(value)


def entropy_of(responsibilities: NDArray[np.float64]) -> float:
    """H(q) = -sum r log r in nats, for independent hidden labels (0 log 0 = 0)."""
    return float(entr(responsibilities).sum())


def log_joint(X: NDArray[np.float64], parameters: Any) -> NDArray[np.float64]:
    """log p(x_n, z_n = k) of Gaussians: weight times density of each at each point, shape (n_samples, n_components).

    In nats. `parameters` have weights, means and covariances; X has shape (n_samples, n_features).
    """
    factor = np.linalg.cholesky(parameters.covariances)
    offset = (X[:, None] - parameters.means).transpose(1, 2, 0)
    squared = (np.linalg.solve(factor, offset) ** 2).sum(axis=1).T
    log_root = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    constant = -0.5 * X.shape[1] * np.log(2 * np.pi)
    return np.asarray(np.log(parameters.weights) + constant - log_root - 0.5 * squared)


@dataclass(frozen=True, eq=False)
class MixturePosterior:
    """What the E-step of a mixture says: how much of every row each component takes.

    Attributes
    ----------
    parameters
        What it was computed from; None if it was made from given responsibilities.
    objective : float
        The log-likelihood of `parameters` in nats, summed over the rows; NaN if there are none.
    responsibilities : ndarray of shape (n_samples, n_components)
        responsibilities[n, k] = p(z_n = k | x_n, theta); rows sum to 1.
    """

    parameters: Any
    objective: float
    responsibilities: NDArray[np.float64]

    def __post_init__(self) -> None:
        self.responsibilities.flags.writeable = False

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """N_k, the sum of the responsibilities of component k: the rows that it takes (Bishop 2006, equation 9.18)."""
        counts: NDArray[np.float64] = self.responsibilities.sum(axis=0)
        return counts

    @cached_property
    def entropy(self) -> float:
        """H(q) in nats: 0 where every row is certain of its component."""
        return entropy_of(self.responsibilities)


class LogLikelihood:
    """A model whose objective is the log-likelihood, in nats, and how an axis says so."""

    @property
    def objective_name(self) -> str:
        """The axis title of the objective."""
        return "Log-likelihood"

    @property
    def objective_unit(self) -> str:
        """Its unit."""
        return "nats"


class FiniteMixture(LogLikelihood, ABC):
    """A mixture of any family of distributions: a model gives the rest, its data, its densities and its M-step.

    It needs the fields and methods of `LatentVariableModel` that are not here, `n_components` among them, and
    `log_densities(X, parameters)`, log p(x_n | z_n = k), shape (n_samples, n_components); -inf is legal. Its
    parameters have `weights`.
    """

    n_components: int

    @abstractmethod
    def prepare(self, X: Any) -> Any:
        """X, validated; what `prepare` returned passes unchanged."""

    @abstractmethod
    def log_densities(self, X: Any, parameters: Any) -> NDArray[np.float64]:
        """log p(x_n | z_n = k, theta), shape (n_samples, n_components)."""

    def log_joint(self, X: Any, parameters: Any) -> NDArray[np.float64]:
        """log p(x_n, z_n = k | theta), shape (n_samples, n_components): the log of weight x density."""
        return np.asarray(np.log(parameters.weights) + self.log_densities(self.prepare(X), parameters))

    def e_step(self, X: Any, parameters: Any) -> MixturePosterior:
        """How likely it is that each component made each row (Bayes' rule; Bishop 2006, equation 9.13).

        Raises
        ------
        DegenerateFit
            A row is impossible under every component.
        """
        joint = self.log_joint(X, parameters)
        log_likelihoods = logsumexp(joint, axis=1)
        if not np.isfinite(log_likelihoods).all():
            row = int(np.flatnonzero(~np.isfinite(log_likelihoods))[0])
            raise DegenerateFit(
                f"Row {row + 1} of the data is impossible under every component: its probability is 0.",
                "Try another start, without probabilities of exactly 0 or 1.",
            )
        responsibilities = np.exp(joint - log_likelihoods[:, None])
        responsibilities /= responsibilities.sum(axis=1, keepdims=True)
        return MixturePosterior(parameters, float(log_likelihoods.sum()), responsibilities)

    def from_responsibilities(self, X: Any, responsibilities: ArrayLike) -> MixturePosterior:
        """The posterior that consists of these responsibilities: for a random start, or an edited table."""
        n_samples = len(self.prepare(X))
        given = frozen_responsibilities(responsibilities, n_samples, self.n_components)
        return MixturePosterior(None, float("nan"), given)

    def expected_log_joint(self, X: Any, posterior: MixturePosterior, parameters: Any) -> float:
        """Q(theta, theta_old): the mean of log p(X, Z | theta) under the posterior, in nats (Bishop, equation 9.30)."""
        taken = posterior.responsibilities > 0  # where nothing is taken, -inf does not count
        joint = self.log_joint(X, parameters)
        return float((posterior.responsibilities[taken] * joint[taken]).sum())


def require_members(counts: NDArray[np.float64]) -> None:
    """DegenerateFit where a component has lost all rows: no M-step can fit it."""
    if not counts.all():
        k = int(np.flatnonzero(counts == 0)[0])
        raise DegenerateFit(
            f"Component {k + 1} is empty: no row gives it any responsibility.",
            "Try another start, or fewer components.",
        )


def logit_weights(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mixture weights as free coordinates, log-ratios to the last one, shape (n_components - 1,)."""
    return np.asarray(np.log(weights[:-1] / weights[-1]))


def weights_at(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `logit_weights`."""
    whole = np.append(logits, 0.0)
    weights = np.exp(whole - whole.max())
    return np.asarray(weights / weights.sum())
