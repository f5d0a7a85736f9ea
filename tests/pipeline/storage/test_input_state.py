"""An input that is not the file that was found is noticed."""

import os
from pathlib import Path

import pytest

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.storage.input_state import refuse_changed, state_of
from kakehi.pipeline.storage.shards import find_files


def test_whatever_happens_to_a_file_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    """Appended, rewritten, removed, replaced and put back with its time, replaced before it was opened."""
    path, kept = tmp_path / "a.jsonl", tmp_path / "kept"

    def replace_and_put_back() -> None:
        path.rename(kept)
        path.write_bytes(b"four")
        path.unlink()
        kept.rename(path)

    def rewrite_with_its_time() -> None:
        state = path.stat()
        path.write_bytes(b"four")
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    cases = {
        "size 5 bytes, now 7": lambda: path.write_bytes(b"appende"),
        "time .*, now": lambda: os.utime(path, ns=(1, 10**18)),
        "it is gone": path.unlink,
        r"\(its times\)": replace_and_put_back,
        r"its times": rewrite_with_its_time,
    }
    for said, change in cases.items():
        path.write_bytes(b"four" if said == "its times" else b"fives")
        [file] = find_files(["a.jsonl"], tmp_path)
        before = state_of(file)
        refuse_changed(file, before)
        change()
        with pytest.raises(DataError, match=f"a.jsonl: changed while it was read .*{said}"):
            refuse_changed(file, before)
