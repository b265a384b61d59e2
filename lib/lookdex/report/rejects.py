"""Photos that cannot be searched, by reason, with a thumbnail of each file that can be decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from lookdex.errors import ConfigError, NotFound, StorageError, TooLarge
from lookdex.imaging import codec
from lookdex.imaging.formats import OR_FORMATS
from lookdex.records import Reason, Status
from lookdex.report.pictures import encode_data_uri, load_pictures
from lookdex.report.reader import ReleaseReader, Row
from lookdex.report.records import Picture, Rejects
from lookdex.storage import Store, open_store

REASON_TEXTS = {
    Reason.EMPTY: "The file is empty.",
    Reason.TOO_MANY_BYTES: "The file is larger than max_bytes.",
    Reason.TOO_MANY_PIXELS: "The picture has more than max_pixels, or decoding it takes too much memory.",
    Reason.TOO_SMALL: f"The shorter side has fewer than {codec.MIN_SIDE} pixels.",
    Reason.UNKNOWN_FORMAT: f"It is not {OR_FORMATS}, despite its name.",
    Reason.NO_PICTURE: "Neither its name nor its content is that of a picture.",
    Reason.CORRUPT: "The file is corrupt or truncated.",
    Reason.GONE: "It was deleted between listing and fetching.",
    Reason.CHANGED: "It was replaced between listing and fetching.",
    Reason.DENIED: "The store denied access.",
    Reason.ARCHIVED: "It is in an archive storage class; restore it to have it indexed.",
    Reason.DAMAGED_IN_TRANSIT: "Every download attempt had a checksum mismatch.",
    Reason.UNAVAILABLE: "The store did not respond.",
    Reason.OUT_OF_MEMORY: "There was too little memory to decode it.",
    Reason.NOT_TRIED: "The run stopped before it was processed.",
    Reason.BREAKS_MODEL: "A model fails on it. It is retried when the photo or the model changes.",
}
NO_OBJECT_TEXT = "No object was detected, so only whole-photo search finds it."
MAX_BYTES = 30_000_000  # largest file fetched for a thumbnail
MAX_PIXELS = 25_000_000
_READERS = 8


def rejects(reader: ReleaseReader, source: Store | None) -> tuple[tuple[Rejects, ...], str]:
    """Rejected and failed photos by status and reason, most first, then photos without objects; and a note on their
    source.
    """
    side, limit = reader.limits.thumb, reader.limits.strip
    rows = reader.query("reasons", limit)
    thumbnails = _thumbnails(source, [e["key"] for row in rows for e in row["examples"]], side)
    note = _note(reader.release.source, source, rows, thumbnails) if rows else ""
    found = [
        Rejects(
            status=row["status"],
            reason=row["reason"],
            why=REASON_TEXTS.get(row["reason"], ""),
            photos=row["photos"],
            bytes=int(row["bytes"] or 0),
            pictures=tuple(_picture(example, thumbnails.get(example["key"])) for example in row["examples"]),
        )
        for row in rows
    ]
    empty = reader.release.images.get(Status.NO_OBJECT, 0)
    if empty:
        examples = reader.query("without_object", limit)
        shown = load_pictures(reader, (row["item_id"] for row in examples))
        pictures = tuple(Picture(shown.sources.get(row["item_id"]), row["image_key"]) for row in examples)
        found.append(Rejects(Status.NO_OBJECT, None, NO_OBJECT_TEXT, empty, 0, pictures))
    return tuple(found), note


def _note(
    recorded: str,
    source: Store | None,
    rows: Sequence[Row],
    thumbnails: Mapping[str, str | None],
) -> str:
    """Why the photos are not shown, or where they were read.

    Args:
        recorded: the source named in the release.
    """
    if source is None:
        return f"Pass --source to see them; the release was built from {recorded}."
    if not any(thumbnails.values()) and (error := _unreachable(source, rows)):
        return f"The source cannot be read: {error}"
    if _uri(recorded) != source.uri.rstrip("/"):
        return f"They were read from {source.uri}, but the release was built from {recorded}."
    return ""


def _uri(recorded: str) -> str:
    try:
        return open_store(recorded).uri.rstrip("/")  # opens no connection
    except ConfigError:
        return recorded


def _thumbnails(source: Store | None, keys: Iterable[str], side: int) -> dict[str, str | None]:
    if source is None:
        return {}
    wanted = list(keys)
    with ThreadPoolExecutor(_READERS) as pool:
        fetched = pool.map(lambda key: _fetch(source, key), wanted)
        return {key: _thumbnail(data, side) for key, data in zip(wanted, fetched, strict=True)}


def _fetch(source: Store, key: str) -> bytes | None:
    try:
        return source.get_limited(key, MAX_BYTES)
    except StorageError:
        return None


def _thumbnail(data: bytes | None, side: int) -> str | None:
    if not data:
        return None
    try:
        return encode_data_uri(codec.encode_preview(data, side, MAX_PIXELS))
    except codec.BadImage:
        return None


def _unreachable(source: Store, rows: Iterable[Row]) -> str:
    """The store's error when reading one of the files; '' if it responds or only lacks that file."""
    try:
        source.get_limited(next(iter(rows))["examples"][0]["key"], MAX_BYTES)
    except (NotFound, TooLarge):
        return ""
    except StorageError as error:
        return str(error)
    return ""


def _picture(example: Row, thumbnail: str | None) -> Picture:
    size = f"{example['width']} × {example['height']}" if example["width"] else ""
    size_text = "" if example["bytes"] is None else format_bytes(example["bytes"])
    return Picture(thumbnail, example["key"], " · ".join(filter(None, (size, size_text))))


def format_bytes(count: int) -> str:
    """Format a number of bytes."""
    if count < 1000:
        return f"{count} bytes"
    for power, unit in ((1, "kB"), (2, "MB")):
        if count < 1000 ** (power + 1):
            return f"{count / 1000**power:.1f} {unit}"
    return f"{count / 1e9:,.1f} GB"
