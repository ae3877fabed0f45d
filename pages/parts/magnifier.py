"""What the magnifiers of an E-step and an M-step are held over: a point, a place on the axis, a component."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emcore import report, worked
from emcore.em import History
from emcore.models import GaussianMixtureParameters
from emcore.scene import shown_rows
from pages.parts import controls
from pages.parts import settings as choices
from pages.parts.controls import Session, put
from pages.parts.player import PlayerReport


def within(visit: Session, n_samples: int, n_features: int) -> None:
    """Choices that other data or another model left behind are brought back to what there is."""
    values = visit.values
    if values["point"] > n_samples:
        put(point=n_samples)
    if values["component"] > values["components"]:
        put(component=values["components"])
    if values["x"] is not None and n_features == 2:
        put(x=None)
    if values["points"] and len(values["points"][0]) != n_features:
        put(points=(), given=())


def choose_point(history: History) -> int:
    """The point, by its number, counted from 1."""
    n = history.n_samples
    point: int = controls.widget(
        "point",
        st.number_input,
        f"Point, 1 to {n}",
        1,
        n,
        step=1,
        width=180,
        on_change=lambda: put(x=None),
        help="The up and down arrows of the keyboard go from point to point.",
    )
    for label, to, keys in (
        ("Previous point", max(point - 1, 1), "Shift+Left"),
        ("Next point", min(point + 1, n), "Shift+Right"),
    ):
        st.button(label, on_click=_take, args=(to,), disabled=to == point, shortcut=keys)
    return point


def place_of(visit: Session, history: History, point: int) -> NDArray[np.float64]:
    """The place of the point; in one dimension also any other along the axis. Shape (n_features,)."""
    if history.X.shape[1] == 2:
        return np.array(history.X[point - 1])
    low, high, step = worked.slider_range(history)
    x = visit.values["x"]
    exact = float(history.X[point - 1, 0]) if x is None else x
    st.session_state["x shown"] = worked.nearest_step(history, exact)
    st.slider(
        "Or a place along the axis",
        low,
        high,
        step=step,
        key="x shown",
        on_change=lambda: put(x=st.session_state["x shown"]),
    )
    return np.array([exact])


def _take(point: int) -> None:
    put(point=point, x=None)


def follow_table() -> None:
    """A mark in the table chooses a point for the whole page, not for the part of it that the table stands in."""
    if st.session_state.pop("taken from table", False):
        st.rerun()


def follow_clicks(visit: Session, shown: PlayerReport) -> None:
    """A click on a point chooses it, and one on the curves the place along the axis."""
    if shown.click:
        rows = shown_rows(worked.MOST_POINTS)
        _next(visit, point=int(rows[shown.click.point]) + 1, x=None)
    if shown.spot:
        _next(visit, x=float(f"{shown.spot.x:.5g}"))


def follow_drags(history: History, shown: PlayerReport) -> None:
    """A mean that was dragged at the start begins another run, by hand."""
    if shown.drag:
        start = history.parameters[0]
        to = (shown.drag.x, shown.drag.y)[: start.n_features]
        controls.start_by_hand(choices.moved(start, shown.drag.point, to))


def _next(visit: Session, **values: object) -> None:
    visit.pending = dict(values)
    st.rerun()


def points_table(history: History, position: int) -> None:
    """All points as a table in which one can be marked; the responsibilities are those on show at `position`."""
    opened = st.expander("The points as a table", key="choose from table", on_change="rerun")
    if not opened.open:
        return

    def take() -> None:
        rows = st.session_state["points to choose"].selection.rows
        if rows:
            _take(int(rows[0]) + 1)
            st.session_state["taken from table"] = True

    names = ["x", "y"][: history.X.shape[1]]
    last = history.posterior(worked.iteration_of(position))
    columns = [f"component {k + 1}" for k in range(history.model.n_components)]
    index = range(1, history.n_samples + 1)
    table = pd.concat(
        [
            pd.DataFrame(history.X, columns=names, index=index),
            pd.DataFrame(last.responsibilities, columns=columns, index=index),
        ],
        axis=1,
    )
    with opened:
        st.dataframe(
            table,
            height=300,
            key="points to choose",
            on_select=take,
            selection_mode="single-row",
            alt="Points and their responsibilities; mark one to choose it",
        )


def choose_component(history: History) -> int:
    """The component, counted from 1."""
    component: int = controls.widget(
        "component",
        st.segmented_control,
        "Component",
        list(range(1, history.model.n_components + 1)),
        required=True,
        format_func=lambda k: f"Component {k}" if history.model.n_components <= 4 else f"{k}",
    )
    return component


def parameters_of(history: History, position: int, *, after: bool = False) -> tuple[GaussianMixtureParameters, str]:
    """The parameters whose E-step is on show at a position, and a sentence that says so.

    With `after` the sentence speaks of the M-step that follows it.
    """
    iteration = worked.iteration_of(position)
    theta = history.parameters[iteration]
    if after:
        return theta, (
            f"With the responsibilities of the E-step at iteration {iteration}; this M-step makes the parameters of "
            f"iteration {iteration + 1}. Dotted: before it. Solid: after it."
        )
    if position and position % 2 == 0:
        return theta, (
            f"The responsibilities are still those of iteration {iteration}: the M-step has moved the shapes since, "
            "and the next E-step will see them."
        )
    return theta, f"With the parameters of iteration {iteration}."


def name_of(visit: Session, x: NDArray[np.float64]) -> str:
    """The point, or the place."""
    where = ", ".join(f"{value:.5g}".replace("-", report.MINUS) for value in x.tolist())
    where = f"({where})" if len(x) > 1 else where
    return f"x = {where}" if visit.values["x"] is not None else f"point {visit.values['point']}, x = {where}"
