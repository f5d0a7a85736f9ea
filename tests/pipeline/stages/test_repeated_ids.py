"""Ids that several documents have are counted, by source, whatever the shards and the memory."""

import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.stages.repeated_ids import count_repeated_ids, describe_repeated_ids
from kakehi.pipeline.storage.schemas import DOCUMENTS

A, B, C = (bytes([number]) * 16 for number in (1, 2, 3))


def counted(make, root, *shards, memory=4 << 30):
    """Count in shards of (source, ids)."""
    made = [
        make.shard(root, number, documents=with_ids(make.documents(["あ"] * len(ids), source=source), ids))
        for number, (source, ids) in enumerate(shards)
    ]
    return count_repeated_ids(replace(make.inputs(*made), bytes_per_worker=memory), "exact", Inline())


def with_ids(batch, ids):
    """Give documents other ids."""
    return batch.set_column(0, DOCUMENTS.field("id"), pa.array(ids, pa.binary(16)))


@pytest.mark.parametrize(
    ("shards", "wanted"),
    [
        ([], {"repeated_ids": 0}),
        ([("s", [])], {"repeated_ids": 0}),
        ([("s", [A, B]), ("s", [C])], {"repeated_ids": 0}),
        ([("s", [A, B, A])], {"repeated_ids": 1, "repeated_ids/s": 2, f"repeated_id/s/{A.hex()}": 2}),
        (
            [("s", [A]), ("s", [B, A])],
            {"repeated_ids": 1, "repeated_ids/s": 2, f"repeated_id/s/{A.hex()}": 2},
        ),
        (
            [("s", [C, B]), ("s", [B, C, C])],
            {"repeated_ids": 2, "repeated_ids/s": 5, f"repeated_id/s/{B.hex()}": 2},
        ),
        (
            [("s", [A, A, A]), ("t", [C]), ("t", [B]), ("t", [C])],
            {
                "repeated_ids": 2,
                "repeated_ids/s": 3,
                f"repeated_id/s/{A.hex()}": 3,
                "repeated_ids/t": 2,
                f"repeated_id/t/{C.hex()}": 2,
            },
        ),
    ],
)
@pytest.mark.parametrize("memory", [4 << 30, 64])
def test_ids_are_counted_in_a_shard_and_across(make, tmp_path, shards, wanted, memory):
    """With the lowest of each source as an example."""
    assert counted(make, tmp_path, *shards, memory=memory) == wanted


ID = st.integers(0, 9).map(lambda number: bytes([number * 28, *[0] * 14, 255 - number]))


@given(st.lists(st.lists(ID, min_size=1, max_size=8), max_size=4), st.integers(64, 4096))
@settings(max_examples=30)
def test_counts_are_those_of_python(make, shards, memory):
    """Whatever the shards, the repetitions and the memory; an id hashes its source, so no two sources share one."""
    named = [
        (f"s{number % 2}", [id_[:15] + bytes([number % 2]) for id_ in ids])
        for number, ids in enumerate(shards)
    ]
    named.sort(key=lambda shard: shard[0])
    with tempfile.TemporaryDirectory() as folder:
        found = counted(make, Path(folder), *named, memory=memory)
    by_source = defaultdict(Counter)
    for source, ids in named:
        by_source[source].update(ids)
    wanted = {"repeated_ids": 0}
    for source, counts in by_source.items():
        several = {id_: number for id_, number in counts.items() if number > 1}
        wanted["repeated_ids"] += len(several)
        if several:
            wanted[f"repeated_ids/{source}"] = sum(several.values())
            wanted[f"repeated_id/{source}/{min(several).hex()}"] = several[min(several)]
    assert found == wanted


def test_a_line_names_source_number_and_an_example():
    """None where nothing repeats, or where a receipt of an older version does not say."""
    counts = {"repeated_ids": 2, "repeated_ids/a/b": 1_005, f"repeated_id/a/b/{A.hex()}": 1_000}
    [line] = describe_repeated_ids(counts)
    assert line.startswith(f"source 'a/b': 1,005 documents share their id with others (1,000 have {A.hex()};")
    assert describe_repeated_ids({"repeated_ids": 0}) == describe_repeated_ids({"rows": 3}) == []
