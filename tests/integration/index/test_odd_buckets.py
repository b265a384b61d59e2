"""Unusual buckets: odd keys, archived objects, no ETags, damaged bodies, expired credentials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from lookdex.cli import main
from lookdex.errors import (
    AccessDenied,
    Archived,
    Changed,
    ConfigError,
    CredentialsRefused,
    DamagedInTransit,
    StorageError,
    TooLarge,
    Unavailable,
)
from lookdex.index.fetch import Bad, Cost, FetchOptions, Photo, fetch
from lookdex.index.loss_limit import MIN_JUDGED
from lookdex.index.supply import Supply
from lookdex.planning.listing import list_source
from lookdex.records import ImageRef, Reason, Skip, Status
from lookdex.storage import ReadOptions, Signing, Store, open_store, s3_read
from tests.support import odd_s3
from tests.support.odd_s3 import OddS3, Request, Response
from tests.support.photos import numbered, refs_of

QUICK = ReadOptions(seconds=1.0)
ODD_KEYS = (
    "P0/a b+c.jpg", "P1/100%25 wool.jpg", "P2/a#1?v=2.jpg", "P3/line\nbreak.jpg", "/P4/x.jpg", "../photos/P5/up.jpg",
    "./P6/dot.jpg", "가방원피스/x.jpg", "P7/ctrl\x01.jpg", "P7/tab\t.jpg", "P8/noext", "P8/x.jpg_large",
    "P8/trail.jpg ", "P8/q.jpeg?width=800", "P8//double.jpg", "P8/<&>\"'.jpg",
)  # fmt: skip


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[OddS3]:
    monkeypatch.setattr(s3_read, "PAUSE", 0.01)
    with odd_s3.start() as server:
        yield server


def fill(odd: OddS3, count: int) -> None:
    for number in range(count):
        odd.put(f"photos/p{number:03d}.png", numbered(number))


def fetch_all(store: Store, refs: tuple[ImageRef, ...] | None = None) -> list[Photo | Bad]:
    return list(fetch(refs or refs_of(store), store, FetchOptions(10**6, 10**6, workers=1)))


def reasons(found: list[Photo | Bad]) -> list[tuple[Status, Reason] | None]:
    return [(photo.status, photo.reason) if isinstance(photo, Bad) else None for photo in found]


def test_odd_keys_are_listed_and_read(odd: OddS3) -> None:
    for number, key in enumerate(ODD_KEYS):
        odd.put(f"photos/{key}", numbered(number))
    odd.put("photos/", b"")
    odd.put("photos/P0/", b"")
    odd.put("photos-old/P0/old.jpg", b"1")
    store = odd.store()
    source = list_source(store)
    assert source.photos["image_key"].to_pylist() == sorted(ODD_KEYS)
    assert [(keys.reason, keys.count, keys.examples) for keys in source.skipped] == [
        (Skip.FOLDER_MARKER, 2, ("/", "P0/"))
    ]
    found = fetch_all(store)
    assert [photo.ref.key for photo in found] == sorted(ODD_KEYS)
    assert reasons(found) == [None] * len(ODD_KEYS)


def test_photos_without_suffix_are_recognised_by_content(odd: OddS3) -> None:
    odd.put("photos/a", numbered(1))
    odd.put("photos/LICENSE", b"Apache License")
    odd.put("photos/x.jpg", b"Apache License")
    found = {photo.ref.key: photo for photo in fetch_all(odd.store())}
    assert isinstance(found["a"], Photo)
    assert reasons([found["LICENSE"], found["x.jpg"]]) == [
        (Status.REJECTED, Reason.NO_PICTURE), (Status.REJECTED, Reason.UNKNOWN_FORMAT),
    ]  # fmt: skip


def test_plan_lists_skipped_keys_with_reasons(
    odd: OddS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in odd.env.items():
        monkeypatch.setenv(name, value)
    fill(odd, 3)
    for n in range(5):
        odd.put(f"photos/cold-{n}.jpg", b"1", storage_class="DEEP_ARCHIVE")
    for key in ("", "a/", "feed.csv", "a.tif", "b.TIFF", "noext", "x.jpg_large"):
        odd.put(f"photos/{key}", b"1")
    command = ["plan", "--source", "s3://shop/photos", "--catalog", str(tmp_path)]
    done = CliRunner().invoke(main.main, command, catch_exceptions=False)
    assert done.exit_code == 0
    for line in (
        "planned  5 photos in 1 shard (5 new); nothing is live yet",
        "left out: 2 folder markers ('/', 'a/')",
        "left out: 1 file of another type ('feed.csv')",
        "left out: 2 pictures in unsupported formats ('a.tif', 'b.TIFF'); JPEG, PNG, WebP, GIF, AVIF and HEIC are",
        "left out: 5 archived photos ('cold-0.jpg', 'cold-1.jpg', 'cold-2.jpg', …); restore the photos to index them",
        "without an image suffix: 2 keys ('noext', 'x.jpg_large'); they are recognised by content",
    ):
        assert line in done.output
    listed = json.loads(CliRunner().invoke(main.main, [*command, "--json"], catch_exceptions=False).output)
    assert {"reason": "other_type", "count": 1, "examples": ["feed.csv"]} in listed["skipped"]
    nothing = CliRunner().invoke(main.main, [*command[:2], "s3://none/photos", *command[3:]])
    assert (nothing.exit_code, nothing.output.count("\n")) == (2, 1)
    assert "s3://none/photos/: there is no such bucket" in nothing.output.replace("photos:", "photos/:")


# ── archives ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_archived_photos_are_detected_by_the_listing_or_the_get(odd: OddS3) -> None:
    odd.put("photos/cold.png", numbered(1), storage_class="GLACIER")
    odd.put("photos/coming.png", numbered(1), storage_class="GLACIER", restored=False)
    odd.put("photos/deep.png", numbered(2), storage_class="DEEP_ARCHIVE")
    odd.put("photos/instant.png", numbered(3), storage_class="GLACIER_IR")
    odd.put("photos/restored.png", numbered(4), storage_class="GLACIER", restored=True)
    odd.put("photos/tiered.png", numbered(5), storage_class="INTELLIGENT_TIERING", archived_unseen=True)
    store = odd.store()
    assert list_source(store).archived.to_pylist() == ["cold.png", "coming.png", "deep.png"]
    with pytest.raises(Archived, match=r"cold\.png is archived: restore it"):
        store.get_limited("cold.png", 10**6)
    cold = (Status.FAILED, Reason.ARCHIVED)
    assert reasons(fetch_all(store)) == [cold, cold, cold, None, None, cold]


def test_archived_photos_and_other_files_do_not_count_as_lost(odd: OddS3) -> None:
    fill(odd, 1)
    (ref,) = refs_of(odd.store())
    for reason, counts in ((Reason.ARCHIVED, False), (Reason.NO_PICTURE, False), (Reason.CORRUPT, True)):
        supply = Supply([ref] * 100, max_lost=10)
        for _ in range(MIN_JUDGED):
            supply.record(Bad(ref, Status.FAILED, reason, Cost()))
        assert supply.spent is counts


# ── ETags ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_etags_changes_are_detected_by_size_and_time(odd: OddS3) -> None:
    odd.etags = False
    fill(odd, 2)
    store = odd.store()
    listing = list_source(store).photos
    assert listing["etag"].to_pylist() == [
        f"modified-20260102T030405Z-{size}" for size in listing["bytes"].to_pylist()
    ]
    refs = refs_of(store)
    assert reasons(fetch_all(store, refs)) == [None, None]
    assert not any("if-match" in request.headers for request in odd.requests)
    odd.objects["photos/p000.png"].headers["Last-Modified"] = "Fri, 02 Jan 2026 03:04:05 GMT"
    odd.objects["photos/p001.png"].headers["Last-Modified"] = "Fri, 02 Jan 2026 03:04:06 GMT"
    assert reasons(fetch_all(store, refs)) == [None, (Status.FAILED, Reason.CHANGED)]
    odd.times = False
    odd.sizes = False
    with pytest.raises(StorageError, match="without a key or size"):
        list_source(odd.store())
    odd.sizes = True
    with pytest.raises(StorageError, match="without an ETag or a time"):
        list_source(store)


def test_weak_etags_are_compared_but_not_sent(odd: OddS3) -> None:
    odd.weak = True
    odd.put("photos/a.png", numbered(1))
    store = odd.store()
    (ref,) = refs_of(store)
    assert ref.etag == "W/" + hashlib.md5(numbered(1)).hexdigest()
    assert reasons(fetch_all(store, (ref,))) == [None]
    odd.put("photos/a.png", numbered(2))
    with pytest.raises(Changed):
        store.get_limited("a.png", 10**6, ref.etag)


# ── credentials and rights ───────────────────────────────────────────────────────────────────────────────────


def test_many_denials_in_a_row_end_the_shard(odd: OddS3, caplog: pytest.LogCaptureFixture) -> None:
    fill(odd, 60)
    requested: list[str] = []

    def deny_after_twenty(request: Request) -> Response | None:
        requested.append(request.key)
        return Response(403, "AccessDenied") if len(requested) > 20 else None

    store = odd.store()
    refs = refs_of(store)
    odd.respond = deny_after_twenty
    with pytest.raises(AccessDenied, match=r"5 photos in a row.*p024\.png.*run the same run id again"):
        fetch_all(store, refs)
    assert len(requested) < 60
    assert not caplog.records  # one message, not one for each photo


def test_few_denied_photos_fail_and_the_rest_is_indexed(odd: OddS3) -> None:
    fill(odd, 30)
    private = [f"photos/p{n:03d}.png" for n in (*range(12), 20)]
    store = odd.store()
    refs = refs_of(store)
    odd.respond = lambda request: Response(403, "AccessDenied") if request.key in private else None
    found = fetch_all(store, refs)
    assert reasons(found).count((Status.FAILED, Reason.DENIED)) == 13
    assert reasons(found).count(None) == 17


def test_shard_of_denied_photos_only_does_not_end_the_run(odd: OddS3) -> None:
    """For example when denied photos are retried."""
    fill(odd, 30)
    private = [f"photos/p{n:03d}.png" for n in range(12)]
    store = odd.store()
    refs = tuple(ref for ref in refs_of(store) if f"photos/{ref.key}" in private)
    odd.respond = lambda request: Response(403, "AccessDenied") if request.key in private else None
    assert reasons(fetch_all(store, refs)) == [(Status.FAILED, Reason.DENIED)] * 12
    odd.respond = lambda request: Response(403, "AccessDenied")
    with pytest.raises(AccessDenied, match="5 photos in a row"):
        fetch_all(store, refs)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("ExpiredToken", "renew the keys"),
        ("InvalidAccessKeyId", "renew the keys"),
        ("SignatureDoesNotMatch", "renew the keys"),
        ("RequestTimeTooSkewed", "set the clock"),
    ],
)
def test_refused_credentials_end_the_shard_at_once(odd: OddS3, code: str, remedy: str) -> None:
    fill(odd, 30)
    store = odd.store()
    refs = refs_of(store)
    odd.respond = lambda request: Response(400 if code == "ExpiredToken" else 403, code)
    with pytest.raises(CredentialsRefused, match=f"{code}.*{remedy}"):
        fetch_all(store, refs)
    assert odd.gets() < 10


def test_anonymous_and_requester_pays_requests(odd: OddS3) -> None:
    fill(odd, 1)
    for signing, signed, payer in (
        (Signing.SIGNED, True, None), (Signing.ANONYMOUS, False, None), (Signing.REQUESTER_PAYS, True, "requester"),
    ):  # fmt: skip
        odd.requests.clear()
        store = odd.store(options=ReadOptions(signing))
        (ref,) = refs_of(store)
        store.get_limited(ref.key, 10**6, ref.etag, ref.bytes)
        store.get(ref.key)
        assert len(odd.requests) == 3
        for request in odd.requests:
            assert ("authorization" in request.headers) == signed
            assert request.headers.get("x-amz-request-payer") == payer


def test_anonymous_store_needs_no_credentials(odd: OddS3, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(odd, 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", odd.access.endpoint)
    store = open_store("s3://shop/photos", options=ReadOptions(Signing.ANONYMOUS))
    assert reasons(fetch_all(store)) == [None]


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────


def flipped(data: bytes) -> bytes:
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


def test_damaged_body_is_read_again(odd: OddS3) -> None:
    data = numbered(1)
    odd.put("photos/a.png", data)
    bad = iter([flipped(data), data[:-7]])
    odd.respond = lambda request: Response(200, body=body) if (body := next(bad, None)) is not None else None
    store = odd.store()
    assert store.get_limited("a.png", 10**6, size=len(data)) == data
    assert odd.gets("photos/a.png") == 3


@pytest.mark.parametrize("damage", [flipped, lambda data: data[:-7], lambda data: data + b"more"])
@pytest.mark.parametrize("neighbours", [0, 4])
def test_body_that_stays_damaged_fails_and_is_not_rejected(
    odd: OddS3, damage: Callable[[bytes], bytes], neighbours: int
) -> None:
    data = numbered(1)
    odd.put("photos/a.png", data)
    fill(odd, neighbours)
    store = odd.store()
    refs = refs_of(store)
    odd.respond = lambda request: Response(200, body=damage(data)) if request.key.endswith("a.png") else None
    found = fetch_all(store, refs)
    assert reasons(found) == [(Status.FAILED, Reason.DAMAGED_IN_TRANSIT), *[None] * neighbours]
    with pytest.raises(DamagedInTransit):
        store.get_limited("a.png", 10**6, refs[0].etag, refs[0].bytes)


@pytest.mark.parametrize(
    ("etag", "headers"),
    [
        ("0123456789abcdef0123456789abcdef-12", {}),
        ("0123456789abcdef0123456789abcdef", {"x-amz-server-side-encryption": "aws:kms"}),
        ("0123456789abcdef0123456789abcdef", {"x-amz-server-side-encryption-customer-algorithm": "AES256"}),
        ("anything", {}),
    ],
)
def test_etags_that_are_not_md5_are_not_compared(odd: OddS3, etag: str, headers: dict[str, str]) -> None:
    odd.put("photos/a.png", numbered(1), etag=etag, headers=headers)
    odd.put("photos/b.png", numbered(2))
    assert reasons(fetch_all(odd.store())) == [None, None]
    assert odd.gets() == 2


def test_store_whose_etags_are_never_md5_is_detected(odd: OddS3) -> None:
    for n in range(6):
        odd.put(f"photos/p{n}.png", numbered(n), etag=f"{n:032x}")
    assert reasons(fetch_all(odd.store())) == [None] * 6
    assert odd.gets() <= 6 + 3


def test_body_without_a_content_length_is_read(odd: OddS3) -> None:
    data = numbered(1)
    odd.put("photos/a.png", data)
    odd.respond = lambda request: Response(200, body=data, length=False)
    store = odd.store()
    (ref,) = refs_of(store)
    assert store.get_limited("a.png", 10**6, ref.etag, ref.bytes) == data
    with pytest.raises(TooLarge):
        store.get_limited("a.png", len(data) - 1)
    odd.respond = lambda request: Response(200, body=data[:-7], length=False)
    with pytest.raises(DamagedInTransit):
        store.get_limited("a.png", 10**6, ref.etag, ref.bytes)


def test_body_of_another_length_than_listed_fails(odd: OddS3) -> None:
    data = numbered(1)
    odd.put("photos/a.png", data)
    store = odd.store()
    refs = refs_of(store)
    odd.respond = lambda request: Response(200, body=data + bytes(10**6))
    assert reasons(fetch_all(store, refs)) == [(Status.FAILED, Reason.DAMAGED_IN_TRANSIT)]


@pytest.mark.parametrize(
    "listing",
    [
        b"",
        b"<html><body>Welcome</body></html>",
        b"<ListBucketResult><Name>shop</Name><IsTruncated>true</IsTruncated></ListBucketResult>",
    ],
)
def test_partial_listings_are_refused(odd: OddS3, listing: bytes) -> None:
    odd.listing = listing
    with pytest.raises(StorageError, match=r"s3://shop/photos: .*listing"):
        list_source(odd.store())


@pytest.mark.parametrize("every_request", [True, False])
def test_redirect_without_a_region_is_a_config_error(odd: OddS3, every_request: bool) -> None:
    odd.moved = every_request
    odd.respond = lambda request: Response(301, "PermanentRedirect")
    with pytest.raises(ConfigError, match="redirects without naming a region"):
        odd.store().get_limited("p000.png", 10**6)


def test_hanging_photo_times_out(odd: OddS3) -> None:
    fill(odd, 3)
    store = odd.store(options=QUICK)
    refs = refs_of(store)
    odd.respond = lambda request: Response(0) if request.key.endswith("p001.png") else None
    assert reasons(fetch_all(store, refs)) == [None, (Status.FAILED, Reason.UNAVAILABLE), None]
    assert odd.gets("photos/p001.png") <= 4


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("headers", [True, False])
def test_slow_photo_times_out(odd: OddS3, headers: bool, length: bool) -> None:
    """Single bytes keep a read timeout from expiring."""
    fill(odd, 1)
    store = odd.store(options=QUICK)
    odd.respond = lambda request: Response(200, body=numbered(0), drip=0.1, headers=headers, length=length)
    with pytest.raises(Unavailable, match=r"did not arrive within 1 s"):
        store.get_limited("p000.png", 10**6)


def test_busy_store_is_retried(odd: OddS3) -> None:
    fill(odd, 1)
    busy = iter([503, 500, 429])
    odd.respond = lambda request: Response(status, "SlowDown") if (status := next(busy, 0)) else None
    assert odd.store().get_limited("p000.png", 10**6) == numbered(0)
    assert odd.gets() == 4
    odd.respond = lambda request: Response(503, "SlowDown")
    with pytest.raises(Unavailable, match="in 5 attempts"):
        odd.store().get_limited("p000.png", 10**6)


def test_missing_bucket_is_a_config_error(odd: OddS3) -> None:
    reads: tuple[Callable[[Store], object], ...] = (
        list_source, lambda store: store.get_limited("k", 9), lambda store: store.get("k"),
    )  # fmt: skip
    for read in reads:
        odd.requests.clear()
        with pytest.raises(ConfigError, match=r"s3://none/.*no such bucket"):
            read(odd.store("s3://none/photos"))
        assert len(odd.requests) == 1
