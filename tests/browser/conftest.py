"""A real Chromium and real servers for the browser tests. What they print must be clean."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if "EMLAB_REQUIRE_BROWSER" not in os.environ:
    pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.serving import ARGUMENTS, find_chromium, launch

WAIT = 20_000  # ms: patience with a busy machine, not an expectation
expect.set_options(timeout=WAIT)

# A page below the root asks there first for what the server has at the root.
SEARCHING = re.compile(r"404 .*/[a-z-]+/_stcore/(health|host-config)$")

Serve = Callable[..., str]
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless. Without one the tests are skipped, or fail if they were asked for."""
    path = find_chromium()
    if path is None:
        reason = "no Chromium found: install one or name it in CHROMIUM"
        if "EMLAB_REQUIRE_BROWSER" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A function that serves an app, once however often it is asked, and returns its address.

    ``serve("app.py")`` or ``serve("app.py", "--server.baseUrlPath=lab")``, relative to the repository.
    """
    running: dict[tuple[str, ...], tuple[str, subprocess.Popen[bytes], Path]] = {}

    def start(app: str, *options: str) -> str:
        if (app, *options) not in running:
            log = tmp_path_factory.mktemp("server") / "log.txt"
            running[app, *options] = (*launch(app, options, log), log)
        return running[app, *options][0]

    yield start
    for _, process, _ in running.values():
        process.terminate()
        process.wait(timeout=20)
    for (app, *_), (_, _, log) in running.items():
        text = log.read_text(encoding="utf-8")
        assert not re.search(r"traceback|error|warning|exception", text, re.IGNORECASE), f"{app} said:\n{text}"


@pytest.fixture(scope="session")
def contexts(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A function that gives a browser context with these options; kept, so that its pages share their cache."""
    made: dict[str, BrowserContext] = {}

    def context(**options: Any) -> BrowserContext:
        name = repr(sorted(options.items()))
        if name not in made:
            made[name] = chromium.new_context(**options)
            made[name].set_default_timeout(WAIT)
        return made[name]

    yield context
    for one in made.values():
        one.close()


@pytest.fixture
def open_page(contexts: Callable[..., BrowserContext]) -> Iterator[OpenPage]:
    """A function that opens an address: ``open_page(url, width=390, color_scheme="dark")``.

    `allow` is a word that makes an error in the browser's console an expected one; other options are those of
    a browser context. The console must stay clean.
    """
    said: list[str] = []
    pages: list[Page] = []

    def open_address(url: str, width: int = 1280, height: int = 900, allow: str | None = None, **options: Any) -> Page:
        def hear(kind: str, text: str) -> None:
            if kind == "error" and not (allow and allow in text) and not SEARCHING.search(text):
                said.append(text)

        page = contexts(viewport={"width": width, "height": height}, **options).new_page()
        pages.append(page)
        page.on("console", lambda message: hear(message.type, f"{message.text} {message.location['url']}"))
        page.on("pageerror", lambda error: hear("error", str(error)))
        page.goto(url)
        return page

    yield open_address
    for page in pages:
        page.close()
    assert not said, "the browser's console said:\n" + "\n".join(said)
