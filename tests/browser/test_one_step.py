"""One point, one step in a real browser: clicks, keys, the sheet's lights and its edits."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_playground import marker

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lesson at a query and waits for its picture."""

    def show(query: str = "", **options) -> Page:
        # The first page of a server that is not at its root is loaded twice: see pages/parts/opening.py
        page = open_page(f"{serve('app.py')}/one-step?{query}", allow="does not seem to exist", **options)
        expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def cell(page: Page, name: str) -> Locator:
    return page.locator(f'.sheet [data-cell="{name}"]')


def test_labels_go_and_responsibilities_come_by_keyboard(visit: Open):
    page = visit()
    caption = page.get_by_test_id("player").get_by_role("status")
    expect(caption).to_contain_text("Labels known")
    for text in ("Labels taken away", "Responsibilities stand in", "weighted"):
        page.keyboard.press("ArrowRight")
        expect(caption).to_contain_text(text)
    expect(page.get_by_text("Weighted averages: 300 points")).to_be_visible()
    expect(page).to_have_url(re.compile("position=3"))


def test_a_click_on_a_point_and_one_on_the_curves_choose(visit: Open):
    page = visit("part=e-step&preset=waiting-times&position=9", height=1400)
    expect(page.get_by_role("heading", name="Bayes' rule at point 1, x = 79")).to_be_visible()
    plots = page.get_by_test_id("player").locator(".player-plot")
    box = plots.nth(1).locator(".nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    expect(page.get_by_role("heading", name=re.compile("Bayes' rule at x = "))).to_be_visible()
    expect(page).to_have_url(re.compile("[?&]x="))
    expect(page).to_have_url(re.compile("position=9"))
    expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "")
    page.mouse.click(*marker(page, "Points", 10))
    expect(page.get_by_role("heading", name=re.compile(r"Bayes' rule at point \d+"))).to_be_visible()
    expect(page).not_to_have_url(re.compile("[?&]x="))


@pytest.mark.slow
def test_a_mean_is_dragged_at_the_start(visit: Open):
    page = visit("part=e-step&regions=1", height=1400)
    x, y = marker(page, "Means", 0)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y - 40, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("start=by-hand"))
    expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "")


@pytest.mark.slow
def test_arrow_keys_go_from_point_to_point(visit: Open):
    page = visit("part=e-step")
    number = page.get_by_role("spinbutton", name="Point, 1 to 300")
    number.focus()
    number.press("ArrowUp")
    number.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("Bayes' rule at point 2"))).to_be_visible()
    assert query(page)["point"] == "2"
    number.blur()
    for keys, point in (("Shift+ArrowRight", 3), ("Shift+ArrowLeft", 2)):
        page.keyboard.press(keys)
        expect(page.get_by_role("heading", name=re.compile(f"Bayes' rule at point {point}"))).to_be_visible()
    assert "position" not in query(page)  # the player stays where it is


@pytest.mark.slow
def test_a_point_is_chosen_from_the_table(visit: Open):
    page = visit("part=e-step&position=9", height=2600)
    page.get_by_text("The points as a table").click()
    expect(page.get_by_test_id("stDataFrame").locator("canvas").first).to_be_visible()
    page.wait_for_function(  # it has slid into its place
        """() => {
        const box = document.querySelector('[data-testid=stDataFrame] canvas').getBoundingClientRect();
        const before = window.before;
        window.before = `${box.top} ${box.height}`;
        return window.before === before;
    }""",
        polling=400,
    )
    box = page.get_by_test_id("stDataFrame").locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 15, box["y"] + 35 * 4 + 17)  # the box before the fourth row
    expect(page.get_by_role("heading", name=re.compile("Bayes' rule at point 4"))).to_be_visible()
    assert query(page)["point"] == "4"
    expect(page.get_by_role("spinbutton", name="Point, 1 to 300")).to_have_value("4")


@pytest.mark.slow
def test_the_card_follows_the_player(visit: Open):
    page = visit("part=m-step&component=2")
    before = page.get_by_text("With the responsibilities of the E-step at iteration 0")
    expect(before).to_be_visible()
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_text("With the responsibilities of the E-step at iteration 1")).to_be_visible()
    expect(page.locator(".st-key-fit-formulas .katex").first).to_be_visible()


@pytest.mark.slow
def test_a_cell_lights_its_inputs_and_their_points(visit: Open):
    page = visit("part=sheet&preset=tiny&position=1")
    page.locator(".sheet").scroll_into_view_if_needed()
    cell(page, "s 1").focus()
    for name, lit in (("p 1 0", True), ("p 1 1", True), ("p 0 0", False), ("x 1", False)):
        if lit:
            expect(cell(page, name)).to_have_attribute("data-lit", "")
        else:
            expect(cell(page, name)).not_to_have_attribute("data-lit", "")
    expect(page.locator(".sheet-picture [data-point][data-lit]")).to_have_count(1)
    said = page.locator(".sheet-said")
    expect(said).to_contain_text("p(x₂), the sum of weight × density = 0.121 + 0.121 = 0.242")
    expect(said).to_be_in_viewport()  # also while the top of the sheet is in view
    expect(page.locator(".sheet th[data-row][data-lit]")).to_have_text("2")
    cell(page, "N 0").hover()
    expect(page.locator(".sheet-picture [data-point][data-lit]")).to_have_count(3)
    expect(cell(page, "r 2 0")).to_have_attribute("data-lit", "")


@pytest.mark.slow
def test_arrow_keys_move_in_the_sheet_and_leave_the_player_alone(visit: Open):
    page = visit("part=sheet&preset=tiny&position=3")
    cell(page, "p 0 0").focus()
    page.keyboard.press("ArrowRight")
    expect(cell(page, "p 0 1")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(cell(page, "p 1 1")).to_be_focused()
    expect(cell(page, "p 1 1")).to_have_attribute("data-here", "")
    assert query(page)["position"] == "3"


@pytest.mark.slow
def test_a_responsibility_and_a_point_are_edited_in_place(visit: Open):
    page = visit("part=sheet&preset=tiny&position=1")
    expect(page.get_by_text("after the M-step it is \N{MINUS SIGN}3.5492")).to_be_visible()
    first = page.get_by_role("textbox", name="Responsibility of component 1 for point 2")
    first.fill("0.9")
    first.press("Enter")
    expect(page.get_by_text("Row 2 edited")).to_be_visible()
    expect(page.get_by_role("textbox", name="Responsibility of component 2 for point 2")).to_have_value("0.1")
    assert query(page)["given"] == "0,2,1,0.9"
    first.fill("2")
    first.press("Enter")
    expect(page.get_by_text("a responsibility must be from 0 to 1, got 2")).to_be_visible()
    page.get_by_role("button", name="Undo all edits").click()
    expect(page.get_by_text("Row 2 edited")).to_have_count(0)
    point = page.get_by_role("textbox", name="x of point 3")
    point.fill("3.5")
    point.press("Tab")
    expect(page).to_have_url(re.compile("points=1%3B2%3B3.5|points=1;2;3.5"))
    expect(page.get_by_role("textbox", name="x of point 3")).to_have_value("3.5")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["labels", "e-step", "m-step", "sheet"])
def test_on_a_phone_the_cards_stack_and_the_page_does_not_scroll_sideways(visit: Open, part: str):
    page = visit(f"part={part}&position=3", width=390, height=844)
    expect(page.get_by_text("Notation: Bishop")).to_be_visible()
    overflow = page.evaluate(
        "() => { const main = document.querySelector('[data-testid=stMain]');"
        " return main.scrollWidth - main.clientWidth }"
    )
    assert overflow <= 0
