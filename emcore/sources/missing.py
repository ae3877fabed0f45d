"""Tables with holes: two tests that some missed, a geyser's eruptions, Murray's twelve points, a visitor's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.datasets import DATASETS
from emcore.models import MissingNormal, MissingNormalParameters
from emcore.models.mixture import whole_number

Array = NDArray[np.float64]

MECHANISMS: Final = MappingProxyType(
    {
        "completely": "Completely at random",
        "observed": "At random: by the value seen",
        "itself": "Not at random: by the lost value",
    }
)
LOSSES: Final = MappingProxyType({"y": "Of the second column alone", "either": "Of either column"})
STEEPNESS: Final = 2.5  # of the chance to lose a value, in logits per sd of what it depends on
# Murray (1977): four points on the corners of a square, and eight with one coordinate alone.
TWELVE: Final = (
    *((x, y) for x in (1.0, -1.0) for y in (1.0, -1.0)),
    *((x, np.nan) for x in (2.0, 2.0, -2.0, -2.0)),
    *((np.nan, y) for y in (2.0, 2.0, -2.0, -2.0)),
)


@dataclass(frozen=True, eq=False)
class HoledData:
    """A table with holes, and what is known about it.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        NaN where a value is missing; read-only.
    whole : ndarray of shape (n_samples, n_features), or None
        The table before values were lost, read-only; None if nobody has it.
    truth : MissingNormalParameters or None
        What it was drawn from; None if nobody knows.
    caption : str
        What it is, in a sentence or two.
    axes : tuple of str
        The names of the columns.
    """

    X: Array
    whole: Array | None
    truth: MissingNormalParameters | None
    caption: str
    axes: tuple[str, ...]


@dataclass(frozen=True)
class TwoTests:
    """Standardised scores of people in two tests, correlated normal values of which some are taken away.

    Attributes
    ----------
    n_samples : int
    correlation : float
        Of the two scores, whose means are 0 and whose variances are 1.
    share : float
        The part of the rows that lose a value, from 0 to 0.9.
    loss : str
        A key of LOSSES: whether the second score alone can be lost, or either, but never both.
    mechanism : str
        A key of MECHANISMS: what the chance to lose a value depends on. The lower the score that it depends on, the
        higher the chance.
    seed : int
        From 0 up.
    """

    n_samples: int = 200
    correlation: float = 0.58
    share: float = 0.3
    loss: str = "y"
    mechanism: str = "observed"
    seed: int = 0

    def __post_init__(self) -> None:
        if not -1 < self.correlation < 1:
            raise ValueError(f"correlation must lie between -1 and 1, got {self.correlation!r}")
        _check_loss(self.share, self.loss, self.mechanism)
        object.__setattr__(self, "n_samples", whole_number(self.n_samples, "n_samples", least=10))
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    @property
    def truth(self) -> MissingNormalParameters:
        """What the scores are drawn from."""
        return MissingNormalParameters(np.zeros(2), np.array([[1.0, self.correlation], [self.correlation, 1.0]]))

    def make(self) -> HoledData:
        """The data: other choices of what is lost leave the scores as they are."""
        rng = np.random.default_rng([self.seed, 0])
        z = rng.normal(size=(self.n_samples, 2))
        whole = np.column_stack([z[:, 0], self.correlation * z[:, 0] + np.sqrt(1 - self.correlation**2) * z[:, 1]])
        X = _with_holes(whole, self.share, self.loss, self.mechanism, rng)
        who = "the second score" if self.loss == "y" else "one of the two scores"
        why = {
            "completely": "whoever it happened to",
            "observed": "more often those who did badly in the "
            + ("first test" if self.loss == "y" else "test whose score is known"),
            "itself": "more often those who did badly in the very test whose score is lost",
        }[self.mechanism]
        caption = (
            f"{self.n_samples:,} people took two tests, scored to mean 0 and variance 1. Of {np.isnan(X).sum():,} of "
            f"them {who} is lost: {why}. Simulated, so that the lost scores are known."
        )
        whole.flags.writeable = False
        return HoledData(X, whole, self.truth, caption, ("First test", "Second test"))


@dataclass(frozen=True)
class LongEruptions:
    """The long eruptions of Old Faithful, of which some values are taken away; fields as those of TwoTests."""

    share: float = 0.3
    loss: str = "y"
    mechanism: str = "observed"
    seed: int = 0

    def __post_init__(self) -> None:
        _check_loss(self.share, self.loss, self.mechanism)
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    def make(self) -> HoledData:
        """The data."""
        preset = DATASETS["old-faithful"](0)
        whole = preset.X[preset.X[:, 0] > 3].copy()
        X = _with_holes(whole, self.share, self.loss, self.mechanism, np.random.default_rng([self.seed, 0]))
        what = "the wait" if self.loss == "y" else "one of the two"
        why = {
            "completely": "whichever it happened to",
            "observed": "more often after short ones" if self.loss == "y" else "more often where the other is short",
            "itself": "more often short ones",
        }[self.mechanism]
        caption = (
            f"{len(whole)} eruptions of the geyser Old Faithful that lasted more than 3 minutes, and the wait for the "
            f"next (Azzalini & Bowman 1990). Of {np.isnan(X).sum()} of them {what} has been taken away here: {why}."
        )
        whole.flags.writeable = False
        return HoledData(X, whole, None, caption, preset.axes)


def _check_loss(share: float, loss: str, mechanism: str) -> None:
    if not 0 <= share <= 0.9:
        raise ValueError(f"share must be from 0 to 0.9, got {share!r}")
    if loss not in LOSSES or mechanism not in MECHANISMS:
        raise ValueError(
            f"loss must be one of {', '.join(LOSSES)} and mechanism one of {', '.join(MECHANISMS)}, "
            f"got {loss!r} and {mechanism!r}"
        )


def _with_holes(whole: Array, share: float, loss: str, mechanism: str, rng: np.random.Generator) -> Array:
    """The table with one value missing in this share of its rows, read-only."""
    rows = np.arange(len(whole))
    luck, side = rng.logistic(size=len(whole)), rng.random(len(whole))
    lost = np.where((side < 0.5) & (loss == "either"), 0, 1)  # which of its two values a row can lose
    scores = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    depends = {"completely": np.zeros(len(whole)), "observed": scores[rows, 1 - lost], "itself": scores[rows, lost]}
    taken = np.argsort(luck - STEEPNESS * depends[mechanism])[::-1][: round(share * len(whole))]
    X = whole.copy()
    X[taken, lost[taken]] = np.nan
    X.flags.writeable = False
    return X


@dataclass(frozen=True)
class Twelve:
    """The twelve points of Murray (1977), with a mean that is known to be (0, 0)."""

    def make(self) -> HoledData:
        """The data."""
        X = np.array(TWELVE)
        X.flags.writeable = False
        caption = (
            "Twelve points made up by Murray (1977): four with both values, four with x alone, four with y alone. The "
            "mean is known to be (0, 0). From what was seen, a positive correlation is as likely as a negative one."
        )
        return HoledData(X, None, None, caption, ("x", "y"))


@dataclass(frozen=True)
class OwnTable:
    """A table that somebody brought, as 8-byte floats: hashable, and compared by content."""

    name: str
    columns: tuple[str, ...]
    values: bytes

    @classmethod
    def of(cls, name: str, columns: Sequence[str], X: ArrayLike) -> OwnTable:
        """From an array of shape (n_samples, len(columns)) with NaN where a value is missing."""
        points = MissingNormal().prepare(np.asarray(X)).X
        if points.shape[1] != len(columns):
            raise ValueError(f"columns must name the {points.shape[1]} columns of X, got {columns}")
        return cls(name, tuple(columns), np.ascontiguousarray(points).tobytes())

    def make(self) -> HoledData:
        """The data."""
        X = np.frombuffer(self.values).reshape(-1, len(self.columns))
        return HoledData(X, None, None, f"Your own data from {self.name}.", self.columns)


EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "two-tests": "Two tests, some missed",
        "eruptions": "Long eruptions of Old Faithful",
        "twelve-points": "Twelve points with two maxima",
    }
)
