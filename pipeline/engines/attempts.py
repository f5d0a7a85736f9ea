"""Whose an attempt is: the process that writes it, and the run that wants it."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Final

from kakehi.pipeline.engines.lock import read_lock, started_at
from kakehi.pipeline.errors import EngineError

#: An attempt of another host, where no process can be asked after, in which nothing was written for so long is dead.
_DEAD_AFTER_S: Final = 86_400.0

_NAME: Final = re.compile(r"[0-9a-f]{32}\.(?P<pid>\d{1,10})-(?P<start>\w+)-(?P<host>.+)", re.ASCII)


def name_process() -> str:
    """Name this process by number, start and host, as the folders of its attempts carry it."""
    pid = os.getpid()
    return f"{pid}-{started_at(pid)}-{_host()}"


def is_under_way(attempt: Path) -> bool:
    """Say whether the process that writes an attempt lives; one that its name does not tell is nobody's."""
    told = _NAME.fullmatch(attempt.name)
    if told is None:
        return False
    if told["host"] == _host():
        return started_at(int(told["pid"])) == told["start"]
    touched = [path.lstat().st_mtime for path in (attempt, *attempt.rglob("*"))]
    return time.time() - max(touched) <= _DEAD_AFTER_S


def claim_of(root: Path) -> str | None:
    """Read the token of the run that holds a work folder."""
    return (read_lock(root / "run.lock") or {}).get("token")


def refuse_orphan(root: Path, claim: str | None) -> None:
    """End a task whose run holds the work folder no more: it was killed, and another may write there now.

    Args:
        root: the work folder.
        claim: that the run had, or None where it had none, as in a test.

    Raises:
        EngineError: it has no claim any more.
    """
    if claim is not None and claim_of(root) != claim:
        raise EngineError(
            f"{os.fspath(root)!r}: the run that this task is of is gone; nothing of it is published",
            hint="run again: what is missing is made anew",
        )


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname())
