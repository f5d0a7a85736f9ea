"""A walltime is read, kept, and never begun too late."""

import pytest

from kakehi.pipeline.walltime import MARGIN, Walltime, seconds_of


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("90m", 5400), ("5h30m", 19_800), ("1d", 86_400), ("1d1h1m1s", 90_061), (" 2m ", 120)],
)
def test_a_length_of_time_is_read(text: str, seconds: int) -> None:
    """Days, hours, minutes, seconds, in this order."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "5", "m", "5m3h", "-5m", "1.5h", "5 m"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    """The error shows what was got."""
    with pytest.raises(ValueError, match=r"wanted something like 5h30m"):
        seconds_of(text)


def test_without_a_limit_everything_is_allowed() -> None:
    """However long tasks take."""
    time_left = Walltime()
    time_left.took(1e9)
    assert list(time_left.taking([1, 2, 3])) == [1, 2, 3]
    assert not time_left.cut


def test_no_task_begins_that_may_not_be_done_in_time() -> None:
    """The longest task so far, and a margin, must fit in what is left; a short one does not make it forget."""
    clock = Clock()
    time_left = Walltime(limit_s=60, clock=clock)
    time_left.took(20)
    time_left.took(1)
    clock.now += 60 - 20 * MARGIN - 1
    assert time_left.allows()
    clock.now += 1
    assert not time_left.allows()


def test_once_cut_it_stays_cut() -> None:
    """What comes after a step that was not finished must not begin, even if it would fit."""
    clock = Clock()
    time_left = Walltime(limit_s=10, clock=clock)
    clock.now += 10
    assert list(time_left.taking([1])) == []
    clock.now -= 10
    assert not time_left.allows()
    assert time_left.cut


def test_the_last_item_is_no_cut() -> None:
    """A run that is done at the very end of its time is done."""
    clock = Clock()
    time_left = Walltime(limit_s=10, clock=clock)
    for _ in time_left.taking([1]):
        clock.now += 11
    assert not time_left.cut
