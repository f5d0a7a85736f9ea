"""Tables for a terminal: columns stand under each other, and lines end with their last letter."""

from hypothesis import given
from hypothesis import strategies as st

from kakehi.pipeline.columns import align_columns

CELL = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)


def test_words_stand_left_and_numbers_right() -> None:
    """The first column is words unless it is said otherwise."""
    assert list(align_columns([("rule", "first"), ("longest", "1,000"), ("a", "")])) == [
        "rule     first",
        "longest  1,000",
        "a",
    ]


def test_least_widths_and_gaps_are_kept() -> None:
    """A wider cell widens its column all the same."""
    assert list(align_columns([("a", "1"), ("longer", "20")], left=(0, 1), least=(4, 1), gap=1)) == [
        "a      1",
        "longer 20",
    ]


def test_no_row_is_no_line() -> None:
    """A plan may be empty."""
    assert list(align_columns([])) == []


@given(st.lists(st.tuples(CELL, CELL, CELL)), st.sets(st.integers(0, 2)), st.integers(1, 4))
def test_every_cell_is_found_at_its_place(rows: list[tuple[str, ...]], left: set[int], gap: int) -> None:
    """Each column begins at one place in all lines."""
    lines = list(align_columns(rows, left=sorted(left), gap=gap))
    assert len(lines) == len(rows)
    start = 0
    for number in range(3 if rows else 0):
        width = max(len(row[number]) for row in rows)
        for row, line in zip(rows, lines, strict=True):
            cell = line[start : start + width]
            assert cell.strip() == row[number]
            assert cell.rstrip() == row[number] or number not in left
        start += width + gap
