"""A picture cut up by a mixture: what each pixel is painted with, and how the components share the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emcore.em import History
from emcore.report import Words, listed, number, points_taken
from emcore.scene import mix, shown_rows
from emcore.sources.pictures import PictureData

PAINTS: Mapping[str, str] = MappingProxyType(
    {
        "mean": "Mean of its likeliest component",
        "mixed": "Means, mixed by responsibility",
        "palette": "One colour a component, mixed",
    }
)
SHOWN_PIXELS: Final = 24_000  # drawn while stepping; every pixel is fitted
WORK: Final = 110_000_000  # pixels x components x iterations of one run: 5 s, or 30 where components are narrow
SHOWN_BYTES: Final = 12_000_000  # of all iterations together: a long run is drawn coarser


@dataclass(frozen=True, eq=False)
class Segments:
    """A run on a picture, ready to be drawn.

    Attributes
    ----------
    original : ndarray of uint8, shape (n_rows, n_columns, 3)
        Pixels of the picture, evenly spaced, sRGB.
    painted : ndarray of uint8, shape (n_iterations + 1, n_rows, n_columns, 3)
        The same pixels, each with what its responsibilities after E-step t say.
    points : ndarray of shape (n_shown, n_channels)
        Some of the data, a fixed random choice.
    point_colours : ndarray of uint8, shape (n_iterations + 1, n_shown, 3)
        These painted likewise.
    n_pixels : int
        How many the picture has.
    """

    original: NDArray[np.uint8]
    painted: NDArray[np.uint8]
    points: NDArray[np.float64]
    point_colours: NDArray[np.uint8]
    n_pixels: int


def segments(history: History, picture: PictureData, paint: str, palette: NDArray[np.uint8]) -> Segments:
    """Every iteration of a run on a picture.

    Parameters
    ----------
    history : History
        Of a GaussianMixture on `picture.X`.
    picture : PictureData
    paint : str
        A key of PAINTS.
    palette : ndarray of uint8, shape (at least n_components, 3)
        sRGB colours of the components, for the paint "palette".
    """
    n_rows, n_columns = picture.pixels.shape[:2]
    rows, columns = grid(n_rows, n_columns, min(SHOWN_PIXELS, SHOWN_BYTES // (3 * len(history.parameters))))
    cells = (rows[:, None] * n_columns + columns).ravel()
    chosen = shown_rows(len(picture.X))
    some = history.model.prepare(picture.X[np.concatenate([cells, chosen])])
    colours = np.array(
        [
            painted(history.model.e_step(some, theta).responsibilities, theta.means, paint, palette)
            for theta in history.parameters
        ]
    )
    return Segments(
        picture.pixels[rows[:, None], columns],
        colours[:, : len(cells)].reshape(len(colours), len(rows), len(columns), 3),
        picture.X[chosen],
        colours[:, len(cells) :],
        len(picture.X),
    )


def most_iterations(n_pixels: int, n_components: int) -> int:
    """How many iterations a run on a picture may have, so that nobody waits long, at least 1."""
    return max(1, WORK // (n_pixels * n_components))


def grid(n_rows: int, n_columns: int, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns, evenly spaced, so many that they make at most `most` cells of about the picture's shape."""
    part = min(1.0, np.sqrt(most / (n_rows * n_columns)))
    n_kept = max(1, int(n_rows * part))
    kept = (n_kept, max(1, min(int(n_columns * part), most // n_kept)))
    rows, columns = (
        ((np.arange(n) + 0.5) * size / n).astype(np.intp) for n, size in zip(kept, (n_rows, n_columns), strict=True)
    )
    return rows, columns


def painted(
    responsibilities: NDArray[np.float64], means: NDArray[np.float64], paint: str, palette: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The colour of each pixel, shape (n_pixels, 3).

    Parameters
    ----------
    responsibilities : ndarray of shape (n_pixels, n_components)
    means : ndarray of shape (n_components, 3 or 1)
        Mean colours, or mean intensities.
    paint : str
        "mean": the mean of the component with the largest responsibility; "mixed": the expected mean, that is the
        means weighted by the responsibilities; "palette": the palette's colours mixed as light.
    palette : ndarray of uint8, shape (at least n_components, 3)

    Raises
    ------
    ValueError
        There is no such paint.
    """
    if paint not in PAINTS:
        raise ValueError(f"paint must be one of {', '.join(PAINTS)}, got {paint!r}")
    if paint == "palette":
        return mix(responsibilities, palette[: len(means)])
    if paint == "mean":
        likeliest: NDArray[np.uint8] = mean_colours(means)[responsibilities.argmax(axis=1)]
        return likeliest
    return mean_colours(responsibilities @ means)


def mean_colours(means: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Means as sRGB, shape (n, 3): an intensity is a grey."""
    colours = np.clip(np.rint(means), 0, 255).astype(np.uint8)
    return np.repeat(colours, 3, axis=1) if colours.shape[1] == 1 else colours


@dataclass(frozen=True, eq=False)
class Still:
    """The whole picture at one position.

    Attributes
    ----------
    picture : ndarray of uint8, shape (n_rows, n_columns, 3), or None
        Painted as the latest E-step says; None at the bare start.
    shares : ndarray of shape (n_components,), or None
        The part of the pixels whose likeliest component this is.
    colours : ndarray of uint8, shape (n_components, 3)
        The components' means now.
    right : float
        The part of the pixels that are in the component standing for the part that they were drawn as; NaN where
        nobody knows, or at the bare start.
    """

    picture: NDArray[np.uint8] | None
    shares: NDArray[np.float64] | None
    colours: NDArray[np.uint8]
    right: float


def still(history: History, position: int, picture: PictureData, paint: str, palette: NDArray[np.uint8]) -> Still:
    """Every pixel of the picture at a position of the run; parameters as in `segments`."""
    now = history.parameters[position // 2]
    colours = mean_colours(now.means)
    if position == 0:
        return Still(None, None, colours, float("nan"))
    iteration = (position - 1) // 2
    responsibilities = history.posterior(iteration).responsibilities
    likeliest = responsibilities.argmax(axis=1)
    means = history.parameters[iteration].means
    whole = painted(responsibilities, means, paint, palette).reshape(picture.pixels.shape)
    shares = np.bincount(likeliest, minlength=len(means)) / len(likeliest)
    return Still(whole, shares, colours, agreement(likeliest, picture.labels))


def agreement(likeliest: NDArray[np.intp], labels: NDArray[np.int_] | None) -> float:
    """The part of pixels in the right component, each component standing for one true part at most; NaN if unknown.

    Components have no order of their own: the assignment is the one that makes most pixels right.
    """
    if labels is None:
        return float("nan")
    counts = np.zeros((int(likeliest.max()) + 1, int(labels.max()) + 1))
    np.add.at(counts, (likeliest, labels), 1)
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum() / len(labels))


def shuffled(history: History) -> float:
    """The log-likelihood of the last parameters when all pixels have changed places at random."""
    order = np.random.default_rng(0).permutation(history.n_samples)
    posterior = history.model.e_step(history.prepared.X[order], history.parameters[-1])
    return float(posterior.objective)


def _taken(history: History, iteration: int) -> str:
    weights = points_taken(history, iteration) / history.n_samples
    who = "component 1 takes" if len(weights) == 1 else f"components {listed(_numbers(len(weights)))} take"
    return f"{who} {listed([f'{number(100 * weight, 1)}%' for weight in weights.tolist()])} of the pixels"


def _farthest(history: History, iteration: int) -> str:
    before, after = (history.parameters[t].means for t in (iteration - 1, iteration))
    distances = np.linalg.norm(after - before, axis=1)
    k = int(distances.argmax())
    if distances[k] < 1e-9:
        return "no mean moved"
    place = ", ".join(number(value, 1) for value in after[k].tolist())
    place = f"({place})" if after.shape[1] > 1 else place
    return f"mean {k + 1} moved most, by {number(float(distances[k]), 2)} of 255, to {place}"


def _numbers(count: int) -> list[str]:
    return [str(k + 1) for k in range(count)]


PIXEL_WORDS = Words(_taken, _farthest)
