"""The page on a phone, and its accessibility."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PHONE, Visit, needs_chromium, visit
from tests.support.pages import search_photo, upload
from tests.support.services import Service

pytestmark = needs_chromium


def test_layout_on_a_phone(phone: Visit) -> None:
    page = phone.page
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    search_photo(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    label, total = (
        page.locator(".look-sum > span").first.bounding_box(),
        page.locator(".look-total").bounding_box(),
    )
    ends = page.locator(".tiles").bounding_box()
    assert label
    assert total
    assert ends
    assert label["x"] == pytest.approx(ends["x"] + 4, abs=1)
    assert total["x"] + total["width"] == pytest.approx(ends["x"] + ends["width"] - 4, abs=1)
    box = page.locator('.box[data-object="0"]')
    box.tap()
    expect(box).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("document.querySelector('.results').getBoundingClientRect().top < 100")
    shown = page.locator(".lane h2").bounding_box()
    assert shown
    assert page.viewport_size
    assert 0 < shown["y"] < page.viewport_size["height"] / 2  # its products are visible, not only its name
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length"
    )
    assert columns == 2
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_controls_fit_a_phone(phone: Visit) -> None:
    page = phone.page
    search_photo(page)
    expect(page.locator(".words")).to_be_hidden()
    page.get_by_role("button", name="Text search").tap()
    expect(page.get_by_label("Search by text")).to_be_focused()
    page.get_by_role("button", name="Text search").tap()
    expect(page.locator(".words")).to_be_hidden()
    page.locator(".filter-button").tap()
    page.get_by_label("Maximum price").fill("20")
    page.get_by_role("button", name="Show products").tap()
    expect(page.get_by_role("button", name="Remove up to 20")).to_be_visible()
    tops = set()
    for part in (".refine", ".refine button", ".filter-button", ".sort"):
        box = page.locator(part).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390, part
        tops.add(box["y"] + box["height"] / 2)
    assert max(tops) - min(tops) < 2  # in one line
    page.get_by_role("button", name="Text search").tap()
    page.keyboard.type("cyan")
    page.keyboard.press("Enter")
    expect(page.locator(".lane h1")).to_have_text("“cyan”")


def test_touch_scrolls_unless_drawing(phone: Visit) -> None:
    page = phone.page
    search_photo(page)
    shown = page.locator(".overlay").bounding_box()
    assert shown
    touches = page.context.new_cdp_session(page)

    def swipe() -> None:
        x, y = shown["x"] + 0.15 * shown["width"], shown["y"] + 0.3 * shown["height"]
        touches.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in (20, 60, 120):
            point = {"x": x + step, "y": y + step}
            touches.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        touches.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe()
    expect(page.locator(".marquee")).to_have_count(0)
    page.evaluate("scrollTo(0, 0)")
    page.locator(".draw").tap()
    with page.expect_response("**/v1/search"):
        swipe()
    page.wait_for_function("document.querySelector('.results').getBoundingClientRect().top < 100")
    x0, y0, x1, y1 = phone.sent_options()[-1]["box"]
    assert (x0, y0) == pytest.approx((0.15 * 240, 0.3 * 240), abs=8)
    assert x1 - x0 == pytest.approx(120 / shown["width"] * 240, abs=8)
    assert y1 > y0


DARK_PHONE = {"color_scheme": "dark", "locale": "ko-KR", "viewport": PHONE}


@pytest.mark.parametrize("context", [{"color_scheme": "light"}, DARK_PHONE], ids=["light-desk", "dark-phone"])
def test_axe_finds_no_violations(browser: Browser, page_service: Service, context: dict[str, Any]) -> None:
    with visit(browser, page_service.url, **context) as seen:
        page = seen.page
        assert barriers(page) == []
        search_photo(page)
        page.wait_for_selector(".picture.shown")
        assert barriers(page) == []
        page.locator(".filter-button").click()
        assert barriers(page, "dialog") == []
        page.keyboard.press("Escape")
        page.locator(".lane .card-face").first.click()
        assert barriers(page, "dialog") == []
        page.keyboard.press("Escape")
        page.locator('.box[data-object="0"]').click()
        page.locator(".draw").focus()
        page.keyboard.press("Enter")
        upload(page, b"no photo", "a.txt", "text/plain")
        expect(page.get_by_role("alert")).to_be_visible()
        assert barriers(page) == []


def barriers(page: Page, within: str = "html") -> list[str]:
    """Violations of WCAG 2.2 AA found by axe-core. Only the first cards of a row are checked."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    context = {
        "include": [[within]],
        "exclude": [[".row .card:nth-child(n+3)"], [".grid .card:nth-child(n+3)"]],
    }
    options = {"runOnly": {"type": "tag", "values": tags}}
    found = Axe().run(page, context=context, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]
    ]
