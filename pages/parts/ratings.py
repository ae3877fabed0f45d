"""The parts of the lesson on ratings: its settings, its question, its tables and its formulas."""

from __future__ import annotations

import streamlit as st

from emcore import ratings
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures.ratings import cells
from emcore.ratings import MEANS, Errors, Filling, TableScene, Told
from emcore.report import number
from emcore.sources.ratings import BEST, DISHES, EXAMPLES, FEWEST, PEOPLE, WORST, Ratings, RatingsData
from pages.parts import controls, outcome, story
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.player import PlayerReport
from pages.parts.settings import Values
from pages.parts.story import Node

TITLES = {name: example.title for name, example in EXAMPLES.items()}
NOTHING = "none"
DISH_TITLES = {NOTHING: "Nothing", **{dish.lower().replace(" ", "-"): dish for dish in DISHES}}
DISH_NAMES = tuple(DISH_TITLES)[1:]
TURNS = (1, 2, 3)


def _set_up(values: Values) -> Values:
    example = EXAMPLES[values["table"]]
    return {"people": example.n_people, "data-seed": example.seed, "max-iter": example.max_iter}


def _misfits(values: Values) -> dict[str, str]:
    """A dish that was rated before, and a person who is not there."""
    refused = {}
    rated = [values[f"dish-{turn}"] for turn in TURNS]
    for turn, dish in zip(TURNS, rated, strict=True):
        if dish != NOTHING and dish in rated[: turn - 1]:
            refused[f"dish-{turn}"] = f"dish-{turn}: {DISH_TITLES[dish]} must not be rated twice."
    if values["person"] > values["people"]:
        refused["person"] = f"person: it must be at most {values['people']}, the number of people."
    return refused


OFFER = choices.ModelOffer(
    own={
        "table": choices.one_of(TITLES),
        "people": choices.whole(FEWEST, len(PEOPLE)),
        "missing": choices.whole(10, 60),
        "hidden": choices.whole(5, 40),
        "data-seed": choices.whole(0, choices.MAX_SEED),
        "begin": choices.one_of(ratings.BEGINNINGS),
        "person": choices.whole(1, len(PEOPLE)),
        **{f"dish-{turn}": choices.one_of(DISH_TITLES) for turn in TURNS},
        **{f"stars-{turn}": choices.whole(WORST, BEST) for turn in TURNS},
    },
    usual={
        "table": "chance",
        "missing": 35,
        "hidden": 15,
        "begin": "independent",
        "person": 1,
        "dish-1": "hot-curry",
        "stars-1": 5,
        "dish-2": "ice-cream",
        "stars-2": 1,
        "dish-3": "green-salad",
        "stars-3": 4,
    },
    setup=_set_up,
    idle=lambda values: frozenset(
        ({"start-seed"} if values["begin"] == "independent" else set())
        | {f"stars-{turn}" for turn in TURNS if values[f"dish-{turn}"] == NOTHING}
    ),
    misfits=_misfits,
)
PICTURE = story.picture(
    [
        [
            Node("μ, Σ", "mean and covariance", "parameter"),
            "→",
            Node("xₘ", "not rated", "hidden"),
            "–",
            Node("xₒ", "rated", "observed"),
        ]
    ],
    "A person's opinions of all dishes are drawn together from a normal distribution with mean mu and covariance "
    "Sigma; those rated are observed, the others are hidden.",
    (3, 5, "every person"),
)


# ---- Choices ----------------------------------------------------------------------------------------------


def data_choices() -> Ratings:
    """The table that is filled."""
    name = controls.example("table", TITLES, "Choosing one also sets people, seed and run up for it.")
    people = controls.widget("people", st.slider, "People", FEWEST, len(PEOPLE))
    missing = controls.widget(
        "missing", st.slider, "Never rated (%)", 10, 60, step=5, help="Every dish keeps three ratings all the same."
    )
    hidden = controls.widget(
        "hidden",
        st.slider,
        "Hidden on purpose (%)",
        5,
        40,
        step=5,
        help="Of the ratings given. The fit does not see them; they show how well it predicts.",
    )
    controls.data_seed(True)
    return Ratings(EXAMPLES[name].mechanism, people, missing, hidden, controls.session().values["data-seed"])


def begin_choice() -> None:
    """Where the covariance begins."""
    controls.widget(
        "begin",
        st.selectbox,
        "EM begins",
        list(ratings.BEGINNINGS),
        format_func=ratings.BEGINNINGS.__getitem__,
        help="Means and variances begin as those of the ratings that were seen.",
    )


def chosen_person(n_people: int) -> int:
    """The row of the chosen person; the last one if there are fewer people now."""
    values = controls.session().values
    if values["person"] > n_people:
        controls.put(person=n_people)
    return int(values["person"]) - 1


def choose_person(visit: Session, people: tuple[str, ...]) -> None:
    """The chosen person by name; a click in the picture chooses one, too."""
    before = visit.values["person"]
    chosen = controls.widget(
        "person",
        st.selectbox,
        "Person",
        range(1, len(people) + 1),
        format_func=lambda number: people[number - 1],
        help="A click on a cell of the picture chooses its person, too.",
        width=220,
    )
    if chosen != before:
        st.rerun()  # the picture and the link follow


def follow_click(visit: Session, shown: PlayerReport, drawn: TableScene) -> None:
    """A click on a cell chooses its person."""
    if shown.click and shown.click.figure == 0:
        row = cells(drawn, shown.click.trace)[shown.click.point, 0]
        visit.pending = {"person": int(drawn.rows[row]) + 1}
        st.rerun()


# ---- A question -------------------------------------------------------------------------------------------


def question(experiment: Experiment, data: RatingsData, table: Filling, found: Errors, example: str) -> None:
    """What to predict, and what the run says; nothing of a run that collapses at once."""
    if not experiment.history().n_iterations:
        return
    if example == "liking":
        story.predict(
            f"never {experiment.digest}",
            "Dishes that somebody would not like are seldom rated. Compare the average of what EM fills in for ratings "
            "never given with the average of what they would have been.",
            ("Too high", "About right", "Too low"),
            lambda: _never(data, table, found),
        )
        return
    story.predict(
        f"hidden {experiment.digest}",
        "Every iteration raises the log-likelihood. What becomes of the error of the ratings hidden on purpose?",
        ("It falls to the end", "It falls, then rises", "It rises from the start"),
        lambda: _course(experiment.history(), data, found),
    )


def _never(data: RatingsData, table: Filling, found: Errors) -> tuple[int, str]:
    filled, true = ratings.mean_of_never(table, data, len(table.filled) - 1)
    right = 1 if abs(filled - true) < 0.1 else 0 if filled > true else 2
    return right, (
        f"EM fills in {number(filled)} on average; they would have been {number(true)}. The ratings that are there are "
        "too good a sample, and the hidden ones are a part of them: they are missed by "
        f"{number(float(found.hidden[-1]))} and hide that the others are missed by {number(float(found.never[-1]))}. "
        "Only because this table is made up can anybody know."
    )


def _course(history: History, data: RatingsData, found: Errors) -> tuple[int, str]:
    answer = ratings.course(found)
    ended = " Then the covariance collapses." if history.stopped == "degenerate" else ""
    pairs = ratings.fewest_pairs(data.X)
    both = {0: "nobody", 1: "one person alone"}.get(pairs, f"only {pairs} people")
    why = (
        f" A normal distribution of {len(data.dishes)} dishes has {ratings.n_parameters(len(data.dishes))} parameters, "
        f"and there are two dishes that {both} rated both of. The correlations that many people share come first; "
        "later iterations fit the accidents of a few."
    )
    return answer.course, (
        f"It is {number(answer.first, 3)} at the start, {number(answer.best, 3)} at iteration {answer.best_iteration} "
        f"and {number(answer.last, 3)} at the end.{ended}{why if answer.course else ''}"
    )


# ---- Words and tables -------------------------------------------------------------------------------------


def below(visit: Session, position: int, data: RatingsData, table: Filling, found: Errors, person: int) -> None:
    """One person's row, and the errors, as the E-step on show has them."""
    shown = min(ratings.MOST_SHOWN, len(data.people))
    more = shown < len(data.people)
    st.caption(
        "Squares are ratings; circles are filled in, the larger the surer (a dot: sd 1.2 or more); rings are hidden "
        "on purpose. Blue is 1, grey 3, vermilion 5. A dish's number counts from the left."
        + (f" The picture shows {shown} of {len(data.people)} people, the tables below count all." if more else "")
    )
    choose_person(visit, data.people)
    iteration = max(position - 1, 0) // 2
    if position == 0:
        st.html(
            '<div class="em-below"><p>At the start no cell is filled yet. The first E-step fills every cell with its '
            "mean given the person's own ratings.</p></div>"
        )
        return
    st.html(
        f'<div class="em-below"><div>{_person(data, table, iteration, person)}</div>'
        f"<div>{_errors(data, table, found, iteration)}</div></div>"
    )


def _person(data: RatingsData, table: Filling, iteration: int, person: int) -> str:
    rows = []
    for j, dish in enumerate(data.dishes):
        true = f"{data.whole[person, j]:.0f}"
        if data.hidden[person, j]:
            said, known = "", f"{true}, hidden"
        elif data.never[person, j]:
            said, known = "", f"{true}, never given"
        else:
            rows.append((dish, f"<b>{true}</b>", "", ""))
            continue
        expected, sd = float(table.filled[iteration, person, j]), float(table.sds[iteration, person, j])
        rows.append((dish, said, f"{number(expected)} ± {number(sd)}", known))
    caption = f"{data.people[person]} after E-step {iteration}"
    return outcome.table(caption, ["Dish", "Rated", "Filled in ± sd", "Would be"], rows)


def _errors(data: RatingsData, table: Filling, found: Errors, iteration: int) -> str:
    rows = [
        (
            f"EM after E-step {iteration}",
            number(float(found.hidden[iteration]), 3),
            number(float(found.never[iteration]), 3),
        )
    ]
    rows += [
        (name, number(hidden, 3), number(never, 3))
        for name, hidden, never in zip(MEANS, found.means_hidden.tolist(), found.means_never.tolist(), strict=True)
    ]
    inside = ratings.covered(table, data, iteration)
    rows.append(("EM: within 2 sd", *(f"{number(100 * part, 0)}%" for part in inside)))
    caption = "Error of what is filled in (RMSE, stars)"
    header = ["", f"{data.hidden.sum()} hidden", f"{data.never.sum()} never given"]
    return outcome.table(caption, header, rows) + (
        "<p>Only the first column can be had of a table that is not made up. Predictions beyond 1 and 5 count as they "
        "are; the picture shows them as 1 and 5. If the sds were right, about 95% would be within 2 sd: they take the "
        "parameters as known, and are too small where few people were seen.</p>"
    )


# ---- Somebody new -----------------------------------------------------------------------------------------


def newcomer(visit: Session, history: History, position: int, data: RatingsData) -> None:
    """What up to three ratings of somebody new tell of the other dishes, by the parameters on show."""
    names = [f"{kind}-{turn}" for turn in TURNS for kind in ("dish", "stars")]
    before = {name: visit.values[name] for name in names}
    st.subheader("Somebody new")
    st.markdown("Rate up to three dishes, and the parameters on show predict the others.")
    for turn, column in zip(TURNS, st.columns(3), strict=True):
        with column:
            dish = controls.widget(
                f"dish-{turn}", st.selectbox, f"Dish {turn}", list(DISH_TITLES), format_func=DISH_TITLES.__getitem__
            )
            controls.widget(f"stars-{turn}", st.slider, f"Rating {turn}", WORST, BEST, disabled=dish == NOTHING)
    if any(visit.values[name] != before[name] for name in names):
        st.rerun()  # the link says what was chosen
    given: dict[int, float] = {}
    for turn in TURNS:
        name = visit.values[f"dish-{turn}"]
        if name == NOTHING:
            continue
        if DISH_NAMES.index(name) in given:
            st.info(f"{DISH_TITLES[name]} is rated twice: the first rating counts.")
            continue
        given[DISH_NAMES.index(name)] = float(visit.values[f"stars-{turn}"])
    iteration = position // 2
    found = ratings.told(history, iteration, given)
    st.html(f'<div class="em-below"><div>{_predictions(found, iteration, data)}</div></div>')
    if given:
        st.markdown(_worked(found, data))


def _predictions(found: Told, iteration: int, data: RatingsData) -> str:
    rows = [
        (
            data.dishes[found.missing[m]],
            f"{number(float(found.means[m]))} ± {number(float(found.sds[m]))}",
            f"{number(float(found.expected[m]))} ± {number(float(found.left[m]))}",
            f"{number(100 * (1 - float(found.left[m] / found.sds[m]) ** 2), 0)}%",
        )
        for m in ratings.likeliest(found).tolist()
    ]
    caption = f"The other dishes, best first, at iteration {iteration}: mean ± sd"
    return outcome.table(caption, ["Dish", "Anybody", "This person", "Explained"], rows) + (
        "<p>Explained: the part of the variance that these ratings take away.</p>"
    )


def _worked(found: Told, data: RatingsData) -> str:
    """The mean and the sd of the dish of which most was told, with their numbers."""
    m = found.most_told
    terms = " ".join(
        f"{'−' if weight < 0 else '+'} {number(abs(weight), 3)} × ({number(rating, 0)} − {number(rating - offset)})"
        for weight, rating, offset in zip(
            found.regression[m].tolist(), found.ratings.tolist(), found.offsets.tolist(), strict=True
        )
    )
    dish = data.dishes[found.missing[m]]
    return (
        f"**{dish}**, of which these ratings tell most: {number(float(found.means[m]))} {terms} = "
        f"{number(float(found.expected[m]))}. Each difference is a rating minus the mean of its dish. The sd falls "
        f"from {number(float(found.sds[m]))} to {number(float(found.left[m]))}, whatever the ratings are: it depends "
        "only on which dishes were rated."
    )


def limits(data: RatingsData) -> None:
    """What to know before this is used."""
    with st.expander("What it cannot do"):
        st.markdown(
            "- **Missing at random is assumed.** Whether a rating is missing may depend on ratings that were seen, not "
            "on the missing one. People rate what they expect to like, so the dishes that they would not like are "
            "missing, and ratings never given are predicted too high. Hidden ratings cannot show it: they were given. "
            "Choose *People rate what they like* to see it.\n"
            "- **Ratings are not normal.** They are whole numbers from 1 to 5; a normal distribution goes beyond, and "
            "its sd is the same whatever the ratings are.\n"
            f"- **A covariance needs many people.** {len(data.dishes)} dishes take "
            f"{ratings.n_parameters(len(data.dishes))} parameters, and their number grows with the square of that of "
            "dishes. With few people the error of hidden ratings soon rises, and the covariance may lose a dimension: "
            "the run then ends in a collapse and says so. Nothing is added to the covariance to prevent it. Remedies "
            "are to stop at the iteration that predicts hidden ratings best, a prior, or a model with fewer "
            "parameters: a few factors behind all dishes."
        )


def formulas() -> None:
    """The model and both steps in its own symbols."""
    with st.expander("Formulas", expanded=True):
        st.markdown(
            "A person's opinions are $\\mathbf{x}_n \\sim \\mathcal{N}(\\boldsymbol\\mu, \\boldsymbol\\Sigma)$; $o$ "
            "are the dishes that the person rated, $m$ the others."
        )
        left, right = st.columns(2)
        left.markdown("**E-step**: each empty cell's mean, and what stays open.")
        left.latex(
            r"\begin{gathered} \mathbf{B} = \boldsymbol\Sigma_{mo} \boldsymbol\Sigma_{oo}^{-1} \\"
            r"\hat{\mathbf{x}}_m = \boldsymbol\mu_m + \mathbf{B} (\mathbf{x}_o - \boldsymbol\mu_o) \\"
            r"\mathbf{C}_n = \boldsymbol\Sigma_{mm} - \mathbf{B} \boldsymbol\Sigma_{om} \end{gathered}"
        )
        right.markdown("**M-step**: mean and covariance of the filled table, with what stays open.")
        right.latex(
            r"\begin{gathered} \boldsymbol\mu = \frac{1}{N} \sum_n \hat{\mathbf{x}}_n \\"
            r"\boldsymbol\Sigma = \frac{1}{N} \sum_n \left[ (\hat{\mathbf{x}}_n - \boldsymbol\mu)"
            r"(\hat{\mathbf{x}}_n - \boldsymbol\mu)^\top + \mathbf{C}_n \right] \end{gathered}"
        )
        st.markdown(
            "The sd of a filled cell is the root of its diagonal entry of $\\mathbf{C}_n$, which is 0 in rows and "
            "columns of rated dishes. $N$ counts the people who rated something. The error is "
            "$\\sqrt{\\frac{1}{|H|} \\sum_{(n,j) \\in H} (\\hat{x}_{nj} - x_{nj})^2}$ over the cells $H$ that the fit "
            "did not see."
        )
