"""Safe by default: no address inside, however it is reached; nothing endless, nothing that bursts; each counted."""

from __future__ import annotations

import gzip
import ipaddress
import json
import random
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pipeline.sources.crawl.web import Page, Web, redirect

pytest.importorskip("scrapy", reason="of the extra crawl")

from twisted.internet.address import IPv4Address, IPv6Address

from kakehi.pipeline.sources.crawl.resolver import AddressFilter, FilteringResolver
from kakehi.pipeline.sources.crawl.special_addresses import SPECIAL_IPV4, SPECIAL_IPV6, is_public

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # a cloud's keys
    "100.64.0.1",  # a provider's inside
    "0.0.0.0",  # noqa: S104 - is an address like any other here
    "255.255.255.255",
    "224.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "::127.0.0.1",
    "192.0.0.9",  # global to Python, of all protocol assignments two
    "192.0.0.192",  # a cloud's keys
    "168.63.129.16",  # a cloud's host
    "192.88.99.1",
    "192.31.196.1",
    "fec0::1",  # site local: global to Python
    "3fff::1",
    "5f00::1",
    "2001::1",
    "2001:20::1",
    "2001:db8::1",
    "100::1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "::ffff:168.63.129.16",
    "::ffff:0:7f00:1",
    "4000::1",  # not given out
    "no address",
]


@pytest.mark.parametrize("address", INSIDE)
def test_the_fence_lets_nothing_inside_through(address):
    """Whatever is not a public unicast address, in every way of writing it."""
    assert not AddressFilter().lets(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "203.104.128.1", "2001:200:dff:fff1::1", "::ffff:8.8.8.8"])
def test_the_fence_lets_the_public_through(address):
    """IPv4 and IPv6."""
    assert AddressFilter().lets(address)


def test_the_fence_lets_named_networks_through_alone():
    """A named one, in both ways of writing it; not its neighbour."""
    fence = AddressFilter(["10.1.0.0/16", "fd00::/8"])
    assert fence.lets("10.1.2.3")
    assert fence.lets("::ffff:10.1.2.3")
    assert fence.lets("fd12::1")
    assert not fence.lets("10.2.0.1")
    assert not fence.lets("fe80::1")


def test_what_the_fence_lets_through_is_global_to_python_too():
    """At both ends of each network of the list and beside them, and at addresses drawn from all."""
    rng = random.Random(19)  # noqa: S311 - not for secrets
    edges = [
        end + by for net in (*SPECIAL_IPV4, *SPECIAL_IPV6) for end in (net[0], net[-1] - 1) for by in (0, 1)
    ]
    edges += [net[0] - 1 for net in (*SPECIAL_IPV4[1:], *SPECIAL_IPV6)]
    drawn4 = [ipaddress.IPv4Address(rng.getrandbits(32)) for _ in range(3000)]
    drawn6 = [ipaddress.IPv6Address(1 << 125 | rng.getrandbits(125)) for _ in range(3000)]
    public = [address for address in (*edges, *drawn4, *drawn6) if is_public(address)]
    assert len(public) > 5000
    assert [address for address in public if not address.is_global] == []
    inside = [net[0] for net in (*SPECIAL_IPV4, *SPECIAL_IPV6)]
    assert [address for address in inside if is_public(address)] == []


class Rebinding:
    """A resolver whose answers change from one question to the next."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    def resolveHostName(self, receiver, _name, port=0, *_):  # noqa: N802
        receiver.resolutionBegan(self)
        for host in self.answers.pop(0):
            kind = IPv6Address if ipaddress.ip_address(host).version == 6 else IPv4Address
            receiver.addressResolved(kind("TCP", host, port))
        receiver.resolutionComplete()
        return self


class Heard:
    """Takes down what a resolver says."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.complete = False

    def resolutionBegan(self, resolution) -> None:  # noqa: N802
        self.resolution = resolution

    def addressResolved(self, address) -> None:  # noqa: N802
        self.addresses.append(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802
        self.complete = True


class Reactor:
    """Has a resolver."""

    def __init__(self, resolver: Rebinding) -> None:
        self.nameResolver = resolver


def test_each_connection_looks_up_anew_and_each_answer_is_checked():
    """A name that leads outside first and inside then; one that leads to both; what is refused is remembered."""
    behind = Rebinding(["8.8.8.8"], ["127.0.0.1"], ["10.0.0.1", "8.8.4.4", "::1"])
    resolver = FilteringResolver(Reactor(behind), AddressFilter(), {})
    seen = []
    for _ in range(3):
        heard = Heard()
        resolver.resolveHostName(heard, "Rebind.example", 80)
        assert heard.complete
        seen.append(heard.addresses)
    assert seen == [["8.8.8.8"], [], ["8.8.4.4"]]
    assert resolver.refused == {"rebind.example": "::1"}


def test_a_named_address_is_checked_too():
    """`resolve` says where a host lies, never that it may be asked."""
    resolver = FilteringResolver(Reactor(Rebinding()), AddressFilter(), {"in.example": "10.0.0.1"})
    heard = Heard()
    resolver.resolveHostName(heard, "in.example", 80)
    assert heard.addresses == []


def outcomes(work: Path) -> dict[str, str]:
    [path] = (work / "crawl").rglob("*.visits.parquet")
    return {row["url"]: row["outcome"] for row in pq.read_table(path).to_pylist()}


OK = Page("<html lang=ja><p>日本語</p></html>".encode(), "text/html; charset=utf-8")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of this machine")
def test_nothing_inside_is_asked_by_name_number_or_redirect(kakehi, tmp_path):
    """Loopback in seven spellings, a redirect to it, a robots.txt that leads there: no request arrives."""
    with Web({("in.test", "/"): OK, ("127.0.0.1", "/"): OK}) as inside, Web({}, address="127.0.0.2") as web:
        web.pages[("out.test", "/")] = Page(
            f'<a href="{web.url("out.test", "/r")}">x</a>'.encode(), "text/html; charset=utf-8"
        )
        web.pages[("out.test", "/r")] = redirect(inside.url("127.0.0.1"))
        web.pages[("lured.test", "/robots.txt")] = redirect(inside.url("127.0.0.1", "/robots.txt"))
        web.pages[("lured.test", "/")] = OK
        canonical_url = [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ]
        seeds = [web.url("out.test"), web.url("lured.test"), *(inside.url(host) for host in canonical_url)]
        (tmp_path / "m.yaml").write_text(
            "corpus: c\nsources:\n  web:\n    crawl:\n      contact: someone@example.org\n"
            f"      seeds: {seeds}\n      resolve: {{out.test: 127.0.0.2, lured.test: 127.0.0.2}}\n"
            "      allow_addresses: 127.0.0.2/32\n      pace: {delay_s: 0, tries: 2, max_delay_s: 0}\n"
            "    extract: {language: ja}\n"
        )
        said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w", "--until", "crawl")
        assert said.code == 0, said.err
        found = outcomes(tmp_path / "w")
        assert not inside.log
    refused = [url for url, outcome in found.items() if outcome == "forbidden_address"]
    assert len(refused) >= len(canonical_url)
    assert found[web.url("lured.test")] == "forbidden_address"
    assert found[web.url("out.test")] == "stored"


def slow(chunk: bytes, wait_s: float):
    """Answer without an end."""

    def write(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        handler.close_connection = True
        end = time.monotonic() + 20
        while time.monotonic() < end:
            handler.wfile.write(chunk)
            time.sleep(wait_s)

    return write


def endless_headers(handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    handler.close_connection = True
    end = time.monotonic() + 20
    while time.monotonic() < end:
        handler.wfile.write(b"X-More: " + b"x" * 4000 + b"\r\n")


def slow_headers(handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-More: ")
    handler.close_connection = True
    end = time.monotonic() + 20
    while time.monotonic() < end:
        handler.wfile.write(b"x")
        time.sleep(0.2)


def half_headers(handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-More: ")
    handler.close_connection = True
    time.sleep(5)


def short_body(handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"<p>cut")
    handler.close_connection = True


@pytest.mark.slow
def test_what_has_no_end_is_cut_off_and_counted(crawl_manifest, kakehi, tmp_path, capfd):
    """Bodies that drip or pour, headers that pour, bombs, chains, calendars: the crawl ends, and says of each why."""
    bomb = gzip.compress(b"<p>" + b"0" * 30_000_000)
    links = [
        "/drip",
        "/pour",
        "/headers",
        "/slow-headers",
        "/half-headers",
        "/bomb",
        "/chain/0",
        "/cut",
        "/big",
        "/loop-a",
        "/a/a/a/a/a",
        "/pic",
    ]
    pages = {
        ("t.test", "/"): Page("".join(f'<a href="{link}">x</a>' for link in links).encode(), "text/html"),
        ("t.test", "/drip"): Page(slow(b"<p>x", 0.2)),
        ("t.test", "/pour"): Page(slow(b"<p>x" * 50_000, 0)),
        ("t.test", "/headers"): Page(endless_headers),
        ("t.test", "/slow-headers"): Page(slow_headers),
        ("t.test", "/half-headers"): Page(half_headers),
        ("t.test", "/bomb"): Page(bomb, "text/html", 200, (("Content-Encoding", "gzip"),)),
        ("t.test", "/cut"): Page(short_body),
        ("t.test", "/big"): Page(b"x" * 3_000_000, "text/html"),
        ("t.test", "/loop-a"): redirect("/loop-b"),
        ("t.test", "/loop-b"): redirect("/loop-a"),
        ("t.test", "/pic"): Page(b"x" * 3_000_000, "image/png"),
        **{("t.test", f"/chain/{n}"): redirect(f"/chain/{n + 1}") for n in range(20)},
    }
    with Web(pages) as web:
        manifest = crawl_manifest(
            web,
            [web.url("t.test")],
            limits={"body_mb": 2, "unpacked_mb": 5, "answer_s": 2, "redirects": 3, "repeats": 3},
        )
        start = time.monotonic()
        said = kakehi("run", manifest, "--work", tmp_path / "w", "--until", "crawl")
        assert said.code == 0, said.err
        assert time.monotonic() - start < 40
        assert capfd.readouterr().err == ""  # its process has nothing to say: what goes wrong is counted
        found = {
            url.removeprefix(web.url("t.test", "")): why for url, why in outcomes(tmp_path / "w").items()
        }
    assert found == {
        "/": "stored",
        "/drip": "endless",
        "/pour": "too_large",
        "/headers": "endless",
        "/slow-headers": "endless",
        "/half-headers": "endless",
        "/bomb": "bomb",
        "/cut": "cut_off",
        "/big": "too_large",
        "/loop-a": "redirect",
        "/loop-b": "redirect",
        "/pic": "media_type",
        "/chain/0": "redirect",
        "/chain/1": "redirect",
        "/chain/2": "redirect",
        "/chain/3": "endless_redirects",
    }
    [receipt] = [json.loads(path.read_text()) for path in (tmp_path / "w" / "crawl").rglob("all-*.json")]
    assert receipt["counts"]["missing/bomb"] == 1
    assert receipt["counts"]["missing/endless_redirects"] == 1
    assert receipt["counts"]["links/repeating"] == 1


@pytest.mark.slow
def test_proxies_of_the_environment_are_not_used(crawl_manifest, kakehi, tmp_path, monkeypatch):
    """Behind one, no address could be looked at."""
    with Web({("a.test", "/"): OK}) as web, Web({}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url("127.0.0.1", ""))
        said = kakehi(
            "run", crawl_manifest(web, [web.url("a.test")]), "--work", tmp_path / "w", "--until", "crawl"
        )
        assert said.code == 0, said.err
        assert web.asked() == ["/"]
        assert not proxy.log


STATUSES = ["200"] * 6 + ["204", "206", "301", "304", "404", "429", "500", "100", "999", "-1", "abc", ""]
HEADERS = [
    "Content-Type: text/html; charset=nope",
    "Content-Type: ;;\xff",
    "Content-Length: -1",
    "Content-Length: 1000000000000",
    "Content-Length: 7",
    "Content-Encoding: gzip, gzip",
    "Content-Encoding: br",
    "Transfer-Encoding: chunked",
    "Location: http://[",
    "Location: \x00",
    "Location: //",
    "X-Robots-Tag: :,\xff:",
    "Retry-After: 99999999999",
    "no colon",
    " folded",
]


def anything(seed: str):
    """Answer with something between a page and noise."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    links = "".join(
        f"<a href='{''.join(map(chr, rng.choices(range(33, 127), k=9)))}'>x</a>" for _ in range(4)
    )
    head = [f"HTTP/1.{rng.choice('110')} {rng.choice(STATUSES)} x", *rng.sample(HEADERS, rng.randrange(5))]
    whole = "\r\n".join([*head, "", f"<html><p>x{links}"]).encode("latin-1")
    noise = bytearray(whole)
    for _ in range(rng.choice([0, 0, 0, 1, 9])):
        noise[rng.randrange(len(noise))] = rng.randrange(256)
    sent = rng.choice([whole, bytes(noise), whole[: rng.randrange(len(whole))], rng.randbytes(500), b""])

    def write(handler) -> None:
        handler.wfile.write(sent)
        handler.close_connection = True

    return write


@pytest.mark.slow
def test_whatever_a_server_sends_the_crawl_goes_on(crawl_manifest, kakehi, tmp_path, capfd):
    """Statuses, headers and lengths that are none, answers cut off or of noise: each is an outcome, and no more."""
    links = "".join(f"<a href='/{number}'>x</a>" for number in range(150))
    pages = {("t.test", f"/{number}"): Page(anything(f"{number}")) for number in range(150)}
    with Web(pages | {("t.test", "/"): Page(links.encode(), "text/html")}) as web:
        limits, pace = {"answer_s": 2}, {"delay_s": 0, "max_delay_s": 0, "tries": 1, "per_host": 4}
        manifest = crawl_manifest(web, [web.url("t.test")], limits=limits, pace=pace)
        text = manifest.read_text()
        manifest.write_text(text.replace("sample_rejects: 0", "sample_rejects: 0, allow_empty: true"))
        said = kakehi("run", manifest, "--work", tmp_path / "w")
        assert said.code == 0, said.err
    assert capfd.readouterr().err == ""
    found = outcomes(tmp_path / "w")
    assert len(found) > 150
    assert None not in found.values()
    assert len(set(found.values())) > 8
