"""The embedder's last minutes: its projection trained to the end on features that are computed once.

The image tower costs all the time of a step, its last linear map almost none. So the tower is frozen,
each crop goes through it once, and the projection, the text tower and the classifiers then see
thousands of large batches in about a minute. Products that were set aside choose the best step.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookdex.models.fcos import MEAN, STD
from lookdex.models.fuse import fuse
from lookdex.records import CATEGORIES
from lookdex.training.embedder.crops import Crops, Place
from lookdex.training.embedder.losses import Heads, caption_loss
from lookdex.training.embedder.pairs import LABELS, Pairs
from lookdex.training.embedder.recipe import CANVASES, DIM, MARGIN, Settings, export, pairs_of, settled
from lookdex.training.embedder.tower import Tower

ASIDE = 6  # every sixth product only chooses the step
CATALOGUE, LOOK, REAL = range(3)
LABEL_WEIGHT, CATEGORY_WEIGHT = 2.0, 0.6


class Row(NamedTuple):
    """What a crop shows. side: 0 a product's catalogue photo, 1 a look, 2 a real thing. label: -1 for none."""

    thing: int
    side: int
    label: int
    category: int
    captions: list[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """Crops that went through the tower: features float32 (n, 1280), and a row for each."""

    features: Tensor
    rows: list[Row]

    def column(self, name: str) -> np.ndarray:
        return np.array([getattr(row, name) for row in self.rows])


def look_at(
    pairs: Pairs, crops: Crops, trunk: nn.Module, tower: Tower, seconds: float, rng: np.random.Generator
) -> Seen:
    """Pass crops of products and real photos through the tower until the time is over."""
    rows: list[Row] = []
    features: list[Tensor] = []
    waiting: dict[tuple[int, ...], list[tuple[np.ndarray, Row]]] = defaultdict(list)

    def flush(shape: tuple[int, ...]) -> None:
        some = waiting.pop(shape)
        with torch.inference_mode():
            features.append(
                trunk(tower.as_input(torch.from_numpy(np.stack([picture for picture, _ in some])))).clone()
            )
        rows.extend(row for _, row in some)

    start, said = time.monotonic(), 0.0
    for place, row, random in _places(pairs, rng):
        picture = crops.draw(place, real=row.side == REAL, strength=0.6) if random else crops.plain(place)
        waiting[picture.shape].append((picture, row))
        if len(waiting[picture.shape]) == 16:
            flush(picture.shape)
            spent = time.monotonic() - start
            if spent - said > 20:
                said = spent
                print(
                    f"{len(rows)} crops, {len(rows) / spent:.1f} a second, {seconds - spent:.0f} s left",
                    flush=True,
                )
            if spent > seconds:
                break
    for shape in list(waiting):
        flush(shape)
    return Seen(torch.cat(features), rows)


def _places(pairs: Pairs, rng: np.random.Generator) -> Iterator[tuple[Place, Row, bool]]:
    """(crop, row, is it a random view): products (a catalogue photo, two looks) and real things in turn, round after
    round. A real thing comes as the index sees it, and in a random view."""
    real = pairs.real_things()
    garments = [i for i, (place, *_) in enumerate(real) if place.box is None]
    others = [i for i, (place, *_) in enumerate(real) if place.box is not None]
    turns = [itertools.cycle(rng.permutation(kind).tolist()) for kind in (garments, garments, others) if kind]
    turn = 0
    while True:
        for product_id in rng.permutation(pairs.product_ids()):
            number, category, captions, catalogue, looks = pairs.product(str(product_id))
            if not looks:
                continue
            yield (
                catalogue[rng.integers(len(catalogue))],
                Row(number, CATALOGUE, -1, category, captions),
                True,
            )
            for i in rng.choice(len(looks), min(2, len(looks)), replace=False):
                yield looks[i], Row(number, LOOK, -1, category, captions), True
            place, thing, label, category, captions = real[next(turns[turn % len(turns)])]
            turn += 1
            for random in (False, True):
                yield place, Row(thing, REAL, label, category, captions), random


def look(settings: Settings, seconds: float, part: int = 0) -> None:
    """Put features of crops into the run's folder; several parts at once add to each other."""
    torch.set_num_threads(1)
    rng = np.random.default_rng((settings.options.seed, 100, part))
    crops = Crops(MARGIN, CANVASES, rng)
    pairs = pairs_of(settings, crops, rng)
    states = torch.load(settings.run / "checkpoint.pt", map_location="cpu", weights_only=False)
    model = open_clip.create_model(f"local-dir:{settings.out}", load_weights=False)
    model.load_state_dict(settled(settings, states["average"]))
    trunk = model.visual.trunk.eval()
    fuse(trunk)
    trunk = trunk.to(memory_format=torch.channels_last)
    tower = Tower(model, MEAN, STD, torch.device("cpu"))
    seen = look_at(pairs, crops, trunk, tower, seconds, rng)
    torch.save({"step": states["step"], "seen": seen}, settings.run / f"features-{part}.pt")


def refine(settings: Settings, steps: int = 400) -> None:
    """Finish the embedder from its checkpoint and the features seen so far, and export it."""
    torch.set_num_threads(1)
    torch.manual_seed(settings.options.seed)
    states = torch.load(settings.run / "checkpoint.pt", map_location="cpu", weights_only=False)
    parts = [torch.load(f, weights_only=False) for f in sorted(settings.run.glob("features-*.pt"))]
    seen = joined([part["seen"] for part in parts if part["step"] == states["step"]])
    schema = f"local-dir:{settings.out}"
    model, heads = (
        open_clip.create_model(schema, load_weights=False),
        Heads(len(LABELS), len(CATEGORIES), DIM),
    )
    model.load_state_dict(settled(settings, states["average"]))
    heads.load_state_dict(states["heads"])
    polish(
        model,
        heads,
        open_clip.get_tokenizer(schema),
        seen,
        steps,
        np.random.default_rng(settings.options.seed),
    )
    export(model.state_dict(), states["words"], settings.out)


def joined(parts: Sequence[Seen]) -> Seen:
    return Seen(torch.cat([part.features for part in parts]), [row for part in parts for row in part.rows])


def polish(
    model: nn.Module, heads: Heads, tokenizer: Callable[[list[str]], Tensor], seen: Seen, steps: int,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Train projection, text tower and classifiers on the features; leaves the best step's in `model`."""
    projection: nn.Linear = model.visual.head.proj
    labels, categories = torch.from_numpy(seen.column("label")), torch.from_numpy(seen.column("category"))
    catalogue, looks, real = (_by_thing(seen, side) for side in (CATALOGUE, LOOK, REAL))
    things = sorted(thing for thing in catalogue.keys() & looks.keys() if thing % ASIDE)
    twice = sorted(thing for thing, rows in real.items() if len(rows) > 1)
    words_table = model.text.token_embedding.weight  # 3 million weights, learned already
    words_table.requires_grad_(False)
    text = [p for p in model.text.parameters() if p is not words_table]
    new = [*projection.parameters(), *text, model.logit_scale, *heads.parameters()]
    optimizer = torch.optim.AdamW(new, lr=1e-3, weight_decay=0.05)
    shipped = [projection.weight, *text, model.logit_scale]
    first, best, kept = projection.weight.detach().clone(), aside(projection, seen), _copies(shipped)
    print(f"{len(things)} products and {len(twice)} real things; before: {best:.3f}", flush=True)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
        # Every product is on the catalogue's side, so that each look meets the ones most like its own.
        asked = rng.choice(len(things), min(256, len(things)), replace=False)
        chosen = rng.choice(len(twice), min(256, len(twice)), replace=False)
        views = [rng.choice(real[twice[i]], 2, replace=False) for i in chosen]
        parts = [
            [rng.choice(catalogue[thing]) for thing in things],
            [rng.choice(looks[things[i]]) for i in asked],
            [one for one, _ in views],
            [other for _, other in views],
        ]
        rows = np.concatenate(parts)
        z = F.normalize(projection(F.dropout(seen.features[rows], 0.15)), dim=1)
        za, zb, zc, zd = z.split([len(part) for part in parts])
        own = torch.from_numpy(asked)
        loss = F.cross_entropy(zb @ za.T / 0.05, own) + _each_its_own(za[own] @ zb.T / 0.05)
        loss = loss + 0.5 * (_each_its_own(zc @ zd.T / 0.05) + _each_its_own(zd @ zc.T / 0.05))
        named = np.concatenate(
            [asked, np.arange(len(za), len(rows))]
        )  # of the catalogue only those asked for
        rows, z = rows[named], z[torch.from_numpy(named)]
        loss = loss + heads.classes(z, labels[rows], categories[rows], LABEL_WEIGHT, CATEGORY_WEIGHT)
        if step % 3 == 0:  # the text tower costs more than all the rest
            told = rng.choice(len(rows), min(128, len(rows)), replace=False)
            said = [str(rng.choice(seen.rows[rows[i]].captions)) for i in told]
            distinct = sorted(set(said))
            texts = F.normalize(model.encode_text(tokenizer(distinct)), dim=1)
            which = torch.tensor([distinct.index(text) for text in said])
            loss = loss + 0.5 * caption_loss(z[told], texts, which, model.logit_scale.exp().clamp(max=50))
        loss = loss + 0.2 * (projection.weight - first).square().sum() / first.square().sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if (step + 1) % 50 == 0:
            right = aside(projection, seen)
            print(f"step {step + 1}: loss {float(loss.detach()):.3f}, set aside: {right:.3f}", flush=True)
            if right >= best:
                best, kept = right, _copies(shipped)
    with torch.no_grad():
        for value, good in zip(shipped, kept, strict=True):
            value.copy_(good)


def _each_its_own(logits: Tensor) -> Tensor:
    """Cross-entropy where row i belongs to column i."""
    return F.cross_entropy(logits, torch.arange(len(logits)))


def _by_thing(seen: Seen, side: int) -> dict[int, list[int]]:
    """The crops of each thing on one side."""
    found: dict[int, list[int]] = defaultdict(list)
    for i, row in enumerate(seen.rows):
        if row.side == side:
            found[row.thing].append(i)
    return found


def _copies(values: list[Tensor]) -> list[Tensor]:
    return [value.detach().clone() for value in values]


@torch.no_grad()
def aside(projection: nn.Module, seen: Seen) -> float:
    """Looks of the products set aside against all products' catalogue crops: the share whose nearest is right."""
    z = F.normalize(projection(seen.features), dim=1).numpy()
    thing, side = seen.column("thing"), seen.column("side")
    gallery = np.flatnonzero(side == CATALOGUE)
    queries = np.flatnonzero((side == LOOK) & (thing % ASIDE == 0))
    nearest = gallery[(z[queries] @ z[gallery].T).argmax(axis=1)]
    return float((thing[nearest] == thing[queries]).mean()) if len(queries) else 0.0
