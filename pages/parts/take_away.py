"""Files to take away: this picture, the run as an animation, its numbers, the data. Each is made when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from emcore.em import History
from emcore.experiment import Experiment
from emcore.export import tables
from emcore.figures.style import Look
from pages.parts.controls import Session


def panel(visit: Session, experiment: Experiment, history: History) -> None:
    """A row of downloads. The picture is that of the place where the player rests when it is asked for."""
    axes = experiment.dataset().axes
    drawn = {
        "look": Look(projector=visit.values["projector"]),
        "truth": experiment.dataset().truth if visit.values["truth"] else None,
        "contours": visit.values["contours"],
        "axes": axes,
    }
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        picture = partial(_picture, visit, history, drawn)
        _file("Picture, PNG", "em-lab.png", "image/png", partial(picture, "png"))
        _file("Picture, PDF", "em-lab.pdf", "application/pdf", partial(picture, "pdf"))
        _file("Iterations, CSV", "em-lab-run.csv", "text/csv", partial(tables.parameters_csv, history, axes=axes))
        _file("Data, CSV", "em-lab-data.csv", "text/csv", partial(tables.data_csv, history.X, axes))
        animate = st.button("Animation, GIF", icon=":material/movie:")
    name = (experiment, *(visit.values[option] for option in ("projector", "truth", "contours")), visit.half_steps)
    if animate and (visit.animation is None or visit.animation[0] != name):
        visit.animation = name, _animation(history, drawn | {"half_steps": visit.half_steps})
    if visit.animation is not None and visit.animation[0] == name:
        st.download_button(
            "Save the animation",
            visit.animation[1],
            "em-lab.gif",
            "image/gif",
            on_click="ignore",
            type="primary",
            icon=":material/download:",
        )


def _picture(visit: Session, history: History, drawn: dict[str, Any], kind: Any) -> bytes:
    from emcore.export.pictures import picture  # matplotlib takes half a second: not before it is needed

    position = min(visit.position, history.n_positions - 1)
    return picture(history, position, format=kind, half_steps=visit.half_steps, **drawn)


def _animation(history: History, drawn: dict[str, Any]) -> bytes:
    from emcore.export.pictures import animation

    bar = st.progress(0.0, "Drawing the animation")
    try:
        return animation(history, progress=bar.progress, **drawn)
    finally:
        bar.empty()


def _file(label: str, name: str, mime: str, make: Callable[[], bytes | str]) -> None:
    st.download_button(label, make, name, mime, on_click="ignore", icon=":material/download:")
