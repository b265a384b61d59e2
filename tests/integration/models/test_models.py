"""Behaviour shared by all models: pixels, names, devices, digests, boxes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import ConfigError, DeviceUnavailable, ModelNotFound
from lookdex.models import digests
from lookdex.models.detect import load_detector
from lookdex.models.device import open_device
from lookdex.models.embed import _unit, load_embedder
from lookdex.models.fcos import lookdex_fcos
from lookdex.models.fuse import fuse
from lookdex.models.limits import DetectionLimits, map_label
from lookdex.models.pixels import choose_canvas, fit
from lookdex.records import Box
from lookdex.taxonomy.categories import CATEGORIES

# ---------------------------------------------------------------- pixels


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_canvas_is_the_one_that_shows_the_whole_photo_largest(height: int, width: int) -> None:
    canvases = [(416, 288), (288, 416), (352, 352)]
    chosen = choose_canvas((height, width), canvases)
    scales = [min(h / height, w / width) for h, w in canvases]
    assert min(chosen[0] / height, chosen[1] / width) == pytest.approx(max(scales))


def test_fit_keeps_the_aspect_ratio_and_pads() -> None:
    image = np.full((100, 50, 3), 10, np.uint8)
    out, place = fit(image, (200, 200), 255, centred=True)
    assert out.shape == (200, 200, 3)
    assert place.scale == 2
    assert (place.left, place.top) == (50, 0)
    assert (out[:, 50:150] == 10).all()
    assert (out[:, :50] == 255).all()
    assert (out[:, 150:] == 255).all()


# ---------------------------------------------------------------- names, labels, devices, digests


def test_labels_of_other_models_are_mapped_to_categories() -> None:
    assert [map_label(x) for x in ("handbag", "Tie", "tights, stockings", "long sleeve top", "Sunglasses")] == [
        "bag", "scarf", "legwear", "top", "glasses",
    ]  # fmt: skip
    assert [map_label(x) for x in ("shirt, blouse", "bag, wallet", "headband, head covering, hair accessory")] == [
        "top", "bag", "hat",
    ]  # fmt: skip
    assert [map_label(x) for x in ("sleeve", "umbrella", "hood")] == ["sleeve", "umbrella", "hood"]
    assert map_label("person") == "person"
    assert map_label("person", False) is None
    assert all(map_label(c) == c for c in CATEGORIES)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:0", ""])
def test_unknown_device_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="use cpu"):
        open_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_missing_gpu_is_an_error_without_fallback(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceUnavailable, match=name):
        load_embedder("lookdex-tiny", device=name)
    with pytest.raises(DeviceUnavailable, match=name):
        load_detector("lookdex-tiny", device=name)


@pytest.mark.parametrize(
    "name",
    ["nothing", "torchvision:/no/such/folder", "transformers:/no/such/folder", "transformers:no/such-model"],
)
def test_missing_detector_error_names_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match=r"use lookdex-tiny|needs config\.json|hf download"):
        load_detector(name)


@pytest.mark.parametrize(
    "name", ["nothing", "open_clip:ViT-B-32/no_such_tag", "open_clip:ViT-B-32", "hf-hub:no/such-model"]
)
def test_missing_embedder_error_names_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match=r"use lookdex-tiny|it has|use open_clip"):
        load_embedder(name)


def test_hub_model_that_was_not_downloaded_has_no_digest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFound, match="hf download"):
        digests.detector_digest("transformers:org/model")
    refs = tmp_path / "models--org--model" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("0123abcd")
    first = digests.detector_digest("transformers:org/model")
    (refs / "main").write_text("4567abcd")
    assert digests.detector_digest("transformers:org/model") != first


def test_digest_depends_on_weights_and_config_but_not_on_the_readme(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    name = f"torchvision:{tmp_path}"
    first = digests.detector_digest(name)
    (tmp_path / "README.md").write_text("a card")
    assert digests.detector_digest(name) == first
    assert len(first) == 16
    (tmp_path / "model.safetensors").write_bytes(b"Weights")
    second = digests.detector_digest(name)
    assert second != first
    (tmp_path / "config.json").write_text('{"min_score": 0.5}')
    assert digests.detector_digest(name) != second
    assert digests.detector_defaults(name).min_score == 0.5


def test_digests_do_not_import_torch() -> None:
    code = (
        "import sys; from lookdex.models import digests as d; "
        "print(d.detector_digest('lookdex-tiny'), d.embedder_digest('lookdex-tiny'), "
        "d.embedder_defaults('lookdex-tiny').crop_margin); assert 'torch' not in sys.modules"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [
        digests.detector_digest("lookdex-tiny"),
        digests.embedder_digest("lookdex-tiny"),
        str(digests.embedder_defaults("lookdex-tiny").crop_margin),
    ]


def test_custom_model_digest_is_of_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_models.py").write_text("def detector(**settings):\n    return None\n")
    first = digests.detector_digest("python:own_models:detector")
    (tmp_path / "own_models.py").write_text("def detector(**settings):\n    return 1\n")
    assert digests.detector_digest("python:own_models:detector") != first
    assert digests.detector_defaults("python:own_models:detector").min_score > 0
    with pytest.raises(ModelNotFound, match="PYTHONPATH"):
        digests.embedder_digest("python:own_models:embedder")


# ---------------------------------------------------------------- filtering of detected boxes


def test_overlapping_weak_and_unlabelled_boxes_are_dropped() -> None:
    limits = DetectionLimits(min_score=0.3, nms_iou=0.6, max_objects=2)
    boxes = torch.tensor(
        [[-3.2, 1.4, 50, 60], [0, 0, 51, 61], [60, 0, 70, 9.6], [5, 5, 5.2, 9], [0, 0, 9, 9], [80, 0, 90, 9]]
    )
    scores = torch.tensor([0.9, 0.8, 0.5, 0.99, 0.2, 0.95])
    found = limits.keep(boxes, scores, ["top", "dress", "bag", "belt", "hat", None], 60, 64)
    assert [(d.label, d.box) for d in found] == [("top", Box(0, 1, 50, 60)), ("bag", Box(60, 0, 64, 10))]
    assert [d.score for d in found] == pytest.approx([0.9, 0.5])


# ---------------------------------------------------------------- networks


def test_fused_batch_norms_give_the_same_features() -> None:
    torch.manual_seed(0)
    model = lookdex_fcos(3).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    pixels = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        before = [f.clone() for f in model.backbone(pixels).values()]
        assert fuse(model.backbone.trunk) == 48
        after = list(model.backbone(pixels).values())
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_zero_features_give_a_unit_vector() -> None:
    vectors = _unit(torch.tensor([[0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 4.0, 0.0]]))
    np.testing.assert_allclose(vectors, [[0.5] * 4, [0.6, 0, 0.8, 0]], atol=1e-6)
