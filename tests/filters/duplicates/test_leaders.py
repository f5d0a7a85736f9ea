"""Leaders of large buckets against a slow choice, and that they reach what is alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.duplicates.leaders import led_pairs, length_class
from tests.oracles import pairs_led_slowly


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1000),
            st.one_of(st.integers(1, 60), st.integers(1, 10**6)),
            st.integers(0, 2),
        ),
        unique_by=lambda row: row[0],
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_equals_the_slow_choice(members, leaders):
    """Each row with the longest of each source, of its own class of length and the next three."""
    rows, sizes, sources = (
        np.array(column, np.int64) for column in (zip(*members, strict=True) if members else ([],) * 3)
    )
    pairs = led_pairs(rows, sizes, sources, leaders=leaders)
    assert list(map(tuple, pairs.tolist())) == sorted(pairs_led_slowly(members, leaders))


def test_what_is_out_of_reach_is_not_alike():
    """A class spans a 64th; beyond sixteen more, the shorter text has less than four fifths of the longer one's length."""
    sizes = np.arange(1, 200_000)
    classes = length_class(sizes)
    assert (np.diff(classes) <= 1).all()
    first = np.flatnonzero(np.diff(classes)) + 1
    assert (sizes[first[1:] - 1] <= sizes[first[:-1]] * 65 / 64 + 1).all()
    reached = np.searchsorted(classes, classes + 16, "right")  # first size out of reach
    inside = (reached < len(sizes)) & (sizes > 64)
    assert (sizes[inside] < 0.8 * sizes[reached[inside]]).all()


@pytest.mark.slow
def test_pairs_grow_with_rows_not_with_their_square():
    """Of 20,000 rows, of all lengths or of one, a few times as many as there are leaders."""
    rows = np.arange(20_000)
    draw = np.random.default_rng(1)
    for most in (2, 100, 100_000):
        sizes = draw.integers(1, most, len(rows))
        assert len(led_pairs(rows, sizes, rows % 2, leaders=16)) <= 56 * len(rows)
