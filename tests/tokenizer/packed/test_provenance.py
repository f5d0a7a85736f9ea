"""Every token is led back to its document, and every document to its tokens."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.tokenizer.packed import provenance
from kakehi.tokenizer.packed.provenance import (
    DOCUMENTS,
    PIECES,
    Writer,
    document,
    find_documents,
    join,
    lookup,
    path_beside,
    pieces_of,
    within,
)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small tables have several row groups."""
    monkeypatch.setattr(provenance, "GROUP_ROWS", 4)


def _pieces(first: list[int], tokens: list[int], *, document: int = 0) -> pa.Table:
    n = len(first)
    return pa.table(
        {
            "document": range(document, document + n),
            "epoch": [0] * n,
            "document_token": [0] * n,
            "first_token": first,
            "tokens": tokens,
        },
        schema=PIECES,
    )


def _documents(count: int) -> pa.Table:
    return pa.table(
        {
            "id": [i.to_bytes(16, "big") for i in range(count)],
            "source": ["cc"] * count,
            "url": [None if i % 3 else f"https://a.example/{i % 6}" for i in range(count)],
            "shard": ["s0"] * count,
            "row": range(count),
            "tokens": [7] * count,
        },
        schema=DOCUMENTS,
    )


def _written(path: Path, table: pa.Table) -> pq.ParquetFile:
    with Writer(path, table.schema) as out:
        out.add(table)
    return pq.ParquetFile(path)


def test_every_token_finds_its_piece(tmp_path: Path) -> None:
    """Over several row groups; padding belongs to nobody."""
    path = path_beside(tmp_path / "x.y_text_document")
    assert path.name == "x.y_text_document.provenance.parquet"
    with Writer(path, PIECES) as out:
        for start in range(0, 30, 3):
            out.add(_pieces([10 * i for i in range(start, start + 3)], [7] * 3, document=start))
    with pq.ParquetFile(path) as table:
        assert [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)] == [4] * 7 + [2]
        assert table.schema_arrow == PIECES
        for token in range(300):
            if token % 10 < 7:
                assert lookup(table, token)["document"] == token // 10
            else:
                assert lookup(table, token) is None
        for token in (-1, 300, 10**12):
            assert lookup(table, token) is None


def test_a_range_of_tokens_finds_all_its_pieces(tmp_path: Path) -> None:
    """Those that begin in it, and those that reach into it; compared with looking at every one."""
    with _written(tmp_path / "p", _pieces([10 * i for i in range(20)], [7] * 20)) as table:
        for first in range(-3, 210, 3):
            for count in (1, 5, 12, 90):
                wanted = [i for i in range(20) if 10 * i < first + count and 10 * i + 7 > first]
                assert [row["document"] for row in within(table, first, count)] == wanted


def test_documents_are_found_by_number_id_and_url(tmp_path: Path) -> None:
    """A URL may be there several times, an id once, and what is not there gives nothing."""
    with _written(tmp_path / "d", _documents(11)) as table:
        for number in range(11):
            row = document(table, number)
            assert row["row"] == number
            assert [n for n, _ in find_documents(table, "id", row["id"])] == [number]
        assert [n for n, _ in find_documents(table, "url", "https://a.example/3")] == [3, 9]
        assert not list(find_documents(table, "url", "https://b.example/"))


def test_a_document_gives_all_its_pieces(tmp_path: Path) -> None:
    """In the order of tokens, over all row groups."""
    rows = _pieces([10 * i for i in range(10)], [7] * 10)
    rows = rows.set_column(0, PIECES.field("document"), pa.array([5, 1, 5, 2, 3, 4, 5, 6, 7, 8], pa.uint64()))
    with _written(tmp_path / "p", rows) as table:
        assert [row["first_token"] for row in pieces_of(table, [9, 5])[5]] == [0, 20, 60]
        assert pieces_of(table, [9]) == {9: []}


@pytest.mark.parametrize("cuts", [[10], [1, 9], [3, 3, 0, 4], [4, 4, 2]])
def test_parts_are_joined_to_the_same_file(tmp_path: Path, cuts: list[int]) -> None:
    """How a table was cut does not show in its bytes."""
    whole = _documents(10)
    _written(tmp_path / "whole", whole)
    start, parts = 0, []
    for number, size in enumerate(cuts):
        parts.append(tmp_path / f"part-{number}")
        pq.write_table(whole.slice(start, size), parts[-1])
        start += size
    assert join(parts, tmp_path / "joined", DOCUMENTS) == 10
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()


def test_another_schema_is_refused(tmp_path: Path) -> None:
    """And nothing is left of the table."""
    with pytest.raises(ValueError, match="provenance: got"), Writer(tmp_path / "p", PIECES) as out:
        out.add(pa.table({"id": [b"0" * 16]}))
    assert not list(tmp_path.iterdir())


def test_an_empty_table_has_no_token(tmp_path: Path) -> None:
    """Written without rows, it opens and finds nothing."""
    with _written(tmp_path / "p", PIECES.empty_table()) as table:
        assert lookup(table, 0) is None
        assert within(table, 0, 100) == []
        assert pieces_of(table, [0]) == {0: []}


def test_a_table_without_statistics_is_refused(tmp_path: Path) -> None:
    """A table that another program wrote anew, without the statistics by which tokens are found, is said to be so."""
    pq.write_table(_pieces([0, 5], [5, 2]), tmp_path / "anew.parquet", write_statistics=False)
    with pytest.raises(ValueError, match="first_token has no statistics"):
        lookup(pq.ParquetFile(tmp_path / "anew.parquet"), 3)
