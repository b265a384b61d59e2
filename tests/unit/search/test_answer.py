"""The answer as JSON and as a table."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from lookdex.records import Box, Swatch
from lookdex.search.answer.answer import Answer, Models, Next
from lookdex.search.answer.facets import Bucket, Facet, FacetKind, Facets, Value
from lookdex.search.answer.kinds import LaneKind, Other
from lookdex.search.answer.lanes import FoundObject, Match, Part
from lookdex.search.answer.look import Look, LookPhoto, Piece, Worn

BOX = Box(1, 2, 3, 4)


def match(rank: int, product_id: str | None = "p1", **columns: object) -> Match:
    return Match(
        rank=rank,
        product_id=product_id,
        similarity=0.9,
        distance=0.1,
        score=0.9,
        colour_similarity=0.75,
        good=True,
        item_id=f"i{rank}",
        image_key="a/b.jpg",
        box=BOX,
        label="dress",
        colour="red",
        palette=(Swatch(53.2, 80.1, 67.2, 1.0),),
        columns=columns,
        crop=b"\xff",
    )


def lane(kind: LaneKind, *matches: Match, text: str | None = None) -> FoundObject:
    return FoundObject(kind=kind, matches=matches, exhausted=False, text=text)


def answer(*objects: FoundObject, whole: bool = True) -> Answer:
    photo = replace(lane(LaneKind.IMAGE, match(1, None)), box=Box(0, 0, 40, 30), crop=b"w")
    return Answer(
        release_id="night-1",
        released_at=datetime(2026, 11, 22, 2, 14, tzinfo=UTC),
        models=Models("d", "dd", "e", "ee"),
        objects=objects,
        whole=photo if whole else None,
        seconds={"detect": 0.02, "nearest": 0.0041},
        width=40,
        height=30,
    )


DRESS = FoundObject(
    kind=LaneKind.OBJECT,
    matches=(
        match(1, title="Red dress", price=49.5, added=date(2026, 1, 2)),
        match(2, "p2", title=None, price=float("nan")),
    ),
    exhausted=True,
    box=Box(1, 2, 30, 28),
    label="dress",
    score=0.875,
    colour="red",
    main=True,
    crop=b"c",
)
LOOK = Look(
    pieces=(Piece(0, "dress", "p1", "i1", 0.9, 49.5, good=True),),
    price_column="price",
    total=49.5,
    unpriced=0,
    missing=(1,),
    photos=(
        LookPhoto(
            rank=1,
            image_key="a/b.jpg",
            item_id="i1",
            product_id="p1",
            score=0.8,
            similarity=0.7,
            worn=(Worn(0, "i2", "dress", BOX, 0.8),),
            columns={"price": Decimal("49.50")},
            crop=b"l",
        ),
    ),
)
FACETS = Facets(
    products=2,
    columns=(
        Facet("brand", FacetKind.VALUES, missing=1, values=(Value("acme", 1),)),
        Facet(
            "added",
            FacetKind.RANGE,
            missing=0,
            least=date(2026, 1, 2),
            most=date(2026, 1, 3),
            buckets=(Bucket(date(2026, 1, 2), date(2026, 1, 3), 2),),
        ),
    ),
)
# With a value in every field that may be empty.
EVERYTHING = replace(
    answer(
        DRESS,
        replace(
            lane(LaneKind.PHOTOS, replace(match(1), other=Other.KIND, text_similarity=-0.25), text="빨간색"),
            parts=(Part(0, BOX, "dress", 0.5, b"p"), Part(1, None)),
            palette=(Swatch(53.2, 80.1, 67.2, 1.0),),
            colour="red",
            colour_share=1 / 3,
            threshold=0.5,
        ),
    ),
    look=LOOK,
    goes_with=(lane(LaneKind.WORN, match(1)),),
    next=Next(2, "night-1"),
    facets=FACETS,
)


def test_json_describes_the_release_and_the_models() -> None:
    value = json.loads(answer(DRESS).to_json())
    assert (value["format"], value["release_id"], value["released_at"]) == (
        2,
        "night-1",
        "2026-11-22T02:14:00Z",
    )
    assert value["models"] == {
        "detector": "d",
        "detector_digest": "dd",
        "embedder": "e",
        "embedder_digest": "ee",
    }
    assert (value["width"], value["height"], value["no_object"]) == (40, 30, False)
    assert value["seconds"] == {"detect": 0.02, "nearest": 0.0041}


def test_json_has_all_of_a_match_but_its_crop() -> None:
    value = json.loads(answer(DRESS).to_json())
    (found,) = value["objects"]
    assert (found["kind"], found["label"], found["score"], found["main"]) == ("object", "dress", 0.875, True)
    assert (found["box"], found["exhausted"]) == ({"x0": 1, "y0": 2, "x1": 30, "y1": 28}, True)
    assert found["matches"][0] == {
        "rank": 1,
        "product_id": "p1",
        "similarity": 0.9,
        "distance": 0.1,
        "score": 0.9,
        "other": None,
        "text_similarity": None,
        "good": True,
        "folded": 0,
        "folded_products": [],
        "item_id": "i1",
        "image_key": "a/b.jpg",
        "label": "dress",
        "label_ko": "원피스",
        "colour": "red",
        "colour_ko": "빨간색",
        "colour_similarity": 0.75,
        "palette": [{"l": 53.2, "a": 80.1, "b": 67.2, "share": 1.0, "hex": "#ff0000"}],
        "box": {"x0": 1, "y0": 2, "x1": 3, "y1": 4},
        "columns": {"title": "Red dress", "price": 49.5, "added": "2026-01-02"},
        "crop": None,
    }
    assert found["matches"][1]["columns"] == {"title": None, "price": None}
    assert value["whole"]["kind"] == "image"
    assert [lane["crop"] for lane in (found, value["whole"])] == [None, None]


def test_json_has_crops_on_request() -> None:
    value = EVERYTHING.as_dict(crops=True)
    dress, photos = value["objects"]
    crops = [
        dress["crop"],
        dress["matches"][0]["crop"],
        photos["parts"][0]["crop"],
        value["whole"]["crop"],
        value["look"]["photos"][0]["crop"],
    ]
    assert [base64.b64decode(crop) for crop in crops] == [b"c", b"\xff", b"p", b"w", b"l"]


def test_json_has_the_look() -> None:
    value = EVERYTHING.as_dict()
    assert value["look"] == {
        "pieces": [
            {
                "object": 0,
                "label": "dress",
                "label_ko": "원피스",
                "product_id": "p1",
                "item_id": "i1",
                "similarity": 0.9,
                "price": 49.5,
                "good": True,
            }
        ],
        "price_column": "price",
        "total": 49.5,
        "unpriced": 0,
        "missing": [1],
        "complete": False,
        "photos": [
            {
                "rank": 1,
                "image_key": "a/b.jpg",
                "item_id": "i1",
                "product_id": "p1",
                "score": 0.8,
                "similarity": 0.7,
                "worn": [
                    {
                        "object": 0,
                        "item_id": "i2",
                        "label": "dress",
                        "box": {"x0": 1, "y0": 2, "x1": 3, "y1": 4},
                        "similarity": 0.8,
                    }
                ],
                "columns": {"price": 49.5},
                "crop": None,
            }
        ],
    }


def test_json_has_the_facets_and_the_next_page() -> None:
    value = EVERYTHING.as_dict()
    added = value["facets"]["columns"][1]
    assert (added["least"], added["most"]) == ("2026-01-02", "2026-01-03")
    assert added["buckets"] == [{"least": "2026-01-02", "most": "2026-01-03", "products": 2}]
    assert value["next"] == {"offset": 2, "release": "night-1"}


def test_json_has_values_derived_from_others() -> None:
    photos = EVERYTHING.as_dict()["objects"][1]
    assert (photos["colour_ko"], photos["colour_hex"], photos["no_good_match"]) == (
        "빨간색",
        "#ff0000",
        False,
    )
    assert photos["colour_share"] == 0.333333
    assert [part["label_ko"] for part in photos["parts"]] == ["원피스", None]


@pytest.mark.parametrize("crops", [True, False])
def test_to_json_and_as_dict_agree(crops: bool) -> None:
    assert json.loads(EVERYTHING.to_json(crops=crops)) == EVERYTHING.as_dict(crops=crops)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("1.50"), 1.5),
        (float("inf"), None),
        (b"\x00", "AA=="),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        ([1, {"a": float("nan")}], [1, {"a": None}]),
        (True, True),
    ],
)
def test_product_columns_of_any_type_are_written_as_json(value: object, written: object) -> None:
    found = lane(LaneKind.VECTOR, match(1, c=value))
    assert json.loads(answer(found).to_json())["objects"][0]["matches"][0]["columns"]["c"] == written


def test_the_table_has_a_header_a_line_per_match_and_a_footer() -> None:
    lines = answer(DRESS).to_table(width=100).splitlines()
    assert lines[1].split() == ["object", "#", "product", "similarity", "title", "price", "added"]
    assert lines[3].split() == [
        "0",
        "red",
        "dress",
        "0.88",
        "1",
        "p1",
        "0.900",
        "Red",
        "dress",
        "49.5",
        "2026-01-02",
    ]
    assert any(line.split()[:4] == ["whole", "photo", "1", "a/b.jpg"] for line in lines)
    assert lines[-1] == "release night-1 of 2026-11-22 02:14 · 24 ms"
    assert max(map(len, lines)) <= 100


def test_the_table_does_not_shorten_prices() -> None:
    prices = (12345.67, 1_290_000.0, 0.1 + 0.2, 59.0)
    found = replace(DRESS, matches=tuple(match(n, price=price) for n, price in enumerate(prices, start=1)))
    lines = answer(found, whole=False).to_table(width=100).splitlines()
    assert [line.split()[-1] for line in lines[3:7]] == ["12,345.67", "1,290,000", "0.3", "59"]


def test_the_table_marks_other_categories_and_weak_matches() -> None:
    matches = [
        replace(match(1), good=False),
        replace(match(2), other=Other.COLOUR),
        *(replace(match(n), other=Other.KIND) for n in (3, 4)),
    ]
    lines = answer(replace(DRESS, matches=tuple(matches)), whole=False).to_table(width=100).splitlines()
    rows = [line.replace("0 red dress 0.88", "").split() for line in lines]
    assert [words[0] for words in rows[3:9]] == ["1", "other", "2", "other", "3", "4"]
    assert (rows[4], rows[6]) == (["other", "colours:"], ["other", "categories:"])
    assert rows[3][3] == "–"
    assert lines[-2].startswith("–: below the similarity")
    assert "–: below the similarity" not in answer(DRESS).to_table(width=100)


def test_the_table_says_that_a_text_was_not_understood() -> None:
    text = replace(lane(LaneKind.TEXT, match(1), text="asdfgh"), understood=False)
    assert "“asdfgh”: no word of it describes a product" in answer(text, whole=False).to_table(width=100)


def test_the_table_of_lanes_without_matches() -> None:
    empty = lane(LaneKind.TEXT, text="red dress")
    assert "no product fits" in answer(empty, whole=False).to_table(width=80)
    assert "“red dress”" in answer(empty, whole=False).to_table(width=80)
    assert answer().to_table(width=80).startswith("No object found")


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (872000.0, "872,000"),
        (1234567.0, "1,234,567"),
        (39000, "39,000"),
        (49.5, "49.5"),
        (float(np.float32(49.99)), "49.99"),
        (Decimal("49.50"), "49.50"),
        ("12,50 €", "12,50 €"),
    ],
)
def test_prices_keep_their_decimals(price: object, shown: str) -> None:
    found = lane(LaneKind.TEXT, match(1, price=price), text="red dress")
    assert answer(found, whole=False).to_table(width=100).splitlines()[3].endswith(f" {shown}")


@pytest.mark.parametrize(("total", "shown"), [(872000.0, "872,000"), (59.5, "59.5"), (1062.25, "1,062.25")])
def test_the_total_of_a_look_has_the_decimals_of_its_prices(total: float, shown: str) -> None:
    piece = Piece(0, "dress", "p1", "i1", 0.9, total, None)
    table = replace(answer(DRESS), look=Look((piece,), "price", total, 0, ())).to_table(width=100)
    assert f"the look: p1, {shown} in total\n" in table


def test_markup_in_a_title_is_shown_as_text() -> None:
    found = lane(LaneKind.VECTOR, match(1, title="[bold]x[/bold] [red]"))
    assert "[bold]x[/bold] [red]" in answer(found).to_table(width=100)


def test_markup_in_a_product_id_is_shown_as_text() -> None:
    piece = Piece(0, "dress", "shoe[red]:star:[/x]", "i1", 0.9, None, None)
    shown = replace(answer(DRESS), look=Look((piece,), None, None, 1, ()))
    assert "the look: shoe[red]:star:[/x]" in shown.to_table(width=100)
