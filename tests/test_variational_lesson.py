"""The lesson "A prior on the weights" under AppTest: the question, the prior, the comparison, the numbers, the link."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from emcore import report, surplus
from emcore.datasets import DATASETS
from pages.parts import settings as choices
from pages.parts import surplus as parts
from tests.apptest import lesson, link, press, run, words

QUESTION = "How many will still have at least one point"


def opened(**query: str) -> AppTest:
    return lesson("variational.py", **query)


def history_of(app: AppTest):
    values = app.session_state["session"].values
    return surplus.with_prior(choices.experiment(values), float(values["alpha"])).history()


def has_ended(app: AppTest) -> bool:
    return "How it ended" in words(app)


def test_the_question_comes_before_the_run_and_is_answered_at_its_end():
    app = opened(position="71")
    assert QUESTION in words(app) and not has_ended(app)
    assert not app.warning and link(app) == {}
    n_left = surplus.survivors(history_of(app))
    assert f"{n_left} of 6" not in words(app)
    run(app.radio[0].set_value(n_left))
    press(app, "Predict")
    assert QUESTION not in words(app) and has_ended(app)
    assert "**3 of 6 components** have a point or more at iteration 35, the last: as you predicted." in words(app)
    run(app.select_slider(key="alpha").set_value("10"))  # another prior is another question
    assert QUESTION in words(app)
    run(app.select_slider(key="alpha").set_value("0.01"))  # and this one was answered
    assert QUESTION not in words(app)


def test_who_does_not_want_to_be_asked_is_not():
    app = press(opened(), "Just show it")
    assert QUESTION not in words(app) and has_ended(app)
    assert link(app) == {"ask": "0"}
    run(app.select_slider(key="alpha").set_value("10"))
    assert QUESTION not in words(app) and link(app) == {"ask": "0", "alpha": "10"}
    run(app.toggle(key="ask").set_value(True))
    assert QUESTION in words(app)


@pytest.mark.parametrize("preset", DATASETS)
def test_every_example_begins_with_more_components_than_it_needs(preset: str):
    values, truth = parts.OFFER.defaults({"preset": preset}), DATASETS[preset](0).truth
    assert values["components"] > (DATASETS[preset].n_components if truth is None else truth.n_components)
    assert parts.OFFER.checked({}, {"preset": preset})[1] == []


SWEEP = [pytest.param(preset, marks=pytest.mark.slow) for preset in DATASETS if preset != "waiting-times"]


@pytest.mark.parametrize("preset", ["waiting-times", *SWEEP])
def test_every_example_opens_from_its_link(preset: str):
    app = opened(preset=preset, ask="0", position="9")
    assert not app.error and not app.warning and has_ended(app)


def test_an_example_is_set_up_by_its_widget_as_by_its_link():
    app = opened(ask="0")
    run(app.selectbox(key="preset").set_value("ring"))
    assert link(app) == {"ask": "0", "preset": "ring"}
    assert history_of(app) is history_of(opened(**link(app)))


def test_the_numbers_are_those_of_the_run():
    app = opened(ask="0", position="21")
    history = history_of(app)
    account = surplus.account(history, 21)
    for value in (account.explained, account.entropy, account.price_of_weights, account.price_of_components):
        assert report.number(value) in words(app)
    assert report.number(account.bound) == report.objective_text(history, 10) and report.number(account.bound) in words(
        app
    )
    for belief in surplus.beliefs(history, 10):
        assert report.number(belief.points, 2) in words(app) and report.number(belief.competing, 4) in words(app)
    weakest = surplus.weakest(surplus.beliefs(history, 10))
    assert f"Component {weakest.component + 1}, the weakest that lives" in words(app)
    assert any(f"{weakest.concentration:.4g}" in formula.value for formula in app.latex)


def test_at_the_bare_start_there_is_no_bound_yet():
    app = opened(ask="0", half_steps="1")
    assert "There are no responsibilities yet" in words(app)


@pytest.mark.parametrize("preset", ["three-blobs", "tiny"])
def test_beside_maximum_likelihood(preset: str):
    app = opened(ask="0", beside="1", preset=preset, position="5")
    assert not app.error and not app.warning
    assert "Without a prior, in the second picture" in words(app)


def test_what_alpha_means_is_said_with_the_numbers_of_the_page():
    app = opened(ask="0", alpha="0.1", components="4")
    assert "each of the 4 components has $\\alpha_0$ = 0.1 pseudo-points: 0.4 in all, beside 300 real ones" in words(
        app
    )
    assert "is below 3:" in words(app)
    said = parts.about_alpha("1", 6, 1, 272)
    assert "is not below 1.5:" in parts.about_alpha("3", 6, 1, 272)
    assert "1 pseudo-point: 6 in all, beside 272" in said and "is below 1.5:" in said


def test_every_alpha_from_this_start():
    app = opened(ask="0")
    app.session_state["trials"] = True
    run(app)
    for alpha in parts.ALPHAS:
        assert f">{alpha}<" in words(app)
    trial = surplus.trial(choices.experiment(app.session_state["session"].values), 100.0)
    assert report.number(trial.bound) in words(app)


def test_one_component_is_no_question():
    app = opened(components="1")
    assert QUESTION not in words(app) and has_ended(app)


def test_another_covariance_in_the_sidebar_is_not_used_and_the_page_says_so():
    app = opened(ask="0", shape="diag")
    assert "Covariances are full on this page" in words(app)
    run(app.selectbox(key="shape").set_value("full"))
    assert "Covariances are full on this page" not in words(app)


def test_a_hostile_link_is_answered_in_sentences():
    wrong = {"alpha": "0.5", "beside": "2", "components": "11", "tol": "nan", "price": "1"}
    app = opened(ask="0", **wrong)
    (warning,) = app.warning
    for name in wrong:
        assert f"- {name} " in warning.value
    assert not app.error and has_ended(app)
    app = opened(ask="maybe", alpha="nan")
    assert "- ask must be 0 or 1" in app.warning[0].value and "- alpha must be one of" in app.warning[0].value


def test_a_start_by_hand_begins_where_it_says():
    rows = "0.2,-2,0,1,1,0;0.8,1,1,2,1,0.5"
    app = opened(ask="0", components="2", start="by-hand", by_hand=rows)
    start = history_of(app).parameters[0]
    assert start.means.tolist() == [[-2, 0], [1, 1]] and start.weights.tolist() == [0.2, 0.8]
