"""Many starts at once, and the distinct maxima that they reach.

EM climbs to a maximum of the log-likelihood, not to the highest one: which one, the start decides. So practice is to
start often and keep the best; and to know how often is enough, one counts how many runs reach it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from emcore import acceleration, em
from emcore.em import Stopped
from emcore.models import gaussian_batch as batch
from emcore.models.gaussian_batch import Mixtures
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_mixture import GaussianMixture, GaussianMixtureParameters, require_maximum_likelihood
from emcore.models.mixture import whole_number


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
    start: a component that shrinks towards a point, or a gain within rounding of the tolerance; and every run of a
    model with a prior or a floor. Beyond the ends themselves memory does not grow with the number of starts.

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
    # the batch knows the log-likelihood alone
    steps = max_iter if model.is_maximum_likelihood else 0
    ends = batch.run(prepared, stacked(starts), model.covariance_type, max_iter=steps, tol=tol, careful=True)
    parameters = [
        start if n == 0 else _parameters_at(ends.mixtures, i, model)
        for i, (start, n) in enumerate(zip(starts, ends.n_iterations, strict=True))
    ]
    objective, n_iterations = ends.objective, ends.n_iterations
    stopped: list[Stopped] = ["converged" if outcome == batch.CONVERGED else "max_iter" for outcome in ends.outcome]
    reasons = [""] * len(starts)
    alone = (ends.outcome >= batch.UNSAFE) | (not model.is_maximum_likelihood)
    for i in np.flatnonzero(alone).tolist():
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


# What became of a run that found no maximum.
SADDLE = -1  # it stalled at a saddle or on a plateau: the log-likelihood curves upwards there
UNFINISHED = -2  # it was on its way when it was stopped, by the limit or by its tolerance
COLLAPSED = -3  # it degenerated


@dataclass(frozen=True, eq=False)
class Maximum:
    """A maximum of the log-likelihood, and how many runs lead to it.

    Attributes
    ----------
    parameters : GaussianMixtureParameters
        At the maximum itself, as nearly as doubles tell; the labels are those of the representative.
    objective : float
        The log-likelihood there, in nats.
    count : int
        The runs that lead to it, whatever the order of their components.
    share : float
        Their part of all runs, those included that found no maximum.
    representative : int
        The highest of these runs; -1 if there is none.
    """

    parameters: GaussianMixtureParameters
    objective: float
    count: int
    share: float
    representative: int


@dataclass(frozen=True, eq=False)
class Maxima:
    """The distinct maxima that some runs lead to.

    Attributes
    ----------
    maxima : tuple of Maximum
        The highest first.
    outcome : ndarray of int, shape (n_runs,)
        For each run the index of its maximum, or SADDLE, UNFINISHED or COLLAPSED.
    """

    maxima: tuple[Maximum, ...]
    outcome: NDArray[np.int64]


def distinct(X: ArrayLike | GaussianData, runs: Runs, known: Sequence[Maximum] = ()) -> Maxima:
    """The distinct maxima that runs lead to; relabelled components make no difference.

    Two fits are the same if they are the same density. Ends that are alike form a group; the best of each group is
    followed to the maximum itself, so that runs count together that a loose tolerance stopped on one slope. A
    maximum is one only where EM stands still and the log-likelihood curves upwards in no direction.

    A run that converged is counted to the maximum that it is followed to if it misses no more than is within its
    reach. If not, it is SADDLE if it leads to a stationary place that is no maximum, if the rate of EM is above 1 at
    its end, or if EM gains more and more again before it comes clearly higher than the end's own gains promised: then
    it stood on a plateau. Otherwise it is UNFINISHED, and so is a run that was stopped at max_iter.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), or GaussianData
        What the runs were fitted to.
    runs : Runs
        From `run_many`.
    known : sequence of Maximum, optional
        Maxima found before on the same points. They keep their parameters, and are listed also if no run leads there.

    Raises
    ------
    ValueError
        The model has a prior or a floor: which maxima are the same is judged by the log-likelihood alone.
    """
    require_maximum_likelihood(runs.model, "runs whose maxima are told apart")
    data = runs.model.prepare(X)
    probes = _probes(data)
    outcome = np.array([COLLAPSED if stopped == "degenerate" else UNFINISHED for stopped in runs.stopped], np.int64)
    places = [_Place.of(probes, maximum.parameters, maximum.objective, []) for maximum in known]
    groups = _groups(probes, runs, places)
    if groups:
        leaders = stacked([runs.parameters[group[0]] for group in groups])
        limits = _limits(data, probes, runs, groups)
        places.extend({id(limit): limit for limit in limits if limit is not None}.values())
        judged = _curvature(data, places, runs.model)
        judged.maxima[: len(known)] = True
        first_same: dict[int, int] = {}
        for i, place in enumerate(places):  # a saddle may lie close to a maximum: it is not the same
            alike = (
                j
                for j in dict.fromkeys(first_same.values())
                if judged.maxima[i] == judged.maxima[j] and place.is_same(places[j], len(data))
            )
            first_same[id(place)] = i if i < len(known) else next(alike, i)
        leads_to = [None if limit is None else first_same[id(limit)] for limit in limits]
        limit_rates = [math.nan if i is None else float(judged.rates[i]) for i in leads_to]
        within_reach = _within_reach(data, leaders, runs.model, np.array(limit_rates))
        stopped_early = []
        for g, (group, leads, reach) in enumerate(zip(groups, leads_to, within_reach.tolist(), strict=True)):
            if leads is not None and judged.saddles[leads] and not judged.maxima[leads]:
                outcome[group] = SADDLE
                continue
            if leads is not None and judged.maxima[leads]:
                gap = places[leads].objective - float(runs.objective[group[0]])
                if gap <= max(_STALLED * reach, _SAME_OBJECTIVE * len(data)):
                    places[leads].runs.extend(group.tolist())
                    continue
            stopped_early.append(g)
        if stopped_early:
            stalled = _stalled(data, leaders.take(stopped_early), runs.model)
            for g in np.array(stopped_early)[stalled].tolist():
                outcome[groups[g]] = SADDLE
        new = zip(places[len(known) :], judged.maxima[len(known) :], strict=True)
        places[len(known) :] = [place for place, is_maximum in new if place.runs and is_maximum]
    places.sort(key=lambda place: -place.objective)
    maxima = []
    for i, place in enumerate(places):
        outcome[place.runs] = i
        best = max(place.runs, key=lambda run: runs.objective[run], default=-1)
        count = len(place.runs)
        maxima.append(Maximum(place.parameters, place.objective, count, count / max(len(runs), 1), best))
    outcome.flags.writeable = False
    return Maxima(tuple(maxima), outcome)


# How alike the log-densities of two fits must be to be the same, in nats ...
_SAME_END = 2e-3  # ... where runs were stopped by their tolerance
_SAME_MAXIMUM = 1e-2  # ... and at maxima that are known to many digits
_SAME_OBJECTIVE = 1e-5  # and there the mean log-likelihoods
_N_PROBES = 64

# The largest eigenvalue of an EM step is its rate of convergence: below 1 at a maximum, above at a saddle.
_SADDLE_RATE = 1 + 1e-5
_FLAT_RATE = 1 - 1e-4
_STILL = 1e-5  # so far an iteration may still move a maximum that EM approaches more and more slowly, in sds
# A run that misses so many times more than is within its reach has stopped too early.
_STALLED = 4.0
_PLATEAU_STEPS = 500  # so long a run is followed to see whether it stands on a plateau


@dataclass(frozen=True, eq=False)
class _Place:
    """Where runs lead."""

    parameters: GaussianMixtureParameters
    objective: float
    log_densities: NDArray[np.float64]  # at the probes
    runs: list[int]

    @classmethod
    def of(
        cls, probes: NDArray[np.float64], parameters: GaussianMixtureParameters, objective: float, runs: list[int]
    ) -> _Place:
        return cls(parameters, objective, batch.log_densities(probes, stacked([parameters]))[0], runs)

    def is_same(self, other: _Place, n_samples: int) -> bool:
        alike = _apart(self.log_densities, other.log_densities) < _SAME_MAXIMUM
        return bool(alike) and abs(self.objective - other.objective) < _SAME_OBJECTIVE * n_samples


def _apart(log_densities: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest difference at any probe, in nats; of what lies far out in a tail, in proportion to its depth."""
    depths = 1 + log_densities.max(axis=-1, keepdims=True) - log_densities
    return np.asarray((np.abs(others - log_densities) / depths).max(axis=-1))


def _probes(data: GaussianData) -> NDArray[np.float64]:
    """Points of X at which fits are compared: along every axis evenly by rank, the outermost included."""
    n_probes = min(data.n_samples, math.ceil(_N_PROBES / data.n_features))
    ranks = np.unique(np.linspace(0, data.n_samples - 1, n_probes).round().astype(int))
    chosen = [np.argsort(column, kind="stable")[ranks] for column in data.X.T]
    return np.asarray(data.X[np.unique(np.concatenate(chosen))])


def _groups(probes: NDArray[np.float64], runs: Runs, places: Sequence[_Place]) -> list[NDArray[np.intp]]:
    """The converged runs, those together that ended alike: each group and all of them from the highest down.

    Runs that ended at one of the `places` are added there instead.
    """
    converged = np.flatnonzero(np.array(runs.stopped) == "converged")
    if not len(converged):
        return []
    left = converged[np.argsort(-runs.objective[converged], kind="stable")]
    log_densities = batch.log_densities(probes, stacked([runs.parameters[i] for i in left]))
    for place in places:
        alike = _apart(place.log_densities, log_densities) < _SAME_END
        place.runs.extend(left[alike].tolist())
        left, log_densities = left[~alike], log_densities[~alike]
    return [left[cluster] for cluster in _clusters(log_densities)]


def _clusters(log_densities: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Rows that are alike, as index arrays: the first row and all like it, then the first that is left, and so on."""
    left = np.arange(len(log_densities))
    clusters = []
    while len(left):
        alike = _apart(log_densities[left[0]], log_densities[left]) < _SAME_END
        clusters.append(left[alike])
        left = left[~alike]
    return clusters


def _limits(
    data: GaussianData, probes: NDArray[np.float64], runs: Runs, groups: Sequence[NDArray[np.intp]]
) -> list[_Place | None]:
    """Where the best run of each group leads when EM goes on; None if it collapses on the way.

    Groups that meet on the way go on as one: the first of them, whose run is the highest.
    """
    mixtures = stacked([runs.parameters[group[0]] for group in groups])
    objective = np.full(len(groups), np.nan)
    safe = np.ones(len(groups), dtype=bool)
    guide = np.arange(len(groups))  # the group whose way a group shares
    for n_steps in _STAGES:
        going = np.flatnonzero((guide == np.arange(len(groups))) & safe)
        if n_steps == _STAGES[-1]:
            going = going[_moving(data, mixtures.take(going), runs.model)]
        if not len(going):
            break
        start = mixtures.take(going)
        top = _climb(data, start if n_steps < _LEAP_FROM else _leap(data, start, runs.model), runs.model, n_steps)
        for array, values in zip(mixtures, top.mixtures, strict=True):
            array[going] = values
        objective[going], safe[going] = top.objective, top.safe
        going = going[top.safe]
        going = going[~_moving(data, mixtures.take(going), runs.model)]
        for cluster in _clusters(batch.log_densities(probes, mixtures.take(going))):
            guide[np.isin(guide, going[cluster])] = going[cluster[0]]
    places: dict[int, _Place | None] = {}
    for i in np.unique(guide).tolist():
        end = _parameters_at(mixtures, i, runs.model)
        if not safe[i]:  # too narrow for the batch: from the start of the way
            history = em.run(runs.model, data, runs.parameters[groups[i][0]], max_iter=_MOST_STEPS, tol=1e-13)
        elif _moves(runs.model, data, end):
            history = acceleration.squarem(runs.model, data, end, max_iter=_MOST_STEPS, tol=1e-13).history
        else:
            places[i] = _Place.of(probes, end, float(objective[i]), [])
            continue
        end = history.parameters[-1]
        collapses = history.stopped == "degenerate"
        places[i] = None if collapses else _Place.of(probes, end, float(history.objective[-1]), [])
    return [places[i] for i in guide.tolist()]


# ---- Around a maximum: climbing on faster than EM, and the curvature ---------------------------------------

# So many steps of EM at a time, before those that have met are put together; from the fourth time on Newton's method
# has brought what lies near a maximum to it. The last is only for the few that still move, and of these what is left
# goes on one by one.
_STAGES = (10, 20, 40, 80, 160, 1000)
_LEAP_FROM = 80
_MOST_STEPS = 2000

# Near a maximum fewer digits will do than where a run decides when to stop.
_LARGEST_AMPLIFICATION = 1e6


def _expectations(data: GaussianData, mixtures: Mixtures) -> batch.Moments:
    return batch.expectations(data, mixtures, largest_amplification=_LARGEST_AMPLIFICATION)


class _Top(NamedTuple):
    mixtures: Mixtures
    objective: NDArray[np.float64]
    safe: NDArray[np.bool_]


def _climb(data: GaussianData, starts: Mixtures, model: GaussianMixture, n_steps: int) -> _Top:
    """Where EM leads from each start in n_steps or fewer, by SQUAREM (Varadhan & Roland 2008, scheme S3).

    For starts near a maximum. Two EM steps, then a jump along the line that they predict, taken only if it lies
    higher. Weights, means and covariances are extrapolated as they are: a jump to where these are illegal is not
    taken either.
    """
    kind = model.covariance_type
    mixtures = Mixtures(*(array.copy() for array in starts))
    objective = np.full(len(starts.weights), np.nan)
    safe = np.zeros(len(starts.weights), dtype=bool)
    active = np.arange(len(starts.weights))
    here = starts
    moments = _expectations(data, here)
    for _ in range(n_steps // 2 + 1):
        rows = active[moments.safe]
        for array, values in zip(mixtures, here, strict=True):
            array[active] = values
        objective[active], safe[active] = moments.log_likelihood, moments.safe
        if not len(rows):
            break
        here, moments, active = here.take(moments.safe), moments.take(moments.safe), rows
        first = batch.maximise(moments, here, kind)
        between = _expectations(data, first)
        second = batch.maximise(between, first, kind)
        step = [b - a for a, b in zip(here, first, strict=True)]
        bend = [c - b - d for b, c, d in zip(first, second, step, strict=True)]
        length, curvature = _size(step, here), _size(bend, here)
        safe[active] = between.safe
        going = (length > 1e-8) & between.safe
        if not going.any():
            break
        with np.errstate(all="ignore"):
            factor = np.where(curvature > 0, np.maximum(length / curvature, 1.0), 1.0)
        jumped = Mixtures(
            *(
                a + 2 * _per_mixture(factor, a) * d + _per_mixture(factor, a) ** 2 * e
                for a, d, e in zip(here, step, bend, strict=True)
            )
        )
        after = _expectations(data, jumped)
        least = between.log_likelihood - 1e-12 * np.abs(between.log_likelihood)  # at the top rounding decides
        rejected = ~(after.safe & (after.log_likelihood >= least))
        if rejected.any():
            plain = second.take(rejected)
            for array, values in zip(jumped, plain, strict=True):
                array[rejected] = values
            for field, again in zip(after, _expectations(data, plain), strict=True):
                field[rejected] = again
        here, active = jumped.take(going), active[going]
        moments = after.take(going)
    return _Top(mixtures, objective, safe)


def _per_mixture(values: NDArray[np.float64], array: NDArray[np.float64]) -> NDArray[np.float64]:
    return values.reshape(-1, *[1] * (array.ndim - 1))


def _size(change: Sequence[NDArray[np.float64]], mixtures: Mixtures) -> NDArray[np.float64]:
    """How large a change of weights, means and covariances is, in units of the components' weights and sds."""
    sds = np.sqrt(np.diagonal(mixtures.covariances, axis1=2, axis2=3))
    units = (mixtures.weights, sds, sds[..., :, None] * sds[..., None, :])
    relative = [
        (part / unit).reshape(len(sds), math.prod(unit.shape[1:])) for part, unit in zip(change, units, strict=True)
    ]
    return np.asarray(np.linalg.norm(np.concatenate(relative, axis=1), axis=1))


def _leap(data: GaussianData, mixtures: Mixtures, model: GaussianMixture) -> Mixtures:
    """The mixtures after a few steps of Newton's method towards where EM stands still.

    theta + (I - J)^-1 (EM(theta) - theta), with J the Jacobian of the EM step. A step is taken only where all
    eigenvalues of J are below 1, so that it leads to a maximum, and only upwards and not far.
    """
    directions = _directions(mixtures, model.covariance_type)
    for _ in range(3):
        moments = _expectations(data, mixtures)
        following = batch.maximise(moments, mixtures, model.covariance_type)
        axes = _Axes.of(mixtures)
        residual = axes.coordinates(_difference(following, mixtures), directions)
        jacobians = _jacobians(data, mixtures, model)
        usable = moments.safe & np.isfinite(jacobians).all(axis=(1, 2))
        jacobians[~usable] = 0.0
        usable &= np.linalg.eigvals(jacobians).real.max(axis=1) < 1
        jacobians[~usable] = 0.0
        steps = np.linalg.solve(np.eye(jacobians.shape[1]) - jacobians, residual[..., None])[..., 0]
        moves = axes.moves(Mixtures(*(np.tensordot(steps, direction, axes=1) for direction in directions)))
        moved = Mixtures(*(before + move for before, move in zip(mixtures, moves, strict=True)))
        reached = _expectations(data, moved)
        taken = usable & reached.safe & (np.abs(steps).max(axis=1) < 0.5)
        taken &= reached.log_likelihood > np.where(moments.safe, moments.log_likelihood, np.inf)
        if not taken.any():
            break
        mixtures = Mixtures(
            *(np.where(_per_mixture(taken, old), new, old) for old, new in zip(mixtures, moved, strict=True))
        )
    return mixtures


def _rates(data: GaussianData, mixtures: Mixtures, model: GaussianMixture) -> NDArray[np.float64]:
    """The largest eigenvalue of the EM step at each mixture, shape (n_mixtures,); NaN where it is not safe."""
    jacobians = _jacobians(data, mixtures, model)
    safe = np.isfinite(jacobians).all(axis=(1, 2))
    rates = np.full(len(jacobians), np.nan)
    rates[safe] = np.linalg.eigvals(jacobians[safe]).real.max(axis=1)
    return rates


def _jacobians(data: GaussianData, mixtures: Mixtures, model: GaussianMixture) -> NDArray[np.float64]:
    """The Jacobian of the EM step at each mixture by central differences; NaN where the batch is not safe.

    In the coordinates of `_Axes`, along `_directions`.
    """
    directions = _directions(mixtures, model.covariance_type)
    n_directions = len(directions.weights)
    at_once = max(4000 // (2 * n_directions), 1)  # for bounded memory
    found = np.empty((len(mixtures.weights), n_directions, n_directions))
    for first in range(0, len(found), at_once):
        rows = slice(first, first + at_once)
        found[rows] = _some_jacobians(data, mixtures.take(rows), directions, model)
    return found


def _some_jacobians(
    data: GaussianData, mixtures: Mixtures, directions: Mixtures, model: GaussianMixture
) -> NDArray[np.float64]:
    axes = _Axes.of(mixtures)
    n_mixtures, n_directions = len(mixtures.weights), len(directions.weights)
    every = np.repeat(np.arange(n_mixtures), n_directions)
    here, axes = mixtures.take(every), axes.take(every)
    moves = axes.moves(Mixtures(*(np.concatenate([direction] * n_mixtures) for direction in directions)))
    step = 1e-4
    images, safe = [], np.ones(n_mixtures, dtype=bool)
    for signed in (step, -step):
        moved = Mixtures(*(each + signed * move for each, move in zip(here, moves, strict=True)))
        moments = _expectations(data, moved)
        images.append(batch.maximise(moments, moved, model.covariance_type))
        safe &= moments.safe.reshape(n_mixtures, n_directions).all(axis=1)
    slopes = axes.coordinates(_difference(*images), directions) / (2 * step)
    jacobians = slopes.reshape(n_mixtures, n_directions, n_directions).swapaxes(1, 2)
    jacobians[~safe] = np.nan
    return jacobians


class _Axes(NamedTuple):
    """Coordinates of moves of a mixture in which every component is a standard one.

    With L L' a component's covariance, the mean moves by L z and the covariance by L S L'; the weight by a part of
    itself. So a small step is small also for a narrow slanted component, whose covariance a step of one entry alone
    would make nearly singular.
    """

    weights: NDArray[np.float64]  # (n_mixtures, n_components)
    factors: NDArray[np.float64]  # (n_mixtures, n_components, n_features, n_features): L
    inverses: NDArray[np.float64]

    @classmethod
    def of(cls, mixtures: Mixtures) -> _Axes:
        factors = np.asarray(np.linalg.cholesky(mixtures.covariances), dtype=np.float64)
        return cls(mixtures.weights, factors, np.asarray(np.linalg.inv(factors), dtype=np.float64))

    def take(self, rows: NDArray[np.intp]) -> _Axes:
        return _Axes(self.weights[rows], self.factors[rows], self.inverses[rows])

    def moves(self, whitened: Mixtures) -> Mixtures:
        """The changes of weights, means and covariances that are these in standard components."""
        return Mixtures(
            self.weights * whitened.weights,
            (self.factors @ whitened.means[..., None])[..., 0],
            self.factors @ whitened.covariances @ self.factors.swapaxes(-1, -2),
        )

    def coordinates(self, change: Mixtures, directions: Mixtures) -> NDArray[np.float64]:
        """The part of each change along each of the `directions`, shape (n_mixtures, n_directions)."""
        whitened = Mixtures(
            change.weights / self.weights,
            (self.inverses @ change.means[..., None])[..., 0],
            self.inverses @ change.covariances @ self.inverses.swapaxes(-1, -2),
        )
        return np.asarray(sum(_along(part, direction) for part, direction in zip(whitened, directions, strict=True)))


def _along(change: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a whitened change along each direction: the mean of the entries that it moves together."""
    flat = direction.reshape(len(direction), -1)
    reading = flat / np.maximum(flat.sum(axis=1, keepdims=True), 1)
    return np.asarray(change.reshape(len(change), -1) @ reading.T)


def _difference(after: Mixtures, before: Mixtures) -> Mixtures:
    return Mixtures(*(b - a for a, b in zip(before, after, strict=True)))


def _directions(mixtures: Mixtures, covariance_type: str) -> Mixtures:
    """Every way in which a mixture of this shape and type can change, one after the other: arrays of 0 and 1."""
    n_components, n_features = mixtures.means.shape[1:]
    pairs = [(i, j) for i in range(n_features) for j in range(i, n_features)]
    axes = [[(i, i)] for i in range(n_features)]
    shapes = {
        "full": [[(i, j), (j, i)] for i, j in pairs],
        "tied": [[(i, j), (j, i)] for i, j in pairs],
        "diag": axes,
        "spherical": [[(i, i) for i in range(n_features)]],
    }[covariance_type]
    components = [slice(None)] if covariance_type == "tied" else [slice(k, k + 1) for k in range(n_components)]
    n_means = n_components * n_features
    n_directions = n_components + n_means + len(components) * len(shapes)
    weights = np.zeros((n_directions, n_components))
    means = np.zeros((n_directions, n_components, n_features))
    covariances = np.zeros((n_directions, n_components, n_features, n_features))
    weights[:n_components] = np.eye(n_components)
    means[n_components : n_components + n_means] = np.eye(n_means).reshape(n_means, n_components, n_features)
    row = n_components + n_means
    for component in components:
        for entries in shapes:
            for i, j in entries:
                covariances[row, component, i, j] = 1
            row += 1
    return Mixtures(weights, means, covariances)


class _Judged(NamedTuple):
    """What the places are that runs lead to.

    One is neither a saddle nor a maximum if EM still moves there, or if its rate cannot be told.
    """

    rates: NDArray[np.float64]  # (n_places,): of EM; NaN where it cannot be told
    saddles: NDArray[np.bool_]  # EM stands still, but the log-likelihood curves upwards, in whatever order
    maxima: NDArray[np.bool_]


def _curvature(data: GaussianData, places: Sequence[_Place], model: GaussianMixture) -> _Judged:
    """The rate of EM at each place, and by it what the place is."""
    if not places:
        return _Judged(np.empty(0), np.empty(0, dtype=bool), np.empty(0, dtype=bool))
    mixtures = stacked([place.parameters for place in places])
    rates = _rates(data, mixtures, model)
    for i in np.flatnonzero(np.isnan(rates)).tolist():  # too narrow for the batch
        rates[i] = _rate_alone(data, places[i].parameters, model)
    still = ~np.array([_moves(model, data, place.parameters) for place in places])
    saddles = still & (rates > _SADDLE_RATE)
    flat = np.flatnonzero(still & ~saddles & (rates > _FLAT_RATE))
    if len(flat):  # equal components: the second order says nothing. Push them apart and see
        rng = np.random.default_rng(0)
        sizes = np.repeat([0.1, 0.3], 3)
        pushed = mixtures.take(np.repeat(flat, len(sizes)))
        sds = np.sqrt(np.diagonal(pushed.covariances, axis1=2, axis2=3))
        pushes = np.tile(sizes, len(flat))[:, None, None] * rng.normal(size=sds.shape)
        top = _climb(data, pushed._replace(means=pushed.means + pushes * sds), model, _MOST_STEPS // 4)
        reached = np.where(top.safe, top.objective, -np.inf).reshape(len(flat), -1).max(axis=1)
        saddles[flat] = reached > [places[i].objective + _SAME_OBJECTIVE * len(data) for i in flat.tolist()]
    return _Judged(rates, saddles, still & ~saddles & np.isfinite(rates))


def _moving(data: GaussianData, mixtures: Mixtures, model: GaussianMixture) -> NDArray[np.bool_]:
    """Whether an iteration of EM still moves each mixture by more than `_STILL`; False where it is not safe."""
    moments = _expectations(data, mixtures)
    following = batch.maximise(moments, mixtures, model.covariance_type)
    return moments.safe & (_size(_difference(following, mixtures), mixtures) > _STILL)


def _moves(model: GaussianMixture, data: GaussianData, parameters: GaussianMixtureParameters) -> bool:
    """Whether an iteration of EM still moves these parameters by more than `_STILL`."""
    try:
        following = model.m_step(data, model.e_step(data, parameters))
    except em.DegenerateFit:
        return True
    before = stacked([parameters])
    return bool(_size(_difference(stacked([following]), before), before)[0] > _STILL)


def _rate_alone(data: GaussianData, parameters: GaussianMixtureParameters, model: GaussianMixture) -> float:
    """The rate of EM by single steps; NaN if parameters next to these are not legal."""
    try:
        return acceleration.rate(model, data, parameters)
    except (em.DegenerateFit, ValueError, ArithmeticError):
        return math.nan


def _stalled(data: GaussianData, mixtures: Mixtures, model: GaussianMixture) -> NDArray[np.bool_]:
    """Whether each mixture lies on a saddle or a plateau, from which EM goes on faster and faster.

    Either the rate is above 1 there, or the gains of EM shrink first and grow later, before it is clearly higher than
    the first gains promised (Aitken's forecast): towards it EM slowed down, behind it EM speeds up.
    """
    stalled = _rates(data, mixtures, model) > _SADDLE_RATE
    active = np.flatnonzero(~stalled)
    here = mixtures.take(active)
    before = gain = height = np.full(len(active), np.nan)
    for step in range(_PLATEAU_STEPS):
        if not len(active):
            break
        moments = _expectations(data, here)
        objective = moments.log_likelihood
        last, gain = gain, objective - before
        grows = gain > last * (1 + 1e-4) + 1e-11 * np.abs(objective)
        if step == 2:
            with np.errstate(all="ignore"):
                height = objective - gain - last + _STALLED * last * last / (last - gain)
        stalled[active[grows & moments.safe]] = True
        going = moments.safe & ~grows & ~(objective > height)
        here = batch.maximise(moments.take(going), here.take(going), model.covariance_type)
        active, before, gain, height = active[going], objective[going], gain[going], height[going]
    return stalled


def _within_reach(
    data: GaussianData, mixtures: Mixtures, model: GaussianMixture, limit_rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """About how much EM can still gain from each mixture if it is near its limit, in nats, shape (n_mixtures,).

    The larger of two estimates: gain / (1 - r^2), where EM approaches the limit at the rate r of `limit_rates`, and
    Aitken's forecast, the geometric series that two gains begin. 0 where the second gain is the larger one, on the
    way down from a saddle; infinity where the batch cannot tell.
    """
    objective = []
    for _ in range(3):
        moments = _expectations(data, mixtures)
        objective.append(np.where(moments.safe, moments.log_likelihood, np.nan))
        mixtures = batch.maximise(moments, mixtures, model.covariance_type)
    first, second = np.diff(objective, axis=0)
    with np.errstate(all="ignore"):
        reach = np.maximum(first / np.maximum(1 - limit_rates**2, 1e-12), first * first / (first - second))
    reach[second > first] = 0.0
    return np.where(np.isnan(reach), np.inf, reach)


def chance_of_best(share: float, n_restarts: int) -> float:
    """The chance that at least one of n_restarts independent runs leads to a maximum that `share` of them reach."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, got {share!r}")
    whole_number(n_restarts, "n_restarts", least=0)
    if share == 1:
        return float(n_restarts > 0)
    return float(abs(math.expm1(n_restarts * math.log1p(-share))))  # not -0.0


def interval(count: int, n_runs: int, level: float = 0.95) -> tuple[float, float]:
    """Where the true share lies when `count` of `n_runs` independent runs reached a maximum.

    Wilson's interval (1927): it holds in at least about `level` of all cases also near 0 and 1, where the interval
    of a normal distribution is too short.
    """
    whole_number(n_runs, "n_runs")
    if not 0 <= whole_number(count, "count", least=0) <= n_runs:
        raise ValueError(f"count must be from 0 to n_runs = {n_runs}, got {count}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    z = float(ndtri(0.5 + level / 2))
    share = count / n_runs
    centre = share + z * z / (2 * n_runs)
    half = z * math.sqrt(share * (1 - share) / n_runs + (z / (2 * n_runs)) ** 2)
    scale = 1 + z * z / n_runs
    low = 0.0 if count == 0 else (centre - half) / scale
    high = 1.0 if count == n_runs else (centre + half) / scale
    return low, high


def stacked(parameters: Sequence[GaussianMixtureParameters]) -> Mixtures:
    """Mixtures of equal shape as arrays for the batch."""
    return Mixtures(
        np.array([each.weights for each in parameters]),
        np.array([each.means for each in parameters]),
        np.array([each.covariances for each in parameters]),
    )


def _parameters_at(mixtures: Mixtures, i: int, model: GaussianMixture) -> GaussianMixtureParameters:
    weights, means, covariances = (array[i].copy() for array in mixtures)
    return GaussianMixtureParameters._trusted(weights, means, covariances, model.covariance_type)


def _check_stop_rule(max_iter: int, tol: float) -> None:
    if not (isinstance(max_iter, int | np.integer) and max_iter >= 0):
        raise ValueError(f"max_iter must be a whole number from 0 up, got {max_iter!r}")
    if not (np.isfinite(tol) and tol >= 0):
        raise ValueError(f"tol must be a finite number from 0 up, got {tol!r}")
