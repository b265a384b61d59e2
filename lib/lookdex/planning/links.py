"""Counts of photos linked to products, and checks that catch a wrong pattern, mapping or products file."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from lookdex.errors import ConfigError
from lookdex.planning.feed.ids import EXAMPLES, CaseOnly, case_only, shown
from lookdex.runtime.wording import pluralize


@dataclass(frozen=True, slots=True)
class Links:
    """How the source's photos and the shop's products are linked.

    photos: photos in the source; linked: photos with a product; known: photos with a product of the products file.
    products: rows of that file. without_photo: the first few products without a photo; without_photo_count: how many
    there are. case: product ids of photos that differ from the file's only in case.
    """

    photos: int
    linked: int
    known: int
    products: int = 0
    without_photo: tuple[str, ...] = ()
    without_photo_count: int = 0
    case: CaseOnly = field(default_factory=CaseOnly)


def count_links(linked: pa.Table, stock: pa.Table | None) -> Links:
    """Count the links. linked: from `products.link_products`. stock: the products file, if there is one."""
    with_product = int(pc.sum(pc.greater(pc.list_value_length(linked["product_ids"]), 0)).as_py() or 0)
    if stock is None:
        return Links(linked.num_rows, with_product, 0)
    products, listed = linked["product_ids"].combine_chunks(), stock["product_id"].combine_chunks()
    found = pc.is_in(products.flatten(), listed)
    without_photo = listed.filter(pc.invert(pc.is_in(listed, products.flatten())))
    return Links(
        linked.num_rows,
        with_product,
        known=len(pc.unique(pc.list_parent_indices(products).filter(found))),
        products=len(listed),
        without_photo=tuple(without_photo[:EXAMPLES].to_pylist()),
        without_photo_count=len(without_photo),
        case=case_only(pc.unique(products.flatten()), listed) if len(without_photo) else CaseOnly(),
    )


def check_links(linked: pa.Table, links: Links, pattern: str, mapping: str) -> None:
    """Raise ConfigError when a pattern or mapping is set and links no photo. Empty strings: not set."""
    if not links.photos or links.linked or not (pattern or mapping):
        return
    photos = f"{pluralize(links.photos, 'photo')}, such as {some(linked['image_key'])}"
    if pattern:
        raise ConfigError(
            f"the pattern {pattern!r} matches none of the {photos}. It must match the whole key: {{product_id}} and "
            "{name} match anything without '/', {ext} letters and digits, {*} anything, all other characters themselves"
        )
    raise ConfigError(
        f"the mapping {mapping} names none of the {photos}. Its column image_key must hold keys relative to the "
        "source, spelt like these"
    )


def check_known(linked: pa.Table, links: Links, stock: pa.Table, uri: str) -> None:
    """Raise ConfigError when the products file, read from `uri`, lists no photo's product."""
    if not links.photos or links.known:
        return
    photos = pluralize(links.photos, "photo")
    if not links.linked:
        raise ConfigError(
            f"none of the {photos}, such as {some(linked['image_key'])}, is linked to a product of {uri}. Set how keys "
            "name the product, e.g. --pattern '{product_id}/{name}.{ext}', or give a --mapping"
        )
    linked_photos = linked.filter(pc.greater(pc.list_value_length(linked["product_ids"]), 0)).slice(
        0, EXAMPLES
    )
    read = ", ".join(
        f"{products[0]!r} from {key!r}"
        for key, products in zip(
            linked_photos["image_key"].to_pylist(), linked_photos["product_ids"].to_pylist(), strict=True
        )
    )
    case = "; they differ in upper and lower case only" if links.case.count else ""
    raise ConfigError(
        f"none of the {photos} shows a product of {uri}. Product ids from the photos: {read}; from the file: "
        f"{shown(stock['product_id']) or '(it is empty)'}{case}. Check --pattern or --mapping, and that this is "
        "the right file"
    )


def some(values: pa.ChunkedArray) -> str:
    return ", ".join(values.slice(0, EXAMPLES).to_pylist())
