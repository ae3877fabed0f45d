"""The time of a log-likelihood surface beside np.logaddexp over the same grid, and of a map of basins.

Medians over repetitions in which the two take turns. BLAS is held to one thread.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from emcore.landscape import basins, surface
from emcore.models import GaussianMixture, GaussianMixtureParameters

Array = NDArray[np.float64]

N_REPETITIONS = 9
SIZE, N_SAMPLES, TARGET = 200, 1000, 10
MAP_SIZE, MAP_SAMPLES, LONGEST = 100, (300, 1000, 10_000), 3.0


def three_peaks(n_samples: int) -> Array:
    """Three peaks on a line: two components have two ways to merge them."""
    rng = np.random.default_rng(20)
    parts = ((-5.0, 0.3), (0.0, 0.4), (4.6, 0.3))
    return np.concatenate([rng.normal(mean, 1, (round(share * n_samples), 1)) for mean, share in parts])


def by_logaddexp(X: Array, theta: GaussianMixtureParameters, x: Array, y: Array) -> Array:
    """The same surface, point by point; [j, i] at (x[i], y[j])."""
    sds = theta.sds[:, 0]
    tables = [
        np.log(weight / (sd * np.sqrt(2 * np.pi))) - 0.5 * ((X[:, 0] - means[:, None]) / sd) ** 2
        for weight, sd, means in zip(theta.weights, sds, (x, y), strict=True)
    ]
    total = np.zeros((len(y), len(x)))
    for n in range(len(X)):
        total += np.logaddexp(tables[0][:, n], tables[1][:, n, None])
    return total


def seconds(*tasks: Callable[[], Any]) -> list[float]:
    """The median time of each task; they take turns."""
    times: list[list[float]] = [[] for _ in tasks]
    for _ in range(N_REPETITIONS):
        for task, kept in zip(tasks, times, strict=True):
            began = time.perf_counter()
            task()
            kept.append(time.perf_counter() - began)
    return [float(np.median(kept)) for kept in times]


def report() -> str:
    """The tables in Markdown."""
    X = three_peaks(N_SAMPLES)
    model = GaussianMixture(2)
    theta = GaussianMixtureParameters(np.array([0.4, 0.6]), np.zeros((2, 1)), np.ones((2, 1, 1)))
    grid = np.linspace(-8, 8, SIZE)
    names = ("mean 1", "mean 2")
    with threadpool_limits(limits=1):
        theirs = by_logaddexp(X, theta, grid, grid)
        ours = surface(model, X, theta, names, grid, grid).log_likelihood
        error = float(np.abs(ours / theirs - 1).max())
        if not error < 1e-12:
            raise RuntimeError(f"the surface and np.logaddexp differ by {error:.1e}")
        slow, fast = seconds(
            lambda: by_logaddexp(X, theta, grid, grid), lambda: surface(model, X, theta, names, grid, grid)
        )
        lines = [
            f"### The log-likelihood on a grid of {SIZE} x {SIZE} over two means, {N_SAMPLES:,} points",
            "",
            f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}; one BLAS thread for "
            "both; medians.",
            "",
            "| np.logaddexp, ms | emcore, ms | ratio | target | largest relative difference |",
            "|---:|---:|---:|---:|---:|",
            f"| {slow * 1e3:.0f} | {fast * 1e3:.1f} | {slow / fast:.1f} | {TARGET} | {error:.0e} |",
            "",
            f"### Which of {MAP_SIZE} x {MAP_SIZE} starts leads where, two components on one axis, tolerance 1e-6",
            "",
            "| points | s | longest | bins | maxima |",
            "|---:|---:|---:|---:|---:|",
        ]
        for n_samples in MAP_SAMPLES:
            X = three_peaks(n_samples)
            start = model.from_means(X, np.zeros((2, 1)))
            grid = np.linspace(X.min(), X.max(), MAP_SIZE)

            def draw(X: Array = X, start: GaussianMixtureParameters = start, grid: Array = grid) -> Any:
                return basins(model, X, start, names, grid, grid, max_iter=200, tol=1e-6)

            found = draw()
            (spent,) = seconds(draw)
            lines.append(
                f"| {n_samples:,} | {spent:.2f} | {LONGEST:g} | {found.n_bins or 'none'} | {len(found.maxima)} |"
            )
    return "\n".join([*lines, ""])
