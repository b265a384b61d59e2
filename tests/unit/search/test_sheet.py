"""The picture of an answer: its rows, captions and marks. Whether it looks good is judged by eye."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from lookdex.imaging.codec import encode_jpeg
from lookdex.records import Box
from lookdex.search.answer.answer import Answer, Models
from lookdex.search.answer.kinds import LaneKind, Other
from lookdex.search.answer.lanes import FoundObject, Match
from lookdex.search.render import lettering, paint
from lookdex.search.render.captions import lane_caption, product_caption
from lookdex.search.render.sheet import draw_answer, rows_of
from lookdex.search.render.theme import LANE_COLOURS, PAPER
from tests.support.catalogs import picture

CROP = encode_jpeg(picture("red"), 96)


def match(rank: int, **columns: object) -> Match:
    return Match(
        rank=rank,
        product_id=f"p{rank}",
        similarity=1 - rank / 9,
        distance=rank / 9,
        item_id=f"i{rank}",
        image_key="a/b.jpg",
        box=Box(0, 0, 9, 9),
        label="top",
        colour="red",
        columns={"title": f"Product {rank}", "price": 9.5 * rank} | columns,
        crop=CROP,
    )


def found(n: int, matches: int = 5) -> FoundObject:
    return FoundObject(
        kind=LaneKind.OBJECT,
        matches=tuple(map(match, range(1, matches + 1))),
        exhausted=False,
        box=Box(10 * n, 120 - 10 * n, 10 * n + 40, 160 - 10 * n),
        label="top",
        score=0.8,
        colour="red",
        crop=CROP,
    )


def answer(*objects: FoundObject) -> Answer:
    return Answer(
        release_id="night-1",
        released_at=datetime(2026, 11, 22, tzinfo=UTC),
        models=Models("d", "", "e", ""),
        objects=objects,
        whole=FoundObject(
            kind=LaneKind.IMAGE, matches=(match(1),), exhausted=False, box=Box(0, 0, 200, 200), crop=CROP
        ),
        seconds={"detect": 0.1},
        width=200,
        height=200,
    )


def has(sheet: Image.Image, colour: tuple[int, int, int]) -> bool:
    return bool((np.asarray(sheet) == colour).all(axis=2).any())


@pytest.mark.parametrize("objects", [0, 1, 3, 10])
def test_every_object_has_a_row_in_its_colour(objects: int) -> None:
    sheet = draw_answer(picture("red", "blue", size=200), answer(*map(found, range(objects))))
    assert [has(sheet, colour) for colour in LANE_COLOURS] == [n < objects for n in range(10)]
    assert sheet.getpixel((2, 2)) == PAPER
    assert 900 <= sheet.width <= 2300


@pytest.mark.parametrize("shape", [(16, 16), (40, 3000), (3000, 40), (333, 500)])
def test_photos_and_objects_of_any_shape_are_drawn(shape: tuple[int, int]) -> None:
    photo = np.full((*shape, 3), 90, np.uint8)
    lane = replace(found(1), box=Box(0, 0, shape[1], shape[0]))
    tiny = replace(found(2), box=Box(shape[1] - 1, shape[0] - 1, shape[1], shape[0]))
    sheet = draw_answer(photo, answer(lane, tiny))
    assert has(sheet, (90, 90, 90))
    assert sheet.height < 4000


def difference(one: Image.Image, other: Image.Image) -> np.ndarray:
    """Per pixel, the largest difference of a channel."""
    levels: np.ndarray = np.abs(np.asarray(one, int) - np.asarray(other, int)).max(axis=2)
    return levels


def test_crops_that_the_answer_lacks_can_be_passed_in() -> None:
    text = FoundObject(
        kind=LaneKind.TEXT,
        matches=tuple(replace(match(n), crop=None) for n in (1, 2)),
        exhausted=False,
        text="red dress",
    )
    vector = FoundObject(kind=LaneKind.VECTOR, matches=(), exhausted=True)
    plain = replace(answer(text, vector), whole=None)
    without, passed = draw_answer(None, plain), draw_answer(None, plain, {"i1": CROP})
    assert without.size == passed.size
    assert difference(without, passed).max() > 100


def test_broken_crops_leave_their_tiles_empty() -> None:
    broken = replace(found(1), crop=b"\xff\xd8 broken", matches=(replace(match(1), crop=b"x"),))
    missing = replace(found(1), crop=None, matches=(replace(match(1), crop=None),))
    assert draw_answer(None, answer(broken)).tobytes() == draw_answer(None, answer(missing)).tobytes()


def test_rows_are_in_the_order_of_the_lanes() -> None:
    """As in the table and the JSON, wherever the objects are in the photo."""
    shown = answer(found(1), found(5), found(3))
    rows = rows_of(shown)
    assert [row.lane for row in rows] == list(shown.lanes)
    assert [row.badge for row in rows] == ["0", "1", "2", ""]


def test_a_match_of_another_category_is_marked() -> None:
    plain = found(1)
    other = replace(
        plain, matches=(*plain.matches[:2], replace(plain.matches[2], other=Other.KIND), *plain.matches[3:])
    )
    rows, columns = difference(draw_answer(None, answer(plain)), draw_answer(None, answer(other))).nonzero()
    assert 100 < np.ptp(columns) < 196  # over the third picture only
    assert np.ptp(rows) <= 32


def test_the_same_answer_gives_the_same_picture() -> None:
    one, two = (draw_answer(picture("red", size=120), answer(found(1))) for _ in range(2))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, ("Product 1", "9.5")),
        ({"price": 1200.0}, ("Product 1", "1,200")),
        ({"price": 30, "currency": "EUR"}, ("Product 1", "30 EUR")),
        ({"price": 49.5, "currency": "EUR"}, ("Product 1", "49.5 EUR")),
        ({"price": "12,50 €"}, ("Product 1", "12,50 €")),
        ({"price": None}, ("Product 1", "p1")),
        ({"title": None, "price": None}, ("p1", "")),
        ({"title": "\U000f0000\U000f0001"}, ("p1", "9.5")),
    ],
)
def test_a_product_is_captioned_by_title_and_price_or_id(
    columns: dict[str, object], expected: tuple[str, str]
) -> None:
    assert product_caption(match(1, **columns)) == expected


@pytest.mark.parametrize(
    "text", ["Robe d’été – 30 € × 2", "여름 원피스", "صندل", "a\nb\tc", "", "👗 dress", "W" * 300, "x " * 90]
)
def test_any_text_is_shortened_to_the_width_it_has(text: str) -> None:
    assert lettering.width(lettering.shorten(text, 22, 150), 22) <= 150
    lines = lettering.wrap(text, 22, 150, 2)
    assert len(lines) <= 2
    assert all(lettering.width(line, 22) <= 150 for line in lines)


def test_lines_break_between_words_and_within_long_words() -> None:
    assert lettering.wrap("Forest green leather biker jacket", 22, 180, 3) == [
        "Forest green",
        "leather biker",
        "jacket",
    ]
    first, second = lettering.wrap("Extraordinarilylonghyphenated", 22, 180, 2)
    assert "Extraordinarilylonghyphenated".startswith(first + second.rstrip("…"))
    assert lettering.wrap("one two three four five six", 22, 100, 2)[-1].endswith("…")


def test_a_picture_is_fitted_whole_into_its_tile() -> None:
    wide = Image.new("RGB", (200, 50), (200, 0, 0))
    tile = paint.fitted(wide, (80, 80))
    assert tile.size == (80, 80)
    assert tile.getpixel((40, 40)) == (200, 0, 0)
    assert tile.getpixel((40, 2)) != (255, 255, 255)


@pytest.mark.parametrize("kind", [*LaneKind])
def test_every_kind_of_lane_has_a_heading(kind: LaneKind) -> None:
    heading, _ = lane_caption(replace(found(1), kind=kind))
    assert heading


def test_a_lane_without_a_good_match_says_so_and_highlights_no_card() -> None:
    poor = replace(found(1), threshold=0.99, matches=(replace(match(1), good=False),))
    fine = replace(poor, threshold=0.5, matches=(replace(match(1), good=True),))
    assert lane_caption(poor)[1].endswith(" · no good match")
    assert "no good match" not in lane_caption(fine)[1]
    one, two = (draw_answer(picture("red", size=120), answer(lane)) for lane in (poor, fine))
    assert difference(one, two).max() > 60
