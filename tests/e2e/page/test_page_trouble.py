"""Errors on the page: files, questions, network, access keys, and missing matches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Route, expect

from lookdex.catalog import promotion_log
from lookdex.records import Threshold, Thresholds
from lookdex.service.http.tokens import new_token
from lookdex.storage import open_store
from tests.support.browser import Visit, needs_chromium, visit
from tests.support.catalogs import go_live, picture, recipe_with_digests, stock, write_release
from tests.support.pages import search_photo, upload
from tests.support.photos import encode
from tests.support.services import Service, start

pytestmark = needs_chromium
RED = encode(picture("red"), "JPEG")
UNREACHABLE = Threshold(0.99999, None, None, 0, 0, True)  # no match is that good


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    """An access key and its line for the service."""
    return new_token("page")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, key: tuple[str, str]) -> Iterator[Service]:
    """A service that needs a key, with a catalogue without good matches."""
    shop = open_store(str(tmp_path_factory.mktemp("closed")))
    recipe = recipe_with_digests()
    release = write_release(shop, "night-1", stock(6), recipe=recipe)
    thresholds = Thresholds(0.95, 20, recipe.embedder, recipe.embedder_digest, UNREACHABLE, {})
    promotion_log.save_release(shop, replace(release, release_id="night-2", thresholds=thresholds))
    go_live(shop, "night-2")
    # Readiness probes and the page's own files need no key.
    with start(shop.uri, tmp_path_factory.mktemp("service"), "--tokens", key[1]) as service:
        yield service


def test_files_that_are_not_photos_are_explained(desk: Visit) -> None:
    page = desk.page
    upload(page, b"%PDF-1.7 ...", "a.pdf", "application/pdf")
    expect(page.get_by_role("alert")).to_contain_text("This file is not a supported photo")
    upload(page, RED[:200], "half.jpg")
    expect(page.get_by_role("alert")).to_contain_text("The file may be damaged")
    upload(page, b"", "empty.jpg")
    expect(page.get_by_role("alert")).to_contain_text("This file is empty")
    search_photo(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert len(desk.sent_options()) == 1


def test_text_search_error_is_explained(desk: Visit) -> None:
    page = desk.page
    page.get_by_label("Search by text").fill("paisley")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Try other words, or clear the filters.")
    expect(alert.get_by_text("the fake knows no colour 'paisley'")).to_be_hidden()
    alert.locator("summary").click()
    expect(alert.get_by_text("the fake knows no colour 'paisley'")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "kind", "reason", "says"),
    [
        ("en-GB", "bad-photo", "corrupt", "The file is damaged or incomplete. Try another copy."),
        ("ko-KR", "bad-photo", "corrupt", "파일이 손상되었거나 일부가 없어요."),
        ("ko-KR", "bad-photo", "too_small", "사진이 너무 작아"),
        ("en-GB", "bad-photo", "a reason of later", "Try saving it again as a JPEG."),
        ("en-GB", "unknown-format", "unknown_format", "JPEG, PNG, WebP, GIF and AVIF are supported"),
        ("ko-KR", "too-large", "too_many_pixels", "더 작은 사진을"),
        ("en-GB", "bad-photo", "empty", "Choose another file."),
    ],
)
def test_refused_photo_is_explained(
    browser: Browser, page_service: Service, locale: str, kind: str, reason: str, says: str
) -> None:
    status = {"bad-photo": 422, "unknown-format": 415, "too-large": 413}[kind]
    problem = {"type": f"urn:lookdex:problem:{kind}", "title": "A title", "status": status, "reason": reason}

    def refuse(route: Route) -> None:
        body = json.dumps(problem | {"detail": "ValueError: 23 20 6c"})
        route.fulfill(status=status, headers={"Content-Type": "application/problem+json"}, body=body)

    with visit(browser, page_service.url, locale=locale) as seen:
        page = seen.page
        page.route("**/v1/search", refuse)
        upload(page)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text(says)
        for technical in ("ValueError", "A title"):
            expect(alert).not_to_contain_text(technical)
        expect(alert.locator(".primary")).to_have_count(0)  # a retry would fail again
        expect(page.locator(".draw")).to_have_count(0)
        expect(alert.locator("button")).to_have_count(1)  # another photo


def test_refused_file_replaces_the_earlier_photo(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    upload(page, b"no photo", "a.txt", "text/plain")
    expect(page.get_by_role("alert")).to_contain_text("This file is not a supported photo")
    expect(page.locator(".stage-photo")).to_have_count(0)
    page.go_back()
    expect(page.locator(".lane")).to_have_count(3)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_busy_service_is_retried(desk: Visit) -> None:
    page = desk.page

    def busy(route: Route) -> None:
        problem = {"type": "urn:lookdex:problem:busy", "title": "Busy", "status": 503, "detail": "full"}
        headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=json.dumps(problem))

    page.route("**/v1/search", busy, times=1)
    upload(page)
    expect(page.get_by_role("alert")).to_contain_text("Search is very busy right now")
    expect(page.locator('.box[data-object="1"]')).to_be_visible()
    assert len(desk.sent_options()) == 2


def test_offline_the_photo_stays_and_can_be_retried(desk: Visit) -> None:
    page = desk.page
    page.context.set_offline(True)
    upload(page)
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    expect(page.locator(".stage-photo")).to_be_visible()
    page.get_by_label("Search by text").fill("cyan")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Check your network and try again.")
    expect(page.get_by_role("alert").locator("p")).not_to_contain_text("photo")  # a text search has no photo
    page.go_back()
    expect(page.get_by_role("alert")).to_contain_text("Your photo is still here.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator('.box[data-object="1"]')).to_be_visible()


def test_access_key_is_asked_for_and_kept_for_the_session(
    browser: Browser, closed: Service, key: tuple[str, str]
) -> None:
    with visit(browser, closed.url) as seen:
        page = seen.page
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Access key").fill("ldx_wrong")
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog.get_by_text("That key was not accepted.")).to_be_visible()
        dialog.get_by_label("Access key").fill(key[0])
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog).to_have_count(0)
        expect(page.locator("#foot")).to_contain_text("Release night-2")
        search_photo(page)
        page.locator(".folded summary").first.click()
        first = page.locator(".lane .card img").first
        page.wait_for_function("image => image.naturalWidth > 0", arg=first.element_handle())
        assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
        page.reload()
        expect(page.locator("#foot")).to_contain_text("Release night-2")


def test_items_without_matches_are_collapsed(browser: Browser, closed: Service, key: tuple[str, str]) -> None:
    with visit(browser, closed.url) as seen:
        page = seen.page
        page.get_by_label("Access key").fill(key[0])
        page.keyboard.press("Enter")
        expect(page.locator("#foot")).to_contain_text("Release night-2")
        upload(page)
        expect(page.locator(".far-lanes strong")).to_have_text("Nothing similar in the shop for 2 items")
        expect(page.locator(".lane.folded")).to_have_count(3)  # and the whole photo
        expect(page.locator(".card").first).to_be_hidden()
        expect(page.locator(".look")).to_have_count(0)
        piece = page.locator('.lane[data-lane="0"]')
        piece.locator("summary").click()
        expect(piece.locator(".flag")).to_have_count(3)
        expect(piece.locator(".card").first).to_be_visible()
        piece.get_by_role("button", name="See all").click()
        expect(page.get_by_text("Nothing similar in the shop", exact=True)).to_be_visible()
        expect(page.get_by_text("You have seen all 3 products.")).to_be_visible()
        page.go_back()
        expect(piece.locator(".card").first).to_be_visible()  # unchanged

        filtered: list[bool] = []

        def find_first_item(route: Route) -> None:  # unless a filter is set
            answer = route.fetch().json()
            answer["objects"][0]["no_good_match"] = bool(filtered)
            route.fulfill(json=answer)

        page.route("**/v1/search", find_first_item)
        upload(page)
        expect(page.locator(".far-lanes strong")).to_have_text("Nothing similar in the shop for 1 item")
        page.locator(".filter-button").click()
        page.get_by_label("Maximum price").fill("3")
        filtered.append(True)
        page.get_by_role("button", name="Show products").click()
        expect(page.locator(".far-lanes strong")).to_have_text(
            ["Nothing similar in the shop for 1 item", "Nothing similar matches your filters"]
        )
        filtered.clear()
        page.locator(".far-lanes").get_by_role("button", name="Clear filters").click()
        expect(page.locator(".far-lanes strong")).to_have_text("Nothing similar in the shop for 1 item")
        assert "where" not in seen.sent_options()[-1]


def test_time_in_the_key_dialog_does_not_count_as_slow(
    browser: Browser, closed: Service, key: tuple[str, str]
) -> None:
    with visit(browser, closed.url) as seen:
        page = seen.page
        page.keyboard.press("Escape")
        expect(page.get_by_role("alert")).to_be_visible()
        page.clock.install()
        upload(page)
        expect(page.get_by_role("dialog")).to_be_visible()
        page.clock.fast_forward(100_000)
        expect(page.locator(".loading-words")).to_have_text("Finding items …")
        page.get_by_label("Access key").fill(key[0])
        page.keyboard.press("Enter")
        expect(page.locator(".far-lanes")).to_be_visible()


def test_product_removed_from_the_shop_is_explained(desk: Visit) -> None:
    page = desk.page
    not_found = {
        "type": "urn:lookdex:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "no such",
    }

    def newer_release(route: Route) -> None:
        later = {"release_id": "night-2", "released_at": "2999-01-01T00:00:00Z"}
        route.fulfill(json=route.fetch().json() | later)

    for address in ("crops/*", "products/*/similar?*"):
        page.route(f"**/v1/{address}", lambda route: route.fulfill(status=404, json=not_found))
    page.route("**/v1/release", newer_release)
    search_photo(page)
    expect(page.locator(".card .picture.missing .icon").first).to_be_visible()
    expect(page.locator("#foot")).to_contain_text("The catalogue was updated.")
    page.locator(".card-face").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_have_text("This product is no longer available")
    expect(dialog.get_by_role("link")).to_have_count(0)
    page.keyboard.press("Escape")

    page.unroute("**/v1/crops/*")
    with page.expect_response("**/v1/search"):
        page.locator("#foot .again").click()
    page.wait_for_selector(".card .picture.shown")
    page.locator(".card-face").first.click()
    page.get_by_role("button", name="More like this").click()
    expect(page.get_by_role("alert")).to_contain_text("The shop has removed it")
    page.get_by_role("button", name="Back to your photo").click()
    expect(page.locator(".lane")).to_have_count(3)
    page.goto(f"{desk.url}/?like=p0")
    page.get_by_role("button", name="Back to start").click()
    expect(page.locator(".hero")).to_be_visible()


def test_text_that_was_not_understood_is_explained(desk: Visit) -> None:
    page = desk.page

    def understand_nothing(route: Route) -> None:
        answer = route.fetch(url=route.request.url.replace("qwerty", "red")).json()
        assert answer["objects"][0].pop("understood")  # "red" is a known word
        answer["objects"][0]["understood"] = False
        route.fulfill(json=answer)

    page.route("**/v1/text?*", understand_nothing)
    page.get_by_label("Search by text").fill("qwerty")
    page.keyboard.press("Enter")
    expect(page.get_by_text("We didn't understand that search")).to_be_visible()
    expect(page.locator(".card")).not_to_have_count(0)
    shown = [float(text) for text in page.locator(".card .meter-value").all_inner_texts()]
    assert min(shown) >= 0


def test_key_dialog_can_be_opened_again(browser: Browser, closed: Service) -> None:
    with visit(browser, closed.url) as seen:
        seen.page.keyboard.press("Escape")
        expect(seen.page.get_by_role("alert")).to_contain_text("Access denied")
        seen.page.get_by_role("button", name="Try again").click()
        expect(seen.page.get_by_role("dialog")).to_be_visible()
