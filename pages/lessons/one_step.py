"""One point, one step: the arithmetic of an E-step and of an M-step, visible in the run's own numbers."""

import streamlit as st

from emcore import report, worked
from emcore.em import DegenerateFit
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.figures.worked import component_figure, handover_figure, place_figure, responsibilities_figure
from pages.parts import cards, controls, magnifier, outcome, run, sheet
from pages.parts import settings as choices
from pages.parts.player import player
from pages.parts.text import plain

visit = controls.begin("one-step", choices.ONE_STEP)
chosen = controls.sidebar(visit)
values, dataset = visit.values, chosen.dataset()
look = Look(projector=values["projector"])
experiment, rows = worked.few(chosen)

st.html(outcome.CSS + cards.CSS + (outcome.PROJECTOR + cards.PROJECTOR if values["projector"] else ""))
st.title("One point, one step")
with st.container(key="intro"):
    st.markdown("An E-step is Bayes' rule for every point; an M-step is a weighted average. " + plain(dataset.caption))
    if len(rows) < len(dataset.X):
        st.caption(
            f"This page works with {len(rows)} of the {len(dataset.X):,} points, a fixed choice, so that each one "
            "can be looked at."
        )
controls.group_editor(visit)
part = controls.widget(
    "part",
    st.segmented_control,
    "Part of the page",
    list(choices.STEP_PARTS),
    format_func=choices.STEP_PARTS.__getitem__,
    required=True,
    label_visibility="collapsed",
    width="stretch",
)
magnifier.within(visit, len(rows), len(dataset.axes))


# ---- Known labels, and what stands in for them ------------------------------------------------------------


def labels() -> None:
    """Counts and averages with labels, then without."""
    controls.end(visit)
    history, _ = run.history_of(experiment)
    try:
        given = worked.labelled(history, None if dataset.labels is None else dataset.labels[rows])
        steps = worked.handover(history, given)
    except DegenerateFit as collapse:
        st.info(f"These data cannot begin with labels. {collapse} Choose another example, or fewer components.")
        return
    st.markdown(
        "If every point came with the label of its component, there would be nothing to iterate: count, and take "
        "averages. EM is what is left when the labels are taken away. Step through it."
    )
    if not given.known:
        st.caption(
            "Nobody knows labels for these data, or there are not as many groups as components. In their place: the "
            "component that is the most likely for each point at the end of EM."
        )
    with st.container(key="hand-over"):
        hand_over(history, steps)
    with st.container(key="label-formulas"):
        cards.label_formulas(len(dataset.axes))
    name = "complete-data log-likelihood"
    st.markdown(worked.about_log_likelihood(given.log_likelihood, dataset.axes, name))
    cards.symbols("labels", len(dataset.axes))


@st.fragment
def hand_over(history, steps) -> None:
    """Five pictures, and the table that follows them."""
    slot = st.empty()

    def figures() -> tuple[SteppedFigure]:
        with slot, st.spinner("Drawing the points", show_time=True):
            return (handover_figure(history, steps, look=look, axes=dataset.axes),)

    place = visit.link.position
    stood = player(
        figures,
        key="labels",
        run_id=f"labels {experiment.digest} {visit.opened}",
        look=look,
        captions=steps.captions,
        labels=steps.labels,
        step_names=steps.labels,
        position=place if place < len(steps.labels) else 0,
        url=tuple(choices.PLACE),
    )
    cards.handover_table(steps, stood.position, history.n_samples)


# ---- The E-step under a magnifier -------------------------------------------------------------------------


def e_step() -> None:
    """Bayes' rule at one place, which follows the run."""
    history, captions = run.history_of(experiment)
    st.markdown(
        "Choose a point: click it, go from point to point with Shift and an arrow key, or mark it in the table. The "
        "card works Bayes' rule for it, with the parameters of the iteration in the player."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        point = magnifier.choose_point(history)
        logs = controls.widget(
            "logs",
            st.toggle,
            "In logarithms",
            help="As a program computes it: far out all products are too small for a computer's numbers, but their "
            "logarithms are not.",
        )
        shows_regions = len(dataset.axes) == 2 and controls.widget(
            "regions", st.toggle, "Decision regions", help="Which component is the most likely, all over the plane."
        )
    x = magnifier.place_of(visit, history, point)
    controls.end(visit)
    magnify(history, captions, x, logs, shows_regions)


@st.fragment
def magnify(history, captions, x, logs, shows_regions) -> None:
    """The player with the chosen place, the card that follows it, and the table of points."""
    magnifier.follow_table()
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing the run", show_time=True):
            options = {"look": look, "axes": dataset.axes, "truth": dataset.truth if values["truth"] else None}
            if len(x) == 2:
                regions = worked.regions(history) if shows_regions else None
                drawn = place_figure(history, x, regions=regions, contours=values["contours"], **options)
                return drawn, objective_figure(history, look=look, half_steps=visit.half_steps)
            grid = worked.axis_grid(history)
            curves = worked.responsibility_curves(history, grid)
            here = worked.responsibility_curves(history, x)[:, :, 0]
            meet = worked.crossing_places(history)
            return (
                place_figure(history, x, crossings=meet, **options),
                responsibilities_figure(history, grid, curves, meet, float(x[0]), here, look=look, axes=dataset.axes),
            )

    drawn = (look, values["truth"], values["contours"], shows_regions, tuple(x.tolist()))
    shown = run.follow(visit, experiment, history, captions, figures, key="e-step", look=drawn, widths=(3, 2))
    magnifier.follow_drags(history, shown)
    magnifier.follow_clicks(visit, shown)
    theta, sentence = magnifier.parameters_of(history, shown.position)
    made = worked.bayes(theta, x)
    st.subheader(f"Bayes' rule at {magnifier.name_of(visit, x)}", anchor=False)
    st.caption(sentence)
    with st.container(key="card"):
        bayes_card(made, theta, logs)
    st.markdown(worked.about_log_likelihood(float(history.objective[shown.position // 2]), dataset.axes))
    magnifier.points_table(history, shown.position)


def bayes_card(made, theta, logs) -> None:
    """Densities first, then Bayes' rule: formulas with their numbers, and tables beside them."""
    st.markdown("**First the density of each component here**")
    left, right = st.columns([1, 1], gap="large")
    with left, st.container(key="density-formulas"):
        cards.density_formulas(made, logs)
    with right, st.container(key="density-tables"):
        cards.density_table(made)
        high = int(made.densities.argmax())
        st.markdown(
            worked.about_densities(float(made.densities[high]), f"The density of component {high + 1}", dataset.axes)
        )
    st.markdown("**Then times the weights, and divided by the sum**")
    left, right = st.columns([1, 1], gap="large")
    with left, st.container(key="step-formulas"):
        cards.log_formulas(made) if logs else cards.bayes_formulas(made)
        cards.symbols("logs" if logs else "e-step", len(made.x))
    with right, st.container(key="step-tables"):
        cards.bayes_table(made, logs)
        if made.underflows:
            st.markdown(
                "All products are 0 here to a computer's precision, and 0 / 0 is nothing. In logarithms the largest "
                "is subtracted first, and the ratios come out."
            )
        if len(made.x) == 1:
            st.markdown(worked.about_crossings(theta, dataset.axes, report.decimals(theta)))


# ---- The M-step under a magnifier -------------------------------------------------------------------------


def m_step() -> None:
    """One component: a count, and two averages."""
    history, captions = run.history_of(experiment)
    st.markdown(
        "Choose a component. Points are as large as it takes them, and its new weight, mean and covariance are "
        "averages in which each point counts by its responsibility."
    )
    component = magnifier.choose_component(history) - 1
    controls.end(visit)
    average(history, captions, component)


@st.fragment
def average(history, captions, component) -> None:
    """The player with the component before and after, and the card that follows it."""
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing the run", show_time=True):
            longer, taken = worked.with_next(history), worked.taken(history, component)
            return (
                component_figure(history, longer, component, taken, look=look, axes=dataset.axes),
                objective_figure(history, look=look, half_steps=visit.half_steps),
            )

    drawn = (look, component)
    shown = run.follow(visit, experiment, history, captions, figures, key="m-step", look=drawn, widths=(3, 2))
    magnifier.follow_drags(history, shown)
    theta, sentence = magnifier.parameters_of(history, shown.position, after=True)
    posterior = history.model.e_step(history.prepared, theta)
    st.subheader(f"The M-step of component {component + 1}", anchor=False)
    st.caption(sentence)
    try:
        made = worked.average(history.model, history.prepared, posterior, component)
        following = history.model.m_step(history.prepared, posterior)
    except DegenerateFit as collapse:
        st.warning(f"This M-step has no result. {collapse} {collapse.advice}")
        return
    with st.container(key="card"):
        left, right = st.columns([1, 1], gap="large")
        with left, st.container(key="fit-formulas"):
            cards.fit_formulas(made)
            st.markdown(cards.constraint(made, history.model.covariance_type))
            cards.symbols("m-step", len(dataset.axes))
        with right, st.container(key="fit-tables"):
            cards.change_table(theta, following, component)
            cards.terms_table(made)
    st.markdown(worked.about_log_likelihood(float(history.objective[shown.position // 2]), dataset.axes))


# ---- The sheet --------------------------------------------------------------------------------------------


def sheets() -> None:
    """Every number of a step, for at most twelve points."""
    st.markdown(
        "Every number of one iteration, a cell each. Rest on a cell, or move to it with the arrow keys, and what it is "
        "computed from lights up. Change a point, or a responsibility, and see what follows."
    )
    on_sheet = sheet.experiment_of(visit, chosen, worked.few(chosen, worked.SHEET_ROWS)[0])
    history, captions = run.history_of(on_sheet)
    if not values["points"] and len(history.X) < len(dataset.X):
        st.caption(f"The sheet has room for {len(history.X)} of the points, and the run below is on these alone.")
    sheet.buttons(visit, tuple(map(tuple, history.X.tolist())))
    controls.end(visit)
    cells(on_sheet, history, captions)
    cards.symbols("sheet", len(dataset.axes))


@st.fragment
def cells(on_sheet, history, captions) -> None:
    """The player of the sheet's own run, and the sheet that follows it."""
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing the run", show_time=True):
            return (
                mixture_figure(history, look=look, axes=dataset.axes),
                objective_figure(history, look=look, half_steps=visit.half_steps),
            )

    shown = run.follow(visit, on_sheet, history, captions, figures, key="sheet player", look=look, widths=(3, 2))
    magnifier.follow_drags(history, shown)
    iteration = worked.iteration_of(shown.position)
    edits = sheet.edits_at(visit, iteration, (history.n_samples, history.model.n_components))
    made = worked.sheet(history.model, history.X, history.parameters[iteration], edits)
    st.markdown(worked.about_sheet(made))
    sheet.show(visit, made, history, iteration, dataset.axes)


# ---- The page ---------------------------------------------------------------------------------------------

{"labels": labels, "e-step": e_step, "m-step": m_step, "sheet": sheets}[part]()
controls.start_editor(visit)
