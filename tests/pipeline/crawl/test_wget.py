"""What is fetched of real pages is what wget fetches within the same bounds, minus what consent forbids."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.crawl.scope import NO_PAGE
from tests.pipeline.crawl.web import Page, Web, real_pages

pytest.importorskip("scrapy", reason="of the extra crawl")

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
