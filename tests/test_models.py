"""Loaders against folders laid out as the hub lays them out (random weights)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import BadQuery, ConfigError, DeviceUnavailable, ModelNotFound
from lookdex.models import digests
from lookdex.models.detect import Limits, load_detector, own_label
from lookdex.models.device import open_device
from lookdex.models.embed import _unit, load_embedder
from lookdex.models.fcos import lookdex_fcos
from lookdex.models.fuse import fuse
from lookdex.models.pixels import choose_canvas, fit
from lookdex.records import CATEGORIES, Box
from tests.photos import smooth

# ---------------------------------------------------------------- pixels


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_photo_lies_whole_on_the_canvas_that_draws_it_largest(height: int, width: int) -> None:
    canvases = [(416, 288), (288, 416), (352, 352)]
    chosen = choose_canvas((height, width), canvases)
    scales = [min(h / height, w / width) for h, w in canvases]
    assert min(chosen[0] / height, chosen[1] / width) == pytest.approx(max(scales))


def test_fit_keeps_the_shape_and_fills_the_rest() -> None:
    image = np.full((100, 50, 3), 10, np.uint8)
    out, place = fit(image, (200, 200), 255, centred=True)
    assert out.shape == (200, 200, 3)
    assert place.scale == 2
    assert (place.left, place.top) == (50, 0)
    assert (out[:, 50:150] == 10).all()
    assert (out[:, :50] == 255).all()
    assert (out[:, 150:] == 255).all()


# ---------------------------------------------------------------- names, labels, devices, digests


def test_other_models_labels_become_categories() -> None:
    assert [own_label(x) for x in ("handbag", "Tie", "tights, stockings", "long sleeve top", "Sunglasses")] == [
        "bag", "scarf", "legwear", "top", "glasses",
    ]  # fmt: skip
    assert [own_label(x) for x in ("shirt, blouse", "bag, wallet", "headband, head covering, hair accessory")] == [
        "top", "bag", "hat",
    ]  # fmt: skip
    assert [own_label(x) for x in ("sleeve", "umbrella", "hood")] == ["sleeve", "umbrella", "hood"]
    assert own_label("person") == "person"
    assert own_label("person", False) is None
    assert all(own_label(c) == c for c in CATEGORIES)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:0", ""])
def test_a_device_that_is_none_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="use cpu"):
        open_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_a_gpu_that_is_not_there_is_an_error_never_the_cpu(name: str) -> None:
    with pytest.raises(DeviceUnavailable, match=name):
        load_embedder("lookdex-tiny", device=name)
    with pytest.raises(DeviceUnavailable, match=name):
        load_detector("lookdex-tiny", device=name)


@pytest.mark.parametrize(
    "name",
    ["nothing", "torchvision:/no/such/folder", "transformers:/no/such/folder", "transformers:no/such-model"],
)
def test_a_missing_detector_says_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match=r"use lookdex-tiny|needs config\.json|hf download"):
        load_detector(name)


@pytest.mark.parametrize(
    "name", ["nothing", "open_clip:ViT-B-32/no_such_tag", "open_clip:ViT-B-32", "hf-hub:no/such-model"]
)
def test_a_missing_embedder_says_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match=r"use lookdex-tiny|it has|write open_clip"):
        load_embedder(name)


def test_a_hub_model_that_was_never_fetched_has_no_digest(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFound, match="hf download"):
        digests.detector_digest("transformers:org/model")
    refs = tmp_path / "models--org--model" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("0123abcd")
    first = digests.detector_digest("transformers:org/model")
    (refs / "main").write_text("4567abcd")
    assert digests.detector_digest("transformers:org/model") != first


def test_a_digest_follows_the_bytes_and_the_names_but_not_the_card(tmp_path) -> None:
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


def test_digests_load_no_torch() -> None:
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


def test_a_model_of_ones_own_is_known_by_its_modules_bytes(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_models.py").write_text("def detector(**settings):\n    return None\n")
    first = digests.detector_digest("python:own_models:detector")
    (tmp_path / "own_models.py").write_text("def detector(**settings):\n    return 1\n")
    assert digests.detector_digest("python:own_models:detector") != first
    assert digests.detector_defaults("python:own_models:detector").min_score > 0
    with pytest.raises(ModelNotFound, match="PYTHONPATH"):
        digests.embedder_digest("python:own_models:embedder")


# ---------------------------------------------------------------- what is kept of raw boxes


def test_one_object_gets_one_label_and_whole_pixels_inside_the_photo() -> None:
    limits = Limits(min_score=0.3, nms_iou=0.6, max_objects=2)
    boxes = torch.tensor(
        [[-3.2, 1.4, 50, 60], [0, 0, 51, 61], [60, 0, 70, 9.6], [5, 5, 5.2, 9], [0, 0, 9, 9], [80, 0, 90, 9]]
    )
    scores = torch.tensor([0.9, 0.8, 0.5, 0.99, 0.2, 0.95])
    found = limits.keep(boxes, scores, ["top", "dress", "bag", "belt", "hat", None], 60, 64)
    assert [(d.label, d.box) for d in found] == [("top", Box(0, 1, 50, 60)), ("bag", Box(60, 0, 64, 10))]
    assert [d.score for d in found] == pytest.approx([0.9, 0.5])


# ---------------------------------------------------------------- torchvision and transformers folders


@pytest.fixture(scope="session")
def torchvision_folder(tmp_path_factory: pytest.TempPathFactory):
    from safetensors.torch import save_model
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    folder = tmp_path_factory.mktemp("torchvision")
    torch.manual_seed(0)
    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    save_model(model, str(folder / "model.safetensors"))
    config = {
        "builder": "ssdlite320_mobilenet_v3_large",
        "labels": ["", "handbag", "person"],
        "keep_unknown": False,
        "canvases": [[320, 320]],
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_torchvision_folder(torchvision_folder) -> None:
    detector = load_detector(f"torchvision:{torchvision_folder}", min_score=0.0, max_objects=7)
    images = smooth((300, 200), (64, 640))
    found = detector.detect(images)
    assert detector.name == f"torchvision:{torchvision_folder}"
    for image, objects in zip(images, found, strict=True):
        assert 0 < len(objects) <= 7
        assert {o.label for o in objects} == {"bag"}
        assert all(0 <= o.box.x0 < o.box.x1 <= image.shape[1] for o in objects)
        assert all(0 <= o.box.y0 < o.box.y1 <= image.shape[0] for o in objects)
        assert [o.score for o in objects] == sorted((o.score for o in objects), reverse=True)
    assert detector.detect([]) == []


def test_weights_of_another_model_are_refused(torchvision_folder, tmp_path) -> None:
    (tmp_path / "model.safetensors").symlink_to(torchvision_folder / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"builder": "lookdex_fcos", "labels": ["bag"]}))
    with pytest.raises(ModelNotFound, match="not those of lookdex_fcos"):
        load_detector(f"torchvision:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps({"builder": "no_such", "labels": ["bag"]}))
    with pytest.raises(ConfigError, match="no_such"):
        load_detector(f"torchvision:{tmp_path}")


def _yolos(folder) -> None:
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    config = YolosConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[64, 96],
        patch_size=16, num_detection_tokens=8, id2label={0: "handbag", 1: "necktie"},
    )  # fmt: skip
    YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}).save_pretrained(folder)


def _rt_detr(folder) -> None:
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = RTDetrConfig(
        backbone_config=backbone, encoder_in_channels=[8, 16, 16], encoder_hidden_dim=16, encoder_ffn_dim=16,
        encoder_attention_heads=2, d_model=16, num_queries=8, decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16, decoder_layers=1, decoder_attention_heads=2, num_denoising=0,
        id2label={0: "handbag", 1: "necktie"},
    )  # fmt: skip
    RTDetrForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


def _d_fine(folder) -> None:
    from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config, RTDetrImageProcessor

    backbone = HGNetV2Config(
        stem_channels=[3, 8, 8], stage_in_channels=[8, 16, 16, 16], stage_mid_channels=[8] * 4,
        stage_out_channels=[16] * 4, hidden_sizes=[16] * 4, stage_num_blocks=[1] * 4, stage_numb_of_layers=[1] * 4,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = DFineConfig(
        backbone_config=backbone, encoder_in_channels=[16] * 3, encoder_hidden_dim=16, encoder_ffn_dim=16,
        encoder_attention_heads=2, d_model=16, num_queries=8, decoder_in_channels=[16] * 3, decoder_ffn_dim=16,
        decoder_layers=2, decoder_attention_heads=2, decoder_n_points=[2, 2, 2], num_denoising=0,
        id2label={0: "handbag", 1: "necktie"},
    )  # fmt: skip
    DFineForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


def _detr(folder) -> None:
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

    backbone = ResNetConfig(
        embedding_size=8, hidden_sizes=[8] * 4, depths=[1] * 4, layer_type="basic", out_features=["stage4"]
    )
    config = DetrConfig(
        backbone_config=backbone, use_timm_backbone=False, d_model=16, num_queries=8, encoder_layers=1,
        decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2,
        decoder_attention_heads=2, id2label={0: "handbag", 1: "necktie"},
    )  # fmt: skip
    DetrForObjectDetection(config).save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}).save_pretrained(folder)


@pytest.mark.parametrize("make", [_yolos, _rt_detr, _d_fine, _detr])
def test_a_transformers_folder(make, tmp_path) -> None:
    torch.manual_seed(1)
    make(tmp_path)
    detector = load_detector(f"transformers:{tmp_path}", min_score=0.0, nms_iou=0.9)
    images = smooth((90, 60), (60, 90), (500, 100))
    together, alone = detector.detect(images), [detector.detect([image])[0] for image in images]
    assert any(together)
    for image, objects, same in zip(images, together, alone, strict=True):
        assert {o.label for o in objects} <= {"bag", "scarf"}
        assert all(o.box.x1 <= image.shape[1] and o.box.y1 <= image.shape[0] for o in objects)
        assert [(o.label, o.score) for o in objects] == [
            (o.label, pytest.approx(o.score, abs=1e-3)) for o in same
        ]
    assert len(digests.detector_digest(f"transformers:{tmp_path}")) == 16


# ---------------------------------------------------------------- open_clip folders


@pytest.fixture(scope="session", params=["longest", "shortest", "squash"])
def open_clip_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    import open_clip
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("open_clip")
    config = {
        "model_cfg": {
            "embed_dim": 16,
            "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
            "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
        },
        "preprocess_cfg": {
            "size": 32,
            "mean": [0.5] * 3,
            "std": [0.5] * 3,
            "resize_mode": request.param,
            "fill_color": 0,
        },
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


def test_an_open_clip_folder_embeds_as_open_clip_itself_does(open_clip_folder) -> None:
    import open_clip
    from PIL import Image

    embedder = load_embedder(str(open_clip_folder))
    model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{open_clip_folder}")
    images = smooth((64, 48), (40, 160))
    with torch.inference_mode():
        expected = model.eval().encode_image(
            torch.stack([prepare(Image.fromarray(i)) for i in images]), normalize=True
        )
        words = model.encode_text(
            open_clip.get_tokenizer(f"local-dir:{open_clip_folder}")(["a red hat"]), normalize=True
        )
    got = embedder.embed_images(images)
    assert got.shape == (2, embedder.dim) == (2, 16)
    assert got.dtype == np.float32
    assert (got * expected.numpy()).sum(axis=1).min() > 0.98  # their resize, not ours
    np.testing.assert_allclose(embedder.embed_texts(["a red hat"]), words.numpy(), atol=1e-5)


def test_a_siglip_folder_with_its_own_tokenizer(tmp_path) -> None:
    """Laid out like Marqo-FashionSigLIP: a timm tower that pools by attention, a text tower, a tokenizer's files."""
    import open_clip
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "a", "red", "blue", "hat"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(tmp_path)
    config = {
        "model_cfg": {
            "embed_dim": 64,
            "init_logit_bias": -10,
            "custom_text": True,
            "vision_cfg": {
                "image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": False,
                "timm_pool": "map", "timm_proj": "none",
            },
            "text_cfg": {
                "context_length": 8, "vocab_size": len(words), "hf_tokenizer_name": "org/its-own",
                "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 64, "heads": 2, "layers": 1,
                "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
            },
        },
        "preprocess_cfg": {"size": [160, 160], "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"},
    }  # fmt: skip
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{tmp_path}", load_weights=False).eval()
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "open_clip_model.safetensors"
    )

    embedder = load_embedder(str(tmp_path))
    assert embedder.embed_images(smooth((64, 48))).shape == (1, embedder.dim) == (1, 64)
    red, same, blue = embedder.embed_texts(["a red hat", "A red, hat!", "a blue hat"])
    with torch.inference_mode():
        expected = model.encode_text(torch.tensor([[3, 4, 6, 0, 0, 0, 0, 0]]), normalize=True)[0]
    np.testing.assert_allclose(red, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(red, same, atol=1e-6)
    assert np.abs(red - blue).max() > 1e-3


def test_a_folder_without_weights_is_refused(open_clip_folder, tmp_path) -> None:
    (tmp_path / "open_clip_config.json").write_text((open_clip_folder / "open_clip_config.json").read_text())
    with pytest.raises(ModelNotFound, match="no weights"):
        load_embedder(str(tmp_path))


def test_a_model_may_say_that_it_knows_no_texts(open_clip_folder, tmp_path) -> None:
    config = json.loads((open_clip_folder / "open_clip_config.json").read_text())
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps(config | {"lookdex_cfg": {"text": False, "crop_margin": 0.2}})
    )
    (tmp_path / "open_clip_model.safetensors").symlink_to(open_clip_folder / "open_clip_model.safetensors")
    with pytest.raises(BadQuery, match="knows no texts"):
        load_embedder(str(tmp_path)).embed_texts(["red"])
    assert digests.embedder_defaults(str(tmp_path)).crop_margin == 0.2
    assert digests.embedder_digest(str(tmp_path)) != digests.embedder_digest(str(open_clip_folder))


def with_canvases(folder: Path, out: Path, *canvases: tuple[int, int]) -> Path:
    """The same model with canvases."""
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["lookdex_cfg"] = {**config.get("lookdex_cfg", {}), "canvases": canvases}
    (out / "open_clip_config.json").write_text(json.dumps(config))
    (out / "open_clip_model.safetensors").symlink_to(folder / "open_clip_model.safetensors")
    return out


def test_canvases_follow_a_picture_s_shape_and_its_vector_not_its_neighbours(tmp_path) -> None:
    shapes = [(224, 224), (160, 320), (320, 160)]
    embedder = load_embedder(str(with_canvases(digests.TINY_EMBEDDER, tmp_path, *shapes)), batch=2)
    pictures = smooth((300, 300), (100, 200), (90, 180), (400, 200), (80, 160), (64, 64))
    together = embedder.embed_images(pictures)
    alone = np.concatenate([embedder.embed_images([picture]) for picture in pictures])
    assert together.shape == (6, embedder.dim)
    assert (together * alone).sum(axis=1).min() > 0.9999
    # A picture of a canvas's own shape fills it: white beside it would be seen.
    framed = np.full((200, 200, 3), 255, np.uint8)
    framed[50:150] = pictures[1]
    assert float(together[1] @ embedder.embed_images([framed])[0]) < 0.999


def test_canvases_are_refused_for_a_model_that_cuts_its_pictures(open_clip_folder, tmp_path) -> None:
    folder = with_canvases(open_clip_folder, tmp_path, (32, 32))
    mode = json.loads((folder / "open_clip_config.json").read_text())["preprocess_cfg"]["resize_mode"]
    if mode == "longest":
        load_embedder(str(folder))
    else:
        with pytest.raises(ConfigError, match="canvases"):
            load_embedder(str(folder))


def test_folding_batch_norms_changes_nothing_but_the_speed() -> None:
    torch.manual_seed(0)
    model = lookdex_fcos(3).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    pixels = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        before = [f.clone() for f in model.backbone(pixels).values()]
        assert fuse(model.backbone.trunk) == 48
        after = list(model.backbone(pixels).values())
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_a_picture_that_wakes_no_feature_has_a_vector_too() -> None:
    vectors = _unit(torch.tensor([[0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 4.0, 0.0]]))
    np.testing.assert_allclose(vectors, [[0.5] * 4, [0.6, 0, 0.8, 0]], atol=1e-6)
