"""Decode files with a checked header, in little more memory than the pixels need.

Pillow keeps four bytes per colour pixel and copies the whole picture in every conversion. So a decoder's output is
converted to sRGB over white in strips, directly into the returned array. No other module uses a decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO

import cv2
import numpy as np
import simplejpeg
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from lookdex.imaging import container, jpeg
from lookdex.imaging.container import Header

STRIP_PIXELS = 1 << 20

# Plugins are used directly: `Image.open` would try other formats, and has its own pixel limit.
_PLUGINS: dict[str, Callable[[BytesIO], Image.Image]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
# Photos are decoded in parallel already; more threads per photo would only hold more frames in memory.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

Strip = Callable[[int, int], Image.Image]  # (first row, end row) → that part of the picture


def decode(data: bytes, header: Header) -> np.ndarray:
    """Decode to uint8 (H, W, 3) sRGB, upright, alpha over white, contiguous. Decoders' exceptions propagate."""
    if header.format == "HEIC":
        return _decode_heic(data)  # libheif applies the orientation
    if header.format == "JPEG":
        pixels = _decode_jpeg(data, header)
    elif header.format == "WEBP" and not header.animated:
        pixels = _decode_webp(data, header)
    else:
        pixels = _decode_with_pillow(container.strip_metadata(data, header), header)
    return np.ascontiguousarray(apply_orientation(pixels, header.orientation))


def apply_orientation(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation (EXIF 2.3, tag 0x0112) as a view."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _decode_with_pillow(data: bytes, header: Header) -> np.ndarray:
    with _PLUGINS[header.format](BytesIO(data)) as image:
        width, height = image.size
        if width * height > header.width * header.height:
            raise ValueError("the header and the decoder disagree on the size")
        image.load()
        return _assemble(width, height, lambda top, bottom: image.crop((0, top, width, bottom)))


def _assemble(width: int, height: int, strip: Strip) -> np.ndarray:
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(_to_srgb(strip(top, bottom)))
    return pixels


# ── JPEG ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _decode_jpeg(data: bytes, header: Header) -> np.ndarray:
    stripped = container.strip_metadata(data, header)
    mended = jpeg.append_end_marker(stripped)
    if mended is not None:
        # All scans are present. A strict decoder rejects an incomplete last scan; a lenient one would fill the
        # gap with grey.
        if not header.plain:
            simplejpeg.decode_jpeg(mended, "CMYK" if header.components == 4 else "RGB")
            return _decode_with_pillow(mended, header)
        return _decode_plain_jpeg(mended, header)
    if header.plain:
        try:
            return _decode_plain_jpeg(stripped, header)
        except ValueError as error:
            # This strict decoder rejects some files that Pillow can read. But Pillow fills missing data with grey,
            # so a truncated file stays an error.
            if any(words in str(error).lower() for words in ("premature end", "huffman")):
                raise
    return _decode_with_pillow(stripped, header)


def _decode_plain_jpeg(data: bytes, header: Header) -> np.ndarray:
    grey = header.components == 1
    pixels: np.ndarray = simplejpeg.decode_jpeg(data, "GRAY" if grey else "RGB")
    profile = jpeg.read_profile(data)
    if not profile:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if grey else pixels
    shown = pixels[:, :, 0] if grey else pixels

    def strip(top: int, bottom: int) -> Image.Image:
        part = Image.fromarray(shown[top:bottom])
        part.info["icc_profile"] = profile
        return part

    if grey:
        return _assemble(header.width, header.height, strip)
    rows = max(1, STRIP_PIXELS // header.width)
    for top in range(0, header.height, rows):
        pixels[top : top + rows] = np.asarray(_to_srgb(strip(top, top + rows)))
    return pixels


# ── WebP, AVIF, HEIC ─────────────────────────────────────────────────────────────────────────────────────────


def _decode_webp(data: bytes, header: Header) -> np.ndarray:
    """Decode with OpenCV, because Pillow uses the animation decoder, which holds the canvas four times."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("the picture data is broken")
    height, width = pixels.shape[:2]
    if width * height > header.width * header.height:
        raise ValueError("the header and the decoder disagree on the size")
    profile = container.read_webp_profile(data)
    if pixels.shape[2] == 3 and not profile:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    order = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA

    def strip(top: int, bottom: int) -> Image.Image:
        part = Image.fromarray(cv2.cvtColor(pixels[top:bottom], order))
        if profile:
            part.info["icc_profile"] = profile
        return part

    return _assemble(width, height, strip)


def _decode_heic(data: bytes) -> np.ndarray:
    import pi_heif  # imported late because HEIC is rare

    file = pi_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True, bgr_mode=False)
    image = file[file.primary_index]
    profile, mode, (width, height) = image.info.get("icc_profile"), image.mode, image.size
    # Grey with more than 8 bits is returned as 16 bits, regardless of `convert_hdr_to_8bit`.
    sample = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 2}[mode]
    buffer = image.data  # libheif's memory, valid only as long as `file`
    rows_of = np.frombuffer(buffer, np.uint8).reshape(-1, image.stride)

    def strip(top: int, bottom: int) -> Image.Image:
        part = np.ascontiguousarray(rows_of[top:bottom, : width * sample])
        found = Image.frombytes(mode, (width, bottom - top), part.tobytes())
        if profile:
            found.info["icc_profile"] = profile
        return found

    return _assemble(width, height, strip)


# ── colours ──────────────────────────────────────────────────────────────────────────────────────────────────


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: apply the profile, reduce 16 bits to 8, composite over white."""
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
    """Apply an ICC profile. Unreadable profiles and those of another colour space are ignored, as in browsers."""
    try:
        transform = _make_transform(profile, image.mode)
        return transform.apply(image) if transform else image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


@lru_cache(maxsize=16)
def _make_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB; None if the profile is sRGB."""
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if mode == "RGB" and "srgb" in (source.profile.profile_description or "").lower():
        return None
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.ImageCmsTransform(source, _srgb_profile(), mode, "RGB", intent, flags=flags)


@lru_cache(maxsize=1)
def _srgb_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
