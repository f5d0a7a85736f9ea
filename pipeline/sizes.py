"""Read sizes in bytes as people write them, and write them as people read them."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator

_FACTORS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

Unit: TypeAlias = Literal["TB", "GB", "MB", "kB", "B"]

_UNITS: Final[tuple[tuple[Unit, int], ...]] = (
    ("TB", 10**12),
    ("GB", 10**9),
    ("MB", 10**6),
    ("kB", 1000),
    ("B", 1),
)


def parse_size(value: object) -> object:
    """Read `4GiB`, `512 MiB` or a number in a string; give anything else back.

    `4GB` and `4G` are 4 GiB too, as memory is meant. pydantic's ByteSize takes them for 4 * 10^9.

    Raises:
        ValueError: a string is no such thing.
    """
    if not isinstance(value, str):
        return value
    number, unit = value.strip(), ""
    for suffix in ("iB", "B"):
        number = number.removesuffix(suffix)
    if number[-1:].upper() in _FACTORS and number[-1:].isalpha():
        number, unit = number[:-1], number[-1:].upper()
    return float(number) * _FACTORS[unit]


#: Of a parameter in bytes.
Size = Annotated[int, BeforeValidator(parse_size)]


def format_size(count: float, least: Unit = "kB") -> str:
    """Write bytes in the largest decimal unit of which there is one, `1.2 MB`.

    Args:
        count: of bytes.
        least: unit of all that is smaller, too.
    """
    for unit, size in _UNITS:
        if count >= size or unit == least:
            return f"{count / size:,.{0 if unit == 'B' else 1}f} {unit}"
    raise ValueError(f"least: got {least!r}, wanted one of {[unit for unit, _ in _UNITS]}")
