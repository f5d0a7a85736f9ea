"""Say how much a text reads like the language that its codec is for, by the characters outside ASCII."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from kakehi.arrays import BoolM, UInt8M, UInt32M


class Likelihood(NamedTuple):
    """Characters outside ASCII, signs left out: all, full-width kana and their kinds, kanji, strays, voiced half-width kana."""

    outside: int
    kana: int
    kinds: int
    kanji: int
    rare: int
    stray: int
    voiced: int

    @property
    def japanese(self) -> float:
        """From -1 to 1; 0 if there are none.

        Kana count for, everyday kanji a quarter of that; rare ones count as much against, and wholly what Japanese
        never has: half-width punctuation, stray sound marks, controls, private characters. Half-width kana count for
        nothing: bytes of every other encoding read as cp932 are half-width kana.
        """
        quarters = 4 * (self.kana - self.stray) + self.kanji - self.rare
        return quarters / (4 * self.outside) if self.outside else 0.0

    @property
    def with_half_width(self) -> float:
        """The same, where half-width kana with a legal sound mark count as kana: to choose between Japanese encodings."""
        return self.japanese + self.voiced / self.outside if self.outside else 0.0

    @property
    def kana_share(self) -> float:
        """Full-width kana in all."""
        return self.kana / self.outside if self.outside else 0.0

    @property
    def has_kana(self) -> bool:
        """Tell whether kana prove that this is Japanese, whatever is declared: four of them, of three kinds, and a tenth of all.

        Of 63 feeds in Japanese the least is 0.2, of 600 pages 0.37; foreign ones misread have below 0.05, or one or two.
        """
        return self.kana >= 4 and self.kinds >= 3 and self.kana_share >= 0.1


def likelihood(text: str) -> Likelihood:
    """Count the characters outside ASCII by what they say for Japanese; a run of one character counts once."""
    counts, kinds = np.zeros(_CLASSES, np.int64), np.zeros(_KANA_BLOCKS, np.bool_)
    for codes in _codes(text):
        classes = _classes()[codes]
        counts += np.bincount(classes, minlength=_CLASSES)
        kinds[codes[classes == _KANA] & (_KANA_BLOCKS - 1)] = True
    _, _, kana, kanji, rare, stray, marks = counts.tolist()
    voiced = 2 * len(VOICED.findall(text)) if marks else 0
    outside = int(counts.sum() - counts[_SILENT])
    return Likelihood(outside, kana, int(kinds.sum()), kanji, rare, stray + marks - voiced // 2, voiced)


def all_everyday(text: str) -> bool:
    """Tell whether kana and everyday kanji, three or more, are all that is outside ASCII, most of them side by side.

    What is not Japanese does that hardly ever: apostrophes of Windows, as in It’s, are everyday kanji, but stand alone.
    """
    found = likelihood(text)
    alone = len(ALONE.findall(text))
    return found.kana + found.kanji == found.outside >= 3 and 3 * alone <= found.outside


def everyday_share(text: str, codec: str) -> float:
    """Give the share of the most frequent characters of Chinese or Korean, whichever the codec is for, outside ASCII.

    Of what is Chinese it is 0.2 to 0.5, of Korean 0.5 to 0.8, of Japanese that was read by such a codec below 0.1.
    """
    outside = likelihood(text).outside
    everyday = sum(int(np.count_nonzero(_everyday(codec)[codes])) for codes in _codes(text))
    return everyday / outside if outside else 0.0


# The characters that running text has most of, from frequency lists, in their order; two in five characters of
# prose are among them. Korean: syllables, and the letters of laughter and tears that stand alone.
EVERYDAY: Final = {
    "gb18030": (
        "，；：！？的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所"
        "然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日者无"
    ),
    "big5hkscs": (
        "，；：！？的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所"
        "然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日者無"
    ),
    "cp949": (
        "이다는의에을가고를한하지로은사도기리자대서인어해시아나라들그일으수있정부만장스과보원것전주상구제니게여조성면안우동신세"
        "경국공비등와까요마무소없때말내생각습합입했었할될된위간트음들오연방중문치문모실화ㅋㅎㅠㅜㅡㅇㄴㄷ"
    ),
}

ALONE: Final = re.compile(r"(?<![^\0-\x7f])[^\0-\x7f](?![^\0-\x7f])")
VOICED: Final = re.compile("[ｳｶ-ﾄﾊ-ﾎ]ﾞ|[ﾊ-ﾎ]ﾟ")

_OTHER, _SILENT, _KANA, _KANJI, _RARE, _STRAY, _MARK = range(7)
_CLASSES: Final = 7
_LAST: Final = 0x10000
_KANA_BLOCKS: Final = 0x100
_ASCII: Final = bytes(range(128))
_CHUNK_CHARS: Final = 1 << 20  # so that a large page needs no more memory than its text
_RANGES: Final = (
    ((0x00, 0x7F), _SILENT),
    ((0x80, 0x9F), _STRAY),
    ((0x2000, 0x2BFF), _SILENT),  # signs and frames, of which a table may have more than letters
    ((0x3000, 0x3000), _SILENT),
    ((0x3041, 0x3096), _KANA),
    ((0x30A1, 0x30FA), _KANA),
    ((0x30FC, 0x30FC), _KANA),
    ((0x3400, 0x9FFF), _RARE),
    ((0xE000, 0xF8FF), _STRAY),
    ((0xF900, 0xFAFF), _RARE),
    ((0xFF61, 0xFF65), _STRAY),
    ((0xFF9E, 0xFF9F), _MARK),
)


def _codes(text: str) -> Iterator[UInt32M]:
    """Give the code points outside ASCII, those that repeat the last left out: frames and laughter are long and say little."""
    for start in range(0, len(text), _CHUNK_CHARS):
        outside = text[start : start + _CHUNK_CHARS].encode().translate(None, _ASCII).decode()
        codes = np.frombuffer(outside.encode("utf-32-le"), np.uint32)
        yield np.minimum(codes[np.diff(codes, prepend=np.uint32(0)) != 0], _LAST)


@cache
def _everyday(codec: str) -> BoolM:
    """Mark the everyday characters of the codec's language."""
    table = np.zeros(_LAST + 1, np.bool_)
    table[[ord(char) for char in EVERYDAY[codec]]] = True
    return table


@cache
def _classes() -> UInt8M:
    """Give every character of the first plane its class; everyday kanji are rows 16 to 47 of JIS X 0208, its level 1."""
    table = np.full(_LAST + 1, _OTHER, np.uint8)
    for (first, last), class_ in _RANGES:
        table[first : last + 1] = class_
    for row in range(16, 48):
        cells = bytes(byte for cell in range(1, 95) for byte in (row + 0xA0, cell + 0xA0))
        table[[ord(char) for char in cells.decode("euc_jp", "ignore")]] = _KANJI
    table[[ord(char) for char in "々、。「」"]] = _KANJI
    return table
