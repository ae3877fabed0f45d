"""The lesson on coins and the guide in a real browser: steps, a prediction, links, and a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
WIDTH = "document.querySelector('[data-testid=stMain]').scrollWidth"


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens a page of the app."""

    def show(address: str, **options) -> Page:
        # The first page of a server that is not at its root is loaded twice: see pages/parts/opening.py
        return open_page(f"{serve('app.py')}/{address}", allow="does not seem to exist", **options)

    return show


def test_coins_are_stepped_and_predicted_and_fit_a_phone(visit: Open):
    page = visit("coins?half-steps=1", width=390, height=844)
    player = page.get_by_test_id("player")
    expect(player).to_have_attribute("data-ready", "", timeout=30_000)
    page.keyboard.press("ArrowRight")
    expect(player.get_by_role("status")).to_contain_text("E-step 0: coins 1 and 2 take 2.99 and 2.01 of 5 sets")
    expect(page.get_by_text("coin 1: 21.297 / 29.870 = 0.7130")).to_be_attached()
    page.keyboard.press("ArrowRight")
    expect(player.get_by_role("status")).to_contain_text("to 0.7130")
    page.get_by_text("Farther apart").click()
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_text("They began 0.100 apart and end 0.277 apart")).to_be_visible()
    expect(player).to_have_attribute("data-position", "2")
    assert page.evaluate(WIDTH) <= 390


@pytest.mark.slow
def test_the_guide_fits_a_phone_and_its_links_lead_to_lessons(visit: Open):
    page = visit("guide", width=390, height=844)
    expect(page.get_by_text("One loop, many models")).to_be_visible(timeout=30_000)
    assert page.evaluate(WIDTH) <= 390
    page.get_by_role("link", name="EM in five minutes, with coins").click()
    expect(page.get_by_role("heading", name="Two coins")).to_be_visible()
    expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "", timeout=30_000)
