"""Count numbers in bins that need no range beforehand: one pass, constant memory, mergeable by addition.

A bin is the float64's sign, exponent and upper 10 bits of fraction. So whole numbers up to 2,048 have a bin of their own
and no bin is wider than 0.1 % of its value, whatever the order and the cuts of the input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from kakehi.arrays import Float64N, Int64N

_FRACTION_BITS = 10
_SHIFT = np.int64(52 - _FRACTION_BITS)


def _none() -> Int64N:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bins:
    """How many values lie in each bin.

    Args:
        keys: int64[b], ascending; the bins that hold anything.
        counts: int64[b], values.
    """

    keys: Int64N = field(default_factory=_none)
    counts: Int64N = field(default_factory=_none)

    @classmethod
    def of(cls, values: Float64N) -> Self:
        """Count finite values."""
        keys, counts = np.unique(_keys(values), return_counts=True)
        return cls(keys=keys, counts=counts.astype(np.int64))

    @classmethod
    def merged(cls, parts: Iterable[Bins]) -> Self:
        """Add up the counts of several histograms, bin by bin."""
        every = list(parts)
        keys, place = np.unique(np.concatenate([_none(), *(b.keys for b in every)]), return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, place, np.concatenate([_none(), *(b.counts for b in every)]))
        return cls(keys=keys, counts=counts)

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    @property
    def values(self) -> Float64N:
        """float64[b]: the end nearer to zero of each bin."""
        return _values(self.keys)

    def quantile(self, percent: int) -> float:
        """Give the value that `percent` of a hundred do not exceed (nearest rank); NaN of nothing."""
        if not self.total:
            return float("nan")
        rank = max(1, -(-percent * self.total // 100))
        return float(self.values[np.searchsorted(np.cumsum(self.counts), rank)])

    def spread(self, edges: Float64N) -> Int64N:
        """Count the values between edges; those beyond either end are counted in the outermost bars.

        Args:
            edges: float64[e], ascending.

        Returns:
            int64[e - 1].
        """
        place = np.clip(np.searchsorted(edges, self.values, side="right") - 1, 0, len(edges) - 2)
        found = np.zeros(len(edges) - 1, np.int64)
        np.add.at(found, place, self.counts)
        return found


def _keys(values: Float64N) -> Int64N:
    size = np.abs(values).view(np.int64) >> _SHIFT
    return np.where(values < 0, -size - 1, size)


def _values(keys: Int64N) -> Float64N:
    negative = keys < 0
    size = (np.where(negative, -keys - 1, keys) << _SHIFT).view(np.float64)
    return np.where(negative, -size, size)
