"""The view of a column shows its texts, however Arrow lays them out."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.texts import column_of, decode_into, view


@pytest.mark.parametrize("dtype", [pa.string(), pa.large_string()])
def test_view_honours_offset_and_nulls(dtype):
    """A slice with a null shows its own rows, and the null as an empty text."""
    column = pa.array(["x", "𠮷野家", None, "é"], dtype).slice(1)
    assert list(view(column)) == ["𠮷野家", "", "é"]


@pytest.mark.parametrize("dtype", [pa.string(), pa.large_string()])
def test_view_of_no_rows_is_empty(dtype):
    """A column without rows, sliced or not, has no texts."""
    assert len(view(pa.array([], dtype))) == 0
    assert len(view(pa.array(["x"], dtype).slice(1))) == 0


def test_view_refuses_other_types():
    """A column of numbers is named in the error."""
    with pytest.raises(ValueError, match=r"type 'int64', wanted 'large_string' or 'string'"):
        view(pa.array([1]))


def test_view_does_not_copy_large_strings():
    """The bytes seen are the column's own."""
    column = pa.array(["日本", "語"], pa.large_string())
    assert view(column).bytes_.ctypes.data == column.buffers()[2].address


@settings(max_examples=60)
@given(st.lists(st.text(), max_size=6))
def test_column_of_undoes_view(texts):
    """Texts to column to texts is the identity."""
    column = pa.array(texts, pa.large_string())
    assert column_of(view(column)).equals(column)


@settings(max_examples=60)
@given(st.text())
def test_decode_into_equals_python(text):
    """The code points are Python's."""
    texts = view(pa.array(["前", text]))
    out = np.zeros(len(texts.bytes_) + 1, np.uint32)
    count = decode_into(texts.bytes_, texts.offsets[1], texts.offsets[2], out)
    assert "".join(map(chr, out[:count])) == text
