"""Check the arguments of `open_catalog` and of the catalogue's methods before any work is done."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar, get_type_hints

from pydantic import Field

from lookdex.catalog.json_codec import validate
from lookdex.errors import BadQuery
from lookdex.records import Release
from lookdex.records.ranges import Count, PositiveSeconds
from lookdex.search.query.arguments import Arguments, check_has, shown
from lookdex.search.query.options import Crops, Options, ReleaseId, options_of
from lookdex.storage import ReadOptions, Store, open_store

P = ParamSpec("P")
R = TypeVar("R")
TEXT, PRODUCT = Arguments(text=str), Arguments(product_id=str)
OPENING = Arguments(
    device=str,
    poll_seconds=Annotated[float, Field(ge=0)],  # infinity: never
    read_seconds=PositiveSeconds | None,
    store_seconds=PositiveSeconds | None,
    verify_bytes=Count | None,
)
_CROPS = Arguments(crops=bool)
_RELEASE = Arguments(release=ReleaseId | None)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: a call that does not fit the parameters raises BadQuery with their names instead of TypeError."""

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
    """Why the arguments do not fit the function's parameters; "" if they do."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return ""


def _parameters(function: Callable[..., object]) -> str:
    names, repeated, options = [], [], ""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            repeated.append(f"any number of {parameter.name}")
        elif parameter.kind is parameter.VAR_KEYWORD:
            options = ", and further options"
        elif parameter.name != "self":
            names.append(parameter.name)
    return (", ".join([*repeated, *names]) or "nothing") + options


def build_options(keywords: type, more: Mapping[str, Any], **own: Any) -> Options:
    """Options from a method's own arguments and from `more`, whose names are in `keywords`. Raises BadQuery.

    keywords: a TypedDict of `query.keywords`.
    """
    known = get_type_hints(keywords)
    if unknown := [name for name in more if name not in known]:
        raise BadQuery(f"there is no option {shown(unknown[0])} here; known: {', '.join((*own, *known))}")
    return options_of(**own, **more)


def resolve_store(uri: str | os.PathLike[str] | Store, options: ReadOptions) -> Store:
    """The store at a URI or a folder, or the given store. Raises BadQuery, ConfigError."""
    if not isinstance(uri, str | os.PathLike):
        check_has("uri", uri, "the URI or folder of a catalogue, or a Store", "get", "lance_uri")
        return uri
    try:
        name = str.__str__(os.fsdecode(uri))
    except Exception as error:  # the path is the caller's, and may raise anything
        raise BadQuery(f"uri is {shown(uri)}: give the URI or folder of a catalogue") from error
    return open_store(name, options=options)


def check_release(release: object) -> str | Release | None:
    """Check a release: an id or a record. Raises BadQuery."""
    if isinstance(release, Release):
        try:
            return validate(release)
        except Exception as error:  # its fields may hold anything
            raise BadQuery(f"release: {error}: give the id of a release, or its unchanged record") from error
    if release is not None and not isinstance(release, str):
        raise BadQuery(f"release is {shown(release)}: give the id of a release, or its record")
    release_id: str | None = _RELEASE.read(release=release)["release"]
    return release_id


def check_models(detector: object, embedder: object, loader: object) -> None:
    """Check that models have the interfaces of `models` and `encoders`. Raises BadQuery."""
    if detector is not None:
        check_has("detector", detector, "a Detector", "name", "detect")
    if embedder is not None:
        check_has("embedder", embedder, "an Embedder", "name", "dim", "embed_images", "embed_texts")
    if loader is not None:
        check_has("loader", loader, "a Loader", "detector_of", "embedder_of")


def to_crops_option(wanted: bool) -> Crops:
    """The option `crops` for the argument of the methods. Raises BadQuery."""
    return Crops.ALL if _CROPS.read(crops=wanted)["crops"] else Crops.OBJECTS


def check_options(options: Options | None) -> Options:
    """The given options, or the defaults. Raises BadQuery."""
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise BadQuery(f"options is {shown(options)}: give lookdex.Options(…), or leave it out")
    return options
