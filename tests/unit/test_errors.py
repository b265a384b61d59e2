"""The tree of errors at the top of `lookdex.errors` is that of its classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from lookdex import errors
from lookdex.errors import LookdexError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


def tree(kind: type[LookdexError], line: str = "", below: str = "") -> Iterator[str]:
    """The lines of an error and those derived from it. A second base and an exit code of its own stand beside it."""
    base, *others = kind.__bases__
    notes = [f"also a {other.__name__}" for other in others]
    notes += [f"→ exit code {kind.exit_code}"] if kind.exit_code != getattr(base, "exit_code", 1) else []
    yield f"{line + kind.__name__:<29}{', '.join(notes)}".rstrip()
    derived = [
        child
        for child in kind.__subclasses__()
        if child.__base__ is kind and child.__module__ == errors.__name__
    ]
    for child in derived:
        last = child is derived[-1]
        yield from tree(child, below + ("└── " if last else "├── "), below + ("    " if last else "│   "))


def test_the_tree_has_every_error_with_its_exit_code() -> None:
    assert errors.__doc__ is not None
    assert "\n".join(tree(LookdexError)) in errors.__doc__


def test_every_error_says_when_it_is_raised() -> None:
    assert len(CLASSES) > 30
    assert [kind.__name__ for kind in CLASSES if "__doc__" not in vars(kind) or not kind.__doc__] == []
