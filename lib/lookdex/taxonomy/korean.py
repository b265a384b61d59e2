"""Korean names of lookdex's categories and colours, for display."""

from __future__ import annotations

from lookdex.taxonomy.word_lists import korean_names


def colour_name(name: str | None) -> str | None:
    """'red' → '빨간색'; None for None and for colours without a Korean name."""
    words = korean_names().colours.get(name or "")
    return words[0] if words else None


def category_name(name: str | None) -> str | None:
    """'dress' → '원피스'; None for None and for labels without a Korean name."""
    words = korean_names().categories.get(name or "")
    return words[0] if words else None
