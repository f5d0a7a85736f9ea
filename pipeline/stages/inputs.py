"""What a corpus stage is handed: the shards in order, with the paths of their tables, and artifacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.partitions import partitions_for
from kakehi.pipeline.engines.resources import Estimate
from kakehi.pipeline.engines.shuffle import Shuffles, shard_groups
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.schemas import Table
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Receipt


@dataclass(frozen=True, kw_only=True)
class StepSummary:
    """A step that ran before, for a stage that sums up.

    Args:
        name: of the step.
        source: for source and row-wise steps, else None.
        stage: what ran.
        parameters: filled in.
        receipts: of its shards, or the one of a corpus step.
    """

    name: str
    source: str | None
    stage: Stage
    parameters: Mapping[str, Any]
    receipts: tuple[Receipt, ...]


def _unheard(_: Estimate) -> None:
    """Drop an estimate: what a stage is handed where nobody checks it against disk and memory."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a corpus stage reads.

    Args:
        corpus: the manifest's name for it.
        shards: in the manifest's order of sources, then by trie prefix.
        scratch: folder for what a killed run shall find again; removed when the step is published.
        artifacts: table to the folder it lies in, for tables that are no rows of shards.
        bytes_per_worker: memory a task may take.
        estimate: told by a stage what it will take, once more of that is known than before it started.
        steps: every step before this one, for stages that sum up; else empty.
    """

    corpus: str
    shards: tuple[ShardTables, ...]
    scratch: Path
    artifacts: Mapping[Table, Path] = field(default_factory=dict)
    bytes_per_worker: int = 4 << 30
    estimate: Callable[[Estimate], None] = _unheard
    steps: tuple[StepSummary, ...] = ()

    @property
    def first_ordinals(self) -> dict[str, int]:
        """The ordinal of each source's first shard, in order: its others follow it."""
        first = {shard.source: shard.ordinal for shard in reversed(self.shards)}
        return {source: first[source] for source in self.sources}

    @property
    def sources(self) -> list[str]:
        """The sources in order."""
        return list(dict.fromkeys(shard.source for shard in self.shards))

    @property
    def by_label(self) -> dict[str, ShardTables]:
        """The shards by source and name."""
        return {shard.label: shard for shard in self.shards}

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The documents of each shard, by the footers of their tables."""
        return tuple(shard.rows for shard in self.shards)

    def shuffles(self, stage: str, engine: Engine) -> Shuffles:
        """Open the shuffles of a step, whose files lie in scratch."""
        return Shuffles(stage=stage, engine=engine, scratch=self.scratch)

    def partitions(self, row_bytes: int) -> int:
        """Give the number of partitions of all rows that a task each can work at, where a row then takes so many bytes."""
        return partitions_for(sum(self.rows) * row_bytes, self.bytes_per_worker)

    def groups(self, row_bytes: int, partitions: int) -> dict[str, tuple[ShardTables, ...]]:
        """Group shards for a scatter, where a row gives records of so many bytes."""
        return shard_groups(
            self.shards,
            [count * row_bytes for count in self.rows],
            partitions=partitions,
            bytes_per_worker=self.bytes_per_worker,
        )
