"""SplitMix64's finaliser: numbers to numbers that look random, one to one, the same on every machine.

Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (OOPSLA 2014).
"""

from typing import Final

import numpy as np

from kakehi.arrays import UInt64N

#: 2^64 / golden ratio, odd: a step between states, and as a multiplier alone a hash in a product's upper bits.
GOLDEN_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)


def mixed(numbers: UInt64N) -> UInt64N:
    """Scatter numbers over 64 bits, one to one."""
    out = half_mixed(numbers)
    out *= np.uint64(0x94D049BB133111EB)
    out ^= out >> np.uint64(31)
    return out


def half_mixed(numbers: UInt64N) -> UInt64N:
    """Scatter numbers by the first half of the finaliser, one to one: enough to share rows out evenly."""
    out = numbers ^ (numbers >> np.uint64(30))
    out *= np.uint64(0xBF58476D1CE4E5B9)  # in place: another array of a million costs half as much again
    out ^= out >> np.uint64(27)
    return out
