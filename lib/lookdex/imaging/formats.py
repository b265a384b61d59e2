"""Supported picture formats, and what a key's suffix says about an object."""

from __future__ import annotations

import mimetypes

from lookdex.records import Skip

FORMATS = ("JPEG", "PNG", "WebP", "GIF", "AVIF", "HEIC")
AND_FORMATS = ", ".join(FORMATS[:-1]) + f" and {FORMATS[-1]}"
OR_FORMATS = ", ".join(FORMATS[:-1]) + f" or {FORMATS[-1]}"
MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/heic", "image/heif")
OTHER_NAMES = (
    "image/jpg",
    "image/pjpeg",
    "image/apng",
    "image/heic-sequence",
    "image/heif-sequence",
)  # of these
PICTURES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".png", ".apng", ".webp", ".gif",
    ".avif", ".heic", ".heif", ".hif",
)  # fmt: skip
# Common next to photos, but missing from Python's own types.
_OTHERS = frozenset((
    "7z", "ai", "ass", "avro", "bak", "bz2", "crc", "db", "dll", "docx", "exe", "ini", "iso", "jsonl", "lance", "lnk",
    "lock", "log", "lz4", "m4a", "m4v", "md5", "mkv", "mov", "mp4", "msg", "ndjson", "old", "orc", "parquet", "part",
    "pem", "pptx", "py", "rar", "sha1", "sha256", "sql", "sqlite", "srt", "swp", "tmp", "toml", "ttf", "url", "vtt",
    "webm", "woff", "woff2", "xlsx", "xmp", "xz", "yaml", "yml", "zst", "aae", "thm", "sh", "gz", "tgz",
))  # fmt: skip
_UNREAD = frozenset((
    "arw", "bmp", "cr2", "cr3", "crw", "dng", "emf", "eps", "exr", "hdr", "ico", "j2k", "jp2", "jxl", "jxr", "nef",
    "orf", "pef", "psb", "psd", "raf", "raw", "rw2", "sr2", "srw", "svg", "svgz", "tga", "tif", "tiff", "wmf", "xcf",
))  # fmt: skip
_TYPES = mimetypes.MimeTypes(filenames=()).types_map[True]  # Python's own table, the same on every machine


def has_picture_suffix(key: str) -> bool:
    """Whether the key has the suffix of a supported format."""
    return key.lower().endswith(PICTURES)


def find_skip_reason(key: str, size: int, file: bool = True) -> Skip | None:
    """Find why an object is skipped unread; None for photos and possible photos.

    A missing or unknown suffix (`x.jpg_large`, `a.jpeg?width=800`) proves nothing, so the content decides.
    """
    name = key.rpartition("/")[2]
    if not name:
        return Skip.FOLDER_MARKER
    try:
        key.encode()
    except UnicodeEncodeError:  # not UTF-8: neither Arrow, S3 nor the table could store it
        return Skip.NOT_UTF8
    if not file:
        return Skip.NOT_A_FILE
    if name.startswith("."):
        return Skip.HIDDEN
    if has_picture_suffix(name):
        return None
    if any(part.startswith(".") and part not in (".", "..") for part in key.split("/")):
        return Skip.HIDDEN  # .git, .cache and similar hold many files without a suffix
    stem, dot, suffix = name.lower().rpartition(".")
    if dot and stem:
        if suffix in _UNREAD:
            return Skip.UNREAD_FORMAT
        kind = _TYPES.get("." + suffix, "")
        if suffix in _OTHERS or (kind and not kind.startswith("image/")):
            return Skip.OTHER_TYPE
        if kind:
            return Skip.UNREAD_FORMAT
    return Skip.EMPTY if size == 0 else None
