"""Which component is which: components have no order of their own, so they are matched before they are compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emcore.em import History
from emcore.models.gaussian_mixture import GaussianMixtureParameters


def squared_distances(first: GaussianMixtureParameters, second: GaussianMixtureParameters) -> NDArray[np.float64]:
    """How far apart the components of two mixtures are, shape (first.n_components, second.n_components).

    The squared 2-Wasserstein distance of the Gaussians, |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)), in the data's units
    squared (Olkin & Pukelsheim 1982). It is defined for any two covariances, also where densities hardly overlap.
    """
    offsets = first.means[:, None, :] - second.means[None, :, :]
    traces = np.trace(first.covariances, axis1=1, axis2=2)[:, None] + np.trace(second.covariances, axis1=1, axis2=2)
    products = first.covariances[:, None] @ second.covariances[None, :]
    # eigenvalues of a product of two positive definite matrices are real and positive, up to rounding
    roots = np.sqrt(np.clip(np.linalg.eigvals(products).real, 0, None)).sum(axis=-1)
    distances: NDArray[np.float64] = (offsets**2).sum(axis=-1) + np.clip(traces - 2 * roots, 0, None)
    return distances


def match(found: GaussianMixtureParameters, truth: GaussianMixtureParameters) -> NDArray[np.intp]:
    """The true component that each found one stands for, shape (found.n_components,); -1 where there is none left.

    The assignment with the smallest sum of squared distances (`squared_distances`), each axis measured in the spread
    of the true mixture so that units do not decide.
    """
    if found.n_features != truth.n_features:
        raise ValueError(
            f"both mixtures must have the same number of features, got {found.n_features} and {truth.n_features}"
        )
    partner = np.full(found.n_components, -1)
    rows, columns = linear_sum_assignment(squared_distances(_scaled(found, truth), _scaled(truth, truth)))
    partner[rows] = columns
    return partner


def relabelled(history: History, other: History) -> History:
    """The same run with its components in the order in which they end up standing for those of `other`.

    Nothing but the labels changes. ValueError if the two have different numbers of components.
    """
    order = np.argsort(match(history.parameters[-1], other.parameters[-1]))
    n_components = other.parameters[-1].n_components
    if len(order) != n_components:
        raise ValueError(f"both runs must have the same number of components, got {len(order)} and {n_components}")
    parameters = tuple(
        GaussianMixtureParameters(
            theta.weights[order], theta.means[order], theta.covariances[order], theta.covariance_type
        )
        for theta in history.parameters
    )
    return replace(history, parameters=parameters)


def _scaled(parameters: GaussianMixtureParameters, by: GaussianMixtureParameters) -> GaussianMixtureParameters:
    """`parameters` with every axis divided by the sd of the mixture `by`."""
    centre = by.weights @ by.means
    spread = np.sqrt(by.weights @ (by.sds**2 + (by.means - centre) ** 2))
    return GaussianMixtureParameters(
        parameters.weights,
        parameters.means / spread,
        parameters.covariances / np.outer(spread, spread),
        parameters.covariance_type,
    )
