"""An environment without the user's AWS settings, and servers, browsers and services on demand."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.support import markers
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.browser import Visit
    from tests.support.services import Service

# Set before anything reads them; processes that tests start inherit them.
for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
    del os.environ[name]
os.environ |= {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "OMP_NUM_THREADS": "1",
    "PYSPARK_PYTHON": sys.executable,
    "PYTHONPATH": os.pathsep.join(
        [
            *(str(ROOT / name) for name in ("lib", ".")),
            *filter(None, [os.environ.get("PYTHONPATH")]),
        ]
    ),
}
for name in [name for name in os.environ if name.startswith("LOOKDEX_")]:
    del os.environ[name]

# No deadline per example: a busy machine may take long.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
# On demand: pytest --hypothesis-profile thorough -s tests/unit/planning/test_feed_draws.py
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1_000)

from lookdex.storage import Store, create_bucket, open_store  # noqa: E402
from tests.support.servers import S3Server, start_s3, start_unsafe_s3  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    markers.mark(items)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS; AWS_* point to it for the rest of the session. `s3()` is the URI of a new, empty prefix."""
    with (
        start_s3(tmp_path_factory.mktemp("seaweedfs")) as server,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name, value in server.env().items():
            environment.setenv(name, value)
        fixture = S3Server(server.access)
        create_bucket(f"s3://{fixture.bucket}")
        yield fixture


@pytest.fixture(scope="session")
def unsafe_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that ignores If-None-Match. The environment does not name it: use its `store()` or `env()`."""
    with start_unsafe_s3(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def root_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of an empty root: a folder, then a prefix of a bucket."""
    if request.param == "folder":
        return str(tmp_path / "root")
    uri: str = request.getfixturevalue("s3")()
    return uri


@pytest.fixture
def store(root_uri: str) -> Store:
    return open_store(root_uri)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, for tests marked `needs_chromium`."""
    from tests.support.browser import start_browser

    with start_browser() as found:
        yield found


@pytest.fixture(scope="session")
def page_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service that the tests of the page share, with the fakes as models. Its shop does not change."""
    from tests.support.catalogs import publish, recipe_with_digests, stock
    from tests.support.pages import PRODUCTS
    from tests.support.services import start

    shop = str(tmp_path_factory.mktemp("shop"))
    publish(open_store(shop), "night-1", stock(PRODUCTS), recipe=recipe_with_digests())
    with start(shop, tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def desk(browser: Browser, page_service: Service) -> Iterator[Visit]:
    """The page on a desktop computer."""
    from tests.support.browser import visit

    with visit(browser, page_service.url) as seen:
        yield seen


@pytest.fixture
def phone(browser: Browser, page_service: Service) -> Iterator[Visit]:
    """The page on a phone."""
    from tests.support.browser import PHONE, visit

    with visit(browser, page_service.url, viewport=PHONE, has_touch=True, is_mobile=True) as seen:
        yield seen
