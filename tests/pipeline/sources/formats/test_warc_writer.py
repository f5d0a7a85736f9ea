"""WARC 1.1 as written, read byte by byte and by our own reader."""

import base64
import gzip
import hashlib
import zlib

import pytest

from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record
from kakehi.pipeline.sources.formats.warc_writer import Exchange, Original, WarcWriter

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"


def exchange(number: int, **more: object) -> Exchange:
    told = {
        "url": f"http://a.example/{number}",
        "fetched": "2026-11-26T00:00:00Z",
        "request": b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "head": HEAD,
        "body": f"<html><p>{number}</p></html>".encode(),
        "ip": "192.0.2.1",
        "notes": {"via": "http://a.example/\r\nforged: yes"},
    }
    return Exchange(**{**told, **more})


def writer(folder, **more: object) -> WarcWriter:
    told = {"prefix": "p", "max_bytes": 10**6, "about": {"software": "kakehi"}}
    return WarcWriter(folder, **{**told, **more})


def members(content: bytes):
    while content:
        unpacker = zlib.decompressobj(wbits=31)
        yield unpacker.decompress(content)
        content = unpacker.unused_data


def parsed(record: bytes) -> tuple[dict[str, str], bytes]:
    head, _, rest = record.partition(b"\r\n\r\n")
    version, *lines = head.decode().split("\r\n")
    assert version == "WARC/1.1"
    fields = dict(line.split(": ", 1) for line in lines)
    size = int(fields["Content-Length"])
    assert rest[size:] == b"\r\n\r\n"
    return fields, rest[:size]


def sha1(content: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def test_an_exchange_is_three_records_with_digests(tmp_path):
    """Request, response and metadata, each a member, each with its length and digest; the two point to the response."""
    out = writer(tmp_path)
    record, place = out.write(exchange(1))
    out.close()
    content = (tmp_path / "p.00000.warc.gz").read_bytes()
    records = [parsed(member) for member in members(content)]
    kinds = [fields["WARC-Type"] for fields, _ in records]
    assert kinds == ["warcinfo", "request", "response", "metadata"]
    assert all(fields["WARC-Block-Digest"] == sha1(block) for fields, block in records)
    fields, block = records[2]
    assert block == HEAD + exchange(1).body
    assert fields["WARC-Payload-Digest"] == sha1(exchange(1).body) == exchange(1).digest
    assert fields["WARC-Record-ID"] == record
    assert {records[n][0]["WARC-Concurrent-To"] for n in (1, 3)} == {record}
    assert records[3][1] == b"via: http://a.example/ forged: yes\r\n"
    assert parsed(gzip.decompress(content[place.offset :][: place.length])) == records[2]
    [page] = [item for item in warc.read(tmp_path / place.file) if isinstance(item, Record)]
    assert (page.url, page.body, page.header_charset) == (exchange(1).url, exchange(1).body, "utf-8")


@pytest.mark.parametrize(
    ("head", "profile"),
    [(HEAD, "identical-payload-digest"), (b"HTTP/1.1 304 Not Modified\r\n\r\n", "server-not-modified")],
)
def test_a_revisit_says_what_it_refers_to_and_has_no_body(tmp_path, head, profile):
    """By the original's address, time and digest."""
    out = writer(tmp_path)
    original = Original(url="http://a.example/1", fetched="2026-01-01T00:00:00Z", digest=exchange(1).digest)
    out.write(exchange(1, head=head, original=original))
    out.close()
    fields, block = [parsed(member) for member in members((tmp_path / "p.00000.warc.gz").read_bytes())][2]
    assert fields["WARC-Type"] == "revisit"
    assert fields["WARC-Profile"] == f"http://netpreserve.org/warc/1.1/revisit/{profile}"
    assert fields["WARC-Refers-To-Target-URI"] == original.url
    assert fields["WARC-Refers-To-Date"] == original.fetched
    assert fields["WARC-Payload-Digest"] == original.digest
    assert block == head


def test_files_are_rolled_and_what_was_not_committed_is_cut_off(tmp_path):
    """A file is followed by the next from its size on; a killed process's tail goes, and the next record fits behind."""
    out = writer(tmp_path, max_bytes=2000)
    for number in range(6):
        out.write(exchange(number))
    name, size = out.end
    out.write(exchange(99))
    out.leave()
    again = writer(tmp_path, max_bytes=2000)
    again.resume(name, size)
    for number in range(6, 9):
        again.write(exchange(number))
    again.close()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [f"p.{number:05}.warc.gz" for number in range(len(files))]
    assert len(files) > 2
    urls = [item.url for path in files for item in warc.read(path) if isinstance(item, Record)]
    assert urls == [f"http://a.example/{number}" for number in range(9)]
