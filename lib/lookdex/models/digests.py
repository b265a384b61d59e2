"""Identify models without loading them: digests of their files, and operating points. Does not import torch.

`plan` compares recipes on machines that never run a model, so these functions answer in milliseconds, from the files'
bytes, a hub snapshot's commit, or a pretrained tag.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lookdex.errors import ModelNotFound
from lookdex.models.custom import import_factory, is_custom
from lookdex.models.packaged import extract
from lookdex.records import digest_of

TINY = "lookdex-tiny"
TINY_DETECTOR = Path(__file__).parent / "tiny" / "detector"
TINY_EMBEDDER = Path(__file__).parent / "tiny" / "embedder"
_DETECTOR_SCORE = 0.3  # for models without an operating point of their own
_CROP_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class DetectorDefaults:
    """Defaults that come with a detector."""

    min_score: float
    """Operating point, 0 … 1."""


@dataclass(frozen=True, slots=True)
class EmbedderDefaults:
    """Defaults that come with an embedder."""

    crop_margin: float
    """Share of the box's longer side to add on each side, as in the embedder's training."""


def detector_digest(name: str) -> str:
    """16 hex digits over the detector's weights and configuration.

    Raises:
        ModelNotFound: no such model, or a hub model that is not on this machine.
    """
    if is_custom(name):
        return _module_digest(name)
    if name.startswith("transformers:"):
        return _hub_digest(name.removeprefix("transformers:"))
    return folder_digest(detector_folder(name))


def embedder_digest(name: str) -> str:
    """16 hex digits over the embedder's weights and configuration, or over the tag of 'open_clip:<arch>/<tag>'.

    Raises:
        ModelNotFound: no such model, or a hub model that is not on this machine.
    """
    if is_custom(name):
        return _module_digest(name)
    if name.startswith("open_clip:"):
        return digest_of(open_clip_tag(name))
    if name.startswith("hf-hub:"):
        return _hub_digest(name.removeprefix("hf-hub:"))
    return folder_digest(embedder_folder(name))


def detector_defaults(name: str) -> DetectorDefaults:
    """The detector's operating point: `min_score` of its config.json, if present."""
    if name.startswith("transformers:") or is_custom(name):
        return DetectorDefaults(_DETECTOR_SCORE)
    config = read_settings(detector_folder(name) / "config.json")
    return DetectorDefaults(float(config.get("min_score", _DETECTOR_SCORE)))


def embedder_defaults(name: str) -> EmbedderDefaults:
    """The embedder's crop margin: from `lookdex_cfg` in its open_clip_config.json, if present."""
    if name.startswith(("open_clip:", "hf-hub:")) or is_custom(name):
        return EmbedderDefaults(_CROP_MARGIN)
    config = read_settings(embedder_folder(name) / "open_clip_config.json")
    return EmbedderDefaults(float(config.get("lookdex_cfg", {}).get("crop_margin", _CROP_MARGIN)))


def detector_folder(name: str) -> Path:
    """The folder of 'lookdex-tiny' or 'torchvision:<folder>'."""
    if name == TINY:
        return _check_files(extract(TINY_DETECTOR), "config.json", "model.safetensors")
    kind, _, folder = name.partition(":")
    if kind != "torchvision" or not folder:
        raise ModelNotFound(
            f"unknown detector {name!r}: use {TINY}, torchvision:<folder> or transformers:<hub id or folder>"
        )
    return _check_files(Path(folder), "config.json", "model.safetensors")


def embedder_folder(name: str) -> Path:
    """The folder of 'lookdex-tiny', or of a local model in the layout of open_clip's hub."""
    if name == TINY:
        return _check_files(extract(TINY_EMBEDDER), "open_clip_config.json", "open_clip_model.safetensors")
    if not Path(name).is_dir():
        raise ModelNotFound(
            f"{name!r} is neither an embedder nor a folder: use {TINY}, hf-hub:<org>/<model>, "
            "open_clip:<architecture>/<pretrained tag>, or a folder with open_clip_config.json and "
            "open_clip_model.safetensors"
        )
    return _check_files(Path(name), "open_clip_config.json")


def read_settings(file: Path) -> dict[str, Any]:
    """Read a model's JSON settings. Raises ModelNotFound."""
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotFound(f"the model's settings in {file} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise ModelNotFound(f"the model's settings in {file} are not a JSON object")
    return settings


def open_clip_tag(name: str) -> tuple[str, str]:
    """'open_clip:ViT-B-32/laion2b_s34b_b79k' → ('ViT-B-32', 'laion2b_s34b_b79k')."""
    architecture, _, tag = name.removeprefix("open_clip:").rpartition("/")
    if not architecture or not tag:
        raise ModelNotFound(f"{name!r} has no pretrained tag: use open_clip:<architecture>/<tag>")
    return architecture, tag


def folder_digest(folder: Path) -> str:
    """16 hex digits over the names and bytes of a model folder's files, without model cards, pictures, backups
    (`name~`) and dot files.
    """
    found = sorted(f for f in folder.rglob("*") if f.is_file() and _counts(f.relative_to(folder)))
    stats = tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in found)
    return _files_digest(str(folder), stats)


def _counts(path: Path) -> bool:
    ignored = path.suffix.lower() in (".md", ".png") or path.name.endswith("~")
    return not ignored and not any(part.startswith(".") for part in path.parts)


@lru_cache(maxsize=64)
def _files_digest(folder: str, stats: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, _, _ in stats:
        with open(name, "rb") as file:
            part = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{Path(name).relative_to(folder).as_posix()}\x1f{part}\n".encode())
    return whole.hexdigest()[:16]


def _module_digest(name: str) -> str:
    """Digest of a custom model: the bytes of its module. Change the module (a version number, say) when the weights
    change.
    """
    path = getattr(sys.modules.get(import_factory(name).__module__), "__file__", None)
    return digest_of((name, hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""))


def _hub_digest(model: str) -> str:
    """Digest of a local folder: its bytes. Of a hub model: the commit of its snapshot in the local cache."""
    if Path(model).is_dir():
        return folder_digest(Path(model))
    cache = Path(
        os.environ.get("HF_HUB_CACHE")
        or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser() / "hub"
    ).expanduser()
    reference = cache / f"models--{model.replace('/', '--')}" / "refs" / "main"
    if not reference.is_file():
        raise ModelNotFound(
            f"{model!r} is neither a folder nor in the Hugging Face cache {cache}: fetch it once with "
            f"`hf download {model}` on a machine with network access, or give a local folder"
        )
    return digest_of((model, reference.read_text().strip()))


def _check_files(folder: Path, *names: str) -> Path:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelNotFound(
            f"the model folder {folder} has no {' and no '.join(missing)}; a model needs {' and '.join(names)}"
        )
    return folder
