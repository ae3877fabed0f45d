"""How long a step of the player takes in a real browser, and what it costs the server.

The time runs from the key press, as the browser stamps it, until the new position has been painted
(`data-position` changes). The server's time is its process's CPU time over many steps that each come to rest and
are reported, less that of the same span at rest. Software rendering, server and browser on one machine: an
upper bound on what a visitor sees.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.serving import ARGUMENTS, find_chromium, launch

APP = "app.py"
N_STEPS = 30
REST = 400  # ms between presses: each step is reported and its script run done
LISTEN = """root => {
    window.latencies = [];
    let pressed = 0;
    document.addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
    new MutationObserver(() => {
        if (pressed) window.latencies.push(performance.now() - pressed);
        pressed = 0;
    }).observe(root, {attributes: true, attributeFilter: ["data-position"]});
}"""


@dataclass(frozen=True)
class Workload:
    """What the playground is opened with, and within how many ms a step should be drawn."""

    name: str
    groups: str
    target: float

    @property
    def query(self) -> str:
        """Four components over 60 iterations, in half-steps."""
        return f"data=groups&groups={self.groups}&components=4&max-iter=60&tol=0&half-steps=1"


WORKLOADS = (
    Workload("300 points, 2D", "100,0,0,1,1,0;100,3,1,1,1,0.5;100,1,4,1,1,0", 60),
    Workload("2,000 points, 2D", "800,0,0,1,1,0;600,3,1,1,1,0.5;600,1,4,1,1,0", 100),
    Workload("300 points, 1D", "100,0,1;100,3,1;100,7,2", 60),
    Workload("2,000 points, 1D", "800,0,1;600,3,1;600,7,2", 100),
)
LARGEST_SERVER_TIME = 10  # ms of CPU a step


def report() -> str:
    """A table in Markdown: latency of a step, and the server's CPU time while stepping and playing."""
    path = find_chromium()
    if path is None:
        return "The browser was not measured: no Chromium found. Name one in CHROMIUM."
    lines = [
        "## A step of the playground, from key press to paint",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores shared by server and browser, software rendering, "
        f"{N_STEPS} half-steps of 60 iterations, two figures.",
        "",
        "| data | median ms | p95 ms | target | server CPU a step | target | server CPU while playing |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        url, server = launch(APP, (), Path(folder) / "log.txt")
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            lines += [_row(browser, url, server.pid, workload) for workload in WORKLOADS]
        finally:
            browser.close()
            server.terminate()
            server.wait(timeout=20)
    return "\n".join([*lines, ""])


def _row(browser: Browser, url: str, pid: int, workload: Workload) -> str:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/?{workload.query}")
    root = page.get_by_test_id("player")
    expect(root).to_have_attribute("data-ready", "", timeout=30_000)
    _steps(page, 6)  # warm
    root.evaluate(LISTEN)
    began, used = time.perf_counter(), _cpu_time(pid)
    _steps(page, N_STEPS)
    span, used = time.perf_counter() - began, _cpu_time(pid) - used
    latencies = page.evaluate("window.latencies")
    assert len(latencies) == N_STEPS, f"{len(latencies)} of {N_STEPS} steps were drawn"
    resting = _cpu_time(pid)
    page.wait_for_timeout(3000)
    resting = (_cpu_time(pid) - resting) / 3
    server = 1000 * (used - resting * span) / N_STEPS
    playing = _playing(page, pid) - resting
    page.close()
    median, p95 = statistics.median(latencies), statistics.quantiles(latencies, n=20)[-1]
    return (
        f"| {workload.name} | {median:.0f} | {p95:.0f} | {workload.target:.0f} "
        f"| {server:.1f} ms | {LARGEST_SERVER_TIME} ms | {100 * max(playing, 0):.1f} % |"
    )


def _steps(page: Page, count: int) -> None:
    for _ in range(count):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(REST)


def _playing(page: Page, pid: int) -> float:
    """The server's CPU seconds a second while the player plays."""
    page.get_by_label("Speed", exact=True).select_option("10")
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_timeout(300)
    before = _cpu_time(pid)
    page.wait_for_timeout(5000)
    used = _cpu_time(pid) - before
    page.get_by_role("button", name="Pause", exact=True).click()
    return used / 5


def _cpu_time(pid: int) -> float:
    """CPU seconds that the process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
