"""Tell whether a process of another run lives, as far as that can be told from here."""

from __future__ import annotations

import os
import socket
from hashlib import sha256
from pathlib import Path

#: The start of a process that is there, but hides from this user.
HIDDEN = "hidden"


def started_at(pid: int) -> str | None:
    """Tell one life of a process number from the next: its start in clock ticks, or None if there is none.

    A zombie is dead. Where there is no /proc (macOS), a living process is all that can be told.
    """
    try:
        words = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return _seen_by_signal(pid)
    return None if words[0] in "ZX" else words[19]


def place() -> str | None:
    """Say where process numbers mean what they mean here: this boot, this namespace.

    Returns:
        '' where the system has neither (macOS); None where /proc is of another namespace, so that nothing can be told.
    """
    proc = Path("/proc")
    try:
        if (proc / "self").readlink().name != str(os.getpid()):
            return None
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(proc / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return None if (proc / "self").exists() else ""


def name_place() -> str:
    """Name where process numbers mean what they mean here, in sixteen digits: boot and namespace, else the host."""
    return sha256((place() or socket.gethostname()).encode()).hexdigest()[:16]


def lives_here(host: str, pid: int, started: str | None, where: str | None) -> bool | None:
    """Say whether a process lives, or None where that can't be told from here.

    Args:
        host: its machine's name.
        pid: its number.
        started: as `started_at` gave it.
        where: as `place` gave it there.
    """
    here = place()
    if where is None or where != here or (not here and host != socket.gethostname()):
        return None
    found = started_at(pid)
    return found is not None and found in {started, HIDDEN}


def _seen_by_signal(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return HIDDEN
    return "alive"
