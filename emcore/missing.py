"""What a run on a table with two columns and holes says: words, one hole's numbers, other methods beside it.

Also EM with a step gone wrong, which fills the holes and forgets how uncertain they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.em import DegenerateFit, History, run
from emcore.models import MissingNormal, MissingNormalParameters, MissingNormalPosterior
from emcore.models.missing_normal import MissingNormalData, Pattern
from emcore.report import Words, gains, listed, number
from emcore.scene import ASPECTS, EQUAL_SCALE_RATIO, axis_range, ellipses, shown_rows, widened
from emcore.sources.missing import HoledData, TwoTests

Array = NDArray[np.float64]

MOST_HOLES: Final = 400  # drawn one by one
MOST_NUMBERS: Final = 1_500_000  # of all holes at all iterations


@dataclass(frozen=True)
class ForgetfulNormal(MissingNormal):
    """`MissingNormal` with a faulty M-step: what was filled in counts as if it had been seen.

    The covariance lacks the conditional covariance of the holes, so it is too small. This climbs another hill, the
    density of the whole filled table as a function of the parameters and of what is filled in. The log-likelihood of
    what was seen may fall.
    """

    def m_step(self, X: ArrayLike | MissingNormalData, posterior: MissingNormalPosterior) -> MissingNormalParameters:
        """Mean and covariance of the filled rows, and nothing more."""
        return self.from_moments(X, posterior.expected_mean, posterior.filled_covariance)


def model_of(known_mean: tuple[float, ...] | None, forgetful: bool) -> MissingNormal:
    """EM, or its forgetful fault."""
    return (ForgetfulNormal if forgetful else MissingNormal)(known_mean)


# ---- Where a run begins -----------------------------------------------------------------------------------

BEGINNINGS: Final = {
    "independent": "Without correlation",
    "random": "Random correlation",
    "complete": "Rows without holes",
}


def beginning(name: str, model: MissingNormal, X: Array) -> MissingNormalParameters | None:
    """The start of this name; None for "random", which is the model's own.

    Raises
    ------
    DegenerateFit
        Too few rows are without holes, or they do not vary.
    """
    if name == "random":
        return None
    if name == "independent":
        return model.independent(X)
    rows = X[~np.isnan(X).any(axis=1)]
    if len(rows) <= X.shape[1]:
        raise DegenerateFit(f"Rows without holes: {len(rows)}, too few for a covariance.")
    return model.from_moments(rows, rows.mean(axis=0), np.cov(rows.T, bias=True))


# ---- Words ------------------------------------------------------------------------------------------------


def missing_words(axes: Sequence[str]) -> Words:
    """What each step of a run on these columns did."""

    def left_open(history: History, t: int) -> str:
        posterior, X = history.posterior(t), history.prepared
        parts = []
        for j, axis in enumerate(axes):
            lacking = [pattern for pattern in X.patterns if j in pattern.missing]
            if lacking:  # of two columns the other is seen: one pattern
                sd = float(posterior.at(lacking[0].rows[:1])[1][0, j])
                parts.append(f"{_holes(sum(map(len, lacking)))} in {axis} filled, sd {number(sd, 3)}")
        return listed(parts) if parts else "there is no hole to fill"

    def moved(history: History, t: int) -> str:
        theta = history.parameters[t]
        variances = listed([number(float(variance), 3) for variance in np.diag(theta.covariance)])
        return f"the variances become {variances}, the correlation {number(float(theta.correlations[0, 1]), 3)}"

    return Words(left_open, moved)


def _holes(count: int) -> str:
    return f"{count:,} hole{'' if count == 1 else 's'}"


# ---- One hole ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hole:
    """The missing value of one row with two columns, as an E-step sees it.

    Attributes
    ----------
    iteration : int
        t: the E-step is that of theta_t.
    row : int
        From 0.
    seen, missing : int
        The columns.
    value : float
        What was seen.
    mean_seen, mean_missing, variance_seen, variance_missing, covariance : float
        Of theta_t.
    slope : float
        covariance / variance_seen.
    expected, variance : float
        Of the missing value given the one seen.
    lost : float or None
        The value that was lost, if somebody knows it.
    """

    iteration: int
    row: int
    seen: int
    missing: int
    value: float
    mean_seen: float
    mean_missing: float
    variance_seen: float
    variance_missing: float
    covariance: float
    slope: float
    expected: float
    variance: float
    lost: float | None

    @property
    def sd(self) -> float:
        """The standard deviation of the missing value given the one seen."""
        return float(np.sqrt(self.variance))


def rows_with_a_hole(X: Array) -> NDArray[np.intp]:
    """The rows in which one value is missing and another seen."""
    missing = np.isnan(X)
    return np.flatnonzero(missing.any(axis=1) & ~missing.all(axis=1))


def iteration_of(position: int) -> int:
    """The iteration whose E-step is on show; before the first one, the one to come."""
    return max(position - 1, 0) // 2


def hole(history: History, position: int, row: int, whole: Array | None = None) -> Hole:
    """The hole of `row` as the E-step on show at `position` fills it."""
    t = iteration_of(position)
    posterior = history.posterior(t)
    theta = posterior.parameters
    X = history.prepared.X
    j = int(np.flatnonzero(np.isnan(X[row]))[0])
    i = 1 - j
    slope = float(posterior.conditional(row).regression[0, 0])
    filled, sds = posterior.at([row])
    return Hole(
        t,
        row,
        i,
        j,
        float(X[row, i]),
        float(theta.mean[i]),
        float(theta.mean[j]),
        float(theta.covariance[i, i]),
        float(theta.covariance[j, j]),
        float(theta.covariance[i, j]),
        slope,
        float(filled[0, j]),
        float(sds[0, j] ** 2),
        None if whole is None else float(whole[row, j]),
    )


@dataclass(frozen=True, eq=False)
class Summing:
    """What one M-step makes of the filled table, by column, and for the pair of columns.

    Attributes
    ----------
    iteration : int
        t: from the posterior of theta_t to theta_t+1.
    n_rows : int
        Rows that show something.
    mean : ndarray of shape (2,)
        Of the filled rows.
    filled, kept : ndarray of shape (2, 2)
        Covariance of the filled rows, and the average conditional covariance of the holes.
    after : MissingNormalParameters or None
        theta_t+1; None where it has no result.
    """

    iteration: int
    n_rows: int
    mean: Array
    filled: Array
    kept: Array
    after: MissingNormalParameters | None


def summing(history: History, position: int) -> Summing:
    """The sums of the M-step after the E-step on show at `position`."""
    t = iteration_of(position)
    posterior = history.posterior(t)
    after: MissingNormalParameters | None = None
    with contextlib.suppress(DegenerateFit):
        again = t >= history.n_iterations
        after = history.model.m_step(history.prepared, posterior) if again else history.parameters[t + 1]
    n_rows = history.prepared.n_used
    return Summing(t, n_rows, posterior.expected_mean, posterior.filled_covariance, posterior.kept_covariance, after)


def first_fall(history: History) -> int | None:
    """The first iteration in which the log-likelihood fell, or None."""
    fallen = np.flatnonzero(gains(history) < 0)
    return int(fallen[0]) if len(fallen) else None


# ---- Other methods beside it ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Estimate:
    """Mean, sds and correlation by one method.

    Attributes
    ----------
    name : str
    n_rows : int or None
        How many rows it uses; None for the truth.
    mean, sds : ndarray of shape (2,)
    correlation : float
        NaN where there is none.
    """

    name: str
    n_rows: int | None
    mean: Array
    sds: Array
    correlation: float


def estimate_of(name: str, n_rows: int | None, theta: MissingNormalParameters) -> Estimate:
    """The numbers of some parameters."""
    return Estimate(name, n_rows, theta.mean, theta.sds, float(theta.correlations[0, 1]))


def _of_rows(name: str, rows: Array, known_mean: tuple[float, ...] | None) -> Estimate:
    """The numbers of full rows, divisor their number."""
    mean = rows.mean(axis=0) if known_mean is None else np.array(known_mean)
    covariance = (rows - mean).T @ (rows - mean) / len(rows)
    sds = np.sqrt(np.diag(covariance))
    product = float(sds[0] * sds[1])
    return Estimate(name, len(rows), mean, sds, float(covariance[0, 1]) / product if product else float("nan"))


def beside(
    data: HoledData, fit: MissingNormalParameters, forgetful: History | None, model: MissingNormal
) -> list[Estimate]:
    """What other methods make of the same table, EM's answer among them; the truth last, where it is known.

    Parameters
    ----------
    data : HoledData
        With two columns.
    fit : MissingNormalParameters
        EM's answer.
    forgetful : History or None
        A run of ForgetfulNormal, if it has an end.
    model : MissingNormal
        Says whether the mean is known.
    """
    prepared = model.prepare(data.X)
    missing = np.isnan(data.X)
    used = data.X[~missing.all(axis=1)]
    found = []
    complete = data.X[~missing.any(axis=1)]
    if len(complete) > 1:
        found.append(_of_rows("Drop every row with a hole", complete, model.known_mean))
    centre = prepared.mean if model.known_mean is None else np.array(model.known_mean)
    found.append(_of_rows("Fill in the mean of the column", np.where(np.isnan(used), centre, used), model.known_mean))
    if forgetful is not None and forgetful.stopped != "degenerate":
        name = "Fill in what is expected, forget the variance"
        found.append(estimate_of(name, prepared.n_used, forgetful.parameters[-1]))
    found.append(estimate_of("EM: fill in and keep the variance", prepared.n_used, fit))
    if data.whole is not None:
        found.append(_of_rows("If nothing had been lost", data.whole, model.known_mean))
    if data.truth is not None:
        found.append(estimate_of("Drawn from", None, data.truth))
    return found


def finished(model: MissingNormal, X: Array, start: MissingNormalParameters | None = None) -> History:
    """A run until hardly anything changes, from `start` or from the one without correlation."""
    return run(model, X, start or model.independent(X), max_iter=2_000, tol=1e-12)


def forgetful_limit(source: TwoTests) -> MissingNormalParameters | None:
    """Where the forgetful run ends with endless data; None where that depends on more than their moments.

    Every pattern then has the exact moments of the distribution: values are lost completely at random. Where the second
    score alone can be lost, it is the same if its loss depends on the first: what counts is the regression on the first
    score, and that of the rows seen is right.
    """
    if source.mechanism == "itself" or (source.mechanism == "observed" and source.loss != "y"):
        return None
    truth, n = source.truth, 1000
    shares: list[tuple[tuple[int, ...], float]] = [((0, 1), 1 - source.share)]
    shares += [((0,), source.share)] if source.loss == "y" else [((0,), source.share / 2), ((1,), source.share / 2)]
    patterns, begun = [], 0
    for seen, share in shares:
        rows, o = np.arange(begun, begun + round(share * n)), np.array(seen)
        begun += len(rows)
        if len(rows):
            patterns.append(Pattern(rows, o, np.setdiff1d([0, 1], o), truth.mean[o], truth.covariance[np.ix_(o, o)]))
    X = MissingNormalData(np.zeros((begun, 2)), tuple(patterns), np.arange(0), truth.mean, np.ones(2))
    limit: MissingNormalParameters = run(ForgetfulNormal(), X, truth, max_iter=2_000, tol=1e-14).parameters[-1]
    return limit


def twelve_profile() -> tuple[Array, Array]:
    """The highest log-likelihood of Murray's twelve points for every correlation, the mean known to be 0.

    With variance v and correlation r in both columns, four rows with squares 1 and 1 and eight with one square 4 give
    -(16 log(2 pi v) + 4 log(1 - r^2) + (8 / (1 - r^2) + 32) / v) / 2, which is highest where v is a sixteenth of the
    last numerator: 8/3 at r = 1/2, 5/2 at r = 0.

    Returns
    -------
    correlations, log_likelihood : ndarray of shape (n_values,)
    """
    correlations = np.linspace(-0.95, 0.95, 191)
    left = 1 - correlations**2
    variance = (8 / left + 32) / 16
    log_likelihood: Array = -0.5 * (16 * np.log(2 * np.pi * variance) + 4 * np.log(left) + 16)
    return correlations, log_likelihood


# ---- The picture ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class HoleScene:
    """A run on two columns with holes, as arrays for a picture.

    Attributes
    ----------
    complete : ndarray of int, shape (n_complete,)
        Rows with both values that are shown.
    holes : ndarray of int, shape (n_holes,)
        Rows with one value that are shown.
    missing : ndarray of int, shape (n_holes,)
        The column that each of these lacks.
    filled : ndarray of shape (n_iterations + 1, n_holes, 2)
        Each of these rows with its expected value; frame t is that of q_t.
    sds : ndarray of shape (n_iterations + 1, n_holes)
        How uncertain it is.
    means : ndarray of shape (n_iterations + 1, 2)
    rings : ndarray of shape (n_iterations + 1, 2, n_ring, 2)
        Ellipses of 1 and 2 sd.
    truth : ndarray of shape (2, n_ring, 2), or None
        Those of the truth.
    x_range, y_range : tuple of float
    equal_scale : bool
    """

    complete: NDArray[np.intp]
    holes: NDArray[np.intp]
    missing: NDArray[np.intp]
    filled: Array
    sds: Array
    means: Array
    rings: Array
    truth: Array | None
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    equal_scale: bool


def hole_scene(history: History, data: HoledData) -> HoleScene:
    """The picture of a run on a table with two columns."""
    X = history.prepared.X
    n_frames = history.n_iterations + 1
    missing = np.isnan(X)
    complete = np.flatnonzero(~missing.any(axis=1))
    complete = complete[shown_rows(len(complete))] if len(complete) else complete
    with_hole = rows_with_a_hole(X)
    most = min(MOST_HOLES, max(MOST_NUMBERS // (6 * n_frames), 10))
    with_hole = with_hole[shown_rows(len(with_hole), most)] if len(with_hole) else with_hole
    lacks = missing[with_hole].argmax(axis=1)
    at = [history.posterior(t).at(with_hole) for t in range(n_frames)]
    filled = np.array([one for one, _ in at])
    sds = np.array([each[np.arange(len(with_hole)), lacks] for _, each in at])
    means = np.array([theta.mean for theta in history.parameters])
    rings = ellipses(means, np.array([theta.covariance for theta in history.parameters]))
    seen = X if data.whole is None else data.whole
    x_range, y_range = (axis_range(column[~np.isnan(column)], None) for column in seen.T)
    ratio = (x_range[1] - x_range[0]) / (y_range[1] - y_range[0])
    equal_scale = 1 / EQUAL_SCALE_RATIO <= ratio <= EQUAL_SCALE_RATIO
    if equal_scale:
        x_range = widened(x_range, max(1.0, ASPECTS[0] / ratio))
        y_range = widened(y_range, max(1.0, ratio / ASPECTS[1]))
    truth = None if data.truth is None else ellipses(data.truth.mean, data.truth.covariance)
    return HoleScene(complete, with_hole, lacks, filled, sds, means, rings, truth, x_range, y_range, equal_scale)
