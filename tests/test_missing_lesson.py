"""The lesson on missing values under AppTest: examples, links, the forgetful switch, files with holes, what is said."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from emcore.missing import finished, hole, rows_with_a_hole
from emcore.models import MissingNormal
from emcore.sources.missing import MECHANISMS, OwnTable
from pages.parts import missing as parts
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "missing.py")


def formulas(app) -> str:
    return "".join(element.value for element in app.get("latex"))


def values(app) -> dict:
    return app.session_state["session"].values


def experiment(app):
    return app.session_state["session"].rested[0]


@pytest.mark.parametrize("name", parts.TITLES)
def test_every_example_opens_from_its_link(name):
    app = lesson(holes=name, position="7")
    assert not app.warning and not app.error
    said = words(app)
    assert "How it ended" in said and "Parameters at iteration 3" in said
    assert link(app) == ({} if name == "two-tests" else {"holes": name})


def test_the_wrong_variance_stands_beside_the_right_one():
    """0.80 instead of 1.00 at 30 % missing, in these data and with endless ones."""
    app = lesson(forget="1")
    said = words(app)
    assert "Variance of Second test: 0.80 at the end of this run, 1.00 by EM." in said
    assert "it would be 0.80 instead of 1.00: 1 − 0.30 · (1 − 0.58²)" in said
    assert "The run ends 5.03 nats below the maximum" in said
    assert r"\cancel" in formulas(app)
    table = said[said.index("other methods") :]
    rows = {row.split("</span>")[0].split(">")[-1]: row for row in table.split('<th scope="row">')[1:]}
    assert "0.80<" in rows["Fill in what is expected, forget the variance"]
    assert "1.00<" in rows["EM: fill in and keep the variance"]
    app = run(app.toggle(key="forget").set_value(False))
    assert "forgotten" not in words(app) and r"\cancel" not in formulas(app) and link(app) == {}


def test_a_fall_is_named_with_its_iteration():
    app = lesson(forget="1", why="completely")
    history = experiment(app).history()
    fallen = int(np.flatnonzero(np.diff(history.objective) < 0)[0]) + 1
    assert f"In iteration {fallen} the log-likelihood fell" in words(app)


@pytest.mark.parametrize("query", [{}, {"loss": "either"}, {"holes": "twelve-points", "hole": "7"}], ids=str)
def test_one_hole_is_worked_with_the_run_s_numbers(query):
    app = lesson(position="9", **query)
    rows = rows_with_a_hole(experiment(app).dataset().X)
    one = hole(experiment(app).history(), 9, int(rows[values(app)["hole"] - 1]))
    written = formulas(app)
    for value in (one.expected, one.variance, one.mean_missing, one.variance_seen):
        assert parts.tex(value) in written
    made = experiment(app).history().parameters[5].covariance[one.missing, one.missing]
    assert parts.tex(float(made)) in written
    run(app.number_input(key="hole").set_value(2))
    assert f"row {rows[1] + 1}" in words(app) and link(app)["hole"] == "2"


def test_murray_s_saddle_and_maxima_are_named():
    said = words(lesson(holes="twelve-points", begin="independent"))
    assert "This is the saddle" in said
    app = lesson(holes="twelve-points")
    assert experiment(app).history().parameters[-1].correlations[0, 1] == pytest.approx(0.5, abs=1e-3)
    assert "This is the saddle" not in words(app)
    press(app, "Reseed start")
    assert link(app) == {"holes": "twelve-points", "start-seed": "6"}
    assert experiment(app).history().parameters[-1].correlations[0, 1] == pytest.approx(-0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ({}, 2),
        ({"why": "itself"}, 2),
        ({"why": "completely"}, 0),
        ({"forget": "1"}, 0),
        ({"holes": "twelve-points"}, 1),
        ({"holes": "twelve-points", "forget": "1"}, 2),
        ({"holes": "own"}, 2),
        ({"holes": "eruptions"}, 2),
        ({"holes": "eruptions", "forget": "1"}, 0),
    ],
    ids=str,
)
def test_a_prediction_is_made_before_its_answer_is_shown(query, right):
    app = lesson(**query)
    run(app.radio[0].set_value(right))
    options = app.radio[0].options
    assert f"**{options[right]}** (as you predicted)" in words(press(app, "Predict"))


def bring(app, content: bytes):
    app.get("file_uploader")[0].set_value(("mine.csv", content, "text/csv"))
    return run(app)


def test_a_file_with_holes():
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.normal(size=(40, 2)) @ [[1, 0.5], [0, 1]] + 10, columns=["=height", "weight"])
    table.iloc[3:12, 0] = np.nan
    table.iloc[20:25, 1] = np.nan
    table.iloc[30] = np.nan
    text = table.assign(name="a").to_csv(index=False)
    app = bring(lesson(holes="own"), text.encode())
    said = words(app)
    assert "40 rows with 16 holes. Rows with neither value, which count for nothing: 1." in said
    assert "1 row has neither value" in said and "height" in said
    source = experiment(app).source
    assert isinstance(source, OwnTable)
    np.testing.assert_allclose(source.make().X, table.to_numpy(), rtol=1e-12)
    best = finished(MissingNormal(), table.to_numpy()).parameters[-1]
    np.testing.assert_allclose(experiment(app).history().parameters[-1].covariance, best.covariance, rtol=0.01)


def test_the_filled_table_is_the_run_s():
    history = experiment(lesson(position="9")).history()
    posterior = history.posterior(4)
    text = parts.filled_csv(history, 9, ("=first", "second"))
    lines = text.splitlines()
    assert lines[0] == "'=first,second,sd of =first,sd of second" and len(lines) == 201
    got = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    np.testing.assert_array_equal(got, np.hstack([posterior.filled, posterior.sds]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x\n1\n2\n", "Choose two columns of numbers"),
        (b"x,y\n1,NA\n2,\n", "Choose two columns of numbers"),
        (b"", "empty"),
        (b"x,y\n1e31,2\n5,3\n", "use another unit"),
    ],
    ids=["one column", "an empty column", "nothing", "too large"],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(content, said):
    app = bring(lesson(holes="own"), content)
    assert said in app.error[0].value and "How it ended" in words(app)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x,y\n1,2\n2,2\n3,\n,2\n", "All values seen of column 2 are the same"),
        (b"x,y\n1,\n2,\n,4\n,5\n", "No row has both values"),
        (b"x,y\n1,2\n3,5\n4,1\n", "There is no hole"),
        (b"x,y\n1,2\n2,4\n3,6\n,8\n", "lie on a line or a plane"),
        (b"x,y\n1e29,2\n2e29,4\n,8\n5e29,n.d.\n7e29,1\n", "Cells that are no numbers count as holes: 1"),
        (b"x,y\n5,6\n", "All values seen of columns 1 and 2 are the same"),
    ],
    ids=["constant", "apart", "whole", "line", "huge", "one row"],
)
def test_what_the_data_cannot_tell_is_said(content, said):
    app = bring(lesson(holes="own"), content)
    assert not app.error, app.error
    labels = "".join(box.label for box in app.get("expander"))
    assert said in words(app) + labels


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(
        holes="gaps", people="7", related="2", share="0", loss="z", why="0", forget="2", begin="x", hole="-1",
        components="3",
    )  # fmt: skip
    said = app.warning[0].value
    names = ("holes", "people", "related", "share", "loss", "why", "forget", "begin", "hole", "components")
    assert all(name in said for name in names)
    assert "How it ended" in words(app) and link(app) == {}
    far = lesson(hole="20000", share="5")
    assert values(far)["hole"] == 10 and not far.exception


@pytest.mark.parametrize("setting", parts.OFFER.own)
def test_what_is_written_is_read_again(setting):
    offer = parts.OFFER
    changed = {
        "holes": "twelve-points", "data-seed": 7, "people": 30, "related": -0.4, "share": 80, "loss": "either",
        "why": "itself", "forget": True, "begin": "complete", "hole": 9, "lost": True, "truth": True,
    }  # fmt: skip
    query = choices.write_link(offer.defaults({}) | {setting: changed[setting]}, offer)
    assert query[setting]
    assert choices.read_link(query, offer).values[setting] == changed[setting]


@pytest.mark.parametrize("why", MECHANISMS)
def test_extreme_choices_run(why):
    app = lesson(why=why, related="-0.95", share="80", loss="either", people="30", begin="complete", max_iter="20")
    assert not app.exception and "How it ended" in words(app)
