"""Whole and damaged WARC files: every record comes once, every loss has a reason and a place."""

from __future__ import annotations

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record, Reject
from tests.pipeline.sources.formats.warcs import (
    PNG,
    good,
    http,
    names,
    noise,
    packed,
    page,
    read,
    record,
    rejects,
)


def test_page_has_all_fields(tmp_path):
    """A page carries its id, place, address, date, bytes, charset and type."""
    member = good("a")
    first, second = read(tmp_path, member + good("b"))
    assert first == Record(
        record_id="<urn:uuid:a>",
        offset=0,
        length=len(member),
        url="http://Host.example:80/a",
        host="host.example",
        fetched="2026-04-01T00:00:00Z",
        body=page("a"),
        header_charset="shift_jis",
        content_type="text/html",
    )
    assert (second.offset, second.length) == (len(member), len(good("b")))


@pytest.mark.parametrize(
    ("block", "kind", "more", "expected"),
    [
        (http(page("x"), status="404 Not Found"), "response", (), ("http_status", "404")),
        (http(b"", status="301 Moved"), "response", (), ("http_status", "301")),
        (http(PNG, "image/png"), "response", (), ("media_type", "image/png")),
        (http(PNG), "response", (), ("media_type", "image/png")),
        (http(b"RIFF\0\0\0\0WEBPVP8 "), "response", (), ("media_type", "image/webp")),
        (http(b"RIFF\0\0\0\0AVI "), "response", (), ("media_type", "video/avi")),
        (http(b"\0\0\0\x18ftypmp42"), "response", (), ("media_type", "video/mp4")),
        (http(b"\0\1\2", ""), "response", (), ("media_type", "application/octet-stream")),
        (http(b""), "response", (), ("empty_body", "")),
        (http(page("x")), "response", ("WARC-Truncated: length",), ("truncated", "length")),
        (http(page("x")), "revisit", (), ("record_type", "revisit")),
        (b"GET / HTTP/1.1\r\n\r\n", "request", (), ("record_type", "request")),
        (b"a: b\r\n", "metadata", (), ("record_type", "metadata")),
    ],
)
def test_reject_says_why(tmp_path, block, kind, more, expected):
    """What is no page is a reject with its reason, and the page behind it is read."""
    items = read(tmp_path, packed(record("x", block, kind, more=more)) + good("after"))
    assert rejects(items) == [expected]
    assert names(items) == ["after"]
    assert items[0].url == "http://Host.example:80/x"
    assert items[0].length > 0


def test_other_kinds_that_hold_text(tmp_path):
    """Resource and conversion (WET) records count as pages; DNS answers don't; a missing type is found out."""
    content = packed(record("r", page("r"), "resource", block_type="text/html"))
    content += packed(record("c", "文".encode(), "conversion", block_type="text/plain"))
    content += packed(record("d", b"1.2.3.4", block_type="text/dns")) + packed(
        record("n", http(page("n"), ""))
    )
    items = read(tmp_path, content)
    assert names(items) == ["r", "c", "n"]
    assert [i.content_type for i in items if isinstance(i, Record)] == [
        "text/html",
        "text/plain",
        "text/html",
    ]
    assert rejects(items) == [("media_type", "text/dns")]


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (packed(page("p")), ("Content-Encoding: gzip",)),
        (zlib.compress(page("p")), ("Content-Encoding: deflate",)),
        (zlib.compress(page("p"), wbits=-15), ("Content-Encoding: deflate",)),
        (zstandard.compress(page("p")), ("Content-Encoding: zstd",)),
        (
            b"%x;q=1\r\n%b\r\n5\r\n%b\r\n0\r\n\r\n" % (40, page("p")[:40], page("p")[40:45]),
            ("Transfer-Encoding: chunked",),
        ),
        (page("p"), ("Content-Encoding: gzip", "Transfer-Encoding: chunked")),
        (page("p"), ("Content-Encoding: deflate",)),
        (page("p"), ("Content-Encoding: br",)),
        (page("p"), ("Content-Encoding: utf-8",)),
        (page("p"), ("Content-Length: 7",)),
        (page("p"), ("X-名前: 日本語", "no colon")),
    ],
)
def test_http_wrappings_are_undone(tmp_path, body, more):
    """Encodings are undone where they are there, and headers that lie about them, or aren't UTF-8, do no harm."""
    items = read(tmp_path, packed(record("p", http(body, more=more))) + good("after"))
    assert names(items) == ["p", "after"]
    assert items[0].body == (page("p")[:45] if b";q=1" in body else page("p"))


def test_brotli_is_undone(tmp_path):
    """A brotli body is unpacked."""
    block = http(b"\x0b\x02\x80hello\x03", more=("Content-Encoding: br",))
    assert read(tmp_path, packed(record("b", block)))[0].body == b"hello"


@pytest.mark.parametrize(
    ("body", "more", "expected"),
    [
        (packed(page("p"))[:-900], "Content-Encoding: gzip", "truncated"),
        (packed(page("p"))[:10] + b"\xff" * 99, "Content-Encoding: gzip", "broken_encoding"),
        (zstandard.compress(page("p"))[:-90], "Content-Encoding: zstd", "truncated"),
        (zstandard.compress(page("p"))[:9] + b"\xff" * 99, "Content-Encoding: zstd", "broken_encoding"),
        (packed(b"<p>" * 90_000), "Content-Encoding: gzip", "too_large"),
        (zstandard.compress(b"<p>" * 90_000), "Content-Encoding: zstd", "too_large"),
        (b"\xff\xff\xff\xff", "Content-Encoding: br", "broken_encoding"),
        (b"5\r\nhello\r\nrubbish", "Transfer-Encoding: chunked", "truncated"),
        (b"<p>" * 90_000, "X: y", "too_large"),
    ],
)
def test_bodies_that_cannot_be_had(tmp_path, body, more, expected):
    """A body cut off, broken, or too large once unpacked is rejected, and the file goes on."""
    items = read(
        tmp_path, packed(record("p", http(body, more=(more,)))) + good("after"), max_body_bytes=100_000
    )
    assert [r for r, _ in rejects(items)] == [expected]
    assert names(items) == ["after"]


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (packed(page("p")[:999]) + packed(page("p")[999:]), ("Content-Encoding: gzip",)),
        (b"\r\n" + packed(page("p")), ("Content-Encoding: gzip",)),
        (packed(page("p")) + bytes(99), ("Content-Encoding: gzip",)),
        (packed(page("p")), ("Content-Encoding: gzip", "Content-Encoding: gzip")),
        (packed(packed(page("p"))), ("Content-Encoding: gzip", "content-encoding: gzip")),
        (
            zstandard.compress(page("p")[:999]) + zstandard.compress(page("p")[999:]),
            ("Content-Encoding: zstd",),
        ),
        (packed(page("p")), ("Transfer-Encoding: gzip, chunked",)),
        (packed(page("p")), ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked")),
    ],
)
def test_bodies_of_many_members(tmp_path, body, more):
    """All that a body's members hold is the page, also where headers are repeated or a transfer was packed."""
    items = read(tmp_path, packed(record("p", http(body, more=more))) + good("after"))
    assert names(items) == ["p", "after"]
    assert items[0].body == page("p")


@pytest.mark.parametrize(
    ("kind", "charset", "content_type"),
    [
        ("text/html,text/html", None, "text/html"),
        ("text/html charset=Shift_JIS", "shift_jis", "text/html"),
        ("text/html, charset=EUC-JP", "euc-jp", "text/html"),
        ('"text/html"', None, "text/html"),
        ("text/html: charset=utf-8", "utf-8", "text/html"),
        ("*/*", None, "text/html"),
        ("html", None, "text/html"),
        ("Content-Type: text/html", None, "text/html"),
        ("TEXT/PLAIN", None, "text/plain"),
        ("text/html\r\nContent-Type: text/html; charset=EUC-JP", "euc-jp", "text/html"),
        ("application/xhtml+xml", None, "application/xhtml+xml"),
    ],
)
def test_types_as_servers_write_them(tmp_path, kind, charset, content_type):
    """A type that can't be read is found out by the body, and its charset is kept."""
    [item] = read(tmp_path, packed(record("p", http(page("p"), kind))))
    assert (item.header_charset, item.content_type) == (charset, content_type)


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/rtf", "text/xml", "image/svg+xml"])
def test_types_that_can_be_read_are_believed(tmp_path, kind):
    """A page under a type that is no page's stays out."""
    assert rejects(read(tmp_path, packed(record("p", http(page("p"), kind))))) == [("media_type", kind)]


@pytest.mark.parametrize(
    ("body", "kind", "identified", "note"),
    [
        (noise("b", 2000), "text/html", None, "application/octet-stream"),
        (noise("b", 2000), "text/plain", "application/x-lzh", "application/octet-stream"),
        (b"\x1f\x9d\x90" + noise("b", 2000), "text/html", None, "application/octet-stream"),
        ("本文".encode("cp932"), "text/html", "video/mp4", "video/mp4"),
        (b'{"a": 1}', "", "application/json", "application/json"),
    ],
)
def test_binary_bodies_under_a_type_of_text(tmp_path, body, kind, identified, note):
    """A binary body is a reject, told by its bytes or by what the crawler identified."""
    more = [f"WARC-Identified-Payload-Type: {identified}"] if identified else []
    items = read(tmp_path, packed(record("b", http(body, kind), more=more)) + good("after"))
    assert rejects(items) == [("media_type", note)]
    assert names(items) == ["after"]


@pytest.mark.parametrize("size", [b"FFFFFFFFFFFFFFFF", b"10000000000000000", b"f" * 99])
def test_chunk_of_no_possible_size_costs_one_record(tmp_path, size):
    """A chunk size that overflows is a broken record, not the end of the file."""
    block = http(size + b"\r\n" + page("x"), more=("Transfer-Encoding: chunked",))
    items = read(tmp_path, packed(record("x", block)) + good("after"))
    assert [reason for reason, _ in rejects(items)] == ["broken_encoding"]
    assert names(items) == ["after"]


def damaged(member, how):
    """Return the member with one kind of damage."""
    middle = len(member) // 2
    return {
        "zeros": member[:middle] + bytes(60) + member[middle + 60 :],
        "checksum": member[:-8] + bytes([member[-8] ^ 1]) + member[-7:],
        "cut": member[:middle],
        "cut in header": member[:40],
        "cut in magic": member[:2],
        "rubbish behind": member + b"rubbish" * 99,
    }[how]


@pytest.mark.parametrize(
    "how", ["zeros", "checksum", "cut", "cut in header", "cut in magic", "rubbish behind"]
)
@pytest.mark.parametrize("where", [0, 1, 2, 3])
def test_damaged_gzip_member_is_skipped(tmp_path, how, where):
    """Damage anywhere costs one record; it has a place, and the others come once."""
    members = [good(name) for name in "abcd"]
    offset = sum(map(len, members[:where])) + (len(members[where]) if how == "rubbish behind" else 0)
    members[where] = damaged(members[where], how)
    content = b"".join(members)
    if how == "cut in magic" and where == 0:
        with pytest.raises(ValueError, match="wanted a WARC record"):
            read(tmp_path, content)
        return
    items = read(tmp_path, content)
    lost = "" if how == "rubbish behind" else "abcd"[where]
    assert names(items) == [name for name in "abcd" if name != lost]
    assert [r for r, _ in rejects(items)] == ["broken_gzip"]
    assert [i.offset for i in items if isinstance(i, Reject)] == [offset]
    assert sum(i.length for i in items) == len(content)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 3000), st.booleans())
def test_any_damage_keeps_the_account(tmp_path_factory, seed, width, packs):
    """Overwriting any stretch of bytes loses no record outside it, doubles none, and every byte is answered for."""
    pack = packed if packs else bytes
    members = [pack(record(str(n), http(page(n, 900)))) for n in range(12)]
    content = bytearray(b"".join(members))
    start = len(members[0]) + seed % (len(content) - len(members[0]))
    content[start : start + width] = noise(seed, min(width, len(content) - start))
    items = read(tmp_path_factory.mktemp("warc"), bytes(content))
    ends = [sum(map(len, members[: n + 1])) for n in range(12)]
    untouched = [
        str(n) for n, end in enumerate(ends) if end <= start or end - len(members[n]) >= start + width
    ]
    found = names(items)
    assert [name for name in found if name in untouched] == untouched
    assert len({i.offset for i in items}) == len(items)
    assert sum(i.length for i in items) == len(content)


@pytest.mark.parametrize("wrong_by", [-100, 100, 10**9])
@pytest.mark.parametrize("pack", [packed, bytes, zstandard.compress])
def test_wrong_length_costs_one_record(tmp_path, wrong_by, pack):
    """A Content-Length that does not fit rejects its record alone, wherever it stands."""
    for where in range(3):
        plain = [record(n, http(page(n)), wrong_by=wrong_by if n == where else 0) for n in range(3)]
        items = read(tmp_path, b"".join(map(pack, plain)), max_body_bytes=1 << 31)
        assert names(items) == [str(n) for n in range(3) if n != where]
        assert [r for r, _ in rejects(items)] == ["wrong_length"]


@pytest.mark.parametrize("pack", [bytes, zstandard.compress])
def test_other_packings(tmp_path, pack):
    """Unpacked and zstd files are read whatever their name, with offsets of the file, and so when cut off."""
    members = [pack(record(name, http(page(name)))) for name in "abc"]
    items = read(tmp_path, b"".join(members))
    assert names(items) == ["a", "b", "c"]
    assert [i.offset for i in items] == [0, len(members[0]), len(members[0] + members[1])]
    items = read(tmp_path, b"".join(members)[:-500])
    assert names(items) == ["a", "b"]
    assert len(rejects(items)) == 1


def test_one_gzip_member_for_the_whole_file(tmp_path):
    """A file packed as a whole is read; cut off, it says that the rest is lost."""
    content = packed(b"".join(record(str(n), http(page(n))) for n in range(40)))
    assert names(read(tmp_path, content)) == [str(n) for n in range(40)]
    items = read(tmp_path, content[: len(content) // 2])
    assert names(items) == [str(n) for n in range(len(names(items)))]
    assert 15 < len(names(items)) < 21
    assert [r for r, _ in rejects(items)] == ["broken_gzip"]
    assert "rest of them is lost" in rejects(items)[0][1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"filedesc://x.arc 0.0.0.0 20260401 text/plain 70\n1 0 A\n", "ARC file"),
        (packed(b"filedesc://x.arc 0.0.0.0 20260401 text/plain 70\n1 0 A\n"), "ARC file"),
        (b"hello\n" * 100, "starts with b'hello"),
        (packed(b'{"text": 1}\n'), "is JSON lines"),
        (b"PK\x03\x04" + bytes(200), "is a zip file"),
    ],
)
def test_what_is_no_warc_is_refused(tmp_path, content, message):
    """A file of another kind is an error that names the file and what was found."""
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, content)
    assert "t.warc.gz" in str(caught.value)


def test_valid_but_empty(tmp_path):
    """A file with nothing but a description yields just that."""
    items = read(tmp_path, packed(record("i", b"a: b\r\n", "warcinfo", block_type="application/warc-fields")))
    assert rejects(items) == [("record_type", "warcinfo")]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("WARC-Segment-Number: 1",), "truncated"),
        (("warc-segment-number: 1",), "truncated"),
        (("WARC-Segment-Number: 2", "WARC-Segment-Origin-ID: <urn:uuid:x>"), "truncated"),
        (("WARC-Segment-Number: 1", "WARC-Segment-Total-Length: 99999"), "truncated"),
    ],
)
def test_segments_are_no_pages(tmp_path, more, reason):
    """A record that is one segment of several is not whole, and says so."""
    items = read(tmp_path, packed(record("x", http(page("x")), more=more)) + good("after"))
    assert [r for r, _ in rejects(items)] == [reason]
    assert "of a record in several" in rejects(items)[0][1]
    assert names(items) == ["after"]


def test_one_segment_alone_is_whole(tmp_path):
    """A first segment that is as long as the whole is the whole; continuations are no pages."""
    block = http(page("x"))
    more = ("WARC-Segment-Number: 1", f"WARC-Segment-Total-Length: {len(block)}")
    items = read(
        tmp_path, packed(record("x", block, more=more)) + packed(record("c", b"rest", "continuation"))
    )
    assert names(items) == ["x"]
    assert rejects(items) == [("record_type", "continuation")]


def test_escapes_do_not_get_through(tmp_path):
    """Control characters of a head are in no address, id, date, type or note."""
    plain = (
        record("x", http(page("x")))
        .replace(b"/x\r\n", b"/\x1b[31mx\r\n")
        .replace(b"uuid:x", b"uuid:\x9b\x07x")
    )
    other = record("y", http(page("y"), "image/\x1b]0;t")).replace(b"2026-04", b"2026\x7f04")
    for pack in (packed, bytes):
        for item in read(tmp_path, pack(plain) + pack(other) + pack(record("z", b"", "\x1bzap"))):
            shown = (item.record_id, item.url, getattr(item, "note", ""), getattr(item, "fetched", ""))
            assert not any(character in text for text in shown if text for character in "\x1b\x07\x7f\x9b")


@pytest.mark.parametrize("pack", [packed, bytes, zstandard.compress])
@pytest.mark.parametrize("where", [0, 1, 2])
@pytest.mark.parametrize("together", [False, True])
def test_reader_that_dies_has_told_where(tmp_path, monkeypatch, pack, where, together):
    """The last place told is that of the record at which a parser dies; with that record skipped, all others come."""
    plain = [record(n, http(page(n))) for n in range(3)]
    content = pack(b"".join(plain)) if together else b"".join(map(pack, plain))
    places = [i.offset for i in read(tmp_path, content)]

    def die(body, *_, **__):
        if body == page(where):
            raise OverflowError
        return body

    monkeypatch.setattr(warc, "unwrapped", die)
    told = []
    with pytest.raises(OverflowError):
        read(tmp_path, content, reached=told.append)
    assert told[-1] == places[where]
    items = read(tmp_path, content, skip={places[where]}, reached=told.append)
    assert [i.offset for i in items] == places
    assert items[where].body == b""


def test_place_is_told_before_each_record_is_given(tmp_path):
    """A consumer that dies is at the record that it holds."""
    told = []
    path = tmp_path / "t.warc.gz"
    path.write_bytes(b"".join(good(name) for name in "abcd"))
    for item in warc.read(path, reached=told.append):
        assert told[-1] == item.offset


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"<!DOCTYPE html><html><body><p>\xe3\x81\x82</p>", "HTML or XML"),
        (b"\xef\xbb\xbf\n<html>", "HTML or XML"),
        (b'{"text": "a"}\n{"text": "b"}\n', "JSON lines"),
        (b"PAR1" + bytes(20), "a Parquet file"),
        (b"PK\x03\x04" + bytes(20), "a zip file"),
        (b"a.warc".ljust(257, b"\0") + b"ustar" + bytes(300), "a tar archive"),
    ],
)
def test_what_is_no_warc_is_told_as_what_it_is(tmp_path, head, kind, packed):
    """Whatever it is called, and packed too; with the way out on a line of its own."""
    with pytest.raises(ValueError, match=rf"is {kind}, wanted a WARC file\nhint: "):
        read(tmp_path, gzip.compress(head) if packed else head)
