"""Copy runs of tokens to where they belong, at the speed of memory."""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .indexed import Int64N

Tokens = NDArray[Any]

_DTYPES: Final = ("<u2", "<i4")


def move(source: Tokens, first: Int64N, lengths: Int64N, target: Tokens, to: Int64N) -> None:
    """Copy runs of `source` into `target`.

    Args:
        source: tokens.
        first: int64[n], where each run begins in `source`.
        lengths: int64[n], tokens of each.
        target: of the same dtype.
        to: int64[n], where each run goes.

    Raises:
        ValueError: a run leaves one of the two.
    """
    for name, tokens, begin in (("source", source, first), ("target", target, to)):
        if len(begin) and (begin.min() < 0 or (begin + lengths).max() > len(tokens) or lengths.min() < 0):
            raise ValueError(
                f"move: got runs outside of {name}, wanted all within its {len(tokens):,} tokens"
            )
    _move(source, first, lengths, target, to)


def compile_kernels() -> None:
    """Compile what `move` runs, so that worker processes find it in the cache."""
    for dtype in _DTYPES:
        for source in (np.zeros(1, dtype), np.frombuffer(bytes(4), dtype)):
            move(
                source, np.zeros(1, np.int64), np.ones(1, np.int64), np.zeros(1, dtype), np.zeros(1, np.int64)
            )


@njit(cache=True, nogil=True)
def _move(source: Tokens, first: Int64N, lengths: Int64N, target: Tokens, to: Int64N) -> None:
    for run in range(len(first)):
        begin, place = first[run], to[run]
        for token in range(lengths[run]):
            target[place + token] = source[begin + token]
