"""k-means and EM: side by side from the same means, a temperature that leads from one to the other, annealing."""

import streamlit as st

from emcore import annealing, clusters
from emcore.em import History
from emcore.figures.annealing import temperature_figure
from emcore.figures.objective import objective_figure
from emcore.figures.race import race_objective_figure
from emcore.figures.regions import lower, regions_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.starts import STARTS
from pages.parts import compared, controls, outcome
from pages.parts import settings as choices
from pages.parts.text import plain

SECTIONS = {"beside": "Side by side", "annealing": "Annealing"}
EXAMPLES = {
    "beside": ("mouse", "unequal-weights", "crossing-ellipses", "two-squares"),
    "annealing": ("four-groups", "three-peaks", "three-groups", "twenty-forty-three"),
}
TEMPERATURES = ("10", "5", "3", "2", "1.5", "1", "0.7", "0.5", "0.3", "0.2", "0.1", "0.05", "0")
HOTTEST = ("1.5", "2", "3", "5", "10", "20")
COOLING = (5, 10, 20, 40, 80)
N_STARTS = 20
LOWER = 230  # height of a curve below its picture, in CSS pixels

visit = controls.begin(
    "k-means",
    choices.Offer(
        preset="mouse",
        own={
            "section": choices.one_of(SECTIONS),
            "temperature": choices.one_of(dict.fromkeys(TEMPERATURES)),
            "means-alone": choices.flag(),
            "circles": choices.flag(),
            "hottest": choices.one_of(dict.fromkeys(HOTTEST)),
            "cooling": choices.one_of_numbers(*COOLING),
            "everything": choices.flag(),
        },
        usual={
            "section": "beside",
            "temperature": "1",
            "means-alone": False,
            "circles": True,
            "hottest": "5",
            "cooling": 20,
            "everything": False,
        },
        idle=lambda values: frozenset(
            {"temperature", "means-alone", "circles"}
            if values["section"] == "annealing"
            else {"hottest", "cooling", "everything"}
        ),
    ),
)
experiment = compared.shortened(controls.sidebar(visit))
values, dataset = visit.values, experiment.dataset()
look = Look(projector=values["projector"])
truth = dataset.truth if values["truth"] else None
drawn = {"look": look, "axes": dataset.axes, "truth": truth, "contours": values["contours"]}

st.html(outcome.CSS + compared.CSS + (outcome.PROJECTOR if values["projector"] else ""))
st.title("k-means and EM")
with st.container(key="intro"):
    st.markdown(
        "k-means gives every point to the nearest mean; EM shares it out. Both then move the means, and begin again. "
        + plain(dataset.caption)
    )
controls.group_editor(visit)
section = controls.section("section", SECTIONS)
compared.examples(visit, EXAMPLES[section])


# ---- Side by side, and a temperature between them ------------------------------------------------------------


def beside() -> None:
    """k-means and a mixture at some temperature, from the same means."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        temperature = float(
            controls.widget(
                "temperature",
                st.select_slider,
                "Temperature T of the mixture's E-step",
                TEMPERATURES,
                help="Responsibilities are proportional to the probability to the power 1/T: above 1 softer than EM, "
                "below 1 harder, at 0 all or nothing.",
            )
        )
        alone = controls.widget(
            "means-alone",
            st.toggle,
            "Only the means learn",
            help="All weights stay equal, and every component keeps one and the same circle, whose size is that of "
            "k-means' own clusters at its end.",
        )
        circles = controls.widget(
            "circles",
            st.toggle,
            "Show what k-means assumes",
            help="Circles of one size and equal weights: the mixture that k-means is a limit of.",
        )
    controls.end(visit)
    with st.spinner("Running k-means and EM", show_time=True):
        k_means = clusters.k_means_run(experiment)
        mixture = clusters.tempered_run(experiment, temperature, means_alone=alone)
    what = f"{clusters.what_it_is(temperature, alone)} {clusters.merged(mixture)}"
    if alone and not temperature:
        same, said = clusters.proof(k_means, mixture)
        (st.success if same else st.info)(f"{what} {said}", icon=":material/equal:" if same else None)
    else:
        st.markdown(what)
    side_by_side(k_means, mixture, temperature, alone, circles)
    compared.say_collapse(mixture, "The mixture")
    predict()
    formulas()


@st.fragment
def side_by_side(k_means: History, mixture: History, temperature: float, alone: bool, circles: bool) -> None:
    """Two pictures, below each its own objective on its own axis, and what they say of the points."""
    name = clusters.name_of(temperature, alone)
    n_positions = max(k_means.n_positions, mixture.n_positions)
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing both runs", show_time=True):
            assumed = drawn | {"contours": values["contours"] and circles, "outlines": circles}
            parts = (
                regions_figure(clusters.as_mixture(k_means), title="k-means", temperatures=0.0, **assumed),
                regions_figure(mixture, title=name, temperatures=temperature, **drawn),
                lower(objective_figure(k_means, look=look), LOWER),
                lower(objective_figure(mixture, look=look), LOWER),
            )
            return tuple(part.extended(n_positions) for part in parts)

    said = clusters.captions(k_means, mixture, name)
    position = compared.follow(
        visit,
        experiment,
        max(k_means, mixture, key=lambda history: history.n_positions),
        figures,
        said,
        key="beside",
        look=(look, circles, values["truth"], values["contours"]),
        runs=f"{temperature:g} {alone}",
    )
    if compared.has_guessed("k-means", experiment):
        compared.points_table(k_means, mixture, name, position // 2, dataset)


def predict() -> None:
    """On how many points the two end up in disagreement, before any number says so."""
    k_means, em = clusters.k_means_run(experiment), clusters.tempered_run(experiment, 1.0)
    guess = compared.ask(
        "k-means",
        experiment,
        "At the end, for how many points will k-means and EM (T = 1) name different components?",
        clusters.SHARES,
    )
    if guess is not None:
        right, said = clusters.final_disagreement(k_means, em)
        compared.reveal(guess, right, clusters.SHARES, said)


def formulas() -> None:
    """What k-means assumes, and how the two are one at temperature 0."""
    with st.expander("What does k-means assume?", expanded=True):
        st.markdown(
            """
k-means is EM for a mixture in which four things are taken for granted. Look at its circles and at its borders:

1. **Equal weights.** A border lies half-way between two means, however many points are on either side.
2. **Round groups.** Distance counts the same in every direction, so every border is a straight line.
3. **Groups of one size.** All circles are equal: a wide group loses its rim to a narrow neighbour.
4. **No doubt.** Each point counts whole for one mean, also where two are equally near: there is no strip of doubt.

Where these hold, as in two round groups, it finds what EM finds, sooner. Where they do not, its distortion can be as
low as can be and the groups still wrong.
"""
        )
    with st.expander("From EM to k-means in formulas"):
        st.latex(r"p_{nk} = \pi_k\, \mathcal{N}(x_n \mid \mu_k, \Sigma_k)")
        st.latex(r"\gamma_{nk} \;\propto\; p_{nk}^{1/T}, \qquad \textstyle\sum_k \gamma_{nk} = 1")
        st.markdown(r"With $\pi_k = 1/K$ and $\Sigma_k = \sigma^2 I$ for all components only the distance is left:")
        st.latex(r"\gamma_{nk} \;\propto\; \exp\Bigl(-\frac{\lVert x_n - \mu_k \rVert^2}{2 \sigma^2 T}\Bigr)")
        st.markdown(
            r"As $T \to 0$ the nearest mean takes everything, $\gamma_{nk} \to 1$ for it and $0$ for the others; the "
            r"M-step is then the plain mean of its points. That is k-means (Bishop 2006, section 9.3.2). Only the "
            r"product $\sigma^2 T$ matters: a falling temperature is a shrinking circle."
        )
        st.latex(r"F_T(q, \theta) = \mathbb{E}_q[\ln p(X, Z \mid \theta)] + T\, H(q)")
        st.latex(r"\max_q F_T = T \sum_n \ln \sum_k p_{nk}^{1/T}")
        st.markdown(
            r"$F_T$, minus the free energy, is what the steps at temperature $T$ never let fall (Ueda & Nakano 1998). "
            r"At $T = 1$ it is the log-likelihood; at $T = 0$ the classification log-likelihood "
            r"$\sum_n \ln \max_k p_{nk}$ (Celeux & Govaert 1992). With equal "
            r"weights and circles that is a constant minus $J / 2\sigma^2$, where "
            r"$J = \sum_n \min_k \lVert x_n - \mu_k \rVert^2$ is the distortion. Values at different temperatures are "
            r"different quantities: do not compare them."
        )


# ---- Annealing -----------------------------------------------------------------------------------------------


def anneal() -> None:
    """From hot to temperature 1, beside plain EM from the same means."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        hottest = controls.widget("hottest", st.select_slider, "Begin at temperature", HOTTEST)
        cooling = controls.widget(
            "cooling",
            st.select_slider,
            "Iterations until T = 1",
            COOLING,
            help="The temperature falls by the same factor in each of them; from there on it is EM.",
        )
        everything = controls.widget(
            "everything",
            st.toggle,
            "Everything learns while it is hot",
            help="Otherwise only the means do, with equal weights and one circle for all, until T = 1 is reached.",
        )
    controls.end(visit)
    schedule = annealing.Schedule(float(hottest), cooling, not everything)
    with st.spinner("Annealing", show_time=True):
        annealed = annealing.beside(experiment, schedule)
        em = experiment.history()
    hot_and_plain(annealed, em, schedule)
    st.markdown(f"**{annealing.verdict(annealed, em)}**")
    several(schedule)
    st.markdown(
        "**What it promises: nothing.** While it is hot every component takes part of every point, and there are few "
        "maxima to get stuck in; as it cools the components part, the larger differences first. The maximum that is "
        "followed need not be the highest one at T = 1, and a schedule that is too hot forgets the start altogether. "
        "Beginning from several places remains the plain alternative."
    )
    with st.expander("What happens in it"):
        st.markdown(
            "Both runs begin at the same means; where weights and circles are held, these are not plain EM's. Each "
            "iteration takes an E-step at its own temperature, then an M-step. The curves show the ordinary "
            "log-likelihood of the parameters, so that both runs can be compared. That is not what a hot step "
            "maximises, and so the annealed curve may fall. With everything free, components that are alike shrink "
            "onto each other while it is hot: at T = 1 they are equal, which is a saddle, and EM has nothing to part "
            "them by. With weights and circles held, they part when the temperature falls below the largest variance "
            "of the data over that of the circle (Rose 1998; Ueda & Nakano 1998)."
        )


@st.fragment
def hot_and_plain(annealed: History, em: History, schedule: annealing.Schedule) -> None:
    """Both pictures, the log-likelihoods on one axis, and the schedule."""
    n_positions = max(annealed.n_positions, em.n_positions)
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing both runs", show_time=True):
            degrees = annealing.temperatures(annealed).tolist()
            race = race_objective_figure(annealed, em, look=look, names=("Annealed", "EM"))
            return (
                regions_figure(annealed, title="Annealed", temperatures=degrees, **drawn).extended(n_positions),
                regions_figure(em, title="EM", **drawn).extended(n_positions),
                lower(race, LOWER),
                lower(temperature_figure(annealed, n_positions, look=look), LOWER),
            )

    compared.follow(
        visit,
        experiment,
        max(annealed, em, key=lambda history: history.n_positions),
        figures,
        annealing.captions(annealed, em),
        key="annealing",
        look=(look, values["truth"], values["contours"]),
        runs=repr(schedule),
    )
    compared.say_collapse(annealed, "The annealed run")
    compared.say_collapse(em, "Plain EM")


def several(schedule: annealing.Schedule) -> None:
    """The same from many starts: what a single pair of runs cannot say."""
    random = STARTS[experiment.start].random
    with st.container(horizontal=True):
        controls.reseed(visit)
        st.button(
            f"Try {N_STARTS} starts of each",
            key="try starts",
            on_click=compared.agree,
            args=(experiment, schedule),
            disabled=not random,
            width="stretch",
            help="Start seeds from 0 up." if random else "Nothing in this start is random: all runs would be the same.",
        )
    if random and compared.agreed(experiment, schedule):
        with st.spinner(f"Running {2 * N_STARTS} starts", show_time=True):
            st.markdown(annealing.trial(experiment, schedule, N_STARTS))


{"beside": beside, "annealing": anneal}[section]()
controls.start_editor(visit)
