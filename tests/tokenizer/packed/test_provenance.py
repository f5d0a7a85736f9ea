"""Every token is led back to its document."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.tokenizer.packed import provenance
from kakehi.tokenizer.packed.provenance import SCHEMA, Writer, lookup, path_beside


def _rows(first: list[int], tokens: list[int], *, row: int = 0) -> pa.Table:
    n = len(first)
    return pa.table(
        {
            "id": [i.to_bytes(16, "big") for i in range(row, row + n)],
            "source": ["cc"] * n,
            "url": [None] * n,
            "shard": ["s0"] * n,
            "row": range(row, row + n),
            "first_token": first,
            "tokens": tokens,
        },
        schema=SCHEMA,
    )


def test_every_token_finds_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several row groups, and padding belongs to nobody."""
    monkeypatch.setattr(provenance, "MAX_GROUP_ROWS", 4)
    path = path_beside(tmp_path / "x.y_text_document")
    assert path.name == "x.y_text_document.provenance.parquet"
    with Writer(path) as out:
        for start in range(0, 30, 3):
            out.add(_rows([10 * i for i in range(start, start + 3)], [7] * 3, row=start))
    with pq.ParquetFile(path) as table:
        assert table.metadata.num_row_groups > 3
        assert table.schema_arrow == SCHEMA
        for token in range(300):
            if token % 10 < 7:
                assert lookup(table, token)["row"] == token // 10
            else:
                with pytest.raises(ValueError, match=f"token: got {token}, wanted one of a document"):
                    lookup(table, token)
        for token in (-1, 300, 10**12):
            with pytest.raises(ValueError, match=f"token: got {token}"):
                lookup(table, token)


def test_a_row_is_given_whole(tmp_path: Path) -> None:
    """All columns, as Python values."""
    with Writer(tmp_path / "p") as out:
        out.add(_rows([2**40], [5], row=3))
    with pq.ParquetFile(tmp_path / "p") as table:
        assert lookup(table, 2**40 + 4) == {
            "id": bytes(15) + b"\x03", "source": "cc", "url": None, "shard": "s0", "row": 3,
            "first_token": 2**40, "tokens": 5,
        }  # fmt: skip


def test_rows_that_overlap_are_refused(tmp_path: Path) -> None:
    """Within a batch and from one to the next; nothing is left of the table."""
    for batches in ([_rows([0, 5], [6, 1])], [_rows([0], [6]), _rows([5], [1])]):
        with (
            pytest.raises(ValueError, match="first_token: got 5, wanted at least 6"),
            Writer(tmp_path / "p") as out,
        ):
            list(map(out.add, batches))
        assert not list(tmp_path.iterdir())


def test_another_schema_is_refused(tmp_path: Path) -> None:
    """Columns are named, not guessed."""
    with pytest.raises(ValueError, match="provenance: got id: int64"), Writer(tmp_path / "p") as out:
        out.add(pa.table({"id": [1]}))


def test_an_empty_table_has_no_token(tmp_path: Path) -> None:
    """Written without rows, it opens and finds nothing."""
    with Writer(tmp_path / "p"):
        pass
    with pq.ParquetFile(tmp_path / "p") as table, pytest.raises(ValueError, match="token: got 0"):
        lookup(table, 0)
