"""What a site says for all its pages: robots.txt and /.well-known/tdmrep.json, asked for before its first page."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from kakehi.filters.page.consent import Said, said_in_file
from kakehi.pipeline.sources.crawl.frontier import Frontier, Site
from kakehi.pipeline.sources.crawl.parameters import Job
from kakehi.pipeline.sources.crawl.responses import Ask, Response
from kakehi.pipeline.sources.crawl.robots import MAX_BYTES, Permission, Robots
from kakehi.pipeline.sources.crawl.scope import canonical_url, path_of
from kakehi.pipeline.sources.formats.http import BodyError, unwrapped

#: Seconds after which both are asked for again (RFC 9309, section 2.4).
_FRESH_S: Final = 86_400
#: Redirects of robots.txt that are followed (section 2.3.1.2).
_REDIRECTS: Final = 5
#: Sites whose rules are held in memory.
_HELD: Final = 1_000

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, kw_only=True)
class SiteRules:
    """What holds for the pages of a site.

    Args:
        origin: scheme, host and port.
        robots: its robots.txt.
        tdmrep: its reservation of text and data mining, or b''.
        unreachable: why robots.txt could not be had, or ''.
    """

    origin: str
    robots: Robots
    tdmrep: bytes
    unreachable: str

    @property
    def robots_url(self) -> str:
        """Where robots.txt was asked for."""
        return f"{self.origin}/robots.txt"

    @property
    def tdmrep_url(self) -> str:
        """Where the reservation was asked for."""
        return f"{self.origin}/.well-known/tdmrep.json"

    def permission(self, url: str) -> Permission:
        """Say whether robots.txt lets a page be asked for."""
        return self.robots.permission(url)

    def reserved(self, url: str) -> Said | None:
        """Say what the reservation has on a page."""
        return said_in_file(self.tdmrep, path_of(url)) if self.tdmrep else None


class Sites:
    """The sites of a crawl.

    Args:
        job: of the crawl.
        frontier: keeps what they said.
        ask: asks for an address.
        rest: waits so many seconds, as a host is to be left alone.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        job: Job,
        frontier: Frontier,
        ask: Ask,
        rest: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._job = job
        self._frontier = frontier
        self._ask = ask
        self._rest = rest
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, SiteRules]] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, origin: str) -> tuple[SiteRules, bool]:
        """Give a site's rules, and whether it had to be asked for them just now."""
        lock = self._locks.setdefault(origin, asyncio.Lock())
        async with lock:
            held = self._held.get(origin)
            if held and held[0] + _FRESH_S > self._clock():
                self._held.move_to_end(origin)
                return held[1], False
            site, asked = self._frontier.site(origin), False
            if site is None or site.fetched + _FRESH_S < self._clock():
                site, asked = await self._learn(origin), True
                with self._frontier.change():
                    self._frontier.keep_site(origin, site)
            rules = self._rules(origin, site)
            self._held[origin] = (site.fetched, rules)
            if len(self._held) > _HELD:
                gone, _ = self._held.popitem(last=False)
                self._locks.pop(gone, None)
            return rules, asked

    def _rules(self, origin: str, site: Site) -> SiteRules:
        status = site.robots_status
        robots = Robots(status, site.robots, agent=self._job.agent, obey_also=self._job.obey_also)
        unreachable = site.robots.decode() if status == 0 else ""
        if status >= 500 or status == 429:
            unreachable = f"robots_http_{status}"
        return SiteRules(origin=origin, robots=robots, tdmrep=site.tdmrep, unreachable=unreachable)

    async def _learn(self, origin: str) -> Site:
        status, robots = await self._file(f"{origin}/robots.txt")
        delay = Robots(status, robots, agent=self._job.agent, obey_also=self._job.obey_also).delay_s
        tdmrep_status, tdmrep = 0, b""
        if status:  # a host that can't be reached is not asked a second thing
            await self._rest(max(delay, self._job.pace.delay_s))
            tdmrep_status, tdmrep = await self._file(f"{origin}/.well-known/tdmrep.json")
        reserved = tdmrep if tdmrep_status == 200 else b""
        return Site(self._clock(), status, robots, tdmrep_status, reserved)

    async def _file(self, url: str) -> tuple[int, bytes]:
        """Ask for a file, after redirects; give its status and as much of its body as is read, or 0 and why none came."""
        tries, redirects, pause = 1, 0, self._job.pace.delay_s
        while True:
            answer = await self._ask(url, (), False)
            if isinstance(answer, Response) and answer.status in REDIRECTS and redirects < _REDIRECTS:
                target = canonical_url(urljoin(url, answer.header("location") or ""))
                if target and target != url:
                    url, redirects = target, redirects + 1
                    continue
            if isinstance(answer, Response) and answer.status < 500 and answer.status != 429:
                return answer.status, _plain(answer)[:MAX_BYTES]
            if tries >= self._job.pace.tries or not (isinstance(answer, Response) or answer.again):
                return (answer.status, b"") if isinstance(answer, Response) else (0, answer.reason.encode())
            tries, pause = tries + 1, min(2 * pause + 1, max(self._job.pace.max_delay_s, pause))
            await self._rest(pause)


def _plain(answer: Response) -> bytes:
    try:
        return unwrapped(answer.body, None, answer.header("content-encoding"), max_bytes=64 * MAX_BYTES)
    except BodyError:
        return b""
