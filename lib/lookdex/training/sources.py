"""Real photos: Clothing Co-Parsing (boxes) and the Clothing dataset (labels), split into training and held-out
parts.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lookdex.taxonomy.categories import find_category
from lookdex.training.scenes import Garment, Scene

NOT_LABELS = ("Not sure", "Other", "Skip")
HELD_PHOTOS = 6  # every sixth street photo is held out
HELD_SENDERS = 5  # every fifth sender is held out

# Garment labels that map to one lookdex category regardless of the photo.
LABEL_CATEGORY = {
    "T-Shirt": "top", "Longsleeve": "top", "Shirt": "top", "Undershirt": "top", "Polo": "top", "Hoodie": "top",
    "Body": "top", "Top": "top", "Blouse": "top", "Pants": "pants", "Shorts": "shorts", "Dress": "dress",
    "Shoes": "shoes", "Outwear": "outerwear", "Blazer": "outerwear", "Skirt": "skirt", "Hat": "hat",
}  # fmt: skip


def coco(boxes: Path, images: Path, masks: Path | None = None) -> list[Scene]:
    """Read photos with boxes from a COCO file.

    An annotation's optional `tag` is its finer name. Crowd annotations (`iscrowd`) are skipped.

    Args:
        masks: a folder with <photo name>.png for some or all of them.
    """
    data = json.loads(boxes.read_text())
    names = {c["id"]: c["name"] for c in data["categories"]}
    objects: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in data["images"]}
    for annotation in data["annotations"]:
        if not annotation.get("iscrowd"):
            objects[annotation["image_id"]].append(annotation)
    scenes = []
    for image in data["images"]:
        found = objects[image["id"]]
        corners = np.array([o["bbox"] for o in found], np.float32).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        mask = masks / f"{Path(image['file_name']).stem}.png" if masks else None
        scenes.append(
            Scene(
                images / image["file_name"],
                corners,
                tuple(names[o["category_id"]] for o in found),
                tuple(o.get("tag") or names[o["category_id"]] for o in found),
                ("",) * len(found),
                mask if mask and mask.is_file() else None,
            )
        )
    return scenes


def street(root: Path) -> tuple[list[Scene], list[Scene]]:
    """Read street photos with boxes and masks from `root` (COCO `boxes.json`): (training, held out)."""
    scenes = coco(root / "boxes.json", root / "photos", root / "masks")
    held = scenes[::HELD_PHOTOS]
    return [scene for n, scene in enumerate(scenes) if n % HELD_PHOTOS], held


def garments(root: Path) -> tuple[list[Garment], list[Garment]]:
    """Read single-garment photos from `root` (`items.csv`): (training, held-out senders).

    Labels without a category are skipped.
    """
    train: list[Garment] = []
    held: list[Garment] = []
    with (root / "items.csv").open() as lines:
        for row in csv.DictReader(lines):
            category = LABEL_CATEGORY.get(row["label"]) or find_category(row["label"])
            if category is None or row["label"] in NOT_LABELS:
                continue
            path = root / "images" / f"{row['image']}.jpg"
            garment = Garment(path, row["label"], row["sender_id"], category)
            (held if int(row["sender_id"]) % HELD_SENDERS == 0 else train).append(garment)
    return train, held


def read(path: Path, half: bool = False) -> np.ndarray:
    """Read a JPEG as uint8 RGB (H, W, 3); at half size, which is faster, if `half`."""
    image = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2 if half else cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"{path} is missing or not an image")
    return np.ascontiguousarray(image[:, :, ::-1])


def plain_box(image: np.ndarray) -> np.ndarray | None:
    """The box of the object on a plain background, float32 (4,); None if the background is not plain.

    The background colour is the median of the photo's border; the object is the largest region that differs from it.
    Reliable only if the border has one colour and the object does not touch it.
    """
    height, width = image.shape[:2]
    scale = 96 / max(height, width)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    edge = np.concatenate([lab[:3].reshape(-1, 3), lab[:, :3].reshape(-1, 3), lab[:, -3:].reshape(-1, 3)])
    ground = np.median(edge, axis=0)
    far = np.linalg.norm((edge - ground) * (0.7, 1, 1), axis=1)
    if np.quantile(far, 0.8) > 12:
        return None
    differs = np.linalg.norm((lab - ground) * (0.7, 1, 1), axis=2) > max(
        16.0, 2.5 * float(np.quantile(far, 0.8))
    )
    differs = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(differs)
    if count < 2:
        return None
    x, y, w, h, area = stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
    touches = sum((x <= 1, y <= 1, x + w >= small.shape[1] - 1, y + h >= small.shape[0] - 1))
    if touches > 1 or area < 0.1 * differs.size or area < 0.4 * w * h or w * h > 0.95 * differs.size:
        return None
    box: np.ndarray = np.array([x, y, x + w, y + h], np.float32) / scale
    return box


def boxed_garments(found: list[Garment]) -> list[Scene]:
    """Garments on plain backgrounds, as photos with one box."""
    scenes = []
    for garment in found:
        box = plain_box(read(garment.path))
        if box is not None:
            scenes.append(Scene(garment.path, box[None], (garment.category,), (garment.label,), ("",)))
    return scenes
