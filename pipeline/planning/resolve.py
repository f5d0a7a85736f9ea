"""Wire steps to files: which tables and artifacts a step reads, and what its receipts say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.stages.inputs import Inputs, StepSummary
from kakehi.pipeline.storage.schemas import Table
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.shards import InputFile, Shard
from kakehi.pipeline.storage.store import Receipt, Store

#: Tables that are no rows of shards.
ARTIFACTS: frozenset[Table] = frozenset({"pairs", "history", "tokenizer", "packed", "maps"})


def receipts_of(step: Step, store: Store) -> list[Receipt]:
    """Read the receipts of a step that are there."""
    if step.stage.shape == "corpus":
        found = [store.receipt(step.name, step.address, None, None)]
    else:
        found = [store.receipt(step.name, step.address, step.source, shard.name) for shard in step.shards]
    return [receipt for receipt in found if receipt is not None]


def fetched_files(step: Step, store: Store) -> list[InputFile]:
    """List the WARC files that a step has fetched, as input files of declared digests: no path, no time in their names."""
    home = store.folder(step.name, step.address)
    return [
        InputFile(
            name=f"{step.name}/{output.name}",
            path=home / output.name,
            size=output.size,
            mtime_ns=0,
            digest=output.sha256,
        )
        for receipt in receipts_of(step, store)
        for output in receipt.outputs
        if output.name.endswith(".warc.gz")
    ]


def tables_of(step: Step, shard: Shard, store: Store) -> dict[Table, tuple[Path, ...]]:
    """Name the files of the row-wise tables that a step reads of one shard."""
    return {
        table: tuple(
            store.table(origin.name, origin.address, shard.source, shard.name)
            for origin in origins
            if origin.source in {None, shard.source}
        )
        for table, origins in step.upstream.items()
        if table not in ARTIFACTS
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
        scratch=store.scratch(step.name, step.address),
        artifacts=dict(artifacts_of(step, store)),
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


def artifacts_of(step: Step, store: Store) -> list[tuple[Table, Path]]:
    """Name the folders of the tables a step reads that are no rows of shards, in the order it reads them."""
    return [
        (table, store.folder(origin.name, origin.address))
        for table in (*step.stage.reads, *step.stage.optional)
        if table in ARTIFACTS
        for origin in step.upstream[table]
    ]
