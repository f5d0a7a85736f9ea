"""Time both extractors, and hold what they keep against books that Debian ships as HTML and as text.

    .venv/bin/pip install -e '.[precise]'
    .venv/bin/python bench/extract.py                  # downloads four packages with apt-get, 4 MB
    .venv/bin/python bench/extract.py --pages 1000 bench/corpus/*.warc.gz      # speed on these pages, too

Recall is the share of the book's text (Japanese letters only, in runs of ten) that the extracted pages hold together;
boilerplate is the share of the extracted runs that the book does not hold: menus, footers, search boxes. The text of a
book has a table of contents that no page has, and the pages have signs that the text lacks: neither share is exact.
CPU seconds on one pinned core, decoding left out.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import trafilatura
from corpus import HERE, fetch
from resiliparse.extract.html2text import extract_plain_text

from kakehi.filters.decoding.charset import decode
from kakehi.filters.page.html import PageError, main_text
from kakehi.pipeline.engines.kernels import SOURCES, forget_stale
from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record

# Package, pages, and the book as one text.
BOOKS = (
    ("debian-reference-ja", "usr/share/debian-reference/*.ja.html", "*/*/debian-reference/*.ja.txt.gz"),
    ("developers-reference-ja", "usr/share/developers-reference/ja/*.html", "*/*/*/ja/*reference.txt.gz"),
    (
        "maint-guide-ja",
        "usr/share/doc/maint-guide-ja/html/*.ja.html",
        "usr/share/doc/*/maint-guide.ja.txt.gz",
    ),
    ("debian-faq-ja", "usr/share/doc/debian/FAQ/ja/*.html", "usr/share/doc/debian/FAQ/debian-faq.ja.txt.gz"),
)
RUN = 10
NOT_JAPANESE = re.compile("[^ぁ-ゖァ-ヺー一-鿿]+")


def main() -> int:
    """Print a table of quality, and one of speed."""
    forget_stale(SOURCES)
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="WARC files to time extraction on")
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--cache", type=Path, default=HERE / "packages")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    fetch(tuple(name for name, *_ in BOOKS), options.cache)
    print("| book | extractor | recall | boilerplate | pages/s | MB/s |")
    timed = {name: pages_and_book(options.cache / name, *globs) for name, *globs in BOOKS}
    for name, (pages, book) in timed.items():
        for extractor, extract in EXTRACTORS.items():
            texts, seconds = run(extract, pages)
            kept = runs("\n".join(texts))
            print(
                f"| {name} | {extractor} | {share(book, kept)} | {share(kept, kept - book)} | {speed(pages, seconds)} |"
            )
    if options.files:
        pages = list(warc_pages(options.files))[: options.pages]
        for extractor, extract in EXTRACTORS.items():
            print(f"| {len(pages):,} pages | {extractor} | | | {speed(pages, run(extract, pages)[1])} |")
    return 0


def pages_and_book(root: Path, html: str, text: str) -> tuple[list[str], set[str]]:
    """Read a book's pages, and the runs of its text."""
    [whole] = root.glob(text)
    return (
        [decode(page.read_bytes()).text for page in sorted(root.glob(html))],
        runs(gzip.decompress(whole.read_bytes()).decode()),
    )


def warc_pages(files: list[Path]) -> Iterator[str]:
    """Decode the pages of WARC files."""
    for path in files:
        for record in warc.read(path):
            if isinstance(record, Record) and record.content_type != "text/plain":
                yield decode(record.body or b"", record.header_charset).text


def runs(text: str) -> set[str]:
    """Cut the Japanese letters of a text into overlapping runs."""
    letters = NOT_JAPANESE.sub("", text)
    return {letters[i : i + RUN] for i in range(len(letters) - RUN + 1)}


def share(whole: set[str], part: set[str]) -> str:
    """Say how much of a set is in another."""
    return f"{len(whole & part) / max(1, len(whole)):.3f}"


def run(extract: Callable[[str], str], pages: list[str]) -> tuple[list[str], float]:
    """Extract every page; return the texts and the CPU seconds."""
    extract(pages[0])
    began = time.process_time()
    texts = [extract(page) for page in pages]
    return texts, time.process_time() - began


def speed(pages: list[str], seconds: float) -> str:
    """Write pages and MB of UTF-8 a second."""
    size = sum(len(page.encode(errors="replace")) for page in pages) / 1e6
    return f"{len(pages) / seconds:,.0f} | {size / seconds:.1f}"


def fast(page: str) -> str:
    """Extract by resiliparse, as the pipeline does."""
    try:
        return main_text(page.encode(errors="replace")).text
    except PageError:
        return ""


def precise(page: str) -> str:
    """Extract by trafilatura, out of what the cut has left."""
    try:
        return main_text(page.encode(errors="replace"), extractor="trafilatura").text
    except PageError:
        return ""


def alone(page: str) -> str:
    """Extract by resiliparse's own rules for main content, without our cut: what we did before."""
    return extract_plain_text(
        page,
        main_content=True,
        list_bullets=False,
        alt_texts=False,
        comments=False,
        skip_elements=["rt", "rp"] if "<rt" in page else None,
    )


def trafilatura_alone(page: str) -> str:
    """Extract by trafilatura out of the whole page."""
    return trafilatura.extract(page, include_comments=False, favor_precision=True) or ""


def everything(page: str) -> str:
    """Write out the whole page: the most that can be kept."""
    return extract_plain_text(page, list_bullets=False, alt_texts=False)


EXTRACTORS: dict[str, Callable[[str], str]] = {
    "cut + resiliparse": fast,
    "cut + trafilatura": precise,
    "resiliparse, main content": alone,
    "trafilatura, precision": trafilatura_alone,
    "the whole page": everything,
}

if __name__ == "__main__":
    sys.exit(main())
