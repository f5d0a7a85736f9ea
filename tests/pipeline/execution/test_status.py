"""From events alone: how far a run is, and how it ended."""

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from kakehi.pipeline.engines.lock import RunLock
from kakehi.pipeline.engines.processes import place
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.execution.status import progress_of, status
from kakehi.pipeline.storage.claims import Holder, write_claim

BEGIN = {"event": "begin", "step": "measure", "source": "docs", "shards": 4, "time": 100.0}
DONE = {"event": "done", "step": "measure", "time": 110.0, "counts": {"rows": 50}}
FAILED = {"event": "failed", "step": "measure", "time": 112.0}


def start(**changes: object) -> dict[str, object]:
    own = {"manifest": "m.yaml", "host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
    return {"event": "start", **own, **changes}


def written(root: Path, events: Iterable[Mapping[str, object]], name: str = "20261124T100000-1") -> Path:
    path = root / "runs" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


def test_a_step_under_way_says_shards_rows_rate_and_time_left() -> None:
    """Two of four shards in ten seconds: ten more."""
    [step] = progress_of([BEGIN, DONE, DONE]).steps
    assert step.line() == "measure docs         runs    2/4 shards, 100 rows, 10 rows/s, about 10 s left"


def test_a_step_that_is_done_says_so() -> None:
    """All shards are there, and no time is left to tell."""
    [step] = progress_of([BEGIN, *[DONE] * 4]).steps
    assert step.line() == "measure docs         done    4/4 shards, 200 rows, 20 rows/s"


def test_a_failed_shard_is_counted() -> None:
    """The step is not done, whatever else is."""
    [step] = progress_of([BEGIN, DONE, FAILED, DONE, DONE]).steps
    assert step.line().split()[2] == "failed"
    assert step.line().endswith("1 failed")


def test_a_step_that_only_began_says_nothing_it_does_not_know() -> None:
    """No rate and no time left before the first shard is done; a corpus step has no source."""
    [step] = progress_of([BEGIN | {"step": "exact", "source": None, "shards": 1}]).steps
    assert step.line() == "exact                runs    0/1 shards, 0 rows"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"event": "end"}, "finished"),
        ({"event": "stopped"}, "stopped at its walltime"),
        ({"event": "error", "message": "DataError: x: is broken"}, "ended: DataError: x: is broken"),
    ],
)
def test_the_last_line_says_how_it_ended(tmp_path: Path, end: dict[str, object], said: str) -> None:
    """Whole, at its walltime, or with an error's words."""
    written(tmp_path, [start(), BEGIN, DONE, end])
    assert status(tmp_path)[-1] == said


def test_a_run_that_holds_its_claim_is_under_way(tmp_path: Path) -> None:
    """Host and process are those of the first event."""
    written(tmp_path, [start(), BEGIN])
    with RunLock(tmp_path):
        lines = status(tmp_path)
    assert lines[0].startswith("m.yaml, since ")
    assert lines[0].endswith(f"on {socket.gethostname()}, pid {os.getpid()}")
    assert lines[-1] == "under way"


def test_a_dead_runs_claim_does_not_make_it_under_way(tmp_path: Path) -> None:
    """What a killed run leaves is a lock whose process is gone."""
    written(tmp_path, [start(pid=1 << 30), BEGIN])
    dead = Holder(host=socket.gethostname(), pid=1 << 30, started="1", place=place(), since="2026", claim="x")
    (tmp_path / "run.lock").write_bytes(write_claim(dead))
    assert status(tmp_path)[-1] == "broke off: run again to go on"


def test_another_runs_claim_does_not_make_it_under_way(tmp_path: Path) -> None:
    """A run that holds the folder and has written no event yet is not the one that broke off."""
    written(tmp_path, [start(pid=1 << 30), BEGIN])
    with RunLock(tmp_path):
        assert status(tmp_path)[-1] == "broke off: run again to go on"


def test_the_newest_run_counts_and_half_a_line_does_not(tmp_path: Path) -> None:
    """A run that was killed while it wrote leaves half an event; older runs are history."""
    written(tmp_path, [start(), BEGIN, {"event": "end"}])
    path = written(tmp_path, [start(manifest="new.yaml"), BEGIN], name="20261124T100001-1")
    with path.open("a", encoding="utf-8") as file:
        file.write('{"time": 1, "ev')
    lines = status(tmp_path)
    assert lines[0].startswith("new.yaml")
    assert lines[-1] == "broke off: run again to go on"


def test_where_nothing_has_run_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """The error names the folder and the option."""
    with pytest.raises(DataError, match=r"nothing has run here\nhint: .*--work DIR"):
        status(tmp_path)


def test_a_file_without_a_whole_event_breaks_nothing(tmp_path: Path) -> None:
    """A disk that was full before the first event was written leaves an empty file."""
    written(tmp_path, [])
    lines = status(tmp_path)
    assert lines[-1] == "broke off: run again to go on"
    assert "None" not in lines[0]
