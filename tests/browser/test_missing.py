"""The lesson on missing values in a real browser: a hole chosen by a click, the switch, a file, the filled table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_playground import marker

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lesson at a query and waits for its picture."""

    def show(query: str = "", **options: Any) -> Page:
        page = open_page(f"{serve('app.py')}/missing?{query}", allow="does not seem to exist", **options)
        expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def player(page: Page) -> Locator:
    return page.get_by_test_id("player")


def test_a_click_chooses_a_hole_and_the_switch_keeps_it(visit: Open):
    page = visit("position=9", height=1400)
    expect(page.get_by_text("E-step 4, row 11")).to_be_visible()
    page.mouse.click(*marker(page, "One seen", 0))
    expect(page).to_have_url(re.compile("hole=1(&|$)"))
    expect(page.get_by_text(re.compile(r"E-step 4, row (?!11\b)\d+"))).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Hole to look at, 1 to 60")).to_have_value("1")
    page.keyboard.press("ArrowRight")
    expect(player(page).get_by_role("status")).to_contain_text("Iteration 5: the variances become")
    expect(page.get_by_text(re.compile(r"E-step 5, row "))).to_be_visible()
    page.get_by_text("Forget the conditional variance").click()
    expect(page.get_by_text("The variance of the holes is forgotten.")).to_be_visible()
    expect(page).to_have_url(re.compile("forget=1"))
    expect(page).to_have_url(re.compile("hole=1(&|$)"))
    expect(player(page).get_by_role("status")).to_contain_text("Start: the log-likelihood")


@pytest.mark.slow
def test_a_file_with_holes_comes_back_filled(visit: Open):
    page = visit("holes=own", width=390, height=844)
    page.get_by_test_id("stExpandSidebarButton").click()
    rows = "".join(f"{i % 7},{'' if i % 5 == 2 else i % 7 + i % 3}\n" for i in range(60))
    upload = page.locator("input[type=file]")
    upload.set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": f"a,<i>b</i>\n{rows}".encode()})
    expect(page.get_by_text("60 rows with 12 holes.")).to_be_visible()
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    expect(page.get_by_role("region", name="Parameters at iteration 0")).to_contain_text("<i>b</i>")
    with page.expect_download() as download:
        page.get_by_role("button", name="Filled table of E-step 0, CSV").click()
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert lines[0] == "a,<i>b</i>,sd of a,sd of <i>b</i>" and len(lines) == 61 and lines[1] == "0.0,0.0,0.0,0.0"
    assert float(lines[3].split(",")[3]) > 0 and ",," not in "".join(lines)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
