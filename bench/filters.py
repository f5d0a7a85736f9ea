"""Time every family of signals on one core, and in the same run what peers do with the same texts.

    python3 -m venv peers && peers/bin/pip install -e '.[lists]' ahocorasick_rs datatrove spacy sudachipy sudachidict_core
    peers/bin/python bench/filters.py 'work/extract/*/*/*.parquet'
    peers/bin/python bench/filters.py --blocklist ut1/domains texts.parquet

The files need a column `text`. Peers that are not installed are left out. MB is 10^6 bytes of UTF-8; a rate is by CPU time,
the best of three runs over the same texts; datatrove's slow rows take the first 200 texts.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from columns import texts_of

from kakehi.filters.signals import FAMILIES
from kakehi.filters.signals.wordlists import locate, read_words
from kakehi.pipeline.engines.kernels import SOURCES, forget_stale

#: Families that need no model, no list and no URL.
PLAIN = ("script", "lines", "repetition", "swallow", "hojichar")
RUNS = 3
SLOW_TEXTS = 2000
LONG = 30_000  # characters
ADULT = Path("hojichar:adult_keywords_ja")

Row = tuple[str, float]


def main() -> None:
    """Print a table of MB/s."""
    forget_stale(SOURCES)
    arguments = _arguments()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    texts = texts_of(arguments.files)
    size = sum(len(text.encode()) for text in texts.to_pylist())
    print(f"{len(texts):,} texts, {size / 1e6:.2f} MB")
    rows = [*_families(texts), *_lists(texts, arguments.blocklist), *_hojichar(texts), *_datatrove(texts)]
    for name, rate in rows:
        print(f"| {name} | {rate / 1e6:,.3f} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="Parquet files or patterns")
    parser.add_argument("--blocklist", type=Path, help="a file of domains, to time look-ups")
    return parser.parse_args()


def _families(texts: pa.Array) -> Iterable[Row]:
    for name in PLAIN:
        yield name, _measure([name], texts)
    long = pc.greater(pc.utf8_length(texts), LONG)
    for which, some in (("over", texts.filter(long)), ("up to", texts.filter(pc.invert(long)))):
        if len(some):
            yield (
                f"repetition, {len(some):,} texts of {which} {LONG:,} characters",
                _measure(["repetition"], some),
            )
    for names in (PLAIN, (*PLAIN, "compression")):
        yield " + ".join(names), _measure(names, texts)
    yield (
        "zlib itself, level 9",
        _rate(lambda: [len(zlib.compress(text, 9)) for text in _bytes(texts)], texts),
    )
    for name in ("compression", "language"):
        yield name, _measure([name], texts)


def _measure(names: Sequence[str], texts: pa.Array, **options: object) -> float:
    """Time families over one column, as a step does; a new one each time, since `script` knows a column again."""

    def work() -> None:
        column = texts.slice(0)
        for name in names:
            FAMILIES[name].measure(column, **options)

    return _rate(work, texts)


def _bytes(texts: pa.Array) -> Iterable[bytes]:
    return (text.encode() for text in texts.to_pylist())


def _lists(texts: pa.Array, blocklist: Path | None) -> Iterable[Row]:
    """Time one list, guarded and not, against ahocorasick_rs, and 100,000 look-ups of hosts."""
    if blocklist is not None:
        urls = pa.array([f"https://www{i}.example{i % 5000}.co.jp/a/b/c.html" for i in range(100_000)])
        FAMILIES["address"].measure(urls[:1], blocklists={"l": blocklist})
        start = time.process_time()
        FAMILIES["address"].measure(urls, blocklists={"l": blocklist})
        print(f"address: {10 * (time.process_time() - start):.0f} µs a URL")
    try:
        words = read_words(locate(ADULT), normalise="none")
    except ValueError as error:
        print(error)
        return
    for guard in ("script", "none"):
        options = {"words": ADULT, "normalise": "none", "guard": guard}
        name = f"wordlists, {len(words):,} words, guard {guard}"
        yield name, _measure(["wordlists"], texts, **options)
    peer = _import("ahocorasick_rs")
    if peer is not None:
        found = peer.AhoCorasick(words, matchkind=peer.MatchKind.LeftmostLongest)
        plain = texts.to_pylist()
        yield (
            "ahocorasick_rs, the same words, from strings",
            _rate(lambda: [len(found.find_matches_as_indexes(text)) for text in plain], texts),
        )
        yield (
            "ahocorasick_rs, from Arrow",
            _rate(lambda: [len(found.find_matches_as_indexes(text)) for text in texts.to_pylist()], texts),
        )


def _hojichar(texts: pa.Array) -> Iterable[Row]:
    """Time the filters that the rule set hojichar-default stands for, every one on every document."""
    rules = _import("hojichar.filters.document_filters")
    if rules is None:
        return
    core = importlib.import_module("hojichar")
    names = (
        *("DiscardAdultContentJa", "DiscardAdultContentEn", "DiscardDiscriminationContentJa"),
        *(
            "DiscardViolenceContentJa",
            "DiscardBBSComments",
            "DiscardAds",
            "AcceptJapanese",
            "DiscardRareKuten",
        ),
        *("CharRepetitionRatioFilter", "SingleCharacterRepetitionFilter", "DiscardTooManyEndingEllipsis"),
        "DiscardTooShortLines",
    )
    plain = texts.to_pylist()
    chain = core.Compose([getattr(rules, name)(skip_rejected=False) for name in names])
    yield (
        "HojiChar, every filter on every document",
        _rate(lambda: [chain.apply(core.Document(text)) for text in plain], texts),
    )


def _datatrove(texts: pa.Array) -> Iterable[Row]:
    """Time Gopher's and FineWeb's filters with the Japanese tokenizer."""
    filters = _import("datatrove.pipeline.filters")
    if filters is None or _import("spacy") is None:
        return
    documents = importlib.import_module("datatrove.data")
    some = texts.slice(0, SLOW_TEXTS)
    chain = [
        filters.GopherRepetitionFilter(language="jpn_Jpan"),
        filters.GopherQualityFilter(language="jpn_Jpan", stop_words=["の", "に", "を", "は"]),
        filters.FineWebQualityFilter(language="jpn_Jpan"),
    ]
    yield (
        f"datatrove, Gopher and FineWeb, first {SLOW_TEXTS} texts",
        _rate(
            lambda: [f.filter(documents.Document(text, "0")) for text in some.to_pylist() for f in chain],
            some,
            runs=1,
        ),
    )


def _rate(work: Callable[[], object], texts: pa.Array, runs: int = RUNS) -> float:
    """Give bytes of text per CPU second, the best of some runs after one that warms up."""
    work() if runs > 1 else None
    best = float("inf")
    for _ in range(runs):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return sum(len(text.encode()) for text in texts.to_pylist()) / best


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: left out ({error})")
        return None


if __name__ == "__main__":
    main()
