"""Attempts are told apart by whose they are."""

import subprocess
import sys
from pathlib import Path

import pytest

from kakehi.pipeline.engines.attempts import claim_of, is_under_way, name_process, refuse_orphan
from kakehi.pipeline.engines.lock import RunLock, started_at
from kakehi.pipeline.errors import EngineError
from kakehi.pipeline.storage.store import Store


def test_attempts_of_living_processes_are_under_way(tmp_path: Path) -> None:
    """Ours is; one of a process that ended, of another life of its number, or of nobody is not."""
    store, mine = Store(tmp_path), name_process()
    pid, start, host = mine.split("-", 2)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    then = started_at(ended.pid)
    ended.wait()
    assert is_under_way(store.attempt(mine))
    assert not is_under_way(store.attempt())
    assert not is_under_way(store.attempt(f"{ended.pid}-{then}-{host}"))
    assert not is_under_way(store.attempt(f"{pid}-1{start}-{host}"))
    assert is_under_way(store.attempt(f"{pid}-{start}-other"))  # a host where nothing can be asked


def test_a_task_whose_run_is_gone_ends(tmp_path: Path) -> None:
    """With its own claim, or where there was none, it goes on; with another's, or after `clean`, it ends."""
    with RunLock(tmp_path):
        mine = claim_of(tmp_path)
        refuse_orphan(tmp_path, mine)
    refuse_orphan(tmp_path, None)
    with pytest.raises(EngineError, match="is gone"):
        refuse_orphan(tmp_path, mine)
    with RunLock(tmp_path), pytest.raises(EngineError, match="is gone"):
        refuse_orphan(tmp_path, mine)
