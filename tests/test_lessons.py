"""Every lesson under AppTest (no browser), and the playground's controls: widgets, link and run belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from emcore.datasets import DATASETS
from emcore.starts import STARTS
from pages import LESSONS
from pages.parts import settings as choices

APP = str(Path(__file__).parents[1] / "app.py")


def opened(query: dict[str, str] | None = None) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    for name, value in (query or {}).items():
        app.query_params[name] = value
    return run(app)


def run(app_or_widget) -> AppTest:
    app = app_or_widget.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def link(app: AppTest) -> dict[str, str]:
    return {name: values[0] if isinstance(values, list) else values for name, values in app.query_params.items()}


def experiment(app: AppTest):
    visit = app.session_state["session"]
    return choices.experiment(visit.values, visit.own)


def words(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.file)
def test_every_lesson_opens(lesson):
    app = opened()
    app.switch_page(lesson.path)
    run(app)
    assert app.title and app.main.children
    assert not app.warning and not app.error


def test_the_playground_teaches_something_at_first_sight():
    app = opened()
    shown = experiment(app)
    assert 250 <= len(shown.dataset().X) <= 350
    assert shown.history().n_iterations >= 10
    assert link(app) == {}


@pytest.mark.parametrize("preset", DATASETS)
def test_every_preset_opens_from_its_link_and_by_its_widget(preset):
    app = opened({"preset": preset})
    assert not app.warning
    assert "How it ended" in words(app)
    chosen = opened()
    run(chosen.selectbox(key="preset").set_value(preset))
    assert experiment(chosen) == experiment(app)
    assert link(chosen) == ({} if preset == choices.DEFAULT_PRESET else {"preset": preset})


def test_new_data_and_reseed_are_two_things():
    app = opened()
    before = experiment(app)
    buttons = {button.label: button for button in app.button}
    run(buttons["Reseed start"].click())
    reseeded = experiment(app)
    assert reseeded.source == before.source and reseeded.start_seed == 1
    assert link(app) == {"start-seed": "1"}
    buttons = {button.label: button for button in app.button}
    run(buttons["New data"].click())
    assert experiment(app).start_seed == 1 and experiment(app).source.seed == 1
    assert link(app) == {"start-seed": "1", "data-seed": "1"}
    assert not np.array_equal(experiment(app).dataset().X, before.dataset().X)


def test_three_groups_meet_the_poorer_maximum_first_and_a_better_one_by_reseeding():
    app = opened({"preset": "three-groups"})
    poorer = experiment(app).history().objective[-1]
    for _ in range(10):
        buttons = {button.label: button for button in app.button}
        run(buttons["Reseed start"].click())
        if experiment(app).history().objective[-1] > poorer + 5:
            break
    else:
        pytest.fail("ten new starts never found the better maximum")
    friend = opened(link(app))
    assert np.array_equal(experiment(friend).history().objective, experiment(app).history().objective)


def test_the_number_of_components_does_not_change_the_data():
    app = opened()
    X = experiment(app).dataset().X
    run(app.number_input(key="components").set_value(7))
    assert experiment(app).dataset().X is X
    assert experiment(app).model.n_components == 7


@pytest.mark.parametrize("start", STARTS)
def test_every_start_can_be_chosen(start):
    app = opened()
    run(app.selectbox(key="start").set_value(start))
    assert not app.error
    assert experiment(app).start == start
    friend = opened(link(app))
    assert experiment(friend) == experiment(app)


def test_a_start_by_hand_follows_the_number_of_components_and_the_axes():
    app = opened()
    run(app.selectbox(key="start").set_value("by-hand"))
    run(app.number_input(key="components").set_value(4))
    assert len(experiment(app).by_hand.means) == 4
    kept = experiment(app).by_hand.means[:3]
    run(app.number_input(key="components").set_value(3))
    assert experiment(app).by_hand.means == kept
    run(app.segmented_control(key="data").set_value("groups"))
    assert experiment(app).start == "by-hand"


def test_groups_of_one_s_own():
    app = opened({"data": "groups", "groups": "40,0,1;60,7,2", "components": "2"})
    assert experiment(app).dataset().X.shape == (100, 1)
    run(app.segmented_control(key="axes 0").set_value("2D"))
    assert experiment(app).dataset().X.shape == (100, 2)
    assert link(app)["groups"] == "40,0,0,1,1,0;60,7,0,2,2,0"


def test_bad_links_say_so_and_show_the_usual_page():
    app = opened({"components": "99", "start": "<b>x</b>", "start-seed": "3"})
    assert len(app.warning) == 1
    assert "components must be a whole number from 1 to 10" in app.warning[0].value.replace("\\", "")
    assert "<b>" not in app.warning[0].value
    assert experiment(app).start_seed == 3
    assert link(app) == {"start-seed": "3"}
    run(app.number_input(key="components").set_value(2))
    assert not app.warning


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"preset": "duplicates"}, "Try another start, fewer components"),
        ({"data": "groups", "groups": "2,0,1", "components": "5"}, "Try another start, fewer components"),
        ({"data": "groups", "groups": "1,0,1", "components": "1"}, "Choose other data"),
        ({"data": "groups", "groups": "3,0,0,1,1,0", "components": "3"}, "Try another start, fewer components"),
        (
            {"start": "by-hand", "components": "2", "by-hand": "1,0,0,1,1,0;1,1000000,0,1,1,0"},
            "nearer to the points",
        ),
    ],
)
def test_what_goes_wrong_is_said_with_what_to_try(query, said):
    app = opened(query)
    assert "in a collapse" in words(app)
    assert said in words(app)


def test_the_largest_run_that_the_controls_allow():
    app = opened(
        {
            "data": "groups",
            "groups": "10000,0,0,1,1,0;10000,4,0,1,1,0",
            "components": "10",
            "max-iter": "1000",
            "tol": "0",
        }
    )
    assert experiment(app).history().n_iterations <= 1000


def test_a_file_that_is_not_here_is_asked_for():
    app = opened({"data": "file", "file": "heights.csv"})
    assert "heights" in app.info[0].value
    assert "How it ended" in words(app)
