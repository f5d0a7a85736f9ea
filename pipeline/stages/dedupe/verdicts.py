"""What `keep` decided of the rows of a home, as its table has it and receipts count it. Opens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from kakehi.arrays import Float64N, Int8N, Int64N, VoidN
from kakehi.pipeline.storage.schemas import ID, KEEP, ROW_BITS
from kakehi.pipeline.storage.store import Counts

EXACT, NEAR = "dedupe:exact", "dedupe:near"

#: Kinds of rows: what stays, leaves for an equal text, leaves for a similar one, and what something objected to before.
KEPT: Final = 0
LEFT_EXACT: Final = 1
LEFT_NEAR: Final = 2
OBJECTED: Final = 3

#: How many leave for a row, and how many would, had nothing objected to them.
SIZE: Final = np.dtype([("row", "<i8"), ("free", "<i8"), ("objected", "<i8")])


class Decided(NamedTuple):
    """For each row of a home its kind, and the row it leaves for or -1, with its id and their similarity.

    A row to which something objected has what it would leave for.
    """

    kind: Int8N
    partner: Int64N
    id: VoidN
    similarity: Float64N


def count_lost(decided: Decided, objected: Int64N) -> Counts:
    """Count the clusters that end here with nothing kept, and their documents."""
    lost = (decided.kind == OBJECTED) & (decided.partner < 0) & (objected > 0)
    return {"clusters_lost": int(lost.sum()), "clusters_lost_documents": int((objected[lost] + 1).sum())}


def count_left(source: str, sources: Mapping[str, int], kind: Int8N, partner: Int64N) -> Counts:
    """Count what nothing objected to before, and what of it leaves, by the source it leaves for."""
    leave = partner[(kind == LEFT_EXACT) | (kind == LEFT_NEAR)] >> ROW_BITS
    place = np.searchsorted(list(sources.values()), leave, side="right") - 1
    left = np.bincount(place, minlength=len(sources)).tolist()
    counts = {f"left/{source}/{other}": n for other, n in zip(sources, left, strict=True) if n}
    return {f"seen/{source}": int((kind != OBJECTED).sum()), **counts}


def table_of(decided: Decided, stand_for: Int64N) -> pa.Table:
    """Give the table of a home's rows, for each of which so many others leave."""
    kept, none = decided.kind == KEPT, (decided.kind == KEPT) | (decided.kind == OBJECTED)
    ids = pa.FixedSizeBinaryArray.from_buffers(ID, len(none), [None, pa.py_buffer(decided.id.tobytes())])
    place = pa.array(np.arange(len(none)), pa.int64(), mask=none)
    return pa.table(
        [
            pa.array([None, EXACT, NEAR, None], pa.string()).take(pa.array(decided.kind)),
            ids.take(place),
            pa.array(decided.partner.astype(np.uint64), pa.uint64(), mask=none),
            pa.array(decided.similarity, pa.float64(), mask=none),
            pa.array((stand_for + kept).astype(np.uint32)),
        ],
        schema=KEEP,
    )
