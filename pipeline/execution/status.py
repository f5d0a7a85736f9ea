"""Say, from the events of the newest run, how far it is: for another terminal, on any machine that sees the folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from kakehi.pipeline.engines.lock import live_lock
from kakehi.pipeline.errors import DataError

#: The end of the year 9999, the last that Python can write.
_LATEST: Final = 253_370_764_800

_TIME: Final = {"time": (int, float)}
_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "start": {**_TIME, "manifest": str, "host": str, "pid": int},
    "begin": {**_TIME, "step": str, "shards": int},
    "note": {"text": str},
    "done": _TIME,
    "failed": _TIME,
}


@dataclass(kw_only=True)
class StepProgress:
    """How far one step is.

    Args:
        label: step and source.
        shards: to run.
        done: finished.
        failed: given up.
        rows: of finished shards.
        began: seconds since the epoch.
        last: time of its last event.
        ended: whether all of it is done.
        note: what it said of itself last.
    """

    label: str
    shards: int
    began: float
    done: int = 0
    failed: int = 0
    rows: int = 0
    last: float = 0.0
    ended: bool = False
    note: str = ""

    def line(self) -> str:
        """Write it as one line: shards, rows, rate, time left."""
        spent = max(self.last - self.began, 1e-3)
        rate = f"{self.rows / spent:,.0f} rows/s" if self.rows else ""
        left = (
            ""
            if self.ended or not self.done
            else f"about {spent / self.done * (self.shards - self.done):,.0f} s left"
        )
        state = "done" if self.ended else "runs" if not self.failed else "failed"
        failed = f"{self.failed} failed" if self.failed else ""
        note = "" if self.ended else self.note
        words = [f"{self.done}/{self.shards} shards", f"{self.rows:,} rows", rate, left, note, failed]
        return f"{self.label:<20} {state:<7} {', '.join(word for word in words if word)}"


@dataclass(kw_only=True)
class RunProgress:
    """How far a run is: its first event, its steps in order, its end."""

    start: Mapping[str, Any] = field(default_factory=dict)
    steps: list[StepProgress] = field(default_factory=list)
    end: Mapping[str, Any] | None = None


def progress_of(events: Iterable[Mapping[str, Any]]) -> RunProgress:
    """Add events up, in their order."""
    run = RunProgress()
    for event in events:
        kind = event["event"]
        if kind == "start":
            run.start = event
        elif kind == "begin":
            label = f"{event['step']} {event.get('source') or ''}".strip()
            run.steps.append(
                StepProgress(label=label, shards=event["shards"], began=event["time"], last=event["time"])
            )
        elif kind == "note" and run.steps:
            run.steps[-1].note = event["text"]
        elif kind in {"done", "failed"} and run.steps:
            step = run.steps[-1]
            step.last = event["time"]
            step.done += kind == "done"
            step.failed += kind == "failed"
            counts = event.get("counts", {})
            step.rows += counts.get("records", counts.get("rows", 0))
            step.ended = step.done == step.shards
        elif kind in {"end", "error", "stopped"}:
            run.end = event
    return run


def status(root: Path) -> list[str]:
    """Tell how the newest run in a work folder goes.

    Raises:
        DataError: there was none.
    """
    newest = max((root / "runs").glob("*.jsonl"), key=lambda path: path.name, default=None)
    if newest is None:
        raise DataError(f"{root}: nothing has run here", hint="name the work folder with --work DIR")
    run = progress_of(_events(newest))
    held = live_lock(root)
    lines = [_headline(run.start)]
    lines += [step.line() for step in run.steps]
    if run.end is not None:
        lines.append(
            {"end": "finished", "stopped": "stopped at its walltime"}.get(
                run.end["event"], f"ended: {run.end.get('message')}"
            )
        )
    else:
        mine = held and (held.host, held.pid) == (run.start.get("host"), run.start.get("pid"))
        lines.append("under way" if mine else "broke off: run again to go on")
    return lines


def _headline(start: Mapping[str, Any]) -> str:
    """Say which run it is; a disk that was full at once leaves a file without any event."""
    if not start:
        return "a run that could not write a word"
    began = f"{datetime.fromtimestamp(start['time']).astimezone():%Y-%m-%d %H:%M:%S %z}"
    return f"{start['manifest']}, since {began}, on {start['host']}, pid {start['pid']}"


def _events(path: Path) -> list[dict[str, Any]]:
    """Read whole lines; the last may be half written."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _is_event(event):
            found.append(event)
    return found


def _is_event(event: Any) -> bool:
    """Say whether all that is used of an event is of its type: the file may be anybody's."""
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return False
    counts = event.get("counts", {})
    return (
        all(isinstance(event.get(name), kind) for name, kind in _FIELDS.get(event["event"], {}).items())
        and isinstance(event.get("time", 0), (int, float))
        and abs(event.get("time", 0)) < _LATEST
        and isinstance(counts, dict)
        and all(isinstance(count, int) for count in counts.values())
    )
