"""Find what no plan reaches any more: for `kakehi clean`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kakehi.pipeline.planner import Step
from kakehi.pipeline.store import Store


def unreached(steps: Iterable[Step], store: Store) -> list[Path]:
    """List folders of other addresses, files of shards that are gone, what published steps left, and attempts that broke off."""
    every = list(steps)
    reached = {store.folder(step.name, step.address) for step in every}
    found = [path for path in store.addresses() if path not in reached]
    kept: dict[Path, set[str]] = {}
    for step in every:
        if step.source is not None:
            folder = store.folder(step.name, step.address) / step.source
            kept.setdefault(folder, set()).update(shard.name for shard in step.shards)
    for folder in sorted(kept):
        found += [path for path in sorted(folder.glob("*")) if _shard_of(path) not in kept[folder]]
    done = [store.scratch(step.name, step.address) for step in every if step.action == "skip"]
    return found + [path for path in done if path.exists()] + sorted((store.root / "tmp").glob("*"))


def _shard_of(path: Path) -> str:
    """Name the shard that a table, a receipt or a folder of parts belongs to."""
    return path.name.removeprefix(".").partition(".")[0]
