"""Whose turn it is: hosts by their most promising address, each rested, and none asked too often at a time."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable

from kakehi.pipeline.sources.crawl.frontier import Frontier, Visit
from kakehi.pipeline.sources.crawl.parameters import Pace

Key = tuple[int, int, int]


class Schedule:
    """Hosts that have something to ask for.

    Args:
        frontier: what waits.
        per_host: requests to one host at a time.
    """

    def __init__(self, frontier: Frontier, per_host: int) -> None:
        self._frontier = frontier
        self._per_host = per_host
        self._ready: list[tuple[Key, str]] = []
        self._keys: dict[
            str, Key
        ] = {}  # of the one entry in `_ready` that counts; others of a host are stale
        self._resting: list[tuple[float, str]] = []
        self._rests: set[str] = set()
        self._until: dict[str, float] = {}
        self._active: Counter[str] = Counter()

    def offer(self, hosts: Iterable[str], now: float) -> None:
        """Let hosts take part that have got something new."""
        for host in dict.fromkeys(hosts):
            if self._until.get(host, now) > now:
                self.rest(host, now)
            elif self._active[host] < self._per_host:
                self._list(host)

    def next(self, now: float) -> Visit | None:
        """Give the most promising address of all hosts whose turn it is."""
        while self._resting and self._resting[0][0] <= now:
            _, host = heapq.heappop(self._resting)
            self._rests.discard(host)
            self.offer([host], now)
        while self._ready:
            key, host = heapq.heappop(self._ready)
            if self._keys.get(host) != key:
                continue
            del self._keys[host]
            if self._until.get(host, now) > now:  # listed for a second request, before the first was answered
                self.rest(host, now)
                continue
            best = self._frontier.best(host)
            if best and (best.rank, best.depth, best.id) == key:
                return best
            self._list(host)
        return None

    def begin(self, host: str) -> None:
        """Note that a host is asked."""
        self._active[host] += 1

    def end(self, host: str) -> None:
        """Note that it has answered."""
        self._active[host] -= 1
        if not self._active[host]:
            del self._active[host]

    def rest(self, host: str, until: float) -> None:
        """Let a host be until then, at least."""
        self._until[host] = max(until, self._until.get(host, until))
        if host not in self._rests:
            self._rests.add(host)
            heapq.heappush(self._resting, (self._until[host], host))

    def wakes(self) -> float | None:
        """Say when the next host has rested, or None."""
        return self._resting[0][0] if self._resting else None

    def _list(self, host: str) -> None:
        best = self._frontier.best(host)
        if best is None:
            return
        key = (best.rank, best.depth, best.id)
        if host not in self._keys or key < self._keys[host]:
            self._keys[host] = key
            heapq.heappush(self._ready, (key, host))


class Throttle:
    """How long a host rests between two requests: as long as it takes to answer, within bounds; as AutoThrottle does it.

    Args:
        pace: of the crawl.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._delays: dict[str, float] = {}
        self._free: dict[
            str, float
        ] = {}  # when the next request may start; for hosts asked several times at a time

    def wait(self, host: str, delay: float, now: float) -> float:
        """Take the next place in a row of requests to a host, so long apart; give the seconds until it comes."""
        start = max(now, self._free.get(host, now))
        self._free[host] = start + delay
        return start - now

    def answered(self, host: str, seconds: float, *, well: bool) -> None:
        """Learn how long a host took; one that answered badly is not asked faster for it."""
        known = self._delays.get(host, self._pace.delay_s)
        delay = max((known + seconds) / 2, seconds)
        if well or delay > known:
            self._delays[host] = min(
                max(delay, self._pace.delay_s), max(self._pace.max_delay_s, self._pace.delay_s)
            )

    def delay(self, host: str) -> float:
        """Seconds it is to be left alone."""
        return self._delays.get(host, self._pace.delay_s)
