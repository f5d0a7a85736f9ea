"""Measure how well a text compresses: too well means repetition, too badly means noise."""

import zlib
from typing import Final

import numpy as np
import pyarrow as pa

from kakehi.arrays import Int64N
from kakehi.filters.signals.deflate import MOST_BYTES, zlib_sizes
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import share
from kakehi.filters.texts import Texts, view

_KERNEL_LEVEL: Final = 9


def measure(column: pa.Array, *, level: int = 9) -> tuple[pa.Array, ...]:
    """Give the share of its bytes that zlib leaves of every text, compressed by itself.

    Level 9 is a kernel, which counts what zlib would write; the others are zlib.

    Args:
        column: the texts.
        level: of zlib, 1 to 9; LLM-jp's thresholds are for 9.

    Raises:
        ValueError: `level` is not 1 to 9.
    """
    if not 1 <= level <= 9:
        raise ValueError(f"compression: level is {level!r}, wanted 1 to 9")
    texts = view(column)
    counted = level == _KERNEL_LEVEL and texts.sizes.max(initial=0) <= MOST_BYTES
    packed = zlib_sizes(texts) if counted else _by_zlib(texts, level)
    return (pa.array(share(packed, texts.sizes)),)


def _by_zlib(texts: Texts, level: int) -> Int64N:
    """Return int64[n], bytes of zlib's output; 0 for empty texts."""
    packed = [
        len(zlib.compress(texts.bytes_[start:stop].tobytes(), level)) if stop > start else 0
        for start, stop in zip(texts.offsets[:-1], texts.offsets[1:], strict=True)
    ]
    return np.array(packed, np.int64)


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
    version=2,  # 1 was whatever zlib a Python has, at level 9 too
    libraries=("zlib",),
    kernels=("compression",),
)
