"""multipart/form-data (RFC 7578) as clients send it: a form that arrives in pieces becomes its parts.

python-multipart finds the boundaries. What a part is, its reader decides by the part's name: RFC 7578 makes a filename
optional, so a part without one (or with `filename*` alone) is bytes like every other. Starlette's own reader takes such
a part for text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MOST_PREAMBLE = 4096  # bytes before the first boundary


class FormError(Exception):
    """The form cannot be read; the message says why."""


@dataclass(slots=True, eq=False)
class Part:
    """A field of a form. charset, encoding: of its Content-Type, and its Content-Transfer-Encoding; lower case."""

    name: str
    charset: str = ""
    encoding: str = ""
    content: bytearray = field(default_factory=bytearray)


def boundary_of(content_type: str) -> bytes:
    """The boundary that the header Content-Type of a form names, quoted or not; empty where it names none."""
    return parse_options_header(content_type)[1].get(b"boundary", b"")


class FormReader:
    """Give it the pieces of the body by `feed`, then take the parts from `finish`.

    most_parts: more are an error. most_bytes: of a part's content, by its name.

    Errors are kept for `finish`: who sends a form reads no answer before its end.
    """

    def __init__(self, boundary: bytes, *, most_parts: int, most_bytes: Callable[[str], int]):
        self._most_parts, self._most_bytes = most_parts, most_bytes
        self._parts: list[Part] = []
        self._error: FormError | None = None
        self._opening, self._head = b"--" + boundary, b""
        self._begun = self._ended = False
        self._most = 0
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
            self._error = FormError("the boundary that the header Content-Type names is too long")

    def feed(self, piece: bytes) -> None:
        if self._error is not None or self._ended:
            return
        try:
            if not self._begun:
                piece = self._from_first_boundary(piece)
            if self._begun:
                self._parser.write(piece)
        except FormError as error:
            self._error = error
        except FormParserError as error:
            self._error = FormError(f"it breaks the rules of multipart/form-data: {error}")

    def finish(self) -> list[Part]:
        """The parts, in their order. Raises FormError."""
        if self._error is not None:
            raise self._error
        if not self._begun:
            raise FormError("the boundary that the header Content-Type names is not in it")
        if not self._ended:
            raise FormError(
                "it ends before its last boundary: it was cut off on its way, or the header Content-Length is wrong"
            )
        return self._parts

    def _from_first_boundary(self, piece: bytes) -> bytes:
        """What comes after a preamble, which RFC 2046 lets a reader skip; the parser does not know of it."""
        self._head += piece
        at = self._head.find(self._opening)
        while at > 0 and self._head[at - 1 : at] != b"\n":
            at = self._head.find(self._opening, at + 1)
        end = at + len(self._opening) + 2
        if (at < 0 and len(self._head) > _MOST_PREAMBLE) or at > _MOST_PREAMBLE:
            raise FormError("it does not begin with the boundary that the header Content-Type names")
        if at < 0 or len(self._head) < end:
            return b""
        if self._head[end - 2 : end - 1] == b"\n":
            raise FormError("its lines end in LF alone: they must end in CR LF")
        self._begun = True
        head, self._head = self._head[at:], b""
        return head

    def _on_part_begin(self) -> None:
        if len(self._parts) == self._most_parts:
            raise FormError(f"it has more than {self._most_parts} parts")
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
        part = Part(
            disposition[b"name"].decode("utf-8", "replace"),
            kind.get(b"charset", b"").decode("latin-1").lower(),
            self._headers.get(b"content-transfer-encoding", b"").strip().decode("latin-1").lower(),
        )
        self._most = self._most_bytes(part.name)
        self._parts.append(part)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._parts[-1]
        if len(part.content) + end - start > self._most:
            raise FormError(f"the field {part.name[:40]} is longer than {self._most:,} bytes")
        part.content += memoryview(data)[start:end]

    def _on_end(self) -> None:
        self._ended = True
