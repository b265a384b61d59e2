"""`lookdex` exports its public names, and imports their modules only when they are used."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

import lookdex
from lookdex import errors


def imported(statement: ast.If) -> dict[str, str]:
    """The names that a block imports, with their modules."""
    return {
        alias.name: node.module
        for node in statement.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


@pytest.mark.parametrize("name", lookdex.__all__)
def test_every_name_is_importable(name: str) -> None:
    assert getattr(lookdex, name).__name__ == name
    assert name in dir(lookdex)


def test_type_checkers_see_the_names_that_are_imported_late() -> None:
    tree = ast.parse(Path(lookdex.__file__).read_text(encoding="utf-8"))
    late = {name for name in lookdex.__all__ if not hasattr(errors, name)}
    (seen,) = (imported(node) for node in tree.body if isinstance(node, ast.If))
    assert set(seen) == late
    for name, module in seen.items():
        assert getattr(import_module(module), name) is getattr(lookdex, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'lookdex' has no attribute 'open_catalogue'"):
        lookdex.open_catalogue  # type: ignore[attr-defined] # noqa: B018
