"""Score answers against the known objects of a photo: which were found, and at what rank their product came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lookdex.imaging import boxes
from lookdex.records import Box
from lookdex.search.answer.answer import Answer


@dataclass(frozen=True, slots=True)
class KnownObject:
    box: Box
    category: str
    product_id: str


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall@1, @5 and @k over `objects`, each from 0 to 1. All are 0 if there are no objects."""

    objects: int
    first: float
    among_5: float
    among_k: float


def compute_recall(ranks: Sequence[int | None]) -> Recall:
    """Compute the recall from ranks.

    Args:
        ranks: rank of the right product, from 1; None if it is not in the first k.
    """

    def share(limit: int | None) -> float:
        right = sum(rank is not None and (limit is None or rank <= limit) for rank in ranks)
        return right / len(ranks) if ranks else 0.0

    return Recall(len(ranks), share(1), share(5), share(None))


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over known objects. Tallies of several photos can be added."""

    objects: int = 0
    found: int = 0
    right_first: int = 0
    right_among: int = 0  # at any rank within k

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.objects + other.objects,
            self.found + other.found,
            self.right_first + other.right_first,
            self.right_among + other.right_among,
        )

    @property
    def objects_found(self) -> float:
        """Share of objects detected with the right category and the required IoU, 0 … 1; 0 if there are none."""
        return self.found / self.objects if self.objects else 0.0

    @property
    def right_product_top1(self) -> float:
        """Share of found objects whose first product is the right obj, 0 … 1; 0 if none was found."""
        return self.right_first / self.found if self.found else 0.0


def judge(known: Sequence[KnownObject], answer: Answer, min_iou: float = 0.5) -> Tally:
    """Tally one photo. Each detected box matches at most one known object; the largest IoU is matched first."""
    found = {t: answer.objects[f] for t, f in match_objects(known, answer, min_iou).items()}
    ranked = {t: [m.product_id for m in obj.matches] for t, obj in found.items()}
    return Tally(
        objects=len(known),
        found=len(found),
        right_first=sum(ids[:1] == [known[t].product_id] for t, ids in ranked.items()),
        right_among=sum(known[t].product_id in ids for t, ids in ranked.items()),
    )


def match_objects(
    known: Sequence[KnownObject], answer: Answer, min_iou: float = 0.5, *, any_label: bool = False
) -> dict[int, int]:
    """Match known objects to answered objects: index in `known` → index in `answer.objects`.

    A match needs the same category (unless `any_label`) and an IoU of at least `min_iou`. The largest IoU is matched
    first.
    """
    placed = [f for f, found in enumerate(answer.objects) if found.box]
    overlaps = boxes.iou(
        boxes.to_array([truth.box for truth in known]),
        boxes.to_array([found.box for found in answer.objects if found.box]),
    )
    pairs = sorted(
        (
            (float(overlaps[t, column]), t, f)
            for t, truth in enumerate(known)
            for column, f in enumerate(placed)
            if any_label or answer.objects[f].label == truth.category
        ),
        key=lambda pair: -pair[0],
    )
    match: dict[int, int] = {}
    used: set[int] = set()
    for overlap, t, f in pairs:
        if overlap >= min_iou and t not in match and f not in used:
            match[t] = f
            used.add(f)
    return match
