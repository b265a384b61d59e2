"""The embedder's last minutes: its projection trained to the end on features that are computed once.

The image tower costs all the time of a step, its last linear map almost none. So the tower is frozen,
each crop goes through it once, and the projection, the text tower and the classifiers then see
thousands of large batches in about a minute. Products that were set aside choose the best step.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookdex.models.fcos import MEAN, STD
from lookdex.models.fuse import fuse
from lookdex.records import CATEGORIES
from lookdex.training.batches import LABELS, Mix, Pairs
from lookdex.training.crops import Crops, Place
from lookdex.training.losses import Heads, caption_loss
from lookdex.training.tiny_embedder import CANVASES, DIM, MARGIN, Settings, export
from lookdex.training.tower import Tower

ASIDE = 6  # every sixth product only chooses the step


@dataclass(frozen=True, slots=True)
class Seen:
    """Crops that went through the tower. features: float32 (n, 1280). side: 0 catalogue, 1 look, 2 real."""

    features: Tensor
    thing: np.ndarray
    side: np.ndarray
    label: np.ndarray
    category: np.ndarray
    captions: list[list[str]]


def look_at(
    pairs: Pairs, crops: Crops, trunk: nn.Module, tower: Tower, seconds: float, rng: np.random.Generator
) -> Seen:
    """Pass crops of products and real photos through the tower until the time is over."""
    rows: list[tuple[int, int, int, int, list[str]]] = []
    features: list[Tensor] = []
    waiting: dict[tuple[int, ...], list[tuple[np.ndarray, tuple[int, int, int, int, list[str]]]]] = (
        defaultdict(list)
    )

    def flush(shape: tuple[int, ...]) -> None:
        some = waiting.pop(shape)
        with torch.inference_mode():
            features.append(trunk(tower.as_input(np.stack([picture for picture, _ in some]))).clone())
        rows.extend(row for _, row in some)

    start, said = time.monotonic(), 0.0
    for place, real, row in _places(pairs, rng):
        picture = crops.draw(place, real=real, strength=0.6)
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
    thing, side, label, category = (np.array([row[k] for row in rows]) for k in range(4))
    return Seen(torch.cat(features), thing, side, label, category, [row[4] for row in rows])


def _places(
    pairs: Pairs, rng: np.random.Generator
) -> Iterator[tuple[Place, bool, tuple[int, int, int, int, list[str]]]]:
    """(crop, is it a real photo, (thing, side, label, category, captions)): products and real photos in turn."""
    real = pairs.real_things()
    at = iter(rng.permutation(len(real)))
    for product_id in rng.permutation(pairs.product_ids()):
        number, category, captions, catalogue, looks = pairs.product(str(product_id))
        if not looks:
            continue
        chosen = [(catalogue[rng.integers(len(catalogue))], 0)]
        chosen += [(looks[i], 1) for i in rng.choice(len(looks), min(2, len(looks)), replace=False)]
        for place, side in chosen:
            yield place, False, (number, side, -1, category, captions)
        place, thing, label, category, caption = real[next(at)]
        yield place, True, (thing, 2, label, category, [caption])


def look(settings: Settings, seconds: float, part: int = 0) -> None:
    """Put features of crops into the run's folder; several parts at once add to each other."""
    torch.set_num_threads(1)
    rng = np.random.default_rng((settings.options.seed, 100, part))
    crops = Crops(MARGIN, CANVASES, rng)
    pairs = Pairs(settings.data, settings.rendered, settings.rendered_seed, crops, Mix(), rng)
    states = torch.load(settings.run / "checkpoint.pt", map_location="cpu", weights_only=False)
    model = open_clip.create_model(f"local-dir:{settings.out}", load_weights=False)
    model.load_state_dict(states["average"])
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
    model.load_state_dict(states["average"])
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


def joined(parts: list[Seen]) -> Seen:
    return Seen(
        features=torch.cat([part.features for part in parts]),
        thing=np.concatenate([part.thing for part in parts]),
        side=np.concatenate([part.side for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        category=np.concatenate([part.category for part in parts]),
        captions=[captions for part in parts for captions in part.captions],
    )


def polish(model, heads: Heads, tokenizer, seen: Seen, steps: int, rng: np.random.Generator) -> None:  # type: ignore[no-untyped-def]
    """Train projection, text tower and classifiers on the features; leaves the best step's in `model`."""
    projection: nn.Linear = model.visual.head.proj
    train = np.flatnonzero((seen.side == 2) | (seen.thing % ASIDE != 0))
    catalogue, looks = _by_thing(seen, train, 0), _by_thing(seen, train, 1)
    things = np.array(sorted(catalogue.keys() & looks.keys()))
    real = np.flatnonzero(seen.side == 2)
    words_table = model.text.token_embedding.weight  # 3 million weights, learned already
    words_table.requires_grad_(False)
    text = [p for p in model.text.parameters() if p is not words_table]
    new = [*projection.parameters(), *text, model.logit_scale, *heads.parameters()]
    optimizer = torch.optim.AdamW(new, lr=1e-3, weight_decay=0.05)
    shipped = [projection.weight, *text, model.logit_scale]
    first, best, kept = projection.weight.detach().clone(), aside(projection, seen), _copies(shipped)
    print(f"{len(things)} products and {len(real)} real photos; before: {best:.3f}", flush=True)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
        # Every product is on the catalogue's side, so that each look meets the ones most like its own.
        asked = rng.choice(len(things), min(256, len(things)), replace=False)
        a = np.array([rng.choice(catalogue[int(t)]) for t in things])
        b = np.array([rng.choice(looks[int(t)]) for t in things[asked]])
        c = rng.choice(real, min(96, len(real)), replace=False)
        rows = np.concatenate([a, b, c])
        dropped = F.dropout(seen.features[rows], 0.15)
        z = F.normalize(projection(dropped), dim=1)
        za, zb = z[: len(a)], z[len(a) : len(a) + len(b)]
        own, others = torch.from_numpy(asked), torch.arange(len(b))
        loss = F.cross_entropy(zb @ za.T / 0.05, own) + F.cross_entropy(za[own] @ zb.T / 0.05, others)
        named = np.concatenate([asked, np.arange(len(a), len(rows))])  # of the catalogue only those asked for
        rows, z = rows[named], z[torch.from_numpy(named)]
        scale = heads.scale.exp().clamp(max=40)
        label, category = torch.from_numpy(seen.label[rows]), torch.from_numpy(seen.category[rows])
        loss = loss + 0.3 * F.cross_entropy(scale * z @ F.normalize(heads.categories, dim=1).T, category)
        known = label >= 0
        garment = scale * z[known] @ F.normalize(heads.labels, dim=1).T
        loss = loss + 0.5 * F.cross_entropy(garment, label[known], label_smoothing=0.05)
        if step % 3 == 0:  # the text tower costs more than all the rest
            chosen = rng.choice(len(rows), min(128, len(rows)), replace=False)
            said = [seen.captions[rows[i]][rng.integers(len(seen.captions[rows[i]]))] for i in chosen]
            distinct = sorted(set(said))
            tokens = tokenizer(distinct)
            texts = F.normalize(model.encode_text(tokens), dim=1)
            which = torch.tensor([distinct.index(text) for text in said])
            loss = loss + 0.5 * caption_loss(z[chosen], texts, which, model.logit_scale.exp().clamp(max=50))
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


def _by_thing(seen: Seen, rows: np.ndarray, side: int) -> dict[int, list[int]]:
    """The crops of each thing on one side."""
    found: dict[int, list[int]] = defaultdict(list)
    for i in rows[seen.side[rows] == side].tolist():
        found[int(seen.thing[i])].append(i)
    return found


def _copies(values: list[Tensor]) -> list[Tensor]:
    return [value.detach().clone() for value in values]


@torch.no_grad()
def aside(projection: nn.Module, seen: Seen) -> float:
    """Looks of the products set aside against all products' catalogue crops: the share whose nearest is right."""
    z = F.normalize(projection(seen.features), dim=1).numpy()
    gallery = np.flatnonzero(seen.side == 0)
    queries = np.flatnonzero((seen.side == 1) & (seen.thing % ASIDE == 0))
    nearest = gallery[(z[queries] @ z[gallery].T).argmax(axis=1)]
    return float((seen.thing[nearest] == seen.thing[queries]).mean()) if len(queries) else 0.0
