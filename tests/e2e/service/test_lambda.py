"""The Lambda handler under AWS's runtime client: API Gateway events get the responses of HTTP requests."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lookdex.cli.options import read_environment
from lookdex.config import ServiceSettings
from lookdex.errors import ConfigError
from lookdex.imaging.codec import encode_jpeg
from lookdex.storage import open_store
from tests.support.catalogs import picture, publish, recipe_with_digests, stock
from tests.support.lambdas import Function, running
from tests.support.paths import ROOT

BOUNDARY = "----form"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AWS's runtime client is for Linux")


def http(
    method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b""
) -> dict[str, Any]:
    """An event of an API Gateway HTTP API (payload format 2.0)."""
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "cookies": [],
        "headers": {"host": "abc.execute-api.eu-west-1.amazonaws.com", "x-forwarded-proto": "https",
                    "x-forwarded-port": "443", "content-length": str(len(body)), **(headers or {})},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abc", "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "abc", "requestId": "id", "routeKey": "$default", "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
            "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1773342238000,
        },
        "body": base64.b64encode(body).decode(), "isBase64Encoded": True,
    }  # fmt: skip


def rest(method: str, path: str, query: dict[str, str]) -> dict[str, Any]:
    """An event of an API Gateway REST API (payload format 1.0) without a body."""
    return {
        "resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": {"Host": "abc"},
        "multiValueHeaders": {"Host": ["abc"]}, "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()},
        "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "stage": "prod", "httpMethod": method},
        "body": None, "isBase64Encoded": False,
    }  # fmt: skip


def upload(photo: bytes, **options: Any) -> dict[str, Any]:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n".encode()
        + photo,
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="options"\r\n\r\n{json.dumps(options)}'.encode(),
    ]
    body = b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return http(
        "POST", "/v1/search", headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, body=body
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = str(tmp_path_factory.mktemp("shop"))
    publish(open_store(uri), "night-1", stock(), recipe=recipe_with_digests())
    return uri


@pytest.fixture(scope="module")
def function(catalog: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    log = tmp_path_factory.mktemp("lambda") / "log"
    environment = {"LOOKDEX_CATALOG": catalog, "LOOKDEX_POLL_SECONDS": "0.1"}
    with running(ROOT / "infra" / "lambda", "handler.handler", environment, log) as function:
        try:
            yield function
        finally:
            print(log.read_text(errors="replace")[-4000:])


def test_photo_search(function: Function) -> None:
    response = function(
        upload(encode_jpeg(picture("red", "blue", size=192), 192, 95), k=2, where="price < 9")
    )
    assert response["statusCode"] == 200, response["body"]
    assert response["headers"]["content-type"] == "application/json"
    assert not response["isBase64Encoded"]
    answer = json.loads(response["body"])
    assert (answer["format"], answer["release_id"]) == (2, "night-1")
    found = {o["label"]: [m["product_id"] for m in o["matches"]] for o in answer["objects"]}
    assert found["top"][0] in ("p000", "p006")
    assert set(found) == {"top", "shoes"}


def test_text_search_and_crops_with_payload_1_0(function: Function) -> None:
    response = function(rest("GET", "/v1/text", {"q": "green", "k": "2"}))
    assert response["statusCode"] == 200, response["body"]
    match = json.loads(response["body"])["objects"][0]["matches"][0]
    assert match["product_id"] in ("p002", "p008")
    crop = function(http("GET", f"/v1/crops/{match['item_id']}"))
    assert crop["headers"]["content-type"] == "image/jpeg"
    assert crop["isBase64Encoded"]
    assert base64.b64decode(crop["body"]).startswith(b"\xff\xd8")


def test_errors_are_problem_documents(function: Function) -> None:
    for event, status, kind in (
        (upload(b"no picture"), 415, "unknown-format"),
        (upload(encode_jpeg(picture("red"), 96), where="prize < 3"), 422, "bad-question"),
        (http("GET", "/v1/nothing"), 404, "not-found"),
        (http("GET", "/v1/products/none/similar"), 404, "not-found"),
    ):
        response = function(event)
        assert response["statusCode"] == status, response["body"]
        assert response["headers"]["content-type"] == "application/problem+json"
        assert json.loads(response["body"])["type"].endswith(kind)


SCHEDULED = {
    "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
    "source": "aws.events", "account": "123456789012", "time": "2026-03-12T19:03:58Z", "region": "eu-west-1",
    "resources": ["arn:aws:events:eu-west-1:123456789012:rule/warm"], "detail": {},
}  # fmt: skip


@pytest.mark.parametrize("event", [{}, SCHEDULED, {"warm": True}])
def test_other_events_keep_the_function_warm(function: Function, event: dict[str, Any]) -> None:
    assert function(event) == {"release_id": "night-1", "behind": None}
    assert function(http("GET", "/v1/release"))["statusCode"] == 200


def test_new_release_is_followed(function: Function, catalog: str) -> None:
    publish(open_store(catalog), "night-2", stock(), recipe=recipe_with_digests())
    deadline = time.monotonic() + 30
    while json.loads(function(http("GET", "/v1/release"))["body"])["release_id"] != "night-2":
        assert time.monotonic() < deadline, "the function stayed on the old release"
        time.sleep(0.05)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKDEX_CATALOG", "s3://shop/lookdex")
    monkeypatch.setenv("LOOKDEX_QUEUE", "3")
    monkeypatch.setenv("LOOKDEX_FACETS", "brand,price")
    monkeypatch.setenv("LOOKDEX_PLACES", "")  # the same as unset
    config = read_environment(ServiceSettings, places=1, queue=9)
    assert (config.catalog, config.queue, config.places) == ("s3://shop/lookdex", 3, 1)
    assert config.facets == ("brand", "price")
    monkeypatch.setenv("LOOKDEX_QUEUE", "many")
    with pytest.raises(ConfigError, match="LOOKDEX_QUEUE"):
        read_environment(ServiceSettings)
    monkeypatch.delenv("LOOKDEX_QUEUE")
    monkeypatch.delenv("LOOKDEX_CATALOG")
    with pytest.raises(ConfigError, match="LOOKDEX_CATALOG"):
        read_environment(ServiceSettings)
