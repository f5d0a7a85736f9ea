"""screen: thresholds object, in order; nothing is dropped."""

import math

import pyarrow as pa
import pytest
from pydantic import ValidationError

from kakehi.pipeline.stages.screen import VERDICT, Threshold, screen


def screened(rules, gate=None, **signals):
    """Screen a batch of signals; give (verdict, objections) of each row."""
    rows = len(next(iter(signals.values())))
    batch = pa.record_batch({"gate": pa.array(gate or [None] * rows, pa.string()), **signals})
    out = screen(batch, rules=[Threshold.model_validate(rule) for rule in rules])
    assert out.schema == VERDICT
    return [(row["verdict"], row["objections"]) for row in out.to_pylist()]


def test_bounds_are_inclusive():
    """A value at the bound stays."""
    rules = [{"signal": "x", "min": 0.1, "max": 2}]
    found = screened(rules, x=pa.array([0.1, 2.0, 0.0999, 2.001]))
    assert [verdict for verdict, _ in found] == [None, None, "screen:x.min", "screen:x.max"]


def test_the_first_objection_is_the_verdict_and_all_are_listed():
    """The order of the rules decides, the gate comes first."""
    rules = [{"signal": "y", "max": 1}, {"signal": "x", "min": 5}]
    found = screened(
        rules, gate=["extract:language", None, None], x=pa.array([1, 1, 9]), y=pa.array([2, 2, 2])
    )
    both = ["screen:y.max", "screen:x.min"]
    assert found == [
        ("extract:language", ["extract:language", *both]),
        ("screen:y.max", both),
        ("screen:y.max", ["screen:y.max"]),
    ]


@pytest.mark.parametrize("missing", ["drop", "keep"])
def test_what_can_not_be_measured(missing):
    """Null and NaN are neither too small nor too large."""
    rules = [{"signal": "x", "min": 1, "max": 2, "missing": missing}]
    found = screened(rules, x=pa.array([None, math.nan, 1.5]))
    name = "screen:x.missing" if missing == "drop" else None
    assert [verdict for verdict, _ in found] == [name, name, None]


def test_labels():
    """A text signal is one of some values."""
    found = screened([{"signal": "l", "in": ["ja", "ryu"]}], l=pa.array(["ja", "en", None]))
    assert [verdict for verdict, _ in found] == [None, "screen:l.in", "screen:l.missing"]


def test_no_rules_and_no_rows():
    """No rule has no objection; no row has no verdict."""
    assert screened([], x=pa.array([1])) == [(None, [])]
    assert screened([{"signal": "x", "min": 1}], x=pa.array([], pa.int64())) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"signal": "x"},
        {"signal": "x", "min": 1, "in": ["a"]},
        {"signal": "x", "min": math.nan},
        {"signal": "x", "mni": 1},
    ],
)
def test_a_rule_that_says_nothing(rule):
    """A threshold has bounds or values, and no other key."""
    with pytest.raises(ValidationError):
        Threshold.model_validate(rule)
