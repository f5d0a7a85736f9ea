"""One run per work folder: the second refuses and names the first, a dead run's lock is taken over."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kakehi.pipeline.engines.lock import RunLock, read_lock, started_at
from kakehi.pipeline.errors import DataError, EngineError


def written(root: Path, **changes: object) -> Path:
    path = root / "run.lock"
    lock = {"host": "other", "pid": 1, "started": "1", "since": "2026-11-24T10:00:00+00:00", "token": "x"}
    path.write_text(json.dumps(lock | changes))
    return path


def test_a_second_run_refuses_and_names_the_first(tmp_path: Path) -> None:
    """Host, pid and since when are told."""
    with (
        RunLock(tmp_path),
        pytest.raises(EngineError, match=rf"pid {os.getpid()}, since 20"),
        RunLock(tmp_path),
    ):
        pass
    assert not (tmp_path / "run.lock").exists()
    with RunLock(tmp_path):
        pass


@pytest.mark.slow
def test_a_killed_runs_claim_is_taken_over(tmp_path: Path) -> None:
    """A process of this host that is gone holds nothing."""
    code = f"from kakehi.pipeline.engines.lock import RunLock; import os, pathlib; RunLock(pathlib.Path({str(tmp_path)!r})).__enter__(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    assert read_lock(tmp_path / "run.lock") is not None
    with RunLock(tmp_path):
        held = read_lock(tmp_path / "run.lock")
        assert held is not None
        assert held["pid"] == os.getpid()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a process's start is read from /proc")
def test_a_reused_process_number_is_no_claim(tmp_path: Path) -> None:
    """Another process with the dead run's number does not block."""
    import socket  # noqa: PLC0415

    written(tmp_path, host=socket.gethostname(), pid=os.getpid(), started="12345")
    assert started_at(os.getpid()) != "12345"
    with RunLock(tmp_path):
        pass


def test_another_hosts_claim_counts_while_it_is_warm(tmp_path: Path) -> None:
    """Of another host only the heartbeat tells."""
    path = written(tmp_path)
    with pytest.raises(EngineError, match="on other, pid 1"), RunLock(tmp_path):
        pass
    os.utime(path, (0, 0))
    with RunLock(tmp_path):
        pass


def test_the_heartbeat_keeps_a_claim_warm(tmp_path: Path) -> None:
    """The file is touched while the run goes on."""
    with RunLock(tmp_path, heartbeat_s=0.02):
        os.utime(tmp_path / "run.lock", (0, 0))
        waited = time.monotonic() + 10
        while not (tmp_path / "run.lock").stat().st_mtime and time.monotonic() < waited:
            time.sleep(0.01)
        assert (tmp_path / "run.lock").stat().st_mtime > 0


def test_a_claim_that_cant_be_read_is_respected_until_it_is_cold(tmp_path: Path) -> None:
    """A half-written lock may be a run that begins this moment."""
    path = tmp_path / "run.lock"
    path.write_text("{")
    with pytest.raises(EngineError, match="a run is under way"), RunLock(tmp_path):
        pass
    os.utime(path, (0, 0))
    with RunLock(tmp_path):
        pass


def test_a_work_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """No folder, no lock."""
    (tmp_path / "work").write_text("")
    with pytest.raises(DataError, match="can't be written to"), RunLock(tmp_path / "work"):
        pass


def test_a_claim_taken_from_us_is_left_alone(tmp_path: Path) -> None:
    """A run presumed dead that goes on does not remove its successor's lock."""
    with RunLock(tmp_path):
        path = written(tmp_path)
    assert path.exists()
