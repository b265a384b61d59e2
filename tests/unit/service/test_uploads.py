"""Uploads: forms as common clients write them, photos as the body, and malformed requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from lookdex.search.query.options import Options
from lookdex.service.http.hints import find_hint
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.photos.forms import FormError, FormReader
from lookdex.service.photos.uploads import MAX_OPTIONS, ReceivedQuestion, receive

# Not a picture, but bytes that are hard for form parsers: line ends, hyphens, binary data.
PHOTO = b"\xff\xd8\xff\r\n--\r\n\r\n--B\x00--" + bytes(range(256)) + b"\r\n"
THREE = Options(k=3)
MAX_BYTES = 50_000


def form(boundary: str, *parts: tuple[Sequence[str], bytes]) -> bytes:
    """A form with parts of header lines and content."""
    body = b""
    for lines, content in parts:
        head = "".join(f"{line}\r\n" for line in lines).encode()
        body += f"--{boundary}\r\n".encode() + head + b"\r\n" + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def ask(
    body: bytes,
    *,
    content_type: str = "",
    content_encoding: str = "",
    options: str | None = None,
    chunk: int = 7,
    disconnects: bool = False,
) -> ReceivedQuestion:
    """The question as the service receives it.

    chunk: bytes per message. disconnects: the client disconnects after the body instead of finishing it.
    """
    headers = {b"content-type": content_type.encode(), b"content-encoding": content_encoding.encode()}
    messages: list[Message] = [
        {"type": "http.request", "body": body[at : at + chunk], "more_body": True}
        for at in range(0, len(body), chunk)
    ]
    messages.append({"type": "http.disconnect"} if disconnects else {"type": "http.request", "body": b""})

    async def next_message() -> Message:
        return messages.pop(0)

    sent = [(name, value) for name, value in headers.items() if value]
    request = Request({"type": "http", "method": "POST", "headers": sent}, next_message)
    return asyncio.run(receive(request, MAX_BYTES, 10, options))


def photo(*lines: str) -> tuple[Sequence[str], bytes]:
    return lines, PHOTO


def options(*lines: str, text: bytes = b'{"k": 3}') -> tuple[Sequence[str], bytes]:
    return lines, text


PLAIN = 'Content-Disposition: form-data; name="photo"'
OPTIONS = 'Content-Disposition: form-data; name="options"'
BOUNDARY_X = "multipart/form-data; boundary=x"
WHOLE = form("x", photo(PLAIN), options(OPTIONS))
DASHES = "-" * 24
CLIENTS = {
    "curl": (
        f"multipart/form-data; boundary={DASHES}d74496d66958873e",
        form(
            f"{DASHES}d74496d66958873e",
            photo('Content-Disposition: form-data; name="photo"; filename="a.jpg"', "Content-Type: image/jpeg"),
            options(OPTIONS),
        ),
    ),
    "requests": (
        "multipart/form-data; boundary=0f2c4f4f6f1e0b1f8f3a1d2b3c4d5e6f",
        form(
            "0f2c4f4f6f1e0b1f8f3a1d2b3c4d5e6f",
            options(OPTIONS),
            photo("Content-Disposition: form-data; name=\"photo\"; filename*=utf-8''%EC%82%AC%EC%A7%84.jpg"),
        ),
    ),
    "a browser's Blob": (
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        form(
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
            options(OPTIONS),
            photo('Content-Disposition: form-data; name="photo"; filename="blob"', "Content-Type: image/jpeg"),
        ),
    ),
    "axios, with a list of files": (
        "multipart/form-data; boundary=--------------------------515890814546601021194782",
        form(
            "--------------------------515890814546601021194782",
            photo('Content-Disposition: form-data; name="photo[]"; filename="a.jpg"', "Content-Type: image/jpeg"),
            options(OPTIONS),
        ),
    ),
    "PHP's curl, with a list of files": (
        f"multipart/form-data; boundary={DASHES}8c1d5d0e6a0b4f7c",
        form(
            f"{DASHES}8c1d5d0e6a0b4f7c",
            options(OPTIONS),
            photo('Content-Disposition: form-data; name="photo[0]"; filename="/tmp/php1"',
                  "Content-Type: application/octet-stream"),
        ),
    ),
    "okhttp": (
        "multipart/form-data; boundary=8c3f5c9a-6f6e-4c5f-9b0e-2f1f7a6f0d11",
        form(
            "8c3f5c9a-6f6e-4c5f-9b0e-2f1f7a6f0d11",
            photo('Content-Disposition: form-data; name="photo"; filename="a.jpg"',
                  "Content-Transfer-Encoding: binary", "Content-Type: image/*", f"Content-Length: {len(PHOTO)}"),
            options(OPTIONS,
                    "Content-Type: application/json; charset=utf-8", "Content-Length: 8"),
        ),
    ),
    ".NET": (
        'multipart/form-data; boundary="6d2b0e0a-4a3a-45c5-9e39-cc6e1b6d2a3c"',
        form(
            "6d2b0e0a-4a3a-45c5-9e39-cc6e1b6d2a3c",
            photo("Content-Type: image/jpeg",
                  "Content-Disposition: form-data; name=photo; filename=a.jpg; filename*=utf-8''a.jpg"),
            options("Content-Type: text/plain; charset=utf-8", "Content-Disposition: form-data; name=options",
                    text=b'\xef\xbb\xbf{"k": 3}'),
        ),
    ),
    "Dart": (
        "multipart/form-data; boundary=dart-http-boundary-+G1y_hJp.SnNfBnKxQ4rJ9xzVbC0mLq2d5e",
        form(
            "dart-http-boundary-+G1y_hJp.SnNfBnKxQ4rJ9xzVbC0mLq2d5e",
            options('content-disposition: form-data; name="options"', "content-type: text/plain; charset=utf-8",
                    "content-transfer-encoding: binary"),
            photo("content-type: application/octet-stream", 'content-disposition: form-data; name="photo"'),
        ),
    ),
    "Alamofire, of data": (
        "multipart/form-data; boundary=alamofire.boundary.3f1a9c2be07d4c55",
        form(
            "alamofire.boundary.3f1a9c2be07d4c55",
            photo('Content-Disposition: form-data; name="photo"', "Content-Type: image/jpeg"),
            options(OPTIONS),
        ),
    ),
    "Apache HttpClient": (
        "multipart/form-data; boundary=z1rZ3bqk7T0pWmPzE9; charset=ISO-8859-1",
        form(
            "z1rZ3bqk7T0pWmPzE9",
            options(OPTIONS, "Content-Type: text/plain; charset=ISO-8859-1",
                    "Content-Transfer-Encoding: 8bit"),
            photo('Content-Disposition: form-data; name="photo"; filename="a.jpg"', "Content-Type: image/jpeg",
                  "Content-Transfer-Encoding: binary"),
        ),
    ),
    "an old browser, in Korean": (
        "multipart/form-data; boundary=x",
        form(
            "x",
            options('Content-Disposition: form-data; name="_charset_"', text=b"euc-kr"),
            photo('Content-Disposition: form-data; name="photo"; filename="a;b.jpg"'),
            options(OPTIONS, text='{"k": 3}'.encode("cp949")),
        ),
    ),
    "Python's email, with a preamble": (
        'multipart/form-data; boundary="===============7330845974216740156=="',
        b"This is a multi-part message in MIME format.\r\n\r\n"
        + form(
            "===============7330845974216740156==",
            options(OPTIONS, "MIME-Version: 1.0"),
            photo('Content-Disposition: form-data; name="photo"; filename="a.jpg"', "Content-Type: image/jpeg"),
        )
        + b"and an epilogue\r\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 64, 1 << 20])
@pytest.mark.parametrize("client", CLIENTS)
def test_the_forms_of_common_clients_are_read(client: str, chunk: int) -> None:
    content_type, body = CLIENTS[client]
    assert ask(body, chunk=chunk, content_type=content_type) == ReceivedQuestion((PHOTO,), THREE)


@pytest.mark.parametrize(
    ("parameter", "codec"),
    [
        ("; charset=utf-8", "utf-8"),
        ("; charset=UTF-16", "utf-16"),
        ("; charset=euc-kr", "cp949"),
        ("", "utf-8"),
    ],
)
def test_a_text_field_is_read_in_its_charset(parameter: str, codec: str) -> None:
    where = "title = '빨간 옷'"
    field = options(
        OPTIONS, f"Content-Type: text/plain{parameter}", text=f'{{"where": "{where}"}}'.encode(codec)
    )
    assert ask(form("x", photo(PLAIN), field), content_type=BOUNDARY_X).options == Options(where=where)


@pytest.mark.parametrize(
    ("charset", "text", "message"), [("klingon", b"{}", "'klingon'"), ("", b"\xff\xfe", "not valid UTF-8")]
)
def test_a_text_field_that_cannot_be_decoded_is_refused(charset: str, text: bytes, message: str) -> None:
    field = options(OPTIONS, f"Content-Type: text/plain; charset={charset}", text=text)
    with pytest.raises(ProblemError, match=message) as refused:
        ask(form("x", photo(PLAIN), field), content_type=BOUNDARY_X)
    assert refused.value.kind is ProblemKind.BAD_QUESTION


@pytest.mark.parametrize("length", [0, 1, 5, 30, 60, len(WHOLE) - 5])
def test_truncated_forms_are_malformed(length: int) -> None:
    with pytest.raises(
        ProblemError, match=r"ends before its last boundary|does not contain the boundary"
    ) as refused:
        ask(WHOLE[:length], content_type=BOUNDARY_X)
    assert refused.value.kind is ProblemKind.MALFORMED


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (WHOLE, "multipart/form-data", "has no boundary"),
        (WHOLE, 'multipart/form-data; boundary=""', "has no boundary"),
        (WHOLE, f"multipart/form-data; boundary={'x' * 300}", "too long"),
        (WHOLE, "multipart/form-data; boundary=y", "does not contain the boundary"),
        (bytes(9000) + WHOLE, BOUNDARY_X, "does not begin with the boundary"),
        (WHOLE.replace(b"\r\n", b"\n"), BOUNDARY_X, "end in LF"),
        (b"--x\r\nContent-Type: image/jpeg\r\n\r\na\r\n--x--", BOUNDARY_X, "a part has no name"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", BOUNDARY_X, "a part has no name"),
        (b"--x\r\na b: c\r\n\r\na\r\n--x--", BOUNDARY_X, "not valid multipart/form-data"),
        (form("x", *[photo(PLAIN)] * 65), BOUNDARY_X, "more than 64 parts"),
        (form("x", ([PLAIN, "Content-Transfer-Encoding: base64"], b"/9j/")), BOUNDARY_X, r"encoded \(base64\)"),
        (
            form("x", options(OPTIONS, text=bytes(MAX_OPTIONS + 1))),
            "multipart/form-data; boundary=x",
            "options is longer than 65,536",
        ),
    ],
)  # fmt: skip
def test_malformed_forms_are_refused(body: bytes, content_type: str, message: str) -> None:
    for chunk in (99, 1 << 20):
        with pytest.raises(ProblemError, match=message) as refused:
            ask(body, chunk=chunk, content_type=content_type)
        assert refused.value.kind is ProblemKind.MALFORMED


def test_malformed_forms_are_read_to_the_end() -> None:
    """A client would not read the response while it is still sending."""
    reader = FormReader(b"x", max_parts=1, max_bytes=lambda name: 10)
    for piece in (b"--x\r\nno header\r\n", b"\r\n", bytes(10_000)):
        reader.feed(piece)
    with pytest.raises(FormError, match="not valid multipart/form-data"):
        reader.finish()


@pytest.mark.parametrize(
    "content_type",
    ["image/jpeg", "image/jpg", "IMAGE/HEIC", "image/avif; a=b", "application/octet-stream", ""],
)
def test_a_photo_may_be_the_whole_body(content_type: str) -> None:
    assert ask(PHOTO, content_type=content_type) == ReceivedQuestion((PHOTO,), Options())
    question = ask(PHOTO, content_type=content_type, options='{"k": 3}')
    assert question == ReceivedQuestion((PHOTO,), THREE)


@pytest.mark.parametrize("content_type", ["image/jpeg", ""])
def test_an_empty_body_is_refused(content_type: str) -> None:
    with pytest.raises(ProblemError, match="the body is empty") as refused:
        ask(b"", content_type=content_type)
    assert refused.value.kind is ProblemKind.BAD_QUESTION


@pytest.mark.parametrize("content_type", ["image/jpeg", ""])
def test_a_body_that_is_too_large_is_refused(content_type: str) -> None:
    with pytest.raises(ProblemError, match="exceeds 50,000 bytes") as refused:
        ask(bytes(MAX_BYTES + 1), chunk=1000, content_type=content_type)
    assert refused.value.kind is ProblemKind.TOO_LARGE


def test_options_may_be_in_the_query_of_the_url() -> None:
    assert ask(form("x", photo(PLAIN)), options='{"k": 3}', content_type=BOUNDARY_X).options == THREE
    assert ask(form("x", photo(PLAIN)), options="", content_type=BOUNDARY_X).options == Options()


def test_options_may_be_given_only_once() -> None:
    with pytest.raises(ProblemError, match="more than once"):
        ask(WHOLE, options='{"k": 3}', content_type=BOUNDARY_X)
    twice = options('Content-Disposition: form-data; name="_charset_"', text=b"utf-8")
    with pytest.raises(ProblemError, match="_charset_ is given more than once"):
        ask(form("x", photo(PLAIN), twice, twice), content_type=BOUNDARY_X)


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("application/json", "JSON is not supported, nor is a base64 photo in it"),
        ("application/x-www-form-urlencoded", "use curl -F"),
        ("text/html; charset=utf-8", "type text/html is not supported"),
        ("multipart/mixed; boundary=x", "type multipart/mixed"),
    ],
)
def test_other_content_types_are_refused(content_type: str, message: str) -> None:
    with pytest.raises(ProblemError, match=message) as refused:
        ask(WHOLE, content_type=content_type)
    assert refused.value.kind is ProblemKind.UNKNOWN_FORMAT
    assert "Accept-Encoding" not in refused.value.headers


@pytest.mark.parametrize(
    ("content_type", "content_encoding"), [("image/jpeg", "gzip"), (BOUNDARY_X, "br"), (BOUNDARY_X, "zstd")]
)
def test_compressed_bodies_are_refused(content_type: str, content_encoding: str) -> None:
    with pytest.raises(ProblemError, match=rf"compressed \({content_encoding}\)") as refused:
        ask(WHOLE, content_type=content_type, content_encoding=content_encoding)
    assert refused.value.kind is ProblemKind.UNKNOWN_FORMAT
    assert refused.value.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("content_type", [BOUNDARY_X, "image/jpeg"])
def test_a_disconnect_is_not_a_malformed_request(content_type: str) -> None:
    with pytest.raises(ProblemError) as refused:
        ask(WHOLE[:50], disconnects=True, content_type=content_type)
    assert refused.value.kind is ProblemKind.CLIENT_GONE


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"data:image/jpeg;base64,/9j/4AAQSkZJRg==", "data URL"),
        (b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD", "base64"),
        (b"iVBORw0KGgoAAAANSUhEUgAA", "base64"),
        (b"AAAAIGZ0eXBhdmlmAAAAAG1pZjE=", "base64"),
        (b"https://shop.example/a.jpg", "URL"),
        (b"\x1f\x8b\x08\x00abc", "compressed"),
        (b'{"photo": "a"}', "JSON"),
        (b"photo.jpg", "file name"),
        (b"AAAA not base64 " + bytes(300), ""),
        (b"%PDF-1.7\n" + bytes(300), ""),
        (b"", ""),
    ],
)
def test_a_hint_names_what_was_sent_instead_of_a_photo(data: bytes, hint: str) -> None:
    found = find_hint(data)
    assert hint in found
    assert bool(hint) == bool(found)
