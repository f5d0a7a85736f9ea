"""Events are lines of JSON in a file of their own for every run."""

import json
import resource
from pathlib import Path

import pytest

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.execution.events import Events, brief
from kakehi.pipeline.storage.store import Receipt, Store, writing


def lines(root: Path) -> list[dict[str, object]]:
    [path] = (root / "runs").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_events_are_appended_with_their_time(tmp_path: Path) -> None:
    """One object a line, Japanese as it is, times that never go back."""
    events = Events(Store(tmp_path))
    events.write("start", manifest="日本.yaml")
    events.write("end")
    first, second = lines(tmp_path)
    assert (first["event"], first["manifest"], second["event"]) == ("start", "日本.yaml", "end")
    assert second["time"] >= first["time"]


def test_two_runs_of_one_second_have_files_of_their_own(tmp_path: Path) -> None:
    """The later one's name is the greater, which is what `status` goes by."""
    for number in range(3):
        Events(Store(tmp_path)).write("start", number=number)
    found = sorted((tmp_path / "runs").glob("*.jsonl"), key=lambda path: path.name)
    assert [json.loads(path.read_text())["number"] for path in found] == [0, 1, 2]


def test_a_work_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The error names it and the option."""
    (tmp_path / "work").write_text("")
    with pytest.raises(DataError, match=r"it is no folder\)\nhint: .*--work DIR"):
        Events(Store(tmp_path / "work"))


def test_an_event_that_can_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """A file that may not grow stands for a full disk: within `writing`, it names the work folder and the way out."""
    events = Events(Store(tmp_path))
    events.write("start")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with (
            pytest.raises(DataError, match=r"can't be written to \(File too large\)\nhint: .*free space"),
            writing(tmp_path),
        ):
            events.write("done", text="x" * 99)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_event_says_of_a_task_what_it_counted_and_cost() -> None:
    """Counts, seconds and peak memory; neither inputs nor outputs."""
    receipt = Receipt(
        step="s", source=None, shard=None, address="a", counts={"rows": 3}, seconds=1.5, peak_bytes=7
    )
    assert brief(receipt) == {"counts": {"rows": 3}, "seconds": 1.5, "peak_bytes": 7}
