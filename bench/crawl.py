"""Time a crawl without any delay, of real pages on a server of one's own; and a frontier of a million addresses.

.venv/bin/python bench/crawl.py --hosts 8 --pages 250     # needs the extra crawl
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kakehi.pipeline.sources.crawl.frontier import FoundUrl, Frontier
from kakehi.pipeline.sources.crawl.schedule import Schedule
from tests.pipeline.sources.crawl.web import Page, Web, real_pages

COMMAND = [sys.executable, "-c", "from kakehi.pipeline.cli.main import main; main()"]
MANIFEST = """\
corpus: c
sources:
  web:
    crawl:
      contact: bench@example.org
      seeds: {seeds}
      resolve: {resolve}
      allow_addresses: 127.0.0.0/8
      budget: {{depth: 1}}
      pace: {{delay_s: 0, max_delay_s: 0, hosts: {hosts}}}
    extract: {{language: ja}}
"""


def main() -> None:
    """Print both."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--hosts", type=int, default=8)
    options.add_argument("--pages", type=int, default=250, help="of a host")
    options.add_argument("--addresses", type=int, default=1_000_000, help="in the frontier")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        crawl(Path(home), asked.hosts, asked.pages)
        frontier(Path(home), asked.addresses)


def crawl(home: Path, hosts: int, count: int) -> None:
    """Crawl all pages once; the server runs beside it."""
    real = [page for _, page in sorted(real_pages().items()) if b"<p" in page.body][:100]
    names = [f"h{number}.test" for number in range(hosts)]
    pages = {(name, f"/{number}"): real[number % len(real)] for name in names for number in range(count)}
    index = "".join(f'<a href="/{number}">x</a>' for number in range(count)).encode()
    with Web(pages | {(name, "/"): Page(index) for name in names}) as web:
        seeds, resolve = json.dumps([web.url(name) for name in names]), dict.fromkeys(names, "127.0.0.1")
        manifest = MANIFEST.format(seeds=seeds, resolve=json.dumps(resolve), hosts=hosts)
        (home / "m.yaml").write_text(manifest)
        line = [*COMMAND, "run", str(home / "m.yaml"), "--work", str(home / "w"), "--until", "crawl"]
        subprocess.run(line, check=True, capture_output=True)
        spent = max(one.end for one in web.log) - min(one.start for one in web.log)
        size = sum(path.stat().st_size for path in home.rglob("*.warc.gz"))
    print(
        f"crawl: {len(web.log):,} requests in {spent:.1f} s, {len(web.log) / spent:,.0f} a second, {size / 1e6:.1f} MB"
    )


def frontier(home: Path, count: int) -> None:
    """Fill a frontier, and take from it as a crawl does."""
    rng = random.Random(1)  # noqa: S311 - not for secrets
    opened = Frontier(home / "f.sqlite")
    start = time.perf_counter()
    with opened.change():
        opened.add(
            FoundUrl(f"http://h{n % 10_000}.test/a/path/{n}", "page", n % 7, 0, rng.randrange(5), None)
            for n in range(count)
        )
    print(f"frontier: {count / (time.perf_counter() - start):,.0f} addresses a second are added")
    schedule, visits = Schedule(opened, 1), 20_000
    schedule.offer([host for host, _ in opened.hosts()], 0.0)
    start = time.perf_counter()
    for number in range(visits):
        visit = schedule.next(number * 0.001)
        if visit is not None:
            with opened.change():
                opened.take(visit)
                opened.finish(visit, "stored")
            schedule.rest(visit.host, number * 0.001 + 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"frontier: {visits / (time.perf_counter() - start):,.0f} visits a second, {peak:.0f} MiB at most")
    opened.close()


if __name__ == "__main__":
    main()
