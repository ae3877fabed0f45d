"""Many starts at once, and the distinct maxima that they reach.

EM climbs to a maximum of the log-likelihood, not to the highest one: which one, the start decides. So practice is to
start often and keep the best; and to know how often is enough, one counts how many runs reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore import em
from emcore.em import Stopped
from emcore.models import gaussian_batch as batch
from emcore.models.gaussian_batch import Mixtures
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_mixture import GaussianMixture, GaussianMixtureParameters


@dataclass(frozen=True, eq=False)
class Runs:
    """The ends of many runs of EM on the same points; of the way there nothing is kept.

    Attributes
    ----------
    model : GaussianMixture
        What was fitted.
    parameters : tuple of GaussianMixtureParameters
        The final parameters of each run.
    objective : ndarray of shape (n_runs,)
        Their log-likelihood, in nats.
    n_iterations : ndarray of int, shape (n_runs,)
        The M-steps that made them.
    stopped : tuple of "converged", "max_iter" or "degenerate"
        Why each run ended, as in `em.History`.
    reasons : tuple of str
        Of a run that degenerated, what happened, in a sentence; of the others "".
    """

    model: GaussianMixture
    parameters: tuple[GaussianMixtureParameters, ...]
    objective: NDArray[np.float64]
    n_iterations: NDArray[np.int64]
    stopped: tuple[Stopped, ...]
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.parameters)


def run_many(
    model: GaussianMixture,
    X: ArrayLike | GaussianData,
    starts: Sequence[GaussianMixtureParameters],
    *,
    max_iter: int = 100,
    tol: float = 1e-6,
) -> Runs:
    """EM from each of many starts; every run ends where, when and why `em.run` from the same start does.

    All runs go on together (`emcore.models.gaussian_batch`). What cannot be told safely there is run alone, from its
    start: a component that shrinks towards a point, or a gain within rounding of the tolerance. Beyond the ends
    themselves memory does not grow with the number of starts.

    Parameters
    ----------
    model : GaussianMixture
        What to fit.
    X : array-like of shape (n_samples, n_features), or GaussianData
        To what.
    starts : sequence of GaussianMixtureParameters
        The first parameters of each run, of the model's number of components and of X's number of axes.
    max_iter, tol
        As in `em.run`.

    Raises
    ------
    ValueError
        X, a start, max_iter or tol is not legal.
    """
    _check_stop_rule(max_iter, tol)
    prepared = model.prepare(X)
    starts = tuple(starts)
    expected = (model.n_components, prepared.n_features)
    for i, start in enumerate(starts):
        if start.means.shape != expected:
            raise ValueError(
                f"every start must have means of shape (n_components, n_features) = {expected}, "
                f"start {i + 1} has {start.means.shape}"
            )
    if not starts:
        return Runs(model, (), np.empty(0), np.empty(0, dtype=np.int64), (), ())
    ends = batch.run(prepared, stacked(starts), model.covariance_type, max_iter=max_iter, tol=tol, careful=True)
    parameters = [
        start if n == 0 else _parameters(ends.mixtures, i, model)
        for i, (start, n) in enumerate(zip(starts, ends.n_iterations, strict=True))
    ]
    objective, n_iterations = ends.objective, ends.n_iterations
    stopped: list[Stopped] = ["converged" if outcome == batch.CONVERGED else "max_iter" for outcome in ends.outcome]
    reasons = [""] * len(starts)
    for i in np.flatnonzero(ends.outcome >= batch.UNSAFE).tolist():
        history = em.run(model, prepared, starts[i], max_iter=max_iter, tol=tol)
        parameters[i] = history.parameters[-1]
        objective[i] = history.objective[-1]
        n_iterations[i] = history.n_iterations
        stopped[i] = history.stopped
        reasons[i] = history.reason if history.stopped == "degenerate" else ""
    for array in (objective, n_iterations):
        array.flags.writeable = False
    return Runs(model, tuple(parameters), objective, n_iterations, tuple(stopped), tuple(reasons))


def joined(parts: Sequence[Runs]) -> Runs:
    """Several lots of runs of one model as one, in order; ValueError if there is none or the models differ."""
    if not parts or any(part.model != parts[0].model for part in parts):
        raise ValueError(f"parts must be runs of one model, got {[part.model for part in parts]}")
    objective = np.concatenate([part.objective for part in parts])
    n_iterations = np.concatenate([part.n_iterations for part in parts])
    for array in (objective, n_iterations):
        array.flags.writeable = False
    return Runs(
        parts[0].model,
        tuple(parameters for part in parts for parameters in part.parameters),
        objective,
        n_iterations,
        tuple(stopped for part in parts for stopped in part.stopped),
        tuple(reason for part in parts for reason in part.reasons),
    )


def stacked(parameters: Sequence[GaussianMixtureParameters]) -> Mixtures:
    """Mixtures of equal shape as arrays for the batch."""
    return Mixtures(
        np.array([each.weights for each in parameters]),
        np.array([each.means for each in parameters]),
        np.array([each.covariances for each in parameters]),
    )


def _parameters(mixtures: Mixtures, i: int, model: GaussianMixture) -> GaussianMixtureParameters:
    weights, means, covariances = (array[i].copy() for array in mixtures)
    return GaussianMixtureParameters._trusted(weights, means, covariances, model.covariance_type)


def _check_stop_rule(max_iter: int, tol: float) -> None:
    if not (isinstance(max_iter, int | np.integer) and max_iter >= 0):
        raise ValueError(f"max_iter must be a whole number from 0 up, got {max_iter!r}")
    if not (np.isfinite(tol) and tol >= 0):
        raise ValueError(f"tol must be a finite number from 0 up, got {tol!r}")
