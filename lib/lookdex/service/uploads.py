"""Receiving a question: its photos and its options, counted while they arrive and never written to a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from lookdex.records import Reason
from lookdex.search.ask import MAX_PHOTOS, Options, read_options
from lookdex.service.problems import Kind, Refused

MAX_OPTIONS = 64 << 10  # bytes; a filter has at most 20,000 characters
_FRAMING = 16 << 10  # bytes of boundaries and part headers


@dataclass(frozen=True, slots=True)
class Question:
    """photos: files as they were sent. options: checked."""

    photos: tuple[bytes, ...]
    options: Options


async def receive(request: Request, max_bytes: int, seconds: float) -> Question:
    """The question of a multipart/form-data request.

    max_bytes: of all photos together. seconds: in which it must have arrived.

    Raises:
        Refused: 400 not readable, 408 too slow, 413 too large, 415 no form, 422 without a photo or with wrong fields.
        BadQuery: the options contradict themselves, or name what does not exist.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Refused(
            Kind.UNKNOWN_FORMAT,
            "send multipart/form-data: the file in the field photo, and JSON in the field options",
        )
    if "boundary=" not in content_type.lower():
        raise Refused(Kind.MALFORMED, "the header Content-Type names no boundary of the form's parts")
    try:
        async with asyncio.timeout(seconds):
            form = await _Parser(
                request.headers,
                _counted(request, max_bytes + MAX_OPTIONS + _FRAMING),
                max_files=MAX_PHOTOS + 1,  # one more than allowed is enough to be told
                max_fields=8,
                max_part_size=MAX_OPTIONS,
            ).parse()
            try:
                return await _question(form.multi_items())
            finally:
                await form.close()
    except TimeoutError:
        raise Refused(
            Kind.SLOW_UPLOAD, f"the photo did not arrive within {seconds:g} s: send a smaller one"
        ) from None
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise _too_many_photos() from error
        raise Refused(Kind.MALFORMED, f"the form cannot be read: {error.message}") from error
    except ClientDisconnect:
        raise Refused(Kind.MALFORMED, "the client went away") from None


class _Parser(MultiPartParser):
    spool_max_size = 1 << 62  # photos stay in memory: what arrives is counted


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


def _too_many_photos() -> Refused:
    return Refused(Kind.BAD_QUESTION, f"more than {MAX_PHOTOS} photos: so many show one item at most")


async def _question(fields: list[tuple[str, Any]]) -> Question:
    unknown = sorted({name for name, _ in fields} - {"photo", "options"})
    if unknown:
        raise Refused(
            Kind.BAD_QUESTION,
            f"the form has the fields photo and options; there is none called {unknown[0][:40]!r}",
        )
    photos = [value for name, value in fields if name == "photo"]
    options = [value for name, value in fields if name == "options"]
    if not photos:
        raise Refused(
            Kind.BAD_QUESTION,
            "there is no photo: send one as a file in the field photo; words alone go to GET /v1/text, "
            "and a product to GET /v1/products/{product_id}/similar",
        )
    if not all(isinstance(photo, UploadFile) for photo in photos):
        raise Refused(Kind.BAD_QUESTION, "the field photo must be a file (with a filename)")
    if len(photos) > MAX_PHOTOS:
        raise _too_many_photos()
    if len(options) > 1:
        raise Refused(Kind.BAD_QUESTION, "the field options is there more than once")
    text: str | bytes = options[0] if options and isinstance(options[0], str) else "{}"
    if options and isinstance(options[0], UploadFile):
        text = await options[0].read(MAX_OPTIONS + 1)
    return Question(tuple([await photo.read() for photo in photos]), read_options(text or "{}"))


async def drain(receive: Callable[[], Any], most: int, seconds: float = 2.0) -> bool:
    """Take in and forget what a client is still sending, so that it reads our answer; whether it came to its end."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                most -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return True
                if most < 0:
                    return False
    except TimeoutError:
        return False
