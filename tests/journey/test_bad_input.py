"""Broken, odd and hostile input through the real command: a broken record is a reject, a broken file an error."""

from __future__ import annotations

import json
import os
import re
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

U = "https://odd.example/"


def tables(work: Path, step: str) -> dict[str, list[dict]]:
    """Read documents and rejects of a source step."""
    found: dict[str, list[dict]] = {"documents": [], "rejects": []}
    for path in sorted((work / step).rglob("*.parquet")):
        kind = "rejects" if path.name.endswith(".rejects.parquet") else "documents"
        found[kind] += pq.read_table(path).to_pylist()
    return found


def documents_of(binary: Path) -> list[list[int]]:
    """Put the documents of a `.bin` together again, in the order of the corpus, by the table of pieces beside it."""
    ids = memoryview(binary.read_bytes()).cast("H").tolist()
    found: dict[int, dict[int, list[int]]] = {}
    for row in pq.read_table(binary.with_suffix(".provenance.parquet")).to_pylist():
        tokens = ids[row["first_token"] : row["first_token"] + row["tokens"]]
        found.setdefault(row["document"], {})[row["document_token"]] = tokens
    return [
        [token for _, part in sorted(parts.items()) for token in part] for _, parts in sorted(found.items())
    ]


@pytest.fixture(scope="module")
def odd(make, kakehi, tmp_path_factory):
    """Run one WARC file in which every record is odd in its own way; give (documents, rejects) by URL."""
    root = tmp_path_factory.mktemp("odd")
    records = {
        "good": make.page(f"{U}good"),
        "torn": make.page(f"{U}torn")[:-30],
        "length": make.response(f"{U}length", make.html(make.text(1)).encode(), wrong_by=7),
        "empty": make.response(f"{U}empty", b""),
        "image": make.response(f"{U}image", b"\x89PNG\r\n\x1a\n" + b"x" * 99),
        "large": make.response(f"{U}large", make.html(make.text(2, 12_000)).encode()),
        "huge": make.response(f"{U}huge", make.html(make.text(3, 130_000)).encode()),
        "too-large": make.response(f"{U}too-large", (make.html(make.text(4)) + "あ" * 7_000_000).encode()),
        "deep": make.response(f"{U}deep", (make.html(make.text(5)) + "<div>" * 100_000).encode()),
        "unclosed": make.response(f"{U}unclosed", (make.html(make.text(6)) + "<font>" * 5000).encode()),
        "lie": make.response(f"{U}lie", make.html(make.text(7)).encode("euc_jp")),
        "jis": make.response(f"{U}jis", make.html(make.text(8)).encode("iso2022_jp"), kind="text/html"),
        "euc": make.response(f"{U}euc", make.html(make.text(9)).encode("euc_jp"), kind="text/html"),
        "sjis": make.response(f"{U}sjis", make.html(make.text(10)).encode("cp932"), kind="text/html"),
        "nul": make.response(f"{U}nul", make.html("\0" + make.text(11) + "\0").encode()),
        "half": make.response(f"{U}half", make.html("&#xD800;" + make.text(12)).encode()),
        "gone": make.response(f"{U}gone", b"", status="404 Not Found"),
        "english": make.response(f"{U}english", make.html("Hello. " * 50, lang="en").encode()),
        "hollow": make.response(f"{U}hollow", make.html("", head=f"<!--{'あ' * 99}-->").encode()),
    }
    make.warc(root / "a.warc.gz", records.values())
    make.file(
        root / "m.yaml",
        "corpus: c\nsources: {w: {extract: {files: '*.warc.gz', language: ja, sample_rejects: 0}}}\n",
    )
    started = time.perf_counter()
    said = kakehi("run", root / "m.yaml", "--work", root / "w")
    assert said.code == 0, said.err
    rows = tables(root / "w", "extract")
    by_url = {kind: {(row["url"] or "").removeprefix(U): row for row in rows[kind]} for kind in rows}
    return root, by_url["documents"], by_url["rejects"], time.perf_counter() - started


@pytest.mark.parametrize(
    ("name", "reason", "note"),
    [
        ("", "broken_gzip", ""),
        ("length", "wrong_length", "named"),
        ("empty", "empty_body", ""),
        ("image", "media_type", "image/png"),
        ("too-large", "too_large", "20000000"),
        ("deep", "too_deep", "512"),
        ("unclosed", "too_many_unclosed", "5000"),
        ("gone", "http_status", "404"),
        ("english", "language", ""),
        ("hollow", "no_text", ""),
    ],
)
def test_a_broken_record_is_a_reject_with_its_reason(odd, name, reason, note):
    """Each broken record costs itself alone, and says why."""
    _, _, rejects, _ = odd
    assert rejects[name]["reason"] == reason
    assert note in (rejects[name]["note"] or "")


def test_every_record_is_answered_for(odd):
    """Nineteen records are documents or rejects, none both; depth is refused without the minutes it would take."""
    _, documents, rejects, seconds = odd
    assert len(documents) + len(rejects) == 19
    assert not documents.keys() & rejects.keys()
    assert seconds < 60


@pytest.mark.parametrize(("name", "least"), [("large", 400_000), ("huge", 4_400_000)])
def test_a_large_page_is_kept_whole(odd, make, name, least):
    """Hundreds of thousands of characters are no fault."""
    _, documents, _, _ = odd
    seed, sentences = (2, 12_000) if name == "large" else (3, 130_000)
    assert documents[name]["characters"] >= least
    squeezed = "".join(documents[name]["text"].split())
    assert squeezed == "".join(make.text(seed, sentences).split())


@pytest.mark.parametrize(
    ("name", "seed", "codec", "place"),
    [
        ("lie", 7, "euc_jp", "trial"),
        ("jis", 8, "iso2022_jp", "escape"),
        ("euc", 9, "euc_jp", "trial"),
        ("sjis", 10, "cp932", "trial"),
    ],
)
def test_a_charset_that_lies_or_is_missing_is_found_out(odd, make, name, seed, codec, place):
    """The text comes out whole and the row says how its charset was decided."""
    _, documents, _, _ = odd
    row = documents[name]
    assert (row["codec"], row["codec_from"], row["replaced"]) == (codec, place, 0)
    assert "".join(row["text"].split()) == "".join(make.text(seed).split())


def test_nul_and_half_surrogates_do_not_reach_the_text(odd):
    """What no text may hold is gone or replaced."""
    _, documents, _, _ = odd
    assert "\0" not in documents["nul"]["text"]
    assert documents["half"]["text"].encode()


@pytest.mark.parametrize("kind", ["documents", "rejects"])
def test_explain_knows_every_document_and_reject(odd, kakehi, kind):
    """Each way ends with its reason, or with its charset and text."""
    root, documents, rejects, _ = odd
    for name, row in (documents if kind == "documents" else rejects).items():
        wanted = row["url"] or row["id"].hex()
        said = kakehi("explain", root / "m.yaml", wanted, "--work", root / "w")
        assert said.code == 0, said.err
        assert row["id"].hex() in said.out
        told = f"rejected    {row['reason']}" if kind == "rejects" else f"charset     {row['codec']}"
        assert told in said.out, name


def test_headers_that_are_no_utf8(make, kakehi, tmp_path):
    """Addresses and ids of raw bytes become text that every table can hold."""
    page = make.response(f"{U}NAME", make.html(make.text(1)).encode(), pack=False)
    gone = make.response(f"{U}NAME", b"", status="404 NAME", pack=False)
    names = (b"\xff\xfeab", b"\xed\xa0\x80a", "日".encode() + b"x", "日本".encode("cp932"))
    assert {len(name) for name in names} == {len(b"NAME")}
    records = [record.replace(b"NAME", name) for record in (page, gone) for name in names]
    make.warc(tmp_path / "a.warc", records)
    make.file(tmp_path / "m.yaml", "corpus: c\nsources: {w: {extract: {files: a.warc}}}\n")
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 0, said.err
    found = tables(tmp_path / "w", "extract")
    for rows in found.values():
        assert len(rows) == 4
        assert all(row["url"].startswith(U) for row in rows)
    assert f"{U}日x" in {row["url"] for row in found["documents"]}


def test_json_lines_of_every_bad_kind(make, kakehi, tmp_path):
    """A bad line is a reject with its reason; its neighbours are documents."""
    good = json.dumps({"text": make.text(1), "id": "good"})
    lines = [
        good,
        '{"text": "broken',
        '{"id": "x"}',
        '{"text": 3}',
        '{"text": "\\ud800半分"}',
        json.dumps({"text": "\0" + make.text(2) + "\0", "id": "nul"}),
        '{"text": "\\u0000\\u0000"}',
        "[" * 100_000,
        "[1]",
        '{"text": ""}',
        good.replace('"good"', '"last"'),
    ]
    make.file(tmp_path / "a.jsonl", "\n".join(lines).encode() + b'\n{"text": "\xff"}\n')
    make.file(
        tmp_path / "m.yaml",
        "corpus: c\nsources: {t: {ingest: {files: a.jsonl, fields: {text: text, id: id}}}}\n",
    )
    assert kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w").code == 0
    found = tables(tmp_path / "w", "ingest")
    assert [row["reason"] for row in found["rejects"]] == [
        "broken_json",
        "missing_field",
        "wrong_type",
        "invalid_utf8",
        "broken_json",
        "wrong_type",
        "empty_body",
        "invalid_utf8",
        "no_text",
    ]
    assert len(found["documents"]) == 3
    assert not any("\0" in row["text"] for row in found["documents"])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"text": [1], "id": ["a"]}, ["'text'", "got int64", "wanted string", "id (string)"]),
        (
            {"body": ["x"], "id": ["a"]},
            ["'text'", "found none", "wanted one", "body (string)", "id (string)"],
        ),
    ],
)
def test_a_parquet_column_that_is_missing_or_of_a_wrong_type(make, kakehi, tmp_path, table, says):
    """The error names the file, the column, what was found and wanted, and the columns there are."""
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    make.file(
        tmp_path / "m.yaml",
        "corpus: c\nsources: {t: {ingest: {files: a.parquet, fields: {text: text, id: id}}}}\n",
    )
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 3
    assert all(word in said.err for word in ["a.parquet", *says]), said.err


@pytest.mark.parametrize("there", ["nothing", "a folder"])
def test_a_pattern_that_names_no_file(make, kakehi, tmp_path, there):
    """No file, or a folder of that name only, is an error before anything runs."""
    if there == "a folder":
        (tmp_path / "a.jsonl").mkdir()
    make.file(tmp_path / "m.yaml", "corpus: c\nsources: {t: {ingest: {files: '*.jsonl'}}}\n")
    for command in ("check", "plan", "run"):
        said = kakehi(command, tmp_path / "m.yaml")
        assert said.code == 3
        assert "'*.jsonl': no file" in said.err
        assert "hint:" in said.err


def test_a_folder_beside_files_is_passed_over(make, kakehi, tmp_path):
    """A folder that matches the pattern is no input."""
    (tmp_path / "b.jsonl").mkdir()
    make.texts(tmp_path / "a.jsonl", 3)
    make.file(tmp_path / "m.yaml", "corpus: c\nsources: {t: {ingest: {files: '*.jsonl'}}}\n")
    said = kakehi("check", tmp_path / "m.yaml")
    assert said.code == 0
    assert "t: 1 files" in said.out


def test_an_empty_file_of_lines_has_no_documents(make, kakehi, tmp_path):
    """It is an error of its source, or, if that may be empty, of what needs a document; the steps before it are done."""
    make.file(tmp_path / "a.jsonl", b"")
    text = (
        "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\nmeasure: [script]\n"
        "screen: {all: [{characters: {min: 1}}]}\ndedupe:\nexport:\n"
    )
    make.file(tmp_path / "m.yaml", text)
    for _ in range(2):
        said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
        assert said.code == 3
        assert "ingest: source 't': no document came of it: 1 file holds no record" in said.err
        assert "allow_empty: true in source 't'" in said.err
    make.file(tmp_path / "m.yaml", text.replace("a.jsonl", "a.jsonl, allow_empty: true"))
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 3
    assert "nothing is left: 0 documents" in said.err
    plan = kakehi("plan", tmp_path / "m.yaml", "--work", tmp_path / "w").out
    assert [line.split()[0] for line in plan.splitlines() if " run " in line] == ["export"]


def zipped(path: Path) -> None:
    """Write a ZIP file."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("page.html", "<p>x")


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("zip", zipped, "is a zip file"),
        ("plain", lambda path: path.write_bytes(b"just words\n" * 9), "starts with b'just words"),
        (
            "arc",
            lambda path: path.write_bytes(b"filedesc://x.arc 0.0.0.0 1 text/plain 3\n1 0 A\n"),
            "is an ARC file",
        ),
        ("empty", lambda path: path.write_bytes(b""), "is empty"),
    ],
)
def test_a_file_that_is_no_warc_stops_its_shard_alone(make, kakehi, tmp_path, name, write, says):
    """All other shards are made and kept; once the file is away, or left out, a run goes on where it stopped."""
    for i in range(3):
        make.warc(tmp_path / f"{i}.warc.gz", [make.page(f"{U}{i}-{j}") for j in range(2)])
    bad = tmp_path / f"{name}.warc.gz"
    write(bad)
    make.file(
        tmp_path / "m.yaml",
        "corpus: c\nsources: {w: {extract: {files: '*.warc.gz', shard_mb: 0.000001}}}\nmeasure: [script]\n",
    )
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 3
    assert says in said.err
    hint = f"mend the input and run again, or leave out with skip: '{bad.name}' in source 'w'; all other"
    assert hint in said.err
    assert said.err.count(bad.name) == 2
    assert len(tables(tmp_path / "w", "extract")["documents"]) == 6
    text = (tmp_path / "m.yaml").read_text(encoding="utf-8")
    make.file(tmp_path / "skip.yaml", text.replace("shard_mb", f"skip: {bad.name}, shard_mb"))
    around = kakehi("run", tmp_path / "skip.yaml", "--work", tmp_path / "w")
    assert around.code == 0, around.err
    assert f"w: 1 input is left out by skip: {bad.name}\n" in around.err
    bad.unlink()
    again = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert again.code == 0, again.err
    redone = re.search(r"^extract +w +\w+ +run +(\d)/3", again.err, re.MULTILINE)
    assert redone is None or redone[1] == "1"  # the one that shared a branch of the trie with it


def test_a_threshold_that_rejects_everything_is_named(make, kakehi, tmp_path):
    """The rule and how many documents it cost stand in the error."""
    make.texts(tmp_path / "a.jsonl", 12)
    make.file(
        tmp_path / "m.yaml",
        "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\nmeasure: [script]\n"
        "screen: {all: [{characters: {min: 100000}}]}\ntrain: {vocab_size: 400}\nencode: {eod: </s>}\npack:\n",
    )
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 3
    assert "nothing is left: 12 documents, all dropped (screen:characters.min 12)" in said.err


FAMILY = """\
import pyarrow as pa
from kakehi.filters.signals.family import Family, Signal

def half_length(text, *, factor: float = 0.5):
    return BODY

MINE = Family(
    measure=half_length,
    reads=("text",),
    signals=(Signal(name="half", dtype=pa.float64(), unit="characters", source="own"),),
    version=1,
    libraries=(),
)
"""
GOOD_BODY = "(pa.array([len(t) * factor for t in text.to_pylist()], pa.float64()),)"


def family_manifest(make, root: Path, module: str, screen: str = "") -> Path:
    """Write a manifest that measures a user's own family."""
    make.texts(root / "a.jsonl", 6, sentences=4)
    return make.file(
        root / "m.yaml",
        f"corpus: c\nsources: {{t: {{ingest: {{files: a.jsonl}}}}}}\nmeasure: [script, '{module}:MINE']\n{screen}",
    )


def test_a_users_own_family_is_measured_and_screened_on(make, kakehi, tmp_path, monkeypatch):
    """A family named by import path is one like ours; a changed source shows in the plan."""
    monkeypatch.syspath_prepend(tmp_path)
    source = make.file(tmp_path / "family_good.py", FAMILY.replace("BODY", GOOD_BODY))
    manifest = family_manifest(
        make, tmp_path, "family_good", "screen: {t: [{half: {max: 1}}, {half: {min: 2}}]}\n"
    )
    said = kakehi("run", manifest, "--work", tmp_path / "w")
    assert said.code == 0, said.err
    assert "drop: screen:half.max" in said.out
    source.write_text(source.read_text() + "# changed\n")
    plan = kakehi("plan", manifest, "--work", tmp_path / "w").out.splitlines()
    assert [line.split()[3] for line in plan] == ["skip", "run", "run"]
    assert "digest" in plan[1]


@pytest.mark.parametrize(
    ("name", "body", "code", "says"),
    [
        ("raises", "1 / 0", 5, "ZeroDivisionError"),
        ("short", "(pa.array([1.0]),)", 4, "double[1], wanted double[6]"),
        ("mistyped", "(pa.array([1] * 6),)", 4, "int64[6], wanted double[6]"),
        ("none", "None", 4, "wanted a tuple of one array for each of half"),
        ("many", "(text, text)", 4, "got 2 arrays"),
    ],
)
def test_a_users_own_family_that_fails(make, kakehi, tmp_path, monkeypatch, name, body, code, says):
    """The error names the family, the shard and what it gave."""
    monkeypatch.syspath_prepend(tmp_path)
    make.file(tmp_path / f"family_{name}.py", FAMILY.replace("BODY", body))
    manifest = family_manifest(make, tmp_path, f"family_{name}")
    said = kakehi("run", manifest, "--work", tmp_path / "w")
    assert said.code == code
    assert "measure: t/all-" in said.err
    assert f"family 'family_{name}:MINE'" in said.err
    assert says in said.err


@pytest.mark.parametrize(
    ("name", "source", "says"),
    [
        ("syntax", "x = (", "SyntaxError"),
        ("import", "raise RuntimeError('no')", "RuntimeError: no"),
        ("other", "MIEN = 1", "has no family 'MINE'"),
    ],
)
def test_a_users_own_family_that_cant_be_imported(make, kakehi, tmp_path, monkeypatch, name, source, says):
    """What a module raises is a fault of the manifest, with its line."""
    monkeypatch.syspath_prepend(tmp_path)
    make.file(tmp_path / f"broken_{name}.py", source)
    said = kakehi("check", family_manifest(make, tmp_path, f"broken_{name}"))
    assert said.code == 2
    assert "m.yaml:3: " in said.err
    assert says in said.err


@pytest.mark.parametrize("kind", ["json", "parquet", "saved"])
def test_a_local_hugging_face_dataset(make, kakehi, tmp_path, monkeypatch, kind):
    """A builder with files, and a folder of `save_to_disk`, are found beside the manifest, offline."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", os.fspath(tmp_path / "hf"))
    rows = {"body": [make.text(i) for i in range(5)]}
    if kind == "saved":
        import datasets  # noqa: PLC0415 - takes a second to import

        datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "d" / "saved")
        spec = "dataset: d/saved"
    elif kind == "parquet":
        (tmp_path / "d").mkdir()
        pq.write_table(pa.table(rows), tmp_path / "d" / "a.parquet")
        spec = "dataset: parquet, data_files: 'd/*.parquet'"
    else:
        make.jsonl(tmp_path / "d" / "a.jsonl", [{"body": text} for text in rows["body"]])
        spec = "dataset: json, data_files: [d/a.jsonl]"
    make.file(
        tmp_path / "m.yaml", f"corpus: c\nsources: {{h: {{ingest: {{{spec}, fields: {{text: body}}}}}}}}\n"
    )
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 0, said.err
    found = tables(tmp_path / "w", "ingest")["documents"]
    assert [row["text"] for row in found] == rows["body"]
    assert os.fspath(tmp_path) not in {row["input"] for row in found}
    assert "nothing to do" in kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w").err


def test_a_changed_file_of_a_local_dataset_is_noticed(make, kakehi, tmp_path):
    """The files of a local dataset are part of its identity."""
    make.file(
        tmp_path / "m.yaml", "corpus: c\nsources: {h: {ingest: {dataset: json, data_files: a.jsonl}}}\n"
    )
    make.texts(tmp_path / "a.jsonl", 2)
    assert kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w").code == 0
    make.texts(tmp_path / "a.jsonl", 3)
    assert " run " in kakehi("plan", tmp_path / "m.yaml", "--work", tmp_path / "w").out


@pytest.mark.parametrize("revision", ["", ", revision: main"])
def test_a_dataset_of_the_hub_must_be_pinned(make, kakehi, tmp_path, revision):
    """A revision that may move is refused before anything runs."""
    make.file(tmp_path / "m.yaml", f"corpus: c\nsources: {{h: {{ingest: {{dataset: o/n{revision}}}}}}}\n")
    said = kakehi("check", tmp_path / "m.yaml")
    assert said.code == 2
    assert "source 'h': o/n: revision" in said.err
    assert "hint:" in said.err


MINI = "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\n"


def test_an_end_mark_that_no_training_gives_is_a_fault_of_the_manifest(make, kakehi, tmp_path):
    """It shows before anything has run, not after hours of training."""
    make.texts(tmp_path / "a.jsonl", 20)
    make.file(tmp_path / "m.yaml", MINI + "train: {vocab_size: 400, num_threads: 1}\nencode: {eod: <s>>}\n")
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 2
    assert "encode.eod: the tokenizer won't have '<s>>'; did you mean '<s>'?" in said.err
    assert not (tmp_path / "w").exists()


def test_an_end_mark_that_an_existing_tokenizer_lacks_names_close_ones(make, kakehi, tmp_path):
    """It shows before anything has run, with pieces that were perhaps meant."""
    for name in "ab":
        make.texts(tmp_path / f"{name}.jsonl", 20, seed=name)
    mini = MINI.replace("a.jsonl", "'*.jsonl', shard_mb: 0.001")
    make.file(tmp_path / "m.yaml", mini + "train: {vocab_size: 400, num_threads: 1}\n")
    assert kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w").code == 0
    [model] = (tmp_path / "w" / "train").rglob("tokenizer.model")
    model.rename(tmp_path / "own.model")
    make.file(tmp_path / "n.yaml", mini + "train: {existing: own.model}\nencode: {eod: <s>>}\n")
    said = kakehi("run", tmp_path / "n.yaml", "--work", tmp_path / "v")
    assert said.code == 2
    assert "n.yaml:4: encode.eod: piece: " in said.err
    assert said.err.count("got '<s>>'") == 1
    assert said.err.count("hint:") == 1
    assert "close to it are ['<s>'" in said.err
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize(("size", "says"), [(40_000, "wanted at most"), (300, "wanted at least")])
def test_a_vocabulary_the_text_cant_fill(make, kakehi, tmp_path, size, says):
    """The error says which size can be had."""
    make.texts(tmp_path / "a.jsonl", 20)
    make.file(tmp_path / "m.yaml", MINI + f"train: {{vocab_size: {size}, num_threads: 1}}\n")
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 3
    assert f"train: vocab_size: got {size}" in said.err
    assert says in said.err
    assert not list((tmp_path / "w" / "tmp").iterdir())


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("missing.model", None, 2, "m.yaml:3: train.existing: no file 'missing.model'"),
        ("garbage.model", b"garbage" * 9, 2, "'garbage.model': model: got 63 bytes"),
        ("garbage.json", b"{}", 2, "'garbage.json': model: got 2 bytes"),
        ("garbage.txt", b"x", 2, "wanted a SentencePiece .model or a Hugging Face tokenizer.json"),
    ],
)
def test_an_existing_tokenizer_that_is_none(make, kakehi, tmp_path, name, content, code, says):
    """A file that is not there, or is no tokenizer, is named."""
    make.texts(tmp_path / "a.jsonl", 3)
    if content is not None:
        make.file(tmp_path / name, content)
    make.file(tmp_path / "m.yaml", MINI + f"train: {{existing: {name}}}\n")
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == code
    assert says in said.err


def test_an_existing_tokenizer_json_goes_through_encode_and_pack(make, kakehi, tmp_path):
    """A Hugging Face tokenizer encodes as its own library does, end marks added."""
    import tokenizers  # noqa: PLC0415 - heavy

    texts = [make.text(i) for i in range(10)]
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<end>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator(texts, trainer)
    theirs.save(os.fspath(tmp_path / "tokenizer.json"))
    make.jsonl(tmp_path / "a.jsonl", [{"text": text} for text in texts])
    make.file(
        tmp_path / "m.yaml",
        MINI
        + "train: {existing: tokenizer.json}\nencode: {eod: <end>}\npack: {sequence_tokens: 64, lanes: 2}\n",
    )
    said = kakehi("run", tmp_path / "m.yaml", "--work", tmp_path / "w")
    assert said.code == 0, said.err
    [binary] = (tmp_path / "w" / "pack").rglob("*.bin")
    end = theirs.token_to_id("<end>")
    wanted = [[*theirs.encode(text, add_special_tokens=False).ids, end] for text in texts]
    assert documents_of(binary) == wanted
