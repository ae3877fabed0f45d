"""The parts of the lesson on factor analysis: its settings, its derivation with numbers, its tables and its words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emcore import factors, report
from emcore.datasets import MAX_SAMPLES, Dataset
from emcore.em import History
from emcore.experiment import Experiment, OwnData, Source
from emcore.factors import BEGINNINGS, Derivation
from emcore.figures.factor_analysis import turned_figure
from emcore.figures.style import Look
from emcore.models import FactorAnalysisParameters
from emcore.report import number, signed
from emcore.sources.factors import EXAMPLES, Example, FactorData, FactorSource
from pages.parts import cards, controls, csv_table, outcome, story
from pages.parts import settings as choices
from pages.parts.cards import shown, tex
from pages.parts.controls import Session, put
from pages.parts.player import PlayerReport
from pages.parts.settings import Values
from pages.parts.story import Node
from pages.parts.text import plain

MOST_FACTORS = 3
MOST_COLUMNS = 12
TITLES = {name: example.title for name, example in EXAMPLES.items()} | {"own": "My own file"}
INSTEAD = "two-examiners"  # of a file that is not here
NOISES = {"own": "Each variable its own", "equal": "Equal: probabilistic PCA"}
SECTIONS = {"fit": "The fit", "derivation": "The derivation", "rotation": "Rotation", "pca": "Beside PCA"}
LARGEST_MATRIX = 5
AWAY = 5.0  # degrees from the principal axes: no rounding, and no run that was merely stopped early
CSS = """
<style>
.st-key-factor-formulas .katex { font-size: 1.03em; }
.st-key-factor-formulas .katex-display { overflow-x: auto; overflow-y: hidden; padding: 0.2rem 3px; margin: 0.3rem 0; }
.st-key-factor-formulas h4 { padding: 0.2rem 0; font-size: 1.1rem; }
.st-key-factor-tables .em-table thead th { white-space: normal; vertical-align: bottom; }
.st-key-intro .katex { font-size: 1.02em; }
@media (max-width: 1200px) {
  :is(.st-key-factor-tables, .st-key-factor-formulas) [data-testid="stColumn"] { min-width: 100%; } }
@media (max-width: 480px) {
  .st-key-factor-formulas .em-table :is(td, th) { padding-inline: 0.25rem; font-size: 0.85rem; }
  .st-key-section button { padding-inline: 0.35rem; }
}
</style>
"""


# ---- Choices ----------------------------------------------------------------------------------------------


def example_of(name: str) -> Example:
    """The example of this name; another stands in for a file."""
    return EXAMPLES.get(name, EXAMPLES[INSTEAD])


def _set_up(values: Values) -> Values:
    own, example = values["variables"] == "own", example_of(values["variables"])
    return {
        "factors": 1 if own else example.n_factors,
        "noise": "equal" if example.equal_noise and not own else "own",
        "start-seed": example.start_seed,
        "point": 1 if own else example.point,
        "max-iter": 300,
    }


def _misfits(values: Values) -> dict[str, str]:
    example = example_of(values["variables"])
    most = most_factors(len(example.axes))
    if values["variables"] != "own" and values["factors"] > most:
        p = len(example.axes)
        return {"factors": f"factors: {p} variables can have at most {most} of them, got {values['factors']}."}
    return {}


def _idle(values: Values) -> frozenset[str]:
    example, own = example_of(values["variables"]), values["variables"] == "own"
    return frozenset(
        (set() if example.random and not own else {"data-seed"})
        | (set() if len(example.axes) == 3 or own else {"turn"})
        | (set() if values["section"] == "rotation" else {"rotation"})
        | (set() if values["begin"] == "random" else {"start-seed"})
    )


def most_factors(n_features: int) -> int:
    """How many factors so many variables can have here."""
    return min(n_features - 1, MOST_FACTORS)


OFFER = choices.ModelOffer(
    own={
        "variables": choices.one_of(TITLES),
        "data-seed": choices.whole(0, choices.MAX_SEED),
        "factors": choices.whole(1, MOST_FACTORS),
        "noise": choices.one_of(NOISES),
        "begin": choices.one_of(BEGINNINGS),
        "section": choices.one_of(SECTIONS),
        "point": choices.whole(1, MAX_SAMPLES),
        "turn": choices.whole(0, 359),
        "rotation": choices.whole(0, 180),
        "springs": choices.flag(),
        "truth": choices.flag(),
    },
    usual={
        "variables": "two-examiners",
        "data-seed": 0,
        "begin": "random",
        "section": "fit",
        "turn": 310,
        "rotation": 45,
        "springs": True,
        "truth": False,
    },
    setup=_set_up,
    idle=_idle,
    misfits=_misfits,
)
PICTURE = story.picture(
    [
        [
            Node("z", "factors", "hidden"),
            "→",
            Node("x", "variables", "observed"),
            "←",
            Node("W,\N{NO-BREAK SPACE}μ,\N{NO-BREAK SPACE}Ψ", "loadings, mean, noise", "parameter"),
        ]
    ],
    "A point's factors z are drawn from a standard normal distribution and are hidden; its variables x are the mean "
    "plus the loadings W times z plus noise with variances Psi.",
    (1, 3, "every point"),
)


def upload(visit: Session) -> Source:
    """The visitor's file, or what stands in for it; what is wrong with a file is said, and the page keeps its data."""
    brought = st.file_uploader(
        f"CSV file, at most {csv_table.MAX_BYTES // 2**20} MB",
        type=["csv", "tsv", "txt"],
        max_upload_size=controls.MAX_UPLOAD,
        key="factors file",
        help=f"2 to {MOST_COLUMNS} columns of numbers; a header is welcome. At most {csv_table.MAX_ROWS:,} rows. The "
        "file stays in this session and is not stored.",
    )
    if brought is not None:
        try:
            visit.own = _read(visit, brought.file_id, brought.name, brought.getvalue())
        except ValueError as error:
            st.error(f"{plain(str(error))} The page keeps showing what it had.")
    if visit.own is None:
        st.info("Choose a CSV file. Until then the page shows an example.")
        return FactorSource(INSTEAD)
    st.caption(f"On show: {plain(visit.own.name)}, {plain(', '.join(visit.own.columns))}.")
    return visit.own


def _read(visit: Session, file_id: str, name: str, content: bytes) -> OwnData:
    """The chosen columns of a file; ValueError if it cannot be used."""
    if visit.table is None or visit.table[0] != file_id:
        visit.table = file_id, csv_table.read_csv(content)
    table = visit.table[1]
    names = st.multiselect(
        f"Columns, 2 to {MOST_COLUMNS}",
        list(table.columns),
        default=list(table.numeric_columns[:MOST_COLUMNS]),
        max_selections=MOST_COLUMNS,
        key=f"columns of {file_id}",
    )
    if len(names) < 2:
        raise ValueError("Choose at least two columns of numbers.")
    selection = csv_table.select(table, names, MOST_COLUMNS)
    if len(selection.X) < 2:
        raise ValueError("At least two rows must have a number in each of these columns.")
    left_out = f", {selection.n_skipped_rows:,} left out: a number is missing" if selection.n_skipped_rows else ""
    st.caption(f"{len(selection.X):,} rows used{left_out}.")
    return OwnData.of(name[:120], tuple(names), selection.X)


def model_choices(n_features: int) -> None:
    """How many factors, what noise, and where the loadings begin."""
    values = controls.session().values
    most = most_factors(n_features)
    if values["factors"] > most:
        put(factors=most)
    controls.widget(
        "factors",
        st.number_input,
        "Factors",
        1,
        most,
        step=1,
        disabled=most == 1,
        help="How many hidden numbers each point has: fewer than variables.",
    )
    controls.widget(
        "noise",
        st.selectbox,
        "Noise",
        list(NOISES),
        format_func=NOISES.__getitem__,
        help="Factor analysis gives each variable a noise variance of its own. With one for all it is probabilistic "
        "PCA.",
    )
    controls.widget(
        "begin",
        st.selectbox,
        "Loadings begin",
        list(BEGINNINGS),
        format_func=BEGINNINGS.__getitem__,
        help="Random: other ones with each start seed. Principal axes: the closed form of probabilistic PCA. Across: "
        "along the axes of the least variance.",
    )


def view_choices(dataset: Dataset | FactorData) -> None:
    """What the picture shows besides. Always the same widgets: one that comes and goes would lose its value."""
    n_features = len(dataset.axes)
    controls.widget(
        "springs",
        st.toggle,
        "Springs",
        disabled=n_features > 3,
        help="A thin line from every point to the place on the hidden line where it is expected to come from."
        if n_features <= 3
        else "For two or three variables: with more the picture shows the loadings.",
    )
    controls.widget(
        "truth",
        st.toggle,
        "Show the truth",
        disabled=dataset.truth is None,
        help="What the points were drawn from."
        if dataset.truth is not None
        else "Nobody knows the truth of these data, or whether they have one.",
    )
    controls.widget(
        "turn",
        st.slider,
        "Seen from (degrees)",
        0,
        359,
        disabled=n_features != 3,
        help="Turns a picture of three variables.",
    )


def choose_point(n_samples: int, by_number: bool) -> int:
    """The chosen point, a row of X: clicked in the picture, or also typed."""
    values = controls.session().values
    if values["point"] > n_samples:
        put(point=n_samples)
    if by_number:
        controls.widget(
            "point",
            st.number_input,
            f"Point, 1 to {n_samples}",
            1,
            n_samples,
            step=1,
            width=180,
            help="A click on a point of the picture chooses it too.",
        )
    return int(values["point"]) - 1


def follow_click(visit: Session, shown_report: PlayerReport, rows: NDArray[np.intp]) -> None:
    """A click on a point chooses it."""
    if shown_report.click:
        visit.pending = {"point": int(rows[shown_report.click.point]) + 1}
        st.rerun()


# ---- A question -------------------------------------------------------------------------------------------


def question(experiment: Experiment, name: str) -> None:
    """What to predict of an example, answered by the run on show."""
    history = experiment.history()

    def certain() -> tuple[int, str]:
        sds = [float(history.posterior(t).sds[0]) for t in (0, history.n_iterations)]
        return 0, (
            "What is left open does not depend on the variables: Cov[z | x] is made of the loadings and the noise "
            f"alone. It is the same piece of the line for every point, {number(sds[0])} sd of z at the start and "
            f"{number(sds[1])} at the end. Only its place, E[z], follows the variables."
        )

    def erratic() -> tuple[int, str]:
        beside = factors.beside_pca(history, history.n_positions - 1)
        noise = history.parameters[-1].noise_shares
        return 1, (
            "The principal axis looks for variance, whatever its cause, and the marks of examiner C have the most. "
            f"Factor analysis calls {number(100 * float(noise[2]), 0)} % of that noise. Here the two directions end "
            f"{number(beside.angle, 0)} degrees apart: see Beside PCA."
        )

    def turning() -> tuple[int, str]:
        made = factors.turned_at(history, history.n_positions - 1, 45)
        return 2, (
            f"It is {number(made.objective)} before and {number(made.turned_objective)} after: x has the same "
            "covariance W Wᵀ + Ψ. So which direction of the plane is called factor 1 is a choice, and no data decide "
            "it. Try it under Rotation."
        )

    def heywood() -> tuple[int, str]:
        shares = [100 * float(history.parameters[t].noise_shares[2]) for t in (0, history.n_iterations // 2, -1)]
        return 2, (
            f"Its noise is {report.significant(shares[0])} % of its variance at the start, "
            f"{report.significant(shares[1])} % after half the iterations and {report.significant(shares[2])} % at the "
            "end, ever more slowly: a Heywood case. The likelihood has no maximum with noise in every variable."
        )

    model = history.model
    if model.n_factors > 1:
        text = "Turn two of the factors by 45 degrees within their plane. What happens to the log-likelihood?"
        options, answer = ("It falls", "It rises", "Nothing"), turning
    elif name == "three-examiners" and not model.equal_noise:
        text = "The marks of examiner C spread the most. Which of the two directions leans towards C?"
        options, answer = ("The hidden line", "The first principal axis", "Both alike"), erratic
    elif name == "irises" and not model.equal_noise:
        text = "One factor stands for how large a flower is. Where does the noise variance of petal length end?"
        options, answer = ("At a fifth of its variance", "At a twentieth", "Nowhere: it heads for 0"), heywood
    else:
        text = (
            "The E-step says of each point which z may have made it, as a piece of the hidden line. Is the piece "
            "longer for some points than for others?"
        )
        options, answer = ("No, the same for all", "Longer far from the line", "Longer near the middle"), certain
    story.predict(f"factors {experiment.source} {model} {experiment.start_seed}", text, options, answer)


# ---- The fit ----------------------------------------------------------------------------------------------


def fit_tables(
    history: History, position: int, dataset: Dataset | FactorData, truth: FactorAnalysisParameters | None
) -> None:
    """The parameters now, and what to know of the end."""
    remarks = "".join(f"<p>{escape(text)}</p>" for text in factors.remarks(history, dataset.axes))
    told = f"<div><p><strong>What to know of the end.</strong></p>{remarks}</div>" if remarks else ""
    with st.container(key="factor-tables"):
        table = parameters_table(history, position, dataset.axes, truth)
        st.html(f'<div class="em-below"><div>{table}</div>{told}</div>')


def parameters_table(
    history: History, position: int, axes: Sequence[str], truth: FactorAnalysisParameters | None
) -> str:
    """A row for each variable: mean, loadings, noise variance and its share, with their changes."""
    iteration = position // 2
    theta: FactorAnalysisParameters = history.parameters[iteration]
    changed = report.changes(history, iteration) if iteration else None
    known = truth.columns() if truth is not None else None
    digits = factors.decimals(theta)
    rows = []
    for j, axis in enumerate(axes):
        cells = [escape(axis)]
        for name, values in theta.columns().items():
            text = number(float(values[j]), digits[j])
            change = float(changed[name][j]) if changed else 0.0
            said = signed(change, digits[j]) if change else "0" if changed else "\N{EN DASH}"
            text += f'<span class="em-small"><span class="em-heard">change </span>{said}</span>'
            if known is not None:
                text += f'<span class="em-small">truth {number(float(known[name][j]), digits[j])}</span>'
            cells.append(text)
        cells.append(f"{number(100 * float(theta.noise_shares[j]), 1)} %")
        rows.append(cells)
    loadings = ["Loading"] if theta.n_factors == 1 else [f"Loading {k + 1}" for k in range(theta.n_factors)]
    caption = f"Parameters at iteration {iteration}" + (", and their change in it" if iteration else "")
    return outcome.table(caption, ["", "Mean", *loadings, "Noise variance", "Noise, part of all"], rows)


def covariances(history: History, position: int, axes: Sequence[str]) -> None:
    """The covariance that the model gives x, beside that of the data."""
    opened = st.expander(
        "The covariance of x, as the model has it and as the data have it", key="covariances", on_change="rerun"
    )
    if not opened.open:
        return
    theta = history.parameters[position // 2]
    data = history.prepared.covariance
    digits = factors.decimals(theta)
    rows = [
        [escape(axis)]
        + [
            f"{number(float(theta.covariance[i, j]), max(digits[i], digits[j]))}"
            f'<span class="em-small">data {number(float(data[i, j]), max(digits[i], digits[j]))}</span>'
            for j in range(len(axes))
        ]
        for i, axis in enumerate(axes)
    ]
    with opened:
        st.html(outcome.table("Covariance of x: W Wᵀ + Ψ, and that of the data", ["", *axes], rows))


# ---- The derivation ---------------------------------------------------------------------------------------


def derivation(history: History, position: int, row: int, axes: Sequence[str]) -> None:
    """The four steps of the textbooks, each with the numbers of this iteration beside it."""
    made = factors.derivation(history, position, row)
    with st.container(key="factor-formulas"):
        t = made.iteration
        st.markdown(
            f"The E-step of iteration {t}, and the M-step that makes iteration {t + 1}, with point {row + 1}. Step the "
            "player, or choose another point: the numbers follow."
        )
        left, right = st.columns(2, gap="large")
        with left:
            _joint(made)
            _conditional(made, row, axes)
        with right:
            _expectations(made, row, history.n_samples)
            _regression(made, history.n_samples, axes, history.model.equal_noise)
        st.caption(
            r"$x_n$ the variables of point $n$; $z_n$ its factors; $W$ the loadings; $\mu$ the mean; $\Psi$ the noise "
            r"variances $\psi_j$ on a diagonal; $G$ the covariance of $z_n$ given $x_n$; $\bar x$ the average of the "
            r"points and $s_j^2$ their variances; $N$ their number; $\mathsf T$ the transpose. Notation: Bishop "
            "(2006), section 12.2.4."
        )


def _matrix(values: NDArray[np.float64]) -> str:
    """A small matrix, or a number, to so many digits that the next line can be worked from it."""
    if values.size == 1:
        return tex(float(values.ravel()[0]), 6)
    rows = r" \\ ".join(" & ".join(tex(float(cell), 6) for cell in row) for row in np.atleast_2d(values))
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def _cell(value: float) -> str:
    """A number in a table, to as many digits as are worth checking by hand."""
    return shown(value, 5)


def _joint(made: Derivation) -> None:
    st.markdown("#### 1. z and x together are normal")
    st.latex(r"z \sim \mathcal{N}(0, I) \qquad x \mid z \sim \mathcal{N}(\mu + W z,\, \Psi)")
    st.latex(
        r"\begin{pmatrix} z \\ x \end{pmatrix} \sim \mathcal{N}\left( \begin{pmatrix} 0 \\ \mu \end{pmatrix},\;"
        r"\begin{pmatrix} I & W^{\mathsf T} \\ W & W W^{\mathsf T} + \Psi \end{pmatrix} \right)"
    )
    if len(made.joint) <= LARGEST_MATRIX:
        st.markdown("The covariance on the right, now:")
        st.latex(_matrix(made.joint))
    else:
        st.markdown("So x alone is normal too, with covariance $W W^{\\mathsf T} + \\Psi$.")


def _conditional(made: Derivation, row: int, axes: Sequence[str]) -> None:
    one = made.score.size == 1
    st.markdown("#### 2. z given x: a normal distribution again")
    st.latex(
        r"\begin{aligned} G &= (I + W^{\mathsf T} \Psi^{-1} W)^{-1} \\"
        r"\operatorname{E}[z_n] &= G\, W^{\mathsf T} \Psi^{-1} (x_n - \mu) \\"
        r"\operatorname{Cov}[z_n] &= G \end{aligned}"
    )
    st.markdown(
        "Every variable votes for z, with weight loading / noise variance: a noisy one counts little. G is the same "
        "for all points."
    )
    factors_of = range(made.score.size)
    rows = [
        [
            escape(axis),
            _cell(float(made.centred[j])),
            *(_cell(float(made.weights[j, k])) for k in factors_of),
            *(_cell(float(made.votes[j, k])) for k in factors_of),
        ]
        for j, axis in enumerate(axes)
    ]
    total = made.vote_sum
    rows.append(["<strong>Sum</strong>", "", *("" for _ in factors_of), *(_cell(float(total[k])) for k in factors_of)])
    names = [""] if one else [f" {k + 1}" for k in factors_of]
    header = ["", "x − μ", *(f"Weight{name}" for name in names), *(f"Vote{name}" for name in names)]
    st.html(outcome.table(f"The votes of point {row + 1}", header, rows))
    precision = _matrix(made.precision)
    inverse = rf"\frac{{1}}{{{precision}}}" if one else rf"{precision}^{{-1}}"
    dot = r"\times" if one else ""
    then = "=" if one else r"\\ &="
    score = rf"{_matrix(made.covariance)} {dot} {_matrix(total[:, None])} {then} {_chosen(made.score[:, None])}"
    st.latex(
        rf"\begin{{aligned}} G &= {inverse} {then} {_matrix(made.covariance)} \\[0.5em] "
        rf"\operatorname{{E}}[z_{{{row + 1}}}] &= {score} \end{{aligned}}"
    )


def _chosen(values: NDArray[np.float64]) -> str:
    """What belongs to the chosen point, in its colour."""
    return cards.coloured(1, _matrix(values))


def _expectations(made: Derivation, row: int, n_samples: int) -> None:
    st.markdown("#### 3. The E-step: what the M-step needs of z")
    st.latex(
        r"\operatorname{E}[z_n] \qquad \operatorname{E}[z_n z_n^{\mathsf T}] = G + \operatorname{E}[z_n]"
        r"\operatorname{E}[z_n]^{\mathsf T}"
    )
    then = "=" if made.score.size == 1 else r"\\ &="
    st.latex(
        rf"\begin{{aligned}} \operatorname{{E}}[z_{{{row + 1}}} z_{{{row + 1}}}^{{\mathsf T}}] &= "
        rf"{_matrix(made.covariance)} + {_matrix(np.outer(made.score, made.score))} {then} {_chosen(made.second)} "
        r"\end{aligned}"
    )
    st.markdown(f"Summed over all {n_samples:,} points:")
    second = rf"\sum_n \operatorname{{E}}[z_n z_n^{{\mathsf T}}] &= {_matrix(made.second_moments)}"
    cross = rf"\sum_n (x_n - \bar x)\, \operatorname{{E}}[z_n]^{{\mathsf T}} &= {_matrix(made.cross_moments)}"
    st.latex(rf"\begin{{aligned}} {second} \\[0.5em] {cross} \end{{aligned}}")


def _regression(made: Derivation, n_samples: int, axes: Sequence[str], equal_noise: bool) -> None:
    st.markdown("#### 4. The M-step: a regression of x on z")
    st.latex(
        r"W^{\text{new}} = \Big[ \sum_n (x_n - \bar x) \operatorname{E}[z_n]^{\mathsf T} \Big]"
        r"\Big[ \sum_n \operatorname{E}[z_n z_n^{\mathsf T}] \Big]^{-1}"
    )
    st.latex(
        r"\begin{aligned} \psi_j^{\text{new}} = s_j^2 &- \frac{1}{N} \sum_n w_j^{\text{new}\,\mathsf T} "
        r"\operatorname{E}[z_n] (x_{nj} - \bar x_j)"
        + (r"\\ &\text{averaged over } j" if equal_noise else "")
        + r"\end{aligned}"
    )
    after = made.after
    if after is None:
        st.markdown("This M-step has no result: see how the run ended.")
        return
    k_of = range(after.n_factors)
    names = ["w"] if after.n_factors == 1 else [f"w{k + 1}" for k in k_of]
    rows = [
        [
            escape(axis),
            *(f"{_cell(float(made.theta.loadings[j, k]))} → {_cell(float(after.loadings[j, k]))}" for k in k_of),
            _cell(float(made.variances[j])),
            _cell(float(made.explained[j])),
            *([_cell(float(made.left_over[j]))] if equal_noise else []),
            _cell(float(after.noise_variances[j])),
        ]
        for j, axis in enumerate(axes)
    ]
    header = [
        "",
        *(f"{name}: old → new" for name in names),
        "s²",
        "explained",
        *(["left"] if equal_noise else []),
        "ψ new",
    ]
    st.html(outcome.table(f"From iteration {made.iteration} to {made.iteration + 1}", header, rows))
    if after.n_factors == 1:
        st.latex(
            rf"w_{{1}}^{{\text{{new}}}} = \frac{{{_matrix(made.cross_moments[:1])}}}{{{_matrix(made.second_moments)}}} "
            rf"= {_matrix(after.loadings[:1])}"
        )
    with st.expander("What if G were forgotten?"):
        st.markdown(
            "A common mistake: to take the E[z] for the factors themselves, and their squares for E[zzᵀ]. Then z looks "
            "less spread than it is, the loadings come out too large and the noise too small. Keeping G is what makes "
            "this EM."
        )
        rows = [
            [
                escape(axis),
                *(_cell(float(made.forgetful[j, k])) for k in k_of),
                _cell(float(made.forgetful_noise[j])),
            ]
            for j, axis in enumerate(axes)
        ]
        st.html(outcome.table("The M-step without G", ["", *names, "ψ"], rows))


# ---- Rotation ---------------------------------------------------------------------------------------------


def rotation(history: History, position: int, degrees: int, axes: Sequence[str], look: Look) -> None:
    """The factors turned within their plane, and what the likelihood says to it."""
    made = factors.turned_at(history, position, degrees)
    one = made.before.n_factors == 1
    st.latex(
        r"(W R)(W R)^{\mathsf T} + \Psi = W \underbrace{R R^{\mathsf T}}_{I} W^{\mathsf T} + \Psi"
        + (r"\qquad R = \pm 1" if one else "")
    )
    left, right = st.container(key="factor-tables").columns([3, 2], gap="large")
    with left:
        st.plotly_chart(
            turned_figure(made.before, made.after, axes, look=look),
            key="turned",
            config={"displayModeBar": False},
            alt="The loadings before and after the turn, as bars",
        )
    columns = range(made.before.n_factors)
    digits = factors.decimals(made.before)
    rows = [
        [
            escape(axis),
            *(number(float(made.before.loadings[j, k]), digits[j]) for k in columns),
            *(number(float(made.after.loadings[j, k]), digits[j]) for k in columns),
        ]
        for j, axis in enumerate(axes)
    ]
    names = [f"w{k + 1}" if not one else "w" for k in columns]
    header = ["", *names, *(f"{name}, turned" for name in names)]
    changed = f"changes by at most {report.significant(made.change)}: rounding" if made.change else "stays as it is"
    with right:
        st.html(outcome.table(f"Loadings at iteration {position // 2}", header, rows))
        st.markdown(
            f"Log-likelihood: **{number(made.objective, 6)}** before, **{number(made.turned_objective, 6)}** after. "
            f"The covariance of x {changed}. "
            + (
                "With one factor only the sign is free."
                if one
                else "So EM finds the space, and which axes in it are called factors is for people to choose, such as "
                "those that leave each variable with few large loadings (varimax and its kin)."
            )
        )


# ---- Beside PCA -------------------------------------------------------------------------------------------


def pca(history: History, position: int) -> None:
    """The fit beside the closed form of probabilistic PCA."""
    made = factors.beside_pca(history, position)
    one, equal = history.model.n_factors == 1, history.model.equal_noise
    st.latex(
        r"W_{\text{ML}} = U (\Lambda - \sigma^2 I)^{1/2} R \qquad "
        r"\sigma^2_{\text{ML}} = \frac{1}{D - M} \sum_{i > M} \lambda_i \qquad \text{(equal noise)}"
    )
    angle = "\N{EN DASH}" if np.isnan(made.angle) else f"{number(made.angle, 4)}°"
    rows = [
        ["Angle to the principal ax" + ("is" if one else "es"), angle, "0°"],
        ["Noise variance" + ("" if equal else ", average"), shown(made.noise), shown(made.closed_noise)],
        ["Log-likelihood", number(made.objective, 4), number(made.closed_objective, 4)],
    ]
    left, right = st.container(key="factor-tables").columns(2, gap="large")
    with left:
        header = ["", f"EM, iteration {position // 2}", "Closed form" if equal else "Equal noise"]
        st.html(outcome.table("EM, and eigenvectors", header, rows))
    last = factors.beside_pca(history, history.n_positions - 1)
    saddle = equal and last.angle > AWAY and history.stopped == "converged"
    right.markdown(
        "With equal noise the answer is known without EM: the eigenvectors of the data's covariance with the largest "
        "eigenvalues span the hidden space, and the average of the other eigenvalues is the noise (Tipping & Bishop "
        "1999). EM reaches it from almost every start."
        + (" Not from this one: it stands still on other eigenvectors, a saddle." if saddle else "")
        if equal
        else "With noise of its own for each variable there is no closed form; on the left is that for equal noise. "
        "Principal axes look for variance, whatever its cause; factors look for what variables share. A variable with "
        "much noise draws a principal axis towards itself, and leaves the factors alone. Set the noise to equal to see "
        "EM arrive at the axes."
    )
    st.caption(
        r"$U$ the leading eigenvectors of the data's covariance, $\Lambda$ their eigenvalues $\lambda$, $R$ any "
        r"rotation, $D$ the number of variables, $M$ that of factors."
    )
