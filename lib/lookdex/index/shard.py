"""One shard of photos → two Parquet files and a report. Knows nothing of Spark; any engine may call it, even twice.

Photos stream through: a pool fetches and decodes ahead (`fetch.py`), the models take them in batches, rows go to disk
in row groups. What is held does not grow with the shard. The report is the done-mark: put if absent, written last.
"""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lookdex import images, runs
from lookdex.codec import from_json
from lookdex.errors import LookdexError, NotFound
from lookdex.index.fetch import Bad, Fetched, FetchOptions, Photo, fetch
from lookdex.index.rows import ShardWriter
from lookdex.records import Box, Detection, Recipe, Shard, ShardReport, Status, StoredFile
from lookdex.storage import Store

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

BATCH_PIXELS = 64_000_000  # a batch ends early when its photos have more pixels than this together


@dataclass(frozen=True)
class Tools:
    """What a worker needs to index shards of one run.

    batch: photos in one call of the detector; the embedder gets all their crops and has a batch size of its own. On a
    CPU small ones are quicker; a GPU wants more.
    """

    source: Store
    catalog: Store
    detector: Detector
    embedder: Embedder
    recipe: Recipe
    run_id: str
    batch: int = 8
    fetch_workers: int = 8


class Stopwatch:
    """Busy seconds by step."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._begin = self._lap = time.perf_counter()

    def add(self, step: str, seconds: float) -> None:
        self.seconds[step] += seconds

    def lap(self, step: str) -> None:
        """What passed since the last lap belongs to `step`."""
        now = time.perf_counter()
        self.add(step, now - self._lap)
        self._lap = now

    def stop(self) -> dict[str, float]:
        return {
            step: round(value, 4)
            for step, value in sorted({**self.seconds, "total": time.perf_counter() - self._begin}.items())
        }


def index_shard(shard: Shard, tools: Tools) -> ShardReport:
    """Index the shard's photos and store its rows; returns the report that stands, ours or an earlier one.

    Every photo gets one row in the images file: bad files and storage faults are rows with a reason.

    Raises:
        StorageError: the catalogue cannot be written. Whatever a model raises is let through: the shard failed.
    """
    if (earlier := _standing_report(tools, shard)) is not None:
        return earlier
    with tempfile.TemporaryDirectory(prefix="lookdex-") as folder:
        report = _index(shard, tools, Path(folder))
    standing = runs.save_report(tools.catalog, tools.run_id, report)
    kept = {standing.objects.key, standing.images.key}
    for file in (report.objects, report.images):
        if file.key not in kept:  # another attempt was first: leave no file that no report names
            tools.catalog.delete(file.key)
    return standing


def _index(shard: Shard, tools: Tools, folder: Path) -> ShardReport:
    watch, gets = Stopwatch(), tools.source.requests
    options = FetchOptions(tools.recipe.max_bytes, tools.recipe.max_pixels, tools.fetch_workers)
    statuses: Counter[str] = Counter({status.value: 0 for status in Status})
    reasons: Counter[str] = Counter()
    fetched_bytes = 0
    writer = ShardWriter(folder, tools.embedder.dim, tools.recipe, tools.run_id, datetime.now(UTC))
    with closing(writer), closing(fetch(shard.refs, tools.source, options)) as photos:
        for batch in in_batches(photos, tools.batch):
            watch.lap("wait")
            good = [photo for photo in batch if isinstance(photo, Photo)]
            found = find_objects(good, tools)
            watch.lap("detect")
            vectors = embed_all(good, found, tools)
            watch.lap("embed")
            objects = iter(zip(found, vectors, strict=True))
            for photo in batch:
                if isinstance(photo, Bad):
                    reasons[photo.reason.value] += 1
                    status = writer.add_bad(photo)
                else:
                    status = writer.add(photo, *next(objects))
                statuses[status.value] += 1
                fetched_bytes += photo.cost.bytes
                watch.add("fetch", photo.cost.fetch_seconds)
                watch.add("decode", photo.cost.decode_seconds)
            del (
                photo,
                batch,
                good,
                found,
                vectors,
                objects,
            )  # the next batch is awaited without this one's pixels
            watch.lap("write")
    if sum(statuses.values()) != len(shard.refs):
        raise LookdexError(
            f"shard {shard.shard_id}: {len(shard.refs)} photos went in and {sum(statuses.values())} came out; "
            "this is a fault of lookdex: please report it"
        )
    objects_file = _store(tools, shard, "objects", writer.items_path, writer.items)
    images_file = _store(tools, shard, "images", writer.images_path, len(shard.refs))
    watch.lap("write")
    return ShardReport(
        shard_id=shard.shard_id,
        objects=objects_file,
        images=images_file,
        counts=dict(statuses),
        reasons=dict(sorted(reasons.items())),
        items=writer.items,
        bytes_fetched=fetched_bytes,
        gets=tools.source.requests - gets,
        seconds=watch.stop(),
        peak_rss_bytes=peak_rss_bytes(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


def _standing_report(tools: Tools, shard: Shard) -> ShardReport | None:
    key = runs.report_key(tools.run_id, shard.shard_id)
    try:
        return from_json(ShardReport, tools.catalog.get(key), key)
    except NotFound:
        return None


def in_batches(photos: Iterable[Fetched], size: int, pixels: int = BATCH_PIXELS) -> Iterator[list[Fetched]]:
    """Lists of up to `size` good photos and up to `pixels` pixels (or one photo), with the bad ones between them.

    Where a batch ends depends on the photos alone, not on timing: vectors depend a little on their batch.
    """
    batch: list[Fetched] = []
    good = held = 0
    for photo in photos:
        area = photo.area if isinstance(photo, Photo) else 0
        if batch and area and (good >= size or held + area > pixels):
            yield batch
            batch, good, held = [], 0, 0
        batch.append(photo)
        good, held = good + bool(area), held + area
        del photo  # or it would be held while the batch is at work
    if batch:
        yield batch


def find_objects(photos: Sequence[Photo], tools: Tools) -> list[list[Detection]]:
    """What the detector finds in each photo; it is not asked when there are none."""
    if not photos:
        return []
    found = tools.detector.detect([photo.pixels for photo in photos])
    if len(found) != len(photos):
        raise LookdexError(
            f"detector {tools.detector.name}: {len(photos)} photos in, {len(found)} answers out; mend the model"
        )
    return [once(own) for own in found]


def once(found: Sequence[Detection]) -> list[Detection]:
    """Without what is found again under the same label in the same pixels: its item would have the same id."""
    first: dict[tuple[str, Box], Detection] = {}
    for one in found:
        first.setdefault((one.label, one.box), one)
    return list(first.values())


def embed_all(
    photos: Sequence[Photo], found: Sequence[Sequence[Detection]], tools: Tools
) -> list[np.ndarray]:
    """For each photo float32 (1 + objects, dim): the whole photo, then its objects."""
    crops: list[np.ndarray] = []
    for photo, detections in zip(photos, found, strict=True):
        crops.append(photo.pixels)
        crops += [images.crop(photo.pixels, d.box, tools.recipe.crop_margin) for d in detections]
    if not crops:
        return []
    vectors = tools.embedder.embed_images(crops)
    if vectors.shape != (len(crops), tools.embedder.dim) or not np.isfinite(vectors).all():
        raise LookdexError(
            f"embedder {tools.embedder.name}: {len(crops)} crops gave an array {vectors.shape} with "
            f"{np.isfinite(vectors).mean():.1%} finite values, in the batch from {photos[0].ref.key} to "
            f"{photos[-1].ref.key}; nothing of this shard is kept. Mend the model or its settings"
        )
    return np.split(vectors, np.cumsum([1 + len(detections) for detections in found])[:-1])


def _store(tools: Tools, shard: Shard, kind: str, path: Path, rows: int) -> StoredFile:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    key = f"{runs.run_folder(tools.run_id)}/{kind}/{shard.shard_id}-{sha256[:16]}.parquet"
    tools.catalog.put_file(key, path)
    return StoredFile(key, sha256, rows, path.stat().st_size)


def peak_rss_bytes() -> int:
    """Peak resident size of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
