"""Whose an attempt is: the process that writes it, as far as a folder's name carries it."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

from kakehi.pipeline.engines.processes import HIDDEN, name_place, place, started_at

#: An attempt from where no process can be asked after, in which nothing was written for so long, is dead.
_DEAD_AFTER_S: Final = 86_400.0

_NAME: Final = re.compile(r"[0-9a-f]{32}\.(?P<pid>\d{1,10})-(?P<start>\w+)-(?P<where>\w+)", re.ASCII)


def name_process() -> str:
    """Name this process by number, start and place, as the folders of its attempts carry it."""
    pid = os.getpid()
    return f"{pid}-{started_at(pid)}-{name_place()}"


def is_under_way(attempt: Path) -> bool:
    """Say whether the process that writes an attempt lives; one that its name does not tell is nobody's."""
    told = _NAME.fullmatch(attempt.name)
    if told is None:
        return False
    if told["where"] == name_place() and place() is not None:
        return started_at(int(told["pid"])) in {told["start"], HIDDEN}
    touched = [path.lstat().st_mtime for path in (attempt, *attempt.rglob("*"))]
    return time.time() - max(touched) <= _DEAD_AFTER_S
