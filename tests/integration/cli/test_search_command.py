"""`lookdex search`: its flags, its JSON, pictures on terminals that can show them, and `Catalog.to_pandas`."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import lookdex
from lookdex.cli import main
from lookdex.cli.search import search
from lookdex.imaging.codec import encode_jpeg
from lookdex.records import Role
from lookdex.search.catalog import Catalog
from lookdex.search.query.options import Options
from lookdex.storage import open_store
from tests.fakes import FakeDetector, FakeEmbedder
from tests.support.catalogs import Shown, picture, publish, recipe_with_digests, stock
from tests.support.terminals import Terminal
from tests.support.verbs import TRUSTED

RECIPE = recipe_with_digests()
PARAMETERS = search.get_params(click.Context(search))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twelve products in six colours, priced 0 … 11, two photos of each."""
    uri = str(tmp_path_factory.mktemp("shop"))
    publish(open_store(uri), "night-1", stock(), recipe=RECIPE)
    return uri


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("photo") / "look.jpg"
    path.write_bytes(encode_jpeg(picture("red", "blue", size=192), 192, quality=95))
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main.main, ["search", *arguments], env=TRUSTED)


def answer_of(*arguments: str) -> dict[str, Any]:
    """The answer as JSON."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.output)
    return answer


def products(lane: dict[str, Any]) -> list[str]:
    return [match["product_id"] for match in lane["matches"]]


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────


def test_every_search_option_has_a_flag() -> None:
    flags = {option.name for option in PARAMETERS}
    # Several photos are each searched by their main object; the output decides about crops.
    without_flag = {"picks", "crops", "look"}
    assert {field.name for field in fields(Options)} - without_flag <= flags


@pytest.mark.parametrize(
    ("flag", "kind", "default"),
    [
        ("-k", click.IntRange(1, 1000), 5),
        ("--offset", click.IntRange(0), 0),
        ("--text-weight", click.FloatRange(0, 1), 0.6),
        ("--widen", click.Choice(["auto", "never", "always"]), "auto"),
        ("--text", click.STRING, None),
        ("--goes-with", click.BOOL, False),
        ("--no-fold", click.BOOL, True),
    ],
)
def test_flag_has_the_limits_and_the_default_of_its_option(
    flag: str, kind: click.ParamType[Any], default: object
) -> None:
    (option,) = (
        parameter for parameter in PARAMETERS if flag in (*parameter.opts, *parameter.secondary_opts)
    )
    assert option.type.to_info_dict() == kind.to_info_dict()
    assert option.default == default


def test_help_names_other_options_by_their_flags() -> None:
    described = {option.name: option.help or "" for option in PARAMETERS if isinstance(option, click.Option)}
    assert described["pool"].startswith("With --sort: ")
    assert "(default: -k)" in described["pool"]
    assert not [name for name, text in described.items() if "`" in text]


def test_help_is_grouped() -> None:
    text = run("--help").output
    titles = [
        "Question",
        "Products",
        "Ranking",
        "Additional results",
        "Output",
    ]
    positions = [text.index(f"\n{title}:\n") for title in [*titles, "Options"]]
    assert positions == sorted(positions)
    assert (
        positions[0]
        < text.index("  --text W")
        < positions[1]
        < text.index("  --widen")
        < positions[2]
        < text.index("  --colour")
    )
    for option in PARAMETERS:
        assert text.count(f" {option.opts[-1]}") >= 1, option.opts


def test_search_by_object_box_and_label(shop: str, photo: str) -> None:
    every = answer_of(photo, "--catalog", shop, "-k", "1")
    assert sorted(o["label"] for o in every["objects"]) == ["shoes", "top"]
    second = answer_of(photo, "--catalog", shop, "-k", "1", "--object", "1", "--no-whole")
    assert [o["label"] for o in second["objects"]] == [every["objects"][1]["label"]]
    assert second["whole"] is None
    box = every["objects"][0]["box"]
    corners = ",".join(str(box[name]) for name in ("x0", "y0", "x1", "y1"))
    drawn = answer_of(photo, "--catalog", shop, "--box", corners, "--label", "shoes")
    assert drawn["objects"][0]["kind"] == "box"
    assert drawn["objects"][0]["label"] == drawn["objects"][0]["within"] == "shoes"


def test_search_by_text_colour_product_and_filter(shop: str, photo: str) -> None:
    assert products(answer_of("--text", "green", "--catalog", shop, "-k", "2")["objects"][0]) == [
        "p002",
        "p008",
    ]
    in_green = (photo, "--catalog", shop, "--object", "0", "--text", "green", "--widen", "always", "-k", "1")
    for weight, colour in (("0", "red"), ("1", "green")):
        answer = answer_of(*in_green, "--text-weight", weight)
        assert answer["objects"][0]["matches"][0]["colour"] == colour
    like = answer_of("--product", "p000", "--catalog", shop, "-k", "1", "--where", "price > 3")
    assert like["objects"][0]["kind"] == "product"
    assert products(like["objects"][0]) == ["p006"]
    far = answer_of(
        photo, "--catalog", shop, "--object", "0", "--widen", "always", "--colour", "1", "-k", "9"
    )
    scores = [match["score"] for match in far["objects"][0]["matches"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == far["objects"][0]["matches"][0]["colour_similarity"]


def test_pages_sorting_and_facets(shop: str) -> None:
    question = ("--text", "red", "--catalog", shop, "-k", "4", "--sort", "-price", "--pool", "8")
    first, second = answer_of(*question), answer_of(*question, "--offset", "4")
    assert first["next"] == {"offset": 4, "release": "night-1"}
    matches = [match for page in (first, second) for match in page["objects"][0]["matches"]]
    order = [(match["other"] is not None, -match["columns"]["price"]) for match in matches]
    assert len(order) == 8
    assert order == sorted(order)  # exact matches come first
    shown = run(*question, "--where", "price > 2", "--facets", "label,price").output
    assert "facets of 9 products\n  label: bag 2, pants 2, shoes 2, dress 1, skirt 1, top 1\n" in shown
    assert "  price: 3 to 11\n" in shown
    configured = run(*question, "--where", "price > 2", "--facets", "true").output
    assert "facets of 9 products\n  price: 3 to 11\n" in configured
    assert run(*question, "--facets", "vector").exit_code == 2


def test_search_with_several_photos_of_one_item(shop: str, photo: str) -> None:
    answer = answer_of(photo, photo, "--catalog", shop)
    assert [o["kind"] for o in answer["objects"]] == ["photos"]
    assert len(answer["objects"][0]["parts"]) == 2


def test_goes_with_without_other_objects(tmp_path: Path) -> None:
    publish(open_store(str(tmp_path)), "n", [Shown("p1", "red"), Shown("p2", "blue")], recipe=RECIPE)
    answer = answer_of("--product", "p1", "--goes-with", "--catalog", str(tmp_path))
    assert answer["goes_with"] == []  # its photo shows no other item
    plain = run("--product", "p1", "--goes-with", "--catalog", str(tmp_path)).output
    assert "no other objects were found in the photos of p1" in plain


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--text", "red", "--box", "1,2,3,4"),
        ("--text", "red", "--object", "0"),
        ("--text", "red", "--png", "a.png"),
        ("{photo}", "{photo}", "--box", "1,2,3,4"),
        ("{photo}", "--box", "1,2,3"),
        ("{photo}", "--vectors"),
        ("{photo}", "--widen", "perhaps"),
        ("{photo}", "--colour", "2"),
        ("{photo}", "--object", "-1"),
        ("{photo}", "--goes-with"),
        ("{photo}", "--label", "dress"),
        ("{photo}", "--object", "9"),
        ("{photo}", "--product", "p000"),
        ("{photo}", "--where", "prize < 2"),
    ],
)
def test_invalid_questions_exit_with_2(arguments: tuple[str, ...], shop: str, photo: str) -> None:
    result = run(*(a.format(photo=photo) for a in arguments), "--catalog", shop)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


# ── vectors ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("question", [("{photo}",), ("{photo}", "--text", "green"), ("--text", "red"),
                                      ("--product", "p000"), ("{photo}", "{photo}")])  # fmt: skip
def test_vectors_are_those_of_the_question(question: tuple[str, ...], shop: str, photo: str) -> None:
    """Their products with the stored vectors are the similarities of the answer."""
    filled = [part.format(photo=photo) for part in question]
    answer = answer_of(*filled, "--catalog", shop, "-k", "3", "--widen", "always", "--no-fold", "--vectors")
    catalog = lookdex.open_catalog(shop, detector=FakeDetector(), embedder=FakeEmbedder())
    frame = catalog.to_pandas(columns=["item_id", "vector"], scope=None).set_index("item_id")
    lanes = [*answer["objects"], *filter(None, [answer["whole"]])]
    assert lanes
    for lane in lanes:
        vector = np.array(lane["vector"])
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        for match in lane["matches"]:
            stored = frame.loc[match["item_id"], "vector"]
            assert float(vector @ stored) == pytest.approx(match["similarity"], abs=1e-5)


# ── pictures in the terminal ─────────────────────────────────────────────────────────────────────────────────

ATTRIBUTES, VERSION, KITTY_QUERY = "\x1b[c", "\x1b[>q", "a=q"  # terminal queries
KITTY = ("\x1b[?62;c", "\x1b_Gi=31;OK\x1b\\", "\x1bP>|kitty(0.42.1)\x1b\\")
OLD_KITTY = (*KITTY[:2], "\x1bP>|kitty(0.26.5)\x1b\\")
SIXEL = ("\x1b[?62;4;6c",)
PLAIN = ("\x1b[?62;22c",)
SIXEL_PICTURE = re.compile(r'\x1bP0;0;0q"1;1;(\d+);(\d+)')
KITTY_PICTURE = re.compile(r"\x1b_Gi=(\d+),m=([01]),f=100,q=2;([A-Za-z0-9+/=]*)\x1b\\")
TABLE = "similarity"  # a heading of the table


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    unset = ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if name not in unset} | TRUSTED
    return kept | {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


def on(
    terminal: Terminal,
    environment: dict[str, str],
    shop: str,
    *more: str,
    program: Sequence[str] = ("-m", "lookdex.cli.main"),
) -> str:
    command = [
        sys.executable,
        *program,
        "search",
        "--text",
        "red",
        "-k",
        "3",
        "--catalog",
        shop,
        *more,
    ]
    code, written = terminal.run(command, environment)
    assert code == 0, written
    assert "release night-1" in written
    return written


def test_sixel_pictures(shop: str, environment: dict[str, str]) -> None:
    written = on(Terminal(SIXEL), environment, shop)
    assert SIXEL_PICTURE.findall(written) == [("160", "160")] * 3  # 16 × 8 cells of 10 × 20 pixels
    assert "red thing of" in written
    assert TABLE not in written


def test_kitty_pictures(shop: str, environment: dict[str, str]) -> None:
    written = on(Terminal(KITTY), environment, shop)
    pictures: dict[str, str] = {}
    for number, _, part in KITTY_PICTURE.findall(written):
        pictures[number] = pictures.get(number, "") + part
    assert len(pictures) == 3
    for data in pictures.values():
        with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
            assert (shown.format, shown.size) == ("PNG", (160, 160))
    assert written.index(ATTRIBUTES) < written.index(KITTY_QUERY) < written.index(VERSION)
    assert written.count("\U0010eeee") == 3 * 16 * 8  # a placeholder for each cell


@pytest.mark.parametrize("answers", [OLD_KITTY, PLAIN, ()], ids=["old-kitty", "plain", "silent"])
def test_half_blocks_on_other_terminals(
    answers: tuple[str, ...], shop: str, environment: dict[str, str]
) -> None:
    written = on(Terminal(answers), environment, shop)
    assert written.count("▀") == 3 * 24 * 12
    assert not SIXEL_PICTURE.search(written)
    assert not KITTY_PICTURE.search(written)


@pytest.mark.parametrize("mode", ["auto", "blocks"])
def test_half_blocks_on_terminals_that_do_not_respond(
    mode: str, shop: str, environment: dict[str, str]
) -> None:
    """Without responses to queries about pictures and the size of a cell."""
    written = on(Terminal(cell=(0, 0)), environment, shop, "--thumbnails", mode)
    assert written.count("▀") == 3 * 24 * 12
    assert "Traceback" not in written


def test_no_pictures_on_unsuitable_terminals(shop: str, environment: dict[str, str]) -> None:
    for terminal, changed, more in (
        (Terminal(SIXEL), {"TERM": "dumb"}, ()),
        (Terminal(SIXEL), {"NO_COLOR": "1"}, ()),
        (Terminal(SIXEL), {}, ("--thumbnails", "none")),
        (Terminal(SIXEL, columns=30), {}, ()),
        (Terminal(SIXEL, columns=0), {}, ("--thumbnails", "blocks")),
    ):
        written = on(terminal, environment | changed, shop, *more)
        assert not SIXEL_PICTURE.search(written)
        assert "▀" not in written


@pytest.mark.parametrize(
    "change",
    ["del t.capture_terminal_response", "t.capture_terminal_response = lambda: None"],
    ids=["gone", "other"],
)
def test_table_if_the_kitty_version_is_unknown(change: str, shop: str, environment: dict[str, str]) -> None:
    later = f"import textual_image.renderable, textual_image._terminal as t; {change}"
    program = ("-c", f"{later}; from lookdex.cli.main import main; main()")
    written = on(Terminal(KITTY), environment, shop, program=program)
    assert KITTY_QUERY in written
    assert TABLE in written
    assert not KITTY_PICTURE.search(written)
    assert "▀" not in written


@pytest.mark.parametrize("mode", ["auto", "kitty", "sixel", "blocks"])
def test_no_pictures_if_the_output_is_not_a_terminal(
    mode: str, shop: str, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "lookdex.cli.main", "search", "--text", "red", "--catalog", shop]
    done = subprocess.run(
        [*command, "--thumbnails", mode],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "▀" not in done.stdout
    assert TABLE in done.stdout


# ── rows for notebooks ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def catalog(shop: str) -> lookdex.Catalog:
    return lookdex.open_catalog(shop, detector=FakeDetector(), embedder=FakeEmbedder())


def test_frame_of_objects(catalog: lookdex.Catalog) -> None:
    frame = catalog.to_pandas()
    assert len(frame) == 24
    assert set(frame["scope"]) == {"object"}
    assert {"item_id", "label", "colour", "title", "price", "palette"} <= set(frame.columns)
    assert not {"vector", "crop"} & set(frame.columns)
    assert frame.attrs["release_id"] == "night-1"
    prices = frame.groupby("product_id")["price"].first()
    assert prices["p007"] == 7.0


def test_frame_with_filter_columns_scope_and_limit(catalog: lookdex.Catalog) -> None:
    frame = catalog.to_pandas("price < 3 and colour = 'red'", ["product_id", "vector", "crop"])
    assert list(frame.columns) == ["product_id", "vector", "crop"]
    assert list(catalog.to_pandas(columns=["price", "title", "price"]).columns) == ["price", "title"]
    assert set(frame["product_id"]) == {"p000"}
    assert np.stack(frame["vector"]).shape == (2, FakeEmbedder.dim)
    assert frame["crop"][0].startswith(b"\xff\xd8")
    assert len(catalog.to_pandas(f"role = '{Role.MAIN}'", scope=None, limit=7)) == 7
    assert set(catalog.to_pandas(scope="image")["scope"]) == {"image"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"where": "prize < 2"}, "price"),
        ({"where": "vector is not null"}, "vector"),
        ({"where": "price < 'x'"}, "filter"),
        ({"columns": ["prize"]}, "prize"),
        ({"scope": "photo"}, "image"),
        ({"limit": -1}, "limit"),
    ],
)
def test_invalid_frame_arguments(catalog: lookdex.Catalog, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(lookdex.errors.BadQuery, match=says):
        catalog.to_pandas(**arguments)


def test_vectors_come_from_the_release_that_answered(
    tmp_path: Path, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another release goes live between the search and the reading of vectors."""
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock(), recipe=RECIPE)
    released: list[str] = []
    vectors = Catalog.vectors

    def vectors_an_hour_later(catalog: Catalog, *photos: str, options: Options) -> np.ndarray:
        publish(store, "night-2", stock(products=6), recipe=RECIPE)
        later = time.monotonic() + 3600
        monkeypatch.setattr(time, "monotonic", lambda: later)
        found = vectors(catalog, *photos, options=options)
        released.append(catalog.release.release_id)
        return found

    monkeypatch.setattr(Catalog, "vectors", vectors_an_hour_later)
    assert answer_of(photo, "--catalog", str(tmp_path), "--vectors")["release_id"] == "night-1"
    assert released == ["night-1"]
