"""The lesson "A prior on the weights" in a real browser: predicted, stepped and answered by keyboard; on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
QUESTION = re.compile("6 components begin")


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lesson at a query."""

    def show(query: str = "", **options: Any) -> Page:
        return open_page(f"{serve('app.py')}/variational?{query}", allow="does not seem to exist", **options)

    return show


def player(page: Page) -> Locator:
    return page.get_by_test_id("player")


def test_a_prediction_is_made_and_answered_by_keyboard_alone(visit: Open):
    page = visit()
    expect(page.get_by_text(QUESTION)).to_be_visible(timeout=30_000)
    expect(player(page)).to_have_count(0)
    page.get_by_role("radio", name="4", exact=True).focus()
    page.keyboard.press("Space")
    predict = page.get_by_role("button", name="Predict")
    expect(predict).to_be_enabled()
    predict.focus()
    page.keyboard.press("Enter")
    expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
    player(page).locator("[data-part=last]").press("Enter")
    expect(page.get_by_text(re.compile("3 of 6 components have a point or more at iteration 35"))).to_be_visible()
    expect(page.get_by_text("you predicted 4")).to_be_visible()
    expect(page.get_by_role("region", name="What is believed at iteration 35")).to_contain_text("100.06")
    expect(page).to_have_url(re.compile("position=71"))
    page.get_by_role("slider", name=re.compile("Concentration prior")).press("ArrowRight")
    expect(page.get_by_text(QUESTION)).to_be_visible()
    expect(page).to_have_url(re.compile("alpha=0.1"))


@pytest.mark.slow
def test_the_captions_and_the_beside_switch_follow(visit: Open):
    page = visit("ask=0&position=61")
    expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
    caption = player(page).locator("[data-part=caption]")
    expect(caption).to_contain_text("3 of 6 components have a point or more; evidence lower bound")
    point = page.locator(".player-plot").first.locator(".points path").nth(40).bounding_box()
    assert point is not None
    page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    expect(page.get_by_role("region", name=re.compile(r"Point \d+ at"))).to_contain_text("Responsibility")
    page.get_by_text("Beside it: maximum likelihood").click()
    expect(caption).to_contain_text("Maximum likelihood, iteration 30: 6 of 6 components")
    expect(page.locator(".player-plot")).to_have_count(3)
    expect(page.get_by_text("Without a prior, in the second picture")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "ask=0&beside=1&preset=waiting-times&components=10"])
def test_nothing_scrolls_sideways_on_a_phone(visit: Open, query: str):
    page = visit(query, width=390, height=844)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=30_000)
    page.get_by_text("What the evidence lower bound is").click()
    expect(page.get_by_text("Neither step can lower")).to_be_visible()
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
