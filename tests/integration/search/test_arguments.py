"""Any value for any argument gives an answer, or a lookdex error that names the argument."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import inspect
import numbers
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import lookdex
from lookdex.errors import BadQuery, ConfigError, LookdexError
from lookdex.imaging.codec import encode_jpeg
from lookdex.records import Box
from lookdex.search.catalog import Catalog
from lookdex.search.query.keywords import SearchOptions, SimilarOptions, TextOptions
from lookdex.search.query.options import Options, Pick, Widen, read_options
from tests.fakes import FakeDetector, FakeEmbedder
from tests.support.catalogs import picture, stock
from tests.support.paths import ROOT
from tests.support.shops import shop_in

PHOTO = picture("red", "blue")
open_catalog: Any = lookdex.open_catalog  # called with arguments that type checkers refuse


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return shop_in(tmp_path_factory.mktemp("shop"), stock(6))


CIRCLE: dict[str, object] = {}
CIRCLE["where"] = CIRCLE


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda shop: shop.search(PHOTO, k="5"), "k is '5': give a whole number from 1 to 1000"),
        (lambda shop: shop.search(PHOTO, k=2.0), "k is 2.0: give a whole number"),
        (lambda shop: shop.search(PHOTO, k=True), "k is True"),
        (lambda shop: shop.search(PHOTO, k=None), "k is None"),
        (lambda shop: shop.search(PHOTO, k=np.float64(5)), "k is "),
        (lambda shop: shop.search(PHOTO, where=5), "where is 5: give text, or None"),
        (lambda shop: shop.search(PHOTO, box="a"), "box is 'a': give four whole numbers"),
        (lambda shop: shop.search(PHOTO, box=(1, 2, 3)), r"box is \(1, 2, 3\): give four whole numbers"),
        (lambda shop: shop.search(PHOTO, box=(1, 2, 3, "4")), "box is .*4.*integer"),
        (lambda shop: shop.search(PHOTO, crops=1), "crops is 1: give True or False"),
        (lambda shop: shop.search(PHOTO, crops="all"), "crops is 'all': give True or False"),
        (lambda shop: shop.search(PHOTO, text=b"red"), "text is b'red': give text of 1 to 1000 characters"),
        (lambda shop: shop.search(PHOTO, colour=float("nan")), "colour is nan: give a number from 0 to 1"),
        (lambda shop: shop.search(PHOTO, colour=decimal.Decimal("0.3")), "colour is Decimal"),
        (lambda shop: shop.search(PHOTO, where="\ud800"), "where is '.ud800': give text"),
        (lambda shop: shop.search(PHOTO, colur=0.3), "there is no option 'colur'"),
        (lambda shop: shop.search(PHOTO, widen=5), "widen is 5: give one of auto, never, always"),
        (lambda shop: shop.search(PHOTO, picks=Pick()), "picks is Pick.*: give a list of at most 8 values"),
        (lambda shop: shop.search(PHOTO, object=np.bool_(True)), "object is np.True_"),
        (lambda shop: shop.search(3), "photo is 3: give a path"),
        (lambda shop: shop.search(None), "photo is None"),
        (lambda shop: shop.search("a\0b"), "cannot read the photo"),
        (lambda shop: shop.search([PHOTO, 3]), "photo is 3"),
        (lambda shop: shop.search([], text="red"), "photo is an empty list"),
        (lambda shop: shop.search("x" * 3000), "cannot read the photo x+…: File name too long"),
        (lambda shop: shop.search(PHOTO, sort="-score"), "cannot be reversed"),
        (lambda shop: shop.search(PHOTO, offset=10**30), "give a whole number from 0 to 999"),
        (lambda shop: read_options({"k": bytearray(b"5")}), "options is .*bytearray.*: give JSON"),
        (lambda shop: read_options(CIRCLE), "options is .*: give JSON"),
        (lambda shop: lookdex.open_catalog("x", read_seconds=0), "read_seconds is 0: give a number above 0"),
        (lambda shop: lookdex.open_catalog("x", store_seconds=0), "store_seconds is 0: give a number above 0"),
        (lambda shop: shop.ask(PHOTO, options={"k": 5}), "options is {'k': 5}: give .*Options"),
        (lambda shop: shop.search_text(b"red"), "text is b'red'"),
        (lambda shop: shop.search_text(None), "text is None: give text"),
        (lambda shop: shop.search_text("red", scope=5), "scope is 5: give one of object, image"),
        (lambda shop: shop.search_text("red", scope=["object"]), "scope is"),
        (lambda shop: shop.search_vector("abc"), "vector is 'abc': give 16 numbers"),
        (lambda shop: shop.search_vector(["1"] * 16), "give 16 numbers"),
        (lambda shop: shop.search_vector([1] * 16, colour=0.5), "colour compares the colours"),
        (lambda shop: shop.search_vector([1] * 16, look_photos=1), "give the photo"),
        (lambda shop: shop.search_vector([1] * 16, text="red"), "no option 'text' here"),
        (lambda shop: shop.search_vector([1] * 16, text_weight=0.5), "give text too"),
        (lambda shop: shop.search_vector([float("inf")] * 16), "finite numbers"),
        (lambda shop: shop.search_vector([10**400] * 16), "give 16 numbers"),
        (lambda shop: shop.similar(3), "product_id is 3: give text"),
        (lambda shop: shop.similar(None), "product_id is None"),
        (lambda shop: shop.crops(5), "item_ids is 5: give a list of texts"),
        (lambda shop: shop.crops("abc"), "item_ids is 'abc'"),
        (lambda shop: shop.crops([5]), "item_ids holds 5"),
        (lambda shop: shop.to_pandas(5), "where is 5"),
        (lambda shop: shop.to_pandas(limit="5"), "limit is '5': give a whole number from 0 to 9223"),
        (lambda shop: shop.to_pandas(limit=-1), "limit is -1"),
        (lambda shop: shop.to_pandas(columns="price"), "columns is 'price': give a list of texts"),
        (lambda shop: shop.to_pandas(columns=[1]), "columns holds 1"),
        (lambda shop: open_catalog(5), "uri is 5"),
        (lambda shop: open_catalog("x", release=5), "release is 5"),
        (lambda shop: open_catalog("x", device=5), "device is 5: give text"),
        (lambda shop: open_catalog("x", detector=5), "detector is 5: give a Detector"),
        (lambda shop: open_catalog("x", embedder="lookdex-tiny"), "embedder is 'lookdex-tiny': give an Emb"),
        (lambda shop: open_catalog("x", loader=5), "loader is 5"),
        (lambda shop: open_catalog("x", poll_seconds="5"), "poll_seconds is '5': give a number of 0 or more"),
        (lambda shop: open_catalog("x", verify_bytes=2.5), "verify_bytes is 2.5"),
        (lambda shop: open_catalog("x", trusted_models="a"), "trusted_models is 'a': give a list of texts"),
    ],
)  # fmt: skip
def test_invalid_argument_is_named_with_valid_values(
    shop: Catalog, ask: Callable[[Catalog], object], says: str
) -> None:
    with pytest.raises(BadQuery, match=says) as caught:
        ask(shop)
    assert len(str(caught.value)) < 400


def test_numpy_numbers_and_arrays_are_accepted(shop: Catalog) -> None:
    options: dict[str, Any] = {"where": "price >= 0", "crops": False, "colour": np.float32(0.5)}
    typed: Any = shop  # type checkers refuse numpy's numbers for int
    found = typed.search(
        PHOTO, k=np.int64(2), box=np.array([0, 0, 50, 96]), widen=Widen.NEVER, **options
    ).objects[0]
    assert (len(found.matches), found.box) == (2, Box(0, 0, 50, 96))
    same = shop.search(PHOTO, k=2, box=[0, 0, 50, 96], widen="never", **options).objects[0]
    assert [match.item_id for match in same.matches] == [match.item_id for match in found.matches]
    assert len(typed.to_pandas(limit=np.int32(3))) == 3
    assert typed.search_vector([1] * 16, np.uint8(1)).objects[0].matches


def test_truncated_pil_image_is_a_bad_photo(shop: Catalog, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(encode_jpeg(PHOTO, 96)[:700])
    with (
        Image.open(tmp_path / "cut.jpg") as image,
        pytest.raises(BadQuery, match="the PIL image cannot be read"),
    ):
        shop.search(image)
    assert shop.search(Image.fromarray(PHOTO)).objects


# ── any value for any argument ───────────────────────────────────────────────────────────────────────────────


class Odd:
    """Every use of it raises."""

    def __repr__(self) -> str:
        raise RuntimeError("odd")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("odd")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("odd")

    def __len__(self) -> int:
        raise RuntimeError("odd")


class OddPath:
    def __fspath__(self) -> str:
        raise RuntimeError("odd")


def circular() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(20_000):
        value = [value]
    return value


INVALID: tuple[Any, ...] = (
    float("inf"), float("-inf"), float("nan"), 1e308, 2**63, 2**64, -(2**63) - 1, 10**400, np.float64("inf"),
    np.uint64(2**64 - 1), np.ma.masked, np.ma.array([0, 0, 50, 96], mask=[False, True, False, False]),
    np.ma.array([1.0] * 16), np.ma.array(PHOTO, mask=PHOTO > 100), [np.ma.masked], "\ud800", "price < 5 \ud800",
    ["\ud800"], ["price", "\udfff"], Path("\ud800"),
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary()
    | st.sampled_from([np.int64(3), np.float32(0.5), np.bool_(True), np.str_("a"), np.datetime64("2026-01-01"),
                       np.longdouble(1), "\ud800", "\0", "a" * 5000, ".", "s3://", "http://a", "~nobody/a",
                       decimal.Decimal("0.5"), datetime.date(2026, 1, 1), Path("."), Widen.NEVER, Options(), Pick(),
                       Box(1, 2, 30, 40), pa.scalar(5), slice(1), print, int, Odd, ..., NotImplemented])
)  # fmt: skip
VALUES = (
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    )
    | st.builds(Odd)
    | st.builds(OddPath)
    | st.builds(lambda: 10**5000)
    | st.sampled_from(INVALID)
    | st.builds(circular)
    | st.builds(deep)
    | st.builds(lambda: (n for n in "ab"))
    | st.builds(lambda: {1, "a"})
    | st.builds(lambda: memoryview(b"abc"))
    | st.builds(lambda: np.zeros((3, 4), object))
    | st.builds(lambda: np.full((40, 40, 3), 7, np.uint8))
    | st.builds(lambda: Image.new("F", (40, 40)))
)  # fmt: skip
MODELS: dict[str, Any] = {"detector": FakeDetector(), "embedder": FakeEmbedder()}
FIELDS = [field.name for field in fields(Options)]
REQUIRED: dict[str, dict[str, Any]] = {
    "search": {"photo": PHOTO}, "search_text": {"text": "red"}, "search_vector": {"vector": [1.0] * 16},
    "similar": {"product_id": "p001"}, "goes_with": {"product_id": "p001"}, "crops": {"item_ids": ["a"]},
}  # fmt: skip
METHODS = [name for name, value in vars(Catalog).items() if callable(value) and not name.startswith("_")]
Call = Callable[[Catalog, Any], object]


def calls_of(method: str) -> dict[str, Call]:
    """A call for each argument of a public method, and for each of its options."""
    found: dict[str, Call] = {}
    parameters = inspect.signature(getattr(Catalog, method)).parameters.values()
    names = [p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_POSITIONAL]
    if "more" in names:
        names += [*FIELDS, "other"]
    for name in names:

        def call(shop: Catalog, value: Any, name: str = name) -> object:
            return getattr(shop, method)(**REQUIRED.get(method, {}) | {name: value})

        found[f"{method}({name})"] = call
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        found[f"{method}(*)"] = lambda shop, value: getattr(shop, method)(value)
    return found


def option(name: str) -> Call:
    return lambda shop, value: shop.ask(PHOTO, options=Options(**{name: value}))


def pick(name: str) -> Call:
    return lambda shop, value: shop.search(PHOTO, picks=[Pick(**{name: value})])


def opening(name: str) -> Call:
    return lambda shop, value: lookdex.open_catalog(**{"uri": shop._config.store.uri, **MODELS, name: value})


CALLS: dict[str, Call] = {
    **{f"Options({name})": option(name) for name in FIELDS},
    **{f"Pick({name})": pick(name) for name in ("object", "box", "label")},
    **{name: call for method in METHODS for name, call in calls_of(method).items()},
    **{f"open_catalog({name})": opening(name) for name in inspect.signature(lookdex.open_catalog).parameters},
}


def test_every_public_argument_is_tested() -> None:
    assert {call.partition("(")[0] for call in CALLS} == {
        "Options", "Pick", "open_catalog", *METHODS,
    } - {"load", "refresh"}  # without arguments  # fmt: skip
    assert {"search(where)", "search_text(scope)", "to_pandas(limit)", "crops(item_ids)", "ask(*)"} < set(
        CALLS
    )


@pytest.mark.parametrize("call", sorted(CALLS))
def test_values_that_no_argument_accepts_are_refused(shop: Catalog, call: str) -> None:
    for value in INVALID:
        is_number = isinstance(value, numbers.Real)
        if call == "open_catalog(poll_seconds)" and is_number and value > 0:
            assert CALLS[call](shop, value)  # the log is never checked again
            continue
        with pytest.raises((BadQuery, ConfigError)):
            CALLS[call](shop, value)


def _raise(*_: object) -> Any:
    raise RuntimeError("odd")


TEXT_METHODS = (
    "__eq__", "__ne__", "__lt__", "__hash__", "__len__", "__str__", "__repr__", "__contains__", "__iter__",
    "__getitem__", "encode", "strip", "partition", "startswith", "removeprefix", "casefold",
)  # fmt: skip
OddText: Any = type("OddText", (str,), dict.fromkeys(TEXT_METHODS, _raise))  # text whose methods raise


@pytest.mark.parametrize("call", sorted(CALLS))
def test_str_subclass_with_raising_methods_is_text(shop: Catalog, call: str) -> None:
    for text in ("price", "price < 5", "object", "red", "p001", "night-1"):
        for value in (OddText(text), [OddText(text)]):
            with contextlib.suppress(LookdexError):
                CALLS[call](shop, value)
    assert list(
        shop.to_pandas(columns=[OddText("price")], where=OddText("price < 2"), scope=OddText("object"))
    ) == ["price"]
    assert (
        shop.search_text(OddText("red"), sort=OddText("-price"), facets=[OddText("price")]).facets is not None
    )
    assert lookdex.open_catalog(shop._config.store.uri, release=OddText("night-1"), **MODELS).release.items


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(CALLS)), VALUES)
def test_any_value_gives_an_answer_or_a_lookdex_error(shop: Catalog, call: str, value: Any) -> None:
    with contextlib.suppress(LookdexError):
        CALLS[call](shop, value)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda shop: shop.goes_with("p001", offset=5), "goes_with: .*'offset'; it takes product_id, k, where, crops$"),
        (lambda shop: shop.search_text("x", text="y"), "search_text: multiple values .*'text'; it takes text, k, "),
        (lambda shop: shop.search(), "search: missing a required argument: 'photo'; it takes photo, k, .* options"),
        (lambda shop: shop.similar("p001", product="p002"), "no option 'product' here; known: k, where"),
        (lambda shop: shop.search_text("red", object=1), "no option 'object' here"),
        (lambda shop: shop.ask(PHOTO, k=5), "ask: .*'k'; it takes any number of photos, options$"),
        (lambda shop: shop.load(5), "load: too many positional arguments; it takes nothing"),
        (lambda shop: open_catalog(), "open_catalog: missing a required argument: 'uri'; it takes uri"),
        (lambda shop: open_catalog("x", relase="y"), "open_catalog: .*'relase'; it takes uri, release"),
        (lambda shop: open_catalog("x", store_seconds=1e308), "store_seconds is 1e[+]308: give a number above 0"),
        (lambda shop: open_catalog("x", release="a" * 201), "release is 'aaa.*: give text of 1 to 200 char"),
    ],
)  # fmt: skip
def test_wrong_signature_names_the_parameters(
    shop: Catalog, ask: Callable[[Catalog], object], says: str
) -> None:
    with pytest.raises(BadQuery, match=says):
        ask(shop)


def test_error_of_a_model_is_not_converted(shop: Catalog) -> None:
    class Broken(FakeDetector):
        def detect(self, images: Any) -> Any:
            raise TypeError("a fault within")

    with pytest.raises(TypeError, match="a fault within"):
        lookdex.open_catalog(shop._config.store.uri, **MODELS | {"detector": Broken()}).search(PHOTO)


# ── types ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_typed_dicts_have_all_options() -> None:
    parameters = {"k", "where", "box", "crops"}  # declared as separate parameters
    known = [set(kind.__annotations__) for kind in (SearchOptions, TextOptions, SimilarOptions)]
    assert parameters.isdisjoint(set().union(*known))
    assert parameters.union(*known) == {field.name for field in fields(Options)}


SNIPPET = """
import lookdex
from lookdex import Catalog, open_catalog

catalog: Catalog = lookdex.open_catalog("shop", trusted_models=["hf-hub:a/b"])
answer = catalog.search("photo.jpg", k=3, colour=0.3, widen="never", object=2, text="in red")
answer.objects[0].matches[0].similarity + 1
catalog.search_text("red", look=False)
catalog.similar("p1", goes_with=True)
reveal_type(open_catalog)
catalog.search("photo.jpg", colur=0.3)  # 11
catalog.search("photo.jpg", colour="0.3")  # 12
catalog.search(3)  # 13
catalog.similar("p1", widen="often")  # 14
catalog.search_text("red", object=1)  # 15
answer.objects[0].matchs  # 16
"""


def test_mypy_finds_misspelt_options(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(SNIPPET)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(tmp_path / "caller.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    lines = [line.split("caller.py:")[1] for line in done.stdout.splitlines() if "caller.py:" in line]
    wrong = {int(line.split(":")[0]): line for line in lines if " error: " in line}
    assert sorted(wrong) == [11, 12, 13, 14, 15, 16], done.stdout
    assert 'Unexpected keyword argument "colur"' in wrong[11]
    assert any("Revealed type" in line and "-> lookdex.search.catalog.Catalog" in line for line in lines)
