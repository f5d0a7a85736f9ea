"""Megatron's own reader reads our pair, and we read its writer's."""

from pathlib import Path

import numpy as np
import pytest

from kakehi.tokenizer.packed.indexed import Reader, Writer

pytest.importorskip("megatron.core", reason="the interop extra is not installed")


@pytest.mark.parametrize("vocab_size", [32_000, 100_000])
@pytest.mark.parametrize("mmap", [True, False])
def test_megatron_reads_ours(tmp_path: Path, vocab_size: int, mmap: bool) -> None:
    """Every document equal, mapped and from the file."""
    from megatron.core.datasets.indexed_dataset import IndexedDataset  # noqa: PLC0415 - optional

    prefix = tmp_path / "x_text_document"
    lengths = np.random.default_rng(0).integers(1, 50, 200)
    with Writer(prefix, vocab_size=vocab_size) as out:
        ids = np.random.default_rng(1).integers(0, vocab_size, lengths.sum()).astype(out.dtype)
        out.add(ids, lengths)
    theirs, ours = IndexedDataset(str(prefix), mmap=mmap), Reader(prefix)
    assert len(theirs) == len(ours) == 200
    assert theirs.document_indices.tolist() == list(range(201))
    for i in range(200):
        assert theirs[i].dtype == ours.document(i).dtype
        assert np.array_equal(theirs[i], ours.document(i))


@pytest.mark.parametrize("vocab_size", [32_000, 100_000])
def test_our_files_equal_megatrons(tmp_path: Path, vocab_size: int) -> None:
    """Its builder, fed the same documents, writes the same bytes."""
    import torch  # noqa: PLC0415 - optional
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder  # noqa: PLC0415 - optional

    rows = [np.random.default_rng(i).integers(0, vocab_size, i + 1) for i in range(40)]
    builder = IndexedDatasetBuilder(str(tmp_path / "theirs.bin"), dtype=DType.optimal_dtype(vocab_size))
    for row in rows:
        builder.add_item(torch.from_numpy(row))
        builder.end_document()
    builder.finalize(str(tmp_path / "theirs.idx"))
    with Writer(tmp_path / "ours", vocab_size=vocab_size) as out:
        out.add(np.concatenate(rows).astype(out.dtype), np.array(list(map(len, rows))))
    for ending in (".bin", ".idx"):
        assert (tmp_path / f"ours{ending}").read_bytes() == (tmp_path / f"theirs{ending}").read_bytes()
