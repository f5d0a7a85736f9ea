"""Run a plan: step after step, shard after shard; what is whole already is left alone."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from kakehi.pipeline.engines.attempts import name_process
from kakehi.pipeline.engines.engine import Engine, Failure
from kakehi.pipeline.errors import ClaimLostError, CorpusError, DataError, WorkFolderError
from kakehi.pipeline.execution.estimates import EstimateGuard, bytes_below, input_volume
from kakehi.pipeline.execution.events import Events, brief
from kakehi.pipeline.execution.failed_shards import joined, shards_error
from kakehi.pipeline.execution.fetch_task import fetch_shards
from kakehi.pipeline.execution.nothing_left import check_step, refuse_nothing_kept
from kakehi.pipeline.execution.shard_task import Guarded, ShardTask, measured, run_shard
from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.planning.resolve import artifacts_of, inputs_of, tables_of
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.storage.store import Receipt, Store, writing
from kakehi.pipeline.walltime import OutOfTimeError, Walltime

T = TypeVar("T")
R = TypeVar("R")


class Progress(Protocol):
    """Who is told how a run goes."""

    def begin(self, step: Step, shards: int) -> None:
        """Hear that a step starts."""
        ...

    def advance(self, receipt: Receipt) -> None:
        """Hear that a shard is done."""
        ...

    def fail(self) -> None:
        """Hear that a shard failed."""
        ...

    def say(self, text: str) -> None:
        """Hear how far a step is that has no shards to count."""
        ...

    def warn(self, text: str) -> None:
        """Hear what a user has to know of a step that is done."""
        ...

    def end(self, step: Step) -> None:
        """Hear that a step is done."""
        ...


def run(
    manifest: Manifest,
    steps: Sequence[Step],
    store: Store,
    engine: Engine,
    *,
    progress: Progress,
    bytes_per_worker: int,
    refuse: Callable[[Step], None] = lambda _: None,
    walltime: Walltime | None = None,
) -> None:
    """Run what the plan says has to run, or as much as the walltime allows (`walltime.cut` says which).

    Args:
        manifest: whose plan it is.
        steps: the plan.
        store: the work folder.
        engine: runs tasks.
        progress: is told how it goes.
        bytes_per_worker: memory of a task.
        refuse: is asked before each step, and raises a CorpusError for one that must not run.
        walltime: how much time there is.

    Raises:
        DataError: an input is not what it should be, or no document was kept.
        EngineError: tasks failed for other reasons.
    """
    with writing(store.root):
        events, time_left = Events(store), walltime or Walltime()
    try:
        with writing(store.root):
            events.write(
                "start", manifest=os.fspath(manifest.path), host=socket.gethostname(), pid=os.getpid()
            )

            def run_step(step: Step, before: Sequence[Step]) -> None:
                refuse(step)
                inputs = inputs_of(manifest, step, store, bytes_per_worker, before)
                _run_step(step, inputs, store, engine, progress, events, time_left)

            def check_done(step: Step) -> None:
                for line in check_step(step, list(steps), manifest, store):
                    progress.warn(line)
                    events.write("warning", step=step.name, source=step.source, text=line)

            _run_steps(steps, run_step, check_done, time_left)
            events.write("stopped" if time_left.cut else "end")
    except BaseException as error:
        with suppress(OSError):  # a full disk takes no event either; what is raised says why
            events.write("error", message=f"{type(error).__name__}: {error}")
        raise


def _run_steps(
    steps: Sequence[Step],
    run_step: Callable[[Step, Sequence[Step]], None],
    check_step: Callable[[Step], None],
    time_left: Walltime,
) -> None:
    """Run step after step; where one fails, all goes on that does not read it."""
    failed: list[CorpusError] = []
    stuck: set[str] = set()  # addresses of steps that failed, or read one that did
    for step in steps:
        before = steps[: steps.index(step)] if step.stage.summary else ()
        upstream = [*before, *(origin for origins in step.upstream.values() for origin in origins)]
        if stuck & {origin.address for origin in upstream}:
            stuck.add(step.address)
        elif step.action == "skip" or time_left.allows():
            try:
                if step.action == "run":
                    run_step(step, before)
                check_step(step)
            except (WorkFolderError, ClaimLostError):
                raise
            except CorpusError as error:
                failed.append(error)
                stuck.add(step.address)
    if failed:
        raise joined(failed)


def _run_step(
    step: Step,
    inputs: Inputs,
    store: Store,
    engine: Engine,
    progress: Progress,
    events: Events,
    time_left: Walltime,
) -> None:
    refuse_nothing_kept(step, inputs, store)
    store.keep_recipe(step.name, step.address, step.recipe)
    shards = len(step.todo) if step.stage.shape != "corpus" else 1
    progress.begin(step, shards)
    events.write(
        "begin", step=step.name, source=step.source, address=step.address, reason=step.reason, shards=shards
    )
    if step.stage.shape == "corpus":
        with suppress(OutOfTimeError):
            receipt = _run_corpus(inputs, step, store, _Guarding(engine, store.root, time_left))
            progress.advance(receipt)
            events.write("done", step=step.name, **brief(receipt))
    elif step.stage.shape == "fetch":
        _fetch_shards(step, store, progress, events, time_left)
    else:
        _run_shards(step, store, engine, progress, events, time_left, inputs.bytes_per_worker)
    progress.end(step)


@dataclass
class _Guarding:
    """The engine as a corpus step sees it: tasks say of a full disk what shards say of it, and end before the walltime.

    Raises:
        OutOfTimeError: from `map`, where time does not allow for all items; what their tasks left in scratch stays.
    """

    engine: Engine
    root: Path
    time_left: Walltime
    peak_bytes: int = 0  # of the processes that ran tasks

    def map(self, task: Callable[[T], R], items: Iterable[T], /) -> Iterator[tuple[int, R | Failure]]:
        for position, result in self.engine.map(Guarded(self.root, task), self.time_left.taking(items)):
            if isinstance(result, Failure):
                yield position, result
            else:
                self.time_left.took(result[1])
                self.peak_bytes = max(self.peak_bytes, result[2])
                yield position, result[0]
        if self.time_left.cut:
            raise OutOfTimeError


def _run_corpus(inputs: Inputs, step: Step, store: Store, engine: _Guarding) -> Receipt:
    attempt = store.attempt(name_process())
    model = step.stage.model()(**step.parameters)
    estimate = EstimateGuard(step, inputs)
    inputs = replace(inputs, estimate=estimate.make)
    try:
        if step.stage.estimate is not None:
            estimate.make(step.stage.estimate(input_volume(step, inputs, store)))
        with measured() as cost:
            parameters = {name: getattr(model, name) for name in type(model).model_fields}
            counts = step.stage.run(inputs, attempt, engine, **parameters)
        receipt = store.publish(
            attempt,
            Receipt(
                step=step.name,
                source=None,
                shard=None,
                address=step.address,
                counts=counts,
                promised=estimate.estimated,
                scratch_bytes=bytes_below(inputs.scratch),
                **{**cost, "peak_bytes": max(cost["peak_bytes"], engine.peak_bytes)},
            ),
        )
        shutil.rmtree(inputs.scratch, ignore_errors=True)  # not before: a kill in between would lose it all
        return receipt  # noqa: TRY300 - the `finally` is for both ways out
    except CorpusError:
        raise
    except ValueError as error:
        raise DataError(f"{step.name}: {str(error).removeprefix(f'{step.stage.name}: ')}") from error
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _fetch_shards(step: Step, store: Store, progress: Progress, events: Events, time_left: Walltime) -> None:
    def tell(text: str) -> None:
        progress.say(text)
        events.write("note", step=step.name, source=step.source, text=text)

    failed = []
    for shard, result in fetch_shards(step, store, time_left, tell):
        about = {"step": step.name, "source": step.source, "shard": shard.name}
        if isinstance(result, CorpusError):
            failed.append(result)
            progress.fail()
            events.write("failed", **about, trace=str(result))
        else:
            progress.advance(result)
            events.write("done", **about, **brief(result))
    if failed:
        raise joined(failed)


def _run_shards(
    step: Step,
    store: Store,
    engine: Engine,
    progress: Progress,
    events: Events,
    time_left: Walltime,
    bytes_per_worker: int,
) -> None:
    tasks = [
        ShardTask(
            root=store.root,
            claim=store.claim,
            step=step.name,
            stage=step.stage.name,
            address=step.address,
            parameters=step.parameters,
            shard=shard,
            tables=tables_of(step, shard, store),
            artifacts=tuple(folder for _, folder in artifacts_of(step, store)),
            memory_bytes=bytes_per_worker,
        )
        for shard in step.todo
    ]
    failures: dict[int, Failure] = {}
    for position, result in engine.map(run_shard, time_left.taking(tasks)):
        shard = step.todo[position]
        if isinstance(result, Failure):
            failures[position] = result
            progress.fail()
            events.write("failed", step=step.name, source=shard.source, shard=shard.name, trace=result.trace)
        else:
            # Not by the task: another attempt at it, on a worker presumed dead, may still read them.
            parts = store.parts(step.name, step.address, shard.source, shard.name)
            shutil.rmtree(parts, ignore_errors=True)
            progress.advance(result)
            time_left.took(result.seconds)
            events.write("done", step=step.name, source=shard.source, shard=shard.name, **brief(result))
    if failures:
        raise shards_error(step.name, tasks, failures)
