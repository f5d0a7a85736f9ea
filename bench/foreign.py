"""Encode manuals of many languages in their old charsets, declare these or others, and see what is read as Japanese.

    .venv/bin/python bench/foreign.py --pages 150

Packages, LibreOffice's help in eight languages, 27 MB, are downloaded and unpacked into `bench/corpus/packages`, as `bench/corpus.py` does. A text counts as passing if the gate of
`extract` with `language: ja` would let it pass. Texts of a page: all of it, 2,000 characters, 200, its title, and 2,000
characters in capitals.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from corpus import HERE, fetch, find_pages

from kakehi.filters.decoding.charset import decode
from kakehi.filters.decoding.decoded import Decoded
from kakehi.filters.decoding.gate import looks_japanese
from kakehi.filters.decoding.labels import codec_of

# Python's codec, and the label that tells of it.
CHARSETS = {
    "ja": (("cp932", "Shift_JIS"), ("euc_jp", "EUC-JP")),
    "zh-cn": (("gbk", "gb2312"), ("gb18030", "gb18030")),
    "zh-tw": (("big5hkscs", "big5"),),
    "ko": (("cp949", "euc-kr"),),
    "ru": (
        ("cp1251", "windows-1251"),
        ("koi8_r", "koi8-r"),
        ("iso8859_5", "iso-8859-5"),
        ("cp866", "ibm866"),
    ),
    "el": (("cp1253", "windows-1253"),),
    "fr": (("cp1252", "iso-8859-1"),),
    "de": (("cp1252", "iso-8859-1"),),
}
FOREIGN = ("gb18030", "euc-kr", "big5", "windows-1251", "iso-8859-1")
MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)


def main() -> int:
    """Print, language by charset by declaration, how many texts are read rightly, as Japanese, and pass the gate."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--pages", type=int, default=150, help="of each language")
    parser.add_argument("--cache", type=Path, default=HERE / "packages")
    options = parser.parse_args()
    fetch(tuple(f"libreoffice-help-{language}" for language in CHARSETS), options.cache)
    print("| language | charset | declared | texts | read with it | wrongly Japanese | pass the gate |")
    print("|---|---|---|---:|---:|---:|---:|")
    for language, charsets in CHARSETS.items():
        texts = list(texts_of(language, options.cache, options.pages))
        for codec, label in charsets:
            others = FOREIGN if language == "ja" else ("iso-8859-1",)
            for declared in dict.fromkeys((label, None, "utf-8", *others)):
                counts = count(texts, codec, label, declared)
                cells = " | ".join(f"{counts[name]:,}" for name in ("texts", "right", "japanese", "passes"))
                print(f"| {language} | {label} | {declared or 'nowhere'} | {cells} |")
    return 0


def texts_of(language: str, cache: Path, wanted: int) -> Iterator[str]:
    """Give whole pages without their declarations, and parts of them, evenly from all over the manual."""
    pages = list(find_pages(f"libreoffice-help-{language}", cache))
    for page in pages[:: max(1, len(pages) // wanted)]:
        whole = re.sub(r"charset=[\w-]+", "", page.read().decode("utf-8", "replace"))
        title = TITLE.search(whole)
        plain = " ".join(html.unescape(MARKUP.sub(" ", whole)).split())
        yield from (whole, plain[:2000], plain[200:400], plain[:2000].upper())
        yield html.unescape(title[1]).strip() if title else ""


def count(texts: list[str], codec: str, label: str, declared: str | None) -> Counter[str]:
    """Read each text that has something outside ASCII in this charset."""
    counts: Counter[str] = Counter()
    for text in texts:
        body = text.encode(codec, "ignore")
        if body.isascii():
            continue
        found = decode(body, declared)
        right = found.codec == codec_of(label)
        counts.update(texts=1, right=right, passes=passes(found, body))
        counts.update(japanese=not right and found.codec in {"cp932", "euc_jp", "iso2022_jp"})
    return counts


def passes(found: Decoded, body: bytes) -> bool:
    """Ask the gate."""
    return looks_japanese(found.utf8(body)) and not found.dubious


if __name__ == "__main__":
    sys.exit(main())
