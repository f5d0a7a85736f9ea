"""JSON lines: every line is a record or a reject with its place, however the file is packed or broken."""

from __future__ import annotations

import gzip
import json
import tracemalloc
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
    assert (counts["lost/id"], counts["lost/title"], counts["absent/url"]) == (2, 1, 1)
    assert read(tmp_path, b'{"text": "a", "text": "b"}')[0].text == "b"


@pytest.mark.slow
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


BOM = "\ufeff".encode()
LINE = b'{"text": "a"}'


@pytest.mark.parametrize(
    ("content", "offsets"),
    [
        (LINE + b"\n" + BOM + LINE + b"\n", [0, 14]),
        (BOM + BOM + LINE + b"\n" + BOM + b"\n" + LINE, [0, 24]),
        (LINE + b"\n" + bytes(512), [0]),
        (LINE + bytes(300_000), [0]),
        (LINE + b"\n\0", [0]),
        (LINE + b"\r\n" + bytes(99) + LINE + b"\r\n", [0, 15 + 99]),
        (bytes(99) + LINE + b"\n" + bytes(200_000) + LINE, [99, 99 + 14 + 200_000]),
        (LINE + b"\n" + bytes(99) + b"\n" + LINE, [0, 14 + 100]),
        (LINE + bytes(3) + b"\r\n" + LINE, [0, 18]),
        (b"\n" * 200_000 + LINE + b"\n" * 200_000 + b" " + LINE, [200_000, 400_013]),
        ((b" \r\n" * 90_000) + b"  " + LINE, [270_000]),
    ],
)
@pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
def test_marks_zeros_and_blank_lines_cost_nothing(tmp_path, content, offsets, packing):
    """Files put together with their marks, padding of tapes and blocks: no line is lost, each has its place."""
    items = read(tmp_path, packings()[packing](content))
    assert [(item.offset, item.text) for item in items] == [(offset, "a") for offset in offsets]


@pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_over_the_maximum_is_a_reject(tmp_path, packing, place):
    """Reading goes on with the next line; one of exactly the maximum is read."""
    line = b'{"text": "' + b"x" * 99_988 + b'"}'
    long = b'{"text": "' + b"x" * 1_000_000 + b'"}'
    content = b"\n".join([*[line] * place, long, *[line] * (2 - place)])
    items = read(tmp_path, packings()[packing](content), max_line_bytes=len(line))
    assert [getattr(item, "reason", "") for item in items].index("too_large") == place
    assert [len(item.text) for item in items if isinstance(item, Record)] == [99_988] * 2
    assert (items[place].offset, items[place].length) == (place * (len(line) + 1), len(long))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["line", "first bytes", "blank lines"])
def test_gigabytes_out_of_kilobytes_take_no_memory(tmp_path, what):
    """A line, or a beginning, that packs to nothing is passed over in the memory of its neighbours."""
    byte = {"line": b"a", "first bytes": b"x", "blank lines": b"\n"}[what]
    packer = zstandard.ZstdCompressor().compressobj()
    packed = [packer.compress(b"" if what == "first bytes" else LINE + b"\n")]
    packed += [packer.compress(byte * 1_000_000) for _ in range(150)]
    packed += [packer.compress(b"\n" + LINE + b"\n" + LINE), packer.flush()]
    tracemalloc.start()
    items = read(tmp_path, b"".join(packed))
    assert (
        tracemalloc.get_traced_memory()[1] < 320 << 20
    )  # the longest line, joined once from its pieces, and one step
    tracemalloc.stop()
    assert [item.text for item in items if isinstance(item, Record)][-1] == "a"
    assert len([item for item in items if isinstance(item, Reject)]) == (what != "blank lines")


@pytest.mark.parametrize(
    ("name", "content", "read_before"),
    [
        ("half", gzip.compress(b"".join(LINE + b"\n" for _ in range(2000)))[:-20], None),
        ("ten bytes", gzip.compress(LINE)[:10], 0),
        ("two bytes", b"\x1f\x8b", 0),
        ("nothing", b"", 0),
        ("garbage behind", gzip.compress(LINE + b"\n") + b"<html>", 1),
        ("checksum", gzip.compress(LINE + b"\n")[:-8] + bytes(8), None),
        ("half a second member", gzip.compress(LINE + b"\n") + gzip.compress(LINE)[:15], 1),
        ("text behind", gzip.compress(LINE + b"\n") + LINE, 1),
    ],
)
def test_a_broken_file_is_an_error_that_says_how_much_was_read(tmp_path, name, content, read_before):
    """Where it is accepted, what is sound is kept, and the rest is one reject, counted."""
    with pytest.raises(
        ValueError, match=r"t\.jsonl\.gz: broken_gzip: .* records were read before that"
    ) as caught:
        read(tmp_path, content, name="t.jsonl.gz")
    if read_before is not None:
        assert f"; {read_before:,} records were read" in str(caught.value)
    counts = Counter()
    items = read(tmp_path, content, name="t.jsonl.gz", reading=Reading(accept_broken=True, counts=counts))
    assert items[-1].reason == "broken_gzip"
    assert f"; {len(items) - 1:,} records were read" in str(caught.value)
    assert counts["broken_files"] == 1


def test_a_last_line_that_is_cut_is_a_reject(tmp_path):
    """Of a file that is not packed nothing says where it should end: the line is broken, not the file."""
    *_, last = read(tmp_path, LINE + b"\n" + LINE[:-3])
    assert last.reason == "broken_json"


def test_paths_lead_into_objects(tmp_path):
    """A line's fields may lie in objects of it."""
    row = {"text": "a", "meta": {"url": "https://a.example/", "title": ["t"]}, "meta.id": 7}
    fields = {
        "text": "text",
        "url": "meta.url",
        "id": "meta.id",
        "title": "meta.title",
        "fetched?": "meta.date",
    }
    [item] = read(tmp_path, json.dumps(row).encode(), fields)
    assert (item.host, item.record_id, item.title, item.fetched) == ("a.example", "7", None, None)
