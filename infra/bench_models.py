"""Cost of each model: the table of docs/models.md. Weights are random, so nothing is downloaded.

    python -m infra.bench_models [--rounds 3] [--only siglip]

Parameters count the whole model. GFLOPs (a multiply-add counts as two) and ms are for one image through the image side,
a crop for an embedder, a photo for a detector, at the size of the model's own preprocessing. ms is CPU time on one
thread, the fastest round, with the built-in models in the same run.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import open_clip
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForObjectDetection,
    DetrConfig,
    DFineConfig,
    HGNetV2Config,
    PreTrainedConfig,
    RTDetrConfig,
    YolosConfig,
)

from lookdex.models.detect import build
from lookdex.models.digests import TINY_DETECTOR, TINY_EMBEDDER

ARCHITECTURES = {  # open_clip's name → models
    "ViT-B-32": "CLIP B/32, FashionCLIP 2.0",
    "ViT-B-16": "CLIP B/16, Marqo-FashionCLIP",
    "ViT-B-16-SigLIP": "Marqo-FashionSigLIP",
    "ViT-B-16-SigLIP2": "SigLIP 2 B/16",
}
# As transformers' convert_d_fine_original_pytorch_checkpoint_to_hf.py writes it.
D_FINE_S = DFineConfig(
    backbone_config=HGNetV2Config(
        stem_channels=[3, 16, 16], stage_in_channels=[16, 64, 256, 512], stage_mid_channels=[16, 32, 64, 128],
        stage_out_channels=[64, 256, 512, 1024], hidden_sizes=[128, 256, 512, 1024], stage_num_blocks=[1, 1, 2, 1],
        stage_numb_of_layers=[3, 3, 3, 3], use_learnable_affine_block=True,
        out_features=["stage2", "stage3", "stage4"],  # type: ignore[call-arg]  # taken through **kwargs
    ),
    decoder_layers=3, hidden_expansion=0.5, depth_mult=0.34, decoder_n_points=[3, 6, 3],
    encoder_in_channels=[256, 512, 1024],
)  # fmt: skip
# As hustvl/yolos-small's config.json has it.
YOLOS_S = YolosConfig(
    hidden_size=384, num_attention_heads=6, intermediate_size=1536, image_size=[512, 864],
    num_detection_tokens=100, use_mid_position_embeddings=True,
)  # fmt: skip
DETECTORS: dict[str, tuple[PreTrainedConfig, tuple[int, int]]] = {  # height and width for a portrait photo
    "D-FINE S": (D_FINE_S, (640, 640)),
    "RT-DETR R50": (RTDetrConfig(), (640, 640)),
    "YOLOS small": (YOLOS_S, (768, 512)),
    "DETR R50": (DetrConfig(), (1200, 800)),
}


@dataclass(frozen=True)
class Candidate:
    """A model to measure."""

    name: str
    parameters: int
    """Number of parameters of the whole model."""
    size: tuple[int, int]
    output: str
    """Description of its output."""
    run: Callable[[Tensor], object]
    """Process one picture."""


def candidates(only: str) -> Iterator[Candidate]:
    """Yield the models whose name contains `only`, built one at a time."""
    names = {**ARCHITECTURES, f"local-dir:{TINY_EMBEDDER}": "lookdex-tiny embedder"}
    for architecture in (name for name, title in names.items() if only in title.lower()):
        model = open_clip.create_model(architecture, pretrained=None).eval()
        side = model.visual.image_size
        size = (side, side) if isinstance(side, int) else tuple(side)
        dim = model.encode_image(torch.zeros(1, 3, *size)).shape[1]
        yield Candidate(names[architecture], count(model), size, f"{dim}-d", model.encode_image)
    if only in "lookdex-tiny detector":
        yield tiny_detector()
    for name, (config, size) in DETECTORS.items():
        if only in name.lower():
            detector = AutoModelForObjectDetection.from_config(config).eval().requires_grad_(False)
            yield Candidate(name, count(detector), size, "boxes", detector)


def tiny_detector() -> Candidate:
    config = json.loads((TINY_DETECTOR / "config.json").read_text())
    model = build(config, TINY_DETECTOR).eval()
    size = max(map(tuple, config["canvases"]))
    return Candidate("lookdex-tiny detector", count(model), size, "boxes", lambda x: model([x[0]]))


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="only models whose name contains this, in lower case")
    options = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)  # silence open_clip's warning about random weights
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| model | parameters | picture | output | GFLOPs | ms |\n| --- | --: | --: | --: | --: | --: |")
    with torch.inference_mode():
        for model in candidates(options.only):
            picture = torch.rand(1, 3, *model.size)
            with FlopCounterMode(display=False) as flops:
                model.run(picture)
            spent = []
            for _ in range(options.rounds):
                start = time.process_time()
                model.run(picture)
                spent.append(time.process_time() - start)
            size = "×".join(map(str, model.size))
            print(
                f"| {model.name} | {model.parameters / 1e6:.1f} M | {size} | {model.output} "
                f"| {flops.get_total_flops() / 1e9:.1f} | {1000 * min(spent):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
