"""keep: one document of each set of look-alikes stays, and all others name it."""

import tempfile
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.engines.spill import Kind, Spread, write_spill
from kakehi.pipeline.errors import DataError, ParameterError
from kakehi.pipeline.stages.dedupe import alarms
from kakehi.pipeline.stages.dedupe.alarms import Alarm
from kakehi.pipeline.stages.dedupe.greedy import _node, _select_in_slice, edge_bytes
from kakehi.pipeline.stages.dedupe.keep import keep, row_bytes
from kakehi.pipeline.stages.dedupe.representatives import Homes, SignalOrder, SourceOrder
from kakehi.pipeline.storage.schemas import GROUPS, PAIRS, ROW_BITS
from tests.oracles import Row, keep_greedily

# distributed warns of its own making while a cluster is closed.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

VERDICT = pa.schema([pa.field("verdict", pa.string())])
B = 1 << ROW_BITS


def written(make, root, shards, pairs, signals=()):
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
        if signals:
            tables["signals"] = pa.RecordBatch.from_pydict(signals[i])
        made.append(make.shard(root, i, **tables))
        mine = [dict(zip(PAIRS.names, pair, strict=True)) for pair in pairs if pair[0] >> ROW_BITS == i]
        path = made[-1].output(root / "pairs")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(mine, schema=PAIRS), path)
    return make.inputs(*made, pairs=root / "pairs")


def tables(inputs, out):
    """Read what was written, shard after shard."""
    return [row for shard in inputs.shards for row in pq.read_table(shard.output(out)).to_pylist()]


def kept(make, root, shards, pairs=(), signals=(), **parameters):
    """Keep; give the rows and the counts."""
    inputs = written(make, root, shards, pairs, signals)
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
        "clusters_lost": 0,
        "clusters_lost_documents": 0,
        "seen/a": 3,
        "left/a/a": 2,
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
    counts = {"rows": 0, "clusters_lost": 0, "clusters_lost_documents": 0, "slices": 1}
    assert kept(make, tmp_path / "2", []) == ([], counts)


def test_clusters_without_a_good_member_are_counted(make, tmp_path):
    """Equal or similar texts of which something objects to each; one that is like a kept one is not lost."""
    bad, good = "screen:x.min", None
    groups = {
        "あ": [bad, good],  # one member stays
        "い": [bad, bad],  # lost: two equal ones
        "うう": [bad],  # lost: the longest, like え and お, which are unlike each other
        "え": [bad],
        "お": [bad, bad],
        "か": [bad],  # like き, which stays
        "き": [good],
        "く": [bad],  # alone: no cluster
    }
    texts = [text for text, members in groups.items() for _ in members]
    rows = {text: texts.index(text) for text in groups}
    verdicts = [verdict for members in groups.values() for verdict in members]
    pairs = [(rows[a], rows[b], 9, 10) for a, b in (("うう", "え"), ("うう", "お"), ("か", "き"))]
    shards = [("a", texts, [rows[text] for text in texts], verdicts, None)]
    found, counts = kept(make, tmp_path, shards, pairs)
    assert (counts["clusters_lost"], counts["clusters_lost_documents"]) == (2, 2 + 4)
    assert [row["verdict"] for row in found] == [None] * len(texts)
    assert [row["partner"] for row in found] == [None] * len(texts)
    assert [row["cluster_size"] for row in found] == [int(verdict is good) for verdict in verdicts]


def test_a_signal_decides(make, tmp_path):
    """Highest first unless lowest is asked for; NaN and null come last either way; equal ones go to the next rule."""
    values = [0.5, None, float("nan"), -1.5, 0.5, -0.0, 0.0]
    shards = [("a", ["おなじ"] * 7, [0] * 7, [None] * 7, None)]
    signals = [{"kana_share": values, "label": ["x"] * 7}]
    for order, stays in (({}, 0), ({"prefer": "highest"}, 0), ({"prefer": "lowest"}, 3)):
        wanted = [SignalOrder(signal="kana_share", **order)]
        found = verdicts(kept(make, tmp_path / str(order), shards, (), signals, priority=wanted)[0])
        assert found.index(None) == stays
    two = [("a", ["い", "い", "いろ"], [0, 0, 2], [None] * 3, None)]
    zeros = [{"x": [-0.0, 0.0, None]}]
    rows, _ = kept(make, tmp_path / "ties", two, [(0, 2, 9, 10)], zeros, priority=[SignalOrder(signal="x")])
    assert verdicts(rows) == [None, "dedupe:exact", "dedupe:near"]


def test_a_signal_that_is_not_there(make, tmp_path):
    """The error names the signals there are; a text is no rank."""
    shards, signals = [("a", ["あ"], [0], [None], None)], [{"kana_share": [0.5], "language": ["ja"]}]
    with pytest.raises(DataError, match=r"no column 'kana'; there are kana_share, language"):
        kept(make, tmp_path / "1", shards, (), signals, priority=[SignalOrder(signal="kana")])
    with pytest.raises(ParameterError, match=r"signal 'language' is string, wanted a number"):
        kept(make, tmp_path / "2", shards, (), signals, priority=[SignalOrder(signal="language")])
    with pytest.raises(DataError, match=r"there are none"):
        kept(make, tmp_path / "3", shards, priority=[SignalOrder(signal="kana")])


def test_a_source_that_is_nearly_all_copies_rings(make, tmp_path):
    """The count says for whom its documents leave; at the share itself nothing rings."""
    wiki = ("wiki", list("あいうえ"), [0, 1, 2, 3], [None] * 4, None)
    cc = ("cc", list("あいうえお"), [0, 1, 2, 3, B + 4], [None] * 4 + ["screen:x.min"], None)
    rows, counts = kept(make, tmp_path / "1", [wiki, cc])
    assert verdicts(rows)[4:] == ["dedupe:exact"] * 4 + [None]
    assert (counts["alarm/cc"], counts["seen/cc"], counts["left/cc/wiki"]) == (1, 4, 4)
    assert "alarm/wiki" not in counts
    assert alarms.describe_alarms(counts) == [
        "source 'cc' loses 4 of 4 documents (100.0 %) to duplicates: 4 for wiki",
    ]
    last = ("cc", ["あ", "い", "う", "え", "か"], [0, 1, 2, 3, B + 4], [None] * 5, None)
    assert "alarm/cc" not in kept(make, tmp_path / "2", [wiki, last])[1]
    assert "alarm/cc" in kept(make, tmp_path / "3", [wiki, last], alarm=Alarm(share=0.79))[1]
    with pytest.raises(
        DataError, match=r"keep.alarm: source 'cc' loses 4 of 5 documents \(80.0 %\).*at most 50 %"
    ):
        kept(make, tmp_path / "4", [wiki, last], alarm=Alarm(share=0.5, then="stop"))


class Known(NamedTuple):
    """What a document is ranked by."""

    source: str
    text: str
    fetched: str | None
    x: float | None


#: Rules of priority, and the rank each gives a document.
PRIORITIES = [
    ("longest", lambda known: -len(known.text)),
    ("earliest", lambda known: known.fetched or "~"),
    ("latest", lambda known: (not known.fetched, -int((known.fetched or "0").replace("-", "")))),
    (SourceOrder(source=["b", "a"]), lambda known: "ba".index(known.source)),
    (SignalOrder(signal="x"), lambda known: (known.x is None, -(known.x or 0))),
    (SignalOrder(signal="x", prefer="lowest"), lambda known: (known.x is None, known.x or 0)),
]


def slowly(shards, ids, pairs, signals, priority, similarity):
    """Ask the oracle; give rows as `keep` does, and the sizes of the clusters lost."""
    rows, sources = {}, list(dict.fromkeys(source for source, *_ in shards))
    for i, (source, texts, groups, verdicts, fetched) in enumerate(shards):
        for k, text in enumerate(texts):
            known = Known(source, text, fetched, signals[i]["x"][k].as_py())
            rank = (*(rank(known) for _, rank in priority), sources.index(source), ids[i][k][7:1:-1])
            rows[(i << ROW_BITS) + k] = Row(groups[k], verdicts[k] is not None, rank)
    alike = [(a, b, shared / union) for a, b, shared, union in pairs if shared / union >= similarity]
    found, lost = keep_greedily(rows, alike)
    return [tuple(found[row]) for row in rows], lost


@st.composite
def corpora(draw):
    """Draw shards of short texts, of which equal ones are a group, with objections, and pairs of groups."""
    letters = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=9)
    drawn = draw(st.lists(letters, max_size=4))
    first, shards, signals = {}, [], []
    dates = draw(st.lists(st.sampled_from([None, "2025-01-01", "2026-02-03"]), min_size=4, max_size=4))
    values = st.sampled_from([None, -0.5, 0.25, 1e300])
    for i, rows in enumerate(drawn):
        texts = [chr(0x3042 + number) * (1 + number % 3) for number, _ in rows]
        groups = [first.setdefault(text, (i << ROW_BITS) + k) for k, text in enumerate(texts)]
        objected = ["screen:x.min" if bad == 0 else None for _, bad in rows]
        shards.append(("a" if i < 2 else "b", texts, groups, objected, dates[i]))
        x = draw(st.lists(values, min_size=len(texts), max_size=len(texts)))
        signals.append({"x": pa.array(x, pa.float64())})
    leaders = sorted(first.values())
    if len(leaders) < 2:
        return shards, [], signals
    two = st.lists(st.sampled_from(leaders), min_size=2, max_size=2, unique=True).map(sorted).map(tuple)
    pairs = draw(st.lists(two, max_size=30, unique=True))
    shared = draw(st.lists(st.sampled_from([70, 80, 85, 90]), min_size=len(pairs), max_size=len(pairs)))
    return shards, sorted((*pair, value, 100) for pair, value in zip(pairs, shared, strict=True)), signals


@pytest.mark.slow
@given(
    corpora(),
    st.sampled_from([64, 2000, 10_000, 4 << 30]),
    st.lists(st.sampled_from(PRIORITIES), max_size=3),
)
@settings(max_examples=250)
def test_equals_the_slow_greedy(make, corpus, memory, priority):
    """Whatever the groups, objections, pairs, priority, homes and slices: a few bytes make a slice of every edge."""
    shards, pairs, signals = corpus
    with tempfile.TemporaryDirectory() as folder:
        inputs = replace(written(make, Path(folder), shards, pairs, signals), bytes_per_worker=memory)
        counts = keep(inputs, Path(folder) / "out", Inline(), priority=[rule for rule, _ in priority])
        found = tables(inputs, Path(folder) / "out")
        per_shard = [s.column("documents", "id").to_pylist() for s in inputs.shards]
    names = ("verdict", "partner_row", "similarity", "cluster_size")
    wanted, lost = slowly(shards, per_shard, pairs, signals, priority, 0.8)
    assert [tuple(row[name] for name in names) for row in found] == wanted
    assert counts["rows"] == len(found)
    assert (counts["clusters_lost"], counts["clusters_lost_documents"]) == (len(lost), sum(lost))
    seen = [sum(n for key, n in counts.items() if key.startswith(prefix)) for prefix in ("seen/", "left/")]
    free = sum(verdict is None for _, _, _, verdicts, _ in shards for verdict in verdicts)
    assert seen == [free, sum(partner is not None for _, partner, _, _ in wanted)]
    rows = [(i << ROW_BITS) + k for i, (_, texts, *_) in enumerate(shards) for k in range(len(texts))]
    id_of = dict(zip(rows, (one for ids in per_shard for one in ids), strict=True))
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("rules", [0, 1, 4, 8])
@pytest.mark.parametrize("several", [True, False])
def test_homes_keep_within_the_memory_they_are_given(make, tmp_path, several, rules):
    """What a row takes at the peak of any task, in a group of several or alone, is what homes are counted by."""
    count = 20_000
    texts = ["あ"] * count
    shards = [
        ("s", texts, [row if several else row + i * B for row in range(count)], [None] * count, None)
        for i in range(2)
    ]
    pairs = [] if several else [(row, row + B, 9, 10) for row in range(count)]
    inputs = written(make, tmp_path, shards, pairs, [{"x": np.arange(count) / 7}] * 2)
    engine = Measured()
    priority = [SignalOrder(signal="x"), *["longest"] * 7][:rules]
    memory = replace(inputs, bytes_per_worker=count * row_bytes(rules) * 2)
    counts = keep(memory, tmp_path / "out", engine, priority=priority)
    assert counts["kept/documents"] == count
    assert engine.peak <= count * row_bytes(rules)


@pytest.mark.slow
@pytest.mark.parametrize("rules", [0, 1, 4, 8])
@pytest.mark.parametrize("shape", ["apart", "chain", "star"])
def test_a_slice_keeps_within_the_memory_it_is_given(tmp_path, shape, rules):
    """What an edge takes at the peak is what slices are counted by."""
    count = 100_000
    edges = np.zeros(count, _node(Homes((0,), ("longest",) * rules, ("s",))))
    better = {"apart": 2 * np.arange(count), "chain": np.arange(count), "star": np.zeros(count)}[shape]
    worse = {"apart": 2 * np.arange(count) + 1}.get(shape, np.arange(count) + 1)
    edges["better"]["rank"][:], edges["rank"][:] = better[:, None], worse[:, None]
    edges = edges[np.random.default_rng(1).permutation(count)]
    write_spill(tmp_path / "0.records", Spread(edges, np.zeros(count, np.int64)), Kind(1, 1, edges.dtype))
    tracemalloc.start()
    _, chosen = _select_in_slice(Part(tmp_path, range(1), 0, edges.dtype), [])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(chosen) == (count // 2 if shape == "chain" else count)
    assert peak <= count * edge_bytes(rules)
