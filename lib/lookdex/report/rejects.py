"""Photos that cannot be found, by reason, with a look at each file as far as it can be decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lookdex.errors import ConfigError, NotFound, StorageError, TooLarge
from lookdex.imaging import codec
from lookdex.imaging.formats import OR_FORMATS
from lookdex.records import Reason, Status
from lookdex.report.pictures import data_uri, show
from lookdex.report.reader import ReleaseReader
from lookdex.report.records import Picture, Rejects
from lookdex.storage import Store, open_store

WHY = {
    Reason.EMPTY: "The file has no bytes.",
    Reason.TOO_MANY_BYTES: "The file is larger than max_bytes.",
    Reason.TOO_MANY_PIXELS: "The picture is larger than max_pixels, or takes too much memory to decode.",
    Reason.TOO_SMALL: f"The shorter side has fewer than {codec.MIN_SIDE} pixels.",
    Reason.UNKNOWN_FORMAT: f"It is not {OR_FORMATS}, whatever its name says.",
    Reason.NO_PICTURE: "Neither its name nor its content is a picture's.",
    Reason.CORRUPT: "The file is broken or was cut off.",
    Reason.GONE: "It was listed, and gone when it was fetched.",
    Reason.CHANGED: "It was another file when it was fetched.",
    Reason.DENIED: "The store refused to give it.",
    Reason.ARCHIVED: "It is archived: restore it from its storage class to have it indexed.",
    Reason.DAMAGED_IN_TRANSIT: "At every attempt, the bytes that arrived were not those stored.",
    Reason.UNAVAILABLE: "The store did not answer.",
    Reason.OUT_OF_MEMORY: "There was not enough memory to decode it.",
    Reason.NOT_TRIED: "The night was stopped before its turn came.",
    Reason.BREAKS_MODEL: "A model raises or dies on it; it is tried again when the photo or the model changes.",
}
NOTHING_FOUND = "Nothing was found in it: only a search with the whole photo meets it."
MAX_BYTES = 30_000_000  # of a file that is fetched for a look
MAX_PIXELS = 25_000_000
_READERS = 8


def rejects(reader: ReleaseReader, source: Store | None) -> tuple[tuple[Rejects, ...], str]:
    """By status and reason, most first; then the photos without objects. Second: what is to say of their source."""
    side, most = reader.limits.thumb, reader.limits.strip
    rows = reader.query("reasons", most)
    looks = _looks(source, [e["key"] for row in rows for e in row["examples"]], side)
    note = _note(reader.release.source, source, rows, looks) if rows else ""
    found = [
        Rejects(
            status=row["status"],
            reason=row["reason"],
            why=WHY.get(row["reason"], ""),
            photos=row["photos"],
            bytes=int(row["bytes"] or 0),
            pictures=tuple(_picture(example, looks.get(example["key"])) for example in row["examples"]),
        )
        for row in rows
    ]
    empty = reader.release.images.get(Status.NO_OBJECT, 0)
    if empty:
        examples = reader.query("without_object", most)
        shown = show(reader, (row["item_id"] for row in examples))
        pictures = tuple(Picture(shown.sources.get(row["item_id"]), row["image_key"]) for row in examples)
        found.append(Rejects(Status.NO_OBJECT, None, NOTHING_FOUND, empty, 0, pictures))
    return tuple(found), note


def _note(
    recorded: str, source: Store | None, rows: Sequence[Mapping[str, Any]], looks: Mapping[str, str | None]
) -> str:
    """recorded: the source that the release names."""
    if source is None:
        return f"They are shown if --source says where they lie; the release was built from {recorded}."
    if not any(looks.values()) and (error := _unreachable(source, rows)):
        return f"The source cannot be read from here: {error}"
    if _uri(recorded) != source.uri.rstrip("/"):
        return f"They were read from {source.uri}, but the release was built from {recorded}."
    return ""


def _uri(recorded: str) -> str:
    try:
        return open_store(recorded).uri.rstrip("/")  # connects to nothing
    except ConfigError:
        return recorded


def _looks(source: Store | None, keys: Iterable[str], side: int) -> dict[str, str | None]:
    if source is None:
        return {}
    wanted = list(keys)
    with ThreadPoolExecutor(_READERS) as pool:
        fetched = pool.map(lambda key: _fetch(source, key), wanted)
        return {key: _look(data, side) for key, data in zip(wanted, fetched, strict=True)}


def _fetch(source: Store, key: str) -> bytes | None:
    try:
        return source.get_limited(key, MAX_BYTES)
    except StorageError:
        return None


def _look(data: bytes | None, side: int) -> str | None:
    if not data:
        return None
    try:
        return data_uri(codec.glimpse(data, side, MAX_PIXELS))
    except codec.BadImage:
        return None


def _unreachable(source: Store, rows: Iterable[Mapping[str, Any]]) -> str:
    """What the store says when asked for one of the files; '' when it answers, or has that one no more."""
    try:
        source.get_limited(next(iter(rows))["examples"][0]["key"], MAX_BYTES)
    except (NotFound, TooLarge):
        return ""
    except StorageError as error:
        return str(error)
    return ""


def _picture(example: Mapping[str, Any], look: str | None) -> Picture:
    size = f"{example['width']} × {example['height']}" if example["width"] else ""
    weight = "" if example["bytes"] is None else weight_of(example["bytes"])
    return Picture(look, example["key"], " · ".join(filter(None, (size, weight))))


def weight_of(count: int) -> str:
    """Bytes for people."""
    if count < 1000:
        return f"{count} bytes"
    for power, unit in ((1, "kB"), (2, "MB")):
        if count < 1000 ** (power + 1):
            return f"{count / 1000**power:.1f} {unit}"
    return f"{count / 1e9:,.1f} GB"
