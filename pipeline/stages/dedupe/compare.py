"""compare: for each document the most similar one that an earlier run kept, measured. Knows no verdicts and no threshold.

The earlier runs are read only: their sorted keys where ours fall, and of their texts those that share a key with one of
ours and are not equal to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from kakehi.arrays import BoolN, Int64N
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.partitions import partitions_for
from kakehi.pipeline.engines.resources import Estimate, InputVolume
from kakehi.pipeline.engines.shuffle import Part, Scattered, Shuffles, numbered, spread_over
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.stages.dedupe.earlier import HIT, MET, Run, best_of, verify
from kakehi.pipeline.stages.dedupe.history import History, file_of, open_history
from kakehi.pipeline.stages.dedupe.keys import KEY_BYTES, estimate_keys, keys_of
from kakehi.pipeline.stages.dedupe.sign import STAGE as SIGN
from kakehi.pipeline.stages.dedupe.signing import Signed, read_signed, refuse_unlike
from kakehi.pipeline.stages.dedupe.texts import (
    BROUGHT_BYTES,
    EXPECTED,
    NEEDED_BYTES,
    bring_texts,
    mean_text_bytes,
    text_bytes,
)
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.atomic import set_aside
from kakehi.pipeline.storage.schemas import HITS, ID, ROW_BITS
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Counts, merge
from kakehi.pipeline.storage.tables import TableWriter

_ASKED: Final = np.dtype([("key", "<u8"), ("row", "<i8")])

#: Of a document's row in the table where a partner is found, and of the partner's URL, about.
_TABLE_BYTES: Final = 40
_URL_BYTES: Final = 60

_COUNTS: Final = ("candidates", "earlier_text_bytes", "pairs_cut", "texts_moved", "text_bytes_moved")


def compare(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    against: Annotated[dict[Annotated[str, Field(pattern=r"^[\w-]+$")], Path], Field(min_length=1)],
    max_bucket: Annotated[int, Field(ge=2, lt=1 << 31)] = 64,
    leaders: Annotated[int, Field(ge=1, lt=1 << 31)] = 16,
) -> Counts:
    """Look up keys in earlier runs and measure the Jaccard similarity to each document found.

    Keys are shuffled by key, so that each page of an earlier run's keys is read once at most. What is found is shuffled
    by the table its text lies in, with our texts beside it.

    Args:
        inputs: keys, groups and documents.
        out: folder for the tables.
        engine: runs a task for each partition.
        against: earlier runs by name: the work folder of each, or the folder of its `remember` step.
        max_bucket: where a key is shared by more documents, of both runs, ours are compared with a few of the others.
        leaders: so many, the first ones; the pairs left out are counted.
    """
    if not inputs.shards:
        return dict.fromkeys(_COUNTS, 0)
    signed = read_signed([shard.paths["keys"][0] for shard in inputs.shards])
    opened = {name: open_history(folder) for name, folder in against.items()}
    for name, history in opened.items():
        refuse_history(name, history, signed)
    runs = tuple(Run(name, history.folder, history.content) for name, history in opened.items())
    shuffles = inputs.shuffles("compare", engine)
    meet = partial(_meet, runs=runs, most=max_bucket, leaders=leaders)
    keyed, met = _candidates(inputs, shuffles, signed, meet)
    mean = mean_text_bytes(inputs)
    texts = bring_texts(
        inputs,
        shuffles,
        met.parts,
        ("row",),
        foreseen=lambda count: inputs.estimate(_estimate_found(keyed.records, met.records, mean, count)),
    )
    shards = inputs.by_label
    verified = shuffles.scatter(
        "hits",
        {name: (part, texts.parts[name]) for name, part in met.parts.items()},
        partial(verify, runs=runs, signed=signed, memory=inputs.bytes_per_worker),
        list(shards),
        HIT,
        tailed=True,
    )
    written = shuffles.gather(
        {name: (shard, verified.parts[name]) for name, shard in shards.items()},
        partial(_write, runs=runs, out=out, scratch=inputs.scratch),
    )
    counted = (*verified.counted, met.counted[0], texts.records, texts.counted[0])
    return merge([dict(zip(_COUNTS, counted, strict=True)), *written])


def refuse_history(name: str, history: History, signed: Signed) -> None:
    """Refuse an earlier run whose keys were made unlike ours.

    Raises:
        DataError: with all that differs.
    """
    ours = {**signed._asdict(), "version of sign": SIGN.version}
    refuse_unlike(f"this run and {name}", ours, {**history.signed._asdict(), "version of sign": history.sign})


def _candidates(
    inputs: Inputs, shuffles: Shuffles, signed: Signed, meet: partial[Spread]
) -> tuple[Scattered, Scattered]:
    """Find the pairs that share a key; those of one table of an earlier run meet in a partition."""
    parts = inputs.partitions(signed.bands * KEY_BYTES)
    groups = inputs.groups(signed.bands * _ASKED.itemsize, parts)
    asked = partial(_asked, bands=signed.bands, parts=parts)
    keyed = shuffles.scatter("keys", groups, asked, numbered(parts), _ASKED)
    compared = max(parts, partitions_for(text_bytes(inputs) * EXPECTED, inputs.bytes_per_worker))
    met = partial(meet, parts=compared)
    return keyed, shuffles.scatter("met", keyed.parts, met, numbered(compared), MET)


def _asked(shards: Iterable[ShardTables], *, bands: int, parts: int) -> Spread:
    records = np.concatenate([_keys_of(shard, bands) for shard in shards])
    return Spread(records, file_of(records["key"], parts))


def _keys_of(shard: ShardTables, bands: int) -> Entries:
    """Give the keys of one document for each text of a shard: equal ones elsewhere ask for themselves."""
    return keys_of(shard, np.unique(_representative(shard)), bands=bands, dtype=_ASKED).reshape(-1)


def _representative(shard: ShardTables) -> Int64N:
    """Give for each row the first of the shard that has its text, int64[n]."""
    _, first, group = np.unique(
        shard.column("groups", "group").to_numpy(), return_index=True, return_inverse=True
    )
    return np.asarray(first[group], np.int64)


def _meet(part: Part, *, runs: tuple[Run, ...], most: int, leaders: int, parts: int) -> Spread:
    asked = part.read()
    asked = asked[np.lexsort((asked["row"], asked["key"]))]
    keys, first, count = np.unique(asked["key"], return_index=True, return_counts=True)
    met, left_out = [np.empty(0, MET)], 0
    for number, run in enumerate(runs):
        for places, found in run.history.look_up(keys):
            there = found.stop - found.start
            taken = np.where(there + count[places] > most, np.minimum(there, leaders), there)
            left_out += int(((there - taken) * count[places]).sum())
            mine, theirs = _crossed(first[places], count[places], found.start, taken)
            pairs = np.empty(len(mine), MET)
            pairs["row"], pairs["run"], pairs["partner"] = asked["row"][mine], number, found.rows[theirs]
            met.append(np.unique(pairs))
    pairs = np.unique(np.concatenate(met))
    table = (pairs["partner"] >> np.uint64(ROW_BITS)).astype(np.int64)
    return Spread(pairs, spread_over(parts, pairs["run"].astype(np.int64), table), (left_out, 0))


def _crossed(start: Int64N, size: Int64N, other: Int64N, others: Int64N) -> tuple[Int64N, Int64N]:
    """Number all pairs of the ranges `start` to `start + size` with the ranges `other` to `other + others`."""
    pairs = size * others
    which = np.repeat(np.arange(len(pairs)), pairs)
    inside = np.arange(len(which)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    return start[which] + inside // others[which], other[which] + inside % others[which]


def _write(item: tuple[ShardTables, Part], *, runs: tuple[Run, ...], out: Path, scratch: Path) -> Counts:
    """Write the table of a shard; what was found for one document holds for all of its text."""
    shard, part = item
    hits, urls = part.tails(_every)
    best = best_of(hits)
    found = np.full(shard.rows, -1, np.int64)
    found[hits["row"][best] & ((1 << ROW_BITS) - 1)] = best
    found = found[_representative(shard)]
    table = _table(hits, urls, runs).take(pa.array(found, mask=found < 0))
    with set_aside(shard.output(out), scratch) as aside, TableWriter(aside, HITS) as writer:
        start = 0
        for batch in shard.batches("documents", columns=("id",)):
            [piece] = table.slice(start, batch.num_rows).combine_chunks().to_batches()
            writer.write(piece)
            start += batch.num_rows
        writer.close(shard.ids)
    return {"rows": shard.rows, "met": int((found >= 0).sum())}


def _every(hits: Entries) -> BoolN:
    return np.ones(len(hits), bool)


def _table(hits: Entries, urls: pa.LargeStringArray, runs: tuple[Run, ...]) -> pa.Table:
    ids = pa.FixedSizeBinaryArray.from_buffers(ID, len(hits), [None, pa.py_buffer(hits["id"].tobytes())])
    return pa.table(
        [
            pa.array(np.ascontiguousarray(hits["similarity"])),
            ids,
            pa.array([run.name for run in runs], pa.string()).take(pa.array(hits["run"].astype(np.int64))),
            pc.if_else(pc.equal(urls, ""), None, urls.cast(pa.string())),
            pa.array(np.ascontiguousarray(hits["partner"])),
        ],
        schema=HITS,
    )


def _estimate(volume: InputVolume) -> Estimate:
    later = "what is found in earlier runs, and the texts of ours that it takes, are estimated once they are found"
    return estimate_keys(volume, volume.documents, _ASKED.itemsize, later)


def _estimate_found(keys: int, pairs: int, mean: int, texts: int) -> Estimate:
    """Estimate again, when it is known how many pairs are to be measured, and how many of our texts that takes."""
    return Estimate(
        scratch_bytes=keys * _ASKED.itemsize
        + pairs * (MET.itemsize + HIT.itemsize + _URL_BYTES)
        + texts * (NEEDED_BYTES + BROUGHT_BYTES + mean),
        table_bytes=texts * _TABLE_BYTES,
        task_bytes=0,
        least_bytes=0,
    )


STAGE = Stage(
    run=compare,
    shape="corpus",
    reads=("documents", "groups", "keys"),
    writes="hits",
    version=1,
    libraries=("numpy",),
    estimate=_estimate,
    only_with="against",
)
