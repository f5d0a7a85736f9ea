"""robots.txt (RFC 9309): what a site's answer means, whether a page may be asked for, and the line that decides."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final, NamedTuple

from protego import Protego

from kakehi.filters.page.usage import allows_training, split_path

#: More of the file is not read, as the standard allows (section 2.5).
MAX_BYTES: Final = 500 * 1024
#: A file that asks for a longer rest between two requests is taken to ask for this: it means never, and a wait must end.
MAX_DELAY_S: Final = 86_400.0

# As people write them: an error that forbids is read as what it means, and a colon may be missing.
_LINE: Final = re.compile(
    r"\s*(user[- ]?agent|allow|dis{1,2}al{1,2}ow|diasllow|disallaw|crawl[- ]delay|request[- ]rate"
    r"|content[- ]signals?|content[- ]usage)(?:\s*:|\s)\s*([^#]*)",
    re.IGNORECASE,
)
_FIELDS: Final = {
    "al": "allow",
    "di": "disallow",
    "cr": "crawl-delay",
    "re": "request-rate",
    "us": "user-agent",
    "content-s": "content-signal",
    "content-u": "content-usage",
}
_USAGE: Final = frozenset({"content-signal", "content-usage"})
_SITEMAP: Final = re.compile(r"\s*site-?map", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[a-z_-]+(?=[/\s]|$)|\*$", re.IGNORECASE)


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
        for group in self._groups:
            if not group.parsed.can_fetch(url, "*"):
                return Permission(False, group.decisive(url, "disallow"))
            if forbidden := group.forbids_training(url):
                return Permission(False, forbidden)
        return Permission(True, self._groups[0].decisive(url, "allow"))

    @property
    def delay_s(self) -> float:
        """Seconds between requests that the file asks for; the longest where several of our names are named."""
        if self._status != 200:
            return 0.0
        return max(_delay_s(group.parsed) for group in self._groups)

    @cached_property
    def sitemaps(self) -> tuple[str, ...]:
        """Sitemaps that the file names."""
        if self._status != 200:
            return ()
        named = "\n".join(line for line in self._text.splitlines() if _SITEMAP.match(line))
        return tuple(Protego.parse(named).sitemaps)

    @cached_property
    def _groups(self) -> list[_Group]:
        """Ours, or that of all robots; and those of other names that the file has."""
        lines = list(_lines(self._text))
        named = {line.value for line in lines if line.field == "user-agent"}
        ours = self._agent.lower() if self._agent.lower() in named else "*"
        others = [name.lower() for name in self._obey_also if name.lower() in named - {ours}]
        return [_Group(name, [line for line in lines if line.is_for(name)]) for name in (ours, *others)]


class _Line(NamedTuple):
    """A line of a robots.txt, and the robots that its group is for, in lower case: one set for all lines of a group."""

    number: int
    agents: set[str]
    field: str
    value: str

    def is_for(self, agent: str) -> bool:
        """Tell whether a robot is meant; above all groups, a site says what may be done with it to everyone."""
        return agent in self.agents or (self.field in _USAGE and not self.agents)


class _Usage(NamedTuple):
    """A line on training: the pattern of paths it is for, what it says, and what tells whether a path matches."""

    line: _Line
    path: str
    allowed: bool
    alone: Protego


class _Group:
    """The lines for one robot, wherever they stand; what matches a path is left to Protego."""

    def __init__(self, agent: str, lines: list[_Line]) -> None:
        self._agent = agent
        self._lines = lines
        rules = [line for line in lines if line.field not in _USAGE | {"user-agent"}]
        self.parsed = _parsed(f"{line.field}: {line.value}" for line in rules)

    def decisive(self, url: str, field: str) -> str:
        """Quote the longest line of this kind that matches, with its number."""
        matching = [
            (len(line.value), line)
            for line, alone in self._alone
            if line.field == field and not alone.can_fetch(url, "*")
        ]
        if not matching:
            return f"robots.txt: no line forbids it to {self._agent}"
        return self._quoted(max(matching)[1])

    def forbids_training(self, url: str) -> str | None:
        """Quote the line that has something against training on a page, or give None; the longest path decides.

        Of two as long the one that forbids does, and no field overrules the other.
        """
        for field in sorted(_USAGE):
            stated = [
                (len(said.path), not said.allowed, said.line)
                for said in self._usage
                if said.line.field == field and not said.alone.can_fetch(url, "*")
            ]
            if stated and max(stated)[1]:
                return self._quoted(max(stated)[2])
        return None

    @cached_property
    def _usage(self) -> list[_Usage]:
        """Each line that says something of training."""
        found = []
        for line in self._lines:
            if line.field in _USAGE:
                path, rest = split_path(line.value)
                allowed = allows_training(line.field, rest)
                if allowed is not None:
                    found.append(_Usage(line, path, allowed, _parsed([f"disallow: {path}"])))
        return found

    def _quoted(self, line: _Line) -> str:
        return f"robots.txt:{line.number}: user-agent {self._agent}: {line.field}: {line.value}"

    @cached_property
    def _alone(self) -> list[tuple[_Line, Protego]]:
        """Each line as if it forbade and stood by itself: whether it matches is asked of Protego too."""
        paths = [line for line in self._lines if line.field in {"allow", "disallow"} and line.value]
        return [(line, _parsed([f"disallow: {line.value}"])) for line in paths]


def _delay_s(parsed: Protego) -> float:
    rate = parsed.request_rate("*")
    asked = [parsed.crawl_delay("*") or 0.0]
    if rate and rate.requests > 0:
        asked.append(min(rate.seconds, MAX_DELAY_S * rate.requests) / rate.requests)
    return max((min(seconds, MAX_DELAY_S) for seconds in asked if not math.isnan(seconds)), default=0.0)


def _parsed(rules: Iterable[str]) -> Protego:
    return Protego.parse("\n".join(["user-agent: *", *rules]))


def _field(written: str) -> str:
    """Give the name that is meant, by how it begins."""
    plain = written.lower().replace(" ", "-")
    return next(field for start, field in _FIELDS.items() if plain.startswith(start))


def _lines(text: str) -> Iterator[_Line]:
    """Yield the rules of a file; names that stand one under another have the rules below them in common."""
    agents, ruled = set[str](), True
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.match(line)
        if found is None:
            continue
        field, value = _field(found[1]), found[2].strip()
        if field == "user-agent":
            token = _TOKEN.match(value)  # a version behind the name is no part of it
            name = token[0].lower() if token else ""
            agents, ruled = set() if ruled else agents, False
            agents |= {name} if name else set()
            yield _Line(number, agents, field, name)
        else:
            ruled = True
            yield _Line(number, agents, field, value)
