"""Time the fastest parts glued by hand, over the same pages: what bench/stages.py is compared with.

    python3 -m venv peers && peers/bin/pip install 'hojichar[all,dedup]' rensa resiliparse fastwarc sentencepiece
    kakehi run bench/corpus.yaml --until train
    peers/bin/python bench/byhand.py work/train/*/tokenizer.model

Pages lie in memory and results stay there: no reading, no files, no comparing of pairs, no record of what was dropped.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import rensa
import sentencepiece
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hojichar import Compose, Document
from hojichar.filters import document_filters as rules
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

CORPUS = Path(__file__).resolve().parent / "corpus"
EVERY_RULE = {"skip_rejected": False}  # ours measures every document too
NAMES = ("extract", "NFKC", "HojiChar", "rensa", "encode")


def main() -> None:
    """Print CPU seconds per MB of main text, part by part."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pages = [
        record.reader.read()
        for path in sorted(CORPUS.glob("*.warc.gz"))
        for record in ArchiveIterator(path.open("rb"), record_types=WarcRecordType.response)
    ]
    chain, pieces = _chain(), sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
    chain.apply(Document("温めます。" * 50))
    clock = [time.process_time()]
    texts = [
        extract_plain_text(bytes_to_str(page, detect_encoding(page)), main_content=True) for page in pages
    ]
    clock.append(time.process_time())
    texts = [unicodedata.normalize("NFKC", text) for text in texts if text]
    clock.append(time.process_time())
    kept = sum(not chain.apply(Document(text)).is_rejected for text in texts)
    clock.append(time.process_time())
    for text in texts:
        signature = rensa.RMinHash(num_perm=128, seed=42)
        signature.update([text[i : i + 5] for i in range(len(text) - 4)])
        signature.digest()
    clock.append(time.process_time())
    tokens = sum(np.array(pieces.encode(text), np.uint16).size for text in texts)
    clock.append(time.process_time())
    size = sum(len(text.encode()) for text in texts) / 1e6
    costs = [(stop - start) / size for start, stop in itertools.pairwise(clock)]
    print(f"{len(texts):,} documents, {kept:,} accepted, {size:.2f} MB, {tokens:,} tokens")
    parts = ", ".join(f"{name} {cost:.3f}" for name, cost in zip(NAMES, costs, strict=True))
    print(f"{parts}; sum {sum(costs):.3f} CPU seconds per MB of main text")


def _chain() -> Compose:
    """HojiChar's usual Japanese filters."""
    return Compose(
        [
            rules.DocumentLengthFilter(100, 50_000, **EVERY_RULE),
            rules.AcceptJapanese(**EVERY_RULE),
            rules.DiscardRareKuten(**EVERY_RULE),
            rules.DiscardAdultContentJa(**EVERY_RULE),
            rules.DiscardDiscriminationContentJa(**EVERY_RULE),
            rules.DiscardViolenceContentJa(**EVERY_RULE),
            rules.DiscardBBSComments(**EVERY_RULE),
            rules.DiscardAds(**EVERY_RULE),
            rules.CharRepetitionRatioFilter(**EVERY_RULE),
            rules.DiscardTooManyEndingEllipsis(**EVERY_RULE),
            rules.DiscardTooShortLines(**EVERY_RULE),
        ]
    )


if __name__ == "__main__":
    main()
