"""exact: rows of equal text form groups across shards."""

import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.schemas import ROW_BITS
from kakehi.pipeline.stages.exact import exact


def groups(make, tmp_path, *shards, memory=4 << 30):
    """Group; give (group, size) of every row by shard, and the counts."""
    made = [make.shard(tmp_path, i, documents=make.documents(texts)) for i, texts in enumerate(shards)]
    inputs = make.inputs(*made)
    inputs = type(inputs)(corpus="c", shards=inputs.shards, bytes_per_worker=memory)
    counts = exact(inputs, tmp_path / "out", Inline())
    found = [pq.read_table(shard.output(tmp_path / "out")).to_pydict() for shard in made]
    return [(one["group"], one["group_size"]) for one in found], counts


@pytest.mark.parametrize("memory", [4 << 30, 64])
def test_groups_cross_shards(make, tmp_path, memory):
    """Each row names the first of its group, whatever the number of passes."""
    found, counts = groups(make, tmp_path, ["あ", "い", "あ"], ["い", "う", "あ"], memory=memory)
    assert found == [([0, 1, 0], [3, 2, 3]), ([1, (1 << ROW_BITS) + 1, 0], [2, 1, 3])]
    assert (counts["rows"], counts["groups"], counts["rows_in_groups_of_several"]) == (6, 3, 5)
    assert counts["passes"] == (1 if memory > 64 else 6)


def test_no_rows(make, tmp_path):
    """An empty shard has an empty table."""
    found, counts = groups(make, tmp_path, [], ["あ"])
    assert found == [([], []), ([1 << ROW_BITS], [1])]
    assert counts["rows"] == 1


def test_no_shards(make, tmp_path):
    """Nothing gives nothing."""
    assert groups(make, tmp_path) == (
        [],
        {"rows": 0, "groups": 0, "rows_in_groups_of_several": 0, "passes": 1},
    )
