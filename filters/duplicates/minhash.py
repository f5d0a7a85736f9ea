"""Sign texts by MinHash over their character n-grams, and cut signatures into band keys."""

from typing import Final

import numpy as np
from numba import njit

from kakehi.filters.duplicates.shingles import hash_shingles, shingle_constants
from kakehi.filters.texts import (
    BoolN,
    Int64N1,
    Texts,
    UInt8M,
    UInt32M,
    UInt32NK,
    UInt64M,
    UInt64NB,
    decode_into,
)

# Shingles per block: hashes of a block and one permutation stay in the first-level cache.
BLOCK: Final = 4096
# Pad to a full vector, by a repetition, which no minimum notices.
LANES: Final = 64


def signatures(texts: Texts, *, ngram: int, hashes: int, seed: int) -> UInt32NK:
    """Return the MinHash signatures of texts, uint32[n, hashes].

    They equal `datasketch.MinHash(num_perm=hashes, seed=seed, scheme="affine32")` bit for bit over the same
    shingle hashes. An empty text has no shingle and so no signature: its row is all ones, see `has_key`.

    Args:
        texts: Texts of valid UTF-8.
        ngram: Code points in a shingle, 1 to 64.
        hashes: Permutations.
        seed: Choice of the permutations, 0 to 2**32 - 1.

    Source: Broder 1997; permutations as in datasketch 2.0, whose error is that of independent ones.
    """
    slopes, shifts = permutations(hashes, seed)
    signed = np.full((len(texts), hashes), 0xFFFFFFFF, np.uint32)
    _sign_all(texts.bytes_, texts.offsets, shingle_constants(ngram), slopes, shifts, signed)
    return signed


def band_keys(texts: Texts, *, ngram: int, bands: int, rows: int, seed: int) -> UInt64NB:
    """Return a 64-bit key for each band of a text's signature, uint64[n, bands].

    Two texts with equal keys in a band agree, but for chance of 2**-64, in `rows` MinHashes. Where `has_key`
    says no, a row means nothing and must not be matched.
    """
    if bands < 1 or rows < 1:
        raise ValueError(f"minhash.band_keys: bands, rows are {(bands, rows)!r}, wanted at least 1 each")
    signed = signatures(texts, ngram=ngram, hashes=bands * rows, seed=seed)
    return keys_of(signed, bands=bands)


def keys_of(signed: UInt32NK, *, bands: int) -> UInt64NB:
    """Mix each band's rows and the band's number into one key, uint64[n, bands].

    Source: the MurmurHash3 finalizer for 64 bits, once for each row.
    """
    if signed.shape[1] % bands:
        raise ValueError(f"minhash.keys_of: {signed.shape[1]} hashes, wanted a multiple of {bands!r} bands")
    keys = np.empty((len(signed), bands), np.uint64)
    _mix_bands(signed, keys)
    return keys


def has_key(texts: Texts) -> BoolN:
    """Tell which texts have a signature: all but the empty ones."""
    return texts.sizes > 0


def permutations(hashes: int, seed: int) -> tuple[UInt32M, UInt32M]:
    """Draw the slopes (odd) and shifts of `a * h + b` modulo 2**32, uint32[hashes] each, as datasketch does."""
    if hashes < 1:
        raise ValueError(f"minhash.permutations: hashes is {hashes!r}, wanted at least 1")
    draw = np.random.RandomState(seed)
    slopes = draw.randint(0, 1 << 31, hashes, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return slopes, draw.randint(0, 1 << 32, hashes, dtype=np.uint32)


@njit(cache=True, nogil=True)
def _sign_all(
    bytes_: UInt8M, offsets: Int64N1, constants: UInt64M, slopes: UInt32M, shifts: UInt32M, signed: UInt32NK
) -> None:
    """Decode, hash, premix and permute text after text."""
    longest = np.int64(0)
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    points = np.empty(longest + len(constants), np.uint32)
    hashes = np.empty(longest + LANES, np.uint32)
    for i in range(len(offsets) - 1):
        count = decode_into(bytes_, offsets[i], offsets[i + 1], points)
        number = hash_shingles(points, count, constants, hashes)
        if number == 0:
            continue
        for j in range(number):
            # numba widens products and shifts of uint32 to 64 bits: cut each back.
            h = np.uint32(hashes[j] ^ (hashes[j] >> np.uint32(16)))
            h = np.uint32(h * np.uint32(0x85EBCA6B))
            h = np.uint32(h ^ (h >> np.uint32(13)))
            h = np.uint32(h * np.uint32(0xC2B2AE35))
            hashes[j] = np.uint32(h ^ (h >> np.uint32(16)))
        padded = (number + LANES - 1) // LANES * LANES
        for j in range(number, padded):
            hashes[j] = hashes[0]
        for start in range(0, padded, BLOCK):
            stop = min(start + BLOCK, padded)
            for k in range(len(slopes)):
                slope = slopes[k]
                shift = shifts[k]
                least = signed[i, k]
                for j in range(start, stop):
                    least = min(least, np.uint32(slope * hashes[j] + shift))
                signed[i, k] = least


@njit(cache=True, nogil=True)
def _mix_bands(signed: UInt32NK, keys: UInt64NB) -> None:
    """Mix the rows of every band of every signature."""
    bands = keys.shape[1]
    rows = signed.shape[1] // bands
    for i in range(len(signed)):
        for band in range(bands):
            key = np.uint64(band + 1)
            for row in range(rows):
                key ^= np.uint64(signed[i, band * rows + row])
                key ^= key >> np.uint64(33)
                key *= np.uint64(0xFF51AFD7ED558CCD)
                key ^= key >> np.uint64(33)
                key *= np.uint64(0xC4CEB9FE1A85EC53)
                key ^= key >> np.uint64(33)
            keys[i, band] = key
