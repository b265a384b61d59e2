"""Training data from a shop: pairs of pictures of a product, texts, labels, hard negatives.

A product with several pictures contributes two of them, one with a single picture two strong views of it. The products
of a batch come from few categories, so that neighbours are negatives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lookdex.errors import ConfigError
from lookdex.imaging import codec
from lookdex.records import Role, Scope
from lookdex.search.engine.photo import LIMITS
from lookdex.training.augment import recolour
from lookdex.training.embedder import views
from lookdex.training.embedder.fit import Batch
from lookdex.training.embedder.tower import Pictures

FEWEST = 8  # minimum number of products


@dataclass(frozen=True, slots=True)
class Part:
    """`size` bytes of a file, from `start`."""

    path: Path
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a product."""

    product_id: str
    file: Path | Part | bytes
    """An image file, its bytes, or its place in a larger file."""
    texts: tuple[str, ...] = ()
    """Captions."""
    label: str = ""
    """Empty for none; so is `category`."""
    category: str = ""

    def load(self) -> np.ndarray:
        """Decode to uint8 RGB (H, W, 3).

        Raises:
            BadImage, OSError
        """
        return codec.decode(self._bytes(), LIMITS.max_bytes, LIMITS.max_pixels)

    def _bytes(self) -> bytes:
        match self.file:
            case Part(path, start, size):
                with path.open("rb") as file:
                    file.seek(start)
                    return file.read(size)
            case Path():
                return self.file.read_bytes()
            case _:
                return self.file


def move_to_file(pictures: Sequence[Picture], path: Path) -> list[Picture]:
    """Move pictures held in memory into one file, so that processes share it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    moved = []
    with path.open("wb") as file:
        for picture in pictures:
            if isinstance(picture.file, bytes):
                part = Part(path, file.tell(), file.write(picture.file))
                picture = replace(picture, file=part)
            moved.append(picture)
    return moved


def read_release(catalog: str, texts: Sequence[str], label: str | None) -> list[Picture]:
    """The main objects and whole photos of a catalogue's live release, from its stored crops.

    Args:
        texts: patterns over product columns, such as '{title}'.
        label: a product column, or None.

    Raises:
        ReleaseNotFound: nothing is live. ConfigError: the release lacks a column.
    """
    from lookdex.catalog import promotion_log, tables
    from lookdex.storage import open_store

    store = open_store(catalog)
    items = tables.open_items(store, promotion_log.require_live_release(store))
    names = [name for name in items.schema.names if name != "vector"]
    check_columns(texts, label, set(names), f"the release in {catalog}")
    shown = (
        f"product_id IS NOT NULL AND crop IS NOT NULL AND (scope = '{Scope.IMAGE}' OR role = '{Role.MAIN}')"
    )
    rows = items.to_table(columns=names, filter=shown).sort_by(
        [("image_key", "ascending"), ("item_id", "ascending")]
    )
    found = []
    for row in rows.to_pylist():
        crop = row.pop("crop")
        category = row["label"] if row["scope"] == Scope.OBJECT else ""
        found.append(_picture(row, crop, texts, label, category))
    return found


def read_pictures(rows: Sequence[Mapping[str, str]], photos: Callable[[str], Path], texts: Sequence[str],
             label: str | None, product: str) -> list[Picture]:  # fmt: skip
    """Photos of a table with the columns `image` and `product`.

    Args:
        photos: image name → file.

    Raises:
        ConfigError: the table lacks a column.
    """
    check_columns([*texts, "{image}", f"{{{product}}}"], label, set(rows[0]) if rows else set(), "the table")
    return [
        _picture(
            {**row, "product_id": row[product]},
            photos(row["image"]),
            texts,
            label,
            row.get("category", ""),
        )
        for row in rows
        if row[product]
    ]


def check_columns(texts: Sequence[str], label: str | None, names: set[str], where: str) -> None:
    """Raise ConfigError if a pattern or the label uses an unknown column."""
    from string import Formatter

    used = {field for text in texts for _, field, _, _ in Formatter().parse(text) if field is not None}
    lacking = sorted((used | ({label} if label else set())) - names)
    if lacking:
        raise ConfigError(f"{where} has no column {lacking[0]!r}; it has {', '.join(sorted(names))}")


class Shop:
    """Draws batches of pairs from pictures.

    Args:
        draw: (picture, generator) → random view for the model, uint8.
        categories: per batch.
    """

    def __init__(
        self, pictures: Sequence[Picture], draw: Callable[[np.ndarray, np.random.Generator], np.ndarray],
        rng: np.random.Generator, pairs: int = 16, categories: int = 2,
    ) -> None:  # fmt: skip
        self._draw, self._rng, self._pairs, self._categories = draw, rng, pairs, categories
        self._products: dict[str, list[Picture]] = defaultdict(list)
        for picture in pictures:
            self._products[picture.product_id].append(picture)
        if len(self._products) < FEWEST:
            raise ConfigError(
                f"there are only {len(self._products)} products to train on: at least {FEWEST} are "
                "needed, better some hundreds"
            )
        self.labels = sorted({p.label for p in pictures} - {""})
        self.categories = sorted({p.category for p in pictures} - {""})
        self._number = {product_id: n for n, product_id in enumerate(self._products)}
        kinds: dict[str, set[str]] = defaultdict(set)
        for picture in pictures:
            kinds[picture.category].add(picture.product_id)
        kinds = {name: ids for name, ids in kinds.items() if name} or kinds
        self._kinds = [sorted(kinds[name]) for name in sorted(kinds)]

    def __len__(self) -> int:
        return len(self._products)

    def refresh(self) -> None:
        """Nothing to do: all data is known from the start."""

    def batch(self, progress: float) -> Batch:
        first, second = [], []
        for product_id in self._sample_products():
            pool = self._products[product_id]
            chosen = self._rng.choice(len(pool), 2, replace=len(pool) < 2)
            first.append(pool[chosen[0]])
            second.append(pool[chosen[1]])
        both = [*first, *second]
        return Batch(
            pictures=Pictures.stack([self._draw(picture.load(), self._rng) for picture in both]),
            instance=np.array([self._number[p.product_id] for p in both]),
            label=np.array([self.labels.index(p.label) if p.label else -1 for p in both]),
            category=np.array([self.categories.index(p.category) if p.category else -1 for p in both]),
            weight=np.ones(len(both), np.float32),
            captions=[str(self._rng.choice(p.texts)) if p.texts else "" for p in both],
        )

    def _sample_products(self) -> Iterator[str]:
        """Products of a few categories, larger ones more often: they have more look-alikes and more queries."""
        sizes = np.array([len(kind) for kind in self._kinds]) ** 0.7
        count = min(self._categories, len(self._kinds))
        chosen = self._rng.choice(len(self._kinds), count, replace=False, p=sizes / sizes.sum())
        pool = sorted({product_id for k in chosen for product_id in self._kinds[k]})
        if len(pool) < self._pairs:
            pool = list(self._products)
        for i in self._rng.choice(len(pool), min(self._pairs, len(pool)), replace=False):
            yield pool[int(i)]


def strong_view(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Augment a picture (uint8 (H, W, 3)) strongly: part, viewpoint, mirror, light, occlusion."""
    if rng.random() < 0.7:
        picture = views.random_part(picture, rng, 0.6)
    if rng.random() < 0.4:
        picture = views.change_viewpoint(picture, rng, 0.1)
    if rng.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
    if rng.random() < 0.15:
        picture = views.erase_part(picture, rng)
    return recolour(picture, rng, 0.8)


def replace_background(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replace the background by a plain one, if the object can be segmented; else return the picture."""
    mask = views.segment(picture)
    return (
        picture if mask is None else views.swap_background(picture, mask, views.draw_background(picture, rng))
    )


def _picture(
    row: Mapping[str, Any],
    file: Path | bytes,
    texts: Sequence[str],
    label: str | None,
    category: str,
) -> Picture:
    values = {name: "" if value is None else value for name, value in row.items()}
    captions = tuple(filter(None, (" ".join(text.format_map(values).split()) for text in texts)))
    return Picture(str(row["product_id"]), file, captions, str(values[label]) if label else "", category)
