"""What an engine runs: one shard of one step, from paths to a published receipt."""

from __future__ import annotations

import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa

from kakehi.pipeline.engines.attempts import name_process
from kakehi.pipeline.errors import ContractError, CorpusError, DataError, enough_memory
from kakehi.pipeline.execution.bookmark import Bookmark
from kakehi.pipeline.interrupts import raise_interrupt
from kakehi.pipeline.sources.formats.broken import BrokenFileError
from kakehi.pipeline.sources.split import Split
from kakehi.pipeline.stages.catalogue import STAGES
from kakehi.pipeline.stages.counts import count_batch
from kakehi.pipeline.stages.encode import tokenizer_path
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.atomic import move_into_place
from kakehi.pipeline.storage.claims import check_claim
from kakehi.pipeline.storage.input_state import FileState, refuse_changed, state_of
from kakehi.pipeline.storage.notes import read_note, write_note
from kakehi.pipeline.storage.schemas import DOCUMENTS, REJECTS, Table
from kakehi.pipeline.storage.shards import InputFile, Shard
from kakehi.pipeline.storage.store import FULL, Receipt, Store, file_digest, merge, writing
from kakehi.pipeline.storage.tables import TableWriter, ids_digest, lockstep

#: In place of a record's offset: none was reached yet.
NO_RECORD = -1

#: CPU seconds one record may take. The worst of 45 hostile pages of 10 MB took 3.3, measured once by hand, so this is a
#: parser that hangs; it is ended with its process, since nothing else stops native code, and the record is named.
RECORD_CPU_S = 300.0

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """One shard of one source or row-wise step.

    Args:
        root: the work folder.
        step: name in the manifest.
        stage: name in the catalogue.
        address: of the step.
        parameters: filled in.
        shard: what is read, and the name of what is written.
        tables: files of the shard's tables that a row-wise stage reads.
        memory_bytes: that it may take.
        artifacts: folders of the tables that are no rows, in the order the stage reads them.
        claim: of the run that wants it, without which nothing is published, or None where none is held.
    """

    root: Path
    step: str
    stage: str
    address: str
    parameters: Mapping[str, Any]
    shard: Shard
    tables: Mapping[Table, tuple[Path, ...]] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()
    memory_bytes: int = 4 << 30
    claim: str | None = None

    @property
    def bookmark(self) -> Path:
        """Where the task says how far it got."""
        return Store(self.root).parts(self.step, self.address, self.shard.source, self.shard.name) / "at"


@dataclass(frozen=True)
class Guarded(Generic[T, R]):
    """A corpus step's task that says of a full disk what `run_shard` says of it, its seconds, and its process's peak bytes.

    Args:
        root: the work folder.
        task: picklable.
    """

    root: Path
    task: Callable[[T], R]

    def __call__(self, item: T) -> tuple[R, float, int]:
        """Run the task on an item; give its result, its seconds and the peak memory."""
        began = time.perf_counter()
        with writing(self.root), enough_memory():
            return self.task(item), time.perf_counter() - began, peak_bytes()

    @property
    def __name__(self) -> str:
        """Name it as an engine's dashboard shows it."""
        return self.task.__name__


def run_shard(task: ShardTask) -> Receipt:
    """Run one shard and publish it; running it twice at once gives the same files and the same counts."""
    with writing(task.root), enough_memory():
        return _run_attempt(task, Store(task.root, claim=task.claim))


def _run_attempt(task: ShardTask, store: Store) -> Receipt:
    [stage] = [stage for stage in STAGES if stage.name == task.stage]
    attempt = store.attempt(name_process())
    try:
        with measured() as cost, Bookmark(task.bookmark) as bookmark:
            target = attempt / task.shard.source / f"{task.shard.name}.parquet"
            counts, inputs = (
                _run_source(task, stage, target, bookmark)
                if stage.shape == "source"
                else (_run_rows(task, stage, target, bookmark), _models_of(task))
            )
        return store.publish(
            attempt,
            Receipt(
                step=task.step,
                source=task.shard.source,
                shard=task.shard.name,
                address=task.address,
                inputs=inputs,
                counts=counts,
                **cost,
            ),
        )
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """Measure what a block costs: seconds, cpu_seconds, peak_bytes (of the process so far)."""
    cost: dict[str, Any] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield cost
    cost.update(
        seconds=round(time.perf_counter() - wall, 4),
        cpu_seconds=round(time.process_time() - cpu, 4),
        peak_bytes=peak_bytes(),
    )


def peak_bytes() -> int:
    """Give the peak of this process's memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _models_of(task: ShardTask) -> tuple[Mapping[str, Any], ...]:
    """Name the tokenizers that a shard was encoded with, and their digests."""
    paths = [path for path in map(tokenizer_path, task.artifacts) if path.exists()]
    return tuple({"name": path.name, "sha256": file_digest(path)} for path in paths)


def _run_rows(task: ShardTask, stage: Stage, target: Path, bookmark: Bookmark) -> dict[str, int]:
    columns = stage.columns_for(task.parameters)
    counts: Counter[str] = Counter()
    writer: TableWriter | None = None
    kwargs = stage.model()(**task.parameters)
    arguments = {name: getattr(kwargs, name) for name in type(kwargs).model_fields}
    run = partial(_run_stage, stage, task.artifacts, arguments)
    start = 0
    for batch in lockstep(task.tables, columns, empty=True):
        out = _run_batch(run, batch, start, bookmark)
        writer = writer or TableWriter(target, out.schema)
        writer.write(out)
        counts.update(count_batch(str(stage.writes), out, batch))
        start += batch.num_rows
    if writer is None:
        raise ContractError(f"{task.step}: no batch at all, wanted an empty one at least")
    [first, *_] = [path for paths in task.tables.values() for path in paths]
    writer.close(ids_digest(first))
    return dict(counts)


def _run_stage(
    stage: Stage, artifacts: tuple[Path, ...], arguments: Mapping[str, Any], batch: pa.RecordBatch
) -> pa.RecordBatch:
    out: pa.RecordBatch = stage.run(batch, *artifacts, **arguments)
    return out


def _run_batch(
    run: Callable[[pa.RecordBatch], pa.RecordBatch], batch: pa.RecordBatch, start: int, bookmark: Bookmark
) -> pa.RecordBatch:
    """Run a stage on a batch; row by row where an earlier attempt died, or behind a failure, to find the row."""
    if bookmark.before is not None and start <= bookmark.before[0] < start + batch.num_rows:
        each = []
        for row in range(batch.num_rows):
            bookmark.move(start + row, 1)
            each.append(run(batch.slice(row, 1)))
        return pa.Table.from_batches(each).combine_chunks().to_batches()[0]
    bookmark.move(start, batch.num_rows)
    try:
        return run(batch)
    except Exception:
        failing = [row for row in range(batch.num_rows) if _fails(run, batch.slice(row, 1))]
        if failing and len(failing) < batch.num_rows:  # if all rows do, it is not the row
            bookmark.move(start + failing[0], 1)
        raise


def _fails(run: Callable[[pa.RecordBatch], pa.RecordBatch], batch: pa.RecordBatch) -> bool:
    try:
        run(batch)
    except Exception:  # noqa: BLE001 - whatever it is, it is raised again by the caller
        return True
    return False


def _run_source(
    task: ShardTask, stage: Stage, target: Path, bookmark: Bookmark
) -> tuple[dict[str, int], tuple[Mapping[str, Any], ...]]:
    """Run a shard file by file; each file of several is committed by itself, so that a kill costs one file."""
    files: tuple[InputFile | None, ...] = task.shard.files or (None,)
    if len(files) == 1:
        counts, seen = _run_file(
            task, stage, files[0], target, task.shard.limit, partial(_reach, bookmark, 0)
        )
        return counts, (seen,)
    home = Store(task.root).parts(task.step, task.address, task.shard.source, task.shard.name)
    home.mkdir(parents=True, exist_ok=True)
    found: list[tuple[dict[str, int], Mapping[str, Any]]] = []
    parts: list[Path] = []
    left = task.shard.limit
    for index, file in enumerate(files):
        if left is not None and left <= 0:
            break
        part = home / f"{index}.parquet"
        found.append(_run_part(task, stage, file, part, target, left, partial(_reach, bookmark, index)))
        parts.append(part)
        left = None if left is None else left - found[-1][0].get("records", 0)
    _concatenate(parts, target, DOCUMENTS)
    _concatenate([_beside(part) for part in parts], _beside(target), REJECTS)
    return merge(counts for counts, _ in found), tuple(seen for _, seen in found)


def _run_part(
    task: ShardTask,
    stage: Stage,
    file: InputFile | None,
    part: Path,
    target: Path,
    limit: int | None,
    reached: Callable[[int], None],
) -> tuple[dict[str, int], Mapping[str, Any]]:
    note = part.with_suffix(".json")
    done = read_note(note)
    if done is not None:
        return done["counts"], done["input"]
    draft = target.with_name(part.name)
    counts, seen = _run_file(task, stage, file, draft, limit, reached)
    raise_interrupt()  # before it is committed
    check_claim(task.root, task.claim)
    move_into_place(draft, part)
    move_into_place(_beside(draft), _beside(part))
    write_note(note, {"counts": counts, "input": dict(seen)}, (part, _beside(part)))
    return counts, seen


def _run_file(
    task: ShardTask,
    stage: Stage,
    file: InputFile | None,
    target: Path,
    limit: int | None,
    reached: Callable[[int], None],
) -> tuple[dict[str, int], Mapping[str, Any]]:
    split = Split(task.shard.source, file, dict(task.shard.spec or ()), limit, reached=reached)
    skip = frozenset(place for name, place in task.shard.skip if name == split.name)
    split = split._replace(skip=skip, memory_bytes=task.memory_bytes)
    reached(NO_RECORD)
    counts: Counter[str] = Counter()
    before = state_of(file) if file else None
    try:
        with TableWriter(target, DOCUMENTS) as documents, TableWriter(_beside(target), REJECTS) as rejects:
            for rows in stage.run(split, **task.parameters):
                documents.note_ids(rows.documents.column("id"))
                documents.write(rows.documents)
                rejects.note_ids(rows.rejects.column("id"))
                rejects.write(rows.rejects)
                counts.update(rows.counts)
            documents.close()
            rejects.close()
    except CorpusError:
        raise
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise  # it is where we write that is full: not the file we read is to blame
        if isinstance(error, BrokenFileError):
            reached(NO_RECORD)
        place = file.name if file else f"dataset {split.spec.get('dataset')!r}"
        said, _, hint = str(error).removeprefix(f"{file.path}: " if file else "").partition("\nhint: ")
        raise DataError(f"{place}: {said}", hint=hint or None) from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return dict(counts), _seen(file, limit, before) if file else {
        key: value for key, value in split.spec.items() if key != "root"
    }


def _reach(bookmark: Bookmark, file: int, offset: int) -> None:
    """Note that a record is looked at now, and set the guard for it: SIGPROF ends a process by itself."""
    raise_interrupt()
    bookmark.move(file, offset)
    signal.setitimer(signal.ITIMER_PROF, RECORD_CPU_S)


def _seen(file: InputFile, limit: int | None, before: FileState | None) -> Mapping[str, Any]:
    """Say what was read; of a file whose digest was declared, that it is this one.

    Raises:
        DataError: it is another, or was changed since it was found.
    """
    digest = file_digest(file.path) if limit is None else None
    refuse_changed(file, before)
    if file.digest and digest not in {None, file.digest}:
        raise DataError(
            f"{file.name}: sha256 {digest}, its receipt says {file.digest}", hint="run again with --verify"
        )
    return {
        "name": file.name,
        "size": file.size,
        "mtime_ns": file.identity_ns,
        "sha256": digest,
    }


def _concatenate(parts: list[Path], target: Path, schema: pa.Schema) -> None:
    with TableWriter(target, schema) as writer:
        for part in parts:
            for batch in lockstep({"documents": (part,)}, schema.names):
                writer.note_ids(batch.column("id"))
                writer.write(batch.cast(schema))
        writer.close()


def _beside(target: Path) -> Path:
    """Where the rejects of a documents table lie."""
    return target.with_name(f"{target.stem}.rejects.parquet")
