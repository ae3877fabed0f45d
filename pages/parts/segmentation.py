"""The parts of the lesson on pictures: its settings, the picture that is brought, its words, tables and formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from emcore.em import History
from emcore.experiment import Experiment, dataset, kept
from emcore.figures import style
from emcore.figures.segmentation import colours_figure, original_figure, segmented_figure
from emcore.figures.stepped import SteppedFigure
from emcore.figures.style import Look
from emcore.models import GaussianMixture, GaussianPrior
from emcore.models.skeleton import Skeleton
from emcore.report import number
from emcore.segments import PAINTS, most_iterations, segments, shuffled, still
from emcore.sources.pictures import EXAMPLES, ExamplePicture, OwnPicture, PictureData
from emcore.starts import STARTS
from pages.parts import controls, outcome, picture_file, story
from pages.parts import settings as choices
from pages.parts.controls import Session
from pages.parts.settings import Values
from pages.parts.story import Node
from pages.parts.text import plain

TITLES = {**{name: example.title for name, example in EXAMPLES.items()}, "own": "My own picture"}
CHANNELS = {"rgb": "Red, green, blue", "intensity": "Intensity"}
PLANES = {"red-green": (0, 1), "red-blue": (0, 2), "green-blue": (1, 2)}
BEGINNINGS = {name: STARTS[name].title for name in ("k-means-plus-plus", "random-points", "farthest-points")}
STAND_IN = "flower"  # while the picture that a link was made with is not here


def _set_up(values: Values) -> Values:
    example = EXAMPLES.get(values["picture"])
    if example is None:
        return {"segments": 4}
    more = {"start-seed": 1, "tol": 1e-6, "max-iter": 200} if values["picture"] == "drawn" else {}
    return {"segments": example.n_components, **more}


OFFER = choices.ModelOffer(
    own={
        "picture": choices.one_of(TITLES),
        "data-seed": choices.whole(0, choices.MAX_SEED),
        "channels": choices.one_of(CHANNELS),
        "spread": choices.flag(),
        "segments": choices.whole(1, choices.MAX_COMPONENTS),
        "covariance": choices.one_of(choices.SHAPES),
        "prior": choices.flag(),
        "begin": choices.one_of(BEGINNINGS),
        "paint": choices.one_of(PAINTS),
        "plane": choices.one_of(PLANES),
    },
    usual={
        "picture": "flower",
        "data-seed": 0,
        "channels": "rgb",
        "spread": True,
        "segments": 3,
        "covariance": "full",
        "prior": False,
        "begin": "k-means-plus-plus",
        "paint": "mean",
        "plane": "red-green",
        "tol": 1e-4,
    },
    setup=_set_up,
    idle=lambda values: frozenset(
        ({"data-seed"} if values["picture"] != "drawn" else set())
        | ({"plane"} if values["channels"] != "rgb" else set())
        | ({"start-seed"} if not STARTS[values["begin"]].random else set())
    ),
)
PICTURE = story.picture(
    [
        [
            Node("π", "size of each segment", "parameter"),
            "→",
            Node("z", "segment", "hidden"),
            "→",
            Node("x", "colour", "observed"),
            "←",
            Node("μ, Σ", "colours of a segment", "parameter"),
        ]
    ],
    "A pixel's segment z is drawn with probabilities pi and is hidden; its colour x is drawn from that segment's "
    "Gaussian with mean mu and covariance Sigma.",
    (3, 5, "every pixel"),
)
SKELETON = Skeleton(
    title="Image segmentation",
    observed="the colour of every pixel",
    hidden="the segment that each pixel belongs to",
    e_step="for each pixel the responsibility of every segment, from its colour alone",
    m_step="each segment's size, mean colour and covariance, from pixels weighted by responsibility",
    source="Bishop 2006, sections 9.1.1 and 9.2.2",
)


def upload(visit: Session) -> OwnPicture | None:
    """The uploader; the visitor's picture is read at once and stays for the visit."""
    asked = st.empty()
    brought = st.file_uploader(
        f"PNG or JPEG, at most {picture_file.MAX_BYTES // 2**20} MB",
        type=["png", "jpg", "jpeg"],
        max_upload_size=controls.MAX_UPLOAD,
        key="picture upload",
        help="It is scaled down to 512 pixels. The file stays in this session and is not stored.",
    )
    if brought is not None and st.session_state.get("own picture", (None,))[0] != brought.file_id:
        try:
            with st.spinner("Reading the picture"):
                read = picture_file.read_picture(brought.getvalue())
        except ValueError as error:
            st.error(f"{plain(str(error))} The page keeps showing what it had.")
        else:
            own = OwnPicture(brought.name[:120], read.pixels.shape[1], read.pixels.tobytes())
            st.session_state["own picture"] = brought.file_id, own, read.notes
    if "own picture" not in st.session_state:
        asked.info(
            "Choose a picture; until then the page shows an example. A link cannot carry a picture: whoever opens one "
            "chooses the file again."
        )
        return None
    _, own, notes = st.session_state["own picture"]
    st.caption(f"On show: {plain(own.name)}. {' '.join(map(plain, notes))}")
    kept_picture: OwnPicture = own
    return kept_picture


def experiment_of(values: Values, own: OwnPicture | None) -> Experiment:
    """The run that these settings decide; an example stands in for a picture that is not here."""
    source: ExamplePicture | OwnPicture
    if values["picture"] == "own" and own is not None:
        source = replace(own, channels=values["channels"], spread=values["spread"])
    else:
        name = STAND_IN if values["picture"] == "own" else values["picture"]
        seed = values["data-seed"] if EXAMPLES[name].random else 0
        source = ExamplePicture(name, values["channels"], values["spread"], seed)
    model = _model(values, source)
    most = most_iterations(len(dataset(source).X), model.n_components)
    return Experiment(
        source=source,
        model=model,
        start=values["begin"],
        start_seed=values["start-seed"] if STARTS[values["begin"]].random else 0,
        max_iter=min(values["max-iter"], most),
        tol=values["tol"],
    )


def say_limit(experiment: Experiment, values: Values) -> None:
    """That a run on so many pixels stops earlier than was asked for."""
    if experiment.max_iter < values["max-iter"]:
        n_pixels, k = len(experiment.dataset().X), experiment.model.n_components
        st.caption(
            f"On {n_pixels:,} pixels with {k} components a run has at most {experiment.max_iter} iterations here."
        )


def _model(values: Values, source: ExamplePicture | OwnPicture) -> GaussianMixture:
    k, covariance = values["segments"], values["covariance"]
    if not values["prior"]:
        return GaussianMixture(k, covariance)
    X = dataset(source).X
    try:
        prior = kept(("colour prior", source, k, covariance), lambda: GaussianPrior.fraley_raftery(X, k, covariance))
    except ValueError:
        st.warning("The colours of this picture lie on one line, so no prior can be read from them: it is left out.")
        return GaussianMixture(k, covariance)
    return GaussianMixture(k, covariance, prior=prior)


def pictures(experiment: Experiment, history: History, values: Values) -> Callable[[Look], tuple[SteppedFigure, ...]]:
    """What the player draws beside the curve."""
    data, paint = experiment.dataset(), values["paint"]

    def drawn(look: Look) -> tuple[SteppedFigure, ...]:
        made = segments(history, data, paint, _palette(history))
        return (
            segmented_figure(history, made, look=look),
            original_figure(history, made, look=look),
            colours_figure(history, made, data.axes, PLANES[values["plane"]], look=look),
        )

    return drawn


def _palette(history: History) -> Any:
    return style.palette(history.model.n_components)


def question(experiment: Experiment, history: History, picture: str) -> None:
    """What to predict, and what the run says."""
    if picture == "drawn" and history.model.n_components == 4:
        story.predict(
            f"lake {experiment.digest}",
            "The lake has nearly the colour of the sky above it. Which part of the pixels will be in the right "
            "segment at the end of this run?",
            ("Less than 75%", "75% to 95%", "More than 95%"),
            lambda: _rightly(experiment, history),
        )
        return
    story.predict(
        f"shuffled {experiment.digest}",
        "Shuffle all pixels of the picture and fit again. What becomes of the components?",
        ("They get worse", "They stay the same", "They get better"),
        lambda: (
            1,
            f"The components at the end of this run have log-likelihood {number(float(history.objective[-1]))} on the "
            f"picture and {number(shuffled(history))} on the shuffled one. The model sees a set of colours and never "
            "where a pixel lies. So a segment need not hang together, and noise in the colours speckles it.",
        ),
    )


def _rightly(experiment: Experiment, history: History) -> tuple[int, str]:
    last = still(history, history.n_positions - 1, experiment.dataset(), "mean", _palette(history))
    return (0 if last.right < 0.75 else 1 if last.right <= 0.95 else 2), (
        f"{number(100 * last.right, 1)}% are, with log-likelihood {number(float(history.objective[-1]))}. Where two "
        "parts share colours, no rule that looks at colours alone can be always right. And not every start finds the "
        "water: some runs end at a lower maximum, with sky and water in one component. Reseed to compare."
    )


def below(experiment: Experiment, history: History, position: int, values: Values) -> None:
    """The components in numbers, and every pixel of the picture, as at the position."""
    data: PictureData = experiment.dataset()
    now = still(history, position, data, values["paint"], _palette(history))
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.html(_table(history, position, data, now))
    with right:
        if now.picture is None:
            st.caption("Before the first E-step no pixel belongs anywhere.")
            return
        n_rows, n_columns = data.pixels.shape[:2]
        st.image(
            now.picture,
            caption=f"All {n_rows * n_columns:,} pixels, as E-step {(position - 1) // 2} paints them.",
            width="stretch",
            output_format="PNG",
        )


def _table(history: History, position: int, data: PictureData, now: Any) -> str:
    theta = history.parameters[position // 2]
    rows = []
    for k, colour in enumerate(now.colours.tolist()):
        edge = "outline: 1px solid rgba(128, 128, 128, 0.6)"
        swatch = f'<span class="em-key" style="background: rgb({", ".join(map(str, colour))}); {edge}"></span>'
        share = "–" if now.shares is None else f"{number(100 * float(now.shares[k]), 1)}%"
        means = ", ".join(number(value, 0) for value in theta.means[k].tolist())
        sds = ", ".join(number(value, 1) for value in theta.sds[k].tolist())
        weight = number(float(theta.weights[k]), 3)
        rows.append((outcome.component_key(k), f"{swatch}{means}", sds, weight, share))
    channels = "red, green, blue" if len(data.axes) == 3 else "intensity"
    header = ["", f"Mean ({channels})", "SD", "Weight", "Likeliest for"]
    table = outcome.table(f"Components at iteration {position // 2}", header, rows)
    known = ""
    if data.labels is not None and now.shares is not None:
        known = (
            f"<p>{number(100 * now.right, 1)}% of the pixels are in the component of the part they were drawn as.</p>"
        )
    return f"{table}{known}"


def formulas() -> None:
    """The model and both steps in its own symbols."""
    with st.expander("Formulas", expanded=True):
        st.markdown("**E-step**: Bayes' rule for each pixel's colour $\\mathbf{x}_n$.")
        st.latex(
            r"\gamma_{nk} = \frac{\pi_k\, \mathcal{N}(\mathbf{x}_n \mid \boldsymbol\mu_k, \boldsymbol\Sigma_k)}"
            r"{\sum_j \pi_j\, \mathcal{N}(\mathbf{x}_n \mid \boldsymbol\mu_j, \boldsymbol\Sigma_j)}"
        )
        st.markdown("**M-step**: weight, mean colour and covariance of the pixels, by $\\gamma_{nk}$.")
        st.latex(
            r"\begin{gathered} \pi_k = \frac{N_k}{N} \qquad \boldsymbol\mu_k = \frac{1}{N_k} \sum_n \gamma_{nk} "
            r"\mathbf{x}_n \\ \boldsymbol\Sigma_k = \frac{1}{N_k} \sum_n \gamma_{nk} (\mathbf{x}_n - \boldsymbol\mu_k)"
            r"(\mathbf{x}_n - \boldsymbol\mu_k)^\top \end{gathered}"
        )
        st.markdown(
            "With the prior the M-step adds Fraley & Raftery's (2007) ghost pixels, with the mean and the covariance "
            "of all colours, to each component: no covariance can fall to 0, and the objective is the log-likelihood "
            "plus the logarithm of the prior's density."
        )
        st.markdown(
            "$N_k = \\sum_n \\gamma_{nk}$. The pixel is painted with $\\boldsymbol\\mu_k$ of the largest "
            "$\\gamma_{nk}$, or with the expected mean $\\sum_k \\gamma_{nk} \\boldsymbol\\mu_k$. "
            "A stored value $v$ is a rounded one: it stands for all from $v - \\frac12$ to $v + \\frac12$. Each pixel "
            "gets a place of its own in there at random, once and for all, so that no colour occurs twice. Without "
            "it a component could shrink to one colour, and the likelihood would have no limit."
        )
