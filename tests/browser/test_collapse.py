"""Collapse and priors in a real browser: guess, step, click another point; three remedies under one slider."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_playground import marker

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lesson at a query."""

    def show(query: str = "", **options) -> Page:
        # The first page of a server that is not at its root is loaded twice: see pages/parts/opening.py
        return open_page(f"{serve('app.py')}/collapse?{query}", allow="does not seem to exist", **options)

    return show


def test_a_guess_a_collapse_and_another_point(visit: Open):
    page = visit(height=1500)
    expect(page.get_by_text("Will component 1 collapse onto this point?")).to_be_visible(timeout=30_000)
    expect(page.get_by_test_id("player")).to_have_count(0)
    page.get_by_text("It collapses", exact=True).click()
    page.get_by_role("button", name="Show the run").click()
    player = page.get_by_test_id("player")
    expect(player).to_have_attribute("data-ready", "")
    expect(page.get_by_text("You guessed right.")).to_be_visible()
    page.keyboard.press("End")
    expect(player.get_by_role("status")).to_contain_text("Iteration 15")
    expect(page).to_have_url(re.compile("position=31"))
    page.mouse.click(*marker(page, "Points", 40))
    expect(page).to_have_url(re.compile(r"[?&]row=\d+"))
    expect(page.get_by_text(re.compile(r"Will component \d collapse onto this point\?"))).to_be_visible()


@pytest.mark.slow
def test_three_remedies_follow_one_slider_and_stack_on_a_phone(visit: Open):
    page = visit("section=remedies&predict=0", height=1500)
    player = page.get_by_test_id("player")
    expect(player).to_have_attribute("data-ready", "", timeout=30_000)
    plots = player.locator(".player-plot")
    expect(plots).to_have_count(6)
    expect(page.get_by_text("Log-likelihood + log prior").first).to_be_visible()
    tops = [plots.nth(i).bounding_box()["y"] for i in range(6)]
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4] == tops[5]
    page.keyboard.press("ArrowRight")
    expect(player.get_by_role("status")).to_contain_text("Iteration 1: narrowest sd of component 1")
    expect(page.get_by_text("At iteration 1: the objectives")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        """() => {
            const tops = [...document.querySelectorAll(".player-plot")].map((plot) => plot.getBoundingClientRect().top);
            return [0, 3, 1, 4, 2].every((plot, i) => tops[plot] < tops[[3, 1, 4, 2, 5][i]]);
        }"""
    )
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.slow
def test_ghosts_are_added_by_keyboard(visit: Open):
    page = visit("section=ghosts&predict=0", height=1500)
    expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "", timeout=30_000)
    ghosts = page.get_by_role("spinbutton", name="Ghosts of spread, c")
    ghosts.fill("20")
    ghosts.press("Enter")
    expect(page).to_have_url(re.compile("ghosts=20"))
    expect(page.get_by_text("+ 20 · ").first).to_be_visible()
    expect(page.get_by_text("of 20 random starts 15 collapse")).to_be_visible()
