"""Band keys on their way to those who share them: read for some rows of a shard, and what looking them up takes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kakehi.arrays import Int64N
from kakehi.pipeline.engines.resources import Estimate, InputVolume
from kakehi.pipeline.engines.spill import Entries
from kakehi.pipeline.stages.dedupe.texts import READ_BYTES, TEXT_BYTES
from kakehi.pipeline.storage.schemas import rows_of
from kakehi.pipeline.storage.shard_tables import ShardTables

#: Bytes a key takes while its partition is paired. Measured with tracemalloc: 44 where few documents meet, 271 where
#: every one is in a bucket of 64 in all bands, which still fits, as partitions fill half of a worker. One that is looked
#: up in earlier runs takes as much at most: 16 of record, as much again sorted, and what it finds.
KEY_BYTES: Final = 136


def keys_of(shard: ShardTables, places: Int64N, *, bands: int, dtype: np.dtype[Any]) -> Entries:
    """Give the keys of some rows of a shard, with `row` and `key` filled in.

    Args:
        shard: with the keys.
        places: of the rows in the shard.
        bands: keys of a row.
        dtype: of the records.

    Returns:
        Records[bands, n].
    """
    records = np.empty((bands, len(places)), dtype)
    records["row"] = rows_of(shard.ordinal, shard.rows)[places]
    for band in range(bands):
        records["key"][band] = shard.column("keys", f"key_{band}").to_numpy()[places]
    return records


def estimate_keys(volume: InputVolume, documents: int, record_bytes: int, later: str) -> Estimate:
    """Estimate what a shuffle of keys takes, after which texts are compared.

    Args:
        volume: of the inputs.
        documents: whose keys are shuffled.
        record_bytes: of a key.
        later: what is estimated once keys have met, in words.
    """
    keys = documents * volume.bands
    return Estimate(
        scratch_bytes=keys * record_bytes,
        table_bytes=0,
        task_bytes=max(
            volume.task_bytes(volume.bands * record_bytes, keys * KEY_BYTES),
            TEXT_BYTES * volume.largest_bytes,
        ),
        least_bytes=max(
            3 * volume.bands * record_bytes * max(volume.rows, default=0),
            READ_BYTES * volume.largest_bytes,
        ),
        later=later,
    )
