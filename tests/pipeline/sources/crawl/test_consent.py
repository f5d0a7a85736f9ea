"""What sites forbid is not asked for or not stored, and the ledger says by whose words."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from tests.pipeline.sources.crawl.web import Page, Web, redirect

pytest.importorskip("scrapy", reason="of the extra crawl")

pytestmark = pytest.mark.slow

PAGE = "<html><head>{head}<title>t</title></head><body><p>日本語のページです。</p>{links}</body></html>"


def page(*links: str, head: str = "", **headers: str) -> Page:
    named = "".join(f'<a href="{link}">x</a>' for link in links)
    told = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Page(PAGE.format(head=head, links=named).encode(), "text/html; charset=utf-8", 200, told)


def text(body: str, status: int = 200) -> Page:
    return Page(body.encode(), "text/plain", status)


WEB = {
    # robots.txt: longest match, wildcards, a group of ours, a sitemap
    ("rules.test", "/robots.txt"): text(
        "User-agent: *\nDisallow: /private\nAllow: /private/open\nDisallow: /*.php$\nCrawl-delay: 0.3\n"
        "User-agent: GPTBot\nDisallow: /not-for-models\n"
    ),
    ("rules.test", "/"): page(
        "/private/x", "/private/open/y", "/a.php", "/a.php?q", "/not-for-models/1", "/free"
    ),
    ("rules.test", "/private/x"): page(),
    ("rules.test", "/private/open/y"): page(),
    ("rules.test", "/a.php"): page(),
    ("rules.test", "/a.php?q"): page(),
    ("rules.test", "/not-for-models/1"): page(),
    ("rules.test", "/free"): page(),
    # what answers say themselves
    ("said.test", "/"): page(
        "/h-noindex", "/h-other", "/m-noindex", "/m-nofollow", "/tdm-h", "/tdm-m", "/tdm-0"
    ),
    ("said.test", "/h-noindex"): page("/behind-noindex", X_Robots_Tag="noindex"),
    ("said.test", "/behind-noindex"): page(),
    ("said.test", "/h-other"): page(X_Robots_Tag="otherbot: noindex, nofollow"),
    ("said.test", "/m-noindex"): page(head='<meta name="robots" content="NoIndex, NoFollow">'),
    ("said.test", "/m-nofollow"): page("/behind-nofollow", head="<meta content=nofollow name=ROBOTS>"),
    ("said.test", "/behind-nofollow"): page(),
    ("said.test", "/tdm-h"): page(TDM_Reservation="1"),
    ("said.test", "/tdm-m"): page(head='<meta name="tdm-reservation" content="1">'),
    ("said.test", "/tdm-0"): page(TDM_Reservation="0"),
    # the site's own reservation
    ("tdm.test", "/.well-known/tdmrep.json"): Page(
        b'[{"location": "/free/*", "tdm-reservation": 0}, {"location": "/*", "tdm-reservation": 1}]',
        "application/json",
    ),
    ("tdm.test", "/free/"): page("/kept"),
    ("tdm.test", "/kept"): page(),
    # robots.txt that can't be had, is gone, or lies behind a redirect to another host
    ("down.test", "/robots.txt"): text("", 503),
    ("down.test", "/"): page(),
    ("gone.test", "/robots.txt"): text("", 410),
    ("gone.test", "/"): page(),
}

STORED = {
    "rules.test/",
    "rules.test/private/open/y",
    "rules.test/a.php?q",
    "rules.test/free",
    "said.test/",
    "said.test/behind-noindex",
    "said.test/h-other",
    "said.test/m-nofollow",
    "said.test/tdm-0",
    "tdm.test/free/",
    "gone.test/",
}
NOT_ASKED = {
    "rules.test/private/x": "robots.txt:2: user-agent *: disallow: /private",
    "rules.test/a.php": "robots.txt:4: user-agent *: disallow: /*.php$",
    "rules.test/not-for-models/1": "robots.txt:7: user-agent gptbot: disallow: /not-for-models",
    "tdm.test/kept": '{"location": "/*", "tdm-reservation": 1}',
    "down.test/": "robots.txt could not be had: status 503",
    "moved.test/": "robots.txt:2: user-agent *: disallow: /",
}
NOT_STORED = {
    "said.test/h-noindex": ("x-robots-tag", "X-Robots-Tag: noindex"),
    "said.test/m-noindex": ("meta-robots", '<meta name="robots" content="NoIndex, NoFollow">'),
    "said.test/tdm-h": ("tdm-header", "Tdm-Reservation: 1"),
    "said.test/tdm-m": ("tdm-meta", "meta tdm-reservation: 1"),
}


@pytest.fixture(scope="module")
def crawled(kakehi, tmp_path_factory):
    """Crawl all of it once; give the log, the ledger, the visits and the WARC records' URLs."""
    home = tmp_path_factory.mktemp("consent")
    with Web(WEB) as web:
        web.pages[("moved.test", "/robots.txt")] = redirect(web.url("elsewhere.test", "/rules.txt"))
        web.pages[("elsewhere.test", "/rules.txt")] = text("User-agent: *\nDisallow: /\n")
        web.pages[("moved.test", "/")] = page()
        seeds = [
            web.url(host) for host in ("rules.test", "said.test", "down.test", "gone.test", "moved.test")
        ]
        names = dict.fromkeys(web.hosts(), "127.0.0.1")
        (home / "m.yaml").write_text(
            "corpus: c\nsources:\n  web:\n    crawl:\n      contact: https://example.org/robot\n"
            f"      seeds: {[*seeds, web.url('tdm.test', '/free/')]}\n      resolve: {names}\n"
            "      allow_addresses: [127.0.0.1/32]\n      pace: {delay_s: 0, tries: 2, max_delay_s: 0}\n"
            "    extract: {language: ja}\n"
        )
        said = kakehi("run", home / "m.yaml", "--work", home / "w", "--until", "crawl")
        assert said.code == 0, said.err
        told = kakehi("explain", home / "m.yaml", web.url("rules.test", "/private/x"), "--work", home / "w")
        yield web, home / "w", told


def short(url: str, web: Web) -> str:
    return url.removeprefix("http://").replace(f":{web.port}", "")


def table(work: Path, name: str) -> list[dict]:
    [path] = (work / "crawl").rglob(f"*.{name}.parquet")
    return pq.read_table(path).to_pylist()


def test_what_is_forbidden_is_not_asked_for(crawled):
    """robots.txt, its absence and failure, and tdmrep.json decide before anything is sent."""
    web, _, _ = crawled
    asked = {short(url, web) for url in web.pages_asked()} - {"elsewhere.test/rules.txt"}
    assert asked == STORED | NOT_STORED.keys()


def test_what_says_so_itself_is_not_stored(crawled):
    """The WARC files hold exactly the pages that may be stored."""
    web, work, _ = crawled
    [warc] = (work / "crawl").rglob("*.warc.gz")
    with warc.open("rb") as file:
        records = ArchiveIterator(file, record_types=WarcRecordType.response)
        found = [short(record.headers["WARC-Target-URI"], web) for record in records]
    assert sorted(found) == sorted(STORED)


def test_every_decision_is_in_the_ledger_with_its_words(crawled):
    """Whose word it was, what it was about, and where it stands."""
    web, work, _ = crawled
    ledger = [{**line, "url": short(line["url"], web)} for line in table(work, "ledger")]
    refused = {line["url"]: line for line in ledger if line["asked"] == "fetch" and not line["allowed"]}
    assert {url: line["evidence"] for url, line in refused.items()} == NOT_ASKED
    assert short(refused["tdm.test/kept"]["evidence_url"], web) == "tdm.test/.well-known/tdmrep.json"
    kept_out = {
        line["url"]: (line["source"], line["evidence"])
        for line in ledger
        if line["asked"] == "store" and not line["allowed"]
    }
    assert kept_out == NOT_STORED
    not_followed = {line["url"] for line in ledger if line["asked"] == "follow"}
    assert not_followed == {"said.test/m-noindex", "said.test/m-nofollow"}
    allowed = {line["url"] for line in ledger if line["asked"] == "fetch" and line["allowed"]}
    assert allowed >= STORED | NOT_STORED.keys()
    assert {short(line["origin"], web) for line in table(work, "sites")} >= {"rules.test", "moved.test"}


def test_the_crawl_delay_is_kept(crawled):
    """A third of a second between any two requests, though the manifest would let them come faster."""
    web, _, _ = crawled
    starts = sorted(one.start for one in web.log if one.host == "rules.test")
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert len(gaps) == 5
    assert min(gaps) > 0.29


def test_one_request_at_a_time_by_default_with_a_contact_in_each(crawled):
    """A host is asked for the next page when it has answered; each request names who asks."""
    web, _, _ = crawled
    for host in web.hosts():
        spans = sorted((one.start, one.end) for one in web.log if one.host == host)
        assert all(end <= start + 0.002 for (_, end), (start, _) in pairwise(spans))
    agents = {one.headers["User-Agent"] for one in web.log}
    assert len(agents) == 1
    assert agents.pop().endswith("(+https://example.org/robot)")


def test_explain_says_whose_word_it_was(crawled):
    """For a page that was never asked for."""
    _, _, told = crawled
    assert told.code == 0
    assert "robots_txt" in told.out
    assert (
        "consent     fetch forbidden by robots.txt: robots.txt:2: user-agent *: disallow: /private"
        in told.out
    )
