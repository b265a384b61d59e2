"""Readers of labelled photos: a table, one folder per class, and common public data sets."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lookdex.errors import ConfigError
from lookdex.evaluate.labelled_photos import Item, ParquetPhoto, Truth
from lookdex.imaging.formats import PICTURES
from lookdex.taxonomy.categories import normalise

SUFFIXES = PICTURES


def read_items(
    table: Path, images: Path, label: str, group: str | None = None, skip: Sequence[str] = ()
) -> list[Item]:
    """Read a CSV or Parquet table with a column `image` (a file under `images`, with or without its suffix).

    Args:
        label, group: column names; comma-separated columns are joined into one label. Rows whose label is empty or in
            `skip` are left out.

    Raises:
        ConfigError: a column or a photo is missing. The message lists the columns there are.
    """
    rows = read_table(table, ("image", *label.split(","), *([group] if group else [])))
    find = Photos(images)
    return [
        Item(find(row["image"]), name, row[group] if group else None)
        for row in rows
        if (name := join_columns(row, label)) and name not in skip
    ]


def read_table(table: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read the rows of a CSV or Parquet table as strings, "" for empty values. There is at least one row.

    Raises:
        ConfigError: no rows, or one of `columns` is missing. The message lists the columns there are.
    """
    rows = list(_rows(table))
    if not rows:
        raise ConfigError(f"{table} has no rows")
    for column in columns:
        if column not in rows[0]:
            raise ConfigError(f"{table} has no column {column!r}; it has {', '.join(rows[0])}")
    return rows


def join_columns(row: Mapping[str, object], columns: str) -> str:
    """Join the values of comma-separated columns ("category,colour") into one label; "" if all are empty."""
    values = ["" if row[column] is None else str(row[column]) for column in columns.split(",")]
    return " / ".join(values) if any(values) else ""


def read_folders(images: Path, skip: Sequence[str] = ()) -> list[Item]:
    """Read one folder per class, like torchvision's ImageFolder.

    Raises:
        ConfigError: there are no such folders.
    """
    found = [
        Item(path, folder.name)
        for folder in sorted(p for p in images.iterdir() if p.is_dir() and p.name not in skip)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise ConfigError(f"{images} has no folders with photos: give --items, or one folder per class")
    return found


def read_in_shop(root: Path, partition: Path | None = None) -> tuple[list[Item], list[Item]]:
    """Read DeepFashion In-Shop: (queries, gallery) of `list_eval_partition.txt`; labels are item ids."""
    lines = _lines(partition or root / "list_eval_partition.txt")[2:]
    found: dict[str, list[Item]] = {"train": [], "query": [], "gallery": []}
    for line in lines:
        name, item_id, status = line.split()
        found[status].append(Item(_under(root, name), item_id))
    return found["query"], found["gallery"]


def read_online_products(root: Path) -> list[Item]:
    """Read the test half of Stanford Online Products, `Ebay_test.txt`. Labels are class ids; every photo is a query."""
    rows = [line.split() for line in _lines(root / "Ebay_test.txt")[1:]]
    return [Item(root / path, class_id) for _, class_id, _, path in rows]


def read_deepfashion2(images: Path, annotations: Path) -> tuple[list[Item], list[Item]]:
    """Read DeepFashion2, consumer to shop: (consumer objects, shop objects).

    Objects with equal pair, category and style > 0 show the same thing.
    """
    sides: dict[str, list[Item]] = {"user": [], "shop": []}
    for file in sorted(annotations.glob("*.json")):
        record = json.loads(file.read_text())
        for key, thing in sorted(record.items()):
            if not key.startswith("item") or not thing["style"]:
                continue
            label = f"{record['pair_id']}/{thing['category_id']}/{thing['style']}"
            x0, y0, x1, y1 = (int(v) for v in thing["bounding_box"])
            sides[record["source"]].append(Item(images / f"{file.stem}.jpg", label, None, (x0, y0, x1, y1)))
    return sides["user"], sides["shop"]


def read_lookbench(root: Path, label: str = "item_ID", image: str = "image") -> tuple[list[Item], list[Item]]:
    """Read a subset of LookBench: (queries, gallery) from the Parquet files `query*` and `gallery*` under `root`.

    Files `noise*` are added to the gallery. Photos stay in their files until they are embedded.

    Args:
        label: column that must agree (`item_ID`: the same item; `category`: LookBench's coarse measure;
            `category,main_attribute,other_attributes`: its fine measure).
        image: column of bytes or of structs {bytes, path}.

    Raises:
        ConfigError: a file or a column is missing.
    """
    sides: dict[str, list[Item]] = {"query": [], "gallery": [], "noise": []}
    for name, items in sides.items():
        for file in sorted(root.rglob(f"{name}*.parquet")):
            items += _stored_items(file, image, label)
    if not sides["query"] or not sides["gallery"]:
        raise ConfigError(
            f"{root} is not a LookBench subset: query*.parquet or gallery*.parquet is missing "
            "(give the folder of one subset)"
        )
    return sides["query"], sides["gallery"] + sides["noise"]


def read_coco(path: Path) -> list[Truth]:
    """Read COCO annotations (also Fashionpedia's): the objects of each photo.

    Labels are mapped to lookdex categories where possible. Other labels are kept, as a detector may have its own.

    Raises:
        ConfigError: the file is not COCO.
    """
    try:
        data = json.loads(path.read_text())
        names = {c["id"]: normalise(c["name"]) or c["name"] for c in data["categories"]}
        objects: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in data["images"]}
        for annotation in data["annotations"]:
            objects[annotation["image_id"]].append(annotation)
        return [
            Truth(
                image["file_name"], int(image["width"]), int(image["height"]),
                _corners([o["bbox"] for o in objects[image["id"]]]),
                tuple(names[o["category_id"]] for o in objects[image["id"]]),
                tuple(bool(o.get("iscrowd", 0)) for o in objects[image["id"]]),
            )
            for image in data["images"]
        ]  # fmt: skip
    except KeyError as error:
        raise ConfigError(f"{path} is not a COCO file of boxes: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not a COCO file of boxes: {error}") from error


class Photos:
    """Finds photos under a folder by relative path, with or without the suffix."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigError(f"folder {folder} does not exist")
        self._folder = folder
        self._by_stem: dict[str, Path] | None = None

    def __call__(self, name: str) -> Path:
        """Raise ConfigError if there is no such photo."""
        path = self._folder / name
        if path.suffix.lower() in SUFFIXES and path.is_file():
            return path
        if self._by_stem is None:
            files = (p for p in sorted(self._folder.rglob("*")) if p.suffix.lower() in SUFFIXES)
            self._by_stem = {p.relative_to(self._folder).with_suffix("").as_posix(): p for p in files}
        if name not in self._by_stem:
            raise ConfigError(f"{self._folder} has no photo {name!r}")
        return self._by_stem[name]


def _stored_items(file: Path, image: str, label: str) -> list[Item]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as parquet:
        names = parquet.schema_arrow.names
        for column in (image, *label.split(",")):
            if column not in names:
                raise ConfigError(
                    f"{file} has no column {column!r}; it has {', '.join(names)}: set --image-column and --label"
                )
        return [
            Item(ParquetPhoto(file, group, row, image), name)
            for group in range(parquet.num_row_groups)
            for row, values in enumerate(parquet.read_row_group(group, label.split(",")).to_pylist())
            if (name := join_columns(values, label))
        ]


def _rows(table: Path) -> Iterator[dict[str, str]]:
    if table.suffix == ".parquet":
        import pyarrow.parquet as pq

        for row in pq.read_table(table).to_pylist():
            yield {key: "" if value is None else str(value) for key, value in row.items()}
    else:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            yield from csv.DictReader(lines)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ConfigError(f"{path} does not exist")
    return path.read_text(encoding="utf-8").splitlines()


def _under(root: Path, name: str) -> Path:
    """In-Shop names begin with img/; the archive may be unpacked with or without that folder."""
    path = root / name
    return path if path.is_file() else root / name.removeprefix("img/")


def _corners(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """COCO's x, y, width, height → corners, float32 (n, 4)."""
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners
