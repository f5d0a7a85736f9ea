"""A crawl goes on where it stopped, and one of the same site later brings what has changed alone."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from kakehi.pipeline.sources.formats import warc
from tests.pipeline.sources.crawl.web import Page, Web

pytest.importorskip("scrapy", reason="of the extra crawl")

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from kakehi.pipeline.cli.main import main; main()"]
HOSTS = ("a.test", "b.test", "c.test")


def html(number: object, *links: str, lang: str = "ja") -> bytes:
    named = "".join(f'<a href="{link}">x</a>' for link in links)
    return (
        f"<html lang={lang}><title>{number}</title><p>ページ{number}の本文です。</p>{named}</html>".encode()
    )


def many(count: int) -> dict[tuple[str, str], Page]:
    pages = {}
    for host in HOSTS:
        pages[(host, "/")] = Page(html(host, *(f"/{n}" for n in range(count))), "text/html; charset=utf-8")
        for n in range(count):
            pages[(host, f"/{n}")] = Page(html((host, n), "/", f"/{n + 1}"), "text/html; charset=utf-8")
    return pages


def visits(work: Path, name: str = "*") -> list[dict]:
    [path] = (work / "crawl").rglob(f"{name}.visits.parquet")
    return pq.read_table(path).to_pylist()


def records(work: Path, kind: WarcRecordType) -> list[dict[str, str]]:
    found = []
    for path in sorted((work / "crawl").rglob("*.warc.gz")):
        with path.open("rb") as file:
            found += [dict(record.headers.asdict()) for record in ArchiveIterator(file, record_types=kind)]
    return found


def test_a_killed_crawl_asks_for_nothing_twice(crawl_manifest, kakehi, tmp_path):
    """Ended by kill -9 in the middle: what was answered is there, and only what was under way is asked for again."""
    work = tmp_path / "w"
    with Web(many(20), wait_s=0.05) as web:
        manifest = crawl_manifest(
            web, [web.url(host) for host in HOSTS], pace={"delay_s": 0.02, "hosts": 3}, warc_mb=0.01
        )
        line = [*COMMAND, "run", str(manifest), "--work", str(work), "--until", "crawl"]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        until = time.monotonic() + 60
        while len(web.asked()) < 20 and time.monotonic() < until:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.kill()
        process.wait()
        process.stderr.close()
        time.sleep(0.5)  # the server's own log of what was under way
        before = Counter((one.host, one.path) for one in web.log)
        assert 20 <= len(before) < 60
        said = kakehi("run", manifest, "--work", work, "--until", "crawl")
        assert said.code == 0, said.err
        asked = Counter((one.host, one.path) for one in web.log)
    twice = {place for place, times in asked.items() if times > 1}
    assert len(twice) <= 3, twice  # hosts at a time
    assert {row["outcome"] for row in visits(work) if row["url"].rpartition("/")[2] != "20"} == {"stored"}
    urls = [record["WARC-Target-URI"] for record in records(work, WarcRecordType.response)]
    assert len(urls) == len(set(urls)) == len(asked) - 2 * len(HOSTS)
    files = sorted((work / "crawl").rglob("*.warc.gz"))
    assert len(files) > 2  # rolled
    decision = [item for path in files for item in warc.read(path)]
    assert {getattr(item, "reason", "page") for item in decision} <= {"page", "record_type", "http_status"}
    for row in (row for row in visits(work) if row["warc"]):
        [path] = (work / "crawl").rglob(row["warc"])
        with path.open("rb") as file:
            file.seek(row["place"])
            record = next(iter(ArchiveIterator(file)))
            assert record.headers["WARC-Record-ID"] == row["record"]
            assert record.headers["WARC-Target-URI"] == row["url"]


def test_a_crawl_stops_before_the_walltime_and_goes_on(crawl_manifest, kakehi, tmp_path):
    """What is under way is waited for, so nothing at all is asked for twice."""
    work = tmp_path / "w"
    with Web(many(25), wait_s=0.02) as web:
        pace, limits = {"delay_s": 0.2, "hosts": 3}, {"answer_s": 1}
        manifest = crawl_manifest(web, [web.url(host) for host in HOSTS], pace=pace, limits=limits)
        said = kakehi("run", manifest, "--work", work, "--until", "crawl", "--walltime", "4s")
        assert said.code == 75, said.err
        assert 0 < len(web.asked()) < 81
        assert kakehi("run", manifest, "--work", work, "--until", "crawl").code == 0
        asked = Counter((one.host, one.path) for one in web.log)
    assert set(asked.values()) == {1}


def test_a_network_that_is_gone_is_no_outcome(crawl_manifest, kakehi, tmp_path):
    """When a dozen hosts fall silent at once it ends with clear words; later it goes on, and nothing is missing."""
    work, hosts = tmp_path / "w", [f"h{number}.test" for number in range(12)]
    pages = {(host, f"/{n}"): Page(html((host, n), f"/{n + 1}")) for host in hosts for n in range(8)}
    gone = threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> None:
        gone.wait(60)
        raise BrokenPipeError

    def begin(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<p>")
        hold(handler)

    under_way = {("h0.test", "/1"): Page(begin), ("h1.test", "/1"): Page(hold)}
    with Web(pages | under_way) as web:
        pace = {"delay_s": 0.1, "max_delay_s": 0.1, "tries": 1, "hosts": 12}
        manifest = crawl_manifest(web, [web.url(host, "/0") for host in hosts], pace=pace)
        ending = threading.Thread(target=close_after, args=(web, 30))
        ending.start()
        said = kakehi("run", manifest, "--work", work, "--until", "crawl")
        ending.join()
        assert said.code == 3
        assert "10 hosts in a row gave no answer: is the network up?" in said.err
        assert "run again to go on from there" in said.err
    before = {(one.host, one.path) for one in web.log if one.status == 200}
    with Web(pages, port=web.port) as again:
        assert kakehi("run", manifest, "--work", work, "--until", "crawl").code == 0
        assert not before & {(one.host, one.path) for one in again.log}
    stored = [row["url"] for row in visits(work) if row["outcome"] == "stored"]
    assert len(stored) == len(pages)


def test_hosts_that_are_gone_hold_up_nobody(crawl_manifest, kakehi, tmp_path):
    """Two dozen that never answer, among three that do: those are asked once more, and the crawl goes on."""
    hosts = [f"gone{number}.test" for number in range(24)]
    live = {(host, f"/{n}"): Page(html((host, n), f"/{n + 1}")) for host in HOSTS for n in range(20)}
    with Web(live, wait_s=0.05) as web:
        seeds = [*(f"http://{host}:9/" for host in hosts), *(web.url(host, "/0") for host in HOSTS)]
        names = dict.fromkeys([*hosts, *HOSTS], "127.0.0.1")
        pace = {"delay_s": 0.01, "tries": 2, "max_delay_s": 0.01, "hosts": 27}
        manifest = crawl_manifest(web, seeds, pace=pace, resolve=names)
        said = kakehi("run", manifest, "--work", tmp_path / "w", "--until", "crawl")
        assert said.code == 0, said.err
    found = Counter(row["outcome"] for row in visits(tmp_path / "w"))
    assert found == {"no_connection": 24, "stored": 60, "http_404": 3}


def close_after(web: Web, requests: int) -> None:
    """Take the server from the network once it has answered so many."""
    while len(web.asked()) < requests:
        time.sleep(0.005)
    web.hang_up()


def test_a_crawl_that_stores_nothing_begins_anew(crawl_manifest, kakehi, tmp_path):
    """A host that was down at first: the error says why, and the next run asks again."""
    with Web({("a.test", "/"): Page(html(1))}) as web:
        manifest = crawl_manifest(web, [web.url("a.test")], pace={"delay_s": 0, "tries": 1})
    said = kakehi("run", manifest, "--work", tmp_path / "w", "--until", "crawl")
    assert said.code == 3
    assert "no page could be stored: no_connection 1" in said.err
    with Web(web.pages, port=web.port):
        assert kakehi("run", manifest, "--work", tmp_path / "w", "--until", "crawl").code == 0


def test_the_same_site_again_gives_revisits(crawl_manifest, kakehi, tmp_path):
    """By a validator or by the same bytes; a changed page and a new one are stored; all is asked for once."""
    first, second = tmp_path / "1", tmp_path / "2"
    tagged = (("ETag", '"one"'),)
    pages = {
        ("a.test", "/"): Page(
            html(0, "/tagged", "/same", "/changing"), "text/html; charset=utf-8", 200, tagged
        ),
        ("a.test", "/tagged"): Page(html(1, "/behind"), "text/html; charset=utf-8", 200, tagged),
        ("a.test", "/same"): Page(html(2), "text/html; charset=utf-8"),
        ("a.test", "/changing"): Page(html(3), "text/html; charset=utf-8", 200, tagged),
        ("a.test", "/behind"): Page(html(4), "text/html; charset=utf-8"),
    }
    with Web(pages) as web:
        manifest = crawl_manifest(web, [web.url("a.test")])
        assert kakehi("run", manifest, "--work", first, "--until", "crawl").code == 0
        [earlier] = (first / "crawl").rglob("*.visits.parquet")
        web.log.clear()
        web.pages[("a.test", "/changing")] = Page(html(5, "/new"), "text/html; charset=utf-8")
        web.pages[("a.test", "/new")] = Page(html(6), "text/html; charset=utf-8")
        manifest = crawl_manifest(web, [web.url("a.test")], earlier=str(earlier), name="n.yaml")
        said = kakehi("run", manifest, "--work", second, "--until", "crawl")
        assert said.code == 0, said.err
        assert sorted(web.asked()) == ["/", "/behind", "/changing", "/new", "/same", "/tagged"]
        found = {row["url"].removeprefix(web.url("a.test", "")): row for row in visits(second)}
    assert {path: row["outcome"] for path, row in found.items()} == {
        "/": "revisit",
        "/tagged": "revisit",
        "/same": "revisit",
        "/behind": "revisit",
        "/changing": "stored",
        "/new": "stored",
    }
    assert {path: row["status"] for path, row in found.items() if path in {"/tagged", "/same"}} == {
        "/tagged": 304,
        "/same": 200,
    }
    originals = {record["WARC-Target-URI"]: record for record in records(first, WarcRecordType.response)}
    again = records(second, WarcRecordType.revisit)
    assert len(again) == 4
    for record in again:
        original = originals[record["WARC-Target-URI"]]
        assert record["WARC-Refers-To-Date"] == original["WARC-Date"]
        assert record["WARC-Payload-Digest"] == original["WARC-Payload-Digest"]
    profiles = {record["WARC-Profile"].rpartition("/")[2] for record in again}
    assert profiles == {"server-not-modified", "identical-payload-digest"}


def test_japanese_pages_come_first(crawl_manifest, kakehi, tmp_path):
    """By hreflang, by the address, by the page that links; what says another language comes last."""
    links = '<a hreflang=en href="/x1">x</a><a href="/en/a">x</a><a href="/plain">x</a><a href="/ja/a">x</a><a hreflang=ja href="/x2">x</a>'
    pages = {
        ("a.test", "/"): Page(f"<html lang=ja>日本語{links}</html>".encode(), "text/html; charset=utf-8"),
        ("a.test", "/en/a"): Page(html("en", "/from-en", lang="en")),
        ("a.test", "/x1"): Page(b"<html lang=en>x</html>"),
        ("a.test", "/from-en"): Page(b"<html lang=en>x</html>"),
        ("a.test", "/plain"): Page(html("p")),
        ("a.test", "/ja/a"): Page(html("ja", "/from-ja")),
        ("a.test", "/from-ja"): Page(html("fj")),
        ("a.test", "/x2"): Page(html("x2")),
    }
    with Web(pages) as web:
        manifest = crawl_manifest(web, [web.url("a.test")])
        assert kakehi("run", manifest, "--work", tmp_path / "w", "--until", "crawl").code == 0
        assert web.asked() == ["/", "/ja/a", "/x2", "/plain", "/from-ja", "/x1", "/en/a", "/from-en"]
        web.log.clear()
        manifest = crawl_manifest(web, [web.url("a.test")], budget={"pages": 3}, name="n.yaml")
        assert kakehi("run", manifest, "--work", tmp_path / "v", "--until", "crawl").code == 0
        assert web.asked() == ["/", "/ja/a", "/x2"]
    assert Counter(row["outcome"] for row in visits(tmp_path / "v")) == {"stored": 3, "over_budget": 4}
