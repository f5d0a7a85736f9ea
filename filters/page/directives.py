"""Read the words of `X-Robots-Tag` and `<meta name=robots>`, as the search engines document them and as sites write them.

Sources: Google (developers.google.com, "Robots meta tag, data-nosnippet, and X-Robots-Tag specifications") has commas
between directives, a robot's name with a colon before those for it alone, no difference of case, and dates of
`unavailable_after` in "RFC 822, RFC 850 or ISO 8601": the first two have commas and blanks in them. Bing (Webmaster
Tools, "Robots Metatags") has commas too. Sites write blanks, semicolons, full-width commas and quotes.
"""

import re
from typing import Final
from unicodedata import normalize

#: Names that stand for every robot; the last two where a header's own name or a whole tag was pasted into its value.
EVERYONE: Final = frozenset({"", "*", "robots", "x-robots-tag", "content"})

#: Directives with a value behind a colon, which says nothing of storing: `max-image-preview: none` is not `none`.
_VALUED: Final = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after", "unavailable-after"}
)
#: All others, which no robot is called, should a colon stand behind them.
_PLAIN: Final = frozenset(
    {
        *("all", "archive", "follow", "index", "indexifembedded", "none"),
        *(
            "noai",
            "noarchive",
            "nocache",
            "nofollow",
            "noimageai",
            "noimageindex",
            "noindex",
            "noml",
            "noodp",
        ),
        *("nosnippet", "notrain", "notranslate", "noydir"),
    }
)

_BETWEEN: Final = re.compile(r"[\s,;|、]+")
_WORD: Final = re.compile(r"[a-z][a-z_-]*")


def read_directives(value: str, agents: frozenset[str]) -> frozenset[str]:
    """Give the directives for everyone and for some robots: `noindex, otherbot: nofollow` says noindex to all.

    Args:
        value: of a header or of a tag's attribute.
        agents: names of robots, in lower case.

    Returns:
        words in lower case, those of dates among them.
    """
    words, ours = set[str](), True
    for part in _parts(value):
        name, colon, rest = part.partition(":")
        while colon and _is_robot(name, rest):
            ours = name.partition("/")[0] in EVERYONE | agents
            name, colon, rest = rest.partition(":")
        if ours:
            words |= _words(name, colon + rest)
    return frozenset(words)


def _parts(value: str) -> list[str]:
    """Split at commas and all that is written for them; what stands on both sides of a colon stays together."""
    plain = " ".join(normalize("NFKC", value).lower().replace("=", ":").split())
    return [part.strip("\"'<>[]") for part in _BETWEEN.split(plain.replace(" :", ":").replace(": ", ":"))]


def _is_robot(name: str, rest: str) -> bool:
    """Tell a robot's name from a directive, a time of day and an offset like GMT-09:00."""
    return name not in _VALUED | _PLAIN and not rest[:1].isdigit()


def _words(name: str, rest: str) -> set[str]:
    if name in _VALUED:  # a value that was forgotten leaves the next word in its place
        return {name} | ({rest.removeprefix(":")} & _PLAIN - {"none"})
    return set(_WORD.findall(name + rest))
