"""What steers a terminal is shown, and nothing else is changed."""

import json
import sys
import unicodedata

from kakehi.pipeline.printable import show_controls, show_json, show_line

TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # UAX #9, explicit formatting
MARKS = {0x200E, 0x200F, 0x61C}


def test_no_control_and_no_mark_of_direction_is_left():
    """Of all code points: controls but tab and newline, surrogates, and whatever sets a direction without being seen."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        kind = unicodedata.category(char)
        turns = unicodedata.bidirectional(char) in TURNS or code in MARKS
        steers = char not in "\t\n" and (kind in {"Cc", "Cs", "Zl", "Zp"} or turns)
        assert (show_controls(char) != char) == steers, hex(code)
        assert show_controls(char).isprintable() or not steers


def test_escapes_are_those_of_python():
    """With two digits or four; a line has no break; JSON keeps its value."""
    text = "a\x1b[2J\x9b\x7f\u202eb\r\n\tか"
    assert show_controls(text) == "a\\x1b[2J\\x9b\\x7f\\u202eb\\r\n\tか"
    assert show_line(text) == "a\\x1b[2J\\x9b\\x7f\\u202eb\\r\\n\\tか"
    plain = json.dumps([text], ensure_ascii=False)
    assert json.loads(show_json(plain)) == [text]
    assert show_controls(show_json(plain)) == show_json(plain)
