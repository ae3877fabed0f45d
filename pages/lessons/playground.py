"""The playground: one Gaussian mixture, and every half-step that EM took to fit it."""

import streamlit as st

from pages.parts import controls, outcome, run, take_away
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

history, captions = run.history_of(experiment)
run.play(visit, experiment, history, captions, outcome.earlier_end(visit, experiment, history))
controls.start_editor(visit)
take_away.panel(visit, experiment, history)
