"""The player in a real browser: steps, keys, play, clicks, drags, themes; slider, picture and Python agree.

Every wait is for something visible: the place drawn (data-position), Plotly's arrays following
(data-settled), Python's report on the page.
"""

import json
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser import player_app

pytestmark = pytest.mark.browser

APP = "tests/browser/player_app.py"
STEPS = 27
N_POSITIONS = 2 * STEPS + 2
OPENS = 9


class Shown:
    """The player on a page, and what can be seen of it."""

    def __init__(self, page: Page, key: str = "player") -> None:
        self.page = page
        self.root = page.get_by_test_id("player").nth(0 if key == "player" else 1)
        self.slider = self.root.get_by_role("slider", name="Iteration", exact=True)
        expect(self.root).to_have_attribute("data-ready", "", timeout=30_000)

    def button(self, name: str) -> Any:
        return self.root.get_by_role("button", name=name, exact=True)

    def drawn(self, position: int) -> None:
        expect(self.root).to_have_attribute("data-position", str(position))

    def settled(self, position: int) -> None:
        expect(self.root).to_have_attribute("data-settled", str(position))

    def report(self) -> dict[str, Any]:
        return dict(json.loads(self.page.locator(".st-key-report").inner_text()))

    def told(self, position: int, **more: Any) -> dict[str, Any]:
        """Wait until Python knows; then everything that it knows."""
        parts = [
            f'"position": {position},',
            *(f'"{name}": {json.dumps(value)}' for name, value in more.items()),
        ]
        pattern = ".*".join(map(re.escape, parts))
        expect(self.page.locator(".st-key-report")).to_have_text(re.compile(pattern))
        return self.report()

    def data(self, figure: int) -> list[dict[str, Any]]:
        """What Plotly holds: hover, zoom and export go by it."""
        return list(
            self.root.locator(".player-plot")
            .nth(figure)
            .evaluate(
                """plot => plot.data.map(({x, y, text, marker}) => ({
                    x: Array.from(x), y: Array.from(y), text: text && Array.from(text),
                    color: marker?.color, symbol: marker?.symbol, size: marker?.size}))"""
            )
        )

    def nodes(self) -> list[str]:
        """What is drawn: paths, places and colours of all points, lines, fills and texts, in any order."""
        return list(
            self.root.evaluate(
                """root => Array.from(root.querySelectorAll(".scatterlayer .trace"), (trace, index) => {
                    const all = (selector) => Array.from(trace.querySelectorAll(selector));
                    const words = (node, ...names) => names.map((name) => node.getAttribute(name)).join(" ");
                    const points = all(":scope > .points > path").map((node) =>
                        `${index} point ${words(node, "transform", "d")} ${node.style.fill}`);
                    const paths = ["line", "fill"].map((kind) =>
                        `${index} ${kind} ${all(`.js-${kind}`).map((node) => words(node, "d")).join("")}`);
                    const texts = all(".textpoint text").map((node) =>
                        `${index} text ${node.textContent} ${words(node, "x", "y", "transform")}`);
                    return [...points, ...paths, ...texts].map((line) => line.replaceAll(/M0,0Z?(?=M|$)/g, ""));
                }).flat()"""
            )
        )


@pytest.fixture
def player(serve: Callable[..., str], open_page: Callable[..., Page]) -> Callable[..., Shown]:
    """A function that opens the demo app: ``player(query="half=1", width=390)``."""

    def show(query: str = "", **context: Any) -> Shown:
        return Shown(open_page(f"{serve(APP)}/?{query}", **context))

    return show


def assert_same_drawing(patched: list[str], plotlys: list[str]) -> None:
    """The same nodes, by words and by numbers, to a tenth of a pixel."""
    assert len(patched) == len(plotlys) > 0
    number = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"

    def parts(line: str) -> tuple[str, list[float]]:
        return re.sub(r"[\s,]+", " ", re.sub(number, "#", line)), [float(n) for n in re.findall(number, line)]

    def order(line: str) -> tuple[str, list[float]]:
        words, values = parts(line)
        return words, [round(value) for value in values]

    for one, other in zip(sorted(patched, key=order), sorted(plotlys, key=order), strict=True):
        (words, values), (other_words, other_values) = parts(one), parts(other)
        assert words == other_words
        np.testing.assert_allclose(values, other_values, atol=0.1, err_msg=f"{one}\n{other}")


def assert_picture(shown: Shown, position: int, run: int = 1, n_points: int = 300) -> None:
    """Plotly holds what `SteppedFigure.at` says."""
    for index, figure in enumerate(player_app.figures(run, n_points, STEPS)):
        for trace, held in zip(figure.at(position).data, shown.data(index), strict=True):
            for axis in ("x", "y"):
                expected = np.array([] if trace[axis] is None else trace[axis], dtype=float)
                got = np.array(held[axis], dtype=float)
                np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
            for name in ("color", "symbol", "size"):
                expected = trace.marker[name]
                if isinstance(expected, (tuple, list, np.ndarray)):
                    got = [one.replace(" ", "") if name == "color" else one for one in held[name]]
                    assert list(expected) == got
            if trace.text is not None:
                assert list(trace.text) == held["text"]


def test_it_opens_where_python_says(player):
    shown = player("position=20")
    shown.drawn(21)  # a whole iteration shows the position that completes it
    expect(shown.slider).to_have_value("10")
    expect(shown.slider).to_have_attribute("aria-valuetext", player_app.texts(STEPS)["labels"][21])
    expect(shown.root).to_contain_text("Iteration 10 of 27")
    expect(shown.root.get_by_role("status")).to_have_text("This is position 21")
    assert shown.report()["position"] == 21
    shown.settled(21)
    assert_picture(shown, 21)


def test_buttons_and_keys_step(player):
    shown = player()
    keyboard = shown.page.keyboard
    for name, position in [("Next", 11), ("Previous", 9), ("Last", 55), ("First", 1), ("Next", 3)]:
        shown.button(name).click()
        shown.drawn(position)
    shown.page.mouse.click(5, 5)  # the focus leaves the player
    for key, position in [("ArrowRight", 5), ("End", 55), ("ArrowLeft", 53), ("Home", 1), ("ArrowRight", 3)]:
        keyboard.press(key)
        shown.drawn(position)
    shown.slider.focus()
    for key, position in [("ArrowRight", 5), ("ArrowLeft", 3), ("End", 55), ("Home", 1)]:
        keyboard.press(key)
        shown.drawn(position)
    expect(shown.button("Previous")).to_be_disabled()
    shown.button("Previous").click(force=True)
    shown.told(1)
    shown.drawn(1)


def test_patches_draw_what_plotly_draws(player):
    """Patched nodes are those that Plotly itself would have drawn, also in half-steps and backwards."""
    shown = player("half=1&position=6")
    shown.settled(6)
    for key, position in [("ArrowRight", 7), ("ArrowRight", 8), ("ArrowLeft", 7), ("End", 55), ("Home", 0)]:
        shown.page.keyboard.press(key)
        shown.drawn(position)
        patched = shown.nodes()
        shown.settled(position)
        assert_same_drawing(patched, shown.nodes())
        assert_picture(shown, position)


def test_scrubbing_draws_at_once_and_reports_the_end(player):
    shown = player()
    box = shown.slider.bounding_box()
    mouse = shown.page.mouse
    mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    mouse.down()
    shown.drawn(1)
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(shown.slider).to_have_value(re.compile("13|14"))
    mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    shown.drawn(55)
    mouse.up()
    shown.told(55)


def test_a_held_key_shows_every_position(player):
    shown = player("half=1&position=0")
    seen = shown.root.evaluate(
        """root => new Promise((done) => {
            const seen = [];
            new MutationObserver(() => {
                seen.push(Number(root.dataset.position));
                if (seen.at(-1) === 45) done(seen);
            }).observe(root, {attributes: true, attributeFilter: ["data-position"]});
            let presses = 0;
            const press = () => { // one repeat a frame is more than any keyboard sends
                document.body.dispatchEvent(new KeyboardEvent("keydown",
                    {key: "ArrowRight", repeat: presses > 0, bubbles: true}));
                if (++presses < 45) requestAnimationFrame(press);
            };
            requestAnimationFrame(press);
        })"""
    )
    assert sorted(set(seen)) == list(range(1, 46))
    assert seen == sorted(seen)
    shown.told(45)


def test_play_runs_to_the_end_and_reports_only_there(player):
    shown = player("position=1")
    shown.root.get_by_label("Speed").select_option("10")
    shown.button("Play").click()
    expect(shown.button("Pause")).to_be_visible()
    expect(shown.root).to_have_attribute("data-position", re.compile("1.|2."))
    assert shown.report()["position"] == 1
    shown.drawn(55)
    expect(shown.button("Play")).to_be_visible()
    shown.told(55)
    shown.root.get_by_label("Speed").select_option("1")  # slow enough to be seen at each place
    shown.page.mouse.click(5, 5)
    shown.page.keyboard.press("Space")  # from the end: again from the start
    shown.drawn(3)
    shown.page.keyboard.press("Space")
    expect(shown.button("Play")).to_be_visible()
    position = int(shown.root.get_attribute("data-position"))
    assert 3 <= position < 55
    shown.told(int(shown.slider.input_value()) * 2 + 1)


def test_space_on_a_button_presses_it_once(player):
    shown = player()
    shown.button("Next").focus()
    shown.page.keyboard.press("Space")
    shown.drawn(11)
    expect(shown.button("Play")).to_be_visible()
    shown.button("Play").focus()
    shown.page.keyboard.press("Space")
    expect(shown.button("Pause")).to_be_visible()
    shown.page.keyboard.press("Space")
    expect(shown.button("Play")).to_be_visible()


def test_clicking_the_curve_jumps(player):
    shown = player()
    shown.page.mouse.click(*spot(shown, 1, 20, np.log1p(20)))
    shown.drawn(41)
    shown.told(41, click=None)
    shown.page.mouse.click(*spot(shown, 1, 12.4, np.log1p(12.4)))  # between two points, near the line
    shown.drawn(25)
    shown.page.mouse.click(*spot(shown, 1, 20, 0.5))  # far from it
    shown.button("Next").click()
    shown.drawn(27)


def test_clicking_a_point_reports_it(player):
    shown = player()
    points = player_app.figures(1, 300, STEPS)[0].figure.data[0]
    point = int(np.argmin(np.hypot(np.array(points.x) - 2, np.array(points.y) - 2)))  # far from everything else
    shown.page.mouse.click(*spot(shown, 0, points.x[point], points.y[point]))
    told = shown.told(9, click={"figure": 0, "trace": 0, "point": point})
    assert told["drag"] is None


@pytest.mark.slow
@pytest.mark.parametrize("touch", [False, True])
def test_dragging_a_point_reports_where_it_was_dropped(player, touch):
    shown = player(has_touch=touch)
    handles = player_app.figures(1, 300, STEPS)[0].at(9).data[3]
    start, end = spot(shown, 0, handles.x[1], handles.y[1]), spot(shown, 0, 1.5, -2)
    if touch:
        swipe(shown, [start, spot(shown, 0, 1, -1), end])
    else:
        mouse = shown.page.mouse
        mouse.move(*start)
        expect(shown.root.locator(".player-plot").first).to_have_attribute("data-cursor", "grab")
        mouse.down()
        mouse.move(*end, steps=4)
        mouse.up()
    expect(shown.page.locator(".st-key-report")).to_contain_text('"drag": {"figure": 0, "trace": 3, "point": 1')
    drag = shown.report()["drag"]
    assert (drag["x"], drag["y"]) == pytest.approx((1.5, -2), abs=0.03)
    assert shown.root.locator(".player-plot").first.evaluate("plot => plot.layout.xaxis.range") == [-3, 3]
    shown.page.keyboard.press("ArrowRight")
    shown.settled(11)
    assert_picture(shown, 11)


@pytest.mark.slow
def test_escape_cancels_a_drag(player):
    shown = player()
    handle = player_app.figures(1, 300, STEPS)[0].at(9).data[3]
    before = shown.nodes()
    mouse = shown.page.mouse
    mouse.move(*spot(shown, 0, handle.x[0], handle.y[0]))
    mouse.down()
    mouse.move(*spot(shown, 0, -2, 2), steps=3)
    assert shown.nodes() != before
    shown.page.keyboard.press("Escape")
    mouse.up()
    assert shown.nodes() == before
    shown.page.keyboard.press("ArrowRight")
    assert shown.told(11)["drag"] is None


def assert_spot(shown: Shown, figure: int, x: float, y: float, number: int) -> None:
    """The last of so many events was a spot here."""
    report = shown.page.locator(".st-key-report")
    expect(report).to_have_text(re.compile(rf'"events": \[("\w+"(, )?){{{number}}}\]'))
    told = shown.report()
    assert told["events"][-1] == "spot"
    assert told["spot"]["figure"] == figure
    assert (told["spot"]["x"], told["spot"]["y"]) == pytest.approx((x, y), abs=0.03)


@pytest.mark.slow
def test_a_click_anywhere_reports_its_spot_once(player):
    """On the second of two figures, on a heat map and on its gap, also after a resize; nothing else is a spot."""
    shown = player("panels=cloud,map")
    mouse = shown.page.mouse
    plot = shown.root.locator(".player-plot").nth(1)
    expect(plot.locator(".nsewdrag")).to_have_css("cursor", "crosshair")
    mouse.click(*spot(shown, 1, 1.5, 2.5))
    assert_spot(shown, 1, 1.5, 2.5, 1)
    assert shown.report()["position"] == 9
    mouse.click(*spot(shown, 1, -2.9, -1.9))
    assert_spot(shown, 1, -2.9, -1.9, 2)
    mouse.click(*spot(shown, 0, 2.5, 2.5))  # a figure that asks for none
    mouse.click(*spot(shown, 1, 0, -2.2))  # below the axis
    mouse.click(*spot(shown, 1, 2, 3), button="right")
    path = player_app.landscape(1, STEPS).at(9).data
    mouse.click(*spot(shown, 1, path[3].x[0], path[3].y[0]))  # a handle, not moved
    shown.page.keyboard.press("ArrowRight")
    shown.told(11)
    mark = player_app.landscape(1, STEPS).at(11).data[2]
    mouse.click(*spot(shown, 1, mark.x[0], mark.y[0]))  # a point with a click of its own
    shown.told(11, click={"figure": 1, "trace": 2, "point": 0})
    shown.page.set_viewport_size({"width": 900, "height": 1000})
    width = "plot => plot._fullLayout.width === plot.clientWidth && plot.clientWidth < 450"
    shown.page.wait_for_function(f"() => ({width})(document.querySelectorAll('.player-plot')[1])")
    mouse.click(*spot(shown, 1, -0.5, 3.5))
    assert_spot(shown, 1, -0.5, 3.5, 4)
    assert shown.report()["events"] == ["spot", "spot", "click", "spot"]


@pytest.mark.slow
def test_a_zoom_is_no_spot_and_spots_are_right_while_zoomed(player):
    shown = player("panels=map&half=1")
    shown.settled(9)
    mouse = shown.page.mouse
    plot = shown.root.locator(".player-plot")
    start, end = spot(shown, 0, -2.5, 1), spot(shown, 0, 2, 3.5)
    mouse.move(*start)
    mouse.down()
    mouse.move(*end, steps=4)
    mouse.up()
    shown.page.wait_for_function("() => document.querySelector('.player-plot').layout.xaxis.range[0] > -2.9")
    zoomed = plot.evaluate("plot => plot.layout.xaxis.range")
    shown.page.keyboard.press("ArrowRight")
    shown.drawn(10)
    patched = shown.nodes()
    shown.settled(10)  # a press sooner after the drag is a double click to Plotly
    assert_same_drawing(patched, shown.nodes())
    mouse.click(*spot(shown, 0, 1, 3))
    assert_spot(shown, 0, 1, 3, 1)
    assert plot.evaluate("plot => plot.layout.xaxis.range") == zoomed
    mouse.dblclick(*spot(shown, 0, 0, 2))  # undoes the zoom, no more
    shown.page.wait_for_function("() => document.querySelector('.player-plot').layout.xaxis.range[0] === -3")
    mouse.dblclick(*spot(shown, 0, 2, -1))  # nothing to undo: its first click counts
    assert_spot(shown, 0, 2, -1, 2)
    mouse.click(*spot(shown, 0, -2, 3))
    assert_spot(shown, 0, -2, 3, 3)


@pytest.mark.slow
def test_a_dragged_handle_is_no_spot(player):
    shown = player("panels=map")
    handle = player_app.landscape(1, STEPS).at(9).data[3]
    mouse = shown.page.mouse
    mouse.move(*spot(shown, 0, handle.x[0], handle.y[0]))
    mouse.down()
    mouse.move(*spot(shown, 0, 1.5, 3), steps=4)
    mouse.up()
    expect(shown.page.locator(".st-key-report")).to_contain_text('"events": ["drag"]')
    mouse.click(*spot(shown, 0, -1, 3))
    assert_spot(shown, 0, -1, 3, 2)
    assert shown.report()["events"] == ["drag", "spot"]


@pytest.mark.slow
def test_a_tap_is_a_spot_and_a_swipe_is_none(player):
    shown = player("panels=map,curve", width=390, height=800, has_touch=True, is_mobile=True)
    x, y = spot(shown, 0, -1, 0.5)
    swipe(shown, [(x + distance, y) for distance in range(0, 60, 10)])
    shown.page.touchscreen.tap(*spot(shown, 0, 1.5, 2.5))
    assert_spot(shown, 0, 1.5, 2.5, 1)


@pytest.mark.slow
def test_a_rerun_keeps_the_place_and_draws_nothing(player):
    shown = player()
    shown.button("Last").click()
    shown.told(55)
    shown.settled(55)
    shown.root.evaluate(
        """root => { window.drawn = 0; for (const plot of root.querySelectorAll(".player-plot"))
            plot.on("plotly_afterplot", () => window.drawn++); }"""
    )
    shown.page.get_by_role("button", name="Rerun").click()
    expect(shown.page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning")
    shown.button("Previous").click()
    shown.drawn(53)
    assert shown.page.evaluate("window.drawn") == 0
    # other figures of the same run: drawn anew, at the same place
    shown.told(53)
    shown.page.get_by_text("Without curve").click()
    expect(shown.root.locator(".player-plot")).to_have_count(1)
    shown.settled(53)
    expect(shown.slider).to_have_value("26")
    assert shown.report()["position"] == 53


@pytest.mark.slow
def test_a_new_run_opens_where_python_says(player):
    shown = player()
    shown.button("Last").click()
    shown.told(55)
    shown.page.get_by_role("button", name="New run").click()
    expect(shown.root).to_have_attribute("data-run", "run 2")
    shown.settled(13)
    shown.told(13, run=2)
    expect(shown.slider).to_have_value("6")
    assert_picture(shown, 13, run=2)
    shown.page.keyboard.press("ArrowRight")
    shown.told(15)


@pytest.mark.slow
def test_half_steps_name_the_next_step(player):
    shown = player()
    switch = shown.root.get_by_role("switch", name="Half-steps")
    switch.check()
    expect(shown.slider).to_have_attribute("max", str(N_POSITIONS - 1))
    expect(shown.slider).to_have_value("9")
    shown.told(9, half_steps=True)
    following = shown.button("Next: Even")
    expect(following).to_have_text("Even")
    before = shown.slider.bounding_box()
    following.click()
    shown.drawn(10)
    expect(shown.button("Next: Odd")).to_be_visible()
    assert shown.slider.bounding_box() == before  # names of other lengths shift nothing
    expect(shown.root).to_contain_text("Iteration 5 of 27")
    shown.told(10, half_steps=True)
    switch.uncheck()  # the iteration that the half-step belongs to
    shown.drawn(11)
    expect(shown.slider).to_have_value("5")
    shown.told(11, half_steps=False)


@pytest.mark.slow
def test_steps_are_right_while_zoomed(player):
    shown = player("half=1")
    shown.settled(9)
    mouse = shown.page.mouse
    mouse.move(*spot(shown, 0, -2.2, -2.2))
    mouse.down()
    mouse.move(*spot(shown, 0, 2, 2), steps=4)
    mouse.up()
    plot = shown.root.locator(".player-plot").first
    shown.page.wait_for_function("() => document.querySelector('.player-plot').layout.xaxis.range[0] > -2.5")
    zoomed = plot.evaluate("plot => plot.layout.xaxis.range")
    shown.page.keyboard.press("ArrowRight")
    shown.drawn(10)
    patched = shown.nodes()
    shown.settled(10)
    assert_same_drawing(patched, shown.nodes())
    assert plot.evaluate("plot => plot.layout.xaxis.range") == zoomed


@pytest.mark.slow
def test_what_the_legend_hides_stays_hidden(player):
    shown = player()
    shown.settled(9)
    toggles = shown.root.locator(".legendtoggle")
    toggles.nth(1).click()
    lines = shown.root.locator(".player-plot").first.locator(".scatterlayer .js-line")
    expect(lines).to_have_count(1)  # the trail; the rings are gone
    shown.page.keyboard.press("ArrowRight")
    shown.settled(11)
    expect(lines).to_have_count(1)
    toggles.nth(1).click()
    expect(lines).to_have_count(4)
    assert_picture(shown, 11)


@pytest.mark.slow
def test_it_follows_the_theme(player):
    shown = player(color_scheme="light")
    ring = shown.root.locator(".player-plot").first.locator(".js-line").first
    tick = shown.root.locator(".player-plot").first.locator(".xtick text").first
    colour = "node => getComputedStyle(node).{}"
    light = ring.evaluate(colour.format("stroke")), tick.evaluate(colour.format("fill"))
    shown.page.keyboard.press("ArrowRight")
    shown.drawn(11)
    shown.page.emulate_media(color_scheme="dark")
    expect(ring).not_to_have_css("stroke", light[0])
    expect(tick).not_to_have_css("fill", light[1])
    shown.settled(11)
    assert_picture(shown, 11)


@pytest.mark.slow
def test_it_fits_a_phone(player):
    shown = player("half=1", width=390, height=800, has_touch=True, is_mobile=True)
    page = shown.page
    for width in (390, 360, 768):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(
            "() => { const plot = document.querySelector('.player-plot');"
            " return plot._fullLayout.width === plot.clientWidth; }"
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.root.evaluate("root => root.scrollWidth <= root.clientWidth")
        boxes = [button.bounding_box() for button in shown.root.get_by_role("button").all()]
        assert len(boxes) == 5
        assert all(min(box["width"], box["height"]) >= 44 for box in boxes)
        assert max(box["x"] + box["width"] for box in boxes) <= width
    shown.button("Next: Even").tap()
    shown.drawn(10)


@pytest.mark.slow
def test_a_finger_scrolls_the_page_over_a_plot_and_the_bar_stays(player):
    shown = player(width=390, height=800, has_touch=True, is_mobile=True)
    x, y = spot(shown, 0, -1, 2)
    before = shown.root.locator(".player-plot").first.bounding_box()["y"]
    swipe(shown, [(x, y - distance) for distance in range(0, 160, 10)])
    top = "document.querySelector('.player-plot').getBoundingClientRect().top"
    shown.page.wait_for_function(f"{top} < {before - 100}")
    assert shown.slider.bounding_box()["y"] > 0
    assert shown.root.locator(".player-plot").first.evaluate("plot => plot.layout.yaxis.range") == [-3, 3]
    shown.button("Next").click()  # by mouse: a tap would only end the fling
    shown.drawn(11)


@pytest.mark.slow
def test_three_figures_fit_whatever_the_width(player):
    """In one row, then two and one below them, then below each other, the curve lower than what is above it."""
    shown = player("panels=cloud,cloud,curve", width=1440)
    plots = shown.root.locator(".player-plot").all()
    for width, rows in [(1440, (0, 0, 0)), (1000, (0, 0, 1)), (390, (0, 1, 2))]:
        shown.page.set_viewport_size({"width": width, "height": 900})
        shown.page.wait_for_function(
            "() => [...document.querySelectorAll('.player-plot')].every("
            "plot => plot._fullLayout.width === plot.clientWidth && plot._fullLayout.height === plot.clientHeight)"
        )
        boxes = [plot.bounding_box() for plot in plots]
        tops = sorted({box["y"] for box in boxes})
        assert tuple(tops.index(box["y"]) for box in boxes) == rows
        assert boxes[0]["height"] == boxes[1]["height"]
        assert (boxes[2]["height"] < boxes[0]["height"]) == (width < 1440)
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    shown.page.keyboard.press("ArrowRight")
    shown.settled(11)


@pytest.mark.slow
def test_two_players_do_not_mix(player):
    shown = player("many=1")
    other = Shown(shown.page, "other")
    expect(other.root.get_by_role("switch")).to_have_count(0)  # it has no half-steps
    other.button("Next").click()
    other.drawn(1)
    other.page.keyboard.press("ArrowRight")  # the focus is in the other one
    other.drawn(2)
    shown.drawn(9)
    shown.page.mouse.click(5, 5)
    shown.page.keyboard.press("ArrowRight")  # on the page: the first one
    shown.drawn(11)
    other.drawn(2)


@pytest.mark.slow
def test_it_works_under_a_base_path(serve, open_page):
    shown = Shown(open_page(f"{serve(APP, '--server.baseUrlPath=a/lab')}/"))
    shown.page.keyboard.press("ArrowRight")
    shown.drawn(11)


@pytest.mark.slow
def test_plotly_comes_with_a_chart_where_its_file_has_moved(serve, open_page):
    address = serve(APP, "--client.toolbarMode=minimal")  # a server of its own
    shown = Shown(open_page(f"{address}/?chunk=missing", allow="PlotlyChart.missing.js"))
    shown.page.keyboard.press("ArrowRight")
    shown.drawn(11)


@pytest.mark.slow
def test_resizing_redraws_at_the_new_width(player):
    shown = player(width=1280)
    shown.settled(9)
    shown.page.set_viewport_size({"width": 600, "height": 900})
    width = "plot => plot._fullLayout.width === plot.clientWidth && plot.clientWidth < 600"
    shown.page.wait_for_function(f"() => ({width})(document.querySelector('.player-plot'))")
    shown.page.keyboard.press("ArrowRight")
    shown.drawn(11)
    patched = shown.nodes()
    shown.settled(11)
    assert_same_drawing(patched, shown.nodes())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_slider_picture_and_python_stay_together(player, seed):
    """Whatever is pressed in whatever order, all three end at the same place."""
    rng = random.Random(seed)
    shown = player()
    page = shown.page
    keys = ["ArrowRight", "ArrowLeft", "Home", "End", "Space", "PageUp"]
    run = 1
    for _ in range(3):
        for _ in range(8):
            action = rng.choice(["key", "key", "button", "switch", "rerun", "curve", "new"])
            if action == "key":
                page.keyboard.press(rng.choice(keys))
            elif action == "button":
                name = rng.choice(["First", "Previous", "Next", "Last"])
                shown.root.locator(f'[data-part="{name.lower()}"]').click()
            elif action == "switch":
                shown.root.get_by_role("switch").click()
            elif action == "rerun":
                page.get_by_role("button", name="Rerun").click()
            elif action == "curve":
                step = rng.randrange(STEPS)
                page.mouse.click(*spot(shown, 1, step, np.log1p(step)))
            else:
                page.get_by_role("button", name="New run").click()
                run += 1
        expect(shown.root).to_have_attribute("data-run", f"run {run}")
        if shown.root.get_attribute("data-playing") is not None:
            page.keyboard.press("Escape")
            shown.root.locator('[data-part="play"]').click()
        expect(shown.root).not_to_have_attribute("data-playing", "")
        page.mouse.move(2, 2)
        half = shown.root.get_by_role("switch").is_checked()
        value = int(shown.slider.input_value())
        position = value if half else 2 * value + 1
        shown.settled(position)
        shown.told(position, half_steps=half, run=run)
        assert int(shown.slider.input_value()) == value
        assert_picture(shown, position, run)


def spot(shown: Shown, figure: int, x: float, y: float) -> tuple[float, float]:
    """Where a value of a figure's axes is on the page."""
    plot = shown.root.locator(".player-plot").nth(figure)
    plot.scroll_into_view_if_needed()
    left, top = plot.evaluate(
        """(plot, [x, y]) => { const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
            return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)]; }""",
        [float(x), float(y)],
    )
    return left, top


def swipe(shown: Shown, places: list[tuple[float, float]]) -> None:
    """A finger goes down at the first place, over the others, and up."""
    client = shown.page.context.new_cdp_session(shown.page)
    for index, (x, y) in enumerate(places):
        kind = "touchMove" if index else "touchStart"
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
