"""Bodies freed of chunks and compression: all members, within the limit, and texts under a header left behind."""

from __future__ import annotations

import gzip
import hashlib
import time
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kakehi.pipeline.sources.formats.http import BodyError, unwrapped

TEXT = "これは日本語の文章です。今日は天気がよいので、近所の公園まで散歩に行きました。\n"
PAGE = ("<!DOCTYPE html><html><head><title>散歩の記録</title></head><body><p>" + TEXT * 9).encode()
CODECS = ("utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16")


def noise(seed, size=3000):
    """Return bytes that look random and depend on the seed alone."""
    return hashlib.shake_256(repr(seed).encode()).digest(size)


def gzipped(plain):
    """Return one gzip member."""
    return gzip.compress(plain, mtime=0)


def raw(plain):
    """Return a deflate stream without a header."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(plain) + packer.flush()


def skippable(content=b"bgzf"):
    """Return a zstd frame that holds nothing of the body."""
    return b"\x5a\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def bgzip(plain, size=200):
    """Return blocks as bgzip writes them: an extra field in each head, an empty member at the end."""
    blocks = [plain[at : at + size] for at in range(0, len(plain), size)] + [b""]
    made = b""
    for block in blocks:
        packed = raw(block)
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\6\0BC\2\0" + (len(packed) + 25).to_bytes(2, "little")
        made += head + packed + zlib.crc32(block).to_bytes(4, "little") + len(block).to_bytes(4, "little")
    return made


def chunked(plain, size=100, *, extension=b"", trailers=b"", end=b"\r\n"):
    """Return the body in chunks."""
    parts = [plain[at : at + size] for at in range(0, len(plain), size)]
    made = b"".join(b"%x%s%s%s%s" % (len(part), extension, end, part, end) for part in parts)
    return made + b"0" + end + trailers + end


def undone(body, content=None, transfer=None, limit=1 << 20):
    """Free a body of its codings."""
    return unwrapped(body, transfer, content, max_bytes=limit)


def fault(*arguments, **named):
    """Return the reason why a body can't be had."""
    with pytest.raises(BodyError) as caught:
        undone(*arguments, **named)
    return caught.value.reason


HALF = len(PAGE) // 2


@pytest.mark.parametrize(
    "body",
    [
        gzipped(PAGE),
        gzipped(PAGE[:HALF]) + gzipped(PAGE[HALF:]),
        gzipped(b"") + gzipped(PAGE),
        gzipped(PAGE) + gzipped(b""),
        bgzip(PAGE),
        b"".join(gzipped(PAGE[at : at + 1]) for at in range(len(PAGE))),
        gzipped(PAGE) + bytes(512),
        gzipped(PAGE[:HALF]) + bytes(7) + gzipped(PAGE[HALF:]),
        gzipped(PAGE) + b"\r\n",
        gzipped(PAGE) + b"\n \n\n",
        gzipped(PAGE) + b"<!-- cached -->",
        gzipped(PAGE) + b"\x1f\x8b\xff\xff",
        gzipped(PAGE) + bytes.fromhex("1f8b08000000000000ff010000ffff0000000000000000"),
        b"\r\n" + gzipped(PAGE),
        b"\n" + gzipped(PAGE),
        b"\r\n" + bgzip(PAGE),
    ],
)
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", '"gzip"', "gzip;q=1.0", "identity, gzip"])
def test_all_gzip_members_are_read(body, coding):
    """All members of a gzip body are its content, padding and rubbish behind them are not."""
    assert undone(body, coding) == PAGE


@pytest.mark.parametrize(
    "body",
    [
        zstandard.compress(PAGE),
        zstandard.compress(PAGE[:HALF]) + zstandard.compress(PAGE[HALF:]),
        zstandard.compress(b"") + zstandard.compress(PAGE),
        skippable() + zstandard.compress(PAGE),
        zstandard.compress(PAGE[:HALF]) + skippable(b"") + skippable() + zstandard.compress(PAGE[HALF:]),
        zstandard.compress(PAGE) + skippable(),
        zstandard.compress(PAGE) + b"\r\nrubbish",
        b"\r\n" + zstandard.compress(PAGE),
        b"".join(zstandard.compress(PAGE[at : at + 1]) for at in range(len(PAGE))),
    ],
)
def test_all_zstd_frames_are_read(body):
    """All frames of a zstd body are its content; those to be skipped are skipped."""
    assert undone(body, "zstd") == PAGE


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (zlib.compress(PAGE), "deflate"),
        (raw(PAGE), "deflate"),
        (gzipped(PAGE), "deflate"),
        (zlib.compress(PAGE) + b"\r\n", "deflate"),
        (b"\r\n" + zlib.compress(PAGE), "deflate"),
        (brotli.compress(PAGE), "br"),
        (b"\r\n" + brotli.compress(PAGE), "br"),
        (brotli.compress(PAGE) + b"rubbish", "br"),
        (gzipped(gzipped(PAGE)), "gzip, gzip"),
        (gzipped(PAGE), "gzip, gzip"),
        (PAGE, "gzip, gzip"),
        (gzipped(brotli.compress(PAGE)), "br, gzip"),
        (gzipped(PAGE), "gzip, utf-8"),
    ],
)
def test_codings_are_undone(body, coding):
    """Deflate with and without its header, brotli, and codings one on the other, real or only named."""
    assert undone(body, coding) == PAGE


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity", "utf-8", "none", "compress", "x-y"])  # fmt: skip
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("text", [TEXT * 9, "\r\n\r\n" + TEXT, "短い。", "x^2", "foo bar", "<p>", "  <p>" + TEXT, "1984"])  # fmt: skip
def test_decoded_bodies_are_left(coding, codec, text):
    """A body that the crawler has decoded is taken as it is, though the header says that it is packed."""
    assert undone(text.encode(codec), coding) == text.encode(codec)


@given(st.text(st.sampled_from("あ散歩の記録 abfFnvx^0\n。ｱ"), max_size=60), st.sampled_from(CODECS[:3]))
def test_no_short_text_is_taken_for_packed(text, codec):
    """No text comes out as another, however short, whatever its header says."""
    body = text.encode(codec)
    for coding in ("gzip", "deflate", "br", "zstd"):
        assert undone(body, coding) == body


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (gzipped(PAGE) + gzipped(PAGE)[:-9], "gzip", "truncated"),
        (gzipped(PAGE) + gzipped(PAGE)[:10] + b"\xff" * 50, "gzip", "broken_encoding"),
        (zstandard.compress(PAGE) + zstandard.compress(PAGE)[:-9], "zstd", "truncated"),
        (zstandard.compress(PAGE) + skippable()[:-1], "zstd", "truncated"),
        (zlib.compress(PAGE)[:-9], "deflate", "truncated"),
        (brotli.compress(noise(1))[:-9], "br", "broken_encoding"),
        (noise("br", 300), "br", "broken_encoding"),
        (b"\xff" * 9, "br", "broken_encoding"),
        (gzipped(PAGE * 9), "gzip, " * 6, "broken_encoding"),
    ],
)
def test_broken_bodies_say_so(body, coding, reason):
    """A member that breaks off is a fault also behind whole ones; so are more codings than anyone sends."""
    assert fault(body, coding) == reason


@pytest.mark.parametrize(
    ("pack", "coding"),
    [
        (gzipped, "gzip"),
        (bgzip, "gzip"),
        (lambda plain: gzipped(plain[:9000]) + gzipped(plain[9000:]), "gzip"),
        (zstandard.compress, "zstd"),
        (lambda plain: zstandard.compress(plain[:9000]) + zstandard.compress(plain[9000:]), "zstd"),
        (zlib.compress, "deflate"),
        (raw, "deflate"),
        (brotli.compress, "br"),
    ],
)
def test_the_limit_is_kept_over_all_members(pack, coding):
    """As many bytes as the limit are read, and not one more, however they are divided."""
    body = pack(b"<p>" * 5000)
    assert undone(body, coding, limit=15_000) == b"<p>" * 5000
    assert fault(body, coding, limit=14_999) == "too_large"


@pytest.mark.parametrize("transfer", ["gzip, chunked", "GZIP,Chunked", "x-gzip, chunked"])
def test_gzip_as_a_transfer_coding(transfer):
    """A body packed for its transfer is unpacked, whether in chunks or joined, packed or not."""
    for body in (chunked(gzipped(PAGE)), gzipped(PAGE), PAGE, chunked(PAGE)):
        assert undone(body, None, transfer) == PAGE
    assert undone(chunked(gzipped(PAGE)), "gzip", transfer) == PAGE
    assert undone(chunked(gzipped(gzipped(PAGE))), "gzip", transfer) == PAGE


@pytest.mark.parametrize(
    "body",
    [
        chunked(PAGE),
        chunked(PAGE, extension=b";a=b;c"),
        chunked(PAGE, extension=b"  "),
        chunked(PAGE, trailers=b"Expires: never\r\nX: y\r\n"),
        chunked(PAGE, end=b"\n"),
        chunked(PAGE, 1),
        chunked(PAGE, len(PAGE)),
        chunked(PAGE)[:-2],
        b"0" * 30 + b"%x\r\n" % len(PAGE) + PAGE + b"\r\n000\r\n\r\n",
    ],
)
def test_chunks_are_joined(body):
    """Chunks are joined, with extensions, trailers, zeros before a size, and lines that end in LF."""
    assert undone(body, None, "chunked") == PAGE


@pytest.mark.parametrize(
    "text",
    [
        "2024\n" + TEXT,
        "20\r\n" + TEXT,
        "a\n" + TEXT,
        "0\n" + TEXT,
        "0\r\n" + TEXT,
        "bad\n" + TEXT,
        "deadbeef" * 8 + "\n" + TEXT,
        "-5\r\n" + TEXT,
        "5 円\r\n" + TEXT,
        TEXT,
    ],
)
def test_joined_bodies_that_begin_like_chunks(text):
    """A text whose first line might be a size, but whose bytes don't fit it, was joined by the crawler."""
    assert undone(text.encode(), None, "chunked") == text.encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"FFFFFFFFFFFFFFFF\r\nabc", "broken_encoding"),
        (b"10000000000000000\r\n" + PAGE, "broken_encoding"),
        (b"7fffffffffffffff\r\n" + PAGE, "broken_encoding"),
        (b"f" * 5000 + b"\r\n" + PAGE, "broken_encoding"),
        (b"5\r\nhello\r\nffffffffffffffff\r\nx", "broken_encoding"),
        (b"7fffffff\r\n" + PAGE, "truncated"),
        (b"5\r\nhello\r\n-5\r\nx", "truncated"),
        (b"5\r\nhello\r\n9\r\nx", "truncated"),
        (chunked(PAGE)[:-5], "truncated"),
    ],
)
def test_chunks_that_cannot_be(body, reason):
    """A chunk larger than the body, or a negative one, is a fault of its body."""
    assert fault(body, None, "chunked") == reason


def test_empty_bodies_stay_empty():
    """Nothing is nothing, under any coding."""
    for coding in ("gzip", "deflate", "br", "zstd"):
        assert undone(b"", coding) == undone(b"0\r\n\r\n", coding, "chunked") == b""


@pytest.mark.parametrize(
    ("piece", "coding"), [(gzipped(b""), "gzip"), (gzipped(b"a") + bytes(9), "gzip"), (zstandard.compress(b"a"), "zstd")]
)  # fmt: skip
def test_many_members_take_linear_time(piece, coding):
    """Ten times as many members take some ten times as long, not a hundred times."""

    def seconds(count):
        began = time.process_time()
        undone(piece * count, coding)
        return time.process_time() - began

    seconds(1000)
    assert seconds(40_000) < 40 * max(seconds(4000), 0.002)
