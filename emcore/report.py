"""What a run says in words and tables: every half-step with its own numbers, and how and why it ended.

Works for every model whose parameters have `columns()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcore.em import History
from emcore.matching import match
from emcore.models import GaussianMixtureParameters

MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 2) -> str:
    """A number for a sentence: `digits` decimals, or the same precision in powers of ten where that shows nothing."""
    if not np.isfinite(value):
        return "undefined"
    if value != 0 and (abs(value) < 0.5 * 10**-digits or abs(value) >= 1e7):
        text = f"{value:.{max(digits - 1, 0)}e}"
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = f"{value:,.{digits}f}"
    return text.replace("-", MINUS)


def significant(value: float) -> str:
    """A number for a sentence to two significant digits: "0.012", "8.4e-7"."""
    mantissa, _, exponent = f"{value:.2g}".partition("e")
    return (mantissa + (f"e{int(exponent)}" if exponent else "")).replace("-", MINUS)


def signed(value: float, digits: int = 2) -> str:
    """`number` with its sign always written."""
    return ("+" if value >= 0 else "") + number(value, digits)


def decimals(parameters: Any) -> int:
    """How many decimals show a hundredth of the narrowest spread of these parameters, from 2 to 8."""
    columns = parameters.columns()
    spreads = [values for name, values in columns.items() if name.startswith("sd")]
    smallest = min((float(values.min()) for values in spreads), default=1.0)
    return int(np.clip(2 - np.floor(np.log10(max(smallest, 1e-12))) - 1, 2, 8)) if smallest < 1 else 2


def place(point: NDArray[np.float64], digits: int) -> str:
    """A point of the data space: "9.70" in 1D, "(9.70, 10.10)" beyond."""
    text = ", ".join(number(coordinate, digits) for coordinate in point)
    return f"({text})" if len(point) > 1 else text


@dataclass(frozen=True)
class Move:
    """The mean that an M-step moved farthest: its component (from 0), how far, and where it is now."""

    component: int
    distance: float
    to: NDArray[np.float64]


def farthest_move(history: History, iteration: int) -> Move:
    """What the M-step that made theta_iteration moved most; `iteration` is 1 or more."""
    before, after = history.parameters[iteration - 1].means, history.parameters[iteration].means
    distances = np.linalg.norm(after - before, axis=1)
    k = int(distances.argmax())
    return Move(k, float(distances[k]), after[k])


def caption(history: History, position: int, *, whole: bool = False) -> str:
    """One sentence on what the half-step at `position` did, with its own numbers.

    With `whole` the sentence at an E-step speaks of the whole iteration that ends with it.
    """
    iteration = position // 2
    name = history.model.objective_name.lower()
    objective = number(float(history.objective[iteration]))
    if position == 0 or (whole and iteration == 0):
        return f"Start: the {name} of these parameters is {objective}."
    if position % 2 == 0 or whole:
        gain = float(history.objective[iteration] - history.objective[iteration - 1])
        move = farthest_move(history, iteration)
        digits = decimals(history.parameters[iteration])
        moved = (
            f"mean {move.component + 1} moved {number(move.distance, digits)} to {place(move.to, digits)}"
            if move.distance > 0
            else "no mean moved"
        )
        title = "Iteration" if whole else "M-step"
        return f"{title} {iteration}: {moved}; {name} {signed(gain)} to {objective}."
    taken = points_taken(history, iteration)
    shares = ", ".join(f"{number(share, 1)}" for share in taken)
    who = "component 1 takes" if len(taken) == 1 else f"components 1 to {len(taken)} take"
    points = f"of {history.n_samples:,} points, {who} {shares}"
    return f"E-step {iteration}: {points}; the bound touches the {name}, {objective}."


@dataclass(frozen=True)
class Captions:
    """A sentence for each position, one for each whole iteration, and a short label for each position."""

    half_steps: tuple[str, ...]
    iterations: tuple[str, ...]
    labels: tuple[str, ...]


def captions(history: History) -> Captions:
    """What the player says at each position of a run."""
    positions = range(history.n_positions)
    name = history.model.objective_name.lower()
    return Captions(
        tuple(caption(history, position) for position in positions),
        tuple(caption(history, position, whole=True) for position in positions[1::2]),
        tuple(
            f"Iteration {position // 2}, {name} {number(float(history.objective[position // 2]))}"
            for position in positions
        ),
    )


def step_names(history: History) -> tuple[str, ...]:
    """The half-step that leads to each position."""
    return ("Start", *("E-step" if position % 2 else "M-step" for position in range(1, history.n_positions)))


def points_taken(history: History, iteration: int) -> NDArray[np.float64]:
    """N_k after the E-step at theta_iteration: the responsibilities of each component, summed over the points.

    Where an M-step followed, its weights are N_k / n, so nothing needs to be computed again.
    """
    if iteration < history.n_iterations and hasattr(history.parameters[iteration + 1], "weights"):
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


def gains(history: History) -> list[float]:
    """What each iteration added to the objective, in nats; 0 for the start."""
    return [0.0, *np.diff(history.objective).tolist()]


@dataclass(frozen=True)
class Change:
    """The parameter that changed most: its name, and by how much, in its own units."""

    name: str
    amount: float


def largest_change(history: History, iteration: int) -> Change | None:
    """The largest absolute change of any parameter in the M-step that made theta_iteration; None at the start."""
    if iteration == 0:
        return None
    before, after = (history.parameters[t].columns() for t in (iteration - 1, iteration))
    amounts = {(name, k): after[name][k] - before[name][k] for name in after for k in range(len(after[name]))}
    name, k = max(amounts, key=lambda key: abs(amounts[key]))
    return Change(f"{name.split(' ')[0]} {k + 1}" + name[len(name.split(" ")[0]) :], float(amounts[name, k]))


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `stopped` as in History, the sentence why, and what to try (empty where nothing is wrong)."""

    stopped: str
    why: str
    advice: str


def outcome(history: History) -> Outcome:
    """How and why the run ended, in words: the gain per point, and the largest change of a parameter beside it."""
    n = history.n_iterations
    iterations = f"{n} iteration{'' if n == 1 else 's'}"
    change = largest_change(history, n)
    beside = (
        f" In that iteration the largest change of a parameter was {significant(change.amount)} ({change.name})."
        if change
        else ""
    )
    if history.stopped == "degenerate":
        return Outcome(
            history.stopped,
            f"Stopped in M-step {n + 1}. {history.reason}",
            "Try another start, fewer components, a tied or spherical covariance, or other data.",
        )
    gain = f"{significant(history.last_gain)} nats per point"
    if history.stopped == "converged":
        advice = (
            "A small gain is no proof of a maximum: the run may be slow, or rest on a saddle. "
            "Lower the tolerance or reseed the start to find out."
        )
        return Outcome(
            history.stopped,
            f"Stopped after {iterations}: the last one gained {gain}, less than the tolerance.{beside}",
            advice,
        )
    if n == 0:
        return Outcome(history.stopped, "No iteration was asked for: this is the start.", "Raise the limit.")
    return Outcome(
        history.stopped,
        f"Stopped at the limit of {iterations}, still gaining: {gain} in the last one.{beside}",
        "Raise the limit of iterations to let it go on.",
    )


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
    now = parameters.columns()
    before = history.parameters[iteration - 1].columns() if iteration else None
    partner: NDArray[np.intp] | None = None
    if truth is not None and isinstance(parameters, GaussianMixtureParameters):
        partner = match(history.parameters[-1], truth)
    true_columns = truth.columns() if truth is not None else {}
    return [
        TableRow(
            k,
            name,
            float(values[k]),
            None if before is None else float(values[k] - before[name][k]),
            float(true_columns[name][partner[k]]) if partner is not None and partner[k] >= 0 else None,
        )
        for k in range(len(parameters.means))
        for name, values in now.items()
    ]
