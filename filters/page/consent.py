"""Read what a response says about being stored and followed: robots headers and tags, reservation of text mining.

Sources: RFC 9309 has robots.txt (read elsewhere, before a page is asked for); `X-Robots-Tag` and `<meta name=robots>`
are those of the search engines, with `noai` (DeviantArt, 2022) besides; the TDM Reservation Protocol is the final
report of its W3C community group (2024). `directives` and `usage` have the sources of what they read.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from kakehi.filters.page.attributes import tags_with_attributes
from kakehi.filters.page.directives import read_directives
from kakehi.filters.page.usage import allows_training

Source: TypeAlias = Literal[
    "x-robots-tag", "meta-robots", "tdm-header", "tdm-meta", "content-signal", "content-usage", "tdmrep.json"
]

#: What may come with a page itself, as against its site's two files.
PageSource: TypeAlias = Literal[
    "x-robots-tag", "meta-robots", "tdm-header", "tdm-meta", "content-signal", "content-usage"
]
ALL_SOURCES: Final[tuple[PageSource, ...]] = (
    "x-robots-tag",
    "meta-robots",
    "tdm-header",
    "tdm-meta",
    "content-signal",
    "content-usage",
)

#: Headers that are read here, in lower case.
HEADERS: Final = ("x-robots-tag", "tdm-reservation", "content-signal", "content-usage")

#: Names by which sites tell those who train models what they may take: their rules are ours too.
TRAINING: Final = (
    "Applebot-Extended",
    "CCBot",
    "ClaudeBot",
    "Google-Extended",
    "GPTBot",
    "meta-externalagent",
)

#: Directives under which no text of the page is taken …
NOT_STORED: Final = frozenset({"noindex", "none", "noarchive", "nocache", "noai", "noml", "notrain"})
#: … and under which its links are not followed. All others (nosnippet, noimageai, max-snippet …) are noted only.
NOT_FOLLOWED: Final = frozenset({"nofollow", "none"})

HEAD_BYTES: Final = 1 << 16
_FORBIDDEN: Final = "forbidden by "
_ALLOWED: Final = "allowed by "
_EVIDENCE_CHARACTERS: Final = 500


class Said(NamedTuple):
    """One thing a response says of itself: where, in its own words, and what that means for us."""

    source: Source
    evidence: str
    store: bool
    follow: bool

    def worded(self) -> str:
        """Say it in a line, which `forbidding` reads."""
        return f"{_ALLOWED if self.store else _FORBIDDEN}{self.source}: {self.evidence}"


def forbidding(words: str) -> str | None:
    """Give the source of a line that forbids to store a page, or None for one that does not."""
    return words.removeprefix(_FORBIDDEN).partition(":")[0] if words.startswith(_FORBIDDEN) else None


def said_in_headers(headers: Iterable[tuple[str, str]], agents: frozenset[str]) -> list[Said]:
    """Read the `HEADERS`; those that speak to other robots are passed over.

    Args:
        headers: Names and values as received; a name may come several times.
        agents: Names of robots that are meant to be us, in lower case.
    """
    found = [_said_in_header(name, value, agents) for name, value in headers]
    return [said for said in found if said]


def said_in_page(html: bytes, agents: frozenset[str]) -> list[Said]:
    """Read `<meta>` tags named robots, after one of our names, or tdm-reservation, from the page's head.

    Args:
        html: A page in UTF-8; only what stands before `<body>` in its first 64 KiB is looked at.
        agents: As above.
    """
    found = []
    for tag, attributes in tags_with_attributes(html[:HEAD_BYTES], _HEAD_TAGS):
        if tag == "body":
            break
        name, content = attributes.get("name", "").lower(), attributes.get("content", "")
        if not agents.union(("robots", "*")).isdisjoint(name.replace(",", " ").split()):
            words = read_directives(content, agents)
            found.append(_robots("meta-robots", f'<meta name="{name}" content="{content}">', words))
        elif name == "tdm-reservation" and (
            said := _reservation("tdm-meta", content, "meta tdm-reservation")
        ):
            found.append(said)
    return found


def said_in_file(tdmrep: bytes, path: str) -> Said | None:
    """Look a path up in a site's `/.well-known/tdmrep.json`: the first rule whose location matches counts.

    Args:
        tdmrep: The file; what is no list of rules says nothing.
        path: Path and query of the page.
    """
    for rule in _rules(tdmrep):
        location = rule.get("location")
        if isinstance(location, str) and matches(location, path):
            return _reservation("tdmrep.json", str(rule.get("tdm-reservation")), json.dumps(rule))
    return None


def matches(pattern: str, path: str) -> bool:
    """Tell whether a path begins as the pattern says: `*` for any characters, `$` for the end (RFC 9309, 2.2.3)."""
    anchored = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for number, part in enumerate(others, 1):
        last = anchored and number == len(others)
        place = path.rfind(part, at) if last else path.find(part, at)
        if place < 0:
            return False
        at = place + len(part)
    return not anchored or at == len(path)


_HEAD_TAGS: Final = frozenset({b"meta", b"body"})


def _said_in_header(name: str, value: str, agents: frozenset[str]) -> Said | None:
    match name.lower():
        case "x-robots-tag":
            words = read_directives(value, agents)
            return _robots("x-robots-tag", f"{name}: {value}", words) if words else None
        case "tdm-reservation":
            return _reservation("tdm-header", value, name)
        case "content-signal" | "content-usage" as field:
            allowed = allows_training(field, value)
            evidence = f"{name}: {value}"[:_EVIDENCE_CHARACTERS]
            return None if allowed is None else Said(field, evidence, allowed, follow=True)
    return None


def _robots(source: Source, evidence: str, words: frozenset[str]) -> Said:
    return Said(source, evidence[:_EVIDENCE_CHARACTERS], not words & NOT_STORED, not words & NOT_FOLLOWED)


def _reservation(source: Source, value: str, evidence: str) -> Said | None:
    """Read 1 or 0; anything else is as if nothing were said, as the protocol has it."""
    value = value.strip()
    if value not in {"0", "1"}:
        return None
    shown = evidence if source == "tdmrep.json" else f"{evidence}: {value}"
    return Said(source, shown[:_EVIDENCE_CHARACTERS], value == "0", follow=True)


def _rules(tdmrep: bytes) -> Iterator[dict[str, object]]:
    try:
        rules = json.loads(tdmrep)
    except (ValueError, RecursionError):
        return
    yield from (rule for rule in rules if isinstance(rule, dict)) if isinstance(rules, list) else ()
