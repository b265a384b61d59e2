"""Loading model folders in the layout of the Hugging Face hub, with random weights."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lookdex.errors import BadQuery, ConfigError, ModelNotFound
from lookdex.models import digests
from lookdex.models.detect import load_detector
from lookdex.models.embed import load_embedder
from tests.support.photos import smooth

# ---------------------------------------------------------------- torchvision and transformers folders


@pytest.fixture(scope="session")
def torchvision_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def test_torchvision_folder(torchvision_folder: Path) -> None:
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


def test_weights_that_do_not_fit_the_config_are_refused(torchvision_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to(torchvision_folder / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"builder": "lookdex_fcos", "labels": ["bag"]}))
    with pytest.raises(ModelNotFound, match="do not fit lookdex_fcos"):
        load_detector(f"torchvision:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps({"builder": "no_such", "labels": ["bag"]}))
    with pytest.raises(ConfigError, match="no_such"):
        load_detector(f"torchvision:{tmp_path}")


def untyped_transformers() -> Any:
    """The package transformers. Its configurations take more arguments than their types say."""
    return importlib.import_module("transformers")


def _yolos(folder: Path) -> None:
    transformers = untyped_transformers()
    config = transformers.YolosConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[64, 96],
        patch_size=16, num_detection_tokens=8, id2label={0: "handbag", 1: "necktie"},
    )  # fmt: skip
    transformers.YolosForObjectDetection(config).save_pretrained(folder)
    transformers.YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}).save_pretrained(folder)


def _rt_detr(folder: Path) -> None:
    transformers = untyped_transformers()
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.RTDetrConfig(
        backbone_config=backbone, encoder_in_channels=[8, 16, 16], encoder_hidden_dim=16, encoder_ffn_dim=16,
        encoder_attention_heads=2, d_model=16, num_queries=8, decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16, decoder_layers=1, decoder_attention_heads=2, num_denoising=0,
        id2label={0: "handbag", 1: "necktie"},
    )  # fmt: skip
    transformers.RTDetrForObjectDetection(config).save_pretrained(folder)
    transformers.RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


def _d_fine(folder: Path) -> None:
    transformers = untyped_transformers()
    backbone = transformers.HGNetV2Config(
        stem_channels=[3, 8, 8], stage_in_channels=[8, 16, 16, 16], stage_mid_channels=[8] * 4,
        stage_out_channels=[16] * 4, hidden_sizes=[16] * 4, stage_num_blocks=[1] * 4, stage_numb_of_layers=[1] * 4,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.DFineConfig(
        backbone_config=backbone, encoder_in_channels=[16] * 3, encoder_hidden_dim=16, encoder_ffn_dim=16,
        encoder_attention_heads=2, d_model=16, num_queries=8, decoder_in_channels=[16] * 3, decoder_ffn_dim=16,
        decoder_layers=2, decoder_attention_heads=2, decoder_n_points=[2, 2, 2], num_denoising=0,
        id2label={0: "handbag", 1: "necktie"},
    )  # fmt: skip
    transformers.DFineForObjectDetection(config).save_pretrained(folder)
    transformers.RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


def _detr(folder: Path) -> None:
    transformers = untyped_transformers()
    backbone = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8] * 4, depths=[1] * 4, layer_type="basic", out_features=["stage4"]
    )
    config = transformers.DetrConfig(
        backbone_config=backbone, use_timm_backbone=False, d_model=16, num_queries=8, encoder_layers=1,
        decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2,
        decoder_attention_heads=2, id2label={0: "handbag", 1: "necktie"},
    )  # fmt: skip
    transformers.DetrForObjectDetection(config).save_pretrained(folder)
    transformers.DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}).save_pretrained(folder)


@pytest.mark.parametrize("make", [_yolos, _rt_detr, _d_fine, _detr])
def test_transformers_folder(make: Callable[[Path], None], tmp_path: Path) -> None:
    torch.manual_seed(1)
    make(tmp_path)
    detector = load_detector(f"transformers:{tmp_path}", min_score=0.0, nms_iou=0.9)
    images = smooth((90, 60), (60, 90), (500, 100))
    together, alone = detector.detect(images), [detector.detect([image])[0] for image in images]
    assert any(together)
    for image, objects, same in zip(images, together, alone, strict=True):
        assert {o.label for o in objects} <= {"bag", "scarf"}
        assert all(o.box.x1 <= image.shape[1] and o.box.y1 <= image.shape[0] for o in objects)
        assert [o.label for o in objects] == [o.label for o in same]
        assert [o.score for o in objects] == pytest.approx([o.score for o in same], abs=1e-3)
    assert len(digests.detector_digest(f"transformers:{tmp_path}")) == 16


# ---------------------------------------------------------------- open_clip folders


@pytest.fixture(scope="session", params=["longest", "shortest", "squash"])
def open_clip_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def test_open_clip_folder_gives_the_vectors_of_open_clip(open_clip_folder: Path) -> None:
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
    vectors = embedder.embed_images(images)
    assert vectors.shape == (2, embedder.dim) == (2, 16)
    assert vectors.dtype == np.float32
    assert (vectors * expected.numpy()).sum(axis=1).min() > 0.98  # open_clip resizes differently
    np.testing.assert_allclose(embedder.embed_texts(["a red hat"]), words.numpy(), atol=1e-5)


def test_siglip_folder_with_its_own_tokenizer(tmp_path: Path) -> None:
    """The layout of Marqo-FashionSigLIP: a timm tower with attention pooling, a text tower, tokenizer files."""
    import open_clip
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    transformers = untyped_transformers()
    words = ["<pad>", "</s>", "<unk>", "a", "red", "blue", "hat"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
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


def test_folder_without_weights_is_refused(open_clip_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text((open_clip_folder / "open_clip_config.json").read_text())
    with pytest.raises(ModelNotFound, match="no weights"):
        load_embedder(str(tmp_path))


def test_model_without_a_text_tower_embeds_no_texts(open_clip_folder: Path, tmp_path: Path) -> None:
    config = json.loads((open_clip_folder / "open_clip_config.json").read_text())
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps(config | {"lookdex_cfg": {"text": False, "crop_margin": 0.2}})
    )
    (tmp_path / "open_clip_model.safetensors").symlink_to(open_clip_folder / "open_clip_model.safetensors")
    with pytest.raises(BadQuery, match="has no text tower"):
        load_embedder(str(tmp_path)).embed_texts(["red"])
    assert digests.embedder_defaults(str(tmp_path)).crop_margin == 0.2
    assert digests.embedder_digest(str(tmp_path)) != digests.embedder_digest(str(open_clip_folder))


def with_canvases(folder: Path, out: Path, *canvases: tuple[int, int]) -> Path:
    """Write a copy of the model with canvases to `out`."""
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["lookdex_cfg"] = {**config.get("lookdex_cfg", {}), "canvases": canvases}
    (out / "open_clip_config.json").write_text(json.dumps(config))
    (out / "open_clip_model.safetensors").symlink_to(folder / "open_clip_model.safetensors")
    return out


def test_canvas_depends_on_the_shape_and_vectors_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    shapes = [(224, 224), (160, 320), (320, 160)]
    embedder = load_embedder(str(with_canvases(digests.TINY_EMBEDDER, tmp_path, *shapes)), batch=2)
    pictures = smooth((300, 300), (100, 200), (90, 180), (400, 200), (80, 160), (64, 64))
    together = embedder.embed_images(pictures)
    alone = np.concatenate([embedder.embed_images([picture]) for picture in pictures])
    assert together.shape == (6, embedder.dim)
    assert (together * alone).sum(axis=1).min() > 0.9999
    # A picture with the shape of a canvas fills it: padding would change its vector.
    framed = np.full((200, 200, 3), 255, np.uint8)
    framed[50:150] = pictures[1]
    assert float(together[1] @ embedder.embed_images([framed])[0]) < 0.999


def test_cropping_models_cannot_have_canvases(open_clip_folder: Path, tmp_path: Path) -> None:
    folder = with_canvases(open_clip_folder, tmp_path, (32, 32))
    mode = json.loads((folder / "open_clip_config.json").read_text())["preprocess_cfg"]["resize_mode"]
    if mode == "longest":
        load_embedder(str(folder))
    else:
        with pytest.raises(ConfigError, match="canvases"):
            load_embedder(str(folder))
