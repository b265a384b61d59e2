"""Recognize what clients send instead of a photo, and tell them what to send."""

from __future__ import annotations

import string

_PREFIX_BYTES = 200  # bytes: a longer text is no file name or URL
_BASE64 = frozenset((string.ascii_letters + string.digits + "+/=-_\r\n").encode())
_BASE64_MAGIC = (b"/9j/", b"_9j_", b"iVBORw0KGgo", b"UklGR", b"R0lGOD")  # JPEG, PNG, WebP, GIF


def find_hint(data: bytes | bytearray) -> str:
    """Say what the file is and what to send instead. Empty if unknown."""
    start = bytes(data[:_PREFIX_BYTES]).lstrip(b"\xef\xbb\xbf \t\r\n")
    lowered = start.lower()
    if lowered.startswith(b"data:"):
        return "it is a data URL: send the file's bytes, not base64"
    if _is_base64(start):
        return "it is base64: send the file's raw bytes"
    if lowered.startswith((b"http://", b"https://", b"file:", b"s3://", b"gs://", b"blob:")):
        return "it is a URL, and this service does not fetch URLs: send the file's bytes"
    if lowered.startswith((b"\x1f\x8b", b"pk\x03\x04", b"\x28\xb5\x2f\xfd")):
        return "it is compressed: send the file uncompressed"
    if start.startswith((b"{", b"[")):
        return "it is JSON: send the file's bytes"
    if len(data) < _PREFIX_BYTES and start and start.isascii() and start.decode().isprintable():
        return "it is text, such as a file name: send the file's bytes (curl: -F photo=@photo.jpg)"
    return ""


def _is_base64(start: bytes) -> bool:
    known = start.startswith(_BASE64_MAGIC) or (
        start.startswith(b"AAAA") and b"Z0eX" in start[:12]
    )  # HEIC, AVIF
    return known and _BASE64.issuperset(start)
