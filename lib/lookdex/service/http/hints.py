"""What clients send in place of a photo, and what to say of it."""

from __future__ import annotations

import string

_ENOUGH = 200  # bytes: a longer text is no name or address of a file
_BASE64 = frozenset((string.ascii_letters + string.digits + "+/=-_\r\n").encode())
_FIRST_IN_BASE64 = (b"/9j/", b"_9j_", b"iVBORw0KGgo", b"UklGR", b"R0lGOD")  # JPEG, PNG, WebP, GIF


def hint_of(data: bytes | bytearray) -> str:
    """What a file that is no picture is instead, and what to send; empty where nothing is known of it."""
    start = bytes(data[:_ENOUGH]).lstrip(b"\xef\xbb\xbf \t\r\n")
    lowered = start.lower()
    if lowered.startswith(b"data:"):
        return "it is a data URL: send the bytes of the file, not base64"
    if _is_base64(start):
        return "it is base64: send the bytes of the file as they are"
    if lowered.startswith((b"http://", b"https://", b"file:", b"s3://", b"gs://", b"blob:")):
        return "it is an address, and this service fetches none: send the bytes of the file"
    if lowered.startswith((b"\x1f\x8b", b"pk\x03\x04", b"\x28\xb5\x2f\xfd")):
        return "it is compressed: send the file as it is"
    if start.startswith((b"{", b"[")):
        return "it is JSON: send the bytes of the file"
    if len(data) < _ENOUGH and start and start.isascii() and start.decode().isprintable():
        return (
            "it is text, such as the name of a file: send the bytes of the file (curl: -F photo=@photo.jpg)"
        )
    return ""


def _is_base64(start: bytes) -> bool:
    known = start.startswith(_FIRST_IN_BASE64) or (
        start.startswith(b"AAAA") and b"Z0eX" in start[:12]
    )  # HEIC, AVIF
    return known and _BASE64.issuperset(start)
