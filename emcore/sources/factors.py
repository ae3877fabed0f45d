"""Data for factor analysis: marks drawn from stated parameters, and the measures of 150 irises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emcore.models import FactorAnalysisParameters
from emcore.models.mixture import frozen_array, whole_number


@dataclass(frozen=True, eq=False)
class FactorData:
    """Points, and what is known about them.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        Read-only.
    truth : FactorAnalysisParameters or None
        What they were drawn from; None if nobody knows.
    caption : str
        What they are, in a sentence or two.
    axes : tuple of n_features str
        The names of the variables, with their unit if it is not said in the caption.
    """

    X: NDArray[np.float64]
    truth: FactorAnalysisParameters | None
    caption: str
    axes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", frozen_array(self.X, "X", ("n_samples", len(self.axes))))


def _drawn_from(
    mean: Sequence[float], loadings: Sequence[Sequence[float]], noise_sds: Sequence[float], equal_noise: bool = False
) -> FactorAnalysisParameters:
    """A truth, with sds in place of variances: easier to read."""
    noise = np.square(np.asarray(noise_sds, dtype=np.float64))
    return FactorAnalysisParameters(np.asarray(mean), np.asarray(loadings), noise, equal_noise)


@dataclass(frozen=True, eq=False)
class Example:
    """Data that show one thing, and the model that shows it.

    Attributes
    ----------
    title, caption : str
        For people.
    axes : tuple of n_features str
    n_samples : int
        How many points to draw; 0 for data that are as they are.
    truth : FactorAnalysisParameters or None
        What to draw them from.
    n_factors, equal_noise
        The model that suits them.
    start_seed : int
        A random start that ends with loadings above 0, so that more of the factor means more of the variables.
    point : int
        A point worth a look, counted from 1.
    """

    title: str
    caption: str
    axes: tuple[str, ...]
    n_samples: int = 0
    truth: FactorAnalysisParameters | None = None
    n_factors: int = 1
    equal_noise: bool = False
    start_seed: int = 1
    point: int = 42

    @property
    def random(self) -> bool:
        """Whether another seed gives other data."""
        return self.truth is not None


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "two-examiners": Example(
            title="Two examiners",
            caption="150 essays, each marked by two examiners. Behind both marks stands one thing that nobody sees: "
            "how good the essay is. Simulated.",
            axes=("Examiner A", "Examiner B"),
            n_samples=150,
            truth=_drawn_from([62, 58], [[9], [6]], [5, 5], True),
            equal_noise=True,
        ),
        "three-examiners": Example(
            title="Three examiners, one of them erratic",
            caption="300 essays, each marked by three examiners. The marks of examiner C spread the most, and say the "
            "least of the essay. Simulated.",
            axes=("Examiner A", "Examiner B", "Examiner C"),
            n_samples=300,
            truth=_drawn_from([62, 58, 55], [[8], [7], [3]], [4, 4, 12]),
            point=48,
        ),
        "six-tests": Example(
            title="Six tests, two abilities",
            caption="300 pupils in six tests, scores about 50 with an sd of 10. Two abilities stand behind them. "
            "Simulated.",
            axes=("Vocabulary", "Reading", "Spelling", "Arithmetic", "Algebra", "Geometry"),
            n_samples=300,
            truth=_drawn_from(
                [50] * 6,
                [[8.5, 1], [8, 2], [6, 1.5], [2, 7], [1, 8.5], [2, 6]],
                [5, 6, 8, 7, 5, 8],
            ),
            n_factors=2,
            point=123,
        ),
        "irises": Example(
            title="Irises: a Heywood case",
            caption="150 irises, four lengths of each in cm (Fisher 1936, measured by Anderson). Three species: one "
            "normal distribution is a rough picture of them.",
            axes=("Sepal length", "Sepal width", "Petal length", "Petal width"),
            point=132,
        ),
    }
)


@dataclass(frozen=True)
class FactorSource:
    """One of EXAMPLES, drawn with `seed` (from 0 up). ValueError for another name or seed."""

    name: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in EXAMPLES:
            raise ValueError(f"the data set must be one of {', '.join(EXAMPLES)}, got {self.name!r}")
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    def make(self) -> FactorData:
        """The data."""
        example = EXAMPLES[self.name]
        truth = example.truth
        if truth is None:
            X = np.loadtxt(Path(__file__).with_name("iris.csv"), delimiter=",", skiprows=1)
            return FactorData(X, None, example.caption, example.axes)
        rng = np.random.default_rng([self.seed, 0])
        factors = rng.normal(size=(example.n_samples, truth.n_factors))
        noise = np.sqrt(truth.noise_variances) * rng.normal(size=(example.n_samples, truth.n_features))
        return FactorData(truth.mean + factors @ truth.loadings.T + noise, truth, example.caption, example.axes)
