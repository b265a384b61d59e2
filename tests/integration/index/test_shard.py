"""Indexing one shard with the fakes: its rows, bad photos, storage errors, failing models, the fetch queue."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.catalog import runs
from lookdex.catalog.schemas import IMAGES_SCHEMA, items_schema
from lookdex.errors import AccessDenied, Changed, ModelFailed, NotFound, StorageError, Unavailable
from lookdex.imaging import codec, container
from lookdex.index.analyse import Tools, in_batches
from lookdex.index.fetch import Bad, Cost, FetchOptions, Photo, PixelBudget, fetch
from lookdex.models.pixels import split_batch
from lookdex.records import Box, Detection, ImageRef, Reason, Shard, ShardReport, Status
from lookdex.storage import Store, open_store
from tests import fakes
from tests.support.paths import GOLDEN
from tests.support.photos import draw, encode, fill, images_of, items_of, numbered, refs_of
from tests.support.shards import index_shard

GOLDEN_ROWS = GOLDEN / "shard.json"
REGENERATE = (
    "REGENERATE_GOLDEN"  # set it to write the golden rows again, and check the difference before you commit
)


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return open_store(tmp_path / "source")


@pytest.fixture
def tools(tmp_path: Path, source: Store) -> Tools:
    return Tools(
        source, open_store(tmp_path / "catalog"), fakes.detector(), fakes.embedder(), fakes.recipe(), "night"
    )


def whole(source: Store) -> Shard:
    """All photos of the source as one shard."""
    return Shard("shard-1", refs_of(source))


def rows_of(tools: Tools, report: ShardReport) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """The items, and the ledger by key."""
    items, ledger = items_of(tools.catalog, [report]), images_of(tools.catalog, [report])
    assert items.schema.equals(items_schema(tools.embedder.dim))
    assert ledger.schema.equals(IMAGES_SCHEMA)
    return items.to_pylist(), {row["image_key"]: row for row in ledger.to_pylist()}


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────


def golden_shard(source: Store) -> Shard:
    """Photos in uncompressed PNG, so that the rows depend on no version of a decoder or compressor."""
    look = draw({"red": Box(30, 20, 90, 80), "cyan": Box(35, 85, 85, 150), "blue": Box(5, 140, 25, 158)})
    source.put("a/look.png", encode(look, compress_level=0))
    source.put("b/plain.png", encode(draw({"magenta": Box(20, 40, 100, 140)}), compress_level=0))
    source.put("c/nothing.png", encode(draw({}), compress_level=0))
    source.put("d/broken.png", encode(draw({}), compress_level=0)[:200])
    products: dict[str, tuple[tuple[str, ...], str | None]] = {
        "a/look.png": (("pants-1", "top-1"), "pants"),
        "b/plain.png": (("bag-1",), None),
    }
    return Shard(
        "golden",
        tuple(ImageRef(o.key, o.etag, o.bytes, *products.get(o.key, ((), None))) for o in source.list()),
    )


def test_rows_match_the_golden_file(tools: Tools, source: Store) -> None:
    report = index_shard(golden_shard(source), tools)
    items, ledger = rows_of(tools, report)
    for row in items:
        row["crop"] = codec.decode(row["crop"], 10**6, 10**6, 1).shape[:2]
        row["vector"] = [round(v, 3) for v in row["vector"]]
        row["score"], row["colour_share"] = round(row["score"], 3), round(row["colour_share"], 3)
        row["palette"] = [{name: round(value, 2) for name, value in s.items()} for s in row["palette"]]
    for row in ledger.values():
        assert row.pop("first_seen") == row.pop("indexed_at")
        del row["etag"]  # in a folder it depends on the clock
    counted = {"counts": report.counts, "reasons": report.reasons, "items": report.items}
    document = json.dumps({**counted, "images": list(ledger.values()), "objects": items}, indent=1) + "\n"
    if os.environ.get(REGENERATE):
        GOLDEN_ROWS.parent.mkdir(exist_ok=True)
        GOLDEN_ROWS.write_text(document)
    assert json.loads(document) == json.loads(GOLDEN_ROWS.read_text())


def test_indexing_a_shard_again_gives_the_same_rows(tools: Tools, source: Store) -> None:
    fill(source, 30)
    first = index_shard(whole(source), tools)
    again = index_shard(whole(source), replace(tools, run_id="again", fetch_workers=1, batch=16))
    assert first.counts == again.counts
    a, b = items_of(tools.catalog, [first]), items_of(tools.catalog, [again])
    assert a.drop(["run_id"]).equals(b.drop(["run_id"]))


def test_batch_size_does_not_change_the_rows(tools: Tools, source: Store) -> None:
    fill(source, 20)
    a, b = (
        items_of(tools.catalog, [index_shard(whole(source), replace(tools, run_id=f"b{n}", batch=n))])
        for n in (1, 7)
    )
    assert a.drop(["run_id"]).equals(b.drop(["run_id"]))


@dataclass(frozen=True)
class DoubleDetector(fakes.FakeDetector):
    """Finds everything twice, the second time with half the score, as DETR may with nms_iou 1."""

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        return [
            [*objects, *(replace(d, score=d.score / 2) for d in objects)]
            for objects in super().detect(images)
        ]


def test_objects_detected_twice_are_one_item(tools: Tools, source: Store) -> None:
    fill(source, 5)
    items, ledger = rows_of(tools, index_shard(whole(source), tools))
    again, counted = rows_of(
        tools, index_shard(whole(source), replace(tools, run_id="twice", detector=DoubleDetector()))
    )
    assert [(row["item_id"], row["score"]) for row in again] == [
        (row["item_id"], row["score"]) for row in items
    ]
    assert [row["items"] for row in counted.values()] == [row["items"] for row in ledger.values()]


def test_crops_are_jpegs_of_the_size_in_the_recipe(tools: Tools, source: Store) -> None:
    source.put("a.png", encode(draw({"red": Box(0, 0, 400, 500)}, 600, 800)))
    items, _ = rows_of(tools, index_shard(whole(source), tools))
    sides = {row["scope"]: max(codec.decode(row["crop"], 10**6, 10**6).shape) for row in items}
    assert sides == {"image": 72, "object": 96}


def test_size_of_row_groups_is_bounded(tools: Tools, source: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookdex.index.rows.GROUP_BYTES", 20_000)
    fill(source, 40)
    report = index_shard(whole(source), tools)
    file = pq.ParquetFile(pa.BufferReader(tools.catalog.get(report.objects.key)))
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert len(sizes) > 3
    assert max(sizes) <= 20


# ── bad photos ───────────────────────────────────────────────────────────────────────────

HOSTILE = {
    "empty.jpg": (b"", Reason.EMPTY),
    "page.jpg": (b"<html>404</html>", Reason.UNKNOWN_FORMAT),
    "cut.png": (numbered(3)[:300], Reason.CORRUPT),
    "cut.jpg": (encode(draw({"red": Box(0, 0, 90, 90)}), "JPEG")[:600], Reason.CORRUPT),
    "icon.png": (encode(draw({}, 8, 8)), Reason.TOO_SMALL),
    "huge.png": (encode(draw({}, 3000, 2000)), Reason.TOO_MANY_PIXELS),
    "heavy.jpg": (b"\xff\xd8\xff" + b"\0" * 5_000_001, Reason.TOO_MANY_BYTES),
}


def test_bad_photos_do_not_affect_others(tools: Tools, source: Store) -> None:
    fill(source, 12)
    alone = items_of(tools.catalog, [index_shard(whole(source), replace(tools, run_id="alone"))])
    for name, (data, _) in HOSTILE.items():
        source.put(f"p00004/{name}", data)
    report = index_shard(whole(source), tools)
    items, ledger = rows_of(tools, report)
    assert report.counts == {"indexed": 12, "no_object": 0, "rejected": 7, "failed": 0}
    assert report.reasons == {reason: 1 for _, reason in HOSTILE.values()} | {"corrupt": 2}
    assert len(ledger) == 19
    for name, (_, reason) in HOSTILE.items():
        row = ledger[f"p00004/{name}"]
        assert (row["status"], row["reason"], row["items"]) == ("rejected", reason, 0)
    assert [row["item_id"] for row in items] == alone["item_id"].to_pylist()
    assert (ledger["p00004/huge.png"]["width"], ledger["p00004/huge.png"]["height"]) == (3000, 2000)


def test_shard_of_bad_photos_runs_no_model(tools: Tools, source: Store) -> None:
    for name, (data, _) in HOSTILE.items():
        source.put(name, data)
    report = index_shard(whole(source), replace(tools, detector=Broken(), embedder=Broken()))
    assert (report.items, report.counts["rejected"]) == (0, 7)
    assert items_of(tools.catalog, [report]).num_rows == 0


@dataclass(frozen=True)
class FaultyStore:
    """A folder in which some keys fail, as in S3 after the last retry."""

    inner: Store
    faults: dict[str, Exception | bytes]

    def get_limited(
        self, key: str, max_bytes: int, etag: str | None = None, size: int | None = None
    ) -> bytes:
        fault = self.faults.get(key)
        if isinstance(fault, Exception):
            raise fault
        return fault if fault is not None else self.inner.get_limited(key, max_bytes, etag, size)

    @property
    def requests(self) -> int:
        return self.inner.requests


def test_storage_errors_are_recorded_with_their_reason(tools: Tools, source: Store) -> None:
    fill(source, 12)
    keys = [ref.key for ref in refs_of(source)]
    faults: dict[str, Exception | bytes] = {
        keys[1]: Unavailable("503 SlowDown"),
        keys[3]: AccessDenied("403"),
        keys[4]: NotFound("404"),
        keys[5]: Changed("412"),
        keys[7]: StorageError("something new"),
        keys[8]: MemoryError(),
        keys[9]: source.get(keys[9])[:-7],  # the connection ended early, unnoticed
    }
    report = index_shard(whole(source), replace(tools, source=cast(Store, FaultyStore(source, faults))))
    _, ledger = rows_of(tools, report)
    assert report.counts == {"indexed": 5, "no_object": 0, "rejected": 0, "failed": 7}
    assert [ledger[keys[n]]["reason"] for n in (1, 3, 4, 5, 7, 8, 9)] == [
        "unavailable", "denied", "gone", "changed", "unavailable", "out_of_memory", "damaged_in_transit",
    ]  # fmt: skip
    assert all(ledger[key]["content_hash"] is None for key in faults)


def test_photo_replaced_after_the_plan_is_recorded_as_changed(tools: Tools, source: Store) -> None:
    fill(source, 3)
    shard = whole(source)
    source.put(shard.refs[1].key, numbered(17))
    source.delete(shard.refs[2].key)
    _, ledger = rows_of(tools, index_shard(shard, tools))
    assert [row["reason"] for row in ledger.values()] == [None, "changed", "gone"]


def test_running_out_of_memory_fails_only_that_photo(
    tools: Tools, source: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(source, 4)
    decode = codec.decode_checked

    def hungry(data: bytes, header: container.Header) -> np.ndarray:
        if codec.content_hash(data) == codec.content_hash(numbered(2)):
            raise MemoryError
        return decode(data, header)

    monkeypatch.setattr(codec, "decode_checked", hungry)
    report = index_shard(whole(source), tools)
    assert report.counts == {"indexed": 3, "no_object": 0, "rejected": 0, "failed": 1}
    assert report.reasons == {"out_of_memory": 1}


# ── failing models ─────────────────────────────────────────────────────────────────────────────────────


class Broken:
    """A detector that raises, and an embedder that returns NaN."""

    name, dim = "broken", 16

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        raise RuntimeError("the model fell over")

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.full((len(images), 16), np.nan, np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError


def test_failing_model_fails_the_shard_and_writes_nothing(tools: Tools, source: Store) -> None:
    fill(source, 40)
    with pytest.raises(ModelFailed, match="fell over, in the batch from"):
        index_shard(whole(source), replace(tools, detector=Broken()))
    with pytest.raises(ModelFailed, match="finite"):
        index_shard(whole(source), replace(tools, embedder=Broken()))
    assert list(tools.catalog.list()) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("lookdex-fetch")]


def test_second_attempt_returns_the_first_report_without_fetching(tools: Tools, source: Store) -> None:
    fill(source, 5)
    shard = whole(source)
    report = index_shard(shard, tools)
    before = source.requests
    assert index_shard(shard, replace(tools, detector=Broken())) == report
    assert source.requests == before


def test_concurrent_attempts_keep_one_result_and_no_orphan_files(tools: Tools, source: Store) -> None:
    fill(source, 6)
    shard = whole(source)

    class Slow(fakes.FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
            index_shard(shard, tools)  # the other attempt finishes meanwhile
            return super().detect(images)

    report = index_shard(shard, replace(tools, detector=Slow()))
    assert runs.load_reports(tools.catalog, "night", ["shard-1"]) == {"shard-1": report}
    referenced = {report.objects.key, report.images.key, runs.report_key("night", "shard-1")}
    assert {o.key for o in tools.catalog.list()} == referenced


# ── the queue ────────────────────────────────────────────────────────────────────────────────────────────────


def options(**changes: int) -> FetchOptions:
    return FetchOptions(**{"max_bytes": 10**6, "max_pixels": 10**6, "workers": 4, **changes})


def test_number_of_photos_fetched_ahead_is_bounded(source: Store) -> None:
    fill(source, 30)
    refs = refs_of(source)
    photos = fetch(refs, source, options(ahead_images=5))
    before = source.requests
    assert next(photos).ref == refs[0]
    time.sleep(0.3)
    assert source.requests - before <= 6
    assert [photo.ref for photo in photos] == list(refs[1:])


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=25),
    limit=st.integers(1, 60),
    workers=st.integers(1, 6),
    ahead=st.integers(1, 8),
)
def test_pixels_decoded_ahead_are_bounded_without_deadlock(
    sizes: list[int], limit: int, workers: int, ahead: int
) -> None:
    """A photo may be larger than the limit: it is admitted when it is the one awaited."""
    side, lock = 16, threading.Lock()
    held = peak = 0

    class Sizes:
        def get_limited(self, key: str, *_: object) -> bytes:
            return key.encode()

    def header_of(data: bytes, *_: int) -> container.Header:
        return container.Header("PNG", side, sizes[int(data)])

    def decoded(data: bytes, header: container.Header) -> np.ndarray:
        nonlocal held, peak
        with lock:
            held += header.height
            peak = max(peak, held)
        return np.zeros((header.height, side, 3), np.uint8)

    refs = [ImageRef(str(n), "", len(str(n))) for n in range(len(sizes))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "check", header_of)
        patch.setattr(codec, "decode_checked", decoded)
        bounds = options(ahead_images=ahead, workers=workers, ahead_pixels=limit * side)
        seen: list[str] = []
        for photo in fetch(refs, cast(Store, Sizes()), bounds):
            assert isinstance(photo, Photo)
            with lock:
                held -= photo.pixels.shape[0]
            seen.append(photo.ref.key)
    assert seen == [ref.key for ref in refs]
    # The budget may admit one more photo before this test has counted the last one.
    assert peak <= limit + 2 * max(sizes)


def test_pixel_budget_admits_waits_and_closes() -> None:
    budget = PixelBudget(100)
    assert budget.take(0, 500)  # the awaited photo is always admitted
    waiting = threading.Thread(target=budget.take, args=(2, 60))
    waiting.start()
    budget.await_turn(1)
    assert budget.take(1, 10)
    time.sleep(0.05)
    assert waiting.is_alive()
    budget.give(500)
    waiting.join(5)
    assert not waiting.is_alive()
    assert budget.used == 70
    budget.close()
    assert not budget.take(9, 1000)


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 8), st.integers(10, 120))
def test_batches_are_bounded_and_keep_the_order_of_photos(areas: list[int], size: int, pixels: int) -> None:
    """An area of 0 stands for a bad photo."""
    ref, cost = ImageRef("k", "", 1), Cost()
    photos = [
        Photo(ref, np.zeros((area, 1, 3), np.uint8), str(n), cost)
        if area
        else Bad(ref, Status.REJECTED, Reason.CORRUPT, cost, str(n))
        for n, area in enumerate(areas)
    ]
    batches = list(in_batches(iter(photos), size, pixels))
    assert [p.content_hash for batch in batches for p in batch] == [str(n) for n in range(len(areas))]
    for batch in batches:
        good = [p.area for p in batch if isinstance(p, Photo)]
        assert len(good) <= size
        assert sum(good) <= pixels or len(good) == 1


@given(st.integers(0, 400), st.integers(1, 64))
def test_batches_of_crops_have_few_different_sizes(count: int, size: int) -> None:
    sizes = split_batch(count, size)
    assert sum(sizes) == count
    assert sizes == sorted(sizes, reverse=True)
    assert all(s == size or s & (s - 1) == 0 for s in sizes)


def test_stopping_early_leaves_no_threads(source: Store) -> None:
    fill(source, 20)
    photos = fetch(refs_of(source), source, options(ahead_pixels=1))
    next(photos)
    photos.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("lookdex-fetch")]


def test_programming_error_is_not_recorded_as_a_bad_photo(
    source: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(source, 3)
    monkeypatch.setattr(codec, "check", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(fetch(refs_of(source), source, options()))
