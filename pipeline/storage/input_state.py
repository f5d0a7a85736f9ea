"""Whether an input is still the file that was found: its size and times before and after it was read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from kakehi.pipeline.errors import FileStateError
from kakehi.pipeline.storage.shards import InputFile


class FileState(NamedTuple):
    """What tells that a file was changed, or another put in its place, even if its time was put back."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def state_of(file: InputFile) -> FileState | None:
    """Look at an input, or None where it is gone."""
    try:
        found = file.path.stat()
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def refuse_changed(file: InputFile, before: FileState | None) -> None:
    """Refuse what was read of a file that is not, or was not all the while, the one that was found.

    Args:
        file: as it was found.
        before: its state when reading began.

    Raises:
        FileStateError: it was changed, replaced or removed.
    """
    after = state_of(file)
    told = None if after is None else difference(file.size, file.mtime_ns, after.size, after.mtime_ns)
    if after is None or told or after != before:
        raise FileStateError(
            f"{file.name}: changed while it was read ({'it is gone' if after is None else told or 'its times'})",
            hint="run again when nothing writes to it",
        )


def difference(size: int, mtime_ns: int, later_size: int, later_ns: int) -> str:
    """Say how an input's size and time differ from those of before, or ''; 0 is a time that is not compared."""
    if size != later_size:
        return f"size {size:,} bytes, now {later_size:,}"
    if mtime_ns not in {0, later_ns}:
        return f"time {_say_time(mtime_ns)}, now {_say_time(later_ns)}"
    return ""


def _say_time(mtime_ns: int) -> str:
    return datetime.fromtimestamp(mtime_ns / 1e9, UTC).isoformat(timespec="milliseconds")
