"""The pair of files is Megatron's to the byte, and what is broken is named."""

import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kakehi.tokenizer.packed import indexed
from kakehi.tokenizer.packed.indexed import (
    Reader,
    append,
    find_documents,
    insert_eod,
    repeated,
    token_dtype,
    write_index,
)

_SPEC = importlib.util.spec_from_file_location("oracles", Path(__file__).parents[2] / "oracles.py")
assert _SPEC
assert _SPEC.loader
oracles = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracles)

GOLDEN = bytes.fromhex(
    "4d4d494449445800000100000000000000"  # MMIDIDX, two zeros, version 1
    "0803000000000000000400000000000000"  # uint16, three sequences, four entries
    "020000000100000003000000"  # lengths 2, 1, 3
    "000000000000000004000000000000000600000000000000"  # offsets 0, 4, 6
    "0000000000000000010000000000000002000000000000000300000000000000"  # documents 0, 1, 2, 3
)


def _write(prefix: Path, ids: list[int], *blocks: list[int], vocab_size: int = 32_000) -> Path:
    dtype = token_dtype(vocab_size)
    np.array(ids, dtype).tofile(prefix.with_name(prefix.name + ".bin"))
    write_index(prefix, dtype, lambda: [np.array(block, np.int64) for block in blocks])
    return prefix


def test_three_sequences_are_golden(tmp_path: Path) -> None:
    """Both files, byte by byte, and nothing beside them."""
    _write(tmp_path / "a.b", [5, 2, 2, 7, 258, 2], [2, 1, 3])
    assert (tmp_path / "a.b.idx").read_bytes() == GOLDEN
    assert (tmp_path / "a.b.bin").read_bytes().hex() == "050002000200070002010200"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.bin", "a.b.idx"]


@settings(max_examples=30)
@given(
    blocks=st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=4).filter(any),
    vocab_size=st.sampled_from([300, 100_000]),
)
def test_oracle_and_reader_agree(tmp_path_factory: pytest.TempPathFactory, blocks, vocab_size: int) -> None:
    """A reader written from the byte table gives back every document, in whatever blocks their lengths came."""
    prefix = tmp_path_factory.mktemp("pair") / "x_text_document"
    rng = np.random.default_rng(0)
    dtype = token_dtype(vocab_size)
    rows = [rng.integers(0, vocab_size, n).astype(dtype) for block in blocks for n in block]
    _write(prefix, np.concatenate(rows).tolist(), *blocks, vocab_size=vocab_size)
    reader = Reader(prefix)
    assert len(reader) == len(rows)
    assert reader.tokens == sum(map(len, rows))
    for ours, oracle, row in zip(
        map(reader.document, range(len(rows))), oracles.read_megatron(prefix), rows, strict=True
    ):
        assert ours.dtype == oracle.dtype == row.dtype
        assert ours.tolist() == oracle.tolist() == row.tolist()


@pytest.mark.parametrize(
    ("blocks", "fault"),
    [
        ([[2, 0]], "lengths: got 0 to 2 tokens, wanted 1 to 1073741823"),
        ([[1], [2**30]], "lengths: got 1073741824 to 1073741824 tokens"),
        ([], "got 0 sequences, wanted 1 to"),
        ([[], []], "got 0 sequences, wanted 1 to"),
    ],
)
def test_what_readers_cannot_take_is_refused(tmp_path: Path, blocks: list[list[int]], fault: str) -> None:
    """The message says what is wrong, and no file is made."""
    with pytest.raises(ValueError, match=fault):
        write_index(tmp_path / "x", token_dtype(300), lambda: [np.array(b, np.int64) for b in blocks])
    assert not list(tmp_path.iterdir())


def test_too_many_sequences_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers number them in int32; nobody waits for 2**31 lengths to be written before that is said."""
    monkeypatch.setattr(indexed, "_checked", lambda *_: 2**31)
    with pytest.raises(ValueError, match="got 2,147,483,648 sequences"):
        write_index(tmp_path / "x", token_dtype(300), lambda: [np.array([1], np.int64)])


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_runs_give_their_lengths(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """In blocks of a bounded size, whatever the runs are."""
    monkeypatch.setattr(indexed, "_BLOCK", block)
    blocks = list(repeated([(3, 7), (0, 5), (2, 1)]))
    assert np.concatenate(blocks).tolist() == [7, 7, 7, 1, 1]
    assert max(map(len, blocks)) <= block


@pytest.mark.parametrize(
    ("at", "change", "fault"),
    [
        (0, b"N", "magic: got b'NMIDIDX"),
        (9, b"\x02", "version: got 2, wanted 1"),
        (17, b"\x05", r"dtype code: got 5, wanted 8 \(uint16\) or 4 \(int32\)"),
        (18, b"\x04", "size in bytes: got 102, wanted 114"),
        (34, b"\x03", "offset of sequence 1: got 4, wanted 6"),
        (34, b"\x00", "length of sequence 0: got 0, wanted at least 1"),
        (54, b"\x06", "offset of sequence 1: got 6, wanted 4"),
        (70, b"\x01", "first entry of the document index: got 1, wanted 0"),
        (78, b"\x03", "document index: got a falling entry"),
        (94, b"\x02", "last entry of the document index: got 2, wanted 3"),
    ],
)
def test_a_changed_byte_of_the_index_is_named(tmp_path: Path, at: int, change: bytes, fault: str) -> None:
    """Each field of the format is checked before a token is read."""
    prefix = _write(tmp_path / "x", [5, 2, 2, 7, 258, 2], [2, 1, 3])
    broken = bytearray((tmp_path / "x.idx").read_bytes())
    broken[at : at + 1] = change
    (tmp_path / "x.idx").write_bytes(broken)
    with pytest.raises(ValueError, match=fault):
        Reader(prefix)


def test_short_files_are_named(tmp_path: Path) -> None:
    """A truncated `.bin`, and an `.idx` without a whole header."""
    prefix = _write(tmp_path / "x", [5, 2], [2])
    (tmp_path / "x.bin").write_bytes(b"\0\0")
    with pytest.raises(ValueError, match=r"x\.bin: size in bytes: got 2, wanted 4"):
        Reader(prefix)
    (tmp_path / "x.idx").write_bytes(b"MMIDIDX")
    with pytest.raises(ValueError, match=r"x\.idx: header: got 7 bytes, wanted 34"):
        Reader(prefix)


def test_documents_of_several_sequences_are_read(tmp_path: Path) -> None:
    """Other writers put many sequences, or none, into a document."""
    prefix = _write(tmp_path / "x", [5, 2, 2, 7, 258, 2], [2, 1, 3])
    raw = (tmp_path / "x.idx").read_bytes()[:70] + struct.pack("<4q", 0, 2, 2, 3)
    (tmp_path / "x.idx").write_bytes(raw)
    reader = Reader(prefix)
    assert [reader.document(i).tolist() for i in range(3)] == [[5, 2, 2], [], [7, 258, 2]]
    assert [row.tolist() for row in oracles.read_megatron(prefix)] == [[5, 2, 2], [], [7, 258, 2]]
    with pytest.raises(ValueError, match="document: got 3, wanted 0 to 2"):
        reader.document(3)


@settings(max_examples=50)
@given(
    lengths=npst.arrays(np.int64, st.integers(0, 8), elements=st.integers(0, 5)),
    bos=st.sampled_from([None, 1]),
)
def test_eod_ends_every_document(lengths: np.ndarray, bos: int | None) -> None:
    """As in a loop over rows; an empty row stays empty."""
    ids = np.arange(10, 10 + lengths.sum()).astype(np.uint16)
    rows = np.split(ids, np.cumsum(lengths))[: len(lengths)]
    wanted = [([] if bos is None else [bos]) + row.tolist() + [2] if len(row) else [] for row in rows]
    out, longer = insert_eod(ids, lengths, 2, bos)
    assert out.dtype == ids.dtype
    assert longer.tolist() == [len(row) for row in wanted]
    assert out.tolist() == [token for row in wanted for token in row]


def test_an_eod_inside_a_document_is_refused() -> None:
    """The document is told by its place, empty ones counted."""
    ids, lengths = np.array([5, 6, 2, 7], np.uint16), np.array([1, 0, 3])
    assert find_documents(ids, lengths, 2).tolist() == [2]
    with pytest.raises(
        ValueError, match="ids: got eod 2 inside 1 documents, the first in place 2, wanted none"
    ):
        insert_eod(ids, lengths, 2)
    with pytest.raises(ValueError, match="got bos 7"):
        insert_eod(ids, lengths, 9, bos=7)


def test_a_pair_is_appended(tmp_path: Path) -> None:
    """Bytes as they are, sequences behind those that were there; other dtypes are refused, and nothing is changed."""
    for name, ids, dtype in (("a", [1, 2, 3], "<u2"), ("b", [4, 5], "<u2"), ("c", [6], "<i4")):
        np.array(ids, dtype).tofile(tmp_path / f"{name}.bin")
        write_index(tmp_path / name, np.dtype(dtype), lambda ids=ids: [np.ones(len(ids), np.int64)])
    append(tmp_path / "a", tmp_path / "b")
    reader = Reader(tmp_path / "a")
    assert [reader.document(number).tolist() for number in range(len(reader))] == [[1], [2], [3], [4], [5]]
    with pytest.raises(ValueError, match="dtype: got"):
        append(tmp_path / "a", tmp_path / "c")
    assert len(Reader(tmp_path / "a")) == 5
    assert sorted(path.name for path in tmp_path.glob("a*")) == ["a.bin", "a.idx"]
