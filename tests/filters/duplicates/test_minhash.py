"""Test signatures against datasketch and band keys against a plain loop."""

import datasketch
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.duplicates.minhash import band_keys, has_key, keys_of, signatures
from kakehi.filters.duplicates.shingles import shingle_hashes
from kakehi.filters.texts import view

MASK = (1 << 64) - 1


def texts_of(texts):
    """View a list of strings as a large_string column."""
    return view(pa.array(texts, pa.large_string()))


def keys_slowly(signature, bands):
    """Mix bands in Python integers."""
    rows = len(signature) // bands
    keys = []
    for band in range(bands):
        key = band + 1
        for value in signature[band * rows : (band + 1) * rows]:
            key ^= int(value)
            key = (key ^ key >> 33) * 0xFF51AFD7ED558CCD & MASK
            key = (key ^ key >> 33) * 0xC4CEB9FE1A85EC53 & MASK
            key ^= key >> 33
        keys.append(key)
    return keys


def datasketch_of(hashes, num_perm, seed):
    """Sign the given shingle hashes with datasketch itself."""
    minhash = datasketch.MinHash(num_perm=num_perm, seed=seed, scheme="affine32", hashfunc=int)
    minhash.update_batch(hashes.tolist())
    return minhash.hashvalues


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(alphabet="あいうえおアｶﾞ漢𠮷ab ", max_size=200), max_size=4),
    st.integers(1, 7),
    st.integers(1, 130),
    st.integers(0, 2**32 - 1),
)
def test_bit_equal_to_datasketch(texts, ngram, hashes, seed):
    """Every value equals datasketch's affine32, empty texts included."""
    shingles, offsets = shingle_hashes(texts_of(texts), ngram=ngram)
    signed = signatures(texts_of(texts), ngram=ngram, hashes=hashes, seed=seed)
    assert signed.dtype == np.uint32
    for i in range(len(texts)):
        wanted = datasketch_of(shingles[offsets[i] : offsets[i + 1]], hashes, seed)
        assert signed[i].tolist() == wanted.tolist()


def test_long_text_crosses_blocks():
    """A text of several blocks equals datasketch too."""
    text = "".join(chr(0x3041 + i * i % 83) + chr(0x4E00 + i % 9973) for i in range(6000))
    shingles, _ = shingle_hashes(texts_of([text]), ngram=5)
    signed = signatures(texts_of([text]), ngram=5, hashes=112, seed=1)
    assert signed[0].tolist() == datasketch_of(shingles, 112, 1).tolist()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=24, max_size=24), st.sampled_from([1, 2, 3, 8, 24]))
def test_keys_equal_plain_loop(signature, bands):
    """Band keys equal the plain loop's."""
    keys = keys_of(np.array([signature], np.uint32), bands=bands)
    assert keys[0].tolist() == keys_slowly(signature, bands)


def test_equal_rows_of_two_bands_differ():
    """The band's number is part of the key."""
    assert len(set(keys_of(np.zeros((1, 12), np.uint32), bands=4)[0].tolist())) == 4


def test_band_keys_and_empty_texts():
    """Keys come from the signatures; equal texts share all, empty ones have none."""
    texts = texts_of(["かきくけこさし", "", "かきくけこさし", "あ"])
    keys = band_keys(texts, ngram=5, bands=14, rows=8, seed=1)
    assert keys.shape == (4, 14)
    assert keys.tolist() == keys_of(signatures(texts, ngram=5, hashes=112, seed=1), bands=14).tolist()
    assert keys[0].tolist() == keys[2].tolist()
    assert has_key(texts).tolist() == [True, False, True, True]


def test_estimate_is_close():
    """The share of equal values estimates the Jaccard similarity of long texts."""
    base = [chr(0x4E00 + i * 7919 % 20000) for i in range(1000)]
    changed = base[:800] + [chr(0x3041 + i % 80) for i in range(200)]
    one, two = signatures(texts_of(["".join(base), "".join(changed)]), ngram=5, hashes=2048, seed=3)
    sets = [{"".join(text[i : i + 5]) for i in range(996)} for text in (base, changed)]
    assert abs((one == two).mean() - len(sets[0] & sets[1]) / len(sets[0] | sets[1])) < 0.03


def test_bad_parameters():
    """Each error names its values."""
    texts = texts_of(["あ"])
    with pytest.raises(ValueError, match="hashes is 0, wanted at least 1"):
        signatures(texts, ngram=5, hashes=0, seed=1)
    with pytest.raises(ValueError, match=r"\(0, 8\), wanted at least 1 each"):
        band_keys(texts, ngram=5, bands=0, rows=8, seed=1)
    with pytest.raises(ValueError, match="10 hashes, wanted a multiple of 3 bands"):
        keys_of(np.zeros((1, 10), np.uint32), bands=3)
