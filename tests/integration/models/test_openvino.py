"""OpenVINO gives the results of torch; models that it does not support, or computes differently, use torch."""

from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lookdex.config import NightSettings
from lookdex.errors import ConfigError
from lookdex.models import openvino
from lookdex.models.embed import OpenClipEmbedder
from lookdex.models.loading import Engine, Loader
from lookdex.pipeline.recipe import make_recipe
from lookdex_sample import make_product, render_look, render_product
from tests.fakes import FakeDetector, recipe

RECIPE = make_recipe(NightSettings())
TORCH, OPENVINO = Loader(Engine.TORCH), Loader(Engine.OPENVINO, threads=2)


@pytest.fixture(scope="module")
def looks() -> list[np.ndarray]:
    """Rendered outfits in portrait, landscape and square, so that every canvas of the detector is used."""
    outfits = [
        [make_product(n, m, name) for m, name in enumerate(("top", "pants", "shoes"))] for n in range(3)
    ]
    photos = [np.asarray(render_look(outfit, n).image) for n, outfit in enumerate(outfits)]
    upright = photos[0]
    return [*photos, np.ascontiguousarray(upright.transpose(1, 0, 2)), upright[: upright.shape[1]]]


@pytest.fixture(scope="module")
def pictures(looks: list[np.ndarray]) -> list[np.ndarray]:
    """Pictures of every shape that has its own canvas."""
    shapes = [(200, 200), (260, 190), (190, 260), (400, 190), (190, 400), (600, 190), (190, 600), (30, 20)]
    products = [np.asarray(render_product(make_product(5, n), 5).image) for n in range(3)]
    return [*products, *(np.ascontiguousarray(looks[n % 3][:h, :w]) for n, (h, w) in enumerate(shapes))]


def test_vectors_match_those_of_torch(pictures: list[np.ndarray]) -> None:
    openvino_embedder, torch_embedder = OPENVINO.embedder_of(RECIPE, "cpu"), TORCH.embedder_of(RECIPE, "cpu")
    assert isinstance(openvino_embedder, openvino.OpenvinoEmbedder)
    assert (openvino_embedder.name, openvino_embedder.dim) == (torch_embedder.name, torch_embedder.dim)
    vectors = openvino_embedder.embed_images(pictures)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(pictures), openvino_embedder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors * torch_embedder.embed_images(pictures)).sum(axis=1).min() >= openvino.SAME_VECTOR
    texts = ["red dress", "빨간 원피스"]
    np.testing.assert_allclose(
        openvino_embedder.embed_texts(texts), torch_embedder.embed_texts(texts), atol=1e-5
    )
    with ThreadPoolExecutor(4) as callers:  # each concurrent call has its own inference request
        again = list(
            callers.map(lambda n: openvino_embedder.embed_images([pictures[n]])[0], range(len(pictures)))
        )
    np.testing.assert_allclose(again, vectors, atol=1e-5)


def test_boxes_match_those_of_torch(looks: list[np.ndarray]) -> None:
    openvino_detector, torch_detector = OPENVINO.detector_of(RECIPE, "cpu"), TORCH.detector_of(RECIPE, "cpu")
    assert isinstance(openvino_detector, openvino.OpenvinoDetector)
    found = openvino_detector.detect(looks)
    assert sum(map(len, found)) >= 6
    for objects, expected in zip(found, torch_detector.detect(looks), strict=True):
        assert [(d.box, d.label) for d in objects] == [(d.box, d.label) for d in expected]
        assert [d.score for d in objects] == pytest.approx([d.score for d in expected], abs=2e-3)
    with ThreadPoolExecutor(4) as callers:
        assert [d[0] for d in callers.map(openvino_detector.detect, [[look] for look in looks])] == found


def test_openvino_telemetry_is_off() -> None:
    OPENVINO.detector_of(RECIPE, "cpu")
    assert sys.modules["openvino_telemetry"] is None
    assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]


def test_differing_outputs_fall_back_to_torch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(openvino, "SAME_VECTOR", 1.1)
    with pytest.raises(ConfigError, match="set engine to torch"):
        OPENVINO.embedder_of(RECIPE, "cpu")
    with caplog.at_level(logging.WARNING):
        found = Loader(Engine.AUTO).embedder_of(RECIPE, "cpu")
    assert type(found) is OpenClipEmbedder
    assert "falling back to torch" in caplog.text


def test_custom_models_and_gpus_use_torch() -> None:
    assert isinstance(OPENVINO.detector_of(recipe(), "cpu"), FakeDetector)
    with pytest.raises(ConfigError, match="cpu only"):
        OPENVINO.detector_of(RECIPE, "cuda")
    assert openvino.load_detector(recipe(detector="transformers:anything"), 1) is None
