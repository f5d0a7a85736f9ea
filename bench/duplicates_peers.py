"""What peers of bench/duplicates.py remove from the same documents, and how fast they sign: run by its --peers PYTHON.

    PYTHON bench/duplicates_peers.py TEXTS.json FOLDER

Imports nothing of ours. Prints a JSON line for each peer that is installed: what it kept, and CPU seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

NGRAM = 5


def main() -> None:
    """Run every peer."""
    texts = json.loads(Path(sys.argv[1]).read_bytes())
    folder = Path(sys.argv[2])
    runs = [
        ("datasketch", "affine32 14 × 8, own hash", lambda: datasketch(texts, "affine32")),
        ("rensa", "R 14 × 8", lambda: rensa(texts)),
        ("hojichar", "14 × 8, inline", lambda: hojichar(texts, num_bands=14, band_size=8)),
        ("hojichar", "27 × 18, its default, inline", lambda: hojichar(texts)),
        (
            "datatrove",
            "14 × 8, characters (patched)",
            lambda: datatrove(texts, folder / "c", characters=True),
        ),
        ("datatrove", "14 × 8, its Japanese words", lambda: datatrove(texts, folder / "w", characters=False)),
    ]
    for package, how, run in runs:
        timed(package, how, run)
    for package, how, sign in signers(texts):
        timed(package, how, sign, kind="sign")


def timed(package: str, how: str, run: Callable[[], list[int] | None], kind: str = "kept") -> None:
    """Run one and say what it gave, or why not."""
    said: dict[str, object] = {"kind": kind, "package": package, "how": how}
    try:
        said["version"] = version(package)
        with contextlib.redirect_stderr(io.StringIO()):
            started = time.process_time()
            said["kept"] = run()
            said["seconds"] = time.process_time() - started
    except ImportError as error:
        said["missing"] = str(error)
    print(json.dumps(said), flush=True)


def grams(text: str) -> list[str]:
    """Give the distinct character 5-grams."""
    return list({text[i : i + NGRAM] for i in range(max(1, len(text) - NGRAM + 1))})


def datasketch(texts: list[str], scheme: str) -> list[int]:
    """Keep what meets nothing that was kept."""
    from datasketch import MinHash, MinHashLSH  # noqa: PLC0415 - a peer is looked for where it is asked for

    index, kept = MinHashLSH(params=(14, 8), num_perm=112), []
    for number, text in enumerate(texts):
        one = MinHash(num_perm=112, seed=1, scheme=scheme)
        one.update_batch([gram.encode() for gram in grams(text)])
        if not index.query(one):
            index.insert(number, one)
            kept.append(number)
    return kept


def rensa(texts: list[str]) -> list[int]:
    """Keep what meets nothing that was kept."""
    from rensa import RMinHash, RMinHashLSH  # noqa: PLC0415 - as above

    index, kept = RMinHashLSH(threshold=0.8, num_perm=112, num_bands=14), []
    for number, text in enumerate(texts):
        one = RMinHash(num_perm=112, seed=1)
        one.update(grams(text))
        if not index.query(one):
            index.insert(number, one)
            kept.append(number)
    return kept


def hojichar(texts: list[str], **parameters: int) -> list[int]:
    """Keep what its two filters do not reject."""
    from hojichar import Document  # noqa: PLC0415 - as above
    from hojichar.filters.deduplication import GenerateDedupLSH, InlineDeduplicator  # noqa: PLC0415

    sign, look = GenerateDedupLSH(**parameters), InlineDeduplicator()
    documents = [look.apply(sign.apply(Document(text))) for text in texts]
    return [number for number, document in enumerate(documents) if not document.is_rejected]


def datatrove(texts: list[str], folder: Path, *, characters: bool) -> list[int]:
    """Run its four steps; words, or characters for which it has no tokenizer."""
    from datatrove.data import Document  # noqa: PLC0415 - as above
    from datatrove.pipeline.dedup import minhash  # noqa: PLC0415

    config = minhash.MinhashConfig(n_grams=NGRAM, num_buckets=14, hashes_per_bucket=8)
    sign = minhash.MinhashDedupSignature(str(folder / "signed"), config=config, language="ja")
    if characters:
        sign.word_tokenizer = Characters()
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
    sign.run(iter(documents))
    for bucket in range(14):
        meet = minhash.MinhashDedupBuckets(str(folder / "signed"), str(folder / "pairs"), config=config)
        meet.run(rank=bucket, world_size=14)
    minhash.MinhashDedupCluster(str(folder / "pairs"), str(folder / "gone"), config=config).run()
    kept = minhash.MinhashDedupFilter(str(folder / "gone")).run(iter(documents))
    return [int(document.id) for document in kept]


class Characters:
    """A word tokenizer that gives characters."""

    def word_tokenize(self, text: str) -> list[str]:
        """Cut."""
        return list(text)


def signers(texts: list[str]) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """Give what signs and does nothing else: package, shape, function."""

    def by_datasketch() -> None:
        from datasketch import MinHash  # noqa: PLC0415 - as above

        for text in texts:
            one = MinHash(num_perm=112, seed=1, scheme="affine32")
            one.update_batch([gram.encode() for gram in grams(text)])

    def by_rensa(bands: int, rows: int) -> None:
        from rensa import RMinHash  # noqa: PLC0415 - as above

        for text in texts:
            one = RMinHash(num_perm=bands * rows, seed=1)
            one.update(grams(text))
            struct.pack(f"<{bands * rows}I", *one.digest())

    def by_hojichar() -> None:
        from hojichar import Document  # noqa: PLC0415 - as above
        from hojichar.filters.deduplication import GenerateDedupLSH  # noqa: PLC0415

        sign = GenerateDedupLSH(num_bands=14, band_size=8)
        for text in texts:
            sign.apply(Document(text))

    yield "datasketch", "14 × 8", by_datasketch
    yield "rensa", "14 × 8", lambda: by_rensa(14, 8)
    yield "hojichar", "14 × 8", by_hojichar
    yield "rensa", "40 × 20", lambda: by_rensa(40, 20)


if __name__ == "__main__":
    main()
