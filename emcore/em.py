"""Expectation-maximisation, once, for every model.

A latent-variable model explains what was seen, X, by something that was not, Z. If Z were known, fitting would be
easy. EM (Dempster, Laird & Rubin 1977) replaces what is not known by what can be said of it and repeats two steps:

    E-step   q(Z) = p(Z | X, theta)                 what the present parameters say about the hidden part
    M-step   theta = argmax E_q[log p(X, Z | theta)]  the parameters that fit best, if the hidden part is like q

Why it climbs (Neal & Hinton 1998; Bishop 2006, section 9.4): for every distribution q over Z

    lower_bound(q, theta) = E_q[log p(X, Z | theta)] + H(q)  =  log p(X | theta) - KL(q || p(Z | X, theta))

The E-step makes the divergence zero, so the bound touches the log-likelihood; the M-step raises the bound; and the
log-likelihood lies above the bound. So it cannot fall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Phase = Literal["start", "E", "M"]
Stopped = Literal["converged", "max_iter", "degenerate"]


class DegenerateFit(Exception):
    """The data drove the fit to a point where the likelihood has no maximum, or a component has nothing left to fit.

    Not the caller's mistake (that is a ValueError): `run` ends the history with it as the reason.

    Parameters
    ----------
    reason : str
        What happened, in a sentence for people.
    advice : str
        What to try.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.advice = advice


class Parameters(Protocol):
    """What EM estimates, in the units of the data, immutable."""

    def to_vector(self) -> NDArray[np.float64]:
        """The same parameters as a point in R^p: every point of R^p is legal."""
        ...

    def from_vector(self, vector: NDArray[np.float64]) -> Self:
        """The parameters of this one's shape that lie at `vector`."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each coordinate of `to_vector`, for people: "mean 2, x", "log sd 1", "logit weight 1"."""
        ...

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The same as a table for people: name -> one value a component ("weight", "mean x", "sd x")."""
        ...


class Posterior(Protocol):
    """What an E-step says about the hidden part of the data."""

    @property
    def parameters(self) -> Any:
        """The parameters that it was computed from; None if it was made from given responsibilities."""
        ...

    @property
    def objective(self) -> float:
        """The number that EM never lets fall, at `parameters`; NaN where these are None."""
        ...

    @property
    def entropy(self) -> float:
        """H(q) in nats."""
        ...


class LatentVariableModel(Protocol):
    """A model that EM can fit. Its fields are its hyperparameters; its methods are pure."""

    @property
    def n_components(self) -> int:
        """The number of values that each hidden variable can take, or of hidden dimensions."""
        ...

    @property
    def objective_name(self) -> str:
        """What the objective is, for an axis: "Log-likelihood", "Minus distortion"."""
        ...

    @property
    def objective_unit(self) -> str:
        """Its unit: "nats", "squared distance"."""
        ...

    def prepare(self, X: Any) -> Any:
        """X, validated and laid out for the steps; what `prepare` returned passes unchanged."""
        ...

    def initialize(self, X: Any, rng: np.random.Generator) -> Parameters:
        """The default start."""
        ...

    def e_step(self, X: Any, parameters: Any) -> Posterior:
        """What these parameters say about the hidden part of X."""
        ...

    def m_step(self, X: Any, posterior: Any) -> Parameters:
        """The parameters that best fit X together with this posterior; DegenerateFit where there are none."""
        ...

    def expected_log_joint(self, X: Any, posterior: Any, parameters: Any) -> float:
        """Q: the mean of log p(X, Z | parameters) when Z is drawn from the posterior, in nats."""
        ...


def iterate(model: LatentVariableModel, X: Any, parameters: Any) -> Iterator[tuple[Any, Any]]:
    """EM itself: E-step, yield, M-step, again, for ever.

    Yields
    ------
    parameters, posterior
        The posterior is always the one *of* these parameters: every number shown belongs to what stands beside it.
    """
    X = model.prepare(X)
    while True:
        posterior = model.e_step(X, parameters)
        yield parameters, posterior
        parameters = model.m_step(X, posterior)


def lower_bound(model: LatentVariableModel, X: Any, posterior: Any, parameters: Any) -> float:
    """The bound L(q, theta) = Q(theta) + H(q) under the objective, in nats (Bishop 2006, equation 9.74).

    It equals the objective exactly where the posterior is that of `parameters`.
    """
    return model.expected_log_joint(X, posterior, parameters) + float(posterior.entropy)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A run as it stands at one position.

    Attributes
    ----------
    position : int
        In half-steps: 0 is the bare start, 2t+1 the E-step at theta_t, 2t+2 the M-step that makes theta_{t+1}.
    iteration : int
        The number of M-steps that made `parameters`.
    phase : "start", "E" or "M"
        The half-step just done.
    parameters
        The parameters that are in force now.
    posterior
        The latest posterior: that of `parameters` after an E-step, of the previous ones after an M-step, none (None)
        at the start.
    objective : float
        The objective at `parameters`.
    lower_bound : float or None
        The bound of `posterior` at `parameters`; None at the start, where there is no posterior yet.
    """

    position: int
    iteration: int
    phase: Phase
    parameters: Any
    posterior: Any
    objective: float
    lower_bound: float | None


@dataclass(frozen=True, eq=False)
class History:
    """Every iteration of one run of EM.

    Responsibilities are not kept (n_samples x n_components an iteration does not scale): `snapshot` computes them
    again, which costs one E-step.

    Attributes
    ----------
    model, X
        What was fitted to what.
    parameters : tuple
        theta_0 (the start) ... theta_T.
    objective : ndarray of shape (T + 1,)
        The objective of each of them.
    stopped : "converged", "max_iter" or "degenerate"
        Why the run ended.
    reason : str
        The same in words.
    advice : str
        What to try after a collapse.
    """

    model: Any
    X: Any
    parameters: tuple[Any, ...]
    objective: NDArray[np.float64]
    stopped: Stopped
    reason: str
    advice: str = ""

    @property
    def n_iterations(self) -> int:
        """T, the number of M-steps."""
        return len(self.parameters) - 1

    @property
    def n_positions(self) -> int:
        """The number of positions: the bare start, T + 1 E-steps and T M-steps."""
        return 2 * len(self.parameters)

    @property
    def n_samples(self) -> int:
        """The number of rows of X."""
        return len(self.X)

    @cached_property
    def prepared(self) -> Any:
        """X as the model's steps want it."""
        return self.model.prepare(self.X)

    def snapshot(self, position: int) -> Snapshot:
        """The run at `position`, from 0 to n_positions - 1; ValueError outside."""
        if not 0 <= position < self.n_positions:
            raise ValueError(f"position must be from 0 to {self.n_positions - 1}, got {position}")
        iteration = position // 2
        parameters = self.parameters[iteration]
        objective = float(self.objective[iteration])
        if position == 0:
            return Snapshot(0, 0, "start", parameters, None, objective, None)
        posterior = self.posterior((position - 1) // 2)
        if position % 2 == 1:  # the bound touches
            return Snapshot(position, iteration, "E", parameters, posterior, objective, objective)
        bound = lower_bound(self.model, self.prepared, posterior, parameters)
        return Snapshot(position, iteration, "M", parameters, posterior, objective, bound)

    def posterior(self, iteration: int) -> Any:
        """q_t, the posterior of theta_t."""
        return self.model.e_step(self.prepared, self.parameters[iteration])

    @cached_property
    def lower_bounds(self) -> NDArray[np.float64]:
        """The lower bound at each position, shape (n_positions,): NaN at the bare start, where there is none.

        An E-step lifts it to the objective, and the M-step raises it by what Q gains: H(q) does not change there.
        """
        bounds = np.full(self.n_positions, np.nan)
        bounds[1::2] = self.objective
        for t, (before, after) in enumerate(pairwise(self.parameters)):
            posterior = self.posterior(t)
            q_before, q_after = (
                self.model.expected_log_joint(self.prepared, posterior, theta) for theta in (before, after)
            )
            bounds[2 * t + 2] = self.objective[t] + (q_after - q_before)
        bounds.flags.writeable = False
        return bounds

    @property
    def last_gain(self) -> float:
        """What the last iteration added to the objective, per sample; NaN if there was none."""
        if self.n_iterations == 0:
            return float("nan")
        return float(self.objective[-1] - self.objective[-2]) / self.n_samples


def run(model: LatentVariableModel, X: Any, parameters: Any, *, max_iter: int = 100, tol: float = 1e-6) -> History:
    """Iterate EM from `parameters` until it gains too little, and keep every step.

    Parameters
    ----------
    model, X, parameters
        What to fit, to what, and from where. Only a start that the M-step itself could have chosen (for a mixture: of
        the model's covariance type) is certain to be climbed from.
    max_iter : int
        The most M-steps to take, at least 0.
    tol : float
        Stop when an iteration changes the objective by less than this, per sample. 0 switches the test off: exactly
        `max_iter` M-steps, unless the fit degenerates. A small gain does not prove that the maximum is near.
    """
    if not (isinstance(max_iter, int | np.integer) and max_iter >= 0):
        raise ValueError(f"max_iter must be a whole number from 0 up, got {max_iter!r}")
    if not (np.isfinite(tol) and tol >= 0):
        raise ValueError(f"tol must be a finite number from 0 up, got {tol!r}")
    prepared = model.prepare(X)
    visited: list[Any] = []
    objective: list[float] = []
    stopped: Stopped = "max_iter"
    reason, advice = f"Stopped at the limit of {max_iter} iteration{'' if max_iter == 1 else 's'}.", ""
    try:
        for theta, posterior in iterate(model, prepared, parameters):
            visited.append(theta)
            objective.append(posterior.objective)
            iteration = len(visited) - 1
            gain = (objective[-1] - objective[-2]) / len(X) if iteration else np.inf
            if abs(gain) < tol:
                stopped = "converged"
                unit = f"{model.objective_unit} per point"
                reason = f"Iteration {iteration} gained {gain:.2g} {unit}, less than the tolerance {tol:g}."
                break
            if iteration == max_iter:
                break
    except DegenerateFit as collapse:
        if not visited:  # there is nothing to show yet: the start itself is at fault
            raise
        stopped, reason, advice = "degenerate", str(collapse), collapse.advice
    kept = np.array(objective)
    kept.flags.writeable = False
    return History(model, X, tuple(visited), kept, stopped, reason, advice)
