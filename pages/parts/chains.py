"""The parts of the lesson on hidden Markov models: its settings, its editor, its words, its tables, its formulas."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emcore import chains, report
from emcore.chains import Entry, chance
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures.hidden_markov import MAX_STATES
from emcore.report import number
from emcore.sources.sequences import EXAMPLES, MAX_STEPS, MAX_SYMBOLS, Sequences, SimulatedSequences, TypedSequences
from pages.parts import controls, outcome, story
from pages.parts import settings as choices
from pages.parts.cards import coloured, tex
from pages.parts.controls import Session, put
from pages.parts.player import PlayerReport
from pages.parts.settings import Setting, Values
from pages.parts.story import Node
from pages.parts.text import plain

LONGEST = 3_000  # characters that may be typed
TITLES = {**{name: example.title for name, example in EXAMPLES.items()}, "own": "My own sequence"}
KINDS = {"symbols": "Symbols", "numbers": "Numbers"}
BEGINNINGS = {
    "random": "Random",
    "alike": "All states alike",
    "truth": "The truth",
}
ABOUT_BEGINNINGS = {
    "random": "Symbols: what each state shows is drawn at random. Numbers: each mean is at a random observation.",
    "alike": "Nothing tells the states apart.",
    "truth": "The parameters that the sequence was drawn from.",
}
TYPED = "1 1 2 1 3 3 2 3 3 1 1 2 1 1 1 3 2 3 3 3 2 1 1 2"
CSS = """
<style>
@container (min-width: 480px) {
  .st-key-chain .player-figures:has(> :nth-child(3)) { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .st-key-chain .player-figures > :is(:first-child, :last-child) { grid-column: 1 / -1; }
}
@container (min-width: 700px) {
  .st-key-chain .player-figures:has(> :nth-child(3)) { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .st-key-chain .player-figures > :last-child { grid-column: auto; height: calc(0.68 * var(--height)); }
}
.st-key-chain .player-figures > :first-child { height: var(--height); }
.st-key-chain .em-scroll { margin-bottom: 0.7rem; }
.st-key-chain .em-table th { white-space: normal; vertical-align: bottom; }
@media (max-width: 480px) {
  .st-key-chain .em-table :is(td, th) { padding-inline: 0.2rem; font-size: 0.85rem; }
}
@media (max-width: 1200px) {
  :is(.st-key-chain-formulas, .st-key-chain-below) [data-testid="stColumn"] { min-width: 100%; }
}
:is(.st-key-chain-formulas, .st-key-chain-below) .katex-display {
  overflow-x: auto; overflow-y: hidden; padding: 0.2rem 3px; text-align: left; }
:is(.st-key-chain-formulas, .st-key-chain-below) .katex-display > .katex { text-align: left; }
</style>
"""


def _typed() -> Setting:
    def parse(text: str) -> str:
        if len(text) > LONGEST:
            raise ValueError(f"it must be at most {LONGEST:,} characters long, got {len(text):,}")
        return text

    return Setting(parse, joint=": ")


def _set_up(values: Values) -> Values:
    example = EXAMPLES.get(values["sequence"])
    if example is None:
        return {"truth": False}
    return {
        "data-seed": example.data_seed,
        "start-seed": example.start_seed,
        "max-iter": example.max_iter,
        "at": example.look_at,
        "states": example.truth.n_components,
    }


def beginnings(values: Values) -> dict[str, str]:
    """The starts that there are for these values: the truth only where it is known and has as many states."""
    example = EXAMPLES.get(values["sequence"])
    known = example is not None and example.truth.n_components == values["states"]
    return {name: title for name, title in BEGINNINGS.items() if name != "truth" or known}


def _symbolic(values: Values) -> bool:
    """Whether the sequence on show consists of symbols."""
    example = EXAMPLES.get(values["sequence"])
    return bool(example.symbols) if example else values["kind"] == "symbols"


def _misfits(values: Values) -> dict[str, str]:
    refused = {}
    if values["begin"] not in beginnings(values):
        refused["begin"] = "begin: the truth is unknown here, or has another number of states."
    if values["sequence"] == "own":
        try:
            TypedSequences(values["typed"], values["kind"])
        except ValueError as error:
            refused |= {"typed": f"typed: {error}", "kind": "kind: it stays with the sequence."}
    return refused


OFFER = choices.ModelOffer(
    own={
        "sequence": choices.one_of(TITLES),
        "typed": _typed(),
        "kind": choices.one_of(KINDS),
        "data-seed": choices.whole(0, choices.MAX_SEED),
        "states": choices.whole(1, MAX_STATES),
        "tied": choices.flag(),
        "begin": choices.one_of(BEGINNINGS),
        "at": choices.whole(1, MAX_STEPS),
        "truth": choices.flag(),
    },
    usual={
        "sequence": "diary",
        "typed": TYPED,
        "kind": "symbols",
        "data-seed": 0,
        "states": 2,
        "tied": False,
        "begin": "random",
        "at": 1,
        "truth": False,
    },
    setup=_set_up,
    idle=lambda values: frozenset(
        ({"data-seed", "truth"} if values["sequence"] == "own" else {"typed", "kind"})
        | ({"tied"} if _symbolic(values) else set())
        | ({"start-seed"} if values["begin"] != "random" else set())
    ),
    misfits=_misfits,
)
PICTURE = story.picture(
    [
        [
            Node("z₁", "state", "hidden"),
            "→",
            Node("z₂", "next state", "hidden"),
            "→",
            Node("z₃", "and so on", "hidden"),
        ],
        ["↓", "", "↓", "", "↓"],
        [Node("x₁", "seen", "observed"), "", Node("x₂", "seen", "observed"), "", Node("x₃", "seen", "observed")],
    ],
    "A row of hidden states, each drawn depending on the one before it; each shows one observation.",
)


# ---- Choices ----------------------------------------------------------------------------------------------


def model_choices(visit: Session) -> None:
    """The number of states, and where EM begins."""
    controls.widget(
        "states",
        st.number_input,
        "Hidden states K",
        1,
        MAX_STATES,
        step=1,
        help="How many states the chain has. EM does not find this number: you choose it.",
    )
    controls.widget(
        "tied",
        st.toggle,
        "One sd for all states",
        disabled=_symbolic(visit.values),
        help="For measurements: the states differ by their means alone, and none can collapse onto a single point.",
    )
    offered = beginnings(visit.values)
    if visit.values["begin"] not in offered:
        put(begin="random")
    begin = controls.widget("begin", st.selectbox, "Where EM begins", list(offered), format_func=offered.__getitem__)
    st.caption(ABOUT_BEGINNINGS[begin])


def view_choices(visit: Session) -> None:
    """The switch for the truth, where it is known."""
    own = visit.values["sequence"] == "own"
    controls.widget(
        "truth",
        st.toggle,
        "Show the truth",
        disabled=own,
        help="Nobody knows the truth of your own sequence."
        if own
        else "Where the chain truly was, and the parameters that the sequence was drawn from.",
    )


def caption_of(values: Values) -> str:
    """What the sequence on show is."""
    example = EXAMPLES.get(values["sequence"])
    return example.caption if example else "Here it is a sequence of your own."


def source_of(visit: Session) -> SimulatedSequences | TypedSequences:
    """Where the sequence on show comes from; its own editor stands on the page."""
    values = visit.values
    if values["sequence"] != "own":
        return SimulatedSequences(values["sequence"], values["data-seed"])
    _editor(visit)
    return TypedSequences(values["typed"], values["kind"])


def _editor(visit: Session) -> None:
    """The visitor's own sequence: what is typed stays typed, and what was last legal is on show."""
    values = visit.values
    legal, text, kind = st.session_state.get("sequence as typed", ((), "", ""))
    if legal != (values["typed"], values["kind"]):  # another link was opened
        legal, text, kind = (values["typed"], values["kind"]), values["typed"], values["kind"]
    with st.expander("My own sequence", expanded=True):
        kind = st.segmented_control(
            "What it consists of",
            list(KINDS),
            default=kind,
            format_func=KINDS.__getitem__,
            required=True,
            key=f"kind of sequence {visit.editor}",
            help="Symbols: each state has a probability for each. Numbers: each state has a mean and an sd.",
        )
        text = st.text_area(
            "Sequence",
            text,
            key=f"text of sequence {visit.editor}",
            max_chars=LONGEST,
            help=f"Spaces or commas between the steps, a line for each sequence; at most {MAX_STEPS} steps. A line of "
            f"symbols without spaces is read letter by letter. At most {MAX_SYMBOLS} different symbols.",
        )
        try:
            TypedSequences(text, kind)
        except ValueError as error:
            st.error(f"{plain(str(error))} The page shows the last sequence that could be read.")
        else:
            values["typed"], values["kind"] = text, kind
            put(typed=text, kind=kind)
            legal = (text, kind)
    st.session_state["sequence as typed"] = (legal, text, kind)


def row_of(visit: Session, sequences: Sequences) -> int:
    """The row of the step to look at, counted from 0; the last one where the sequence is shorter."""
    n = len(sequences.X)
    if visit.values["at"] > n:
        put(at=n)
    return int(visit.values["at"]) - 1


def choose_step(visit: Session, sequences: Sequences, shown: PlayerReport, row: int) -> None:
    """The step whose posterior is worked below, by its number or by a click: for the pictures as well."""
    n = len(sequences.X)

    def chosen() -> None:
        put(at=st.session_state["step to look at"])
        st.session_state["step chosen"] = True

    if st.session_state.pop("step chosen", False):
        st.rerun()
    if shown.click and shown.click.point != row:
        visit.pending = {"at": shown.click.point + 1}
        st.rerun()
    st.session_state["step to look at"] = row + 1
    st.number_input(
        f"{sequences.step.capitalize()} to look at, 1 to {n}",
        1,
        n,
        step=1,
        width=220,
        key="step to look at",
        on_change=chosen,
        help="Its posterior is worked below. A click on an observation chooses it, too.",
    )


# ---- A question -------------------------------------------------------------------------------------------

TO_PREDICT = ("It rises", "It stays about the same", "It falls below one half")


def question(experiment: Experiment, history: History, sequences: Sequences) -> None:
    """What the neighbours do to a single observation, at the end of the run."""
    found = chains.loneliest(history)
    if found is None:
        return
    step, who = sequences.step, f"state {found.state + 1}"
    what = f"{sequences.axis.split(' (')[0].lower()}: {chains.observed(sequences, found.row)}"
    story.predict(
        f"neighbours {experiment.digest}",
        f"At the end of the run, {step} {found.row + 1} ({plain(what)}) by itself, with how often each state occurs, "
        f"gives {who} the probability {chance(found.alone)}. What becomes of it when all {step}s before and after are "
        "taken into account?",
        TO_PREDICT,
        lambda: (
            2,
            f"With the {step}s before it, it is {chance(found.filtered)}; with those after it as well, "
            f"{chance(found.smoothed)}. What comes before and after can outvote a single observation. In a "
            "mixture, which forgets the order, it cannot.",
        ),
    )


# ---- What follows the position ----------------------------------------------------------------------------


def below(history: History, sequences: Sequences, position: int, row: int, truth: bool) -> None:
    """Forward-backward at one step, the path beside the posterior, and the parameters with their expected counts."""
    found = chains.compare_paths(history, sequences, position)
    with st.container(key="chain-below"):
        left, right = st.columns([1, 1.2], gap="large")
        with left:
            st.html(_block(_step_table(history, sequences, position, row)))
            _step_formulas(history, position, row)
        with right:
            st.html(_block(_parameters(history, sequences, position, truth)))
            if found is not None:
                st.markdown(plain(chains.about_paths(found, sequences, truth)))
        opened = st.expander("The sequence as a table", key="steps as table", on_change="rerun")
        if opened.open:
            columns = chains.step_table(history, sequences, position)
            with opened:
                st.dataframe(
                    pd.DataFrame({name: values for name, values in columns.items() if truth or name != "truth"}),
                    hide_index=True,
                    height=400,
                    alt="Every step with its observation, its posterior and the Viterbi path",
                )


def _block(content: str) -> str:
    return f'<div class="em-below"><div>{content}</div></div>'


def _step_table(history: History, sequences: Sequences, position: int, row: int) -> str:
    read = chains.read_step(history, position, row)
    step, what = sequences.step, chains.observed(sequences, row)
    title = f"{step.capitalize()} {row + 1}: {sequences.axis} {what}"
    if read is None:
        return f"<p>{escape(title)}. Before the first E-step nothing is known of its state.</p>"
    header = ["State", "Past", f"p({what})" if sequences.symbols else "Density", "Past and present", "Future", "All: γ"]
    columns = (read.predicted, read.densities, read.filtered, read.backward, read.smoothed)
    rows = [
        (
            outcome.component_key(k),
            chance(past, 3),
            chance(density, 3) if sequences.symbols else report.significant(density),
            chance(filtered, 3),
            chance(future, 3),
            f"<b>{chance(all_of_it, 3)}</b>",
        )
        for k, (past, density, filtered, future, all_of_it) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        )
    ]
    return outcome.table(title, header, rows)


def _step_formulas(history: History, position: int, row: int) -> None:
    """The two products of forward-backward at one step, in numbers."""
    read = chains.read_step(history, position, row)
    if read is None:
        return
    t, states = row + 1, range(len(read.smoothed))

    def product(
        letter: str, factors: Sequence[NDArray[np.float64]], total: float, made: NDArray[np.float64]
    ) -> list[str]:
        first, second = (factor.tolist() for factor in factors)
        return [
            rf"{letter}_{{{t}}}({k + 1}) &= \frac{{{tex(first[k])} \times {tex(second[k])}}}{{{tex(total)}}} = "
            + coloured(k, tex(float(made[k])))
            for k in states
        ]

    before = "the initial probabilities" if read.begins else rf"$\alpha_{{{row}}}$, moved on by the transitions"
    after = "nothing follows, so all are equal" if read.ends else "how well each explains what follows, to sum 1"
    st.markdown(
        f"Past: {before}. Past × present, divided by the sum, is $\\alpha_{{{t}}}$, past and present. Future: {after}. "
        f"$\\alpha_{{{t}}}$ × future, divided by the sum, is the posterior $\\gamma_{{{t}}}$."
    )
    lines = product(r"\alpha", (read.predicted, read.densities), read.predictive, read.filtered)
    lines += product(r"\gamma", (read.filtered, read.backward), read.overlap, read.smoothed)
    st.latex(r"\begin{aligned}" + r" \\[0.6em] ".join(lines) + r"\end{aligned}")


def _parameters(history: History, sequences: Sequences, position: int, truth: bool) -> str:
    rows = chains.entries(history, sequences, position)
    digits = report.decimals(history.parameters[position // 2])
    iteration = position // 2
    header = ["State", *(entry.column for entry in rows[0])]
    now = [
        (
            outcome.component_key(k),
            *(
                _value(entry, entry.value, digits)
                + (
                    f'<span class="em-small">truth {_value(entry, entry.truth, digits)}</span>'
                    if truth and entry.truth is not None
                    else ""
                )
                for entry in row
            ),
        )
        for k, row in enumerate(rows)
    ]
    tables = outcome.table(f"Parameters at iteration {iteration}", header, now)
    if rows[0][0].count is None:
        return tables
    made = [
        (
            outcome.component_key(k),
            *(
                ("" if entry.count is None else chains.counted(entry.count))
                + f'<span class="em-small">{"" if entry.count is None else "gives "}'
                + f"{'–' if entry.next is None else _value(entry, entry.next, digits)}</span>"
                for entry in row
            ),
        )
        for k, row in enumerate(rows)
    ]
    tables += outcome.table("Expected counts, and what the M-step makes of them", header, made)
    note = (
        "→ 2: the change to state 2. Starts are divided by their sum over the states, changes by their sum in the row"
    )
    note += ", and so are symbols." if sequences.symbols else ". Means and sds are averages weighted by γ."
    return f"{tables}<p>{note}</p>"


def _value(entry: Entry, value: float, digits: int) -> str:
    return number(value, digits) if entry.column in ("mean", "sd") else chance(value, 3)


# ---- Formulas ---------------------------------------------------------------------------------------------


def formulas(sequences: Sequences, tied: bool) -> None:
    """The model and both steps in its own symbols."""
    sd = r"\sigma" if tied else r"\sigma_k"
    shown = r"\phi_{k x_t}" if sequences.symbols else rf"\mathcal{{N}}(x_t \mid \mu_k, {sd}^2)"
    with st.expander("Formulas", expanded=True), st.container(key="chain-formulas"):
        st.markdown("**Model**: a state depends on the one before it, an observation on its state alone.")
        st.latex(
            r"\begin{aligned} p(x, z) &= \pi_{z_1} \textstyle\prod_{t=2}^{T} A_{z_{t-1} z_t} \\ "
            r"&\quad \times \textstyle\prod_{t=1}^{T} p(x_t \mid z_t) \\ "
            rf"p(x_t \mid z_t = k) &= {shown} \end{{aligned}}"
        )
        left, right = st.columns(2)
        with left:
            st.markdown("**E-step**: forward-backward. $\\propto$: divided by the sum over the states.")
            st.latex(
                r"\begin{aligned}"
                r"\alpha_t(k) &\propto p(x_t \mid k) \textstyle\sum_j \alpha_{t-1}(j)\, A_{jk} \\"
                r"\beta_t(j) &\propto \textstyle\sum_k A_{jk}\; p(x_{t+1} \mid k)\; \beta_{t+1}(k) \\"
                r"\gamma_t(k) &\propto \alpha_t(k)\, \beta_t(k) \\"
                r"\xi_t(j, k) &\propto \alpha_{t-1}(j)\, A_{jk}\; p(x_t \mid k)\; \beta_t(k)"
                r"\end{aligned}"
            )
        with right:
            st.markdown("**M-step**: weighted maximum likelihood, shares of expected counts.")
            emission = (
                r"\phi_{km} &= \textstyle\sum_{t:\, x_t = m} \gamma_t(k) \big/ \sum_t \gamma_t(k)"
                if sequences.symbols
                else r"\mu_k &= \textstyle\sum_t \gamma_t(k)\, x_t \big/ \sum_t \gamma_t(k) \\"
                + (
                    r"\sigma^2 &= \textstyle\sum_t \sum_k \gamma_t(k)\, (x_t - \mu_k)^2 \big/ T"
                    if tied
                    else r"\sigma_k^2 &= \textstyle\sum_t \gamma_t(k)\, (x_t - \mu_k)^2 \big/ \sum_t \gamma_t(k)"
                )
            )
            st.latex(
                r"\begin{aligned}"
                r"\pi_k &= \gamma_1(k) \\"
                r"A_{jk} &= \textstyle\sum_{t=2}^{T} \xi_t(j, k) \big/ \sum_{t=2}^{T} \gamma_{t-1}(j) \\"
                + emission
                + r"\end{aligned}"
            )
        st.markdown("**Viterbi path**, the most probable one: the sum over the states before becomes the best of them.")
        st.latex(
            r"\begin{aligned} \omega_t(k) &= \ln p(x_t \mid k) \\ "
            r"&\quad + \max_j \, \big\{ \omega_{t-1}(j) + \ln A_{jk} \big\} \end{aligned}"
        )
        emission = (
            "$\\phi_{km}$ the probability of symbol $m$ in state $k$"
            if sequences.symbols
            else f"$\\mu_k$, ${sd}$ the mean and sd of state $k$" + (", the same sd for all" if tied else "")
        )
        st.caption(
            f"$\\pi_k$ the probability to begin in state $k$; $A_{{jk}}$ that to go from $j$ to $k$; {emission}; "
            "$\\alpha_t$ past and present; $\\beta_t$ the future; $\\gamma_t(k) = p(z_t = k \\mid x)$ and "
            "$\\xi_t(j, k) = p(z_{t-1} = j, z_t = k \\mid x)$ the posterior; $\\omega_t(k)$ the log probability of the "
            "best path that ends in $k$. With several sequences the sums run over all of them, and $\\pi$ is the mean "
            "of their $\\gamma_1$. Notation: Bishop (2006), section 13.2."
        )
