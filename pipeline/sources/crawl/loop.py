"""The loop of a crawl: whose turn it is, what may be asked for, what came, what is written. All on one thread."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from kakehi.pipeline.sources.crawl.frontier import Consent, FoundUrl, Frontier, Known, Visit
from kakehi.pipeline.sources.crawl.parameters import GRACE_S, Job
from kakehi.pipeline.sources.crawl.policy import decide
from kakehi.pipeline.sources.crawl.recorder import Recorder, permissions
from kakehi.pipeline.sources.crawl.responses import Ask, Headers, NoResponse, Response
from kakehi.pipeline.sources.crawl.schedule import Schedule, Throttle
from kakehi.pipeline.sources.crawl.scope import Bounds, canonical_url, origin_of
from kakehi.pipeline.sources.crawl.seeding import SITEMAP_RANK, seed_frontier, seeds_of, sitemaps_of
from kakehi.pipeline.sources.crawl.site_rules import SiteRules, Sites
from kakehi.pipeline.sources.formats.warc_writer import WarcWriter, now_as_text

#: Seconds between two words on how far it is, which also note how long the crawl has taken.
_TELL_S: Final = 1.0


#: So many hosts in a row that give no answer at all, and it may be our own network that is gone.
_SILENT_HOSTS: Final = 10
_OURS: Final = frozenset({"no_address", "no_connection", "timeout"})
#: A network that goes away breaks off what is under way; so do bad servers, so these count no host as silent.
_BROKEN_OFF: Final = frozenset({"cut_off", "broken_answer"})


class StoppedError(Exception):
    """The crawl was told to stop while this waited."""


class Crawl:
    """A crawl under way.

    Args:
        job: what it is told.
        frontier: what it knows.
        warcs: where answers go.
        ask: asks for an address.
        tell: hears how far it is.
    """

    def __init__(
        self, job: Job, frontier: Frontier, warcs: WarcWriter, ask: Ask, tell: Callable[[str], None]
    ) -> None:
        self._job, self._frontier, self._ask, self._tell = job, frontier, ask, tell
        self._recorder = Recorder(frontier, warcs)
        self._bounds = Bounds(job.scope, job.limits, [*seeds_of(job), *sitemaps_of(job)])
        self._schedule = Schedule(frontier, job.pace.per_host)
        self._throttle = Throttle(job.pace)
        self._stop = asyncio.Event()
        self._sites = Sites(job, frontier, ask, self._rest, lambda: datetime.now(UTC).timestamp())
        self._per_host: Counter[str] = Counter()
        self._silent: list[Visit] = []  # what got no answer since the last one that came
        # and what got none before that: answers that had come already are read after the first that never will
        self._lately: deque[Visit] = deque(maxlen=job.pace.hosts * job.pace.per_host)
        self._heard: deque[str] = deque(maxlen=3)  # sites that have answered lately
        self._cut_off = False
        self._spent_s = self._began = 0.0

    def stop(self) -> None:
        """Begin nothing more; what is under way is waited for."""
        self._stop.set()

    async def run(self) -> bool:
        """Crawl until nothing is left, a budget is spent, or it is told to stop.

        Returns:
            whether it is done, and not only stopped.

        Raises:
            ConnectionError: nobody answers any more; what was asked for in vain waits again.
        """
        seed_frontier(self._job, self._frontier, self._bounds)
        hosts = self._frontier.hosts()
        self._per_host.update(dict(hosts))
        self._schedule.offer([host for host, _ in hosts], self._now())
        self._spent_s, self._began = float(self._frontier.facts().get("seconds", 0)), self._now()
        stopping = asyncio.create_task(self._stop.wait())
        telling = asyncio.create_task(self._tell_often())
        under_way: set[asyncio.Task[None]] = set()
        try:
            while not self._stop.is_set() and self._within_budget() and not await self._is_cut_off():
                visit = self._next(len(under_way))
                if visit:
                    under_way.add(asyncio.create_task(self._visit(visit)))
                elif under_way or self._schedule.wakes() is not None:
                    under_way = await self._wait(under_way, stopping)
                else:
                    break
            stopped = self._stop.is_set()
            self._stop.set()
            await self._finish(under_way)
        finally:
            stopping.cancel()
            telling.cancel()
        if self._cut_off:
            with self._frontier.change():
                self._frontier.reopen([*self._lately, *self._silent])
            raise ConnectionError(f"crawl: {_SILENT_HOSTS} hosts in a row gave no answer: is the network up?")
        if not stopped:
            self._drop_rest()
        return not stopped

    def _next(self, under_way: int) -> Visit | None:
        """Take the next address, if there may be one more under way."""
        while under_way < self._room():
            visit = self._schedule.next(self._now())
            if visit is None:
                return None
            if self._per_host[visit.host] >= self._job.budget.pages_per_host:
                with self._frontier.change():
                    self._frontier.finish_host(visit.host, "over_budget")
                continue
            with self._frontier.change():
                self._frontier.take(visit)
            self._per_host[visit.host] += 1
            self._schedule.begin(visit.host)
            self._schedule.offer([visit.host], self._now())
            return visit
        return None

    async def _wait(
        self, under_way: set[asyncio.Task[None]], stopping: asyncio.Task[object]
    ) -> set[asyncio.Task[None]]:
        """Wait until something has changed; raise what a task raised."""
        left = self._job.budget.hours * 3600 - self._seconds()
        wakes = self._schedule.wakes()
        if wakes is not None and len(under_way) < self._room():
            left = min(left, wakes - self._now())
        done, _ = await asyncio.wait(
            {*under_way, stopping}, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
        )
        for task in done & under_way:
            task.result()
        return under_way - done

    async def _finish(self, under_way: set[asyncio.Task[None]]) -> None:
        """Wait for what is under way, though not for the slowest: it is asked for again."""
        if not under_way:
            return
        done, late = await asyncio.wait(under_way, timeout=min(GRACE_S, self._job.limits.answer_s))
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            task.result()

    async def _visit(self, visit: Visit) -> None:
        """Ask for one address, after what its site says; then let its host rest."""
        delay = 0.0
        try:
            rules, asked = await self._sites.of(origin_of(visit.url))
            if asked:
                self._add_sitemaps(rules)
                delay = self._delay(visit.host, rules)
            before = list(permissions(visit, rules, now_as_text()))
            if all(consent.allowed for consent in before):
                if asked:
                    await self._rest(delay)
                delay = self._delay(visit.host, rules)
                if wait := self._throttle.wait(visit.host, delay, self._now()):
                    await self._rest(wait)
                await self._fetch(visit, before)
                delay = self._delay(visit.host, rules)
            else:
                self._per_host[visit.host] -= 1
                self._hear(visit, rules.unreachable)
                self._recorder.refused(visit, rules, before)
        except StoppedError:
            pass  # it waits again once the frontier is opened anew
        finally:
            self._schedule.end(visit.host)
            if delay:
                self._schedule.rest(visit.host, self._now() + delay)
            else:
                self._schedule.offer([visit.host], self._now())

    async def _fetch(self, visit: Visit, before: list[Consent]) -> None:
        """Ask for it, and take down what came of that."""
        known, tries = self._frontier.known(visit.url), self._job.pace.tries
        answer = await self._ask(visit.url, _conditions(known), visit.kind == "page")
        self._hear(visit, answer.reason if isinstance(answer, NoResponse) else "")
        if isinstance(answer, NoResponse):
            self._throttle.answered(visit.host, answer.seconds, well=False)
            self._recorder.unanswered(visit, answer, before, again=answer.again and visit.tries + 1 < tries)
            return
        time = now_as_text()
        decision = decide(visit, answer, self._job, self._bounds, time)
        took = max(answer.seconds, _retry_after(answer)) if decision.again else answer.seconds
        self._throttle.answered(visit.host, took, well=answer.status == 200)
        self._schedule.offer(
            self._recorder.answered(visit, answer, decision, known, before, time), self._now()
        )

    def _hear(self, visit: Visit, silence: str) -> None:
        """Remember who gives no answer, until somebody does."""
        if silence in _OURS:
            self._silent.append(visit)
        elif silence in _BROKEN_OFF:
            self._lately.append(visit)
        elif not silence:
            self._lately.extend(self._silent)
            self._silent.clear()
            if (origin := origin_of(visit.url)) not in self._heard:
                self._heard.append(origin)

    async def _is_cut_off(self) -> bool:
        """Where many are silent, ask those that were not: if they are now, it is not for the others to answer."""
        if len({visit.host for visit in self._silent}) < _SILENT_HOSTS or not self._heard:
            return False
        for origin in list(self._heard):
            if isinstance(await self._ask(f"{origin}/robots.txt", (), False), Response):
                self._silent.clear()
                return False
        self._cut_off = True
        return True

    def _add_sitemaps(self, rules: SiteRules) -> None:
        """Take the sitemaps that robots.txt names."""
        named = [canonical_url(url) for url in rules.robots.sitemaps] if self._job.robots_sitemaps else []
        found = [
            FoundUrl(url, "sitemap", 0, 0, SITEMAP_RANK, rules.robots_url)
            for url in named
            if url and self._bounds.belongs(url)
        ]
        with self._frontier.change():
            hosts = self._frontier.add(found)
        self._schedule.offer(hosts, self._now())

    def _room(self) -> int:
        """How many may be under way, if each of them is one more in the end."""
        pace, counts = self._job.pace, self._recorder.counts
        left = self._job.budget.pages - counts["requests"]
        if self._job.limit is not None:
            left = min(left, self._job.limit - counts["records"])
        return min(left, pace.hosts * pace.per_host)

    def _within_budget(self) -> bool:
        budget = self._job.budget
        within = (
            self._recorder.counts["bytes"] < budget.gigabytes * 1e9 and self._seconds() < budget.hours * 3600
        )
        return within and self._room() > 0

    def _drop_rest(self) -> None:
        with self._frontier.change():
            self._frontier.finish_all("over_budget")

    def _delay(self, host: str, rules: SiteRules) -> float:
        return max(self._throttle.delay(host), rules.robots.delay_s)

    async def _rest(self, seconds: float) -> None:
        """Wait, or stop waiting since the crawl stops.

        Raises:
            StoppedError: it does.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        if self._stop.is_set():
            raise StoppedError

    async def _tell_often(self) -> None:
        """Say how far it is, and note how long it has taken, so that a kill forgets a second of it."""
        while True:
            await asyncio.sleep(_TELL_S)
            with self._frontier.change():
                self._frontier.note(seconds=self._seconds())
            pages, size = self._recorder.counts["records"], self._recorder.counts["bytes"]
            self._tell(f"{pages:,} pages, {size / 1e6:,.1f} MB, {self._frontier.waiting():,} waiting")

    def _seconds(self) -> float:
        return self._spent_s + self._now() - self._began

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _conditions(known: Known | None) -> Headers:
    """Ask for what has changed only."""
    if known is None:
        return ()
    named = (("If-None-Match", known.etag), ("If-Modified-Since", known.modified))
    return [(name, value) for name, value in named if value]


def _retry_after(answer: Response) -> float:
    named = (answer.header("retry-after") or "").strip()
    return float(named) if named.isdigit() and len(named) < 9 else 0.0
