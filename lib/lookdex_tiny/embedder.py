"""lookdex-tiny's embedder: network, training data, export."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lookdex.models.device import open_device
from lookdex.models.embed import load_embedder
from lookdex.models.fcos import MEAN, STD, TRUNK
from lookdex.taxonomy.categories import CATEGORIES
from lookdex.training.ahead import count_workers
from lookdex.training.convolutions import disable_cudnn
from lookdex.training.embedder.drawing import open_source
from lookdex.training.embedder.fit import Batch, Options, Source, Trainee, fit
from lookdex.training.embedder.losses import Heads
from lookdex.training.embedder.tower import EfficientNetTower
from lookdex.training.loop import Run, freeze_early, imagenet_trunk, load_start, write
from lookdex.training.measure import split_batches
from lookdex_tiny.crops import Crops
from lookdex_tiny.lookalikes import Lookalikes
from lookdex_tiny.measure import report
from lookdex_tiny.pace import CPU, scale_at
from lookdex_tiny.pairs import LABELS, Mix, Pairs

SIZE, DIM, MARGIN, CONTEXT = 224, 256, 0.05, 20
# As many pixels as SIZE × SIZE, in the shapes of objects; (height, width), multiples of the network's stride.
CANVASES = ((224, 224), (256, 192), (192, 256), (320, 160), (160, 320), (384, 128), (128, 384))
FROZEN = 2  # stages
WEIGHTS = "open_clip_model.safetensors"
LOOKALIKES = "lookalikes.npz"  # in the run's folder
ALIKE = 0.05  # temperature of the pair loss for batches of similar products
VOCABULARY = 49408  # of open_clip's own tokenizer
CONFIG = {
    "model_cfg": {
        "embed_dim": DIM,
        "vision_cfg": {
            "timm_model_name": TRUNK,
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": SIZE,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": VOCABULARY,
            "width": 64,
            "heads": 4,
            "layers": 2,
        },
        "custom_text": True,
    },
    "preprocess_cfg": {
        "size": SIZE,
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        "resize_mode": "longest",
        "fill_color": 255,
    },
    "lookdex_cfg": {
        "crop_margin": MARGIN,
        "lower_case": True,
        "canvases": [list(canvas) for canvas in CANVASES],
    },
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of lookdex-tiny's embedder."""

    out: Path
    """The model's folder."""
    run: Path
    """Checkpoints and logs."""
    data: Path
    """Folder with ccp/ and clothing/."""
    rendered: Path
    """Folder of `lookdex.training.rendered` for training; `held` is that for evaluation."""
    rendered_seed: int
    """Seed of `rendered`."""
    held: Path
    start: Path | None = None
    """Folder of a trained model to continue from; None: ImageNet weights."""
    keep: float = 0.0
    """The share of its weights in the exported model, 0 … 1 (Wortsman et al., Robust fine-tuning of zero-shot models,
    2022).
    """
    options: Options = field(default_factory=Options)
    mix: Mix = CPU.mix
    """Of batches, as in `pace.Pace`; so is `scales`."""
    scales: tuple[tuple[float, float], ...] = CPU.scales
    tagged: Path | None = None
    """As in `pairs.Pairs`."""
    workers: int | None = None
    """Prefetch processes; None: see `ahead.count_workers`."""
    alike: bool = False
    """Fill batches with rendered products that look alike to `start`. The right product of another shop then comes
    first more often (0.859 instead of 0.835 after 75,000 crops), but real garments have slightly fewer neighbours of
    their label (0.797 instead of 0.807).
    """


class Drawn:
    """Batches of rendered and real things, on canvases that grow towards the end of the training."""

    def __init__(self, settings: Settings, worker: int = 0, folder: Path | None = None) -> None:
        rng = np.random.default_rng((settings.options.seed, worker))
        self._crops, self._scales = Crops(MARGIN, CANVASES, rng, folder=folder), settings.scales
        self._pairs = open_pairs(settings, self._crops, rng)
        self.refresh = self._pairs.refresh  # the rendered folder may still grow

    def batch(self, progress: float) -> Batch:
        self._crops.scale = scale_at(self._scales, progress)
        return self._pairs.batch()


def source(settings: Settings, workers: int) -> AbstractContextManager[Source]:
    """The training's batches. Worker processes share their crops in the run's folder."""
    return open_source(partial(Drawn, settings, folder=settings.run / "crops" if workers else None), workers)


def open_pairs(settings: Settings, crops: Crops, rng: np.random.Generator) -> Pairs:
    lookalikes_file = settings.run / LOOKALIKES
    return Pairs(
        settings.data, settings.rendered, settings.rendered_seed, crops, settings.mix, rng, settings.tagged,
        Lookalikes.load(lookalikes_file) if settings.alike and lookalikes_file.exists() else None,
    )  # fmt: skip


def find_lookalikes(settings: Settings) -> None:
    """Find similar rendered products, by the start model's vectors of their first photos, and save them."""
    crops = Crops(MARGIN, CANVASES, np.random.default_rng(0))
    pairs = open_pairs(settings, crops, np.random.default_rng(0))
    print("finding similar rendered products", flush=True)
    embedder = load_embedder(str(settings.start), device=settings.options.device)
    ids: list[str] = []
    vectors: list[np.ndarray] = []
    for ids_batch in split_batches(pairs.product_ids(), 64):
        places = [pairs.product(one)[3] or pairs.product(one)[4] for one in ids_batch]
        vectors.append(embedder.embed_images([crops.plain(first) for first, *_ in places]))
        ids += ids_batch
    Lookalikes.compute(ids, np.concatenate(vectors)).save(settings.run / LOOKALIKES)


def train(settings: Settings) -> None:
    device = open_device(settings.options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.manual_seed(settings.options.seed)
    run = Run(settings.run, settings.options.minutes)
    settings.out.mkdir(parents=True, exist_ok=True)
    (settings.out / "open_clip_config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    if settings.alike and not (settings.run / LOOKALIKES).exists():
        find_lookalikes(settings)
    schema = f"local-dir:{settings.out}"
    model, words = (
        open_clip.create_model(schema, load_weights=False),
        torch.zeros(VOCABULARY, dtype=torch.bool),
    )
    if settings.start:
        load_start(model, settings.start / WEIGHTS)
        words = model.text.token_embedding.weight.detach().ne(0).any(dim=1)
    else:
        imagenet_trunk(model.visual.trunk, TRUNK)
        nn.init.normal_(model.visual.head.proj.weight, std=1280**-0.5)
    freeze_early(model.visual.trunk, FROZEN)
    model = model.to(device=device, memory_format=torch.channels_last)
    heads = Heads(len(LABELS), len(CATEGORIES), DIM).to(device)
    trunk = [p for p in model.visual.trunk.parameters() if p.requires_grad]
    new = [*model.visual.head.parameters(), *model.text.parameters(), model.logit_scale, *heads.parameters()]
    trainee = Trainee(
        model, EfficientNetTower(model, MEAN, STD, device, FROZEN), heads,
        open_clip.get_tokenizer(schema), [(trunk, 0.35), (new, 1.0)], words,
    )  # fmt: skip

    def save(values: dict[str, Tensor]) -> None:
        assert trainee.words is not None  # given above; a resumed run has replaced them by its own
        export(values, trainee.words, settings.out)

    def halfway(values: dict[str, Tensor]) -> None:
        save(values)
        report(settings.out, settings.data, settings.held, run, MARGIN, looks=40, garments=200)

    workers = count_workers(device) if settings.workers is None else settings.workers
    with disable_cudnn(device), source(settings, workers) as batches:
        values = blend_with_start(settings, fit(trainee, batches, run, settings.options, halfway))
    save(values)
    report(settings.out, settings.data, settings.held, run, MARGIN, looks=1000, garments=400)


def blend_with_start(settings: Settings, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Blend trained weights with the start model's, as the settings require."""
    return blend(load_file(settings.start / WEIGHTS), values, settings.keep) if settings.start else values


def blend(before: dict[str, Tensor], after: dict[str, Tensor], keep: float) -> dict[str, Tensor]:
    """Interpolate weights: `keep` of before, the rest of after."""
    return {
        name: torch.lerp(value, before[name].to(value), keep) if value.is_floating_point() else value
        for name, value in after.items()
    }


def export(values: dict[str, Tensor], words: Tensor, out: Path) -> None:
    """Write weights in float16. Words that occurred in no caption become zeros, which are neutral and compress well."""
    tensors = {
        k: (v.half() if v.is_floating_point() else v).cpu().contiguous().clone() for k, v in values.items()
    }
    for name in tensors:
        if name.endswith("token_embedding.weight"):
            tensors[name][~words] = 0
    tensors = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    write(tensors, out / WEIGHTS)
