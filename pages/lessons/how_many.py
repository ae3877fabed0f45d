"""How many components: guess, let the criteria speak, hold points out, test one more, and predict new points."""

import streamlit as st

from emcore import selection
from emcore.em import History
from emcore.figures.objective import objective_figure
from emcore.figures.selection import (
    Curve,
    curves_figure,
    data_figure,
    prediction_figure,
    ratios_figure,
    runs_figure,
)
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.report import Captions
from emcore.scene import shown_rows
from emcore.selection import CRITERIA
from pages.parts import controls, outcome, run
from pages.parts import selection as parts
from pages.parts import settings as choices
from pages.parts.text import plain

visit = controls.begin("how-many", parts.OFFER)
parts.keep_guess(visit)
experiment = controls.sidebar(visit)
values, dataset = visit.values, experiment.dataset()
look = Look(projector=values["projector"])
shape = values["shape"]

st.html(outcome.CSS + parts.CSS + (outcome.PROJECTOR if values["projector"] else ""))
st.title("How many components")
with st.container(key="intro"):
    st.markdown(
        "EM does not find K, the number of components: you choose it. More components always fit better; the question "
        "is when better is no longer worth it. " + (plain(dataset.caption) if values["guess"] else "")
    )
controls.group_editor(visit)
if not values["guess"]:  # the data, and nothing that a fit says of them
    with st.container(key="guess-first", border=True):
        st.segmented_control(
            "First guess: how many components would you take for these points?",
            list(range(1, choices.MAX_COMPONENTS + 1)),
            key="guessed",
            default=None,
            on_change=lambda: parts.guess(st.session_state["guessed"] or 0),
        )
    controls.end(visit)
    st.plotly_chart(
        data_figure(experiment.history(), look=look, axes=dataset.axes),
        key="still",
        config=parts.PLOTLY,
        alt=f"The {len(dataset.X):,} points",
    )
    st.stop()
view = controls.widget(
    "view",
    st.segmented_control,
    "Part of the lesson",
    list(parts.VIEWS),
    format_func=parts.VIEWS.__getitem__,
    required=True,
    label_visibility="collapsed",
    width="stretch",
)
truth = dataset.truth.n_components if dataset.truth is not None else None


def choose_sweep() -> None:
    """How far the sweep goes, and how often it tries."""
    controls.widget("most", st.slider, "K from 1 to", 2, choices.MAX_COMPONENTS, width=220)
    controls.widget(
        "tries",
        st.segmented_control,
        "Restarts for each K",
        list(parts.TRIES),
        required=True,
        help="Every run has its own start seed, from 0 up. What counts is the best of them.",
    )


def about_start(one) -> None:
    """What the sweep starts from, where that is not plain."""
    if values["start"] == "by-hand":
        st.caption("A start by hand fits one K only: the sweep begins at random points.")
    elif not choices.STARTS[one.start].random:
        st.caption("Nothing in this start is random: one run for each K is all. Choose a random start for more.")


# ---- Criteria ---------------------------------------------------------------------------------------------


def criteria() -> None:
    """A dot for each run, the criteria as curves, their numbers, and any run in the player."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choose_sweep()
        all_shapes = controls.widget(
            "all-shapes",
            st.toggle,
            "All covariance types",
            help="Sweep over full, tied, diagonal and spherical covariances, and compare one criterion among them.",
        )
    controls.end(visit)
    one = selection.candidate(experiment, 1, shape)
    about_start(one)
    shapes = [name for name in choices.SHAPES if all_shapes or name == shape]
    sweeps, refused = parts.sweep(experiment, shapes, values["most"], values["tries"])
    found = sweeps[shape]
    for sentence in refused:
        st.info(sentence)
    if not found:
        return
    with st.container(key="criteria-charts"):
        left, right = st.columns(2, gap="medium")
        with left, st.container(key="runs"):
            heights = controls.widget(
                "heights",
                st.segmented_control,
                "Height of a dot",
                list(parts.HEIGHTS),
                format_func=parts.HEIGHTS.__getitem__,
                required=True,
                label_visibility="collapsed",
            )
            dots(found, one, heights)
        with right:
            if all_shapes:
                judge = controls.widget(
                    "judge",
                    st.segmented_control,
                    "Criterion",
                    list(CRITERIA),
                    format_func=lambda name: CRITERIA[name].title,
                    required=True,
                    label_visibility="collapsed",
                )
                lines = [
                    Curve(name, choices.SHAPES[name], selection.by_components(sweeps[name], judge)) for name in shapes
                ]
            else:
                st.markdown("Criteria of the best run for each K")
                lines = parts.curves(found)
            curves(lines, all_shapes)
    st.markdown(selection.about_likelihood(found))
    st.markdown(selection.about_choice(found))
    if all_shapes:
        st.markdown(selection.about_shapes(sweeps, values["judge"]))
    st.markdown(selection.about_restarts(found))
    for sentence in selection.cautions(found):
        st.caption(sentence)
    tell_truth(found)
    in_the_player(found, one)
    st.subheader("In numbers", anchor=False)
    if all_shapes:
        parts.shapes_table(sweeps, values["judge"])
    parts.sweep_table(found)
    parts.runs_table(found, one)
    opened(found)


def dots(found, one, heights) -> None:
    """The picture of all runs; a click on a dot loads its run."""
    chosen = st.plotly_chart(
        runs_figure(found, heights, shown=parts.in_player(values, one, found), look=look),
        key=f"runs {one.digest}",  # a dot that was chosen belongs to its data
        on_select="rerun",
        selection_mode="points",
        config=parts.PLOTLY,
        alt=f"{parts.HEIGHTS[heights]} of every run by number of components. {selection.about_likelihood(found)}",
    )
    parts.load_chosen(visit, chosen, one, found)


def curves(lines, one_criterion=False) -> None:
    """The criteria, with the guess, and the truth once it was asked for."""
    shown = truth if values["truth"] else None
    if all(value != value for line in lines for value in line.values.values()):
        st.info("No criterion is defined: every run collapsed.")
        return
    st.plotly_chart(
        curves_figure(lines, guess=values["guess"], truth=shown, one_criterion=one_criterion, look=look),
        key="curves",
        config=parts.PLOTLY,
        alt="Criteria by number of components; the table below has their values",
    )


def tell_truth(found) -> None:
    """The guess, then the criteria, then the truth."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if values["truth"] or truth is None:
            st.markdown(parts.truth_said(values, truth, found))
        else:
            st.button("Show the truth", on_click=controls.put, kwargs={"truth": True}, type="primary")
        st.button("Guess again", on_click=parts.guess, args=(0,))


def opened(found) -> None:
    """The formulas with the numbers of the number of components in the player."""
    k = values["components"]
    if k not in found or found[k].best is None:
        return
    with st.expander(f"The formulas, with the numbers of the best run for K = {k}", expanded=True):
        with st.container(key="criteria-formulas"):
            parts.formulas(found[k])
        st.markdown(parts.LEGEND)
        parts.aims()


def in_the_player(found, one) -> None:
    """Any run of the sweep, step by step."""
    st.subheader("In the player", anchor=False)
    place = parts.in_player(values, one, found)
    best = [k for k in found if found[k].best is not None]
    st.session_state["best of"] = place[0] if place and found[place[0]].is_best(place[1]) else None
    st.segmented_control("The best run for K", best, key="best of", on_change=parts.load_best, args=(found, one))
    if place:
        k, index = place
        rank = "the best" if found[k].is_best(index) else "not the best"
        st.caption(
            f"On show: K = {k}, start seed {index}, {rank} of {len(found[k])}. A click on a dot loads its run; K, the "
            "covariance and the start at the left are those of the run here."
        )
    history, captions = run.history_of(experiment)
    parts.open_at_the_end(visit, experiment, history)
    run.play(visit, experiment, history, captions)


# ---- Held-out points --------------------------------------------------------------------------------------


def held_out() -> None:
    """Cross-validation: what a fit says of points that it has not seen."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choose_sweep()
        controls.widget("folds", st.number_input, "Folds", 2, 20, step=1, width=130)
        controls.widget("fold-seed", st.number_input, "Seed of the folds", 0, choices.MAX_SEED, step=1, width=160)
    controls.end(visit)
    one = selection.candidate(experiment, 1, shape)
    about_start(one)
    st.markdown(
        "The points are dealt into folds. Each fold is held out in turn: the mixture is fitted to all others, the best "
        "of the restarts, and then asked for the density of the points that it has not seen."
    )
    st.latex(r"\sum_{f} \sum_{n \in f} \ln p\big(x_n \mid \hat\theta_{\text{without } f}\big)")
    sums, refused = parts.held_out(
        experiment, shape, values["most"], values["tries"], values["folds"], values["fold-seed"]
    )
    for sentence in refused:
        st.info(sentence)
    if not sums:
        return
    sweeps, _ = parts.sweep(experiment, [shape], values["most"], values["tries"])
    curves(parts.curves(sweeps[shape], sums))
    st.markdown(selection.about_held_out(sums))
    st.caption(
        "Minus twice the held-out log-likelihood stands on the scale of AIC, which estimates it without holding "
        "anything out. Lower is better. A fit to fewer points is a little poorer, so it tends to lie higher."
    )
    tell_truth(sweeps[shape])
    parts.sweep_table(sweeps[shape], sums)


# ---- One more? --------------------------------------------------------------------------------------------


def test() -> None:
    """K against K + 1: how much one component more gains by chance."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        fewer = controls.widget(
            "fewer", st.number_input, "K", 1, choices.MAX_COMPONENTS, step=1, width=130, help="Against K + 1."
        )
        controls.widget("tries", st.segmented_control, "Restarts for each fit", list(parts.TRIES), required=True)
        controls.widget(
            "replicates",
            st.segmented_control,
            "Data sets to draw",
            [0, *parts.REPLICATES],
            format_func=lambda number: f"{number}" if number else "None yet",
            required=True,
        )
    controls.end(visit)
    one = selection.candidate(experiment, fewer, shape)
    about_start(one)
    st.markdown(
        f"One component more always gains something. How much would it gain if K = {fewer} were the truth? Draw data "
        f"from the fit with K = {fewer}, fit both to them, and see (the parametric bootstrap of the likelihood ratio, "
        "McLachlan 1987). The usual chi-squared table does not hold: without the extra component its mean and "
        "covariance mean nothing."
    )
    st.latex(rf"2 \left( \ln p(X \mid \hat\theta_{{{fewer + 1}}}) - \ln p(X \mid \hat\theta_{{{fewer}}}) \right)")
    reason = selection.why_not(selection.candidate(experiment, fewer + 1, shape))
    if reason:
        st.info(reason)
        return
    if not values["replicates"]:
        st.caption("Choose how many data sets to draw. Begin at K = 1, and go up until one more is no longer needed.")
        return
    with st.spinner("Fitting both to the data", show_time=True):
        ratio = selection.likelihood_ratio(one, values["tries"])
    found = parts.ratios(one, values["tries"], values["replicates"]) if ratio == ratio else []
    if any(value == value for value in found):
        st.plotly_chart(
            ratios_figure(ratio, found, look=look),
            key="ratios",
            config=parts.PLOTLY,
            alt="How large the gain is by chance, and on the data",
        )
    st.markdown(selection.about_test(fewer, ratio, found))


# ---- New points -------------------------------------------------------------------------------------------


def predict() -> None:
    """Points that were not there: what the fit says of each."""
    st.markdown(
        "A fit says of any point which component made it, and how surely. Click in the picture to add a new point. "
        "K and the covariance type are those at the left."
    )
    doubt = controls.widget(
        "doubt",
        st.toggle,
        "Uncertainty map",
        help="1 minus the largest responsibility: the larger a square, the less certain it is which component a point "
        "there belongs to.",
    )
    controls.end(visit)
    history, captions = run.history_of(experiment)
    parts.open_at_the_end(visit, experiment, history)
    predictions(history, captions, doubt)


@st.fragment
def predictions(history: History, captions: Captions, doubt: bool) -> None:
    """The player with the new points, and the table that follows it."""
    new = values["new"]
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing the run", show_time=True):
            options = {"look": look, "axes": dataset.axes, "truth": dataset.truth if values["truth"] else None}
            if len(dataset.axes) == 2:
                options["contours"] = values["contours"]
            if doubt:
                places = selection.map_places(history)
                options |= {"places": places, "uncertainty": selection.uncertainty(history, places)}
            return (
                prediction_figure(history, new, **options),
                objective_figure(history, look=look, half_steps=visit.half_steps),
            )

    drawn = (look, values["truth"], values["contours"], doubt, new)
    shown = run.follow(visit, experiment, history, captions, figures, key="predict", look=drawn, widths=(3, 2))
    if shown.spot:
        parts.add_point(visit, (shown.spot.x, shown.spot.y)[: len(dataset.axes)])
    if shown.click:
        parts.add_point(visit, tuple(history.X[shown_rows(history.n_samples)[shown.click.point]].tolist()))
    parts.predictions_table(history, shown.position // 2, new, dataset.axes)
    parts.point_form(visit, history, dataset.axes)
    parts.point_buttons(visit)
    st.caption(
        "The responsibilities say which component, not whether any: far from all points they can be near 1, and the "
        "density is tiny all the same. The last column says what share of the data is still less likely."
    )


# ---- The page ---------------------------------------------------------------------------------------------

{"criteria": criteria, "held-out": held_out, "test": test, "predict": predict}[view]()
controls.start_editor(visit)
