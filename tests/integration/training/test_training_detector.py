"""Training a detector from COCO files to a model folder, with a few steps on rendered photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from lookdex.cli.train_detector import main
from lookdex.errors import ConfigError
from lookdex.models.detect import load_detector
from lookdex.models.digests import TINY_DETECTOR
from lookdex.records import Box, Detection
from lookdex.taxonomy.categories import CATEGORIES
from lookdex.training import rendered, sources
from lookdex.training.detector import Settings, train
from lookdex.training.mixture import FLATS, Files, read_mixture
from lookdex.training.network import label_numbers, load_config, tiny_config
from lookdex.training.regions import UNKNOWN, RegionLoss, region_weights, regions
from lookdex.training.scenes import Scene
from lookdex.training.scores import Detected, filter_boxes, operating_point
from lookdex.training.windows import sampling_cdf, training_window
from lookdex_tiny.__main__ import main as tiny
from lookdex_tiny.detector import MIN_SCORE
from lookdex_tiny.pseudo import find_lone_box, tagged_boxes, to_coco
from tests.support.paths import ROOT

JOB = ROOT / "jobs" / "train_detector.py"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered photos like those of a shop: COCO boxes with its own category names, and masks of some photos."""
    root = tmp_path_factory.mktemp("shop")
    rendered.render(root / "photos", rendered.FIRST_SEED, products=4, looks=3)
    catalogue, looks = rendered.load(root / "photos")
    scenes = [*catalogue, *looks]
    (root / "masks").mkdir()
    for scene in looks:
        pixels = cv2.imread(str(scene.path))
        assert pixels is not None
        height, width = pixels.shape[:2]
        mask = np.zeros((height, width), np.uint8)
        for (x0, y0, x1, y1), label in zip(scene.boxes.astype(int), scene.labels, strict=True):
            mask[y0:y1, x0:x1] = 1 + CATEGORIES.index(label)
        cv2.imwrite(str(root / "masks" / f"{scene.path.stem}.png"), mask)
    (root / "names.json").write_text(json.dumps(["null", *CATEGORIES]))
    coco = to_coco(scenes)
    shop_names = {"bag": "Handbag", "shoes": "Sneakers"}
    coco["categories"] = [c | {"name": shop_names.get(c["name"], c["name"])} for c in coco["categories"]]
    coco["categories"].append({"id": 99, "name": "lamp"})
    coco["annotations"] += [
        {"id": 990 + n, "image_id": n, "category_id": 99, "bbox": [5, 5, 40, 60], "area": 2400, "iscrowd": 0}
        for n in (2, 3)
    ]
    (root / "boxes.json").write_text(json.dumps(coco))
    return root


def arguments(shop: Path, out: Path, **more: object) -> list[str]:
    options = {
        "coco": shop / "boxes.json", "images": shop / "photos", "masks": shop / "masks",
        "mask-names": shop / "names.json", "held": 0.25, "out": out / "model", "run": out / "run",
        "minutes": 0.05, "batch": 2, "measure-every": 0, "licence": "CC0", "name": "shop-tiny",
    } | more  # fmt: skip
    return [f"--{name}={value}" for name, value in options.items()]


def run_job(command: list[str]) -> Result:
    return CliRunner().invoke(main, command)


def test_trained_model_folder_can_be_loaded_and_training_resumed(shop: Path, tmp_path: Path) -> None:
    config = tiny_config(("bag", "shoes", "top", "lamp")) | {"canvases": [[160, 128]]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = arguments(shop, tmp_path, network=tmp_path / "config.json")
    done = run_job(command)
    assert done.exit_code == 0, done.output
    model = tmp_path / "model"
    written = json.loads((model / "config.json").read_text())
    assert written["labels"] == ["bag", "shoes", "top", "lamp"]
    assert 0 <= written["min_score"] <= 1
    image = sources.read(next((shop / "photos").glob("*.jpg")))
    found = load_detector(f"torchvision:{model}", min_score=0.0, nms_iou=1.0).detect([image])[0]
    assert {o.label for o in found} <= {"bag", "shoes", "top", "lamp"}
    assert found
    card = (model / "README.md").read_text()
    assert card.startswith("# shop-tiny\n")
    assert "**Licence**: CC0." in card
    assert "| **mean** | **" in card
    assert "8 photos with boxes; masks of" in card

    first = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)
    assert first["images"] == 2 * first["step"] > 0
    assert all(value.isfinite().all() for value in first["average"].values())
    assert run_job([*command, "--resume", f"--minutes={first['seconds'] / 60 + 0.02}"]).exit_code == 0
    second = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)
    assert second["step"] > first["step"]
    assert second["seconds"] > first["seconds"]


def test_distributed_training_with_two_processes(shop: Path, tmp_path: Path) -> None:
    config = tiny_config(("top", "lamp")) | {"canvases": [[160, 128]]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--", JOB,
         *arguments(shop, tmp_path, network=tmp_path / "config.json")],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)
    assert state["images"] == 4 * state["step"] > 0
    assert done.stdout.count("use it with --detector torchvision:") == 1


def test_command_trains_a_detector_like_the_shipped_one(shop: Path, tmp_path: Path) -> None:
    """With the shop's rendered photos in the layout of the real data sets, ccp/ and clothing/."""
    data, names = tmp_path / "data", sorted(path.name for path in (shop / "photos").glob("*.jpg"))
    (data / "ccp").mkdir(parents=True)
    coco = to_coco([s for scenes in rendered.load(shop / "photos") for s in scenes])
    (data / "ccp" / "boxes.json").write_text(json.dumps(coco))
    (data / "ccp" / "photos").symlink_to(shop / "photos")
    (data / "ccp" / "masks").symlink_to(shop / "masks")
    (data / "ccp" / "mask_labels.json").write_text((shop / "names.json").read_text())
    (data / "clothing").mkdir()
    (data / "clothing" / "images").symlink_to(shop / "photos")
    rows = [f"{name.removesuffix('.jpg')},{n},T-Shirt,top" for n, name in enumerate(names[:4])]
    (data / "clothing" / "items.csv").write_text("\n".join(["image,sender_id,label,category", *rows]))
    options = {"data": data, "work": tmp_path / "work", "out": tmp_path / "out", "minutes": 0.02, "products": 3,
             "looks": 2, "held-products": 3, "held-looks": 2, "start": TINY_DETECTOR}  # fmt: skip
    done = CliRunner().invoke(tiny, ["detector", *(f"--{name}={value}" for name, value in options.items())])
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads((tmp_path / "work" / "garments.json").read_text())
    assert {a["category_id"] for a in found["annotations"]} == {1}  # the category of the label
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["labels"] == list(CATEGORIES)
    assert config["min_score"] == MIN_SCORE
    card = (tmp_path / "out" / "README.md").read_text()
    assert "street photos, 2 photos | rendered looks, 2 photos" in card
    assert (tmp_path / "out" / "model.safetensors").stat().st_size < 8e6


def test_invalid_arguments_are_reported(shop: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        done = run_job(arguments(shop, tmp_path, device="cuda"))
        assert (done.exit_code, "device cuda is not available" in done.output) == (2, True)
    done = run_job(arguments(shop, tmp_path, images=shop / "nowhere"))
    assert (done.exit_code, "nowhere" in done.output) == (2, True)
    (tmp_path / "config.json").write_text(json.dumps(tiny_config(("hammer",))))
    done = run_job(arguments(shop, tmp_path, network=tmp_path / "config.json"))
    assert (done.exit_code, "hammer" in done.output) == (2, True)
    done = run_job(arguments(shop, tmp_path, coco=shop / "names.json"))
    assert (done.exit_code, "is not a COCO file" in done.output) == (2, True)


def test_mixture_is_read_from_coco_files(shop: Path) -> None:
    files = Files(
        (shop / "boxes.json",), (shop / "photos",), shop / "masks", shop / "names.json", held_share=0.25
    )
    mixture = read_mixture(files)
    assert (len(mixture.train["photos"]), len(mixture.held["photos"])) == (8, 3)
    assert FLATS in mixture.train
    names = {label for scene in [*mixture.all(), *mixture.held["photos"]] for label in scene.labels}
    assert "lamp" in names
    assert names - {"lamp"} <= set(CATEGORIES)  # Handbag is a bag, Sneakers are shoes
    only = mixture.only(("lamp",))
    assert [label for scene in only.all() for label in scene.labels] == ["lamp", "lamp"]
    assert all(len(s.boxes) == len(s.labels) == len(s.tags) == len(s.product_ids) for s in only.all())
    with pytest.raises(ConfigError, match="--mask-names"):
        read_mixture(Files((shop / "boxes.json",), (shop / "photos",), shop / "masks"))
    with pytest.raises(ConfigError, match="one --images for each"):
        read_mixture(Files((shop / "boxes.json",), ()))


def test_labels_of_a_config_become_categories(tmp_path: Path) -> None:
    assert label_numbers({"labels": ["", "Handbag", "lamp", "Boots", "Sneakers"]}) == {
        "bag": 1,
        "lamp": 2,
        "shoes": 3,
    }
    new = load_config(None, None, ("bag", "lamp"))
    assert (new["labels"], new["arguments"]["num_classes"]) == (["bag", "lamp"], 2)
    faster = {
        "builder": "fasterrcnn_mobilenet_v3_large_fpn",
        "labels": ["", "top"],
        "arguments": {"num_classes": 2},
    }
    (tmp_path / "config.json").write_text(json.dumps(faster))
    extended = load_config(None, tmp_path, ("bag", "lamp"))
    assert (extended["labels"], extended["arguments"]["num_classes"]) == (["", "bag", "lamp"], 3)
    assert load_config(tmp_path / "config.json", None, ("bag", "lamp"))["labels"] == ["", "top"]
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        load_config(tmp_path / "nowhere.json", None, ("bag",))


def scene(labels: tuple[str, ...]) -> Scene:
    return Scene(Path("x.jpg"), np.zeros((len(labels), 4), np.float32), labels)


def test_photos_with_rare_labels_are_drawn_more_often() -> None:
    scenes = [scene(("top",))] * 96 + [scene(("top", "belt"))] * 3 + [scene(())]
    probabilities = np.diff(sampling_cdf(scenes), prepend=0)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[96] / probabilities[0] == pytest.approx((0.3 * 100 / 3) ** 0.5)
    assert probabilities[99] == pytest.approx(probabilities[0])


def test_training_windows_are_smaller_than_their_canvases() -> None:
    assert [training_window(c) for c in ((416, 288), (288, 416), (352, 352))] == [
        (384, 256),
        (256, 384),
        (320, 320),
    ]
    assert training_window((32, 32)) == (32, 32)


def test_regions_are_read_from_a_mask_file(tmp_path: Path) -> None:
    found = regions(
        ("top", "bag"), ("null", "blouse", "purse", "skin", "gloves"), {"blouse": "top", "purse": "bag"}
    )
    assert found.names == ("background", "top", "bag", "skin", "hair")
    assert found.table[:6].tolist() == [0, 1, 2, 3, UNKNOWN, UNKNOWN]
    cv2.imwrite(str(tmp_path / "m.png"), np.array([[0, 1], [2, 4]], np.uint8))
    assert found.read(tmp_path / "m.png", 2, 2).tolist() == [[0, 1], [2, UNKNOWN]]
    assert found.read(None, 1, 2).tolist() == [[UNKNOWN, UNKNOWN]]
    with pytest.raises(FileNotFoundError, match=r"n\.png"):
        found.read(tmp_path / "n.png", 2, 2)
    cv2.imwrite(str(tmp_path / "m.png"), np.array([[0, 0, 0, 1]], np.uint8).repeat(160, 0).repeat(26, 1))
    weights = region_weights(found, [tmp_path / "m.png"])
    assert weights[1] / weights[0] == pytest.approx(3**0.5, rel=0.02)
    assert weights[2:].tolist() == [0, 0, 0]
    assert 0.75 * weights[0] + 0.25 * weights[1] == pytest.approx(1, rel=0.02)


class Pyramid(nn.Module):
    """Two levels whose channel k is 1 where the picture's red is k."""

    out_channels = 3

    def forward(self, pixels: torch.Tensor) -> Mapping[str, torch.Tensor]:
        hot = torch.stack([(pixels[:, 0] == k).float() for k in range(3)], 1)
        return {"0": hot[:, :, 4::8, 4::8], "1": 0 * hot[:, :, 8::16, 8::16]}


def test_region_loss_decreases_with_training() -> None:
    backbone = Pyramid()
    loss = RegionLoss(backbone, torch.ones(3))
    masks = torch.arange(3, dtype=torch.uint8).repeat_interleave(32)[None, None].repeat(2, 96, 1)
    backbone(masks[:, None].float())
    untrained = loss(masks)
    assert untrained.item() == pytest.approx(np.log(3))
    optimizer = torch.optim.Adam(loss.parameters(), 0.5)
    for _ in range(30):
        optimizer.zero_grad()
        backbone(masks[:, None].float())
        loss(masks).backward()
        optimizer.step()
    assert loss(masks).item() < 0.1
    assert loss(torch.full_like(masks, UNKNOWN)).item() == 0


def found(label: str, score: float, box: tuple[int, int, int, int] = (0, 0, 50, 50)) -> Detection:
    return Detection(Box(*box), label, score)


def test_boxes_are_chosen_for_photos_with_labels_only() -> None:
    objects = [found("top", 0.8), found("bag", 0.6), found("bag", 0.5), found("bag", 0.2), found("hat", 0.05)]
    assert tagged_boxes(("top", "bag", "hat"), objects) == [objects[0], objects[1]]
    assert tagged_boxes(("bag", "bag", "bag"), objects) == [objects[1], objects[2]]  # the third is too weak
    assert tagged_boxes(("top", "dress"), objects) is None
    large, small = found("dress", 0.4, (10, 10, 90, 90)), found("top", 0.9, (0, 0, 10, 10))
    assert find_lone_box("top", [small, large], 100, 100) == large.box
    assert find_lone_box("dress", [small, large, found("top", 0.8, (0, 0, 90, 90))], 100, 100) == large.box
    assert find_lone_box("top", [small], 100, 100) is None


def test_operating_point_has_the_best_f1() -> None:
    truth = Scene(Path("x.jpg"), np.array([[0, 0, 50, 50], [60, 60, 90, 90]], np.float32), ("top", "bag"))
    objects = [found("top", 0.9), found("bag", 0.55, (60, 60, 90, 90)), found("bag", 0.4, (0, 60, 30, 90))]
    seen = Detected([truth], [objects])
    assert (seen.at(0.5).found, seen.at(0.5).wrong) == (1, 0)
    assert (seen.at(0.3).found, seen.at(0.3).wrong) == (1, 1)
    assert 0.4 < operating_point([seen]) <= 0.55
    twice = [found("top", 0.9), found("dress", 0.8), found("top", 0.7, (0, 0, 48, 48))]
    assert filter_boxes(twice, 0.1) == twice[:1]  # one object, one box


def test_training_with_masks_needs_a_feature_pyramid(shop: Path, tmp_path: Path) -> None:
    files = Files((shop / "boxes.json",), (shop / "photos",), shop / "masks", shop / "names.json")
    config = {
        "builder": "ssdlite320_mobilenet_v3_large",
        "labels": ["", "top"],
        "canvases": [[64, 64]],
        "arguments": {"num_classes": 2},
    }
    with pytest.raises(ConfigError, match="--masks"):
        train(Settings(tmp_path / "model", tmp_path / "run", config), read_mixture(files))
