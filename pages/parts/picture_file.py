"""A visitor's picture as pixels: read with patience, refused in one sentence, bounded in time and memory.

Accepted: PNG and JPEG of any colour mode, scaled down to what the lesson fits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from emcore.sources.pictures import MAX_SIDE, MIN_SIDE

MAX_BYTES = 5 * 2**20
MAX_PIXELS = 25_000_000  # before scaling down: 100 MB in memory while it is read
_MAGIC = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
_OTHERS = {
    b"GIF8": "a GIF",
    b"RIFF": "a WebP picture or a film",
    b"BM": "a BMP",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or a document",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML file",
}
_one_at_a_time = threading.Lock()  # a large picture needs much memory while it is unpacked


@dataclass(frozen=True, eq=False)
class Picture:
    """What was read.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n_rows, n_columns, 3)
        sRGB, at most MAX_SIDE a side.
    notes : tuple of str
        What was done to it, a sentence each.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...]


def read_picture(content: bytes) -> Picture:
    """The picture in a file.

    Raises
    ------
    ValueError
        It cannot be used; the message is for the person who brought it.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"The file must have at most {MAX_BYTES // 2**20} MB, got {len(content) / 2**20:.1f} MB.")
    kind = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), None)
    if kind is None:
        got = next(
            (name for magic, name in _OTHERS.items() if content.lstrip()[:16].startswith(magic)), "something else"
        )
        raise ValueError(f"The file must be a PNG or a JPEG picture, got {got if content else 'an empty file'}.")
    try:
        with _one_at_a_time, Image.open(BytesIO(content), formats=(kind,)) as image:
            return _read(image)
    except _Unfit as error:
        raise ValueError(str(error)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(_too_large("far more")) from None
    except Exception:  # a decoder may stumble over hostile bytes in many ways; to the visitor they are all one
        raise ValueError(
            f"The {kind} could not be read: it is broken or cut short. Save it anew and try again."
        ) from None


class _Unfit(Exception):
    """The picture is whole, but not one that can be segmented."""


def _too_large(got: str) -> str:
    return f"The picture must have at most {MAX_PIXELS // 10**6} million pixels, got {got}. Scale it down first."


def _read(image: Image.Image) -> Picture:
    n_columns, n_rows = image.size
    if n_columns * n_rows > MAX_PIXELS:
        raise _Unfit(_too_large(f"{n_columns:,} × {n_rows:,}"))
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"Of its {image.n_frames} pictures the first is used.")
    image.draft("RGB", (2 * MAX_SIDE, 2 * MAX_SIDE))  # a large JPEG is unpacked to an eighth where that is enough
    image.load()
    upright = ImageOps.exif_transpose(image)
    colours = _as_rgb(upright, notes)
    if max(n_columns, n_rows) > MAX_SIDE:
        colours.thumbnail((MAX_SIDE, MAX_SIDE))
        notes.append(
            f"It was scaled down from {n_columns:,} × {n_rows:,} to {colours.width} × {colours.height} pixels."
        )
    if min(colours.size) < MIN_SIDE:
        raise _Unfit(
            f"The picture must have at least {MIN_SIDE} pixels a side, after scaling down to {MAX_SIDE} at most, "
            f"got {colours.width} × {colours.height}."
        )
    pixels = np.asarray(colours)
    if (pixels == pixels[0, 0]).all():
        raise _Unfit("The picture has a single colour: there is nothing to tell apart. Choose another one.")
    return Picture(pixels, tuple(notes))


def _as_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """The picture in red, green and blue, on white where it lets light through."""
    if image.mode.startswith("I"):  # 16 bits of grey
        notes.append("Its 16 bits were rounded to 8.")
        return Image.fromarray((np.asarray(image, dtype=np.int64).clip(0, 65535) // 257).astype(np.uint8)).convert(
            "RGB"
        )
    if image.mode == "CMYK":
        notes.append("It was made for print (CMYK): its colours here are an approximation.")
    if image.has_transparency_data:
        through = image.convert("RGBA")
        if through.getextrema()[3][0] < 255:
            notes.append("Where it is transparent, it lies on white.")
        ground = Image.new("RGBA", through.size, "white")
        return Image.alpha_composite(ground, through).convert("RGB")
    return image.convert("RGB")
