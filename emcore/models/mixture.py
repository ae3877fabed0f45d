"""What finite mixtures share: checks of their arrays, and the entropy of their responsibilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr


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
