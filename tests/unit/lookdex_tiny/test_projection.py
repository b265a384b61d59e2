"""The closed-form projection, on generated features with known distinguishing directions; and its text tower."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from lookdex_tiny.projection import Kind, projection
from lookdex_tiny.refine import GARMENT, PRODUCT, STREET, CropFeatures, Row, finish, joined

DIM, TOLD, NOISE = (
    16,
    12,
    20,
)  # of the projection; of the features that tell, and of those that only make noise
THINGS = 120


def made(seed: int, views: int, labels: int = 0, apart: float = 0.35) -> tuple[Kind, np.ndarray]:
    """Crops of things: what tells them apart is as loud as what differs between their views."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, labels, THINGS) if labels else np.full(THINGS, -1)
    centres = np.random.default_rng(99).normal(0, 1, (max(labels, 1), TOLD))
    own = rng.normal(0, 0.7, (THINGS, TOLD)) + (apart * centres[label] if labels else 0)
    thing = np.repeat(np.arange(THINGS), views)
    quiet = own[thing] + rng.normal(0, 0.15, (len(thing), TOLD))
    loud = rng.normal(0, 0.7, (len(thing), NOISE))
    return Kind(np.hstack([quiet, loud]), thing, label[thing], thing % 3), own


def start(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (DIM, TOLD + NOISE)) / np.sqrt(TOLD + NOISE)


def known_again(weight: np.ndarray, crops: Kind) -> float:
    """The share of first views whose nearest second view is of the same thing."""
    vectors = crops.features @ weight.T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    views = len(vectors) // THINGS
    nearest = (vectors[::views] @ vectors[1::views].T).argmax(axis=1)
    return float((nearest == np.arange(THINGS)).mean())


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_unseen_things_are_recognised(seed: int) -> None:
    before = start(seed)
    solved, turn = projection(before, made(seed, 3)[0], [made(seed + 1, 3, 5)[0], made(seed + 2, 2)[0]])
    assert solved.shape == before.shape
    assert turn.shape == (DIM, DIM)
    others = made(seed + 3, 2)[0]
    assert known_again(before, others) < 0.4 < 0.8 < known_again(solved, others)


def test_labels_are_neighbours() -> None:
    """On the mean of ten worlds: in one, the few labels of 120 things may hide it."""

    def right(weight: np.ndarray, asked: Kind) -> float:
        vectors = asked.features @ weight.T
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, -2)
        return float((asked.label[similar.argmax(axis=1)] == asked.label).mean())

    shares = []
    for seed in range(10):
        products, real, street = made(seed, 3)[0], made(seed + 1, 3, 5)[0], made(seed + 2, 2)[0]
        without = Kind(real.features, real.thing, np.full_like(real.label, -1), real.category)
        asked = made(seed + 3, 1, 5)[0]
        solved = [projection(start(seed), products, [kind, street])[0] for kind in (real, without)]
        shares.append([right(weight, asked) for weight in (*solved, start(seed))])
    told, untold, before = np.mean(shares, axis=0)
    assert told > untold > before + 0.05


def test_texts_keep_their_cosines_in_the_old_space() -> None:
    """Where only the old projection speaks, the turned text meets the new vectors as the text met the old ones."""
    before = start(5)
    products, real = made(5, 3)[0], made(6, 3)[0]
    solved, turn = projection(before, products, [real])
    text = np.random.default_rng(0).normal(0, 1, DIM)
    old, new = products.features @ before.T @ text, products.features @ solved.T @ (turn @ text)
    assert np.corrcoef(old, new)[0, 1] > 0.5


def test_the_same_crops_give_the_same_projection() -> None:
    asked = (start(7), made(7, 3)[0], [made(8, 2, 4)[0]])
    np.testing.assert_array_equal(projection(*asked)[0], projection(*asked)[0])


def test_things_seen_once_say_nothing() -> None:
    with pytest.raises(ValueError, match="no thing has two crops"):
        projection(start(0), made(0, 1)[0], [made(1, 2)[0]])


class Told(nn.Module):
    """A model with open_clip's names: a projection of features, and a text tower of one table."""

    def __init__(self) -> None:
        super().__init__()
        self.visual, self.text = nn.Module(), nn.Module()
        self.visual.head = nn.Module()
        self.visual.head.proj = nn.Linear(TOLD + NOISE, DIM, bias=False)
        self.text.token_embedding = nn.Embedding(4, 8)
        self.text.own = nn.Parameter(torch.randn(4, 8))
        self.text.text_projection = nn.Parameter(torch.randn(8, DIM) * 0.1)
        self.logit_scale = nn.Parameter(torch.tensor(2.7))

    def encode_text(self, tokens: Tensor) -> Tensor:
        return (self.text.token_embedding(tokens) + self.text.own[tokens]) @ self.text.text_projection


def test_texts_find_what_they_name_and_the_table_of_words_stays() -> None:
    torch.manual_seed(0)
    names = ["shirt", "boots", "bag", "hat"]
    parts = []
    for kind, crops in (
        (PRODUCT, made(1, 3, 4, 1.0)[0]),
        (GARMENT, made(2, 3, 4, 1.0)[0]),
        (STREET, made(3, 2, 4, 1.0)[0]),
    ):
        labels = crops.label if kind == GARMENT else np.full_like(crops.label, -1)
        rows = [
            Row(int(t), kind, int(told), int(c), [names[own]])
            for t, told, c, own in zip(crops.thing, labels, crops.category, crops.label, strict=True)
        ]
        parts.append(CropFeatures(torch.from_numpy(crops.features).float(), rows))
    model = Told()
    table = model.text.token_embedding.weight.detach().clone()
    seen = joined(parts)
    finish(
        model,
        lambda texts: torch.tensor([names.index(t) for t in texts]),
        seen,
        300,
        np.random.default_rng(0),
    )
    assert torch.equal(model.text.token_embedding.weight, table)
    asked = made(9, 1, 4, 1.0)[0]
    with torch.no_grad():
        vectors = F.normalize(
            torch.from_numpy(asked.features).float() @ model.visual.head.proj.weight.T, dim=1
        )
        texts = F.normalize(model.encode_text(torch.arange(4)), dim=1)
    assert float(((vectors @ texts.T).argmax(dim=1).numpy() == asked.label).mean()) > 0.8
