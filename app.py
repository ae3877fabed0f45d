"""EM Lab: learn the expectation-maximisation algorithm by watching every step of it."""

from itertools import groupby

import streamlit as st

from pages import HOME, LESSONS
from pages.parts.opening import reload_if_first

st.set_page_config(page_title="EM Lab", page_icon="🔔", layout="wide")
menu = {
    group: [
        st.Page(lesson.path, title=lesson.title, url_path=lesson.address, default=lesson.file == HOME)
        for lesson in lessons
    ]
    for group, lessons in groupby(LESSONS, key=lambda lesson: lesson.group)
}
page = st.navigation(menu, position="top")  # above the page: the sidebar is for controls
reload_if_first(page.url_path)
page.run()
