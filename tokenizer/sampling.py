"""Choose what a tokenizer learns from: a seeded sample that no order changes, in lines that no trainer skips."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from kakehi.arrays import BoolN, Int64N, UInt64N
from kakehi.splitmix64 import GOLDEN_GAMMA, mixed

#: Shards tell what they hold by so many upper bits of rank: 32 KB a shard, and a 4,096th of all rows left to sort.
_BUCKET_BITS: Final = 12

MAX_LINE_BYTES: Final = 4192
"""SentencePiece's own limit; a longer line is skipped there with nothing but a log line."""

_MARKS: Final = (("。",), ("！", "？", "!", "?"), ("、", "，", "．"), (" ", "\u3000", "\t"))
_ENCODED_MARKS: Final = tuple(tuple(mark.encode() for mark in tier) for tier in _MARKS)


def ranks(ids: pa.Array, seed: int) -> UInt64N:
    """Give every document a pseudo-random rank that depends on its id and the seed alone.

    Args:
        ids: fixed_size_binary(16), no nulls.
        seed: 0 to 2**64 - 1.

    Returns:
        uint64[n], uniform.

    Source: SplitMix64, over both halves of the id.
    """
    if ids.type != pa.binary(16) or ids.null_count:
        raise ValueError(
            f"ids: got {ids.type} with {ids.null_count} nulls, wanted fixed_size_binary[16] with none"
        )
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed: got {seed!r}, wanted 0 to 2**64 - 1")
    words = np.frombuffer(memoryview(ids.buffers()[1] or b""), np.dtype("<u8"))
    halves = words[2 * ids.offset : 2 * (ids.offset + len(ids))].reshape(-1, 2)
    start = _mix(np.array([seed], np.uint64))
    return _mix(halves[:, 1] ^ _mix(halves[:, 0] ^ start))


def choose(ranks: UInt64N, lengths: Int64N, budget_chars: int) -> BoolN:
    """Mark the documents of lowest rank whose lengths together reach the budget, or all if they do not.

    Documents of one rank are taken together, so that neither order nor partition of the rows matters.

    Args:
        ranks: uint64[n].
        lengths: int64[n], characters.
        budget_chars: at least 1.

    Returns:
        bool[n].
    """
    if budget_chars < 1:
        raise ValueError(f"budget_chars: got {budget_chars!r}, wanted at least 1")
    if len(ranks) != len(lengths):
        raise ValueError(f"lengths: got {len(lengths)}, wanted one for each of {len(ranks)} ranks")
    order = np.argsort(ranks)
    reached = np.cumsum(lengths[order]) >= budget_chars
    if not reached.any():
        return np.ones(len(ranks), np.bool_)
    return np.asarray(ranks <= ranks[order[np.argmax(reached)]])


def weigh(ranks: UInt64N, lengths: Int64N) -> Int64N:
    """Add up the lengths of documents by bucket of rank, so that shards can be added up before anything is chosen.

    Args:
        ranks: uint64[n].
        lengths: int64[n], in the unit of the budget.

    Returns:
        int64[4096].
    """
    weights = np.zeros(1 << _BUCKET_BITS, np.int64)
    np.add.at(weights, bucket_of(ranks), lengths)
    return weights


def bucket_of(ranks: UInt64N) -> Int64N:
    """Give the bucket of every rank: 0 to 4095, in the order of ranks."""
    return (ranks >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64)


def bucket_reached(weights: Int64N, budget: int) -> tuple[int, int] | None:
    """Find the bucket in which the budget is reached, and what is left of the budget there; None where it is not."""
    total = np.cumsum(weights)
    bucket = int(np.searchsorted(total, budget))
    return None if bucket == len(weights) else (bucket, budget - int(total[bucket] - weights[bucket]))


def cut_lines(text: str, max_bytes: int = MAX_LINE_BYTES) -> Iterator[str]:
    r"""Yield the non-empty lines of a text, each cut to at most `max_bytes` of UTF-8.

    Joined, the pieces are the text without its newlines.

    Example:
        >>> list(cut_lines("晴れ。雨、雪\n\n風", max_bytes=12))
        ['晴れ。', '雨、雪', '風']
    """
    for line in text.split("\n"):
        if line:
            yield from cut(line, max_bytes)


def cut(text: str, max_bytes: int = MAX_LINE_BYTES) -> Iterator[str]:
    """Yield a text in pieces of at most `max_bytes` of UTF-8, cut where reading pauses longest.

    A cut comes after the last 。 of a piece; without one after ！？!?, then after 、，．, then after a space,
    and else between two characters.
    """
    if max_bytes < 4:
        raise ValueError(f"max_bytes: got {max_bytes!r}, wanted at least 4, the longest character")
    if 4 * len(text) <= max_bytes:
        if text:
            yield text
        return
    encoded = text.encode()
    start = 0
    while len(encoded) - start > max_bytes:
        stop = _cut_before(encoded, start, start + max_bytes)
        yield encoded[start:stop].decode()
        start = stop
    if start < len(encoded):
        yield encoded[start:].decode()


def _cut_before(encoded: bytes, start: int, limit: int) -> int:
    for tier in _ENCODED_MARKS:
        # UTF-8 is self-synchronising: a mark's bytes never match across two characters.
        stop = max(at + len(mark) if (at := encoded.rfind(mark, start, limit)) >= 0 else 0 for mark in tier)
        if stop > start:
            return stop
    while encoded[limit] & 0xC0 == 0x80:
        limit -= 1
    return limit


def _mix(words: UInt64N) -> UInt64N:
    return mixed(words + GOLDEN_GAMMA)
