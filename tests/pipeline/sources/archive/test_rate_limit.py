"""The pace towards a server: by a clock that only the test moves."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from kakehi.pipeline.sources.archive.rate_limit import LONGEST_S, RateLimit, back_off
from kakehi.pipeline.sources.archive.transports import _retry_after
from kakehi.pipeline.walltime import OutOfTimeError


class Clock:
    """Seconds that pass by waiting alone."""

    now = 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds


def paced(**told) -> tuple[RateLimit, Clock]:
    clock = Clock()
    rates = {"requests_per_s": None, "bytes_per_s": None, **told}
    return RateLimit(**rates, clock=lambda: clock.now, wait=clock.wait), clock


def test_requests_go_out_at_their_rate():
    """Four a second: the first at once."""
    pace, clock = paced(requests_per_s=4)
    for _ in range(9):
        pace.request()
    assert clock.now == pytest.approx(2)
    assert pace.requests == 9


def test_bytes_come_in_at_their_rate():
    """1,000 bytes a second, whatever the pieces."""
    pace, clock = paced(bytes_per_s=1000)
    for size in (500, 1, 1499, 1000):
        pace.take(size)
    assert clock.now == pytest.approx(3)
    assert pace.received == 3000


def test_a_server_that_asks_to_wait_is_left_alone_so_long():
    """The longest wish counts, and none is over five minutes."""
    pace, clock = paced()
    pace.hold(7)
    pace.hold(3)
    pace.request()
    assert clock.now == 7
    pace.hold(1e9)
    pace.request()
    assert clock.now == 7 + LONGEST_S
    assert pace.retries == 3


def test_nothing_goes_out_once_all_is_to_end():
    """A wait that was broken off is no turn."""
    pace = RateLimit(requests_per_s=None, bytes_per_s=None, wait=lambda _: True)
    pace.hold(5)
    with pytest.raises(OutOfTimeError):
        pace.request()


def test_each_retry_waits_twice_as_long_up_to_the_longest():
    """And up to half as long again, drawn from its name, the same each time."""
    for attempt in range(12):
        least = min(2.0**attempt, LONGEST_S)
        waits = {back_off(name, attempt) for name in "abcdefgh"}
        assert all(least <= wait <= 1.5 * least for wait in waits)
        assert len(waits) == 8
    assert back_off("a", 3) == back_off("a", 3)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("0", 0),
        ("9" * 400, LONGEST_S),
        ("²", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_wish_is_read_in_seconds(value, wanted):
    """Nonsense is none."""
    assert _retry_after(value) == wanted


def test_a_wish_is_read_as_a_date():
    """One that is over is no wait."""
    now = datetime.now(UTC)
    assert _retry_after(format_datetime(now + timedelta(seconds=60), usegmt=True)) == pytest.approx(60, abs=3)
    assert _retry_after(format_datetime(now - timedelta(days=1), usegmt=True)) == 0
