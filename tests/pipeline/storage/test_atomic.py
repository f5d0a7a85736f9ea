"""A file is whole at its place or not there, and what is there stays when its successor fails."""

import errno
import os
from pathlib import Path

import pytest

from kakehi.pipeline.storage.atomic import link_or_copy, set_aside


@pytest.mark.parametrize("scratch", [None, "scratch"])
def test_a_file_comes_to_its_place_and_nothing_stays_beside(tmp_path: Path, scratch: str | None) -> None:
    """Its folders are made, too."""
    place = tmp_path / "a" / "b" / "file.json"
    with set_aside(place, tmp_path / scratch if scratch else None) as aside:
        aside.write_bytes(b"whole")
        assert not place.exists()
    assert place.read_bytes() == b"whole"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [place]


def test_a_failure_removes_what_was_written_and_leaves_what_was_there(tmp_path: Path) -> None:
    """Half a file is never seen, not even under its other name."""
    place = tmp_path / "file.json"
    place.write_bytes(b"before")

    def fail() -> None:
        with set_aside(place) as aside:
            aside.write_bytes(b"ha")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert place.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [place]


def test_file_is_synced_before_it_is_renamed_and_its_folder_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any other order lost power leaves an empty file, or none."""
    happened: list[str] = []
    sync, rename = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        happened.append(f"sync {'folder' if Path(f'/dev/fd/{handle}').is_dir() else 'file'}")
        sync(handle)

    def note_rename(path: Path, target: Path) -> Path:
        happened.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_rename)
    with set_aside(tmp_path / "file.json") as aside:
        aside.write_bytes(b"whole")
    assert happened == ["sync file", "rename", "sync folder"]


@pytest.mark.parametrize("links", [True, False])
def test_a_second_name_has_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """A link costs nothing; where the file system has none, as FUSE, LTFS and vfat, it is a copy."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"whole")
    link_or_copy(path, other)
    assert other.read_bytes() == b"whole"
    assert path.samefile(other) is links
