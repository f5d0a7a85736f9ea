"""Say how a run goes: bars on a terminal, plain lines elsewhere. All of it on stderr."""

from __future__ import annotations

import sys

from tqdm import tqdm

from kakehi.pipeline.planner import Step
from kakehi.pipeline.store import Receipt


class Bars:
    """One bar a step; rows and bytes of text as they come."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None
        self._terminal = sys.stderr.isatty()
        self._rows = 0
        self._seconds = 0.0

    def begin(self, step: Step, shards: int) -> None:
        """Start the bar of a step."""
        self._rows, self._seconds = 0, 0.0
        if self._terminal:
            label = f"{step.name} {step.source or ''}".strip()
            self._bar = tqdm(
                total=shards, desc=f"{label:<18}", unit="shard", file=sys.stderr, dynamic_ncols=True
            )

    def advance(self, receipt: Receipt) -> None:
        """Move it by one shard."""
        self._rows += receipt.counts.get("records", receipt.counts.get("rows", 0))
        self._seconds += receipt.seconds
        if self._bar is not None:
            rate = self._rows / self._seconds if self._seconds else 0
            self._bar.set_postfix_str(f"{self._rows:,} rows, {rate:,.0f} rows/s", refresh=False)
            self._bar.update()

    def end(self, step: Step) -> None:
        """Close it; elsewhere than on a terminal, print one line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        else:
            label = f"{step.name} {step.source or ''}".strip()
            rate = self._rows / self._seconds if self._seconds else 0
            said = f"{self._rows:>9,} rows  {rate:>11,.0f} rows/s" if self._rows else " " * 32
            print(f"{label:<18} {self._seconds:8.2f} s  {said}".rstrip(), file=sys.stderr, flush=True)  # noqa: T201
