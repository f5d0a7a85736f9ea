"""remember: the band keys of what was kept, sorted, so that later runs can be held against it (`against:`)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import Field

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.resources import Estimate, InputVolume
from kakehi.pipeline.engines.shuffle import Part, numbered
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.stages.dedupe import history
from kakehi.pipeline.stages.dedupe.keys import keys_of
from kakehi.pipeline.stages.dedupe.sign import STAGE as SIGN
from kakehi.pipeline.stages.dedupe.signing import read_signed
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.atomic import set_aside
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Counts

_KEYED: Final = np.dtype([("key", "<u8"), ("row", "<u8")])

#: Keys of a file, on average. Never by the machine's memory, for files are the output: these take 120 MB to sort.
_FILE_KEYS: Final = 1 << 21


def remember(
    inputs: Inputs, out: Path, engine: Engine, *, max_bucket: Annotated[int, Field(ge=1, lt=1 << 31)] = 64
) -> Counts:
    """Sort the keys of all documents to which nothing objects.

    Args:
        inputs: documents, keys and verdicts.
        out: folder for `history.json` and the files of keys.
        engine: runs a task for each file.
        max_bucket: of the documents that share a key, no more than so many are found again by it; the first ones.
    """
    if not inputs.shards:
        return {"documents": 0, "keys": 0, "keys_left_out": 0}
    signed = read_signed([shard.paths["keys"][0] for shard in inputs.shards])
    files = -(-sum(inputs.rows) * signed.bands // _FILE_KEYS) or 1
    groups = inputs.groups(signed.bands * _KEYED.itemsize, files)
    shuffles = inputs.shuffles("remember", engine)
    kept = partial(_kept_keys, bands=signed.bands, files=files)
    keyed = shuffles.scatter("keys", groups, kept, numbered(files), _KEYED)
    write = partial(_write, out=out, scratch=inputs.scratch, max_bucket=max_bucket)
    counts = shuffles.gather(keyed.parts, write)
    history.write_history(
        out, signed, SIGN.version, counts, [shard.paths["documents"][0] for shard in inputs.shards]
    )
    left_out = keyed.records - sum(counts)
    return {"documents": keyed.records // signed.bands, "keys": sum(counts), "keys_left_out": left_out}


def _kept_keys(shards: Iterable[ShardTables], *, bands: int, files: int) -> Spread:
    records = np.concatenate([_keys_of(shard, bands) for shard in shards])
    return Spread(records, history.file_of(records["key"], files))


def _keys_of(shard: ShardTables, bands: int) -> Entries:
    """Give the keys of a shard's kept documents, band by band."""
    free = [
        batch.column("kept").to_numpy(zero_copy_only=False) for batch in shard.batches("documents", "verdict")
    ]
    kept = np.flatnonzero(np.concatenate([np.zeros(0, bool), *free]))
    return keys_of(shard, kept, bands=bands, dtype=_KEYED).reshape(-1)


def _write(part: Part, *, out: Path, scratch: Path, max_bucket: int) -> int:
    """Write the file of a range of keys; give how many there are."""
    records = part.read()
    records = records[np.lexsort((records["row"], records["key"]))]
    keys = np.ascontiguousarray(records["key"])
    new = np.flatnonzero(np.diff(keys, prepend=keys[:1] + np.uint64(1)))
    sizes = np.diff(np.append(new, len(keys)))
    records = records[np.arange(len(keys)) - np.repeat(new, sizes) < max_bucket]
    with set_aside(out / f"{part.number}.keys", scratch) as aside:
        history.write_keys(aside, records["key"], records["row"])
    return len(records)


def _estimate(volume: InputVolume) -> Estimate:
    keys = volume.kept * volume.bands
    return Estimate(
        scratch_bytes=keys * _KEYED.itemsize,
        table_bytes=keys * _KEYED.itemsize,
        task_bytes=max(volume.task_bytes(volume.bands * _KEYED.itemsize, 0), 60 * min(_FILE_KEYS, keys)),
        least_bytes=3 * volume.bands * _KEYED.itemsize * max(volume.rows, default=0),
    )


STAGE = Stage(
    run=remember,
    shape="corpus",
    reads=("documents", "keys", "verdict"),
    writes="history",
    version=1,
    estimate=_estimate,
)
