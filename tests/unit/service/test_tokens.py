"""Access tokens, from a file or from the setting itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookdex.errors import ConfigError
from lookdex.service.http.tokens import Tokens, new_token

SHOP, SHOP_LINE = new_token("storefront")
APP, APP_LINE = new_token("app")


@pytest.fixture(params=["file", "commas", "lines"])
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> Tokens:
    """The tokens of the storefront and the app."""
    file = tmp_path / "tokens"
    file.write_text(f"# the storefront, and the app\n\n{SHOP_LINE}\n  # from May on, too:\n{APP_LINE}\n")
    sources = {"file": str(file), "commas": f"{SHOP_LINE},{APP_LINE}", "lines": f"{SHOP_LINE}\n{APP_LINE}"}
    return Tokens(sources[request.param])


def test_a_token_identifies_its_client(tokens: Tokens) -> None:
    assert tokens.needed
    assert tokens.find_name([f"Bearer {SHOP}"]) == "storefront"
    assert tokens.find_name([f"bearer {APP} "]) == "app"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        [SHOP],
        [f"Basic {SHOP}"],
        [f"Bearer {SHOP}x"],
        ["Bearer "],
        [f"Bearer {SHOP}", f"Bearer {APP}"],  # ambiguous
    ],
    ids=["none", "empty", "no scheme", "other scheme", "other token", "no token", "two"],
)
def test_other_authorization_headers_identify_nobody(tokens: Tokens, headers: list[str]) -> None:
    assert tokens.find_name(headers) is None


def test_without_tokens_none_is_needed() -> None:
    assert not Tokens("").needed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nobody\n", "contains no token"),
        ("storefront sha256:12\n", "a line is no"),
        ("{line}\n{line}\n", "two lines have the same name"),
    ],
)
def test_malformed_lines_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text.format(line=new_token("app")[1]))
    with pytest.raises(ConfigError, match=message):
        Tokens(str(file))
