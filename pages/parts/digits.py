"""The parts of the lesson on digits: its settings, its picture, its question, its tables and its formulas."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emcore import handwriting, report
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures import style
from emcore.report import listed, number
from emcore.sources.digits import ALL, EXAMPLES, MOST_EACH, MOST_INK, SIDE, DigitData, Digits
from pages.parts import controls, outcome, story
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.player import PlayerReport
from pages.parts.settings import Setting, Values
from pages.parts.story import Node

TITLES = {**{name: example.title for name, example in EXAMPLES.items()}, "own": "My own choice"}
USUAL_OWN = (2, 7)


def _own_digits() -> Setting:
    """Some of the ten digits, "379"."""

    def parse(text: str) -> tuple[int, ...]:
        if not (text.isascii() and text.isdigit() and len(set(text)) == len(text)):
            raise ValueError("one or more of the digits 0 to 9, each once, as in 379")
        return tuple(sorted(int(digit) for digit in text))

    return Setting(parse, lambda digits: "".join(map(str, digits)))


def _set_up(values: Values) -> Values:
    example = EXAMPLES.get(values["digits"])
    return {"components-k": len(example.digits if example else values["own-digits"])}


OFFER = choices.ModelOffer(
    own={
        "digits": choices.one_of(TITLES),
        "own-digits": _own_digits(),
        "each": choices.whole(10, MOST_EACH),
        "threshold": choices.whole(1, MOST_INK),
        "data-seed": choices.whole(0, choices.MAX_SEED),
        "components-k": choices.whole(1, choices.MAX_COMPONENTS),
        "picture": choices.whole(1, len(ALL) * MOST_EACH),
    },
    usual={
        "digits": "all",
        "own-digits": USUAL_OWN,
        "each": 60,
        "threshold": 8,
        "data-seed": 0,
        "components-k": 10,
        "picture": 1,
    },
    setup=_set_up,
    idle=lambda values: frozenset({"own-digits"} if values["digits"] != "own" else set()),
)
PICTURE = story.picture(
    [
        [
            Node("π", "how common each component is", "parameter"),
            "→",
            Node("z", "component", "hidden"),
            "→",
            Node("x", "64 pixels", "observed"),
            "←",
            Node("p", "pictures of probabilities", "parameter"),
        ]
    ],
    "A picture's component z is drawn with probabilities pi and is hidden; each of its 64 pixels x is black with the "
    "probability that the component has there.",
    (3, 5, "every picture"),
)


def own_digits(visit: Session) -> None:
    """The visitor's own choice of digits."""
    if visit.values["digits"] != "own":
        return

    def chosen() -> None:
        picked = tuple(sorted(st.session_state["picked digits"]))
        if picked:
            controls.put(**{"own-digits": picked, "components-k": len(picked)})

    st.session_state["picked digits"] = list(visit.values["own-digits"])
    st.pills("Digits", ALL, selection_mode="multi", key="picked digits", on_change=chosen, help="At least one.")


def source_of(values: Values) -> Digits:
    """The pictures that were chosen."""
    example = EXAMPLES.get(values["digits"])
    digits = example.digits if example else values["own-digits"]
    return Digits(digits, values["each"], values["threshold"], values["data-seed"])


def choose_picture(n_samples: int) -> int:
    """The chosen picture, a row of X: clicked on the wall, or typed."""
    values = controls.session().values
    if values["picture"] > n_samples:
        controls.put(picture=n_samples)
    controls.widget(
        "picture",
        st.number_input,
        f"Picture, 1 to {n_samples:,}",
        1,
        n_samples,
        step=1,
        help="Its responsibilities are worked out below. A click on the wall chooses one too.",
    )
    return int(values["picture"]) - 1


# ---- A question -------------------------------------------------------------------------------------------


def question(experiment: Experiment) -> None:
    """Will the components be the digits?"""
    dataset: DigitData = experiment.dataset()
    k, digits = experiment.model.n_components, dataset.digits
    if k < 2 or len(digits) < 2:
        return
    name = "ten" if len(digits) == 10 else str(len(digits))
    story.predict(
        f"digits {experiment.digest}",
        f"There are {name} kinds of digits and {k} components. Will each digit have a component of its own?"
        if k == len(digits)
        else f"There are {name} kinds of digits and {k} components. Will every digit be the most frequent one of some "
        "component?",
        ("Yes", "Nearly: all but one", "No: two or more have none"),
        lambda: _found(experiment.history(), dataset),
    )


def _found(history: History, dataset: DigitData) -> tuple[int, str]:
    end = handwriting.taken(history, dataset.labels, history.n_positions - 1)
    assert end is not None
    lost = [str(digit) for digit in end.digits if digit not in end.found]
    shared = [
        f"{digit} has components {listed([str(k + 1) for k, name in enumerate(end.names) if name == digit])}"
        for digit in end.found
        if end.names.count(digit) > 1
    ]
    told = (
        "Every digit is the most frequent one of some component"
        if not lost
        else (f"{listed(lost)} {'is' if len(lost) == 1 else 'are'} the most frequent digit of no component")
    )
    more = f"; {', '.join(shared)}" if shared else ""
    return min(len(lost), 2), (
        f"{told}{more}. EM looks for {history.model.n_components} pictures that make all the data probable. Two ways "
        "of writing one digit may be less alike than two digits. Another start ends elsewhere: reseed."
    )


# ---- Words and tables -------------------------------------------------------------------------------------


def below(
    visit: Session,
    history: History,
    shown: PlayerReport,
    dataset: DigitData,
    row: int,
    drawn: NDArray[np.intp],
) -> None:
    """Which digits each component takes, and one picture; a click on the wall chooses another one."""
    if shown.click and shown.click.point < drawn.size:
        visit.pending = {"picture": int(drawn.ravel()[shown.click.point]) + 1}
        st.rerun()
    st.html(
        f'{CSS}<div class="em-below"><div class="em-half">{_takes(history, shown.position, dataset)}</div>'
        f'<div class="em-half">{_one(history, shown.position, dataset, row)}</div></div>'
    )


CSS = """
<style>
.em-digit { display: grid; grid-template-columns: repeat(8, 1fr); width: 6rem; aspect-ratio: 1; background: #fff;
  border: 1px solid color-mix(in srgb, currentColor 45%, transparent); margin-bottom: 0.6rem; }
.em-digit > i { background: #000; }
.em-digit > b { background: #fff; }
.em-below > .em-half { flex: 1 1 26rem; }
.em-most { font-weight: 700; }
.em-zero { opacity: 0.45; }
</style>
"""


def _takes(history: History, position: int, dataset: DigitData) -> str:
    found = handwriting.taken(history, dataset.labels, position)
    k = history.model.n_components
    iteration = position // 2
    sure = handwriting.sure_pixels(history, iteration).tolist()
    sure_row = ["Sure pixels", *map(str, sure)]
    header = ["Digit", *(str(j + 1) for j in range(k))]
    pixels = history.parameters[iteration].n_features
    explained = (
        f"<p>A pixel is sure where the component's probability of ink is exactly 0 or 1, of {pixels}: every picture "
        "that it takes agrees there. Such a pixel never changes again: a picture that disagrees is impossible under "
        "this component, and does not count in its M-step.</p>"
    )
    if found is None:
        table = outcome.table("Pictures by digit and component", header, [sure_row])
        return f"{table}<p>At the start nothing is known of which component a picture belongs to.</p>{explained}"
    rows = [
        (
            str(digit),
            *(
                f'<span class="em-most">{count}</span>'
                if name == digit
                else str(count)
                if count
                else '<span class="em-zero">0</span>'
                for count, name in zip(counts, found.names, strict=True)
            ),
        )
        for digit, counts in zip(found.digits, found.counts.tolist(), strict=True)
    ]
    called = ["Called", *("–" if name is None else f"<b>{name}</b>" for name in found.names)]
    table = outcome.table("Pictures by digit and their most probable component", header, [*rows, called, sure_row])
    n = history.n_samples
    told = (
        f"<p>If each component is called by its most frequent digit, {found.n_right:,} of {n:,} pictures "
        f"({number(100 * found.n_right / n, 1)}%) get their own name."
    )
    if found.confused:
        count, digit, name = found.confused
        told += (
            f" The most frequent mistake: {count} {'picture' if count == 1 else 'pictures'} of {digit} called {name}."
        )
    return f"{table}{told} EM itself knows no names.</p>{explained}"


def _one(history: History, position: int, dataset: DigitData, row: int) -> str:
    """The chosen picture and its responsibilities."""
    title = f"Picture {row + 1}, a {dataset.labels[row]}"
    x = dataset.X[row].tolist()
    cells = "".join("<i></i>" if pixel else "<b></b>" for pixel in x)
    picture = f'<div class="em-digit" role="img" aria-label="{title}, {SIDE} by {SIDE} pixels">{cells}</div>'
    shares = report.responsibilities_of(history, position, row)
    wrong = handwriting.impossible(history, position, row)
    if shares is None or wrong is None:
        return f"<p><b>{title}</b></p>{picture}<p>Before the first E-step nothing is known of where it belongs.</p>"
    bars = [
        (
            outcome.component_key(k),
            number(share, 4),
            str(count) if count else '<span class="em-zero">0</span>',
            f'<span class="em-bar" style="width: {share:.2%}; background: {style.COMPONENT_COLOURS[k]}"></span>',
        )
        for k, (share, count) in enumerate(zip(shares.tolist(), wrong.tolist(), strict=True))
    ]
    table = outcome.table(title, ["Component", "Responsibility", "Impossible pixels", ""], bars)
    excluded = [str(k + 1) for k, count in enumerate(wrong.tolist()) if count]
    told = ""
    if excluded:
        told = (
            f"<p>Under component{'' if len(excluded) == 1 else 's'} {listed(excluded)} this picture has pixels of "
            "probability 0: its responsibility there is 0 for the rest of the run, whatever the other pixels say.</p>"
        )
    return picture + table.replace('<td><span class="em-bar"', '<td class="em-share"><span class="em-bar"') + told


def formulas() -> None:
    """The model and both steps in its own symbols."""
    with st.expander("Formulas", expanded=True):
        left, right = st.columns(2)
        left.markdown("**E-step**: pixels are independent within a component (Bishop 9.56).")
        left.latex(
            r"\gamma_{nk} = \frac{\pi_k \prod_{i=1}^{64} p_{ki}^{x_{ni}} (1 - p_{ki})^{1 - x_{ni}}}"
            r"{\sum_j \pi_j \prod_{i=1}^{64} p_{ji}^{x_{ni}} (1 - p_{ji})^{1 - x_{ni}}}"
        )
        right.markdown("**M-step**: the average picture, weighted by $\\gamma_{nk}$ (Bishop 9.59 and 9.60).")
        right.latex(
            r"\mathbf{p}_k = \frac{\sum_n \gamma_{nk}\, \mathbf{x}_n}{\sum_n \gamma_{nk}} \qquad"
            r" \pi_k = \frac{1}{N} \sum_n \gamma_{nk}"
        )
        st.markdown(
            "$x_{ni}$ is 1 where pixel $i$ of picture $n$ is black, else 0; $p_{ki}$ the probability of ink in pixel "
            "$i$ of component $k$; $\\pi_k$ the weight of component $k$; $\\gamma_{nk}$ its responsibility for picture "
            "$n$. The product of 64 factors makes most responsibilities nearly 0 or 1."
        )
