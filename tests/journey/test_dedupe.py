"""dedupe by the command: again on what it kept, whichever files records come in, and loud where a source goes."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

MANIFEST = """\
corpus: c
sources:
  wiki: {{ingest: {{files: "{wiki}", fields: {{id: id, text: text}}}}}}
  cc: {{ingest: {{files: "{cc}", fields: {{id: id, text: text}}}}}}
measure: [script]
dedupe: {{priority: [{{signal: kana_share}}, longest], {more}}}
export: {{formats: [parquet]}}
report:
"""


def changed(text: str, seed: object, make) -> str:
    """Change one sentence of many."""
    lines = text.split("\n")
    return "\n".join([make.text(seed, 1), *lines[1:]])


@pytest.fixture(scope="module")
def records(make):
    """Give records of two sources: texts of their own, and copies and near copies of both, some of a copy's copy."""
    own = [make.text(("own", i), 30) for i in range(60)]
    copies = [own[i % 20] for i in range(30)]
    near = [changed(own[i % 25], ("near", i), make) for i in range(60)]
    chain = [changed(near[i], ("chain", i), make)[: 900 - 9 * i] for i in range(20)]
    wiki = [{"id": f"w{i}", "text": text} for i, text in enumerate([*own[:40], *near[:30], *chain])]
    cc = [{"id": f"c{i}", "text": text} for i, text in enumerate([*own[40:], *copies, *near[30:]])]
    return {"wiki": wiki, "cc": cc}


def written(make, root: Path, records, parts: int, more: str = "similarity: 0.8") -> Path:
    """Write the records to so many files a source, in another order for each number, and a manifest."""
    for source, rows in records.items():
        ordered = (
            rows if parts == 1 else sorted(rows, key=lambda row: (len(row["text"]) % parts, row["id"][::-1]))
        )
        for part in range(parts):
            make.jsonl(root / f"{source}-{part * 7 % parts}.jsonl", ordered[part::parts])
    names = {source: f"{source}-*.jsonl" for source in records}
    return make.file(root / "m.yaml", MANIFEST.format(**names, more=more))


def kept(work: Path) -> dict[str, str]:
    """Give what was exported: ids and texts."""
    tables = [pq.read_table(path) for path in sorted(work.glob("export/*/parquet/*.parquet"))]
    return {row["id"]: row["text"] for table in tables for row in table.to_pylist()}


def counts(work: Path, step: str) -> dict[str, int]:
    """Read the counts of a corpus step."""
    [path] = work.glob(f"{step}/*/receipt.json")
    return json.loads(path.read_bytes())["counts"]


def test_what_was_kept_is_kept_again(make, kakehi, records, tmp_path):
    """A run on the output of a run removes nothing, exact or near; it compares what it did not compare before."""
    manifest = written(make, tmp_path, records, 1)
    assert kakehi("run", manifest, "--work", tmp_path / "work").code == 0
    first = counts(tmp_path / "work", "keep")
    assert first["verdict/dedupe:exact/documents"] > 0
    assert first["verdict/dedupe:near/documents"] > 20
    again = make.file(
        tmp_path / "again.yaml",
        "corpus: c\nsources: {all-of-it: {ingest: {files: 'work/export/*/parquet/*.parquet'}}}\n"
        "dedupe: {similarity: 0.8}\nexport: {formats: [parquet]}\n",
    )
    assert kakehi("run", again, "--work", tmp_path / "again").code == 0
    second = counts(tmp_path / "again", "keep")
    assert not [key for key in second if key.startswith("verdict/")]
    assert sorted(kept(tmp_path / "again").values()) == sorted(kept(tmp_path / "work").values())


@pytest.mark.slow
def test_which_files_records_come_in_does_not_show(make, kakehi, records, tmp_path):
    """As many shards as files, in another order, with two workers: the same documents stay and stand for as many."""
    found = []
    for parts in (1, 5):
        root = tmp_path / str(parts)
        manifest = written(make, root, records, parts, "similarity: 0.8, max_bucket: 1000")
        manifest.write_text(manifest.read_text().replace('jsonl"', 'jsonl", shard_mb: 0.005'))
        machine = (
            make.file(root / "two.yaml", "engine: dask\nworkers: 2\nbytes_per_worker: 400MiB\n")
            if parts > 1
            else None
        )
        more = ["--machine", machine] if machine else []
        said = kakehi("run", manifest, "--work", root / "work", *more)
        assert said.code == 0, said.err
        tables = [pq.read_table(path) for path in sorted((root / "work").glob("export/*/parquet/*.parquet"))]
        found.append(
            sorted((row["id"], row["cluster_size"]) for table in tables for row in table.to_pylist())
        )
    assert found[0] == found[1]
    assert len(list((tmp_path / "5" / "work").glob("ingest/*/cc/*.json"))) > 1


def test_a_source_that_is_nearly_all_copies_is_said_loudly(make, kakehi, records, tmp_path):
    """On the terminal as it happens and at the end, in the report, in `kakehi report`; or the run stops there."""
    copies = [{"id": f"x{i}", "text": row["text"]} for i, row in enumerate(records["wiki"][:40])]
    few = {"wiki": records["wiki"], "cc": [*copies, *records["cc"][:4]]}
    manifest = written(make, tmp_path, few, 1, "alarm: 0.5")
    stop = make.file(
        tmp_path / "stop.yaml", manifest.read_text().replace("alarm: 0.5", "alarm: {share: 0.5, then: stop}")
    )
    work = tmp_path / "work"
    stopped = kakehi("run", stop, "--work", work)
    wanted = "source 'cc' loses 40 of 44 documents (90.9 %) to duplicates: 40 for wiki"
    assert stopped.code == 3
    assert f"keep.alarm: {wanted}, wanted at most 50 %" in stopped.err
    assert not list(work.glob("export/*"))
    said = kakehi("run", manifest, "--work", work)
    assert said.code == 0
    assert said.err.count(f"warning: keep: {wanted}") == 2
    assert said.err.index("warning: keep") < said.err.rindex("export")
    assert f"warning: keep: {wanted}" in kakehi("report", manifest, "--work", work).err
    [page] = work.glob("report/*/report.html")
    assert wanted.replace("'", "&#39;") in page.read_text()
    assert "warning" not in kakehi("run", written(make, tmp_path, few, 1, "alarm: 1"), "--work", work).err
