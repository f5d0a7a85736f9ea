"""keep: one document of each set of look-alikes stays, and all others name it."""

import tempfile
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.pieces import Kind, Spread, write_pieces
from kakehi.pipeline.schemas import GROUPS, PAIRS, ROW_BITS
from kakehi.pipeline.settling import EDGE_BYTES, _node, _settle_slice
from kakehi.pipeline.shuffle import Part
from kakehi.pipeline.speakers import Homes, SourceOrder
from kakehi.pipeline.stages.keep import _ROW_BYTES, keep

# distributed warns of its own making while a cluster is closed.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

VERDICT = pa.schema([pa.field("verdict", pa.string())])
B = 1 << ROW_BITS


def written(make, root, shards, pairs):
    """Write tables; shards are (source, texts, groups, verdicts, fetched); give what `keep` reads."""
    made = []
    sizes = Counter(group for _, _, groups, _, _ in shards for group in groups)
    for i, (source, texts, groups, verdicts, fetched) in enumerate(shards):
        tables = {
            "documents": make.documents(texts, source=source, fetched=fetched),
            "groups": pa.RecordBatch.from_pylist(
                [{"group": g, "group_size": sizes[g]} for g in groups], schema=GROUPS
            ),
            "verdict": pa.RecordBatch.from_pylist([{"verdict": v} for v in verdicts], schema=VERDICT),
        }
        made.append(make.shard(root, i, **tables))
        mine = [dict(zip(PAIRS.names, pair, strict=True)) for pair in pairs if pair[0] >> ROW_BITS == i]
        path = made[-1].output(root / "pairs")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(mine, schema=PAIRS), path)
    return make.inputs(*made, pairs=root / "pairs")


def tables(inputs, out):
    """Read what was written, shard after shard."""
    return [row for shard in inputs.shards for row in pq.read_table(shard.output(out)).to_pylist()]


def kept(make, root, shards, pairs=(), **parameters):
    """Keep; give the rows and the counts."""
    inputs = written(make, root, shards, pairs)
    counts = keep(inputs, root / "out", Inline(), **parameters)
    return tables(inputs, root / "out"), counts


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
        "groups_lost": 0,
        "slices": 1,
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
    assert kept(make, tmp_path / "2", []) == ([], {"rows": 0, "groups_lost": 0, "slices": 1})


def test_groups_without_a_good_member_are_counted(make, tmp_path):
    """Equal texts of which something objects to each; a group that has one good member is not lost."""
    verdicts = ["screen:x.min", None, "screen:x.min", "screen:y.max", "screen:y.max"]
    shards = [("a", ["あ", "あ", "い", "い", "う"], [0, 0, 2, 2, 4], verdicts, None)]
    rows, counts = kept(make, tmp_path, shards)
    assert counts["groups_lost"] == 1
    assert [row["verdict"] for row in rows] == [None] * 5
    assert [row["cluster_size"] for row in rows] == [0, 1, 0, 0, 0]


def slowly(shards, pairs, similarity):
    """Do as `keep` does for the longest first, in one process and in memory; ids left out."""
    rows = {
        (i << ROW_BITS) + k: (group, -len(text), verdict)
        for i, (_, texts, groups, verdicts, _) in enumerate(shards)
        for k, (text, group, verdict) in enumerate(zip(texts, groups, verdicts, strict=True))
    }
    order = sorted((row for row in rows if rows[row][2] is None), key=lambda row: (rows[row][1], row))
    speaker = {}
    for row in order:
        speaker.setdefault(rows[row][0], row)
    alike = {}
    for a, b, shared, union in pairs:
        if shared / union >= similarity:
            alike.setdefault(a, {})[b] = alike.setdefault(b, {})[a] = shared / union
    partner, value, stays = {}, {}, set()
    for row in order:
        group = rows[row][0]
        if row != speaker[group]:
            better = speaker[group]
            left = better not in stays
            partner[row], value[row] = (partner[better], value[better]) if left else (better, 1.0)
            continue
        good = [
            (-s, order.index(speaker[o])) for o, s in alike.get(group, {}).items() if speaker.get(o) in stays
        ]
        if good:
            value[row], partner[row] = -min(good)[0], order[min(good)[1]]
        else:
            stays.add(row)
    size = Counter(partner.values())
    found = []
    for row, (group, _, _) in rows.items():
        near = row in partner and speaker[group] not in stays
        verdict = None if row not in partner else "dedupe:near" if near else "dedupe:exact"
        stands = size[row] + 1 if row in stays else 0
        found.append((verdict, partner.get(row), value.get(row), stands))
    return found


@st.composite
def corpora(draw):
    """Draw shards of short texts, of which equal ones are a group, with objections, and pairs of groups."""
    letters = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=9)
    drawn = draw(st.lists(letters, max_size=4))
    first, shards = {}, []
    for i, rows in enumerate(drawn):
        texts = [chr(0x3042 + number) * (1 + number % 3) for number, _ in rows]
        groups = [first.setdefault(text, (i << ROW_BITS) + k) for k, text in enumerate(texts)]
        shards.append(("s", texts, groups, ["screen:x.min" if bad == 0 else None for _, bad in rows], None))
    leaders = sorted(first.values())
    if len(leaders) < 2:
        return shards, []
    two = st.lists(st.sampled_from(leaders), min_size=2, max_size=2, unique=True).map(sorted).map(tuple)
    pairs = draw(st.lists(two, max_size=30, unique=True))
    shared = draw(st.lists(st.sampled_from([70, 80, 85, 90]), min_size=len(pairs), max_size=len(pairs)))
    return shards, sorted((*pair, value, 100) for pair, value in zip(pairs, shared, strict=True))


@given(corpora(), st.sampled_from([64, 2000, 10_000, 4 << 30]))
@settings(max_examples=150, deadline=None)
def test_equals_the_slow_greedy(make, corpus, memory):
    """Whatever the groups, objections, pairs, homes and slices: a few bytes make a slice of every edge."""
    shards, pairs = corpus
    with tempfile.TemporaryDirectory() as folder:
        inputs = replace(written(make, Path(folder), shards, pairs), bytes_per_worker=memory)
        counts = keep(inputs, Path(folder) / "out", Inline())
        found = tables(inputs, Path(folder) / "out")
        ids = [
            batch.column("id").to_pylist()
            for s in inputs.shards
            for batch in s.batches("documents", columns=["id"])
        ]
    names = ("verdict", "partner_row", "similarity", "cluster_size")
    assert [tuple(row[name] for name in names) for row in found] == slowly(shards, pairs, 0.8)
    assert counts["rows"] == len(found)
    rows = [(i << ROW_BITS) + k for i, (_, texts, *_) in enumerate(shards) for k in range(len(texts))]
    id_of = dict(zip(rows, (one for batch in ids for one in batch), strict=True))
    assert [row["partner"] for row in found] == [id_of.get(row["partner_row"]) for row in found]


def chain(length):
    """Give shards of texts each of which is like the next, the best first: the worst case for rounds."""
    texts = ["あ" * (2 * length - k) for k in range(length)]
    rows = [(k % 3 << ROW_BITS) + k // 3 for k in range(length)]
    shards = [
        ("s", texts[i::3], [row for row in rows if row >> ROW_BITS == i], [None] * len(texts[i::3]), None)
        for i in range(3)
    ]
    pairs = [(*sorted(two), 9, 10) for two in pairwise(rows)]
    return shards, sorted(pairs)


def test_engines_slices_and_restarts_give_the_same_bytes(make, tmp_path):
    """One slice or many, on two workers, and over what a run before left, of which a part is gone."""
    shards, pairs = chain(60)
    inputs = written(make, tmp_path, shards, pairs)
    whole = keep(inputs, tmp_path / "whole", Inline())
    cut = replace(inputs, bytes_per_worker=4096, scratch=inputs.scratch / "cut")
    files = ["whole", "inline", "dask", "again", "half"]
    with Dask(workers=2, bytes_per_worker=400 << 20) as cluster:
        for name, engine in zip(files[1:], (Inline(), cluster, Inline(), cluster), strict=True):
            counts = keep(cut, tmp_path / name, engine)
            assert counts == whole | {"slices": counts["slices"]}
            assert counts["slices"] > 5
            for left in sorted(cut.scratch.rglob("*.records"))[:: 3 if name == "dask" else 1]:
                left.unlink()
    for shard in inputs.shards:
        assert len({shard.output(tmp_path / name).read_bytes() for name in files}) == 1
    assert [row["verdict"] for row in tables(inputs, tmp_path / "whole")][:2] == [None, "dedupe:near"]


class Measured(Inline):
    """Note the most memory that a task took at its peak, as tracemalloc sees it."""

    peak = 0

    def map(self, task, items):
        """Run one after another."""
        for position, item in enumerate(items):
            tracemalloc.start()
            [(_, result)] = super().map(task, [item])
            self.peak = max(self.peak, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            yield position, result


@pytest.mark.parametrize("several", [True, False])
def test_homes_keep_within_the_memory_they_are_given(make, tmp_path, several):
    """What a row takes at the peak of any task, in a group of several or alone, is what homes are counted by."""
    count = 20_000
    texts = ["あ"] * count
    shards = [
        ("s", texts, [row if several else row + i * B for row in range(count)], [None] * count, None)
        for i in range(2)
    ]
    pairs = [] if several else [(row, row + B, 9, 10) for row in range(count)]
    inputs = written(make, tmp_path, shards, pairs)
    engine = Measured()
    counts = keep(replace(inputs, bytes_per_worker=count * _ROW_BYTES * 2), tmp_path / "out", engine)
    assert counts["kept/documents"] == count
    assert engine.peak <= count * _ROW_BYTES


@pytest.mark.parametrize("shape", ["apart", "chain", "star"])
def test_a_slice_keeps_within_the_memory_it_is_given(tmp_path, shape):
    """What an edge takes at the peak is what slices are counted by."""
    count = 100_000
    edges = np.zeros(count, _node(Homes((0,), ("longest",))))
    better = {"apart": 2 * np.arange(count), "chain": np.arange(count), "star": np.zeros(count)}[shape]
    worse = {"apart": 2 * np.arange(count) + 1}.get(shape, np.arange(count) + 1)
    edges["better"]["rank"][:], edges["rank"][:] = better[:, None], worse[:, None]
    edges = edges[np.random.default_rng(1).permutation(count)]
    write_pieces(tmp_path / "0.records", Spread(edges, np.zeros(count, np.int64)), Kind(1, 1, edges.dtype))
    tracemalloc.start()
    _, chosen = _settle_slice(Part(tmp_path, range(1), 0, edges.dtype), [])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(chosen) == (count // 2 if shape == "chain" else count)
    assert peak <= count * EDGE_BYTES
