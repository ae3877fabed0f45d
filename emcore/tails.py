"""What a run with Student's t shows: how much each point counts, the Gaussian beside it, and the race with PX-EM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from emcore.em import DegenerateFit, History
from emcore.models import StudentT, StudentTParameters
from emcore.report import Captions, Words, captions, decimals, number, objective_text, place
from emcore.starts import At


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The Gaussian that fits the points best: no EM is needed for it.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
    covariance : ndarray of shape (n_features, n_features)
        The maximum-likelihood estimate, which divides by n.
    log_likelihood : float
        In nats, summed over the points.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    log_likelihood: float

    @cached_property
    def sds(self) -> NDArray[np.float64]:
        """The standard deviation along each axis."""
        sds: NDArray[np.float64] = np.sqrt(np.diag(self.covariance))
        return sds


def gaussian(history: History) -> Gaussian | None:
    """The Gaussian fit of a run's points; None where they have no spread along some direction."""
    try:
        normal = history.model.normal_start(history.prepared)
    except DegenerateFit:
        return None
    n, d = history.prepared.X.shape
    _, log_determinant = np.linalg.slogdet(normal.scale)
    # at the maximum the squared distances have mean d (Bishop 2006, section 2.3.4)
    return Gaussian(normal.mean, normal.scale, float(-0.5 * n * (d * np.log(2 * np.pi) + log_determinant + d)))


def gaussian_start(model: StudentT, X: NDArray[np.float64]) -> At | None:
    """The start where the Gaussian fit is; None where there is none."""
    try:
        return At.of(model.normal_start(X))
    except DegenerateFit:
        return None


def every_weight(history: History) -> NDArray[np.float64]:
    """E[u_n] over its largest possible value (nu + d) / nu, after each E-step: shape (n_iterations + 1, n_samples).

    1 is a point at the mean; the expected weights of the expanded model are divided by its precision scale.
    """
    nu, d = history.model.degrees_of_freedom, history.prepared.n_features
    return np.array(
        [
            history.posterior(t).weights / theta.precision_scale * nu / (nu + d)
            for t, theta in enumerate(history.parameters)
        ]
    )


@dataclass(frozen=True, eq=False)
class Counted:
    """How much each point counts at a position of a run.

    Attributes
    ----------
    squared_distances : ndarray of shape (n_samples,)
        From the mean, in the scale matrix of the parameters that the latest E-step used.
    weights : ndarray of shape (n_samples,)
        E[u_n] = (nu + d) / (nu + squared distance).
    order : ndarray of int, shape (n_samples,)
        The rows, the one that counts least first.
    """

    squared_distances: NDArray[np.float64]
    weights: NDArray[np.float64]
    order: NDArray[np.intp]


def counted(history: History, position: int) -> Counted | None:
    """The latest E-step of a position; None at the bare start."""
    if position == 0:
        return None
    iteration = (position - 1) // 2
    weights = history.posterior(iteration).weights / history.parameters[iteration].precision_scale
    nu, d = history.model.degrees_of_freedom, history.prepared.n_features
    return Counted((nu + d) / weights - nu, weights, np.argsort(weights, kind="stable"))


def density(x: NDArray[np.float64], parameters: StudentTParameters, degrees_of_freedom: float) -> NDArray[np.float64]:
    """p(x) of Student's t in one dimension, for points x of any shape."""
    nu, variance = degrees_of_freedom, float(parameters.reduced_scale[0, 0])
    top = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi * variance)
    squared = (x - parameters.mean[0]) ** 2 / variance
    heights: NDArray[np.float64] = np.exp(top - (nu + 1) / 2 * np.log1p(squared / nu))
    return heights


@dataclass(frozen=True, eq=False)
class Curves:
    """Densities over one axis: Student's t at each iteration, and the Gaussian.

    Attributes
    ----------
    x : ndarray of shape (n_grid,)
    student : ndarray of shape (n_iterations + 1, n_grid)
    gaussian : ndarray of shape (n_grid,), or None
    """

    x: NDArray[np.float64]
    student: NDArray[np.float64]
    gaussian: NDArray[np.float64] | None


def curves(history: History, x_range: tuple[float, float]) -> Curves:
    """The densities of a run on one feature, within a range; finer near where the run ends."""
    last = history.parameters[-1]
    scale = float(np.sqrt(last.reduced_scale[0, 0]))
    near = float(last.mean[0]) + scale * np.linspace(-6, 6, 121)
    x = np.sort(np.concatenate([np.linspace(*x_range, 201), near[(near > x_range[0]) & (near < x_range[1])]]))
    nu = history.model.degrees_of_freedom
    student = np.array([density(x, theta, nu) for theta in history.parameters])
    fit = gaussian(history)
    beside = None
    if fit is not None:
        sd = float(fit.sds[0])
        beside = np.exp(-0.5 * ((x - fit.mean[0]) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    return Curves(x, student, beside)


def pull(history: History, without: History) -> float:
    """How far the means at the ends of two runs are apart: what a point more has moved."""
    return float(np.linalg.norm(history.parameters[-1].mean - without.parameters[-1].mean))


def gaussian_pull(history: History) -> float:
    """How far the last point moves the mean of all points."""
    X = history.prepared.X
    return float(np.linalg.norm(X.mean(axis=0) - X[:-1].mean(axis=0)))


def _least(history: History, iteration: int) -> str:
    found = counted(history, 2 * iteration + 1)
    assert found is not None
    row = int(found.order[0])
    return f"point {row + 1} counts least, with weight {number(float(found.weights[row]), 3)}"


def _moved(history: History, iteration: int) -> str:
    before, after = (history.parameters[t] for t in (iteration - 1, iteration))
    distance = float(np.linalg.norm(after.mean - before.mean))
    digits = max(decimals(after), 2)
    return f"the mean moved {number(distance, digits)} to {place(after.mean, digits)}"


TAIL_WORDS = Words(_least, _moved)


def race_captions(history: History, other: History, name: str, n_positions: int) -> Captions:
    """What the player says of a run, and where another one stands that is stepped with it."""
    own = captions(history, TAIL_WORDS)

    def beside(position: int) -> str:
        iteration = min(position // 2, other.n_iterations)
        ended = f", where it ended after {iteration}" if position >= other.n_positions - 1 else ""
        return f" {name}: {objective_text(other, iteration)}{ended}."

    rest = n_positions - history.n_positions
    positions = range(n_positions)
    half_steps = (*own.half_steps, *[own.half_steps[-1]] * rest)
    iterations = (*own.iterations, *[own.iterations[-1]] * (rest // 2))
    return Captions(
        tuple(text + beside(position) for position, text in zip(positions, half_steps, strict=True)),
        tuple(text + beside(position) for position, text in zip(positions[1::2], iterations, strict=True)),
        (*own.labels, *[own.labels[-1]] * rest),
    )
