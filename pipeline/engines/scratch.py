"""Temporary folders that say whose they are, so that what a killed command left is swept up, and nobody else's."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from kakehi.pipeline.engines.processes import name_place, started_at

#: Workers' own files lie in a folder of this name; behind it where the process is known, and its number.
_PREFIX = "kakehi-"


def make_scratch() -> tempfile.TemporaryDirectory[str]:
    """Make a folder that only this user reads, after what killed commands left is removed."""
    sweep()
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{name_place()}-{os.getpid()}-")


def sweep() -> None:
    """Remove what killed commands of this user left, of this host, boot and process namespace alone."""
    # Elsewhere the same number is another process: where TMPDIR is shared, that may be a run under way.
    mine = f"{_PREFIX}{name_place()}-"
    for path in Path(tempfile.gettempdir()).glob(f"{mine}*-*"):
        pid = path.name.removeprefix(mine).partition("-")[0]
        if pid.isdecimal() and started_at(int(pid)) is None and _is_ours(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
