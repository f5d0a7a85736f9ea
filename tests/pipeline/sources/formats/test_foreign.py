"""Files that are not what they are given as: told by name, with the way out; broken lines among others are not."""

from __future__ import annotations

import gzip
import json
import tarfile
import zipfile
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.sources.formats import jsonl, parquet

ROWS = [{"id": str(n), "text": f"文{n}", "meta": {"tags": [{}]}} for n in range(5)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def archives():
    """Return (kind, content) of what other programs write."""
    table, packed, zipped = BytesIO(), BytesIO(), BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), table)
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("a.jsonl")
        info.size = len(LINES.encode())
        tar.addfile(info, BytesIO(LINES.encode()))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.jsonl", LINES)
    stream = BytesIO()
    batch = pa.RecordBatch.from_pylist([{"text": "a"}])
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)
    return [
        ("a Parquet file", table.getvalue()),
        ("a Parquet file", gzip.compress(table.getvalue())),
        ("a tar archive", packed.getvalue()),
        ("a tar archive", gzip.compress(packed.getvalue())),
        ("a zip file", zipped.getvalue()),
        ("packed by gzip twice", gzip.compress(gzip.compress(LINES.encode()))),
        ("a stream of Arrow", stream.getvalue()),
    ]


def texts():
    """Return (kind, content) of text that is no line of JSON after another."""
    array = json.dumps(ROWS, ensure_ascii=False)
    return [
        ("one JSON array", array),
        ("one JSON array", "\ufeff \n" + json.dumps(ROWS, indent=2)),
        ("one JSON array", "[\n" + ",\n".join(json.dumps(row) for row in ROWS) + "\n]\n"),
        ("one JSON array", json.dumps([json.dumps(ROWS)])),
        ("one JSON array", "[]"),
        ("one JSON array", json.dumps([{"text": "あ" * 200_000}])),
        ("JSON spread over several lines", json.dumps(ROWS[0], indent=1)),
        ("JSON spread over several lines", "\n".join(json.dumps(row, indent=4) for row in ROWS)),
        ("JSON spread over several lines", '{"text":\n"a"}\n{"text":\n"b"}'),
        ("a table", "id,text,url\n1,a,b\n"),
        ("a table", '"id"\t"text"\n1\ta\n'),
        ("a table", "\ufeffid;text\n1;a\n"),
        ("a table", "text\nhello\n"),
        ("HTML or XML", "<!DOCTYPE html><html><body>404"),
        ("HTML or XML", '\n<?xml version="1.0"?><Error/>'),
        ("a WARC file", "WARC/1.0\r\nWARC-Type: warcinfo\r\n"),
        ("an ARC file", "filedesc://x.arc 0.0.0.0 1 text/plain 3\n"),
        ("a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"),
        ("nothing but zeros", "\0" * 4096),
    ]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *archives(),
        *((kind, text.encode()) for kind, text in texts()),
        ("UTF-16", LINES.encode("utf-16")),
        ("UTF-16", LINES.encode("utf-16-le")),
        ("UTF-32", LINES.encode("utf-32")),
    ],
)
def test_what_is_no_json_lines_is_told_as_what_it_is(tmp_path, kind, content):
    """One error with the way out, before any record is made."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.jsonl: is {kind}.*, wanted JSON lines\nhint: \w+"):
        next(jsonl.read(path, fields={"text": "text"}))


@pytest.mark.parametrize(
    "content", [b"just words\n" * 9, b"Not Found", b"\x89PNG\r\n\x1a\n" + bytes(99), b"3\n"]
)
def test_a_file_without_any_object_is_refused(tmp_path, content):
    """Whatever it is, it is not what was meant; the error shows how it begins."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"holds no JSON object where it begins.*starts with b"):
        next(jsonl.read(path, fields={"text": "text"}))


@pytest.mark.parametrize(
    "first",
    [
        "[1]",
        "[" * 5000,
        '["text", "id"]',
        "text",
        "{",
        '{"text": "cut',
        "<html>",
        "null",
        "",
        "\0" * 300,
        '{"text": "' + "a,text," * 30_000 + '"}',
        "x" * 100_000,
    ],
)
def test_a_broken_first_line_is_a_reject_like_any_other(tmp_path, first):
    """Lines of JSON behind it say what the file is."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(f"{first}\n{LINES}".encode())
    texts = [getattr(item, "text", None) for item in jsonl.read(path, fields={"text": "text"})]
    assert texts[-5:] == [row["text"] for row in ROWS]
    assert len(texts) <= 6


@pytest.mark.parametrize(
    "content", ["", "\n \n", "\ufeff", '{"text": "a"}', '{"text": "a"}\r\n{"text": "b"}\r\n']
)
def test_lines_and_nothing_are_not_refused(tmp_path, content):
    """An empty file is one of no lines."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(content.encode())
    assert len(list(jsonl.read(path, fields={"text": "text"}))) == content.count("text")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("JSON lines", LINES.encode()),
        ("packed by gzip", gzip.compress(b"x")),
        ("a pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1\n"),
        ("an Arrow file", b"ARROW1\0\0" + bytes(99)),
        ("a zip file", b"PK\x03\x04" + bytes(99)),
    ],
)
def test_what_is_no_parquet_is_told_as_what_it_is(tmp_path, kind, content):
    """The library would say only that its mark is missing."""
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.parquet: is {kind}.*, wanted Parquet\nhint: "):
        next(parquet.read(path, fields={"text": "text"}))
