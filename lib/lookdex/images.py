"""Bytes to pixels and back. The only module that uses Pillow and the JPEG decoder.

Pixels are uint8 (H, W, 3) sRGB, upright, alpha over white. A file that is not such a picture raises `BadImage` with
a reason: it is data (a row of the `images` table), not a fault. Thread-safe; never warns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from io import BytesIO

import cv2
import numpy as np
import simplejpeg
from PIL import GifImagePlugin, Image, ImageCms, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from lookdex import boxes, imagefile
from lookdex.halving import halved
from lookdex.imagefile import Header
from lookdex.records import Box, Reason

MIN_SIDE = 16  # pixels: below, nothing can be told from a garment

_CROP_MOST = 50_000_000  # bytes, and pixels: a stored crop has far fewer

# Opened by class: `Image.open` would try other formats, and warns from a number of pixels that is not ours.
_PLUGINS: dict[str, Callable[[BytesIO], Image.Image]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}


class BadImage(Exception):
    """This file gives no pixels. `reason` goes into the table, the text into the log.

    size: upright (width, height) where the header told it.
    """

    def __init__(self, reason: Reason, detail: str = "", size: tuple[int, int] | None = None):
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason, self.size = reason, size


def read_header(data: bytes) -> Header:
    """Format, size and orientation, without decoding. Raises BadImage (empty, unknown_format, corrupt)."""
    if not data:
        raise BadImage(Reason.EMPTY)
    try:
        header = imagefile.read_header(data)
    except imagefile.Malformed as error:
        raise BadImage(Reason.CORRUPT, str(error)) from error
    if header is None:
        raise BadImage(Reason.UNKNOWN_FORMAT, f"begins with {data[:8].hex(' ')}")
    return header


def check(data: bytes, max_bytes: int, max_pixels: int, min_side: int = MIN_SIDE) -> Header:
    """The header of a file within the limits. Raises BadImage; decodes nothing."""
    if len(data) > max_bytes:
        raise BadImage(Reason.TOO_MANY_BYTES, f"{len(data):,} bytes")
    header = read_header(data)
    detail = f"{header.width} × {header.height} pixels"
    if header.width * header.height > max_pixels:
        raise BadImage(Reason.TOO_MANY_PIXELS, detail, upright_size(header))
    if min(header.width, header.height) < min_side:
        raise BadImage(Reason.TOO_SMALL, detail, upright_size(header))
    return header


def decode(data: bytes, max_bytes: int, max_pixels: int, min_side: int = MIN_SIDE) -> np.ndarray:
    """Pixels of a JPEG, PNG, WebP or GIF (first frame): uint8 (H, W, 3) sRGB, upright, alpha over white.

    max_pixels and min_side hold for the stored size and are checked before anything is decoded.

    Raises:
        BadImage: with the reason. MemoryError is let through: it says nothing of the file.
    """
    return decode_checked(data, check(data, max_bytes, max_pixels, min_side))


def decode_checked(data: bytes, header: Header) -> np.ndarray:
    """`decode` for a file whose header has been checked already."""
    try:
        pixels = _decode(imagefile.essence(data, header), header)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever they like on broken input: see tests/test_images.py
        raise BadImage(Reason.CORRUPT, f"{type(error).__name__}: {error}", upright_size(header)) from error
    return np.ascontiguousarray(_turn(pixels, header.orientation))


def _decode(data: bytes, header: Header) -> np.ndarray:
    if header.plain:
        try:
            return _plain_jpeg(data, header)
        except ValueError as error:
            # Strict: it refuses whatever is odd, which the other decoder may know how to read. But that one fills
            # what is missing with grey.
            if any(words in str(error).lower() for words in ("premature end", "huffman")):
                raise
    with _PLUGINS[header.format](BytesIO(data)) as image:
        if image.size[0] * image.size[1] > header.width * header.height:
            raise ValueError("the header and the decoder disagree on the size")
        image.load()
        return np.asarray(_to_srgb(image))


def _plain_jpeg(data: bytes, header: Header) -> np.ndarray:
    grey = header.components == 1
    pixels = simplejpeg.decode_jpeg(data, "GRAY" if grey else "RGB")
    profile = imagefile.jpeg_profile(data)
    if profile:
        turned = _apply_profile(Image.fromarray(pixels[:, :, 0] if grey else pixels), profile)
        return np.asarray(turned.convert("RGB"))
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if grey else pixels


def _to_srgb(image: Image.Image) -> Image.Image:
    """Any mode that the four formats have → RGB: profile applied, 16 bits cut to 8, alpha over white."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    alpha = None
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        rgba.info = image.info
        alpha, base = rgba.getchannel("A"), rgba.convert("RGB")
        if image.mode in ("L", "LA"):
            base = rgba.getchannel("R")
    else:
        base = (
            image
            if image.mode in ("RGB", "L", "CMYK")
            else image.convert("L" if image.mode == "1" else "RGB")
        )
    profile = image.info.get("icc_profile")
    if profile:
        base = _apply_profile(base, profile)
    if alpha is None:
        return base.convert("RGB")
    paper = Image.new("RGB", base.size, "white")
    paper.paste(base.convert("RGB"), mask=alpha)
    return paper


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """A profile that cannot be read, or is for another kind of colour, is left alone, as browsers do."""
    try:
        transform = _transform(profile, image.mode)
        return transform.apply(image) if transform else image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where nothing is to be done: the profile is sRGB itself."""
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if mode == "RGB" and "srgb" in (source.profile.profile_description or "").lower():
        return None
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.ImageCmsTransform(source, _srgb(), mode, "RGB", intent, flags=flags)


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels → upright (EXIF 2.3, tag 0x0112)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def upright_size(header: Header) -> tuple[int, int]:
    """(width, height) after orientation."""
    turned = replace(header, width=header.height, height=header.width) if header.orientation >= 5 else header
    return turned.width, turned.height


def content_hash(data: bytes) -> str:
    """SHA-256 of the file, hex."""
    return hashlib.sha256(data).hexdigest()


def crop(image: np.ndarray, box: Box, margin: float = 0.0) -> np.ndarray:
    """A view (h, w, 3) of the box, grown on each side by `margin` × its longer side as far as the photo reaches."""
    height, width = image.shape[:2]
    b = boxes.expand(box, margin, width, height)
    return image[b.y0 : b.y1, b.x0 : b.x1]


def shrink(image: np.ndarray, longer_side: int) -> np.ndarray:
    """At most `longer_side` pixels on the longer side, for people to look at; smaller pictures stay as they are."""
    height, width = image.shape[:2]
    scale = longer_side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(halved(image, *size), size, interpolation=cv2.INTER_LINEAR)


def decode_crop(jpeg: bytes | None) -> np.ndarray | None:
    """A crop that lookdex itself stored → uint8 (H, W, 3) RGB; None where there is none that can be read."""
    try:
        return decode(jpeg or b"", _CROP_MOST, _CROP_MOST, min_side=1)
    except BadImage:
        return None


def encode_jpeg(image: np.ndarray, longer_side: int, quality: int = 85) -> bytes:
    """uint8 (H, W, 3) RGB → JPEG of at most `longer_side` pixels on its longer side (4:2:0)."""
    small = np.ascontiguousarray(shrink(image, longer_side))
    return simplejpeg.encode_jpeg(small, quality=quality, colorspace="RGB", colorsubsampling="420")


def glimpse(data: bytes, longer_side: int, max_pixels: int) -> bytes:
    """A small JPEG of what can be seen of a file that was refused: the upper part of one that was cut off, a huge
    JPEG decoded at an eighth of its size. For people to look at, never for a model.

    max_pixels: of a file that is decoded whole. Raises BadImage when nothing can be seen.
    """
    header = read_header(data)
    try:
        if header.plain:
            whole = imagefile.essence(data, header)
            part = simplejpeg.decode_jpeg(
                whole, "RGB", min_height=longer_side, min_width=longer_side, strict=False
            )
            return encode_jpeg(np.ascontiguousarray(_turn(part, header.orientation)), longer_side)
        if header.width * header.height > max_pixels:
            raise BadImage(Reason.TOO_MANY_PIXELS, f"{header.width} × {header.height} pixels")
        return encode_jpeg(decode_checked(data, header), longer_side)
    except (imagefile.Malformed, ValueError) as error:
        raise BadImage(Reason.CORRUPT, str(error)) from error
