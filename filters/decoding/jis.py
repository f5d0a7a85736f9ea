"""Read EUC-JP and ISO-2022-JP as browsers and Windows read them, where Python's codecs follow the plain standard.

One cell of JIS X 0208 becomes one character, whatever the page's codec: the test goes over all 94 × 94.
"""

import codecs
import re
from functools import cache
from typing import Final, Literal, TypeAlias

Errors: TypeAlias = Literal["strict", "replace"]


def read_euc_jp(body: bytes, errors: Errors) -> str:
    """Decode EUC-JP with CP51932's rows, JIS X 0212 (three bytes) and half-width kana.

    Raises:
        UnicodeDecodeError: some bytes are none of these, and `errors` is strict.
    """
    text = body.decode("euc_jp", _cp51932(errors))
    for char, as_cp932 in AS_CP932:
        text = text.replace(char, as_cp932)
    return text


def read_iso2022_jp(body: bytes, errors: Errors) -> str:
    """Decode ISO-2022-JP with CP51932's rows, JIS X 0212, and half-width kana in all three ways.

    These are ESC ( I, SO and SI (JIS7), and bytes from A1 to DF (JIS8). Each run between two shifts is read as
    EUC-JP, so that a run cut inside a character spoils no other. Controls and spaces stay in every state.

    Raises:
        UnicodeDecodeError: some bytes are none of these, and `errors` is strict.

    Source: RFC 1468 and the WHATWG standard; JIS7 and JIS8 kana as in JIS X 0202 and CP50222.
    """
    shift, parts = b"\x1b(B", list[str]()
    for piece in SHIFT.split(body):
        if piece in SHIFTS:
            shift = b"\x1b(B" if piece == b"\x0f" else piece
        elif piece:
            parts.append(_read_run(piece, shift, errors))
    return "".join(parts)


# JIS X 0208 as Python's EUC-JP and ISO-2022-JP codecs read it, and as cp932, browsers and so most pages do.
# Without this 〜 is one character in a Shift_JIS page and another in an EUC-JP page.
AS_CP932: Final = tuple(zip("〜‖−¢£¬", "～∥－￠￡￢", strict=True))
# Rows 13 (NEC ①㈱) and 89 to 92 (IBM's 髙﨑 as NEC placed them) of CP51932. `euc_jis_2004` would accept
# these bytes, but reads rows 89 to 92 as other kanji.
CP51932_ROWS: Final = frozenset({13, 89, 90, 91, 92})

SHIFT: Final = re.compile(rb"(\x1b\$[B@]|\x1b\$\([BD@]|\x1b\([BHJI]|[\x0e\x0f])")
_KANJI, _KANJI_0212, _KANA = (b"\x1b$B", b"\x1b$@", b"\x1b$(B", b"\x1b$(@"), b"\x1b$(D", (b"\x1b(I", b"\x0e")
SHIFTS: Final = frozenset({*_KANJI, _KANJI_0212, *_KANA, b"\x1b(B", b"\x1b(H", b"\x1b(J", b"\x0f"})

# What is no character in a state becomes FF, which EUC-JP does not know: an error of one byte. So does ESC.
_NONE: Final = 0xFF
_PLAIN: Final = bytes(_NONE if b == 0x1B or (b > 0x7F and not 0xA1 <= b <= 0xDF) else b for b in range(256))
_HIGH: Final = bytes(_NONE if b == 0x1B or b > 0x7E else b | 0x80 if b > 0x20 else b for b in range(256))
_HALF: Final = bytes(
    _NONE if b == 0x1B or b > 0xDF or 0x5F < b < 0xA1 else b | 0x80 if b > 0x20 else b for b in range(256)
)
_EIGHT_BIT: Final = re.compile(rb"[\xa1-\xdf]")
_PAIR: Final = re.compile(rb"[\xa1-\xfe]{2}")


def _read_run(run: bytes, shift: bytes, errors: Errors) -> str:
    """Decode what stands between two shifts."""
    if shift in _KANJI:
        return read_euc_jp(run.translate(_HIGH), errors)
    if shift == _KANJI_0212:
        return read_euc_jp(_PAIR.sub(b"\x8f\\g<0>", run.translate(_HIGH)), errors)
    if shift in _KANA:
        return read_euc_jp(_EIGHT_BIT.sub(b"\x8e\\g<0>", run.translate(_HALF)), errors)
    text = read_euc_jp(_EIGHT_BIT.sub(b"\x8e\\g<0>", run.translate(_PLAIN)), errors)
    return text if shift == b"\x1b(B" else text.replace("\\", "¥").replace("~", "‾")


@cache
def _cp51932(errors: Errors) -> str:
    """Name a decoding error handler that reads the rows of CP51932 that JIS X 0208 lacks."""

    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if isinstance(error, UnicodeDecodeError):
            char = _cp51932_char(error.object[error.start : error.start + 2])
            if char:
                return char, error.start + 2
        return codecs.lookup_error(errors)(error)

    name = f"kakehi-cp51932-{errors}"
    codecs.register_error(name, handle)
    return name


def _cp51932_char(pair: bytes) -> str | None:
    """Read a pair of EUC-JP as cp932 reads the same row and cell."""
    row, cell = (byte - 0xA0 for byte in pair) if len(pair) == 2 else (0, 0)
    if row not in CP51932_ROWS or not 1 <= cell <= 94:
        return None
    lead = (row + 1) // 2 + (0x80 if row < 63 else 0xC0)
    trail = cell + (63 if cell < 64 else 64) if row % 2 else cell + 158
    try:
        return bytes((lead, trail)).decode("cp932")
    except UnicodeDecodeError:
        return None
