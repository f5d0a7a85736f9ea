"""Keep a rate towards one server over all connections, and wait as it asks."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kakehi.pipeline.walltime import OutOfTimeError

#: Seconds before the first retry; each further one waits twice as long, up to the longest.
FIRST_S = 1.0
LONGEST_S = 300.0


@dataclass(kw_only=True)
class RateLimit:
    """How fast requests go out and bytes come in, counted over all threads.

    Args:
        requests_per_s: requests a second, or None for no limit.
        bytes_per_s: bytes a second, or None for no limit.
        clock: seconds that only go forward.
        wait: sleeps so many seconds; true where all is to end instead.
    """

    requests_per_s: float | None
    bytes_per_s: float | None
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], object] = time.sleep
    requests: int = 0
    received: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next_request: float = 0.0
    _next_byte: float = 0.0

    def request(self) -> None:
        """Wait for the turn of one more request.

        Raises:
            OutOfTimeError: all is to end.
        """
        with self._lock:
            at = max(self.clock(), self._next_request)
            self._next_request = at + (1 / self.requests_per_s if self.requests_per_s else 0)
            self.requests += 1
        self._until(at)

    def take(self, size: int) -> None:
        """Count bytes that came, and wait so long that no more come than may."""
        with self._lock:
            self.received += size
            at = max(self.clock(), self._next_byte)
            self._next_byte = at + (size / self.bytes_per_s if self.bytes_per_s else 0)
            until = self._next_byte
        self._until(until)

    def hold(self, seconds: float) -> None:
        """Let no connection ask anything for so long: the server has said so to one of them."""
        with self._lock:
            self.retries += 1
            self._next_request = max(self._next_request, self.clock() + min(seconds, LONGEST_S))

    def _until(self, at: float) -> None:
        left = at - self.clock()
        if left > 0 and self.wait(left):
            raise OutOfTimeError


def back_off(name: str, attempt: int) -> float:
    """Say how many seconds to wait before a retry: twice as long each time, and up to half of it more.

    The part more is drawn from the name, so that neither two requests fall together nor two runs differ.

    Args:
        name: of what is asked for.
        attempt: 0 for the first retry.
    """
    drawn = int.from_bytes(hashlib.sha256(f"{name}\0{attempt}".encode()).digest()[:4], "big") / 2**32
    return float(min(FIRST_S * 2**attempt, LONGEST_S) * (1 + drawn / 2))
