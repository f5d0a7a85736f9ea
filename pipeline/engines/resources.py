"""What a step over the whole corpus will take of disk and memory, said before it starts, and refused where it can't be.

Formulas are with the stages whose records they count; here is what they are made of. Nothing is opened here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kakehi.pipeline.engines.partitions import BLOCK_BYTES, partitions_for
from kakehi.pipeline.errors import ManifestError, WorkFolderError
from kakehi.pipeline.sizes import format_size

#: A Python with Arrow, numba and our kernels: 210 to 330 MB, measured on Linux, x86-64; and what it takes at least.
BASE_BYTES: Final = 256 << 20
_LEAST_BYTES: Final = 192 << 20

#: What a record takes while its group of shards is scattered: itself, its order, and itself sorted.
_SCATTERED: Final = 3

MIB: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class InputVolume:
    """What is known of a step's inputs before it starts.

    Args:
        rows: documents of each shard.
        text_bytes: of all texts.
        largest_bytes: of the texts that one task reads at least: a row group's.
        bands: keys of a document, 0 where none are read.
        groups: different texts, or documents where that is not known yet.
        kept: documents to which nothing objects so far.
        pairs: measured pairs, 0 where none are read.
        bytes_per_worker: memory of one task.
        parameters: of the step.
    """

    rows: tuple[int, ...]
    text_bytes: int
    largest_bytes: int
    bands: int
    groups: int
    kept: int
    pairs: int
    bytes_per_worker: int
    parameters: Mapping[str, Any]

    @property
    def documents(self) -> int:
        """Count the documents of all shards."""
        return sum(self.rows)

    def task_bytes(self, record_bytes: int, working_bytes: int) -> int:
        """Give what the largest task of a shuffle takes: a group of shards to scatter, or a partition to work at.

        Args:
            record_bytes: that each document gives.
            working_bytes: that working at all records at once would take.
        """
        parts = partitions_for(working_bytes, self.bytes_per_worker)
        sizes = [count * record_bytes for count in self.rows]
        filled = min(sum(sizes), parts * BLOCK_BYTES, self.bytes_per_worker // 4)
        return max(_SCATTERED * max([filled, *sizes]), -(-working_bytes // parts))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a step will take.

    Args:
        scratch_bytes: on disk while it runs.
        table_bytes: on disk of what it publishes, about.
        task_bytes: memory of a task, beside what any process takes.
        least_bytes: of these, what no partitions make smaller: a shard's records, a row group's texts.
        later: what is only known once it runs, in words; then it estimates again.
    """

    scratch_bytes: int
    table_bytes: int
    task_bytes: int
    least_bytes: int
    later: str = ""

    def told(self) -> str:
        """Describe an estimate in one line of the plan."""
        later = f"; {self.later}" if self.later else ""
        return (
            f"{format_size(self.scratch_bytes)} of scratch, {format_size(self.table_bytes)} of tables, "
            f"{format_size(BASE_BYTES + self.task_bytes)} a task{later}"
        )


def refuse(
    step: str, estimate: Estimate, *, free_bytes: int, there_bytes: int, bytes_per_worker: int
) -> None:
    """Refuse a step whose smallest task takes more than a worker has, or that the disk has no room for.

    Args:
        step: for the message.
        estimate: of what it takes.
        free_bytes: of the work folder's disk.
        there_bytes: of its scratch that an earlier run has written.
        bytes_per_worker: memory of one task.

    Raises:
        ManifestError: of memory.
        WorkFolderError: of disk.
    """
    least = _LEAST_BYTES + estimate.least_bytes
    if least > bytes_per_worker:
        raise ManifestError(
            f"{step}: its largest shard takes a task of {format_size(least)}, bytes_per_worker is {format_size(bytes_per_worker)}",
            hint=f"bytes_per_worker: {-(-least // MIB)}MiB in the machine file, or smaller shards (shard_mb)",
        )
    wanted = estimate.scratch_bytes + estimate.table_bytes - there_bytes
    if wanted > free_bytes:
        raise WorkFolderError(
            f"{step}: will take {format_size(wanted)} of disk, {format_size(free_bytes)} are free in the work folder",
            hint="free space there, or name another folder with --work DIR; what is done is kept",
        )
