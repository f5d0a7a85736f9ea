"""Guess before a page is fetched whether it is Japanese: by what its link, its address and its neighbours say."""

import re
from typing import Final, Literal, TypeAlias

#: 0 says Japanese; 1 stands on a Japanese page; 2 nothing is known; 3 stands on another page; 4 says something else.
Rank: TypeAlias = Literal[0, 1, 2, 3, 4]

#: Kana on a page from which it is taken for Japanese: as many as the gate of `extract` wants.
MIN_KANA: Final = 20
_LOOKED_AT: Final = 1 << 16

# A part of a host or path that is a language's code, or `lang=` of a query; cn, tw, kr as sites write them.
_LANGUAGE: Final = re.compile(
    r"(?:^|[/.])(ja|jp|jpn|japanese|nihongo|en|eng|english|zh|cn|tw|ko|kr|de|fr|es|it|pt|ru|vi|th|id|ar)"
    r"(?:[-_](?:[a-z]{2,4}))?(?=[/.]|$)|[?&;](?:lang|language|hl|locale|l)=([a-z]{2,3})",
    re.IGNORECASE,
)
_JAPANESE: Final = frozenset({"ja", "jp", "jpn", "japanese", "nihongo"})
# Kana in a percent-encoded address, as UTF-8; a search for ひらがな and カタカナ alone.
_KANA: Final = re.compile(r"%e3%8[1-3]%[89ab][0-9a-f]", re.IGNORECASE)
_KANA_BYTES: Final = re.compile(rb"\xe3[\x81-\x83][\x80-\xbf]")
_HTML_LANG: Final = re.compile(rb"<html[^>]{0,500}?\slang\s*=\s*[\"']?([a-zA-Z]{2,3})", re.IGNORECASE)
_CODECS: Final = frozenset({"cp932", "euc_jp", "iso2022_jp"})


def rank_of(host: str, path: str, *, language: str = "", neighbour: bool | None = None) -> Rank:
    """Say how early a page should be fetched.

    Args:
        host: of its address.
        path: of its address, with query.
        language: `hreflang` of its link, or ''.
        neighbour: whether the page that links to it is Japanese; None where there is none.
    """
    if language and language != "x-default":
        return 0 if language.partition("-")[0] == "ja" else 4
    said = [(found[1] or found[2]).lower() for found in _LANGUAGE.finditer(path)]
    said = said or [found[1].lower() for found in _LANGUAGE.finditer(host)]
    if said:
        return 0 if said[0] in _JAPANESE else 4
    if _KANA.search(path):
        return 0
    return 2 if neighbour is None else 1 if neighbour else 3


def is_japanese(html: bytes, codec: str) -> bool:
    """Say whether a page is Japanese, by its kana, its charset, or its own word where it has next to no text.

    Args:
        html: the page in UTF-8.
        codec: it was sent in.
    """
    head = html[:_LOOKED_AT]
    if len(_KANA_BYTES.findall(head)) >= MIN_KANA or codec in _CODECS:
        return True
    named = _HTML_LANG.search(head)
    return named is not None and named[1].lower() == b"ja"
