"""The parts of the lesson on slow convergence: its settings, its pictures, its question, its tables and formulas."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from emcore import creep
from emcore.acceleration import Accelerated, Forecast, aitken
from emcore.creep import CountFit, Race
from emcore.em import History
from emcore.experiment import Experiment, kept
from emcore.figures.deaths import counts_figure
from emcore.figures.speed import gain_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.models import PoissonMixture, PoissonMixtureParameters
from emcore.report import number, significant
from emcore.sources.deaths import DailyCounts, check_counts
from emcore.starts import OWN, At
from pages.parts import controls, outcome, story
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.settings import Values
from pages.parts.story import Node

MOST = 5
TITLES = {
    "trap": "Deaths, the usual tolerance",
    "creep": "Deaths, 1,000 iterations",
    "own": "My own counts",
}
BEGINNINGS = {"classic": "Weight 0.3, rates 1 and 2.5", "random": "Random rates"}
CLASSIC = PoissonMixtureParameters([0.3, 0.7], [1.0, 2.5])
SETUPS: dict[str, Values] = {"creep": {"tol": 0.0, "max-iter": 1000}, "own": {"begin": "random"}}
OFFER = choices.ModelOffer(
    own={
        "deaths": choices.one_of(TITLES),
        "own-counts": choices.number_rows(check_counts),
        "poissons": choices.whole(1, MOST),
        "begin": choices.one_of(BEGINNINGS),
    },
    usual={
        "deaths": "trap",
        "own-counts": ((0, 40), (1, 30), (2, 15), (3, 9), (4, 8), (5, 10), (6, 6), (7, 3), (8, 1)),
        "poissons": 2,
        "begin": "classic",
    },
    setup=lambda values: SETUPS.get(values["deaths"], {}),
    idle=lambda values: frozenset(
        ({"own-counts"} if values["deaths"] != "own" else set())
        | ({"begin"} if values["poissons"] != 2 else set())
        | ({"start-seed"} if is_classic(values) else set())
    ),
)
PICTURE = story.picture(
    [
        [
            Node("π", "how common each kind is", "parameter"),
            "→",
            Node("z", "kind of day", "hidden"),
            "→",
            Node("x", "count", "observed"),
            "←",
            Node("λ", "rates", "parameter"),
        ]
    ],
    "A day's kind z is drawn with probabilities pi and is hidden; its count x is drawn with the rate of that kind.",
    (3, 5, "every day"),
)


def is_classic(values: Values) -> bool:
    """Whether the run begins at the classic place."""
    return bool(values["poissons"] == 2 and values["begin"] == "classic")


def experiment_of(values: Values) -> Experiment:
    """The run that was chosen."""
    own = values["deaths"] == "own"
    source = (
        DailyCounts(tuple((int(count), int(days)) for count, days in values["own-counts"])) if own else DailyCounts()
    )
    classic = is_classic(values)
    return Experiment(
        source=source,
        model=PoissonMixture(values["poissons"]),
        start="by-hand" if classic else OWN,
        start_seed=0 if classic else values["start-seed"],
        by_hand=At.of(CLASSIC) if classic else None,
        max_iter=values["max-iter"],
        tol=values["tol"],
    )


def editor(visit: Session) -> None:
    """The table of the visitor's own counts."""
    controls.own_rows(visit, "own-counts", "My own counts", ("count", "days"), check_counts)


def pictures(experiment: Experiment, history: History) -> Callable[[Look], tuple[SteppedFigure, ...]]:
    """The counts, and the gains on a log axis with those of SQUAREM from the same start."""

    def drawn(look: Look) -> tuple[SteppedFigure, ...]:
        gains = gain_figure(
            history, _forecast(experiment), accelerated=_leaps(experiment), tol=experiment.tol or None, look=look
        )
        return counts_figure(history, _fit(experiment), look=look), gains

    return drawn


def _same_start(experiment: Experiment) -> tuple[object, ...]:
    return experiment.source, experiment.model, experiment.start, experiment.start_seed, experiment.by_hand


def _leaps(experiment: Experiment) -> Accelerated:
    """SQUAREM from the start of the run (kept for all visitors)."""
    leaps: Accelerated = kept(("leaps", _same_start(experiment)), lambda: creep.accelerated(experiment.history()))
    return leaps


def _race(experiment: Experiment) -> Race:
    """EM and SQUAREM to the maximum (kept for all visitors)."""
    race: Race = kept(("race", _same_start(experiment)), lambda: creep.race(experiment.history(), _leaps(experiment)))
    return race


def _forecast(experiment: Experiment) -> Forecast:
    """Aitken's forecast at each iteration (kept for all visitors)."""
    forecast: Forecast = kept(("forecast", experiment), lambda: aitken(experiment.history()))
    return forecast


def _fit(experiment: Experiment) -> CountFit:
    """Observed and expected days (kept for all visitors)."""
    fit: CountFit = kept(("count fit", experiment), lambda: creep.count_fit(experiment.history()))
    return fit


# ---- A question -------------------------------------------------------------------------------------------


def question(experiment: Experiment) -> None:
    """How far from the maximum is a run that stopped?"""
    if experiment.model.n_components < 2:
        return
    history = experiment.history()
    n = history.n_iterations
    how = {
        "converged": f"stops after {n:,}",
        "max_iter": f"is stopped after {n:,}",
        "degenerate": f"collapses after {n:,}",
    }
    story.predict(
        f"how far {experiment.digest}",
        f"EM {how[history.stopped]} iteration{'' if n == 1 else 's'}. How far is the weight of the component with the "
        "lowest rate from its value at the maximum then?",
        ("Less than 0.005", "0.005 to 0.05", "More than 0.05"),
        lambda: _how_far(experiment, history),
    )


def _how_far(experiment: Experiment, history: History) -> tuple[int, str]:
    race = _race(experiment)
    last = history.parameters[-1]
    now, best = (float(theta.weights[creep.by_rate(theta)[0]]) for theta in (last, race.parameters))
    away, gap = abs(now - best), race.maximum - float(history.objective[-1])
    gains = float(history.objective[-1] - history.objective[-2]) / history.n_samples if history.n_iterations else 0.0
    right = 0 if away < 0.005 else 1 if away <= 0.05 else 2
    return right, (
        f"The weight is {number(now, 4)} at the end of the run and {number(best, 4)} at the maximum. The last "
        f"iteration gained {_small(gains)} nats per day, but {_small(max(gap, 0.0))} nats in all are still missing. "
        "The likelihood is nearly flat in this direction: a small gain says that a step is short, not that the way is."
    )


def _small(value: float) -> str:
    return "0" if not value else number(value, 1) if value >= 1 else significant(value)


# ---- Words and tables -------------------------------------------------------------------------------------


def below(experiment: Experiment, history: History, position: int) -> None:
    """Where the run is and where the maximum is, the race with SQUAREM, and the counts as a table."""
    with st.spinner("Looking for the maximum", show_time=True):
        race = _race(experiment)
    fit = _fit(experiment)
    st.html(
        f'{CSS}<div class="em-below"><div class="em-half">{_now(history, position, race, _forecast(experiment))}</div>'
        f'<div class="em-half">{_steps(race)}</div></div>'
        f'<div class="em-below"><div class="em-half">{_days(history, position, fit)}</div>'
        f'<div class="em-half">{_one_or_more(history, position, fit)}</div></div>'
    )


CSS = "<style>.em-below > .em-half { flex: 1 1 24rem; }</style>"


def _now(history: History, position: int, race: Race, forecast: Forecast) -> str:
    iteration = position // 2
    theta, best = history.parameters[iteration], race.parameters
    rows = [
        (
            outcome.component_key(k),
            number(float(theta.weights[k]), 4),
            number(float(best.weights[j]), 4),
            number(float(theta.rates[k]), 4),
            number(float(best.rates[j]), 4),
        )
        for k, j in sorted(zip(creep.by_rate(theta).tolist(), creep.by_rate(best).tolist(), strict=True))
    ]
    header = ["", "Weight", "at the maximum", "Rate", "at the maximum"]
    missing = max(race.maximum - float(history.objective[iteration]), 0.0)
    told = f"<p>Still missing to the maximum: {_small(missing)} nats."
    if iteration >= 2 and forecast.trusted[iteration]:
        told += f" Aitken's forecast, from the gains so far alone: {_small(float(forecast.gaps[iteration]))} nats."
    elif history.n_iterations >= 2:
        told += " Aitken's forecast from the gains so far has not proved itself yet."
    told += (
        " The maximum is the highest that EM and SQUAREM reached from this start, polished. Another start may lead to "
        "another one.</p>"
    )
    return outcome.table(f"The run at iteration {iteration}, and the maximum", header, rows) + told


def _steps(race: Race) -> str:
    def cell(steps: int | None) -> str:
        return "–" if steps is None else f"{steps:,}"

    rows = [
        (f"{gap:g} nats".replace("e-0", "e−"), cell(plain_steps), cell(leaps))
        for gap, plain_steps, leaps in zip(creep.GAPS, race.em_steps, race.squarem_steps, strict=True)
    ]
    table = outcome.table("EM steps until so near to the maximum", ["Missing", "EM", "SQUAREM"], rows)
    none = None in race.em_steps + race.squarem_steps
    dash = f" A dash: not within {creep.MOST_STEPS:,} steps, or on the way to a lower maximum." if none else ""
    return (
        f"{table}<p>SQUAREM looks how two EM steps in a row differ, and leaps where they are heading. All its steps "
        f"count, tried leaps included.{dash}</p>"
    )


def _days(history: History, position: int, fit: CountFit) -> str:
    expected = fit.components[position // 2]
    k = expected.shape[0]
    header = ["Count", "Days", "One Poisson", *((str(j + 1) for j in range(k)) if k > 1 else ()), f"{k} together"]
    rows = [
        (
            f"{count:.0f}",
            f"{fit.observed[i]:.0f}",
            f"{fit.single[i]:.1f}",
            *((f"{part:.1f}" for part in expected[:, i]) if k > 1 else ()),
            f"{expected[:, i].sum():.1f}",
        )
        for i, count in enumerate(fit.counts.tolist())
        if len(fit.counts) <= 20 or fit.observed[i]
    ]
    return outcome.table(f"Days observed and expected at iteration {position // 2}", header, rows)


def _one_or_more(history: History, position: int, fit: CountFit) -> str:
    k, n = history.model.n_components, history.n_samples
    now, plural = float(history.objective[position // 2]), "" if k == 1 else "s"
    rows = [
        (
            name,
            number(log_likelihood, 3),
            str(2 * size - 1),
            number(creep.bic(log_likelihood, size, n), 2),
        )
        for name, size, log_likelihood in (
            (f"One Poisson, rate {number(fit.single_rate, 3)}", 1, fit.single_log_likelihood),
            (f"{k} Poisson{plural}, now", k, now),
        )
    ]
    gain = now - fit.single_log_likelihood
    told = f"<p>{k} Poissons gain {number(gain, 2)} nats for {2 * (k - 1)} more parameters." if k > 1 else "<p>"
    return (
        outcome.table("One Poisson or more", ["Model", "Log-likelihood", "Parameters", "BIC"], rows)
        + told
        + " The smaller BIC is preferred.</p>"
    )


def formulas() -> None:
    """The model and both steps in its own symbols."""
    with st.expander("Formulas", expanded=True):
        left, right = st.columns(2)
        left.markdown("**E-step**: the factorials cancel.")
        left.latex(
            r"\gamma_{nk} = \frac{\pi_k\, \lambda_k^{x_n} e^{-\lambda_k}}{\sum_j "
            r"\pi_j\, \lambda_j^{x_n} e^{-\lambda_j}}"
        )
        right.markdown("**M-step**: averages weighted by $\\gamma_{nk}$.")
        right.latex(
            r"\lambda_k = \frac{\sum_n \gamma_{nk}\, x_n}{\sum_n \gamma_{nk}} \qquad"
            r" \pi_k = \frac{1}{N} \sum_n \gamma_{nk}"
        )
        st.markdown(
            "**SQUAREM**: two EM steps from $\\boldsymbol\\theta$ to $\\boldsymbol\\theta_1$ and "
            "$\\boldsymbol\\theta_2$ give $\\mathbf{r} = \\boldsymbol\\theta_1 - \\boldsymbol\\theta$ and "
            "$\\mathbf{v} = (\\boldsymbol\\theta_2 - \\boldsymbol\\theta_1) - \\mathbf{r}$; then a leap, and one EM "
            "step from there."
        )
        st.latex(
            r"\boldsymbol\theta' = \boldsymbol\theta + 2 a \mathbf{r} + a^2 \mathbf{v}, \qquad"
            r" a = \lVert \mathbf{r} \rVert / \lVert \mathbf{v} \rVert"
        )
        st.markdown(
            "$x_n$ is the count of day $n$; $\\lambda_k$ the rate of component $k$, its expected count; $\\pi_k$ its "
            "weight; $\\gamma_{nk}$ its responsibility for day $n$. A leap that lands lower than an EM step is "
            "shortened or given up, so the log-likelihood never falls."
        )
