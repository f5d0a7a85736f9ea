"""Tell cheaply, before extraction, whether a page can be Japanese."""

import re
import sys
from typing import Final


def looks_japanese(html: str, *, min_kana: int = 20) -> bool:
    """Tell whether a decoded page holds enough kana; stop reading as soon as it does.

    Kana decide, wherever they stand and whatever the page says of itself: a page that declares `ja` and has
    no kana is not Japanese, one that declares `en` may be. A declared `ja` halves the number asked for.
    The name of the language in a list of languages, 日本語, has no kana.

    Args:
        html: A decoded page; numeric references (&#12518; &#x30E6;) count, tags are not looked at.
        min_kana: Kana wanted, in characters, half-width ones included. Of 894 manual pages that extraction
            and language identification call Japanese, 20 keeps all and 50 keeps 98.5 %.
    """
    wanted = (min_kana + 1) // 2 if declares_japanese(html) else min_kana
    if wanted <= 0:
        return True
    missing = wanted - _kana(html, wanted)
    return missing <= 0 or _references(html, missing) >= missing


def declares_japanese(html: str) -> bool:
    """Tell whether the `<html>` tag's `lang` or `xml:lang` is `ja` or `ja-…`; `jav` and `jam` are not."""
    return LANG_JA.search(html, 0, LANG_CHARS) is not None


LANG_CHARS: Final = 4_096
LANG_JA: Final = re.compile(
    r"""<html\b[^<>]*\s(?:xml:)?lang\s*=\s*["']?ja(?:[-_][\w-]*)?["'\s>]""", re.IGNORECASE
)
KANA: Final = re.compile("[ぁ-ゖァ-ヺｦ-ﾝ]+")
# Apart from KANA: a pattern that starts with a plain string is searched several times faster.
REFERENCE: Final = re.compile("&#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,8}))")


def _kana(html: str, wanted: int) -> int:
    """Count the kana as they stand, up to the wanted number or a few more."""
    # A string knows that it is ASCII, which most of the web's pages are; re would read it all.
    if html.isascii():
        return 0
    found = 0
    for run in KANA.finditer(html):
        found += run.end() - run.start()
        if found >= wanted:
            break
    return found


def _references(html: str, wanted: int) -> int:
    """Count the numeric references to kana, up to the wanted number."""
    found = 0
    for hexadecimal, decimal in (reference.groups() for reference in REFERENCE.finditer(html)):
        point = int(hexadecimal, 16) if hexadecimal else int(decimal)
        found += point <= sys.maxunicode and KANA.match(chr(point)) is not None
        if found >= wanted:
            break
    return found
