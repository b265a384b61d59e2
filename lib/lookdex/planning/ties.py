"""How many photos are tied to products, and the nights on which a wrong pattern or products file shows in that."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from lookdex.errors import ConfigError
from lookdex.planning.feed.ids import EXAMPLES, CaseOnly, case_only, shown
from lookdex.runtime.wording import count_of


@dataclass(frozen=True, slots=True)
class Ties:
    """photos: listed. tied: those of them with a product. known: those with one in the products file.

    products: of that file. unshown: the first few of those without a photo; unshown_count: all of them. case: photos'
    product ids that differ from the file's only in case.
    """

    photos: int
    tied: int
    known: int
    products: int = 0
    unshown: tuple[str, ...] = ()
    unshown_count: int = 0
    case: CaseOnly = field(default_factory=CaseOnly)


def count_ties(tied: pa.Table, stock: pa.Table | None) -> Ties:
    """tied: of `products.tie`. stock: the products file; without one, no product is known."""
    with_product = int(pc.sum(pc.greater(pc.list_value_length(tied["product_ids"]), 0)).as_py() or 0)
    if stock is None:
        return Ties(tied.num_rows, with_product, 0)
    products, listed = tied["product_ids"].combine_chunks(), stock["product_id"].combine_chunks()
    found = pc.is_in(products.flatten(), listed)
    unshown = listed.filter(pc.invert(pc.is_in(listed, products.flatten())))
    return Ties(
        tied.num_rows,
        with_product,
        known=len(pc.unique(pc.list_parent_indices(products).filter(found))),
        products=len(listed),
        unshown=tuple(unshown[:EXAMPLES].to_pylist()),
        unshown_count=len(unshown),
        case=case_only(pc.unique(products.flatten()), listed) if len(unshown) else CaseOnly(),
    )


def check_ties(tied: pa.Table, ties: Ties, pattern: str, mapping: str) -> None:
    """Raise ConfigError when a pattern or a mapping was given (else '') and ties no photo at all."""
    if not ties.photos or ties.tied or not (pattern or mapping):
        return
    photos = f"{count_of(ties.photos, 'photo')}, such as {some(tied['image_key'])}"
    if pattern:
        raise ConfigError(
            f"the pattern {pattern!r} matches none of the {photos}. It is read over the whole key: {{product_id}} and "
            "{name} stand for anything without '/', {ext} for letters and digits, {*} for anything, all else for "
            "itself"
        )
    raise ConfigError(
        f"the mapping {mapping} names none of the {photos}. Its column image_key holds keys relative to the source, "
        "spelt like these"
    )


def check_known(tied: pa.Table, ties: Ties, stock: pa.Table, uri: str) -> None:
    """Raise ConfigError when no photo's product is in the products file, which was read from `uri`."""
    if not ties.photos or ties.known:
        return
    photos = count_of(ties.photos, "photo")
    if not ties.tied:
        raise ConfigError(
            f"none of the {photos}, such as {some(tied['image_key'])}, is tied to a product of {uri}. Say how their "
            "keys name the product, e.g. --pattern '{product_id}/{name}.{ext}', or give a --mapping"
        )
    tied_photos = tied.filter(pc.greater(pc.list_value_length(tied["product_ids"]), 0)).slice(0, EXAMPLES)
    read = ", ".join(
        f"{products[0]!r} from {key!r}"
        for key, products in zip(
            tied_photos["image_key"].to_pylist(), tied_photos["product_ids"].to_pylist(), strict=True
        )
    )
    case = "; they differ in upper and lower case only" if ties.case.count else ""
    raise ConfigError(
        f"none of the {photos} shows a product of {uri}. Their products' ids read {read}; those of the file "
        f"{shown(stock['product_id']) or '(it is empty)'}{case}. Check --pattern or --mapping, and that this is "
        "the right file"
    )


def some(values: pa.ChunkedArray) -> str:
    return ", ".join(values.slice(0, EXAMPLES).to_pylist())
