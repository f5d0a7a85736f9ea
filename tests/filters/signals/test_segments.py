"""Pieces that were there before are told from those that only look like them."""

import numpy as np
import pytest

from kakehi.filters.signals.segments import KINDS, _same, seen


def _filed(pieces, row=0, kind=0, slots=None):
    """File pieces one behind the other; tell of each whether it was there."""
    bytes_ = np.frombuffer(b"".join(pieces), np.uint8)
    slots = np.zeros((4096, 3), np.int64) if slots is None else slots
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    return [
        bool(seen(bytes_, end - len(piece), end, slots, len(slots) - 1, row, kind))
        for piece, end in zip(pieces, ends, strict=True)
    ]


@pytest.mark.parametrize("size", [*range(1, 34), 100])
def test_one_byte_makes_another_piece(size):
    """Whichever byte differs; every piece is found again."""
    piece = bytes(range(33, 33 + min(size, 90))).ljust(size, b"z")
    others = [piece[:i] + b"\xff" + piece[i + 1 :] for i in range(size)]
    pieces = [piece, *others, piece[:-1], piece + b"!"]
    assert not any(_filed(pieces))
    assert _filed([*pieces, *pieces]) == [False] * len(pieces) + [True] * len(pieces)
    for other in (piece, *others):  # equal hashes would not hide it
        both = np.frombuffer(piece + other, np.uint8)
        assert _same(both, np.uint64(0), np.uint64(size), np.uint64(size)) == (other == piece)


def test_blocks_in_another_order_are_another_piece():
    """Eight bytes are read at a time; their order counts."""
    left, right = b"12345678", b"abcdefgh"
    assert not any(_filed([left + right, right + left, left + left, right + right, left, right]))


def test_kinds_and_rows_are_apart():
    """A sentence is no line that was there, and what an earlier text had is forgotten."""
    slots = np.zeros((64, 3), np.int64)
    for row in range(3):
        for kind in range(KINDS):
            assert _filed([b"the same words"], row, kind, slots) == [False]
            assert _filed([b"the same words"], row, kind, slots) == [True]
