"""What tests of the page share: a photo of two items, uploads, drawing."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.support.catalogs import picture
from tests.support.photos import encode

LOOK = encode(picture("red", "blue", size=240), "JPEG")
PRODUCTS = 100  # in the shop of the fixtures' service


def upload(page: Page, photo: bytes = LOOK, name: str = "photo.jpg", kind: str = "image/jpeg") -> None:
    page.locator("input[type=file]").first.set_input_files({"name": name, "mimeType": kind, "buffer": photo})


def search_photo(page: Page, photo: bytes = LOOK) -> dict[str, Any]:
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
    """Drag with the mouse between corners given as shares of the photo."""
    shown = page.locator(".overlay").bounding_box()
    assert shown
    points = [(shown["x"] + x * shown["width"], shown["y"] + y * shown["height"]) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()
