"""exact: rows of equal text form groups across shards."""

import tempfile
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.engines.spill import Kind, Spread, write_spill
from kakehi.pipeline.stages.dedupe.exact import _ROW_BYTES, _group, exact
from kakehi.pipeline.stages.row_hashes import HASHED
from kakehi.pipeline.storage.schemas import ROW_BITS


def groups(make, tmp_path, *shards, memory=4 << 30):
    """Group; give (group, size) of every row by shard, and the counts."""
    made = [make.shard(tmp_path, i, documents=make.documents(texts)) for i, texts in enumerate(shards)]
    inputs = make.inputs(*made)
    inputs = replace(inputs, bytes_per_worker=memory)
    counts = exact(inputs, tmp_path / "out", Inline())
    found = [pq.read_table(shard.output(tmp_path / "out")).to_pydict() for shard in made]
    return [(one["group"], one["group_size"]) for one in found], counts


@pytest.mark.parametrize("memory", [4 << 30, 64])
def test_groups_cross_shards(make, tmp_path, memory):
    """Each row names the first of its group, whatever the number of partitions."""
    found, counts = groups(make, tmp_path, ["あ", "い", "あ"], ["い", "う", "あ"], memory=memory)
    assert found == [([0, 1, 0], [3, 2, 3]), ([1, (1 << ROW_BITS) + 1, 0], [2, 1, 3])]
    assert (counts["rows"], counts["groups"], counts["rows_in_groups_of_several"]) == (6, 3, 5)
    assert counts["passes"] == (1 if memory > 64 else 14)


def test_no_rows(make, tmp_path):
    """An empty shard has an empty table."""
    found, counts = groups(make, tmp_path, [], ["あ"])
    assert found == [([], []), ([1 << ROW_BITS], [1])]
    assert counts["rows"] == 1


def test_no_shards(make, tmp_path):
    """Nothing gives nothing."""
    assert groups(make, tmp_path) == (
        [],
        {"rows": 0, "groups": 0, "rows_in_groups_of_several": 0, "repeated_ids": 0, "passes": 1},
    )


def slowly(shards):
    """Name each row's group by its text: the first row of the same text, and how many there are."""
    rows = [(text, (i << ROW_BITS) + k) for i, texts in enumerate(shards) for k, text in enumerate(texts)]
    first, size = {}, Counter(text for text, _ in rows)
    for text, row in rows:
        first.setdefault(text, row)
    return [([first[text] for text in texts], [size[text] for text in texts]) for texts in shards]


@pytest.mark.slow
@given(
    st.lists(st.lists(st.sampled_from("あいうえおかきくけこ"), max_size=8), max_size=4), st.integers(64, 8192)
)
@settings(max_examples=30)
def test_groups_are_those_of_the_texts(make, shards, memory):
    """Whatever the shards, the repetitions and the memory."""
    with tempfile.TemporaryDirectory() as folder:
        found, counts = groups(make, Path(folder), *shards, memory=memory)
    assert found == slowly(shards)
    assert counts["groups"] == len({text for texts in shards for text in texts})


@pytest.mark.parametrize("copies", [1, 2, 7])
def test_grouping_keeps_within_the_memory_it_is_given(tmp_path, copies):
    """What a row takes at the peak, reading and handing on included, is what partitions are counted by."""
    count = 200_000
    records = np.zeros(count, HASHED)
    records["high"] = np.random.default_rng(1).permutation(count) // copies
    records["row"] = np.arange(count)
    kind = Kind(1, 1, HASHED)
    write_spill(tmp_path / "0.records", Spread(records, np.zeros(count, np.int64)), kind)
    del records
    tracemalloc.start()
    spread = _group(Part(tmp_path, range(1), 0, HASHED), first=[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(spread.records) == (count if copies > 1 else 0)
    assert peak <= count * _ROW_BYTES
