"""Rows of an index in the order of fetching: equal to a plain sort, however much of them fits in memory."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.pipeline.sources.archive import select
from kakehi.pipeline.sources.archive.index import CHOSEN
from kakehi.pipeline.sources.archive.select import Coalescing, Rows, sorted_rows, units, within

PLACES = st.lists(
    st.tuples(
        st.sampled_from(["a/1.gz", "a/2.gz", "b/3.gz", "b/4.gz"]), st.integers(0, 60), st.integers(1, 20)
    ),
    max_size=60,
)


def batch(places) -> pa.RecordBatch:
    rows = [
        {"url": f"https://{n}.example/", "archive": name, "offset": at, "length": size, "digest": None}
        for n, (name, at, size) in enumerate(places)
    ]
    return pa.RecordBatch.from_pylist(rows, CHOSEN)


def slowly_sorted(places):
    """Sort as documented, one row for each place."""
    return sorted(set(places), key=lambda place: (_bucket(place[0]), *place))


def _bucket(name: str) -> int:
    return hashlib.sha1(name.encode(), usedforsecurity=False).digest()[0]


@settings(max_examples=40)
@given(st.lists(PLACES, max_size=4), st.integers(1, 80))
def test_order_is_that_of_a_plain_sort_whatever_was_spilled(parts, held: int) -> None:
    """Each place once."""
    with TemporaryDirectory() as home, patch.object(select, "HELD_ROWS", held):
        tables = list(sorted_rows(map(batch, parts), Path(home) / "s"))
        assert not (Path(home) / "s").exists()
    found = [
        place
        for table in tables
        for place in zip(*(table[n].to_pylist() for n in CHOSEN.names[1:4]), strict=True)
    ]
    assert found == slowly_sorted([place for part in parts for place in part])


@settings(max_examples=60)
@given(PLACES, st.integers(0, 15), st.integers(1, 60))
def test_requests_cover_each_record_once_and_keep_to_their_bounds(places, gap: int, most: int) -> None:
    """Neighbours within the gap are together, as long as the request may be; a request goes forward over one file."""
    rows = Rows.of(pa.table(batch(slowly_sorted(places))))
    coalescing, first, count = Coalescing(gap_bytes=gap, max_bytes=most), 0, len(rows.archive)
    while first < count:
        stop = coalescing.end(rows, first, count)
        assert first < stop <= count
        for row in range(first + 1, stop):
            assert rows.archive[row] == rows.archive[first]
            assert 0 <= rows.offset[row] - (rows.offset[row - 1] + rows.length[row - 1]) <= gap
        size = rows.offset[stop - 1] + rows.length[stop - 1] - rows.offset[first]
        assert stop == first + 1 or size <= most
        if stop < count and rows.archive[stop] == rows.archive[first]:
            between = rows.offset[stop] - (rows.offset[stop - 1] + rows.length[stop - 1])
            longer = rows.offset[stop] + rows.length[stop] - rows.offset[first]
            assert not 0 <= between <= gap or longer > most
        first = stop


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 30))
def test_units_are_all_rows_in_order_each_over_its_size_but_the_last(lengths, size: int) -> None:
    """And none is over it without its last row."""
    cuts = units(lengths, size)
    assert [row for first, stop in cuts for row in range(first, stop)] == list(range(len(lengths)))
    for first, stop in cuts:
        assert sum(lengths[first : stop - 1]) < size
        assert sum(lengths[first:stop]) >= size or stop == len(lengths)


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(0, 100))
def test_a_budget_takes_as_many_of_the_first_rows_as_fit(lengths, budget: int) -> None:
    """One more would be over it."""
    count = within(lengths, budget)
    assert sum(lengths[:count]) <= budget
    assert count == len(lengths) or sum(lengths[: count + 1]) > budget
