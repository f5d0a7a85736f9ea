"""Bins add up in any order, and quantiles read from them are right to 0.1 %."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.stages.report.histogram import Bins

FLOATS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


def quantile_slowly(values: list[float], percent: int) -> float:
    """Give the smallest value that `percent` of a hundred values do not exceed."""
    for value in sorted(values):
        if sum(x <= value for x in values) * 100 >= percent * len(values):
            return value
    raise AssertionError


@settings(max_examples=60)
@given(FLOATS, st.integers(0, 100))
def test_quantiles_are_right_to_a_thousandth(values: list[float], percent: int) -> None:
    """A quantile is the exact one, rounded towards zero by less than 0.1 %."""
    found = Bins.of(np.array(values)).quantile(percent)
    wanted = quantile_slowly(values, percent)
    if abs(wanted) < np.finfo(float).tiny:
        assert abs(found) <= np.finfo(float).tiny
    else:
        assert abs(wanted) * (1 - 2**-10) <= abs(found) <= abs(wanted)
        assert np.sign(found) == np.sign(wanted)


@settings(max_examples=30)
@given(FLOATS, st.integers(0, 40))
def test_bins_of_parts_add_up(values: list[float], cut: int) -> None:
    """Counting in two parts, merged in either order, is counting once."""
    whole = Bins.of(np.array(values))
    parts = [Bins.of(np.array(part, np.float64)) for part in (values[:cut], values[cut:])]
    for order in (parts, parts[::-1]):
        merged = Bins.merged(order)
        assert np.array_equal(merged.keys, whole.keys)
        assert np.array_equal(merged.counts, whole.counts)
    assert whole.total == len(values)


@pytest.mark.parametrize("number", [0, 1, -1, 7, 1000, 2047, 2048, -2048])
def test_small_whole_numbers_are_exact(number: int) -> None:
    """Whole numbers up to 2,048 have a bin of their own."""
    assert Bins.of(np.array([number], np.float64)).values.tolist() == [number]


def test_minus_zero_is_zero() -> None:
    """Zero has one bin, whatever its sign."""
    assert Bins.of(np.array([0.0, -0.0])).counts.tolist() == [2]


def test_bars_hold_every_value() -> None:
    """What lies beyond the edges is in the outermost bars."""
    bins = Bins.of(np.array([-5.0, 0.0, 1.0, 1.5, 2.0, 9.0]))
    assert bins.spread(np.array([0.0, 1.0, 2.0])).tolist() == [2, 4]


def test_nothing_has_no_quantile() -> None:
    """The quantile of nothing is NaN."""
    assert np.isnan(Bins.merged([]).quantile(50))
