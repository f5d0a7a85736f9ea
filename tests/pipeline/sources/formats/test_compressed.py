"""Unpacking: every member and frame in order; an end, damage and padding are never taken for one another."""

from __future__ import annotations

import gzip
import io
import os
import tracemalloc

import pytest
import zstandard

from kakehi.pipeline.sources.formats.compressed import (
    DamagedError,
    UnreadableError,
    packing_of,
    packing_of_file,
    peeked,
    unpacked,
)

CONTENT = "".join(f"吾輩は猫である {n}\n" for n in range(500)).encode()
PACK = {"gzip": lambda plain: gzip.compress(plain, mtime=0), "zstd": zstandard.compress}


def skippable(content=b"pzstd", number=0):
    """Return a zstd frame without content."""
    return bytes([0x50 + number]) + b"\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def frame(content, *, window_log=17, dictionary=None, repeat=None):
    """Return a zstd frame of raw blocks, or of one byte repeated, as a packer with such a window writes it."""
    head = b"\x28\xb5\x2f\xfd" + bytes([0 if dictionary is None else 1, (window_log - 10) << 3])
    head += b"" if dictionary is None else bytes([dictionary])
    if repeat:
        size = 1 << 17
        blocks = [(size << 3 | 2 | (n == repeat - 1)).to_bytes(3, "little") + content for n in range(repeat)]
        return head + b"".join(blocks)
    return head + (len(content) << 3 | 1).to_bytes(3, "little") + content


def unpack(packed, packing=None, **parameters):
    """Unpack bytes whole."""
    file = io.BytesIO(packed)
    return b"".join(unpacked(file, packing or packing_of(packed), **parameters))


@pytest.mark.parametrize(
    "packed",
    [
        skippable() + zstandard.compress(CONTENT),
        skippable(b"", 15) + zstandard.compress(CONTENT),
        skippable(bytes(200_000)) + zstandard.compress(CONTENT),
        b"".join(
            skippable(bytes([n]), n % 16) + zstandard.compress(CONTENT[n * 99 : n * 99 + 99])
            for n in range(len(CONTENT) // 99 + 1)
        ),
        zstandard.compress(CONTENT) + skippable() + skippable(b"seek table", 14),
        zstandard.compress(b"") + zstandard.compress(CONTENT),
        gzip.compress(CONTENT[:99]) + gzip.compress(b"") + gzip.compress(CONTENT[99:]),
    ],
)
def test_every_frame_is_unpacked(packed):
    """Frames without content, at the beginning, between and behind, are passed over; members are put together."""
    assert unpack(packed) == CONTENT


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("zeros", [1, 511, 10_240, 300_000])
def test_zeros_are_padding(packing, zeros):
    """What tapes and blocks are filled with costs nothing, behind the last member or between two."""
    one = PACK[packing](CONTENT)
    assert unpack(one + bytes(zeros)) == CONTENT
    assert unpack(one + bytes(zeros) + one + bytes(zeros)) == CONTENT * 2


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(
    "behind", [b"garbage", b"\n", bytes(600) + b"x", b"\x1f\x8c", b'{"text": "a"}\n', b"\x28\xb5"]
)
def test_what_is_no_member_is_damage(packing, behind):
    """Garbage behind the last member is told, once all before it is given."""
    found = []
    with pytest.raises(DamagedError):
        found.extend(unpacked(io.BytesIO(PACK[packing](CONTENT) + behind), packing))
    assert b"".join(found) == CONTENT


@pytest.mark.parametrize("packing", PACK)
def test_a_file_cut_anywhere_breaks_off(packing):
    """No length of a member but the whole passes for an end, down to the first bytes of its mark."""
    packed = PACK[packing](CONTENT)
    for size in [3, 4, 5, 9, 10, 17, len(packed) // 2, len(packed) - 1]:
        with pytest.raises(DamagedError, match="breaks off"):
            unpack(packed[:size], packing)
        assert unpack(packed + packed[:0], packing) == CONTENT


@pytest.mark.parametrize(("name", "size"), [("a.gz", 0), ("a.gz", 2), ("a.zst", 0), ("a.zst", 3)])
def test_a_file_that_ends_inside_its_mark_is_packed_as_its_name_says(tmp_path, name, size):
    """An empty file of that name is broken, for what packs nothing still writes its mark; zeros alone are, too."""
    path = tmp_path / name
    for content in (PACK["gzip" if name == "a.gz" else "zstd"](b"")[:size], bytes(512)):
        path.write_bytes(content)
        with path.open("rb") as file, pytest.raises(DamagedError, match="breaks off"):
            packing_of_file(path, file)
    path.rename(tmp_path / "a.txt")
    with (tmp_path / "a.txt").open("rb") as file:
        assert packing_of_file(tmp_path / "a.txt", file) == "none"


@pytest.mark.parametrize("window_log", [10, 24, 27])
def test_windows_up_to_128_mib_are_always_read(window_log):
    """That is what `zstd -d` unpacks without being asked."""
    assert unpack(frame(b"content", window_log=window_log), max_window_bytes=0) == b"content"


@pytest.mark.parametrize("window_log", [28, 30, 31])
def test_a_larger_window_is_read_where_memory_holds_it(window_log):
    """Else the error names the window, what is allowed, and the memory that would do."""
    packed = frame(b"first") + frame(b"content", window_log=window_log)
    assert unpack(packed, max_window_bytes=2 << 30) == b"firstcontent"
    needed = 1 << window_log - 20
    wanted = f"window is {needed:,} MiB, wanted at most 200 MiB.*bytes_per_worker: {2 * needed}MiB"
    with pytest.raises(UnreadableError, match=f"(?s){wanted}"):
        unpack(packed, max_window_bytes=200 << 20)


def test_a_window_that_no_memory_holds_is_refused():
    """The library's own limit is 2 GiB."""
    with pytest.raises(UnreadableError, match="window is over 2,048 MiB"):
        unpack(frame(b"content", window_log=32), max_window_bytes=1 << 40)


@pytest.mark.parametrize("before", [b"", skippable(), zstandard.compress(CONTENT)])
def test_a_dictionary_that_is_not_there_is_named(before):
    """A frame that needs one is not damaged, and says what it needs, in the first frame as in a later one."""
    samples = [f"吾輩は猫である {n} {n * 7}".encode() * 3 for n in range(500)]
    trained = zstandard.train_dictionary(4096, samples)
    packed = before + zstandard.ZstdCompressor(dict_data=trained).compress(CONTENT)
    with pytest.raises(UnreadableError, match=rf"zstd dictionary \(id {trained.dict_id()}\)"):
        unpack(packed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "packed",
    [
        frame(b"a", repeat=4000),  # 500 MB out of 16 KB
        gzip.compress(bytes(200_000_000)),
        frame(b"\n", repeat=4000) + skippable() + frame(b"a", repeat=2000),
    ],
)
def test_what_grows_a_thousandfold_takes_no_memory(packed):
    """Chunks are of 1 MiB at most; what is unpacked at once is 64 MiB."""
    tracemalloc.start()
    sizes = [len(piece) for piece in unpacked(io.BytesIO(packed), packing_of(packed))]
    assert sum(sizes) >= 200_000_000
    assert max(sizes) <= 1 << 20
    assert tracemalloc.get_traced_memory()[1] < 256 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("cut", [20, 5000])
def test_a_beginning_is_given_twice(cut):
    """What is looked at first is there once more, with the damage behind it at its place."""
    packed = gzip.compress(os.urandom(9000))[:cut]
    head, chunks = peeked(unpacked(io.BytesIO(packed), "gzip"), 100)
    found = []
    with pytest.raises(DamagedError):
        found.extend(chunks)
    assert b"".join(found)[: len(head)] == head
