"""Public data set layouts, on small generated files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lookdex.catalog import json_codec
from lookdex.cli.evaluate.retrieval import LAYOUTS
from lookdex.errors import ConfigError
from lookdex.evaluate import datasets, layouts, work
from lookdex.evaluate.layouts import Layout
from lookdex.evaluate.records import ParquetPhoto
from tests import fakes


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.png", "deep/c.jpg"):
        photo(tmp_path / "images" / name)
    return tmp_path / "images"


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_table_names_photos_with_or_without_suffix(images: Path, tmp_path: Path) -> None:
    table = written(
        tmp_path / "items.csv",
        "image,label,sender\na,dress,1\nb.png,top,2\ndeep/c,,1\na.jpg,not sure,2\ndeep/c.jpg,top,1\n",
    )
    found = datasets.read_items(table, images, "label", "sender", skip=["not sure"])
    assert [(i.path.relative_to(images).as_posix(), i.label, i.group) for i in found] == [
        ("a.jpg", "dress", "1"),
        ("b.png", "top", "2"),
        ("deep/c.jpg", "top", "1"),
    ]
    parquet = tmp_path / "items.parquet"
    pq.write_table(pa.table({"image": ["a", "b"], "label": ["dress", None], "sender": [1, 2]}), parquet)
    assert datasets.read_items(parquet, images, "label") == [datasets.Item(images / "a.jpg", "dress")]


@pytest.mark.parametrize(
    ("text", "label", "words"),
    [
        ("image,label\n", "label", "has no rows"),
        ("image,label\na,top\n", "colour", "has no column 'colour'; it has image, label"),
        ("photo,label\na,top\n", "label", "has no column 'image'"),
        ("image,label\nz,top\n", "label", "has no photo 'z'"),
        ("image,label\n../images/a,top\n", "label", "has no photo '../images/a'"),
    ],
)
def test_invalid_table_is_reported(text: str, label: str, words: str, images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        datasets.read_items(written(tmp_path / "items.csv", text), images, label)


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for name in ("dress/2.jpg", "dress/1.JPG", "top/front/3.webp", "skip/4.jpg"):
        photo(tmp_path / name)
    written(tmp_path / "dress/notes.txt", "no photo")
    found = datasets.read_folders(tmp_path, skip=["skip"])
    assert [(i.path.name, i.label) for i in found] == [
        ("1.JPG", "dress"),
        ("2.jpg", "dress"),
        ("3.webp", "top"),
    ]
    with pytest.raises(ConfigError, match="no folders with photos"):
        datasets.read_folders(tmp_path / "top/front")


def test_in_shop(tmp_path: Path) -> None:
    photo(tmp_path / "WOMEN/Dresses/id_1/01_1_front.jpg")
    written(
        tmp_path / "list_eval_partition.txt",
        "3\nimage_name item_id evaluation_status\n"
        "img/WOMEN/Dresses/id_1/01_1_front.jpg id_1 query\n"
        "img/WOMEN/Dresses/id_1/01_2_side.jpg  id_1  gallery\n"
        "img/MEN/Tees/id_2/01_1_front.jpg id_2 train\n",
    )
    queries, gallery = datasets.read_in_shop(tmp_path)
    assert queries == [datasets.Item(tmp_path / "WOMEN/Dresses/id_1/01_1_front.jpg", "id_1")]
    assert [i.label for i in gallery] == ["id_1"]
    with pytest.raises(ConfigError, match=r"list_eval_partition\.txt does not exist"):
        datasets.read_in_shop(tmp_path / "nowhere")


def test_stanford_online_products(tmp_path: Path) -> None:
    written(
        tmp_path / "Ebay_test.txt",
        "image_id class_id super_class_id path\n1 11319 1 bicycle_final/1_0.JPG\n2 11319 1 bicycle_final/1_1.JPG\n",
    )
    assert datasets.read_online_products(tmp_path) == [
        datasets.Item(tmp_path / f"bicycle_final/1_{n}.JPG", "11319") for n in (0, 1)
    ]


def test_deepfashion2(tmp_path: Path) -> None:
    def thing(category: int, style: int) -> dict:
        return {"category_id": category, "style": style, "bounding_box": [1, 2, 30, 40]}

    for name, record in {
        "000001": {"source": "user", "pair_id": 7, "item1": thing(1, 2), "item2": thing(8, 0)},
        "000002": {"source": "shop", "pair_id": 7, "item1": thing(1, 2)},
    }.items():
        written(tmp_path / f"annos/{name}.json", json.dumps(record))
    users, shops = datasets.read_deepfashion2(tmp_path / "image", tmp_path / "annos")
    assert users == [datasets.Item(tmp_path / "image/000001.jpg", "7/1/2", None, (1, 2, 30, 40))]
    assert [i.label for i in shops] == ["7/1/2"]


def test_coco(tmp_path: Path) -> None:
    coco = {
        "images": [
            {"id": 5, "file_name": "a.jpg", "width": 100, "height": 80},
            {"id": 6, "file_name": "b.jpg", "width": 9, "height": 9},
        ],
        "categories": [{"id": 1, "name": "handbag"}, {"id": 2, "name": "lapel"}],
        "annotations": [
            {"image_id": 5, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"image_id": 5, "category_id": 2, "bbox": [0, 0, 5, 5], "iscrowd": 1},
        ],
    }
    first, second = datasets.read_coco(written(tmp_path / "boxes.json", json.dumps(coco)))
    assert (first.image, first.width, first.height) == ("a.jpg", 100, 80)
    assert (first.labels, first.crowd) == (("bag", "lapel"), (False, True))
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 60], [0, 0, 5, 5]])
    assert second.boxes.shape == (0, 4)
    for text in ("{}", "no json", '{"images": [], "categories": [], "annotations": [{"image_id": 1}]}'):
        with pytest.raises(ConfigError, match="is not a COCO file"):
            datasets.read_coco(written(tmp_path / "boxes.json", text))


def lookbench(root: Path) -> Path:
    """One subset of two row groups, its photos within the files."""
    schema = pa.schema([
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("item_ID", pa.string()),
        ("category", pa.string()), ("main_attribute", pa.string()),
    ])  # fmt: skip
    for name, ids in {"query": "ab", "gallery": "bca", "noise": "d"}.items():
        rows = []
        for n, item in enumerate(ids):
            data = io.BytesIO()
            Image.new("RGB", (16, 16), (60 * n, 0, 0)).save(data, "PNG")
            rows.append(
                {"image": {"bytes": data.getvalue(), "path": None}, "item_ID": item, "category": "Dress",
                 "main_attribute": None if item == "a" else "long"}
            )  # fmt: skip
        root.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema), root / f"{name}.parquet", row_group_size=2)
    return root


def test_lookbench(tmp_path: Path) -> None:
    root = lookbench(tmp_path / "real_studio_flat")
    queries, gallery = datasets.read_lookbench(root)
    assert [i.label for i in queries] == ["a", "b"]
    assert [i.label for i in gallery] == ["b", "c", "a", "d"]
    assert gallery[2].path == ParquetPhoto(root / "gallery.parquet", 1, 0, "image")
    assert str(gallery[2].path).endswith("gallery.parquet#1/0")
    assert [work.read(i.path)[0, 0].tolist() for i in gallery] == [
        [0, 0, 0],
        [60, 0, 0],
        [120, 0, 0],
        [0, 0, 0],
    ]
    task = work.EmbedTask(tuple(gallery), fakes.recipe(), work.Crop.WHOLE, "cpu", 2)
    assert json_codec.from_json(work.EmbedTask, json_codec.to_json(task)) == task  # what a Spark worker gets
    fine, _ = datasets.read_lookbench(root, "category,main_attribute")
    assert [i.label for i in fine] == ["Dress / ", "Dress / long"]
    with pytest.raises(ConfigError, match=r"no column 'photo'.*--image-column"):
        datasets.read_lookbench(root, image="photo")
    with pytest.raises(ConfigError, match="is not a LookBench subset"):
        datasets.read_lookbench(tmp_path / "nowhere")


def test_several_columns_make_one_label(images: Path, tmp_path: Path) -> None:
    table = written(tmp_path / "items.csv", "image,colour,kind\na,red,top\nb,,\ndeep/c,red,\n")
    found = datasets.read_items(table, images, "colour,kind")
    assert [i.label for i in found] == ["red / top", "red / "]


@pytest.mark.parametrize("layout", [*Layout])
def test_every_layout_loads(layout: Layout, tmp_path: Path) -> None:
    """Two photos of one thing, in each layout."""
    root = tmp_path / "root"
    table = None
    match layout:
        case Layout.ITEMS:
            table = written(root / "items.csv", "image,label\na.jpg,x\nb.jpg,x\n")
            photo(root / "a.jpg"), photo(root / "b.jpg")
        case Layout.FOLDERS:
            photo(root / "x/a.jpg"), photo(root / "x/b.jpg")
        case Layout.IN_SHOP:
            written(root / "list_eval_partition.txt", "2\nname id status\na.jpg x query\nb.jpg x gallery\n")
        case Layout.ONLINE_PRODUCTS:
            written(root / "Ebay_test.txt", "id class super path\n1 x 1 a.JPG\n2 x 1 b.JPG\n")
        case Layout.DEEPFASHION2:
            for name in ("user", "shop"):
                thing = {"category_id": 1, "style": 1, "bounding_box": [0, 0, 5, 5]}
                written(
                    root / f"annos/{name}.json", json.dumps({"source": name, "pair_id": 1, "item1": thing})
                )
        case Layout.LOOKBENCH:
            lookbench(root)
    queries, gallery = layouts.load(layouts.DatasetOptions(root, table, layout=layout))
    labels = {item.label for item in gallery}
    assert labels.intersection(i.label for i in queries or gallery)
    assert (queries is None) == (layout in (Layout.ITEMS, Layout.FOLDERS, Layout.ONLINE_PRODUCTS))
    with pytest.raises(ConfigError, match="has no photos in the layout"):
        layouts.load(layouts.DatasetOptions(root, table, layout=layout, skip=tuple(labels)))


def test_options_must_fit_the_layout(tmp_path: Path) -> None:
    for options, words in [
        (layouts.DatasetOptions(tmp_path, layout=Layout.ITEMS), "needs --items"),
        (layouts.DatasetOptions(tmp_path, tmp_path, layout=Layout.IN_SHOP), "--items only applies to"),
        (
            layouts.DatasetOptions(tmp_path, layout=Layout.IN_SHOP, exclude_same="sender"),
            "--exclude-same only applies to",
        ),
        (layouts.DatasetOptions(tmp_path, layout=Layout.FOLDERS, label="x"), "--label does not apply to"),
    ]:
        with pytest.raises(ConfigError, match=words):
            layouts.load(options)
    assert set(LAYOUTS) == {str(layout) for layout in Layout}
