"""The lesson on coins under AppTest: links, widgets, predictions, tables, and what is refused."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest

from pages.parts import coins
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "coins.py")


@pytest.mark.parametrize("example", coins.TITLES)
def test_every_example_opens_from_its_link(example):
    app = lesson(tosses=example)
    assert not app.warning and not app.error
    assert "How it ended" in words(app)
    assert link(app) == ({} if example == "five-sets" else {"tosses": example})


def test_the_table_is_the_one_of_the_paper():
    """Do & Batzoglou (2008), figure 1b: 21.3 and 8.6, 11.7 and 8.4 heads and tails; 0.71 and 0.58; then 0.80, 0.52."""
    app = lesson(position="1")
    said = words(app)
    assert "coin 1: 21.297 / 29.870 = 0.7130; coin 2: 11.703 / 20.130 = 0.5813" in said
    assert "0.805" in said and "0.449" in said
    last = words(lesson(position="21"))
    assert "0.7968" in last and "0.5196" in last


def test_an_example_sets_up_model_start_and_run():
    app = lesson()
    run(app.selectbox(key="tosses").set_value("three-coins"))
    values = app.session_state["session"].values
    assert (values["coins"], values["equal"], values["hand"]) == (3, False, False)
    assert link(app) == {"tosses": "three-coins"}
    run(app.number_input(key="coins").set_value(2))
    assert link(app) == {"tosses": "three-coins", "coins": "2"}
    assert not app.error


def test_a_start_by_hand_is_in_the_link():
    app = lesson()
    first = next(field for field in app.number_input if field.label == "Coin 1 begins at")
    run(first.set_value(0.9))
    assert link(app)["begin"] == "0.9,0.5"
    friend = lesson(**link(app))
    assert friend.session_state["session"].values["begin"] == ((0.9, 0.5),)
    run(app.toggle(key="hand").set_value(False))
    assert link(app) == {"hand": "0"}
    more = lesson(coins="3", begin="0.2,0.3")
    assert [field.value for field in more.number_input if "begins" in field.label] == [0.2, 0.3, 0.4]


def test_a_prediction_is_made_before_its_answer_is_shown():
    app = lesson()
    assert "began" not in words(app)
    run(app.radio[0].set_value(1))
    said = words(press(app, "Predict"))
    assert "**Farther apart** (you predicted" in said and "They began 0.100 apart and end 0.277 apart" in said
    run(app.number_input(key="max-iter").set_value(3))
    assert any(button.label == "Predict" for button in app.button)  # another run is another question


@pytest.mark.parametrize(
    ("example", "answer"),
    [("three-coins", "**More than two thirds** (you predicted"), ("linkage", "It is 29.83 at p = 0.6268")],
    ids=["three-coins", "linkage"],
)
def test_other_examples_have_questions_of_their_own(example, answer):
    app = lesson(tosses=example)
    run(app.radio[0].set_value(0))
    assert answer in words(press(app, "Predict"))


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(tosses="many", coins="9", equal="yes", begin="0,1", own_tosses="5,3", preset="three-blobs", hand="2")
    said = app.warning[0].value
    assert all(name in said for name in ("tosses", "coins", "equal", "begin", "own\\-tosses", "preset", "hand"))
    assert "How it ended" in words(app)


@pytest.mark.parametrize("text", ["5,3", "1;2", "nan,nan", "1,1e300", "0.5,3", "3,0", "", "1,2,3", "x"], ids=repr)
def test_tosses_that_cannot_be(text):
    link = choices.read_link({"tosses": "own", "own-tosses": text}, coins.OFFER)
    assert len(link.refused) == 1 and link.refused[0].startswith("own-tosses: ")


@pytest.mark.parametrize("text", ["0,1", "0.5,nan", "0.5;0.5", "0.1,0.2,0.3,0.4,0.5,0.6", "-1"], ids=repr)
def test_chances_that_cannot_be(text):
    link = choices.read_link({"begin": text}, coins.OFFER)
    assert len(link.refused) == 1 and link.refused[0].startswith("begin: ")


def test_a_link_beyond_the_end_opens_at_the_start():
    app = lesson(position="1999")
    assert "this run has 10 iterations" in app.warning[0].value


def test_tosses_of_one_s_own_stay_and_collapse_in_words():
    app = lesson(tosses="own", own_tosses="0,10;10,10;0,7", coins="2")
    assert "How it ended" in words(app) and not app.error
    assert lesson(tosses="own", own_tosses="3,3", coins="5").session_state["session"].values["coins"] == 5


def test_the_linkage_example_reaches_its_exact_maximum():
    app = lesson(tosses="linkage", position="15")
    assert "0.6268214979" in words(app)
    assert "0.133 of the error" in words(app) and "(probability)" in words(app)
    press(app, "Reseed start")
    assert link(app) == {"tosses": "linkage", "start-seed": "1"}


def test_the_offer_reads_back_what_it_writes():
    values = choices.read_link({"tosses": "own", "own-tosses": "1,2;3,4", "coins": "3"}, coins.OFFER).values
    written = choices.write_link(values, coins.OFFER)
    assert choices.read_link(written, coins.OFFER).values == values


def test_tosses_typed_into_the_table_are_in_the_link(monkeypatch):
    app = lesson(tosses="own", own_tosses="5,10;9,10")
    typed = [(7, 10), (9, 10)]
    monkeypatch.setattr("streamlit.data_editor", lambda *_, **__: table(typed, ["heads", "tosses"]))
    run(app)
    assert link(app)["own-tosses"] == "7,10;9,10"
    typed[0] = (70, 10)
    run(app)
    assert "0 ≤ heads ≤ tosses" in app.error[0].value
    typed.clear()
    run(app)
    assert "at least one row" in app.error[0].value
    assert link(app)["own-tosses"] == "7,10;9,10"


def table(rows, columns) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns), dtype=float)
