"""Fine-tune any open_clip model on a shop: product pictures, texts and labels."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from lookdex.evaluate.retrieval import LabelledVectors, Retrieval, retrieve
from lookdex.models.device import open_device
from lookdex.models.embed import Embedder, OpenClipModel, load_embedder, open_model
from lookdex.models.preprocess import Preprocess
from lookdex.training.ahead import count_workers
from lookdex.training.convolutions import disable_cudnn
from lookdex.training.embedder.drawing import open_source
from lookdex.training.embedder.fit import Options, Trainee, fit
from lookdex.training.embedder.losses import Heads
from lookdex.training.embedder.shop import Picture, Shop, move_to_file, replace_background, strong_view
from lookdex.training.embedder.tower import EfficientNetTower, Pictures, Tower
from lookdex.training.loop import Run, freeze_early, write

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"
FROZEN = 2  # stages of an EfficientNet: they take the most time and change the least
TOWER_SHARE = 0.35  # relative learning rate of pretrained weights
SWAPPED = 0.25  # share of pictures with a replaced background


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a fine-tuning."""

    model: str
    """A name that the setting `embedder` accepts."""
    out: Path
    """The new model's folder."""
    run: Path
    """Checkpoints and logs."""
    held: float = 0.1
    """Share of the products held out for evaluation."""
    unlock: int | None = None
    """Number of layer groups of the image tower that are trained, from its end; None: all (all but the first stages of
    an EfficientNet).
    """
    pairs: int = 16
    """Pairs per batch."""
    licence: str = ""
    """For the model card; so is `data`."""
    data: str = ""
    options: Options = field(default_factory=lambda: Options(rate=3e-4))
    workers: int | None = None
    """Prefetch processes; None: see `ahead.count_workers`. The same number draws the same batches."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Retrieval between pictures of held-out products, before and after training."""

    before: Retrieval
    after: Retrieval


def finetune(settings: Settings, pictures: Sequence[Picture]) -> Evaluation | None:
    """Train, write the model's folder with its card, and evaluate; None if no held-out product has two pictures.

    Raises:
        ModelNotFound, ConfigError, DeviceUnavailable; FloatingPointError: the training diverged.
    """
    device = open_device(settings.options.device)
    torch.manual_seed(settings.options.seed)
    opened = open_model(settings.model)
    learn, judge = split(pictures, settings.held)
    workers = count_workers(device) if settings.workers is None else settings.workers
    if workers:
        learn = move_to_file(learn, settings.run / "pictures.bin")
    make = partial(open_shop, learn, opened.preprocess, settings)
    shop = make(0)
    print(f"{len(shop)} products, {len(learn)} pictures; {len(judge)} pictures held out", flush=True)
    before = retrieval(load_embedder(settings.model, device=settings.options.device), judge)
    run = Run(settings.run, settings.options.minutes)
    with disable_cudnn(device), open_source(make, workers) as batches:
        trainee = _trainee(opened, shop, settings, device)
        values = fit(trainee, batches, run, settings.options, lambda values: save(opened, settings, values))
    save(opened, settings, values)
    after = retrieval(load_embedder(str(settings.out), device=settings.options.device), judge)
    evaluation = Evaluation(before, after) if before and after else None
    (settings.out / "README.md").write_text(card(settings, shop, len(learn), run, evaluation))
    return evaluation


def split(pictures: Sequence[Picture], held: float) -> tuple[list[Picture], list[Picture]]:
    """Split into (training pictures, held-out pictures): the last share of products in a fixed random order."""
    products = sorted({picture.product_id for picture in pictures})
    order = np.random.default_rng(0).permutation(len(products))
    out = {products[i] for i in order[len(products) - round(held * len(products)) :]}
    sides: tuple[list[Picture], list[Picture]] = ([], [])
    for picture in pictures:
        sides[picture.product_id in out].append(picture)
    return sides


def open_shop(pictures: Sequence[Picture], preprocess: Preprocess, settings: Settings, worker: int) -> Shop:
    """A source of batches of the pictures, seeded by the worker."""
    rng = np.random.default_rng((settings.options.seed, worker))
    return Shop(pictures, partial(random_view, preprocess), rng, settings.pairs)


def random_view(preprocess: Preprocess, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random view of a picture (uint8 (H, W, 3)), preprocessed for the model."""
    if rng.random() < SWAPPED:
        picture = replace_background(picture, rng)
    return preprocess(strong_view(picture, rng))


def retrieval(embedder: Embedder, pictures: Sequence[Picture]) -> Retrieval | None:
    """Retrieval of the other pictures of each picture's product; None if no product has two."""
    counts: dict[str, int] = defaultdict(int)
    for picture in pictures:
        counts[picture.product_id] += 1
    asking = [picture for picture in pictures if counts[picture.product_id] > 1]
    if not asking:
        return None
    vectors = [
        embedder.embed_images([p.load() for p in asking[i : i + 64]]) for i in range(0, len(asking), 64)
    ]
    return retrieve(LabelledVectors(np.concatenate(vectors), [p.product_id for p in asking]))


def _trainee(opened: OpenClipModel, shop: Shop, settings: Settings, device: torch.device) -> Trainee:
    model, look = opened.model, opened.preprocess
    model.to(device=device, memory_format=torch.channels_last)
    trunk = getattr(model.visual, "trunk", None)
    if isinstance(trunk, EfficientNet) and settings.unlock is None:
        freeze_early(trunk, FROZEN)
        tower: Tower = EfficientNetTower(model, look.mean, look.std, device, FROZEN)
    else:
        if settings.unlock is not None:
            model.lock_image_tower(unlocked_groups=settings.unlock)
        tower = Tower(model, look.mean, look.std, device)
    with torch.inference_mode():
        dim = tower(Pictures.stack([np.zeros((*look.canvases[0], 3), np.uint8)])).shape[1]
    heads = Heads(max(1, len(shop.labels)), max(1, len(shop.categories)), dim).to(device)
    knows_text = hasattr(model, "encode_text") and opened.extra.get("text") is not False
    tokenizer = open_clip.get_tokenizer(opened.schema) if knows_text else None
    if tokenizer is not None and opened.extra.get("lower_case"):
        tokenizer = _lower(tokenizer)
    learning = [p for p in model.parameters() if p.requires_grad]
    groups: list[tuple[list[nn.Parameter], float]] = [
        (learning, TOWER_SHARE),
        (list(heads.parameters()), 1.0),
    ]
    return Trainee(model, tower, heads, tokenizer, groups)


def _lower(tokenizer: Callable[[list[str]], Tensor]) -> Callable[[list[str]], Tensor]:
    return lambda texts: tokenizer([text.lower() for text in texts])


def save(opened: OpenClipModel, settings: Settings, values: dict[str, Tensor]) -> None:
    """Write the folder in the layout of open_clip's hub: config, float16 weights, and tokenizer files if any."""
    settings.out.mkdir(parents=True, exist_ok=True)
    config = {
        "model_cfg": _model_config(opened.schema),
        "preprocess_cfg": dict(open_clip.get_model_preprocess_cfg(opened.model)),
        "lookdex_cfg": opened.extra,
    }
    (settings.out / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
    write({k: (v.half() if v.is_floating_point() else v).cpu().contiguous().clone() for k, v in values.items()},
          settings.out / WEIGHTS)  # fmt: skip
    tokenizer = open_clip.get_tokenizer(opened.schema)
    if hasattr(tokenizer, "save_pretrained"):  # a Hugging Face tokenizer has its own files
        tokenizer.save_pretrained(str(settings.out))


def _model_config(schema: str) -> dict[str, Any]:
    kind, name = open_clip.factory.parse_model_name(schema)
    if kind == "local-dir":
        found: dict[str, Any] = json.loads((Path(name) / CONFIG).read_text())["model_cfg"]
    elif kind == "hf-hub":
        found = open_clip.factory._get_hf_config(name)["model_cfg"]
    else:
        found = open_clip.get_model_config(name)
    return found


def card(settings: Settings, shop: Shop, pictures: int, run: Run, evaluation: Evaluation | None) -> str:
    """The model card, in Markdown."""
    options, source = settings.options, f" ({settings.data})" if settings.data else ""
    kinds = f"{len(shop.labels)} labels, {len(shop.categories)} categories"
    how = f"peak learning rate {options.rate:g}, seed {options.seed}, on {options.device}"
    lines = [
        f"# {settings.out.name}",
        "",
        f"An open_clip model, fine-tuned from `{settings.model}` with lookdex.",
        "",
        f"- **Data**: {pictures:,} pictures of {len(shop):,} products{source}; {kinds}.",
        f"- **Training**: {run.step:,} steps, {run.images:,} views, {run.seconds / 60:.1f} minutes; {how}.",
        f"- **Licence**: {settings.licence or 'not stated'}; the model that it started from has its own.",
        "",
    ]
    if evaluation is None:
        return "\n".join([*lines, "Not evaluated: no held-out product has two pictures.", ""])
    rows = [("before", evaluation.before), ("after", evaluation.after)]
    lines += [
        f"Held out: {evaluation.after.queries:,} queries for the same product among {evaluation.after.gallery:,}.",
        "",
        "| | Recall@1 | Recall@5 | Recall@10 | mAP |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {r.recall[1]:.3f} | {r.recall[5]:.3f} | {r.recall[10]:.3f} | {r.mean_ap:.3f} |"
            for name, r in rows
        ),
    ]
    return "\n".join([*lines, ""])
