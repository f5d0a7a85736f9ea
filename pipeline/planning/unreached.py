"""Find what no plan reaches any more: for `kakehi clean`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kakehi.pipeline.engines.attempts import is_under_way
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.storage.names import linked_parent
from kakehi.pipeline.storage.store import Store

#: JSON that a run which died had not yet renamed to its place.
_HALF = re.compile(r"\..+\.json\.[0-9a-f]{32}")


def unreached(steps: Iterable[Step], store: Store) -> list[Path]:
    """List folders of other addresses, files of shards that are gone, and what broke off half done; attempts of living processes are not.

    Nothing that lies behind a link inside the work folder is among them.
    """
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
    found += [path for path in _broken_off(every, store) if path not in found]
    found += [path for path in sorted((store.root / "tmp").glob("*")) if not is_under_way(path)]
    return [path for path in found if linked_parent(store.root, path) is None]


def links_inside(store: Store) -> list[Path]:
    """List the folders of steps and attempts that are links: what lies behind them may be anybody's, and stays."""
    return [path for path in sorted(store.root.glob("*")) if path.is_symlink()]


def _broken_off(steps: Iterable[Step], store: Store) -> Iterator[Path]:
    """Yield half-written JSON, parts of shards that are published, and shuffles of steps that are."""
    for step in steps:
        home = store.folder(step.name, step.address)
        if step.action == "skip" and store.scratch(step.name, step.address).exists():
            yield store.scratch(step.name, step.address)
        folders = [home, *([home / step.source] if step.source is not None else [])]
        for folder in folders:
            yield from (path for path in sorted(folder.glob(".*.json.*")) if _HALF.fullmatch(path.name))
        if step.source is not None:
            parts = [store.parts(step.name, step.address, step.source, shard.name) for shard in step.shards]
            receipts = [
                store.receipt(step.name, step.address, step.source, shard.name) for shard in step.shards
            ]
            yield from (
                path for path, receipt in zip(parts, receipts, strict=True) if receipt and path.exists()
            )


def _shard_of(path: Path) -> str:
    """Name the shard that a table, a receipt or a folder of parts belongs to."""
    return path.name.removeprefix(".").partition(".")[0]
