"""Tables tell their own damage: no flipped bit is read as if nothing were."""

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.storage.checked import CheckedFile, write_table
from kakehi.pipeline.storage.schemas import DOCUMENTS
from kakehi.pipeline.storage.tables import TableWriter, lockstep


@pytest.fixture
def documents(make, tmp_path: Path) -> Path:
    """Write a documents table of two row groups."""
    path = tmp_path / "d.parquet"
    with TableWriter(path, DOCUMENTS) as writer:
        for part in range(2):
            batch = make.documents([make.text((part, i)) for i in range(12)], fetched="2026-04-01T00:00:00Z")
            writer.note_ids(batch.column("id"))
            writer.write(batch)
        writer.close()
    return path


@pytest.mark.slow
def test_of_400_flipped_bits_none_is_read_wrong(documents: Path, tmp_path: Path) -> None:
    """Anywhere: pages, their heads, dictionaries, the footer, its digest, the magic; what is not said changed nothing."""
    whole, wanted = documents.read_bytes(), CheckedFile(documents).read()
    rng, said = random.Random(19), 0  # noqa: S311 - not for secrets
    damaged = tmp_path / "damaged.parquet"
    for place in rng.sample(range(8 * len(whole)), 400):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        damaged.write_bytes(content)
        try:
            assert CheckedFile(damaged).read().equals(wanted), place
        except DataError as error:
            said += "--verify" in str(error.hint)
    assert said > 300


def test_every_kind_of_place_is_compared(documents: Path, tmp_path: Path) -> None:
    """A text's page, a dictionary, the footer, its digest, the magic at the end: each flip is said, by every reader."""
    whole = documents.read_bytes()
    column = pq.ParquetFile(documents).metadata.row_group(1)
    pages = {name: column.column(DOCUMENTS.names.index(name)) for name in ("text", "source")}
    places = [
        pages["text"].data_page_offset + 60,
        pages["source"].dictionary_page_offset + 30,
        len(whole) - 400,
        whole.rindex(b"kakehi.footer") + 18,
        len(whole) - 2,
    ]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 4
        (tmp_path / "x.parquet").write_bytes(damaged)
        with pytest.raises(DataError, match=r"x\.parquet: is damaged"):
            list(lockstep({"documents": (tmp_path / "x.parquet",)}, ("text", "source")))
        with pytest.raises(DataError, match="is damaged"):
            list(CheckedFile(tmp_path / "x.parquet").iter_batches())


def test_what_was_written_before_is_read(documents: Path, tmp_path: Path) -> None:
    """A table without checksums has the same rows; the digest is a footer's only where it carries one."""
    before = tmp_path / "before.parquet"
    table = CheckedFile(documents).read().replace_schema_metadata(None)
    pq.write_table(table, before)
    assert CheckedFile(before).read().equals(table)
    write_table(table, tmp_path / "after.parquet", compression="zstd")
    assert pq.read_table(tmp_path / "after.parquet").equals(table)


def test_a_folder_in_a_tables_place_is_said(tmp_path: Path) -> None:
    """It is no fault of a record, and the way out is not to mend an input."""
    with pytest.raises(DataError, match="is a folder") as said:
        CheckedFile(tmp_path)
    assert said.value.hint is not None
    assert "--verify" in said.value.hint
