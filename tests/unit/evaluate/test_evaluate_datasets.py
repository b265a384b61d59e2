"""Readers of labelled photos and of public data sets, on small generated files."""

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
from lookdex.evaluate.labelled_photos import Item, ParquetPhoto
from lookdex.evaluate.layouts import Layout
from tests import fakes


def write_photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.png", "deep/c.jpg"):
        write_photo(tmp_path / "images" / name)
    return tmp_path / "images"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def path_of(item: Item) -> Path:
    assert isinstance(item.path, Path)
    return item.path


def test_a_csv_table_names_photos_with_or_without_suffix(images: Path, tmp_path: Path) -> None:
    table = write(
        tmp_path / "items.csv",
        "image,label,sender\na,dress,1\nb.png,top,2\ndeep/c,,1\na.jpg,not sure,2\ndeep/c.jpg,top,1\n",
    )
    found = datasets.read_items(table, images, "label", "sender", skip=["not sure"])
    assert [(path_of(i).relative_to(images).as_posix(), i.label, i.group) for i in found] == [
        ("a.jpg", "dress", "1"),
        ("b.png", "top", "2"),
        ("deep/c.jpg", "top", "1"),
    ]


def test_a_parquet_table_is_read_too(images: Path, tmp_path: Path) -> None:
    parquet = tmp_path / "items.parquet"
    pq.write_table(pa.table({"image": ["a", "b"], "label": ["dress", None], "sender": [1, 2]}), parquet)
    assert datasets.read_items(parquet, images, "label") == [Item(images / "a.jpg", "dress")]


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("image,label\n", "label", "has no rows"),
        ("image,label\na,top\n", "colour", "has no column 'colour'; it has image, label"),
        ("photo,label\na,top\n", "label", "has no column 'image'"),
        ("image,label\nz,top\n", "label", "has no photo 'z'"),
        ("image,label\n../images/a,top\n", "label", "has no photo '../images/a'"),
    ],
)
def test_the_error_of_an_invalid_table_says_what_is_missing(
    text: str, label: str, message: str, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        datasets.read_items(write(tmp_path / "items.csv", text), images, label)


def test_the_label_of_a_photo_is_its_top_folder(tmp_path: Path) -> None:
    for name in ("dress/2.jpg", "dress/1.JPG", "top/front/3.webp", "skip/4.jpg"):
        write_photo(tmp_path / name)
    write(tmp_path / "dress/notes.txt", "no photo")
    found = datasets.read_folders(tmp_path, skip=["skip"])
    assert [(path_of(i).name, i.label) for i in found] == [
        ("1.JPG", "dress"),
        ("2.jpg", "dress"),
        ("3.webp", "top"),
    ]


def test_folders_without_photos_are_an_error(tmp_path: Path) -> None:
    write_photo(tmp_path / "3.webp")
    with pytest.raises(ConfigError, match="no folders with photos"):
        datasets.read_folders(tmp_path)


def test_in_shop_has_queries_and_a_gallery(tmp_path: Path) -> None:
    write_photo(tmp_path / "WOMEN/Dresses/id_1/01_1_front.jpg")
    write(
        tmp_path / "list_eval_partition.txt",
        "3\nimage_name item_id evaluation_status\n"
        "img/WOMEN/Dresses/id_1/01_1_front.jpg id_1 query\n"
        "img/WOMEN/Dresses/id_1/01_2_side.jpg  id_1  gallery\n"
        "img/MEN/Tees/id_2/01_1_front.jpg id_2 train\n",
    )
    queries, gallery = datasets.read_in_shop(tmp_path)
    assert queries == [Item(tmp_path / "WOMEN/Dresses/id_1/01_1_front.jpg", "id_1")]
    assert [i.label for i in gallery] == ["id_1"]


def test_in_shop_without_its_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"list_eval_partition\.txt does not exist"):
        datasets.read_in_shop(tmp_path / "nowhere")


def test_stanford_online_products_are_labelled_by_class(tmp_path: Path) -> None:
    write(
        tmp_path / "Ebay_test.txt",
        "image_id class_id super_class_id path\n1 11319 1 bicycle_final/1_0.JPG\n2 11319 1 bicycle_final/1_1.JPG\n",
    )
    assert datasets.read_online_products(tmp_path) == [
        Item(tmp_path / f"bicycle_final/1_{n}.JPG", "11319") for n in (0, 1)
    ]


def test_deepfashion2_is_labelled_by_pair_category_and_style(tmp_path: Path) -> None:
    def garment(category: int, style: int) -> dict[str, object]:
        return {"category_id": category, "style": style, "bounding_box": [1, 2, 30, 40]}

    for name, record in {
        "000001": {"source": "user", "pair_id": 7, "item1": garment(1, 2), "item2": garment(8, 0)},
        "000002": {"source": "shop", "pair_id": 7, "item1": garment(1, 2)},
    }.items():
        write(tmp_path / f"annos/{name}.json", json.dumps(record))
    users, shops = datasets.read_deepfashion2(tmp_path / "image", tmp_path / "annos")
    assert users == [Item(tmp_path / "image/000001.jpg", "7/1/2", None, (1, 2, 30, 40))]
    assert [i.label for i in shops] == ["7/1/2"]


def test_coco_boxes_are_read_with_their_labels_and_crowds(tmp_path: Path) -> None:
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
    first, second = datasets.read_coco(write(tmp_path / "boxes.json", json.dumps(coco)))
    assert (first.image, first.width, first.height) == ("a.jpg", 100, 80)
    assert (first.labels, first.crowd) == (("bag", "lapel"), (False, True))
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 60], [0, 0, 5, 5]])
    assert second.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "text", ["{}", "no json", '{"images": [], "categories": [], "annotations": [{"image_id": 1}]}']
)
def test_a_file_of_another_format_is_no_coco_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is not a COCO file"):
        datasets.read_coco(write(tmp_path / "boxes.json", text))


def write_lookbench(root: Path) -> Path:
    """A subset with its photos in Parquet files of one or two row groups."""
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


def test_lookbench_has_queries_and_a_gallery_with_noise(tmp_path: Path) -> None:
    root = write_lookbench(tmp_path / "real_studio_flat")
    queries, gallery = datasets.read_lookbench(root)
    assert [i.label for i in queries] == ["a", "b"]
    assert [i.label for i in gallery] == ["b", "c", "a", "d"]
    assert gallery[2].path == ParquetPhoto(root / "gallery.parquet", 1, 0, "image")
    assert str(gallery[2].path).endswith("gallery.parquet#1/0")
    pixels = [work.read(i.path) for i in gallery]
    assert [photo[0, 0].tolist() for photo in pixels if photo is not None] == [
        [0, 0, 0],
        [60, 0, 0],
        [120, 0, 0],
        [0, 0, 0],
    ]


def test_a_task_with_photos_in_parquet_files_can_be_sent_to_spark_workers(tmp_path: Path) -> None:
    _, gallery = datasets.read_lookbench(write_lookbench(tmp_path))
    task = work.EmbedTask(tuple(gallery), fakes.recipe(), work.Crop.WHOLE, "cpu", 2)
    assert json_codec.from_json(work.EmbedTask, json_codec.to_json(task)) == task


def test_lookbench_can_be_labelled_by_other_columns(tmp_path: Path) -> None:
    queries, _ = datasets.read_lookbench(write_lookbench(tmp_path), "category,main_attribute")
    assert [i.label for i in queries] == ["Dress / ", "Dress / long"]


def test_lookbench_without_its_columns_or_files_is_an_error(tmp_path: Path) -> None:
    root = write_lookbench(tmp_path / "real_studio_flat")
    with pytest.raises(ConfigError, match=r"no column 'photo'.*--image-column"):
        datasets.read_lookbench(root, image="photo")
    with pytest.raises(ConfigError, match="is not a LookBench subset"):
        datasets.read_lookbench(tmp_path / "nowhere")


def test_several_columns_are_joined_into_one_label(images: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "items.csv", "image,colour,kind\na,red,top\nb,,\ndeep/c,red,\n")
    found = datasets.read_items(table, images, "colour,kind")
    assert [i.label for i in found] == ["red / top", "red / "]


@pytest.mark.parametrize("layout", [*Layout])
def test_every_layout_can_be_loaded(layout: Layout, tmp_path: Path) -> None:
    """Two photos with one label, in each layout."""
    root = tmp_path / "root"
    table, photos = None, []
    match layout:
        case Layout.ITEMS:
            table = write(root / "items.csv", "image,label\na.jpg,x\nb.jpg,x\n")
            photos = ["a.jpg", "b.jpg"]
        case Layout.FOLDERS:
            photos = ["x/a.jpg", "x/b.jpg"]
        case Layout.IN_SHOP:
            write(root / "list_eval_partition.txt", "2\nname id status\na.jpg x query\nb.jpg x gallery\n")
        case Layout.ONLINE_PRODUCTS:
            write(root / "Ebay_test.txt", "id class super path\n1 x 1 a.JPG\n2 x 1 b.JPG\n")
        case Layout.DEEPFASHION2:
            for name in ("user", "shop"):
                item = {"category_id": 1, "style": 1, "bounding_box": [0, 0, 5, 5]}
                record = {"source": name, "pair_id": 1, "item1": item}
                write(root / f"annos/{name}.json", json.dumps(record))
        case Layout.LOOKBENCH:
            write_lookbench(root)
    for name in photos:
        write_photo(root / name)
    queries, gallery = layouts.load(layouts.DatasetOptions(root, table, layout=layout))
    labels = {item.label for item in gallery}
    assert labels.intersection(i.label for i in queries or gallery)
    assert (queries is None) == (layout in (Layout.ITEMS, Layout.FOLDERS, Layout.ONLINE_PRODUCTS))
    with pytest.raises(ConfigError, match="has no photos in the layout"):
        layouts.load(layouts.DatasetOptions(root, table, layout=layout, skip=tuple(labels)))


FOLDER = Path("nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (layouts.DatasetOptions(FOLDER, layout=Layout.ITEMS), "needs --items"),
        (layouts.DatasetOptions(FOLDER, FOLDER, layout=Layout.IN_SHOP), "--items only applies to"),
        (
            layouts.DatasetOptions(FOLDER, layout=Layout.IN_SHOP, exclude_same="sender"),
            "--exclude-same only applies to",
        ),
        (layouts.DatasetOptions(FOLDER, layout=Layout.FOLDERS, label="x"), "--label does not apply to"),
    ],
)
def test_options_that_do_not_fit_the_layout_are_refused(
    options: layouts.DatasetOptions, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        layouts.load(options)


def test_the_command_line_offers_every_layout() -> None:
    assert set(LAYOUTS) == {str(layout) for layout in Layout}
