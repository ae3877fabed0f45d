"""The lesson on text in a real browser: steps, a click, a sentence, a file, and a phone."""

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
        page = open_page(f"{serve('app.py')}/text?{query}", allow="does not seem to exist", **options)
        expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def texts(page: Page, figure: int) -> list[str]:
    """The words that a figure shows now."""
    plot = page.get_by_test_id("player").locator(".player-plot").nth(figure)
    return plot.locator("g.textpoint text").all_text_contents()


def test_steps_a_click_and_a_sentence(visit: Open):
    page = visit("half-steps=1", height=1600)
    player = page.get_by_test_id("player")
    start = texts(page, 1)
    assert len(start) == 24
    page.keyboard.press("ArrowRight")  # the E-step shares documents out, and leaves the words
    expect(player.get_by_role("status")).to_contain_text("of 60 documents")
    assert texts(page, 1) == start
    page.keyboard.press("ArrowRight")
    expect(player).to_have_attribute("data-position", "2")
    expect(player.get_by_role("status")).to_contain_text("M-step 1: the probability of")
    assert texts(page, 1) != start
    expect(page.get_by_text("Components at iteration 1")).to_be_visible()
    mark = player.locator(".player-plot").first.locator(".points > path.point").nth(44)
    box = mark.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_text("Document 45 (true subject: astronomy)")).to_be_visible()
    expect(page).to_have_url(re.compile("at=45"))
    sentence = page.get_by_role("textbox", name="Your sentence")
    sentence.fill("A comet over the oven")
    sentence.press("ArrowLeft")  # moves the cursor, not the player
    sentence.press("Enter")
    expect(page.get_by_role("rowheader", name="oven", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("sentence=A\\+comet"))
    expect(player).to_have_attribute("data-position", "2")


@pytest.mark.slow
def test_own_text_on_a_phone(visit: Open):
    page = visit("text=own&subjects=8", width=390, height=844)
    upload = page.locator("input[type=file]")
    lines = "\n".join(["river <img src=x> bank " + "w" * 39, "bank loan", "loan " + "v" * 40, "unbroken" * 400] * 3)
    upload.set_input_files({"name": "mine.txt", "mimeType": "text/plain", "buffer": lines.encode()})
    expect(page.get_by_text("in 9 documents. 3 documents have no counted word")).to_be_visible()
    expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "", timeout=30_000)
    expect(page.get_by_text("Document 1", exact=True)).to_be_visible()
    main = page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth <= node.clientWidth")
    upload.set_input_files({"name": "bad.txt", "mimeType": "text/plain", "buffer": b"\x00\x01\x02"})
    expect(page.get_by_text("This is not a text file")).to_be_visible()
    expect(page.get_by_text("in 9 documents. 3 documents have no counted word")).to_be_visible()
