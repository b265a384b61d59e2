"""The command that trains lookdex-tiny's embedder, on a few photos for a few seconds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lookdex.evaluate.datasets import read_coco
from lookdex.imaging import colour
from lookdex.imaging.colour import NAMES
from lookdex.models.digests import TINY_EMBEDDER
from lookdex.models.embed import load_embedder
from lookdex.records import Box
from lookdex.taxonomy.categories import CATEGORIES
from lookdex.training.rendered import render
from lookdex.training.scenes import Scene
from lookdex_sample import make_product, render_product
from lookdex_tiny import pseudo
from lookdex_tiny.crops import Crops
from lookdex_tiny.embedder import (
    CANVASES,
    LOOKALIKES,
    MARGIN,
    Settings,
    blend,
    find_lookalikes,
    open_pairs,
    source,
)
from lookdex_tiny.embedder_command import main
from lookdex_tiny.lookalikes import Lookalikes
from lookdex_tiny.pace import CPU, GPU, choose_pace, scale_at
from lookdex_tiny.pairs import Mix, Pairs
from lookdex_tiny.splits import HELD_SEED, write_splits

LABELS = ("T-Shirt", "Pants", "Dress", "Shoes")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered photos in the layout of the real data sets, clothing/ and ccp/."""
    folder: Path = tmp_path_factory.mktemp("data")
    photos = [render_product(make_product(5, n), 5, 0) for n in range(16)]
    (folder / "clothing" / "images").mkdir(parents=True)
    with (folder / "clothing" / "items.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["image", "sender_id", "label", "category"])
        for n, photo in enumerate(photos):
            photo.image.resize((150, 200)).save(folder / "clothing" / "images" / f"{n}.jpg")
            table.writerow([n, n % 10, LABELS[n % 4], "any"])
    (folder / "ccp" / "photos").mkdir(parents=True)
    (folder / "ccp" / "masks").mkdir()
    (folder / "ccp" / "mask_labels.json").write_text(json.dumps(["null", "blouse"]))
    images, boxes = [], []
    for n, photo in enumerate(photos[:8], start=1):
        photo.image.save(folder / "ccp" / "photos" / f"{n}.jpg")
        mask = Image.new("L", photo.image.size)
        for thing in photo.objects:
            x0, y0, x1, y1 = (int(v) for v in thing.box)
            mask.paste(1, (x0, y0, x1, y1))
        mask.save(folder / "ccp" / "masks" / f"{n}.png")
        width, height = photo.image.size
        images.append({"id": n, "file_name": f"{n}.jpg", "width": width, "height": height})
        for thing in photo.objects:
            x0, y0, x1, y1 = (int(v) for v in thing.box)
            boxes.append(
                {"image_id": n, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "tag": "blouse"}
            )
    # Street photos that have only tags; the first of eight is held out for queries.
    (folder / "ccp" / "unboxed" / "photos").mkdir(parents=True)
    for n, photo in enumerate(photos[8:16], start=11):
        photo.image.save(folder / "ccp" / "unboxed" / "photos" / f"{n}.jpg")
    tags = {str(n): ["blouse"] for n in range(11, 19)}
    (folder / "ccp" / "unboxed" / "tags.json").write_text(json.dumps(tags))
    layout = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "top"}]}
    (folder / "ccp" / "boxes.json").write_text(json.dumps(layout))
    return folder


def test_command_trains_an_embedder(data: Path, tmp_path: Path) -> None:
    command = ["--data", str(data), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"), "--start",
             str(TINY_EMBEDDER), "--products", "28", "--looks", "10", "--held-products", "14", "--held-looks", "2",
             "--minutes", "0.1", "--text-steps", "10"]  # fmt: skip
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    embedder = load_embedder(str(tmp_path / "out"))
    shipped = load_embedder("lookdex-tiny")
    picture = np.asarray(Image.open(data / "ccp" / "photos" / "1.jpg"))
    image, text = embedder.embed_images([picture])[0], embedder.embed_texts(["red dress"])[0]
    assert np.linalg.norm(image) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(text) == pytest.approx(1, abs=1e-5)
    assert image.shape == text.shape == (shipped.dim,)
    assert abs(float(image @ shipped.embed_images([picture])[0])) < 0.99
    curve = [
        json.loads(line) for line in (tmp_path / "work" / "embedder" / "curve.jsonl").read_text().splitlines()
    ]
    held = [line for line in curve if line["kind"] == "held"]
    assert 0 <= held[-1]["right_product_top1"] <= 1
    assert held[-1]["products"] == 14
    boxed = int(done.output.split(" street photos have boxes by their tags")[0].split()[-1])
    assert boxed == len(json.loads((tmp_path / "work" / "tagged.json").read_text())["images"]) > 0
    stale = CliRunner().invoke(main, [*command, "--only", "refine"])
    assert "no features of the embedder" in str(
        stale.exception
    )  # the existing model was trained without them
    again = CliRunner().invoke(main, [*command, "--only", "render"], catch_exceptions=False)
    assert "0 photos rendered" in again.output  # existing photos are not rendered again


def test_batches_are_drawn_by_worker_processes(data: Path, tmp_path: Path) -> None:
    render(tmp_path / "rendered", HELD_SEED, 28, 6)
    settings = Settings(
        tmp_path / "out", tmp_path / "run", data, tmp_path / "rendered", HELD_SEED, tmp_path / "held"
    )
    with source(settings, workers=1) as drawn:
        batch = drawn.batch(0.9)
    assert len(batch.pictures) == len(batch.instance) == len(batch.captions)
    half = len(batch.instance) // 2
    np.testing.assert_array_equal(batch.instance[:half], batch.instance[half:])
    assert list((tmp_path / "run" / "crops").glob("*.npz"))


def test_photos_with_generated_boxes_are_used(data: Path, tmp_path: Path) -> None:
    render(tmp_path / "rendered", HELD_SEED, 28, 6)
    street = data / "ccp" / "unboxed" / "photos"
    found = [
        Scene(
            street / f"{n}.jpg", np.array([[20, 20, 90, 120], [10, 60, 80, 150]], np.float32), ("top", "bag")
        )
        for n in (12, 13)
    ]
    rng = np.random.default_rng(0)

    def pairs(tagged: Path) -> Pairs:
        crops = Crops(0.05, ((64, 64),), rng)
        return Pairs(data, tmp_path / "rendered", HELD_SEED, crops, Mix(street=99), rng, tagged)

    without = pairs(tmp_path / "tagged.json").real_things()  # the file does not exist yet
    pseudo.write(tmp_path / "tagged.json", found)
    both = pairs(tmp_path / "tagged.json")
    new = both.real_things()[len(without) :]
    assert [(place.path.name, CATEGORIES[category]) for place, _, _, category, _ in new] == [
        ("12.jpg", "top"), ("12.jpg", "bag"), ("13.jpg", "top"), ("13.jpg", "bag")
    ]  # fmt: skip
    for place, _, _, category, captions in new:
        name = CATEGORIES[category]
        box = Box(*(round(v) for v in place.box or ()))
        seen = colour.describe(np.asarray(Image.open(place.path)), box, name).name
        assert f"{seen} {name}" in captions
    assert {thing for _, thing, *_ in new} <= set(both.batch().instance.tolist())


def test_rendered_products_of_a_batch_are_lookalikes(data: Path, tmp_path: Path) -> None:
    render(tmp_path / "rendered", HELD_SEED, 28, 6)
    settings = Settings(
        tmp_path / "out", tmp_path / "run", data, tmp_path / "rendered", HELD_SEED, tmp_path / "held",
        start=TINY_EMBEDDER, mix=Mix(rendered=5), alike=True,
    )  # fmt: skip
    find_lookalikes(settings)
    rng = np.random.default_rng(0)
    products = open_pairs(settings, Crops(MARGIN, CANVASES, rng), rng).product_ids()
    found = Lookalikes.load(settings.run / LOOKALIKES)
    assert {*found.beside(products[0], 40, rng), products[0]} == set(
        products
    )  # all products, since there are few

    few = Lookalikes.compute(products, rng.standard_normal((len(products), 3)), 4)
    few.save(settings.run / LOOKALIKES)
    with source(settings, workers=0) as drawn:
        for _ in range(6):
            batch = drawn.batch(0.9)
            rendered = [f"P{n:06d}" for n in batch.instance[: len(batch.instance) // 2] if n < 10_000_000]
            assert len(rendered) == 5
            assert any(set(rendered) == {product, *few.beside(product, 4, rng)} for product in rendered)


def test_alike_option_needs_a_start_model(data: Path, tmp_path: Path) -> None:
    command = [
        "--data",
        str(data),
        "--work",
        str(tmp_path / "work"),
        "--out",
        str(tmp_path / "out"),
        "--alike",
    ]
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, "--alike needs --start" in done.output) == (2, True)


@given(st.integers(8, 4000))
def test_mix_keeps_its_proportions_at_other_batch_sizes(pictures: int) -> None:
    for mix in (CPU.mix, GPU.mix):
        sized = mix.sized(pictures)
        assert abs(sized.pictures - pictures) <= 4
        assert min(sized.rendered, sized.garments, sized.street, sized.categories) >= 1
        assert mix.sized(mix.pictures) == mix
        if pictures >= 88:
            assert sized.street / sized.garments == pytest.approx(mix.street / mix.garments, rel=0.15)


def test_gpu_pace_has_larger_batches_and_growing_canvases() -> None:
    assert choose_pace(torch.device("cpu")) is CPU
    assert choose_pace(torch.device("cuda", 1)) is GPU
    assert GPU.mix.pictures > 7 * CPU.mix.pictures
    for pace in (CPU, GPU):
        grown = [scale_at(pace.scales, progress) for progress in np.linspace(0, 1, 41)]
        assert grown == sorted(grown)
        assert grown[0] < grown[-1] <= 1


def test_blend_interpolates_start_and_end_weights() -> None:
    before = {"weight": torch.tensor([0.0, 2.0], dtype=torch.float16), "steps": torch.tensor(1)}
    after = {"weight": torch.tensor([1.0, 4.0]), "steps": torch.tensor(9)}
    mixed = blend(before, after, 0.25)
    assert mixed["weight"].tolist() == [0.75, 3.5]
    assert mixed["steps"] == 9
    assert blend(before, after, 0.0)["weight"].tolist() == [1.0, 4.0]


def test_splits_contain_only_held_out_data(data: Path, tmp_path: Path) -> None:
    render(tmp_path / "held", HELD_SEED, products=6, looks=1)
    counts = write_splits(data, tmp_path / "held", tmp_path / "exam")
    assert counts["clothing.csv"] == 4  # of the senders 0 … 9, two are held out: 0 and 5
    assert counts["street.json"] == 2  # the first and the seventh of eight photos
    with (tmp_path / "exam" / "clothing.csv").open() as lines:
        assert {row["sender_id"] for row in csv.DictReader(lines)} == {"0", "5"}
    assert len(read_coco(tmp_path / "exam" / "street.json")) == 2
    assert len(read_coco(tmp_path / "exam" / "flats.json")) == 200
    for name in ("street", "shop"):
        with (tmp_path / "exam" / "words" / f"{name}.csv").open() as lines:
            rows = list(csv.DictReader(lines))
        assert len(rows) == counts[f"words/{name}.csv"] > 0
        for row in rows:
            assert (tmp_path / "exam" / "words" / name / row["image"]).is_file()
            assert row["category"] in CATEGORIES
            assert row["colour"] in NAMES
    assert counts["words/shop.csv"] > 6
