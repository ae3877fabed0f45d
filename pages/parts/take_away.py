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


def panel(experiment: Experiment, history: History, position: int, look: Look, truth: Any, half_steps: bool) -> None:
    """A row of downloads for the run at this position."""
    axes = experiment.dataset().axes
    drawn = {"look": look, "truth": truth, "axes": axes, "half_steps": half_steps}
    picture = partial(_picture, history, position, drawn)
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        _file("Picture, PNG", "em-lab.png", "image/png", partial(picture, "png"))
        _file("Picture, PDF", "em-lab.pdf", "application/pdf", partial(picture, "pdf"))
        _file(
            "Iterations, CSV",
            "em-lab-run.csv",
            "text/csv",
            partial(tables.parameters_csv, history, axes=axes),
        )
        _file("Data, CSV", "em-lab-data.csv", "text/csv", partial(tables.data_csv, history.X, axes))
        animate = st.button("Animation, GIF", icon=":material/movie:")
    name = f"animation of {hash((experiment, look, truth is not None, half_steps)):x}"
    if animate and name not in st.session_state:
        _forget_animations()
        st.session_state[name] = _animation(history, drawn)
    if name in st.session_state:
        st.download_button(
            "Save the animation",
            st.session_state[name],
            "em-lab.gif",
            "image/gif",
            on_click="ignore",
            type="primary",
            icon=":material/download:",
        )


def _picture(history: History, position: int, drawn: dict[str, Any], kind: Any) -> bytes:
    from emcore.export.pictures import picture  # matplotlib takes half a second: not before it is needed

    return picture(history, position, format=kind, **drawn)


def _animation(history: History, drawn: dict[str, Any]) -> bytes:
    from emcore.export.pictures import animation

    bar = st.progress(0.0, "Drawing the animation")
    try:
        return animation(history, progress=bar.progress, **drawn)
    finally:
        bar.empty()


def _file(label: str, name: str, mime: str, make: Callable[[], bytes | str]) -> None:
    st.download_button(label, make, name, mime, on_click="ignore", icon=":material/download:")


def _forget_animations() -> None:
    """A visit keeps one animation: they are the heaviest thing in it."""
    for name in [name for name in st.session_state if str(name).startswith("animation of ")]:
        del st.session_state[name]
