"""The parts of a crawl by themselves: addresses, bounds, robots.txt, sitemaps, turns, and what is known."""

from __future__ import annotations

import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scrapy", reason="of the extra crawl")

from kakehi.pipeline.sources.crawl import sitemaps
from kakehi.pipeline.sources.crawl.frontier import FoundUrl, Frontier
from kakehi.pipeline.sources.crawl.parameters import Job, Limits, Pace, Scope
from kakehi.pipeline.sources.crawl.robots import Robots
from kakehi.pipeline.sources.crawl.schedule import Schedule, Throttle
from kakehi.pipeline.sources.crawl.scope import Bounds, canonical_url, origin_of, path_of
from kakehi.pipeline.sources.crawl.seeding import seeds_of, sitemaps_of


@pytest.mark.parametrize(
    ("url", "encoding", "wanted"),
    [
        ("HTTP://A.Example:80", "utf-8", "http://a.example/"),
        ("https://a.example:443/x#y", "utf-8", "https://a.example/x"),
        ("https://a.example:8443/x", "utf-8", "https://a.example:8443/x"),
        ("http://u:p@a.example/", "utf-8", "http://a.example/"),
        ("http://a.example./x", "utf-8", "http://a.example/x"),
        (
            "http://日本語.example/道?検索",
            "utf-8",
            "http://xn--wgv71a119e.example/%E9%81%93?%E6%A4%9C%E7%B4%A2",
        ),
        ("http://a.example/道?検索", "cp932", "http://a.example/%E9%81%93?%8C%9F%8D%F5"),
        ("http://a.example/?😀", "cp932", "http://a.example/?%F0%9F%98%80"),
        ("http://a.example/a b", "utf-8", "http://a.example/a%20b"),
        ("http://a.example/../x/./y", "utf-8", "http://a.example/x/y"),
        ("http://a.example//b.example/x", "utf-8", "http://a.example//b.example/x"),
        ("http://a.example/x//y/%2E%2e/..", "utf-8", "http://a.example/x/"),
        ("http://a.example/x/.", "utf-8", "http://a.example/x/"),
        ("http://a.example/..", "utf-8", "http://a.example/"),
        ("http://[::1]:8080/", "utf-8", "http://[::1]:8080/"),
        ("ftp://a.example/", "utf-8", None),
        ("javascript:alert(1)", "utf-8", None),
        ("file:///etc/passwd", "utf-8", None),
        ("data:text/html,x", "utf-8", None),
        ("http://", "utf-8", None),
        ("http://[", "utf-8", None),
        ("http://a.example:x/", "utf-8", None),
        (f"http://{'a' * 300}/", "utf-8", None),
    ],
)
def test_an_address_has_one_spelling_or_none(url, encoding, wanted):
    """What a browser would ask for."""
    assert canonical_url(url, encoding) == wanted
    if wanted:
        assert canonical_url(wanted) == wanted
        assert origin_of(wanted) + path_of(wanted) == wanted


@given(
    st.text("ab:/?#@[]%.&=\\ \n\t日é😀\ud800\x00-_~", max_size=20),
    st.sampled_from(["http://", "HTTPS://a.b/", "//", "", "http://a/%"]),
    st.sampled_from(["utf-8", "cp932", "euc_jp", "iso2022_jp", "no charset"]),
)
def test_any_text_has_one_spelling_or_none(text, start, encoding):
    """Nothing breaks it; what it gives is ASCII, spelled so already, and has a host and a path."""
    found = canonical_url(start + text, encoding)
    if found is not None:
        assert found.isascii()
        assert found.startswith(("http://", "https://"))
        assert not set(found) & set(" \r\n\t")
        assert canonical_url(found) == found
        assert path_of(found).startswith("/")


BOUNDS = Bounds(
    Scope(
        hosts=("A.example",),
        subdomains=True,
        paths=("/d/", "/e"),
        include=(r"\.html$|/$",),
        exclude=("secret",),
    ),
    Limits(url_characters=60, repeats=2),
    ["http://seed.example/"],
)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://a.example/d/x.html", None),
        ("http://b.a.example/e/", None),
        ("http://seed.example/d/", "out_of_scope"),
        ("http://ba.example/d/", "out_of_scope"),
        ("http://a.example/f/", "out_of_scope"),
        ("http://a.example/d/x.txt", "out_of_scope"),
        ("http://a.example/d/secret/", "out_of_scope"),
        (f"http://a.example/d/{'x' * 60}.html", "too_long"),
        ("http://a.example/d/x/x/x/", "repeating"),
        ("http://a.example/d/x/y/x/", None),
    ],
)
def test_what_is_out_of_bounds_says_why(url, why):
    """Hosts and those below, beginnings of paths, patterns, traps."""
    assert BOUNDS.refusal(url) == why


def test_without_hosts_those_of_the_seeds_are_meant():
    """And no others; endings of what is no page are never asked for."""
    bounds = Bounds(Scope(), Limits(), ["http://s.example/"])
    assert bounds.refusal("http://s.example/x") is None
    assert bounds.refusal("http://t.example/x") == "out_of_scope"
    assert bounds.refusal("http://s.example/x.PDF") == "no_page"


# RFC 9309, section 5.1, and 2.2.2.
RFC = b"""User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot

Sitemap: https://a.example/s.xml
"""


@pytest.mark.parametrize(
    ("agent", "path", "allowed"),
    [
        ("other", "/publications/x", True),
        ("other", "/example/x", False),
        ("other", "/x.gif", False),
        ("other", "/x.gif?y", True),
        ("foobot", "/", False),
        ("FooBot", "/example/page.html", True),
        ("foobot", "/example/allowed.gif", True),
        ("bazbot", "/example/page.html", False),
        ("bazbot", "/x.gif", True),
        ("quxbot", "/example/x", True),
    ],
)
def test_robots_as_the_standard_has_it(agent, path, allowed):
    """Its own example."""
    robots = Robots(200, RFC, agent=agent)
    assert robots.permission(f"https://a.example{path}").allowed == allowed
    assert robots.sitemaps == ("https://a.example/s.xml",)


@pytest.mark.parametrize(
    ("agent", "path", "words"),
    [
        ("one", "/a/b", "robots.txt:4: user-agent one: disallow: /a"),
        ("one", "/a/c", "robots.txt:9: user-agent one: allow: /a/c"),
        ("two", "/a/b", "robots.txt: no line forbids it to two"),
        ("kak", "/x", "robots.txt:11: user-agent *: disallow: /"),
        ("kakehibot", "/x", "robots.txt:11: user-agent *: disallow: /"),
    ],
)
def test_the_line_that_decides_is_quoted_with_its_number(agent, path, words):
    """Of groups in several places, by the whole name: a part of it is another robot's."""
    text = (
        "Disallow: /orphan\nUser-Agent: one/1.0 (x)\nSitemap: x\nDISALLOW: /a  # why\nUseragent: two\nDisallow: /b\n"
        "user-agent: ONE\ndisallow:\nallow: /a/c\nUser-agent: *\nDisallow: /\nUser-agent: kakehi\nAllow: /"
    )
    assert Robots(200, text.encode(), agent=agent).permission(f"https://a.example{path}").evidence == words


@pytest.mark.parametrize(
    ("status", "allowed"),
    [(404, True), (410, True), (403, True), (429, False), (500, False), (503, False), (0, False)],
)
def test_a_robots_file_that_is_not_there_allows_and_one_that_cant_be_had_forbids(status, allowed):
    """Sections 2.3.1.3 and 2.3.1.4; too many requests are no yes."""
    found = Robots(status, b"", agent="x").permission("https://a.example/")
    assert found.allowed == allowed
    assert str(status or "none") in found.evidence


def test_what_people_mean_is_read():
    """Spellings that forbid; a robot whose name has a star is none of ours; a rate is a delay."""
    text = b"user agent *\nDissalow /a\nRequest-rate: 1/5\nUser-agent: *Fetch*\nDisallow: /\nUser-agent: kakehi2\nDisallow: /"
    robots = Robots(200, text, agent="kakehi")
    assert not robots.permission("https://a.example/a").allowed
    assert robots.permission("https://a.example/b").allowed
    assert robots.delay_s == 5


def test_rules_of_other_robots_are_kept_where_they_are_named():
    """The longest delay counts; what is not named has no say."""
    text = (
        b"User-agent: GPTBot\nDisallow: /no\nCrawl-delay: 7\nUser-agent: *\nCrawl-delay: 3\nDisallow: /star\n"
    )
    robots = Robots(200, text, agent="kakehi", obey_also=("GPTBot", "CCBot"))
    assert not robots.permission("https://a.example/no").allowed
    assert not robots.permission("https://a.example/star").allowed
    assert robots.permission("https://a.example/").allowed
    assert robots.delay_s == 7
    assert Robots(200, text, agent="kakehi", obey_also=("CCBot",)).delay_s == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /",
            "2: user-agent *: content-signal: search=yes, ai-train=no",
        ),
        ("User-agent: *\nContent-Usage: train-ai=n\nAllow: /", "2: user-agent *: content-usage: train-ai=n"),
        (
            "user-agent: *\ncontent-signals : AI-TRAIN=NO # why",
            "2: user-agent *: content-signal: AI-TRAIN=NO",
        ),
        (
            "Content-Signal: ai-train=no\nUser-agent: *\nAllow: /",
            "1: user-agent *: content-signal: ai-train=no",
        ),
        (
            "User-agent: GPTBot\nContent-Signal: ai-train=no\nUser-agent: *\nAllow: /",
            "2: user-agent gptbot: content-signal: ai-train=no",
        ),
        (
            "User-agent: *\nContent-Usage: /x/ train-ai=y\nContent-Usage: /x/p train-ai=n",
            "3: user-agent *: content-usage: /x/p train-ai=n",
        ),
        (
            "User-agent: *\nContent-Usage: train-ai=y\nContent-Signal: ai-train=no",
            "3: user-agent *: content-signal: ai-train=no",
        ),
    ],
)
def test_a_site_that_forbids_training_is_not_asked(text, words):
    """In either vocabulary, for everyone or for a robot whose rules are kept; the line is quoted."""
    robots = Robots(200, text.encode(), agent="kakehi", obey_also=("GPTBot",))
    assert robots.permission("https://a.example/x/page") == (False, f"robots.txt:{words}")


@pytest.mark.parametrize(
    "text",
    [
        "User-agent: *\nContent-Signal: search=no, ai-train=yes",
        "User-agent: *\nContent-Signal: search=no, ai-input=no",
        "User-agent: otherbot\nContent-Signal: ai-train=no\nUser-agent: *\nAllow: /",
        "User-agent: *\nContent-Signal: ai-train=no\nUser-agent: kakehi\nAllow: /",
        "User-agent: *\nContent-Usage: /y/ train-ai=n",
        "User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /x/ train-ai=y",
        "# Content-Signal: ai-train=no\nUser-agent: *\nAllow: /",
    ],
)
def test_a_site_that_forbids_training_elsewhere_or_nothing_of_it_is_asked(text):
    """Other uses, other robots, other paths, a remark."""
    robots = Robots(200, text.encode(), agent="kakehi", obey_also=("GPTBot",))
    assert robots.permission("https://a.example/x/page").allowed


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbfUser-agent: *\nDisallow: /", b"\xff\xfe\x00", b"a" * 10**6, b"\n" * 10**6]
)
def test_odd_files_break_nothing(text):
    """A mark at the start is no part of the first word; the rest has no rules."""
    assert Robots(200, text, agent="x").permission("https://a.example/").allowed != text.startswith(b"\xef")


@pytest.mark.parametrize(
    ("body", "urls", "index"),
    [
        (
            b"<urlset><url><loc> https://a.example/?a&amp;b </loc></url></urlset>",
            ["https://a.example/?a&b"],
            False,
        ),
        (
            b'<?xml version="1.0"?><sitemapindex xmlns="x"><sitemap><loc>https://a/1</loc>',
            ["https://a/1"],
            True,
        ),
        (b"<s:urlset><s:loc><![CDATA[https://a/1]]></s:loc>", ["https://a/1"], False),
        (b"\xef\xbb\xbfhttps://a/1\nhttps://a/2\nnothing\n", ["https://a/1", "https://a/2"], False),
        (b"<urlset><loc>http://[::1]/?a[]=1</loc>", ["http://[::1]/?a[]=1"], False),
        (b"<html>no sitemap", [], False),
        (b"", [], False),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><urlset><loc>&a;</loc>', ["&a;"], False),
    ],
)
def test_sitemaps_in_all_forms(body, urls, index):
    """XML, lists of lists, plain text; no entity is expanded."""
    assert sitemaps.read(body) == (urls, index)


@pytest.mark.slow
@pytest.mark.parametrize(
    "markup", ["<loc>", "<loc>x", "<loc>x ", "<loc ", " ", "x", "<loc><![CDATA[", "<a:", "]]>"], ids=repr
)
def test_a_hostile_sitemap_takes_linear_time(markup):
    """Ten megabytes of anything unclosed."""
    start = time.process_time()
    sitemaps.read(b"<urlset><loc>https://a.example/" + markup.encode() * (10_000_000 // len(markup)))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("seed", "address"),
    [
        ("a.example", "https://a.example/"),
        ("a.example:8443", "https://a.example:8443/"),
        ("日本語.example", "https://xn--wgv71a119e.example/"),
        ("http://a.example", "http://a.example/"),
        ("https://a.example/x?y", "https://a.example/x?y"),
    ],
)
def test_a_seed_is_an_address_or_a_host(seed, address, tmp_path):
    """A host alone stands for its first page by https; a list has the same, with remarks."""
    (tmp_path / "l.txt").write_text(f"\n# remark\n  {seed}  \n", encoding="utf-8")
    job = Job.model_construct(seeds=(seed,), urls=tmp_path / "l.txt", sitemaps=(seed,))
    assert seeds_of(job) == [address, address]
    assert sitemaps_of(job) == [address]


def test_a_line_that_is_no_address_is_named(tmp_path):
    """Else a slip of the pen would crawl nothing."""
    (tmp_path / "l.txt").write_text("ftp://a.example/\n")
    with pytest.raises(ValueError, match="is no address; wanted a host, or http"):
        seeds_of(Job.model_construct(seeds=(), urls=tmp_path / "l.txt", sitemaps=()))


def found(url: str, rank: int = 0, depth: int = 0) -> FoundUrl:
    return FoundUrl(url, "page", depth, 0, rank, None)


@pytest.fixture
def frontier(tmp_path):
    """Open one."""
    opened = Frontier(tmp_path / "f.sqlite")
    yield opened
    opened.close()


def test_hosts_take_turns_by_their_best_address(frontier):
    """The best of all hosts that may be asked; a host is asked once at a time, and rests then."""
    with frontier.change():
        hosts = frontier.add(
            [found("http://a/1", 2), found("http://a/2", 1), found("http://b/1", 1), found("http://b/2")]
        )
    schedule = Schedule(frontier, per_host=1)
    schedule.offer(hosts, 0.0)
    first = schedule.next(0.0)
    assert first.url == "http://b/2"
    with frontier.change():
        frontier.take(first)
    schedule.begin("b")
    second = schedule.next(0.0)
    assert second.url == "http://a/2"
    with frontier.change():
        frontier.take(second)
        frontier.finish(first, "stored")
    schedule.begin("a")
    assert schedule.next(0.0) is None
    schedule.end("b")
    schedule.rest("b", 5.0)
    assert schedule.next(4.9) is None
    assert schedule.wakes() == 5.0
    assert schedule.next(5.0).url == "http://b/1"


def test_what_was_under_way_waits_again_and_nothing_is_added_twice(tmp_path):
    """As after a kill; what was rolled back was never there."""
    path = tmp_path / "f.sqlite"
    first = Frontier(path)
    with first.change():
        assert first.add([found("http://a/1"), found("http://a/1"), found("http://a/2")]) == ["a", "a"]
        first.take(first.best("a"))
    with pytest.raises(AttributeError), first.change():
        first.add([found("http://a/3"), None])
    first.close()
    second = Frontier(path)
    assert second.waiting() == 2
    assert second.best("a").url == "http://a/1"
    second.close()


def test_two_processes_never_have_one_crawl(tmp_path, monkeypatch):
    """The second one waits, and is refused."""
    monkeypatch.setattr("kakehi.pipeline.sources.crawl.frontier._LOCKED_S", 0.1)
    first = Frontier(tmp_path / "f.sqlite")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Frontier(tmp_path / "f.sqlite")
    first.close()


def test_a_slow_host_is_asked_slower_and_a_failing_one_no_faster():
    """Within the bounds of the manifest."""
    throttle = Throttle(Pace(delay_s=1, max_delay_s=10))
    assert throttle.delay("a") == 1
    throttle.answered("a", 4, well=True)
    assert throttle.delay("a") == 4
    throttle.answered("a", 0.1, well=False)
    assert throttle.delay("a") == 4
    throttle.answered("a", 0.1, well=True)
    assert 1 < throttle.delay("a") < 4
    for _ in range(20):
        throttle.answered("a", 0.1, well=True)
    assert throttle.delay("a") == pytest.approx(1, abs=1e-3)
    throttle.answered("a", 99, well=False)
    assert throttle.delay("a") == 10
