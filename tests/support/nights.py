"""Runs without photos or models: plans, shard files and reports as the earlier stages would write them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookdex.catalog import promotion_log, runs, tables
from lookdex.catalog.schemas import IMAGES_SCHEMA, PLAN_SCHEMA, items_schema
from lookdex.imaging.codec import encode_jpeg
from lookdex.planning.products import digest as digest_of_products
from lookdex.records import (
    Box,
    Change,
    PlanSummary,
    Reason,
    Recipe,
    Release,
    Role,
    Scope,
    ShardReport,
    Status,
    StoredFile,
    item_id,
)
from lookdex.release.audit import audit_release
from lookdex.release.build import build_release
from lookdex.release.fragments import FragmentResult, FragmentTask, write_fragment
from lookdex.release.promote import promote
from lookdex.storage import Store

RECIPE = Recipe(
    detector="fake", detector_digest="d", embedder="fake", embedder_digest="e", min_score=0.3, nms_iou=0.6,
    max_objects=20, crop_margin=0.1, crop_pixels=64, max_bytes=1_000_000, max_pixels=1_000_000,
)  # fmt: skip
DIM = 16
SIDE = 100  # side of every photo, pixels


@dataclass(frozen=True)
class Photo:
    """A photo of the source and its outcome when it is indexed. labels: one object each.

    look: photos with the same look have the same picture and vectors; with '' the picture cannot be decoded.
    file: photos with the same file have the same content; with '' it is unique.
    """

    key: str
    etag: str = "1"
    labels: tuple[str, ...] = ("top",)
    product: str | None = None
    reason: Reason | None = None
    look: str = ""
    file: str = ""
    category: str | None = None
    score: float = 0.9

    @property
    def status(self) -> Status:
        if self.reason in (
            Reason.GONE,
            Reason.CHANGED,
            Reason.DENIED,
            Reason.UNAVAILABLE,
            Reason.OUT_OF_MEMORY,
            Reason.NOT_TRIED,
            Reason.BREAKS_MODEL,
        ):
            return Status.FAILED
        if self.reason:
            return Status.REJECTED
        return Status.INDEXED if self.labels else Status.NO_OBJECT

    @property
    def content(self) -> str:
        return hashlib.sha256((self.file or f"{self.key}@{self.etag}").encode()).hexdigest()

    @property
    def crop(self) -> bytes:
        return encode_jpeg(picture(self.look), SIDE) if self.look else b"jpeg"


def photos(count: int, **kwargs: Any) -> list[Photo]:
    return [Photo(f"p{i:04d}/a.jpg", product=f"p{i:04d}", **kwargs) for i in range(count)]


def picture(look: str) -> np.ndarray:
    """uint8 (SIDE, SIDE, 3): soft blobs, different for each look."""
    rng = np.random.default_rng(int(hashlib.sha256(look.encode()).hexdigest()[:8], 16))
    return cv2.resize(
        rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )


def vectors(seed: str, count: int, dim: int) -> np.ndarray:
    rng = np.random.default_rng(int(hashlib.sha256(seed.encode()).hexdigest()[:8], 16))
    found = rng.standard_normal((count, dim), dtype=np.float32)
    unit: np.ndarray = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def item_rows(photo: Photo, run_id: str, dim: int) -> list[dict[str, object]]:
    if photo.reason is not None:
        return []
    found = [(Scope.IMAGE, "photo", Box(0, 0, SIDE, SIDE))]
    found += [(Scope.OBJECT, label, Box(10 * i, 10, 10 * i + 40, 60)) for i, label in enumerate(photo.labels)]
    return [
        {
            "item_id": item_id(photo.key, photo.content, scope, label, box),
            "image_key": photo.key, "content_hash": photo.content, "product_id": photo.product,
            "scope": scope.value, "role": Role.MAIN.value, "label": label, "score": photo.score,
            "x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1, "width": SIDE, "height": SIDE,
            "colour": "red", "colour_share": 0.5, "vector": vector.tolist(), "crop": photo.crop, "run_id": run_id,
        }
        for (scope, label, box), vector in zip(
            found, vectors(photo.look or photo.content, len(found), dim), strict=True
        )
    ]  # fmt: skip


def image_row(photo: Photo, run_id: str, recipe: Recipe, now: datetime) -> dict[str, object]:
    known = photo.reason is None
    return {
        "image_key": photo.key, "etag": photo.etag, "bytes": 1000,
        "content_hash": photo.content if photo.status != Status.FAILED else None,
        "product_ids": [photo.product] if photo.product else [], "category": photo.category,
        "status": photo.status.value,
        "reason": photo.reason.value if photo.reason else None, "width": SIDE if known else None,
        "height": SIDE if known else None, "items": 1 + len(photo.labels) if known else 0,
        "recipe": recipe.digest, "run_id": run_id, "first_seen": now, "indexed_at": now,
    }  # fmt: skip


def write_table(store: Store, key: str, table: pa.Table) -> StoredFile:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    store.put(key, buffer.getvalue())
    return StoredFile(
        key, hashlib.sha256(buffer.getvalue()).hexdigest(), table.num_rows, len(buffer.getvalue())
    )


def changes_since(source: Sequence[Photo], ledger: pa.Table | None, recipe: Recipe) -> dict[str, Change]:
    old = {row["image_key"]: row for row in ledger.to_pylist()} if ledger is not None else {}
    changes: dict[str, Change] = {}
    for photo in source:
        row = old.get(photo.key)
        if row is None:
            changes[photo.key] = Change.NEW
        elif row["etag"] != photo.etag:
            changes[photo.key] = Change.CHANGED
        elif row["recipe"] != recipe.digest:
            changes[photo.key] = Change.RECIPE
        elif row["status"] == Status.FAILED:
            changes[photo.key] = Change.RETRY
    return changes | dict.fromkeys(old.keys() - {photo.key for photo in source}, Change.DELETED)


@dataclass(frozen=True)
class Night:
    plan: PlanSummary
    table: pa.Table
    reports: dict[str, ShardReport]


def index_night(
    store: Store,
    run_id: str,
    source: Sequence[Photo],
    *,
    recipe: Recipe = RECIPE,
    dim: int = DIM,
    shard_images: int = 4,
    products: pa.Table | None = None,
    products_changed: bool | None = None,
    keep_unlisted: bool = False,
) -> Night:
    """Plan `source` against the live release and write the shards' files, as `plan` and `index` do.

    products_changed: by default their digests decide.
    """
    if products is not None and not keep_unlisted:
        listed = set(products["product_id"].to_pylist())
        source = [photo for photo in source if photo.product is None or photo.product in listed]
    current = promotion_log.live_release(store)
    entry, before = current or (None, None)
    changes = changes_since(source, tables.read_ledger(store, before) if before else None, recipe)
    now = datetime.now(UTC)
    todo = [photo for photo in source if photo.key in changes]
    plan_rows, reports = [], {}
    for start in range(0, len(todo), shard_images):
        group = todo[start : start + shard_images]
        shard = hashlib.sha256("".join(p.content for p in group).encode()).hexdigest()[:16]
        items = [row for photo in group for row in item_rows(photo, run_id, dim)]
        images = [image_row(photo, run_id, recipe, now) for photo in group]
        folder = f"{runs.run_folder(run_id)}"
        reports[shard] = ShardReport(
            shard_id=shard,
            objects=write_table(
                store, f"{folder}/objects/{shard}.parquet", pa.Table.from_pylist(items, items_schema(dim))
            ),
            images=write_table(
                store, f"{folder}/images/{shard}.parquet", pa.Table.from_pylist(images, IMAGES_SCHEMA)
            ),
            counts={}, reasons={}, items=len(items), bytes_fetched=0, gets=0, seconds={}, peak_rss_bytes=0,
            worker="test:0",
        )  # fmt: skip
        plan_rows += [plan_row(photo, shard, changes[photo.key]) for photo in group]
    gone = [key for key, change in changes.items() if change == Change.DELETED]
    plan_rows += [plan_row(Photo(key), None, Change.DELETED) for key in sorted(gone)]
    table = pa.Table.from_pylist(plan_rows, PLAN_SCHEMA)
    digest = "" if products is None else digest_of_products(products)
    counts = {change.value: list(changes.values()).count(change) for change in Change}
    plan = PlanSummary(
        run_id=run_id, live=entry.since if entry else 0, release_id=before.release_id if before else None,
        source="test", recipe=recipe, changes=counts, shards=len(reports), created_at=now,
        plan=StoredFile("", "", len(plan_rows), 0), products_digest=digest, keep_unlisted=keep_unlisted,
        products_changed=before is not None and digest != before.products_digest
        if products_changed is None else products_changed,
    )  # fmt: skip
    return Night(runs.save_plan(store, table, plan, products), table, reports)


def plan_row(photo: Photo, shard: str | None, change: Change) -> dict[str, object]:
    return {
        "shard_id": shard, "image_key": photo.key, "etag": photo.etag, "bytes": 1000,
        "product_ids": [photo.product] if photo.product else [], "category": None, "change": change.value,
    }  # fmt: skip


def in_a_loop(tasks: list[FragmentTask]) -> Iterable[FragmentResult]:
    return map(write_fragment, tasks)


def build(
    store: Store,
    night: Night,
    run: Callable[[list[FragmentTask]], Iterable[FragmentResult]] = in_a_loop,
) -> Release:
    return build_release(store, night.plan, night.table, night.reports, run)


def publish(store: Store, run_id: str, source: Sequence[Photo], **kwargs: Any) -> Release:
    """Run a whole night. kwargs: of `index_night`."""
    release = audit_release(store, build(store, index_night(store, run_id, source, **kwargs)))
    promote(store, release.release_id)
    return release


def item_table(store: Store, release: Release) -> pa.Table:
    """The items, sorted, without the columns that depend on the run."""
    table = tables.open_tables(store, release).items.to_table()
    return table.drop_columns(["run_id"]).sort_by("item_id")


def renamed(night: Night, **changes: Any) -> Night:
    return replace(night, plan=replace(night.plan, **changes))
