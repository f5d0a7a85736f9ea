"""Plain text: one file is one document, undecoded."""

from __future__ import annotations

import gzip

import pytest
import zstandard

from kakehi.pipeline.sources.formats import plain
from kakehi.pipeline.sources.formats.records import Reading, Record

TEXT = "筧は水を運ぶ。\n".encode("cp932")


def read(tmp_path, content, **parameters):
    """Write the content to a file and read it."""
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    return list(plain.read(path, **parameters))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_bytes_are_handed_on(tmp_path, pack):
    """The bytes come as they are, unpacked where they were packed."""
    expected = Record(record_id=None, offset=0, length=len(TEXT), body=TEXT, content_type="text/plain")
    assert read(tmp_path, pack(TEXT)) == [expected]


def test_what_is_rejected(tmp_path):
    """An empty file, one too large, and one cut off where that is accepted, give a reject."""
    accept = Reading(accept_broken=True)
    assert [item.reason for item in read(tmp_path, b"")] == ["empty_body"]
    for pack, reason in ((gzip.compress, "broken_gzip"), (zstandard.compress, "broken_zstd")):
        assert [item.reason for item in read(tmp_path, pack(TEXT)[:-4], reading=accept)] == [reason]
    assert [item.reason for item in read(tmp_path, TEXT, max_body_bytes=5)] == ["too_large"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_text_cut_off_is_an_error(tmp_path, pack):
    """Half a text is no text, and is not passed over in silence."""
    with pytest.raises(ValueError, match=r"(?s)t\.txt: broken_\w+: the file breaks off.*accept_broken: true"):
        read(tmp_path, pack(TEXT)[:-4])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04" + bytes(99), "a zip file"),
        (b"PAR1" + bytes(99), "a Parquet file"),
        (bytes(257) + b"ustar  \0", "a tar archive"),
        (b"%PDF-1.7\n", "a PDF"),
        (gzip.compress(gzip.compress(TEXT)), "packed by gzip twice"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (bytes(4096), "nothing but zeros"),
        (b"BZh91AY&SY" + bytes(9), "packed by bzip2"),
        (b"SQLite format 3\0" + bytes(99), "an SQLite database"),
    ],
)
def test_what_is_no_text_is_told_as_what_it_is(tmp_path, content, kind):
    """An archive or a binary format never becomes a document of strange characters."""
    with pytest.raises(ValueError, match=rf"t\.txt: is {kind}.*, wanted text\nhint: "):
        read(tmp_path, content)
