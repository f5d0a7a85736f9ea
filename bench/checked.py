"""What checksums of pages and digests of footers cost: CPU time to write, read and open a documents table with and without.

python bench/checked.py FOLDER [--texts 4000] [--groups 10] [--times 15]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kakehi.pipeline.storage.checked import CheckedFile, CheckedWriter
from kakehi.pipeline.storage.schemas import DOCUMENTS
from tests.conftest import Make

_OPENINGS = 200


def main() -> None:
    """Write, read and open by turns, and print the least of each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, default=4_000)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--times", type=int, default=15)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    batch = Make.documents([Make.text(number, 40) for number in range(asked.texts)])
    plain, checked = (asked.folder / f"{name}.parquet" for name in ("plain", "checked"))
    twins: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "write": (
            lambda: _write(pq.ParquetWriter, plain, batch, asked.groups),
            lambda: _write(CheckedWriter, checked, batch, asked.groups),
        ),
        "read": (lambda: _read(_open_plain(plain)), lambda: _read(CheckedFile(checked))),
        f"open {_OPENINGS}": (
            lambda: [_open_plain(plain) for _ in range(_OPENINGS)],
            lambda: [CheckedFile(checked) for _ in range(_OPENINGS)],
        ),
    }
    for name, both in twins.items():
        taken = [[_seconds(one) for one in both] for _ in range(asked.times)]
        without, with_it = (min(column) for column in zip(*taken, strict=True))
        print(
            f"{name:<10}{1e3 * without:9.1f} ms {1e3 * with_it:9.1f} ms {100 * (with_it / without - 1):+6.1f} %"
        )
    print(f"{'bytes':<10}{plain.stat().st_size:12,} {checked.stat().st_size:12,}")


def _seconds(task: Callable[[], object]) -> float:
    began = time.process_time()
    task()
    return time.process_time() - began


def _write(kind: Callable[..., pq.ParquetWriter], path: Path, batch: pa.RecordBatch, groups: int) -> None:
    with kind(
        path, DOCUMENTS, compression="zstd", compression_level=3, use_dictionary=["source", "host"]
    ) as writer:
        for _ in range(groups):
            writer.write_batch(batch)


def _open_plain(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, memory_map=True)


def _read(file: pq.ParquetFile) -> None:
    for group in range(file.num_row_groups):
        file.read_row_group(group)


if __name__ == "__main__":
    main()
