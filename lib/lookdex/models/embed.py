"""Embedders: photos and texts in, unit vectors out. All models run through open_clip.

Indexing and search use the same object, so that their vectors cannot differ.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from timm.models.efficientnet import EfficientNet
from torch import Tensor
from torch.nn import functional as F

from lookdex.errors import BadQuery, ModelNotFound
from lookdex.models.device import autocast, open_device
from lookdex.models.digests import embedder_folder, open_clip_tag, read_settings
from lookdex.models.fuse import fuse
from lookdex.models.pixels import Canvas, split_batch
from lookdex.models.preprocess import Preprocess

if TYPE_CHECKING:
    from open_clip import CLIP


class Embedder(Protocol):
    """Maps images and texts into one vector space.

    embed_images: uint8 RGB (H, W, 3) images of any size → float32 (n, dim) of unit length. It splits any number of
    images into batches that suit the device.
    embed_texts: the same for texts; raises BadQuery if the model has no text tower.
    """

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray: ...

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray: ...


def load_embedder(name: str, *, device: str = "cpu", batch: int = 8) -> Embedder:
    """Load an embedder.

    Args:
        name: 'lookdex-tiny' (built in), 'hf-hub:<org>/<model>', 'open_clip:<architecture>/<pretrained tag>', or a
            folder in the layout of open_clip's hub (`open_clip_config.json`, `open_clip_model.safetensors`).
        batch: maximum images per model call.

    Raises:
        ModelNotFound, DeviceUnavailable, ConfigError.
    """
    return OpenClipEmbedder(name, open_device(device), batch)


@dataclass(frozen=True, slots=True)
class OpenClipModel:
    """A loaded open_clip model."""

    model: CLIP
    schema: str
    """open_clip's name for it."""
    preprocess: Preprocess
    extra: dict[str, Any]
    """lookdex's settings for it."""


def open_model(name: str) -> OpenClipModel:
    """Load an open_clip model by any name that `load_embedder` accepts, on the CPU in float32.

    Raises:
        ModelNotFound, ConfigError.
    """
    import open_clip
    from safetensors import SafetensorError

    schema, tag, extra = _source(name)
    root_logger = logging.getLogger()
    level = root_logger.level
    root_logger.setLevel(max(level, logging.ERROR))  # open_clip logs verbosely to the root logger
    try:
        model = open_clip.create_model(
            schema,
            pretrained=tag,
            precision="fp32",
            device="cpu",
            require_pretrained=True,
            weights_only=True,  # unpickle tensors only; anything else could run code
        )
    except (OSError, RuntimeError, ValueError, UnpicklingError, SafetensorError) as error:
        raise ModelNotFound(
            f"the embedder {name!r} could not be loaded: {_first_line(error)}. Without a network (or with "
            "HF_HUB_OFFLINE=1), download it elsewhere and give its folder, or use lookdex-tiny"
        ) from error
    finally:
        root_logger.setLevel(level)
    settings = open_clip.get_model_preprocess_cfg(model)
    return OpenClipModel(model, schema, Preprocess.from_settings(settings, extra.get("canvases")), extra)


class OpenClipEmbedder:
    """An open_clip model with its preprocessing (size, mean, std, resize mode).

    Args:
        batch: maximum images per call.
    """

    def __init__(self, name: str, device: torch.device, batch: int = 8) -> None:
        opened = open_model(name)
        self.name, self._device, self.batch = name, device, batch
        self._schema, self._extra, self._preprocess = opened.schema, opened.extra, opened.preprocess
        self._tokenizer: Callable[[list[str]], Tensor] | None = None
        trunk = getattr(opened.model.visual, "trunk", None)
        if isinstance(trunk, EfficientNet):
            fuse(trunk.eval())
            if device.type == "cpu":
                # Batches of eight take 16 ms per image, single images 15 (a ViT-B/32: 98 and 140). Singly, a
                # vector does not depend on its batch, and oneDNN sees one shape per canvas.
                self.batch = 1
        self._model = opened.model.eval().to(device=device, memory_format=torch.channels_last)
        self._mean = torch.tensor(self._preprocess.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(self._preprocess.std, device=device).view(1, 3, 1, 1)
        with torch.inference_mode():
            empty = torch.zeros(1, 3, *self._preprocess.canvases[0], device=device)
            self.dim = int(self._encode_image(empty).shape[1])

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if not len(images):
            return np.zeros((0, self.dim), np.float32)
        groups: dict[Canvas, list[int]] = {}
        for i, image in enumerate(images):
            groups.setdefault(self._preprocess.canvas(image), []).append(i)
        vectors = np.empty((len(images), self.dim), np.float32)
        for members in groups.values():
            for size in split_batch(len(members), self.batch):
                batch_indexes, members = members[:size], members[size:]
                vectors[batch_indexes] = self._forward(
                    np.stack([self._preprocess(images[i]) for i in batch_indexes])
                )
        return vectors

    def _forward(self, pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), autocast(self._device):
            batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float() / 255
            return _unit(self._encode_image((batch - self._mean) / self._std))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        import open_clip

        if not hasattr(self._model, "encode_text") or self._extra.get("text") is False:
            raise BadQuery(
                f"the embedder {self.name} has no text tower: query with a photo, or use a model that has one"
            )
        if not len(texts):
            return np.zeros((0, self.dim), np.float32)
        if self._tokenizer is None:
            self._tokenizer = open_clip.get_tokenizer(self._schema)
        prepared = [text.lower() for text in texts] if self._extra.get("lower_case") else list(texts)
        with torch.inference_mode(), autocast(self._device):
            return _unit(self._model.encode_text(self._tokenizer(prepared).to(self._device)))

    def _encode_image(self, pixels: Tensor) -> Tensor:
        vectors: Tensor = self._model.encode_image(pixels.contiguous(memory_format=torch.channels_last))
        return vectors


def _source(name: str) -> tuple[str, str | None, dict[str, Any]]:
    """Resolve an embedder's name to open_clip's name, pretrained tag and lookdex's own settings."""
    if name.startswith("hf-hub:"):
        return name, None, {}
    if name.startswith("open_clip:"):
        architecture, tag = open_clip_tag(name)
        _check_tag(architecture, tag)
        return architecture, tag, {}
    folder = Path(embedder_folder(name))
    if not any(folder.glob("open_clip_*.safetensors")) and not any(folder.glob("open_clip_*.bin")):
        raise ModelNotFound(
            f"the model folder {folder} has no weights: open_clip_model.safetensors is missing"
        )
    return f"local-dir:{folder}", None, read_settings(folder / "open_clip_config.json").get("lookdex_cfg", {})


def _check_tag(architecture: str, tag: str) -> None:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags and not Path(tag).is_file():
        known = ", ".join(tags) if tags else "none: open_clip.list_models() lists the architectures"
        raise ModelNotFound(f"open_clip has no weights {tag!r} for {architecture!r}; it has {known}")


def _unit(vectors: Tensor) -> np.ndarray:
    """Normalise vectors, including all-zero ones (noise can leave every ReLU output at zero)."""
    return F.normalize(vectors.float() + 1e-9, dim=-1).cpu().numpy()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
