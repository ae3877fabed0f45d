"""The guide: what EM is for in one picture, where to find what, and every model's EM in four phrases."""

import streamlit as st

from pages.parts import controls, guide, outcome

controls.elsewhere()
st.html(outcome.CSS + guide.CSS)
st.title("Guide")
with st.container(key="intro"):
    st.markdown(
        "Something was seen, **x**, and something that would explain it was not, **z**: which group a point belongs "
        "to, which coin was tossed, what a missing value was. With **z** known, fitting would be counting and "
        "averaging. With the parameters **θ** known, **z** would be a matter of Bayes' rule. EM goes round in this "
        "circle."
    )
guide.circle()
st.markdown(
    "Every turn makes the observed data more likely, or leaves them as likely as they were: *Why it climbs* shows "
    "why. Which of several maxima is reached depends on the start: *Local maxima* shows how."
)
st.subheader("What do you want to know?", anchor=False)
guide.wishes()
st.subheader("One loop, many models", anchor=False)
st.markdown("What is hidden, what the E-step says of it, and which weighted estimate the M-step solves.")
guide.models()
