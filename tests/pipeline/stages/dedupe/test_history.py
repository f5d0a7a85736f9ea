"""A run's history: sorted keys in files, in which every key is found again, and no damage is taken for keys."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.stages.dedupe import history
from kakehi.pipeline.stages.dedupe.history import (
    History,
    content_of,
    file_of,
    open_history,
    write_history,
    write_keys,
)
from kakehi.pipeline.stages.dedupe.signing import Signed
from kakehi.pipeline.storage.store import Receipt, Store

SIGNED = Signed("characters", 5, "key", "affine32", 14, 8, 1)


def offered(work, keys, files, address="0123456789abcdef"):
    """Write a finished history of (key, row) in that many files, in a work folder."""
    store = Store(work)
    attempt = store.attempt()
    keys = sorted(keys)
    column = np.array([key for key, _ in keys], np.uint64)
    rows = np.array([row for _, row in keys], np.uint64)
    numbers = file_of(column, files)
    for number in range(files):
        write_keys(attempt / f"{number}.keys", column[numbers == number], rows[numbers == number])
    counts = [int((numbers == number).sum()) for number in range(files)]
    write_history(attempt, SIGNED, 3, counts, [work / "ingest" / "a" / "s" / "0.parquet"])
    store.publish(attempt, Receipt(step="remember", source=None, shard=None, address=address))
    return work / "remember" / address


def found(opened: History, wanted):
    """Give the rows of every wanted key."""
    keys = np.array(sorted(set(wanted)), np.uint64)
    rows = {int(key): [] for key in keys}
    for places, there in opened.look_up(keys):
        for place, start, stop in zip(places, there.start, there.stop, strict=True):
            rows[int(keys[place])] += there.rows[start:stop].tolist()
    return rows


#: Few values near each other, at both ends of the range, and anywhere.
KEYS = st.one_of(st.integers(0, 5), st.integers((1 << 64) - 5, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))


@pytest.mark.slow
@given(
    st.lists(st.tuples(KEYS, st.integers(0, 1 << 50)), unique=True, max_size=60),
    st.lists(KEYS, max_size=20),
    st.sampled_from([1, 3, 64]),
    st.sampled_from([1, 2, 3, 512]),
)
@settings(max_examples=150)
def test_every_key_is_found_with_all_its_rows(keys, others, files, block):
    """Equal to a dictionary: keys that are there, often more of one than a block has, and keys that are not."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "_BLOCK", block)
        offered(Path(folder), keys, files)
        wanted = [key for key, _ in keys] + others
        known = {key: sorted(row for other, row in keys if other == key) for key in wanted}
        assert found(open_history(Path(folder)), wanted) == known


def test_a_look_up_reads_few_blocks(tmp_path, monkeypatch):
    """Of a million keys, one that is looked up costs the noted ones and one block of 512."""
    keys = np.sort(np.random.default_rng(1).integers(0, 1 << 63, 1_000_000).astype(np.uint64)) * 2
    write_keys(tmp_path / "0.keys", keys, np.arange(len(keys), dtype=np.uint64))
    opened = History(folder=tmp_path, content="", signed=SIGNED, sign=3, files=(len(keys),), tables=())
    read = []
    real = history._places
    monkeypatch.setattr(
        history,
        "_places",
        lambda keys, block, *rest: read.append(len(np.unique(block))) or real(keys, block, *rest),
    )
    assert found(opened, [int(keys[777_777])]) == {int(keys[777_777]): [777_777]}
    assert read == [1, 1]


def test_the_folder_of_the_step_and_the_work_folder_name_the_same(tmp_path):
    """And what is in it is told by its content, wherever it lies and whenever it was made."""
    home = offered(tmp_path / "a", [(1, 2)], 1)
    assert open_history(home) == open_history(tmp_path / "a")
    again = offered(tmp_path / "b", [(1, 2)], 1, address="f" * 16)
    assert content_of(again) == content_of(home)
    assert content_of(offered(tmp_path / "c", [(1, 3)], 1)) != content_of(home)
    assert open_history(again).tables == (tmp_path / "b" / "ingest" / "a" / "s" / "0.parquet",)


def test_what_is_no_finished_history_is_refused(tmp_path):
    """None, several, one without a receipt, one of another size, and one whose keys were cut off meanwhile."""
    with pytest.raises(DataError, match=r"no finished history, wanted one\nhint: add remember: to"):
        open_history(tmp_path)
    homes = [offered(tmp_path, [(1, 2)], 1, address=letter * 16) for letter in "ab"]
    with pytest.raises(DataError, match=r"2 finished histories, wanted one\nhint: name one of .*aaaa.*bbbb"):
        open_history(tmp_path)
    (homes[0] / "receipt.json").unlink()
    opened = open_history(tmp_path)
    assert opened.folder == homes[1]
    (homes[1] / "0.keys").write_bytes(b"12345678")
    with pytest.raises(DataError, match=r"0.keys.*\nhint: run the earlier manifest again"):
        open_history(tmp_path)
    with pytest.raises(DataError, match="is not what its receipt says"):
        found(opened, [1])
    assert json.loads((homes[1] / "history.json").read_bytes())["files"] == [1]
