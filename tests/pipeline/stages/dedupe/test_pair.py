"""pair: candidates are measured on their texts; equal texts are one."""

import tempfile
import tracemalloc
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.normalisation.normalise import normalise
from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.engines.spill import Kind, Spread, write_spill
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.stages.dedupe.exact import exact
from kakehi.pipeline.stages.dedupe.keep import keep
from kakehi.pipeline.stages.dedupe.pair import _FOUND, _verify, pair
from kakehi.pipeline.stages.dedupe.sign import sign
from kakehi.pipeline.stages.dedupe.signing import Signed
from kakehi.pipeline.stages.dedupe.texts import TEXT, TEXT_BYTES
from kakehi.pipeline.storage.schemas import GROUPS, ROW_BITS
from kakehi.tokenizer.words import segment
from tests.oracles import pairs_led_slowly

# distributed warns of its own making while a cluster is closed.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


SIGNED = Signed("characters", 5, "key", "affine32", 3, 8, 1)


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
    """Give the set of 5-grams of a text as keys level it, the slow way."""
    [text] = normalise(pa.array([text], pa.large_string()), "key").to_pylist()
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
    nothing = [
        "candidates",
        "candidates_under_half",
        "buckets_cut",
        "pairs_cut",
        "texts_moved",
        "text_bytes_moved",
    ]
    assert pairs(make, tmp_path / "1", []) == ([], dict.fromkeys(nothing, 0))
    assert pairs(make, tmp_path / "2") == ([], dict.fromkeys(nothing, 0))


def slowly(batches, keys, bands, max_bucket, leaders):
    """Do as `pair` does, in one process and in memory: the rows of the table, and the buckets that were cut."""
    rows = [
        ((i << ROW_BITS) + k, text, own)
        for i, (batch, key) in enumerate(zip(batches, keys, strict=True))
        for k, (text, own) in enumerate(zip(batch.column("text").to_pylist(), key, strict=True))
    ]
    firsts = {}
    for row, text, own in rows:
        firsts.setdefault(text, (row, own))
    found, cut, left_out = set(), 0, 0
    text_of = {row: text for row, text, _ in rows}
    for band in range(bands):
        buckets = {}
        for row, own in firsts.values():
            buckets.setdefault(own[band], []).append(row)
        for members in map(sorted, buckets.values()):
            whole = len(members) <= max_bucket
            cut += not whole
            every = set(combinations(members, 2))
            lengths = [(row, len(text_of[row]), 0) for row in members]
            given = every if whole else pairs_led_slowly(lengths, leaders)
            left_out += len(every) - len(given)
            found |= given
    measured = [(a, b, shingles(text_of[a]), shingles(text_of[b])) for a, b in sorted(found)]
    return [{"a": a, "b": b, "shared": len(x & y), "union": len(x | y)} for a, b, x, y in measured], (
        cut,
        left_out,
    )


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
        key = pa.RecordBatch.from_arrays(columns, schema=SIGNED._replace(bands=bands).schema())
        made.append(make.shard(root, i, documents=batch, groups=groups, keys=key))
        batches.append(batch)
        keys.append(own)
    return made, batches, keys


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), max_size=8), max_size=4),
    st.sampled_from([3000, 1 << 16, 4 << 30]),
    st.sampled_from([(2, 1), (2, 3), (4, 1), (64, 8)]),
)
@settings(max_examples=30)
def test_pairs_are_those_of_the_slow_way(make, shards, memory, bucket):
    """Whatever the shards, the keys, the bound of a bucket, and the memory: a few bytes make many partitions."""
    bands, (max_bucket, leaders) = 3, bucket
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made, batches, keys = keyed(make, root, shards, bands)
        inputs = replace(make.inputs(*made), bytes_per_worker=memory)
        counts = pair(inputs, root, Inline(), max_bucket=max_bucket, leaders=leaders)
        found = tables(made, root)
    wanted, cut = slowly(batches, keys, bands, max_bucket, leaders)
    assert found == wanted
    under = sum(2 * row["shared"] < row["union"] for row in wanted)
    assert (counts["candidates"], counts["candidates_under_half"]) == (len(wanted), under)
    assert (counts["buckets_cut"], counts["pairs_cut"]) == cut
    involved = {row[name] for row in wanted for name in ("a", "b")}
    assert len(involved) <= counts["texts_moved"] <= 2 * len(wanted)
    if memory == 4 << 30:  # one partition: each text goes there once
        assert counts["texts_moved"] == len(involved)
        texts = [batch.column("text").to_pylist() for batch in batches]
        bytes_ = [len(texts[row >> ROW_BITS][row & ((1 << ROW_BITS) - 1)].encode()) for row in involved]
        assert counts["text_bytes_moved"] == sum(bytes_)


def family(make, seed, count, sentences):
    """Give near copies of a text, each with a sentence of its own."""
    text = make.text(seed, sentences)
    return [f"{text}\n{make.text((seed, i), 1)}" for i in range(count)]


def kept_of(make, root, texts, keys, **parameters):
    """Pair and keep texts of these keys; give what is kept, and the counts of `pair`."""
    groups = [{"group": row, "group_size": 1} for row in range(len(texts))]
    shard = make.shard(
        root,
        0,
        documents=make.documents(texts),
        groups=pa.RecordBatch.from_pylist(groups, schema=GROUPS),
        keys=keys,
        verdict=pa.RecordBatch.from_pydict({"verdict": pa.nulls(len(texts), pa.string())}),
    )
    counts = pair(make.inputs(shard), root / "pairs", Inline(), **parameters)
    keep(make.inputs(shard, pairs=root / "pairs"), root / "kept", Inline())
    verdicts = pq.read_table(shard.output(root / "kept")).column("verdict").to_pylist()
    return [text for text, verdict in zip(texts, verdicts, strict=True) if verdict is None], counts


@pytest.mark.parametrize("lengths", [(12, 13), (12, 30)])
@pytest.mark.parametrize("order", ["mixed", "one after another"])
def test_two_families_in_one_large_bucket_are_both_found(make, tmp_path, lengths, order):
    """Unlike each other, in any order, with no other key to tell them apart: of each, all but the longest leave."""
    one, two = (family(make, seed, 60, sentences) for seed, sentences in zip("ab", lengths, strict=True))
    texts = [text for both in zip(one, two, strict=True) for text in both] if order == "mixed" else one + two
    keys = pa.RecordBatch.from_arrays(
        [pa.array([7] * 120, pa.uint64())], schema=SIGNED._replace(bands=1).schema()
    )
    kept, counts = kept_of(make, tmp_path, texts, keys)
    assert (counts["buckets_cut"], counts["pairs_cut"] > 0) == (1, True)
    assert sorted(map(len, kept)) == sorted(max(map(len, texts)) for texts in (one, two))


def test_families_of_one_length_are_told_apart_by_their_other_keys(make, tmp_path):
    """A key that all share is planted in one band of fourteen; every bucket of these families is a large one."""
    one, two = (family(make, seed, 60, 12) for seed in "ab")
    texts = [text for both in zip(one, two, strict=True) for text in both]
    signed = sign(make.documents(texts))
    columns = [pa.array([7] * 120, pa.uint64()), *signed.columns[1:]]
    kept, counts = kept_of(
        make, tmp_path, texts, pa.RecordBatch.from_arrays(columns, schema=signed.schema), max_bucket=16
    )
    assert counts["buckets_cut"] > 10
    assert len(kept) <= 4  # of 120; 2 would be best


@pytest.mark.slow
def test_engines_and_restarts_give_the_same_bytes(make, tmp_path):
    """On two workers, and over what a run before left, of which a part is gone: the file of one process."""
    shards = [[(number, number % 3) for number in range(start, start + 9)] for start in (0, 5, 11)]
    made, _, _ = keyed(make, tmp_path, shards, 3)
    inputs = replace(make.inputs(*made), bytes_per_worker=4096)
    files = [tmp_path / name for name in ("inline", "dask", "again")]
    with Dask(workers=2, bytes_per_worker=400 << 20) as cluster:
        for file, engine in zip(files, (Inline(), cluster, Inline()), strict=True):
            pair(inputs, file, engine)
            for left in sorted(inputs.scratch.rglob("*.records"))[:: 2 if file.name == "dask" else 1]:
                left.unlink()
    for shard in made:
        assert len({shard.output(file).read_bytes() for file in files}) == 1


def test_pairs_of_one_leader_are_verified_in_several_partitions(make, tmp_path, monkeypatch):
    """Where it leads very many; the tables are the same, and only its own text is moved more than once."""
    made, _, _ = keyed(make, tmp_path, [[(number, 0) for number in range(12)]], 3)
    inputs = replace(make.inputs(*made), bytes_per_worker=4096)
    found = []
    for many in (1 << 16, 1):
        monkeypatch.setattr("kakehi.pipeline.stages.dedupe.pair._MANY", many)
        scratch = inputs.scratch / str(many)
        counts = pair(replace(inputs, scratch=scratch), tmp_path / str(many), Inline())
        found.append((tables(made, tmp_path / str(many)), counts["texts_moved"]))
    assert found[0][0] == found[1][0]
    assert found[0][1] < found[1][1]


@pytest.mark.parametrize("letter", ["a", "あ"])
def test_verifying_keeps_within_the_memory_it_is_given(tmp_path, letter):
    """What a byte of text takes at the peak is what blocks of pairs are counted by."""
    count, size = 64, 60_000 // len(letter.encode())
    rng = np.random.default_rng(1)
    texts = ["".join(chr(ord(letter) + step) for step in rng.integers(0, 20, size)) for _ in range(count)]
    rows = np.zeros(count, TEXT)
    rows["row"], rows["size"] = np.arange(count), [len(text.encode()) for text in texts]
    pairs = np.zeros(count - 1, _FOUND)
    pairs["b"] = np.arange(1, count)
    one = np.zeros(count, np.int64)
    tails = pa.array(texts, pa.large_string())
    write_spill(tmp_path / "a" / "0.records", Spread(pairs, one[1:]), Kind(1, 1, _FOUND))
    write_spill(tmp_path / "b" / "0.records", Spread(rows, one, tails=tails), Kind(1, 1, TEXT, tailed=True))
    parts = Part(tmp_path / "a", range(1), 0, _FOUND), Part(tmp_path / "b", range(1), 0, TEXT)
    total, found = int(rows["size"].sum()), {}
    for share in (1, 4):
        tracemalloc.start()
        spread = _verify(parts, signed=SIGNED, memory=2 * total * TEXT_BYTES // share)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= total * TEXT_BYTES // share + (1 << 20)
        found[share] = spread.records[np.argsort(spread.records["b"])].tolist()
    assert found[1] == found[4]


def test_keys_signed_unlike_each_other_never_meet(make, tmp_path):
    """Shards of other seeds, or of more bands: one error that names both and what differs."""
    made = []
    for i, seed in enumerate((1, 2)):
        batch = make.documents([make.text(1)])
        groups = pa.RecordBatch.from_pylist([{"group": i << ROW_BITS, "group_size": 1}], schema=GROUPS)
        made.append(make.shard(tmp_path, i, documents=batch, groups=groups, keys=sign(batch, seed=seed)))
    with pytest.raises(
        DataError, match=r"keys/0.parquet and .*keys/1.parquet: keys were signed unlike .*: seed 1 and 2\n"
    ):
        pair(make.inputs(*made), tmp_path / "out", Inline())


def test_words_are_measured_as_words(make, tmp_path):
    """The shingling travels with the keys: what is shared is counted in words where they were signed by words."""
    text = make.text(1, 20)
    batch = make.documents([text, text + "\nひとつだけ足した文です。"])
    groups = pa.RecordBatch.from_pylist([{"group": row, "group_size": 1} for row in (0, 1)], schema=GROUPS)
    shard = make.shard(tmp_path, 0, documents=batch, groups=groups, keys=sign(batch, preset="fineweb2"))
    pair(make.inputs(shard), tmp_path / "out", Inline())
    [found] = tables([shard], tmp_path / "out")
    one, two = (
        [w.strip() for line in t.split("\n") for w in segment(line)] for t in batch.column("text").to_pylist()
    )
    one, two = ({tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (one, two))
    assert (found["shared"], found["union"]) == (len(one & two), len(one | two))
