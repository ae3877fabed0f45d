"""What lessons share that show several runs side by side: their look, examples as buttons, guesses and tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from emcore import clusters, report, shapes
from emcore.datasets import DATASETS, Dataset
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures.stepped import SteppedFigure
from emcore.models import GaussianMixture
from emcore.report import number
from emcore.shapes import Score
from pages.parts import controls, outcome
from pages.parts import settings as choices
from pages.parts.controls import Session, put
from pages.parts.player import player
from pages.parts.text import plain

MOST_ITERATIONS = 200  # that these lessons show: several pictures of them travel at once
CSS = """
<style>
.em-wrapped .em-table th { white-space: normal; vertical-align: bottom; }
@container (min-width: 480px) {
  .st-key-several-shapes .player-figures { grid-template-columns: repeat(2, minmax(0, 1fr)) !important; }
  .st-key-several-shapes .player-plot { height: min(var(--height), calc(38cqw + 2.5rem)) !important; }
  .st-key-several-shapes .player-plot:last-child { grid-column: 1 / -1; height: var(--height) !important; }
}
@container (min-width: 900px) {
  .st-key-several-shapes .player-figures { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
  .st-key-several-shapes .player-plot:not(:last-child) {
    height: min(var(--height), calc(19cqw + 2.5rem)) !important;
  }
}
@container (min-width: 700px) {
  :is(.st-key-several-beside, .st-key-several-annealing) .player-figures {
    grid-template-columns: repeat(2, minmax(0, 1fr)) !important;
  }
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


def has_guessed(lesson: str, experiment: Experiment) -> bool:
    """Whether the question of a lesson has its prediction, or was waived."""
    return family(experiment) in guesses(lesson)


def ask(lesson: str, experiment: Experiment, question: str, options: Sequence[str]) -> str | None:
    """A question with its options; what was predicted, "" where it was waived, None while it stands open."""
    about, made = family(experiment), guesses(lesson)
    with st.container(border=True):
        guess = st.radio(
            f"**{question}**",
            options,
            index=options.index(made[about]) if made.get(about) else None,
            horizontal=True,
            key=f"guess {lesson} {about.digest}",
            disabled=about in made,
        )
        if about not in made:
            with st.container(horizontal=True):
                st.button("Predict", disabled=guess is None, on_click=made.__setitem__, args=(about, guess))
                st.button("Show me without", type="tertiary", on_click=made.__setitem__, args=(about, ""))
            return None
    return made[about]


def reveal(guess: str, right: int, options: Sequence[str], said: str) -> None:
    """The answer beside what was predicted."""
    beside = (
        "" if not guess else ", as you predicted" if guess == options[right] else f"; you predicted: {guess.lower()}"
    )
    st.markdown(f"**{options[right]}**{beside}. {plain(said)}")


def agree(experiment: Experiment, schedule: Any) -> None:
    """Many starts were asked for: of this experiment, whatever its seed."""
    st.session_state.setdefault("agreed starts", set()).add((replace(experiment, start_seed=0), schedule))


def agreed(experiment: Experiment, schedule: Any) -> bool:
    """Whether they were."""
    return (replace(experiment, start_seed=0), schedule) in st.session_state.get("agreed starts", ())


def follow(
    visit: Session,
    experiment: Experiment,
    longest: History,
    figures: Callable[[], Sequence[SteppedFigure]],
    said: Sequence[str],
    *,
    key: str,
    look: Hashable,
    runs: str = "",
) -> int:
    """One player over several runs, as many positions as the longest of them has; where it rests.

    `runs` names what they differ by from other runs of the experiment: with another name the player opens anew, where
    it rested.
    """
    with st.container(key=f"several-{key}"):
        shown = player(
            figures,
            key=key,
            run_id=f"{experiment.digest} {runs} {visit.opened}",
            look=look,
            captions=said,
            labels=said,
            stops=range(1, longest.n_positions, 2),
            step_names=report.step_names(longest),
            position=controls.place(visit, experiment, longest.n_positions),
            whole=not visit.half_steps,
            url=tuple(choices.PLACE),
        )
    visit.rested = experiment, shown.position
    visit.half_steps = shown.half_steps
    return shown.position


def say_collapse(history: History, who: str) -> None:
    """Why a run ended in a collapse, if it did."""
    if history.stopped == "degenerate":
        st.warning(
            f"{who} collapsed after {history.n_iterations} iterations. {plain(history.reason)} {plain(history.advice)}"
        )


def points_table(k_means: History, mixture: History, name: str, iteration: int, dataset: Dataset) -> None:
    """What both say of the points now: how many are in the group that they were drawn from, and where they differ."""
    runs = (k_means, mixture)
    objectives = [report.objective_text(run, min(iteration, run.n_iterations)) for run in runs]
    names = f"{k_means.model.objective_name}; {mixture.model.objective_name.lower()}"
    header, rows = ["", "k-means", name], [[names, *objectives]]
    shares = [clusters.recovered(run, iteration, dataset.labels) for run in runs]
    ideal = clusters.best_possible(dataset.X, dataset.truth, dataset.labels)
    if ideal is not None:
        header.append("Who knows the truth")
        rows[0].append("")
        rows.append(["Points in the group that they were drawn from", *map(clusters.share_text, [*shares, ideal])])
    st.html(_wrapped(outcome.table(f"At iteration {iteration}", header, rows)))
    apart = clusters.disagreement(k_means, mixture, iteration)
    st.caption(f"They name different components for {apart:,} of {len(dataset.X):,} points.")


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
    return _wrapped(outcome.table("What each shape costs, and what it gains", header, rows))


def _wrapped(table: str) -> str:
    """A table as wide as the page, whose headings take several lines where it is narrow."""
    return f'<div class="em-below em-wrapped"><div style="flex: 1 1 100%; min-width: 0">{table}</div></div>'
