"""Write the rules of a level out as tables over code points, for the kernel."""

from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from kakehi.arrays import UInt8M, UInt32M
from kakehi.filters.normalisation import canonical
from kakehi.filters.normalisation.rules import RULES, Act, Level, Move, Rule, rules_of

TABLE_SIZE: Final = 0x20000  # planes 0 and 1; above them only noncharacters change


class Tables(NamedTuple):
    """What the kernel looks up at a code point."""

    acts: UInt8M  # what is done there
    becomes: UInt32M  # the code point that replaces it
    rules: UInt8M  # place in RULES of the rule that does it
    voiced: UInt32M  # U+3040 + i with dakuten, or 0
    half_voiced: UInt32M  # U+3040 + i with handakuten, or 0


@cache
def tables(level: Level, without: frozenset[str] = frozenset()) -> Tables:
    """Apply the rules in their order; each sees what earlier ones made: Ａ is A, and so a."""
    made = Tables(
        acts=np.zeros(TABLE_SIZE, np.uint8),
        becomes=np.arange(TABLE_SIZE, dtype=np.uint32),
        rules=np.zeros(TABLE_SIZE, np.uint8),
        voiced=np.array(canonical.voiced("\u3099"), np.uint32),
        half_voiced=np.array(canonical.voiced("\u309a"), np.uint32),
    )
    for rule in rules_of(level):
        if rule.name not in without:
            for move in _moves(rule):
                _apply(made, move, RULES.index(rule))
    return made


def _moves(rule: Rule) -> Iterator[Move]:
    if rule.name == "canonical":
        yield from canonical.moves()
    yield from rule.moves


def _apply(made: Tables, move: Move, rule: int) -> None:
    """Let a move act at its characters and at those that have become one of them."""
    codes = np.array(list(map(ord, move.characters)), np.int64)
    target = np.arange(TABLE_SIZE, dtype=np.uint32)
    named = np.zeros(TABLE_SIZE, np.bool_)
    target[codes] = list(map(ord, move.becomes or move.characters))
    named[codes] = True
    became = np.where(named, np.arange(TABLE_SIZE, dtype=np.uint32), made.becomes)
    touched = named[became]
    made.rules[touched & (made.acts == Act.PLAIN)] = rule
    made.becomes[touched] = target[became[touched]]
    made.acts[touched] = move.act
