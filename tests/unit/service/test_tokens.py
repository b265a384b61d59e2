"""Tokens in a file or in the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookdex.errors import ConfigError
from lookdex.service.http.tokens import Tokens, new_token


def test_lines_of_a_file_and_of_the_setting(tmp_path: Path) -> None:
    (shop, shop_line), (app, app_line) = new_token("storefront"), new_token("app")
    file = tmp_path / "tokens"
    file.write_text(f"# the storefront, and the app\n\n{shop_line}\n  # from May on, too:\n{app_line}\n")
    for source in (str(file), f"{shop_line},{app_line}", f"{shop_line}\n{app_line}"):
        tokens = Tokens(source)
        assert tokens.needed
        assert (tokens.name_of([f"Bearer {shop}"]), tokens.name_of([f"bearer {app} "])) == (
            "storefront",
            "app",
        )
        for wrong in ("", shop, f"Basic {shop}", f"Bearer {shop}x", "Bearer "):
            assert tokens.name_of([wrong]) is None
        assert tokens.name_of([]) is None
        assert tokens.name_of([f"Bearer {shop}", f"Bearer {app}"]) is None  # which of them counts?
    assert not Tokens("").needed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# nobody\n", "contains no token"),
        ("storefront sha256:12\n", "a line is no"),
        ("{line}\n{line}\n", "two lines have the same name"),
    ],
)
def test_malformed_lines_are_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text.format(line=new_token("app")[1]))
    with pytest.raises(ConfigError, match=told):
        Tokens(str(file))
