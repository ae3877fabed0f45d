"""The lesson on factor analysis in a real browser: a point chosen by a click, sections, a file, a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.parts import factors as parts

pytestmark = pytest.mark.browser

Open = Callable[..., Page]

# Where on the screen a point of the trace "Points" lies.
PLACE = """index => {
  const plot = document.querySelector(".js-plotly-plot");
  const { xaxis, yaxis } = plot._fullLayout;
  const { x, y } = plot._fullData.find(trace => trace.name === "Points");
  const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
  return [box.left + xaxis.d2p(x[index]), box.top + yaxis.d2p(y[index])];
}"""


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lesson at a query and waits for its picture."""

    def show(query: str = "", **options: Any) -> Page:
        page = open_page(f"{serve('app.py')}/factor-analysis?{query}", allow="does not seem to exist", **options)
        expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def player(page: Page) -> Locator:
    return page.get_by_test_id("player")


def test_a_click_chooses_the_point_and_the_derivation_follows_both(visit: Open):
    page = visit("section=derivation&position=5&half-steps=1")
    formulas = page.locator(".st-key-factor-formulas")
    expect(formulas).to_contain_text("The votes of point 42")
    page.mouse.click(*page.evaluate(PLACE, 10))
    expect(formulas).to_contain_text("The votes of point 11")
    expect(page).to_have_url(re.compile("point=11"))
    expect(page.get_by_role("spinbutton", name="Point, 1 to 150")).to_have_value("11")
    expect(formulas).to_contain_text("From iteration 2 to 3")
    page.keyboard.press("ArrowRight")
    expect(player(page).locator("[data-part=caption]")).to_contain_text("M-step 3: the loading of")
    page.keyboard.press("ArrowRight")
    expect(formulas).to_contain_text("From iteration 3 to 4")
    page.get_by_role("radio", name="Rotation").click()
    expect(page.get_by_text("only the sign is free")).to_be_visible()
    page.get_by_role("radio", name="The derivation").click()
    expect(formulas).to_contain_text("The votes of point 11")
    expect(page.get_by_role("spinbutton", name="Point, 1 to 150")).to_have_value("11")


@pytest.mark.slow
def test_a_file_is_fitted_and_one_that_cannot_be_changes_nothing(visit: Open):
    page = visit("variables=own")
    expect(page.get_by_text("Until then the page shows an example")).to_be_visible()
    rows = "".join(f"{i % 7},{i % 7 + i % 3},{2 * (i % 7) - i % 5},{i % 4}\n" for i in range(60))
    upload = page.locator("input[type=file]")
    upload.set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": f"a,b,<i>c</i>,d\n{rows}".encode()})
    expect(page.get_by_text("60 rows used.")).to_be_visible()
    table = page.get_by_role("region", name="Parameters at iteration 0")
    expect(table).to_contain_text("<i>c</i>")
    upload.set_input_files({"name": "words.csv", "mimeType": "text/csv", "buffer": b"a,b\nx,y\nz,w\n"})
    expect(page.get_by_text("The page keeps showing what it had")).to_be_visible()
    expect(table).to_contain_text("<i>c</i>")
    expect(page.get_by_role("switch", name="Springs")).to_be_checked()


@pytest.mark.slow
def test_nothing_scrolls_sideways_on_a_phone(visit: Open):
    page = visit("variables=six-tests&position=5", width=390, height=844)
    signs = {
        "fit": "What to know of the end",
        "derivation": "The votes of",
        "rotation": "varimax",
        "pca": "eigenvectors",
    }
    for section, title in parts.SECTIONS.items():
        page.get_by_role("radio", name=title).click()
        expect(page.get_by_test_id("stMain").get_by_text(signs[section]).first).to_be_attached()
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
