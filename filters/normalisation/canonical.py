"""Compose and order combining marks as NFC does, the same under every Python, and leave names alone.

Unicode promises that the NFC of a text never changes once its characters are assigned, so only the set of
characters is ours: those that interact in Unicode 14, the version of the oldest Python we run on. Whatever came
later, and compatibility ideographs (神 U+FA19, which NFC would unify with 神), stands as it is.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Final

from kakehi.filters.normalisation.rules import Act, Move
from kakehi.filters.normalisation.unicode14 import INTERACTING


def compose(text: str) -> str:
    """Apply NFC to every run of interacting characters."""
    return _runs().sub(lambda run: unicodedata.normalize("NFC", _ordered(run[0])), text)


@cache
def moves() -> tuple[Move, ...]:
    """Say what the kernel does at interacting characters: replace them, or mark the text for `compose`.

    Those that only combine with something behind them are plain: the character behind is what counts.
    """
    codes = [code for first, last in ranges() for code in range(first, last + 1)]
    settled = {chr(code): unicodedata.normalize("NFC", chr(code)) for code in codes}
    single = {
        c: to for c, to in settled.items() if c != to and len(to) == 1 and not unicodedata.combining(to)
    }
    seconds = _seconds(settled)
    unordered = [
        c
        for c, to in settled.items()
        if c not in single and (to != c or unicodedata.combining(c) or c in seconds)
    ]
    return Move(Act.MAP, "".join(single), "".join(single.values())), Move(Act.UNORDERED, "".join(unordered))


def voiced(mark: str) -> list[int]:
    """Return, for U+3040 to U+30FF, the kana composed with the mark, or 0."""
    both = [compose(chr(0x3040 + i) + mark) for i in range(0xC0)]
    return [ord(c) if len(c) == 1 else 0 for c in both]


@cache
def ranges() -> tuple[tuple[int, int], ...]:
    """Return first and last code point of every range of interacting characters."""
    words = (word.partition("-") for word in INTERACTING.split())
    return tuple((int(first, 16), int(last or first, 16)) for first, _, last in words)


def _ordered(run: str) -> str:
    """Decompose and order a run with more marks than any script writes, in n log n: Python's NFC takes their square.

    450,000 marks on one kana, a megabyte, took hours. Up to the 30 of UAX #15's stream-safe format it is left alone;
    nothing is put in or left out, so the NFC stays what it is.
    """
    if len(run) <= STREAM_SAFE:
        return run
    out, marks = list[str](), list[str]()
    for character in "".join(unicodedata.normalize("NFD", c) for c in run):
        if unicodedata.combining(character):
            marks.append(character)
            continue
        out += [*sorted(marks, key=unicodedata.combining), character]
        marks.clear()
    return "".join([*out, *sorted(marks, key=unicodedata.combining)])


#: Marks on one character that may follow each other in a text in stream-safe format (UAX #15, 13.1).
STREAM_SAFE: Final = 30


@cache
def _runs() -> re.Pattern[str]:
    return re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges()) + "]+")


def _seconds(characters: Iterable[str]) -> set[str]:
    """Find the starters that compose with what stands before them: Hangul vowels and finals, a few Indic vowels."""
    parts = (unicodedata.normalize("NFD", c) for c in characters)
    return {c for split in parts for c in split[1:] if not unicodedata.combining(c)}
