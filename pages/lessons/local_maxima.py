"""The local-maxima lab: where EM ends depends on where it begins, made visible, countable and playable."""

import streamlit as st

from emcore import landscape, verdict
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures.landscape import basin_figure, starts_figure, surface_figure
from emcore.figures.maxima import chance_figure, comparison_figure, portraits_figure, strip_figure
from emcore.figures.mixture import mixture_figure
from emcore.figures.race import race_objective_figure, race_positions
from emcore.figures.speed import gain_figure, rate_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.matching import relabelled
from emcore.restarts import Maxima, Runs, interval
from emcore.starts import STARTS
from pages.parts import controls, lab, outcome, run, tasks
from pages.parts import settings as choices
from pages.parts.player import player
from pages.parts.text import plain

visit = controls.begin("local-maxima", choices.LAB)
experiment = controls.sidebar(visit)
values, dataset = visit.values, experiment.dataset()
look = Look(projector=values["projector"])

st.html(outcome.CSS + lab.CSS + (outcome.PROJECTOR if values["projector"] else ""))
st.title("The local-maxima lab")
with st.container(key="intro"):
    st.markdown(
        "EM climbs to *a* maximum of the log-likelihood, and the start decides which. "
        + ("" if tasks.waiting(visit) else plain(dataset.caption))
    )
controls.group_editor(visit)
answer = tasks.ask(visit)
if tasks.waiting(visit):  # the data and the start, and nothing of how it ends
    lab.keep_log(visit, experiment)
    controls.end(visit)
    still = mixture_figure(experiment.history(), look=look, axes=dataset.axes, draggable="never").at(0)
    st.plotly_chart(still, key="still", config=lab.PLOTLY, alt="The data, and the components where the run begins")
    st.stop()
room = controls.widget(
    "room",
    st.segmented_control,
    "Room of the lab",
    list(choices.ROOMS),
    format_func=choices.ROOMS.__getitem__,
    required=True,
    label_visibility="collapsed",
    width="stretch",
)
lab.keep_log(visit, experiment)
controls.end(visit)
history, captions = run.history_of(experiment)
evidence = tasks.Evidence(history)


# ---- Reseed: one press, one new start, one more line ------------------------------------------------------


def reseed() -> None:
    """The player, and beside it the log of the runs so far."""
    with st.container(key="lab-reseed"):
        with st.container(key="lab-run"):
            run.play(visit, experiment, history, captions)
        with st.container(key="lab-log"):
            controls.reseed(visit)
            (found,) = lab.sort_out(experiment, lab.log_ends(visit))
            lab.log_lines(visit, found)
            evidence.outcome = lab.outcome_of(visit, found, choices.beginning(values))


# ---- Many starts: how many maxima there are, and how many restarts are enough -----------------------------


def many_starts() -> None:
    """Ten, a hundred or a thousand starts, the maxima that they reach, and what that says about restarts."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n_runs = lab.choose_number(experiment)
        compare = controls.widget(
            "compare",
            st.toggle,
            "Compare all ways to start",
            help="As many runs for each way to start, on the same data. Where nothing is random, one run is all.",
        )
    if not n_runs:
        st.caption("Choose a number: every start has its own seed, from 0 up, and a dot for where its run ends.")
    elif lab.may_run(experiment, history, n_runs, len(STARTS) - 1 if compare else 1):
        done = lab.gather(experiment, n_runs)
        rivals = lab.gather_all_starts(experiment, n_runs) if compare else {}
        if done:
            found, log, *others = lab.sort_out(experiment, done, lab.log_ends(visit), *rivals.values())
            evidence.many, evidence.outcome = found, lab.outcome_of(visit, log, choices.beginning(values))
            st.markdown(verdict.count_of_maxima(found))
            maxima(found, lab.together(done))
            how_many_restarts(found)
            if compare:
                ways_to_start(dict(zip(rivals, others, strict=True)), rivals)
    st.subheader(f"In the player below: {plain(lab.name_of(choices.beginning(values)))}", anchor=False)
    run.play(visit, experiment, history, captions)


def maxima(found: Maxima, runs: Runs) -> None:
    """A dot for every run, and the solutions that they stand for."""
    chosen = st.plotly_chart(
        strip_figure(runs, found, look=look),
        key="strip",
        on_select="rerun",
        selection_mode="points",
        config=lab.PLOTLY,
        alt=f"Where {len(runs):,} runs ended: {verdict.count_of_maxima(found)}",
    )
    lab.load_chosen(visit, chosen, experiment)
    reached = [maximum for maximum in found.maxima if maximum.count]
    if reached:
        st.plotly_chart(
            portraits_figure(dataset.X, found.maxima, axes=dataset.axes, look=look),
            key="portraits",
            config=lab.PLOTLY,
            alt=f"The solutions at {len(reached)} maxima",
        )
        lab.maxima_table(found, runs, experiment)


def how_many_restarts(found: Maxima) -> None:
    """1 - (1 - p)^R, with a slider for R."""
    best = verdict.best_of(found)
    st.subheader("How many restarts are enough?", anchor=False)
    if best is None or len(found.outcome) == 1:
        st.markdown(verdict.chance_of_the_best(found, values["restarts"]))
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        n_restarts = controls.widget("restarts", st.slider, "Restarts R", 1, choices.MAX_RESTARTS)
        st.markdown(verdict.chance_of_the_best(found, n_restarts))
    with right:
        st.plotly_chart(
            chance_figure(best.share, interval(best.count, len(found.outcome)), n_restarts, look=look),
            key="chance",
            config=lab.PLOTLY,
            alt="The chance to meet the best maximum against the number of restarts",
        )


def ways_to_start(found: dict[str, Maxima], runs: dict[str, list[Runs]]) -> None:
    """Every way to start on these data: how often it reaches the best, and how long it takes."""
    st.subheader("Ways to start", anchor=False)
    rows = verdict.ways_to_start(found, {name: lab.together(parts) for name, parts in runs.items()})
    st.plotly_chart(
        comparison_figure(rows, look=look),
        key="comparison",
        config=lab.PLOTLY,
        alt="Each way to start: the share of its runs that reach the best maximum, and their median iterations",
    )
    lab.starts_table(rows)


# ---- Map: the log-likelihood as a landscape ---------------------------------------------------------------


def the_map() -> None:
    """The surface with EM's path on it, and which start leads where."""
    if reason := lab.why_no_map(history):
        st.info(reason)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = lab.choose_plane(visit, history)
        profiled = lab.choose_profile()
    with st.spinner("Computing the map", show_time=True):
        drawn = lab.map_of(experiment, history, names, profiled)
    walk(drawn, lab.other_runs(visit))
    if not drawn.fine:
        with st.spinner("Refining the map", show_time=True):
            lab.refine(experiment, history, names, profiled)
        st.rerun()


@st.fragment
def walk(drawn: lab.Map, others: tuple[Experiment, ...]) -> None:
    """The player over the map; a click begins a run there."""
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, SteppedFigure]:
        paths = [landscape.path(other.history(), drawn.surface.names) for other in others]
        shared = {"paths": paths, "maxima": drawn.maxima, "axes": dataset.axes, "look": look}
        with slot, st.spinner("Drawing the map", show_time=True):
            surface = surface_figure(drawn.surface, history, basins=drawn.basins, **shared)
            if drawn.basins is not None:
                return surface, basin_figure(drawn.basins, history, **shared)
            return surface, starts_figure(drawn.places, drawn.outcome, history, names=drawn.surface.names, **shared)

    shown = run.follow(visit, experiment, history, captions, figures, key="map", look=(look, drawn.key, others))
    if shown.spot:
        lab.start_at(history, drawn.surface.names, (shown.spot.x, shown.spot.y))
    st.markdown(lab.words_of(drawn))
    lab.start_form(experiment.digest, history, drawn.surface.names)


# ---- Race: two runs, one slider ---------------------------------------------------------------------------


def race() -> None:
    """Two runs on the same data, stepped together, with their components matched."""
    rival, branch = lab.choose_rival(visit)
    rival_experiment = lab.experiment_of(visit, rival)
    with st.spinner("Running EM", show_time=True):
        second = relabelled(rival_experiment.history(), history)
    (found,) = lab.sort_out(experiment, [lab.end_of(experiment), lab.end_of(rival_experiment)])
    evidence.outcome = int(found.outcome[0])
    runners(rival_experiment, second, branch, found)


@st.fragment
def runners(rival_experiment: Experiment, second: History, branch: int, found: Maxima) -> None:
    """Both runs under one slider. A mean that is dragged in the first picture branches a run off."""
    offset = 2 * branch
    n_positions = race_positions(history, second, offset)
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        drawn = {"look": look, "axes": dataset.axes, "contours": values["contours"]}
        with slot, st.spinner("Drawing the race", show_time=True):
            return (
                mixture_figure(history, draggable="always", **drawn).extended(n_positions),
                mixture_figure(second, draggable="never", **drawn).extended(n_positions, offset),
                race_objective_figure(history, second, look=look, half_steps=visit.half_steps, offset=offset),
            )

    said = verdict.race_captions(history, second, offset, n_positions)
    shown = player(
        figures,
        key="race",
        run_id=f"{experiment.digest} {rival_experiment.digest} {branch} {visit.opened}",
        look=(look, values["contours"], visit.half_steps),
        captions=said,
        labels=said,
        stops=range(1, n_positions, 2),
        position=controls.place(visit, experiment, n_positions),
        whole=not visit.half_steps,
        url=tuple(choices.PLACE),
    )
    run.rests(visit, experiment, shown)
    iteration = min(shown.position // 2, history.n_iterations)
    if shown.drag:
        to = (shown.drag.x, shown.drag.y)[: history.parameters[0].n_features]
        lab.branch_off(visit, history, iteration, shown.drag.point, to)
    raw = rival_experiment.history()
    st.markdown(verdict.race(history, raw, tuple(found.outcome.tolist()), found.maxima, begins=branch))
    lab.branch_form(visit, experiment.digest, history, iteration)


# ---- Speed: how near the end is ---------------------------------------------------------------------------


def speed() -> None:
    """Gains on a log axis, the rate, Aitken's forecast, and SQUAREM from the same start."""
    squarem = controls.widget(
        "squarem",
        st.toggle,
        "SQUAREM from the same start",
        help="Two EM steps, then a leap along the line that they predict (Varadhan & Roland 2008).",
    )
    gains(lab.speed_of(experiment, history), squarem)


@st.fragment
def gains(measured: lab.Speed, squarem: bool) -> None:
    """The player over gains and rates, and below it what they mean."""
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        accelerated = measured.accelerated if squarem else None
        with slot, st.spinner("Drawing the gains", show_time=True):
            return (
                gain_figure(history, measured.forecast, accelerated=accelerated, tol=experiment.tol, look=look),
                rate_figure(history, measured.forecast, look=look),
            )

    shown = run.follow(visit, experiment, history, captions, figures, key="speed", look=(look, squarem))
    iteration = shown.position // 2
    st.markdown(verdict.speed(history, measured.forecast, measured.rate))
    if squarem:
        st.markdown(verdict.squarem(history, measured.accelerated))
    lab.speed_table(history, measured, iteration)


# ---- The page ---------------------------------------------------------------------------------------------

{"reseed": reseed, "many": many_starts, "map": the_map, "race": race, "speed": speed}[room]()
controls.start_editor(visit)
if answer is not None and evidence.outcome is None:
    evidence.outcome = lab.outcome_of(visit, *lab.sort_out(experiment, lab.log_ends(visit)), choices.beginning(values))
tasks.reveal(answer, visit, evidence)
