"""Sources that come to nothing, fields that no record has, damage accepted before: told, again and again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

ONE = "corpus: c\nsources: {{s: {{ingest: {{files: '{files}', {more}}}}}}}\nmeasure: [script]\nexport:\n"


def run(kakehi, make, root: Path, more: str = "", *, files: str = "a.jsonl", options=()):
    """Run one source."""
    make.file(root / "m.yaml", ONE.format(files=files, more=more))
    return kakehi("run", root / "m.yaml", "--work", root / "w", *options)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it: 1 file holds no record"),
        (b'{"text": ""}\n{"text": 3}\n{"text": ""}\n', "3 records (empty_body 2, wrong_type 1)"),
        (b'{"text": "broken\n{"text": "\n', "2 records (broken_json 2)"),
        (b'{"text": " "}\n', "1 records (no_text 1)"),
    ],
)
def test_a_source_of_which_nothing_came_is_an_error_each_time(make, kakehi, tmp_path, content, says):
    """Its shards are done, and still no later run takes it for a corpus; other sources go their way."""
    make.file(tmp_path / "a.jsonl", content)
    make.texts(tmp_path / "b.jsonl", 3)
    text = "corpus: c\nsources: {s: {ingest: {files: a.jsonl}}, t: {ingest: {files: b.jsonl}}}\nmeasure: [script]\nexport:\n"
    make.file(tmp_path / "m.yaml", text)
    for _ in range(2):
        said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
        assert said.code == 3
        assert f"ingest: source 's': no document came of {says}" in said.err
        assert "allow_empty: true in source 's'" in said.err
    assert list((tmp_path / "w" / "measure").glob("*/t/*.parquet"))
    assert not (tmp_path / "w" / "export").exists()
    make.file(tmp_path / "m.yaml", text.replace("a.jsonl", "a.jsonl, allow_empty: true"))
    plan = kakehi("plan", tmp_path / "m.yaml", "--work", tmp_path / "w").out
    assert "skip" in plan.splitlines()[0]  # it is in no address
    assert kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w").code == 0


def test_a_source_alone_that_is_done_and_empty_is_an_error_too(make, kakehi, tmp_path):
    """Also where there is nothing left to run."""
    make.file(tmp_path / "a.jsonl", b"")
    make.file(tmp_path / "m.yaml", "corpus: c\nsources: {s: {ingest: {files: a.jsonl}}}\n")
    codes = [kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w").code for _ in range(3)]
    assert codes == [3, 3, 3]


def test_pages_without_any_of_the_language_are_an_error(make, kakehi, tmp_path):
    """A gate that rejects all is told with its count."""
    pages = [
        make.response(f"https://a.example/{n}", make.html("Hello. " * 50, lang="en").encode())
        for n in range(3)
    ]
    make.warc(tmp_path / "a.warc.gz", pages)
    text = "corpus: c\nsources: {w: {extract: {files: a.warc.gz, language: ja, sample_rejects: 0}}}\n"
    make.file(tmp_path / "m.yaml", text)
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 3
    assert "extract: source 'w': no document came of 3 records (language 3)" in said.err


@pytest.mark.parametrize(("limit", "code"), [(2, 0), (9, 3)])
def test_a_limit_that_ended_the_reading_makes_it_a_warning(make, kakehi, tmp_path, limit, code):
    """What lies behind may well give documents; where all was read, it does not."""
    make.jsonl(tmp_path / "a.jsonl", [{"text": ""}] * 5)
    make.file(tmp_path / "m.yaml", "corpus: c\nsources: {s: {ingest: {files: a.jsonl}}}\n")
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w", "--limit", limit)
    assert said.code == code
    assert ("warning: ingest: source 's': no document came of 2 records" in said.err) == (code == 0)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            "url: metadata.ulr",
            "'metadata.ulr' (for url); keys that are there: id, metadata.url, text; did you mean 'metadata.url'",
        ),
        (
            "url: url",
            "'url' (for url); keys that are there: id, metadata.url, text; did you mean 'metadata.url'",
        ),
        (
            "title: Text",
            "'Text' (for title); keys that are there: id, metadata.url, text; did you mean 'text'",
        ),
    ],
)
def test_a_field_that_no_record_has_ends_the_run(make, kakehi, tmp_path, fields, says):
    """With the keys that are there; `check` warns of it before; a question mark says that it may be."""
    for name in "ab":
        row = {"id": name, "text": make.text(name), "metadata": {"url": f"https://{name}.example/"}}
        make.jsonl(tmp_path / f"{name}.jsonl", [row] * 3)
    field = f"fields: {{text: text, {fields}}}, shard_mb: 0.0001"
    said = run(kakehi, make, tmp_path, field, files="*.jsonl")
    assert said.code == 3
    assert f"ingest: source 's': none of 6 records has {says}" in said.err
    check = kakehi("check", tmp_path / "m.yaml")
    assert check.code == 0
    assert f"warning: source 's': none of the first 3 records of a.jsonl has {says}" in check.err
    may = field.replace(": text, ", ": text, '").replace(
        fields.split(":")[0] + ":", fields.split(":")[0] + "?':"
    )
    assert run(kakehi, make, tmp_path, may, files="*.jsonl").code == 0
    assert "warning" not in kakehi("check", tmp_path / "m.yaml").err


def test_a_field_that_one_record_of_one_file_has_is_no_fault(make, kakehi, tmp_path):
    """It is counted over all shards of the source."""
    make.jsonl(tmp_path / "a.jsonl", [{"text": make.text(n)} for n in range(9)])
    make.jsonl(tmp_path / "b.jsonl", [{"text": make.text("b"), "link": None}])
    said = run(kakehi, make, tmp_path, "fields: {text: text, url: link}, shard_mb: 0.0001", files="*.jsonl")
    assert said.code == 0, said.err


def test_fields_that_are_no_text_are_warned_about_once(make, kakehi, tmp_path):
    """The run says of how many records; the documents are there."""
    for name in "ab":
        make.jsonl(
            tmp_path / f"{name}.jsonl", [{"text": make.text(name), "date": 2020}, {"text": make.text(9)}]
        )
    said = run(
        kakehi, make, tmp_path, "fields: {text: text, fetched: date}, shard_mb: 0.0001", files="*.jsonl"
    )
    assert said.code == 0
    warned = "warning: ingest: source 's': fetched is left out of 2 of 2 records that have it"
    assert said.err.count("warning:") == 1
    assert warned in said.err


def test_damage_is_accepted_without_reading_anew_what_is_whole(make, kakehi, tmp_path):
    """The error names the file and the way out; who takes it finds all else done; who takes it back is told."""
    packed = gzip.compress("".join(json.dumps({"text": make.text(n)}) + "\n" for n in range(200)).encode())
    make.file(tmp_path / "a.jsonl.gz", packed)
    make.file(tmp_path / "b.jsonl.gz", packed[: len(packed) // 2])
    more = "shard_mb: 0.000001"
    said = run(kakehi, make, tmp_path, more, files="*.jsonl.gz")
    assert said.code == 3
    assert "b.jsonl.gz: broken_gzip: the file breaks off; " in said.err
    assert "skip: 'b.jsonl.gz' in" in said.err  # the file, and no record of it
    assert (
        "accept_broken: true in the source, or mend the input and run again, or leave out with skip"
        in said.err
    )
    said = run(kakehi, make, tmp_path, f"{more}, accept_broken: true", files="*.jsonl.gz")
    assert said.code == 0, said.err
    assert " 1/2 " in next(line for line in said.err.splitlines() if line.startswith("ingest"))
    assert "reject: broken_gzip" in said.out
    said = run(kakehi, make, tmp_path, more, files="*.jsonl.gz")
    assert said.code == 3
    assert "1 broken file was read as far as there is, by an earlier run" in said.err


def test_two_steps_that_object_to_the_same_leave_the_rest(make, kakehi, tmp_path):
    """What is kept is counted by document, not by objection."""
    rows = [{"text": make.text(n), "url": f"https://{'ab'[n % 2]}.example/{n}"} for n in range(4)]
    make.jsonl(tmp_path / "a.jsonl", [*rows, {"text": "短い文です。", "url": "https://a.example/9"}])
    make.file(tmp_path / "list.txt", "a.example\n")
    more = "fields: {text: text, url: url}"
    make.file(
        tmp_path / "m.yaml",
        ONE.format(files="a.jsonl", more=more).replace(
            "export:", "screen: {all: [{characters: {min: 40}}]}\nwithdraw: {listed: list.txt}\nexport:"
        ),
    )
    assert kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w").code == 0
