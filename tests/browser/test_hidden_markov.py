"""The lesson on hidden Markov models in a real browser: steps, a click, a sequence of one's own, and a phone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lesson at a query and waits for its picture."""

    def show(query: str = "", **options) -> Page:
        # The first page of a server that is not at its root is loaded twice: see pages/parts/opening.py
        page = open_page(f"{serve('app.py')}/hidden-markov?{query}", allow="does not seem to exist", **options)
        expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def drawn(page: Page, figure: int) -> str:
    """What a figure shows now: its fills, as paths."""
    fills = page.get_by_test_id("player").locator(".player-plot").nth(figure).locator("path.js-fill")
    return fills.evaluate_all("nodes => nodes.map(node => node.getAttribute('d')).join('|')")


def test_steps_move_bands_arrows_and_bars(visit: Open):
    page = visit("half-steps=1")
    player = page.get_by_test_id("player")
    start = [drawn(page, figure) for figure in range(3)]
    page.keyboard.press("ArrowRight")  # the E-step knows states, and leaves the parameters
    expect(player).to_have_attribute("data-position", "1")
    expect(player.get_by_role("status")).to_contain_text("E-step 0: states 1 and 2 take 46.3 and 15.7 of 62 days")
    after = [drawn(page, figure) for figure in range(3)]
    assert after[0] != start[0] and after[1:] == start[1:]
    page.keyboard.press("ArrowRight")  # the M-step changes the parameters
    expect(player).to_have_attribute("data-position", "2")
    expect(player.get_by_role("status")).to_contain_text("p(2 | state 1)")
    last = [drawn(page, figure) for figure in range(3)]
    assert last[0] == after[0] and last[1] != after[1] and last[2] != after[2]


@pytest.mark.slow
def test_a_click_on_an_observation_works_its_step(visit: Open):
    page = visit("position=57", height=1400)
    expect(page.get_by_text("Day 9: Ice creams 2")).to_be_visible()
    point = page.get_by_test_id("player").locator(".player-plot").first.locator(".points > path.point").nth(30)
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_text("Day 31: Ice creams 3")).to_be_visible()
    expect(page).to_have_url(re.compile("at=31"))
    expect(page).to_have_url(re.compile("position=57"))
    step = page.get_by_role("spinbutton", name="Day to look at")
    step.press("ArrowUp")
    expect(page.get_by_text("Day 32: Ice creams 1")).to_be_visible()
    expect(step).to_have_value("32")


@pytest.mark.slow
def test_a_sequence_of_one_s_own(visit: Open):
    page = visit("sequence=own")
    area = page.get_by_role("textbox", name="Sequence")
    area.fill("HHHTHHHTTTTHTTTT\nHHTTTT")
    area.press("Control+Enter")
    expect(page).to_have_url(re.compile("typed=HHHTHHHTTTTHTTTT%0AHHTTTT"))
    expect(page.get_by_role("columnheader", name="p(T)").first).to_be_visible()
    area.fill("one")
    page.get_by_text("Numbers", exact=True).click()
    expect(page.get_by_text("A sequence must have at least 2 steps")).to_be_visible()
    expect(area).to_have_value("one")
    expect(page.get_by_role("columnheader", name="p(T)").first).to_be_visible()
    area.fill("1.5 2 1.7 8 8.4 7.9 1.2 8.8")
    area.press("Control+Enter")
    expect(page.get_by_role("columnheader", name="mean").first).to_be_visible()
    expect(page).to_have_url(re.compile("kind=numbers"))


@pytest.mark.slow
def test_on_a_phone_nothing_scrolls_sideways(visit: Open):
    page = visit("sequence=casino&states=3", width=390, height=844)
    expect(page.get_by_text("Roll 257")).to_be_visible()
    main = page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth <= node.clientWidth")
    plots = page.get_by_test_id("player").locator(".player-plot")
    boxes = [plots.nth(n).bounding_box() for n in range(4)]
    assert all(box["width"] > 300 for box in boxes)  # one below the other
    assert [box["y"] for box in boxes] == sorted(box["y"] for box in boxes)
