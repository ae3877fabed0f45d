"""Sequences for hidden Markov models: simulated from stated parameters, or typed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.models import (
    CategoricalHiddenMarkov,
    CategoricalHiddenMarkovParameters,
    GaussianHiddenMarkov,
    GaussianHiddenMarkovParameters,
)
from emcore.models.mixture import frozen_array, whole_number

Kind = Literal["symbols", "numbers"]
ChainParameters = GaussianHiddenMarkovParameters | CategoricalHiddenMarkovParameters

# What may be typed in.
MAX_STEPS: Final = 500
MAX_SYMBOLS: Final = 8
LONGEST_SYMBOL: Final = 8
LARGEST_NUMBER: Final = 1e9


@dataclass(frozen=True, eq=False)
class Sequences:
    """One or several sequences of observations, and what is known about them.

    Attributes
    ----------
    X : ndarray of shape (n_samples, 1)
        One sequence after the other, read-only: numbers, or symbols by their number from 0.
    lengths : tuple of int
        The number of rows of each sequence; () if there is one.
    symbols : tuple of str
        The name of each symbol; () where X are measurements.
    truth : parameters of a hidden Markov model, or None
        What they were drawn from; None where nobody knows.
    states : ndarray of int of shape (n_samples,), or None
        The true state of each row, from 0, as `truth` numbers them.
    state_names : tuple of str
        What the true states are called; () where nobody knows.
    caption : str
        What they are, in a sentence.
    axis : str
        The title of the observations' axis, with its unit.
    step : str
        What one step is: "day", "roll".
    """

    X: NDArray[np.float64]
    lengths: tuple[int, ...]
    symbols: tuple[str, ...]
    truth: Any
    states: NDArray[np.int_] | None
    state_names: tuple[str, ...]
    caption: str
    axis: str
    step: str

    def model(self, n_components: int, tied: bool = False) -> GaussianHiddenMarkov | CategoricalHiddenMarkov:
        """The model of so many hidden states for these observations; `tied`: with one sd for all, for measurements."""
        if self.symbols:
            return CategoricalHiddenMarkov(n_components, len(self.symbols), self.lengths)
        return GaussianHiddenMarkov(n_components, "tied" if tied else "full", self.lengths)


@dataclass(frozen=True)
class Example:
    """A chain to draw sequences from.

    Attributes
    ----------
    title, caption : str
        For people: a name, and what the sequences are.
    truth : parameters of a hidden Markov model
        What they are drawn from.
    lengths : tuple of int
        The length of each sequence.
    state_names : tuple of str
        What its states are called.
    axis, step, symbols
        As in `Sequences`.
    start_seed, data_seed, max_iter : int
        Of the run that shows it well.
    look_at : int
        A step of that run, from 1, at which past, present and future do not agree.
    """

    title: str
    caption: str
    truth: ChainParameters
    lengths: tuple[int, ...]
    state_names: tuple[str, ...]
    axis: str
    step: str
    symbols: tuple[str, ...] = ()
    start_seed: int = 0
    data_seed: int = 0
    max_iter: int = 100
    look_at: int = 1

    def draw(self, seed: int) -> Sequences:
        """Sequences drawn with `seed`, a whole number from 0 up."""
        rng = np.random.default_rng([whole_number(seed, "seed", least=0), 0])
        states = np.concatenate([_states(self.truth, length, rng) for length in self.lengths])
        if isinstance(self.truth, CategoricalHiddenMarkovParameters):
            sums = self.truth.probabilities.cumsum(axis=1)[states]
            drawn = (rng.random((len(states), 1)) > sums[:, :-1]).sum(axis=1).astype(np.float64)
        else:
            drawn = rng.normal(self.truth.means[states, 0], self.truth.sds[states, 0])
        lengths = self.lengths if len(self.lengths) > 1 else ()
        return _sequences(
            drawn, lengths, self.symbols, self.truth, states, self.state_names, self.caption, self.axis, self.step
        )


def _states(truth: ChainParameters, length: int, rng: np.random.Generator) -> NDArray[np.int_]:
    """A path through the hidden states."""
    states = np.empty(length, dtype=np.int_)
    chances = truth.initial
    for t, share in enumerate(rng.random(length)):
        states[t] = int((share > chances.cumsum()[:-1]).sum())
        chances = truth.transitions[states[t]]
    return states


def _sequences(
    values: ArrayLike,
    lengths: tuple[int, ...],
    symbols: tuple[str, ...],
    truth: Any,
    states: NDArray[np.int_] | None,
    state_names: tuple[str, ...],
    caption: str,
    axis: str,
    step: str,
) -> Sequences:
    X = frozen_array(np.reshape(values, (-1, 1)), "X", ("n_samples", 1))
    if states is not None:
        states.flags.writeable = False
    return Sequences(X, lengths, symbols, truth, states, state_names, caption, axis, step)


def _gaussian(
    initial: ArrayLike, transitions: ArrayLike, means: ArrayLike, sds: ArrayLike
) -> GaussianHiddenMarkovParameters:
    """A chain whose states have a Gaussian of one axis each."""
    return GaussianHiddenMarkovParameters(
        np.asarray(initial, dtype=np.float64),
        np.asarray(transitions, dtype=np.float64),
        np.reshape(means, (-1, 1)),
        np.reshape(np.square(sds), (-1, 1, 1)),
    )


def _categorical(
    initial: ArrayLike, transitions: ArrayLike, probabilities: ArrayLike
) -> CategoricalHiddenMarkovParameters:
    return CategoricalHiddenMarkovParameters(
        *(np.asarray(values, dtype=np.float64) for values in (initial, transitions, probabilities))
    )


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "diary": Example(
            "Ice-cream diary",
            "How many ice creams somebody ate on each day of two months. The weather of those days is lost, but the "
            "diary is not. An idea of Eisner (2002); the days are simulated.",
            _categorical([0.5, 0.5], [[0.9, 0.1], [0.15, 0.85]], [[0.65, 0.27, 0.08], [0.08, 0.3, 0.62]]),
            (62,),
            ("cold", "hot"),
            "Ice creams",
            "day",
            ("1", "2", "3"),
            data_seed=1,
            look_at=9,
        ),
        "casino": Example(
            "Dishonest casino",
            "Rolls of a die in a casino that now and then changes to a loaded one, which shows a six every other time. "
            "An example of Durbin, Eddy, Krogh & Mitchison (1998); the rolls are simulated.",
            _categorical([1, 0], [[0.95, 0.05], [0.1, 0.9]], [[1 / 6] * 6, [0.1, 0.1, 0.1, 0.1, 0.1, 0.5]]),
            (300,),
            ("fair", "loaded"),
            "Face",
            "roll",
            ("1", "2", "3", "4", "5", "6"),
            start_seed=3,
            data_seed=11,
            max_iter=200,
            look_at=257,
        ),
        "channel": Example(
            "Ion channel",
            "The current through one channel of a cell's membrane, which is open or closed, in three recordings. "
            "Simulated, as it would be measured with some noise.",
            _gaussian([0.7, 0.3], [[0.93, 0.07], [0.12, 0.88]], [0.0, 1.6], [0.55, 0.7]),
            (90, 70, 80),
            ("closed", "open"),
            "Current (pA)",
            "sample",
            data_seed=1,
            look_at=139,
        ),
        "returns": Example(
            "Calm and nervous market",
            "What a share gained or lost on each day. Calm days and nervous days have nearly the same mean and very "
            "different standard deviations: no single day tells which it is. Simulated.",
            _gaussian([0.8, 0.2], [[0.97, 0.03], [0.07, 0.93]], [0.06, -0.1], [0.6, 2.1]),
            (300,),
            ("calm", "nervous"),
            "Return (%)",
            "day",
            data_seed=1,
            look_at=164,
        ),
    }
)


@dataclass(frozen=True)
class SimulatedSequences:
    """One of EXAMPLES, drawn with `seed` (from 0 up). ValueError for another name or seed."""

    name: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in EXAMPLES:
            raise ValueError(f"the example must be one of {', '.join(EXAMPLES)}, got {self.name!r}")
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    def make(self) -> Sequences:
        """The sequences."""
        return EXAMPLES[self.name].draw(self.seed)


@dataclass(frozen=True)
class TypedSequences:
    """What somebody typed: symbols or numbers with spaces or commas between them, each line a sequence.

    A line of symbols without spaces or commas is read letter by letter: "HHTHT". ValueError, a sentence, where the
    text cannot be read or a model could not be fitted to it.
    """

    text: str
    kind: Kind

    def __post_init__(self) -> None:
        if self.kind not in ("symbols", "numbers"):
            raise ValueError(f"kind must be symbols or numbers, got {self.kind!r}")
        made = self.make()
        made.model(1).prepare(made.X)

    def make(self) -> Sequences:
        """The sequences."""
        lines = [_tokens(line, self.kind) for line in re.split(r"[;\n]", self.text)]
        lines = [line for line in lines if line]
        n_steps = sum(map(len, lines))
        if max(map(len, lines), default=0) < 2:
            raise ValueError("A sequence must have at least 2 steps: with less, nothing follows anything.")
        if n_steps > MAX_STEPS:
            raise ValueError(f"There must be at most {MAX_STEPS} steps in all, got {n_steps:,}.")
        tokens = [token for line in lines for token in line]
        symbols: tuple[str, ...] = ()
        if self.kind == "symbols":
            symbols = _symbols(tokens)
            values = np.array([symbols.index(token) for token in tokens], dtype=np.float64)
        else:
            values = np.array([_number(token) for token in tokens])
            if (values == values[0]).all():
                raise ValueError(f"The numbers must not all be the same, got {tokens[0]} alone.")
        lengths = tuple(map(len, lines)) if len(lines) > 1 else ()
        axis = "Symbol" if symbols else "Value"
        return _sequences(values, lengths, symbols, None, None, (), "Your own sequence.", axis, "step")


def _tokens(line: str, kind: Kind) -> list[str]:
    tokens = re.split(r"[\s,]+", line.strip().strip(","))
    tokens = [token for token in tokens if token]
    if kind == "symbols" and len(tokens) == 1:
        return list(tokens[0])
    return tokens


def _symbols(tokens: list[str]) -> tuple[str, ...]:
    """The different symbols: whole numbers by size, others by their letters."""
    symbols = sorted(set(tokens), key=lambda token: (len(token), token) if token.isdecimal() else (99, token))
    if len(symbols) < 2:
        raise ValueError(f"There must be at least 2 different symbols, got {symbols[0][:LONGEST_SYMBOL]!r} alone.")
    if len(symbols) > MAX_SYMBOLS:
        raise ValueError(
            f"There must be at most {MAX_SYMBOLS} different symbols, got {len(symbols)}; if they are measurements, "
            "choose numbers."
        )
    for symbol in symbols:
        if len(symbol) > LONGEST_SYMBOL or not symbol.isprintable():
            raise ValueError(
                f"A symbol must have at most {LONGEST_SYMBOL} printable characters, got {symbol[:20]!r}; put spaces "
                "or commas between symbols."
            )
    return tuple(symbols)


def _number(token: str) -> float:
    try:
        value = float(token.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        raise ValueError(
            f"A number must be like 3, 1.5 or -2e3 (with a decimal point), got {token[:20]!r}; for words or letters "
            "choose symbols."
        ) from None
    if not abs(value) <= LARGEST_NUMBER:  # NaN neither
        raise ValueError(f"A number must be from -1e9 to 1e9, got {token[:20]}.")
    return value
