"""Which component a place belongs to: the lines between the regions of a run, as plain arrays.

For k-means they are the edges of the Voronoi cells. For a mixture they are curves, and beside each lies a strip in
which nobody can be sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from emcore.models.mixture import log_joint
from emcore.scene import level_line

Array = NDArray[np.float64]
Range = tuple[float, float]

SURE: Final = 0.9  # the responsibility from which on a place is taken for sure
SURE_ODDS: Final = float(np.log(SURE / (1 - SURE)))
ALIKE: Final = 0.01  # nats, at temperature 1: components that differ by less anywhere have no border to speak of
FARTHEST: Final = 1e9  # log odds beyond this are as good as certain
GRID: Final = 90  # cells along each axis
GRID_1D: Final = 2001


@dataclass(frozen=True, eq=False)
class Regions:
    """The lines of every iteration of a run.

    Attributes
    ----------
    borders : ndarray of shape (n_iterations + 1, n_line_points, n_features)
        Where two components are equally likely and no other is likelier; nowhere, where all components lie on top of
        each other. In two dimensions pieces of line, each
        followed by a gap (NaN); in one dimension single places. Padded with NaN to one length.
    sure : ndarray of shape (n_iterations + 1, n_line_points, n_features)
        Where the likeliest component has a responsibility of SURE, in the same form; no lines where every place is
        given to one component, as at temperature 0.
    """

    borders: Array
    sure: Array


def regions(
    parameters: Sequence[Any], temperatures: float | Sequence[float], x_range: Range, y_range: Range | None = None
) -> Regions:
    """The lines between the regions of these parameters.

    Parameters
    ----------
    parameters : sequence of GaussianMixtureParameters
        Of every iteration; `emcore.clusters.as_mixture` makes them of a run of k-means.
    temperatures : float or sequence of float
        Of the E-step, one for all or one for each (`TemperedMixture`): 1 is EM, 0 hard assignment.
    x_range, y_range : tuple of float
        The part of the data space that is shown; one range for data on one axis.
    """
    each = np.broadcast_to(np.asarray(temperatures, dtype=np.float64), (len(parameters),)).tolist()
    lines = _lines_1d if y_range is None else _lines_2d
    axes = [np.linspace(*x_range, GRID_1D if y_range is None else GRID)]
    if y_range is not None:
        axes.append(np.linspace(*y_range, GRID))
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(axes))
    borders, sure = [], []
    for theta, temperature in zip(parameters, each, strict=True):
        logs = log_joint(grid, theta)
        n_components = logs.shape[1]
        # the line between two components belongs to both: the last component's are those of the others
        leads = _leads(logs) if n_components > 1 else np.zeros_like(logs)
        alike = float(np.abs(leads).max()) < ALIKE * max(temperature, 1.0)
        borders.append(_joined([lines(lead, 0.0, axes) for lead in ([] if alike else leads.T[:-1])], len(axes)))
        odds = np.empty((len(logs), 0)) if temperature == 0 or n_components == 1 else _log_odds(logs / temperature)
        sure.append(_joined([lines(each_odds, SURE_ODDS, axes) for each_odds in odds.T], len(axes)))
    return Regions(_padded(borders), _padded(sure))


def _leads(logs: Array) -> Array:
    """By how much each component is likelier than the likeliest other one, shape (n_places, n_components)."""
    two = np.partition(logs, -2, axis=1)[:, -2:]
    others = np.where(logs == two[:, 1:], two[:, :1], two[:, 1:])
    leads: Array = logs - others
    return leads


def _log_odds(logs: Array) -> Array:
    """log r / (1 - r) of each component, shape (n_places, n_components)."""
    shares = logs - logsumexp(logs, axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        odds: Array = shares - np.log(-np.expm1(np.minimum(shares, 0.0)))
    return np.clip(odds, -FARTHEST, FARTHEST)


def _lines_2d(heights: Array, level: float, axes: list[Array]) -> Array:
    xs, ys = axes
    return level_line(heights.reshape(len(ys), len(xs)), level, xs, ys)


def _lines_1d(heights: Array, level: float, axes: list[Array]) -> Array:
    (xs,) = axes
    crossed = np.flatnonzero((heights[:-1] > level) != (heights[1:] > level))
    low, high = heights[crossed], heights[crossed + 1]
    places: Array = xs[crossed] + (level - low) / (high - low) * (xs[crossed + 1] - xs[crossed])
    return places[:, None]


def _joined(lines: list[Array], n_features: int) -> Array:
    return np.concatenate(lines) if lines else np.empty((0, n_features))


def _padded(lines: list[Array]) -> Array:
    """Lines of unlike lengths as one array."""
    padded = np.full((len(lines), max(1, *map(len, lines)) if lines else 1, lines[0].shape[1]), np.nan)
    for t, line in enumerate(lines):
        padded[t, : len(line)] = line
    padded.flags.writeable = False
    return padded
