"""One half-step as formulas with their numbers beside them, in the components' colours. No sums: they are emcore's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emcore import report, worked
from emcore.figures import style
from emcore.models import GaussianMixtureParameters
from emcore.worked import Average, Bayes, Handover
from pages.parts import outcome

# In a formula a component's colour is mixed with that of the text: legible on light ground and on dark.
INKS = [  # KaTeX writes a colour on every symbol, also on those within others
    (colour, f'.katex [style*="rgb({", ".join(map(str, style.rgb(colour).tolist()))})"]')
    for colour in style.COMPONENT_COLOURS
]
INK = "\n".join(
    f"{chosen} {{ color: color-mix(in srgb, {colour} 65%, currentcolor) !important; }}\n"
    f"{chosen} {chosen.removeprefix('.katex ')} {{ color: inherit !important; }}"
    for colour, chosen in INKS
)
CSS = f"""
<style>
{INK}
:is(.st-key-density-formulas, .st-key-step-formulas, .st-key-fit-formulas) .katex {{ font-size: 1.05em; }}
:is(.st-key-density-formulas, .st-key-step-formulas, .st-key-fit-formulas, .st-key-label-formulas) .katex-display {{
  overflow-x: auto; overflow-y: hidden; padding: 0.2rem 3px 0.2rem 0; text-align: left; }}
:is(.st-key-density-formulas, .st-key-step-formulas, .st-key-fit-formulas, .st-key-label-formulas)
  .katex-display > .katex {{ text-align: left; }}
.st-key-hand-over .player-text [data-part="text"] {{ display: none; }}
:is(.st-key-step-tables, .st-key-density-tables) .em-table th {{ white-space: normal; vertical-align: bottom; }}
.em-matrix {{ display: inline-grid; grid-template-columns: auto auto; gap: 0 0.6rem; }}
@media (max-width: 1200px) {{
  :is(.st-key-label-formulas, .st-key-card) [data-testid="stColumn"] {{ min-width: 100%; }}
}}
@media (max-width: 480px) {{
  :is(.st-key-step-tables, .st-key-density-tables, .st-key-fit-tables, .st-key-hand-over) .em-table :is(td, th) {{
    padding-inline: 0.15rem; font-size: 0.8rem; }}
  :is(.st-key-density-formulas, .st-key-step-formulas) .katex {{ font-size: 0.95em; }}
  .st-key-part button {{ padding-inline: 0.35rem; }}
}}
</style>
"""
PROJECTOR = """
<style>
:is(.st-key-density-formulas, .st-key-step-formulas, .st-key-fit-formulas, .st-key-label-formulas) .katex {
  font-size: 1.3em; }
.em-table, .sheet, .sheet-table { font-size: 1.15rem; }
</style>
"""
TERMS, TERMS_A_LINE = 5, 3  # of a long sum: those that are written out
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NEW_ROW = r" \\ "
SIGMA, GAMMA = r"\sigma", r"\gamma"  # f-strings hold no backslash within their braces
SYMBOLS = {
    "x_n": "$x_n$ point $n$",
    "x": "$x$ the chosen place",
    "z_n": "$z_n$ the label of point $n$: the component that made it",
    "pi": r"$\pi_k$ the weight of component $k$",
    "mu": r"$\mu_k$ its mean",
    "spread": "{spread}",
    "normal": r"$\mathcal{{N}}(x \mid \mu_k, {symbol})$ its density at $x$",
    "distance": r"$\Delta_k$ the distance of $x$ from its mean in standard deviations{mahalanobis}",
    "p": "$p(x)$ the density of the mixture at $x$, summed over all components",
    "gamma": r"$\gamma(z_k)$ the responsibility of component $k$, $p(z = k \mid x)$",
    "gamma_n": r"$\gamma(z_{{nk}})$ the responsibility of component $k$ for point $n$, $p(z_n = k \mid x_n)$",
    "ln": r"$\ln$ the natural logarithm",
    "a": r"$a_k$ the logarithm of weight × density, $a_{{\max}}$ the largest of them",
    "count": "$N_k$ the points that component $k$ takes, a sum of responsibilities",
    "counted": "$N_k$ the points of component $k$, counted or as a sum of responsibilities",
    "N": "$N$ the number of points",
    "new": r"$\text{{new}}$: after the M-step",
    "T": r"$\mathsf T$ the transpose: a column becomes a row",
}
SPREAD = {1: r"$\sigma_k$ its standard deviation, $\sigma_k^2$ its variance", 2: r"$\Sigma_k$ its covariance matrix"}
LEGENDS = {
    "labels": ("x_n", "z_n", "N", "counted", "pi", "mu", "spread", "gamma_n", "T"),
    "e-step": ("x", "pi", "mu", "spread", "normal", "distance", "T", "p", "gamma"),
    "logs": ("x", "pi", "mu", "spread", "normal", "distance", "T", "ln", "a", "p", "gamma"),
    "m-step": ("x_n", "N", "gamma_n", "count", "pi", "mu", "spread", "new", "T"),
    "sheet": ("x_n", "N", "pi", "mu", "spread", "ln", "gamma_n", "count", "T"),
}


def tex(value: float, digits: int = 4) -> str:
    """A number in a formula, to so many significant digits."""
    if not np.isfinite(value):
        return r"\text{undefined}"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return mantissa + (rf"\times 10^{{{int(exponent)}}}" if exponent else "")


def shown(value: float, digits: int = 4) -> str:
    """The same number in a table or a sentence."""
    if not np.isfinite(value):
        return "undefined"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    power = f" × 10{str(int(exponent)).translate(RAISED)}" if exponent else ""
    return mantissa.replace("-", report.MINUS) + power


def coloured(component: int, formula: str) -> str:
    """A part of a formula in the component's colour."""
    return rf"\textcolor{{{style.COMPONENT_COLOURS[component]}}}{{{formula}}}"


def symbols(part: str, n_features: int) -> None:
    """What the letters of a part of the page mean, those that occur there."""
    one = n_features == 1
    spread = SPREAD[n_features]
    mahalanobis = "" if one else r", $|\Sigma_k|$ the determinant of its covariance matrix"
    words = [
        SYMBOLS[name].format(spread=spread, symbol=r"\sigma_k^2" if one else r"\Sigma_k", mahalanobis=mahalanobis)
        for name in LEGENDS[part]
        if not (one and name == "T")
    ]
    st.caption("; ".join(words) + ". Notation: Bishop (2006), chapter 9.")


def _gaussian(component: str, n_features: int) -> str:
    spread = rf"\sigma_{{{component}}}^2" if n_features == 1 else rf"\Sigma_{{{component}}}"
    return rf"\mathcal{{N}}(x \mid \mu_{{{component}}}, {spread})"


def _sum_of(terms: Sequence[str]) -> str:
    """Terms with plus signs between them, a few on each line of an aligned formula."""
    lines = [" + ".join(terms[i : i + TERMS_A_LINE]) for i in range(0, len(terms), TERMS_A_LINE)]
    return r" \\ &\quad + ".join(lines)


def density_formulas(made: Bayes, logs: bool) -> None:
    """The Gaussian density of each component at the place, in symbols and in numbers."""
    one = len(made.x) == 1
    name, distance = _gaussian("k", len(made.x)), r"\tfrac{1}{2} \Delta_k^2"
    spread = r"\sigma_k" if one else r"|\Sigma_k|^{1/2}"
    constant = r"\sqrt{2\pi}" if one else r"2\pi"
    lines = [
        r"\Delta_k &= \frac{x - \mu_k}{\sigma_k} \\[0.6em]"
        if one
        else r"\Delta_k^2 &= (x - \mu_k)^{\mathsf T}\, \Sigma_k^{-1} (x - \mu_k) \\[0.6em]",
        rf"\ln \mathcal{{N}}_k &= -{distance} - \ln {constant} - \ln {spread} \\[0.6em]"
        if logs
        else rf"{name} &= \frac{{1}}{{{constant}\, {spread}}}\, e^{{-{distance}}} \\[1em]",
    ]
    for k, squared in enumerate(made.squared_distances.tolist()):
        own = coloured(k, rf"\mathcal{{N}}_{{{k + 1}}}")
        half = f"{tex(squared)} / 2"
        if logs:
            value = coloured(k, tex(float(made.log_densities[k])))
            log_constant = tex(worked.log_constant(len(made.x)))
            log_spread = tex(float(made.log_spreads[k]))
            log_spread = f"({log_spread})" if log_spread.startswith("-") else log_spread
            lines.append(rf"\ln {own} &= -{half} - {log_constant} - {log_spread} = {value} \\[0.4em]")
        else:
            value, width = coloured(k, tex(float(made.densities[k]))), tex(float(made.spreads[k]))
            lines.append(rf"{own} &= \frac{{1}}{{{constant} \times {width}}}\, e^{{-{half}}} = {value} \\[0.9em]")
    st.latex(_aligned(lines))


def density_table(made: Bayes) -> None:
    """The parameters of each component, how far the place is from its mean, and how wide it is."""
    one = len(made.x) == 1
    rows = []
    for k in range(len(made.weights)):
        squared, width = (shown(float(values[k])) for values in (made.squared_distances, made.spreads))
        mean = "<br>".join(shown(value) for value in made.means[k].tolist())
        spread = [width] if one else [_matrix_cell(made.covariances[k]), width]
        rows.append((outcome.component_key(k), mean, *spread, squared))
    header = ["k", "Mean μ", "SD σ", "Δ²"] if one else ["k", "Mean μ", "Covariance Σ", "√|Σ|", "Δ²"]
    st.html(outcome.table("The components, and how far they are", header, rows))


def _matrix_cell(covariance: NDArray[np.float64]) -> str:
    """Two rows of two numbers in a table's cell."""
    cells = "".join(f"<span>{shown(value)}</span>" for value in covariance.ravel().tolist())
    return f'<span class="em-matrix">{cells}</span>'


def bayes_formulas(made: Bayes) -> None:
    """Bayes' rule in symbols, and below each line the same line in numbers."""
    products = [coloured(k, tex(value)) for k, value in enumerate(made.products.tolist())]
    d = len(made.x)
    lines = [
        rf"p(x) &= \sum_k \pi_k\, {_gaussian('k', d)}",
        rf"&= {_sum_of(products)}",
        rf"&= {tex(made.density)} \\[0.6em]",
        rf"\gamma(z_k) &= \frac{{\pi_k\, {_gaussian('k', d)}}}{{p(x)}} \\[1.2em]",
    ]
    lines += _ratios(products, tex(made.density), made.responsibilities)
    st.latex(_aligned(lines))


def _ratios(above: Sequence[str], below: str, shares: NDArray[np.float64]) -> list[str]:
    """A line for each component: product / sum = responsibility."""
    return [
        rf"{coloured(k, rf'{GAMMA}(z_{{{k + 1}}})')} &= \frac{{{product}}}{{{below}}} = {coloured(k, tex(share))} "
        r"\\[1em]"
        for k, (product, share) in enumerate(zip(above, shares.tolist(), strict=True))
    ]


def log_formulas(made: Bayes) -> None:
    """The same in logarithms, as a program computes it."""
    total = tex(float(made.scaled.sum()))
    lines = [
        rf"a_k &= \ln \pi_k + \ln {_gaussian('k', len(made.x))}",
        rf"a_{{\max}} &= {tex(made.largest)} \\[0.6em]",
        r"\ln p(x) &= a_{\max} + \ln \sum_k e^{a_k - a_{\max}}",
        rf"&= {tex(made.largest)} + \ln {total} = {tex(made.log_density)} \\[0.6em]",
        r"\gamma(z_k) &= \frac{e^{a_k - a_{\max}}}{\sum_j e^{a_j - a_{\max}}} \\[1.2em]",
    ]
    powers = [coloured(k, tex(value)) for k, value in enumerate(made.scaled.tolist())]
    st.latex(_aligned(lines + _ratios(powers, total, made.responsibilities)))


def _aligned(lines: Sequence[str]) -> str:
    body = " ".join(line if line.endswith("]") else line + r" \\" for line in lines)
    return rf"\begin{{aligned}} {body} \end{{aligned}}"


def bayes_table(made: Bayes, logs: bool) -> None:
    """A row for each component: weight, density, product, responsibility; with `logs` the logarithms and powers."""
    rows = []
    for k, share in enumerate(made.responsibilities.tolist()):
        bar = f'<span class="em-bar" style="width: {share:.2%}; background: {style.COMPONENT_COLOURS[k]}"></span>'
        middle = (
            (made.log_weights[k], made.log_densities[k], made.log_products[k], made.scaled[k])
            if logs
            else (made.weights[k], made.densities[k], made.products[k])
        )
        rows.append((outcome.component_key(k), *(shown(float(value)) for value in middle), f"{shown(share)}{bar}"))
    total = ("", "", "", shown(float(made.scaled.sum()))) if logs else (shown(1.0), "", shown(made.density))
    rows.append(("<strong>Sum</strong>", *total, shown(1.0)))
    header = ["k", "ln π", "ln 𝒩", "aₖ", "exp(aₖ − max)"] if logs else ["k", "Weight", "Density", "Weight × density"]
    st.html(outcome.table("Bayes' rule in numbers", [*header, "Responsibility"], rows))


def fit_formulas(made: Average) -> None:
    """The M-step of one component: a count and two averages, in symbols and in numbers."""
    k, d, n = made.component, len(made.mean), len(made.X)
    index = k + 1
    short = worked.shortened(made.responsibilities, TERMS)
    terms = [tex(value) for value in short.terms]
    if short.n_others:
        terms.append(rf"\underbrace{{{tex(short.others)}}}_{{{short.n_others:,}\text{{ others}}}}")
    count, total = coloured(k, f"N_{{{index}}}"), tex(made.count)
    gamma = rf"\gamma(z_{{n{index}}})"
    new = r"^{\text{new}}"
    weight, mean = (coloured(k, rf"\{name}_{{{index}}}{new}") for name in ("pi", "mu"))
    spread = coloured(k, rf"(\sigma_{{{index}}}{new})^2" if d == 1 else rf"\Sigma_{{{index}}}{new}")
    offset = rf"(x_n - \mu_{{{index}}}{new})"
    lines = [
        rf"{count} &= \sum_n {gamma}",
        rf"&= {_sum_of(terms)}",
        rf"&= {coloured(k, total)} \\[0.6em]",
        rf"{weight} &= \frac{{N_{{{index}}}}}{{N}} = \frac{{{total}}}{{{n}}} = "
        rf"{coloured(k, tex(made.weight))} \\[0.6em]",
        rf"{mean} &= \frac{{1}}{{N_{{{index}}}}} \sum_n {gamma}\, x_n",
        rf"&= {_divided(_vector(made.mean_sums), total, d)} = {coloured(k, _vector(made.mean))} \\[0.6em]",
    ]
    if d == 1:
        lines += [
            rf"{spread} &= \frac{{1}}{{N_{{{index}}}}} \sum_n {gamma}\, {offset}^2",
            rf"&= \frac{{{tex(float(made.scatter[0, 0]))}}}{{{total}}} = "
            rf"{coloured(k, tex(float(made.own_covariance[0, 0])))} \\[0.6em]",
            rf"{coloured(k, rf'{SIGMA}_{{{index}}}{new}')} &= \sqrt{{{tex(float(made.own_covariance[0, 0]))}}} = "
            rf"{coloured(k, tex(float(made.own_sds[0])))}",
        ]
    else:
        lines += [
            rf"{spread} &= \frac{{1}}{{N_{{{index}}}}} \sum_n {gamma}\, {offset}{offset}^{{\mathsf T}}",
            rf"&= \frac{{1}}{{{total}}} {_matrix(made.scatter)}",
            rf"&= {coloured(k, _matrix(made.own_covariance))}",
        ]
    st.latex(_aligned(lines))


def constraint(made: Average, covariance_type: str) -> str:
    """What the covariance type makes of the weighted covariance, in a sentence; "" where it leaves it as it is."""
    if np.array_equal(made.covariance, made.own_covariance):
        return ""
    what = {
        "tied": "tied: the covariances of all components are averaged, weighted by their counts",
        "diag": "diagonal: what lies off the diagonal is set to 0",
        "spherical": "spherical: both variances are replaced by their mean",
    }[covariance_type]
    matrix = _matrix(made.covariance) if len(made.mean) > 1 else tex(float(made.covariance[0, 0]))
    return f"The covariance type is {what}. So the M-step takes ${matrix}$."


def _divided(above: str, below: str, n_features: int) -> str:
    return rf"\frac{{{above}}}{{{below}}}" if n_features == 1 else rf"\frac{{1}}{{{below}}} {above}"


def _vector(values: NDArray[np.float64]) -> str:
    if len(values) == 1:
        return tex(float(values[0]))
    column = NEW_ROW.join(tex(value) for value in values.tolist())
    return rf"\begin{{pmatrix}} {column} \end{{pmatrix}}"


def _matrix(values: NDArray[np.float64]) -> str:
    if values.size == 1:
        return tex(float(values[0, 0]))
    rows = NEW_ROW.join(" & ".join(tex(value) for value in row) for row in values.tolist())
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def terms_table(made: Average) -> None:
    """The points that count most in the component, and what the others add up to: for the mean, then for the
    covariance."""
    axes = ["x", "y"][: len(made.mean)]
    square = ["γ (x − μ)²"] if len(axes) == 1 else ["γ Δx²", "γ Δx Δy", "γ Δy²"]
    first, second = [], []
    for name, point, share, terms, squares in made.rows(TERMS):
        where = [shown(value) if np.isfinite(value) else "" for value in point.tolist()]
        title = f"<strong>{name}</strong>" if name == "Sum" else name
        first.append((title, *where, shown(share), *map(shown, terms.tolist())))
        second.append((title, *map(shown, squares.tolist())))
    header = ["Point", *axes, "γ", *(f"γ {name}" for name in axes)]
    st.html(outcome.table("The terms of N and of the mean, the largest first", header, first))
    from_mean = "" if len(axes) == 1 else ", with Δx and Δy measured from the new mean"
    st.html(
        outcome.table(
            f"The terms of the {'variance' if len(axes) == 1 else 'covariance'} for these points{from_mean}",
            ["Point", *square],
            second,
        )
    )


def change_table(before: GaussianMixtureParameters, after: GaussianMixtureParameters, component: int) -> None:
    """The component before the M-step and after it."""
    digits = report.decimals(after)
    new = after.columns()
    rows = []
    for name, values in before.columns().items():
        old, now = float(values[component]), float(new[name][component])
        places = 4 if name.startswith(("weight", "correlation")) else digits + 1
        title = (name[0].upper() + name[1:]).replace("Sd", "SD")
        rows.append((title, *(report.number(value, places) for value in (old, now)), report.signed(now - old, places)))
    st.html(outcome.table(f"Component {component + 1}", ["", "Before", "After", "Change"], rows))


def handover_table(steps: Handover, position: int, n_samples: int) -> None:
    """Counts and averages as they stand in one of the five pictures."""
    theta, counts = steps.parameters[position], steps.counts[position]
    known = next(parameters for parameters in steps.parameters if parameters is not None)
    names = list(known.columns())
    digits = report.decimals(known)
    rows = []
    for k in range(known.n_components):
        cells = ["?" if counts is None else report.number(float(counts[k]), 0 if position == 0 else 2)]
        for name in names:
            places = 3 if name.startswith(("weight", "correlation")) else digits
            cells.append("?" if theta is None else report.number(float(theta.columns()[name][k]), places))
        rows.append((outcome.component_key(k), *cells))
    header = ["", "Points" if position == 0 else "Points taken"]
    header += [(name[0].upper() + name[1:]).replace("Sd", "SD") for name in names]
    st.html(outcome.table(f"{steps.labels[position]}: {n_samples:,} points", header, rows))


def label_formulas(n_features: int) -> None:
    """The same three formulas with labels and without: a sum over some points becomes a weighted sum over all."""
    spread = r"\sigma_k^2" if n_features == 1 else r"\Sigma_k"
    square = r"(x_n - \mu_k)^2" if n_features == 1 else r"(x_n - \mu_k)(x_n - \mu_k)^{\mathsf T}"
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**With labels: counts and averages**")
        st.latex(
            _aligned(
                [
                    r"N_k &= \text{number of points with } z_n = k \\[0.5em]",
                    r"\pi_k &= N_k / N \\[0.5em]",
                    r"\mu_k &= \frac{1}{N_k} \sum_{n:\, z_n = k} x_n \\[0.5em]",
                    rf"{spread} &= \frac{{1}}{{N_k}} \sum_{{n:\, z_n = k}} {square}",
                ]
            )
        )
    with right:
        st.markdown("**Without: responsibilities in their place**")
        st.latex(
            _aligned(
                [
                    r"N_k &= \sum_n \gamma(z_{nk}) \\[0.5em]",
                    r"\pi_k &= N_k / N \\[0.5em]",
                    r"\mu_k &= \frac{1}{N_k} \sum_n \gamma(z_{nk})\, x_n \\[0.5em]",
                    rf"{spread} &= \frac{{1}}{{N_k}} \sum_n \gamma(z_{{nk}})\, {square}",
                ]
            )
        )
