"""The built-in models: their weights and their quality on rendered photos."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pytest

from lookdex.imaging.boxes import expand, iou, to_array
from lookdex.models import digests
from lookdex.models.detect import Detector, load_detector
from lookdex.models.embed import Embedder, load_embedder
from lookdex.records import Box
from lookdex_sample import Photo, Product, make_product, render_look, render_product
from tests.support.paths import GOLDEN
from tests.support.photos import smooth


@dataclass(frozen=True)
class Wardrobe:
    """Products, two photos of each, and a photo of a person who wears them."""

    products: list[Product]
    photos: list[list[Photo]]
    look: Photo


@pytest.fixture(scope="session")
def tiny_embedder() -> Embedder:
    return load_embedder("lookdex-tiny")


@pytest.fixture(scope="session")
def tiny_detector() -> Detector:
    return load_detector("lookdex-tiny")


@pytest.fixture(scope="session")
def wardrobe() -> Wardrobe:
    products = [make_product(77, i) for i in (2, 6, 7)]  # a dress, shoes, a bag
    photos = [[render_product(p, 77, view) for view in (0, 1)] for p in products]
    return Wardrobe(products, photos, render_look(products, 78))


def test_vectors_have_unit_length_and_do_not_depend_on_batch(tiny_embedder: Embedder) -> None:
    images = smooth((300, 200), (64, 500), (33, 35), (192, 192), (800, 600))
    together = tiny_embedder.embed_images(images)
    alone = np.concatenate([tiny_embedder.embed_images([image]) for image in images])
    assert together.shape == (5, tiny_embedder.dim)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert (together * alone).sum(axis=1).min() > 0.99999
    assert tiny_embedder.embed_images([]).shape == (0, tiny_embedder.dim)


def test_titles_match_their_photos(tiny_embedder: Embedder, wardrobe: Wardrobe) -> None:
    texts = tiny_embedder.embed_texts([product.title for product in wardrobe.products])
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    pictures = tiny_embedder.embed_images([np.asarray(views[0].image) for views in wardrobe.photos])
    assert (texts @ pictures.T).argmax(axis=1).tolist() == [0, 1, 2]
    assert tiny_embedder.embed_texts([]).shape == (0, tiny_embedder.dim)


def test_photos_of_a_product_are_nearest_neighbours(tiny_embedder: Embedder, wardrobe: Wardrobe) -> None:
    pictures = []
    for views in wardrobe.photos:
        for view in views:
            image, box = np.asarray(view.image), Box(*view.objects[0].box)
            near = expand(
                box, digests.embedder_defaults("lookdex-tiny").crop_margin, image.shape[1], image.shape[0]
            )
            pictures.append(image[near.y0 : near.y1, near.x0 : near.x1])
    vectors = tiny_embedder.embed_images(pictures)
    similar = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert similar.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4]


def test_detector_finds_all_worn_products(tiny_detector: Detector, wardrobe: Wardrobe) -> None:
    look = wardrobe.look
    found = tiny_detector.detect([np.asarray(look.image)])[0]
    right = 0
    for true in look.objects:
        same = to_array([o.box for o in found if o.label == true.category])
        right += bool((iou(same, to_array([Box(*true.box)])) >= 0.5).any())
    assert right == len(look.objects)


def test_detections_do_not_depend_on_batch(tiny_detector: Detector, wardrobe: Wardrobe) -> None:
    images = [np.asarray(view.image) for views in wardrobe.photos for view in views] + [
        np.asarray(wardrobe.look.image)
    ]
    together = tiny_detector.detect(images)
    for image, objects in zip(images, together, strict=True):
        alone = tiny_detector.detect([image])[0]
        assert [(o.label, o.box) for o in alone] == [(o.label, o.box) for o in objects]


def test_vectors_match_the_golden_file(tiny_embedder: Embedder) -> None:
    """After new weights: GOLDEN=write pytest tests/integration/models/test_tiny.py"""
    path = GOLDEN / "tiny_vectors.npz"
    images, texts = smooth((300, 200), (64, 500), seed=5), ["navy striped shirt", "red bag"]
    vectors = np.concatenate([tiny_embedder.embed_images(images), tiny_embedder.embed_texts(texts)])
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, vectors=vectors.astype(np.float16))
    golden = np.load(path)["vectors"].astype(np.float32)
    assert (vectors * golden).sum(axis=1).min() > 0.999
    assert vectors[0] @ vectors[1] < 0.95  # different pictures have different vectors


def test_weights_are_smaller_than_25_mb() -> None:
    folder = digests.TINY_DETECTOR.parent
    assert sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) < 25_000_000
    assert {f.parent.name for f in folder.rglob("README.md")} == {"detector", "embedder"}
