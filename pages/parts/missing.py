"""The parts of the lesson on missing values: its settings, upload, question, tables, formulas and download."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emcore import missing, report
from emcore.em import History
from emcore.experiment import Experiment, Source, kept
from emcore.export.tables import data_csv
from emcore.figures import style
from emcore.missing import BEGINNINGS, Estimate, ForgetfulNormal
from emcore.models import MissingNormal, MissingNormalParameters
from emcore.report import number
from emcore.sources.missing import EXAMPLES, LOSSES, MECHANISMS, HoledData, LongEruptions, OwnTable, Twelve, TwoTests
from pages.parts import controls, csv_table, outcome, story
from pages.parts import settings as choices
from pages.parts.cards import shown, tex
from pages.parts.controls import Session, put
from pages.parts.player import PlayerReport
from pages.parts.settings import Values
from pages.parts.story import Node
from pages.parts.text import plain

TITLES = {**EXAMPLES, "own": "My own table"}
PEOPLE = (30, 100, 200, 1_000)
MOST_ROWS = csv_table.MAX_ROWS
FARTHEST = 1e30  # squares and pictures have room for it
FORMULA_WIDTH = 400  # px
LISTED = 50  # cells that are not numbers
VERDICTS = {
    "completely": "Values are lost completely at random: dropping rows is right on average, but wastes what they hold. "
    "Filling in without keeping the variance is wrong in any case.",
    "observed": "The loss depends on what was seen: dropping rows is biased, EM is not.",
    "itself": "The loss depends on the lost values themselves: every method is biased, EM too, and nothing in the data "
    "shows it.",
}
DRAWN = ("two-tests", "eruptions")  # examples whose holes are made here
KNOWN_MEAN = {"twelve-points": (0.0, 0.0)}


def _set_up(values: Values) -> Values:
    twelve = values["holes"] == "twelve-points"
    return {
        "start-seed": 5 if twelve else 0,  # ends at 1/2; the next one at -1/2
        "begin": "random" if twelve else "independent",
        "max-iter": 300 if twelve else 100,
        "tol": 1e-10 if twelve else 1e-7,
        "data-seed": 114,
        "hole": 5 if values["holes"] == "two-tests" else 1,
    }


OFFER = choices.ModelOffer(
    own={
        "holes": choices.one_of(TITLES),
        "data-seed": choices.whole(0, choices.MAX_SEED),
        "people": choices.one_of_numbers(*PEOPLE),
        "related": choices.decimal(-0.95, 0.95),
        "share": choices.whole(5, 80),
        "loss": choices.one_of(LOSSES),
        "why": choices.one_of(MECHANISMS),
        "forget": choices.flag(),
        "begin": choices.one_of(BEGINNINGS),
        "hole": choices.whole(1, MOST_ROWS),
        "lost": choices.flag(),
        "truth": choices.flag(),
    },
    usual={
        "holes": "two-tests",
        "people": 200,
        "related": 0.58,
        "share": 30,
        "loss": "y",
        "why": "observed",
        "forget": False,
        "lost": False,
        "truth": False,
    },
    setup=_set_up,
    idle=lambda values: frozenset(
        (set() if values["holes"] == "two-tests" else {"people", "related", "truth"})
        | (set() if values["holes"] in DRAWN else {"data-seed", "share", "loss", "why", "lost"})
        | (set() if values["begin"] == "random" else {"start-seed"})
    ),
)
PICTURE = story.picture(
    [
        [
            Node("μ,\N{NO-BREAK SPACE}Σ", "mean, covariance", "parameter"),
            "→",
            Node("x", "values seen", "observed"),
            Node("y", "values missing", "hidden"),
        ]
    ],
    "The values of a row are drawn together from one normal distribution with mean mu and covariance Sigma; some of "
    "them, x, are observed, and the others, y, are hidden.",
    (3, 4, "every row"),
)


# ---- Choices ----------------------------------------------------------------------------------------------


def data_choices(visit: Session) -> Source:
    """What the table is, and how values get lost from it."""
    name = controls.example("holes", TITLES, "Choosing one also sets the start and the run up for it.")
    if name == "own":
        return upload(visit)
    if name == "twelve-points":
        return Twelve()
    values = visit.values
    controls.data_seed(True)
    if name == "two-tests":
        controls.widget("people", st.selectbox, "People", list(PEOPLE), format_func="{:,}".format)
        controls.widget("related", st.slider, "Correlation", -0.95, 0.95, step=0.01)
    controls.widget("share", st.slider, "Rows with a hole (%)", 5, 80, step=5)
    controls.widget(
        "loss",
        st.selectbox,
        "Which values get lost",
        list(LOSSES),
        format_func=LOSSES.__getitem__,
        help="No row loses both.",
    )
    controls.widget(
        "why",
        st.selectbox,
        "Why they get lost",
        list(MECHANISMS),
        format_func=MECHANISMS.__getitem__,
        help="Completely at random: whichever it is. At random: a low value that is seen makes the loss of the other "
        "more likely; EM is right in both. Not at random: low values get lost because they are low. Nothing in the "
        "data shows that, and EM is wrong too.",
    )
    loss = values["share"] / 100, values["loss"], values["why"], values["data-seed"]
    return TwoTests(values["people"], values["related"], *loss) if name == "two-tests" else LongEruptions(*loss)


def upload(visit: Session) -> Source:
    """The visitor's file, or what stands in for it; what is wrong with a file is said, and the page keeps its data."""
    brought = st.file_uploader(
        f"CSV file, at most {csv_table.MAX_BYTES // 2**20} MB",
        type=["csv", "tsv", "txt"],
        max_upload_size=controls.MAX_UPLOAD,
        key="file with holes",
        help="Two columns of numbers; empty cells, NA, ? and the like are holes. At most "
        f"{csv_table.MAX_ROWS:,} rows. The file stays in this session and is not stored.",
    )
    if brought is not None:
        try:
            visit.own = _read(visit, brought.file_id, brought.name, brought.getvalue())
        except ValueError as error:
            st.error(f"{plain(str(error))} The page keeps showing what it had.")
    if visit.own is None:
        st.info("Choose a CSV file. Until then the page shows an example.")
        return TwoTests(seed=114)
    st.caption(f"On show: {plain(visit.own.name)}, {plain(', '.join(visit.own.columns))}.")
    return visit.own


def _read(visit: Session, file_id: str, name: str, content: bytes) -> OwnTable:
    """Two columns of a file, with their holes; ValueError if they cannot be used."""
    if visit.table is None or visit.table[0] != file_id:
        visit.table = file_id, csv_table.read_csv(content)
    table = visit.table[1]
    names = st.multiselect(
        "Columns (two)",
        list(table.columns),
        default=list(table.numeric_columns[:2]),
        max_selections=2,
        key=f"columns of {file_id}",
    )
    if len(names) != 2:
        raise ValueError("Choose two columns of numbers.")
    selection = csv_table.select(table, names, keep_holes=True)
    spread = np.nanmax(selection.X, axis=0) - np.nanmin(selection.X, axis=0)
    if np.nanmax(np.abs(selection.X)) > FARTHEST or ((spread > 0) & (spread < 1 / FARTHEST)).any():
        raise ValueError("These numbers are too large or too close together for a picture: use another unit.")
    _say_the_holes(selection)
    return OwnTable.of(name[:120], tuple(names), selection.X)


def _say_the_holes(selection: csv_table.Selection) -> None:
    """How many cells are holes, and those that are none by their writing."""
    empty = int(np.isnan(selection.X).all(axis=1).sum())
    nothing = f" Rows with neither value, which count for nothing: {empty:,}." if empty else ""
    st.caption(f"{_count(len(selection.X), 'row')} with {_count(len(selection.holes), 'hole')}.{nothing}")
    odd = [cell for cell in selection.holes if cell.reason != "missing"]
    if odd:
        with st.expander(f"Cells that are no numbers count as holes: {len(odd):,}"):
            listed = [f"Row {cell.line}, {cell.column}: {cell.reason} ({cell.text})" for cell in odd[:LISTED]]
            st.markdown("\n".join(f"- {plain(sentence)}" for sentence in listed))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def begin_choice() -> None:
    """Where the run begins."""
    controls.widget(
        "begin",
        st.selectbox,
        "EM begins",
        list(BEGINNINGS),
        format_func=BEGINNINGS.__getitem__,
        help="The first two take mean and variance of what was seen of each column. Random correlation: another one "
        "with each start seed. Rows without holes: their mean and covariance; if one column alone has holes, the first "
        "M-step then is the answer.",
    )


def view_choices(data: HoledData) -> None:
    """What the picture shows of the truth."""
    controls.widget(
        "lost",
        st.toggle,
        "Show the lost values",
        disabled=data.whole is None,
        help="Where the rows with a hole were before their value got lost."
        if data.whole is not None
        else "Nobody has these values.",
    )
    controls.widget(
        "truth",
        st.toggle,
        "Show the truth",
        disabled=data.truth is None,
        help="The distribution that the data were drawn from."
        if data.truth is not None
        else "Nobody knows the truth of these data, or whether they have one.",
    )


def switches(visit: Session, rows: NDArray[np.intp]) -> int | None:
    """The forgetful switch, and the row whose hole is looked at, a row of X; None where no row has one value alone."""
    values = visit.values
    if len(rows) and values["hole"] > len(rows):
        put(hole=len(rows))
    with st.container(horizontal=True, vertical_alignment="bottom", key="switches"):
        controls.widget(
            "forget",
            st.toggle,
            "Forget the conditional variance",
            help="The M-step then takes what was filled in for what was seen. Many programs have this mistake.",
        )
        controls.widget(
            "hole",
            st.number_input,
            f"Hole to look at, 1 to {max(len(rows), 1)}",
            1,
            max(len(rows), 1),
            step=1,
            width=230,
            disabled=not len(rows),
            help="A click on a mark of the margin, or where it is filled in, chooses it too.",
        )
        if values["begin"] == "random":
            story.reseed(True)
    return int(rows[values["hole"] - 1]) if len(rows) else None


def follow_click(visit: Session, seen: PlayerReport, rows: NDArray[np.intp], drawn: NDArray[np.intp]) -> None:
    """A click on a hole chooses it."""
    if seen.click and seen.click.point < len(drawn):
        visit.pending = {"hole": int(np.searchsorted(rows, drawn[seen.click.point])) + 1}
        st.rerun()


# ---- The question -----------------------------------------------------------------------------------------


def question(experiment: Experiment, data: HoledData) -> None:
    """What to predict of the data and the method on show, answered by the run."""
    history, source = experiment.history(), experiment.source
    axes = [plain(axis) for axis in data.axes]
    column = int(np.isnan(data.X).sum(axis=0).argmax())
    y = axes[column]
    if not len(missing.rows_with_a_hole(data.X)):
        return
    forgetful = isinstance(experiment.model, ForgetfulNormal)
    if forgetful and isinstance(source, Twelve):

        def tightens() -> tuple[int, str]:
            now, than = (abs(float(p.correlations[0, 1])) for p in (history.parameters[-1], _fit(experiment, data)))
            return _sign(now - than), (
                f"It ends at a size of {_n(now)}; EM ends at {_n(than)}. All that is filled in lies on a line, so the "
                "table looks more regular than it is."
            )

        story.predict(
            "twelve points, forgetful",
            "Every hole is filled with what is expected there, and from then on counts as if it had been seen. What "
            "becomes of the correlation?",
            ("Too weak", "Right", "Too strong"),
            tightens,
        )
    elif forgetful:

        def shrinks() -> tuple[int, str]:
            right = _fit(experiment, data)
            now = float(history.parameters[-1].covariance[column, column])
            than = float(right.covariance[column, column])
            return _sign((now - than) / than), (
                f"The variance of {y} ends at {_n(now)}; EM, which keeps the variance of the holes, ends at "
                f"{_n(than)}. What is filled in lies on a line, without the scatter that real values have about it."
                f"{_population(source)}"
            )

        story.predict(
            f"shrinks {experiment.digest}",
            f"Every hole is filled with what is expected there, and from then on counts as if it had been seen. What "
            f"becomes of the variance of {y}?",
            ("Too small", "Right", "Too large"),
            shrinks,
        )
    elif isinstance(source, Twelve):
        story.predict(
            "twelve points",
            "The four rows with both values say nothing of the sign of the correlation. From a random start, where "
            "will EM end?",
            ("At correlation 0", "At one of two other correlations", "It never ends"),
            lambda: (
                1,
                "There are two maxima, with correlations −1/2 and 1/2 and variances 8/3: the eight rows with one "
                "value lie far out, and a correlation of either sign explains that better than none. This run ends at "
                f"correlation {number(_correlation(history), 4)}. A run that begins without correlation stays on the "
                "saddle between them, at variances 5/2.",
            ),
        )
    elif isinstance(source, TwoTests | LongEruptions) and source.mechanism != "completely":

        def mean() -> tuple[int, str]:
            found = {estimate.name: estimate for estimate in beside(experiment, data)}
            dropped = float(found["Drop every row with a hole"].mean[column])
            right = float(found["If nothing had been lost"].mean[column])
            ours = float(_fit(experiment, data).mean[column])
            more = (
                "The rows with a hole still have their other value, and EM uses what it says of the lost one."
                if source.mechanism == "observed"
                else "EM helps a little, because the other value says something of the lost one, but it is wrong too: "
                "the loss depends on the lost values themselves, and nothing in the data shows it."
            )
            return _sign((dropped - right) / float(found["If nothing had been lost"].sds[column])), (
                f"Without the rows with a hole the mean of {y} is {_n(dropped)}; of all values, the lost ones among "
                f"them, it is {_n(right)}. EM says {_n(ours)}. {more}"
            )

        story.predict(
            f"mean {experiment.digest}",
            f"If all rows with a hole are dropped, the mean of what is left of {y} will be …",
            ("Too low", "About right", "Too high"),
            mean,
        )
    else:

        def spread() -> tuple[int, str]:
            theta = history.parameters[-1]
            posterior = history.posterior(history.n_iterations)
            row = next(row for row in missing.rows_with_a_hole(data.X).tolist() if np.isnan(data.X[row, column]))
            left = float(posterior.at([row])[1][0, column])
            whole = float(theta.sds[column])
            return 0, (
                f"At the end a hole in {y} is known to an sd of {number(left, 3)}, against {number(whole, 3)} for a "
                f"row of which nothing is known: the factor is √(1 − ρ²) with the correlation ρ = "
                f"{number(float(theta.correlations[0, 1]), 3)}. It is the same for all of them, wherever they lie."
            )

        story.predict(
            f"spread {experiment.digest}",
            f"A hole in {y} is filled from the other value of its row. Where in the picture is the filled value the "
            "most certain?",
            ("Equally certain everywhere", "Near the mean", "Far from the mean"),
            spread,
        )


def _sign(difference: float, room: float = 0.02) -> int:
    """0 below, 1 about the same, 2 above."""
    return 1 if abs(difference) < room else 0 if difference < 0 else 2


def _n(value: float) -> str:
    return number(value, 2)


def _population(source: Any) -> str:
    """Where the forgetful run ends with endless data of the example, as a sentence."""
    limit = missing.forgetful_limit(source) if isinstance(source, TwoTests) else None
    if limit is None:
        return ""
    variance = float(limit.covariance[1, 1])
    text = f" With endless data of this kind it would be {number(variance, 2)} instead of 1.00"
    if source.loss != "y":
        correlation = float(limit.correlations[0, 1])
        return f"{text}, and the correlation {number(correlation, 2)} instead of {number(source.correlation, 2)}."
    return (
        f"{text}: 1 − {number(source.share, 2)} · (1 − {number(source.correlation, 2)}²), for of the missing "
        f"{100 * source.share:.0f} % only what the first test explains is left."
    )


# ---- Other methods ----------------------------------------------------------------------------------------


def _finished(experiment: Experiment, forgetful: bool) -> History:
    """A run to the end from this experiment's start, with the right or the forgetful M-step (kept for all visitors)."""
    start = experiment.history().parameters[0]
    known = experiment.model.known_mean
    key = ("missing values to the end", experiment.source, known, tuple(start.to_vector().tolist()), forgetful)
    X = experiment.dataset().X
    history: History = kept(key, lambda: missing.finished(missing.model_of(known, forgetful), X, start))
    return history


def _fit(experiment: Experiment, data: HoledData) -> MissingNormalParameters:
    """EM's answer from this start."""
    fit: MissingNormalParameters = _finished(experiment, False).parameters[-1]
    return fit


def beside(experiment: Experiment, data: HoledData) -> list[Estimate]:
    """What other methods make of the data on show."""
    model = MissingNormal(experiment.model.known_mean)
    return missing.beside(data, _fit(experiment, data), _finished(experiment, True), model)


def compare(experiment: Experiment, data: HoledData) -> None:
    """The table of methods: rows used, means, variances with their sds, correlation."""
    header = ["Method", "Rows", "Mean x", "Mean y", "Variance x", "Variance y", "Correlation"]
    found = beside(experiment, data)
    sds = np.max([each.sds for each in found], axis=0).tolist()
    rows = [
        (
            f'<span style="display: inline-block; max-width: 14rem; white-space: normal">{escape(each.name)}</span>',
            "" if each.n_rows is None else f"{each.n_rows:,}",
            *(_rounded(float(value), sd) for value, sd in zip(each.mean, sds, strict=True)),
            *(
                f"{_rounded(float(own) ** 2, sd**2)}{_small(f'sd {_rounded(float(own), sd)}')}"
                for own, sd in zip(each.sds, sds, strict=True)
            ),
            number(each.correlation, 2),
        )
        for each in found
    ]
    table = outcome.table("The same data, other methods, each to its end", header, rows)
    remark = f"x is {escape(data.axes[0])}, y {escape(data.axes[1])}. Divisor of variances: the number of rows."
    if isinstance(experiment.source, Twelve):
        remark += " The mean is known to be (0, 0)."
    if isinstance(experiment.source, TwoTests | LongEruptions):
        remark = f"{VERDICTS[experiment.source.mechanism]} {remark}"
    st.html(f'<div class="em-below"><div>{table}<p>{remark}</p></div></div>')


def _rounded(value: float, scale: float) -> str:
    """A number to a hundredth of what is large beside it: 0.80 beside 1."""
    if not 1e-9 < scale < 1e9:
        return shown(value, 3)
    return f"{value + 0.0:,.{max(0, 2 - math.floor(math.log10(scale)))}f}".replace("-", report.MINUS)


def _small(text: str) -> str:
    return f'<span class="em-small">{text}</span>'


# ---- What follows the position ----------------------------------------------------------------------------


def below(
    experiment: Experiment, history: History, position: int, data: HoledData, row: int | None, truth: bool
) -> None:
    """The parameters now, what the switch breaks, one hole in numbers, the M-step in numbers, and the filled table."""
    parts = [
        f"<div>{_parameters(history, position, data.axes, data.truth if truth else None)}</div>",
        f"<div>{_remarks(experiment, history, data)}</div>",
    ]
    st.html(f'<div class="em-below">{"".join(parts)}</div>')
    with st.expander("The steps in numbers", expanded=True):
        sides = st.container(horizontal=True, gap="large")  # columns would grow too narrow for formulas
        with sides.container(width=FORMULA_WIDTH):
            if row is None:
                st.markdown("No row has one value seen and the other missing.")
            else:
                _hole_formulas(history, position, row, data)
        with sides.container(width=FORMULA_WIDTH):
            _sum_formulas(history, position, data, row)
    _download(history, position, data)


def _parameters(history: History, position: int, axes: Sequence[str], truth: MissingNormalParameters | None) -> str:
    """Mean, variance and correlation now, with their change in the last M-step, and the truth if it is given."""
    iteration = position // 2
    theta = history.parameters[iteration]
    before = history.parameters[iteration - 1] if iteration else None

    def cell(pick: Any, digits: int = 3) -> str:
        value = float(pick(theta))
        text = number(value, digits) if abs(value) < 1e6 else shown(value, 5)
        moved = 0.0 if before is None else value - float(pick(before))
        change = "–" if before is None else report.signed(moved, digits) if abs(moved) > report.ROUNDING else "0"
        true = "" if truth is None else _small(f"truth {number(float(pick(truth)), 2)}")
        return f"{text}{_small(change)}{true}"

    rows = [
        (
            escape(axis),
            cell(lambda p, j=j: p.mean[j]),
            cell(lambda p, j=j: p.covariance[j, j]),
            cell(lambda p, j=j: p.sds[j]),
            cell(lambda p: p.correlations[0, 1]) if not j else "",
        )
        for j, axis in enumerate(axes)
    ]
    caption = f"Parameters at iteration {iteration}" + (", and their change in it" if iteration else "")
    return outcome.table(caption, ["", "Mean", "Variance", "SD", "Correlation"], rows)


def _remarks(experiment: Experiment, history: History, data: HoledData) -> str:
    """What the data are short of, and what the forgetful M-step breaks."""
    parts = []
    prepared = history.prepared
    if len(prepared.empty):
        one = len(prepared.empty) == 1
        parts.append(
            f"<p>{len(prepared.empty):,} row{' has' if one else 's have'} neither value. "
            f"{'It says' if one else 'They say'} nothing of the parameters, add{'s' if one else ''} 0 to the "
            "log-likelihood, and would be filled with the mean.</p>"
        )
    if prepared.never_together:
        parts.append(
            "<p>No row has both values, so nothing tells their correlation: every correlation has the same "
            "log-likelihood, and EM keeps the one it began with.</p>"
        )
    if not np.isnan(data.X).any():
        parts.append("<p>There is no hole: the first M-step is the answer.</p>")
    forgetful = isinstance(experiment.model, ForgetfulNormal)
    if isinstance(experiment.source, Twelve) and not forgetful and abs(_correlation(history)) < 1e-6:
        parts.append(
            "<p>This is the saddle: without correlation at the start no step can tell which sign to take, so EM stays "
            "at correlation 0, with variances 5/2. With any other start it goes to one of the maxima.</p>"
        )
    if forgetful:
        parts.append(_broken(experiment, history, data))
    return "".join(parts)


def _correlation(history: History) -> float:
    """At the end of a run."""
    return float(history.parameters[-1].correlations[0, 1])


def _broken(experiment: Experiment, history: History, data: HoledData) -> str:
    """The promises that the forgetful run broke, with its numbers."""
    best = _finished(experiment, False)
    column = int(np.isnan(data.X).sum(axis=0).argmax())
    now, right = (float(run.parameters[-1].covariance[column, column]) for run in (history, best))
    correlations = [_correlation(run) for run in (history, best)]
    gap = float(best.objective[-1] - history.objective[-1])
    fall = missing.first_fall(history)
    fell = (
        f"In iteration {fall} the log-likelihood fell, which EM never does."
        if fall is not None
        else "On this way the log-likelihood did not fall, but it would, from EM's answer on."
    )
    below_best = f" The run ends {number(gap, 2)} nats below the maximum." if gap > 0 else ""
    return (
        f'<div class="em-warning"><p><strong>The variance of the holes is forgotten.</strong> The M-step no longer '
        f"maximises Q, so the promise of EM is off. {fell}{below_best}</p><p>Variance of {escape(data.axes[column])}: "
        f"{_rounded(now, right)} at the end of this run, {_rounded(right, right)} by EM."
        f"{escape(_population(experiment.source))}</p><p>Correlation: {number(correlations[0], 2)} at the end of this "
        f"run, {number(correlations[1], 2)} by EM.</p></div>"
    )


def _hole_formulas(history: History, position: int, row: int, data: HoledData) -> None:
    """Bayes' rule for one hole: its conditional mean and variance."""
    one = missing.hole(history, position, row, data.whole)
    axes = [plain(style.short(axis, 24)) for axis in data.axes]
    seen, lost = axes[one.seen], axes[one.missing]
    x, y = "xy"[one.seen], "xy"[one.missing]
    early = ", which comes next" if position == 0 else ""
    st.markdown(
        f"**E-step {one.iteration}{early}, row {row + 1}**: {seen} (${x}$) is {shown(one.value)}, {lost} (${y}$) is "
        "missing."
    )
    st.latex(
        r"\begin{aligned}"
        rf"&\mathbb{{E}}[{y} \mid {x}] = \mu_{y} + b\,({x} - \mu_{x}) \\"
        rf"&\quad b = \frac{{\sigma_{{xy}}}}{{\sigma_{x}^2}} = \frac{{{tex(one.covariance)}}}"
        rf"{{{tex(one.variance_seen)}}} = {tex(one.slope)} \\"
        rf"&\mathbb{{E}}[{y} \mid {x}] = {tex(one.mean_missing)} + {_factor(one.slope)} \cdot "
        rf"({tex(one.value - one.mean_seen)}) \\"
        rf"&\quad = {tex(one.expected)} \\[6pt]"
        rf"&\operatorname{{Var}}[{y} \mid {x}] = \sigma_{y}^2 - b\,\sigma_{{xy}} \\"
        rf"&\quad = {tex(one.variance_missing)} - {_factor(one.slope)} \cdot {_factor(one.covariance)} \\"
        rf"&\quad = {tex(one.variance)}"
        r"\end{aligned}"
    )
    was = "" if one.lost is None else f" The lost value was {shown(one.lost)}."
    st.markdown(f"So the hole is filled with {shown(one.expected)}, give or take {shown(one.sd)} (1 sd).{was}")


def _factor(value: float) -> str:
    """A number that stands after a sign."""
    return tex(value) if value >= 0 else f"({tex(value)})"


def _sum_formulas(history: History, position: int, data: HoledData, row: int | None) -> None:
    """The M-step: the mean of the filled column, and its variance in two parts."""
    made = missing.summing(history, position)
    column = int(np.isnan(data.X).sum(axis=0).argmax())
    if row is not None:
        column = int(np.isnan(data.X[row]).argmax())
    y, x = "xy"[column], "xy"[1 - column]
    t, forgetful, known = made.iteration, isinstance(history.model, ForgetfulNormal), history.model.known_mean
    name = plain(style.short(data.axes[column], 24))
    st.markdown(f"**M-step, from iteration {t} to {t + 1}**, for {name}: N = {made.n_rows:,} rows.")
    filled, kept_part = float(made.filled[column, column]), float(made.kept[column, column])
    offset = 0.0 if known is None else float((made.mean[column] - known[column]) ** 2)
    total = filled + offset + (0.0 if forgetful else kept_part)
    second = rf"\frac1N \sum_n \operatorname{{Var}}[{y}_n \mid {x}_n]"
    number_second = tex(kept_part)
    if forgetful:
        second, number_second = rf"\cancel{{{second}}}", rf"\cancel{{{number_second}}}"
    mean = rf"&\mu_{y} = \frac1N \sum_n \mathbb{{E}}[{y}_n] = {tex(float(made.mean[column]))} \\[4pt]"
    if known is not None:
        mean = rf"&\mu_{y} = {tex(known[column])} \text{{ (known)}} \\[4pt]"
    st.latex(
        r"\begin{aligned}" + mean + rf"&\sigma_{y}^2 = \frac1N \sum_n \left(\mathbb{{E}}[{y}_n] - \mu_{y}\right)^2 \\"
        rf"&\qquad + {second} \\ &\quad = {tex(filled + offset)} + {number_second} = {tex(total)}" + r"\end{aligned}"
    )
    if made.after is None:
        st.markdown("This M-step has no result: how the run ended is said above.")
    elif forgetful:
        st.markdown(
            f"A value that was seen stands in these sums as it is. The crossed-out part, {shown(kept_part)}, belongs "
            "there: without it the filled values pretend to be sure."
        )
    else:
        st.markdown(
            "A value that was seen stands in these sums as it is, with variance 0. The second part is what the filled "
            f"table alone does not show: here {shown(100 * kept_part / total, 3)} % of the new variance."
        )


def _download(history: History, position: int, data: HoledData) -> None:
    """The filled table as a file."""
    st.download_button(
        f"Filled table of E-step {missing.iteration_of(position)}, CSV",
        partial(filled_csv, history, position, data.axes),
        "em-lab-filled.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )
    st.caption(
        "With the sd of every value beside it, 0 where it was seen. Do not estimate variances from the filled values "
        "alone: they come out too small."
    )


def filled_csv(history: History, position: int, axes: Sequence[str]) -> str:
    """The table with its holes filled by the E-step on show at `position`, and the sd of each value."""
    posterior = history.posterior(missing.iteration_of(position))
    return data_csv(np.hstack([posterior.filled, posterior.sds]), (*axes, *(f"sd of {axis}" for axis in axes)))


def formulas() -> None:
    """The model and both steps for any number of columns."""
    with st.expander("Formulas for any number of columns"):
        left, right = st.columns(2)
        left.markdown("**E-step**: the normal distribution of what is missing in a row, given what was seen.")
        left.latex(
            r"\begin{aligned} B &= \Sigma_{mo}\,\Sigma_{oo}^{-1} \\"
            r"\mathbb{E}[x_m \mid x_o] &= \mu_m + B\,(x_o - \mu_o) \\"
            r"\operatorname{Cov}[x_m \mid x_o] &= \Sigma_{mm} - B\,\Sigma_{om} = C_n \end{aligned}"
        )
        right.markdown("**M-step**: mean and covariance of the filled rows, and what the holes leave open.")
        right.latex(
            r"\begin{aligned} \mu &= \frac1N \sum_n \mathbb{E}[x_n] \\"
            r"\Sigma &= \frac1N \sum_n \Big( (\mathbb{E}[x_n] - \mu)(\mathbb{E}[x_n] - \mu)^{\mathsf T} + C_n \Big)"
            r"\end{aligned}"
        )
        st.markdown(
            "$o$ and $m$ are the columns seen and missing in row $n$; $C_n$ is 0 for those seen. What EM climbs is the "
            "log-likelihood of the values seen: of each row the normal density of its seen columns alone. Rows with "
            "the same holes share $B$ and $C_n$. A row in which nothing was seen adds 0 and is left out. "
            "EM's answer is right if values are missing **at random**: whether one is missing may depend on the values "
            "seen, but not on the missing one."
        )
