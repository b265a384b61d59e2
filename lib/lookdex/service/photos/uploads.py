"""Receive a question's photos and options, within size limits and without writing to disk.

A question is a form (multipart/form-data), or a photo as the body with options in the query.
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
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.photos.forms import FormError, FormPart, FormReader, parse_boundary

BYTES = "application/octet-stream"
_PHOTO_TYPES = frozenset((*MEDIA_TYPES, *OTHER_NAMES, BYTES, "binary/octet-stream", ""))
MAX_OPTIONS = 64 << 10  # bytes; a filter has at most 20,000 characters
_FRAMING = 16 << 10  # bytes of boundaries and part headers
_MAX_PARTS = 64
# PHP numbers the files of a list, and axios appends brackets to the name.
_PHOTO = re.compile(r"photo(\[\d{0,3}\])?")
_CHARSET = "_charset_"  # a field that names the encoding of the others (RFC 7578, 4.6)
# Charset labels and their codecs: as browsers interpret the labels, and UTF-8 with or without a BOM.
_CODECS = {
    **dict.fromkeys(("", "utf-8", "utf8", "us-ascii", "ascii"), "utf-8-sig"),
    **dict.fromkeys(("iso-8859-1", "latin1", "windows-1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16be"), "utf-16"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "cp949"), "cp949"),
}
_IDENTITY_ENCODINGS = ("", "binary", "8bit", "7bit")
_HOW_TO_SEND = (
    "send a form (multipart/form-data) with the file in the field photo and JSON in the field options, or the file "
    "itself as the body, with its type in the header Content-Type and JSON in the query parameter options"
)


@dataclass(frozen=True, slots=True)
class ReceivedQuestion:
    """A received question: the files as sent, and validated options."""

    photos: tuple[bytes | bytearray, ...]
    options: Options


async def receive(
    request: Request, max_bytes: int, seconds: float, options: str | None = None
) -> ReceivedQuestion:
    """Receive the question of a request.

    Args:
        max_bytes: of all photos together.
        seconds: for the body to arrive.
        options: JSON from the query.

    Raises:
        ProblemError: 400 malformed, 408 too slow, 413 too large, 415 neither a form nor a photo, 422 no photo or wrong
            fields.
        BadQuery: the options are invalid.
    """
    form = _is_form(request.headers)
    given = None if options is None else read_options(options or "{}")
    try:
        async with asyncio.timeout(seconds):
            if form:
                parts = await _receive_parts(request, max_bytes + MAX_OPTIONS + _FRAMING)
            else:
                photo = bytearray()
                async for piece in _stream_body(request, max_bytes):
                    photo += piece
    except TimeoutError:
        raise ProblemError(
            ProblemKind.SLOW_UPLOAD, f"the photo did not arrive within {seconds:g} s: send a smaller one"
        ) from None
    except FormError as error:
        raise ProblemError(ProblemKind.MALFORMED, f"the form is malformed: {error}") from error
    except ClientDisconnect:
        raise ProblemError(
            ProblemKind.CLIENT_GONE, "the client closed the connection before it had sent everything"
        ) from None
    if form:
        return _build_question(parts, given)
    if not photo:
        raise ProblemError(ProblemKind.BAD_QUESTION, f"there is no photo, the body is empty: {_HOW_TO_SEND}")
    return ReceivedQuestion((photo,), given or Options())


def _is_form(headers: Headers) -> bool:
    """Whether the body is a form, rather than a photo. Raises ProblemError if it is neither."""
    coding = headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise ProblemError(
            ProblemKind.UNKNOWN_FORMAT,
            f"the body is compressed ({coding[:40]}): send it uncompressed, photos are compressed already",
            headers={"Accept-Encoding": "identity"},
        )
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return True
    if kind in _PHOTO_TYPES:
        return False  # the content decides the format: clients guess the type from the file name
    why = {
        "application/json": "JSON is not supported, nor is a base64 photo in it",
        "application/x-www-form-urlencoded": "a urlencoded form cannot contain a file (curl -d sends one; use curl -F)",
    }
    accepted = ", ".join(("multipart/form-data", *MEDIA_TYPES, BYTES))
    raise ProblemError(
        ProblemKind.UNKNOWN_FORMAT,
        f"{why.get(kind, f'the content type {kind[:60]} is not supported')}: {_HOW_TO_SEND}. "
        f"Supported types: {accepted}",
        headers={"Accept": accepted},
    )


async def _receive_parts(request: Request, limit: int) -> list[FormPart]:
    """Receive and parse a form. Raises FormError."""
    boundary = parse_boundary(request.headers["content-type"])
    if not boundary:
        raise FormError("the Content-Type header has no boundary: let your HTTP client set this header")
    reader = FormReader(
        boundary,
        max_parts=_MAX_PARTS,
        max_bytes=lambda name: MAX_OPTIONS if name in ("options", _CHARSET) else limit,
    )
    async for piece in _stream_body(request, limit):
        reader.feed(piece)
    return reader.finish()


async def _stream_body(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Stream the body. Raises ProblemError once it exceeds `limit` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    arrived = 0
    async for chunk in request.stream():
        arrived += len(chunk)
        if arrived > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit: int) -> ProblemError:
    # The rest of the body is not read, so the connection must close.
    return ProblemError(
        ProblemKind.TOO_LARGE,
        f"the upload exceeds {limit:,} bytes: send a smaller photo",
        headers={"Connection": "close"},
        reason=Reason.TOO_MANY_BYTES,
    )


def _build_question(parts: list[FormPart], options: Options | None) -> ReceivedQuestion:
    photos = [part for part in parts if _PHOTO.fullmatch(part.name)]
    option_parts = [part for part in parts if part.name == "options"]
    charsets = [part for part in parts if part.name == _CHARSET]
    unknown = sorted({part.name for part in parts} - {part.name for part in photos} - {"options", _CHARSET})
    if unknown:
        raise ProblemError(
            ProblemKind.BAD_QUESTION,
            f"unknown field {unknown[0][:40]!r}: the fields of the form are photo and options",
        )
    if not photos:
        raise ProblemError(
            ProblemKind.BAD_QUESTION,
            "there is no photo: send one as a file in the field photo. To search by text use GET /v1/text, by product "
            "GET /v1/products/{product_id}/similar",
        )
    if len(photos) > MAX_PHOTOS:
        raise ProblemError(
            ProblemKind.BAD_QUESTION, f"too many photos: at most {MAX_PHOTOS} of one item are allowed"
        )
    if len(option_parts) + (options is not None) > 1:
        raise ProblemError(ProblemKind.BAD_QUESTION, "the options are given more than once")
    if len(charsets) > 1:
        raise ProblemError(ProblemKind.BAD_QUESTION, f"the field {_CHARSET} is given more than once")
    if encoded := next((part for part in parts if part.encoding not in _IDENTITY_ENCODINGS), None):
        raise ProblemError(
            ProblemKind.MALFORMED,
            f"the field {encoded.name} is encoded ({encoded.encoding[:40]}): send its raw bytes, without "
            "Content-Transfer-Encoding",
        )
    if option_parts:
        text = _decode_text(
            option_parts[0], charsets[0].content.decode("latin-1").strip().lower() if charsets else ""
        )
        options = read_options(text or "{}")
    return ReceivedQuestion(tuple(part.content for part in photos), options or Options())


def _decode_text(part: FormPart, charset: str) -> str:
    """Decode a text field. charset: used if the part has none of its own."""
    charset = part.charset or charset
    codec = _CODECS.get(charset)
    if codec is None:
        raise ProblemError(
            ProblemKind.BAD_QUESTION, f"the field {part.name} is in {charset[:40]!r}: send it in UTF-8"
        )
    try:
        return part.content.decode(codec)
    except UnicodeDecodeError:
        raise ProblemError(
            ProblemKind.BAD_QUESTION,
            f"the field {part.name} is not valid {charset or 'UTF-8'}: send it in UTF-8",
        ) from None
