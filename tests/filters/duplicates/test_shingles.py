"""Test the shingle hashes against a plain loop."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.duplicates.shingles import Shingling, parts, shingle_constants, shingle_hashes
from kakehi.filters.texts import view

MASK = (1 << 64) - 1
TEXT = st.text(
    alphabet=st.one_of(st.sampled_from("あいアｶﾞか゛漢字𠮷abc\n\u200d"), st.characters(codec="utf-8"))
)


def texts_of(texts):
    """View a list of strings as a large_string column."""
    return view(pa.array(texts, pa.large_string()))


def constants_slowly(ngram):
    """Draw SplitMix64 from 0 in Python integers."""
    out = []
    for i in range(1, ngram + 1):
        x = i * 0x9E3779B97F4A7C15 & MASK
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
        x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
        out.append((x ^ x >> 31) | 1)
    return out


def hash_slowly(points):
    """Hash one n-gram in Python integers."""
    x = sum(c * p for c, p in zip(constants_slowly(len(points)), points, strict=True)) & MASK
    x ^= x >> 32
    x = x * 0x9FB21C651E98DF25 & MASK
    return (x ^ x >> 32) & 0xFFFFFFFF


def hashes_slowly(text, ngram):
    """Hash every n-gram in Python integers."""
    points = [ord(char) for char in text]
    if not points:
        return []
    points += [0] * (ngram - len(points))
    return [hash_slowly(points[i : i + ngram]) for i in range(len(points) - ngram + 1)]


@settings(max_examples=60)
@given(st.lists(TEXT, max_size=5), st.integers(1, 8))
def test_equals_plain_loop(texts, ngram):
    """Every hash of every text equals that of the plain loop."""
    hashes, offsets = shingle_hashes(texts_of(texts), Shingling(ngram=ngram))
    assert hashes.dtype == np.uint32
    for i, text in enumerate(texts):
        assert hashes[offsets[i] : offsets[i + 1]].tolist() == hashes_slowly(text, ngram)


def test_long_text_crosses_blocks():
    """A text longer than a block hashes as a whole."""
    text = "".join(chr(0x3041 + i * i % 80) for i in range(5000))
    assert shingle_hashes(texts_of([text]), Shingling())[0].tolist() == hashes_slowly(text, 5)


def test_short_and_empty():
    """A text shorter than an n-gram has one shingle of its own, an empty one has none."""
    hashes, offsets = shingle_hashes(texts_of(["", "あ", "い", "あい"]), Shingling())
    assert np.diff(offsets).tolist() == [0, 1, 1, 1]
    assert len(set(hashes.tolist())) == 3


def test_slice_and_null():
    """A slice with offset and a null row hash like the strings they hold."""
    column = pa.array(["かきくけこ", None, "さしすせそたち"], pa.large_string())
    whole, offsets = shingle_hashes(view(column), Shingling(ngram=3))
    part, _ = shingle_hashes(view(column[2:]), Shingling(ngram=3))
    assert part.tolist() == whole[offsets[2] :].tolist() == hashes_slowly("さしすせそたち", 3)


@pytest.mark.parametrize("ngram", [0, -1, 65])
def test_bad_ngram(ngram):
    """The error names the value and the range."""
    with pytest.raises(ValueError, match=f"ngram is {ngram}, wanted 1 to 64"):
        shingle_constants(ngram)


WORDS = Shingling(unit="words", ngram=2, cut=lambda line: line.replace(" ", " |").split("|"))


def test_words_are_hashed_as_numbers():
    """Each to 32 bits, stripped of blanks and line by line; blank ones are none, and short texts are filled up."""
    hashes, offsets = shingle_hashes(texts_of(["は が\n を ", " ", "は", "が"]), WORDS)
    numbers = [xxhash.xxh32_intdigest(word.encode()) for word in ("は", "が", "を")]
    points = [*numbers[:2]], [*numbers[1:]], [numbers[0], 0], [numbers[1], 0]
    assert offsets.tolist() == [0, 2, 2, 3, 4]
    assert hashes.tolist() == [hash_slowly(two) for two in points]
    with pytest.raises(ValueError, match="wanted a function that cuts"):
        shingle_hashes(texts_of(["は"]), Shingling(unit="words"))


@settings(max_examples=50)
@given(st.lists(TEXT, max_size=12), st.integers(1, 30))
def test_parts_are_all_texts_in_order(texts, most):
    """Each of at most so many bytes, or one text."""
    found = list(parts(texts_of(texts), most))
    assert [text for _, part in found for text in part] == texts
    assert [start for start, _ in found] == np.cumsum([0, *(len(part) for _, part in found)])[:-1].tolist()
    assert all(len(part) == 1 or part.sizes.sum() <= most for _, part in found)
