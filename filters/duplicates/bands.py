"""What bands catch: the S-curve of a number of bands and rows, and the best of them for a target."""

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

    The error is datasketch's: the area under the S-curve below the threshold (false candidates) and the area over it
    above, equally weighted. Of all choices that catch `recall` of the pairs at the threshold, the one of least error;
    of equal ones the fewest bands.

    Args:
        similarity: The threshold, over 0, below 1.
        hashes: Permutations of a signature.
        recall: Share of pairs at the threshold that must be caught, 0 to 1.

    Raises:
        ValueError: No choice catches so many.

    Source: datasketch, `MinHashLSH(threshold, num_perm)`; with recall 0 the choice is the same.
    """
    below, above = (np.linspace(*ends, 513) for ends in ((0.0, similarity), (similarity, 1.0)))
    found: tuple[float, Bands] | None = None
    for bands in range(1, hashes + 1):
        for rows in range(1, hashes // bands + 1):
            if recall and float(caught(similarity, bands, rows)) < recall:
                break  # more rows catch fewer
            error = _area(caught(below, bands, rows), below) + _area(1 - caught(above, bands, rows), above)
            if found is None or error < found[0] - 1e-9:
                found = error, Bands(bands, rows)
    if found is None:
        raise ValueError(
            f"bands: {hashes} hashes catch no {recall!r} of pairs at {similarity!r}, wanted more hashes or less recall"
        )
    return found[1]


def _area(values: Float64N, at: Float64N) -> float:
    """Integrate by Simpson's rule over an odd number of even steps."""
    step = (at[-1] - at[0]) / (len(at) - 1)
    return float(step / 3 * (values[0] + values[-1] + 4 * values[1:-1:2].sum() + 2 * values[2:-1:2].sum()))
