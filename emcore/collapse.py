"""A component that shrinks onto a point, and what helps: a new start, a floor for every sd, a prior.

The log-likelihood of a Gaussian mixture has no maximum (Day 1969; Bishop 2006, section 9.2.1): where a mean stands on
a point and its sd falls to 0, it rises without limit. EM climbs there from some starts and not from others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore import em, starts
from emcore.em import DegenerateFit, History
from emcore.experiment import Experiment
from emcore.models import GaussianMixture, GaussianMixtureParameters, GaussianPrior, GhostPoints
from emcore.models.gaussian_kernel import CovarianceType
from emcore.models.gaussian_mixture import axis_names
from emcore.models.gaussian_prior import least_spread_count
from emcore.report import MINUS, listed, number, objective_text, signed, significant
from emcore.restarts import run_many
from emcore.starts import STARTS, ByHand

Array = NDArray[np.float64]

WIDTHS: Final = (1, 2, 5, 10, 20, 50, 100)  # sds of a start, in percent of the data's sd
MOST_TRIES: Final = 50  # starts that the remedy "restart" goes through
N_STARTS: Final = 20  # that are counted
MOST_ITERATIONS: Final = 100  # of each of these
MOST_GHOSTS: Final = 40  # circles in a picture
_SLICE: Final = 141  # places of a slice


# ---- A start that may collapse -----------------------------------------------------------------------------


def unit(X: ArrayLike, covariance_type: CovarianceType) -> Array:
    """The sd of the data along each axis, shape (n_features,): what widths, floors and ghosts are parts of.

    For spherical covariances the root of the mean variance, along every axis. 1 where the data do not vary.
    """
    sds = np.asarray(X, dtype=np.float64).std(axis=0)
    if covariance_type == "spherical":
        sds = np.full_like(sds, np.sqrt((sds**2).mean()))
    return np.where(sds > 0, sds, 1.0)


def magnet(X: ArrayLike) -> int:
    """The row of a point that a component easily collapses onto: recorded most often, or else the loneliest."""
    points = np.asarray(X, dtype=np.float64)
    _, first, counts = np.unique(points, axis=0, return_index=True, return_counts=True)
    if counts.max() > 1 or len(points) == 1:
        return int(first[counts.argmax()])
    scaled = points / np.where(points.std(axis=0) > 0, points.std(axis=0), 1.0)
    if points.shape[1] == 1:
        order = np.argsort(scaled[:, 0])
        gaps = np.diff(scaled[order, 0], prepend=-np.inf, append=np.inf)
        return int(order[np.minimum(gaps[1:], gaps[:-1]).argmax()])
    nearest = [float(np.partition(((scaled - point) ** 2).sum(axis=1), 1)[1]) for point in scaled[:_SEARCHED]]
    return int(np.argmax(nearest))


_SEARCHED = 2_000


def copies(X: ArrayLike, row: int) -> int:
    """How many points lie exactly where point `row` does, itself included."""
    points = np.asarray(X)
    return int((points == points[row]).all(axis=1).sum())


def nearest(experiment: Experiment, row: int) -> int:
    """The component whose mean the experiment starts nearest to a point, each axis measured in the data's sd."""
    X = experiment.dataset().X
    apart = (_start(experiment).means - X[row]) / unit(X, "full")
    return int((apart**2).sum(axis=1).argmin())


def planted(experiment: Experiment, component: int, row: int, width: float) -> Experiment:
    """The experiment from its own start, but with one mean on a point, and there sds that are `width` of the data's.

    Parameters
    ----------
    experiment : Experiment
        Of a GaussianMixture.
    component, row : int
        Which mean, onto which row of X, from 0.
    width : float
        Positive: a part of the data's sd along each axis (`unit`).

    Raises
    ------
    ValueError
        There is no such component or row.
    """
    X, model = experiment.dataset().X, _mixture(experiment)
    n_components = model.n_components
    if not (0 <= component < n_components and 0 <= row < len(X)):
        raise ValueError(
            f"component must be from 0 to {n_components - 1} and row from 0 to {len(X) - 1}, got {component} and {row}"
        )
    begun = _start(experiment)
    means, covariances = begun.means.copy(), begun.covariances.copy()
    means[component] = X[row]
    covariances[component] = np.diag((width * unit(X, model.covariance_type)) ** 2)
    theta = GaussianMixtureParameters(begun.weights, means, covariances)
    return replace(experiment, start="by-hand", start_seed=0, by_hand=ByHand.of(theta))


def _mixture(experiment: Experiment) -> GaussianMixture:
    if not isinstance(experiment.model, GaussianMixture):
        raise ValueError(f"the model must be a GaussianMixture, got {experiment.model!r}")
    return experiment.model


def _start(experiment: Experiment) -> GaussianMixtureParameters:
    begun: GaussianMixtureParameters = starts.start(
        experiment.start, experiment.model, experiment.dataset().X, experiment.start_seed, experiment.by_hand
    )
    return begun


def narrowest(history: History, component: int) -> Array:
    """The sd of a component in its narrowest direction, in the data's units, at each iteration, shape (T + 1,)."""
    covariances = np.array([theta.covariances[component] for theta in history.parameters])
    return np.asarray(np.sqrt(np.maximum(np.linalg.eigvalsh(covariances)[:, 0], 0.0)))


class Fate(NamedTuple):
    """What becomes of a planted mean that begins with this width.

    Attributes
    ----------
    percent : int
        The width, one of WIDTHS.
    collapsed_at : int or None
        The M-step that has no result; None if the run does not collapse.
    sd : float
        The last sd of the component in its narrowest direction, in the data's units.
    """

    percent: int
    collapsed_at: int | None
    sd: float


def fates(experiment: Experiment, component: int, row: int) -> tuple[Fate, ...]:
    """The same start with each of WIDTHS: how narrow a component must begin to be caught."""
    found = []
    for percent in WIDTHS:
        history = planted(experiment, component, row, percent / 100).history()
        at = history.n_iterations + 1 if history.stopped == "degenerate" else None
        found.append(Fate(percent, at, float(narrowest(history, component)[-1])))
    return tuple(found)


# ---- The remedies ------------------------------------------------------------------------------------------


class Ghosts(NamedTuple):
    """A prior as a person sets it.

    Attributes
    ----------
    pull : float
        Ghost points at `mean`, for each component, greater than 0.
    spread_count : float
        Ghost points around each component's own mean.
    spread : float
        Their sd, as a part of the data's.
    weight_count : float
        Ghost points that count for the weights alone.
    mean : tuple of float or None
        In the data's units; None for the mean of the data.
    """

    pull: float = 0.01
    spread_count: float = 8.0
    spread: float = 0.2
    weight_count: float = 0.0
    mean: tuple[float, ...] | None = None

    def prior(self, X: ArrayLike, n_components: int, covariance_type: CovarianceType) -> GaussianPrior:
        """The prior that these ghosts are, for these data: their covariance is that of the data, scaled.

        ValueError if the data do not vary along an axis, or `spread_count` is too small (`fewest`).
        """
        points = np.asarray(X, dtype=np.float64)
        covariance = np.cov(points, rowvar=False, bias=True).reshape(points.shape[1], -1)
        variances = np.diag(covariance)
        if not (variances > 0).all():
            raise ValueError(
                "The data must vary along every axis for ghost points of the same shape; all points have the same "
                f"{listed([f'value on axis {j + 1}' for j in np.flatnonzero(variances == 0)])}."
            )
        sds = np.sqrt(variances)
        if np.linalg.eigvalsh(covariance / np.outer(sds, sds))[0] < 1e-9:
            covariance = np.diag(variances)  # all points on one line
        mean = points.mean(axis=0) if self.mean is None else np.array(self.mean)
        ghosts = GhostPoints(mean, self.pull, self.spread**2 * covariance, self.spread_count, self.weight_count)
        return GaussianPrior.from_ghost_points(ghosts, n_components, covariance_type)

    @classmethod
    def fraley_raftery(cls, X: ArrayLike, n_components: int, covariance_type: CovarianceType) -> Ghosts:
        """Their prior from the data, as nearly as these numbers say it: they divide by n - 1."""
        points = np.asarray(X, dtype=np.float64)
        d = points.shape[1]
        ghosts = GaussianPrior(
            (0.0,) * d,
            np.eye(d) / n_components ** (2 / d),
            d + 2.0,  # of data with sd 1
        ).ghost_points(n_components, covariance_type)
        return cls(ghosts.mean_count, ghosts.spread_count, math.sqrt(ghosts.spread[0, 0]), 0.0, None)


def fewest(n_features: int, n_components: int, covariance_type: CovarianceType) -> float:
    """The smallest number of ghost points of spread, to one decimal, that is a prior with a density."""
    return math.floor(round(10 * least_spread_count(n_features, n_components, covariance_type), 6) + 1) / 10


@dataclass(frozen=True, eq=False)
class Remedies:
    """One start, and three ways to go on from it.

    Attributes
    ----------
    plain : History
        Maximum likelihood from the start.
    restarted : History
        The same, and after a collapse another start: one run after the other. Its objective falls once, there.
    began : int or None
        The iteration of `restarted` at which the new start stands; None if none was needed or none helped.
    tries : int
        The starts that were tried.
    floored, mapped : History
        With a floor for every sd, and with a prior.
    """

    plain: History
    restarted: History
    began: int | None
    tries: int
    floored: History
    mapped: History

    @property
    def histories(self) -> tuple[History, History, History]:
        """Restart, floor, prior."""
        return self.restarted, self.floored, self.mapped

    @property
    def n_positions(self) -> int:
        """How many positions it takes to step through all."""
        return max(history.n_positions for history in self.histories)


REMEDIES: Final = ("Restart", "Floor", "Prior")


def remedies(experiment: Experiment, start: Experiment, floor: float, prior: GaussianPrior) -> Remedies:
    """From `start`, which is `experiment` with a planted mean: restart, floor and prior.

    `floor` is the smallest sd allowed, in the data's units. The restarts are those of `experiment` with seeds from 0
    up, or random points where nothing in its start is random.
    """
    plain = start.history()
    restarted, began, tries = plain, None, 0
    if plain.stopped == "degenerate":
        way = experiment.start if STARTS[experiment.start].random else "random-points"
        for seed in range(MOST_TRIES):
            tries += 1
            second = replace(experiment, start=way, start_seed=seed, by_hand=None).history()
            if second.stopped != "degenerate":
                restarted, began = _spliced(plain, second), plain.n_iterations + 1
                break
    model = _mixture(start)
    floored = replace(start, model=replace(model, sd_floor=floor)).history()
    mapped = replace(start, model=replace(model, prior=prior)).history()
    return Remedies(plain, restarted, began, tries, floored, mapped)


def _spliced(first: History, second: History) -> History:
    """One run after the other, as one history. What lies between them is no M-step."""
    objective = np.concatenate([first.objective, second.objective])
    objective.flags.writeable = False
    return History(first.model, first.X, first.parameters + second.parameters, objective, second.stopped, second.reason)


# ---- The likelihood has no maximum -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Slice:
    """The objective of the start as the sd of the planted component alone changes; of a tied mixture all sds do.

    Attributes
    ----------
    sds : ndarray of shape (n_places,)
        The sd along every axis, as a part of the data's (`unit`), from narrow to wide.
    log_likelihood, log_posterior : ndarray of shape (n_places,)
        In nats: without and with the log prior; NaN where there is none.
    floor : float
        The smallest that the floor allows.
    """

    sds: Array
    log_likelihood: Array
    log_posterior: Array
    floor: float

    @property
    def overtakes(self) -> float | None:
        """The log10 of the sd below which the log-likelihood lies above all that the slice shows on its right.

        Beyond the slice the slope at its narrow end, which is constant, is followed. Infinity if there is no dip on the
        right; None if the log-likelihood does not rise towards narrow sds.
        """
        logs, values = np.log10(self.sds), self.log_likelihood
        slope = float(values[1] - values[0]) / float(logs[1] - logs[0])
        rising = np.flatnonzero(np.diff(values) >= 0)
        if not slope < 0:
            return None
        if not len(rising):
            return math.inf
        hump = float(values[rising[0] :].max())
        if values[0] <= hump:
            return float(logs[0] + (hump - values[0]) / slope)
        last = int(np.flatnonzero(values[: rising[0] + 1] > hump)[-1])
        return float(np.interp(hump, values[[last + 1, last]], logs[[last + 1, last]]))

    @property
    def peak(self) -> float:
        """The sd at which the log posterior is highest."""
        return float(self.sds[self.log_posterior.argmax()])


def shrink(start: Experiment, component: int, floor: float, prior: GaussianPrior | None = None) -> Slice:
    """What each objective says of every sd from a millionth of the data's to three times it, all else held.

    `floor` is a part of the data's sd as well.
    """
    X = start.dataset().X
    model, theta = _mixture(start), _start(start)
    prepared, variances = model.prepare(X), unit(X, model.covariance_type) ** 2
    sds = np.geomspace(1e-6, 3, _SLICE)
    moved = slice(None) if model.covariance_type == "tied" else component
    plain, added = np.full(_SLICE, np.nan), np.full(_SLICE, np.nan)
    believing = replace(model, prior=prior)
    for i, sd in enumerate(sds.tolist()):
        covariances = theta.covariances.copy()
        covariances[moved] = np.diag(sd**2 * variances)
        there = replace(theta, covariances=covariances)
        plain[i] = model.e_step(prepared, there).objective
        if prior is not None:
            added[i] = plain[i] + believing.log_prior(there)
    for array in (sds, plain, added):
        array.flags.writeable = False
    return Slice(sds, plain, added, floor)


# ---- What it buys and what it costs ------------------------------------------------------------------------


@dataclass(frozen=True)
class Collapses:
    """Of `n_starts` random starts, how many collapse: by maximum likelihood, with the floor, with the prior."""

    n_starts: int
    plain: int
    floored: int
    mapped: int


def collapses(experiment: Experiment, floor: float, prior: GaussianPrior) -> Collapses:
    """How many of N_STARTS starts collapse under each objective, in MOST_ITERATIONS or fewer.

    The starts are those that the restarts use.
    """
    X = experiment.dataset().X
    way = experiment.start if STARTS[experiment.start].random else "random-points"
    plain = _mixture(experiment)
    counts = []
    for model in (plain, replace(plain, sd_floor=floor), replace(plain, prior=prior)):
        begun = [starts.start(way, model, X, seed) for seed in range(N_STARTS)]
        runs = run_many(model, X, begun, max_iter=min(experiment.max_iter, MOST_ITERATIONS), tol=experiment.tol)
        counts.append(runs.stopped.count("degenerate"))
    return Collapses(N_STARTS, *counts)


@dataclass(frozen=True, eq=False)
class Price:
    """The fit of maximum likelihood, and the mode with the prior that EM reaches from there.

    Attributes
    ----------
    fitted, mode : GaussianMixtureParameters
        Component k of one is component k of the other.
    lost : float
        By how many nats the log-likelihood of `mode` is lower.
    gained : float
        By how many nats its log prior is higher.
    """

    fitted: GaussianMixtureParameters
    mode: GaussianMixtureParameters
    lost: float
    gained: float


def price(experiment: Experiment, fitted: GaussianMixtureParameters, prior: GaussianPrior) -> Price:
    """What the prior moves: EM with it from the maximum of the likelihood that `fitted` leads to.

    Raises
    ------
    DegenerateFit
        A component collapsed, or lost all its points, on the way.
    """
    X = experiment.dataset().X
    plain = _mixture(experiment)
    believing = replace(plain, prior=prior)
    ends: list[GaussianMixtureParameters] = []
    for model in (plain, believing):
        history = em.run(model, X, ends[-1] if ends else fitted, max_iter=1_000, tol=1e-9)
        if history.stopped == "degenerate":
            raise DegenerateFit(history.reason, history.advice)
        ends.append(history.parameters[-1])
    fitted, mode = ends
    before, after = (plain.e_step(X, theta).objective for theta in (fitted, mode))
    return Price(fitted, mode, before - after, believing.log_prior(mode) - believing.log_prior(fitted))


# ---- In words ----------------------------------------------------------------------------------------------


def foretold(history: History, component: int) -> str:
    """What became of the start: the answer to "will it collapse?"."""
    sds = narrowest(history, component)
    if history.stopped == "degenerate":
        steps = history.n_iterations + 1
        return (
            f"It collapses: M-step {steps} has no result. {history.reason} The last sd was {significant(sds[-1])}, the "
            f"first {significant(sds[0])}."
        )
    n = history.n_iterations
    ended = "converged" if history.stopped == "converged" else "was stopped by the limit"
    return (
        f"It does not collapse: the run {ended} after {n} iteration{'' if n == 1 else 's'}, with an sd of "
        f"{significant(sds[-1])} in the narrowest direction of component {component + 1}. The first was "
        f"{significant(sds[0])}."
    )


def judged(history: History, collapse: bool, at: int | None) -> str:
    """The guess beside what happened; `at` is the guessed M-step of the collapse."""
    happened = history.stopped == "degenerate"
    if collapse != happened:
        return "Your guess was the other way round."
    if not happened or at is None:
        return "You guessed right."
    steps = history.n_iterations + 1
    if at == steps:
        return "You guessed right, to the M-step."
    return f"You guessed right; the M-step was {steps}, you said {at}."


def standpoint(X: ArrayLike, row: int, component: int, sds: ArrayLike) -> str:
    """Where the planted mean stands, how many points lie there, and how wide the component begins."""
    points = np.asarray(X, dtype=np.float64)
    there, count = points[row], copies(points, row)
    lie = "one point lies" if count == 1 else f"{count} points lie"
    text = ", ".join(f"{value:.4g}" for value in there).replace("-", MINUS)
    spot = f"({text})" if len(there) > 1 else text
    wide = [significant(float(sd)) for sd in dict.fromkeys(np.atleast_1d(sds).tolist())]
    return (
        f"Component {component + 1} begins with its mean on point {row + 1} at {spot}, where {lie}, and with "
        f"{'an sd' if len(wide) == 1 else 'sds'} of {listed(wide)}."
    )


def without_limit(X: ArrayLike, row: int, covariance_type: CovarianceType) -> str:
    """Why the likelihood has no maximum, with the numbers of these data."""
    points = np.asarray(X)
    count, d = copies(points, row), points.shape[1]
    if covariance_type == "tied":
        return (
            "With one covariance for all components (tied) none can shrink alone: all others would shrink with it, and "
            "the points away from their means would become impossible. So this likelihood has a maximum, as long as "
            "there are more different points than components."
        )
    gain = count * d * math.log(10)
    who = "One point lies" if count == 1 else f"{count} points lie"
    steps = f"{d} · ln 10" if count == 1 else f"{count} · {d} · ln 10"
    return (
        f"**The likelihood has no maximum.** {who} exactly there. Put the mean there and make the sd ten times "
        f"smaller: the density rises {10**d:,} times, and the log-likelihood by {steps} = {number(gain)} nats. "
        "Again and again: all other points are left to the other components, so nothing stops it."
    )


def overtaking(drawn: Slice) -> str:
    """Where the straight line passes what looked like the maximum."""
    at = drawn.overtakes
    if at is None:
        return "Towards narrow sds it falls."
    if math.isinf(at):
        return "Towards narrow sds it rises all the way, without an end."
    part = significant(10**at) if at > -3 else f"$10^{{{at:.1f}}}$"
    return (
        "To the left the log-likelihood is a straight line without an end. Where the sd is below "
        f"{part} times the data's, it lies above all that the picture shows to its right."
    )


def captions(found: Remedies, component: int) -> tuple[str, ...]:
    """What the player says at each position of all three remedies."""
    widths = [narrowest(history, component) for history in found.histories]
    said = []
    for position in range(found.n_positions):
        iteration = position // 2
        parts = []
        for name, history, sds in zip(REMEDIES, found.histories, widths, strict=True):
            t = min(iteration, history.n_iterations)
            parts.append(f"{name.lower()} {significant(float(sds[t]))}")
        text = f"Iteration {iteration}: narrowest sd of component {component + 1}: {', '.join(parts)}."
        if found.began is not None and iteration == found.began:
            text += " Restart: the run before collapsed; a new start."
        said.append(text)
    return tuple(said)


def standing(found: Remedies, component: int, position: int) -> list[tuple[str, str, str, str, str]]:
    """A row for each remedy at a position: name, objective's name, its value, narrowest sd, state of the run."""
    rows = []
    for name, history in zip(REMEDIES, found.histories, strict=True):
        iteration = min(position // 2, history.n_iterations)
        sd = significant(float(narrowest(history, component)[iteration]))
        state = "running" if iteration < history.n_iterations else _STATES[history.stopped]
        if name == "Restart" and found.began is not None:
            if iteration == found.began - 1:
                state = "collapsed"
            elif iteration == found.began:
                state = "new start"
        rows.append((name, history.model.objective_name, objective_text(history, iteration), sd, state))
    return rows


_STATES = {"converged": "converged", "max_iter": "at the limit", "degenerate": "collapsed"}


def how_restarted(found: Remedies) -> str:
    """What the remedy "restart" did."""
    if found.plain.stopped != "degenerate":
        return "Restart: this start does not collapse, so no other was needed."
    if found.began is None:
        return f"Restart: {found.tries} other starts were tried, and all of them collapsed."
    tried = "the first other start" if found.tries == 1 else f"other start number {found.tries}"
    return f"Restart: this start collapses; {tried} did not. It begins at iteration {found.began}."


def buys(counted: Collapses) -> str:
    """What floor and prior buy, in starts that do not collapse."""
    n = counted.n_starts
    return (
        f"**Buys**: of {n} random starts {_collapse(counted.plain)} by maximum likelihood, {counted.floored or 'none'} "
        f"with the floor and {counted.mapped or 'none'} with the prior."
    )


def _collapse(count: int) -> str:
    return f"{count or 'none'} collapse{'s' if count <= 1 else ''}"


def costs(paid: Price) -> str:
    """What the prior costs: how far it moves the fit."""
    moved = np.linalg.norm(paid.mode.means - paid.fitted.means, axis=1)
    ratio = (np.linalg.det(paid.mode.covariances) / np.linalg.det(paid.fitted.covariances)) ** (
        0.5 / paid.fitted.n_features
    )
    k = int(np.abs(np.log(ratio)).argmax())
    far = int(moved.argmax())
    change = f"{abs(ratio[k] - 1):.1%}".replace("%", " %")
    return (
        f"**Costs**: from the fit by maximum likelihood the prior moves mean {far + 1} by "
        f"{significant(float(moved[far]))} and makes component {k + 1} {'wider' if ratio[k] > 1 else 'narrower'} by "
        f"{change}. The log-likelihood changes by {signed(-paid.lost)} nats, the log "
        f"prior by {signed(paid.gained)}. That is the bias; with more data it shrinks."
    )


def arithmetic(history: History, component: int, iteration: int) -> list[tuple[str, str, str]]:
    """The M-step after `iteration` for one component, with its ghosts: what, how it is made, and the result.

    Variances only where the covariance type leaves each component and axis its own ("full", "diag").
    """
    model, posterior = history.model, history.posterior(iteration)
    ghosts = model.prior.ghost_points(model.n_components, model.covariance_type)
    fitted = model.m_step(history.prepared, posterior)
    n, c, kappa = float(posterior.counts[component]), ghosts.spread_count, ghosts.mean_count
    points, g = history.n_samples, ghosts.weight_count
    total = number(points + model.n_components * g)
    rows = [
        ("Weight", f"({number(n)} + {_plain(g)}) / {total}", number(float(fitted.weights[component]), 4)),
    ]
    names = [f" {axis}" for axis in axis_names(len(ghosts.mean))] if len(ghosts.mean) > 1 else [""]
    for j, axis in enumerate(names):
        own, to = float(posterior.means[component, j]), float(ghosts.mean[j])
        made = f"({number(n)} · {number(own, 3)} + {_plain(kappa)} · {number(to, 3)}) / ({number(n)} + {_plain(kappa)})"
        rows.append((f"Mean{axis}", made, number(float(fitted.means[component, j]), 3)))
    if model.covariance_type in ("full", "diag"):
        for j, axis in enumerate(names):
            own = float(posterior.covariances[component, j, j])
            between = n * kappa / (n + kappa) * float(posterior.means[component, j] - ghosts.mean[j]) ** 2
            made = (
                f"({number(n)} · {number(own, 4)} + {number(between, 4)} + {_plain(c)} · "
                f"{number(float(ghosts.spread[j, j]), 4)}) / ({number(n)} + {_plain(c)})"
            )
            rows.append((f"Variance{axis}", made, number(float(fitted.covariances[component, j, j]), 4)))
    return rows


def _plain(count: float) -> str:
    return f"{count:.4g}"


def floor_acts(history: History) -> str:
    """Which components the floor holds at the end."""
    floor = history.model.sd_floor
    last = history.n_iterations
    held = [k + 1 for k in range(history.model.n_components) if narrowest(history, k)[last] <= floor * (1 + 1e-6)]
    if not held:
        return "Floor: at the end it holds no component; the fit is one of maximum likelihood."
    who = f"component{'s' if len(held) > 1 else ''} {listed([str(k) for k in held])}"
    return f"Floor: at the end it holds {who}. There the answer is the floor's, not the data's."
