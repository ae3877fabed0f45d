"""Handwritten digits as black and white pictures of 8 x 8 pixels, some of each digit.

`digits.txt` holds the 1,797 pictures of the test set of E. Alpaydin and C. Kaynak (1998), Optical Recognition of
Handwritten Digits, UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, licence CC BY 4.0 (the digits of
scikit-learn, too). A line is a digit and its 64 pixels, row by row, each 0 to g: 0 to 16 parts of ink.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emcore.models.mixture import whole_number

SIDE = 8  # pixels
MOST_INK = 16
N_STORED = 1_797
MOST_EACH = 174  # as many as there are of the rarest digit
ALL = tuple(range(10))


@dataclass(frozen=True, eq=False)
class DigitData:
    """Some of the pictures, and which digits they are.

    Attributes
    ----------
    X : ndarray of shape (n_samples, 64)
        1 where there is ink, row by row of the picture, read-only.
    labels : ndarray of int, shape (n_samples,)
        The digits that were meant. EM never sees them.
    caption : str
        What they are, in a sentence or two.
    """

    X: NDArray[np.float64]
    labels: NDArray[np.int_]
    caption: str

    @property
    def digits(self) -> tuple[int, ...]:
        """The digits that there are."""
        return tuple(np.unique(self.labels).tolist())


@dataclass(frozen=True)
class Example:
    """Some of the digits, for people to choose from."""

    title: str
    digits: tuple[int, ...]


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "all": Example("All ten digits", ALL),
        "zero-one-two": Example("0, 1 and 2", (0, 1, 2)),
        "three-five-eight": Example("3, 5 and 8", (3, 5, 8)),
        "four-seven-nine": Example("4, 7 and 9", (4, 7, 9)),
    }
)


@dataclass(frozen=True)
class Digits:
    """As many pictures of each digit, drawn with `seed`, with ink where a pixel has at least `threshold` parts of 16.

    Attributes
    ----------
    digits : tuple of int
        Which digits, from 0 to 9; at least one.
    each : int
        How many pictures of each, at most MOST_EACH.
    threshold : int
        From 1 to 16.
    seed : int
        From 0 up.
    """

    digits: tuple[int, ...] = ALL
    each: int = 60
    threshold: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        digits = tuple(sorted({whole_number(digit, "each of digits", least=0) for digit in self.digits}))
        if not digits or digits[-1] > 9:
            raise ValueError(f"digits must be one or more of 0 to 9, got {self.digits!r}")
        object.__setattr__(self, "digits", digits)
        for name, most in (("each", MOST_EACH), ("threshold", MOST_INK)):
            value = whole_number(getattr(self, name), name)
            if value > most:
                raise ValueError(f"{name} must be at most {most}, got {value}")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    def make(self) -> DigitData:
        """The data."""
        ink, labels = stored()
        rng = np.random.default_rng([self.seed, 0])
        # every digit is shuffled whatever was chosen: fewer digits or pictures are some of those that more would be
        shuffled = [rng.permutation(np.flatnonzero(labels == digit))[: self.each] for digit in ALL]
        rows = np.concatenate([shuffled[digit] for digit in self.digits])
        X, taken = (ink[rows] >= self.threshold).astype(np.float64), labels[rows]
        X.flags.writeable = taken.flags.writeable = False
        names = [str(digit) for digit in self.digits]
        which = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        some = f"{self.each} of each" if self.digits == ALL else f"{self.each} of each of {which}"
        caption = (
            f"{len(X):,} of {N_STORED:,} handwritten digits ({some if len(names) > 1 else f'each a {which}'}), in 8 by "
            f"8 pixels, black where there is at least {self.threshold}/16 of ink. EM is not told which digit was meant."
        )
        return DigitData(X, taken, caption)


@cache
def stored() -> tuple[NDArray[np.uint8], NDArray[np.int_]]:
    """All pictures: ink from 0 to 16, shape (1797, 64), and the digits that were meant; read-only."""
    lines = Path(__file__).with_name("digits.txt").read_text("ascii").split("\n")[:-1]
    labels = np.array([int(line[0]) for line in lines])
    ink = np.array([[int(pixel, MOST_INK + 1) for pixel in line[2:]] for line in lines], dtype=np.uint8)
    ink.flags.writeable = labels.flags.writeable = False
    return ink, labels
