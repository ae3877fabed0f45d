"""The local-maxima lab in a real browser: reseed, many starts, the map, the race, the speed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.parts import settings as choices
from tests.browser.serving import launch

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def visit(serve: Callable[..., str], open_page: Open) -> Open:
    """A function that opens the lab at a query and waits for its picture."""

    def show(query: str = "", **options: Any) -> Page:
        # The first page of a server that is not at its root is loaded twice: see pages/parts/opening.py
        page = open_page(f"{serve('app.py')}/local-maxima?{query}", allow="does not seem to exist", **options)
        expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
        return page

    return show


def player(page: Page) -> Locator:
    return page.get_by_test_id("player")


def turn_to(page: Page, group: str, lesson: str) -> None:
    """By the menu above the page."""
    page.get_by_role("button", name=group).click()
    page.get_by_role("menuitem", name=lesson).click()


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def lines(page: Page) -> Locator:
    return page.locator(".st-key-lab-log [role=radiogroup] label")


def place(page: Page, figure: int, x: float, y: float) -> tuple[float, float]:
    """Where on the screen the point (x, y) of a figure's plotting area is, in parts of its width and height."""
    box = player(page).locator(".player-plot").nth(figure).locator(".nsewdrag").first.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_the_first_page_that_a_server_shows_may_lie_below_its_root(open_page: Open, tmp_path: Path):
    url, process = launch("app.py", (), tmp_path / "log.txt")
    try:
        page = open_page(f"{url}/local-maxima?room=race", allow="does not seem to exist")
        expect(player(page)).to_have_attribute("data-ready", "", timeout=30_000)
        expect(page.get_by_role("heading", name="The local-maxima lab")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert query(page) == {"room": "race"}
        page.close()
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_the_menu_leads_from_lesson_to_lesson_and_each_stays_as_it_was(visit: Open):
    page = visit("start-seed=4")
    turn_to(page, "Gaussian mixtures", "Playground")
    expect(page.get_by_role("heading", name="Watch EM fit a Gaussian mixture")).to_be_visible()
    expect(player(page)).to_have_attribute("data-ready", "")
    assert query(page) == {}
    turn_to(page, "Gaussian mixtures", "Local maxima")
    expect(page.get_by_role("heading", name="The local-maxima lab")).to_be_visible()
    expect(page).to_have_url(re.compile("start-seed=4"))
    expect(page.get_by_role("spinbutton", name="Start seed")).to_have_value("4")


def test_a_reseed_adds_a_line_and_a_line_brings_its_run_back(visit: Open):
    page = visit()
    expect(lines(page)).to_have_count(1)
    first = player(page).get_attribute("data-run")
    page.locator(".st-key-lab-log").get_by_role("button", name="Reseed start").click()
    expect(lines(page)).to_have_count(2)
    expect(page.locator(f".player[data-run='{first}']")).to_have_count(0)
    lines(page).last.click()  # the oldest
    expect(player(page)).to_have_attribute("data-run", first or "")
    expect(lines(page)).to_have_count(2)
    expect(page).to_have_url(re.compile("log="))


@pytest.mark.slow
def test_a_hundred_starts_and_a_dot_that_loads_its_run(visit: Open):
    page = visit("room=many")
    page.get_by_role("button", name="100 starts", exact=True).click()
    expect(page.get_by_text("100 starts reached 2 maxima")).to_be_visible(timeout=20_000)
    dots = page.locator(".st-key-strip .scatterlayer .point")
    expect(dots).to_have_count(100)
    before = query(page).get("start-seed")
    page.get_by_role("button", name="Watch a run to A").click()
    expect(page).not_to_have_url(re.compile(f"start-seed={before}$") if before else re.compile("room=many&runs=100$"))
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)  # the script is at rest: one player is left
    expect(player(page)).to_have_count(1)
    run = player(page).get_attribute("data-run")
    dots.nth(60).click(force=True)
    expect(page.locator(f".player[data-run='{run}']")).to_have_count(0, timeout=15_000)


@pytest.mark.slow
def test_a_click_on_the_map_begins_a_run_there_and_the_path_follows_the_player(visit: Open):
    page = visit("room=map")
    run = player(page).get_attribute("data-run")
    page.wait_for_function("() => document.querySelectorAll('.stSpinner').length === 0")
    page.mouse.click(*place(page, 0, 0.2, 0.3))
    expect(page.locator(f".player[data-run='{run}']")).to_have_count(0, timeout=20_000)
    expect(page).to_have_url(re.compile("start=by-hand"))
    expect(player(page)).to_have_attribute("data-ready", "", timeout=20_000)
    rows = choices.SETTINGS["by-hand"].parse(query(page)["by-hand"])
    start = (rows[0][1], rows[1][1])
    now = (
        player(page)
        .locator(".player-plot")
        .first.evaluate("plot => { const t = plot.data.find((one) => one.name === 'Now'); return [t.x[0], t.y[0]]; }")
    )
    assert now == pytest.approx(start, abs=1e-3)
    page.keyboard.press("End")
    expect(player(page)).not_to_have_attribute("data-position", "1")


@pytest.mark.slow
def test_the_map_can_be_used_by_keyboard(visit: Open):
    page = visit("room=map")
    page.get_by_text("Begin a run by numbers").click()
    field = page.get_by_label("mean 1", exact=True)
    field.fill("-3")
    field.press("Enter")
    page.get_by_role("button", name="Run from there").click()
    expect(page).to_have_url(re.compile("start=by-hand"), timeout=15_000)
    assert choices.SETTINGS["by-hand"].parse(query(page)["by-hand"])[0][1] == -3


@pytest.mark.slow
def test_a_race_steps_both_runs_and_says_who_got_where(visit: Open):
    page = visit("room=race")
    expect(player(page).locator(".player-plot")).to_have_count(3)
    expect(page.get_by_text(re.compile("Different maxima|The same maximum|Not decided"))).to_be_visible()
    caption = player(page).locator("[data-part=caption]")
    expect(caption).to_contain_text("Run 1: iteration 0")
    page.keyboard.press("End")
    expect(caption).to_contain_text("where it ended")
    assert (caption.text_content() or "").count("where it ended") == 2


@pytest.mark.slow
def test_the_speed_room_follows_the_player(visit: Open):
    page = visit("room=speed&squarem=1")
    expect(page.get_by_text("SQUAREM from the same start took")).to_be_visible()
    page.keyboard.press("End")
    history = choices.experiment(choices.defaults(offer=choices.LAB)).history()
    expect(page.locator(".em-table")).to_contain_text(f"{history.n_iterations}")


@pytest.mark.slow
def test_a_friend_s_link_shows_the_same_log_and_place(visit: Open):
    page = visit("log=random-points:0_random-points:2&start-seed=2")
    expect(lines(page)).to_have_count(2)
    page.keyboard.press("End")
    expect(page).to_have_url(re.compile("position="))
    friend = visit(urlsplit(page.url).query)
    expect(lines(friend)).to_have_count(2)
    expect(player(friend)).to_have_attribute("data-position", query(page)["position"])


@pytest.mark.slow
def test_hostile_links_are_named_and_the_page_stands(visit: Open):
    page = visit("log=%3Cscript%3E&room=nowhere&plane=means-9-9&runs=1e9&rival=by-hand:1,2")
    expect(page.get_by_text("This link could not be followed in every part")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("room", choices.ROOMS)
def test_nothing_overflows_on_a_phone(visit: Open, room: str):
    page = visit(f"room={room}&runs=10", width=390, height=844)
    page.wait_for_function("() => document.querySelectorAll('.stSpinner').length === 0")
    wide = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth")
    assert wide <= 390


@pytest.mark.slow
def test_on_a_narrow_screen_the_button_and_the_log_come_before_the_picture(visit: Open):
    page = visit("room=reseed", width=1024)
    log, picture = (page.locator(name).bounding_box() for name in (".st-key-lab-log", ".st-key-lab-run"))
    assert log and picture and log["y"] < picture["y"]
