"""Time normalisation beside other tools, on one core: MB of UTF-8 per CPU second.

    pip install neologdn habachen jaconv            # each may be missing; its row says so
    python bench/normalise.py                       # the quickstart's pages, repeated
    python bench/normalise.py 'aozora/**/*.txt'     # texts of your own, in any Japanese charset

All rows are measured in one run, round after round, and the best round counts: a shared machine only ever adds time.
Peers get Python strings one by one, which is how they are used; kakehi gets an Arrow column, as in a pipeline. Slow
peers get a part of the texts. habachen has no call for both directions, so its job is two calls: full-width ASCII to
ASCII, then half-width kana to full-width.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from kakehi.filters.decoding.charset import decode
from kakehi.filters.normalisation.normalise import normalise
from kakehi.filters.normalisation.rules import LEVELS
from kakehi.filters.page.html import PageError, main_text
from kakehi.pipeline.engines.kernels import SOURCES, forget_stale
from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Reject

ROOT = Path(__file__).resolve().parent.parent
TEXT_MB = 48  # a batch of the pipeline holds up to 64 MiB
SLOW_MB = 1.0
Job = Callable[[list[str]], object]


def main() -> None:
    """Print a table."""
    forget_stale(SOURCES)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="?", help="pattern of text files, relative to here")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    texts = _repeated(list(_files(arguments.files) if arguments.files else _quickstart()), TEXT_MB)
    few = _cut(texts, SLOW_MB)
    jobs = {f"kakehi, level {level}": (_column_job(texts, level), _size(texts)) for level in LEVELS}
    settled = normalise(pa.array(texts, pa.large_string())).to_pylist()
    jobs["kakehi, level training, of its own result"] = (_column_job(settled, "training"), _size(settled))
    jobs |= {name: (partial(job, texts), _size(texts)) for name, job in _fast_peers().items()}
    jobs |= {name: (partial(job, few), _size(few)) for name, job in _slow_peers().items()}
    print(f"{len(texts):,} texts, {_size(texts):.1f} MB; Python {sys.version.split()[0]}\n")
    print("| job | MB per CPU s, best round | median |\n|---|---:|---:|")
    for name, rates in _rates(jobs, arguments.rounds).items():
        print(f"| {name} | {_short(rates[-1])} | {_short(rates[len(rates) // 2])} |")


def _fast_peers() -> dict[str, Job]:
    found: dict[str, Job] = {"Python's NFC": lambda texts: [unicodedata.normalize("NFC", t) for t in texts]}
    habachen = _module("habachen")
    if habachen:
        narrow, widen = habachen.zen_to_han, habachen.han_to_zen
        found[f"habachen {version('habachen')}, full-width ASCII alone"] = lambda texts: [
            narrow(t, kana=False) for t in texts
        ]
        found[f"habachen {version('habachen')}, kana too"] = lambda texts: [
            widen(narrow(t, kana=False), ascii=False, digit=False) for t in texts
        ]
    return found


def _slow_peers() -> dict[str, Job]:
    found: dict[str, Job] = {"Python's NFKC": lambda texts: [unicodedata.normalize("NFKC", t) for t in texts]}
    for name in ("neologdn", "jaconv"):
        module = _module(name)
        if module:
            found[f"{name} {version(name)}"] = partial(_each, module.normalize)
    return found


def _each(function: Callable[[str], str], texts: list[str]) -> list[str]:
    return [function(text) for text in texts]


def _column_job(texts: list[str], level: str) -> Callable[[], object]:
    return partial(normalise, pa.array(texts, pa.large_string()), level)


def _rates(jobs: dict[str, tuple[Callable[[], object], float]], rounds: int) -> dict[str, list[float]]:
    """Run every job once uncounted, then in turns; return MB per CPU second, sorted."""
    rates: dict[str, list[float]] = {name: [] for name in jobs}
    for round_ in range(rounds + 1):
        for name, (job, size) in jobs.items():
            begin = time.process_time()
            job()
            if round_:
                rates[name].append(size / (time.process_time() - begin))
    return {name: sorted(found) for name, found in rates.items()}


def _module(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed", file=sys.stderr)
        return None


def _quickstart() -> Iterator[str]:
    """Yield the main texts of the quickstart's pages as they are before normalisation."""
    for path in sorted((ROOT / "manifests" / "quickstart" / "warc").iterdir()):
        for record in warc.read(path):
            if not isinstance(record, Reject):
                try:
                    yield main_text(decode(record.body or b"", record.header_charset).text).text
                except PageError:
                    continue


def _files(pattern: str) -> Iterator[str]:
    for path in sorted(Path().glob(pattern)):
        yield decode(path.read_bytes()).text


def _repeated(texts: list[str], megabytes: float) -> list[str]:
    return _cut(texts * (1 + int(megabytes / _size(texts))), megabytes)


def _cut(texts: list[str], megabytes: float) -> list[str]:
    size, kept = 0.0, []
    for text in texts:
        kept.append(text)
        size += len(text.encode()) / 1e6
        if size >= megabytes:
            break
    return kept


def _size(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


if __name__ == "__main__":
    main()
