"""What a run of factor analysis shows and says: its picture as arrays, the numbers of one step, and sentences.

Everything follows the position: after an E-step the factors are those of the parameters in force, after an M-step
still those of the parameters before it, drawn on the line that was fitted to them.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import subspace_angles

from emcore.em import DegenerateFit, History
from emcore.models import FactorAnalysis, FactorAnalysisParameters, FactorAnalysisPosterior
from emcore.models.factor_analysis import heywood
from emcore.report import Words, listed, number, signed, significant
from emcore.scene import ASPECTS, EQUAL_SCALE_RATIO, axis_range, ellipses, shown_rows, widened

Array = NDArray[np.float64]

MAX_POINTS: Final = 400
FRAMES: Final = 60_000  # places that follow the run, over all positions: with many iterations those of fewer points
MARKS: Final = (-2, -1, 0, 1, 2)  # where the hidden line is marked, in sds of the factor
REACH: Final = 3.0  # how far it is drawn
ELEVATION: Final = 20.0  # from how many degrees above three axes are seen
RING: Final = np.linspace(0, 2 * np.pi, 49)


# ---- The picture ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class View:
    """How points of the data space are laid on the screen: (x - centre) @ axes.T.

    Attributes
    ----------
    centre : ndarray of shape (n_features,)
    axes : ndarray of shape (2, n_features)
    """

    centre: Array
    axes: Array

    def flat(self, points: Array) -> Array:
        """Points of shape (..., n_features) on the screen, shape (..., 2)."""
        return (points - self.centre) @ self.axes.T

    @property
    def turned(self) -> bool:
        """Whether three axes are seen from somewhere; else the screen shows the data's own two."""
        return len(self.centre) == 3


def view_of(X: Array, turn: float = 0.0) -> View:
    """Two variables as they are; three in their own sds about their average, seen from `turn` degrees around."""
    n_features = X.shape[1]
    if n_features == 2:
        return View(np.zeros(2), np.eye(2))
    if n_features != 3:
        raise ValueError(f"a picture of the points needs 2 or 3 variables, got {n_features}; look at the loadings")
    sds = X.std(axis=0)
    around, above = np.radians(turn), np.radians(ELEVATION)
    right = [-np.sin(around), np.cos(around), 0.0]
    up = [-np.sin(above) * np.cos(around), -np.sin(above) * np.sin(around), np.cos(above)]
    return View(X.mean(axis=0), np.array([right, up]) / np.where(sds > 0, sds, 1.0))


def shown(history: History) -> NDArray[np.intp]:
    """The rows of X that the pictures of a run show; every row is fitted."""
    n_samples, n_features = history.prepared.X.shape
    if n_features <= 3:
        return shown_rows(n_samples, MAX_POINTS)
    return shown_rows(n_samples, min(MAX_POINTS, max(1, FRAMES // (history.n_iterations + 2))))


@dataclass(frozen=True, eq=False)
class FactorScene:
    """A run on two or three variables, ready to be drawn; T is its number of iterations, P that of its positions.

    Attributes
    ----------
    rows : ndarray of int, shape (n_shown,)
        The rows of X that are shown; every row is fitted.
    points : ndarray of shape (n_shown, 2)
    followed : ndarray of int, shape (n_followed,)
        Which of them `expected` is for: all, or with many iterations a fixed choice.
    lines : ndarray of shape (T + 1, n_line_points, 2)
        The hidden line, mean + loadings z for z from -REACH to REACH; for two factors a grid, with gaps (NaN).
    marks : ndarray of shape (T + 1, n_marks, 2)
        The places of z in MARKS on it; for two factors the mean alone.
    rings : ndarray of shape (T + 1, 2, n_ring_points, 2)
        The model of x at Mahalanobis distance 1 and 2; of three variables the outline of that ellipsoid.
    expected : ndarray of shape (P, n_followed, 2)
        mean + loadings E[z_n]: where on the line these points are expected to come from; NaN at the bare start.
    principal : ndarray of shape (n_line_points, 2)
        The same as `lines` for as many principal axes.
    truth : ndarray of shape (n_line_points, 2), or None
        The same for the parameters that made the data.
    x_range, y_range : tuple of float
    equal_scale : bool
        Whether both axes have one scale.
    edges : ndarray of shape (3, 2), or None
        The ends of three variables' axes, which begin at (0, 0).
    """

    rows: NDArray[np.intp]
    points: Array
    followed: NDArray[np.intp]
    lines: Array
    marks: Array
    rings: Array
    expected: Array
    principal: Array
    truth: Array | None
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    equal_scale: bool
    edges: Array | None


def factor_scene(history: History, view: View, truth: FactorAnalysisParameters | None = None) -> FactorScene:
    """What the picture of this run draws, as seen in `view`."""
    X: Array = history.prepared.X
    rows = shown(history)
    thetas = history.parameters
    n_factors = history.model.n_factors
    means = np.array([view.flat(theta.mean) for theta in thetas])
    covariances = np.array([view.axes @ theta.covariance @ view.axes.T for theta in thetas])
    lines = np.array([_line(theta, view) for theta in thetas])
    z = np.array(MARKS, dtype=np.float64)[:, None] if n_factors == 1 else np.zeros((1, n_factors))
    marks = np.array([view.flat(theta.mean + z @ theta.loadings.T) for theta in thetas])
    followed = shown_rows(len(rows), max(1, FRAMES // history.n_positions))
    expected = np.full((history.n_positions, len(followed), 2), np.nan)
    for t, theta in enumerate(thetas):
        posterior = history.posterior(t)
        scores = (X[rows[followed]] - theta.mean) @ posterior.regression.T
        for position in (2 * t + 1, 2 * t + 2):
            if position < history.n_positions:
                now = thetas[position // 2]
                expected[position] = view.flat(now.mean + scores @ now.loadings.T)
    points = view.flat(X[rows])
    x_range, y_range, equal_scale, edges = _frame(X, view)
    return FactorScene(
        rows,
        points,
        followed,
        lines,
        marks,
        ellipses(means, covariances),
        expected,
        _line(principal(history), view),
        None if truth is None or truth.n_factors != n_factors else _line(truth, view),
        x_range,
        y_range,
        equal_scale,
        edges,
    )


def chosen_point(history: History, row: int, view: View) -> tuple[Array, Array]:
    """Of one point at every position: the line from it to where it is expected, and what z leaves open.

    Returns
    -------
    joins : ndarray of shape (n_positions, 2, 2)
        The point, and mean + loadings E[z].
    spans : ndarray of shape (n_positions, n_span_points, 2)
        mean + loadings z for z within one sd of E[z]: for one factor a piece of the line, for two an ellipse.
    """
    x = history.prepared.X[row]
    n_factors = history.model.n_factors
    unit = np.array([[-1.0], [1.0]]) if n_factors == 1 else np.column_stack([np.cos(RING), np.sin(RING)])
    joins = np.full((history.n_positions, 2, 2), np.nan)
    spans = np.full((history.n_positions, len(unit), 2), np.nan)
    for position in range(1, history.n_positions):
        theta = history.parameters[position // 2]
        posterior = posterior_at(history, position)
        score = posterior.regression @ (x - posterior.parameters.mean)
        z = score + unit @ np.linalg.cholesky(posterior.covariance).T
        joins[position] = view.flat(np.array([x, theta.mean + theta.loadings @ score]))
        spans[position] = view.flat(theta.mean + z @ theta.loadings.T)
    return joins, spans


def score_places(history: History, row: int) -> tuple[NDArray[np.intp], Array, Array]:
    """What each posterior says of the factors themselves: frame 0 is the bare start, all NaN, frame t + 1 is q_t.

    Returns
    -------
    rows : ndarray of int, shape (n_shown,)
        The rows of X that are shown: fewer with many iterations.
    scores : ndarray of shape (n_iterations + 2, n_shown, 2)
        E[z] of the first two factors; a single one has a height beside it, so that points stand apart.
    spans : ndarray of shape (n_iterations + 2, n_span_points, 2)
        1 sd around that of point `row`.
    """
    X: Array = history.prepared.X
    n_frames = history.n_iterations + 2
    rows = shown(history)
    two = history.model.n_factors > 1
    heights = np.sin(2.4 * np.arange(len(X)))
    unit = np.column_stack([np.cos(RING), np.sin(RING)]) if two else np.array([[-1.0], [1.0]])
    scores = np.full((n_frames, len(rows), 2), np.nan)
    spans = np.full((n_frames, len(unit), 2), np.nan)
    for t, theta in enumerate(history.parameters):
        posterior = history.posterior(t)
        means, own = ((points - theta.mean) @ posterior.regression.T for points in (X[rows], X[row]))
        if two:
            scores[t + 1] = means[:, :2]
            spans[t + 1] = own[:2] + unit @ np.linalg.cholesky(posterior.covariance[:2, :2]).T
        else:
            scores[t + 1] = np.column_stack([means[:, 0], heights[rows]])
            spans[t + 1, :, 0] = own[0] + unit[:, 0] * posterior.sds[0]
            spans[t + 1, :, 1] = heights[row]
    return rows, scores, spans


def _line(theta: FactorAnalysisParameters, view: View) -> Array:
    """The hidden line or the hidden plane as a grid, on the screen."""
    if theta.n_factors == 1:
        z = np.array([[-REACH], [REACH]])
        return view.flat(theta.mean + z @ theta.loadings.T)
    ends = np.array([-2.0, 2.0, np.nan])
    across = np.repeat(np.arange(-2.0, 3.0), 3)
    along = np.tile(ends, 5)
    z = np.concatenate([np.column_stack([across, along]), np.column_stack([along, across])])
    return view.flat(theta.mean + z @ theta.loadings[:, :2].T)


def _frame(X: Array, view: View) -> tuple[tuple[float, float], tuple[float, float], bool, Array | None]:
    """What the axes cover, whatever the run and the turn; whether they have one scale; three axes' ends."""
    if view.turned:
        sds = X.std(axis=0)
        sds = np.where(sds > 0, sds, 1.0)
        points = (X - view.centre) / sds
        around = np.hypot(points[:, 0], points[:, 1])
        above = np.radians(ELEVATION)
        across = 1.05 * float(around.max())  # no turn takes a point further
        upwards = 1.05 * float((np.abs(points[:, 2]) * np.cos(above) + around * np.sin(above)).max())
        reach = max(across, upwards)
        edges = 0.85 * reach * (view.axes * sds).T
        return (-1.15 * reach, 1.15 * reach), (-reach, reach), True, edges
    x_range, y_range = (axis_range(X[:, j], None) for j in range(2))
    ratio = (x_range[1] - x_range[0]) / (y_range[1] - y_range[0])
    equal_scale = 1 / EQUAL_SCALE_RATIO <= ratio <= EQUAL_SCALE_RATIO
    if equal_scale:
        x_range = widened(x_range, max(1.0, ASPECTS[0] / ratio))
        y_range = widened(y_range, max(1.0, ratio / ASPECTS[1]))
    return x_range, y_range, equal_scale, None


# ---- Where a run begins -----------------------------------------------------------------------------------

BEGINNINGS: Final = {
    "random": "Random loadings",
    "axes": "Principal axes",
    "across": "Across: the last axes",
}


def beginning(name: str, model: FactorAnalysis, X: Array) -> FactorAnalysisParameters | None:
    """The start of this name; None for "random", which is the model's own.

    "axes" is the closed form of probabilistic PCA; "across" has its loadings along the axes of the least variance,
    which for equal noise is a place where EM stands still without a maximum.

    Raises
    ------
    DegenerateFit
        The points leave no noise beside the factors.
    """
    if name == "random":
        return None
    if name == "axes":
        closed = model.principal_axes(X)
        return FactorAnalysisParameters(closed.mean, closed.loadings, closed.noise_variances, model.equal_noise)
    prepared = model.prepare(X)
    values, vectors = np.linalg.eigh(prepared.covariance)
    least = vectors[:, : model.n_factors] * np.sqrt(np.maximum(values[: model.n_factors], 1e-6 * values[-1]))
    return model.from_loadings(prepared, least)


# ---- Loadings ---------------------------------------------------------------------------------------------


def correlations(theta: FactorAnalysisParameters) -> Array:
    """Correlation of each variable with each factor, loading / sd, shape (n_features, n_factors).

    Their squares in a row and the noise share sum to 1.
    """
    return theta.loadings / np.sqrt(np.diag(theta.covariance))[:, None]


def aligned(theta: FactorAnalysisParameters, other: FactorAnalysisParameters) -> FactorAnalysisParameters:
    """`theta` with its factors turned as near to those of `other` as they go (orthogonal Procrustes).

    The likelihood does not see it, so a truth may be turned towards a fit before the two are compared.
    """
    left, _, right = np.linalg.svd(theta.loadings.T @ other.loadings)
    return theta.rotated(left @ right)


def turned(theta: FactorAnalysisParameters, degrees: float) -> FactorAnalysisParameters:
    """The first two factors turned within their plane; a single one changes its sign beyond 90 degrees."""
    rotation = np.eye(theta.n_factors)
    if theta.n_factors == 1:
        rotation[0, 0] = 1.0 if np.cos(np.radians(degrees)) >= 0 else -1.0
    else:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        rotation[:2, :2] = [[cos, -sin], [sin, cos]]
    return theta.rotated(rotation)


# ---- The numbers of one step ------------------------------------------------------------------------------


def iteration_of(position: int) -> int:
    """The iteration whose E-step is on show; before the first one, the one to come."""
    return max(position - 1, 0) // 2


def posterior_at(history: History, position: int) -> FactorAnalysisPosterior:
    """The latest posterior at a position; at the bare start, the one to come."""
    posterior: FactorAnalysisPosterior = history.posterior(iteration_of(position))
    return posterior


@dataclass(frozen=True, eq=False)
class Derivation:
    """One iteration in numbers, for one point and for the sums over all.

    Attributes
    ----------
    iteration : int
        t: the E-step is that of theta_t.
    theta, after : FactorAnalysisParameters
        theta_t, and what the M-step makes of it; None where it has no result.
    centred : ndarray of shape (n_features,)
        x_n - mean of the chosen point.
    weights : ndarray of shape (n_features, n_factors)
        noise_variances^-1 loadings: what a unit of each variable says of each factor.
    votes : ndarray of shape (n_features, n_factors)
        What the chosen point's variables say: weight times x_n - mean.
    covariance : ndarray of shape (n_factors, n_factors)
        Cov[z | x] = (I + loadings' noise_variances^-1 loadings)^-1, the same for all points.
    score : ndarray of shape (n_factors,)
        E[z_n].
    second : ndarray of shape (n_factors, n_factors)
        E[z_n z_n'].
    joint : ndarray of shape (n_factors + n_features, n_factors + n_features)
        Covariance of (z, x).
    cross_moments, second_moments : ndarray
        The sums over all points that the M-step needs.
    variances : ndarray of shape (n_features,)
        Of the data about their average, divisor n_samples.
    explained : ndarray of shape (n_features,)
        The part of them that the new loadings explain: new noise is what is left; NaN where there are none.
    forgetful : ndarray of shape (n_features, n_factors)
        What the loadings would be if the covariance in E[zz'] were forgotten; NaN where they cannot be computed.
    forgetful_noise : ndarray of shape (n_features,)
        The noise variances that go with them.
    """

    iteration: int
    theta: FactorAnalysisParameters
    after: FactorAnalysisParameters | None
    centred: Array
    weights: Array
    votes: Array
    covariance: Array
    score: Array
    second: Array
    joint: Array
    cross_moments: Array
    second_moments: Array
    variances: Array
    explained: Array
    forgetful: Array
    forgetful_noise: Array

    @property
    def precision(self) -> Array:
        """I + loadings' noise_variances^-1 loadings, the inverse of `covariance`, shape (n_factors, n_factors)."""
        precision: Array = np.eye(len(self.score)) + self.theta.loadings.T @ self.weights
        return precision

    @property
    def vote_sum(self) -> Array:
        """The votes of all variables together, shape (n_factors,)."""
        total: Array = self.votes.sum(axis=0)
        return total

    @property
    def left_over(self) -> Array:
        """Variance that the new loadings do not explain, shape (n_features,)."""
        return self.variances - self.explained


def derivation(history: History, position: int, row: int) -> Derivation:
    """The numbers of the E-step on show at `position` and of the M-step after it, with point `row` (from 0)."""
    t = iteration_of(position)
    theta: FactorAnalysisParameters = history.parameters[t]
    posterior: FactorAnalysisPosterior = history.posterior(t)
    X = history.prepared
    after: FactorAnalysisParameters | None = None
    with contextlib.suppress(DegenerateFit):
        after = history.parameters[t + 1] if t < history.n_iterations else history.model.m_step(X, posterior)
    weights, centred = theta.loadings / theta.noise_variances[:, None], X.X[row] - theta.mean
    score = posterior.means[row]
    maker = np.vstack([np.eye(theta.n_factors), theta.loadings])
    joint = maker @ maker.T
    joint[theta.n_factors :, theta.n_factors :] += np.diag(theta.noise_variances)
    squares = posterior.second_moments - len(X) * posterior.covariance
    try:
        forgetful: Array = np.asarray(np.linalg.solve(squares, posterior.cross_moments.T).T, dtype=np.float64)
    except np.linalg.LinAlgError:
        forgetful = np.full(theta.loadings.shape, np.nan)
    forgetful_noise = np.diag(X.covariance) - (forgetful * posterior.cross_moments).sum(axis=1) / len(X)
    return Derivation(
        t,
        theta,
        after,
        centred,
        weights,
        weights * centred[:, None],
        posterior.covariance,
        score,
        posterior.covariance + np.outer(score, score),
        joint,
        posterior.cross_moments,
        posterior.second_moments,
        np.diag(X.covariance),
        np.full(len(centred), np.nan)
        if after is None
        else (after.loadings * posterior.cross_moments).sum(axis=1) / len(X),
        forgetful,
        forgetful_noise,
    )


# ---- Beside principal components --------------------------------------------------------------------------


def principal(history: History) -> FactorAnalysisParameters:
    """The principal axes of the data, as many as there are factors, each as long as the sd along it."""
    X = history.prepared
    values, vectors = np.linalg.eigh(X.covariance)
    n_factors = history.model.n_factors
    loadings = vectors[:, ::-1][:, :n_factors] * np.sqrt(np.maximum(values[::-1][:n_factors], 0.0))
    return FactorAnalysisParameters(X.mean, loadings, np.ones(X.n_features))


@dataclass(frozen=True)
class Turned:
    """What a turn of the factors does to the fit: nothing.

    Attributes
    ----------
    before, after : FactorAnalysisParameters
    objective, turned_objective : float
        The log-likelihood of each, computed anew.
    change : float
        The largest change of a number in the covariance of x.
    """

    before: FactorAnalysisParameters
    after: FactorAnalysisParameters
    objective: float
    turned_objective: float
    change: float


def turned_at(history: History, position: int, degrees: float) -> Turned:
    """The parameters at a position, and the same with their factors turned."""
    before: FactorAnalysisParameters = history.parameters[position // 2]
    after = turned(before, degrees)
    here, there = (float(history.model.e_step(history.prepared, theta).objective) for theta in (before, after))
    return Turned(before, after, here, there, float(np.abs(after.covariance - before.covariance).max()))


@dataclass(frozen=True)
class BesidePCA:
    """How the fit at a position compares with the closed form of probabilistic PCA.

    Attributes
    ----------
    angle : float
        Between the hidden line (or plane) and the principal axes, in degrees; NaN where nothing varies.
    noise, closed_noise : float
        The average noise variance now, and the average of the eigenvalues that are left.
    objective, closed_objective : float
        The log-likelihood now, and that of the closed form; NaN where there is none.
    """

    angle: float
    noise: float
    closed_noise: float
    objective: float
    closed_objective: float


def beside_pca(history: History, position: int) -> BesidePCA:
    """The comparison at a position."""
    t = position // 2
    theta: FactorAnalysisParameters = history.parameters[t]
    angles = subspace_angles(theta.loadings, principal(history).loadings)
    angle = float(np.degrees(angles.max())) if angles.size else float("nan")
    noise = float(theta.noise_variances.mean())
    try:
        closed = history.model.principal_axes(history.prepared)
        closed_noise = float(closed.noise_variances[0])
        closed_objective = float(history.model.e_step(history.prepared, closed).objective)
    except DegenerateFit:
        closed_noise = closed_objective = float("nan")
    return BesidePCA(angle, noise, closed_noise, float(history.objective[t]), closed_objective)


# ---- In words ---------------------------------------------------------------------------------------------


def factor_words(axes: tuple[str, ...]) -> Words:
    """What the player says of the half-steps; `axes` name the variables."""
    return Words(_precision, lambda history, iteration: _farthest_move(history, axes, iteration))


def _precision(history: History, iteration: int) -> str:
    """How much the variables say of the factors."""
    sds = [number(sd) for sd in history.posterior(iteration).sds.tolist()]
    if len(sds) == 1:
        return f"the factor of every point is known to within an sd of {sds[0]}, from 1 before its data"
    return f"the factors of every point are known to within sds of {listed(sds)}, from 1 before its data"


def _farthest_move(history: History, axes: tuple[str, ...], iteration: int) -> str:
    """Which loading the M-step moved most, measured in its variable's sd."""
    before, after = (history.parameters[t] for t in (iteration - 1, iteration))
    scale = np.sqrt(np.diag(after.covariance))[:, None]
    moves = (after.loadings - before.loadings) / scale
    j, k = np.unravel_index(int(np.abs(moves).argmax()), moves.shape)
    if abs(moves[j, k]) < 1e-12:
        return "no loading moved"
    which = f"loading {k + 1} of" if after.n_factors > 1 else "the loading of"
    change = after.loadings[j, k] - before.loadings[j, k]
    digits = decimals(after)[int(j)]
    return (
        f"{which} {axes[int(j)]} moved most, {signed(float(change), digits)} to "
        f"{number(float(after.loadings[j, k]), digits)}"
    )


def decimals(theta: FactorAnalysisParameters) -> list[int]:
    """How many decimals show a thousandth of each variable's sd: the same for all if their units are alike."""
    sds = np.sqrt(np.diag(theta.covariance))
    needed = np.clip(2 - np.floor(np.log10(sds)), 0, 8).astype(int)
    if np.ptp(needed) <= 1:
        needed[:] = needed.max()
    digits: list[int] = needed.tolist()
    return digits


def remarks(history: History, axes: tuple[str, ...]) -> tuple[str, ...]:
    """What to know of a run's end: whether it is a maximum with noise in every variable, and whether it is the only
    one."""
    if history.stopped == "degenerate":
        return ()
    return (*_heywood_remarks(history, axes), *_freedom(history))


def _heywood_remarks(history: History, axes: tuple[str, ...]) -> list[str]:
    """Variables whose noise heads for 0."""
    found = []
    for case in heywood(history.prepared, history.parameters[-1]):
        found.append(
            f"A Heywood case: {significant(100 * case.noise_share)} % of the variance of {axes[case.variable]} is "
            f"still noise, and with none at all the log-likelihood would be no lower ({number(case.limit)}). So there "
            "is no maximum with noise in every variable: EM creeps towards 0 and never arrives. Fewer factors, other "
            "variables or more data may help; do not read this noise variance as an estimate."
        )
    return found


def _freedom(history: History) -> list[str]:
    """Whether the parameters can be told from the data at all, and what a rotation leaves open."""
    model, p = history.model, history.prepared.n_features
    free, known = model.n_free(p), p * (p + 1) // 2
    found = []
    if free > known:
        found.append(
            f"{p} variables have {known} numbers in their covariance; this model has {free} to fit them with. So many "
            "parameters fit equally well, and another start ends at others of them."
        )
    if model.n_factors > 1:
        what = "plane" if model.n_factors == 2 else "space"
        found.append(f"Any rotation of the factors fits equally well: only the {what} that they span is found.")
    else:
        found.append("The factor's sign is free: all loadings times minus 1 fit equally well.")
    return found
