"""The lesson "Why it climbs" in a real browser: half-steps on the bound, a mean placed by a click, a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.parts import settings as choices

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lesson at a query and waits for its picture."""

    def show(query: str = "", **options: Any) -> Page:
        page = open_page(f"{serve('app.py')}/why-it-climbs?{query}", allow="does not seem to exist", **options)
        expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def player(page: Page) -> Locator:
    return page.get_by_test_id("player")


def test_the_two_steps_are_buttons_and_the_numbers_follow(visit: Open):
    page = visit()
    step = player(page).locator("[data-part=next]")
    expect(step).to_have_text("E-step")
    step.click()
    expect(player(page).locator("[data-part=caption]")).to_contain_text("E-step 0")
    expect(page.locator(".em-cards")).to_contain_text("+ KL(q || p)0.0000")
    expect(step).to_have_text("M-step")
    step.click()
    expect(player(page).locator("[data-part=caption]")).to_contain_text("the divergence KL(q || p) is now")
    expect(page.locator(".em-cards")).to_contain_text("What iteration 1 gained")
    expect(page).to_have_url(re.compile("position=2"))


@pytest.mark.slow
def test_a_click_places_the_mean_and_check_scores_it(visit: Open):
    page = visit("section=you&preset=three-blobs")
    inputs = page.get_by_role("spinbutton", name=re.compile("New mean 1"))
    before = inputs.first.input_value()
    box = player(page).locator(".nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    expect(inputs.first).not_to_have_value(before)
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("The M-step puts mean 1 at")).to_be_visible()
    expect(page.get_by_role("region", name="Your guesses")).to_contain_text("Mean 1, M-step 1")


@pytest.mark.slow
@pytest.mark.parametrize("section", choices.SECTIONS)
def test_nothing_scrolls_sideways_on_a_phone(visit: Open, section: str):
    page = visit(f"section={section}", width=390, height=844)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
