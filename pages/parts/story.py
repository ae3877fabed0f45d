"""What the lessons of all models share: the generative picture, EM in four phrases, a prediction, the references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from emcore.models.skeleton import Skeleton
from pages.parts import controls, outcome
from pages.parts.controls import Session
from pages.parts.text import plain

CSS = """
<style>
.em-story { display: flex; flex-wrap: wrap; gap: 0.5rem 2rem; align-items: center; }
.em-graph { flex: 0 1 auto; display: grid; align-items: center; justify-items: center; gap: 0.2rem 0.5rem;
  padding: 0.2rem; position: relative; }
.em-graph > i { font-style: normal; font-size: 1.4rem; line-height: 1; opacity: 0.8; }
.em-graph > div { text-align: center; font-size: 0.8rem; line-height: 1.2; max-width: 6.5rem; padding: 0.2rem 0.1rem; }
.em-graph b { display: flex; align-items: center; justify-content: center; width: 2.2rem; height: 2.2rem; margin: 0 auto
  0.2rem; border-radius: 50%; font-weight: 400; font-size: 1rem; }
.em-graph .em-hidden b { border: 2px dashed currentColor; }
.em-graph .em-observed b { border: 2px solid currentColor;
  background: color-mix(in srgb, currentColor 25%, transparent); }
.em-graph > .em-plate { align-self: stretch; justify-self: stretch; max-width: none; border: 1px solid
  color-mix(in srgb, currentColor 45%, transparent); border-radius: 0.6rem; margin: -0.3rem -0.2rem; padding: 0 0.5rem;
  display: flex; align-items: flex-end; justify-content: flex-end; font-style: italic; }
.em-story > dl { flex: 1 1 34rem; min-width: 0; margin: 0; padding: 0; display: grid; gap: 0.5rem 1.6rem;
  grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); font-size: 0.925rem; line-height: 1.4; }
.em-story :is(dt, dd) { display: inline; margin: 0; }
.em-story dt { font-weight: 600; }
.em-story dt::after { content: ". "; }
.st-key-prediction { padding: 0.6rem 0.9rem 0.5rem; gap: 0.3rem; }
.st-key-prediction [data-testid="stButton"] button { min-height: 2.2rem; padding-block: 0.2rem; }
</style>
"""


@dataclass(frozen=True)
class Node:
    """One variable in the picture of how data come about.

    Attributes
    ----------
    symbol, name : str
        What stands in the circle ("z") and below it ("coin").
    kind : "hidden", "observed" or "parameter"
        A dashed circle, a filled one, or none.
    """

    symbol: str
    name: str
    kind: str


def picture(rows: Sequence[Sequence[Node | str]], description: str, plate: tuple[int, int, str] | None = None) -> str:
    """How the data come about as a graph: dashed is hidden, filled is observed, a plate repeats its content.

    `rows` are the cells of a grid: nodes, the arrows between them ("→", "←", "↓"), or "" for nothing. `plate` is the
    first and the last column (from 1) that it goes round, and its label. `description` says the same in a sentence.
    """
    cells = []
    if plate is not None:
        first, last, label = plate
        cells.append(
            f'<div class="em-plate" style="grid-area: 1 / {first} / {len(rows) + 2} / {last + 1}">{escape(label)}</div>'
        )
    for r, row in enumerate(rows, 1):
        for c, cell in enumerate(row, 1):
            where = f'style="grid-area: {r} / {c}"'
            if isinstance(cell, Node):
                cells.append(
                    f'<div class="em-{cell.kind}" {where}><b>{escape(cell.symbol)}</b>{escape(cell.name)}</div>'
                )
            elif cell:
                cells.append(f"<i {where}>{escape(cell)}</i>")
    if plate is not None:
        cells.append(f'<div style="grid-area: {len(rows) + 1} / 1; padding: 0.2rem"></div>')
    return f'<div class="em-graph" role="img" aria-label="{escape(description)}">{"".join(cells)}</div>'


def told(drawn: str, skeleton: Skeleton) -> None:
    """The picture beside EM in four phrases: observed, hidden, E-step, M-step."""
    phrases = {
        "Observed": skeleton.observed,
        "Hidden": skeleton.hidden,
        "E-step: the posterior": skeleton.e_step,
        "M-step: the weighted estimate": skeleton.m_step,
    }
    entries = "".join(
        f"<div><dt>{title}</dt><dd>{escape(_sentence(text))}</dd></div>" for title, text in phrases.items()
    )
    st.html(f'{CSS}<div class="em-story">{drawn}<dl>{entries}</dl></div>')


def _sentence(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:] + "."


def opening(visit: Session, title: str, *sentences: str) -> None:
    """The title and what the lesson is about, in the look of all lessons."""
    st.html(outcome.CSS + (outcome.PROJECTOR if visit.values["projector"] else ""))
    st.title(title)
    with st.container(key="intro"):
        st.markdown(" ".join(sentences))


def predict(name: str, question: str, options: Sequence[str], answer: Callable[[], tuple[int, str]]) -> None:
    """A question that is answered first by the visitor, and then by the run on show.

    `name` says what the question is about, the data included: another name is another question. `answer` is called
    after the prediction only; it returns the number of the right option, and why, from the run's own numbers.
    """
    guesses: dict[str, int] = st.session_state.setdefault("predictions", {})
    with st.container(key="prediction", border=True):
        st.markdown(f"**Predict first.** {question}")
        made = guesses.get(name)
        row = st.container(horizontal=True, vertical_alignment="center")
        guess = row.radio(
            "Your prediction",
            range(len(options)),
            index=made,
            format_func=options.__getitem__,
            horizontal=True,
            key=f"prediction of {name}",
            disabled=made is not None,
            label_visibility="collapsed",
        )
        if made is None:
            row.button(
                "Predict",
                key=f"predict {name}",
                disabled=guess is None,
                on_click=guesses.__setitem__,
                args=(name, guess),
            )
            return
        right, why = answer()
        beside = "as you predicted" if made == right else f"you predicted: {options[made]}"
        st.markdown(f"**{options[right]}** ({plain(beside)}). {why}")


def references(*lines: str) -> None:
    """What the lesson is from, a source a line."""
    with st.expander("References"):
        st.markdown("\n".join(f"- {line}" for line in lines))


def reseed(random: bool) -> None:
    """The sidebar's button for another start, beside the picture: on a phone the sidebar is shut."""
    st.button(
        "Reseed start",
        key="reseed",
        type="primary",
        icon=":material/casino:",
        on_click=controls.next_seed,
        args=("start-seed",),
        disabled=not random,
        help="Start again from elsewhere, on the same data." if random else "Nothing in this start is random.",
    )
