"""Decide which object of a photo is its product, and which are other things in the photo. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lookdex.imaging import boxes
from lookdex.records import Detection, Role


@dataclass(frozen=True, slots=True)
class Link:
    """An object's role in its photo, and its product. An object of role `other` has no product."""

    role: Role
    product_id: str | None


OTHER = Link(Role.OTHER, None)


def link_objects(
    detections: Sequence[Detection],
    product_ids: Sequence[str],
    categories: Sequence[str | None],
    width: int,
    height: int,
) -> list[Link]:
    """Link the products of a photo to its objects: one `Link` per detection, in order.

    A product is linked to the most prominent object of its category. A single product without one (no category, or
    another label) gets the most prominent object that is left. Several such products get none, because nothing tells
    them apart. If there are objects, one of them is always main: when no product has an object, it is the most
    prominent, for the first product if there is one.

    categories: of `product_ids`, in the same order; missing ones are unknown.
    """
    links = [OTHER] * len(detections)
    if not detections:
        return links
    order = sorted(
        range(len(detections)),
        key=lambda i: (-boxes.prominence(detections[i].box, width, height), -detections[i].score, i),
    )
    unplaced: list[str] = []
    known = [*categories, *[None] * len(product_ids)]
    for product_id, category in zip(product_ids, known, strict=False):
        candidates = [i for i in order if links[i] is OTHER and category and detections[i].label == category]
        if candidates:
            links[candidates[0]] = Link(Role.MAIN, product_id)
        else:
            unplaced.append(product_id)
    left = [i for i in order if links[i] is OTHER]
    if left and (len(unplaced) == 1 or len(left) == len(detections)):
        links[left[0]] = Link(Role.MAIN, unplaced[0] if unplaced else None)
    return links
