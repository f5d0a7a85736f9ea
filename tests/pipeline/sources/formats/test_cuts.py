"""Records of one stream come once, in order, however it is cut into members and whatever lengths they name."""

from __future__ import annotations

import itertools
import time

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.sources.formats.records import Record
from tests.pipeline.sources.formats.warcs import (
    EMPTY,
    good,
    http,
    names,
    once,
    packed,
    page,
    read,
    record,
    rejects,
)


def shared(plain, cuts, pack, between=b""):
    """Pack a stream of records, with members that start at these places."""
    cuts = sorted({0, len(plain), *(at for at in cuts if at < len(plain))})
    return between.join(pack(plain[a:b]) for a, b in itertools.pairwise(cuts))


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


@pytest.mark.slow
def test_false_lengths_take_no_time(tmp_path):
    """Records that each claim to be as long as the rest of the file are passed once."""
    plain = [record(n, http(b"<p>x"), wrong_by=50_000_000 if n % 2 else 0) for n in range(4000)]
    for pack in (packed, bytes):
        for each in (plain, [b"".join(plain)]):
            began = time.process_time()
            items = read(tmp_path, b"".join(map(pack, each)))
            assert time.process_time() - began < 4
            assert len(names(items)) == 2000


@pytest.mark.parametrize(
    "cuts", [[245, 422, 432, 449, 510], [216, 245, 583, 640], [1], [100], [216, 219], [430]]
)
@pytest.mark.parametrize("between", [b"", EMPTY["gzip"]])
def test_heads_across_members(tmp_path, cuts, between):
    """A head may begin in one member and end in another, with an empty one between; places stay apart, in order."""
    plain = b"".join(record(n, b"a: b", "metadata") for n in range(4))
    assert once(read(tmp_path, shared(plain, cuts, packed, between)), range(4))


@pytest.mark.slow
def test_version_lines_alone_take_no_time(tmp_path):
    """Of half a MB of them none has the end of a head; what lies between is looked at once, not from each of them."""
    for pack in (packed, bytes):
        began = time.process_time()
        items = read(tmp_path, pack(b"WARC/1.0\n" * 60_000 + record("z", http(page("z")))))
        assert time.process_time() - began < 15
        assert {item.reason for item in items if not isinstance(item, Record)} == {"broken_record"}
