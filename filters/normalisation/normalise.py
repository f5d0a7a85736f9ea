"""Settle the spellings of one character that differ by keyboard or codec, and lose nothing a reader would miss.

Every change is a row of `RULES`. Neither NFKC (①→1, ㍻→平成, 3½→31⁄2) nor NFC (神 U+FA19→神 U+795E) is safe for
Japanese text; peers' rules are made for dictionary look-up (2010〜2020年 → 20102020年).
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from kakehi.arrays import BoolN
from kakehi.filters.normalisation.canonical import compose
from kakehi.filters.normalisation.rewriting import rewrite
from kakehi.filters.normalisation.rules import LEVELS, RULES, Level, rules_of
from kakehi.filters.normalisation.tables import tables
from kakehi.filters.texts import Texts, column_of, view


class Settled(NamedTuple):
    """Texts, and how often each rule fired: for each character it replaced, removed or composed, once.

    `layout` counts runs of blanks that it shortened and newlines that it dropped; `canonical` counts a text whose
    combining marks it composed or ordered once, whatever their number, beside the kana it composed.
    """

    texts: pa.LargeStringArray
    fired: dict[str, int]


def normalise(column: pa.Array, level: Level = "training") -> pa.LargeStringArray:
    """Apply the rules of a level to every text; a null row becomes an empty text.

    Idempotent. `archive` keeps layout and every visible character; `training` also settles width, twins of codecs
    and blanks; `key` is for comparing texts, not for reading them: it also folds case, punctuation, dashes and
    blanks. Each level is a function of the one before: `key` of a text is `key` of its `training`.

    Raises:
        ValueError: `level` names no level.
    """
    return settle(column, level).texts


def settle(column: pa.Array, level: Level, without: Collection[str] = ()) -> Settled:
    """Apply the rules of a level but those named in `without`, and count how often each fired.

    Raises:
        ValueError: `level` names no level, or `without` a rule that the level does not have.
    """
    if level not in LEVELS:
        raise ValueError(f"normalise: level is {level!r}, wanted {' or '.join(map(repr, LEVELS))}")
    unknown = sorted(set(without) - {rule.name for rule in rules_of(level)})
    if unknown:
        raise ValueError(f"normalise: level {level!r} has no rule {unknown[0]!r} to leave out")
    left_out = frozenset(without)
    texts, unordered, fired = _rewritten(column, level, left_out)
    if unordered.any():
        rows = pa.array(np.flatnonzero(unordered))
        fired["canonical"] += sum(compose(text) != text for text in texts.take(rows).to_pylist())
        where = np.cumsum(unordered) + len(texts) - 1
        settled = _level_by_level(column.take(rows), level, left_out)
        texts = pa.concat_arrays([texts, settled]).take(np.where(unordered, where, np.arange(len(texts))))
    return Settled(texts, {rule: count for rule, count in fired.items() if count})


def _rewritten(
    column: pa.Array, level: Level, without: frozenset[str]
) -> tuple[pa.LargeStringArray, BoolN, dict[str, int]]:
    """Do all but composing and ordering combining marks, and say in which rows there are any."""
    texts, table = view(column), tables(level, without)
    tidy = level != "archive" and "layout" not in without
    bytes_, offsets, unordered, fired = rewrite(texts.bytes_, texts.offsets, *table, tidy)
    by_rule = {rule.name: int(count) for rule, count in zip(RULES, fired, strict=False)}
    return column_of(Texts(bytes_[: offsets[-1]], offsets)), unordered, by_rule


def _level_by_level(column: pa.Array, level: Level, without: frozenset[str]) -> pa.LargeStringArray:
    """Apply one level after the other to rows with combining marks, composing after each.

    In one step ∥ with U+0338 would become ‖ with U+0338, but ∦, the same text in another form, would stay.
    """
    texts = column.cast(pa.large_string())
    for each in LEVELS[: LEVELS.index(level) + 1]:
        texts = _rewritten(texts, each, without)[0]
        texts = pa.array([compose(text) for text in texts.to_pylist()], pa.large_string())
    return texts
