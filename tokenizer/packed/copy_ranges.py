"""Copy runs of tokens to where they belong, at the speed of memory."""

import numpy as np
from numba import njit

from kakehi.arrays import AnyN, Int64N

Tokens = AnyN


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
    source = source.view()
    source.flags.writeable = False  # one kernel for arrays of our own and for what Arrow lends
    _move(source, first, lengths, target, to)


@njit(cache=True, nogil=True)
def _move(source: Tokens, first: Int64N, lengths: Int64N, target: Tokens, to: Int64N) -> None:
    # Unsigned places: with signed ones each is looked at for counting from the end, and copying takes four times as long.
    for run in range(len(first)):
        begin, place = np.uint64(first[run]), np.uint64(to[run])
        for token in range(np.uint64(lengths[run])):
            target[place + token] = source[begin + token]
