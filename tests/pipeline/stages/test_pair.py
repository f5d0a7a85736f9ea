"""pair: candidates are measured on their texts; equal texts are one."""

import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.schemas import ROW_BITS
from kakehi.pipeline.stages.exact import exact
from kakehi.pipeline.stages.pair import pair
from kakehi.pipeline.stages.sign import sign

# distributed warns of its own making while a cluster is closed.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def pairs(make, root, *shards):
    """Group, sign and pair; give the table and the counts."""
    batches = [make.documents(texts) for texts in shards]
    plain = [make.shard(root / "a", i, documents=batch) for i, batch in enumerate(batches)]
    exact(make.inputs(*plain), root / "groups", Inline())
    made = []
    for i, (batch, first) in enumerate(zip(batches, plain, strict=True)):
        groups = pq.read_table(first.output(root / "groups")).combine_chunks().to_batches() or [None]
        named = {"groups": groups[0]} if groups[0] is not None else {"groups": _no_groups()}
        made.append(make.shard(root / "b", i, documents=batch, keys=sign(batch), **named))
    counts = pair(make.inputs(*made), root / "out", Inline())
    return tables(made, root / "out"), counts


def tables(shards, out):
    """Read the tables shard after shard; each has the pairs whose first row is its own."""
    read = [pq.read_table(shard.output(out)).to_pylist() for shard in shards]
    assert all(row["a"] >> ROW_BITS == i for i, rows in enumerate(read) for row in rows)
    return [row for rows in read for row in rows]


def _no_groups():
    schema = pa.schema([pa.field("group", pa.uint64()), pa.field("group_size", pa.uint32())])
    return pa.RecordBatch.from_pylist([], schema=schema)


def shingles(text):
    """Give the set of 5-grams, the slow way."""
    return {text[i : i + 5] for i in range(len(text) - 4)}


def test_similarity_is_that_of_the_texts(make, tmp_path):
    """A near copy in another shard is found once, with the shingles both have and either has."""
    text = make.text(1, 20)
    near = text + "\nひとつだけ足した文です。"
    [found], counts = pairs(make, tmp_path, [text, make.text(2), text], [near])
    one, two = shingles(text), shingles(near)
    assert (found["a"], found["b"]) == (0, 1 << ROW_BITS)
    assert (found["shared"], found["union"]) == (len(one & two), len(one | two))
    assert counts["candidates"] == 1


def test_strangers_are_no_pair(make, tmp_path):
    """Texts that share little are no candidates, or are measured as unlike."""
    found, _ = pairs(make, tmp_path, ["犬が庭を走りまわっています。", "The quick brown fox jumps."], [])
    assert all(row["shared"] < row["union"] / 2 for row in found)


def test_no_rows(make, tmp_path):
    """Empty shards give an empty table of the same columns."""
    assert pairs(make, tmp_path, []) == ([], {"candidates": 0, "buckets_cut": 0, "candidates_under_half": 0})


def slowly(batches, keys, bands, max_bucket):
    """Do as `pair` does, in one process and in memory: the rows of the table, and the buckets that were cut."""
    rows = [
        ((i << ROW_BITS) + k, text, own)
        for i, (batch, key) in enumerate(zip(batches, keys, strict=True))
        for k, (text, own) in enumerate(zip(batch.column("text").to_pylist(), key, strict=True))
    ]
    firsts = {}
    for row, text, own in rows:
        firsts.setdefault(text, (row, own))
    found, cut = set(), 0
    text_of = {row: text for row, text, _ in rows}
    for band in range(bands):
        buckets = {}
        for row, own in firsts.values():
            buckets.setdefault(own[band], []).append(row)
        for members in map(sorted, buckets.values()):
            whole = len(members) <= max_bucket
            cut += not whole
            found |= (
                set(combinations(members, 2)) if whole else {(members[0], other) for other in members[1:]}
            )
    measured = [(a, b, shingles(text_of[a]), shingles(text_of[b])) for a, b in sorted(found)]
    return [{"a": a, "b": b, "shared": len(x & y), "union": len(x | y)} for a, b, x, y in measured], cut


def keyed(make, root, shards, bands):
    """Give shards whose keys are few, so that they meet often, in other bands too."""
    made, batches, keys = [], [], []
    first = {}
    for i, numbers in enumerate(shards):
        texts = [make.text(number % 12, 3) for number, _ in numbers]
        batch = make.documents(texts)
        own = [[(number % 12 + seed * band) % 5 for band in range(bands)] for number, seed in numbers]
        row = [first.setdefault(text, (i << ROW_BITS) + k) for k, text in enumerate(texts)]
        groups = pa.RecordBatch.from_pydict(
            {"group": pa.array(row, pa.uint64()), "group_size": pa.array([1] * len(row), pa.uint32())}
        )
        columns = [pa.array([key[band] for key in own], pa.uint64()) for band in range(bands)]
        key = pa.RecordBatch.from_arrays(columns, names=[f"key_{band}" for band in range(bands)])
        made.append(make.shard(root, i, documents=batch, groups=groups, keys=key))
        batches.append(batch)
        keys.append(own)
    return made, batches, keys


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), max_size=8), max_size=4),
    st.sampled_from([64, 3000, 1 << 16, 4 << 30]),
    st.sampled_from([2, 4, 64]),
)
@settings(max_examples=30, deadline=None)
def test_pairs_are_those_of_the_slow_way(make, shards, memory, max_bucket):
    """Whatever the shards, the keys, the bound of a bucket, and the memory: a few bytes make many partitions."""
    bands = 3
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made, batches, keys = keyed(make, root, shards, bands)
        inputs = replace(make.inputs(*made), bytes_per_worker=memory)
        counts = pair(inputs, root, Inline(), bands=bands, max_bucket=max_bucket)
        found = tables(made, root)
    wanted, cut = slowly(batches, keys, bands, max_bucket)
    assert found == wanted
    under = sum(2 * row["shared"] < row["union"] for row in wanted)
    assert counts == {"candidates": len(wanted), "buckets_cut": cut, "candidates_under_half": under}


def test_engines_and_restarts_give_the_same_bytes(make, tmp_path):
    """On two workers, and over what a run before left, of which a part is gone: the file of one process."""
    shards = [[(number, number % 3) for number in range(start, start + 9)] for start in (0, 5, 11)]
    made, _, _ = keyed(make, tmp_path, shards, 3)
    inputs = replace(make.inputs(*made), bytes_per_worker=4096)
    files = [tmp_path / name for name in ("inline", "dask", "again")]
    with Dask(workers=2, bytes_per_worker=400 << 20) as cluster:
        for file, engine in zip(files, (Inline(), cluster, Inline()), strict=True):
            pair(inputs, file, engine, bands=3)
            for left in sorted(inputs.scratch.rglob("*.records"))[:: 2 if file.name == "dask" else 1]:
                left.unlink()
    for shard in made:
        assert len({shard.output(file).read_bytes() for file in files}) == 1
