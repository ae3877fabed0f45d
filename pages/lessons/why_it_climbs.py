"""Why the log-likelihood never falls: the bound under it, operated by hand; what breaks when a step is not EM's."""

import streamlit as st

from emcore import worked
from emcore.figures.bound import bound_captions, bound_figure, parts_figure
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.race import race_objective_figure, race_positions
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.variants import STEPS, VARIANTS
from emcore.verdict import race_captions
from pages.parts import clinic, controls, outcome, run
from pages.parts import settings as choices
from pages.parts.player import player
from pages.parts.text import plain

first_visit = "why" not in st.session_state
st.session_state["why"] = True
visit = controls.begin("why-it-climbs", choices.WHY)
if first_visit:
    visit.half_steps = True  # the half-steps are what this lesson is about
chosen = controls.sidebar(visit)
values, dataset = visit.values, chosen.dataset()
part, rows = worked.few(chosen)
experiment = clinic.shortened(part)
look = Look(projector=values["projector"])

st.html(outcome.CSS + clinic.CSS + (outcome.PROJECTOR if values["projector"] else ""))
st.title("Why it climbs")
with st.container(key="intro"):
    st.markdown(
        "Under the log-likelihood lies a bound. The E-step lifts it until it touches; the M-step climbs to its top. So "
        f"the log-likelihood cannot fall. {plain(dataset.caption)}"
    )
    if len(rows) < len(dataset.X):
        st.caption(f"This lesson works with {len(rows)} of the {len(dataset.X):,} points, a fixed choice.")
controls.group_editor(visit)
section = controls.widget(
    "section",
    st.segmented_control,
    "Section of the lesson",
    list(choices.SECTIONS),
    format_func=choices.SECTIONS.__getitem__,
    required=True,
    label_visibility="collapsed",
    width="stretch",
)
history, _ = run.history_of(experiment)
clinic.keep_in_range(visit, history)
controls.end(visit)
if history.stopped == "max_iter" and experiment.max_iter < chosen.max_iter:
    st.caption(f"Of this run the lesson shows the first {experiment.max_iter} iterations: there the climb can be seen.")
captions = bound_captions(history)


# ---- The bound --------------------------------------------------------------------------------------------


def bound() -> None:
    """One cut through the log-likelihood, the bound under it, and the two steps as buttons."""
    st.latex(
        r"\underbrace{\ln p(X \mid \theta)}_{\text{log-likelihood}} = "
        r"\underbrace{Q(\theta) + H(q)}_{\text{bound } \mathcal{L}(q,\, \theta)} + "
        r"\underbrace{\mathrm{KL}(q \,\|\, p)}_{\text{gap, never negative}}"
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cuts = choices.cuts(history.parameters[0].names)
        along = controls.widget(
            "along",
            st.selectbox,
            "Cut along",
            list(cuts),
            format_func=lambda cut: cuts[cut] or "the way of the M-step (all parameters)",
            help="One parameter, with all others as they are now; or the straight line from the parameters before the "
            "M-step to those after it.",
        )
        since = controls.widget(
            "since",
            st.number_input,
            "Picture fits from iteration",
            0,
            history.n_iterations,
            step=1,
            help="The first gains are large. A later iteration shows the small ones.",
        )
        st.button(
            "Fit to now",
            help="The picture fits the iteration on show and what comes after it.",
            on_click=clinic.fit_to_now,
            args=(visit, experiment),
        )
    with st.spinner("Computing the cuts", show_time=True):
        slices = clinic.slices_of(experiment, history, along, since)
    st.markdown(
        "**E-step**: the bound jumps up until it touches the log-likelihood where the parameters stand, with the same "
        "slope. The gap that closes is KL(q || p). **M-step**: the parameters walk to the top of the bound. The "
        "log-likelihood lies above the bound, so it has risen too. "
        + (
            "Along this line all parameters move together; each E-step begins a new line."
            if along == choices.LINE
            else "An M-step moves all parameters, also those that this cut holds: so after it the cut is drawn anew."
        )
    )

    @st.fragment
    def walk() -> None:
        shown = run.follow(
            visit,
            experiment,
            history,
            captions,
            lambda: (bound_figure(history, slices, look=look, since=since),),
            key="bound",
            look=(look, along, since),
        )
        st.html(clinic.ledger_table(history, shown.position))
        if text := clinic.slopes_text(history, shown.position, cuts[along]):
            st.caption(plain(text))

    walk()


# ---- The staircase ----------------------------------------------------------------------------------------


def staircase() -> None:
    """Log-likelihood and bound over half-steps, and each gain in two parts."""
    st.latex(
        r"\begin{gathered} \underbrace{\ln p(X \mid \theta_{t+1}) - \ln p(X \mid \theta_t)}_{\text{gain}} \\ = "
        r"\underbrace{Q(\theta_{t+1}) - Q(\theta_t)}_{\text{M-step}\; \geq\, 0} + "
        r"\underbrace{\mathrm{KL}(q_t \,\|\, p_{t+1})}_{\text{E-step}\; \geq\, 0} \end{gathered}"
    )
    st.markdown("Both parts are never negative: the first because the M-step seeks the largest Q, the second always.")

    @st.fragment
    def walk() -> None:
        shown = run.follow(
            visit,
            experiment,
            history,
            captions,
            lambda: (objective_figure(history, look=look, half_steps=True), parts_figure(history, look=look)),
            key="staircase",
            look=look,
        )
        st.html(clinic.ledger_table(history, shown.position))

    walk()
    with st.expander("All gains as a table", key="gains", on_change="rerun") as opened:
        if opened.open:
            st.html(clinic.parts_table(history))


# ---- Partial steps ----------------------------------------------------------------------------------------


def partial() -> None:
    """A step that is not EM's, beside EM from the same start, and what the monitor says of it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = controls.widget(
            "step", st.selectbox, "Which step is replaced", STEPS, format_func=lambda name: VARIANTS[name].title
        )
        if name == "part":
            controls.widget(
                "percent",
                st.select_slider,
                "Part of the way",
                choices.PERCENTS,
                format_func=lambda percent: f"{percent} %",
            )
        if name == "drawn":
            controls.widget("draw-seed", st.number_input, "Seed of the draws", 0, choices.MAX_SEED, step=1)
    st.markdown(VARIANTS[name].reason)
    with st.spinner("Running EM", show_time=True):
        other = clinic.variant_run(experiment, name, percent=values["percent"], seed=values["draw-seed"])
    beside(other, f"partial {name} {values['percent']} {values['draw-seed']}", "This run")
    checks = clinic.checks_of(other)
    st.markdown(clinic.verdict(other, checks))
    st.html(clinic.monitor_table(checks))


@st.fragment
def beside(other, name: str, title: str, patient=None) -> None:
    """A run of a variant in its picture, and its curve beside that of EM from the same start."""
    shown_run = patient or experiment
    em = clinic.variant_run(shown_run, "full")
    n_positions = race_positions(other, em)
    axes = shown_run.dataset().axes

    def figures() -> tuple[SteppedFigure, ...]:
        return (
            mixture_figure(other, look=look, axes=axes, draggable="never").extended(n_positions),
            race_objective_figure(other, em, look=look, half_steps=False, names=(title, "EM")),
        )

    said = clinic.named(race_captions(other, em, 0, n_positions), title)
    shown = player(
        figures,
        key="variant",
        run_id=f"{shown_run.digest} {name} {visit.opened}",
        look=look,
        captions=said,
        labels=said,
        stops=range(1, n_positions, 2),
        position=controls.place(visit, shown_run, n_positions),
        whole=True,
        url=tuple(choices.PLACE),
    )
    visit.rested = shown_run, shown.position
    position = min(shown.position, other.n_positions - 1)
    st.html(
        f'<div class="em-cards"><div>{outcome.parameters_table(other, position, None)}</div>'
        f"<div>{clinic.shares_table(other, position, clinic.open_rows(em))}</div></div>"
    )
    if patient is None and other.model.name == "part":
        clinic.show_way(other, position, look)


# ---- The bug clinic ---------------------------------------------------------------------------------------


def bug_clinic() -> None:
    """EM with one secret mistake: which is it?"""
    st.markdown(
        "This EM has one mistake that people really make. Step through it: does the number fall, is it right for the "
        "picture, do the curves fit the bars, do the responsibilities sum to 1? The dashed curve is EM without a "
        "mistake, from the same start. The clinic has data of its own; two groups, 210 points."
    )
    number = controls.widget(
        "case", st.number_input, "Case", 0, choices.MAX_SEED, step=1, help="Each number is a mistake and a start."
    )
    patient = clinic.case_of(number)
    faulty = clinic.faulty_run(number)
    beside(faulty, f"case {number}", "The patient", patient)
    clinic.diagnose(number, patient, faulty)


# ---- You are the algorithm --------------------------------------------------------------------------------


def you() -> None:
    """Do a step yourself, and see what it costs."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = controls.widget(
            "asked",
            st.segmented_control,
            "You do",
            ["mean", "shares"],
            format_func={"mean": "M-step: a mean", "shares": "E-step: responsibilities"}.__getitem__,
            required=True,
        )
        turn = controls.widget("turn", st.number_input, "At iteration", 0, history.n_iterations, step=1)
        of = controls.widget("of", st.number_input, "Component", 1, history.model.n_components, step=1)
    if asked == "mean":
        st.latex(r"\mu_k^{\text{new}} = \frac{1}{N_k} \sum_n \gamma_{nk}\, x_n \qquad N_k = \sum_n \gamma_{nk}")
        st.markdown(
            f"The points are coloured by their responsibilities $\\gamma_{{nk}}$. Where will the M-step put mean {of}? "
            "Click there, or type it. You lose what Q loses."
        )
        clinic.place_a_mean(experiment, history, turn, of - 1, look, dataset.axes)
    else:
        st.latex(
            r"\gamma_{nk} = \frac{\pi_k\, \mathcal{N}(x_n \mid \mu_k, \Sigma_k)}"
            r"{\sum_j \pi_j\, \mathcal{N}(x_n \mid \mu_j, \Sigma_j)}"
        )
        clinic.guess_shares(experiment, history, turn, of - 1, look, dataset.axes)


# ---- The page ---------------------------------------------------------------------------------------------

{"bound": bound, "staircase": staircase, "partial": partial, "clinic": bug_clinic, "you": you}[section]()
with st.expander("What the symbols mean"):
    st.markdown(clinic.SYMBOLS)
controls.start_editor(visit)
