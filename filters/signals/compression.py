"""Measure how well a text compresses: too well means repetition, too badly means noise."""

import zlib

import numpy as np
import pyarrow as pa

from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import share
from kakehi.filters.texts import view


def measure(column: pa.Array, *, level: int = 9) -> tuple[pa.Array, ...]:
    """Compress every text by itself with zlib.

    A family of its own, for it costs more than any kernel: about 25 MB/s at level 9.

    Args:
        column: the texts.
        level: of zlib, 1 to 9; LLM-jp's thresholds are for 9.

    Raises:
        ValueError: `level` is not 1 to 9.
    """
    if not 1 <= level <= 9:
        raise ValueError(f"compression: level is {level!r}, wanted 1 to 9")
    texts = view(column)
    packed = [
        len(zlib.compress(texts.bytes_[start:stop].tobytes(), level)) if stop > start else 0
        for start, stop in zip(texts.offsets[:-1], texts.offsets[1:], strict=True)
    ]
    return (pa.array(share(np.array(packed, np.int64), texts.sizes)),)


COMPRESSION = Family(
    measure=measure,
    reads=("text",),
    signals=(
        Signal(
            name="compression_ratio",
            dtype=pa.float64(),
            unit="share",
            source="bytes of zlib's output / bytes of the UTF-8 text; short texts compress worse; NaN for empty ones (after LLM-jp corpus v1)",
        ),
    ),
    version=1,
    libraries=("zlib",),
)
