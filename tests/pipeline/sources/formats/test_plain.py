"""Plain text: one file is one document, undecoded."""

from __future__ import annotations

import gzip

import pytest
import zstandard

from kakehi.pipeline.sources.formats import plain
from kakehi.pipeline.sources.formats.records import Record

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
    """An empty file, one cut off, and one too large give a reject."""
    assert [item.reason for item in read(tmp_path, b"")] == ["empty_body"]
    assert [item.reason for item in read(tmp_path, gzip.compress(TEXT)[:-4])] == ["broken_gzip"]
    assert [item.reason for item in read(tmp_path, zstandard.compress(TEXT)[:-4])] == ["broken_zstd"]
    assert [item.reason for item in read(tmp_path, TEXT, max_body_bytes=5)] == ["too_large"]
