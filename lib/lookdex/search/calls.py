"""The arguments of `open_catalog` and of the catalogue's methods, checked before anything is done with them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar, get_type_hints

from pydantic import Field

from lookdex.catalog.json_codec import reread
from lookdex.errors import BadQuery
from lookdex.records import Release
from lookdex.records.ranges import Count, Seconds
from lookdex.search.query.arguments import Arguments, check_has, shown
from lookdex.search.query.options import Crops, Options, ReleaseId, options_of
from lookdex.storage import ReadOptions, Store, open_store

P = ParamSpec("P")
R = TypeVar("R")
TEXT, PRODUCT = Arguments(text=str), Arguments(product_id=str)
OPENING = Arguments(
    device=str,
    poll_seconds=Annotated[float, Field(ge=0)],  # infinity: never
    read_seconds=Seconds | None,
    store_seconds=Seconds | None,
    verify_bytes=Count | None,
)
_CROPS = Arguments(crops=bool)
_RELEASE = Arguments(release=ReleaseId | None)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A call that does not fit the function's parameters is a BadQuery that names them, and no TypeError."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if misfit := _misfit(function, args, kwargs):
                raise BadQuery(f"{function.__name__}: {misfit}; it takes {_parameters(function)}") from error
            raise

    return call


def _misfit(function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return ""


def _parameters(function: Callable[..., object]) -> str:
    kinds = inspect.Parameter
    named = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    names = [one.name for one in named if one.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    more = [f"any number of {one.name}" for one in named if one.kind is kinds.VAR_POSITIONAL]
    options = any(one.kind is kinds.VAR_KEYWORD for one in named)
    return (", ".join([*more, *names]) or "nothing") + (", and further options" if options else "")


def question(kind: type, more: Mapping[str, Any], **own: Any) -> Options:
    """Options from a method's own arguments, and from `more`: the fields of the TypedDict `kind`. Raises BadQuery."""
    known = get_type_hints(kind)
    if unknown := [name for name in more if name not in known]:
        raise BadQuery(f"there is no option {shown(unknown[0])} here; known: {', '.join((*own, *known))}")
    return options_of(**own, **more)


def store_of(uri: str | os.PathLike[str] | Store, options: ReadOptions) -> Store:
    """The store at a URI or a folder, read by `options`, or the one that was given. Raises BadQuery, ConfigError."""
    if not isinstance(uri, str | os.PathLike):
        check_has("uri", uri, "the URI or the folder of a catalogue, or a Store", "get", "lance_uri")
        return uri
    try:
        name = str.__str__(os.fsdecode(uri))
    except Exception as error:  # a path that is none
        raise BadQuery(f"uri is {shown(uri)}: give the URI or the folder of a catalogue") from error
    return open_store(name, options=options)


def release_of(release: object) -> str | Release | None:
    """A release's id, or its record. Raises BadQuery."""
    if isinstance(release, Release):
        try:
            return reread(release)
        except Exception as error:  # of values that no record holds
            raise BadQuery(
                f"release: {error}: give the id of a release, or its record as it was read"
            ) from error
    if release is not None and not isinstance(release, str):
        raise BadQuery(f"release is {shown(release)}: give the id of a release, or its record")
    found: str | None = _RELEASE.read(release=release)["release"]
    return found


def check_models(detector: object, embedder: object, loader: object) -> None:
    """Raises BadQuery."""
    if detector is not None:
        check_has("detector", detector, "a Detector", "name", "detect")
    if embedder is not None:
        check_has("embedder", embedder, "an Embedder", "name", "dim", "embed_images", "embed_texts")
    if loader is not None:
        check_has("loader", loader, "a Loader", "detector_of", "embedder_of")


def crops_of(wanted: bool) -> Crops:
    """The pictures that an answer carries, by the flag of the methods. Raises BadQuery."""
    return Crops.ALL if _CROPS.read(crops=wanted)["crops"] else Crops.OBJECTS


def given_options(options: Options | None) -> Options:
    """Those that were given, or the default ones. Raises BadQuery."""
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise BadQuery(
            f"options is {shown(options)}: give lookdex.search.query.options.Options(…), or leave it out"
        )
    return options
