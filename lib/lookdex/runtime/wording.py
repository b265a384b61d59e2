"""Helpers for messages: counts with nouns, and shortened text of users."""

from __future__ import annotations


def count_of(count: int, what: str, many: str = "") -> str:
    """“1 photo”, “2,300 photos”. many: the plural, if it is not the noun with an s."""
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def shortened(text: str, most: int = 200) -> str:
    """At most `most` characters of a text that a user wrote."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
