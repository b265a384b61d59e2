"""Turn photos into rows in this process: fetch ahead, run the models on batches."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lookdex.errors import LookdexError, ModelFailed
from lookdex.imaging import codec
from lookdex.index.fetch import Bad, Fetched, FetchOptions, Photo, fetch
from lookdex.index.shard_writer import Outcome, describe
from lookdex.index.supply import Supply
from lookdex.records import Box, Detection, Recipe
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.storage import Store

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

UNIT_LENGTH = 0.002  # tolerance of a vector's squared length, as in the audit
BATCH_PIXELS = 64_000_000  # most pixels of a batch


@dataclass(frozen=True)
class Tools:
    """What a worker needs to index shards of one run.

    batch: photos in one call of the detector. The embedder gets all their crops and has its own batch size. Small
    batches are faster on a CPU, large ones on a GPU.
    """

    source: Store
    catalog: Store
    detector: Detector
    embedder: Embedder
    recipe: Recipe
    run_id: str
    batch: int = 8
    fetch_workers: int = 8


class Analysis(Protocol):
    """Turns a shard's photos into outcomes."""

    @property
    def dim(self) -> int:
        """Size of the vectors."""

    @property
    def gets(self) -> int:
        """How many requests were sent to the source so far."""

    def outcomes(self, photos: Supply, watch: Stopwatch) -> Generator[Outcome]:
        """Yield one outcome for each photo, in order, and report it to `photos.record`."""


class InProcess:
    """Runs the models in this process. A model's error raises `ModelFailed`; a crash ends the process."""

    def __init__(self, tools: Tools) -> None:
        self._tools, self._before = tools, tools.source.requests

    @property
    def dim(self) -> int:
        return self._tools.embedder.dim

    @property
    def gets(self) -> int:
        return self._tools.source.requests - self._before

    def outcomes(self, photos: Supply, watch: Stopwatch) -> Generator[Outcome]:
        tools = self._tools
        options = FetchOptions(tools.recipe.max_bytes, tools.recipe.max_pixels, tools.fetch_workers)
        with closing(fetch(photos, tools.source, options)) as fetched:
            for batch in split_batches(map(photos.record, fetched), tools.batch):
                watch.lap("wait")
                done = analyse(batch, tools, watch)
                for outcome in done:
                    watch.add("fetch", outcome.cost.fetch_seconds)
                    watch.add("decode", outcome.cost.decode_seconds)
                del batch  # free its pixels while waiting for the next one
                yield from done
                watch.lap("write")


def analyse(batch: Sequence[Fetched], tools: Tools, watch: Stopwatch) -> list[Outcome]:
    """The outcomes of a batch, in order. Raises ModelFailed."""
    good = [photo for photo in batch if isinstance(photo, Photo)]
    found = find_objects(good, tools)
    watch.lap("detect")
    vectors = embed_all(good, found, tools)
    watch.lap("embed")
    objects = iter(zip(found, vectors, strict=True))
    return [
        photo if isinstance(photo, Bad) else describe(photo, *next(objects), tools.recipe, tools.run_id)
        for photo in batch
    ]


def split_batches(
    photos: Iterable[Fetched], size: int, pixels: int = BATCH_PIXELS
) -> Iterator[list[Fetched]]:
    """Batches of up to `size` good photos and `pixels` pixels (or one photo), with the bad photos between them.

    Batches depend only on the photos, not on timing, because vectors depend slightly on their batch.
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
        del photo  # do not keep its pixels while the batch is processed
    if batch:
        yield batch


def find_objects(photos: Sequence[Photo], tools: Tools) -> list[list[Detection]]:
    """The objects of each photo. Does not call the detector without photos. Raises ModelFailed."""
    if not photos:
        return []
    try:
        found = tools.detector.detect([photo.pixels for photo in photos])
    except LookdexError:
        raise
    except Exception as error:
        raise _model_failed(f"detector {tools.detector.name}", photos, error) from error
    if len(found) != len(photos):
        raise ModelFailed(
            f"detector {tools.detector.name}: returned {len(found)} results for {len(photos)} photos; fix the model"
        )
    for photo, own in zip(photos, found, strict=True):
        if fault := next(filter(None, (find_fault(one, photo) for one in own)), ""):
            raise ModelFailed(f"detector {tools.detector.name}: {fault}{_where([photo])}")
    return [drop_duplicates(own) for own in found]


def find_fault(found: Detection, photo: Photo) -> str:
    """Why a detection is invalid: no row can hold it, or the audit would refuse it. '' when it is valid."""
    box, (height, width) = found.box, photo.pixels.shape[:2]
    corners = (box.x0, box.y0, box.x1, box.y1)
    if not isinstance(found.label, str) or not found.label:
        return f"an object has the label {found.label!r}"
    if not isinstance(found.score, Real) or not 0 <= found.score <= 1:
        return f"the object {found.label!r} has the score {found.score!r}, which is not between 0 and 1"
    if not all(isinstance(corner, Integral) for corner in corners):
        return f"the object {found.label!r} has the box {corners}, which is not in whole pixels"
    if not (0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height):
        return f"the object {found.label!r} has the box {corners}, outside the photo of {width} × {height} pixels"
    return ""


def drop_duplicates(found: Sequence[Detection]) -> list[Detection]:
    """Drop detections that repeat a label and box: their items would have the same id."""
    first: dict[tuple[str, Box], Detection] = {}
    for one in found:
        first.setdefault((one.label, one.box), one)
    return list(first.values())


def embed_all(
    photos: Sequence[Photo], found: Sequence[Sequence[Detection]], tools: Tools
) -> list[np.ndarray]:
    """Vectors of each photo, float32 (1 + objects, dim): the whole photo, then its objects. Raises ModelFailed."""
    crops: list[np.ndarray] = []
    for photo, detections in zip(photos, found, strict=True):
        crops.append(photo.pixels)
        crops += [codec.crop(photo.pixels, d.box, tools.recipe.crop_margin) for d in detections]
    if not crops:
        return []
    try:
        vectors = tools.embedder.embed_images(crops)
    except LookdexError:
        raise
    except Exception as error:
        raise _model_failed(f"embedder {tools.embedder.name}", photos, error) from error
    if vectors.shape != (len(crops), tools.embedder.dim) or not np.isfinite(vectors).all():
        raise ModelFailed(
            f"embedder {tools.embedder.name}: returned an array {vectors.shape} for {len(crops)} crops, with "
            f"{np.isfinite(vectors).mean():.1%} finite values{_where(photos)}. Fix the model or its settings"
        )
    squares = np.square(vectors, dtype=np.float64).sum(axis=1)
    if (off := np.abs(squares - 1)).max() > UNIT_LENGTH:
        raise ModelFailed(
            f"embedder {tools.embedder.name}: returned a vector of length {np.sqrt(squares[off.argmax()]):.4g} "
            f"instead of 1{_where(photos)}. Fix the model or its settings"
        )
    return np.split(vectors, np.cumsum([1 + len(detections) for detections in found])[:-1])


def _model_failed(model: str, photos: Sequence[Photo], error: Exception) -> ModelFailed:
    return ModelFailed(f"{model}: {type(error).__name__}: {error}{_where(photos)}")


def _where(photos: Sequence[Photo]) -> str:
    first, last = photos[0].ref.key, photos[-1].ref.key
    return f", on {first}" if first == last else f", in the batch from {first} to {last}"
