"""Image segmentation: a mixture of Gaussians on the colours of a picture's pixels."""

import streamlit as st

from emcore.segments import PAINTS, PIXEL_WORDS
from emcore.sources.pictures import EXAMPLES
from emcore.starts import STARTS
from pages.parts import controls, run, segmentation, story
from pages.parts import settings as choices

visit = controls.begin("segmentation", segmentation.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

own = None
with st.sidebar:
    st.subheader("Data")
    picture = controls.example(
        "picture", segmentation.TITLES, "Choosing one also sets the model, the start and the run up for it."
    )
    if picture == "own":
        own = segmentation.upload(visit)
    controls.widget(
        "channels",
        st.segmented_control,
        "What is fitted of each pixel",
        list(segmentation.CHANNELS),
        format_func=segmentation.CHANNELS.__getitem__,
        required=True,
    )
    if picture == "drawn":
        controls.data_seed(True)
    controls.widget(
        "spread",
        st.toggle,
        "Undo the rounding",
        help="Colours are stored as whole numbers. On: each value is moved at random within the half unit that was "
        "rounded away, so that no colour occurs twice. Off: a component can collapse to one colour.",
    )
    st.subheader("Model")
    controls.widget("segments", st.number_input, "Components K", 1, choices.MAX_COMPONENTS, step=1)
    controls.widget(
        "covariance",
        st.selectbox,
        "Covariance",
        list(choices.SHAPES),
        format_func=choices.SHAPES.__getitem__,
        help="Full: any ellipsoid of colours for each component. Tied: one for all. Diagonal: along red, green and "
        "blue. Spherical: balls.",
    )
    controls.widget(
        "prior",
        st.toggle,
        "Weak prior (MAP)",
        help="A few ghost pixels with the colours of the whole picture in each component (Fraley & Raftery 2007): no "
        "component can collapse. The objective on the axis is then the log-likelihood plus the log prior.",
    )
    st.subheader("Picture")
    controls.widget("paint", st.selectbox, "Each pixel is painted with", list(PAINTS), format_func=PAINTS.__getitem__)
    if values["channels"] == "rgb":
        controls.widget(
            "plane",
            st.selectbox,
            "Axes of the scatter plot",
            list(segmentation.PLANES),
            format_func=lambda name: name.replace("-", " and ").capitalize(),
        )
    controls.widget(
        "begin",
        st.selectbox,
        "Means begin at",
        list(segmentation.BEGINNINGS),
        format_func=segmentation.BEGINNINGS.__getitem__,
    )
    controls.model_run(random=STARTS[values["begin"]].random)

story.opening(
    visit,
    "Image segmentation",
    "A picture is cut into segments of like colour: every pixel is a point, every segment a Gaussian of colours. "
    "Nobody says which pixel belongs where.",
)
controls.end(visit)
story.told(segmentation.PICTURE, segmentation.SKELETON)
experiment = segmentation.experiment_of(values, own)


# ---- The run ----------------------------------------------------------------------------------------------

st.markdown(experiment.dataset().caption)
segmentation.say_limit(experiment, values)
history, captions = run.history_of(experiment, PIXEL_WORDS)
segmentation.question(experiment, history, picture)
story.reseed(STARTS[values["begin"]].random)
run.play_model(
    visit,
    experiment,
    history,
    captions,
    segmentation.pictures(experiment, history, values),
    lambda shown: segmentation.below(experiment, history, shown.position, values),
    look=(values["paint"], values["plane"]),
    widths=(1, 1),
)
segmentation.formulas()
story.references(
    "C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, sections 9.1.1 (segmentation by k-means) and "
    "9.2.2 (EM for Gaussian mixtures).",
    "B. Uria, I. Murray and H. Larochelle (2013), *RNADE: the real-valued neural autoregressive density-estimator*, "
    "Advances in Neural Information Processing Systems 26: why rounded values are spread before a density is fitted.",
    "The photographs are two of the sample images of scikit-learn: "
    + " ".join(EXAMPLES[name].caption for name in ("flower", "china")),
)
