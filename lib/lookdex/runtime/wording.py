"""Words of messages: numbers with their nouns, and what others wrote."""

from __future__ import annotations


def count_of(count: int, what: str, many: str = "") -> str:
    """“1 photo”, “2,300 photos”; `many` where the plural is not the word with an s."""
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def shortened(text: str, most: int = 200) -> str:
    """What somebody else wrote, for a message: no more than so many characters of it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
