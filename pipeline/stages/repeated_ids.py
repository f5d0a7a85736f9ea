"""Ids that several documents have, as counts in receipts and as words.

An id hashes its source's name, so it repeats inside a source only: where files number their rows from 0 each, or one file
lies there twice. Counts are `repeated_ids` (ids that several documents have, 0 where all differ),
`repeated_ids/SOURCE` (documents that have such an id), and `repeated_id/SOURCE/ID` (those of one of them, as an example).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from kakehi.arrays import Int64N
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.engines.spill import Entries
from kakehi.pipeline.stages.inputs import Inputs, StepSummary
from kakehi.pipeline.stages.row_hashes import HASHED, equal_hashes, scatter_hashes
from kakehi.pipeline.storage.schemas import ROW_BITS
from kakehi.pipeline.storage.store import Counts, merge

_IDS: Final = "repeated_ids"
_DOCUMENTS: Final = "repeated_ids/"
_EXAMPLE: Final = "repeated_id/"

#: Bytes a row takes while its partition is looked through: 24 of record, as much sorted, and the rest of the sort.
_ROW_BYTES: Final = 72

#: Bytes of scratch that a document takes.
SCRATCH_BYTES: Final = HASHED.itemsize


def count_repeated_ids(inputs: Inputs, stage: str, engine: Engine) -> Counts:
    """Count ids that several documents of a source have; ids are shuffled, no text is read.

    Args:
        inputs: with documents.
        stage: for messages.
        engine: runs the tasks.
    """
    parts = inputs.partitions(_ROW_BYTES)
    groups = inputs.groups(HASHED.itemsize, parts)
    shuffles = inputs.shuffles(stage, engine)
    scattered = scatter_hashes(shuffles, "id", groups, parts)
    counted = shuffles.gather(scattered.parts, partial(_count, first_ordinals=inputs.first_ordinals))
    return _with_one_example(merge([{_IDS: 0}, *counted]))


def describe_repeated_ids(counts: Mapping[str, int]) -> list[str]:
    """Say of each source with repeated ids how many documents have one, name one, and say how it comes."""
    examples = {
        key.removeprefix(_EXAMPLE).rpartition("/")[0]: (key.rpartition("/")[2], number)
        for key, number in counts.items()
        if key.startswith(_EXAMPLE)
    }
    return [
        f"source {source!r}: {counts[_DOCUMENTS + source]:,} documents share their id with others "
        f"({number:,} have {one}; `kakehi explain` shows them): files number their records from 0 each, "
        "or a file is there twice"
        for source, (one, number) in sorted(examples.items())
    ]


def warn_of_repeated_ids(steps: Sequence[StepSummary]) -> list[str]:
    """Say once what several steps may have counted of repeated ids."""
    every = [
        line for step in steps for receipt in step.receipts for line in describe_repeated_ids(receipt.counts)
    ]
    return list(dict.fromkeys(every))


def are_ids_counted(steps: Sequence[StepSummary]) -> bool:
    """Tell whether a step's receipt says how many ids repeat; those of older versions do not."""
    return any(_IDS in receipt.counts for step in steps for receipt in step.receipts)


def _count(part: Part, *, first_ordinals: Mapping[str, int]) -> Counts:
    rows, start, length = equal_hashes(part.read())
    start, length = start[length > 1], length[length > 1]
    ordinals = (rows["row"][start] >> np.uint64(ROW_BITS)).astype(np.int64)
    owner = np.searchsorted(list(first_ordinals.values()), ordinals, side="right") - 1
    counts = {_IDS: len(start)}
    for number, source in enumerate(first_ordinals):
        if (owner == number).any():
            counts |= _count_source(source, rows, start[owner == number], length[owner == number])
    return counts


def _count_source(source: str, rows: Entries, start: Int64N, length: Int64N) -> Counts:
    words = np.stack([rows[name][start] for name in ("high", "low")], axis=1)
    at = np.lexsort(words.byteswap().T[::-1])[0]  # as the ids' bytes, so their hexadecimal digits, are sorted
    example = words[at].tobytes().hex()
    return {f"{_DOCUMENTS}{source}": int(length.sum()), f"{_EXAMPLE}{source}/{example}": int(length[at])}


def _with_one_example(counts: Counts) -> Counts:
    """Keep each source's lowest id, so that nothing depends on the number of partitions."""
    examples = sorted((key for key in counts if key.startswith(_EXAMPLE)), reverse=True)
    lowest = {key.rpartition("/")[0]: key for key in examples}.values()
    return {key: number for key, number in counts.items() if not key.startswith(_EXAMPLE) or key in lowest}
