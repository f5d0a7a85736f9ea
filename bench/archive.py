"""Choose rows of an archive's index: time and peak memory of what `plan` and `run` do with it, in a process of their own.

    python bench/archive.py FOLDER [--million 1 5]

The index is made up: as many rows, sorted by URL, over 4 files of the archive for every 1,000 rows (Common Crawl: some
100,000 files of 30,000 records, of which 5 % are Japanese); Common Crawl's types, row groups of a million rows. One row in
twenty is `jpn`. It is asked for these, and for every row, which is more than fits in memory and goes over the disk; as
Parquet, and the first million as CDXJ lines.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kakehi.pipeline.sources.archive.index import Index, Select
from kakehi.pipeline.sources.archive.select import Coalescing, choose, forecast

GROUP = 1_000_000
ASKING = Coalescing(gap_bytes=64 << 10, max_bytes=16 << 20)


def main() -> None:
    """Write each index, ask it, print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--million", type=int, nargs="+", default=[1, 5])
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    for million in arguments.million:
        home = arguments.folder / str(million)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        with spawn.Pool(1) as pool:  # a process begins with its parent's peak
            kinds = pool.apply(written, (home, million))
        for kind, files in kinds.items():
            for languages in (["jpn"], []):
                for doing in (planned, chosen):
                    with spawn.Pool(1) as pool:
                        told = pool.apply(measured, (doing, files, languages, home))
                    print(
                        f"{million} M rows, {kind}, {languages or 'all'}: {doing.__name__} {told}", flush=True
                    )


def written(home: Path, million: int) -> dict[str, list[Path]]:
    """Write an index."""
    paths = [parquet(home / f"{i}.parquet", i, million) for i in range(million)]
    return {"Parquet": paths, **({"CDXJ": [lines(home / "0.cdx.gz", paths[0])]} if million == 1 else {})}


def planned(index: Index, home: Path) -> str:
    """Do what `plan` does."""
    del home
    cost = forecast(index, ASKING, limit=None, budget=None)
    return f"{cost.pages:,} pages, {cost.requests:,} requests, {cost.wire / cost.size:.2f} of their bytes"


def chosen(index: Index, home: Path) -> str:
    """Do what `run` does before it fetches."""
    return f"{choose(index, home / 'chosen.arrow', home / 'buckets'):,} rows"


def measured(doing: Callable[[Index, Path], str], files: list[Path], languages: list[str], home: Path) -> str:
    """Run one of these, and say what it took."""
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu, wall = time.process_time(), time.perf_counter()
    said = doing(Index(files=tuple(files), select=Select(languages=languages)), home)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{said}; {cpu:.1f} s CPU, {wall:.1f} s wall, peak {peak:,.0f} MiB ({base:,.0f} before)"


def parquet(path: Path, seed: int, million: int) -> Path:
    """Write a million rows."""
    draw = np.random.default_rng(seed)
    numbers = np.arange(GROUP) + seed * GROUP
    hosts = [f"www.host-{n // 50}.example.{'jp' if n // 50 % 20 == 0 else 'com'}" for n in numbers.tolist()]
    urls = [
        f"https://{host}/some/path/of/a/page-{n}.html"
        for host, n in zip(hosts, numbers.tolist(), strict=True)
    ]
    archive = draw.integers(0, 4000 * million, GROUP).tolist()
    japanese = draw.random(GROUP) < 0.05
    table = pa.table(
        {
            "url": urls,
            "url_host_name": hosts,
            "url_host_tld": [host.rpartition(".")[2] for host in hosts],
            "fetch_status": pa.array(np.full(GROUP, 200, np.int16)),
            "content_digest": [f"{n * 2654435761 % 2**64:016X}{n:016d}" for n in numbers.tolist()],
            "content_mime_type": ["text/html"] * GROUP,
            "content_mime_detected": ["text/html"] * GROUP,
            "content_languages": ["jpn,eng" if each else "eng" for each in japanese.tolist()],
            "warc_filename": [
                f"crawl-data/CC-MAIN-2026-04/segments/1700000000000.1/warc/CC-{n:08}.warc.gz" for n in archive
            ],
            "warc_record_offset": pa.array(draw.integers(0, 1 << 30, GROUP, dtype=np.int32)),
            "warc_record_length": pa.array(draw.integers(500, 60_000, GROUP, dtype=np.int32)),
        }
    )
    pq.write_table(table, path, row_group_size=GROUP, compression="gzip")  # as Common Crawl packs it
    return path


def lines(path: Path, source: Path) -> Path:
    """Write the same rows as CDXJ lines."""
    with gzip.open(path, "wt", compresslevel=1) as file:
        for batch in pq.ParquetFile(source).iter_batches(1 << 16):
            file.writelines(_lines(batch.to_pylist()))
    return path


def _lines(rows: list[dict[str, object]]) -> Iterator[str]:
    for row in rows:
        told = {
            "url": row["url"],
            "mime": "text/html",
            "mime-detected": "text/html",
            "status": "200",
            "digest": row["content_digest"],
            "length": str(row["warc_record_length"]),
            "offset": str(row["warc_record_offset"]),
            "filename": row["warc_filename"],
            "languages": row["content_languages"],
        }
        yield f"example,host)/ 20260101000000 {json.dumps(told)}\n"


if __name__ == "__main__":
    main()
