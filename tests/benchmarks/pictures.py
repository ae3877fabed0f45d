"""The time of one EM iteration on a picture, and of drawing a run on it.

The picture is one of the lesson's, scaled up to 512 x 512: the largest that a visitor can bring. One iteration is
E-step, M-step and log-likelihood on every pixel; a median over the iterations of one run.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from emcore.em import iterate, run
from emcore.figures import style
from emcore.figures.segmentation import colours_figure, original_figure, segmented_figure
from emcore.models import GaussianMixture
from emcore.segments import segments
from emcore.sources.pictures import MAX_SIDE, ExamplePicture, PictureData, as_data
from pages.parts.player import encode

TARGET = 60  # ms for an iteration on red, green and blue with four components
N_ITERATIONS = 40


def picture(channels: str) -> PictureData:
    """The palace, 512 x 512."""
    pixels = ExamplePicture("china").make().pixels
    rows, columns = (np.arange(MAX_SIDE) * size // MAX_SIDE for size in pixels.shape[:2])
    return as_data(pixels[rows[:, None], columns], channels, True, "")


def iteration(data: PictureData, n_components: int) -> float:
    """Milliseconds of one iteration."""
    model = GaussianMixture(n_components)
    X = model.prepare(data.X)
    steps = iterate(model, X, model.initialize(X, np.random.default_rng(0)))
    next(steps)
    times = []
    for _ in range(N_ITERATIONS):
        begun = time.perf_counter()
        next(steps)
        times.append(time.perf_counter() - begun)
    return 1e3 * median(times)


def drawing(data: PictureData) -> tuple[float, float]:
    """Seconds that it takes to draw a run of 40 iterations for the player, and megabytes that travel."""
    model = GaussianMixture(4)
    history = run(model, data.X, model.initialize(data.X, np.random.default_rng(0)), max_iter=N_ITERATIONS, tol=0)
    texts = [""] * history.n_positions
    begun = time.perf_counter()
    drawn = segments(history, data, "mixed", style.palette(4))
    figures = segmented_figure(history, drawn), original_figure(history, drawn)
    sent = encode([*figures, colours_figure(history, drawn, data.axes)], texts, texts)
    return time.perf_counter() - begun, len(sent.content) / 1e6


def report() -> str:
    """The tables."""
    lines = ["| 512 × 512 pixels | one iteration, ms | target, ms |", "|---|---|---|"]
    for channels in ("intensity", "rgb"):
        for n_components in (2, 4, 8):
            target = TARGET if (channels, n_components) == ("rgb", 4) else ""
            took = iteration(picture(channels), n_components)
            lines.append(f"| {channels}, K = {n_components} | {took:.1f} | {target} |")
    seconds, megabytes = drawing(picture("rgb"))
    lines.append("")
    lines.append(f"Drawing {N_ITERATIONS} iterations for the player: {seconds:.2f} s, {megabytes:.2f} MB.")
    return "\n".join(lines) + "\n"
