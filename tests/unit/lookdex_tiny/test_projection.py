"""The closed-form projection on generated features with known distinguishing directions, and the text tower."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from lookdex_tiny.projection import Kind, projection
from lookdex_tiny.refine import GARMENT, PRODUCT, STREET, CropFeatures, Row, finish, join_features

DIM = 16  # of the projection
SIGNAL, NOISE = 12, 20  # features that distinguish things, and features that do not
THINGS = 120


def crops_of_things(seed: int, views: int, labels: int = 0, apart: float = 0.35) -> Kind:
    """Crops of things. Things differ from each other about as much as views of a thing do.

    labels: number of labels, 0 for none. apart: how much labels differ.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, labels, THINGS) if labels else np.full(THINGS, -1)
    centres = np.random.default_rng(99).normal(0, 1, (max(labels, 1), SIGNAL))
    signal = rng.normal(0, 0.7, (THINGS, SIGNAL)) + (apart * centres[label] if labels else 0)
    thing = np.repeat(np.arange(THINGS), views)
    view = signal[thing] + rng.normal(0, 0.15, (len(thing), SIGNAL))
    noise = rng.normal(0, 0.7, (len(thing), NOISE))
    return Kind(np.hstack([view, noise]), thing, label[thing], thing % 3)


def random_projection(seed: int) -> np.ndarray:
    weight: np.ndarray = np.random.default_rng(seed).normal(0, 1, (DIM, SIGNAL + NOISE))
    weight /= np.sqrt(SIGNAL + NOISE)
    return weight


def recognised(weight: np.ndarray, crops: Kind) -> float:
    """The share of first views whose nearest second view is of the same thing."""
    vectors = crops.features @ weight.T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    views = len(vectors) // THINGS
    nearest = (vectors[::views] @ vectors[1::views].T).argmax(axis=1)
    return float((nearest == np.arange(THINGS)).mean())


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_unseen_things_are_recognised(seed: int) -> None:
    before = random_projection(seed)
    solved, turn = projection(
        before, crops_of_things(seed, 3), [crops_of_things(seed + 1, 3, 5), crops_of_things(seed + 2, 2)]
    )
    assert solved.shape == before.shape
    assert turn.shape == (DIM, DIM)
    others = crops_of_things(seed + 3, 2)
    assert recognised(before, others) < 0.4 < 0.8 < recognised(solved, others)


def test_nearest_neighbours_have_the_same_label_more_often_when_labels_are_known() -> None:
    """On the mean of ten seeds, because a single one has few labels of 120 things."""

    def same_label(weight: np.ndarray, crops: Kind) -> float:
        vectors = crops.features @ weight.T
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, -2)
        return float((crops.label[similar.argmax(axis=1)] == crops.label).mean())

    shares = []
    for seed in range(10):
        products, real, street = (
            crops_of_things(seed, 3),
            crops_of_things(seed + 1, 3, 5),
            crops_of_things(seed + 2, 2),
        )
        without = Kind(real.features, real.thing, np.full_like(real.label, -1), real.category)
        unseen = crops_of_things(seed + 3, 1, 5)
        solved = [
            projection(random_projection(seed), products, [kind, street])[0] for kind in (real, without)
        ]
        shares.append([same_label(weight, unseen) for weight in (*solved, random_projection(seed))])
    with_labels, without_labels, before = np.mean(shares, axis=0)
    assert with_labels > without_labels > before + 0.05


def test_turned_texts_keep_their_cosines_to_pictures() -> None:
    """The turned text is about as close to the new vectors as the text was to the old ones."""
    before = random_projection(5)
    products, real = crops_of_things(5, 3), crops_of_things(6, 3)
    solved, turn = projection(before, products, [real])
    text = np.random.default_rng(0).normal(0, 1, DIM)
    old, new = products.features @ before.T @ text, products.features @ solved.T @ (turn @ text)
    assert np.corrcoef(old, new)[0, 1] > 0.5


def test_the_same_crops_give_the_same_projection() -> None:
    inputs = (random_projection(7), crops_of_things(7, 3), [crops_of_things(8, 2, 4)])
    np.testing.assert_array_equal(projection(*inputs)[0], projection(*inputs)[0])


def test_things_with_one_crop_each_are_an_error() -> None:
    with pytest.raises(ValueError, match="no thing has two crops"):
        projection(random_projection(0), crops_of_things(0, 1), [crops_of_things(1, 2)])


class TinyHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(SIGNAL + NOISE, DIM, bias=False)


class TinyVisual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = TinyHead()


class TinyText(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(4, 8)
        self.own = nn.Parameter(torch.randn(4, 8))
        self.text_projection = nn.Parameter(torch.randn(8, DIM) * 0.1)


class TinyModel(nn.Module):
    """A model with open_clip's names: a projection of features, and a text tower of one embedding table."""

    def __init__(self) -> None:
        super().__init__()
        self.visual, self.text = TinyVisual(), TinyText()
        self.logit_scale = nn.Parameter(torch.tensor(2.7))

    def encode_text(self, tokens: Tensor) -> Tensor:
        embedded: Tensor = self.text.token_embedding(tokens) + self.text.own[tokens]
        return embedded @ self.text.text_projection


def test_the_text_tower_learns_to_find_what_texts_name_with_its_token_embedding_frozen() -> None:
    torch.manual_seed(0)
    names = ["shirt", "boots", "bag", "hat"]
    parts = []
    for kind, crops in (
        (PRODUCT, crops_of_things(1, 3, 4, 1.0)),
        (GARMENT, crops_of_things(2, 3, 4, 1.0)),
        (STREET, crops_of_things(3, 2, 4, 1.0)),
    ):
        labels = crops.label if kind == GARMENT else np.full_like(crops.label, -1)
        rows = [
            Row(int(thing), kind, int(label), int(category), [names[named]])
            for thing, label, category, named in zip(
                crops.thing, labels, crops.category, crops.label, strict=True
            )
        ]
        parts.append(CropFeatures(torch.from_numpy(crops.features).float(), rows))
    model = TinyModel()
    table = model.text.token_embedding.weight.detach().clone()
    finish(
        model,
        lambda texts: torch.tensor([names.index(t) for t in texts]),
        join_features(parts),
        300,
        np.random.default_rng(0),
    )
    assert torch.equal(model.text.token_embedding.weight, table)
    unseen = crops_of_things(9, 1, 4, 1.0)
    with torch.no_grad():
        vectors = F.normalize(
            torch.from_numpy(unseen.features).float() @ model.visual.head.proj.weight.T, dim=1
        )
        texts = F.normalize(model.encode_text(torch.arange(4)), dim=1)
    assert float(((vectors @ texts.T).argmax(dim=1).numpy() == unseen.label).mean()) > 0.8
