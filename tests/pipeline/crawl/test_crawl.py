"""crawl: a local web of several hosts, from its seeds to WARC files with a ledger, and on to a packed corpus."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pipeline.crawl.web import Page, Web, redirect

pytest.importorskip("scrapy", reason="of the extra crawl")


def page(make, seed: object, *links: str, head: str = "", charset: str = "utf-8") -> Page:
    named = "".join(f'<a href="{link}">次へ</a>' for link in links)
    html = make.html(make.text(seed), head=head).replace("</main>", f"</main><nav>{named}</nav>")
    return Page(html.encode(charset, "xmlcharrefreplace"), f"text/html; charset={charset}")


def visits(work: Path) -> dict[str, dict]:
    [path] = (work / "crawl").rglob("*.visits.parquet")
    return {row["url"]: row for row in pq.read_table(path).to_pylist()}


@pytest.fixture
def small(make):
    """Give two hosts that link to each other, and one outside."""
    return {
        ("a.test", "/"): page(make, "a", "/1.html", "/2.html", "http://c.test/"),
        ("a.test", "/1.html"): page(make, "a1", "/", "/2.html"),
        ("a.test", "/2.html"): page(make, "a2", "/gone.html", "/old"),
        ("a.test", "/old"): redirect("/new.html"),
        ("a.test", "/new.html"): page(make, "a3", charset="euc-jp"),
        ("b.test", "/"): page(make, "b", "/ja/1.html", "/pic.png"),
        ("b.test", "/ja/1.html"): page(make, "b1", charset="shift_jis"),
    }


def test_a_web_of_two_hosts_becomes_a_corpus(small, crawl_manifest, kakehi, tmp_path):
    """From two seeds all pages within the scope are fetched once, and are documents in the end."""
    work = tmp_path / "w"
    with Web(small) as web:
        manifest = crawl_manifest(web, [web.url("a.test"), web.url("b.test")])
        said = kakehi("run", manifest, "--work", work)
        assert said.code == 0, said.err
        assert sorted(web.asked("a.test")) == ["/", "/1.html", "/2.html", "/gone.html", "/new.html", "/old"]
        assert sorted(web.asked("b.test")) == ["/", "/ja/1.html"]
        found = {url.removeprefix("http://"): row["outcome"] for url, row in visits(work).items()}
    port = web.port
    assert found == {
        f"a.test:{port}/": "stored",
        f"b.test:{port}/": "stored",
        f"a.test:{port}/1.html": "stored",
        f"a.test:{port}/2.html": "stored",
        f"a.test:{port}/gone.html": "http_404",
        f"a.test:{port}/old": "redirect",
        f"a.test:{port}/new.html": "stored",
        f"b.test:{port}/ja/1.html": "stored",
    }
    [documents] = (work / "extract").rglob("all-*[0-9a-f].parquet")
    assert pq.read_metadata(documents).num_rows == 6
