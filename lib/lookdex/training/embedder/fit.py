"""The training loop of embedders, for any open_clip model and any source of batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookdex.models.device import open_device
from lookdex.training.embedder.losses import TEMPERATURE, CrossBatchMemory, Heads, caption_loss, pair_loss
from lookdex.training.embedder.tower import Pictures, Tower
from lookdex.training.loop import Average, Run, freeze_statistics, one_cycle
from lookdex.training.network import amp_dtype_for, mixed_precision

if TYPE_CHECKING:
    from open_clip import CLIP

STILL = 60  # steps before the memory is used; earlier vectors change too fast


@dataclass(frozen=True, slots=True)
class Batch:
    """2n pictures: i and i + n show the same instance."""

    pictures: Pictures
    instance: np.ndarray
    """int64 (2n,), equal for views of one instance."""
    label: np.ndarray
    """int64 (2n,), class number or -1; so is `category`."""
    category: np.ndarray
    weight: np.ndarray
    """float32 (2n,), of the pair in the pair loss."""
    captions: list[str]
    """2n, "" for none."""


class Source(Protocol):
    """Source of batches. `refresh` is called now and then, in case there is more data."""

    def batch(self, progress: float) -> Batch: ...

    def refresh(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a training."""

    minutes: float = 45
    """Training time."""
    rate: float = 1.2e-3
    """Peak learning rate."""
    export_every: float = 1200
    """Seconds between intermediate exports."""
    device: str = "cpu"
    """cpu, cuda or cuda:N; mixed precision on a GPU."""
    resume: bool = False
    """Continue from the run's checkpoint."""
    seed: int = 0
    average: float = 0.98  # decay of the weights' moving average, which is exported
    memory: int = 4096  # vectors of earlier batches used as negatives
    temperature: float = TEMPERATURE  # temperature of the pair loss


@dataclass(slots=True)
class Trainee:
    """The model in training."""

    model: CLIP
    tower: Tower
    heads: Heads
    tokenizer: Callable[[list[str]], Tensor] | None
    """None without a text tower."""
    groups: Sequence[tuple[list[nn.Parameter], float]]
    """(parameters, relative learning rate)."""
    words: Tensor | None = None
    """bool (vocabulary,) or None; marks tokens that occurred in captions."""

    def states(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "heads": self.heads.state_dict(), "words": self.words}

    def load(self, states: dict[str, Any]) -> None:
        self.model.load_state_dict(states["model"])
        self.heads.load_state_dict(states["heads"])
        self.words = states["words"]


def fit(
    trainee: Trainee, source: Source, run: Run, options: Options, halfway: Callable[[dict[str, Tensor]], None]
) -> dict[str, Tensor]:
    """Train until the run's time is up; returns the averaged weights, which `halfway` also gets now and then.

    Raises:
        FloatingPointError: a loss is not finite.
        DeviceUnavailable: the GPU is not available.
    """
    device = open_device(options.device)
    amp_dtype = amp_dtype_for(device)
    learning = [p for parameters, _ in trainee.groups for p in parameters]
    optimizer = torch.optim.AdamW(
        [{"params": parameters, "share": share} for parameters, share in trainee.groups],
        lr=options.rate, weight_decay=0.02,
    )  # fmt: skip
    scaler = torch.amp.GradScaler(device.type, enabled=amp_dtype is torch.float16)
    average = Average(trainee.model, options.average)
    memory = CrossBatchMemory(trainee.heads.labels.shape[1], options.memory, device)
    if options.resume and (states := run.resume()):
        trainee.load(states)
        optimizer.load_state_dict(states["optimizer"])
        average.values = states["average"]
    run.begin()
    exported = run.seconds

    def save() -> None:
        run.save(**trainee.states(), optimizer=optimizer.state_dict(), average=average.values)

    while run.progress < 1:
        trainee.model.train()
        freeze_statistics(trainee.model)
        batch = source.batch(run.progress)
        instance, weight = (torch.from_numpy(v).to(device) for v in (batch.instance, batch.weight))
        label, category = (torch.from_numpy(v).to(device) for v in (batch.label, batch.category))
        with mixed_precision(device, amp_dtype):
            z = trainee.tower(batch.pictures)
            losses = {
                "pairs": pair_loss(z, instance, label, weight, memory, options.temperature),
                "classes": trainee.heads.classes(z, label, category),
            }
            if trainee.tokenizer is not None and any(batch.captions):
                losses["captions"] = 0.5 * _caption_loss(trainee, z, batch.captions, device)
        optimizer.zero_grad(set_to_none=True)
        total: Tensor = torch.stack(list(losses.values())).sum()
        scaler.scale(total).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(learning, 5.0)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * group["share"] * one_cycle(run.progress)
        scaler.step(optimizer)
        scaler.update()
        if run.step > STILL:
            memory.add(z, instance, label)
        run.advance(len(z), {k: float(v.detach()) for k, v in losses.items()})
        average.update(trainee.model, run.step)
        if run.due(120):
            save()
            source.refresh()
        if run.seconds - exported > options.export_every:
            exported = run.seconds
            halfway(average.values)
    save()
    return average.values


def _caption_loss(trainee: Trainee, z: Tensor, captions: Sequence[str], device: torch.device) -> Tensor:
    """The loss of pictures with captions."""
    assert trainee.tokenizer is not None
    distinct = sorted(set(filter(None, captions)))
    tokens = trainee.tokenizer(distinct)
    if trainee.words is not None:
        trainee.words[tokens.flatten()] = True
    texts = F.normalize(trainee.model.encode_text(tokens.to(device)).float(), dim=1)
    captioned = torch.tensor([i for i, caption in enumerate(captions) if caption], device=device)
    which = torch.tensor([distinct.index(caption) for caption in captions if caption], device=device)
    return caption_loss(z[captioned], texts, which, trainee.model.logit_scale.exp().clamp(max=50))
