"""Training crops of the embedder: what the index would cut out, with varied boxes, light and framing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from lookdex.errors import NotFound
from lookdex.imaging import boxes as geometry
from lookdex.models.pixels import Canvas, choose_canvas, fit
from lookdex.records import Box
from lookdex.storage import Store, open_store
from lookdex.training.augment import recolour
from lookdex.training.embedder import views
from lookdex.training.sources import read

KEPT_AROUND = 0.3  # context kept around the object, relative to its longer side: room for jitter and margin
KEPT_PIXELS = 352
# Typical error of a detector's box, relative to the object's side: mostly small, large for a third of them.
TIGHT, LOOSE = 0.035, 0.11


@dataclass(frozen=True, slots=True)
class Place:
    """A photo and an object's box in it (None: the whole photo)."""

    path: Path
    box: tuple[float, float, float, float] | None = None

    @classmethod
    def create(cls, path: Path, box: np.ndarray) -> Place:
        x0, y0, x1, y1 = (float(v) for v in box)
        return cls(path, (x0, y0, x1, y1))


class Crops:
    """Cuts objects out of photos, and caches small regions as JPEG in memory, and in `folder`, which processes can
    share.

    Args:
        canvases: (height, width) of the crops; each uses the one on which it is largest.
        scale: shrinks them for faster training steps.
    """

    def __init__(
        self,
        margin: float,
        canvases: Sequence[Canvas],
        rng: np.random.Generator,
        scale: float = 1.0,
        folder: Path | None = None,
    ) -> None:
        self.margin, self.scale, self._full, self._rng = margin, scale, tuple(canvases), rng
        self._store = open_store(folder) if folder else None
        self._kept: dict[Place, _Region] = {}
        self._masks: dict[Place, np.ndarray | None] = {}

    @property
    def canvases(self) -> list[Canvas]:
        return [(round(h * self.scale / 8) * 8, round(w * self.scale / 8) * 8) for h, w in self._full]

    def draw(self, place: Place, *, real: bool, strength: float = 0.8) -> np.ndarray:
        """A random view of an object: uint8 (*canvas, 3), letterboxed on white."""
        rng = self._rng
        picture = self._garment(place) if real and place.box is None else self._object(place, real)
        if real and place.box is not None and rng.random() < 0.4:
            picture = views.random_part(picture, rng, 0.6)
        if real and rng.random() < 0.55:
            picture = views.change_viewpoint(picture, rng, 0.1)
        if real and rng.random() < 0.5:
            picture = _rotate(picture, float(rng.normal(0, 7)))
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        if rng.random() < 0.12:
            picture = views.erase_part(picture, rng)
        canvas = choose_canvas(picture.shape, self.canvases)
        return recolour(fit(picture, canvas, 255, centred=True)[0], rng, strength)

    def plain(self, place: Place) -> np.ndarray:
        """An object as indexed, at full resolution and deterministic: uint8 (*canvas, 3)."""
        image = read(place.path)
        if place.box is not None:
            image = crop_box(image, np.array(place.box), self.margin)
        return fit(image, choose_canvas(image.shape, self.canvases), 255, centred=True)[0]

    def _object(self, place: Place, real: bool) -> np.ndarray:
        """A crop as indexed, with a slightly wrong box."""
        image, box = self._region(place)
        height, width = image.shape[:2]
        if place.box is None and not real:
            return image
        loose = LOOSE if self._rng.random() < 0.35 else TIGHT
        spread = loose * np.array([box.x1 - box.x0, box.y1 - box.y0] * 2)
        corners = np.array([box.x0, box.y0, box.x1, box.y1]) + self._rng.normal(0, 1, 4) * spread
        x0, y0, x1, y1 = (round(float(v)) for v in corners)
        near = geometry.expand(geometry.clip(Box(x0, y0, x1, y1), width, height), self.margin, width, height)
        return image[near.y0 : near.y1, near.x0 : near.x1]

    def _garment(self, place: Place) -> np.ndarray:
        """A part of a garment that fills its photo, sometimes with another background."""
        image, _ = self._region(place)
        rng = self._rng
        if rng.random() < 0.4:
            if place not in self._masks:
                self._masks[place] = views.segment(image)
            mask = self._masks[place]
            if mask is not None:
                image = views.swap_background(image, mask, self._ground(image))
        return views.random_part(image, rng, 0.55) if rng.random() < 0.7 else image

    def _ground(self, image: np.ndarray) -> np.ndarray:
        """A plain background, or another photo."""
        if self._rng.random() < 0.5 or len(self._kept) < 50:
            return views.draw_background(image, self._rng)
        places = list(self._kept)
        return self._region(places[self._rng.integers(len(places))])[0]

    def _region(self, place: Place) -> tuple[np.ndarray, Box]:
        if place not in self._kept:
            self._kept[place] = _get_region(place, self._store) if self._store else _Region.create(place)
        region = self._kept[place]
        image = cv2.cvtColor(np.asarray(cv2.imdecode(region.data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
        return image, region.box


@dataclass(frozen=True, slots=True)
class _Region:
    """An object with its context."""

    data: np.ndarray
    """uint8 (bytes,), a JPEG."""
    box: Box
    """The object's, in its pixels."""

    @classmethod
    def create(cls, place: Place) -> _Region:
        image = read(place.path)
        height, width = image.shape[:2]
        box = Box(0, 0, width, height) if place.box is None else Box(*(round(float(v)) for v in place.box))
        box = geometry.clip(box, width, height)
        near = geometry.expand(box, KEPT_AROUND, width, height)
        image = image[near.y0 : near.y1, near.x0 : near.x1]
        scale = min(1.0, KEPT_PIXELS / max(image.shape[:2]))
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        inner = [
            round((v - o) * scale)
            for v, o in zip((box.x0, box.y0, box.x1, box.y1), (near.x0, near.y0) * 2, strict=True)
        ]
        data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 94])[1]
        return cls(data.reshape(-1), Box(*inner))


def _get_region(place: Place, store: Store) -> _Region:
    """The region from the shared store; created and stored if it is missing."""
    key = f"{hashlib.sha256(repr(place).encode()).hexdigest()}.npz"
    try:
        with np.load(BytesIO(store.get(key))) as kept:
            return _Region(kept["data"], Box(*(int(v) for v in kept["box"])))
    except NotFound:
        region, out = _Region.create(place), BytesIO()
        np.savez(
            out, data=region.data, box=np.array([region.box.x0, region.box.y0, region.box.x1, region.box.y1])
        )
        store.put(key, out.getvalue())
        return region


def crop_box(image: np.ndarray, box: np.ndarray, margin: float) -> np.ndarray:
    """The index's crop of a box, deterministic."""
    height, width = image.shape[:2]
    near = geometry.expand(Box(*(round(float(v)) for v in box)), margin, width, height)
    return image[near.y0 : near.y1, near.x0 : near.x1]


def _rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    h, w = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
