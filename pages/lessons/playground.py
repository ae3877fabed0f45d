"""The playground: one Gaussian mixture, and every half-step that EM took to fit it."""

import streamlit as st

from emcore import report
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.scene import shown_rows
from pages.parts import controls, outcome, take_away
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.player import player
from pages.parts.text import plain

visit = controls.begin()
experiment = controls.sidebar(visit)

st.html(outcome.CSS + (outcome.PROJECTOR if visit.values["projector"] else ""))
st.title("Watch EM fit a Gaussian mixture")
dataset = experiment.dataset()
question = "" if visit.shows_example else dataset.question
with st.container(key="intro"):
    st.markdown(plain(dataset.caption) + (f" **{plain(question)}**" if question else ""))
controls.group_editor(visit)
controls.end(visit)

with st.spinner("Running EM", show_time=True):
    history = experiment.history()
    captions = report.captions(history)


@st.fragment
def play(
    visit: Session, experiment: Experiment, history: History, captions: report.Captions, earlier: float | None
) -> None:
    """The player, and below it everything that follows its position. A step reruns this and nothing else."""
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

    shown = player(
        figures,
        key="player",
        run_id=f"{experiment.digest} {visit.opened}",
        look=(look, values["truth"], values["contours"], visit.half_steps),
        captions=captions.half_steps,
        stop_captions=captions.iterations,
        labels=captions.labels,
        stops=range(1, history.n_positions, 2),
        step_names=report.step_names(history),
        widths=(3, 2),
        position=controls.place(visit, history),
        whole=not visit.half_steps,
        url=tuple(choices.PLACE),
    )
    if shown.half_steps != visit.half_steps:
        visit.half_steps = shown.half_steps
        st.rerun(scope="fragment")
    if shown.drag:
        start = history.parameters[0]
        to = (shown.drag.x, shown.drag.y)[: start.n_features]
        controls.start_by_hand(choices.moved(start, shown.drag.point, to))
    if shown.click:
        visit.point = experiment.source, int(shown_rows(history.n_samples)[shown.click.point])
    row = visit.point[1] if visit.point and visit.point[0] == experiment.source else None

    visit.position = shown.position
    outcome.below(history, shown.position, truth=truth, row=row, earlier=earlier)
    outcome.numbers(history, shown.position, dataset.axes)


play(visit, experiment, history, captions, outcome.earlier_end(visit, experiment, history))
controls.start_editor(visit)
take_away.panel(visit, experiment, history)
