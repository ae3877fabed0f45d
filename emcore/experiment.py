"""An experiment: the plain values that decide a run. Same experiment, same history, bit for bit."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from hashlib import blake2b
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from emcore import datasets, em, starts
from emcore.datasets import DATASETS, Dataset, Group
from emcore.em import LatentVariableModel
from emcore.models import GaussianMixture
from emcore.models.gaussian_kernel import prepare
from emcore.models.mixture import whole_number
from emcore.restarts import Runs, run_many
from emcore.starts import OWN, STARTS, At, ByHand

CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class PresetData:
    """One of DATASETS, drawn with `seed` (from 0 up). ValueError for another name or seed."""

    name: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in DATASETS:
            raise ValueError(f"the data set must be one of {', '.join(DATASETS)}, got {self.name!r}")
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    def make(self) -> Dataset:
        """The data set."""
        return DATASETS[self.name](self.seed)


@dataclass(frozen=True)
class SyntheticData:
    """Gaussian groups of one's own, drawn with `seed` (from 0 up)."""

    groups: tuple[Group, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

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
        return cls(name, tuple(columns), np.ascontiguousarray(points).tobytes())

    def make(self) -> Dataset:
        """The data set."""
        X = np.frombuffer(self.values).reshape(-1, len(self.columns))
        return Dataset(X=X, truth=None, caption=f"Your own data from {self.name}.", question="", axes=self.columns)


class Source(Hashable, Protocol):
    """Where data come from: a frozen dataclass of plain values, which decide them."""

    def make(self) -> Any:
        """The data: `X`, read-only, as the model wants it, and whatever a page says of them."""
        ...


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run: data, model, start, stop.

    Attributes
    ----------
    source : PresetData, SyntheticData, OwnData or another Source
        Where the data come from.
    model : LatentVariableModel
        What is fitted: a frozen dataclass of its hyperparameters.
    start : str
        A key of STARTS, for a model that can be begun from means, or OWN for the model's own start.
    start_seed : int
        Of the start alone, from 0 up: the data have a seed of their own.
    by_hand : ByHand, At or None
        The start's parameters where `start` is "by-hand", None for every other start.
    max_iter, tol
        As in `emcore.em.run`.

    Raises
    ------
    ValueError
        One of these is not what it must be. Whether a start by hand fits the model and the data shows in `history`.
    """

    source: Source
    model: LatentVariableModel
    start: str = "random-points"
    start_seed: int = 0
    by_hand: ByHand | At | None = None
    max_iter: int = 100
    tol: float = 1e-6

    def __post_init__(self) -> None:
        if not callable(getattr(self.source, "make", None)):
            raise ValueError(f"source must be PresetData, SyntheticData, OwnData or the like, got {self.source!r}")
        if self.start not in STARTS and self.start != OWN:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, or {OWN}, got {self.start!r}")
        if self.start == "by-hand" and type(self.by_hand) not in (ByHand, At):
            raise ValueError(
                'the start "by-hand" needs weights, means and covariances in by_hand (a ByHand, or an At), '
                f"got {self.by_hand!r}; set them or try another start"
            )
        if self.start != "by-hand" and self.by_hand is not None:
            raise ValueError(
                f'by_hand must be None for the start "{self.start}", which does not look at it, '
                f'got {self.by_hand!r}; leave it out or choose the start "by-hand"'
            )
        object.__setattr__(self, "start_seed", whole_number(self.start_seed, "start_seed", least=0))
        object.__setattr__(self, "max_iter", whole_number(self.max_iter, "max_iter", least=0))
        object.__setattr__(self, "tol", _tolerance(self.tol))

    @cached_property
    def digest(self) -> str:
        """A name for this run, 32 hexadecimal digits: equal for equal experiments, on every machine, and for no others.

        `hash` is none: hash(-1.0) equals hash(-2.0), and that of text is another in every process.
        """
        return blake2b(_spelled(self).encode(), digest_size=16).hexdigest()

    def dataset(self) -> Any:
        """The data (kept for all visitors)."""
        return dataset(self.source)

    def history(self) -> em.History:
        """The run (kept for all visitors)."""
        history: em.History = _cache.get(self, self._run)
        return history

    def restarts(self, first: int, n_runs: int) -> Runs:
        """The ends of `n_runs` runs whose start seeds count up from `first`; all else as here (kept for all visitors).

        One run is enough, whatever `n_runs`, where nothing in the start is random. ValueError unless the model is a
        GaussianMixture.
        """
        block = _Block(replace(self, start_seed=0), first, n_runs if STARTS[self.start].random else 1)
        runs: Runs = _cache.get(block, block.run)
        return runs

    def end(self) -> Runs:
        """The end of the run, as a set of one; no more of the run needs to be kept."""
        history = self.history()
        reason = history.reason if history.stopped == "degenerate" else ""
        n_iterations = np.array([history.n_iterations])
        last = history.objective[-1:].copy()
        return Runs(_mixture(self.model), history.parameters[-1:], last, n_iterations, (history.stopped,), (reason,))

    def _run(self) -> em.History:
        X = self.dataset().X
        parameters = starts.start(self.start, self.model, X, self.start_seed, self.by_hand)
        history = em.run(self.model, X, parameters, max_iter=self.max_iter, tol=self.tol)
        _ = history.prepared  # laid out now, so that the cache knows what the history weighs
        return history


@dataclass(frozen=True)
class _Block:
    """Several runs that differ by the seed of their start alone."""

    experiment: Experiment
    first: int
    n_runs: int

    def run(self) -> Runs:
        experiment, X = self.experiment, self.experiment.dataset().X
        begun = [
            starts.start(experiment.start, experiment.model, X, seed, experiment.by_hand)
            for seed in range(self.first, self.first + self.n_runs)
        ]
        return run_many(_mixture(experiment.model), X, begun, max_iter=experiment.max_iter, tol=experiment.tol)


def _mixture(model: LatentVariableModel) -> GaussianMixture:
    if not isinstance(model, GaussianMixture):
        raise ValueError(f"many runs at once need a GaussianMixture, got {model!r}")
    return model


def kept(key: Hashable, make: Callable[[], Any]) -> Any:
    """Whatever else follows from experiments, kept for all visitors beside their data and histories.

    `key` must say all that the value depends on, its kind included; the value must be read-only.
    """
    return _cache.get(("kept", key), make)


def dataset(source: Source) -> Any:
    """The data of `source` (kept for all visitors)."""
    return _cache.get(source, source.make)


def _tolerance(tol: Any) -> float:
    try:
        value = float(tol)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"tol must be a finite number from 0 up, got {tol!r}")
    return value


def _spelled(value: Any) -> str:
    """A value in writing: equal values (1, 1.0 and numpy's 1; 0.0 and -0.0) have equal texts, and others other ones."""
    if is_dataclass(value):
        parts = (_spelled(getattr(value, field.name)) for field in fields(value) if field.compare)
        return f"{type(value).__name__}({','.join(parts)})"
    if isinstance(value, tuple):
        return "(" + "".join(_spelled(entry) + "," for entry in value) + ")"
    if isinstance(value, bytes):
        return f"bytes {blake2b(value).hexdigest()}"
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, int | np.integer):
        return str(int(value))
    return repr(str(value)) if value is not None else "None"  # text has quotes


class BoundedCache:
    """Values by key, shared by all visitors, the least recently used given up when they weigh more than `max_bytes`.

    Keys are frozen dataclasses: unlike `st.cache_data`, which hashes their fields alone, their equality knows their
    class. Values must be read-only, because everybody gets the same one.

    A key and its value are weighed together, once, when the value arrives (`n_bytes`). What the value computes and
    keeps later is not counted; nor is it known what two values share, which counts for both.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._in_work: dict[Hashable, Future[Any]] = {}
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value at `key`, made now if it is not there.

        Whoever asks for a key that is in work waits for that value: a class that opens one link costs one run. An
        error in `make` passes to all who wait, and nothing is kept. `make` must not ask for its own key.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
            mine = key not in self._in_work
            future = self._in_work.setdefault(key, Future())
        if mine:
            self._make(key, make, future)
        return future.result()

    def _make(self, key: Hashable, make: Callable[[], Any], future: Future[Any]) -> None:
        """Fill `future`, outside the lock: a long run keeps nobody waiting but those who want it."""
        try:
            value = make()
            weight = n_bytes((key, value))
        except BaseException as error:  # whatever it is, those who wait must not wait for ever
            with self._lock:
                del self._in_work[key]
            future.set_exception(error)
            return
        with self._lock:
            del self._in_work[key]
            if weight <= self.max_bytes:  # a heavier one would only drive out all others
                self._kept[key] = value, weight
                self._bytes += weight
            while self._bytes > self.max_bytes:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        future.set_result(value)

    @property
    def n_bytes(self) -> int:
        """What keys and values weigh now, at most `max_bytes`."""
        return self._bytes


def n_bytes(value: Any) -> int:
    """About how many bytes a value keeps alive: its arrays with all that they are views of, and what holds them.

    Of a `History` that is the data, their layout (`prepared`, if it was asked for before) and the parameters of every
    iteration; not its `lower_bounds`, which come later (16 bytes an iteration), and no posterior: it never keeps one.
    """
    seen: set[int] = set()

    def weigh(item: Any) -> int:
        if id(item) in seen:
            return 0
        seen.add(id(item))
        held: list[Any] = []
        if isinstance(item, np.ndarray):
            held = [item.base]
        elif isinstance(item, tuple | list):
            held = list(item)
        elif isinstance(item, dict):
            held = list(item.values())
        elif hasattr(item, "__dict__"):
            held = [vars(item)]
        return sys.getsizeof(item) + sum(weigh(entry) for entry in held)

    return weigh(value)


_cache = BoundedCache(CACHE_BYTES)
