"""A table of ratings made up for this project: people, eight dishes, and tastes that decide who likes what.

Nobody rates everything. Because the table is made up, the ratings that were never given are known as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emcore.models.mixture import whole_number

DISHES: Final = (
    "Hot curry",
    "Chili",
    "Kimchi",
    "Ice cream",
    "Pancakes",
    "Fruit cake",
    "Green salad",
    "Lentil soup",
)
# fmt: off
PEOPLE: Final = (
    "Ada", "Amir", "Anna", "Bela", "Ben", "Bo", "Carl", "Cem", "Chen", "Clara", "Dana", "Dev", "Dora", "Edda",
    "Eli", "Ema", "Eva", "Farah", "Finn", "Gita", "Greta", "Hana", "Hugo", "Ida", "Ines", "Iris", "Ivo", "Jana",
    "Jin", "Jonas", "Jun", "Kaja", "Karim", "Kian", "Kofi", "Lara", "Lea", "Leo", "Lin", "Liv", "Luca", "Maja",
    "Malik", "Mara", "Max", "Mei", "Mila", "Mina", "Nadia", "Nils", "Noah", "Nora", "Olga", "Omar", "Oskar", "Paul",
    "Pia", "Petra", "Quinn", "Rana", "Ravi", "Rosa", "Ruth", "Sami", "Sara", "Selma", "Sven", "Tara", "Theo", "Tim",
    "Tom", "Uma", "Ute", "Vera", "Viktor", "Wanda", "Wen", "Yara", "Yusuf", "Zoe",
)
# fmt: on
WORST, BEST = 1, 5  # of a rating
# What a person without any tastes gives, and how far a dish follows a taste for hot food and one for sweet food.
LEVELS: Final = (3.2, 3.3, 2.9, 3.7, 3.5, 3.1, 3.0, 3.0)
HOT: Final = (1.1, 1.0, 0.9, -0.1, 0.0, -0.2, 0.0, 0.3)
SWEET: Final = (-0.1, 0.0, -0.2, 1.0, 1.0, 0.9, -0.5, -0.4)
GENEROSITY: Final = 0.35  # sd of how much higher or lower than others a person rates everything
MOOD: Final = 0.5  # sd of what no taste explains
LIKING: Final = 1.5  # how much likelier a rating becomes with each star, in log odds
FEWEST = 10  # people
KEPT: Final = 3  # ratings that every dish keeps, whatever is missing and hidden

MECHANISMS: Final = ("chance", "liking")


@dataclass(frozen=True, eq=False)
class RatingsData:
    """A table of people and dishes, with holes.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        Ratings from 1 to 5 that a fit may look at, NaN elsewhere. Row: a person, column: a dish.
    whole : ndarray of shape (n_samples, n_features)
        What everybody would say of everything: known, because it is made up.
    hidden : ndarray of bool, shape (n_samples, n_features)
        Ratings that were given and are kept back, to see how well they are predicted.
    people, dishes : tuple of str
        What rows and columns are called.
    caption : str
        What the table is, in a sentence or two.
    """

    X: NDArray[np.float64]
    whole: NDArray[np.float64]
    hidden: NDArray[np.bool_]
    people: tuple[str, ...]
    dishes: tuple[str, ...]
    caption: str

    @property
    def never(self) -> NDArray[np.bool_]:
        """The ratings that were never given, shape (n_samples, n_features)."""
        return np.isnan(self.X) & ~self.hidden


@dataclass(frozen=True)
class Example:
    """A set-up that shows one thing.

    Attributes
    ----------
    title : str
        For people.
    mechanism : str
        One of MECHANISMS.
    n_people, seed, max_iter : int
    """

    title: str
    mechanism: str
    n_people: int
    seed: int = 0
    max_iter: int = 100


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "chance": Example("Missing by chance", "chance", 60, seed=3),
        "liking": Example("People rate what they like", "liking", 60, seed=4),
        "few": Example("Only twelve people", "chance", 12, seed=3, max_iter=200),
    }
)


@dataclass(frozen=True)
class Ratings:
    """Ratings drawn from stated tastes, some never given and some of those given hidden on purpose.

    Attributes
    ----------
    mechanism : str
        One of MECHANISMS: a rating is missing by chance, or the more often the less the dish is liked.
    n_people : int
        From FEWEST to the number of names.
    missing, hidden : int
        Per cent of all ratings that were never given, and of those given that are hidden on purpose, 0 to 90. Every
        dish keeps three ratings all the same.
    seed : int
        From 0 up. Other shares leave the ratings themselves as they are.
    """

    mechanism: str = "chance"
    n_people: int = 60
    missing: int = 35
    hidden: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mechanism not in MECHANISMS:
            raise ValueError(f"mechanism must be one of {', '.join(MECHANISMS)}, got {self.mechanism!r}")
        for name in ("missing", "hidden"):
            share = whole_number(getattr(self, name), name, least=0)
            if share > 90:
                raise ValueError(f"{name} must be at most 90 per cent, got {share}")
            object.__setattr__(self, name, share)
        object.__setattr__(self, "n_people", whole_number(self.n_people, "n_people", least=FEWEST))
        if self.n_people > len(PEOPLE):
            raise ValueError(f"n_people must be at most {len(PEOPLE)}, got {self.n_people}")
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    def make(self) -> RatingsData:
        """The table."""
        rng = np.random.default_rng([self.seed, 0])
        shape = (self.n_people, len(DISHES))
        tastes = rng.normal(size=(self.n_people, 2)) @ np.array([HOT, SWEET])
        generosity = GENEROSITY * rng.normal(size=(self.n_people, 1))
        opinions = np.array(LEVELS) + tastes + generosity + MOOD * rng.normal(size=shape)
        whole = np.clip(np.round(opinions), WORST, BEST)
        luck = rng.logistic(size=shape)
        if self.mechanism == "liking":
            luck = luck - LIKING * whole
        lots = np.random.default_rng([self.seed, 2]).random(shape)
        kept = np.zeros(shape, dtype=bool)
        kept[np.argsort(luck, axis=0)[:KEPT], np.arange(shape[1])] = True
        never = _highest(np.where(kept, -np.inf, luck), round(self.missing / 100 * whole.size))
        given = ~never
        hidden = _highest(np.where(never | kept, -np.inf, lots), round(self.hidden / 100 * int(given.sum())))
        X = np.where(never | hidden, np.nan, whole)
        for array in (X, whole, hidden):
            array.flags.writeable = False
        who = (
            "by chance"
            if self.mechanism == "chance"
            else "by liking: the less somebody would like a dish, the likelier the rating is missing"
        )
        caption = (
            f"{self.n_people} people and {shape[1]} dishes, rated from 1 to 5. Of {whole.size} ratings {never.sum()} "
            f"were never given, {who}; {hidden.sum()} of those given are hidden on purpose. The table is made up, "
            "drawn from a taste for hot food and one for sweet food, so the ratings that were never given are known, "
            "too."
        )
        return RatingsData(X, whole, hidden, PEOPLE[: self.n_people], DISHES, caption)


def _highest(keys: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """The cells with the highest keys, `count` of them or as many as have one above minus infinity."""
    order = np.argsort(keys, axis=None)[::-1][: min(count, int(np.isfinite(keys).sum()))]
    found = np.zeros(keys.size, dtype=bool)
    found[order] = True
    return found.reshape(keys.shape)
