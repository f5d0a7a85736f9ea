"""What bands catch: the S-curve of a number of bands and rows, and datasketch's choice of them for a target."""

from bisect import bisect_left
from functools import cache
from typing import NamedTuple

import numpy as np

from kakehi.arrays import Float64N


class Bands(NamedTuple):
    """So many keys of so many hashes."""

    bands: int
    rows: int


def caught(similarity: Float64N | float, bands: int, rows: int) -> Float64N:
    """Return the share of pairs of a similarity that share a key, 0 to 1: 1 - (1 - s^rows)^bands."""
    share: Float64N = 1 - (1 - np.asarray(similarity, np.float64) ** rows) ** bands
    return share


def best_bands(similarity: float, *, hashes: int, recall: float = 0.0) -> Bands:
    """Choose bands and rows for a threshold, from at most so many hashes.

    They are those of datasketch's index for the threshold. Where that catches less than `recall` of the pairs at the
    threshold, the rows are those of its index for the nearest threshold below, in hundredths, that catches as many; and
    of its bands the fewest that do.

    Args:
        similarity: The threshold, over 0, below 1.
        hashes: Permutations of a signature.
        recall: Share of pairs at the threshold that must be caught, 0 to 1.

    Raises:
        ValueError: No index catches so many, in two bands or more.

    Source: datasketch, `MinHashLSH(threshold, num_perm)`. Its `weights` are no way to a recall: at 0.8, for 0.99 of the pairs
    from 128 hashes, they lead to rows of one hash, where this gives 16 bands of 6.
    """

    def reaches(step: int) -> bool:
        found = _of_index(similarity - step / 100, hashes)
        return found is not None and float(caught(similarity, *found)) >= recall

    steps = range(max(1, int(100 * similarity)))
    step = 0 if reaches(0) else bisect_left(steps, True, key=reaches)
    found = _of_index(similarity - step / 100, hashes) if step < len(steps) else None
    if found is None:
        raise ValueError(
            f"bands: {hashes} hashes catch no {recall!r} of pairs at {similarity!r}, wanted more hashes or less recall"
        )
    if step and recall:
        enough = (bands for bands in range(1, found.bands) if caught(similarity, bands, found.rows) >= recall)
        return Bands(next(enough, found.bands), found.rows)
    return found


@cache
def _of_index(threshold: float, hashes: int) -> Bands | None:
    """Ask datasketch's index, 25 ms for 128 hashes and 0.6 s for 1,024; None where it would have a single band."""
    from datasketch import MinHashLSH  # noqa: PLC0415 - brings scipy, 0.6 s to import

    try:
        index = MinHashLSH(threshold=threshold, num_perm=hashes)
    except ValueError:
        return None
    return Bands(index.b, index.r)
