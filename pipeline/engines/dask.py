"""Tasks on a Dask cluster: one started here, or one that runs already.

One worker process a core, one thread in each of Arrow, numba and OpenMP. A worker that is killed, stopped or over its
memory limit is replaced, and its task runs again elsewhere; a task that kills worker after worker is a Failure.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import distributed
import pyarrow as pa
from distributed import CancelledError
from distributed.client import ClosedClientError

from kakehi.pipeline.engines.engine import Failure
from kakehi.pipeline.engines.local import LOST_WORKERS, start_cluster
from kakehi.pipeline.engines.machine import TLS
from kakehi.pipeline.engines.standing import find_address, make_security, usable_share
from kakehi.pipeline.errors import CorpusError, EngineError

T = TypeVar("T")
R = TypeVar("R")

#: A worker that says nothing for so long is taken for dead (it was stopped, or its machine is gone).
SILENCE = "60s"

#: Seconds between two looks at the cluster while nothing is done.
WATCH_S = 5.0

#: Time to reach a scheduler in.
CONNECT = "20s"

#: A scheduler that gives no answer for so long is gone.
ANSWER_S = 10.0

#: A cluster without a worker that takes tasks for so long is given up: one started here, and one whose jobs may wait.
DESERTED_S = 20.0
DESERTED_ELSEWHERE_S = 300.0


class Dask:
    """Run tasks on a Dask cluster.

    Args:
        workers: processes to start here; not looked at where `scheduler` is given.
        bytes_per_worker: memory limit of each process started here.
        scheduler: address (`tls://host:port`) or scheduler file of a running cluster, or None to start one on
            loopback.
        silence: a worker that says nothing for so long is replaced.
        tls: certificates for a running cluster, or None.
        dashboard: serve pages that show the cluster started here.
    """

    def __init__(
        self,
        *,
        workers: int,
        bytes_per_worker: int,
        scheduler: str | None = None,
        silence: str = SILENCE,
        tls: TLS | None = None,
        dashboard: bool = False,
    ) -> None:
        self._workers = workers
        self._bytes = bytes_per_worker
        self._scheduler = scheduler
        self._silence = silence
        self._tls = tls
        self._pages = dashboard
        self._close = ExitStack()
        self._cluster: Any = None
        self._client: Any = None

    def __enter__(self) -> Self:
        # A worker that dies is news for the events file, not ten lines on the terminal.
        for name in ("nanny", "scheduler", "core", "worker", "client", "comm", "batched", "deploy"):
            logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL)
        with ExitStack() as opened:
            self._client = opened.enter_context(self._connect(opened))
            with self._reached():
                self._client.register_plugin(_Unwatched(ours=self._scheduler is None))
                if self._scheduler is not None:
                    self._bytes = self._bytes_there()
            self._close = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close.close()

    @property
    def dashboard(self) -> str | None:
        """Where the cluster can be watched, or None."""
        shown = self._client is not None and (self._pages or self._scheduler is not None)
        return str(self._client.dashboard_link) if shown else None

    @property
    def bytes_per_worker(self) -> int:
        """Memory a task may take before its worker is paused or ended: of a running cluster, the least that one says."""
        return self._bytes

    @property
    def warning(self) -> str | None:
        """Say that a cluster lets everyone in, or None."""
        if self._client is None or str(self._client.scheduler.address).startswith("tls://"):
            return None
        return (
            f"{self._client.scheduler.address} asks nobody who they are: whoever reaches that port runs code as the user"
            " of this command and of the workers; docs/clusters.md says how to start a cluster with certificates"
        )

    def map(self, task: Callable[[T], R], items: Iterable[T], /) -> Iterator[tuple[int, R | Failure]]:
        """Yield (position, result or Failure) as tasks complete.

        One task a worker is under way: a second that only waited there would be blamed for the death of a worker
        that the first one killed. A task takes seconds, the round trip it costs milliseconds.
        """
        waiting = enumerate(items)
        under_way: dict[Any, int] = {}
        more = True
        while more or under_way:
            while more and len(under_way) < max(1, len(self._workers_there())):
                position, item = next(waiting, (-1, None))
                more = position >= 0
                if more:
                    under_way[self._submit(task, item)] = position
            for future in self._some_done(list(under_way)):
                yield under_way.pop(future), self._result(future)

    def _connect(self, opened: ExitStack) -> Any:
        """Start a cluster, or find the one that is named; give a client of it."""
        if self._scheduler is None:
            self._cluster = opened.enter_context(
                start_cluster(
                    workers=self._workers,
                    bytes_per_worker=self._bytes,
                    silence=self._silence,
                    dashboard=self._pages,
                )
            )
        try:
            if self._cluster is not None:
                return distributed.Client(self._cluster, timeout=CONNECT)
            return distributed.Client(
                find_address(str(self._scheduler)), timeout=CONNECT, security=make_security(self._tls)
            )
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise EngineError(
                f"scheduler {self._scheduler!r}: can't be reached ({error})",
                hint="name the address or the scheduler file of a running Dask cluster, and for tls:// its certificates"
                " in the machine file (tls)",
            ) from error

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Make one clear error of whatever a cluster that is gone raises."""
        try:
            yield
        except (OSError, RuntimeError, AttributeError, CancelledError, ClosedClientError) as error:
            if isinstance(error, CancelledError) and self._client.status == "running":
                said = "the cluster cancelled tasks that were under way"
            else:
                said = f"the cluster is gone: its scheduler {self._scheduler or 'here'!r} gives no answer"
            raise EngineError(
                said,
                hint="look at the logs of its scheduler and workers; what is done is kept, run again to go on",
            ) from error

    def _submit(self, task: Callable[[T], R], item: T | None) -> Any:
        name = f"{getattr(task, '__name__', 'task')}-{os.urandom(8).hex()}"
        with self._reached():
            return self._client.submit(run_one, task, item, pure=False, key=name)

    def _result(self, future: Any) -> Any:
        with self._reached():
            return _result(future)

    def _workers_there(self) -> Mapping[str, Any]:
        """Ask the scheduler which workers it has, and what they are at."""
        with self._reached():
            if self._client.status != "running":
                raise ClosedClientError(self._client.status)
            told = self._client.sync(self._client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S)
            workers: Mapping[str, Any] = told["workers"]
            return workers

    def _bytes_there(self) -> int:
        """Give what a task may take on the smallest worker before it is paused or ended; ours where none says."""
        shares = self._client.run(usable_share, on_error="ignore")
        limits = [
            int(worker["memory_limit"] * shares[name]) // max(1, worker["nthreads"])
            for name, worker in self._workers_there().items()
            if worker["memory_limit"] and name in shares
        ]
        return min(limits, default=self._bytes)

    def _some_done(self, futures: list[Any]) -> list[Any]:
        """Wait until a task is done; give up where for too long no worker has been there that could do one."""
        patience_s = DESERTED_S if self._scheduler is None else DESERTED_ELSEWHERE_S
        last_seen = time.monotonic()
        while futures:
            if done := self._wait(futures):
                return done
            workers = self._workers_there()
            if self._cluster is not None and len(workers) < self._workers:
                # A worker that was only slow, and taken for dead, closes in good order: nobody replaces it.
                self._cluster.scale(self._workers)
            if any(map(_can_work, workers.values())):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > patience_s:
                raise EngineError(
                    f"no worker that takes tasks has been there for {patience_s:.0f} s",
                    hint="look at the workers' logs and memory; what is done is kept, run again to go on",
                )
        return []

    def _wait(self, futures: list[Any]) -> list[Any]:
        with self._reached(), suppress(distributed.TimeoutError):
            return list(distributed.wait(futures, timeout=WATCH_S, return_when="FIRST_COMPLETED").done)
        return []


class _Unwatched(distributed.WorkerPlugin):
    """Set a worker up, whoever started it and whenever it came: one thread, and no profiler.

    Args:
        ours: the worker was started here, and so shares the terminal: Ctrl-C is the command's to hear.
    """

    name = "kakehi"

    def __init__(self, *, ours: bool) -> None:
        self._ours = ours

    def setup(self, worker: Any) -> None:
        """Take the profiler from a worker, begun or not."""
        one_thread()
        if self._ours and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        for name in ("profile", "profile-cycle"):
            callback = worker.periodic_callbacks.pop(name, None)  # gone, so that a new worker won't start it
            if callback is not None:
                callback.stop()


def run_one(task: Callable[[T], R], item: T) -> R | Failure:
    """Run a task on a worker; what it raises comes back as data, so that Dask repeats lost workers alone."""
    one_thread()
    try:
        return task(item)
    except Exception as error:  # noqa: BLE001 - the seam: a failing task must not stop its neighbours
        return Failure(error=_portable(error), trace=traceback.format_exc())


def one_thread() -> None:
    """Leave one thread to Arrow in this process; numba and OpenMP were told by the environment."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def _can_work(worker: Mapping[str, Any]) -> bool:
    """Say whether a worker takes tasks, or is at one: one that is paused goes on with what it has."""
    executing = worker.get("metrics", {}).get("task_counts", {}).get("executing", 0)
    return bool(worker.get("status", "running") == "running" or executing)


def _result(future: Any) -> Any:
    try:
        return future.result()
    except distributed.KilledWorker as error:
        said = EngineError(
            f"it killed {LOST_WORKERS + 1} workers, the last one {error.last_worker.address}",
            hint="give it more memory (bytes_per_worker in the machine file)",
        )
        return Failure(error=said, trace=str(error))
    except CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the cluster says of a task is that task's failure
        return Failure(error=error, trace=traceback.format_exc())


def _portable(error: Exception) -> Exception:
    """Give an error that another process can unpickle: ours as it is, all others by name and words."""
    if isinstance(error, CorpusError):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
