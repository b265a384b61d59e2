"""Search by photo over a shop's own catalogue: a nightly reindex, and the query function it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lookdex.search.catalog import Catalog as Catalog
    from lookdex.search.catalog import open_catalog as open_catalog

__version__ = "0.1.0"
__all__ = ["Catalog", "open_catalog"]


def __getattr__(name: str) -> Any:  # PEP 562: `import lookdex` loads no heavy dependency
    if name in __all__:
        from lookdex.search import catalog

        return getattr(catalog, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
