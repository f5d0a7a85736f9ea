"""Find out before a corpus step starts how much there is for it: by receipts, and by the footers of documents."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kakehi.pipeline.engines.resources import Estimate, InputVolume, refuse
from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.planning.resolve import inputs_of, receipts_of
from kakehi.pipeline.stages.dedupe.sign import signed_by
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.storage.schemas import Table
from kakehi.pipeline.storage.store import Store, merge
from kakehi.pipeline.storage.tables import column_bytes


def input_volume(step: Step, inputs: Inputs, store: Store) -> InputVolume:
    """Give what is known of a step's inputs; the documents must be there."""
    footers = [column_bytes(shard.paths["documents"][0], "text") for shard in inputs.shards]
    rows = tuple(sum(count for count, _ in groups) for groups in footers)
    sizes = [size for groups in footers for _, size in groups]
    keys = step.upstream.get("keys", ())
    dropped = [
        count
        for key, count in _counts(step, "verdict", store).items()
        if key.startswith("verdict/") and key.endswith("/documents")
    ]
    return InputVolume(
        rows=rows,
        text_bytes=sum(sizes),
        largest_bytes=max(sizes, default=0),
        bands=signed_by(keys[0].parameters).bands if keys else 0,
        groups=_counts(step, "groups", store).get("groups", sum(rows)),
        kept=sum(rows) - sum(dropped),
        pairs=_counts(step, "pairs", store).get("candidates", 0),
        bytes_per_worker=inputs.bytes_per_worker,
        parameters=step.parameters,
    )


def estimated(
    manifest: Manifest, steps: Sequence[Step], store: Store, bytes_per_worker: int
) -> Iterator[tuple[Step, Estimate]]:
    """Estimate for every corpus step that has to run and whose documents are there.

    Raises:
        ManifestError: a task would take more memory than a worker has.
        WorkFolderError: the disk has no room.
    """
    for step in steps:
        make = step.stage.estimate
        ready = not any(origin.todo for origin in step.upstream.get("documents", ()))
        if make is None or step.action == "skip" or not ready:
            continue
        inputs = inputs_of(manifest, step, store, bytes_per_worker)
        estimate = make(input_volume(step, inputs, store))
        hold(step.name, estimate, inputs)
        yield step, estimate


@dataclass
class EstimateGuard:
    """What a step last estimated; each estimate is held to what there is.

    Args:
        step: whose.
        inputs: of it.
    """

    step: Step
    inputs: Inputs
    estimated: dict[str, int] = field(default_factory=dict)

    def make(self, estimate: Estimate) -> None:
        """Hold an estimate to the machine and the disk; errors as in `resources.refuse`."""
        hold(self.step.name, estimate, self.inputs)
        self.estimated = {
            "scratch_bytes": estimate.scratch_bytes,
            "table_bytes": estimate.table_bytes,
            "task_bytes": max(estimate.task_bytes, self.estimated.get("task_bytes", 0)),
        }


def hold(step: str, estimate: Estimate, inputs: Inputs) -> None:
    """Refuse what the machine or the disk can't give; errors as in `resources.refuse`."""
    home = next(path for path in (inputs.scratch, *inputs.scratch.parents) if path.exists())
    refuse(
        step,
        estimate,
        free_bytes=shutil.disk_usage(home).free,
        there_bytes=bytes_below(inputs.scratch),
        bytes_per_worker=inputs.bytes_per_worker,
    )


def bytes_below(folder: Path) -> int:
    """Add up the files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _counts(step: Step, table: Table, store: Store) -> dict[str, int]:
    return merge(
        receipt.counts for origin in step.upstream.get(table, ()) for receipt in receipts_of(origin, store)
    )
