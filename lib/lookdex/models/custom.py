"""Custom models: `python:<module>:<factory>` names a function that returns a Detector or an Embedder.

The module must be importable wherever the model runs; on Spark, ship it with --py-files or in the environment. Loading
it runs its code, so only settings may name it: names in a release are checked first (`trust`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from lookdex.errors import ModelNotFound

PREFIX = "python:"


def is_custom(name: str) -> bool:
    return name.startswith(PREFIX)


def import_factory(name: str) -> Callable[..., Any]:
    """Import the factory function. Raises ModelNotFound."""
    module, _, attribute = name.removeprefix(PREFIX).partition(":")
    try:
        factory: Callable[..., Any] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelNotFound(
            f"{name}: {error}. Name a function as python:<module>:<factory>, with the module on PYTHONPATH"
        ) from error
    except Exception as error:  # user code may raise anything
        raise ModelNotFound(f"{name}: importing the module raised {type(error).__name__}: {error}") from error
    return factory
