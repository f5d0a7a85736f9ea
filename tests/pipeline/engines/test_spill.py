"""pieces: what was written is read, by partition, and damage is found."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kakehi.pipeline.engines.spill import Kind, Spread, read_partition, read_summary, read_tails, write_spill
from kakehi.pipeline.errors import ContractError, DataError

DTYPE = np.dtype([("key", "<u8"), ("row", "<u4")])
KIND = Kind(7, 3, DTYPE)


def records(*keys: int) -> np.ndarray:
    return np.array([(key, place) for place, key in enumerate(keys)], DTYPE)


def written(path: Path, *keys: int) -> Path:
    write_spill(path, Spread(records(*keys), np.array(keys, np.int64) % 3, (5, 6)), KIND)
    return path


def test_a_partition_is_read_from_every_file_in_order(tmp_path):
    """Files in their order, inside a file the order of the records; nothing else lies in the folder."""
    paths = [written(tmp_path / "a", 1, 2, 4, 1), written(tmp_path / "b"), written(tmp_path / "c", 7, 0)]
    assert read_partition(paths, 1, DTYPE).tolist() == [(1, 0), (4, 1 + 1), (1, 3), (7, 0)]
    assert read_partition(paths, 2, DTYPE).tolist() == [(2, 1)]
    assert [len(read_partition([], number, DTYPE)) for number in range(3)] == [0, 0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_layout_is_as_documented(tmp_path):
    """A reader of its own finds the records by the header and the table."""
    blob = written(tmp_path / "a", 1, 2, 4).read_bytes()
    assert blob[:8] == b"kakehiS2"
    assert np.frombuffer(blob, "<u8", 5, 8).tolist() == [7, 3, 3, 5, 6]
    starts = np.frombuffer(blob, "<u8", 12, 56)[::3].tolist()
    assert starts == [0, 0, 2, 3]
    assert np.frombuffer(blob, DTYPE, 3, 56 + 4 * 24).tolist() == [(1, 0), (4, 2), (2, 1)]
    assert len(blob) == 56 + 4 * 24 + 3 * DTYPE.itemsize


TAILED = KIND._replace(tailed=True)


def tailed(path: Path) -> Path:
    """Write three records and their texts: the first and the third are in partition 1."""
    tails = pa.array(["あ", "い", "うえ"], pa.large_string())
    write_spill(path, Spread(records(1, 2, 4), np.array([1, 2, 1]), tails=tails), TAILED)
    return path


def test_tails_lie_behind_the_records(tmp_path):
    """By partition, as the records; each is found by its place."""
    path = tailed(tmp_path / "a")
    assert path.read_bytes().endswith("あうえい".encode())
    assert read_summary(path, TAILED) == (3, (0, 0))
    assert read_summary(path, KIND) is None
    assert read_tails(path, 1, DTYPE, np.array([0, 1])).to_pylist() == ["あ", "うえ"]
    assert read_tails(path, 1, DTYPE, np.array([1])).to_pylist() == ["うえ"]
    assert read_tails(path, 2, DTYPE, np.array([0])).to_pylist() == ["い"]
    assert read_tails(path, 0, DTYPE, np.array([], np.int64)).to_pylist() == []


@pytest.mark.parametrize("change", [-1, -60])
def test_a_changed_tail_is_seen(tmp_path, change):
    """Its text or its mark, when it is read: the file is taken away."""
    path = tailed(tmp_path / "a")
    blob = bytearray(path.read_bytes())
    blob[change] ^= 1
    path.write_bytes(blob)
    with pytest.raises(DataError, match="gone, or other bytes"):
        read_tails(path, 2 if change == -1 else 1, DTYPE, np.array([0]))
    assert not path.exists()


@pytest.mark.parametrize("left", [1, 12, 40])
def test_cut_tails_do_not_count(tmp_path, left):
    """Nor can they be read."""
    path = tailed(tmp_path / "a")
    path.write_bytes(path.read_bytes()[:-left])
    assert read_summary(path, TAILED) is None
    with pytest.raises(DataError, match="gone, or other bytes"):
        read_tails(path, 2, DTYPE, np.array([0]))


@pytest.mark.parametrize("kind", [KIND._replace(source=8), KIND._replace(partitions=4)])
def test_a_file_of_something_else_does_not_count(tmp_path, kind):
    """What another run with other groups or partitions left is no file of this one."""
    path = written(tmp_path / "a", 1, 2)
    assert read_summary(path, KIND) == (2, (5, 6))
    assert read_summary(path, kind) is None
    assert read_summary(tmp_path / "none", KIND) is None


@pytest.mark.parametrize("place", [0, 8, 25, 41, 60, 100])
def test_a_changed_byte_in_header_or_table_is_seen(tmp_path, place):
    """Whatever byte it is before the records."""
    path = written(tmp_path / "a", 1, 2, 4)
    blob = bytearray(path.read_bytes())
    blob[place] ^= 1
    path.write_bytes(blob)
    assert read_summary(path, KIND) is None


@pytest.mark.parametrize("left", [0, 20, 47, 100, 130])
def test_a_cut_file_is_seen(tmp_path, left):
    """In header, table or records; and reading it names it and takes it away."""
    path = written(tmp_path / "a", 1, 2, 4)
    path.write_bytes(path.read_bytes()[:left])
    assert read_summary(path, KIND) is None
    with pytest.raises(DataError, match=r"a: gone, or other bytes than were written\nhint: run again"):
        read_partition([path], 2, DTYPE)
    assert not path.exists()


def test_a_changed_record_is_seen(tmp_path):
    """Its partition is refused and the file taken away, so that the next run makes it anew."""
    path = written(tmp_path / "a", 1, 2, 4)
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    assert len(read_partition([path], 1, DTYPE)) == 2
    with pytest.raises(DataError):
        read_partition([path], 2, DTYPE)
    assert not path.exists()


@pytest.mark.parametrize(
    ("kind", "partition"),
    [(KIND, [0, 3]), (KIND, [-1, 0]), (KIND, [0]), (Kind(7, 3, np.dtype("<u8")), [0, 0])],
)
def test_what_does_not_fit_is_our_bug(tmp_path, kind, partition):
    """Partitions out of range, too few, or other records."""
    with pytest.raises(ContractError):
        write_spill(tmp_path / "a", Spread(records(1, 2), np.array(partition, np.int64)), kind)
    assert list(tmp_path.iterdir()) == []
