"""The guide: every lesson can be found from it, and its table is the models' own."""

from __future__ import annotations

import emcore.models
from pages import HOME, LESSONS
from pages.parts import guide
from tests.apptest import link, run, words
from tests.test_lessons import opened


def test_the_guide_leads_to_every_lesson_and_names_every_model():
    app = opened()
    app.switch_page("pages/lessons/guide.py")
    run(app)
    links = [element.proto.page for element in app.get("page_link")]
    files = {lesson.file for lesson in LESSONS}
    assert len(links) == len([file for _, file in guide.WISHES if file in files])
    said = words(app)
    for skeleton in guide.skeletons():
        assert skeleton.title in said.replace("&#x27;", "'")


def test_who_comes_back_from_the_guide_finds_a_lesson_as_it_was():
    app = opened()

    def go(lesson):
        app.switch_page(f"pages/lessons/{lesson}.py")
        app.query_params.clear()  # as the menu does
        run(app)

    go("coins")
    run(app.number_input(key="coins").set_value(3))
    go("guide")
    go("coins")
    assert app.session_state["session"].values["coins"] == 3 and link(app) == {"coins": "3"}


def test_every_lesson_answers_a_wish():
    assert {lesson.file for lesson in LESSONS} - {"guide.py"} == {file for _, file in guide.WISHES}


def test_every_model_says_its_em_in_four_phrases():
    models = {getattr(emcore.models, name) for name in emcore.models.__all__}
    models = {model for model in models if hasattr(model, "e_step")}
    without = [model.__name__ for model in models if not hasattr(model, "skeleton")]
    assert not without
    for model in models:
        for phrase in vars(model.skeleton).values():
            assert phrase.strip() == phrase and phrase and not phrase.endswith(".")


def test_the_playground_is_at_the_root():
    assert HOME in {lesson.file for lesson in LESSONS}
    assert opened().title[0].value == "Watch EM fit a Gaussian mixture"
