"""The published JSON schemas match the types, and answers and options match the schemas."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from lookdex.errors import BadQuery
from lookdex.records import Box
from lookdex.search import schema
from lookdex.search.query.options import Crops, Options, Pick, Widen, read_options
from tests.unit.search.test_answer import DRESS, EVERYTHING, answer


def schema_of(name: str) -> dict[str, Any]:
    published: dict[str, Any] = json.loads(schema.published(name))
    return published


def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema_of(name))


@pytest.mark.parametrize("name", schema.NAMES)
def test_the_published_schema_matches_the_types(name: str) -> None:
    assert schema.published(name) == schema.generated(name), "outdated: run python -m lookdex.search.schema"


@pytest.mark.parametrize("crops", [True, False])
def test_an_answer_matches_the_schema(crops: bool) -> None:
    validator("answer-2.json").validate(EVERYTHING.as_dict(crops=crops))


def test_another_format_or_a_missing_field_does_not_match_the_schema() -> None:
    value = answer(DRESS).as_dict()
    check = validator("answer-2.json")
    assert check.is_valid(value)
    assert not check.is_valid(value | {"format": 1})
    assert not check.is_valid(value | {"released_at": None})
    del value["objects"][0]["matches"][0]["product_id"]
    assert not check.is_valid(value)


def test_all_fields_of_an_answer_are_required_and_none_has_a_default() -> None:
    for definition in schema_of("answer-2.json")["$defs"].values():
        properties = definition.get("properties", {})
        assert definition.get("required", []) == list(properties)
        assert not any({"default", "readOnly"} & set(part) for part in properties.values())


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("{}", Options()),
        ('{"k": 3, "where": "price < 5", "widen": "never"}', Options(3, "price < 5", widen=Widen.NEVER)),
        ('{"box": [1, 2, 3, 4], "label": "bag"}', Options(box=Box(1, 2, 3, 4), label="bag")),
        ('{"box": {"x0": 1, "y0": 2, "x1": 3, "y1": 4}}', Options(box=Box(1, 2, 3, 4))),
        ('{"box": null}', Options()),
        ('{"picks": [{"object": 1}, {}], "crops": "all"}', Options(picks=(Pick(1), Pick()), crops=Crops.ALL)),
        (
            '{"text": "빨간색", "text_weight": 1, "colour": 0}',
            Options(text="빨간색", text_weight=1, colour=0),
        ),
        ('{"product": "p1", "goes_with": true}', Options(product="p1", goes_with=True)),
        ('{"offset": 5, "release": "r"}', Options(offset=5, release="r")),
        ('{"sort": "-price", "pool": 60}', Options(sort="-price", pool=60)),
        ('{"facets": true}', Options(facets=True)),
        ('{"facets": ["brand", "price"]}', Options(facets=("brand", "price"))),
    ],
)
def test_options_are_read_from_json(text: str, options: Options) -> None:
    assert read_options(text) == options == read_options(json.loads(text))
    validator("options-2.json").validate(json.loads(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "Invalid JSON"),
        ("[]", "options: the JSON"),
        ('{"k": 0}', "options: k: .* greater than or equal to 1"),
        ('{"k": "3"}', "options: k: .* integer"),
        ('{"prise": 1}', "options: prise: .*known: k, where, object"),
        (
            '{"box": [1, 2, 3]}',
            r"options: box: give four whole numbers in pixels: \[x0, y0, x1, y1\], or",
        ),
        ('{"box": [1, 2, 3, 4, 5]}', r"options: box: give four whole numbers .*\[x0, y0, x1, y1\]"),
        ('{"box": "1,2,3,4"}', r"options: box: give four whole numbers .*\[x0, y0, x1, y1\]"),
        ('{"box": [1, 2, 3, "4"]}', "options: box.y1: .*integer"),
        ('{"picks": [{"box": [1]}]}', r"options: picks.0.box: .*\[x0, y0, x1, y1\]"),
        ('{"offset": 1000}', "options: offset: .*less than 1000"),
        ('{"facets": "price"}', "options: facets: give true, or a list of at most 16"),
        ('{"facets": [5]}', "options: facets: give true, or a list of at most 16"),
        ('{"widen": "maybe"}', "options: widen: .*'auto', 'never' or 'always'"),
        ('{"k": 1, "k": 1001}', "options: 'k' is given more than once"),
        ('{"picks": [{"label": "a", "label": 1}]}', "options: 'label' is given more than once"),
        ('{"picks": [{"colour": 1}]}', "options: picks.0.colour: .*known: object, box, label$"),
    ],
)
def test_the_error_of_invalid_options_names_the_field(text: str, message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        read_options(text)
    try:
        value = json.loads(text)
    except ValueError:
        return
    assert not validator("options-2.json").is_valid(value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1001}, "k is 1001"),
        ({"object": 1, "box": Box(1, 2, 3, 4)}, "both an object and a box"),
        ({"object": -1}, "object is -1"),
        ({"label": "bag"}, "give the box too"),
        ({"object": 1, "picks": (Pick(),)}, "for one photo, picks for several"),
        ({"picks": (Pick(),) * 9}, "give a list of at most 8 values"),
        ({"text": "  "}, "the text is empty"),
        ({"text": " \x00\x07 "}, "the text is empty"),
        ({"text": "a" * 1001}, "give text of 1 to 1000 characters"),
        ({"text_weight": 1.5}, "text_weight is 1.5"),
        ({"colour": float("nan")}, "colour is nan"),
        ({"look_photos": -1}, "look_photos is -1"),
        ({"goes_with": True}, "give the product"),
        ({"text_weight": 0.5}, "give text too"),
        ({"look_photos": 1, "look": False}, "leave look on"),
    ],
)
def test_invalid_or_contradictory_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        Options(**options)
