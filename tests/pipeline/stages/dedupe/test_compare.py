"""compare: the most similar document of earlier runs, looked up by keys and measured; `remember` is what it looks in."""

import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.normalisation.normalise import normalise
from kakehi.pipeline.engines.dask import Dask
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.stages.dedupe.compare import compare
from kakehi.pipeline.stages.dedupe.remember import remember
from kakehi.pipeline.stages.dedupe.sign import STAGE as SIGN
from kakehi.pipeline.stages.dedupe.sign import sign
from kakehi.pipeline.stages.dedupe.signing import Signed
from kakehi.pipeline.storage.store import Receipt, Store

# distributed warns of its own making while a cluster is closed.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

BANDS = 3
SIGNED = Signed("characters", 5, "key", "affine32", BANDS, 8, 1)


def written(make, root, shards, source, spread):
    """Write shards of (number of a text, verdict) with keys that are few, so that they meet often."""
    made, first = [], {}
    for i, rows in enumerate(shards):
        texts = [make.text(number % 9, 2 + number % 3) for number, _ in rows]
        batch = make.documents(texts, source=source)
        group = [first.setdefault(text, (i << 40) + k) for k, text in enumerate(texts)]
        keys = [[hash_of(text, band, spread) for band in range(BANDS)] for text in texts]
        columns = [pa.array([key[band] for key in keys], pa.uint64()) for band in range(BANDS)]
        tables = {
            "groups": pa.RecordBatch.from_pydict(
                {"group": pa.array(group, pa.uint64()), "group_size": pa.array([1] * len(group), pa.uint32())}
            ),
            "keys": pa.RecordBatch.from_arrays(columns, schema=SIGNED.schema()),
            "verdict": pa.RecordBatch.from_arrays([pa.array([v for _, v in rows], pa.string())], ["verdict"]),
        }
        # In a work folder, as histories name tables from there.
        made.append(make.shard(root / "step" / "address" / source, i, documents=batch, **tables))
        path = root / "ingest" / "address" / source / f"{i}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        made[-1].paths["documents"][0].replace(path)
        made[-1] = replace(made[-1], paths={**made[-1].paths, "documents": (path,)})
    return made


def hash_of(text, band, spread):
    """Give a key over the whole range, the same for texts of a kind."""
    return (sum(map(ord, text)) * (band + 1) % spread) * ((1 << 64) // spread) + band


def offered(make, work, shards, **parameters):
    """Remember and publish, as a run does; give the counts."""
    store = Store(work)
    attempt = store.attempt()
    counts = remember(make.inputs(*shards), attempt, Inline(), **parameters)
    store.publish(attempt, Receipt(step="remember", source=None, shard=None, address="f" * 16, counts=counts))
    return counts


def tables(shards, out):
    """Read what was written, shard after shard."""
    return [row for shard in shards for row in pq.read_table(shard.output(out)).to_pylist()]


def shingles(text):
    """Give the set of 5-grams of a text as keys level it, the slow way."""
    [text] = normalise(pa.array([text], pa.large_string()), "key").to_pylist()
    return {text[i : i + 5] for i in range(len(text) - 4)}


def rows_of(shards):
    """Give (row, text, keys, id, url, verdict) of every document."""
    for shard in shards:
        documents = pq.read_table(shard.paths["documents"][0]).to_pylist()
        keys = pq.read_table(shard.paths["keys"][0]).to_pylist()
        verdicts = pq.read_table(shard.paths["verdict"][0]).column("verdict").to_pylist()
        for k, (document, own, verdict) in enumerate(zip(documents, keys, verdicts, strict=True)):
            yield (shard.ordinal << 40) + k, document["text"], list(own.values()), document, verdict


def slowly(mine, earlier, max_bucket, leaders):
    """Do as `compare` does, in memory: of each document the most similar kept one that shares a key."""
    buckets, number = [], count()
    for shards in earlier:
        buckets.append({})
        for row, text, keys, document, verdict in rows_of(shards):
            for key in keys if verdict is None else ():
                buckets[-1].setdefault(key, []).append((row, text, document))
    asking = {}
    for row, text, keys, *_ in rows_of(mine):
        for key in set(keys):
            asking.setdefault(key, set()).add((row >> 40, text))
    for row, text, keys, *_ in rows_of(mine):
        best = None
        for run, known in enumerate(buckets):
            for key in keys:
                there = sorted(known.get(key, []), key=lambda one: one[0])
                whole = len(there) + len(asking[key]) <= max_bucket
                for partner, other, document in there if whole else there[:leaders]:
                    one, two = shingles(text), shingles(other)
                    alike = 1.0 if text == other else len(one & two) / max(1, len(one | two))
                    hit = (-alike, run, partner, next(number), document)
                    best = hit if best is None else min(best, hit)
        yield row, best


@pytest.mark.slow
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.sampled_from([None, "screen:x.min"])), max_size=6),
        max_size=3,
    ),
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.sampled_from([None, None, "screen:x.min"])), max_size=8),
        max_size=3,
    ),
    st.sampled_from([3000, 4 << 30]),
    st.sampled_from([(2, 1), (6, 2), (64, 16)]),
    st.sampled_from([3, 40]),
)
@settings(max_examples=40)
def test_hits_are_those_of_the_slow_way(make, mine, earlier, memory, bucket, spread):
    """Whatever the shards, the keys, the bound of a bucket, and the memory; against two runs at once."""
    max_bucket, leaders = bucket
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        runs = [
            written(make, root / name, shards, name, spread)
            for name, shards in (("a", earlier), ("b", earlier[:1]))
        ]
        for name, shards in zip("ab", runs, strict=True):
            offered(make, root / name, shards)
        ours = written(make, root / "c", mine, "c", spread)
        inputs = replace(make.inputs(*ours), bytes_per_worker=memory)
        against = {name: root / name for name, shards in zip("ab", runs, strict=True) if shards}
        if not against:
            return
        compare(inputs, root / "out", Inline(), against=against, max_bucket=max_bucket, leaders=leaders)
        found = tables(ours, root / "out")
        wanted = list(slowly(ours, [shards for shards in runs if shards], max_bucket, leaders))
    assert len(found) == len(wanted)
    for got, (_, best) in zip(found, wanted, strict=True):
        if best is None:
            assert set(got.values()) == {None}
            continue
        alike, run, partner, _, document = best
        assert got == {
            "similarity": -alike,
            "partner": document["id"],
            "partner_run": "ab"[run],
            "partner_url": document["url"],
            "partner_row": partner,
        }


def corpus(make, root):
    """Give a run of three shards, remembered, and one of two to be held against it."""
    earlier = written(make, root / "a", [[(n, None) for n in range(s, s + 9)] for s in (0, 5, 11)], "a", 40)
    offered(make, root / "a", earlier)
    return written(make, root / "c", [[(n, None) for n in range(s, s + 9)] for s in (3, 20)], "c", 40)


@pytest.mark.slow
def test_engines_and_restarts_give_the_same_bytes(make, tmp_path):
    """On two workers, and over what a run before left, of which a part is gone: the file of one process."""
    ours = corpus(make, tmp_path)
    inputs = replace(make.inputs(*ours), bytes_per_worker=4096)
    files = [tmp_path / name for name in ("inline", "dask", "again")]
    with Dask(workers=2, bytes_per_worker=400 << 20) as cluster:
        for file, engine in zip(files, (Inline(), cluster, Inline()), strict=True):
            compare(inputs, file, engine, against={"a": tmp_path / "a"})
            for left in sorted(inputs.scratch.rglob("*.records"))[:: 2 if file.name == "dask" else 1]:
                left.unlink()
    for shard in ours:
        assert len({shard.output(file).read_bytes() for file in files}) == 1


def test_the_earlier_run_is_not_written_to(make, tmp_path):
    """Not a file is new or changed there."""
    ours = corpus(make, tmp_path)

    def state():
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in (tmp_path / "a").rglob("*")}

    before = state()
    counts = compare(make.inputs(*ours), tmp_path / "out", Inline(), against={"a": tmp_path / "a"})
    assert state() == before
    assert counts["rows"] == 18
    assert counts["met"] > 0
    assert counts["earlier_text_bytes"] > 0


def test_equal_texts_are_not_read(make, tmp_path):
    """Where the earlier run has all of our texts as they are, of it hashes are read and no text."""
    shards = [[(n, None) for n in (0, 10, 20)]]
    offered(make, tmp_path / "a", written(make, tmp_path / "a", shards, "a", 1 << 40))
    ours = written(make, tmp_path / "c", shards, "c", 1 << 40)
    counts = compare(make.inputs(*ours), tmp_path / "out", Inline(), against={"a": tmp_path / "a"})
    assert [row["similarity"] for row in tables(ours, tmp_path / "out")] == [1.0] * 3
    assert (counts["candidates"], counts["earlier_text_bytes"]) == (3, 0)


def test_of_a_key_that_many_share_the_first_are_remembered(make, tmp_path):
    """And the others are counted."""
    shards = written(make, tmp_path / "a", [[(n, None) for n in range(9)]], "a", 1)
    counts = offered(make, tmp_path / "a", shards, max_bucket=2)
    assert counts == {"documents": 9, "keys": 2 * BANDS, "keys_left_out": 7 * BANDS}
    assert offered(make, tmp_path / "b", []) == {"documents": 0, "keys": 0, "keys_left_out": 0}


def test_files_do_not_depend_on_memory(make, tmp_path, monkeypatch):
    """Nor on how many shards a task reads: they are the output."""
    monkeypatch.setattr("kakehi.pipeline.stages.dedupe.remember._FILE_KEYS", 5)
    shards = written(make, tmp_path, [[(n, None) for n in range(s, s + 7)] for s in (0, 5)], "a", 1 << 20)
    for name, memory in (("one", 4096), ("two", 4 << 30)):
        (tmp_path / name).mkdir()
        remember(replace(make.inputs(*shards), bytes_per_worker=memory), tmp_path / name, Inline())
    assert len(list((tmp_path / "one").glob("*.keys"))) == 9
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_keys_signed_unlike_those_of_the_earlier_run_never_meet(make, tmp_path, monkeypatch):
    """One error that names the run and what differs; another version of `sign` counts too."""
    offered(make, tmp_path / "a", written(make, tmp_path / "a", [[(0, None)]], "a", 9))
    batch = make.documents([make.text(1)])
    groups = pa.RecordBatch.from_pydict(
        {"group": pa.array([0], pa.uint64()), "group_size": pa.array([1], pa.uint32())}
    )
    ours = make.shard(tmp_path / "c", 0, documents=batch, groups=groups, keys=sign(batch, seed=7, bands=3))
    with pytest.raises(
        DataError, match=r"this run and old: keys were signed unlike each other: seed 7 and 1\n"
    ):
        compare(make.inputs(ours), tmp_path / "out", Inline(), against={"old": tmp_path / "a"})
    ours = written(make, tmp_path / "d", [[(0, None)]], "d", 9)
    monkeypatch.setattr("kakehi.pipeline.stages.dedupe.compare.SIGN", replace(SIGN, version=SIGN.version + 1))
    with pytest.raises(DataError, match="version of sign"):
        compare(make.inputs(*ours), tmp_path / "out", Inline(), against={"old": tmp_path / "a"})
