"""Describe a family: one function over document columns that measures several signals in one pass."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


def _itself(path: Path) -> Path:
    return path


def _nothing(**_: object) -> None:
    """Have no files to check."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Describe one measured column.

    Args:
        name: the column's name; a manifest's threshold uses it.
        dtype: the column's Arrow type.
        unit: what it counts (characters, lines, sentences), or share, probability, label.
        source: how it is defined, numerator and denominator, and where the definition is from.
    """

    name: str
    dtype: pa.DataType
    unit: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Family:
    """Describe a measuring function and what it returns.

    Args:
        measure: takes the columns of `reads` and keyword parameters, returns one array per signal, in order. A row's
            values depend on that row alone. NaN means "not measurable", and a threshold says what then.
        reads: the document columns it takes.
        signals: what it returns.
        version: rises when the meaning of a value changes.
        libraries: the distributions whose behaviour decides the values.
        files: parameters that name files; their content decides the address, and patterns may name several.
        locate: gives the file that a name of such a parameter stands for.
        check: takes the parameters, and raises ValueError if a file is not what it should be.
        kernels: names in `pipeline/engines/kernels.py` of what measuring runs.
        evidence: takes what `measure` takes, of one row, and returns lines that say why it has its values; for
            `kakehi explain`.
    """

    measure: Callable[..., tuple[pa.Array, ...]]
    reads: tuple[str, ...]
    signals: tuple[Signal, ...]
    version: int
    libraries: tuple[str, ...]
    files: tuple[str, ...] = ()
    locate: Callable[[Path], Path] = _itself
    check: Callable[..., None] = _nothing
    kernels: tuple[str, ...] = ()
    evidence: Callable[..., list[str]] | None = None
