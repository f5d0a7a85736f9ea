"""JSON lines: every line is a record or a reject with its place, however the file is packed or broken."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest
import zstandard

from kakehi.pipeline.sources.formats import jsonl
from kakehi.pipeline.sources.formats.records import Reading, Record, Reject

FIELDS = {"text": "body", "id": "key", "url": "link", "title": "heading"}


def read(tmp_path, content, fields=None, *, name="t.jsonl", **parameters):
    """Write the content to a file and read it."""
    path = tmp_path / name
    path.write_bytes(content)
    return list(jsonl.read(path, fields=fields or {"text": "text"}, **parameters))


def packings():
    """Return ways to pack, each in two members or frames."""
    return {
        "none": lambda plain: plain,
        "gzip": lambda plain: gzip.compress(plain[:50], mtime=0) + gzip.compress(plain[50:], mtime=0),
        "zstd": lambda plain: zstandard.compress(plain[:50]) + zstandard.compress(plain[50:]),
    }


@pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
def test_fields_are_mapped(tmp_path, packing):
    """A line gives a record with the mapped fields, its offset and its length, and a BOM is no part of it."""
    row = {"body": "本文", "key": 7, "link": "https://A.example/x", "heading": None, "more": [1]}
    first, second = json.dumps(row, ensure_ascii=False).encode(), b'{"body": "b"}'
    content = packings()[packing](b"\xef\xbb\xbf" + first + b"\r\n\n" + second)
    assert read(tmp_path, content, FIELDS) == [
        Record(
            record_id="7",
            offset=0,
            length=len(first) + 4,
            url="https://A.example/x",
            host="a.example",
            text="本文",
        ),
        Record(record_id=None, offset=len(first) + 6, length=len(second), text="b"),
    ]


@pytest.mark.parametrize(
    ("line", "reason", "note"),
    [
        (b'{"text": "cut', "broken_json", "character 9 of the line"),
        (b"[" * 100_000, "broken_json", ""),
        (b'{"text": ' + b"9" * 5000 + b"}", "broken_json", ""),
        (b'["text"]', "wrong_type", "list"),
        (b"null", "wrong_type", "NoneType"),
        (b'{"Text": "x"}', "missing_field", "text"),
        (b'{"text": null}', "missing_field", "text"),
        (b'{"text": 3}', "wrong_type", "text: int"),
        (b'{"text": ""}', "empty_body", ""),
        (b'{"text": "\xff"}', "invalid_utf8", "byte 10"),
        (b'{"text": "\\ud800"}', "invalid_utf8", "surrogate"),
        ("文".encode("utf-16"), "invalid_utf8", ""),
    ],
)
def test_faulty_line_is_rejected(tmp_path, line, reason, note):
    """A faulty line costs itself alone and names its place."""
    before, _, after = items = read(tmp_path, b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n')
    assert (before.text, after.text) == ("a", "b")
    assert isinstance(items[1], Reject)
    assert (items[1].offset, items[1].length, items[1].reason) == (14, len(line), reason)
    assert note in items[1].note


def test_wrong_type_of_an_optional_field(tmp_path):
    """An id, address or title of another type costs itself alone; a repeated key counts with its last value."""
    counts = Counter()
    content = (
        b'{"body": "a", "key": {}, "heading": ["t"]}\n{"body": 1, "body": "b", "key": true, "link": "u"}\n'
    )
    items = read(tmp_path, content, FIELDS, reading=Reading(counts=counts))
    assert [(item.text, item.record_id, item.title) for item in items] == [
        ("a", None, None),
        ("b", None, None),
    ]
    assert (counts["lost/id"], counts["lost/title"], counts["field/url"]) == (2, 1, 1)
    assert read(tmp_path, b'{"text": "a", "text": "b"}')[0].text == "b"


@pytest.mark.parametrize(("packing", "reason"), [("gzip", "broken_gzip"), ("zstd", "broken_zstd")])
@pytest.mark.parametrize("how", ["cut", "zeros"])
def test_damaged_packing_ends_with_a_reject(tmp_path, packing, reason, how):
    """What could be unpacked is read, and the rest is one reject at the place where it begins."""
    lines = [
        json.dumps({"text": "".join(chr(0x4E00 + n * i % 9973) for i in range(400))}) for n in range(400)
    ]
    pack = gzip.compress if packing == "gzip" else zstandard.compress
    packed = pack("\n".join(lines).encode())
    half = len(packed) * 2 // 3
    content = packed[:half] if how == "cut" else packed[:half] + bytes(9) + packed[half + 9 :]
    with pytest.raises(
        ValueError, match=rf"{reason}: .*; \d+ records were read before that\nhint: .*accept_broken"
    ):
        read(tmp_path, content)
    items = read(tmp_path, content, reading=Reading(accept_broken=True))
    *read_before, last = items
    sound = [item.text for item in read_before if isinstance(item, Record)]
    sure = (
        len(sound) if how == "cut" or packing == "zstd" else 200
    )  # gzip notices damage late, by its checksum
    assert sound[:sure] == [json.loads(line)["text"] for line in lines[:sure]]
    assert last.reason == reason
    assert last.offset == sum(item.length + 1 for item in read_before)
    if how == "cut":
        assert len(sound) == len(read_before)


def test_long_line(tmp_path):
    """A line of 40 MB is read in time that grows with its length only."""
    assert len(read(tmp_path, b'{"text": "' + b"x" * 40_000_000 + b'"}\n')[0].text) == 40_000_000


def test_fields_are_checked(tmp_path):
    """Fields that we don't know, or a map without text, are refused before anything is read."""
    with pytest.raises(ValueError, match="fields names 'author', wanted some of text, id"):
        read(tmp_path, b"", {"text": "text", "author": "by"})
    with pytest.raises(ValueError, match="fields names no 'text'"):
        read(tmp_path, b"", {"id": "id"})


def test_empty_file(tmp_path):
    """A file without lines has no records."""
    assert read(tmp_path, b"") == []
