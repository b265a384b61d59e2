"""Connected components of a graph."""

from __future__ import annotations

from collections.abc import Iterable


def find_components(links: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """Group linked names into connected components, each sorted, largest first."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for a, b in links:
        parent[root(a)] = root(b)
    groups: dict[str, list[str]] = {}
    for name in parent:
        groups.setdefault(root(name), []).append(name)
    return tuple(sorted((tuple(sorted(group)) for group in groups.values()), key=lambda g: (-len(g), g)))
