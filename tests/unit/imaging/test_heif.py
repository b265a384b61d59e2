"""AVIF and HEIC: pixels, orientation, limits and reasons, as for the other formats."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lookdex.imaging import codec, container, decoders, isobmff
from lookdex.records import Reason
from tests.support import heif
from tests.unit.imaging.test_images import (
    LIMITS,
    PHOTO,
    PLAIN,
    TILES,
    decode,
    encode,
    exif,
    reason_of,
    swapped_profile,
    tiles_of,
)

AVIF = encode(PLAIN, "AVIF", quality=95, subsampling="4:4:4")
FILES = {
    "AVIF": AVIF,
    "HEIC": heif.TILES,
    "HEIC 10 bit": heif.TILES_10BIT,
    "AVIF grid": heif.grid(heif.coded(AVIF), (64, 96), 2, 1, (128, 96), brand=b"avif"),
    "HEIC grid": heif.grid(heif.coded(heif.TILES), (64, 96), 2, 2, (128, 192)),
}


@pytest.mark.parametrize("kind", ["AVIF", "HEIC", "HEIC 10 bit"])
def test_encoded_pixels_are_decoded(kind: str) -> None:
    data = FILES[kind]
    assert np.abs(tiles_of(decode(data)) - TILES).max() <= 12
    header = codec.read_header(data)
    assert (header.format, header.width, header.height) == (kind[:4], 64, 96)
    assert container.count_frames(data, header) == 1


@pytest.mark.parametrize("kind", ["AVIF", "HEIC", "HEIC 10 bit"])
def test_bytes_after_the_picture_are_ignored(kind: str) -> None:
    assert np.array_equal(decode(FILES[kind] + b"more" * 50), decode(FILES[kind]))


def test_10_bit_grey_is_reduced_to_8_bits() -> None:
    grey = np.array([[0, 51], [102, 153], [204, 255]])
    assert np.abs(tiles_of(decode(heif.TILES_GREY_10BIT)) - grey[:, :, None]).max() <= 1


@pytest.mark.parametrize("kind", ["AVIF grid", "HEIC grid"])
def test_the_tiles_of_a_grid_are_one_picture(kind: str) -> None:
    pixels = decode(FILES[kind])
    header = codec.read_header(FILES[kind])
    assert (header.format, header.width, header.height) == (kind[:4], pixels.shape[1], pixels.shape[0])
    rows, columns = pixels.shape[0] // 96, pixels.shape[1] // 64
    assert np.abs(tiles_of(pixels) - np.tile(TILES, (rows, columns, 1))).max() <= 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_of_an_avif_is_applied(orientation: int) -> None:
    data = encode(PLAIN, "AVIF", quality=95, subsampling="4:4:4", exif=exif(orientation))
    upright = decoders.apply_orientation(PHOTO, orientation)
    header = codec.read_header(data)
    assert header.orientation == orientation
    assert codec.upright_size(header) == (upright.shape[1], upright.shape[0])
    assert np.abs(tiles_of(decode(data)) - tiles_of(upright)).max() <= 12


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_rotation_and_mirroring_are_applied_to_avif_and_heic(quarters: int, axis: int | None) -> None:
    """The properties irot and imir of the item count."""
    turns = [heif.irot(quarters)] * (quarters > 0) + ([heif.imir(axis)] if axis is not None else [])
    decoded = []
    for data, brand in ((AVIF, b"avif"), (heif.TILES, b"heic")):
        turned = heif.single(heif.coded(data), 64, 96, *turns, brand=brand)
        pixels = decode(turned)
        assert codec.upright_size(codec.read_header(turned)) == (pixels.shape[1], pixels.shape[0])
        decoded.append(tiles_of(pixels))
    assert np.abs(decoded[0] - decoded[1]).max() <= 12
    rotated = np.rot90(TILES, quarters)
    expected = {None: rotated, 0: rotated[::-1], 1: rotated[:, ::-1]}[axis]
    assert np.abs(decoded[0] - expected).max() <= 12


def test_an_exif_orientation_is_not_applied_on_top_of_irot() -> None:
    """Cameras write the same turn into both."""
    turned = encode(PLAIN, "AVIF", quality=95, subsampling="4:4:4", exif=exif(6))
    assert turned.count(b"irot\3") == 1
    assert np.abs(tiles_of(decode(turned.replace(b"irot\3", b"irot\0"))) - TILES).max() <= 12


def test_transparency_becomes_white_in_avif_and_heic() -> None:
    rgba = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    rgba[:32, :32, 3] = 0
    for data in (encode(Image.fromarray(rgba), "AVIF", quality=95, subsampling="4:4:4"), heif.TILES_ALPHA):
        pixels = decode(data)
        assert tuple(pixels[16, 16]) == (255, 255, 255)
        assert np.abs(tiles_of(pixels)[1:] - TILES[1:]).max() <= 12


def test_the_colour_profile_of_an_avif_is_applied() -> None:
    data = encode(PLAIN, "AVIF", quality=98, subsampling="4:4:4", icc_profile=swapped_profile())
    assert np.abs(tiles_of(decode(data)) - TILES[:, :, [1, 0, 2]]).max() <= 12


def test_a_clean_aperture_is_cut_out_of_a_heic() -> None:
    data = heif.single(heif.coded(heif.TILES), 64, 96, heif.clap(64, 32))
    assert decode(data).shape == (32, 64, 3)
    assert codec.upright_size(codec.read_header(data)) == (64, 32)
    assert reason_of(heif.single(heif.coded(heif.TILES), 64, 96, heif.clap(4, 4))) is Reason.TOO_SMALL


def test_an_animated_avif_is_its_first_frame() -> None:
    later = [Image.new("RGB", PLAIN.size, c) for c in ("black", "white")]
    data = encode(
        PLAIN, "AVIF", save_all=True, append_images=later, duration=50, quality=95, subsampling="4:4:4"
    )
    assert np.abs(tiles_of(decode(data)) - TILES).max() <= 12
    assert container.count_frames(data, codec.read_header(data)) == 3


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_too_large_and_too_small_pictures_are_refused_by_their_header(kind: str) -> None:
    part, brand = heif.coded(FILES[kind]), kind.lower().encode()
    assert reason_of(heif.single(part, 20_000, 20_000, brand=brand)) is Reason.TOO_MANY_PIXELS
    assert reason_of(heif.single(part, 15, 15, brand=brand)) is Reason.TOO_SMALL


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_the_size_of_the_tiles_counts_when_the_header_states_less(kind: str) -> None:
    grid = heif.grid(heif.coded(FILES[kind]), (640, 640), 2, 2, (64, 64), brand=kind.lower().encode())
    assert reason_of(grid) is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("size", [(32, 32), (640, 640)])
def test_a_wrong_size_in_the_header_is_corrupt_in_heic_and_scaled_to_in_avif(size: tuple[int, int]) -> None:
    """libavif scales the picture to the stated size, as it does with layers."""
    assert reason_of(heif.single(heif.coded(heif.TILES), *size)) is Reason.CORRUPT
    assert decode(heif.single(heif.coded(AVIF), *size, brand=b"avif")).shape == (size[1], size[0], 3)


def test_mp4_and_jpeg_2000_are_unknown_formats() -> None:
    film = bytes.fromhex("00000018667479706d70343200000000") + bytes(500)
    assert reason_of(film) is Reason.UNKNOWN_FORMAT
    jpeg2000 = heif.write([heif.Item(b"j2k1", heif.coded(heif.TILES).data, (heif.ispe(64, 96),))])
    assert reason_of(jpeg2000) is Reason.UNKNOWN_FORMAT


@pytest.mark.parametrize("brand", [b"heic", b"avif", b"mif1"])
def test_a_file_without_boxes_is_corrupt(brand: bytes) -> None:
    assert reason_of(heif.box(b"ftyp", brand + bytes(12)) + bytes(500)) is Reason.CORRUPT


def test_a_file_of_endless_boxes_is_corrupt() -> None:
    endless = heif.box(b"ftyp", b"heic" + bytes(12)) + heif.box(b"free", b"") * 100_000
    assert reason_of(endless) is Reason.CORRUPT


@pytest.mark.parametrize("kind", FILES)
def test_truncated_heif_files_have_pixels_or_a_reason(kind: str) -> None:
    data, reasons = FILES[kind], set()
    for end in range(1, len(data), max(1, len(data) // 60)):
        try:
            codec.decode(data[:end], **LIMITS)
        except codec.BadImage as error:
            reasons.add(error.reason)
    assert Reason.CORRUPT in reasons <= {Reason.CORRUPT, Reason.UNKNOWN_FORMAT}


@settings(max_examples=150)
@given(
    kind=st.sampled_from(sorted(FILES)),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    numbers=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 0xFFFF, 2**31, 2**32 - 1])), max_size=2
    ),
)
def test_damaged_heif_files_have_pixels_or_a_reason(
    kind: str, flips: list[tuple[float, int]], numbers: list[tuple[float, int]]
) -> None:
    data = bytearray(FILES[kind])
    for where, value in flips:
        data[min(int(where * len(data)), len(data) - 1)] = value
    for where, number in numbers:
        at = min(int(where * len(data)), len(data) - 4)
        data[at : at + 4] = struct.pack(">I", number)
    with contextlib.suppress(codec.BadImage):
        pixels = codec.decode(bytes(data), **LIMITS)
        assert pixels.shape[0] * pixels.shape[1] <= LIMITS["max_pixels"]


@given(st.binary(max_size=400))
def test_random_boxes_have_a_header_or_a_reason(data: bytes) -> None:
    with contextlib.suppress(codec.BadImage):
        codec.read_header(heif.box(b"ftyp", b"heic" + bytes(12)) + heif.box(b"meta", bytes(4) + data))


@given(st.binary(max_size=11))
def test_a_file_too_short_for_a_brand_is_no_heif(data: bytes) -> None:
    assert not isobmff.is_heif(data)
