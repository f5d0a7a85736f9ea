"""Write `unicode14.py`: the characters that NFC joins, splits or reorders, by the running Python.

    python3.11 -m tests.generators.unicode14 > filters/normalisation/unicode14.py

A Python of another Unicode version is refused.
"""

import sys
import unicodedata

UNICODE = "14.0.0"

HEAD = f'''"""Characters that NFC joins, splits or reorders in Unicode {UNICODE}; made by tests/generators/unicode14.py, not by hand."""

from typing import Final

#: Ranges of code points, hexadecimal, `first-last` or one alone; compatibility ideographs left out.
INTERACTING: Final = (
'''


def interacting() -> list[int]:
    """List the characters with a combining class, a canonical decomposition or a part in one, in order."""
    found: set[int] = set()
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        parts = unicodedata.normalize("NFD", character)
        if parts != character and not is_compatibility_ideograph(code):
            found.update(map(ord, parts), [code])
        elif unicodedata.combining(character):
            found.add(code)
    return sorted(found)


def is_compatibility_ideograph(code: int) -> bool:
    """Tell whether NFC would unify this ideograph with another: it is left alone."""
    return 0xF900 <= code <= 0xFAFF or 0x2F800 <= code <= 0x2FA1F


def ranges(codes: list[int]) -> list[str]:
    """Write sorted code points as ranges."""
    starts = [code for i, code in enumerate(codes) if i == 0 or codes[i - 1] != code - 1]
    stops = [code for i, code in enumerate(codes) if i + 1 == len(codes) or codes[i + 1] != code + 1]
    return [f"{a:X}" if a == b else f"{a:X}-{b:X}" for a, b in zip(starts, stops, strict=True)]


def module() -> str:
    """Return the source of `unicode14.py`."""
    lines, line = [], ""
    for word in ranges(interacting()):
        if len(line) + len(word) > 100:
            lines.append(line)
            line = ""
        line += word + " "
    return HEAD + "".join(f'    "{line}"\n' for line in [*lines, line]) + ")\n"


if __name__ == "__main__":
    if unicodedata.unidata_version != UNICODE:
        sys.exit(f"this Python has Unicode {unicodedata.unidata_version}, wanted {UNICODE}")
    sys.stdout.write(module())
