"""What a step of the detector's training sees: windows of photos of all sources, with the boxes in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lookdex.models.fcos import stack
from lookdex.models.pixels import choose_canvas
from lookdex.records import CATEGORIES
from lookdex.training import rendered, sources
from lookdex.training.augment import mosaic, recolour, window
from lookdex.training.paste import flat, onto, wardrobe

# Training draws smaller windows of the photo at about the scale of inference: cheaper, and small
# things keep their pixels.
WINDOWS = ((320, 224), (256, 256), (224, 320))
WINDOW_ODDS = (0.65, 0.25, 0.10)
SOURCE_ODDS = {"street": 0.36, "looks": 0.30, "catalogue": 0.16, "garments": 0.06, "flats": 0.12}
PASTED = 0.25  # of the street photos have one thing more, cut out of another
MOSAICS = 0.08  # of the views are four photos at once


class Windows:
    """Draws batches. The rendered folder may still be growing: `refresh` looks again."""

    def __init__(
        self, data: Path, folder: Path, canvases: Sequence[tuple[int, int]], rng: np.random.Generator
    ) -> None:
        self._rng, self._rendered, self._canvases = rng, folder, canvases
        garments, _ = sources.garments(data / "clothing")
        self._scenes = {
            "street": sources.street(data / "ccp")[0],
            "garments": sources.boxed_garments(garments),
            "catalogue": [],
            "looks": [],
        }
        self._wardrobe = wardrobe(data / "ccp")
        self.refresh()

    def refresh(self) -> None:
        self._scenes["catalogue"], self._scenes["looks"] = rendered.load(self._rendered)

    def counts(self) -> dict[str, int]:
        return {name: len(scenes) for name, scenes in self._scenes.items()} | {"flats": len(self._wardrobe)}

    def batch(self, size: int) -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
        canvas = WINDOWS[self._rng.choice(len(WINDOWS), p=WINDOW_ODDS)]
        drawn = [self._draw(canvas) for _ in range(size)]
        return stack([view for view, _ in drawn]), [target for _, target in drawn]

    def _draw(self, canvas: tuple[int, int]) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
        rng = self._rng
        if rng.random() < MOSAICS:
            photos = [self._photo(canvas) for _ in range(4)]
            view, boxes, which = mosaic([(p.pixels, p.boxes) for p in photos], canvas, rng)
            names = [photos[n].labels[i] for n, i in which]
        else:
            photo = self._photo(canvas)
            h, w = photo.pixels.shape[:2]
            full = choose_canvas((h, w), self._canvases)
            view, boxes, kept = window(photo.pixels, photo.boxes, canvas, min(full[0] / h, full[1] / w), rng)
            names = [photo.labels[i] for i in kept]
        labels = torch.tensor([CATEGORIES.index(name) for name in names], dtype=torch.int64)
        return recolour(view, rng), {"boxes": torch.from_numpy(boxes), "labels": labels}

    def _photo(self, canvas: tuple[int, int]) -> _Photo:
        """A photo of a source drawn by its odds."""
        rng = self._rng
        names = [n for n in SOURCE_ODDS if (self._wardrobe if n == "flats" else self._scenes[n])]
        odds = np.array([SOURCE_ODDS[n] for n in names])
        name = names[rng.choice(len(names), p=odds / odds.sum())]
        thing = None
        if name == "flats" or (name == "street" and rng.random() < PASTED):
            thing = self._wardrobe.draw(rng)
        if name == "flats":
            if thing is None:
                return self._photo(canvas)
            pixels, boxes = flat(thing, 2 * canvas[0], 2 * canvas[1], rng)
            return _Photo(pixels, boxes, (thing.label,))
        scene = self._scenes[name][rng.integers(len(self._scenes[name]))]
        half = name == "looks"  # 960 pixels high: twice what any window shows
        pixels = sources.read(scene.path, half)
        if thing is not None:
            return _Photo(*onto(pixels, scene, thing, rng))
        return _Photo(pixels, scene.boxes / (2 if half else 1), scene.labels)


@dataclass(frozen=True, slots=True)
class _Photo:
    """pixels: uint8 RGB (H, W, 3). boxes: float32 (n, 4). labels: n categories."""

    pixels: np.ndarray
    boxes: np.ndarray
    labels: tuple[str, ...]
