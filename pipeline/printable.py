r"""Show what of a text would steer a terminal, or turn the order of what is read, as escapes: `\x1b`, `\u202e`."""

from __future__ import annotations

import re
from typing import Final

#: C0 but tab and newline, DEL, C1, line and paragraph separators; marks, embeddings, overrides and isolates of direction.
_STEERS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BREAKS: Final = re.compile("[\t\n]")
_NAMED: Final = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def show_controls(text: str) -> str:
    r"""Write control and direction characters, and lone surrogates, as escapes; tabs and newlines stay."""
    return _STEERS.sub(_escape, text)


def show_line(text: str) -> str:
    """Write tabs and newlines as escapes too: what is to be one line stays one."""
    return _BREAKS.sub(_escape, show_controls(text))


def show_json(text: str) -> str:
    """Write the same characters of JSON as JSON's own escapes, which changes no value."""
    return _STEERS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _NAMED.get(match[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
