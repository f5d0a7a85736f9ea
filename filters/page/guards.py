"""Say before a page is parsed what its tags would cost the parser, in one pass over its bytes."""

import re
from typing import Final

import numpy as np
from numba import njit

from kakehi.arrays import UInt8M
from kakehi.filters.page.tags import is_blank, is_letter

# What takes time by its square is refused from where it takes a tenth of a second: lexbor compares every attribute of
# a tag with all before it (450,000 in a page of 5.7 MB: ten minutes), and every option with all of its select (400,000
# in 3.2 MB: twenty minutes).
MAX_ATTRIBUTES: Final = 10_000
MAX_OPTIONS: Final = 5_000


def most_attributes(html: bytes) -> int:
    """Count the attributes, by different names, of the tag that has the most, wherever a tag may begin; 0 where none has over `MAX_ATTRIBUTES`.

    A tag is read from every `<` and letter there is, in scripts, comments and values too: what a parser takes for
    content depends on what stands around it, and no page of people's has so many in either.
    """
    bytes_ = np.frombuffer(html, np.uint8)
    if len(html) <= 2 * MAX_ATTRIBUTES or _separators(bytes_) <= MAX_ATTRIBUTES:
        return 0
    most = int(_most_attributes(bytes_))
    if most <= MAX_ATTRIBUTES:
        return 0
    return min(most, len(set(re.split(rb"[\s/=>]+", html))))  # one name many times costs nothing


def options_in_selects(html: bytes) -> int:
    """Count the option tags of a page that has a select; a cut page has none but those that are never closed."""
    lower = html.lower()
    return lower.count(b"<option") if b"<select" in lower else 0


_IS_PLAIN: Final = np.array([byte not in b" \n\t\r\f<>/=\"'" for byte in range(256)])


@njit(cache=True, nogil=True)
def _separators(bytes_: UInt8M) -> int:
    """Count what may stand before an attribute: no tag has more of these."""
    count = 0
    for byte in bytes_:
        count += (byte <= 0x20) | (byte == 0x2F) | (byte == 0x22) | (byte == 0x27)
    return count


@njit(cache=True, nogil=True)
def _most_attributes(bytes_: UInt8M) -> int:
    """Go backwards, and know for every state a parser may be in how many attributes are to come until the tag ends."""
    most, plain = 0, False
    # To come: before a name, in a name, behind it, behind its `=`, in a bare value, in one in quotes " and '.
    before = name = behind = equals = bare = double = single = 0
    for i in range(len(bytes_) - 1, -1, -1):
        byte = bytes_[i]
        before_plain, plain = plain, bool(_IS_PLAIN[byte])
        if plain and before_plain:
            continue  # a letter beside a letter changes nothing
        if byte == 0x3C and i + 1 < len(bytes_) and is_letter(bytes_[i + 1]):
            most = max(most, name)
        in_double, in_single = double, single
        if byte == 0x22:
            in_double = before
        elif byte == 0x27:
            in_single = before
        if byte == 0x3E:
            new = (0, 0, 0, 0, 0)
        elif is_blank(byte):
            new = (before, behind, behind, equals, before)
        elif byte == 0x2F:
            new = (before, before, before, bare, bare)
        elif byte == 0x3D:
            new = (name + 1, equals, equals, bare, bare)
        else:
            quoted = double if byte == 0x22 else single if byte == 0x27 else bare
            new = (name + 1, name, name + 1, quoted, bare)
        before, name, behind, equals, bare = new
        double, single = in_double, in_single
    return most
