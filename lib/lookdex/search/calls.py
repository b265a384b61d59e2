"""The arguments of `open_catalog` and of the catalogue's methods, checked before anything is done with them."""

from __future__ import annotations

import os

from lookdex.errors import BadQuery
from lookdex.records import Release
from lookdex.search.arguments import Arguments, Seconds, Whole, check_has, shown
from lookdex.search.ask import Crops, Options
from lookdex.storage import ReadOptions, Store, open_store

TEXT, PRODUCT = Arguments(text=str), Arguments(product_id=str)
_CROPS = Arguments(crops=bool)
_OPENING = Arguments(
    device=str,
    poll_seconds=Seconds,
    read_seconds=Seconds | None,
    store_seconds=Seconds | None,
    verify_bytes=Whole | None,
)


def store_of(uri: str | os.PathLike[str] | Store, options: ReadOptions) -> Store:
    """The store at a URI or a folder, read by `options`, or the one that was given. Raises BadQuery, ConfigError."""
    if not isinstance(uri, str | os.PathLike):
        check_has("uri", uri, "the URI or the folder of a catalogue, or a Store", "get", "lance_uri")
        return uri
    try:
        name = os.fsdecode(uri)
    except Exception as error:  # a path that is none
        raise BadQuery(f"uri is {shown(uri)}: give the URI or the folder of a catalogue") from error
    return open_store(name, options=options)


def check_opening(release: object, models: tuple[object, object, object], **settings: object) -> None:
    """Check what `open_catalog` was called with. models: detector, embedder and loader. Raises BadQuery."""
    if release is not None and not isinstance(release, str | Release):
        raise BadQuery(f"release is {shown(release)}: give the id of a release, or its record")
    detector, embedder, loader = models
    if detector is not None:
        check_has("detector", detector, "a Detector", "name", "detect")
    if embedder is not None:
        check_has("embedder", embedder, "an Embedder", "name", "dim", "embed_images", "embed_texts")
    if loader is not None:
        check_has("loader", loader, "a Loader", "detector_of", "embedder_of")
    _OPENING.check(**settings)


def crops_of(wanted: bool) -> Crops:
    """The pictures that an answer carries, by the flag of the methods. Raises BadQuery."""
    _CROPS.check(crops=wanted)
    return Crops.ALL if wanted else Crops.OBJECTS


def options_of(options: Options | None) -> Options:
    """Those that were given, or the default ones. Raises BadQuery."""
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise BadQuery(f"options is {shown(options)}: give lookdex.search.ask.Options(…), or leave it out")
    return options
