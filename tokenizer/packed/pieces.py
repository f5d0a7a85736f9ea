"""Sequences of an `.idx` that are pieces of documents: how long they are, and where rows begin among them.

A sequence begins where a piece does and ends where the next one begins, so that what fills a row belongs to its last
piece; a row without a piece is one sequence. A reader that takes sequences for documents then sees one in each.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from kakehi.arrays import Int64N

from .indexed import Reader

Sequences = Literal["tiles", "pieces"]

_BLOCK: Final = 1 << 20


def sequence_lengths(firsts: Iterable[Int64N], tokens: int, row_tokens: int) -> Iterator[Int64N]:
    """Give the lengths of sequences that are pieces, block by block.

    Args:
        firsts: place of the first token of every piece, rising, int64[n] a block; none goes over the end of a row.
        tokens: of all rows.
        row_tokens: S.
    """
    at = 0
    for block in chain(firsts, [np.array([tokens])]):
        edges = block[np.searchsorted(block, at, side="right") :]
        begun = np.count_nonzero(edges % row_tokens == 0)
        if begun < block[-1] // row_tokens - at // row_tokens:  # some row has no piece
            edges = np.union1d(
                edges, np.arange(at // row_tokens + 1, -(-block[-1] // row_tokens)) * row_tokens
            )
        if len(edges):
            yield np.diff(edges, prepend=at)
            at = int(edges[-1])


class PieceIndex:
    """Where rows begin among the sequences of an `.idx`, if these are pieces.

    Args:
        prefix: path without `.idx`.
        rows: of the file.
        row_tokens: S.

    Raises:
        ValueError: the files are not sound, or some row does not begin with a sequence.
    """

    def __init__(self, prefix: Path, rows: int, row_tokens: int) -> None:
        reader = Reader(prefix)
        self._offsets = reader.offsets
        self._row_bytes = row_tokens * reader.dtype.itemsize
        self.sequences = len(reader.lengths)
        begun = sum(len(found) for found in self._begins(0))
        if begun != rows:
            raise ValueError(
                f"{prefix}.idx: got {begun:,} rows of {row_tokens} tokens that begin with a sequence, wanted {rows:,}"
            )

    def first_of(self, row: int, count: int) -> Int64N:
        """Give the sequences with which `count` rows begin, from a row on, int64[count]; memory is that of these."""
        found, missing = [np.empty(0, np.int64)], count
        for begins in self._begins(bisect_left(self._offsets, row * self._row_bytes)):
            found.append(begins[:missing])
            missing -= len(found[-1])
            if not missing:
                break
        return np.concatenate(found)

    def _begins(self, first: int) -> Iterator[Int64N]:
        """Yield the sequences from `first` on that begin a row, block by block."""
        for start in range(first, self.sequences, _BLOCK):
            yield start + np.flatnonzero(self._offsets[start : start + _BLOCK] % self._row_bytes == 0)


def open_pieces(prefix: Path, about: Mapping[str, Any]) -> PieceIndex | None:
    """Open the index of a packed prefix if its sequences are pieces; raises as that does.

    Args:
        prefix: path without `.idx`.
        about: what `manifest.json` beside it says.
    """
    if about.get("sequences", "tiles") == "tiles":
        return None
    return PieceIndex(prefix, about["binaries"][prefix.name]["rows"], about["sequence_tokens"])
