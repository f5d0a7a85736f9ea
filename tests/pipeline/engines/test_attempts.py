"""Attempts are told apart by whose they are."""

import subprocess
import sys
from pathlib import Path

from kakehi.pipeline.engines.attempts import is_under_way, name_process
from kakehi.pipeline.engines.processes import started_at
from kakehi.pipeline.storage.store import Store


def test_attempts_of_living_processes_are_under_way(tmp_path: Path) -> None:
    """Ours is; one of a process that ended, of another life of its number, or of nobody is not."""
    store, mine = Store(tmp_path), name_process()
    pid, start, where = mine.split("-", 2)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    then = started_at(ended.pid)
    ended.wait()
    assert is_under_way(store.attempt(mine))
    assert not is_under_way(store.attempt())
    assert not is_under_way(store.attempt(f"{ended.pid}-{then}-{where}"))
    assert not is_under_way(store.attempt(f"{pid}-1{start}-{where}"))
    assert is_under_way(store.attempt(f"{pid}-{start}-elsewhere"))  # where nothing can be asked
