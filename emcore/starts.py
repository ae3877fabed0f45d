"""Ways to choose the first parameters: where EM starts decides which maximum it climbs to.

Every start works with any model that can be begun from means (`from_means`) and from responsibilities
(`from_responsibilities`, then its own M-step).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.em import DegenerateFit, LatentVariableModel, run
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.models.k_means import KMeans
from emcore.models.mixture import frozen_array, whole_number
from emcore.models.variational_gaussian_mixture import VariationalGaussianMixture

Points = NDArray[np.float64]

OWN = "own"  # the start that every model has: its `initialize`


class StartableModel(LatentVariableModel, Protocol):
    """A model of clusters, which a start can hand means or responsibilities to."""

    def from_means(self, X: Any, means: ArrayLike) -> Any:
        """Parameters with these means and everything else as it is in the whole data."""
        ...

    def from_responsibilities(self, X: Any, responsibilities: ArrayLike) -> Any:
        """The posterior that consists of these responsibilities."""
        ...


@dataclass(frozen=True)
class ByHand:
    """First parameters as plain numbers, for a start that a person sets.

    Attributes
    ----------
    weights : tuple of n_components floats
        Positive, sum 1.
    means : tuple of n_components tuples of n_features floats
        In the data's units.
    covariances : tuple of n_components tuples of n_features tuples of n_features floats
        Full symmetric positive definite matrices, in the data's units squared.

    Lists and arrays become tuples. Whether the numbers are legal, and fit the model and the data, `start` says.
    """

    weights: tuple[float, ...]
    means: tuple[tuple[float, ...], ...]
    covariances: tuple[tuple[tuple[float, ...], ...], ...]

    def __post_init__(self) -> None:
        for name in ("weights", "means", "covariances"):
            object.__setattr__(self, name, _plain(getattr(self, name)))

    @classmethod
    def of(cls, parameters: GaussianMixtureParameters) -> ByHand:
        """The numbers of a mixture, exactly."""
        return cls(
            tuple(parameters.weights.tolist()),
            tuple(tuple(row) for row in parameters.means.tolist()),
            tuple(tuple(tuple(row) for row in matrix) for matrix in parameters.covariances.tolist()),
        )


@dataclass(frozen=True)
class Start:
    """One way to choose the first parameters: call it with a model, X and a random generator.

    Attributes
    ----------
    title, description : str
        For people: a name, and one sentence on what it does.
    random : bool
        Whether another seed gives another start.
    """

    title: str
    description: str
    random: bool
    _make: Callable[[Any, Any, np.random.Generator], Any]  # X is what `model.prepare` returned

    def __call__(self, model: StartableModel, X: Any, rng: np.random.Generator) -> Any:
        """The first parameters of `model` for X, array-like of shape (n_samples, n_features) or prepared."""
        return self._make(model, model.prepare(X), rng)


@dataclass(frozen=True)
class At:
    """First parameters of any model by their coordinates (`to_vector`), for a start that a person sets.

    Attributes
    ----------
    vector : tuple of float
        As many as the model's parameters have `names`. Whether they fit, `start` says.
    """

    vector: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "vector", _plain(tuple(self.vector)))

    @classmethod
    def of(cls, parameters: Any) -> At:
        """The coordinates of these parameters."""
        return cls(tuple(parameters.to_vector().tolist()))


def start(name: str, model: Any, X: Any, seed: int, by_hand: ByHand | At | None = None) -> Any:
    """The first parameters of `model` that the start called `name` chooses for X.

    Parameters
    ----------
    name : str
        A key of STARTS, for a model that can be begun from means; or OWN, the `initialize` of any model.
    model, X
        What will be fitted to what; X has shape (n_samples, n_features).
    seed : int
        From 0 up. Data are drawn from another stream (`emcore.datasets`), even if the seeds are equal.
    by_hand : ByHand, or anything with its three attributes, or At
        The numbers of the start "by-hand"; the other starts do not look at them.

    Raises
    ------
    ValueError
        An unknown name, a seed that is no whole number, or numbers that do not fit the model and the data.
    """
    if name not in STARTS and name != OWN:
        raise ValueError(f"start must be one of {', '.join(STARTS)}, or {OWN}, got {name!r}")
    rng = np.random.default_rng([whole_number(seed, "seed", least=0), 1])
    if name == OWN:
        return model.initialize(model.prepare(X), rng)
    if name == "by-hand" and isinstance(by_hand, At):
        return model.initialize(model.prepare(X), rng).from_vector(np.array(by_hand.vector))
    if name == "by-hand" and by_hand is not None:
        return _from_numbers(model, model.prepare(X), by_hand)
    return STARTS[name](model, X, rng)


def _plain(numbers: Any) -> Any:
    """Numbers as floats in tuples, so that they can be compared and hashed."""
    if isinstance(numbers, tuple | list | np.ndarray):
        return tuple(_plain(entry) for entry in numbers)
    return float(numbers) if isinstance(numbers, int | float | np.number) else numbers


def _random_points(model: Any, X: Any, rng: np.random.Generator) -> Any:
    n_samples, n_components = len(X.X), model.n_components
    chosen = rng.choice(n_samples, n_components, replace=n_samples < n_components)
    return model.from_means(X, X.X[chosen])


def _random_responsibilities(model: Any, X: Any, rng: np.random.Generator) -> Any:
    responsibilities = rng.dirichlet(np.ones(model.n_components), size=len(X.X))
    return _from_responsibilities(model, X, responsibilities)


def _k_means_plus_plus(model: Any, X: Any, rng: np.random.Generator) -> Any:
    return model.from_means(X, _spread_points(X.X, model.n_components, rng))


def _k_means(model: Any, X: Any, rng: np.random.Generator) -> Any:
    clusters = KMeans(model.n_components)
    first = clusters.from_means(X, _spread_points(X.X, model.n_components, rng))
    # The distortion stands exactly still once no point changes its mean: any tolerance above 0 stops there.
    history = run(clusters, X.X, first, max_iter=100, tol=float(np.finfo(np.float64).tiny))
    responsibilities = history.posterior(history.n_iterations).responsibilities
    if not responsibilities.any(axis=0).all():  # a mean without points, which no M-step can fit
        return model.from_means(X, history.parameters[-1].means)
    return _from_responsibilities(model, X, responsibilities)


def _farthest_points(model: Any, X: Any, rng: np.random.Generator) -> Any:
    """First the point nearest the grand mean, then always the one farthest from those chosen (maximin)."""
    points = _unit_scale(X.X)
    distances = np.full(len(points), np.inf)
    chosen = [int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    while len(chosen) < model.n_components:
        distances = np.minimum(distances, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distances.argmax()))
    return model.from_means(X, X.X[chosen])


def _grand_mean(model: Any, X: Any, rng: np.random.Generator) -> Any:
    return model.from_means(X, np.tile(X.X.mean(axis=0), (model.n_components, 1)))


def _poor(model: Any, X: Any, rng: np.random.Generator) -> Any:
    """The points at one end of the first principal axis: that where its largest coordinate is low."""
    points = _unit_scale(X.X)
    centred = points - points.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    axis = axis * np.sign(axis[np.abs(axis).argmax()])  # an eigenvector's sign is arbitrary
    order = np.argsort(centred @ axis, kind="stable")
    return model.from_means(X, X.X[np.resize(order[: model.n_components], model.n_components)])


def _without_numbers(model: Any, X: Any, rng: np.random.Generator) -> Any:
    raise ValueError("a start by hand needs weights, means and covariances, got none; try another start")


def _from_numbers(model: Any, X: Any, numbers: Any) -> Any:
    """The start at these numbers, brought into the family that the model's M-step chooses from.

    From outside that family the first M-step could lower the log-likelihood. So tied covariances are pooled
    by weight, diagonal ones lose what is off the diagonal, spherical ones take the mean variance.
    """
    expected = (model.n_components, X.n_features)
    means = frozen_array(numbers.means, "means by hand (a row for every component)", expected)
    if isinstance(model, KMeans):
        return model.from_means(X, means)
    mixture = GaussianMixtureParameters(numbers.weights, means, numbers.covariances)
    if isinstance(model, VariationalGaussianMixture):
        return model.from_mixture(X, mixture)
    return model.constrain(mixture)


def _from_responsibilities(model: Any, X: Any, responsibilities: NDArray[np.float64]) -> Any:
    """What the M-step makes of them; where a component would collapse at once, a start from their means."""
    try:
        return model.m_step(X, model.from_responsibilities(X, responsibilities))
    except DegenerateFit:
        return model.from_means(X, responsibilities.T @ X.X / responsibilities.sum(axis=0)[:, None])


def _spread_points(points: Points, n_components: int, rng: np.random.Generator) -> Points:
    """Points drawn in turn with probability proportional to the squared distance from the nearest one drawn.

    The seeding of k-means++ (Arthur & Vassilvitskii 2007), in the data's own units, as in k-means itself.
    """
    scaled = _unit_scale(points)
    chosen = [int(rng.integers(len(points)))]
    distances = np.full(len(points), np.inf)
    while len(chosen) < n_components:
        distances = np.minimum(distances, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
        total = distances.sum()  # 0 when every distinct point is taken: then any will do
        probabilities = distances / total if total > 0 else None
        chosen.append(int(rng.choice(len(points), p=probabilities)))
    return points[chosen]


def _unit_scale(points: Points) -> Points:
    """The points about their mean, over the largest coordinate: no squared distance over- or underflows."""
    centred = points - points.mean(axis=0)
    largest = float(np.abs(centred).max())
    scaled: Points = centred / (largest if largest > 0 else 1.0)
    return scaled


STARTS: Mapping[str, Start] = MappingProxyType(
    {
        "random-points": Start(
            "Random points",
            "Every mean starts at a data point drawn at random; every covariance is that of all points.",
            True,
            _random_points,
        ),
        "random-responsibilities": Start(
            "Random responsibilities",
            "Every point is shared out among the components at random: all means start near the grand mean.",
            True,
            _random_responsibilities,
        ),
        "k-means-plus-plus": Start(
            "k-means++",
            "Every mean starts at a data point, drawn more often the farther it lies from the others.",
            True,
            _k_means_plus_plus,
        ),
        "k-means": Start(
            "k-means",
            "k-means runs first, and each of its clusters gives a weight, a mean and a covariance.",
            True,
            _k_means,
        ),
        "farthest-points": Start(
            "Farthest points",
            "The first mean starts at the point nearest the centre, every next at the farthest from these.",
            False,
            _farthest_points,
        ),
        "grand-mean": Start(
            "All at the grand mean",
            "All components start equal: nothing tells them apart.",
            False,
            _grand_mean,
        ),
        "poor": Start(
            "All in one corner",
            "All means start side by side at one end of the data: a deliberately poor start.",
            False,
            _poor,
        ),
        "by-hand": Start(
            "By hand",
            "The weights, means and covariances that you set.",
            False,
            _without_numbers,
        ),
    }
)
