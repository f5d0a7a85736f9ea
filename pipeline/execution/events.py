"""One JSON line an event, in `work/runs/<time>.jsonl`: what `kakehi status` reads, and what is left of a run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.storage.store import Receipt, Store


class Events:
    """One JSON line an event, in `work/runs/<time>.jsonl`."""

    def __init__(self, store: Store) -> None:
        folder = store.root / "runs"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise DataError(
                f"{os.fspath(store.root)!r}: can't be written to (it is no folder)",
                hint="name a folder that can be with --work DIR",
            ) from error
        self._path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}.jsonl"

    def write(self, event: str, **details: object) -> None:
        """Append an event."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **details}, ensure_ascii=False)
        # half a surrogate, of a name that is no UTF-8, becomes JSON's own escape for it
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(line + "\n")


def brief(receipt: Receipt) -> Mapping[str, Any]:
    """Give what an event says of a finished task."""
    return {"counts": dict(receipt.counts), "seconds": receipt.seconds, "peak_bytes": receipt.peak_bytes}
