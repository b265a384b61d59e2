"""Numbers with their nouns."""

from __future__ import annotations


def count_of(count: int, what: str) -> str:
    """“1 photo”, “2,300 photos”."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
