"""Tasks: a record that hangs a parser is ended with its process, named, and nothing else."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.errors import DataError, EngineError
from kakehi.pipeline.execution.bookmark import Bookmark, read_bookmark
from kakehi.pipeline.execution.failed_shards import failed_at
from kakehi.pipeline.execution.shard_task import ShardTask, run_shard
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning.discovery import make_plan
from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.storage.store import Store
from tests.pipeline.sources.formats.warcs import good, page, read

HANGS = """
import sys
from dataclasses import replace
from pathlib import Path
from kakehi.pipeline.execution import shard_task
from kakehi.pipeline.errors import DataError, EngineError
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
    run_shard(_task(manifest, tmp_path / "w"))
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_record_that_kills_its_reader_is_named_and_can_be_skipped(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: int
) -> None:
    """Not the good one before it: the place in the error is what `skip` takes to go on."""
    content = b"".join(good(str(n)) for n in range(3))
    place = read(tmp_path, content)[where].offset
    manifest = make.file(tmp_path / "m.yaml", "corpus: c\nsources: {s: {extract: {files: t.warc.gz}}}\n")

    def die(body: bytes, *_: object, **__: object) -> bytes:
        if body == page(str(where)):
            raise RecursionError
        return body

    monkeypatch.setattr(warc, "unwrapped", die)
    task = _task(manifest, tmp_path / "w")
    with pytest.raises(RecursionError):
        run_shard(task)
    assert failed_at(task) == f"t.warc.gz@{place}"
    skips = f"corpus: c\nsources: {{s: {{extract: {{files: t.warc.gz, skip: t.warc.gz@{place}}}}}}}\n"
    manifest.write_text(skips)
    assert run_shard(_task(manifest, tmp_path / "w")).counts["reject/skipped"] == 1


def _task(manifest: Path, work: Path) -> ShardTask:
    store = Store(work)
    [step] = make_plan(load(manifest), store)
    return ShardTask(
        root=store.root,
        step=step.name,
        stage=step.stage.name,
        address=step.address,
        parameters=step.parameters,
        shard=step.todo[0],
    )


@pytest.mark.parametrize("victim", ["0.json", "0.parquet", "0.rejects.parquet"])
@pytest.mark.parametrize("keeps", [0, 30, None])
def test_a_part_that_is_damaged_is_made_anew(make, tmp_path: Path, victim: str, keeps: int | None) -> None:
    """Emptied, truncated or lost, note or table: the end is what an undisturbed task gives."""
    for name in "ab":
        make.texts(tmp_path / f"{name}.jsonl", 3, seed=name)
    manifest = make.file(tmp_path / "m.yaml", "corpus: c\nsources: {s: {ingest: {files: '*.jsonl'}}}\n")
    undisturbed = run_shard(_task(manifest, tmp_path / "w"))
    task = _task(manifest, tmp_path / "v")
    run_shard(task)  # its parts stay until the runner removes them
    path = task.bookmark.with_name(victim)
    content = path.read_bytes()
    path.unlink() if keeps is None else path.write_bytes(content[:keeps])
    assert run_shard(task).outputs == undisturbed.outputs


def test_an_input_that_changes_while_it_is_read_is_noticed(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced in the middle, though put back later with its time; nothing of it is published."""
    path, other = make.texts(tmp_path / "a.jsonl", 3), make.texts(tmp_path / "b", 3, seed="b")
    manifest = make.file(tmp_path / "m.yaml", "corpus: c\nsources: {s: {ingest: {files: '*.jsonl'}}}\n")
    task = _task(manifest, tmp_path / "w")
    move = Bookmark.move

    def replace_it(bookmark: Bookmark, first: int, second: int) -> None:
        if second > 0 and other.exists():
            other.replace(path)
        move(bookmark, first, second)

    monkeypatch.setattr(Bookmark, "move", replace_it)
    with pytest.raises(DataError, match=r"a\.jsonl: changed while it was read"):
        run_shard(task)
    assert not list((tmp_path / "w").rglob("*.parquet"))
    assert run_shard(_task(manifest, tmp_path / "w")).inputs[0]["size"] == path.stat().st_size


def test_a_task_whose_run_is_gone_publishes_nothing(make, tmp_path: Path) -> None:
    """Its command was killed on a standing cluster: nothing, above all no receipt of no outputs, is left behind."""
    make.texts(tmp_path / "a.jsonl", 3)
    manifest = make.file(tmp_path / "m.yaml", "corpus: c\nsources: {s: {ingest: {files: '*.jsonl'}}}\n")
    with pytest.raises(EngineError, match="has lost its claim"):
        run_shard(replace(_task(manifest, tmp_path / "w"), claim="of a run that was killed"))
    assert not [path for path in (tmp_path / "w").rglob("*") if path.is_file() and path.name != "at"]


def test_a_damaged_table_is_no_fault_of_a_record(make, kakehi, tmp_path: Path) -> None:
    """The error names the table and --verify, no record and no skip; with --verify all is as it was."""
    make.texts(tmp_path / "a.jsonl", 1)
    manifest = make.file(
        tmp_path / "m.yaml", "corpus: c\nsources: {s: {ingest: {files: a.jsonl}}}\nmeasure: [script]\n"
    )
    run = ("run", manifest, "--work", tmp_path / "w")
    assert kakehi(*run, "--until", "ingest").code == 0
    [path] = [p for p in (tmp_path / "w").glob("ingest/*/s/*.parquet") if "rejects" not in p.name]
    whole = path.read_bytes()
    place = pq.ParquetFile(path).metadata.row_group(0).column(6).data_page_offset + 60
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    said = kakehi(*run)
    assert said.code == 3
    assert f"{path.name}: is damaged" in said.err
    assert "run again with --verify" in said.err
    assert "skip" not in said.err
    assert "mend" not in said.err
    assert kakehi(*run, "--verify").code == 0
    assert path.read_bytes() == whole
