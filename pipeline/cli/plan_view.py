"""Write a plan, and where its outputs lie, as lines for a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kakehi.pipeline.columns import align_columns
from kakehi.pipeline.engines.resources import BASE_BYTES
from kakehi.pipeline.execution.estimates import estimated
from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.planning import resolve
from kakehi.pipeline.planning.planner import Step, waiting
from kakehi.pipeline.sizes import format_size
from kakehi.pipeline.stages.dedupe.history import NAME
from kakehi.pipeline.storage.store import Store


def left_out(manifest: Manifest) -> list[str]:
    """Say what the manifest leaves out, lest it be forgotten there."""
    found = ((source.name, source.selection.skip) for source in manifest.sources)
    return [
        f"{name}: {len(skip)} input{'s are' if len(skip) > 1 else ' is'} left out by skip: {', '.join(skip)}"
        for name, skip in found
        if skip
    ]


def follows(steps: list[Step]) -> list[str]:
    """Say what a plan has to leave open: all that waits for sources to be fetched."""
    names = waiting(steps)
    return (
        [f"what follows is planned once {', '.join(names)} {'is' if len(names) == 1 else 'are'} fetched"]
        if names
        else []
    )


def fetch_costs(steps: list[Step]) -> list[str]:
    """Say what will be fetched, shard by shard."""
    return [
        f"{step.name} {step.source}: {line}"
        for step in steps
        if step.stage.cost
        for shard in step.todo
        for line in step.stage.cost(shard, step.parameters)
    ]


def draw_plan(steps: list[Step]) -> str:
    """Write a plan as lines: step, source, address, what is to do, why."""
    rows = [
        (
            step.name,
            step.source or "",
            step.address[:6],
            step.action,
            f"{len(step.todo)}/{len(step.shards)}" if step.stage.shape != "corpus" else "",
            step.reason,
        )
        for step in steps
    ]
    return "\n".join(align_columns(rows, left=range(6)))


def parameter_lines(
    manifest: Manifest, steps: Sequence[Step], store: Store, bytes_per_worker: int
) -> Iterator[str]:
    """Yield what each corpus step will take, as far as it is known yet; errors as in `estimated`."""
    for step, estimate in estimated(manifest, steps, store, bytes_per_worker):
        yield f"{step.name}: {estimate.told()}"


def compare_estimates(steps: Sequence[Step], store: Store) -> Iterator[str]:
    """Yield what corpus steps were estimated to take and what they took, where they have run."""
    for step in steps:
        for receipt in resolve.receipts_of(step, store) if step.stage.estimate else ():
            if receipt.promised:
                tables = sum(output.size for output in receipt.outputs)
                taken = (receipt.scratch_bytes, tables, receipt.peak_bytes)
                told = (
                    receipt.promised["scratch_bytes"],
                    receipt.promised["table_bytes"],
                    BASE_BYTES + receipt.promised["task_bytes"],
                )
                said = ", ".join(
                    f"{name} {format_size(one)} estimated, {format_size(other)} taken"
                    for name, one, other in zip(("scratch", "tables", "a task"), told, taken, strict=True)
                )
                yield f"{step.name:<11} {said}"


def output_lines(steps: list[Step], store: Store) -> list[str]:
    """List the output folders of a run that a user wants to find."""
    wanted: dict[str, Callable[[str], bool]] = {
        "tokenizer": lambda name: name.startswith("tokenizer."),
        "binaries": lambda name: name.endswith((".bin", ".idx")),
        "flags": lambda name: name.startswith(("flags-", "notes-")),
        "export": lambda name: name.endswith((".jsonl.zst", ".parquet")),
        "report": lambda name: name.endswith(".html"),
        "history": lambda name: name == NAME,
    }
    kinds = {
        "remember": "history",
        "train": "tokenizer",
        "pack": "binaries",
        "index": "flags",
        "export": "export",
        "report": "report",
    }
    found: list[tuple[str, str]] = []
    for step in steps:
        kind = kinds.get(step.stage.name)
        names = [o.name for r in resolve.receipts_of(step, store) for o in r.outputs] if kind else []
        chosen = [name for name in names if kind and wanted[kind](name)]
        home = store.folder(step.name, step.address)
        if kind == "history" and chosen:
            found.append((kind, shown(home)))
        elif kind == "export" and chosen:
            found.append((kind, f"{shown(home)} ({len(chosen)} files)"))
        else:
            found += [(str(kind), shown(home / name)) for name in chosen]
    return list(align_columns(found, left=(0, 1), least=(10,), gap=1))


def shown(path: Path) -> str:
    """Name a path as the user would: from here, if it lies below."""
    here = Path.cwd()
    return os.fspath(path.relative_to(here) if path.is_relative_to(here) else path)
