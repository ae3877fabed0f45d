"""Outliers: Student's t by EM, which finds out how much each point should count."""

import streamlit as st

from emcore.models import StudentT
from emcore.sources.outliers import EXAMPLES
from pages.parts import controls, outliers, story
from pages.parts.text import plain

visit = controls.begin("outliers", outliers.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    sample = controls.example(
        "sample", outliers.TITLES, "Choosing one also sets the model, the start and the run up for it."
    )
    if sample == "one":
        outliers.far_point()
    if sample != "own":
        controls.data_seed(EXAMPLES[sample].random)
    st.subheader("Model")
    controls.widget(
        "nu",
        st.select_slider,
        "Degrees of freedom ν",
        list(outliers.DEGREES),
        help="How heavy the tails are: 1 is Cauchy's distribution, 100 nearly the Gaussian.",
    )
    controls.widget(
        "follow",
        st.segmented_control,
        "The picture follows",
        list(outliers.FOLLOWED),
        format_func=outliers.FOLLOWED.__getitem__,
        required=True,
        help="Both runs begin alike, and both curves are on show. PX-EM takes longer steps to the same place.",
    )
    controls.widget(
        "begin",
        st.selectbox,
        "EM begins at",
        list(outliers.BEGINNINGS),
        format_func=outliers.BEGINNINGS.__getitem__,
    )
    controls.model_run(random=values["begin"] == "point")

story.opening(
    visit,
    "Outliers",
    "A single point far away drags the mean of a Gaussian along and swells its variance. Student's t has heavier "
    "tails: EM finds out how much each point should count, and outliers fade.",
)
controls.end(visit)
story.told(outliers.PICTURE, StudentT.skeleton)


# ---- The run ----------------------------------------------------------------------------------------------

if sample == "own":
    outliers.editor(visit)
pair = outliers.experiments(values)
st.markdown(f"{plain(pair[0].dataset().caption)} The smaller and greyer a point, the less it counts.")
outliers.question(pair)
outliers.play(visit, pair)
outliers.formulas()
story.references(
    "K. L. Lange, R. J. A. Little and J. M. G. Taylor (1989), *Robust statistical modeling using the t distribution*, "
    "Journal of the American Statistical Association 84, 881-896.",
    "C. Liu and D. B. Rubin (1995), *ML estimation of the t distribution using EM and its extensions, ECM and ECME*, "
    "Statistica Sinica 5, 19-39.",
    "C. Liu, D. B. Rubin and Y. N. Wu (1998), *Parameter expansion to accelerate EM: the PX-EM algorithm*, Biometrika "
    "85, 755-770.",
    "J. T. Kent and D. E. Tyler (1991), *Redescending M-estimates of multivariate location and scatter*, Annals of "
    "Statistics 19, 2102-2119: one maximum.",
    "S. M. Stigler (1977), *Do robust estimators work with real data?*, Annals of Statistics 5, 1055-1098: Newcomb's "
    "measurements.",
    "R. A. Fisher (1935), *The Design of Experiments*, section 17: Darwin's plants.",
)
