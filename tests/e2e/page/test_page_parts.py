"""Unit tests of the page's scripts, run in a browser without the service."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import lookdex.service
from tests.support.browser import needs_chromium, visit
from tests.support.paths import ROOT

pytestmark = needs_chromium
SERVICE = Path(lookdex.service.__file__).parent


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """The URL of a static server of the page's files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=SERVICE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page(browser: Browser, files: str) -> Iterator[Page]:
    """A page on the static server, which can import the scripts."""
    with visit(browser, f"{files}/page/js/") as seen:
        yield seen.page


def test_both_languages_have_the_same_texts(page: Page) -> None:
    words = page.evaluate(
        """async () => {
            const {en, categoriesEn, labelsEn} = await import("/page/js/words-en.js");
            const {ko, categoriesKo} = await import("/page/js/words-ko.js");
            return [{...en, ...categoriesEn}, {...ko, ...categoriesKo}, labelsEn, categoriesEn];
        }"""
    )
    *words, labels, categories = words
    assert labels.keys() == categories.keys()
    english, korean = ({k: set(_values(v)) for k, v in language.items()} for language in words)
    assert english == korean
    assert all(words[0].values())
    assert all(words[1].values())


def test_relative_times(page: Page) -> None:
    texts = page.evaluate(
        """async () => {
            const {ago, setLanguage, t} = await import("/page/js/i18n.js");
            const published = (seconds) => t("published", {when: ago(new Date(Date.now() - 1000 * seconds))});
            return ["en", "ko"].map((language) => {
                setLanguage(language);
                return [5, 90, 3 * 3600 + 9, 2 * 86400 + 9].map(published);
            });
        }"""
    )
    assert texts == [
        ["published just now", "published 1 minute ago", "published 3 hours ago", "published 2 days ago"],
        ["방금 업데이트", "1분 전 업데이트", "3시간 전 업데이트", "그저께 업데이트"],
    ]


def _values(text: str) -> list[str]:
    return [part.split("}")[0] for part in text.split("{")[1:]]


def test_tags_stay_on_the_photo_and_do_not_overlap(page: Page) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        corners = rng.integers(0, 300, (6, 4))
        boxes = [
            {"x0": int(min(a, c)), "y0": int(min(b, d)), "x1": int(max(a, c)) + 9, "y1": int(max(b, d)) + 9}
            for a, b, c, d in corners
        ]
        positions = page.evaluate(
            """async (boxes) => (await import("/page/js/geometry.js")).placeTags(
                boxes, boxes.map(() => ({width: 60, height: 20})), {width: 320, height: 320})""",
            boxes,
        )
        for n, position in enumerate(positions):
            assert 0 <= position["x"] <= 260
            assert 0 <= position["y"] <= 300
            for other in positions[:n]:
                assert abs(position["x"] - other["x"]) >= 60 or abs(position["y"] - other["y"]) >= 20


def test_photos_are_converted_when_too_large_or_not_supported(page: Page) -> None:
    """(format, bytes, width, height) → the size to convert to, or None to send the file unchanged."""
    cases = [
        (("jpeg", 3_000_000, 2560, 1440), None),
        (("webp", 10, 10, 10), None),
        (("other", 10, 300, 200), {"width": 300, "height": 200}),
        (("jpeg", 3_000_000, 4000, 3000), {"width": 2560, "height": 1920}),
        (("png", 9_000_000, 2000, 1000), {"width": 2000, "height": 1000}),
        (("gif", 10, 1, 100_000), {"width": 1, "height": 2560}),
    ]
    for arguments, expected in cases:
        planned = page.evaluate(
            'async (a) => (await import("/page/js/photo.js")).plan(...a)', list(arguments)
        )
        assert planned == expected, arguments


def test_only_web_urls_become_links(page: Page) -> None:
    links = page.evaluate(
        """async (urls) => {
            const {linkOf} = await import("/page/js/product.js");
            return urls.map((url) => linkOf({url}));
        }""",
        [
            "https://shop.example/1",
            "javascript:alert(1)",
            " https://x",
            "data:text/html,x",
            "//x",
            7,
            "http://[",
        ],
    )
    assert links == ["https://shop.example/1", *[None] * 6]


def test_filter_values_are_quoted(page: Page) -> None:
    where = page.evaluate(
        """async () => {
            const {whereOf} = await import("/page/js/question.js");
            const facets = {categories: [{name: "x", products: 1}]};
            const filters = {min: 1e-7, max: 1e20, categories: ["women's", "a' or true --"]};
            return whereOf(filters, {columns: [], facets});
        }"""
    )
    assert where == (
        "price >= 0 and price <= 100000000000000000000 and category in ('women''s', 'a'' or true --')"
    )


def test_old_photos_and_pictures_are_released(page: Page) -> None:
    """Photos of the last 20 history entries and the last 1,000 pictures are kept."""
    photos, pictures = page.evaluate(
        """async () => {
            const [{createTrail}, {createStore, START}, {picture}] =
                await Promise.all(["trail", "state", "api"].map((name) => import(`/page/js/${name}.js`)));
            const gone = [];
            URL.revokeObjectURL = (url) => gone.push(url);
            const store = createStore(START), trail = createTrail(store);
            for (let n = 0; n < 30; n++) {
                trail.visit(null);
                if (n % 2 === 0) store.set({photo: {url: `photo ${n / 2}`}});  // two entries for each photo
            }
            const photos = gone.splice(0);
            sessionStorage.setItem("lookdex-key", "a key");
            window.fetch = async () => new Response(new Blob(["a picture"]));
            const urls = [];
            for (let n = 0; n < 1010; n++) urls.push(await picture(`item ${n}`));
            await picture("item 10");
            await picture("item 1011");
            return [photos, gone.map((url) => urls.indexOf(url))];
        }"""
    )
    assert photos == [f"photo {n}" for n in range(4)]
    assert pictures == [*range(10), 11]


TSC = ROOT / ".venv" / "page" / "node_modules" / ".bin" / "tsc"


@pytest.mark.skipif(
    not TSC.exists(), reason="no TypeScript: npm install --prefix .venv/page typescript@7.0.2"
)
def test_scripts_type_check() -> None:
    done = subprocess.run(
        [TSC, "-p", ROOT / "infra" / "page.json"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "")
