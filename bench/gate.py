"""What the language gate saves and loses: a corpus of which one page in twenty is Japanese, as of the web.

    python3 bench/corpus.py --size medium --mixed
    .venv/bin/python bench/gate.py bench/corpus/*.warc.gz

Of the pages given, all that are not Japanese go into one WARC file, and as many Japanese ones as make the share; member by
member, as they are packed. Cost is CPU seconds on one pinned core for a GB of that file unpacked: inflating it with
fastwarc, reading it as `extract` does, and all of `extract`, with the gate and without. Recall is the share of Japanese
documents that the gate lets pass, where Japanese is what the rule set basic-ja calls so, over *all* pages given.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.compute as pc
from fastwarc.warc import ArchiveIterator

from kakehi.filters.decoding.gate import MIN_KANA
from kakehi.filters.signals import FAMILIES
from kakehi.pipeline.engines.kernels import SOURCES, forget_stale
from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record
from kakehi.pipeline.sources.split import Rows, Split
from kakehi.pipeline.stages.extract import extract
from kakehi.pipeline.storage.shards import InputFile

SHARE = 0.05


def main() -> int:
    """Print what is lost, then what is spent."""
    forget_stale(SOURCES)
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    japanese, passed = set[bytes](), set[bytes]()
    for path in options.files:
        japanese |= set(japanese_ids(rows(path, language=None)))
        passed |= {
            each for part in rows(path, language="ja") for each in part.documents.column("id").to_pylist()
        }
    lost = len(japanese - passed)
    print(
        f"{len(japanese):,} Japanese documents, {lost} of them rejected: recall {1 - lost / len(japanese):.4f}"
    )
    print(f"{len(passed - japanese):,} others pass the gate of {MIN_KANA} kana")
    with tempfile.TemporaryDirectory() as folder:
        mixed = Path(folder) / "mixed.warc.gz"
        pages, unpacked = mix(options.files, mixed)
        print(
            f"{pages:,} pages, {SHARE:.0%} Japanese; {unpacked / 1e6:.0f} MB, packed {mixed.stat().st_size / 1e6:.0f} MB"
        )
        for name, work in {
            "inflate (fastwarc)": lambda: inflate(mixed),
            "read": lambda: exhaust(warc.read(mixed)),
            "extract, gate": lambda: exhaust(rows(mixed, language="ja")),
            "extract, no gate": lambda: exhaust(rows(mixed, language=None)),
        }.items():
            print(f"| {name} | {cpu_seconds(work) / unpacked * 1e9:.1f} CPU s a GB |")
    return 0


def rows(path: Path, *, language: str | None) -> Iterator[Rows]:
    """Extract a file, sampling nothing."""
    split = Split("web", InputFile(name=path.name, path=path, size=1, mtime_ns=1), {}, None)
    return extract(split, language=language, sample_rejects=0, rejects="counts")


def japanese_ids(parts: Iterator[Rows]) -> Iterator[bytes]:
    """Name the documents that basic-ja keeps: language ja, at least 200 characters, a tenth of them kana."""
    for part in parts:
        texts = part.documents.column("text")
        signals = {
            signal.name: column
            for name in ("language", "script")
            for signal, column in zip(FAMILIES[name].signals, FAMILIES[name].measure(texts), strict=True)
        }
        kept = pc.and_(
            pc.and_(
                pc.equal(signals["language"], "ja"),
                pc.greater_equal(part.documents.column("characters"), 200),
            ),
            pc.greater_equal(signals["kana_share"], 0.1),
        )
        yield from part.documents.column("id").filter(kept).to_pylist()


def mix(files: list[Path], target: Path) -> tuple[int, int]:
    """Write the mixed file; return its pages and unpacked bytes of their bodies."""
    others, ours = list[tuple[Path, Record]](), list[tuple[Path, Record]]()
    for path in files:
        passed = {
            place
            for part in rows(path, language="ja")
            for place in part.documents.column("offset").to_pylist()
        }
        for record in warc.read(path):
            if isinstance(record, Record):
                (ours if record.offset in passed else others).append((path, record))
    ours.sort(key=lambda each: hashlib.sha256(str(each[1].url).encode()).digest())
    chosen = others + ours[: round(len(others) * SHARE / (1 - SHARE))]
    chosen.sort(key=lambda each: hashlib.sha256(str(each[1].url).encode()).digest())
    with target.open("wb") as out:
        for path, record in chosen:
            with path.open("rb") as file:
                file.seek(record.offset)
                out.write(file.read(record.length))
    return len(chosen), sum(len(record.body or b"") for _, record in chosen)


def inflate(path: Path) -> None:
    """Unpack every record, and nothing else."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=False):
            record.reader.read()


def exhaust(items: Iterator[object]) -> None:
    """Read to the end."""
    for _ in items:
        pass


def cpu_seconds(work: Callable[[], None]) -> float:
    """Time the best of two runs."""
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


if __name__ == "__main__":
    sys.exit(main())
