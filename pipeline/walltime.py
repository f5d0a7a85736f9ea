"""Stop cleanly before a limit: no task begins that would not be done in time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

#: A task may take so much longer than the longest before it.
MARGIN = 1.5


def seconds_of(text: str) -> int:
    """Read `5h30m`, `90m`, `1d`, `45s`.

    Raises:
        ValueError: it is no such thing.
    """
    found = _PARTS.fullmatch(text.strip())
    if not text.strip() or found is None:
        raise ValueError(f"got {text!r}, wanted something like 5h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


class OutOfTimeError(Exception):
    """A step stopped before the walltime: what it has done lies where its next run finds it."""


@dataclass(kw_only=True)
class Walltime:
    """How much time a run has, and how long its tasks took.

    Args:
        limit_s: seconds from the start, or None for no limit.
        clock: seconds that only go forward.
    """

    limit_s: float | None = None
    clock: Callable[[], float] = time.monotonic
    longest_s: float = 0.0
    cut: bool = False
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    def took(self, seconds: float) -> None:
        """Note how long a task took, for the guess whether another fits."""
        self.longest_s = max(self.longest_s, seconds)

    def allows(self) -> bool:
        """Say whether another task may begin; once not, never again."""
        if self.limit_s is not None:
            left = self.limit_s - (self.clock() - self._start)
            self.cut = self.cut or left <= MARGIN * self.longest_s
        return not self.cut

    def taking(self, items: Iterable[T]) -> Iterator[T]:
        """Hand out items as long as time allows."""
        for item in items:
            if not self.allows():
                return
            yield item
