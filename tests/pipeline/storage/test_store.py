"""Outputs are published whole or not at all, and what differs from its receipt is found."""

import os
from pathlib import Path

import pytest

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.storage.store import Receipt, Store, merge


def published(store: Store, content: bytes = b"rows") -> Receipt:
    attempt = store.attempt()
    (attempt / "s").mkdir()
    (attempt / "s" / "all-1.parquet").write_bytes(content)
    receipt = Receipt(step="measure", source="s", shard="all-1", address="aa", counts={"rows": 3})
    return store.publish(attempt, receipt)


def test_publish_moves_files_and_writes_the_receipt(tmp_path: Path) -> None:
    """What was published is found again, and the attempt is gone."""
    store = Store(tmp_path)
    receipt = published(store)
    assert store.receipt("measure", "aa", "s", "all-1") == receipt
    assert store.table("measure", "aa", "s", "all-1").read_bytes() == b"rows"
    assert store.fault(receipt, verify=True) is None
    assert not list((tmp_path / "tmp").iterdir())


def test_another_size_is_found_by_every_run(tmp_path: Path) -> None:
    """A file cut or grown by hand is found by its size."""
    store = Store(tmp_path)
    receipt = published(store)
    store.table("measure", "aa", "s", "all-1").write_bytes(b"row")
    assert store.fault(receipt, verify=False) == "s/all-1.parquet has 3 bytes, receipt says 4"
    store.table("measure", "aa", "s", "all-1").unlink()
    assert store.fault(receipt, verify=False) == "s/all-1.parquet is gone, receipt says 4"


def test_the_same_size_is_found_by_verify_only(tmp_path: Path) -> None:
    """Other bytes of the same length take a read of every byte."""
    store = Store(tmp_path)
    receipt = published(store)
    store.table("measure", "aa", "s", "all-1").write_bytes(b"sowr")
    assert store.fault(receipt, verify=False) is None
    assert store.fault(receipt, verify=True) == "s/all-1.parquet has other bytes than its receipt says"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"step": 1}', b'{"outputs": [3], "inputs": []}'])
def test_a_receipt_changed_by_hand_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """A receipt that can't be read makes its output be made anew."""
    store = Store(tmp_path)
    published(store)
    (tmp_path / "measure" / "aa" / "s" / "all-1.json").write_bytes(content)
    assert store.receipt("measure", "aa", "s", "all-1") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cant_be_written_to_is_refused(tmp_path: Path) -> None:
    """A read-only work folder is one clear error with a way out."""
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="can't be written to"):
        Store(tmp_path / "work").attempt()
    tmp_path.chmod(0o700)


def test_a_work_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """Where no folder can be made, the error says which."""
    (tmp_path / "work").write_text("a file")
    with pytest.raises(DataError, match=r"work'?: can't be written to"):
        Store(tmp_path / "work").attempt()


def test_merge_adds_key_by_key() -> None:
    """Counts of parts add up whatever keys each has."""
    assert merge([{"a": 1}, {"a": 2, "b": 3}]) == {"a": 3, "b": 3}
