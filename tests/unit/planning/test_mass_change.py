"""A mass change of photos or products stops the night."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lookdex.errors import MassChange
from lookdex.planning.diff import Losses, check_mass_change
from lookdex.planning.feed.ids import CaseOnly
from lookdex.records import Unlisted


def test_a_mass_change_of_photos_stops_the_night() -> None:
    check_mass_change(Losses(listed=90, photos=100, gone=10))
    with pytest.raises(MassChange, match=r"11 of 100 live photos \(11\.0%\).*lists 89.*--allow-mass-change"):
        check_mass_change(Losses(listed=89, photos=100, gone=11))
    check_mass_change(Losses(listed=89, photos=100, gone=11), max_share=0.5)
    check_mass_change(Losses(listed=0, photos=100, gone=100), allow=True)


def test_a_source_without_photos_stops_the_night() -> None:
    check_mass_change(Losses(listed=1))
    with pytest.raises(MassChange, match=r"no photo at all, and 100 are live.*--allow-mass-change"):
        check_mass_change(Losses(listed=0, photos=100, gone=100))
    with pytest.raises(MassChange, match=r"no photo at all\. Check the URI"):
        check_mass_change(Losses(listed=0))


def test_a_mass_change_of_photos_that_lose_their_product_stops_the_night() -> None:
    check_mass_change(Losses(listed=100, photos=100, unlinked=10))
    with pytest.raises(MassChange, match=r"11 of 100 live photos.*would belong to none.*--pattern"):
        check_mass_change(Losses(listed=100, photos=100, unlinked=11))
    check_mass_change(Losses(listed=100, photos=100, unlinked=100), allow=True)


def test_a_mass_change_of_products_or_of_their_photos_stops_the_night() -> None:
    def losses(products: int, photos: int, gone: int = 0) -> Losses:
        return Losses(100, 100, gone, products=50, leaving=Unlisted(products, photos, ("p1", "p2")))

    check_mass_change(losses(5, 10))
    with pytest.raises(MassChange, match=r"6 of 50 live products \(12\.0%\).*truncated.*--keep-unlisted"):
        check_mass_change(losses(6, 4))
    with pytest.raises(MassChange, match=r"'p1', 'p2'.*4 of 100 live photos \(4\.0%\).*--allow-mass-change"):
        check_mass_change(losses(6, 4))
    with pytest.raises(MassChange, match=r"1 of 50 live products \(2\.0%\).*11 of 100 live photos"):
        check_mass_change(losses(1, 11))
    check_mass_change(losses(6, 11), max_share=0.2)
    check_mass_change(losses(50, 100), allow=True)
    check_mass_change(losses(2, 4, gone=6))
    with pytest.raises(
        MassChange, match=r"11 of 100 live photos.*6 are gone from the source, 5 photos of products"
    ):
        check_mass_change(losses(2, 5, gone=6))


def test_a_mass_change_of_products_that_lose_their_row_stops_the_night() -> None:
    check_mass_change(Losses(100, 100, lost=4, described=40))
    with pytest.raises(
        MassChange,
        match=r"5 of the 40 live products with a row .*\(12\.5%\).*--products.*--allow-mass-change",
    ):
        check_mass_change(Losses(100, 100, lost=5, described=40))
    check_mass_change(Losses(100, 100, lost=5, described=40), max_share=0.2)
    check_mass_change(Losses(100, 100, lost=40, described=40), allow=True)
    check_mass_change(Losses(100, 100))


def test_a_mass_change_of_products_names_ids_of_both_sides() -> None:
    losses = Losses(
        listed=2, photos=2, products=2, leaving=Unlisted(2, 2, ("A", "B")), without_photo=("a\u200b", "b")
    )
    with pytest.raises(
        MassChange, match=r"such as 'A', 'B':.*has, without a photo, 'a\\u200b', 'b'\. The file may be"
    ):
        check_mass_change(losses)
    case = CaseOnly(1, (("B", "b"),))
    with pytest.raises(MassChange, match=r"Ids differ in .* case only: 'B' of a photo, 'b' of the file"):
        check_mass_change(replace(losses, case=case))
