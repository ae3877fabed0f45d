"""The lesson on ratings in a real browser: a cell's click, somebody new, the keyboard, a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

# Where in the plotting area a cell of the table lies: people from the top, dishes from the left.
PLACE = """([row, dish]) => {
  const { xaxis, yaxis } = document.querySelector(".js-plotly-plot")._fullLayout;
  return { x: xaxis.d2p(dish), y: yaxis.d2p(row) };
}"""


def test_a_click_chooses_a_person_and_somebody_new_goes_to_the_link(
    serve: Callable[..., str], open_page: Callable[..., Page]
):
    options: dict[str, Any] = {"width": 390, "height": 844}
    page = open_page(f"{serve('app.py')}/ratings?position=5", allow="does not seem to exist", **options)
    player = page.get_by_test_id("player")
    expect(player).to_have_attribute("data-ready", "", timeout=30_000)
    main = page.get_by_test_id("stMain")
    expect(main).to_contain_text("Ada after E-step 2")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    page.locator(".js-plotly-plot .nsewdrag").first.click(position=page.evaluate(PLACE, [3, 1]))
    expect(main).to_contain_text("Bela after E-step 2")
    expect(page).to_have_url(re.compile("person=4"))
    expect(player).to_have_attribute("data-ready", "")
    player.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(main).to_contain_text("Bela after E-step 3")
    rating = page.get_by_role("slider", name="Rating 1")
    rating.focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("stars-1=4"))
    expect(main).to_contain_text("Bela after E-step 3")
    expect(main).to_contain_text(re.compile(r"The other dishes, best first, at iteration 3"))
