"""Decoding to upright sRGB pixels, crops and their encoding."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from lookdex.imaging import codec
from lookdex.records import Box, Reason

LIMITS = {"max_bytes": 2_000_000, "max_pixels": 1_000_000}
# Two by three flat tiles: each rotation and mirroring of them looks different, and JPEG preserves them.
TILES = np.array(
    [[(220, 30, 30), (30, 200, 40)], [(30, 60, 210), (230, 220, 40)], [(250, 250, 250), (20, 20, 20)]],
    np.uint8,
)
PHOTO = np.ascontiguousarray(TILES.repeat(32, axis=0).repeat(32, axis=1))  # (96, 64, 3)


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def decode(data: bytes, **limits: int) -> np.ndarray:
    pixels = codec.decode(data, **{**LIMITS, **limits})
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.flags.c_contiguous
    return pixels


def reason_of(data: bytes, **limits: int) -> Reason:
    with pytest.raises(codec.BadImage) as error:
        codec.decode(data, **{**LIMITS, **limits})
    return error.value.reason


def tiles_of(pixels: np.ndarray) -> np.ndarray:
    """The colour in the middle of each tile."""
    rows, columns = pixels.shape[0] // 32, pixels.shape[1] // 32
    return pixels[16 : rows * 32 : 32, 16 : columns * 32 : 32].astype(int)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


PLAIN = Image.fromarray(PHOTO)
ENCODED = {
    "JPEG": encode(PLAIN, "JPEG", quality=95),
    "progressive": encode(PLAIN, "JPEG", quality=95, progressive=True),
    "PNG": encode(PLAIN, "PNG"),
    "interlaced": encode(PLAIN, "PNG", interlace=1),
    "WEBP": encode(PLAIN, "WEBP", quality=95),
    "lossless": encode(PLAIN, "WEBP", lossless=True),
    "GIF": encode(PLAIN, "GIF"),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_the_pixels_of_every_format_are_decoded(kind: str) -> None:
    assert np.abs(tiles_of(decode(ENCODED[kind])) - TILES).max() <= 12


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_in_pillow(format: str, orientation: int) -> None:
    data = encode(PLAIN, format, quality=95, exif=exif(orientation))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    pixels = decode(data)
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).max() <= 2
    header = codec.read_header(data)
    assert (header.format, header.width, header.height) == (format, 64, 96)
    assert header.orientation == orientation
    assert codec.upright_size(header) == (pixels.shape[1], pixels.shape[0])


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_invalid_orientation_is_ignored(orientation: int) -> None:
    pixels = decode(encode(PLAIN, "JPEG", quality=95, exif=exif(orientation)))
    assert np.abs(tiles_of(pixels) - TILES).max() <= 12


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *, depth: int = 8, kind: int = 2, rows: bytes = b"") -> bytes:
    """A handmade PNG. rows: one filtered row, which is repeated."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows * height, 9))
        + chunk(b"IEND", b"")
    )


def raw_profile(orientation: int) -> bytes:
    """EXIF as ImageMagick writes it into a PNG."""
    block = exif(orientation).tobytes()
    return f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()


def xmp(orientation: int, element: bool) -> bytes:
    content = f"<tiff:Orientation>{orientation}</tiff:Orientation>" if element else ""
    attribute = "" if element else f' tiff:Orientation="{orientation}"'
    return f"<x:xmpmeta><rdf:Description{attribute}>{content}</rdf:Description></x:xmpmeta>".encode()


ORIENTATION_CHUNKS = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).flatmap(
    lambda n: st.lists(
        st.sampled_from([
            chunk(b"eXIf", exif(n[0]).tobytes()[6:]), chunk(b"eXIf", b"II*\0"),
            chunk(b"eXIf", Image.Exif().tobytes()[6:]),
            chunk(b"tEXt", b"Raw profile type exif\0" + raw_profile(n[1])),
            chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(n[1]))),
            chunk(b"tEXt", b"Raw profile type iptc\0" + raw_profile(n[1])),
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(n[2], True)),
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0\0" + zlib.compress(xmp(n[2], False))),
            chunk(b"iTXt", b"Comment\0\0\0\0\0" + xmp(n[2], True)),
        ]),
        max_size=3,
    )
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(before=ORIENTATION_CHUNKS, after=ORIENTATION_CHUNKS)
def test_a_png_is_oriented_as_in_pillow(before: list[bytes], after: list[bytes]) -> None:
    """By eXIf, EXIF as text or XMP, before or after the pixels. The last of each counts."""
    plain = ENCODED["PNG"]
    start, end = plain.index(b"IDAT") - 4, plain.index(b"IEND") - 4
    data = plain[:start] + b"".join(before) + plain[start:end] + b"".join(after) + plain[end:]
    try:
        with Image.open(io.BytesIO(data)) as image:
            upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (SyntaxError, ValueError, struct.error):
        return  # Pillow fails on a broken chunk
    assert np.array_equal(decode(data), upright)


@pytest.mark.parametrize("block", [b"Exif\0\0MM", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense" * 9])
def test_broken_exif_is_ignored(block: bytes) -> None:
    jpeg = ENCODED["JPEG"]
    data = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
    assert np.array_equal(decode(data), decode(jpeg))


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF"])
def test_transparency_becomes_white(format: str) -> None:
    rgba = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    rgba[:32, :32] = (220, 30, 30, 0)
    options: dict[str, object] = {"lossless": True} if format == "WEBP" else {}
    pixels = decode(encode(Image.fromarray(rgba), format, **options))
    assert tuple(pixels[16, 16]) == (255, 255, 255)
    assert np.abs(tiles_of(pixels)[1:] - TILES[1:]).max() <= 12


def test_a_transparent_palette_entry_becomes_white() -> None:
    palette = PLAIN.quantize(8)
    clear = palette.getpixel((16, 16))
    pixels = decode(encode(palette, "PNG", transparency=clear))
    assert tuple(pixels[16, 16]) == (255, 255, 255)
    assert np.abs(tiles_of(pixels)[1] - TILES[1]).max() <= 12


def test_transparent_grey_becomes_white() -> None:
    grey = Image.new("LA", (40, 40), (10, 255))
    grey.paste((10, 0), (0, 0, 20, 40))
    pixels = decode(encode(grey, "PNG"))
    assert (tuple(pixels[5, 5]), tuple(pixels[5, 35])) == ((255, 255, 255), (10, 10, 10))


def test_16_bit_grey_is_reduced_to_8_bits() -> None:
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    pixels = decode(encode(Image.fromarray(grey), "PNG"))
    assert np.array_equal(pixels[:, :, 0], grey >> 8)


def test_16_bit_colours_are_reduced_to_8_bits() -> None:
    data = png(32, 32, depth=16, kind=2, rows=b"\0" + b"\xc8\x07\x64\x07\x32\x07" * 32)
    assert decode(data)[0, 0].tolist() == [200, 100, 50]


def test_a_1_bit_png_is_black_and_white() -> None:
    assert set(np.unique(decode(encode(PLAIN.convert("1"), "PNG")))) == {0, 255}


def test_a_grey_jpeg_has_equal_channels() -> None:
    pixels = decode(encode(PLAIN.convert("L"), "JPEG"))
    assert (pixels[:, :, 0] == pixels[:, :, 2]).all()


def test_a_cmyk_jpeg_is_converted_to_rgb() -> None:
    data = encode(PLAIN.convert("CMYK"), "JPEG", quality=98)
    assert not codec.read_header(data).plain
    assert np.abs(tiles_of(decode(data)) - TILES).max() <= 12


def swapped_profile() -> bytes:
    """A colour profile with red and green swapped, which shows in the pixels."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"xXYZ").replace(b"gXYZ", b"rXYZ").replace(b"xXYZ", b"gXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "turn".encode("utf-16-be"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_colour_profile_is_applied(format: str) -> None:
    data = encode(PLAIN, format, quality=98, icc_profile=swapped_profile())
    assert np.abs(tiles_of(decode(data)) - TILES[:, :, [1, 0, 2]]).max() <= 12


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_broken_colour_profile_is_ignored(format: str) -> None:
    data = encode(PLAIN, format, quality=98, icc_profile=b"not a profile")
    assert np.abs(tiles_of(decode(data)) - TILES).max() <= 12


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_frame(format: str) -> None:
    later = [Image.new("RGB", PLAIN.size, c) for c in ("black", "white")]
    data = encode(PLAIN, format, save_all=True, append_images=later, duration=50)
    assert np.abs(tiles_of(decode(data)) - TILES).max() <= 12


@pytest.mark.parametrize(
    "options",
    [{"quality": 60}, {"quality": 92, "subsampling": 0}, {"quality": 80, "progressive": True}],
    ids=str,
)
def test_the_fast_jpeg_decoder_agrees_with_pillow(options: dict[str, object]) -> None:
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 255, (90, 130, 3), dtype=np.uint8)).resize((260, 180))
    data = encode(noise, "JPEG", **options)
    assert codec.read_header(data).plain
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode(data) - reference).max() <= 2


# ── crops and encoding ───────────────────────────────────────────────────────────────────────────────────────


def test_the_margin_of_a_crop_is_a_share_of_the_longer_side_within_the_photo() -> None:
    assert codec.crop(PHOTO, Box(20, 20, 40, 60), 0.1).shape == (48, 28, 3)
    assert codec.crop(PHOTO, Box(0, 0, 64, 96), 0.5).shape == PHOTO.shape


def test_a_crop_is_a_view_of_the_photo() -> None:
    assert np.shares_memory(codec.crop(PHOTO, Box(0, 0, 5, 5)), PHOTO)


@pytest.mark.parametrize(("side", "shape"), [(48, (48, 32, 3)), (500, PHOTO.shape)])
def test_an_encoded_crop_is_a_jpeg_of_at_most_that_side(side: int, shape: tuple[int, ...]) -> None:
    data = codec.encode_jpeg(PHOTO, side)
    assert codec.read_header(data).format == "JPEG"
    assert decode(data).shape == shape


def test_the_memory_layout_of_a_crop_does_not_change_its_jpeg() -> None:
    assert codec.encode_jpeg(PHOTO[:, ::2], 48) == codec.encode_jpeg(PHOTO[:, ::2].copy(), 48)


def test_the_content_hash_is_sha_256() -> None:
    assert codec.content_hash(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223")
