"""Engines have no test files of their own but a seat in this one: the same promises on each."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kakehi.pipeline.engines.dask import LOST_WORKERS, Dask
from kakehi.pipeline.engines.engine import Engine, Failure
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.errors import DataError, EngineError

# distributed warns of its own making while a cluster that lost workers is closed.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Dask]:
    with Dask(workers=2, bytes_per_worker=400 << 20, silence="15s") as opened:
        yield opened


@pytest.fixture(params=["inline", pytest.param("dask", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Engine:
    return Inline() if request.param == "inline" else request.getfixturevalue("cluster")


def square(number: int) -> int:
    if number == 3:
        raise DataError("shard 3: broken", hint="mend it")
    if number == 5:
        raise KeyError("five")
    return number * number


def test_every_item_is_answered_once(engine: Engine) -> None:
    """Results and failures come as they complete, each with the position of its item."""
    found = dict(engine.map(square, iter(range(20))))
    assert sorted(found) == list(range(20))
    assert all(found[n] == n * n for n in range(20) if n not in {3, 5})


def test_an_error_of_ours_arrives_whole(engine: Engine) -> None:
    """Kind, words, hint and traceback reach the command, from another process too."""
    failure = dict(engine.map(square, [3]))[0]
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, DataError)
    assert str(failure.error) == "shard 3: broken\nhint: mend it"
    assert "square" in failure.trace


def test_any_other_error_arrives_by_name(engine: Engine) -> None:
    """What a library raises may not survive a pickle; its name and words do."""
    failure = dict(engine.map(square, [5]))[0]
    assert isinstance(failure, Failure)
    assert "five" in str(failure.error)


def test_nothing_to_do_is_done(engine: Engine) -> None:
    """No item, no answer."""
    assert list(engine.map(square, [])) == []


def die_once(marker: Path) -> str:
    """Kill the worker the first time."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_task_retried(cluster: Dask, tmp_path: Path) -> None:
    """SIGKILL costs a retry, not a result."""
    assert dict(cluster.map(die_once, [tmp_path / "a", tmp_path / "b"])) == {0: "alive", 1: "alive"}


def die_always(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return number


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_given_up_and_no_other(cluster: Dask) -> None:
    """The killer is a Failure with a way out; its neighbours are done."""
    found = dict(cluster.map(die_always, range(6)))
    assert [found[n] for n in (0, 2, 3, 4, 5)] == [0, 2, 3, 4, 5]
    assert isinstance(found[1], Failure)
    assert isinstance(found[1].error, EngineError)
    assert f"killed {LOST_WORKERS + 1} workers" in str(found[1].error)


def hoard(_: int) -> int:
    """Take more memory than the worker may have."""
    taken = []
    for _ in range(40):
        taken.append(os.urandom(20 << 20))
        time.sleep(0.05)
    return len(taken)


@pytest.mark.slow
def test_a_task_over_the_memory_limit_is_a_failure(cluster: Dask) -> None:
    """A worker over its limit is killed by its nanny; the task is given up with a hint at memory."""
    failure = dict(cluster.map(hoard, [0]))[0]
    assert isinstance(failure, Failure)
    assert "bytes_per_worker" in str(failure.error)
    assert dict(cluster.map(square, [2])) == {0: 4}


def test_a_scheduler_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    """The error names what was tried and the way out."""
    with (
        pytest.raises(EngineError, match=r"no scheduler file"),
        Dask(workers=1, bytes_per_worker=1 << 30, scheduler=str(tmp_path / "none.json")),
    ):
        pass


def stop_once(marker: Path) -> str:
    """Freeze the worker the first time."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return "alive"


@pytest.mark.slow
def test_a_stopped_worker_is_replaced(cluster: Dask, tmp_path: Path) -> None:
    """SIGSTOP is found by silence, and the task runs elsewhere."""
    assert dict(cluster.map(stop_once, [tmp_path / "a"])) == {0: "alive"}
