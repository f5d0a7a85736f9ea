"""What killed commands left is swept up; what others use is not."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from kakehi.pipeline.engines import processes, scratch


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def dead_pid() -> int:
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def test_only_dead_commands_of_this_host_boot_and_user_are_swept(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead number's folder goes; a live one's stays, and the same number's of another host, boot or container."""
    alive = scratch.make_scratch()
    [mine] = shared.iterdir()
    assert mine.stat().st_mode & 0o777 == 0o700
    origin = mine.name.split("-")[1]
    dead = dead_pid()
    left = shared / f"kakehi-{origin}-{dead}-x"
    elsewhere = shared / f"kakehi-{'0' * 16}-{dead}-x"
    link = shared / f"kakehi-{origin}-{dead}-link"
    for folder in (left, elsewhere):
        folder.mkdir()
    link.symlink_to(elsewhere)
    scratch.sweep()
    assert sorted(shared.iterdir()) == sorted([mine, elsewhere, link])
    left.mkdir()
    monkeypatch.setattr(scratch.os, "geteuid", lambda: left.stat().st_uid + 1)
    scratch.sweep()
    assert left.exists()
    alive.cleanup()


def test_another_place_is_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process numbers mean nothing beyond the boot, namespace or host that gave them."""
    names = [processes.name_place()]
    for where, host in (("boot 7", "here"), ("boot 8", "here"), ("", "here"), (None, "there")):
        monkeypatch.setattr(processes, "place", lambda where=where: where)
        monkeypatch.setattr(processes.socket, "gethostname", lambda host=host: host)
        names.append(processes.name_place())
    assert len({*names}) == len(names)
