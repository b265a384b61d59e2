"""Browser history of the page."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.browser import Visit, needs_chromium
from tests.support.pages import LOOK, search_photo, titles, upload

pytestmark = needs_chromium


def test_back_closes_a_product_then_a_lane_then_the_answer(phone: Visit) -> None:
    page = phone.page
    search_photo(page)
    first = titles(page, '.lane[data-lane="0"]')
    page.get_by_role("button", name="See all").nth(1).click()
    expect(page.locator(".lane")).to_have_count(1)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".grid .card")).to_have_count(36)
    page.locator(".grid .card-face").nth(1).click()
    expect(page.locator("dialog")).to_be_visible()

    page.go_back()
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".grid .card")).to_have_count(36)
    page.go_back()
    expect(page.locator(".lane")).to_have_count(3)
    assert titles(page, '.lane[data-lane="0"]')[:12] == first
    page.go_back()
    expect(page.locator(".hero")).to_be_visible()

    for shown in (".lane", ".grid", "dialog"):
        page.go_forward()
        expect(page.locator(shown).first).to_be_visible()
    assert len(phone.sent_options()) == 2


def test_close_buttons_leave_no_history_entries(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    length = page.evaluate("history.length")
    page.locator('.box[data-object="1"]').click()
    page.locator('.box[data-object="0"]').click()  # another lane, in its place
    page.locator(".card-face").first.click()
    page.get_by_role("button", name="Close").click()
    page.locator(".to-all").click()  # before the browser has gone back, or after
    page.locator(".filter-button").click()
    page.go_back()
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".lane")).to_have_count(3)
    page.go_back()
    expect(page.locator(".hero")).to_be_visible()
    assert page.evaluate("history.length") <= length + 2


def test_back_from_similar_products_shows_the_product(desk: Visit) -> None:
    page = desk.page
    title = search_photo(page)["objects"][0]["matches"][2]["columns"]["title"]
    page.locator('.lane[data-lane="0"] .card-face').nth(2).click()
    page.get_by_role("button", name="More like this").click()
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".lane h1")).to_have_text(f"More like {title}")
    page.go_back()
    expect(page.locator("dialog h2")).to_have_text(title)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".stage-photo")).to_be_visible()
    page.go_back()
    expect(page.locator(".hero")).to_be_visible()


def test_history_from_before_a_reload_is_skipped(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    page.locator('.box[data-object="1"]').click()
    page.reload()
    expect(page.locator(".hero")).to_be_visible()
    search_photo(page)
    page.locator('.box[data-object="0"]').click()
    for _ in range(2):
        page.go_back()
    expect(page.locator(".hero")).to_be_visible()
    page.go_back()  # to the first photo, which the reload discarded
    expect(page.locator(".hero")).to_be_visible()
    page.go_forward()
    page.go_forward()
    expect(page.locator(".lane")).to_have_count(3)


def test_answer_that_arrives_after_going_back_is_not_shown(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    page.evaluate(
        """() => {
            const send = window.fetch;
            window.fetch = async (address, init) => {
                const answer = await send(address, init);
                await new Promise((come) => (window.come = come));
                return answer;
            };
        }"""
    )
    page.get_by_label("Search by text").fill("cyan")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.come")
    page.go_back()
    expect(page.locator(".lane")).to_have_count(3)
    page.evaluate("() => new Promise((over) => { window.come(); setTimeout(over, 300); })")
    expect(page.locator(".lane")).to_have_count(3)
    assert page.locator("body").get_attribute("data-view") == "photo"


def test_photo_left_before_its_answer_is_searched_again(desk: Visit) -> None:
    page = desk.page
    page.route("**/v1/search", lambda route: None, times=1)
    with page.expect_request("**/v1/search"):
        upload(page)
    page.get_by_label("Search by text").fill("cyan")
    page.keyboard.press("Enter")
    expect(page.locator(".lane h1")).to_have_text("“cyan”")
    page.go_back()
    expect(page.locator('.box[data-object="1"]')).to_be_visible()
    expect(page.locator(".lane")).to_have_count(3)
    assert len(desk.sent_options()) == 2


def test_two_photos_pasted_at_once_leave_one_history_entry(desk: Visit) -> None:
    page = desk.page
    before = page.evaluate("history.length")
    page.evaluate(
        """async (bytes) => {
            for (const name of ["a.jpg", "b.jpg"]) {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/jpeg"}));
                window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true}));
            }
        }""",
        list(LOOK),
    )
    page.wait_for_selector('.box[data-object="1"]')
    assert page.evaluate("history.length") == before + 1
