"""A page's text as one codec reads it: wholly, or with replacement characters."""

from typing import Final, Literal, NamedTuple, TypeAlias

from kakehi.filters.decoding.jis import read_euc_jp, read_iso2022_jp
from kakehi.filters.decoding.likelihood import likelihood

Evidence: TypeAlias = Literal["bom", "escape", "pattern", "header", "meta", "trial", "fallback"]


class Decoded(NamedTuple):
    """A decoded page, the codec and where it was learnt, and how many bytes or pairs had to be replaced."""

    text: str
    codec: str
    codec_from: Evidence
    replaced: int

    @property
    def dubious(self) -> bool:
        """Whether the charset was guessed, and what it gives is hardly Japanese: bytes that are no text give kana too."""
        if self.codec_from not in ("trial", "fallback") or self.codec == "utf-8":
            return False
        found = likelihood(self.text)
        return found.kana_share < DUBIOUS_KANA or found.kinds < DUBIOUS_KINDS

    def utf8(self, body: bytes) -> bytes:
        """Give the page in UTF-8, as the gate and the extractor take it: most bodies are that already."""
        if self.codec == "utf-8" and self.codec_from != "bom" and not self.replaced:
            return body
        return self.text.encode()


#: Least share of kana in what a guessed charset gives; of random bytes read as cp932 it is 0.005.
DUBIOUS_KANA: Final = 0.05
#: Least different ones; of 2,000 Japanese texts that the gate lets pass the least is 10.
DUBIOUS_KINDS: Final = 8
# What Python's cp932 gives for the bytes A0, FD, FE and FF, which are no Windows-31J.
NOT_CP932: Final = ("\uf8f0", "\uf8f1", "\uf8f2", "\uf8f3")


def read_strictly(body: bytes, codec: str) -> str | None:
    """Decode the whole body, or say that it can't be."""
    try:
        text = _read(body, codec, "strict")
    except UnicodeDecodeError:
        return None
    return None if codec == "cp932" and any(char in text for char in NOT_CP932) else text


def read_leniently(body: bytes, codec: str, place: Evidence) -> Decoded:
    """Decode the body with replacement characters; those that the page itself holds don't count."""
    text = _read(body, codec, "replace")
    text = text.removeprefix("\ufeff") if place == "bom" else text
    for char in NOT_CP932 if codec == "cp932" else ():
        text = text.replace(char, "�")
    own = body.count("�".encode()) if codec == "utf-8" else 0
    return Decoded(text, codec, place, text.count("�") - own)


def _read(body: bytes, codec: str, errors: Literal["strict", "replace"]) -> str:
    if codec == "euc_jp":
        return read_euc_jp(body, errors)
    return read_iso2022_jp(body, errors) if codec == "iso2022_jp" else body.decode(codec, errors)
