"""Error details that clients see contain no paths or hosts, and only short values."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.errors import BadQuery, StorageError, TooSlow
from lookdex.service.http import problems
from lookdex.service.http.details import MAX_DETAIL, MAX_VALUE, to_public
from lookdex.service.http.middleware import RequestObserver
from lookdex.service.http.observe import Metrics
from lookdex.service.http.problems import ProblemError, ProblemKind

LOCATIONS = [
    "s3://shop-photos/lookdex/tables/items.lance",
    "http://10.1.2.3:9000/shop-photos",
    "https://minio.internal:9000",
    "/var/lib/lookdex/releases/20261130.json",
    "/tmp/x",
    "~/catalog/live/1.json",
    "C:\\shops\\catalog",
    "tables/items.lance/data/5f1c.lance",
    "_versions/12.manifest",
    "10.1.2.3",
    "localhost:9000",
    "minio.internal:9000",
    "shop-photos.s3.eu-west-1.amazonaws.com",
]
PARTS = ("shop", "lookdex", "minio", "10.1", "9000", "tmp", "lance", "manifest", "catalog", "localhost")


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("template", ["cannot read {}: try again", "{}", "in '{}'", "({})", "at {}."])
def test_locations_are_hidden(location: str, template: str) -> None:
    shown = to_public(template.format(location))
    assert "…" in shown
    for part in PARTS:
        assert part not in shown


@pytest.mark.parametrize(
    "detail",
    [
        "no such path: see /openapi.json for all paths",
        "words alone go to GET /v1/text, and a product to GET /v1/products/{product_id}/similar",
        "/v1/products/a/b/similar does not allow POST: use GET",
        "/page/js/app.js does not allow POST: use GET or HEAD",
        "/v1/products/a+b/c d/가/similar does not allow POST: use GET",
        "release night-1 has no product 'a/z'",
        "Supported are JPEG, PNG, WebP, GIF, AVIF/HEIC, up to 20,000,000 bytes",
        "compare with '2026-11-22 09:30:00' or 01/02/2026, and 3.5 or 50% of it",
        "the filter names “a b”; those that exist: price, attrs.material (a value stands in 'single quotes')",
    ],
)
def test_text_without_locations_is_unchanged(detail: str) -> None:
    assert to_public(detail) == detail


LONG = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=MAX_VALUE + 50, max_size=3000)


@settings(max_examples=40)
@given(LONG, st.sampled_from(["“{}”", "'{}'", '"{}"', "`{}`"]))
def test_quoted_values_are_shortened(value: str, quotes: str) -> None:
    plain = value.translate(dict.fromkeys(map(ord, "“”'\"`/\\:")))
    shown = to_public(f"it holds {quotes.format(plain)}: write less")
    assert plain[: MAX_VALUE + 1] not in shown
    assert shown.startswith("it holds ")
    if len(plain) > MAX_VALUE:
        assert len(shown) <= MAX_VALUE + 40
        assert shown.endswith(": write less")


@settings(max_examples=40)
@given(LONG)
def test_long_words_and_messages_are_shortened(text: str) -> None:
    shown = to_public(text)
    assert len(shown) <= MAX_DETAIL
    assert all(len(part) <= MAX_VALUE for part in re.split(r"[\s'\"`“”]", shown))


def problem_of(error: Exception) -> dict[str, Any]:
    """The problem document (JSON) of a route that raises the error."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(RequestObserver, metrics=Metrics())

    @app.get("/v1/broken")
    def broken() -> None:
        raise error

    response = TestClient(app, raise_server_exceptions=False).get("/v1/broken")
    assert response.headers["content-type"] == problems.MEDIA_TYPE
    problem: dict[str, Any] = json.loads(response.text)
    return problem


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadQuery(f"the filter has the pattern '%{'a' * 12_000}%'"), ProblemKind.BAD_QUESTION),
        (BadQuery("a" * 12_000), ProblemKind.BAD_QUESTION),
        (BadQuery("cannot read s3://shop-photos/x.jpg from http://minio:9000"), ProblemKind.BAD_QUESTION),
        (ProblemError(ProblemKind.BUSY, "/var/lib/shop-photos is full"), ProblemKind.BUSY),
        (TooSlow("s3://shop-photos/lookdex: a read has not finished"), ProblemKind.TOO_LATE),
        (
            StorageError("s3://shop-photos/lookdex at https://minio:9000: /etc/shop-photos"),
            ProblemKind.INTERNAL,
        ),
        (RuntimeError("/home/shop-photos/secret.py"), ProblemKind.INTERNAL),
    ],
)
def test_a_problem_hides_locations_and_only_server_errors_are_logged_with_them(
    error: Exception, kind: ProblemKind, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        problem = problem_of(error)
    assert (problem["type"], problem["status"]) == (kind.type, kind.status)
    for part in ("shop-photos", "minio", "secret", "a" * (MAX_VALUE + 1)):
        assert part not in problem["detail"]
    logged = [
        (record.getMessage(), record.exc_text or "", record.__dict__.get("fields"))
        for record in caplog.records
    ]
    assert (str(error) in str(logged)) is (kind.status >= 500)
