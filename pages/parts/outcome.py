"""What stands below the player and follows it: the parameters now, one point's responsibilities, how the run ended.

HTML in one piece, so that it costs the server little at each step and arranges itself on narrow screens. No sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd
import streamlit as st

from emcore import report
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures import style
from emcore.models import GaussianMixtureParameters
from pages.parts.controls import Session

CSS = """
<style>
.st-key-intro { min-height: 3.1rem; }
.stMainBlockContainer { padding-top: 4.2rem; padding-bottom: 3rem; }
.stMainBlockContainer h1 { font-size: 1.9rem; padding: 0 0 0.2rem; }
.em-below { display: flex; flex-wrap: wrap; gap: 1rem 3rem; }
.em-below > * { flex: 1 1 auto; min-width: 0; max-width: 100%; }
.em-below > :last-child { flex-basis: 20rem; }
.em-scroll { overflow-x: auto; position: relative; }
.em-table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.925rem; }
.em-table caption { text-align: left; font-weight: 600; padding: 0 0 0.35rem; }
.em-table th, .em-table td { padding: 0.3rem 0.4rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
.em-table thead th { font-weight: 600; opacity: 0.8; }
.em-table tbody th { font-weight: 400; }
.em-table tr > :first-child { text-align: left; }
.em-small { display: block; font-size: 0.8rem; opacity: 0.72; }
.em-heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.em-key { display: inline-block; width: 0.85em; height: 0.85em; border-radius: 0.2em; margin-right: 0.45em;
  vertical-align: -0.06em; }
.em-share { width: 45%; }
.em-bar { display: block; height: 0.7em; border-radius: 0.15em; min-width: 1px; }
.em-below p { margin: 0 0 0.6rem; }
.em-warning { border-left: 0.25rem solid #d55e00; padding-left: 0.8rem; }
</style>
"""
PROJECTOR = """
<style>
.player, .em-below, .em-below .em-table { font-size: 1.15rem; }
.player .player-caption, .st-key-intro p { font-size: 1.3rem; }
.em-small { font-size: 1rem; }
.stMainBlockContainer .em-story > dl { font-size: 1.1rem; }
.stMainBlockContainer [data-testid="stMarkdownContainer"] p { font-size: 1.15rem; }
</style>
"""

ENDINGS = {
    "converged": "How it ended: converged.",
    "max_iter": "How it ended: at the limit of iterations.",
    "degenerate": "How it ended: in a collapse.",
}


def below(
    history: History,
    position: int,
    *,
    truth: GaussianMixtureParameters | None,
    row: int | None,
    earlier: float | None,
) -> None:
    """Everything in words and tables that follows the position.

    `row` is the point that was chosen, `earlier` the objective at which another run on the same data ended.
    """
    st.html(
        f'<div class="em-below"><div>{parameters_table(history, position, truth)}</div>'
        f"<div>{point_card(history, position, row)}{ending(history, earlier)}</div></div>"
    )


def earlier_end(visit: Session, experiment: Experiment, history: History) -> float | None:
    """The objective at which the run before this one ended, if it had the same data and model: for a comparison."""
    if not visit.ends or visit.ends[-1][0] != experiment:
        visit.ends = (*visit.ends[-1:], (experiment, float(history.objective[-1])))
    before, objective = visit.ends[0]
    same = (before.source, before.model) == (experiment.source, experiment.model)
    return objective if len(visit.ends) == 2 and same else None


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table whose first cells head their rows. The cells are HTML; caption and header are text."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
        for first, *others in rows
    )
    return (
        f'<div class="em-scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="em-table">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def component_key(component: int) -> str:
    """A component's number with its colour beside it."""
    return f'<span class="em-key" style="background: {_css(component)}"></span>{component + 1}'


def parameters_table(history: History, position: int, truth: GaussianMixtureParameters | None) -> str:
    """The parameters now; below each the change in the last M-step, and the truth that it is matched to.

    With fewer components than groups one component stands for several, and no one group is its truth.
    """
    if truth is not None and truth.n_components > history.model.n_components:
        truth = None
    digits = report.decimals(history.parameters[position // 2])
    cells: dict[int, list[str]] = {}
    names: dict[str, None] = {}
    for row in report.parameter_table(history, position, truth):
        precision = 3 if row.name.startswith(("weight", "correlation")) else digits
        text = report.number(row.value, precision)
        change = "\N{EN DASH}" if row.change is None else report.signed(row.change, precision) if row.change else "0"
        text += f'<span class="em-small"><span class="em-heard">change </span>{change}</span>'
        if row.truth is not None:
            text += f'<span class="em-small">truth {report.number(row.truth, precision)}</span>'
        cells.setdefault(row.component, [component_key(row.component)]).append(text)
        names[row.name] = None
    iteration = position // 2
    caption = f"Parameters at iteration {iteration}" + (", and their change in it" if iteration else "")
    header = (name[0].upper() + name[1:] for name in names)
    return table(caption, ["", *(name.replace("Sd", "SD") for name in header)], cells.values())


def point_card(history: History, position: int, row: int | None) -> str:
    """The responsibilities of one point, as numbers and as bars; without a point, how to choose one."""
    if row is None or row >= history.n_samples:
        return "<p>Click a point in the picture to see how it is shared out among the components.</p>"
    where = report.place(history.X[row], report.decimals(history.parameters[position // 2]))
    shares = report.responsibilities_of(history, position, row)
    if shares is None:
        return f"<p>Point {row + 1} at {where}: before the first E-step nothing is known of where it belongs.</p>"
    return shares_table(f"Point {row + 1} at {where}", shares.tolist()) + "<p></p>"


def shares_table(caption: str, shares: Sequence[float]) -> str:
    """The responsibilities of the components for one row of data, as numbers and as bars."""
    rows = [
        (
            component_key(k),
            report.number(share, 4),
            f'<span class="em-bar" style="width: {share:.2%}; background: {_css(k)}"></span>',
        )
        for k, share in enumerate(shares)
    ]
    return table(caption, ["Component", "Responsibility", ""], rows).replace("<td><span", '<td class="em-share"><span')


def ending(history: History, earlier: float | None) -> str:
    """How and why the run ended, what to try, and how it compares with an earlier one."""
    outcome = report.outcome(history)
    kind = ' class="em-warning"' if outcome.stopped == "degenerate" else ""
    compared = f"<p>{escape(report.comparison(history, earlier))}</p>" if earlier is not None else ""
    return (
        f"<div{kind}><p><strong>{ENDINGS[outcome.stopped]}</strong> {escape(outcome.why)}</p>{compared}"
        f"<p>{escape(outcome.advice)}</p></div>"
    )


def numbers(history: History, position: int, axes: Sequence[str]) -> None:
    """The twins of the charts as tables, made only when they are asked for."""
    opened = st.expander("The charts as tables", key="tables", on_change="rerun")
    if not opened.open:
        return
    with opened:
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.markdown("**Points and their responsibilities**")
            st.dataframe(_points(history, position, axes), height=400, alt="Points and their responsibilities")
        with right, st.container(height=440, border=False):
            st.html(_objective_table(history))


def _points(history: History, position: int, axes: Sequence[str]) -> pd.DataFrame:
    names = [f"component {k + 1}" for k in range(history.model.n_components)]
    columns = [f"{axis} (data)" if axis in names else axis for axis in axes]  # a table has no two columns of a name
    points = pd.DataFrame(history.X, columns=columns, index=range(1, history.n_samples + 1))
    posterior = history.snapshot(position).posterior
    if posterior is None:
        return points
    return pd.concat([points, pd.DataFrame(posterior.responsibilities, columns=names, index=points.index)], axis=1)


def _objective_table(history: History) -> str:
    gains = report.gains(history)
    rows = [
        (str(t), report.number(float(value), 6), report.signed(float(gains[t]), 6) if t else "")
        for t, value in enumerate(history.objective)
    ]
    name = history.model.objective_name
    return table(f"{name} by iteration", ["Iteration", name, "Gain"], rows)


def _css(component: int) -> str:
    return style.COMPONENT_COLOURS[component]
