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
from playwright.sync_api import Browser, Page, Request, sync_playwright

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
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@contextmanager
def start_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A visited page. wrong: console errors; requests: everything it sent."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def asked(self) -> list[dict[str, Any]]:
        """The options of each photo sent since the page was loaded, in order."""
        return [sent["options"] for sent in self.sent()]

    def sent(self) -> list[dict[str, Any]]:
        """The same, with the photo's `bytes`."""
        found: list[dict[str, Any]] = self.page.evaluate("window.sent")
        return found


@contextmanager
def visit(browser: Browser, url: str, **context: Any) -> Iterator[Visit]:
    """A new visitor at `url`, on a desktop by default. Script errors end the test."""
    settings = {"viewport": DESK, "locale": "en-GB", "reduced_motion": "reduce"} | context
    opened = browser.new_context(**settings)
    opened.set_default_timeout(20_000)
    opened.add_init_script(REMEMBER)
    page = opened.new_page()
    seen = Visit(page, url)
    page.on("pageerror", lambda error: seen.wrong.append(str(error)))
    page.on("console", lambda said: seen.wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: seen.requests.append(request))
    try:
        page.goto(url)
        page.wait_for_selector("h1, .lane")
        yield seen
        refused = re.compile(
            r"Failed to load resource"
        )  # the browser's own message for a 4xx, which the page reports itself
        assert [text for text in seen.wrong if not refused.match(text)] == []
    finally:
        opened.close()
