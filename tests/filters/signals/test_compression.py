"""The compression ratio is zlib's, text by text."""

import math
import zlib

import pyarrow as pa
import pytest

from kakehi.filters.signals.compression import measure


@pytest.mark.parametrize("level", [1, 9])
def test_ratio_is_bytes_by_bytes(level):
    """Output over input, in bytes."""
    texts = ["あ" * 1000, "x", "吾輩は猫である。名前はまだ無い。"]
    [found] = measure(pa.array(texts), level=level)
    assert found.to_pylist() == [len(zlib.compress(t.encode(), level)) / len(t.encode()) for t in texts]


def test_an_empty_text_has_no_ratio():
    """Nothing can't be divided by."""
    [found] = measure(pa.array(["", None]))
    assert all(map(math.isnan, found.to_pylist()))


@pytest.mark.parametrize("level", [0, 10])
def test_levels(level):
    """The error says what was wanted."""
    with pytest.raises(ValueError, match=f"level is {level}, wanted 1 to 9"):
        measure(pa.array(["x"]), level=level)
