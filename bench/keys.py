"""Pair and keep very many documents from synthetic keys: time, peak memory, scratch on disk.

    python bench/keys.py FOLDER [--millions 20] [--bytes-per-worker 4294967296]

Keys are random, but for 10 % of the documents, which are alike in fours and share a third of their bands, and 5 %, which
are in buckets of 20,000 in every band. Texts are some sixty characters. What runs is `pair` and `keep` as the command
runs them, inline, from tables on disk; writing these is not counted.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.kernels import compile_kernels
from kakehi.pipeline.stages.dedupe.keep import keep
from kakehi.pipeline.stages.dedupe.pair import pair
from kakehi.pipeline.stages.dedupe.signing import Signed
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.storage.schemas import GROUPS, ID, ROW_BITS
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.tables import TableWriter

SIGNED = Signed("characters", 5, "training", "affine32", 14, 8, 1)
SHARD = 1_000_000
BATCH = 100_000
BUCKET = 20_000


def main() -> None:
    """Write the tables, run both stages, print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--millions", type=int, default=20)
    parser.add_argument("--bytes-per-worker", type=int, default=4 << 30)
    arguments = parser.parse_args()
    compile_kernels(("pair", "keep"))
    shards = tuple(write_shard(arguments.folder, ordinal) for ordinal in range(arguments.millions))
    out = arguments.folder / "out"
    for stage in (pair, keep):
        inputs = Inputs(
            corpus="keys",
            shards=shards,
            scratch=arguments.folder / f"scratch-{stage.__name__}",
            artifacts={"pairs": out / "pair"},
            bytes_per_worker=arguments.bytes_per_worker,
        )
        shutil.rmtree(inputs.scratch, ignore_errors=True)
        (out / stage.__name__).mkdir(parents=True, exist_ok=True)
        with Watch() as watch:
            wall, cpu = time.perf_counter(), time.process_time()
            counts = stage(inputs, out / stage.__name__, Inline())  # type: ignore[operator]
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(
            f"{stage.__name__}: {wall:,.0f} s wall, {cpu:,.0f} s CPU, peak {watch.peak / 2**20:,.0f} MiB, scratch {size(inputs.scratch) / 1e9:.2f} GB"
        )
        print(f"  {counts}")
        shutil.rmtree(inputs.scratch)


def write_shard(folder: Path, ordinal: int) -> ShardTables:
    """Write the tables of a million documents, if they are not there."""
    tables = ("documents", "groups", "keys", "verdict")
    paths = {name: folder / name / f"{ordinal}.parquet" for name in tables}
    shard = ShardTables(
        source="s", name=str(ordinal), ordinal=ordinal, paths={name: (path,) for name, path in paths.items()}
    )
    if paths["verdict"].exists():
        return shard
    rng = np.random.default_rng(ordinal)
    same = np.random.default_rng(20)
    parts = pa.array(
        ["".join(map(chr, same.integers(0x3041, 0x3096, 20))) for _ in range(1000)], pa.large_string()
    )
    ids = ""
    schemas = {
        "groups": GROUPS,
        "keys": SIGNED.schema(),
        "verdict": pa.schema([pa.field("verdict", pa.string())]),
    }
    first = [ordinal * SHARD + start for start in range(0, SHARD, BATCH)]
    batches = [documents(rng, parts, one + np.arange(BATCH)) for one in first]
    with TableWriter(paths["documents"], batches[0].schema) as writer:
        for batch in batches:
            writer.note_ids(batch.column("id"))
            writer.write(batch)
        ids = writer.close()
    for name, schema in schemas.items():
        with TableWriter(paths[name], schema) as writer:
            for start in range(0, SHARD, BATCH):
                rows = np.arange(start, start + BATCH) + (ordinal << ROW_BITS)
                writer.write(pa.RecordBatch.from_arrays(columns(name, rng, rows, ordinal), schema=schema))
            writer.close(ids)
    return shard


def documents(rng: np.random.Generator, parts: pa.Array, number: np.ndarray) -> pa.RecordBatch:
    """Give texts of three parts, which are those of their block where documents are alike, and ids."""
    block, alike = number // 40, np.isin(number % 20, (1, 2))
    drawn = [np.where(alike, block * step, rng.integers(0, 1000, BATCH)) % 1000 for step in (1, 7, 31)]
    ends = pa.array([chr(0x4E00 + one) for one in (number % 40).tolist()], pa.large_string())
    pieces = [*(parts.take(pa.array(one)) for one in drawn), ends]
    text = pc.binary_join_element_wise(*pieces, pa.scalar("", pa.large_string()))
    ids = pa.FixedSizeBinaryArray.from_buffers(ID, BATCH, [None, pa.py_buffer(rng.bytes(16 * BATCH))])
    characters = pc.cast(pc.utf8_length(text), pa.int64())
    return pa.RecordBatch.from_arrays(
        [ids, text, characters, pa.nulls(BATCH, pa.string())], names=["id", "text", "characters", "fetched"]
    )


def columns(name: str, rng: np.random.Generator, rows: np.ndarray, ordinal: int) -> list[pa.Array]:
    """Give a batch of groups, keys or verdicts; every document is its own group and none has a verdict."""
    if name == "groups":
        return [pa.array(rows.astype(np.uint64)), pa.array(np.ones(BATCH, np.uint32))]
    if name == "verdict":
        return [pa.nulls(BATCH, pa.string())]
    place = rows & ((1 << ROW_BITS) - 1)
    number = place + ordinal * SHARD
    kind = place % 20
    keys = rng.integers(0, 1 << 63, (SIGNED.bands, BATCH)).astype(np.uint64)
    big, few = kind == 0, kind == 1
    for band in range(SIGNED.bands):
        keys[band, big] = number[big] // (20 * BUCKET) * 1000 + band
        if band % 3 == 0:
            # Kind 1 and 2 of four blocks of twenty are alike.
            alike = few | (kind == 2)
            keys[band, alike] = (1 << 40) + number[alike] // 40 * 1000 + band
    return [pa.array(one) for one in keys]


def size(folder: Path) -> int:
    """Add up the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Watch:
    """Watch the peak of this process's memory (Linux: since the mark was reset)."""

    peak = 0

    def __enter__(self) -> Self:
        """Reset the mark."""
        Path("/proc/self/clear_refs").write_text("5")
        return self

    def __exit__(self, *_: object) -> None:
        """Read it."""
        line = next(
            line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
        )
        self.peak = int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
