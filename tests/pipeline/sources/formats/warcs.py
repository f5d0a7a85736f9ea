"""Make WARC files, whole and damaged, and say what was read of them."""

from __future__ import annotations

import gzip
import hashlib

import zstandard

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


EMPTY = {"gzip": gzip.compress(b"", mtime=0), "zstd": zstandard.compress(b"")}


def once(items, wanted):
    """Say that these records, and nothing else, came once, in order, at places of their own."""
    places = [i.offset for i in items]
    return (
        [i.record_id for i in items] == [f"<urn:uuid:{name}>" for name in wanted]
        and places == sorted(set(places))
        and all(isinstance(i, Record) or i.reason == "record_type" for i in items)
        and all(i.length > 0 for i in items)
    )
