"""The file that says who holds a work folder: what is in it, and whether it is still the same run's."""

from __future__ import annotations

import json
import os
import stat
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kakehi.pipeline.errors import ClaimLostError, DataError

LOCK: Final = "run.lock"

#: More than any claim has: what is read of a file that may be anything.
_MAX_BYTES = 4096

#: Digits of the counter at the file's end that a heartbeat moves.
_BEAT_DIGITS = 12

#: Seconds to look again in where the file is gone: a run that meant to take over a dead one's may be giving ours back.
_PAUSES: Final = (0.05, 0.2, 0.75)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Which run holds a work folder.

    Args:
        host: its name, for people.
        pid: of the command, in its namespace.
        started: of that process, in clock ticks, so that a number used again is told apart.
        place: boot and namespace of process numbers; '' where the system does not say, None where it can't be trusted.
        since: when, by its clock; for people.
        claim: a name that no other claim has.
    """

    host: str
    pid: int
    started: str | None
    place: str | None
    since: str
    claim: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A claim as it was found: who, or None where that can't be read, and what a heartbeat moves."""

    holder: Holder | None
    movement: tuple[bytes, int, int]


def write_claim(holder: Holder) -> bytes:
    """Give a claim's file, its counter of heartbeats last."""
    return json.dumps({**asdict(holder), "beat": "0" * _BEAT_DIGITS}).encode()


def move_beat(handle: int, beat: int) -> None:
    """Move the counter in an open claim; where the disk takes not even that, the file's time."""
    try:
        os.pwrite(handle, f"{beat:0{_BEAT_DIGITS}}".encode(), os.fstat(handle).st_size - _BEAT_DIGITS - 2)
    except OSError:
        os.utime(handle)


def read_claim(path: Path) -> Seen | None:
    """Read a claim, or None where there is none; by opening it, since a shared disk's `stat` may be a minute old.

    Raises:
        DataError: it is no file.
    """
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise DataError(
                f"{os.fspath(path)!r}: got a {_kind(found.st_mode)}, wanted a file",
                hint=f"remove {os.fspath(path)!r}",
            )
        with path.open("rb") as file:
            content, state = file.read(_MAX_BYTES), os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    return Seen(holder=_holder(content), movement=(content, state.st_mtime_ns, state.st_ino))


def check_claim(root: Path, claim: str | None) -> None:
    """Refuse to go on where a work folder is no longer held by the run that began.

    Args:
        root: the work folder.
        claim: of the run's claim, or None where none is held.

    Raises:
        ClaimLostError: it is another's, or nobody's.
    """
    if claim is None:
        return
    for pause in (*_PAUSES, 0.0):
        seen = read_claim(root / LOCK)
        if seen is not None:
            break
        time.sleep(pause)
    holder = None if seen is None else seen.holder
    if holder is not None and holder.claim == claim:
        return
    now = "somebody removed it" if seen is None else "another run took it over"
    who = f" ({holder.host}, pid {holder.pid}, since {holder.since})" if holder else ""
    raise ClaimLostError(
        f"{os.fspath(root)!r}: this run has lost its claim: {now}{who}",
        hint="what is done is kept; wait for the other run, then run again",
    )


def _holder(content: bytes) -> Holder | None:
    try:
        plain = json.loads(content)
        plain.pop("beat", None)
        holder = Holder(**plain)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    words = (holder.host, holder.since, holder.claim, holder.started or "", holder.place or "")
    whole = all(isinstance(word, str) and word.isprintable() for word in words)
    return holder if whole and type(holder.pid) is int and 0 < holder.pid < 1 << 31 else None


def _kind(mode: int) -> str:
    return "link" if stat.S_ISLNK(mode) else "folder" if stat.S_ISDIR(mode) else "thing of another kind"
