"""manifests/crawl-ja.yaml, from a local web of several hosts to binaries; its seeds, addresses and sizes are the test's."""

import gzip
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tests.pipeline.sources.crawl.web import Page, Web, real_pages, redirect

pytest.importorskip("scrapy", reason="of the extra crawl")

pytestmark = pytest.mark.slow

MANIFEST = Path(__file__).parents[2] / "manifests" / "crawl-ja.yaml"
COMMAND = [sys.executable, "-c", "from kakehi.pipeline.cli.main import main; main()"]

#: The host that has everything a crawler fears, and what becomes of it.
WILD = "httpd-howto.example"
FEARED = {
    "/noindex": "meta_robots",
    "/bomb": "bomb",
    "/endless": "endless",
    "/missing": "http_404",
    "/chain/4": "endless_redirects",
    "/private/x": "robots_txt",
}


class EndlessPages(dict[tuple[str, str], Page]):
    """Pages, and a calendar in which each month names the next."""

    def get(self, place, default=None):
        """Make a month on demand."""
        host, path = place
        if host == WILD and path.startswith("/month/"):
            return Page(f'<p>x<a href="/month/{int(path.rpartition("/")[2]) + 1}">x</a>'.encode())
        return super().get(place, default)


def drip(handler) -> None:
    """Answer without an end."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(100):
        handler.wfile.write(b"<p>x")
        time.sleep(0.1)


def wild_web() -> Web:
    """Give real pages in charsets right and wrong, with one host gone wild."""
    web = Web(real_pages(), wait_s=0.01)
    links = [*FEARED, "/chain/0", "/month/1"]
    index = web.pages[(WILD, "/")]
    named = "".join(f'<a href="{link}">x</a>' for link in links if link != "/chain/4")
    bomb = gzip.compress(b"<p>" * 10_000_000)
    web.pages |= {
        (WILD, "/"): index._replace(body=index.body + named.encode()),
        (WILD, "/robots.txt"): Page(b"User-agent: *\nDisallow: /private/\n", "text/plain"),
        (WILD, "/noindex"): Page(b'<meta name="robots" content="noindex"><p>x'),
        (WILD, "/bomb"): Page(bomb, "text/html", 200, (("Content-Encoding", "gzip"),)),
        (WILD, "/endless"): Page(drip),
        **{(WILD, f"/chain/{n}"): redirect(f"/chain/{n + 1}") for n in range(9)},
    }
    web.pages = EndlessPages(web.pages)
    return web


def test_it_runs_from_seeds_to_binaries_over_a_kill(kakehi, tmp_path):
    """All Japanese pages come out, nothing feared does, and what was answered before the kill is not asked for again."""
    yaml = YAML()
    manifest = yaml.load(MANIFEST)
    work = tmp_path / "w"
    with wild_web() as web:
        crawl = manifest["sources"]["web"]["crawl"]
        crawl["seeds"] = [web.url(host) for host in web.hosts()]
        crawl["pace"] = {"delay_s": 0, "max_delay_s": 0, "hosts": 8, "tries": 1}
        crawl["limits"] = {"answer_s": 2, "redirects": 4}
        crawl["allow_addresses"] = ["127.0.0.1/32"]
        crawl["resolve"] = dict.fromkeys(web.hosts(), "127.0.0.1")
        manifest["train"]["vocab_size"] = 2000
        yaml.dump(manifest, tmp_path / "m.yaml")
        line = [*COMMAND, "run", str(tmp_path / "m.yaml"), "--work", str(work)]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while len(web.asked()) < 60 and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert not list((work / "crawl").rglob("all-*.json"))
        said = kakehi("run", tmp_path / "m.yaml", "--work", work)
        assert said.code == 0, said.err
        asked = Counter((one.host, one.path) for one in web.log)
        known = dict(web.pages)
    assert sum(times > 1 for times in asked.values()) <= 8  # hosts at a time
    [visits] = (work / "crawl").rglob("*.visits.parquet")
    outcomes = {row["url"]: row["outcome"] for row in pq.read_table(visits).to_pylist()}
    assert {path: outcomes[web.url(WILD, path)] for path in FEARED} == FEARED
    assert (WILD, "/private/x") not in asked
    months = [path for host, path in asked if path.startswith("/month/")]
    assert len(months) == 10  # as deep as the budget lets it
    [documents] = (work / "extract").rglob("all-*[0-9a-f].parquet")
    urls = set(pq.read_table(documents, columns=["url"]).column("url").to_pylist())
    assert len(urls) > 50
    assert urls <= {web.url(host, path) for host, path in known if path not in FEARED}
    assert urls <= {url for url, outcome in outcomes.items() if outcome == "stored"}
    binary = max((work / "pack").rglob("*.bin"), key=lambda path: path.stat().st_size)
    assert binary.with_suffix(".idx").exists()
    assert binary.stat().st_size > 50_000
    [html] = (work / "report").rglob("*.html")
    assert "meta_robots" in html.read_text()
    told = kakehi("explain", tmp_path / "m.yaml", web.url(WILD, "/noindex"), "--work", work).out
    assert 'store forbidden by meta-robots: <meta name="robots" content="noindex">' in told
