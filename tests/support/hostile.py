"""Malicious or damaged uploads, generated deterministically."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.support.catalogs import picture
from tests.support.heif import TILES
from tests.support.photos import encode

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIC")


def photo() -> bytes:
    """A valid photo."""
    return encode(picture("red", "blue"), "JPEG")


def uploads(large: bool = False) -> list[tuple[str, bytes]]:
    """Names and files. large: include those that take seconds to make."""
    return [*_cut(), *_flipped(), *_bombs(), *_others(), *_polyglots(), *(_large() if large else ())]


def _rough(format: str) -> bytes:
    """An incompressible photo, so that every byte of the file matters."""
    if format == "HEIC":  # no HEIC encoder is available
        return TILES
    pixels = np.random.default_rng(7).integers(0, 255, (120, 90, 3), np.uint8)
    return encode(pixels, format)


def _cut() -> Iterator[tuple[str, bytes]]:
    for format in FORMATS:
        data = _rough(format)
        for n in range(12):
            yield f"{format} cut at {n}/12", data[: len(data) * n // 12]
        yield f"{format} cut by one", data[:-1]
        yield f"{format} twice", data + data
        yield f"{format} and a megabyte more", data + bytes(1 << 20)


def _flipped() -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(8)
    for format in FORMATS:
        for n in range(12):
            data = bytearray(_rough(format))
            first = 2 if n < 6 else len(data) // 3  # in the headers, or in the pixels
            for at in rng.integers(first, min(len(data), first + 400), 1 + n):
                data[at] ^= 1 << int(rng.integers(8))
            yield f"{format} flipped {n}", bytes(data)


def _bombs() -> Iterator[tuple[str, bytes]]:
    for width, height in ((50_000, 50_000), (65_535, 65_535), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (0, 9)):
        yield f"PNG of {width} × {height}", _png(width, height, zlib.compress(bytes(1000)))
    for width, height in ((65_535, 65_535), (30_000, 30_000)):
        data = bytearray(_rough("JPEG"))
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
        yield f"JPEG that says {width} × {height}", bytes(data)
        gif = bytearray(_rough("GIF"))
        gif[6:10] = struct.pack("<HH", width, height)
        yield f"GIF that says {width} × {height}", bytes(gif)
    yield "JPEG of 5,000 scans", _scans(5000)
    yield "JPEG of a million markers", b"\xff\xd8" + b"\xff\x01" * 1_000_000
    yield "JPEG of 19 MB of fill bytes", b"\xff\xd8" + b"\xff" * 19_000_000
    yield (
        "PNG of a million empty chunks",
        b"\x89PNG\r\n\x1a\n" + (struct.pack(">I", 0) + b"teST" + bytes(4)) * 1_000_000,
    )
    yield "GIF of a million frames", _rough("GIF")[:13] + b"\x2c" + bytes(8) + b"\x00\x02\x00" * 1_000_000
    yield (
        "GIF of an endless comment",
        b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b"\x21\xfe" + b"\x01a" * 5_000_000,
    )
    yield (
        "WebP whose chunk is longer than all memory",
        b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff" + bytes(100),
    )
    yield "one pixel wide", encode(np.zeros((5000, 1, 3), np.uint8))


def _large() -> Iterator[tuple[str, bytes]]:
    rows = zlib.compress(bytes(7001 * 3 * 7000), 1)
    yield "PNG of 49 million pixels", _png(7000, 7000, rows)
    yield "PNG that inflates to more than it says", _png(64, 64, rows)
    yield (
        "PNG with a compressed text of 150 MB",
        _png(64, 64, zlib.compress(bytes(64 * 193)), text=150_000_000),
    )
    yield "a large plain JPEG", encode(np.zeros((6900, 7000, 3), np.uint8), "JPEG")
    yield "a large plain WebP", encode(np.zeros((6900, 7000, 3), np.uint8), "WEBP", method=0)


def _png(width: int, height: int, pixels: bytes, text: int = 0) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    words = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(text), 1)) if text else b""
    return b"\x89PNG\r\n\x1a\n" + header + words + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _scans(count: int) -> bytes:
    """A progressive JPEG that repeats its last scan."""
    data = encode(picture("red"), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def _others() -> Iterator[tuple[str, bytes]]:
    plain = Image.fromarray(picture("red"))
    for format in ("BMP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000", "PDF", "EPS", "DDS", "SGI", "PCX"):
        out = io.BytesIO()
        plain.save(out, format)
        yield format, out.getvalue()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.jpg", bytes(5_000_000))
    yield "a zip", zipped.getvalue()
    yield "a gzip", gzip.compress(photo())
    yield "a script", b"#!/bin/sh\nexit 0\n"
    yield (
        "SVG that fetches",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:1/a.png"/></svg>',
    )
    yield "XML of a billion laughs", b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
    yield "HTML", b"<!doctype html><script>1</script>"
    yield "a URL", b"http://127.0.0.1:1/photo.jpg"
    yield "HEIC", bytes.fromhex("00000018667479706865696300000000") + bytes(500)
    yield "AVIF", bytes.fromhex("00000018667479706176696600000000") + bytes(500)
    yield "MP4", bytes.fromhex("00000018667479706d70343200000000") + bytes(500)
    yield "zeros", bytes(100_000)
    yield "noise", np.random.default_rng(9).bytes(100_000)
    yield "nothing", b""
    yield "one byte", b"\xff"


def _polyglots() -> Iterator[tuple[str, bytes]]:
    for first in FORMATS:
        for second in FORMATS:
            if first != second:
                yield f"{first} before {second}", _rough(first) + _rough(second)
                yield f"{first}'s magic on {second}", _rough(first)[:12] + _rough(second)[12:]
    yield "JPEG with a zip behind it", photo() + dict(_others())["a zip"]
    page = b"<script>alert(1)</script>"
    data = photo()
    yield (
        "JPEG with a page in a comment",
        data[:2] + b"\xff\xfe" + struct.pack(">H", len(page) + 2) + page + data[2:],
    )
    yield "GIF that is JavaScript", b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)"
