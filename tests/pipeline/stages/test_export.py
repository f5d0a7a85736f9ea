"""export: kept documents as JSON lines and Parquet that say the same."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.stages.export import export


def exported(make, root, shards, sizes=(), **parameters):
    """Export shards of (texts, verdicts), and of sizes of clusters; give rows by format and counts."""
    made = []
    for i, (texts, verdicts) in enumerate(shards):
        verdict = pa.record_batch({"verdict": pa.array(verdicts, pa.string())})
        if sizes:
            verdict = verdict.append_column("cluster_size", pa.array(sizes[i], pa.uint32()))
        made.append(make.shard(root, i, documents=make.documents(texts, source=f"s{i}"), verdict=verdict))
    counts = export(make.inputs(*made), root / "out", Inline(), **parameters)
    parquet = [row for path in sorted(root.glob("out/parquet/*")) for row in pq.read_table(path).to_pylist()]
    packed = [
        zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
        for path in sorted(root.glob("out/jsonl/*"))
    ]
    return parquet, [json.loads(line) for text in packed for line in text.splitlines()], counts


def test_both_formats_hold_the_kept_rows(make, tmp_path):
    """Ids are 32 hexadecimal digits; a shard with nothing kept leaves no file."""
    shards = [(["あ𠮷\nい", "う"], [None, "x:y"]), (["え"], ["x:y"]), (["お\u2028か"], [None])]
    parquet, lines, counts = exported(make, tmp_path, shards)
    assert parquet == lines
    assert [row["text"] for row in lines] == [
        "あ𠮷\nい",
        make.documents(["お\u2028か"]).column("text")[0].as_py(),
    ]
    assert all(len(bytes.fromhex(row["id"])) == 16 for row in lines)
    assert counts["documents"] == 2
    assert counts["files"] == 4 == len(list((tmp_path / "out").rglob("*.*")))
    assert counts["characters"] == sum(len(row["text"]) for row in lines)


@pytest.mark.parametrize("shards", [[], [([], [])], [(["あ"], ["x:y"])]])
def test_nothing_kept(make, tmp_path, shards):
    """No rows, no files."""
    nothing = {"documents": 0, "characters": 0, "files": 0, "repeated_ids": 0}
    assert exported(make, tmp_path, shards) == ([], [], nothing)


def test_the_size_of_a_cluster_goes_along(make, tmp_path):
    """Where duplicates were looked for, each kept document says how many it stands for."""
    shards = [(["あ", "い", "う"], [None, "x:y", None]), (["え"], [None])]
    parquet, lines, _ = exported(make, tmp_path, shards, sizes=[[3, 0, 1], [7]])
    assert parquet == lines
    assert [row["cluster_size"] for row in lines] == [3, 1, 7]


def test_one_format(make, tmp_path):
    """Only what is asked for is written."""
    parquet, lines, counts = exported(make, tmp_path, [(["あ"], [None])], formats=["parquet"])
    assert (len(parquet), lines, counts["files"]) == (1, [], 1)


def test_a_killed_export_goes_on(make, tmp_path):
    """What was written whole is linked, not written again; the rest is made."""
    inputs = make.inputs(
        *(
            make.shard(
                tmp_path,
                i,
                documents=make.documents([make.text(i)], source=f"s{i}"),
                verdict=pa.record_batch({"verdict": pa.array([None], pa.string())}),
            )
            for i in range(2)
        )
    )
    export(inputs, tmp_path / "killed", Inline())
    left = sorted(path for path in inputs.scratch.rglob("s?-shard-?.*"))
    left[0].unlink()
    before = {path.name: path.stat().st_ino for path in left[1:]}
    export(inputs, tmp_path / "out", Inline())
    after = {path.name: path.stat().st_ino for path in (tmp_path / "out").rglob("*.*")}
    assert len(after) == len(left) == 4
    assert before.items() <= after.items()
