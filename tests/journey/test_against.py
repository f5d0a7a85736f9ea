"""A run held against earlier ones: it keeps what one run over both would keep, and costs what is new."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

MANIFEST = """\
corpus: {name}
sources: {{{sources}}}
measure: [script]
screen: {{all: [{{characters: {{min: 60}}}}]}}
dedupe: {{priority: [{{source: [a, b, c]}}, longest]{more}}}
remember:
export: {{formats: [parquet]}}
report:
"""

#: In all months: how far a text of another month, or of its own, is changed; 0 is an equal one.
CHANGES = (0, 0, 1, 1, 2, 4, 9)


def months(make, home: Path) -> None:
    """Write three months: texts of their own, and copies, more and less changed, of these and of earlier ones."""
    draw = random.Random(7)  # noqa: S311 - not for secrets
    texts: list[list[str]] = []
    for number, month in enumerate("abc"):
        mine = [make.text((month, i), 6 + i % 9) for i in range(40)] + ["短い。"]
        texts.append(mine)
        for _ in range(40 + 20 * number):
            lines = draw.choice(draw.choice(texts)).split("\n")
            for _ in range(draw.choice(CHANGES)):
                lines[draw.randrange(len(lines))] = make.text(draw.random(), 1)
            mine.append("\n".join(lines))
        draw.shuffle(mine)
        for part in range(3):
            rows = [
                {"id": f"{month}{i}", "url": f"https://{month}.example/{i}", "text": text}
                for i, text in enumerate(mine)
                if i % 3 == part
            ]
            make.jsonl(home / month / f"{part}.jsonl", rows)


def manifest(make, home: Path, name: str, sources: str, more: str = "") -> Path:
    """Write a manifest of some months, each a shard a file."""
    one = "{0}: {{ingest: {{files: '{0}/*.jsonl', shard_mb: 0.000001, fields: {{text: text, id: id, url: url}}}}}}"
    text = MANIFEST.format(name=name, sources=", ".join(one.format(m) for m in sources), more=more)
    return make.file(home / f"{name}.yaml", text)


def exported(work: Path) -> dict[str, str]:
    """Give id and URL of all that was kept."""
    [home] = (work / "export").iterdir()
    rows = [row for path in home.rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return {row["id"]: row["url"] for row in rows}


def earlier(work: Path) -> list[dict[str, Any]]:
    """Give the rows that left for an earlier run."""
    paths = (work / "against").rglob("*.parquet")
    return [row for path in paths for row in pq.read_table(path).to_pylist() if row["verdict"]]


@pytest.fixture(scope="module")
def ran(make, kakehi, tmp_path_factory) -> Path:
    """Run month a; b against it; c against both; and in one run each a and b, and all three."""
    home = tmp_path_factory.mktemp("months")
    months(make, home)
    manifest(make, home, "first", "a")
    manifest(make, home, "second", "b", ", against: {a: work-first}")
    manifest(make, home, "third", "c", ", against: {a: work-first, b: work-second}")
    manifest(make, home, "two", "ab")
    manifest(make, home, "three", "abc")
    for name in ("first", "second", "third", "two", "three"):
        said = kakehi("run", home / f"{name}.yaml", "--work", home / f"work-{name}")
        assert said.code == 0, said.err
        make.file(home / f"{name}.out", said.out)
    return home


@pytest.mark.parametrize(
    ("parts", "whole"), [(("first", "second"), "two"), (("first", "second", "third"), "three")]
)
def test_month_after_month_keeps_what_one_run_keeps(ran: Path, parts: tuple[str, ...], whole: str) -> None:
    """With the earlier sources first in priority; documents have the same ids in both."""
    kept = [exported(ran / f"work-{part}") for part in parts]
    together = exported(ran / f"work-{whole}")
    assert sum(map(len, kept)) == len({id_ for one in kept for id_ in one})
    assert {id_ for one in kept for id_ in one} == together.keys()
    assert all(kept)


def test_every_hit_names_document_run_and_similarity(ran: Path) -> None:
    """The partner is one that the earlier run kept; both runs have some, exact and near."""
    kept = {name: exported(ran / f"work-{part}") for name, part in (("a", "first"), ("b", "second"))}
    rows = earlier(ran / "work-third")
    for row in rows:
        run = row["partner_run"]
        assert row["verdict"] == f"dedupe:earlier:{run}"
        assert kept[run][row["partner"].hex()] == row["partner_url"]
        assert 0.8 <= row["similarity"] <= 1.0
    assert set(Counter(row["partner_run"] for row in rows)) == {"a", "b"}
    assert {row["similarity"] == 1.0 for row in rows} == {True, False}


def test_the_funnel_counts_them_once(ran: Path) -> None:
    """Records less drops are what was kept, and each earlier run has its line."""
    lines = {
        line.rsplit(maxsplit=2)[0].strip(): line.split()[-2]
        for line in (ran / "third.out").read_text().splitlines()
        if line.startswith(("  drop", "kept", "documents"))
    }
    numbers = {name: int(value.replace(",", "")) for name, value in lines.items()}
    drops = {name: -value for name, value in numbers.items() if name.startswith("drop")}
    assert drops["drop: dedupe:earlier:a"] > 0
    assert drops["drop: dedupe:earlier:b"] > 0
    assert drops["drop: screen:characters.min"] > 0
    assert numbers["documents"] - sum(drops.values()) == numbers["kept"] == len(exported(ran / "work-third"))


def test_the_report_and_explain_tell_partner_run_and_similarity(ran: Path, kakehi) -> None:
    """Of a near copy: its URL in the earlier run; and `keep` says why it is no keeper."""
    row = next(row for row in earlier(ran / "work-second") if row["similarity"] != 1.0)
    [path] = (ran / "work-second" / "report").rglob("report.html")
    page = path.read_text(encoding="utf-8")
    assert "dedupe:earlier:a" in page
    documents = (ran / "work-second" / "ingest").rglob("*[0-9a-f].parquet")
    verdicts = {path.stem: path for path in (ran / "work-second" / "against").rglob("*.parquet")}
    for table in (path for path in documents if path.stem in verdicts):
        found = pq.read_table(verdicts[table.stem]).to_pylist()
        if row in found:
            url = pq.read_table(table).column("url")[found.index(row)].as_py()
    said = kakehi("explain", ran / "second.yaml", url, "--work", ran / "work-second").out
    assert f"compare     nearest in a: {row['partner'].hex()} {row['partner_url']}, similarity" in said
    assert "against     objects: dedupe:earlier:a" in said
    assert "no keeper: it has a verdict already" in said


def test_a_changed_history_is_compared_with_again(make, kakehi, ran: Path) -> None:
    """The address hashes what the earlier run offers; a changed bound of similarity compares nothing anew."""
    second = ran / "again.yaml"
    text = (ran / "second.yaml").read_text()
    make.file(second, text.replace("corpus: second", "corpus: again"))
    plan = kakehi("plan", second, "--work", ran / "work-second").out
    assert [line.split()[2] for line in plan.splitlines() if line.startswith("compare")] == ["skip"]
    make.file(second, text.replace("against: {a: work-first}", "against: {a: work-second}, similarity: 0.7"))
    plan = kakehi("plan", second, "--work", ran / "work-second").out
    assert "parameter changed: against.a.sha256" in plan
    make.file(second, text.replace("against:", "similarity: 0.7, against:"))
    steps = {
        line.split()[0]: line
        for line in kakehi("plan", second, "--work", ran / "work-second").out.splitlines()
        if line
    }
    assert " skip" in steps["compare"]
    assert "parameter changed: similarity 0.8 → 0.7" in steps["against"]
    said = kakehi("defaults", ran / "second.yaml")
    assert str(ran / "work-first") in said.out
    same = make.file(ran / "same.yaml", said.out)
    plans = [kakehi("plan", path, "--work", ran / "work-second").out for path in (same, ran / "second.yaml")]
    assert plans[0] == plans[1]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            ", against: {a: nowhere}",
            "no finished history, wanted one; add remember: to the manifest of the earlier run",
        ),
        (", against: {a: work-first}, seed: 2", "keys were signed unlike each other: seed 2 and 1"),
        (
            ", against: {a: work-first}, preset: swallow",
            "scheme 'fss' and 'affine32', bands 40 and 14, rows 20 and 8",
        ),
        (", against: {a: work-first}, level: training", "level 'training' and 'key'"),
        (", against: {}", ""),
        (", against: {a b: work-first}", "string should match pattern"),
    ],
)
def test_what_cannot_be_held_against_is_a_fault_of_the_manifest(
    make, kakehi, ran: Path, more: str, says: str
) -> None:
    """With its line, before anything runs; no earlier run at all is as if there were no key."""
    path = manifest(make, ran, "wrong", "b", more)
    said = kakehi("check", path)
    assert (said.code, says in said.err) == ((2, True) if says else (0, True))
    if says:
        assert f"{path}:5: dedupe.against" in said.err


def test_a_text_of_the_earlier_run_that_is_gone_is_named(make, kakehi, ran: Path, tmp_path: Path) -> None:
    """Exit code 3 and the way out; put back, the next run goes on."""
    tables = [
        path for path in (ran / "work-first" / "ingest").rglob("*.parquet") if ".rejects" not in path.name
    ]
    for path in tables:
        path.rename(path.with_suffix(".away"))
    said = kakehi("run", ran / "second.yaml", "--work", tmp_path / "work", "--until", "against")
    assert said.code == 3
    assert "work-first/ingest" in said.err
    for path in tables:
        path.with_suffix(".away").rename(path)
    said = kakehi("run", ran / "second.yaml", "--work", tmp_path / "work", "--until", "against")
    assert said.code == 0, said.err
    assert len(earlier(tmp_path / "work")) == len(earlier(ran / "work-second"))
