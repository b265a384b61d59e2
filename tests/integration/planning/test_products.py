"""Products files, categories, and links between photos and products."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import ConfigError
from lookdex.planning import products
from lookdex.planning.feed.datafile import Found
from lookdex.planning.feed.ids import CaseOnly
from lookdex.planning.links import Links, check_known, check_links, count_links
from lookdex.planning.listing import LISTING_SCHEMA
from lookdex.storage import open_store
from lookdex.taxonomy.categories import CATEGORIES, normalise

CSV = "product_id,title,category,price\n007,Plain tee,T-Shirts,9.5\n8,Jeans,Denim Jeans,49\n9,Thing,,1\n"


def listed(*keys: str) -> pa.Table:
    return pa.table(
        {"image_key": list(keys), "etag": ["e"] * len(keys), "bytes": [1] * len(keys)}, LISTING_SCHEMA
    )


def write(root_uri: str, name: str, data: bytes) -> str:
    open_store(root_uri).put(name, data)
    return f"{root_uri}/{name}"


def loaded(uri: str) -> pa.Table:
    return products.load_products(uri).table


def file_of(table: pa.Table) -> products.Products:
    return products.Products(table, (), Found("Parquet", table.num_rows))


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def test_csv_keeps_ids_as_text(root_uri: str) -> None:
    table = loaded(write(root_uri, "my products.csv", CSV.encode("utf-8-sig")))
    assert table.column_names == ["product_id", "title", "category", "price"]
    assert table["product_id"].to_pylist() == ["007", "8", "9"]
    assert table["price"].to_pylist() == [9.5, 49.0, 1.0]
    assert table["category"].to_pylist() == ["T-Shirts", "Denim Jeans", None]


NUMBERS = ["0", "-0", "0.5", "-0.5", "19.990000000000002", "12345678901", ""]
CODES = [
    "00",
    "00012",
    "0401234567890",
    "-012",
    "00.5",
    "0x1F",
    "8801234567890",
    "123456789012",
    "12E5",
    "1e10",
    "+82",
    "NA",
]
LINES = st.lists(st.sampled_from(NUMBERS), max_size=5)


@given(LINES, st.none() | st.sampled_from(CODES), LINES)
def test_csv_keeps_codes_as_text_and_numbers_as_numbers(
    before: list[str], code: str | None, after: list[str]
) -> None:
    values = ["1", *before, *([] if code is None else [code]), *after]
    rows = "".join(f"p{n},{value},{n}\n" for n, value in enumerate(values))
    with TemporaryDirectory() as folder:
        (Path(folder) / "p.csv").write_text("product_id,sku,price\n" + rows)
        table = loaded(f"{folder}/p.csv")
    as_read = float if code is None else str
    assert table["sku"].to_pylist() == [as_read(value) if value else None for value in values]
    assert table["price"].to_pylist() == list(range(len(values)))


def test_code_far_down_in_a_csv_makes_the_column_text(root_uri: str) -> None:
    rows = "".join(f"{n},{n + 10},{n}\n" for n in range(150_000))
    table = loaded(write(root_uri, "p.csv", f"product_id,sku,n\n{rows}x,007,1\n".encode()))
    assert table["sku"].to_pylist()[:2] == ["10", "11"]
    assert table["sku"][-1].as_py() == "007"
    assert table["n"].type == pa.int64()


def test_numeric_product_ids_become_text(root_uri: str) -> None:
    uri = write(root_uri, "p.parquet", parquet(pa.table({"price": [1.5, 2.5], "product_id": [7, 8]})))
    table = loaded(uri)
    assert table.to_pydict() == {"product_id": ["7", "8"], "price": [1.5, 2.5]}
    both = pa.table({"product_id": ["7"], "price": [1.0], "title": ["a"]})
    assert products.choose(file_of(both), ["title"]).column_names == ["product_id", "title"]
    assert products.choose(file_of(both)).equals(both)


def test_columns_named_like_lookdex_columns_get_a_prefix(root_uri: str) -> None:
    file = products.load_products(write(root_uri, "p.csv", b"Label,product_id,title\na,1,b\n"))
    assert file.table.column_names == ["product_id", "product_Label", "title"]
    assert products.choose(file, ["label"]).column_names == ["product_id", "product_Label"]


def test_known_columns_are_found_in_any_case(root_uri: str) -> None:
    table = loaded(write(root_uri, "p.csv", b"Product_ID,Category,PRICE,Title\n1,Jeans,5,b\n"))
    assert table.column_names == ["product_id", "category", "price", "Title"]
    assert products.link_products(listed("1/a.jpg"), table, "{product_id}/{name}.jpg")[
        "category"
    ].to_pylist() == ["pants"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("p.csv", b"id,title\n1,a\n", "no column 'product_id'; its columns: id, title"),
        (
            "p.csv",
            b"product_id,title\n1,a\n2,b\n1,c\n",
            "gives 1 product id more than once, e.g. '1'; each product must have one row",
        ),
        ("p.csv", b"product_id,title\n1,a\n,b\n", "1 row without a product_id"),
        ("p.csv", b"product_id,label,product_label\n1,a,b\n", "two columns for product_label; rename one"),
        ("p.csv", b"product_id,label,Product_Label\n1,a,b\n", "two columns for .*; rename one"),
        ("p.csv", b"product_id,title,Title\n1,a,b\n", "two columns named 'Title', 'title'"),
        ("p.csv", b"product_id,title\n \xc2\xa01 ,a\n1,b\n", "gives 1 product id more than once"),
        ("p.csv", b"product_id,title\na\x07,b\n", r"'a\\x07' has a control character"),
        ("p.csv", b"product_id,title\n1,a,b\n", "line 2 has 3 fields, but the header names 2 columns"),
        ("p.parquet", b"no parquet", "cannot be read as Parquet"),
        ("p.xlsx", b"PK\x03\x04\x14", "is a zip archive or an Excel file: export it as CSV"),
        ("p.csv", b"", "is empty"),
    ],
)
def test_products_file_errors(root_uri: str, name: str, data: bytes, message: str) -> None:
    uri = write(root_uri, name, data)
    with pytest.raises(ConfigError, match=message):
        products.load_products(uri)


def test_missing_files_and_columns(root_uri: str) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.csv does not exist"):
        products.load_products(f"{root_uri}/nothing.csv")
    uri = write(root_uri, "p.csv", CSV.encode())
    with pytest.raises(ConfigError, match="no column brand; its columns: product_id, title, category, price"):
        products.choose(products.load_products(uri), ["title", "brand"])


@pytest.mark.parametrize("name", ["", "price.eur", 'size "EU"', "_rowid", "_RowId", "*"])
def test_invalid_column_name_is_refused_unless_the_column_is_left_out(root_uri: str, name: str) -> None:
    heading = name.replace('"', '""')
    file = products.load_products(write(root_uri, "p.csv", f'"{heading}",product_id,title\n0,7,a\n'.encode()))
    with pytest.raises(
        ConfigError, match=rf"column '{re.escape(name)}' has a name .* --product-columns title$"
    ):
        products.choose(file)
    assert products.choose(file, ["title"]).column_names == ["product_id", "title"]


def test_categories_must_be_text() -> None:
    stock = pa.table({"product_id": ["7", "8"], "category": [["dress", "summer"], ["top"]]})
    with pytest.raises(ConfigError, match=r"category holds lists of text, but must be text"):
        products.link_products(listed("7/a.jpg"), stock, "{product_id}/{name}.jpg")


def test_pattern_links_photos_by_key() -> None:
    stock = pa.table({"product_id": ["007", "8"], "category": ["T-Shirts", None]})
    linked = products.link_products(
        listed("8/a.jpg", "007/front.jpg", "looks/1/x.jpg", "9/b.jpg"), stock, "{product_id}/{name}.jpg"
    )
    assert linked["image_key"].to_pylist() == ["007/front.jpg", "8/a.jpg", "9/b.jpg", "looks/1/x.jpg"]
    assert linked["product_ids"].to_pylist() == [["007"], ["8"], ["9"], []]
    assert linked["category"].to_pylist() == ["top", None, None, None]
    assert count_links(linked, stock) == Links(photos=4, linked=3, known=2, products=2)


@pytest.mark.parametrize(
    ("pattern", "key", "product"),
    [
        ("{product_id}/{name}.jpg", "a b/c.jpg", "a b"),
        ("{product_id}/{name}.jpg", "a/c.png", None),
        ("{product_id}/{name}.{ext}", "a/c.d.png", "a"),
        ("{product_id}.{ext}", "a.b.jpg", "a.b"),
        ("{product_id}_{name}.jpg", "sku_1_front.jpg", "sku"),
        ("{*}/{product_id}-{name}.{ext}", "women/new/77-2.jpg", "77"),
        ("{*}{product_id}/{name}.jpg", "77/2.jpg", "77"),
        ("img(1)/{product_id}.jpg", "img(1)/5.jpg", "5"),
        ("it's/{product_id}.jpg", "it's/5.jpg", "5"),
        ("{product_id}/{*}", "77/deep/er/x.jpg", "77"),
        ("{product_id}/{name}.jpg", "日本/x.jpg", "日本"),
    ],
)
def test_pattern_matching(pattern: str, key: str, product: str | None) -> None:
    (ids,) = products.link_products(listed(key), None, pattern)["product_ids"].to_pylist()
    assert ids == ([product] if product else [])


@pytest.mark.parametrize("pattern", ["{name}.jpg", "{sku}/{name}.jpg", "{product_id}/{product_id}.jpg", "x"])
def test_invalid_patterns_are_refused_with_the_known_fields(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"the fields are \{product_id\}, \{name\}, \{ext\}, \{\*\}"):
        products.link_products(listed("a.jpg"), None, pattern)


def test_mapping_links_several_products_to_a_photo(root_uri: str) -> None:
    mapping = products.load_mapping(
        write(root_uri, "m.csv", b"image_key,product_id\nlook.jpg,9\nlook.jpg,008\nlook.jpg,9\ngone.jpg,1\n")
    )
    stock = pa.table({"product_id": ["008", "9"], "category": [None, "Leather Boots"]})
    linked = products.link_products(listed("look.jpg", "x.jpg"), stock, mapping=mapping)
    assert linked["product_ids"].to_pylist() == [["008", "9"], []]
    assert linked["category"].to_pylist() == ["shoes", None]
    assert count_links(linked, stock) == Links(photos=2, linked=1, known=1, products=2)


def test_mapping_file_needs_its_columns(root_uri: str) -> None:
    with pytest.raises(ConfigError, match="no column 'image_key'; its columns: key, product_id"):
        products.load_mapping(write(root_uri, "m.csv", b"key,product_id\na,1\n"))


def test_pattern_and_mapping_together_are_refused() -> None:
    mapping = pa.table({"image_key": ["a"], "product_id": ["b"]})
    with pytest.raises(ConfigError, match="not both"):
        products.link_products(listed("a.jpg"), None, "{product_id}.jpg", mapping)


def test_without_pattern_or_mapping_no_photo_has_a_product() -> None:
    linked = products.link_products(listed("a.jpg", "b.jpg"))
    assert linked["product_ids"].to_pylist() == [[], []]
    assert count_links(linked, None) == Links(photos=2, linked=0, known=0)
    assert count_links(products.link_products(listed()), None) == Links(0, 0, 0)


def test_pattern_or_mapping_without_matches_is_refused() -> None:
    pattern = "{product_id}_{name}.jpg"
    linked = products.link_products(listed("p1/a.jpg", "p2/b.jpg"), None, pattern)
    links = count_links(linked, None)
    with pytest.raises(
        ConfigError, match=r"_\{name\}\.jpg' matches none of the 2 photos, such as p1/a\.jpg.*whole key"
    ):
        check_links(linked, links, pattern, "")
    with pytest.raises(ConfigError, match=r"m\.csv names none of the 2 photos, such as p1/a\.jpg"):
        check_links(linked, links, "", "m.csv")
    check_links(linked, links, "", "")
    some = products.link_products(listed("p1/a.jpg", "p2_b.jpg"), None, pattern)
    check_links(some, count_links(some, None), pattern, "")
    nothing = products.link_products(listed(), None, pattern)
    check_links(nothing, count_links(nothing, None), pattern, "")


def test_products_file_without_products_of_any_photo_is_refused() -> None:
    stock = pa.table({"product_id": ["a1", "a2"]})
    linked = products.link_products(listed("p1/a.jpg", "p2/b.jpg"), stock, "{product_id}/{name}.jpg")
    with pytest.raises(
        ConfigError, match=r"'p1' from 'p1/a\.jpg', 'p2' .* from the file: 'a1', 'a2'\. Check"
    ):
        check_known(linked, count_links(linked, stock), stock, "p.csv")
    loose = products.link_products(listed("p1/a.jpg"), stock)
    with pytest.raises(ConfigError, match=r"none of the 1 photo, such as p1/a\.jpg.*--pattern"):
        check_known(loose, count_links(loose, stock), stock, "p.csv")
    overlapping = pa.table({"product_id": ["p2"]})
    check_known(linked, count_links(linked, overlapping), overlapping, "p.csv")


def test_digest_does_not_depend_on_the_order_of_rows() -> None:
    stock = pa.table({"product_id": ["a", "b"], "price": [1.0, 2.0]})
    assert products.digest(stock) == products.digest(stock.take([1, 0]))
    assert products.digest(stock) == products.digest(pa.concat_tables([stock.slice(0, 1), stock.slice(1)]))
    assert products.digest(stock) != products.digest(stock.set_column(1, "price", pa.array([1.0, 3.0])))
    assert products.digest(stock) != products.digest(stock.rename_columns(["product_id", "cost"]))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("T-Shirts", "top"), ("Women > Shoes > Running Sneakers", "shoes"), ("JEANS", "pants"),
        ("Shirt dress", "dress"),
        ("dress shoes", "shoes"), ("Belt bag", "bag"), ("shoes for women", "shoes"), ("Accessories", "jewelry"),
        ("Sunglasses", "glasses"), ("tights", "legwear"), ("Scarves", "scarf"), ("Shorts", "shorts"),
        ("watches", "jewelry"),
        ("Hoodies & Sweatshirts", "top"), ("Trench coats", "outerwear"), ("Sofa", "sofa"), ("  ", None), (None, None),
    ],
)  # fmt: skip
def test_category_texts_of_shops_are_normalised(text: str | None, label: str | None) -> None:
    assert normalise(text) == label


@given(st.sampled_from(CATEGORIES), st.booleans())
def test_normalising_a_category_keeps_it(label: str, upper: bool) -> None:
    assert normalise(label.upper() if upper else label) == label


@given(st.text())
def test_normalising_any_text_is_idempotent(text: str) -> None:
    once = normalise(text)
    assert once is None or normalise(once) == once


def test_products_without_photos_are_counted() -> None:
    stock = pa.table({"product_id": ["1", "2", "3", "4", "5"], "category": pa.array([None] * 5, pa.string())})
    links = count_links(products.link_products(listed("3/a.jpg"), stock, "{product_id}/{name}.jpg"), stock)
    assert (links.products, links.without_photo, links.without_photo_count) == (5, ("1", "2", "4"), 4)


def test_product_ids_are_compared_trimmed_and_in_composed_form(root_uri: str) -> None:
    composed, decomposed = "가방", "\u1100\u1161\u1107\u1161\u11bc"
    stock = loaded(write(root_uri, "p.csv", f"product_id,title\n {composed} ,a\nNA,b\n".encode()))
    assert stock["product_id"].to_pylist() == [composed, "NA"]
    keys = listed(f"{decomposed}/a.jpg", "NA /b.jpg", " /c.jpg")
    linked = products.link_products(keys, stock, "{product_id}/{name}.jpg")
    assert dict(zip(linked["image_key"].to_pylist(), linked["product_ids"].to_pylist(), strict=True)) == {
        f"{decomposed}/a.jpg": [composed], "NA /b.jpg": ["NA"], " /c.jpg": [],
    }  # fmt: skip
    mapping = products.load_mapping(
        write(root_uri, "m.csv", f"image_key;product_id\n{composed}/a.jpg;{decomposed}\n".encode())
    )
    linked = products.link_products(keys, stock, mapping=mapping)
    assert [ids for ids in linked["product_ids"].to_pylist() if ids] == [[composed]]


def test_ids_that_differ_only_in_case_are_reported() -> None:
    stock = pa.table({"product_id": ["ab1", "AB2", "c"]})
    linked = products.link_products(
        listed("AB1/a.jpg", "ab2/b.jpg", "c/d.jpg"), stock, "{product_id}/{name}.jpg"
    )
    assert count_links(linked, stock).case == CaseOnly(2, (("AB1", "ab1"), ("ab2", "AB2")))
    small_stock = stock.slice(0, 2)
    linked = products.link_products(listed("AB1/a.jpg", "ab2/b.jpg"), small_stock, "{product_id}/{name}.jpg")
    with pytest.raises(
        ConfigError, match=r"'AB1' from 'AB1/a.jpg'.*'ab1', 'AB2'; they differ in upper and lower case"
    ):
        check_known(linked, count_links(linked, small_stock), small_stock, "p.csv")
