"""Training and evaluation data of a detector: photos from several sources, in common file formats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lookdex.errors import ConfigError
from lookdex.models.limits import map_label
from lookdex.training import rendered, sources
from lookdex.training.paste import Wardrobe
from lookdex.training.regions import Regions, regions
from lookdex.training.scenes import Scene

FLATS = "flats"  # cut-outs on plain backgrounds
# Sampling odds of each source that is present. Real photos weigh most, because they are closest to a shop's.
ODDS = {"photos": 0.46, "tagged": 0.08, "looks": 0.20, "catalogue": 0.05, "garments": 0.14, FLATS: 0.07}


@dataclass(frozen=True, slots=True)
class Mixture:
    """The photos of a training."""

    train: dict[str, list[Scene]]
    """Photos by source of ODDS."""
    held: dict[str, list[Scene]]
    """Evaluation photos by name."""
    mask_names: tuple[str, ...] = ()
    """Meanings of the masks' grey values."""
    half: tuple[str, ...] = ("looks",)  # sources with large photos, read at half size

    def all(self) -> list[Scene]:
        return [scene for scenes in self.train.values() for scene in scenes]

    def labels(self) -> tuple[str, ...]:
        """Labels of the training photos, most frequent first."""
        return tuple(name for name, _ in Counter(n for s in self.all() for n in s.labels).most_common())

    def wardrobe(self) -> Wardrobe:
        return Wardrobe(self.all(), self.mask_names)

    def regions(self, labels: Sequence[str]) -> Regions:
        label_of = {t: n for s in self.all() if s.mask for t, n in zip(s.tags, s.labels, strict=True)}
        return regions(labels, self.mask_names, label_of)

    def only(self, labels: Sequence[str]) -> Mixture:
        """The same photos with boxes of these labels only."""
        keep = frozenset(labels)
        return replace(
            self,
            train={name: [_keep_labels(s, keep) for s in scenes] for name, scenes in self.train.items()},
            held={name: [_keep_labels(s, keep) for s in scenes] for name, scenes in self.held.items()},
        )


@dataclass(frozen=True, slots=True)
class Files:
    """Input files."""

    coco: tuple[Path, ...]
    """COCO files."""
    images: tuple[Path, ...]
    """The photo folder of each."""
    masks: Path | None = None
    """A folder with <photo name>.png for some photos."""
    mask_names: Path | None = None
    """JSON list of the meanings of grey values."""
    held_coco: tuple[Path, ...] = ()
    """COCO files of evaluation photos; without them every n-th photo is held out, `held_share` in all."""
    held_images: tuple[Path, ...] = ()
    held_share: float = 0.1
    rendered: Path | None = None
    """A folder of `training.rendered`."""
    garments: Path | None = None
    """A folder with items.csv and images/ (columns image, label, sender_id), one garment per photo."""


def read_mixture(files: Files) -> Mixture:
    """Read the photos; all of them must exist.

    Raises:
        ConfigError: a missing file or photo, a missing photo folder, or no photo to train on.
    """
    if len(files.coco) != len(files.images) or len(files.held_coco) != len(files.held_images):
        raise ConfigError(
            f"{len(files.coco)} COCO files have {len(files.images)} photo folders, {len(files.held_coco)} held-out "
            f"ones {len(files.held_images)}: give one --images for each --coco, one --held-images for each --held-coco"
        )
    if bool(files.masks) != bool(files.mask_names):
        raise ConfigError("masks need names: give --masks and --mask-names together")
    photos = [s for pair in zip(files.coco, files.images, strict=True) for s in _coco(*pair, files.masks)]
    held = [s for pair in zip(files.held_coco, files.held_images, strict=True) for s in _coco(*pair, None)]
    if not files.held_coco and files.held_share:
        every = max(2, round(1 / files.held_share))
        held, photos = photos[::every], [s for n, s in enumerate(photos) if n % every]
    if not photos:
        raise ConfigError(f"{', '.join(map(str, files.coco)) or 'no COCO file'} lists no photo to train on")
    train, out = {"photos": photos}, {"photos": held}
    if files.rendered:
        train["catalogue"], train["looks"] = rendered.load(files.rendered)
    if files.garments:
        train["garments"] = sources.boxed_garments(sources.garments(files.garments)[0])
    names = tuple(json.loads(_check_exists(files.mask_names).read_text())) if files.mask_names else ()
    if any(s.mask for s in photos):
        train[FLATS] = []
    return Mixture(train, {name: scenes for name, scenes in out.items() if scenes}, names)


def _coco(boxes: Path, images: Path, masks: Path | None) -> list[Scene]:
    """Read a COCO file's photos, with labels mapped to lookdex categories where possible."""
    try:
        scenes = sources.coco(_check_exists(boxes), _check_exists(images), masks)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{boxes} is not a COCO file of boxes ({error!r}): it needs images, categories and annotations with bbox"
        ) from error
    for scene in scenes:
        _check_exists(scene.path)
    return [replace(s, labels=tuple(map_label(name) or name for name in s.labels)) for s in scenes]


def _check_exists(path: Path) -> Path:
    if not path.exists():
        raise ConfigError(f"{path} does not exist: check the folders and the names in the COCO file")
    return path


def _keep_labels(scene: Scene, labels: frozenset[str]) -> Scene:
    kept = [i for i, label in enumerate(scene.labels) if label in labels]
    if len(kept) == len(scene.labels):
        return scene
    return replace(
        scene,
        boxes=scene.boxes[kept],
        labels=tuple(scene.labels[i] for i in kept),
        tags=tuple(scene.tags[i] for i in kept) if scene.tags else (),
        product_ids=tuple(scene.product_ids[i] for i in kept) if scene.product_ids else (),
    )
