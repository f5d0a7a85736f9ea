"""Numbers go somewhere else, each to a place of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.tokenizer.packed import permutation
from kakehi.tokenizer.packed.permutation import key_of, permuted

_BITS = (1 << 64) - 1


def slow_mixed(x: int) -> int:
    """SplitMix64's finalizer in whole numbers."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _BITS
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _BITS
    return x ^ x >> 31


def slow_permuted(number: int, size: int, key: int) -> int:
    """Walk the cycle of a Feistel network one number at a time."""
    bits = (size - 1).bit_length()
    low_bits = bits // 2
    while True:
        high, low = number >> low_bits, number & (1 << low_bits) - 1
        for i in range(4):
            salt = key + i * 0x9E3779B97F4A7C15 & _BITS
            if i % 2:
                low ^= slow_mixed(high + salt & _BITS) & (1 << low_bits) - 1
            else:
                high ^= slow_mixed(low + salt & _BITS) & (1 << bits - low_bits) - 1
        number = high << low_bits | low
        if number < size:
            return number


@given(st.integers(1, 300), st.integers(0, _BITS))
def test_it_is_a_permutation(size: int, key: int) -> None:
    """Of every size, sizes of one and two too."""
    found = permuted(np.arange(size, dtype=np.uint64), size, key).tolist()
    assert sorted(found) == list(range(size))
    assert found == [slow_permuted(i, size, key) for i in range(size)]


@given(st.lists(st.tuples(st.integers(0, 2**50), st.integers(1, 2**50), st.integers(0, _BITS)), max_size=20))
def test_sizes_and_keys_may_differ(items: list[tuple[int, int, int]]) -> None:
    """Each number by its own size and key, as alone."""
    numbers, sizes, keys = (np.array([i[k] for i in items], np.uint64) for k in range(3))
    numbers %= np.maximum(sizes, 1)
    found = permuted(numbers, sizes, keys).tolist()
    assert found == [
        slow_permuted(int(n), int(s), int(k)) for n, s, k in zip(numbers, sizes, keys, strict=True)
    ]


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes through its numbers in blocks."""
    numbers = np.arange(1000, dtype=np.uint64)
    whole = permuted(numbers, 1000, 5)
    monkeypatch.setattr(permutation, "_BLOCK", 7)
    assert np.array_equal(permuted(numbers, 1000, 5), whole)


def test_keys_are_of_all_their_parts() -> None:
    """Another seed, name or epoch is another key; neighbours end up far from each other."""
    keys = {key_of(1, "a", 0), key_of(1, "a", 1), key_of(2, "a", 0), key_of(1, "b", 0), key_of("1a", 0)}
    assert len(keys) == 5
    places = permuted(np.arange(10_000, dtype=np.uint64), 10_000, key_of(1, "a")).astype(np.int64)
    assert abs(np.corrcoef(places[:-1], places[1:])[0, 1]) < 0.05
