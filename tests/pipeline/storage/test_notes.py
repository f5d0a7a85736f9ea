"""Notes speak for files only as long as both are as they were written."""

from pathlib import Path

import pytest

from kakehi.pipeline.storage.notes import read_note, write_note


@pytest.mark.parametrize("victim", ["a.json", "a.parquet"])
@pytest.mark.parametrize(
    "content", [None, b"", b"ro", b"[]", b'{"told": {}, "files": {}, "digest": "0"}', b"sowr"]
)
def test_a_lost_emptied_truncated_or_foreign_one_is_none(
    tmp_path: Path, victim: str, content: bytes | None
) -> None:
    """Of the note and of its file alike; whole ones give back what was told."""
    (tmp_path / "a.parquet").write_bytes(b"rows")
    note = tmp_path / "a.json"
    write_note(note, {"counts": {"rows": 3}}, (tmp_path / "a.parquet",))
    assert read_note(note) == {"counts": {"rows": 3}}
    (tmp_path / victim).unlink() if content is None else (tmp_path / victim).write_bytes(content)
    assert read_note(note) is None
