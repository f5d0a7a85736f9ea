"""Refuse names of files that are no UTF-8 (from zip archives of a Japanese Windows, say): half of what reads them can't."""

from __future__ import annotations

import os
from pathlib import Path

from kakehi.pipeline.errors import DataError


def refuse_odd_name(path: Path | str, what: str) -> None:
    """Refuse a name that is no UTF-8, and say it in a way that can be printed.

    Args:
        path: as Python names it, with half a surrogate for each byte that is none.
        what: it is the name of.

    Raises:
        DataError: it is no UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        printable = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise DataError(
            f"{what} '{printable}': got a name that is no UTF-8",
            hint="rename it (convmv -f cp932 -t utf-8 --notest FILE mends names in Shift_JIS)",
        ) from None
