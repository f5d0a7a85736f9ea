"""Tasks on a Dask cluster: one started here, or one that runs already.

One worker process a core, one thread in each of Arrow, numba and OpenMP. A worker that is killed, stopped or over its
memory limit is replaced, and its task runs again elsewhere; a task that kills worker after worker is a Failure.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import dask
import distributed
import pyarrow as pa

from kakehi.pipeline.engines.engine import Failure
from kakehi.pipeline.engines.processes import started_at
from kakehi.pipeline.errors import CorpusError, EngineError

T = TypeVar("T")
R = TypeVar("R")

#: Times a task may lose its worker before it is given up.
LOST_WORKERS = 3

#: A worker that says nothing for so long is taken for dead (it was stopped, or its machine is gone).
SILENCE = "60s"

#: Seconds between two looks at the cluster while nothing is done.
WATCH_S = 5.0

#: A cluster without any worker for so long is given up.
DESERTED_S = 300.0

#: Workers' own files lie in a folder of this name, the command's process number behind it.
_SCRATCH = "kakehi-"

_THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Dask:
    """Run tasks on a Dask cluster.

    Args:
        workers: processes to start here; not looked at where `scheduler` is given.
        bytes_per_worker: memory limit of each process started here.
        scheduler: address (`tcp://host:port`) or scheduler file of a running cluster, or None to start one on
            loopback.
        silence: a worker that says nothing for so long is replaced.
    """

    def __init__(
        self, *, workers: int, bytes_per_worker: int, scheduler: str | None = None, silence: str = SILENCE
    ) -> None:
        self._workers = workers
        self._bytes = bytes_per_worker
        self._scheduler = scheduler
        self._silence = silence
        self._cluster: Any = None
        self._client: Any = None
        self._settings: Any = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        # A worker that dies is news for the events file, not ten lines on the terminal.
        for name in ("distributed.nanny", "distributed.scheduler", "distributed.core", "distributed.worker"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = distributed.Client(self._address(), timeout="30s")
        except (OSError, ValueError) as error:
            self.__exit__(None, None, None)
            raise EngineError(
                f"scheduler {self._scheduler!r}: can't be reached ({error})",
                hint="name the address or the scheduler file of a running Dask cluster",
            ) from error
        self._client.register_plugin(_Unwatched(ours=self._cluster is not None))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in (self._client, self._cluster):
            if part is not None:
                part.close()
        if self._settings is not None:
            self._settings.__exit__(None, None, None)
        if self._scratch is not None:
            self._scratch.cleanup()

    @property
    def dashboard(self) -> str | None:
        """Where the cluster can be watched, or None."""
        return None if self._client is None else str(self._client.dashboard_link)

    def map(self, task: Callable[[T], R], items: Iterable[T], /) -> Iterator[tuple[int, R | Failure]]:
        """Yield (position, result or Failure) as tasks complete.

        One task a worker is under way: a second that only waited there would be blamed for the death of a worker
        that the first one killed. A task takes seconds, the round trip it costs milliseconds.
        """
        waiting = enumerate(items)
        under_way: dict[Any, int] = {}
        more = True
        while more or under_way:
            while more and len(under_way) < self._room():
                position, item = next(waiting, (-1, None))
                more = position >= 0
                if more:
                    name = f"{getattr(task, '__name__', 'task')}-{os.urandom(8).hex()}"
                    under_way[self._client.submit(run_one, task, item, pure=False, key=name)] = position
            for future in self._some_done(list(under_way)):
                yield under_way.pop(future), _result(future)

    def _room(self) -> int:
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def _some_done(self, futures: list[Any]) -> list[Any]:
        """Wait until a task is done; give up where no worker has been left for too long."""
        deserted_since = None
        while futures:
            try:
                return list(distributed.wait(futures, timeout=WATCH_S, return_when="FIRST_COMPLETED").done)
            except distributed.TimeoutError:
                workers = self._client.scheduler_info(n_workers=-1)["workers"]
                if self._cluster is not None and len(workers) < self._workers:
                    # A worker that was only slow, and taken for dead, closes in good order: nobody replaces it.
                    self._cluster.scale(self._workers)
                deserted_since = None if workers else deserted_since or time.monotonic()
                if deserted_since and time.monotonic() - deserted_since > DESERTED_S:
                    raise EngineError(
                        f"no worker has been there for {DESERTED_S:.0f} s",
                        hint="look at the workers' logs; what is done is kept, run again to go on",
                    ) from None
        return []

    def _address(self) -> Any:
        if self._scheduler is not None:
            return self._scheduler if "://" in self._scheduler else _from_file(self._scheduler)
        _sweep()
        self._scratch = tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-")
        settings = {
            "distributed.scheduler.allowed-failures": LOST_WORKERS,
            "distributed.scheduler.worker-ttl": self._silence,
            "distributed.worker.use-file-locking": False,
            "distributed.comm.timeouts.connect": "30s",
            "distributed.nanny.pre-spawn-environ": dict.fromkeys(_THREADS, "1"),
            # The profiler's thread holds frames, and so drops what they held: resiliparse's trees may not be dropped
            # on another thread than their own.
            "distributed.worker.profile.enabled": False,
            # Results are counts, so there is nothing to spill; and a paused worker would wait for ever.
            "distributed.worker.memory.target": False,
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.pause": False,
        }
        # Until the end: a worker is replaced with the settings of the day.
        self._settings = dask.config.set(settings)
        self._cluster = distributed.LocalCluster(
            n_workers=self._workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=self._bytes,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=self._scratch.name,
            silence_logs=logging.CRITICAL,
        )
        return self._cluster


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


def _result(future: Any) -> Any:
    try:
        return future.result()
    except distributed.KilledWorker as error:
        said = EngineError(
            f"it killed {LOST_WORKERS + 1} workers, the last one {error.last_worker.address}",
            hint="give it more memory (bytes_per_worker in the machine file)",
        )
        return Failure(error=said, trace=str(error))
    except Exception as error:  # noqa: BLE001 - whatever the cluster says of a task is that task's failure
        return Failure(error=error, trace=traceback.format_exc())


def _portable(error: Exception) -> Exception:
    """Give an error that another process can unpickle: ours as it is, all others by name and words."""
    if isinstance(error, CorpusError):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _sweep() -> None:
    """Remove what commands that were killed left in the temporary folder."""
    for path in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*-*"):
        pid = path.name.removeprefix(_SCRATCH).partition("-")[0]
        if pid.isdecimal() and started_at(int(pid)) is None:
            shutil.rmtree(path, ignore_errors=True)  # another user's stays


def _from_file(name: str) -> str:
    path = Path(name)
    if not path.is_file():
        raise OSError(f"no scheduler file {str(path)!r}")
    return str(json.loads(path.read_text(encoding="utf-8"))["address"])
