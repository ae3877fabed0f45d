"""What a run says in words and tables: every half-step with its own numbers, and how and why it ended.

Works for every model whose parameters have `columns()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcore.em import History
from emcore.matching import match
from emcore.models import GaussianMixture, GaussianMixtureParameters

MINUS = "\N{MINUS SIGN}"


# Below this part of its scale a change is rounding: it is shown as none, or a run at rest would seem to move.
ROUNDING = 1e-12


def number(value: float, digits: int = 2) -> str:
    """A number for a sentence: `digits` decimals, or powers of ten where that shows nothing or far too much."""
    if not np.isfinite(value):
        return "undefined"
    size = abs(value)
    if size >= 1e15 or 0 < size < 0.5 * 10**-digits:
        return significant(value)
    return f"{value + 0.0:,.{digits}f}".replace("-", MINUS)


def significant(value: float) -> str:
    """A number for a sentence to two significant digits: "0.012", "8.4e-7"."""
    mantissa, _, exponent = f"{value:.2g}".partition("e")
    return (mantissa + (f"e{int(exponent)}" if exponent else "")).replace("-", MINUS)


def signed(value: float, digits: int = 2) -> str:
    """`number` with its sign always written."""
    return ("+" if value >= 0 else "") + number(value, digits)


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def decimals(parameters: Any) -> int:
    """How many decimals show about a hundredth of the narrowest spread of these parameters.

    At most two more than the widest spread needs: a component that collapses does not make all others print digits
    that mean nothing.
    """
    columns = parameters.columns()
    spreads = np.concatenate([values for name, values in columns.items() if name.startswith("sd")] or [np.ones(1)])

    def needed(spread: float) -> int:
        if spread >= 100:
            return 1 if spread < 1000 else 0
        return 2 if spread >= 1 else min(1 - int(np.floor(np.log10(spread))), 12)

    return min(needed(float(spreads.min())), needed(float(spreads.max())) + 2)


def place(point: NDArray[np.float64], digits: int) -> str:
    """A point of the data space: "9.70" in 1D, "(9.70, 10.10)" beyond."""
    text = ", ".join(number(coordinate, digits) for coordinate in point)
    return f"({text})" if len(point) > 1 else text


def changes(history: History, iteration: int) -> dict[str, NDArray[np.float64]]:
    """What the M-step that made theta_iteration changed: name -> one difference a component, rounding taken as 0.

    Names and units are those of the parameters' `columns`; `iteration` is 1 or more.
    """
    before, after = (history.parameters[t].columns() for t in (iteration - 1, iteration))
    found = {}
    for name, values in after.items():
        scale = np.abs(values)
        if name.startswith("mean"):
            scale = np.maximum(scale, after.get("sd" + name.removeprefix("mean"), scale))
        elif name.startswith(("weight", "correlation")):
            scale = np.ones_like(values)
        difference = values - before[name]
        found[name] = np.where(np.abs(difference) <= ROUNDING * scale, 0.0, difference)
    return found


def gains(history: History) -> NDArray[np.float64]:
    """What each iteration added to the objective, shape (n_iterations + 1,), 0 for the start; rounding taken as 0."""
    gained = np.diff(history.objective, prepend=history.objective[0])
    scale = np.maximum(np.abs(history.objective), history.n_samples)
    return np.where(np.abs(gained) <= ROUNDING * scale, 0.0, gained)


def objective_text(history: History, iteration: int) -> str:
    """The objective of theta_iteration, for a sentence."""
    return number(float(history.objective[iteration]), _objective_digits(history))


def _objective_digits(history: History) -> int:
    """Of a handful of points every digit is worth checking by hand."""
    return 4 if np.abs(history.objective).max() < 100 else 2


@dataclass(frozen=True)
class Words:
    """What the half-steps of a model do, each as a clause with its own numbers: of a run and an iteration.

    Attributes
    ----------
    e_step : callable
        What the E-step at theta_iteration found: "component 1 takes 25.0 of 50 points".
    m_step : callable
        What the M-step that made theta_iteration, 1 or more, changed: "mean 1 moved 0.12 to 4.05".
    """

    e_step: Callable[[History, int], str]
    m_step: Callable[[History, int], str]


def caption(history: History, position: int, *, whole: bool = False, words: Words | None = None) -> str:
    """One sentence on what the half-step at `position` did, with its own numbers.

    With `whole` the sentence at an E-step speaks of the whole iteration that ends with it. Without `words` the model
    is one of clusters.
    """
    words = words or CLUSTER_WORDS
    iteration = position // 2
    name = history.model.objective_name.lower()
    objective = objective_text(history, iteration)
    if position == 0 or (whole and iteration == 0):
        return f"Start: the {name} of these parameters is {objective}."
    if position % 2 == 0 or whole:
        title = "Iteration" if whole else "M-step"
        gain = float(gains(history)[iteration])
        climbed = f"{signed(gain, _objective_digits(history))} to {objective}" if gain else f"unchanged at {objective}"
        return f"{title} {iteration}: {words.m_step(history, iteration)}; {name} {climbed}."
    reached = (
        f"the {name} is now {objective}"
        if name.endswith("lower bound")  # the objective is one itself
        else f"the lower bound now equals the {name}, {objective}"
    )
    return f"E-step {iteration}: {words.e_step(history, iteration)}; {reached}."


def _shares(history: History, iteration: int) -> str:
    """How many points each component takes."""
    taken = points_taken(history, iteration)
    who = "component 1 takes" if len(taken) == 1 else f"components {listed(_numbers(len(taken)))} take"
    return f"{who} {listed([number(share, 1) for share in taken.tolist()])} of {_points(history)}"


def _farthest_move(history: History, iteration: int) -> str:
    """What the M-step that made theta_iteration moved most, in words."""
    parts = [values for name, values in changes(history, iteration).items() if name.startswith("mean")]
    distances = np.linalg.norm(parts, axis=0)
    k = int(distances.argmax())
    if distances[k] == 0:
        return "no mean moved"
    parameters = history.parameters[iteration]
    digits = decimals(parameters)
    return f"mean {k + 1} moved {number(float(distances[k]), digits)} to {place(parameters.means[k], digits)}"


CLUSTER_WORDS = Words(_shares, _farthest_move)


def _numbers(count: int) -> list[str]:
    return [str(k + 1) for k in range(count)]


def _points(history: History) -> str:
    return f"{history.n_samples:,} point{'' if history.n_samples == 1 else 's'}"


@dataclass(frozen=True)
class Captions:
    """A sentence for each position, one for each whole iteration, and a short label for each position."""

    half_steps: tuple[str, ...]
    iterations: tuple[str, ...]
    labels: tuple[str, ...]


def captions(history: History, words: Words | None = None) -> Captions:
    """What the player says at each position of a run; without `words` the model is one of clusters."""
    positions = range(history.n_positions)
    name = history.model.objective_name.lower()
    return Captions(
        tuple(caption(history, position, words=words) for position in positions),
        tuple(caption(history, position, whole=True, words=words) for position in positions[1::2]),
        tuple(f"Iteration {position // 2}, {name} {objective_text(history, position // 2)}" for position in positions),
    )


def step_names(history: History) -> tuple[str, ...]:
    """The half-step that leads to each position."""
    return ("Start", *("E-step" if position % 2 else "M-step" for position in range(1, history.n_positions)))


def points_taken(history: History, iteration: int) -> NDArray[np.float64]:
    """N_k after the E-step at theta_iteration: the responsibilities of each component, summed over the points.

    Where an M-step of maximum likelihood followed, its weights are N_k / n, so nothing needs to be computed again.
    """
    plain = isinstance(history.model, GaussianMixture) and history.model.prior is None
    if plain and iteration < history.n_iterations:
        counts: NDArray[np.float64] = history.parameters[iteration + 1].weights * history.n_samples
        return counts
    summed: NDArray[np.float64] = history.posterior(iteration).responsibilities.sum(axis=0)
    return summed


def responsibilities_of(history: History, position: int, row: int) -> NDArray[np.float64] | None:
    """The responsibilities for one point, shape (n_components,), as at `position`; None at the bare start."""
    if position == 0:
        return None
    parameters = history.parameters[(position - 1) // 2]
    shares: NDArray[np.float64] = history.model.e_step(history.X[row : row + 1], parameters).responsibilities[0]
    return shares


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `stopped` as in History, the sentence why, and what to try."""

    stopped: str
    why: str
    advice: str


def outcome(history: History) -> Outcome:
    """How and why the run ended, in words: the gain per point, and the largest change of a parameter beside it."""
    n = history.n_iterations
    name = history.model.objective_name.lower()
    reached = f"{n} iteration{'' if n == 1 else 's'}, at {name} {objective_text(history, n)}"
    if history.stopped == "degenerate":
        return Outcome(history.stopped, f"M-step {n + 1} of this run has no result. {history.reason}", history.advice)
    if n == 0:
        return Outcome(history.stopped, "No iteration was asked for: this is the start.", "Raise the limit.")
    only = "One component has one maximum, and this is it."
    single = history.model.n_components == 1 and hasattr(history.parameters[0], "means")
    if gains(history)[-1] == 0 and _largest_change(history) is None:
        rest = "It may rest on a maximum or on a saddle: reseed the start to find out."
        return Outcome(
            history.stopped,
            f"After {reached}: nothing changed any more in the last one.",
            only if single else rest,
        )
    gain = f"{significant(history.last_gain)} {history.model.objective_unit} per point"
    change = _largest_change(history) or "none"
    beside = f"The largest change of a parameter in it was {change}."
    if history.stopped == "converged":
        return Outcome(
            history.stopped,
            f"After {reached}: the last one gained {gain}, less than the tolerance. {beside}",
            only
            if single
            else "A small gain is no proof of a maximum: the run may be slow, or rest on a saddle. "
            "Lower the tolerance or reseed the start to find out.",
        )
    return Outcome(
        history.stopped,
        f"After {reached}: the last one still gained {gain}. {beside}",
        "Raise the limit of iterations to let it go on.",
    )


def _largest_change(history: History) -> str | None:
    """The largest absolute change of any parameter in the last iteration, with its name; None if nothing changed."""
    amounts = {
        (name, k): float(amount)
        for name, values in changes(history, history.n_iterations).items()
        for k, amount in enumerate(values)
    }
    name, k = max(amounts, key=lambda key: abs(amounts[key]))
    if amounts[name, k] == 0:
        return None
    kind, _, axis = name.partition(" ") if name.startswith(("mean", "sd", "correlation")) else (name, "", "")
    which = f" {k + 1}" if len(amounts) > 1 else ""
    return f"{significant(amounts[name, k])} ({kind}{which}{axis and ', ' + axis})"


def comparison(history: History, other: float) -> str:
    """How this run's end compares with the end of an earlier one on the same data with the same model."""
    last = float(history.objective[-1])
    name = history.model.objective_name.lower()
    difference = last - other
    digits = _objective_digits(history)
    if abs(difference) < 0.5 * 10**-digits:  # as far as it is shown
        return f"The run before this one ended at the same {name}, {number(other, digits)}."
    higher = "higher" if difference > 0 else "lower"
    ended = f"The run before this one ended at {number(other, digits)}"
    return f"{ended}: this one is {number(abs(difference), digits)} {higher}."


@dataclass(frozen=True)
class TableRow:
    """One parameter of one component: now, its change in the last M-step, the truth (None where there is none)."""

    component: int
    name: str
    value: float
    change: float | None
    truth: float | None


def parameter_table(history: History, position: int, truth: GaussianMixtureParameters | None = None) -> list[TableRow]:
    """The parameters at `position`, a row for each parameter of each component (numbered from 0).

    The truth stands beside the component that it is matched to at the end of the run (`matching.match`), whatever its
    own number, so that it stays where it is while the run is stepped.
    """
    iteration = position // 2
    parameters = history.parameters[iteration]
    changed = changes(history, iteration) if iteration else None
    partner: NDArray[np.intp] | None = None
    if truth is not None and isinstance(parameters, GaussianMixtureParameters):
        partner = match(history.parameters[-1], truth)
    true_columns = truth.columns() if truth is not None else {}
    return [
        TableRow(
            k,
            name,
            float(values[k]),
            None if changed is None else float(changed[name][k]),
            float(true_columns[name][partner[k]]) if partner is not None and partner[k] >= 0 else None,
        )
        for k in range(len(parameters.means))
        for name, values in parameters.columns().items()
    ]
