"""Tasks on a Dask cluster: one started here, or one that runs already.

One worker process a core, one thread in each of Arrow, numba and OpenMP. A worker that is killed, stopped or over its
memory limit is replaced, and its task runs again elsewhere; a task that kills worker after worker is a Failure.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import dask
import distributed
import pyarrow as pa

from kakehi.pipeline.engines.engine import Failure
from kakehi.pipeline.errors import CorpusError, EngineError

T = TypeVar("T")
R = TypeVar("R")

#: Times a task may lose its worker before it is given up.
LOST_WORKERS = 3

#: A worker that says nothing for so long is taken for dead (it was stopped, or its machine is gone).
SILENCE = "60s"

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
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        # A worker that dies is news for the events file, not ten lines on the terminal.
        for name in ("distributed.nanny", "distributed.scheduler", "distributed.core", "distributed.worker"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = distributed.Client(self._address(), timeout="30s", set_as_default=False)
        except (OSError, ValueError) as error:
            self.__exit__(None, None, None)
            raise EngineError(
                f"scheduler {self._scheduler!r}: can't be reached ({error})",
                hint="name the address or the scheduler file of a running Dask cluster",
            ) from error
        self._client.run(one_thread, wait=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in (self._client, self._cluster):
            if part is not None:
                part.close()
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
        room = max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))
        under_way = distributed.as_completed(loop=self._client.loop)
        positions: dict[Any, int] = {}

        def submit() -> bool:
            position, item = next(waiting, (None, None))
            if position is None:
                return False
            future = self._client.submit(
                run_one,
                task,
                item,
                pure=False,
                key=f"{getattr(task, '__name__', 'task')}-{os.urandom(8).hex()}",
            )
            positions[future] = position
            under_way.add(future)
            return True

        for _ in range(room):
            if not submit():
                break
        for future in under_way:
            yield positions.pop(future), _result(future)
            submit()

    def _address(self) -> Any:
        if self._scheduler is not None:
            return self._scheduler if "://" in self._scheduler else _from_file(self._scheduler)
        self._scratch = tempfile.TemporaryDirectory(prefix="kakehi-")
        settings = {
            "distributed.scheduler.allowed-failures": LOST_WORKERS,
            "distributed.scheduler.worker-ttl": self._silence,
            "distributed.worker.use-file-locking": False,
            "distributed.comm.timeouts.connect": "30s",
            "distributed.nanny.pre-spawn-environ": dict.fromkeys(_THREADS, "1"),
        }
        with dask.config.set(settings):
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
            hint="give it more memory (bytes_per_worker in the machine file), or leave its input out",
        )
        return Failure(error=said, trace=str(error))
    except Exception as error:  # noqa: BLE001 - whatever the cluster says of a task is that task's failure
        return Failure(error=error, trace=traceback.format_exc())


def _portable(error: Exception) -> Exception:
    """Give an error that another process can unpickle: ours as it is, all others by name and words."""
    if isinstance(error, CorpusError):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _from_file(name: str) -> str:
    path = Path(name)
    if not path.is_file():
        raise OSError(f"no scheduler file {str(path)!r}")
    return str(json.loads(path.read_text(encoding="utf-8"))["address"])
