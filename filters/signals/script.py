"""Count characters by script, and give the shares that tell Japanese prose from the rest."""

import weakref
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.arrays import Float64N, Int64N, Int64N1, Int64NC, UInt8M
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.texts import Texts, character, view

# The classes of characters; a code point has one.
_OTHER, _BLANK, _HIRAGANA, _HIRAGANA_MARK, _KATAKANA, _KATAKANA_MARK, _KANJI, _KANJI_SWALLOW = range(8)
_LATIN, _DIGIT, _JAPANESE_MARK, _JAPANESE_STOP, _SYMBOL, _EMOJI, _HEXAGRAM = range(8, 15)
_CLASSES = 15
_PLANE = 0x10000


def measure(column: pa.Array) -> tuple[pa.Array, ...]:
    """Count the characters of every text by script; see `SCRIPT.signals` for each definition."""
    n = _classes_of(column)
    hiragana = n[:, _HIRAGANA] + n[:, _HIRAGANA_MARK]
    katakana = n[:, _KATAKANA] + n[:, _KATAKANA_MARK]
    kanji = n[:, _KANJI] + n[:, _KANJI_SWALLOW]
    marks = n[:, _JAPANESE_MARK] + n[:, _JAPANESE_STOP]
    characters = n.sum(axis=1)
    printed = characters - n[:, _BLANK]
    swallow = (
        n[:, _HIRAGANA] + n[:, _KATAKANA] + n[:, _KANJI_SWALLOW] + n[:, _JAPANESE_STOP] + n[:, _HEXAGRAM]
    )
    symbols = n[:, _SYMBOL] + n[:, _HEXAGRAM]
    counts = (
        *(characters, printed, hiragana, katakana, kanji, marks, n[:, _LATIN], n[:, _DIGIT]),
        *(swallow, symbols, n[:, _EMOJI]),
    )
    shares = (
        share(hiragana + katakana, printed),
        share(hiragana, printed),
        share(katakana, printed),
        share(kanji, printed),
        share(hiragana + katakana + kanji + marks, printed),
        share(n[:, _LATIN], printed),
        share(n[:, _DIGIT], printed),
        share(n[:, _HIRAGANA], swallow),
        share(n[:, _KATAKANA], swallow),
        share(swallow, characters),
        share(symbols, printed),
        share(n[:, _EMOJI], printed),
    )
    return (*map(pa.array, counts), *map(pa.array, shares))


def share(part: Int64N, whole: Int64N) -> Float64N:
    """Divide once, in float64; NaN where there is no whole."""
    quotient = np.full(len(whole), np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


class _Last(NamedTuple):
    """What was counted last, as long as its column is there."""

    column: weakref.ReferenceType[pa.Array]
    counts: Int64NC


_last: list[_Last] = []


def _classes_of(column: pa.Array) -> Int64NC:
    """Count a column once for all families of a step that ask: `language` and `wordlists` go by these counts too."""
    for last in _last:
        if last.column() is column:
            return last.counts
    counts = count_classes(view(column))
    _last[:] = [_Last(weakref.ref(column), counts)]
    return counts


def count_classes(texts: Texts) -> Int64NC:
    """Return int64[n, classes]: how many characters of each class a text has."""
    return _count(texts.bytes_, texts.offsets, _class_table())


_SWALLOW = "Swallow corpus v1, quality rules"
_RANGES = {
    "hiragana": "hiragana U+3041-3096, ゝゞゟ and hentaigana",
    "katakana": "katakana U+30A1-30FA, ーヽヾヿ, U+31F0-31FF, half-width",
    "kanji": "kanji of all planes, compatibility ideographs, 々〆〇〻",
    "marks": "、。「」・〜 and the other U+3000 marks, and full-width forms",
    "symbols": "punctuation and signs of ASCII and Latin-1, U+2000-2BFF, U+3200-33FF and the hexagrams U+4DC0-4DFF, without blanks, joiners and emoji",
    "emoji": "shown as pictures by default: those of U+231A-2B55 by Unicode's Emoji_Presentation, and U+1F000-1FAFF "
    "but for cards, tiles, letters and arrows; a skin tone or half a flag counts as one more",
}


def _counted(name: str, source: str) -> Signal:
    return Signal(name=name, dtype=pa.int64(), unit="characters", source=source)


def _shared(name: str, source: str) -> Signal:
    return Signal(name=name, dtype=pa.float64(), unit="share", source=source)


SCRIPT = Family(
    measure=measure,
    reads=("text",),
    signals=(
        _counted("characters", "code points, newlines and blanks included"),
        _counted("printed", "characters that are neither blanks (Unicode White_Space) nor newlines"),
        _counted("hiragana", _RANGES["hiragana"]),
        _counted("katakana", _RANGES["katakana"]),
        _counted("kanji", _RANGES["kanji"]),
        _counted("japanese_marks", _RANGES["marks"]),
        _counted("latin", "letters of the Latin blocks up to U+024F, U+1E00-1EFF, and full-width"),
        _counted("digits", "0-9, ASCII and full-width"),
        _counted(
            "swallow_letters",
            f"U+3041-3096, U+30A1-30FA, 々〇〻, U+3400-9FFF, U+F900-FAFF, 、，。．！？: 'Japanese letters' of {_SWALLOW}; "
            "misses ー and 𠮷 as it does",
        ),
        _counted("symbols", _RANGES["symbols"]),
        _counted("emoji", _RANGES["emoji"]),
        _shared("kana_share", "(hiragana + katakana) / printed"),
        _shared("hiragana_share", "hiragana / printed"),
        _shared("katakana_share", "katakana / printed"),
        _shared("kanji_share", "kanji / printed"),
        _shared("japanese_share", "(hiragana + katakana + kanji + japanese_marks) / printed"),
        _shared("latin_share", "latin / printed"),
        _shared("digit_share", "digits / printed"),
        _shared("swallow_hiragana_share", f"U+3041-3096 / swallow_letters; {_SWALLOW}"),
        _shared("swallow_katakana_share", f"U+30A1-30FA / swallow_letters; {_SWALLOW}"),
        _shared("swallow_japanese_share", f"swallow_letters / characters; {_SWALLOW}"),
        _shared("symbol_share", "symbols / printed"),
        _shared("emoji_share", "emoji / printed"),
    ),
    version=2,
    libraries=(),
    kernels=("script",),
)

# Emoji of plane 0 (Unicode's emoji-data.txt, Emoji_Presentation=Yes) and of plane 1, first and last.
_EMOJI_SPANS = (
    *((0x231A, 0x231B), (0x23E9, 0x23EC), (0x23F0, 0x23F0), (0x23F3, 0x23F3), (0x25FD, 0x25FE)),
    *((0x2614, 0x2615), (0x2648, 0x2653), (0x267F, 0x267F), (0x2693, 0x2693), (0x26A1, 0x26A1)),
    *((0x26AA, 0x26AB), (0x26BD, 0x26BE), (0x26C4, 0x26C5), (0x26CE, 0x26CE), (0x26D4, 0x26D4)),
    *((0x26EA, 0x26EA), (0x26F2, 0x26F3), (0x26F5, 0x26F5), (0x26FA, 0x26FA), (0x26FD, 0x26FD)),
    *((0x2705, 0x2705), (0x270A, 0x270B), (0x2728, 0x2728), (0x274C, 0x274C), (0x274E, 0x274E)),
    *((0x2753, 0x2755), (0x2757, 0x2757), (0x2795, 0x2797), (0x27B0, 0x27B0), (0x27BF, 0x27BF)),
    *((0x2B1B, 0x2B1C), (0x2B50, 0x2B50), (0x2B55, 0x2B55)),
    *((0x1F004, 0x1F004), (0x1F0CF, 0x1F0CF), (0x1F18E, 0x1F18E), (0x1F191, 0x1F19A), (0x1F1E6, 0x1F1FF)),
    *((0x1F200, 0x1F2FF), (0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F7E0, 0x1F7FF), (0x1F900, 0x1F9FF)),
    *((0x1FA70, 0x1FAFF),),
)

# First and last code point, class; later rows win.
_SPANS = (
    *((0x21, 0x7E, _SYMBOL), (0xA1, 0xBF, _SYMBOL), (0x2010, 0x2BFF, _SYMBOL), (0x3200, 0x33FF, _SYMBOL)),
    *((0xAD, 0xAD, _OTHER), (0xB5, 0xB5, _OTHER), (0x202A, 0x202E, _OTHER), (0x2060, 0x206F, _OTHER)),
    *((0x09, 0x0D, _BLANK), (0x20, 0x20, _BLANK), (0x85, 0x85, _BLANK), (0xA0, 0xA0, _BLANK)),
    *((0x1680, 0x1680, _BLANK), (0x2000, 0x200A, _BLANK), (0x2028, 0x2029, _BLANK), (0x202F, 0x202F, _BLANK)),
    *((0x205F, 0x205F, _BLANK), (0x30, 0x39, _DIGIT), (0x41, 0x5A, _LATIN), (0x61, 0x7A, _LATIN)),
    *((0xAA, 0xAA, _LATIN), (0xBA, 0xBA, _LATIN), (0xC0, 0x24F, _LATIN), (0xD7, 0xD7, _SYMBOL)),
    *((0xF7, 0xF7, _SYMBOL), (0x1E00, 0x1EFF, _LATIN)),
    *((0x3001, 0x303F, _JAPANESE_MARK), (0x3000, 0x3000, _BLANK), (0x3001, 0x3002, _JAPANESE_STOP)),
    *((0x3005, 0x3005, _KANJI_SWALLOW), (0x3006, 0x3006, _KANJI), (0x3007, 0x3007, _KANJI_SWALLOW)),
    *((0x303B, 0x303B, _KANJI_SWALLOW), (0x3041, 0x3096, _HIRAGANA), (0x3099, 0x309C, _JAPANESE_MARK)),
    *((0x309D, 0x309F, _HIRAGANA_MARK), (0x30A0, 0x30A0, _JAPANESE_MARK), (0x30A1, 0x30FA, _KATAKANA)),
    *((0x30FB, 0x30FB, _JAPANESE_MARK), (0x30FC, 0x30FF, _KATAKANA_MARK), (0x31F0, 0x31FF, _KATAKANA_MARK)),
    *((0x3400, 0x9FFF, _KANJI_SWALLOW), (0x4DC0, 0x4DFF, _HEXAGRAM), (0xF900, 0xFAFF, _KANJI_SWALLOW)),
    *((0xFF01, 0xFF65, _JAPANESE_MARK), (0xFF10, 0xFF19, _DIGIT), (0xFF21, 0xFF3A, _LATIN)),
    *((0xFF41, 0xFF5A, _LATIN), (0xFF66, 0xFF9D, _KATAKANA_MARK), (0xFF9E, 0xFF9F, _JAPANESE_MARK)),
    *((0xFF01, 0xFF01, _JAPANESE_STOP), (0xFF0C, 0xFF0C, _JAPANESE_STOP), (0xFF0E, 0xFF0E, _JAPANESE_STOP)),
    *((0xFF1F, 0xFF1F, _JAPANESE_STOP),),
    *(
        (0x1AFF0, 0x1AFFF, _KATAKANA_MARK),
        (0x1B001, 0x1B152, _HIRAGANA_MARK),
        (0x1B000, 0x1B000, _KATAKANA_MARK),
    ),
    *((0x1B120, 0x1B122, _KATAKANA_MARK), (0x1B155, 0x1B167, _KATAKANA_MARK)),
    *((first, last, _EMOJI) for first, last in _EMOJI_SPANS),
)


@cache
def _class_table() -> UInt8M:
    """Return uint8[2 * 65536]: the class of every code point of planes 0 and 1."""
    table = np.full(2 * _PLANE, _OTHER, np.uint8)
    for first, last, class_ in _SPANS:
        table[first : last + 1] = class_
    return table


# Where the table ends, and the ideographs' planes; 〆 and a private character have the classes of what lies there.
_TABLED, _IDEOGRAPHS, _KANJI_CODE, _OTHER_CODE = (
    np.uint64(code) for code in (0x20000, 0x40000, 0x3006, 0xE000)
)
# Slots of a tally, more than classes, and of four tallies; powers of two.
_TURN, _TURNS = np.uint64(16), np.uint64(64)


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1, table: UInt8M) -> Int64NC:
    """Count classes; planes 0 and 1 are in the table, planes 2 and 3 are kanji.

    Four tallies take turns: adding twice to one waits for the first.
    """
    rows = len(offsets) - 1
    counts = np.zeros((rows, _CLASSES), np.int64)
    tallies = np.zeros(int(_TURNS), np.int64)
    for row in range(rows):
        tallies[:] = 0
        i, stop, turn = np.uint64(offsets[row]), np.uint64(offsets[row + 1]), np.uint64(0)
        while i < stop:
            code, i = character(bytes_, i)
            if code >= _TABLED:
                code = _KANJI_CODE if code < _IDEOGRAPHS else _OTHER_CODE
            tallies[turn + np.uint64(table[code])] += 1
            turn = (turn + _TURN) % _TURNS
        for tally in range(0, len(tallies), int(_TURN)):
            for class_ in range(_CLASSES):
                counts[row, class_] += tallies[tally + class_]
    return counts
