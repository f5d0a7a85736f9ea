"""Encode pages of a corpus in every Japanese charset, declare them rightly, wrongly or not, and read them back.

    python3 bench/corpus.py --size medium
    .venv/bin/python bench/charsets.py bench/corpus/*.warc.gz --pages 500

Beside our ladder stand two readers as they are often written: the header's charset or UTF-8, and the header's, the
`<meta>`'s or UTF-8. A page counts as read if its text is the true one, character by character; ～ and 〜 and the other
pairs that one JIS cell stands for are the same here, since no bytes tell them apart.
"""

from __future__ import annotations

import argparse
import codecs
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from kakehi.filters.decoding.charset import META, decode
from kakehi.filters.decoding.jis import AS_CP932
from kakehi.filters.decoding.labels import codec_of
from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record

LABELS = {
    "utf-8": "UTF-8",
    "cp932": "Shift_JIS",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP",
    "utf-16-le": "UTF-16",
}
DECLARED = ("both right", "header alone", "page alone", "header wrong", "both wrong", "nowhere")
TWINS = str.maketrans(dict(AS_CP932))
DECLARATION = re.compile(r"<meta[^<>]*charset[^<>]*>|<\?xml[^<>]*\?>", re.IGNORECASE)


class Case(NamedTuple):
    """A page as some server would send it."""

    codec: str
    declared: str
    text: str
    body: bytes
    header: str | None


def main() -> int:
    """Print, codec by declaration, how many pages each reader loses."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    seen: Counter[tuple[str, str]] = Counter()
    lost: Counter[tuple[str, str, str]] = Counter()
    for page in sorted(pages(options.files), key=lambda text: digest(options.seed, text))[: options.pages]:
        for case in cases(page, options.seed):
            seen[case.codec, case.declared] += 1
            for name, reader in READERS.items():
                lost[name, case.codec, case.declared] += reader(case).translate(TWINS) != case.text.translate(
                    TWINS
                )
    print(f"| codec | declared | pages | lost by {' | '.join(READERS)} |")
    for (codec, declared), count in seen.items():
        cells = (f"{lost[name, codec, declared]:,}" for name in READERS)
        print(f"| {codec} | {declared} | {count:,} | {' | '.join(cells)} |")
    return 0


def digest(*parts: str) -> bytes:
    """Draw by hash."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).digest()


def pages(files: list[Path]) -> Iterator[str]:
    """Give the Japanese pages in UTF-8, without their declarations."""
    for path in files:
        for record in warc.read(path):
            if isinstance(record, Record) and b"\x1b" not in (record.body or b""):
                try:
                    text = (record.body or b"").removeprefix(codecs.BOM_UTF8).decode()
                except UnicodeDecodeError:
                    continue
                if len(re.findall("[ぁ-ゖァ-ヺ]", text)) >= 50:
                    yield DECLARATION.sub("", text)


def cases(page: str, seed: str) -> Iterator[Case]:
    """Encode and declare one page in all ways; what a codec lacks becomes a reference, as browsers send it."""
    for codec, label in LABELS.items():
        wrong = [other for other in (*LABELS.values(), "ISO-8859-1") if other != label]
        lie = wrong[digest(seed, page, codec)[0] % len(wrong)]
        for declared in DECLARED:
            header = {"both right": label, "header alone": label, "header wrong": lie, "both wrong": lie}
            meta = {"both right": label, "page alone": label, "header wrong": label, "both wrong": lie}
            text = f"<meta charset={meta[declared]}>{page}" if declared in meta else page
            body = encoded(text, codec)
            yield Case(codec, declared, body.decode(PYTHON.get(codec, codec)), body, header.get(declared))


PYTHON = {"iso2022_jp": "iso2022_jp_ext"}


def encoded(text: str, codec: str) -> bytes:
    """Write a page in a codec; of two characters of one JIS cell that which it has."""
    if codec in {"euc_jp", "iso2022_jp"}:
        text = text.translate({ord(wide): narrow for narrow, wide in AS_CP932})
    elif codec == "cp932":
        text = text.translate(TWINS)
    return text.encode(PYTHON.get(codec, codec), "xmlcharrefreplace")


def ours(case: Case) -> str:
    """Read by the ladder."""
    return decode(case.body, case.header).text


def header_or_utf8(case: Case) -> str:
    """Believe the header."""
    return believed(case.body, codec_of(case.header or ""))


def header_meta_or_utf8(case: Case) -> str:
    """Believe the header, then the page."""
    meta = META.search(case.body, 0, 1024)
    return believed(case.body, codec_of(case.header or "") or (codec_of(meta[1].decode()) if meta else None))


def believed(body: bytes, codec: str | None) -> str:
    """Decode without a second look."""
    return body.decode({"utf_16": "utf-16-le"}.get(codec or "", codec or "utf-8"), "replace")


READERS: dict[str, Callable[[Case], str]] = {
    "kakehi": ours,
    "header or UTF-8": header_or_utf8,
    "header, page or UTF-8": header_meta_or_utf8,
}

if __name__ == "__main__":
    sys.exit(main())
