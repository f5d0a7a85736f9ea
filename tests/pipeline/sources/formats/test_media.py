"""What a body is told by: its header's type where that can be read, and its first bytes."""

from __future__ import annotations

import hashlib
import io
import marshal
import sqlite3
import struct
import tarfile
import wave
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kakehi.pipeline.sources.formats.media import (
    PAGE_TYPES,
    charset_of,
    is_legible,
    is_text,
    media_type,
    page_type,
)

TEXT = "これは日本語の文章です。今日は天気がよいので、近所の公園まで散歩に行きました。\n"
CODECS = ("utf-8", "cp932", "euc_jp", "iso2022_jp")


def noise(seed, size=3000):
    """Return bytes that look random and depend on the seed alone."""
    return hashlib.shake_256(repr(seed).encode()).digest(size)


def class_file():
    """Return the start of a Java class: a pool of constants, full of text."""
    names = [b"java/lang/Object", b"<init>", b"()V", b"Code", b"LineNumberTable", b"jp/example/Main"] * 20
    pool = b"".join(b"\x01" + struct.pack(">H", len(name)) + name for name in names)
    return b"\xca\xfe\xba\xbe\0\0\0\x34" + struct.pack(">H", len(names) + 1) + pool


def midi():
    """Return a short tune."""
    notes = b"".join(bytes([0x60, 0x90, 60 + n % 12, 0x40, 0x60, 0x80, 60 + n % 12, 0]) for n in range(100))
    return b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + struct.pack(">I", len(notes)) + notes


def true_type():
    """Return the directory of a font's tables, and noise."""
    tables = b"".join(
        tag + noise(tag, 4) + struct.pack(">II", 300, 500) for tag in (b"cmap", b"glyf", b"head", b"name")
    )
    return b"\0\1\0\0\0\4\0\x40\0\2\0\0" + tables + noise("ttf")


def sqlite(tmp_path):
    """Return a database file."""
    path = tmp_path / "d"
    with sqlite3.connect(path) as base:
        base.execute("create table t (a text)")
    base.close()
    return path.read_bytes()


def parquet():
    """Return a Parquet file of Japanese text."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [TEXT * 9]}), sink, compression="none")
    return sink.getvalue()


def archive():
    """Return a tar file with a text."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as out:
        member = tarfile.TarInfo("readme.txt")
        member.size = len(TEXT.encode())
        out.addfile(member, io.BytesIO(TEXT.encode()))
    return sink.getvalue()


def stored_zip():
    """Return a zip file with a text that is not compressed."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as out:
        out.writestr("readme.txt", TEXT * 20)
    return sink.getvalue()


def sound():
    """Return a WAV file of silence."""
    sink = io.BytesIO()
    with wave.open(sink, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(3000))
    return sink.getvalue()


BINARY = {
    "lzh": b"\x24\x5a-lh5-" + noise("lzh"),
    "compress": b"\x1f\x9d\x90" + noise("Z"),
    "exe": b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0" + noise("exe"),
    "elf": b"\x7fELF\2\1\1" + bytes(9) + noise("elf"),
    "class": class_file(),
    "ttf": true_type(),
    "otf": b"OTTO\0\x0b\0\x80\0\3\0\x30" + noise("otf"),
    "eot": b"\x10\x20\0\0\x10\x1f\0\0\2\0\2\0" + bytes(20) + noise("eot"),
    "woff": b"wOFF\0\1\0\0" + noise("woff"),
    "midi": midi(),
    "parquet": parquet(),
    "wasm": b"\0asm\1\0\0\0\1\x07\1\x60\2\x7f\x7f\1\x7f\3\2\1\0\7\7\1\3add\0\0\x0a\x09\1\7\0\x20\0\x20\1\x6a\x0b",
    "pyc": b"\xa7\x0d\x0d\x0a" + bytes(12) + marshal.dumps(compile("a = 'text' * 9", "p.py", "exec")),
    "mp3": b"ID3\3\0\0\0\0\x0f\x76TIT2\0\0\0\x10\0\0\0Song of the sea" + noise("mp3"),
    "mp3 without a tag": b"\xff\xfb\x90\x44" + bytes(30) + noise("mpa"),
    "swf": b"CWS\x0a\x10\x20\1\0\x78\x9c" + noise("swf"),
    "flv": b"FLV\1\5\0\0\0\x09" + noise("flv"),
    "bmp": b"BM\x36\x30\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x40\0\0\0\x40\0\0\0\1\0\x18" + bytes(27) + b"\xff" * 3000,
    "bzip2": b"BZh91AY&SY" + noise("bz2"),
    "cab": b"MSCF\0\0\0\0" + noise("cab"),
    "tar": archive(),
    "zip": stored_zip(),
    "wav": sound(),
    "random": noise("random"),
    "random, short": noise("short!", 120),
    "image behind a warning": b"<br />\n<b>Warning</b>: main() in /a.php on line 3<br />\n\x89PNG\r\n\x1a\n" + noise("png"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("named", ["text/html", "text/plain", ""])
def test_binary_bodies_are_no_pages(kind, named):
    """A binary body is no page, whatever type it comes under."""
    assert page_type(named, BINARY[kind]) not in PAGE_TYPES


def test_databases_are_no_pages(tmp_path):
    """A database file is no page."""
    assert page_type("text/plain", sqlite(tmp_path)) not in PAGE_TYPES


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj", "application/pdf"),
        (b"%!PS-Adobe-3.0\n/Times findfont", "application/postscript"),
        (b"{\\rtf1\\ansi\\deff0 hello}", "application/rtf"),
    ],
)
def test_formats_written_in_ascii(body, found):
    """Files of printers and word processors are no pages, though all their bytes are those of text."""
    assert page_type("text/plain", body) == found


@pytest.mark.parametrize("start", ["ID3", "CWS", "FWS", "BM", "GIF89a", "PK", "MZ", "BZh9", "OTTO", "PAR1", "MThd", "RIFF", "Rar!", "FLV", "7z", "wOFF", "TADS", "8BPS", "true"])  # fmt: skip
@pytest.mark.parametrize("codec", CODECS)
def test_letters_alone_prove_nothing(start, codec):
    """Text that begins with the letters of a signature is text."""
    assert page_type("text/plain", (start + " " + TEXT).encode(codec)) == "text/plain"
    assert page_type("text/html", (start + TEXT).encode(codec)) == "text/html"


@pytest.mark.parametrize("byte", [b"\0", b"\x01", b"\x08", b"\x0b", b"\x1a", b"\x1f"])
@pytest.mark.parametrize("codec", CODECS)
def test_stray_control_bytes_cost_nothing(byte, codec):
    """A few control bytes in a page or a text do not lose it, wherever they stand."""
    page = ("<!DOCTYPE html><title>散歩</title><p>" + TEXT * 9).encode(codec)
    text = (TEXT * 9).encode(codec)
    for at in (0, 1, len(TEXT), 300):
        assert page_type("text/html", page[:at] + byte * 2 + page[at:]) == "text/html"
        assert page_type("text/plain", text[:at] + byte * 2 + text[at:]) == "text/plain"


def test_manual_pages_strike_over():
    """The overstruck letters of a printed manual page are text."""
    assert (
        page_type("text/plain", "".join(f"{c}\b{c}" for c in "NAME SYNOPSIS OPTIONS").encode())
        == "text/plain"
    )


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["<html><body><p>" + TEXT * 40, "散歩の記録\n" + TEXT * 40, "<p>" + "𠮷野家" * 600]
)
def test_utf16_is_text(codec, text):
    """UTF-16 is text with a byte order mark and without, though half its bytes may be zero."""
    for more in ("", "a"):
        assert page_type("text/html", (more + text).encode(codec)) == "text/html"


@pytest.mark.parametrize(
    "text",
    ["\x1b$B$3$l\x1b(B 2022 \x0e67\x0f", "\x1b$)C\x0e0!3*\x0f hello \x0e0!3*\x0f " * 30],
)
def test_shifts_of_iso_2022_are_text(text):
    """Escapes and shifts of ISO 2022 are no binary bytes."""
    assert page_type("text/plain", text.encode()) == "text/plain"


@pytest.mark.parametrize(
    ("named", "body", "identified", "found"),
    [
        ("text/html", "本文".encode(), "application/octet-stream", "text/html"),
        ("text/html", "本文".encode("cp932"), "audio/mpeg", "audio/mpeg"),
        ("text/html", b"\x00\x99text and text and text", "application/java-vm", "application/java-vm"),
        ("text/html", b"\x00\x99text and text and text", "application/xhtml+xml", "text/html"),
        ("text/html", b"<!DOCTYPE html>\0<p>", "application/octet-stream", "text/html"),
        ("text/html", b"<svg>", "image/svg+xml", "text/html"),
        ("", b'{"a": 1}', "application/json", "application/json"),
        ("", b"body { margin: 0 }", "text/css", "text/css"),
        ("", "本文".encode(), "text/plain", "text/plain"),
        ("", "本文".encode(), "application/octet-stream", "text/plain"),
    ],
)
def test_what_the_crawler_found_counts(named, body, identified, found):
    """What a crawler identified decides where the body agrees or says nothing; a page stays one."""
    assert page_type(named, body, identified) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<!DOCTYPE html><p>", "text/html"),
        (b"\xef\xbb\xbf \r\n<HTML>", "text/html"),
        (b"<!-- made by hand --><font>a", "text/html"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C"><html>', "text/html"),
        (b"hello <p>world", "text/html"),
        ("<html><p>散歩".encode("utf-16"), "text/html"),
        ("<html><p>散歩の記録".encode("utf-16-le"), "text/html"),
        ("今日は散歩に行きました。".encode("cp932"), "text/plain"),
        (b'<?xml version="1.0"?><rss><channel><title>News', "text/xml"),
        (b"<rss><channel><title>News", "text/xml"),
        (b"\x00\x01\x02\x03", "application/octet-stream"),
    ],
)
def test_an_unknown_type_is_sniffed(body, found):
    """A body whose type is missing or can't be read is told by its bytes."""
    assert page_type("", body) == found


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (None, ""),
        ("", ""),
        ("text/html", "text/html"),
        (" TEXT/HTML ; Charset=x", "text/html"),
        ("text/html;", "text/html"),
        ("text/html,text/html", "text/html"),
        ("text/html, charset=EUC-JP", "text/html"),
        ('text/html; x="a,b/c", text/plain', "text/plain"),
        ("text/html, */*", "text/html"),
        ("*/*, text/html", "text/html"),
        ("text/html, image/png", "image/png"),
        ("application/octet-stream", "application/octet-stream"),
        ("application/rtf", "application/rtf"),
        ("image/svg+xml", "image/svg+xml"),
        ('"text/html"', ""),
        ("text/html charset=shift_jis", ""),
        ("text/html: charset=utf-8", ""),
        ("charset=utf-8; text/html", ""),
        ("Content-Type: text/html", ""),
        ("text", ""),
        ("html", ""),
        ("text/", ""),
        ("/html", ""),
        ("*/*", ""),
        ("unknown/unknown", ""),
        ("テキスト/html", ""),
        ("text\\html", ""),
    ],
)
def test_media_type_of_a_header(header, named):
    """The last type that can be read counts; what can't be read is unknown."""
    assert media_type(header) == named


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        (None, None),
        ("text/html", None),
        ("text/html; charset", None),
        ("text/html; charset=", None),
        ("text/html; charset=;x=y", None),
        ("text/html; charset=UTF-8", "utf-8"),
        ('text/html; charset="Shift_JIS"; x=y', "shift_jis"),
        ("text/html; charset='euc-jp'", "euc-jp"),
        ("text/html;CHARSET = utf-8", "utf-8"),
        ("text/html, charset=EUC-JP", "euc-jp"),
        ("text/html charset=shift_jis", "shift_jis"),
        ("text/html: charset: shift_jis", "shift_jis"),
        ("text/html,text/html;charset=a", "a"),
        ("text/html; accept-charset=x", None),
    ],
)
def test_charset_of_a_header(header, charset):
    """A charset is found also where the rest of the header can't be read."""
    assert charset_of(header) == charset


@given(st.text(max_size=80))
@example('"' * 50 + "," * 50)
@example("charset=" + " " * 20_000 + ";")
@example("text/html" + " " * 20_000 + "x" + "text/" * 9_000)
def test_any_header_can_be_read(header):
    """No header fails, and what is found is lower case and of two parts."""
    named = media_type(header)
    assert not named or (named == named.lower() and named.count("/") == 1)
    charset_of(header)


@pytest.mark.parametrize(
    ("body", "text", "legible"),
    [
        (TEXT.encode("cp932"), True, True),
        (("<p>" + TEXT).encode("euc_jp"), True, True),
        (TEXT.encode("utf-16"), True, True),
        (b"\xff\xff\xff\xff", True, False),
        (noise("x"), False, False),
        (b"", True, True),
    ],
)
def test_text_and_legible_text(body, text, legible):
    """Text has no binary byte; legible text can be decoded, too."""
    assert (is_text(body), is_legible(body)) == (text, legible)
