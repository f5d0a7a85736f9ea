"""manifests/crawl-ja.yaml, from a local web of several hosts to binaries; its seeds, addresses and sizes are the test's."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tests.pipeline.crawl.web import Page, Web, real_pages

pytest.importorskip("scrapy", reason="of the extra crawl")

MANIFEST = Path(__file__).parents[2] / "manifests" / "crawl-ja.yaml"


def test_it_runs_from_seeds_to_binaries(kakehi, tmp_path):
    """Real pages in their charsets; what a page itself forbids is in no table of documents."""
    pages = real_pages()
    kept_out = ("httpd-howto.example", "/2.4/ja/howto/noindex.html")
    pages[kept_out] = Page(b'<meta name="robots" content="noindex"><p>x', "text/html")
    index = pages[("httpd-howto.example", "/")]
    pages[("httpd-howto.example", "/")] = index._replace(
        body=index.body + f'<a href="{kept_out[1]}">x</a>'.encode()
    )
    yaml = YAML()
    manifest = yaml.load(MANIFEST)
    with Web(pages) as web:
        crawl = manifest["sources"]["web"]["crawl"]
        crawl["seeds"] = [web.url(host) for host in web.hosts()]
        crawl["pace"]["delay_s"] = 0
        crawl["allow_addresses"] = ["127.0.0.1/32"]
        crawl["resolve"] = dict.fromkeys(web.hosts(), "127.0.0.1")
        manifest["train"]["vocab_size"] = 2000
        yaml.dump(manifest, tmp_path / "m.yaml")
        said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
        assert said.code == 0, said.err
        assert web.url(*kept_out) in web.pages_asked()
    [documents] = (tmp_path / "w" / "extract").rglob("all-*[0-9a-f].parquet")
    urls = set(pq.read_table(documents, columns=["url"]).column("url").to_pylist())
    assert len(urls) > 50
    assert web.url(*kept_out) not in urls
    binary = max((tmp_path / "w" / "pack").rglob("*.bin"), key=lambda path: path.stat().st_size)
    assert binary.with_suffix(".idx").exists()
    assert binary.stat().st_size > 50_000
    [html] = (tmp_path / "w" / "report").rglob("*.html")
    assert "meta_robots" in html.read_text()
    told = kakehi("explain", tmp_path / "m.yaml", web.url(*kept_out), "--work", tmp_path / "w").out
    assert 'store forbidden by meta-robots: <meta name="robots" content="noindex">' in told
