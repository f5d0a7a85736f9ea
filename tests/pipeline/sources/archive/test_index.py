"""Choosing rows of an index: Parquet and lines alike, each rule by itself, and rows that are not what they should be."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.sources.archive.index import Index, Select
from tests.pipeline.sources.archive.site import cdxj, parquet

ROW = {
    "url": "https://www.a.example.jp/x",
    "url_host_name": "www.a.example.jp",
    "url_host_tld": "jp",
    "fetch_status": 200,
    "content_digest": "A" * 32,
    "content_mime_type": "text/html",
    "content_mime_detected": "text/html",
    "content_languages": "jpn",
    "warc_filename": "crawl-data/C-1/x.warc.gz",
    "warc_record_offset": 0,
    "warc_record_length": 100,
}


def rows(*changes: dict[str, object]) -> list[dict[str, object]]:
    """Give a row for each change, found again by its offset."""
    return [{**ROW, "warc_record_offset": number, **change} for number, change in enumerate(changes)]


def chosen(path, **select) -> list[int]:
    index = Index(files=(path,), select=Select(**{"mimes": [], "statuses": [], **select}))
    return [offset for batch in index.batches() for offset in batch.column("offset").to_pylist()]


HOST = {"url": "https://b.test/", "url_host_name": "b.test", "url_host_tld": "test"}


@pytest.mark.parametrize(
    ("select", "changes", "wanted"),
    [
        ({"languages": "jpn"}, [{"content_languages": "eng,jpn"}, {"content_languages": "eng"}, {}], [0, 2]),
        ({"languages": ["jpn"]}, [{"content_languages": None}, {"content_languages": None, **HOST}], [0]),
        ({"languages": ["jpn"], "unlabelled_tlds": []}, [{"content_languages": None}, {}], [1]),
        ({"tlds": ["jp"]}, [{}, HOST], [0]),
        (
            {"hosts": ["b.test"]},
            [{}, HOST, {**HOST, "url": "https://cb.test/", "url_host_name": "cb.test"}],
            [1],
        ),
        ({"hosts": [".example.jp"]}, [{}, HOST], [0]),
        (
            {"mimes": ["text/html"]},
            [{"content_mime_detected": None}, {"content_mime_detected": "text/x"}],
            [0],
        ),
        (
            {"statuses": [200, 203]},
            [{"fetch_status": 404}, {"fetch_status": 203}, {"fetch_status": None}],
            [1],
        ),
        ({"crawls": ["C-2"]}, [{}, {"warc_filename": "crawl-data/C-2/y.warc.gz"}], [1]),
        ({"crawls": ["C"]}, [{}], []),
        ({"url": "/x$"}, [{}, HOST], [0]),
        ({}, [{}, HOST], [0, 1]),
    ],
)
def test_each_rule_takes_what_it_says_of_parquet_and_of_lines(tmp_path, select, changes, wanted):
    """The same rows by both."""
    told = rows(*changes)
    lines = tmp_path / "a.cdx.gz"
    lines.write_bytes(gzip.compress(cdxj(told).encode()))
    assert chosen(parquet(told, tmp_path / "a.parquet"), **select) == wanted
    assert chosen(lines, **select) == wanted


def test_cdx_lines_of_fields_are_read_by_their_first_line(tmp_path):
    """As the Internet Archive and many crawlers write them."""
    path = tmp_path / "a.cdx"
    head = " CDX N b a m s k r M S V g\n"
    path.write_text(f"{head}jp,a)/ 2026 https://a.jp/ text/html 200 {'A' * 32} - - 90 7 x.warc.gz\n")
    assert chosen(path, statuses=[200], tlds=["jp"]) == [7]


@pytest.mark.parametrize(
    "line",
    [
        "no line at all",
        "surt 2026 {",
        'surt 2026 {"offset": "x"}',
        'surt 2026 {"offset": 1e400}',
        f'surt 2026 {{"offset": {"9" * 5000}}}',
        "surt 2026 " + '{"a":' * 100_000,
        'surt 2026 {"url": "http://[bad", "filename": "a", "offset": 1, "length": 1}',
    ],
)
def test_a_broken_line_is_counted_and_costs_no_other(tmp_path, line):
    """One row before, one behind."""
    good = cdxj(rows({}))
    path = tmp_path / "a.cdx"
    path.write_text(f"{good}{line}\n{good}")
    index = Index(files=(path,), select=Select())
    assert sum(batch.num_rows for batch in index.batches()) == 2
    assert index.broken["broken_line"] == 1


def test_half_a_surrogate_in_a_line_is_no_text_and_no_crash(tmp_path):
    """JSON can write one; Arrow cannot hold it."""
    path = tmp_path / "a.cdx"
    path.write_text(cdxj(rows({})).replace(".jp/x", ".jp/\\ud800"))
    assert chosen(path) == [0]


def test_places_that_cannot_be_are_counted_by_reason(tmp_path):
    """No request is made for any of them."""
    told = rows(
        {"warc_filename": "../x"},
        {"warc_filename": "a/../../x"},
        {"warc_filename": "/etc/passwd"},
        {"warc_filename": "//evil.example/x"},
        {"warc_filename": "https://evil.example/x"},
        {"warc_filename": "a%2e%2e/x"},
        {"warc_filename": "a\nb"},
        {"warc_filename": ""},
        {"warc_filename": "x" * 5000},
        {"warc_filename": None},
        {"warc_record_offset": -1},
        {"warc_record_offset": 1 << 60},
        {"warc_record_offset": None},
        {"warc_record_length": 0},
        {"warc_record_length": -(1 << 62)},
        {"warc_record_length": 1 << 62},
        {},
    )
    for path in (parquet(told, tmp_path / "a.parquet"), tmp_path / "a.cdx"):
        if path.suffix == ".cdx":
            path.write_text(cdxj(told))
        index = Index(files=(path,), select=Select())
        assert sum(batch.num_rows for batch in index.batches()) == 1
        assert +index.broken == {"bad_name": 9, "bad_range": 4, "no_place": 2, "too_large": 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"PAR1 but no Parquet", "is no index in Parquet"),
        ("a.parquet", b"", "is no index in Parquet"),
        ("a.cdx.gz", b"no gzip", "is broken"),
        ("a.cdx.gz", gzip.compress(b"x\n" * 5000)[:-9], "is broken"),
    ],
)
def test_a_file_that_is_no_index_is_one_error(tmp_path, name, content, said):
    """It names the file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        chosen(tmp_path / name)


def test_a_table_that_is_no_index_says_which_column_it_lacks(tmp_path):
    """Of those that are needed."""
    pq.write_table(pa.table({"url": ["x"], "warc_filename": ["y"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has no column 'warc_record_offset'"):
        chosen(tmp_path / "a.parquet")


@pytest.mark.parametrize("column", ["fetch_status", "url_host_tld", "url_host_name"])
def test_a_rule_over_a_column_that_is_not_there_is_one_error(tmp_path, column):
    """Not a file without rows."""
    path = parquet(rows({}), tmp_path / "a.parquet", without=column)
    rule = {
        "fetch_status": {"statuses": [200]},
        "url_host_tld": {"tlds": ["jp"]},
        "url_host_name": {"hosts": ["x"]},
    }
    with pytest.raises(DataError, match=column):
        chosen(path, **rule[column])
    assert chosen(path) == [0]


def test_columns_of_other_types_are_one_error_or_the_same_rows(tmp_path):
    """Offsets as text are read; a list of languages is not."""
    table = pa.table({**{key: [value] for key, value in ROW.items()}, "warc_record_offset": ["5"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert chosen(tmp_path / "a.parquet") == [5]
    pq.write_table(table.set_column(7, "content_languages", [[["jpn"]]]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet: is no index"):
        chosen(tmp_path / "b.parquet", languages=["jpn"])


def test_columns_without_any_value_are_rows_without_a_place(tmp_path):
    """Their type is null; they are counted, and no rule fails over them."""
    pq.write_table(pa.table({key: pa.nulls(3) for key in ROW}), tmp_path / "a.parquet")
    index = Index(files=(tmp_path / "a.parquet",), select=Select(mimes=[], statuses=[]))
    assert list(index.batches()) == []
    assert +index.broken == {"no_place": 3}
    rules = {
        "statuses": [200],
        "tlds": ["jp"],
        "hosts": [".x"],
        "url": "x",
        "crawls": ["C"],
        "mimes": ["text/html"],
    }
    assert chosen(tmp_path / "a.parquet", languages=["jpn"], **rules) == []
