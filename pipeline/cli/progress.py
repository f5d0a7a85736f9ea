"""Say how a run goes: bars on a terminal, plain lines elsewhere. All of it on stderr."""

from __future__ import annotations

import os
import sys
import time

from tqdm import tqdm

from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.printable import show_controls, show_line
from kakehi.pipeline.stages.dedupe import alarms
from kakehi.pipeline.stages.repeated_ids import describe_repeated_ids
from kakehi.pipeline.storage.store import Receipt

#: Columns where the terminal does not say how many it has.
_COLUMNS = 80


class Bars:
    """One bar a step: shards done, time left, and rows and bytes of text a second over all workers."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None
        self._terminal = sys.stderr.isatty()
        self._columns = os.get_terminal_size(sys.stderr.fileno()).columns if self._terminal else 0
        self._began = 0.0
        self._warned: set[str] = set()
        self._rows = self._bytes = self._failed = 0

    def begin(self, step: Step, shards: int) -> None:
        """Start the bar of a step."""
        self._began = time.monotonic()
        self._rows = self._bytes = self._failed = 0
        if self._terminal:
            self._bar = tqdm(
                total=shards,
                desc=f"{_label(step):<18}",
                unit="shard",
                file=sys.stderr,
                # A terminal that says it has no columns would get empty lines.
                ncols=None if self._columns else _COLUMNS,
                dynamic_ncols=self._columns > 0,
            )

    def advance(self, receipt: Receipt) -> None:
        """Move the bar by one finished shard, and print what its receipt warns of."""
        self._rows += receipt.counts.get("records", receipt.counts.get("rows", 0))
        self._bytes += receipt.counts.get("text_bytes", 0)
        self._move()
        for line in alarms.describe_alarms(receipt.counts):
            _warn(f"{receipt.step}: {line}")
        for line in describe_repeated_ids(receipt.counts):
            if line not in self._warned:  # several steps count them
                self._warned.add(line)
                _warn(line)

    def fail(self) -> None:
        """Move the bar by a shard that failed."""
        self._failed += 1
        self._move()

    def say(self, text: str) -> None:
        """Show how far a step is that has no shards to count; nothing but on a terminal: `kakehi status` tells it."""
        if self._bar is not None:
            self._bar.set_postfix_str(show_line(text))

    def warn(self, text: str) -> None:
        """Say what is to be known of a step that is done."""
        _warn(text)

    def end(self, step: Step) -> None:
        """Close it; elsewhere than on a terminal, print one line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        else:
            seconds = time.monotonic() - self._began
            said = f"{self._rows:>9,} rows  {self._rates():>24}" if self._rows else ""
            line = f"{_label(step):<18} {seconds:8.2f} s  {said}"
            print(show_line(line.rstrip()), file=sys.stderr, flush=True)  # noqa: T201

    def _move(self) -> None:
        if self._bar is not None:
            failed = f", {self._failed} failed" if self._failed else ""
            self._bar.set_postfix_str(f"{self._rows:,} rows, {self._rates()}{failed}", refresh=False)
            self._bar.update()

    def _rates(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-3)
        mb = f"  {self._bytes / seconds / 1e6:.1f} MB/s" if self._bytes else ""
        return f"{self._rows / seconds:,.0f} rows/s{mb}"


def _warn(text: str) -> None:
    tqdm.write(f"warning: {show_controls(text)}", file=sys.stderr)


def _label(step: Step) -> str:
    return show_line(f"{step.name} {step.source or ''}".strip())
