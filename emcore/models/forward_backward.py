"""Hidden Markov chains: forward-backward and the most probable path, for any density of what is observed.

p(x, z) = p(z_1) p(x_1 | z_1) p(z_2 | z_1) p(x_2 | z_2) ...                       (Bishop 2006, equation 13.10)

A step of the chain is a small matrix, step[i, j] = p(z_t = j | z_{t-1} = i) p(x_t | z_t = j), and a long one is the
product of such matrices, however it is bracketed. So the chain is cut into about sqrt(n) blocks whose products grow
side by side: a few hundred numpy calls in place of tens of thousands. Several sequences are one chain whose step
forgets where it came from at the first row of each: step[i, j] = initial[j] p(x_t | z_t = j).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, logsumexp, xlogy

Array = NDArray[np.float64]

# Densities are taken relative to the largest of their row. Where what is left of a row is smaller than this, some of it
# may have been lost below the smallest double, and everything is done again in logarithms.
SMALLEST_SHARE = 1e-200


@dataclass(frozen=True, eq=False)
class Smoothed:
    """What the observations say about the hidden states of one or several sequences.

    Attributes
    ----------
    log_likelihood : float
        log p(X), in nats.
    filtered : ndarray of shape (n_samples, n_components)
        p(z_t = k | x_1 ... x_t), what is known when the future is not: alpha-hat (Bishop 2006, equation 13.55).
    backward : ndarray of shape (n_samples, n_components)
        p(x_{t+1} ... | z_t = k), up to a factor for each row that makes it sum to 1: what the future says.
    states : ndarray of shape (n_samples, n_components)
        p(z_t = k | X), gamma (equation 13.13): rows sum to 1.
    transitions : ndarray of shape (n_components, n_components)
        How often state j is expected to follow state i: the sum of xi over all steps (equation 13.14).
    entropy : float
        H(q) of the whole chain in nats: less than the sum of the rows' entropies, because neighbours are dependent.
    """

    log_likelihood: float
    filtered: Array
    backward: Array
    states: Array
    transitions: Array
    entropy: float


def forward_backward(log_densities: Array, initial: Array, transitions: Array, first: NDArray[np.bool_]) -> Smoothed:
    """The posterior of the hidden states (Baum et al. 1970; Bishop 2006, section 13.2.2).

    Parameters
    ----------
    log_densities : ndarray of shape (n_samples, n_components)
        log p(x_t | z_t = k); minus infinity where a state cannot make an observation.
    initial : ndarray of shape (n_components,)
        p(z = k) where a sequence begins.
    transitions : ndarray of shape (n_components, n_components)
        transitions[i, j] = p(z_t = j | z_{t-1} = i).
    first : ndarray of bool of shape (n_samples,)
        Whether a sequence begins at this row; it does at the first one.

    Raises
    ------
    ValueError
        The observations have probability 0.
    """
    found = _scaled(log_densities, initial, transitions, first)
    return found or _in_logs(log_densities, initial, transitions, first)


def most_probable_paths(
    log_densities: Array, initial: Array, transitions: Array, first: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], Array]:
    """The path with the largest p(Z | X) (Viterbi 1967; Bishop 2006, section 13.2.5), for many parameters at once.

    Parameters are those of `forward_backward`, with one axis more in front, that of the parameter sets: a history has
    many, and they cost little more than one.

    Returns
    -------
    paths : ndarray of int of shape (n_sets, n_samples)
        Of equally probable paths, one.
    log_probabilities : ndarray of shape (n_sets,)
        log p(X, Z) of each.

    Raises
    ------
    ValueError
        The observations have probability 0.
    """
    log_initial, log_transitions = _logs(initial), _logs(transitions)
    n_sets, n_samples, n_components = log_densities.shape
    came_from = np.empty((n_samples, n_sets, n_components), dtype=np.intp)
    best = np.zeros((n_sets, 1))
    for t in range(n_samples):
        if first[t]:  # the best end of the sequence before, whatever begins now
            came_from[t] = best.argmax(axis=1)[:, None]
            best = best.max(axis=1)[:, None] + log_initial
        else:
            ways = best[:, :, None] + log_transitions
            came_from[t] = ways.argmax(axis=1)
            best = ways.max(axis=1)
        best = best + log_densities[:, t]
    log_probabilities = best.max(axis=1)
    if not (log_probabilities > -np.inf).all():
        raise _impossible()
    paths = np.empty((n_sets, n_samples), dtype=np.intp)
    state, every = best.argmax(axis=1), np.arange(n_sets)
    for t in range(n_samples - 1, -1, -1):
        paths[:, t] = state
        state = came_from[t, every, state]
    paths.flags.writeable = False
    return paths, log_probabilities


def _impossible() -> ValueError:
    return ValueError(
        "the parameters must give the observations a probability above 0, got 0: at some step no state that can be "
        "reached can make what was seen; replace zeros among the probabilities by small numbers"
    )


def _logs(probabilities: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(probabilities))


def _scaled(log_densities: Array, initial: Array, transitions: Array, first: NDArray[np.bool_]) -> Smoothed | None:
    """Forward-backward with every row scaled to sum 1, in blocks; None where digits were lost."""
    n_samples, n_components = log_densities.shape
    highest = log_densities.max(axis=1)
    if not (highest > -np.inf).all():
        raise _impossible()
    length = max(1, int(np.sqrt(n_samples)))  # of a block
    n_blocks = -(-n_samples // length)
    # (length, n_blocks, ...): the t-th rows of all blocks lie together. Rows after the end say nothing: density 1.
    densities = np.ones((n_blocks * length, n_components))
    np.exp(log_densities - highest[:, None], out=densities[:n_samples])
    begins = np.zeros(n_blocks * length, dtype=bool)
    begins[:n_samples] = first
    by_step = np.ascontiguousarray(densities.reshape(n_blocks, length, n_components).swapaxes(0, 1))
    begins_by_step = begins.reshape(n_blocks, length).T.copy()
    anew = [bool(row.any()) for row in begins_by_step]

    def onward(before: Array, t: int) -> Array:
        """Rows of probabilities (..., n_blocks, ..., n_components), one step on, each still to be scaled."""
        there = before @ transitions
        here = by_step[t]
        if before.ndim == 3:
            here = here[:, None]
        if anew[t]:
            there[begins_by_step[t]] = before[begins_by_step[t]].sum(axis=-1, keepdims=True) * initial
        return np.asarray(there * here)

    # 1. Each block as one step: across[b, i] is, scaled, p(x in b, z at its end | state i before it).
    across = np.broadcast_to(np.eye(n_components), (n_blocks, n_components, n_components)).copy()
    log_scales = np.zeros((n_blocks, n_components))
    with np.errstate(divide="ignore"):
        for t in range(length):
            across = onward(across, t)
            sums = across.sum(axis=2)
            log_scales += np.log(sums)
            sums[sums == 0] = 1.0  # a state from which the block cannot be: its row stays 0
            across /= sums[:, :, None]
    relative = log_scales.max(axis=1, keepdims=True)
    if not (relative > -np.inf).all():
        return None
    across *= np.exp(log_scales - relative)[:, :, None]

    # 2. What enters each block from the left, and from the right.
    entering = np.empty((n_blocks, n_components))
    leaving = np.empty((n_blocks, n_components))
    entering[0] = initial  # the first row begins a sequence: any row will do
    leaving[-1] = 1.0 / n_components
    for b in range(n_blocks - 1):
        arrived = entering[b] @ across[b]
        if not arrived.sum() > SMALLEST_SHARE:
            return None
        entering[b + 1] = arrived / arrived.sum()
    for b in range(n_blocks - 1, 0, -1):
        seen = across[b] @ leaving[b]
        if not seen.sum() > SMALLEST_SHARE:
            return None
        leaving[b - 1] = seen / seen.sum()

    # 3. Through all blocks at once, forward and backward.
    filtered = np.empty_like(by_step)
    scales = np.empty((length, n_blocks))
    row = entering
    for t in range(length):
        row = onward(row, t)
        scales[t] = row.sum(axis=1)
        if not (scales[t] > SMALLEST_SHARE).all():
            return None
        row /= scales[t][:, None]
        filtered[t] = row
    backward = np.empty_like(by_step)
    row = leaving
    onto = transitions.T
    for t in range(length - 1, -1, -1):
        backward[t] = row
        row = (by_step[t] * row) @ onto
        if anew[t]:
            row[begins_by_step[t]] = 1.0
        with np.errstate(invalid="ignore"):  # 0 / 0 is seen below, in what it is needed for
            row /= row.sum(axis=1, keepdims=True)

    def in_order(rows: Array) -> Array:
        return np.ascontiguousarray(rows.swapaxes(0, 1).reshape(-1, *rows.shape[2:])[:n_samples])

    filtered, backward, densities = in_order(filtered), in_order(backward), densities[:n_samples]
    log_likelihood = float(np.log(in_order(scales)).sum() + highest.sum())

    states = filtered * backward
    shares = states.sum(axis=1, keepdims=True)
    if not (shares > SMALLEST_SHARE).all():
        return None
    states /= shares
    # A pair of neighbours: xi[i, j] = filtered[t - 1, i] transitions[i, j] seen[t, j] / pair_sums[t]
    follows = ~first[1:]
    origin, seen = filtered[:-1][follows], (densities * backward)[1:][follows]
    pair_sums = ((origin @ transitions) * seen).sum(axis=1)
    if not (pair_sums > SMALLEST_SHARE).all():
        return None
    expected = transitions * (origin.T @ (seen / pair_sums[:, None]))
    # H(q) = sum of H(z_t, z_{t-1}) - H(z_{t-1}) over neighbours, + H(z) where a sequence begins
    before, after = states[:-1][follows], states[1:][follows]
    pairs = np.log(pair_sums).sum() - xlogy(before, origin).sum() - xlogy(after, seen).sum()
    pairs -= xlogy(expected, transitions).sum()
    entropy = float(pairs + xlogy(before, before).sum() + entr(states[first]).sum())
    return _frozen(log_likelihood, filtered, backward, states, expected, entropy)


def _in_logs(log_densities: Array, initial: Array, transitions: Array, first: NDArray[np.bool_]) -> Smoothed:
    """The same, one row after the other in logarithms: slow, and nothing is lost."""
    log_initial, log_transitions = _logs(initial), _logs(transitions)
    n_samples, n_components = log_densities.shape
    forward, backward = np.empty((2, n_samples, n_components))
    log_likelihood = 0.0
    for t, here in enumerate(log_densities):
        row = log_initial if first[t] else logsumexp(forward[t - 1][:, None] + log_transitions, axis=0)
        scale = logsumexp(row + here)
        if not scale > -np.inf:
            raise _impossible()
        log_likelihood += float(scale)
        forward[t] = row + here - scale
    row = np.zeros(n_components)
    for t in range(n_samples - 1, -1, -1):
        backward[t] = row - logsumexp(row)
        row = (
            np.zeros(n_components) if first[t] else logsumexp(log_transitions + log_densities[t] + backward[t], axis=1)
        )
    log_states = forward + backward
    log_states -= logsumexp(log_states, axis=1, keepdims=True)
    states = np.exp(log_states)
    expected = np.zeros((n_components, n_components))
    entropy = float(entr(states[first]).sum())
    for t in np.flatnonzero(~first).tolist():
        log_pairs = forward[t - 1][:, None] + log_transitions + log_densities[t] + backward[t]
        pairs = np.exp(log_pairs - logsumexp(log_pairs))
        expected += pairs
        entropy += float(entr(pairs).sum() - entr(pairs.sum(axis=1)).sum())
    backward = np.exp(backward)
    return _frozen(log_likelihood, np.exp(forward), backward, states, expected, entropy)


def _frozen(
    log_likelihood: float, filtered: Array, backward: Array, states: Array, transitions: Array, entropy: float
) -> Smoothed:
    for array in (filtered, backward, states, transitions):
        array.flags.writeable = False
    return Smoothed(log_likelihood, filtered, backward, states, transitions, max(entropy, 0.0))
