"""Pictures as data: every pixel is a point, its colour or its brightness; where it lies plays no part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emcore.models.mixture import whole_number

CHANNELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"rgb": ("Red", "Green", "Blue"), "intensity": ("Intensity",)}
)
BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue in what the eye sees as bright (ITU-R BT.601)
MAX_SIDE = 512
MIN_SIDE = 4


@dataclass(frozen=True, eq=False)
class PictureData:
    """The pixels of a picture, and what is known about them.

    Attributes
    ----------
    X : ndarray of shape (n_pixels, 3 or 1)
        Red, green and blue of each pixel, or its intensity; row by row from the top left, read-only.
    pixels : ndarray of uint8, shape (n_rows, n_columns, 3)
        The picture, sRGB, read-only.
    axes : tuple of str
        What the columns of X are called.
    labels : ndarray of int, shape (n_pixels,), or None
        The part of the picture that each pixel was drawn as, from 0; None if nobody knows.
    caption : str
        What it is, in a sentence or two.
    """

    X: NDArray[np.float64]
    pixels: NDArray[np.uint8]
    axes: tuple[str, ...]
    labels: NDArray[np.int_] | None
    caption: str


@dataclass(frozen=True)
class Example:
    """A picture that is here already.

    Attributes
    ----------
    title, caption : str
        For people; of a photograph with its author and licence.
    n_components : int
        How many components show it well.
    random : bool
        Whether another seed draws it anew.
    """

    title: str
    caption: str
    n_components: int
    random: bool = False


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "flower": Example(
            "Dahlia",
            "A dahlia. Photograph by [vultilion](https://www.flickr.com/photos/vultilion/6056698931/), licence "
            "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/), scaled down.",
            3,
        ),
        "china": Example(
            "Summer palace",
            "A tower of the summer palace in Beijing. Photograph by "
            "[danielbuechele](https://www.flickr.com/photos/danielbuechele/6061409035/), licence "
            "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/), scaled down.",
            4,
        ),
        "drawn": Example(
            "Lake, drawn",
            "A lake between hills, drawn for this lesson: sky, sun, hills and water each have one colour, and every "
            "pixel adds its own noise. Here the right answer is known.",
            4,
            random=True,
        ),
    }
)


@dataclass(frozen=True)
class ExamplePicture:
    """One of EXAMPLES; `seed` (from 0 up) draws the noise of the one that is drawn.

    `channels` is a key of CHANNELS. `spread` gives every rounded value a place of its own, see `as_data`.
    """

    name: str
    channels: str = "rgb"
    spread: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in EXAMPLES:
            raise ValueError(f"the picture must be one of {', '.join(EXAMPLES)}, got {self.name!r}")
        _check_channels(self.channels)
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", least=0))

    def make(self) -> PictureData:
        """The data."""
        labels = None
        if self.name == "drawn":
            pixels, labels = _drawn(self.seed)
        else:
            pixels = read_ppm(Path(__file__).with_name(f"{self.name}.ppm").read_bytes())
        return as_data(pixels, self.channels, self.spread, EXAMPLES[self.name].caption, labels)


@dataclass(frozen=True)
class OwnPicture:
    """A picture that somebody brought.

    Attributes
    ----------
    name : str
        The file's name.
    n_columns : int
        Its width in pixels.
    values : bytes
        Red, green and blue of each pixel, row by row from the top left.
    channels, spread
        As in ExamplePicture.
    """

    name: str
    n_columns: int
    values: bytes
    channels: str = "rgb"
    spread: bool = True

    def __post_init__(self) -> None:
        _check_channels(self.channels)
        columns = whole_number(self.n_columns, "n_columns", least=MIN_SIDE)
        n_rows, left = divmod(len(self.values), 3 * columns)
        if left or not MIN_SIDE <= n_rows <= MAX_SIDE or columns > MAX_SIDE:
            raise ValueError(
                f"a picture must have {MIN_SIDE} to {MAX_SIDE} rows and columns of three bytes a pixel, "
                f"got {len(self.values):,} bytes for {columns} columns"
            )

    def make(self) -> PictureData:
        """The data."""
        pixels = np.frombuffer(self.values, dtype=np.uint8).reshape(-1, self.n_columns, 3)
        return as_data(pixels, self.channels, self.spread, "Your own picture.")


def _check_channels(channels: str) -> None:
    if channels not in CHANNELS:
        raise ValueError(f"channels must be one of {', '.join(CHANNELS)}, got {channels!r}")


def as_data(
    pixels: NDArray[np.uint8], channels: str, spread: bool, caption: str, labels: NDArray[np.int_] | None = None
) -> PictureData:
    """A picture as points.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n_rows, n_columns, 3)
        sRGB.
    channels : str
        A key of CHANNELS.
    spread : bool
        A value v of 8 bits stands for all from v - 1/2 to v + 1/2. With `spread` each gets a place of its own in
        there, evenly at random and the same every time (dequantisation). Else many pixels have exactly one colour, a
        component can shrink to it, and the likelihood has no maximum.
    caption, labels
        As in PictureData.
    """
    X = pixels.reshape(-1, 3).astype(np.float64)
    if channels == "intensity":
        X = X @ np.array(BRIGHTNESS)[:, None]
    if spread:
        X += np.random.default_rng([0, 2]).uniform(-0.5, 0.5, X.shape)
    else:
        X = np.rint(X)
    pixels = pixels.copy()
    X.flags.writeable = pixels.flags.writeable = False
    return PictureData(X, pixels, CHANNELS[channels], labels, caption)


def read_ppm(content: bytes) -> NDArray[np.uint8]:
    """The pixels of a portable pixmap (P6, 8 bits), shape (n_rows, n_columns, 3).

    Its comments, which may hold an author and a licence, are lines that begin with "#" after the first line.

    Raises
    ------
    ValueError
        It is none, or its length is not that of its size.
    """
    magic, *rest = content.split(b"\n")
    n_comments = next((n for n, line in enumerate(rest) if not line.startswith(b"#")), 0)
    start = sum(len(line) + 1 for line in (magic, *rest[: n_comments + 2]))
    try:
        n_columns, n_rows = map(int, rest[n_comments].split())
        if magic != b"P6" or rest[n_comments + 1] != b"255":
            raise ValueError(f"got {magic[:10]!r}")
        return np.frombuffer(content[start:], dtype=np.uint8).reshape(n_rows, n_columns, 3)
    except (IndexError, ValueError) as error:
        raise ValueError(f"it must be a portable pixmap (P6) of 8 bits: {error}") from error


# The parts of the drawn picture: mean colour and the noise's sd, in the order of its labels.
PARTS = (
    ("sky", (128, 168, 208), 14.0),
    ("sun", (240, 200, 96), 14.0),
    ("hills", (72, 96, 64), 14.0),
    ("water", (108, 142, 178), 14.0),
)


def _drawn(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int_]]:
    """A lake under a sky, 96 x 144 pixels, and the part that each pixel belongs to."""
    y, x = np.mgrid[0:96, 0:144]
    labels = np.zeros((96, 144), dtype=np.int_)
    labels[(x - 104) ** 2 + (y - 20) ** 2 < 144] = 1
    ridge = 42 - 12 * np.sin(x / 17) - 6 * np.sin(x / 7 + 1)
    labels[(y > ridge) & (y < 58)] = 2
    labels[y >= 58] = 3
    labels[y > 88 - 4 * np.sin(x / 23)] = 2
    colours = np.array([colour for _, colour, _ in PARTS], dtype=np.float64)[labels]
    sds = np.array([sd for _, _, sd in PARTS])[labels]
    noise = np.random.default_rng([seed, 0]).normal(size=colours.shape)
    pixels = np.clip(np.rint(colours + sds[..., None] * noise), 0, 255).astype(np.uint8)
    flat = labels.ravel()
    flat.flags.writeable = False
    return pixels, flat
