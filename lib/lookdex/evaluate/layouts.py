"""Load the data set layouts of `--layout` as (queries, gallery)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lookdex.errors import ConfigError
from lookdex.evaluate import datasets
from lookdex.evaluate.labelled_photos import Item


class Layout(StrEnum):
    ITEMS = "items"  # a table and a folder of photos
    FOLDERS = "folders"  # one folder per class
    IN_SHOP = "in-shop"
    DEEPFASHION2 = "deepfashion2"
    ONLINE_PRODUCTS = "online-products"
    LOOKBENCH = "lookbench"


TABULAR = (Layout.ITEMS, Layout.LOOKBENCH)  # layouts with a label column
LABELS = {Layout.ITEMS: "label", Layout.LOOKBENCH: "item_ID"}  # default label columns


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """Data set options of the command line. layout None: `items` if a table is given, else `folders`."""

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


def load(options: DatasetOptions) -> tuple[list[Item] | None, list[Item]]:
    """Load (queries, gallery). queries None: every gallery photo is a query against the others.

    Raises:
        ConfigError: an option does not apply to the layout, or the files do not follow it.
    """
    kind, images = options.kind, options.images
    if kind is Layout.ITEMS and options.items is None:
        raise ConfigError(
            "--layout items needs --items: a CSV or Parquet table with an image and a label column"
        )
    for name in ("items", "queries", "exclude_same"):
        if kind is not Layout.ITEMS and getattr(options, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} only applies to --layout items, not to --layout {kind}"
            )
    if options.label and kind not in TABULAR:
        raise ConfigError(f"--label does not apply to --layout {kind}: it has no table")
    queries, gallery = _read(options, kind, options.label_column or "")
    queries, gallery = _without(queries, options.skip), _without(gallery, options.skip) or []
    if not gallery:
        raise ConfigError(f"{images} has no photos in the layout {kind}, apart from those of --skip")
    return queries, gallery


def _read(options: DatasetOptions, kind: Layout, label: str) -> tuple[list[Item] | None, list[Item]]:
    images = options.images
    match kind:
        case Layout.ITEMS:

            def read(table: Path) -> list[Item]:
                return datasets.read_items(table, images, label, options.exclude_same)

            assert options.items is not None
            return (read(options.queries) if options.queries else None), read(options.items)
        case Layout.FOLDERS:
            return None, datasets.read_folders(images)
        case Layout.ONLINE_PRODUCTS:
            return None, datasets.read_online_products(images)
        case Layout.IN_SHOP:
            return datasets.read_in_shop(images)
        case Layout.DEEPFASHION2:
            return datasets.read_deepfashion2(images / "image", images / "annos")
        case Layout.LOOKBENCH:
            return datasets.read_lookbench(images, label, options.image_column)


def _without(items: list[Item] | None, skip: tuple[str, ...]) -> list[Item] | None:
    return None if items is None else [item for item in items if item.label not in skip]
