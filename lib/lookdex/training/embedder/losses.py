"""Losses of the embedder's training.

Pairs (two views of a product are closer than any other product, with a memory of earlier batches as negatives),
classes (labels and categories, by a cosine classifier), and captions (CLIP's loss, where pictures may share a caption).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TEMPERATURE = 0.07  # of the pair loss; the lower, the more the nearest negatives count


class Heads(nn.Module):
    """Modules used only in training: classifiers of `labels` and `categories` classes, and their temperature."""

    def __init__(self, labels: int, categories: int, dim: int) -> None:
        super().__init__()
        self.labels = nn.Parameter(torch.randn(labels, dim) * 0.02)
        self.categories = nn.Parameter(torch.randn(categories, dim) * 0.02)
        self.scale = nn.Parameter(torch.tensor(2.7))  # exp: 15

    def classes(
        self,
        z: Tensor,
        label: Tensor,
        category: Tensor,
        label_weight: float = 1.3,
        category_weight: float = 0.5,
    ) -> Tensor:
        """Cross-entropy over labels and categories, where present (not -1).

        Args:
            z: float32 (n, dim), unit.
            label, category: int64 (n,).
        """
        scale = self.scale.exp().clamp(max=40)
        loss = z.sum() * 0
        for classes, truth, weight, smoothing in (
            (self.labels, label, label_weight, 0.05),
            (self.categories, category, category_weight, 0.0),
        ):
            known = truth >= 0
            if known.any():
                logits = scale * z[known] @ F.normalize(classes, dim=1).T
                loss = loss + weight * F.cross_entropy(logits, truth[known], label_smoothing=smoothing)
        return loss


class CrossBatchMemory:
    """Vectors of the last batches, as negatives without another forward pass (Wang et al., XBM, 2020)."""

    def __init__(self, dim: int, size: int = 4096, device: torch.device | str = "cpu") -> None:
        self._size = size
        self.vectors = torch.zeros(0, dim, device=device)
        self.instance_ids = torch.zeros(0, dtype=torch.int64, device=device)
        self.labels = torch.zeros(0, dtype=torch.int64, device=device)

    def add(self, vectors: Tensor, instance_ids: Tensor, labels: Tensor) -> None:
        self.vectors = torch.cat([vectors.detach(), self.vectors])[: self._size]
        self.instance_ids = torch.cat([instance_ids, self.instance_ids])[: self._size]
        self.labels = torch.cat([labels, self.labels])[: self._size]


def pair_loss(
    z: Tensor,
    instance: Tensor,
    label: Tensor,
    weight: Tensor,
    memory: CrossBatchMemory,
    temperature: float = TEMPERATURE,
) -> Tensor:
    """InfoNCE: each view must find the other view of its instance in the batch and the memory.

    Instances with the same label are not negatives, because they should be neighbours.

    Args:
        z: float32 (2n, dim), unit; i and i + n show one instance.
        instance: int64 (2n,), equal for views of one instance.
        label: int64 (2n,), -1 for none.
        weight: (2n,).
    """
    n = len(z) // 2
    candidates, instance_ids = torch.cat([z, memory.vectors]), torch.cat([instance, memory.instance_ids])
    labels = torch.cat([label, memory.labels])
    logits = z @ candidates.T / temperature
    at = torch.arange(2 * n, device=z.device)
    partner = (at + n) % (2 * n)
    same = (instance[:, None] == instance_ids[None, :]) | (
        (label[:, None] == labels[None, :]) & (label[:, None] >= 0)
    )
    same[at, partner] = False  # the positive; other views of the instance are ignored
    each = F.cross_entropy(logits.masked_fill(same, -1e4), partner, reduction="none")
    return (each * weight).sum() / weight.sum()


def caption_loss(z: Tensor, texts: Tensor, which: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss over distinct captions `texts` (m, dim); picture i has caption which[i]."""
    logits = scale * z @ texts.T
    to_text = F.cross_entropy(logits, which)
    own = F.one_hot(which, len(texts)).float()
    to_image = -(F.log_softmax(logits, dim=0) * own / own.sum(0)).sum(0).mean()
    return (to_text + to_image) / 2
