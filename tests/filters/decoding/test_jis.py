"""Test that a JIS character is one character, whatever the codec it came in."""

import pytest

from kakehi.filters.decoding.charset import decode
from kakehi.filters.decoding.decoded import Decoded
from kakehi.filters.decoding.jis import read_euc_jp, read_iso2022_jp

CELLS = [(row, cell) for row in range(1, 95) for cell in range(1, 95)]


def in_cp932(row, cell):
    """Write a cell as Shift_JIS does (JIS X 0208, appendix 1)."""
    lead = (row - 1) // 2 + (0x81 if row < 63 else 0xC1)
    trail = cell + (63 if cell < 64 else 64) if row % 2 else cell + 158
    return bytes((lead, trail))


def test_every_cell_is_one_character_in_all_three_codecs():
    """What cp932 reads in a cell, EUC-JP and ISO-2022-JP read too, NEC's and IBM's rows among them."""
    seen = 0
    for row, cell in CELLS:
        try:
            wanted = in_cp932(row, cell).decode("cp932")
        except UnicodeDecodeError:
            continue
        pair = bytes((row + 32, cell + 32))
        assert read_euc_jp(bytes((row + 160, cell + 160)), "strict") == wanted
        assert read_iso2022_jp(b"\x1b$B" + pair + b"\x1b(B", "strict") == wanted
        seen += 1
    assert seen == 6879 + 83 + 374  # JIS X 0208, row 13, IBM's as NEC placed them


def test_jis_x_0212():
    """Three bytes in EUC-JP, ESC $ ( D in ISO-2022-JP."""
    assert read_euc_jp(b"\x8f\xb0\xa1", "strict") == "丂"  # the first kanji of the set
    assert read_iso2022_jp(b"\x1b$(D\x30\x21\x1b(B!", "strict") == "丂!"


@pytest.mark.parametrize("kana", [b"\x1b(I6^2\x1b(B", b"\x0e6^2\x0f", b"\xb6\xde\xb2"])
def test_half_width_kana_in_three_ways(kana):
    """By escape, by SO and SI, and in eight bits."""
    body = b"\x1b$B4A;z\x1b(B" + kana + b"<br>"
    assert decode(body) == Decoded("漢字ｶﾞｲ<br>", "iso2022_jp", "escape", 0)


def test_utf8_that_shows_escapes_is_utf8():
    """A page about ISO-2022-JP, with a raw escape in it, stays what it is."""
    page = "エスケープは \x1b$B です。é"
    assert decode(page.encode()) == Decoded(page, "utf-8", "trial", 0)


def test_a_run_cut_inside_a_character_spoils_no_other():
    """One replacement, and the next run is read in step; so is a control inside of a run."""
    body = b"\x1b$B4A;\x1b(B, \x1b$B4A\n;z\x1b(B"
    assert decode(body) == Decoded("漢\ufffd, 漢\n字", "iso2022_jp", "escape", 1)


def test_an_unknown_escape_is_replaced():
    """A designation of a set that is not Japanese costs one character and nothing behind it."""
    assert decode(b"\x1b$B4A\x1b(B\x1b$A!\x1b$B4A\x1b(B").text == "漢\ufffd$A!漢"


def test_jis_roman():
    """Yen and overline stand where ASCII has backslash and tilde."""
    assert read_iso2022_jp(b"\x1b(J\\100~\x1b(B\\~", "strict") == "¥100‾\\~"


def test_everything_else_is_an_error():
    """Strictly it raises, leniently it is replaced."""
    for body in (b"\x1b(I\x60", b"\x1b$B\x7f\x7f", b"a\xe0", b"\x1b$B!", b"\x1b(I\x60\x61"):
        with pytest.raises(UnicodeDecodeError):
            read_iso2022_jp(body, "strict")
        assert "\ufffd" in read_iso2022_jp(body, "replace")
