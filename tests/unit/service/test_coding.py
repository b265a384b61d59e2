"""The header Accept-Encoding."""

from __future__ import annotations

import pytest

from lookdex.service.http.coding import AcceptedCodings, parse_accept_encoding


@pytest.mark.parametrize(
    ("header", "gzip", "identity"),
    [
        ("", False, True),
        ("gzip", True, True),
        ("GZip", True, True),
        ("x-gzip", True, True),
        ("br, gzip;q=0.5", True, True),
        ("deflate,\tgzip ; Q=1.000", True, True),
        ("*", True, True),
        ("*;q=0.1", True, True),
        ("gzip;q=0", False, True),
        ("gzip;q=0.000", False, True),
        ("gzip;q=0, *", False, True),
        ("*;q=0", False, False),
        ("gzip, *;q=0", True, False),
        ("gzip, identity;q=0", True, False),
        ("identity;q=0", False, False),
        ("identity;q=0, *", True, False),
        ("identity", False, True),
        ("identity, gzip;q=0.9", False, True),
        ("identity;q=0.5, gzip;q=0.9", True, True),
        ("identity, *;q=0", False, True),
        ("x-notgzip", False, True),
        ("gzipped, not-gzip", False, True),
        ("gzip;q=2", False, True),
        ("gzip;q=0.0001", False, True),
        ("gzip;q=", False, True),
        ("gzip;level=9", False, True),
        ("gzip br", False, True),
        (",, gzip,", True, True),
    ],
)
def test_accepted_codings(header: str, gzip: bool, identity: bool) -> None:
    assert parse_accept_encoding(header) == AcceptedCodings(gzip, identity)
