"""Whole and damaged WARC files: every record comes once, every loss has a reason and a place."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import time
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record, Reject

HTML = "text/html; charset=Shift_JIS"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def noise(seed, size):
    """Return bytes that look random and depend on the seed alone."""
    return hashlib.shake_256(repr(seed).encode()).digest(size)


def page(name, size=3000):
    """Return HTML that compresses badly, so that damage hits content."""
    return b"<!DOCTYPE html><html><body><p>" + noise(name, size).hex().encode()


def http(body, kind=HTML, *, status="200 OK", more=()):
    """Return an HTTP response."""
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {kind}"] if kind else []), *more]
    return "\r\n".join(lines).encode("cp932") + b"\r\n\r\n" + body


def record(
    name, block, kind="response", *, more=(), block_type="application/http; msgtype=response", wrong_by=0
):
    """Return an unpacked WARC record; `wrong_by` falsifies its length."""
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{name}>",
        "WARC-Date: 2026-04-01T00:00:00Z",
        f"WARC-Target-URI: http://Host.example:80/{name}",
        *more,
        f"Content-Type: {block_type}",
        f"Content-Length: {len(block) + wrong_by}",
    ]
    return "\r\n".join(lines).encode("cp932") + b"\r\n\r\n" + block + b"\r\n\r\n"


def packed(plain):
    """Return one gzip member."""
    return gzip.compress(plain, mtime=0)


def good(name):
    """Return a whole member with a page."""
    return packed(record(name, http(page(name))))


def read(tmp_path, content, **parameters):
    """Write the content to a file and read it."""
    path = tmp_path / "t.warc.gz"
    path.write_bytes(content)
    return list(warc.read(path, **parameters))


def names(items):
    """Name the records that came through."""
    return [(i.url or "/lost").rsplit("/", 1)[1] for i in items if isinstance(i, Record)]


def rejects(items):
    """Return reason and note of every reject."""
    return [(i.reason, i.note) for i in items if isinstance(i, Reject)]


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
        (http(b"RIFF\0\0\0\0AVI "), "response", (), ("media_type", "audio/wave")),
        (http(b"\0\0\0\x18ftypmp42"), "response", (), ("media_type", "video/mp4")),
        (http(b"\0\1\2", ""), "response", (), ("media_type", "unknown")),
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
        (packed(b'{"text": 1}\n'), "starts with b'{"),
        (b"PK\x03\x04" + bytes(200), "starts with b'PK"),
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


# One stream of records, however it is cut into members.

EMPTY = {"gzip": gzip.compress(b"", mtime=0), "zstd": zstandard.compress(b"")}


def shared(plain, cuts, pack, between=b""):
    """Pack a stream of records, with members that start at these places."""
    cuts = sorted({0, len(plain), *(at for at in cuts if at < len(plain))})
    return between.join(pack(plain[a:b]) for a, b in itertools.pairwise(cuts))


def once(items, wanted):
    """Say that these records, and nothing else, came once, in order, at places of their own."""
    places = [i.offset for i in items]
    return (
        [i.record_id for i in items] == [f"<urn:uuid:{name}>" for name in wanted]
        and places == sorted(set(places))
        and all(isinstance(i, Record) or i.reason == "record_type" for i in items)
        and all(i.length > 0 for i in items)
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.booleans()), min_size=1, max_size=7),
    st.lists(st.integers(0, 20_000), max_size=6),
    st.lists(st.booleans(), min_size=7, max_size=7),
    st.sampled_from(["gzip", "zstd"]),
    st.sampled_from(["", "empty members", "skippable frames", "zeros behind"]),
)
def test_any_cut_into_members_gives_each_record_once(tmp_path_factory, records, cuts, at_ends, packing, more):
    """One member a record, many, records across members, at the start, in the middle, at the end."""
    blocks = [
        (http(page(n, size)), "response") if is_page else (b"a: b", "metadata")
        for n, (size, is_page) in enumerate(records)
    ]
    plain = [record(n, *block) for n, block in enumerate(blocks)]
    ends = [sum(map(len, plain[: n + 1])) for n in range(len(plain))]
    cuts = [*cuts, *(end for end, cut in zip(ends, at_ends, strict=False) if cut)]
    between = {"empty members": EMPTY[packing], "skippable frames": b"\x53\x2a\x4d\x18\x03\0\0\0abc"}.get(
        more, b""
    )
    if packing == "gzip" and more == "skippable frames":
        between = b""
    content = shared(b"".join(plain), cuts, packed if packing == "gzip" else zstandard.compress, between)
    content += bytes(5000) if more == "zeros behind" and packing == "gzip" else b""
    items = read(tmp_path_factory.mktemp("warc"), content)
    assert once(items, range(len(records)))
    assert [i.body for i in items if isinstance(i, Record)] == [
        page(n, size) for n, (size, is_page) in enumerate(records) if is_page
    ]


@pytest.mark.parametrize(
    "members",
    [["a", "b", "cd"], ["ab", "c", "d"], ["a", "bc", "d"], ["ab", "cd"], ["abcd"], ["a", "b", "cde", "f"]],
)
def test_members_of_many_records(tmp_path, members):
    """A member may hold several records, wherever it stands; places are told apart, and those of whole members stay."""
    content = [packed(b"".join(record(name, http(page(name))) for name in names_)) for names_ in members]
    items = read(tmp_path, b"".join(content))
    assert once(items, "".join(members))
    if len(members[0]) == 1:
        starts = {"".join(members[:n])[-1:] or "": sum(map(len, content[:n])) for n in range(len(members))}
        firsts = {i.record_id[-2]: i.offset for i in items}
        assert all(firsts[names_[0]] == sum(map(len, content[:n])) for n, names_ in enumerate(members)), (
            starts
        )


@pytest.mark.parametrize("where", [10, 60, 400, -2])
def test_damage_behind_a_record_across_members(tmp_path, where):
    """A record that crosses members is lost alone where one of its members is broken, and what follows is read."""
    first, crossing = record("a", http(page("a"))), record("b", http(page("b")))
    members = [packed(first + crossing[:where]), packed(crossing[where:]), good("c"), good("d")]
    members[1] = members[1][:-5] + b"\0\0\0\0\0"
    items = read(tmp_path, b"".join(members))
    assert names(items) == (["a", "c", "d"] if where != -2 else ["a", "b", "c", "d"])
    assert [r for r, _ in rejects(items)] == ["broken_gzip"]


@pytest.mark.parametrize("tail", [b"\0" * 7, b"\0" * 70_000, b"\r\n", EMPTY["gzip"]])
def test_padding_costs_nothing(tmp_path, tail):
    """Zeros, line ends and an empty member behind the last record are no loss."""
    assert once(read(tmp_path, good("a") + good("b") + tail), "ab")


def test_garbage_behind_the_last_member_is_one_reject(tmp_path):
    """The records before it come all the same, those of a shared last member too."""
    items = read(
        tmp_path, good("a") + packed(record("b", http(page("b"))) + record("c", http(page("c")))) + b"rubbish"
    )
    assert names(items) == ["a", "b", "c"]
    assert [r for r, _ in rejects(items)] == ["broken_gzip"]


def test_bgzip_blocks_go_on_behind_damage(tmp_path):
    """Where members are blocks of a fixed size, a broken one costs the records it touches, not the rest of the file."""
    plain = b"".join(record(n, http(page(n))) for n in range(40))
    blocks = [packed(plain[at : at + 5000]) for at in range(0, len(plain), 5000)]
    blocks[20] = blocks[20][:100] + bytes(99) + blocks[20][199:]
    items = read(tmp_path, b"".join(blocks))
    assert len(names(items)) in {37, 38}
    assert names(items)[-10:] == [str(n) for n in range(30, 40)]
    assert [r for r, _ in rejects(items)] == ["broken_gzip"]


# zstd as ArchiveTeam writes it: https://iipc.github.io/warc-specifications/specifications/warc-zstd/


def with_dictionary(plain, *, packs=False, magic=b"\x5d\x2a\x4d\x18"):
    """Pack records with a dictionary in front of them."""
    samples = [record(n, http(page(n, 50))) for n in range(300)]
    known = zstandard.train_dictionary(4000, samples)
    frames = zstandard.ZstdCompressor(dict_data=known)
    content = zstandard.compress(known.as_bytes()) if packs else known.as_bytes()
    return magic + len(content).to_bytes(4, "little") + content, [frames.compress(each) for each in plain]


@pytest.mark.parametrize("packs", [False, True])
@pytest.mark.parametrize("between", [b"", b"\x50\x2a\x4d\x18\0\0\0\0"])
def test_dictionary_in_the_first_frame(tmp_path, packs, between):
    """A .warc.zst file brings its dictionary, packed or not; offsets are those of its frames."""
    head, frames = with_dictionary([record(n, http(page(n))) for n in range(4)], packs=packs)
    items = read(tmp_path, head + between.join(frames))
    assert once(items, range(4))
    assert items[0].offset == len(head)


def test_damage_among_frames_with_a_dictionary(tmp_path):
    """It costs one record."""
    head, frames = with_dictionary([record(n, http(page(n))) for n in range(4)])
    frames[1] = frames[1][: len(frames[1]) // 2]
    items = read(tmp_path, head + b"".join(frames))
    assert names(items) == ["0", "2", "3"]
    assert [r for r, _ in rejects(items)] == ["broken_zstd"]


def test_dictionary_that_is_not_there(tmp_path):
    """Frames that need one, one that breaks off, or that can't be unpacked, are errors that say so."""
    head, frames = with_dictionary([record(1, http(page(1)))])
    packed_head, _ = with_dictionary([], packs=True)
    broken = packed_head[:30] + bytes(20) + packed_head[50:]
    for content in (frames[0], head[:300], broken + frames[0]):
        with pytest.raises(ValueError, match="zstd dictionary"):
            read(tmp_path, content)


def test_skippable_frame_first(tmp_path):
    """A file may begin with a frame that holds nothing, as pzstd writes it."""
    frames = b"".join(zstandard.compress(record(n, http(page(n)))) for n in range(3))
    assert once(read(tmp_path, b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + frames), range(3))


# Heads of records as they are written.


def rewritten(name, body, edit, pack=packed):
    """Return a record whose head was edited, with good ones around it."""
    head, blank, block = record(name, http(body)).partition(b"\r\n\r\n")
    return b"".join(
        map(pack, [record("0", http(page("0"))), edit(head, blank) + block, record("9", http(page("9")))])
    )


@pytest.mark.parametrize("pack", [packed, bytes, zstandard.compress])
@pytest.mark.parametrize(
    "edit",
    [
        lambda head, blank: head.lower().replace(b"warc/1.0", b"WARC/1.0") + blank,
        lambda head, blank: (
            head.upper()
            .replace(b"URN:UUID:X", b"urn:uuid:x")
            .replace(b"HTTP://HOST.EXAMPLE:80/X", b"http://host.example/x")
            + blank
        ),
        lambda head, blank: (head + blank).replace(b"\r\n", b"\n"),
        lambda head, blank: (head + blank).replace(b"\r\n", b"\n").replace(b"WARC/1.0", b"WARC/0.18"),
        lambda head, blank: (head + blank).replace(b"WARC/1.0", b"WARC/0.17"),
        lambda head, blank: (head + blank).replace(b"WARC/1.0", b"WARC/1.1  "),
        lambda head, blank: head + b"\r\nno colon\r\nX-F\xff: \xff\0\r\nFolded: a\r\n b" + blank,
        lambda head, blank: head.replace(b"WARC-Type: ", b"WARC-Type :") + blank,
        lambda head, blank: head.replace(b"Content-Length: ", b"Content-Length:") + blank,
        lambda head, blank: head.replace(b"http://Host.example:80/x", b"<http://Host.example:80/x>") + blank,
        lambda head, blank: head + blank[:-2] + b"\n",
    ],
)
def test_heads_of_records_as_tools_write_them(tmp_path, edit, pack):
    """Case, line ends, drafts of the standard, blanks, brackets and odd lines are no loss, and their neighbours none."""
    items = read(tmp_path, rewritten("x", page("x"), edit, pack))
    assert names(items) == ["0", "x", "9"]
    assert items[1].record_id == "<urn:uuid:x>"
    assert items[1].host == "host.example"
    assert items[1].body == page("x")


def test_brackets_are_no_part_of_an_address(tmp_path):
    """The <URI> of wget is without them in rejects, too."""
    plain = record("x", b"", "revisit").replace(b"http://Host.example:80/x", b"<http://host.example/x>")
    assert [i.url for i in read(tmp_path, packed(plain))] == ["http://host.example/x"]


def clueweb(n, *, by=0):
    """Return a record as ClueWeb09 has it."""
    body = page(n).replace(b"<p>", b"<p>\n\n")
    block = b"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: %d\n\n%b" % (len(body), body)
    head = f"WARC/0.18\nWARC-Type: response\nWARC-Target-URI: http://c.example/{n}\nWARC-Record-ID: <urn:uuid:{n}>\n"
    return (
        f"{head}Content-Type: application/http;msgtype=response\nContent-Length: {len(block) + by}\n\n".encode()
        + block
        + b"\n\n"
    )


@pytest.mark.parametrize("by", [0, 3])
@pytest.mark.parametrize("pack", [bytes, packed])
def test_clueweb(tmp_path, by, pack):
    """Drafts with LF are read, whole or a member a record, behind damage, and where CRs were taken out of the block."""
    plain = [clueweb(n, by=by) for n in range(5)]
    for each in (plain, [b"".join(plain)]):
        assert names(read(tmp_path, b"".join(map(pack, each)))) == list("01234")
    plain = [clueweb(n) for n in range(5)]
    plain[2] = (
        plain[2].replace(b"Content-Length: ", b"Content-Lngth: ", 1).replace(b"WARC/0.18\n", b"WXRC/0.18\n")
    )
    items = read(tmp_path, b"".join(map(pack, plain)))
    assert names(items) == list("0134")
    assert [r for r, _ in rejects(items)] == ["broken_record"]


@pytest.mark.parametrize("by", [-1, -2, 1, 2, 3, 4])
@pytest.mark.parametrize("pack", [packed, bytes, zstandard.compress])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_length_that_is_wrong_by_few(tmp_path, by, pack, where):
    """Old versions of wget and others count one or two bytes too few, or the line ends behind; the page is whole."""
    plain = [record(n, http(page(n)), wrong_by=by if n == where else 0) for n in range(3)]
    for each in (plain, [b"".join(plain)]):
        items = read(tmp_path, b"".join(map(pack, each)))
        assert names(items) == list("012")
        assert [i.body.rstrip() for i in items] == [page(n) for n in range(3)]


@pytest.mark.parametrize("pack", [packed, bytes])
def test_length_in_characters(tmp_path, pack):
    """Where HTTP's own length says that a block is whole (a crawler counted characters), it is believed."""
    body = "<p>文章です。".encode() * 50
    block = http(body, more=(f"Content-Length: {len(body)}",))
    plain = [
        record("a", http(page("a"))),
        record("b", block, wrong_by=-2 * 50 * 5),
        record("c", http(page("c"))),
    ]
    items = read(tmp_path, b"".join(map(pack, plain)))
    assert names(items) == ["a", "b", "c"]
    assert items[1].body == body


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


# Heads of HTTP as servers, proxies and crawlers write them.

FIELD = b"Content-Type: text/html\r\n"


@pytest.mark.parametrize("pack", [packed, bytes])
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\n\n",
        b"HTTP/1.1 200 OK\nContent-Type: text/html\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX: y\r\n\n",
        b"HTTP/1.1 200 OK\r\r\nContent-Type: text/html\r\r\n\r\r\n",
        b"\r\n\r\nHTTP/1.1 200 OK\r\n" + FIELD + b"\r\n",
        *(
            line + b"\r\n" + FIELD + b"\r\n"
            for line in (
                b"http/1.1 200 ok",
                b"HTTP 200",
                b"HTTP/1.1 200",
                b"HTTP/1.1 200 ",
                b"HTTP/1.1  200  OK",
                b"HTTP/1.1\t200\tOK",
                b"HTTP/1.0 200 Document follows",
                b"HTTP 200 Document follows",
                b"HTTP/2 200",
                b"HTTP/2.0 200 ",
                b"HTTP/3 200",
                b"h2 200",
                b"ICY 200 OK",
                b"HTTP/1.1 0 OK",
                b"HTTP/1.1 200OK",
                b"HTTP/1.x 200 OK",
                b"HTTP1.1 200 OK",
                b"HTTP/1.1 200 \xe6\x88\x90\xff\0",
            )
        ),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + FIELD + b"\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n"
        + FIELD
        + b"\r\n",
        b"HTTP/1.1 102 Processing\n\nHTTP/1.1 200 OK\n" + FIELD + b"\n",
        b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK\r\n" + FIELD + b"\r\n",
        b"HTTP/1.0 200 Connection Established\r\nProxy-Agent: p\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/2 200\r\n"
        + FIELD
        + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type : text/html\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-TYPE:text/html\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n\tb\r\n c\r\nContent-Type:\r\n text/html\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n: no name\r\nX\0Y: \xff\x1b[2J\r\n" + FIELD + b"\r\n",
    ],
)
def test_heads_of_answers_as_servers_write_them(tmp_path, head, pack):
    """Each is a page with its type, whose text does not begin with what is left of the head."""
    body = page("x") + b"\r\n\r\nb: c\r\n\r\nmore"
    items = read(tmp_path, pack(record("x", head + body)) + pack(record("9", http(page("9")))))
    assert rejects(items) == []
    assert [i.body for i in items] == [body, page("9")]
    assert items[0].content_type == "text/html"


@pytest.mark.parametrize(
    ("head", "note"),
    [
        (b"HTTP/1.1 404 Not Found\n\n", "404"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n", "404"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "100"),
        (b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n", "503"),
        (b"HTTP/1.1 0 \r\n\r\n", "0"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no status line, but 'HTTP/1.1 2000 OK'"),
        (b"Content-Type: text/html\r\n\r\n", "no status line, but 'Content-Type: text/html'"),
        (b"\x1b]0;x\x07\r\n\r\n", "no status line, but '\\x1b]0;x\\x07'"),
    ],
)
def test_status_that_is_none(tmp_path, head, note):
    """What is no success, or tells none, is rejected with what it says, free of control characters."""
    items = read(tmp_path, packed(record("x", head + page("x"))) + good("after"))
    assert rejects(items) == [("http_status", note)]
    assert names(items) == ["after"]


def test_answer_without_a_head(tmp_path):
    """HTML alone (HTTP/0.9) is a page; other bytes are not."""
    items = read(tmp_path, packed(record("x", page("x"))) + packed(record("y", b"\0\1\2")) + good("after"))
    assert names(items) == ["x", "after"]
    assert items[0].body == page("x")
    assert [r for r, _ in rejects(items)] == ["http_status"]


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


def test_long_blanks_in_a_head_take_no_time(tmp_path):
    """A status line, a name and a value of a hundred thousand blanks are read once."""
    blanks = b" " * 100_000
    heads = [
        b"HTTP/1.1" + blanks + b"x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX" + blanks + b"\r\nY:" + blanks + b"z\r\n\r\n",
    ]
    began = time.process_time()
    read(tmp_path, b"".join(packed(record(n, head + page(n))) for n, head in enumerate(heads)))
    assert time.process_time() - began < 2


# Where the reader is.


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


def test_false_lengths_take_no_time(tmp_path):
    """Records that each claim to be as long as the rest of the file are passed once."""
    plain = [record(n, http(b"<p>x"), wrong_by=50_000_000 if n % 2 else 0) for n in range(4000)]
    for pack in (packed, bytes):
        for each in (plain, [b"".join(plain)]):
            began = time.process_time()
            items = read(tmp_path, b"".join(map(pack, each)))
            assert time.process_time() - began < 4
            assert len(names(items)) == 2000
