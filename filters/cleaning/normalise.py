"""Settle the spellings of one character that differ by keyboard or codec, and lose nothing a reader would miss.

Every change is a row of `RULES`. Neither NFKC (①→1, ㍻→平成, 3½→31⁄2) nor NFC (神 U+FA19→神 U+795E) is safe for
Japanese text; peers' rules are made for dictionary look-up (2010〜2020年 → 20102020年).
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from kakehi.filters.cleaning.canonical import compose
from kakehi.filters.cleaning.rewriting import rewrite
from kakehi.filters.cleaning.rules import LEVELS, RULES, Level, rules_of
from kakehi.filters.cleaning.tables import tables
from kakehi.filters.texts import BoolN, Texts, column_of, view


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
    texts, unordered, fired = _rewritten(column, level, frozenset(without))
    if unordered.any():
        texts, composed = _with_composed(texts, column, unordered, level)
        fired["canonical"] = fired.get("canonical", 0) + composed
    return Settled(texts, {rule.name: fired[rule.name] for rule in RULES if fired.get(rule.name)})


def _rewritten(
    column: pa.Array, level: Level, without: frozenset[str]
) -> tuple[pa.LargeStringArray, BoolN, dict[str, int]]:
    texts, table = view(column), tables(level, without)
    tidy = level != "archive" and "layout" not in without
    bytes_, offsets, unordered, fired = rewrite(
        texts.bytes_, texts.offsets, table.acts, table.becomes, table.voiced, table.half_voiced, tidy
    )
    by_rule = np.bincount(table.rules, fired, len(RULES))
    names = {rule.name: int(count) for rule, count in zip(RULES, by_rule, strict=True)}
    return column_of(Texts(bytes_[: offsets[-1]], offsets)), unordered, names


def _with_composed(
    texts: pa.LargeStringArray, column: pa.Array, unordered: BoolN, level: Level
) -> tuple[pa.LargeStringArray, int]:
    """Compose and order combining marks in the marked rows; return all texts, and how many changed."""
    rows = np.flatnonzero(unordered)
    marked = texts.take(rows)
    if level == "key":  # marks first: İ has no lower letter, I has, and I with a dot above is İ
        marked = _rewritten(normalise(column.take(rows), "training"), level, frozenset())[0]
    before = marked.to_pylist()
    after = [compose(text) for text in before]
    where = np.arange(len(texts))
    where[rows] = len(texts) + np.arange(len(rows))
    settled = pa.concat_arrays([texts, pa.array(after, pa.large_string())]).take(pa.array(where))
    return settled, sum(a != b for a, b in zip(after, before, strict=True))
