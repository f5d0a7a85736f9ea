"""Turn the markup of Aozora Bunko's text files into plain text: ruby, typists' notes, characters outside the code."""

import re
import unicodedata
from typing import Final, NamedTuple

from kakehi.filters.page.html import Ruby


class Work(NamedTuple):
    """A work's title and text, and how many of its characters have no code (each a 〓 in the text)."""

    title: str
    text: str
    unknown: int


def read_aozora(file: str, *, ruby: Ruby = "drop") -> Work:
    """Read a text file of Aozora Bunko.

    The first line is the title. What follows up to the first blank line (author, translator) is no text, nor is the
    explanation of signs between two lines of hyphens, nor the closing notes from 底本： on. Notes ［＃…］ go, lines of
    notes alone with their line; ［＃割り注］ becomes a bracket, because what it opens is text. ／＼ is the repeat mark
    〳〵; in 〔〕 a letter and a sign are an accented letter.

    Args:
        file: A decoded file.
        ruby: What becomes of 《かんじ》 behind a word: nothing, or it stays; ｜, which marks the word's begin, goes.

    Source: 注記一覧 and 外字注記辞書 of www.aozora.gr.jp, and 4,159 of its files.
    """
    title, body = _without_frame(file.replace("\r\n", "\n").replace("\r", "\n"))
    gaiji = _Gaiji()
    text, title = gaiji.settle(_settle_ruby(body, ruby)), gaiji.settle(_settle_ruby(title, "drop"))
    text = _without_notes(text)
    text = ACCENTED.sub(_accented, text.replace("／″＼", "〴〵").replace("／＼", "〳〵"))
    return Work(_without_notes(title).strip(), text.strip("\n"), gaiji.unknown)


SIGNS: Final = re.compile(
    r"^(?:-{10,}\n[^\n]*について[^\n]*|［表記について］)\n.*?^-{10,}\n", re.MULTILINE | re.DOTALL
)
CLOSING: Final = re.compile("^底本[:：]", re.MULTILINE)
HEAD_CHARS: Final = 20_000
READING: Final = re.compile("《[^《》\n]*》")
BASE: Final = re.compile("｜(?=[^｜《》\n]*《)")
GAIJI: Final = re.compile("※［＃([^［］]*)］")
MEN_KU_TEN: Final = re.compile("(?:^|[、準])([12])-([0-9]{1,2})-([0-9]{1,2})(?=$|[、）])")
CODE_POINT: Final = re.compile("U\\+([0-9A-Fa-f]{4,6})")
NOTE: Final = re.compile("［＃[^［］]*］")
NOTE_LINE: Final = re.compile("^(?:［＃[^［］]*］)+\n", re.MULTILINE)
INSET: Final = {"［＃割り注］": "（", "［＃割り注終わり］": "）"}
ACCENTED: Final = re.compile("〔([^〔〕\n]*)〕")
ACCENT: Final = re.compile("([A-Za-z])([`'^~:&,_])")
ACCENTS: Final = dict(zip("`'^~:&,_", "\u0300\u0301\u0302\u0303\u0308\u030a\u0327\u0304", strict=True))
LIGATURES: Final = {
    "ae&": "æ",
    "AE&": "Æ",
    "oe&": "œ",
    "OE&": "Œ",
    "s&": "ß",
    "o/": "ø",
    "O/": "Ø",
    "!@": "¡",
    "?@": "¿",
}
NO_CODE: Final = "〓"


def _without_frame(file: str) -> tuple[str, str]:
    """Return the title and the work, without head and closing notes."""
    head, _, body = file.lstrip("\ufeff\n").partition("\n\n")
    signs = SIGNS.search(file, 0, HEAD_CHARS)
    if signs:
        body = file[signs.end() :]
    closing = CLOSING.search(body)
    return head.partition("\n")[0], body[: closing.start()] if closing else body


def _settle_ruby(text: str, ruby: Ruby) -> str:
    text = BASE.sub("", text)
    return READING.sub("", text) if ruby == "drop" else text


class _Gaiji:
    """Put characters in place of their descriptions, and count those that have no code."""

    def __init__(self) -> None:
        self.unknown = 0

    def settle(self, text: str) -> str:
        return GAIJI.sub(self._character, text)

    def _character(self, note: re.Match[str]) -> str:
        found = _by_code_point(note[1]) or _by_men_ku_ten(note[1])
        self.unknown += found is None
        return NO_CODE if found is None else found


def _by_code_point(note: str) -> str | None:
    found = CODE_POINT.search(note)
    if not found:
        return None
    code = int(found[1], 16)
    return chr(code) if 0xA0 <= code < 0xD800 or 0xE000 <= code <= 0x10FFFF else None


def _by_men_ku_ten(note: str) -> str | None:
    """Read plane, row and cell of JIS X 0213."""
    found = MEN_KU_TEN.search(note)
    if not found:
        return None
    plane, row, cell = (int(number) for number in found.groups())
    if not (1 <= row <= 94 and 1 <= cell <= 94):
        return None
    try:
        return (b"\x8f" * (plane == 2) + bytes((row + 0xA0, cell + 0xA0))).decode("euc_jis_2004")
    except UnicodeDecodeError:
        return None


def _without_notes(text: str) -> str:
    """Drop notes, from the innermost outwards; a line that held notes alone goes with them."""
    for note, inset in INSET.items():
        text = text.replace(note, inset)
    while "［＃" in text:
        shorter = NOTE.sub("", NOTE_LINE.sub("", text))
        if shorter == text:
            break
        text = shorter
    return text


def _accented(brackets: re.Match[str]) -> str:
    """Write accents where letters and signs stand for them; other brackets stay."""
    inside = brackets[1]
    for sign, letter in LIGATURES.items():
        inside = inside.replace(sign, letter)
    inside = ACCENT.sub(lambda pair: unicodedata.normalize("NFC", pair[1] + ACCENTS[pair[2]]), inside)
    return inside if inside != brackets[1] else brackets[0]
