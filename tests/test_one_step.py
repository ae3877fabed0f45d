"""One point, one step, under AppTest: what the page shows is the run's own arithmetic."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from emcore import worked
from emcore.models import GaussianMixture
from pages.parts import cards, sheet
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, run, words
from tests.test_worked import HALVES, POINTS

opened = partial(apptest.lesson, "one_step.py")


def history(app: AppTest):
    visit = app.session_state["session"]
    return choices.experiment(visit.values, visit.own).history()


@pytest.mark.parametrize("part", choices.STEP_PARTS)
@pytest.mark.parametrize("preset", ["three-blobs", "waiting-times", "tiny", "duplicates", "outlier", "ring"])
def test_every_part_opens_on_all_kinds_of_data(part, preset):
    app = opened(part=part, preset=preset)
    assert not app.warning and not app.error
    assert app.title[0].value == "One point, one step"


def test_labels_come_first_and_their_table_counts_them():
    app = opened()
    assert link(app) == {}
    assert app.segmented_control(key="part").value == "labels"
    table = words(app)
    for count in (120, 100, 80):
        assert f"<td>{count}</td>" in table
    assert "Nobody knows labels" not in table
    assert "Nobody knows labels" in words(opened(preset="waiting-times"))
    assert "cannot begin with labels" in words(opened(preset="tiny"))


def test_the_card_has_the_numbers_of_the_chosen_point():
    app = opened(part="e-step", preset="tiny", point="1", position="1")
    run_ = history(app)
    made = worked.bayes(run_.parameters[0], run_.X[0])
    shown = words(app)
    for value in (*made.densities, *made.products, made.density, *made.responsibilities):
        assert cards.shown(float(value)) in shown
        assert cards.tex(float(value)) in shown
    assert "0.1995" in shown and "0.8808" in shown  # half of 0.3989; 1 / (1 + exp(-2))


def test_points_are_counted_through_and_stay_in_the_link():
    app = opened(part="e-step")
    run(next(button for button in app.button if button.label == "Next point").click())
    assert link(app) == {"part": "e-step", "point": "2"}
    run(app.number_input(key="point").set_value(300))
    assert "Bayes' rule at point 300" in app.main.subheader[-1].value
    assert next(button for button in app.button if button.label == "Next point").disabled
    friend = opened(**link(app))
    assert words(friend) == words(app)


def test_a_point_that_other_data_do_not_have_becomes_the_last():
    app = opened(part="e-step", point="250")
    run(app.selectbox(key="preset").set_value("tiny"))
    assert app.number_input(key="point").value == 3
    assert not app.warning


def test_any_place_on_the_axis_can_be_chosen_and_a_point_takes_it_back():
    app = opened(part="e-step", preset="waiting-times")
    run(app.slider(key="x shown").set_value(67.0))
    assert link(app)["x"] == "67"
    assert app.main.subheader[-1].value == "Bayes' rule at x = 67"
    assert "The curves cross at" in words(app)
    run(app.number_input(key="point").set_value(5))
    assert "x" not in link(app) and "point 5" in app.main.subheader[-1].value


def test_in_logarithms_also_where_products_vanish():
    app = opened(part="e-step", preset="tiny", x="3.5", logs="1")
    assert r"a_{\max}" in words(app)
    run_ = history(app)
    made = worked.bayes(run_.parameters[0], [3.5])
    assert cards.shown(float(made.log_products[0])) in words(app)
    far = opened(part="e-step", preset="tiny", x="90", logs="1")
    assert "All products are 0" in words(far)


def test_densities_above_1_are_explained_where_they_occur():
    narrow = {"data": "groups", "groups": "50,0,0.01;50,1,0.01", "components": "2", "start": "k-means-plus-plus"}
    last = str(2 * history(opened(**narrow)).n_iterations + 1)
    assert "more than 1" in (shown := words(opened(part="e-step", position=last, **narrow))) and "1/x" in shown
    assert "above 0" in words(opened(part="m-step", position=last, **narrow))
    assert "more than 1" not in words(opened(part="e-step"))


def test_the_m_step_s_card_is_the_next_iteration():
    app = opened(part="m-step", component="2", position="3")
    run_ = history(app)
    posterior = run_.posterior(1)
    shown = words(app)
    assert cards.tex(float(posterior.counts[1])) in shown
    for value in (
        *run_.parameters[2].means[1],
        run_.parameters[2].weights[1],
        *run_.parameters[2].covariances[1].ravel(),
    ):
        assert cards.tex(float(value)) in shown
    run(app.segmented_control(key="component").set_value(3))
    assert link(app) == {"part": "m-step", "component": "3"}


@pytest.mark.parametrize("shape", ["tied", "diag", "spherical"])
def test_what_the_covariance_type_does_is_said(shape):
    assert "The covariance type is" in words(opened(part="m-step", shape=shape))
    assert "The covariance type is" not in words(opened(part="m-step"))


def test_an_m_step_without_result_says_why():
    app = opened(part="m-step", preset="duplicates")
    last = 2 * history(app).n_iterations + 1
    app = opened(part="m-step", preset="duplicates", position=str(last))
    assert any("collapsed" in warning.value for warning in app.warning)


def test_large_data_are_cut_to_a_part_and_that_is_said():
    app = opened(part="e-step", preset="twenty-forty")
    assert "500 of the 10,000 points" in words(app)
    assert app.number_input(key="point").max == 500
    assert "500 points" in words(opened(preset="twenty-forty"))


def test_a_component_that_the_model_does_not_have_becomes_the_last():
    app = opened(part="m-step", component="3")
    run(app.number_input(key="components").set_value(2))
    assert app.segmented_control(key="component").value == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("part", "x"),
        ("point", "0"),
        ("x", "nan"),
        ("component", "11"),
        ("logs", "2"),
        ("points", "1,2,3"),
        ("given", "1"),
    ],
)
def test_links_that_make_no_sense_are_named_and_the_usual_stands_in(name, text):
    app = opened(**{name: text})
    assert any(name in warning.value for warning in app.warning)


@pytest.mark.parametrize(
    ("rows", "fits"), [(((0, 1, 1, 0.5),), True), (((0, 13, 1, 0.5),), False), (((np.nan,) * 4,), False)]
)
def test_edits_in_a_link_are_checked(rows, fits):
    if fits:
        choices.check_given(rows)
    else:
        with pytest.raises(ValueError, match=r"must be"):
            choices.check_given(rows)


def test_three_points_by_hand_from_anywhere():
    app = opened(part="sheet")
    assert "room for 12 of the points" in words(app)
    run(next(button for button in app.button if button.label == "Three points, by hand").click())
    assert link(app) == {"part": "sheet", "preset": "tiny"}
    shown = words(app).replace("\N{MINUS SIGN}", "-")
    assert "-4.3893; -3.5492; -3.4868; -3.4183; -3.3862" in shown
    assert "Log-likelihood -4.3893; after the M-step it is -3.5492." in shown


@pytest.mark.parametrize(("position", "before", "after"), [("1", "-4.3893", "-3.5492"), ("7", "-3.4183", "-3.3862")])
def test_the_sheet_follows_the_run(position, before, after):
    shown = words(opened(part="sheet", preset="tiny", position=position)).replace("\N{MINUS SIGN}", "-")
    assert f"Log-likelihood {before}; after the M-step it is {after}." in shown


def test_points_are_added_removed_and_taken_back():
    app = opened(part="sheet", preset="tiny")
    press = {button.label: button for button in app.button}
    run(press["Add a point"].click())
    assert link(app)["points"] == "1;2;3;3"
    press = {button.label: button for button in app.button}
    run(press["Remove the last point"].click())
    assert link(app)["points"] == "1;2;3"
    press = {button.label: button for button in app.button}
    run(press["Undo all edits"].click())
    assert link(app) == {"part": "sheet", "preset": "tiny"}


def test_edits_come_back_from_a_link_and_belong_to_their_iteration():
    app = opened(part="sheet", preset="tiny", given="0,2,1,0.9", position="1")
    assert not app.warning
    assert "Row 2 edited" in words(app)
    assert "Row 2 edited" not in words(opened(part="sheet", preset="tiny", given="0,2,1,0.9", position="3"))
    other = opened(part="sheet", preset="tiny", points="1;2;3.5")
    expected = worked.sheet(GaussianMixture(2), [[1.0], [2.0], [3.5]], HALVES)
    assert worked.about_sheet(expected) in words(other)


def test_with_one_component_there_is_no_responsibility_to_edit():
    shown = words(opened(part="sheet", preset="tiny", components="1", start="random-points", given="0,1,1,0"))
    assert "edited" not in shown and "after the M-step" in shown


def test_edits_of_other_data_are_left_behind():
    app = opened(part="sheet", preset="tiny", points="1;2;4")
    run(app.selectbox(key="preset").set_value("three-blobs"))
    assert "points" not in link(app) and not app.warning


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"cell": "x 1 0", "text": "2.5"}, ("x", 1, 0, 2.5)),
        ({"cell": "r 2 1", "text": " 0,25 "}, ("r", 2, 1, 0.25)),
        ({"cell": "x 3 0", "text": "1"}, None),
        ({"cell": "x 0 1", "text": "1"}, None),
        ({"cell": "r 0 2", "text": "1"}, None),
        ({"cell": "p 0 0", "text": "1"}, None),
        ({"cell": "x 0 0", "text": "inf"}, None),
        ({"cell": "x 0 0", "text": "two"}, None),
        ({"cell": 3, "text": "1"}, None),
        ("x 0 0", None),
    ],
)
def test_what_the_browser_says_is_read_with_care(edit, expected):
    assert sheet.read_edit(edit, worked.sheet(GaussianMixture(2), POINTS, HALVES)) == expected


def test_every_cell_of_the_sheet_says_what_it_is_and_what_it_comes_from():
    made = worked.sheet(GaussianMixture(2), POINTS, HALVES)
    html = sheet.html(made, ("x",), 0)
    titles = sheet.titles(made)
    cells = set(re.findall(r'data-cell="([^"]+)"', html))
    assert cells == set(titles)
    assert set(made.inputs) <= cells
    assert {name for names in made.inputs.values() for name in names} <= cells
    assert html.count("<input") == 3 + 6
    assert "&lt;b&gt;" in sheet.html(made, ("<b>",), 0)


def test_the_sentence_of_a_cell_has_the_numbers_that_one_would_write_on_paper():
    titles = sheet.titles(worked.sheet(GaussianMixture(2), POINTS, HALVES))
    expected = {
        "p 0 0": "π₁ × 𝒩(x₁ | μ₁, σ₁²) = 0.5 × 0.3989 = 0.1995",
        "s 1": "= 0.121 + 0.121 = 0.242",
        "l 1": "ln p(x₂) = ln 0.242 = −1.4189",
        "r 0 0": "= 0.1995 / 0.2265 = 0.8808",
        "L": "= −1.4852 − 1.4189 − 1.4852 = −4.3893",
        "N 0": "= 0.8808 + 0.5 + 0.1192 = 1.5",
        "w 1": "π₂ = N₂ / N = 1.5 / 3 = 0.5",
        "m 0": "= (0.8808 × 1 + 0.5 × 2 + 0.1192 × 3) / 1.5 = 1.492",
        "v 0": "= (0.8808 × (1 − 1.492)² + 0.5 × (2 − 1.492)² + 0.1192 × (3 − 1.492)²) / 1.5 = 0.4089",
    }
    for name, text in expected.items():
        assert text in titles[name], name
    tied = sheet.titles(worked.sheet(GaussianMixture(2, "tied"), POINTS, HALVES))
    assert "one for all components" in tied["v 0"]
    nothing = worked.sheet(GaussianMixture(2), POINTS, HALVES, {(n, 0): 0.0 for n in range(3)})
    assert "no result" in sheet.titles(nothing)["m 0"]
