"""What becomes of components that the data do not need, when the weights have a prior: counts, prices and words.

A component's points are what the last E-step gave it, as the hyperparameters keep it: concentration less prior.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from emcore.em import History
from emcore.experiment import Experiment
from emcore.models import GaussianMixture, VariationalGaussianMixture
from emcore.report import Words, gains, listed, number, objective_text, signed

ALIVE: Final = 1.0  # points: a component with fewer explains nothing any more


def points_behind(history: History) -> NDArray[np.float64]:
    """Points that stand behind each component, shape (n_iterations + 1, n_components): N_k of the E-step before.

    At the start, which no E-step made, they are its part of the points. For maximum likelihood too: weight times n.
    """
    return _points(history, slice(None))


def _points(history: History, iterations: slice) -> NDArray[np.float64]:
    chosen = history.parameters[iterations]
    if isinstance(history.model, VariationalGaussianMixture):
        pseudo_points = history.model.prior(history.prepared).concentrations
        return np.maximum(np.array([theta.concentrations for theta in chosen]) - pseudo_points, 0.0)
    return np.array([theta.weights for theta in chosen]) * history.n_samples


def alive(history: History) -> NDArray[np.bool_]:
    """Which components have at least ALIVE points, shape (n_iterations + 1, n_components)."""
    return _lives(points_behind(history))


def _lives(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    living: NDArray[np.bool_] = points >= ALIVE * (1 - 1e-9)
    return living


def survivors(history: History) -> int:
    """How many components have at least one point at the end of the run."""
    return int(_lives(_points(history, slice(-1, None))).sum())


def threshold(n_features: int) -> float:
    """The concentration prior at which surplus components begin to be kept, for many points: (d + 1) / 2.

    d is the number of parameters of a component's mean and covariance. A component in use costs the bound
    (d + 1) / 2 log n, an empty one alpha_0 log n, and so the bound is highest with as few in use as the data need, or
    with all (Watanabe & Watanabe 2006, Advances in Neural Information Processing Systems 18).
    """
    n_parameters = n_features + n_features * (n_features + 1) // 2
    return (n_parameters + 1) / 2


def with_prior(experiment: Experiment, concentration: float) -> Experiment:
    """The same data, start and number of components, with this concentration prior on the weights."""
    return replace(experiment, model=VariationalGaussianMixture(experiment.model.n_components, concentration))


def without_prior(experiment: Experiment, max_iter: int) -> Experiment:
    """The same data, start and number of components, by maximum likelihood; `max_iter` iterations at most."""
    return replace(experiment, model=GaussianMixture(experiment.model.n_components), max_iter=max_iter)


# ---- One position in numbers ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Belief:
    """One component's weight, as it is believed at one iteration.

    Attributes
    ----------
    component : int
        From 0.
    points : float
        N_k of the E-step before.
    concentration : float
        alpha_k: these and the prior's pseudo-points.
    weight : float
        E[weight k] = concentration / the sum of all.
    competing : float
        exp(E[log weight k]), what stands for the weight in the next E-step: never more.
    price : float
        What its mean and covariance cost the bound, in nats.
    """

    component: int
    points: float
    concentration: float
    weight: float
    competing: float
    price: float


def beliefs(history: History, iteration: int) -> tuple[Belief, ...]:
    """Every component's weight after `iteration` M-steps."""
    theta = history.parameters[iteration]
    alpha = theta.concentrations
    points = _points(history, slice(iteration, iteration + 1))[0]
    competing = np.exp(digamma(alpha) - digamma(theta.concentration))
    prices = history.model.price(history.prepared, theta)[1:]
    columns = (points, alpha, theta.weights, competing, np.maximum(prices, 0.0))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(Belief(k, *row) for k, row in enumerate(rows))


def weakest(believed: tuple[Belief, ...]) -> Belief:
    """The living component with the fewest points: the next to die, if one does."""
    return min(
        (belief for belief in believed if belief.points >= ALIVE),
        key=lambda belief: belief.points,
        default=max(believed, key=lambda belief: belief.points),
    )


@dataclass(frozen=True)
class Account:
    """What the evidence lower bound is made of at one position, in nats.

    Attributes
    ----------
    explained : float
        E[log p(X, Z | theta)]: how well the components explain the points and their labels.
    entropy : float
        H(q(Z)), of the responsibilities.
    price_of_weights, price_of_components : float
        KL(q(theta) || p(theta)) in two parts.
    bound : float
        explained + entropy - both prices.
    """

    explained: float
    entropy: float
    price_of_weights: float
    price_of_components: float
    bound: float


def account(history: History, position: int) -> Account | None:
    """The bound in its parts; None at the bare start, where there are no responsibilities yet."""
    snapshot = history.snapshot(position)
    if snapshot.posterior is None:
        return None
    of_weights, *of_components = history.model.price(history.prepared, snapshot.parameters)
    entropy = float(snapshot.posterior.entropy)
    total = of_weights + sum(of_components)
    assert snapshot.lower_bound is not None
    return Account(
        snapshot.lower_bound - entropy + total, entropy, of_weights, sum(of_components), snapshot.lower_bound
    )


# ---- In words ---------------------------------------------------------------------------------------------


def _weights_moved(history: History, iteration: int) -> str:
    """What the M-step did to the weights, and how many components are left."""
    before, after = (history.parameters[t].weights for t in (iteration - 1, iteration))
    change = after - before
    k = int(np.abs(change).argmax())
    moved = f"weight {k + 1} {signed(float(change[k]), 3)} to {number(float(after[k]), 3)}"
    return f"{moved}; {_left(history, iteration)}"


def _left(history: History, iteration: int) -> str:
    living = _lives(_points(history, slice(iteration - 1, iteration + 1)))
    n_left, n = int(living[1].sum()), history.model.n_components
    fallen = [str(k + 1) for k in np.flatnonzero(living[0] & ~living[1])]
    left = (
        f"all {n} components have a point or more"
        if n_left == n
        else f"{n_left} of {n} components have a point or more"
    )
    if not fallen:
        return left
    return f"component{'s' if len(fallen) > 1 else ''} {listed(fallen)} fell below one point, {n_left} of {n} are left"


def _taken(history: History, iteration: int) -> str:
    """How many points each living component takes in this E-step."""
    if iteration < history.n_iterations:  # the M-step that followed has kept them
        counts = _points(history, slice(iteration + 1, iteration + 2))[0]
    else:
        counts = history.posterior(iteration).counts
    some = np.flatnonzero(_lives(counts))
    names = listed([str(k + 1) for k in some])
    shares = listed([number(float(counts[k]), 1) for k in some])
    who = f"component {names} takes" if len(some) == 1 else f"components {names} take"
    rest = "" if len(some) == len(counts) else f", the others {number(float(counts.sum() - counts[some].sum()), 2)}"
    return f"{who} {shares} of {history.n_samples:,} points{rest}"


WORDS: Final = Words(_taken, _weights_moved)


def beside(history: History, other: History) -> tuple[str, ...]:
    """A sentence for each position of a run with the prior, beside one from the same start without it and no longer."""
    runs = {"With the prior": history, "Maximum likelihood": other}
    living = {name: alive(run).sum(axis=1).tolist() for name, run in runs.items()}

    def stands(name: str, position: int) -> str:
        run = runs[name]
        iteration = min(position // 2, run.n_iterations)
        ended = ", where it ended" if position >= run.n_positions - 1 and run.stopped != "max_iter" else ""
        reached = f"{run.model.objective_name.lower()} {objective_text(run, iteration)}"
        left = f"{living[name][iteration]} of {run.model.n_components} components have a point or more"
        return f"{name}, iteration {iteration}{ended}: {left}; {reached}."

    return tuple(" ".join(stands(name, position) for name in runs) for position in range(history.n_positions))


def verdict(history: History, iteration: int, guess: int | None = None) -> str:
    """How many components are left after `iteration` M-steps; at the end also what was predicted."""
    n = history.model.n_components
    left = int(_lives(_points(history, slice(iteration, iteration + 1))).sum())
    text = f"**{left} of {n} components** have a point or more at iteration {iteration}"
    if iteration < history.n_iterations:
        return text + (f"; you predicted {guess} for the end." if guess is not None else ".")
    text += ", the last"
    if guess is not None:
        text += ": as you predicted" if guess == left else f"; you predicted {guess}"
    if history.stopped == "max_iter" and gains(history)[-1] != 0:
        text += ". The limit stopped the run: more may die yet"
    return text + "."


@dataclass(frozen=True)
class Trial:
    """One value of the concentration prior from the same start: what was left, at which bound, after how long."""

    concentration: float
    survivors: int
    bound: float
    n_iterations: int
    finished: bool


def trial(experiment: Experiment, concentration: float) -> Trial:
    """What this concentration prior leaves of the components (the run is kept for all visitors)."""
    history = with_prior(experiment, concentration).history()
    finished = history.stopped == "converged"
    bound = float(history.objective[-1])
    return Trial(concentration, survivors(history), bound, history.n_iterations, finished)
