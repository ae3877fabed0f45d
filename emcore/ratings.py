"""What a run that fills a table of ratings says in numbers: cells, errors of hidden ratings, somebody new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emcore.em import History
from emcore.experiment import Experiment, kept
from emcore.models import MissingNormal
from emcore.report import Words, number, signed
from emcore.sources.ratings import BEST, WORST, RatingsData

Array = NDArray[np.float64]

BEGINNINGS: Final = {"independent": "Without correlation", "random": "Random correlations"}
SAME: Final = 0.005  # stars: errors that are no farther apart count as the same


@dataclass(frozen=True, eq=False)
class Filling:
    """The table as each E-step fills it.

    Attributes
    ----------
    filled : ndarray of shape (n_iterations + 1, n_samples, n_features)
        The ratings that were seen, and what is expected of the others: it may lie beyond 1 to 5.
    sds : ndarray of shape (n_iterations + 1, n_samples, n_features)
        How uncertain each is, in stars: 0 for one that was seen.
    """

    filled: Array
    sds: Array


def filling(experiment: Experiment) -> Filling:
    """The table as each E-step of this run fills it (kept for all visitors)."""

    def make() -> Filling:
        history = experiment.history()
        posteriors = [history.posterior(t) for t in range(history.n_iterations + 1)]
        filled, sds = np.array([each.filled for each in posteriors]), np.array([each.sds for each in posteriors])
        for array in (filled, sds):
            array.flags.writeable = False
        return Filling(filled, sds)

    found: Filling = kept(("ratings filled", experiment), make)
    return found


# ---- Errors -----------------------------------------------------------------------------------------------

MEANS: Final = ("Mean of the dish", "Mean of the person", "Dish and person")


@dataclass(frozen=True, eq=False)
class Errors:
    """How far predictions are from ratings that the fit did not see: roots of mean squares, in stars.

    Attributes
    ----------
    hidden, never : ndarray of shape (n_iterations + 1,)
        Of EM after each E-step, over the ratings hidden on purpose, and over those that were never given. NaN where
        there are none.
    means_hidden, means_never : ndarray of shape (3,)
        Of filling in averages instead, as MEANS names them.
    """

    hidden: Array
    never: Array
    means_hidden: Array
    means_never: Array

    @property
    def best(self) -> int:
        """The iteration with the smallest error of hidden ratings."""
        return int(np.argmin(self.hidden))


def errors(table: Filling, data: RatingsData) -> Errors:
    """The errors of EM by iteration, and of three ways to fill in averages."""
    means = mean_fillings(data.X)
    return Errors(
        _misses(table.filled, data.whole, data.hidden),
        _misses(table.filled, data.whole, data.never),
        _misses(means, data.whole, data.hidden),
        _misses(means, data.whole, data.never),
    )


def mean_fillings(X: Array) -> Array:
    """Each cell filled with an average of what was seen, as MEANS names them, shape (3, n_samples, n_features).

    The third is the mean of the dish, plus how much more than others the person gave on average to what the person
    rated. Somebody without any rating counts as average.
    """
    seen = ~np.isnan(X)
    counts = seen.sum(axis=1)
    dish = np.nanmean(X, axis=0)
    more = np.where(seen, X - dish, 0.0).sum(axis=1) / np.maximum(counts, 1)
    person = np.where(seen, X, 0.0).sum(axis=1) / np.maximum(counts, 1)
    person = np.where(counts > 0, person, X[seen].mean())
    fillings = [np.broadcast_to(dish, X.shape), np.broadcast_to(person[:, None], X.shape), dish + more[:, None]]
    return np.array(fillings)


def _misses(filled: Array, whole: Array, cells: NDArray[np.bool_]) -> Array:
    """The root mean square of what each filling is wrong by, over these cells."""
    if not cells.any():
        return np.full(len(filled), np.nan)
    misses: Array = np.sqrt(np.mean((filled - whole)[:, cells] ** 2, axis=1))
    return misses


@dataclass(frozen=True)
class Answer:
    """What became of the error of hidden ratings.

    Attributes
    ----------
    course : int
        0: it was smallest at the end; 1: it fell and rose again; 2: it was smallest at the start.
    first, best, last : float
        In stars.
    best_iteration : int
    """

    course: int
    first: float
    best: float
    last: float
    best_iteration: int


def course(found: Errors) -> Answer:
    """What became of the error of hidden ratings in a run."""
    first, best, last = (float(found.hidden[t]) for t in (0, found.best, -1))
    which = 0 if last - best <= SAME else 2 if first - best <= SAME else 1
    return Answer(which, first, best, last, found.best)


def mean_of_never(table: Filling, data: RatingsData, iteration: int) -> tuple[float, float]:
    """The average of what is expected of ratings that were never given, and the average of what they would have been.

    NaN where there are none.
    """
    if not data.never.any():
        return float("nan"), float("nan")
    return float(table.filled[iteration][data.never].mean()), float(data.whole[data.never].mean())


def covered(table: Filling, data: RatingsData, iteration: int) -> tuple[float, float]:
    """The parts of the hidden ratings, and of those never given, within 2 sd of what is expected of them.

    About 0.95 each if the sds were right. NaN where there are none.
    """
    inside = np.abs(data.whole - table.filled[iteration]) <= 2 * table.sds[iteration]
    hidden, never = (float(inside[of].mean()) if of.any() else float("nan") for of in (data.hidden, data.never))
    return hidden, never


def n_parameters(n_features: int) -> int:
    """Means, variances and correlations of a normal distribution."""
    return n_features + n_features * (n_features + 1) // 2


def fewest_pairs(X: Array) -> int:
    """The smallest number of people who rated both of two dishes."""
    seen = (~np.isnan(X)).astype(np.float64)
    together = seen.T @ seen
    return int(together[np.triu_indices(len(together), 1)].min())


# ---- Somebody's ratings -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Told:
    """What some ratings of a person tell of the person's other ratings.

    Attributes
    ----------
    observed, missing : ndarray of int
        The dishes rated, and the others.
    ratings, offsets : ndarray of shape (n_observed,)
        The ratings, and how far above the dishes' means they are.
    regression : ndarray of shape (n_missing, n_observed)
        How much of each offset is added to the mean of each other dish.
    means, sds : ndarray of shape (n_missing,)
        Of the other dishes by themselves, of a person of whom nothing is known.
    expected, left : ndarray of shape (n_missing,)
        Their means and sds given the ratings.
    """

    observed: NDArray[np.intp]
    missing: NDArray[np.intp]
    ratings: Array
    offsets: Array
    regression: Array
    means: Array
    sds: Array
    expected: Array
    left: Array

    @property
    def most_told(self) -> int:
        """The place in `missing` of the dish whose uncertainty fell most."""
        return int(np.argmin(self.left / self.sds))


def told(history: History, iteration: int, ratings: Mapping[int, float]) -> Told:
    """What these ratings (dish, from 0 -> rating) of somebody new tell, by the parameters of an iteration.

    ValueError if all dishes are rated: nothing is left to tell.
    """
    X, theta = history.prepared.X, history.parameters[iteration]
    if len(ratings) >= theta.n_features:
        raise ValueError(f"ratings must leave a dish open, got all {len(ratings)}")
    row = np.full(theta.n_features, np.nan)
    row[list(ratings)] = list(ratings.values())
    # the row stands below the table, so that every dish has a rating; with the parameters fixed no row touches another
    posterior = MissingNormal().e_step(np.vstack([X, row]), theta)
    conditional = posterior.conditional(len(X))
    o, m = conditional.observed, conditional.missing
    return Told(
        o,
        m,
        row[o],
        row[o] - theta.mean[o],
        conditional.regression,
        theta.mean[m],
        theta.sds[m],
        posterior.filled[-1, m],
        posterior.sds[-1, m],
    )


def likeliest(told_of: Told) -> NDArray[np.intp]:
    """The places in `missing`, the dish that should be liked best first."""
    return np.argsort(-told_of.expected, kind="stable")


def within(value: float) -> float:
    """A prediction as it is shown: from 1 to 5."""
    return min(max(value, float(WORST)), float(BEST))


# ---- Words ------------------------------------------------------------------------------------------------


def rating_words(data: RatingsData, table: Filling, found: Errors) -> Words:
    """What the half-steps of a run on this table say."""
    empty, n_hidden = np.isnan(data.X), int(data.hidden.sum())

    def filled_in(history: History, t: int) -> str:
        if not empty.any():
            return "there is no cell to fill"
        said = f"{empty.sum()} empty cells filled in, with sd {number(float(table.sds[t][empty].mean()), 3)} on average"
        return said + (
            f", and the {n_hidden} hidden ratings missed by {number(float(found.hidden[t]), 3)}" * bool(n_hidden)
        )

    return Words(filled_in, lambda history, t: _moved(history.parameters[t - 1], history.parameters[t], data.dishes))


def _moved(before: Any, after: Any, dishes: tuple[str, ...]) -> str:
    """The correlation that changed most."""
    changed = np.tril(after.correlations - before.correlations, -1)
    i, j = np.unravel_index(np.abs(changed).argmax(), changed.shape)
    now = number(float(after.correlations[i, j]), 3)
    return f"the correlation of {dishes[j]} and {dishes[i]} moved {signed(float(changed[i, j]), 3)} to {now}"


# ---- The picture ------------------------------------------------------------------------------------------

MOST_SHOWN: Final = 20  # people


@dataclass(frozen=True, eq=False)
class TableScene:
    """The part of a table that a picture shows.

    Attributes
    ----------
    rows : ndarray of int, shape (n_shown,)
        The people, rows of the table: the first ones, and the chosen person.
    place : int
        Where among them the chosen person stands.
    people, dishes : tuple of str
        What the rows shown and all columns are called.
    seen, empty, hidden : ndarray of int, shape (n_cells, 2)
        Cells with a rating, cells filled in, and those of them whose rating is hidden: place in `rows`, and dish.
    ratings : ndarray of shape (n_seen,)
        Of `seen`.
    filled, sds : ndarray of shape (n_iterations + 1, n_empty)
        Of `empty`, after each E-step.
    """

    rows: NDArray[np.intp]
    place: int
    people: tuple[str, ...]
    dishes: tuple[str, ...]
    seen: NDArray[np.intp]
    empty: NDArray[np.intp]
    hidden: NDArray[np.intp]
    ratings: Array
    filled: Array
    sds: Array


def table_scene(table: Filling, data: RatingsData, person: int) -> TableScene:
    """The first people of a table, with `person` (a row, from 0) among them."""
    rows = np.arange(min(MOST_SHOWN, len(data.X)))
    if person not in rows:
        rows[-1] = person
    part = data.X[rows]
    empty = np.argwhere(np.isnan(part))
    at = rows[empty[:, 0]], empty[:, 1]
    return TableScene(
        rows,
        int(np.flatnonzero(rows == person)[0]),
        tuple(data.people[row] for row in rows),
        data.dishes,
        np.argwhere(~np.isnan(part)),
        empty,
        np.argwhere(data.hidden[rows]),
        part[~np.isnan(part)],
        table.filled[:, *at],
        table.sds[:, *at],
    )
