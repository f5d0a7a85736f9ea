"""A Dask cluster on this machine: on loopback, and behind TLS, for whoever reaches a scheduler runs code as its user."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import dask
import distributed

from kakehi.pipeline.engines.scratch import make_scratch
from kakehi.pipeline.errors import EngineError

#: Times a task may lose its worker before it is given up.
LOST_WORKERS: Final = 3

_LOOPBACK: Final = "127.0.0.1"
_THREADS: Final = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def start_cluster(
    *, workers: int, bytes_per_worker: int, silence: str, dashboard: bool
) -> Iterator[distributed.LocalCluster]:
    """Start workers on this machine, and end them.

    Args:
        workers: processes, each for one task at a time.
        bytes_per_worker: memory limit of each.
        silence: a worker that says nothing for so long is replaced.
        dashboard: serve pages that show it, to everyone on this machine.

    Raises:
        EngineError: no worker can be started.
    """
    # Settings hold until the end: a worker is replaced with the settings of the day.
    with make_scratch() as scratch, dask.config.set(_settings(silence, dashboard=dashboard)):
        try:
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=bytes_per_worker,
                host=_LOOPBACK,
                protocol="tls://",
                # Key and certificate live in memory: workers get them through a pipe, nobody else does.
                security=distributed.Security.temporary(),
                dashboard_address=f"{_LOOPBACK}:0",
                scheduler_kwargs={"dashboard": dashboard},
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
            )
        except (OSError, RuntimeError) as error:
            raise EngineError(
                f"{workers} workers: can't be started ({error})",
                hint="free memory and processes, ask for fewer workers, or engine: inline in the machine file",
            ) from error
        with cluster:
            yield cluster


def _settings(silence: str, *, dashboard: bool) -> dict[str, Any]:
    pages: dict[str, Any] = {}
    if not dashboard:
        pages = {f"distributed.{role}.http.routes": [] for role in ("scheduler", "worker")}
    return pages | {
        "distributed.scheduler.allowed-failures": LOST_WORKERS,
        "distributed.scheduler.worker-ttl": silence,
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
