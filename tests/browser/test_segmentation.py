"""The lessons on pictures and on outliers in a real browser: pixels that follow the slider, a file, a dragged point."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Page]
# The colours that an image on the page has, read from what it is loaded from.
COLOURS = """async (node) => {
  const image = new Image();
  image.src = node.href.baseVal;
  await image.decode();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: image.width, height: image.height });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const colours = new Set();
  for (let i = 0; i < data.length; i += 4) colours.add(`${data[i]}, ${data[i + 1]}, ${data[i + 2]}`);
  return [...colours].sort();
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


def step(page: Page, position: int) -> None:
    player(page).locator("[data-part=next]").click()
    expect(player(page)).to_have_attribute("data-position", str(position))


def swatches(page: Page) -> list[str]:
    """The mean colours that the table shows."""
    styles = page.locator(".em-table td .em-key").evaluate_all("nodes => nodes.map((node) => node.style.background)")
    return sorted(style.removeprefix("rgb(").removesuffix(")") for style in styles)


def test_the_picture_has_the_colours_of_the_table_at_every_step(visit: Open):
    page = visit("segmentation", "picture=drawn&max-iter=4&start-seed=0")
    segmented = player(page).locator(".imagelayer image").first
    expect(player(page).locator(".imagelayer image")).to_have_count(2)
    for position in (3, 5):
        step(page, position)
        patched = segmented.evaluate(COLOURS)
        expect(player(page)).to_have_attribute("data-settled", str(position))
        expect(page.get_by_role("region", name=f"Components at iteration {position // 2}")).to_be_visible()
        assert patched == segmented.evaluate(COLOURS) == swatches(page)


@pytest.mark.slow
def test_a_picture_of_one_s_own_is_segmented(visit: Open):
    page = visit("segmentation", "picture=own&segments=2&max-iter=3")
    image = Image.new("RGB", (700, 350), (200, 40, 40))
    image.paste((40, 40, 200), (350, 0, 700, 350))
    out = BytesIO()
    image.save(out, "PNG")
    file = {"name": "flag.png", "mimeType": "image/png", "buffer": out.getvalue()}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("scaled down from 700 × 350 to 512 × 256")).to_be_visible()
    expect(page.get_by_text(re.compile("All 131,072 pixels"))).to_be_visible()
    broken = {**file, "name": "broken.png", "buffer": out.getvalue()[:90]}
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.get_by_text("broken or cut short")).to_be_visible()
    expect(page.get_by_text(re.compile("All 131,072 pixels"))).to_be_visible()


@pytest.mark.slow
def test_the_far_point_is_dragged(visit: Open):
    page = visit("outliers")
    expect(page.get_by_role("cell", name="(8.00, −6.00)")).to_be_visible()
    point = player(page).locator(".player-plot").first.locator(".scatterlayer .trace").last.locator(".point")
    point.scroll_into_view_if_needed()
    diamond = point.bounding_box()
    assert diamond is not None
    x, y = diamond["x"] + diamond["width"] / 2, diamond["y"] + diamond["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 90, y - 60, steps=3)
    page.mouse.up()
    expect(page).to_have_url(re.compile("far-x=[2-7]"))
    expect(page.get_by_role("spinbutton", name="Far point, x")).not_to_have_value("8.000")
    expect(page.get_by_role("cell", name="(8.00, −6.00)")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("address", ["segmentation", "outliers"])
def test_nothing_scrolls_sideways_on_a_phone(visit: Open, address: str):
    page = visit(address, "max-iter=3", width=390, height=844)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    if address == "segmentation":
        left, right = (player(page).locator("[data-image]").nth(n).bounding_box() for n in (0, 1))
        assert left is not None and right is not None and left["y"] == right["y"] and left["height"] < 180
