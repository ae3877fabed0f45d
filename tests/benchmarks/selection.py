"""The time of a sweep over the number of components on Old Faithful, beside scikit-learn from as many starts.

K = 1 to 8, 20 starts each at random points, full covariances, no ridge, tolerance 1e-6 on the mean log-likelihood, at
most 500 iterations. scikit-learn gets the very same starts, one fit each: what `n_init=20` does, but for its own
k-means starts. Both take turns, and times are medians. BLAS is held to one thread for both.
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
from tests.benchmarks.restarts import MAX_ITER, TOL, run_scikit_learn

COUNTS = range(1, 9)
N_STARTS = 20
N_REPETITIONS = 5
TARGET_SECONDS, TARGET_RATIO = 3, 10


def seconds() -> tuple[float, float, float]:
    """Median times of scikit-learn and of emcore, and the part of the runs that end at the same log-likelihood."""
    X = dataset(PresetData("old-faithful")).X
    models = [GaussianMixture(k) for k in COUNTS]
    starts = {model: [start("random-points", model, X, seed) for seed in range(N_STARTS)] for model in models}
    theirs, ours, alike = [], [], 0
    for _ in range(N_REPETITIONS):
        marks = [time.perf_counter()]
        expected = [run_scikit_learn(X, starts[model]) for model in models]
        marks.append(time.perf_counter())
        found = []
        for model in models:  # the starts too: the lesson makes them
            begun = [start("random-points", model, X, seed) for seed in range(N_STARTS)]
            found.append(selection.fits_of(X, run_many(model, X, begun, max_iter=MAX_ITER, tol=TOL)))
        marks.append(time.perf_counter())
        theirs.append(marks[1] - marks[0])
        ours.append(marks[2] - marks[1])
        alike = sum(
            int(np.isclose(one.log_likelihood, other, rtol=1e-7).sum())
            for one, other in zip(found, expected, strict=True)
        )
    return float(np.median(theirs)), float(np.median(ours)), alike / (N_STARTS * len(models))


def report() -> str:
    """The table in Markdown."""
    with threadpool_limits(limits=1):
        theirs, ours, alike = seconds()
    return "\n".join(
        [
            f"### How many components: K = 1 to {COUNTS[-1]}, {N_STARTS} starts each, on Old Faithful",
            "",
            f"numpy {np.__version__}, scikit-learn {sklearn.__version__}, Python {platform.python_version()}, "
            f"{platform.machine()}; one BLAS thread for both; medians of {N_REPETITIONS}; tolerance "
            f"{TOL:g}; {100 * alike:.0f} % of the "
            "runs end at the same log-likelihood.",
            "",
            "| scikit-learn, s | emcore with all criteria, s | target | ratio | target |",
            "|---:|---:|---:|---:|---:|",
            f"| {theirs:.2f} | {ours:.2f} | {TARGET_SECONDS} | {theirs / ours:.1f} | {TARGET_RATIO} |",
            "",
        ]
    )
