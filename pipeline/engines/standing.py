"""What has to be known to use a Dask cluster that somebody else started."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import dask
import distributed

from kakehi.pipeline.engines.machine import TLS


def find_address(scheduler: str) -> str:
    """Give the address of a scheduler that is named by it, or by its scheduler file.

    Raises:
        OSError: there is no such file.
        ValueError: it is no scheduler file.
    """
    if "://" in scheduler:
        return scheduler
    path = Path(scheduler)
    if not path.is_file():
        raise OSError(f"no scheduler file {str(path)!r}")
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, dict) or "address" not in told:
        raise ValueError(f"no address in {str(path)!r}")
    return str(told["address"])


def make_security(tls: TLS | None) -> Any:
    """Give Dask the certificates of a machine file, or None where it names none."""
    if tls is None:
        return None
    names = {"tls_ca_file": tls.ca_file, "tls_client_cert": tls.cert, "tls_client_key": tls.key}
    return distributed.Security(
        require_encryption=True, **{key: os.fspath(path) for key, path in names.items()}
    )


def usable_share() -> float:
    """Give the share of its limit below which this worker is neither paused nor ended."""
    limits = [dask.config.get(f"distributed.worker.memory.{name}") for name in ("pause", "terminate")]
    return min((float(limit) for limit in limits if limit), default=1.0)
