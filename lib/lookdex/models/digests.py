"""What a model is, known without loading it: its files' digest and its operating point. No torch here.

`plan` compares recipes on machines that never run a model, so these answer in milliseconds from the
files' bytes, a hub snapshot's commit, or a pretrained tag.
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
from lookdex.models.custom import factory_of, is_custom
from lookdex.models.packaged import on_disk
from lookdex.records import digest_of

TINY = "lookdex-tiny"
TINY_DETECTOR = Path(__file__).parent / "tiny" / "detector"
TINY_EMBEDDER = Path(__file__).parent / "tiny" / "embedder"
_DETECTOR_SCORE = 0.3  # of models that state no operating point of their own
_CROP_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class DetectorDefaults:
    """min_score: the operating point, 0 … 1."""

    min_score: float


@dataclass(frozen=True, slots=True)
class EmbedderDefaults:
    """crop_margin: share of the box's longer side to add around it, as the embedder was trained."""

    crop_margin: float


def detector_digest(name: str) -> str:
    """16 hex digits of the detector's weights and configuration.

    Raises:
        ModelNotFound: no such model, or (a hub's) not on this machine.
    """
    if is_custom(name):
        return _module_digest(name)
    if name.startswith("transformers:"):
        return _hub_digest(name.removeprefix("transformers:"))
    return folder_digest(detector_folder(name))


def embedder_digest(name: str) -> str:
    """16 hex digits of the embedder's weights and configuration; of the tag for 'open_clip:<arch>/<tag>'.

    Raises:
        ModelNotFound: no such model, or (a hub's) not on this machine.
    """
    if is_custom(name):
        return _module_digest(name)
    if name.startswith("open_clip:"):
        return digest_of(open_clip_tag(name))
    if name.startswith("hf-hub:"):
        return _hub_digest(name.removeprefix("hf-hub:"))
    return folder_digest(embedder_folder(name))


def detector_defaults(name: str) -> DetectorDefaults:
    """The detector's own operating point, from its config.json's `min_score` where it has one."""
    if name.startswith("transformers:") or is_custom(name):
        return DetectorDefaults(_DETECTOR_SCORE)
    config = settings_of(detector_folder(name) / "config.json")
    return DetectorDefaults(float(config.get("min_score", _DETECTOR_SCORE)))


def embedder_defaults(name: str) -> EmbedderDefaults:
    """How the embedder wants its crops, from `lookdex_cfg` in its open_clip_config.json where it has one."""
    if name.startswith(("open_clip:", "hf-hub:")) or is_custom(name):
        return EmbedderDefaults(_CROP_MARGIN)
    config = settings_of(embedder_folder(name) / "open_clip_config.json")
    return EmbedderDefaults(float(config.get("lookdex_cfg", {}).get("crop_margin", _CROP_MARGIN)))


def detector_folder(name: str) -> Path:
    """The folder of 'lookdex-tiny' or 'torchvision:<folder>'."""
    if name == TINY:
        return _with_files(on_disk(TINY_DETECTOR), "config.json", "model.safetensors")
    kind, _, folder = name.partition(":")
    if kind != "torchvision" or not folder:
        raise ModelNotFound(
            f"no detector is called {name!r}: use {TINY}, torchvision:<folder> or transformers:<hub id or folder>"
        )
    return _with_files(Path(folder), "config.json", "model.safetensors")


def embedder_folder(name: str) -> Path:
    """The folder of 'lookdex-tiny' or of a local model laid out as open_clip's hub lays it out."""
    if name == TINY:
        return _with_files(on_disk(TINY_EMBEDDER), "open_clip_config.json", "open_clip_model.safetensors")
    if not Path(name).is_dir():
        raise ModelNotFound(
            f"no embedder is called {name!r}, and there is no such folder: use {TINY}, hf-hub:<org>/<model>, "
            "open_clip:<architecture>/<pretrained tag>, or a folder with open_clip_config.json and "
            "open_clip_model.safetensors"
        )
    return _with_files(Path(name), "open_clip_config.json")


def settings_of(file: Path) -> dict[str, Any]:
    """The JSON object in a model's file of settings. Raises ModelNotFound."""
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotFound(f"the model's settings in {file} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise ModelNotFound(f"the model's settings in {file} are no JSON object")
    return settings


def open_clip_tag(name: str) -> tuple[str, str]:
    """'open_clip:ViT-B-32/laion2b_s34b_b79k' → ('ViT-B-32', 'laion2b_s34b_b79k')."""
    architecture, _, tag = name.removeprefix("open_clip:").rpartition("/")
    if not architecture or not tag:
        raise ModelNotFound(f"{name!r} names no pretrained tag: write open_clip:<architecture>/<tag>")
    return architecture, tag


def folder_digest(folder: Path) -> str:
    """16 hex digits over the names and bytes of a model folder's files (cards and dot files left out)."""
    found = sorted(f for f in folder.rglob("*") if f.is_file() and _counts(f.relative_to(folder)))
    stats = tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in found)
    return _files_digest(str(folder), stats)


def _counts(path: Path) -> bool:
    return path.suffix.lower() not in (".md", ".txt~", ".png") and not any(
        p.startswith(".") for p in path.parts
    )


@lru_cache(maxsize=64)
def _files_digest(folder: str, stats: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, _, _ in stats:
        with open(name, "rb") as file:
            part = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{Path(name).relative_to(folder).as_posix()}\x1f{part}\n".encode())
    return whole.hexdigest()[:16]


def _module_digest(name: str) -> str:
    """A model of your own, by the bytes of its module: raise a number in it when what it loads changes."""
    path = getattr(sys.modules.get(factory_of(name).__module__), "__file__", None)
    return digest_of((name, hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""))


def _hub_digest(model: str) -> str:
    """A local folder by its bytes; a hub's model by the commit of its snapshot in the local cache."""
    if Path(model).is_dir():
        return folder_digest(Path(model))
    cache = Path(
        os.environ.get("HF_HUB_CACHE")
        or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser() / "hub"
    ).expanduser()
    reference = cache / f"models--{model.replace('/', '--')}" / "refs" / "main"
    if not reference.is_file():
        raise ModelNotFound(
            f"{model!r} is no folder here and not in the Hugging Face cache {cache}: fetch it once with "
            f"`hf download {model}` on a machine with a network, or name a local folder"
        )
    return digest_of((model, reference.read_text().strip()))


def _with_files(folder: Path, *names: str) -> Path:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelNotFound(
            f"the model folder {folder} lacks {' and '.join(missing)}: a model needs {' and '.join(names)} in it"
        )
    return folder
