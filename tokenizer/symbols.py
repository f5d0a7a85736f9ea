"""Tell which pieces a manifest may ask SentencePiece for: those it would refuse, or never use, are named before it runs."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

SPECIAL: Final = ("<unk>", "<s>", "</s>")
"""Pieces that every model has, as ids 0 to 2, besides those that `train` is asked for."""

#: SentencePiece 0.2.3 trains with a longer one, but does not open the model: "piece is too long".
_MAX_BYTES: Final = 7999

_BYTE: Final = re.compile(r"<0x[0-9A-F]{2}>")


def fewest_pieces(user: Sequence[str], control: Sequence[str]) -> int:
    """Count the pieces that a model has whatever it learns from: special ones, symbols, newline, bytes and the space."""
    return len({*SPECIAL, *control, *user}) + len(("\n", "▁")) + 256


def faults_of_user_symbols(symbols: Sequence[str]) -> Iterator[str]:
    """Say what is wrong with pieces that are to be whole wherever they stand in a text."""
    for symbol in dict.fromkeys(symbols):
        if symbol in SPECIAL:
            yield f"{symbol!r} is a piece that no text may become"
        elif symbol != "▁" and any(space in symbol for space in " ▁"):
            yield f"{symbol!r} would never be met: SentencePiece cuts texts at spaces, and takes ▁ for one"
    yield from _faults(symbols)


def faults_of_control_symbols(symbols: Sequence[str]) -> Iterator[str]:
    """Say what is wrong with pieces that no text is to become."""
    if "<unk>" in symbols:
        yield "'<unk>' is a piece of every model"
    yield from _faults(symbols)


def _faults(symbols: Sequence[str]) -> Iterator[str]:
    """Say what holds of both: SentencePiece ends with an error, or with a model without the piece."""
    for symbol in dict.fromkeys(symbols):
        if symbols.count(symbol) > 1:
            yield f"{symbol!r} stands {symbols.count(symbol)} times"
        if symbol in {"\n", "▁"} or _BYTE.fullmatch(symbol):
            yield f"{symbol!r} is a piece of every model"
        elif not symbol:
            yield "'' is no piece"
        elif "\0" in symbol:
            yield f"{symbol!r} holds a NUL, which ends a piece"
        elif any("\ud800" <= character <= "\udfff" for character in symbol):
            yield f"{symbol!r} holds half a character, a surrogate"
        elif (size := len(symbol.encode())) > _MAX_BYTES:
            yield f"{symbol[:20]!r}… has {size:,} bytes, wanted at most {_MAX_BYTES:,}"
