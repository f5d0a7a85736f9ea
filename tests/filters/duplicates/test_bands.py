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


@pytest.mark.parametrize("similarity", [0.05, 0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("hashes", [32, 112, 128])
def test_equals_datasketch(similarity, hashes):
    """Without a wish for recall, the choice is that of its index."""
    index = datasketch.MinHashLSH(threshold=similarity, num_perm=hashes)
    assert best_bands(similarity, hashes=hashes) == (index.b, index.r)


def test_a_single_band_is_none():
    """Where datasketch's index would have one, the choice is that for the nearest threshold with two."""
    with pytest.raises(ValueError, match="number of bands are too small"):
        datasketch.MinHashLSH(threshold=0.95, num_perm=16)
    assert best_bands(0.95, hashes=16) == (2, 8)


def least_error(similarity, hashes, recall):
    """Look through all choices for the least area between the S-curve and a step at the threshold."""
    at = (np.arange(4000) + 0.5) / 4000
    found = {}
    for bands in range(1, hashes + 1):
        for rows in range(1, hashes // bands + 1):
            if 1 - (1 - similarity**rows) ** bands >= recall:
                curve = 1 - (1 - at**rows) ** bands
                found[bands, rows] = np.where(at < similarity, curve, 1 - curve).mean()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("similarity", [0.5, 0.6, 0.7, 0.75, 0.8])
@pytest.mark.parametrize("recall", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("hashes", [64, 128])
def test_of_those_that_catch_as_many_it_has_the_least_error(similarity, recall, hashes):
    """As far as a look through all of them tells."""
    errors = least_error(similarity, hashes, recall)
    assert errors[best_bands(similarity, hashes=hashes, recall=recall)] == pytest.approx(
        min(errors.values()), rel=1e-3
    )


@pytest.mark.parametrize(("similarity", "recall"), [(0.6, 0.5), (0.85, 0.5), (0.9, 0.9), (0.95, 0.5)])
def test_or_nearly_the_least(similarity, recall):
    """Of little recall or a high threshold, it may have a quarter more."""
    errors = least_error(similarity, 100, recall)
    assert errors[best_bands(similarity, hashes=100, recall=recall)] < 1.25 * min(errors.values())


def test_recall_is_reached():
    """With one band less it would not be."""
    bands, rows = best_bands(0.8, hashes=256, recall=0.95)
    assert bands * rows <= 256
    assert caught(0.8, bands, rows) >= 0.95 > caught(0.8, bands - 1, rows)
    assert best_bands(0.8, hashes=128, recall=0.0) != best_bands(0.8, hashes=128, recall=0.99)


@pytest.mark.parametrize(
    ("similarity", "hashes", "recall"), [(0.5, 4, 0.999), (0.5, 1, 0.0), (0.004, 2, 0.9)]
)
def test_recall_out_of_reach(similarity, hashes, recall):
    """The error names what was asked for."""
    said = f"{hashes} hashes catch no {recall} of pairs at {similarity}, wanted more hashes"
    with pytest.raises(ValueError, match=said):
        best_bands(similarity, hashes=hashes, recall=recall)
