"""Labelled photos as people keep them: a table, a folder for each class, and the common public layouts."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from lookdex.errors import ConfigError
from lookdex.evaluate.records import Item, Stored, Truth
from lookdex.imaging.formats import PICTURES
from lookdex.taxonomy.categories import normalise

SUFFIXES = PICTURES


def read_items(
    table: Path, images: Path, label: str, group: str | None = None, skip: Sequence[str] = ()
) -> list[Item]:
    """A CSV or Parquet table with a column `image` (a file under `images`, with or without its suffix).

    label, group: columns; several columns with commas between them make one label. Rows whose label is empty or one
    of `skip` are left out.

    Raises:
        ConfigError: a column that is not there (names those that are), a photo that is not there.
    """
    rows = read_table(table, ("image", *label.split(","), *([group] if group else [])))
    find = Photos(images)
    return [
        Item(find(row["image"]), name, row[group] if group else None)
        for row in rows
        if (name := joined(row, label)) and name not in skip
    ]


def read_table(table: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV or Parquet table as texts, "" for what is empty; at least one, with these columns.

    Raises:
        ConfigError: no rows, or a column that is not there (names those that are).
    """
    rows = list(_rows(table))
    if not rows:
        raise ConfigError(f"{table} has no rows")
    for column in columns:
        if column not in rows[0]:
            raise ConfigError(f"{table} has no column {column!r}; it has {', '.join(rows[0])}")
    return rows


def joined(row: Mapping[str, object], columns: str) -> str:
    """The values of one or more columns ("category,colour") as one label; "" where all are empty."""
    values = ["" if row[column] is None else str(row[column]) for column in columns.split(",")]
    return " / ".join(values) if any(values) else ""


def read_folders(images: Path, skip: Sequence[str] = ()) -> list[Item]:
    """A folder for each class, as torchvision's ImageFolder has them.

    Raises:
        ConfigError: no such folders.
    """
    found = [
        Item(path, folder.name)
        for folder in sorted(p for p in images.iterdir() if p.is_dir() and p.name not in skip)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise ConfigError(f"{images} has no folders with photos: give --items, or a folder for each class")
    return found


def read_in_shop(root: Path, partition: Path | None = None) -> tuple[list[Item], list[Item]]:
    """DeepFashion In-Shop: (queries, gallery) of `list_eval_partition.txt`; labels are item ids."""
    lines = _lines(partition or root / "list_eval_partition.txt")[2:]
    found: dict[str, list[Item]] = {"train": [], "query": [], "gallery": []}
    for line in lines:
        name, item_id, status = line.split()
        found[status].append(Item(_under(root, name), item_id))
    return found["query"], found["gallery"]


def read_online_products(root: Path) -> list[Item]:
    """Stanford Online Products: the test half, `Ebay_test.txt`; labels are class ids, everyone asks for the others."""
    rows = [line.split() for line in _lines(root / "Ebay_test.txt")[1:]]
    return [Item(root / path, class_id) for _, class_id, _, path in rows]


def read_deepfashion2(images: Path, annotations: Path) -> tuple[list[Item], list[Item]]:
    """DeepFashion2, consumer to shop: (consumers' objects, shops'); one thing is a pair, a category and a style > 0."""
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
    """LookBench, one of its subsets: (queries, gallery) of the Parquet files `query*` and `gallery*` under `root`, as
    its page on the hub lays them out; `noise*` joins the gallery.

    label: the column whose value must agree (`item_ID`: the very item; `category`: LookBench's coarse measure;
    `category,main_attribute,other_attributes`: its fine one). image: a column of structs {bytes, path}, or of bytes.
    Photos stay in their files until they are embedded.

    Raises:
        ConfigError: no such files, a column that is not there.
    """
    sides: dict[str, list[Item]] = {"query": [], "gallery": [], "noise": []}
    for name, items in sides.items():
        for file in sorted(root.rglob(f"{name}*.parquet")):
            items += _stored_items(file, image, label)
    if not sides["query"] or not sides["gallery"]:
        raise ConfigError(
            f"{root} holds no LookBench: it needs query*.parquet and gallery*.parquet (name the folder of one subset)"
        )
    return sides["query"], sides["gallery"] + sides["noise"]


def read_coco(path: Path) -> list[Truth]:
    """COCO annotations (Fashionpedia's too): the objects of each photo, labels as lookdex's categories where they
    are some. A label that names no category stays itself: a detector with labels of its own may know it.

    Raises:
        ConfigError: not COCO.
    """
    try:
        data = json.loads(path.read_text())
        names = {c["id"]: normalise(c["name"]) or c["name"] for c in data["categories"]}
        objects: dict[int, list[dict]] = {image["id"]: [] for image in data["images"]}
        for one in data["annotations"]:
            objects[one["image_id"]].append(one)
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
        raise ConfigError(
            f"{path} is no COCO file of boxes: there is no {error} where one is asked for"
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} is no COCO file of boxes: {error}") from error


class Photos:
    """Finds photos under a folder by name: a path below it, with or without the suffix."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}")
        self._folder = folder
        self._by_stem: dict[str, Path] | None = None

    def __call__(self, name: str) -> Path:
        """Raises ConfigError when no such photo is there."""
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
                    f"{file} has no column {column!r}; it has {', '.join(names)}: name yours with --image-column "
                    "and --label"
                )
        return [
            Item(Stored(file, group, row, image), name)
            for group in range(parquet.num_row_groups)
            for row, values in enumerate(parquet.read_row_group(group, label.split(",")).to_pylist())
            if (name := joined(values, label))
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
        raise ConfigError(f"there is no {path}")
    return path.read_text(encoding="utf-8").splitlines()


def _under(root: Path, name: str) -> Path:
    """In-Shop's names begin with img/; people unpack them with and without that folder."""
    whole = root / name
    return whole if whole.is_file() else root / name.removeprefix("img/")


def _corners(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """COCO's x, y, width, height → corners, float32 (n, 4)."""
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners
