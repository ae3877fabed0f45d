"""The time of one EM iteration for a Gaussian mixture, beside scikit-learn's from the same start.

One iteration is E-step, M-step and log-likelihood, covariance type full, no ridge. A time is that of a run of
2 n iterations less that of a run of n, divided by n, so that what happens once is not counted; medians over
repetitions in which the two take turns. BLAS is held to one thread for both.
"""

from __future__ import annotations

import platform
import time
import tracemalloc
import warnings
from dataclasses import dataclass

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from emcore.models.gaussian_kernel import expectation, prepare

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Workload:
    """A problem, how many iterations are timed and how often, and how much faster than scikit-learn to be."""

    name: str
    n_samples: int
    n_features: int
    n_components: int
    n_iterations: int
    n_repetitions: int
    target: float

    def problem(self) -> tuple[Array, Array, Array, Array]:
        """Points from overlapping clusters, and a start: weights, means, covariances."""
        rng = np.random.default_rng(20)
        centres = 3 * rng.normal(size=(self.n_components, self.n_features))
        labels = rng.integers(self.n_components, size=self.n_samples)
        X = centres[labels] + rng.normal(size=(self.n_samples, self.n_features))
        weights = np.full(self.n_components, 1 / self.n_components)
        means = centres + 0.5 * rng.normal(size=centres.shape)
        covariances = np.repeat(np.eye(self.n_features)[None], self.n_components, axis=0)
        return X, weights, means, covariances


WORKLOADS = (
    Workload("W1", 300, 2, 3, 100, 41, 5),
    Workload("W2", 10_000, 1, 2, 40, 25, 20),
    Workload("W3", 10_000, 2, 4, 25, 25, 20),
    Workload("W4", 1_000_000, 2, 8, 2, 5, 20),
)
LARGEST_MEMORY_RATIO = 5


def run_emcore(X: Array, weights: Array, means: Array, covariances: Array, n_iterations: int) -> Array:
    """The means after so many iterations."""
    data = prepare(X)
    for _ in range(n_iterations):
        found = expectation(data, weights, means, covariances)
        weights, means, covariances = found.counts / data.n_samples, found.means, found.covariances
    return means


def run_scikit_learn(X: Array, weights: Array, means: Array, covariances: Array, n_iterations: int) -> Array:
    """The means after so many iterations."""
    model = GaussianMixture(
        len(weights),
        tol=0,
        reg_covar=0,
        max_iter=n_iterations,
        init_params="random",  # the cheapest: all it finds is replaced by the start
        random_state=0,
        weights_init=weights,
        means_init=means,
        precisions_init=np.linalg.inv(covariances),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X)
    if model.n_iter_ != n_iterations:
        raise RuntimeError(f"scikit-learn stopped after {model.n_iter_} of {n_iterations} iterations")
    return np.asarray(model.means_)


def milliseconds_per_iteration(workload: Workload) -> tuple[float, float]:
    """Median times of scikit-learn and emcore; RuntimeError if they do not compute the same."""
    problem = workload.problem()
    n = workload.n_iterations
    if not np.allclose(run_scikit_learn(*problem, n), run_emcore(*problem, n), rtol=0, atol=1e-8):
        raise RuntimeError(f"{workload.name}: scikit-learn and emcore differ after {n} iterations")
    times: dict[str, list[float]] = {"scikit-learn": [], "emcore": []}
    for _ in range(workload.n_repetitions):
        for name, run in (("scikit-learn", run_scikit_learn), ("emcore", run_emcore)):
            marks = [time.perf_counter()]
            for length in (n, 2 * n):
                run(*problem, length)
                marks.append(time.perf_counter())
            times[name].append((marks[2] - 2 * marks[1] + marks[0]) / n * 1e3)
    return float(np.median(times["scikit-learn"])), float(np.median(times["emcore"]))


def memory_ratio(workload: Workload) -> float:
    """Peak memory above X of `prepare` and two iterations, as a multiple of the size of X."""
    X, *start = workload.problem()
    tracemalloc.start()
    try:
        run_emcore(X, *start, 2)
        return tracemalloc.get_traced_memory()[1] / X.nbytes
    finally:
        tracemalloc.stop()


def report() -> str:
    """The table in Markdown."""
    lines = [
        "### One iteration of EM for a Gaussian mixture (full covariances)",
        "",
        f"numpy {np.__version__}, scikit-learn {sklearn.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}; one BLAS thread for both; medians.",
        "",
        "| workload | scikit-learn, ms | emcore, ms | ratio | target |",
        "|---|---:|---:|---:|---:|",
    ]
    with threadpool_limits(limits=1):
        for workload in WORKLOADS:
            theirs, ours = milliseconds_per_iteration(workload)
            size = f"{workload.n_samples:,} x {workload.n_features}, K = {workload.n_components}"
            figures = f"{theirs:.3f} | {ours:.3f} | {theirs / ours:.1f} | {workload.target:g}"
            lines.append(f"| {workload.name}: {size} | {figures} |")
        largest = WORKLOADS[-1]
        ratio = memory_ratio(largest)
    lines += [
        "",
        f"Peak memory of {largest.name} above X: {ratio:.1f} times the size of X (target: at most "
        f"{LARGEST_MEMORY_RATIO}).",
    ]
    return "\n".join([*lines, ""])
