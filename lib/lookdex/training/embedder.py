"""Train the shipped embedder: an open_clip model whose image tower is EfficientNet-Lite0.

Three losses together: pairs (two views of one product are nearer than any other thing, with a memory
of earlier batches as further things), classes (the garment labels and the categories, by a cosine
classifier), and captions (CLIP's, where several pictures may share a caption).
"""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookdex.models.fcos import MEAN, STD, TRUNK
from lookdex.models.fuse import fuse
from lookdex.records import CATEGORIES
from lookdex.training.batches import LABELS, Batch, Mix, Pairs
from lookdex.training.crops import Crops
from lookdex.training.loop import (
    Average,
    Run,
    freeze_early,
    freeze_statistics,
    imagenet_trunk,
    load_start,
    one_cycle,
    write,
)
from lookdex.training.measure_embedder import report

SIZE, DIM, MARGIN, CONTEXT = 224, 256, 0.05, 20
# As many pixels as SIZE × SIZE in the shapes that things have; (height, width), multiples of the network's stride.
CANVASES = ((224, 224), (256, 192), (192, 256), (320, 160), (160, 320), (384, 128), (128, 384))
# The sides of pictures while training, as a share, until that part of the training is over: smaller ones are quicker,
# and a little larger afterwards does no harm (Touvron et al., Fixing the train-test resolution discrepancy, 2019).
SCALES = ((0.6, 160 / 224), (1.0, 192 / 224))
FROZEN = 2  # stages
WEIGHTS = "open_clip_model.safetensors"
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
        "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2},
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
    """out: where the model goes. run: checkpoints and curves. minutes: of training time.

    start: the folder of a trained model to go on from; None starts from ImageNet's weights.
    """

    out: Path
    run: Path
    data: Path
    rendered: Path
    rendered_seed: int
    held: Path
    minutes: float = 45
    rate: float = 1.2e-3
    export_every: float = 1200
    resume: bool = False
    seed: int = 0
    start: Path | None = None


class Heads(nn.Module):
    """What only the training needs: classifiers and temperatures."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = nn.Parameter(torch.randn(len(LABELS), DIM) * 0.02)
        self.categories = nn.Parameter(torch.randn(len(CATEGORIES), DIM) * 0.02)
        self.scale = nn.Parameter(torch.tensor(2.7))  # exp: 15

    def classes(self, z: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy over the garment labels (where there is one) and over the categories."""
        label, category = torch.from_numpy(batch.label), torch.from_numpy(batch.category)
        scale = self.scale.exp().clamp(max=40)
        loss = 0.5 * F.cross_entropy(scale * z @ F.normalize(self.categories, dim=1).T, category)
        known = label >= 0
        if known.any():
            loss = loss + 1.3 * F.cross_entropy(
                scale * z[known] @ F.normalize(self.labels, dim=1).T, label[known], label_smoothing=0.05
            )
        return loss


class Memory:
    """The vectors of the last batches: more things to be far from, at no cost (Wang et al., XBM, 2020)."""

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self.vectors, self.things = torch.zeros(0, DIM), torch.zeros(0, dtype=torch.int64)

    def add(self, vectors: Tensor, things: Tensor) -> None:
        self.vectors = torch.cat([vectors.detach(), self.vectors])[: self._size]
        self.things = torch.cat([things, self.things])[: self._size]


class Tower:
    """The image tower of a model that trains, for pictures of several shapes.

    Its frozen stages run without their batch norms (folded once) and without a graph.
    """

    def __init__(self, model: nn.Module) -> None:
        self._visual, trunk = model.visual, model.visual.trunk
        early = copy.deepcopy(trunk).eval()
        fuse(early)
        self._early = nn.Sequential(early.conv_stem, early.bn1, *early.blocks[:FROZEN])
        self._early.to(memory_format=torch.channels_last)

    def __call__(self, pictures: Sequence[np.ndarray]) -> Tensor:
        """Unit vectors, float32 (n, DIM)."""
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, picture in enumerate(pictures):
            groups[picture.shape].append(i)
        order = torch.tensor([i for members in groups.values() for i in members])
        parts = [self._forward(np.stack([pictures[i] for i in members])) for members in groups.values()]
        return F.normalize(torch.cat(parts)[torch.argsort(order)], dim=1)

    def _forward(self, pixels: np.ndarray) -> Tensor:
        trunk = self._visual.trunk
        with torch.no_grad():
            x = self._early(as_input(pixels))
        for stage in trunk.blocks[FROZEN:]:
            x = stage(x)
        features: Tensor = self._visual.head(trunk.forward_head(trunk.bn2(trunk.conv_head(x))))
        return features


def as_input(pixels: np.ndarray) -> Tensor:
    """uint8 (n, height, width, 3) → what the tower takes, float32 (n, 3, height, width), channels last in memory."""
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)


def pair_loss(z: Tensor, batch: Batch, memory: Memory, temperature: float = 0.07) -> Tensor:
    """InfoNCE: each view finds the other view of its thing among the batch and the memory."""
    n = len(z) // 2
    thing = torch.from_numpy(batch.thing)
    everything, things = torch.cat([z, memory.vectors]), torch.cat([thing, memory.things])
    logits = z @ everything.T / temperature
    partner = (torch.arange(2 * n) + n) % (2 * n)
    same = thing[:, None] == things[None, :]
    same[torch.arange(2 * n), partner] = False  # the one that counts; the same thing elsewhere does not
    each = F.cross_entropy(logits.masked_fill(same, -1e4), partner, reduction="none")
    weight = torch.from_numpy(batch.weight)
    return (each * weight).sum() / weight.sum()


def caption_loss(z: Tensor, texts: Tensor, which: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss over distinct captions `texts` (m, dim); picture i has caption which[i]."""
    logits = scale * z @ texts.T
    to_text = F.cross_entropy(logits, which)
    own = F.one_hot(which, len(texts)).float()
    to_image = -(F.log_softmax(logits, dim=0) * own / own.sum(0)).sum(0).mean()
    return (to_text + to_image) / 2


def train(settings: Settings) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    run = Run(settings.run, settings.minutes)
    rng = np.random.default_rng(settings.seed)
    crops = Crops(MARGIN, CANVASES, rng)
    pairs = Pairs(settings.data, settings.rendered, settings.rendered_seed, crops, Mix(), rng)
    print(f"{len(pairs)} rendered products", flush=True)
    settings.out.mkdir(parents=True, exist_ok=True)
    (settings.out / "open_clip_config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    schema = f"local-dir:{settings.out}"
    tokenizer = open_clip.get_tokenizer(schema)
    model, heads, memory = open_clip.create_model(schema, load_weights=False), Heads(), Memory()
    words = torch.zeros(49408, dtype=torch.bool)
    if settings.start:
        load_start(model, settings.start / WEIGHTS)
        words = model.text.token_embedding.weight.detach().ne(0).any(dim=1)
    else:
        imagenet_trunk(model.visual.trunk)
        nn.init.normal_(model.visual.head.proj.weight, std=1280**-0.5)
    freeze_early(model.visual.trunk, FROZEN)
    model = model.to(memory_format=torch.channels_last)
    trunk = [p for p in model.visual.trunk.parameters() if p.requires_grad]
    new = [*model.visual.head.parameters(), *model.text.parameters(), model.logit_scale, *heads.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": trunk, "share": 0.35}, {"params": new, "share": 1.0}], lr=settings.rate, weight_decay=0.02
    )
    average = Average(model, 0.98)
    states = run.resume() if settings.resume else None
    if states:
        model.load_state_dict(states["model"])
        heads.load_state_dict(states["heads"])
        optimizer.load_state_dict(states["optimizer"])
        average.values, words = states["average"], states["words"]
    exported = run.seconds

    def save() -> None:
        run.save(
            model=model.state_dict(), heads=heads.state_dict(), optimizer=optimizer.state_dict(),
            average=average.values, words=words,
        )  # fmt: skip

    tower = Tower(model)
    while run.progress < 1:
        model.train()
        freeze_statistics(model)
        crops.scale = next(scale for until, scale in SCALES if run.progress <= until)
        batch = pairs.batch()
        z = tower(batch.pictures)
        captions = sorted(set(batch.captions))
        tokens = tokenizer(captions)
        words[tokens.flatten()] = True
        texts = F.normalize(model.encode_text(tokens), dim=1)
        which = torch.tensor([captions.index(caption) for caption in batch.captions])
        losses = {
            "pairs": pair_loss(z, batch, memory),
            "classes": heads.classes(z, batch),
            "captions": 0.5 * caption_loss(z, texts, which, model.logit_scale.exp().clamp(max=50)),
        }
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_([*trunk, *new], 5.0)
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * group["share"] * one_cycle(run.progress)
        optimizer.step()
        if run.step > 60:  # early vectors move too fast to remember
            memory.add(z, torch.from_numpy(batch.thing))
        run.advance(len(z), {k: float(v.detach()) for k, v in losses.items()})
        average.update(model, run.step)
        if run.due(120):
            save()
            pairs.refresh()
        if run.seconds - exported > settings.export_every:
            exported = run.seconds
            export(average.values, words, settings.out)
            report(settings.out, settings.data, settings.held, run, MARGIN, looks=40, garments=200)
    save()
    export(average.values, words, settings.out)
    report(settings.out, settings.data, settings.held, run, MARGIN, looks=1000, garments=400)


def export(values: dict[str, Tensor], words: Tensor, out: Path) -> None:
    """Write weights in float16; words that no caption had become zeros (neutral, and they pack well)."""
    tensors = {k: (v.half() if v.is_floating_point() else v).contiguous().clone() for k, v in values.items()}
    for name in tensors:
        if name.endswith("token_embedding.weight"):
            tensors[name][~words] = 0
    tensors = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    write(tensors, out / WEIGHTS)
