"""Questions that ask for a prediction before the run, and answers that the visitor's own runs give.

The visitor predicts first; then the runs that are on show are asked (no answer is written down here).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import streamlit as st

from emcore import verdict
from emcore.em import History
from emcore.report import ROUNDING, number, significant
from emcore.restarts import Maxima
from pages.parts import controls, lab
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.text import plain


@dataclass
class Evidence:
    """What the visitor's own runs say: the one on show, where it ended, and the many (None where not run)."""

    history: History
    outcome: int | None = None
    many: Maxima | None = None


Answer = tuple[int, str]  # the option that is right, and what the runs say


@dataclass(frozen=True)
class Task:
    """A question: where it is asked, what may be predicted, and how the runs answer it.

    `answer` returns None, with `first` saying what to do, as long as the runs that it needs are not there.
    """

    preset: str
    room: str
    question: str
    options: tuple[str, ...]
    answer: Callable[[Evidence], Answer | None]
    first: str
    afterwards: str


def _number_of_maxima(evidence: Evidence) -> Answer | None:
    if evidence.many is None or len(evidence.many.outcome) < 100:
        return None
    reached = sum(maximum.count > 0 for maximum in evidence.many.maxima)
    return min(reached, 4) - 1, verdict.count_of_maxima(evidence.many)


def _means_apart(evidence: Evidence) -> Answer | None:
    start, end = (evidence.history.parameters[t] for t in (0, -1))
    moved = float(np.abs(end.means - start.means).max() / end.sds.max())
    apart = float(np.ptp(end.means, axis=0).max() / end.sds.max())
    right = 1 if moved < 0.05 else 0 if apart > 0.5 else 2
    how_far = f"one has moved by {number(moved)} sds" if moved > ROUNDING else "none has moved"
    return right, (
        f"After {_count(evidence.history.n_iterations)} the means lie {number(apart)} sds apart, and "
        f"{how_far}. {_ended(evidence)}"
    )


def _which_merger(evidence: Evidence) -> Answer | None:
    end = evidence.history.parameters[-1]
    order = np.argsort(end.means[:, 0])
    left, right = end.weights[order]
    answer = 2 if abs(left - right) < 0.02 else 0 if left > right else 1
    return answer, (
        f"The left component ends with weight {number(float(left), 3)}, the right one with {number(float(right), 3)}. "
        f"{_ended(evidence)}"
    )


def _second_weight(evidence: Evidence) -> Answer | None:
    weight = float(evidence.history.parameters[-1].weights[1])
    return (0 if weight < 0.05 else 1 if weight < 0.3 else 2), (
        f"Component 2 ends with weight {number(weight, 3)}, after {_count(evidence.history.n_iterations)}."
    )


def _iterations(evidence: Evidence) -> Answer | None:
    n = evidence.history.n_iterations
    return (0 if n < 30 else 1 if n <= 100 else 2), (
        f"The run took {_count(n)}; its last one gained {significant(evidence.history.last_gain)} nats per point."
    )


def _count(n_iterations: int) -> str:
    return f"{n_iterations} iteration{'' if n_iterations == 1 else 's'}"


def _ended(evidence: Evidence) -> str:
    return "" if evidence.outcome is None else f"Where it ended: {verdict.outcome_name(evidence.outcome)}."


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "rivals": Task(
            "three-peaks",
            "many",
            "Two components must share three peaks. At how many different maxima will a hundred random starts end?",
            ("One", "Two", "Three", "Four or more"),
            _number_of_maxima,
            "Run 100 starts, or 1,000, in the room Many starts.",
            "The middle peak can go with either neighbour: both mergers are maxima, and a start decides by its side.",
        ),
        "surplus": Task(
            "twenty-forty-three",
            "many",
            "Two groups, three components. At how many different maxima will a hundred random starts end?",
            ("One", "Two", "Three", "Four or more"),
            _number_of_maxima,
            "Run 100 starts, or 1,000, in the room Many starts.",
            "The third component finds something to do in more than one place, and each of them is a maximum.",
        ),
        "equal": Task(
            "twenty-forty-equal",
            "reseed",
            "Two groups, and both means begin at the grand mean. Where will they be after the run?",
            ("One at each group", "Where they began", "Both at the larger group"),
            _means_apart,
            "",
            "Equal components get equal responsibilities, so the M-step makes them equal again: a saddle, and not a "
            "maximum. Reseed, and any difference is enough to leave it.",
        ),
        "mirror": Task(
            "mirror",
            "map",
            "Data and start are mirror images. With which outer peak will the middle one be merged?",
            ("With the left one", "With the right one", "With neither"),
            _which_merger,
            "",
            "EM keeps the symmetry, so it climbs along the ridge between the two mergers and stops on the saddle. "
            "Click beside the ridge on the map: the smallest difference decides.",
        ),
        "all": Task(
            "one-takes-all",
            "reseed",
            "One group, two components; the second begins at its edge with weight 0.5. With what weight will it end?",
            ("Less than 0.05", "0.05 to 0.3", "More than 0.3"),
            _second_weight,
            "",
            "A second component that only fits the edge of a group is a maximum too, and a poor one to report.",
        ),
        "overlap": Task(
            "heavy-overlap",
            "speed",
            "Two groups that look like one. How many iterations until the gain falls below the tolerance?",
            ("Fewer than 30", "30 to 100", "More than 100"),
            _iterations,
            "",
            "The more the groups overlap, the less a label is known, and the smaller is the part of the way that one "
            "iteration goes.",
        ),
    }
)


def ask(visit: Session) -> Any:
    """The question that was chosen, and its prediction. Returns the place for its answer, None where there is none."""
    with st.container(key="lab-task", border=True):
        name = controls.widget(
            "task",
            st.selectbox,
            "A question to predict first",
            ["", *TASKS],
            format_func=lambda key: choices.TASK_TITLES[key] if key else "None: explore",
            on_change=_set_up,
        )
        if not name:
            return None
        task, guesses = TASKS[name], lab.lab().guesses
        st.markdown(f"**{task.question}**")
        if name not in guesses and not _is_set_up(visit, task):
            st.button("Set up its data and its start", on_click=_set_up)
            return None
        guess = st.radio(
            "Your prediction",
            range(len(task.options)),
            index=guesses.get(name),
            format_func=task.options.__getitem__,
            horizontal=True,
            key=f"guess {name}",
            disabled=name in guesses,
        )
        if name not in guesses:
            st.button("Predict", disabled=guess is None, on_click=guesses.__setitem__, args=(name, guess))
            return None
        return st.container()


def waiting(visit: Session) -> bool:
    """Whether a question stands that has no prediction yet: until then the page must not tell its answer."""
    return bool(visit.values["task"]) and visit.values["task"] not in lab.lab().guesses


def reveal(place: Any, visit: Session, evidence: Evidence) -> None:
    """What the runs on show say to the question, beside what was predicted."""
    name = visit.values["task"]
    if place is None or not name:
        return
    task = TASKS[name]
    with place:
        if not _is_set_up(visit, task):
            st.markdown("The data, the model or the start are no longer those of the question.")
            st.button("Set them up again", on_click=_set_up)
            return
        found = task.answer(evidence)
        if found is None:
            st.markdown(task.first)
            return
        if not st.toggle("Show what the run says", key=f"shown {name}"):
            return
        right, text = found
        guess = lab.lab().guesses[name]
        beside = "as you predicted" if guess == right else f"you predicted: {task.options[guess].lower()}"
        st.markdown(f"**{task.options[right]}** ({beside}). {plain(text)} {task.afterwards}")


def _is_set_up(visit: Session, task: Task) -> bool:
    """Whether what the question asks about is on show; where many starts answer, any of them may be in the player."""
    wanted = {"data": "preset", "preset": task.preset, "data-seed": 0, **choices.setup(task.preset)}
    if task.first:
        del wanted["start-seed"]
    return all(visit.values[name] == value for name, value in wanted.items())


def _set_up() -> None:
    visit = controls.session()
    name = visit.values["task"] = st.session_state["task"]
    if name:
        task = TASKS[name]
        set_up = {"data": "preset", "preset": task.preset, "data-seed": 0, **choices.setup(task.preset)}
        controls.put(**set_up, room=task.room, runs=0)
        visit.editor += 1  # the tables of the start before are not this one's
