"""crawl: a local web of several hosts, from its seeds to WARC files with a ledger, and on to a packed corpus."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import signal
import ssl
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pipeline.sources.crawl.web import Page, Web, redirect

pytest.importorskip("scrapy", reason="of the extra crawl")

pytestmark = pytest.mark.slow


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


def test_without_a_contact_or_a_start_nothing_is_asked(small, crawl_manifest, kakehi, tmp_path):
    """The manifest is refused by the line; a crawl from nowhere as well."""
    with Web(small) as web:
        manifest = crawl_manifest(web, [web.url("a.test")])
        for wrong, said in (
            ("contact: nobody", "wanted an e-mail address or a web page"),
            ("seeds: [ftp://a.test/]", "wanted a host, or an address with http:// or https://"),
            ("agent: my robot", "wanted letters, - and _ only"),
            ("allow_addresses: [10.0.0.0/33]", "10.0.0.0/33"),
            ("scope: {include: '('}", "no regular expression"),
        ):
            key = wrong.partition(":")[0]
            lines = [
                line for line in manifest.read_text().splitlines() if line.strip().partition(":")[0] != key
            ]
            at = next(number for number, line in enumerate(lines) if line == "    crawl:")
            (tmp_path / "wrong.yaml").write_text(
                "\n".join([*lines[: at + 1], f"      {wrong}", *lines[at + 1 :]])
            )
            refused = kakehi("check", tmp_path / "wrong.yaml")
            assert refused.code == 2, wrong
            assert said in refused.err
        lines = [line for line in manifest.read_text().splitlines() if "contact" not in line]
        (tmp_path / "wrong.yaml").write_text("\n".join(lines))
        assert "crawl.contact: field required" in kakehi("check", tmp_path / "wrong.yaml").err
        refused = kakehi("run", crawl_manifest(web, [], name="n.yaml"), "--work", tmp_path / "w")
        assert refused.code == 2
        assert "nothing to start at" in refused.err
        assert not web.log


def test_without_scrapy_it_is_said_what_to_install(small, crawl_manifest, kakehi, tmp_path, monkeypatch):
    """When it runs; a plan needs none."""
    monkeypatch.setattr("kakehi.pipeline.stages.crawl.find_spec", lambda _: None)
    with Web(small) as web:
        manifest = crawl_manifest(web, [web.url("a.test")])
        assert kakehi("plan", manifest, "--work", tmp_path / "w").code == 0
        said = kakehi("run", manifest, "--work", tmp_path / "w")
        assert said.code == 3
        assert "crawl: Scrapy is not installed" in said.err
        assert "hint: pip install 'kakehi[crawl]'" in said.err


def test_a_plan_says_what_it_may_take_at_most(small, crawl_manifest, kakehi, tmp_path):
    """How much there is, nobody knows before."""
    with Web(small) as web:
        said = kakehi(
            "plan", crawl_manifest(web, [web.url("a.test")], budget={"pages": 1200}), "--work", tmp_path / "w"
        )
        assert said.code == 0
        assert "crawl web: at most 1,200 requests, 10 GB, 24 h, from 1 addresses" in said.out
        assert not web.log


def test_seeds_come_from_lists_and_sitemaps_too(make, crawl_manifest, kakehi, tmp_path):
    """A list, a sitemap of sitemaps, one packed, one that robots.txt names; what lies outside is counted."""
    with Web({}) as web:

        def sitemap(*urls: str, kind: str = "urlset") -> bytes:
            named = "".join(f"<x><loc>{url}</loc></x>" for url in urls)
            return f'<?xml version="1.0"?><{kind}>{named}</{kind}>'.encode()

        lists = [
            web.url("a.test", "/packed.xml.gz"),
            web.url("a.test", "/self.xml"),
            "http://o.example/s.xml",
        ]
        packed = gzip.compress(sitemap(web.url("a.test", "/1"), "http://o.example/"))
        robots = f"Sitemap: {web.url('b.test', '/map.txt')}\n".encode()
        web.pages.update(
            {
                ("a.test", "/index.xml"): Page(sitemap(*lists, kind="sitemapindex"), "application/xml"),
                ("a.test", "/packed.xml.gz"): Page(packed, "application/gzip"),
                ("a.test", "/self.xml"): Page(sitemap(lists[1], kind="sitemapindex"), "text/xml"),
                ("b.test", "/robots.txt"): Page(robots, "text/plain"),
                ("b.test", "/map.txt"): Page(f"{web.url('b.test', '/2')}\n".encode(), "text/plain"),
                **{
                    (host, path): page(make, path)
                    for host, path in [("a.test", "/1"), ("b.test", "/2"), ("b.test", "/3")]
                },
            }
        )
        make.file(tmp_path / "list.txt", f"# ours\n{web.url('b.test', '/3')}\n")
        more = {"urls": "list.txt", "sitemaps": [web.url("a.test", "/index.xml")]}
        said = kakehi("run", crawl_manifest(web, [], **more), "--work", tmp_path / "w", "--until", "crawl")
        assert said.code == 0, said.err
        found = visits(tmp_path / "w")
        stored = {url for url, row in found.items() if row["outcome"] == "stored"}
        assert stored == {web.url("a.test", "/1"), web.url("b.test", "/2"), web.url("b.test", "/3")}
        assert {row["outcome"] for row in found.values() if row["kind"] == "sitemap"} == {"sitemap"}
    [receipt] = [json.loads(path.read_text()) for path in (tmp_path / "w" / "crawl").rglob("all-*.json")]
    assert receipt["counts"]["asked"] == 3
    assert receipt["counts"]["links/out_of_scope"] == 1


@pytest.mark.parametrize(
    ("budget", "least", "most"),
    [
        ({"pages": 7}, 7, 7),
        ({"pages_per_host": 3}, 6, 6),
        ({"depth": 1}, 20, 20),
        ({"gigabytes": 0.00001}, 5, 40),
        ({"hours": 0.0002}, 2, 39),
    ],
    ids=str,
)
def test_a_crawl_ends_with_its_budget(budget, least, most, crawl_manifest, kakehi, tmp_path):
    """In pages, pages of a host, depth, bytes or time; what is left over is counted."""
    pages = {}
    for host in ("a.test", "b.test"):
        pages[(host, "/")] = Page("".join(f'<a href="/{n}">x</a>' for n in range(9)).encode())
        for n in range(9):
            pages[(host, f"/{n}")] = Page(f'<p>{"x" * 900}<a href="/{n}/deep">x</a>'.encode())
            pages[(host, f"/{n}/deep")] = Page(b"<p>x" * 250)
    with Web(pages, wait_s=0.05) as web:
        seeds = [web.url("a.test"), web.url("b.test")]
        said = kakehi(
            "run", crawl_manifest(web, seeds, budget=budget), "--work", tmp_path / "w", "--until", "crawl"
        )
        assert said.code == 0, said.err
        assert least <= len(web.asked()) <= most
        left = [url for url, row in visits(tmp_path / "w").items() if row["outcome"] == "over_budget"]
        assert not set(left) & web.pages_asked()
        assert bool(left) == ("depth" not in budget)


def test_a_host_that_wants_to_be_left_alone_holds_up_nobody(make, crawl_manifest, kakehi, tmp_path):
    """Its delay of a year is kept; the time of the crawl ends all the same."""
    pages = {
        ("a.test", "/robots.txt"): Page(b"User-agent: *\nCrawl-delay: 31536000\n", "text/plain"),
        ("a.test", "/"): page(make, "a"),
        ("b.test", "/"): page(make, "b", "/1"),
        ("b.test", "/1"): page(make, "b1"),
    }
    with Web(pages) as web:
        seeds = [web.url("a.test"), web.url("b.test")]
        manifest = crawl_manifest(web, seeds, budget={"hours": 0.0005})
        said = kakehi("run", manifest, "--work", tmp_path / "w", "--until", "crawl")
        assert said.code == 0, said.err
        assert [row["outcome"] for row in visits(tmp_path / "w").values()] == [
            "over_budget",
            "stored",
            "stored",
        ]
        assert len([one for one in web.log if one.host == "a.test"]) == 1


@pytest.mark.parametrize("per_host", [1, 3])
def test_requests_are_apart_however_many_are_under_way(per_host, crawl_manifest, kakehi, tmp_path):
    """A fifth of a second between any two to one host; up to three at a time where answers take longer than that."""
    pages = {("a.test", f"/{n}"): Page(b"<p>x") for n in range(4)}
    pages[("a.test", "/")] = Page("".join(f'<a href="/{n}">x</a>' for n in range(4)).encode())
    with Web(pages, wait_s=0.45) as web:
        pace = {"delay_s": 0.2, "max_delay_s": 0.2, "per_host": per_host}
        manifest = crawl_manifest(web, [web.url("a.test")], pace=pace)
        assert kakehi("run", manifest, "--work", tmp_path / "w", "--until", "crawl").code == 0
        spans = sorted((one.start, one.end) for one in web.log)
    assert min(later - earlier for (earlier, _), (later, _) in pairwise(spans)) > 0.18
    at_a_time = [sum(start <= one < end for start, end in spans) for one, _ in spans]
    assert max(at_a_time) == per_host


def test_a_limit_is_of_pages_stored(small, crawl_manifest, kakehi, tmp_path):
    """As for every source: `--limit 2` brings two."""
    with Web(small) as web:
        manifest = crawl_manifest(web, [web.url("a.test"), web.url("b.test")])
        said = kakehi("run", manifest, "--work", tmp_path / "w", "--limit", "2")
        assert said.code == 0, said.err
        assert sum(row["outcome"] == "stored" for row in visits(tmp_path / "w").values()) == 2


def test_pages_by_https_are_fetched_whatever_their_certificate(make, crawl_manifest, kakehi, tmp_path):
    """Also one that nobody has signed and that is of another host: what is fetched is public all the same."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate(tmp_path / "cert.pem"))
    with Web({("a.test", "/"): page(make, "a", "/1"), ("a.test", "/1"): page(make, "b")}) as web:
        web.wrap(tls)
        said = kakehi(
            "run", crawl_manifest(web, [web.url("a.test")]), "--work", tmp_path / "w", "--until", "crawl"
        )
        assert said.code == 0, said.err
        assert {url: row["outcome"] for url, row in visits(tmp_path / "w").items()} == {
            web.url("a.test"): "stored",
            web.url("a.test", "/1"): "stored",
        }


def certificate(path: Path) -> Path:
    """Write a key and a certificate that it signs itself."""
    from cryptography import x509  # noqa: PLC0415 - comes with the extra crawl
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "other.test")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now - dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_crawl_whose_process_dies_goes_on_with_the_next_run(
    small, crawl_manifest, kakehi, tmp_path, monkeypatch
):
    """As where memory is short: a clear error, and nothing lost."""
    with Web(small) as web:
        manifest = crawl_manifest(web, [web.url("a.test"), web.url("b.test")])
        monkeypatch.setattr("kakehi.pipeline.sources.crawl.spider.work", die)
        said = kakehi("run", manifest, "--work", tmp_path / "w")
        assert said.code == 5
        assert "crawl: its process ended with exit code -9" in said.err
        assert "run again to go on from there" in said.err
        monkeypatch.undo()
        assert kakehi("run", manifest, "--work", tmp_path / "w").code == 0


def die(*_: object) -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)
