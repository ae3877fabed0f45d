"""The parts of the lesson on a prior on the weights: its choices, its question, its tables and formulas. No sums."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from emcore import report, surplus
from emcore.em import History
from emcore.experiment import Experiment
from emcore.surplus import Belief, Trial
from pages.parts import cards, controls, outcome
from pages.parts import settings as choices
from pages.parts.cards import tex
from pages.parts.controls import Session
from pages.parts.settings import Values

ALPHAS = ("0.001", "0.01", "0.1", "0.3", "1", "3", "10", "30", "100")
FEWEST = 6  # components to begin with


def setup(preset: str) -> Values:
    """An example with more components than it needs, and time for the surplus to die."""
    usual = choices.setup(preset)
    begun = min(max(FEWEST, usual["components"] + 3), choices.MAX_COMPONENTS)
    here = {"components": begun, "shape": "full", "start": "random-points", "max-iter": 500, "tol": 1e-7}
    return usual | here


OFFER = choices.Offer(
    own={
        "alpha": choices.one_of(dict.fromkeys(ALPHAS)),
        "beside": choices.flag(),
        "ask": choices.flag(),
    },
    usual={"alpha": "0.01", "beside": False, "ask": True},
    setup=setup,
)
CSS = f"""
<style>
{cards.INKS}
:is(.st-key-belief-formulas, .st-key-bound-formulas) .katex-display {{ overflow-x: auto; overflow-y: hidden;
  padding: 0.2rem 3px 0.2rem 0; text-align: left; }}
:is(.st-key-belief-formulas, .st-key-bound-formulas) .katex-display > .katex {{ text-align: left; }}
.em-dead {{ opacity: 0.55; }}
.st-key-belief-tables .em-table thead th {{ white-space: normal; vertical-align: bottom; }}
@media (max-width: 1200px) {{ .st-key-beliefs [data-testid="stColumn"] {{ min-width: 100%; }} }}
@media (max-width: 480px) {{
  .st-key-belief-tables .em-table :is(td, th) {{ padding-inline: 0.2rem; font-size: 0.85rem; }}
}}
</style>
"""


def about_alpha(alpha: str, n_components: int, n_features: int, n_samples: int) -> str:
    """What the concentration prior is, with the numbers of this page."""
    in_all = report.significant(n_components * float(alpha))
    least = report.significant(surplus.threshold(n_features))
    many = (
        f"$\\alpha_0$ is below {least}: with many points the bound is highest where components that are not needed "
        "have none."
        if float(alpha) < surplus.threshold(n_features)
        else f"$\\alpha_0$ is not below {least}: even with many points the bound is highest where all components have "
        "some."
    )
    return (
        f"Before any data each of the {n_components} components has $\\alpha_0$ = {alpha} "
        f"pseudo-point{'' if alpha == '1' else 's'}: {in_all} in all, beside {n_samples:,} real ones. {many}"
    )


def guesses() -> dict[tuple[object, object], int]:
    """What was predicted in this visit: (data, model with its prior) -> components that will be left."""
    made: dict[tuple[object, object], int] = st.session_state.setdefault("surplus guesses", {})
    return made


def ask(visit: Session, experiment: Experiment) -> bool:
    """The question before a run. Returns whether it still waits for an answer: then the page must not tell it."""
    key, n = (experiment.source, experiment.model), experiment.model.n_components
    if not visit.values["ask"] or n == 1:
        return False
    if key in guesses():
        return False
    with st.container(border=True, key="surplus-question"):
        st.markdown(f"**{n} components begin. How many will still have at least one point at the end?**")
        guess = st.radio(
            "Your prediction",
            range(1, n + 1),
            index=None,
            horizontal=True,
            key=f"guess {experiment.digest}",
            label_visibility="collapsed",
        )
        with st.container(horizontal=True):
            st.button(
                "Predict", type="primary", disabled=guess is None, on_click=guesses().__setitem__, args=(key, guess)
            )
            st.button("Just show it", on_click=controls.put, kwargs={"ask": False})
    return True


def standing(history: History, position: int, experiment: Experiment) -> str:
    """How many components are left at the end, and how that compares with the prediction; before, the prediction."""
    guess, iteration = guesses().get((experiment.source, experiment.model)), position // 2
    if iteration < history.n_iterations and guess is None:
        return ""  # the player says how many are left now
    return surplus.verdict(history, min(iteration, history.n_iterations), guess)


def beliefs_table(history: History, position: int) -> str:
    """Every component: the points behind it, its weight, what it competes with, and what it costs."""
    believed = surplus.beliefs(history, position // 2)
    rows = [
        tuple(
            cell if belief.points >= surplus.ALIVE else f'<span class="em-dead">{cell}</span>'
            for cell in (
                outcome.component_key(belief.component),
                report.number(round(belief.points, 2), 2),
                cards.shown(belief.concentration),
                report.number(belief.weight, 4),
                report.number(belief.competing, 4),
                report.number(round(belief.price, 2), 2),
            )
        )
        for belief in believed
    ]
    header = ("", "Points N", "α = α₀ + N", "Weight E[π]", "In the E-step", "Price, nats")
    return outcome.table(f"What is believed at iteration {position // 2}", header, rows)


def tables(history: History, position: int) -> None:
    """What is believed of each component, and what the bound is made of."""
    st.html(
        f'<div class="em-below"><div>{beliefs_table(history, position)}</div>'
        f"<div>{account_table(history, position)}</div></div>"
    )


def account_table(history: History, position: int) -> str:
    """The evidence lower bound, put together from its parts."""
    account = surplus.account(history, position)
    if account is None:
        return "<p>There are no responsibilities yet: the first E-step makes the bound.</p>"
    rows = [
        ("Points and labels explained, E[ln p(X, Z | θ)]", report.number(account.explained)),
        ("+ entropy of the responsibilities", report.number(account.entropy)),
        (f"{report.MINUS} price of the weights", report.number(account.price_of_weights)),
        (f"{report.MINUS} price of the components", report.number(account.price_of_components)),
        ("<strong>= evidence lower bound</strong>", f"<strong>{report.number(account.bound)}</strong>"),
    ]
    held = "" if position % 2 else ", with the responsibilities of the last E-step"
    return outcome.table(f"What the bound is made of, in nats{held}", ("", ""), rows)


def formulas(history: History, position: int, alpha: str) -> None:
    """The weight of the weakest living component, in symbols and in numbers."""
    believed = surplus.beliefs(history, position // 2)
    one = surplus.weakest(believed)
    st.markdown(f"**Component {one.component + 1}, the weakest that lives**")
    st.latex(_aligned(_lines(one, alpha, float(history.parameters[position // 2].concentration))))
    st.markdown(
        "In the E-step a component competes with less than its weight: with $\\alpha_k$ points it counts about as much "
        "as $\\alpha_k - \\tfrac12$ of them, and with hardly any as nothing. So the weak grow weaker, and what they "
        "lose the strong take. Their price falls meanwhile: a component that is as the prior has it costs 0."
    )


def _lines(one: Belief, alpha: str, total: float) -> Sequence[str]:
    k = one.component + 1
    colour = cards.coloured
    concentration = colour(one.component, tex(one.concentration))
    return (
        rf"\alpha_{{{k}}} &= \alpha_0 + N_{{{k}}} = {alpha} + {colour(one.component, tex(one.points))} "
        rf"= {concentration}",
        rf"\mathbb{{E}}[\pi_{{{k}}}] &= \frac{{\alpha_{{{k}}}}}{{\sum_j \alpha_j}} = "
        rf"\frac{{{concentration}}}{{{tex(total)}}} = {tex(one.weight)}",
        rf"e^{{\mathbb{{E}}[\ln \pi_{{{k}}}]}} &= e^{{\psi(\alpha_{{{k}}}) - \psi(\sum_j \alpha_j)}} = "
        rf"{tex(one.competing)}",
    )


def _aligned(lines: Sequence[str]) -> str:
    return r"\begin{aligned}" + r" \\[0.6em] ".join(lines) + r"\end{aligned}"


def trials_table(trials: Sequence[Trial], now: str) -> str:
    """Every concentration prior from the same start: what it left."""
    rows = [
        tuple(
            f"<strong>{cell}</strong>" if choices.number(trial.concentration) == now else cell
            for cell in (
                choices.number(trial.concentration),
                str(trial.survivors),
                report.number(trial.bound),
                f"{trial.n_iterations}" + ("" if trial.finished else ", not finished"),
            )
        )
        for trial in trials
    ]
    header = ("α₀", "Components left", "Evidence lower bound", "Iterations")
    return outcome.table("Every α₀ from this start", header, rows)
