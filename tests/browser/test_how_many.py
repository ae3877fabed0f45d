"""The lesson on the number of components in a real browser: guess, dots, a stop, new points by click."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from pages.parts import selection as parts

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
DOTS = ".st-key-runs .scatterlayer .point"


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lesson at a query."""

    def show(query: str = "", **options: Any) -> Page:
        # The first page of a server that is not at its root is loaded twice: see pages/parts/opening.py
        page = open_page(f"{serve('app.py')}/how-many?{query}", allow="does not seem to exist", **options)
        expect(page.get_by_role("heading", name="How many components")).to_be_visible(timeout=30_000)
        return page

    return show


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def at_rest(page: Page) -> None:
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)


def test_guess_then_criteria_then_truth_and_a_dot_opens_its_run(visit: Open):
    page = visit("most=4&tries=5")
    expect(page.locator(".js-plotly-plot")).to_have_count(1)
    expect(page.get_by_text("BIC")).to_have_count(0)
    page.locator(".st-key-guess-first button").nth(2).click()
    expect(page.get_by_text("BIC is lowest at")).to_be_visible()
    page.get_by_role("button", name="Show the truth", exact=True).click()
    expect(page.get_by_text("made these points; you guessed 3")).to_be_visible()
    at_rest(page)
    dots = page.locator(DOTS)
    expect(dots).to_have_count(4 * 5 + 1)  # and the ring around the run in the player
    dots.nth(17).click(force=True)
    expect(page).to_have_url(re.compile("components=4"))
    expect(page.get_by_text(re.compile("On show: K = 4, start seed 2"))).to_be_visible()
    assert query(page)["start-seed"] == "2"
    page.get_by_role("button", name="New data").click()
    expect(page).to_have_url(re.compile("data-seed=1"))
    at_rest(page)
    assert query(page)["start-seed"] == "2"  # what was chosen before chooses nothing here


@pytest.mark.slow
def test_a_long_sweep_can_be_stopped_and_goes_on(visit: Open):
    page = visit("preset=twenty-forty&guess=2&tries=50&most=10")
    page.get_by_role("button", name="Stop", exact=True).click(timeout=30_000)
    expect(page.get_by_text(re.compile(r"Stopped: \d+ of \d+ parts of the sweep"))).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Go on")).to_be_visible()


@pytest.mark.slow
def test_a_click_adds_a_new_point_and_the_keyboard_too(visit: Open):
    page = visit("view=predict&guess=3&components=3&doubt=1")
    player = page.get_by_test_id("player")
    expect(player).to_have_attribute("data-ready", "", timeout=30_000)
    expect(player).not_to_have_attribute("data-position", "1")  # it opens where the run is fitted
    box = player.locator(".player-plot").first.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    rows = page.locator(".em-table tbody tr", has=page.locator(".em-bar"))
    expect(rows).to_have_count(1)
    field = page.get_by_label("x", exact=True)
    field.fill("-7")
    field.press("Enter")
    expect(rows).to_have_count(2)
    points = query(page)["new"].split(";")
    assert len(points) == 2 and points[1].startswith("-7,")


@pytest.mark.slow
def test_nothing_overflows_on_a_phone(visit: Open):
    page = visit("guess=4&components=4&most=4&tries=1&replicates=19&new=0,0;9,9", width=390, height=844)
    for title in parts.VIEWS.values():
        part = page.locator(".st-key-view button", has_text=title)
        part.click()
        expect(part).to_have_attribute("aria-checked", "true")
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
        at_rest(page)
        assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
