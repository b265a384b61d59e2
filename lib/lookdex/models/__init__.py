"""Detectors and embedders. The only package that imports torch, and only when a model is loaded.

`digests` identifies models without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lookdex.runtime.extras import extras

if TYPE_CHECKING:
    from lookdex.models.detect import Detector as Detector
    from lookdex.models.detect import load_detector as load_detector
    from lookdex.models.embed import Embedder as Embedder
    from lookdex.models.embed import load_embedder as load_embedder

__all__ = ["Detector", "Embedder", "load_detector", "load_embedder"]


def __getattr__(name: str) -> Any:  # PEP 562: importing the package must not load torch
    if name in __all__:
        with extras():
            from lookdex.models import detect, embed
        return getattr(detect if name in ("Detector", "load_detector") else embed, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
