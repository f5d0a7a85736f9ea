"""Align the columns of a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest


def align_columns(
    rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,), least: Sequence[int] = (), gap: int = 2
) -> Iterator[str]:
    """Write rows as lines, every column as wide as its widest cell, and nothing blank at the end of a line.

    Args:
        rows: of cells, as many in each.
        left: numbers of the columns that are aligned to the left.
        least: widths that columns have at least, from the first on.
        gap: blanks between two columns.
    """
    widest = (max(map(len, cells)) for cells in zip(*rows, strict=True))
    widths = [max(pair) for pair in zip_longest(widest, least, fillvalue=0)]
    for row in rows:
        cells = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield (" " * gap).join(cells).rstrip()
