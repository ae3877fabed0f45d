"""Data to learn from: Gaussian groups of one's own, and presets that each show one phenomenon.

The data come from the stream `default_rng([seed, 0])` and a random start from `default_rng([seed, 1])`
(`emcore.starts`): a change of the start, or of the number of components, never changes the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcore.models.gaussian_mixture import CovarianceType, GaussianMixtureParameters, axis_names
from emcore.models.mixture import frozen_array, whole_number
from emcore.starts import ByHand

MAX_SAMPLES = 20_000

# Points, the mixture that they come from, and the group of each (-1 for none); None where nobody knows.
Made = tuple[NDArray[np.float64], GaussianMixtureParameters | None, NDArray[np.int_] | None]


@dataclass(frozen=True)
class Group:
    """One Gaussian group of points.

    Attributes
    ----------
    n_samples : int
        How many points it has, at least 1.
    mean : tuple of n_features floats
        Its centre.
    covariance : tuple of n_features tuples of n_features floats
        Symmetric positive definite, in the units of the axes squared.
    """

    n_samples: int
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        n_samples = whole_number(self.n_samples, "the number of points of a group")
        mean = frozen_array(self.mean, "the mean of a group", ("n_features",))
        n_features = len(mean)
        if n_features == 0:
            raise ValueError("the mean of a group must have at least one coordinate, got none")
        covariance = frozen_array(self.covariance, "the covariance of a group", (n_features, n_features))
        try:  # the mixture's own rules: symmetric, positive definite
            GaussianMixtureParameters(np.ones(1), mean[None], covariance[None])
        except ValueError:
            raise ValueError(
                "the covariance of a group must be symmetric and positive definite, got "
                f"{covariance.tolist()}; try larger variances or a weaker correlation"
            ) from None
        object.__setattr__(self, "n_samples", n_samples)
        object.__setattr__(self, "mean", tuple(mean.tolist()))
        object.__setattr__(self, "covariance", tuple(tuple(row) for row in covariance.tolist()))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Points, and what is known about them.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        The points, read-only.
    truth : GaussianMixtureParameters or None
        The mixture that they were drawn from (weights are the shares of the groups); None if there is none.
    caption, question : str
        What they are, in one sentence; and one thing to predict or try ("" if there is none).
    axes : tuple of n_features str
        Axis titles with their units.
    labels : ndarray of int, shape (n_samples,), or None
        The group that each point was drawn from, as `truth` numbers them; -1 where it was none. Read-only.
    """

    X: NDArray[np.float64]
    truth: GaussianMixtureParameters | None
    caption: str
    question: str
    axes: tuple[str, ...]
    labels: NDArray[np.int_] | None = None

    def __post_init__(self) -> None:
        X = frozen_array(self.X, "X", ("n_samples", "n_features"))
        if X.shape[1] != len(self.axes):
            raise ValueError(f"axes must have one title for each of the {X.shape[1]} columns, got {self.axes}")
        object.__setattr__(self, "X", X)
        if self.labels is not None:
            labels = np.array(self.labels, dtype=np.int_)
            if labels.shape != (len(X),):
                raise ValueError(f"labels must have shape (n_samples,) = ({len(X)},), got {labels.shape}")
            labels.flags.writeable = False
            object.__setattr__(self, "labels", labels)


@dataclass(frozen=True)
class Preset:
    """Data that show one phenomenon, and the set-up under which they show it. Call it with a seed for the data.

    Attributes
    ----------
    title, caption, question : str
        For people: a name, what the data are, and one thing to predict or try.
    n_features, n_samples : int
        The shape of the data.
    draw : callable rng -> (X, truth, labels)
        The data, the mixture that they come from and the group of each point (None where there is none).
    axes : tuple of n_features str
        Axis titles with their units.
    random : bool
        Whether another seed gives other data.
    n_components, covariance_type, max_iter, tol
        The model and the stop rule.
    start, start_seed, by_hand
        A key of `emcore.starts.STARTS`, its seed, and the numbers of a start by hand.
    """

    title: str
    caption: str
    question: str
    n_features: int
    n_samples: int
    draw: Callable[[np.random.Generator], Made]
    axes: tuple[str, ...]
    n_components: int
    covariance_type: CovarianceType = "full"
    start: str = "random-points"
    start_seed: int = 0
    max_iter: int = 100
    tol: float = 1e-6
    by_hand: ByHand | None = None
    random: bool = True

    def __call__(self, seed: int) -> Dataset:
        """The data drawn with `seed`, a whole number from 0 up."""
        X, truth, labels = self.draw(_rng(seed))
        return Dataset(X, truth, self.caption, self.question, self.axes, labels)


def generate(groups: tuple[Group, ...], seed: int) -> Dataset:
    """Points drawn from Gaussian groups, in random order.

    Every group has its own stream: to move, stretch or enlarge one leaves the points of the others alone.

    Parameters
    ----------
    groups : tuple of Group
        All with the same number of axes; MAX_SAMPLES points at most.
    seed : int
        From 0 up.
    """
    if not groups:
        raise ValueError("groups must have at least one group, got none")
    n_features = len(groups[0].mean)
    if any(len(group.mean) != n_features for group in groups):
        lengths = [len(group.mean) for group in groups]
        raise ValueError(f"all groups must have the same number of axes, got {lengths}")
    n_samples = sum(group.n_samples for group in groups)
    if n_samples > MAX_SAMPLES:
        raise ValueError(f"the groups must have {MAX_SAMPLES:,} points at most together, got {n_samples:,}")
    X, truth, labels = _draw(tuple(groups), _rng(seed))
    points = f"{n_samples:,} point{'' if n_samples == 1 else 's'}"
    origin = "one Gaussian group" if len(groups) == 1 else f"{len(groups)} Gaussian groups"
    return Dataset(X, truth, f"{points} from {origin}.", "", _axes(n_features), labels)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([whole_number(seed, "seed", least=0), 0])


def _axes(n_features: int) -> tuple[str, ...]:
    return ("x",) if n_features == 1 else tuple(axis_names(n_features))


def _draw(
    groups: tuple[Group, ...], rng: np.random.Generator
) -> tuple[NDArray[np.float64], GaussianMixtureParameters, NDArray[np.int_]]:
    *streams, order = rng.spawn(len(groups) + 1)
    drawn = [
        np.array(group.mean)
        + stream.standard_normal((group.n_samples, len(group.mean))) @ np.linalg.cholesky(group.covariance).T
        for group, stream in zip(groups, streams, strict=True)
    ]
    counts = np.array([group.n_samples for group in groups])
    truth = GaussianMixtureParameters(
        counts / counts.sum(),
        np.array([group.mean for group in groups]),
        np.array([group.covariance for group in groups]),
    )
    permuted = order.permutation(counts.sum())
    return np.concatenate(drawn)[permuted], truth, np.repeat(np.arange(len(groups)), counts)[permuted]


def _draw_with_points(
    groups: tuple[Group, ...], extra: tuple[tuple[float, ...], ...], rng: np.random.Generator
) -> Made:
    """The groups, and the points `extra` that belong to none of them; the truth is the groups alone."""
    X, truth, labels = _draw(groups, rng)
    permuted = rng.permutation(len(X) + len(extra))
    return (
        np.concatenate([X, np.array(extra)])[permuted],
        truth,
        np.concatenate([labels, np.full(len(extra), -1)])[permuted],
    )


def _draw_mirrored(groups: tuple[Group, ...], rng: np.random.Generator) -> Made:
    """Half of the points of each group, and their mirror images at 0; the groups are each other's images."""
    X, truth, labels = _draw(tuple(replace(group, n_samples=group.n_samples // 2) for group in groups), rng)
    permuted = rng.permutation(2 * len(X))
    mirrored = len(groups) - 1 - labels  # the groups are each other's images, in reverse order
    return np.concatenate([X, -X])[permuted], truth, np.concatenate([labels, mirrored])[permuted]


def _draw_ring(n_samples: int, radius: float, sd: float, rng: np.random.Generator) -> Made:
    angle = rng.uniform(0, 2 * np.pi, n_samples)
    distance = radius + sd * rng.standard_normal(n_samples)
    return np.column_stack([distance * np.cos(angle), distance * np.sin(angle)]), None, None


def _old_faithful(columns: slice, rng: np.random.Generator) -> Made:
    """R's data set `faithful`: 272 eruptions (Azzalini & Bowman 1990, Applied Statistics 39, 357-365)."""
    path = Path(__file__).with_name("faithful.csv")
    return np.loadtxt(path, delimiter=",", skiprows=1)[:, columns], None, None


def _three_points(rng: np.random.Generator) -> Made:
    return np.array([[1.0], [2.0], [3.0]]), None, None


def _line(n_samples: int, mean: float, sd: float) -> Group:
    """A group on one axis."""
    return Group(n_samples, (mean,), ((sd**2,),))


def _oval(
    n_samples: int, mean: tuple[float, float], sds: tuple[float, float] = (1.0, 1.0), correlation: float = 0.0
) -> Group:
    """A group on two axes."""
    covariance = correlation * sds[0] * sds[1]
    return Group(n_samples, mean, ((sds[0] ** 2, covariance), (covariance, sds[1] ** 2)))


def _preset(title: str, caption: str, question: str, *groups: Group, **set_up: Any) -> Preset:
    """A preset whose data are Gaussian groups."""
    n_features = len(groups[0].mean)
    return Preset(
        title,
        caption,
        question,
        n_features=n_features,
        n_samples=sum(group.n_samples for group in groups),
        draw=partial(_draw, groups),
        axes=_axes(n_features),
        **set_up,
    )


_CIRCLE = ((1.0, 0.0), (0.0, 1.0))
_OUTLIER_GROUPS = (_oval(80, (0, 0)), _oval(80, (4, 1)))
_MIRROR_GROUPS = (_line(100, -5, 1), _line(100, 0, 1), _line(100, 5, 1))
_DUPLICATE_GROUPS = (_oval(60, (0, 0), (1.4, 1.4)), _oval(60, (5, 1)))

# From the first to learn to the last. tests/test_datasets.py runs EM on each and looks for its phenomenon.
DATASETS: Mapping[str, Preset] = MappingProxyType(
    {
        "three-blobs": _preset(
            "Three blobs",
            "Three Gaussian groups of different sizes and shapes, which overlap.",
            "Before you step: where will each of the three ellipses end?",
            _oval(120, (-2.2, 0), (1, 1), 0.4),
            _oval(100, (1.2, 2.2), (1.1, 0.8), -0.5),
            _oval(80, (1.6, -1.6), (0.8, 1.2), 0.2),
            n_components=3,
        ),
        "waiting-times": Preset(
            "Old Faithful: waiting times",
            "The minutes from one eruption of the geyser Old Faithful to the next: short and long pauses.",
            "A pause of 67 minutes: was it a short one or a long one, and how sure can you be?",
            n_features=1,
            n_samples=272,
            draw=partial(_old_faithful, slice(1, 2)),
            axes=("Waiting time (min)",),
            n_components=2,
            random=False,
        ),
        "old-faithful": Preset(
            "Old Faithful",
            "272 eruptions of the geyser Old Faithful: how long each lasted, and the time to the next.",
            "Are long eruptions followed by longer waits within each group too, or only between the groups?",
            n_features=2,
            n_samples=272,
            draw=partial(_old_faithful, slice(0, 2)),
            axes=("Eruption (min)", "Waiting time (min)"),
            n_components=2,
            random=False,
        ),
        "twenty-forty": _preset(
            "Twenty and forty",
            "3,000 values around 20 and 7,000 around 40, both with sd 5.",
            "The true weights are 0.3 and 0.7: how close will EM come without ever seeing a label?",
            _line(3000, 20, 5),
            _line(7000, 40, 5),
            n_components=2,
        ),
        "two-squares": _preset(
            "Two round groups",
            "150 points around (5, 5) and 150 around (10, 10), begun by hand from (4, 4) and (8, 8).",
            "The groups hardly overlap: how many iterations will EM need?",
            _oval(150, (5, 5)),
            _oval(150, (10, 10)),
            n_components=2,
            start="by-hand",
            by_hand=ByHand((0.5, 0.5), ((4.0, 4.0), (8.0, 8.0)), (_CIRCLE, _CIRCLE)),
        ),
        "tiny": Preset(
            "Three points, by hand",
            "The numbers 1, 2 and 3: few enough to check every step on paper.",
            "Before you step: what are the responsibilities for the point 2, and why need you not compute?",
            n_features=1,
            n_samples=3,
            draw=_three_points,
            axes=("x",),
            n_components=2,
            start="by-hand",
            max_iter=4,
            tol=0.0,
            by_hand=ByHand((0.5, 0.5), ((1.0,), (3.0,)), (((1.0,),), ((1.0,),))),
            random=False,
        ),
        "unequal-weights": _preset(
            "Unequal weights",
            "A large wide group of 450 points and a small narrow one of 50 at its edge.",
            "Start from k-means and look at iteration 0: has k-means found the small group? What does EM change?",
            _oval(450, (0, 0), (1.5, 1.5)),
            _oval(50, (4, 1), (0.6, 0.6)),
            n_components=2,
            start_seed=1,
            max_iter=200,
        ),
        "crossing-ellipses": _preset(
            "Crossing ellipses",
            "Two long groups that cross at the same centre: only their directions tell them apart.",
            "Try the covariance types diagonal and spherical: what do they lose?",
            _oval(150, (0, 0), (2.2, 2.2), 0.95),
            _oval(150, (0, 0), (2.2, 2.2), -0.95),
            n_components=2,
        ),
        "slanted-bands": _preset(
            "Slanted bands",
            "Three long groups of one and the same shape, side by side and slanted.",
            "Take the covariance full instead of tied: how much higher does it climb for six more parameters?",
            _oval(120, (-2.2, 1.4), (1.5, 1.5), 0.85),
            _oval(120, (0, 0), (1.5, 1.5), 0.85),
            _oval(120, (2.2, -1.4), (1.5, 1.5), 0.85),
            n_components=3,
            covariance_type="tied",
            start="k-means-plus-plus",
            start_seed=13,
            max_iter=200,
        ),
        "along-the-axes": _preset(
            "Along the axes",
            "Three groups, flat, tall and flat: none of them is slanted.",
            "Take the covariance full instead of diagonal: how much higher does it climb for three more parameters?",
            _oval(120, (0, 0), (2.2, 0.5)),
            _oval(120, (0, 3), (0.5, 1.6)),
            _oval(80, (4, 3), (1.3, 0.4)),
            n_components=3,
            covariance_type="diag",
            start="k-means-plus-plus",
            start_seed=9,
        ),
        "mouse": _preset(
            "Mouse",
            "A large round head and two small round ears.",
            "Start from k-means and look at iteration 0: what has it made of the ears, and what does EM change?",
            _oval(300, (0, 0)),
            _oval(60, (-2, 2), (0.4, 0.4)),
            _oval(60, (2, 2), (0.4, 0.4)),
            n_components=3,
            covariance_type="spherical",
            start_seed=10,
        ),
        "three-groups": _preset(
            "Three groups, two components",
            "Two components must share three groups, and two ways to do so are both maxima.",
            "Which two groups will be merged? Take new starts until the log-likelihood ends higher.",
            _oval(110, (-5, 0)),
            _oval(80, (0, 2.5)),
            _oval(110, (4.8, 0)),
            n_components=2,
            start_seed=0,
        ),
        "three-peaks": _preset(
            "Three peaks, two components",
            "Three peaks on a line, two components: the start decides which peaks are merged.",
            "Which merger has the higher log-likelihood? Take new random starts to see both.",
            _line(90, -5, 1),
            _line(120, 0, 1),
            _line(90, 4.6, 1),
            n_components=2,
            start_seed=1,
        ),
        "twenty-forty-three": _preset(
            "Twenty and forty, three components",
            "140 values around 40 and 60 around 20, both with sd 5: one component more than there are groups.",
            "Will the third component take the lowest values or the highest? Take new starts: which ends higher?",
            _line(140, 40, 5),
            _line(60, 20, 5),
            n_components=3,
            max_iter=1000,
            tol=1e-8,
        ),
        "four-groups": _preset(
            "Four groups in a square",
            "Four separate groups and four components: the right number, and yet this start gets stuck.",
            "Every component ends between two groups: how many new starts until one finds the groups?",
            _oval(75, (-3, -3)),
            _oval(75, (3, -3)),
            _oval(75, (-3, 3)),
            _oval(75, (3, 3)),
            n_components=4,
            start_seed=10,
        ),
        "how-many": _preset(
            "How many groups?",
            "300 points from groups that overlap: some share a centre, or nearly touch.",
            "How many groups made these points? Guess before a criterion says it.",
            _oval(90, (-2.5, 0), (1.5, 1.5), 0.8),
            _oval(90, (-2.5, 0), (1.5, 1.5), -0.8),
            _oval(70, (2, 2), (0.9, 0.9)),
            _oval(50, (2.2, -1.6), (1.1, 0.6), 0.4),
            n_components=4,
            start_seed=1,
            max_iter=1000,
        ),
        "swapped-labels": _preset(
            "Swapped labels",
            "Two groups that come out in either order: nothing in the data says which is component 1.",
            "Take new starts until the two colours change places: what happens to the log-likelihood?",
            _oval(120, (0, 0), (1, 1), 0.3),
            _oval(180, (3, 1.5), (1.1, 0.9), -0.3),
            n_components=2,
            start_seed=2,
        ),
        "saddle": _preset(
            "On the saddle",
            "Two plain groups, but both components start equal, at the grand mean.",
            "Nothing moves: is this a maximum? Choose random points as the start and compare.",
            _oval(120, (-2, 0)),
            _oval(120, (2, 0)),
            n_components=2,
            start="grand-mean",
            start_seed=3,  # for the random start that the question asks for
        ),
        "twenty-forty-equal": _preset(
            "Twenty and forty, equal means",
            "140 values around 40 and 60 around 20, but both components start equal, at the grand mean.",
            "The groups are 20 apart: how far apart will EM bring the two means? Then start one 1 further right.",
            _line(140, 40, 5),
            _line(60, 20, 5),
            n_components=2,
            start="grand-mean",
        ),
        "mirror": Preset(
            "Mirror images",
            "For each point x there is one at -x, and the start is balanced too: EM stops between two equal maxima.",
            "Which side will get the peak in the middle? Then start one mean 0.1 further out and look again.",
            n_features=1,
            n_samples=300,
            draw=partial(_draw_mirrored, _MIRROR_GROUPS),
            axes=("x",),
            n_components=2,
            start="by-hand",
            by_hand=ByHand((0.5, 0.5), ((-2.0,), (2.0,)), (((4.0,),), ((4.0,),))),
        ),
        "heavy-overlap": _preset(
            "Heavy overlap",
            "Two groups so close that they look like one: EM climbs by ever smaller steps.",
            "Guess the number of iterations, then compare with the two round groups.",
            _oval(100, (0, 0)),
            _oval(200, (2.2, 0.6)),
            n_components=2,
            start_seed=3,
            max_iter=500,
            tol=1e-7,
        ),
        "tolerance-trap": _preset(
            "Tolerance trap",
            "500 and 1,500 points, one sd: EM creeps over a plateau, where a loose tolerance stops it.",
            "The true weights are 0.25 and 0.75. Lower the tolerance to 1e-6: how far had EM still to go?",
            _line(500, 0, 1),
            _line(1500, 2.5, 1),
            n_components=2,
            covariance_type="tied",
            start_seed=11,
            max_iter=500,
            tol=1e-4,
        ),
        "one-takes-all": _preset(
            "One component takes all",
            "A single group, and a second component that starts at its edge.",
            "Both start with weight 0.5: what will be left of the second?",
            _line(300, 0, 1),
            n_components=2,
            start="by-hand",
            by_hand=ByHand((0.5, 0.5), ((-0.5,), (3.0,)), (((1.0,),), ((0.25,),))),
        ),
        "outlier": Preset(
            "Outlier",
            "Two groups of 80 points and one point far away, which gets a component of its own.",
            "Start from random points: both groups are found, but which fit has the higher log-likelihood?",
            n_features=2,
            n_samples=161,
            draw=partial(_draw_with_points, _OUTLIER_GROUPS, ((20.0, -12.0),)),
            axes=("x", "y"),
            n_components=2,
            covariance_type="tied",
            start="farthest-points",
        ),
        "duplicates": Preset(
            "Duplicates",
            "Two groups, and one value recorded twelve times: a component can shrink onto it without end.",
            "Watch the sd of the component in the middle and the log-likelihood: where does it end?",
            n_features=2,
            n_samples=132,
            draw=partial(_draw_with_points, _DUPLICATE_GROUPS, ((2.5, 2.5),) * 12),
            axes=("x", "y"),
            n_components=3,
            start_seed=5,
        ),
        "ring": Preset(
            "Ring",
            "Points around a circle: no mixture of Gaussians made them, and yet one can describe them.",
            "How will six ellipses share a ring? Are they six groups?",
            n_features=2,
            n_samples=400,
            draw=partial(_draw_ring, 400, 3.0, 0.25),
            axes=("x", "y"),
            n_components=6,
            start="k-means-plus-plus",
            start_seed=1,
            max_iter=200,
        ),
    }
)
