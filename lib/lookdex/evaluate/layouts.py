"""The layouts of `--layout`, by name: labelled photos as (queries, gallery)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lookdex.errors import ConfigError
from lookdex.evaluate import datasets
from lookdex.evaluate.records import Item


class Layout(StrEnum):
    ITEMS = "items"  # a table beside a folder of photos
    FOLDERS = "folders"  # a folder for each class
    IN_SHOP = "in-shop"
    DEEPFASHION2 = "deepfashion2"
    ONLINE_PRODUCTS = "online-products"
    LOOKBENCH = "lookbench"


TABULAR = (Layout.ITEMS, Layout.LOOKBENCH)  # those with columns to choose a label from
LABELS = {Layout.ITEMS: "label", Layout.LOOKBENCH: "item_ID"}  # the columns taken by default


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the command line says of the photos. layout None: `items` where a table is given, else `folders`."""

    images: Path
    items: Path | None = None
    queries: Path | None = None
    layout: Layout | None = None
    label: str | None = None
    image_column: str = "image"
    exclude_same: str | None = None
    skip: tuple[str, ...] = ()

    @property
    def kind(self) -> Layout:
        return self.layout or (Layout.ITEMS if self.items else Layout.FOLDERS)

    @property
    def label_column(self) -> str | None:
        return self.label or LABELS.get(self.kind)


def load(chosen: Chosen) -> tuple[list[Item] | None, list[Item]]:
    """(queries, gallery); None for queries: the gallery's photos ask for each other.

    Raises:
        ConfigError: options that do not go with the layout, or photos that are not laid out so.
    """
    kind, images = chosen.kind, chosen.images
    if kind is Layout.ITEMS and chosen.items is None:
        raise ConfigError(
            "--layout items needs --items: a CSV or Parquet table with the columns image and a label"
        )
    for name in ("items", "queries", "exclude_same"):
        if kind is not Layout.ITEMS and getattr(chosen, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} goes with a table of items; --layout {kind} knows its own"
            )
    if chosen.label and kind not in TABULAR:
        raise ConfigError(f"--label names a column of a table; --layout {kind} has none")
    queries, gallery = _read(chosen, kind, chosen.label_column or "")
    queries, gallery = _without(queries, chosen.skip), _without(gallery, chosen.skip) or []
    if not gallery:
        raise ConfigError(f"{images} holds no photos in the layout {kind} but those of --skip")
    return queries, gallery


def _read(chosen: Chosen, kind: Layout, label: str) -> tuple[list[Item] | None, list[Item]]:
    images = chosen.images
    match kind:
        case Layout.ITEMS:

            def read(table: Path) -> list[Item]:
                return datasets.read_items(table, images, label, chosen.exclude_same)

            assert chosen.items is not None
            return (read(chosen.queries) if chosen.queries else None), read(chosen.items)
        case Layout.FOLDERS:
            return None, datasets.read_folders(images)
        case Layout.ONLINE_PRODUCTS:
            return None, datasets.read_online_products(images)
        case Layout.IN_SHOP:
            return datasets.read_in_shop(images)
        case Layout.DEEPFASHION2:
            return datasets.read_deepfashion2(images / "image", images / "annos")
        case Layout.LOOKBENCH:
            return datasets.read_lookbench(images, label, chosen.image_column)


def _without(items: list[Item] | None, skip: tuple[str, ...]) -> list[Item] | None:
    return None if items is None else [item for item in items if item.label not in skip]
