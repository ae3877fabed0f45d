"""The parts of the lesson on text: its settings, the visitor's own text, its words, its tables and its formulas."""

from __future__ import annotations

from html import escape

import streamlit as st

from emcore import report, subjects
from emcore.em import History
from emcore.experiment import Experiment, dataset
from emcore.figures import style
from emcore.report import listed, number
from emcore.sources.text import (
    EXAMPLES,
    MAX_CHARACTERS,
    MAX_DOCUMENTS,
    MAX_WORDS,
    Documents,
    OwnText,
    TextExample,
)
from emcore.subjects import Asked, TextScene
from pages.parts import controls, csv_table, outcome, story
from pages.parts import settings as choices
from pages.parts.controls import Session, put
from pages.parts.player import PlayerReport
from pages.parts.settings import Setting, Values
from pages.parts.story import Node
from pages.parts.text import plain

MOST = 8  # components: more and their words do not fit the picture
MOST_RARE = 5
MOST_PSEUDO = 10.0
LONGEST_TYPED = 3_000  # characters
LONGEST_SENTENCE = 300
LONGEST_SHOWN = 900  # characters of a document
TELLING = 10  # words of a component in the table
MOST_ROWS = 12  # words of a sentence in its table
TITLES = {**{name: example.title for name, example in EXAMPLES.items()}, "own": "My own text"}
TYPED = """The battery of this phone lasts two days
Great screen, and the camera is sharp
The camera is slow but the battery is good
Bright screen, sharp camera, weak battery
The soup was cold and the waiter was rude
Lovely soup, friendly waiter, fair prices
The waiter forgot our soup, and the prices are high
Cold food, but a friendly waiter"""
SENTENCES = {
    "four-subjects": "After the match the coach cooked tomato soup for the players, under the stars.",
    "bank": "A fish brings money to the bank.",
    "own": "The waiter dropped my phone into the soup.",
}
CSS = """
<style>
@container (min-width: 480px) {
  .st-key-documents .player-figures:has(> :nth-child(3)) { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
  .st-key-documents .player-figures > :first-child { grid-column: 1 / -1; }
  .st-key-documents .player-figures > :last-child:nth-child(3) { grid-column: auto; height: var(--height); }
}
.st-key-documents .em-words td:last-child, .st-key-documents .em-words th:last-child { white-space: normal;
  text-align: left; min-width: 14rem; }
.st-key-documents .em-words td:last-child span { white-space: nowrap; }
.st-key-documents .em-document { line-height: 1.65; overflow-wrap: anywhere; }
.st-key-documents .em-document mark { color: inherit; background: none; padding: 0 0.1em; border-radius: 0.2em; }
.st-key-documents .em-document sub { font-size: 0.65em; opacity: 0.8; }
.st-key-documents .em-table th { overflow-wrap: anywhere; }
.st-key-documents p { overflow-wrap: anywhere; }
@media (max-width: 480px) {
  .st-key-documents .em-table :is(td, th) { padding-inline: 0.2rem; font-size: 0.85rem; }
  .st-key-documents .em-words :is(td, th):last-child { min-width: 0; }
}
</style>
"""


# ---- Settings ---------------------------------------------------------------------------------------------


def _typed() -> Setting:
    def parse(text: str) -> str:
        if len(text) > LONGEST_TYPED:
            raise ValueError(f"it must be at most {LONGEST_TYPED:,} characters long, got {len(text):,}")
        return text

    return Setting(parse, joint=": ")


def _sentence() -> Setting:
    def parse(text: str) -> str:
        if len(text) > LONGEST_SENTENCE or not text.isprintable():
            raise ValueError(f"a sentence of at most {LONGEST_SENTENCE} printable characters")
        return text

    return Setting(parse)


def _set_up(values: Values) -> Values:
    example = EXAMPLES.get(values["text"])
    sentence = {"sentence": SENTENCES[values["text"]]}
    if example is None:
        return {"subjects": 2, "rare": 1, "pseudo-count": 0.1, "start-seed": 0} | sentence
    return {
        "subjects": example.n_components,
        "rare": example.rare,
        "pseudo-count": example.pseudo_count,
        "start-seed": example.start_seed,
    } | sentence


def _misfits(values: Values) -> dict[str, str]:
    if values["text"] == "own":
        try:
            OwnText(values["typed"]).make()
        except ValueError as error:
            return {"typed": f"typed: {error}"}
    return {}


OFFER = choices.ModelOffer(
    own={
        "text": choices.one_of(TITLES),
        "typed": _typed(),
        "subjects": choices.whole(1, MOST),
        "pseudo-count": choices.decimal(0, MOST_PSEUDO),
        "rare": choices.whole(1, MOST_RARE),
        "at": choices.whole(1, MAX_DOCUMENTS),
        "sentence": _sentence(),
    },
    usual={
        "text": "four-subjects",
        "typed": TYPED,
        "subjects": 4,
        "pseudo-count": 0.5,
        "rare": 2,
        "at": 1,
        "sentence": SENTENCES["four-subjects"],
    },
    setup=_set_up,
    idle=lambda values: frozenset({"typed"} if values["text"] != "own" else ()),
    misfits=_misfits,
)
PICTURE = story.picture(
    [
        [
            Node("π", "how common each subject is", "parameter"),
            "→",
            Node("z", "subject", "hidden"),
            "→",
            Node("x", "counts of words", "observed"),
            "←",
            Node("p", "chances of words", "parameter"),
        ]
    ],
    "A document's subject z is drawn with probabilities pi and is hidden; its words x are drawn with the chances p of "
    "its subject.",
    (3, 5, "every document"),
)


# ---- Choices ----------------------------------------------------------------------------------------------


def model_choices() -> None:
    """The number of components, the prior, and which words are counted."""
    controls.widget(
        "subjects",
        st.number_input,
        "Components K",
        1,
        MOST,
        step=1,
        help="How many kinds of document there are. EM does not find this number: you choose it.",
    )
    controls.widget(
        "pseudo-count",
        st.number_input,
        "Pseudo-count α",
        0.0,
        MOST_PSEUDO,
        step=0.1,
        format="%.2f",
        help="Every word of every component is counted this much more than it occurs: a Dirichlet prior. At 0 a word "
        "that a component has never had is impossible for it.",
    )
    controls.widget(
        "rare",
        st.number_input,
        "A word must be in … documents",
        1,
        MOST_RARE,
        step=1,
        help="Words in fewer documents are left out: a word that stands in a single one tells nothing of any other.",
    )


def source_of(visit: Session) -> TextExample | OwnText:
    """Where the documents come from; the editor of one's own text stands on the page."""
    values = visit.values
    if values["text"] != "own":
        return TextExample(values["text"], values["rare"])
    with st.expander("My own text", expanded=True):
        typed, brought = st.columns(2)
        with brought:
            _file(visit)
        with typed:
            _editor(visit)
    if visit.own is not None:
        return OwnText(visit.own.text, values["rare"], visit.own.name)
    return OwnText(values["typed"], values["rare"])


def _editor(visit: Session) -> None:
    """The typed text: what is typed stays typed, and what was last legal is on show."""
    values = visit.values
    legal, text = st.session_state.get("text as typed", (None, ""))
    if legal != values["typed"]:  # another link was opened
        legal = text = values["typed"]
    text = st.text_area(
        "One document a line",
        text,
        key=f"typed text {visit.editor}",
        max_chars=LONGEST_TYPED,
        height=160,
        disabled=visit.own is not None,
        help="A file is on show." if visit.own is not None else None,
    )
    try:
        OwnText(text).make()
    except ValueError as error:
        st.error(f"{plain(str(error))} The page shows the last text that could be used.")
    else:
        legal = text
        put(typed=text)
    st.session_state["text as typed"] = (legal, text)


def _file(visit: Session) -> None:
    """A text file: it is on show from when it arrives. What is wrong with one is said, and the page keeps what it had.

    To replace a file the browser first removes it: what is removed stays on show until the visitor goes back.
    """
    brought = st.file_uploader(
        f"Or a text file, at most {MAX_CHARACTERS // 2**20} MB",
        type=["txt", "csv", "tsv", "md"],
        max_upload_size=controls.MAX_UPLOAD,
        key="text file",
        help=f"One document a line. At most {MAX_DOCUMENTS:,} documents and {MAX_WORDS:,} words are fitted. The file "
        "stays in this session and is not stored.",
    )
    if brought is not None:
        if visit.table is None or visit.table[0] != brought.file_id:
            visit.table = brought.file_id, _read(visit, brought.name, brought.getvalue())
        if visit.table[1]:
            st.error(f"{plain(visit.table[1])} The page keeps showing what it had.")
    if visit.own is not None:
        st.caption(f"On show: {plain(visit.own.name)}.")
        if st.button("Back to the typed text"):
            visit.own = None
            st.rerun()


def _read(visit: Session, name: str, content: bytes) -> str:
    """The file's text becomes the visitor's; or why it cannot."""
    try:
        own = OwnText(csv_table.decoded(content, MAX_CHARACTERS, "text"), name=name[:120])
        dataset(own)
    except ValueError as error:
        return str(error)
    visit.own = own
    return ""


def about(documents: Documents) -> None:
    """What is counted."""
    st.caption(
        plain(
            " ".join(
                [
                    documents.caption,
                    f"Counted: {int(documents.X.sum()):,} words, {len(documents.words):,} different ones, in "
                    f"{len(documents.texts):,} documents.",
                    *documents.notes,
                ]
            )
        )
    )


def row_of(visit: Session, documents: Documents) -> int:
    """The row of the document to look at, from 0; the last one where there are fewer."""
    n = len(documents.texts)
    if visit.values["at"] > n:
        put(at=n)
    return int(visit.values["at"]) - 1


# ---- A question -------------------------------------------------------------------------------------------


def question(experiment: Experiment, documents: Documents) -> None:
    """How many documents end up with their own kind, without labels."""
    if documents.labels is None:
        return
    n = len(documents.texts)
    low, high = n // 2, 5 * n // 6
    story.predict(
        f"sorted {experiment.digest}",
        f"EM sees words and no subjects. In the end each component stands for the subject that it fits best. How many "
        f"of the {n} documents will be in the component of their subject?",
        (f"Fewer than {low}", f"{low} to {high}", f"More than {high}"),
        lambda: _sorted(experiment.history(), documents, low, high),
    )


def _sorted(history: History, documents: Documents, low: int, high: int) -> tuple[int, str]:
    wrong = subjects.elsewhere(history, history.n_positions - 1, documents) or []
    right = len(documents.texts) - len(wrong)
    return (
        0 if right < low else 1 if right <= high else 2,
        f"After {_count(history)} {right} of {len(documents.texts)} are where their subject is. {_elsewhere(wrong)}"
        "Another start may end elsewhere, at another local maximum: reseed it, and compare.",
    )


def _elsewhere(wrong: list[int]) -> str:
    if not wrong:
        return ""
    shown = [str(n + 1) for n in wrong[:12]]
    more = f" and {len(wrong) - len(shown)} more" if len(wrong) > len(shown) else ""
    what = "Document" if len(wrong) == 1 else "Documents"
    verb = "is" if len(wrong) == 1 else "are"
    return f"{what} {', '.join(shown) + more if more else listed(shown)} {verb} not. "


def _count(history: History) -> str:
    return f"{history.n_iterations} iteration{'' if history.n_iterations == 1 else 's'}"


# ---- What follows the position ----------------------------------------------------------------------------


def choose(visit: Session, documents: Documents, shown: PlayerReport, scene: TextScene, row: int) -> None:
    """A click on a document, or a change of a field below: for the pictures and the link as well."""
    if st.session_state.pop("text chosen", False):
        st.rerun()
    if shown.click and int(scene.rows[shown.click.point]) != row:
        visit.pending = {"at": int(scene.rows[shown.click.point]) + 1}
        st.rerun()


def _chosen(name: str, key: str) -> None:
    value = st.session_state[key]
    if name == "sentence":  # as a link can say it
        value = "".join(letter for letter in " ".join(value.split()) if letter.isprintable())[:LONGEST_SENTENCE]
    put(**{name: value})
    st.session_state["text chosen"] = True


def below(visit: Session, history: History, documents: Documents, scene: TextScene, position: int, row: int) -> None:
    """The telling words of every component, one document and one sentence, at this position."""
    st.html(f'<div class="em-words">{_words(history, documents, scene, position)}</div>')
    left, right = st.columns(2, gap="large")
    with left:
        n = len(documents.texts)
        st.session_state["document to look at"] = row + 1
        st.number_input(
            f"Document to look at, 1 to {n:,}",
            1,
            n,
            step=1,
            width=220,
            key="document to look at",
            on_change=_chosen,
            args=("at", "document to look at"),
            help="A click on its marker above its bar chooses it, too.",
        )
        st.html(_document(history, documents, position, row))
    with right:
        st.session_state["sentence to ask"] = visit.values["sentence"]
        st.text_input(
            "Your sentence: where does it belong?",
            key="sentence to ask",
            max_chars=LONGEST_SENTENCE,
            on_change=_chosen,
            args=("sentence", "sentence to ask"),
            help="Its posterior by the parameters now on show. It is not fitted.",
        )
        st.html(_asked(subjects.ask(history, position, documents, visit.values["sentence"])))


def _words(history: History, documents: Documents, scene: TextScene, position: int) -> str:
    snapshot = history.snapshot(position)
    counts = snapshot.posterior.counts.tolist() if snapshot.posterior is not None else None
    rows = []
    for k, telling in enumerate(subjects.telling_words(snapshot.parameters, documents.words, TELLING)):
        subject = f" {escape(documents.subjects[scene.partner[k]])}" if scene.partner[k] >= 0 else ""
        words = ", ".join(
            f"<span>{escape(each.word)} <small>{number(each.lift, 1)}×</small></span>" for each in telling
        )
        taken = f'<span class="em-small">{number(counts[k], 1)} documents</span>' if counts else ""
        rows.append(
            (
                outcome.component_key(k) + subject,
                number(float(snapshot.parameters.weights[k]), 3) + taken,
                words or "none: like all others",
            )
        )
    header = ["Component", "Weight", "Most telling words"]
    table = outcome.table(f"Components at iteration {snapshot.iteration}", header, rows)
    said = (
        "<p>Ranked by p log(p/p̄), p the word’s probability in the component and p̄ in all together: words that are "
        "frequent, and more so than elsewhere. 3.0× means that p is 3 times p̄."
    )
    wrong = subjects.elsewhere(history, position, documents)
    if documents.labels is not None:
        said += " The subject beside a component is the one that it stands for at the end, matched by us."
    if wrong is not None:
        n = len(documents.texts)
        said += f" Now the likeliest component of {n - len(wrong)} of {n} documents is that of their subject. "
        said += escape(_elsewhere(wrong))
    return f"{table}{said}</p>"


def _document(history: History, documents: Documents, position: int, row: int) -> str:
    pieces = "".join(
        escape(piece.text)
        if piece.component < 0
        else f'<mark style="background: color-mix(in srgb, {style.COMPONENT_COLOURS[piece.component]} '
        f'{max(0.0, piece.share - 0.25):.0%}, transparent)">{escape(piece.text)}<sub>{piece.component + 1}</sub></mark>'
        for piece in subjects.marked(history, position, documents, row, LONGEST_SHOWN)
    )
    subject = f" (true subject: {documents.subjects[documents.labels[row]]})" if documents.labels is not None else ""
    posterior = history.snapshot(position).posterior
    title = f"Document {row + 1}{subject}"
    if posterior is None:
        card = f"<p><strong>{escape(title)}</strong>: before the first E-step nothing is known of where it belongs.</p>"
    else:
        card = outcome.shares_table(title, posterior.responsibilities[row].tolist()) + "<p></p>"
    return (
        f'{card}<p class="em-document">{pieces}</p><p class="em-small">Each counted word has the number of the '
        "component that is likeliest if the word is all one knows; the stronger the tint, the surer.</p>"
    )


def _asked(asked: Asked) -> str:
    notes = []
    if asked.unknown:
        what = "a word" if len(asked.unknown) == 1 else "words"
        notes.append(
            f"Unknown and left out: {_quoted(asked.unknown)}, {what} of no document, or of too few to be counted."
        )
    if asked.stop:
        notes.append(f"Never counted: {_quoted(asked.stop)}.")
    if not asked.known:
        notes.insert(0, "No counted word is in it, so its posterior is the weights.")
    if asked.responsibilities is None:
        notes.insert(
            0,
            "Every component rules this sentence out: each lacks one of its words, with probability 0. With a "
            "pseudo-count above 0 no known word is impossible.",
        )
    header = ["In nats, for component", *(str(k + 1) for k in range(len(asked.priors)))]
    rows = [("log weight", *(_nats(value) for value in asked.priors))]
    for each in asked.known[:MOST_ROWS]:
        times = f" × {each.count}" if each.count > 1 else ""
        rows.append((escape(each.word) + times, *(_nats(value) for value in each.terms)))
    more = len(asked.known) - MOST_ROWS
    if more > 0:
        rows.append((f"and {more} more word{'' if more == 1 else 's'}", *("…" for _ in asked.priors)))
    rows.append(("<b>Sum</b>", *(_nats(value) for value in asked.sums)))
    table = outcome.table("Sentence: evidence, word by word", header, rows)
    shares = outcome.shares_table("Sentence: posterior", list(asked.responsibilities)) if asked.responsibilities else ""
    notes.append(
        "A word adds log(p/p̄) for each component: above 0 it speaks for it, below 0 against it. exp of the sums, "
        "divided by their sum, is the posterior."
    )
    return f"{shares}<p></p><p>{escape(' '.join(notes))}</p>{table}"


def _quoted(words: tuple[str, ...]) -> str:
    shown = [f"“{word}”" for word in words[:8]]
    return listed(shown) if len(words) <= 8 else f"{', '.join(shown)} and {len(words) - 8} more"


def _nats(value: float) -> str:
    return f"{report.MINUS}∞" if value == float("-inf") else report.signed(value, 2)


# ---- Below the run ----------------------------------------------------------------------------------------


def limits() -> None:
    """What EM does not know."""
    with st.expander("What EM does not know", expanded=True):
        st.markdown(
            "- **The subjects.** It sees counts of words, and no label. That a component is about cooking is what we "
            "say when we read its words.\n"
            "- **Which component is which.** Their numbers mean nothing: another start may find the same components "
            "in another order, with the same likelihood (label switching).\n"
            "- **Whether this is the best end.** Text has many local maxima, for a start is a few documents drawn at "
            "random. Reseed the start and compare the objectives. The highest one is not always the one that agrees "
            "best with the subjects: EM was asked for likely words.\n"
            "- **How many components there are.** Try K = 3 or 5 and see which subjects are joined or divided.\n"
            "- **What a sentence says.** *The coach praised the players* and *the players praised the coach* are the "
            "same bag of words. Words count as independent, so the posterior is surer than it should be."
        )
        story.reseed(True)


def formulas() -> None:
    """The model and both steps in its own symbols."""
    with st.expander("Formulas", expanded=True):
        left, right = st.columns(2)
        left.markdown("**E-step**: the multinomial coefficient is the same for all components and cancels.")
        left.latex(r"\gamma_{nk} = \frac{\pi_k \prod_w p_{kw}^{\,x_{nw}}}{\sum_j \pi_j \prod_w p_{jw}^{\,x_{nw}}}")
        right.markdown("**M-step**: shares of words and of documents, weighted by $\\gamma_{nk}$.")
        right.latex(
            r"p_{kw} = \frac{\alpha + \sum_n \gamma_{nk}\, x_{nw}}{\sum_v \left(\alpha + \sum_n \gamma_{nk}\, x_{nv}"
            r"\right)}"
        )
        right.latex(r"\pi_k = \frac{1}{N} \sum_n \gamma_{nk}")
        st.markdown(
            "$x_{nw}$ says how often word $w$ stands in document $n$; $p_{kw}$ is the probability that a word of a "
            "document of component $k$ is $w$; $\\pi_k$ the weight of component $k$; $\\gamma_{nk}$ its "
            "responsibility for document $n$. The pseudo-count $\\alpha$ is a Dirichlet prior with concentration "
            "$1 + \\alpha$ on each $p_k$. EM then climbs the log-likelihood plus the log of the prior's density:"
        )
        st.latex(
            r"\sum_n \ln \sum_k \pi_k\, \mathrm{Mult}(x_n \mid p_k) + \sum_k \ln \mathrm{Dir}(p_k \mid 1 + \alpha)"
        )
        st.markdown(
            "Words are runs of letters, in lower case, without a final ’s. Numbers, single letters and common words "
            "(*a*, *the*, *and* and the like) are not counted, nor are words of too few documents. Order does not "
            "matter: a document is a bag of words. The log-likelihood includes the multinomial coefficients."
        )
