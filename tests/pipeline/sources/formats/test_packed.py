"""Files of zstd frames as ArchiveTeam writes them, with their dictionary in the first."""

from __future__ import annotations

import pytest
import zstandard

from tests.pipeline.sources.formats.warcs import http, names, once, page, read, record, rejects


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
