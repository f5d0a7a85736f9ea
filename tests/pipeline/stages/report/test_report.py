"""The report of whole small runs: what it counts, what it shows, and that order and cuts don't matter."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.stages.catalogue import STAGES
from kakehi.pipeline.stages.inputs import Inputs, StepSummary
from kakehi.pipeline.stages.report.collect import collect
from kakehi.pipeline.stages.report.report import report
from kakehi.pipeline.stages.screen import VERDICT
from kakehi.pipeline.storage.schemas import DOCUMENTS
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Receipt
from kakehi.pipeline.storage.tables import TableWriter

STAGE = {stage.name: stage for stage in STAGES}
PLANTED = "<script>alert(1)</script></script>"
SIGNALS = pa.schema([("kana_share", pa.float64()), ("language", pa.large_string())])
RULE = {"signal": "kana_share", "min": 0.2, "max": None, "one_of": None, "missing": "drop"}


def documents(rows: range) -> pa.RecordBatch:
    """Give documents whose every column follows from their number."""
    made = {
        "id": [n.to_bytes(16, "big") for n in rows],
        "source": ["web"] * len(rows),
        "url": [f"https://e.example/{n}?{PLANTED}" for n in rows],
        "title": [None if n % 5 == 0 else f"{n}{PLANTED}" for n in rows],
        "text": [f"{PLANTED}かな{n}" * 9 for n in rows],
        "text_hash": [n.to_bytes(16, "big") for n in rows],
        "characters": [len(f"{PLANTED}かな{n}" * 9) for n in rows],
        "codec": [None if n % 7 == 0 else ("cp932", "utf-8")[n % 2] for n in rows],
        "codec_from": [None if n % 7 == 0 else "header" for n in rows],
        "replaced": [n % 3 for n in rows],
        "gate": ["extract:language" if n % 10 == 0 else None for n in rows],
        "input": ["a"] * len(rows),
        "offset": list(rows),
        "length": [1] * len(rows),
    }
    columns = [pa.array(made.get(f.name, [None] * len(rows)), f.type) for f in DOCUMENTS]
    return pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS)


def share_of(n: int) -> float:
    """Give the kana share of a document: NaN for some, a third under the bound."""
    return float("nan") if n % 11 == 0 else (n % 9) / 13


def objections_to(n: int) -> list[str]:
    """Say what the gate and the rule have against a document."""
    value = share_of(n)
    rule = ["screen:kana_share.missing"] if np.isnan(value) else ["screen:kana_share.min"] * (value < 0.2)
    return ["extract:language"] * (n % 10 == 0) + rule


def shard(folder: Path, ordinal: int, cuts: list[range], *, tables: bool = True) -> ShardTables:
    """Write a shard, a row group for every range."""
    home = folder / str(ordinal)
    with TableWriter(home / "d.parquet", DOCUMENTS) as writer:
        for rows in cuts:
            batch = documents(rows)
            writer.note_ids(batch.column("id"))
            writer.write(batch)
        ids = writer.close()
    with (
        TableWriter(home / "s.parquet", SIGNALS) as signals,
        TableWriter(home / "v.parquet", VERDICT) as opinions,
    ):
        for rows in cuts:
            signals.write(
                pa.record_batch(
                    [[share_of(n) for n in rows], pa.array(["ja"] * len(rows), pa.large_string())],
                    schema=SIGNALS,
                )
            )
            found = [objections_to(n) for n in rows]
            opinions.write(
                pa.record_batch(
                    [
                        pa.array([next(iter(o), None) for o in found], pa.string()),
                        pa.array(found, VERDICT.field(1).type),
                    ],
                    schema=VERDICT,
                )
            )
        signals.close(ids)
        opinions.close(ids)
    paths = {
        "documents": (home / "d.parquet",),
        "signals": (home / "s.parquet",),
        "verdict": (home / "v.parquet",),
    }
    if not tables:
        paths = {"documents": paths["documents"], "verdict": ()}
    return ShardTables(source="web", name=str(ordinal), ordinal=ordinal, paths=paths)


def inputs(folder: Path, shards: list[list[range]], *, tables: bool = True) -> Inputs:
    """Give a corpus of one source, gated, measured and screened."""
    numbers = [n for cuts in shards for rows in cuts for n in rows]
    gated = sum(n % 10 == 0 for n in numbers)
    counts = {"records": len(numbers) + 50, "reject/language": 50, "gated": gated, "documents": len(numbers)}
    counts |= {"normalise/spaces": 7, "normalise/controls": 2}
    objected = Counter(name for n in numbers for name in objections_to(n))
    alone = Counter(o[0] for n in numbers if len(o := objections_to(n)) == 1)
    screened = {f"objection/{k}": v for k, v in objected.items()} | {
        f"alone/{k}": v for k, v in alone.items()
    }
    steps = [
        StepSummary(
            name="extract",
            source="web",
            stage=STAGE["extract"],
            parameters={},
            receipts=(receipt("extract", counts),),
        )
    ]
    if tables:
        steps.append(
            StepSummary(
                name="screen",
                source="web",
                stage=STAGE["screen"],
                parameters={"rules": [RULE]},
                receipts=(receipt("screen", screened),),
            )
        )
    made = tuple(shard(folder, i, cuts, tables=tables) for i, cuts in enumerate(shards))
    return Inputs(corpus="c", shards=made, scratch=folder / ".shuffle", steps=tuple(steps))


def receipt(step: str, counts: dict[str, int]) -> Receipt:
    """Give a receipt that counts this."""
    return Receipt(step=step, source="web", shard="0", address="a", counts=counts)


def test_counts_agree_with_a_slow_count(tmp_path: Path) -> None:
    """Verdicts, charsets, values and the gate's cost are those of a loop over the documents."""
    numbers = range(100)
    found = collect(inputs(tmp_path, [[numbers]]), Inline(), samples=3, title=None)
    kept = [n for n in numbers if not objections_to(n)]
    assert {group.verdict: group.documents for group in found.samples} == Counter(
        next(iter(objections_to(n)), "kept") for n in numbers
    )
    [line] = found.signals
    assert (line.kept.total, line.missing, line.bounds) == (len(kept), 10, (("min", 0.2),))
    assert line.dropped.total == 100 - len(kept) - 10
    assert {(c.codec, c.documents, c.replaced, c.replaced_documents) for c in found.charsets} == {
        (codec, len(mine), sum(n % 3 for n in mine), sum(n % 3 > 0 for n in mine))
        for parity, codec in enumerate(("cp932", "utf-8"))
        for mine in [[n for n in numbers if n % 7 and n % 2 == parity]]
    }
    assert [(line.rule, line.fired, line.by_source) for line in found.normalised] == [
        ("controls", 2, (2,)),
        ("spaces", 7, (7,)),
    ]
    assert found.gate
    assert (found.gate.rejected, found.gate.sampled) == (50, 10)
    assert found.gate.would_stay == sum(objections_to(n) == ["extract:language"] for n in numbers)
    assert [(rule.name, rule.bound, rule.objected) for rule in found.rules] == [
        ("extract:language", "enough kana before extraction", 10),
        (
            "screen:kana_share.min",
            "at least 0.2",
            sum("screen:kana_share.min" in objections_to(n) for n in numbers),
        ),
        ("screen:kana_share.missing", "measurable", 10),
    ]


def test_cuts_do_not_matter(tmp_path: Path) -> None:
    """However documents lie in shards and row groups, in whatever order, the page has the same bytes."""
    pages = []
    for name, shards in {
        "one": [[range(60)]],
        "cut": [[range(7), range(7, 60)]],
        "two": [[range(30, 60)], [range(5), range(5, 30)]],
    }.items():
        (tmp_path / name).mkdir()
        report(inputs(tmp_path / name, shards), tmp_path / name, Inline())
        pages.append((tmp_path / name / "report.html").read_bytes())
    assert pages[0] == pages[1] == pages[2]


def test_planted_scripts_are_text(tmp_path: Path) -> None:
    """A script in a text, a title or a URL is shown."""
    report(inputs(tmp_path, [[range(40)]]), tmp_path, Inline(), title=PLANTED)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") > 10


def test_samples_say_what_decided(tmp_path: Path) -> None:
    """The value, and what was wanted, stand beside the sample; the text is its beginning."""
    found = collect(inputs(tmp_path, [[range(100)]]), Inline(), samples=2, title=None)
    groups = {group.verdict: group.samples for group in found.samples}
    assert all(len(samples) == 2 for samples in groups.values())
    for sample in groups["screen:kana_share.min"]:
        value = share_of(int(sample.document.id, 16))
        assert sample.decided == f"kana_share is {value:.4g}; wanted at least 0.2"
    assert {sample.decided for sample in groups["kept"]} == {""}
    assert {len(sample.beginning) for sample in groups["kept"]} == {300}
    assert "not measurable" in groups["screen:kana_share.missing"][0].decided


@pytest.mark.parametrize("shards", [[], [[]], [[range(3)]]], ids=["no shard", "empty shard", "some"])
def test_a_corpus_without_tables_has_a_page(tmp_path: Path, shards: list[list[range]]) -> None:
    """No document, no measure step, no rules: the page is made all the same."""
    rows = sum(len(cut) for cuts in shards for cut in cuts)
    counts = report(inputs(tmp_path, shards, tables=False), tmp_path, Inline(), samples=1)
    assert counts == {"documents": rows, "samples": min(rows, 1)}
    assert (tmp_path / "report.html").stat().st_size > 5000


def test_the_manifest_makes_it(tmp_path, make, kakehi) -> None:
    """A run with WARC, duplicates and a gate ends with a page; a second run has nothing to do."""
    english = make.html("All of this page is English and long enough to be taken. " * 9, lang="en")
    pages = [make.page(f"https://a.example/{n}") for n in range(12)]
    rejected = [make.response(f"https://b.example/{n}", english.encode()) for n in range(3)]
    make.warc(tmp_path / "a.warc.gz", [*pages, *rejected])
    make.texts(tmp_path / "b.jsonl", 10, seed="b")
    make.texts(tmp_path / "c.jsonl", 4, seed="b")
    manifest = make.file(
        tmp_path / "m.yaml",
        """
corpus: small
sources:
  web: {extract: {files: a.warc.gz, language: ja, sample_rejects: 1}}
  text: {ingest: {files: b.jsonl, fields: {text: text, id: id, url: url}}}
  more: {ingest: {files: c.jsonl, fields: {text: text, id: id}}}
measure: [script]
screen: {all: [{kana_share: {min: 0.1}}]}
dedupe: {}
report: {samples: 2}
""",
    )
    said = kakehi("run", manifest, "--work", tmp_path / "w")
    assert said.code == 0, said.err
    [path] = (tmp_path / "w").glob("report/*/report.html")
    page = path.read_text(encoding="utf-8")
    assert said.out.count(str(path)) == 1
    rows = re.findall(r"<code>(\S+:\S+)</code></th><td>([^<]*)</td><td class=\"n\">(\d+)</td>", page)
    assert {(name, int(count)) for name, _, count in rows} == {
        ("extract:language", 3),
        ("screen:kana_share.min", 3),
        ("screen:kana_share.missing", 0),
        ("dedupe:exact", 4),
    }
    assert "same text as the kept document" in page
    assert "chart-signal-" in page
    assert kakehi("run", manifest, "--work", tmp_path / "w").err.startswith("nothing to do")


def test_a_corpus_of_which_nothing_is_kept_has_a_page(tmp_path, make, kakehi) -> None:
    """The report is what a user opens to see why nothing was kept, so it is made then too."""
    make.texts(tmp_path / "b.jsonl", 5)
    manifest = make.file(
        tmp_path / "m.yaml",
        "corpus: none\nsources: {text: {ingest: {files: b.jsonl, fields: {text: text, id: id}}}}\n"
        "measure: [script]\nscreen: {all: [{kana_share: {min: 1.5}}]}\nreport:\n",
    )
    said = kakehi("run", manifest, "--work", tmp_path / "w")
    assert said.code == 0, said.err
    [path] = (tmp_path / "w").glob("report/*/report.html")
    assert "0.0 % of documents" in path.read_text(encoding="utf-8")
