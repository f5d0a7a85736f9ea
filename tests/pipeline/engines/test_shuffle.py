"""shuffle: whatever the partitions and the engine, each record arrives once, in order; what is whole is not redone."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.partitions import partitions_for
from kakehi.pipeline.engines.shuffle import Part, Shuffles, numbered, shard_groups
from kakehi.pipeline.engines.spill import Spread
from kakehi.pipeline.errors import DataError, EngineError
from kakehi.pipeline.storage.shard_tables import ShardTables

# distributed warns of its own making while a cluster is closed.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

DTYPE = np.dtype([("key", "<u8"), ("row", "<u8")])
MIB = 1 << 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Dask]:
    with Dask(workers=2, bytes_per_worker=400 * MIB) as opened:
        yield opened


@pytest.fixture(params=["inline", pytest.param("dask", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Engine:
    return Inline() if request.param == "inline" else request.getfixturevalue("cluster")


def spread(keys: list[int], *, parts: int, made: Path | None = None) -> Spread:
    """Number the keys; note in a file that it was asked."""
    if made is not None:
        (made / f"{len(list(made.iterdir()))}").touch()
    if 99 in keys:
        raise DataError("99 is no key", hint="take another")
    if 98 in keys:
        raise KeyError("98")
    records = np.array(list(zip(keys, range(len(keys)), strict=True)), DTYPE)
    return Spread(records, np.array(keys, np.int64) % parts, (len(keys), 1))


def scattered(
    engine: Engine, folder: Path, sources: dict[str, list[int]], parts: int, made: Path | None = None
):
    shuffles = Shuffles(stage="test", engine=engine, scratch=folder.parent)
    return shuffles.scatter(
        folder.name, sources, partial(spread, parts=parts, made=made), numbered(parts), DTYPE
    )


def rows_by_key(part: Part) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for key, row in part.read().tolist():
        found.setdefault(key, []).append(row)
    return found


def through(engine: Engine, folder: Path, sources: dict[str, list[int]], parts: int) -> dict[int, list[int]]:
    """Shuffle and merge: each key's rows, in the order in which they arrive."""
    files = scattered(engine, folder, sources, parts)
    total = sum(map(len, sources.values()))
    assert (files.records, files.counted) == (total, (total, len(sources)))
    found = Shuffles(stage="test", engine=engine, scratch=folder).gather(files.parts, rows_by_key)
    merged = {key: rows for one in found for key, rows in one.items()}
    assert len(merged) == sum(map(len, found))  # no key is in two partitions
    return merged


def slowly(sources: dict[str, list[int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for keys in sources.values():
        for row, key in enumerate(keys):
            found.setdefault(key, []).append(row)
    return found


@given(st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=5), st.integers(1, 60))
@settings(max_examples=40)
def test_every_record_arrives_once_and_in_order(keys, parts):
    """Empty sources, no sources, more partitions than records: nothing is lost or swapped."""
    sources = {str(number): found for number, found in enumerate(keys)}
    with tempfile.TemporaryDirectory() as folder:
        assert through(Inline(), Path(folder), sources, parts) == slowly(sources)


@pytest.mark.parametrize("parts", [1, 3, 16])
def test_engine_and_partitions_change_nothing(engine, tmp_path, parts):
    """The same at 1, 3 and 16 partitions, in one process and on two workers."""
    sources = {f"s{n}": np.random.default_rng(n).integers(0, 50, 200).tolist() for n in range(5)}
    assert through(engine, tmp_path, sources, parts) == slowly(sources)


def test_only_what_a_kill_left_undone_is_made_again(tmp_path):
    """Missing, cut and changed files are made, others are not; the next run finds all."""
    made = tmp_path / "made"
    made.mkdir()
    sources = {f"s{n}": [n, n + 1, n + 2] for n in range(6)}
    folder = tmp_path / "files"
    first = scattered(Inline(), folder, sources, 3, made)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(list(made.iterdir())) == 6
    (folder / "1.records").unlink()
    (folder / "3.records").write_bytes(before["3.records"][:-1])
    (folder / "4.records").write_bytes(before["4.records"][:50] + b"?" + before["4.records"][51:])
    assert scattered(Inline(), folder, sources, 3, made) == first
    assert len(list(made.iterdir())) == 9
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_other_partitions_or_groups_are_made_anew(tmp_path):
    """A run on a machine of other memory does not take the files of the run before for its own."""
    sources = {"a": [1, 2, 3, 4], "b": [5, 6]}
    for parts in (2, 3, 2):
        assert through(Inline(), tmp_path, sources, parts) == slowly(sources)
    other = {"a and b": [1, 2, 3, 4, 5, 6]}
    assert through(Inline(), tmp_path, other, 2) == slowly(other)


def test_failures_are_one_error_with_names(engine, tmp_path):
    """All other files are there; each failure alike is told once."""
    sources = {"good": [1], "bad": [99], "worse": [99, 1]}
    with pytest.raises(DataError, match=r"^test: bad and 1 more: 99 is no key\nhint: take another$"):
        scattered(engine, tmp_path, sources, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["0.records"]
    with pytest.raises(EngineError, match=r"test: odd: .*98"):
        scattered(engine, tmp_path, {"odd": [98]}, 2)


def test_blocks_cut_a_partition_between_sources(tmp_path):
    """As many records as are asked for, or those of one source; all of them, in order."""
    files = scattered(
        Inline(), tmp_path, {str(n): [0] * size for n, size in enumerate([3, 0, 2, 9, 1, 1])}, 2
    )
    assert files.records == 16
    part = files.parts["partition 0 of 2"]
    assert [len(block.read()) for block in part.blocks(5)] == [5, 9, 2]
    assert [len(block.read()) for block in part.blocks(100)] == [16]
    assert [len(block.read()) for block in files.parts["partition 1 of 2"].blocks(5)] == [0]
    assert np.concatenate([block.read() for block in part.blocks(1)]).tolist() == part.read().tolist()
    nothing = scattered(Inline(), tmp_path / "none", {}, 1).parts["partition 0 of 1"]
    assert [len(block.read()) for block in nothing.blocks(5)] == [0]


TEXTS = ["", "あ", "筧の水", "a" * 1000, "\n", "𠮷野家"]


def texts_of(numbers: list[int], *, parts: int) -> Spread:
    """Give each number a text."""
    records = np.array(list(zip(numbers, range(len(numbers)), strict=True)), DTYPE)
    tails = pa.array([f"{number}{TEXTS[number % 6]}" for number in numbers], pa.large_string())
    return Spread(records, np.array(numbers, np.int64) % parts, tails=tails)


@given(st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=4), st.integers(1, 7), st.integers(1, 4))
@settings(max_examples=40)
def test_texts_arrive_with_their_records(keys, parts, step):
    """All of them, or those that are asked for: in the order of the records."""
    sources = {str(number): found for number, found in enumerate(keys)}
    with tempfile.TemporaryDirectory() as folder:
        shuffles = Shuffles(stage="test", engine=Inline(), scratch=Path(folder))
        spread = partial(texts_of, parts=parts)
        files = shuffles.scatter("texts", sources, spread, numbered(parts), DTYPE, tailed=True)
        for part in files.parts.values():
            every = part.read()
            records, texts = part.tails(lambda found: found["row"] % step == 0)
            assert records.tolist() == every[every["row"] % step == 0].tolist()
            assert texts.to_pylist() == [f"{key}{TEXTS[key % 6]}" for key in records["key"].tolist()]
            assert part.size == len(every)


def refuse(part: Part) -> None:
    raise DataError(f"got {len(part.read())}")


def test_gather_names_the_partition(engine, tmp_path):
    """What fails at one says which."""
    files = scattered(engine, tmp_path, {"a": [1, 2, 3]}, 2)
    with pytest.raises(DataError, match=r"test: partition 0 of 2: got 1\ntest: partition 1 of 2: got 2"):
        Shuffles(stage="test", engine=engine, scratch=tmp_path).gather(files.parts, refuse)


def test_partitions_follow_memory():
    """None is too large for half a worker's memory, or for a task of its share; there is one at least."""
    assert partitions_for(0, 1 << 30) == 1
    assert partitions_for(1 << 29, 1 << 30) == 1
    assert partitions_for((1 << 29) + 1, 1 << 30) == 2
    assert partitions_for(10 << 30, 1 << 30) == partitions_for(10 << 30, 64 << 30) == 20


def test_groups_of_shards_fill_pieces_within_memory():
    """Consecutive shards until a piece has 1 MiB, or a quarter of the memory is full; all of them, once."""
    shards = [ShardTables(source="s", name=str(n), ordinal=n, paths={}) for n in range(10)]
    groups = shard_groups(shards, [MIB] * 10, partitions=4, bytes_per_worker=1 << 30)
    assert list(groups) == ["s/0 to s/3 (4 shards)", "s/4 to s/7 (4 shards)", "s/8 to s/9 (2 shards)"]
    assert [shard for group in groups.values() for shard in group] == shards
    assert len(shard_groups(shards, [MIB] * 10, partitions=4, bytes_per_worker=8 * MIB)) == 5
    assert list(shard_groups(shards[:2], [9 * MIB] * 2, partitions=4, bytes_per_worker=1 << 30)) == [
        "s/0",
        "s/1",
    ]
    assert shard_groups([], [], partitions=1, bytes_per_worker=1 << 30) == {}
