"""The look: one product for each object as a set, and catalogue photos that show such an outfit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from lookdex.catalog.sql import quote_list
from lookdex.records import Scope
from lookdex.search.answer.kinds import Other
from lookdex.search.answer.lanes import FoundObject, Match
from lookdex.search.answer.look import Look, LookPhoto, Piece, Worn
from lookdex.search.query.options import Crops, Options
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.rows import ItemRow

PRICE = "price"  # the product column to sum, where the shop has one
NEAREST = 48  # at least so many nearest rows of each object, and whole photos, propose photos
PROPOSED = 4  # photos compared for each wanted


def assemble_look(objects: Sequence[FoundObject], columns: Sequence[str]) -> Look:
    """Choose the best product of each object; if objects share a best product, the most similar object gets it.

    Matches of another category than asked, or below the threshold, are left out: an object without others is `missing`.

    Args:
        columns: the product columns of the release.
    """
    # Even if the answer is sorted by a column, the best product is the most similar one.
    offers = [
        sorted(
            (match for match in found.matches if _fits(match)), key=lambda m: (m.other is not None, -m.score)
        )
        for found in objects
    ]
    chosen: dict[int, Match] = {}
    taken: set[str | None] = set()
    for number in sorted(range(len(objects)), key=lambda n: -offers[n][0].score if offers[n] else 2.0):
        if free := next((match for match in offers[number] if match.product_id not in taken), None):
            chosen[number] = free
            taken.add(free.product_id)
    pieces = tuple(_to_piece(number, objects[number], match) for number, match in sorted(chosen.items()))
    prices = [piece.price for piece in pieces if piece.price is not None]
    return Look(
        pieces=pieces,
        price_column=PRICE if PRICE in columns else None,
        total=round(sum(prices), 2) if prices else None,
        unpriced=len(pieces) - len(prices),
        missing=tuple(number for number in range(len(objects)) if number not in chosen),
    )


def _fits(match: Match) -> bool:
    """Whether the match may be a piece of the look."""
    return match.product_id is not None and match.good is not False and match.other is not Other.KIND


def _to_piece(number: int, found: FoundObject, match: Match) -> Piece:
    return Piece(
        object=number,
        label=found.label,
        product_id=match.product_id or "",
        item_id=match.item_id,
        similarity=match.similarity,
        price=_price(match.columns.get(PRICE)),
        good=match.good,
    )


def _price(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return float(value) if np.isfinite(float(value)) else None


@dataclass(frozen=True, slots=True)
class Outfit:
    """The outfit in the question's photo."""

    labels: tuple[str | None, ...]
    """Of its objects."""
    vectors: np.ndarray
    """(n, dim), of its objects."""
    whole: np.ndarray
    """(dim,), of the whole photo."""


def find_photos(
    release: OpenRelease, outfit: Outfit, options: Options, where: str | None
) -> tuple[LookPhoto, ...]:
    """Find the catalogue photos with the most similar outfits, at most one of each product.

    The rows nearest to the objects and to the whole photo propose photos. The best of these are compared object by
    object: `LookPhoto.score`.

    Args:
        where: SQL that the photo's product must fulfil.
    """
    wholes = _propose_photos(release, outfit, options.look_photos, where)
    if not wholes:
        return ()
    ids = release.rows.ids(f"image_key IN ({quote_list(wholes)})")
    rows, vectors = release.rows.rows(ids), release.rows.vectors(ids)
    worn: dict[str, list[int]] = defaultdict(list)
    for i in release.rows.filter_ids(ids, f"scope = '{Scope.OBJECT}'"):
        worn[rows[i].image_key].append(i)
    compared = [_compare_photo(outfit, rows, vectors, whole, worn[key]) for key, whole in wholes.items()]
    best: dict[str, LookPhoto] = {}
    for photo in sorted(compared, key=lambda one: (-one.score, -one.similarity, one.image_key)):
        best.setdefault(photo.product_id or photo.image_key, photo)
    kept = list(best.values())[: options.look_photos]
    crops = release.rows.crops([wholes[one.image_key] for one in kept]) if options.crops is Crops.ALL else {}
    return tuple(
        replace(photo, rank=rank, crop=crops.get(wholes[photo.image_key]))
        for rank, photo in enumerate(kept, start=1)
    )


def _propose_photos(release: OpenRelease, outfit: Outfit, wanted: int, where: str | None) -> dict[str, int]:
    """Propose the best photos, by key, with their whole-photo rows. where: SQL that these rows must fulfil.

    Photos rank by the sum, over the objects and the whole photo, of the similarity of the photo's nearest row.
    """
    limit = max(NEAREST, wanted)
    fits = release.rows_sql(Scope.IMAGE) + ("" if where is None else f" AND {where}")
    worn = release.nearest(outfit.vectors, limit, release.rows_sql(Scope.OBJECT), enough=limit)
    whole = release.nearest(outfit.whole[None], limit, fits, enough=limit if where is None else None)
    sums: dict[str, float] = defaultdict(float)
    for hits in (*worn, *whole):
        nearest: dict[str, float] = {}
        for hit in hits:
            nearest.setdefault(hit.image_key, 1.0 - hit.distance)
        for key, similarity in nearest.items():
            sums[key] += max(similarity, 0.0)
    if not sums:
        return {}
    known = release.rows.ids(f"image_key IN ({quote_list(sums)}) AND {fits}")
    photo = {row.image_key: i for i, row in release.rows.rows(known).items()}
    best = sorted(photo, key=lambda key: (-sums[key], key))[: PROPOSED * wanted]
    return {key: photo[key] for key in best}


def _compare_photo(
    outfit: Outfit,
    rows: Mapping[int, ItemRow],
    vectors: Mapping[int, np.ndarray],
    whole: int,
    worn: Sequence[int],
) -> LookPhoto:
    """Compare one photo. whole: its whole-photo row. worn: the rows of its objects."""
    pairs = []
    for number, label in enumerate(outfit.labels):
        near = [
            (float(vectors[i] @ outfit.vectors[number]), rows[i].item_id, i)
            for i in worn
            if rows[i].label == label
        ]
        if near:
            similarity, item_id, i = max(near)
            pairs.append(Worn(number, item_id, label, rows[i].box, similarity))
    row = rows[whole]
    return LookPhoto(
        rank=0,
        image_key=row.image_key,
        item_id=row.item_id,
        product_id=row.product_id,
        score=sum(max(pair.similarity, 0.0) for pair in pairs) / len(outfit.labels),
        similarity=float(vectors[whole] @ outfit.whole),
        worn=tuple(pairs),
        columns=row.columns,
    )
