"""An experiment: the plain values that decide a run. Same experiment, same history, bit for bit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emcore import datasets, em, starts
from emcore.datasets import Dataset, Group
from emcore.models import GaussianMixture, KMeans
from emcore.models.gaussian_kernel import prepare
from emcore.starts import ByHand

CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class PresetData:
    """One of DATASETS, drawn with `seed`."""

    name: str
    seed: int = 0

    def make(self) -> Dataset:
        """The data set."""
        return datasets.load(self.name, self.seed)


@dataclass(frozen=True)
class SyntheticData:
    """Gaussian groups of one's own, drawn with `seed`."""

    groups: tuple[Group, ...]
    seed: int = 0

    def make(self) -> Dataset:
        """The data set."""
        return datasets.generate(self.groups, self.seed)


@dataclass(frozen=True)
class OwnData:
    """Data that somebody brought.

    Attributes
    ----------
    name : str
        The file's name.
    columns : tuple of str
        The name of each axis.
    values : bytes
        The numbers, row by row, as 8-byte floats: hashable, and compared by content.
    """

    name: str
    columns: tuple[str, ...]
    values: bytes

    @classmethod
    def of(cls, name: str, columns: tuple[str, ...], X: ArrayLike) -> OwnData:
        """From an array of shape (n_samples, len(columns)), finite numbers."""
        points = prepare(X).X
        if points.shape[1] != len(columns):
            raise ValueError(f"columns must name the {points.shape[1]} columns of X, got {columns}")
        return cls(name, columns, np.ascontiguousarray(points).tobytes())

    def make(self) -> Dataset:
        """The data set."""
        X = np.frombuffer(self.values).reshape(-1, len(self.columns))
        return Dataset(X=X, truth=None, caption=f"Your own data from {self.name}.", question="", axes=self.columns)


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run: data, model, start, stop.

    Attributes
    ----------
    source : PresetData, SyntheticData or OwnData
        Where the data come from.
    model : GaussianMixture or KMeans
        What is fitted.
    start : str
        A key of STARTS.
    start_seed : int
        Of the start alone: the data have a seed of their own.
    by_hand : ByHand or None
        The start's parameters where `start` is "by-hand".
    max_iter, tol
        As in `emcore.em.run`.
    """

    source: PresetData | SyntheticData | OwnData
    model: GaussianMixture | KMeans
    start: str = "random-points"
    start_seed: int = 0
    by_hand: ByHand | None = None
    max_iter: int = 100
    tol: float = 1e-6

    def dataset(self) -> Dataset:
        """The data (kept for all visitors)."""
        return dataset(self.source)

    def history(self) -> em.History:
        """The run (kept for all visitors)."""
        history: em.History = _cache.get(self, self._run)
        return history

    def _run(self) -> em.History:
        X = self.dataset().X
        parameters = starts.start(self.start, self.model, X, self.start_seed, self.by_hand)
        history = em.run(self.model, X, parameters, max_iter=self.max_iter, tol=self.tol)
        _ = history.prepared  # laid out now, so that the cache knows what the history weighs
        return history


def dataset(source: PresetData | SyntheticData | OwnData) -> Dataset:
    """The data of `source` (kept for all visitors)."""
    made: Dataset = _cache.get(source, source.make)
    return made


class BoundedCache:
    """Values by key, shared by all visitors, the least recently used given up when they weigh more than `max_bytes`.

    Keys are frozen dataclasses: unlike `st.cache_data`, which hashes their fields alone, their equality knows their
    class. Values must be read-only, because everybody gets the same one.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value at `key`, made now if it is not there. An error in `make` passes on and nothing is kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        value = make()  # outside the lock: a long run keeps nobody else waiting
        weight = n_bytes(value)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = value, weight
                self._bytes += weight
            while self._bytes > self.max_bytes and self._kept:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        return value

    @property
    def n_bytes(self) -> int:
        """What the values weigh now."""
        return self._bytes


def n_bytes(value: Any) -> int:
    """About how many bytes a value keeps alive: its arrays, and 64 for everything else that it holds."""
    seen: set[int] = set()

    def weigh(item: Any) -> int:
        if id(item) in seen:
            return 0
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            return 64 + item.nbytes
        if isinstance(item, bytes | str):
            return 64 + len(item)
        if isinstance(item, tuple | list):
            return 64 + sum(weigh(entry) for entry in item)
        if isinstance(item, dict):
            return 64 + sum(weigh(entry) for entry in item.values())
        return 64 + (weigh(vars(item)) if hasattr(item, "__dict__") else 0)

    return weigh(value)


_cache = BoundedCache(CACHE_BYTES)
