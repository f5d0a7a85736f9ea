"""Bring texts to the partitions that compare them, and compare as many at a time as fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from kakehi.arrays import BoolN, Int64N
from kakehi.filters.texts import view
from kakehi.pipeline.engines.shuffle import Part, Scattered, Shuffles
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.storage.schemas import ROW_BITS
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.tables import column_bytes, take_rows

#: A text that is brought: its row, and its bytes.
TEXT: Final = np.dtype([("row", "<i8"), ("size", "<i8")])

_NEEDED: Final = np.dtype([("row", "<i8"), ("partition", "<u4")])

#: Bytes that a byte of text takes while it is compared: itself twice, 4 of shingle, and 12 of the longest text alone,
#: which is little of many.
TEXT_BYTES: Final = 8


#: Bytes on disk of a row that is asked for, and of a text that is brought, beside itself: record, size and digest.
NEEDED_BYTES: Final = _NEEDED.itemsize
BROUGHT_BYTES: Final = TEXT.itemsize + 16

#: Bytes that a byte of text takes while the texts of a row group are read and taken: unpacked, chosen, written.
READ_BYTES: Final = 3

#: Of the bytes of all documents, as many are expected to be compared as make a partition of this many times their size.
EXPECTED: Final = 2


class _Run(NamedTuple):
    """Rows of a shard whose texts a task can hold: the first of them, the end, and the bytes of their texts."""

    shard: ShardTables
    start: int
    stop: int
    bytes: int


def _unheard(_: int) -> None:
    """Nobody asks how many there will be."""


def text_bytes(inputs: Inputs) -> int:
    """Count the bytes of all texts, by the footers of their tables."""
    return sum(run.bytes for run in _runs(inputs))


def mean_text_bytes(inputs: Inputs) -> int:
    """Give the bytes of a text on average."""
    return text_bytes(inputs) // max(1, sum(inputs.rows))


def bring_texts(
    inputs: Inputs,
    shuffles: Shuffles,
    parts: Mapping[str, Part],
    fields: Sequence[str],
    *,
    foreseen: Callable[[int], None] = _unheard,
) -> Scattered:
    """Bring each text to the partitions that need it; every text is read once, in order.

    Args:
        inputs: with the documents.
        shuffles: of the step.
        parts: partitions by name, of records that name rows.
        fields: of these records that are rows.
        foreseen: told, before any is read, how many texts will be brought.

    Returns:
        The same partitions, of `TEXT` and texts, in the order of rows.
    """
    runs = _runs(inputs)
    names = [f"{run.shard.label}, rows {run.start} to {run.stop}" for run in runs]
    first = [(run.shard.ordinal << ROW_BITS) + run.start for run in runs]
    asked = partial(_needed, first=first, fields=tuple(fields))
    needed = shuffles.scatter("needed", parts, asked, names, _NEEDED)
    foreseen(needed.records)
    sources = {name: (run, needed.parts[name]) for name, run in zip(names, runs, strict=True)}
    return shuffles.scatter("texts", sources, _take_texts, list(parts), TEXT, tailed=True)


def texts_of(texts: Part, rows: Int64N) -> pa.LargeStringArray:
    """Read the texts of some rows, which ascend."""
    return texts.tails(partial(_is_of, rows=rows))[1]


def fitting(chosen: Int64N, places: Int64N, weight: Int64N, most: int) -> Iterator[Int64N]:
    """Halve the chosen pairs until the texts they need fit, or one pair is left.

    Args:
        chosen: numbers of pairs, int64[c].
        places: of the texts of every pair, int64[p, k].
        weight: of each text.
        most: that may be held at once.
    """
    if len(chosen) > 1 and weight[np.unique(places[chosen])].sum() > most:
        middle = len(chosen) // 2
        yield from fitting(chosen[:middle], places, weight, most)
        yield from fitting(chosen[middle:], places, weight, most)
    elif len(chosen):
        yield chosen


def _runs(inputs: Inputs) -> list[_Run]:
    """Cut shards between row groups into runs of an eighth of a worker's memory, or one row group."""
    runs: list[_Run] = []
    most = inputs.bytes_per_worker // 8
    for shard in inputs.shards:
        start = stop = filled = 0
        for rows, size in column_bytes(shard.paths["documents"][0], "text"):
            if filled and filled + size > most:
                runs.append(_Run(shard, start, stop, filled))
                start, filled = stop, 0
            stop, filled = stop + rows, filled + size
        runs.append(_Run(shard, start, stop, filled))
    return runs


def _needed(part: Part, *, first: list[int], fields: tuple[str, ...]) -> Spread:
    records = part.read()
    rows = np.unique(np.concatenate([records[name] for name in fields]))
    needed = np.empty(len(rows), _NEEDED)
    needed["row"], needed["partition"] = rows, part.number
    return Spread(needed, np.searchsorted(first, rows, side="right") - 1)


def _take_texts(item: tuple[_Run, Part]) -> Spread:
    run, part = item
    needed = part.read()
    needed = needed[np.lexsort((needed["partition"], needed["row"]))]
    rows, place = np.unique(needed["row"], return_inverse=True)
    found = take_rows(run.shard.paths["documents"][0], "text", rows & ((1 << ROW_BITS) - 1)).cast(
        pa.large_string()
    )
    tails = found.take(pa.array(place)) if len(place) > len(rows) else found
    texts = np.empty(len(needed), TEXT)
    texts["row"], texts["size"] = needed["row"], view(tails).sizes
    return Spread(texts, needed["partition"].astype(np.int64), (int(texts["size"].sum()), 0), tails)


def _is_of(texts: Entries, *, rows: Int64N) -> BoolN:
    return np.isin(texts["row"], rows)
