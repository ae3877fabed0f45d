"""Hidden Markov models: what was observed depends on a state that is hidden, and the state on the one before it.

p(x, z) = initial[z_1] p(x_1 | z_1) prod_t transitions[z_{t-1}, z_t] p(x_t | z_t)  (Bishop 2006, equation 13.10)

EM for them is the algorithm of Baum & Welch (Baum, Petrie, Soules & Weiss 1970). The E-step is forward-backward; the
M-step counts: expected beginnings, expected transitions, and expected observations of each state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from emcore.em import DegenerateFit
from emcore.models import gaussian_kernel as kernel
from emcore.models.forward_backward import Smoothed, forward_backward, most_probable_paths
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_mixture import (
    CovarianceType,
    GaussianMixture,
    GaussianMixtureParameters,
    _check_collapse,
    _check_covariance_type,
    _constrained,
    mean_log_densities,
)
from emcore.models.mixture import LogLikelihood, frozen_array, whole_number
from emcore.models.skeleton import Skeleton

# In coordinates a probability of 0 has a place, too: this far below 1, and from there back it is 0 again.
NEARLY_ZERO = 1e-300
STAYS = 0.5  # at the default start: the probability to stay where one is, beyond an equal share


# ---- The chain, which all of them share --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ChainParameters:
    """Where a hidden Markov chain begins and how it goes on.

    Attributes
    ----------
    initial : ndarray of shape (n_components,)
        Probability of each state at the first step of a sequence: not negative, sum 1.
    transitions : ndarray of shape (n_components, n_components)
        transitions[i, j] is the probability that state j follows state i: not negative, rows sum to 1. EM leaves a 0
        where it is: what cannot happen is never learnt.
    """

    initial: NDArray[np.float64]
    transitions: NDArray[np.float64]

    def __post_init__(self) -> None:
        initial = _frozen_probabilities(self.initial, "initial", ("n_components",))
        k = len(initial)
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "transitions", _frozen_probabilities(self.transitions, "transitions", (k, k)))

    @property
    def n_components(self) -> int:
        """The number of states."""
        return len(self.initial)

    def _chain_columns(self) -> dict[str, NDArray[np.float64]]:
        columns = {"initial probability of state": self.initial}
        return columns | {f"transition to {k + 1} from state": column for k, column in enumerate(self.transitions.T)}

    def _chain_vector(self) -> NDArray[np.float64]:
        return np.concatenate([_log_ratios(self.initial), _log_ratios(self.transitions)])

    def _chain_names(self) -> tuple[str, ...]:
        k = self.n_components
        initial = [f"logit initial {j + 1}" for j in range(k - 1)]
        return (*initial, *(f"logit transition {i + 1} to {j + 1}" for i in range(k) for j in range(k - 1)))

    def _chain_at(self, vector: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        k = self.n_components
        initial, transitions = np.split(vector, [k - 1])
        return _probabilities(initial.reshape(1, k - 1))[0], _probabilities(transitions.reshape(k, k - 1))


@dataclass(frozen=True, eq=False)
class HiddenMarkovPosterior:
    """What the E-step says of the hidden chain.

    Attributes
    ----------
    parameters
        What it was computed from.
    responsibilities : ndarray of shape (n_samples, n_components)
        responsibilities[t, k] is p(z_t = k | X, theta), given the whole sequence: rows sum to 1.
    filtered : ndarray of shape (n_samples, n_components)
        p(z_t = k | x_1 ... x_t, theta), given the past and the present of its sequence alone.
    backward : ndarray of shape (n_samples, n_components)
        p(x_{t+1} ... | z_t = k, theta), what the future says, scaled to rows that sum to 1. The responsibilities are
        the product of these two, scaled again.
    initial_counts : ndarray of shape (n_components,)
        In how many sequences each state is expected at the first step.
    transition_counts : ndarray of shape (n_components, n_components)
        [i, j] is how often state j is expected to follow state i.
    objective : float
        The log-likelihood of `parameters`, in nats, summed over the sequences.
    entropy : float
        H(q) of the whole chain in nats. Neighbours depend on each other: the sum over the rows would be too much.
    """

    parameters: Any
    responsibilities: NDArray[np.float64]
    filtered: NDArray[np.float64]
    backward: NDArray[np.float64]
    initial_counts: NDArray[np.float64]
    transition_counts: NDArray[np.float64]
    objective: float
    entropy: float

    @classmethod
    def _of(cls, parameters: Any, found: Smoothed, first: NDArray[np.bool_]) -> HiddenMarkovPosterior:
        beginnings = found.states[first].sum(axis=0)
        beginnings.flags.writeable = False
        return cls(
            parameters,
            found.states,
            found.filtered,
            found.backward,
            beginnings,
            found.transitions,
            found.log_likelihood,
            found.entropy,
        )

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """N_k, the number of steps that each state is expected to take, shape (n_components,)."""
        return np.asarray(self.responsibilities.sum(axis=0))


class Path(NamedTuple):
    """The most probable path of hidden states.

    Attributes
    ----------
    states : ndarray of int of shape (n_samples,)
        The state at each step, from 0.
    log_probability : float
        log p(X, Z | theta) of it, in nats.
    """

    states: NDArray[np.intp]
    log_probability: float


def viterbi(model: GaussianHiddenMarkov | CategoricalHiddenMarkov, X: Any, parameters: Any) -> Path:
    """The path of states with the largest p(Z | X) (Viterbi 1967; Bishop 2006, section 13.2.5).

    It need not pass through the likeliest state of each step: `responsibilities` judge every step for itself, and
    their winners may even follow each other in a way that cannot happen. Of equally probable paths, one.
    """
    paths, log_probabilities = viterbi_paths(model, X, (parameters,))
    return Path(paths[0], float(log_probabilities[0]))


def viterbi_paths(
    model: GaussianHiddenMarkov | CategoricalHiddenMarkov, X: Any, parameters: Sequence[Any]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """`viterbi` for many parameters at once: states of shape (n_sets, n_samples), and their log p(X, Z)."""
    X = model.prepare(X)
    return most_probable_paths(
        np.array([model.log_densities(X, theta) for theta in parameters]),
        np.array([theta.initial for theta in parameters]),
        np.array([theta.transitions for theta in parameters]),
        X.first,
    )


def _chain_m_step(posterior: HiddenMarkovPosterior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected counts, divided by their sums (Bishop 2006, equations 13.18 and 13.19).

    A state that nothing is expected to follow, as it is taken by last steps alone, keeps its transitions: no others
    would be better or worse.
    """
    empty = np.flatnonzero(posterior.counts == 0)
    if len(empty):
        raise DegenerateFit(
            f"State {empty[0] + 1} is empty: no step gives it any responsibility.",
            "Try another start, or fewer states.",
        )
    totals = posterior.transition_counts.sum(axis=1, keepdims=True)
    followed = posterior.transition_counts / np.where(totals > 0, totals, 1.0)
    transitions = np.where(totals > 0, followed, posterior.parameters.transitions)
    return posterior.initial_counts / posterior.initial_counts.sum(), transitions


def _expected_log_chain(posterior: HiddenMarkovPosterior, parameters: ChainParameters) -> float:
    """The mean of log p(Z | theta) under the posterior: expected counts times log probabilities, with 0 log 0 = 0."""
    initial = xlogy(posterior.initial_counts, parameters.initial).sum()
    return float(initial + xlogy(posterior.transition_counts, parameters.transitions).sum())


def _default_chain(n_components: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A start: every state may be the first one, and every one rather stays than goes."""
    share = 1 / n_components
    transitions = np.full((n_components, n_components), (1 - STAYS) * share) + STAYS * np.eye(n_components)
    return np.full(n_components, share), transitions


def _lengths(values: Sequence[int]) -> tuple[int, ...]:
    try:
        given = tuple(values)
    except TypeError:
        raise ValueError(f"lengths must be a tuple of whole numbers, () for one sequence, got {values!r}") from None
    return tuple(whole_number(length, "every one of lengths") for length in given)


def _beginnings(n_samples: int, lengths: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether a sequence begins at each of the rows, checked to be those of `lengths`; () is one sequence."""
    lengths = lengths or (n_samples,)
    if sum(lengths) != n_samples:
        raise ValueError(f"lengths must sum to the {n_samples} rows of X, got {lengths} with sum {sum(lengths)}")
    if max(lengths) < 2:
        raise ValueError(
            "X must have a sequence of at least 2 rows, got sequences of 1: nothing follows anything, and transitions "
            "cannot be learnt; try more rows or longer sequences"
        )
    first = np.zeros(n_samples, dtype=bool)
    first[np.cumsum((0, *lengths[:-1]))] = True
    first.flags.writeable = False
    return first


def _check_lengths(got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if got != wanted:
        raise ValueError(f"X was prepared for lengths {got}, and this model has {wanted}; prepare it again")


def _frozen_probabilities(values: ArrayLike, name: str, shape: tuple[int | str, ...]) -> NDArray[np.float64]:
    """Rows of probabilities: not negative, sum 1. Sums off by up to 1e-6 are divided out; rounding is left."""
    array = frozen_array(values, name, shape)
    if array.size == 0:
        raise ValueError(f"{name} must have at least one entry, got none")
    if (array < 0).any():
        raise ValueError(f"{name} must not be negative, got {array.tolist()}")
    sums = array.sum(axis=-1, keepdims=True)
    off = float(abs(sums - 1).max())
    if off > 1e-6:
        rows = "the rows of " if array.ndim > 1 else ""
        raise ValueError(f"{rows}{name} must sum to 1, got {array.tolist()}; divide them by their sum")
    return array if off < 1e-14 else frozen_array(array / sums, name, array.shape)


def _log_ratios(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The coordinates of rows of probabilities: logarithms of their ratios to the last one, row after row."""
    logs = np.log(np.maximum(rows, NEARLY_ZERO))
    return np.asarray(logs[..., :-1] - logs[..., -1:]).reshape(-1)


def _probabilities(log_ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `_log_ratios`, of shape (n_rows, one more than given); nearly 0 becomes 0."""
    logs = np.pad(log_ratios, ((0, 0), (0, 1)))
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    shares[shares < 1.001 * NEARLY_ZERO] = 0.0
    return np.asarray(shares)


# ---- Gaussian observations ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class GaussianHiddenMarkovParameters(ChainParameters):
    """A hidden Markov chain whose states have a Gaussian each.

    Attributes
    ----------
    initial, transitions
        As in `ChainParameters`.
    means : ndarray of shape (n_components, n_features)
        In the data's units.
    covariances : ndarray of shape (n_components, n_features, n_features)
        Symmetric positive definite, in the data's units squared, whatever the covariance type.
    covariance_type : "full", "tied", "diag" or "spherical"
        Which coordinates `to_vector` uses.
    """

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    covariance_type: CovarianceType = "full"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "means", self.gaussians.means)
        object.__setattr__(self, "covariances", self.gaussians.covariances)

    @cached_property
    def gaussians(self) -> GaussianMixtureParameters:
        """The states' Gaussians without the chain, as a mixture of equal weights."""
        k = self.n_components
        return GaussianMixtureParameters(np.full(k, 1 / k), self.means, self.covariances, self.covariance_type)

    @property
    def n_features(self) -> int:
        """The number of axes of the data."""
        return self.gaussians.n_features

    @property
    def sds(self) -> NDArray[np.float64]:
        """Standard deviation of each state along each axis, shape (n_components, n_features), the data's units."""
        return self.gaussians.sds

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them: name -> one value a state ("transition to 1 from state", "mean", ...)."""
        gaussians = self.gaussians.columns()
        del gaussians["weight"]
        return self._chain_columns() | gaussians

    def to_vector(self) -> NDArray[np.float64]:
        """Log-ratios of initial and of transitions, then means, log sds and atanh of partial correlations."""
        gaussians = self.gaussians.to_vector()
        return np.concatenate([self._chain_vector(), gaussians[: len(gaussians) - self.n_components + 1]])

    def from_vector(self, vector: NDArray[np.float64]) -> GaussianHiddenMarkovParameters:
        """The parameters of this one's shape and covariance type at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        chain, gaussians = np.split(vector, [self.n_components**2 - 1])
        there = self.gaussians.from_vector(np.append(gaussians, np.zeros(self.n_components - 1)))
        return GaussianHiddenMarkovParameters(
            *self._chain_at(chain), there.means, there.covariances, self.covariance_type
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        gaussians = self.gaussians.names
        return (*self._chain_names(), *gaussians[: len(gaussians) - self.n_components + 1])


@dataclass(frozen=True, eq=False)
class GaussianSequences:
    """Points of one or several sequences, laid out for the steps.

    Attributes
    ----------
    points : GaussianData
        All of them, one sequence after the other.
    first : ndarray of bool of shape (n_samples,)
        Whether a sequence begins at each row.
    lengths : tuple of int
        As in the model that it was prepared for.
    """

    points: GaussianData
    first: NDArray[np.bool_]
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class GaussianHiddenMarkov(LogLikelihood):
    """A hidden Markov model with Gaussian observations, fitted by maximum likelihood.

    With transitions whose rows are all alike it is a mixture of Gaussians: then the order of the points says nothing.

    Parameters
    ----------
    n_components : int
        The number of hidden states.
    covariance_type : "full", "tied", "diag" or "spherical"
        What the M-step may choose, as in `GaussianMixture`.
    lengths : tuple of int
        The number of rows of each sequence, in the order of X; () if X is one sequence.
    """

    n_components: int
    covariance_type: CovarianceType = "full"
    lengths: tuple[int, ...] = ()

    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Hidden Markov model, measurements",
        observed="a sequence of measurements, one a step",
        hidden="the state of every step, which depends on the state before it",
        e_step="for each step the probability of each state, given the whole sequence; also for pairs of neighbours",
        m_step="transitions: expected counts of pairs, divided by their sum; a mean and a covariance for each state, "
        "weighted by its probabilities",
        source="Baum, Petrie, Soules & Weiss 1970; Bishop 2006, section 13.2",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")
        _check_covariance_type(self.covariance_type)
        object.__setattr__(self, "lengths", _lengths(self.lengths))

    def prepare(self, X: ArrayLike | GaussianSequences) -> GaussianSequences:
        """X of shape (n_samples, n_features), finite, one sequence after the other, validated and laid out."""
        if isinstance(X, GaussianSequences):
            _check_lengths(X.lengths, self.lengths)
            return X
        points = kernel.prepare(X)
        return GaussianSequences(points, _beginnings(len(points), self.lengths), self.lengths)

    def initialize(self, X: ArrayLike | GaussianSequences, rng: np.random.Generator) -> GaussianHiddenMarkovParameters:
        """Means at randomly chosen points, every covariance that of all points; every state rather stays than goes."""
        gaussians = GaussianMixture(self.n_components, self.covariance_type).initialize(self.prepare(X).points, rng)
        return GaussianHiddenMarkovParameters(
            *_default_chain(self.n_components), gaussians.means, gaussians.covariances, self.covariance_type
        )

    def log_densities(
        self, X: ArrayLike | GaussianSequences, parameters: GaussianHiddenMarkovParameters
    ) -> NDArray[np.float64]:
        """log p(x_t | z_t = k), in nats, shape (n_samples, n_components)."""
        points = self.prepare(X).points
        expected = (self.n_components, points.n_features)
        if parameters.means.shape != expected:
            raise ValueError(
                f"means must have shape (n_components, n_features) = {expected}, got {parameters.means.shape}"
            )
        densities = np.empty((len(points), self.n_components))
        for k, (mean, covariance) in enumerate(zip(parameters.means, parameters.covariances, strict=True)):
            factor = np.linalg.cholesky(covariance)
            squared = kernel._squared_length((points.X - mean).T, factor)  # LAPACK's own would wake its threads
            densities[:, k] = -0.5 * squared - np.log(np.diag(factor)).sum()
        densities -= 0.5 * points.n_features * np.log(2 * np.pi)
        return densities

    def e_step(
        self, X: ArrayLike | GaussianSequences, parameters: GaussianHiddenMarkovParameters
    ) -> HiddenMarkovPosterior:
        """How likely each state is at each step, given the whole sequence (`forward_backward`)."""
        X = self.prepare(X)
        densities = self.log_densities(X, parameters)
        found = forward_backward(densities, parameters.initial, parameters.transitions, X.first)
        return HiddenMarkovPosterior._of(parameters, found, X.first)

    def m_step(
        self, X: ArrayLike | GaussianSequences, posterior: HiddenMarkovPosterior
    ) -> GaussianHiddenMarkovParameters:
        """The parameters that best fit X and this posterior (Bishop 2006, equations 13.18 to 13.21).

        Raises
        ------
        DegenerateFit
            A state took no points, or shrank to a point or a line.
        """
        points = self.prepare(X).points
        chain = _chain_m_step(posterior)
        counts, means, covariances = kernel.weighted_moments(points, posterior.responsibilities)
        covariances = _constrained(covariances, counts, self.covariance_type)
        _check_collapse(covariances, means, points, called="state")
        return GaussianHiddenMarkovParameters(*chain, means, covariances, self.covariance_type)

    def expected_log_joint(
        self,
        X: ArrayLike | GaussianSequences,
        posterior: HiddenMarkovPosterior,
        parameters: GaussianHiddenMarkovParameters,
    ) -> float:
        """Q(theta, theta_old): the mean of log p(X, Z | theta), in nats (Bishop 2006, equation 13.17)."""
        points = self.prepare(X).points
        counts, means, covariances = kernel.weighted_moments(points, posterior.responsibilities)
        taken = counts > 0
        log_density = mean_log_densities(
            means[taken], covariances[taken], parameters.means[taken], parameters.covariances[taken]
        )
        return _expected_log_chain(posterior, parameters) + float(counts[taken] @ log_density)


# ---- Categorical observations ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CategoricalHiddenMarkovParameters(ChainParameters):
    """A hidden Markov chain whose states each draw one of several symbols.

    Attributes
    ----------
    initial, transitions
        As in `ChainParameters`.
    probabilities : ndarray of shape (n_components, n_symbols)
        probabilities[k, m] is that of symbol m in state k: not negative, rows sum to 1.
    """

    probabilities: NDArray[np.float64]

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = (self.n_components, "n_symbols")
        object.__setattr__(self, "probabilities", _frozen_probabilities(self.probabilities, "probabilities", shape))

    @property
    def n_symbols(self) -> int:
        """The number of symbols."""
        return int(self.probabilities.shape[1])

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameters as people read them: name -> one value a state ("probability of symbol 1 in state", ...).

        Symbols are numbered from 1 there.
        """
        shares = {f"probability of symbol {m + 1} in state": column for m, column in enumerate(self.probabilities.T)}
        return self._chain_columns() | shares

    def to_vector(self) -> NDArray[np.float64]:
        """Log-ratios of initial, of transitions and of probabilities."""
        return np.concatenate([self._chain_vector(), _log_ratios(self.probabilities)])

    def from_vector(self, vector: NDArray[np.float64]) -> CategoricalHiddenMarkovParameters:
        """The parameters of this one's shape at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        chain, probabilities = np.split(vector, [self.n_components**2 - 1])
        rows = _probabilities(probabilities.reshape(self.n_components, self.n_symbols - 1))
        return CategoricalHiddenMarkovParameters(*self._chain_at(chain), rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        symbols = range(1, self.n_symbols)
        return (
            *self._chain_names(),
            *(f"logit probability {k + 1}, symbol {symbol}" for k in range(self.n_components) for symbol in symbols),
        )


@dataclass(frozen=True, eq=False)
class SymbolSequences:
    """Symbols of one or several sequences, laid out for the steps.

    Attributes
    ----------
    symbols : ndarray of int of shape (n_samples,)
        From 0, one sequence after the other.
    first : ndarray of bool of shape (n_samples,)
        Whether a sequence begins at each row.
    n_symbols : int
    lengths : tuple of int
        As in the model that it was prepared for.
    """

    symbols: NDArray[np.intp]
    first: NDArray[np.bool_]
    n_symbols: int
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.symbols)


@dataclass(frozen=True)
class CategoricalHiddenMarkov(LogLikelihood):
    """A hidden Markov model with symbols for observations, fitted by maximum likelihood.

    Parameters
    ----------
    n_components : int
        The number of hidden states.
    n_symbols : int
        The number of symbols; the data are whole numbers from 0 to n_symbols - 1.
    lengths : tuple of int
        The number of rows of each sequence, in the order of X; () if X is one sequence.
    """

    n_components: int
    n_symbols: int
    lengths: tuple[int, ...] = ()

    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Hidden Markov model, symbols",
        observed="a sequence of symbols, one a step",
        hidden="the state of every step, which depends on the state before it",
        e_step="for each step the probability of each state, given the whole sequence; also for pairs of neighbours",
        m_step="expected counts, divided by their sums: pairs for the transitions, symbols for what each state shows",
        source="Baum, Petrie, Soules & Weiss 1970; Bishop 2006, section 13.2",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_components, "n_components")
        whole_number(self.n_symbols, "n_symbols", least=2)
        object.__setattr__(self, "lengths", _lengths(self.lengths))

    def prepare(self, X: ArrayLike | SymbolSequences) -> SymbolSequences:
        """X of shape (n_samples, 1) or (n_samples,), whole numbers from 0 to n_symbols - 1, validated and laid out."""
        if isinstance(X, SymbolSequences):
            _check_lengths(X.lengths, self.lengths)
            if X.n_symbols != self.n_symbols:
                raise ValueError(f"X was prepared for {X.n_symbols} symbols, and this model has {self.n_symbols}")
            return X
        try:
            values = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"X must consist of numbers: {error}") from error
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1 or len(values) == 0:
            raise ValueError(f"X must have shape (n_samples, 1) with at least one row, got {values.shape}")
        wrong = ~((values >= 0) & (values < self.n_symbols) & (values == np.floor(values)))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            last = self.n_symbols - 1
            raise ValueError(f"X must be whole numbers from 0 to {last}, got {values[row]:g} in row {row}")
        symbols = values.astype(np.intp)
        symbols.flags.writeable = False
        return SymbolSequences(symbols, _beginnings(len(symbols), self.lengths), self.n_symbols, self.lengths)

    def initialize(self, X: ArrayLike | SymbolSequences, rng: np.random.Generator) -> CategoricalHiddenMarkovParameters:
        """Random probabilities of the symbols, flat on their simplex; every state rather stays than goes."""
        self.prepare(X)
        probabilities = rng.dirichlet(np.ones(self.n_symbols), self.n_components)
        return CategoricalHiddenMarkovParameters(*_default_chain(self.n_components), probabilities)

    def log_densities(
        self, X: ArrayLike | SymbolSequences, parameters: CategoricalHiddenMarkovParameters
    ) -> NDArray[np.float64]:
        """log p(x_t | z_t = k), shape (n_samples, n_components); minus infinity where a state lacks the symbol."""
        X = self.prepare(X)
        expected = (self.n_components, self.n_symbols)
        if parameters.probabilities.shape != expected:
            raise ValueError(
                f"probabilities must have shape (n_components, n_symbols) = {expected}, "
                f"got {parameters.probabilities.shape}"
            )
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(parameters.probabilities).T[X.symbols])

    def e_step(
        self, X: ArrayLike | SymbolSequences, parameters: CategoricalHiddenMarkovParameters
    ) -> HiddenMarkovPosterior:
        """How likely each state is at each step, given the whole sequence (`forward_backward`)."""
        X = self.prepare(X)
        densities = self.log_densities(X, parameters)
        found = forward_backward(densities, parameters.initial, parameters.transitions, X.first)
        return HiddenMarkovPosterior._of(parameters, found, X.first)

    def m_step(
        self, X: ArrayLike | SymbolSequences, posterior: HiddenMarkovPosterior
    ) -> CategoricalHiddenMarkovParameters:
        """The parameters that best fit X and this posterior (Bishop 2006, equations 13.18, 13.19 and 13.23).

        Raises
        ------
        DegenerateFit
            A state took no step.
        """
        X = self.prepare(X)
        chain = _chain_m_step(posterior)
        counts = symbol_counts(X, posterior)
        return CategoricalHiddenMarkovParameters(*chain, counts / counts.sum(axis=1, keepdims=True))

    def expected_log_joint(
        self,
        X: ArrayLike | SymbolSequences,
        posterior: HiddenMarkovPosterior,
        parameters: CategoricalHiddenMarkovParameters,
    ) -> float:
        """Q(theta, theta_old): the mean of log p(X, Z | theta), in nats (Bishop 2006, equation 13.17)."""
        counts = symbol_counts(self.prepare(X), posterior)
        return _expected_log_chain(posterior, parameters) + float(xlogy(counts, parameters.probabilities).sum())


def symbol_counts(X: SymbolSequences, posterior: HiddenMarkovPosterior) -> NDArray[np.float64]:
    """How often each state is expected to show each symbol, shape (n_components, n_symbols)."""
    return np.array(
        [np.bincount(X.symbols, weights=shares, minlength=X.n_symbols) for shares in posterior.responsibilities.T]
    )
