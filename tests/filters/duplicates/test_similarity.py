"""Test exact similarity against Python's sets."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.duplicates.shingles import shingle_hashes
from kakehi.filters.duplicates.similarity import shared_shingles, sorted_sets
from kakehi.filters.texts import view


def texts_of(texts):
    """View a list of strings as a large_string column."""
    return view(pa.array(texts, pa.large_string()))


def shingles_slowly(text, ngram):
    """Collect the n-grams of a text as strings."""
    padded = text + "\0" * (ngram - len(text)) if text else ""
    return {padded[i : i + ngram] for i in range(len(padded) - ngram + 1)}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet="あいアｶﾞ漢𠮷a", max_size=150), min_size=1, max_size=6),
    st.integers(1, 6),
    st.data(),
)
def test_equals_python_sets(texts, ngram, data):
    """Shared and united counts equal those of sets of strings."""
    row = st.integers(0, len(texts) - 1)
    pairs = data.draw(st.lists(st.tuples(row, row), max_size=10))
    shared, union = shared_shingles(texts_of(texts), np.array(pairs, np.int64).reshape(-1, 2), ngram=ngram)
    sets = [shingles_slowly(text, ngram) for text in texts]
    assert shared.tolist() == [len(sets[a] & sets[b]) for a, b in pairs]
    assert union.tolist() == [len(sets[a] | sets[b]) for a, b in pairs]


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 50, 52, 53, 5000])
def test_sets_are_sorted_and_distinct(size):
    """Both sorts give the sorted distinct hashes."""
    texts = texts_of(["".join(chr(0x3041 + i * i * 31 % 83) for i in range(size))])
    shingles, offsets = sorted_sets(texts, np.zeros(1, np.int64), ngram=5)
    assert shingles.tolist() == np.unique(shingle_hashes(texts, ngram=5)[0]).tolist()
    assert offsets.tolist() == [0, len(shingles)]


def test_only_rows_in_pairs_are_hashed():
    """A text in no pair is not looked at, broken UTF-8 included."""
    texts = texts_of(["かきくけこ", "さしすせそ", "かきくけこ"])
    broken = texts.bytes_.copy()
    broken[15:30] = 0xFF
    pairs = np.array([[2, 0]], np.int64)
    shared, union = shared_shingles(type(texts)(broken, texts.offsets), pairs, ngram=2)
    assert (shared.tolist(), union.tolist()) == ([4], [4])


def test_bad_pairs():
    """Rows beyond the texts and arrays that are no pairs are refused."""
    with pytest.raises(ValueError, match=r"rows reach \(0, 3\), wanted 0 to 0"):
        shared_shingles(texts_of(["あ"]), np.array([[0, 3]]), ngram=5)
    with pytest.raises(ValueError, match=r"shape \(2,\), wanted \(p, 2\)"):
        shared_shingles(texts_of(["あ"]), np.array([0, 0]), ngram=5)
