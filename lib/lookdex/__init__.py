"""Search by photo over a shop's own catalogue: a nightly reindex, and the query library that it serves.

catalog = lookdex.open_catalog("s3://shop/lookdex")
answer = catalog.search("photo.jpg", k=5, where="price < 50")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from lookdex.errors import (
    AccessDenied,
    BadQuery,
    ConfigError,
    CorruptData,
    ForkedProcess,
    LookdexError,
    MissingExtra,
    ModelMismatch,
    ModelNotTrusted,
    NewerFormat,
    ProductNotFound,
    ReleaseChanged,
    ReleaseNotFound,
    StorageError,
    TooSlow,
    Unavailable,
)

__version__ = "0.1.0"
__all__ = [
    "AccessDenied",
    "Answer",
    "BadQuery",
    "Box",
    "Catalog",
    "ConfigError",
    "CorruptData",
    "Crops",
    "Facets",
    "ForkedProcess",
    "FoundObject",
    "Look",
    "LookdexError",
    "Match",
    "MissingExtra",
    "ModelMismatch",
    "ModelNotTrusted",
    "NewerFormat",
    "Options",
    "Pick",
    "ProductNotFound",
    "Release",
    "ReleaseChanged",
    "ReleaseNotFound",
    "Scope",
    "StorageError",
    "TooSlow",
    "Unavailable",
    "Widen",
    "open_catalog",
]

if TYPE_CHECKING:
    from lookdex.records import Box, Release, Scope
    from lookdex.search.answer.answer import Answer
    from lookdex.search.answer.facets import Facets
    from lookdex.search.answer.lanes import FoundObject, Match
    from lookdex.search.answer.look import Look
    from lookdex.search.catalog import Catalog, open_catalog
    from lookdex.search.query.options import Crops, Options, Pick, Widen
else:  # `import lookdex` loads no heavy package: these modules are imported when a name is first used (PEP 562)
    _MODULES = {
        "Answer": "lookdex.search.answer.answer",
        "Box": "lookdex.records",
        "Catalog": "lookdex.search.catalog",
        "Crops": "lookdex.search.query.options",
        "Facets": "lookdex.search.answer.facets",
        "FoundObject": "lookdex.search.answer.lanes",
        "Look": "lookdex.search.answer.look",
        "Match": "lookdex.search.answer.lanes",
        "Options": "lookdex.search.query.options",
        "Pick": "lookdex.search.query.options",
        "Release": "lookdex.records",
        "Scope": "lookdex.records",
        "Widen": "lookdex.search.query.options",
        "open_catalog": "lookdex.search.catalog",
    }

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
