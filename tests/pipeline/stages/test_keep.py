"""keep: one document of each set of look-alikes stays, and all others name it."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.schemas import GROUPS, PAIRS, ROW_BITS
from kakehi.pipeline.stages.keep import SourceOrder, keep

VERDICT = pa.schema([pa.field("verdict", pa.string())])
B = 1 << ROW_BITS


def kept(make, root, shards, pairs=(), **parameters):
    """Keep; shards are (source, texts, groups, verdicts, fetched)."""
    made = []
    for i, (source, texts, groups, verdicts, fetched) in enumerate(shards):
        tables = {
            "documents": make.documents(texts, source=source, fetched=fetched),
            "groups": pa.RecordBatch.from_pylist(
                [{"group": g, "group_size": 1} for g in groups], schema=GROUPS
            ),
            "verdict": pa.RecordBatch.from_pylist([{"verdict": v} for v in verdicts], schema=VERDICT),
        }
        made.append(make.shard(root, i, **tables))
    (root / "pairs").mkdir(parents=True)
    rows = [dict(zip(PAIRS.names, pair, strict=True)) for pair in pairs]
    pq.write_table(pa.Table.from_pylist(rows, schema=PAIRS), root / "pairs" / "pairs.parquet")
    inputs = make.inputs(*made, pairs=root / "pairs")
    counts = keep(inputs, root / "out", Inline(), **parameters)
    return [row for shard in made for row in pq.read_table(shard.output(root / "out")).to_pylist()], counts


def verdicts(rows):
    """Give the verdicts alone."""
    return [row["verdict"] for row in rows]


def test_equal_texts_and_near_ones_name_their_keeper(make, tmp_path):
    """The longest stays; each of the others has its partner's id and the similarity measured."""
    shards = [("a", ["あい", "あい", "あいう"], [0, 0, 2], [None] * 3, None)]
    rows, counts = kept(make, tmp_path, shards, [(0, 2, 9, 10)])
    assert verdicts(rows) == ["dedupe:near", "dedupe:near", None]
    assert [row["partner_row"] for row in rows] == [2, 2, None]
    assert rows[0]["partner"] == make.documents(["", "", "あ"], source="a").column("id")[-1].as_py()
    assert [row["similarity"] for row in rows] == [0.9, 0.9, None]
    assert [row["cluster_size"] for row in rows] == [0, 0, 3]
    assert counts == {
        "rows": 3,
        "kept/documents": 1,
        "kept/characters": 3,
        "verdict/dedupe:near/documents": 2,
        "verdict/dedupe:near/characters": 4,
    }


def test_below_the_threshold_both_stay(make, tmp_path):
    """The threshold itself is enough to leave."""
    shards = [("a", ["あ", "い"], [0, 1], [None] * 2, None)]
    assert verdicts(kept(make, tmp_path / "1", shards, [(0, 1, 79, 100)])[0]) == [None, None]
    assert verdicts(kept(make, tmp_path / "2", shards, [(0, 1, 8, 10)])[0]) == [None, "dedupe:near"]


def test_an_objection_is_no_keeper(make, tmp_path):
    """The longest has a verdict, so the next one stays."""
    shards = [("a", ["あいう", "あ"], [0, 1], ["screen:x.min", None], None)]
    rows, _ = kept(make, tmp_path, shards, [(0, 1, 10, 10)])
    assert rows[1]["verdict"] is None
    assert rows[1]["cluster_size"] >= 1


@pytest.mark.parametrize(
    ("priority", "stays"),
    [
        ([SourceOrder(source=["b"])], 1),
        ([SourceOrder(source=["a", "b"])], 0),
        (["longest"], 0),
        (["earliest"], 1),
        (["latest"], 0),
        ([], 0),
    ],
)
def test_priority(make, tmp_path, priority, stays):
    """What decides between two, in its order; at last the order of the corpus."""
    shards = [
        ("a", ["おなじ"], [0], [None], "2026-01-02T00:00:00Z"),
        ("b", ["おなじ"], [0], [None], "2025-01-02T00:00:00Z"),
    ]
    found = verdicts(kept(make, tmp_path, shards, priority=priority)[0])
    assert found == [None if i == stays else "dedupe:exact" for i in range(2)]


@pytest.mark.parametrize("fetched", [None, "", "gestern", "2026-13-45"])
def test_a_date_that_is_none_comes_last(make, tmp_path, fetched):
    """A document without a readable date is neither early nor late."""
    shards = [("a", ["あ"], [0], [None], fetched), ("b", ["あ"], [0], [None], "2026-01-01")]
    for priority in ("earliest", "latest"):
        rows, _ = kept(make, tmp_path / priority, shards, priority=[priority])
        assert verdicts(rows) == ["dedupe:exact", None]


def test_no_rows(make, tmp_path):
    """Empty shards, and none at all."""
    assert kept(make, tmp_path / "1", [("a", [], [], [], None)])[0] == []
    assert kept(make, tmp_path / "2", []) == ([], {"rows": 0})
