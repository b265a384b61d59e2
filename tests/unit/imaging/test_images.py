"""Every file yields upright sRGB pixels or a reason. The hostile files are generated here."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from lookdex.imaging import codec, container
from lookdex.imaging import jpeg as jpegfile
from lookdex.records import Box, Reason

LIMITS = {"max_bytes": 2_000_000, "max_pixels": 1_000_000}
# Two by three flat tiles: every turn and mirror of them looks different, and JPEG keeps them.
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
    made = Image.Exif()
    made[0x0112] = orientation
    return made


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
def test_formats_give_the_pixels_that_were_put_in(kind: str) -> None:
    assert np.abs(tiles_of(decode(ENCODED[kind])) - TILES).max() <= 12


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_the_reference_does(format: str, orientation: int) -> None:
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
def test_an_orientation_that_does_not_exist_is_upright(orientation: int) -> None:
    assert (
        np.abs(tiles_of(decode(encode(PLAIN, "JPEG", quality=95, exif=exif(orientation)))) - TILES).max()
        <= 12
    )


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def raw_profile(orientation: int) -> bytes:
    """As ImageMagick keeps EXIF in a PNG."""
    block = exif(orientation).tobytes()
    return f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()


def xmp(orientation: int, element: bool) -> bytes:
    said = f"<tiff:Orientation>{orientation}</tiff:Orientation>" if element else ""
    attribute = "" if element else f' tiff:Orientation="{orientation}"'
    return f"<x:xmpmeta><rdf:Description{attribute}>{said}</rdf:Description></x:xmpmeta>".encode()


TURNED_PNGS = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).flatmap(
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
@given(before=TURNED_PNGS, after=TURNED_PNGS)
def test_a_png_is_turned_as_pillow_turns_it(before: list[bytes], after: list[bytes]) -> None:
    """By eXIf, by EXIF kept as text, by XMP, before or after the pixels; the last of each counts."""
    plain = ENCODED["PNG"]
    start, end = plain.index(b"IDAT") - 4, plain.index(b"IEND") - 4
    data = plain[:start] + b"".join(before) + plain[start:end] + b"".join(after) + plain[end:]
    try:
        with Image.open(io.BytesIO(data)) as image:
            upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (SyntaxError, ValueError, struct.error):
        return  # Pillow gives up on what is broken of it
    assert np.array_equal(decode(data), upright)


@pytest.mark.parametrize("block", [b"Exif\0\0MM", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense" * 9])
def test_broken_exif_says_nothing_of_the_pixels(block: bytes) -> None:
    jpeg = ENCODED["JPEG"]
    data = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
    assert np.array_equal(decode(data), decode(jpeg))


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF"])
def test_alpha_lies_over_white(format: str) -> None:
    rgba = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    rgba[:32, :32] = (220, 30, 30, 0)
    options = {"lossless": True} if format == "WEBP" else {}
    pixels = decode(encode(Image.fromarray(rgba), format, **options))
    assert tuple(pixels[16, 16]) == (255, 255, 255)
    assert np.abs(tiles_of(pixels)[1:] - TILES[1:]).max() <= 12


def test_palette_with_one_transparent_entry_and_grey_with_alpha() -> None:
    palette = PLAIN.quantize(8)
    clear = palette.getpixel((16, 16))
    pixels = decode(encode(palette, "PNG", transparency=clear))
    assert tuple(pixels[16, 16]) == (255, 255, 255)
    assert np.abs(tiles_of(pixels)[1] - TILES[1]).max() <= 12
    grey = Image.new("LA", (40, 40), (10, 255))
    grey.paste((10, 0), (0, 0, 20, 40))
    pixels = decode(encode(grey, "PNG"))
    assert (tuple(pixels[5, 5]), tuple(pixels[5, 35])) == ((255, 255, 255), (10, 10, 10))


def test_sixteen_bits_are_cut_to_eight() -> None:
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    pixels = decode(encode(Image.fromarray(grey), "PNG"))
    assert np.array_equal(pixels[:, :, 0], grey >> 8)
    assert decode(png(32, 32, depth=16, kind=2, rows=b"\0" + b"\xc8\x07\x64\x07\x32\x07" * 32)).tolist()[0][0] == [
        200, 100, 50,
    ]  # fmt: skip


def test_one_bit_and_grey() -> None:
    assert set(np.unique(decode(encode(PLAIN.convert("1"), "PNG")))) == {0, 255}
    pixels = decode(encode(PLAIN.convert("L"), "JPEG"))
    assert (pixels[:, :, 0] == pixels[:, :, 2]).all()


def test_cmyk_jpeg_has_its_colours() -> None:
    data = encode(PLAIN.convert("CMYK"), "JPEG", quality=98)
    assert not codec.read_header(data).plain
    assert np.abs(tiles_of(decode(data)) - TILES).max() <= 12


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_profile_is_applied(format: str) -> None:
    # Swapping red and green in the profile shows in the pixels.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"xXYZ").replace(b"gXYZ", b"rXYZ").replace(b"xXYZ", b"gXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "turn".encode("utf-16-be"))
    data = encode(PLAIN, format, quality=98, icc_profile=swapped)
    assert np.abs(tiles_of(decode(data)) - TILES[:, :, [1, 0, 2]]).max() <= 12
    data = encode(PLAIN, format, quality=98, icc_profile=b"not a profile")
    assert np.abs(tiles_of(decode(data)) - TILES).max() <= 12


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animations_give_their_first_frame(format: str) -> None:
    later = [Image.new("RGB", PLAIN.size, c) for c in ("black", "white")]
    data = encode(PLAIN, format, save_all=True, append_images=later, duration=50)
    assert np.abs(tiles_of(decode(data)) - TILES).max() <= 12


def test_the_quick_decoder_agrees_with_the_other_one() -> None:
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 255, (90, 130, 3), dtype=np.uint8)).resize((260, 180))
    for options in ({"quality": 60}, {"quality": 92, "subsampling": 0}, {"quality": 80, "progressive": True}):
        data = encode(noise, "JPEG", **options)
        assert codec.read_header(data).plain
        reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert np.abs(decode(data) - reference).max() <= 2


# ── files that are not pictures, or not ours ─────────────────────────────────────────────────────────────────


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
def test_reasons(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


def test_bytes_are_counted_before_anything_is_read() -> None:
    assert reason_of(ENCODED["JPEG"], max_bytes=100) is Reason.TOO_MANY_BYTES


def test_trailing_bytes_are_ignored() -> None:
    for kind, data in ENCODED.items():
        assert np.array_equal(decode(data + b"PK\x03\x04 a zip" * 50), decode(data)), kind


@pytest.mark.parametrize("kind", ENCODED)
def test_every_truncation_is_pixels_or_corrupt(kind: str) -> None:
    data, whole, reasons = ENCODED[kind], decode(ENCODED[kind]), set()
    for end in range(1, len(data), max(1, len(data) // 60)):
        try:
            pixels = codec.decode(data[:end], **LIMITS)
        except codec.BadImage as error:
            reasons.add(error.reason)
        else:  # only the end marker was cut off
            assert np.abs(pixels.astype(int) - whole).mean() < 1
    assert Reason.CORRUPT in reasons <= {Reason.CORRUPT, Reason.UNKNOWN_FORMAT}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(ENCODED)),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damaged_bytes_are_pixels_or_a_reason(kind: str, flips: list[tuple[float, int]]) -> None:
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
def test_any_bytes_have_a_header_or_a_reason(data: bytes, start: bytes) -> None:
    with contextlib.suppress(codec.BadImage):
        header = codec.read_header(start + data)
        assert header.width > 0
        assert header.height > 0


def png(width: int, height: int, *, depth: int = 8, kind: int = 2, rows: bytes = b"") -> bytes:
    """A PNG by hand: `rows` is one filtered row, repeated."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows * height, 9))
        + chunk(b"IEND", b"")
    )


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = png(12_000, 12_000, kind=0, rows=b"\0" * 12_001)
    assert len(bomb) < 200_000
    assert reason_of(bomb) is Reason.TOO_MANY_PIXELS
    big_frame = b"GIF89a\x20\0\x20\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0;"
    assert reason_of(big_frame) is Reason.TOO_MANY_PIXELS


def test_a_size_that_lies_is_corrupt() -> None:
    data = bytearray(ENCODED["JPEG"])
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 900, 900)
    assert reason_of(bytes(data)) is Reason.CORRUPT


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("kind", ["baseline", "progressive", "grey", "CMYK", "4:2:0"])
def test_a_jpeg_may_lack_its_end_marker_and_nothing_else(kind: str, restarts: int) -> None:
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


def test_an_arithmetic_jpeg_is_not_mended() -> None:
    """Its decoder fills up what is missing, and does not say so."""
    data = ENCODED["JPEG"]
    assert jpegfile.ended(data[:-2]) == data
    frame = data.index(b"\xff\xc0")
    assert jpegfile.ended(data[:frame] + b"\xff\xc9" + data[frame + 2 : -2]) is None


def test_a_progressive_jpeg_that_lacks_scans_is_corrupt() -> None:
    """Cut between two scans it looks complete to a decoder, and is a blurred picture."""
    data = ENCODED["progressive"]
    scans = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    tables = [data.rindex(b"\xff\xc4", 0, at) for at in scans[1:]]
    assert len(tables) > 4
    for at in tables:
        assert reason_of(data[:at]) is Reason.CORRUPT


def test_memory_limit_is_checked_by_header() -> None:
    """A limit of pixels alone would let decoders take as much as they like: see infra/bench_decoding.py."""
    large = {"max_pixels": 10**9, "max_bytes": 10**9}
    assert reason_of(png(9000, 9000), **large) is Reason.TOO_MANY_PIXELS
    header = codec.read_header(png(9000, 9000, kind=0))
    assert header.memory < codec.MEMORY
    with pytest.raises(
        codec.BadImage, match=r"9000 × 9000 pixels in PNG take \d+ MiB to decode, more than 512"
    ):
        codec.decode(png(9000, 9000), **large)


def test_a_jpeg_of_many_scans_is_refused_unread() -> None:
    data = ENCODED["progressive"]
    first = data.index(b"\xff\xda")
    scan = data[first : data.index(b"\xff\xda", first + 2)]
    assert reason_of(data[:first] + scan * 3000 + data[first:]) is Reason.CORRUPT


def test_the_decoder_gets_no_metadata() -> None:
    data = encode(PLAIN, "JPEG", exif=exif(6), comment=b"hello", xmp=b"<x/>", icc_profile=b"p" * 200)
    kept = container.essence(data, codec.read_header(data))
    assert b"Exif" not in kept
    assert b"hello" not in kept
    assert b"<x/>" not in kept
    assert b"ICC_PROFILE" in kept


# ── crops and encoding ───────────────────────────────────────────────────────────────────────────────────────


def test_crop_grows_by_the_longer_side_and_stays_inside() -> None:
    assert codec.crop(PHOTO, Box(20, 20, 40, 60), 0.1).shape == (48, 28, 3)
    assert codec.crop(PHOTO, Box(0, 0, 64, 96), 0.5).shape == PHOTO.shape
    assert np.shares_memory(codec.crop(PHOTO, Box(0, 0, 5, 5)), PHOTO)


def test_encoded_crops_are_small_upright_jpegs() -> None:
    for side, shape in ((48, (48, 32, 3)), (500, PHOTO.shape)):
        data = codec.encode_jpeg(PHOTO, side)
        assert codec.read_header(data).format == "JPEG"
        assert decode(data).shape == shape
    assert codec.encode_jpeg(PHOTO[:, ::2], 48) == codec.encode_jpeg(PHOTO[:, ::2].copy(), 48)


def test_content_hash() -> None:
    assert codec.content_hash(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223")
