"""Tasks: a record that hangs a parser is ended with its process, named, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kakehi.pipeline.execution.bookmark import Bookmark, read_bookmark
from kakehi.pipeline.execution.shard_task import ShardTask, run_shard
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning.discovery import make_plan
from kakehi.pipeline.storage.store import Store

HANGS = """
import sys
from pathlib import Path
from kakehi.pipeline.execution import shard_task
from kakehi.pipeline.execution.bookmark import Bookmark

shard_task.RECORD_CPU_S = 0.2
with Bookmark(Path(sys.argv[1])) as bookmark:
    shard_task._reach(bookmark, 1, 10)
    shard_task._reach(bookmark, 1, 77)
    sum(range(10**12))  # native code, which no handler written in Python would interrupt
"""


@pytest.mark.slow
def test_a_record_that_hangs_is_ended_and_named(tmp_path: Path) -> None:
    """By CPU time, not by the clock: SIGPROF ends the process, and the bookmark says where it was."""
    place = tmp_path / "at"
    done = subprocess.run([sys.executable, "-c", HANGS, os.fspath(place)], check=False, timeout=120)
    assert done.returncode == -signal.SIGPROF
    assert read_bookmark(place) == (1, 77)


def test_a_bookmark_knows_where_an_earlier_attempt_ended(tmp_path: Path) -> None:
    """None before the first; what cannot be read is none."""
    place = tmp_path / "parts" / "at"
    with Bookmark(place) as first:
        assert first.before is None
        first.move(3, 9)
    with Bookmark(place) as second:
        assert second.before == (3, 9)
    place.write_bytes(b"half")
    assert read_bookmark(place) is None


@pytest.mark.parametrize("record", [0, 5])
def test_the_guard_is_off_between_tasks(make, tmp_path: Path, record: int) -> None:
    """What runs after a shard is not timed."""
    make.texts(tmp_path / "a.jsonl", record)
    manifest = make.file(tmp_path / "m.yaml", "corpus: c\nsources: {s: {ingest: {files: a.jsonl}}}\n")
    store = Store(tmp_path / "w")
    [step] = make_plan(load(manifest), store)
    run_shard(
        ShardTask(
            root=store.root,
            step=step.name,
            stage=step.stage.name,
            address=step.address,
            parameters=step.parameters,
            shard=step.todo[0],
        )
    )
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
