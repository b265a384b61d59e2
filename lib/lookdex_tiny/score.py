"""Score the built-in models, or others, on held-out photos.

    python -m lookdex_tiny.score --data DIR --held DIR [--detector NAME] [--embedder NAME]

Prints AP50 and recall at several operating points, and how often the nearest product of a look's object is the right
one, with true boxes and with detected boxes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from lookdex.imaging.boxes import iou, to_array
from lookdex.models.detect import Detector, load_detector
from lookdex.models.digests import detector_defaults, embedder_defaults
from lookdex.models.embed import load_embedder
from lookdex.records import Detection
from lookdex.training import rendered, sources
from lookdex.training.measure import sample_evenly, split_batches
from lookdex.training.scenes import Scene
from lookdex.training.scores import ALL, Detected, filter_boxes
from lookdex_tiny.crops import crop_box
from lookdex_tiny.detector import EXAM
from lookdex_tiny.measure import embed, garments_nearest

POINTS = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55)


def detect_all(detector: Detector, scenes: list[Scene]) -> tuple[list[list[Detection]], float]:
    """All detections, and milliseconds of CPU time per photo."""
    found, used = [], 0.0
    for batch in split_batches(scenes, 8):
        images = [sources.read(scene.path) for scene in batch]
        start = time.process_time()
        found += detector.detect(images)
        used += time.process_time() - start
    return found, 1000 * used / max(len(scenes), 1)


def print_detector(name: str, scenes: list[Scene], found: list[list[Detection]], ms: float) -> None:
    detected = Detected(scenes, found)
    whole = detected.ap()
    print(f"{name}: AP50 {whole.ap50:.3f} over {len(scenes)} photos, {ms:.0f} ms of CPU a photo")
    print("  " + "  ".join(f"{k} {v.ap50:.2f} ({v.objects})" for k, v in whole.by_category.items()))
    for point in POINTS:
        score = detected.at(point)
        print(f"  at {point:.2f}: found {score.found:.3f}, wrong {score.wrong:.2f} a photo")


def print_products(
    detector_name: str,
    embedder_name: str,
    catalogue: list[Scene],
    looks: list[Scene],
    found: list[list[Detection]],
) -> None:
    embedder, margin = load_embedder(embedder_name), embedder_defaults(embedder_name).crop_margin
    point = detector_defaults(detector_name).min_score
    pictures, names = [], []
    for scene in (s for s in catalogue if s.path.stem.endswith("-0")):
        image = sources.read(scene.path)
        for box, product in zip(scene.boxes, scene.product_ids, strict=True):
            if product:
                pictures += [crop_box(image, box, margin), image]
                names += [product, product]
    start = time.process_time()
    gallery = embed(embedder, pictures)
    print(f"embedder: {1000 * (time.process_time() - start) / len(pictures):.0f} ms of CPU a crop")
    queries: dict[str, list[np.ndarray]] = {"true boxes": [], "own boxes": []}
    answers: dict[str, list[tuple[str, str]]] = {"true boxes": [], "own boxes": []}
    total = 0
    for scene, objects in zip(looks, found, strict=True):
        image = sources.read(scene.path)
        objects = filter_boxes(objects, point)
        boxes = to_array([o.box for o in objects])
        for box, product, label in zip(scene.boxes, scene.product_ids, scene.labels, strict=True):
            if product not in names:
                continue
            total += 1
            queries["true boxes"].append(crop_box(image, box, margin))
            answers["true boxes"].append((product, label))
            overlap = iou(box[None], boxes)[0] * np.array([o.label == label for o in objects])
            if len(overlap) and overlap.max() >= 0.5:
                queries["own boxes"].append(crop_box(image, boxes[int(overlap.argmax())], margin))
                answers["own boxes"].append((product, label))
    print(f"objects found: {len(queries['own boxes']) / max(total, 1):.3f} of {total} at min_score {point}")
    for kind, crops in queries.items():
        similar = embed(embedder, crops) @ gallery.T
        top = [names[i] for i in similar.argmax(axis=1)]
        right = np.array([a == t for (a, _), t in zip(answers[kind], top, strict=True)])
        by_label = {
            label: round(float(right[[a[1] == label for a in answers[kind]]].mean()), 2)
            for label in sorted({a[1] for a in answers[kind]})
        }
        print(
            f"{kind}: right product first {right.mean():.3f} of {len(right)} among {len(set(names))}: {by_label}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ccp/ and clothing/")
    parser.add_argument(
        "--held", type=Path, required=True, help="rendered with a seed that was not trained on"
    )
    parser.add_argument("--detector", default="lookdex-tiny")
    parser.add_argument("--embedder", default="lookdex-tiny")
    parser.add_argument("--garments", type=int, default=400, help="how many garments of held-out senders")
    parser.add_argument("--skip", nargs="*", default=[], choices=["street", "flats", "products", "garments"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    detector = load_detector(
        options.detector, min_score=ALL.min_score, nms_iou=ALL.nms_iou, max_objects=ALL.max_objects
    )
    catalogue, looks = rendered.load(options.held)
    if "street" not in options.skip:
        _, street = sources.street(options.data / "ccp")
        print_detector("street photos", street, *detect_all(detector, street))
    if "flats" not in options.skip:
        flats = sources.coco(EXAM, options.data / "clothing" / "images")
        print_detector("catalogue flats", flats, *detect_all(detector, flats))
    found, ms = detect_all(detector, looks)
    print_detector("rendered looks", looks, found, ms)
    if "products" not in options.skip:
        print_products(options.detector, options.embedder, catalogue, looks, found)
    if "garments" not in options.skip:
        _, held = sources.garments(options.data / "clothing")
        nearest = garments_nearest(load_embedder(options.embedder), sample_evenly(held, options.garments))
        print(f"garments: {nearest}")


if __name__ == "__main__":
    main()
