"""Collapse and priors: a likelihood without a maximum, three remedies, and a prior as ghost points."""

import streamlit as st

from emcore import collapse
from emcore.figures.collapse import at_iteration, panel, sd_figure, slice_figure, with_ghosts
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from pages.parts import controls, outcome, run, shrinking
from pages.parts import settings as choices
from pages.parts.player import player
from pages.parts.text import plain

PARTS = {"collapse": "Collapse", "remedies": "Three remedies", "ghosts": "Ghost points"}
REMEDY_SETTINGS = frozenset({"floor", "ghosts", "spread", "pull", "pull-x", "pull-y", "weight-ghosts"})
OFFER = choices.Offer(
    preset="duplicates",
    own={
        "section": choices.one_of(PARTS),
        "row": choices.whole(0, choices.MAX_SAMPLES),
        "component": choices.whole(0, choices.MAX_COMPONENTS),
        "width": choices.one_of_numbers(*collapse.WIDTHS),
        "predict": choices.flag(),
        "floor": choices.decimal(0.01, 200),
        "ghosts": choices.decimal(0.1, 1000),
        "spread": choices.decimal(0.1, 500),
        "pull": choices.decimal(1e-4, 1000),
        "pull-x": choices.decimal(-1e9, 1e9),
        "pull-y": choices.decimal(-1e9, 1e9),
        "weight-ghosts": choices.decimal(0, 1000),
    },
    usual={
        "section": "collapse",
        "row": 0,
        "component": 0,
        "width": 50,
        "predict": True,
        "floor": 5.0,
        "ghosts": 8.0,
        "spread": 20.0,
        "pull": 0.01,
        "pull-x": None,
        "pull-y": None,
        "weight-ghosts": 0.0,
    },
    idle=lambda values: REMEDY_SETTINGS if values["section"] == "collapse" else frozenset(),
)

visit = controls.begin("collapse", OFFER)
experiment = controls.sidebar(visit)
values, dataset = visit.values, experiment.dataset()
look = Look(projector=values["projector"])
drawn_with = {
    "look": look,
    "truth": dataset.truth if values["truth"] else None,
    "contours": values["contours"],
    "axes": dataset.axes,
    "draggable": "never",
}
seen = (look, values["truth"], values["contours"])

st.html(outcome.CSS + shrinking.CSS + (outcome.PROJECTOR if values["projector"] else ""))
st.title("Collapse and priors")
with st.container(key="intro"):
    st.markdown(
        "A component that stands on a point can shrink onto it, and the log-likelihood then rises without limit. "
        + plain(dataset.caption)
    )
controls.group_editor(visit)
section = controls.section("section", PARTS)
start, component = shrinking.choose_start(visit, experiment)
controls.end(visit)
history, captions = run.history_of(start)


# ---- The collapse -----------------------------------------------------------------------------------------


def collapsing() -> None:
    """The run, the sd on a log axis, the log-likelihood; and why there is no maximum."""
    st.latex(
        r"\mathcal{N}(x_n \mid \mu_k = x_n,\ \sigma_k^2 I) = \frac{1}{(2\pi)^{d/2}\,\sigma_k^d} \to \infty"
        r"\quad\text{as}\quad \sigma_k \to 0"
    )

    @st.fragment
    def walk() -> None:
        def figures() -> tuple[SteppedFigure, ...]:
            return (
                mixture_figure(history, **drawn_with),
                sd_figure(history, collapse.narrowest(history, component), component, look=look),
                objective_figure(history, look=look, half_steps=visit.half_steps),
            )

        shown = run.follow(visit, start, history, captions, figures, key="collapse-player", look=(seen, component))
        shrinking.take(visit, history, shown)
        st.html(
            f'<div class="em-below"><div>{outcome.parameters_table(history, shown.position, None)}</div>'
            f"<div>{shrinking.answer(component, start, history)}</div></div>"
        )

    walk()
    row = shrinking.row_of(visit, experiment)
    with st.expander("The same start with other widths", key="other widths", on_change="rerun") as opened:
        if opened.open:
            st.html(f'<div class="em-below"><div>{shrinking.fates_table(experiment, component, row)}</div></div>')
    st.subheader("Where is the maximum?", anchor=False)
    st.markdown(collapse.without_limit(dataset.X, row, values["shape"]))
    drawn = shrinking.slice_of(start, component)
    st.plotly_chart(
        slice_figure(drawn, remedies=False, look=look),
        key="slice",
        config=shrinking.PLOTLY,
        alt=f"The log-likelihood of the start against the sd of component {component + 1}, all else held",
    )
    st.caption(f"The start with another sd of component {component + 1}, all else held. {collapse.overtaking(drawn)}")


# ---- Remedies ---------------------------------------------------------------------------------------------


def three_remedies() -> None:
    """Restart, floor and prior from the same start, each with its own objective, under one slider."""
    st.markdown(
        "**Restart**: the same objective; after a collapse, another start. **Floor**: the same objective; sds below "
        "the floor are forbidden. **Prior**: another objective, log-likelihood + log prior. What each climbs "
        "stands above its curve. None of them falls, but where a new start begins."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shrinking.choose_floor()
    prior = shrinking.prior_of(visit, experiment)
    if prior is None:
        return
    floor = shrinking.floor_of(visit, experiment)
    with st.spinner("Running EM three times", show_time=True):
        found = shrinking.remedies_of(experiment, start, floor, prior)
    n_positions = found.n_positions
    said = collapse.captions(found, component)
    ghosts = prior.ghost_points(values["components"], values["shape"])

    def figures() -> tuple[SteppedFigure, ...]:
        pictures, curves = [], []
        for name, one in zip(collapse.REMEDIES, found.histories, strict=True):
            picture = mixture_figure(one, trails=False, **drawn_with)
            curve = objective_figure(one, look=look)
            if name == "Prior":
                picture = with_ghosts(picture, one, ghosts, look=look)
            if name == "Restart" and found.began is not None:
                curve = at_iteration(curve, found.began, "new start", look=look)
            picture = panel(picture, f"<b>{name}</b>", height=shrinking.PICTURE_HEIGHT, look=look)
            curve = panel(curve, one.model.objective_name, height=shrinking.CURVE_HEIGHT, look=look)
            pictures.append(picture.extended(n_positions))
            curves.append(curve.extended(n_positions))
        return (*pictures, *curves)

    @st.fragment
    def walk() -> None:
        with st.container(key="remedies"):
            shown = player(
                figures,
                key="remedies-player",
                run_id=f"{experiment.digest} {shrinking.mapped(start, prior).digest} {floor} {visit.opened}",
                look=seen,
                captions=said,
                labels=said,
                stops=range(1, n_positions, 2),
                position=controls.place(visit, start, n_positions),
                whole=True,
                url=tuple(choices.PLACE),
            )
        visit.rested = start, shown.position
        shrinking.take(visit, history, shown)
        st.html(shrinking.standing_table(found, component, shown.position))

    walk()
    st.markdown("\n".join(f"- {line}" for line in (collapse.how_restarted(found), collapse.floor_acts(found.floored))))
    st.caption(
        f"The floor is an sd of {floor:.4g} in the data's units. The prior is set in the section Ghost points. A "
        "restart keeps the question and looks elsewhere for an answer; floor and prior change the question."
    )


# ---- Ghost points -----------------------------------------------------------------------------------------


def ghost_points() -> None:
    """A prior one can add and weigh, what it does to an M-step, what it buys and what it costs."""
    st.markdown(
        "A conjugate prior is worth points: **ghosts** that nobody observed, and that each component owns for certain. "
        "Add some, make them wider, move them. The hollow circles lie around each component's own mean; the "
        "diamond marks the ghosts that pull the means."
    )
    shrinking.choose_ghosts(visit, experiment)
    prior = shrinking.prior_of(visit, experiment)
    if prior is None:
        return
    believing = shrinking.mapped(start, prior)
    one, said = run.history_of(believing)
    ghosts = prior.ghost_points(values["components"], values["shape"])
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="formulas"):
        for formula in (
            r"\pi_k = \frac{N_k + g}{N + K g}",
            r"\mu_k = \frac{N_k \bar x_k + \kappa\, m}{N_k + \kappa}",
            r"\Sigma_k = \frac{N_k S_k + B_k + c\, G}{N_k + c}",
            r"B_k = \tfrac{N_k \kappa}{N_k + \kappa}(\bar x_k - m)(\bar x_k - m)^{\mathsf T}",
        ):
            st.latex(formula, width="content")

    @st.fragment
    def walk() -> None:
        def figures() -> tuple[SteppedFigure, ...]:
            picture = mixture_figure(one, **drawn_with)
            return with_ghosts(picture, one, ghosts, look=look), objective_figure(
                one, look=look, half_steps=visit.half_steps
            )

        shown = run.follow(
            visit, believing, one, said, figures, key="ghost-player", look=(seen, prior, component), widths=(3, 2)
        )
        shrinking.take(visit, one, shown)
        st.html(
            f'<div class="em-below em-cards"><div>{shrinking.arithmetic_table(one, component, shown.position)}</div>'
            f"<div>{outcome.parameters_table(one, shown.position, None)}</div></div>"
        )

    walk()
    floor = shrinking.floor_of(visit, experiment)
    st.subheader("With the prior there is a maximum", anchor=False)
    drawn = shrinking.slice_of(start, component, values["floor"] / 100, prior)
    st.plotly_chart(
        slice_figure(drawn, remedies=True, look=look),
        key="slice",
        config=shrinking.PLOTLY,
        alt="Log-likelihood, log-likelihood + log prior and the floor against the sd of the component, all else held",
    )
    st.subheader("What the prior buys and what it costs", anchor=False)
    if not shrinking.may_count(experiment):
        return
    with st.spinner("Running EM from random starts", show_time=True):
        st.markdown(collapse.buys(shrinking.collapses_of(experiment, floor, prior)))
        found = shrinking.remedies_of(experiment, start, floor, prior)
        paid = shrinking.price_of(experiment, found.restarted.parameters[-1], prior, start)
    if isinstance(paid, str):
        st.markdown(f"There is no fit by maximum likelihood to compare with: {plain(paid)}")
    else:
        st.markdown(collapse.costs(paid))
        st.html(f'<div class="em-below"><div>{shrinking.price_table(paid)}</div></div>')


# ---- The page ---------------------------------------------------------------------------------------------

if not shrinking.guessed(visit, start):
    shrinking.ask(visit, component, start, history, look)
else:
    {"collapse": collapsing, "remedies": three_remedies, "ghosts": ghost_points}[section]()
with st.expander("What the symbols mean"):
    st.markdown(shrinking.SYMBOLS)
controls.start_editor(visit)
