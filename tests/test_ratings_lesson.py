"""The lesson on ratings under AppTest: links, widgets, predictions, tables, and what is refused."""

from __future__ import annotations

from functools import partial

import pytest

from emcore.sources.ratings import PEOPLE
from pages.parts import ratings as parts
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "ratings.py")


@pytest.mark.parametrize("example", parts.TITLES)
def test_every_example_opens_from_its_link(example):
    app = lesson(table=example, position="9")
    assert not app.warning and not app.error
    assert "How it ended" in words(app) and "after E-step 4" in words(app)
    assert link(app) == ({} if example == "chance" else {"table": example})


def test_few_people_end_in_a_collapse_in_words():
    app = lesson(table="few")
    assert "in a collapse" in words(app) and "covariance has lost a dimension" in words(app)
    assert app.session_state["session"].values["people"] == 12


def test_a_dish_that_all_rate_alike_ends_the_run_at_once():
    app = lesson(table="few", data_seed="1", position="1")
    assert "All values seen of column 5 are the same" in words(app)
    assert not app.radio and "after E-step 0" in words(app)


def test_an_example_sets_up_its_people_and_run():
    app = lesson()
    run(app.selectbox(key="table").set_value("few"))
    assert link(app) == {"table": "few"}
    values = app.session_state["session"].values
    assert (values["people"], values["data-seed"], values["max-iter"]) == (12, 3, 200)
    run(app.slider(key="people").set_value(14))
    assert link(app) == {"table": "few", "people": "14"}


def test_a_prediction_is_made_before_its_answer_is_shown():
    app = lesson()
    assert "at the end." not in words(app)
    run(app.radio[0].set_value(0))
    said = words(press(app, "Predict"))
    assert "**It falls, then rises** (you predicted" in said and "44 parameters" in said
    other = lesson(table="liking")
    run(other.radio[0].set_value(0))
    said = words(press(other, "Predict"))
    assert "**Too high** (as you predicted)" in said


def test_somebody_new_is_in_the_link_and_predicted():
    app = lesson(position="21")
    assert "of which these ratings tell most" in words(app)
    run(app.selectbox(key="dish-2").set_value("chili"))
    run(app.slider(key="stars-2").set_value(2))
    assert link(app) == {"dish-2": "chili", "stars-2": "2"}
    friend = lesson(**link(app), position="21")
    assert words(friend).split("Somebody")[-1] == words(app).split("Somebody")[-1]
    run(app.selectbox(key="dish-2").set_value("hot-curry"))
    assert "rated twice" in words(app)
    for turn in parts.TURNS:
        run(app.selectbox(key=f"dish-{turn}").set_value(parts.NOTHING))
    assert not app.error and "tell most" not in words(app)


def test_before_the_first_step_nothing_is_filled():
    said = words(lesson(half_steps="1"))
    assert "At the start no cell is filled yet" in said and "at iteration 0: mean ± sd" in said


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(table="films", people="900", missing="x", hidden="0", person="79", stars_1="6", dish_2="hot-curry")
    said = app.warning[0].value
    assert all(name in said for name in ("table", "people", "missing", "hidden", "person", "stars\\-1", "dish\\-2"))
    assert "How it ended" in words(app)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("people", "9"),
        ("people", "1e1"),
        ("missing", "100"),
        ("hidden", "-5"),
        ("begin", ""),
        ("stars-3", "0"),
        ("dish-1", "Hot curry"),
        ("person", "61"),
    ],
    ids=str,
)
def test_values_that_cannot_be(name, text):
    read = choices.read_link({name: text}, parts.OFFER)
    assert len(read.refused) == 1 and read.refused[0].startswith(name)


def test_fewer_people_than_the_chosen_one():
    app = lesson(person="59", position="1")
    run(app.selectbox(key="person").set_value(60))
    assert link(app) == {"person": "60"} and f"{PEOPLE[59]} after E-step 0" in words(app)
    run(app.slider(key="people").set_value(20))
    assert app.session_state["session"].values["person"] == 20
    assert not app.error


@pytest.mark.parametrize("query", [{"missing": "60", "hidden": "40", "people": "10"}, {"begin": "random"}], ids=str)
def test_extreme_tables_stay_on_show(query):
    app = lesson(**query, position="1", max_iter="20")
    assert not app.error and "How it ended" in words(app)


def test_the_offer_reads_back_what_it_writes():
    values = choices.read_link({"table": "liking", "person": "7", "dish-3": "none"}, parts.OFFER).values
    written = choices.write_link(values, parts.OFFER)
    assert choices.read_link(written, parts.OFFER).values == values
