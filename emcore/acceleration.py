"""How fast EM comes near: its rate, a forecast of where it will end, and SQUAREM, which goes there in fewer steps.

Near a maximum EM is a linear map: every step shrinks what is still missing of the parameters by a factor, the rate,
which is the share of the information that is hidden (Dempster, Laird & Rubin 1977, section 3). The objective is
quadratic there, so what is missing of the objective shrinks by the square of that factor.

Everything here knows a model by the protocols of `emcore.em` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcore.em import DegenerateFit, History, LatentVariableModel, Stopped

Array = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)


# ---- SQUAREM ---------------------------------------------------------------------------------------------

# How a rejected leap is shortened, as in (length + 1) / 2, so often before it is given up for two plain steps.
_TRIES = 4
# By how much the longest leap allowed grows when it was taken and shrinks when it was refused.
_GROWTH = 4.0


@dataclass(frozen=True, eq=False)
class Accelerated:
    """A run of SQUAREM.

    Attributes
    ----------
    history : History
        The parameters and the objective after each cycle, and why the run ended. Its iterations are cycles.
    em_steps : ndarray of int, shape (n_cycles + 1,)
        The work until each of them in EM steps, rejected leaps included: the E-steps behind the start's own. It
        stands beside the iterations of `emcore.run`.
    """

    history: History
    em_steps: NDArray[np.intp]


class _Meter:
    """E-steps, counted."""

    def __init__(self, model: LatentVariableModel, X: Any) -> None:
        self.model, self.X, self.n_e_steps = model, X, 0

    def e_step(self, parameters: Any) -> Any:
        self.n_e_steps += 1
        return self.model.e_step(self.X, parameters)


def squarem(
    model: LatentVariableModel, X: Any, parameters: Any, *, max_iter: int = 100, tol: float = 1e-6
) -> Accelerated:
    """EM in leaps: two EM steps show the way and how it bends, a leap follows it, one more EM step settles.

    Squared extrapolation with step length S3 (Varadhan & Roland 2008, Scandinavian Journal of Statistics 35,
    335-353, equations 6 to 8), in the coordinates of `to_vector`: with r the first step and v the change to the
    second, theta' = theta + 2 a r + a^2 v, where a = |r| / |v|; a = 1 gives the two plain steps. A leap that lands
    where the parameters are illegal, degenerate or worse than after one EM step is shortened, and at last given up
    for the two plain steps: so the objective never falls.

    It may reach another maximum than EM does from the same start: a leap can cross into another basin. Use it for
    speed, not to ask where a start leads.

    Parameters
    ----------
    model, X, parameters
        As for `emcore.run`.
    max_iter : int
        The most EM steps of work, at least 0.
    tol : float
        Stop when a plain EM step changes the objective by less than this, per sample: the rule of `emcore.run`. 0
        switches the test off.
    """
    if not (isinstance(max_iter, int | np.integer) and max_iter >= 0):
        raise ValueError(f"max_iter must be a whole number from 0 up, got {max_iter!r}")
    if not (np.isfinite(tol) and tol >= 0):
        raise ValueError(f"tol must be a finite number from 0 up, got {tol!r}")
    meter = _Meter(model, model.prepare(X))
    start = meter.e_step(parameters)
    visited: list[tuple[Any, float, int]] = [(parameters, float(start.objective), 0)]
    stopped: Stopped = "max_iter"
    reason, advice = f"Stopped at the limit of {max_iter} EM step{'' if max_iter == 1 else 's'}.", ""

    def keep(theta: Any, posterior: Any) -> None:
        visited.append((theta, float(posterior.objective), meter.n_e_steps - 1))

    theta, posterior, longest = parameters, start, 1.0
    try:
        while meter.n_e_steps - 1 < max_iter:
            first = model.m_step(meter.X, posterior)
            after_first = meter.e_step(first)
            gain = float(after_first.objective - posterior.objective) / len(X)
            settled = abs(gain) < tol
            # a start of another form than the M-step chooses has other coordinates: no leap from there
            foreign = theta.names != first.names
            if settled or foreign or meter.n_e_steps - 1 >= max_iter:
                keep(first, after_first)
                if settled:
                    stopped = "converged"
                    unit = f"{model.objective_unit} per point"
                    steps = meter.n_e_steps - 1
                    reason = (
                        f"After {steps} EM steps one more gained {gain:.2g} {unit}, less than the tolerance {tol:g}."
                    )
                    break
                theta, posterior = first, after_first
                continue
            try:
                second = model.m_step(meter.X, after_first)
            except DegenerateFit:
                keep(first, after_first)
                raise
            landed, found, longest = _leap(meter, theta, first, after_first, second, longest, max_iter)
            if meter.n_e_steps - 1 < max_iter:
                try:
                    landed = model.m_step(meter.X, found)
                except DegenerateFit:
                    keep(landed, found)
                    raise
                found = meter.e_step(landed)
            theta, posterior = landed, found
            keep(theta, posterior)
    except DegenerateFit as collapse:
        stopped, reason, advice = "degenerate", str(collapse), collapse.advice
    thetas, objective, em_steps = zip(*visited, strict=True)
    kept, work = np.array(objective), np.array(em_steps, dtype=np.intp)
    kept.flags.writeable = work.flags.writeable = False
    return Accelerated(History(model, X, thetas, kept, stopped, reason, advice), work)


def _leap(
    meter: _Meter, theta: Any, first: Any, after_first: Any, second: Any, longest: float, max_iter: int
) -> tuple[Any, Any, float]:
    """Where the leap from `theta` lands, the posterior there, and the longest leap that the next cycle may take."""
    origin, one, two = theta.to_vector(), first.to_vector(), second.to_vector()
    step = one - origin
    bend = (two - one) - step
    size = float(np.linalg.norm(bend))
    wanted = float(np.linalg.norm(step)) / size if size > 0 else 1.0
    length = min(max(wanted, 1.0), longest)
    capped = length == longest
    for _ in range(_TRIES):
        if length <= 1.0 or meter.n_e_steps > max_iter - 1:  # the last step allowed is for a plain one
            break
        vector = origin + 2 * length * step + length**2 * bend
        tried = _tried(meter, first, vector)
        if tried is not None and tried[1].objective >= after_first.objective:
            return *tried, longest * _GROWTH if capped else longest
        length = (length + 1.0) / 2
        capped, longest = False, max(length, _GROWTH)
    return second, meter.e_step(second), longest * _GROWTH if capped else longest


def _tried(meter: _Meter, shape: Any, vector: Array) -> tuple[Any, Any] | None:
    """The parameters at `vector` and their posterior; None where there are none, or none that EM could go on from."""
    try:
        with np.errstate(all="ignore"):
            there = shape.from_vector(vector)
            posterior = meter.e_step(there)
            if not np.isfinite(posterior.objective):
                return None
            meter.model.m_step(meter.X, posterior)
    except (ValueError, ArithmeticError, DegenerateFit):
        return None
    return there, posterior


# ---- Aitken's forecast -----------------------------------------------------------------------------------

# A forecast is trusted after so many good ones in a row ...
_HITS = 5
# ... made over a stretch on which the gap shrank to this part, or on ...
_SHRUNK = 0.1
# ... and which differ by no more than this part of the gap that they began with.
_AGREEMENT = 0.05
# While the rate rises by more and more, by more than this part of what it lacks of 1, the climb may be about to turn.
_TURNING = 3e-3
# A gain is a number and not rounding if it is so many times the rounding of the objective.
_ROUNDING = 200.0


@dataclass(frozen=True, eq=False)
class Forecast:
    """Aitken's forecast of the objective's limit, made anew at each iteration from what was seen until then.

    Attributes
    ----------
    rates : ndarray of shape (n_iterations + 1,)
        The observed linear rate: the last gain as a part of the gain before. Below 1 the climb slows down, above 1 it
        gathers speed. NaN where two gains have not been seen, or where they are rounding.
    limits : ndarray of shape (n_iterations + 1,)
        Where the objective would end if the gains went on shrinking at this rate; NaN where there is no forecast.
    gaps : ndarray of shape (n_iterations + 1,)
        What is still missing to that limit, in the objective's unit.
    trusted : ndarray of bool, shape (n_iterations + 1,)
        Whether the forecast has proved itself: see `aitken`. An untrusted one says nothing.
    n_samples : int
        The number of points, to tell the gap per sample.
    """

    rates: Array
    limits: Array
    gaps: Array
    trusted: NDArray[np.bool_]
    n_samples: int

    def converged(self, tol: float) -> NDArray[np.bool_]:
        """Where the forecast is trusted and the remaining gap per sample is below `tol`; shape (n_iterations + 1,).

        Near the limit of the climb so far, that is. On its way to a saddle EM slows down as it does near a maximum:
        such a forecast is trusted as well, and gains alone cannot tell the two apart. `rate` can.
        """
        near = np.zeros(len(self.gaps), dtype=np.bool_)
        near[self.trusted] = self.gaps[self.trusted] / self.n_samples < tol
        return near


def aitken(history: History) -> Forecast:
    """Where this run will end, as far as its own gains can tell, at each iteration.

    If gains shrink by a constant rate c, the gains still to come sum to c / (1 - c) times the last one (Bohning,
    Dietz, Schaub, Schlattmann & Lindsay 1994; McLachlan & Peel 2000, section 2.11), so

        limit = l_{t-1} + (l_t - l_{t-1}) / (1 - c).

    One forecast proves nothing: on a plateau, and as a run leaves a saddle, gains shrink first and grow later. So a
    forecast is trusted only if those before it, at least 5 in a row with a rate between 0 and 1, back to where the
    forecast gap was ten times the present one, all named nearly the same limit, and if the rate did not rise faster
    and faster in the meantime. Where gains have sunk into rounding the last forecast stays. A run that stands still
    on a saddle exactly is never trusted: it has no gains to learn from. A gap that says "near" still means near the
    limit of this climb, which can be any maximum.
    """
    objective = np.asarray(history.objective, dtype=np.float64)
    n = len(objective)
    rates, limits, gaps = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    trusted = np.zeros(n, dtype=np.bool_)
    gains = np.diff(objective, prepend=np.nan)
    noise = _ROUNDING * _EPSILON * np.abs(objective)
    hits = 0
    for t in range(2, n):
        if abs(gains[t - 1]) <= noise[t]:  # rounding: nothing is learnt from here on
            hits = 0
            limits[t], trusted[t] = limits[t - 1], trusted[t - 1]
            gaps[t] = max(limits[t] - objective[t], 0.0)
            continue
        rate = gains[t] / gains[t - 1]
        rates[t] = rate
        if not (0 < rate < 1 and gains[t] > 0):
            hits = 0
            continue
        hits = 0 if _turns(rates[max(t - 4, 0) : t + 1], noise[t] / gains[t - 1]) else hits + 1
        limits[t] = objective[t - 1] + gains[t] / (1 - rate)
        gaps[t] = limits[t] - objective[t]
        trusted[t] = _proved(limits, gaps, t, hits)
    for array in (rates, limits, gaps, trusted):
        array.flags.writeable = False
    return Forecast(rates, limits, gaps, trusted, history.n_samples)


def _turns(rates: Array, noise: float) -> bool:
    """Whether the rate rises, and faster than before: so it does when a run begins to leave a saddle."""
    if len(rates) < 5 or not np.isfinite(rates).all():
        return False
    before, now = rates[2] - rates[0], rates[4] - rates[2]
    return bool(now > max(before, 0.0) + noise and now > _TURNING * (1 - rates[4]))


def _proved(limits: Array, gaps: Array, t: int, hits: int) -> bool:
    """Whether the forecast at t agrees with those before it, back to a gap that was clearly larger."""
    earlier = slice(t - hits + 1, t + 1)
    wide = np.flatnonzero(gaps[earlier] * _SHRUNK >= gaps[t])
    if hits < _HITS or len(wide) == 0:
        return False
    since = min(t - hits + 1 + int(wide[-1]), t - _HITS + 1)
    return bool(np.abs(limits[since : t + 1] - limits[t]).max() <= _AGREEMENT * gaps[since])


# ---- The rate, from the map itself -----------------------------------------------------------------------

# Steps of a difference are such that the objective per sample changes by about this: some 1e-4 of an sd.
_CHANGE = 1e-8


def rate_matrix(model: LatentVariableModel, X: Any, parameters: Any) -> Array:
    """How a small move of the parameters is passed on by one EM step: the Jacobian of EM's map.

    [i, j] is the move of coordinate i after the step per move of coordinate j before it, in `to_vector` coordinates,
    by central differences: about 7 digits. At a maximum it is the share of the information that is hidden, by
    direction (Dempster, Laird & Rubin 1977, equation 3.15; Meng & Rubin 1991). Its eigenvalues are real at a
    stationary point, and do not depend on the coordinates.

    Parameters
    ----------
    model, X
        As for `emcore.run`.
    parameters
        Where; of the form that the M-step chooses. The eigenvalues mean something at a stationary point only.

    Returns
    -------
    ndarray of shape (n_coordinates, n_coordinates)

    Raises
    ------
    DegenerateFit
        The M-step finds no parameters in the neighbourhood.
    """
    X = model.prepare(X)
    vector = parameters.to_vector()

    def stepped(there: Array) -> Array:
        moved = model.m_step(X, model.e_step(X, parameters.from_vector(there)))
        return np.asarray(moved.to_vector())

    columns = []
    for j in range(len(vector)):
        width = _width(model, X, parameters, vector, j)
        above, below = vector.copy(), vector.copy()
        above[j] += width
        below[j] -= width
        columns.append((stepped(above) - stepped(below)) / (above[j] - below[j]))
    return np.column_stack(columns)


def rate(model: LatentVariableModel, X: Any, parameters: Any) -> float:
    """The linear rate of EM at a stationary point: the largest eigenvalue of `rate_matrix`.

    Each iteration multiplies the distance to a maximum by it, and what is missing of the objective by its square.
    Above 1 the point is no maximum but a saddle: a nudge in the right direction grows. 1 exactly leaves it open.
    """
    return float(np.linalg.eigvals(rate_matrix(model, X, parameters)).real.max())


def _width(model: LatentVariableModel, X: Any, parameters: Any, vector: Array, j: int) -> float:
    """A step along coordinate j that changes the objective a little but well above its rounding, whatever its unit."""
    here = model.e_step(X, parameters).objective
    width = 1e-4 * max(1.0, abs(float(vector[j])))
    for _ in range(6):
        there = vector.copy()
        there[j] += width
        try:
            change = abs(float(model.e_step(X, parameters.from_vector(there)).objective - here)) / len(X)
        except (ValueError, ArithmeticError):
            change = np.inf
        if _CHANGE / 100 <= change <= _CHANGE * 100:
            break
        width *= float(np.clip(np.sqrt(_CHANGE / max(change, 1e-300)), 1e-3, 10.0))
    return width
