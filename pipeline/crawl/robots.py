"""robots.txt (RFC 9309): what a site's answer means, whether a page may be asked for, and the line that decides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

from protego import Protego

#: More of the file is not read, as the standard allows (section 2.5).
MAX_BYTES: Final = 500 * 1024

_AGENT: Final = re.compile(r"\s*user-?agent\s*:\s*([^#]*)", re.IGNORECASE)
_RULE: Final = re.compile(r"\s*(allow|disallow)\s*:\s*([^#]*)", re.IGNORECASE)


class Permission(NamedTuple):
    """Whether a page may be asked for, and the words that say so."""

    allowed: bool
    evidence: str


class Robots:
    """One site's robots.txt as it was found.

    Args:
        status: of the answer after redirects; 0 where there was none.
        body: of the answer; only that of status 200 counts.
        agent: our name.
        obey_also: names of other robots, whose rules hold for us too where the file names them.
    """

    def __init__(self, status: int, body: bytes, *, agent: str, obey_also: tuple[str, ...] = ()) -> None:
        self._status = status
        self._text = body[:MAX_BYTES].removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
        self._agent = agent
        self._obey_also = obey_also

    def permission(self, url: str) -> Permission:
        """Say whether a page may be asked for.

        A file that is not there (4xx) allows everything; one that can't be had (5xx, no answer, too many requests)
        forbids everything, since what it says is unknown (sections 2.3.1.3 and 2.3.1.4).
        """
        if self._status != 200:
            if 400 <= self._status < 500 and self._status != 429:
                return Permission(True, f"robots.txt: status {self._status}")
            return Permission(False, f"robots.txt could not be had: status {self._status or 'none'}")
        for name in self._names:
            if not self._parsed.can_fetch(url, name):
                return Permission(False, self._decisive(url, name, "disallow"))
        return Permission(True, self._decisive(url, self._agent, "allow"))

    @cached_property
    def delay_s(self) -> float:
        """Seconds between requests that the file asks for; the longest where several of our names are named."""
        if self._status != 200:
            return 0.0
        return max(self._parsed.crawl_delay(name) or 0.0 for name in self._names)

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """Sitemaps that the file names."""
        return tuple(self._parsed.sitemaps) if self._status == 200 else ()

    @cached_property
    def _parsed(self) -> Protego:
        return Protego.parse(self._text)

    @cached_property
    def _names(self) -> list[str]:
        """Ours, and those others that have a group of their own: without one they would only repeat `*`."""
        named = {agent for _, agents, _, _ in self._rules for agent in agents}
        return [self._agent, *(name for name in self._obey_also if name.lower() in named)]

    @cached_property
    def _rules(self) -> list[tuple[int, frozenset[str], str, str]]:
        return list(_rules(self._text))

    def _decisive(self, url: str, name: str, kind: str) -> str:
        """Quote the longest line of this kind that matches, with its number."""
        group = name.lower() if any(name.lower() in agents for _, agents, _, _ in self._rules) else "*"
        matching = [
            (len(value), f"robots.txt:{number}: user-agent {group}: {field}: {value}")
            for number, agents, field, value in self._rules
            if field == kind and group in agents and value and _matches(value, url)
        ]
        return max(matching)[1] if matching else f"robots.txt: no line forbids it to {name}"


def _rules(text: str) -> Iterator[tuple[int, frozenset[str], str, str]]:
    """Yield number, group, field and value of each line that allows or disallows; the group's names in lower case."""
    agents, named = frozenset[str](), False
    for number, line in enumerate(text.splitlines(), 1):
        if found := _AGENT.match(line):
            agents = (agents if named else frozenset()) | {found.group(1).strip().lower()}
            named = True
        elif found := _RULE.match(line):
            named = False
            yield number, agents, found.group(1).lower(), found.group(2).strip()


def _matches(value: str, url: str) -> bool:
    """Ask the parser itself whether a line matches, since it has its own way with percent signs and wildcards."""
    return not Protego.parse(f"user-agent: *\ndisallow: {value}").can_fetch(url, "*")
