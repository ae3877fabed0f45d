"""The time of one EM iteration of a hidden Markov model, beside the textbook's loop over the steps of the chain."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emcore.models import GaussianHiddenMarkov, GaussianHiddenMarkovParameters
from emcore.models.forward_backward import forward_backward

Array = NDArray[np.float64]

WORKLOADS = ((150, 2), (1_000, 3), (10_000, 2), (10_000, 8), (100_000, 2))  # steps, states
LIMIT = 200.0  # ms an iteration, for 10,000 steps and two states
N_REPETITIONS = 9


def problem(n_samples: int, n_components: int) -> tuple[Array, GaussianHiddenMarkovParameters]:
    """Points from overlapping states that rather stay than go, and parameters near those that made them."""
    rng = np.random.default_rng(20)
    states = rng.integers(n_components, size=n_samples)
    stays = rng.random(n_samples) < 0.9
    for t in range(1, n_samples):
        states[t] = states[t - 1] if stays[t] else states[t]
    X = 2.0 * states[:, None] + rng.normal(size=(n_samples, 1))
    transitions = 0.9 * np.eye(n_components) + 0.1 / n_components
    means = 2.0 * np.arange(n_components)[:, None]
    initial = np.full(n_components, 1 / n_components)
    return X, GaussianHiddenMarkovParameters(initial, transitions, means, np.ones((n_components, 1, 1)))


def textbook(log_densities: Array, initial: Array, transitions: Array) -> tuple[float, Array, Array]:
    """Scaled forward-backward, row after row (Bishop 2006, equations 13.59 and 13.62): log p(X), gamma, sum of xi."""
    n_samples, n_components = log_densities.shape
    highest = log_densities.max(axis=1)
    densities = np.exp(log_densities - highest[:, None])
    alpha, beta = np.empty((2, n_samples, n_components))
    scales = np.empty(n_samples)
    row = initial
    for t in range(n_samples):
        row = row * densities[t]
        scales[t] = row.sum()
        row = row / scales[t]
        alpha[t] = row
        row = row @ transitions
    beta[-1] = 1.0
    for t in range(n_samples - 1, 0, -1):
        beta[t - 1] = transitions @ (densities[t] * beta[t]) / scales[t]
    expected = transitions * (alpha[:-1].T @ ((densities * beta)[1:] / scales[1:, None]))
    return float(np.log(scales).sum() + highest.sum()), alpha * beta, expected


def median_ms(task: Callable[[], object]) -> float:
    """The median time of a task, in milliseconds."""
    times = []
    for _ in range(N_REPETITIONS):
        before = time.perf_counter()
        task()
        times.append(time.perf_counter() - before)
    return 1e3 * float(np.median(times))


def report() -> str:
    """The table in Markdown; RuntimeError if the two do not compute the same."""
    lines = [
        "### One iteration of EM for a hidden Markov model (Gaussian, one axis)",
        "",
        f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}; medians. Limit: "
        f"{LIMIT:g} ms for 10,000 steps and 2 states.",
        "",
        "| steps, states | forward-backward in a loop, ms | in blocks, ms | whole iteration, ms |",
        "|---|---:|---:|---:|",
    ]
    for n_samples, n_components in WORKLOADS:
        X, theta = problem(n_samples, n_components)
        model = GaussianHiddenMarkov(n_components)
        prepared = model.prepare(X)
        densities = model.log_densities(prepared, theta)
        chain = theta.initial, theta.transitions
        log_likelihood, states, transitions = textbook(densities, *chain)
        ours = forward_backward(densities, *chain, prepared.first)
        same = np.isclose(log_likelihood, ours.log_likelihood, rtol=1e-12)
        if not (same and np.allclose(states, ours.states) and np.allclose(transitions, ours.transitions)):
            raise RuntimeError(f"the loop and the blocks differ for {n_samples} steps and {n_components} states")
        loop = median_ms(lambda densities=densities, chain=chain: textbook(densities, *chain))
        blocks = median_ms(
            lambda densities=densities, chain=chain, first=prepared.first: forward_backward(densities, *chain, first)
        )
        whole = median_ms(
            lambda model=model, prepared=prepared, theta=theta: model.m_step(prepared, model.e_step(prepared, theta))
        )
        lines.append(f"| {n_samples:,}, {n_components} | {loop:.2f} | {blocks:.2f} | {whole:.2f} |")
    return "\n".join([*lines, ""])
