"""Receiving a question: its photos and its options, counted while they arrive and never written to a disk.

A question is a form (multipart/form-data), or a photo alone: the body is the file, and options come in the query.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from lookdex.imaging.formats import MEDIA_TYPES, OTHER_NAMES
from lookdex.records import Reason
from lookdex.search.query.options import MAX_PHOTOS, Options, read_options
from lookdex.service.http.problems import Kind, Refused
from lookdex.service.photos.forms import FormError, FormReader, Part, boundary_of

BYTES = "application/octet-stream"
_PHOTO_TYPES = frozenset((*MEDIA_TYPES, *OTHER_NAMES, BYTES, "binary/octet-stream", ""))
MAX_OPTIONS = 64 << 10  # bytes; a filter has at most 20,000 characters
_FRAMING = 16 << 10  # bytes of boundaries and part headers
_MOST_PARTS = 64
# PHP numbers the files of a list, and axios appends brackets to its name.
_PHOTO = re.compile(r"photo(\[\d{0,3}\])?")
_CHARSET = "_charset_"  # a field that names the encoding of the others (RFC 7578, 4.6)
# What clients write, and the codec that reads it: what browsers take these names for, and UTF-8 with its mark.
_CODECS = {
    **dict.fromkeys(("", "utf-8", "utf8", "us-ascii", "ascii"), "utf-8-sig"),
    **dict.fromkeys(("iso-8859-1", "latin1", "windows-1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16be"), "utf-16"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "cp949"), "cp949"),
}
_AS_IT_IS = ("", "binary", "8bit", "7bit")
_HOW = (
    "send a form (multipart/form-data) with the file in the field photo and JSON in the field options, or the file "
    "itself as the body, with its type in the header Content-Type and JSON in the query parameter options"
)


@dataclass(frozen=True, slots=True)
class Question:
    """photos: files as they were sent. options: checked."""

    photos: tuple[bytes | bytearray, ...]
    options: Options


async def receive(request: Request, max_bytes: int, seconds: float, options: str | None = None) -> Question:
    """The question of a request.

    max_bytes: of all photos together. seconds: in which it must have arrived. options: JSON, of the query.

    Raises:
        Refused: 400 not readable, 408 too slow, 413 too large, 415 neither a form nor a photo, 422 without a photo or
            with wrong fields.
        BadQuery: the options contradict themselves, or name what does not exist.
    """
    form = _is_form(request.headers)
    given = None if options is None else read_options(options or "{}")
    try:
        async with asyncio.timeout(seconds):
            if form:
                parts = await _parts(request, max_bytes + MAX_OPTIONS + _FRAMING)
            else:
                photo = bytearray()
                async for piece in _counted(request, max_bytes):
                    photo += piece
    except TimeoutError:
        raise Refused(
            Kind.SLOW_UPLOAD, f"the photo did not arrive within {seconds:g} s: send a smaller one"
        ) from None
    except FormError as error:
        raise Refused(Kind.MALFORMED, f"the form cannot be read: {error}") from error
    except ClientDisconnect:
        raise Refused(Kind.CLIENT_GONE, "the client went away before it had sent everything") from None
    if form:
        return _question(parts, given)
    if not photo:
        raise Refused(Kind.BAD_QUESTION, f"there is no photo, the body is empty: {_HOW}")
    return Question((photo,), given or Options())


def _is_form(headers: Headers) -> bool:
    """Whether the body is a form; else it is a photo. Raises Refused: it is neither, and need not be read."""
    coding = headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise Refused(
            Kind.UNKNOWN_FORMAT,
            f"the body is compressed ({coding[:40]}): send it as it is; photos are compressed already",
            headers={"Accept-Encoding": "identity"},
        )
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return True
    if kind in _PHOTO_TYPES:
        return False  # which of them it is, the content decides: clients guess from a file's name
    why = {
        "application/json": "JSON is not read, nor is a photo in it as base64",
        "application/x-www-form-urlencoded": "such a form holds no file (what curl -d sends; curl -F sends one)",
    }
    accepted = ", ".join(("multipart/form-data", *MEDIA_TYPES, BYTES))
    raise Refused(
        Kind.UNKNOWN_FORMAT,
        f"{why.get(kind, f'a body of the type {kind[:60]} is not read')}: {_HOW}. The types of a body are {accepted}",
        headers={"Accept": accepted},
    )


async def _parts(request: Request, most: int) -> list[Part]:
    """Raises FormError."""
    boundary = boundary_of(request.headers["content-type"])
    if not boundary:
        raise FormError(
            "the header Content-Type names no boundary of its parts: leave the header to your HTTP client"
        )
    reader = FormReader(
        boundary,
        most_parts=_MOST_PARTS,
        most_bytes=lambda name: MAX_OPTIONS if name in ("options", _CHARSET) else most,
    )
    async for piece in _counted(request, most):
        reader.feed(piece)
    return reader.finish()


async def _counted(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body, until it is larger than it may be."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    arrived = 0
    async for chunk in request.stream():
        arrived += len(chunk)
        if arrived > most:
            raise _too_large(most)
        yield chunk


def _too_large(most: int) -> Refused:
    # The rest of the body is not read: the connection ends here.
    return Refused(
        Kind.TOO_LARGE,
        f"at most {most:,} bytes are taken: send a smaller photo",
        headers={"Connection": "close"},
        reason=Reason.TOO_MANY_BYTES,
    )


def _question(parts: list[Part], options: Options | None) -> Question:
    photos = [part for part in parts if _PHOTO.fullmatch(part.name)]
    asked = [part for part in parts if part.name == "options"]
    charsets = [part for part in parts if part.name == _CHARSET]
    unknown = sorted({part.name for part in parts} - {part.name for part in photos} - {"options", _CHARSET})
    if unknown:
        raise Refused(
            Kind.BAD_QUESTION,
            f"the form has the fields photo and options; there is none called {unknown[0][:40]!r}",
        )
    if not photos:
        raise Refused(
            Kind.BAD_QUESTION,
            "there is no photo: send one as a file in the field photo; words alone go to GET /v1/text, "
            "and a product to GET /v1/products/{product_id}/similar",
        )
    if len(photos) > MAX_PHOTOS:
        raise Refused(Kind.BAD_QUESTION, f"more than {MAX_PHOTOS} photos: so many show one item at most")
    if len(asked) + (options is not None) > 1:
        raise Refused(Kind.BAD_QUESTION, "the options are there more than once: give them once")
    if len(charsets) > 1:
        raise Refused(Kind.BAD_QUESTION, f"the field {_CHARSET} is there more than once: give it once")
    if encoded := next((part for part in parts if part.encoding not in _AS_IT_IS), None):
        raise Refused(
            Kind.MALFORMED,
            f"the field {encoded.name} is encoded ({encoded.encoding[:40]}): send its bytes as they are, without "
            "Content-Transfer-Encoding",
        )
    if asked:
        text = _text(asked[0], charsets[0].content.decode("latin-1").strip().lower() if charsets else "")
        options = read_options(text or "{}")
    return Question(tuple(part.content for part in photos), options or Options())


def _text(part: Part, charset: str) -> str:
    """What a field says. charset: unless it names one of its own."""
    charset = part.charset or charset
    codec = _CODECS.get(charset)
    if codec is None:
        raise Refused(Kind.BAD_QUESTION, f"the field {part.name} is in {charset[:40]!r}: send it in UTF-8")
    try:
        return part.content.decode(codec)
    except UnicodeDecodeError:
        raise Refused(
            Kind.BAD_QUESTION, f"the field {part.name} is not in {charset or 'UTF-8'}: send it in UTF-8"
        ) from None
