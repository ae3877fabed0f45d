"""Counts of events a day: the deaths that mixtures of Poisson distributions were tried on first, and one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Deaths of women of 80 and older announced in The Times in 1910 to 1912: (deaths, days), from Hasselblad (1969).
DEATHS = ((0, 162), (1, 267), (2, 271), (3, 185), (4, 111), (5, 61), (6, 27), (7, 8), (8, 3), (9, 1))
MAX_COUNT = 200
MAX_DAYS = 3_000
MAX_ROWS = 60


@dataclass(frozen=True, eq=False)
class CountData:
    """How many events each day had.

    Attributes
    ----------
    X : ndarray of shape (n_days,)
        Counts, ascending, read-only.
    caption : str
        What they are, in a sentence or two.
    """

    X: NDArray[np.float64]
    caption: str


def check_counts(rows: Sequence[Sequence[float]]) -> None:
    """ValueError, a sentence, unless the rows are a count and the number of days that had it."""
    if not rows:
        raise ValueError("there must be at least one row")
    if len(rows) > MAX_ROWS:
        raise ValueError(f"there must be at most {MAX_ROWS} rows, got {len(rows)}")
    seen = set()
    for n, row in enumerate(rows, 1):
        fits = len(row) == 2 and 0 <= row[0] <= MAX_COUNT and 1 <= row[1] <= MAX_DAYS
        if not fits or any(cell % 1 for cell in row):
            raise ValueError(
                f"row {n} must be a count from 0 to {MAX_COUNT} and on how many days it was seen, 1 to {MAX_DAYS:,}, "
                "whole numbers"
            )
        if row[0] in seen:
            raise ValueError(f"the count {row[0]:.0f} must have one row only; add its days up")
        seen.add(row[0])
    days = sum(row[1] for row in rows)
    if days > MAX_DAYS:
        raise ValueError(f"the days of all rows together must be at most {MAX_DAYS:,}, got {days:,.0f}")
    if seen == {0}:
        raise ValueError("one count at least must be more than 0")


@dataclass(frozen=True)
class DailyCounts:
    """Counts of events, and on how many days each was seen: by default the deaths.

    Attributes
    ----------
    rows : tuple of (count, days)
        At most MAX_ROWS, each count once, at most MAX_DAYS days in all.
    """

    rows: tuple[tuple[int, int], ...] = DEATHS

    def __post_init__(self) -> None:
        check_counts(self.rows)
        object.__setattr__(self, "rows", tuple(sorted((int(count), int(days)) for count, days in self.rows)))

    def make(self) -> CountData:
        """The data."""
        counts, days = np.array(self.rows, dtype=np.float64).T
        X = np.repeat(counts, days.astype(np.int_))
        X.flags.writeable = False
        if self.rows == DEATHS:
            caption = (
                f"How many deaths of women of 80 and older The Times announced on each of {len(X):,} days, 1910 to "
                "1912 (Hasselblad 1969). Death rates differ with the season, so two kinds of days are plausible."
            )
        else:
            caption = f"Your own counts of {len(X):,} day{'' if len(X) == 1 else 's'}."
        return CountData(X, caption)
