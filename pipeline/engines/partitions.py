"""How many partitions a shuffle has: as memory asks. The number must change no result."""

from __future__ import annotations

from typing import Final

#: Shorter partitions in a file make seeks, not reads, the cost of gather.
BLOCK_BYTES: Final = 1 << 20

#: Of a worker's memory, one in so many parts is for records: a Python with Arrow and numba takes 200 MB by itself.
SHARE: Final = 2

#: However much memory there is, a task works at no more: there must be tasks enough for all workers.
TASK_BYTES: Final = 512 << 20


def partitions_for(working_bytes: int, bytes_per_worker: int) -> int:
    """Give the number of partitions that each can be worked at in one worker's memory.

    Args:
        working_bytes: what working at all records at once would take, not only their size.
        bytes_per_worker: memory of one task.
    """
    return max(1, -(-working_bytes // max(1, min(bytes_per_worker // SHARE, TASK_BYTES))))
