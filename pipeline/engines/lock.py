"""One run per work folder: a file made with O_EXCL that says who holds it, kept in motion by a heartbeat.

No flock: on NFS and Lustre it is often absent or local to one node. No hard links: FUSE, LTFS and vfat have none.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from kakehi.pipeline.engines.processes import lives_here, place, started_at
from kakehi.pipeline.errors import ClaimLostError, DataError, EngineError
from kakehi.pipeline.interrupts import stop
from kakehi.pipeline.storage.claims import (
    LOCK,
    Holder,
    Seen,
    check_claim,
    move_beat,
    read_claim,
    write_claim,
)
from kakehi.pipeline.storage.store import unwritable

#: Seconds between two movements of the file.
HEARTBEAT_S = 5.0

#: A claim whose process can't be looked at from here is a dead run's once it was watched for so long and did not move.
DEAD_AFTER_S = 60.0

#: Heartbeats that `kakehi status` waits for.
_LOOKS = 3

#: A dead run's claim, set aside by a run that died while it took over.
_ASIDE = re.compile(r"run\.lock\.[0-9a-f]{32}")


class RunLock:
    """Hold a work folder for one run; whoever loses its claim is stopped.

    Args:
        root: the work folder.
        heartbeat_s: seconds between movements.
        dead_after_s: seconds without a movement after which a claim is taken over whose process can't be looked at.
        say: is told that it waits, for whom and how long.
    """

    def __init__(
        self,
        root: Path,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        dead_after_s: float = DEAD_AFTER_S,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path = root / LOCK
        self._heartbeat_s = heartbeat_s
        self._dead_after_s = dead_after_s
        self._say = say
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._handle = -1
        self.claim = uuid.uuid4().hex

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            while not self._create():
                self._take_over()
            self._sweep()
        except OSError as error:
            raise unwritable(self._path.parent, error) from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(self._heartbeat_s)
        if not self._thread.is_alive():  # it hangs where the disk does, and its file may not become another
            os.close(self._handle)
        try:
            self.check()
        except ClaimLostError:
            if kind is None:
                raise
        else:
            self._path.unlink(missing_ok=True)

    def check(self) -> None:
        """Refuse to go on where the claim is lost.

        Raises:
            ClaimLostError: it is another's, or nobody's.
        """
        check_claim(self._path.parent, self.claim)

    def _create(self) -> bool:
        try:  # written through: another node shall see each movement
            self._handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_SYNC, 0o644)
        except FileExistsError:
            if self._path.parent.is_dir():
                return False
            raise
        try:
            left = write_claim(self._mine())
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError:  # a full disk: an empty claim would keep the next run out
            os.close(self._handle)
            self._path.unlink(missing_ok=True)
            raise
        return True

    def _mine(self) -> Holder:
        return Holder(
            host=socket.gethostname(),
            pid=os.getpid(),
            started=started_at(os.getpid()),
            place=place(),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            claim=self.claim,
        )

    def _take_over(self) -> None:
        """Set a dead run's claim aside, or refuse; where its process can't be looked at, watch its heartbeat."""
        seen = read_claim(self._path)
        if seen is None:
            return
        alive = _lives(seen)
        if alive is None:
            self._say(
                f"{os.fspath(self._path.parent)!r}: held by a run on {_who(seen)}, which can't be looked at from here;"
                f" waiting up to {self._dead_after_s:g} s for a heartbeat"
            )
            alive = moves(self._path, seen, self._dead_after_s, self._heartbeat_s / 10)
        if alive:
            raise EngineError(
                f"{os.fspath(self._path.parent)!r}: a run is under way on {_who(seen)}",
                hint=f"wait for it, or stop it; if it is gone for sure, remove {os.fspath(self._path)!r}",
            )
        if alive is False:
            self._set_aside(seen)

    def _set_aside(self, seen: Seen) -> None:
        aside = self._path.with_name(f"{LOCK}.{self.claim}")
        try:
            self._path.rename(aside)
        except FileNotFoundError:
            return  # another run was quicker
        moved = read_claim(aside)
        if (
            moved is not None and moved.holder != seen.holder
        ):  # it was: what we moved is its claim, so give it back
            aside.rename(self._path)
        else:
            aside.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what runs left that died while they took over; not our own claim, which another may be giving back."""
        for path in self._path.parent.glob(f"{LOCK}.*"):
            with suppress(DataError):
                seen = read_claim(path) if _ASIDE.fullmatch(path.name) else None
                if seen is not None and (seen.holder is None or seen.holder.claim != self.claim):
                    path.unlink(missing_ok=True)

    def _beat(self) -> None:
        beat = 0
        while not self._done.wait(self._heartbeat_s):
            beat += 1
            with suppress(
                OSError
            ):  # a disk that is away may come back; who takes over meanwhile is seen then
                try:
                    self.check()
                except (ClaimLostError, DataError) as error:
                    stop(error)
                    return
                move_beat(self._handle, beat)


def moves(path: Path, seen: Seen, wait_s: float, pause_s: float) -> bool | None:
    """Watch a claim; say whether its heartbeat moved, or None where it has become another's.

    No clock is compared with a file's time: of two machines each has its own.

    Args:
        path: of the claim.
        seen: as it was found.
        wait_s: seconds to watch for.
        pause_s: seconds between two looks.
    """
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        time.sleep(pause_s)
        now = read_claim(path)
        if now is None or now.holder != seen.holder:
            return None
        if now.movement != seen.movement:
            return True
    return False


def live_lock(root: Path) -> Holder | None:
    """Read who holds a work folder, or None; of a process that can't be looked at, wait for a heartbeat or three."""
    seen = read_claim(root / LOCK)
    if seen is None or seen.holder is None:
        return None
    alive = _lives(seen)
    if alive is None:
        alive = moves(root / LOCK, seen, _LOOKS * HEARTBEAT_S, HEARTBEAT_S / 10)
    return seen.holder if alive else None


def _lives(seen: Seen) -> bool | None:
    held = seen.holder
    return None if held is None else lives_here(held.host, held.pid, held.started, held.place)


def _who(seen: Seen) -> str:
    held = seen.holder
    return f"{held.host}, pid {held.pid}, since {held.since}" if held else "?, pid ?, since ?"
