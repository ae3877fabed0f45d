"""The parts of the lesson on coins: its settings, its pictures, its words, its tables and its formulas."""

from __future__ import annotations

from typing import Any

import streamlit as st

from emcore import report, tosses
from emcore.em import History
from emcore.experiment import Experiment
from emcore.models import BinomialMixtureParameters
from emcore.report import listed, number
from emcore.sources.coins import EXAMPLES, MAX_SETS, CoinData, LinkageData
from pages.parts import controls, outcome, story
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.settings import Rows, Values
from pages.parts.story import Node

MOST = 5
SHOWN = 20  # sets in the table
USUAL_CHANCES = (0.6, 0.5, 0.4, 0.7, 0.3)
TITLES = {
    **{name: example.title for name, example in EXAMPLES.items()},
    "own": "My own tosses",
    "linkage": "Linkage: the first example",
}


def check_tosses(rows: Rows) -> None:
    """ValueError, a sentence, unless the rows are heads and tosses."""
    if len(rows) > MAX_SETS:
        raise ValueError(f"there must be at most {MAX_SETS} sets, got {len(rows)}")
    for n, row in enumerate(rows, 1):
        if len(row) != 2 or not 0 <= row[0] <= row[1] <= 10_000 or row[1] < 1 or any(cell % 1 for cell in row):
            raise ValueError(f"row {n} must be heads and tosses, whole numbers with 0 ≤ heads ≤ tosses ≤ 10,000")


def check_chances(rows: Rows) -> None:
    """ValueError, a sentence, unless there is one row of chances of heads."""
    if len(rows) != 1 or not all(0.001 <= cell <= 0.999 for cell in rows[0]) or len(rows[0]) > MOST:
        raise ValueError(f"it must be at most {MOST} numbers from 0.001 to 0.999, with commas between them")


def _set_up(values: Values) -> Values:
    example = EXAMPLES.get(values["tosses"])
    if example is None:
        return {"tol": 1e-10} if values["tosses"] == "linkage" else {}
    return {
        "coins": example.model.n_components,
        "equal": example.model.weights == "equal",
        "hand": bool(example.start),
        "begin": (example.start or USUAL_CHANCES[: example.model.n_components],),
        "max-iter": example.max_iter,
    }


OFFER = choices.ModelOffer(
    own={
        "tosses": choices.one_of(TITLES),
        "own-tosses": choices.number_rows(check_tosses),
        "data-seed": choices.whole(0, choices.MAX_SEED),
        "coins": choices.whole(1, MOST),
        "equal": choices.flag(),
        "hand": choices.flag(),
        "begin": choices.number_rows(check_chances),
    },
    usual={
        "tosses": "five-sets",
        "own-tosses": ((5, 10), (9, 10), (8, 10), (4, 10), (7, 10)),
        "data-seed": 0,
        "coins": 2,
        "equal": False,
        "hand": False,
        "begin": ((0.6, 0.5),),
    },
    setup=_set_up,
    idle=lambda values: frozenset(
        ({"own-tosses"} if values["tosses"] != "own" else set())
        | ({"data-seed"} if values["tosses"] in ("own", "linkage", "five-sets") else set())
        | ({"coins", "equal", "hand", "begin"} if values["tosses"] == "linkage" else set())
        | ({"begin"} if not values["hand"] else {"start-seed"})
    ),
)
PICTURE = story.picture(
    [
        [
            Node("π", "how often each coin", "parameter"),
            "→",
            Node("z", "coin", "hidden"),
            "→",
            Node("x", "heads", "observed"),
            "←",
            Node("p", "chances of heads", "parameter"),
        ]
    ],
    "A set's coin z is drawn with probabilities pi and is hidden; its heads x are drawn with the coin's chance p.",
    (3, 5, "every set"),
)
LINKAGE_PICTURE = story.picture(
    [
        [
            Node("p", "what is sought", "parameter"),
            "→",
            Node("z", "one of five parts", "hidden"),
            "→",
            Node("x", "one of four cells", "observed"),
        ]
    ],
    "p decides in which of five parts an animal falls; two parts make the first cell, and only cells are observed.",
    (3, 5, "every animal"),
)


def own_rows(values: Values) -> tuple[tuple[int, int], ...]:
    """The visitor's own tosses."""
    return tuple((int(heads), int(tosses)) for heads, tosses in values["own-tosses"])


def chances(values: Values) -> tuple[float, ...]:
    """The chances of heads that are set by hand, a number for each coin whatever the link gave."""
    given: tuple[float, ...] = values["begin"][0]
    return (*given, *USUAL_CHANCES[len(given) :])[: values["coins"]]


def begun(values: Values) -> BinomialMixtureParameters:
    """The start that is set by hand: coins equally likely, with these chances."""
    given = chances(values)
    return BinomialMixtureParameters([1 / len(given)] * len(given), given, values["equal"])


def start_editor(visit: Session) -> None:
    """Whether the start is set by hand, and a number for each coin."""
    values = visit.values
    if not controls.widget("hand", st.toggle, "Set the start by hand", help="The chance of heads of each coin."):
        return
    given = chances(values)
    chosen = tuple(
        st.number_input(f"Coin {k + 1} begins at", 0.001, 0.999, chance, 0.05, format="%.3f", key=f"chance {k} {given}")
        for k, chance in enumerate(given)
    )
    if chosen != given:
        controls.put(begin=(chosen,))


def editor(visit: Session) -> None:
    """The table of the visitor's own tosses."""
    controls.own_rows(visit, "own-tosses", "My own tosses", ("heads", "tosses"), check_tosses)


def question(experiment: Experiment, example: str) -> None:
    """What to predict of the examples, and what the run says."""
    history = experiment.history()
    if example == "one-toss":
        story.predict(
            f"one toss {experiment.digest}",
            "Every set is a single toss. Can EM find out the chances of the two coins?",
            ("Yes, from enough sets", "Only their average", "Neither"),
            lambda: (
                1,
                f"After {_count(history)} coin 1 has {_chances(history)}, and the average chance, weighted, is "
                f"{number(tosses.mean_chance(history, -1), 4)}: the share of heads in all tosses. A single toss "
                "never tells two coins apart, so every pair with this average has the same likelihood. Reseed, and "
                "another pair comes.",
            ),
        )
    elif len(history.parameters[0].success_probabilities) == 2:
        story.predict(
            f"apart {experiment.digest}",
            "Where will the two chances of heads be at the end, compared with the start?",
            ("Farther apart", "Nearer to each other", "Just as far"),
            lambda: _apart(history),
        )
    elif len(history.parameters[0].success_probabilities) > 2:
        story.predict(
            f"clear {experiment.digest}",
            "How many sets will be given to one coin with a probability above 0.9 at the end?",
            ("Less than a third", "From a third to two thirds", "More than two thirds"),
            lambda: _clear(history),
        )


def linkage_question(experiment: Experiment) -> None:
    """What to predict of the linkage data."""
    history = experiment.history()
    animals = (10, 30, 60)

    def divided() -> tuple[int, str]:
        hidden = history.posterior(history.n_iterations).hidden_count
        return min(range(3), key=lambda n: abs(animals[n] - hidden)), (
            f"It is {number(hidden, 2)} at p = {number(history.parameters[-1].probability, 4)}: the E-step divides "
            "the 125 in the ratio of the two parts, 1/2 to p/4. The other three cells decide p as much as these do: "
            "many animals in cell 4 and few in cells 2 and 3 make p large."
        )

    story.predict(
        f"divided {experiment.digest}",
        "How many of the first cell's 125 animals will be given to its part p/4 at the end?",
        tuple(f"About {n}" for n in animals),
        divided,
    )


def _apart(history: History) -> tuple[int, str]:
    first, last = tosses.distance(history, 0), tosses.distance(history, history.n_iterations)
    right = 2 if abs(last - first) < 1e-6 else int(last < first)
    return right, (
        f"They began {number(first, 3)} apart and end {number(last, 3)} apart, at {_chances(history)}. Each E-step "
        "gives sets with many heads rather to the coin with the higher chance, and each M-step moves the coins after "
        "their sets."
    )


def _clear(history: History) -> tuple[int, str]:
    clear = tosses.clearly_given(history, 0.9)
    share = clear / history.n_samples
    return int(share >= 1 / 3) + int(share > 2 / 3), (
        f"It is {clear} of {history.n_samples}. The chances end at {_chances(history)}: a set is divided between two "
        "coins if both could well have made it. The farther apart the chances, and the more tosses a set has, the "
        "fewer such sets there are."
    )


def _chances(history: History) -> str:
    return listed([number(chance, 4) for chance in history.parameters[-1].success_probabilities.tolist()])


def _count(history: History) -> str:
    return f"{history.n_iterations} iteration{'' if history.n_iterations == 1 else 's'}"


def below(history: History, position: int, dataset: CoinData) -> None:
    """The table of Do & Batzoglou's figure 1: every set shared out, and the sums that make the new coins."""
    snapshot = history.snapshot(position)
    k = history.model.n_components
    chances = snapshot.parameters.success_probabilities
    rows = [
        (
            outcome.component_key(j),
            number(float(snapshot.parameters.weights[j]), 4),
            number(float(chances[j]), 4),
        )
        for j in range(k)
    ]
    coins = outcome.table(f"Coins at iteration {snapshot.iteration}", ["Coin", "Weight", "Chance of heads"], rows)
    if dataset.truth is not None:
        truths = listed([number(chance, 2) for chance in dataset.truth.success_probabilities.tolist()])
        coins += f"<p>The tosses were made with chances {truths}, taken with weights " + (
            f"{listed([number(weight, 2) for weight in dataset.truth.weights.tolist()])}.</p>"
        )
    sets = "<p>At the start nothing is known of which coin a set was tossed with.</p>"
    if snapshot.posterior is not None:
        sets = _sets(history, snapshot.posterior)
    st.html(f'<div class="em-below"><div>{coins}</div><div>{sets}</div></div>')


def _sets(history: History, posterior: Any) -> str:
    """Each set's responsibilities and expected heads, and the sums below them."""
    made, k = tosses.shared_out(history, posterior), range(1, history.model.n_components + 1)
    header = ["Set", "Heads", "Tosses", *(f"γ coin {j}" for j in k), *(f"γ · heads, {j}" for j in k)]
    rows = [
        (
            str(n),
            f"{heads:.0f}",
            f"{tossed:.0f}",
            *(number(share, 3) for share in shares),
            *(number(expected, 3) for expected in parts),
        )
        for n, ((heads, tossed), shares, parts) in enumerate(
            zip(history.X.tolist(), posterior.responsibilities.tolist(), made.expected_heads.tolist(), strict=True), 1
        )
    ]
    last = [
        "<b>Sum</b>",
        f"{history.X[:, 0].sum():.0f}",
        f"{history.X[:, 1].sum():.0f}",
        *(number(count, 3) for count in posterior.counts.tolist()),
        *(number(count, 3) for count in made.heads.tolist()),
    ]
    new = [
        f"coin {j}: {number(heads, 3)} / {number(tossed, 3)} = {number(chance, 4)}"
        for j, heads, tossed, chance in zip(
            k, made.heads.tolist(), made.tosses.tolist(), made.chances.tolist(), strict=True
        )
    ]
    more = f"<p>The first {SHOWN} of {len(rows)} sets; the sums are over all.</p>" if len(rows) > SHOWN else ""
    table = outcome.table("Every set, shared out", header, [*rows[:SHOWN], last])
    return f"{table}{more}<p>Expected heads over expected tosses make the next coins: {'; '.join(new)}.</p>"


def below_linkage(history: History, position: int, dataset: LinkageData) -> None:
    """The cells, how the first is divided, and how far the run is from the exact maximum."""
    p = history.snapshot(position).parameters.probability
    made = tosses.divided(history, position, dataset.maximum)
    cells = [("1", "1/2 + p/4"), ("2", "(1 − p)/4"), ("3", "(1 − p)/4"), ("4", "p/4")]
    rows = [
        (cell, f"{count:.0f}", formula, number(probability, 4), number(expected, 2))
        for (cell, formula), count, probability, expected in zip(
            cells, dataset.X.tolist(), made.probabilities.tolist(), made.expected.tolist(), strict=True
        )
    ]
    table = outcome.table(
        f"Cells at p = {number(p, 6)}", ["Cell", "Animals", "Probability", "Value", "Expected animals"], rows
    )
    text = "<p>At the start the first cell has not been divided yet.</p>"
    if made.hidden_count is not None and made.next_probability is not None:
        hidden = number(made.hidden_count, 4)
        text = (
            f"<p>Of cell 1, {hidden} animals are expected to belong to p/4. M-step: ({hidden} + {dataset.X[3]:.0f}) / "
            f"({hidden} + {dataset.X[1:].sum():.0f}) = {number(made.next_probability, 6)}.</p>"
        )
    if dataset.maximum is not None:
        text += (
            f"<p>The exact maximum is (15 + √53809)/394 = {number(dataset.maximum.probability, 10)}; the run is "
            f"{report.significant(made.error) if made.error else '0'} away. Near it each iteration leaves about "
            f"{number(tosses.rate(history), 3)} of the error.</p>"
        )
    st.html(f'<div class="em-below"><div>{table}</div><div>{text}</div></div>')


def formulas() -> None:
    """The model and both steps in its own symbols."""
    with st.expander("Formulas", expanded=True):
        left, right = st.columns(2)
        left.markdown("**E-step**: the binomial coefficient is the same for all coins and cancels.")
        left.latex(
            r"\gamma_{nk} = \frac{\pi_k\, p_k^{x_n} (1 - p_k)^{m_n - x_n}}"
            r"{\sum_j \pi_j\, p_j^{x_n} (1 - p_j)^{m_n - x_n}}"
        )
        right.markdown("**M-step**: shares of heads and of sets, weighted by $\\gamma_{nk}$.")
        right.latex(
            r"p_k = \frac{\sum_n \gamma_{nk}\, x_n}{\sum_n \gamma_{nk}\, m_n} \qquad"
            r" \pi_k = \frac{1}{N} \sum_n \gamma_{nk}"
        )
        st.markdown(
            "$x_n$ heads in the $m_n$ tosses of set $n$; $p_k$ the chance of heads of coin $k$; $\\pi_k$ the "
            "probability that coin $k$ is taken (fixed at $1/K$ where the coins are equally likely); "
            "$\\gamma_{nk}$ the responsibility of coin $k$ for set $n$. The log-likelihood includes the "
            "binomial coefficients."
        )


def linkage_formulas() -> None:
    """The two steps of the linkage example."""
    with st.expander("Formulas", expanded=True):
        left, right = st.columns(2)
        left.markdown("**E-step**: the first cell, divided by the ratio of its two parts.")
        left.latex(r"\hat z = x_1 \, \frac{p/4}{1/2 + p/4}")
        right.markdown("**M-step**: a share, as if the division had been observed.")
        right.latex(r"p = \frac{\hat z + x_4}{\hat z + x_2 + x_3 + x_4}")
        st.markdown(
            "$x_1 \\ldots x_4$ are the animals in the four cells, $\\hat z$ the expected number of the first "
            "cell's that belong to its part of probability $p/4$. Here the maximum is also the root of a quadratic, so "
            "the run can be compared with it."
        )
