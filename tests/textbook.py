"""EM for Gaussian mixtures as the textbook writes it (Bishop 2006, section 9.2.2), slow and readable.

The reference for emcore's kernel: it shares no code with it. Log-densities from scipy, logarithms of sums by
logsumexp, covariances about the new means in a second pass.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

Array = NDArray[np.float64]


def log_joint(X: Array, weights: Array, means: Array, covariances: Array) -> Array:
    """log(weights[k] N(x_n | means[k], covariances[k])), shape (n_samples, n_components)."""
    columns = [
        np.log(weight) + np.atleast_1d(multivariate_normal(mean, covariance).logpdf(X))
        for weight, mean, covariance in zip(weights, means, covariances, strict=True)
    ]
    return np.stack(columns, axis=1)


def e_step(X: Array, weights: Array, means: Array, covariances: Array) -> tuple[float, Array]:
    """The log-likelihood, summed over the points, and the responsibilities (n_samples, n_components)."""
    joint = log_joint(X, weights, means, covariances)
    log_density = logsumexp(joint, axis=1, keepdims=True)
    return float(log_density.sum()), np.exp(joint - log_density)


def weighted_moments(X: Array, responsibilities: Array) -> tuple[Array, Array, Array]:
    """Counts, weighted means, and weighted covariances about these means (equations 9.17 to 9.19)."""
    counts = responsibilities.sum(axis=0)
    means = responsibilities.T @ X / counts[:, None]
    covariances = []
    for k, count in enumerate(counts):
        residuals = X - means[k]
        covariances.append((responsibilities[:, k, None] * residuals).T @ residuals / count)
    return counts, means, np.array(covariances)


def constrained(covariances: Array, counts: Array, covariance_type: str) -> Array:
    """The covariances that the M-step may choose under each covariance type, as full matrices."""
    if covariance_type == "full":
        return covariances
    if covariance_type == "tied":
        pooled = sum(count * covariance for count, covariance in zip(counts, covariances, strict=True)) / counts.sum()
        return np.array([pooled for _ in counts])
    if covariance_type == "diag":
        return np.array([np.diag(np.diag(covariance)) for covariance in covariances])
    if covariance_type == "spherical":
        return np.array([np.eye(len(covariance)) * np.diag(covariance).mean() for covariance in covariances])
    raise ValueError(f"no such covariance_type: {covariance_type!r}")
