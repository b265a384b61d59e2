"""A real browser: the machine's own Chromium, driven by Playwright. Nothing is downloaded."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, (*NAMES, MACOS))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium on the PATH: apt-get install chromium (or name one: CHROMIUM=/path/to/chrome)",
)
# Playwright does not expose the contents of a form with a file.
REMEMBER = """
    window.sent = [];
    const send = window.fetch;
    window.fetch = (address, init) => {
        if (init?.body instanceof FormData) {
            window.sent.push({options: JSON.parse(init.body.get("options")), bytes: init.body.get("photo").size});
        }
        return send(address, init);
    };
"""
DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


@contextmanager
def start_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A visited page, with its console errors and the requests that it sent."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def sent_options(self) -> list[dict[str, Any]]:
        """The options of each photo sent since the page was loaded, in order."""
        return [upload["options"] for upload in self.sent()]

    def sent(self) -> list[dict[str, Any]]:
        """The `options` of each photo sent, and its size as `bytes`."""
        uploads: list[dict[str, Any]] = self.page.evaluate("window.sent")
        return uploads


@contextmanager
def visit(browser: Browser, url: str, **context: Any) -> Iterator[Visit]:
    """A new visitor at `url`, on a desktop by default. Script errors fail the test."""
    settings = {"viewport": DESK, "locale": "en-GB", "reduced_motion": "reduce"} | context
    session = browser.new_context(**settings)
    session.set_default_timeout(20_000)
    session.add_init_script(REMEMBER)
    page = session.new_page()
    seen = Visit(page, url)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda line: seen.errors.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: seen.requests.append(request))
    try:
        page.goto(url)
        page.wait_for_selector("h1, .lane")
        yield seen
        refused = re.compile(
            r"Failed to load resource"
        )  # the browser's message for a 4xx; the page shows its own
        assert [text for text in seen.errors if not refused.match(text)] == []
    finally:
        session.close()
