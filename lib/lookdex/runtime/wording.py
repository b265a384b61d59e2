"""Helpers for messages: counts with nouns, and shortened text of users."""

from __future__ import annotations


def pluralize(count: int, noun: str, plural: str = "") -> str:
    """Count a noun: “1 photo”, “2,300 photos”. `plural` is needed if it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def shorten(text: str, max_length: int = 200) -> str:
    """Shorten a text that a user wrote to at most `max_length` characters."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
