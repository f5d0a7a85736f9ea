"""Where a task is, for whoever asks after it was killed: two numbers in a mapped file, no call to the system each."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PLACE: Final = struct.Struct("<qq")

Position = tuple[int, int]


class Bookmark:
    """Keep the place a task is at in a file that outlives its process; `before` is where an earlier attempt ended.

    Args:
        path: of the file; attempts at the same task share it, and may overwrite each other's place.
    """

    def __init__(self, path: Path) -> None:
        self.before = read_bookmark(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            os.ftruncate(handle, _PLACE.size)
            self._map = mmap.mmap(handle, _PLACE.size)
        finally:
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._map.close()

    def move(self, first: int, second: int) -> None:
        """Write down which record the task is at."""
        _PLACE.pack_into(self._map, 0, first, second)


def read_bookmark(path: Path) -> Position | None:
    """Read where the last attempt was, or None where none got so far."""
    try:
        first, second = _PLACE.unpack(path.read_bytes())
    except (OSError, struct.error):
        return None
    return int(first), int(second)
