"""The bookkeeping of a choice of K: work in pieces that can be stopped, the chosen run, tables and formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from emcore import report, selection
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures import style
from emcore.figures.selection import Curve
from emcore.selection import CRITERIA, HELD_OUT, Fits, HeldOut
from emcore.starts import STARTS
from emcore.worked import SHEET_ROWS
from pages.parts import controls, outcome
from pages.parts import settings as choices
from pages.parts.cards import tex
from pages.parts.controls import Session, put
from pages.parts.settings import Rows, Values

T = TypeVar("T")
ENDED = {"converged": "converged", "max_iter": "at the limit", "degenerate": "collapsed"}
STOP = ":material/stop:"
BLOCK_SIZE = 500_000  # points x components x runs between two looks at the stop button
REMEMBERED = 5_000  # pieces of work that a visit knows to be done: the results are kept for all visitors
VIEWS = {
    "criteria": "Criteria",
    "held-out": "Held-out points",
    "test": "One more?",
    "predict": "New points",
}
TRIES = (1, 5, 10, 20, 50)
REPLICATES = (19, 99, 499)
HEIGHTS = {"log_likelihood": "Log-likelihood"} | {name: criterion.title for name, criterion in CRITERIA.items()}
MINUS = "\N{MINUS SIGN}"


def set_up(preset: str) -> Values:
    """An example without the number of components that it is known to have, and runs that come to their ends."""
    usual = choices.setup(preset)
    random = STARTS[usual["start"]].random
    return usual | {
        "components": 1,
        "start": usual["start"] if random else "random-points",
        "by-hand": (),
        "max-iter": choices.MAX_ITERATIONS,
        "tol": 1e-6,
    }


OFFER = choices.Offer(
    preset="how-many",
    own={
        "view": choices.one_of(VIEWS),
        "guess": choices.whole(0, choices.MAX_COMPONENTS),
        "most": choices.whole(2, choices.MAX_COMPONENTS),
        "tries": choices.one_of_numbers(*TRIES),
        "heights": choices.one_of(HEIGHTS),
        "all-shapes": choices.flag(),
        "judge": choices.one_of(CRITERIA),
        "folds": choices.whole(2, 20),
        "fold-seed": choices.whole(0, choices.MAX_SEED),
        "fewer": choices.whole(1, choices.MAX_COMPONENTS),
        "replicates": choices.one_of_numbers(0, *REPLICATES),
        "new": choices.number_rows(choices.check_points),
        "doubt": choices.flag(),
    },
    usual={
        "view": "criteria",
        "guess": 0,
        "most": 8,
        "tries": 20,
        "heights": "log_likelihood",
        "all-shapes": False,
        "judge": "bic",
        "folds": 5,
        "fold-seed": 0,
        "fewer": 1,
        "replicates": 0,
        "new": (),
        "doubt": False,
    },
    idle=lambda values: frozenset(
        {name for name, view in _VIEW_OF.items() if values["view"] != view}
        | ({"judge"} if not values["all-shapes"] else set())
    ),
    setup=set_up,
)
_VIEW_OF = {
    "heights": "criteria",
    "all-shapes": "criteria",
    "judge": "criteria",
    "folds": "held-out",
    "fold-seed": "held-out",
    "fewer": "test",
    "replicates": "test",
    "new": "predict",
    "doubt": "predict",
}

PLOTLY = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "toImage"]}
CSS = """
<style>
.st-key-criteria-formulas .katex-display { overflow-x: auto; overflow-y: hidden; text-align: left; margin: 0;
  padding: 0.2rem 3px 0.2rem 0; }
.st-key-criteria-formulas .katex-display > .katex { text-align: left; }
.em-low { font-weight: 700; }
@media (max-width: 1250px) { .st-key-criteria-charts [data-testid="stColumn"] { min-width: 100%; } }
@media (max-width: 480px) { .st-key-view button { padding-inline: 0.35rem; } }
</style>
"""


@dataclass
class Bench:
    """What the lesson remembers through the visit, beside the settings."""

    done: dict[Hashable, None] = field(default_factory=dict)  # pieces of work, whose results are kept elsewhere
    stopped: set[Hashable] = field(default_factory=set)
    guessed: Any = None  # the data that the guess is about


def bench() -> Bench:
    """This visit's."""
    found: Bench = st.session_state.setdefault("selection", Bench())
    return found


def keep_guess(visit: Session) -> None:
    """A guess is about its data: other ones ask again. New points of another number of axes go."""
    values, memory = visit.values, bench()
    data = (visit.opened, *(values[name] for name in ("data", "preset", "groups", "file")))
    if memory.guessed is not None and memory.guessed[1:] != data[1:] and memory.guessed[0] == data[0]:
        guess(0)
        put(truth=False)
    memory.guessed = data
    if values["new"] and len(values["new"][0]) != choices.n_features(values, visit.own):
        put(new=())


def guess(number: int) -> None:
    """Take a guess, and put a run with so many components into the player; 0 asks again."""
    by_hand = controls.session().values["start"] == "by-hand"  # with a number of components of its own
    put(guess=number, components=max(number, 1), **({"start": "random-points"} if by_hand else {}))


def carry_out(name: str, jobs: Mapping[Hashable, Callable[[], T]], done_of: str) -> dict[Hashable, T]:
    """The result of each job, as far as they were let run; progress is on show meanwhile, and a button stops them.

    What a job gives must be kept by `emcore.experiment.kept`: the visit remembers only that it was done.
    """
    memory, whole = bench(), (name, *jobs)
    missing = [key for key in jobs if key not in memory.done]
    if missing and whole in memory.stopped:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Stopped: {done_of.format(len(jobs) - len(missing), len(jobs))}.")
            st.button("Go on", key=f"go on {name}", on_click=memory.stopped.discard, args=(whole,))
    elif missing:
        bar, button = st.progress(0.0), st.empty()
        button.button("Stop", key=f"stop {name}", on_click=memory.stopped.add, args=(whole,), icon=STOP)
        for n_done, key in enumerate(missing, len(jobs) - len(missing)):
            bar.progress(n_done / len(jobs), done_of.format(n_done, len(jobs)))
            jobs[key]()
            memory.done[key] = None
        bar.empty()
        button.empty()
        while len(memory.done) > max(REMEMBERED, len(jobs)):
            del memory.done[next(iter(memory.done))]
    return {key: job() for key, job in jobs.items() if key in memory.done}


# ---- The sweep --------------------------------------------------------------------------------------------

Sweep = dict[int, Fits]


def counts(experiment: Experiment, shape: Any, most: int) -> tuple[dict[int, Experiment], list[str]]:
    """What is to be fitted by number of components, and a sentence for each that cannot be."""
    candidates = {k: selection.candidate(experiment, k, shape) for k in range(1, most + 1)}
    refused = {k: reason for k, one in candidates.items() if (reason := selection.why_not(one))}
    sentences = list(refused.values())
    if len(sentences) > 1:
        sentences = [f"{sentences[0]} So are all larger K."]
    return {k: one for k, one in candidates.items() if k not in refused}, sentences


def sweep(experiment: Experiment, shapes: Sequence[str], most: int, tries: int) -> tuple[dict[str, Sweep], list[str]]:
    """The runs for each covariance type and number of components, and a sentence for each number that is left out."""
    n_samples = len(experiment.dataset().X)
    jobs: dict[Hashable, Callable[[], Fits]] = {}
    parts: dict[Hashable, tuple[str, int]] = {}
    refused: list[str] = []
    for shape in shapes:
        candidates, refused = counts(experiment, shape, most)
        for k, one in candidates.items():
            n_runs = tries if STARTS[one.start].random else 1
            block = max(1, min(n_runs, BLOCK_SIZE // (n_samples * k)))
            for first in range(0, n_runs, block):
                key = ("fits", one, first, min(block, n_runs - first))
                jobs[key] = partial(selection.fits, *key[1:])
                parts[key] = (shape, k)
    order = sorted(jobs, key=lambda key: key[2])  # type: ignore[index]  # a stop leaves something for every K
    found = carry_out("sweep", {key: jobs[key] for key in order}, "{} of {} parts of the sweep are done")
    sweeps: dict[str, Sweep] = {shape: {} for shape in shapes}
    for shape in shapes:
        for k in range(1, most + 1):
            whole = [found[key] for key in order if key in found and parts[key] == (shape, k)]
            if whole:
                sweeps[shape][k] = selection.joined_fits(whole)
    return sweeps, refused


def load(k: int, shape: str, start: str, seed: int) -> Values:
    """The settings that put a run of the sweep into the player."""
    seeded = {"start-seed": seed} if STARTS[start].random else {}
    return {"components": k, "shape": shape, "start": start, **seeded}


def load_chosen(visit: Session, chosen: Any, one: Experiment, found: Sweep) -> None:
    """A dot was chosen: its run goes into the player, once."""
    points = chosen["selection"]["points"]
    if not points:
        visit.dot = None
        return
    picked = points[0].get("customdata")
    if not (isinstance(picked, list) and len(picked) == 2 and all(isinstance(part, int | float) for part in picked)):
        return
    k, index = map(int, picked)
    if k not in found or not 0 <= index < len(found[k]) or visit.dot == (one, k, index):
        return
    visit.dot = (one, k, index)
    visit.pending = load(k, one.model.covariance_type, one.start, index)
    st.rerun()


def load_best(found: Sweep, one: Experiment) -> None:
    """In a callback: the best run for the number of components that was chosen by button."""
    k = st.session_state["best of"]
    if k in found and found[k].best is not None:
        put(**load(k, one.model.covariance_type, one.start, found[k].best))


def in_player(values: Values, one: Experiment, found: Sweep) -> tuple[int, int] | None:
    """Number of components and index of the run of the sweep that is in the player, if it is one of them."""
    k, index = values["components"], values["start-seed"] if STARTS[one.start].random else 0
    same = (values["shape"], values["start"]) == (one.model.covariance_type, one.start)
    return (k, index) if same and k in found and index < len(found[k]) else None


def curves(found: Sweep, held: Mapping[int, HeldOut] | None = None) -> list[Curve]:
    """The criteria of the best runs; with `held` minus twice the held-out log-likelihood, on the same scale."""
    lines = [Curve(name, criterion.title, selection.by_components(found, name)) for name, criterion in CRITERIA.items()]
    if held:
        sums = {k: -2 * one.log_likelihood for k, one in held.items()}
        lines = [*lines[:2], Curve(HELD_OUT, f"{MINUS}2 held-out log-likelihood", sums)]
    return lines


def sweep_table(found: Sweep, held: Mapping[int, HeldOut] | None = None) -> None:
    """The numbers behind the pictures; the lowest of each criterion in bold."""
    columns = {criterion.title: selection.by_components(found, name) for name, criterion in CRITERIA.items()} | {
        "BIC, first run": selection.by_components(found, "bic", first_run=True)
    }
    if held:
        columns[f"{MINUS}2 held-out"] = {k: -2 * one.log_likelihood for k, one in held.items()}
    low = {title: selection.lowest(values) for title, values in columns.items()}
    rows = []
    for k, fits in found.items():
        cells = [report.number(fits.value("log_likelihood", fits.best)), f"{fits.n_parameters}"]
        for title, values in columns.items():
            text = report.number(values.get(k, math.nan))
            chosen = low[title]
            cells.append(f'<span class="em-low">{text}</span>' if chosen and chosen.n_components == k else text)
        lost = f" ({fits.n_collapsed} collapsed)" if fits.n_collapsed else ""
        rows.append((f"{k}", *cells, f"{len(fits)}{lost}"))
    header = ["K", "Best log-likelihood", "Parameters ν", *columns, "Runs"]
    st.html(outcome.table("The best run for each K (lowest of each criterion in bold)", header, rows))


def runs_table(found: Sweep, one: Experiment) -> None:
    """All runs as a table, made only when it is asked for; a row that is marked goes into the player."""
    opened = st.expander("All runs as a table", key="runs table", on_change="rerun")
    if not opened.open:
        return
    places = [(k, index) for k, fits in found.items() for index in range(len(fits))]
    names = {"log_likelihood": "Log-likelihood"} | {name: criterion.title for name, criterion in CRITERIA.items()}
    columns: dict[str, list[Any]] = {"K": [k for k, _ in places], "Start seed": [index for _, index in places]}
    columns |= {title: [found[k].value(name, index) for k, index in places] for name, title in names.items()}
    columns["Iterations"] = [int(found[k].runs.n_iterations[index]) for k, index in places]
    columns["Ended"] = [ENDED[found[k].runs.stopped[index]] for k, index in places]
    key = f"all runs {one.digest}"

    def take() -> None:
        rows = st.session_state[key].selection.rows
        if rows:
            put(**load(places[rows[0]][0], one.model.covariance_type, one.start, places[rows[0]][1]))

    with opened:
        st.dataframe(
            pd.DataFrame(columns),
            height=300,
            hide_index=True,
            key=key,
            on_select=take,
            selection_mode="single-row",
            alt="All runs of the sweep; mark one to load it",
        )


def shapes_table(sweeps: Mapping[str, Sweep], criterion: str) -> None:
    """One criterion by covariance type and number of components."""
    title = CRITERIA[criterion].title
    values = {shape: selection.by_components(found, criterion) for shape, found in sweeps.items()}
    lowest = min((value for line in values.values() for value in line.values() if value == value), default=math.nan)
    rows = []
    for k in sorted({k for line in values.values() for k in line}):
        cells = []
        for line in values.values():
            value = line.get(k, math.nan)
            text = report.number(value)
            cells.append(f'<span class="em-low">{text}</span>' if value == lowest else text)
        rows.append((f"{k}", *cells))
    header = ["K", *(choices.SHAPES[shape] for shape in sweeps)]
    st.html(outcome.table(f"{title} of the best run, by covariance type (the lowest in bold)", header, rows))


def formulas(fits: Fits) -> None:
    """The criteria with the numbers of one fit."""
    best = fits.best
    k, shape = fits.runs.model.n_components, fits.runs.model.covariance_type
    d = fits.runs.parameters[0].n_features
    per_matrix = d * (d + 1) // 2
    matrices = {
        "full": f"{k} \\cdot {per_matrix}",
        "tied": f"{per_matrix}",
        "diag": f"{k} \\cdot {d}",
        "spherical": f"{k}",
    }
    lines = [
        rf"\nu &= \underbrace{{{k} - 1}}_{{\text{{weights}}}} + \underbrace{{{k} \cdot {d}}}_{{\text{{means}}}} + "
        rf"\underbrace{{{matrices[shape]}}}_{{\text{{covariances}}}} = {fits.n_parameters} \\[0.6em]"
    ]
    values = {name: fits.value(name, best) for name in ("log_likelihood", *CRITERIA)}
    twice = f"{-2 * values['log_likelihood']:.2f}"
    charge = f"{fits.n_parameters * math.log(fits.n_samples):.2f}"
    numbers = {
        "aic": rf"{twice} + 2 \cdot {fits.n_parameters}",
        "bic": rf"{twice} + {fits.n_parameters} \cdot {tex(math.log(fits.n_samples))} = {twice} + {charge}",
        "icl": rf"{values['bic']:.2f} + {values['icl'] - values['bic']:.2f}",
    }
    for name, criterion in CRITERIA.items():
        left, right = criterion.formula.split(" = ", 1)
        lines.append(rf"{left} &= {right} \\")
        lines.append(rf"&= {numbers[name]} = \mathbf{{{values[name]:.2f}}} \\[0.6em]")
    st.latex(rf"\begin{{aligned}} {' '.join(lines)} \end{{aligned}}")


LEGEND = r"""
$\nu$ the number of parameters, $N$ the number of points, $\ln p(X \mid \hat\theta)$ the log-likelihood at its maximum,
$\gamma(z_{nk})$ the responsibility of component $k$ for point $n$. **Lower is better**, as in scikit-learn; the R
package mclust reports BIC and ICL with the opposite sign, so that there higher is better.
"""


def aims() -> None:
    """What each criterion aims at, and whose it is."""
    st.markdown("\n".join(f"- **{one.title}.** {one.aim} ({one.source})" for one in CRITERIA.values()))
    st.markdown(
        "A lead in BIC below 2 says next to nothing, above 6 much, above 10 very much (Kass & Raftery 1995). A mixture "
        "breaks the conditions under which AIC and BIC are derived: take them as guides, and look at the fits."
    )


# ---- Held-out points and the test -------------------------------------------------------------------------


def held_out(
    experiment: Experiment, shape: Any, most: int, tries: int, n_folds: int, seed: int
) -> tuple[dict[int, HeldOut], list[str]]:
    """Cross-validation for each number of components whose folds are all done, and a sentence for each that is not."""
    candidates, sentences = counts(experiment, shape, most)
    short = {k: reason for k, one in candidates.items() if (reason := selection.why_no_folds(one, n_folds))}
    if len(candidates) == len(short) and short:
        return {}, [next(iter(short.values()))]
    said = list(short.values())
    sentences += said if len(said) < 2 else [f"{said[0]} So are all larger K."]
    jobs: dict[Hashable, Callable[[], HeldOut]] = {
        ("held out", k, one, n_folds, fold, tries, seed): partial(selection.held_out, one, n_folds, fold, tries, seed)
        for k, one in candidates.items()
        if k not in short
        for fold in range(n_folds)
    }
    found = carry_out("held out", jobs, "{} of {} folds are fitted")
    sums: dict[int, HeldOut] = {}
    for k in candidates:
        parts = [value for key, value in found.items() if key[1] == k]  # type: ignore[index]
        if len(parts) == n_folds:
            sums[k] = selection.together(parts)
            if sums[k].reason:
                sentences.append(f"K = {k} has no held-out log-likelihood: {sums[k].reason}. Take more restarts.")
    return sums, sentences


def ratios(experiment: Experiment, tries: int, n_replicates: int) -> list[float]:
    """The likelihood ratios of data drawn from the smaller fit, as many as were let run."""
    jobs: dict[Hashable, Callable[[], float]] = {
        ("replicate", experiment, tries, index): partial(selection.replicate, experiment, tries, index)
        for index in range(n_replicates)
    }
    return list(carry_out("test", jobs, "{} of {} data sets are fitted").values())


# ---- New points -------------------------------------------------------------------------------------------


def open_at_the_end(visit: Session, experiment: Experiment, history: History) -> None:
    """A run that was not stepped yet opens where it is fitted."""
    if not visit.link.position and (visit.rested is None or visit.rested[0] != experiment):
        visit.rested = experiment, history.n_positions - 1


def add_point(visit: Session, to: tuple[float, ...]) -> None:
    """One more new point, for the next run of the script."""
    new: Rows = visit.values["new"]
    if len(new) >= SHEET_ROWS:
        st.warning(f"There is room for {SHEET_ROWS} new points. Remove some first.")
        return
    point = tuple(float(f"{value:.6g}") for value in to)
    try:
        choices.check_points((*new, point))
    except ValueError as error:
        st.error(f"This point cannot be taken: {error}.")
        return
    visit.pending = {"new": (*new, point)}
    st.rerun()


def point_form(visit: Session, history: History, axes: Sequence[str]) -> None:
    """The same as a click, by numbers: for the keyboard, and for phones."""
    with st.form("new point", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        to = tuple(
            st.number_input(axis, value=float(f"{value:.4g}"), key=f"new {j} {visit.opened}", format="%g")
            for j, (axis, value) in enumerate(zip(axes, history.X.mean(axis=0).tolist(), strict=True))
        )
        if st.form_submit_button("Add this point"):
            add_point(visit, to)


def point_buttons(visit: Session) -> None:
    """Take new points away."""
    new: Rows = visit.values["new"]
    with st.container(horizontal=True):
        st.button("Remove the last point", on_click=put, kwargs={"new": new[:-1]}, disabled=not new)
        st.button("Remove all", on_click=put, kwargs={"new": ()}, disabled=not new)


def predictions_table(history: History, iteration: int, new: Rows, axes: Sequence[str]) -> None:
    """What the parameters at an iteration say of each new point, as numbers and bars."""
    if not new:
        st.markdown("No new point yet: click anywhere in the picture, or type one.")
        return
    theta = history.parameters[iteration]
    digits = report.decimals(theta)
    rows = []
    for n, (point, said) in enumerate(zip(new, selection.predict(history.X, theta, new), strict=True), 1):
        shares = [
            f'{report.number(share, 3)}<span class="em-bar" style="width: {share:.2%}; '
            f'background: {style.COMPONENT_COLOURS[k]}"></span>'
            for k, share in enumerate(said.responsibilities.tolist())
        ]
        likely = int(said.responsibilities.argmax())
        where = [report.number(value, digits) for value in point]
        rarer = "none" if said.rarer == 0 else f"{100 * said.rarer:.0f} %" if said.rarer >= 0.01 else "below 1 %"
        cells = (*where, outcome.component_key(likely), *shares, report.number(said.log_density), rarer)
        rows.append((f"{n}", *cells))
    names = [f"p(z = {k + 1} | x)" for k in range(theta.n_components)]
    header = ["Point", *axes, "Most likely", *names, "ln p(x)", "Data less likely"]
    st.html(outcome.table(f"New points, with the parameters of iteration {iteration}", header, rows))


def truth_said(values: Values, truth: int | None, found: Sweep) -> str:
    """The guess, the truth and the criteria side by side."""
    chosen = {
        criterion.title: one.n_components
        for name, criterion in CRITERIA.items()
        if (one := selection.lowest(selection.by_components(found, name)))
    }
    said = report.listed([f"{title} chooses {k}" for title, k in chosen.items()])
    guessed = values["guess"]
    if truth is None:
        return f"Nobody knows how many groups made these points, or whether any did. You guessed {guessed}; {said}."
    groups = f"{truth} group{'' if truth == 1 else 's'}"
    right = "as you guessed" if guessed == truth else f"you guessed {guessed}"
    return f"**{groups}** made these points; {right}. {said}."
