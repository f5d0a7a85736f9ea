"""Where a task is, for whoever asks after it was killed: two numbers in a file.

Written, not mapped: a mapped page that a full disk has no block for ends the process by SIGBUS. A write costs 0.6 µs more.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PLACE: Final = struct.Struct("<qq")

#: Nowhere yet; its block of the disk is taken before anything runs.
_NOWHERE: Final = (-1, -1)

Position = tuple[int, int]


class Bookmark:
    """Keep the place a task is at in a file that outlives its process; `before` is where an earlier attempt ended.

    Args:
        path: of the file; attempts at the same task share it, and may overwrite each other's place.
    """

    def __init__(self, path: Path) -> None:
        self.before = read_bookmark(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            self.move(*(self.before or _NOWHERE))
        except OSError:
            os.close(self._handle)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def move(self, first: int, second: int) -> None:
        """Write down which record the task is at."""
        os.pwrite(self._handle, _PLACE.pack(first, second), 0)


def read_bookmark(path: Path) -> Position | None:
    """Read where the last attempt was, or None where none got so far."""
    try:
        first, second = _PLACE.unpack(path.read_bytes())
    except (OSError, struct.error):
        return None
    return None if (first, second) == _NOWHERE else (int(first), int(second))
