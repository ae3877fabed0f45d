"""Every lesson under AppTest (no browser), and the playground's controls: widgets, link and run belong together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from emcore import report
from emcore.datasets import DATASETS
from emcore.experiment import OwnData
from emcore.starts import STARTS
from pages import LESSONS
from pages.parts import csv_table
from pages.parts import settings as choices
from tests.apptest import APP, link, run, words


def opened(query: dict[str, str] | None = None) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    for name, value in (query or {}).items():
        app.query_params[name] = value
    return run(app)


def experiment(app: AppTest):
    visit = app.session_state["session"]
    return choices.experiment(visit.values, visit.own)


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


def test_groups_keep_what_1d_does_not_show():
    app = opened({"data": "groups"})
    before = experiment(app).source
    run(app.segmented_control(key="axes 0").set_value("1D"))
    assert experiment(app).dataset().X.shape == (300, 1)
    run(app.segmented_control(key="axes 1").set_value("2D"))
    assert experiment(app).source == before


def test_groups_can_be_added():
    app = opened({"data": "groups", "groups": "40,0,1;60,7,2", "components": "2"})
    run(next(button for button in app.button if button.label == "Add a group").click())
    assert link(app)["groups"] == "40,0,1;60,7,2;60,15,2"
    full = opened({"data": "groups", "groups": "20000,0,1"})
    assert next(button for button in full.button if button.label == "Add a group").disabled


class Typist:
    """Stands in for the browser's table: edits what it is given, once it has something to type."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.edit = lambda frame: frame
        self.keys: list[str] = []
        self.n_names = 0  # in the session
        monkeypatch.setattr("streamlit.data_editor", self)

    def __call__(self, frame: pd.DataFrame, *, key: str, **options: object) -> pd.DataFrame:
        self.keys.append(key)
        self.n_names = len(st.session_state)
        return self.edit(frame.copy())


def one_cell(row: int, column: str, value: float | None):
    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row, column] = value
        return frame

    return edit


def said(app: AppTest) -> str:
    (error,) = app.error
    return error.value.replace("\\", "")


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("sd x", -1, "sd x in row 2 must be from 0.000001 to 1e9, got -1"),
        ("mean y", None, "mean y in row 2 is empty"),
        ("points", 2.5, "points in row 2 must be a whole number, got 2.5"),
    ],
)
def test_an_illegal_cell_is_named_costs_nothing_and_can_be_mended(monkeypatch, column, value, sentence):
    typist = Typist(monkeypatch)
    app = opened({"data": "groups"})
    before = experiment(app)
    typist.edit = one_cell(2, column, value)
    run(app)
    assert said(app) == f"In the table, {sentence}. The picture shows the last table that was legal."
    assert experiment(app) == before
    typist.edit = one_cell(2, column, 3)
    run(app)
    assert not app.error
    assert experiment(app) != before
    assert set(typist.keys) == {"groups editor 0"}  # the same table all along, or the cursor would be lost


def test_a_weight_is_called_a_weight(monkeypatch):
    typist = Typist(monkeypatch)
    app = opened({"start": "by-hand", "components": "1", "by-hand": "1,0,0,1,1,0"})
    typist.edit = one_cell(1, "weight", -2)
    run(app)
    assert "weight in row 1 must be from 0.000001 to 1e6, got -2" in said(app)


def test_a_table_without_rows_is_refused_and_its_rows_come_back(monkeypatch):
    typist = Typist(monkeypatch)
    app = opened({"data": "groups"})
    before = experiment(app)
    typist.edit = lambda frame: frame.iloc[:0] if typist.keys[-1] == "groups editor 0" else frame
    run(app)
    assert "at least one row" in said(app)
    assert experiment(app) == before and typist.keys[-1] == "groups editor 1"
    typist.edit = lambda frame: frame.drop(index=1) if len(frame) == 3 else frame
    run(app)
    assert not app.error
    assert len(experiment(app).source.groups) == 2


def test_edits_do_not_pile_up_in_the_session(monkeypatch):
    typist = Typist(monkeypatch)
    app = opened({"data": "groups", "start": "by-hand", "components": "1", "by-hand": "1,0,0,1,1,0"})
    names = []
    for value in range(1, 8):
        typist.edit = lambda frame, value=value: frame.assign(**{"mean x": float(value)})
        run(app)
        run(next(button for button in app.button if button.label == "Add a group").click())
        names.append(typist.n_names)
    assert experiment(app).by_hand.means == ((7.0, 0.0),)
    assert names[-1] == names[1]
    assert set(app.session_state["session"].tables) == {"groups", "by-hand"}


def test_what_was_typed_is_there_after_another_start(monkeypatch):
    typist = Typist(monkeypatch)
    app = opened({"start": "by-hand", "components": "1", "by-hand": "1,0,0,1,1,0"})
    typist.edit = one_cell(1, "mean x", 2)
    run(app)
    typist.edit = lambda frame: frame  # the browser forgets the edits of a table that is not on show
    run(app.selectbox(key="start").set_value("random-points"))
    run(app.selectbox(key="start").set_value("by-hand"))
    assert experiment(app).by_hand.means == ((2.0, 0.0),)


def test_a_table_opens_for_who_has_chosen_it_and_for_nobody_else():
    from_link = opened({"preset": "two-squares"})
    assert not from_link.session_state["start open"]
    app = opened()
    run(app.selectbox(key="preset").set_value("two-squares"))
    assert not app.session_state["start open"]
    run(app.selectbox(key="start").set_value("random-points"))
    run(app.selectbox(key="start").set_value("by-hand"))
    assert app.session_state["start open"]
    assert not opened({"data": "groups"}).session_state["groups open"]
    run(app.segmented_control(key="data").set_value("groups"))
    assert app.session_state["groups open"]


@pytest.mark.parametrize("key", ["data-seed", "start-seed", "components", "max-iter"])
@pytest.mark.parametrize("typed", [2.7, 10**20, -4, None])
def test_whatever_is_typed_as_a_number_gives_a_legal_one(key, typed):
    app = opened({"preset": "twenty-forty"})
    run(app.number_input(key=key).set_value(typed))
    value = app.session_state["session"].values[key]
    assert choices.SETTINGS[key].parse(str(value)) == value
    assert not choices.read_link(link(app)).refused


def test_a_link_beyond_the_end_speaks_of_iterations():
    app = opened({"position": "1501", "half-steps": "0"})
    n = experiment(app).history().n_iterations
    (warning,) = app.warning
    assert warning.value == f"This link leads to iteration 750, but this run has {n} iterations; it opens at the start."


def test_a_long_list_of_mistakes_is_cut():
    app = opened({f"nonsense{k}": "1" for k in range(50)})
    assert app.warning[0].value.count("\n- ") == 11
    assert "and 40 more" in app.warning[0].value


def test_tolerances_on_the_page_and_in_the_link():
    app = opened({"tol": "1e-06"})
    assert link(app) == {} and not app.warning
    assert "1e-8" in app.selectbox(key="tol").options
    assert "0 (never stop early)" in app.selectbox(key="tol").options
    run(app.selectbox(key="tol").set_value(1e-8))
    assert link(app) == {"tol": "1e-8"}


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


def test_a_file_is_asked_for_while_an_example_stands_in():
    app = opened()
    assert not app.session_state["session"].shows_example
    run(app.segmented_control(key="data").set_value("file"))
    assert app.info[0].value == "Choose a CSV file. Until then the page shows an example."
    assert app.session_state["session"].shows_example


def brought(app: AppTest, name: str, content: bytes) -> AppTest:
    app.get("file_uploader")[0].set_value((name, content, "text/csv"))
    return run(app)


def test_a_file_is_read_and_a_large_one_refused_in_one_sentence():
    app = opened({"data": "file"})
    brought(app, "mine.csv", b"3,5\n4,2\n1,9\n8,3\n")
    captions = [caption.value.replace("\\", "") for caption in app.caption]
    assert "The file has 2 columns: Column 1, Column 2." in captions
    assert "4 rows, all of them used." in captions
    assert not app.info and not app.session_state["session"].shows_example
    assert experiment(app).dataset().X.shape == (4, 2)
    brought(app, "large.csv", b"1,2\n" * (csv_table.MAX_BYTES // 4 + 1))
    assert said(app) == "This file has 5.0 MB, more than the limit of 5 MB. The page keeps showing what it had."
    assert experiment(app).dataset().X.shape == (4, 2)
    captions = [caption.value.replace("\\", "") for caption in app.caption]
    assert "On show: mine.csv, Column 1, Column 2." in captions
    assert not any("all of them used" in caption for caption in captions)
    run(app.segmented_control(key="data").set_value("preset"))
    assert app.session_state["session"].table is None


def test_a_file_that_is_not_here_is_asked_for():
    app = opened({"data": "file", "file": "heights.csv"})
    assert "heights" in app.info[0].value
    assert "How it ended" in words(app)


@pytest.mark.parametrize(
    "query",
    [
        {"data": "file", "file": "a.csv", "start": "by-hand", "by-hand": "1,0,1;1,2,1", "components": "2"},
        {"data": "file", "file": "a.csv", "start": "by-hand", "by-hand": "1,0,0,1,1,0", "components": "1"},
    ],
)
def test_a_start_by_hand_waits_for_the_file_that_it_was_made_for(query):
    app = opened(query)
    assert not app.warning
    assert link(app) == query


def test_by_hand_then_groups_then_file_keeps_the_page():
    app = opened({"preset": "waiting-times"})
    run(app.selectbox(key="start").set_value("by-hand"))
    run(app.segmented_control(key="data").set_value("groups"))
    run(app.segmented_control(key="data").set_value("file"))
    run(app.segmented_control(key="data").set_value("preset"))
    assert experiment(app).start == "by-hand"


@pytest.mark.parametrize("scale", [1e-8, 1, 1e12])
def test_a_start_by_hand_from_any_data_is_legal_and_its_link_reopens(scale):
    x = np.arange(50.0)
    app = opened()
    visit = app.session_state["session"]
    visit.own = OwnData.of("line.csv", ("x", "y"), scale * np.column_stack([x, x + 1e-4 * (x % 3)]))
    run(app.segmented_control(key="data").set_value("file"))
    run(app.selectbox(key="start").set_value("by-hand"))
    choices.SETTINGS["by-hand"].parse(choices.SETTINGS["by-hand"].write(visit.values["by-hand"]))


def test_a_reseeded_run_is_compared_with_the_one_before_on_the_same_data_only():
    app = opened({"preset": "three-groups"})
    assert "The run before this one" not in words(app)
    before = experiment(app).history().objective[-1]
    run({button.label: button for button in app.button}["Reseed start"].click())
    assert report.comparison(experiment(app).history(), before) in words(app)
    run({button.label: button for button in app.button}["New data"].click())
    assert "The run before this one" not in words(app)
