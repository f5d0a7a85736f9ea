"""Sizes are read as they are meant, and written as they are read."""

import pytest
from pydantic import TypeAdapter, ValidationError

from kakehi.pipeline.sizes import Size, Unit, format_size

READ = TypeAdapter(Size)


@pytest.mark.parametrize(
    "text", ["4GiB", "4 GiB", " 4GiB ", "4GB", "4G", "4g", "4096MiB", "4294967296", 4 << 30]
)
def test_four_gibibytes_in_all_spellings(text: str | int) -> None:
    """GB is GiB: nobody sells memory by 10^9 bytes."""
    assert READ.validate_python(text) == 4 << 30


@pytest.mark.parametrize(
    ("text", "size"), [("1.5GiB", 3 << 29), ("64K", 1 << 16), ("1e9", 10**9), ("4B", 4), (2.0, 2)]
)
def test_other_numbers_and_units(text: str | float, size: int) -> None:
    """A part of a unit will do, if it is whole bytes."""
    assert READ.validate_python(text) == size


@pytest.mark.parametrize("text", ["", "much", "4 apples", "4gib", "4PiB", "0.3K", 1.5, "nan", "inf"])
def test_what_is_no_size(text: str | float) -> None:
    """It is refused, not guessed at."""
    with pytest.raises(ValidationError):
        READ.validate_python(text)


@pytest.mark.parametrize(
    ("count", "least", "text"),
    [
        (0, "kB", "0.0 kB"),
        (999, "B", "999 B"),
        (1000, "B", "1.0 kB"),
        (600_000, "MB", "0.6 MB"),
        (999_999, "kB", "1,000.0 kB"),
        (1_200_000, "kB", "1.2 MB"),
        (2.4e12, "B", "2.4 TB"),
        (5e15, "kB", "5,000.0 TB"),
    ],
)
def test_sizes_are_written_in_the_largest_unit(count: float, least: Unit, text: str) -> None:
    """What is smaller than the least unit is a part of it."""
    assert format_size(count, least) == text
