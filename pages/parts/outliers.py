"""The parts of the lesson on outliers: its settings, its player, its words, tables and formulas."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import streamlit as st

from emcore import report, tails
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures.outliers import outliers_figure
from emcore.figures.race import race_objective_figure, race_positions
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.models import StudentT
from emcore.report import number
from emcore.scene import axis_range
from emcore.sources.outliers import EXAMPLES, OutlierData, OutlierExample, OwnPoints, check_points
from emcore.starts import OWN
from pages.parts import controls, outcome, run, story
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.player import PlayerReport, player
from pages.parts.settings import Rows, Values
from pages.parts.story import Node

TITLES = {**{name: example.title for name, example in EXAMPLES.items()}, "own": "My own points"}
DEGREES = (1, 2, 3, 4, 5, 7, 10, 15, 30, 100)
BEGINNINGS = {"gaussian": "The Gaussian fit", "point": "A random point"}
FOLLOWED = {"em": "EM", "px": "PX-EM"}
REACH = 100.0  # how far the point can be moved
SHOWN = 8  # points in the table


def _set_up(values: Values) -> Values:
    example = EXAMPLES.get(values["sample"])
    return {"nu": example.degrees_of_freedom} if example else {}


OFFER = choices.ModelOffer(
    own={
        "sample": choices.one_of(TITLES),
        "own-points": choices.number_rows(check_points),
        "data-seed": choices.whole(0, choices.MAX_SEED),
        "far-x": choices.decimal(-REACH, REACH),
        "far-y": choices.decimal(-REACH, REACH),
        "nu": choices.one_of_numbers(*DEGREES),
        "begin": choices.one_of(BEGINNINGS),
        "follow": choices.one_of(FOLLOWED),
    },
    usual={
        "sample": "one",
        "own-points": ((2.1,), (1.7,), (2.4,), (1.9,), (2.2,), (1.8,), (9.5,)),
        "data-seed": 0,
        "far-x": 8.0,
        "far-y": -6.0,
        "nu": 3,
        "begin": "gaussian",
        "follow": "em",
        "max-iter": 200,
        "tol": 1e-8,
    },
    setup=_set_up,
    idle=lambda values: frozenset(
        ({"own-points"} if values["sample"] != "own" else set())
        | ({"data-seed"} if values["sample"] == "own" or not EXAMPLES[values["sample"]].random else set())
        | ({"far-x", "far-y"} if values["sample"] != "one" else set())
        | ({"start-seed"} if values["begin"] == "gaussian" else set())
    ),
)
PICTURE = story.picture(
    [
        [
            Node("ν", "given", "parameter"),
            "→",
            Node("u", "weight", "hidden"),
            "→",
            Node("x", "place", "observed"),
            "←",
            Node("μ, Σ", "centre and scale", "parameter"),
        ]
    ],
    "A point's weight u is drawn from a Gamma distribution with parameter nu and is hidden; its place x is drawn from "
    "a Gaussian with mean mu and covariance Sigma divided by u.",
    (3, 5, "every point"),
)


# ---- Data -------------------------------------------------------------------------------------------------


def far_point() -> None:
    """Where the point lies that can also be dragged."""
    left, right = st.columns(2)
    for column, name, axis in ((left, "far-x", "x"), (right, "far-y", "y")):
        with column:
            controls.widget(
                name,
                st.number_input,
                f"Far point, {axis}",
                -REACH,
                REACH,
                step=1.0,
                format="%.3f",
                help="Or drag the diamond in the picture.",
            )


def editor(visit: Session) -> None:
    """The table of the visitor's own points: an empty second column means one dimension."""

    def read(rows: Rows) -> Rows:
        flat = all(isnan(row[1]) for row in rows)
        return tuple(row[: 1 if flat else 2] for row in rows)

    controls.own_rows(
        visit,
        "own-points",
        "My own points",
        ("x", "y"),
        check_points,
        about="One number a row, or two; at most 200 rows. For one dimension leave the second column empty.",
        read=read,
    )


def experiments(values: Values) -> tuple[Experiment, Experiment]:
    """The run of EM and that of PX-EM, from the same start."""
    source: OutlierExample | OwnPoints
    if values["sample"] == "own":
        source = OwnPoints(values["own-points"])
    else:
        random = EXAMPLES[values["sample"]].random
        far = (values["far-x"], values["far-y"]) if values["sample"] == "one" else None
        source = OutlierExample(values["sample"], values["data-seed"] if random else 0, far)
    plain_run, expanded = (_experiment(source, StudentT(values["nu"], fast), values) for fast in (False, True))
    return plain_run, expanded


def _experiment(source: OutlierExample | OwnPoints, model: StudentT, values: Values) -> Experiment:
    experiment = Experiment(source=source, model=model, start=OWN, max_iter=values["max-iter"], tol=values["tol"])
    if values["begin"] == "point":
        return replace(experiment, start_seed=values["start-seed"])
    start = tails.gaussian_start(model, experiment.dataset().X)
    return experiment if start is None else replace(experiment, start="by-hand", by_hand=start)


# ---- The two runs -----------------------------------------------------------------------------------------


@st.fragment
def play(visit: Session, pair: tuple[Experiment, Experiment]) -> None:
    """The points of one run, the objectives of both, and what follows the position. A step reruns this alone."""
    values = visit.values
    look = Look(projector=values["projector"])
    chosen = list(FOLLOWED).index(values["follow"])
    histories = pair[0].history(), pair[1].history()
    experiment, history, other = pair[chosen], histories[chosen], histories[1 - chosen]
    dataset: OutlierData = experiment.dataset()
    n_positions = race_positions(history, other)
    slot = st.empty()

    def figures() -> tuple[SteppedFigure, ...]:
        with slot, st.spinner("Drawing the run", show_time=True):
            flat = len(dataset.axes) == 1
            return (
                outliers_figure(
                    history,
                    tails.every_weight(history),
                    dataset.axes,
                    gaussian=tails.gaussian(history),
                    curves=tails.curves(history, axis_range(dataset.X[:, 0])) if flat else None,
                    movable=values["sample"] == "one",
                    look=look,
                ).extended(n_positions),
                race_objective_figure(*histories, look=look, half_steps=visit.half_steps, names=("EM", "PX-EM")),
            )

    said = tails.race_captions(history, other, tuple(FOLLOWED.values())[1 - chosen], n_positions)
    names = report.step_names(history)
    shown = player(
        figures,
        key="player",
        run_id=f"{experiment.digest} {visit.opened}",
        look=(look, visit.half_steps),
        captions=said.half_steps,
        stop_captions=said.iterations,
        labels=said.labels,
        stops=range(1, n_positions, 2),
        step_names=(*names, *[""] * (n_positions - len(names))),
        widths=(3, 2),
        position=controls.place(visit, experiment, n_positions),
        whole=not visit.half_steps,
        url=tuple(choices.PLACE),
    )
    run.rests(visit, experiment, shown)
    _follow_hand(visit, experiment, history, shown)
    position = min(shown.position, history.n_positions - 1)
    row = visit.point[1] if visit.point and visit.point[0] == experiment.source else None
    below(history, position, dataset, row)
    st.html(f'<div class="em-below"><div>{race(*histories)}</div><div>{outcome.ending(history, None)}</div></div>')


def _follow_hand(visit: Session, experiment: Experiment, history: History, shown: PlayerReport) -> None:
    """A point was dragged or clicked in the picture."""
    if shown.drag:
        to = {"far-x": shown.drag.x, "far-y": shown.drag.y}
        visit.pending = {name: round(min(max(place, -REACH), REACH), 3) for name, place in to.items()}
        st.rerun()
    if shown.click:
        n_samples, movable = history.n_samples, visit.values["sample"] == "one"
        row = n_samples - 1 if movable and shown.click.trace > 0 else shown.click.point
        visit.point = experiment.source, row


def question(pair: tuple[Experiment, Experiment]) -> None:
    """What to predict of a far point, and what the runs say."""
    experiment = pair[0]
    source = experiment.source
    if isinstance(source, OutlierExample) and source.far is not None:
        story.predict(
            f"ten times {experiment.digest}",
            "Take the far point ten times as far away. What becomes of its pull on the mean of Student's t, "
            "compared with now?",
            ("About ten times as strong", "About as strong", "Weaker"),
            lambda: _ten_times(experiment, source),
        )
        return
    story.predict(
        f"least {experiment.digest}",
        "How much will the point that counts least count in the end, compared with one in the middle?",
        ("Less than a tenth", "A tenth to a half", "More than half"),
        lambda: _least(experiment.history()),
    )


def _ten_times(experiment: Experiment, source: OutlierExample) -> tuple[int, str]:
    assert source.far is not None
    x, y = source.far
    cloud = OwnPoints(tuple(tuple(row) for row in experiment.dataset().X[:-1].tolist()))
    farther = replace(source, far=(10 * x, 10 * y))
    values = {"max-iter": 1000, "tol": 1e-12, "begin": "gaussian"}
    now, then, without = (
        _experiment(each, StudentT(experiment.model.degrees_of_freedom, True), values).history()
        for each in (source, farther, cloud)
    )
    before, after = tails.pull(now, without), tails.pull(then, without)
    right = 0 if after > 3 * before else 1 if after > 0.8 * before else 2
    return right, (
        f"It moves that mean by {number(before, 4)} now and by {number(after, 4)} from ten times as far. Its weight "
        "falls with the square of the distance, as soon as that is large beside ν. The mean of the Gaussian is moved "
        f"by {number(tails.gaussian_pull(now), 3)} now and by {number(tails.gaussian_pull(then), 3)} then."
    )


def _least(history: History) -> tuple[int, str]:
    part = float(tails.every_weight(history)[-1].min())
    found = tails.counted(history, history.n_positions - 1)
    assert found is not None
    row = int(found.order[0])
    return (0 if part < 0.1 else 1 if part <= 0.5 else 2), (
        f"Point {row + 1} counts {number(100 * part, 1)}% of what a point at the mean counts: its squared distance is "
        f"{number(float(found.squared_distances[row]), 1)}. More degrees of freedom let it count more."
    )


# ---- Words and tables -------------------------------------------------------------------------------------


def below(history: History, position: int, dataset: OutlierData, row: int | None) -> None:
    """Student's t beside the Gaussian in numbers, and the points that count least."""
    st.html(
        f'<div class="em-below"><div>{_fits(history, position, dataset)}</div>'
        f"<div>{_points(history, position, dataset, row)}</div></div>"
    )


def _fits(history: History, position: int, dataset: OutlierData) -> str:
    theta, beside = history.parameters[position // 2], tails.gaussian(history)
    axes = dataset.axes if len(dataset.axes) == 2 else ("",)
    scales = theta.columns()
    student = {
        **{f"Mean {axis}".strip(): value for axis, value in zip(axes, theta.mean.tolist(), strict=True)},
        **{
            f"Scale {axis}".strip(): float(values[0])
            for axis, values in zip(axes, (scales[name] for name in scales if name.startswith("scale")), strict=True)
        },
        "Log-likelihood": float(history.objective[position // 2]),
    }
    normal: list[float] = (
        [float("nan")] * len(student)
        if beside is None
        else [*beside.mean.tolist(), *beside.sds.tolist(), beside.log_likelihood]
    )
    rows = [
        (name.replace("Scale", "Scale or SD"), number(value, 3), number(other, 3))
        for (name, value), other in zip(student.items(), normal, strict=True)
    ]
    nu = history.model.degrees_of_freedom
    told = (
        f"<p>With {nu:g} degree{'' if nu == 1 else 's'} of freedom the variance of Student's t is "
        + (f"{number(nu / (nu - 2), 2)} times its squared scale" if nu > 2 else "infinite")
        + ".</p>"
    )
    caption = f"Both fits at iteration {position // 2}"
    return outcome.table(caption, ["", "Student's t", "Gaussian"], rows) + told


def _points(history: History, position: int, dataset: OutlierData, row: int | None) -> str:
    found = tails.counted(history, position)
    if found is None:
        return "<p>Before the first E-step nothing is known of how much each point counts.</p>"
    chosen = int(found.order[0]) if row is None or row >= history.n_samples else row
    listed = found.order[:SHOWN].tolist()
    rows = [
        (
            f"<b>{n + 1}</b>" if n == chosen else str(n + 1),
            report.place(dataset.X[n], 2),
            number(float(found.squared_distances[n]), 2),
            number(float(found.weights[n]), 3),
        )
        for n in (listed if chosen in listed else [*listed, chosen])
    ]
    nu, d = history.model.degrees_of_freedom, len(dataset.axes)
    squared = float(found.squared_distances[chosen])
    worked = (
        f"<p>Point {chosen + 1}: ({nu:g} + {d}) / ({nu:g} + {number(squared, 2)}) = "
        f"{number(float(found.weights[chosen]), 3)}. Click a point in the picture to work its weight.</p>"
    )
    header = ["Point", "Place", "Squared distance", "Weight"]
    return outcome.table(f"The points that count least, of {history.n_samples}", header, rows) + worked


def race(first: History, second: History) -> str:
    """How many iterations each took."""

    def took(name: str, history: History) -> str:
        n = history.n_iterations
        how = {"converged": "took", "max_iter": "reached the limit of", "degenerate": "collapsed after"}
        return f"{name} {how[history.stopped]} {n} iteration{'' if n == 1 else 's'}"

    same = abs(float(first.objective[-1] - second.objective[-1])) < 1e-4
    ends = (
        f"both end at log-likelihood {report.objective_text(first, first.n_iterations)}"
        if same
        else f"they end at {report.objective_text(first, first.n_iterations)} and "
        f"{report.objective_text(second, second.n_iterations)}"
    )
    return (
        f"<p><strong>The race.</strong> {took('EM', first)}, {took('PX-EM', second)}; {ends}.</p>"
        "<p>Both have the same E-step. PX-EM also lets the M-step rescale all weights at once: it divides the scale "
        "matrix by their mean.</p>"
    )


def formulas() -> None:
    """The model and both steps in its own symbols."""
    with st.expander("Formulas", expanded=True):
        st.markdown("Student's t is a Gaussian whose precision differs from point to point and is not observed:")
        st.latex(
            r"\begin{gathered} u_n \sim \mathrm{Gamma}\!\left(\tfrac{\nu}{2}, \tfrac{\nu}{2}\right) \\ "
            r"\mathbf{x}_n \mid u_n \sim \mathcal{N}\!\left(\boldsymbol\mu, \boldsymbol\Sigma / u_n\right)"
            r"\end{gathered}"
        )
        st.markdown("**E-step**: the expected weight, with $d$ the number of axes.")
        st.latex(
            r"\begin{gathered} \delta_n^2 = (\mathbf{x}_n - \boldsymbol\mu)^\top \boldsymbol\Sigma^{-1} "
            r"(\mathbf{x}_n - \boldsymbol\mu) \\ w_n = \mathbb{E}[u_n \mid \mathbf{x}_n] = "
            r"\frac{\nu + d}{\nu + \delta_n^2} \end{gathered}"
        )
        st.markdown("**M-step**: weighted mean and covariance. EM divides by $N$, PX-EM by $\\sum_n w_n$.")
        st.latex(
            r"\begin{gathered} \boldsymbol\mu = \frac{\sum_n w_n \mathbf{x}_n}{\sum_n w_n} \\ \boldsymbol\Sigma = "
            r"\frac{1}{N} \sum_n w_n (\mathbf{x}_n - \boldsymbol\mu)(\mathbf{x}_n - \boldsymbol\mu)^\top \end{gathered}"
        )
        st.markdown(
            "The weight is at most $(\\nu + d)/\\nu$, at the mean, and falls with the square of the distance: a far "
            "point pulls less, the farther it is. As $\\nu$ grows, all weights go to 1 and the fit to the Gaussian. "
            "The degrees of freedom $\\nu$ are given here; they could be estimated as well. From $\\nu = 1$ on "
            "the likelihood has a single maximum (Kent and Tyler 1991), so every start leads there."
        )
