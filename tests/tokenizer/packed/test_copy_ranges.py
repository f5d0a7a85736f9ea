"""Runs of tokens are copied as slices would be, and none beyond what there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.tokenizer.packed.copy_ranges import move


@given(st.data(), st.sampled_from(["<u2", "<i4"]), st.booleans())
def test_equals_slices(data: st.DataObject, dtype: str, lent: bool) -> None:
    """Of both types of token, from arrays of our own and from lent, read-only ones; runs may be empty or meet."""
    source = np.arange(100, 160).astype(dtype)
    if lent:
        source = np.frombuffer(source.tobytes(), dtype)
    runs = data.draw(
        st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10), st.integers(0, 70)), max_size=8)
    )
    target = np.zeros(80, dtype)
    wanted = target.copy()
    for first, length, to in runs:
        wanted[to : to + length] = source[first : first + length]
    first, lengths, to = np.array(runs, np.int64).reshape(-1, 3).T
    move(source, first, lengths, target, to)
    assert target.tolist() == wanted.tolist()
    assert not lent or not source.flags.writeable
    assert lent or source.flags.writeable


@pytest.mark.parametrize(
    ("first", "length", "to", "name"),
    [
        (-1, 2, 0, "source"),
        (9, 2, 0, "source"),
        (0, -1, 0, "source"),
        (0, 2, -1, "target"),
        (0, 2, 4, "target"),
    ],
)
def test_runs_outside_are_refused(first: int, length: int, to: int, name: str) -> None:
    """Before anything is written."""
    target = np.zeros(5, "<u2")
    numbers = (np.array([0, number], np.int64) for number in (first, length, to))
    begin, lengths, places = numbers
    with pytest.raises(ValueError, match=f"outside of {name}"):
        move(np.ones(10, "<u2"), begin, lengths, target, places)
    assert not target.any()
