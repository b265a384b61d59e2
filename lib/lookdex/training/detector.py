"""Train the shipped detector on street photos with boxes, rendered photos, and garments on plain grounds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lookdex.evaluate.detection import DetectionScore
from lookdex.models.detect import Limits, TorchvisionDetector, build
from lookdex.records import CATEGORIES
from lookdex.training import rendered, sources
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
from lookdex.training.measure import in_batches, score_scenes
from lookdex.training.records import Scene
from lookdex.training.windows import Windows

CANVASES = ((416, 288), (288, 416), (352, 352))  # height, width
CONFIG = {
    "builder": "lookdex_fcos_lite0",
    "arguments": {"num_classes": len(CATEGORIES), "channels": 64, "convs": 2},
    "labels": list(CATEGORIES),
    "canvases": [list(canvas) for canvas in CANVASES],
    "fill": 127,
    "min_score": 0.4,
}
BOX_WEIGHT = 2.0  # a loose box costs the embedder more than a missed one: the crop shows the neighbours


@dataclass(frozen=True, slots=True)
class Settings:
    """out: where the model goes. run: checkpoints and curves. minutes: of training time.

    start: the folder of a trained model to go on from; None starts from ImageNet's weights.
    """

    out: Path
    run: Path
    data: Path
    rendered: Path
    held: Path
    minutes: float = 45
    batch: int = 8
    rate: float = 1.5e-3
    export_every: float = 600
    resume: bool = False
    seed: int = 0
    start: Path | None = None


def train(settings: Settings) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    run = Run(settings.run, settings.minutes)
    windows = Windows(settings.data, settings.rendered, CANVASES, np.random.default_rng(settings.seed))
    print(f"photos: {windows.counts()}", flush=True)
    model = build(CONFIG, settings.out)
    if settings.start:
        load_start(model, settings.start / "model.safetensors")
    else:
        imagenet_trunk(model.backbone.trunk)
    freeze_early(model.backbone.trunk)
    model = model.to(memory_format=torch.channels_last)
    trunk = [p for p in model.backbone.trunk.parameters() if p.requires_grad]
    new = [*model.backbone.pyramid.parameters(), *model.head.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": trunk, "share": 0.4}, {"params": new, "share": 1.0}], lr=settings.rate, weight_decay=0.02
    )
    states = run.resume() if settings.resume else None
    if states:
        model.load_state_dict(states["model"])
        optimizer.load_state_dict(states["optimizer"])
    average = Average(model)
    if states:
        average.values = states["average"]
    exported = run.seconds
    while run.progress < 1:
        model.train()
        freeze_statistics(model)
        pixels, targets = windows.batch(settings.batch)
        losses = model(list(pixels), targets)
        optimizer.zero_grad(set_to_none=True)
        sum(BOX_WEIGHT * v if k == "bbox_regression" else v for k, v in losses.items()).backward()
        nn.utils.clip_grad_norm_([*trunk, *new], 8.0)
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * group["share"] * one_cycle(run.progress)
        optimizer.step()
        run.advance(settings.batch, {k.split("_")[-1]: float(v.detach()) for k, v in losses.items()})
        average.update(model, run.step)
        if run.due(120):
            run.save(model=model.state_dict(), optimizer=optimizer.state_dict(), average=average.values)
            windows.refresh()
        if run.seconds - exported > settings.export_every:
            exported = run.seconds
            export(average.values, settings.out)
            report(settings, run, photos=40)
    run.save(model=model.state_dict(), optimizer=optimizer.state_dict(), average=average.values)
    export(average.values, settings.out)
    report(settings, run, photos=200)


def export(values: dict[str, torch.Tensor], out: Path) -> None:
    """Write weights in float16, and the configuration that is not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {
        k: (v.half() if v.is_floating_point() else v).contiguous()
        for k, v in values.items()
        if not k.endswith("num_batches_tracked")
    }
    write(tensors, out / "model.safetensors")
    if not (out / "config.json").exists():
        (out / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")


def measure(folder: Path, scenes: list[Scene], min_score: float) -> DetectionScore:
    """Score a model folder on photos, through the same code that runs in production."""
    detector = TorchvisionDetector.load(f"torchvision:{folder}", torch.device("cpu"), Limits(0.05, 0.7, 40))
    detected = []
    for batch in in_batches(scenes, 8):
        detected += detector.detect([sources.read(scene.path) for scene in batch])
    return score_scenes(scenes, detected, min_score)


def held_out(settings: Settings) -> dict[str, list[Scene]]:
    catalogue, looks = rendered.load(settings.held)
    return {"street": sources.street(settings.data / "ccp")[1], "looks": looks, "catalogue": catalogue}


def report(settings: Settings, run: Run, photos: int) -> None:
    config = json.loads((settings.out / "config.json").read_text())
    for name, scenes in held_out(settings).items():
        if not scenes:
            continue
        score = measure(settings.out, scenes[:photos], config["min_score"])
        parts = {k: [round(v.ap50, 3), round(v.found, 3), v.objects] for k, v in score.by_category.items()}
        run.log("held", source=name, ap50=score.ap50, found=score.found, wrong=score.wrong, categories=parts)
        print(
            f"held-out {name}: AP50 {score.ap50:.3f}, found {score.found:.3f}, wrong {score.wrong:.2f} a photo; "
            + "  ".join(f"{k} {v[0]:.2f}/{v[1]:.2f}" for k, v in parts.items()),
            flush=True,
        )
