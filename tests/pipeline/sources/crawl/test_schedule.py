"""Whose turn it is: held to looking at every address each time."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scrapy", reason="of the extra crawl")

from kakehi.pipeline.sources.crawl.frontier import FoundUrl, Frontier
from kakehi.pipeline.sources.crawl.schedule import Schedule

ADD = st.tuples(st.just("add"), st.sampled_from("abc"), st.integers(0, 4))
NEXT = st.tuples(st.just("next"), st.floats(0, 3), st.none())
END = st.tuples(st.just("end"), st.sampled_from("abc"), st.floats(0, 4))


class Slow:
    """All that waits, in a list."""

    def __init__(self, per_host: int) -> None:
        self.per_host = per_host
        self.waiting: list[tuple[int, int, str]] = []  # rank, number, host
        self.until: dict[str, float] = {}
        self.active: Counter[str] = Counter()

    def next(self, now: float) -> int | None:
        """Give the number of the best address of a host that may be asked."""
        may = [
            one
            for one in sorted(self.waiting)
            if self.active[one[2]] < self.per_host and self.until.get(one[2], now) <= now
        ]
        return may[0][1] if may else None


@pytest.mark.slow
@settings(max_examples=500)
@given(st.lists(st.one_of(ADD, NEXT, END), max_size=40), st.integers(1, 2))
def test_turns_are_those_of_looking_at_every_address(steps, per_host):
    """Whatever is added, taken, ended and rested in whatever order, as the crawl does it."""
    with tempfile.TemporaryDirectory() as home:
        frontier = Frontier(Path(home) / "f.sqlite")
        schedule, slow, now, added = Schedule(frontier, per_host), Slow(per_host), 0.0, 0
        for number, (kind, what, more) in enumerate(steps, 1):
            if kind == "add":
                with frontier.change():
                    hosts = frontier.add([FoundUrl(f"http://{what}/{number}", "page", 0, 0, more, None)])
                added += 1
                slow.waiting.append((more, added, what))
                schedule.offer(hosts, now)
            elif kind == "next":
                now += what
                visit, wanted = schedule.next(now), slow.next(now)
                assert (visit.id if visit else None) == wanted
                if visit:
                    with frontier.change():
                        frontier.take(visit)
                    slow.waiting = [one for one in slow.waiting if one[1] != visit.id]
                    slow.active[visit.host] += 1
                    schedule.begin(visit.host)
                    schedule.offer([visit.host], now)
            elif slow.active[what]:
                slow.active[what] -= 1
                schedule.end(what)
                if more:
                    slow.until[what] = max(now + more, slow.until.get(what, 0))
                    schedule.rest(what, now + more)
                else:
                    schedule.offer([what], now)
        frontier.close()
