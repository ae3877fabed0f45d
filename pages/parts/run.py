"""One run on show: its player, and below it everything in words and tables that follows the position."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import streamlit as st

from emcore import report
from emcore.em import History, LatentVariableModel
from emcore.experiment import Experiment, Source, kept
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.scene import shown_rows
from emcore.starts import OWN, At
from pages.parts import controls, outcome
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.player import PlayerReport, player


def experiment_of(visit: Session, source: Source, model: LatentVariableModel, begin: Any = None) -> Experiment:
    """The run that a lesson's controls ask for: from the parameters `begin`, or without them from the model's own
    start, drawn with the start seed."""
    values = visit.values
    return Experiment(
        source=source,
        model=model,
        start=OWN if begin is None else "by-hand",
        start_seed=values["start-seed"] if begin is None else 0,
        by_hand=None if begin is None else At.of(begin),
        max_iter=values["max-iter"],
        tol=values["tol"],
    )


def history_of(experiment: Experiment, words: report.Words | None = None) -> tuple[History, report.Captions]:
    """The run and what the player says at each of its positions; without `words` the model is one of clusters."""
    with st.spinner("Running EM", show_time=True):
        history = experiment.history()
        captions = kept(("captions", experiment, words), lambda: report.captions(history, words))
        return history, captions


def follow(
    visit: Session,
    experiment: Experiment,
    history: History,
    captions: report.Captions,
    figures: Callable[[], Sequence[SteppedFigure]],
    *,
    key: str,
    look: Hashable,
    widths: Sequence[float] = (),
) -> PlayerReport:
    """The player of one run, and the session keeps where it rests. `figures` and `look` as in `player`."""
    shown = player(
        figures,
        key=key,
        run_id=f"{experiment.digest} {visit.opened}",
        look=(look, visit.half_steps),
        captions=captions.half_steps,
        stop_captions=captions.iterations,
        labels=captions.labels,
        stops=range(1, history.n_positions, 2),
        step_names=report.step_names(history),
        widths=widths,
        position=controls.place(visit, experiment, history.n_positions),
        whole=not visit.half_steps,
        url=tuple(choices.PLACE),
    )
    rests(visit, experiment, shown)
    return shown


def rests(visit: Session, experiment: Experiment, shown: PlayerReport) -> None:
    """The session keeps where a player rests; its switch for half-steps redraws what depends on it."""
    visit.rested = experiment, shown.position
    if shown.half_steps != visit.half_steps:
        visit.half_steps = shown.half_steps
        try:
            st.rerun(scope="fragment")
        except st.errors.StreamlitAPIException:  # the switch was pressed while the whole script ran
            st.rerun()


@st.fragment
def play_model(
    visit: Session,
    experiment: Experiment,
    history: History,
    captions: report.Captions,
    pictures: Callable[[Look], Sequence[SteppedFigure]],
    below: Callable[[PlayerReport], None],
    *,
    look: Hashable = None,
    widths: Sequence[float] = (3, 2),
) -> None:
    """The pictures of any model's run beside the objective's curve; below them what follows the position.

    A step reruns this and nothing else. `look` says whatever else the pictures depend on; `widths` are those of the
    pictures and, last, of the curve. `below` is called with what the player reports, and writes; how the run ended is
    said after it.
    """
    seen = Look(projector=visit.values["projector"])
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing the run", show_time=True):
            return (*pictures(seen), objective_figure(history, look=seen, half_steps=visit.half_steps))

    shown = follow(visit, experiment, history, captions, figures, key="player", look=(seen, look), widths=widths)
    below(shown)
    st.html(f'<div class="em-below"><div>{outcome.ending(history, None)}</div></div>')


@st.fragment
def play(
    visit: Session, experiment: Experiment, history: History, captions: report.Captions, earlier: float | None = None
) -> None:
    """The data beside the objective's curve, and the tables below. A step reruns this and nothing else.

    `earlier` is the objective at which another run on the same data ended, for a comparison.
    """
    values, dataset = visit.values, experiment.dataset()
    look = Look(projector=values["projector"])
    truth = dataset.truth if values["truth"] else None
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, SteppedFigure]:
        with slot, st.spinner("Drawing the run", show_time=True):
            return (
                mixture_figure(history, look=look, truth=truth, contours=values["contours"], axes=dataset.axes),
                objective_figure(history, look=look, half_steps=visit.half_steps),
            )

    shown = follow(
        visit,
        experiment,
        history,
        captions,
        figures,
        key="player",
        look=(look, values["truth"], values["contours"]),
        widths=(3, 2),
    )
    if shown.drag:
        start = history.parameters[0]
        to = (shown.drag.x, shown.drag.y)[: start.n_features]
        controls.start_by_hand(choices.moved(start, shown.drag.point, to))
    if shown.click:
        visit.point = experiment.source, int(shown_rows(history.n_samples)[shown.click.point])
    row = visit.point[1] if visit.point and visit.point[0] == experiment.source else None

    outcome.below(history, shown.position, truth=truth, row=row, earlier=earlier)
    outcome.numbers(history, shown.position, dataset.axes)
