"""Fill a frontier for the first time: hosts, addresses, lists, sitemaps, and what an earlier crawl had stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kakehi.pipeline.sources.crawl.frontier import FoundUrl, Frontier, Known
from kakehi.pipeline.sources.crawl.parameters import Job
from kakehi.pipeline.sources.crawl.policy import rank
from kakehi.pipeline.sources.crawl.scope import Bounds, canonical_url

#: Sitemaps come before pages: they name many.
SITEMAP_RANK = -1


def seeds_of(job: Job) -> list[str]:
    """Give the addresses that a crawl starts at, in their one spelling.

    Raises:
        ValueError: something is no address.
    """
    named = [*job.seeds, *(read_urls(job.urls) if job.urls else ())]
    return [_address(seed) for seed in named]


def sitemaps_of(job: Job) -> list[str]:
    """Give the sitemaps that a crawl is told of."""
    return [_address(url) for url in job.sitemaps]


def read_urls(path: Path) -> list[str]:
    """Read a list of addresses, one a line; what stands behind # is a remark."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def seed_frontier(job: Job, frontier: Frontier, bounds: Bounds) -> None:
    """Put into a frontier what it starts with; done once, in one go."""
    with frontier.change():
        if "sown" in frontier.facts():
            return
        frontier.add(FoundUrl(url, "sitemap", 0, 0, SITEMAP_RANK, None) for url in sitemaps_of(job))
        frontier.add(FoundUrl(url, "page", 0, 0, rank(url, neighbour=True), None) for url in seeds_of(job))
        if job.earlier:
            _remember(job.earlier, frontier, bounds, job.budget.depth)
        frontier.note(sown=True)


def _remember(path: Path, frontier: Frontier, bounds: Bounds, depth: int) -> None:
    """Take over what an earlier crawl stored: a page that has not changed names no links when it is asked for again."""
    for row in _stored(path):
        if bounds.refusal(row["url"]) or row["depth"] > depth:
            continue
        frontier.add(
            [FoundUrl(row["url"], "page", row["depth"], 0, rank(row["url"], neighbour=True), row["via"])]
        )
        known = Known(row["etag"], row["modified"], row["digest"], row["original"])
        frontier.know([(row["url"], known)])


def _stored(path: Path) -> Iterator[dict[str, Any]]:
    names = ["url", "depth", "via", "etag", "modified", "digest", "original", "outcome"]
    file = pq.ParquetFile(path)
    if missing := set(names) - set(file.schema_arrow.names):
        raise ValueError(f"{path}: is no table of visits; it lacks {', '.join(sorted(missing))}")
    for batch in file.iter_batches(columns=names):
        chosen = batch.filter(pc.is_in(batch.column("outcome"), pa.array(["stored", "revisit"])))
        yield from chosen.to_pylist()


def _address(seed: str) -> str:
    """Spell an address; a host alone stands for its first page by https."""
    found = canonical_url(seed if "://" in seed else f"https://{seed}/")
    if found is None:
        raise ValueError(f"crawl: {seed!r} is no address; wanted a host, or http:// or https://")
    return found
