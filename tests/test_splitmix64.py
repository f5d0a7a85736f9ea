"""Numbers are scattered as SplitMix64 does it, and its own published sequence comes out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kakehi.splitmix64 import GOLDEN_GAMMA, half_mixed, mixed

_BITS = (1 << 64) - 1


def slow_half(x: int) -> int:
    """Mix by the first half of the finaliser, in whole numbers."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _BITS
    return x ^ x >> 27


def slow_mixed(x: int) -> int:
    """Mix by all of it."""
    x = slow_half(x) * 0x94D049BB133111EB & _BITS
    return x ^ x >> 31


@given(st.lists(st.integers(0, _BITS)))
def test_mixing_agrees_with_the_slow_twin(numbers: list[int]) -> None:
    """Also at both ends of 64 bits."""
    array = np.array(numbers, np.uint64)
    assert mixed(array).tolist() == [slow_mixed(x) for x in numbers]
    assert half_mixed(array).tolist() == [slow_half(x) for x in numbers]


def test_sequence_is_the_published_one() -> None:
    """The generator's first numbers from seed 1234567 are those that its other implementations give."""
    states = np.uint64(1234567) + np.arange(1, 6, dtype=np.uint64) * GOLDEN_GAMMA
    assert mixed(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
