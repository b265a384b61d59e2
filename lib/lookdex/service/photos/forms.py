"""Incremental parser for multipart/form-data (RFC 7578).

python-multipart finds the boundaries. The caller decides by name what a part is: a filename is optional in RFC 7578, so
a part without one (or with only `filename*`) may still be a file. Starlette's parser treats such a part as text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MAX_PREAMBLE = 4096  # bytes before the first boundary


class FormError(Exception):
    """The form is malformed."""


@dataclass(slots=True, eq=False)
class FormPart:
    """A field of a form."""

    name: str
    charset: str = ""
    """Of its Content-Type, in lower case."""
    encoding: str = ""
    """Its Content-Transfer-Encoding, in lower case."""
    content: bytearray = field(default_factory=bytearray)


def parse_boundary(content_type: str) -> bytes:
    """Parse the boundary in a Content-Type header, quoted or not; empty if it has none."""
    return parse_options_header(content_type)[1].get(b"boundary", b"")


class FormReader:
    """Parse a form: pass the body in pieces to `feed`, then get the parts from `finish`.

    Errors are raised by `finish` only: clients read no response before they have sent the whole form.

    Args:
        max_parts: more are an error.
        max_bytes: most bytes of a part's content, by its name.
    """

    def __init__(self, boundary: bytes, *, max_parts: int, max_bytes: Callable[[str], int]) -> None:
        self._max_parts, self._max_bytes = max_parts, max_bytes
        self._parts: list[FormPart] = []
        self._error: FormError | None = None
        self._opening, self._head = b"--" + boundary, b""
        self._started = self._ended = False
        self._limit = 0
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            self._error = FormError("the boundary in the Content-Type header is too long")

    def feed(self, piece: bytes) -> None:
        if self._error is not None or self._ended:
            return
        try:
            if not self._started:
                piece = self._from_first_boundary(piece)
            if self._started:
                self._parser.write(piece)
        except FormError as error:
            self._error = error
        except FormParserError as error:
            self._error = FormError(f"it is not valid multipart/form-data: {error}")

    def finish(self) -> list[FormPart]:
        """The parts in order. Raises FormError."""
        if self._error is not None:
            raise self._error
        if not self._started:
            raise FormError("it does not contain the boundary of the Content-Type header")
        if not self._ended:
            raise FormError(
                "it ends before its last boundary: it was truncated, or the Content-Length header is wrong"
            )
        return self._parts

    def _from_first_boundary(self, piece: bytes) -> bytes:
        """Skip a preamble (RFC 2046), which the parser does not support."""
        self._head += piece
        at = self._head.find(self._opening)
        while at > 0 and self._head[at - 1 : at] != b"\n":
            at = self._head.find(self._opening, at + 1)
        end = at + len(self._opening) + 2
        if (at < 0 and len(self._head) > _MAX_PREAMBLE) or at > _MAX_PREAMBLE:
            raise FormError("it does not begin with the boundary of the Content-Type header")
        if at < 0 or len(self._head) < end:
            return b""
        if self._head[end - 2 : end - 1] == b"\n":
            raise FormError("its lines end in LF: they must end in CR LF")
        self._started = True
        head, self._head = self._head[at:], b""
        return head

    def _on_part_begin(self) -> None:
        if len(self._parts) == self._max_parts:
            raise FormError(f"it has more than {self._max_parts} parts")
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        _, disposition = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in disposition:
            raise FormError('a part has no name: Content-Disposition: form-data; name="photo"')
        _, kind = parse_options_header(self._headers.get(b"content-type"))
        part = FormPart(
            disposition[b"name"].decode("utf-8", "replace"),
            kind.get(b"charset", b"").decode("latin-1").lower(),
            self._headers.get(b"content-transfer-encoding", b"").strip().decode("latin-1").lower(),
        )
        self._limit = self._max_bytes(part.name)
        self._parts.append(part)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._parts[-1]
        if len(part.content) + end - start > self._limit:
            raise FormError(f"the field {part.name[:40]} is longer than {self._limit:,} bytes")
        part.content += memoryview(data)[start:end]

    def _on_end(self) -> None:
        self._ended = True
