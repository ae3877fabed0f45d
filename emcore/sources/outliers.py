"""Measurements of which some are far off: what a Gaussian gives way to and Student's t does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emcore.models.gaussian_kernel import prepare
from emcore.models.mixture import frozen_array, whole_number

MAX_POINTS = 200
FARTHEST = 1e6  # of one's own points from 0


@dataclass(frozen=True, eq=False)
class OutlierData:
    """Points, some of them far away.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        One or two features, read-only.
    axes : tuple of str
        What the columns of X are called.
    caption : str
        What they are, in a sentence or two.
    """

    X: NDArray[np.float64]
    axes: tuple[str, ...]
    caption: str


@dataclass(frozen=True)
class Example:
    """Data that show one thing.

    Attributes
    ----------
    title, caption : str
        For people.
    axes : tuple of str
        What the features are called.
    degrees_of_freedom : int
        Those that show it well.
    random : bool
        Whether another seed gives other data.
    """

    title: str
    caption: str
    axes: tuple[str, ...]
    degrees_of_freedom: int
    random: bool = False


# Darwin's differences are in Fisher (1935), The Design of Experiments, section 17; Newcomb's times in Stigler (1977),
# Do robust estimators work with real data?, Annals of Statistics 5, table 5.
DARWIN = (49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48)
NEWCOMB = (
    *(28, 26, 33, 24, 34, -44, 27, 16, 40, -2, 29, 22, 24, 21, 25, 30, 23, 29, 31, 19, 24, 20),
    *(36, 32, 36, 28, 25, 21, 28, 29, 37, 25, 28, 26, 30, 32, 36, 26, 30, 22, 36, 23, 27, 27),
    *(28, 27, 31, 27, 26, 33, 26, 32, 32, 24, 39, 28, 24, 25, 32, 25, 29, 27, 28, 29, 16, 23),
)
EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "one": Example(
            "One far point",
            "Thirty points of one cloud, and one more that you move: drag it, or set its place beside the picture.",
            ("x", "y"),
            3,
            random=True,
        ),
        "cloud": Example(
            "A cloud and its outliers",
            "Seventy points of one cloud and ten from far around it.",
            ("x", "y"),
            3,
            random=True,
        ),
        "newcomb": Example(
            "Newcomb's speed of light",
            "Newcomb's 66 measurements of 1882: the time that light took for 7,442 metres, in billionths of a second "
            "above 24,800. Two of them are far off.",
            ("Billionths of a second above 24,800",),
            3,
        ),
        "darwin": Example(
            "Darwin's plants",
            "Darwin's 15 pairs of maize plants: by how many eighths of an inch the cross-fertilised one was taller "
            "than the self-fertilised one. Two pairs go the other way.",
            ("Difference in height, in eighths of an inch",),
            2,
        ),
    }
)


@dataclass(frozen=True)
class OutlierExample:
    """One of EXAMPLES, drawn with `seed` (from 0 up) where it is drawn.

    `far` is where the point lies that the visitor moves; only "one" has it, as its last row.
    """

    name: str
    seed: int = 0
    far: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.name not in EXAMPLES:
            raise ValueError(f"the example must be one of {', '.join(EXAMPLES)}, got {self.name!r}")
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))
        if (self.name == "one") != (self.far is not None):
            raise ValueError(f'far must be a place (x, y) for "one" and None for all others, got {self.far!r}')
        if self.far is not None:
            far = tuple(float(value) for value in self.far)
            if len(far) != 2 or not all(abs(value) <= FARTHEST for value in far):
                raise ValueError(f"far must be two numbers of at most {FARTHEST:g} in size, got {self.far!r}")
            object.__setattr__(self, "far", far)

    def make(self) -> OutlierData:
        """The data."""
        example = EXAMPLES[self.name]
        rng = np.random.default_rng([self.seed, 0])
        if self.name == "newcomb":
            points = np.array(NEWCOMB, dtype=np.float64)[:, None]
        elif self.name == "darwin":
            points = np.array(DARWIN, dtype=np.float64)[:, None]
        elif self.name == "one":
            points = np.vstack([_cloud(rng, 30), [self.far]])
        else:
            points = np.vstack([_cloud(rng, 70), rng.uniform((-9, -9), (9, 9), (10, 2))])
        return OutlierData(frozen_array(points, "X", points.shape), example.axes, example.caption)


def _cloud(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Points about 0 with sds 1.5 and 1 and correlation 0.7."""
    return rng.multivariate_normal((0.0, 0.0), ((2.25, 1.05), (1.05, 1.0)), n)


@dataclass(frozen=True)
class OwnPoints:
    """Points that somebody brought: rows of one number each, or of two; 3 to MAX_POINTS of them."""

    rows: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        rows = tuple(tuple(float(cell) for cell in row) for row in self.rows)
        check_points(rows)
        object.__setattr__(self, "rows", rows)

    def make(self) -> OutlierData:
        """The data."""
        points = prepare(self.rows).X
        axes = ("x", "y")[: points.shape[1]]
        return OutlierData(frozen_array(points, "X", points.shape), axes, "Your own points.")


def check_points(rows: tuple[tuple[float, ...], ...]) -> None:
    """ValueError, a sentence, unless the rows are points that can be fitted."""
    if not 3 <= len(rows) <= MAX_POINTS:
        raise ValueError(f"there must be 3 to {MAX_POINTS} points, got {len(rows)}")
    if len(rows[0]) not in (1, 2):
        raise ValueError(f"each point must have one or two numbers, got {len(rows[0])}")
    for n, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise ValueError(f"each point must have {len(rows[0])} numbers as the first, got {len(row)} in point {n}")
        if not all(abs(cell) <= FARTHEST for cell in row):  # NaN neither
            raise ValueError(f"point {n} must be of numbers from {-FARTHEST:g} to {FARTHEST:g}")
