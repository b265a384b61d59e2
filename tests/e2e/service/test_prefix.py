"""The service under a path prefix, behind an nginx that strips the prefix and behind one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
from playwright.sync_api import Browser

from lookdex.config import ServiceSettings
from lookdex.service import create_app
from lookdex.service.http.clients import trusted_networks
from lookdex.service.http.connections import ConnectionTable, read_limits
from lookdex.service.http.problems import ProblemKind
from lookdex.service.server import Server
from lookdex.storage import open_store
from tests.support.browser import needs_chromium, visit
from tests.support.catalogs import opened, picture, publish, stock
from tests.support.pages import LOOK, PRODUCTS, search_photo
from tests.support.photos import encode
from tests.support.proxies import needs_nginx, start_nginx
from tests.support.services import assert_problem, served

pytestmark = needs_nginx
RED = encode(picture("red"), "JPEG")


@dataclass(frozen=True)
class Site:
    """url: through the proxy. direct: the service's own."""

    url: str
    direct: str


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    uri = str(tmp_path_factory.mktemp("shop"))
    publish(open_store(uri), "night-1", stock(PRODUCTS))
    config = ServiceSettings(catalog=uri, root_path="lookdex/", trusted_proxies=("127.0.0.1",), decoders=1)
    app = create_app(config, opened(uri))
    proxies = trusted_networks(config.trusted_proxies)
    with served(Server(app, ConnectionTable(read_limits(config), app.state.metrics), proxies)) as (port, _):
        yield port


@pytest.fixture(scope="module", params=[True, False], ids=["stripped", "kept"])
def site(
    port: int, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with start_nginx(tmp_path_factory.mktemp("nginx") / "run", port, strips=request.param) as url:
        yield Site(url, f"http://127.0.0.1:{port}")


def test_everything_is_under_the_prefix(site: Site) -> None:
    with httpx2.Client(base_url=f"{site.url}/lookdex", timeout=30) as web:
        assert web.get("/readyz").text == "ready\n"
        answer = web.post("/v1/search", files={"photo": RED})
        assert answer.status_code == 200
        match = answer.json()["objects"][0]["matches"][0]
        assert web.get(f"/v1/crops/{match['item_id']}").headers["content-type"] == "image/jpeg"
        assert web.get(f"/v1/products/{match['product_id']}/similar").status_code == 200
        assert_problem(web.get("/v1/nothing"), ProblemKind.NOT_FOUND)
        assert_problem(web.get("/v1/search"), ProblemKind.METHOD, "use POST")
        assert (
            web.get("/v1/release/").status_code == 404
        )  # no redirect to a URL that the proxy does not serve


def test_openapi_names_the_prefix(site: Site) -> None:
    document = httpx2.get(f"{site.url}/lookdex/openapi.json").json()
    assert document["servers"] == [{"url": "/lookdex"}]
    for path in ("/v1/release", "/healthz"):
        assert path in document["paths"]
        assert httpx2.get(f"{site.url}{document['servers'][0]['url']}{path}").status_code == 200


def test_probes_work_without_the_proxy(site: Site) -> None:
    for path in ("/healthz", "/lookdex/healthz", "/v1/release", "/lookdex/v1/release"):
        assert httpx2.get(site.direct + path).status_code == 200
    moved = httpx2.get(f"{site.direct}/lookdex?q=a")
    assert (moved.status_code, moved.headers["location"]) == (308, "/lookdex/?q=a")


@needs_chromium
@pytest.mark.parametrize("site", [True], ids=["stripped"], indirect=True)  # a browser sees no difference
def test_page_works_under_the_prefix(browser: Browser, site: Site) -> None:
    with visit(browser, f"{site.url}/lookdex") as seen:
        answer = search_photo(seen.page, LOOK)
        assert answer["objects"]
        urls = [request.url for request in seen.requests if request.url.startswith("http")]
        assert any(url.endswith("/lookdex/page/js/main.js") for url in urls)
        assert all(url.startswith(f"{site.url}/lookdex") for url in urls)
