"""Lessons under AppTest (no browser): opened from a link, used, read."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

APP = str(Path(__file__).parents[1] / "app.py")
LESSONS = Path(__file__).parents[1] / "pages" / "lessons"


def lesson(file: str, **query: str) -> AppTest:
    """The lesson in this file, opened from the link; without the menu, which costs a second page."""
    app = AppTest.from_file(str(LESSONS / file), default_timeout=60)
    for name, value in query.items():
        app.query_params[name.replace("_", "-")] = value
    return run(app)


def run(app_or_widget) -> AppTest:
    """The page after this; no exception."""
    app = app_or_widget.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def link(app: AppTest) -> dict[str, str]:
    """What the address holds, without the player's place."""
    query = {name: values[0] if isinstance(values, list) else values for name, values in app.query_params.items()}
    return {name: text for name, text in query.items() if name not in ("position", "half-steps")}


def words(app: AppTest) -> str:
    """Everything that the page says in HTML, Markdown and formulas."""
    html = "".join(element.proto.body for element in app.get("html"))
    return html + "\n".join(element.value for element in (*app.markdown, *app.latex, *app.caption, *app.info))


def press(app: AppTest, label: str) -> AppTest:
    """Press the button with this label."""
    return run(next(button for button in app.button if button.label == label).click())
