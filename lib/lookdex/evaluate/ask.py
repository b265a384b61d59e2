"""The questions of an end-to-end evaluation, put to a catalogue through the real query function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lookdex.catalog import promotion_log, tables
from lookdex.errors import BadQuery, ConfigError, ReleaseNotFound
from lookdex.evaluate.datasets import Photos, read_table
from lookdex.evaluate.lanes import Asked, Outcome, outcomes, seen_in
from lookdex.evaluate.remember import Remembering
from lookdex.evaluate.trust import Seen
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
class AskedPhoto:
    path: Path
    objects: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class AskTask:
    """catalog: URI. release: its id; every part of the work asks the same one. k: products a lane. trusted_models: of
    `open_catalog`."""

    photos: tuple[AskedPhoto, ...]
    catalog: str
    release: str
    k: int
    device: str
    trusted_models: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.photos)

    def part(self, start: int, stop: int) -> Self:
        return replace(self, photos=self.photos[start:stop])


@dataclass(frozen=True, slots=True)
class AskResult:
    outcomes: tuple[Outcome, ...]
    seen: tuple[Seen, ...]
    unreadable: tuple[str, ...]  # photos


def ask(task: AskTask, advance: Advance = lambda done: None) -> AskResult:
    """Ask with each photo, and with the true box of each of its objects that has one; and, where boxes are known, for
    the objects among all categories and among their own.

    Nothing is folded: of two products that look the same, each is to be found.
    """
    catalog = catalog_at(task.catalog, task.release, task.device, task.trusted_models)
    options = Options(k=task.k, fold=False, look=False, crops=Crops.NONE)
    alone = replace(options, whole=False)
    told: list[Outcome] = []
    seen: list[Seen] = []
    unreadable = []
    for done, photo in enumerate(task.photos, start=1):
        try:
            pixels = read_photo(photo.path, PhotoLimits.of(catalog.release.recipe))
        except BadQuery:
            unreadable.append(str(photo.path))
        else:
            answer = catalog.ask(pixels, options=options)
            drawn = [
                catalog.ask(pixels, options=replace(alone, box=one.box)).objects[0] if one.box else None
                for one in photo.objects
            ]
            told += outcomes(photo.objects, answer, drawn)
            if any(one.box is not None for one in photo.objects):
                among = [
                    catalog.ask(pixels, options=replace(alone, widen=widen))
                    for widen in (Widen.ALWAYS, Widen.NEVER)
                ]
                seen += seen_in(photo.objects, *among)
        advance(done)
    return AskResult(tuple(told), tuple(seen), tuple(unreadable))


@lru_cache(maxsize=2)
def catalog_at(uri: str, release: str, device: str, trusted_models: tuple[str, ...] = ()) -> Catalog:
    """Opened once a process; its models are loaded at the first question, and run once for a photo that is asked in
    several ways."""
    from lookdex.search.catalog import open_catalog

    return open_catalog(
        uri,
        release=release,
        store_seconds=None,
        device=device,
        loader=Remembering(),
        trusted_models=trusted_models,
    )


def products_of(catalog: Store, release: Release) -> set[str]:
    """The ids of the products that the release can answer with."""
    column = tables.open_items(catalog, release).to_table(columns=["product_id"])
    return {value for value in column["product_id"].unique().to_pylist() if value is not None}


def read_queries(table: Path, images: Path | None = None) -> list[AskedPhoto]:
    """A CSV or Parquet table: image (below `images`, default: the table's own folder), product_id, category, and,
    where they are known, x0, y0, x1, y1 in pixels of the upright photo; a photo with several objects has several rows.

    What `lookdex sample` writes as truth.parquet is one: of its rows, the looks are asked with.

    Raises:
        ConfigError: columns, values or photos that are not there.
    """
    head = read_table(table, ())[0]
    image = "image" if "image" in head or "image_key" not in head else "image_key"
    boxed = all(name in head for name in CORNERS)
    rows = read_table(table, (image, "product_id", "category"))
    rows = [row for row in rows if row.get("kind", "look") == "look"]
    if not rows:
        raise ConfigError(f"{table} has no row to ask with: of its kinds, only 'look' is")
    find = Photos(images or table.parent)
    objects: dict[Path, list[Asked]] = defaultdict(list)
    for row in rows:
        if not (row[image] and row["product_id"] and row["category"]):
            raise ConfigError(f"{table}: a row lacks its photo, its product or its category: {row}")
        box = _box(row, table) if boxed else None
        path = find(row[image])
        objects[path].append(Asked(str(path), row["product_id"], normalise(row["category"]) or "", box))
    return [AskedPhoto(path, tuple(own)) for path, own in sorted(objects.items())]


def known_only(photos: Sequence[AskedPhoto], products: set[str]) -> tuple[list[AskedPhoto], list[str]]:
    """(the photos with those objects that the products hold, the ids that they do not hold)."""
    kept = [replace(p, objects=tuple(o for o in p.objects if o.product_id in products)) for p in photos]
    strange = {o.product_id for p in photos for o in p.objects} - products
    return [photo for photo in kept if photo.objects], sorted(strange)


def release_of(catalog: Store, release: str | None) -> Release:
    """The release to ask: by its id, or the live one. Raises ReleaseNotFound."""
    if release is not None:
        return promotion_log.load_release(catalog, release)
    current = promotion_log.live_release(catalog)
    if current is None:
        raise ReleaseNotFound(
            f"nothing is live in {catalog.uri} yet; publish a night with `lookdex reindex`."
        )
    return current[1]


def _box(row: Mapping[str, str], table: Path) -> Box | None:
    values = [row[name] for name in CORNERS]
    if not any(values):
        return None
    try:
        return Box(*(round(float(value)) for value in values))
    except ValueError as error:
        raise ConfigError(f"{table}: x0, y0, x1, y1 of {row} are no pixels: {error}") from error
