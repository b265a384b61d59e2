"""Run the queries of an end-to-end evaluation against a catalogue, through the same code that answers shoppers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lookdex.catalog import promotion_log, tables
from lookdex.errors import BadQuery, ConfigError
from lookdex.evaluate.cached_models import CachingLoader
from lookdex.evaluate.datasets import Photos, read_table
from lookdex.evaluate.label_trust import RankedDetection
from lookdex.evaluate.lanes import Outcome, QueryObject, rank_detections, score_answer
from lookdex.evaluate.work import Advance
from lookdex.records import Box, Release
from lookdex.search.engine.photo import PhotoLimits, read_photo
from lookdex.search.query.options import Crops, Options, Widen
from lookdex.storage import Store
from lookdex.taxonomy.categories import normalise

if TYPE_CHECKING:
    from lookdex.search.catalog import Catalog

CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class QueryPhoto:
    path: Path
    objects: tuple[QueryObject, ...]


@dataclass(frozen=True, slots=True)
class AskTask:
    """Photos to query with."""

    photos: tuple[QueryPhoto, ...]
    catalog: str
    """URI."""
    release: str
    """Id, the same for every part of the task."""
    k: int
    """Matches per lane."""
    device: str
    trusted_models: tuple[str, ...] = ()
    """As in `open_catalog`."""

    def __len__(self) -> int:
        return len(self.photos)

    def part(self, start: int, stop: int) -> Self:
        return replace(self, photos=self.photos[start:stop])


@dataclass(frozen=True, slots=True)
class AskResult:
    outcomes: tuple[Outcome, ...]
    seen: tuple[RankedDetection, ...]
    unreadable: tuple[str, ...]  # paths of photos


def ask(task: AskTask, advance: Advance = lambda done: None) -> AskResult:
    """Query with each photo, and with the true box of each of its objects that has obj.

    Photos with known boxes are also queried with `widen` always and never, to compare all categories with the object's
    own. Results are not folded, because each of two products with the same picture must be found.
    """
    catalog = open_catalog_once(task.catalog, task.release, task.device, task.trusted_models)
    options = Options(k=task.k, fold=False, look=False, crops=Crops.NONE)
    without_whole = replace(options, whole=False)
    results: list[Outcome] = []
    seen: list[RankedDetection] = []
    unreadable = []
    for done, photo in enumerate(task.photos, start=1):
        try:
            pixels = read_photo(photo.path, PhotoLimits.of(catalog.release.recipe))
        except BadQuery:
            unreadable.append(str(photo.path))
        else:
            answer = catalog.ask(pixels, options=options)
            true_box_results = [
                catalog.ask(pixels, options=replace(without_whole, box=obj.box)).objects[0]
                if obj.box
                else None
                for obj in photo.objects
            ]
            results += score_answer(photo.objects, answer, true_box_results)
            if any(obj.box is not None for obj in photo.objects):
                by_widen = [
                    catalog.ask(pixels, options=replace(without_whole, widen=widen))
                    for widen in (Widen.ALWAYS, Widen.NEVER)
                ]
                seen += rank_detections(photo.objects, *by_widen)
        advance(done)
    return AskResult(tuple(results), tuple(seen), tuple(unreadable))


@lru_cache(maxsize=2)
def open_catalog_once(uri: str, release: str, device: str, trusted_models: tuple[str, ...] = ()) -> Catalog:
    """Open the catalogue, once per process.

    Models are loaded at the first query. Their outputs are cached, so that a photo queried in several ways runs
    through them once.
    """
    from lookdex.search.catalog import open_catalog

    return open_catalog(
        uri,
        release=release,
        store_seconds=None,
        device=device,
        loader=CachingLoader(),
        trusted_models=trusted_models,
    )


def list_products(catalog: Store, release: Release) -> set[str]:
    """Ids of the products that have an item in the release."""
    column = tables.open_items(catalog, release).to_table(columns=["product_id"])
    return {value for value in column["product_id"].unique().to_pylist() if value is not None}


def read_queries(table: Path, images: Path | None = None) -> list[QueryPhoto]:
    """Read query photos and their known objects from a CSV or Parquet table.

    Columns: image (relative to `images`, by default the table's folder), product_id, category, and optionally the box
    x0, y0, x1, y1 in pixels of the upright photo. A photo with several objects has several rows. The truth.parquet of
    `lookdex sample` has this form; only its rows of kind "look" are used.

    Raises:
        ConfigError: a column, value or photo is missing.
    """
    head = read_table(table, ())[0]
    image = "image" if "image" in head or "image_key" not in head else "image_key"
    boxed = all(name in head for name in CORNERS)
    rows = read_table(table, (image, "product_id", "category"))
    rows = [row for row in rows if row.get("kind", "look") == "look"]
    if not rows:
        raise ConfigError(f"{table} has no query rows: none of its rows is of kind 'look'")
    find = Photos(images or table.parent)
    objects: dict[Path, list[QueryObject]] = defaultdict(list)
    for row in rows:
        if not (row[image] and row["product_id"] and row["category"]):
            raise ConfigError(f"{table}: a row has no image, product_id or category: {row}")
        box = _box(row, table) if boxed else None
        path = find(row[image])
        objects[path].append(QueryObject(str(path), row["product_id"], normalise(row["category"]) or "", box))
    return [QueryPhoto(path, tuple(own)) for path, own in sorted(objects.items())]


def drop_unknown(photos: Sequence[QueryPhoto], products: set[str]) -> tuple[list[QueryPhoto], list[str]]:
    """Drop objects whose product is not in `products`. Returns the photos left, and the ids of the unknown products."""
    kept = [replace(p, objects=tuple(o for o in p.objects if o.product_id in products)) for p in photos]
    unknown = {o.product_id for p in photos for o in p.objects} - products
    return [photo for photo in kept if photo.objects], sorted(unknown)


def load_release(catalog: Store, release: str | None) -> Release:
    """Load a release by its id, or the live one. Raises ReleaseNotFound."""
    if release is not None:
        return promotion_log.load_release(catalog, release)
    return promotion_log.require_live_release(catalog)


def _box(row: Mapping[str, str], table: Path) -> Box | None:
    values = [row[name] for name in CORNERS]
    if not any(values):
        return None
    try:
        return Box(*(round(float(value)) for value in values))
    except ValueError as error:
        raise ConfigError(f"{table}: x0, y0, x1, y1 must be pixels, got {row}: {error}") from error
