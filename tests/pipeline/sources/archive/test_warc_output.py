"""A WARC file that is filled: after a kill at any byte it holds a prefix of what was written, and goes on from there."""

import pytest

from kakehi.pipeline.sources.archive.warc_output import (
    Entry,
    HeldRecords,
    WarcOutput,
    hold,
    journal_of,
    read_entries,
)

ENTRIES = [
    (Entry("ok", 5, 5, ""), b"first"),
    (Entry("http_404", 0, 0, ""), b""),
    (Entry("ok", 6, 6, "https://a.example/"), b"second"),
]
WHOLE = b"firstsecond"


def fill(path, entries=ENTRIES):
    with WarcOutput(path) as filling:
        for entry, raw in entries[len(filling.entries) :]:
            filling.add(entry, raw)


def test_cut_at_any_byte_it_is_filled_to_the_same_file(tmp_path):
    """Whatever of the file or of its journal a machine without power has lost."""
    path = tmp_path / "x.warc.gz"
    fill(path)
    journal = journal_of(path).read_bytes()
    for file, content in ((path, WHOLE), (journal_of(path), journal)):
        for size in range(len(content)):
            path.write_bytes(WHOLE)
            journal_of(path).write_bytes(journal)
            file.write_bytes(content[:size])
            fill(path)
            assert path.read_bytes() == WHOLE
            assert journal_of(path).read_bytes() == journal


def test_holes_are_filled_and_the_rest_is_held(tmp_path):
    """What came is copied from the file set aside, even if the filling was ended in the middle."""
    path = tmp_path / "x.warc.gz"
    fill(path)
    hold(path)
    assert not path.exists()
    held = HeldRecords(path)
    assert [row in held for row in range(3)] == [True, False, True]
    assert held.read(2) == ENTRIES[2]
    fill(path, ENTRIES[:1])
    assert HeldRecords(path).read(2) == ENTRIES[2]
    held.drop()
    assert 2 not in HeldRecords(path)


def test_a_file_that_is_not_open_takes_nothing(tmp_path):
    """It would be lost."""
    with pytest.raises(ValueError, match="is not open"):
        WarcOutput(tmp_path / "x").add(*ENTRIES[0])


def test_nothing_is_there_before_it_is_filled(tmp_path):
    """No file, no entry."""
    assert read_entries(tmp_path / "x") == []
