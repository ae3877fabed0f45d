"""The first visit to a server that was just started."""

import streamlit as st

_reload = st.components.v2.component("emlab.reload", js="export default () => window.location.reload()")


@st.cache_resource
def _first_visits() -> list[str]:
    """The pages that were asked for before the server knew any: at most one entry."""
    return []


def reload_if_first(address: str) -> None:
    """Load the page anew if it is the first that this server shows, and not the one at the root.

    Until the menu was made once, Streamlit takes the files directly in pages/ for the pages of the app. There are none,
    so it tells the first visitor that a page such as /local-maxima does not exist, although it is there.
    """
    visits = _first_visits()
    visits.append(address)
    if len(visits) == 1 and address:
        _reload(key="reload")
        st.stop()
    del visits[1:]
