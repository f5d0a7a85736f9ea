"""Open the engine that a machine file asks for."""

from __future__ import annotations

import os
from collections.abc import Iterable

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.kernels import SOURCES, compile_kernels, forget_stale
from kakehi.pipeline.engines.machine import Machine


def open_engine(machine: Machine, *, kernels: Iterable[str], scheduler: str | None = None) -> Engine:
    """Make the engine that a machine file asks for, or one on a running Dask cluster.

    Args:
        machine: where the run happens.
        kernels: what tasks will run, compiled here once before workers start; not on a cluster that runs already.
        scheduler: address or scheduler file of a running cluster; wins over the machine's engine.
    """
    forget_stale(SOURCES)
    if machine.engine == "inline" and scheduler is None:
        return Inline()
    from kakehi.pipeline.engines.dask import Dask  # noqa: PLC0415 - half a second that inline runs need not spend

    if scheduler is None:
        compile_kernels(kernels)
    workers = _cores() if machine.workers == "cores" else machine.workers
    return Dask(
        workers=workers,
        bytes_per_worker=machine.bytes_per_worker,
        scheduler=scheduler,
        tls=machine.tls,
        dashboard=machine.dashboard,
    )


def _cores() -> int:
    """Count the cores this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
