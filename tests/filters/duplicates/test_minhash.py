"""Test signatures against datasketch and band keys against a plain loop."""

import subprocess
import sys
from itertools import pairwise

import datasketch
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.duplicates.bands import caught
from kakehi.filters.duplicates.minhash import Signing, band_keys, keys_of, lean_minhashes, signatures
from kakehi.filters.duplicates.shingles import Shingling, shingle_hashes
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


def signing(hashes=None, *, ngram=5, seed=1, scheme="affine32", bands=14, rows=8):
    """Give so many hashes as bands of one row, or bands and rows."""
    bands, rows = (bands, rows) if hashes is None else (hashes, 1)
    return Signing(shingling=Shingling(ngram=ngram), scheme=scheme, bands=bands, rows=rows, seed=seed)


def datasketch_of(hashes, num_perm, seed, scheme="affine32"):
    """Sign the given shingle hashes with datasketch itself."""
    minhash = datasketch.MinHash(num_perm=num_perm, seed=seed, scheme=scheme, hashfunc=int)
    minhash.update_batch(hashes.tolist())
    return minhash.hashvalues


def mixed_slowly(h):
    """Mix 32 bits in Python integers."""
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def fss_of(hashes, bins, seed):
    """Throw into bins as the paper has it, in Python."""
    seeds = np.random.RandomState(seed).randint(0, 1 << 32, 2 * bins, dtype=np.uint32).tolist()
    found = {}
    for r, salt in enumerate(seeds):
        now = {}
        for h in (mixed_slowly(int(h) ^ salt) for h in hashes):
            now.setdefault(h * bins >> 32 if r < bins else r - bins, []).append(h)
        found = {b: min(values) for b, values in now.items()} | found
    return [found[b] for b in range(bins)]


TEXTS = st.lists(st.text(alphabet="あいうえおアｶﾞ漢𠮷ab ", max_size=200), max_size=4)


@settings(max_examples=60)
@given(
    TEXTS,
    st.integers(1, 7),
    st.integers(1, 130),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["affine32", "legacy"]),
)
def test_bit_equal_to_datasketch(texts, ngram, hashes, seed, scheme):
    """Every value equals datasketch's, of both schemes that it has; empty texts included."""
    shingles, offsets = shingle_hashes(texts_of(texts), Shingling(ngram=ngram))
    signed = signatures(texts_of(texts), signing(hashes, ngram=ngram, seed=seed, scheme=scheme))
    assert signed.dtype == np.uint32
    for i in range(len(texts)):
        wanted = datasketch_of(shingles[offsets[i] : offsets[i + 1]], hashes, seed, scheme)
        assert signed[i].tolist() == wanted.tolist()


@settings(max_examples=60)
@given(TEXTS, st.integers(1, 7), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_fss_equals_plain_loop(texts, ngram, hashes, seed):
    """Every bin has the hash of the plain loop; few shingles fill all bins too."""
    shingles, offsets = shingle_hashes(texts_of(texts), Shingling(ngram=ngram))
    signed = signatures(texts_of(texts), signing(hashes, ngram=ngram, seed=seed, scheme="fss"))
    for i, text in enumerate(texts):
        own = shingles[offsets[i] : offsets[i + 1]]
        assert signed[i].tolist() == (fss_of(own, hashes, seed) if text else [0xFFFFFFFF] * hashes)


@pytest.mark.parametrize("scheme", ["affine32", "legacy"])
def test_long_text_crosses_blocks(scheme):
    """Texts of several blocks, and of several parts, equal datasketch too."""
    text = "".join(chr(0x3041 + i * i % 83) + chr(0x4E00 + i % 9973) for i in range(6000))
    texts = [text[:9000], "あ", text * 8, text, ""]
    signed = signatures(texts_of(texts), signing(scheme=scheme))
    for i, one in enumerate(texts):
        shingles, _ = shingle_hashes(texts_of([one]), Shingling())
        assert signed[i].tolist() == datasketch_of(shingles, 112, 1, scheme).tolist()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=24, max_size=24), st.sampled_from([1, 2, 3, 8, 24]))
def test_keys_equal_plain_loop(signature, bands):
    """Band keys equal the plain loop's."""
    keys = keys_of(np.array([signature], np.uint32), bands=bands)
    assert keys[0].tolist() == keys_slowly(signature, bands)


def test_equal_rows_of_two_bands_differ():
    """The band's number is part of the key."""
    assert len(set(keys_of(np.zeros((1, 12), np.uint32), bands=4)[0].tolist())) == 4


def test_band_keys():
    """Keys come from the signatures; equal texts share all."""
    texts = texts_of(["かきくけこさし", "", "かきくけこさし", "あ"])
    keys = band_keys(texts, signing())
    assert keys.shape == (4, 14)
    assert keys.tolist() == keys_of(signatures(texts, signing()), bands=14).tolist()
    assert keys[0].tolist() == keys[2].tolist()
    assert len({tuple(key) for key in keys.tolist()}) == 3


@pytest.mark.parametrize("scheme", ["affine32", "fss", "legacy"])
def test_dakuten_make_another_word(scheme):
    """バス, パス and ハス share no key, nor do other short texts that differ."""
    texts = ["バス", "パス", "ハス", "はす", "あ", "い", "あい", "𠮷"]
    keys = band_keys(texts_of(texts), signing(scheme=scheme))
    for band in range(14):
        assert len(set(keys[:, band].tolist())) == len(texts)


@pytest.mark.parametrize("scheme", ["affine32", "fss", "legacy"])
def test_estimate_is_close(scheme):
    """The share of equal values estimates the Jaccard similarity of long texts."""
    base = [chr(0x4E00 + i * 7919 % 20000) for i in range(1000)]
    changed = base[:800] + [chr(0x3041 + i % 80) for i in range(200)]
    both = texts_of(["".join(base), "".join(changed)])
    one, two = signatures(both, signing(2048, seed=3, scheme=scheme))
    sets = [{"".join(text[i : i + 5]) for i in range(996)} for text in (base, changed)]
    assert abs((one == two).mean() - len(sets[0] & sets[1]) / len(sets[0] | sets[1])) < 0.03


@pytest.mark.parametrize(
    ("scheme", "bands", "rows"),
    [("affine32", 14, 8), ("fss", 14, 8), ("legacy", 14, 8), ("affine32", 40, 20), ("fss", 40, 20)],
)
@pytest.mark.parametrize("size", [24, 200])
def test_bands_catch_as_many_as_the_curve_says(scheme, bands, rows, size):
    """Of 1,000 pairs of one similarity, short or long, within three standard deviations."""
    rng = np.random.default_rng(size)
    points = rng.integers(0x4E00, 0x9FFF, (1000, size))
    other = points.copy()
    other[:, : max(1, size // 25)] = rng.integers(0x3041, 0x3090, (1000, max(1, size // 25)))
    texts = ["".join(map(chr, row)) for both in (points, other) for row in both]
    keys = band_keys(texts_of(texts), signing(scheme=scheme, bands=bands, rows=rows))
    met = (keys[:1000] == keys[1000:]).any(axis=1).mean()
    same = size - 4 - max(1, size // 25)
    wanted = float(caught(same / (2 * (size - 4) - same), bands, rows))
    assert abs(met - wanted) < 3 * np.sqrt(wanted * (1 - wanted) / 1000) + 1e-3


@pytest.mark.parametrize("scheme", ["affine32", "legacy"])
def test_signatures_are_objects_of_datasketch(scheme):
    """They estimate against a MinHash of one's own over the same shingles, and are found by its index."""
    texts = ["吾輩は猫である。名前はまだ無い。", "吾輩は猫である。名前はもう有る。", ""]
    made = list(lean_minhashes(texts_of(texts), signing(256, seed=7, scheme=scheme)))
    shingles, offsets = shingle_hashes(texts_of(texts), Shingling())
    own = []
    for start, stop in pairwise(offsets):
        own.append(datasketch.MinHash(num_perm=256, seed=7, scheme=scheme, hashfunc=int))
        own[-1].update_batch(shingles[start:stop].tolist())
    assert [one == datasketch.LeanMinHash(other) for one, other in zip(made, own, strict=True)] == [True] * 3
    assert made[0].jaccard(own[1]) == own[0].jaccard(own[1]) == pytest.approx(8 / 16, abs=0.1)
    assert made[2].is_empty()
    index = datasketch.MinHashLSH(threshold=0.9, num_perm=256)
    index.insert("first", made[0])
    assert index.query(own[0]) == ["first"]
    assert index.query(own[1]) == []


def test_another_seed_is_refused_by_datasketch():
    """An estimate of signatures that can't be compared is an error there, as ever."""
    [one], [other] = (lean_minhashes(texts_of(["あいうえおか"]), signing(seed=seed)) for seed in (1, 2))
    with pytest.raises(ValueError, match="different seeds"):
        one.jaccard(other)


def test_fss_has_no_object():
    """It says so at once, not at the first row."""
    with pytest.raises(ValueError, match="scheme is 'fss', wanted one of datasketch's: affine32, legacy"):
        lean_minhashes(texts_of(["あ"]), signing(scheme="fss"))


def test_the_command_does_without_datasketch():
    """It brings SciPy, which takes most of a second, and only who signs needs it."""
    heavy = "{'datasketch', 'scipy.integrate'} & sys.modules.keys()"
    asked = f"import sys, kakehi.pipeline.cli.main; print(sorted({heavy}))"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_bad_parameters():
    """Each error names its values."""
    texts = texts_of(["あ"])
    with pytest.raises(ValueError, match="hashes is 0, wanted at least 1"):
        signatures(texts, signing(0))
    with pytest.raises(ValueError, match=r"\(0, 8\), wanted at least 1 each"):
        band_keys(texts, signing(bands=0))
    with pytest.raises(ValueError, match="10 hashes, wanted a multiple of 3 bands"):
        keys_of(np.zeros((1, 10), np.uint32), bands=3)
