"""The items of a photo: selecting and drawing them, with mouse and keyboard, and their products."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Route, expect

from tests.support.browser import Visit, needs_chromium
from tests.support.pages import drag, search_photo, titles, upload
from tests.support.photos import encode

pytestmark = needs_chromium
SIMILAR = 49  # products whose colour is not opposite to blue


def test_selected_item_is_shown_alone_with_more_products(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    box = page.locator('.box[data-object="1"]')
    box.click()
    expect(box).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".lane")).to_have_count(1)
    assert len(titles(page, ".grid")) == 12
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".grid .card")).to_have_count(36)
    assert desk.sent_options()[-1] == {"k": 36, "object": 1, "whole": False, "look": False, "crops": "none"}
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_text(f"You have seen all {SIMILAR} products.")).to_be_visible()
    page.locator(".to-all").click()
    expect(page.locator(".lane")).to_have_count(3)


def test_other_categories_have_a_heading(desk: Visit) -> None:
    page, differences = desk.page, ["colour"]

    def widen(route: Route) -> None:
        answer = route.fetch().json()
        for lane in answer["objects"]:
            lane["widened"] = "too_few"
            for n, match in enumerate(lane["matches"]):
                match["other"] = None if n < 3 else differences[-1]
        answer["objects"][1]["matches"][5]["other"] = "kind"
        route.fulfill(json=answer)

    page.route("**/v1/search", widen)
    upload(page)
    page.wait_for_selector(".card-face:visible")
    row = page.locator('.lane[data-lane="0"] .row')
    expect(row.locator("li:nth-child(4)")).to_have_text("Other colours")
    expect(row.locator(".others")).to_have_count(1)
    page.locator('.box[data-object="0"]').click()
    expect(page.get_by_text("so other colours are included.")).to_be_visible()
    expect(page.locator(".grid > :nth-child(4)")).to_have_text("Other colours")
    page.locator('.box[data-object="1"]').click()
    expect(page.get_by_text("so other colours and other categories are included.")).to_be_visible()
    assert page.locator(".grid .others").all_inner_texts() == [
        "Other colours",
        "Other categories",
        "Other colours",
    ]
    differences.append("kind")
    page.reload()
    upload(page)
    page.wait_for_selector(".card-face:visible")
    page.locator('.box[data-object="0"]').click()
    expect(page.get_by_text("few of these, so other categories are included.")).to_be_visible()


def test_missing_categories_are_reported(desk: Visit) -> None:
    page = desk.page

    def widen(route: Route) -> None:
        answer = route.fetch().json()
        for lane, (within, widened) in zip(
            answer["objects"], [("glasses", "too_few"), (None, "uncertain")], strict=True
        ):
            lane |= {"within": within, "widened": widened}
            for match in lane["matches"]:
                match |= {"similarity": 0.31, "other": "kind" if within else None}
            lane["matches"][0]["similarity"] = 0.29
        route.fulfill(json=answer)

    page.route("**/v1/search", widen)
    upload(page)
    lane = page.locator('.lane[data-lane="0"]')
    expect(lane.get_by_text("The shop has no glasses", exact=True)).to_be_visible()
    expect(lane.locator(".meter.faint")).to_have_count(1)  # 0.29, not 0.31
    expect(page.locator('.lane[data-lane="1"] .lane-meta')).to_contain_text("other categories too")
    page.get_by_role("button", name="한국어").click()
    expect(lane.get_by_text("이 쇼핑몰에는 안경 상품이 없어요", exact=True)).to_be_visible()
    page.get_by_role("button", name="EN", exact=True).click()
    page.locator('.box[data-object="0"]').click()
    expect(page.get_by_text("The shop has no glasses", exact=True)).to_be_visible()
    expect(page.get_by_text("few of these")).to_have_count(0)
    expect(page.locator(".lane-meta")).not_to_contain_text("first")


def test_rows_are_no_wider_than_the_bar(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    bar = page.locator(".bar").bounding_box()
    assert bar
    for selector in (".row", ".arrow.on", ".look"):
        shown = page.locator(selector).first.bounding_box()
        assert shown, selector
        assert bar["x"] <= shown["x"], selector
        assert shown["x"] + shown["width"] <= bar["x"] + bar["width"], selector


def test_long_pictures_are_shown_whole(desk: Visit) -> None:
    page = desk.page
    long = iter(
        [encode(np.full((300, 60, 3), 90, np.uint8)), encode(np.full((60, 300, 3), 90, np.uint8))] * 99
    )
    page.route("**/v1/crops/*", lambda route: route.fulfill(body=next(long), content_type="image/png"))
    search_photo(page)
    page.wait_for_selector(".lane .picture.tall")
    page.wait_for_selector(".lane .picture.wide")
    outside = page.evaluate(
        """() => [...document.querySelectorAll(".picture.shown")].filter((ground) => {
            const [a, b] = [ground, ground.querySelector("img")].map((part) => part.getBoundingClientRect());
            return b.top < a.top - 1 || b.bottom > a.bottom + 1 || b.left < a.left - 1 || b.right > a.right + 1;
        }).length"""
    )
    assert outside == 0


def test_show_more_ends_at_max_k(desk: Visit) -> None:
    page = desk.page

    def limit(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"max_k": 30})

    page.route("**/v1/release", limit)
    with page.expect_response("**/v1/release"):
        page.reload()
    search_photo(page)
    page.locator('.box[data-object="1"]').click()
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".grid .card")).to_have_count(30)
    assert desk.sent_options()[-1]["k"] == 30
    expect(page.get_by_text("These are the 30 most similar products.")).to_be_visible()
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_drawn_box_is_searched(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    with page.expect_response("**/v1/search") as response:
        drag(page, (0.55, 0.2), (0.9, 0.8))
    box = desk.sent_options()[-1]["box"]
    assert box == pytest.approx([132, 48, 216, 192], abs=3)
    assert response.value.json()["objects"][0]["kind"] == "box"
    expect(page.get_by_role("heading", name="Your selection")).to_be_visible()
    expect(page.locator(".grid .card").first).to_contain_text("blue thing")
    with page.expect_response("**/v1/search"):
        drag(page, (0.9, 0.8), (1.0, 1.0))  # the corner of the box
    assert desk.sent_options()[-1]["box"] == pytest.approx([132, 48, 240, 240], abs=3)
    assert desk.sent_options()[-1]["box"][2:] <= [240, 240]


def test_tiny_drag_is_a_click_and_draws_nothing(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    drag(page, (0.05, 0.02), (0.06, 0.025))
    expect(page.locator(".marquee")).to_have_count(0)
    assert len(desk.sent_options()) == 1


def test_items_are_selected_and_drawn_with_the_keyboard(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    first, second = page.locator(".box").all()
    first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(second).to_be_focused()
    page.locator(".draw").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".marquee")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    with page.expect_response("**/v1/search"):
        page.keyboard.press("Enter")
    step = 0.02 * 240
    assert desk.sent_options()[-1]["box"] == pytest.approx([72 - step, 72, 168 - step, 168 + step], abs=1.5)
    page.locator(".card-face").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".card-face").first).to_be_focused()


def test_row_is_one_tab_stop(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    first, second = (page.locator(".row").nth(n).locator(".card-face") for n in (0, 1))
    first.first.focus()
    page.keyboard.press("ArrowRight")
    expect(first.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(first.last).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="See all").nth(1)).to_be_focused()
    page.keyboard.press("Tab")
    expect(second.first).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(second.first).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(first.last).to_be_focused()  # the last focused card


def test_escape_cancels_drawing(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    page.locator(".draw").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator(".marquee")).to_have_count(0)
    expect(page.locator(".draw")).to_be_focused()
    assert len(desk.sent_options()) == 1


def test_product_dialog_shows_details_and_finds_similar_products(desk: Visit) -> None:
    page = desk.page
    match = search_photo(page)["objects"][0]["matches"][0]
    page.locator('.lane[data-lane="0"] .card-face').first.click()
    dialog = page.locator("dialog")
    expect(dialog.get_by_role("heading", level=2)).to_have_text(match["columns"]["title"])
    assert dialog.locator(".meter-value").all_inner_texts() == [
        f"{match['similarity']:.2f}",
        f"{match['colour_similarity']:.2f}",
    ]
    dialog.locator("summary").click()
    expect(dialog.locator(".facts")).to_contain_text(match["image_key"])
    with page.expect_response("**/similar?*") as response:
        dialog.get_by_role("button", name="More like this").click()
    shown = [m["product_id"] for m in response.value.json()["objects"][0]["matches"]]
    assert match["product_id"] not in shown
    expect(page.locator(".lane h1")).to_have_text(f"More like {match['columns']['title']}")
    expect(page.locator(".lane-head .card-price")).to_have_text(f"{match['columns']['price']:g}")
    page.wait_for_selector(".lane-head .picture.shown")
    page.get_by_role("button", name="Back to your photo").click()
    expect(page.locator(".lane")).to_have_count(3)
    page.go_back()
    expect(page.locator(".lane h1")).to_be_visible()
    page.go_back()
    expect(page.locator(".stage-photo")).to_be_visible()
    expect(page.locator(".lane")).to_have_count(3)
