"""The page in a real browser, against the real service with the fakes as models."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from lookdex import live
from lookdex.records import Threshold, Thresholds
from lookdex.service.tokens import new_token
from lookdex.storage import open_store
from tests.browser import PHONE, Visit, needs_chromium, visit
from tests.catalogs import go_live, picture, publish, stock, write_release
from tests.photos import encode
from tests.services import Service, honest_recipe, start

pytestmark = needs_chromium
RED = encode(picture("red"), "JPEG")
LOOK = encode(picture("red", "blue", size=240), "JPEG")
GREY = encode(np.full((120, 90, 3), 128, np.uint8))
PRODUCTS = 100
ALIKE = 49  # of them not opposite in colour to blue
NEVER = Threshold(0.99999, None, None, 0, 0, True)  # no match is that good


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    shop = str(tmp_path_factory.mktemp("shop"))
    publish(open_store(shop), "night-1", stock(PRODUCTS), made=honest_recipe())
    with start(shop, tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    """An access key, and the line that lets it in."""
    return new_token("page")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, key: tuple[str, str]) -> Iterator[Service]:
    """A service that wants a key, of a shop with nothing really alike."""
    shop = open_store(str(tmp_path_factory.mktemp("closed")))
    made = honest_recipe()
    written = write_release(shop, "night-1", stock(6), made=made)
    known = Thresholds(0.95, 20, made.embedder, made.embedder_digest, NEVER, {})
    live.save_release(shop, replace(written, release_id="night-2", thresholds=known))
    go_live(shop, "night-2")
    # Its readiness is asked without a key; the page's own files are served without one too.
    with start(shop.uri, tmp_path_factory.mktemp("service"), "--tokens", key[1]) as service:
        yield service


@pytest.fixture
def desk(browser: Browser, service: Service) -> Iterator[Visit]:
    with visit(browser, service.url) as seen:
        yield seen


@pytest.fixture
def phone(browser: Browser, service: Service) -> Iterator[Visit]:
    with visit(browser, service.url, viewport=PHONE, has_touch=True, is_mobile=True) as seen:
        yield seen


def upload(page: Page, photo: bytes = LOOK, name: str = "photo.jpg", kind: str = "image/jpeg") -> None:
    page.locator("input[type=file]").first.set_input_files({"name": name, "mimeType": kind, "buffer": photo})


def answered(page: Page, photo: bytes = LOOK) -> dict[str, Any]:
    """Upload a photo and wait for its lanes."""
    with page.expect_response("**/v1/search") as response:
        upload(page, photo)
    page.wait_for_selector(".card-face:visible, .folded, .trouble")
    assert page.locator(".trouble").all_inner_texts() == []
    answer: dict[str, Any] = response.value.json()
    return answer


def titles(page: Page, within: str = ".lane") -> list[str]:
    return page.locator(f"{within} .card-title").all_inner_texts()


def drag(page: Page, *corners: tuple[float, float]) -> None:
    """With the mouse, between corners that are shares of the photo."""
    shown = page.locator(".overlay").bounding_box()
    assert shown
    points = [(shown["x"] + x * shown["width"], shown["y"] + y * shown["height"]) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


# ── a photo ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_upload_shows_its_pieces_and_the_products_of_each(desk: Visit) -> None:
    page = desk.page
    answer = answered(page)
    found = answer["objects"]
    assert {lane["label"] for lane in found} == {"top", "shoes"}
    for n, lane in enumerate(found):
        box = page.locator(f'.box[data-object="{n}"]')
        expect(box).to_have_text(f"{lane['colour']} {lane['label']}".capitalize())
        shown, photo = box.bounding_box(), page.locator(".stage-photo").bounding_box()
        assert shown
        assert photo
        assert (shown["x"] - photo["x"]) / photo["width"] == pytest.approx(lane["box"]["x0"] / 240, abs=0.02)
        assert (shown["width"]) / photo["width"] == pytest.approx(
            (lane["box"]["x1"] - lane["box"]["x0"]) / 240, abs=0.02
        )
        row = f'.lane[data-lane="{n}"]'
        alike = [match for match in lane["matches"] if match["similarity"] > 0]
        assert titles(page, row) == [match["columns"]["title"] for match in alike]
        first = page.locator(f"{row} .card").first
        match = lane["matches"][0]
        expect(first.locator(".card-price")).to_have_text(f"{match['columns']['price']:g}")
        likeness = [f"{match['similarity']:.2f}", f"{match['colour_similarity']:.2f}"]
        assert first.locator(".meter-value").all_inner_texts() == likeness
        assert first.locator(".strip i").count() == len(match["palette"])
        page.wait_for_function("image => image.naturalWidth > 0", arg=first.locator("img").element_handle())
    assert page.locator(".look-total").inner_text() == f"{answer['look']['total']:g}"
    expect(page.locator("#foot")).to_contain_text("Release night-1")
    expect(page.locator("#foot")).to_contain_text("answered in")
    expect(page.locator("#spoken")).to_have_text("2 pieces found.")


def test_a_piece_s_dot_has_the_colour_of_its_name(desk: Visit) -> None:
    """Not that of the largest swatch, which may be called otherwise."""
    page = desk.page

    def told(route: Route) -> None:
        answer = route.fetch().json()
        first, second = answer["objects"]
        first["palette"][0] |= {"hex": "#ee8800"}
        assert first["colour_hex"].startswith("#d")
        second["colour_hex"] = None
        route.fulfill(json=answer)

    page.route("**/v1/search", told)
    upload(page)
    page.wait_for_selector(".card-face")
    dots = page.locator(".tag i").evaluate_all(
        "dots => dots.map((dot) => getComputedStyle(dot).backgroundColor)"
    )
    assert len(dots) == 1
    assert dots[0].startswith("rgb(2")
    assert dots[0] != "rgb(238, 136, 0)"


def test_a_look_counts_what_is_kept_in_it(desk: Visit) -> None:
    page = desk.page
    prices = [piece["price"] for piece in answered(page)["look"]["pieces"]]
    page.locator(".tile-keep input").first.uncheck()
    expect(page.locator(".look-total")).to_have_text(f"{prices[1]:g}")
    expect(page.locator(".look-count")).to_have_text("1 piece")
    page.locator(".tile-keep input").nth(1).uncheck()
    expect(page.locator(".look-total")).to_have_text("–")


def test_nothing_comes_from_elsewhere(desk: Visit) -> None:
    answered(desk.page)
    assert {r.url.split("/")[2] for r in desk.requests if not r.url.startswith(("blob:", "data:"))} == {
        desk.url.split("/")[2]
    }


def test_a_sample_a_drop_and_a_paste_are_photos_too(desk: Visit) -> None:
    page = desk.page
    page.locator(".sample").first.click()
    page.wait_for_selector(".stage-photo")
    page.wait_for_selector(".card-face")
    for event, carrier in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        with page.expect_response("**/v1/search") as response:
            page.evaluate(
                """async ([event, carrier, bytes]) => {
                    const data = new DataTransfer();
                    data.items.add(new File([new Uint8Array(bytes)], "a.jpg", {type: "image/jpeg"}));
                    const Kind = event === "drop" ? DragEvent : ClipboardEvent;
                    window.dispatchEvent(new Kind(event, {[carrier]: data, bubbles: true, cancelable: true}));
                }""",
                [event, carrier, list(LOOK)],
            )
        assert response.value.json()["width"] == 240
        page.wait_for_selector('.box[data-object="1"]')


def test_boxes_hold_pixels_of_the_upright_photo(desk: Visit) -> None:
    """Turned by EXIF: red lies left of blue when stored, and above it when shown."""
    stored = Image.open(io.BytesIO(LOOK)).resize((240, 160))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    stored.save(file, "JPEG", exif=exif)
    answer = answered(desk.page, file.getvalue())
    assert (answer["width"], answer["height"]) == (160, 240)
    red, blue = (desk.page.get_by_role("button", name=f"{name}, piece") for name in ("Red top", "Blue shoes"))
    above, below, photo = (
        red.bounding_box(),
        blue.bounding_box(),
        desk.page.locator(".overlay").bounding_box(),
    )
    assert above
    assert below
    assert photo
    assert above["y"] + above["height"] < below["y"] + 20
    assert photo["width"] / photo["height"] == pytest.approx(160 / 240, abs=0.01)


def test_a_large_photo_is_scaled_down_before_it_is_sent(desk: Visit) -> None:
    large = np.kron(picture("red", "blue", size=100)[:50], np.ones((30, 30, 1), np.uint8))
    answer = answered(desk.page, encode(large, "PNG"))
    assert (answer["width"], answer["height"]) == (2560, 1280)
    assert desk.sent()[0]["bytes"] < 500_000
    box = next(lane["box"] for lane in answer["objects"] if lane["label"] == "top")
    assert box["x0"] == pytest.approx(8 / 100 * 2560, abs=8)


def test_a_photo_without_pieces_is_answered_as_a_whole(desk: Visit) -> None:
    page = desk.page
    answered(page, GREY)
    expect(page.get_by_text("We could not pick out a piece")).to_be_visible()
    assert len(titles(page, '.lane[data-lane="whole"]')) == 12
    page.locator(".notice .button").click()
    drag(page, (0.2, 0.2), (0.8, 0.8))
    expect(page.get_by_role("heading", name="Your selection")).to_be_visible()


# ── a piece ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chosen_piece_stands_alone_and_has_more(desk: Visit) -> None:
    page = desk.page
    answered(page)
    box = page.locator('.box[data-object="1"]')
    box.click()
    expect(box).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".lane")).to_have_count(1)
    assert len(titles(page, ".grid")) == 12
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".grid .card")).to_have_count(36)
    assert desk.asked()[-1] == {"k": 36, "object": 1, "whole": False, "look": False, "crops": "none"}
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_text(f"That is everything that fits: {ALIKE} products.")).to_be_visible()
    page.locator(".to-all").click()
    expect(page.locator(".lane")).to_have_count(3)


def test_where_other_kinds_begin_is_said(desk: Visit) -> None:
    page = desk.page

    def told(route: Route) -> None:
        answer = route.fetch().json()
        for lane in answer["objects"]:
            lane["widened"] = "too_few"
            for n, match in enumerate(lane["matches"]):
                match["other"] = None if n < 3 else "colour"
        answer["objects"][1]["matches"][5]["other"] = "kind"
        route.fulfill(json=answer)

    page.route("**/v1/search", told)
    upload(page)
    page.wait_for_selector(".card-face:visible")
    row = page.locator('.lane[data-lane="0"] .row')
    expect(row.locator("li:nth-child(4)")).to_have_text("Other colours")
    expect(row.locator(".others")).to_have_count(1)
    page.locator('.box[data-object="0"]').click()
    expect(page.get_by_text("few of these in that colour")).to_be_visible()
    expect(page.locator(".grid > :nth-child(4)")).to_have_text("Other colours")
    page.locator('.box[data-object="1"]').click()
    expect(page.get_by_text("so other kinds of things follow")).to_be_visible()
    assert page.locator(".grid .others").all_inner_texts() == [
        "Other colours",
        "Other kinds",
        "Other colours",
    ]


def test_no_more_is_offered_than_the_service_gives(desk: Visit) -> None:
    page = desk.page

    def told(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"max_k": 30})

    page.route("**/v1/release", told)
    with page.expect_response("**/v1/release"):
        page.reload()
    answered(page)
    page.locator('.box[data-object="1"]').click()
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".grid .card")).to_have_count(30)
    assert desk.asked()[-1]["k"] == 30
    expect(page.get_by_text("These are the 30 nearest.")).to_be_visible()
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_a_drawn_box_is_searched(desk: Visit) -> None:
    page = desk.page
    answered(page)
    with page.expect_response("**/v1/search") as response:
        drag(page, (0.55, 0.2), (0.9, 0.8))
    box = desk.asked()[-1]["box"]
    assert box == pytest.approx([132, 48, 216, 192], abs=3)
    assert response.value.json()["objects"][0]["kind"] == "box"
    expect(page.get_by_role("heading", name="Your selection")).to_be_visible()
    expect(page.locator(".grid .card").first).to_contain_text("blue thing")
    with page.expect_response("**/v1/search"):
        drag(page, (0.9, 0.8), (1.0, 1.0))  # its corner
    assert desk.asked()[-1]["box"] == pytest.approx([132, 48, 240, 240], abs=3)
    assert desk.asked()[-1]["box"][2:] <= [240, 240]


def test_a_click_that_wanders_draws_nothing(desk: Visit) -> None:
    page = desk.page
    answered(page)
    drag(page, (0.05, 0.02), (0.06, 0.025))
    expect(page.locator(".marquee")).to_have_count(0)
    assert len(desk.asked()) == 1


def test_all_of_it_works_by_keys(desk: Visit) -> None:
    page = desk.page
    answered(page)
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
    assert desk.asked()[-1]["box"] == pytest.approx([72 - step, 72, 168 - step, 168 + step], abs=1.5)
    page.locator(".card-face").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".card-face").first).to_be_focused()


def test_escape_gives_up_drawing(desk: Visit) -> None:
    page = desk.page
    answered(page)
    page.locator(".draw").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator(".marquee")).to_have_count(0)
    expect(page.locator(".draw")).to_be_focused()
    assert len(desk.asked()) == 1


def test_a_product_says_why_it_is_there_and_leads_to_others(desk: Visit) -> None:
    page = desk.page
    match = answered(page)["objects"][0]["matches"][0]
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
    page.go_back()
    expect(page.locator(".stage-photo")).to_be_visible()
    expect(page.locator(".lane")).to_have_count(3)


# ── narrowing ────────────────────────────────────────────────────────────────────────────────────────────────


def test_filters_narrow_every_lane(desk: Visit) -> None:
    page = desk.page
    answered(page)
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_label("Highest price")).to_have_attribute("placeholder", str(PRODUCTS - 1))
    page.get_by_label("Highest price").fill("20.5")
    page.get_by_role("button", name="Shoes", exact=True).click()
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Show products").click()
    assert desk.asked()[-1]["where"] == "price <= 20.5 and label in ('shoes')"
    expect(page.get_by_text("1 other piece is hidden")).to_be_visible()
    expect(page.locator('.lane[data-lane="whole"]')).to_contain_text("Nothing fits")
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Remove Shoes").click()
    assert desk.asked()[-1]["where"] == "price <= 20.5"
    page.wait_for_selector('.lane[data-lane="0"] .card-face')
    assert {float(text) for text in page.locator(".lane:not(.folded) .card-price").all_inner_texts()} <= set(
        range(21)
    )
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Remove up to 20.5").click()
    assert "where" not in desk.asked()[-1]


def test_colour_and_words_beside_the_photo(desk: Visit) -> None:
    page = desk.page
    answered(page)
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Colour counts").fill("0.6")
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Show products").click()
    assert desk.asked()[-1]["colour"] == 0.6
    page.get_by_label("Change something").fill("blue")
    with page.expect_response("**/v1/search") as response:
        page.keyboard.press("Enter")
    assert desk.asked()[-1]["text"] == "blue"
    matches = response.value.json()["objects"][0]["matches"]
    likeness = next(
        one["text_similarity"] for one in matches if one["similarity"] > 0
    )  # the first that is shown
    words = page.locator('.lane[data-lane="0"] .card').first.locator(".meter", has_text="Words")
    expect(words).to_contain_text(f"{likeness:.2f}")
    expect(page.get_by_role("button", name="Remove with “blue”")).to_be_visible()


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_words_are_searched_and_have_an_address(desk: Visit) -> None:
    page = desk.page
    page.get_by_label("Search by words").fill("cyan")
    page.keyboard.press("Enter")
    expect(page.locator(".lane h1")).to_have_text("“cyan”")
    assert titles(page)[0] == "cyan thing of night-1"
    assert page.url.endswith("?q=cyan")
    page.reload()
    expect(page.locator(".lane h1")).to_have_text("“cyan”")
    page.get_by_label("Search by words").fill("red")
    page.keyboard.press("Enter")
    expect(page.locator(".lane h1")).to_have_text("“red”")
    page.go_back()
    expect(page.locator(".lane h1")).to_have_text("“cyan”")
    expect(page.get_by_label("Search by words")).to_have_value("cyan")


# ── back ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_back_closes_a_product_then_a_lane_then_leaves_the_answer(phone: Visit) -> None:
    page = phone.page
    answered(page)
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
    assert len(phone.asked()) == 2


def test_what_is_closed_on_the_page_needs_no_going_back(desk: Visit) -> None:
    page = desk.page
    answered(page)
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


def test_back_from_more_like_a_product_shows_the_product_again(desk: Visit) -> None:
    page = desk.page
    title = answered(page)["objects"][0]["matches"][2]["columns"]["title"]
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


def test_entries_that_an_earlier_page_made_are_no_places(desk: Visit) -> None:
    page = desk.page
    answered(page)
    page.locator('.box[data-object="1"]').click()
    page.reload()
    expect(page.locator(".hero")).to_be_visible()
    answered(page)
    page.locator('.box[data-object="0"]').click()
    for _ in range(2):
        page.go_back()
    expect(page.locator(".hero")).to_be_visible()
    page.go_back()  # the first photo, which is gone
    expect(page.locator(".hero")).to_be_visible()
    page.go_forward()
    page.go_forward()
    expect(page.locator(".lane")).to_have_count(3)


def test_an_answer_that_comes_after_one_went_back_is_not_shown(desk: Visit) -> None:
    page = desk.page
    answered(page)
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
    page.get_by_label("Search by words").fill("cyan")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.come")
    page.go_back()
    expect(page.locator(".lane")).to_have_count(3)
    page.evaluate("() => new Promise((over) => { window.come(); setTimeout(over, 300); })")
    expect(page.locator(".lane")).to_have_count(3)
    assert page.locator("body").get_attribute("data-view") == "photo"


def test_a_photo_that_was_left_before_its_answer_is_asked_again(desk: Visit) -> None:
    page = desk.page
    page.route("**/v1/search", lambda route: None, times=1)
    with page.expect_request("**/v1/search"):
        upload(page)
    page.get_by_label("Search by words").fill("cyan")
    page.keyboard.press("Enter")
    expect(page.locator(".lane h1")).to_have_text("“cyan”")
    page.go_back()
    expect(page.locator('.box[data-object="1"]')).to_be_visible()
    expect(page.locator(".lane")).to_have_count(3)
    assert len(desk.asked()) == 2


def test_of_two_photos_at_once_the_first_leaves_no_place(desk: Visit) -> None:
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


# ── Korean ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_korean_is_the_browser_s_and_can_be_switched(browser: Browser, service: Service) -> None:
    with visit(browser, service.url, locale="ko-KR") as seen:
        page = seen.page
        expect(page.locator("html")).to_have_attribute("lang", "ko")
        expect(page.locator("h1")).to_contain_text("찾으세요")
        answered(page)
        expect(page.get_by_role("button", name="빨간색 상의, 2개 중")).to_be_visible()
        expect(page.get_by_role("heading", name="파란색 신발")).to_be_visible()
        expect(page.locator("#foot")).to_contain_text("릴리스 night-1")
        page.get_by_role("button", name="EN", exact=True).click()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.get_by_role("heading", name="Blue shoes")).to_be_visible()
        page.reload()
        expect(page.locator("h1")).to_contain_text("Find it here")


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_is_no_photo(desk: Visit) -> None:
    page = desk.page
    upload(page, b"%PDF-1.7 ...", "a.pdf", "application/pdf")
    expect(page.get_by_role("alert")).to_contain_text("This file is not a photo that can be read")
    upload(page, RED[:200], "half.jpg")
    expect(page.get_by_role("alert")).to_contain_text("It may be damaged")
    upload(page, b"", "empty.jpg")
    expect(page.get_by_role("alert")).to_contain_text("This file is empty")
    answered(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert len(desk.asked()) == 1


def test_a_question_that_the_service_refuses_is_told_plainly(desk: Visit) -> None:
    page = desk.page
    page.get_by_label("Search by words").fill("paisley")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Try other words, or without filters.")
    expect(alert.get_by_text("the fake knows no colour 'paisley'")).to_be_hidden()
    alert.locator("summary").click()
    expect(alert.get_by_text("the fake knows no colour 'paisley'")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "kind", "reason", "says"),
    [
        ("en-GB", "bad-photo", "corrupt", "The file is damaged or cut off. Another copy of it may work."),
        ("ko-KR", "bad-photo", "corrupt", "파일이 손상되었거나 잘렸어요."),
        ("ko-KR", "bad-photo", "too_small", "사진이 너무 작아"),
        ("en-GB", "bad-photo", "a reason of later", "Saved anew, as a JPEG, it may work."),
        ("en-GB", "unknown-format", "unknown_format", "JPEG, PNG, WebP and GIF work."),
        ("ko-KR", "too-large", "too_many_pixels", "더 작은 사진으로"),
        ("en-GB", "bad-photo", "empty", "There is nothing in it."),
    ],
)
def test_a_photo_that_the_service_refuses_is_told_plainly(
    browser: Browser, service: Service, locale: str, kind: str, reason: str, says: str
) -> None:
    status = {"bad-photo": 422, "unknown-format": 415, "too-large": 413}[kind]
    problem = {"type": f"urn:lookdex:problem:{kind}", "title": "A title", "status": status, "reason": reason}

    def refuse(route: Route) -> None:
        body = json.dumps(problem | {"detail": "ValueError: 23 20 6c"})
        route.fulfill(status=status, headers={"Content-Type": "application/problem+json"}, body=body)

    with visit(browser, service.url, locale=locale) as seen:
        page = seen.page
        page.route("**/v1/search", refuse)
        upload(page)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text(says)
        for never in ("ValueError", "A title"):
            expect(alert).not_to_contain_text(never)
        expect(alert.locator(".primary")).to_have_count(0)  # to try it again ends the same
        expect(page.locator(".draw")).to_have_count(0)
        expect(alert.locator("button")).to_have_count(1)  # another photo


def test_a_file_that_is_no_photo_leaves_no_earlier_one_in_its_place(desk: Visit) -> None:
    page = desk.page
    answered(page)
    upload(page, b"no photo", "a.txt", "text/plain")
    expect(page.get_by_role("alert")).to_contain_text("This file is not a photo that can be read")
    expect(page.locator(".stage-photo")).to_have_count(0)
    page.go_back()
    expect(page.locator(".lane")).to_have_count(3)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_busy_service_is_asked_again_when_it_says(desk: Visit) -> None:
    page = desk.page

    def busy(route: Route) -> None:
        problem = {"type": "urn:lookdex:problem:busy", "title": "Busy", "status": 503, "detail": "full"}
        headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=json.dumps(problem))

    page.route("**/v1/search", busy, times=1)
    upload(page)
    expect(page.get_by_role("alert")).to_contain_text("Many people are searching right now")
    expect(page.locator('.box[data-object="1"]')).to_be_visible()
    assert len(desk.asked()) == 2


def test_without_a_network_the_photo_stays_and_can_be_tried_again(desk: Visit) -> None:
    page = desk.page
    page.context.set_offline(True)
    upload(page)
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    expect(page.locator(".stage-photo")).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator('.box[data-object="1"]')).to_be_visible()


def test_a_service_that_wants_a_key_is_given_one(
    browser: Browser, closed: Service, key: tuple[str, str]
) -> None:
    with visit(browser, closed.url) as seen:
        page = seen.page
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Access key").fill("ldx_wrong")
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog.get_by_text("This key was not accepted.")).to_be_visible()
        dialog.get_by_label("Access key").fill(key[0])
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog).to_have_count(0)
        expect(page.locator("#foot")).to_contain_text("Release night-2")
        answered(page)
        page.locator(".folded summary").first.click()
        first = page.locator(".lane .card img").first
        page.wait_for_function("image => image.naturalWidth > 0", arg=first.element_handle())
        assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
        page.reload()
        expect(page.locator("#foot")).to_contain_text("Release night-2")


def test_pieces_that_nothing_is_like_are_told_once_and_can_be_opened(
    browser: Browser, closed: Service, key: tuple[str, str]
) -> None:
    with visit(browser, closed.url) as seen:
        page = seen.page
        page.get_by_label("Access key").fill(key[0])
        page.keyboard.press("Enter")
        expect(page.locator("#foot")).to_contain_text("Release night-2")
        upload(page)
        expect(page.locator(".far-lanes strong")).to_have_text(
            "Nothing in the shop is really like these 2 pieces"
        )
        expect(page.locator(".lane.folded")).to_have_count(3)  # and the whole photo
        expect(page.locator(".card").first).to_be_hidden()
        expect(page.locator(".look")).to_have_count(0)
        piece = page.locator('.lane[data-lane="0"]')
        piece.locator("summary").click()
        expect(piece.locator(".flag")).to_have_count(3)
        expect(piece.locator(".card").first).to_be_visible()
        piece.get_by_role("button", name="See all").click()
        expect(page.get_by_text("Nothing in the shop is really like this", exact=True)).to_be_visible()
        expect(page.get_by_text("That is everything that fits: 3 products.")).to_be_visible()
        page.go_back()
        expect(piece.locator(".card").first).to_be_visible()  # as it was left

        page.locator(".filter-button").click()
        page.get_by_label("Highest price").fill("3")
        page.get_by_role("button", name="Show products").click()
        expect(page.locator(".far-lanes strong")).to_have_text("Nothing like this within your filters")
        page.locator(".far-lanes").get_by_role("button", name="Clear the filters").click()
        expect(page.locator(".far-lanes strong")).to_contain_text("Nothing in the shop")
        assert "where" not in seen.asked()[-1]


def test_words_that_say_nothing_of_products(desk: Visit) -> None:
    page = desk.page

    def told(route: Route) -> None:
        answer = route.fetch(url=route.request.url.replace("qwerty", "red")).json()
        assert answer["objects"][0].pop("understood")  # “red” is a word that is known
        answer["objects"][0]["understood"] = False
        route.fulfill(json=answer)

    page.route("**/v1/text?*", told)
    page.get_by_label("Search by words").fill("qwerty")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No product word understood")).to_be_visible()
    expect(page.locator(".card")).not_to_have_count(0)
    shown = [float(text) for text in page.locator(".card .meter-value").all_inner_texts()]
    assert min(shown) >= 0


def test_a_key_that_is_not_given_is_asked_for_again(browser: Browser, closed: Service) -> None:
    with visit(browser, closed.url) as seen:
        seen.page.keyboard.press("Escape")
        expect(seen.page.get_by_role("alert")).to_contain_text("Access was refused")
        seen.page.get_by_role("button", name="Try again").click()
        expect(seen.page.get_by_role("dialog")).to_be_visible()


# ── everyone ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_phone(phone: Visit) -> None:
    page = phone.page
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator('.box[data-object="0"]')
    box.tap()
    expect(box).to_have_attribute("aria-pressed", "true")
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length"
    )
    assert columns == 2
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_a_phone_s_results_keep_the_search_and_stay_on_the_screen(phone: Visit) -> None:
    page = phone.page
    answered(page)
    expect(page.locator(".words")).to_be_hidden()
    page.get_by_role("button", name="Search in words").tap()
    expect(page.get_by_label("Search by words")).to_be_focused()
    page.get_by_role("button", name="Search in words").tap()
    expect(page.locator(".words")).to_be_hidden()
    page.locator(".filter-button").tap()
    page.get_by_label("Highest price").fill("20")
    page.get_by_role("button", name="Show products").tap()
    expect(page.get_by_role("button", name="Remove up to 20")).to_be_visible()
    for part in (".refine", ".refine button", ".filter-button"):
        box = page.locator(part).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390, part
    page.get_by_role("button", name="Search in words").tap()
    page.keyboard.type("cyan")
    page.keyboard.press("Enter")
    expect(page.locator(".lane h1")).to_have_text("“cyan”")


def test_a_finger_scrolls_until_it_is_told_to_draw(phone: Visit) -> None:
    page = phone.page
    answered(page)
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
    x0, y0, x1, y1 = phone.asked()[-1]["box"]
    assert (x0, y0) == pytest.approx((0.15 * 240, 0.3 * 240), abs=8)
    assert x1 - x0 == pytest.approx(120 / shown["width"] * 240, abs=8)
    assert y1 > y0


DARK_PHONE = {"color_scheme": "dark", "locale": "ko-KR", "viewport": PHONE}


@pytest.mark.parametrize("context", [{"color_scheme": "light"}, DARK_PHONE], ids=["light-desk", "dark-phone"])
def test_no_barriers_that_a_machine_can_find(
    browser: Browser, service: Service, context: dict[str, Any]
) -> None:
    with visit(browser, service.url, **context) as seen:
        page = seen.page
        assert barriers(page) == []
        answered(page)
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
    """What axe-core finds against WCAG 2.2 AA, and where. The first cards of a row stand for the others."""
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
