"""Documents as counts of words: sixty paragraphs written for this project, a small example, and text of one's own."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emcore.models.mixture import whole_number

MAX_CHARACTERS: Final = 2**20
MAX_DOCUMENTS: Final = 1_000
MAX_WORDS: Final = 1_000
LONGEST_WORD: Final = 40  # letters; longer runs of letters are no words
PARAGRAPHS: Final = Path(__file__).with_name("paragraphs.txt")

# Words of English that stand in every text, whatever its subject.
STOP_WORDS: Final = frozenset(Path(__file__).with_name("stop_words.txt").read_text("utf-8").split())
# Letters of any alphabet, with apostrophes between them.
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


@dataclass(frozen=True)
class Word:
    """A word in a text: how it is counted, and where it stands.

    Attributes
    ----------
    word : str
        In lower case, without a final 's.
    start, end : int
        Of its letters in the text (in Unicode's form NFC).
    """

    word: str
    start: int
    end: int


def words_in(text: str) -> Iterator[Word]:
    """The words of a text in order, stop words included.

    A word is a run of 2 to LONGEST_WORD letters of any alphabet, with apostrophes inside.
    """
    for found in _WORD.finditer(unicodedata.normalize("NFC", text).replace("’", "'")):
        word = found[0].lower().removesuffix("'s")
        if 2 <= len(word) <= LONGEST_WORD:
            yield Word(word, found.start(), found.end())


@dataclass(frozen=True, eq=False)
class Documents:
    """Documents as counts of words, and what is known about them.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_words)
        How often each counted word stands in each document, read-only; at least 1 word in each document.
    words : tuple of str
        The counted words, in the order of the alphabet.
    texts : tuple of str
        The documents.
    subjects : tuple of str
        The names of their true subjects; empty if nobody knows.
    labels : ndarray of int, shape (n_samples,), or None
        The true subject of each document, from 0; None if nobody knows.
    caption : str
        What they are, in a sentence or two.
    notes : tuple of str
        What was left out, a sentence each.
    """

    X: NDArray[np.float64]
    words: tuple[str, ...]
    texts: tuple[str, ...]
    subjects: tuple[str, ...]
    labels: NDArray[np.int_] | None
    caption: str
    notes: tuple[str, ...]


def count_words(texts: Sequence[str], rare: int, caption: str, labels: Sequence[str] | None = None) -> Documents:
    """Count the words of documents: stop words never, other words if they stand in at least `rare` documents.

    Too many documents are thinned evenly; of too many words those in most documents are kept. Documents that have no
    counted word are left out, as the model asks. `notes` says so.

    Raises
    ------
    ValueError
        Fewer than two documents have a word to count.
    """
    n_given = len(texts)
    rows = list(range(n_given))
    notes = []
    if n_given > MAX_DOCUMENTS:
        rows = np.linspace(0, n_given - 1, MAX_DOCUMENTS).round().astype(int).tolist()
        notes.append(f"Of {n_given:,} documents {MAX_DOCUMENTS:,} are used, spread evenly over the text.")
    counts = [Counter(each.word for each in words_in(texts[n]) if each.word not in STOP_WORDS) for n in rows]
    documents = Counter(word for count in counts for word in count)  # word -> how many documents it stands in
    n_usable = sum(map(bool, counts))
    if n_usable < 2:
        raise ValueError(
            f"There must be at least 2 documents with a word to count, one document a line, got {n_usable}: numbers, "
            "single letters and common words such as “the” are not counted."
        )
    kept = {word for word, number in documents.items() if number >= rare}
    if sum(not kept.isdisjoint(count) for count in counts) < 2:
        kept = set(documents)
        notes.append(f"Too few words stand in {rare} documents or more, so every word is counted.")
    if len(kept) > MAX_WORDS:
        notes.append(f"Of {len(kept):,} words the {MAX_WORDS:,} that stand in most documents are counted.")
        kept = set(sorted(kept, key=lambda word: (-documents[word], word))[:MAX_WORDS])
    used = [n for n, count in enumerate(counts) if not kept.isdisjoint(count)]
    if len(used) < len(counts):
        n_empty = len(counts) - len(used)
        notes.append(
            f"{n_empty:,} document{' has' if n_empty == 1 else 's have'} no counted word and "
            f"{'is' if n_empty == 1 else 'are'} left out."
        )
    words = tuple(sorted(kept))
    column = {word: j for j, word in enumerate(words)}
    X = np.zeros((len(used), len(words)))
    for i, n in enumerate(used):
        for word, number in counts[n].items():
            if word in column:
                X[i, column[word]] = number
    X.flags.writeable = False
    subjects: tuple[str, ...] = ()
    numbers = None
    if labels is not None:
        subjects = tuple(dict.fromkeys(labels))
        numbers = np.array([subjects.index(labels[rows[n]]) for n in used])
        numbers.flags.writeable = False
    return Documents(X, words, tuple(texts[rows[n]] for n in used), subjects, numbers, caption, tuple(notes))


@dataclass(frozen=True)
class Example:
    """Documents whose subjects are known.

    Attributes
    ----------
    title, caption : str
        For people.
    n_components : int
        As many components as there are subjects.
    rare : int
        A word is counted if it stands in at least so many documents.
    pseudo_count : float
        The prior that suits them.
    start_seed : int
        A start that shows something.
    lines : tuple of (subject, text)
        None where they are in the file PARAGRAPHS.
    """

    title: str
    caption: str
    n_components: int
    rare: int
    pseudo_count: float
    start_seed: int
    lines: tuple[tuple[str, str], ...] = ()


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "four-subjects": Example(
            "Sixty paragraphs, four subjects",
            "Sixty paragraphs on cooking, gardening, astronomy and football, fifteen each, written for this lesson. "
            "The last ones of each subject are ambiguous on purpose.",
            4,
            2,
            0.5,
            1,
        ),
        "bank": Example(
            "Eight lines with a bank",
            "Eight short lines, small enough to check by hand. A bank holds money, or a river.",
            2,
            1,
            0.1,
            1,
            (
                ("river", "river boat water bank"),
                ("river", "river water fish boat"),
                ("river", "boat fish river"),
                ("river", "water river bank fish"),
                ("money", "money loan bank"),
                ("money", "bank loan interest money"),
                ("money", "money interest loan"),
                ("money", "loan bank money money"),
            ),
        ),
    }
)


@dataclass(frozen=True)
class TextExample:
    """One of EXAMPLES, with the words that stand in at least `rare` documents (from 1)."""

    name: str
    rare: int = 1

    def __post_init__(self) -> None:
        if self.name not in EXAMPLES:
            raise ValueError(f"the example must be one of {', '.join(EXAMPLES)}, got {self.name!r}")
        object.__setattr__(self, "rare", whole_number(self.rare, "rare"))

    def make(self) -> Documents:
        """The documents."""
        example = EXAMPLES[self.name]
        lines = example.lines or tuple(
            (subject, text)
            for subject, _, text in (line.partition("\t") for line in PARAGRAPHS.read_text("utf-8").splitlines())
        )
        return count_words([text for _, text in lines], self.rare, example.caption, [subject for subject, _ in lines])


@dataclass(frozen=True)
class OwnText:
    """Text that somebody brought: one document a line, with the words that stand in at least `rare` of them.

    Whether there is anything to count shows in `make`.
    """

    text: str
    rare: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        if len(self.text) > MAX_CHARACTERS:
            raise ValueError(
                f"The text must have at most {MAX_CHARACTERS:,} characters, got {len(self.text):,}; bring a part of it."
            )
        object.__setattr__(self, "rare", whole_number(self.rare, "rare"))

    def make(self) -> Documents:
        """The documents; blank lines are none."""
        lines = [line.strip() for line in unicodedata.normalize("NFC", self.text).split("\n")]
        return count_words([line for line in lines if line], self.rare, "Your own text, one document a line.")
