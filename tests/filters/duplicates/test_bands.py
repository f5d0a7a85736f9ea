"""bands: the S-curve, and the choice that datasketch makes."""

import datasketch
import numpy as np
import pytest

from kakehi.filters.duplicates.bands import best_bands, caught


@pytest.mark.parametrize(
    ("bands", "rows", "wanted"),
    [
        (14, 8, {0.6: 0.211, 0.7: 0.565, 0.8: 0.924, 0.85: 0.988, 0.9: 1.000}),
        (40, 20, {0.6: 0.001, 0.7: 0.031, 0.8: 0.371, 0.85: 0.794, 0.9: 0.994}),
        (450, 20, {0.6: 0.016, 0.7: 0.302, 0.8: 0.995}),
        (20, 10, {0.6: 0.114, 0.7: 0.436, 0.8: 0.897, 0.85: 0.988}),
    ],
)
def test_published_shares(bands, rows, wanted):
    """The shares that Doubri's documentation prints for these bands and rows."""
    found = caught(np.array(list(wanted)), bands, rows)
    np.testing.assert_allclose(found, list(wanted.values()), atol=0.001)


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("hashes", [32, 112, 128])
def test_equals_datasketch(similarity, hashes):
    """Without a wish for recall, the choice is that of its index."""
    index = datasketch.MinHashLSH(threshold=similarity, num_perm=hashes)
    assert best_bands(similarity, hashes=hashes) == (index.b, index.r)


def test_recall_is_reached():
    """Of those that catch as many, the one of least error: more rows would catch too few."""
    bands, rows = best_bands(0.8, hashes=256, recall=0.95)
    assert bands * rows <= 256
    assert caught(0.8, bands, rows) >= 0.95
    assert caught(0.8, 256 // (rows + 2), rows + 2) < 0.95
    assert best_bands(0.8, hashes=128, recall=0.0) != best_bands(0.8, hashes=128, recall=0.99)


def test_recall_out_of_reach():
    """The error names what was asked for."""
    with pytest.raises(ValueError, match=r"4 hashes catch no 0.999 of pairs at 0.5, wanted more hashes"):
        best_bands(0.5, hashes=4, recall=0.999)
