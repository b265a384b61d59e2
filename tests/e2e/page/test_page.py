"""The page in a real browser, against the service with fake models."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from tests.support.browser import Visit, needs_chromium, visit
from tests.support.catalogs import picture
from tests.support.pages import LOOK, PRODUCTS, drag, search_photo, titles, upload
from tests.support.photos import encode
from tests.support.services import Service

pytestmark = needs_chromium
GREY = encode(np.full((120, 90, 3), 128, np.uint8))
# For each tag of the example photo: the elements that cover it along its middle lines.
OVER_TAGS = """
    () => Promise.all([...document.querySelectorAll(".hero-photo .box")].map((box) =>
        Promise.all(box.getAnimations().map((animation) => animation.finished)))).then(() =>
            [...document.querySelectorAll(".hero-photo .tag")].map((tag) => {
                const {x, y, width, height} = tag.getBoundingClientRect();
                const steps = Array.from({length: 21}, (_, n) => n / 20);
                const along = steps.map((n) => [x + 4 + n * (width - 8), y + height / 2]);
                const down = steps.map((n) => [x + width / 2, y + 1 + n * (height - 2)]);
                return [...along, ...down].map((at) => document.elementFromPoint(...at))
                    .filter((found) => !tag.contains(found)).map((found) => found?.className);
            }))
"""


# ── a photo ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_tags_of_the_example_photo_are_not_covered(browser: Browser, page_service: Service) -> None:
    for width in (390, 768, 1440):
        for language in ("en", "ko"):
            size = {"width": width, "height": 900}
            with visit(browser, f"{page_service.url}/?lang={language}", viewport=size) as seen:
                seen.page.wait_for_selector(".hero-photo .tag[style]")
                seen.page.locator(".hero-photo").scroll_into_view_if_needed()
                covered = seen.page.evaluate(OVER_TAGS)
                assert covered == [[]] * 5, (width, language)


def test_upload_shows_its_items_with_products(desk: Visit) -> None:
    page = desk.page
    answer = search_photo(page)
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
        similar = [match for match in lane["matches"] if match["similarity"] > 0]
        assert titles(page, row) == [match["columns"]["title"] for match in similar]
        first = page.locator(f"{row} .card").first
        match = lane["matches"][0]
        expect(first.locator(".card-price")).to_have_text(f"{match['columns']['price']:g}")
        meters = [f"{match['similarity']:.2f}", f"{match['colour_similarity']:.2f}"]
        assert first.locator(".meter-value").all_inner_texts() == meters
        assert first.locator(".strip i").count() == len(match["palette"])
        page.wait_for_function("image => image.naturalWidth > 0", arg=first.locator("img").element_handle())
    assert page.locator(".look-total").inner_text() == f"{answer['look']['total']:g}"
    expect(page.locator("#foot")).to_contain_text("Release night-1")
    expect(page.locator("#foot")).to_contain_text("answered in")
    expect(page.locator("#spoken")).to_have_text("2 items found.")


def test_colour_dot_has_the_colour_that_is_named(desk: Visit) -> None:
    """The colour of the largest swatch may have another name."""
    page = desk.page

    def change_palette(route: Route) -> None:
        answer = route.fetch().json()
        first, second = answer["objects"]
        first["palette"][0] |= {"hex": "#ee8800"}
        assert first["colour_hex"].startswith("#d")
        second["colour_hex"] = None
        route.fulfill(json=answer)

    page.route("**/v1/search", change_palette)
    upload(page)
    page.wait_for_selector(".card-face")
    dots = page.locator(".tag i").evaluate_all(
        "dots => dots.map((dot) => getComputedStyle(dot).backgroundColor)"
    )
    assert len(dots) == 1
    assert dots[0].startswith("rgb(2")
    assert dots[0] != "rgb(238, 136, 0)"


def test_look_total_counts_selected_items_only(desk: Visit) -> None:
    page = desk.page
    prices = [piece["price"] for piece in search_photo(page)["look"]["pieces"]]
    page.locator(".tile-keep input").first.uncheck()
    expect(page.locator(".look-total")).to_have_text(f"{prices[1]:g}")
    expect(page.locator(".look-count")).to_have_text("1 item")
    page.locator(".tile-keep input").nth(1).uncheck()
    expect(page.locator(".look-total")).to_have_text("–")
    page.get_by_role("button", name="한국어").click()
    expect(page.locator(".look-count")).to_have_text("선택한 아이템이 없어요")
    assert [box.is_checked() for box in page.locator(".tile-keep input").all()] == [False, False]


def test_all_requests_are_same_origin(desk: Visit) -> None:
    search_photo(desk.page)
    assert {r.url.split("/")[2] for r in desk.requests if not r.url.startswith(("blob:", "data:"))} == {
        desk.url.split("/")[2]
    }


def test_photos_can_be_samples_dropped_or_pasted(desk: Visit) -> None:
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


def test_boxes_of_a_photo_rotated_by_exif(desk: Visit) -> None:
    """Rotated by EXIF: red is left of blue as stored, and above it as shown."""
    stored = Image.open(io.BytesIO(LOOK)).resize((240, 160))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    stored.save(file, "JPEG", exif=exif)
    answer = search_photo(desk.page, file.getvalue())
    assert (answer["width"], answer["height"]) == (160, 240)
    red, blue = (desk.page.get_by_role("button", name=f"{name}, item") for name in ("Red top", "Blue shoes"))
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


def test_large_photo_is_scaled_down_before_the_upload(desk: Visit) -> None:
    large = np.kron(picture("red", "blue", size=100)[:50], np.ones((30, 30, 1), np.uint8))
    answer = search_photo(desk.page, encode(large, "PNG"))
    assert (answer["width"], answer["height"]) == (2560, 1280)
    assert desk.sent()[0]["bytes"] < 500_000
    box = next(lane["box"] for lane in answer["objects"] if lane["label"] == "top")
    assert box["x0"] == pytest.approx(8 / 100 * 2560, abs=8)


def test_photo_without_items_is_searched_as_a_whole(desk: Visit) -> None:
    page = desk.page
    search_photo(page, GREY)
    expect(page.get_by_text("We couldn't find any items")).to_be_visible()
    assert len(titles(page, '.lane[data-lane="whole"]')) == 12
    page.locator(".notice .button").click()
    drag(page, (0.2, 0.2), (0.8, 0.8))
    expect(page.get_by_role("heading", name="Your selection")).to_be_visible()


# ── narrowing ────────────────────────────────────────────────────────────────────────────────────────────────


def test_filters_narrow_every_lane(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_label("Match the colour")).to_have_value("0")
    assert page.locator("dialog .ends span").all_inner_texts() == ["not important", "very important"]
    expect(page.get_by_label("Maximum price")).to_have_attribute("placeholder", str(PRODUCTS - 1))
    page.get_by_label("Maximum price").fill("20.5")
    page.get_by_role("button", name="Shoes", exact=True).click()
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Show products").click()
    assert desk.sent_options()[-1]["where"] == "price <= 20.5 and label in ('shoes')"
    expect(page.get_by_text("1 other item is hidden")).to_be_visible()
    expect(page.locator('.lane[data-lane="whole"]')).to_contain_text("No products found")
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Remove Shoes").click()
    assert desk.sent_options()[-1]["where"] == "price <= 20.5"
    page.wait_for_selector('.lane[data-lane="0"] .card-face')
    assert {float(text) for text in page.locator(".lane:not(.folded) .card-price").all_inner_texts()} <= set(
        range(21)
    )
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Remove up to 20.5").click()
    assert "where" not in desk.sent_options()[-1]


def test_products_are_sorted_by_price(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    order, prices = page.get_by_label("Sort by"), page.locator('.lane[data-lane="0"] .card-price')
    choices = order.locator("option").all_inner_texts()
    assert choices == ["Most similar", "Price: low to high", "Price: high to low"]
    for column, sign in (("-price", -1), ("price", 1)):
        order.focus()
        with page.expect_response("**/v1/search"):
            order.select_option(column)
        expect(order).to_be_focused()
        expect(page.locator(".stale")).to_have_count(0)
        assert (desk.sent_options()[-1]["sort"], desk.sent_options()[-1]["k"]) == (column, 48)
        shown = [sign * float(text) for text in prices.all_inner_texts()]
        assert len(shown) > 12
        assert shown == sorted(shown)
    page.get_by_label("Search by text").fill("red")
    with page.expect_response("**/v1/text?*") as response:
        page.keyboard.press("Enter")
    assert "sort" not in response.value.url
    with page.expect_response("**/v1/text?*") as response:
        order.select_option("-price")
    assert "k=48&sort=-price" in response.value.url
    with page.expect_response("**/v1/text?*") as response:
        order.select_option("Most similar")
    assert "sort" not in response.value.url


def test_shop_without_prices_has_no_sort_menu(browser: Browser, page_service: Service) -> None:
    with visit(browser, page_service.url) as seen:
        seen.page.route(
            "**/v1/release", lambda route: route.fulfill(json=route.fetch().json() | {"sortable": ["title"]})
        )
        seen.page.goto(f"{page_service.url}/?q=red")
        expect(seen.page.locator(".filter-button")).to_be_visible()
        expect(seen.page.locator(".sort")).to_have_count(0)


def test_price_filter_shows_the_currency(desk: Visit) -> None:
    page = desk.page

    def add_currency(route: Route) -> None:
        answer = route.fetch().json()
        for lane in (*answer["objects"], answer["whole"]):
            for match in lane["matches"]:
                match["columns"]["currency"] = "KRW"
        route.fulfill(json=answer)

    page.route("**/v1/search", add_currency)
    search_photo(page)
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_label("Maximum price")).to_have_attribute("placeholder", f"₩{PRODUCTS - 1}")
    page.get_by_label("Maximum price").fill("20")
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Show products").click()
    expect(page.get_by_role("button", name="Remove up to ₩20")).to_be_visible()


def test_colour_and_text_refine_the_photo(desk: Visit) -> None:
    page = desk.page
    search_photo(page)
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Match the colour").fill("0.6")
    with page.expect_response("**/v1/search"):
        page.get_by_role("button", name="Show products").click()
    assert desk.sent_options()[-1]["colour"] == 0.6
    page.get_by_label("Refine the search").fill("blue")
    with page.expect_response("**/v1/search") as response:
        page.keyboard.press("Enter")
    assert desk.sent_options()[-1]["text"] == "blue"
    matches = response.value.json()["objects"][0]["matches"]
    shown = next(match for match in matches if match["similarity"] > 0)
    meter = page.locator('.lane[data-lane="0"] .card').first.locator(".meter", has_text="Text match")
    expect(meter).to_have_text(f"Text match{max(0, shown['text_similarity']):.2f}")  # never -0.00
    expect(page.get_by_label("Refine the search")).to_be_focused()  # so that another Enter searches again
    assert response.value.json()["objects"][0]["tint"] == "blue"
    expect(page.locator(".lane").first.get_by_text("Colour")).to_have_count(
        0
    )  # the photo's colour is not what is searched
    expect(page.get_by_role("button", name="Remove with “blue”")).to_be_visible()


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_searches_have_a_url(desk: Visit) -> None:
    page = desk.page
    page.get_by_label("Search by text").fill("cyan")
    page.keyboard.press("Enter")
    expect(page.locator(".lane h1")).to_have_text("“cyan”")
    assert titles(page)[0] == "cyan thing of night-1"
    assert page.url.endswith("?q=cyan")
    page.reload()
    expect(page.locator(".lane h1")).to_have_text("“cyan”")
    page.get_by_label("Search by text").fill("red")
    page.keyboard.press("Enter")
    expect(page.locator(".lane h1")).to_have_text("“red”")
    page.go_back()
    expect(page.locator(".lane h1")).to_have_text("“cyan”")
    expect(page.get_by_label("Search by text")).to_have_value("cyan")


def test_product_s_title_comes_from_the_catalogue(desk: Visit) -> None:
    page = desk.page
    match = search_photo(page)["objects"][0]["matches"][0]
    product = match["product_id"]

    def search_red(route: Route) -> None:  # the fake embedder knows only colours
        route.fulfill(response=route.fetch(url=route.request.url.replace(f"q={product}", "q=red")))

    page.route("**/v1/text?*", search_red)
    page.goto(f"{desk.url}/?like={product}&title=Another+name")
    expect(page.locator(".lane h1")).to_have_text(f"More like {match['columns']['title']}")
    page.unroute("**/v1/text?*")
    page.reload()
    expect(page.locator(".lane h1")).to_have_text(f"More like {product}")
    expect(page.get_by_text("Another name")).to_have_count(0)


# ── Korean ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_language_follows_the_browser_and_can_be_switched(browser: Browser, page_service: Service) -> None:
    with visit(browser, page_service.url, locale="ko-KR") as seen:
        page = seen.page
        expect(page.locator("html")).to_have_attribute("lang", "ko")
        expect(page.locator("h1")).to_contain_text("찾으세요")
        search_photo(page)
        expect(page.get_by_role("button", name="빨간색 상의, 아이템 2개 중")).to_be_visible()
        expect(page.get_by_role("heading", name="파란색 신발")).to_be_visible()
        expect(page.locator("#foot")).to_contain_text("릴리스 night-1")
        page.get_by_role("button", name="EN", exact=True).click()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.get_by_role("heading", name="Blue shoes")).to_be_visible()
        page.reload()
        expect(page.locator("h1")).to_contain_text("Find it here")
