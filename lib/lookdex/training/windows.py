"""Training batches of a detector: annotated windows of photos from all sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lookdex.models.pixels import choose_canvas
from lookdex.training.augment import mosaic, recolour, window
from lookdex.training.mixture import FLATS, ODDS, Mixture
from lookdex.training.paste import flat_lay_photo, paste_onto_photo
from lookdex.training.scenes import Photo, Scene
from lookdex.training.sources import read

# Training windows are drawn at a slightly larger scale than at inference (`augment.ZOOM`), so that small objects
# keep their pixels; whole photos at that scale would cost more.
WINDOW = 0.92  # relative to the canvas's sides
PORTRAIT, SQUARE, LANDSCAPE = 0.65, 0.25, 0.10  # window shapes: fashion photos are mostly portrait
PASTED = 0.25  # share of photos with masks that get another pasted object
MOSAICS = 0.08  # share of views that are mosaics
COMMON = 0.3  # photos whose rarest label is in less than this share of photos are oversampled


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs of the network."""

    pixels: torch.Tensor
    """float32 (n, 3, H, W) in 0 … 1."""
    targets: list[dict[str, torch.Tensor]]
    """torchvision's boxes and labels."""
    masks: torch.Tensor
    """uint8 (n, H, W)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows as drawn, small enough to pass between processes."""

    pixels: torch.Tensor
    """uint8 (n, H, W, 3)."""
    masks: torch.Tensor
    """uint8 (n, H, W), regions."""
    boxes: list[np.ndarray]
    """float32 (m, 4) per window."""
    labels: list[np.ndarray]
    """int64 (m,) per window."""

    def to(self, device: torch.device) -> Inputs:
        """Convert to the network's inputs on its device."""
        pixels = self.pixels.to(device).permute(0, 3, 1, 2).float().div_(255)  # channels last in memory
        targets = [
            {"boxes": torch.from_numpy(boxes).to(device), "labels": torch.from_numpy(labels).to(device)}
            for boxes, labels in zip(self.boxes, self.labels, strict=True)
        ]
        return Inputs(pixels, targets, self.masks.to(device))


class Windows:
    """Draws batches from a mixture.

    Args:
        numbers: the detector's label numbers.
        canvases: those of inference.
    """

    def __init__(
        self,
        mixture: Mixture,
        numbers: Mapping[str, int],
        canvases: Sequence[tuple[int, int]],
        rng: np.random.Generator,
    ) -> None:
        self._rng, self._numbers, self._canvases, self._half = rng, numbers, canvases, mixture.half
        self._wardrobe, self._regions = mixture.wardrobe(), mixture.regions(tuple(numbers))
        self._scenes = {n: s for n, s in mixture.train.items() if (self._wardrobe if n == FLATS else s)}
        self._cdf = {name: sampling_cdf(scenes) for name, scenes in self._scenes.items()}
        self._sources = list(self._scenes)
        self._odds = _shares([ODDS[name] for name in self._sources])
        self._windows = sorted({training_window(canvas) for canvas in canvases})
        self._window_odds = _shares(
            [PORTRAIT if h > w else SQUARE if h == w else LANDSCAPE for h, w in self._windows]
        )

    def batch(self, size: int) -> Batch:
        canvas = self._windows[self._rng.choice(len(self._windows), p=self._window_odds)]
        views = [self._view(canvas) for _ in range(size)]
        return Batch(
            torch.from_numpy(np.stack([recolour(view.pixels, self._rng) for view in views])),
            torch.from_numpy(np.stack([view.mask for view in views])),
            [view.boxes for view in views],
            [np.array([self._numbers[name] for name in view.labels], np.int64) for view in views],
        )

    def _view(self, canvas: tuple[int, int]) -> Photo:
        if self._rng.random() < MOSAICS:
            return mosaic([self._photo(canvas) for _ in range(4)], canvas, self._rng)
        photo = self._photo(canvas)
        h, w = photo.pixels.shape[:2]
        full = choose_canvas((h, w), self._canvases)
        return window(photo, canvas, min(full[0] / h, full[1] / w), self._rng)

    def _photo(self, canvas: tuple[int, int]) -> Photo:
        """Draw a photo from a source, by the odds."""
        rng = self._rng
        name = self._sources[rng.choice(len(self._sources), p=self._odds)]
        if name == FLATS:
            thing = self._wardrobe.draw(rng)
            if thing is None:
                return self._photo(canvas)
            return flat_lay_photo(
                thing, 2 * canvas[0], 2 * canvas[1], self._regions.names.index(thing.label), rng
            )
        scene = self._scenes[name][int(np.searchsorted(self._cdf[name], rng.random()))]
        half = name in self._half
        pixels = read(scene.path, half)
        mask = self._regions.read(scene.mask, *pixels.shape[:2])
        photo = Photo(pixels, scene.boxes / (2 if half else 1), scene.labels, mask)
        if scene.mask is not None and rng.random() < PASTED:
            thing = self._wardrobe.draw(rng)
            if thing is not None:
                return paste_onto_photo(photo, thing, self._regions.names.index(thing.label), rng)
        return photo


def training_window(canvas: tuple[int, int]) -> tuple[int, int]:
    """The training window for an inference canvas (height, width): multiples of 32."""
    height, width = (max(32, 32 * round(WINDOW * side / 32)) for side in canvas)
    return height, width


def sampling_cdf(scenes: Sequence[Scene]) -> np.ndarray:
    """Cumulative sampling probabilities (n,) that oversample photos with rare labels.

    Repeat factors by each photo's rarest label (Gupta et al., LVIS, 2019).
    """
    shown = Counter(label for scene in scenes for label in set(scene.labels))
    factor = {label: max(1.0, (COMMON * len(scenes) / count) ** 0.5) for label, count in shown.items()}
    repeat = np.array([max((factor[label] for label in scene.labels), default=1.0) for scene in scenes])
    cdf = np.cumsum(repeat / repeat.sum())
    cdf[-1:] = 1.0
    return cdf


def _shares(odds: Sequence[float]) -> np.ndarray:
    return np.array(odds) / sum(odds)
