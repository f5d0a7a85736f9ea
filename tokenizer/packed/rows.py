"""Rows of exactly S tokens out of documents: which piece of which document goes into which row, and where. Pure.

Planned once from how many pieces there are of each length, assigned anywhere by arithmetic. Best fit cuts only
documents longer than S; concatenation cuts whatever lies across the end of a row.

Source: Ding et al., Fewer Truncations Improve Language Modeling (ICML 2024); the form over counts is our own, held to
the plain algorithm by tests/tokenizer/packed/test_rows.py.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from kakehi.arrays import Int64N, UInt64N
from kakehi.splitmix64 import mixed

from .permutation import key_of, permuted

Packing = Literal["best-fit", "concat"]


class Pieces(NamedTuple):
    """Pieces of documents, in the order of the documents.

    Args:
        document: int64[p], place of the document it is of.
        start: int64[p], its first token's number in the document.
        length: int64[p], tokens, 1 to S.
        row: int64[p], of the plan.
        order: uint64[p], a row's pieces stand in this order.
    """

    document: Int64N
    start: Int64N
    length: Int64N
    row: Int64N
    order: UInt64N


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """Rows of one source in one epoch.

    Args:
        packing: how.
        sequence_tokens: S.
        rows: how many there are; pieces that are placed behind these are end marks alone, and left out.
        tokens: of all documents.
        counts: int64[S + 1], pieces of each length.
        key: of this epoch's shuffles.
        operations: of best fit, by piece: see `_Operations`.
    """

    packing: Packing
    sequence_tokens: int
    rows: int
    tokens: int
    counts: Int64N
    key: int
    operations: "_Operations | None" = None

    def again(self, seed: int, name: str, epoch: int) -> "RowPlan":
        """Plan another epoch: as many rows of as many pieces of each length, but other pieces."""
        return replace(self, key=_key(seed, name, epoch))

    def place(self, lengths: Int64N, before: Int64N) -> Pieces:
        """Give the pieces of some documents and their places.

        Args:
            lengths: int64[n], tokens of each document; 0 gives no piece.
            before: int64[S + 1], pieces of each length in the parts of the source in front of this one.
        """
        if self.operations is None:
            return _concatenated(lengths, _tokens(before), self.sequence_tokens, self.key)
        return _best_fitted(self, self.operations, lengths, before)


class _Operations(NamedTuple):
    """Which rows the pieces of a length go to, longest first: int64[k] each.

    Args:
        piece: number of the first piece, counted from the longest.
        row: the first row.
        each: pieces a row.
        used: tokens that are in these rows already.
        base: int64[S + 1], number of the first piece of a length.
    """

    piece: Int64N
    row: Int64N
    each: Int64N
    used: Int64N
    base: Int64N


def count_pieces(lengths: Int64N, sequence_tokens: int) -> Int64N:
    """Count pieces of each length, int64[S + 1], when only documents longer than S are cut."""
    counts = np.bincount(lengths % sequence_tokens, minlength=sequence_tokens + 1).astype(np.int64)
    counts[0] = 0
    counts[sequence_tokens] = int((lengths // sequence_tokens).sum())
    return counts


def plan_rows(counts: Int64N, *, packing: Packing, seed: int, name: str, epoch: int = 0) -> RowPlan:
    """Plan the rows of one source from its piece counts.

    Args:
        counts: int64[S + 1], of `count_pieces`, summed over the source.
        packing: `best-fit` or `concat`.
        seed: of the corpus.
        name: of the source; its order is its own.
        epoch: from 0; each has another order, and so other rows.
    """
    size = len(counts) - 1
    tokens = _tokens(counts)
    # A row of end marks alone is no loss at all under `--eod-mask-loss`, and some readers divide by it.
    operations, rows = _best_fit(counts) if packing == "best-fit" else (None, -((1 - tokens) // size))
    return RowPlan(
        packing=packing,
        sequence_tokens=size,
        rows=rows,
        tokens=tokens,
        counts=counts,
        key=_key(seed, name, epoch),
        operations=operations,
    )


def count_cut(lengths: Int64N, before: Int64N, *, packing: Packing, key: int) -> int:
    """Count the documents that a packing cuts; arguments as in `RowPlan.place`."""
    size = len(before) - 1
    if packing == "best-fit":
        return int((lengths > size).sum())
    first = _stream(lengths, _tokens(before), key)
    return int(((lengths > 0) & (first // size != (first + lengths - 1) // size)).sum())


def _key(seed: int, name: str, epoch: int) -> int:
    return key_of(seed, "pack", name, epoch)


def _tokens(counts: Int64N) -> int:
    return int(counts @ np.arange(len(counts)))


def _best_fit(counts: Int64N) -> tuple[_Operations, int]:
    """Best-fit decreasing over intervals of equal rows: some thousand steps, whatever the number of documents.

    The rows are those that hold more than pieces of one token, which are end marks.
    """
    size = len(counts) - 1
    free: list[list[tuple[int, int]]] = [[] for _ in range(size + 1)]
    filled = 0  # bit r: some row has r tokens left
    done: list[tuple[int, int, int, int]] = []
    base = np.zeros(size + 1, np.int64)
    rows = piece = told = 0

    def put(room: int, first: int, end: int) -> None:
        nonlocal filled
        if room and first < end:
            free[room].append((first, end))
            filled |= 1 << room

    for length in range(size, 0, -1):
        base[length] = piece
        left = int(counts[length])
        told = rows if length == 1 else told
        while left:
            if above := filled >> length:
                room = length + (above & -above).bit_length() - 1
                first, end = free[room].pop()
                filled ^= (not free[room]) << room
            else:
                room, first = size, rows
                rows = end = rows + -(-left // (size // length))
            each = room // length  # best fit puts the next piece into the row it has just used, while it fits
            whole = min(end - first, left // each)
            for count, per_row in ((whole, each), (1, left - whole * each if first + whole < end else 0)):
                if count and 0 < per_row <= each and left:
                    done.append((piece, first, per_row, size - room))
                    piece, left = piece + count * per_row, left - count * per_row
                    put(room - per_row * length, first, first + count)
                    first += count
            put(room, first, end)
    columns = np.array(done, np.int64).reshape(-1, 4).T
    piece_number, first_row, each_row, used = columns
    return _Operations(piece_number, first_row, each_row, used, base), told


def _best_fitted(plan: RowPlan, planned: _Operations, lengths: Int64N, before: Int64N) -> Pieces:
    document, start, length = _cut(lengths, plan.sequence_tokens)
    # By length, so that what is looked up lies together: 2 million documents in 3.1 s, against 4.2 s in their order.
    by_length = _by_length(length)
    ordered = length[by_length]
    counted = np.bincount(ordered, minlength=len(before))
    number = np.arange(len(ordered)) + (before - (np.cumsum(counted) - counted))[ordered]
    # Neighbours in the corpus are of one length often enough to meet in one row.
    keys = mixed(np.arange(len(before), dtype=np.uint64) + np.uint64(plan.key))[ordered]
    shuffled = permuted(number.astype(np.uint64), plan.counts[ordered].astype(np.uint64), keys)
    piece = planned.base[ordered] + shuffled.astype(np.int64)
    at = np.searchsorted(planned.piece, piece, side="right") - 1
    down, across = np.divmod(piece - planned.piece[at], planned.each[at])
    row = np.empty_like(piece)
    slot = np.empty_like(piece)
    row[by_length] = planned.row[at] + down
    slot[by_length] = planned.used[at] + across * ordered
    order = mixed((row * plan.sequence_tokens + slot).astype(np.uint64) ^ np.uint64(plan.key))
    return Pieces(document, start, length, row, order)


def _concatenated(lengths: Int64N, before: int, size: int, key: int) -> Pieces:
    first = _stream(lengths, before, key)
    head = np.minimum(-first % size, lengths)  # up to the end of the row it begins in
    rest = lengths - head
    more = -(-rest // size)
    count = (head > 0).astype(np.int64) + more
    document = np.repeat(np.arange(len(lengths)), count)
    number = np.arange(len(document)) - np.repeat(np.cumsum(count) - count, count)
    start = np.maximum(0, head[document] + (number - (head > 0)[document]) * size)
    stop = np.minimum(lengths[document], head[document] + (number + 1 - (head > 0)[document]) * size)
    at = first[document] + start
    return Pieces(document, start, stop - start, at // size, (at % size).astype(np.uint64))


def _stream(lengths: Int64N, before: int, key: int) -> Int64N:
    """Shuffle documents inside their part and lay them end to end; give the place of each."""
    rank = mixed(np.arange(len(lengths), dtype=np.uint64) ^ np.uint64(key))
    order = np.argsort(rank, kind="stable")
    first = np.empty(len(lengths), np.int64)
    first[order] = before + np.cumsum(lengths[order]) - lengths[order]
    return first


def _cut(lengths: Int64N, size: int) -> tuple[Int64N, Int64N, Int64N]:
    count = -(-lengths // size)
    document = np.repeat(np.arange(len(lengths)), count)
    start = (np.arange(len(document)) - np.repeat(np.cumsum(count) - count, count)) * size
    return document, start, np.minimum(lengths[document] - start, size)


def _by_length(length: Int64N) -> Int64N:
    """Sort pieces by length, those of one length in their order."""
    # numpy sorts 16-bit numbers by radix, wider ones by merging.
    narrow = np.uint16 if length.max(initial=0) < 1 << 16 else np.int64
    return np.argsort(length.astype(narrow), kind="stable")
