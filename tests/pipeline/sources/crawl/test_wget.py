"""What is fetched of real pages is what wget fetches within the same bounds, minus what consent forbids."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.sources.crawl.scope import NO_PAGE
from tests.pipeline.sources.crawl.web import Page, Web, real_pages, redirect

pytest.importorskip("scrapy", reason="of the extra crawl")

pytestmark = pytest.mark.slow

ROBOTS = b"User-agent: *\nDisallow: /2.4/ja/mod/mod_c\n"


def fetched_by_wget(web: Web, seeds: list[str], home: Path, *, robots: bool) -> set[str]:
    """Let wget crawl within the same bounds, through the server as its proxy, since names are none of the network's."""
    web.log.clear()
    subprocess.run(
        [
            *("wget", "--quiet", "--recursive", "--level=3", "--span-hosts", "--delete-after", "--no-iri"),
            *("-e", f"robots={'on' if robots else 'off'}", "-e", f"http_proxy=127.0.0.1:{web.port}"),
            f"--domains={','.join(web.hosts())}",
            f"--reject={','.join(f'*.{ending}' for ending in sorted(NO_PAGE))}",
            "--ignore-tags=img,script,form,input,object,embed",
            f"--directory-prefix={home}",
            *seeds,
        ],
        check=False,  # 8: some pages are not there
        timeout=120,
    )
    return web.pages_asked()


WAYS = """\
<a href=/1>x</a> <A HREF='/2#here'>x</A> <a href="/3?a=1&amp;b=2">x</a> <a title="a>b" href="sub/../4">x</a>
<!-- <a href="/not-1">x</a> --> <script>document.write('<a href="/not-2">')</script>
<area href="/5"> <iframe src="/6"></iframe> <link rel="next" href="/7"> <a href="//b.test:{port}/8">x</a>
<meta http-equiv="refresh" content="900; url=/9"> <a href="/10" rel="nofollow">x</a> <a href="mailto:a@b.test">x</a>
<a href="javascript:x()">x</a> <a href="?q=11">x</a> <a href="//c.test:{port}/not-3">x</a> <a href="/12.pdf">x</a>
<a href="/13/">x</a> <a href="/14//x">x</a> <a href="/15%20a">x</a> <a href="/16 b">x</a> <a href="/moved">x</a>
<a href="/based/">x</a> <a href="/nofollow">x</a>
"""


@pytest.mark.skipif(shutil.which("wget") is None, reason="there is no wget here")
def test_wget_finds_its_way_by_the_same_links(crawl_manifest, kakehi, tmp_path):
    """Every way of linking, quoting and hiding; a base, a redirect, a page whose links are not to be followed."""
    with Web({}) as web:
        ok = Page(b"<p>x", "text/html")
        web.pages = {
            ("a.test", path): ok
            for path in ("/1", "/2", "/3?a=1&b=2", "/4", "/5", "/6", "/7", "/9", "/?q=11")
        }
        web.pages |= {
            ("a.test", "/"): Page(WAYS.format(port=web.port).encode(), "text/html"),
            ("a.test", "/based/"): Page(b'<base href="/other/"><a href="17">x</a>', "text/html"),
            ("a.test", "/nofollow"): Page(
                b'<meta name="robots" content="nofollow"><a href="/not-4">x</a>', "text/html"
            ),
            ("a.test", "/moved"): redirect("/18"),
            ("a.test", "/18"): Page(b'<a href="/19">x</a>', "text/html"),
            ("b.test", "/8"): ok,
        }
        seeds = [web.url("a.test"), web.url("b.test", "/8")]
        said = kakehi("run", crawl_manifest(web, seeds), "--work", tmp_path / "w", "--until", "crawl")
        assert said.code == 0, said.err
        ours = web.pages_asked()
        theirs = fetched_by_wget(web, seeds, tmp_path, robots=True)
        # wget takes what a script would write for a link, and does not mind rel=nofollow
        assert theirs - ours == {web.url("a.test", "/not-2"), web.url("a.test", "/10")}
        assert not ours - theirs
    assert len(ours) == 21


@pytest.mark.skipif(shutil.which("wget") is None, reason="there is no wget here")
@pytest.mark.parametrize("robots", [False, True])
def test_wget_fetches_the_same(robots, crawl_manifest, kakehi, tmp_path):
    """From the hosts' first pages, three links deep, all of real pages' links; where a host forbids some, without those."""
    with Web(real_pages()) as web:
        if robots:
            web.pages[("httpd-modules.example", "/robots.txt")] = Page(ROBOTS, "text/plain")
        seeds = [web.url(host) for host in web.hosts()]
        manifest = crawl_manifest(web, seeds, budget={"depth": 3})
        said = kakehi("run", manifest, "--work", tmp_path / "w", "--until", "crawl")
        assert said.code == 0, said.err
        ours = web.pages_asked()
        assert set(Counter((one.host, one.path) for one in web.log).values()) == {1}
        theirs = fetched_by_wget(web, seeds, tmp_path, robots=robots)
    assert ours == theirs
    assert len(ours) > 200
    [path] = (tmp_path / "w" / "crawl").rglob("*.visits.parquet")
    by_rule = [row["url"] for row in pq.read_table(path).to_pylist() if row["outcome"] == "robots_txt"]
    assert all("/2.4/ja/mod/mod_c" in url for url in by_rule)
    assert bool(by_rule) == robots
