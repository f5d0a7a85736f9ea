"""Rows to records: paths into a row, fields that are missing or no text, and what is counted of them."""

from __future__ import annotations

from collections import Counter

import pytest

from kakehi.pipeline.sources.formats.records import (
    ABSENT,
    Record,
    checked_fields,
    from_row,
    listed_keys,
    nearest_key,
    value_at,
)


@pytest.mark.parametrize(
    ("row", "path", "value"),
    [
        ({"a": {"b": 1}}, "a.b", 1),
        ({"a": {"b": {"c": 2}}}, "a.b.c", 2),
        ({"a.b": 3, "a": {"b": 1}}, "a.b", 3),
        ({"a.b": None, "a": {"b": 1}}, "a.b", None),
        ({"a.b": {"c": 4}}, "a.b.c", 4),
        ({"a": {"b.c": 5}}, "a.b.c", 5),
        ({"a": 1, "a.b": {"c": 6}}, "a.b.c", 6),
        ({"a": {"b": None}}, "a.b", None),
        ({"": {"": 7}}, ".", 7),
        ({"a": {"b": 1}}, "a.c", ABSENT),
        ({"a": None}, "a.b", ABSENT),
        ({"a": [{"b": 1}]}, "a.b", ABSENT),
        ({"a": "b"}, "a.b", ABSENT),
        ({}, "a.b.c.d.e.f.g", ABSENT),
    ],
)
def test_a_path_leads_into_a_row(row, path, value):
    """Keys joined by dots are followed; a key that has the dots itself wins, at each depth."""
    assert value_at(row, path) is value or value_at(row, path) == value


def taken(rows, fields):
    """Make records of rows; give them and the counts."""
    counts = Counter()
    mapped = checked_fields(fields, where="t", counts=counts)
    return [from_row(row, mapped, offset=n, length=1) for n, row in enumerate(rows)], counts


@pytest.mark.parametrize("value", [3, 1.5, ["t"], {"ja": "t"}, True, b"t", "\ud800 half", "a\udfff"])
@pytest.mark.parametrize("field", ["title", "url", "fetched", "id"])
def test_an_optional_field_of_a_wrong_type_costs_itself(field, value):
    """It is null in its document, and counted; a whole number is an id."""
    [record], counts = taken([{"text": "文", "x": value, "y": "fine"}], {"text": "text", field: "x"})
    assert isinstance(record, Record)
    name = "record_id" if field == "id" else field
    whole = field == "id" and value == 3 and value is not True
    assert getattr(record, name) == ("3" if whole else None)
    assert counts[f"lost/{field}"] == (not whole)
    assert record.host is None


def test_what_costs_the_row_is_its_text_alone():
    """A text that is missing, of another type, or half a pair, is a reject that keeps the row's id and address."""
    rows = [{}, {"text": 3}, {"text": "\ud800"}, {"text": ""}, {"text": None}]
    found, _ = taken(
        [{**row, "id": 7, "url": "u"} for row in rows], {"text": "text", "id": "id", "url": "url"}
    )
    wanted = ["missing_field", "wrong_type", "invalid_utf8", "empty_body", "missing_field"]
    assert [item.reason for item in found] == wanted
    assert {(item.record_id, item.url) for item in found} == {("7", "u")}


def test_fields_that_are_absent_are_counted_and_null_is_not_absent():
    """`absent/url` of `mapped`; the keys of the first rows are noted only where a field was not seen yet."""
    fields = {"text": "text", "url": "meta.url", "title?": "title"}
    _, counts = taken([{"text": "a", "meta": {"url": None}}, {"text": "b"}], fields)
    assert dict(counts) == {"mapped": 2, "absent/title": 2, "absent/url": 1}


def test_noted_keys_are_few_whatever_the_rows_are():
    """A million keys, deep rows and control characters make no receipt large."""
    deep: dict = {}
    for _ in range(500):
        deep = {"a": deep}
    rows = [{f"k{n}-{i}": 0 for i in range(999)} for n in range(20)] + [{"x" * 9999: 0, "\x1b[1m": deep}]
    _, counts = taken(rows[::-1], {"text": "text"})
    keys = [key for key in counts if key.startswith("key/")]
    assert len(keys) <= 300
    assert max(map(len, keys)) < 300
    assert "key/?[1m.a.a" in keys


@pytest.mark.parametrize(
    ("path", "keys", "meant"),
    [
        ("url", ["id", "metadata.url"], "metadata.url"),
        ("metadata.ulr", ["id", "metadata.url"], "metadata.url"),
        ("URL", ["url", "text"], "url"),
        ("contents", ["content", "id"], "content"),
        ("meta.title", ["metadata.title"], "metadata.title"),
    ],
)
def test_a_misspelt_key_has_a_nearest(path, keys, meant):
    """By its last part, wherever that lies, then by its letters."""
    assert nearest_key(path, keys) == f"; did you mean {meant!r}?"
    assert nearest_key(path, ["zzz"]) == ""


def test_keys_are_listed_up_to_a_number():
    """An error stays readable."""
    assert listed_keys([]) == "none"
    assert listed_keys(f"{n:03}" for n in range(100)).endswith("023 and 76 more")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text?": "a"}, "names 'text\\?'"),
        ({"text": "a", "url": "b", "url?": "c"}, "names both 'url' and 'url\\?'"),
        ({"text": "a", "link?": "b"}, "names 'link\\?', wanted some of text, id"),
    ],
)
def test_a_question_mark_has_its_place(fields, says):
    """Only one form of each field, and never of the text."""
    with pytest.raises(ValueError, match=says):
        checked_fields(fields, where="t")
