"""pair: candidates are measured on their texts; equal texts are one."""

import pyarrow as pa
import pyarrow.parquet as pq

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.schemas import ROW_BITS
from kakehi.pipeline.stages.exact import exact
from kakehi.pipeline.stages.pair import pair
from kakehi.pipeline.stages.sign import sign


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
    out = root / "out"
    out.mkdir()
    counts = pair(make.inputs(*made), out, Inline())
    return pq.read_table(out / "pairs.parquet").to_pylist(), counts


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
