"""Measure pairs with documents of earlier runs: read their tables, table by table, and write nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from kakehi.arrays import Float64N, Int64N
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.texts import view
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.stages.dedupe.history import History, reopen
from kakehi.pipeline.stages.dedupe.signing import Signed, comparable
from kakehi.pipeline.stages.dedupe.texts import TEXT_BYTES, fitting, texts_of
from kakehi.pipeline.storage.schemas import ID, ROW_BITS
from kakehi.pipeline.storage.tables import take_rows

#: One of our rows, and a row of an earlier run with which it shares a key.
MET: Final = np.dtype([("row", "<i8"), ("run", "<u4"), ("partner", "<u8")])

#: The same, measured, with the partner's id.
HIT: Final = np.dtype([*MET.descr, ("similarity", "<f8"), ("id", f"V{ID.byte_width}")])

_IN_RUN: Final = np.uint64((1 << ROW_BITS) - 1)


class Run(NamedTuple):
    """An earlier run: the manifest's name for it, where its history lies and what is in it."""

    name: str
    folder: Path
    content: str

    @property
    def history(self) -> History:
        """Open an earlier run's history, once in every worker."""
        return reopen(self.folder, self.content)


def verify(item: tuple[Part, Part], *, runs: tuple[Run, ...], signed: Signed, memory: int) -> Spread:
    """Measure the pairs of a partition, table by table of the earlier runs; give the best of each of our documents."""
    part, texts = item
    pairs = np.unique(part.read())
    hits = np.zeros(len(pairs), HIT)
    for name in MET.names or ():
        hits[name] = pairs[name]
    hits = hits[_by_table(hits)]
    bytes_read = 0
    for table, mine in _tables(hits, runs):
        hits["similarity"][mine], size = _measure(hits[mine], table, texts, signed, memory)
        bytes_read += size
    best = hits[best_of(hits)]
    best = best[_by_table(best)]
    urls = [pa.array([], pa.large_string())]
    for table, mine in _tables(best, runs):
        rows = _in_table(best[mine])
        best["id"][mine] = np.frombuffer(b"".join(take_rows(table, "id", rows).to_pylist()), HIT["id"])
        urls.append(take_rows(table, "url", rows).cast(pa.large_string()).fill_null(""))
    return Spread(best, best["row"] >> ROW_BITS, (len(hits), bytes_read), pa.concat_arrays(urls))


def _by_table(hits: Entries) -> Int64N:
    return np.lexsort((hits["row"], hits["partner"], hits["run"]))


def _tables(hits: Entries, runs: tuple[Run, ...]) -> Iterator[tuple[Path, slice]]:
    """Name the earlier runs' tables in which the partners of hits lie, which are in that order."""
    table = (hits["partner"] >> np.uint64(ROW_BITS)).astype(np.int64)
    new = np.flatnonzero(
        (np.diff(table, prepend=-1) != 0) | (np.diff(hits["run"].astype(np.int64), prepend=-1) != 0)
    )
    for start, stop in pairwise([*new, len(hits)]):
        yield runs[hits["run"][start]].history.tables[table[start]], slice(start, stop)


def _in_table(hits: Entries) -> Int64N:
    return (hits["partner"] & _IN_RUN).astype(np.int64)


def _measure(hits: Entries, table: Path, texts: Part, signed: Signed, memory: int) -> tuple[Float64N, int]:
    """Measure pairs whose partners are in one table; give similarities, and bytes of their texts."""
    index = texts.read()  # in the order of rows, as they were brought
    places = np.searchsorted(index["row"], hits["row"])
    similarity, bytes_read = np.empty(len(hits)), 0
    weight = 2 * TEXT_BYTES * index["size"]  # a partner is about as long
    for chosen in fitting(np.arange(len(hits)), places[:, None], weight, memory // 2):
        similarity[chosen], size = _similarity(hits[chosen], table, texts, signed)
        bytes_read += size
    return similarity, bytes_read


def _similarity(hits: Entries, table: Path, texts: Part, signed: Signed) -> tuple[Float64N, int]:
    rows, mine = np.unique(hits["row"], return_inverse=True)
    partners, theirs = np.unique(_in_table(hits), return_inverse=True)
    ours = texts_of(texts, rows)
    hashes = [xxhash.xxh3_128_digest(text.as_buffer()) for text in ours]
    known = take_rows(table, "text_hash", partners).to_pylist()
    equal = np.array([hashes[one] == known[other] for one, other in zip(mine, theirs, strict=True)], bool)
    similarity = np.ones(len(hits))
    unlike = np.flatnonzero(~equal)
    wanted, other = np.unique(theirs[unlike], return_inverse=True)
    read = take_rows(table, "text", partners[wanted])
    both = pa.concat_arrays([comparable(column, signed.level) for column in (ours, read)])
    pairs = np.stack([mine[unlike], other + len(ours)], axis=1)
    shared, union = shared_shingles(view(both), pairs, signed.shingling)
    similarity[unlike] = shared / np.maximum(union, 1)
    return similarity, int(view(read).sizes.sum())


def best_of(hits: Entries) -> Int64N:
    """Give the place of the most similar hit of each row; of equal ones that of the run named first, and there the first."""
    order = np.lexsort((hits["partner"], hits["run"], -hits["similarity"], hits["row"]))
    first: Int64N = order[np.diff(hits["row"][order], prepend=-1) != 0]
    return first
