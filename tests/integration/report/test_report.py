"""The report: correct figures and pictures, on a page that loads nothing and escapes the shop's texts."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Request

from lookdex.catalog import promotion_log
from lookdex.cli import main
from lookdex.errors import ReleaseNotFound
from lookdex.imaging import codec, colour
from lookdex.records import Reason, Status
from lookdex.release.audit import audit_release
from lookdex.release.promote import promote
from lookdex.report import Limits, Report, make_report
from lookdex.report.counts import FILLS
from lookdex.report.findings import findings
from lookdex.report.records import Bar, Rejects, Share
from lookdex.report.render import render
from lookdex.storage import Store, open_store
from tests.support import nights
from tests.support.browser import DESK, PHONE, needs_chromium, start_browser
from tests.support.catalogs import live
from tests.support.nights import Photo

COLOUR_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
EVIL = "<script>alert(1)</script>"
STOCK = pa.table({
    "product_id": [f"p{i:04d}" for i in range(12)],
    "title": [EVIL if i == 0 else f"Thing {i}" for i in range(12)],
    "category": ["Things"] * 12,
})  # fmt: skip


def shop() -> list[Photo]:
    """12 products, mostly tops: two share a file, two a picture, p0000 has two photos, and a bag is listed as a hat."""
    tops = [
        Photo(f"p{i:04d}/a.jpg", product=f"p{i:04d}", look=f"look {i}", score=0.5 + i / 100)
        for i in range(10)
    ]
    tops[1] = replace(tops[1], file="shared", look="shared", category="top")
    tops[2] = replace(tops[2], file="shared", look="shared", category="top")
    tops[3] = replace(tops[3], look="resaved")
    tops[4] = replace(tops[4], look="resaved")
    return [
        *tops,
        Photo("p0000/b.jpg", product="p0000", look="look 0", score=0.95),
        Photo("p0010/a.jpg", product="p0010", labels=("bag",), look="bag", category="hat"),
        Photo("p0011/a.jpg", product="p0011", labels=(), look="empty"),
        Photo("loose.jpg", labels=("bag", "shoes"), look="loose"),
        Photo("cut.jpg", product="p0012", reason=Reason.CORRUPT), Photo("gone.jpg", reason=Reason.CORRUPT),
        Photo("late.jpg", reason=Reason.UNAVAILABLE),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    source = tmp_path_factory.mktemp("source")
    whole = codec.encode_jpeg(nights.picture("cut"), 100)
    (source / "cut.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    store = open_store(str(tmp_path_factory.mktemp("catalog")))
    nights.publish(store, "n1", shop()[:5], products=STOCK, keep_unlisted=True)
    night = nights.index_night(store, "n2", shop(), products=STOCK, keep_unlisted=True)
    night = nights.renamed(night, source=str(source))
    promote(store, audit_release(store, nights.build(store, night)).release_id)
    return store.uri


@pytest.fixture(scope="module")
def source(catalog: str) -> Store:
    return open_store(live(open_store(catalog)).source)


@pytest.fixture(scope="module")
def report(catalog: str, source: Store) -> Report:
    return make_report(catalog, source=source)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render(report)


# ── figures ───────────────────────────────────────────────────────────────────────────────────────────


def test_totals_of_photos_products_and_objects(report: Report) -> None:
    totals = report.totals
    assert totals.photos == {"indexed": 13, "no_object": 1, "rejected": 2, "failed": 1}
    assert (totals.products, totals.seen_products, totals.loose_photos, totals.objects) == (12, 11, 1, 14)
    assert totals.lost_products == 1
    assert {bar.name: bar.count for bar in totals.photos_per_product} == {"1": 11, "2": 1}
    assert {bar.name: bar.count for bar in totals.objects_per_photo} == {"0": 1, "1": 12, "2": 1}


def test_categories_with_colours_and_pictures(report: Report) -> None:
    found = {c.label: (c.products, c.objects, sum(bar.count for bar in c.colours)) for c in report.categories}
    # The bag without a product counts as one in the bar of colours.
    assert found == {"top": (10, 11, 10), "bag": (1, 2, 2), "shoes": (0, 1, 1), "hat": (0, 0, 0)}
    hat = report.categories[-1]
    assert (hat.label, hat.seen) == ("hat", Share(0, 1))  # never detected
    top = report.categories[0]
    assert top.seen is not None
    assert (top.seen.count, top.seen.total) == (2, 2)
    assert len(top.pictures) == 6
    assert all(picture.src for picture in top.pictures)


def test_disagreements_between_shop_and_detector(report: Report, page: str) -> None:
    disagreements = report.disagreements
    # p0001 and p0002 are listed and detected as tops.
    assert (disagreements.products, disagreements.of, disagreements.pairs_found) == (1, 3, 1)
    (pair,) = disagreements.pairs
    assert (pair.category, pair.label, pair.products) == ("hat", "bag", 1)
    assert [(p.title, p.note) for p in pair.pictures] == [("Thing 10", "p0010")]
    assert pair.pictures[0].src
    assert "<span>shop</span> hat <span>· detector</span> bag" in page
    texts = " ".join(finding.text for finding in report.findings)
    assert "1 product of 3 is detected as another category than the shop's: hat as bag" in texts
    assert "Rarely detected in the photos of their category: hat in 0 of 1." in texts
    assert "Nothing stands out" not in page


def test_one_photo_with_the_listed_label_is_no_disagreement(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    shoes = Photo("a/1.jpg", product="a", labels=("shoes",), category="shoes", look="1")
    as_bags = [
        Photo(
            f"{name}/{n}.jpg",
            product=name,
            labels=("bag",),
            category="shoes",
            look=f"{name}{n}",
            score=n / 10,
        )
        for name, n in (("a", 2), ("b", 3), ("c", 4))
    ]
    as_hat = Photo("b/9.jpg", product="b", labels=("hat",), category="shoes", look="9", score=0.9)
    nights.publish(store, "n1", [shoes, *as_bags, as_hat])
    report = make_report(store.uri, limits=Limits(disagreements=1))
    disagreements = report.disagreements
    assert (disagreements.products, disagreements.of, disagreements.pairs_found) == (2, 3, 2)
    assert [(pair.label, pair.products) for pair in disagreements.pairs] == [("bag", 1)]
    assert "The first 1 of 2 pairs are shown." in render(report)


def test_catalogue_without_products_is_a_finding(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    nights.publish(store, "n1", [Photo("a.jpg", look="a"), Photo("b.jpg", look="b")])
    report = make_report(store.uri)
    assert report.findings[0].text.startswith("No photo belongs to a product")
    page = render(report)
    assert "Nothing to compare: no photo belongs to a product." in page
    assert "Nothing stands out" not in page


def test_products_missing_from_the_file_are_a_finding(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    source = [Photo(f"p{i:04d}/a.jpg", product=f"p{i:04d}", look=f"{i}") for i in range(3)]
    nights.publish(store, "n1", source, products=STOCK.slice(0, 1), keep_unlisted=True)
    texts = [finding.text for finding in make_report(store.uri).findings]
    assert any(text.startswith("2 products of 3 are missing from the products file") for text in texts)
    nights.publish(store, "n2", source, products=STOCK)
    whole = make_report(store.uri)
    assert whole.findings == ()
    assert "the products file has no column category" in render(whole)


def test_product_whose_photo_failed_is_not_lost(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    known, new = (Photo(f"{name}/a.jpg", product=name, look=name) for name in ("known", "new"))
    nights.publish(store, "n1", [known])
    late = [replace(photo, etag="2", reason=Reason.UNAVAILABLE) for photo in (known, new)]
    nights.publish(store, "n2", late)
    totals = make_report(store.uri).totals
    assert (totals.photos["failed"], totals.products, totals.lost_products) == (2, 1, 1)


def test_rejected_photos_are_shown_from_the_source(report: Report) -> None:
    corrupt = next(r for r in report.rejects if r.reason == "corrupt")
    assert (corrupt.status, corrupt.photos) == ("rejected", 2)
    seen = {picture.title: picture.src for picture in corrupt.pictures}
    assert seen["cut.jpg"] is not None  # its upper part
    assert seen["gone.jpg"] is None
    assert {r.reason: r.photos for r in report.rejects if r.status == "failed"} == {"unavailable": 1}
    nothing = next(r for r in report.rejects if r.status == Status.NO_OBJECT)
    assert [p.title for p in nothing.pictures] == ["p0011/a.jpg"]
    assert nothing.pictures[0].src


def test_only_a_source_given_by_the_caller_is_read(
    catalog: str, source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone.jpg").write_bytes(codec.encode_jpeg(nights.picture("gone"), 100))
    mirror = open_store(tmp_path)
    read: list[str] = []
    get_limited = type(source).get_limited

    def recorded(store: Store, *arguments: Any, **keywords: Any) -> bytes:
        read.append(store.uri)
        return get_limited(store, *arguments, **keywords)

    monkeypatch.setattr(type(source), "get_limited", recorded)

    def shown(report: Report) -> set[str]:
        corrupt = next(r for r in report.rejects if r.reason == "corrupt")
        return {picture.title for picture in corrupt.pictures if picture.src}

    unread = make_report(catalog)
    assert (shown(unread), read) == (set(), [])
    assert unread.source_note in render(unread)
    assert unread.source_note.startswith("Pass --source to see them")
    other = make_report(catalog, source=mirror)
    assert (shown(other), set(read)) == ({"gone.jpg"}, {str(tmp_path)})
    assert (
        other.source_note == f"They were read from {tmp_path}, but the release was built from {source.uri}."
    )
    assert make_report(catalog, source=source).source_note == ""


def test_confidence_histogram(report: Report) -> None:
    top = next(c for c in report.confidence if c.label == "top")
    assert sum(top.bins) == top.objects == 11
    assert top.bins[19] == 1  # 0.95
    assert [p.note for p in top.unsure] == ["0.50", "0.51", "0.52"]
    assert top.sure[0].note == "0.95"


def test_duplicate_pictures(report: Report) -> None:
    duplicates = report.duplicates
    kinds = Counter((c.photos, c.products, c.same_file) for c in duplicates.clusters)
    # One file of two products, one picture of two products, and the two photos of p0000.
    assert kinds == {(2, 2, True): 1, (2, 2, False): 1, (2, 1, False): 1}
    assert (duplicates.found, duplicates.photos, duplicates.across) == (3, 6, 2)
    assert duplicates.compared == duplicates.of == 14
    assert duplicates.clusters[0].products == 2
    titles = {tuple(sorted(p.note for p in c.pictures)) for c in duplicates.clusters}
    assert titles == {("p0001", "p0002"), ("p0003", "p0004"), ("p0000", "p0000")}


def test_large_catalogue_is_sampled(catalog: str) -> None:
    sampled = make_report(catalog, limits=Limits(compared=4, sampled=6, candidates=1))
    assert 0 < sampled.duplicates.compared < sampled.duplicates.of == 14
    assert sum(c.same_file for c in sampled.duplicates.clusters) == 1  # same files are always found
    assert f"a sample of {sampled.duplicates.compared} photos with all 14" in render(sampled)


def test_nearest_neighbours(report: Report) -> None:
    rows = {row.label: row for row in report.nearest.rows}
    assert set(rows) == {"top", "bag"}  # the shoes belong to no product
    for row in rows.values():
        assert len(row.nearest) == 6
        cosines = [float(p.note.split()[0]) for p in row.nearest]
        assert cosines == sorted(cosines, reverse=True)
    assert all(p.mark == "odd" for p in rows["bag"].nearest)  # all other products are tops
    # The two photos of p0000 have the same vector, so each finds the other.
    assert (report.nearest.own_first.count, report.nearest.own_first.total) == (2, 2)


def test_growth_over_releases(report: Report) -> None:
    steps = report.growth.steps
    assert [(s.release.release_id, s.photos, s.more_photos, s.live) for s in steps] == [
        ("n1", 5, None, False), ("n2", 17, 12, True),
    ]  # fmt: skip


def test_findings_point_to_sections(report: Report, page: str) -> None:
    texts = " ".join(finding.text for finding in report.findings)
    assert "2 photos of 17 cannot be decoded until the shop replaces them: corrupt (2)." in texts
    assert "1 product cannot be searched" in texts
    assert "1 product of 12 can only be found by whole-photo search" in texts
    assert "2 pictures stand for several products" in texts
    for finding in report.findings:
        assert f'<section id="{finding.section}"' in page


def test_finding_names_the_dominant_reason_only(report: Report) -> None:
    def reasons_in(*counts: tuple[Reason, int]) -> str:
        rejects = tuple(Rejects(Status.REJECTED, reason, "", n, 0, ()) for reason, n in counts)
        return findings(replace(report, rejects=rejects))[0].text.partition(" replaces them")[2]

    assert reasons_in((Reason.CORRUPT, 1), (Reason.UNKNOWN_FORMAT, 1)) == ": corrupt (1), unknown format (1)."
    assert reasons_in((Reason.CORRUPT, 1), (Reason.UNKNOWN_FORMAT, 3)) == "; most: unknown format (3)."


def test_report_of_an_older_release(catalog: str) -> None:
    older = make_report(catalog, "n1")
    assert not older.is_live
    assert older.totals.source_photos == 5
    assert "not live" in render(older)


def test_report_without_a_live_release_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="lookdex reindex"):
        make_report(str(tmp_path))


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────


class Parsed(HTMLParser):
    """The tags, URLs and ids of a page, and the tags that are not closed."""

    VOID = ("meta", "img", "br", "wbr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.without_alt = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags[tag] += 1
        self.addresses += [str(v) for n, v in attrs if n in ("src", "href", "srcset", "action", "data")]
        self.ids += [str(attributes["id"])] if "id" in attributes else []
        self.without_alt += tag == "img" and not attributes.get("alt")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


def test_page_is_well_formed_and_loads_nothing(page: str) -> None:
    seen = Parsed(page)
    assert seen.open == []
    assert not seen.without_alt
    assert not seen.tags["script"]
    assert not seen.tags["link"]
    assert seen.tags["img"] > 30
    for address in seen.addresses:
        assert address.startswith("data:image/jpeg;base64,") or address[1:] in seen.ids, address
    assert len(seen.ids) == len(set(seen.ids))
    assert "url(" not in page
    assert "default-src 'none'; img-src data:" in page


def test_texts_of_the_shop_are_escaped(page: str) -> None:
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)" in page


def test_bar_of_zero_is_not_drawn(report: Report) -> None:
    counted = (Bar("0", 0), Bar("1", 1), Bar("2", 500))
    page = render(replace(report, totals=replace(report.totals, objects_per_photo=counted)))
    bars = re.findall(r"<dt>(.)</dt><dd>(<i .*?></i>)?<b>", page.partition("Objects per photo")[2])
    assert [(name, bool(bar)) for name, bar in bars] == [("0", False), ("1", True), ("2", True)]


def test_photo_without_product_is_shown_by_key(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    keys = [f"P00000{n}/front.jpg" for n in range(4)]
    odd = Photo("P000005/<b>.jpg", reason=Reason.CORRUPT)
    nights.publish(store, "n1", [*(Photo(key, look=f"same {n // 2}") for n, key in enumerate(keys)), odd])
    report = make_report(store.uri)
    captions = [(p.title, p.note) for cluster in report.duplicates.clusters for p in cluster.pictures]
    assert sorted(captions) == [(key, key) for key in keys]
    page = render(report)
    assert 'alt="P000003/front.jpg"' in page
    assert '<span class="n">P000003/<wbr>front.jpg</span>' in page
    assert '<span class="t">P000003' not in page.partition('id="duplicates"')[2]  # not repeated
    assert '<span class="t">P000005/<wbr>&lt;b&gt;.jpg</span>' in page


def test_report_of_a_catalogue_without_objects(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    night = nights.index_night(store, "n1", [Photo("a.jpg", labels=()), Photo("b.jpg", labels=())])
    release = promotion_log.save_release(store, nights.build(store, night))  # never audited
    report = make_report(store.uri, release.release_id)
    page = render(report)
    assert "No object was detected in any photo." in page
    assert "never audited" in page
    assert Parsed(page).open == []


@needs_chromium
def test_page_in_a_browser(page: str, tmp_path: Path) -> None:
    """On desktop and phone, light and dark: nothing is loaded, nothing overflows, axe finds nothing."""
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    requests: list[Request] = []

    def record(request: Request) -> None:  # Playwright takes no bound method of a list
        requests.append(request)

    with start_browser() as browser:
        for size, in_a_row in ((DESK, 6), (PHONE, 3)):
            for scheme in COLOUR_SCHEMES:
                requests.clear()
                seen = browser.new_page(viewport=size, color_scheme=scheme)
                seen.on("request", record)
                seen.goto(file.as_uri())
                schemes = [request.url.partition(":")[0] for request in requests]
                assert set(schemes) <= {"file", "data"}
                assert schemes.count("file") == 1
                assert seen.evaluate("document.documentElement.scrollWidth") == size["width"]
                assert seen.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
                columns = seen.evaluate(
                    "getComputedStyle(document.querySelector('.near .strip')).gridTemplateColumns"
                )
                assert len(columns.split()) == in_a_row
                found = Axe().run(seen).response["violations"]
                assert not found, [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found]
                seen.close()


def test_report_command(catalog: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = CliRunner().invoke(main.main, ["report", "--catalog", catalog, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "release n2" in done.output
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    missing = CliRunner().invoke(
        main.main, ["report", "--catalog", catalog, "--out", str(out), "--release", "no"]
    )
    assert missing.exit_code == 1
    assert "lookdex releases" in missing.output


def test_every_colour_name_has_a_fill() -> None:
    assert set(FILLS) == set(colour.NAMES)
