"""The quickstart's files hold what gold.tsv says, as the readers see it."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from kakehi.filters.page.html import main_text
from kakehi.pipeline.sources.formats import jsonl, parquet, warc
from kakehi.pipeline.sources.formats.records import Record, Reject

QUICKSTART = Path(__file__).parents[2] / "manifests" / "quickstart"
WIKI = {"text": "text", "id": "id", "url": "url", "title": "title"}
NOTES = {"text": "body", "id": "key", "title": "heading"}


@pytest.fixture(scope="module")
def gold():
    """Read gold.tsv by key."""
    with (QUICKSTART / "gold.tsv").open(encoding="utf-8", newline="") as file:
        return {row["key"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


@pytest.fixture(scope="module")
def items():
    """Read every file: (file name, key, record or reject)."""
    out = [(f"warc/{p.name}", i.url, i) for p in sorted(QUICKSTART.glob("warc/*.gz")) for i in warc.read(p)]
    name = "wiki/articles-00000.jsonl.zst"
    out += [(name, i.record_id, i) for i in jsonl.read(QUICKSTART / name, fields=WIKI)]
    name = "notes/notes-00000.parquet"
    return out + [(name, i.record_id, i) for i in parquet.read(QUICKSTART / name, fields=NOTES)]


def text_of(record, codec):
    """Return a record's text, or its page's main text decoded as gold says."""
    if record.text is not None:
        return record.text
    return main_text(record.body.decode(codec).encode()).text


def test_sums_are_those_of_the_files():
    """SHA256SUMS names every file with its digest."""
    lines = (QUICKSTART / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    for line in lines[1:]:
        digest, name = line.split("  ")
        assert hashlib.sha256((QUICKSTART / name).read_bytes()).hexdigest() == digest, name
    kept = {p.relative_to(QUICKSTART).as_posix() for p in QUICKSTART.rglob("*-0*.*")}
    assert kept | {"gold.tsv"} == {line.split("  ")[1] for line in lines[1:]}


def test_every_record_is_in_gold(items, gold):
    """Records and rejects are those of gold, each once; a record cut off has lost its name."""
    nameless = {("warc/docs-00002.warc.gz", "broken_gzip"), ("wiki/articles-00000.jsonl.zst", "broken_json")}
    seen = []
    for file, key, item in items:
        if isinstance(item, Reject) and ((file, item.reason) in nameless or item.note == "warcinfo"):
            continue
        seen.append(key)
        row = gold[key]
        assert row["file"] == file
        assert isinstance(item, Reject) == (row["expect"] == "reject")
        if isinstance(item, Reject):
            assert f"{item.reason}:{item.note}".rstrip(":") == row["detail"]
    assert sorted(seen) == sorted(key for key in gold if key not in {"http://odd.example/cut-off", "line 8"})


def test_codecs_decode(items, gold):
    """Every page decodes with the codec that gold names, and those marked keep hold kana."""
    for _, key, item in items:
        if isinstance(item, Record) and gold[key]["expect"] == "keep":
            text = text_of(item, gold[key]["codec"])
            assert sum("ぁ" <= sign <= "ヿ" for sign in text) > 0.1 * len(text), key


def test_copies_are_alike(items, gold):
    """Copies share 85 to 100 % of their 5-grams with their originals after extraction, and are never longer."""
    records = {key: item for _, key, item in items if isinstance(item, Record)}
    alike = []
    for key, row in gold.items():
        if row["expect"] != "dup-of":
            continue
        copy = text_of(records[key], row["codec"])
        original = text_of(records[row["detail"]], gold[row["detail"]]["codec"])
        one, other = ({text[at : at + 5] for at in range(len(text) - 4)} for text in (copy, original))
        alike.append(len(one & other) / len(one | other))
        assert len(copy) <= len(original)
    assert sorted(share == 1 for share in alike) == [False] * 4 + [True] * 4
    assert all(share > 0.85 for share in alike)
