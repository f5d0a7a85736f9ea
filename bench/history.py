"""Hold a month against histories of growing length: time and bytes of `compare`, beside `remember` of the history.

    python bench/history.py FOLDER [--month 50000] [--thousands 250 1000 4000]

Keys are random (14 x 8). Of the month's documents a tenth are equal to one of the history and a tenth are one with a
character more that shares a third of its keys. Texts are some sixty characters. `compare` runs as the command runs it,
inline, and twice: first with files that were just written, and again.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import xxhash

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.kernels import compile_kernels
from kakehi.pipeline.stages.dedupe.compare import compare
from kakehi.pipeline.stages.dedupe.remember import remember
from kakehi.pipeline.stages.dedupe.signing import Signed
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.storage.schemas import GROUPS, ID, Table, rows_of
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Receipt, Store
from kakehi.pipeline.storage.tables import TableWriter

SIGNED = Signed("characters", 5, "training", "affine32", 14, 8, 1)
SHARD = 250_000
BATCH = 25_000


def main() -> None:
    """Write histories, hold the month against each, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--month", type=int, default=50_000)
    parser.add_argument("--thousands", type=int, nargs="+", default=[250, 1000, 4000])
    arguments = parser.parse_args()
    compile_kernels()
    for thousands in arguments.thousands:
        home = arguments.folder / str(thousands)
        shutil.rmtree(home, ignore_errors=True)
        old = [write(home, f"old-{i}", i, *drawn(i, SHARD)) for i in range(thousands * 1000 // SHARD)]
        store = Store(home)
        attempt, began = store.attempt(), time.process_time()
        counts = remember(inputs_of(home, old), attempt, Inline())
        remember_s = time.process_time() - began
        store.publish(attempt, Receipt(step="remember", source=None, shard=None, address="0" * 16))
        month = write(home, "new", 0, *like(arguments.month, len(old)))
        for time_of in ("first", "again"):
            out, wall, cpu = home / time_of, time.perf_counter(), time.process_time()
            found = compare(inputs_of(home, [month]), out, Inline(), against={"old": home})
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(
                f"history of {thousands:,} thousand ({counts['keys']:,} keys, remembered in {remember_s:.1f} s CPU): "
                f"compare {time_of} {cpu:.2f} s CPU, {wall:.2f} s wall; {found}"
            )


def inputs_of(home: Path, shards: list[ShardTables]) -> Inputs:
    """Give what a corpus stage reads, with an empty scratch."""
    shutil.rmtree(home / "scratch", ignore_errors=True)
    return Inputs(corpus="c", shards=tuple(shards), scratch=home / "scratch")


def drawn(seed: int, count: int) -> tuple[list[str], np.ndarray]:
    """Give texts and random keys, uint64[count, bands]."""
    draw = np.random.default_rng(seed)
    letters = draw.integers(0x3041, 0x3096, (count, 60), dtype=np.uint32)
    joined = letters.astype("<u4").tobytes().decode("utf-32-le")
    texts = [joined[start : start + 60] for start in range(0, len(joined), 60)]
    return texts, draw.integers(0, 1 << 64, (count, SIGNED.bands), dtype=np.uint64)


def like(count: int, shards: int) -> tuple[list[str], np.ndarray]:
    """Give a month of documents, a fifth of them like some of the history's, from all of its shards."""
    texts, keys = drawn(1 << 20, count)
    each = count // 5 // shards
    for shard in range(shards):
        old, known = drawn(shard, SHARD)
        for step in range(each):
            mine, other = shard * each + step, step * (SHARD // each)
            near = step % 2
            texts[mine] = old[other] + "あ" * near
            keys[mine, :: 1 + 2 * near] = known[other, :: 1 + 2 * near]
    return texts, keys


def write(home: Path, name: str, ordinal: int, texts: list[str], keys: np.ndarray) -> ShardTables:
    """Write the tables of a shard, every document its own group and without a verdict."""
    rows = rows_of(ordinal, len(texts))
    count = len(texts)
    ids = pa.array([xxhash.xxh3_128_digest(f"{name}{i}".encode()) for i in range(count)], ID)
    columns = {
        "ingest": pa.table(
            {
                "id": ids,
                "url": pa.array([f"https://{name}.example/{i}" for i in range(count)]),
                "text": pa.array(texts, pa.large_string()),
                "text_hash": pa.array([xxhash.xxh3_128_digest(text.encode()) for text in texts], ID),
            }
        ),
        "groups": pa.table([pa.array(rows), pa.array(np.ones(count, np.uint32))], schema=GROUPS),
        "keys": pa.table([pa.array(keys[:, b]) for b in range(SIGNED.bands)], schema=SIGNED.schema()),
        "verdict": pa.table({"verdict": pa.nulls(count, pa.string())}),
    }
    carried, paths = "", dict[Table, tuple[Path, ...]]()
    for table, content in columns.items():
        path = home / table / "0" / "s" / f"{name}.parquet"
        with TableWriter(path, content.schema) as writer:
            for batch in content.combine_chunks().to_batches(max_chunksize=BATCH):
                if table == "ingest":
                    writer.note_ids(batch.column("id"))
                writer.write(batch)
            carried = writer.close(carried or None)
        paths[cast(Table, "documents" if table == "ingest" else table)] = (path,)
    return ShardTables(source="s", name=name, ordinal=ordinal, paths=paths)


if __name__ == "__main__":
    main()
