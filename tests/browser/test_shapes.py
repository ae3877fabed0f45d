"""The lessons "What shape" and "k-means and EM" in a real browser: several runs under one slider, and phones."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens a lesson at a query and waits for its pictures."""

    def show(lesson: str, query: str = "", **options: Any) -> Page:
        page = open_page(f"{serve('app.py')}/{lesson}?{query}", allow="does not seem to exist", **options)
        expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def player(page: Page) -> Locator:
    return page.get_by_test_id("player")


def tops(page: Page) -> list[int]:
    """How far down each picture of the player begins."""
    return [round(box["y"]) for plot in player(page).locator(".player-plot").all() if (box := plot.bounding_box())]


def test_one_slider_steps_four_shapes_and_the_prediction_is_answered(visit: Open):
    page = visit("shapes", width=1440, height=1000)
    one_row = tops(page)
    assert len(one_row) == 5 and len(set(one_row[:4])) == 1 and one_row[4] > one_row[0]
    player(page).locator("[data-part=last]").click()
    expect(player(page).locator("[data-part=caption]")).to_contain_text("tied −1,443.89 (ended)")
    page.locator("[data-testid=stRadio] label", has_text="Full").click()
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_text("you predicted full")).to_be_visible()
    expect(page.get_by_role("region", name="What each shape costs")).to_contain_text("2,952.5")
    expect(page).to_have_url(re.compile("position="))


@pytest.mark.slow
def test_turned_down_to_0_the_two_pictures_are_one(visit: Open):
    page = visit("k-means", "means-alone=1&temperature=0.05", width=1280, height=1000)
    assert len(set(tops(page))) == 2  # two pictures, and below each its objective
    slider = page.get_by_role("slider", name="Temperature T of the mixture's E-step")
    slider.focus()
    slider.press("ArrowRight")
    expect(page.get_by_text("every point is assigned alike")).to_be_visible()
    expect(player(page)).to_have_attribute("data-ready", "")
    player(page).locator("[data-part=last]").click()
    expect(player(page).locator("[data-part=caption]")).to_contain_text("minus distortion −451.62 (ended)")

    def drawn(part: str) -> list[Any]:
        """The shapes of a part of each of the two pictures, as they are painted."""
        painted = "all => all.map((element) => element.getAttribute('d') + element.style.fill)"
        return [picture.locator(part).evaluate_all(painted) for picture in player(page).locator(".player-plot").all()]

    points = drawn(".points path")
    assert len(points[0]) > 400 and points[0] == points[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lesson", "query"),
    [("shapes", "preset=mouse"), ("k-means", ""), ("k-means", "section=annealing&preset=four-groups")],
    ids=["shapes", "beside", "annealing"],
)
def test_on_a_phone_pictures_stack_and_nothing_scrolls_sideways(visit: Open, lesson: str, query: str):
    page = visit(lesson, query, width=390, height=844)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    assert len(set(tops(page))) == player(page).locator(".player-plot").count() >= 4
