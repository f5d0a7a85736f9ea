"""Shards are stable: one more file touches one shard."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.storage.shards import InputFile, dataset_shard, find_files, group


def made(name: str, size: int = 100) -> InputFile:
    return InputFile(name=name, path=Path("/nowhere") / name, size=size, mtime_ns=1)


NAMES = st.lists(st.text("abcdefgh0123", min_size=1, max_size=6), min_size=1, max_size=30, unique=True)


@given(NAMES, st.integers(50, 2000), st.randoms())
def test_grouping_depends_on_the_files_alone(names: list[str], target: int, random) -> None:
    """Any order of the same files gives the same shards, and each file is in one."""
    files = [made(name) for name in names]
    shards = group("s", files, target_bytes=target)
    random.shuffle(files)
    assert group("s", files, target_bytes=target) == shards
    assert sorted(file.name for shard in shards for file in shard.files) == sorted(names)
    assert all(len(s.files) == 1 or sum(f.size for f in s.files) <= target for s in shards)


@given(NAMES, st.integers(50, 2000))
def test_one_more_file_touches_one_shard(names: list[str], target: int) -> None:
    """Adding a file changes or splits one shard; all others keep their names."""
    files = [made(name) for name in names]
    before = {s.name for s in group("s", files, target_bytes=target)}
    after = {s.name for s in group("s", [*files, made("zz-new")], target_bytes=target)}
    assert len(before - after) <= 1


def test_a_changed_file_changes_its_shards_name() -> None:
    """Size and modification time are part of a shard's identity."""
    [one] = group("s", [made("a")], target_bytes=1000)
    [other] = group("s", [made("a", size=101)], target_bytes=1000)
    assert one.name != other.name
    assert one.name.startswith("all-")


def test_limit_gives_one_shard_of_its_own_name() -> None:
    """A limited run never mixes with a whole one."""
    files = [made("a"), made("b")]
    [limited] = group("s", files, target_bytes=1, limit=5)
    assert limited.limit == 5
    assert limited.name not in {s.name for s in group("s", files, target_bytes=1)}


def test_find_files_refuses_a_pattern_without_files(tmp_path: Path) -> None:
    """An empty input set is an error that names the pattern."""
    with pytest.raises(DataError, match=r"'no/\*\.gz': no file"):
        find_files(["no/*.gz"], tmp_path)


def test_find_files_lists_each_file_once(tmp_path: Path) -> None:
    """Overlapping patterns do not read a file twice, and folders are no files."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.txt").write_text("b")
    (tmp_path / "in" / "a.txt").write_text("a")
    found = find_files(["in/*", "**/*.txt"], tmp_path)
    assert [file.name for file in found] == ["in/a.txt", "in/b.txt"]


def test_dataset_shard_is_named_by_what_it_reads() -> None:
    """Another revision is another shard."""
    one, other = (dataset_shard("s", {"dataset": "o/n", "revision": r}) for r in "ab")
    assert one.name != other.name
