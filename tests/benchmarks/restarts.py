"""The time of many runs from many starts, beside a loop over scikit-learn from the same starts.

Covariance type full, no ridge, tolerance 1e-6 on the mean log-likelihood, at most 500 iterations. The loop over
scikit-learn takes every so-many-th start where all would take minutes, and its time is scaled; both take turns, and
times are medians. BLAS is held to one thread for both. Runs that end before the limit of iterations must end alike.
"""

from __future__ import annotations

import platform
import time
import warnings
from dataclasses import dataclass

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as TheirMixture
from threadpoolctl import threadpool_limits

from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.restarts import distinct, run_many

Array = NDArray[np.float64]
N_STARTS = 1000
TOL = 1e-6
MAX_ITER = 500
N_REPETITIONS = 5


@dataclass(frozen=True)
class Workload:
    """A data set, which part of the starts scikit-learn runs, and how much faster than it to be."""

    n_samples: int
    n_features: int
    n_components: int
    every: int
    target: float

    def problem(self) -> tuple[GaussianMixture, Array, list[GaussianMixtureParameters]]:
        """A model, points from overlapping groups, and starts at random points."""
        rng = np.random.default_rng(20)
        centres = 3 * rng.normal(size=(self.n_components, self.n_features))
        labels = rng.integers(self.n_components, size=self.n_samples)
        X = centres[labels] + rng.normal(size=(self.n_samples, self.n_features))
        model = GaussianMixture(self.n_components)
        return model, X, [model.initialize(X, rng) for _ in range(N_STARTS)]


def run_scikit_learn(X: Array, starts: list[GaussianMixtureParameters], max_iter: int = MAX_ITER) -> Array:
    """The final log-likelihoods."""
    objective = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for start in starts:
            model = TheirMixture(
                start.n_components,
                tol=TOL,
                reg_covar=0,
                max_iter=max_iter,
                init_params="random",  # the cheapest: all it finds is replaced by the start
                random_state=0,
                weights_init=start.weights,
                means_init=start.means,
                precisions_init=np.linalg.inv(start.covariances),
            ).fit(X)
            objective.append(float(model.lower_bound_) * len(X))
    return np.array(objective)


def seconds(workload: Workload) -> tuple[float, float, float]:
    """Median times of scikit-learn (scaled to all starts), of `run_many` and of `distinct`."""
    model, X, starts = workload.problem()
    some = starts[:: workload.every]
    theirs, ours, classing = [], [], []
    for _ in range(N_REPETITIONS):
        marks = [time.perf_counter()]
        expected = run_scikit_learn(X, some)
        marks.append(time.perf_counter())
        runs = run_many(model, X, starts, max_iter=MAX_ITER, tol=TOL)
        marks.append(time.perf_counter())
        distinct(X, runs)
        marks.append(time.perf_counter())
        theirs.append((marks[1] - marks[0]) * len(starts) / len(some))
        ours.append(marks[2] - marks[1])
        classing.append(marks[3] - marks[2])
        # At the limit of iterations, scikit-learn reports the log-likelihood before its last M-step.
        finished = (runs.n_iterations < MAX_ITER)[:: workload.every]
        if not np.allclose(runs.objective[:: workload.every][finished], expected[finished], rtol=1e-9):
            raise RuntimeError(f"{workload}: scikit-learn and emcore end at different log-likelihoods")
    return float(np.median(theirs)), float(np.median(ours)), float(np.median(classing))


WORKLOADS = (
    Workload(300, 2, 3, 5, 50),
    Workload(1000, 1, 3, 20, 30),
)


def report() -> str:
    """The table in Markdown."""
    lines = [
        f"### {N_STARTS:,} runs of EM for a Gaussian mixture (full covariances, tolerance {TOL:g})",
        "",
        f"numpy {np.__version__}, scikit-learn {sklearn.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}; one BLAS thread for both; medians of {N_REPETITIONS}.",
        "",
        "| workload | scikit-learn, s | its runs | emcore, s | ratio | target | distinct maxima, s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    with threadpool_limits(limits=1):
        for workload in WORKLOADS:
            theirs, ours, classing = seconds(workload)
            size = f"{workload.n_samples:,} x {workload.n_features}, K = {workload.n_components}"
            part = "all" if workload.every == 1 else f"1 in {workload.every}, scaled"
            figures = f"{theirs:.1f} | {part} | {ours:.3f} | {theirs / ours:.0f} | {workload.target:g} | {classing:.3f}"
            lines.append(f"| {size} | {figures} |")
    return "\n".join([*lines, ""])
