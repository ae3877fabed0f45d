"""What a run on handwritten digits shows: which digits each component takes, which pixels it is sure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emcore.em import History
from emcore.report import Words, listed, number, signed
from emcore.sources.digits import SIDE

WALL_COLUMNS: Final = 12  # pictures of each digit that are drawn


@dataclass(frozen=True, eq=False)
class Taken:
    """Which digits each component takes: every picture goes to its most probable component.

    Attributes
    ----------
    digits : tuple of int
        The digits that there are.
    counts : ndarray of int, shape (n_digits, n_components)
        Pictures of each digit in each component.
    names : tuple of int or None
        The digit that is most frequent in each component, the smallest of several; None for an empty component.
    n_right : int
        Pictures whose component has the name of their digit.
    """

    digits: tuple[int, ...]
    counts: NDArray[np.int_]
    names: tuple[int | None, ...]
    n_right: int

    @property
    def found(self) -> tuple[int, ...]:
        """The digits after which at least one component is named."""
        return tuple(digit for digit in self.digits if digit in self.names)

    @property
    def confused(self) -> tuple[int, int, int] | None:
        """The most frequent mistake: (pictures, digit, name of the component that takes them); None without any."""
        worst = None
        for digit, row in zip(self.digits, self.counts.tolist(), strict=True):
            for name in self.found:
                count = sum(count for count, other in zip(row, self.names, strict=True) if other == name)
                if name != digit and count > (worst[0] if worst else 0):
                    worst = count, digit, name
        return worst


def taken(history: History, labels: NDArray[np.int_], position: int) -> Taken | None:
    """What the latest E-step of a position says; None at the bare start, when nothing is known."""
    if position == 0:
        return None
    shares = history.posterior((position - 1) // 2).responsibilities
    digits, rows = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(digits), shares.shape[1]), dtype=np.int_)
    np.add.at(counts, (rows, shares.argmax(axis=1)), 1)
    names = tuple(int(digits[column.argmax()]) if column.any() else None for column in counts.T)
    n_right = sum(int(counts[:, k].max()) for k, name in enumerate(names) if name is not None)
    return Taken(tuple(digits.tolist()), counts, names, n_right)


def sure_pixels(history: History, iteration: int) -> NDArray[np.int_]:
    """How many pixels of each component are black, or white, with probability 1 exactly; shape (n_components,)."""
    chances = history.parameters[iteration].success_probabilities
    sure: NDArray[np.int_] = ((chances == 0) | (chances == 1)).sum(axis=1)
    return sure


def impossible(history: History, position: int, row: int) -> NDArray[np.int_] | None:
    """How many of a picture's pixels each component holds impossible, in the E-step of a position; None at the start.

    One such pixel makes the responsibility 0, whatever the other 63 say, and it stays 0 for the rest of the run.
    """
    if position == 0:
        return None
    chances = history.parameters[(position - 1) // 2].success_probabilities
    x = np.asarray(history.X)[row]
    wrong: NDArray[np.int_] = (((chances == 0) & (x == 1)) | ((chances == 1) & (x == 0))).sum(axis=1)
    return wrong


def wall_rows(labels: NDArray[np.int_]) -> NDArray[np.intp]:
    """The rows of the data that are drawn, shape (n_digits, n_columns): the first pictures of each digit."""
    digits = np.unique(labels)
    columns = min(WALL_COLUMNS, *(int((labels == digit).sum()) for digit in digits))
    return np.array([np.flatnonzero(labels == digit)[:columns] for digit in digits])


def wall_shares(history: History, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """The responsibilities for some rows of the data after each E-step: (n_iterations + 1, rows.size, n_components)."""
    drawn = history.model.prepare(np.asarray(history.X)[rows.ravel()])
    return np.array([history.model.e_step(drawn, theta).responsibilities for theta in history.parameters])


def _takes(history: History, iteration: int) -> str:
    # the next M-step has made them its weights: on a long run that spares as many E-steps as it has iterations
    counts = (
        (history.parameters[iteration + 1].weights * history.n_samples).tolist()
        if iteration < history.n_iterations
        else history.posterior(iteration).counts.tolist()
    )
    who = (
        "component 1 takes"
        if len(counts) == 1
        else f"components {listed([str(k + 1) for k in range(len(counts))])} take"
    )
    return f"{who} {listed([number(count, 1) for count in counts])} of {history.n_samples:,} pictures"


def _sharpened(history: History, iteration: int) -> str:
    before, after = (history.parameters[t].success_probabilities for t in (iteration - 1, iteration))
    k, pixel = (int(place) for place in np.unravel_index(np.abs(after - before).argmax(), after.shape))
    if before[k, pixel] == after[k, pixel]:
        return "no pixel changed"
    return (
        f"component {k + 1} changed most in row {pixel // SIDE + 1}, column {pixel % SIDE + 1}: there its probability "
        f"of ink moved {signed(float(after[k, pixel] - before[k, pixel]), 3)} to {number(float(after[k, pixel]), 3)}"
    )


DIGIT_WORDS = Words(_takes, _sharpened)
