"""The lab's bookkeeping: the log of runs, many starts in blocks that can be stopped, and which maximum each reached."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emcore import acceleration, landscape, report, verdict
from emcore.em import DegenerateFit, History
from emcore.experiment import Experiment, kept
from emcore.figures import style
from emcore.models import GaussianMixtureParameters
from emcore.restarts import Maxima, Maximum, Runs, distinct, joined
from emcore.starts import STARTS
from pages.parts import controls, outcome
from pages.parts import settings as choices
from pages.parts.controls import Session, put
from pages.parts.settings import MAX_LOG, Beginning, Values

PATHS = 8  # of other runs, on the map
SORTED = 16  # sets of runs whose maxima a visit remembers
LISTED = 8  # maxima with a button of their own
STOP = ":material/stop:"
LONG = 20.0  # seconds: what takes longer asks first
BLOCK = 50  # runs between two looks at the stop button ...
BLOCK_SIZE = 500_000  # ... but not more points x components x runs than this
KEPT = 200  # ends of single runs, and sets of many runs (a tenth of it), that a visit remembers

Family = tuple[Any, Any]  # data and model: what has the same maxima


@dataclass
class Lab:
    """What the lab remembers through the visit, beside the settings."""

    opened: int = -1  # the link that the log belongs to
    family: Any = None  # data, model and stop rule that the log belongs to
    logs: dict[Any, tuple[Beginning, ...]] = field(default_factory=dict)
    ends: dict[Experiment, Runs] = field(default_factory=dict)
    known: dict[Family, tuple[Maximum, ...]] = field(default_factory=dict)
    sorted: dict[Any, tuple[Any, tuple[Maxima, ...]]] = field(default_factory=dict)  # with what its key names by id
    many: dict[tuple[Experiment, int], dict[int, Runs]] = field(default_factory=dict)  # blocks by their first seed
    stopped: set[tuple[Experiment, int]] = field(default_factory=set)
    agreed: set[tuple[Experiment, int, int]] = field(default_factory=set)
    branched: Experiment | None = None  # the run that the rival branched off
    refined: dict[Any, None] = field(default_factory=dict)  # the maps whose fine grid is there
    guesses: dict[str, int] = field(default_factory=dict)  # a task's name, and the option that was predicted


PLOTLY = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "toImage"]}
CSS = """
<style>
.st-key-lab-reseed { display: grid !important; grid-template-columns: minmax(0, 1fr); gap: 1rem; }
@media (min-width: 1300px) { .st-key-lab-reseed { grid-template-columns: minmax(0, 1fr) 19rem; } }
@media (max-width: 1299px) { .st-key-lab-reseed > :has(.st-key-lab-log) { order: -1; } }
@media (max-width: 480px) { .st-key-room button { padding-inline: 0.35rem; } }
.em-mark { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 50%; margin-right: 0.45em; }
</style>
"""


def lab() -> Lab:
    """This visit's lab."""
    found: Lab = st.session_state.setdefault("lab", Lab())
    return found


def keep_log(visit: Session, experiment: Experiment) -> None:
    """Add the run on show to the log of its data and model, and bring that log back where these were left before."""
    bench, values = lab(), visit.values
    family = (experiment.source, experiment.model, experiment.max_iter, experiment.tol)
    untouched = values == visit.link.values
    log = values["log"]
    if bench.opened == visit.opened and bench.family != family:
        bench.logs[bench.family] = log
        log = bench.logs.get(family, ())
        while len(bench.logs) > KEPT // 10:
            del bench.logs[next(iter(bench.logs))]
    bench.opened, bench.family = visit.opened, family
    log = choices.fitting_beginnings(values, log, visit.own)
    current = choices.beginning(values)
    put(log=log if current in log else (*log, current)[-MAX_LOG:])
    _drop_what_branched(visit, experiment)
    if untouched:  # nobody chose anything: the link still stands
        visit.link.values.update({name: values[name] for name in ("log", "rival", "branch")})


def _drop_what_branched(visit: Session, experiment: Experiment) -> None:
    """A second run that branched off the run on show goes with it; one that no longer fits the model goes too."""
    bench, values = lab(), visit.values
    rival = choices.fitting_beginnings(values, values["rival"], visit.own)
    if not values["branch"]:
        bench.branched = None
    elif bench.branched is None and values["branch"] <= experiment.history().n_iterations:
        bench.branched = experiment
    if rival != values["rival"] or (values["branch"] and bench.branched != experiment):
        bench.branched = None
        put(rival=(), branch=0)


def load(beginning: Beginning) -> None:
    """Put this run into the player."""
    put(**choices.begun(beginning))


def experiment_of(visit: Session, beginning: Beginning) -> Experiment:
    """The run on the data and with the model on show that begins there."""
    return choices.experiment({**visit.values, **choices.begun(beginning)}, visit.own)


def end_of(experiment: Experiment) -> Runs:
    """Where a single run ended."""
    ends = lab().ends
    if experiment not in ends:
        ends[experiment] = experiment.end()
        while len(ends) > KEPT:
            del ends[next(iter(ends))]
    return ends[experiment]


def log_ends(visit: Session) -> list[Runs]:
    """Where each run of the log ended."""
    with st.spinner("Running EM", show_time=True):
        return [end_of(experiment_of(visit, beginning)) for beginning in visit.values["log"]]


def sort_out(experiment: Experiment, *groups: Sequence[Runs]) -> tuple[Maxima, ...]:
    """Which maximum each run of each group reached. A letter stands for the same maximum in all groups.

    What was known of these data and this model before stays known, so that letters move only when a higher maximum
    is found.
    """
    bench = lab()
    family = (experiment.source, experiment.model)
    parts = tuple(tuple(map(id, parts)) for parts in groups)
    key = (family, parts, len(bench.known.get(family, ())))
    if key not in bench.sorted:
        while len(bench.known) > KEPT:
            del bench.known[next(iter(bench.known))]
        runs = [joined(list(parts)) for parts in groups]
        with st.spinner("Comparing the ends of the runs", show_time=True):
            found = distinct(experiment.dataset().X, joined(runs), bench.known.get(family, ()))
        bench.known[family] = tuple(replace(maximum, representative=-1) for maximum in found.maxima)
        edges = np.cumsum([len(part) for part in runs])[:-1]
        sorted_out = tuple(verdict.counted(found.maxima, part) for part in np.split(found.outcome, edges))
        key = (family, parts, len(found.maxima))
        bench.sorted[key] = groups, sorted_out
        while len(bench.sorted) > SORTED:
            del bench.sorted[next(iter(bench.sorted))]
    return bench.sorted[key][1]


def gather(experiment: Experiment, n_runs: int, name: str = "", together: Sequence[Experiment] = ()) -> list[Runs]:
    """Many runs that differ by the seed of their start, as far as they were let run; progress is on show meanwhile.

    `name` says which these are, and a stop holds for all experiments `together`.
    """
    bench, key = lab(), many_of(experiment, n_runs)
    experiment, n_runs = key
    done = bench.many.setdefault(key, {})
    while len(bench.many) > KEPT // 10:
        del bench.many[next(iter(bench.many))]
    n_done = _in_order(done)[1]
    whose = f"{name}: " if name else ""
    if n_done < n_runs and key in bench.stopped:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{whose}stopped after {n_done:,} of {n_runs:,} starts.".capitalize())
            st.button("Go on", key=f"go on {name}", on_click=bench.stopped.discard, args=(key,))
    elif n_done < n_runs:
        block = max(1, min(BLOCK, BLOCK_SIZE // (len(experiment.dataset().X) * experiment.model.n_components)))
        bar, button = st.progress(n_done / n_runs), st.empty()
        if n_runs > 10:
            all_of_them = [many_of(one, n_runs) for one in (experiment, *together)]
            button.button("Stop", f"stop {name}", on_click=bench.stopped.update, args=(all_of_them,), icon=STOP)
        while n_done < n_runs:
            bar.progress(n_done / n_runs, f"{whose}{n_done:,} of {n_runs:,} starts")
            done[n_done] = experiment.restarts(n_done, min(block, n_runs - n_done))
            n_done = _in_order(done)[1]
        bar.empty()
        button.empty()
    return _in_order(done)[0]


def many_of(experiment: Experiment, n_runs: int) -> tuple[Experiment, int]:
    """What names many runs: their seeds count up from 0, and where nothing is random one is all."""
    return replace(experiment, start_seed=0), n_runs if STARTS[experiment.start].random else 1


def _in_order(blocks: dict[int, Runs]) -> tuple[list[Runs], int]:
    """The blocks from seed 0 on without a gap, and how many runs these are: a run that is stopped may still add one."""
    parts: list[Runs] = []
    n_runs = 0
    while n_runs in blocks:
        parts.append(blocks[n_runs])
        n_runs += len(parts[-1])
    return parts, n_runs


def seconds(history: History, n_runs: int) -> float:
    """About how long so many runs like this one take, from the work that one of them is."""
    work = history.n_samples * history.model.n_components * (history.n_iterations + 10)
    return 8e-9 * n_runs * work


def may_run(experiment: Experiment, history: History, n_runs: int, n_ways: int) -> bool:
    """Whether so many runs, for so many ways to start, may begin: what takes long asks first."""
    key = (*many_of(experiment, n_runs), n_ways)
    bench = lab()
    needed = n_ways * seconds(history, n_runs)
    done = _in_order(bench.many.get(key[:2], {}))[1] >= n_runs or (n_ways == 1 and key[:2] in bench.many)
    if needed < LONG or key in bench.agreed or (done and n_ways == 1):
        return True
    st.warning(
        f"{n_ways * n_runs:,} runs on {history.n_samples:,} points take about {_duration(needed)}. "
        "You can stop them at any time and keep what is there."
    )
    st.button("Run them", on_click=bench.agreed.add, args=(key,))
    return False


def _duration(needed: float) -> str:
    return f"{needed:.0f} seconds" if needed < 90 else f"{needed / 60:.0f} minutes"


# ---- What stands on the page ------------------------------------------------------------------------------


def name_of(beginning: Beginning) -> str:
    """A run by where it begins: "Random points, seed 3"."""
    start = STARTS[beginning.start]
    if beginning.start == "by-hand":
        means = ", ".join(
            f"{row[1]:.4g}" if len(row) == 3 else f"({row[1]:.4g}, {row[2]:.4g})" for row in beginning.rows
        )
        return f"By hand, means {means}"
    return f"{start.title}, seed {beginning.seed}" if start.random else start.title


def outcome_of(visit: Session, found: Maxima, beginning: Beginning) -> int:
    """Where the run of the log that begins there ended; `found` sorts the log."""
    return int(found.outcome[visit.values["log"].index(beginning)])


def log_lines(visit: Session, found: Maxima) -> None:
    """The runs so far, a line each; choosing one puts it into the player."""
    log: tuple[Beginning, ...] = visit.values["log"]
    ends = [end_of(experiment_of(visit, beginning)) for beginning in log]
    st.markdown(verdict.count_of_maxima(found))
    lines, why = [], []
    for end, where in zip(ends, found.outcome.tolist(), strict=True):
        iterations = f"{end.n_iterations[0]:,} iteration{'' if end.n_iterations[0] == 1 else 's'}"
        lines.append(f"**{report.number(float(end.objective[0]))}** · {verdict.outcome_name(where)} · {iterations}")
        why.append(end.reasons[0])
    names = [name_of(beginning) + (f". {reason}" if reason else "") for beginning, reason in zip(log, why, strict=True)]
    newest_first = range(len(log) - 1, -1, -1)
    with st.container(height=320 if len(log) > 4 else "content", border=True):
        st.session_state["log line"] = log.index(choices.beginning(visit.values))
        st.radio(
            "Runs so far: choose one to load it",
            newest_first,
            format_func=lines.__getitem__,
            captions=[names[index] for index in newest_first],
            key="log line",
            on_change=lambda: load(log[st.session_state["log line"]]),
        )
    if len(log) > 1:
        st.button("Clear the log", on_click=_clear, type="tertiary", help="Keep only the run in the player.")


def _clear() -> None:
    put(log=(choices.beginning(controls.session().values),))


def choose_number(experiment: Experiment) -> int:
    """How many starts to run; 0 as long as none was asked for."""
    random = STARTS[experiment.start].random
    if not random:
        st.info(
            f"{STARTS[experiment.start].title}: nothing in this start is random, so all runs are the same one. "
            "Choose a random start at the left, or compare all ways to start."
        )
    n_runs: int = controls.session().values["runs"]
    st.markdown("Run")
    for number in choices.RUN_NUMBERS:
        st.button(
            f"{number:,} starts",
            key=f"{number} starts",
            type="primary" if number == n_runs else "secondary",
            on_click=put,
            kwargs={"runs": number},
        )
    return n_runs


def gather_all_starts(experiment: Experiment, n_runs: int) -> dict[str, list[Runs]]:
    """As many runs for each way to start that needs no numbers; those of which there are any."""
    ways = {name: replace(experiment, start=name, by_hand=None) for name in STARTS if name != "by-hand"}
    runs = {name: gather(way, n_runs, STARTS[name].title, list(ways.values())) for name, way in ways.items()}
    return {name: parts for name, parts in runs.items() if parts}


def together(parts: Sequence[Runs]) -> Runs:
    """Blocks of runs as one."""
    return joined(list(parts))


def load_chosen(visit: Session, chosen: Any, experiment: Experiment) -> None:
    """A dot of the strip was chosen: its run goes into the player, once."""
    points = chosen["selection"]["points"]
    if not points:
        visit.dot = None
        return
    picked = points[0].get("customdata")
    index = picked[0] if isinstance(picked, list) and picked else picked
    if not isinstance(index, int | float) or not 0 <= index < visit.values["runs"]:
        return
    beginning = Beginning(experiment.start, int(index) if STARTS[experiment.start].random else 0)
    if experiment.start != "by-hand" and visit.dot != beginning:
        visit.dot = beginning
        if beginning != choices.beginning(visit.values):
            visit.pending = choices.begun(beginning)
            st.rerun()


def maxima_table(found: Maxima, runs: Runs, experiment: Experiment) -> None:
    """The maxima that were reached, and a button for a run that reaches each."""
    rows = [
        (
            mark(index),
            report.number(maximum.objective),
            f"{maximum.count:,}",
            verdict.percent(maximum.share),
            f"{int(np.median(runs.n_iterations[found.outcome == index])):,}",
        )
        for index, maximum in enumerate(found.maxima)
        if maximum.count
    ]
    others = [
        (f"{mark(kind)}", "", f"{count:,}", verdict.percent(count / len(runs)), "")
        for kind in verdict.OTHERS
        if (count := int(np.count_nonzero(found.outcome == kind)))
    ]
    header = ["", "Log-likelihood", "Runs", "Share", "Median iterations"]
    st.html(outcome.table("Where the runs ended", header, rows + others))
    if experiment.start == "by-hand":
        return
    with st.container(horizontal=True):
        for index, maximum in enumerate(found.maxima[:LISTED]):
            if maximum.count:
                beginning = Beginning(
                    experiment.start, maximum.representative if STARTS[experiment.start].random else 0
                )
                st.button(
                    f"Watch a run to {verdict.maximum_name(index)}",
                    key=f"watch {index}",
                    on_click=load,
                    args=(beginning,),
                    help=name_of(beginning),
                )


def mark(where: int) -> str:
    """The name of an outcome with its colour, as HTML."""
    colour, _ = style.outcome_sign(where)
    name = verdict.outcome_label(where)
    return f'<span class="em-mark" style="background: {colour}"></span>{name}'


def starts_table(rows: Sequence[verdict.WayToStart]) -> None:
    """The comparison of the ways to start, in numbers."""
    cells = [
        (
            row.title,
            f"{row.n_runs:,}",
            verdict.percent(row.best_count / row.n_runs),
            f"{verdict.percent(row.interval[0])} to {verdict.percent(row.interval[1])}" if row.n_runs > 1 else "",
            f"{row.median_iterations:,.0f}",
        )
        for row in rows
    ]
    header = ["", "Runs", "Reach the best", "95 % interval", "Median iterations"]
    st.html(outcome.table("Ways to start", header, cells))


# ---- The race ---------------------------------------------------------------------------------------------


def choose_rival(visit: Session) -> tuple[Beginning, int]:
    """The second run, and the iteration of the first one at which it begins (0: a start of its own)."""
    values = visit.values
    rival, branch = values["rival"], values["branch"]
    if not rival or not choices.fitting_beginnings(values, rival, visit.own):
        rival, branch = (_other_start(values),), 0
    options = list(dict.fromkeys([*rival, *(one for one in values["log"] if one != choices.beginning(values))]))
    st.session_state["rival line"] = 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            f"Run 1 is {name_of(choices.beginning(values))}. Run 2:",
            range(len(options)),
            format_func=lambda index: (
                name_of(options[index]) + (f", branched off at iteration {branch}" if branch and not index else "")
            ),
            key="rival line",
            on_change=lambda: put(rival=(options[st.session_state["rival line"]],), branch=0),
        )
        st.button(
            "Reseed run 2",
            icon=":material/casino:",
            on_click=put,
            kwargs={"rival": (_other_start(values, rival[0]),), "branch": 0},
            help="Another start for run 2, on the same data.",
        )
    return rival[0], branch


def _other_start(values: Values, beyond: Beginning | None = None) -> Beginning:
    """A start with another seed than the run on show, and than `beyond`."""
    start = values["start"] if STARTS[values["start"]].random else "random-points"
    taken = [one.seed for one in (choices.beginning(values), beyond) if one is not None and one.start == start]
    return Beginning(start, (max(taken, default=-1) + 1) % (choices.MAX_SEED + 1))


def branch_off(visit: Session, history: History, iteration: int, component: int, to: tuple[float, ...]) -> None:
    """A second run from the parameters of an iteration, with one mean moved."""
    rows = choices.moved(history.parameters[iteration], component, to)
    visit.pending = {"rival": (Beginning("by-hand", 0, rows),), "branch": iteration}
    st.rerun()


def branch_form(visit: Session, run: str, history: History, iteration: int) -> None:
    """The same as a drag, by numbers: for the keyboard, and for phones."""
    parameters = history.parameters[iteration]
    with st.expander(f"Branch off at iteration {iteration}: move a mean and run on from there"):
        st.caption("Or drag a mean in the first picture, at any iteration. Run 2 then begins there.")
        with st.form("branch off", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
            component = st.number_input("Component", 1, parameters.n_components, 1, key="branch component")
            axes = [""] if parameters.n_features == 1 else [" x", " y"]
            to = tuple(
                st.number_input(f"To{axis}", value=float(f"{place:.4g}"), key=f"branch to{axis} {run}", format="%g")
                for axis, place in zip(axes, parameters.means[0], strict=True)
            )
            if st.form_submit_button("Branch off"):
                branch_off(visit, history, iteration, int(component) - 1, to)


# ---- Speed ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Speed:
    """How fast a run converges: Aitken's forecast, the rate of one EM step at its end, and SQUAREM beside it."""

    forecast: acceleration.Forecast
    rate: float | None
    accelerated: acceleration.Accelerated


def speed_of(experiment: Experiment, history: History) -> Speed:
    """The speed of the run (kept for all visitors)."""

    def make() -> Speed:
        forecast = acceleration.aitken(history)
        rate = None
        if history.stopped != "degenerate":
            with suppress(DegenerateFit, ValueError, np.linalg.LinAlgError):  # too near to a collapse to tell
                rate = acceleration.rate(history.model, history.prepared, history.parameters[-1])
        accelerated = acceleration.squarem(
            history.model, history.prepared, history.parameters[0], max_iter=experiment.max_iter, tol=experiment.tol
        )
        return Speed(forecast, rate, accelerated)

    with st.spinner("Measuring the speed", show_time=True):
        found: Speed = kept(("speed", experiment), make)
    return found


def speed_table(history: History, speed: Speed, iteration: int) -> None:
    """Gain, rate, forecast and remaining gap around the place in the run."""
    forecast = speed.forecast
    rows = [
        (
            f"{t:,}",
            report.number(float(history.objective[t]), 4),
            report.significant(gain / history.n_samples) if t and gain else "",
            f"{forecast.rates[t]:.5f}" if np.isfinite(forecast.rates[t]) else "",
            report.number(float(forecast.limits[t]), 4) if np.isfinite(forecast.limits[t]) else "",
            report.significant(float(forecast.gaps[t])) if np.isfinite(forecast.gaps[t]) else "",
            "yes" if forecast.trusted[t] else "no",
        )
        for t, gain in enumerate(report.gains(history).tolist())
        if abs(t - iteration) <= 3
    ]
    header = ["Iteration", "Log-likelihood", "Gain per point", "Rate", "Forecast", "Gap (nats)", "Trusted"]
    st.html(outcome.table("Around this iteration", header, rows))


# ---- The map ----------------------------------------------------------------------------------------------


class Grid(NamedTuple):
    """How finely a map is worked out: values along each axis of the surface, of the profile, and of the starts.

    `n_points` of 2D data are places where a mean begins.
    """

    surface: int
    profile: int
    starts: int
    n_points: int


COARSE, FINE = Grid(61, 25, 25, 80), Grid(161, 61, 121, 400)  # first and then


@dataclass(frozen=True, eq=False)
class Map:
    """The log-likelihood over one plane of parameter space, and which start leads where.

    `key` names all that it depends on. In 1D `basins` are starts on a grid; in 2D the mean of one component begins at
    each of `places`, and `outcome` says where that leads. `fine` is False as long as a finer grid is to come.
    """

    key: tuple[Any, ...]
    surface: landscape.Surface
    basins: landscape.Basins | None
    places: NDArray[np.float64] | None
    outcome: NDArray[np.int64]
    maxima: tuple[Maximum, ...]
    fine: bool


def choose_plane(visit: Session, history: History) -> tuple[str, str]:
    """The two coordinates that the map shows."""
    model, parameters = history.model, history.parameters[0]
    planes = choices.planes(parameters.n_features, model.n_components, model.covariance_type)
    names = list(planes)
    chosen = visit.values["plane"]
    st.session_state["plane shown"] = chosen if chosen in planes else names[0]
    name = st.selectbox(
        "Plane",
        names,
        format_func=lambda key: report.listed(planes[key]),
        key="plane shown",
        on_change=lambda: put(plane=st.session_state["plane shown"]),
    )
    return planes[name]


def choose_profile() -> bool:
    """Whether the other parameters are made the best at each place of the map, or held as at the end of the run."""
    profile: bool = controls.widget(
        "profile",
        st.toggle,
        "Re-maximise the other parameters",
        help="On: at each place EM makes all other parameters as good as they can be there. Off: they are held as at "
        "the end of the run in the player, so that the surface is that run's own only at its end.",
    )
    return profile


def template(history: History) -> GaussianMixtureParameters:
    """The start that a place on the map stands for: the means of the run's start, all else as in the whole data."""
    start: GaussianMixtureParameters = history.model.from_means(history.prepared, history.parameters[0].means)
    return start


def map_of(experiment: Experiment, history: History, names: tuple[str, str], profiled: bool) -> Map:
    """The map of one plane (its parts are kept for all visitors), coarse until it is refined."""
    keys = _keys(experiment, history, names, profiled)
    fine = keys in lab().refined
    surface, led = _worked_out(experiment, history, names, profiled, FINE if fine else COARSE)
    if isinstance(led, landscape.Basins):
        outcome, maxima = _lettered(experiment, led.maxima, led.outcome)
        basins, places = replace(led, outcome=outcome, maxima=maxima), None
    else:
        places, reached = led
        outcome, maxima = _lettered(experiment, reached.maxima, reached.outcome)
        basins = None
    heights = tuple(maximum.objective for maximum in maxima)
    return Map((keys, fine, heights), surface, basins, places, outcome, maxima, fine)


def refine(experiment: Experiment, history: History, names: tuple[str, str], profiled: bool) -> None:
    """Work out the fine map, so that `map_of` finds it."""
    _worked_out(experiment, history, names, profiled, FINE)
    refined = lab().refined
    refined[_keys(experiment, history, names, profiled)] = None
    while len(refined) > KEPT:
        del refined[next(iter(refined))]


def _keys(experiment: Experiment, history: History, names: tuple[str, str], profiled: bool) -> tuple[Any, Any]:
    """What a surface depends on, and what a map of starts does: the two coordinates themselves move freely."""
    start = template(history)
    others = tuple(np.delete(start.to_vector(), [start.names.index(name) for name in names]).tolist())
    held = others if profiled else tuple(history.parameters[-1].to_vector().tolist())
    where = (experiment.source, experiment.model, names)
    return ("surface", *where, profiled, held), ("starts", *where, experiment.max_iter, experiment.tol, others)


def _worked_out(
    experiment: Experiment, history: History, names: tuple[str, str], profiled: bool, grid: Grid
) -> tuple[landscape.Surface, Any]:
    model, X, start = history.model, history.prepared, template(history)
    rule = {"max_iter": experiment.max_iter, "tol": experiment.tol}

    def make_surface() -> landscape.Surface:
        size = grid.profile * 2 // max(2, min(model.n_components, 4)) if profiled else grid.surface  # K slows EM down
        x, y = (_reach(history, name, size) for name in names)
        around = start if profiled else history.parameters[-1]
        return landscape.surface(model, X, around, names, x, y, profiled=profiled)

    def make_starts() -> Any:
        if names[0].endswith(", x"):
            places = history.X[np.unique(np.linspace(0, len(history.X) - 1, grid.n_points).astype(int))]
            places.flags.writeable = False
            component = start.names.index(names[0]) // 2
            return places, landscape.basins_at(model, X, start, component, places, **rule)
        size = grid.starts if model.n_components <= 2 else min(grid.starts, 61)
        x, y = (_reach(history, name, size) for name in names)
        return landscape.basins(model, X, start, names, x, y, **rule)

    of_surface, of_starts = _keys(experiment, history, names, profiled)
    return kept((of_surface, grid), make_surface), kept((of_starts, grid), make_starts)


def _reach(history: History, name: str, size: int) -> NDArray[np.float64]:
    """The values of a coordinate that a map covers: where means can be, and sds from a twentieth of the data's on."""
    X = history.X
    axis = 1 if name.endswith(", y") else 0
    if name.startswith("log sd"):
        widest = np.log(1.5 * X[:, axis].std())
        return np.linspace(widest - np.log(40), widest, size)
    low, high = X[:, axis].min(), X[:, axis].max()
    margin = 0.04 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, size)


def _lettered(
    experiment: Experiment, maxima: Sequence[Maximum], outcome: NDArray[np.int64]
) -> tuple[NDArray[np.int64], tuple[Maximum, ...]]:
    """Outcomes in terms of the maxima that the visit knows by letters."""
    if not maxima:
        return outcome, ()
    family = (experiment.source, experiment.model)
    bench = lab()
    key = (family, id(maxima), len(bench.known.get(family, ())))
    if key not in bench.sorted:
        bench.sorted[key] = maxima, sort_out(experiment, [verdict.at_maxima(experiment.model, maxima)])
    (found,) = bench.sorted[key][1]
    bench.sorted[family, id(maxima), len(found.maxima)] = bench.sorted[key]
    index = np.append(found.outcome, [0, 0, 0])  # the codes of what is no maximum count from the end: they stay
    return np.where(outcome >= 0, index[outcome], outcome), found.maxima


def other_runs(visit: Session) -> tuple[Experiment, ...]:
    """The latest other runs of the log, for their paths."""
    others = [one for one in visit.values["log"] if one != choices.beginning(visit.values)]
    return tuple(experiment_of(visit, one) for one in others[-PATHS:])


def why_no_map(history: History) -> str:
    """Why these data have no map, or ""."""
    if history.prepared.sds.all():
        return ""
    return "The points do not vary along every axis, so that the log-likelihood has no maximum, and there is no map."


def words_of(drawn: Map) -> str:
    """What the map shows, in words: the ridge, the saddle, what is masked, and on what it was computed."""
    return verdict.landscape(drawn.surface, drawn.outcome, drawn.maxima, drawn.basins)


def start_at(history: History, names: tuple[str, str], to: tuple[float, float]) -> None:
    """Begin a run at a place of the map."""
    start = template(history)
    vector = start.to_vector()
    vector[[start.names.index(name) for name in names]] = to
    try:
        rows = choices.rows_of(start.from_vector(vector))
        choices.CHECKS["by-hand"](rows)
    except ValueError as error:
        st.error(f"No run can begin there: {error}.")
        return
    controls.start_by_hand(rows)


def start_form(run: str, history: History, names: tuple[str, str]) -> None:
    """The same as a click on the map, by numbers: for the keyboard, and for phones."""
    start = template(history)
    vector = start.to_vector()
    now = [float(f"{vector[start.names.index(name)]:.4g}") for name in names]
    row = st.expander("Begin a run by numbers").form("start at", border=False)
    with row, st.container(horizontal=True, vertical_alignment="bottom"):
        to = tuple(
            st.number_input(name, value=value, key=f"to {name} {run}", format="%g")
            for name, value in zip(names, now, strict=True)
        )
        if st.form_submit_button("Run from there"):
            start_at(history, names, to)
