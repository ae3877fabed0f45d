"""The sheet: an E-step and the M-step after it for a few points, a cell for every number.

Hovering or focusing a cell lights the cells that it is computed from, and their points. Points and responsibilities
can be edited in place.
"""

from __future__ import annotations

import re
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any

import streamlit as st

from emcore import report, worked
from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures import style
from emcore.scene import mix
from emcore.worked import SHEET_ROWS, Sheet, on_points
from pages.parts import settings as choices
from pages.parts.cards import shown
from pages.parts.controls import Session, put
from pages.parts.settings import Rows

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "emlab.sheet",
    html='<div class="sheet" role="group" aria-label="Sheet"><div data-part="body"></div></div>',
    css=(_HERE / "sheet.css").read_text(encoding="utf-8"),
    js=(_HERE / "sheet.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
CONSTRAINED = {
    "diag": ", and then what lies off the diagonal is set to 0",
    "spherical": ", and then both variances are replaced by their mean",
}
TERMS = 4  # of a sum, that are written out
MIDDLE = 0.5  # where points on a line lie across it, in the small picture
WIDTH, LINE_HEIGHT, PLANE_HEIGHT = 240, 44, 160


def experiment_of(visit: Session, experiment: Experiment, part: Experiment) -> Experiment:
    """The run on the sheet's points: those that were edited, the data if they are few, else a part of them."""
    points = visit.values["points"]
    if points:
        return on_points(experiment, points)
    if len(experiment.dataset().X) <= SHEET_ROWS:
        return experiment
    return on_points(experiment, part.dataset().X)


def edits_at(visit: Session, iteration: int, sheet_shape: tuple[int, int]) -> dict[tuple[int, int], float]:
    """The responsibilities that were set by hand at an iteration, by row and component from 0."""
    n_samples, n_components = sheet_shape
    if n_components == 1:  # there is nothing to share out
        return {}
    return {
        (int(row) - 1, int(component) - 1): value
        for at, row, component, value in visit.values["given"]
        if at == iteration and row <= n_samples and component <= n_components
    }


def buttons(visit: Session, X: Rows) -> None:
    """Add and remove points, take everything back, and the example that can be checked on paper."""
    with st.container(horizontal=True):
        st.button(
            "Three points, by hand",
            on_click=_three_points,
            disabled=visit.values["preset"] == "tiny" and not visit.values["points"],
            help="The numbers 1, 2 and 3, begun at means 1 and 3, variances 1 and weights 1/2.",
        )
        st.button("Add a point", on_click=put, kwargs={"points": (*X, X[-1])}, disabled=len(X) >= SHEET_ROWS)
        st.button("Remove the last point", on_click=put, kwargs={"points": X[:-1]}, disabled=len(X) <= 2)
        st.button(
            "Undo all edits",
            on_click=put,
            kwargs={"points": (), "given": ()},
            disabled=not (visit.values["points"] or visit.values["given"]),
        )


def _three_points() -> None:
    put(data="preset", preset="tiny", points=(), given=(), **choices.setup("tiny"))


def show(visit: Session, made: Sheet, history: History, iteration: int, axes: tuple[str, ...]) -> None:
    """The sheet itself. What is edited goes into the link, and the page is drawn again."""
    result = _component(
        key="sheet",
        data={
            "html": html(made, axes, iteration),
            "inputs": {cell: list(names) for cell, names in made.inputs.items()},
            "points": {cell: list(made.points_of(cell)) for cell in made.inputs},
            "titles": titles(made),
        },
        on_edit_change=_nothing,
    )
    edit = result.get("edit")
    if edit:
        _take(visit, edit, made, iteration)
    high = int(made.densities.argmax())
    whose = f"p(x) at point {high + 1}"
    st.markdown(worked.about_densities(float(made.densities[high]), whose, axes))
    st.markdown(worked.about_log_likelihood(made.log_likelihood, axes))
    values = [report.objective_text(history, t) for t in range(min(history.n_iterations + 1, 12))]
    more = " ..." if history.n_iterations >= len(values) else ""
    st.caption(f"Log-likelihood by iteration: {'; '.join(values)}{more}")


def _take(visit: Session, edit: Any, made: Sheet, iteration: int) -> None:
    """Put an edited cell into the settings, if it is one and legal; else say why not."""
    read = read_edit(edit, made)
    if read is None:
        return
    kind, row, column, value = read
    try:
        if kind == "x":
            rows = [list(point) for point in made.X.tolist()]
            rows[row][column] = value
            points = tuple(map(tuple, rows))
            choices.check_points(points)
            visit.pending = {"points": points}
        else:
            worked.with_responsibility(made.responsibilities, row, column, value)  # or it says why it cannot be
            kept = tuple(one for one in visit.values["given"] if one[:3] != (iteration, row + 1, column + 1))
            given = (*kept, (float(iteration), float(row + 1), float(column + 1), value))
            choices.check_given(given)
            visit.pending = {"given": given}
    except ValueError as error:
        st.error(f"In the sheet, {error}. It shows the last numbers that were legal.")
        return
    st.rerun()


def read_edit(edit: Any, made: Sheet) -> tuple[str, int, int, float] | None:
    """What the browser says was edited: "x" or "r", the row, the column or component, and the number; None if that
    cannot be."""
    if not isinstance(edit, dict) or not all(isinstance(edit.get(name), str) for name in ("cell", "text")):
        return None
    cell = re.fullmatch(r"([xr]) (\d{1,2}) (\d{1,2})", edit["cell"], re.ASCII)
    try:
        value = float(edit["text"].strip().replace(",", ".").replace(report.MINUS, "-"))
    except ValueError:
        return None
    if cell is None or not isfinite(value):
        return None
    kind, row, column = cell[1], int(cell[2]), int(cell[3])
    shape = made.X.shape if kind == "x" else made.responsibilities.shape
    return (kind, row, column, value) if row < shape[0] and column < shape[1] else None


def html(made: Sheet, axes: tuple[str, ...], iteration: int) -> str:
    """The table: a row for each point, sums below them, and the M-step's cells below the sums."""
    n_components, d = made.responsibilities.shape[1], made.X.shape[1]
    components = range(n_components)
    keys = [f'<span class="em-key" style="background: {style.COMPONENT_COLOURS[k]}"></span>' for k in components]
    names = [escape(style.short(axis, 14)) for axis in axes]
    head = (
        f'<tr><td></td><th scope="colgroup" colspan="{d}">Point</th>'
        f'<th scope="colgroup" colspan="{n_components}">Weight × density</th><th scope="col">Sum, p(x)</th>'
        f'<th scope="col">ln p(x)</th><th scope="colgroup" colspan="{n_components}">Responsibility</th></tr>'
        '<tr><th scope="col">n</th>'
        + "".join(f'<th scope="col">{name}</th>' for name in names)
        + "".join(f'<th scope="col">{keys[k]}{k + 1}</th>' for k in components)
        + "<td></td><td></td>"
        + "".join(f'<th scope="col">{keys[k]}{k + 1}</th>' for k in components)
        + "</tr>"
    )
    body = []
    for n, point in enumerate(made.X.tolist()):
        cells = [
            _input(f"x {n} {j}", f"x {n}", value, f"{names[j]} of point {n + 1}", names[j])
            for j, value in enumerate(point)
        ]
        cells += [_cell(f"p {n} {k}", float(made.products[n, k]), f"{_of('π', k)} × density") for k in components]
        cells.append(_cell(f"s {n}", float(made.densities[n]), "p(x)"))
        cells.append(_cell(f"l {n}", float(made.log_densities[n]), "ln p(x)", 4))
        cells += [
            _input(
                f"r {n} {k}",
                f"r {n} {k}",
                float(made.responsibilities[n, k]),
                f"Responsibility of component {k + 1} for point {n + 1}",
                _of("γ", k),
                edited=bool(made.edited[n]),
            )
            for k in components
        ]
        body.append(f'<tr><th scope="row" data-row="{n}">{n + 1}</th>{"".join(cells)}</tr>')
    sums = (
        f'<tr class="sheet-sums"><th scope="row" colspan="{1 + d + n_components + 1}">Sums</th>'
        + _cell("L", made.log_likelihood, "Log-likelihood", 4)
        + "".join(_cell(f"N {k}", float(made.counts[k]), _of("N", k)) for k in components)
        + "</tr>"
    )
    table = (
        '<div class="em-scroll"><table class="em-table sheet-table sheet-rows"><caption>E-step at iteration '
        f"{iteration}, and the M-step after it</caption><thead>{head}</thead><tbody>{''.join(body)}{sums}</tbody>"
        "</table></div>"
    )
    said = (
        '<p class="sheet-said" data-part="said" role="status" aria-live="polite" data-hint="Rest on a cell, or move to '
        'it, to see what it is computed from."></p>'
    )
    return f'<div class="sheet-top">{_picture(made)}{_before(made)}</div>{table}{_after(made)}{said}'


def _input(name: str, cell: str, value: float, label: str, short: str, *, edited: bool = False) -> str:
    """A cell that can be edited. `short` stands above it where the table is too narrow for its head."""
    mark = ' data-edited="true"' if edited else ""
    text = f"{value:.6g}" if name.startswith("x") else f"{value:.4g}"
    return (
        f'<td data-cell="{cell}" data-label="{short}"{mark}><input data-edit="{name}" value="{text}" '
        f'inputmode="decimal" aria-label="{escape(label)}" autocomplete="off"></td>'
    )


def _cell(name: str, value: float, short: str, digits: int | None = None) -> str:
    text = shown(value) if digits is None else report.number(value, digits)
    return f'<td data-cell="{name}" data-label="{short}" tabindex="0">{text}</td>'


def _of(letter: str, k: int) -> str:
    """A letter with a component's number, or a point's, below it."""
    return f"{letter}{str(k + 1).translate(LOWERED)}"


def _columns(made: Sheet, after: bool, k: int) -> list[tuple[str, str]]:
    """Weight, mean and covariance of a component, each with the name of its cell."""
    theta = made.fitted if after else made.parameters
    names = (f"w {k}", f"m {k}", f"v {k}") if after else (f"t {k}",) * 3
    if theta is None:
        return [(name, "\N{EN DASH}") for name in names]
    mean, covariance = theta.means[k].tolist(), theta.covariances[k].tolist()
    if len(mean) == 1:
        return list(zip(names, (shown(float(theta.weights[k])), shown(mean[0]), shown(covariance[0][0])), strict=True))
    spread = f"({shown(covariance[0][0])}, {shown(covariance[0][1])}; {shown(covariance[1][1])})"
    return list(zip(names, (shown(float(theta.weights[k])), f"({', '.join(map(shown, mean))})", spread), strict=True))


def _parameters(made: Sheet, after: bool, caption: str) -> str:
    one = made.X.shape[1] == 1
    header = ["π", "μ", "σ²" if one else "Σ (xx, xy; yy)"]
    if after:
        spread = " = Σₙ γ (x − μ)² / Nₖ" if one and made.covariance_type != "tied" else ""
        header = ["π = Nₖ / N", "μ = Σₙ γ x / Nₖ", header[2] + spread]
    rows = "".join(
        f'<tr><th scope="row"><span class="em-key" style="background: {style.COMPONENT_COLOURS[k]}"></span>{k + 1}</th>'
        + "".join(f'<td data-cell="{name}" tabindex="0">{text}</td>' for name, text in _columns(made, after, k))
        + "</tr>"
        for k in range(made.responsibilities.shape[1])
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in header)
    return (
        f'<div class="em-scroll"><table class="em-table sheet-table"><caption>{caption}</caption><thead><tr><td></td>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _before(made: Sheet) -> str:
    return _parameters(made, False, "Parameters before")


def _after(made: Sheet) -> str:
    rises = (
        ""
        if made.log_likelihood_after is None
        else f'<table class="em-table sheet-table sheet-end"><tbody><tr><th scope="row">Log-likelihood after it</th>'
        f"{_cell('L+', made.log_likelihood_after, '', 4)}</tr></tbody></table>"
    )
    return _parameters(made, True, "M-step: parameters after") + rises


def _picture(made: Sheet) -> str:
    """The points and the means before the step, small: what a cell depends on lights up."""
    d = made.X.shape[1]
    height = LINE_HEIGHT if d == 1 else PLANE_HEIGHT

    def at(place: list[float]) -> tuple[float, float]:
        return place[0] * WIDTH, (1 - (place[1] if d == 2 else MIDDLE)) * height

    def colour(k: int) -> str:
        return style.COMPONENT_COLOURS[k]

    crosses = []
    for k, place in enumerate(made.mean_places.tolist()):
        x, y = at(place)
        crosses.append(f'<path transform="translate({x:.1f} {y:.1f})" d="M-9-9L9 9M-9 9L9-9" stroke="{colour(k)}"/>')
    dots = []
    colours = mix(made.responsibilities, style.palette(made.responsibilities.shape[1])).tolist()
    for n, (place, rgb) in enumerate(zip(made.places.tolist(), colours, strict=True)):
        x, y = at(place)
        fill = f"rgb({', '.join(map(str, rgb))})"
        dots.append(f'<circle data-point="{n}" cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}"/>')
    axis = f'<path class="sheet-axis" d="M0 {height / 2}H{WIDTH}"/>' if d == 1 else ""
    return (
        f'<svg class="sheet-picture" viewBox="-8 -8 {WIDTH + 16} {height + 16}" role="img" aria-label="The points, in '
        f'the mixed colours of their responsibilities, and crosses on the means">'
        f"{axis}{''.join(crosses)}{''.join(dots)}</svg>"
    )


def titles(made: Sheet) -> dict[str, str]:
    """What each cell is, as a formula and in its numbers, for the line below the sheet."""
    n_samples, d = made.X.shape
    rows, components = range(n_samples), range(made.responsibilities.shape[1])
    gamma, products, logs = made.responsibilities, made.products, made.log_densities
    found = {
        "L": f"Log-likelihood: the sum of all ln p(x) = {_sum([report.number(float(one), 4) for one in logs])} = "
        f"{report.number(made.log_likelihood, 4)}",
        "L+": "Log-likelihood of the parameters after the M-step: an E-step with them gives it",
    }
    for n in rows:
        name, density = _of("x", n), shown(float(made.densities[n]))
        found[f"x {n}"] = f"Point {n + 1}, {name}: can be edited"
        found[f"s {n}"] = (
            f"p({name}), the sum of weight × density = {_sum([shown(one) for one in products[n]])} = {density}"
        )
        found[f"l {n}"] = f"ln p({name}) = ln {density} = {report.number(float(logs[n]), 4)}, in nats"
        for k in components:
            weight, own = shown(float(made.parameters.weights[k])), shown(float(made.component_densities[n, k]))
            product, share = shown(float(products[n, k])), shown(float(gamma[n, k]))
            parameters = f"{_of('μ', k)}, {_of('σ', k) + '²' if d == 1 else _of('Σ', k)}"
            found[f"p {n} {k}"] = f"{_of('π', k)} × 𝒩({name} | {parameters}) = {weight} × {own} = {product}"
            found[f"r {n} {k}"] = (
                f"Responsibility, edited: the others of row {n + 1} keep their ratio, and the row sums to 1"
                if made.edited[n]
                else f"Responsibility of component {k + 1} for point {n + 1} = weight × density / sum = {product} / "
                f"{density} = {share}: can be edited"
            )
    for k in components:
        count = shown(float(made.counts[k]))
        found[f"t {k}"] = (
            f"Component {k + 1} before the step: weight, mean and {'variance' if d == 1 else 'covariance'}"
        )
        found[f"N {k}"] = (
            f"{_of('N', k)}, the sum of the responsibilities = {_sum(list(map(shown, gamma[:, k])))} = {count}"
        )
        names = {"w": _of("π", k), "m": _of("μ", k), "v": _of("σ", k) + "²" if d == 1 else _of("Σ", k)}
        if made.fitted is None:
            found |= {f"{kind} {k}": f"{name}: the M-step has no result" for kind, name in names.items()}
            continue
        mean, variance = made.fitted.means[k], made.fitted.covariances[k]
        found[f"w {k}"] = f"{names['w']} = {_of('N', k)} / N = {count} / {n_samples} = {shown(made.fitted.weights[k])}"
        sums = [_sum([f"{shown(gamma[n, k])} × {_bracketed(made.X[n, j])}" for n in rows]) for j in range(d)]
        averages = [f"({terms}) / {count} = {shown(mean[j])}" for j, terms in enumerate(sums)]
        found[f"m {k}"] = f"{names['m']} = sum of responsibility × point / {_of('N', k)} = {'; '.join(averages)}"
        squares = _sum([f"{shown(gamma[n, k])} × ({shown(made.X[n, 0])} − {_bracketed(mean[0])})²" for n in rows])
        if made.covariance_type == "tied":
            text = "one for all components: the average of their own, weighted by their counts"
        elif d == 1:
            text = f"sum of responsibility × (point − new mean)² / {_of('N', k)} = ({squares}) / {count} = " + shown(
                variance[0, 0]
            )
        else:
            text = f"sum of responsibility × (point − new mean)(point − new mean)ᵀ / {_of('N', k)}" + CONSTRAINED.get(
                made.covariance_type, ""
            )
        found[f"v {k}"] = f"{names['v']}: {text}"
    return found


def _sum(terms: list[str]) -> str:
    """A sum of written terms; of a long one the first and the last."""
    if len(terms) > TERMS:
        terms = [*terms[: TERMS - 1], "…", terms[-1]]
    return " + ".join(terms).replace(f"+ {report.MINUS}", f"{report.MINUS} ")


def _bracketed(value: float) -> str:
    """A number behind a sign: a negative one in brackets."""
    return f"({shown(value)})" if value < 0 else shown(value)


def _nothing() -> None:
    """Streamlit wants a callback for each value that a component may send."""
