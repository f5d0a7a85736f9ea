"""One run per work folder: a file made with O_EXCL that says who holds it, kept warm by a heartbeat.

No flock: on NFS and Lustre it is often absent or local to one node.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kakehi.pipeline.errors import DataError, EngineError

#: Seconds between two touches of the file.
HEARTBEAT_S = 5.0

#: A lock of another host that was not touched for so long is a dead run's.
DEAD_AFTER_S = 60.0


class RunLock:
    """Hold a work folder for one run.

    Args:
        root: the work folder.
        heartbeat_s: seconds between touches.
        dead_after_s: age from which another host's lock is taken over.
    """

    def __init__(
        self, root: Path, *, heartbeat_s: float = HEARTBEAT_S, dead_after_s: float = DEAD_AFTER_S
    ) -> None:
        self._path = root / "run.lock"
        self._heartbeat_s = heartbeat_s
        self._dead_after_s = dead_after_s
        self._stop = threading.Event()
        self._mine = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": started_at(os.getpid()),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "token": uuid.uuid4().hex,
        }

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            while not self._create():
                self._take_over()
        except OSError as error:
            no_folder = isinstance(error, (FileExistsError, NotADirectoryError))
            raise DataError(
                f"{os.fspath(self._path.parent)!r}: can't be written to"
                f" ({'it is no folder' if no_folder else error.strerror})",
                hint="free space there or make it writable, or name another folder with --work DIR",
            ) from error
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if (read_lock(self._path) or {}).get("token") == self._mine["token"]:
            self._path.unlink(missing_ok=True)

    def _create(self) -> bool:
        try:
            handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            if self._path.parent.is_dir():
                return False
            raise
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(self._mine, file)
        except OSError:  # a full disk: an empty lock would keep the next run out
            self._path.unlink(missing_ok=True)
            raise
        return True

    def _take_over(self) -> None:
        """Set a dead run's lock aside, or refuse."""
        held = read_lock(self._path)
        if held is None and not self._path.exists():
            return
        if is_alive(self._path, held, self._dead_after_s):
            who = held or {"host": "?", "pid": "?", "since": "?"}
            raise EngineError(
                f"{os.fspath(self._path.parent)!r}: a run is under way on {who['host']}, pid {who['pid']},"
                f" since {who['since']}",
                hint=f"wait for it, or stop it; if it is gone for sure, remove {os.fspath(self._path)!r}",
            )
        aside = self._path.with_name(f"run.lock.{self._mine['token']}")
        try:
            self._path.rename(aside)
        except FileNotFoundError:
            return  # another run was quicker
        if read_lock(aside) != held:  # it was: what we moved is its lock, so give it back
            os.link(aside, self._path)
        aside.unlink()

    def _beat(self) -> None:
        while not self._stop.wait(self._heartbeat_s):
            try:
                os.utime(self._path)
            except OSError:
                return


def read_lock(path: Path) -> dict[str, Any] | None:
    """Read who holds a work folder, or None where nobody does or the file can't be read."""
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) and {"host", "pid", "since", "token"} <= held.keys() else None


def is_alive(path: Path, held: dict[str, Any] | None, dead_after_s: float = DEAD_AFTER_S) -> bool:
    """Say whether the run that holds a work folder lives: by its process here, by its heartbeat elsewhere."""
    if held is None or held["host"] != socket.gethostname():
        return time.time() - _touched(path) <= dead_after_s
    return started_at(int(held["pid"])) == held.get("started")


def live_lock(root: Path) -> dict[str, Any] | None:
    """Read the lock of the run that is under way in a work folder, or None."""
    path = root / "run.lock"
    held = read_lock(path)
    return held if held is not None and is_alive(path, held) else None


def started_at(pid: int) -> str | None:
    """Tell one life of a process number from the next: its start in clock ticks, or None if there is none.

    Where there is no /proc (macOS), a living process is all that can be told.
    """
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
