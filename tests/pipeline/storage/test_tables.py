"""Tables of one shard are read in step, and strangers are refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kakehi.pipeline.errors import ContractError, DataError
from kakehi.pipeline.storage.tables import TableWriter, ids_digest, lockstep, row_count

SCHEMA = pa.schema([pa.field("id", pa.binary(16)), pa.field("text", pa.large_string())])


def ids_of(count: int, seed: int = 0) -> pa.Array:
    return pa.array([bytes([seed, i]) + b"\0" * 14 for i in range(count)], pa.binary(16))


def documents(path: Path, sizes: list[int], seed: int = 0) -> str:
    with TableWriter(path, SCHEMA) as writer:
        for size in sizes:
            ids = ids_of(size, seed)
            writer.note_ids(ids)
            writer.write(pa.record_batch([ids, pa.array(["か"] * size, pa.large_string())], schema=SCHEMA))
        return writer.close()


def verdicts(path: Path, sizes: list[int], ids: str, every: int) -> None:
    schema = pa.schema([pa.field("verdict", pa.string())])
    with TableWriter(path, schema) as writer:
        for size in sizes:
            values = ["x:y" if i % every == 0 else None for i in range(size)]
            writer.write(pa.record_batch([pa.array(values, pa.string())], schema=schema))
        writer.close(ids)


def test_lockstep_joins_row_groups_and_verdicts(tmp_path: Path) -> None:
    """A row is kept where no verdict table objects."""
    ids = documents(tmp_path / "d.parquet", [4, 3])
    verdicts(tmp_path / "v.parquet", [4, 3], ids, 2)
    verdicts(tmp_path / "w.parquet", [4, 3], ids, 3)
    tables = {
        "documents": [tmp_path / "d.parquet"],
        "verdict": [tmp_path / "v.parquet", tmp_path / "w.parquet"],
    }
    batches = list(lockstep(tables, ["text"]))
    assert [batch.num_rows for batch in batches] == [4, 3]
    assert batches[0].column("kept").to_pylist() == [i % 2 != 0 and i % 3 != 0 for i in range(4)]
    assert batches[0].schema.names == ["text", "kept"]


def test_lockstep_without_verdict_files_keeps_all(tmp_path: Path) -> None:
    """Where no step gives verdicts, everything is kept, even with no document column asked for."""
    documents(tmp_path / "d.parquet", [2])
    [batch] = lockstep({"documents": [tmp_path / "d.parquet"], "verdict": []})
    assert batch.column("kept").to_pylist() == [True, True]


def test_lockstep_gives_an_empty_batch_at_the_end(tmp_path: Path) -> None:
    """A shard without rows still has a schema."""
    documents(tmp_path / "d.parquet", [])
    assert not list(lockstep({"documents": [tmp_path / "d.parquet"]}, ["text"]))
    [batch] = lockstep({"documents": [tmp_path / "d.parquet"]}, ["text"], empty=True)
    assert batch.num_rows == 0
    assert batch.schema.names == ["text"]


def test_lockstep_refuses_a_table_of_other_ids(tmp_path: Path) -> None:
    """Tables made from other documents are refused, with both places."""
    documents(tmp_path / "d.parquet", [3])
    other = documents(tmp_path / "e.parquet", [3], seed=1)
    verdicts(tmp_path / "v.parquet", [3], other, 2)
    with pytest.raises(DataError, match=r"v\.parquet: its rows are not those of .*d\.parquet"):
        list(lockstep({"documents": [tmp_path / "d.parquet"], "verdict": [tmp_path / "v.parquet"]}))


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """A file overwritten by hand is one clear error."""
    (tmp_path / "d.parquet").write_bytes(b"hello")
    with pytest.raises(DataError, match="is damaged"):
        row_count(tmp_path / "d.parquet")


def test_ids_digest_depends_on_order_and_not_on_batches(tmp_path: Path) -> None:
    """The digest is over the column, sliced or not."""
    whole = ids_of(5)
    digests = []
    for index, cuts in enumerate(
        [[whole], [whole.slice(0, 2), whole.slice(2)], [whole.take([1, 0, 2, 3, 4])]]
    ):
        with TableWriter(tmp_path / f"{index}.parquet", SCHEMA) as writer:
            for ids in cuts:
                writer.note_ids(ids)
            digests.append(writer.close())
        assert ids_digest(tmp_path / f"{index}.parquet") == digests[-1]
    assert digests[0] == digests[1] != digests[2]


def test_a_batch_of_another_schema_is_our_bug(tmp_path: Path) -> None:
    """A stage that breaks its schema is told so."""
    with TableWriter(tmp_path / "d.parquet", SCHEMA) as writer:
        with pytest.raises(ContractError):
            writer.write(pa.record_batch({"text": pa.array(np.arange(3))}))
        writer.close()
