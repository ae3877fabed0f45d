"""What lessons share that show several runs side by side: their look, examples as buttons, guesses and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from emcore import shapes
from emcore.datasets import DATASETS
from emcore.em import History
from emcore.experiment import Experiment
from emcore.models import GaussianMixture
from emcore.report import number
from emcore.shapes import Score
from pages.parts import controls, outcome
from pages.parts import settings as choices
from pages.parts.controls import Session, put
from pages.parts.player import PlayerReport

MOST_ITERATIONS = 200  # that these lessons show: several pictures of them travel at once
CSS = """
<style>
@container (min-width: 900px) {
  .st-key-shapes-four .player-figures { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
  .st-key-shapes-four .player-plot { height: min(var(--height), calc(19cqw + 2.5rem)); }
  .st-key-shapes-four .player-plot:last-child { grid-column: 1 / -1; height: var(--height) !important; }
}
@container (min-width: 700px) {
  .st-key-beside .player-figures { grid-template-columns: repeat(2, minmax(0, 1fr)) !important; }
  .st-key-beside .player-plot:last-child { grid-column: auto; height: var(--height); }
}
</style>
"""


def shortened(experiment: Experiment) -> Experiment:
    """The run as these lessons show it, with its first iterations alone."""
    return replace(experiment, max_iter=min(experiment.max_iter, MOST_ITERATIONS))


def examples(visit: Session, names: Sequence[str]) -> None:
    """The examples that this lesson is about, a press each."""
    on_show = visit.values["preset"] if visit.values["data"] == "preset" else ""
    with st.container(horizontal=True):
        for name in names:
            st.button(
                DATASETS[name].title,
                key=f"example {name}",
                type="primary" if name == on_show else "secondary",
                on_click=_choose,
                args=(name,),
            )


def _choose(name: str) -> None:
    put(data="preset", preset=name, **choices.setup(name))
    controls.session().editor += 1


def guesses(lesson: str) -> dict[Experiment, str]:
    """What was predicted on this visit: of which `family` -> what; "" where it was waived."""
    found: dict[Experiment, str] = st.session_state.setdefault(f"guesses of {lesson}", {})
    return found


def family(experiment: Experiment) -> Experiment:
    """What a prediction is about: the data and the number of components, from whatever start."""
    return Experiment(experiment.source, GaussianMixture(experiment.model.n_components))


def rests(visit: Session, experiment: Experiment, shown: PlayerReport) -> None:
    """The session keeps where the player rests, and whether it shows half-steps."""
    visit.rested = experiment, shown.position
    visit.half_steps = shown.half_steps


def score_table(scores: Mapping[Any, Score], histories: Mapping[Any, History], titles: Mapping[str, str]) -> str:
    """A row for each shape: its parameters, how high it climbed, and what the criteria say."""
    lowest, above = shapes.best(scores), shapes.above_lowest(scores)
    rows = []
    for shape, found in scores.items():
        bic = number(found.bic, 1)
        rows.append(
            [
                escape(titles[shape]),
                str(found.n_parameters),
                number(found.log_likelihood, 2),
                number(found.aic, 1),
                f"<strong>{bic}</strong>" if shape in lowest else bic,
                number(above[shape], 1),
                str(histories[shape].n_iterations),
            ]
        )
    header = ["Shape", "Parameters", "Log-likelihood", "AIC", "BIC", "Above the lowest", "Iterations on show"]
    return outcome.table("What each shape costs, and what it gains", header, rows)
