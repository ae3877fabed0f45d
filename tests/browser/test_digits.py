"""The lessons on digits and on slow convergence in a real browser: patched pictures, a click on the wall, a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from emcore.experiment import Experiment
from emcore.models import BernoulliMixture
from emcore.sources.digits import Digits
from emcore.starts import OWN

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
# The red channel of an image on the page, row by row, read from what it is loaded from.
REDS = """async (node) => {
  const image = new Image();
  image.src = node.href.baseVal;
  await image.decode();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: image.width, height: image.height });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(0, 0, image.width, image.height).data].filter((_, i) => i % 4 === 0);
}"""


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens a lesson at a query and waits for its picture."""

    def show(lesson: str, query: str = "", **options: Any) -> Page:
        page = open_page(f"{serve('app.py')}/{lesson}?{query}", allow="does not seem to exist", **options)
        expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def player(page: Page) -> Locator:
    return page.get_by_test_id("player")


def test_each_component_s_picture_follows_the_slider_and_the_wall_is_clicked(visit: Open):
    page = visit("digits", "digits=zero-one-two&max-iter=4")
    history = Experiment(Digits((0, 1, 2)), BernoulliMixture(3), OWN, max_iter=4).history()
    images = player(page).locator(".imagelayer image")
    expect(images).to_have_count(4)  # three components and the wall
    for iteration in (1, 2):
        player(page).locator("[data-part=next]").click()
        expect(player(page)).to_have_attribute("data-settled", str(2 * iteration + 1))
        for k in range(3):
            chances = history.parameters[iteration].success_probabilities[k]
            assert images.nth(k).evaluate(REDS) == np.rint(255 * (1 - chances)).tolist()
    wall = player(page).locator(".player-plot").nth(1)
    wall.scroll_into_view_if_needed()
    place = wall.locator(".scatterlayer .trace").nth(1).locator(".point").nth(13).bounding_box()
    assert place is not None
    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(page).to_have_url(re.compile("picture=62"))  # the second picture of the second digit
    expect(page.get_by_role("region", name="Picture 62, a 1")).to_be_visible()
    expect(player(page)).to_have_attribute("data-settled", "5")  # a click leaves the player where it is


@pytest.mark.slow
@pytest.mark.parametrize("address", ["digits", "deaths"])
def test_nothing_scrolls_sideways_on_a_phone(visit: Open, address: str):
    page = visit(address, "max-iter=5", width=390, height=844)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    first, second = (player(page).locator(".player-plot").nth(n).bounding_box() for n in (0, 1))
    assert first is not None and second is not None
    assert first["x"] == second["x"] and first["width"] > 300  # below each other, as wide as the page
