"""The parts of the guide: the circle of EM, links by what a person wants to know, and the table of the models."""

from __future__ import annotations

from html import escape

import streamlit as st

import emcore.models
from emcore.models.skeleton import Skeleton
from pages import LESSONS
from pages.parts import outcome

CSS = """
<style>
.em-circle { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.2fr) minmax(0, 1fr); gap: 0.8rem 1rem;
  align-items: center; max-width: 54rem; }
.em-circle > div { border: 2px solid currentColor; border-radius: 0.7rem; padding: 0.8rem 1rem; text-align: center;
  grid-row: 1 / 3; align-self: stretch; align-content: center; }
.em-circle > div.em-unknown { border-style: dashed; grid-column: 3; }
.em-circle > p { margin: 0; text-align: center; font-size: 0.925rem; grid-column: 2; }
.em-circle > p > b { display: block; }
.em-circle > p > i { display: block; font-style: normal; font-size: 1.5rem; line-height: 1.1; }
.em-wrap td { white-space: normal !important; text-align: left !important; vertical-align: top; min-width: 9rem; }
.em-wrap th { text-align: left !important; vertical-align: top; }
.em-wrap tbody th { white-space: normal !important; min-width: 8rem; }
.st-key-wishes [data-testid="stPageLink"] :is(p, span, div) { white-space: normal; overflow: visible; }
@media (max-width: 640px) {
  .em-circle { grid-template-columns: minmax(0, 1fr); }
  .em-circle > div, .em-circle > div.em-unknown, .em-circle > p { grid-row: auto; grid-column: 1; }
  .em-circle > p > i { transform: rotate(90deg); }
  .em-circle > p:last-of-type { order: 4; }
  .em-wrap thead { display: none; }
  .em-wrap :is(table, caption, tbody, tr, th, td) { display: block; }
  .em-wrap tbody :is(th, td) { border: 0; padding: 0.1rem 0; }
  .em-wrap tbody th { font-weight: 600 !important; padding-top: 0.8rem; }
  .em-wrap td::before { opacity: 0.72; }
  .em-wrap td:nth-of-type(1)::before { content: "Observed: "; }
  .em-wrap td:nth-of-type(2)::before { content: "Hidden: "; }
  .em-wrap td:nth-of-type(3)::before { content: "E-step: "; }
  .em-wrap td:nth-of-type(4)::before { content: "M-step: "; }
}
</style>
"""
# What a person wants to know, and the lessons that answer, by their files.
WISHES = (
    ("EM in five minutes, with coins", "coins.py"),
    ("Watch it fit groups of points", "playground.py"),
    ("Compute one step by hand", "one_step.py"),
    ("Why does the likelihood never fall?", "why_it_climbs.py"),
    ("Why do two runs end in different places?", "local_maxima.py"),
    ("How many components should I take?", "how_many.py"),
    ("Which shape should the components have?", "shapes.py"),
    ("How is it related to k-means?", "k_means.py"),
    ("What if a component collapses, and what does a prior buy?", "collapse.py"),
    ("Can surplus components die out by themselves?", "variational.py"),
    ("Some values are missing", "missing.py"),
    ("A few causes behind many measurements", "factor_analysis.py"),
    ("A sequence with hidden states", "hidden_markov.py"),
    ("Sort documents by subject, without labels", "text.py"),
    ("Sort pictures of digits, without labels", "digits.py"),
    ("Cut a picture into segments", "segmentation.py"),
    ("Outliers that pull the mean away", "outliers.py"),
    ("EM is slow: when has it converged, and what is faster?", "deaths.py"),
    ("Recommend dishes from a table of ratings", "ratings.py"),
)


def circle() -> None:
    """What is seen and what is not, and the two steps between parameters and posterior."""
    st.html(
        '<div class="em-circle" role="img" aria-label="The E-step goes from the parameters theta to the posterior of '
        'the hidden part; the M-step goes from the posterior to the parameters.">'
        "<div><b>θ</b><br>the parameters</div>"
        "<p><b>E-step</b>What do they say of the hidden part? Bayes' rule.<i>→</i></p>"
        '<div class="em-unknown"><b>q(z)</b><br>the posterior of the hidden part</div>'
        "<p><i>←</i><b>M-step</b>Which parameters fit the data best, if that is so? A weighted estimate.</p>"
        "</div>"
    )


def wishes() -> None:
    """A link to the lesson that answers, for each of WISHES."""
    lessons = {lesson.file: lesson for lesson in LESSONS}
    known = [(wish, file) for wish, file in WISHES if file in lessons]
    with st.container(key="wishes"):
        left, right = st.columns(2)
    for n, (wish, file) in enumerate(known):
        column = left if n < (len(known) + 1) // 2 else right
        column.page_link(lessons[file].path, label=f"{wish} → *{lessons[file].title}*", help=lessons[file].summary)


def skeletons() -> list[Skeleton]:
    """Every model's EM in four phrases, by title."""
    models = [getattr(emcore.models, name) for name in emcore.models.__all__]
    return sorted(
        (model.skeleton for model in models if hasattr(model, "skeleton")), key=lambda each: each.title.lower()
    )


def models() -> None:
    """The table of all models, made from them."""
    rows = [
        (escape(each.title), *(escape(text) for text in (each.observed, each.hidden, each.e_step, each.m_step)))
        for each in skeletons()
    ]
    table = outcome.table(
        "EM of every model here", ["Model", "Observed", "Hidden", "E-step: the posterior", "M-step: solves"], rows
    )
    st.html(f'<div class="em-wrap">{table}</div>')
