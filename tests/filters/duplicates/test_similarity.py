"""Test exact similarity against Python's sets."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.duplicates.shingles import Shingling, parts, shingle_hashes
from kakehi.filters.duplicates.similarity import _shared, shared_shingles, sorted_sets
from kakehi.filters.texts import view


def texts_of(texts):
    """View a list of strings as a large_string column."""
    return view(pa.array(texts, pa.large_string()))


def shingles_slowly(text, ngram):
    """Collect the n-grams of a text as strings."""
    padded = text + "\0" * (ngram - len(text)) if text else ""
    return {padded[i : i + ngram] for i in range(len(padded) - ngram + 1)}


@settings(max_examples=60)
@given(
    st.lists(st.text(alphabet="あいアｶﾞ漢𠮷a", max_size=150), min_size=1, max_size=6),
    st.integers(1, 6),
    st.data(),
)
def test_equals_python_sets(texts, ngram, data):
    """Shared and united counts equal those of sets of strings."""
    row = st.integers(0, len(texts) - 1)
    pairs = data.draw(st.lists(st.tuples(row, row), max_size=10))
    shared, union = shared_shingles(
        texts_of(texts), np.array(pairs, np.int64).reshape(-1, 2), Shingling(ngram=ngram)
    )
    sets = [shingles_slowly(text, ngram) for text in texts]
    assert shared.tolist() == [len(sets[a] & sets[b]) for a, b in pairs]
    assert union.tolist() == [len(sets[a] | sets[b]) for a, b in pairs]


@settings(max_examples=300)
@given(st.integers(0, 400), st.floats(0, 1), st.floats(0, 1), st.integers(0, 1 << 32), st.booleans())
def test_sets_of_any_overlap_equal_python_sets(size, missing, foreign, seed, swap):
    """Equal in long runs, in short ones, nowhere, one much the smaller: as many as Python's sets share."""
    rng = np.random.default_rng(seed)
    common = rng.integers(0, 1 << 32, size, dtype=np.uint32)
    one = np.unique(common[rng.random(size) > missing * rng.random()])
    other = np.unique(
        np.concatenate(
            [
                common,
                rng.integers(0, 1 << 32, int(foreign * foreign * size), dtype=np.uint32),
                [0, 0xFFFFFFFF],
            ]
        ).astype(np.uint32)
    )
    one, other = (other, one) if swap else (one, other)
    assert _shared(one, other) == len(set(one.tolist()) & set(other.tolist()))


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 50, 52, 53, 5000])
def test_sets_are_sorted_and_distinct(size):
    """Both sorts give the sorted distinct hashes."""
    texts = texts_of(["".join(chr(0x3041 + i * i * 31 % 83) for i in range(size))])
    shingles, offsets = sorted_sets(texts, Shingling())
    assert shingles.tolist() == np.unique(shingle_hashes(texts, Shingling())[0]).tolist()
    assert offsets.tolist() == [0, len(shingles)]


@pytest.mark.slow
def test_parts_change_nothing():
    """Texts of many parts, one of them longer than a part, share what they share in one."""
    texts = texts_of(["".join(chr(0x3041 + i * k % 83) for i in range(90 * k * k)) for k in range(1, 60)])
    pairs = np.stack([np.arange(58), np.arange(1, 59)], axis=1)
    assert len(list(parts(texts))) > 3
    shared, union = shared_shingles(texts, pairs, Shingling())
    sets = [shingles_slowly(text, 5) for text in texts]
    assert shared.tolist() == [len(sets[a] & sets[b]) for a, b in pairs]
    assert union.tolist() == [len(sets[a] | sets[b]) for a, b in pairs]


def test_bad_pairs():
    """Rows beyond the texts and arrays that are no pairs are refused."""
    with pytest.raises(ValueError, match=r"rows reach \(0, 3\), wanted 0 to 0"):
        shared_shingles(texts_of(["あ"]), np.array([[0, 3]]), Shingling())
    with pytest.raises(ValueError, match=r"shape \(2,\), wanted \(p, 2\)"):
        shared_shingles(texts_of(["あ"]), np.array([0, 0]), Shingling())
