"""Run a plan: step after step, shard after shard; what is whole already is left alone."""

from __future__ import annotations

import glob
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from kakehi.pipeline.addresses import Recipe
from kakehi.pipeline.engines.engine import Engine, Failure
from kakehi.pipeline.errors import CorpusError, DataError, EngineError, ManifestError
from kakehi.pipeline.formats import hub
from kakehi.pipeline.inputs import Inputs, ShardTables, StepSummary
from kakehi.pipeline.manifest import Manifest, nearest
from kakehi.pipeline.planner import NOT_YET, Step, known_steps, plan
from kakehi.pipeline.schemas import Table
from kakehi.pipeline.shards import MEGABYTE, Shard, dataset_shard, find_files, group
from kakehi.pipeline.store import Receipt, Store, file_digest, merge
from kakehi.pipeline.tasks import ShardTask, measured, run_shard

#: Tables that are no rows of shards.
_ARTIFACTS: frozenset[Table] = frozenset({"pairs", "tokenizer", "packed"})


class Progress(Protocol):
    """Who is told how a run goes."""

    def begin(self, step: Step, shards: int) -> None:
        """Hear that a step starts."""
        ...

    def advance(self, receipt: Receipt) -> None:
        """Hear that a shard is done."""
        ...

    def end(self, step: Step) -> None:
        """Hear that a step is done."""
        ...


@dataclass(kw_only=True)
class OnDisk:
    """What the work folder says of earlier runs (`planner.Receipts`).

    Args:
        store: the work folder.
        verify: compare digests, not sizes alone.
    """

    store: Store
    verify: bool = False
    _recipes: dict[str, list[Recipe]] = field(default_factory=dict)

    def missing(self, step: str, address: str, source: str | None, shard: str | None) -> str | None:
        """Say why an output is not there or not whole."""
        receipt = self.store.receipt(step, address, source, shard)
        return NOT_YET if receipt is None else self.store.fault(receipt, verify=self.verify)

    def recipes(self, step: str, source: str | None) -> Sequence[Recipe]:
        """List earlier recipes of a step, the newest first."""
        if step not in self._recipes:
            self._recipes[step] = [recipe for _, recipe in self.store.recipes(step)]
        return [recipe for recipe in self._recipes[step] if recipe.get("source") == source]


def discover(manifest: Manifest, *, limit: int | None = None) -> dict[str, list[Shard]]:
    """Find the inputs of every source and group them into shards."""
    found: dict[str, list[Shard]] = {}
    for source in manifest.sources:
        chosen = source.selection
        if chosen.files:
            files = find_files(chosen.files, manifest.root)
            found[source.name] = group(
                source.name, files, target_bytes=int(chosen.shard_mb * MEGABYTE), limit=limit
            )
        else:
            spec = chosen.model_dump(exclude={"files", "shard_mb"})
            found[source.name] = [_dataset(source.name, spec, manifest.root, limit)]
    return found


def _dataset(source: str, spec: dict[str, Any], root: Path, limit: int | None) -> Shard:
    """Make the shard of a dataset; what is local has the state of its files in its identity."""
    if hub.is_local(spec["dataset"], root):
        inside = [f"{glob.escape(spec['dataset'])}/**"] if (root / spec["dataset"]).is_dir() else []
        return dataset_shard(
            source, spec, files=find_files(spec["data_files"] or inside, root), root=root, limit=limit
        )
    try:
        hub.check_pinned(spec["dataset"], spec["revision"])
    except ValueError as error:
        raise ManifestError(f"source {source!r}: {error}") from error
    return dataset_shard(source, spec, limit=limit)


def make_plan(
    manifest: Manifest,
    store: Store,
    *,
    until: str | None = None,
    limit: int | None = None,
    verify: bool = False,
) -> list[Step]:
    """Look at inputs and receipts, and plan.

    Raises:
        ManifestError: `until` names no step.
        DataError: a pattern that names no file.
    """
    if until is not None and until not in known_steps(manifest):
        raise ManifestError(f"--until {until}: no such step{nearest(until, known_steps(manifest))}")
    return plan(
        manifest,
        discover(manifest, limit=limit),
        OnDisk(store=store, verify=verify),
        file_digest=file_digest,
        until=until,
    )


def run(
    manifest: Manifest,
    steps: Sequence[Step],
    store: Store,
    engine: Engine,
    *,
    progress: Progress,
    bytes_per_worker: int,
) -> None:
    """Run what the plan says has to run.

    Raises:
        DataError: an input is not what it should be, or no document was kept.
        EngineError: tasks failed for other reasons.
    """
    events = Events(store)
    events.write("start", manifest=os.fspath(manifest.path), host=socket.gethostname(), pid=os.getpid())
    for step in steps:
        if step.action == "skip":
            continue
        _refuse_nothing_kept(step, store)
        store.keep_recipe(step.name, step.address, step.recipe)
        progress.begin(step, len(step.todo) if step.stage.shape != "corpus" else 1)
        events.write("begin", step=step.name, source=step.source, address=step.address, reason=step.reason)
        if step.stage.shape == "corpus":
            before = steps[: steps.index(step)] if step.stage.summary else ()
            receipt = _run_corpus(
                inputs_of(manifest, step, store, bytes_per_worker, before), step, store, engine
            )
            progress.advance(receipt)
            events.write("done", step=step.name, **_brief(receipt))
        else:
            _run_shards(step, store, engine, progress, events)
        progress.end(step)
    events.write("end")


def receipts_of(step: Step, store: Store) -> list[Receipt]:
    """Read the receipts of a step that are there."""
    if step.stage.shape == "corpus":
        found = [store.receipt(step.name, step.address, None, None)]
    else:
        found = [store.receipt(step.name, step.address, step.source, shard.name) for shard in step.shards]
    return [receipt for receipt in found if receipt is not None]


def tables_of(step: Step, shard: Shard, store: Store) -> dict[Table, tuple[Path, ...]]:
    """Name the files of the row-wise tables that a step reads of one shard."""
    return {
        table: tuple(
            store.table(origin.name, origin.address, shard.source, shard.name)
            for origin in origins
            if origin.source in {None, shard.source}
        )
        for table, origins in step.upstream.items()
        if table not in _ARTIFACTS
    }


def inputs_of(
    manifest: Manifest, step: Step, store: Store, bytes_per_worker: int, before: Sequence[Step] = ()
) -> Inputs:
    """Gather what a corpus step reads; `before` are the steps it sums up."""
    return Inputs(
        corpus=manifest.corpus,
        shards=tuple(
            ShardTables(
                source=shard.source, name=shard.name, ordinal=ordinal, paths=tables_of(step, shard, store)
            )
            for ordinal, shard in enumerate(step.shards)
        ),
        artifacts=dict(_artifacts(step, store)),
        bytes_per_worker=bytes_per_worker,
        steps=tuple(summary(other, store) for other in before),
    )


def summary(step: Step, store: Store) -> StepSummary:
    """Say what a step was and what its receipts count."""
    return StepSummary(
        name=step.name,
        source=step.source,
        stage=step.stage,
        parameters=step.parameters,
        receipts=tuple(receipts_of(step, store)),
    )


class Events:
    """One JSON line an event, in `work/runs/<time>.jsonl`."""

    def __init__(self, store: Store) -> None:
        folder = store.root / "runs"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{os.fspath(store.root)!r}: can't be written to ({error.strerror})",
                hint="name a folder that can be with --work DIR",
            ) from error
        self._path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"

    def write(self, event: str, **details: object) -> None:
        """Append an event."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **details}, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _artifacts(step: Step, store: Store) -> list[tuple[Table, Path]]:
    return [
        (table, store.folder(origin.name, origin.address))
        for table in (*step.stage.reads, *step.stage.optional)
        if table in _ARTIFACTS
        for origin in step.upstream[table]
    ]


def _run_corpus(inputs: Inputs, step: Step, store: Store, engine: Engine) -> Receipt:
    attempt = store.attempt()
    model = step.stage.model()(**step.parameters)
    try:
        with measured() as cost:
            counts = step.stage.run(
                inputs, attempt, engine, **{name: getattr(model, name) for name in type(model).model_fields}
            )
        return store.publish(
            attempt,
            Receipt(step=step.name, source=None, shard=None, address=step.address, counts=counts, **cost),
        )
    except CorpusError:
        raise
    except ValueError as error:
        raise DataError(f"{step.name}: {str(error).removeprefix(f'{step.stage.name}: ')}") from error
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _run_shards(step: Step, store: Store, engine: Engine, progress: Progress, events: Events) -> None:
    tasks = [
        ShardTask(
            root=store.root,
            step=step.name,
            stage=step.stage.name,
            address=step.address,
            parameters=step.parameters,
            shard=shard,
            tables=tables_of(step, shard, store),
            artifacts=tuple(folder for _, folder in _artifacts(step, store)),
        )
        for shard in step.todo
    ]
    failures: list[tuple[Shard, Failure]] = []
    for position, result in engine.map(run_shard, tasks):
        shard = step.todo[position]
        if isinstance(result, Failure):
            failures.append((shard, result))
            events.write("failed", step=step.name, source=shard.source, shard=shard.name, trace=result.trace)
        else:
            progress.advance(result)
            events.write("done", step=step.name, source=shard.source, shard=shard.name, **_brief(result))
    if failures:
        raise _failed(step, failures)


def _failed(step: Step, failures: Sequence[tuple[Shard, Failure]]) -> CorpusError:
    alike: dict[str, list[Shard]] = {}
    for shard, failure in failures:
        alike.setdefault(_said(failure.error), []).append(shard)
    lines = [
        f"{step.name}: {shard.source}/{shard.name}{_and_more(others)}: {said}"
        for said, [shard, *others] in alike.items()
    ]
    kind: Callable[..., CorpusError] = EngineError
    if all(isinstance(failure.error, CorpusError) for _, failure in failures):
        kind = type(failures[0][1].error)  # type: ignore[assignment]
    hints = [failure.error.hint for _, failure in failures if isinstance(failure.error, CorpusError)]
    hint = next((hint for hint in hints if hint), None)
    return kind("\n".join(lines), hint=hint or "mend the input and run again: all other shards are kept")


def _and_more(others: Sequence[Shard]) -> str:
    return f" and {len(others):,} more" if others else ""


def _said(error: BaseException) -> str:
    return error.message if isinstance(error, CorpusError) else f"{type(error).__name__}: {error}"


def _refuse_nothing_kept(step: Step, store: Store) -> None:
    """Stop before a tokenizer is trained on nothing, and say which rules dropped everything."""
    reads_kept = "verdict" in step.stage.reads and step.stage.writes != "verdict"
    if step.stage.shape != "corpus" or not reads_kept or step.stage.summary:
        return
    sources = merge(r.counts for s in step.upstream["documents"] for r in receipts_of(s, store))
    origins = step.upstream["verdict"]
    total = merge(r.counts for origin in origins for r in receipts_of(origin, store))
    dropped = {
        key.removeprefix("verdict/").removesuffix("/documents"): value
        for key, value in total.items()
        if key.startswith("verdict/") and key.endswith("/documents")
    }
    documents = sources.get("documents", 0)
    if documents > sum(dropped.values()):
        return
    worst = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))[:5]
    said = ", ".join(f"{name} {count:,}" for name, count in worst) or "no input gave a document"
    raise DataError(
        f"{step.name}: nothing is left: {documents:,} documents, all dropped ({said})",
        hint="loosen the first rule named, or see `kakehi report` for the values of its signal",
    )


def _brief(receipt: Receipt) -> Mapping[str, Any]:
    return {"counts": dict(receipt.counts), "seconds": receipt.seconds, "peak_bytes": receipt.peak_bytes}
