"""Handwritten digits: the pictures that are stored, the numbers of a run, its figures, and the lesson under AppTest."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_digits

from emcore import handwriting
from emcore.experiment import Experiment
from emcore.figures.digits import components_figure, wall_figure
from emcore.models import BernoulliMixture
from emcore.report import captions
from emcore.sources.digits import EXAMPLES, SIDE, Digits, stored
from emcore.starts import OWN
from pages.parts import digits
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "digits.py")


def experiment(which: str = "zero-one-two", **more) -> Experiment:
    source = Digits(EXAMPLES[which].digits, **more)
    return Experiment(source, BernoulliMixture(len(source.digits)), OWN)


@pytest.fixture(scope="module")
def history():
    return experiment().history()


# ---- The data ---------------------------------------------------------------------------------------------


def test_the_pictures_are_those_of_scikit_learn():
    given = load_digits()
    ink, labels = stored()
    assert np.array_equal(ink, given.data) and np.array_equal(labels, given.target)


def test_as_many_of_each_digit_and_fewer_are_some_of_more():
    most, fewer = Digits(each=174).make(), Digits(digits=(7, 3), each=10).make()
    assert np.array_equal(np.bincount(most.labels), [174] * 10)
    assert fewer.digits == (3, 7) and np.array_equal(np.bincount(fewer.labels)[[3, 7]], [10, 10])
    assert np.array_equal(fewer.X[:10], most.X[most.labels == 3][:10])
    assert "20 of 1,797" in fewer.caption


def test_a_higher_threshold_leaves_less_ink_and_a_seed_other_pictures():
    low, high = Digits(threshold=1).make().X, Digits(threshold=16).make().X
    assert (high <= low).all() and high.sum() < 0.5 * low.sum()
    assert not np.array_equal(Digits(seed=1).make().X, Digits(seed=0).make().X)


@pytest.mark.parametrize(
    "wrong", [{"digits": ()}, {"digits": (10,)}, {"each": 175}, {"each": 0}, {"threshold": 17}, {"seed": -1}], ids=repr
)
def test_pictures_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Digits(**wrong)


# ---- The numbers of a run ---------------------------------------------------------------------------------


def test_which_digits_a_component_takes_by_a_loop(history):
    labels = experiment().dataset().labels
    assert handwriting.taken(history, labels, 0) is None
    last = history.n_positions - 1
    found = handwriting.taken(history, labels, last)
    shares = history.posterior(history.n_iterations).responsibilities
    counts = {(digit, k): 0 for digit in found.digits for k in range(3)}
    for label, row in zip(labels.tolist(), shares.tolist(), strict=True):
        counts[label, row.index(max(row))] += 1
    assert {(d, k): int(found.counts[i, k]) for i, d in enumerate(found.digits) for k in range(3)} == counts
    names = [max(found.digits, key=lambda digit, k=k: counts[digit, k]) for k in range(3)]
    assert list(found.names) == names
    assert found.n_right == sum(counts[name, k] for k, name in enumerate(names))
    mistakes = {(d, names[k]): counts[d, k] for d in found.digits for k in range(3) if names[k] != d}
    assert found.confused[0] == max(mistakes.values())


def test_the_most_frequent_mistake_is_summed_over_components_of_one_name():
    counts = np.array([[9, 9, 0], [3, 3, 5]])
    assert handwriting.Taken((0, 1), counts, (0, 0, 1), 23).confused == (6, 1, 0)
    assert handwriting.Taken((0, 1), np.diag([4, 5]), (0, 1), 9).confused is None
    assert handwriting.Taken((0, 1), np.array([[4, 0], [5, 0]]), (1, None), 5).found == (1,)


def test_a_picture_that_disagrees_with_a_sure_pixel_stays_impossible(history):
    position = history.n_positions - 1
    shares = history.posterior(history.n_iterations).responsibilities
    counted = np.array([handwriting.impossible(history, position, n) for n in range(history.n_samples)])
    assert (counted > 0).sum() > 0 and (shares[counted > 0] == 0).all()
    assert handwriting.impossible(history, 0, 0) is None
    theta = history.parameters[-1].success_probabilities
    assert handwriting.sure_pixels(history, history.n_iterations).tolist() == [
        sum(chance in (0.0, 1.0) for chance in row) for row in theta.tolist()
    ]
    assert not handwriting.sure_pixels(history, 0).any()
    before, after = history.parameters[-2].success_probabilities, theta
    assert (after[before == 0] == 0).all()


def test_the_captions_name_the_pixel_that_changed_most(history):
    before, after = (history.parameters[t].success_probabilities for t in (0, 1))
    k, pixel = divmod(int(np.abs(after - before).argmax()), SIDE**2)
    said = captions(history, handwriting.DIGIT_WORDS).half_steps
    assert f"component {k + 1} changed most in row {pixel // 8 + 1}, column {pixel % 8 + 1}:" in said[2]
    for iteration in (0, 1, history.n_iterations):
        taken = history.posterior(iteration).responsibilities.sum(axis=0)
        numbers = f"{taken[0]:.1f}, {taken[1]:.1f} and {taken[2]:.1f} of 180 pictures"
        assert numbers in said[2 * iteration + 1]


# ---- The pictures -----------------------------------------------------------------------------------------


def test_the_components_are_drawn_as_dark_as_they_are_probable(history):
    figure = components_figure(history, SIDE)
    for position in (0, 5, history.n_positions - 1):
        theta = history.parameters[position // 2]
        shown = figure.at(position)
        for k in range(3):
            expected = 255 - 255 * theta.success_probabilities[k].reshape(SIDE, SIDE)
            assert np.abs(np.array(shown.data[k].z)[..., 0] - expected).max() <= 0.51
        assert shown.data[3].text[1] == f"\N{NO-BREAK SPACE}2: {100 * theta.weights[1]:.1f}%"


def test_the_wall_shows_each_picture_with_the_sign_of_its_component(history):
    dataset = experiment().dataset()
    rows = handwriting.wall_rows(dataset.labels)
    assert rows.shape == (3, 12) and (dataset.labels[rows] == [[0], [1], [2]]).all()
    figure = wall_figure(
        history, rows, dataset.labels, handwriting.wall_shares(history, rows), SIDE, chosen=int(rows[1, 2])
    )
    shown = figure.at(history.n_positions - 1)
    picture = np.array(shown.data[0].z)[12:20, 23:31, 0]
    assert np.array_equal(picture == 0, dataset.X[rows[1, 2]].reshape(SIDE, SIDE) == 1)
    signs = ["circle", "square", "diamond"]
    most = history.posterior(history.n_iterations).responsibilities.argmax(axis=1)
    assert list(shown.data[1].marker.symbol) == [signs[most[n]] for n in rows.ravel()]
    assert len(set(figure.at(0).data[1].marker.color)) == 1
    assert shown.data[3].name == "Chosen" and min(shown.data[3].x) < 23 and max(shown.data[3].x) > 30
    assert (
        len(wall_figure(history, rows, dataset.labels, handwriting.wall_shares(history, rows), SIDE).figure.data) == 3
    )


# ---- The lesson -------------------------------------------------------------------------------------------


def test_it_opens_on_all_ten_digits_and_asks_first():
    app = lesson(position="31")
    assert not app.warning and not app.error
    said = words(app)
    assert "600 of 1,797" in said and "get their own name" in said and "most frequent digit of" not in said
    run(app.radio[0].set_value(0))
    said = words(press(app, "Predict"))
    assert "**Nearly: all but one** (you predicted" in said and "9 is the most frequent digit of no" in said


def test_an_example_sets_as_many_components():
    app = lesson()
    run(app.selectbox(key="digits").set_value("three-five-eight"))
    assert app.session_state["session"].values["components-k"] == 3
    assert link(app) == {"digits": "three-five-eight"}
    run(app.selectbox(key="digits").set_value("own"))
    assert link(app) == {"digits": "own"}
    app = lesson(digits="own", own_digits="479", components_k="1")
    assert "180 of 1,797" in words(app) and link(app)["own-digits"] == "479"
    assert not any(button.label == "Predict" for button in app.button)


def test_a_picture_is_chosen_by_its_number():
    app = lesson(position="3", picture="601")
    assert app.session_state["session"].values["picture"] == 600  # there are no more
    run(app.number_input(key="picture").set_value(61))
    assert "Picture 61, a 1" in words(app) and link(app)["picture"] == "61"


def test_a_sure_pixel_makes_a_picture_impossible_in_words():
    assert "this picture has pixels of probability 0" in words(lesson(position="31", max_iter="40"))


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(digits="eleven", own_digits="11", each="500", threshold="0", components_k="11", picture="0", tol="2")
    said = app.warning[0].value
    assert all(name in said for name in ("digits", "each", "threshold", "components\\-k", "picture", "tol"))
    assert "How it ended" in words(app)


@pytest.mark.parametrize("text", ["", "11", "a", "-1", "1,2", "١"], ids=repr)
def test_digits_that_cannot_be(text):
    refused = choices.read_link({"digits": "own", "own-digits": text}, digits.OFFER).refused
    assert len(refused) == 1 and "own-digits" in refused[0]


def test_the_offer_reads_back_what_it_writes():
    values = choices.read_link({"digits": "own", "own-digits": "93", "each": "20"}, digits.OFFER).values
    assert values["own-digits"] == (3, 9)
    assert choices.read_link(choices.write_link(values, digits.OFFER), digits.OFFER).values == values
