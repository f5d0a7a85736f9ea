"""How well do a few windows of a text, and its kana, tell what the model makes of 20,000 characters, and at what cost?

    .venv/bin/python bench/language.py 'work/extract/*/*/*.parquet'

The files need a column `text`. The judge is lid.176 itself, on the first 20,000 characters of each text: no truth, but the
most that it can be asked. A time is by CPU, the best of three runs over all texts.
"""

import itertools
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from columns import texts_of

from kakehi.filters.signals import language
from kakehi.filters.signals.script import SCRIPT
from kakehi.pipeline.engines.kernels import SOURCES, forget_stale

ALL, RUNS = 20_000, 3
NEVER = 1.1  # a share of kana that settles nothing
EDGES = (0.1, 0.12, 0.14, 0.15, 0.16, 0.18, 0.2, NEVER)
#: Characters read, in windows of how many.
READ = ((320, 20), (400, 50), (400, 400), (1000, 20), (1000, 50), (1000, 1000))


def main(patterns: list[str]) -> None:
    """Print two tables."""
    forget_stale(SOURCES)
    texts = texts_of(patterns)
    print(f"{len(texts):,} texts\n\n| kana | texts | not Japanese |\n|---|---:|---:|")
    judged, _ = _identify(texts, ALL, ALL)
    at = [signal.name for signal in SCRIPT.signals].index("kana_share")
    kana = SCRIPT.measure(texts)[at].to_numpy(zero_copy_only=False)
    for low, high in itertools.pairwise(EDGES):
        inside = (kana >= low) & (kana < high)
        print(f"| {low} to {min(high, 1)} | {inside.sum():,} | {(judged[inside] != 'ja').sum()} |")
    print("\n| characters | a window | the same | µs a text |\n|---:|---:|---:|---:|")
    for chars, window in READ:
        found, seconds = _identify(texts, chars, window)
        print(f"| {chars} | {window} | {(found == judged).mean():.2%} | {seconds / len(texts) * 1e6:.0f} |")


def _identify(texts: pa.Array, chars: int, window: int) -> tuple[np.ndarray, float]:
    language._WINDOW_CHARS = window  # noqa: SLF001 - for no user to choose
    found, seconds = zip(*_timed(texts, chars), strict=True)
    return found[0], min(seconds)


def _timed(texts: pa.Array, chars: int) -> Iterator[tuple[np.ndarray, float]]:
    for _ in range(1 if chars == ALL else RUNS):
        begun = time.process_time()
        languages, _ = language.measure(texts, chars=chars, kana_settles=NEVER)
        yield np.array(languages.to_pylist()), time.process_time() - begun


if __name__ == "__main__":
    main(sys.argv[1:])
