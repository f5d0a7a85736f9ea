"""Texts become rows of documents, and what could not is a reject of the same place."""

import pyarrow as pa
import pytest
import xxhash

from kakehi.pipeline.sources.documents import BATCH_ROWS, Collector, Normalisation
from kakehi.pipeline.sources.split import Split
from kakehi.pipeline.storage.schemas import DOCUMENTS, REJECTS

SPLIT = Split("s", None, {"dataset": "d"}, None)


def collector(**parameters):
    """Give an empty collector."""
    return Collector(SPLIT, **{"normalisation": Normalisation(), "rejects": "rows", **parameters})


def add(mine, text, *, place=(0, 1), **fields):
    """Add a text with no more than needed."""
    mine.add(
        place, **{"record_id": None, "text": text, "title": None, "url": None, "fetched": None, **fields}
    )


def test_rows_have_the_declared_schemas():
    """Text is normalised, hashed and counted."""
    mine = collector()
    add(mine, "ﾃﾞｰﾀ𠮷\r\n", title=" 題 ", url="https://Sub.Example/x", codec="cp932", codec_from="header")
    mine.reject((7, 9), "http_status", record_id="r", url=None, note="404")
    [rows] = mine.flush()
    assert (rows.documents.schema, rows.rejects.schema) == (DOCUMENTS, REJECTS)
    [row] = rows.documents.to_pylist()
    assert row["characters"] == len(row["text"])
    assert row["text_hash"] == xxhash.xxh3_128_digest(row["text"].encode())
    assert (row["host"], row["codec"], row["input"]) == ("sub.example", "cp932", "d")
    assert rows.counts["records"] == 2
    assert rows.counts["documents"] == rows.counts["reject/http_status"] == 1
    assert rows.counts["text_bytes"] == len(row["text"].encode())
    assert rows.rejects.to_pylist()[0]["note"] == "404"


def test_rules_are_counted_in_texts_and_titles():
    """By name; a rule that is switched off neither acts nor counts."""
    for without, text, count in [((), "ABC", 4), (["full_width_letters"], "ＡＢＣ", 0)]:
        mine = collector(normalisation=Normalisation(without=without))
        add(mine, "ＡＢＣ", title="ｄ")
        [rows] = mine.flush()
        assert rows.documents.column("text").to_pylist() == [text]
        assert rows.counts.get("normalise/full_width_letters", 0) == count


@pytest.mark.parametrize("text", ["", "\n", " \t ", "\0\0"])
def test_a_text_of_nothing_is_a_reject(text):
    """Its neighbours keep their columns."""
    mine = collector()
    add(mine, "まえ", place=(1, 1), title="一")
    add(mine, text, place=(2, 1), title="二")
    add(mine, "あと", place=(3, 1), title="三")
    [rows] = mine.flush()
    assert [(r["text"], r["title"], r["offset"]) for r in rows.documents.to_pylist()] == [
        ("まえ", "一", 1),
        ("あと", "三", 3),
    ]
    assert [(r["reason"], r["offset"]) for r in rows.rejects.to_pylist()] == [("no_text", 2)]


def test_rejects_may_be_only_counted():
    """No row is written for any, empty texts among them."""
    mine = collector(rejects="counts")
    add(mine, "")
    mine.reject((0, 1), "too_deep", record_id=None, url=None)
    [rows] = mine.flush()
    assert rows.rejects.num_rows == rows.documents.num_rows == 0
    assert (rows.counts["reject/no_text"], rows.counts["reject/too_deep"]) == (1, 1)


def test_lone_surrogates_are_replaced():
    """In texts and titles alike; neighbours without stay as they are."""
    mine = collector()
    add(mine, "半\ud800分", title="\udfff")
    add(mine, "まるごと", title="題")
    [rows] = mine.flush()
    one, two = rows.documents.to_pylist()
    assert one["text"].startswith("半")
    assert one["text"].endswith("分")
    assert one["text"].encode()
    assert (two["text"], two["title"]) == ("まるごと", "題")


@pytest.mark.parametrize("url", ["http://[::1", "", "no address", "http://"])
def test_a_url_that_is_none_has_no_host(url):
    """It stays in the row as it was found."""
    mine = collector()
    add(mine, "あ", url=url)
    [rows] = mine.flush()
    [row] = rows.documents.to_pylist()
    assert row["url"] == url
    assert not row["host"]


def test_ids_name_source_and_record():
    """The record's own id, else input and offset; never the row."""
    mine = collector()
    add(mine, "あ", record_id="r")
    add(mine, "い", record_id="r", place=(5, 1))
    add(mine, "う", place=(5, 1))
    add(mine, "え", place=(6, 1))
    [rows] = mine.flush()
    one, two, three, four = rows.documents.column("id").to_pylist()
    assert one == two == xxhash.xxh3_128_digest(b"s\0r")
    assert three == xxhash.xxh3_128_digest(b"s\0d\x005")
    assert len({one, three, four}) == 3


def test_a_batch_is_due_by_rows_and_by_bytes():
    """And nothing is left once it is handed out."""
    mine = collector()
    for number in range(BATCH_ROWS):
        assert not mine.full()
        add(mine, "あ", place=(number, 1))
    assert mine.full()
    [rows] = mine.flush()
    assert rows.documents.num_rows == BATCH_ROWS
    assert not mine.full()
    assert list(mine.flush()) == []
    add(mine, "あ" * (23 << 20))
    assert mine.full()


def test_nothing_gives_no_batch():
    """Not even an empty one."""
    assert list(collector().flush()) == []


def test_batches_fit_one_table():
    """Types do not hang on what a batch holds."""
    mine = collector()
    add(mine, "あ")
    [one] = mine.flush()
    mine.reject((0, 1), "too_deep", record_id=None, url=None)
    [two] = mine.flush()
    assert pa.Table.from_batches([one.documents, two.documents]).num_rows == 1
