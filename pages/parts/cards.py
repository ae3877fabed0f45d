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

CSS = """
<style>
.st-key-step-formulas .katex, .st-key-fit-formulas .katex { font-size: 1.05em; }
.st-key-step-formulas .katex-display, .st-key-fit-formulas .katex-display, .st-key-label-formulas .katex-display {
  overflow-x: auto; overflow-y: hidden; padding: 0.2rem 0; text-align: left; }
.st-key-step-formulas .katex-display > .katex, .st-key-fit-formulas .katex-display > .katex,
.st-key-label-formulas .katex-display > .katex { text-align: left; }
.st-key-hand-over .player-text [data-part="text"] { display: none; }
.st-key-step-tables .em-table th { white-space: normal; }
@media (max-width: 1200px) { .st-key-label-formulas [data-testid="stColumn"] { min-width: 100%; } }
@media (max-width: 480px) { .st-key-step-tables .em-table :is(td, th), .st-key-fit-tables .em-table :is(td, th) {
  padding-inline: 0.2rem; font-size: 0.85rem; } }
@media (max-width: 480px) { .st-key-part button { padding-inline: 0.35rem; } }
</style>
"""
TERMS_A_LINE = 3
NEW_ROW = r" \\ "
SIGMA = r"\sigma"  # f-strings hold no backslash within their braces
SYMBOLS = (
    r"$\pi_k$ weight of component $k$; $\mu_k$ its mean; {spread}; $\mathcal{{N}}(x \mid \mu_k, {symbol})$ its "
    r"density at $x$; $\gamma(z_{{nk}})$ the responsibility of component $k$ for point $n$, $p(z_n = k \mid x_n)$; "
    r"$N_k$ the points that it takes, a sum of responsibilities; $N$ the number of points. Notation: Bishop (2006), "
    r"chapter 9."
)


def tex(value: float) -> str:
    """A number in a formula, to four significant digits."""
    if not np.isfinite(value):
        return r"\text{undefined}"
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    return mantissa + (rf"\times 10^{{{int(exponent)}}}" if exponent else "")


def shown(value: float) -> str:
    """The same number in a table."""
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    power = f" × 10<sup>{int(exponent)}</sup>" if exponent else ""
    return mantissa.replace("-", report.MINUS) + power.replace("-", report.MINUS)


def coloured(component: int, formula: str) -> str:
    """A part of a formula in the component's colour."""
    return rf"\textcolor{{{style.COMPONENT_COLOURS[component]}}}{{{formula}}}"


def symbols(n_features: int) -> None:
    """What the letters mean."""
    one = n_features == 1
    spread = (
        r"$\sigma_k$ its standard deviation, $\sigma_k^2$ its variance" if one else r"$\Sigma_k$ its covariance matrix"
    )
    st.caption(SYMBOLS.format(spread=spread, symbol=r"\sigma_k^2" if one else r"\Sigma_k"))


def _gaussian(component: str, n_features: int) -> str:
    spread = rf"\sigma_{{{component}}}^2" if n_features == 1 else rf"\Sigma_{{{component}}}"
    return rf"\mathcal{{N}}(x \mid \mu_{{{component}}}, {spread})"


def _sum_of(terms: Sequence[str]) -> str:
    """Terms with plus signs between them, a few on each line of an aligned formula."""
    lines = [" + ".join(terms[i : i + TERMS_A_LINE]) for i in range(0, len(terms), TERMS_A_LINE)]
    return r" \\ &\quad + ".join(lines)


def bayes_formulas(made: Bayes) -> None:
    """Bayes' rule in symbols, and below each line the same line in numbers."""
    products = [coloured(k, tex(value)) for k, value in enumerate(made.products.tolist())]
    d = len(made.x)
    lines = [
        rf"p(x) &= \sum_k \pi_k\, {_gaussian('k', d)}",
        rf"&= {_sum_of(products)}",
        rf"&= {tex(made.density)} \\[0.6em]",
        rf"\gamma(z_k) &= \frac{{\pi_k\, {_gaussian('k', d)}}}{{p(x)}} \\[0.6em]",
    ]
    for k, (product, share) in enumerate(zip(products, made.responsibilities.tolist(), strict=True)):
        ratio = rf"\frac{{{product}}}{{{tex(made.density)}}}"
        name = coloured(k, rf"\gamma(z_{{{k + 1}}})")
        lines.append(rf"{name} &= {ratio} = {coloured(k, tex(share))} \\[0.8em]")
    st.latex(_aligned(lines))


def log_formulas(made: Bayes) -> None:
    """The same in logarithms, as a program computes it."""
    lines = [
        rf"a_k &= \ln \pi_k + \ln {_gaussian('k', len(made.x))}",
        rf"a_{{\max}} &= {tex(made.largest)}",
        r"\ln p(x) &= a_{\max} + \ln \sum_k e^{a_k - a_{\max}}",
        rf"&= {tex(made.largest)} + \ln {tex(float(made.scaled.sum()))} = {tex(made.log_density)}",
        r"\gamma(z_k) &= \frac{e^{a_k - a_{\max}}}{\sum_j e^{a_j - a_{\max}}}",
    ]
    st.latex(_aligned(lines))


def _aligned(lines: Sequence[str]) -> str:
    body = " ".join(line if line.endswith("]") else line + r" \\" for line in lines)
    return rf"\begin{{aligned}} {body} \end{{aligned}}"


def bayes_table(made: Bayes, logs: bool) -> None:
    """A row for each component: weight, density, product, responsibility; with `logs` the logarithms and powers."""
    rows = []
    for k, share in enumerate(made.responsibilities.tolist()):
        bar = f'<span class="em-bar" style="width: {share:.2%}; background: {style.COMPONENT_COLOURS[k]}"></span>'
        middle = (
            (made.log_products[k], made.scaled[k]) if logs else (made.weights[k], made.densities[k], made.products[k])
        )
        rows.append((outcome.component_key(k), *(shown(float(value)) for value in middle), f"{shown(share)}{bar}"))
    total = ("", shown(float(made.scaled.sum()))) if logs else (shown(1.0), "", shown(made.density))
    rows.append(("<strong>Sum</strong>", *total, shown(1.0)))
    header = ["k", "aₖ", "exp(aₖ − max)"] if logs else ["k", "Weight", "Density", "Weight × density"]
    st.html(outcome.table("Bayes' rule in numbers", [*header, "Responsibility"], rows))


def fit_formulas(made: Average) -> None:
    """The M-step of one component: a count and two averages, in symbols and in numbers."""
    k, d, n = made.component, len(made.mean), len(made.X)
    index = k + 1
    short = worked.shortened(made.responsibilities, 3)
    terms = [tex(value) for value in short.terms]
    if short.n_others:
        terms.append(rf"\underbrace{{{tex(short.others)}}}_{{{short.n_others:,}\text{{ others}}}}")
    count, total = coloured(k, f"N_{{{index}}}"), tex(made.count)
    gamma = rf"\gamma(z_{{n{index}}})"
    weight, mean = (coloured(k, rf"\{name}_{{{index}}}") for name in ("pi", "mu"))
    spread = coloured(k, rf"\sigma_{{{index}}}^2" if d == 1 else rf"\Sigma_{{{index}}}")
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
            rf"{spread} &= \frac{{1}}{{N_{{{index}}}}} \sum_n {gamma}\, "
            rf"(x_n - \mu_{{{index}}})^2",
            rf"&= \frac{{{tex(float(made.scatter[0, 0]))}}}{{{total}}} = "
            rf"{coloured(k, tex(float(made.own_covariance[0, 0])))} \\[0.6em]",
            rf"{coloured(k, rf'{SIGMA}_{{{index}}}')} &= \sqrt{{{tex(float(made.own_covariance[0, 0]))}}} = "
            rf"{coloured(k, tex(float(made.own_sds[0])))}",
        ]
    else:
        lines += [
            rf"{spread} &= \frac{{1}}{{N_{{{index}}}}} \sum_n {gamma}\, "
            rf"(x_n - \mu_{{{index}}})(x_n - \mu_{{{index}}})^{{\mathsf T}}",
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
    """The points that count most in the component, and what the others add up to."""
    digits = 4
    rows = []
    for name, point, share, terms in made.rows():
        where = [report.number(value, 3) if np.isfinite(value) else "" for value in point.tolist()]
        cells = [*where, report.number(share, digits), *(report.number(value, 3) for value in terms.tolist())]
        rows.append((f"<strong>{name}</strong>" if name == "Sum" else name, *cells))
    names = ["x", "y"][: len(made.mean)]
    header = ["Point", *names, "γ", *(f"γ × {name}" for name in names)]
    st.html(outcome.table("The largest terms of each sum", header, rows))


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
