"""The HTTP service in its own process, with fake models."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import jsonschema_rs
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lookdex.config import NightSettings
from lookdex.pipeline.recipe import make_recipe
from lookdex.search import schema
from lookdex.service.http.problems import PREFIX, ProblemKind
from lookdex.service.http.tokens import new_token
from lookdex.storage import open_store
from lookdex_sample import make_product, render_look
from tests.support import heif, hostile
from tests.support.catalogs import Shown, picture, publish, recipe_with_digests, stock
from tests.support.paths import ROOT
from tests.support.photos import encode
from tests.support.services import Service, assert_problem, start

CONTRACT = ROOT / "tests" / "contract"
RED = encode(picture("red"), "JPEG")
LOOK = encode(picture("red", "blue"), "JPEG")
LIMITS = ("--upload-bytes", "400000", "--upload-pixels", "1000000", "--poll-seconds", "0.2")


@pytest.fixture(scope="module")
def service(shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with start(shop, tmp_path_factory.mktemp("service"), *LIMITS) as service:
        yield service


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_photo_search_follows_the_answer_schema(service: Service) -> None:
    response = service.ask(LOOK, {"k": 3, "where": "price < 11", "crops": "objects"})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    answer = response.json()
    jsonschema_rs.validator_for(json.loads(schema.published("answer-2.json"))).validate(answer)
    assert {found["label"] for found in answer["objects"]} == {"top", "shoes"}
    assert (answer["release_id"], answer["width"], answer["height"]) == ("night-1", 96, 96)
    for found in answer["objects"]:
        assert len({match["product_id"] for match in found["matches"]}) == 3
        assert all(match["columns"]["price"] < 11 for match in found["matches"])
        assert found["crop"]
    assert response.headers["cache-control"] == "no-store"
    assert "embed;dur=" in response.headers["server-timing"]


def test_text_is_compressed_for_clients_that_accept_it(service: Service) -> None:
    for path in ("/v1/text?q=red&k=9", "/page/js/lanes.js", "/"):
        plain, packed = (
            service.web.get(path, headers={"Accept-Encoding": coding}) for coding in ("identity", "gzip")
        )
        assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
        assert int(packed.headers["content-length"]) < len(plain.content) / 2
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert plain.headers["etag"].startswith("W/")  # one ETag for both codings
        for coding in ("identity", "gzip"):
            known = {"Accept-Encoding": coding, "If-None-Match": packed.headers["etag"]}
            same = service.web.get(path, headers=known)
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["vary"] == "Accept-Encoding"
            assert "content-encoding" not in same.headers
        if "v1" not in path:
            assert packed.content == plain.content
    item = service.ask(RED, {"k": 1}).json()["objects"][0]["matches"][0]["item_id"]
    for path in (f"/v1/crops/{item}", "/healthz", "/page/samples/dotted-skirt.webp"):
        assert "content-encoding" not in service.web.get(path, headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("coding", ["gzip;q=0", "x-notgzip", "gzip;q=0, *", "identity, gzip;q=0.5", "", "br"])
def test_text_is_not_compressed_for_other_clients(service: Service, coding: str) -> None:
    for path in ("/v1/text?q=red&k=9", "/page/js/lanes.js", "/openapi.json", "/metrics", "/v1/release"):
        response = service.web.get(path, headers={"Accept-Encoding": coding})
        assert "content-encoding" not in response.headers
        assert response.headers["vary"] == "Accept-Encoding"


def test_small_texts_are_compressed_if_identity_is_refused(service: Service) -> None:
    for path in ("/healthz", "/nothing"):
        assert service.web.get(path, headers={"Accept-Encoding": "gzip, identity;q=0"}).headers[
            "content-encoding"
        ]


def test_options_are_a_field_or_a_file_or_omitted(service: Service) -> None:
    plain = service.ask(RED).json()
    assert len(plain["objects"][0]["matches"]) == 5
    options = ("options.json", b'{"k": 1}', "application/json")
    answer = service.web.post("/v1/search", files={"photo": ("a.jpg", RED), "options": options}).json()
    assert len(answer["objects"][0]["matches"]) == 1


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIC"])
def test_every_format_is_accepted_in_a_form_and_as_a_body(service: Service, format: str) -> None:
    data = heif.TILES if format == "HEIC" else encode(picture("red", "blue"), format, quality=95)
    in_form = service.ask(data, {"k": 2})
    assert in_form.status_code == 200, in_form.text
    headers = {"Content-Type": f"image/{format.lower()}"}
    alone = service.web.post("/v1/search", params={"options": '{"k": 2}'}, content=data, headers=headers)
    assert alone.json()["objects"] == in_form.json()["objects"]
    assert_problem(service.ask(data[:-40]), ProblemKind.BAD_PHOTO, "corrupt")


def test_form_part_without_a_filename_is_a_photo(service: Service) -> None:
    for name in ("", "; filename*=UTF-8''%EC%82%AC.jpg"):
        head = (
            f'--x\r\nContent-Disposition: form-data; name="photo"{name}\r\nContent-Type: image/jpeg\r\n\r\n'
        )
        body = head.encode() + LOOK + b"\r\n--x--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = service.web.post("/v1/search", content=body, headers=headers)
        assert answer.json()["objects"] == service.ask(LOOK).json()["objects"]
        assert_problem(
            service.web.post("/v1/search", content=body[:-20], headers=headers),
            ProblemKind.MALFORMED,
            "truncated",
        )


def test_compressed_body_is_refused(service: Service) -> None:
    headers = {"Content-Type": "image/jpeg", "Content-Encoding": "gzip"}
    refused = service.web.post("/v1/search", content=gzip.compress(RED), headers=headers)
    assert_problem(refused, ProblemKind.UNKNOWN_FORMAT, "compressed (gzip)")
    assert refused.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("POST /v1/search|Content-Type: image/jpeg|Content-Length: 9000000", ProblemKind.TOO_LARGE),
        (
            "POST /v1/search|Content-Type: multipart/form-data; boundary=x|Content-Length: 9000000",
            ProblemKind.TOO_LARGE,
        ),
        ("POST /v1/search|Content-Type: text/html|Transfer-Encoding: chunked", ProblemKind.UNKNOWN_FORMAT),
        (
            "POST /v1/search|Content-Type: image/png|Content-Encoding: br|Content-Length: 99",
            ProblemKind.UNKNOWN_FORMAT,
        ),
        ("POST /v1/search|Content-Type: multipart/form-data|Content-Length: 99", ProblemKind.MALFORMED),
        (
            'POST /v1/search?options={"k":0}|Content-Type: image/jpeg|Content-Length: 99',
            ProblemKind.BAD_QUESTION,
        ),
        ("POST /v1/search?k=5|Content-Type: image/jpeg|Content-Length: 99", ProblemKind.BAD_QUESTION),
        ("POST /nothing|Content-Length: 99", ProblemKind.NOT_FOUND),
        ("PUT /v1/search|Content-Length: 99", ProblemKind.METHOD),
    ],
)
def test_errors_in_the_header_are_refused_before_100_continue(
    service: Service, head: str, kind: ProblemKind
) -> None:
    line, *headers = head.split("|")
    assert_refused_before_the_body(service, line, headers, kind)


def assert_refused_before_the_body(
    service: Service, line: str, headers: list[str], kind: ProblemKind
) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    head = "\r\n".join([f"{line} HTTP/1.1", "Host: a", "Expect: 100-continue", *headers, "", ""])
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(head.encode())
        received = b""
        while data := client.recv(1 << 16):  # until the service closes the connection
            received += data
    assert received.startswith(b"HTTP/1.1 %d " % kind.status), received
    assert b"connection: close" in received.lower()


def test_disconnected_client_is_not_logged_as_an_error(service: Service) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    head = (
        "POST /v1/search HTTP/1.1\r\nHost: a\r\nX-Request-ID: gone-{}\r\nContent-Type: {}\r\n"
        "Content-Length: 500\r\n\r\n--x"
    )
    kinds = ("image/jpeg", "multipart/form-data; boundary=x")
    for n, kind in enumerate(kinds):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(head.format(n, kind).encode())
    deadline = time.monotonic() + 20
    while len(gone := [line for line in service.lines() if str(line.get("request")).startswith("gone-")]) < 2:
        assert time.monotonic() < deadline
    assert {(line["status"], line["problem"], line["level"]) for line in gone} == {
        (499, "client-gone", "info")
    }
    assert not [line for line in service.lines() if line["level"] in ("error", "critical")]


def test_text_search(service: Service) -> None:
    answer = service.web.get("/v1/text", params={"q": "cyan", "k": 2, "where": "price < 4"}).json()
    assert [match["product_id"] for match in answer["objects"][0]["matches"]][:1] == ["p003"]
    response = service.web.get("/v1/text", params={"q": "a colour that the fake does not know"})
    assert_problem(response, ProblemKind.BAD_QUESTION, "knows no colour")


def test_similar_products(service: Service) -> None:
    response = service.web.get("/v1/products/p000/similar", params={"k": 2})
    found = [match["product_id"] for match in response.json()["objects"][0]["matches"]]
    assert found[0] == "p006"
    assert "p000" not in found
    assert_problem(service.web.get("/v1/products/nothing/similar"), ProblemKind.NOT_FOUND, "nothing")


def test_product_id_may_contain_any_character(tmp_path: Path) -> None:
    ids = ("a/b", "a/similar", "shoes/similar/2", "50% off?#", "가/나", "../c", "/", "' or true --")
    shown = [Shown(product_id, "red", photo=n) for n, product_id in enumerate(ids)]
    publish(open_store(str(tmp_path / "shop")), "night-1", shown, recipe=recipe_with_digests())
    with start(str(tmp_path / "shop"), tmp_path) as service:
        for product_id in ids:
            response = service.web.get(f"/v1/products/{quote(product_id, safe='')}/similar?k=1")
            assert response.status_code == 200, (product_id, response.text)
            (found,) = response.json()["objects"]
            assert found["product_id"] == product_id
            assert found["matches"][0]["product_id"] != product_id
        assert_problem(
            service.web.get("/v1/products/a%2Fz/similar"), ProblemKind.NOT_FOUND, "no product 'a/z'"
        )
        refused = service.web.post("/v1/products/a%2Fb/similar")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        routes = {line["route"] for line in service.lines() if line["event"] == "request"}
        assert routes == {"/v1/products/{product_id}/similar"}


def test_release_describes_its_columns_and_limits(service: Service) -> None:
    release = service.web.get("/v1/release").json()
    assert (release["release_id"], release["items"], release["behind"]) == ("night-1", 50, None)
    assert [column["name"] for column in release["filters"]] == release["columns"]
    for column in release["filters"]:
        answer = service.web.get("/v1/text", params={"q": "red", "where": column["example"]})
        assert answer.status_code == 200, (column, answer.text)
    long = service.ask(RED, {"where": f"title ilike '%{'x' * 12_000}%'"})
    assert_problem(long, ProblemKind.BAD_QUESTION, "the most is 200")
    assert len(long.content) < 500
    assert service.web.get("/v1/text", params={"q": "red", "k": release["max_k"]}).status_code == 200
    beyond = service.web.get("/v1/text", params={"q": "red", "k": release["max_k"] + 1})
    assert_problem(beyond, ProblemKind.BAD_QUESTION)


def test_only_items_of_the_release_have_crops(service: Service) -> None:
    match = service.ask(RED, {"k": 1}).json()["objects"][0]["matches"][0]
    response = service.web.get(f"/v1/crops/{match['item_id']}")
    assert (response.headers["content-type"], response.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert "max-age" in response.headers["cache-control"]
    for wrong in ("nothing", "..%2f..%2fetc%2fpasswd", "' OR true --", "x" * 201):
        assert service.web.get(f"/v1/crops/{wrong}").status_code in (404, 422)


def test_crops_are_cached_by_etag(service: Service) -> None:
    match = service.ask(RED, {"k": 1}).json()["objects"][0]["matches"][0]
    path = f"/v1/crops/{match['item_id']}"
    whole, head = service.web.get(path), service.web.head(path)
    tag = whole.headers["etag"]
    assert tag == f'"{hashlib.sha256(whole.content).hexdigest()[:32]}"'
    assert whole.headers["cache-control"] == "private, max-age=86400, immutable"
    assert head.content == b""
    for name in ("etag", "content-length", "content-type", "cache-control"):
        assert head.headers[name] == whole.headers[name]
    assert int(whole.headers["content-length"]) == len(whole.content)
    for condition in (tag, f"W/{tag}", f'"a,b", W/"", {tag}', "*"):
        for request in (service.web.get, service.web.head):
            same = request(path, headers={"If-None-Match": condition})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
            assert same.headers["cache-control"] == whole.headers["cache-control"]
            assert "content-type" not in same.headers
    malformed = (
        f"{tag}x",
        f"x{tag}",
        f"{tag} {tag}",
        f"w/{tag}",
        f"W/ {tag}",
        f"{tag}, *",
        f"*, {tag}",
        f"{tag};",
        "**",
    )
    for condition in ('"another"', tag.strip('"'), f"W/{tag[:-1]}", f'"{tag}"', "", *malformed):
        assert service.web.get(path, headers={"If-None-Match": condition}).status_code == 200
    for condition in (f",{tag}", f'"a" , ,\t{tag},'):  # list elements may be empty
        assert service.web.get(path, headers={"If-None-Match": condition}).status_code == 304
    twice = [("If-None-Match", '"another"'), ("If-None-Match", tag)]
    assert service.web.get(path, headers=twice).status_code == 304
    assert service.web.get("/v1/crops/nothing", headers={"If-None-Match": "*"}).status_code == 404


def test_etag_of_an_answer_depends_on_release_and_question(service: Service) -> None:
    get, path = service.web.get, "/v1/products/p000/similar?k=2&where=price%20%3C%209"
    first, head = get(path), service.web.head(path)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert first.headers["cache-control"] == "private, no-cache"
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    again = {"If-None-Match": f'"x", {tag}'}
    same = get(path, headers=again)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert same.headers["vary"] == first.headers["vary"] == "Accept-Encoding"
    assert "server-timing" not in same.headers  # no search ran
    queries = {"k=3", "k=2&where=price<8", "k=2&where=price%20%3C%209&colour=0.1", "k=2&sort=price"}
    others = {
        get(f"/v1/products/p000/similar?{query}", headers=again).headers["etag"] for query in queries
    } | {get("/v1/products/p006/similar?k=2&where=price%20%3C%209", headers=again).headers["etag"]}
    assert len(others - {tag}) == 5
    anything = {"If-None-Match": "*"}
    assert get("/v1/products/nothing/similar", headers=anything).status_code == 404
    assert get(path, headers=anything).status_code == 304
    assert service.ask(RED).headers["cache-control"] == "no-store"


def test_shared_caches_and_a_new_release(tmp_path: Path) -> None:
    store, origin = open_store(str(tmp_path / "shop")), "https://shop.example"
    publish(store, "night-1", stock(), recipe=recipe_with_digests())
    public = ("--caching", "public", "--cors", origin, "--facets", "title,colour")
    with start(str(tmp_path / "shop"), tmp_path, *public, "--poll-seconds", "0.2") as service:
        get = service.web.get
        query: dict[str, str | int] = {"q": "red", "k": 2}
        answer, release = get("/v1/text", params=query), get("/v1/release")
        facets = [facet["column"] for facet in release.json()["facets"]["columns"]]
        assert facets == ["title", "colour", "price"]
        item = answer.json()["objects"][0]["matches"][0]["item_id"]
        picture = get(f"/v1/crops/{item}", headers={"Origin": origin})
        assert picture.headers["cache-control"] == "public, max-age=86400, immutable"
        assert answer.headers["cache-control"] == "public, no-cache"
        assert picture.headers["access-control-allow-origin"] == origin
        assert "ETag" in picture.headers["access-control-expose-headers"]
        # A cache must not serve a response for one origin to another, or to requests without an origin.
        known = {"If-None-Match": picture.headers["etag"]}
        for sender in ({}, {"Origin": origin}, {"Origin": "https://evil.example"}):
            for headers, status in ((sender, 200), (sender | known, 304)):
                response = get(f"/v1/crops/{item}", headers=headers)
                assert (response.status_code, response.headers["vary"]) == (status, "Origin")
        preflight = {"Origin": origin, "Access-Control-Request-Method": "HEAD",
                 "Access-Control-Request-Headers": "authorization, if-none-match"}  # fmt: skip
        assert service.web.options(f"/v1/crops/{item}", headers=preflight).status_code == 200

        next_page = answer.json()["next"]
        assert next_page == {"offset": 2, "release": "night-1"}
        assert get("/v1/text", params=query | next_page).json()["objects"][0]["matches"][0]["rank"] == 3
        known, tag = {"If-None-Match": release.headers["etag"]}, answer.headers["etag"]
        assert get("/v1/release", headers=known).status_code == 304
        publish(store, "night-2", stock(), recipe=recipe_with_digests())
        deadline = time.monotonic() + 20
        while get("/v1/release", headers=known).status_code == 304:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        later = get("/v1/text", params=query, headers={"If-None-Match": tag})
        assert (later.status_code, later.json()["release_id"]) == (200, "night-2")
        assert later.headers["etag"] != tag
        assert_problem(
            get("/v1/text", params=query | next_page), ProblemKind.RELEASE_CHANGED, "for the first page again"
        )
        assert_problem(service.ask(RED, next_page), ProblemKind.RELEASE_CHANGED, "'night-2' answers now")


def test_pages_sorting_and_facets(service: Service) -> None:
    get = service.web.get
    query: dict[str, str | int] = {
        "q": "red",
        "k": 4,
        "sort": "-price",
        "pool": 9,
        "offset": 4,
        "facets": "true",
    }
    by_get = get("/v1/text", params=query)
    answer = by_get.json()
    jsonschema_rs.validator_for(json.loads(schema.published("answer-2.json"))).validate(answer)
    prices = [match["columns"]["price"] for match in answer["objects"][0]["matches"]]
    assert prices == sorted(prices, reverse=True)
    assert answer["next"] == {"offset": 8, "release": "night-1"}
    assert [facet["column"] for facet in answer["facets"]["columns"]] == ["price"]
    release = get("/v1/release").json()
    assert release["sortable"] == ["title", "price", "url"]
    assert release["facets"]["price"] == {"least": 0.0, "most": 11.0}
    assert (release["facets"]["columns"], release["facets"]["products"]) == (answer["facets"]["columns"], 12)
    photo = service.ask(RED, {"k": 2, "offset": 2, "facets": ["price"], "where": "price < 3"}).json()
    assert photo["facets"]["products"] == 3
    assert [match["rank"] for match in photo["objects"][0]["matches"]] == [3]
    wrong_queries: tuple[tuple[dict[str, str | int], str], ...] = (
        ({"sort": "prise"}, "score, title, price, url"),
        ({"facets": "title"}, "the facets are: price"),
        ({"facets": "price,label"}, "'label' is not a facet"),
        ({"offset": 999}, "pages end at 1000"),
        ({"offset": 1000}, "query.offset"),
        ({"pool": 5}, "give sort too"),
        ({"sort": "price", "offset": 5}, "need pool"),
        ({"release": ""}, "query.release"),
        ({"ofset": 5}, "known parameters: q, k, where, offset"),
    )
    for wrong, says in wrong_queries:
        assert_problem(get("/v1/text", params={"q": "red", **wrong}), ProblemKind.BAD_QUESTION, says)
    assert_problem(service.ask(RED, {"facets": ["url"]}), ProblemKind.BAD_QUESTION, "the facets are: price")


def test_search_with_the_shipped_models(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "shop"))
    publish(store, "night-1", stock(products=20), recipe=make_recipe(NightSettings()), dim=256)
    outfit = [make_product(1, n, name) for n, name in enumerate(("top", "pants", "shoes"))]
    photo = encode(np.asarray(render_look(outfit, 1).image), "JPEG")
    with start(str(tmp_path / "shop"), tmp_path, "--engine", "openvino") as service:
        answer = service.ask(photo, {"k": 2}).json()
        assert answer["models"]["detector"] == "lookdex-tiny"
        assert len(answer["objects"]) >= 2
        assert all(len(found["matches"]) == 2 for found in answer["objects"])
        korean = service.web.get("/v1/text", params={"q": "빨간 원피스", "k": 3}).json()
        assert len(korean["objects"][0]["matches"]) == 3


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"where": "prise < 5"}, "known: title, price"),
        ({"where": "price < 5; drop table items"}, "filter"),
        ({"k": 0}, "k"),
        ({"k": "5"}, "k"),
        ({"limit": 5}, "limit"),
        ({"box": [500, 500, 600, 600]}, "box"),
        ({"box": [1, 2, 3]}, "[x0, y0, x1, y1]"),
        ({"object": 99}, "object"),
        ([], "options"),
        ({"text_weight": 0.1}, "give text too"),
        ({"look": False, "look_photos": 1}, "look_photos out"),
    ],
)
def test_invalid_options_are_explained(service: Service, options: Any, says: str) -> None:
    assert_problem(service.ask(RED, options), ProblemKind.BAD_QUESTION, says)


@pytest.mark.parametrize(
    "options",
    [
        '{"k": 1, "k": 2}',
        '{"k": 1, "\\u006b": 1}',
        '{"picks": [{"object": 1, "object": 1}]}',
        '{"a": 1, "a": 1}',
    ],
)
def test_repeated_option_is_refused(service: Service, options: str) -> None:
    for refused in (
        service.web.post("/v1/search", files={"photo": RED}, data={"options": options}),
        service.web.post("/v1/search", params={"options": options}, content=RED),
    ):
        assert_problem(refused, ProblemKind.BAD_QUESTION, "is given more than once")


@pytest.mark.parametrize(
    "type_", ["image/svg+xml", "image/*", "image/tiff", "image/", "*/*", "text/plain", "jpeg", "a" * 999]
)
def test_body_of_another_type_is_refused(service: Service, type_: str) -> None:
    refused = service.web.post("/v1/search", content=RED, headers={"Content-Type": type_})
    assert_problem(refused, ProblemKind.UNKNOWN_FORMAT, "multipart/form-data, image/jpeg, image/png")
    assert refused.headers["accept"].startswith("multipart/form-data, image/jpeg, image/png, ")


@pytest.mark.parametrize(
    "type_", ["image/jpg", "IMAGE/JPEG; q=1", "application/octet-stream", "image/heif", None]
)
def test_body_of_a_photo_type_is_accepted(service: Service, type_: str | None) -> None:
    headers = {"Content-Type": type_} if type_ else {}
    assert service.web.post("/v1/search", content=RED, headers=headers).status_code == 200


def test_invalid_requests_are_refused(service: Service) -> None:
    post = service.web.post
    assert_problem(post("/v1/search", content=b""), ProblemKind.BAD_QUESTION, "multipart/form-data")
    assert_problem(post("/v1/search?k=1", content=RED), ProblemKind.BAD_QUESTION, "known parameters: options")
    assert_problem(post("/v1/search", json={"photo": 1}), ProblemKind.UNKNOWN_FORMAT)
    assert_problem(
        post("/v1/search", data={"photo": "http://127.0.0.1/a.jpg"}, files={"a": b""}),
        ProblemKind.BAD_QUESTION,
    )
    text_only = {"options": (None, '{"text": "red dress"}')}
    assert_problem(post("/v1/search", files=text_only), ProblemKind.BAD_QUESTION, "no photo: send one")
    assert_problem(post("/v1/search", files=text_only), ProblemKind.BAD_QUESTION, "GET /v1/text")
    no_file = {"photo": (None, "http://127.0.0.1/a.jpg")}
    assert_problem(
        post("/v1/search", files=no_file),
        ProblemKind.UNKNOWN_FORMAT,
        "does not fetch URLs",
    )
    assert_problem(post("/v1/search", files={"picture": RED}), ProblemKind.BAD_QUESTION, "picture")
    for many in (9, 10, 30):
        assert_problem(
            post("/v1/search", files=[("photo", RED)] * many),
            ProblemKind.BAD_QUESTION,
            "at most 8 of one item",
        )
    twice = [("photo", RED), ("options", b"{}"), ("options", b"{}")]
    assert_problem(post("/v1/search", files=twice), ProblemKind.BAD_QUESTION, "more than once")
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x\r\n", b"--y\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--"):
        assert post("/v1/search", content=body, headers=broken).status_code in (400, 422)
    bare = {"Content-Type": "multipart/form-data"}
    assert_problem(post("/v1/search", content=b"x", headers=bare), ProblemKind.MALFORMED, "boundary")
    assert_problem(service.ask(RED, json.loads('{"where": "' + "a" * 70_000 + '"}')), ProblemKind.MALFORMED)


def test_uptime_checks_may_use_head(service: Service) -> None:
    for path in ("/healthz", "/readyz", "/v1/release"):
        head = service.web.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == service.web.get(path).headers["content-length"]
    assert service.web.head("/v1/search").headers["allow"] == "POST"


def test_unknown_paths_and_methods(service: Service) -> None:
    assert_problem(service.web.get("/v2/search"), ProblemKind.NOT_FOUND)
    refused = service.web.get("/v1/search")
    assert_problem(refused, ProblemKind.METHOD, "/v1/search does not allow GET: use POST")
    assert refused.headers["allow"] == "POST"
    for path, allowed in (
        ("/v1/products/p/similar", ["GET", "HEAD"]),
        ("/healthz", ["GET", "HEAD"]),
        ("/", ["GET", "HEAD"]),
    ):
        refused = service.web.post(path)
        assert_problem(refused, ProblemKind.METHOD, f"{path} does not allow POST: use {' or '.join(allowed)}")
        assert refused.headers["allow"] == ", ".join(allowed)
    assert_problem(service.web.request("TRACE", "/v1/release"), ProblemKind.METHOD)
    assert_problem(
        service.web.get("/v1/text", params={"q": "red", "k": "many"}), ProblemKind.BAD_QUESTION, "query.k"
    )
    # A misspelt filter must not be ignored.
    assert_problem(service.web.get("/v1/text?q=red&wehre=price<5"), ProblemKind.BAD_QUESTION, "wehre")
    for query in ("q=red&q=blue", "q=red&q=red", "q=red&k=1&k=2"):
        assert_problem(service.web.get(f"/v1/text?{query}"), ProblemKind.BAD_QUESTION, "more than once")


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("POST /v1/serach", ProblemKind.NOT_FOUND),
        ("POST /v1/search?k=5", ProblemKind.BAD_QUESTION),
        ("GET /v1/release", None),
        ("PUT /v1/search", ProblemKind.METHOD),
        ("POST /v1/search", ProblemKind.TOO_LARGE),
    ],
)
def test_client_that_sends_everything_before_reading_gets_the_response(
    service: Service, line: str, kind: ProblemKind | None, close: bool
) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        head = f"{line} HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\nContent-Length: 12000000\r\n"
        client.sendall(head.encode() + b"Connection: close\r\n" * close + b"\r\n")
        client.sendall(bytes(12_000_000))
        client.shutdown(socket.SHUT_WR)
        received = b""
        while data := client.recv(1 << 16):
            received += data
    assert received.startswith(f"HTTP/1.1 {kind.status if kind else 200} ".encode())


def test_oversized_upload_is_refused_while_it_arrives(service: Service) -> None:
    """An upload of ten times the limit, declared or chunked, is refused long before it ends."""
    assert_problem(service.ask(RED + bytes(4_000_000)), ProblemKind.TOO_LARGE, "481,")

    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
        while sent < 50_000_000:
            sent += 10_000
            yield bytes(10_000)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        response = service.web.post("/v1/search", content=endless(), headers=headers)
        assert_problem(response, ProblemKind.TOO_LARGE)
    except httpx2.TransportError:  # the connection was closed while sending
        pass
    assert sent < 10_000_000
    assert service.ask(RED).status_code == 200


def test_files_that_are_not_photos_are_refused(service: Service) -> None:
    assert_problem(service.ask(b"%PDF-1.7 no photo"), ProblemKind.UNKNOWN_FORMAT, "unknown_format")
    assert_problem(service.ask(RED[:200]), ProblemKind.BAD_PHOTO)
    assert_problem(service.ask(b""), ProblemKind.BAD_PHOTO, "empty")
    assert_problem(
        service.ask(encode(np.zeros((1100, 1000, 3), np.uint8))), ProblemKind.TOO_LARGE, "too_many_pixels"
    )


def test_hostile_uploads_get_an_answer_or_a_problem_document(service: Service) -> None:
    """Every fifth file; infra/hostile_uploads.py sends all of them."""
    for name, data in hostile.uploads()[::5]:
        response = service.ask(data)
        kind = "json" if response.status_code == 200 else "problem+json"
        assert response.headers["content-type"] == f"application/{kind}", name
        assert 200 <= response.status_code < 500, name
    assert service.ask(RED).status_code == 200


# ── tokens, CORS, headers ────────────────────────────────────────────────────────────────────────────────────


def test_tokens_and_cors(shop: str, tmp_path: Path) -> None:
    token, line = new_token("storefront")
    later, later_line = new_token("app")
    file = tmp_path / "tokens"
    file.write_text(f"# clients\n{line}\n")
    origin = "https://shop.example"
    with start(shop, tmp_path, "--tokens", str(file), "--cors", origin) as service:
        for wrong in (
            {},
            {"Authorization": "Bearer x"},
            {"Authorization": token},
            {"Authorization": f"Basic {token}"},
        ):
            refused = service.web.post("/v1/search", files={"photo": RED}, headers=wrong)
            assert_problem(refused, ProblemKind.UNAUTHORIZED)
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert service.web.get("/metrics", headers=wrong).status_code == 401
        assert_refused_before_the_body(
            service, "POST /v1/search", ["Content-Length: 99"], ProblemKind.UNAUTHORIZED
        )
        assert [service.web.get(path).status_code for path in ("/", "/healthz", "/openapi.json")] == [200] * 3
        allowed = {"Authorization": f"Bearer {token}", "Origin": origin}
        answer = service.ask(RED, None, **allowed)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization"}  # fmt: skip
        assert service.web.options("/v1/search", headers=preflight).status_code == 200
        for changed, says in (
            ({"Origin": "https://evil.example"}, "this origin is not allowed"),
            ({"Access-Control-Request-Method": "DELETE"}, "methods GET, HEAD, POST"),
            (
                {"Access-Control-Request-Headers": "authorization, x-odd"},
                "headers accept, accept-language, auth",
            ),
        ):
            for path in ("/v1/search", "/healthz", "/nothing"):
                refused = service.web.options(path, headers=preflight | changed)
                assert_problem(refused, ProblemKind.CROSS_ORIGIN, says)
                assert "Origin" in refused.headers["vary"]
                assert refused.headers["x-request-id"]
        assert (
            'lookdex_refused_total{kind="cross-origin"} 9.0'
            in service.web.get("/metrics", headers=allowed).text
        )
        assert service.web.get("/v1/release", headers={"Authorization": f"Bearer {later}"}).status_code == 401
        file.write_text(f"{line}\n{later_line}\n")
        deadline = time.monotonic() + 20
        while service.web.get("/v1/release", headers={"Authorization": f"Bearer {later}"}).status_code == 401:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        file.write_text("# no client left\n")
        deadline = time.monotonic() + 20
        while not any("contains no token" in entry["event"] for entry in service.lines()):
            assert service.web.get("/v1/release", headers=allowed).status_code == 200
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert "storefront" in {entry.get("client") for entry in service.lines()}
        logged = service.log.read_text()
        assert token not in logged
        assert later not in logged


def test_cross_origin_requests_are_refused_by_default(service: Service) -> None:
    response = service.ask(RED, None, Origin="https://shop.example")
    assert not [name for name in response.headers if name.startswith("access-control")]
    preflight = service.web.options("/v1/search", headers={"Origin": "https://shop.example",
                                                            "Access-Control-Request-Method": "POST"})  # fmt: skip
    assert_problem(preflight, ProblemKind.METHOD)


def test_page_has_a_strict_content_security_policy(service: Service) -> None:
    page = service.web.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    again = service.web.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert service.web.head("/").headers["etag"] == page.headers["etag"]
    for path in ("/page/nothing.js", "/page/../app.py", "/page/%2e%2e/app.py", "/page//etc/passwd"):
        assert service.web.get(path).status_code == 404


def test_request_ids_are_returned_and_logged(service: Service) -> None:
    assert (
        service.ask(RED, None, **{"X-Request-ID": "from-the-shop-1"}).headers["x-request-id"]
        == "from-the-shop-1"
    )
    odd = service.ask(RED, None, **{"X-Request-ID": "a b{c}"}).headers["x-request-id"]
    assert odd != "a b{c}"
    (line,) = [line for line in service.lines() if line.get("request") == "from-the-shop-1"]
    assert (line["route"], line["status"], line["photos"], line["release"]) == (
        "/v1/search",
        200,
        1,
        "night-1",
    )
    assert line["bytes"] == len(RED)


def test_log_contains_no_search_texts_and_filters(service: Service) -> None:
    service.web.get("/v1/text", params={"q": "magenta"})
    service.ask(RED, {"where": "title = 'a secret'"})
    assert "magenta" not in service.log.read_text()
    assert "secret" not in service.log.read_text()


def test_metrics(service: Service) -> None:
    service.ask(LOOK)
    service.ask(b"nothing")
    families = {f.name: f for f in text_string_to_metric_families(service.web.get("/metrics").text)}
    requests = {(s.labels["route"], s.labels["status"]): s.value for s in families["lookdex_requests"].samples
             if s.name.endswith("_total")}  # fmt: skip
    assert requests["/v1/search", "200"] >= 1
    assert requests["/v1/search", "415"] >= 1
    stages = {s.labels["stage"] for s in families["lookdex_stage_seconds"].samples}
    assert {"queue", "decode", "detect", "embed", "encode"} <= stages
    assert {"detector", "embedder"} <= {s.labels["model"] for s in families["lookdex_batch_inputs"].samples}
    assert families["lookdex_release_info"].samples[0].labels == {"release_id": "night-1"}
    assert families["lookdex_release_age_seconds"].samples[0].value > 0
    assert {"process_resident_memory_bytes", "lookdex_upload_bytes", "lookdex_refused"} <= families.keys()


def test_openapi_document(service: Service) -> None:
    document = service.web.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/v1/search", "/v1/text", "/v1/products/{product_id}/similar", "/v1/release", "/v1/crops/{item_id}",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    search = document["paths"]["/v1/search"]["post"]
    assert search["requestBody"]["content"]["multipart/form-data"]["examples"]
    assert {"image/jpeg", "image/heic", "application/octet-stream"} <= set(search["requestBody"]["content"])
    assert [parameter["name"] for parameter in search["parameters"]] == ["options"]
    assert {"200", "400", "401", "408", "413", "415", "422", "500", "503"} <= set(search["responses"])
    components = document["components"]["schemas"]
    assert {"Options", "AnswerModel", "Problem"} <= set(components)
    assert PREFIX in json.dumps(components["Problem"])
    definitions = schema.published("answer-2.json").replace("#/$defs/", "#/components/schemas/")
    for name, definition in json.loads(definitions)["$defs"].items():
        assert components[name] == definition


def test_service_conforms_to_its_openapi_document(shop: str, tmp_path: Path) -> None:
    """All checks of schemathesis on a few cases of each operation, with a token."""
    token, line = new_token("schemathesis")
    with start(shop, tmp_path, "--tokens", line) as service:
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONTRACT / "schemathesis.toml"), "run",
            f"{service.url}/openapi.json", "--checks", "all", "--phases", "examples,fuzzing",
            "--max-examples", "8", "--seed", "1",
            "--header", f"Authorization: Bearer {token}", "--generation-database", "none", "--no-color",
        ]  # fmt: skip
        hooks = {"SCHEMATHESIS_HOOKS": "tests.contract.hooks"}
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=os.environ | hooks
        )
        assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
        statuses = {(line["route"], line["status"]) for line in service.lines() if line["event"] == "request"}
        assert {("/v1/search", 200), ("/v1/search", 422), ("/v1/text", 200), ("other", 401)} <= statuses
