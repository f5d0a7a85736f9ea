"""Members of what an archive sends, and what is wrong with them: however the bytes are cut, and whatever they hold."""

import base64
import gzip
import hashlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.sources.archive.records import fault_of, members, next_start, url_of

BODY = "本文です。".encode()
SHA1_BYTES = hashlib.sha1(BODY, usedforsecurity=False).digest()
SHA1 = base64.b32encode(SHA1_BYTES).decode()


def record(
    block: bytes, *, kind: str = "application/http; msgtype=response", more: str = "", by: int = 0
) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <https://a.example/>\r\nContent-Type: {kind}\r\n{more}"
    return f"{head}Content-Length: {len(block) + by}\r\n\r\n".encode() + block + b"\r\n\r\n"


def http(body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{more}\r\n".encode() + body


def cut(content: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into chunks of these sizes, over and over."""
    chunks, at, turn = [], 0, 0
    while at < len(content):
        size = sizes[turn % len(sizes)]
        chunks.append(content[at : at + size])
        at, turn = at + size, turn + 1
    return chunks


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=200), max_size=5), st.lists(st.integers(1, 70), min_size=1, max_size=4))
def test_members_do_not_depend_on_chunks(contents: list[bytes], sizes: list[int]) -> None:
    """Each comes back with its own bytes."""
    packed = [gzip.compress(content, mtime=0) for content in contents]
    found = list(members(cut(b"".join(packed), sizes), max_bytes=1000))
    assert [member.raw for member in found] == packed
    assert [member.plain for member in found] == contents
    assert all(member.fault == "" for member in found)


@settings(max_examples=50)
@given(st.integers(1, 60), st.lists(st.integers(1, 70), min_size=1, max_size=3))
def test_a_cut_end_is_a_fault_and_the_rest_is_not(lost: int, sizes: list[int]) -> None:
    """Of two members with the last bytes gone."""
    packed = gzip.compress(bytes(range(200)), mtime=0)
    found = list(members(cut((packed + packed)[:-lost], sizes), max_bytes=1000))
    assert [member.fault for member in found] == ["", "broken_gzip"]


def test_a_bomb_is_too_large_and_what_follows_is_read():
    """100 MB of zeros in 100 KB: neither is held, and the next member is whole."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(100)), packer.flush()])
    small = gzip.compress(b"x", mtime=0)
    found = list(members([bomb + small], max_bytes=1 << 20))
    assert [(member.fault, member.plain) for member in found] == [("too_large", None), ("", b"x")]
    assert found[0].size == len(bomb)


@settings(max_examples=50)
@given(st.binary(max_size=300), st.lists(st.integers(1, 5000), min_size=1, max_size=3))
def test_the_next_record_is_found_wherever_chunks_end(noise: bytes, sizes: list[int]) -> None:
    """Behind noise, a member that is no record, and the magic by itself."""
    before = noise + b"\x1f\x8b\x08" + gzip.compress(b"no record", mtime=0)
    packed = gzip.compress(record(http(BODY)), mtime=0)
    assert next_start(cut(before + packed + packed, sizes)) == len(before)
    assert next_start(cut(before, sizes)) is None


@pytest.mark.parametrize(
    ("plain", "digest", "fault"),
    [
        (record(http(BODY)), None, None),
        (record(http(BODY)), SHA1, None),
        (record(http(BODY)), f"sha1:{SHA1.lower()}", None),
        (record(http(BODY)), "sha1:" + SHA1_BYTES.hex(), None),
        (record(http(BODY)), "md5:" + hashlib.md5(BODY, usedforsecurity=False).hexdigest(), None),
        (record(http(BODY)), "blake2:AAAA", None),  # of an algorithm nobody knows, none is compared
        (record(http(BODY)), SHA1[:-1] + "2", "digest"),
        (record(http(BODY)), "sha1:no digest", "digest"),
        (record(http(BODY), more=f"WARC-Payload-Digest: sha1:{'A' * 32}\r\n"), None, "digest"),
        (record(http(BODY), more=f"WARC-Block-Digest: sha1:{'A' * 32}\r\n"), SHA1, "digest"),
        (
            record(http(BODY), more=f"WARC-Truncated: length\r\nWARC-Payload-Digest: sha1:{'A' * 32}\r\n"),
            None,
            None,
        ),
        (record(BODY, kind="text/plain", more=f"WARC-Block-Digest: sha1:{SHA1}\r\n"), SHA1, None),
        (record(http(b"f\r\n" + BODY + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n")), SHA1, None),
        (record(http(b"zz\r\n", "Transfer-Encoding: chunked\r\n")), SHA1, "digest"),
        (record(http(BODY), by=1), None, "wrong_length"),
        (record(http(BODY), by=-1), None, "wrong_length"),
        (record(http(BODY)).replace(b"Content-Length: ", b"Content-Length: -"), None, "wrong_length"),
        (record(http(BODY)).replace(b"Content-Length: ", b"Content-Length: \xc2\xb2"), None, "wrong_length"),
        (
            record(http(BODY)).replace(b"Content-Length: ", b"Content-Length: " + b"9" * 5000),
            None,
            "wrong_length",
        ),
        (record(http(BODY)).replace(b"Content-Length", b"Content-Size"), None, "wrong_length"),
        (b"", None, "no_record"),
        (b"WARC/1.0\r\n", None, "no_record"),
        (b"<html>", None, "no_record"),
    ],
)
def test_what_is_wrong_is_said_in_a_word(plain: bytes, digest: str | None, fault: str | None):
    """Sound records of every kind of digest are None."""
    assert fault_of(plain, digest) == fault


@given(st.binary(max_size=300))
def test_no_bytes_break_it(noise: bytes) -> None:
    """Whatever a record holds."""
    assert fault_of(noise) == "no_record" or noise.startswith(b"WARC/1.")
    fault_of(b"WARC/1.0\r\n" + noise)
    url_of(b"WARC/1.0\r\n" + noise)


def test_a_url_in_brackets_is_the_url():
    """WARC 1.0 writes it so."""
    assert url_of(record(http(BODY))) == "https://a.example/"
