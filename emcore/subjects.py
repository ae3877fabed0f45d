"""What runs on documents say: their telling words, what components stand for, the posterior of a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emcore.em import DegenerateFit, History
from emcore.models import MultinomialMixtureParameters
from emcore.report import Words, listed, number, signed
from emcore.scene import every_share
from emcore.sources.text import STOP_WORDS, Documents, words_in

Array = NDArray[np.float64]

ROWS = 24  # of words in the picture, of all components together
MOST_DRAWN = 150  # documents


def contributions(parameters: MultinomialMixtureParameters) -> Array:
    """How much each word tells of each component, in nats, shape (n_components, n_words).

    p_kw log(p_kw / p_w) with p_w = sum_k weight_k p_kw: what word w adds to the Kullback-Leibler divergence of the
    words of component k from those of all. Large for a word that is both frequent and far more frequent than elsewhere.
    """
    lifts = lift(parameters)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lifts > 0, parameters.probabilities * np.log(lifts), 0.0)


def lift(parameters: MultinomialMixtureParameters) -> Array:
    """How many times as likely a word is in a component as in all, shape (n_components, n_words)."""
    average = parameters.weights @ parameters.probabilities
    return np.divide(parameters.probabilities, average, out=np.zeros_like(parameters.probabilities), where=average > 0)


@dataclass(frozen=True)
class TellingWord:
    """A word that tells of a component.

    Attributes
    ----------
    word : str
    probability : float
        That a word of a document of this component is this one.
    lift : float
        How many times as likely it is as in all components together.
    contribution : float
        As in `contributions`, in nats.
    """

    word: str
    probability: float
    lift: float
    contribution: float


def telling_words(
    parameters: MultinomialMixtureParameters, words: tuple[str, ...], n_words: int
) -> tuple[tuple[TellingWord, ...], ...]:
    """For each component the words with the largest contributions above 0, at most `n_words`, the largest first."""
    every, lifts = contributions(parameters), lift(parameters)
    # ties in the order of the alphabet; rounding does not make a word tell
    order = np.argsort(-every, axis=1, kind="stable")[:, :n_words]
    return tuple(
        tuple(
            TellingWord(words[j], float(parameters.probabilities[k, j]), float(lifts[k, j]), float(every[k, j]))
            for j in row
            if every[k, j] > 1e-12
        )
        for k, row in enumerate(order.tolist())
    )


@dataclass(frozen=True, eq=False)
class TextScene:
    """A run on documents, ready to be drawn; t counts iterations.

    Attributes
    ----------
    rows : ndarray of int, shape (n_drawn,)
        The documents that are drawn, spread evenly; every one is fitted.
    responsibilities : ndarray of shape (n_iterations + 1, n_drawn, n_components)
        After the E-step at theta_t.
    words : ndarray of str, shape (n_iterations + 1, n_components, n_shown)
        The most telling words of theta_t; empty where there are no more.
    contributions : ndarray of shape (n_iterations + 1, n_components, n_shown)
        How much each tells, in nats; 0 where there is none.
    partner : tuple of int
        The subject that each component stands for at the end (`stands_for`).
    """

    rows: NDArray[np.int_]
    responsibilities: Array
    words: NDArray[np.object_]
    contributions: Array
    partner: tuple[int, ...]


def text_scene(history: History, documents: Documents) -> TextScene:
    """What the pictures of a run on documents draw."""
    n_samples = len(documents.X)
    n_drawn = min(n_samples, MOST_DRAWN)
    rows = np.linspace(0, n_samples - 1, n_drawn).round().astype(np.int_)
    k = history.model.n_components
    n_shown = max(3, min(8, ROWS // k))
    words = np.full((history.n_iterations + 1, k, n_shown), "", dtype=object)
    amounts = np.zeros(words.shape)
    for t, parameters in enumerate(history.parameters):
        for j, telling in enumerate(telling_words(parameters, documents.words, n_shown)):
            for i, each in enumerate(telling):
                words[t, j, i], amounts[t, j, i] = each.word, each.contribution
    return TextScene(rows, every_share(history)[:, rows], words, amounts, stands_for(history, documents))


def stands_for(history: History, documents: Documents) -> tuple[int, ...]:
    """The true subject that each component stands for at the end of the run, -1 for none or where nobody knows.

    The assignment of subjects to components with the largest sum of responsibilities: components have no names of
    their own.
    """
    k = history.model.n_components
    partner = np.full(k, -1)
    if documents.labels is not None:
        responsibilities = history.posterior(history.n_iterations).responsibilities
        shared = np.array([responsibilities[documents.labels == j].sum(axis=0) for j in range(len(documents.subjects))])
        subjects, components = linear_sum_assignment(-shared)
        partner[components] = subjects
    return tuple(partner.tolist())


def elsewhere(history: History, position: int, documents: Documents) -> list[int] | None:
    """The documents whose likeliest component does not stand for their subject, from 0; None where nothing is known."""
    posterior = history.snapshot(position).posterior
    if posterior is None or documents.labels is None:
        return None
    partner = np.array(stands_for(history, documents))
    found = np.flatnonzero(partner[posterior.responsibilities.argmax(axis=1)] != documents.labels)
    return [int(n) for n in found]


@dataclass(frozen=True)
class Evidence:
    """What one word of a sentence says.

    Attributes
    ----------
    word : str
    count : int
        How often it stands there.
    terms : tuple of float
        count x log(p_kw / p_w) for each component, in nats; -inf where the component cannot have it.
    """

    word: str
    count: int
    terms: tuple[float, ...]


@dataclass(frozen=True)
class Asked:
    """The posterior of a sentence that was typed, and how it comes about.

    Attributes
    ----------
    known : tuple of Evidence
        The counted words that the documents have.
    unknown, stop : tuple of str
        Words that no document has, and words that are never counted.
    priors : tuple of float
        log weight of each component, in nats.
    sums : tuple of float
        These and the terms of all words, for each component.
    responsibilities : tuple of float or None
        exp of the sums, divided by their sum; None where no component can have the sentence.
    """

    known: tuple[Evidence, ...]
    unknown: tuple[str, ...]
    stop: tuple[str, ...]
    priors: tuple[float, ...]
    sums: tuple[float, ...]
    responsibilities: tuple[float, ...] | None


def ask(history: History, position: int, documents: Documents, sentence: str) -> Asked:
    """Where a sentence would belong by the parameters at a position; words that are not known are left out."""
    parameters = history.parameters[position // 2]
    column = {word: j for j, word in enumerate(documents.words)}
    found = Counter(each.word for each in words_in(sentence))
    known = [word for word in found if word in column]
    stop = tuple(word for word in found if word in STOP_WORDS)
    unknown = tuple(word for word in found if word not in column and word not in STOP_WORDS)
    lifts = lift(parameters)
    with np.errstate(divide="ignore"):
        logs = {word: found[word] * np.log(lifts[:, column[word]]) for word in known}
    evidence = tuple(Evidence(word, found[word], tuple(logs[word].tolist())) for word in known)
    priors = np.log(parameters.weights)
    sums = priors + sum(logs.values(), np.zeros(len(priors)))
    responsibilities: tuple[float, ...] | None = tuple(parameters.weights.tolist())
    if known:
        counts = np.zeros((1, len(documents.words)))
        for word in known:
            counts[0, column[word]] = found[word]
        try:
            responsibilities = tuple(history.model.e_step(counts, parameters).responsibilities[0].tolist())
        except DegenerateFit:
            responsibilities = None
    return Asked(evidence, unknown, stop, tuple(priors.tolist()), tuple(sums.tolist()), responsibilities)


@dataclass(frozen=True)
class Marked:
    """A piece of a document: a counted word, or what stands between two.

    Attributes
    ----------
    text : str
    component : int
        The component that the word speaks for, -1 for what is not counted.
    share : float
        The posterior of this component if the word were the whole document; 0 for what is not counted.
    """

    text: str
    component: int = -1
    share: float = 0.0


def marked(history: History, position: int, documents: Documents, row: int, longest: int) -> list[Marked]:
    """A document in pieces, each counted word with the component that it speaks for; cut after `longest` characters."""
    parameters = history.parameters[position // 2]
    joint = parameters.weights[:, None] * parameters.probabilities
    column = {word: j for j, word in enumerate(documents.words)}
    text = documents.texts[row]
    pieces, end = [], 0
    for each in words_in(text[:longest]):
        if each.word not in column:
            continue
        alone = joint[:, column[each.word]]
        k = int(alone.argmax())
        share = float(alone[k] / alone.sum()) if alone[k] > 0 else 0.0
        pieces += [Marked(text[end : each.start]), Marked(text[each.start : each.end], k, share)]
        end = each.end
    pieces.append(Marked(text[end:longest] + (" …" if len(text) > longest else "")))
    return [piece for piece in pieces if piece.text]


def words_of(documents: Documents) -> Words:
    """The clauses of the player for a run on these documents."""

    def taken(history: History, iteration: int) -> str:
        counts = history.posterior(iteration).counts.tolist()
        who = "component 1 takes" if len(counts) == 1 else f"components {_numbers(len(counts))} take"
        return f"{who} {listed([number(count, 1) for count in counts])} of {history.n_samples:,} documents"

    def moved(history: History, iteration: int) -> str:
        before, after = (history.parameters[t].probabilities for t in (iteration - 1, iteration))
        k, j = np.unravel_index(int(np.abs(after - before).argmax()), after.shape)
        if abs(after[k, j] - before[k, j]) <= 1e-12:
            return "no word's probability moved"
        return (
            f"the probability of “{documents.words[j]}” in component {k + 1} moved "
            f"{signed(after[k, j] - before[k, j], 4)} to {number(after[k, j], 4)}"
        )

    return Words(taken, moved)


def _numbers(count: int) -> str:
    return listed([str(k + 1) for k in range(count)])
