"""Near-duplicates: photos that share a file, or that show one picture re-encoded or cropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lookdex.imaging import codec
from lookdex.imaging.same_picture import is_same_picture
from lookdex.records import Scope
from lookdex.report import vectors
from lookdex.report.groups import find_components
from lookdex.report.pictures import ItemPictures, load_pictures
from lookdex.report.reader import ReleaseReader, Row
from lookdex.report.records import Cluster, Duplicates, Picture

MIN_COSINE = 0.91  # photos of one picture, re-encoded or cropped, have at least this cosine
NEIGHBOURS = 6
_CROP_BATCH = 200
PHOTOS = f"scope = '{Scope.IMAGE}'"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items of different photos, and the cosine of their vectors."""

    a: str
    b: str
    cosine: float


def duplicates(reader: ReleaseReader) -> Duplicates:
    """Find clusters of duplicate photos.

    Identical files are found in the whole catalogue. Re-encoded pictures are found among all photos, or between a
    sample and all if there are more than `limits.compared`.
    """
    limits = reader.limits
    same_files = reader.query("same_file", limits.strip)
    pairs, compared = close_pairs(reader)
    candidates = pairs[: limits.candidates]
    groups = find_components((pair.a, pair.b) for pair in confirm(reader, candidates))
    named = {item for group in groups for item in group}
    rows = reader.items(named, ["image_key", "product_id", "content_hash"])
    known = {row["content_hash"]: row for row in same_files}
    merged = [_Group.from_photos(group, rows, known) for group in groups]
    seen = {digest for group in merged for digest in group.digests}
    merged += [_Group.from_file(row) for row in same_files if row["content_hash"] not in seen]
    merged.sort(key=lambda group: (-group.products, -group.photos, group.examples))
    shown = load_pictures(reader, (item for group in merged[: limits.clusters] for item in group.examples))
    return Duplicates(
        clusters=tuple(group.cluster(shown, limits.strip) for group in merged[: limits.clusters]),
        found=len(merged),
        photos=sum(group.photos for group in merged),
        across=sum(group.products > 1 for group in merged),
        compared=compared,
        of=int(reader.tables.items.count_rows(PHOTOS)),
        cut=len(pairs) > limits.candidates,
    )


def close_pairs(reader: ReleaseReader) -> tuple[list[Pair], int]:
    """Return pairs of photos with similar vectors and different files, most similar first, and the number of photos
    queried.
    """
    table, limits = reader.tables.items, reader.limits
    photos = table.count_rows(PHOTOS)
    where = PHOTOS
    if photos > limits.compared:
        where = f"{PHOTOS} AND {sample_predicate('item_id', limits.sampled / photos)}"
    found = list(vectors.batches(table, where))
    if not found:
        return [], 0
    ids = np.concatenate([rows for rows, _ in found])
    queries = np.concatenate([part for _, part in found])
    near = vectors.nearest(vectors.batches(table, PHOTOS), queries, NEIGHBOURS + 1)
    best: dict[tuple[int, int], float] = {}
    for own, rows, cosines in zip(ids.tolist(), near.rows.tolist(), near.cosines.tolist(), strict=True):
        for row, cosine in zip(rows, cosines, strict=True):
            if row != own and cosine >= MIN_COSINE:
                best[min(own, row), max(own, row)] = cosine
    names = reader.rows_by_id({row for pair in best for row in pair}, ["item_id", "content_hash"])
    pairs = [
        Pair(names[a]["item_id"], names[b]["item_id"], cosine)
        for (a, b), cosine in best.items()
        if names[a]["content_hash"] != names[b]["content_hash"]
    ]
    return sorted(pairs, key=lambda pair: (-pair.cosine, pair.a, pair.b)), len(queries)


def sample_predicate(column: str, share: float) -> str:
    """SQL predicate for about this share of the rows, by a column of hex hashes."""
    return f"{column} < '{min(int(share * 16**8), 16**8 - 1):08x}'"


def confirm(reader: ReleaseReader, pairs: list[Pair]) -> list[Pair]:
    """Keep the pairs whose pixels show the same picture. Crops are read in batches to bound memory."""
    confirmed: list[Pair] = []
    for start in range(0, len(pairs), _CROP_BATCH):
        batch = pairs[start : start + _CROP_BATCH]
        crops = reader.items((item for pair in batch for item in (pair.a, pair.b)), ["crop"])
        pixels = {item: codec.decode_crop(row["crop"]) for item, row in crops.items()}
        for pair in batch:
            a, b = pixels.get(pair.a), pixels.get(pair.b)
            if a is not None and b is not None and is_same_picture(a, b):
                confirmed.append(pair)
    return confirmed


@dataclass(frozen=True, slots=True)
class _Group:
    """A cluster before its pictures are read."""

    examples: tuple[str, ...]  # item ids
    photos: int
    products: int
    digests: frozenset[str]  # content hashes of its files

    @classmethod
    def from_photos(
        cls,
        items: Iterable[str],
        rows: Mapping[str, Row],
        same_files: Mapping[str, Row],
    ) -> _Group:
        """Group photos that show one picture, together with the identical copies of each."""
        members = [rows[item] for item in items]
        digests = {row["content_hash"] for row in members}
        copies = [same_files[digest] for digest in sorted(digests) if digest in same_files]
        examples = {row["item_id"]: row["product_id"] for row in members}
        photos = len(members)
        for copy in copies:
            new = {found["item_id"]: found["product_id"] for found in copy["examples"]}
            photos += copy["photos"] - sum(row["content_hash"] == copy["content_hash"] for row in members)
            examples |= new
        # Exact while the query lists every copy of a file; a lower bound beyond that.
        products = len({product for product in examples.values() if product is not None})
        return cls(
            tuple(examples),
            photos,
            max([products, *(copy["products"] for copy in copies)]),
            frozenset(digests),
        )

    @classmethod
    def from_file(cls, row: Row) -> _Group:
        examples = tuple(found["item_id"] for found in row["examples"])
        return cls(examples, row["photos"], row["products"], frozenset((row["content_hash"],)))

    def cluster(self, shown: ItemPictures, limit: int) -> Cluster:
        return Cluster(
            self.photos, self.products, len(self.digests) == 1, _add_captions(shown, self.examples[:limit])
        )


def _add_captions(shown: ItemPictures, items: Iterable[str]) -> tuple[Picture, ...]:
    return tuple(
        shown.picture(item, str(shown.rows[item]["product_id"] or shown.rows[item]["image_key"]))
        for item in items
        if item in shown.rows
    )
