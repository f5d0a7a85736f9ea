"""What a stage is handed that fills WARC files before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kakehi.pipeline.storage.atomic import link_or_copy
from kakehi.pipeline.storage.shards import Shard
from kakehi.pipeline.walltime import Walltime


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """One shard of what a source fetches, for a stage that fills WARC files before anything is read.

    It runs in the command's own process: a rate is kept towards a server by whoever sends all requests.

    Args:
        shard: what is fetched, and the name of all that is written: its `files` are read, its `limit` is of records.
        home: folder that outlives a kill, for what is done so far; removed once the shard is published.
        out: folder of this attempt; what lies there at the end is published (`output` names files in it).
        time_left: asked before each part that takes long; where it does not allow, raise `OutOfTimeError`.
        tell: says in a few words how far it is, as often as it likes.
    """

    shard: Shard
    home: Path
    out: Path
    time_left: Walltime
    tell: Callable[[str], None]

    def output(self, name: str) -> Path:
        """Where an output of the shard goes: `00000.warc.gz`, `ledger.parquet`; `.warc.gz` is what `extract` reads."""
        path = self.out / self.shard.source / f"{self.shard.name}.{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def lay_out(self, path: Path, name: str) -> None:
        """Make a finished file at home an output: by one more name, else by a copy. Moved, a kill would lose it."""
        link_or_copy(path, self.output(name))
