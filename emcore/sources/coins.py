"""Sets of tosses of two or three coins, and the linkage data: what the two oldest stories of EM are told with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emcore.models import BinomialMixture, BinomialMixtureParameters, LinkageParameters
from emcore.models.mixture import frozen_array, whole_number

MAX_SETS = 200


@dataclass(frozen=True, eq=False)
class CoinData:
    """Sets of tosses, and what is known about them.

    Attributes
    ----------
    X : ndarray of shape (n_samples, 2)
        Heads and tosses of each set, read-only.
    truth : BinomialMixtureParameters or None
        The coins that they were tossed with; None if nobody knows.
    labels : ndarray of int, shape (n_samples,), or None
        The coin of each set, from 0; None if nobody knows.
    caption : str
        What they are, in a sentence or two.
    """

    X: NDArray[np.float64]
    truth: BinomialMixtureParameters | None
    labels: NDArray[np.int_] | None
    caption: str


@dataclass(frozen=True)
class Example:
    """Data that show one thing, and the model and the start that show it.

    Attributes
    ----------
    title, caption : str
        For people.
    success_probabilities, weights : tuple of float
        The coins that sets are tossed with, and how often each is taken; none where the tosses are given.
    n_sets, n_tosses : int
        How many sets are tossed, and how often in each.
    given : tuple of (heads, tosses)
        Tosses that are as they are.
    model : BinomialMixture
    start : tuple of float
        The success probabilities that EM begins with; none for a random start.
    max_iter : int
    """

    title: str
    caption: str
    model: BinomialMixture
    success_probabilities: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    n_sets: int = 0
    n_tosses: int = 0
    given: tuple[tuple[int, int], ...] = ()
    start: tuple[float, ...] = ()
    max_iter: int = 100

    @property
    def random(self) -> bool:
        """Whether another seed gives other data."""
        return not self.given


# The heads of the first are those of Do & Batzoglou (2008), figure 1.
EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "five-sets": Example(
            "Five sets of ten tosses",
            "Five times one of two coins was taken and tossed ten times: 5, 9, 8, 4 and 7 heads. Nobody wrote down "
            "which coin it was (Do & Batzoglou 2008).",
            BinomialMixture(2, "equal"),
            given=((5, 10), (9, 10), (8, 10), (4, 10), (7, 10)),
            start=(0.6, 0.5),
        ),
        "forty-sets": Example(
            "Forty sets of twenty tosses",
            "Forty times one of two coins was taken, the first one more often, and tossed twenty times.",
            BinomialMixture(2),
            (0.75, 0.4),
            (0.7, 0.3),
            40,
            20,
        ),
        "one-toss": Example(
            "One toss a set",
            "Sixty times one of two coins was taken and tossed once.",
            BinomialMixture(2),
            (0.8, 0.3),
            (0.5, 0.5),
            60,
            1,
            max_iter=30,
        ),
        "three-coins": Example(
            "Three coins",
            "Sixty times one of three coins was taken and tossed thirty times.",
            BinomialMixture(3),
            (0.9, 0.55, 0.2),
            (0.3, 0.4, 0.3),
            60,
            30,
        ),
    }
)


@dataclass(frozen=True)
class CoinExample:
    """One of EXAMPLES, drawn with `seed` (from 0 up) where it is drawn."""

    name: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in EXAMPLES:
            raise ValueError(f"the example must be one of {', '.join(EXAMPLES)}, got {self.name!r}")
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    def make(self) -> CoinData:
        """The data."""
        example = EXAMPLES[self.name]
        if example.given:
            return CoinData(frozen_array(example.given, "given", ("n_sets", 2)), None, None, example.caption)
        rng = np.random.default_rng([self.seed, 0])
        chances, weights = np.array(example.success_probabilities), np.array(example.weights)
        labels = rng.choice(len(chances), example.n_sets, p=weights)
        heads = rng.binomial(example.n_tosses, chances[labels])
        X = frozen_array(np.stack([heads, np.full(example.n_sets, example.n_tosses)], axis=1), "X", ("n_sets", 2))
        return CoinData(X, BinomialMixtureParameters(weights, chances), labels, example.caption)


@dataclass(frozen=True)
class OwnTosses:
    """Tosses that somebody brought: (heads, tosses) of each set, at most MAX_SETS of them."""

    rows: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        rows = tuple((int(heads), int(tosses)) for heads, tosses in self.rows)
        if len(rows) > MAX_SETS:
            raise ValueError(f"there must be at most {MAX_SETS} sets, got {len(rows)}")
        BinomialMixture(1).prepare(np.array(rows, dtype=np.float64).reshape(-1, 2))
        object.__setattr__(self, "rows", rows)

    def make(self) -> CoinData:
        """The data."""
        X = frozen_array(self.rows, "rows", ("n_sets", 2))
        return CoinData(X, None, None, "Your own sets of tosses.")


@dataclass(frozen=True)
class LinkageCounts:
    """The four counts of the linkage model, by default those of Dempster, Laird & Rubin (1977)."""

    counts: tuple[int, ...] = (125, 18, 20, 34)

    def make(self) -> LinkageData:
        """The data."""
        total = sum(self.counts)
        return LinkageData(frozen_array(self.counts, "counts", (4,)), f"{total:,} animals in four cells.")


@dataclass(frozen=True, eq=False)
class LinkageData:
    """Four counts.

    Attributes
    ----------
    X : ndarray of shape (4,)
        Read-only.
    caption : str
        What they are.
    """

    X: NDArray[np.float64]
    caption: str

    @property
    def maximum(self) -> LinkageParameters | None:
        """The exact maximum of the likelihood, the positive root of a quadratic; None at the ends of the range.

        n p^2 - (a - 2 b - d) p - 2 d = 0 with counts a, b (both middle cells together), d and n their sum.
        """
        a, b, d = float(self.X[0]), float(self.X[1] + self.X[2]), float(self.X[3])
        n, half = a + b + d, (a - 2 * b - d) / 2
        p = (half + np.sqrt(half**2 + 2 * n * d)) / n if n else 0.0
        return LinkageParameters(float(p)) if 0 < p < 1 else None
