"""Compare the rows of a large bucket with a few of them, its leaders, since all its pairs grow with the square.

`keep` lets a document leave only for one it is compared with that stays. So a leader is of use if it stays, and what
stays is the longest by default, or that of the best source: the longest rows of every source lead. And documents whose
lengths are far apart are not alike, whatever they share: each length has leaders of its own, so that families of
different lengths in one bucket do not crowd each other out.
"""

from functools import cache
from typing import Final

import numpy as np

from kakehi.arrays import Int64M, Int64N, Int64NK

#: Lengths of one class differ by a 64th, and a text meets leaders of the next 16 classes, up to 1.3 times as long: texts
#: of similarity 0.8 differ in length by a quarter at most.
_STEPS: Final = 16


def led_pairs(rows: Int64M, sizes: Int64M, sources: Int64M, *, leaders: int) -> Int64NK:
    """Pair the rows of a bucket with its leaders: those of their own class of length, and of the next longer ones.

    Args:
        rows: of the bucket, int64[n], each once.
        sizes: of their texts, in characters, int64[n], over 0.
        sources: number of the source of each, int64[n].
        leaders: shared out to the classes of length from each one up, as far as it reaches, and in a class to its
            sources, one each at least: its longest rows, of equal lengths the lowest.

    Returns:
        int64[p, 2]: the lower row and the other, each pair once, ascending.
    """
    order = np.lexsort((rows, -sizes, sources, length_class(sizes)))
    rows, class_, source = rows[order], length_class(sizes)[order], sources[order]
    chosen = np.flatnonzero(_rank(class_, source) < _shares(class_, source, leaders))
    start = np.searchsorted(class_[chosen], class_, "left")
    number = np.searchsorted(class_[chosen], class_ + _STEPS, "right") - start
    which = np.repeat(np.arange(len(rows)), number)
    leader = chosen[start[which] + np.arange(len(which)) - np.repeat(np.cumsum(number) - number, number)]
    pairs = np.stack([rows[which], rows[leader]], axis=1)[which != leader]
    pairs.sort(axis=1)
    unique: Int64NK = np.unique(pairs, axis=0)
    return unique


def length_class(sizes: Int64M) -> Int64N:
    """Number the class of length of each size."""
    found: Int64N = np.searchsorted(_borders(), sizes, "right").astype(np.int64)
    return found


@cache
def _borders() -> Int64N:
    """Give the least length of each class, of whole numbers, so that no machine rounds them otherwise: 60 ms."""
    return np.unique([65**power // 64**power for power in range(2400)]).astype(np.int64)


def _rank(class_: Int64N, source: Int64N) -> Int64N:
    """Count the rows before each in its class and source."""
    every = np.arange(len(class_))
    new = np.flatnonzero((np.diff(class_, prepend=-1) != 0) | (np.diff(source, prepend=-1) != 0))
    return every - np.repeat(new, np.diff(np.append(new, len(class_))))


def _shares(class_: Int64N, source: Int64N, leaders: int) -> Int64N:
    """Give the leaders that each source has in each row's class."""
    classes, place = np.unique(class_, return_inverse=True)
    occupied = np.searchsorted(classes, classes + _STEPS, "right") - np.arange(len(classes))
    new = (np.diff(class_, prepend=-1) != 0) | (np.diff(source, prepend=-1) != 0)
    sources = np.bincount(place, weights=new).astype(np.int64)
    shares = np.maximum(1, np.maximum(1, leaders // np.maximum(1, occupied)) // np.maximum(1, sources))
    return np.asarray(shares[place], np.int64)
