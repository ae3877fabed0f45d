"""The time of a sweep over the number of components on Old Faithful, beside scikit-learn from as many starts.

K = 1 to 8, 20 starts each at random points, full covariances, no ridge, tolerance 1e-6 on the mean log-likelihood; at
most 100 iterations, scikit-learn's own limit, and 500, after which all have converged. scikit-learn gets the very same
starts, one fit each: what `n_init=20` does, but for its own k-means starts. Both take turns, and times are medians.
BLAS is held to one thread for both.
"""

from __future__ import annotations

import platform
import time

import numpy as np
import sklearn
from threadpoolctl import threadpool_limits

from emcore import selection
from emcore.experiment import PresetData, dataset
from emcore.models import GaussianMixture
from emcore.restarts import run_many
from emcore.starts import start
from tests.benchmarks.restarts import TOL, run_scikit_learn

COUNTS = range(1, 9)
N_STARTS = 20
LIMITS = (100, 500)
N_REPETITIONS = 5
TARGET_SECONDS, TARGET_RATIO = 3, 10


def seconds(max_iter: int) -> tuple[float, float]:
    """Median times of scikit-learn and of emcore; RuntimeError if converged runs end at different log-likelihoods."""
    X = dataset(PresetData("old-faithful")).X
    models = [GaussianMixture(k) for k in COUNTS]
    starts = {model: [start("random-points", model, X, seed) for seed in range(N_STARTS)] for model in models}
    theirs, ours = [], []
    for _ in range(N_REPETITIONS):
        marks = [time.perf_counter()]
        expected = [run_scikit_learn(X, starts[model], max_iter) for model in models]
        marks.append(time.perf_counter())
        found = []
        for model in models:  # the starts too: the lesson makes them
            begun = [start("random-points", model, X, seed) for seed in range(N_STARTS)]
            found.append(selection.fits_of(X, run_many(model, X, begun, max_iter=max_iter, tol=TOL)))
        marks.append(time.perf_counter())
        theirs.append(marks[1] - marks[0])
        ours.append(marks[2] - marks[1])
        for one, other in zip(found, expected, strict=True):
            finished = one.runs.n_iterations < max_iter  # at the limit scikit-learn reports the one before
            if not np.allclose(one.log_likelihood[finished], other[finished], rtol=1e-7):
                raise RuntimeError("scikit-learn and emcore end at different log-likelihoods")
    return float(np.median(theirs)), float(np.median(ours))


def report() -> str:
    """The table in Markdown."""
    lines = [
        f"### How many components: K = 1 to {COUNTS[-1]}, {N_STARTS} starts each, on Old Faithful (tolerance {TOL:g})",
        "",
        f"numpy {np.__version__}, scikit-learn {sklearn.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}; one BLAS thread for both; medians of {N_REPETITIONS}.",
        "",
        "| at most | scikit-learn, s | emcore with all criteria, s | target | ratio | target |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    with threadpool_limits(limits=1):
        for max_iter in LIMITS:
            theirs, ours = seconds(max_iter)
            figures = f"{theirs:.2f} | {ours:.2f} | {TARGET_SECONDS} | {theirs / ours:.1f} | {TARGET_RATIO}"
            lines.append(f"| {max_iter} iterations | {figures} |")
    return "\n".join([*lines, ""])
