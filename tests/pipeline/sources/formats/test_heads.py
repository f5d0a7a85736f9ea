"""Heads of records and of HTTP answers as tools, servers, proxies and crawlers write them."""

from __future__ import annotations

import time

import pytest
import zstandard

from tests.pipeline.sources.formats.warcs import good, http, names, packed, page, read, record, rejects


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
