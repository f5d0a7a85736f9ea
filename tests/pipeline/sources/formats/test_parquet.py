"""Parquet: mapped columns are read, wrong ones are named."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.sources.formats import parquet
from kakehi.pipeline.sources.formats.records import Reading, Record, Reject

FIELDS = {"text": "body", "id": "key"}


def read(tmp_path, table, fields=None):
    """Write the table to a file and read it."""
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, row_group_size=300)
    return list(parquet.read(path, fields=fields or FIELDS))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_rows_are_numbered(tmp_path, kind):
    """Rows come in order with their numbers over row groups and batches, null and empty texts as rejects."""
    texts = [None if n % 7 == 3 else "" if n % 7 == 5 else f"文{n}" for n in range(1000)]
    table = pa.table(
        {"body": pa.array(texts).cast(kind), "key": pa.array(range(1000)), "rest": [[n] for n in range(1000)]}
    )
    items = read(tmp_path, table)
    assert [item.offset for item in items] == list(range(1000))
    assert items[0] == Record(record_id="0", offset=0, length=1, text="文0")
    assert items[3] == Reject(record_id="3", offset=3, length=1, reason="missing_field", note="body")
    assert items[5].reason == "empty_body"


def test_text_that_is_not_utf8(tmp_path):
    """A string that is not UTF-8 costs its row alone."""
    bad = pa.array([b"a", b"\xff", b"c"]).cast(pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, bad.buffers())
    items = read(tmp_path, pa.table({"body": column, "key": ["x", "y", "z"]}))
    assert [getattr(item, "text", None) for item in items] == ["a", None, "c"]
    assert items[1].reason == "invalid_utf8"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"text": "missing"},
            r"column 'missing' \(for text\): found none, wanted one; columns: body \(string\), key",
        ),
        ({"text": "key"}, r"column 'key' \(for text\): got int64, wanted string; columns: body"),
        ({"text": "list"}, r"column 'list' \(for text\): got list<.*, wanted string"),
        (
            {"text": "body", "url": "meta.ulr"},
            r"column 'meta.ulr' \(for url\): found none.*did you mean 'meta.url'",
        ),
    ],
)
def test_wrong_column_is_named(tmp_path, fields, message):
    """A missing column, or one of another type, is an error that says what there is."""
    table = pa.table({"body": ["a"], "key": [1], "list": [["a"]], "meta": [{"url": "u"}]})
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, table, fields)
    assert "t.parquet" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 3, 100, -20])
def test_broken_file_is_an_error(tmp_path, keep):
    """A file that is no Parquet, or is cut off, is an error that names it."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"body": ["文" * 99] * 99}), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"t\.parquet: can't be read as Parquet"):
        list(parquet.read(path, fields={"text": "body"}))


def test_empty_table(tmp_path):
    """A table without rows has no records."""
    assert (
        read(tmp_path, pa.table({"body": pa.array([], pa.string()), "key": pa.array([], pa.string())})) == []
    )


NESTED = pa.table(
    {
        "body": ["a", "b", "c"],
        "meta": pa.array(
            [{"url": "https://A.example/", "n": 1}, None, {"url": None, "n": 3}],
            pa.struct([("url", pa.string()), ("n", pa.int64())]),
        ),
        "meta.title": ["x", "y", None],
        "deep": pa.array(
            [{"a": {"b.c": "d", "e": [1]}}] * 3,
            pa.struct([("a", pa.struct([("b.c", pa.string()), ("e", pa.list_(pa.int64()))]))]),
        ),
        "when": pa.array([1, None, 3], pa.timestamp("ns")),
    }
)


def test_paths_lead_into_structs(tmp_path):
    """A struct's field is read alone; a struct that is null has null fields; a column that has the dots wins."""
    fields = {"text": "body", "url": "meta.url", "title": "meta.title", "id": "meta.n"}
    first, second, third = read(tmp_path, NESTED, fields)
    assert (first.host, first.title, first.record_id) == ("a.example", "x", "1")
    assert (second.url, second.title, second.record_id) == (None, "y", None)
    assert (third.url, third.title, third.record_id) == (None, None, "3")
    assert {item.title for item in read(tmp_path, NESTED, {"text": "body", "title": "deep.a.b.c"})} == {"d"}
    assert [item.text for item in read(tmp_path, NESTED, {"text": "deep.a.b.c"})] == ["d"] * 3


@pytest.mark.parametrize(
    ("field", "column", "lost"),
    [
        ("fetched", "when", 2),
        ("title", "meta", 2),
        ("url", "deep.a.e", 3),
        ("id", "when", 2),
        ("title", "meta.n", 2),
    ],
)
def test_an_optional_column_of_another_type_costs_itself(tmp_path, field, column, lost):
    """As in every format: null in its documents, counted where there was something."""
    counts = Counter()
    path = tmp_path / "t.parquet"
    pq.write_table(NESTED, path)
    items = list(parquet.read(path, fields={"text": "body", field: column}, reading=Reading(counts=counts)))
    assert [item.text for item in items] == ["a", "b", "c"]
    assert {getattr(item, "record_id" if field == "id" else field) for item in items} == {None}
    assert counts[f"lost/{field}"] == lost


def test_a_column_that_may_be_missing(tmp_path):
    """`url?` reads files with the column and without; without the mark it is an error, and the text never has one."""
    both = [
        read(tmp_path, table, {"text": "body", "title?": "meta.title"})
        for table in (NESTED, NESTED.select(["body"]))
    ]
    assert [[item.title for item in items] for items in both] == [["x", "y", None], [None] * 3]
    with pytest.raises(ValueError, match=r"column 'meta.title' \(for title\): found none"):
        read(tmp_path, NESTED.select(["body"]), {"text": "body", "title": "meta.title"})


def test_an_optional_string_that_is_not_utf8_costs_itself(tmp_path):
    """Its document stays."""
    bad = pa.array([b"a", b"\xff"]).cast(pa.binary())
    table = pa.table({"body": ["x", "y"], "t": pa.Array.from_buffers(pa.string(), 2, bad.buffers())})
    assert [(item.text, item.title) for item in read(tmp_path, table, {"text": "body", "title": "t"})] == [
        ("x", "a"),
        ("y", None),
    ]


@pytest.mark.slow
def test_cells_of_a_large_dictionary_are_read_a_few_at_a_time(tmp_path):
    """A row of a byte may name megabytes: 1,000 of them, 11 GB in a file of 2 kB, were held 256 at a time."""
    path = tmp_path / "x.parquet"
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["x" * 3_000_000]))
    pq.write_table(pa.table({"text": text}), path, compression="zstd")
    assert path.stat().st_size < 10_000
    with pq.ParquetFile(path) as file:
        assert parquet._batch_rows(path, file.metadata, {"text"}) == (256 << 20) // 3_000_004
        assert parquet._batch_rows(path, file.metadata, {"other"}) == 256
    lengths = [len(item.text) for item in parquet.read(path, fields={"text": "text"})]
    assert lengths == [3_000_000] * 300
    path = tmp_path / "y.parquet"
    text = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["x" * 140_000_000]))
    pq.write_table(pa.table({"text": text}), path, compression="zstd")
    with pytest.raises(ValueError, match="got a dictionary of 140,000,004 bytes"):
        list(parquet.read(path, fields={"text": "text"}))
