"""Refine the embedder: fit its projection and text tower on precomputed features.

The image tower takes all the time of a step, its last linear layer almost none. So each crop passes the tower once
(`look`); then the projection is solved for (`projection`) and the text tower is trained for the new space.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookdex.errors import ConfigError
from lookdex.models.digests import embedder_digest
from lookdex.models.fcos import MEAN, STD
from lookdex.models.fuse import fuse
from lookdex.training.embedder.losses import caption_loss
from lookdex.training.embedder.tower import Tower
from lookdex.training.loop import load_start
from lookdex_tiny.crops import Crops, Place
from lookdex_tiny.embedder import CANVASES, MARGIN, WEIGHTS, Settings, export, open_pairs
from lookdex_tiny.pairs import STRENGTH, Pairs
from lookdex_tiny.projection import Kind, projection

PRODUCT, GARMENT, STREET = range(3)
VIEWS = {GARMENT: 2, STREET: 1}  # random views per thing, in addition to the indexed view
BATCH = 16  # crops of one canvas per forward pass
TEXT_BATCH = 256  # crops per step of the text tower, equally from all kinds


class Row(NamedTuple):
    """What a crop shows."""

    thing: int
    kind: int
    """Kind of thing."""
    label: int
    """Numbers, -1 for none; so is `category`."""
    category: int
    captions: list[str]
    """All possible ones."""


@dataclass(frozen=True, slots=True)
class CropFeatures:
    """Crops that passed the tower: features float32 (n, 1280), and a row for each."""

    features: Tensor
    rows: list[Row]

    def column(self, name: str) -> np.ndarray:
        return np.array([getattr(row, name) for row in self.rows])

    def of(self, kind: int) -> Kind:
        own = self.column("kind") == kind
        features = self.features.numpy()[own].astype(np.float64)
        return Kind(features, *(self.column(name)[own] for name in ("thing", "label", "category")))


def look(settings: Settings, part: int = 0, parts: int = 1) -> None:
    """Save features of every `parts`-th thing's crops in the run's folder, by the embedder in `out`.

    Raises ConfigError if there is none.
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng((settings.options.seed, 100, part))
    crops = Crops(MARGIN, CANVASES, rng)
    places = list(_places(open_pairs(settings, crops, rng), part, parts))
    model = _model(settings)
    trunk = model.visual.trunk.eval()
    fuse(trunk)
    trunk = trunk.to(memory_format=torch.channels_last)
    seen = look_at(places, crops, trunk, Tower(model, MEAN, STD, torch.device("cpu")))
    settings.run.mkdir(parents=True, exist_ok=True)
    torch.save({"of": embedder_digest(str(settings.out)), "seen": seen}, settings.run / f"features-{part}.pt")


def look_at(
    places: Sequence[tuple[Place, Row, bool]], crops: Crops, trunk: nn.Module, tower: Tower
) -> CropFeatures:
    """Pass crops through the tower, each as indexed or in a random view."""
    rows: list[Row] = []
    features: list[Tensor] = []
    waiting: dict[tuple[int, ...], list[tuple[np.ndarray, Row]]] = defaultdict(list)

    def flush(shape: tuple[int, ...]) -> None:
        batch = waiting.pop(shape)
        with torch.inference_mode():
            features.append(
                trunk(tower.as_input(torch.from_numpy(np.stack([picture for picture, _ in batch])))).clone()
            )
        rows.extend(row for _, row in batch)

    start = said = time.monotonic()
    for place, row, random in places:
        real = row.kind != PRODUCT
        picture = crops.draw(place, real=real, strength=STRENGTH) if random else crops.plain(place)
        waiting[picture.shape].append((picture, row))
        if len(waiting[picture.shape]) == BATCH:
            flush(picture.shape)
            now = time.monotonic()
            if now - said > 20:
                said, rate = now, len(rows) / (now - start)
                left = (len(places) - len(rows)) / rate
                print(
                    f"{len(rows)} of {len(places)} crops, {rate:.1f} a second, {left:.0f} s left", flush=True
                )
    for shape in list(waiting):
        flush(shape)
    return CropFeatures(torch.cat(features), rows)


def _places(pairs: Pairs, part: int, parts: int) -> Iterator[tuple[Place, Row, bool]]:
    """Yield (crop, row, is it a random view): a product's catalogue photo, whole and cropped, and its crops in looks;
    real things as indexed and in random views.
    """
    for product_id in pairs.product_ids()[part::parts]:
        number, category, captions, catalogue, looks = pairs.product(product_id)
        row = Row(number, PRODUCT, -1, category, captions)
        whole = [Place(place.path) for place in catalogue[:1]]
        for place in (*catalogue[:1], *whole, *looks):
            yield place, row, False
    for place, thing, label, category, captions in pairs.real_things()[part::parts]:
        row = Row(thing, STREET if label < 0 else GARMENT, label, category, captions)
        yield place, row, False
        for _ in range(VIEWS[row.kind]):
            yield place, row, True


def refine(settings: Settings, steps: int) -> None:
    """Refine the embedder in `out` with its saved features, and write it back.

    Raises ConfigError if there are no features of these weights.
    """
    torch.set_num_threads(1)
    torch.manual_seed(settings.options.seed)
    model = _model(settings)
    digest = embedder_digest(str(settings.out))
    parts = [torch.load(f, weights_only=False) for f in sorted(settings.run.glob("features-*.pt"))]
    seen = [part["seen"] for part in parts if part["of"] == digest]
    if not seen:
        raise ConfigError(
            f"{settings.run} has no features of the embedder in {settings.out}: run --only look first"
        )
    words = model.text.token_embedding.weight.detach().ne(0).any(dim=1)
    rng = np.random.default_rng(settings.options.seed)
    finish(model, open_clip.get_tokenizer(f"local-dir:{settings.out}"), join_features(seen), steps, rng)
    export(model.state_dict(), words, settings.out)


def join_features(parts: Sequence[CropFeatures]) -> CropFeatures:
    return CropFeatures(
        torch.cat([part.features for part in parts]), [row for part in parts for row in part.rows]
    )


def finish(
    model: Any,
    tokenizer: Callable[[list[str]], Tensor],
    seen: CropFeatures,
    steps: int,
    rng: np.random.Generator,
) -> None:
    """Solve for the projection, and train the text tower in its space; token embeddings stay fixed."""
    weight = model.visual.head.proj.weight
    solved, turn = projection(
        weight.detach().numpy().astype(np.float64), seen.of(PRODUCT), [seen.of(GARMENT), seen.of(STREET)]
    )
    with torch.no_grad():
        weight.copy_(torch.from_numpy(solved))
        spoken = torch.from_numpy(turn).to(weight) @ model.text.text_projection.T
        model.text.text_projection.copy_(spoken.T * model.text.text_projection.norm() / spoken.norm())
        vectors = F.normalize(seen.features @ weight.T, dim=1)
    table = model.text.token_embedding.weight  # 3 million weights, already trained
    text = [p for p in model.text.parameters() if p is not table]
    optimizer = torch.optim.AdamW([*text, model.logit_scale], lr=1e-3, weight_decay=0.02)
    kinds = [np.flatnonzero(seen.column("kind") == kind) for kind in (PRODUCT, GARMENT, STREET)]
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
        rows = np.concatenate([rng.choice(kind, TEXT_BATCH // len(kinds)) for kind in kinds])
        said = [str(rng.choice(seen.rows[i].captions)) for i in rows]
        distinct = sorted(set(said))
        texts = F.normalize(model.encode_text(tokenizer(distinct)), dim=1)
        which = torch.tensor([distinct.index(caption) for caption in said])
        loss = caption_loss(vectors[rows], texts, which, model.logit_scale.exp().clamp(max=50))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if (step + 1) % 100 == 0:
            print(f"text, step {step + 1} of {steps}: loss {float(loss.detach()):.3f}", flush=True)


def _model(settings: Settings) -> Any:
    """The embedder in `out` as an open_clip model."""
    if not (settings.out / WEIGHTS).is_file():
        raise ConfigError(f"{settings.out} has no {WEIGHTS}: train first")
    model = open_clip.create_model(f"local-dir:{settings.out}", load_weights=False)
    load_start(model, settings.out / WEIGHTS)
    return model
