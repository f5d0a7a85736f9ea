"""screen: thresholds object, in order; nothing is dropped."""

import hashlib
import math

import pyarrow as pa
import pytest
from pydantic import ValidationError

from kakehi.pipeline.stages.screen import VERDICT, Threshold, screen


def screened(rules, gate=None, **signals):
    """Screen a batch of signals; give (verdict, objections) of each row."""
    rows = len(next(iter(signals.values())))
    ids = pa.array([hashlib.md5(bytes([i % 256, i // 256])).digest() for i in range(rows)], pa.binary(16))  # noqa: S324 - no secrets
    batch = pa.record_batch({"id": ids, "gate": pa.array(gate or [None] * rows, pa.string()), **signals})
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


def test_labels_that_go():
    """A text signal is none of some values."""
    found = screened([{"signal": "l", "not_in": ["zh"], "missing": "keep"}], l=pa.array(["ja", "zh", None]))
    assert [verdict for verdict, _ in found] == [None, "screen:l.not_in", None]


def test_exclusive_bounds():
    """`over` and `under` do not hold at the bound."""
    rules = [{"signal": "x", "over": 1, "under": 3}]
    found = screened(rules, x=pa.array([1.0, 1.1, 2.9, 3.0]))
    assert [verdict for verdict, _ in found] == ["screen:x.over", None, None, "screen:x.under"]


def test_a_bound_of_nought_is_a_bound():
    """0 does not mean off."""
    assert screened([{"signal": "x", "max": 0}], x=pa.array([0, 1])) == [
        (None, []),
        ("screen:x.max", ["screen:x.max"]),
    ]


def test_two_rules_of_one_name_object_once():
    """Two bounds on one signal both hold, and are one objection."""
    rules = [{"signal": "x", "max": 5}, {"signal": "y", "max": 0}, {"signal": "x", "max": 3}]
    found = screened(rules, x=pa.array([4, 6]), y=pa.array([0, 1]))
    assert found == [
        ("screen:x.max", ["screen:x.max"]),
        ("screen:x.max", ["screen:x.max", "screen:y.max"]),
    ]


def test_a_share_is_kept_by_id():
    """The same documents whatever their order, other ones for another rule, and about as many as asked for."""
    rows = 2000
    rule = {"signal": "x", "max": 0, "keep": 0.25}
    kept = [verdict is None for verdict, _ in screened([rule], x=pa.array([1] * rows))]
    assert abs(sum(kept) - 500) < 100
    again = [verdict is None for verdict, _ in screened([rule], x=pa.array([1] * 700))]
    assert again == kept[:700]
    other = [verdict is None for verdict, _ in screened([{**rule, "signal": "y"}], y=pa.array([1] * rows))]
    assert other != kept


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
        {"signal": "x", "min": 1, "not_in": ["a"]},
        {"signal": "x", "min": 1, "keep": 1},
        {"signal": "x", "min": 1, "keep": -0.1},
        {"signal": "x", "keep": 0.5},
    ],
)
def test_a_rule_that_says_nothing(rule):
    """A threshold has bounds or values, and no other key."""
    with pytest.raises(ValidationError):
        Threshold.model_validate(rule)
