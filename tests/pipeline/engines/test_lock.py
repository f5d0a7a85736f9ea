"""One run per work folder: the second refuses and names the first, a dead run's claim is taken over, a lost one ends a run."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kakehi.pipeline import interrupts
from kakehi.pipeline.engines import lock
from kakehi.pipeline.engines.lock import RunLock, live_lock
from kakehi.pipeline.engines.processes import place, started_at
from kakehi.pipeline.errors import ClaimLostError, DataError, EngineError
from kakehi.pipeline.storage.claims import Holder, check_claim, move_beat, read_claim, write_claim
from kakehi.pipeline.storage.store import Receipt, Store

#: A file that a run under way may not have written whole yet, or that no run wrote.
GARBAGE = [
    b"",
    b"{",
    b"[1]",
    b"null",
    b"\xff\xfe",
    b"[" * 5000,
    b'{"host": "h", "pid": 1}',
    *(
        write_claim(Holder(host="h", pid=pid, started="1", place="p", since="s", claim="t"))  # type: ignore[arg-type]
        for pid in ("seven", True, None, 1.5, -1, 0, 1 << 70)
    ),
    write_claim(Holder(host="\x1b[2J", pid=1, started="1", place="p", since="s", claim="t")),
]


def written(root: Path, **changes: object) -> Path:
    path = root / "run.lock"
    held = {
        "host": "other",
        "pid": 1,
        "started": "1",
        "place": "b n",
        "since": "2026-11-24T10:00:00+00:00",
        "claim": "x",
    }
    path.write_bytes(write_claim(Holder(**{**held, **changes})))  # type: ignore[arg-type]
    return path


def quick(root: Path, said: list[str] | None = None, *, dead_after_s: float = 0.1) -> RunLock:
    said = [] if said is None else said
    return RunLock(root, heartbeat_s=0.02, dead_after_s=dead_after_s, say=said.append)


class Beating:
    """Move a claim's heartbeat from a thread, as another machine would."""

    def __init__(self, path: Path) -> None:
        self.path, self.done = path, threading.Event()
        self.thread = threading.Thread(target=self.beat)

    def beat(self) -> None:
        with self.path.open("r+b") as file:
            number = 0
            while not self.done.wait(0.02):
                move_beat(file.fileno(), number := number + 1)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def test_a_second_run_refuses_and_names_the_first(tmp_path: Path) -> None:
    """Host, pid and since when are told, at once."""
    said: list[str] = []
    with (
        RunLock(tmp_path),
        pytest.raises(EngineError, match=rf"pid {os.getpid()}, since 20"),
        RunLock(tmp_path, say=said.append),
    ):
        pass
    assert said == []
    assert list(tmp_path.iterdir()) == []
    with RunLock(tmp_path):
        pass


@pytest.mark.slow
def test_a_killed_runs_claim_is_taken_over_at_once(tmp_path: Path) -> None:
    """A process of this boot and namespace that is gone, or a zombie, holds nothing."""
    code = f"from kakehi.pipeline.engines.lock import RunLock; import os, pathlib; RunLock(pathlib.Path({str(tmp_path)!r})).__enter__(); os._exit(9)"
    said: list[str] = []
    process = subprocess.Popen([sys.executable, "-c", code])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    with RunLock(tmp_path, say=said.append):
        held = read_claim(tmp_path / "run.lock")
        assert held is not None
        assert held.holder is not None
        assert held.holder.pid == os.getpid()
    assert said == []
    assert process.wait() == 9


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a process's start is read from /proc")
def test_a_reused_process_number_is_no_claim(tmp_path: Path) -> None:
    """Another process with the dead run's number does not block."""
    written(tmp_path, host=socket.gethostname(), pid=os.getpid(), started="12345", place=place())
    assert started_at(os.getpid()) != "12345"
    with RunLock(tmp_path):
        pass


def test_of_another_place_only_the_heartbeats_movement_counts(tmp_path: Path) -> None:
    """Another machine, boot or namespace: no clock is compared, so a time of 1970 or of 2100 says nothing."""
    for changes in ({}, {"host": socket.gethostname(), "pid": 1 << 30}, {"place": None}):
        for mtime in (0, 4_102_444_800):
            path = written(tmp_path, **changes)
            os.utime(path, (mtime, mtime))
            said: list[str] = []
            with (
                Beating(path),
                pytest.raises(EngineError, match=r"a run is under way on \S+, pid \d+, since 2026"),
                quick(tmp_path, said, dead_after_s=30),
            ):
                pass
            [line] = said
            assert "can't be looked at from here; waiting up to 30 s for a heartbeat" in line
            with quick(tmp_path, said):
                pass
            assert not path.exists()


def test_a_heartbeat_moves_on_a_clock_that_stands_still(tmp_path: Path) -> None:
    """The file's content moves, and all the rest of it stays."""
    path = tmp_path / "run.lock"
    with quick(tmp_path) as held:
        first = read_claim(path)
        assert first is not None
        assert lock.moves(path, first, 30, 0.01) is True
        now = read_claim(path)
        assert now is not None
        assert now.movement[0] != first.movement[0]
        assert now.holder == first.holder
        held.check()


def test_what_is_no_claim_is_waited_for_and_taken_over(tmp_path: Path) -> None:
    """Garbage, emptiness and other types may be a run that begins this moment; what moves is left alone."""
    path = tmp_path / "run.lock"
    for content in GARBAGE:
        path.write_bytes(content)
        said: list[str] = []
        with quick(tmp_path, said, dead_after_s=0.03):
            pass
        assert len(said) == 1, content
        assert live_lock(tmp_path) is None
    path.write_bytes(b"x" * 20)
    with (
        Beating(path),
        pytest.raises(EngineError, match=r"under way on \?"),
        quick(tmp_path, dead_after_s=30),
    ):
        pass


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A dangling link was an endless loop; a pipe would be one."""
    path = tmp_path / "run.lock"
    for make in (lambda: path.symlink_to("nowhere"), path.mkdir, lambda: os.mkfifo(path)):
        make()
        with pytest.raises(
            DataError, match=r"got a (link|folder|thing of another kind), wanted a file\nhint: remove"
        ):
            RunLock(tmp_path).__enter__()
        path.rmdir() if path.is_dir() else path.unlink()


def test_leftovers_of_killed_claimers_are_swept(tmp_path: Path) -> None:
    """Whatever is in them; other files, and our own claim that another run is about to give back, stay."""
    for name, content in {"a" * 32: b"", "b" * 32: written(tmp_path).read_bytes()}.items():
        (tmp_path / f"run.lock.{name}").write_bytes(content)
    (tmp_path / "run.lock").unlink()
    (tmp_path / "run.lock.mine").write_bytes(b"")
    (tmp_path / f"run.lock.{'c' * 32}").mkdir()
    mine = RunLock(tmp_path)
    back = tmp_path / f"run.lock.{'d' * 32}"
    back.write_bytes(written(tmp_path, claim=mine.claim).read_bytes())
    (tmp_path / "run.lock").unlink()
    with mine:
        left = {path.name for path in tmp_path.iterdir()}
    assert left == {"run.lock", "run.lock.mine", f"run.lock.{'c' * 32}", back.name}


def test_no_hard_link_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FUSE, LTFS and vfat refuse them: claims are made, taken over and given back without."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    path = written(tmp_path)
    seen = read_claim(path)
    assert seen is not None
    quicker = written(tmp_path, claim="y").read_bytes()
    quick(tmp_path)._set_aside(seen)  # what it moves is not what it saw
    assert path.read_bytes() == quicker
    with quick(tmp_path):
        assert [found.name for found in tmp_path.iterdir()] == ["run.lock"]


def lose_and_wait(root: Path) -> None:
    with interrupts.interruptible(), quick(root):
        written(root)
        threading.Event().wait(60)


def test_a_lost_claim_stops_its_run_and_spares_the_other(tmp_path: Path) -> None:
    """At the next heartbeat, wherever the main thread is; the other's claim stays."""
    with pytest.raises(ClaimLostError, match=r"another run took it over \(other, pid 1, since 2026"):
        lose_and_wait(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert (tmp_path / "run.lock").exists()


def lose_and_publish(root: Path) -> None:
    with RunLock(root) as held:
        store = Store(root, claim=held.claim)
        attempt = store.attempt()
        written(root)
        with pytest.raises(ClaimLostError):
            store.publish(attempt, Receipt(step="s", source=None, shard=None, address="a" * 16))
        assert store.receipt("s", "a" * 16, None, None) is None


def test_a_lost_claim_is_seen_when_something_is_published(tmp_path: Path) -> None:
    """Also before the next heartbeat, in any process; and at the end of a run that published nothing more."""
    with pytest.raises(ClaimLostError):
        lose_and_publish(tmp_path)
    (tmp_path / "run.lock").unlink()
    with pytest.raises(ClaimLostError, match="somebody removed it"):
        check_claim(tmp_path, "mine")


def test_a_work_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """No folder, no lock."""
    (tmp_path / "work").write_text("")
    with pytest.raises(DataError, match="can't be written to"), RunLock(tmp_path / "work"):
        pass


def test_who_holds_a_folder_is_told_by_its_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For `kakehi status` on another machine: it waits for a few heartbeats."""
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.1)
    path = written(tmp_path)
    assert live_lock(tmp_path) is None
    with Beating(path):
        held = live_lock(tmp_path)
    assert held is not None
    assert held.host == "other"
