"""What a run of a hidden Markov model shows and says: its pictures as arrays, the numbers of one step, and sentences.

As in `emcore.scene`, what is known of the states is that of the latest E-step, and parameters are those in force.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emcore.em import DegenerateFit, History
from emcore.models import (
    CategoricalHiddenMarkov,
    CategoricalHiddenMarkovParameters,
    GaussianHiddenMarkov,
    GaussianHiddenMarkovParameters,
    GaussianMixture,
    viterbi,
)
from emcore.models.hidden_markov import Path, symbol_counts, viterbi_paths
from emcore.report import Words, listed, number, signed, significant
from emcore.sources.sequences import Sequences

Array = NDArray[np.float64]

GRID_POINTS: Final = 161  # of a density's curve
REACH: Final = 0.12  # room above and below the measurements, as a part of their range
MOST_PLACES: Final = 6  # that a sentence lists


# ---- Pictures ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ChainScene:
    """A run on sequences, ready to be drawn; T is its number of iterations, K that of its states.

    Attributes
    ----------
    values : ndarray of shape (n_samples,)
        What was observed: measurements, or the number of the symbol from 0.
    borders : tuple of int
        The rows at which a sequence begins, but for the first.
    responsibilities : ndarray of shape (T + 1, n_samples, K)
    paths : ndarray of int of shape (T + 1, n_samples)
        The most probable path of the parameters of each iteration.
    true_path : ndarray of shape (n_samples,), or None
        The found state that stands for the true one at each row; NaN where none does. None where nobody knows.
    initial, transitions : ndarray of shape (T + 1, K[, K])
    probabilities : ndarray of shape (T + 1, K, n_symbols), or None
    means, sds : ndarray of shape (T + 1, K), or None
    grid, densities : ndarray of shape (n_grid,) and (T + 1, K, n_grid), or None
        Each state's density along the axis of the measurements.
    true_emissions : ndarray of shape (K, n_symbols or n_grid), or None
        The true probabilities, or densities over `grid`, of the state that each found one stands for; NaN for none.
    """

    values: Array
    borders: tuple[int, ...]
    responsibilities: Array
    paths: NDArray[np.intp]
    true_path: Array | None
    initial: Array
    transitions: Array
    probabilities: Array | None
    means: Array | None
    sds: Array | None
    grid: Array | None
    densities: Array | None
    true_emissions: Array | None

    @property
    def n_iterations(self) -> int:
        """T."""
        return len(self.paths) - 1

    @property
    def n_components(self) -> int:
        """K."""
        return int(self.responsibilities.shape[2])

    @property
    def differs(self) -> NDArray[np.bool_]:
        """Where the most probable path is not in the likeliest state of the step, shape (T + 1, n_samples)."""
        return np.asarray(self.paths != self.responsibilities.argmax(axis=2))


def chain_scene(history: History, sequences: Sequences) -> ChainScene:
    """The arrays of a run's pictures, read-only: an E-step and a most probable path for each of its iterations."""
    model, thetas = history.model, history.parameters
    values = sequences.X[:, 0]
    responsibilities = np.array([history.posterior(t).responsibilities for t in range(len(thetas))])
    paths, _ = viterbi_paths(model, history.prepared, thetas)
    partner = matched(history, sequences)
    symbolic = isinstance(thetas[0], CategoricalHiddenMarkovParameters)
    means = sds = grid = densities = probabilities = true_emissions = None
    if symbolic:
        probabilities = np.array([theta.probabilities for theta in thetas])
    else:
        means = np.array([theta.means[:, 0] for theta in thetas])
        sds = np.array([theta.sds[:, 0] for theta in thetas])
        margin = REACH * float(np.ptp(values))
        grid = np.linspace(float(values.min()) - margin, float(values.max()) + margin, GRID_POINTS)
        densities = _normal(grid, means, sds)
    if partner is not None:
        truth = sequences.truth
        emissions = truth.probabilities if grid is None else _normal(grid, truth.means[:, 0], truth.sds[:, 0])
        true_emissions = np.where(partner[:, None] >= 0, emissions[partner], np.nan)
    scene = ChainScene(
        values,
        tuple(np.cumsum(sequences.lengths)[:-1].tolist()),
        responsibilities,
        paths,
        None if partner is None else _stand_ins(partner, sequences),
        np.array([theta.initial for theta in thetas]),
        np.array([theta.transitions for theta in thetas]),
        probabilities,
        means,
        sds,
        grid,
        densities,
        true_emissions,
    )
    for array in vars(scene).values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return scene


def _normal(grid: Array, means: Array, sds: Array) -> Array:
    """Densities N(grid | mean, sd^2), shape (*means.shape, n_grid)."""
    standard = (grid - means[..., None]) / sds[..., None]
    return np.asarray(np.exp(-0.5 * standard**2) / (np.sqrt(2 * np.pi) * sds[..., None]))


def matched(history: History, sequences: Sequences) -> NDArray[np.intp] | None:
    """The true state that each found one stands for at the end of the run, shape (K,); -1 for none, None if unknown.

    States have no order of their own: the assignment under which most of the responsibility lies where the true
    states are.
    """
    if sequences.states is None:
        return None
    responsibilities = history.posterior(history.n_iterations).responsibilities
    shared = np.array([responsibilities[sequences.states == k].sum(axis=0) for k in range(len(sequences.state_names))])
    true, found = linear_sum_assignment(-shared)
    partner = np.full(responsibilities.shape[1], -1, dtype=np.intp)
    partner[found] = true
    return partner


def _stand_ins(partner: NDArray[np.intp], sequences: Sequences) -> Array:
    """The found state that stands for the true one at each row, NaN where none does."""
    found = np.full(len(sequences.state_names), np.nan)
    for k, true in enumerate(partner.tolist()):
        if true >= 0:
            found[true] = k
    return np.asarray(found[sequences.states])


def names_of_states(history: History, sequences: Sequences, truth: bool = True) -> tuple[str, ...]:
    """What to call each found state: its number, and with `truth` the true one that it stands for at the end."""
    partner = matched(history, sequences) if truth else None
    numbers = range(history.model.n_components)
    if partner is None:
        return tuple(f"State {k + 1}" for k in numbers)
    true = [sequences.state_names[j] if j >= 0 else "" for j in partner.tolist()]
    return tuple(f"State {k + 1}" + (f" ({true[k]})" if true[k] else "") for k in numbers)


# ---- One step ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class StepReading:
    """What is known of the hidden state at one step, and how it comes about; every array has shape (K,).

    Attributes
    ----------
    row : int
        The row of X, from 0.
    begins, ends : bool
        Whether a sequence begins or ends here.
    predicted : ndarray
        p(z_t | x_1 ... x_{t-1}): the past alone; the initial probabilities where a sequence begins.
    densities : ndarray
        p(x_t | z_t): the present alone.
    filtered : ndarray
        p(z_t | x_1 ... x_t): predicted times density, divided by the sum.
    backward : ndarray
        p(x_{t+1} ... | z_t), divided by its sum: the future alone.
    smoothed : ndarray
        p(z_t | X): filtered times backward, divided by the sum. The responsibilities.
    """

    row: int
    begins: bool
    ends: bool
    predicted: Array
    densities: Array
    filtered: Array
    backward: Array
    smoothed: Array

    @property
    def predictive(self) -> float:
        """p(x_t | x_1 ... x_{t-1}), the sum that divides: over all steps their logarithms add up to log p(X)."""
        return float(self.predicted @ self.densities)

    @property
    def overlap(self) -> float:
        """The sum of filtered times backward, which divides them."""
        return float(self.filtered @ self.backward)


def read_step(history: History, position: int, row: int) -> StepReading | None:
    """Forward-backward at one row, as the latest E-step worked it; None at the bare start.

    ValueError if there is no such row.
    """
    if not 0 <= row < history.n_samples:
        raise ValueError(f"row must be from 0 to {history.n_samples - 1}, got {row}")
    if position == 0:
        return None
    posterior = history.posterior((position - 1) // 2)
    theta, first = posterior.parameters, history.prepared.first
    begins = bool(first[row])
    predicted = theta.initial if begins else posterior.filtered[row - 1] @ theta.transitions
    densities = np.exp(history.model.log_densities(history.prepared, theta)[row])
    ends = row == history.n_samples - 1 or bool(first[row + 1])
    return StepReading(
        row,
        begins,
        ends,
        predicted,
        densities,
        posterior.filtered[row],
        posterior.backward[row],
        posterior.responsibilities[row],
    )


@dataclass(frozen=True, eq=False)
class ExpectedCounts:
    """What the M-step divides: expected counts of the latest E-step, and the parameters that they make.

    Attributes
    ----------
    states, initial : ndarray of shape (K,)
        Steps that each state takes, and sequences that it begins.
    transitions : ndarray of shape (K, K)
        [i, j] is how often j follows i.
    symbols : ndarray of shape (K, n_symbols), or None
        How often each state shows each symbol; None for measurements.
    parameters
        What the M-step makes of them; None where it has no result.
    """

    states: Array
    initial: Array
    transitions: Array
    symbols: Array | None
    parameters: Any


def expected_counts(history: History, position: int) -> ExpectedCounts | None:
    """The counts of the latest E-step; None at the bare start."""
    if position == 0:
        return None
    iteration = (position - 1) // 2
    posterior = history.posterior(iteration)
    symbolic = isinstance(history.parameters[0], CategoricalHiddenMarkovParameters)
    if iteration < history.n_iterations:
        after = history.parameters[iteration + 1]
    else:
        try:
            after = history.model.m_step(history.prepared, posterior)
        except DegenerateFit:
            after = None
    return ExpectedCounts(
        posterior.counts,
        posterior.initial_counts,
        posterior.transition_counts,
        symbol_counts(history.prepared, posterior) if symbolic else None,
        after,
    )


def step_table(history: History, sequences: Sequences, position: int) -> dict[str, list[Any]]:
    """Every step in a row, as columns: what was observed, and as far as it is known where the chain was."""
    n_samples, k = history.n_samples, history.model.n_components
    lengths = sequences.lengths or (n_samples,)
    columns: dict[str, list[Any]] = {sequences.step: list(range(1, n_samples + 1))}
    if len(lengths) > 1:
        columns["sequence"] = np.repeat(np.arange(1, len(lengths) + 1), lengths).tolist()
    columns[sequences.axis] = [
        sequences.symbols[int(value)] if sequences.symbols else value for value in sequences.X[:, 0].tolist()
    ]
    found = compare_paths(history, sequences, position)
    if found is not None:
        responsibilities = history.posterior((position - 1) // 2).responsibilities
        columns |= {f"p(state {j + 1})": responsibilities[:, j].tolist() for j in range(k)}
        columns["likeliest state"] = (found.likeliest + 1).tolist()
        columns["Viterbi path"] = (found.path.states + 1).tolist()
    if sequences.states is not None:
        columns["truth"] = [sequences.state_names[state] for state in sequences.states.tolist()]
    return columns


@dataclass(frozen=True)
class Entry:
    """One parameter of one state.

    Attributes
    ----------
    column : str
        What it is: "start", "→ 2", "p(3)", "mean", "sd".
    value : float
        In force now.
    count : float or None
        The expected count that the next M-step divides; None for means and sds, and at the bare start.
    next : float or None
        What that M-step makes of it; None at the bare start, or where it has no result.
    truth : float or None
        Of the true state that this one stands for; None where nobody knows, or none does.
    """

    column: str
    value: float
    count: float | None
    next: float | None
    truth: float | None


def entries(history: History, sequences: Sequences, position: int) -> list[list[Entry]]:
    """The parameters at `position`, a list for each state; the counts are those of the latest E-step."""
    theta = history.parameters[position // 2]
    counts = expected_counts(history, position)
    partner = matched(history, sequences)
    states = range(theta.n_components)
    columns = ["start", *(f"\N{RIGHTWARDS ARROW} {j + 1}" for j in states)]
    columns += [f"p({symbol})" for symbol in sequences.symbols] or ["mean", "sd"]
    rows = []
    for i in states:
        counted: list[float] = []
        if counts is not None:
            counted = [counts.initial[i], *counts.transitions[i]]
            counted += [] if counts.symbols is None else [*counts.symbols[i]]
        after = _values(counts.parameters, i, states) if counts and counts.parameters else []
        true = [] if partner is None or partner[i] < 0 else _values(sequences.truth, int(partner[i]), partner.tolist())
        rows.append(
            [
                Entry(name, now, *(_at(values, place) for values in (counted, after, true)))
                for place, (name, now) in enumerate(zip(columns, _values(theta, i, states), strict=True))
            ]
        )
    return rows


def _values(parameters: Any, state: int, goals: Iterable[int]) -> list[float]:
    """One state's parameters in the order of the table, transitions to `goals`; NaN where there is no such goal."""
    row = [parameters.initial[state]]
    row += [parameters.transitions[state, goal] if goal >= 0 else np.nan for goal in goals]
    if isinstance(parameters, CategoricalHiddenMarkovParameters):
        row += [*parameters.probabilities[state]]
    else:
        row += [parameters.means[state, 0], parameters.sds[state, 0]]
    return [float(value) for value in row]


def _at(values: list[float], place: int) -> float | None:
    return float(values[place]) if place < len(values) and np.isfinite(values[place]) else None


# ---- The most probable path -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Paths:
    """The most probable path beside the likeliest state of every step.

    Attributes
    ----------
    path : Path
        The states, and log p(X, Z) of it.
    log_share : float
        log p(Z | X): what part of the posterior is this one path.
    likeliest : ndarray of int of shape (n_samples,)
        The state with the largest responsibility at each step.
    differs : ndarray of int
        The rows where these two are not the same.
    log_share_of_likeliest : float
        log p(Z | X) of the path through the likeliest states; minus infinity if it cannot happen.
    right : tuple of two floats, or None
        The part of the steps at which the path, and the likeliest state, are the true one; None where nobody knows.
    """

    path: Path
    log_share: float
    likeliest: NDArray[np.intp]
    differs: NDArray[np.intp]
    log_share_of_likeliest: float
    right: tuple[float, float] | None


def compare_paths(history: History, sequences: Sequences, position: int) -> Paths | None:
    """The two ways to say where the chain has been, by the latest E-step; None at the bare start."""
    if position == 0:
        return None
    model, X = history.model, history.prepared
    posterior = history.posterior((position - 1) // 2)
    theta = posterior.parameters
    path = viterbi(model, X, theta)
    likeliest = posterior.responsibilities.argmax(axis=1)
    partner = matched(history, sequences)
    right = None
    if partner is not None and sequences.states is not None:
        along, each = (float((partner[states] == sequences.states).mean()) for states in (path.states, likeliest))
        right = along, each
    with np.errstate(divide="ignore"):
        initial, transitions = np.log(theta.initial), np.log(theta.transitions)
    steps = model.log_densities(X, theta)[np.arange(len(likeliest)), likeliest]
    moves = np.where(X.first[1:], initial[likeliest[1:]], transitions[likeliest[:-1], likeliest[1:]])
    joint = float(initial[likeliest[0]] + moves.sum() + steps.sum())
    return Paths(
        path,
        path.log_probability - posterior.objective,
        likeliest,
        np.flatnonzero(path.states != likeliest),
        joint - posterior.objective,
        right,
    )


def about_paths(found: Paths, sequences: Sequences, truth: bool = True) -> str:
    """Where the most probable path and the likeliest states differ, and why; with `truth` how often each is right."""
    step = sequences.step
    said = [f"The Viterbi path, the most probable one, holds {share_text(found.log_share)} of the posterior"]
    if not len(found.differs):
        said[0] += f". It passes through the likeliest state of every {step}."
    else:
        count = f"{len(found.differs)} {step}{'' if len(found.differs) == 1 else 's'}"
        shown = [str(row + 1) for row in found.differs[:MOST_PLACES].tolist()]
        more = len(found.differs) - MOST_PLACES
        where = f"{', '.join(shown)} and {more} more" if more > 0 else listed(shown)
        said[0] += f". It is in another than the likeliest state at {count}: {where}."
        if found.log_share_of_likeliest == -np.inf:
            said.append(
                f"The likeliest states judge every {step} by itself, and cannot follow each other as they do: one of "
                "their changes has probability 0."
            )
        else:
            times = float(np.exp(min(found.log_share - found.log_share_of_likeliest, 700.0)))
            said.append(
                f"The likeliest states judge every {step} by itself; a path pays for each change of state. As one "
                f"whole the path is {times_text(times)} times as probable as the likeliest states in a row."
            )
    if truth and found.right is not None:
        path, likeliest = (number(100 * share, 0) for share in found.right)
        said.append(f"Right by the truth: {path} % of the {step}s on the path, {likeliest} % by the likeliest states.")
    return " ".join(said)


def chance(probability: float, digits: int = 2) -> str:
    """A probability for a table or a picture: what would be written as 0 or as 1, and is not quite, says so."""
    least = 0.5 * 10**-digits
    if 0 < probability < least:
        return f"< {2 * least:.{digits}f}"
    if 1 - least < probability < 1:
        return f"> {1 - 2 * least:.{digits}f}"
    return f"{probability:.{digits}f}"


def counted(count: float) -> str:
    """An expected count for a table: what would be written as 0, and is not, says so."""
    return "< 0.01" if 0 < count < 0.005 else f"{count:,.2f}"


def times_text(ratio: float) -> str:
    """A ratio above 1 for a sentence: "3.1", "120", "4.2e9"."""
    return number(ratio, 1) if ratio < 100 else number(ratio, 0) if ratio < 1e6 else significant(ratio)


def share_text(log_share: float) -> str:
    """A part of 1 from its logarithm, as people read it: "12 %", "0.3 %", "1 part in 10²²"."""
    if log_share > np.log(0.001):
        return f"{significant(100 * float(np.exp(min(log_share, 0.0))))} %"
    power = f"{-log_share / np.log(10):.0f}"
    return "1 part in 10" + power.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


# ---- A question -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lonely:
    """The step whose neighbours say most against what it shows by itself, at the end of a run.

    Attributes
    ----------
    row : int
    state : int
        The state that the observation by itself speaks for.
    alone, filtered, smoothed : float
        Its probability by the observation alone (and how often each state is taken), with the past, and with all.
    """

    row: int
    state: int
    alone: float
    filtered: float
    smoothed: float


def loneliest(history: History) -> Lonely | None:
    """Where the whole sequence corrects most what an observation by itself makes more likely than not, to less likely
    than not; None where it never does."""
    posterior = history.posterior(history.n_iterations)
    log_densities = history.model.log_densities(history.prepared, posterior.parameters)
    weighted = np.exp(log_densities - log_densities.max(axis=1, keepdims=True)) * posterior.counts
    alone = weighted / weighted.sum(axis=1, keepdims=True)
    state = alone.argmax(axis=1)
    rows = np.arange(len(state))
    before, after = alone[rows, state], posterior.responsibilities[rows, state]
    lost = np.where((before > 0.5) & (after < 0.5), before - after, 0.0)
    row = int(lost.argmax())
    if lost[row] == 0:
        return None
    k = int(state[row])
    shares = (alone[row, k], posterior.filtered[row, k], posterior.responsibilities[row, k])
    return Lonely(row, k, *(float(share) for share in shares))


# ---- Starts -----------------------------------------------------------------------------------------------


def beginning(name: str, model: GaussianHiddenMarkov | CategoricalHiddenMarkov, sequences: Sequences) -> Any:
    """The parameters of a start called "alike" or "truth"; None for "random", which the model makes itself.

    ValueError for another name, or a truth that is unknown or of another number of states.
    """
    if name == "random":
        return None
    if name == "alike":
        return alike(model, sequences.X)
    if name != "truth" or sequences.truth is None or sequences.truth.n_components != model.n_components:
        raise ValueError(f"the start must be random, alike, or a truth of {model.n_components} states, got {name!r}")
    truth = sequences.truth
    if isinstance(model, GaussianHiddenMarkov) and model.covariance_type == "tied":
        gaussians = GaussianMixture(model.n_components, "tied").constrain(truth.gaussians)
        return GaussianHiddenMarkovParameters(
            truth.initial, truth.transitions, gaussians.means, gaussians.covariances, "tied"
        )
    return truth


def alike(model: GaussianHiddenMarkov | CategoricalHiddenMarkov, X: Any) -> Any:
    """A start in which nothing tells the states apart: all show what the whole data show, whatever came before."""
    k = model.n_components
    equal = np.full(k, 1 / k)
    if isinstance(model, CategoricalHiddenMarkov):
        symbols = model.prepare(X).symbols
        shares = np.bincount(symbols, minlength=model.n_symbols) / len(symbols)
        return CategoricalHiddenMarkovParameters(equal, np.tile(equal, (k, 1)), np.tile(shares, (k, 1)))
    points = model.prepare(X).points.X
    gaussians = GaussianMixture(k, model.covariance_type).from_means(points, np.tile(points.mean(axis=0), (k, 1)))
    return GaussianHiddenMarkovParameters(
        equal, np.tile(equal, (k, 1)), gaussians.means, gaussians.covariances, model.covariance_type
    )


# ---- Words ------------------------------------------------------------------------------------------------


def observed(sequences: Sequences, row: int) -> str:
    """What was observed at a row, for a sentence."""
    value = float(sequences.X[row, 0])
    return sequences.symbols[int(value)] if sequences.symbols else number(value, 2)


def words(sequences: Sequences) -> Words:
    """What the half-steps of a run on these sequences do."""
    step = sequences.step

    def e_step(history: History, iteration: int) -> str:
        posterior = history.posterior(iteration)
        counts = [number(count, 1) for count in posterior.counts.tolist()]
        who = "state 1 takes" if len(counts) == 1 else f"states {listed([str(k + 1) for k in range(len(counts))])} take"
        changes = float(posterior.transition_counts.sum() - np.trace(posterior.transition_counts))
        text = f"{who} {listed(counts)} of {history.n_samples:,} {step}s"
        return text if len(counts) == 1 else f"{text}, with {number(changes, 1)} changes expected"

    def m_step(history: History, iteration: int) -> str:
        return farthest_change(history.parameters[iteration - 1], history.parameters[iteration], sequences)

    return Words(e_step, m_step)


def farthest_change(before: Any, after: Any, sequences: Sequences) -> str:
    """What an M-step changed most, in words: probabilities as they are, means and sds in sds."""
    k_names = [str(k + 1) for k in range(after.n_components)]
    candidates: list[tuple[float, str]] = []

    def add(name: str, old: float, new: float, scale: float = 1.0, digits: int = 0) -> None:
        now = number(new, digits) if digits else chance(new, 3)
        candidates.append((abs(new - old) / scale, f"{name} {signed(new - old, digits or 3)} to {now}"))

    for i, origin in enumerate(k_names):
        add(f"p(begins in {origin})", before.initial[i], after.initial[i])
        for j, goal in enumerate(k_names):
            add(f"p({origin} \N{RIGHTWARDS ARROW} {goal})", before.transitions[i, j], after.transitions[i, j])
    if isinstance(after, GaussianHiddenMarkovParameters):
        for k, name in enumerate(k_names):
            scale = float(after.sds[k, 0])
            digits = 2 if scale >= 0.5 else min(2 - int(np.floor(np.log10(scale))), 12)
            add(f"mean {name}", before.means[k, 0], after.means[k, 0], scale, digits)
            add(f"sd {name}", before.sds[k, 0], after.sds[k, 0], scale, digits)
    else:
        for k, name in enumerate(k_names):
            for m, symbol in enumerate(sequences.symbols):
                add(f"p({symbol} | state {name})", before.probabilities[k, m], after.probabilities[k, m])
    size, text = max(candidates)
    return f"most changed: {text}" if size > 1e-12 else "nothing changed"
