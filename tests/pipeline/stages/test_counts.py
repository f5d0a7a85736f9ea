"""Counts of parts add up to the counts of the whole, and the funnel to what was kept."""

from collections import Counter

import pyarrow as pa
import pytest

from kakehi.pipeline.stages.catalogue import STAGES
from kakehi.pipeline.stages.counts import count_batch
from kakehi.pipeline.stages.inputs import StepSummary
from kakehi.pipeline.stages.report.funnel import draw, funnel
from kakehi.pipeline.storage.store import Receipt

STAGE = {stage.name: stage for stage in STAGES}

VERDICTS = [None, "screen:a.min", None, "screen:b.max", "screen:a.min"]
OBJECTIONS = [[], ["screen:a.min"], [], ["screen:b.max"], ["screen:a.min", "screen:b.max"]]
CHARACTERS = [10, 20, 30, 40, 50]


def opinions(start: int = 0, stop: int = 5) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Give verdicts and the documents they are on."""
    out = pa.record_batch(
        {
            "verdict": pa.array(VERDICTS[start:stop], pa.string()),
            "objections": pa.array(OBJECTIONS[start:stop], pa.list_(pa.string())),
        }
    )
    return out, pa.record_batch({"characters": pa.array(CHARACTERS[start:stop], pa.int64())})


def step(name: str, source: str | None, *counts: dict[str, int]) -> StepSummary:
    """Give a step whose receipts count this."""
    receipts = tuple(Receipt(step=name, source=source, shard="s", address="a", counts=c) for c in counts)
    return StepSummary(name=name, source=source, stage=STAGE[name], parameters={}, receipts=receipts)


def test_verdicts_are_counted_with_their_characters() -> None:
    """Every document is kept or has a verdict; every objection is counted, and those that stand alone."""
    assert count_batch("verdict", *opinions()) == {
        "rows": 5,
        "kept/documents": 2,
        "kept/characters": 40,
        "verdict/screen:a.min/documents": 2,
        "verdict/screen:a.min/characters": 70,
        "verdict/screen:b.max/documents": 1,
        "verdict/screen:b.max/characters": 40,
        "objection/screen:a.min": 2,
        "objection/screen:b.max": 2,
        "alone/screen:a.min": 1,
        "alone/screen:b.max": 1,
    }


@pytest.mark.parametrize("cut", range(6))
def test_counts_of_parts_add_up(cut: int) -> None:
    """However the rows are cut into batches, the sums are the same; slices count as what they show."""
    whole, documents = opinions()
    parts = [
        count_batch("verdict", whole.slice(0, cut), documents.slice(0, cut)),
        count_batch("verdict", whole.slice(cut), documents.slice(cut)),
    ]
    assert sum(map(Counter, parts), Counter()) == Counter(count_batch("verdict", whole, documents))


def test_tokens_are_counted_where_there_are_any() -> None:
    """A document that was not encoded has null, not an empty text."""
    out = pa.record_batch({"ids": pa.array([b"1122", None, b"33"]), "length": pa.array([2, 0, 1])})
    assert count_batch("tokens", out, out) == {"rows": 3, "tokens": 3, "encoded": 2}


def test_the_funnel_adds_up_over_sources_and_steps() -> None:
    """Records less rejects are documents; documents less drops are kept; characters likewise."""
    rows = funnel(
        [
            step("extract", "a", {"records": 9, "reject/language": 2, "documents": 7, "characters": 700}),
            step(
                "ingest",
                "b",
                {"records": 3, "documents": 3, "characters": 20},
                {"records": 1, "reject/language": 1},
            ),
            step("screen", "a", {"verdict/x/documents": 3, "verdict/x/characters": 30, "kept/documents": 4}),
            step("screen", "b", {"verdict/x/documents": 1, "verdict/x/characters": 5}),
            step("keep", None, {"verdict/y/documents": 1, "verdict/y/characters": 100}),
            step("encode", "a", {"tokens": 40}),
            step("encode", "b", {"tokens": 2}),
        ]
    )
    assert [(row.kind, row.label, row.documents, row.characters) for row in rows] == [
        ("total", "records in", 13, None),
        ("reject", "reject: language", -3, None),
        ("total", "documents", 10, 720),
        ("drop", "drop: x", -4, -35),
        ("drop", "drop: y", -1, -100),
        ("total", "kept", 5, 585),
        ("tokens", "tokens (encode, end marks counted)", 42, None),
    ]


def test_the_funnel_of_nothing_is_all_zero() -> None:
    """No steps, no documents, no error."""
    assert [(row.label, row.documents) for row in funnel([])] == [
        ("records in", 0),
        ("documents", 0),
        ("kept", 0),
    ]


def test_the_funnel_is_drawn_in_columns() -> None:
    """Numbers have thousands separators and end in one column."""
    lines = draw(funnel([step("extract", "a", {"records": 1234567, "documents": 1000000, "characters": 5})]))
    assert [line.split()[-1] for line in lines.split("\n")] == ["characters", "1,234,567", "5", "5"]
    assert len({line.rindex(" 1,") for line in lines.split("\n")[1:]}) == 1
