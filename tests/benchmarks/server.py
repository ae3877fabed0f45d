"""How soon the app is there, and how much memory a visitor takes."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.serving import ARGUMENTS, find_chromium, launch

STARTS = 3
VISITORS = 12
MB = 2**20


def report() -> str:
    """A table in Markdown: start to healthy, start to first picture, memory at rest and for each visitor."""
    path = find_chromium()
    if path is None:
        return "The server was not measured: no Chromium found. Name one in CHROMIUM."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        runs = [_one_start(browser, VISITORS if number == 0 else 1) for number in range(STARTS)]
        browser.close()
    healthy, pictured, again, base, each = zip(*runs, strict=True)
    return "\n".join(
        [
            "## The server",
            "",
            f"{platform.machine()}, {os.cpu_count()} cores shared by server and browser; medians of {STARTS} starts.",
            "",
            "| what | measured |",
            "|---|---|",
            f"| start to healthy | {statistics.median(healthy):.1f} s |",
            f"| start to first picture, browser's cache empty | {statistics.median(pictured):.1f} s |",
            f"| opening the page later, browser's cache empty | {statistics.median(again):.1f} s |",
            f"| memory after the first visitor | {statistics.median(base) / MB:.0f} MB |",
            f"| memory for each further visitor ({VISITORS}, each with data of their own) | {each[0] / MB:.1f} MB |",
            "",
        ]
    )


def _one_start(browser: Browser, visitors: int) -> tuple[float, float, float, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        url, server = launch("app.py", (), Path(folder) / "log.txt")
        healthy = time.perf_counter() - began
        try:
            _visit(browser, url, 0)
            pictured = time.perf_counter() - began
            began = time.perf_counter()
            _visit(browser, url, 0)
            again = time.perf_counter() - began
            base = _resident(server.pid)
            for number in range(1, visitors + 1):
                _visit(browser, url, number)
            each = (_resident(server.pid) - base) / visitors
        finally:
            server.terminate()
            server.wait(timeout=20)
    return healthy, pictured, again, base, each


def _visit(browser: Browser, url: str, seed: int) -> None:
    """A visitor of their own, who stays: the page is left open until the browser closes."""
    page = browser.new_context().new_page()
    page.goto(f"{url}/?data-seed={seed}")
    expect(page.get_by_test_id("player")).to_have_attribute("data-ready", "", timeout=60_000)


def _resident(pid: int) -> int:
    """The process's resident memory in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
