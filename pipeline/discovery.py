"""Look at inputs and at earlier runs, and plan."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kakehi.pipeline.addresses import Recipe
from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.formats import hub
from kakehi.pipeline.manifest import Manifest
from kakehi.pipeline.planner import NOT_YET, Step, known_steps, plan
from kakehi.pipeline.reading import nearest
from kakehi.pipeline.shards import MEGABYTE, Shard, dataset_shard, find_files, group
from kakehi.pipeline.store import Store, file_digest


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
