"""Sign texts by MinHash over their shingles, and cut signatures into band keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numba import njit

from kakehi.arrays import AnyN, Int64N1, UInt32M, UInt32NK, UInt64M, UInt64NB
from kakehi.filters.duplicates.shingles import Shingling, parts, shingle_hashes
from kakehi.filters.texts import Texts

if TYPE_CHECKING:
    from datasketch import LeanMinHash

# Shingles per block: hashes of a block and one permutation stay in the first-level cache.
BLOCK: Final = 4096
# Pad to a full vector, by a repetition, which no minimum notices.
LANES: Final = 64
# Modulus of the legacy scheme.
PRIME: Final = (1 << 61) - 1


Scheme: TypeAlias = Literal["affine32", "fss", "legacy"]


@dataclass(frozen=True, kw_only=True)
class Signing:
    """How a text becomes band keys; keys that were made otherwise must not meet.

    Args:
        shingling: What a shingle is.
        scheme: `affine32` and `legacy` as datasketch has them, `fss` for many hashes.
        bands: Keys of a text.
        rows: Hashes of a key.
        seed: Choice of the permutations, 0 to 2**32 - 1.
    """

    shingling: Shingling
    scheme: Scheme = "affine32"
    bands: int = 14
    rows: int = 8
    seed: int = 1


def band_keys(texts: Texts, signing: Signing) -> UInt64NB:
    """Return a 64-bit key for each band of a text's signature, uint64[n, bands].

    Two texts with equal keys in a band agree, but for chance of 2**-64, in `rows` MinHashes. A text without a
    shingle shares its keys with its like alone: the empty ones.
    """
    if signing.bands < 1 or signing.rows < 1:
        wrong = (signing.bands, signing.rows)
        raise ValueError(f"minhash.band_keys: bands, rows are {wrong!r}, wanted at least 1 each")
    return keys_of(signatures(texts, signing), bands=signing.bands)


def signatures(texts: Texts, signing: Signing) -> UInt32NK:
    """Return the MinHash signatures of texts, uint32[n, bands * rows].

    Those of `affine32` and `legacy` equal `datasketch.MinHash(num_perm, seed, scheme)` bit for bit over the same
    shingle hashes. An empty text has no shingle and so no signature: its row is all ones.

    Source: Broder 1997; permutations as in datasketch 2.0, whose error is that of independent ones; `fss` is Fast
    Similarity Sketching (Dahlgaard, Knudsen, Thorup 2017), of smaller error, and quicker for 256 hashes and more. Its
    values are not independent: no shingle is the least of two bins of a round. So 800 of them vary less (standard
    deviation 0.7 of the binomial one up to 1,000 shingles, 0.9 at 10,000), and 20 agree a little more seldom (0.74 against
    0.80 per mille at 0.7). 40 bands catch what the S-curve says within 0.015 all the same (bench/duplicates.py).
    """
    count = signing.bands * signing.rows
    signed = np.full((len(texts), count), 0xFFFFFFFF, np.uint32)
    first, second = permutations(count, signing.seed, signing.scheme)
    schemes: dict[Scheme, Callable[..., None]]
    schemes = {"affine32": _sign_affine32, "fss": _sign_fss, "legacy": _sign_legacy}
    for start, part in parts(texts):
        hashes, offsets = shingle_hashes(part, signing.shingling)
        schemes[signing.scheme](hashes, offsets, first, second, signed[start : start + len(part)])
    return signed


def keys_of(signed: UInt32NK, *, bands: int) -> UInt64NB:
    """Mix each band's rows and the band's number into one key, uint64[n, bands].

    Source: the MurmurHash3 finalizer for 64 bits, once for each row.
    """
    if signed.shape[1] % bands:
        raise ValueError(f"minhash.keys_of: {signed.shape[1]} hashes, wanted a multiple of {bands!r} bands")
    keys = np.empty((len(signed), bands), np.uint64)
    _mix_bands(signed, keys)
    return keys


def lean_minhashes(texts: Texts, signing: Signing) -> Iterator[LeanMinHash]:
    """Give each text's signature as an object of datasketch's, to compare or to index there.

    It compares with `MinHash(num_perm=bands * rows, seed=seed, scheme=scheme, hashfunc=int)` of `shingle_hashes`; with one
    over other hashes, datasketch's own sha1 among them, nothing agrees, and no error says so.

    Raises:
        ValueError: The scheme is `fss`, which datasketch does not have.
    """
    if signing.scheme == "fss":
        raise ValueError(
            "minhash.lean_minhashes: scheme is 'fss', wanted one of datasketch's: affine32, legacy"
        )
    return _lean_minhashes(texts, signing)


def permutations(hashes: int, seed: int, scheme: Scheme) -> tuple[AnyN, AnyN]:
    """Draw what decides the permutations: datasketch's own for its schemes.

    Returns:
        `affine32`: slopes (odd) and shifts modulo 2**32, uint32[hashes] each. `legacy`: the same modulo 2**61 - 1,
        uint64. `fss`: the seeds of the rounds, uint32[2 * hashes], twice.
    """
    if hashes < 1:
        raise ValueError(f"minhash.permutations: hashes is {hashes!r}, wanted at least 1")
    if scheme == "fss":
        seeds = np.random.RandomState(seed).randint(0, 1 << 32, 2 * hashes, dtype=np.uint32)
        return seeds, seeds
    from datasketch import MinHash  # noqa: PLC0415 - brings scipy, 0.6 s to import

    slopes, shifts = MinHash(num_perm=hashes, seed=seed, scheme=scheme).permutations
    return np.ascontiguousarray(slopes), np.ascontiguousarray(shifts)


def _lean_minhashes(texts: Texts, signing: Signing) -> Iterator[LeanMinHash]:
    from datasketch import LeanMinHash  # noqa: PLC0415 - as above

    for signed in signatures(texts, signing):
        yield LeanMinHash(seed=signing.seed, hashvalues=signed, scheme=signing.scheme)


@njit(cache=True, nogil=True)
def _mix(value: np.uint32) -> np.uint32:
    """Mix 32 bits: the MurmurHash3 finalizer. numba widens uint32 to 64 bits: cut each back."""
    h = np.uint32(value ^ (value >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ (h >> np.uint32(16)))


@njit(cache=True, nogil=True)
def _sign_affine32(
    hashes: UInt32M, offsets: Int64N1, slopes: UInt32M, shifts: UInt32M, signed: UInt32NK
) -> None:
    """Premix and permute text after text."""
    mixed = np.empty(np.max(np.diff(offsets)) + LANES, np.uint32)
    for i in range(len(offsets) - 1):
        number = offsets[i + 1] - offsets[i]
        if number == 0:
            continue
        mine = hashes[offsets[i] : offsets[i + 1]]
        for j in range(number):
            mixed[j] = _mix(mine[j])
        padded = (number + LANES - 1) // LANES * LANES
        mixed[number:padded] = mixed[0]
        for start in range(0, padded, BLOCK):
            # A view counted from 0: places that could be below it would be looked at one by one, ten times as slow.
            block = mixed[start : min(start + BLOCK, padded)]
            for k in range(len(slopes)):
                slope = slopes[k]
                shift = shifts[k]
                least = signed[i, k]
                for j in range(len(block)):
                    least = min(least, np.uint32(slope * block[j] + shift))
                signed[i, k] = least


@njit(cache=True, nogil=True)
def _sign_legacy(
    hashes: UInt32M, offsets: Int64N1, slopes: UInt64M, shifts: UInt64M, signed: UInt32NK
) -> None:
    """Permute modulo a prime; products wrap at 64 bits before, as in datasketch."""
    for i in range(len(offsets) - 1):
        for k in range(len(slopes)):
            least = signed[i, k]
            for j in range(offsets[i], offsets[i + 1]):
                value = (slopes[k] * np.uint64(hashes[j]) + shifts[k]) % np.uint64(PRIME)
                least = min(least, np.uint32(value & np.uint64(0xFFFFFFFF)))
            signed[i, k] = least


@njit(cache=True, nogil=True)
def _sign_fss(hashes: UInt32M, offsets: Int64N1, seeds: UInt32M, _: UInt32M, signed: UInt32NK) -> None:
    """Throw the shingles into bins, round after round, until each bin has one; the least of a round stays.

    From round `bins` on, each round is for one bin alone, so that `2 * bins` rounds fill all.
    """
    bins = signed.shape[1]
    filled = np.empty(bins, np.int64)
    for i in range(len(offsets) - 1):
        if offsets[i + 1] == offsets[i]:
            continue
        filled[:] = -1
        left = bins
        mine = hashes[offsets[i] : offsets[i + 1]]
        for r in range(2 * bins):
            for j in range(len(mine)):
                h = _mix(mine[j] ^ seeds[r])
                bin_ = np.int64((np.uint64(h) * np.uint64(bins)) >> np.uint64(32)) if r < bins else r - bins
                if filled[bin_] < 0:
                    filled[bin_] = r
                    left -= 1
                    signed[i, bin_] = h
                elif filled[bin_] == r:
                    signed[i, bin_] = min(signed[i, bin_], h)
            if left == 0:
                break


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
