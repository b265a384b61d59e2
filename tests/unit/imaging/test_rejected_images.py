"""Files that are rejected, and with which reason. The hostile ones are generated here."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lookdex.imaging import codec, container
from lookdex.imaging import jpeg as jpegfile
from lookdex.records import Reason
from tests.unit.imaging.test_images import ENCODED, LIMITS, PLAIN, decode, encode, exif, png, reason_of


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\xff", Reason.UNKNOWN_FORMAT),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Reason.UNKNOWN_FORMAT),
        (b"%PDF-1.7\n" + ENCODED["JPEG"], Reason.UNKNOWN_FORMAT),
        (b"<!doctype html><title>404</title>", Reason.UNKNOWN_FORMAT),
        (encode(PLAIN, "BMP"), Reason.UNKNOWN_FORMAT),
        (encode(PLAIN, "TIFF"), Reason.UNKNOWN_FORMAT),
        (encode(PLAIN, "ICO"), Reason.UNKNOWN_FORMAT),
        (encode(PLAIN, "EPS"), Reason.UNKNOWN_FORMAT),
        (b"\xff\xd8\xff", Reason.CORRUPT),
        (b"\xff\xd8\xff\xd9", Reason.CORRUPT),
        (b"\xff\xd8\xff\xe0\0\0" * 40, Reason.CORRUPT),
        (b"\x89PNG\r\n\x1a\n", Reason.CORRUPT),
        (b"GIF89a", Reason.CORRUPT),
        (b"GIF89a\x40\0\x40\0\0\0\0;", Reason.CORRUPT),
        (b"RIFF\x04\0\0\0WEBP", Reason.CORRUPT),
        (b"RIFF\x10\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0", Reason.CORRUPT),
        (encode(PLAIN.resize((15, 400)), "PNG"), Reason.TOO_SMALL),
        (encode(PLAIN.resize((2000, 600)), "JPEG"), Reason.TOO_MANY_PIXELS),
    ],
)
def test_a_rejected_file_has_a_reason(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


def test_a_file_of_too_many_bytes_is_refused() -> None:
    assert reason_of(ENCODED["JPEG"], max_bytes=100) is Reason.TOO_MANY_BYTES


@pytest.mark.parametrize("kind", ENCODED)
def test_trailing_bytes_are_ignored(kind: str) -> None:
    data = ENCODED[kind]
    assert np.array_equal(decode(data + b"PK\x03\x04 a zip" * 50), decode(data))


@pytest.mark.parametrize("kind", ENCODED)
def test_truncated_files_are_corrupt_unless_only_the_end_marker_is_missing(kind: str) -> None:
    data, whole, reasons = ENCODED[kind], decode(ENCODED[kind]), set()
    for end in range(1, len(data), max(1, len(data) // 60)):
        try:
            pixels = codec.decode(data[:end], **LIMITS)
        except codec.BadImage as error:
            reasons.add(error.reason)
        else:
            assert np.abs(pixels.astype(int) - whole).mean() < 1
    assert Reason.CORRUPT in reasons <= {Reason.CORRUPT, Reason.UNKNOWN_FORMAT}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(ENCODED)),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damaged_files_have_pixels_or_a_reason(kind: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(ENCODED[kind])
    for where, value in flips:
        data[min(int(where * len(data)), len(data) - 1)] = value
    with contextlib.suppress(codec.BadImage):
        pixels = codec.decode(bytes(data), **LIMITS)
        assert pixels.shape[0] * pixels.shape[1] <= LIMITS["max_pixels"]


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF....WEBP"]),
)
def test_random_bytes_have_a_header_or_a_reason(data: bytes, start: bytes) -> None:
    with contextlib.suppress(codec.BadImage):
        header = codec.read_header(start + data)
        assert header.width > 0
        assert header.height > 0


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    bomb = png(12_000, 12_000, kind=0, rows=b"\0" * 12_001)
    assert len(bomb) < 200_000
    assert reason_of(bomb) is Reason.TOO_MANY_PIXELS


def test_a_gif_frame_larger_than_its_canvas_is_refused() -> None:
    big_frame = b"GIF89a\x20\0\x20\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0;"
    assert reason_of(big_frame) is Reason.TOO_MANY_PIXELS


def test_a_jpeg_with_a_wrong_size_is_corrupt() -> None:
    data = bytearray(ENCODED["JPEG"])
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 900, 900)
    assert reason_of(bytes(data)) is Reason.CORRUPT


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("kind", ["baseline", "progressive", "grey", "CMYK", "4:2:0"])
def test_a_jpeg_may_lack_its_end_marker_but_nothing_else(kind: str, restarts: int) -> None:
    image = PLAIN.convert({"grey": "L", "CMYK": "CMYK"}.get(kind, "RGB"))
    noise = np.random.default_rng(3).integers(0, 60, np.asarray(image).shape, np.uint8)
    image = Image.fromarray((np.asarray(image) // 2 + noise).astype(np.uint8), image.mode)
    data = encode(
        image, "JPEG", quality=90, progressive=kind == "progressive", subsampling=2 if kind == "4:2:0" else 0,
        restart_marker_rows=restarts,
    )  # fmt: skip
    assert data.endswith(b"\xff\xd9")
    whole = decode(data)
    assert np.array_equal(decode(data[:-1]), whole)
    assert np.array_equal(decode(data[:-2]), whole)
    first = data.index(b"\xff\xda")
    for cut in (3, 4, 5, 8, 13, 40, 200, (len(data) - first) // 2):
        with pytest.raises(codec.BadImage) as error:
            codec.decode(data[:-cut], **LIMITS)
        assert error.value.reason is Reason.CORRUPT, cut


def test_an_arithmetic_jpeg_without_its_end_marker_is_not_repaired() -> None:
    """Its decoder would silently fill in missing data."""
    data = ENCODED["JPEG"]
    assert jpegfile.append_end_marker(data[:-2]) == data
    frame = data.index(b"\xff\xc0")
    assert jpegfile.append_end_marker(data[:frame] + b"\xff\xc9" + data[frame + 2 : -2]) is None


def test_a_progressive_jpeg_without_its_last_scans_is_corrupt() -> None:
    """When it ends between two scans, a decoder takes it for complete, though blurred."""
    data = ENCODED["progressive"]
    scans = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    tables = [data.rindex(b"\xff\xc4", 0, at) for at in scans[1:]]
    assert len(tables) > 4
    for at in tables:
        assert reason_of(data[:at]) is Reason.CORRUPT


def test_the_memory_to_decode_a_picture_is_limited_by_its_header() -> None:
    """Formats need different amounts of memory per pixel: see infra/bench_decoding.py."""
    large = {"max_pixels": 10**9, "max_bytes": 10**9}
    assert reason_of(png(9000, 9000), **large) is Reason.TOO_MANY_PIXELS
    header = codec.read_header(png(9000, 9000, kind=0))
    assert header.memory < codec.MEMORY
    with pytest.raises(
        codec.BadImage, match=r"9000 × 9000 pixels in PNG take \d+ MiB to decode, more than 512"
    ):
        codec.decode(png(9000, 9000), **large)


def test_a_jpeg_of_too_many_scans_is_corrupt() -> None:
    data = ENCODED["progressive"]
    first = data.index(b"\xff\xda")
    scan = data[first : data.index(b"\xff\xda", first + 2)]
    assert reason_of(data[:first] + scan * 3000 + data[first:]) is Reason.CORRUPT


def test_metadata_but_the_colour_profile_is_removed_before_decoding() -> None:
    data = encode(PLAIN, "JPEG", exif=exif(6), comment=b"hello", xmp=b"<x/>", icc_profile=b"p" * 200)
    kept = container.strip_metadata(data, codec.read_header(data))
    assert b"Exif" not in kept
    assert b"hello" not in kept
    assert b"<x/>" not in kept
    assert b"ICC_PROFILE" in kept
