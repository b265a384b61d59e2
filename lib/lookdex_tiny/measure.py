"""Evaluate an embedder's neighbours, through the production code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lookdex.models.embed import Embedder, load_embedder
from lookdex.training import rendered, sources
from lookdex.training.loop import Run
from lookdex.training.measure import compute_shares, is_nearest_right, split_batches
from lookdex.training.scenes import Garment, Scene
from lookdex_tiny.crops import crop_box


def embed(embedder: Embedder, pictures: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([embedder.embed_images(batch) for batch in split_batches(pictures, 32)])


def garments_nearest(embedder: Embedder, found: list[Garment]) -> dict[str, float]:
    """Share of garments whose nearest neighbour from another sender has the same label, and the same category."""
    vectors = embed(embedder, [sources.read(g.path) for g in found])
    senders = np.array([g.sender for g in found])
    similar = vectors @ vectors.T
    similar[senders[:, None] == senders[None, :]] = -2
    nearest = similar.argmax(axis=1)
    return {
        name: round(
            float(
                np.mean(
                    [getattr(found[n], name) == getattr(g, name) for g, n in zip(found, nearest, strict=True)]
                )
            ),
            3,
        )
        for name in ("label", "category")
    }


def products_nearest(
    embedder: Embedder, catalogue: list[Scene], looks: list[Scene], margin: float
) -> tuple[float, dict[str, float], int]:
    """Match objects of looks (true boxes) against catalogue photos (object and whole): share whose nearest is right.

    Returns that share, the share by category, and the number of products.
    """
    first = [s for s in catalogue if s.path.stem.endswith("-0")]
    pictures, names = [], []
    for scene in first:
        image = sources.read(scene.path)
        for box, product in zip(scene.boxes, scene.product_ids, strict=True):
            if product:
                pictures += [crop_box(image, box, margin), image]
                names += [product, product]
    gallery = embed(embedder, pictures)
    have = set(names)
    queries, answers, kinds = [], [], []
    for scene in looks:
        image = sources.read(scene.path)
        for box, product, kind in zip(scene.boxes, scene.product_ids, scene.labels, strict=True):
            if product in have:
                queries.append(crop_box(image, box, margin))
                answers.append(product)
                kinds.append(kind)
    right = is_nearest_right(embed(embedder, queries), answers, gallery, names)
    return float(right.mean()), compute_shares(kinds, right), len(have)


def report(
    out: Path, data: Path, rendered_held: Path, run: Run, margin: float, looks: int, garments: int
) -> None:
    embedder = load_embedder(str(out))
    catalogue, found = rendered.load(rendered_held)
    _, held = sources.garments(data / "clothing")
    step = max(1, len(held) // garments)
    real = garments_nearest(embedder, held[::step][:garments])
    share, by_category, products = products_nearest(embedder, catalogue, found[:looks], margin)
    run.log("held", garments=real, right_product_top1=share, products=products, categories=by_category)
    print(
        f"held-out: garments {real}; right product first {share:.3f} among {products} products: {by_category}",
        flush=True,
    )
