"""Outputs are published whole or not at all, and what differs from its receipt is found."""

import os
import shutil
from pathlib import Path

import pytest

from kakehi.pipeline.errors import DataError, EngineError
from kakehi.pipeline.storage.addresses import address
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


def test_an_attempt_that_was_removed_publishes_nothing(tmp_path: Path) -> None:
    """Not even what its task wrote into a folder that it made again; a shard of nothing is refused too."""
    store, told = Store(tmp_path), Receipt(step="measure", source="s", shard="all-1", address="aa")
    gone, empty = store.attempt(), store.attempt()
    shutil.rmtree(gone)
    (gone / "s").mkdir(parents=True)
    (gone / "s" / "all-1.parquet").write_bytes(b"rows")
    for attempt in (gone, empty, tmp_path / "tmp" / "never"):
        with pytest.raises(EngineError, match="is not all there"):
            store.publish(attempt, told)
    assert store.receipt("measure", "aa", "s", "all-1") is None
    assert not (tmp_path / "measure").exists()


def test_a_folder_in_the_place_of_a_table_is_set_aside(tmp_path: Path) -> None:
    """The run after goes on, and what lay in it stays until `kakehi clean`."""
    store = Store(tmp_path)
    receipt = published(store)
    path = store.table("measure", "aa", "s", "all-1")
    path.unlink()
    path.mkdir()
    (path / "mine").write_bytes(b"kept")
    assert "is gone" in str(store.fault(receipt, verify=False))
    published(store)
    assert path.read_bytes() == b"rows"
    assert len(list((tmp_path / "tmp").glob("*/mine"))) == 1


def test_what_came_of_a_shard_is_forgotten_whatever_made_it(tmp_path: Path) -> None:
    """Of row-wise steps by its name, of corpus steps by their recipe; others stay."""
    store = Store(tmp_path)
    published(store)
    some = {"version": 1, "params": {}, "libraries": {}, "upstream": {}}
    recipe = {**some, "step": "pair", "shards": ["s/all-1"]}
    mine, other = address(recipe), address({**recipe, "shards": ["s/all-2"]})
    store.keep_recipe("pair", mine, recipe)
    store.keep_recipe("pair", other, {**recipe, "shards": ["s/all-2"]})
    measured = {"step": "measure"}
    store.keep_recipe("measure", address(measured), measured)
    row_wise = Receipt(step="measure", source="s", shard="all-1", address=address(measured))
    for told in (
        row_wise,
        *(Receipt(step="pair", source=None, shard=None, address=a) for a in (mine, other)),
    ):
        attempt = store.attempt()
        (attempt / "table").write_bytes(b"rows")
        store.publish(attempt, told)
    store.forget("s", "all-1")
    assert store.receipt("measure", address(measured), "s", "all-1") is None
    assert store.receipt("pair", mine, None, None) is None
    assert store.receipt("pair", other, None, None) is not None
