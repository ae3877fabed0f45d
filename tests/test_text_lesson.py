"""The lesson on text: its numbers, its pictures as data, and the page under AppTest."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import multinomial

from emcore import report, subjects
from emcore.experiment import Experiment
from emcore.figures.text import documents_figure, words_figure
from emcore.models import MultinomialMixture, MultinomialMixtureParameters
from emcore.sources.text import OwnText, TextExample
from emcore.starts import OWN
from pages.parts import settings as choices
from pages.parts import text_lesson as parts
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "text.py")


def ran(source, n_components, pseudo_count, **options):
    experiment = Experiment(source, MultinomialMixture(n_components, pseudo_count), OWN, 1, **options)
    return experiment.history(), experiment.dataset()


@pytest.fixture(scope="module")
def paragraphs():
    return ran(TextExample("four-subjects", 2), 4, 0.5)


@pytest.fixture(scope="module")
def bank():
    """To the very end: without a prior, probabilities fall to exactly 0."""
    return ran(TextExample("bank"), 2, 0.0, tol=0, max_iter=30)


# ---- Numbers ----------------------------------------------------------------------------------------------


def test_the_telling_words_by_hand():
    """Two equally common components; "a" is 4 times as likely in the first: p log(p / average)."""
    parameters = MultinomialMixtureParameters([0.5, 0.5], [[0.8, 0.2, 0.0], [0.2, 0.2, 0.6]])
    first, second = subjects.telling_words(parameters, ("a", "b", "c"), 5)
    assert [each.word for each in first] == ["a"]  # b says nothing, c speaks against
    assert (first[0].probability, first[0].lift) == (0.8, pytest.approx(1.6))
    assert first[0].contribution == pytest.approx(0.8 * np.log(1.6))
    assert [(each.word, pytest.approx(each.lift)) for each in second] == [("c", 2.0)]
    assert len(subjects.telling_words(parameters, ("a", "b", "c"), 0)[0]) == 0


def test_a_frequent_word_tells_more_than_a_rare_one_that_is_more_special():
    parameters = MultinomialMixtureParameters([0.5, 0.5], [[0.6, 0.01, 0.39], [0.2, 0.0, 0.8]])
    found = subjects.telling_words(parameters, ("often", "rare", "else"), 5)[0]
    assert [each.word for each in found] == ["often", "rare"]
    assert found[0].lift < found[1].lift


def test_contributions_sum_to_the_divergence(paragraphs):
    history, _ = paragraphs
    theta = history.parameters[-1]
    average = theta.weights @ theta.probabilities
    divergences = (theta.probabilities * np.log(theta.probabilities / average)).sum(axis=1)
    np.testing.assert_allclose(subjects.contributions(theta).sum(axis=1), divergences, rtol=1e-12)


def test_a_component_stands_for_the_subject_whatever_its_number(paragraphs):
    history, documents = paragraphs
    partner = subjects.stands_for(history, documents)
    assert sorted(partner) == [0, 1, 2, 3]
    responsibilities = history.posterior(history.n_iterations).responsibilities
    for component, subject in enumerate(partner):
        mean = responsibilities[documents.labels == subject, component].mean()
        assert mean > 0.8
    wrong = subjects.elsewhere(history, history.n_positions - 1, documents)
    assert [documents.subjects[documents.labels[n]] for n in wrong] == ["cooking", "gardening"]
    assert subjects.elsewhere(history, 0, documents) is None


def test_more_components_than_subjects_leave_some_without():
    history, documents = ran(TextExample("bank"), 4, 0.1)
    assert sorted(subjects.stands_for(history, documents)) == [-1, -1, 0, 1]
    history, documents = ran(TextExample("bank"), 1, 0.1)
    assert len(subjects.elsewhere(history, 1, documents)) == 4


@pytest.mark.parametrize("position", [0, 1, 5])
def test_the_posterior_of_a_sentence_is_bayes_rule(paragraphs, position):
    """By scipy's multinomial; the table's terms lead to the same."""
    history, documents = paragraphs
    asked = subjects.ask(history, position, documents, "The stars, the stars! Soup for the astronaut's players.")
    assert [(each.word, each.count) for each in asked.known] == [("stars", 2), ("soup", 1), ("players", 1)]
    assert asked.unknown == ("astronaut",) and asked.stop == ("the", "for")
    theta = history.parameters[position // 2]
    counts = np.zeros(len(documents.words))
    for word, count in (("stars", 2), ("soup", 1), ("players", 1)):
        counts[documents.words.index(word)] = count
    joint = theta.weights * [multinomial.pmf(counts, 4, row) for row in theta.probabilities]
    np.testing.assert_allclose(asked.responsibilities, joint / joint.sum(), rtol=1e-9)
    parts_of = np.array([asked.priors, *(each.terms for each in asked.known)])
    np.testing.assert_allclose(parts_of.sum(axis=0), asked.sums, rtol=1e-12)
    odds = np.exp(asked.sums - np.max(asked.sums))
    np.testing.assert_allclose(odds / odds.sum(), asked.responsibilities, rtol=1e-9)


def test_without_a_pseudo_count_words_of_two_subjects_are_impossible_together(bank):
    history, documents = bank
    asked = subjects.ask(history, history.n_positions - 1, documents, "the loan of a boat")
    assert asked.responsibilities is None and set(asked.sums) == {-np.inf}
    assert all(-np.inf in each.terms for each in asked.known)
    smooth, _ = ran(TextExample("bank"), 2, 0.1)
    assert sum(subjects.ask(smooth, 5, documents, "the loan of a boat").responsibilities) == pytest.approx(1)


def test_a_sentence_without_known_words_has_the_weights(bank):
    history, documents = bank
    asked = subjects.ask(history, 3, documents, "7 astronauts")
    assert asked.responsibilities == tuple(history.parameters[1].weights) and not asked.known


def test_a_document_in_pieces_is_the_document(paragraphs):
    history, documents = paragraphs
    last = history.n_positions - 1
    pieces = subjects.marked(history, last, documents, 44, 10_000)
    assert "".join(piece.text for piece in pieces) == documents.texts[44]
    theta = history.parameters[-1]
    column = documents.words.index("telescope")
    piece = next(piece for piece in pieces if piece.text == "telescope")
    joint = theta.weights * theta.probabilities[:, column]
    assert (piece.component, piece.share) == (joint.argmax(), pytest.approx(joint.max() / joint.sum()))
    assert next(piece for piece in pieces if piece.text.startswith("The ")).component == -1
    short = subjects.marked(history, last, documents, 44, 60)
    assert "".join(piece.text for piece in short) == documents.texts[44][:60] + " …"


def test_the_player_says_what_happened(bank):
    history, documents = bank
    captions = report.captions(history, subjects.words_of(documents))
    theta = [parameters.probabilities for parameters in history.parameters]
    k, j = np.unravel_index(np.abs(theta[1] - theta[0]).argmax(), theta[0].shape)
    moved = (
        f"the probability of “{documents.words[j]}” in component {k + 1} moved {theta[1][k, j] - theta[0][k, j]:+.4f}"
    )
    assert f"{moved} to {theta[1][k, j]:.4f}" in captions.half_steps[2].replace("−", "-")
    assert "of 8 documents" in captions.half_steps[1]


# ---- Pictures ---------------------------------------------------------------------------------------------


def test_the_bars_are_the_responsibilities(paragraphs):
    history, documents = paragraphs
    scene = subjects.text_scene(history, documents)
    figure = documents_figure(scene, documents, row=3)
    assert figure.n_positions == history.n_positions
    for position in (1, 2, 9):
        shown = history.posterior((position - 1) // 2).responsibilities.cumsum(axis=1)
        traces = {trace.name: trace for trace in figure.at(position).data}
        for k in range(4):
            np.testing.assert_allclose(traces[f"Responsibility {k + 1}"].y[1::5], shown[:, k], atol=1e-12)
    assert np.isnan(figure.at(0).data[0].y).all()  # before the first E-step nothing is known


def test_the_words_follow_the_parameters(paragraphs):
    history, documents = paragraphs
    figure = words_figure(subjects.text_scene(history, documents))
    for position in (0, 1, 8, history.n_positions - 1):
        found = subjects.telling_words(history.parameters[position // 2], documents.words, 6)
        traces = {trace.name: trace for trace in figure.at(position).data}
        for k in range(4):
            assert list(traces[f"Words of component {k + 1}"].text) == [each.word for each in found[k]]
            bars = traces[f"How much words tell of component {k + 1}"].x[1::5]
            np.testing.assert_allclose(bars, [each.contribution for each in found[k]])


@pytest.mark.parametrize("n_components", [1, 2, 8])
def test_pictures_of_any_text(n_components):
    """Equal documents, words with markup, a single component: nothing to tell, and a picture all the same."""
    source = OwnText("river <b>bank</b> %{x}\n" * 3)
    history, documents = ran(source, n_components, 0.1)
    scene = subjects.text_scene(history, documents)
    assert scene.partner == (-1,) * n_components
    assert scene.contributions.max() < 1e-9
    assert words_figure(scene).n_positions == documents_figure(scene, documents).n_positions == history.n_positions
    assert "<b>" not in "".join(documents_figure(scene, documents).figure.data[n_components].text)


# ---- The page ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", parts.TITLES)
def test_every_example_opens_from_its_link(name):
    app = lesson(text=name)
    assert not app.warning and not app.error
    said = words(app)
    assert "How it ended: converged" in said and "Most telling words" in said
    assert link(app) == ({} if name == "four-subjects" else {"text": name})


def test_the_end_of_the_first_run():
    app = lesson(position="65", at="14")
    said = words(app)
    assert "Now the likeliest component of 58 of 60 documents is that of their subject" in said
    assert "Documents 14 and 30 are not" in said
    assert "Document 14 (true subject: cooking)" in said
    assert "Unknown and left out: “cooked”" in said
    assert "Counted: 925 words, 247 different ones, in 60 documents." in said.replace("\\", "")


def test_a_prediction_is_made_before_its_answer_is_shown():
    app = lesson()
    assert "are where their subject is" not in words(app)
    run(app.radio[0].set_value(0))
    said = words(press(app, "Predict"))
    assert "**More than 50** (you predicted" in said and "58 of 60 are where their subject is" in said
    run(app.number_input(key="start-seed").set_value(2))  # another run is another question
    assert any(button.label == "Predict" for button in app.button)


def test_a_sentence_and_a_document_are_in_the_link():
    app = lesson(position="65")
    run(app.text_input(key="sentence to ask").set_value("  A comet\u202e <b>over</b> the   stadium "))
    run(app.number_input(key="document to look at").set_value(45))
    assert link(app) == {"sentence": "A comet <b>over</b> the stadium", "at": "45"}
    said = words(app)
    assert "Document 45 (true subject: astronomy)" in said
    assert ">stadium<" in said and "<b>over" not in said
    friend = lesson(**link(app))
    assert friend.text_input(key="sentence to ask").value == "A comet <b>over</b> the stadium"


def test_an_impossible_sentence_is_explained():
    app = lesson(text="bank", pseudo_count="0", tol="0", sentence="the loan of a boat", position="61")
    said = words(app)
    assert "Every component rules this sentence out" in said and "−∞" in said


def test_choosing_an_example_sets_up_the_model():
    app = lesson()
    run(app.selectbox(key="text").set_value("bank"))
    values = app.session_state["session"].values
    assert (values["subjects"], values["rare"], values["pseudo-count"]) == (2, 1, 0.1)
    assert link(app) == {"text": "bank"}
    run(app.number_input(key="pseudo-count").set_value(0.0))
    assert "Log-likelihood + log prior" not in words(app)
    assert link(app) == {"text": "bank", "pseudo-count": "0"}


def test_typed_text_stays_and_the_last_legal_one_is_shown():
    app = lesson(text="own")
    run(app.text_area[0].set_value("river boat\nloan money\nriver bank\nbank money"))
    assert link(app)["typed"] == "river boat\nloan money\nriver bank\nbank money"
    run(app.text_area[0].set_value("the"))
    assert "There must be at least 2 documents" in app.error[0].value
    assert app.text_area[0].value == "the"
    assert "in 4 documents" in words(app)
    friend = lesson(**link(app))
    assert "in 4 documents" in words(friend) and not friend.error


def test_a_file_is_on_show_until_one_goes_back_and_a_bad_one_costs_nothing():
    app = lesson(text="own")

    def bring(name, content):
        return run(app.get("file_uploader")[0].set_value((name, content, "text/plain")))

    bring("diary.txt", "Käse und <b>Brot\r\nBrot und Wein\r\nWein und Käse".encode("cp1252"))
    assert "in 3 documents" in words(app) and "käse" in words(app) and "<b>Brot" not in words(app)
    assert "On show: diary\\.txt" in words(app)
    bad = {
        "one line": (b"a river, a bank " * 2000, "at least 2 documents"),
        "binary": (bytes(range(256)) * 20, "not a text file"),
        "large": (b"river bank\n" * 100_000, "more than the limit of 1 MB"),
    }
    for name, (content, reason) in bad.items():
        bring(f"{name}.txt", content)
        assert reason in app.error[0].value, name
        assert "in 3 documents" in words(app)
    run(app)
    assert reason in app.error[0].value  # it stays as long as the file
    bring("equal.txt", b"river bank\n" * 7)
    assert not app.error and "in 7 documents" in words(app)
    run(app.get("file_uploader")[0].clear())
    assert "in 7 documents" in words(app)
    press(app, "Back to the typed text")
    assert "in 8 documents" in words(app) and "battery" in words(app)


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(
        text="own", typed="the", subjects="99", pseudo_count="-1", rare="0", at="1e3", sentence="a\nb", preset="x"
    )
    said = app.warning[0].value
    for name in ("typed", "subjects", "pseudo\\-count", "rare", "at must", "sentence", "preset"):
        assert name in said
    assert "How it ended" in words(app)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("text", "poems"),
        ("subjects", "0"),
        ("subjects", "9"),
        ("pseudo-count", "nan"),
        ("pseudo-count", "11"),
        ("rare", "6"),
        ("at", "1001"),
        ("sentence", "x" * 301),
        ("sentence", "\x00"),
        ("typed", "x" * 3001),
    ],
    ids=repr,
)
def test_what_a_link_cannot_say(name, text):
    read = choices.read_link({name: text}, parts.OFFER)
    assert len(read.refused) == 1 and read.refused[0].startswith(name)


def test_the_offer_reads_back_what_it_writes():
    values = choices.read_link({"text": "own", "typed": "a river\na bank", "pseudo-count": "0.25"}, parts.OFFER).values
    assert choices.read_link(choices.write_link(values, parts.OFFER), parts.OFFER).values == values


def test_a_document_beyond_the_last_is_the_last():
    app = lesson(text="bank", at="60")
    assert "Document 8 (true subject: money)" in words(app)
