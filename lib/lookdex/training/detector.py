"""Train a detector on photos with boxes (and optionally masks) and export it as a folder that lookdex loads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lookdex.errors import ConfigError
from lookdex.models.detect import DEFAULT_CANVASES
from lookdex.models.fcos import find_pyramid
from lookdex.training.ahead import count_workers, prefetch
from lookdex.training.card import Card, TrainingSummary, read_curve, write_card
from lookdex.training.loop import Average, Run, one_cycle
from lookdex.training.mixture import Mixture
from lookdex.training.network import (
    amp_dtype_for,
    export,
    groups,
    has_statistics,
    label_numbers,
    mixed_precision,
    open_network,
    train_mode,
)
from lookdex.training.processes import Group, join
from lookdex.training.regions import RegionLoss, region_weights
from lookdex.training.scores import Detected, detect_scenes, operating_point
from lookdex.training.windows import Batch, Inputs, Windows

BOX_WEIGHT = 2.0  # a loose box hurts the embedder more than a missed object: its crop includes neighbours
REGION_WEIGHT = 0.5
AVERAGE = 0.997  # moving average of the exported weights, over some 300 steps
SAVE_EVERY = 120.0  # seconds
MAX_NORM = 8.0  # gradient clipping
QUICK = 120  # held-out photos per source used during training


@dataclass(frozen=True, slots=True)
class Settings:
    """Training settings."""

    out: Path
    """The model's folder."""
    run: Path
    """Checkpoints and learning curves."""
    config: dict[str, Any]
    """The model's config.json."""
    start: Path | None = None
    """Folder of a trained model to continue from."""
    minutes: float = 60
    """Training time, over which the learning rate decays."""
    batch: int = 8
    """Windows per step and process."""
    rate: float = 1.2e-3
    """Peak learning rate."""
    measure_every: float = 900
    """Seconds between evaluations on held-out photos; 0: only at the end."""
    device: str = "cpu"
    """'cpu', 'cuda' or 'cuda:N'."""
    resume: bool = False
    seed: int = 0
    min_score: float | None = None
    """Operating point; None: the best F1 on the held-out photos."""
    workers: int | None = None
    """Prefetch processes per GPU; None: see `ahead.count_workers`."""
    card: Card = field(default_factory=Card)


class Learner(nn.Module):
    """A torchvision detector with its weighted losses."""

    def __init__(self, detector: nn.Module, regions: RegionLoss | None) -> None:
        super().__init__()
        self.detector, self.regions = detector, regions

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        losses = dict(self.detector(list(inputs.pixels), inputs.targets))
        for name in losses.keys() & {"bbox_regression", "loss_box_reg"}:
            losses[name] = BOX_WEIGHT * losses[name]
        if self.regions is not None:
            losses["regions"] = REGION_WEIGHT * self.regions(inputs.masks)
        return losses


@dataclass(frozen=True, slots=True)
class State:
    """The contents of a checkpoint."""

    learner: Learner
    optimizer: torch.optim.Optimizer
    average: Average

    def save(self, run: Run) -> None:
        run.save(
            learner=self.learner.state_dict(),
            optimizer=self.optimizer.state_dict(),
            average=self.average.values,
        )

    def resume(self, run: Run) -> None:
        """Restore the run's checkpoint, if there is one."""
        states = run.resume()
        if states:
            self.learner.load_state_dict(states["learner"])
            self.optimizer.load_state_dict(states["optimizer"])
            self.average.values = {n: v.to(self.average.values[n]) for n, v in states["average"].items()}


def train(settings: Settings, mixture: Mixture) -> None:
    """Train until the time is up, then write the model's folder with its card.

    Raises:
        ConfigError: no photo has a label of the config; see also `network.open_network`, `processes.join`.
    """
    with join(settings.device) as group:
        if group.device.type == "cpu":
            torch.set_num_threads(1)
        cv2.setNumThreads(1)
        torch.manual_seed(settings.seed)
        numbers = label_numbers(settings.config)
        known = mixture.only(tuple(numbers))
        if not known.labels():
            raise ConfigError(
                f"no box has one of the model's labels {', '.join(numbers)}; "
                f"the photos have {', '.join(mixture.labels()) or 'no boxes'}"
            )
        state = start(settings, known, group.device)
        module = group.spread(state.learner)
        group.agree(0)  # start the clock when all processes are ready
        run = Run(settings.run, settings.minutes)
        if settings.resume:
            state.resume(run)
        learn(settings, known, group, run, state, module)
        if group.first:
            state.save(run)
            finish(settings, known, group.device, run, state)


def start(settings: Settings, mixture: Mixture, device: torch.device) -> State:
    detector = open_network(settings.config, settings.start, settings.out)
    masks = [scene.mask for scene in mixture.all() if scene.mask]
    regions = None
    if masks:
        found = mixture.regions(tuple(label_numbers(settings.config)))
        regions = RegionLoss(detector.get_submodule("backbone"), region_weights(found, masks))
    learner = Learner(detector, regions).to(device)
    optimizer = torch.optim.AdamW(groups(learner), lr=settings.rate, weight_decay=0.03)
    return State(learner, optimizer, Average(detector, AVERAGE))


def learn(
    settings: Settings, mixture: Mixture, group: Group, run: Run, state: State, module: nn.Module
) -> None:
    """Train until the time is up. The first process's clock applies to all; it alone saves and evaluates.

    Args:
        module: the state's learner, distributed over the group.
    """
    pretrained_stats = has_statistics(state.learner.detector, settings.start)
    amp_dtype = amp_dtype_for(group.device)
    scaler = torch.amp.GradScaler(enabled=amp_dtype is torch.float16)
    measured = run.seconds
    workers = count_workers(group.device) if settings.workers is None else settings.workers
    with prefetch(partial(batches, settings, mixture, group.rank), workers) as source:
        while (progress := group.agree(run.progress)) < 1:
            train_mode(module, pretrained_stats)
            with mixed_precision(group.device, amp_dtype):
                losses = module(next(source).to(group.device))
            state.optimizer.zero_grad(set_to_none=True)
            scaler.scale(sum(losses.values())).backward()
            scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(module.parameters(), MAX_NORM)
            for parameters in state.optimizer.param_groups:
                parameters["lr"] = settings.rate * parameters["share"] * one_cycle(progress)
            scaler.step(state.optimizer)
            scaler.update()
            if group.first:
                run.advance(
                    settings.batch * group.size,
                    {k.split("_")[-1]: float(v.detach()) for k, v in losses.items()},
                )
                state.average.update(state.learner.detector, run.step)
                if run.due(SAVE_EVERY):
                    state.save(run)
                if settings.measure_every and run.seconds - measured > settings.measure_every:
                    measured = run.seconds
                    export(state.average.values, settings.config, settings.out)
                    evaluate(settings, mixture, group.device, run, QUICK)


def batches(settings: Settings, mixture: Mixture, rank: int, worker: int) -> Iterator[Batch]:
    """Draw endless batches; rank and worker seed the randomness."""
    canvases = [(h, w) for h, w in settings.config.get("canvases", DEFAULT_CANVASES)]
    rng = np.random.default_rng((settings.seed, rank, worker))
    windows = Windows(mixture, label_numbers(settings.config), canvases, rng)
    while True:
        yield windows.batch(settings.batch)


def evaluate(
    settings: Settings, mixture: Mixture, device: torch.device, run: Run, photos: int | None = None
) -> dict[str, Detected]:
    """Evaluate the exported model on (the first) held-out photos, and log the scores."""
    seen = {
        name: detect_scenes(settings.out, scenes[:photos], device) for name, scenes in mixture.held.items()
    }
    for name, detected in seen.items():
        score = detected.ap()
        each = {label: round(value.ap50, 3) for label, value in score.by_category.items()}
        run.log("held", source=name, ap50=round(score.ap50, 4), categories=each)
        per_label = "  ".join(f"{label} {value:.2f}" for label, value in each.items())
        print(f"held-out {name}: AP50 {score.ap50:.3f} over {score.photos} photos; {per_label}", flush=True)
    return seen


def finish(settings: Settings, mixture: Mixture, device: torch.device, run: Run, state: State) -> None:
    """Export, evaluate, choose the operating point, and write the model card."""
    export(state.average.values, settings.config, settings.out)
    seen = evaluate(settings, mixture, device, run)
    point = settings.min_score
    if point is None and seen:
        point = operating_point(list(seen.values()))
    config = settings.config | ({} if point is None else {"min_score": point})
    export(state.average.values, config, settings.out)
    summary = TrainingSummary(
        minutes=run.seconds / 60,
        steps=run.step,
        windows=run.images,
        settings={
            "batch": settings.batch,
            "peak rate": settings.rate,
            "seed": settings.seed,
            "start": settings.start or ("ImageNet" if find_pyramid(state.learner.detector) else "none"),
        },
    )
    write_card(settings.out, settings.card, summary, config, mixture, seen, read_curve(run.folder))
    print(f"{settings.out}: use it with --detector torchvision:{settings.out}", flush=True)
