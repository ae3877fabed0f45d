"""The lesson on factor analysis under AppTest: sections, links, clicks, predictions, and what is refused."""

from __future__ import annotations

from functools import partial

import pytest

from emcore.sources.factors import EXAMPLES
from pages.parts import factors as parts
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "factor_analysis.py")


def formulas(app) -> str:
    return "".join(element.value for element in app.get("latex"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_opens_from_its_link(name):
    app = lesson(variables=name, position="7")
    assert not app.warning and not app.error
    said = words(app)
    assert "How it ended" in said and "Parameters at iteration 3" in said
    assert all(axis in said for axis in EXAMPLES[name].axes)
    assert link(app) == ({} if name == "two-examiners" else {"variables": name})


def test_an_example_sets_up_its_model():
    app = lesson(variables="irises", begin="axes")
    run(app.selectbox(key="variables").set_value("six-tests"))
    values = app.session_state["session"].values
    assert (values["factors"], values["noise"], values["begin"]) == (2, "own", "random")
    run(app.number_input(key="factors").set_value(3))
    assert link(app) == {"variables": "six-tests", "factors": "3"}
    run(app.selectbox(key="variables").set_value("two-examiners"))
    assert app.session_state["session"].values["factors"] == 1 and not app.exception


def test_the_derivation_shows_this_run_s_numbers():
    """Worked by hand from the loadings and the noise on show: G = 1 / (1 + sum w^2 / psi)."""
    app = lesson(section="derivation", position="9")
    said, written = words(app), formulas(app)
    assert "The votes of point 42" in said and "From iteration 4 to 5" in said
    history = app.session_state["session"].rested[0].history()
    theta = history.parameters[4]
    G = 1 / (1 + float((theta.loadings[:, 0] ** 2 / theta.noise_variances).sum()))
    assert f"{G:.6g}" in written
    x = history.X[41] - theta.mean
    score = G * float((theta.loadings[:, 0] / theta.noise_variances * x).sum())
    assert f"{score:.6g}" in written and f"{G + score**2:.6g}" in written
    assert f"{float(history.parameters[5].loadings[0, 0]):.6g}" in written
    run(app.number_input(key="point").set_value(7))
    assert "The votes of point 7" in words(app) and link(app)["point"] == "7"


def test_two_factors_have_matrices():
    app = lesson(variables="six-tests", section="derivation", position="2")
    assert formulas(app).count("pmatrix") > 10
    assert "Weight 2" in words(app) and "w2: old → new" in words(app)


def test_rotation_leaves_the_log_likelihood():
    app = lesson(variables="six-tests", section="rotation", position="21", rotation="30")
    sentence = next(element.value for element in app.markdown if "before" in element.value and "after" in element.value)
    numbers = sentence.split("**")
    assert numbers[1] == numbers[3]
    run(app.slider(key="rotation").set_value(90))
    assert link(app)["rotation"] == "90"
    assert "only the sign is free" in words(lesson(section="rotation"))


def test_beside_pca_has_the_closed_form():
    app = lesson(section="pca", position="33")
    said = words(app)
    assert "EM, and eigenvectors" in said and "EM reaches it from almost every start" in said
    assert "there is no closed form" in words(lesson(section="pca", variables="three-examiners"))


@pytest.mark.parametrize("begin", ["axes", "across"])
def test_other_beginnings(begin):
    app = lesson(begin=begin)
    values = app.session_state["session"].values
    assert values["begin"] == begin and not app.error and not app.info
    assert app.number_input(key="start-seed").disabled


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_prediction_is_made_before_its_answer_is_shown(name):
    app = lesson(variables=name)
    run(app.radio[0].set_value(0))
    said = words(press(app, "Predict"))
    right = {"two-examiners": 0, "three-examiners": 1, "six-tests": 2, "irises": 2}[name]
    assert ("as you predicted" in said) is (right == 0)
    assert f"**{app.radio[0].options[right]}**" in said


def test_heywood_is_said_where_it_is():
    assert "A Heywood case" in words(lesson(variables="irises"))
    assert "A Heywood case" not in words(lesson(variables="six-tests"))
    assert "this model has 4" in words(lesson(noise="own"))


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(
        variables="roses", factors="9", noise="loud", begin="0", section="all", point="-1", turn="400", rotation="x",
        springs="2", components="3", data_seed="1e9",
    )  # fmt: skip
    said = app.warning[0].value
    names = ("variables", "factors", "noise", "begin", "section", "point", "turn", "rotation", "springs", "components")
    assert all(name in said for name in names)
    assert "How it ended" in words(app)


def test_what_does_not_fit_the_data_is_named():
    read = choices.read_link({"factors": "2"}, parts.OFFER)
    assert read.refused == ("factors: 2 variables can have at most 1 of them, got 2.",)
    assert read.values["factors"] == 1
    assert choices.read_link({"factors": "2", "variables": "three-examiners"}, parts.OFFER).refused == ()
    app = lesson(point="300")  # of 150
    assert not app.exception and app.session_state["session"].values["point"] == 150


@pytest.mark.parametrize("setting", parts.OFFER.own)
def test_what_is_written_is_read_again(setting):
    offer = parts.OFFER
    values = offer.defaults({"variables": "three-examiners"}) | {"variables": "three-examiners"}
    changed = {
        "variables": "irises", "data-seed": 7, "factors": 2, "noise": "equal", "begin": "axes", "section": "rotation",
        "point": 9, "turn": 45, "rotation": 135, "springs": False, "truth": True,
    }  # fmt: skip
    values |= {"section": "rotation"} | {setting: changed[setting]}
    query = choices.write_link(values, offer)
    if setting != "variables":
        assert query[setting]
        assert choices.read_link(query, offer).values[setting] == changed[setting]


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ({"variables": "six-tests", "factors": "1"}, "piece of the hidden line"),
        ({"variables": "irises", "noise": "equal"}, "piece of the hidden line"),
        ({"variables": "three-examiners", "factors": "2"}, "Turn two of the factors"),
        ({"variables": "own"}, "piece of the hidden line"),
    ],
    ids=["one", "equal", "two", "own"],
)
def test_the_question_fits_the_model(query, asked):
    assert asked in words(lesson(**query))


def test_a_saddle_is_named():
    assert "stands still on other eigenvectors" in words(lesson(section="pca", begin="across"))
    assert "stands still" not in words(lesson(section="pca"))


def test_a_file_that_is_not_here_has_a_stand_in():
    app = lesson(variables="own", factors="3", point="20000", section="rotation")
    assert "Choose a CSV file" in app.info[0].value and not app.warning
    values = app.session_state["session"].values
    assert (values["factors"], values["point"]) == (1, 150)
    assert link(app)["variables"] == "own"
