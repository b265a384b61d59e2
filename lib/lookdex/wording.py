"""Numbers with their nouns."""

from __future__ import annotations


def count_of(count: int, what: str, many: str = "") -> str:
    """“1 photo”, “2,300 photos”; `many` where the plural is not the word with an s."""
    return f"{count:,} {what if count == 1 else many or what + 's'}"
