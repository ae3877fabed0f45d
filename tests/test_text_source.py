"""Documents as counts of words: the tokeniser, the corpus of the project, and text that is hostile."""

from __future__ import annotations

import numpy as np
import pytest

from emcore.sources.text import (
    EXAMPLES,
    MAX_CHARACTERS,
    MAX_DOCUMENTS,
    MAX_WORDS,
    PARAGRAPHS,
    STOP_WORDS,
    OwnText,
    TextExample,
    words_in,
)


def test_the_corpus_is_sixty_paragraphs_of_four_subjects():
    lines = PARAGRAPHS.read_text("utf-8").splitlines()
    subjects = [line.split("\t")[0] for line in lines]
    assert {subject: subjects.count(subject) for subject in subjects} == {
        "cooking": 15,
        "gardening": 15,
        "astronomy": 15,
        "football": 15,
    }
    texts = [line.split("\t")[1] for line in lines]
    assert len(set(texts)) == 60
    assert all(40 <= len(text.split()) <= 70 for text in texts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Soup, and 3 pans!", ["the", "soup", "and", "pans"]),
        ("The gardener's don't, the gardener’s", ["the", "gardener", "don't", "the", "gardener"]),
        ("x y2z a_b 42", []),
        ("Ünal isst Käse. Пирог 京都", ["ünal", "isst", "käse", "пирог", "京都"]),
        ("Cafe\u0301", ["café"]),
        ("a" * 40 + " " + "b" * 41, ["a" * 40]),
        ("", []),
    ],
    ids=["plain", "apostrophes", "no words", "alphabets", "combined accents", "long", "empty"],
)
def test_words(text, words):
    assert [each.word for each in words_in(text)] == words


def test_words_know_where_they_stand():
    text = "Cut the gardener's onions"
    assert [text[each.start : each.end] for each in words_in(text)] == ["Cut", "the", "gardener's", "onions"]


def test_counts_are_those_of_a_plain_loop():
    documents = TextExample("four-subjects", 2).make()
    cut = [text.replace("'s", "").replace("-", " ") for text in documents.texts]
    for text, row in zip(cut, documents.X, strict=True):
        plain = "".join(letter if letter.isalpha() else " " for letter in text.lower()).split()
        assert row.tolist() == [plain.count(word) for word in documents.words]
    in_documents = (documents.X > 0).sum(axis=0)
    assert in_documents.min() == 2
    assert not set(documents.words) & STOP_WORDS
    assert documents.words == tuple(sorted(documents.words))
    assert documents.labels.tolist() == np.repeat(range(4), 15).tolist()


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("rare", range(1, 6))
def test_every_example_has_words_whatever_is_rare(name, rare):
    documents = TextExample(name, rare).make()
    assert len(documents.X) == len(documents.texts) == len(documents.labels) >= 2
    assert documents.X.sum(axis=1).min() > 0 and documents.X.sum(axis=0).min() > 0


def test_lines_without_words_are_left_out_and_said():
    documents = OwnText("river bank\n\n  \n12 34\nthe of and\nbank loan\n", 1).make()
    assert documents.texts == ("river bank", "bank loan")
    assert documents.X.tolist() == [[1, 0, 1], [1, 1, 0]]
    assert documents.notes == ("2 documents have no counted word and are left out.",)
    assert documents.labels is None and documents.subjects == ()


def test_where_every_word_is_rare_all_are_counted():
    documents = OwnText("river boat\nmoney loan", 2).make()
    assert documents.words == ("boat", "loan", "money", "river")
    assert documents.notes == ("Too few words stand in 2 documents or more, so every word is counted.",)


@pytest.mark.parametrize("text", ["", "\n\n", "one river", "the\nand\nof", "1\n2\n3", "river" * 10 + "\nthe"], ids=repr)
def test_text_without_two_documents_of_words_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match="There must be at least 2 documents with a word to count"):
        OwnText(text).make()


def test_equal_documents_are_documents():
    assert OwnText("river bank\n" * 5).make().X.tolist() == [[1, 1]] * 5


def test_much_text_is_thinned_and_said():
    letters = np.array(list("abcdefghij"))
    words = ["w" + "".join(letters[list(map(int, f"{n:04d}"))]) for n in range(3_000)]
    lines = [f"{words[n]} {words[n // 2]} {words[n // 3]}" for n in range(3_000)]
    documents = OwnText("\n".join(lines), 1).make()
    assert documents.X.shape[1] == MAX_WORDS and len(documents.X) <= MAX_DOCUMENTS
    assert documents.texts[0] == lines[0]
    assert documents.X.sum(axis=1).min() > 0
    assert "Of 3,000 documents 1,000 are used" in documents.notes[0]
    assert "words the 1,000 that stand in most documents are counted" in documents.notes[1]


def test_too_long_a_text_is_refused():
    with pytest.raises(ValueError, match="at most 1,048,576 characters"):
        OwnText("a" * (MAX_CHARACTERS + 1))


def test_other_examples_are_refused():
    with pytest.raises(ValueError, match="must be one of four-subjects, bank"):
        TextExample("poems")
